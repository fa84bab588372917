//! Subject: what the call is about (RFC 3261 §20.36).
//!
//! ```text
//! value = [ text in UTF-8 ]: it may be empty
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::TypedHeader;
use crate::headers::Values;
use crate::name::HeaderName;

/// What the call is about (RFC 3261 §20.36).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a text and nothing else")]
pub struct Subject<'a>(pub &'a str);

impl<'a> TypedHeader<'a> for Subject<'a> {
    const NAME: HeaderName = HeaderName::Subject;

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Ok(Self(values.next().unwrap_or_default()))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, line};

    header_tests! {
        Subject<'_>, rfc3261_20_36_examples: [
            "Need more boxes",
            "Tech Support",
            "日本語の件名",
            "",
        ],
        refused: [],
        built: (value in line()) => Subject(&value),
    }
}
