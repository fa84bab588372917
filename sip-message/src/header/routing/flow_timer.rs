//! Flow-Timer: how long a flow lives without keep-alives (RFC 5626 §10).
//!
//! ```text
//! value = 1*DIGIT
//! ```

use crate::header::shape::number_header;

number_header! {
    /// After how many seconds without traffic the server takes the flow for dead (RFC 5626 §10).
    FlowTimer(u32), "bad Flow-Timer"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::header_tests;

    header_tests! {
        FlowTimer, rfc5626_10_form: [
            "120",
        ],
        refused: ["", "1,2"],
        built: (number in proptest::prelude::any::<u32>()) => FlowTimer(number),
    }
}
