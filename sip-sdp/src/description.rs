//! The stored description: one buffer, an index of lines in arrival order, edits appended to the buffer.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use smallvec::SmallVec;

use crate::attribute::{Attribute, Attributes, Direction};
use crate::config::ParserConfig;
use crate::error::{AttributeError, ParseError};
use crate::fields::{Bandwidth, Connection, Key, Origin, Times};
use crate::line::{Line, LineType};
use crate::media::Media;

mod edit;
pub(crate) mod parse;

/// A session description (RFC 8866 §5): parsed from bytes or made by a builder, inspected, edited, printed.
///
/// Parsing locates and checks the lines; attributes are decoded when asked for. Everything that is not edited is printed
/// byte for byte as it came, including line ends, unknown attributes and (under a leniency) unknown lines.
///
/// ```
/// use sip_sdp::SessionDescription;
/// use sip_sdp::attribute::Rtpmap;
///
/// let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
///             m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
/// let description = SessionDescription::parse(text.as_bytes())?;
/// let audio = description.media().next().expect("one media description");
/// assert_eq!((audio.kind(), audio.port()), ("audio", 49170));
/// let rtpmap = audio.attribute::<Rtpmap<'_>>()?.expect("the attribute is there");
/// assert_eq!((rtpmap.encoding, rtpmap.clock_rate), ("PCMU", 8000));
/// assert_eq!(description.to_string(), text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SessionDescription {
    /// What was parsed, then what was added. Bytes that are not UTF-8 stand as `?` here.
    text: String,
    /// The parsed bytes, when they were not UTF-8: same offsets as `text`.
    raw: Option<Box<[u8]>>,
    lines: SmallVec<[Line; 24]>,
    /// Indices of the `m=` lines.
    media: SmallVec<[u32; 4]>,
    edited: bool,
}

/// A part of a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 8866 §5 has two kinds of sections, and will keep them"
)]
pub enum Section {
    /// The lines before the first `m=`.
    Session,
    /// The media description with this index.
    Media(usize),
}

impl SessionDescription {
    /// Parses by [`ParserConfig::strict`].
    ///
    /// # Errors
    /// The first departure from RFC 8866, with line and column.
    pub fn parse(input: &[u8]) -> Result<Self, ParseError> {
        parse::parse(input, &ParserConfig::strict())
    }

    /// Parses by the given rules.
    ///
    /// # Errors
    /// The first departure from them, with line and column.
    pub fn parse_with(input: &[u8], config: &ParserConfig) -> Result<Self, ParseError> {
        parse::parse(input, config)
    }

    /// `o=`; `None` only where [`ParserConfig::loose_origin`] let something else pass.
    pub fn origin(&self) -> Option<Origin<'_>> {
        Origin::decode(self.first(LineType::Origin)?).ok()
    }

    /// `s=`; empty where a leniency let it be missing.
    pub fn session_name(&self) -> &str {
        self.first(LineType::SessionName).unwrap_or_default()
    }

    /// `i=` of the session.
    pub fn information(&self) -> Option<&str> {
        self.first(LineType::Information)
    }

    /// `u=`.
    pub fn uri(&self) -> Option<&str> {
        self.first(LineType::Uri)
    }

    /// Every `e=`.
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        self.values(0..self.session_end(), LineType::Email)
    }

    /// Every `p=`.
    pub fn phones(&self) -> impl Iterator<Item = &str> {
        self.values(0..self.session_end(), LineType::Phone)
    }

    /// The session's `c=`.
    pub fn connection(&self) -> Option<Connection<'_>> {
        Connection::decode(self.first(LineType::Connection)?).ok()
    }

    /// The session's `b=` lines that follow the grammar.
    pub fn bandwidths(&self) -> impl Iterator<Item = Bandwidth<'_>> {
        self.values(0..self.session_end(), LineType::Bandwidth)
            .filter_map(|value| Bandwidth::decode(value).ok())
    }

    /// The `t=` lines with their `r=` and `z=`.
    pub fn times(&self) -> Times<'_> {
        Times::new(self)
    }

    /// The session's `k=` (obsolete, RFC 8866 §5.12).
    pub fn key(&self) -> Option<Key<'_>> {
        Key::decode(self.first(LineType::Key)?).ok()
    }

    /// The session's attributes in order.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes::new(self, 0..self.session_end())
    }

    /// The session's first attribute of this type, decoded.
    ///
    /// # Errors
    /// When it is there but malformed.
    pub fn attribute<'a, A: Attribute<'a>>(&'a self) -> Result<Option<A>, AttributeError> {
        self.attributes().first()
    }

    /// Whether the session has an attribute of this name.
    pub fn has_attribute(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    /// The direction of media that name none (RFC 8866 §6.7): `sendrecv` unless the session says otherwise.
    pub fn direction(&self) -> Direction {
        Direction::of(self.attributes()).unwrap_or_default()
    }

    /// The media descriptions in order.
    pub fn media(&self) -> impl DoubleEndedIterator<Item = Media<'_>> + ExactSizeIterator {
        (0..self.media.len()).map(|index| Media::new(self, index))
    }

    /// The media description with this index, from 0.
    pub fn media_at(&self, index: usize) -> Option<Media<'_>> {
        (index < self.media.len()).then(|| Media::new(self, index))
    }

    /// The media description whose `a=mid` is this (RFC 5888 §4).
    pub fn media_by_mid(&self, mid: &str) -> Option<Media<'_>> {
        self.media().find(|media| media.mid() == Some(mid))
    }

    /// How many media descriptions there are.
    pub fn media_len(&self) -> usize {
        self.media.len()
    }

    /// Type and value of every line in order; blank lines have the letter 0.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = (LineType, &str)> {
        self.lines
            .iter()
            .map(|line| (LineType::from_letter(line.letter), self.value(line)))
    }

    /// Appends the printed form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if !self.edited {
            out.extend_from_slice(self.raw.as_deref().unwrap_or(self.text.as_bytes()));
            return;
        }
        let last = self.lines.len().saturating_sub(1);
        for (index, line) in self.lines.iter().enumerate() {
            let end = line.end as usize;
            let line_end = self.line_end(end);
            let (start, end) = (line.start as usize, end + line_end);
            let from_raw = self.raw.as_ref().and_then(|raw| raw.get(start..end));
            out.extend_from_slice(
                from_raw
                    .or_else(|| self.text.as_bytes().get(start..end))
                    .unwrap_or_default(),
            );
            if line_end == 0 && index != last {
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// The printed form.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len());
        self.encode(&mut out);
        out
    }

    /// Length of the line end at this offset of the buffer.
    fn line_end(&self, at: usize) -> usize {
        match self.text.as_bytes().get(at..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([b'\n', ..]) => 1,
            _ => 0,
        }
    }

    /// Past the last line of the session section.
    pub(crate) fn session_end(&self) -> usize {
        self.media
            .first()
            .map_or(self.lines.len(), |&line| line as usize)
    }

    /// The lines of a media description, its `m=` included.
    pub(crate) fn media_lines(&self, index: usize) -> core::ops::Range<usize> {
        let start = self
            .media
            .get(index)
            .map_or(self.lines.len(), |&line| line as usize);
        let end = self
            .media
            .get(index + 1)
            .map_or(self.lines.len(), |&line| line as usize);
        start..end
    }

    /// These lines of the index.
    pub(crate) fn line_slice(&self, range: core::ops::Range<usize>) -> &[Line] {
        self.lines.get(range).unwrap_or_default()
    }

    pub(crate) fn line(&self, index: usize) -> Option<&Line> {
        self.lines.get(index)
    }

    /// What follows the letter and `=`.
    pub(crate) fn value(&self, line: &Line) -> &str {
        self.text
            .get(line.start as usize + 2..line.end as usize)
            .unwrap_or_default()
    }

    /// The bytes of a span as they came, where the description was not UTF-8.
    #[inline]
    pub(crate) fn raw_span(&self, range: core::ops::Range<usize>) -> Option<&[u8]> {
        self.raw.as_ref()?.get(range)
    }

    /// The text of a span.
    #[inline]
    pub(crate) fn span(&self, range: core::ops::Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    pub(crate) fn values(
        &self,
        range: core::ops::Range<usize>,
        line_type: LineType,
    ) -> impl Iterator<Item = &str> {
        let letter = line_type.letter();
        let lines = self.lines.get(range).unwrap_or_default();
        lines
            .iter()
            .filter(move |line| line.letter == letter)
            .map(|line| self.value(line))
    }

    fn first(&self, line_type: LineType) -> Option<&str> {
        self.values(0..self.session_end(), line_type).next()
    }
}

impl fmt::Display for SessionDescription {
    /// The printed form; bytes that are not UTF-8 become U+FFFD.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_vec()))
    }
}

impl fmt::Debug for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.lines()
                    .map(|(kind, value)| alloc::format!("{kind}={value}")),
            )
            .finish()
    }
}

impl PartialEq for SessionDescription {
    /// Byte for byte.
    fn eq(&self, other: &Self) -> bool {
        self.to_vec() == other.to_vec()
    }
}

impl Eq for SessionDescription {}

impl FromStr for SessionDescription {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text.as_bytes())
    }
}

impl TryFrom<&[u8]> for SessionDescription {
    type Error = ParseError;

    fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
        Self::parse(bytes)
    }
}
