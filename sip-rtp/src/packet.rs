//! The RTP packet: a view of what arrived and a writer of what leaves (RFC 3550 §5.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           timestamp                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           synchronization source (SSRC) identifier            |
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! |            contributing source (CSRC) identifiers             |
//! |                             ....                              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::fmt;
use std::ops::Range;

pub mod extension;

/// Octets of the fixed header.
pub const FIXED_HEADER_LEN: usize = 12;

/// Why octets are not an RTP packet (RFC 3550 A.1: what a receiver checks before it believes a header).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketError {
    /// Fewer octets than the fixed header.
    TooShort,
    /// The list of contributing sources is longer than the packet.
    Sources,
    /// The version is not 2.
    Version,
    /// The header extension is longer than the packet.
    Extension,
    /// The padding count is zero or larger than what follows the header.
    Padding,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "packet shorter than its RTP header",
            Self::Sources => "RTP list of contributing sources longer than the packet",
            Self::Version => "RTP version is not 2",
            Self::Extension => "RTP header extension longer than the packet",
            Self::Padding => "RTP padding count is zero or longer than the payload",
        })
    }
}

impl std::error::Error for PacketError {}

/// A checked view of one RTP packet (RFC 3550 §5.1). Parsing locates, copies nothing and allocates nothing.
///
/// ```
/// use sip_rtp::RtpPacket;
///
/// let octets = [0x80, 0x80, 0, 7, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 0xff, 0xff];
/// let packet = RtpPacket::parse(&octets)?;
/// assert_eq!((packet.payload_type(), packet.sequence(), packet.timestamp()), (0, 7, 160));
/// assert!(packet.marker());
/// assert_eq!(packet.payload(), [0xff, 0xff]);
/// # Ok::<(), sip_rtp::packet::PacketError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    buf: &'a [u8],
    fixed: &'a [u8; FIXED_HEADER_LEN],
    payload_start: usize,
    payload_end: usize,
}

impl<'a> RtpPacket<'a> {
    /// Checks the header against the length of `buf` and locates the parts.
    ///
    /// # Errors
    /// When a length in the header points outside of `buf`, or the version is not 2.
    pub fn parse(buf: &'a [u8]) -> Result<Self, PacketError> {
        let Some((fixed, rest)) = buf.split_first_chunk::<FIXED_HEADER_LEN>() else {
            return Err(PacketError::TooShort);
        };
        let first = fixed[0];
        if first >> 6 != 2 {
            return Err(PacketError::Version);
        }
        let csrc_len = usize::from(first & 0x0f) * 4;
        if csrc_len > rest.len() {
            return Err(PacketError::Sources);
        }
        let mut payload_start = FIXED_HEADER_LEN + csrc_len;
        if first & 0x10 != 0 {
            let Some(head) = rest
                .get(csrc_len..)
                .and_then(|rest| rest.first_chunk::<4>())
            else {
                return Err(PacketError::Extension);
            };
            payload_start += 4 + usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
            if payload_start > buf.len() {
                return Err(PacketError::Extension);
            }
        }
        let mut payload_end = buf.len();
        if first & 0x20 != 0 {
            // RFC 3550 §5.1: the last octet counts the padding, itself included; so it is never zero.
            let count = buf.last().map_or(0, |count| usize::from(*count));
            if count == 0 || count > payload_end - payload_start {
                return Err(PacketError::Padding);
            }
            payload_end -= count;
        }
        Ok(Self {
            buf,
            fixed,
            payload_start,
            payload_end,
        })
    }

    /// The marker bit; in audio, the first packet of a talkspurt (RFC 3551 §4.1).
    #[must_use]
    pub fn marker(&self) -> bool {
        self.fixed[1] & 0x80 != 0
    }

    /// The payload type, 0 to 127.
    #[must_use]
    pub fn payload_type(&self) -> u8 {
        self.fixed[1] & 0x7f
    }

    /// The sequence number, as it came (16 bits).
    #[must_use]
    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    /// The timestamp, in units of the payload's clock.
    #[must_use]
    pub fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.fixed[4], self.fixed[5], self.fixed[6], self.fixed[7]])
    }

    /// The synchronization source.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        u32::from_be_bytes([self.fixed[8], self.fixed[9], self.fixed[10], self.fixed[11]])
    }

    /// The contributing sources: who was mixed into this packet.
    pub fn csrc(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        let len = usize::from(self.fixed[0] & 0x0f) * 4;
        let list = self
            .buf
            .get(FIXED_HEADER_LEN..FIXED_HEADER_LEN + len)
            .unwrap_or_default();
        list.as_chunks::<4>()
            .0
            .iter()
            .map(|octets| u32::from_be_bytes(*octets))
    }

    /// The header extension, if there is one (RFC 3550 §5.3.1).
    #[must_use]
    pub fn extension(&self) -> Option<HeaderExtension<'a>> {
        if self.fixed[0] & 0x10 == 0 {
            return None;
        }
        let start = FIXED_HEADER_LEN + usize::from(self.fixed[0] & 0x0f) * 4;
        let (head, data) = self
            .buf
            .get(start..self.payload_start)?
            .split_first_chunk::<4>()?;
        Some(HeaderExtension {
            profile: u16::from_be_bytes([head[0], head[1]]),
            data,
        })
    }

    /// The payload, without padding.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.buf.get(self.payload_range()).unwrap_or_default()
    }

    /// Where the payload lies in the buffer that was parsed; for slicing the shared buffer.
    #[must_use]
    pub fn payload_range(&self) -> Range<usize> {
        self.payload_start..self.payload_end
    }

    /// The number of padding octets.
    #[must_use]
    pub fn padding(&self) -> usize {
        self.buf.len() - self.payload_end
    }
}

/// The header extension: a profile-defined number and whole words of data (RFC 3550 §5.3.1, RFC 8285).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the wire format of RFC 3550 section 5.3.1 has exactly these fields"
)]
pub struct HeaderExtension<'a> {
    /// "Defined by profile": 0xBEDE for one-byte elements, 0x1000 to 0x100F for two-byte ones (RFC 8285 §4).
    pub profile: u16,
    /// The data. A writer pads it with zeros to a whole number of 32-bit words.
    pub data: &'a [u8],
}

/// What a writer puts in front of a payload (RFC 3550 §5.1).
///
/// ```
/// use sip_rtp::{RtpHeader, RtpPacket};
///
/// let mut out = Vec::new();
/// RtpHeader { payload_type: 8, sequence: 9, timestamp: 320, ssrc: 1, ..RtpHeader::default() }.write(&[0xd5; 160], &mut out);
/// assert_eq!(out.len(), 172);
/// assert_eq!(RtpPacket::parse(&out)?.payload_type(), 8);
/// # Ok::<(), sip_rtp::packet::PacketError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the wire format of RFC 3550 section 5.1 has exactly these fields"
)]
pub struct RtpHeader<'a> {
    /// The marker bit.
    pub marker: bool,
    /// The payload type; only the low 7 bits are written.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The synchronization source.
    pub ssrc: u32,
    /// The contributing sources; only the first 15 fit and are written.
    pub csrc: &'a [u32],
    /// The header extension.
    pub extension: Option<HeaderExtension<'a>>,
}

impl RtpHeader<'_> {
    /// Appends a packet with this header and `payload` to `out`.
    #[inline]
    pub fn write(&self, payload: &[u8], out: &mut Vec<u8>) {
        if !self.csrc.is_empty() || self.extension.is_some() {
            return self.write_padded(payload, 0, out);
        }
        // Nearly every packet: twelve octets and the payload.
        out.reserve(FIXED_HEADER_LEN + payload.len());
        out.extend_from_slice(&self.fixed(0x80));
        out.extend_from_slice(payload);
    }

    /// Appends a packet and `padding` octets of padding (RFC 3550 §5.1), 0 for none.
    pub fn write_padded(&self, payload: &[u8], padding: u8, out: &mut Vec<u8>) {
        let csrc = self.csrc.get(..15).unwrap_or(self.csrc);
        // The length field of an extension counts 32-bit words in 16 bits.
        let extension = self.extension.map(|extension| {
            let data = extension
                .data
                .get(..usize::from(u16::MAX) * 4)
                .unwrap_or(extension.data);
            (extension.profile, data, data.len().div_ceil(4))
        });
        let words = extension.map_or(0, |(_, _, words)| words + 1);
        out.reserve(
            FIXED_HEADER_LEN + (csrc.len() + words) * 4 + payload.len() + usize::from(padding),
        );
        // At most 15, so the cast keeps the value.
        let count = csrc.len() as u8;
        let first =
            0x80 | (u8::from(padding > 0) << 5) | (u8::from(extension.is_some()) << 4) | count;
        out.extend_from_slice(&self.fixed(first));
        for source in csrc {
            out.extend_from_slice(&source.to_be_bytes());
        }
        if let Some((profile, data, words)) = extension {
            out.extend_from_slice(&profile.to_be_bytes());
            out.extend_from_slice(&(words as u16).to_be_bytes());
            out.extend_from_slice(data);
            out.resize(out.len() + words * 4 - data.len(), 0);
        }
        out.extend_from_slice(payload);
        if padding > 0 {
            out.resize(out.len() + usize::from(padding) - 1, 0);
            out.push(padding);
        }
    }

    /// The twelve octets of the header without contributing sources and extension, for one who has the payload elsewhere:
    /// in place behind them, or in a second buffer that is sent along.
    ///
    /// ```
    /// use sip_rtp::RtpHeader;
    ///
    /// let header = RtpHeader { payload_type: 8, sequence: 9, timestamp: 320, ssrc: 1, ..RtpHeader::default() };
    /// assert_eq!(header.to_octets(), [0x80, 8, 0, 9, 0, 0, 1, 64, 0, 0, 0, 1]);
    /// ```
    #[must_use]
    #[inline]
    pub fn to_octets(&self) -> [u8; FIXED_HEADER_LEN] {
        self.fixed(0x80)
    }

    /// The fixed header with this first octet.
    #[inline]
    fn fixed(&self, first: u8) -> [u8; FIXED_HEADER_LEN] {
        let second = (u8::from(self.marker) << 7) | (self.payload_type & 0x7f);
        let word = u32::from_be_bytes([first, second, 0, 0]) | u32::from(self.sequence);
        // In one piece: written word by word it would be twelve single octets.
        let bits = (u128::from(word) << 96)
            | (u128::from(self.timestamp) << 64)
            | (u128::from(self.ssrc) << 32);
        let mut octets = [0; FIXED_HEADER_LEN];
        octets.copy_from_slice(
            bits.to_be_bytes()
                .first_chunk::<FIXED_HEADER_LEN>()
                .unwrap_or(&[0; FIXED_HEADER_LEN]),
        );
        octets
    }
}

#[cfg(test)]
mod tests;
