//! Supported: the extensions that the sender supports (RFC 3261 §20.37).
//!
//! ```text
//! value = [ option tag *( "," option tag ) ]
//! ```

use crate::header::shape::token_list;

token_list! {
    /// The option tags of the extensions that the sender supports (RFC 3261 §20.37); [`option_tag`](crate::option_tag) has
    /// the registered ones.
    Supported
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, refs, tokens};

    header_tests! {
        Supported<'_>, rfc3261_20_37_examples: [
            "100rel",
            "",
            "a,\r\n b ,c" => "a, b, c",
        ],
        refused: ["a,,b", "a b", "a,"],
        built: (words in tokens()) => let words = refs(&words); Supported::from_slice(&words),
    }
}
