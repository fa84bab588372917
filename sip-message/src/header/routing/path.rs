//! Path: the proxies between registrar and user agent (RFC 3327 §4).
//!
//! ```text
//! path value = [ display name ] "<" URI ">", then parameters
//! ```

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One proxy between registrar and user agent (RFC 3327 §4).
    Path(NameAddr) = Path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        Path<'_>, rfc3327_5_5_examples: [
            "<sip:P1.EXAMPLEVISITED.COM;lr>",
            "<sip:P3.EXAMPLEHOME.COM;lr>",
        ],
        refused: ["", "<sip:"],
        built: (target in uri(), display in text(), more in params()) => Path::new(address(&target, &display, &more)),
    }
}
