//! Additional-Identity: one more identity of the user (3GPP TS 24.229 §7.2.20).
//!
//! ```text
//! one of the values = ( [ display name ] "<" URI ">" / URI ), then parameters
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One more identity of the user (3GPP TS 24.229 §7.2.20).
    AdditionalIdentity(NameAddr) = AdditionalIdentity
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        AdditionalIdentity<'_>, additional_identity_form: [
            "<sip:user1_public1@home1.net>",
        ],
        refused: [""],
        built: (target in uri(), display in text(), more in params()) => AdditionalIdentity::new(address(&target, &display, &more)),
    }
}
