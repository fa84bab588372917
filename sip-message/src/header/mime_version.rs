//! MIME-Version (RFC 3261 §20.24).
//!
//! ```text
//! value = 1*DIGIT "." 1*DIGIT
//! ```

use crate::header::shape::word_header;

word_header! {
    /// The version of MIME, `1.0` (RFC 3261 §20.24).
    MimeVersion, Version
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::header_tests;

    header_tests! {
        MimeVersion<'_>, rfc3261_20_24_example: [
            "1.0",
        ],
        refused: ["1", "1.", ".0", "1.0.0", "a.b", ""],
        built: (value in "[0-9]{1,3}\\.[0-9]{1,3}") => MimeVersion::new(&value),
    }
}
