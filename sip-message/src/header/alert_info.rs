//! Alert-Info: another ring tone (RFC 3261 §20.4, RFC 7462).
//!
//! ```text
//! one of the values = "<" URI ">", then parameters
//! ```

use crate::header::shape::uri_header;

uri_header! {
    /// One ring tone for the callee, or ring-back tone for the caller: where it is, or what it means as `urn:alert:...`
    /// (RFC 3261 §20.4, RFC 7462).
    AlertInfo
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, uri, with_params};
    use crate::uri::UriRef;

    header_tests! {
        AlertInfo<'_>, rfc3261_20_4_and_rfc7462_examples: [
            "<http://www.example.com/sounds/moo.wav>",
            "<urn:alert:service:call-waiting>",
        ],
        refused: ["", "http://h/a", "\"x\" <http://h>", "<http://h", "<>"],
        built: (target in uri(), more in params()) => with_params!(AlertInfo::new(UriRef::parse(&target).unwrap()), more),
    }
}
