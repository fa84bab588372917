//! [`Token`]: the short word of a peer that has no place in one of our tables.

use alloc::boxed::Box;
use core::fmt;
use core::hash::{Hash, Hasher};

/// A `token` of RFC 3261 section 25.1 that is not in one of this crate's tables: an unknown method or field name.
///
/// Up to 22 bytes are kept inline. Comparison of a `Token` is exact; the types that hold one
/// compare as their grammar says ([`HeaderName`](crate::HeaderName) ignores case, [`Method`](crate::Method) does not).
#[derive(Clone)]
pub struct Token(Repr);

#[derive(Clone)]
enum Repr {
    Static(&'static str),
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Box<str>),
}

const INLINE: usize = 22;

impl Token {
    /// A token from program text, usable in constants, where a text that is no token does not compile.
    ///
    /// # Panics
    /// When the text is not a token.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        assert!(!bytes.is_empty(), "a token has at least one character");
        let mut i = 0;
        while i < bytes.len() {
            #[expect(clippy::indexing_slicing, reason = "bounded by the loop")]
            let byte = bytes[i];
            assert!(crate::chars::is_token(byte), "not a token");
            i += 1;
        }
        Self(Repr::Static(text))
    }

    /// A token from bytes, or `None` if a byte is not a token character or there is none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if !crate::chars::all_token(bytes) {
            return None;
        }
        if let Some(buf) = inline(bytes) {
            return Some(Self(Repr::Inline {
                len: bytes.len() as u8,
                bytes: buf,
            }));
        }
        // Token characters are ASCII.
        Some(Self(Repr::Heap(core::str::from_utf8(bytes).ok()?.into())))
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Static(text) => text,
            Repr::Inline { len, bytes } => bytes
                .get(..usize::from(*len))
                .and_then(|b| core::str::from_utf8(b).ok())
                .unwrap_or_default(),
            Repr::Heap(text) => text,
        }
    }
}

fn inline(bytes: &[u8]) -> Option<[u8; INLINE]> {
    let mut buf = [0; INLINE];
    buf.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(buf)
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Token {}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tokens_are_inline_and_long_ones_are_not() {
        let short = Token::from_bytes(b"FROBNICATE").unwrap();
        assert!(matches!(short.0, Repr::Inline { .. }));
        let long = Token::from_bytes(b"X-A-Header-Name-Of-More-Than-22-Bytes").unwrap();
        assert!(matches!(long.0, Repr::Heap(_)));
        assert_eq!(long.as_str(), "X-A-Header-Name-Of-More-Than-22-Bytes");
        assert_eq!(short, Token::from_static("FROBNICATE"));
        assert!(Token::from_bytes(b"").is_none());
        assert!(Token::from_bytes(b"a b").is_none());
        assert!(size_of::<Token>() <= 24);
    }
}
