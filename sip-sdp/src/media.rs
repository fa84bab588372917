//! A media description: the `m=` line and what belongs to it (RFC 8866 §5.14).

use alloc::string::String;
use core::fmt::Write as _;

use crate::attribute::{Attribute, AttributeIter, Attributes, Direction, Mid};
use crate::config::ParserConfig;
use crate::description::SessionDescription;
use crate::description::parse::single_spaces;
use crate::error::AttributeError;
use crate::fields::{Bandwidth, Connection, Key, is_protocol};
use crate::grammar::{Scan, ValueError, number};
use crate::line::LineType;

/// `m=<media> <port>[/<number of ports>] <proto> <fmt> ...` (RFC 8866 §5.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8866 §5.14")]
pub struct MediaLine<'a> {
    /// `audio`, `video`, `text`, `application`, `message`, `image` or another token.
    pub kind: &'a str,
    /// Transport port; 0 is rejected or removed (RFC 3264 §6).
    pub port: u16,
    /// Number of port pairs of hierarchically encoded streams.
    pub port_count: Option<u16>,
    /// `RTP/AVP` and the like.
    pub protocol: &'a str,
    /// Formats separated by single spaces.
    pub formats: &'a str,
}

impl<'a> MediaLine<'a> {
    /// What parsing checks.
    #[inline]
    pub(crate) fn check(value: &'a str, config: &ParserConfig) -> Result<(), ValueError> {
        let decoded = Self::decode_with(value);
        if !config.extra_spaces {
            match &decoded {
                // RFC 8866 §5: one space between fields; what is before the formats has been counted.
                Ok((_, true, formats)) => single_spaces(formats).map_err(|error| {
                    ValueError::new(error.offset + value.len() - formats.len(), error.reason)
                })?,
                Ok((_, false, _)) | Err(_) => single_spaces(value)?,
            }
        }
        let (line, _, _) = decoded?;
        if line.formats.is_empty() && !config.missing_formats {
            return Err(ValueError::new(value.len(), "a format is missing"));
        }
        Ok(())
    }

    pub(crate) fn decode(value: &'a str) -> Result<Self, ValueError> {
        Self::decode_with(value).map(|(line, _, _)| line)
    }

    /// The line, whether its fields before the formats have single spaces between, and the formats as they stand.
    #[inline]
    fn decode_with(value: &'a str) -> Result<(Self, bool, &'a str), ValueError> {
        if let Some(line) = Self::decode_usual(value) {
            return Ok((line, true, line.formats));
        }
        Self::decode_any(value)
    }

    /// What nearly every one is: a kind and a protocol that everybody uses, one port, single spaces.
    #[inline]
    fn decode_usual(value: &'a str) -> Option<Self> {
        let (kind, rest) = first_word(value, ["audio ", "video "])?;
        let digits = rest.bytes().position(|byte| byte == b' ')?;
        let (port, rest) = rest.split_at_checked(digits)?;
        let port = number(port)?;
        let protocols = ["RTP/AVP ", "UDP/TLS/RTP/SAVPF ", "RTP/SAVP "];
        let (protocol, formats) = first_word(rest.get(1..)?, protocols)?;
        let is_plain = !matches!(formats.as_bytes(), [] | [b' ', ..] | [.., b' ']);
        is_plain.then_some(Self {
            kind,
            port,
            port_count: None,
            protocol,
            formats,
        })
    }

    fn decode_any(value: &'a str) -> Result<(Self, bool, &'a str), ValueError> {
        let mut scan = Scan::new(value);
        let mut spaces = usize::from(scan.spaces());
        let kind = scan.token("the media type is missing")?;
        if !scan.spaces() {
            return Err(scan.error("a space must follow the media type"));
        }
        let start = scan.offset();
        // RFC 3108 §5.1: `$` and `-` stand for a port to be chosen in ATM descriptions.
        let port = if scan.accept(b'$') || scan.accept(b'-') {
            0
        } else {
            scan.number("the port is not 0 to 65535")?
        };
        let port_count = if scan.accept(b'/') {
            Some(scan.number("the number of ports is not 0 to 65535")?)
        } else {
            None
        };
        let ports = scan.offset() - start;
        if !scan.spaces() {
            return Err(scan.error("a space must follow the port"));
        }
        let start = scan;
        let protocol = scan.word("the protocol is missing")?;
        if !is_protocol(protocol) {
            return Err(start.error("the protocol is not tokens with slashes between"));
        }
        spaces += 2 + usize::from(scan.spaces());
        let rest = scan.rest();
        let is_single =
            scan.offset() == kind.len() + ports + protocol.len() + spaces && !rest.is_empty();
        let formats = rest.trim_end_matches(' ');
        Ok((
            Self {
                kind,
                port,
                port_count,
                protocol,
                formats,
            },
            is_single,
            rest,
        ))
    }

    pub(crate) fn encode(&self, out: &mut String) {
        let Self {
            kind,
            port,
            protocol,
            formats,
            ..
        } = self;
        // Writing to a String cannot fail.
        let _ = write!(out, "{kind} {port}");
        if let Some(count) = self.port_count {
            let _ = write!(out, "/{count}");
        }
        let _ = write!(out, " {protocol} {formats}");
    }
}

/// Which of these words, each with its space, comes first, and what follows it.
#[inline]
fn first_word<'a, const N: usize>(
    text: &'a str,
    words: [&'static str; N],
) -> Option<(&'static str, &'a str)> {
    words
        .into_iter()
        .find_map(|word| Some((word.trim_ascii_end(), text.strip_prefix(word)?)))
}

/// A view of one media description.
#[derive(Debug, Clone, Copy)]
pub struct Media<'a> {
    description: &'a SessionDescription,
    index: usize,
    line: MediaLine<'a>,
}

impl<'a> Media<'a> {
    pub(crate) fn new(description: &'a SessionDescription, index: usize) -> Self {
        let value = description
            .line(description.media_lines(index).start)
            .map(|line| description.value(line));
        // The line was checked when it was parsed or added.
        let line = MediaLine::decode(value.unwrap_or_default()).unwrap_or(MediaLine {
            kind: "",
            port: 0,
            port_count: None,
            protocol: "",
            formats: "",
        });
        Self {
            description,
            index,
            line,
        }
    }

    /// Position among the media descriptions, from 0.
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The `m=` line.
    pub const fn line(&self) -> MediaLine<'a> {
        self.line
    }

    /// `audio`, `video` and so on.
    pub const fn kind(&self) -> &'a str {
        self.line.kind
    }

    /// The port; 0 is rejected, removed, or (with `a=bundle-only`) bundled.
    pub const fn port(&self) -> u16 {
        self.line.port
    }

    /// The protocol.
    pub const fn protocol(&self) -> &'a str {
        self.line.protocol
    }

    /// The formats in order: payload types of RTP.
    pub fn formats(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.line.formats.split_ascii_whitespace()
    }

    /// `i=` of this media description.
    pub fn title(&self) -> Option<&'a str> {
        self.values(LineType::Information).next()
    }

    /// The `c=` lines of this media description.
    pub fn connections(&self) -> impl Iterator<Item = Connection<'a>> + use<'a> {
        self.values(LineType::Connection)
            .filter_map(|value| Connection::decode(value).ok())
    }

    /// The `c=` that holds here: its own, else the session's (RFC 8866 §5.7).
    pub fn connection(&self) -> Option<Connection<'a>> {
        self.connections()
            .next()
            .or_else(|| self.description.connection())
    }

    /// The `b=` lines of this media description.
    pub fn bandwidths(&self) -> impl Iterator<Item = Bandwidth<'a>> + use<'a> {
        self.values(LineType::Bandwidth)
            .filter_map(|value| Bandwidth::decode(value).ok())
    }

    /// `k=` of this media description.
    pub fn key(&self) -> Option<Key<'a>> {
        self.values(LineType::Key)
            .find_map(|value| Key::decode(value).ok())
    }

    /// The attributes of this media description in order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.description, self.description.media_lines(self.index))
    }

    /// The first attribute of this type, decoded.
    ///
    /// # Errors
    /// When it is there but malformed.
    pub fn attribute<A: Attribute<'a>>(&self) -> Result<Option<A>, AttributeError> {
        self.attributes().first()
    }

    /// The first attribute of this type here, else that of the session.
    ///
    /// # Errors
    /// When it is there but malformed.
    pub fn attribute_or_session<A: Attribute<'a>>(&self) -> Result<Option<A>, AttributeError> {
        match self.attribute()? {
            Some(attribute) => Ok(Some(attribute)),
            None => self.description.attribute(),
        }
    }

    /// All attributes of this type, decoded.
    pub fn attributes_of<A: Attribute<'a>>(&self) -> AttributeIter<'a, A> {
        self.attributes().of()
    }

    /// Whether there is an attribute of this name.
    pub fn has_attribute(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    /// `a=mid` (RFC 5888 §4).
    pub fn mid(&self) -> Option<&'a str> {
        self.attribute::<Mid<'_>>().ok().flatten().map(|mid| mid.0)
    }

    /// The direction that holds here: its own, else the session's, else `sendrecv` (RFC 8866 §6.7).
    pub fn direction(&self) -> Direction {
        Direction::of(self.attributes()).unwrap_or_else(|| self.description.direction())
    }

    fn values(&self, line_type: LineType) -> impl Iterator<Item = &'a str> + use<'a> {
        let description = self.description;
        description.values(description.media_lines(self.index), line_type)
    }
}
