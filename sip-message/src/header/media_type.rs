//! Media types: what Content-Type has one of and Accept a list.
//!
//! ```text
//! media type = token "/" token, then parameters
//! ```

use alloc::vec::Vec;
use core::fmt;

use crate::error::HeaderError;
use crate::lex::Cursor;
use crate::param::Params;

/// `type "/" subtype *( ";" parameter )`. Types and parameter names are compared without case.
#[derive(Clone)]
pub(super) struct MediaType<'a> {
    pub(super) kind: &'a str,
    pub(super) subtype: &'a str,
    pub(super) params: Params<'a>,
}

impl<'a> MediaType<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(text);
        let kind = cursor.token("media type expected")?;
        if !cursor.eat_separator(b'/') {
            return Err(cursor.error("`/` expected in a media type"));
        }
        let subtype = cursor.token("media subtype expected")?;
        Ok(Self {
            kind,
            subtype,
            params: Params::decode(cursor)?,
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.kind.as_bytes());
        out.push(b'/');
        out.extend_from_slice(self.subtype.as_bytes());
        out.extend_from_slice(self.params.as_str().as_bytes());
    }

    pub(super) fn is(&self, media_type: &str) -> bool {
        media_type.split_once('/').is_some_and(|(kind, subtype)| {
            kind.trim().eq_ignore_ascii_case(self.kind)
                && subtype.trim().eq_ignore_ascii_case(self.subtype)
        })
    }
}

impl fmt::Debug for MediaType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

impl PartialEq for MediaType<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.kind.eq_ignore_ascii_case(other.kind)
            && self.subtype.eq_ignore_ascii_case(other.subtype)
            && self.params == other.params
    }
}
