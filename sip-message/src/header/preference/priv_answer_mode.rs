//! Priv-Answer-Mode: should the call be answered by itself, whatever the callee prefers (RFC 5373 §4)?
//!
//! ```text
//! value = "Manual" / "Auto" / token, then parameters, among them require
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// Should the call be answered by itself, whatever the callee prefers: `Manual` or `Auto` (RFC 5373 §4).
    PrivAnswerMode, Token
}

params_api! { PrivAnswerMode:
    /// Should the request rather fail than be answered in another way?
    flag is_required / with_required = "require";
}

impl PrivAnswerMode<'_> {
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
        PrivAnswerMode<'_>, rfc5373_4_and_5_examples: [
            "Manual",
            "Manual;require",
            "Auto",
            "Auto;require",
        ],
        refused: ["", "a b", ";require"],
        built: (value in token(), more in some_of(&[("require", ""), ("x-more", "[a-z ]{0,5}")])) => with_params!(PrivAnswerMode::new(&value), more),
    }

    #[test]
    fn rfc5373_4_modes() {
        let mode = PrivAnswerMode::new("auto").with_required();
        assert!(mode.is_auto() && !mode.is_manual() && mode.is_required());
        assert!(
            PrivAnswerMode::new("Manual").is_manual()
                && !PrivAnswerMode::new("Manual").is_required()
        );
    }
}
