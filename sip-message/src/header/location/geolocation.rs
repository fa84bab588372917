//! Geolocation: where the location of the target is (RFC 6442 §4.1, RFC 8787 §3).
//!
//! ```text
//! one of the values = "<" URI ">", then parameters, among them loc-src = host name
//! ```

use crate::header::shape::{params_api, uri_header};

uri_header! {
    /// One reference to a location: a `cid:` URI for one in the body, or where it can be asked for (RFC 6442 §4.1).
    ///
    /// ```
    /// use sip_message::header::Geolocation;
    /// let place = Geolocation::parse("<https://lis.example.com:8222/y77syc7cuecbh>;loc-src=edgeproxy.example.com").unwrap();
    /// assert_eq!(place.location_source(), Some("edgeproxy.example.com"));
    /// ```
    Geolocation
}

params_api! { Geolocation:
    /// The host that added the reference, where it is not the sender of the request (RFC 8787 §3).
    token location_source / with_location_source = "loc-src";
}

impl Geolocation<'_> {
    /// Is the location in the body of the message?
    #[must_use]
    pub fn is_by_value(&self) -> bool {
        self.uri().scheme_str().eq_ignore_ascii_case("cid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, uri, with_params};
    use crate::uri::UriRef;

    header_tests! {
        Geolocation<'_>, rfc6442_4_1_and_rfc8787_3_examples: [
            "<cid:target123@atlanta.example.com>",
            "<sips:target123@server5.atlanta.example.com>",
            "<https://lis.example.com:8222/y77syc7cuecbh>;\r\n loc-src=edgeproxy.example.com",
        ],
        refused: ["", "cid:a@b", "<cid:a@b"],
        built: (target in uri(), more in params()) => with_params!(Geolocation::new(UriRef::parse(&target).unwrap()), more),
    }

    #[test]
    fn rfc6442_4_1_by_value_or_by_reference() {
        let by_value = Geolocation::parse("<CID:target123@atlanta.example.com>").unwrap();
        assert!(by_value.is_by_value() && by_value.location_source().is_none());
        let by_reference = Geolocation::parse("<sips:a@h>")
            .unwrap()
            .with_location_source("p.h");
        assert!(!by_reference.is_by_value());
        assert_eq!(by_reference.to_string(), "<sips:a@h>;loc-src=p.h");
    }
}
