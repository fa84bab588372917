//! [`Request`]: a method, a Request-URI, header fields and a body.

use alloc::vec::Vec;
use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::build::RequestBuilder;
use crate::error::{BuildError, ParseError, ParseErrorKind as Kind};
use crate::header;
use crate::headers::{Headers, Place};
use crate::message::{self, Body, Unfilled};
use crate::method::Method;
use crate::uri::{Scheme, UriError, UriRef};
use crate::validate;

/// A request (RFC 3261 §7.1).
///
/// ```
/// use sip_message::{HeaderName, Method, Request};
/// let mut request = Request::builder(Method::Message, "sip:bob@example.com")
///     .header(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK776")
///     .header(HeaderName::From, "<sip:alice@example.com>;tag=49583")
///     .header(HeaderName::To, "<sip:bob@example.com>")
///     .call_id("asd88asd77a@192.0.2.1")
///     .cseq(1)
///     .max_forwards(70)
///     .body("text/plain", "Watson, come here.")
///     .build()?;
/// request.set_uri("sip:bob@192.0.2.2")?;
/// assert!(request.to_bytes().starts_with(b"MESSAGE sip:bob@192.0.2.2 SIP/2.0\r\nVia:"));
/// assert!(request.to_bytes().ends_with(b"\r\n\r\nWatson, come here."));
/// # Ok::<(), sip_message::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Request {
    method: Method,
    line: Place,
    uri: Place,
    headers: Headers,
    body: Body,
}

impl Request {
    /// Starts a request. What `build` demands: Via, From, To, Call-ID and CSeq.
    pub fn builder(method: Method, uri: impl AsRef<str>) -> RequestBuilder {
        RequestBuilder::new(method, uri.as_ref())
    }

    /// Where the parser puts what follows the start line.
    pub(crate) const fn unfilled(&mut self) -> Unfilled<'_> {
        Unfilled {
            is_request: true,
            headers: &mut self.headers,
            body: &mut self.body,
        }
    }

    pub(crate) const fn from_parts(
        method: Method,
        line: Place,
        uri: Place,
        headers: Headers,
        body: Body,
    ) -> Self {
        Self {
            method,
            line,
            uri,
            headers,
            body,
        }
    }

    /// Lets go of everything, for [`renew`](Self::renew).
    pub(crate) fn clear(&mut self) {
        self.headers.clear();
        self.body = Body::Base { start: 0, end: 0 };
    }

    /// What [`from_parts`](Self::from_parts) makes without fields, of a request that was cleared.
    #[inline]
    pub(crate) fn renew(&mut self, method: Method, line: Place, uri: Place) {
        self.method = method;
        self.line = line;
        self.uri = uri;
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI as it is written; empty if it is not UTF-8, which only a lenient configuration lets pass.
    #[must_use]
    pub fn uri_str(&self) -> &str {
        self.headers.text(self.uri).unwrap_or_default()
    }

    /// The Request-URI for who looks at many bytes at a time: the bytes of the buffer from its beginning on, and how many of
    /// them are of it. The rest may be anything. See [`RawFields::get_and_beyond`](crate::RawFields::get_and_beyond).
    #[must_use]
    pub fn uri_and_beyond(&self) -> (&[u8], usize) {
        self.headers.beyond(self.uri)
    }

    /// The Request-URI, located.
    ///
    /// # Errors
    /// When it is malformed: the answer is 400 (RFC 3261 §21.4.1).
    pub fn uri(&self) -> Result<UriRef<'_>, UriError> {
        UriRef::parse(self.uri_str())
    }

    /// Puts another Request-URI into the request line.
    ///
    /// # Errors
    /// When it is empty or has white space or control characters.
    pub fn set_uri(&mut self, uri: impl AsRef<str>) -> Result<(), BuildError> {
        let uri = uri.as_ref();
        if uri.is_empty() || uri.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(BuildError::Uri);
        }
        self.write_line(uri.as_bytes());
        Ok(())
    }

    fn write_line(&mut self, uri: &[u8]) {
        self.headers.set_valid(false);
        let mut from = 0;
        let mut to = 0;
        let method = self.method.as_str();
        self.line = self.headers.append(|out| {
            let start = out.len();
            out.extend_from_slice(method.as_bytes());
            out.push(b' ');
            from = out.len() - start;
            out.extend_from_slice(uri);
            to = out.len() - start;
            out.extend_from_slice(b" SIP/2.0\r\n");
        });
        self.uri = Place {
            source: self.line.source,
            start: self.line.start + crate::headers::offset(from),
            end: self.line.start + crate::headers::offset(to),
        };
    }

    /// Writes the request line and every field anew, in the form this crate writes.
    pub(crate) fn normalize(&mut self) {
        let uri: Vec<u8> = self
            .headers
            .bytes(self.uri)
            .iter()
            .map(|&b| if b <= b' ' || b == 0x7f { b'_' } else { b })
            .collect();
        self.write_line(&uri);
        self.headers.normalize();
    }

    /// Writes the version in upper case, as what is sent must have it (RFC 3261 §7.1), whatever the case was that it came in.
    ///
    /// ```
    /// use sip_message::{Message, ParserConfig};
    /// let text = "OPTIONS sip:h sip/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
    ///     Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
    /// let Ok(Message::Request(mut request)) = Message::parse(text.into(), &ParserConfig::default()) else { panic!() };
    /// request.write_version();
    /// assert!(request.to_bytes().starts_with(b"OPTIONS sip:h SIP/2.0\r\nVia"));
    /// ```
    pub fn write_version(&mut self) {
        if !self.headers.bytes(self.line).ends_with(b" SIP/2.0\r\n") {
            let uri = self.headers.bytes(self.uri).to_vec();
            self.write_line(&uri);
        }
    }

    /// The header fields.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header fields, to edit.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body.as_slice(&self.headers)
    }

    /// The body as shared bytes, which keep the whole datagram alive.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        self.body.to_bytes(&self.headers)
    }

    /// Puts another body into place, with its Content-Type and Content-Length.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.body = message::set_body(&mut self.headers, content_type, body.into());
    }

    /// Removes the body and the fields that describe it; Content-Length becomes 0.
    pub fn remove_body(&mut self) {
        self.body = message::remove_body(&mut self.headers);
    }

    pub(crate) fn replace_body(&mut self, body: Body) {
        self.body = body;
    }

    /// Appends the message to `out`; see [`Message::encode`](crate::Message::encode).
    pub fn encode(&self, out: &mut Vec<u8>) {
        message::encode(self.line, &self.headers, &self.body, out);
    }

    /// [`encode`](Self::encode) with lines above all fields, each with its line end: the Via of who sends it on.
    ///
    /// ```
    /// use sip_message::{HeaderName, Method, Request};
    /// let request = Request::builder(Method::Options, "sip:h").header(HeaderName::Subject, "x").build_partial().unwrap();
    /// let mut out = Vec::new();
    /// request.encode_under(b"Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n", &mut out);
    /// assert!(out.starts_with(b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nSubject: x\r\n"));
    /// ```
    pub fn encode_under(&self, lines: &[u8], out: &mut Vec<u8>) {
        message::encode_under(self.line, lines, &self.headers, &self.body, out);
    }

    /// The message as slices that [`encode`](Self::encode) would put behind each other, so that who keeps it copies it once: the request
    /// line, the header fields, the empty line, and the body (the last two may be part of the fields'). `None` when edits have
    /// scattered the fields.
    ///
    /// ```
    /// use sip_message::{Method, Request};
    /// let request = Request::builder(Method::Options, "sip:h").build_partial().unwrap();
    /// assert_eq!(request.as_slices().unwrap().concat(), request.to_bytes());
    /// ```
    #[inline]
    #[must_use]
    pub fn as_slices(&self) -> Option<[&[u8]; 4]> {
        message::as_slices(self.line, &self.headers, &self.body)
    }

    /// How many bytes [`encode`](Self::encode) appends, without doing it: what the choice of a transport goes by (RFC 3261 §18.1.1).
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let line = (self.line.end - self.line.start) as usize;
        line + self.headers.encoded_len() + 2 + self.body().len()
    }

    /// The message as bytes; that of an unedited message is the buffer it came in.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        message::to_bytes(self.line, &self.headers, &self.body)
    }

    /// [`to_bytes`](Self::to_bytes) of a message that is sent once: what was edited is written into `room`, which many messages
    /// may share, so that while there is room it takes no allocation. What is written to it is never overwritten.
    #[must_use]
    pub fn to_bytes_in(&self, room: &mut BytesMut) -> Bytes {
        message::to_bytes_in(room, self.line, &self.headers, &self.body)
    }

    /// For who has called [`validate`](Self::validate), or has looked at all that it looks at: until the next edit it is not
    /// looked at again. Of a request that is not well-formed this must not be said.
    pub const fn set_validated(&mut self) {
        self.headers.set_valid(true);
    }

    /// See [`Message::validate`](crate::Message::validate).
    ///
    /// # Errors
    /// The first field that is missing or malformed.
    pub fn validate(&self) -> Result<(), ParseError> {
        if self.headers.is_valid() {
            return Ok(());
        }
        let at = self.uri.start as usize;
        match self.uri() {
            Err(error) => return Err(ParseError::new(Kind::Uri, at + error.offset(), true)),
            // RFC 3261 §8.2.2.1, §16.3 step 2: 416. No element routes on a scheme without structure here.
            Ok(uri) if uri.scheme() == Scheme::Other => {
                return Err(ParseError::new(Kind::UriScheme, at, true));
            }
            // RFC 3261 §19.1.1, table 1: header fields are not allowed in a Request-URI.
            Ok(uri) if uri.headers().next().is_some() => {
                return Err(ParseError::new(Kind::Uri, at, true));
            }
            Ok(_) => {}
        }
        let cseq = message::validate(&self.headers, true)?;
        // RFC 3261 §8.1.1.5: the method MUST match that of the request.
        if cseq.method != self.method {
            return Err(ParseError::new(
                Kind::CSeqMethod,
                self.headers.offset_of(&crate::HeaderName::CSeq),
                true,
            ));
        }
        match self.headers.typed::<header::MaxForwards>() {
            Ok(_) => Ok(()),
            Err(_) => {
                let at = self.headers.offset_of(&crate::HeaderName::MaxForwards);
                Err(ParseError::new(Kind::MaxForwards, at, true))
            }
        }
    }
}

impl Request {
    /// [`validate`](Self::validate), and every field that this crate has a type for.
    ///
    /// # Errors
    /// The first field that is missing or malformed.
    pub fn validate_all(&self) -> Result<(), ParseError> {
        self.validate()?;
        validate::all_fields(&self.headers, true)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("uri", &self.uri_str())
            .field("headers", &self.headers)
            .field("body_len", &self.body().len())
            .finish()
    }
}
