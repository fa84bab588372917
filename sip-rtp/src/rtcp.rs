//! RTCP: compound packets as views, and their writer (RFC 3550 §6).
//!
//! [`Compound::parse`] checks the whole datagram once; iterating then only locates. A packet type that this
//! crate does not know comes out as [`RtcpPacket::Other`] and is skipped by whoever does not care.

use std::fmt;

mod application;
mod extended;
mod feedback;
mod goodbye;
mod report;
mod source_description;
mod writer;

pub use application::Application;
pub use extended::{
    DelaySinceLastReference, ExtendedBlocks, ExtendedReport, ReceiptTimes, ReportKind, RunLengths,
    StatisticsSummary, VoipMetrics,
};
pub use feedback::{
    BitRate, BitRates, EstimatedBitRate, Feedback, FeedbackMessage, FullIntra, Nack,
};
pub use goodbye::Goodbye;
pub use report::{ReceiverReport, ReportBlock, ReportBlocks, SenderReport};
pub use source_description::{Chunk, Chunks, Item, ItemKind, Items, SourceDescription};
pub use writer::{CompoundWriter, SenderInfo};

/// Packet type of a sender report.
pub const SR: u8 = 200;
/// Packet type of a receiver report.
pub const RR: u8 = 201;
/// Packet type of a source description.
pub const SDES: u8 = 202;
/// Packet type of a goodbye.
pub const BYE: u8 = 203;
/// Packet type of an application-defined packet.
pub const APP: u8 = 204;
/// Packet type of transport-layer feedback (RFC 4585 §6.2).
pub const RTPFB: u8 = 205;
/// Packet type of payload-specific feedback (RFC 4585 §6.3).
pub const PSFB: u8 = 206;
/// Packet type of an extended report (RFC 3611 §2).
pub const XR: u8 = 207;

/// Why octets are not a compound RTCP packet (RFC 3550 A.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RtcpError {
    /// Fewer octets than a header, or a length field that points past the datagram.
    Length,
    /// A version that is not 2.
    Version,
    /// The first packet is neither SR nor RR (and reduced size was not agreed).
    FirstPacket,
    /// Padding anywhere but in the last packet, or a padding count that is not a multiple of four or too large.
    Padding,
    /// A packet shorter than its count field says.
    Content,
}

impl fmt::Display for RtcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "RTCP length does not match the datagram",
            Self::Version => "RTCP version is not 2",
            Self::FirstPacket => "compound RTCP packet does not begin with SR or RR",
            Self::Padding => "RTCP padding is misplaced or malformed",
            Self::Content => "RTCP packet shorter than its count",
        })
    }
}

impl std::error::Error for RtcpError {}

/// A checked compound packet (RFC 3550 §6.1): one datagram, several packets.
///
/// ```
/// use sip_rtp::rtcp::{Compound, RtcpPacket};
///
/// let octets = [0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 203, 0, 1, 0, 0, 0, 7];
/// let compound = Compound::parse(&octets)?;
/// assert!(compound.packets().any(|packet| matches!(packet, RtcpPacket::Goodbye(bye) if bye.sources().eq([7]))));
/// # Ok::<(), sip_rtp::rtcp::RtcpError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Compound<'a> {
    buf: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks a datagram by the rules of RFC 3550 A.2.
    ///
    /// # Errors
    /// When one packet of the datagram is malformed: a receiver drops the whole.
    pub fn parse(buf: &'a [u8]) -> Result<Self, RtcpError> {
        let compound = Self::parse_reduced_size(buf)?;
        // RFC 3550 §6.1: the first packet is always a report.
        match buf.get(1) {
            Some(&SR | &RR) => Ok(compound),
            _ => Err(RtcpError::FirstPacket),
        }
    }

    /// Checks a datagram that may begin with any packet type (RFC 5506 §3.4.1, only when that was agreed).
    ///
    /// # Errors
    /// As [`Self::parse`], except for the first packet.
    pub fn parse_reduced_size(buf: &'a [u8]) -> Result<Self, RtcpError> {
        if buf.is_empty() {
            return Err(RtcpError::Length);
        }
        let mut rest = buf;
        while !rest.is_empty() {
            let (raw, tail) = RawPacket::split(rest)?;
            if raw.padded && !tail.is_empty() {
                return Err(RtcpError::Padding);
            }
            RtcpPacket::decode(raw)?;
            rest = tail;
        }
        Ok(Self { buf })
    }

    /// The packets in order.
    #[must_use]
    pub fn packets(&self) -> Packets<'a> {
        Packets { rest: self.buf }
    }

    /// Octets of the whole datagram.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a parsed compound packet is never empty"
    )]
    pub fn len(&self) -> usize {
        self.buf.len()
    }
}

/// The packets of a [`Compound`].
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = RtcpPacket<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (raw, tail) = RawPacket::split(self.rest).ok()?;
        self.rest = tail;
        RtcpPacket::decode(raw).ok()
    }
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum RtcpPacket<'a> {
    /// SR (RFC 3550 §6.4.1).
    SenderReport(SenderReport<'a>),
    /// RR (RFC 3550 §6.4.2).
    ReceiverReport(ReceiverReport<'a>),
    /// SDES (RFC 3550 §6.5).
    SourceDescription(SourceDescription<'a>),
    /// BYE (RFC 3550 §6.6).
    Goodbye(Goodbye<'a>),
    /// APP (RFC 3550 §6.7).
    Application(Application<'a>),
    /// Feedback (RFC 4585 §6).
    Feedback(Feedback<'a>),
    /// XR (RFC 3611).
    Extended(ExtendedReport<'a>),
    /// Any other packet type, unread.
    Other {
        /// The packet type.
        packet_type: u8,
        /// The five bits after the padding bit: a count or a format.
        count: u8,
        /// What follows the four octets of the header, without padding.
        body: &'a [u8],
    },
}

impl<'a> RtcpPacket<'a> {
    fn decode(raw: RawPacket<'a>) -> Result<Self, RtcpError> {
        let RawPacket {
            count,
            packet_type,
            body,
            ..
        } = raw;
        match packet_type {
            SR => SenderReport::decode(count, body).map(Self::SenderReport),
            RR => ReceiverReport::decode(count, body).map(Self::ReceiverReport),
            SDES => SourceDescription::decode(count, body).map(Self::SourceDescription),
            BYE => Goodbye::decode(count, body).map(Self::Goodbye),
            APP => Application::decode(count, body).map(Self::Application),
            RTPFB => Feedback::decode(true, count, body).map(Self::Feedback),
            PSFB => Feedback::decode(false, count, body).map(Self::Feedback),
            XR => ExtendedReport::decode(body).map(Self::Extended),
            _ => Some(Self::Other {
                packet_type,
                count,
                body,
            }),
        }
        .ok_or(RtcpError::Content)
    }
}

/// The common header, checked; `body` is what follows it, without padding.
#[derive(Debug, Clone, Copy)]
struct RawPacket<'a> {
    count: u8,
    packet_type: u8,
    padded: bool,
    body: &'a [u8],
}

impl<'a> RawPacket<'a> {
    fn split(buf: &'a [u8]) -> Result<(Self, &'a [u8]), RtcpError> {
        let Some((head, _)) = buf.split_first_chunk::<4>() else {
            return Err(RtcpError::Length);
        };
        if head[0] >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        // RFC 3550 §6.4.1: the length is in 32-bit words minus one, so that zero is valid and loops end.
        let len = (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1) * 4;
        let Some((packet, tail)) = buf.split_at_checked(len) else {
            return Err(RtcpError::Length);
        };
        let mut body = packet.get(4..).unwrap_or_default();
        let padded = head[0] & 0x20 != 0;
        if padded {
            let count = body.last().map_or(0, |count| usize::from(*count));
            // RFC 3550 §6.4.1: the padding is a multiple of four octets.
            if count == 0 || count % 4 != 0 || count > body.len() {
                return Err(RtcpError::Padding);
            }
            body = body.get(..body.len() - count).unwrap_or_default();
        }
        Ok((
            Self {
                count: head[0] & 0x1f,
                packet_type: head[1],
                padded,
                body,
            },
            tail,
        ))
    }
}

fn read_u32(buf: &[u8], at: usize) -> Option<u32> {
    buf.get(at..)?
        .first_chunk::<4>()
        .map(|octets| u32::from_be_bytes(*octets))
}

#[cfg(test)]
mod tests;
