//! CSeq: the order of requests within a dialog (RFC 3261 §20.16).
//!
//! ```text
//! value = digits, white space, method
//! ```

use alloc::vec::Vec;

use super::TypedHeader;
use crate::chars;
use crate::error::HeaderError;
use crate::headers::Values;
use crate::method::Method;
use crate::name::HeaderName;
use crate::scan;

/// A sequence number below 2^31 and the method of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the grammar has these two")]
pub struct CSeq {
    /// The number.
    pub number: u32,
    /// The method.
    pub method: Method,
}

impl CSeq {
    /// A number and a method.
    #[must_use]
    pub const fn new(number: u32, method: Method) -> Self {
        Self { number, method }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form, or the number is not below 2^31.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        let text = text.as_bytes();
        let (number, mut at) = match scan::number(text, 0) {
            Some(found) => found,
            None => any_number(text)?,
        };
        if at == 0 {
            return Err(HeaderError::new("CSeq number expected", 0));
        }
        let rest = text.get(at..).unwrap_or_default();
        // As nearly everyone writes it.
        if let [b' ', method @ ..] = rest
            && let Some(method) = Method::known(method)
        {
            return Ok(Self { number, method });
        }
        let space = chars::run(rest, chars::is_lws);
        if space == 0 {
            return Err(HeaderError::new("white space expected in CSeq", at));
        }
        at += space;
        let rest = rest.get(space..).unwrap_or_default();
        let len = chars::run(rest, chars::is_token);
        let (method, after) = rest.split_at_checked(len).unwrap_or_default();
        let method = Method::from_bytes(method)
            .ok_or_else(|| HeaderError::new("method expected in CSeq", at))?;
        let space = chars::run(after, chars::is_lws);
        if space < after.len() {
            return Err(HeaderError::new(
                "unexpected text after CSeq",
                at + len + space,
            ));
        }
        Ok(Self { number, method })
    }
}

/// The number at the front of any text, and how many digits it has.
#[inline(never)]
fn any_number(text: &[u8]) -> Result<(u32, usize), HeaderError> {
    let mut number = 0_u64;
    let mut at = 0;
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        number = number * 10 + u64::from(digit - b'0');
        at += 1;
        // RFC 3261 §8.1.1.5: the number MUST be less than 2**31.
        if number >= 1 << 31 {
            return Err(HeaderError::new("CSeq number is not below 2^31", 0));
        }
    }
    Ok((number as u32, at))
}

impl<'a> TypedHeader<'a> for CSeq {
    const NAME: HeaderName = HeaderName::CSeq;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        crate::header::decode_value(values)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        super::push_decimal(out, self.number.into());
        out.push(b' ');
        out.extend_from_slice(self.method.as_str().as_bytes());
    }
}

super::display_encoded!(CSeq);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{check_reencode, header_tests, token};

    #[test]
    fn rfc3261_20_16_forms() {
        check_reencode!(
            CSeq,
            [
                ("4711 INVITE", Some("4711 INVITE")),
                ("0009\r\n  INVITE", Some("9 INVITE")),
                ("2147483647 X-Y", Some("2147483647 X-Y")),
                ("2147483648 INVITE", None),
                ("99999999999 INVITE", None),
                ("1INVITE", None),
                ("1 INVITE x", None),
                ("-1 INVITE", None),
                ("1", None),
                ("INVITE", None),
            ]
        );
    }

    header_tests! {
        CSeq, rfc3261_20_16_example: ["4711 INVITE"],
        refused: ["", "4711", "INVITE", "4711INVITE"],
        built: (number in 0..1_u32 << 31, method in token()) => CSeq::new(number, Method::from_bytes(method.as_bytes()).unwrap()),
    }
}
