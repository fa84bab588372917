//! P-User-Database: which database has the user's data (RFC 4457 §4).
//!
//! ```text
//! value = "<" Diameter URI ">", then parameters
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// The database that has the user's data, a Diameter URI (RFC 4457 §4).
    PUserDatabase(NameAddr) = PUserDatabase
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        PUserDatabase<'_>, rfc4457_4_form: [
            "<aaa://host.example.com;transport=tcp>",
        ],
        refused: [""],
        built: (target in uri(), display in text(), more in params()) => PUserDatabase::new(address(&target, &display, &more)),
    }
}
