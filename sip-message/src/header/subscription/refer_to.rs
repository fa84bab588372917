//! Refer-To: whom to contact (RFC 3515 §2.1).
//!
//! ```text
//! value = ( [ display name ] "<" URI ">" / URI ), then parameters
//! ; method=... and the header fields of the new request stand in the URI
//! ```

use alloc::borrow::Cow;

use crate::header::NameAddr;
use crate::header::shape::newtype_header;
use crate::method::Method;

newtype_header! {
    /// Whom to contact (RFC 3515 §2.1). The method and header fields of the request to make are in the URI.
    ///
    /// ```
    /// use sip_message::header::{NameAddr, ReferTo};
    /// let to = ReferTo::new(NameAddr::parse("<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345>").unwrap());
    /// assert_eq!(to.replaces().as_deref(), Some("12345@192.168.118.3;to-tag=12345"));
    /// ```
    ReferTo(NameAddr) = ReferTo
}

impl ReferTo<'_> {
    /// The method of the request to make; INVITE if the URI does not say (RFC 3515 §2.4.1).
    #[must_use]
    pub fn method(&self) -> Method {
        self.uri()
            .param("method")
            .and_then(|text| Method::from_bytes(text.as_bytes()))
            .unwrap_or(Method::Invite)
    }

    /// The Replaces header field that the URI asks for, without escapes (RFC 3891 §5).
    #[must_use]
    pub fn replaces(&self) -> Option<Cow<'_, str>> {
        self.uri()
            .headers()
            .find(|(name, _)| name.eq_ignore_ascii_case("Replaces"))
            .map(|(_, value)| crate::uri::unescape(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        ReferTo<'_>, rfc3515_2_1_examples: [
            "<sip:alice@atlanta.example.com>",
            "<sip:bob@biloxi.example.net?Accept-Contact=sip:bobsdesk.biloxi.example.net&Call-ID=55432%40alicepc.atlanta.example.com>",
            "<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994>",
            "<sip:carol@cleveland.example.org;method=SUBSCRIBE>",
            "http://www.ietf.org" => "<http://www.ietf.org>",
        ],
        // The last one is printed in the RFC with an escaped equals sign, so that the field has no value (RFC 3261 §25.1).
        refused: ["", "<sip:a@h", "<sip:bob@biloxi.example.net?Accept-Contact=sip:h&Call-ID%3D55432%40h>"],
        built: (target in uri(), display in text(), more in params()) => ReferTo::new(address(&target, &display, &more)),
    }

    #[test]
    fn rfc3515_2_4_1_the_method_is_in_the_uri() {
        let to = NameAddr::parse("<sip:carol@cleveland.example.org;method=SUBSCRIBE>").unwrap();
        assert_eq!(ReferTo::new(to).method(), Method::Subscribe);
        let to = NameAddr::parse("<sip:h>").unwrap();
        assert_eq!(ReferTo::new(to).method(), Method::Invite);
    }
}
