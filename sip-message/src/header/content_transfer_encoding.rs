//! Content-Transfer-Encoding: how a body part is encoded (RFC 2045 §6).
//!
//! ```text
//! value = token: "binary" / "8bit" / "7bit" / "base64" / "quoted-printable" / ...
//! ```

use crate::header::shape::word_header;

word_header! {
    /// How a body part is encoded: `binary`, `base64`, ... (RFC 2045 §6).
    ContentTransferEncoding, Token
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, token};

    header_tests! {
        ContentTransferEncoding<'_>, rfc2045_6_1_forms: [
            "binary",
            "quoted-printable",
        ],
        refused: ["", "a b"],
        built: (value in token()) => ContentTransferEncoding::new(&value),
    }
}
