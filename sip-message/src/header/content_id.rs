//! Content-ID: the name of a body or body part (RFC 8262 §3, RFC 2045 §7).
//!
//! ```text
//! value = "<" left "@" right ">"
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::TypedHeader;
use crate::header::shape::display_encoded;
use crate::headers::Values;
use crate::name::HeaderName;

/// The name of a body part for references from others (RFC 8262 §3): `cid:` URIs have the part without brackets.
///
/// ```
/// use sip_message::header::ContentId;
/// let id = ContentId::parse("<target123@atlanta.example.com>").unwrap();
/// assert!(id.is_named_by("cid:target123@atlanta.example.com"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentId<'a>(&'a str);

impl<'a> ContentId<'a> {
    /// A name without its brackets: `left@right`.
    #[must_use]
    pub const fn new(id: &'a str) -> Self {
        Self(id)
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let is_part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'@'))
        };
        text.strip_prefix('<')
            .and_then(|text| text.strip_suffix('>'))
            .filter(|id| {
                id.split_once('@')
                    .is_some_and(|(left, right)| is_part(left) && is_part(right))
            })
            .map(Self)
            .ok_or_else(|| HeaderError::new("bad Content-ID", 0))
    }

    /// The name without brackets.
    #[must_use]
    pub const fn id(&self) -> &'a str {
        self.0
    }

    /// Is this the part that a `cid:` URI (RFC 2392 §2) names? Escapes in the URI are undone.
    #[must_use]
    pub fn is_named_by(&self, uri: &str) -> bool {
        uri.get(..4)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("cid:"))
            && uri
                .get(4..)
                .is_some_and(|id| crate::uri::unescape(id) == self.0)
    }
}

impl<'a> TypedHeader<'a> for ContentId<'a> {
    const NAME: HeaderName = HeaderName::ContentId;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(crate::header::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'<');
        out.extend_from_slice(self.0.as_bytes());
        out.push(b'>');
    }
}

display_encoded!(ContentId<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::header_tests;

    header_tests! {
        ContentId<'_>, rfc8262_examples: [
            "<target123@atlanta.example.com>",
            "<cn35t8jf02@example.com>",
        ],
        refused: ["", "a@b", "<a>", "<a@>", "<@b>", "<a@b@c>", "<a b@c>"],
        built: (left in "[a-z0-9.%+]{1,9}", right in "[a-z0-9.-]{1,9}") => let id = alloc::format!("{left}@{right}"); ContentId::new(&id),
    }

    #[test]
    fn rfc2392_2_cid_uris() {
        let id = ContentId::parse("<a%b@c>").unwrap();
        assert!(
            id.is_named_by("CID:a%25b@c") && !id.is_named_by("cid:ab@c") && !id.is_named_by("ci")
        );
        assert_eq!(id.id(), "a%b@c");
    }
}
