//! Server: the software of the user agent server (RFC 3261 §20.35).
//!
//! ```text
//! value = 1*( product [ "/" version ] / "(" comment ")" ), which nobody should take apart
//! ```

use crate::header::shape::text_header;

text_header! {
    /// What software the user agent server is (RFC 3261 §20.35).
    Server
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, line};

    header_tests! {
        Server<'_>, rfc3261_20_35_example: [
            "HomeServer v2",
        ],
        refused: [""],
        built: (value in line()) => Server(&value),
    }
}
