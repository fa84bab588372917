//! The errors of this crate: small, `Copy`, with a place and a static reason.

use core::fmt;

use crate::status::StatusCode;

/// Why a message, or the frame around it, was not accepted.
///
/// The error says where ([`offset`](Self::offset)), what ([`reason`](Self::reason)), and which answer the RFC asks
/// for ([`status`](Self::status)). A broken request can still be answered from what
/// [`Message::parse_lenient_for_reply`](crate::Message::parse_lenient_for_reply) finds in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    kind: ParseErrorKind,
    offset: u32,
    request: bool,
}

/// What was wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// There is no byte, or only line ends: a keep-alive (RFC 5626 §4.4.1), not a message.
    Empty,
    /// The start line is neither a request line nor a status line of SIP.
    NotSip,
    /// The request line is broken (RFC 3261 §7.1): spaces, method or Request-URI.
    RequestLine,
    /// The status line is broken (RFC 3261 §7.2).
    StatusLine,
    /// A SIP version other than 2.0 (RFC 3261 §7.1): 505.
    Version,
    /// The method is not a token.
    Method,
    /// The Request-URI has a scheme that is not understood: 416.
    UriScheme,
    /// The Request-URI is malformed (RFC 3261 §19.1).
    Uri,
    /// A line feed without a carriage return, or a carriage return without a line feed.
    LineEnd,
    /// A header field has no colon, or its name is not a token.
    FieldName,
    /// A control character in the head.
    ControlCharacter,
    /// The head is not UTF-8 (RFC 3261 §7).
    NotUtf8,
    /// The message ends before the empty line after the header fields.
    Truncated,
    /// Content-Length is not a number, or too large for one.
    ContentLength,
    /// Content-Length says more bytes than the datagram has (RFC 3261 §18.3).
    BodyTruncated,
    /// Content-Length is absent on a stream (RFC 3261 §18.3).
    ContentLengthMissing,
    /// No Via (RFC 3261 §8.1.1): there is no way to answer.
    ViaMissing,
    /// No From.
    FromMissing,
    /// No To.
    ToMissing,
    /// No Call-ID.
    CallIdMissing,
    /// No CSeq.
    CSeqMissing,
    /// A field that may occur once occurs twice (RFC 3261 §7.3.1).
    Duplicate,
    /// The top Via is malformed.
    Via,
    /// From is malformed.
    From,
    /// To is malformed.
    To,
    /// Call-ID is malformed.
    CallId,
    /// CSeq is malformed or not below 2^31 (RFC 3261 §8.1.1.5).
    CSeq,
    /// The method in CSeq is not the one in the request line.
    CSeqMethod,
    /// Max-Forwards is not a number of 0 to 255.
    MaxForwards,
    /// Another header field whose grammar this crate knows is malformed.
    Field,
    /// The message is larger than [`Limits::message_size`](crate::Limits::message_size): 513.
    MessageTooLarge,
    /// The head is larger than [`Limits::head_size`](crate::Limits::head_size): 513.
    HeadTooLarge,
    /// The start line is longer than [`Limits::start_line_size`](crate::Limits::start_line_size): 414 or 513.
    StartLineTooLong,
    /// A field is longer than [`Limits::field_size`](crate::Limits::field_size).
    FieldTooLong,
    /// There are more fields than [`Limits::fields`](crate::Limits::fields).
    TooManyFields,
    /// A value has more parameters than [`Limits::parameters`](crate::Limits::parameters).
    TooManyParameters,
}

impl ParseError {
    pub(crate) fn new(kind: ParseErrorKind, offset: usize, request: bool) -> Self {
        Self {
            kind,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            request,
        }
    }

    /// What was wrong.
    #[must_use]
    pub const fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// Where, in bytes from the start of the datagram or of the frame.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset as usize
    }

    /// Was the start line that of a request? Only requests are answered.
    #[must_use]
    pub const fn is_request(&self) -> bool {
        self.request
    }

    /// The response that the RFC asks for, or `None` where the message is to be discarded: responses, what is not
    /// SIP, and a request without Via, which nothing can be answered to.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        use ParseErrorKind as K;
        if !self.request {
            return None;
        }
        match self.kind {
            K::Empty | K::NotSip | K::ViaMissing => None,
            // RFC 3261 §21.5.6.
            K::Version => Some(StatusCode::VERSION_NOT_SUPPORTED),
            // RFC 3261 §21.4.14.
            K::UriScheme => Some(StatusCode::UNSUPPORTED_URI_SCHEME),
            // RFC 3261 §21.4.12.
            K::StartLineTooLong => Some(StatusCode::URI_TOO_LONG),
            // RFC 3261 §21.5.7.
            K::MessageTooLarge
            | K::HeadTooLarge
            | K::FieldTooLong
            | K::TooManyFields
            | K::TooManyParameters => Some(StatusCode::MESSAGE_TOO_LARGE),
            K::RequestLine
            | K::StatusLine
            | K::Method
            | K::Uri
            | K::LineEnd
            | K::FieldName
            | K::ControlCharacter
            | K::NotUtf8
            | K::Truncated
            | K::ContentLength
            | K::BodyTruncated
            | K::ContentLengthMissing
            | K::FromMissing
            | K::ToMissing
            | K::CallIdMissing
            | K::CSeqMissing
            | K::Duplicate
            | K::Via
            | K::From
            | K::To
            | K::CallId
            | K::CSeq
            | K::CSeqMethod
            | K::MaxForwards
            | K::Field => Some(StatusCode::BAD_REQUEST),
        }
    }

    /// A reason fit for a reason phrase: "the Reason-Phrase SHOULD identify the syntax problem in more detail"
    /// (RFC 3261 §21.4.1).
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        use ParseErrorKind as K;
        match self.kind {
            K::Empty => "Empty message",
            K::NotSip => "Not a SIP message",
            K::RequestLine => "Malformed request line",
            K::StatusLine => "Malformed status line",
            K::Version => "Version Not Supported",
            K::Method => "Malformed method",
            K::UriScheme => "Unsupported URI Scheme",
            K::Uri => "Malformed Request-URI",
            K::LineEnd => "Bare CR or LF in the header",
            K::FieldName => "Malformed header field name",
            K::ControlCharacter => "Control character in the header",
            K::NotUtf8 => "Header is not UTF-8",
            K::Truncated => "No empty line after the header",
            K::ContentLength => "Malformed Content-Length",
            K::BodyTruncated => "Content-Length exceeds the body",
            K::ContentLengthMissing => "Content-Length missing",
            K::ViaMissing => "Via missing",
            K::FromMissing => "From missing",
            K::ToMissing => "To missing",
            K::CallIdMissing => "Call-ID missing",
            K::CSeqMissing => "CSeq missing",
            K::Duplicate => "Header field repeated that may occur once",
            K::Via => "Malformed Via",
            K::From => "Malformed From",
            K::To => "Malformed To",
            K::CallId => "Malformed Call-ID",
            K::CSeq => "Malformed CSeq",
            K::CSeqMethod => "CSeq method does not match the request",
            K::MaxForwards => "Malformed Max-Forwards",
            K::Field => "Malformed header field",
            K::MessageTooLarge => "Message Too Large",
            K::HeadTooLarge => "Header Too Large",
            K::StartLineTooLong => "Request-URI Too Long",
            K::FieldTooLong => "Header Field Too Long",
            K::TooManyFields => "Too Many Header Fields",
            K::TooManyParameters => "Too Many Parameters",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.reason(), self.offset)
    }
}

impl core::error::Error for ParseError {}

/// Why the value of a header field does not have the form that its RFC gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderError {
    reason: &'static str,
    offset: u32,
}

impl HeaderError {
    /// An error with a static reason, at `offset` bytes into the value.
    #[must_use]
    pub fn new(reason: &'static str, offset: usize) -> Self {
        Self {
            reason,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
        }
    }

    /// What was wrong.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    /// Where, in bytes from the start of the value.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset as usize
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {} of the value)", self.reason, self.offset)
    }
}

impl core::error::Error for HeaderError {}

/// Why a builder could not make a message: the caller's mistake, reproducible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The Request-URI is empty or has a space or control character.
    Uri,
    /// A field name is not a token.
    FieldName,
    /// A mandatory field is missing; its name (RFC 3261 §8.1.1).
    Missing(&'static str),
    /// The message would exceed 2^31 bytes.
    TooLarge,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri => {
                f.write_str("the Request-URI is empty or has a space or control character")
            }
            Self::FieldName => f.write_str("a header field name is not a token"),
            Self::Missing(name) => write!(f, "the mandatory header field {name} is missing"),
            Self::TooLarge => f.write_str("the message is too large"),
        }
    }
}

impl core::error::Error for BuildError {}
