//! Answer-Mode: should the call be answered by a person or by itself (RFC 5373 §4)?
//!
//! ```text
//! value = "Manual" / "Auto" / token, then parameters, among them require
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// Should the call be answered by a person or by itself: `Manual` or `Auto` (RFC 5373 §4).
    AnswerMode, Token
}

params_api! { AnswerMode:
    /// Should the request rather fail than be answered in another way?
    flag is_required / with_required = "require";
}

impl AnswerMode<'_> {
    /// Should the phone answer by itself?
    #[must_use]
    pub const fn is_auto(&self) -> bool {
        self.value.eq_ignore_ascii_case("Auto")
    }

    /// Should a person answer?
    #[must_use]
    pub const fn is_manual(&self) -> bool {
        self.value.eq_ignore_ascii_case("Manual")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        AnswerMode<'_>, rfc5373_4_and_5_examples: [
            "Manual",
            "Manual;require",
            "Auto",
            "Auto;require",
        ],
        refused: ["", "a b", ";require"],
        built: (value in token(), more in some_of(&[("require", ""), ("x-more", "[a-z ]{0,5}")])) => with_params!(AnswerMode::new(&value), more),
    }

    #[test]
    fn rfc5373_4_modes() {
        let mode = AnswerMode::new("auto").with_required();
        assert!(mode.is_auto() && !mode.is_manual() && mode.is_required());
        assert!(AnswerMode::new("Manual").is_manual() && !AnswerMode::new("Manual").is_required());
    }
}
