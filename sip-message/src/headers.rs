//! [`Headers`]: the header fields of a message, as spans over one buffer and an overlay for edits.

mod edit;
mod read;
mod spans;
mod stamp;
mod values;
mod written;

use alloc::vec::Vec;
use core::fmt;
use core::str::Utf8Error;

use bytes::{BufMut, Bytes};
use bytestring::ByteString;

pub use self::read::{Field, Fields, RawFields, TypedAll};
pub(crate) use self::spans::Spans;
pub use self::stamp::ViaStamp;
pub use self::values::{Values, ValuesRev};
pub(crate) use self::written::{write_field, write_field_with};
use crate::name::{NameId, place};

/// The header fields of a message in the order of arrival.
///
/// A parsed message keeps its one buffer; each field is a span of it. Edits append to a second buffer, so that what was
/// not edited leaves byte for byte as it came: order, case, folds, compact forms and unknown fields included.
///
/// ```
/// use sip_message::{HeaderName, Message, ParserConfig, header::MaxForwards};
/// let text = "OPTIONS sip:h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2\r\n\
///     Max-Forwards: 70\r\nf: <sip:a@h>;tag=1\r\nt: <sip:h>\r\ni: x@a\r\nCSeq: 1 OPTIONS\r\n\r\n";
/// let mut message = Message::parse(text.into(), &ParserConfig::default()).unwrap();
/// let headers = message.headers_mut();
/// assert_eq!(headers.values(HeaderName::Via).count(), 2);
/// headers.push_front(HeaderName::Via, "SIP/2.0/UDP proxy;branch=z9hG4bK3");
/// headers.replace(HeaderName::MaxForwards, "69");
/// assert_eq!(headers.get(HeaderName::Via), Some("SIP/2.0/UDP proxy;branch=z9hG4bK3"));
/// assert_eq!(headers.typed::<MaxForwards>().unwrap(), Some(MaxForwards(69)));
/// headers.remove_first(HeaderName::Via);
/// assert_eq!(headers.values(HeaderName::Via).count(), 2);
/// ```
#[derive(Clone)]
pub struct Headers {
    /// The datagram or frame that the message came in; empty for a built message.
    base: Base,
    /// Lines of edited fields, and the start line of an edited or built message. Only ever appended to.
    overlay: Vec<u8>,
    /// The line that the transport layer wrote, in a buffer of its own that many messages share.
    stamp: Option<Bytes>,
    fields: Spans,
    /// Where the first field of each [`place`](crate::name::place) is.
    hints: Hints,
    /// [`EDITED`], [`VALID`], [`RUN`], [`GROWS`] and [`TAIL`], in one byte: there is room for no more.
    state: u8,
}

/// A field was changed since parsing.
const EDITED: u8 = 1;
/// It is known that [`Request::validate`](crate::Request::validate) finds nothing. No longer after an edit.
const VALID: u8 = 2;
/// Of an edited message: its fields are neighbours in one buffer, in their order. So are those of an unedited one in the base.
const RUN: u8 = 4;
/// A field that is added to the end of such a message is the neighbour of the last one: it was built.
const GROWS: u8 = 8;
/// Of an edited message: its fields but the first are as they were parsed, neighbours in the base.
const TAIL: u8 = 16;

/// The buffer that was parsed.
#[derive(Clone)]
enum Base {
    /// It is UTF-8 as a whole, so that no part of it has to be looked at again.
    Text(ByteString),
    Bytes(Bytes),
}

impl Base {
    #[inline]
    fn bytes(&self) -> &Bytes {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// For each [`place`](crate::name::place) the index of the first such field, or [`ABSENT`], or [`UNKNOWN`].
pub(crate) type Hints = [u8; place::COUNT];

/// There is no such field.
pub(crate) const ABSENT: u8 = u8::MAX - 1;

/// Its place has to be looked for.
pub(crate) const UNKNOWN: u8 = u8::MAX;

/// The hint for the field at an index.
#[inline]
pub(crate) fn hint_of(at: usize) -> u8 {
    match u8::try_from(at) {
        Ok(at) if at < ABSENT => at,
        _ => UNKNOWN,
    }
}

/// One field line, its CRLF included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Offset of the first byte of the name, in its buffer.
    pub(crate) start: u32,
    /// Bytes of the line with its CRLF, folds included.
    pub(crate) len: u32,
    /// Bytes of the value without white space at its ends.
    pub(crate) value_len: u32,
    /// From `start` to the value.
    pub(crate) value_at: u16,
    pub(crate) name: NameId,
    pub(crate) source: Source,
}

impl Span {
    /// Where the value is.
    pub(crate) const fn value_place(&self) -> Place {
        let start = self.start + self.value_at as u32;
        Place {
            source: self.source,
            start,
            end: start + self.value_len,
        }
    }
}

/// Bytes of an overlay that a message keeps for the next one.
const KEPT_OVERLAY: usize = 1024;

/// Which buffer a span is of: what came, what was written to the message, or what the transport layer wrote for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Base,
    Overlay,
    Stamp,
}

/// A place in one of the buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: Source,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Headers {
    /// There is no field yet.
    #[inline]
    pub(crate) const fn empty(base: Bytes) -> Self {
        Self {
            base: Base::Bytes(base),
            overlay: Vec::new(),
            stamp: None,
            fields: Spans::new(),
            hints: [ABSENT; place::COUNT],
            state: 0,
        }
    }

    /// As [`empty`](Self::empty), in the place of what is not needed any more: the buffers of others are let go, and a small one
    /// of one's own is used again.
    pub(crate) fn clear(&mut self) {
        self.base = Base::Bytes(Bytes::new());
        self.stamp = None;
        if self.overlay.capacity() > KEPT_OVERLAY {
            self.overlay = Vec::new();
        }
        self.overlay.clear();
        self.fields.clear();
        self.hints = [ABSENT; place::COUNT];
        self.state = 0;
    }

    /// Fields for a message that is built, with room for so many bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            overlay: Vec::with_capacity(capacity),
            ..Self::empty(Bytes::new())
        }
    }

    /// Gives the indexed fields their buffer: the parser reads it until the index is complete.
    pub(crate) fn attach(&mut self, base: Bytes) {
        self.base = Base::Bytes(base);
    }

    pub(crate) fn index(&mut self, span: Span) {
        let at = self.fields.len();
        if let Some(hint) = self.hints.get_mut(span.name.place())
            && *hint == ABSENT
        {
            *hint = hint_of(at);
        }
        self.fields.push(span);
    }

    /// What the parser enters the fields into.
    pub(crate) const fn index_mut(&mut self) -> (&mut Spans, &mut Hints) {
        (&mut self.fields, &mut self.hints)
    }

    /// Gives the indexed fields their buffer, which is known to be UTF-8.
    ///
    /// # Errors
    /// Where it is not.
    pub(crate) fn attach_text(&mut self, base: Bytes) -> Result<(), Utf8Error> {
        self.base = Base::Text(ByteString::try_from(base)?);
        Ok(())
    }

    pub(crate) fn base(&self) -> &Bytes {
        self.base.bytes()
    }

    pub(crate) const fn is_edited(&self) -> bool {
        self.state & EDITED != 0
    }

    pub(crate) const fn is_valid(&self) -> bool {
        self.state & VALID != 0
    }

    pub(crate) const fn set_valid(&mut self, valid: bool) {
        if valid {
            self.state |= VALID;
        } else {
            self.state &= !VALID;
        }
    }

    /// A field is changed.
    const fn touch(&mut self) {
        self.state = EDITED;
    }

    /// A field is added behind all others, whose line was the last to be appended to the overlay.
    #[inline]
    fn touch_end(&mut self) {
        self.state = if self.state & GROWS != 0 || self.fields.is_empty() {
            EDITED | RUN | GROWS
        } else {
            EDITED
        };
    }

    /// A field is taken out, of several the first or the last if `outer`.
    const fn touch_out(&mut self, outer: bool) {
        let is_run = self.state & (EDITED | RUN) != EDITED;
        self.state = if is_run && outer {
            EDITED | RUN
        } else {
            EDITED
        };
    }

    /// The place of all fields, if they are neighbours in one buffer.
    pub(crate) fn run(&self) -> Option<Place> {
        if self.state & (EDITED | RUN) == EDITED {
            return None;
        }
        let (first, last) = (self.fields.first()?, self.fields.last()?);
        debug_assert!(
            self.fields.windows(2).all(|pair| matches!(
                pair,
                [a, b] if a.source == b.source && a.start + a.len == b.start
            )),
            "the fields are one run"
        );
        Some(Place {
            source: first.source,
            start: first.start,
            end: last.start + last.len,
        })
    }

    pub(crate) fn bytes(&self, place: Place) -> &[u8] {
        self.buffer(place.source)
            .get(place.start as usize..place.end as usize)
            .unwrap_or_default()
    }

    /// The bytes from the beginning of a place to the end of its buffer, and how many are of the place.
    #[inline]
    pub(crate) fn beyond(&self, place: Place) -> (&[u8], usize) {
        let bytes = self.buffer(place.source).get(place.start as usize..);
        let bytes = bytes.unwrap_or_default();
        let len = place.end.saturating_sub(place.start) as usize;
        (bytes, len.min(bytes.len()))
    }

    /// The bytes of a place, as text if they are UTF-8.
    #[inline]
    pub(crate) fn text(&self, place: Place) -> Option<&str> {
        let (from, to) = (place.start as usize, place.end as usize);
        match (&self.base, place.source) {
            (Base::Text(text), Source::Base) => text.get(from..to),
            (base, source) => {
                let bytes = match source {
                    Source::Base => base.bytes(),
                    Source::Overlay => self.overlay.as_slice(),
                    Source::Stamp => self.stamp.as_deref()?,
                };
                core::str::from_utf8(bytes.get(from..to)?).ok()
            }
        }
    }

    /// Appends raw bytes to the overlay. The answer is their place.
    pub(crate) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Place {
        // A field that is added behind this is no neighbour of those before it.
        self.state &= !GROWS;
        let start = offset(self.overlay.len());
        write(&mut self.overlay);
        Place {
            source: Source::Overlay,
            start,
            end: offset(self.overlay.len()),
        }
    }

    fn buffer(&self, source: Source) -> &[u8] {
        match source {
            Source::Base => self.base.bytes(),
            Source::Overlay => &self.overlay,
            Source::Stamp => self.stamp.as_deref().unwrap_or_default(),
        }
    }

    fn line(&self, span: &Span) -> &[u8] {
        let start = span.start as usize;
        self.buffer(span.source)
            .get(start..start + span.len as usize)
            .unwrap_or_default()
    }

    #[inline]
    fn value(&self, span: &Span) -> &[u8] {
        let start = span.start as usize + usize::from(span.value_at);
        self.buffer(span.source)
            .get(start..start + span.value_len as usize)
            .unwrap_or_default()
    }

    /// The name as it is written.
    fn name_bytes(&self, span: &Span) -> &[u8] {
        let line = self.line(span);
        let end = line
            .iter()
            .position(|&b| !crate::chars::is_token(b))
            .unwrap_or(line.len());
        line.get(..end).unwrap_or_default()
    }

    /// Where the value of the first field of this name is in the message as it was parsed; 0 for what was edited.
    pub(crate) fn offset_of(&self, name: &crate::HeaderName) -> usize {
        self.find(name, 0).map_or(0, |at| self.offset_at(at))
    }

    /// The same for a field by its index.
    pub(crate) fn offset_at(&self, at: usize) -> usize {
        self.fields
            .get(at)
            .filter(|span| span.source == Source::Base)
            .map_or(0, |span| span.start as usize + usize::from(span.value_at))
    }

    /// Appends the lines of all fields, in runs of bytes that are neighbours in a buffer. `run` is a place before
    /// the fields (the start line) and starts the first run.
    pub(crate) fn encode_after(&self, run: Place, out: &mut impl BufMut) -> Place {
        let mut run = run;
        for span in self.fields.iter() {
            if span.source == run.source && span.start == run.end {
                run.end += span.len;
            } else {
                out.put_slice(self.bytes(run));
                run = Place {
                    source: span.source,
                    start: span.start,
                    end: span.start + span.len,
                };
            }
        }
        run
    }

    /// No field.
    #[must_use]
    pub fn new() -> Self {
        Self::empty(Bytes::new())
    }

    /// Appends the lines of all fields, without the empty line that ends them.
    ///
    /// ```
    /// # use sip_message::{Message, ParserConfig};
    /// let text = "OPTIONS sip:h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
    ///     f: <sip:a@h>;tag=1\r\nt: <sip:h>\r\ni: x@a\r\nCSeq: 1 OPTIONS\r\n\r\n";
    /// let message = Message::parse(text.into(), &ParserConfig::default()).unwrap();
    /// let mut lines = Vec::new();
    /// message.headers().encode(&mut lines);
    /// assert!(lines.starts_with(b"v: SIP/2.0/UDP a") && lines.ends_with(b"CSeq: 1 OPTIONS\r\n"));
    /// ```
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_lines(out);
    }

    /// Appends the lines of all fields.
    pub(crate) fn encode_lines(&self, out: &mut Vec<u8>) {
        let nothing = Place {
            source: Source::Base,
            start: 0,
            end: 0,
        };
        let run = match (self.run(), self.fields.split_first()) {
            (Some(run), _) => run,
            (None, Some((first, [second, .., last]))) if self.state & TAIL != 0 => {
                out.extend_from_slice(self.line(first));
                Place {
                    source: Source::Base,
                    start: second.start,
                    end: last.start + last.len,
                }
            }
            (None, _) => self.encode_after(nothing, out),
        };
        out.extend_from_slice(self.bytes(run));
    }

    /// The number of bytes that all field lines have together.
    pub(crate) fn encoded_len(&self) -> usize {
        self.fields.iter().map(|span| span.len as usize).sum()
    }
}

/// Offsets are bounded by `Limits` when parsing; building beyond 4 GiB saturates and then fails in `build`.
pub(crate) fn offset(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl Default for Headers {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.fields()
                    .map(|field| (field.name_str(), field.value_lossy())),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests;
