//! P-Preferred-Identity: as whom the user wishes to be asserted (RFC 3325 §9.2).
//!
//! ```text
//! one of the values = ( [ display name ] "<" URI ">" / URI )
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// The identity that the user wishes to be asserted (RFC 3325 §9.2).
    PPreferredIdentity(NameAddr) = PPreferredIdentity
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        PPreferredIdentity<'_>, rfc3325_9_2_examples: [
            "\"Cullen Jennings\" <sip:fluffy@cisco.com>",
            "sip:fluffy@cisco.com" => "<sip:fluffy@cisco.com>",
        ],
        refused: [""],
        built: (target in uri(), display in text(), more in params()) => PPreferredIdentity::new(address(&target, &display, &more)),
    }
}
