//! [`SipFrag`]: `message/sipfrag` (RFC 3420).

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::ParserConfig;
use crate::error::ParseError;
use crate::headers::Headers;
use crate::name::HeaderName;
use crate::parse;

/// The start line and header fields of a message, as `message/sipfrag` carries them (RFC 3420): any of its parts may
/// be missing.
///
/// ```
/// use sip_message::{SipFrag, StatusCode};
/// let frag = SipFrag::parse(b"SIP/2.0 180 Ringing\r\n"[..].into()).unwrap();
/// assert_eq!(frag.status(), Some(StatusCode::RINGING));
/// assert_eq!(SipFrag::status_line(StatusCode::TRYING), "SIP/2.0 100 Trying\r\n");
/// ```
#[derive(Clone, Debug)]
pub struct SipFrag {
    start_line: Option<String>,
    status: Option<crate::StatusCode>,
    headers: Headers,
    body: Bytes,
}

impl SipFrag {
    /// Reads a fragment. A last line without CRLF is read as if it had one: many user agents leave it out of NOTIFY.
    ///
    /// # Errors
    /// When a line is neither a start line nor a field.
    pub fn parse(bytes: Bytes) -> Result<Self, ParseError> {
        parse::fragment(bytes, &ParserConfig::default())
    }

    pub(crate) const fn from_parts(
        start_line: Option<String>,
        status: Option<crate::StatusCode>,
        headers: Headers,
        body: Bytes,
    ) -> Self {
        Self {
            start_line,
            status,
            headers,
            body,
        }
    }

    /// A fragment that is the status line of a response: what a NOTIFY for a REFER carries (RFC 3515 §2.4.5).
    #[must_use]
    pub fn status_line(status: crate::StatusCode) -> String {
        let mut out = Vec::new();
        crate::response::write_status_line(&mut out, status, status.reason_phrase());
        String::from_utf8(out).unwrap_or_default()
    }

    /// A fragment of the fields of a message that have these names, as they are there and in its order: what is signed as
    /// an authenticated identity body (RFC 3893 §2).
    #[must_use]
    pub fn fields_of(headers: &Headers, names: &[HeaderName]) -> String {
        let mut out = String::new();
        for field in headers.fields() {
            if names.iter().any(|name| field.is(name)) {
                out.push_str(&String::from_utf8_lossy(field.line()));
            }
        }
        out
    }

    /// The start line, if there is one.
    #[must_use]
    pub fn start_line(&self) -> Option<&str> {
        self.start_line.as_deref()
    }

    /// The status, if the start line is a status line.
    #[must_use]
    pub const fn status(&self) -> Option<crate::StatusCode> {
        self.status
    }

    /// The header fields.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StatusCode;

    #[test]
    fn rfc3420_2_1_fragments() {
        let frag = SipFrag::parse(Bytes::from_static(
            b"INVITE sip:alice@atlanta.com SIP/2.0\r\nFrom: x\r\n\r\nbody",
        ))
        .unwrap();
        assert_eq!(
            frag.start_line(),
            Some("INVITE sip:alice@atlanta.com SIP/2.0")
        );
        assert_eq!(
            (frag.headers().get(HeaderName::From), frag.body()),
            (Some("x"), &b"body"[..])
        );
        let frag = SipFrag::parse(Bytes::from_static(
            b"From: Alice <sip:a>;tag=1\r\nTo: Bob <sip:b>",
        ))
        .unwrap();
        assert_eq!((frag.start_line(), frag.headers().len()), (None, 2));
        let frag = SipFrag::parse(Bytes::from_static(b"SIP/2.0 603 Declined")).unwrap();
        assert_eq!(frag.status(), Some(StatusCode::DECLINE));
        assert!(SipFrag::parse(Bytes::from_static(b"nonsense here")).is_err());
        let frag = SipFrag::parse(Bytes::new()).unwrap();
        assert!(frag.start_line().is_none() && frag.headers().is_empty());
    }

    #[test]
    fn rfc3893_2_fields_of_a_message() {
        let message = crate::Message::parse(
            Bytes::from_static(include_bytes!("../tests/data/rfc4475/wsinv.dat")),
            &ParserConfig::default(),
        )
        .unwrap();
        let text = SipFrag::fields_of(
            message.headers(),
            &[HeaderName::From, HeaderName::CallId, HeaderName::Date],
        );
        assert_eq!(
            text,
            "from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n\
             Call-ID: wsinv.ndaksdj@192.0.2.1\r\n"
        );
    }
}
