//! Recv-Info: the INFO packages that the sender takes (RFC 6086 §7.2).
//!
//! ```text
//! one of the values = package name, then parameters; an empty field: none is taken
//! ```

use crate::header::shape::valued_header;

valued_header! {
    /// One package that the sender takes (RFC 6086 §7.2). An empty field says that it takes none.
    RecvInfo, Token
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, headers, some_of, token, with_params};
    use crate::name::HeaderName;

    header_tests! {
        RecvInfo<'_>, rfc6086_examples: [
            "P",
            "R",
            "P;x=y",
        ],
        refused: ["", ";a"],
        built: (value in token(), more in some_of(&[("x", "[a-z]{1,4}"), ("x-more", "[a-z ]{0,5}")])) => with_params!(RecvInfo::new(&value), more),
    }

    #[test]
    fn rfc6086_5_2_2_an_empty_field_takes_none() {
        let headers = headers(HeaderName::RecvInfo, &[""]);
        assert!(headers.contains(HeaderName::RecvInfo));
        assert_eq!(headers.typed_all::<RecvInfo<'_>>().count(), 0);
    }
}
