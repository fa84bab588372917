//! Trigger-Consent: where to ask a recipient for consent (RFC 5360 §5.11.2).
//!
//! ```text
//! one of the values = sip or sips URI, then parameters, among them target-uri = quoted string
//! ```

use crate::header::shape::{bare_uri_header, params_api};

bare_uri_header! {
    /// Where a relay can be told to ask a recipient for consent (RFC 5360 §5.11.2).
    TriggerConsent
}

params_api! { TriggerConsent:
    /// For what address the consent is missing.
    text target_uri / with_target_uri = "target-uri";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UriRef;
    use crate::header::testing::{header_tests, params, uri, with_params};

    header_tests! {
        TriggerConsent<'_>, rfc5360_5_11_2_example: [
            "sip:123@relay.example.com\r\n ;target-uri=\"sip:friends@relay.example.com\"",
        ],
        refused: ["", "\"x\" <sip:h>"],
        built: (target in uri(), more in params()) => with_params!(TriggerConsent::new(UriRef::parse(&target).unwrap()), more),
    }

    #[test]
    fn rfc5360_5_11_2_target() {
        let ask = TriggerConsent::parse("sip:123@relay.example.com")
            .unwrap()
            .with_target_uri("sip:f@h");
        assert_eq!(
            ask.to_string(),
            "sip:123@relay.example.com;target-uri=\"sip:f@h\""
        );
        assert_eq!(ask.target_uri().as_deref(), Some("sip:f@h"));
    }
}
