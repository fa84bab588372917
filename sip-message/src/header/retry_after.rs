//! Retry-After: when to try again (RFC 3261 §20.33).
//!
//! ```text
//! value = delta seconds [ "(" comment ")" ], then parameters, among them duration = delta seconds
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::TypedHeader;
use crate::header::shape::display_encoded;
use crate::headers::Values;
use crate::lex::Cursor;
use crate::name::HeaderName;
use crate::param::Params;

/// A delay in seconds, a comment, and for how long the callee will then be there.
///
/// ```
/// use sip_message::header::RetryAfter;
/// let retry = RetryAfter::parse("120 (I'm in a meeting);duration=3600").unwrap();
/// assert_eq!((retry.seconds(), retry.comment(), retry.duration()), (120, Some("I'm in a meeting"), Some(3600)));
/// assert_eq!(RetryAfter::new(5).to_string(), "5");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RetryAfter<'a> {
    seconds: u32,
    comment: Option<&'a str>,
    params: Params<'a>,
}

impl<'a> RetryAfter<'a> {
    /// A delay.
    #[must_use]
    pub const fn new(seconds: u32) -> Self {
        Self {
            seconds,
            comment: None,
            params: Params::new(),
        }
    }

    /// Sets a parameter (`None`: a name alone).
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(text);
        let seconds = cursor.number("seconds expected in Retry-After")?;
        let before = cursor.pos();
        cursor.skip_lws();
        let comment = if cursor.peek() == Some(b'(') {
            Some(comment(&mut cursor)?)
        } else {
            cursor.seek(before);
            None
        };
        Ok(Self {
            seconds,
            comment,
            params: Params::decode(cursor)?,
        })
    }

    /// The delay in seconds.
    #[must_use]
    pub const fn seconds(&self) -> u32 {
        self.seconds
    }

    /// The comment without its parentheses, as written.
    #[must_use]
    pub const fn comment(&self) -> Option<&'a str> {
        self.comment
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Params<'a> {
        &self.params
    }

    /// For how many seconds the callee will be reachable.
    #[must_use]
    pub fn duration(&self) -> Option<u32> {
        self.params.get("duration")?.parse().ok()
    }
}

/// `"(" *( ctext / quoted-pair / comment ) ")"`, nested at most 8 deep.
fn comment<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, HeaderError> {
    let from = cursor.pos();
    let mut depth = 0_u8;
    loop {
        cursor.take_while(|b| !matches!(b, b'(' | b')' | b'\\'));
        let next = cursor.peek();
        match next {
            Some(b'(') => depth += 1,
            Some(b')') => depth = depth.saturating_sub(1),
            Some(_) => cursor.seek(cursor.pos() + 1),
            None => return Err(HeaderError::new("comment does not end", from)),
        }
        if depth > 8 {
            return Err(HeaderError::new("comment nested too deeply", from));
        }
        cursor.seek(cursor.pos() + 1);
        if depth == 0 && next == Some(b')') {
            let text = cursor.slice(from);
            return Ok(text.get(1..text.len() - 1).unwrap_or_default());
        }
    }
}

impl<'a> TypedHeader<'a> for RetryAfter<'a> {
    const NAME: HeaderName = HeaderName::RetryAfter;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(crate::header::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        crate::header::push_decimal(out, self.seconds.into());
        if let Some(comment) = self.comment {
            out.extend_from_slice(b" (");
            out.extend_from_slice(comment.as_bytes());
            out.push(b')');
        }
        out.extend_from_slice(self.params.as_str().as_bytes());
    }
}

display_encoded!(RetryAfter<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, with_params};

    header_tests! {
        RetryAfter<'_>, rfc3261_20_33_examples: [
            "18000;duration=3600",
            "120 (I'm in a meeting)",
            "5(a (nested \\) one) b);x=y" => "5 (a (nested \\) one) b);x=y",
        ],
        refused: ["5 (open", "5 (((((((((deep)))))))))", "soon", "5 x", ""],
        built: (seconds in proptest::prelude::any::<u32>(), more in some_of(&[("duration", "[0-9]{1,5}"), ("x", "[a-z ]{1,3}")])) => with_params!(RetryAfter::new(seconds), more),
    }
}
