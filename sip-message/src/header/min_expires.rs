//! Min-Expires: the shortest registration or subscription that is granted (RFC 3261 §20.23).
//!
//! ```text
//! value = delta seconds
//! ```

use crate::header::shape::number_header;

number_header! {
    /// The shortest registration that the registrar grants, in seconds (RFC 3261 §20.23).
    MinExpires(u32), "bad Min-Expires"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::header_tests;

    header_tests! {
        MinExpires, rfc3261_20_23_example: [
            "60",
        ],
        refused: ["", "60;x"],
        built: (number in proptest::prelude::any::<u32>()) => MinExpires(number),
    }
}
