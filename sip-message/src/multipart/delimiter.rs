//! The lines between the parts of a body (RFC 2046 §5.1.1).
//!
//! ```text
//! delimiter = CRLF "--" boundary [ "--" ] *( SP / HTAB ) ( CRLF / end of the body after the last one )
//! ```

/// A line `--boundary`: where the part before it ends, where the one after it begins.
pub(super) struct Delimiter {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) last: bool,
}

pub(super) struct Delimiters<'a> {
    body: &'a [u8],
    boundary: &'a [u8],
    pos: usize,
}

impl<'a> Delimiters<'a> {
    pub(super) const fn new(body: &'a [u8], boundary: &'a [u8]) -> Self {
        Self {
            body,
            boundary,
            pos: 0,
        }
    }
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
