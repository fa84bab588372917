//! Geolocation-Error: what was wrong with the location (RFC 6442 §4.3).
//!
//! ```text
//! value = 1*3DIGIT, then parameters, among them code = quoted string
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// What was wrong with the location: a code and a text for people (RFC 6442 §4.3).
    GeolocationError, Code
}

params_api! { GeolocationError:
    /// The text for people.
    text text / with_text = "code";
}

impl GeolocationError<'_> {
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
        GeolocationError<'_>, rfc6442_4_3_examples: [
            "100 ; code=\"Cannot Process Location\"",
            "200 ; code=\"Permission To Use Location\r\n Information\"",
            "300 ; code=\"Dereference Failure\"",
        ],
        refused: ["", "1000", "x", ";code=\"x\""],
        built: (value in "[0-9]{1,3}", more in some_of(&[("x", "[a-z]{1,3}"), ("x-more", "[a-z ]{0,5}")])) => with_params!(GeolocationError::new(&value), more),
    }

    #[test]
    fn rfc6442_4_3_code_and_text() {
        let error = GeolocationError::new("300").with_text("Dereference \"Failure\"");
        assert_eq!(
            (error.code(), error.text().as_deref()),
            (300, Some("Dereference \"Failure\""))
        );
        assert_eq!(
            error.to_string(),
            "300;code=\"Dereference \\\"Failure\\\"\""
        );
    }
}
