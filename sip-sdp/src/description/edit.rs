//! Edits: the new text is appended to the buffer, and the index points there.

use alloc::string::String;
use core::fmt::Write as _;
use core::ops::Range;

use super::{Section, SessionDescription};
use crate::attribute::Attribute;
use crate::config::ParserConfig;
use crate::error::{ParseError, ParseErrorKind};
use crate::fields::{Connection, Origin};
use crate::line::{Line, LineType};
use crate::media::MediaLine;

impl SessionDescription {
    /// Appends a typed attribute to a section.
    ///
    /// # Errors
    /// When what it prints is not a line (a value with a line end in it).
    pub fn add<'v, A: Attribute<'v>>(
        &mut self,
        section: Section,
        attribute: &A,
    ) -> Result<(), ParseError> {
        let mut value = String::new();
        attribute.encode(&mut value);
        self.add_attribute(
            section,
            attribute.name(),
            (!value.is_empty()).then_some(value.as_str()),
        )
    }

    /// Replaces all attributes of this type in a section by one, at the place of the first.
    ///
    /// # Errors
    /// When what it prints is not a line.
    pub fn replace<'v, A: Attribute<'v>>(
        &mut self,
        section: Section,
        attribute: &A,
    ) -> Result<(), ParseError> {
        let place = self.remove_attributes(section, attribute.name());
        let mut value = String::new();
        attribute.encode(&mut value);
        let line = attribute_line(
            attribute.name(),
            (!value.is_empty()).then_some(value.as_str()),
        );
        match place {
            Some(place) => self.insert_line(place, &line),
            None => self.insert_line(self.section_range(section).end, &line),
        }
    }

    /// Appends an attribute to a section.
    ///
    /// # Errors
    /// When the name is no token or the value has a line end in it.
    pub fn add_attribute(
        &mut self,
        section: Section,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), ParseError> {
        self.insert_line(
            self.section_range(section).end,
            &attribute_line(name, value),
        )
    }

    /// Removes the attributes of this name from a section. Returns the line index of the first.
    pub fn remove_attributes(&mut self, section: Section, name: &str) -> Option<usize> {
        let mut first = None;
        let range = self.section_range(section);
        for index in range.rev() {
            let is_it = self.lines.get(index).is_some_and(|line| {
                line.letter == b'a'
                    && usize::from(line.name) == name.len()
                    && self.span(line.start as usize + 2..line.start as usize + 2 + name.len())
                        == name
            });
            if is_it {
                self.remove_line(index);
                first = Some(index);
            }
        }
        first
    }

    /// Replaces or adds `c=` of a section, at its place (RFC 8866 §5.7).
    ///
    /// # Errors
    /// When the address is not one field.
    pub fn set_connection(
        &mut self,
        section: Section,
        connection: &Connection<'_>,
    ) -> Result<(), ParseError> {
        let mut text = String::from("c=");
        connection.encode(&mut text);
        self.set_line(section, LineType::Connection, &text)
    }

    /// Replaces `o=`.
    ///
    /// # Errors
    /// When a field is empty or has a space in it.
    pub fn set_origin(&mut self, origin: &Origin<'_>) -> Result<(), ParseError> {
        let mut text = String::from("o=");
        origin.encode(&mut text);
        self.set_line(Section::Session, LineType::Origin, &text)
    }

    /// Replaces the `m=` line of a media description (RFC 8866 §5.14).
    ///
    /// # Errors
    /// When there is no such media description, or a field is empty or has a space in it.
    pub fn set_media_line(&mut self, index: usize, line: &MediaLine<'_>) -> Result<(), ParseError> {
        let mut text = String::from("m=");
        line.encode(&mut text);
        let place = self.media_lines(index).start;
        let stored = self.append(&text, place)?;
        match self.lines.get_mut(place) {
            Some(line) => {
                *line = stored;
                Ok(())
            }
            None => Err(ParseError::at(
                ParseErrorKind::Missing(LineType::Media),
                place + 1,
                1,
            )),
        }
    }

    /// Changes the port of a media description; 0 rejects or removes it (RFC 3264 §8.2).
    ///
    /// # Errors
    /// When there is no such media description.
    pub fn set_port(&mut self, index: usize, port: u16) -> Result<(), ParseError> {
        let mut text = String::from("m=");
        match self.media_at(index) {
            Some(media) => MediaLine {
                port,
                ..media.line()
            }
            .encode(&mut text),
            None => {
                return Err(ParseError::at(
                    ParseErrorKind::Missing(LineType::Media),
                    self.lines.len() + 1,
                    1,
                ));
            }
        }
        let place = self.media_lines(index).start;
        let stored = self.append(&text, place)?;
        if let Some(line) = self.lines.get_mut(place) {
            *line = stored;
        }
        Ok(())
    }

    /// Adds a media description at the end, whole lines with or without line ends.
    ///
    /// # Errors
    /// When it does not begin with `m=`, or a line is malformed.
    pub fn push_media(&mut self, lines: &str) -> Result<(), ParseError> {
        if !lines.starts_with("m=") {
            return Err(ParseError::at(
                ParseErrorKind::Missing(LineType::Media),
                self.lines.len() + 1,
                1,
            ));
        }
        let before = self.clone();
        for line in lines.lines().filter(|line| !line.is_empty()) {
            if let Err(error) = self.insert_line(self.lines.len(), line) {
                *self = before;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Inserts a line before the line with this index; the text has no line end.
    ///
    /// # Errors
    /// When the text is not a line, or a second line would come of it. The order of the lines is the caller's duty.
    pub fn insert_line(&mut self, index: usize, text: &str) -> Result<(), ParseError> {
        let index = index.min(self.lines.len());
        let line = self.append(text, index)?;
        self.lines.insert(index, line);
        self.find_media();
        Ok(())
    }

    /// Removes the line with this index.
    pub fn remove_line(&mut self, index: usize) {
        if index < self.lines.len() {
            self.lines.remove(index);
            self.edited = true;
            self.find_media();
        }
    }

    /// Replaces the first line of a type in a section, or inserts it where RFC 8866 §5 wants it.
    fn set_line(
        &mut self,
        section: Section,
        line_type: LineType,
        text: &str,
    ) -> Result<(), ParseError> {
        let in_media = matches!(section, Section::Media(_));
        let range = self.section_range(section);
        let mut place = range.start + usize::from(in_media);
        for index in range {
            let Some(line) = self.lines.get(index).copied() else {
                continue;
            };
            if line.letter == line_type.letter() {
                let stored = self.append(text, index)?;
                if let Some(line) = self.lines.get_mut(index) {
                    *line = stored;
                }
                return Ok(());
            }
            let rank = LineType::from_letter(line.letter).rank(in_media);
            if rank != 0 && rank < line_type.rank(in_media) {
                place = index + 1;
            }
        }
        self.insert_line(place, text)
    }

    /// Appends a line with its end to the buffer.
    fn append(&mut self, text: &str, number: usize) -> Result<Line, ParseError> {
        let fault = |kind| Err(ParseError::at(kind, number + 1, 1));
        if text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return fault(ParseErrorKind::LineEnd);
        }
        let [letter, b'=', ..] = *text.as_bytes() else {
            return fault(ParseErrorKind::NotALine);
        };
        let mut name = 0;
        if letter == b'a' {
            let attribute = text.get(2..).unwrap_or_default();
            let end = attribute.find(':').unwrap_or(attribute.len());
            if !attribute.get(..end).is_some_and(crate::grammar::is_token) {
                return fault(ParseErrorKind::Value(
                    LineType::Attribute,
                    "the attribute's name is no token",
                ));
            }
            name = u16::try_from(end).unwrap_or_default();
        }
        if letter == b'm' {
            MediaLine::check(text.get(2..).unwrap_or_default(), &ParserConfig::strict()).map_err(
                |error| {
                    ParseError::at(
                        ParseErrorKind::Value(LineType::Media, error.reason),
                        number + 1,
                        error.offset + 3,
                    )
                },
            )?;
        }
        let start = self.text.len();
        let end = start + text.len();
        // The buffer only grows by what the caller adds; 4 GiB of it is refused and not wrapped.
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else {
            return fault(ParseErrorKind::TooLong(u32::MAX as usize));
        };
        self.text.push_str(text);
        self.text.push_str("\r\n");
        self.edited = true;
        Ok(Line {
            start,
            end,
            name,
            letter,
        })
    }

    fn section_range(&self, section: Section) -> Range<usize> {
        let range = match section {
            Section::Session => 0..self.session_end(),
            Section::Media(index) => self.media_lines(index),
        };
        // Blank lines at the end stay there.
        let mut end = range.end;
        while end > range.start
            && end
                .checked_sub(1)
                .and_then(|last| self.lines.get(last))
                .is_some_and(|line| line.letter == 0)
        {
            end -= 1;
        }
        range.start..end
    }

    fn find_media(&mut self) {
        self.media.clear();
        // Line numbers fit 32 bits as the buffer does.
        self.media.extend(
            self.lines
                .iter()
                .enumerate()
                .filter(|(_, line)| line.letter == b'm')
                .map(|(index, _)| index as u32),
        );
    }
}

fn attribute_line(name: &str, value: Option<&str>) -> String {
    let mut text = String::with_capacity(name.len() + value.map_or(0, str::len) + 3);
    match value {
        Some(value) => write!(text, "a={name}:{value}"),
        None => write!(text, "a={name}"),
    }
    .unwrap_or_default(); // Writing to a String cannot fail.
    text
}
