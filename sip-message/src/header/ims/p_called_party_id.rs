//! P-Called-Party-ID: for which address the request was (RFC 7315 §4.2).
//!
//! ```text
//! value = [ display name ] "<" URI ">", then parameters
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// The address the request was for before it was retargeted to a contact (RFC 7315 §4.2).
    PCalledPartyId(NameAddr) = PCalledPartyId
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        PCalledPartyId<'_>, rfc7315_4_2_example: [
            "<sip:user1-business@example.com>",
        ],
        refused: [""],
        built: (target in uri(), display in text(), more in params()) => PCalledPartyId::new(address(&target, &display, &more)),
    }
}
