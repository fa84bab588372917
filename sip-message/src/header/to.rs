//! To: the logical recipient of the request (RFC 3261 §20.39).
//!
//! ```text
//! value = ( [ display name ] "<" URI ">" / URI ), then parameters, among them tag
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// The logical recipient; its tag is that of the other side (RFC 3261 §20.39).
    To(NameAddr) = To
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        To<'_>, rfc3261_20_39_examples: [
            "The Operator <sip:operator@cs.columbia.edu>;tag=287447",
            "sip:+12125551212@server.phone2net.com" => "<sip:+12125551212@server.phone2net.com>",
        ],
        refused: ["", "\"b <sip:b@h>"],
        built: (target in uri(), display in text(), more in params()) => To::new(address(&target, &display, &more)),
    }
}
