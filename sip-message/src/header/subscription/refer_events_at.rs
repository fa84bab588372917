//! Refer-Events-At: where the notifications of a REFER can be subscribed to (RFC 7614 §4.1).
//!
//! ```text
//! value = "<" sip or sips URI ">", then parameters
//! ```

use crate::header::shape::uri_header;

uri_header! {
    /// Where the notifications of a REFER can be subscribed to (RFC 7614 §4.1).
    ReferEventsAt
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, uri, with_params};
    use crate::uri::UriRef;

    header_tests! {
        ReferEventsAt<'_>, rfc7614_4_1_examples: [
            "<sips:vPT3izGmo8NTxaPADRZvEAY22BKx@example.com;gr>",
        ],
        refused: ["sip:wsXa9mkHtPcGu8@example.com", ""],
        built: (target in uri(), more in params()) => with_params!(ReferEventsAt::new(UriRef::parse(&target).unwrap()), more),
    }
}
