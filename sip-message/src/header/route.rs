//! Route: the proxies that the request visits (RFC 3261 §20.34).
//!
//! ```text
//! route = [ display name ] "<" URI ">", then parameters; lr is one of the URI
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One proxy to visit (RFC 3261 §20.34).
    Route(NameAddr) = Route
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        Route<'_>, rfc3261_20_34_examples: [
            "<sip:bigbox3.site3.atlanta.com;lr>",
            "<sip:server10.biloxi.com;lr>",
        ],
        refused: ["", "<sip:h"],
        built: (target in uri(), display in text(), more in params()) => Route::new(address(&target, &display, &more)),
    }
}
