//! Identity-Info: where the certificate of a signature of RFC 4474 is (RFC 4474 §9).
//!
//! ```text
//! value = "<" URI ">", then parameters, among them alg = token
//! ```

use crate::header::shape::{params_api, uri_header};

uri_header! {
    /// Where the certificate of a signature of RFC 4474 is; RFC 8224 has it in [`Identity`](crate::header::Identity).
    IdentityInfo
}

params_api! { IdentityInfo:
    /// The algorithm of the signature.
    token algorithm / with_algorithm = "alg";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, uri, with_params};
    use crate::uri::UriRef;

    header_tests! {
        IdentityInfo<'_>, rfc4474_9_examples: [
            "<https://atlanta.example.com/atlanta.cer>;alg=rsa-sha1",
            "<https://biloxi.example.org/biloxi.cer>;alg=rsa-sha1",
        ],
        refused: ["", "https://h"],
        built: (target in uri(), more in params()) => with_params!(IdentityInfo::new(UriRef::parse(&target).unwrap()), more),
    }

    #[test]
    fn rfc4474_9_algorithm() {
        let info = IdentityInfo::parse("<https://h/c>")
            .unwrap()
            .with_algorithm("rsa-sha1");
        assert_eq!(
            (info.algorithm(), info.to_string().as_str()),
            (Some("rsa-sha1"), "<https://h/c>;alg=rsa-sha1")
        );
    }
}
