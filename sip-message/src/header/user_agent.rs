//! User-Agent: the software of the user agent client (RFC 3261 §20.41).
//!
//! ```text
//! value = 1*( product [ "/" version ] / "(" comment ")" ), which nobody should take apart
//! ```

use crate::header::shape::text_header;

text_header! {
    /// What software the user agent client is (RFC 3261 §20.41).
    UserAgent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, line};

    header_tests! {
        UserAgent<'_>, rfc3261_20_41_example: [
            "Softphone Beta1.5",
        ],
        refused: [""],
        built: (value in line()) => UserAgent(&value),
    }
}
