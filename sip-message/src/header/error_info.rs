//! Error-Info: where more is said about the error (RFC 3261 §20.18).
//!
//! ```text
//! one of the values = "<" URI ">", then parameters
//! ```

use crate::header::shape::uri_header;

uri_header! {
    /// Where more is said about the error; a SIP URI can be called to hear it (RFC 3261 §20.18).
    ErrorInfo
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, uri, with_params};
    use crate::uri::UriRef;

    header_tests! {
        ErrorInfo<'_>, rfc3261_20_18_example: [
            "<sip:not-in-service-recording@atlanta.com>",
        ],
        refused: ["", "sip:a@h"],
        built: (target in uri(), more in params()) => with_params!(ErrorInfo::new(UriRef::parse(&target).unwrap()), more),
    }
}
