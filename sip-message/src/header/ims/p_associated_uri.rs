//! P-Associated-URI: what else the registrar knows the user as (RFC 7315 §4.1).
//!
//! ```text
//! one of the values = [ display name ] "<" URI ">", then parameters
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One URI that the registrar knows for the address of record (RFC 7315 §4.1).
    PAssociatedUri(NameAddr) = PAssociatedUri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        PAssociatedUri<'_>, rfc5628_example: [
            "<sip:user_aor_2@example.net>",
        ],
        refused: [""],
        built: (target in uri(), display in text(), more in params()) => PAssociatedUri::new(address(&target, &display, &more)),
    }
}
