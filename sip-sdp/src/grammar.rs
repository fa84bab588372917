//! Byte classes and a cursor: what every line and attribute parser shares (RFC 8866 §9).

use core::fmt;

/// `token-char` of RFC 8866 §9: letters, digits and ``!#$%&'*+-.^_`{|}~``.
const TOKEN_CHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(
            byte as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9'
                | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.'
                | b'^' | b'_' | b'`' | b'{' | b'|' | b'}' | b'~'
        );
        byte += 1;
    }
    table
};

/// Whether one byte may stand in a `token`.
#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN_CHAR[usize::from(byte)]
}

/// Letters, digits, `.`, `-` and `_`: what IPv4 addresses and host names are made of.
const NAME_CHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] =
            matches!(byte as u8, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        byte += 1;
    }
    table
};

/// Whether one byte is usual in an IPv4 address or a host name.
#[inline]
pub(crate) fn is_name_byte(byte: u8) -> bool {
    NAME_CHAR[usize::from(byte)]
}

/// Whether the text is a non-empty `token`.
#[inline]
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// A number of decimal digits only; `None` for signs, spaces, an empty text or overflow.
#[inline]
pub(crate) fn number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    let mut value = 0u64;
    for byte in text.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    T::try_from(value).ok()
}

/// Why a value could not be decoded, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValueError {
    /// Byte offset into the value, from 0.
    pub offset: usize,
    /// What was expected there.
    pub reason: &'static str,
}

impl ValueError {
    /// A reason at an offset: for attributes defined outside this crate.
    pub const fn new(offset: usize, reason: &'static str) -> Self {
        Self { offset, reason }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.offset)
    }
}

impl core::error::Error for ValueError {}

/// A cursor over one value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Scan<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// The rest without the spaces at its end.
    #[inline]
    pub(crate) fn rest_trimmed(&self) -> &'a str {
        let mut rest = self.rest();
        while let Some(trimmed) = rest.strip_suffix(' ') {
            rest = trimmed;
        }
        rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.position >= self.text.len()
    }

    pub(crate) const fn error(&self, reason: &'static str) -> ValueError {
        ValueError {
            offset: self.position,
            reason,
        }
    }

    pub(crate) const fn offset(&self) -> usize {
        self.position
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// Consumes this byte when it is next.
    pub(crate) fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.position += 1;
        }
        found
    }

    pub(crate) fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), ValueError> {
        if self.accept(byte) {
            Ok(())
        } else {
            Err(self.error(reason))
        }
    }

    /// Advances over the bytes that are to be kept, and returns them.
    #[inline]
    pub(crate) fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a str {
        let start = self.position;
        self.skip_while(keep);
        // The predicates are over ASCII delimiters, so the cuts are on character boundaries.
        self.text.get(start..self.position).unwrap_or_default()
    }

    #[inline]
    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.position) {
            if !keep(byte) {
                break;
            }
            self.position += 1;
        }
    }

    /// Skips spaces; whether there was one.
    #[inline]
    pub(crate) fn spaces(&mut self) -> bool {
        let start = self.position;
        self.skip_while(|byte| byte == b' ');
        self.position != start
    }

    /// The text up to the next space or the end; not empty.
    #[inline]
    pub(crate) fn word(&mut self, reason: &'static str) -> Result<&'a str, ValueError> {
        let word = self.take_while(|byte| byte != b' ');
        if word.is_empty() {
            Err(self.error(reason))
        } else {
            Ok(word)
        }
    }

    /// A word after at least one space.
    #[inline]
    pub(crate) fn next_word(&mut self, reason: &'static str) -> Result<&'a str, ValueError> {
        if !self.spaces() {
            return Err(self.error(reason));
        }
        self.word(reason)
    }

    #[inline]
    pub(crate) fn token(&mut self, reason: &'static str) -> Result<&'a str, ValueError> {
        let token = self.take_while(is_token_byte);
        if token.is_empty() {
            Err(self.error(reason))
        } else {
            Ok(token)
        }
    }

    #[inline]
    pub(crate) fn number<T: TryFrom<u64>>(
        &mut self,
        reason: &'static str,
    ) -> Result<T, ValueError> {
        let bytes = self.text.as_bytes();
        let start = self.position;
        let mut value = 0u64;
        while let Some(digit) = bytes
            .get(self.position)
            .map(|byte| byte.wrapping_sub(b'0'))
            .filter(|&digit| digit < 10)
        {
            // Nineteen digits fit; a longer number is looked at again below.
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.position += 1;
        }
        let length = self.position - start;
        let error = ValueError::new(start, reason);
        if length == 0 {
            return Err(error);
        }
        if length > 19 {
            return self.long_number(start).ok_or(error);
        }
        T::try_from(value).map_err(|_| error)
    }

    #[cold]
    fn long_number<T: TryFrom<u64>>(&self, start: usize) -> Option<T> {
        number(self.text.get(start..self.position)?)
    }

    #[inline]
    pub(crate) fn end(mut self, reason: &'static str) -> Result<(), ValueError> {
        // Trailing spaces are sent by several devices and mean nothing.
        self.spaces();
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.error(reason))
        }
    }
}
