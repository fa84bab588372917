//! [`BoxedMessage`]: a message that is moved as a pointer.

use alloc::boxed::Box;
use bytes::{Bytes, BytesMut};

use super::{Message, Spares, Unfilled};
use crate::config::ParserConfig;
use crate::error::ParseError;
use crate::headers::Headers;
use crate::parse;
use crate::request::Request;
use crate::response::Response;

/// A message on the heap: what layers hand to each other.
///
/// A [`Request`] has its index of fields within itself, which makes it some 500 bytes large, and moving it a few times
/// costs more than its one allocation. [`parse`](Self::parse) fills the message in the place where it stays.
///
/// ```
/// use sip_message::{BoxedMessage, ParserConfig};
/// let datagram = "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
///     From: <sip:a@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: 1@192.0.2.1\r\nCSeq: 7 OPTIONS\r\n\r\n";
/// let message = BoxedMessage::parse(datagram.into(), &ParserConfig::default())?;
/// assert_eq!(message.as_request().unwrap().uri_str(), "sip:bob@example.com");
/// assert_eq!(message.to_bytes(), datagram);
/// # Ok::<(), sip_message::ParseError>(())
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3261 section 7 has these two")]
pub enum BoxedMessage {
    /// A request.
    Request(Box<Request>),
    /// A response.
    Response(Box<Response>),
}

impl BoxedMessage {
    /// As [`Message::parse`].
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn parse(datagram: Bytes, config: &ParserConfig) -> Result<Self, ParseError> {
        parse::boxed(datagram, config, &mut Spares::default())
    }

    /// As [`Message::take_front`].
    #[must_use]
    pub fn take_front(stream: &mut Bytes, config: &ParserConfig) -> Option<Self> {
        parse::boxed_front(stream, config, &mut Spares::default())
    }

    /// [`parse`](Self::parse) into a message that is not needed any more, if there is one.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn parse_in(
        spares: &mut Spares,
        datagram: Bytes,
        config: &ParserConfig,
    ) -> Result<Self, ParseError> {
        parse::boxed(datagram, config, spares)
    }

    /// [`take_front`](Self::take_front) into a message that is not needed any more, if there is one.
    #[must_use]
    pub fn take_front_in(
        spares: &mut Spares,
        stream: &mut Bytes,
        config: &ParserConfig,
    ) -> Option<Self> {
        parse::boxed_front(stream, config, spares)
    }

    /// The request, if it is one.
    #[must_use]
    pub fn as_request(&self) -> Option<&Request> {
        match self {
            Self::Request(request) => Some(request),
            Self::Response(_) => None,
        }
    }

    /// The response, if it is one.
    #[must_use]
    pub fn as_response(&self) -> Option<&Response> {
        match self {
            Self::Request(_) => None,
            Self::Response(response) => Some(response),
        }
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => request.headers(),
            Self::Response(response) => response.headers(),
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

    /// The message as bytes; that of an unedited message is the buffer it came in.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    /// [`to_bytes`](Self::to_bytes) of a message that is sent once: what was edited is written into `room`, which many messages
    /// may share, so that while there is room it takes no allocation. What is written to it is never overwritten.
    ///
    /// ```
    /// use sip_message::{BoxedMessage, HeaderName, Method, Request};
    /// let request = Request::builder(Method::Options, "sip:h").header(HeaderName::Subject, "a").build_partial()?;
    /// let message = BoxedMessage::from(request);
    /// let mut room = bytes::BytesMut::with_capacity(1024);
    /// let (one, other) = (message.to_bytes_in(&mut room), message.to_bytes_in(&mut room));
    /// assert_eq!((&one, &other), (&message.to_bytes(), &one));
    /// # Ok::<(), sip_message::BuildError>(())
    /// ```
    #[must_use]
    pub fn to_bytes_in(&self, room: &mut BytesMut) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes_in(room),
            Self::Response(response) => response.to_bytes_in(room),
        }
    }

    pub(crate) fn unfilled(&mut self) -> Unfilled<'_> {
        match self {
            Self::Request(request) => request.unfilled(),
            Self::Response(response) => response.unfilled(),
        }
    }
}

impl From<Message> for BoxedMessage {
    fn from(message: Message) -> Self {
        match message {
            Message::Request(request) => request.into(),
            Message::Response(response) => response.into(),
        }
    }
}

impl From<Request> for BoxedMessage {
    fn from(request: Request) -> Self {
        Self::Request(Box::new(request))
    }
}

impl From<Response> for BoxedMessage {
    fn from(response: Response) -> Self {
        Self::Response(Box::new(response))
    }
}

impl From<Box<Request>> for BoxedMessage {
    fn from(request: Box<Request>) -> Self {
        Self::Request(request)
    }
}

impl From<Box<Response>> for BoxedMessage {
    fn from(response: Box<Response>) -> Self {
        Self::Response(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_layers_hand_to_each_other_is_small() {
        assert!(size_of::<BoxedMessage>() <= 16);
    }

    #[test]
    fn it_is_the_message_that_parse_gives() {
        let one = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
            Call-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 2\r\n\r\nhi";
        let other = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
            Call-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
        let config = ParserConfig::default();
        for text in [one, other] {
            let plain = Message::parse(text.into(), &config).unwrap();
            let boxed = BoxedMessage::parse(text.into(), &config).unwrap();
            let again = BoxedMessage::from(plain.clone());
            for boxed in [&boxed, &again] {
                assert_eq!(boxed.to_bytes(), text);
                assert_eq!(boxed.body(), plain.body());
                assert_eq!(boxed.headers().call_id(), Some("x"));
                assert_eq!(boxed.as_request().is_some(), plain.as_request().is_some());
                assert_eq!(boxed.as_response().is_some(), plain.as_response().is_some());
            }
        }
        let mut stream = Bytes::from([one, other, "OPTIONS"].concat());
        assert_eq!(
            BoxedMessage::take_front(&mut stream, &config)
                .unwrap()
                .to_bytes(),
            one
        );
        assert_eq!(
            BoxedMessage::take_front(&mut stream, &config)
                .unwrap()
                .to_bytes(),
            other
        );
        assert!(BoxedMessage::take_front(&mut stream, &config).is_none());
        let broken = "OPTIONS sip:h SIP/2.0\r\nTo: <sip:h>\r\n\r\n";
        assert_eq!(
            BoxedMessage::parse(broken.into(), &config).unwrap_err(),
            Message::parse(broken.into(), &config).unwrap_err()
        );
    }
}
