//! From bytes to the index of lines: RFC 8866 §5 (order) and §9 (grammar).

use alloc::boxed::Box;
use alloc::string::String;

use smallvec::SmallVec;

use super::SessionDescription;
use crate::config::ParserConfig;
use crate::error::{ParseError, ParseErrorKind};
use crate::fields::{Bandwidth, Connection, Key, Origin, Repeat, Zones};
use crate::grammar::{ValueError, is_token_byte};
use crate::line::{Line, LineType};
use crate::media::MediaLine;

pub(super) fn parse(input: &[u8], config: &ParserConfig) -> Result<SessionDescription, ParseError> {
    if input.is_empty() {
        return Err(ParseError::at(ParseErrorKind::Empty, 1, 1));
    }
    if input.len() > config.limits.bytes || u32::try_from(input.len()).is_err() {
        return Err(ParseError::at(
            ParseErrorKind::TooLong(config.limits.bytes),
            1,
            1,
        ));
    }
    let (text, raw) = match core::str::from_utf8(input) {
        Ok(text) => (String::from(text), None),
        Err(_) if config.not_utf8 => (replace_non_utf8(input), Some(Box::from(input))),
        Err(error) => {
            let before = input.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
            let column = before
                .iter()
                .rev()
                .take_while(|&&byte| byte != b'\n')
                .count()
                + 1;
            return Err(ParseError::at(ParseErrorKind::NotUtf8, line, column));
        }
    };
    let mut index = Index::new(config);
    index.run(&text)?;
    let Index { lines, media, .. } = index;
    Ok(SessionDescription {
        text,
        raw,
        lines,
        media,
        edited: false,
    })
}

/// The places of the bytes below 0x20 in a text of at least eight bytes, found eight bytes at a time: lines are too short
/// for a vector search to pay its call, and a good description has no other such bytes than its line ends.
struct Controls<'a> {
    chunks: core::slice::Iter<'a, [u8; 8]>,
    /// What follows the chunks, filled up with ones.
    tail: Option<u64>,
    /// The high bit of each byte of the current chunk that is below 0x20.
    found: u64,
    /// Where the next chunk begins.
    next: usize,
}

impl<'a> Controls<'a> {
    /// `None` for a short text.
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        let last = u64::from_le_bytes(*bytes.last_chunk::<8>()?);
        // The bytes before the rest are shifted out.
        let shift = 8 * (8 - rest.len() as u32);
        let tail = last
            .checked_shr(shift)
            .map(|tail| tail | !(u64::MAX >> shift));
        Some(Self {
            chunks: chunks.iter(),
            tail,
            found: 0,
            next: 0,
        })
    }
}

impl Iterator for Controls<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        // What lifts 0x20 of seven bits to the eighth.
        const LIFT: u64 = 0x6060_6060_6060_6060;
        while self.found == 0 {
            let chunk = match self.chunks.next() {
                Some(chunk) => u64::from_le_bytes(*chunk),
                None => self.tail.take()?,
            };
            // Exact in every byte: the sum of two seven-bit numbers carries nothing into the next byte.
            self.found = !(((chunk & !HIGH) + LIFT) | chunk) & HIGH;
            self.next += 8;
        }
        let at = self.found.trailing_zeros() as usize / 8;
        self.found &= self.found - 1;
        Some(self.next - 8 + at)
    }
}

/// How many bytes from here are surely of a token, eight at a time: `-` and all from `^` to `~`, which is where the lower
/// case is.
#[inline]
fn usual_name_len(name: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let mut length = 0;
    for chunk in name.as_chunks::<8>().0 {
        let chunk = u64::from_le_bytes(*chunk);
        // Exact in every byte, as no sum of these numbers of seven bits carries into the next byte.
        let low = chunk & !HIGH;
        let from_caret = low + ONES * (0x80 - b'^' as u64);
        let is_delete = low + ONES;
        let no_hyphen = (low ^ (ONES * b'-' as u64)) + !HIGH;
        let usual = ((from_caret & !is_delete) | !no_hyphen) & !chunk & HIGH;
        if usual != HIGH {
            return length + (usual ^ HIGH).trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    length
}

/// The same length, with `?` for every byte of an invalid sequence: spans hold for both forms.
fn replace_non_utf8(input: &[u8]) -> String {
    let mut text = String::with_capacity(input.len());
    for chunk in input.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

struct Index<'c> {
    config: &'c ParserConfig,
    lines: SmallVec<[Line; 24]>,
    media: SmallVec<[u32; 4]>,
    /// Rank of the last line in this section.
    rank: u8,
    /// One bit per rank seen in the session section; bit 0 is unused.
    seen: u16,
    /// Whether this media description has `c=`.
    media_connection: bool,
    /// Line number of the first media description without `c=`, when the session has none either.
    unconnected: Option<usize>,
    attributes: usize,
    /// Whether there may have been a tab so far.
    has_tab: bool,
}

const SEEN_VERSION: u16 = 1 << 1;
const SEEN_ORIGIN: u16 = 1 << 2;
const SEEN_NAME: u16 = 1 << 3;
const SEEN_CONNECTION: u16 = 1 << 8;
const SEEN_TIME: u16 = 1 << 10;

impl<'c> Index<'c> {
    fn new(config: &'c ParserConfig) -> Self {
        Self {
            config,
            lines: SmallVec::new(),
            media: SmallVec::new(),
            rank: 0,
            seen: 0,
            media_connection: true,
            unconnected: None,
            attributes: 0,
            has_tab: false,
        }
    }

    fn run(&mut self, text: &str) -> Result<(), ParseError> {
        let bytes = text.as_bytes();
        // A browser's line is 45 bytes on average: one reservation instead of three or four.
        let lines = if bytes.len() > 1024 {
            bytes.len() / 32
        } else {
            0
        };
        self.lines.reserve(lines.min(self.config.limits.lines));
        if self.run_unbroken(text).is_some() {
            return Ok(());
        }
        // Something is wrong: the careful way finds what and where.
        *self = Self {
            has_tab: true,
            ..Self::new(self.config)
        };
        self.run_careful(text)
    }

    /// The way of a good description: one search per line. `None` when anything at all is amiss.
    fn run_unbroken(&mut self, text: &str) -> Option<()> {
        let bytes = text.as_bytes();
        let limits = &self.config.limits;
        let is_short = bytes.len() <= limits.line_bytes;
        let mut start = 0;
        let mut number = 0;
        let mut controls = Controls::new(bytes)?;
        while let Some(end) = controls.next() {
            let next = match bytes.get(end)? {
                // RFC 8866 §9: no CR without LF, and no NUL.
                b'\r' if controls.next() == Some(end + 1) && bytes.get(end + 1) == Some(&b'\n') => {
                    end + 2
                }
                b'\n' if self.config.bare_line_feed => end + 1,
                b'\r' | b'\n' | 0 => return None,
                b'\t' => {
                    self.has_tab = true;
                    continue;
                }
                _ => continue,
            };
            number += 1;
            if number > limits.lines || !is_short && end - start > limits.line_bytes {
                return None;
            }
            self.line(text, start, end, number).ok()?;
            start = next;
        }
        if start < bytes.len() {
            if !self.config.missing_final_line_end {
                return None;
            }
            number += 1;
            let is_long = !is_short && bytes.len() - start > limits.line_bytes;
            if number > limits.lines || is_long {
                return None;
            }
            self.line(text, start, bytes.len(), number).ok()?;
        }
        self.finish().ok()
    }

    /// The same with a look at every byte that may not stand in a line.
    #[cold]
    fn run_careful(&mut self, text: &str) -> Result<(), ParseError> {
        let bytes = text.as_bytes();
        let mut start = 0;
        while start < bytes.len() {
            let number = self.lines.len() + 1;
            let rest = bytes.get(start..).unwrap_or_default();
            let length = memchr::memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
            let next = match rest.get(length..) {
                Some([b'\r', b'\n', ..]) => length + 2,
                Some([b'\n', ..]) if self.config.bare_line_feed => length + 1,
                Some([0, ..]) => {
                    return Err(ParseError::at(ParseErrorKind::Nul, number, length + 1));
                }
                Some([]) | None if self.config.missing_final_line_end => length,
                _ => return Err(ParseError::at(ParseErrorKind::LineEnd, number, length + 1)),
            };
            self.bounded_line(text, start, start + length)?;
            start += next;
        }
        self.finish()
    }

    fn bounded_line(&mut self, text: &str, start: usize, end: usize) -> Result<(), ParseError> {
        let number = self.lines.len() + 1;
        let limits = &self.config.limits;
        if end - start > limits.line_bytes {
            let limit = limits.line_bytes;
            return Err(ParseError::at(
                ParseErrorKind::LineTooLong(limit),
                number,
                limit + 1,
            ));
        }
        if number > limits.lines {
            return Err(ParseError::at(
                ParseErrorKind::TooManyLines(limits.lines),
                number,
                1,
            ));
        }
        self.line(text, start, end, number)
    }

    /// Checks one line and stores where it is.
    #[inline(always)]
    fn line(
        &mut self,
        text: &str,
        start: usize,
        end: usize,
        number: usize,
    ) -> Result<(), ParseError> {
        let bytes = text.as_bytes().get(start..end).unwrap_or_default();
        // The input's length fits 32 bits.
        let mut line = Line {
            start: start as u32,
            end: end as u32,
            name: 0,
            letter: 0,
        };
        let letter = match bytes {
            [] if self.config.blank_lines => {
                self.lines.push(line);
                return Ok(());
            }
            [] => return Err(ParseError::at(ParseErrorKind::BlankLine, number, 1)),
            [letter, b'=', ..] => *letter,
            // A letter of several bytes would make the value start within a character.
            _ => return Err(ParseError::at(ParseErrorKind::NotALine, number, 1)),
        };
        line.letter = letter;
        if letter == b'a' {
            line.name = self.attribute(bytes, number)?;
            self.lines.push(line);
            return Ok(());
        }
        let value = text.get(start + 2..end).unwrap_or_default();
        let line_type = LineType::from_letter(letter);
        if line_type == LineType::Media {
            self.media_line(value, number)?;
        } else {
            self.order(line_type, number)?;
            self.field(line_type, value, number)?;
        }
        self.lines.push(line);
        Ok(())
    }

    /// RFC 8866 §6: `a=<name>` or `a=<name>:<value>`. Returns the length of the name.
    #[inline(always)]
    fn attribute(&mut self, bytes: &[u8], number: usize) -> Result<u16, ParseError> {
        self.attributes += 1;
        if self.attributes > self.config.limits.attributes {
            let limit = self.config.limits.attributes;
            return Err(ParseError::at(
                ParseErrorKind::TooManyAttributes(limit),
                number,
                1,
            ));
        }
        let in_media = !self.media.is_empty();
        let rank = LineType::Attribute.rank(in_media);
        if self.rank < rank {
            self.rank = rank;
        }
        if !in_media && self.seen & SEEN_VERSION == 0 {
            return Err(ParseError::at(
                ParseErrorKind::Missing(LineType::Version),
                number,
                1,
            ));
        }
        let name = bytes.get(2..).unwrap_or_default();
        let usual = usual_name_len(name);
        match (name.get(usual..), u16::try_from(usual)) {
            (Some([b':', _, ..]), Ok(length @ 1..)) => Ok(length),
            _ => self.attribute_name(name, usual, number),
        }
    }

    /// The same for a name that has other bytes than usual, or whose value is missing.
    fn attribute_name(&self, name: &[u8], usual: usize, number: usize) -> Result<u16, ParseError> {
        let length = name
            .get(usual..)
            .and_then(|rest| rest.iter().position(|&byte| !is_token_byte(byte)))
            .map_or(name.len(), |more| usual + more);
        let fault = |column: usize, reason| {
            ParseError::at(
                ParseErrorKind::Value(LineType::Attribute, reason),
                number,
                column + 3,
            )
        };
        let (length, rest) = match name.get(length..) {
            Some([]) | None => (length, None),
            Some([b':', rest @ ..]) => (length, Some(rest)),
            Some(_) if self.config.loose_attribute_names => {
                let colon = memchr::memchr(b':', name);
                (
                    colon.unwrap_or(name.len()),
                    colon.and_then(|colon| name.get(colon + 1..)),
                )
            }
            // `a=sendrecv ` is sent by several devices.
            Some([b' ', spaces @ ..])
                if self.config.extra_spaces
                    && length > 0
                    && spaces.iter().all(|&byte| byte == b' ') =>
            {
                (length, None)
            }
            Some(_) => {
                return Err(fault(
                    length,
                    "a character that may not stand in an attribute's name",
                ));
            }
        };
        if length == 0 && !self.config.loose_attribute_names {
            return Err(fault(0, "the attribute's name is missing"));
        }
        if rest.is_some_and(<[u8]>::is_empty) && !self.config.empty_value {
            return Err(fault(length + 1, "the attribute's value is missing"));
        }
        u16::try_from(length).map_err(|_| fault(0, "the attribute's name is too long"))
    }

    fn media_line(&mut self, value: &str, number: usize) -> Result<(), ParseError> {
        if self.media.len() >= self.config.limits.media {
            return Err(ParseError::at(
                ParseErrorKind::TooManyMedia(self.config.limits.media),
                number,
                1,
            ));
        }
        if self.media.is_empty() {
            self.session_complete(number)?;
        }
        self.section_complete();
        MediaLine::check(value, self.config)
            .map_err(|error| at_value(LineType::Media, error, number))?;
        // The number of lines is bounded by the input's length, which fits 32 bits.
        self.media.push(self.lines.len() as u32);
        self.media_connection = false;
        self.rank = 0;
        self.attributes = 0;
        Ok(())
    }

    /// RFC 8866 §5: the order of the lines, and which may repeat.
    #[inline]
    fn order(&mut self, line_type: LineType, number: usize) -> Result<(), ParseError> {
        let in_media = !self.media.is_empty();
        let rank = line_type.rank(in_media);
        if rank == 0 {
            if self.config.unknown_lines {
                return Ok(());
            }
            return Err(ParseError::at(
                ParseErrorKind::UnknownLine(line_type.letter()),
                number,
                1,
            ));
        }
        if !in_media && self.seen & SEEN_VERSION == 0 && line_type != LineType::Version {
            return Err(ParseError::at(
                ParseErrorKind::Missing(LineType::Version),
                number,
                1,
            ));
        }
        if !self.config.line_order {
            if rank < self.rank {
                return Err(ParseError::at(ParseErrorKind::Order(line_type), number, 1));
            }
            if rank == self.rank && !line_type.repeats(in_media) {
                return Err(ParseError::at(
                    ParseErrorKind::Duplicate(line_type),
                    number,
                    1,
                ));
            }
            if matches!(line_type, LineType::Repeat | LineType::Zone) && self.seen & SEEN_TIME == 0
            {
                return Err(ParseError::at(
                    ParseErrorKind::Missing(LineType::Time),
                    number,
                    1,
                ));
            }
        }
        self.rank = rank;
        if in_media {
            self.media_connection |= line_type == LineType::Connection;
        } else if !matches!(line_type, LineType::Repeat | LineType::Zone) {
            self.seen |= 1 << rank;
        }
        Ok(())
    }

    /// The value of a line other than `a=` and `m=`.
    #[inline]
    fn field(&self, line_type: LineType, value: &str, number: usize) -> Result<(), ParseError> {
        let config = self.config;
        let checked = match line_type {
            LineType::Version if value == "0" || (config.extra_spaces && value.trim() == "0") => {
                Ok(())
            }
            LineType::Version => Err(ValueError::new(0, "the version is not 0")),
            LineType::Origin if config.loose_origin => Ok(()),
            LineType::Origin if !self.has_tab && Origin::is_plain(value) => Ok(()),
            LineType::Origin => match Origin::decode(value) {
                Ok(origin) => self.spaced(value, origin.printed_len()),
                // Where a space too many is the reason, it is told.
                Err(error) => self.spaced(value, 0).and(Err(error)),
            },
            LineType::SessionName
            | LineType::Information
            | LineType::Uri
            | LineType::Email
            | LineType::Phone => {
                if value.is_empty() && !config.empty_value {
                    Err(ValueError::new(0, "the text is missing"))
                } else {
                    Ok(())
                }
            }
            LineType::Time => crate::fields::check_time(value, config.short_times)
                .and_then(|()| self.spaced(value, if value == "0 0" { 3 } else { 0 })),
            LineType::Connection if !config.unchecked_values => match Connection::decode(value) {
                Ok(connection) => self.spaced(value, connection.printed_len()),
                Err(error) => self.spaced(value, 0).and(Err(error)),
            },
            LineType::Bandwidth if !config.unchecked_values => Bandwidth::decode(value).map(drop),
            LineType::Repeat if !config.unchecked_values => Repeat::decode(value).map(drop),
            LineType::Zone if !config.unchecked_values => Zones::decode(value).map(drop),
            LineType::Key if !config.unchecked_values => Key::decode(value).map(drop),
            LineType::Connection
            | LineType::Bandwidth
            | LineType::Repeat
            | LineType::Zone
            | LineType::Key
            | LineType::Attribute
            | LineType::Media
            | LineType::Other(_) => Ok(()),
        };
        checked.map_err(|error| at_value(line_type, error, number))
    }

    /// One space between fields and none around them, unless the leniency allows more. `length` is what the value has when
    /// it is so.
    #[inline]
    fn spaced(&self, value: &str, length: usize) -> Result<(), ValueError> {
        if self.config.extra_spaces || value.len() == length && !self.has_tab {
            return Ok(());
        }
        single_spaces(value)
    }

    /// At the end of the session section: what must have been there.
    fn session_complete(&self, number: usize) -> Result<(), ParseError> {
        let missing = |line_type| {
            Err(ParseError::at(
                ParseErrorKind::Missing(line_type),
                number,
                1,
            ))
        };
        if self.seen & SEEN_VERSION == 0 {
            return missing(LineType::Version);
        }
        if self.seen & SEEN_ORIGIN == 0 && !self.config.loose_origin {
            return missing(LineType::Origin);
        }
        if self.seen & SEEN_NAME == 0 && !self.config.missing_session_name {
            return missing(LineType::SessionName);
        }
        if self.seen & SEEN_TIME == 0 && !self.config.missing_timing {
            return missing(LineType::Time);
        }
        Ok(())
    }

    /// At the end of a media description.
    fn section_complete(&mut self) {
        if !self.media_connection && self.unconnected.is_none() {
            self.unconnected = self.media.last().map(|&line| line as usize + 1);
        }
    }

    fn finish(&mut self) -> Result<(), ParseError> {
        let number = self.lines.len();
        if self.media.is_empty() {
            self.session_complete(number)?;
        }
        self.section_complete();
        // RFC 8866 §5.7: a connection field in every media description or at session level.
        if let Some(number) = self.unconnected
            && self.seen & SEEN_CONNECTION == 0
            && !self.config.missing_connection
        {
            return Err(ParseError::at(
                ParseErrorKind::Missing(LineType::Connection),
                number,
                1,
            ));
        }
        Ok(())
    }
}

/// RFC 8866 §5: fields are separated by exactly one space.
pub(crate) fn single_spaces(value: &str) -> Result<(), ValueError> {
    let mut previous = b' ';
    for (offset, byte) in value.bytes().enumerate() {
        if byte == b' ' && previous == b' ' || byte == b'\t' {
            return Err(ValueError::new(offset, "more than one space"));
        }
        previous = byte;
    }
    if previous == b' ' && !value.is_empty() {
        return Err(ValueError::new(value.len() - 1, "a space at the end"));
    }
    Ok(())
}

fn at_value(line_type: LineType, error: ValueError, number: usize) -> ParseError {
    ParseError::at(
        ParseErrorKind::Value(line_type, error.reason),
        number,
        error.offset + 3,
    )
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Controls, usual_name_len};
    use crate::grammar::is_token_byte;

    #[test]
    fn usual_names_end_where_they_should() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut name = *b"ice-lite";
                if let Some(changed) = name.get_mut(at) {
                    *changed = byte;
                }
                let is_usual = byte == b'-' || (b'^'..=b'~').contains(&byte);
                assert!(!is_usual || is_token_byte(byte));
                assert_eq!(
                    usual_name_len(&name),
                    if is_usual { 8 } else { at },
                    "{byte}"
                );
            }
        }
        assert_eq!(usual_name_len(b"rtpmap"), 0, "shorter than a chunk");
        assert_eq!(usual_name_len(b"extmap-allow-mixed"), 16);
    }

    #[test]
    fn control_bytes_are_found_where_an_obvious_search_finds_them() {
        let alphabet = [
            0, b'\t', b'\n', b'\r', 0x1f, b' ', b'!', b'a', 0x7f, 0x80, 0x8a, 0xff,
        ];
        let mut state = 1u32;
        for length in 0..40 {
            for _ in 0..200 {
                let bytes: Vec<u8> = (0..length)
                    .filter_map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        alphabet
                            .get((state >> 16) as usize % alphabet.len())
                            .copied()
                    })
                    .collect();
                let expected: Vec<usize> = bytes
                    .iter()
                    .enumerate()
                    .filter(|(_, byte)| **byte < 0x20)
                    .map(|(at, _)| at)
                    .collect();
                match Controls::new(&bytes) {
                    Some(controls) => {
                        assert_eq!(controls.collect::<Vec<_>>(), expected, "{bytes:x?}")
                    }
                    None => assert!(length < 8, "{bytes:x?}"),
                }
            }
        }
    }
}
