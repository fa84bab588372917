//! Content-Disposition: what the body is for (RFC 3261 §20.11, RFC 5621 §8).
//!
//! ```text
//! value = disposition type, then parameters, among them handling = "optional" / "required"
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// What the body is for: `session`, `render`, `icon`, `alert`, `early-session` (RFC 3959), `by-reference` (RFC 5621),
    /// `info-package` (RFC 6086), `recording-session` (RFC 7866), ... (RFC 3261 §20.11).
    ///
    /// ```
    /// use sip_message::header::ContentDisposition;
    /// assert!(!ContentDisposition::parse("early-session;handling=optional").unwrap().is_required());
    /// assert!(ContentDisposition::new("session").is_required());
    /// ```
    ContentDisposition, Token
}

params_api! { ContentDisposition:
    /// What a recipient who does not understand the body does: `optional` or `required`, if it is said.
    token handling / with_handling = "handling";
}

impl ContentDisposition<'_> {
    /// Is it this disposition? Compared without case.
    #[must_use]
    pub const fn is(&self, disposition: &str) -> bool {
        self.value.eq_ignore_ascii_case(disposition)
    }

    /// Must a recipient who does not understand the body refuse the message with 415? So it is unless `handling` says
    /// `optional` (RFC 3261 §20.11).
    #[must_use]
    pub fn is_required(&self) -> bool {
        !self
            .handling()
            .is_some_and(|handling| handling.eq_ignore_ascii_case("optional"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        ContentDisposition<'_>, rfc3261_20_11_and_rfc7866_examples: [
            "session",
            "recording-session",
            "early-session; handling=optional",
        ],
        refused: ["", ";handling=optional", "a b"],
        built: (value in token(), more in some_of(&[("handling", "optional|required"), ("x-more", "[a-z ]{0,5}")])) => with_params!(ContentDisposition::new(&value), more),
    }

    #[test]
    fn rfc5621_8_handling() {
        let optional = ContentDisposition::new("icon").with_handling("optional");
        assert!(!optional.is_required() && optional.is("ICON"));
        assert!(
            ContentDisposition::parse("icon;handling=required")
                .unwrap()
                .is_required()
        );
        assert!(
            ContentDisposition::parse("icon;handling=unheard-of")
                .unwrap()
                .is_required()
        );
    }
}
