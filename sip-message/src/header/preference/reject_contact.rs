//! Reject-Contact: the features that the recipient should not have (RFC 3841 §9.2).
//!
//! ```text
//! one of the values = "*", then parameters: features
//! ```

use crate::header::shape::valued_header;

valued_header! {
    /// `*` and the features that the recipient should not have (RFC 3841 §9.2).
    RejectContact, Star
}

impl RejectContact<'_> {
    /// The features, in order (RFC 3840 §9).
    #[must_use]
    pub fn features(&self) -> crate::header::Features<'_> {
        crate::header::Features::new(&self.params)
    }
}

impl Default for RejectContact<'_> {
    fn default() -> Self {
        Self::new("*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, with_params};

    header_tests! {
        RejectContact<'_>, rfc3841_9_2_examples: [
            "*;actor=\"msg-taker\";video",
        ],
        refused: ["", "*x"],
        built: (value in "[*]", more in some_of(&[("video", ""), ("actor", "msg-taker"), ("x-more", "[a-z ]{0,5}")])) => with_params!(RejectContact::new(&value), more),
    }

    #[test]
    fn rfc3841_9_2_features() {
        let value = RejectContact::default().with_param("video", None);
        assert!(value.features().map(|feature| feature.name()).eq(["video"]));
    }
}
