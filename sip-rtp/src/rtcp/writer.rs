//! The writer of compound packets (RFC 3550 §6.1).

use crate::ntp::NtpTime;

use super::{APP, Application, BYE, ItemKind, RR, ReportBlock, SDES, SR};

/// What a sender report says about its own sender (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the wire format of RFC 3550 section 6.4.1 has exactly these fields"
)]
pub struct SenderInfo {
    /// The wall clock now.
    pub ntp: NtpTime,
    /// The same moment on the media clock.
    pub rtp_timestamp: u32,
    /// RTP packets sent so far.
    pub packet_count: u32,
    /// Payload octets sent so far.
    pub octet_count: u32,
}

/// Appends RTCP packets to a caller's buffer. The caller keeps the order of RFC 3550 §6.1: a report first, then SDES.
///
/// ```
/// use sip_rtp::rtcp::{Compound, CompoundWriter, ItemKind};
///
/// let mut out = Vec::new();
/// let mut writer = CompoundWriter::new(&mut out);
/// writer.receiver_report(7, &[]);
/// writer.source_description(7, &[(ItemKind::CNAME, b"alice@192.0.2.1")]);
/// writer.goodbye(&[7], Some("hung up"));
/// assert_eq!(Compound::parse(&out)?.packets().count(), 3);
/// # Ok::<(), sip_rtp::rtcp::RtcpError>(())
/// ```
#[derive(Debug)]
pub struct CompoundWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> CompoundWriter<'a> {
    /// A writer that appends to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// SR with up to 31 blocks (RFC 3550 §6.4.1); more are left out.
    pub fn sender_report(&mut self, ssrc: u32, info: &SenderInfo, blocks: &[ReportBlock]) {
        let blocks = blocks.get(..31).unwrap_or(blocks);
        self.packet(blocks.len() as u8, SR, |out| {
            out.extend_from_slice(&ssrc.to_be_bytes());
            out.extend_from_slice(&info.ntp.to_bits().to_be_bytes());
            for word in [info.rtp_timestamp, info.packet_count, info.octet_count] {
                out.extend_from_slice(&word.to_be_bytes());
            }
            blocks.iter().for_each(|block| block.write(out));
        });
    }

    /// RR with up to 31 blocks (RFC 3550 §6.4.2); more are left out.
    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) {
        let blocks = blocks.get(..31).unwrap_or(blocks);
        self.packet(blocks.len() as u8, RR, |out| {
            out.extend_from_slice(&ssrc.to_be_bytes());
            blocks.iter().for_each(|block| block.write(out));
        });
    }

    /// SDES with one chunk (RFC 3550 §6.5). A value longer than 255 octets is cut.
    pub fn source_description(&mut self, ssrc: u32, items: &[(ItemKind, &[u8])]) {
        self.packet(1, SDES, |out| {
            let start = out.len();
            out.extend_from_slice(&ssrc.to_be_bytes());
            for (kind, value) in items {
                let value = value.get(..255).unwrap_or(value);
                out.extend_from_slice(&[kind.0, value.len() as u8]);
                out.extend_from_slice(value);
            }
            // One zero octet ends the list; more fill the chunk up to a 32-bit boundary.
            let len = out.len() - start;
            out.resize(start + (len + 4) / 4 * 4, 0);
        });
    }

    /// BYE for up to 31 sources (RFC 3550 §6.6). A reason longer than 255 octets is cut.
    pub fn goodbye(&mut self, sources: &[u32], reason: Option<&str>) {
        let sources = sources.get(..31).unwrap_or(sources);
        self.packet(sources.len() as u8, BYE, |out| {
            for source in sources {
                out.extend_from_slice(&source.to_be_bytes());
            }
            if let Some(reason) = reason {
                let reason = reason.as_bytes();
                let reason = reason.get(..255).unwrap_or(reason);
                out.push(reason.len() as u8);
                out.extend_from_slice(reason);
            }
        });
    }

    /// APP (RFC 3550 §6.7).
    pub fn application(&mut self, application: &Application<'_>) {
        self.packet(application.subtype, APP, |out| {
            out.extend_from_slice(&application.ssrc.to_be_bytes());
            out.extend_from_slice(&application.name);
            out.extend_from_slice(application.data);
        });
    }

    /// A packet of any type: header, body, zeros to a 32-bit boundary, length.
    pub(super) fn packet(&mut self, count: u8, packet_type: u8, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.out.len();
        self.out
            .extend_from_slice(&[0x80 | (count & 0x1f), packet_type, 0, 0]);
        body(self.out);
        let len = (self.out.len() - start).next_multiple_of(4);
        self.out.resize(start + len, 0);
        let words = u16::try_from(len / 4 - 1).unwrap_or(u16::MAX).to_be_bytes();
        if let Some(field) = self.out.get_mut(start + 2..start + 4) {
            field.copy_from_slice(&words);
        }
    }
}
