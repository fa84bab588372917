//! Priority: how urgent the request is to the person (RFC 3261 §20.26).
//!
//! ```text
//! value = "emergency" / "urgent" / "normal" / "non-urgent" / token
//! ```

use crate::header::shape::word_header;

word_header! {
    /// How urgent the request is to the person: `emergency`, `urgent`, `normal`, `non-urgent` (RFC 3261 §20.26), or
    /// `psap-callback` (RFC 7090 §4).
    Priority, Token
}

impl Priority<'_> {
    /// Is a person in danger? Such requests go before all others.
    #[must_use]
    pub const fn is_emergency(&self) -> bool {
        self.0.eq_ignore_ascii_case("emergency")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, token};

    header_tests! {
        Priority<'_>, rfc3261_20_26_examples: [
            "emergency",
            "non-urgent",
        ],
        refused: ["", "very urgent", "a;b"],
        built: (value in token()) => Priority::new(&value),
    }

    #[test]
    fn rfc3261_20_26_emergency() {
        assert!(
            Priority::new("Emergency").is_emergency() && !Priority::new("urgent").is_emergency()
        );
    }
}
