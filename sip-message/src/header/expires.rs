//! Expires: how long the message or its content is good (RFC 3261 §20.19).
//!
//! ```text
//! value = delta seconds, 0 to 2^32 - 1
//! ```

use crate::header::shape::number_header;

number_header! {
    /// The time after which the message or its content expires, in seconds (RFC 3261 §20.19).
    Expires(u32), "bad Expires"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::header_tests;

    header_tests! {
        Expires, rfc3261_20_19_example: [
            "5",
            "4294967295",
        ],
        refused: ["4294967296", "1s", ""],
        built: (number in proptest::prelude::any::<u32>()) => Expires(number),
    }
}
