//! Refer-Sub: whether a REFER makes a subscription (RFC 4488 §4).
//!
//! ```text
//! value = "true" / "false", then parameters
//! ```

use crate::header::shape::valued_header;

valued_header! {
    /// Whether a REFER makes a subscription: `true` or `false` (RFC 4488 §4).
    ReferSub, Token
}

impl ReferSub<'_> {
    /// Is a subscription wished, or made?
    #[must_use]
    pub const fn is_true(&self) -> bool {
        self.value.eq_ignore_ascii_case("true")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        ReferSub<'_>, rfc4488_4_examples: [
            "false",
            "true;x=y",
        ],
        refused: ["", ";x"],
        built: (value in token(), more in some_of(&[("x-more", "[a-z ]{0,5}")])) => with_params!(ReferSub::new(&value), more),
    }

    #[test]
    fn rfc4488_4_true_and_false() {
        assert!(ReferSub::new("TRUE").is_true() && !ReferSub::new("false").is_true());
    }
}
