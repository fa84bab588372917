//! Content-Encoding: how the body is compressed (RFC 3261 §20.12).
//!
//! ```text
//! value = coding *( "," coding )
//! ```

use crate::header::shape::token_list;

token_list! {
    /// How the body is compressed, the first coding applied first (RFC 3261 §20.12).
    ContentEncoding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, refs, tokens};

    header_tests! {
        ContentEncoding<'_>, rfc3261_20_12_examples: [
            "gzip",
            "tar",
        ],
        refused: ["gzip;q=1"],
        built: (words in tokens()) => let words = refs(&words); ContentEncoding::from_slice(&words),
    }
}
