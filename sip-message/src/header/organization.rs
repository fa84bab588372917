//! Organization: to what organization the sender belongs (RFC 3261 §20.25).
//!
//! ```text
//! value = [ text in UTF-8 ]: it may be empty
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::TypedHeader;
use crate::headers::Values;
use crate::name::HeaderName;

/// To what organization the sender belongs (RFC 3261 §20.25).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a text and nothing else")]
pub struct Organization<'a>(pub &'a str);

impl<'a> TypedHeader<'a> for Organization<'a> {
    const NAME: HeaderName = HeaderName::Organization;

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
        Organization<'_>, rfc3261_20_25_examples: [
            "Boxes by Bob",
            "",
        ],
        refused: [],
        built: (value in line()) => Organization(&value),
    }
}
