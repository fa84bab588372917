//! [`WrittenResponse`]: a response that is written at once, and not looked at any more.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::config::ParserConfig;
use crate::headers::Headers;
use crate::message::Message;
use crate::name::HeaderName;
use crate::request::Request;
use crate::response::Response;
use crate::status::StatusCode;

/// A response without a body as the bytes that leave: for who answers many requests and reads none of the answers. It has no
/// index of its fields, and its buffer is used again for the next one. [`Response`] is for everything else.
///
/// ```
/// use sip_message::{HeaderName, Message, ParserConfig, StatusCode, WrittenResponse};
/// let request = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=1\r\n\
///     To: <sip:h>\r\nCall-ID: x@a\r\nCSeq: 1 OPTIONS\r\n\r\n";
/// let message = Message::parse(request.into(), &ParserConfig::default()).unwrap();
/// let mut response = WrittenResponse::new();
/// response.start(message.as_request().unwrap(), StatusCode::OK, "77");
/// response.field(HeaderName::Supported, &["path", ", ", "gruu"]);
/// response.finish();
/// assert_eq!(response.as_bytes(), b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
///     To: <sip:h>;tag=77\r\nCall-ID: x@a\r\nCSeq: 1 OPTIONS\r\nSupported: path, gruu\r\nContent-Length: 0\r\n\r\n");
/// ```
#[derive(Clone)]
pub struct WrittenResponse {
    status: StatusCode,
    text: Vec<u8>,
}

impl WrittenResponse {
    /// Nothing is written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            status: StatusCode::OK,
            text: Vec::new(),
        }
    }

    /// Begins another one, with the status line and what it has of its request (RFC 3261 §8.2.6.2); To gets the tag unless it has
    /// one. A tag that is no token is ignored. As [`Response::to`], but not for a 100.
    pub fn start(&mut self, request: &Request, status: StatusCode, tag: &str) {
        self.status = status;
        self.text.clear();
        // Nearly every answer that is written at once is this one.
        if status == StatusCode::OK {
            self.text.extend_from_slice(b"SIP/2.0 200 OK\r\n");
        } else {
            self.text.extend_from_slice(b"SIP/2.0 ");
            crate::header::push_decimal(&mut self.text, status.as_u16().into());
            self.text.push(b' ');
            self.text
                .extend_from_slice(status.reason_phrase().as_bytes());
            self.text.extend_from_slice(b"\r\n");
        }
        request.headers().write_for_response(tag, &mut self.text);
    }

    /// Adds a field whose value is put together from parts. A line end in it becomes a space.
    pub fn field(&mut self, name: HeaderName, parts: &[&str]) {
        crate::headers::write_field(&mut self.text, &name, parts);
    }

    /// Adds a field whose value is written by the caller. A line end in it becomes a space.
    ///
    /// ```
    /// # use sip_message::{HeaderName, WrittenResponse};
    /// let mut response = WrittenResponse::new();
    /// response.field_with(HeaderName::Expires, |value| value.extend_from_slice(b"60"));
    /// assert_eq!(response.as_bytes(), b"Expires: 60\r\n");
    /// ```
    #[inline]
    pub fn field_with(&mut self, name: HeaderName, write: impl FnOnce(&mut Vec<u8>)) {
        crate::headers::write_field_with(&mut self.text, &name, write);
    }

    /// Adds all fields of another message, or of what was written once for all.
    pub fn fields(&mut self, fields: &Headers) {
        fields.encode_lines(&mut self.text);
    }

    /// Copies all fields of a name from the request.
    #[inline]
    pub fn copy(&mut self, request: &Request, name: HeaderName) {
        if request.headers().contains(name.clone()) {
            request.headers().write_all_of(&name, &mut self.text);
        }
    }

    /// Ends it, with its Content-Length.
    pub fn finish(&mut self) {
        self.text.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What was written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The same as a message that can be read; `None` if the request was so broken that its answer is no message.
    #[must_use]
    pub fn to_response(&self) -> Option<Response> {
        let text = Bytes::copy_from_slice(&self.text);
        match Message::parse(text, &ParserConfig::default()) {
            Ok(Message::Response(response)) => Some(response),
            Ok(Message::Request(_)) | Err(_) => None,
        }
    }
}

impl Default for WrittenResponse {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WrittenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrittenResponse")
            .field("status", &self.status)
            .field("len", &self.text.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;

    fn request(text: &str) -> Request {
        match Message::parse(String::from(text).into(), &ParserConfig::default()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    /// It is what the builder makes, whatever the request looks like and whatever was done to it.
    #[test]
    fn rfc3261_8_2_6_2_it_is_what_the_builder_builds() {
        let mut written = WrittenResponse::new();
        for fields in [
            "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\nCall-ID: x@a\r\nCSeq: 1 OPTIONS\r\n",
            "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>;tag=2\r\nCall-ID: x@a\r\nCSeq: 1 OPTIONS\r\n",
            "v: SIP/2.0/UDP a;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nt : sip:h  \r\nVia: SIP/2.0/UDP b,\r\n SIP/2.0/TCP c\r\n\
             f: \"A\" <sip:a@h>;tag=1\r\nSubject: no\r\ni: x@a\r\nTimestamp: 5\r\nCSeq: 1\r\n OPTIONS\r\nX: y\r\n",
        ] {
            let mut request = request(&format!("OPTIONS sip:h SIP/2.0\r\n{fields}\r\n"));
            for round in 0..3 {
                match round {
                    1 => drop(
                        request
                            .headers_mut()
                            .set_top_via_params(Some([192, 0, 2, 1].into()), Some(5060)),
                    ),
                    2 => request
                        .headers_mut()
                        .push_front(HeaderName::Via, "SIP/2.0/UDP z"),
                    _ => {}
                }
                for tag in ["77", "no token"] {
                    written.start(&request, StatusCode::NOT_FOUND, tag);
                    written.field(HeaderName::Contact, &["<sip:b", "@h>", ";expires=7"]);
                    written.field(HeaderName::Subject, &["a\r\nb: c"]);
                    written.copy(&request, HeaderName::Via);
                    written.copy(&request, HeaderName::Path);
                    written.finish();
                    let built = Response::to(&request, StatusCode::NOT_FOUND)
                        .to_tag(tag)
                        .header(HeaderName::Contact, "<sip:b@h>;expires=7")
                        .header(HeaderName::Subject, "a\r\nb: c")
                        .copy(&request, HeaderName::Via)
                        .copy(&request, HeaderName::Path)
                        .build()
                        .unwrap();
                    let written_text = String::from_utf8_lossy(written.as_bytes());
                    let built_text = built.to_bytes();
                    assert_eq!(written_text, String::from_utf8_lossy(&built_text));
                    let read = written.to_response().unwrap();
                    assert_eq!(read.headers().to_tag(), built.headers().to_tag());
                    assert_eq!(written.status(), read.status());
                }
            }
        }
    }

    #[test]
    fn fields_that_are_written_once_are_added_as_they_are() {
        let request = request(
            "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
             Call-ID: x@a\r\nCSeq: 1 OPTIONS\r\n\r\n",
        );
        let mut ours = Headers::new();
        ours.push_back(HeaderName::Allow, "OPTIONS, BYE");
        ours.push_back(HeaderName::Accept, "*/*");
        let mut written = WrittenResponse::default();
        written.start(&request, StatusCode::OK, "t");
        written.fields(&ours);
        written.finish();
        let read = written.to_response().unwrap();
        assert_eq!(read.headers().get(HeaderName::Allow), Some("OPTIONS, BYE"));
        assert_eq!(read.headers().get(HeaderName::Accept), Some("*/*"));
        assert_eq!(read.headers().len(), 8);
    }
}
