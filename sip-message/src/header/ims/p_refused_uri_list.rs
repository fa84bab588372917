//! P-Refused-URI-List: the lists that the sender cannot resolve (RFC 5318 §5.1).
//!
//! ```text
//! one of the values = ( [ display name ] "<" URI ">" / URI ), then parameters,
//!     among them members = cid URI, in quotes
//! ```

use alloc::borrow::Cow;

use crate::header::NameAddr;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One list of URIs that the sender cannot resolve (RFC 5318 §5.1).
    PRefusedUriList(NameAddr) = PRefusedUriList
}

impl PRefusedUriList<'_> {
    /// The `cid:` URI of the body part that has the members. The RFC's grammar has it in quotes and its examples in angle
    /// brackets; both are read.
    #[must_use]
    pub fn members(&self) -> Option<Cow<'_, str>> {
        let members = self.params().unquoted("members")?;
        Some(match members {
            Cow::Borrowed(text) => Cow::Borrowed(
                text.strip_prefix('<')
                    .and_then(|text| text.strip_suffix('>'))
                    .unwrap_or(text),
            ),
            Cow::Owned(text) => Cow::Owned(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        PRefusedUriList<'_>, rfc5318_examples: [
            "sip:friends-list@example.net;\r\n members=<cid:an3bt8jf03@example.net>" => "<sip:friends-list@example.net>;\r\n members=<cid:an3bt8jf03@example.net>",
            "sip:colleagues-list@example.net" => "<sip:colleagues-list@example.net>",
        ],
        refused: [""],
        built: (target in uri(), display in text(), more in params()) => PRefusedUriList::new(address(&target, &display, &more)),
    }

    #[test]
    fn rfc5318_5_1_members() {
        for text in [
            "sip:f@h;members=\"cid:a@h\"",
            "sip:f@h;members=<cid:a@h>",
            "sip:f@h;members=\"<cid:a@h>\"",
        ] {
            let list = PRefusedUriList::new(NameAddr::parse(text).unwrap());
            assert_eq!(list.members().as_deref(), Some("cid:a@h"), "{text}");
        }
    }
}
