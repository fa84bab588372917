//! Two shapes that many header fields have: a word with parameters, and parameters alone.

use crate::chars;
use crate::error::HeaderError;
use crate::lex::Cursor;

/// What the word of a [`valued_header`] may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    /// `token`.
    Token,
    /// `token / quoted-string`.
    TokenOrQuoted,
    /// `word [ "@" word ]`: a Call-ID.
    CallId,
    /// Characters of a URI, up to a semicolon or comma; base64 among them.
    Uri,
    /// RFC 4474 wrote a quoted string where RFC 8224 has characters of base64 and dots.
    UriOrQuoted,
}

impl Word {
    pub(crate) fn take<'a>(self, cursor: &mut Cursor<'a>) -> Result<&'a str, HeaderError> {
        let quoted = matches!(self, Self::TokenOrQuoted | Self::UriOrQuoted);
        if quoted && cursor.peek() == Some(b'"') {
            return cursor.quoted();
        }
        let word = cursor.take_while(|b| match self {
            Self::Token | Self::TokenOrQuoted => chars::is_token(b),
            Self::CallId => chars::is_word(b) || b == b'@',
            Self::Uri | Self::UriOrQuoted => chars::is_uri_any(b) && !matches!(b, b';' | b','),
        });
        if word.is_empty() {
            return Err(cursor.error("value expected"));
        }
        Ok(word)
    }
}

/// A header that is a word with parameters.
macro_rules! valued_header {
    ($(#[$doc:meta])* $name:ident, $word:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name<'a> {
            value: &'a str,
            params: $crate::Params<'a>,
        }

        impl<'a> $name<'a> {
            /// A value without parameters.
            #[must_use]
            pub const fn new(value: &'a str) -> Self {
                Self { value, params: $crate::Params::new() }
            }

            /// Reads one value.
            ///
            /// # Errors
            /// When the text does not have the form.
            pub fn parse(text: &'a str) -> Result<Self, $crate::HeaderError> {
                let mut cursor = $crate::lex::Cursor::new(text);
                let value = $crate::header::valued::Word::$word.take(&mut cursor)?;
                Ok(Self { value, params: $crate::Params::decode(cursor)? })
            }

            /// Sets a parameter (`None`: a name alone).
            #[must_use]
            pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
                self.params.set(name, value);
                self
            }

            /// What stands before the parameters, as written.
            #[must_use]
            pub const fn value(&self) -> &'a str {
                self.value
            }

            /// The parameters.
            #[must_use]
            pub const fn params(&self) -> &$crate::Params<'a> {
                &self.params
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                Self::parse($crate::header::one(values)?)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(self.value.as_bytes());
                out.extend_from_slice(self.params.as_str().as_bytes());
            }
        }

        $crate::header::display_encoded!($name<'_>);
    };
}
pub(crate) use valued_header;

/// A header that is parameters alone, the first without a semicolon before it.
macro_rules! params_header {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name<'a>($crate::Params<'a>);

        impl<'a> $name<'a> {
            /// These parameters, of which there must be at least one for the field to be well-formed.
            #[must_use]
            pub const fn new(params: $crate::Params<'a>) -> Self {
                Self(params)
            }

            /// Reads one value.
            ///
            /// # Errors
            /// When the text does not have the form.
            pub fn parse(text: &'a str) -> Result<Self, $crate::HeaderError> {
                $crate::Params::parse_list(text).map(Self)
            }

            /// The parameters.
            #[must_use]
            pub const fn params(&self) -> &$crate::Params<'a> {
                &self.0
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                Self::parse($crate::header::one(values)?)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                let text = self.0.as_str();
                out.extend_from_slice(text.strip_prefix(';').unwrap_or(text).as_bytes());
            }
        }

        $crate::header::display_encoded!($name<'_>);
    };
}
pub(crate) use params_header;
