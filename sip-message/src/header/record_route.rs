//! Record-Route: the proxies that stay in the path of the dialog (RFC 3261 §20.30).
//!
//! ```text
//! route = [ display name ] "<" URI ">", then parameters; lr is one of the URI
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One proxy that stays in the path of the dialog (RFC 3261 §20.30).
    RecordRoute(NameAddr) = RecordRoute
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        RecordRoute<'_>, rfc3261_20_30_examples: [
            "<sip:server10.biloxi.com;lr>",
            "<sip:bigbox3.site3.atlanta.com;lr>",
        ],
        refused: ["", "<>"],
        built: (target in uri(), display in text(), more in params()) => RecordRoute::new(address(&target, &display, &more)),
    }
}
