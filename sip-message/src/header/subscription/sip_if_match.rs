//! SIP-If-Match: the publication to refresh, change or remove (RFC 3903 §11.3.2).
//!
//! ```text
//! value = token
//! ```

use crate::header::shape::word_header;

word_header! {
    /// The entity tag of the publication to refresh, change or remove (RFC 3903 §11.3.2).
    SipIfMatch, Token
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, token};

    header_tests! {
        SipIfMatch<'_>, rfc3903_11_3_2_example: [
            "dx200xyz",
        ],
        refused: ["", "a b"],
        built: (value in token()) => SipIfMatch::new(&value),
    }
}
