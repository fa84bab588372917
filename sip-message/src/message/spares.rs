//! [`Spares`]: messages that are not needed any more.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::BoxedMessage;
use crate::headers::{Headers, Place};
use crate::message::Body;
use crate::method::Method;
use crate::request::Request;
use crate::response::Response;
use crate::status::StatusCode;

/// Messages that are not needed any more, for those that are parsed next: [`BoxedMessage::parse_in`] takes no allocation while
/// there is one. They hold nothing of what they were but a small buffer for edits, and there are never more than a few dozen.
///
/// ```
/// use sip_message::{BoxedMessage, ParserConfig, Spares};
/// let mut spares = Spares::default();
/// let datagram = "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
///     From: <sip:a@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: 1@192.0.2.1\r\nCSeq: 7 OPTIONS\r\n\r\n";
/// let message = BoxedMessage::parse_in(&mut spares, datagram.into(), &ParserConfig::default())?;
/// spares.keep(message);
/// let again = BoxedMessage::parse_in(&mut spares, datagram.into(), &ParserConfig::default())?;
/// assert_eq!(again.to_bytes(), datagram);
/// # Ok::<(), sip_message::ParseError>(())
/// ```
#[derive(Debug, Default)]
pub struct Spares {
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    requests: Vec<Box<Request>>,
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    responses: Vec<Box<Response>>,
}

/// Of each kind: more than what one read of the sockets brings is seldom there at once.
const KEPT: usize = 64;

impl Spares {
    /// Keeps a message for the next one, unless there are enough. What it holds is let go at once.
    pub fn keep(&mut self, message: BoxedMessage) {
        match message {
            BoxedMessage::Request(mut request) if self.requests.len() < KEPT => {
                request.clear();
                self.requests.push(request);
            }
            BoxedMessage::Response(mut response) if self.responses.len() < KEPT => {
                response.clear();
                self.responses.push(response);
            }
            BoxedMessage::Request(_) | BoxedMessage::Response(_) => {}
        }
    }

    /// A request without fields.
    #[inline(always)]
    pub(crate) fn request(&mut self, method: Method, line: Place, uri: Place) -> Box<Request> {
        if let Some(mut request) = self.requests.pop() {
            request.renew(method, line, uri);
            return request;
        }
        let nothing = Body::Base { start: 0, end: 0 };
        let headers = Headers::empty(bytes::Bytes::new());
        Box::new(Request::from_parts(method, line, uri, headers, nothing))
    }

    /// A response without fields.
    #[inline(always)]
    pub(crate) fn response(
        &mut self,
        status: StatusCode,
        line: Place,
        reason: Place,
    ) -> Box<Response> {
        if let Some(mut response) = self.responses.pop() {
            response.renew(status, line, reason);
            return response;
        }
        let nothing = Body::Base { start: 0, end: 0 };
        let headers = Headers::empty(bytes::Bytes::new());
        Box::new(Response::from_parts(status, line, reason, headers, nothing))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use bytes::{Bytes, BytesMut};

    use super::*;
    use crate::{HeaderName, ParserConfig, ViaStamp};

    fn text(start: &str, more: &str) -> String {
        alloc::format!(
            "{start}\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\nCall-ID: x\r\n\
             CSeq: 1 OPTIONS\r\n{more}Content-Length: 2\r\n\r\nhi"
        )
    }

    /// Whatever a message was, it is what is parsed into it.
    #[test]
    fn nothing_is_left_of_what_a_message_was() {
        let many = "X-Mine: 1\r\n".repeat(30);
        let texts = [
            text("OPTIONS sip:h SIP/2.0", ""),
            text("OPTIONS sip:h SIP/2.0", &many),
            text("SIP/2.0 200 OK", "Subject: a\r\n"),
            text("SIP/2.0 486 Busy", &many),
            text("MINE sip:other SIP/2.0", "Max-Forwards: 7\r\n"),
        ];
        let (config, mut spares) = (ParserConfig::default(), Spares::default());
        let mut room = BytesMut::with_capacity(256);
        for first in &texts {
            for second in &texts {
                let bytes = Bytes::copy_from_slice(first.as_bytes());
                let mut message = BoxedMessage::parse_in(&mut spares, bytes, &config).unwrap();
                if let BoxedMessage::Request(request) = &mut message {
                    request.set_uri("sip:edited").unwrap();
                    let headers = request.headers_mut();
                    headers.push_back(HeaderName::Subject, "b".repeat(3000));
                    let stamp = ViaStamp::new([192, 0, 2, 1].into(), None);
                    headers.stamp_plain_via(&mut room, 0..0, &stamp);
                    request.set_body("text/plain", "other");
                }
                spares.keep(message);
                let mut stream = Bytes::copy_from_slice(second.as_bytes());
                let message =
                    BoxedMessage::take_front_in(&mut spares, &mut stream, &config).unwrap();
                let fresh = BoxedMessage::parse(second.clone().into(), &config).unwrap();
                assert_eq!(message.to_bytes(), *second);
                assert_eq!(message.body(), fresh.body());
                assert_eq!(alloc::format!("{message:?}"), alloc::format!("{fresh:?}"));
                assert_eq!(
                    message.headers().max_forwards(),
                    fresh.headers().max_forwards()
                );
                assert!(!message.headers().contains(HeaderName::Contact));
                spares.keep(message);
            }
        }
    }

    #[test]
    fn no_more_than_some_are_kept_and_none_keeps_a_buffer() {
        let (config, mut spares) = (ParserConfig::default(), Spares::default());
        let request: Bytes = text("OPTIONS sip:h SIP/2.0", "").into();
        let response: Bytes = text("SIP/2.0 200 OK", "").into();
        for _ in 0..2 * KEPT {
            for bytes in [&request, &response] {
                spares.keep(BoxedMessage::parse(bytes.clone(), &config).unwrap());
            }
        }
        assert_eq!(
            (spares.requests.len(), spares.responses.len()),
            (KEPT, KEPT)
        );
        assert!(request.is_unique() && response.is_unique());
        // What is broken is not what was kept.
        assert!(BoxedMessage::parse_in(&mut spares, "OPTIONS".into(), &config).is_err());
        assert_eq!(spares.requests.len(), KEPT);
    }
}
