//! Headers whose value is a text: Call-ID, User-Agent, Server.

use alloc::vec::Vec;

use super::TypedHeader;
use crate::chars;
use crate::error::HeaderError;
use crate::headers::Values;
use crate::name::HeaderName;

/// The name of a dialog or registration, compared byte for byte: `word [ "@" word ]` (RFC 3261 §20.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a text and nothing else")]
pub struct CallId<'a>(pub &'a str);

impl<'a> TypedHeader<'a> for CallId<'a> {
    const NAME: HeaderName = HeaderName::CallId;

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        let text = super::one(values)?;
        let mut words = text.split('@');
        let word = |word: Option<&str>| {
            word.is_none_or(|w| !w.is_empty() && w.bytes().all(chars::is_word))
        };
        if word(words.next()) && word(words.next()) && words.next().is_none() {
            Ok(Self(text))
        } else {
            Err(HeaderError::new("bad Call-ID", 0))
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

macro_rules! text_header {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(clippy::exhaustive_structs, reason = "a text and nothing else")]
        pub struct $name<'a>(pub &'a str);

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;

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

text_header! {
    /// What software the user agent client is (RFC 3261 §20.41).
    UserAgent
}

text_header! {
    /// What software the user agent server is (RFC 3261 §20.35).
    Server
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::check_reencode;

    #[test]
    fn rfc3261_20_8_forms() {
        check_reencode!(
            CallId<'_>,
            [
                (
                    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com",
                    Some("f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com")
                ),
                (
                    "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
                    Some("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")
                ),
                ("a", Some("a")),
                ("a@b@c", None),
                ("@b", None),
                ("a@", None),
                ("a b", None),
                ("a;b", None),
                ("", None),
            ]
        );
    }

    #[test]
    fn rfc3261_20_41_and_20_35_text() {
        check_reencode!(
            UserAgent<'_>,
            [("Softphone Beta1.5", Some("Softphone Beta1.5")), ("", None)]
        );
        check_reencode!(Server<'_>, [("HomeServer v2", Some("HomeServer v2"))]);
    }
}
