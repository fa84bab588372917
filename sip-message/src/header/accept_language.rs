//! Accept-Language: what the sender understands (RFC 3261 §20.3).
//!
//! ```text
//! one of the values = language tag or "*", then parameters, among them q
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// One language that the sender understands (RFC 3261 §20.3).
    AcceptLanguage, Token
}

params_api! { AcceptLanguage:
    /// The preference; 1 if none is given.
    q q / with_q = "q";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::QValue;
    use crate::header::testing::{header_tests, some_of, with_params};

    header_tests! {
        AcceptLanguage<'_>, rfc3261_20_3_examples: [
            "da",
            "en-gb;q=0.8",
            "en;q=0.7",
        ],
        refused: ["", "en gb"],
        built: (value in "[a-z]{1,8}(-[A-Za-z]{1,8})?|[*]", more in some_of(&[("q", "0[.][0-9]{1,3}"), ("x", "[a-z]{1,3}")])) => with_params!(AcceptLanguage::new(&value), more),
    }

    #[test]
    fn rfc3261_20_3_preference() {
        let half = QValue::from_thousandths(500).unwrap();
        let value = AcceptLanguage::new("a").with_q(half);
        assert_eq!((value.q(), value.to_string().as_str()), (half, "a;q=0.5"));
        assert_eq!(AcceptLanguage::new("a").q(), QValue::ONE);
    }
}
