//! [`Message`]: a request or a response.

mod boxed;
mod spares;

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

pub use self::boxed::BoxedMessage;
pub use self::spares::Spares;
use crate::config::ParserConfig;
use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::header::{self, TypedHeader};
use crate::headers::{Headers, Place, Source, offset};
use crate::name::HeaderName;
use crate::parse;
use crate::request::Request;
use crate::response::Response;

/// A SIP message (RFC 3261 §7): a start line, header fields and a body.
///
/// ```
/// use sip_message::{Message, Method, ParserConfig};
/// let datagram = "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
///     From: <sip:a@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: 1@192.0.2.1\r\nCSeq: 7 OPTIONS\r\n\r\n";
/// let message = Message::parse(datagram.into(), &ParserConfig::default())?;
/// let request = message.as_request().unwrap();
/// assert_eq!(request.method(), &Method::Options);
/// assert_eq!(request.headers().cseq(), Some((7, Method::Options)));
/// assert_eq!(message.to_bytes(), datagram);
/// # Ok::<(), sip_message::ParseError>(())
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3261 section 7 has these two")]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Parses one datagram, or one frame of a stream. The body ends where Content-Length says; without one it is
    /// the rest (RFC 3261 §18.3).
    ///
    /// This locates; it does not look into fields other than Content-Length. It checks the start line, the form of
    /// the fields, that Via, From, To, Call-ID and CSeq are there, and that what may be there once is there once.
    /// [`validate`](Self::validate) looks into what every element reads.
    ///
    /// # Errors
    /// Where, what, and the answer that the RFC asks for; see [`ParseError`].
    pub fn parse(datagram: Bytes, config: &ParserConfig) -> Result<Self, ParseError> {
        parse::message(datagram, config)
    }

    /// What can be located in a request that [`parse`](Self::parse) refused: enough for
    /// [`Response::to`](crate::Response::to) to build the 400 with. `None` if there is nothing like a request line.
    /// The body is not kept, and fields that would break the answer are left out.
    ///
    /// ```
    /// use sip_message::{Message, ParserConfig, Response};
    /// let broken = "OPTIONS  sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nCall-ID: x\r\nno colon\r\n\r\n";
    /// let error = Message::parse(broken.into(), &ParserConfig::default()).unwrap_err();
    /// let request = Message::parse_lenient_for_reply(&broken.into()).unwrap();
    /// let reply = Response::to(&request, error.status().unwrap()).reason(error.reason()).build().unwrap();
    /// assert_eq!(reply.to_bytes(),
    ///     "SIP/2.0 400 Malformed request line\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nCall-ID: x\r\nContent-Length: 0\r\n\r\n");
    /// ```
    #[must_use]
    pub fn parse_lenient_for_reply(datagram: &Bytes) -> Option<Request> {
        parse::lenient(datagram)
    }

    /// Takes the message at the front of a stream out of it, when all of it is there: what
    /// [`FrameScanner`](crate::FrameScanner) and [`parse`](Self::parse) do, in one pass. `None`, and the stream as it was,
    /// when its end is not there, when it is broken, or when line ends are before it; the scanner tells which.
    ///
    /// ```
    /// use sip_message::{Message, ParserConfig};
    /// let one = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
    ///     Call-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 2\r\n\r\nhi";
    /// let mut stream = bytes::Bytes::from([one, one, "OPTIONS sip:h"].concat());
    /// let config = ParserConfig::default();
    /// assert_eq!(Message::take_front(&mut stream, &config).unwrap().body(), b"hi");
    /// assert_eq!(Message::take_front(&mut stream, &config).unwrap().to_bytes(), one);
    /// assert!(Message::take_front(&mut stream, &config).is_none());
    /// assert_eq!(stream, "OPTIONS sip:h");
    /// ```
    #[must_use]
    pub fn take_front(stream: &mut Bytes, config: &ParserConfig) -> Option<Self> {
        parse::front(stream, config)
    }

    /// Decodes what every element reads: the Request-URI, the topmost Via, From, To, Call-ID, CSeq with its method,
    /// Max-Forwards.
    ///
    /// # Errors
    /// As [`parse`](Self::parse); the offset is that of the field's value in the message as it was parsed.
    pub fn validate(&self) -> Result<(), ParseError> {
        match self {
            Self::Request(request) => request.validate(),
            Self::Response(response) => response.validate(),
        }
    }

    /// [`validate`](Self::validate), and every field that this crate has a type for. What a border element may ask for;
    /// others should not refuse what they do not read (RFC 3261 §7.3.2, §8.2.2).
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn validate_all(&self) -> Result<(), ParseError> {
        match self {
            Self::Request(request) => request.validate_all(),
            Self::Response(response) => response.validate_all(),
        }
    }

    /// The request, if it is one.
    #[must_use]
    pub const fn as_request(&self) -> Option<&Request> {
        match self {
            Self::Request(request) => Some(request),
            Self::Response(_) => None,
        }
    }

    /// The response, if it is one.
    #[must_use]
    pub const fn as_response(&self) -> Option<&Response> {
        match self {
            Self::Request(_) => None,
            Self::Response(response) => Some(response),
        }
    }

    /// The header fields.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => request.headers(),
            Self::Response(response) => response.headers(),
        }
    }

    /// The header fields, to edit.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => request.headers_mut(),
            Self::Response(response) => response.headers_mut(),
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Request(request) => request.body(),
            Self::Response(response) => response.body(),
        }
    }

    /// The body as shared bytes, which keep the whole datagram alive.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.body_bytes(),
            Self::Response(response) => response.body_bytes(),
        }
    }

    pub(crate) const fn unfilled(&mut self) -> Unfilled<'_> {
        match self {
            Self::Request(request) => request.unfilled(),
            Self::Response(response) => response.unfilled(),
        }
    }

    /// Appends the message to `out`: what was not edited byte for byte, in as few copies as there are runs of it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Request(request) => request.encode(out),
            Self::Response(response) => response.encode(out),
        }
    }

    /// The message as bytes; that of an unedited message is the buffer it came in.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// A message that has its start line alone, where the parser puts the rest.
pub(crate) struct Unfilled<'a> {
    pub(crate) is_request: bool,
    pub(crate) headers: &'a mut Headers,
    pub(crate) body: &'a mut Body,
}

/// The body: a place in the message as it came, or bytes of its own.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Base { start: u32, end: u32 },
    Own(Bytes),
}

impl Body {
    pub(crate) fn as_slice<'a>(&'a self, headers: &'a Headers) -> &'a [u8] {
        match self {
            Self::Base { start, end } => headers
                .base()
                .get(*start as usize..*end as usize)
                .unwrap_or_default(),
            Self::Own(bytes) => bytes,
        }
    }

    pub(crate) fn to_bytes(&self, headers: &Headers) -> Bytes {
        match self {
            Self::Base { start, end }
                if (*end as usize) <= headers.base().len() && start <= end =>
            {
                headers.base().slice(*start as usize..*end as usize)
            }
            Self::Base { .. } => Bytes::new(),
            Self::Own(bytes) => bytes.clone(),
        }
    }
}

/// How many bytes start line, fields and body have.
fn encoded_len(line: Place, headers: &Headers, body: &[u8]) -> usize {
    (line.end - line.start) as usize + headers.encoded_len() + 2 + body.len()
}

/// Encodes start line, fields and body.
pub(crate) fn encode(line: Place, headers: &Headers, body: &Body, out: &mut Vec<u8>) {
    if let Some(slices) = as_joined_slices(line, headers, body) {
        out.reserve(slices.iter().map(|slice| slice.len()).sum());
        for slice in slices {
            out.extend_from_slice(slice);
        }
        return;
    }
    out.reserve(encoded_len(line, headers, body.as_slice(headers)));
    put(line, headers, body, out);
}

/// The same with lines above the fields.
pub(crate) fn encode_under(
    line: Place,
    lines: &[u8],
    headers: &Headers,
    body: &Body,
    out: &mut Vec<u8>,
) {
    let len = encoded_len(line, headers, body.as_slice(headers));
    out.reserve(lines.len() + len);
    out.extend_from_slice(headers.bytes(line));
    out.extend_from_slice(lines);
    let nothing = Place {
        source: Source::Overlay,
        start: 0,
        end: 0,
    };
    put(nothing, headers, body, out);
}

/// In runs of what are neighbours in a buffer.
#[inline]
fn put(line: Place, headers: &Headers, body: &Body, out: &mut impl BufMut) {
    let mut run = headers.encode_after(line, out);
    // The empty line and the body may continue the last run.
    if let Body::Base { start, end } = body
        && run.source == Source::Base
        && run.end + 2 == *start
    {
        run.end = *end;
        out.put_slice(headers.bytes(run));
        return;
    }
    out.put_slice(headers.bytes(run));
    out.put_slice(b"\r\n");
    out.put_slice(body.as_slice(headers));
}

/// The fields, the empty line and the body, unless edits have scattered the fields. The last two are part of the first where
/// they are its neighbours.
#[inline]
fn rest_as_slices<'a>(headers: &'a Headers, body: &'a Body) -> Option<(Place, [&'a [u8]; 2])> {
    let run = headers.run()?;
    Some(match body {
        Body::Base { start, end } if run.source == Source::Base && run.end + 2 == *start => {
            (Place { end: *end, ..run }, [&[], &[]])
        }
        Body::Base { .. } | Body::Own(_) => (run, [b"\r\n", body.as_slice(headers)]),
    })
}

/// The start line, and what follows it.
#[inline]
pub(crate) fn as_slices<'a>(
    line: Place,
    headers: &'a Headers,
    body: &'a Body,
) -> Option<[&'a [u8]; 4]> {
    let (run, [empty, body]) = rest_as_slices(headers, body)?;
    Some([headers.bytes(line), headers.bytes(run), empty, body])
}

/// The same with the start line and the fields as one.
#[inline]
pub(crate) fn as_joined_slices<'a>(
    line: Place,
    headers: &'a Headers,
    body: &'a Body,
) -> Option<[&'a [u8]; 3]> {
    let (run, [empty, body]) = rest_as_slices(headers, body)?;
    let start = line.start;
    (line.source == run.source && line.end == run.start)
        .then(|| [headers.bytes(Place { start, ..run }), empty, body])
}

/// The whole message as bytes: a slice of the buffer when nothing was edited.
pub(crate) fn to_bytes(line: Place, headers: &Headers, body: &Body) -> Bytes {
    if let Some(bytes) = untouched(line, headers, body) {
        return bytes;
    }
    let mut out = Vec::new();
    encode(line, headers, body, &mut out);
    out.into()
}

/// The same, in a buffer that many messages share when something was edited.
pub(crate) fn to_bytes_in(
    room: &mut BytesMut,
    line: Place,
    headers: &Headers,
    body: &Body,
) -> Bytes {
    if let Some(bytes) = untouched(line, headers, body) {
        return bytes;
    }
    room.clear();
    room.reserve(encoded_len(line, headers, body.as_slice(headers)));
    put(line, headers, body, room);
    room.split().freeze()
}

/// The message as it came, if nothing was edited.
#[inline]
fn untouched(line: Place, headers: &Headers, body: &Body) -> Option<Bytes> {
    let Body::Base { end, .. } = body else {
        return None;
    };
    let (start, end) = (line.start as usize, *end as usize);
    let untouched = line.source == Source::Base && !headers.is_edited();
    (untouched && start <= end && end <= headers.base().len())
        .then(|| headers.base().slice(start..end))
}

/// Puts a new body and its Content-Type and Content-Length into place.
pub(crate) fn set_body(headers: &mut Headers, content_type: &str, body: Bytes) -> Body {
    headers.replace(HeaderName::ContentType, content_type);
    headers.replace_typed(&header::ContentLength(offset(body.len())));
    Body::Own(body)
}

/// The body of a built message, with Content-Length at the end of the fields.
pub(crate) fn finish(headers: &mut Headers, body: Option<Bytes>) -> Body {
    let body = body.unwrap_or_default();
    headers.replace_typed(&header::ContentLength(offset(body.len())));
    Body::Own(body)
}

/// Removes the body and the fields that describe it (RFC 3261 §20.11 to §20.15).
pub(crate) fn remove_body(headers: &mut Headers) -> Body {
    for name in [
        HeaderName::ContentType,
        HeaderName::ContentDisposition,
        HeaderName::ContentEncoding,
        HeaderName::ContentLanguage,
        HeaderName::ContentId,
    ] {
        headers.remove_all(name);
    }
    headers.replace_typed(&header::ContentLength(0));
    Body::Own(Bytes::new())
}

/// Decodes the fields that requests and responses share. CSeq is the answer.
pub(crate) fn validate(headers: &Headers, request: bool) -> Result<header::CSeq, ParseError> {
    check::<header::Via<'_>>(headers, Kind::Via, Kind::ViaMissing, request)?;
    let from = check::<header::From<'_>>(headers, Kind::From, Kind::FromMissing, request)?;
    let to = check::<header::To<'_>>(headers, Kind::To, Kind::ToMissing, request)?;
    // RFC 3261 §25.1: tag-param = "tag" EQUAL token. A tag without a value would take the place of the one that the
    // answer needs.
    for (party, kind, name) in [
        (&*from, Kind::From, HeaderName::From),
        (&*to, Kind::To, HeaderName::To),
    ] {
        if party.tag().is_none() && party.params().contains("tag") {
            return Err(ParseError::new(kind, headers.offset_of(&name), request));
        }
    }
    check::<header::CallId<'_>>(headers, Kind::CallId, Kind::CallIdMissing, request)?;
    check(headers, Kind::CSeq, Kind::CSeqMissing, request)
}

fn check<'a, H: TypedHeader<'a>>(
    headers: &'a Headers,
    bad: Kind,
    missing: Kind,
    request: bool,
) -> Result<H, ParseError> {
    match headers.typed::<H>() {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(ParseError::new(missing, 0, request)),
        Err(error) => Err(ParseError::new(
            bad,
            headers.offset_of(&H::NAME) + error.offset(),
            request,
        )),
    }
}
