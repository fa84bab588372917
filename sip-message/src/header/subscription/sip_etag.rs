//! SIP-ETag: the entity tag of a publication (RFC 3903 §11.3.1).
//!
//! ```text
//! value = token
//! ```

use crate::header::shape::word_header;

word_header! {
    /// The entity tag of a publication (RFC 3903 §11.3.1).
    SipETag, Token
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, token};

    header_tests! {
        SipETag<'_>, rfc3903_11_3_1_example: [
            "dx200xyz",
        ],
        refused: ["", "a b", "a;b"],
        built: (value in token()) => SipETag::new(&value),
    }
}
