//! BYE: sources that leave (RFC 3550 §6.6).

/// A goodbye (RFC 3550 §6.6).
#[derive(Debug, Clone, Copy)]
pub struct Goodbye<'a> {
    sources: &'a [u8],
    reason: Option<&'a [u8]>,
}

impl<'a> Goodbye<'a> {
    pub(super) fn decode(count: u8, body: &'a [u8]) -> Option<Self> {
        let (sources, rest) = body.split_at_checked(usize::from(count) * 4)?;
        let reason = match rest.split_first() {
            None => None,
            Some((len, text)) => Some(text.get(..usize::from(*len))?),
        };
        Some(Self { sources, reason })
    }

    /// The sources that leave.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.sources
            .as_chunks::<4>()
            .0
            .iter()
            .map(|octets| u32::from_be_bytes(*octets))
    }

    /// Why, if it says so and the text is UTF-8.
    #[must_use]
    pub fn reason(&self) -> Option<&'a str> {
        std::str::from_utf8(self.reason?).ok()
    }
}
