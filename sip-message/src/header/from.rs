//! From: who sends the request (RFC 3261 §20.20).
//!
//! ```text
//! value = ( [ display name ] "<" URI ">" / URI ), then parameters, among them tag
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// Who sends the request, with the tag of the side that does (RFC 3261 §20.20).
    ///
    /// ```
    /// use sip_message::header::{From, NameAddr};
    /// let from = From::new(NameAddr::parse("\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s").unwrap());
    /// assert_eq!((from.tag(), from.uri().user()), (Some("a48s"), Some("agb")));
    /// ```
    From(NameAddr) = From
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        From<'_>, rfc3261_20_20_examples: [
            "\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s",
            "sip:+12125551212@server.phone2net.com;tag=887s" => "<sip:+12125551212@server.phone2net.com>;tag=887s",
            "Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8",
        ],
        refused: ["", "<sip:b@h", "\"x\" sip:b@h"],
        built: (target in uri(), display in text(), more in params()) => From::new(address(&target, &display, &more)),
    }
}
