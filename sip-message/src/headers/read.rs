//! Reading fields: lookup, iteration, typed access, and what every layer asks for.

use alloc::borrow::Cow;
use alloc::string::String;
use core::marker::PhantomData;

use super::{ABSENT, Base, Headers, Hints, Source, Span, UNKNOWN, Values, ValuesRev, values};
use crate::chars;
use crate::error::HeaderError;
use crate::header::{self, TypedHeader};
use crate::method::Method;
use crate::name::{HeaderName, NameId, place};
use crate::param::ParamIter;

impl Headers {
    /// The fields in order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields {
            headers: self,
            spans: self.fields.iter(),
        }
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Is there no field?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The whole value of the first field of this name, commas included; `None` without one, or when it is not UTF-8.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, name: HeaderName) -> Option<&str> {
        self.text_at(self.find(&name, 0)?)
    }

    /// The whole value of the first field of this name as bytes.
    #[inline(always)]
    #[must_use]
    pub fn get_bytes(&self, name: HeaderName) -> Option<&[u8]> {
        let at = self.find(&name, 0)?;
        self.fields.get(at).map(|span| self.value(span))
    }

    /// The fields as they came, for who looks at many of them, and at many bytes at a time.
    #[inline(always)]
    #[must_use]
    pub fn raw(&self) -> RawFields<'_> {
        RawFields {
            base: self.base(),
            spans: &self.fields,
            hints: &self.hints,
        }
    }

    /// Is there a field of this name?
    #[inline(always)]
    #[must_use]
    pub fn contains(&self, name: HeaderName) -> bool {
        self.find(&name, 0).is_some()
    }

    /// The number of fields (not values) of this name.
    #[must_use]
    pub fn count(&self, name: HeaderName) -> usize {
        self.fields
            .iter()
            .filter(|span| self.has_name(span, &name))
            .count()
    }

    /// The values of all fields of this name, in order. Where the table says that a comma separates values, it does;
    /// commas in quotes and angle brackets do not.
    #[must_use]
    #[inline(always)]
    pub fn values(&self, name: HeaderName) -> Values<'_> {
        Values::new(self, name)
    }

    /// The same values from the last to the first, as Via is read for responses and Record-Route by the UAC.
    #[must_use]
    pub fn values_rev(&self, name: HeaderName) -> ValuesRev<'_> {
        ValuesRev::new(self, name)
    }

    /// Decodes the header `H`, from its first value, or from all of them where `H` is a list.
    ///
    /// # Errors
    /// When the field is there and does not have the form of its RFC.
    #[inline]
    pub fn typed<'a, H: TypedHeader<'a>>(&'a self) -> Result<Option<H>, HeaderError> {
        let id = const { header::id_of::<H>() };
        if let Some(decode) = H::DECODE_VALUE
            && id != NameId::OTHER
            // What nearly every message has for nearly every header: a first field with a value, in UTF-8.
            && let Some(text) = self.usual_text(id)
        {
            return decode_first(decode, H::REFUSES_LISTS, text, id).map(Some);
        }
        self.typed_of_values()
    }

    #[inline(never)]
    fn typed_of_values<'a, H: TypedHeader<'a>>(&'a self) -> Result<Option<H>, HeaderError> {
        let id = const { header::id_of::<H>() };
        if let Some(None) = self.hinted(id) {
            return Ok(None);
        }
        if let Some(decode) = H::DECODE_VALUE
            && id != NameId::OTHER
            && let Some(text) = self.searched_text(id).filter(|text| !text.is_empty())
        {
            return decode_first(decode, H::REFUSES_LISTS, text, id).map(Some);
        }
        let mut values = self.values(H::NAME);
        if values.is_absent() {
            return Ok(None);
        }
        let value = H::decode(&mut values)?;
        if values.saw_invalid() {
            return Err(HeaderError::new("not UTF-8", 0));
        }
        Ok(Some(value))
    }

    /// Decodes `H` again and again until its values are used up: one `Via`, `Contact` or `Route` after the other.
    #[must_use]
    #[inline]
    pub fn typed_all<'a, H: TypedHeader<'a>>(&'a self) -> TypedAll<'a, H> {
        TypedAll {
            values: self.values(H::NAME),
            header: PhantomData,
        }
    }

    /// Decodes the values of the one field at this index; the first error.
    pub(crate) fn check_at<'a, H: TypedHeader<'a>>(&'a self, at: usize) -> Result<(), HeaderError> {
        if let Some(decode) = H::DECODE_VALUE
            && let Some(text) = self.text_at(at)
        {
            let mut rest = Some(text).filter(|text| !text.is_empty());
            if H::REFUSES_LISTS && decode(text).is_ok() {
                return Ok(());
            }
            while let Some(text) = rest {
                let (value, after) = values::split(text, const { header::id_of::<H>() });
                decode(value)?;
                rest = after;
            }
            return Ok(());
        }
        let mut all: TypedAll<'a, H> = TypedAll {
            values: Values::of_field(self, H::NAME, at),
            header: PhantomData,
        };
        all.find_map(Result::err).map_or(Ok(()), Err)
    }

    /// The name of the field at this index.
    pub(crate) fn name_at(&self, at: usize) -> NameId {
        self.fields.get(at).map_or(NameId::OTHER, |span| span.name)
    }

    /// The tag of From, as written.
    #[must_use]
    pub fn from_tag(&self) -> Option<&str> {
        self.tag(HeaderName::From)
    }

    /// The tag of To, as written.
    #[must_use]
    pub fn to_tag(&self) -> Option<&str> {
        self.tag(HeaderName::To)
    }

    fn tag(&self, name: HeaderName) -> Option<&str> {
        let at = self.find(&name, 0)?;
        // Of one that ends with its address nothing else needs a look.
        if self.value_at(at).ends_with(b">") {
            return None;
        }
        let value = self.text_at(at)?;
        // As nearly everybody writes it: nothing but the tag behind the address, or nothing at all.
        if let Some(bracket) = memchr::memrchr(b'>', value.as_bytes()) {
            match value.get(bracket + 1..) {
                Some("") => return None,
                Some(params) => {
                    if let Some(tag) = params.strip_prefix(";tag=")
                        && !tag.is_empty()
                        && tag.bytes().all(chars::is_token)
                    {
                        return Some(tag);
                    }
                }
                None => {}
            }
        }
        let params = header::name_addr_params(value)?;
        ParamIter::new(params)
            .value("tag")
            .filter(|tag| !tag.is_empty())
    }

    /// The Call-ID, as written. It is compared byte for byte (RFC 3261 §20.8).
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        const ID: NameId = HeaderName::CallId.id();
        let id = self.usual_text(ID).or_else(|| self.searched_text(ID));
        id.filter(|id| !id.is_empty())
    }

    /// The number and the method of CSeq, if it is there and well-formed.
    #[must_use]
    pub fn cseq(&self) -> Option<(u32, Method)> {
        self.typed::<header::CSeq>()
            .ok()
            .flatten()
            .map(|cseq| (cseq.number, cseq.method))
    }

    /// The topmost Via, if it is there and well-formed.
    #[must_use]
    pub fn top_via(&self) -> Option<header::Via<'_>> {
        self.typed().ok().flatten()
    }

    /// Max-Forwards, if it is there and well-formed.
    #[must_use]
    pub fn max_forwards(&self) -> Option<u8> {
        self.typed::<header::MaxForwards>()
            .ok()
            .flatten()
            .map(|max| max.0)
    }

    /// The index of the first field of this name at or after `from`.
    #[inline(always)] // Nearly all names are constants, and of most fields it is known at once that there is none.
    pub(crate) fn find(&self, name: &HeaderName, from: usize) -> Option<usize> {
        let id = name.id();
        let place = id.place();
        match *self.hints.get(place)? {
            ABSENT => None,
            at if from == 0 && place < place::SHARED && at != UNKNOWN => Some(usize::from(at)),
            _ => self.find_id(id, name, from),
        }
    }

    /// [`find`](Self::find) for who knows the id of the name already.
    #[inline(never)]
    pub(super) fn find_id(&self, id: NameId, name: &HeaderName, from: usize) -> Option<usize> {
        if from == 0
            && let Some(answer) = self.hinted(id)
        {
            return answer;
        }
        let spans = self.fields.get(from..)?;
        let at = if id == NameId::OTHER {
            spans.iter().position(|span| self.has_name(span, name))?
        } else {
            spans.iter().position(|span| span.name == id)?
        };
        Some(from + at)
    }

    /// The value of the first field of a name of the table, if no search is needed to find it and it is not empty.
    #[inline(never)]
    fn usual_text(&self, id: NameId) -> Option<&str> {
        let at = *self.hints.get(id.place())?;
        let span = self.fields.hinted(at)?;
        if span.name != id {
            return None;
        }
        self.text(span.value_place())
            .filter(|text| !text.is_empty())
    }

    /// The value of the first field of a name of the table, if it is UTF-8.
    #[inline(never)]
    fn searched_text(&self, id: NameId) -> Option<&str> {
        let at = match self.hinted(id) {
            Some(answer) => answer?,
            None => self.fields.iter().position(|span| span.name == id)?,
        };
        self.text_at(at)
    }

    /// What is known without a search: the index of the first field, or that there is none.
    #[inline]
    fn hinted(&self, id: NameId) -> Option<Option<usize>> {
        let place = id.place();
        match *self.hints.get(place)? {
            UNKNOWN => None,
            ABSENT => Some(None),
            at if place < place::SHARED => Some(Some(usize::from(at))),
            // The first field of a shared place may be of another name, and one of this name behind it.
            at => {
                let span = self.fields.get(usize::from(at))?;
                (span.name == id && id != NameId::OTHER).then_some(Some(usize::from(at)))
            }
        }
    }

    #[inline]
    pub(super) fn has_name(&self, span: &Span, name: &HeaderName) -> bool {
        span.name == name.id()
            && (span.name != NameId::OTHER
                || self
                    .name_bytes(span)
                    .eq_ignore_ascii_case(name.as_str().as_bytes()))
    }

    pub(super) fn span(&self, at: usize) -> Option<&Span> {
        self.fields.get(at)
    }

    /// The value of the field at an index, if it is UTF-8.
    #[inline]
    fn text_at(&self, at: usize) -> Option<&str> {
        self.text(self.fields.get(at)?.value_place())
    }

    /// The same, if it is known to be UTF-8 without a look at it.
    #[inline]
    pub(super) fn known_text(&self, at: usize) -> Option<&str> {
        let (Base::Text(text), place) = (&self.base, self.fields.get(at)?.value_place()) else {
            return None;
        };
        if place.source != Source::Base {
            return None;
        }
        text.get(place.start as usize..place.end as usize)
    }

    #[inline]
    pub(super) fn value_at(&self, at: usize) -> &[u8] {
        self.fields.get(at).map_or(&[], |span| self.value(span))
    }
}

/// The fields of a message as they came: those that have a place of their own in the index and were not edited.
///
/// ```
/// use sip_message::{HeaderName, Message, ParserConfig};
/// let text = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
///     Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
/// let message = Message::parse(text.into(), &ParserConfig::default()).unwrap();
/// let raw = message.headers().raw();
/// assert_eq!(raw.get_and_beyond(HeaderName::CallId), Some((&b"x\r\nCSeq: 1 OPTIONS\r\n\r\n"[..], 1)));
/// assert_eq!(raw.get_and_beyond(HeaderName::MaxForwards), None);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RawFields<'a> {
    base: &'a [u8],
    spans: &'a [Span],
    hints: &'a Hints,
}

impl<'a> RawFields<'a> {
    /// The bytes of the buffer from the beginning of the value of the first field of this name on, and how many of them are of
    /// the value. The rest may be anything. `None` where a search would be needed to find it, and where it was edited.
    #[inline(always)]
    #[must_use]
    pub fn get_and_beyond(&self, name: HeaderName) -> Option<(&'a [u8], usize)> {
        let id = name.id();
        let hint = *self.hints.get(id.place())?;
        let span = self.spans.get(usize::from(hint))?;
        if span.source != Source::Base || hint >= ABSENT || span.name != id || id == NameId::OTHER {
            return None;
        }
        let at = span.start as usize + usize::from(span.value_at);
        Some((self.base.get(at..)?, span.value_len as usize))
    }
}

/// Decodes the first value of a field that is not empty.
#[inline]
fn decode_first<'a, H>(
    decode: fn(&'a str) -> Result<H, HeaderError>,
    refuses_lists: bool,
    text: &'a str,
    id: NameId,
) -> Result<H, HeaderError> {
    if !refuses_lists {
        return decode(values::split(text, id).0);
    }
    decode(text).or_else(|error| match values::split(text, id) {
        (_, None) => Err(error),
        (first, Some(_)) => decode(first),
    })
}

/// One header field.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    headers: &'a Headers,
    span: &'a Span,
}

impl<'a> Field<'a> {
    /// The name as a value.
    #[must_use]
    pub fn name(&self) -> HeaderName {
        // A field enters the index only under a token, so the last case does not occur.
        self.span
            .name
            .name()
            .or_else(|| HeaderName::from_bytes(self.headers.name_bytes(self.span)))
            .unwrap_or(const { HeaderName::from_static("-") })
    }

    /// The name as it is written: compact, or in the peer's case.
    #[must_use]
    pub fn name_str(&self) -> &'a str {
        core::str::from_utf8(self.headers.name_bytes(self.span)).unwrap_or_default()
    }

    /// Is this its name?
    #[inline]
    #[must_use]
    pub fn is(&self, name: &HeaderName) -> bool {
        self.headers.has_name(self.span, name)
    }

    /// The whole value without white space at its ends; `None` if it is not UTF-8. Folds are still in it.
    #[must_use]
    pub fn value(&self) -> Option<&'a str> {
        self.headers.text(self.span.value_place())
    }

    /// The whole value as bytes.
    #[must_use]
    pub fn value_bytes(&self) -> &'a [u8] {
        self.headers.value(self.span)
    }

    /// The whole value for people: what is not UTF-8 is replaced.
    #[must_use]
    pub fn value_lossy(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.value_bytes())
    }

    /// The line as it came, its CRLF included.
    #[must_use]
    pub fn line(&self) -> &'a [u8] {
        self.headers.line(self.span)
    }
}

impl core::fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {:?}", self.name_str(), self.value_lossy())
    }
}

/// The fields of a message in order.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    headers: &'a Headers,
    spans: core::slice::Iter<'a, Span>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        self.spans.next().map(|span| Field {
            headers: self.headers,
            span,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl DoubleEndedIterator for Fields<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.spans.next_back().map(|span| Field {
            headers: self.headers,
            span,
        })
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// Decodes one `H` after the other; see [`Headers::typed_all`]. After an error it goes on with the next value.
#[derive(Clone, Debug)]
pub struct TypedAll<'a, H> {
    values: Values<'a>,
    header: PhantomData<fn() -> H>,
}

impl<'a, H: TypedHeader<'a>> Iterator for TypedAll<'a, H> {
    type Item = Result<H, HeaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.values.has_next() {
            return None;
        }
        if let Some(decode) = H::DECODE_VALUE {
            // Nearly every field has one value, which need not be looked through for commas where they would make it none.
            if H::REFUSES_LISTS
                && let Some(text) = self.values.text_of_field()
                && let Ok(value) = decode(text)
            {
                self.values.skip_field();
                return Some(Ok(value));
            }
            // One value, one answer: what is not UTF-8 takes nothing of the next value along.
            let value = self.values.next_text()?;
            return Some(value.map_or_else(|_| Err(HeaderError::new("not UTF-8", 0)), decode));
        }
        let before = self.values.position();
        let item = H::decode(&mut self.values);
        if self.values.position() == before {
            // A decoder that takes nothing must not make this endless.
            self.values.next();
        }
        if self.values.take_invalid() {
            return Some(Err(HeaderError::new("not UTF-8", 0)));
        }
        Some(item)
    }
}
