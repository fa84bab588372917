//! Max-Forwards: how many more elements may forward the request (RFC 3261 §20.22).
//!
//! ```text
//! value = 1*DIGIT, 0 to 255
//! ```

use crate::header::shape::number_header;

number_header! {
    /// How many more elements may forward the request (RFC 3261 §20.22).
    MaxForwards(u8), "bad Max-Forwards"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::header_tests;

    header_tests! {
        MaxForwards, rfc3261_20_22_example: [
            "6",
            "70",
            "0068" => "68",
            "255",
        ],
        refused: ["256", "-1", "", "6 7"],
        built: (number in proptest::prelude::any::<u8>()) => MaxForwards(number),
    }
}
