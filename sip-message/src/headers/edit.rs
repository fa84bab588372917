//! Editing: every change appends to the overlay and moves spans; no byte that came is changed.

use alloc::vec::Vec;
use core::net::IpAddr;

use smallvec::SmallVec;

use super::values::split_first;
use super::{ABSENT, Headers, Place, Source, Span, UNKNOWN, hint_of, offset};
use crate::header::{self, TypedHeader};
use crate::name::{Arity, HeaderName, NameId};

impl Headers {
    /// Makes room for edits of so many bytes: who knows that several follow needs one allocation for them.
    ///
    /// ```
    /// use sip_message::{HeaderName, Method, Request};
    /// let mut request = Request::builder(Method::Options, "sip:h").build_partial().unwrap();
    /// request.headers_mut().reserve(100);
    /// request.headers_mut().push_front(HeaderName::Route, "<sip:a;lr>");
    /// request.headers_mut().push_front(HeaderName::Route, "<sip:b;lr>");
    /// assert_eq!(request.headers().values(HeaderName::Route).count(), 2);
    /// ```
    pub fn reserve(&mut self, bytes: usize) {
        self.overlay.reserve(bytes);
    }

    /// Puts a field before the first of its name; or, if there is none, after the Via fields, where proxies expect
    /// what routes (RFC 3261 §7.3.1).
    ///
    /// A line end in the value that does not fold it is written as a space, so that no value can add a field.
    pub fn push_front(&mut self, name: HeaderName, value: impl AsRef<str>) {
        let at = self.find(&name, 0).unwrap_or_else(|| self.after_vias());
        let span = self.append_line(&name, |out| push_value(out, value.as_ref().as_bytes()));
        self.insert(at, span);
    }

    /// Puts a field after all others. See [`push_front`](Self::push_front) for line ends in the value.
    pub fn push_back(&mut self, name: HeaderName, value: impl AsRef<str>) {
        let span = self.append_line(&name, |out| push_value(out, value.as_ref().as_bytes()));
        self.add(span);
    }

    /// [`push_back`](Self::push_back) of a value that is put together from parts.
    ///
    /// ```
    /// use sip_message::{HeaderName, Method, Request};
    /// let mut request = Request::builder(Method::Options, "sip:h").build_partial().unwrap();
    /// request.headers_mut().push_back_parts(HeaderName::Contact, &["<", "sip:a@h", ">;expires=", "60"]);
    /// assert_eq!(request.headers().get(HeaderName::Contact), Some("<sip:a@h>;expires=60"));
    /// ```
    pub fn push_back_parts(&mut self, name: HeaderName, parts: &[&str]) {
        let span = self.append_line(&name, |out| push_parts(out, parts));
        self.add(span);
    }

    /// [`push_front`](Self::push_front) of a value that is put together from parts.
    ///
    /// ```
    /// use sip_message::{HeaderName, Method, Request};
    /// let mut request = Request::builder(Method::Options, "sip:h").build_partial().unwrap();
    /// request.headers_mut().push_front_parts(HeaderName::Route, &["<sip:", "192.0.2.1", ";lr>"]);
    /// assert_eq!(request.headers().get(HeaderName::Route), Some("<sip:192.0.2.1;lr>"));
    /// ```
    pub fn push_front_parts(&mut self, name: HeaderName, parts: &[&str]) {
        let at = self.find(&name, 0).unwrap_or_else(|| self.after_vias());
        let span = self.append_line(&name, |out| push_parts(out, parts));
        self.insert(at, span);
    }

    /// [`push_front`](Self::push_front) of a typed header.
    pub fn push_front_typed<'a, H: TypedHeader<'a>>(&mut self, header: &H) {
        let at = self.find(&H::NAME, 0).unwrap_or_else(|| self.after_vias());
        let span = self.append_line(&H::NAME, |out| push_typed(out, header));
        self.insert(at, span);
    }

    /// [`push_back`](Self::push_back) of a typed header.
    pub fn push_back_typed<'a, H: TypedHeader<'a>>(&mut self, header: &H) {
        let span = self.append_line(&H::NAME, |out| push_typed(out, header));
        self.add(span);
    }

    /// [`replace`](Self::replace) by a typed header.
    pub fn replace_typed<'a, H: TypedHeader<'a>>(&mut self, header: &H) {
        let span = self.append_line(&H::NAME, |out| push_typed(out, header));
        self.replace_with(&H::NAME, span);
    }

    /// Puts one field in the place of the first of this name and removes the others of it; appends it if there is
    /// none.
    pub fn replace(&mut self, name: HeaderName, value: impl AsRef<str>) {
        let span = self.append_line(&name, |out| push_value(out, value.as_ref().as_bytes()));
        self.replace_with(&name, span);
    }

    /// [`replace`](Self::replace) by a number.
    ///
    /// ```
    /// use sip_message::{HeaderName, Method, Request};
    /// let mut request = Request::builder(Method::Options, "sip:h").build_partial().unwrap();
    /// for number in [60, 59] {
    ///     request.headers_mut().replace_number(HeaderName::MaxBreadth, number);
    /// }
    /// assert_eq!(request.headers().values(HeaderName::MaxBreadth).collect::<Vec<_>>(), ["59"]);
    /// ```
    pub fn replace_number(&mut self, name: HeaderName, number: u32) {
        let span = self.append_line(&name, |out| header::push_decimal(out, number.into()));
        self.replace_with(&name, span);
    }

    /// Removes the first value of this name: of a field with several values the others stay. Was there one?
    pub fn remove_first(&mut self, name: HeaderName) -> bool {
        loop {
            let Some(at) = self.find(&name, 0) else {
                return false;
            };
            let value = self.value_at(at);
            let empty = value.is_empty();
            let rest = match name.id().arity() {
                Arity::One => None,
                Arity::List => split_first(value).1,
            };
            match rest {
                Some(rest) => {
                    // The name stays as it was written; the values after the first are copied.
                    let kept = offset(rest.trim_ascii_start().len());
                    let Some(place) = self.span(at).map(Span::value_place) else {
                        return false;
                    };
                    let start = place.end.saturating_sub(kept);
                    self.rewrite(at, |headers| headers.append_copy(Place { start, ..place }));
                    return true;
                }
                None => self.remove_at(at),
            }
            if !empty {
                return true;
            }
        }
    }

    /// Removes all fields of this name. How many there were.
    pub fn remove_all(&mut self, name: HeaderName) -> usize {
        let mut count = 0;
        let mut from = 0;
        while let Some(at) = self.find(&name, from) {
            self.remove_at(at);
            from = at;
            count += 1;
        }
        count
    }

    /// Writes `received` (RFC 3261 §18.2.1) and the value of `rport` (RFC 3581 §4) into the topmost Via. `None` leaves
    /// the parameter as it is. Was there a Via that could be read?
    pub fn set_top_via_params(&mut self, received: Option<IpAddr>, rport: Option<u16>) -> bool {
        let Some(at) = self.find_value(&HeaderName::Via) else {
            return false;
        };
        let value = self.value_at(at);
        let (first, rest) = split_first(value);
        let rest_at = rest.map_or(value.len(), |rest| value.len() - rest.len() - 1);
        let Some(kept) = kept_of_via(first, received.is_some(), rport.is_some()) else {
            return false;
        };
        let Some(place) = self.span(at).map(Span::value_place) else {
            return false;
        };
        // What stays is copied in runs; nothing is written anew but the parameters.
        let part = |from: usize, to: usize| Place {
            start: place.start + offset(from),
            end: place.start + offset(to),
            ..place
        };
        let whole = part(rest_at, value.len());
        self.rewrite(at, |headers| {
            for (from, to) in kept {
                headers.append_copy(part(from, to));
            }
            if let Some(received) = received {
                headers.overlay.extend_from_slice(b";received=");
                header::push_ip(&mut headers.overlay, received);
            }
            if let Some(rport) = rport {
                headers.overlay.extend_from_slice(b";rport=");
                header::push_decimal(&mut headers.overlay, rport.into());
            }
            headers.append_copy(whole);
        });
        true
    }

    /// Adds the tag to To, if To is there and has none. Was it added?
    pub fn set_to_tag(&mut self, tag: &str) -> bool {
        let Some(at) = self.find(&HeaderName::To, 0) else {
            return false;
        };
        if self.to_tag().is_some() || !crate::chars::all_token(tag.as_bytes()) {
            return false;
        }
        let Some(old) = self.fields.get(at).copied() else {
            return false;
        };
        self.rewrite(at, |headers| {
            headers.append_copy(old.value_place());
            headers.overlay.extend_from_slice(b";tag=");
            headers.overlay.extend_from_slice(tag.as_bytes());
        });
        true
    }

    /// [`set_to_tag`](Self::set_to_tag) of a response whose fields were just copied behind its status line: the tag goes where
    /// it belongs, so that what is written stays one run of bytes.
    pub(crate) fn tag_copied_to(&mut self, tag: &str, line: Place) -> bool {
        const NAME: &[u8] = b";tag=";
        let Some(at) = self.find(&HeaderName::To, 0) else {
            return false;
        };
        let Some(old) = self.fields.get(at).copied() else {
            return false;
        };
        if old.source != Source::Overlay || line.start >= old.start {
            return self.set_to_tag(tag);
        }
        if self.to_tag().is_some() || !crate::chars::all_token(tag.as_bytes()) {
            return false;
        }
        let from = old.value_place().end as usize;
        let (end, more) = (self.overlay.len(), NAME.len() + tag.len());
        self.overlay.resize(end + more, 0);
        self.overlay.copy_within(from..end, from + more);
        let (name, value) = (from + NAME.len(), from + more);
        if let Some(place) = self.overlay.get_mut(from..name) {
            place.copy_from_slice(NAME);
        }
        if let Some(place) = self.overlay.get_mut(name..value) {
            place.copy_from_slice(tag.as_bytes());
        }
        let more = offset(more);
        for span in self.fields.iter_mut() {
            if span.source == Source::Overlay && span.start > old.start {
                span.start += more;
            }
        }
        if let Some(span) = self.fields.get_mut(at) {
            span.len += more;
            span.value_len += more;
        }
        true
    }

    /// Takes one from Max-Forwards, and adds the field with 70 if it is missing (RFC 3261 §16.6, step 3).
    /// `None`, and no change, if it is 0 or malformed; else the new value.
    pub fn decrement_max_forwards(&mut self) -> Option<u8> {
        let value = match self.typed::<header::MaxForwards>() {
            Ok(None) => 70,
            Ok(Some(max)) => max.0.checked_sub(1)?,
            Err(_) => return None,
        };
        self.replace_number(HeaderName::MaxForwards, value.into());
        Some(value)
    }

    /// Appends the line of a field of another message as it is, with its name as it was written.
    pub(crate) fn copy_line(&mut self, line: &[u8], span: &Span) {
        let start = offset(self.overlay.len());
        self.overlay.extend_from_slice(line);
        self.add(Span {
            start,
            source: Source::Overlay,
            ..*span
        });
    }

    /// Appends all fields of another, which is best made for this: what is the same in every message is written once, and then
    /// copied as a whole.
    ///
    /// ```
    /// use sip_message::{HeaderName, Headers, Method, Request};
    /// let mut ours = Headers::new();
    /// ours.push_back(HeaderName::UserAgent, "phone");
    /// ours.push_back(HeaderName::Supported, "timer");
    /// let mut request = Request::builder(Method::Options, "sip:h").build_partial().unwrap();
    /// request.headers_mut().push_back_all(&ours);
    /// assert!(request.to_bytes().ends_with(b"User-Agent: phone\r\nSupported: timer\r\n\r\n"));
    /// assert_eq!(request.headers().get(HeaderName::Supported), Some("timer"));
    /// ```
    pub fn push_back_all(&mut self, other: &Self) {
        let mut start = self.overlay.len();
        let mut out = core::mem::take(&mut self.overlay);
        other.encode_lines(&mut out);
        self.overlay = out;
        for span in other.fields.iter() {
            let copy = Span {
                start: offset(start),
                source: Source::Overlay,
                ..*span
            };
            self.add(copy);
            start += span.len as usize;
        }
    }

    /// Copies all fields of this name from another message.
    pub(crate) fn copy_from(&mut self, other: &Self, name: &HeaderName) {
        let mut from = 0;
        while let Some(at) = other.find(name, from) {
            if let Some(span) = other.fields.get(at) {
                self.copy_line(other.line(span), span);
            }
            from = at + 1;
        }
    }

    /// Copies what RFC 3261 §8.2.6 says a response has of its request, in the order of the request.
    pub(crate) fn copy_for_response(&mut self, request: &Self, trying: bool) {
        const VIA: NameId = HeaderName::Via.id();
        const FROM: NameId = HeaderName::From.id();
        const TO: NameId = HeaderName::To.id();
        const CALL_ID: NameId = HeaderName::CallId.id();
        const CSEQ: NameId = HeaderName::CSeq.id();
        const TIMESTAMP: NameId = HeaderName::Timestamp.id();
        for span in request.fields.iter() {
            match span.name {
                VIA | FROM | TO | CALL_ID | CSEQ => self.copy_line(request.line(span), span),
                // RFC 3261 §8.2.6.1.
                TIMESTAMP if trying => self.copy_line(request.line(span), span),
                _ => {}
            }
        }
    }

    /// Writes every name that has a compact form in it (RFC 3261 §7.3.3): for a message that would otherwise be too large
    /// for its transport. The values stay as they are. Answers how many bytes shorter the fields are.
    ///
    /// ```
    /// use sip_message::{HeaderName, Method, Request};
    /// let mut request = Request::builder(Method::Options, "sip:h")
    ///     .header(HeaderName::Via, "SIP/2.0/UDP a;branch=z9hG4bK1")
    ///     .header(HeaderName::Supported, "timer")
    ///     .header(HeaderName::CSeq, "1 OPTIONS")
    ///     .build_partial()
    ///     .unwrap();
    /// assert_eq!(request.headers_mut().use_compact_names(), 23);
    /// assert_eq!(
    ///     request.to_bytes(),
    ///     "OPTIONS sip:h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nk: timer\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n"
    /// );
    /// ```
    pub fn use_compact_names(&mut self) -> usize {
        let before = self.encoded_len();
        for at in 0..self.fields.len() {
            let Some(old) = self.fields.get(at).copied() else {
                continue;
            };
            let Some(compact) = old.name.compact() else {
                continue;
            };
            if self.name_bytes(&old).len() > compact.len() {
                let span = self.append_with(
                    |headers| headers.overlay.extend_from_slice(compact.as_bytes()),
                    |headers| headers.append_copy(old.value_place()),
                );
                self.put(at, span, old.name);
            }
        }
        before.saturating_sub(self.encoded_len())
    }

    /// Writes every field anew: `name: value CRLF`, on one line and without control characters.
    pub(crate) fn normalize(&mut self) {
        for at in 0..self.fields.len() {
            let value = self.value_at(at).to_vec();
            self.rewrite_value(at, |out| {
                let clean = |&b: &u8| if b.is_ascii_control() { b' ' } else { b };
                out.extend(value.iter().map(clean));
            });
        }
    }

    fn replace_with(&mut self, name: &HeaderName, span: Span) {
        match self.find(name, 0) {
            Some(at) => {
                if let Some(field) = self.fields.get_mut(at) {
                    *field = span;
                }
                self.touch();
                while let Some(other) = self.find(name, at + 1) {
                    self.remove_at(other);
                }
            }
            None => self.add(span),
        }
    }

    fn after_vias(&self) -> usize {
        let via = HeaderName::Via.id();
        self.fields
            .iter()
            .rposition(|span| span.name == via)
            .map_or(0, |at| at + 1)
    }

    fn insert(&mut self, at: usize, span: Span) {
        if at >= self.fields.len() {
            return self.add(span);
        }
        self.touch();
        self.move_hints(at, |hint| hint_of(usize::from(hint) + 1));
        if let Some(hint) = self.hints.get_mut(span.name.place()) {
            *hint = match *hint {
                UNKNOWN => UNKNOWN,
                ABSENT => hint_of(at),
                first => first.min(hint_of(at)),
            };
        }
        self.fields.insert(at, span);
    }

    /// Puts a field behind all others, whose line was the last to be appended.
    #[inline]
    fn add(&mut self, span: Span) {
        self.touch_end();
        self.index(span);
    }

    fn remove_at(&mut self, at: usize) {
        if at < self.fields.len() {
            self.touch_out(at == 0 || at + 1 == self.fields.len());
            let removed = hint_of(at);
            self.move_hints(at, |hint| if hint == removed { UNKNOWN } else { hint - 1 });
            self.fields.remove(at);
        }
    }

    /// Changes the hints that name the field at an index or one behind it.
    fn move_hints(&mut self, at: usize, to: impl Fn(u8) -> u8) {
        for hint in &mut self.hints {
            if *hint < ABSENT && usize::from(*hint) >= at {
                *hint = to(*hint);
            }
        }
    }

    /// Writes the value of a field anew in the overlay, with the name as it was written.
    fn rewrite_value(&mut self, at: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.rewrite(at, |headers| write(&mut headers.overlay));
    }

    fn rewrite(&mut self, at: usize, write: impl FnOnce(&mut Self)) {
        let Some(old) = self.fields.get(at).copied() else {
            return;
        };
        let name = Place {
            source: old.source,
            start: old.start,
            end: old.start + offset(self.name_bytes(&old).len()),
        };
        let span = self.append_with(|headers| headers.append_copy(name), write);
        self.put(at, span, old.name);
    }

    /// Puts another line of the same name into the place of a field.
    pub(super) fn put(&mut self, at: usize, span: Span, name: NameId) {
        if let Some(field) = self.fields.get_mut(at) {
            *field = Span { name, ..span };
        }
        self.touch();
    }

    /// The first field of this name that is not empty.
    fn find_value(&self, name: &HeaderName) -> Option<usize> {
        let mut at = self.find(name, 0)?;
        while self.value_at(at).is_empty() {
            at = self.find(name, at + 1)?;
        }
        Some(at)
    }

    /// Appends bytes of the message to the overlay.
    fn append_copy(&mut self, place: Place) {
        let range = place.start as usize..place.end as usize;
        match place.source {
            Source::Base => self
                .overlay
                .extend_from_slice(self.base.bytes().get(range).unwrap_or_default()),
            Source::Overlay if range.end <= self.overlay.len() && range.start <= range.end => {
                self.overlay.extend_from_within(range);
            }
            Source::Overlay => {}
            Source::Stamp => {
                let stamp = self.stamp.as_deref().unwrap_or_default();
                self.overlay
                    .extend_from_slice(stamp.get(range).unwrap_or_default());
            }
        }
    }

    fn append_line(&mut self, name: &HeaderName, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let span = self.append_named(name.as_str().as_bytes(), write);
        Span {
            name: name.id(),
            ..span
        }
    }

    fn append_named(&mut self, name: &[u8], write: impl FnOnce(&mut Vec<u8>)) -> Span {
        self.append_with(
            |headers| headers.overlay.extend_from_slice(name),
            |headers| write(&mut headers.overlay),
        )
    }

    /// Appends a line: a name, a colon and a space, a value, a line end.
    fn append_with(&mut self, name: impl FnOnce(&mut Self), value: impl FnOnce(&mut Self)) -> Span {
        if self.overlay.capacity() == 0 {
            // What a proxy adds to a request fits in this, so that there is one allocation.
            self.overlay.reserve(OVERLAY_CAPACITY);
        }
        let start = self.overlay.len();
        name(self);
        self.overlay.extend_from_slice(b": ");
        let value_at = self.overlay.len();
        value(self);
        let value_len = self.overlay.len() - value_at;
        self.overlay.extend_from_slice(b"\r\n");
        Span {
            start: offset(start),
            len: offset(self.overlay.len() - start),
            value_len: offset(value_len),
            value_at: u16::try_from(value_at - start).unwrap_or(u16::MAX),
            name: NameId::OTHER,
            source: Source::Overlay,
        }
    }
}

/// The parts of a Via value that stay when `received` or `rport` get another value; `None` if it is no Via.
fn kept_of_via(
    value: &[u8],
    without_received: bool,
    without_rport: bool,
) -> Option<SmallVec<[(usize, usize); 4]>> {
    let text = core::str::from_utf8(value).ok()?;
    let via = header::Via::parse(text).ok()?;
    let params = via.params().as_str();
    let params_at = text.len() - params.len();
    let mut kept = SmallVec::new();
    let mut run = (0, params_at);
    let mut params = via.params().iter();
    while let Some((name, _)) = params.next() {
        let end = text.len() - params.rest().len();
        if without_received && name.eq_ignore_ascii_case("received")
            || without_rport && name.eq_ignore_ascii_case("rport")
        {
            kept.push(run);
            run.0 = end;
        }
        run.1 = end;
    }
    kept.push(run);
    Some(kept)
}

/// Bytes of the overlay of a message that is edited.
const OVERLAY_CAPACITY: usize = 512;

/// Appends a value without white space at its ends. A CR or LF that is not part of a fold becomes a space.
fn push_value(out: &mut Vec<u8>, value: &[u8]) {
    let value = value.trim_ascii();
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        out.extend_from_slice(value);
        return;
    }
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        match rest {
            [b'\r', b'\n', b' ' | b'\t', ..] => {
                out.extend_from_slice(b"\r\n ");
                rest = rest.get(3..).unwrap_or_default();
                continue;
            }
            [b'\r' | b'\n', ..] => out.push(b' '),
            _ => out.push(byte),
        }
        rest = tail;
    }
}

/// Appends a value that is put together from parts, with the same guard against line ends.
fn push_parts(out: &mut Vec<u8>, parts: &[&str]) {
    push_guarded(out, |out| {
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
    });
}

/// Encodes a typed header, with the same guard against line ends.
fn push_typed<'a, H: TypedHeader<'a>>(out: &mut Vec<u8>, header: &H) {
    push_guarded(out, |out| header.encode(out));
}

/// Writes a value, and then looks whether it would end the line.
pub(super) fn push_guarded(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let value = out.get(start..).unwrap_or_default();
    if memchr::memchr2(b'\r', b'\n', value).is_some() {
        let value = value.to_vec();
        out.truncate(start);
        push_value(out, &value);
    }
}
