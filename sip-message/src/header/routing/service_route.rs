//! Service-Route: the proxies to visit for the services of the registrar's domain (RFC 3608 §5).
//!
//! ```text
//! value = [ display name ] "<" URI ">", then parameters
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One proxy to visit for the services of the registrar's domain (RFC 3608 §5).
    ServiceRoute(NameAddr) = ServiceRoute
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        ServiceRoute<'_>, rfc3608_6_3_examples: [
            "<sip:P2.HOME.EXAMPLE.COM;lr>",
            "<sip:HSP.HOME.EXAMPLE.COM;lr>",
        ],
        refused: ["", "<h>"],
        built: (target in uri(), display in text(), more in params()) => ServiceRoute::new(address(&target, &display, &more)),
    }
}
