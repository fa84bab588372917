//! P-Charge-Info: who is charged (RFC 8496 §8).
//!
//! ```text
//! value = ( [ display name ] "<" URI ">" / URI ), then parameters:
//!     npi and noa are parameters of the user part in the URI
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// Who is charged (RFC 8496 §8).
    PChargeInfo(NameAddr) = PChargeInfo
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        PChargeInfo<'_>, rfc8496_7_examples: [
            "<sip:+14075550134@example.net;user=phone>",
            "<sip:+12345550167@example.com>",
            "<sips:1234@example.com>",
        ],
        refused: [""],
        built: (target in uri(), display in text(), more in params()) => PChargeInfo::new(address(&target, &display, &more)),
    }
}
