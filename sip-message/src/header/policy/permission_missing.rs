//! Permission-Missing: the recipients whose consent is missing (RFC 5360 §5.9.3).
//!
//! ```text
//! one of the values = ( [ display name ] "<" URI ">" / URI ), then parameters
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One recipient whose consent is missing (RFC 5360 §5.9.3).
    PermissionMissing(NameAddr) = PermissionMissing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        PermissionMissing<'_>, rfc5360_5_9_3_example: [
            "sip:C@example.com" => "<sip:C@example.com>",
        ],
        refused: [""],
        built: (target in uri(), display in text(), more in params()) => PermissionMissing::new(address(&target, &display, &more)),
    }
}
