//! Content-Language: in what languages the body is (RFC 3261 §20.13).
//!
//! ```text
//! value = tag *( "," tag )
//! tag   = 1*8ALPHA *( "-" 1*8( ALPHA / DIGIT ) ) ; the digits are RFC 5646's
//! ```

use crate::header::shape::token_list;

token_list! {
    /// In what languages the body is (RFC 3261 §20.13).
    ContentLanguage, is_tag, "language tag expected"
}

fn is_tag(text: &str) -> bool {
    text.split('-').enumerate().all(|(i, part)| {
        (1..=8).contains(&part.len())
            && part
                .bytes()
                .all(|b| b.is_ascii_alphabetic() || i > 0 && b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, refs};

    header_tests! {
        ContentLanguage<'_>, rfc3261_20_13_example: [
            "fr",
            "en-GB, de",
        ],
        refused: ["en_GB", "toolonglanguage", "en-", "-en"],
        built: (words in proptest::collection::vec("[a-z]{1,8}(-[A-Za-z0-9]{1,8}){0,2}", 0..4)) => let words = refs(&words); ContentLanguage::from_slice(&words),
    }
}
