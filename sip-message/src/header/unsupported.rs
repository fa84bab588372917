//! Unsupported: the extensions that the sender does not support (RFC 3261 §20.40).
//!
//! ```text
//! value = [ option tag *( "," option tag ) ]
//! ```

use crate::header::shape::token_list;

token_list! {
    /// The option tags that the sender does not support (RFC 3261 §20.40).
    Unsupported
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, refs, tokens};

    header_tests! {
        Unsupported<'_>, rfc3261_20_40_example: [
            "foo",
            "a, b",
        ],
        refused: ["a,,b"],
        built: (words in tokens()) => let words = refs(&words); Unsupported::from_slice(&words),
    }
}
