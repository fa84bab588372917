//! Policy-Contact: the policy servers to ask (RFC 6794 §4.4.5.2).
//!
//! ```text
//! one of the values = "<" URI ">", then parameters: non-cacheable, alt-uri = host name
//! ```

use crate::header::shape::{params_api, uri_header};

uri_header! {
    /// One policy server to ask before the session (RFC 6794 §4.4.5.2).
    PolicyContact
}

params_api! { PolicyContact:
    /// Must the address be forgotten after this session?
    flag is_non_cacheable / with_non_cacheable = "non-cacheable";
    /// Another host that has the same policies.
    token alternative / with_alternative = "alt-uri";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, uri, with_params};
    use crate::uri::UriRef;

    header_tests! {
        PolicyContact<'_>, rfc6794_4_4_5_2_forms: [
            "<sip:policy@biloxi.example.com>",
            "<sips:policy@h.example>;non-cacheable;alt-uri=h2.example",
        ],
        refused: ["", "sip:policy@h"],
        built: (target in uri(), more in params()) => with_params!(PolicyContact::new(UriRef::parse(&target).unwrap()), more),
    }

    #[test]
    fn rfc6794_4_4_5_2_parameters() {
        let server = PolicyContact::parse("<sip:p@h>")
            .unwrap()
            .with_non_cacheable()
            .with_alternative("h2");
        assert_eq!(server.to_string(), "<sip:p@h>;non-cacheable;alt-uri=h2");
        assert!(server.is_non_cacheable() && server.alternative() == Some("h2"));
    }
}
