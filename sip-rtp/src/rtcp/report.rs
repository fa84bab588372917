//! Sender and receiver reports (RFC 3550 §6.4).

use crate::ntp::NtpTime;

use super::read_u32;

/// Octets of one report block.
const BLOCK_LEN: usize = 24;

/// A sender report (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SenderReport<'a> {
    /// Who sends it.
    pub ssrc: u32,
    /// The wall clock when it was sent.
    pub ntp: NtpTime,
    /// The same moment on the media clock.
    pub rtp_timestamp: u32,
    /// RTP packets sent so far.
    pub packet_count: u32,
    /// Payload octets sent so far.
    pub octet_count: u32,
    /// What the sender receives itself.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> SenderReport<'a> {
    pub(super) fn decode(count: u8, body: &'a [u8]) -> Option<Self> {
        let ntp = (u64::from(read_u32(body, 4)?) << 32) | u64::from(read_u32(body, 8)?);
        Some(Self {
            ssrc: read_u32(body, 0)?,
            ntp: NtpTime::from_bits(ntp),
            rtp_timestamp: read_u32(body, 12)?,
            packet_count: read_u32(body, 16)?,
            octet_count: read_u32(body, 20)?,
            blocks: ReportBlocks::decode(count, body.get(24..)?)?,
        })
    }
}

/// A receiver report (RFC 3550 §6.4.2).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ReceiverReport<'a> {
    /// Who sends it.
    pub ssrc: u32,
    /// What it receives.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn decode(count: u8, body: &'a [u8]) -> Option<Self> {
        Some(Self {
            ssrc: read_u32(body, 0)?,
            blocks: ReportBlocks::decode(count, body.get(4..)?)?,
        })
    }
}

/// The report blocks of a report; a profile-specific extension after them is ignored (RFC 3550 §6.4.3).
#[derive(Debug, Clone, Copy)]
pub struct ReportBlocks<'a> {
    buf: &'a [u8],
}

impl<'a> ReportBlocks<'a> {
    fn decode(count: u8, rest: &'a [u8]) -> Option<Self> {
        rest.get(..usize::from(count) * BLOCK_LEN)
            .map(|buf| Self { buf })
    }

    /// The blocks in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ReportBlock> + 'a {
        self.buf
            .as_chunks::<BLOCK_LEN>()
            .0
            .iter()
            .map(ReportBlock::decode)
    }
}

/// How one source is received (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the wire format of RFC 3550 section 6.4.1 has exactly these fields"
)]
pub struct ReportBlock {
    /// The source that this block is about.
    pub ssrc: u32,
    /// Share of packets lost since the previous report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; negative when duplicates outnumber losses. 24 bits on the wire.
    pub cumulative_lost: i32,
    /// Highest sequence number received, extended by the count of cycles.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the media clock (RFC 3550 §6.4.1, A.8).
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time, 0 for none.
    pub last_sr: u32,
    /// Delay since that report, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    fn decode(octets: &[u8; BLOCK_LEN]) -> Self {
        let word = |at: usize| read_u32(octets, at).unwrap_or_default();
        let lost = word(4);
        Self {
            ssrc: word(0),
            fraction_lost: (lost >> 24) as u8,
            // Sign extension of the 24-bit field.
            cumulative_lost: ((lost << 8) as i32) >> 8,
            highest_sequence: word(8),
            jitter: word(12),
            last_sr: word(16),
            delay_since_last_sr: word(20),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // RFC 3550 A.3: the cumulative count is clamped to 24 signed bits.
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0x00ff_ffff;
        let words = [
            self.ssrc,
            (u32::from(self.fraction_lost) << 24) | lost,
            self.highest_sequence,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        ];
        for word in words {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}
