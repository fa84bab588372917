//! P-DCS-Trace-Party-ID: whom a call is traced to (RFC 5503 §5).
//!
//! ```text
//! value = [ display name ] "<" URI ">", then parameters, among them timestamp = 1*DIGIT [ "." 1*DIGIT ]
//! ```

use crate::header::NameAddr;
use crate::header::shape::{newtype_header, params_api};

newtype_header! {
    /// Whom a call is traced to (RFC 5503 §5).
    PDcsTracePartyId(NameAddr) = PDcsTracePartyId
}

params_api! { PDcsTracePartyId:
    /// When the traced call came, in decimal seconds of NTP.
    token timestamp = "timestamp";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        PDcsTracePartyId<'_>, rfc5503_5_1_example: [
            "<sip:+12345678912@domain.com;user=phone>;\r\n timestamp=3434688831.2327",
        ],
        refused: [""],
        built: (target in uri(), display in text(), more in params()) => PDcsTracePartyId::new(address(&target, &display, &more)),
    }

    #[test]
    fn rfc5503_5_1_timestamp() {
        let party =
            PDcsTracePartyId::new(NameAddr::parse("<sip:a@h>;timestamp=3434688831.2327").unwrap());
        assert_eq!(party.timestamp(), Some("3434688831.2327"));
    }
}
