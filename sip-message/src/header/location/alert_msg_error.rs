//! AlertMsg-Error: what was wrong with an alert without a person behind it (RFC 8876 §5.2).
//!
//! ```text
//! value = 3DIGIT, then parameters, among them message = quoted string
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// What was wrong with an alert without a person behind it: a code and a text for people (RFC 8876 §5.2).
    AlertMsgError, Digits3
}

params_api! { AlertMsgError:
    /// The text for people.
    text text / with_text = "message";
}

impl AlertMsgError<'_> {
    /// The code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.value.parse().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, with_params};

    header_tests! {
        AlertMsgError<'_>, rfc8876_5_2_examples: [
            "100 ; message=\"Cannot process the alert payload\"",
            "101 ; message=\"Alert payload was not present or could\r\n not be found\"",
        ],
        refused: ["", "10", "1000", "abc"],
        built: (value in "[0-9]{3}", more in some_of(&[("x", "[a-z]{1,3}"), ("x-more", "[a-z ]{0,5}")])) => with_params!(AlertMsgError::new(&value), more),
    }

    #[test]
    fn rfc8876_5_2_code_and_text() {
        let error = AlertMsgError::new("300").with_text("Dereference \"Failure\"");
        assert_eq!(
            (error.code(), error.text().as_deref()),
            (300, Some("Dereference \"Failure\""))
        );
        assert_eq!(
            error.to_string(),
            "300;message=\"Dereference \\\"Failure\\\"\""
        );
    }
}
