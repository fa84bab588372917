//! Errors of parsing and reading: always with line and column.

use core::fmt;

use crate::line::LineType;

/// A description that was refused, and where. Lines and columns count from 1, columns in bytes.
///
/// What to answer (RFC 3261 §21.4.1 400 or §21.4.26 488) is the caller's decision: the description is refused whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseError {
    /// What was wrong.
    pub kind: ParseErrorKind,
    /// Line, from 1.
    pub line: u32,
    /// Byte within the line, from 1.
    pub column: u32,
}

impl ParseError {
    pub(crate) fn at(kind: ParseErrorKind, line: usize, column: usize) -> Self {
        let clamp = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Self {
            kind,
            line: clamp(line),
            column: clamp(column),
        }
    }

    /// Whether a bound of [`Limits`](crate::Limits) was reached, as opposed to a fault of the grammar.
    pub const fn is_limit(&self) -> bool {
        matches!(
            self.kind,
            ParseErrorKind::TooLong(_)
                | ParseErrorKind::LineTooLong(_)
                | ParseErrorKind::TooManyLines(_)
                | ParseErrorKind::TooManyMedia(_)
                | ParseErrorKind::TooManyAttributes(_)
        )
    }
}

/// The reasons of a [`ParseError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// No bytes at all.
    Empty,
    /// More bytes than [`Limits::bytes`](crate::Limits::bytes), its value.
    TooLong(usize),
    /// A line longer than [`Limits::line_bytes`](crate::Limits::line_bytes), its value.
    LineTooLong(usize),
    /// More lines than [`Limits::lines`](crate::Limits::lines), its value.
    TooManyLines(usize),
    /// More media descriptions than [`Limits::media`](crate::Limits::media), its value.
    TooManyMedia(usize),
    /// More attributes in a section than [`Limits::attributes`](crate::Limits::attributes), its value.
    TooManyAttributes(usize),
    /// A line ends in something else than CRLF.
    LineEnd,
    /// A NUL byte.
    Nul,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// An empty line.
    BlankLine,
    /// A line that is not a letter, `=` and a value.
    NotALine,
    /// A letter that RFC 8866 does not define, or that may not stand in this section.
    UnknownLine(u8),
    /// A line in the wrong place (RFC 8866 §5).
    Order(LineType),
    /// A line that may stand only once in its section.
    Duplicate(LineType),
    /// A line that must be there and is not.
    Missing(LineType),
    /// A line whose value does not follow its grammar, and what was expected.
    Value(LineType, &'static str),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        match self.kind {
            ParseErrorKind::Empty => write!(f, "the description is empty"),
            ParseErrorKind::TooLong(limit) => write!(f, "more than {limit} bytes"),
            ParseErrorKind::LineTooLong(limit) => write!(f, "the line has more than {limit} bytes"),
            ParseErrorKind::TooManyLines(limit) => write!(f, "more than {limit} lines"),
            ParseErrorKind::TooManyMedia(limit) => {
                write!(f, "more than {limit} media descriptions")
            }
            ParseErrorKind::TooManyAttributes(limit) => {
                write!(f, "more than {limit} attributes in one section")
            }
            ParseErrorKind::LineEnd => write!(f, "the line does not end in CRLF"),
            ParseErrorKind::Nul => write!(f, "a NUL byte"),
            ParseErrorKind::NotUtf8 => write!(f, "the text is not UTF-8"),
            ParseErrorKind::BlankLine => write!(f, "an empty line"),
            ParseErrorKind::NotALine => write!(f, "not a line of the form <letter>=<value>"),
            ParseErrorKind::UnknownLine(letter) => {
                write!(
                    f,
                    "no line of type `{}` may stand here",
                    char::from(letter).escape_default()
                )
            }
            ParseErrorKind::Order(line) => {
                write!(f, "`{line}=` stands after a line that must follow it")
            }
            ParseErrorKind::Duplicate(line) => write!(f, "a second `{line}=`"),
            ParseErrorKind::Missing(line) => write!(f, "`{line}=` is missing"),
            ParseErrorKind::Value(line, reason) => write!(f, "`{line}=`: {reason}"),
        }
    }
}

impl core::error::Error for ParseError {}

/// A typed read of an attribute that is there but does not follow its grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttributeError {
    /// The attribute's name.
    pub name: &'static str,
    /// Line of the description, from 1.
    pub line: u32,
    /// Byte within the line, from 1.
    pub column: u32,
    /// What was expected there.
    pub reason: &'static str,
}

impl fmt::Display for AttributeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: `a={}`: {}",
            self.line, self.column, self.name, self.reason
        )
    }
}

impl core::error::Error for AttributeError {}
