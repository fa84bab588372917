//! [`Values`]: the comma-separated values of all fields of one name.

use core::str::Utf8Error;

use smallvec::SmallVec;

use super::Headers;
use crate::chars;
use crate::lex;
use crate::name::{Arity, HeaderName, NameId};
use crate::scan;

/// The values of the fields of one name, in order; see [`Headers::values`].
///
/// An empty field has no value. Values that are not UTF-8 are passed over by the iterator;
/// [`next_bytes`](Self::next_bytes) sees them.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    headers: &'a Headers,
    name: HeaderName,
    id: NameId,
    arity: Arity,
    /// The field to look at when `rest` is used up.
    next_field: usize,
    rest: Rest<'a>,
    invalid: bool,
}

/// What is left of the current field.
#[derive(Clone, Copy, Debug)]
enum Rest<'a> {
    Nothing,
    /// Nobody looked yet whether it is UTF-8.
    Bytes(&'a [u8]),
    Text(&'a str),
    /// As a whole it is not UTF-8; single values may be.
    Broken(&'a [u8]),
}

impl<'a> Values<'a> {
    #[inline(always)] // Nearly all names are constants.
    pub(super) fn new(headers: &'a Headers, name: HeaderName) -> Self {
        let id = name.id();
        let first = headers.find(&name, 0);
        let mut values = Self {
            headers,
            name,
            id,
            arity: id.arity(),
            next_field: first.unwrap_or(headers.len()),
            rest: Rest::Nothing,
            invalid: false,
        };
        if let Some(at) = first {
            values.begin_at(at);
        }
        values
    }

    /// Moves to the field at an index, or if it is empty to the next that is not.
    #[inline]
    fn begin_at(&mut self, at: usize) {
        let value = self.headers.value_at(at);
        if value.is_empty() {
            self.find_field();
        } else {
            self.take_up(at, value);
        }
    }

    fn take_up(&mut self, at: usize, value: &'a [u8]) {
        self.next_field = at + 1;
        let text = self.headers.known_text(at);
        self.rest = text.map_or(Rest::Bytes(value), Rest::Text);
    }

    /// The values of one field alone.
    pub(super) fn of_field(headers: &'a Headers, name: HeaderName, at: usize) -> Self {
        let id = name.id();
        let value = headers.value_at(at);
        Self {
            headers,
            name,
            id,
            arity: id.arity(),
            next_field: headers.len(),
            rest: if value.is_empty() {
                Rest::Nothing
            } else {
                Rest::Bytes(value)
            },
            invalid: false,
        }
    }

    /// The next value as bytes.
    pub fn next_bytes(&mut self) -> Option<&'a [u8]> {
        if !self.has_next() {
            return None;
        }
        let (rest, again): (_, fn(&'a [u8]) -> Rest<'a>) = match self.rest {
            Rest::Nothing => return None,
            Rest::Bytes(rest) => (rest, Rest::Bytes),
            Rest::Text(rest) => (rest.as_bytes(), Rest::Bytes),
            Rest::Broken(rest) => (rest, Rest::Broken),
        };
        let (value, after) = match self.arity {
            Arity::One => (rest, None),
            Arity::List => split_first(rest),
        };
        self.rest = after.map_or(Rest::Nothing, again);
        Some(value)
    }

    /// What is left of the current field, if it is known to be text.
    pub(super) fn text_of_field(&mut self) -> Option<&'a str> {
        if self.has_next()
            && let Rest::Text(text) = self.rest
        {
            return Some(text);
        }
        None
    }

    /// Goes on with the next field.
    pub(super) const fn skip_field(&mut self) {
        self.rest = Rest::Nothing;
    }

    /// The next value as text, or what it is not.
    pub(super) fn next_text(&mut self) -> Option<Result<&'a str, Utf8Error>> {
        if self.has_next()
            && let Rest::Text(text) = self.rest
        {
            let (value, after) = split(text, self.id);
            self.rest = after.map_or(Rest::Nothing, Rest::Text);
            return Some(Ok(value));
        }
        self.next_bytes().map(core::str::from_utf8)
    }

    /// What is left of the current field, as a whole; the next call goes on with the next field. Fields that are not UTF-8
    /// are passed over.
    pub(crate) fn next_field_text(&mut self) -> Option<&'a str> {
        while self.has_next() {
            match core::mem::replace(&mut self.rest, Rest::Nothing) {
                Rest::Nothing => return None,
                Rest::Text(text) => return Some(text),
                Rest::Bytes(bytes) | Rest::Broken(bytes) => match core::str::from_utf8(bytes) {
                    Ok(text) => return Some(text),
                    Err(_) => self.invalid = true,
                },
            }
        }
        None
    }

    /// The name whose values these are.
    #[must_use]
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Is no value left?
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        matches!(self.rest, Rest::Nothing) && self.next_field_with_value().is_none()
    }

    /// The opposite, and the next field is at hand then.
    #[inline]
    pub(super) fn has_next(&mut self) -> bool {
        !matches!(self.rest, Rest::Nothing) || self.find_field()
    }

    /// Is there no field of this name at all, not even an empty one? Asked before the first value is taken.
    #[inline]
    pub(super) fn is_absent(&self) -> bool {
        matches!(self.rest, Rest::Nothing) && !self.headers.contains(self.name.clone())
    }

    pub(super) const fn saw_invalid(&self) -> bool {
        self.invalid
    }

    pub(super) fn take_invalid(&mut self) -> bool {
        core::mem::take(&mut self.invalid)
    }

    /// Something that differs after each value.
    pub(super) const fn position(&self) -> (usize, Option<usize>) {
        let rest = match self.rest {
            Rest::Nothing => None,
            Rest::Text(text) => Some(text.len()),
            Rest::Bytes(bytes) | Rest::Broken(bytes) => Some(bytes.len()),
        };
        (self.next_field, rest)
    }

    /// Moves to the next field of this name that is not empty. Is there one?
    #[inline]
    fn find_field(&mut self) -> bool {
        match self.next_field_with_value() {
            Some((at, value)) => {
                self.take_up(at, value);
                true
            }
            None => {
                self.next_field = self.headers.len();
                false
            }
        }
    }

    #[inline]
    fn next_field_with_value(&self) -> Option<(usize, &'a [u8])> {
        let mut from = self.next_field;
        loop {
            let at = self.headers.find_id(self.id, &self.name, from)?;
            let value = self.headers.value_at(at);
            if !value.is_empty() {
                return Some((at, value));
            }
            from = at + 1;
        }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            if !self.has_next() {
                return None;
            }
            if let Rest::Bytes(bytes) = self.rest {
                self.rest = core::str::from_utf8(bytes).map_or(Rest::Broken(bytes), Rest::Text);
            }
            if let Rest::Text(text) = self.rest {
                let (value, after) = split(text, self.id);
                self.rest = after.map_or(Rest::Nothing, Rest::Text);
                return Some(value);
            }
            match core::str::from_utf8(self.next_bytes()?) {
                Ok(text) => return Some(text),
                Err(_) => self.invalid = true,
            }
        }
    }
}

/// The values of the fields of one name from the last to the first; see [`Headers::values_rev`].
#[derive(Clone, Debug)]
pub struct ValuesRev<'a> {
    headers: &'a Headers,
    name: HeaderName,
    arity: Arity,
    /// Fields at and after this index are done.
    end: usize,
    /// The values of the current field that are still to come, the next one last.
    pending: SmallVec<[&'a [u8]; 4]>,
}

impl<'a> ValuesRev<'a> {
    pub(super) fn new(headers: &'a Headers, name: HeaderName) -> Self {
        let arity = name.id().arity();
        Self {
            headers,
            name,
            arity,
            end: headers.len(),
            pending: SmallVec::new(),
        }
    }

    fn next_bytes(&mut self) -> Option<&'a [u8]> {
        loop {
            if let Some(value) = self.pending.pop() {
                return Some(value);
            }
            self.end = self.end.checked_sub(1)?;
            let span = self.headers.span(self.end)?;
            if !self.headers.has_name(span, &self.name) {
                continue;
            }
            let mut rest = Some(self.headers.value_at(self.end)).filter(|value| !value.is_empty());
            while let Some(text) = rest {
                let (value, after) = match self.arity {
                    Arity::One => (text, None),
                    Arity::List => split_first(text),
                };
                self.pending.push(value);
                rest = after;
            }
        }
    }
}

impl<'a> Iterator for ValuesRev<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            if let Ok(text) = core::str::from_utf8(self.next_bytes()?) {
                return Some(text);
            }
        }
    }
}

/// The first value of a list without white space at its ends, and what follows its comma.
///
/// A quote or an angle bracket that does not end hides the commas after it: the value is then malformed as a whole,
/// which its decoder says.
pub(super) fn split_first(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let (value, rest) = match comma(text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    };
    (trim(value), rest)
}

/// The first value of what is left of a field of this name, and what follows it.
#[inline]
pub(super) fn split(text: &str, name: NameId) -> (&str, Option<&str>) {
    match name.arity() {
        Arity::One => (text, None),
        Arity::List => split_first_text(text),
    }
}

/// The same for text.
fn split_first_text(text: &str) -> (&str, Option<&str>) {
    match comma(text.as_bytes()) {
        Some(at) => (
            lex::trim(text.get(..at).unwrap_or_default()),
            text.get(at + 1..),
        ),
        None => (lex::trim(text), None),
    }
}

/// Where the comma after the first value is.
fn comma(text: &[u8]) -> Option<usize> {
    let at = scan::byte(text, b',')?;
    let before = text.get(..at)?;
    if before.iter().any(|&b| matches!(b, b'"' | b'<')) {
        comma_outside(text)
    } else {
        Some(at)
    }
}

/// The same where quotes and angle brackets may hide commas.
fn comma_outside(text: &[u8]) -> Option<usize> {
    let mut pos = 0;
    loop {
        let rest = text.get(pos..)?;
        let at = memchr::memchr3(b',', b'"', b'<', rest)?;
        pos += at;
        match text.get(pos) {
            Some(b'"') => pos = quoted_end(text, pos + 1)?,
            Some(b'<') => pos += memchr::memchr(b'>', text.get(pos..)?)? + 1,
            _ => return Some(pos),
        }
    }
}

/// The place after the quote that ends a quoted string.
fn quoted_end(text: &[u8], from: usize) -> Option<usize> {
    let mut pos = from;
    loop {
        pos += memchr::memchr2(b'"', b'\\', text.get(pos..)?)?;
        if text.get(pos) == Some(&b'"') {
            return Some(pos + 1);
        }
        pos += 2;
    }
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !chars::is_lws(*first) {
            break;
        }
        text = rest;
    }
    while let [rest @ .., last] = text {
        if !chars::is_lws(*last) {
            break;
        }
        text = rest;
    }
    text
}
