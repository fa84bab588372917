//! [`Part`]: bodies with parts (RFC 2046 §5.1, RFC 5621).

mod delimiter;
mod select;

use alloc::borrow::Cow;
use alloc::vec::Vec;

use bytes::Bytes;

use self::delimiter::Delimiters;
use crate::config::{Limits, ParserConfig};
use crate::error::HeaderError;
use crate::header::{ContentDisposition, ContentId, ContentType};
use crate::headers::Headers;
use crate::name::HeaderName;
use crate::parse;

/// The fields that are about a body and go along with it.
const ABOUT_A_BODY: [HeaderName; 6] = [
    HeaderName::ContentType,
    HeaderName::ContentDisposition,
    HeaderName::ContentEncoding,
    HeaderName::ContentLanguage,
    HeaderName::ContentTransferEncoding,
    HeaderName::ContentId,
];

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
    room: Room,
}

/// How many parts a body may have, and how much deeper they may be nested.
#[derive(Clone, Copy, Debug)]
struct Room {
    parts: usize,
    depth: u8,
}

impl Room {
    const fn of(limits: &Limits) -> Self {
        Self {
            parts: limits.body_parts,
            depth: limits.body_depth,
        }
    }
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
            room: Room::of(&Limits::default()),
        }
    }

    /// The body of a message as its parts. A body that is not multipart is its own only part, with the fields of the
    /// message that are about the body; a message without body has no part.
    ///
    /// # Errors
    /// When there is a body without Content-Type (RFC 3261 §20.15), or as [`parse_all`](Self::parse_all).
    pub fn of_message(
        headers: &Headers,
        body: Bytes,
        limits: &Limits,
    ) -> Result<Vec<Self>, HeaderError> {
        if body.is_empty() {
            return Ok(Vec::new());
        }
        let content_type = headers
            .typed::<ContentType<'_>>()?
            .ok_or_else(|| HeaderError::new("Content-Type missing", 0))?;
        let mut parts = Self::parse_all_within(&content_type, body, limits)?;
        let is_whole = boundary_of(&content_type).is_none();
        if let Some(part) = parts.first_mut().filter(|_| is_whole) {
            part.headers = Headers::with_capacity(64);
            for name in ABOUT_A_BODY {
                part.headers.copy_from(headers, &name);
            }
        }
        Ok(parts)
    }

    /// The parts of a body whose type this is, within the default limits. Without a boundary parameter, or when the type
    /// is not multipart, the body is its own only part (RFC 5621 §3).
    ///
    /// # Errors
    /// When the boundary is not found, the last part is not closed, or a limit is reached.
    pub fn parse_all(
        content_type: &ContentType<'_>,
        body: Bytes,
    ) -> Result<Vec<Self>, HeaderError> {
        Self::parse_all_within(content_type, body, &Limits::default())
    }

    /// [`parse_all`](Self::parse_all) within [`Limits::body_parts`] and [`Limits::body_depth`].
    ///
    /// # Errors
    /// As [`parse_all`](Self::parse_all).
    pub fn parse_all_within(
        content_type: &ContentType<'_>,
        body: Bytes,
        limits: &Limits,
    ) -> Result<Vec<Self>, HeaderError> {
        Self::split(content_type, body, Room::of(limits))
    }

    fn split(
        content_type: &ContentType<'_>,
        body: Bytes,
        room: Room,
    ) -> Result<Vec<Self>, HeaderError> {
        let Some(boundary) = boundary_of(content_type) else {
            let mut part = Self::new("", body);
            part.headers.replace_typed(content_type);
            part.room = room;
            return Ok(alloc::vec![part]);
        };
        // RFC 2046 §5.1.1: at most 70 characters.
        if boundary.len() > 70 {
            return Err(HeaderError::new("multipart boundary too long", 0));
        }
        let Some(depth) = room.depth.checked_sub(1) else {
            return Err(HeaderError::new("multipart nested too deeply", 0));
        };
        let mut parts = Vec::new();
        let mut delimiters = Delimiters::new(&body, boundary.as_bytes());
        let mut open = delimiters
            .next()
            .ok_or_else(|| HeaderError::new("multipart boundary not found", 0))?;
        while !open.last {
            let next = delimiters
                .next()
                .ok_or_else(|| HeaderError::new("multipart body not closed", body.len()))?;
            if parts.len() >= room.parts {
                return Err(HeaderError::new("too many parts", next.start));
            }
            parts.push(Self::parse(
                &body.slice(open.end..next.start.max(open.end)),
                Room { depth, ..room },
                open.end,
            )?);
            open = next;
        }
        Ok(parts)
    }

    /// Header fields up to an empty line, then the content. Both may be empty.
    fn parse(bytes: &Bytes, room: Room, offset: usize) -> Result<Self, HeaderError> {
        let config = ParserConfig {
            accept_non_utf8: true,
            ..ParserConfig::default()
        };
        let (headers, content) = parse::part_fields(bytes, &config)
            .map_err(|error| HeaderError::new(error.reason(), offset + error.offset()))?;
        Ok(Self {
            headers,
            content,
            room,
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

    /// What the part is for. Without Content-Disposition it is `session` for a session description and `render` for all
    /// else (RFC 3261 §20.11).
    #[must_use]
    pub fn disposition(&self) -> ContentDisposition<'_> {
        self.headers.typed().ok().flatten().unwrap_or_else(|| {
            ContentDisposition::new(if self.content_type().is("application/sdp") {
                "session"
            } else {
                "render"
            })
        })
    }

    /// Must a recipient who does not understand the part refuse the message (RFC 5621 §8, RFC 3261 §20.11)?
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.disposition().is_required()
    }

    /// The name of the part for `cid:` URIs (RFC 5621 §9, RFC 8262).
    #[must_use]
    pub fn content_id(&self) -> Option<ContentId<'_>> {
        self.headers.typed().ok().flatten()
    }

    /// The parts of this part, if it is a multipart itself; else the part alone.
    ///
    /// # Errors
    /// As [`parse_all`](Self::parse_all).
    pub fn parts(&self) -> Result<Vec<Self>, HeaderError> {
        Self::split(&self.content_type(), self.content.clone(), self.room)
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

/// What separates the parts of a body of this type; `None` if it has none.
fn boundary_of<'a>(content_type: &'a ContentType<'_>) -> Option<Cow<'a, str>> {
    content_type
        .params()
        .unquoted("boundary")
        .filter(|boundary| {
            !boundary.is_empty() && content_type.kind().eq_ignore_ascii_case("multipart")
        })
}

#[cfg(test)]
mod tests;
