//! Suppress-If-Match: the state whose notification may be left out (RFC 5839 §7.1).
//!
//! ```text
//! value = entity tag / "*"
//! ```

use crate::header::shape::word_header;

word_header! {
    /// The entity tag whose notification may be left out, or `*` for every one (RFC 5839 §7.1).
    SuppressIfMatch, Token
}

impl SuppressIfMatch<'_> {
    /// May this notification be left out: is the tag the same, or the condition `*`?
    #[must_use]
    pub fn matches(&self, entity_tag: &str) -> bool {
        self.0 == "*" || self.0 == entity_tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, token};

    header_tests! {
        SuppressIfMatch<'_>, rfc5839_7_1_examples: [
            "b4cf7",
            "*",
        ],
        refused: ["", "\"a\""],
        built: (value in token()) => SuppressIfMatch::new(&value),
    }

    #[test]
    fn rfc5839_5_1_condition() {
        assert!(SuppressIfMatch::new("*").matches("a") && SuppressIfMatch::new("a").matches("a"));
        assert!(!SuppressIfMatch::new("a").matches("A"));
    }
}
