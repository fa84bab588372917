//! RAck: the response that a PRACK acknowledges (RFC 3262 §7.2).
//!
//! ```text
//! value = RSeq white space CSeq number white space method
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::TypedHeader;
use crate::header::shape::display_encoded;
use crate::headers::Values;
use crate::lex::Cursor;
use crate::method::Method;
use crate::name::HeaderName;

/// The response that a PRACK acknowledges (RFC 3262 §7.2).
///
/// ```
/// use sip_message::{Method, header::RAck};
/// assert_eq!(RAck::new(776_656, 1, Method::Invite).to_string(), "776656 1 INVITE");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the grammar has these three")]
pub struct RAck {
    /// The RSeq of the response.
    pub response: u32,
    /// The CSeq number of the request that was responded to.
    pub cseq: u32,
    /// Its method.
    pub method: Method,
}

impl RAck {
    /// The response with this RSeq to the request with this CSeq.
    #[must_use]
    pub const fn new(response: u32, cseq: u32, method: Method) -> Self {
        Self {
            response,
            cseq,
            method,
        }
    }
}

impl<'a> TypedHeader<'a> for RAck {
    const NAME: HeaderName = HeaderName::RAck;

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(crate::header::one(values)?);
        let response = cursor.number("RSeq expected in RAck")?;
        let space = cursor.take_while(crate::chars::is_lws);
        let cseq = cursor.number("CSeq expected in RAck")?;
        if space.is_empty() || cursor.take_while(crate::chars::is_lws).is_empty() {
            return Err(cursor.error("white space expected in RAck"));
        }
        let method = cursor.token("method expected in RAck")?;
        let method = Method::from_bytes(method.as_bytes())
            .ok_or_else(|| cursor.error("method expected in RAck"))?;
        cursor.finish("unexpected text after RAck")?;
        Ok(Self {
            response,
            cseq,
            method,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        crate::header::push_decimal(out, self.response.into());
        out.push(b' ');
        crate::header::push_decimal(out, self.cseq.into());
        out.push(b' ');
        out.extend_from_slice(self.method.as_str().as_bytes());
    }
}

display_encoded!(RAck);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, token};

    header_tests! {
        RAck, rfc3262_7_2_example: [
            "776656 1 INVITE",
            "1\t2 \r\n X" => "1 2 X",
        ],
        refused: ["1 INVITE", "1 2", "1 2 I V", ""],
        built: (response in proptest::prelude::any::<u32>(), cseq in proptest::prelude::any::<u32>(), method in token()) => RAck::new(response, cseq, Method::from_bytes(method.as_bytes()).unwrap()),
    }
}
