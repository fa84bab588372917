//! Feature-Caps: the features of an element on the way (RFC 6809 §6.2, RFC 8599 §14).
//!
//! ```text
//! one of the values = "*", then parameters: features
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// `*` and the features that the element that added it has (RFC 6809 §6.2). Push notifications (RFC 8599 §14) are
    /// announced here: `+sip.pns`, `+sip.vapid`, `+sip.pnsreg`, `+sip.pnspurr`.
    FeatureCaps, Star
}

impl FeatureCaps<'_> {
    /// The features, in order (RFC 3840 §9).
    #[must_use]
    pub fn features(&self) -> crate::header::Features<'_> {
        crate::header::Features::new(&self.params)
    }
}

params_api! { FeatureCaps:
    /// The push notification service that the element talks to (RFC 8599 §14.3.1).
    text push_service / with_push_service = "+sip.pns";
    /// The server's public key for web push (RFC 8599 §14.3.2).
    text vapid / with_vapid = "+sip.vapid";
    /// How many seconds before its expiry the binding should be refreshed without a push (RFC 8599 §14.3.3).
    text push_refresh / with_push_refresh = "+sip.pnsreg";
    /// The key that finds the push resource of a mid-dialog request (RFC 8599 §14.3.4).
    text push_purr / with_push_purr = "+sip.pnspurr";
}

impl Default for FeatureCaps<'_> {
    fn default() -> Self {
        Self::new("*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, with_params};

    header_tests! {
        FeatureCaps<'_>, rfc6809_6_2_and_rfc8599_examples: [
            "*;+sip.pns=\"acme\";+sip.pnsreg=\"121\"",
            "*;+sip.feature=\"<a,b>\"",
            "*",
        ],
        refused: ["", "+sip.pns"],
        built: (value in "[*]", more in some_of(&[("+sip.pns", "acme"), ("x-more", "[a-z ]{0,5}")])) => with_params!(FeatureCaps::new(&value), more),
    }

    #[test]
    fn rfc8599_14_push_capabilities() {
        let caps = FeatureCaps::default()
            .with_push_service("acme")
            .with_push_refresh("121");
        assert_eq!(caps.to_string(), "*;+sip.pns=\"acme\";+sip.pnsreg=\"121\"");
        assert_eq!(
            (caps.push_service().as_deref(), caps.vapid()),
            (Some("acme"), None)
        );
        let caps = caps.with_vapid("k").with_push_purr("p");
        assert_eq!(
            (caps.push_refresh().as_deref(), caps.push_purr().as_deref()),
            (Some("121"), Some("p"))
        );
        assert!(caps.features().next().unwrap().has("acme"));
    }
}
