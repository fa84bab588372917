//! Security-Verify: the mechanisms that the server said it has (RFC 3329 §2.2).
//!
//! ```text
//! one of the values = mechanism, then parameters: q, d-alg, d-qop, d-ver = quoted string
//! ```

use super::mechanism::mechanism_header;

mechanism_header! {
    /// One of the mechanisms that the server said it has (RFC 3329 §2.2): `digest`, `tls`, `ipsec-3gpp`, ...
    SecurityVerify
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::QValue;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        SecurityVerify<'_>, rfc3329_2_2_examples: [
            "ipsec-ike;q=0.1",
            "tls;q=0.2",
            "digest;d-alg=MD5;d-qop=auth;d-ver=\"0000000000000000000000000000abcd\"",
        ],
        refused: ["", ";q=0.1", "tls;q=", "a b"],
        built: (value in token(), more in some_of(&[("q", "0[.][0-9]"), ("d-alg", "MD5"), ("d-qop", "auth"), ("x-more", "[a-z ]{0,5}")])) => with_params!(SecurityVerify::new(&value), more),
    }

    #[test]
    fn rfc3329_2_2_parameters() {
        let value = SecurityVerify::new("digest")
            .with_digest_algorithm("MD5")
            .with_digest_qop("auth")
            .with_digest_verify("ab");
        assert_eq!(
            value.to_string(),
            "digest;d-alg=MD5;d-qop=auth;d-ver=\"ab\""
        );
        assert_eq!(
            (
                value.mechanism(),
                value.digest_algorithm(),
                value.digest_qop()
            ),
            ("digest", Some("MD5"), Some("auth"))
        );
        assert_eq!(
            (value.digest_verify().as_deref(), value.q()),
            (Some("ab"), QValue::ONE)
        );
    }
}
