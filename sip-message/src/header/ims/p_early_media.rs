//! P-Early-Media: whether early media is authorized (RFC 5009 §8).
//!
//! ```text
//! value = [ direction *( "," direction ) ]
//! direction = "sendrecv" / "sendonly" / "recvonly" / "inactive" / "gated" / "supported" / token
//! ```

use crate::header::shape::token_list;

token_list! {
    /// Whether early media is authorized: `sendrecv`, `inactive`, `gated`, `supported`, ... (RFC 5009 §8).
    PEarlyMedia
}

impl PEarlyMedia<'_> {
    /// Does the sender understand the field?
    #[must_use]
    pub fn is_supported(&self) -> bool {
        self.contains("supported")
    }

    /// Is early media gated on the way?
    #[must_use]
    pub fn is_gated(&self) -> bool {
        self.contains("gated")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, refs, tokens};

    header_tests! {
        PEarlyMedia<'_>, rfc5009_8_forms: [
            "supported",
            "sendrecv, gated",
            "inactive",
            "",
        ],
        refused: ["a b"],
        built: (words in tokens()) => let words = refs(&words); PEarlyMedia::from_slice(&words),
    }

    #[test]
    fn rfc5009_8_parameters() {
        let value = PEarlyMedia::from_slice(&["supported", "gated"]);
        assert!(
            value.is_supported()
                && value.is_gated()
                && !PEarlyMedia::from_slice(&["sendrecv"]).is_supported()
        );
    }
}
