//! P-Asserted-Identity: who a trusted proxy says that the caller is (RFC 3325 §9.1).
//!
//! ```text
//! one of the values = ( [ display name ] "<" URI ">" / URI ); at most one sip or sips and one tel
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One identity that a trusted proxy vouches for (RFC 3325 §9.1).
    PAssertedIdentity(NameAddr) = PAssertedIdentity
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        PAssertedIdentity<'_>, rfc3325_9_1_examples: [
            "\"Cullen Jennings\" <sip:fluffy@cisco.com>",
            "tel:+14085264000" => "<tel:+14085264000>",
        ],
        refused: ["", "fluffy"],
        built: (target in uri(), display in text(), more in params()) => PAssertedIdentity::new(address(&target, &display, &more)),
    }
}
