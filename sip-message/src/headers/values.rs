//! [`Values`]: the comma-separated values of all fields of one name.

use smallvec::SmallVec;

use super::Headers;
use crate::chars;
use crate::name::{Arity, HeaderName, NameId};

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
    rest: Option<&'a [u8]>,
    invalid: bool,
}

impl<'a> Values<'a> {
    pub(super) fn new(headers: &'a Headers, name: HeaderName) -> Self {
        let id = name.id();
        let arity = id.arity();
        let mut values = Self {
            headers,
            name,
            id,
            arity,
            next_field: 0,
            rest: None,
            invalid: false,
        };
        values.find_field();
        values
    }

    /// The values of one field alone.
    pub(super) fn of_field(headers: &'a Headers, name: HeaderName, at: usize) -> Self {
        let id = name.id();
        let arity = id.arity();
        let rest = Some(headers.value_at(at)).filter(|value| !value.is_empty());
        Self {
            headers,
            name,
            id,
            arity,
            next_field: headers.len(),
            rest,
            invalid: false,
        }
    }

    /// The next value as bytes.
    pub fn next_bytes(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (value, after) = match self.arity {
            Arity::One => (rest, None),
            Arity::List => split_first(rest),
        };
        self.rest = after;
        if self.rest.is_none() {
            self.find_field();
        }
        Some(value)
    }

    /// The name whose values these are.
    #[must_use]
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Is no value left?
    #[must_use]
    pub const fn is_used_up(&self) -> bool {
        self.rest.is_none()
    }

    /// Is there no field of this name at all, not even an empty one?
    pub(super) fn is_absent(&self) -> bool {
        self.rest.is_none() && !self.headers.contains(self.name.clone())
    }

    pub(super) const fn saw_invalid(&self) -> bool {
        self.invalid
    }

    pub(super) fn take_invalid(&mut self) -> bool {
        core::mem::take(&mut self.invalid)
    }

    /// Something that differs after each value.
    pub(super) fn position(&self) -> (usize, Option<usize>) {
        (self.next_field, self.rest.map(<[u8]>::len))
    }

    /// Moves to the next field of this name that is not empty.
    fn find_field(&mut self) {
        while let Some(at) = self.headers.find_id(self.id, &self.name, self.next_field) {
            self.next_field = at + 1;
            let value = self.headers.value_at(at);
            if !value.is_empty() {
                self.rest = Some(value);
                return;
            }
        }
        self.next_field = self.headers.len();
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
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

/// Where the comma after the first value is.
fn comma(text: &[u8]) -> Option<usize> {
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
