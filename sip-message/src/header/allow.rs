//! Allow: the methods that the sender supports (RFC 3261 §20.5).
//!
//! ```text
//! value = [ method *( "," method ) ]
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::shape::display_encoded;
use crate::header::{Tokens, TypedHeader};
use crate::headers::Values;
use crate::method::Method;
use crate::name::HeaderName;

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
        Tokens::decode(
            values,
            |text| crate::chars::all_token(text.as_bytes()),
            "method expected",
        )
        .map(|tokens| Self(Methods(MethodSource::Message(tokens))))
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

display_encoded!(Allow<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, tokens};

    header_tests! {
        Allow<'_>, rfc3261_20_5_examples: [
            "INVITE, ACK, OPTIONS, CANCEL, BYE",
            "INVITE, ACK,\tOPTIONS" => "INVITE, ACK, OPTIONS",
            "",
        ],
        refused: ["INV(ITE", "A,,B"],
        built: (words in tokens()) => let methods = words.iter().map(|word| Method::from_bytes(word.as_bytes()).unwrap()).collect::<Vec<_>>(); Allow::from_slice(&methods),
    }
}
