//! [`Params`]: the `;name=value` list after a header value or in a URI.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use crate::chars;
use crate::error::HeaderError;
use crate::lex::{self, Cursor};
use crate::scan;

/// The parameters of a header value: `*( ";" name [ "=" value ] )` (RFC 3261 §25.1 `generic-param`).
///
/// Names are compared without case. Parameters that were not touched keep their bytes and order.
///
/// ```
/// use sip_message::Params;
/// let mut params = Params::parse(";ttl=16 ;LR;x=\"a;b\"").unwrap();
/// assert_eq!(params.get("ttl"), Some("16"));
/// assert_eq!(params.get("lr"), Some(""));
/// assert_eq!(params.unquoted("x").as_deref(), Some("a;b"));
/// params.set("ttl", Some("1"));
/// assert_eq!(params.as_str(), ";LR;x=\"a;b\";ttl=1");
/// ```
#[derive(Clone, Default)]
pub struct Params<'a> {
    raw: Cow<'a, str>,
    /// Is it known that every semicolon separates and that there is no white space? And where the first parameter is.
    plain: Option<First>,
}

/// Of the first parameter of a text, which is the one that is asked for most: where the name ends, and where the value.
#[derive(Clone, Copy, Default)]
struct First {
    name: u16,
    value: u16,
}

impl<'a> Params<'a> {
    /// No parameter.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            raw: Cow::Borrowed(""),
            plain: None,
        }
    }

    /// Parameters from text that is empty or starts with a semicolon.
    ///
    /// # Errors
    /// When the text is not a list of parameters.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        Self::decode(Cursor::new(text))
    }

    /// Parameters from text whose first one has no semicolon before it: `a=1;b`.
    pub(crate) fn parse_list(text: &'a str) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(text);
        cursor.skip_lws();
        one(&mut cursor)?;
        Self::decode(cursor)?;
        Ok(Self {
            raw: Cow::Borrowed(text),
            plain: None,
        })
    }

    /// Everything from the cursor on, which must be parameters and white space.
    #[inline]
    pub(crate) fn decode(cursor: Cursor<'a>) -> Result<Self, HeaderError> {
        if cursor.is_end() {
            return Ok(Self::new());
        }
        let rest = cursor.rest();
        match plain(rest.as_bytes()) {
            Some(first) => Ok(Self {
                raw: Cow::Borrowed(rest),
                plain: Some(first),
            }),
            None => Self::decode_any(cursor.text(), cursor.pos()),
        }
    }

    #[inline(never)]
    fn decode_any(text: &'a str, from: usize) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::at(text, from);
        let mut end = from;
        while cursor.eat_separator(b';') {
            one(&mut cursor)?;
            end = cursor.pos();
        }
        cursor.finish("unexpected text after the value")?;
        cursor.seek(end);
        Ok(Self {
            raw: Cow::Borrowed(cursor.slice(from)),
            plain: None,
        })
    }

    /// The text, from the first semicolon on.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// The text with the life of the message, unless parameters were changed since decoding.
    #[must_use]
    pub const fn as_borrowed(&self) -> Option<&'a str> {
        match &self.raw {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        }
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The parameters in order.
    #[must_use]
    pub fn iter(&self) -> ParamIter<'_> {
        ParamIter::new(&self.raw)
    }

    /// Is there a parameter of this name?
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The value of the first parameter of this name, as written (quotes included); `""` if it has none.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<&str> {
        if self.raw.is_empty() {
            return None;
        }
        if let Some(First { name: end, value }) = self.plain {
            let (from, to) = (usize::from(end), usize::from(value));
            if self.raw.as_bytes().get(1..from) == Some(name.as_bytes()) {
                return Some(self.raw.get(from + 1..to).unwrap_or_default());
            }
            // The only one, and its name is not as long.
            if to == self.raw.len() && from != name.len() + 1 {
                return None;
            }
        }
        self.find(name)
    }

    fn find(&self, name: &str) -> Option<&str> {
        if self.plain.is_some() {
            return plain_value(&self.raw, name);
        }
        ParamIter::new(&self.raw).value(name)
    }

    /// The value of the first parameter of this name without quotes and escapes.
    #[must_use]
    pub fn unquoted(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(unquote)
    }

    /// Removes every parameter of this name and appends it with the new value (`None`: a name alone). The value is
    /// written as it is if it is a token, a host or already quoted, and as a quoted string otherwise.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.remove(name);
        self.push(name, value);
    }

    /// Appends a parameter; see [`set`](Self::set) for the form of the value. A name that is no token is ignored.
    pub fn push(&mut self, name: &str, value: Option<&str>) {
        if !chars::all_token(name.as_bytes()) {
            return;
        }
        self.plain = None;
        let raw = self.raw.to_mut();
        raw.push(';');
        raw.push_str(name);
        if let Some(value) = value {
            raw.push('=');
            push_value(raw, value);
        }
    }

    /// [`push`](Self::push) as a builder step.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.push(name, value);
        self
    }

    /// Removes every parameter of this name. Was there one?
    pub fn remove(&mut self, name: &str) -> bool {
        if !self.contains(name) {
            return false;
        }
        let mut kept = String::with_capacity(self.raw.len());
        for (other, value) in self.iter() {
            if !other.eq_ignore_ascii_case(name) {
                kept.push(';');
                kept.push_str(other);
                if let Some(value) = value {
                    kept.push('=');
                    kept.push_str(value);
                }
            }
        }
        self.raw = Cow::Owned(kept);
        self.plain = None;
        true
    }

    /// The same parameters without a borrow.
    #[must_use]
    pub fn into_owned(self) -> Params<'static> {
        Params {
            raw: Cow::Owned(self.raw.into_owned()),
            plain: self.plain,
        }
    }
}

/// `1*( ";" name [ "=" value ] )` without white space and quotes, as nearly everyone writes it.
#[inline(never)]
fn plain(text: &[u8]) -> Option<First> {
    let mut first = First::default();
    let mut at = 0;
    loop {
        let (name, end) = plain_one(text, at)?;
        // One that is too far behind to be noted is found by the search.
        if at == 0 && end <= usize::from(u16::MAX) {
            first = First {
                name: name as u16,
                value: end as u16,
            };
        }
        if end == text.len() {
            return Some(first);
        }
        at = end;
    }
}

/// The parameter at a place: where its name ends, and where it ends.
#[inline(always)]
fn plain_one(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    // What most have is known to be a token.
    let name = at
        + if rest.starts_with(b";branch=") {
            7
        } else if rest.starts_with(b";tag=") {
            4
        } else {
            1 + chars::run(rest.strip_prefix(b";")?, chars::is_token)
        };
    if name == at + 1 {
        return None;
    }
    if text.get(name) != Some(&b'=') {
        return Some((name, name));
    }
    let value = text.get(name + 1..)?;
    let len = chars::run(value, chars::is_param_value);
    (len > 0).then_some((name, name + 1 + len))
}

/// The value of the first parameter of this name where every semicolon separates and there is no white space: in
/// plain parameters of a header, and in those of a URI.
pub(crate) fn plain_value<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    let (bytes, len) = (raw.as_bytes(), name.len());
    // Behind the semicolon.
    let mut at = 1;
    loop {
        let rest = bytes.get(at..)?;
        // What ends the name is compared first: it seldom is where that of another name would be.
        let end = rest.get(len);
        if matches!(end, None | Some(b'=' | b';'))
            && let Some(start) = rest.get(..len)
            && (start == name.as_bytes() || start.eq_ignore_ascii_case(name.as_bytes()))
        {
            if end != Some(&b'=') {
                return Some("");
            }
            let value = rest.get(len + 1..)?;
            let from = at + len + 1;
            return raw.get(from..from + scan::byte(value, b';').unwrap_or(value.len()));
        }
        at += scan::byte(rest, b';')? + 1;
    }
}

/// `name [ "=" value ]`.
fn one(cursor: &mut Cursor<'_>) -> Result<(), HeaderError> {
    cursor.token("parameter name expected")?;
    if cursor.eat_separator(b'=') {
        value(cursor)?;
    }
    Ok(())
}

/// `gen-value`: a token, a host (an IPv6 reference has brackets and colons) or a quoted string; see also
/// [`chars::is_param_value`].
fn value(cursor: &mut Cursor<'_>) -> Result<(), HeaderError> {
    if cursor.peek() == Some(b'"') {
        return cursor.quoted().map(drop);
    }
    // RFC 8224 §4 `ident-info`: a URI in angle brackets.
    if cursor.peek() == Some(b'<') {
        cursor.take_while(|b| b != b'>');
        return if cursor.eat(b'>') {
            Ok(())
        } else {
            Err(cursor.error("`>` expected"))
        };
    }
    let value = cursor.take_while(chars::is_param_value);
    if value.is_empty() {
        Err(cursor.error("parameter value expected"))
    } else {
        Ok(())
    }
}

fn is_plain_value(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|b| chars::is_token(b) || matches!(b, b'[' | b']' | b':'))
}

fn is_quoted(value: &str) -> bool {
    let mut cursor = Cursor::new(value);
    cursor.quoted().is_ok() && cursor.is_end()
}

pub(crate) fn push_value(out: &mut String, value: &str) {
    if is_plain_value(value) || is_quoted(value) {
        out.push_str(value);
    } else {
        push_quoted(out, value);
    }
}

/// Appends a quoted string; control characters become spaces.
pub(crate) fn push_quoted(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_ascii_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The text of a value without its quotes and escapes, if it has them.
pub(crate) fn unquote(value: &str) -> Cow<'_, str> {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return Cow::Borrowed(value);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let c = if c == '\\' { chars.next() } else { Some(c) };
        out.extend(c);
    }
    Cow::Owned(out)
}

impl fmt::Display for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

impl fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Params<'_> {
    /// The same names, without case, with the same values in the same order.
    fn eq(&self, other: &Self) -> bool {
        let mut b = other.iter();
        for (name, value) in self.iter() {
            match b.next() {
                Some((other_name, other_value))
                    if name.eq_ignore_ascii_case(other_name) && value == other_value => {}
                _ => return false,
            }
        }
        b.next().is_none()
    }
}

impl Eq for Params<'_> {}

/// The parameters of a header value or of a URI, in order: the name, and the value as written.
#[derive(Clone, Debug)]
pub struct ParamIter<'a> {
    rest: &'a str,
}

impl<'a> ParamIter<'a> {
    pub(crate) const fn new(raw: &'a str) -> Self {
        Self { rest: raw }
    }

    /// What is still to come.
    pub(crate) const fn rest(&self) -> &'a str {
        self.rest
    }

    /// The value of the first parameter of this name from here on; `""` if it has none.
    #[must_use]
    pub fn value(self, name: &str) -> Option<&'a str> {
        for (other, value) in self {
            if other.eq_ignore_ascii_case(name) {
                return Some(value.unwrap_or_default());
            }
        }
        None
    }
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = (&'a str, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            // Parameters start with a semicolon, after white space; the first of a list of them may lack it.
            let trimmed = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
            let after = trimmed.strip_prefix(';').unwrap_or(trimmed);
            let end = param_end(after);
            let (param, rest) = after.split_at_checked(end)?;
            self.rest = rest;
            let (name, value) = match param.as_bytes().iter().position(|&b| b == b'=') {
                Some(at) => (param.get(..at)?, param.get(at + 1..).map(lex::trim)),
                None => (param, None),
            };
            let name = lex::trim(name);
            if !name.is_empty() {
                return Some((name, value));
            }
        }
    }
}

/// Where the parameter at the front of the text ends: at the next semicolon outside quotes.
fn param_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut pos = 0;
    while let Some(&b) = bytes.get(pos) {
        match b {
            b';' => return pos,
            b'"' => {
                let mut cursor = Cursor::new(text);
                cursor.seek(pos);
                if cursor.quoted().is_err() {
                    return bytes.len();
                }
                pos = cursor.pos();
            }
            b'<' => {
                let rest = bytes.get(pos..).unwrap_or_default();
                pos += memchr::memchr(b'>', rest).unwrap_or(rest.len());
            }
            _ => pos += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_so_that_they_read_back() {
        for value in [
            "plain",
            "[2001:db8::1]",
            "a b",
            "quo\"te",
            "back\\slash",
            "",
            "semi;colon",
            "\"quoted\"",
        ] {
            let params = Params::new().with("p", Some(value)).with("q", None);
            let again = Params::parse(params.as_str()).unwrap();
            let expected = unquote(value);
            assert_eq!(again.unquoted("p").unwrap(), expected, "{params}");
            assert_eq!(again.get("q"), Some(""));
        }
    }

    #[test]
    fn line_ends_never_reach_the_wire() {
        let params = Params::new()
            .with("p", Some("a\r\nVia: x"))
            .with("bad name", Some("x"));
        assert_eq!(params.as_str(), ";p=\"a  Via: x\"");
    }

    #[test]
    fn malformed_parameters_are_refused() {
        for text in [";", ";;a", ";=x", ";a=", ";a=\"x", "a=b", ";a b", ";a=b c"] {
            assert!(Params::parse(text).is_err(), "{text}");
        }
        assert!(Params::parse("").unwrap().is_empty());
        assert_eq!(Params::parse(" ; a = b ; c ").unwrap().iter().count(), 2);
    }

    proptest::proptest! {
        /// What is found by the pass over plain parameters is what the reader of all parameters finds.
        #[test]
        fn plain_parameters_read_as_all_do(text in "(;[abt]{1,3}(=[ab;.:]{1,3})?){0,5}[ \"=;]?", name in "[abtABT]{1,3}") {
            let Ok(params) = Params::parse(&text) else {
                proptest::prop_assert!(plain(text.as_bytes()).is_none());
                return Ok(());
            };
            let all = ParamIter::new(&text).value(&name);
            proptest::prop_assert_eq!(params.get(&name), all);
            if plain(text.as_bytes()).is_some() {
                proptest::prop_assert_eq!(plain_value(&text, &name), all);
            }
        }
    }
}
