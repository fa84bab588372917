//! The parser: one pass that locates the start line, the fields and the body.
//!
//! It is one file, long as it is: what each byte of a message passes is inlined into one loop, and what is counted of it (in
//! instructions, `benches/baseline.toml`) depends on what the compiler sees together.

use bytes::Bytes;

use crate::chars;
use crate::config::{Limits, ParserConfig};
use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::headers::{ABSENT, Headers, Hints, Place, Source, Span, Spans, hint_of, offset};
use crate::message::{Body, BoxedMessage, Message, Spares, Unfilled};
use crate::method::Method;
use crate::name::{Key, NameId, place};
use crate::request::Request;
use crate::response::Response;
use crate::scan;
use crate::sipfrag::SipFrag;
use crate::status::StatusCode;

/// What the offsets of the index can hold, whatever the configuration says.
const MAX_SIZE: usize = (u32::MAX / 2) as usize;

pub(crate) fn message(datagram: Bytes, config: &ParserConfig) -> Result<Message, ParseError> {
    let (line, fields_at, non_ascii) = datagram_line(&datagram, config)?;
    let mut message = without_fields(line);
    fill(datagram, fields_at, non_ascii, config, message.unfilled())?;
    Ok(message)
}

/// The same, in the place where the message stays.
#[inline]
pub(crate) fn boxed(
    datagram: Bytes,
    config: &ParserConfig,
    spares: &mut Spares,
) -> Result<BoxedMessage, ParseError> {
    let (line, fields_at, non_ascii) = datagram_line(&datagram, config)?;
    let mut message = boxed_without_fields(line, spares);
    fill(datagram, fields_at, non_ascii, config, message.unfilled())?;
    Ok(message)
}

#[inline(always)]
fn datagram_line(
    buf: &[u8],
    config: &ParserConfig,
) -> Result<(StartLine, usize, bool), ParseError> {
    let limit = config.limits.message_size.min(MAX_SIZE);
    if buf.len() > limit {
        return Err(ParseError::new(
            Kind::MessageTooLarge,
            limit,
            looks_like_request(buf),
        ));
    }
    first_line(buf, config)
}

/// What follows the start line of a datagram.
#[inline(always)]
fn fill(
    datagram: Bytes,
    fields_at: usize,
    non_ascii: bool,
    config: &ParserConfig,
    mut message: Unfilled<'_>,
) -> Result<(), ParseError> {
    let found = rest_of_head(&datagram, fields_at, non_ascii, config, &mut message)?;
    let body_at = found.body_at;
    let body_end = match found.content_length {
        // RFC 3261 §18.3: without Content-Length the body is the rest of the datagram, and what follows a shorter
        // body is discarded.
        None => datagram.len(),
        Some((length, _)) if length <= datagram.len() - body_at => body_at + length,
        // RFC 3261 §18.3: a datagram that ends before its body does is an error.
        Some((_, at)) => {
            return Err(ParseError::new(Kind::BodyTruncated, at, message.is_request));
        }
    };
    found.finish(datagram, body_end, &mut message)
}

/// The message at the front of a stream, which is taken out of it. `None`, and the stream as it was, when it is not there
/// to its end, is broken, or begins with line ends: [`FrameScanner`](crate::FrameScanner) tells which.
pub(crate) fn front(stream: &mut Bytes, config: &ParserConfig) -> Option<Message> {
    let (line, fields_at, non_ascii) = front_line(stream, config)?;
    let mut message = without_fields(line);
    fill_from_front(stream, fields_at, non_ascii, config, message.unfilled())?;
    Some(message)
}

/// The same, in the place where the message stays.
#[inline]
pub(crate) fn boxed_front(
    stream: &mut Bytes,
    config: &ParserConfig,
    spares: &mut Spares,
) -> Option<BoxedMessage> {
    let (line, fields_at, non_ascii) = front_line(stream, config)?;
    let mut message = boxed_without_fields(line, spares);
    fill_from_front(stream, fields_at, non_ascii, config, message.unfilled())?;
    Some(message)
}

#[inline(always)]
fn front_line(stream: &[u8], config: &ParserConfig) -> Option<(StartLine, usize, bool)> {
    // Framing knows no leniency.
    if config.accept_control_characters || stream.starts_with(b"\r") {
        return None;
    }
    first_line(stream, config).ok()
}

/// What follows the start line of a message at the front of a stream.
#[inline(always)]
fn fill_from_front(
    stream: &mut Bytes,
    fields_at: usize,
    non_ascii: bool,
    config: &ParserConfig,
    mut message: Unfilled<'_>,
) -> Option<()> {
    let found = rest_of_head(stream, fields_at, non_ascii, config, &mut message).ok()?;
    let body_at = found.body_at;
    // RFC 3261 §18.3: MUST be used with stream-oriented transports.
    let (length, _) = found.content_length?;
    let total = body_at.checked_add(length)?;
    let is_small = total <= config.limits.message_size.min(MAX_SIZE)
        && body_at <= config.limits.head_size
        && total <= stream.len();
    if !is_small {
        return None;
    }
    found
        .finish(stream.split_to(total), total, &mut message)
        .ok()
}

/// What tells where the fields and the body end.
struct Found {
    body_at: usize,
    /// The value, and where the digits are.
    content_length: Option<(usize, usize)>,
    non_ascii: bool,
}

/// The start line, where the fields begin, and whether a byte was passed that is not ASCII.
#[inline(always)]
fn first_line(buf: &[u8], config: &ParserConfig) -> Result<(StartLine, usize, bool), ParseError> {
    let start = skip_line_ends(buf);
    let (line, fields_at, non_ascii) = match usual_start_line(buf, start, config) {
        Some((line, fields_at)) => (line, fields_at, false),
        None => start_line(buf, start, config)?,
    };
    if let StartLine::Request { uri, .. } = &line
        && (uri.end - uri.start) as usize / 2 > config.limits.parameters
    {
        let (at, end) = (uri.start as usize, uri.end as usize);
        check_parameters(buf.get(at..end), at, &config.limits, true)?;
    }
    Ok((line, fields_at, non_ascii))
}

/// A message that has its start line. Its fields go where they stay: a message is large, and to move it costs more than to
/// find a field.
#[inline(always)]
fn without_fields(line: StartLine) -> Message {
    let headers = Headers::empty(Bytes::new());
    let nothing = Body::Base { start: 0, end: 0 };
    match line {
        StartLine::Request { method, line, uri } => {
            Message::Request(Request::from_parts(method, line, uri, headers, nothing))
        }
        StartLine::Response {
            status,
            line,
            reason,
        } => Message::Response(Response::from_parts(status, line, reason, headers, nothing)),
    }
}

#[inline(always)]
fn boxed_without_fields(line: StartLine, spares: &mut Spares) -> BoxedMessage {
    match line {
        StartLine::Request { method, line, uri } => {
            BoxedMessage::Request(spares.request(method, line, uri))
        }
        StartLine::Response {
            status,
            line,
            reason,
        } => BoxedMessage::Response(spares.response(status, line, reason)),
    }
}

/// Indexes the fields of a message that has its start line.
#[inline(always)]
fn rest_of_head(
    buf: &[u8],
    fields_at: usize,
    non_ascii: bool,
    config: &ParserConfig,
    message: &mut Unfilled<'_>,
) -> Result<Found, ParseError> {
    let request = message.is_request;
    let (index, hints) = message.headers.index_mut();
    let mut head = Head::new(index, hints);
    let end = fields(buf, fields_at, config, request, &mut head)?;
    let non_ascii = non_ascii | head.non_ascii;
    check_text(
        buf.get(..end).unwrap_or_default(),
        0,
        non_ascii,
        config,
        request,
    )?;
    head.check_mandatory(end, request)?;
    let content_length = head.content_length;
    Ok(Found {
        body_at: end + 2,
        content_length,
        non_ascii,
    })
}

/// Of a longer body nobody looks whether it is text, only so that the fields need not be looked at one by one.
const TEXT_BODY: usize = 4096;

impl Found {
    /// Puts the message into its buffer, with the body that ends there.
    #[inline(always)]
    fn finish(
        &self,
        base: Bytes,
        body_end: usize,
        message: &mut Unfilled<'_>,
    ) -> Result<(), ParseError> {
        let rest = base.get(self.body_at..).unwrap_or_default();
        let is_text = rest.len() <= TEXT_BODY
            && (!self.non_ascii && scan::is_ascii(rest) || core::str::from_utf8(&base).is_ok());
        if is_text {
            message
                .headers
                .attach_text(base)
                .map_err(|error| ParseError::new(Kind::NotUtf8, error.valid_up_to(), false))?;
        } else {
            message.headers.attach(base);
        }
        // No offset is above `MAX_SIZE`.
        *message.body = Body::Base {
            start: self.body_at as u32,
            end: body_end as u32,
        };
        Ok(())
    }
}

/// Locates what can be located in a broken request: the request line if there is something like one, and every line
/// that is a field, up to the first empty line or the end. The body is left out.
pub(crate) fn lenient(datagram: &Bytes) -> Option<Request> {
    let buf: &[u8] = datagram;
    let buf = buf.get(..buf.len().min(u16::MAX.into()))?;
    let start = skip_line_ends(buf);
    let end = line_end_lenient(buf, start);
    let line = buf.get(start..end)?.trim_ascii_end();
    let method_len = line
        .iter()
        .position(|&b| chars::is_wsp(b))
        .unwrap_or(line.len());
    let method = Method::from_bytes(line.get(..method_len)?)?;
    let rest = line.get(method_len..)?;
    if line
        .get(..4)
        .is_some_and(|p| p.eq_ignore_ascii_case(b"SIP/"))
        || !contains_version(rest)
    {
        return None;
    }
    let uri_at = start + method_len + rest.iter().take_while(|&&b| chars::is_wsp(b)).count();
    let uri_end = rest
        .iter()
        .rposition(|&b| chars::is_wsp(b))
        .map_or(end, |at| start + method_len + at)
        .max(uri_at);
    let mut headers = Headers::empty(Bytes::new());
    let mut pos = next_line(buf, end);
    let mut seen = 0_u32;
    while pos < buf.len() && headers.len() < 64 {
        let mut end = line_end_lenient(buf, pos);
        if end == pos {
            break;
        }
        // Folds belong to the field.
        while buf
            .get(next_line(buf, end))
            .copied()
            .is_some_and(chars::is_wsp)
        {
            end = line_end_lenient(buf, next_line(buf, end));
        }
        let line_at = pos;
        pos = next_line(buf, end);
        let Some(name) = field_name(buf, line_at) else {
            continue;
        };
        // Nothing that would break the answer is copied into it: neither what is not UTF-8 nor what may be there only
        // once and is there again. Line ends and control characters are taken out below.
        let value = buf.get(name.end..end).unwrap_or_default();
        if core::str::from_utf8(value).is_err()
            || name.place < place::VIA && seen & 1 << name.place != 0
        {
            continue;
        }
        seen |= 1_u32 << name.place;
        let (value_at, value_len) = trimmed(buf, name.end, end);
        headers.index(Span {
            start: offset(line_at),
            len: offset(pos - line_at),
            value_len: offset(value_len),
            value_at: u16::try_from(value_at - line_at).ok()?,
            name: name.id,
            source: Source::Base,
        });
    }
    headers.attach(datagram.clone());
    let uri = Place {
        source: Source::Base,
        start: offset(uri_at),
        end: offset(uri_end),
    };
    let line = Place {
        source: Source::Base,
        start: offset(start),
        end: offset(next_line(buf, end)),
    };
    let mut request =
        Request::from_parts(method, line, uri, headers, Body::Base { start: 0, end: 0 });
    // What was located may have odd line ends; it is written anew, so that it can be copied and encoded.
    request.normalize();
    Some(request)
}

/// The fields of a body part, and its content. RFC 2046 §5.1: a part may have no field, and then begins with the empty
/// line; and a part without content may lack the empty line.
pub(crate) fn part_fields(
    part: &Bytes,
    config: &ParserConfig,
) -> Result<(Headers, Bytes), ParseError> {
    let mut whole = part.clone();
    if memchr::memmem::find(part, b"\r\n\r\n").is_none() && !part.starts_with(b"\r\n") {
        let mut closed = part.to_vec();
        closed.extend_from_slice(if part.is_empty() || part.ends_with(b"\r\n") {
            b"\r\n"
        } else {
            b"\r\n\r\n"
        });
        whole = closed.into();
    }
    let mut headers = Headers::empty(whole.clone());
    let (index, hints) = headers.index_mut();
    let mut head = Head::new(index, hints);
    let end = fields(&whole, 0, config, false, &mut head)?;
    check_text(
        whole.get(..end).unwrap_or_default(),
        0,
        head.non_ascii,
        config,
        false,
    )?;
    Ok((headers, whole.slice(end + 2..)))
}

/// RFC 3420: a start line, fields, an empty line and a body, of which any may be missing.
pub(crate) fn fragment(bytes: Bytes, config: &ParserConfig) -> Result<SipFrag, ParseError> {
    let mut whole = bytes.to_vec();
    if memchr::memmem::find(&whole, b"\r\n\r\n").is_none() && !whole.starts_with(b"\r\n") {
        let end: &[u8] = if whole.is_empty() || whole.ends_with(b"\r\n") {
            b"\r\n"
        } else {
            b"\r\n\r\n"
        };
        whole.extend_from_slice(end);
    }
    let whole = Bytes::from(whole);
    let mut start_line_text = None;
    let mut status = None;
    let mut at = 0;
    let first = memchr::memchr(b'\r', &whole)
        .and_then(|end| whole.get(..end))
        .unwrap_or_default();
    if is_version_prefix(first) || contains_version(first) {
        let (line, after, _) = start_line(&whole, 0, config)?;
        start_line_text = core::str::from_utf8(first).ok().map(Into::into);
        if let StartLine::Response { status: code, .. } = line {
            status = Some(code);
        }
        at = after;
    }
    let mut headers = Headers::empty(whole.clone());
    let (index, hints) = headers.index_mut();
    let end = fields(&whole, at, config, false, &mut Head::new(index, hints))?;
    let content = whole.slice(end + 2..);
    Ok(SipFrag::from_parts(
        start_line_text,
        status,
        headers,
        content,
    ))
}

/// The start line and where the first field begins.
enum StartLine {
    Request {
        method: Method,
        line: Place,
        uri: Place,
    },
    Response {
        status: StatusCode,
        line: Place,
        reason: Place,
    },
}

/// RFC 3261 §7.5: line ends before the start line are ignored.
pub(crate) fn skip_line_ends(buf: &[u8]) -> usize {
    let mut pos = 0;
    while buf.get(pos..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
        pos += 2;
    }
    pos
}

/// The start line as nearly everyone writes it: a registered method, a URI of visible ASCII characters and the version; or
/// the version, a status and a phrase of ASCII characters. The second value is where the first field begins.
#[inline]
fn usual_start_line(buf: &[u8], start: usize, config: &ParserConfig) -> Option<(StartLine, usize)> {
    let line = buf.get(start..)?;
    // No offset is above `MAX_SIZE`.
    let at = |from: usize, to: usize| Place {
        source: Source::Base,
        start: (start + from) as u32,
        end: (start + to) as u32,
    };
    let (parsed, len) = if let [b'S', b'I', b'P', b'/', b'2', b'.', b'0', b' ', code @ ..] = line {
        let status = status_code(code)?;
        let len = scan::special(line, 12)?;
        let response = StartLine::Response {
            status,
            line: at(0, len + 2),
            reason: at(12, len),
        };
        (response, len)
    } else {
        let space = scan::gap(line, 0)?;
        let method = Method::known(line.get(..space)?)?;
        let end = scan::gap(line, space + 1)?;
        let version = line.get(end..)?.first_chunk()?;
        if end == space + 1
            || line.get(space) != Some(&b' ')
            || u64::from_ne_bytes(*version) != const { u64::from_ne_bytes(*b" SIP/2.0") }
        {
            return None;
        }
        let request = StartLine::Request {
            method,
            line: at(0, end + 10),
            uri: at(space + 1, end),
        };
        (request, end + 8)
    };
    let ends = len < config.limits.start_line_size && line.get(len..)?.starts_with(b"\r\n");
    ends.then_some((parsed, start + len + 2))
}

#[inline(never)]
fn start_line(
    buf: &[u8],
    start: usize,
    config: &ParserConfig,
) -> Result<(StartLine, usize, bool), ParseError> {
    let rest = buf.get(start..).unwrap_or_default();
    if rest.is_empty() {
        return Err(ParseError::new(Kind::Empty, start, false));
    }
    let limit = config.limits.start_line_size;
    let window = rest.get(..limit).unwrap_or(rest);
    let mut non_ascii = false;
    let mut control = None;
    let mut found = scan::control(window, 0, &mut non_ascii);
    while let Some(at) = found.filter(|&at| !matches!(window.get(at), Some(b'\r' | b'\n'))) {
        control = control.or(Some(at));
        found = scan::control(window, at + 1, &mut non_ascii);
    }
    let Some(len) = found else {
        let request = looks_like_request(rest);
        let kind = if !request && !is_version_prefix(rest) {
            Kind::NotSip
        } else if rest.len() > limit {
            Kind::StartLineTooLong
        } else {
            Kind::Truncated
        };
        return Err(ParseError::new(kind, start + window.len(), request));
    };
    let line = rest.get(..len).unwrap_or_default();
    let at = |from: usize, to: usize| Place {
        source: Source::Base,
        start: offset(start + from),
        end: offset(start + to),
    };
    let parsed = if is_version_prefix(line) {
        status_line(line, start).map(|(status, reason)| StartLine::Response {
            status,
            line: at(0, len + 2),
            reason: at(reason, len),
        })
    } else {
        request_line(line, start, control.is_some()).map(|(method, from, to)| StartLine::Request {
            method,
            line: at(0, len + 2),
            uri: at(from, to),
        })
    }?;
    let request = matches!(parsed, StartLine::Request { .. });
    // RFC 3261 §25.1: a reason phrase may have tabs, and nothing else of that kind.
    let control = control.filter(|&at| line.get(at) != Some(&b'\t'));
    if let Some(at) = control.filter(|_| !config.accept_control_characters) {
        return Err(ParseError::new(Kind::ControlCharacter, start + at, request));
    }
    if !rest.get(len..).is_some_and(|end| end.starts_with(b"\r\n")) {
        let kind = if len + 1 == rest.len() {
            Kind::Truncated
        } else {
            Kind::LineEnd
        };
        return Err(ParseError::new(kind, start + len, request));
    }
    Ok((parsed, start + len + 2, non_ascii))
}

fn is_version_prefix(line: &[u8]) -> bool {
    line.get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"SIP/"))
}

/// RFC 3261 §25.1: `Method SP Request-URI SP SIP-Version CRLF`, with single spaces.
fn request_line(
    line: &[u8],
    start: usize,
    control: bool,
) -> Result<(Method, usize, usize), ParseError> {
    let error = |kind, at, request| Err(ParseError::new(kind, start + at, request));
    // As nearly everyone writes it.
    if let Some((rest, end)) = line.split_last_chunk()
        && u64::from_ne_bytes(*end) == const { u64::from_ne_bytes(*b" SIP/2.0") }
        && !control
        && let Some(space) = scan::byte(rest, b' ')
        && let Some(uri) = rest.get(space + 1..)
        && !uri.is_empty()
        && scan::byte(uri, b' ').is_none()
        && let Some(method) = Method::from_bytes(rest.get(..space).unwrap_or_default())
    {
        return Ok((method, space + 1, rest.len()));
    }
    // The version decides whether this is SIP at all; its last space cannot be in the URI.
    let Some(last) = line.iter().rposition(|&b| b == b' ') else {
        return error(Kind::NotSip, 0, false);
    };
    let version = line.get(last + 1..).unwrap_or_default();
    let first = scan::byte(line, b' ').unwrap_or(last);
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return match version {
            [] if contains_version(line) => error(Kind::RequestLine, last, true),
            version if is_version(version) => error(Kind::Version, last + 1, true),
            _ if contains_version(line) => error(Kind::RequestLine, last + 1, true),
            _ => error(Kind::NotSip, 0, false),
        };
    }
    let Some(method) = Method::from_bytes(line.get(..first).unwrap_or_default()) else {
        return error(Kind::Method, 0, true);
    };
    if first >= last {
        return error(Kind::RequestLine, last, true);
    }
    let uri = line.get(first + 1..last).unwrap_or_default();
    // White space inside the URI, or more than one space around it: RFC 4475 sections 3.1.2.3, 3.1.2.9.
    if uri.is_empty() {
        return error(Kind::RequestLine, first + 1, true);
    }
    let space = scan::byte(uri, b' ');
    let control = if control {
        uri.iter().position(u8::is_ascii_control)
    } else {
        None
    };
    if let Some(at) = space.into_iter().chain(control).min() {
        return error(Kind::RequestLine, first + 1 + at, true);
    }
    Ok((method, first + 1, last))
}

/// `"SIP" "/" 1*DIGIT "." 1*DIGIT`.
fn is_version(text: &[u8]) -> bool {
    let Some(number) = text.get(4..).filter(|_| is_version_prefix(text)) else {
        return false;
    };
    let mut parts = number.split(|&b| b == b'.');
    let digits = |part: Option<&[u8]>| {
        part.is_some_and(|p| !p.is_empty() && p.iter().all(u8::is_ascii_digit))
    };
    digits(parts.next()) && digits(parts.next()) && parts.next().is_none()
}

/// Is there a SIP version after white space? Then the line was meant to be a request line.
fn contains_version(line: &[u8]) -> bool {
    line.split(|&b| chars::is_wsp(b))
        .skip(1)
        .any(is_version_prefix)
}

/// Does the first line look like that of a request? For errors that come before it is parsed.
pub(crate) fn looks_like_request(buf: &[u8]) -> bool {
    let start = skip_line_ends(buf);
    let rest = buf.get(start..).unwrap_or_default();
    let rest = rest.get(..8192).unwrap_or(rest);
    let line = memchr::memchr2(b'\r', b'\n', rest)
        .and_then(|len| rest.get(..len))
        .unwrap_or(rest);
    let method = line.split(|&b| b == b' ').next().unwrap_or_default();
    !is_version_prefix(line) && contains_version(line) && chars::all_token(method)
}

/// RFC 3261 §25.1: `SIP-Version SP Status-Code SP Reason-Phrase CRLF`; the phrase may be empty.
fn status_line(line: &[u8], start: usize) -> Result<(StatusCode, usize), ParseError> {
    let error = |kind, at| Err(ParseError::new(kind, start + at, false));
    let space = scan::byte(line, b' ').unwrap_or(line.len());
    let version = line.get(..space).unwrap_or_default();
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return if is_version(version) {
            error(Kind::Version, 0)
        } else {
            error(Kind::NotSip, 0)
        };
    }
    let code = line.get(space + 1..).unwrap_or_default();
    match status_code(code) {
        Some(status) => Ok((status, space + 5)),
        None => error(Kind::StatusLine, space + 1),
    }
}

/// Three digits and a space.
#[inline]
fn status_code(text: &[u8]) -> Option<StatusCode> {
    let [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] = text else {
        return None;
    };
    let digit = |digit: u8| u16::from(digit - b'0');
    StatusCode::from_u16(digit(*a) * 100 + digit(*b) * 10 + digit(*c))
}

/// What the field loop finds.
struct Head<'h> {
    index: &'h mut Spans,
    hints: &'h mut Hints,
    /// Was a byte passed that is not ASCII?
    non_ascii: bool,
    /// The value, and where the digits are.
    content_length: Option<(usize, usize)>,
}

impl<'h> Head<'h> {
    #[inline]
    const fn new(index: &'h mut Spans, hints: &'h mut Hints) -> Self {
        Self {
            index,
            hints,
            non_ascii: false,
            content_length: None,
        }
    }

    /// RFC 3261 §8.1.1: the fields that every message has. Max-Forwards is not among them here, because requests of
    /// RFC 2543 elements lack it (§16.3, step 3).
    fn check_mandatory(&self, at: usize, request: bool) -> Result<(), ParseError> {
        for (place, kind) in [
            (place::VIA, Kind::ViaMissing),
            (place::FROM, Kind::FromMissing),
            (place::TO, Kind::ToMissing),
            (place::CALL_ID, Kind::CallIdMissing),
            (place::CSEQ, Kind::CSeqMissing),
        ] {
            if self.hints.get(place) == Some(&ABSENT) {
                return Err(ParseError::new(kind, at, request));
            }
        }
        Ok(())
    }
}

/// Notes where the first field of a [`place`] is: the one with this hint, unless there was one. RFC 3261 §7.3.1: only a
/// field whose grammar is a list may be there twice; the answer is whether this one may be there.
#[inline]
fn note(hints: &mut Hints, place: usize, at: u8) -> bool {
    match hints.get_mut(place) {
        Some(hint) if *hint == ABSENT => {
            *hint = at;
            true
        }
        _ => place >= place::VIA,
    }
}

/// Digits alone; nothing larger than any limit could be.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    digits.iter().try_fold(0_usize, |n, d| {
        d.is_ascii_digit().then(|| n * 10 + usize::from(d - b'0'))
    })
}

/// Indexes the fields from `pos` on. The answer is where the empty line begins.
fn fields(
    buf: &[u8],
    mut pos: usize,
    config: &ParserConfig,
    request: bool,
    head: &mut Head<'_>,
) -> Result<usize, ParseError> {
    let buf = buf.get(..MAX_SIZE).unwrap_or(buf);
    let limits = &config.limits;
    // In this part of the buffer no field is beyond the limit of the head.
    let head_size = limits.head_size.saturating_add(LEAST_LINE);
    let within = buf.get(..head_size).unwrap_or(buf);
    // A parameter has two bytes at least, so that a line of no more than this has not too many.
    let short = limits
        .field_size
        .min(limits.parameters.saturating_mul(2))
        .min(u16::MAX.into());
    loop {
        let room = limits.fields.saturating_sub(head.index.len());
        pos = usual_fields(within, pos, room, short, head);
        if pos <= limits.head_size && buf.get(pos..).is_some_and(|line| line.starts_with(b"\r\n")) {
            return Ok(pos);
        }
        pos = any_field(buf, pos, config, request, head)?;
    }
}

/// A name of one letter, a colon, a line end and the next one: the fewest bytes in which [`usual_fields`] finds a field.
const LEAST_LINE: usize = 8;

/// Indexes fields as nearly everyone writes them: a name of the table with its colon right behind, one space, and a value
/// of ASCII characters alone on one line of up to `short` bytes. The answer is where another line begins, or where there
/// was no more room.
#[inline(never)] // The loop has the registers for itself.
fn usual_fields(
    buf: &[u8],
    mut pos: usize,
    room: usize,
    short: usize,
    head: &mut Head<'_>,
) -> usize {
    let before = head.index.len();
    let mut count = before;
    // Of these every index is a hint.
    let room = room.min(usize::from(ABSENT).saturating_sub(before));
    let slots = head.index.room();
    let room = room.min(slots.len());
    for slot in slots.get_mut(..room).unwrap_or_default() {
        let line = buf.get(pos..).unwrap_or_default();
        let Some((first, rest)) = line.split_first_chunk() else {
            break;
        };
        let Some(key) = Key::of_words(u64::from_le_bytes(*first), rest) else {
            break;
        };
        let Some(value) = line.get(key.len()..).and_then(usual_value) else {
            break;
        };
        let len = key.len() + 1 + value.len();
        if len > short {
            break;
        }
        if key.place() == place::CONTENT_LENGTH {
            let Some(length) = number(value) else {
                break;
            };
            head.content_length = Some((length, pos + key.len() + 1));
        }
        if !note(head.hints, key.place(), count as u8) {
            break;
        }
        // No offset is above `MAX_SIZE`, and the line is short.
        *slot = Span {
            start: pos as u32,
            len: len as u32 + 2,
            value_len: value.len() as u32,
            value_at: key.len() as u16 + 1,
            name: key.id(),
            source: Source::Base,
        };
        count += 1;
        pos += len + 2;
    }
    head.index.took(count - before);
    pos
}

/// What is behind the colon, if it is a space, a value of visible ASCII characters without a space at its ends, and a line
/// end after which the field does not go on.
#[inline]
fn usual_value(text: &[u8]) -> Option<&[u8]> {
    let (text, after) = scan::until_special(text)?;
    let after = u32::from_le_bytes(*after.first_chunk()?);
    let next = (after >> 16) as u8;
    if after & 0xffff != u32::from(u16::from_le_bytes(*b"\r\n")) || chars::is_wsp(next) {
        return None;
    }
    let [b' ', value @ ..] = text else {
        return None;
    };
    let usual = *value.first()? != b' ' && *value.last()? != b' ';
    usual.then_some(value)
}

/// Indexes the field at `pos`, whatever its form. The answer is where the next line begins.
#[inline(never)]
fn any_field(
    buf: &[u8],
    pos: usize,
    config: &ParserConfig,
    request: bool,
    head: &mut Head<'_>,
) -> Result<usize, ParseError> {
    let limits = &config.limits;
    let error = |kind, at| Err(ParseError::new(kind, at, request));
    if pos > limits.head_size {
        return error(Kind::HeadTooLarge, pos);
    }
    if let None | Some([] | [b'\r']) = buf.get(pos..) {
        return error(Kind::Truncated, pos);
    }
    if head.index.len() >= limits.fields {
        return error(Kind::TooManyFields, pos);
    }
    let Some(name) = field_name(buf, pos) else {
        return error(field_name_error(buf, pos), pos);
    };
    let end = field_end(buf, name.end, config, request, &mut head.non_ascii)?;
    if end - pos > limits.field_size {
        return error(Kind::FieldTooLong, pos);
    }
    let (value_at, value_len) = trimmed(buf, name.end, end);
    if value_len / 2 > limits.parameters {
        check_parameters(buf.get(value_at..end), value_at, limits, request)?;
    }
    if !note(head.hints, name.place, hint_of(head.index.len())) {
        return error(Kind::Duplicate, value_at);
    }
    if name.place == place::CONTENT_LENGTH {
        let length = content_length_value(buf, value_at, value_len, request)?;
        head.content_length = Some((length, value_at));
    }
    let Ok(to_value) = u16::try_from(value_at - pos) else {
        return error(Kind::FieldTooLong, pos);
    };
    // No offset is above `MAX_SIZE`.
    head.index.push(Span {
        start: pos as u32,
        len: (end + 2 - pos) as u32,
        value_len: value_len as u32,
        value_at: to_value,
        name: name.id,
        source: Source::Base,
    });
    Ok(end + 2)
}

/// Refuses a value with too many parameters: semicolons outside quotes, between commas outside quotes and brackets.
#[inline(never)]
fn check_parameters(
    text: Option<&[u8]>,
    at: usize,
    limits: &Limits,
    request: bool,
) -> Result<(), ParseError> {
    let (mut count, mut quoted, mut escaped, mut bracket) = (0, false, false, false);
    for &byte in text.unwrap_or_default() {
        if quoted {
            quoted = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'<' => bracket = true,
            b'>' => bracket = false,
            b';' => count += 1,
            b',' if !bracket => count = 0,
            _ => {}
        }
        if count > limits.parameters {
            return Err(ParseError::new(Kind::TooManyParameters, at, request));
        }
    }
    Ok(())
}

fn content_length_value(
    buf: &[u8],
    at: usize,
    len: usize,
    request: bool,
) -> Result<usize, ParseError> {
    number(buf.get(at..at + len).unwrap_or_default())
        .ok_or_else(|| ParseError::new(Kind::ContentLength, at, request))
}

/// A name, and where its colon ends.
struct FieldName {
    id: NameId,
    /// See [`place`].
    place: usize,
    end: usize,
}

impl FieldName {
    #[inline]
    const fn of(key: &Key, end: usize) -> Self {
        Self {
            id: key.id(),
            place: key.place(),
            end,
        }
    }
}

/// The name at `pos`: `token HCOLON` (RFC 3261 §25.1).
fn field_name(buf: &[u8], pos: usize) -> Option<FieldName> {
    let line = buf.get(pos..)?;
    // Nearly every name is one of the table with its colon right behind, and is a token because the table says so.
    if let Some(key) = Key::at_front(line) {
        return Some(FieldName::of(key, pos + key.len()));
    }
    let len = line.iter().position(|&b| !chars::is_token(b))?;
    let name = line.get(..len).filter(|name| !name.is_empty())?;
    let mut after = len;
    // RFC 3261 §25.1 HCOLON: white space may stand before the colon.
    while line.get(after).copied().is_some_and(chars::is_wsp) {
        after += 1;
    }
    if line.get(after) != Some(&b':') {
        return None;
    }
    let end = pos + after + 1;
    Some(match Key::named(name) {
        Some(key) => FieldName::of(key, end),
        None => FieldName {
            id: NameId::OTHER,
            place: place::OTHER,
            end,
        },
    })
}

/// The name is bad, or the buffer ends in it.
fn field_name_error(buf: &[u8], pos: usize) -> Kind {
    let rest = buf.get(pos..).unwrap_or_default();
    if rest.iter().all(|&b| chars::is_token(b) || chars::is_wsp(b)) {
        Kind::Truncated
    } else {
        Kind::FieldName
    }
}

/// Where the line of the field ends, folds included: the place of its CR. `non_ascii` is as in [`scan::control`].
#[inline]
fn field_end(
    buf: &[u8],
    from: usize,
    config: &ParserConfig,
    request: bool,
    non_ascii: &mut bool,
) -> Result<usize, ParseError> {
    let mut pos = from;
    loop {
        let Some(at) = scan::control(buf, pos, non_ascii) else {
            return Err(ParseError::new(Kind::Truncated, buf.len(), request));
        };
        let kind = match buf.get(at..) {
            // RFC 3261 §7.3.1: a line that starts with white space continues the one before.
            Some([b'\r', b'\n', b' ' | b'\t', ..]) => {
                pos = at + 3;
                continue;
            }
            Some([b'\r', b'\n', ..]) => return Ok(at),
            Some([b'\r']) => return Err(ParseError::new(Kind::Truncated, at, request)),
            Some([b'\n', ..]) => return Err(ParseError::new(Kind::LineEnd, at, request)),
            Some([b'\r', ..]) => Kind::LineEnd,
            Some([b'\t', ..]) => {
                pos = at + 1;
                continue;
            }
            _ => Kind::ControlCharacter,
        };
        let escaped =
            kind == Kind::ControlCharacter && is_escaped(buf.get(from..at).unwrap_or_default());
        if !config.accept_control_characters && !escaped {
            return Err(ParseError::new(kind, at, request));
        }
        pos = at + 1;
    }
}

/// Does a backslash that is not escaped itself end the text? RFC 3261 §25.1: a quoted-pair may have any character but
/// CR and LF.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 1
}

/// The place and length of the value without white space at its ends.
#[inline]
fn trimmed(buf: &[u8], from: usize, to: usize) -> (usize, usize) {
    let mut text = buf.get(from..to).unwrap_or_default();
    // As nearly everyone writes it: one space, and none at the end.
    if let [b' ', first, .., last] = text
        && !chars::is_lws(*first)
        && !chars::is_lws(*last)
    {
        return (from + 1, text.len() - 1);
    }
    let mut at = from;
    while let [first, rest @ ..] = text {
        if !chars::is_lws(*first) {
            break;
        }
        text = rest;
        at += 1;
    }
    while let [rest @ .., last] = text {
        if !chars::is_lws(*last) {
            break;
        }
        text = rest;
    }
    (at, text.len())
}

/// RFC 3261 §7: the head is UTF-8.
fn check_text(
    head: &[u8],
    start: usize,
    non_ascii: bool,
    config: &ParserConfig,
    request: bool,
) -> Result<(), ParseError> {
    if non_ascii
        && !config.accept_non_utf8
        && let Err(error) = core::str::from_utf8(head)
    {
        return Err(ParseError::new(
            Kind::NotUtf8,
            start + error.valid_up_to(),
            request,
        ));
    }
    Ok(())
}

/// Content-Length of a complete head, for framing. The head runs from the start line to the empty line.
pub(crate) fn content_length(buf: &[u8], config: &ParserConfig) -> Result<usize, ParseError> {
    let start = skip_line_ends(buf);
    let (line, mut pos, _) = start_line(buf, start, config)?;
    let request = matches!(line, StartLine::Request { .. });
    let mut found = None;
    loop {
        match buf.get(pos..) {
            Some([b'\r', b'\n', ..]) => break,
            None | Some([] | [b'\r']) => {
                return Err(ParseError::new(Kind::Truncated, pos, request));
            }
            Some(_) => {}
        }
        let Some(name) = field_name(buf, pos) else {
            return Err(ParseError::new(field_name_error(buf, pos), pos, request));
        };
        let end = field_end(buf, name.end, config, request, &mut false)?;
        if name.place == place::CONTENT_LENGTH {
            let (at, len) = trimmed(buf, name.end, end);
            if found.is_some() {
                return Err(ParseError::new(Kind::Duplicate, at, request));
            }
            found = Some(content_length_value(buf, at, len, request)?);
        }
        pos = end + 2;
    }
    // RFC 3261 §18.3: MUST be used with stream-oriented transports.
    found.ok_or_else(|| ParseError::new(Kind::ContentLengthMissing, pos, request))
}

/// Checks the first line of a stream as soon as it is there, so that other protocols are noticed at once.
pub(crate) fn check_start_line(buf: &[u8], config: &ParserConfig) -> Result<(), ParseError> {
    start_line(buf, skip_line_ends(buf), config).map(drop)
}

/// The end of the line at `from`, whatever ends it.
fn line_end_lenient(buf: &[u8], from: usize) -> usize {
    let rest = buf.get(from..).unwrap_or_default();
    from + memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len())
}

fn next_line(buf: &[u8], end: usize) -> usize {
    match buf.get(end..) {
        Some([b'\r', b'\n', ..]) => end + 2,
        Some([_, ..]) => end + 1,
        _ => buf.len(),
    }
}
