//! Headers that are a word or a text, and what words there are.

use crate::chars;
use crate::error::HeaderError;
use crate::lex::Cursor;

/// The forms of the word that a header is or starts with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    /// `token`.
    Token,
    /// `token / quoted-string`.
    TokenOrQuoted,
    /// `quoted-string`.
    Quoted,
    /// `"*"`: RFC 3841 §9.2 and RFC 6809 §6.2 allow nothing else before the features.
    Star,
    /// `word [ "@" word ]`: a Call-ID (RFC 3261 §20.8).
    CallId,
    /// One to three digits: the codes of RFC 6442 §4.3.
    Code,
    /// Three digits: the codes of RFC 8876 §4.
    Digits3,
    /// `1*DIGIT "." 1*DIGIT` (RFC 3261 §25.1).
    Version,
    /// A host with an optional port (RFC 3261 §25.1 `hostport`).
    HostPort,
    /// 32 hexadecimal digits (RFC 7989 §5). Large letters are read as well: RFC 7329 did not forbid them.
    Uuid,
    /// `1*48HEXDIG "/" 1*16HEXDIG "@" host` (RFC 5503 §7.1).
    Billing,
    /// Characters of base64 with dots between them (RFC 8224 §4), or the quoted string of RFC 4474.
    Signature,
    /// `"urn:urn-7:"` and letters, digits, dashes and dots (RFC 6050 §4.4).
    Service,
}

impl Word {
    #[inline]
    pub(crate) fn take<'a>(self, cursor: &mut Cursor<'a>) -> Result<&'a str, HeaderError> {
        let from = cursor.pos();
        // Each arm names its class, so that the loop over the characters has no choice to make.
        let (word, is_well_formed) = match self {
            Self::TokenOrQuoted | Self::Signature | Self::Quoted if cursor.peek() == Some(b'"') => {
                return cursor.quoted();
            }
            Self::Token | Self::TokenOrQuoted => {
                let word = cursor.take_while(chars::is_token);
                (word, !word.is_empty())
            }
            Self::CallId => call_id(cursor),
            Self::Quoted => ("", false),
            Self::Star => {
                let word = cursor.take_while(|b| b == b'*');
                (word, word == "*")
            }
            Self::Code => {
                let word = cursor.take_while(|b| b.is_ascii_digit());
                (word, matches!(word.len(), 1..=3))
            }
            Self::Digits3 => {
                let word = cursor.take_while(|b| b.is_ascii_digit());
                (word, word.len() == 3)
            }
            Self::Version => {
                let word = cursor.take_while(|b| b.is_ascii_digit() || b == b'.');
                let halves = word.split_once('.');
                let is_half = |half: &str| !half.is_empty() && !half.contains('.');
                (word, halves.is_some_and(|(a, b)| is_half(a) && is_half(b)))
            }
            Self::HostPort => {
                let word = cursor.take_while(is_in_hostport);
                (word, is_hostport(word))
            }
            Self::Uuid => {
                let word = cursor.take_while(|b| b.is_ascii_hexdigit());
                (word, word.len() == 32)
            }
            Self::Billing => {
                let word = cursor.take_while(|b| is_in_hostport(b) || matches!(b, b'/' | b'@'));
                (word, is_billing(word))
            }
            Self::Signature => {
                let word = cursor.take_while(|b| {
                    b.is_ascii_alphanumeric()
                        || matches!(b, b'+' | b'/' | b'-' | b'_' | b'.' | b'=')
                });
                (word, !word.is_empty())
            }
            Self::Service => {
                let word = cursor
                    .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'.'));
                (word, is_service(word))
            }
        };
        if is_well_formed {
            Ok(word)
        } else {
            cursor.seek(from);
            Err(cursor.error("malformed value"))
        }
    }
}

/// `word [ "@" word ]`, in one pass.
fn call_id<'a>(cursor: &mut Cursor<'a>) -> (&'a str, bool) {
    let from = cursor.pos();
    let before = cursor.take_while(chars::is_word);
    let mut is_well_formed = !before.is_empty();
    if cursor.eat(b'@') {
        is_well_formed &= !cursor.take_while(chars::is_word).is_empty();
    }
    (cursor.slice(from), is_well_formed)
}

const fn is_in_hostport(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']')
}

/// `host [ ":" port ]`.
fn is_hostport(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    crate::uri::Host::parse(host).is_some()
        && port.is_none_or(|port| {
            port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
        })
}

fn is_billing(text: &str) -> bool {
    let hex = |text: &str, max: usize| {
        (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
    };
    text.split_once('/').is_some_and(|(correlation, element)| {
        hex(correlation, 48)
            && element
                .split_once('@')
                .is_some_and(|(id, host)| hex(id, 16) && crate::uri::Host::parse(host).is_some())
    })
}

/// `"urn:urn-7:" top-level *( "." sub-service-id )`: labels of letters, digits and dashes, none empty.
fn is_service(text: &str) -> bool {
    let prefix = "urn:urn-7:";
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        && text.get(prefix.len()..).is_some_and(|labels| {
            labels
                .split('.')
                .all(|label| !label.is_empty() && !label.contains(':'))
        })
}

/// A header that is a word and nothing else.
macro_rules! word_header {
    ($(#[$doc:meta])* $name:ident, $word:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name<'a>(&'a str);

        impl<'a> $name<'a> {
            /// This value.
            #[must_use]
            pub const fn new(value: &'a str) -> Self {
                Self(value)
            }

            /// Reads one value.
            ///
            /// # Errors
            /// When the text does not have the form.
            pub fn parse(text: &'a str) -> Result<Self, $crate::HeaderError> {
                let mut cursor = $crate::lex::Cursor::new(text);
                let value = $crate::header::shape::Word::$word.take(&mut cursor)?;
                cursor.finish("unexpected text after the value")?;
                Ok(Self(value))
            }

            /// The value, as written.
            #[must_use]
            pub const fn value(&self) -> &'a str {
                self.0
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, $crate::HeaderError>> = Some(Self::parse);

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                Self::parse($crate::header::one(values)?)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(self.0.as_bytes());
            }
        }

        $crate::header::shape::display_encoded!($name<'_>);
    };
}
pub(crate) use word_header;

/// A header that is a text for people or for a look at what it is, with no form of its own.
macro_rules! text_header {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(clippy::exhaustive_structs, reason = "a text and nothing else")]
        pub struct $name<'a>(pub &'a str);

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, $crate::HeaderError>> = Some(|value| Ok(Self(value)));

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                $crate::header::one(values).map(Self)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(self.0.as_bytes());
            }
        }
    };
}
pub(crate) use text_header;
