//! Writing the blocks about single packets: run lengths, receipt times, the summary (RFC 3611 §4.1-4.3, §4.6).

use crate::rtcp::writer::CompoundWriter;

use super::StatisticsSummary;

/// The longest run that one chunk tells (RFC 3611 §4.1.1: 14 bits).
const LONGEST_RUN: usize = 0x3fff;
/// Bits of a bit vector chunk (RFC 3611 §4.1.2).
const VECTOR: usize = 15;
/// Packets of one block: the range of sequence numbers must not wrap onto itself.
const MOST_PACKETS: usize = 65_534;

impl CompoundWriter<'_> {
    /// XR with a loss run-length block (RFC 3611 §4.1): for each sequence number of `source` from `begin` on, whether it was
    /// received. At most 65534 of them are told.
    ///
    /// ```
    /// use sip_rtp::rtcp::{Compound, CompoundWriter, ReportKind, RtcpPacket};
    ///
    /// let mut out = Vec::new();
    /// let mut writer = CompoundWriter::new(&mut out);
    /// writer.receiver_report(7, &[]);
    /// writer.loss_run_lengths(7, 9, 65_534, &[true, false, true]);
    /// let compound = Compound::parse(&out)?;
    /// let Some(RtcpPacket::Extended(report)) = compound.packets().nth(1) else { panic!() };
    /// let Some(ReportKind::LossRunLengths(runs)) = report.blocks().next() else { panic!() };
    /// assert_eq!(runs.packets().collect::<Vec<_>>(), [(65_534, true), (65_535, false), (0, true)]);
    /// # Ok::<(), sip_rtp::rtcp::RtcpError>(())
    /// ```
    pub fn loss_run_lengths(&mut self, ssrc: u32, source: u32, begin: u16, received: &[bool]) {
        self.run_lengths(1, ssrc, source, begin, received);
    }

    /// XR with a duplicate run-length block (RFC 3611 §4.2): for each sequence number from `begin` on, whether it came once
    /// at most.
    pub fn duplicate_run_lengths(&mut self, ssrc: u32, source: u32, begin: u16, once: &[bool]) {
        self.run_lengths(2, ssrc, source, begin, once);
    }

    /// XR with the receipt times of packets (RFC 3611 §4.3), on the RTP clock of `source`, one for each sequence number from
    /// `begin` on. All of them must have arrived; a block ends before one that is lost.
    pub fn receipt_times(&mut self, ssrc: u32, source: u32, begin: u16, times: &[u32]) {
        // The length field of a block counts words in 16 bits.
        let times = times.get(..MOST_PACKETS - 8).unwrap_or(times);
        self.extended(ssrc, 3, 0, |out| {
            range(out, source, begin, times.len());
            for time in times {
                out.extend_from_slice(&time.to_be_bytes());
            }
        });
    }

    /// XR with a summary of reception (RFC 3611 §4.6). A field that is `None` is written as zero and not flagged.
    pub fn statistics_summary(&mut self, ssrc: u32, summary: &StatisticsSummary) {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        // RFC 3611 §4.6: ToH is 1 for the TTL of IPv4 and 2 for the hop limit of IPv6.
        let hops = flag(summary.hops.is_some(), 0x08 << u8::from(summary.ipv6));
        let flags = flag(summary.lost.is_some(), 0x80)
            | flag(summary.duplicated.is_some(), 0x40)
            | flag(summary.jitter.is_some(), 0x20)
            | hops;
        self.extended(ssrc, 6, flags, |out| {
            let count = summary.end.wrapping_sub(summary.begin);
            range(out, summary.ssrc, summary.begin, usize::from(count));
            let jitter = summary.jitter.unwrap_or_default();
            let lost = [summary.lost, summary.duplicated].map(Option::unwrap_or_default);
            for word in lost.into_iter().chain(jitter) {
                out.extend_from_slice(&word.to_be_bytes());
            }
            out.extend_from_slice(&summary.hops.unwrap_or_default());
        });
    }

    fn run_lengths(&mut self, block_type: u8, ssrc: u32, source: u32, begin: u16, bits: &[bool]) {
        let bits = bits.get(..MOST_PACKETS).unwrap_or(bits);
        self.extended(ssrc, block_type, 0, |out| {
            range(out, source, begin, bits.len());
            let mut chunks = 0;
            let mut rest = bits;
            while !rest.is_empty() {
                let (chunk, told) = chunk(rest);
                out.extend_from_slice(&chunk.to_be_bytes());
                rest = rest.get(told..).unwrap_or_default();
                chunks += 1;
            }
            // RFC 3611 §4.1: a null chunk fills the last word.
            if chunks % 2 == 1 {
                out.extend_from_slice(&[0; 2]);
            }
        });
    }
}

fn range(out: &mut Vec<u8>, source: u32, begin: u16, count: usize) {
    out.extend_from_slice(&source.to_be_bytes());
    out.extend_from_slice(&begin.to_be_bytes());
    out.extend_from_slice(&begin.wrapping_add(count as u16).to_be_bytes());
}

/// The chunk that tells the most of `bits`, and how many it tells.
fn chunk(bits: &[bool]) -> (u16, usize) {
    let first = bits.first().copied().unwrap_or_default();
    let run = bits
        .iter()
        .take(LONGEST_RUN)
        .take_while(|bit| **bit == first)
        .count();
    if run >= VECTOR || run == bits.len() {
        return (u16::from(first) << 14 | run as u16, run);
    }
    let told = bits.len().min(VECTOR);
    let vector = bits
        .iter()
        .take(VECTOR)
        .enumerate()
        .fold(0x8000, |vector, (index, bit)| {
            vector | u16::from(*bit) << (14 - index)
        });
    (vector, told)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::{Compound, ReportKind, RtcpPacket};

    fn written(write: impl FnOnce(&mut CompoundWriter<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = CompoundWriter::new(&mut out);
        writer.receiver_report(7, &[]);
        write(&mut writer);
        out
    }

    fn block(out: &[u8]) -> ReportKind<'_> {
        let compound = Compound::parse(out).unwrap();
        let Some(RtcpPacket::Extended(report)) = compound.packets().nth(1) else {
            panic!("no extended report")
        };
        assert_eq!(report.ssrc, 7);
        report.blocks().next().unwrap()
    }

    #[test]
    fn rfc3611_4_1_chunks_are_as_short_as_the_pattern_allows() {
        let mut bits = vec![true; 20_000];
        bits.extend([false, true, true]);
        let out = written(|writer| writer.loss_run_lengths(7, 9, 5, &bits));
        // Two runs of ones, a bit vector, and a null chunk up to the word.
        assert_eq!(
            out[out.len() - 8..],
            [0x7f, 0xff, 0x40 | 0x0e, 0x21, 0xb0, 0, 0, 0]
        );
        let none = written(|writer| writer.duplicate_run_lengths(7, 9, 5, &[]));
        let ReportKind::DuplicateRunLengths(runs) = block(&none) else {
            panic!("not about duplicates")
        };
        assert_eq!((runs.begin, runs.end, runs.packets().count()), (5, 5, 0));
    }

    #[test]
    fn rfc3611_4_3_and_4_6_times_and_summary() {
        let out = written(|writer| writer.receipt_times(7, 9, u16::MAX, &[160, 320, 480]));
        let ReportKind::ReceiptTimes(times) = block(&out) else {
            panic!("no times")
        };
        assert_eq!((times.ssrc, times.begin, times.end), (9, u16::MAX, 2));
        assert_eq!(times.times().collect::<Vec<_>>(), [160, 320, 480]);
        for ipv6 in [false, true] {
            let mut summary = StatisticsSummary::new(9, 65_000, 100);
            (summary.lost, summary.jitter) = (Some(3), Some([1, 90, 20, 7]));
            (summary.hops, summary.ipv6) = (Some([60, 64, 63, 1]), ipv6);
            let out = written(|writer| writer.statistics_summary(7, &summary));
            let ReportKind::Statistics(read) = block(&out) else {
                panic!("no summary")
            };
            assert_eq!(read, summary);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(begin: u16, runs in proptest::collection::vec((any::<bool>(), 1usize..40), 0..40)) {
            let bits: Vec<bool> = runs.iter().flat_map(|(bit, count)| std::iter::repeat_n(*bit, *count)).collect();
            let out = written(|writer| writer.loss_run_lengths(7, 9, begin, &bits));
            let ReportKind::LossRunLengths(read) = block(&out) else { panic!("no run lengths") };
            prop_assert_eq!((read.ssrc, read.begin), (9, begin));
            let expected: Vec<(u16, bool)> = bits.iter().enumerate().map(|(at, bit)| (begin.wrapping_add(at as u16), *bit)).collect();
            prop_assert_eq!(read.packets().collect::<Vec<_>>(), expected);
        }
    }
}
