//! Call-ID: the name of a call or registration (RFC 3261 §20.8).
//!
//! ```text
//! value = word [ "@" word ]; a word is more than a token: it may have ( ) < > : \ " / [ ] ? { }
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::TypedHeader;
use crate::header::shape::display_encoded;
use crate::headers::Values;
use crate::lex::Cursor;
use crate::name::HeaderName;

/// The name of a dialog or registration, compared byte for byte (RFC 3261 §20.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a text and nothing else")]
pub struct CallId<'a>(pub &'a str);

impl<'a> TypedHeader<'a> for CallId<'a> {
    const NAME: HeaderName = HeaderName::CallId;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(|value| {
        let mut cursor = Cursor::new(value);
        let id = crate::header::shape::Word::CallId.take(&mut cursor)?;
        cursor.finish("bad Call-ID")?;
        Ok(Self(id))
    });

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        crate::header::decode_value(values)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

display_encoded!(CallId<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{call_id, header_tests};

    header_tests! {
        CallId<'_>, rfc3261_20_8_examples: [
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com",
            "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
            "a",
        ],
        refused: ["a@b@c", "@b", "a@", "a b", "a;b", ""],
        built: (value in call_id()) => CallId(&value),
    }
}
