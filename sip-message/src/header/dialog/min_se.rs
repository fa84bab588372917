//! Min-SE: the shortest session interval (RFC 4028 §5).
//!
//! ```text
//! value = delta seconds, then parameters
//! ```

use crate::header::shape::seconds_header;

seconds_header! {
    /// The shortest session interval that everyone on the way accepts (RFC 4028 §5).
    MinSe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, with_params};

    header_tests! {
        MinSe<'_>, rfc4028_5_forms: [
            "90",
            "3600",
            "90;lr",
        ],
        refused: ["-1", "", "90 s"],
        built: (seconds in proptest::prelude::any::<u32>(), more in params()) => with_params!(MinSe::new(seconds), more),
    }
}
