//! A cursor over the text of one header value.

use crate::chars;
use crate::error::HeaderError;

/// A place in a text. White space includes folds (RFC 3261 §25.1 `LWS`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, pos: 0 }
    }

    #[inline]
    pub(crate) const fn at(text: &'a str, pos: usize) -> Self {
        Self { text, pos }
    }

    #[inline]
    pub(crate) const fn text(&self) -> &'a str {
        self.text
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    #[inline]
    pub(crate) const fn is_end(&self) -> bool {
        self.pos >= self.text.len()
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.pos..).unwrap_or_default()
    }

    pub(crate) const fn pos(&self) -> usize {
        self.pos
    }

    pub(crate) const fn seek(&mut self, pos: usize) {
        self.pos = pos;
    }

    #[inline]
    pub(crate) fn slice(&self, from: usize) -> &'a str {
        self.text.get(from..self.pos).unwrap_or_default()
    }

    pub(crate) fn error(&self, reason: &'static str) -> HeaderError {
        HeaderError::new(reason, self.pos)
    }

    /// Advances over bytes of a class; what was passed.
    #[inline]
    pub(crate) fn take_while(&mut self, class: impl Fn(u8) -> bool) -> &'a str {
        let from = self.pos;
        let bytes = self.text.as_bytes().get(from..).unwrap_or_default();
        self.pos += bytes.iter().position(|&b| !class(b)).unwrap_or(bytes.len());
        self.slice(from)
    }

    #[inline]
    pub(crate) fn skip_lws(&mut self) {
        while self.peek().is_some_and(chars::is_lws) {
            self.pos += 1;
        }
    }

    /// Passes `byte` if it is next.
    #[inline]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.pos += 1;
        }
        found
    }

    /// Passes `byte` with white space around it, if it is next.
    #[inline]
    pub(crate) fn eat_separator(&mut self, byte: u8) -> bool {
        let before = self.pos;
        self.skip_lws();
        if self.eat(byte) {
            self.skip_lws();
            true
        } else {
            self.pos = before;
            false
        }
    }

    /// A token of at least one character.
    pub(crate) fn token(&mut self, reason: &'static str) -> Result<&'a str, HeaderError> {
        let token = self.take_while(chars::is_token);
        if token.is_empty() {
            Err(self.error(reason))
        } else {
            Ok(token)
        }
    }

    /// A quoted string; the answer includes the quotes.
    pub(crate) fn quoted(&mut self) -> Result<&'a str, HeaderError> {
        let from = self.pos;
        if !self.eat(b'"') {
            return Err(self.error("quoted string expected"));
        }
        loop {
            let rest = self.text.as_bytes().get(self.pos..).unwrap_or_default();
            // Most are short: display names.
            let Some(at) = rest.iter().position(|&b| matches!(b, b'"' | b'\\')) else {
                return Err(HeaderError::new("quoted string does not end", from));
            };
            self.pos += at;
            if self.eat(b'"') {
                return Ok(self.slice(from));
            }
            // RFC 3261 §25.1 quoted-pair: a backslash and one ASCII character other than CR and LF.
            self.pos += 1;
            match self.peek() {
                Some(b) if b < 0x80 && b != b'\r' && b != b'\n' => self.pos += 1,
                _ => return Err(self.error("bad quoted pair")),
            }
        }
    }

    /// A decimal number of 32 bits.
    pub(crate) fn number(&mut self, reason: &'static str) -> Result<u32, HeaderError> {
        let from = self.pos;
        let mut value = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            self.pos += 1;
            value = value * 10 + u64::from(digit - b'0');
            if value > u64::from(u32::MAX) {
                return Err(HeaderError::new(reason, from));
            }
        }
        if self.pos == from {
            return Err(HeaderError::new(reason, from));
        }
        Ok(value as u32)
    }

    /// White space to the end.
    pub(crate) fn finish(mut self, reason: &'static str) -> Result<(), HeaderError> {
        self.skip_lws();
        if self.is_end() {
            Ok(())
        } else {
            Err(self.error(reason))
        }
    }
}

/// The text without white space (folds included) at its ends.
#[inline]
pub(crate) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    match bytes {
        [first, .., last] if !chars::is_lws(*first) && !chars::is_lws(*last) => text,
        _ => text.trim_matches([' ', '\t', '\r', '\n']),
    }
}
