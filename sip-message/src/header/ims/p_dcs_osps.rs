//! P-DCS-OSPS: what an operator wants of the call (RFC 5503 §6).
//!
//! ```text
//! value = "BLV" / "EI" / "RING" / token
//! ```

use crate::header::shape::word_header;

word_header! {
    /// What an operator wants of a PacketCable call: `BLV`, `EI`, `RING` (RFC 5503 §6).
    PDcsOsps, Token
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, token};

    header_tests! {
        PDcsOsps<'_>, rfc5503_6_1_forms: [
            "BLV",
            "EI",
            "RING",
        ],
        refused: ["", "a;b"],
        built: (value in token()) => PDcsOsps::new(&value),
    }
}
