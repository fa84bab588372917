//! In-Reply-To: the calls that this one returns (RFC 3261 §20.21).
//!
//! ```text
//! one of the values = a Call-ID
//! ```

use crate::header::shape::word_header;

word_header! {
    /// One Call-ID that this call returns (RFC 3261 §20.21).
    InReplyTo, CallId
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{call_id, header_tests};

    header_tests! {
        InReplyTo<'_>, rfc3261_20_21_examples: [
            "70710@saturn.bell-tel.com",
            "17320@saturn.bell-tel.com",
        ],
        refused: ["", "a@", "a b"],
        built: (value in call_id()) => InReplyTo::new(&value),
    }
}
