//! Referred-By: who asked for the reference (RFC 3892 §3).
//!
//! ```text
//! value = ( [ display name ] "<" URI ">" / URI ), then parameters,
//!         among them cid: the Content-ID of the token that proves it, in quotes
//! ```

use crate::header::NameAddr;
use crate::header::shape::{newtype_header, params_api};

newtype_header! {
    /// Who asked for the reference (RFC 3892 §3).
    ReferredBy(NameAddr) = ReferredBy
}

params_api! { ReferredBy:
    /// The Content-ID of the body part that has the token (RFC 3892 §4.1), without angle brackets.
    text content_id / with_content_id = "cid";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        ReferredBy<'_>, rfc3892_3_examples: [
            "sip:r@ref.example;cid=\"2UWQFN309shb3@ref.example\"" => "<sip:r@ref.example>;cid=\"2UWQFN309shb3@ref.example\"",
            "<sip:referrer@referrer.example>\r\n ;cid=\"20398823.2UWQFN309shb3@referrer.example\"",
        ],
        refused: ["", ";cid=\"x\""],
        built: (target in uri(), display in text(), more in params()) => ReferredBy::new(address(&target, &display, &more)),
    }

    #[test]
    fn rfc3892_3_cid() {
        let by = NameAddr::parse("sip:r@ref.example;cid=\"2UWQFN309shb3@ref.example\"").unwrap();
        assert_eq!(
            ReferredBy::new(by).content_id().as_deref(),
            Some("2UWQFN309shb3@ref.example")
        );
    }
}
