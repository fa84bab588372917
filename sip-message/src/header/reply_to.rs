//! Reply-To: where a return call should go (RFC 3261 §20.31).
//!
//! ```text
//! value = ( [ display name ] "<" URI ">" / URI ), then parameters
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// Where a return call should go, which may not be where the request came from (RFC 3261 §20.31).
    ReplyTo(NameAddr) = ReplyTo
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        ReplyTo<'_>, rfc3261_20_31_example: [
            "Bob <sip:bob@biloxi.com>",
        ],
        refused: ["", "Bob sip:b@h"],
        built: (target in uri(), display in text(), more in params()) => ReplyTo::new(address(&target, &display, &more)),
    }
}
