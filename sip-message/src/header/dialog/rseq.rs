//! RSeq: the number of a reliable provisional response (RFC 3262 §7.1).
//!
//! ```text
//! value = 1*DIGIT, 1 to 2^32 - 1
//! ```

use crate::header::shape::number_header;

number_header! {
    /// The number of a reliable provisional response (RFC 3262 §7.1).
    RSeq(u32), "bad RSeq"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::header_tests;

    header_tests! {
        RSeq, rfc3262_7_1_example: [
            "988789",
        ],
        refused: ["x", "1 2", "4294967296"],
        built: (number in proptest::prelude::any::<u32>()) => RSeq(number),
    }
}
