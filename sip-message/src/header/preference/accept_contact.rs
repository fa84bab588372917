//! Accept-Contact: the features that the recipient should have (RFC 3841 §9.2).
//!
//! ```text
//! one of the values = "*", then parameters: features, require, explicit
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// `*` and the features that the recipient should have (RFC 3841 §9.2).
    ///
    /// ```
    /// use sip_message::header::AcceptContact;
    /// let wish = AcceptContact::parse("*;audio;methods=\"INVITE,BYE\";require").unwrap();
    /// assert!(wish.is_required() && !wish.is_explicit());
    /// let methods = wish.features().find(|feature| feature.name() == "methods").unwrap();
    /// assert!(methods.has("bye") && !methods.has("REFER"));
    /// ```
    AcceptContact, Star
}

params_api! { AcceptContact:
    /// Are recipients without these features left out?
    flag is_required / with_required = "require";
    /// Are recipients who do not say anything about these features taken for being without them?
    flag is_explicit / with_explicit = "explicit";
}

impl AcceptContact<'_> {
    /// The features, in order (RFC 3840 §9).
    #[must_use]
    pub fn features(&self) -> crate::header::Features<'_> {
        crate::header::Features::new(&self.params)
    }
}

impl Default for AcceptContact<'_> {
    fn default() -> Self {
        Self::new("*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, with_params};

    header_tests! {
        AcceptContact<'_>, rfc3841_9_2_examples: [
            "*;audio;require",
            "*;video;explicit",
            "*;methods=\"BYE\";class=\"business\";q=1.0",
            "*;mobility=\"mobile\";methods=\"INVITE\"",
            "*",
        ],
        refused: ["", "sip:a@h", "**", "*;;a"],
        built: (value in "[*]", more in some_of(&[("audio", ""), ("require", ""), ("explicit", ""), ("methods", "INVITE"), ("x-more", "[a-z ]{0,5}")])) => with_params!(AcceptContact::new(&value), more),
    }

    #[test]
    fn rfc3841_9_2_flags_are_no_features() {
        let wish = AcceptContact::default()
            .with_param("audio", None)
            .with_required()
            .with_explicit();
        assert_eq!(wish.to_string(), "*;audio;require;explicit");
        assert!(wish.is_required() && wish.is_explicit());
        assert!(wish.features().map(|feature| feature.name()).eq(["audio"]));
    }
}
