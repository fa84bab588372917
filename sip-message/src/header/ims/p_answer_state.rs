//! P-Answer-State: whether the answer is the user's (RFC 4964 §7.1).
//!
//! ```text
//! value = "Confirmed" / "Unconfirmed" / token, then parameters
//! ```

use crate::header::shape::valued_header;

valued_header! {
    /// Whether the answer of a push-to-talk server is the user's: `Confirmed` or `Unconfirmed` (RFC 4964 §7.1).
    PAnswerState, Token
}

impl PAnswerState<'_> {
    /// Has the user answered?
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        self.value.eq_ignore_ascii_case("Confirmed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        PAnswerState<'_>, rfc4964_8_examples: [
            "Unconfirmed",
            "Confirmed",
        ],
        refused: ["", ";x"],
        built: (value in token(), more in some_of(&[("x-more", "[a-z ]{0,5}")])) => with_params!(PAnswerState::new(&value), more),
    }

    #[test]
    fn rfc4964_7_1_states() {
        assert!(
            PAnswerState::new("confirmed").is_confirmed()
                && !PAnswerState::new("Unconfirmed").is_confirmed()
        );
    }
}
