//! Require: the extensions that the recipient must support (RFC 3261 §20.32).
//!
//! ```text
//! value = option tag *( "," option tag )
//! ```

use crate::header::shape::token_list;

token_list! {
    /// The option tags that the recipient must support (RFC 3261 §20.32).
    Require
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, headers, refs, tokens};
    use crate::name::HeaderName;

    header_tests! {
        Require<'_>, rfc3261_20_32_example: [
            "100rel",
        ],
        refused: ["a;b"],
        built: (words in tokens()) => let words = refs(&words); Require::from_slice(&words),
    }

    #[test]
    fn rfc3261_7_3_1_several_fields_are_one_list() {
        let headers = headers(HeaderName::Require, &["a, b", "", "c"]);
        let require = headers.typed::<Require<'_>>().unwrap().unwrap();
        assert!(require.iter().eq(["a", "b", "c"]));
        assert!(require.contains("B") && !require.contains("d"));
    }
}
