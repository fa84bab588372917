//! XR: extended reports, among them the VoIP metrics (RFC 3611).

use crate::ntp::NtpTime;

use super::writer::CompoundWriter;
use super::{XR, read_u32};

mod writer;

/// An extended report: blocks about reception (RFC 3611 §2).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ExtendedReport<'a> {
    /// Who sends it.
    pub ssrc: u32,
    blocks: &'a [u8],
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Option<Self> {
        let report = Self {
            ssrc: read_u32(body, 0)?,
            blocks: body.get(4..)?,
        };
        // Block lengths must add up: walk them once.
        let mut blocks = report.blocks();
        while blocks.next().is_some() {}
        blocks.rest.is_empty().then_some(report)
    }

    /// The blocks in order. A block whose content is malformed comes out as [`ReportKind::Other`].
    #[must_use]
    pub fn blocks(&self) -> ExtendedBlocks<'a> {
        ExtendedBlocks { rest: self.blocks }
    }
}

/// The blocks of an [`ExtendedReport`].
#[derive(Debug, Clone)]
pub struct ExtendedBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for ExtendedBlocks<'a> {
    type Item = ReportKind<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, tail) = self.rest.split_first_chunk::<4>()?;
        let (content, rest) =
            tail.split_at_checked(usize::from(u16::from_be_bytes([head[2], head[3]])) * 4)?;
        self.rest = rest;
        let other = ReportKind::Other {
            block_type: head[0],
            specific: head[1],
            content,
        };
        Some(ReportKind::decode(head[0], head[1], content).unwrap_or(other))
    }
}

/// One block of an extended report (RFC 3611 §4).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ReportKind<'a> {
    /// Which packets were lost (RFC 3611 §4.1): a 1 means received.
    LossRunLengths(RunLengths<'a>),
    /// Which packets came more than once (RFC 3611 §4.2): a 0 means duplicated.
    DuplicateRunLengths(RunLengths<'a>),
    /// When packets arrived (RFC 3611 §4.3).
    ReceiptTimes(ReceiptTimes<'a>),
    /// A receiver's wall clock (RFC 3611 §4.4), so that it can measure the round trip.
    ReferenceTime(NtpTime),
    /// Its answer (RFC 3611 §4.5).
    DelaySinceLastReference(DelaySinceLastReference<'a>),
    /// Loss, duplicates, jitter, hops (RFC 3611 §4.6).
    Statistics(StatisticsSummary),
    /// Quality of a call (RFC 3611 §4.7).
    Voip(VoipMetrics),
    /// Anything else.
    Other {
        /// The block type.
        block_type: u8,
        /// The octet after it.
        specific: u8,
        /// The content.
        content: &'a [u8],
    },
}

impl<'a> ReportKind<'a> {
    fn decode(block_type: u8, specific: u8, content: &'a [u8]) -> Option<Self> {
        Some(match block_type {
            1 => Self::LossRunLengths(RunLengths::decode(specific, content)?),
            2 => Self::DuplicateRunLengths(RunLengths::decode(specific, content)?),
            3 => Self::ReceiptTimes(ReceiptTimes::decode(specific, content)?),
            4 => {
                let bits =
                    (u64::from(read_u32(content, 0)?) << 32) | u64::from(read_u32(content, 4)?);
                Self::ReferenceTime(NtpTime::from_bits(bits))
            }
            5 => Self::DelaySinceLastReference(DelaySinceLastReference { blocks: content }),
            6 => Self::Statistics(StatisticsSummary::decode(specific, content)?),
            7 => Self::Voip(VoipMetrics::decode(content)?),
            _ => return None,
        })
    }
}

/// A bit per packet, packed (RFC 3611 §4.1).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RunLengths<'a> {
    /// The source.
    pub ssrc: u32,
    /// Only every `2^thinning`th sequence number is reported.
    pub thinning: u8,
    /// The first sequence number.
    pub begin: u16,
    /// The last sequence number plus one.
    pub end: u16,
    chunks: &'a [u8],
}

impl<'a> RunLengths<'a> {
    fn decode(specific: u8, content: &'a [u8]) -> Option<Self> {
        let range = read_u32(content, 4)?;
        Some(Self {
            ssrc: read_u32(content, 0)?,
            thinning: specific & 0x0f,
            begin: (range >> 16) as u16,
            end: range as u16,
            chunks: content.get(8..)?,
        })
    }

    /// Sequence number and bit of each reported packet.
    pub fn packets(&self) -> impl Iterator<Item = (u16, bool)> + 'a {
        let step = 1u32 << self.thinning;
        let begin = self.begin;
        // RFC 3611 §4.1: with thinning, the reported numbers are the multiples of 2^thinning.
        let first = (u32::from(begin).next_multiple_of(step)).wrapping_sub(u32::from(begin));
        let span = u32::from(self.end.wrapping_sub(begin));
        let numbers = (first..span).step_by(step as usize);
        let chunks = self
            .chunks
            .as_chunks::<2>()
            .0
            .iter()
            .map(|octets| u16::from_be_bytes(*octets));
        // A null chunk ends the list.
        let bits = chunks.take_while(|chunk| *chunk != 0).flat_map(|chunk| {
            let (count, run) = if chunk & 0x8000 == 0 {
                (u32::from(chunk & 0x3fff), true)
            } else {
                (15, false)
            };
            (0..count).map(move |index| {
                if run {
                    chunk & 0x4000 != 0
                } else {
                    chunk & (0x4000 >> index) != 0
                }
            })
        });
        numbers
            .map(move |number| begin.wrapping_add(number as u16))
            .zip(bits)
    }
}

/// When packets arrived (RFC 3611 §4.3).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ReceiptTimes<'a> {
    /// The source.
    pub ssrc: u32,
    /// Only every `2^thinning`th sequence number is reported.
    pub thinning: u8,
    /// The first sequence number.
    pub begin: u16,
    /// The last sequence number plus one.
    pub end: u16,
    times: &'a [u8],
}

impl<'a> ReceiptTimes<'a> {
    fn decode(specific: u8, content: &'a [u8]) -> Option<Self> {
        let range = read_u32(content, 4)?;
        Some(Self {
            ssrc: read_u32(content, 0)?,
            thinning: specific & 0x0f,
            begin: (range >> 16) as u16,
            end: range as u16,
            times: content.get(8..)?,
        })
    }

    /// The receipt times, on the RTP clock of the source.
    pub fn times(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.times
            .as_chunks::<4>()
            .0
            .iter()
            .map(|octets| u32::from_be_bytes(*octets))
    }
}

/// Answers to reference times (RFC 3611 §4.5).
#[derive(Debug, Clone, Copy)]
pub struct DelaySinceLastReference<'a> {
    blocks: &'a [u8],
}

impl<'a> DelaySinceLastReference<'a> {
    /// Receiver, the middle bits of its last reference time, and the delay since then in 1/65536 s.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (u32, u32, u32)> + 'a {
        self.blocks.as_chunks::<12>().0.iter().map(|block| {
            let word = |at| read_u32(block, at).unwrap_or_default();
            (word(0), word(4), word(8))
        })
    }
}

/// A summary of reception (RFC 3611 §4.6). A field is `None` when its flag is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatisticsSummary {
    /// The source.
    pub ssrc: u32,
    /// The first sequence number.
    pub begin: u16,
    /// The last sequence number plus one.
    pub end: u16,
    /// Packets lost.
    pub lost: Option<u32>,
    /// Packets duplicated.
    pub duplicated: Option<u32>,
    /// Least, greatest, mean and standard deviation of the jitter, in ticks of the RTP clock.
    pub jitter: Option<[u32; 4]>,
    /// Least, greatest, mean and standard deviation of the TTL (IPv4) or hop limit (IPv6).
    pub hops: Option<[u8; 4]>,
    /// Whether `hops` are hop limits of IPv6.
    pub ipv6: bool,
}

impl StatisticsSummary {
    /// A summary of the packets from `begin` up to the one before `end`, that tells nothing yet.
    #[must_use]
    pub fn new(ssrc: u32, begin: u16, end: u16) -> Self {
        Self {
            ssrc,
            begin,
            end,
            lost: None,
            duplicated: None,
            jitter: None,
            hops: None,
            ipv6: false,
        }
    }

    fn decode(flags: u8, content: &[u8]) -> Option<Self> {
        let word = |index: usize| read_u32(content, index * 4);
        let (ssrc, range, lost, duplicated) = (word(0)?, word(1)?, word(2)?, word(3)?);
        let (jitter, hops) = ([word(4)?, word(5)?, word(6)?, word(7)?], word(8)?);
        Some(Self {
            ssrc,
            begin: (range >> 16) as u16,
            end: range as u16,
            lost: (flags & 0x80 != 0).then_some(lost),
            duplicated: (flags & 0x40 != 0).then_some(duplicated),
            jitter: (flags & 0x20 != 0).then_some(jitter),
            hops: (flags & 0x18 != 0).then_some(hops.to_be_bytes()),
            ipv6: flags & 0x10 != 0,
        })
    }
}

/// Quality of a call (RFC 3611 §4.7). Fields hold the values of the wire; 127 means "unavailable" where the RFC says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the wire format of RFC 3611 section 4.7 has exactly these fields"
)]
pub struct VoipMetrics {
    /// The source.
    pub ssrc: u32,
    /// Share of packets lost, in 1/256.
    pub loss_rate: u8,
    /// Share of packets discarded by the jitter buffer, in 1/256.
    pub discard_rate: u8,
    /// Share lost and discarded within bursts, in 1/256.
    pub burst_density: u8,
    /// The same within gaps.
    pub gap_density: u8,
    /// Mean duration of bursts in ms.
    pub burst_duration: u16,
    /// Mean duration of gaps in ms.
    pub gap_duration: u16,
    /// Round trip between the RTP interfaces in ms; 0 before it is known.
    pub round_trip_delay: u16,
    /// Delay of the end system in ms.
    pub end_system_delay: u16,
    /// Signal level in dBm0.
    pub signal_level: i8,
    /// Noise level in dBm0.
    pub noise_level: i8,
    /// Residual echo return loss in dB.
    pub residual_echo_return_loss: u8,
    /// The gap threshold: 16 is recommended.
    pub gmin: u8,
    /// Conversation quality, 0 to 100.
    pub r_factor: u8,
    /// The same with the network beyond the gateway.
    pub external_r_factor: u8,
    /// Estimated listening quality, times ten.
    pub mos_lq: u8,
    /// Estimated conversational quality, times ten.
    pub mos_cq: u8,
    /// Receiver configuration: concealment, adaptivity, rate of the jitter buffer.
    pub receiver_configuration: u8,
    /// Nominal delay of the jitter buffer in ms.
    pub buffer_nominal: u16,
    /// Its present maximum in ms.
    pub buffer_maximum: u16,
    /// Its absolute maximum in ms.
    pub buffer_absolute_maximum: u16,
}

impl VoipMetrics {
    /// The value of a field that is not known.
    pub const UNAVAILABLE: u8 = 127;

    fn decode(content: &[u8]) -> Option<Self> {
        let octets = content.first_chunk::<32>()?;
        let short = |at: usize| {
            octets
                .get(at..)?
                .first_chunk::<2>()
                .map(|pair| u16::from_be_bytes(*pair))
        };
        Some(Self {
            ssrc: read_u32(octets, 0)?,
            loss_rate: octets[4],
            discard_rate: octets[5],
            burst_density: octets[6],
            gap_density: octets[7],
            burst_duration: short(8)?,
            gap_duration: short(10)?,
            round_trip_delay: short(12)?,
            end_system_delay: short(14)?,
            signal_level: octets[16].cast_signed(),
            noise_level: octets[17].cast_signed(),
            residual_echo_return_loss: octets[18],
            gmin: octets[19],
            r_factor: octets[20],
            external_r_factor: octets[21],
            mos_lq: octets[22],
            mos_cq: octets[23],
            receiver_configuration: octets[24],
            buffer_nominal: short(26)?,
            buffer_maximum: short(28)?,
            buffer_absolute_maximum: short(30)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&[
            self.loss_rate,
            self.discard_rate,
            self.burst_density,
            self.gap_density,
        ]);
        for value in [
            self.burst_duration,
            self.gap_duration,
            self.round_trip_delay,
            self.end_system_delay,
        ] {
            out.extend_from_slice(&value.to_be_bytes());
        }
        out.extend_from_slice(&[
            self.signal_level.cast_unsigned(),
            self.noise_level.cast_unsigned(),
        ]);
        out.extend_from_slice(&[
            self.residual_echo_return_loss,
            self.gmin,
            self.r_factor,
            self.external_r_factor,
        ]);
        out.extend_from_slice(&[self.mos_lq, self.mos_cq, self.receiver_configuration, 0]);
        for value in [
            self.buffer_nominal,
            self.buffer_maximum,
            self.buffer_absolute_maximum,
        ] {
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

impl CompoundWriter<'_> {
    /// XR with a reference time (RFC 3611 §4.4).
    pub fn reference_time(&mut self, ssrc: u32, now: NtpTime) {
        self.extended(ssrc, 4, 0, |out| {
            out.extend_from_slice(&now.to_bits().to_be_bytes())
        });
    }

    /// XR with answers to reference times: receiver, middle bits of its time, delay in 1/65536 s (RFC 3611 §4.5).
    pub fn delay_since_last_reference(&mut self, ssrc: u32, entries: &[(u32, u32, u32)]) {
        self.extended(ssrc, 5, 0, |out| {
            for (receiver, last, delay) in entries {
                [receiver, last, delay]
                    .into_iter()
                    .for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
            }
        });
    }

    /// XR with VoIP metrics (RFC 3611 §4.7).
    pub fn voip_metrics(&mut self, ssrc: u32, metrics: &VoipMetrics) {
        self.extended(ssrc, 7, 0, |out| metrics.write(out));
    }

    fn extended(
        &mut self,
        ssrc: u32,
        block_type: u8,
        specific: u8,
        content: impl FnOnce(&mut Vec<u8>),
    ) {
        self.packet(0, XR, |out| {
            out.extend_from_slice(&ssrc.to_be_bytes());
            let start = out.len();
            out.extend_from_slice(&[block_type, specific, 0, 0]);
            content(out);
            let words = u16::try_from((out.len() - start) / 4 - 1)
                .unwrap_or(u16::MAX)
                .to_be_bytes();
            if let Some(field) = out.get_mut(start + 2..start + 4) {
                field.copy_from_slice(&words);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Compound, RtcpPacket};
    use crate::test_data::rtcp_vector;

    /// The octets of the XR packet of a vector, without the report before it.
    fn octets(name: &str) -> Vec<u8> {
        rtcp_vector(name).split_off(8)
    }

    fn blocks(octets: &[u8]) -> Vec<ReportKind<'_>> {
        match Compound::parse_reduced_size(octets)
            .unwrap()
            .packets()
            .last()
        {
            Some(RtcpPacket::Extended(report)) => report.blocks().collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rfc3611_4_1_and_4_2_run_lengths() {
        let octets_of_loss = octets("XR-loss-rle");
        let [ReportKind::LossRunLengths(report)] = blocks(&octets_of_loss)[..] else {
            panic!("no loss RLE")
        };
        assert_eq!((report.begin, report.end, report.thinning), (1000, 1030, 0));
        let packets: Vec<_> = report.packets().collect();
        assert_eq!(packets.len(), 30);
        assert!(packets[..15].iter().all(|(_, received)| *received));
        // BFFE: a bit vector 0111 1111 1111 110.
        let lost: Vec<u16> = packets
            .iter()
            .filter(|(_, received)| !received)
            .map(|(sequence, _)| *sequence)
            .collect();
        assert_eq!(lost, [1015, 1029]);

        let octets_of_duplicates = octets("XR-dup-rle");
        let [ReportKind::DuplicateRunLengths(report)] = blocks(&octets_of_duplicates)[..] else {
            panic!("no duplicate RLE")
        };
        assert_eq!(report.packets().filter(|(_, single)| *single).count(), 10);
    }

    #[test]
    fn rfc3611_4_3_receipt_times() {
        let octets = octets("XR-receipt-times");
        let [ReportKind::ReceiptTimes(report)] = blocks(&octets)[..] else {
            panic!("no receipt times")
        };
        assert_eq!((report.begin, report.end), (15, 18));
        assert_eq!(report.times().collect::<Vec<_>>(), [100, 260, 420]);
    }

    #[test]
    fn rfc3611_4_4_and_4_5_round_trip_of_a_receiver() {
        let reference = octets("XR-rrt");
        let [ReportKind::ReferenceTime(time)] = blocks(&reference)[..] else {
            panic!("no RRT")
        };
        assert_eq!(time.to_bits(), 0xe8f5_b44d_b705_0000);
        let answer = octets("XR-dlrr");
        let [ReportKind::DelaySinceLastReference(entries)] = blocks(&answer)[..] else {
            panic!("no DLRR")
        };
        assert_eq!(
            entries.entries().collect::<Vec<_>>(),
            [(0x5566_7788, 0xb44d_b705, 0x0001_8000)]
        );
        let mut out = Vec::new();
        CompoundWriter::new(&mut out).reference_time(0x1122_3344, time);
        assert_eq!(out, reference);
        out.clear();
        CompoundWriter::new(&mut out)
            .delay_since_last_reference(0x1122_3344, &[(0x5566_7788, 0xb44d_b705, 0x0001_8000)]);
        assert_eq!(out, answer);
    }

    #[test]
    fn rfc3611_4_6_statistics_summary() {
        let octets = octets("XR-statistics");
        let [ReportKind::Statistics(summary)] = blocks(&octets)[..] else {
            panic!("no statistics")
        };
        assert_eq!(
            (summary.begin, summary.end, summary.lost, summary.duplicated),
            (1000, 2000, Some(10), Some(2))
        );
        assert_eq!(
            (summary.jitter, summary.hops),
            (Some([5, 90, 40, 12]), Some([64, 64, 64, 0]))
        );
    }

    #[test]
    fn rfc3611_4_7_voip_metrics() {
        let octets = octets("XR-voip");
        let [ReportKind::Voip(metrics)] = blocks(&octets)[..] else {
            panic!("no VoIP metrics")
        };
        assert_eq!(
            (
                metrics.loss_rate,
                metrics.discard_rate,
                metrics.burst_density,
                metrics.gap_density
            ),
            (3, 1, 40, 25)
        );
        assert_eq!(
            (
                metrics.burst_duration,
                metrics.gap_duration,
                metrics.round_trip_delay,
                metrics.end_system_delay
            ),
            (1000, 2000, 80, 45)
        );
        assert_eq!(
            (
                metrics.signal_level,
                metrics.noise_level,
                metrics.residual_echo_return_loss,
                metrics.gmin
            ),
            (-20, -60, 30, 16)
        );
        assert_eq!(
            (
                metrics.r_factor,
                metrics.external_r_factor,
                metrics.mos_lq,
                metrics.mos_cq
            ),
            (93, VoipMetrics::UNAVAILABLE, 42, 41)
        );
        assert_eq!(
            (
                metrics.buffer_nominal,
                metrics.buffer_maximum,
                metrics.buffer_absolute_maximum
            ),
            (40, 60, 300)
        );
        let mut out = Vec::new();
        CompoundWriter::new(&mut out).voip_metrics(0x1122_3344, &metrics);
        assert_eq!(out, octets);
    }

    #[test]
    fn rfc3611_3_unknown_blocks_are_skipped_and_lying_lengths_are_not_believed() {
        let octets = octets("XR-multi");
        let blocks = blocks(&octets);
        assert!(matches!(
            blocks[..],
            [
                ReportKind::ReferenceTime(_),
                ReportKind::Voip(_),
                ReportKind::Other {
                    block_type: 250,
                    ..
                }
            ]
        ));
        let mut lying = octets.clone();
        lying[11] = 200;
        assert!(Compound::parse_reduced_size(&lying).is_err());
        // A block that is too short for its type is not decoded, and the rest still is.
        let short = [0x80, 207, 0, 3, 0, 0, 0, 1, 7, 0, 0, 1, 0, 0, 0, 2];
        assert!(matches!(
            self::blocks(&short)[..],
            [ReportKind::Other { block_type: 7, .. }]
        ));
    }
}
