//! Policy-ID: the policies that were used (RFC 6794 §4.4.5.1).
//!
//! ```text
//! one of the values = URI, then parameters, among them token = token
//! ```

use crate::header::shape::{bare_uri_header, params_api};

bare_uri_header! {
    /// One policy that was used: its server, and the token that this gave (RFC 6794 §4.4.5.1).
    PolicyId
}

params_api! { PolicyId:
    /// What the policy server gave to show that it was asked.
    token token / with_token = "token";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UriRef;
    use crate::header::testing::{header_tests, params, uri, with_params};

    header_tests! {
        PolicyId<'_>, rfc6794_4_4_5_1_forms: [
            "sip:policy@biloxi.example.com;token=2s7x",
            "<sip:policy@h;transport=tcp>;token=1",
            "<sip:policy@h>" => "sip:policy@h",
        ],
        refused: ["", "\"P\" <sip:h>", ";token=1"],
        built: (target in uri(), more in params()) => with_params!(PolicyId::new(UriRef::parse(&target).unwrap()), more),
    }

    #[test]
    fn rfc6794_4_4_5_1_token() {
        let policy = PolicyId::parse("sip:p@h;token=1").unwrap();
        assert_eq!(
            (policy.uri().as_str(), policy.token()),
            ("sip:p@h", Some("1"))
        );
        assert_eq!(
            PolicyId::new(policy.uri()).with_token("2").to_string(),
            "sip:p@h;token=2"
        );
    }
}
