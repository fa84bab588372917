//! Max-Breadth: how many branches a request may fork into at once (RFC 5393 §5.3.3).
//!
//! ```text
//! value = 1*DIGIT
//! ```

use crate::header::shape::number_header;

number_header! {
    /// How many branches the request may still fork into at once (RFC 5393 §5.3.3).
    MaxBreadth(u32), "bad Max-Breadth"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::header_tests;

    header_tests! {
        MaxBreadth, rfc5393_5_3_3_form: [
            "60",
        ],
        refused: ["", "-1"],
        built: (number in proptest::prelude::any::<u32>()) => MaxBreadth(number),
    }
}
