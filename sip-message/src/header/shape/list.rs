//! Headers that are lists of words: `[ word *( COMMA word ) ]`, most often of tokens.

use alloc::vec::Vec;
use core::fmt;

use crate::error::HeaderError;
use crate::headers::Values;
use crate::lex;

/// The words of a list, from a message or from a slice.
#[derive(Clone)]
pub struct Tokens<'a>(Source<'a>);

#[derive(Clone)]
enum Source<'a> {
    Message(Values<'a>),
    Slice(&'a [&'a str]),
}

impl<'a> Tokens<'a> {
    pub(crate) const fn from_slice(tokens: &'a [&'a str]) -> Self {
        Self(Source::Slice(tokens))
    }

    /// Takes all values, after checking each. The words have neither quotes nor brackets, so that any comma separates:
    /// with one of those in it, a piece is no word.
    pub(crate) fn decode(
        values: &mut Values<'a>,
        is_well_formed: impl Fn(&str) -> bool,
        reason: &'static str,
    ) -> Result<Self, HeaderError> {
        let all = values.clone();
        while let Some(field) = values.next_field_text() {
            if !field.split(',').all(|word| is_well_formed(lex::trim(word))) {
                return Err(HeaderError::new(reason, 0));
            }
        }
        Ok(Self(Source::Message(all)))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for (i, token) in self.clone().enumerate() {
            if i > 0 {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(token.as_bytes());
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        match &mut self.0 {
            Source::Message(values) => values.next(),
            Source::Slice(tokens) => {
                let (first, rest) = tokens.split_first()?;
                *tokens = rest;
                Some(first)
            }
        }
    }
}

impl fmt::Debug for Tokens<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// A header that is a list of words: tokens, or what a function says is one.
macro_rules! token_list {
    ($(#[$doc:meta])* $name:ident) => {
        $crate::header::shape::token_list! {
            $(#[$doc])* $name, |text: &str| $crate::chars::all_token(text.as_bytes()), "token expected"
        }
    };
    ($(#[$doc:meta])* $name:ident, $check:expr, $reason:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<'a>($crate::header::Tokens<'a>);

        impl<'a> $name<'a> {
            /// A list of these words.
            #[must_use]
            pub const fn from_slice(words: &'a [&'a str]) -> Self {
                Self($crate::header::Tokens::from_slice(words))
            }

            /// The words in order.
            #[must_use]
            pub fn iter(&self) -> $crate::header::Tokens<'a> {
                self.0.clone()
            }

            /// Is the word in the list? Compared without case (RFC 3261 §7.3.1).
            #[must_use]
            pub fn contains(&self, word: &str) -> bool {
                self.iter().any(|other| other.eq_ignore_ascii_case(word))
            }
        }

        impl PartialEq for $name<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.iter().eq(other.iter())
            }
        }

        impl<'a> IntoIterator for &$name<'a> {
            type Item = &'a str;
            type IntoIter = $crate::header::Tokens<'a>;

            fn into_iter(self) -> $crate::header::Tokens<'a> {
                self.iter()
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                $crate::header::Tokens::decode(values, $check, $reason).map(Self)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                self.0.encode(out);
            }
        }

        $crate::header::shape::display_encoded!($name<'_>);
    };
}
pub(crate) use token_list;
