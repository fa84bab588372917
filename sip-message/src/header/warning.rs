//! Warning: what is wrong that does not make the request fail (RFC 3261 §20.43).
//!
//! ```text
//! one of the values = 3DIGIT white space agent white space quoted string
//! agent = host [ ":" port ] / token
//! ```

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::TypedHeader;
use crate::header::shape::display_encoded;
use crate::headers::Values;
use crate::lex::Cursor;
use crate::name::HeaderName;

/// One warning: a code of 300 to 399, who warns, and a text for people (RFC 3261 §20.43).
///
/// ```
/// use sip_message::header::Warning;
/// let warning = Warning::parse("307 isi.edu \"Session parameter 'foo' not understood\"").unwrap();
/// assert_eq!((warning.code(), warning.agent()), (307, "isi.edu"));
/// assert_eq!(Warning::new(399, "h", "a \"b\"").to_string(), "399 h \"a \\\"b\\\"\"");
/// ```
#[derive(Clone, Debug)]
pub struct Warning<'a> {
    code: u16,
    agent: &'a str,
    /// As written, with its quotes; or without them when it was set by us.
    text: &'a str,
    quoted: bool,
}

impl<'a> Warning<'a> {
    /// A warning. The agent is a host with an optional port, or a pseudonym.
    #[must_use]
    pub const fn new(code: u16, agent: &'a str, text: &'a str) -> Self {
        Self {
            code,
            agent,
            text,
            quoted: false,
        }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(text);
        let digits = cursor.take_while(|b| b.is_ascii_digit());
        let code = digits.parse().ok().filter(|_| digits.len() == 3);
        let code =
            code.ok_or_else(|| HeaderError::new("warning code of three digits expected", 0))?;
        cursor.skip_lws();
        let agent = cursor.take_while(|b| !crate::chars::is_lws(b) && b != b'"');
        cursor.skip_lws();
        if agent.is_empty() {
            return Err(cursor.error("warning agent expected"));
        }
        let text = cursor.quoted()?;
        cursor.finish("unexpected text after the warning")?;
        Ok(Self {
            code,
            agent,
            text,
            quoted: true,
        })
    }

    /// The code: 370 is "insufficient bandwidth", 399 anything else.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// Who warns.
    #[must_use]
    pub const fn agent(&self) -> &'a str {
        self.agent
    }

    /// The text for people.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        if self.quoted {
            crate::param::unquote(self.text)
        } else {
            Cow::Borrowed(self.text)
        }
    }
}

impl PartialEq for Warning<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code && self.agent == other.agent && self.text() == other.text()
    }
}

impl<'a> TypedHeader<'a> for Warning<'a> {
    const NAME: HeaderName = HeaderName::Warning;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(crate::header::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        crate::header::push_decimal(out, self.code.into());
        out.push(b' ');
        out.extend_from_slice(self.agent.as_bytes());
        out.push(b' ');
        if self.quoted {
            out.extend_from_slice(self.text.as_bytes());
        } else {
            let mut text = String::new();
            crate::param::push_quoted(&mut text, self.text);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

display_encoded!(Warning<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, hostport, text};

    header_tests! {
        Warning<'_>, rfc3261_20_43_examples: [
            "307 isi.edu \"Session parameter 'foo' not understood\"",
            "301 isi.edu \"Incompatible network address type 'E.164'\"",
            "399 [2001:db8::1]:5060 \"\"",
        ],
        refused: ["1812 overture \"In Progress\"", "399 h", "399 \"x\"", "", "39 h \"x\"", "399 h x"],
        built: (code in 100..=999_u16, agent in hostport(), words in text()) => Warning::new(code, &agent, &words),
    }
}
