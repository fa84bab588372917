//! P-Media-Authorization: tokens that authorize media (RFC 3313 §5).
//!
//! ```text
//! value = token *( "," token ), each 1*HEXDIG
//! ```

use crate::header::shape::token_list;

token_list! {
    /// Tokens that authorize media, in hexadecimal digits (RFC 3313 §5).
    PMediaAuthorization, |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit()), "hexadecimal digits expected"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, hex, refs};

    header_tests! {
        PMediaAuthorization<'_>, rfc3313_5_forms: [
            "0020000100100101706466312e7669736974",
            "0123AF, 00",
        ],
        refused: ["0g", "a b"],
        built: (words in proptest::collection::vec(hex(1..=12), 0..4)) => let words = refs(&words); PMediaAuthorization::from_slice(&words),
    }
}
