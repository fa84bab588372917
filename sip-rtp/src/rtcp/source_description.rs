//! SDES: who a source is (RFC 3550 §6.5).

use super::read_u32;

/// A source description: chunks, each about one source (RFC 3550 §6.5).
#[derive(Debug, Clone, Copy)]
pub struct SourceDescription<'a> {
    count: u8,
    body: &'a [u8],
}

impl<'a> SourceDescription<'a> {
    pub(super) fn decode(count: u8, body: &'a [u8]) -> Option<Self> {
        let description = Self { count, body };
        // Every chunk must be whole: walk them once.
        (description.chunks().count() == usize::from(count)).then_some(description)
    }

    /// The chunks in order.
    #[must_use]
    pub fn chunks(&self) -> Chunks<'a> {
        Chunks {
            left: self.count,
            rest: self.body,
        }
    }

    /// The CNAME of a source, if this packet has it.
    #[must_use]
    pub fn cname(&self, ssrc: u32) -> Option<&'a str> {
        let chunk = self.chunks().find(|chunk| chunk.ssrc == ssrc)?;
        chunk
            .items()
            .find(|item| item.kind == ItemKind::CNAME)?
            .text()
    }
}

/// The chunks of a [`SourceDescription`].
#[derive(Debug, Clone)]
pub struct Chunks<'a> {
    left: u8,
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let ssrc = read_u32(self.rest, 0)?;
        let body = self.rest.get(4..)?;
        let mut at = 0;
        // The list ends with a zero octet; more zeros fill up to the next 32-bit boundary.
        while *body.get(at)? != 0 {
            at += 2 + usize::from(*body.get(at + 1)?);
        }
        let items = body.get(..at)?;
        self.rest = body.get((at + 4) / 4 * 4..)?;
        Some(Chunk { ssrc, items })
    }
}

/// What a description says about one source.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Chunk<'a> {
    /// The source.
    pub ssrc: u32,
    items: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// The items in order.
    #[must_use]
    pub fn items(&self) -> Items<'a> {
        Items { rest: self.items }
    }
}

/// The items of a [`Chunk`].
#[derive(Debug, Clone)]
pub struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, tail) = self.rest.split_first_chunk::<2>()?;
        let (value, rest) = tail.split_at_checked(usize::from(head[1]))?;
        self.rest = rest;
        Some(Item {
            kind: ItemKind(head[0]),
            value,
        })
    }
}

/// One item of a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the wire format of RFC 3550 section 6.5 has exactly these fields"
)]
pub struct Item<'a> {
    /// Which item.
    pub kind: ItemKind,
    /// Its value: UTF-8 by the RFC, unchecked; PRIV has a length-prefixed prefix inside (RFC 3550 §6.5.8).
    pub value: &'a [u8],
}

impl<'a> Item<'a> {
    /// The value, if it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value).ok()
    }

    /// Prefix and value of a PRIV item (RFC 3550 §6.5.8).
    #[must_use]
    pub fn private(&self) -> Option<(&'a [u8], &'a [u8])> {
        let (len, rest) = self.value.split_first()?;
        (self.kind == ItemKind::PRIV).then(|| rest.split_at_checked(usize::from(*len)))?
    }
}

/// The number of an SDES item (RFC 3550 §12.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a number of the IANA registry and nothing else"
)]
pub struct ItemKind(pub u8);

impl ItemKind {
    /// Canonical end-point identifier (RFC 3550 §6.5.1).
    pub const CNAME: Self = Self(1);
    /// User name (RFC 3550 §6.5.2).
    pub const NAME: Self = Self(2);
    /// Electronic mail address (RFC 3550 §6.5.3).
    pub const EMAIL: Self = Self(3);
    /// Phone number (RFC 3550 §6.5.4).
    pub const PHONE: Self = Self(4);
    /// Geographic location (RFC 3550 §6.5.5).
    pub const LOC: Self = Self(5);
    /// Application or tool name (RFC 3550 §6.5.6).
    pub const TOOL: Self = Self(6);
    /// Notice or status (RFC 3550 §6.5.7).
    pub const NOTE: Self = Self(7);
    /// Private extension (RFC 3550 §6.5.8).
    pub const PRIV: Self = Self(8);
}
