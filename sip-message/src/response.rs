//! [`Response`]: a status, a reason phrase, header fields and a body.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::build::ResponseBuilder;
use crate::error::ParseError;
use crate::headers::{Headers, Place};
use crate::message::{self, Body, Unfilled};
use crate::request::Request;
use crate::status::StatusCode;
use crate::validate;

/// A response (RFC 3261 §7.2).
#[derive(Clone)]
pub struct Response {
    status: StatusCode,
    line: Place,
    reason: Place,
    headers: Headers,
    body: Body,
}

impl Response {
    /// Starts a response to a request: Via, From, To, Call-ID and CSeq are copied, for a 100 also Timestamp
    /// (RFC 3261 §8.2.6). The To tag is the caller's: [`ResponseBuilder::to_tag`].
    ///
    /// ```
    /// use sip_message::{Message, ParserConfig, Response, StatusCode};
    /// let request = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
    ///     To: <sip:h>\r\nCall-ID: x@a\r\nCSeq: 1 OPTIONS\r\n\r\n";
    /// let message = Message::parse(request.into(), &ParserConfig::default()).unwrap();
    /// let response = Response::to(message.as_request().unwrap(), StatusCode::OK).to_tag("77").build().unwrap();
    /// assert_eq!(response.to_bytes(), "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
    ///     From: <sip:a@h>;tag=1\r\nTo: <sip:h>;tag=77\r\nCall-ID: x@a\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
    /// ```
    pub fn to(request: &Request, status: StatusCode) -> ResponseBuilder {
        ResponseBuilder::new(request, status)
    }

    /// Where the parser puts what follows the start line.
    pub(crate) const fn unfilled(&mut self) -> Unfilled<'_> {
        Unfilled {
            is_request: false,
            headers: &mut self.headers,
            body: &mut self.body,
        }
    }

    pub(crate) const fn from_parts(
        status: StatusCode,
        line: Place,
        reason: Place,
        headers: Headers,
        body: Body,
    ) -> Self {
        Self {
            status,
            line,
            reason,
            headers,
            body,
        }
    }

    /// Lets go of everything, for [`renew`](Self::renew).
    pub(crate) fn clear(&mut self) {
        self.headers.clear();
        self.body = Body::Base { start: 0, end: 0 };
    }

    /// What [`from_parts`](Self::from_parts) makes without fields, of a response that was cleared.
    #[inline]
    pub(crate) const fn renew(&mut self, status: StatusCode, line: Place, reason: Place) {
        self.status = status;
        self.line = line;
        self.reason = reason;
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The reason phrase, for people; empty if it is not UTF-8, which only a lenient configuration lets pass.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.headers.text(self.reason).unwrap_or_default()
    }

    /// Puts another status and reason phrase into the status line. Control characters become spaces.
    pub fn set_status(&mut self, status: StatusCode, reason: &str) {
        self.status = status;
        let mut from = 0;
        self.line = self
            .headers
            .append(|out| from = write_status_line(out, status, reason));
        self.reason = Place {
            source: self.line.source,
            start: self.line.start + crate::headers::offset(from),
            end: self.line.end - 2,
        };
    }

    /// Writes the version in upper case, as what is sent must have it (RFC 3261 §7.1), whatever the case was that it came in.
    ///
    /// ```
    /// use sip_message::{Message, ParserConfig};
    /// let text = "sip/2.0 486 Engaged\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>;tag=2\r\n\
    ///     Call-ID: x\r\nCSeq: 1 INVITE\r\n\r\n";
    /// let Ok(Message::Response(mut response)) = Message::parse(text.into(), &ParserConfig::default()) else { panic!() };
    /// response.write_version();
    /// assert!(response.to_bytes().starts_with(b"SIP/2.0 486 Engaged\r\nVia"));
    /// ```
    pub fn write_version(&mut self) {
        if !self.headers.bytes(self.line).starts_with(b"SIP/2.0") {
            let reason = String::from(self.reason());
            self.set_status(self.status, &reason);
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

    /// Where the status line is.
    pub(crate) const fn line(&self) -> Place {
        self.line
    }

    pub(crate) const fn set_line(&mut self, line: Place, reason: Place) {
        self.line = line;
        self.reason = reason;
    }

    /// Appends the message to `out`; see [`Message::encode`](crate::Message::encode).
    pub fn encode(&self, out: &mut Vec<u8>) {
        message::encode(self.line, &self.headers, &self.body, out);
    }

    /// The message as slices that [`encode`](Self::encode) would put behind each other, so that who keeps it copies it once: the status
    /// line with the header fields, the empty line, and the body (the last two may be part of the first). `None` when edits have
    /// scattered them.
    ///
    /// ```
    /// use sip_message::{Method, Request, Response, StatusCode};
    /// let request = Request::builder(Method::Options, "sip:h").build_partial().unwrap();
    /// let response = Response::to(&request, StatusCode::OK).build().unwrap();
    /// assert_eq!(response.as_slices().unwrap().concat(), response.to_bytes());
    /// ```
    #[inline]
    #[must_use]
    pub fn as_slices(&self) -> Option<[&[u8]; 3]> {
        message::as_joined_slices(self.line, &self.headers, &self.body)
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

    /// See [`Message::validate`](crate::Message::validate).
    ///
    /// # Errors
    /// The first field that is missing or malformed.
    pub fn validate(&self) -> Result<(), ParseError> {
        message::validate(&self.headers, false).map(drop)
    }
}

impl Response {
    /// [`validate`](Self::validate), and every field that this crate has a type for.
    ///
    /// # Errors
    /// The first field that is missing or malformed.
    pub fn validate_all(&self) -> Result<(), ParseError> {
        self.validate()?;
        validate::all_fields(&self.headers, false)
    }
}

/// Appends `SIP/2.0 200 OK CRLF`. Where the reason phrase begins.
pub(crate) fn write_status_line(out: &mut Vec<u8>, status: StatusCode, reason: &str) -> usize {
    let start = out.len();
    out.extend_from_slice(b"SIP/2.0 ");
    crate::header::push_decimal(out, status.as_u16().into());
    out.push(b' ');
    let from = out.len() - start;
    out.extend(
        reason
            .bytes()
            .map(|b| if b.is_ascii_control() { b' ' } else { b }),
    );
    out.extend_from_slice(b"\r\n");
    from
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("reason", &self.reason())
            .field("headers", &self.headers)
            .field("body_len", &self.body().len())
            .finish()
    }
}
