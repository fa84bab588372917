//! Headers that are lists of tokens: Allow, Supported, Require, Proxy-Require, Unsupported.
//!
//! `[ token *( COMMA token ) ]` (RFC 3261 §20.5, §20.29, §20.32, §20.37, §20.40).

use alloc::vec::Vec;
use core::fmt;

use super::TypedHeader;
use crate::chars;
use crate::error::HeaderError;
use crate::headers::Values;
use crate::method::Method;
use crate::name::HeaderName;

/// The tokens of a list, from a message or from a slice.
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

    /// Takes all values, after checking each.
    pub(crate) fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        let all = values.clone();
        for value in values {
            if !chars::all_token(value.as_bytes()) {
                return Err(HeaderError::new("token expected", 0));
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

macro_rules! token_list {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<'a>($crate::header::Tokens<'a>);

        impl<'a> $name<'a> {
            /// A list of these tokens.
            #[must_use]
            pub const fn from_slice(tokens: &'a [&'a str]) -> Self {
                Self($crate::header::Tokens::from_slice(tokens))
            }

            /// The tokens in order.
            #[must_use]
            pub fn iter(&self) -> $crate::header::Tokens<'a> {
                self.0.clone()
            }

            /// Is the token in the list? Compared without case (RFC 3261 §7.3.1).
            #[must_use]
            pub fn contains(&self, token: &str) -> bool {
                self.iter().any(|other| other.eq_ignore_ascii_case(token))
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
                $crate::header::Tokens::decode(values).map(Self)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                self.0.encode(out);
            }
        }
    };
}

pub(crate) use token_list;

token_list! {
    /// The option tags of the extensions that the sender supports (RFC 3261 §20.37).
    Supported
}

token_list! {
    /// The option tags that the recipient must support (RFC 3261 §20.32).
    Require
}

token_list! {
    /// The option tags that proxies on the way must support (RFC 3261 §20.29).
    ProxyRequire
}

token_list! {
    /// The option tags that the sender does not support (RFC 3261 §20.40).
    Unsupported
}

/// The methods that the sender supports (RFC 3261 §20.5).
///
/// ```
/// use sip_message::{Method, header::Allow};
/// let allow = Allow::from_slice(&[Method::Invite, Method::Ack]);
/// assert!(allow.contains(&Method::Ack) && !allow.contains(&Method::Bye));
/// ```
#[derive(Clone, Debug)]
pub struct Allow<'a>(Methods<'a>);

/// The methods of an [`Allow`], from a message or from a slice.
#[derive(Clone, Debug)]
pub struct Methods<'a>(MethodSource<'a>);

#[derive(Clone, Debug)]
enum MethodSource<'a> {
    Message(Tokens<'a>),
    Slice(&'a [Method]),
}

impl<'a> Allow<'a> {
    /// A list of these methods.
    #[must_use]
    pub const fn from_slice(methods: &'a [Method]) -> Self {
        Self(Methods(MethodSource::Slice(methods)))
    }

    /// The methods in order.
    #[must_use]
    pub fn iter(&self) -> Methods<'a> {
        self.0.clone()
    }

    /// Is the method in the list?
    #[must_use]
    pub fn contains(&self, method: &Method) -> bool {
        self.iter().any(|other| other == *method)
    }
}

impl PartialEq for Allow<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> IntoIterator for &Allow<'a> {
    type Item = Method;
    type IntoIter = Methods<'a>;

    fn into_iter(self) -> Methods<'a> {
        self.iter()
    }
}

impl Iterator for Methods<'_> {
    type Item = Method;

    fn next(&mut self) -> Option<Method> {
        match &mut self.0 {
            MethodSource::Message(tokens) => {
                tokens.find_map(|token| Method::from_bytes(token.as_bytes()))
            }
            MethodSource::Slice(methods) => {
                let (first, rest) = methods.split_first()?;
                *methods = rest;
                Some(first.clone())
            }
        }
    }
}

impl<'a> TypedHeader<'a> for Allow<'a> {
    const NAME: HeaderName = HeaderName::Allow;

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Tokens::decode(values).map(|tokens| Self(Methods(MethodSource::Message(tokens))))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        for (i, method) in self.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(method.as_str().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{check_reencode, headers};

    #[test]
    fn rfc3261_20_37_lists() {
        check_reencode!(
            Supported<'_>,
            [
                ("100rel", Some("100rel")),
                ("", Some("")),
                ("a,\r\n b ,c", Some("a, b, c")),
                ("a,,b", None),
                ("a b", None),
                ("a,", None)
            ]
        );
        let headers = headers(HeaderName::Require, &["a, b", "", "c"]);
        let require = headers.typed::<Require<'_>>().unwrap().unwrap();
        assert!(require.iter().eq(["a", "b", "c"]));
        assert!(require.contains("B") && !require.contains("d"));
        assert!(headers.typed::<ProxyRequire<'_>>().unwrap().is_none());
    }

    #[test]
    fn rfc3261_20_5_allow() {
        check_reencode!(
            Allow<'_>,
            [
                ("INVITE, ACK,\tOPTIONS", Some("INVITE, ACK, OPTIONS")),
                ("", Some("")),
                ("INV(ITE", None)
            ]
        );
    }
}
