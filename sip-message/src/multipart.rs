//! Bodies with parts: multipart (RFC 2046 §5.1, RFC 5621) and `message/sipfrag` (RFC 3420).

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::ParserConfig;
use crate::error::{HeaderError, ParseError};
use crate::header::{ContentDisposition, ContentType};
use crate::headers::Headers;
use crate::name::HeaderName;
use crate::parse;

/// How many parts one body may have. Stops a body of boundaries alone from making a part of every few bytes.
pub const MAX_PARTS: usize = 64;
/// How deep bodies may be nested in [`Part::parts`]. Stops a body that is nested as often as it has room for.
pub const MAX_DEPTH: u8 = 8;

/// One part of a multipart body: header fields and content. It shares the buffer of the message.
///
/// ```
/// use sip_message::{HeaderName, Part, header::ContentType};
/// let body = b"--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1--\r\n";
/// let kind = ContentType::parse("multipart/mixed;boundary=b1").unwrap();
/// let parts = Part::parse_all(&kind, body[..].into()).unwrap();
/// assert_eq!(parts.len(), 2);
/// assert!(parts[0].content_type().is("application/sdp"));
/// assert_eq!(parts[0].content(), b"v=0\r\n");
/// assert_eq!(parts[1].content(), b"hi");
/// ```
#[derive(Clone, Debug)]
pub struct Part {
    headers: Headers,
    content: Bytes,
    depth: u8,
}

impl Part {
    /// A part to build a body from.
    #[must_use]
    pub fn new(content_type: &str, content: impl Into<Bytes>) -> Self {
        let mut headers = Headers::with_capacity(64);
        headers.push_back(HeaderName::ContentType, content_type);
        Self {
            headers,
            content: content.into(),
            depth: 0,
        }
    }

    /// The parts of a body whose type this is. Without a boundary parameter, or when the type is not multipart, the
    /// body is its own only part (RFC 5621 §3).
    ///
    /// # Errors
    /// When the boundary is not found, the last part is not closed, or a limit is reached.
    pub fn parse_all(
        content_type: &ContentType<'_>,
        body: Bytes,
    ) -> Result<Vec<Self>, HeaderError> {
        Self::split(content_type, body, 1)
    }

    fn split(
        content_type: &ContentType<'_>,
        body: Bytes,
        depth: u8,
    ) -> Result<Vec<Self>, HeaderError> {
        let boundary = content_type
            .params()
            .unquoted("boundary")
            .filter(|boundary| !boundary.is_empty());
        let multipart = content_type.kind().eq_ignore_ascii_case("multipart");
        let Some(boundary) = boundary.filter(|_| multipart) else {
            let mut part = Self::new("", body);
            part.headers.replace_typed(content_type);
            part.depth = depth;
            return Ok(alloc::vec![part]);
        };
        // RFC 2046 §5.1.1: at most 70 characters.
        if boundary.len() > 70 {
            return Err(HeaderError::new("multipart boundary too long", 0));
        }
        if depth > MAX_DEPTH {
            return Err(HeaderError::new("multipart nested too deeply", 0));
        }
        let mut parts = Vec::new();
        let mut delimiters = Delimiters {
            body: &body,
            boundary: boundary.as_bytes(),
            pos: 0,
        };
        let mut open = delimiters
            .next()
            .ok_or_else(|| HeaderError::new("multipart boundary not found", 0))?;
        while !open.last {
            let next = delimiters
                .next()
                .ok_or_else(|| HeaderError::new("multipart body not closed", body.len()))?;
            if parts.len() >= MAX_PARTS {
                return Err(HeaderError::new("too many parts", next.start));
            }
            parts.push(Self::parse(
                &body.slice(open.end..next.start.max(open.end)),
                depth,
                open.end,
            )?);
            open = next;
        }
        Ok(parts)
    }

    /// Header fields up to an empty line, then the content. Both may be empty.
    fn parse(bytes: &Bytes, depth: u8, offset: usize) -> Result<Self, HeaderError> {
        let config = ParserConfig {
            accept_non_utf8: true,
            ..ParserConfig::default()
        };
        let (headers, content) = parse::part_fields(bytes, &config)
            .map_err(|error| HeaderError::new(error.reason(), offset + error.offset()))?;
        Ok(Self {
            headers,
            content,
            depth,
        })
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

    /// The content.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The content as shared bytes.
    #[must_use]
    pub fn content_bytes(&self) -> Bytes {
        self.content.clone()
    }

    /// The type of the content; `text/plain` when none is given (RFC 2046 §5.1).
    #[must_use]
    pub fn content_type(&self) -> ContentType<'_> {
        self.headers
            .typed()
            .ok()
            .flatten()
            .unwrap_or_else(ContentType::text_plain)
    }

    /// Must a recipient who does not understand the part refuse the message (RFC 5621 §8, RFC 3261 §20.11)?
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.headers
            .typed::<ContentDisposition<'_>>()
            .ok()
            .flatten()
            .is_none_or(|disposition| disposition.is_required())
    }

    /// The parts of this part, if it is a multipart itself; else the part alone.
    ///
    /// # Errors
    /// As [`parse_all`](Self::parse_all).
    pub fn parts(&self) -> Result<Vec<Self>, HeaderError> {
        Self::split(
            &self.content_type(),
            self.content.clone(),
            self.depth.saturating_add(1),
        )
    }

    /// A body of these parts, to send with `multipart/mixed;boundary=...`. The boundary must be in none of the parts;
    /// one of 128 random bits is not.
    #[must_use]
    pub fn encode_all(parts: &[Self], boundary: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for part in parts {
            out.extend_from_slice(b"--");
            out.extend_from_slice(boundary.as_bytes());
            out.extend_from_slice(b"\r\n");
            part.headers.encode_lines(&mut out);
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(&part.content);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"--");
        out.extend_from_slice(boundary.as_bytes());
        out.extend_from_slice(b"--\r\n");
        out
    }
}

/// A line `--boundary`: where the part before it ends, where the one after it begins.
struct Delimiter {
    start: usize,
    end: usize,
    last: bool,
}

struct Delimiters<'a> {
    body: &'a [u8],
    boundary: &'a [u8],
    pos: usize,
}

impl Iterator for Delimiters<'_> {
    type Item = Delimiter;

    fn next(&mut self) -> Option<Delimiter> {
        loop {
            let rest = self.body.get(self.pos..)?;
            let at = self.pos + memchr::memmem::find(rest, b"--")?;
            self.pos = at + 1;
            let before = self.body.get(..at)?;
            // RFC 2046 §5.1.1: the delimiter is at the start of a line, and that line's end before it belongs to it.
            if !(before.is_empty() || before.ends_with(b"\r\n")) {
                continue;
            }
            let Some(after) = self
                .body
                .get(at + 2..)
                .and_then(|text| text.strip_prefix(self.boundary))
            else {
                continue;
            };
            let last = after.starts_with(b"--");
            let after = if last { after.get(2..)? } else { after };
            // Padding of white space up to the end of the line; the last delimiter may end the body.
            let padding = after
                .iter()
                .take_while(|&&b| matches!(b, b' ' | b'\t'))
                .count();
            let line_end = after.get(padding..)?;
            if !(line_end.starts_with(b"\r\n") || last && line_end.is_empty()) {
                continue;
            }
            let skipped = self.body.len() - after.len() + padding;
            let end = (skipped + 2).min(self.body.len());
            // The next search begins at the line end, which may be that of the next delimiter as well.
            self.pos = skipped;
            return Some(Delimiter {
                start: at.saturating_sub(2),
                end,
                last,
            });
        }
    }
}

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

    fn parts(boundary: &str, body: &str) -> Result<Vec<Part>, HeaderError> {
        let kind = alloc::format!("multipart/mixed; boundary=\"{boundary}\"");
        Part::parse_all(
            &ContentType::parse(&kind).unwrap(),
            Bytes::copy_from_slice(body.as_bytes()),
        )
    }

    fn contents(boundary: &str, body: &str) -> Vec<String> {
        let parts = parts(boundary, body).unwrap();
        parts
            .iter()
            .map(|part| String::from_utf8(part.content().to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn rfc2046_5_1_1_example() {
        let body = "This is the preamble.\r\n--simple boundary\r\n\r\nimplicit\r\n--simple boundary  \r\n\
            Content-type: text/plain; charset=us-ascii\r\n\r\nexplicit\r\n\r\n--simple boundary--\r\nThe epilogue.";
        assert_eq!(
            contents("simple boundary", body),
            ["implicit", "explicit\r\n"]
        );
        let found = parts("simple boundary", body).unwrap();
        assert!(found[0].content_type().is("text/plain"));
        assert_eq!(
            found[1].content_type().params().get("charset"),
            Some("us-ascii")
        );
    }

    #[test]
    fn delimiters_are_whole_lines() {
        assert_eq!(
            contents("b", "--b\r\n\r\n--bb\r\n--b x\r\nx--b\r\n--b--"),
            ["--bb\r\n--b x\r\nx--b"]
        );
        assert_eq!(contents("b", "--b\r\n\r\n\r\n--b--"), [""]);
        assert_eq!(contents("b", "--b\r\n--b--"), [""]);
        assert!(contents("b", "--b--").is_empty());
        for (body, reason) in [
            ("no delimiter", "multipart boundary not found"),
            ("--b\r\n\r\nx", "multipart body not closed"),
            (
                "--b\r\nno colon\r\n\r\nx\r\n--b--",
                "Malformed header field name",
            ),
        ] {
            assert_eq!(parts("b", body).unwrap_err().reason(), reason);
        }
    }

    #[test]
    fn rfc5621_3_nesting_and_its_limits() {
        let inner = Part::encode_all(&[Part::new("text/plain", "deep")], "in");
        let outer = Part::encode_all(
            &[
                Part::new("multipart/mixed;boundary=in", inner),
                Part::new("a/b", "c"),
            ],
            "out",
        );
        let found = parts("out", core::str::from_utf8(&outer).unwrap()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].parts().unwrap()[0].content(), b"deep");
        assert_eq!(found[1].parts().unwrap()[0].content(), b"c");
        // A part that contains itself for ever: the same boundary at each level.
        let mut level = Part::new(
            "multipart/mixed;boundary=b",
            "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b--",
        );
        let mut depth = 0;
        let reason = loop {
            match level.parts() {
                Ok(found) => match found.into_iter().next() {
                    Some(part) => {
                        let again = Bytes::copy_from_slice(
                            b"--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b--",
                        );
                        level = Part {
                            content: again,
                            ..part
                        };
                    }
                    None => panic!("ended early"),
                },
                Err(error) => break error.reason(),
            }
            depth += 1;
        };
        assert_eq!((depth, reason), (MAX_DEPTH, "multipart nested too deeply"));
        let many = "--b\r\n\r\n".repeat(MAX_PARTS + 1) + "--b--";
        assert_eq!(parts("b", &many).unwrap_err().reason(), "too many parts");
    }

    #[test]
    fn what_is_not_multipart_is_its_only_part() {
        let kind = ContentType::parse("application/sdp").unwrap();
        let found = Part::parse_all(&kind, Bytes::from_static(b"v=0\r\n")).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].content_type().is("application/sdp") && found[0].is_required());
    }

    #[test]
    fn rfc4475_3_1_1_11_parts() {
        let datagram = Bytes::from_static(include_bytes!("../tests/data/rfc4475/mpart01.dat"));
        let message = crate::Message::parse(datagram, &ParserConfig::default()).unwrap();
        let kind: ContentType<'_> = message.headers().typed().unwrap().unwrap();
        let found = Part::parse_all(&kind, message.body_bytes()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].content(), b"Hello");
        assert_eq!(
            found[1].headers().get(HeaderName::ContentTransferEncoding),
            Some("binary")
        );
        assert!(found[1].content().contains(&0));
    }

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
}
