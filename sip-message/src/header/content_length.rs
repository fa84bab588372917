//! Content-Length: the size of the body (RFC 3261 §20.14).
//!
//! ```text
//! value = 1*DIGIT
//! ```

use crate::header::shape::number_header;

number_header! {
    /// The size of the body in bytes (RFC 3261 §20.14).
    ContentLength(u32), "bad Content-Length"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::header_tests;

    header_tests! {
        ContentLength, rfc3261_20_14_example: [
            "349",
            "0",
        ],
        refused: ["+1", "", "x", "4294967296"],
        built: (number in proptest::prelude::any::<u32>()) => ContentLength(number),
    }
}
