//! The parameters of a challenge or of credentials (RFC 3261 §25.1 `auth-param`).
//!
//! ```text
//! parameters = name "=" ( token / quoted string ) *( "," name "=" ( token / quoted string ) )
//! ```

use alloc::borrow::Cow;
use core::fmt;

use crate::chars;
use crate::error::HeaderError;
use crate::lex::Cursor;
use crate::param;

/// The comma-separated `name=value` parameters of a challenge or of credentials.
#[derive(Clone, Default)]
pub struct AuthParams<'a> {
    raw: Cow<'a, str>,
}

impl<'a> AuthParams<'a> {
    /// No parameter.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            raw: Cow::Borrowed(""),
        }
    }

    /// Adds a parameter whose value is written as a quoted string.
    #[must_use]
    pub fn with_quoted(mut self, name: &str, value: &str) -> Self {
        self.push(name, value, true);
        self
    }

    /// Adds a parameter whose value is written without quotes, if it can be.
    #[must_use]
    pub fn with_token(mut self, name: &str, value: &str) -> Self {
        self.push(name, value, false);
        self
    }

    /// Reads the text of a header without a scheme.
    pub(in crate::header) fn parse(text: &'a str) -> Result<Self, HeaderError> {
        Self::decode(Cursor::new(text))
    }

    pub(in crate::header) fn as_str(&self) -> &str {
        &self.raw
    }

    /// Everything from the cursor on. Empty elements are passed over.
    pub(super) fn decode(mut cursor: Cursor<'a>) -> Result<Self, HeaderError> {
        cursor.skip_lws();
        let raw = cursor.rest();
        while !cursor.is_end() {
            if cursor.eat_separator(b',') {
                continue;
            }
            cursor.token("authentication parameter expected")?;
            if !cursor.eat_separator(b'=') {
                return Err(cursor.error("`=` expected in an authentication parameter"));
            }
            if cursor.peek() == Some(b'"') {
                cursor.quoted()?;
            } else if cursor.take_while(is_value).is_empty() {
                return Err(cursor.error("authentication parameter without value"));
            }
            cursor.skip_lws();
            if !cursor.is_end() && cursor.peek() != Some(b',') {
                return Err(cursor.error("comma expected between authentication parameters"));
            }
        }
        Ok(Self {
            raw: Cow::Borrowed(crate::lex::trim(raw)),
        })
    }

    /// The parameters in order, values as written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut cursor = Cursor::new(&self.raw);
        core::iter::from_fn(move || {
            while cursor.eat_separator(b',') {}
            cursor.skip_lws();
            let name = cursor.take_while(chars::is_token);
            if name.is_empty() || !cursor.eat_separator(b'=') {
                return None;
            }
            let value = if cursor.peek() == Some(b'"') {
                cursor.quoted().ok()?
            } else {
                cursor.take_while(is_value)
            };
            Some((name, value))
        })
    }

    /// The value of the first parameter of this name, without quotes and escapes. Names are compared without case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.raw(name).map(param::unquote)
    }

    /// The value of the first parameter of this name, as written.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(super) fn push(&mut self, name: &str, value: &str, quoted: bool) {
        if !chars::all_token(name.as_bytes()) {
            return;
        }
        let raw = self.raw.to_mut();
        if !raw.is_empty() {
            raw.push_str(", ");
        }
        raw.push_str(name);
        raw.push('=');
        if quoted || value.is_empty() || !value.bytes().all(is_value) {
            param::push_quoted(raw, value);
        } else {
            raw.push_str(value);
        }
    }
}

/// Unquoted values are tokens; some peers leave out the quotes around base64 and URIs, whose other characters cannot
/// be mistaken for anything else.
const fn is_value(byte: u8) -> bool {
    chars::is_token(byte) || matches!(byte, b'/' | b'=' | b':' | b'@')
}

impl fmt::Debug for AuthParams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for AuthParams<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}
