//! Info-Package: the package of an INFO (RFC 6086 §7.1).
//!
//! ```text
//! value = package name, then parameters
//! ```

use crate::header::shape::valued_header;

valued_header! {
    /// The package of an INFO (RFC 6086 §7.1).
    InfoPackage, Token
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        InfoPackage<'_>, rfc6086_examples: [
            "foo",
            "foo;bar=baz",
        ],
        refused: ["", ";a", "a b"],
        built: (value in token(), more in some_of(&[("x", "[a-z]{1,4}"), ("x-more", "[a-z ]{0,5}")])) => with_params!(InfoPackage::new(&value), more),
    }
}
