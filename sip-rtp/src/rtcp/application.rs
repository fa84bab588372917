//! APP: experiments and applications of their own (RFC 3550 §6.7).

use super::read_u32;

/// An application-defined packet (RFC 3550 §6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the wire format of RFC 3550 section 6.7 has exactly these fields"
)]
pub struct Application<'a> {
    /// The subtype, 0 to 31.
    pub subtype: u8,
    /// Who sends it.
    pub ssrc: u32,
    /// Four ASCII characters that name the application.
    pub name: [u8; 4],
    /// The data: whole 32-bit words. A writer pads it with zeros.
    pub data: &'a [u8],
}

impl<'a> Application<'a> {
    pub(super) fn decode(count: u8, body: &'a [u8]) -> Option<Self> {
        let name = *body.get(4..)?.first_chunk::<4>()?;
        Some(Self {
            subtype: count,
            ssrc: read_u32(body, 0)?,
            name,
            data: body.get(8..)?,
        })
    }
}
