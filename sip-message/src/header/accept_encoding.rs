//! Accept-Encoding: what the sender understands (RFC 3261 §20.2).
//!
//! ```text
//! one of the values = coding or "*", then parameters, among them q
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// One compression that the sender understands (RFC 3261 §20.2).
    AcceptEncoding, Token
}

params_api! { AcceptEncoding:
    /// The preference; 1 if none is given.
    q q / with_q = "q";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::QValue;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        AcceptEncoding<'_>, rfc3261_20_2_examples: [
            "gzip",
            "identity;q=0.5",
            "*;q=0",
        ],
        refused: ["", "gzip;q=2x;;", "a b"],
        built: (value in token(), more in some_of(&[("q", "0[.][0-9]{1,3}"), ("x", "[a-z]{1,3}")])) => with_params!(AcceptEncoding::new(&value), more),
    }

    #[test]
    fn rfc3261_20_2_preference() {
        let half = QValue::from_thousandths(500).unwrap();
        let value = AcceptEncoding::new("a").with_q(half);
        assert_eq!((value.q(), value.to_string().as_str()), (half, "a;q=0.5"));
        assert_eq!(AcceptEncoding::new("a").q(), QValue::ONE);
    }
}
