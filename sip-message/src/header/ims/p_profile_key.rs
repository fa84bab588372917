//! P-Profile-Key: the key of a profile in the subscriber database (RFC 5002 §5).
//!
//! ```text
//! value = ( [ display name ] "<" URI ">" / URI ), then parameters
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// The key of the profile in the subscriber database, which may have a wildcard (RFC 5002 §5).
    PProfileKey(NameAddr) = PProfileKey
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        PProfileKey<'_>, rfc5002_5_example: [
            "<sip:chatroom-!.*!@example.com>",
        ],
        refused: [""],
        built: (target in uri(), display in text(), more in params()) => PProfileKey::new(address(&target, &display, &more)),
    }
}
