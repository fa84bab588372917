//! The letters of RFC 8866 §5 and the index entry of one line.

use core::fmt;

/// The type letter of a line (RFC 8866 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LineType {
    /// `v=`, §5.1.
    Version,
    /// `o=`, §5.2.
    Origin,
    /// `s=`, §5.3.
    SessionName,
    /// `i=`, §5.4.
    Information,
    /// `u=`, §5.5.
    Uri,
    /// `e=`, §5.6.
    Email,
    /// `p=`, §5.6.
    Phone,
    /// `c=`, §5.7.
    Connection,
    /// `b=`, §5.8.
    Bandwidth,
    /// `t=`, §5.9.
    Time,
    /// `r=`, §5.10.
    Repeat,
    /// `z=`, §5.11.
    Zone,
    /// `k=`, §5.12.
    Key,
    /// `a=`, §5.13.
    Attribute,
    /// `m=`, §5.14.
    Media,
    /// Any other byte: kept under [`ParserConfig::unknown_lines`](crate::ParserConfig::unknown_lines).
    Other(u8),
}

impl LineType {
    /// The type of a letter.
    pub const fn from_letter(letter: u8) -> Self {
        match letter {
            b'v' => Self::Version,
            b'o' => Self::Origin,
            b's' => Self::SessionName,
            b'i' => Self::Information,
            b'u' => Self::Uri,
            b'e' => Self::Email,
            b'p' => Self::Phone,
            b'c' => Self::Connection,
            b'b' => Self::Bandwidth,
            b't' => Self::Time,
            b'r' => Self::Repeat,
            b'z' => Self::Zone,
            b'k' => Self::Key,
            b'a' => Self::Attribute,
            b'm' => Self::Media,
            other => Self::Other(other),
        }
    }

    /// The letter.
    pub const fn letter(self) -> u8 {
        match self {
            Self::Version => b'v',
            Self::Origin => b'o',
            Self::SessionName => b's',
            Self::Information => b'i',
            Self::Uri => b'u',
            Self::Email => b'e',
            Self::Phone => b'p',
            Self::Connection => b'c',
            Self::Bandwidth => b'b',
            Self::Time => b't',
            Self::Repeat => b'r',
            Self::Zone => b'z',
            Self::Key => b'k',
            Self::Attribute => b'a',
            Self::Media => b'm',
            Self::Other(letter) => letter,
        }
    }

    /// Where the type stands within the session (0) or a media description (1); 0 where it may not stand.
    pub(crate) const fn rank(self, in_media: bool) -> u8 {
        if in_media {
            match self {
                Self::Information => 1,
                Self::Connection => 2,
                Self::Bandwidth => 3,
                Self::Key => 4,
                Self::Attribute => 5,
                Self::Version
                | Self::Origin
                | Self::SessionName
                | Self::Uri
                | Self::Email
                | Self::Phone
                | Self::Time
                | Self::Repeat
                | Self::Zone
                | Self::Media
                | Self::Other(_) => 0,
            }
        } else {
            match self {
                Self::Version => 1,
                Self::Origin => 2,
                Self::SessionName => 3,
                Self::Information => 4,
                Self::Uri => 5,
                Self::Email => 6,
                Self::Phone => 7,
                Self::Connection => 8,
                Self::Bandwidth => 9,
                Self::Time | Self::Repeat | Self::Zone => 10,
                Self::Key => 11,
                Self::Attribute => 12,
                Self::Media | Self::Other(_) => 0,
            }
        }
    }

    /// Whether several may follow each other in one section.
    pub(crate) const fn repeats(self, in_media: bool) -> bool {
        matches!(
            self,
            Self::Email
                | Self::Phone
                | Self::Bandwidth
                | Self::Time
                | Self::Repeat
                | Self::Zone
                | Self::Attribute
                | Self::Media
        ) || (in_media && matches!(self, Self::Connection))
    }
}

impl fmt::Display for LineType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(self.letter()).escape_default())
    }
}

/// Where one line lies in the buffer. The line end is not stored: it is what follows `end` there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) start: u32,
    /// Past the last byte of the value.
    pub(crate) end: u32,
    /// Length of the attribute's name; 0 for other lines.
    pub(crate) name: u16,
    /// The letter; 0 for a blank line.
    pub(crate) letter: u8,
}
