//! P-Visited-Network-ID: which network the user visits (RFC 7315 §4.3).
//!
//! ```text
//! one of the values = token / quoted string, then parameters
//! ```

use alloc::borrow::Cow;

use crate::header::shape::valued_header;

valued_header! {
    /// One network that the user visits (RFC 7315 §4.3).
    PVisitedNetworkId, TokenOrQuoted
}

impl PVisitedNetworkId<'_> {
    /// The network without quotes and escapes.
    #[must_use]
    pub fn network(&self) -> Cow<'_, str> {
        crate::param::unquote(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        PVisitedNetworkId<'_>, rfc7315_4_3_examples: [
            "other.net",
            "\"Visited network number 1\"",
        ],
        refused: ["", ";x", "a b", "\"a"],
        built: (value in token(), more in some_of(&[("x-more", "[a-z ]{0,5}")])) => with_params!(PVisitedNetworkId::new(&value), more),
    }

    #[test]
    fn rfc7315_4_3_names_with_spaces() {
        let network = PVisitedNetworkId::parse("\"Visited network number 1\"").unwrap();
        assert_eq!(network.network(), "Visited network number 1");
    }
}
