//! Remote-Party-ID: what came before RFC 3325, and many devices still send (draft-ietf-sip-privacy-04 §6.1).
//!
//! ```text
//! one of the values = [ display name ] "<" URI ">", then parameters:
//!     party = "calling" / "called", id-type, privacy = "full" / "name" / "uri" / "off", screen = "yes" / "no"
//! ```

use crate::header::NameAddr;
use crate::header::shape::{newtype_header, params_api};

newtype_header! {
    /// One identity in the form that came before RFC 3325, which many devices still send.
    RemotePartyId(NameAddr) = RemotePartyId
}

params_api! { RemotePartyId:
    /// Whose identity it is: `calling` or `called`.
    token party = "party";
    /// What must not be shown: `full`, `name`, `uri`, `off`.
    token privacy = "privacy";
    /// Was the identity verified?
    token screen = "screen";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        RemotePartyId<'_>, remote_party_id_forms: [
            "\"Alice\" <sip:alice@h>;party=calling;privacy=full;screen=yes",
        ],
        refused: [""],
        built: (target in uri(), display in text(), more in params()) => RemotePartyId::new(address(&target, &display, &more)),
    }

    #[test]
    fn party_privacy_and_screening() {
        let value = NameAddr::parse("<sip:a@h>;party=called;privacy=off;screen=no").unwrap();
        let value = RemotePartyId::new(value);
        assert_eq!(
            (value.party(), value.privacy(), value.screen()),
            (Some("called"), Some("off"), Some("no"))
        );
    }
}
