//! Geolocation-Routing: may elements on the way route by the location (RFC 6442 §4.2)?
//!
//! ```text
//! value = "yes" / "no" / generic parameter
//! ```

use crate::header::shape::valued_header;

valued_header! {
    /// May elements on the way route by the location: `yes` or `no` (RFC 6442 §4.2).
    GeolocationRouting, Token
}

impl GeolocationRouting<'_> {
    /// May they? What is not `yes` counts as `no`.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        self.value.eq_ignore_ascii_case("yes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        GeolocationRouting<'_>, rfc6442_4_2_example: [
            "no",
            "yes",
        ],
        refused: ["", "a b"],
        built: (value in token(), more in some_of(&[("x-more", "[a-z ]{0,5}")])) => with_params!(GeolocationRouting::new(&value), more),
    }

    #[test]
    fn rfc6442_4_2_yes_and_no() {
        assert!(
            GeolocationRouting::new("Yes").is_allowed()
                && !GeolocationRouting::new("maybe").is_allowed()
        );
    }
}
