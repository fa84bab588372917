//! What is known of one source that we receive: validity, sequence, loss, jitter (RFC 3550 A.1, A.3, A.8).

use std::time::{Duration, Instant};

use crate::ntp::{self, NtpTime};
use crate::rtcp::ReportBlock;

/// Largest forward jump of the sequence number that still counts as loss (RFC 3550 A.1).
const MAX_DROPOUT: u16 = 3000;
/// Largest step back that still counts as reordering (RFC 3550 A.1).
const MAX_MISORDER: u16 = 100;
/// One cycle of the sequence number.
const CYCLE: u64 = 1 << 16;

/// What the sequence number of a packet says about it (RFC 3550 A.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sequence {
    /// The packet belongs to the stream; its sequence number extended by the cycles.
    Valid(u64),
    /// The source is not validated yet; this packet counts towards it.
    Probation(u64),
    /// The number is far off: drop the packet. Two such in sequence restart the source.
    Invalid,
    /// The source restarted: sequence and statistics begin anew with this packet.
    Restarted(u64),
}

/// Reception state of one source (RFC 3550 A.1: `struct source`).
#[derive(Debug, Clone)]
pub struct SourceStatistics {
    clock_rate: u32,
    /// Highest sequence number seen, with its cycles. Starts one cycle up so that early stragglers stay positive.
    highest: u64,
    base: u64,
    bad_sequence: Option<u16>,
    min_sequential: u8,
    probation: u8,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    epoch: Instant,
    transit: Option<i64>,
    /// Sixteen times the jitter, so that integers keep its fraction (RFC 3550 A.8).
    jitter: u64,
    last_sr: Option<(u32, Instant)>,
}

impl SourceStatistics {
    /// A source whose first packet has `sequence`; it is valid after `probation` packets in sequence (at least one).
    #[must_use]
    pub fn new(sequence: u16, clock_rate: u32, probation: u8, now: Instant) -> Self {
        let first = CYCLE + u64::from(sequence);
        Self {
            clock_rate: clock_rate.max(1),
            highest: first - 1,
            base: first,
            bad_sequence: None,
            min_sequential: probation.max(1),
            probation: probation.max(1),
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            epoch: now,
            transit: None,
            jitter: 0,
            last_sr: None,
        }
    }

    /// Takes the sequence number of one packet (RFC 3550 A.1: `update_seq`).
    pub fn on_sequence(&mut self, sequence: u16) -> Sequence {
        let step = sequence.wrapping_sub(self.highest as u16);
        if self.probation > 0 {
            // RFC 3550 A.1: a source is valid after MIN_SEQUENTIAL packets in sequence.
            if step == 1 {
                self.highest += 1;
                self.received += 1;
                self.probation -= 1;
                return if self.probation == 0 {
                    Sequence::Valid(self.highest)
                } else {
                    Sequence::Probation(self.highest)
                };
            }
            self.restart(sequence);
            self.probation = self.min_sequential.saturating_sub(1).max(1);
            return Sequence::Probation(self.highest);
        }
        if step < MAX_DROPOUT {
            self.highest += u64::from(step);
            self.received += 1;
            return Sequence::Valid(self.highest);
        }
        if step > 0u16.wrapping_sub(MAX_MISORDER) {
            self.received += 1;
            return Sequence::Valid(self.highest - u64::from(0u16.wrapping_sub(step)));
        }
        if self.bad_sequence == Some(sequence) {
            // Two packets in sequence far away: the other side restarted without saying so.
            self.restart(sequence);
            return Sequence::Restarted(self.highest);
        }
        self.bad_sequence = Some(sequence.wrapping_add(1));
        Sequence::Invalid
    }

    /// Takes the timestamp of a valid packet (RFC 3550 A.8).
    pub fn on_timestamp(&mut self, timestamp: u32, now: Instant) {
        let arrival = ticks(now.saturating_duration_since(self.epoch), self.clock_rate);
        // The timestamp wraps; the difference of two transits does not, once it is cut to 32 bits.
        let transit = arrival as i64 - i64::from(timestamp);
        if let Some(previous) = self.transit.replace(transit) {
            let d = u64::from(((transit - previous) as i32).unsigned_abs());
            self.jitter = (self.jitter + d).saturating_sub((self.jitter + 8) >> 4);
        }
    }

    /// Remembers a sender report of this source, for LSR and DLSR.
    pub fn on_sender_report(&mut self, ntp: NtpTime, now: Instant) {
        self.last_sr = Some((ntp.middle(), now));
    }

    /// The report block about this source, and the beginning of the next interval (RFC 3550 §6.4.1, A.3).
    pub fn report(&mut self, ssrc: u32, now: Instant) -> ReportBlock {
        let expected = self.expected();
        let expected_interval = expected.saturating_sub(self.expected_prior);
        let received_interval = self.received.saturating_sub(self.received_prior);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let fraction_lost = (lost_interval << 8)
            .checked_div(expected_interval)
            .unwrap_or(0);
        let (last_sr, delay) = match self.last_sr {
            Some((middle, at)) => (middle, ntp::to_short(now.saturating_duration_since(at))),
            None => (0, 0),
        };
        ReportBlock {
            ssrc,
            fraction_lost: u8::try_from(fraction_lost).unwrap_or(u8::MAX),
            cumulative_lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            // The counter starts one cycle up.
            highest_sequence: self.highest.saturating_sub(CYCLE) as u32,
            jitter: self.jitter_ticks(),
            last_sr,
            delay_since_last_sr: delay,
        }
    }

    /// Whether probation is over.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.probation == 0
    }

    /// Packets received since the source became valid, duplicates included.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets expected from the span of sequence numbers (RFC 3550 A.3).
    #[must_use]
    pub fn expected(&self) -> u64 {
        (self.highest + 1).saturating_sub(self.base)
    }

    /// Packets lost; negative when duplicates outnumber losses (RFC 3550 A.3).
    #[must_use]
    pub fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// Interarrival jitter in ticks of the RTP clock (RFC 3550 A.8).
    #[must_use]
    pub fn jitter_ticks(&self) -> u32 {
        u32::try_from(self.jitter >> 4).unwrap_or(u32::MAX)
    }

    /// Interarrival jitter.
    #[must_use]
    pub fn jitter(&self) -> Duration {
        Duration::from_nanos(
            (self.jitter >> 4).saturating_mul(1_000_000_000) / u64::from(self.clock_rate),
        )
    }

    /// RFC 3550 A.1: `init_seq`.
    fn restart(&mut self, sequence: u16) {
        let first = CYCLE + u64::from(sequence);
        self.base = first;
        self.highest = first;
        self.bad_sequence = None;
        self.received = 1;
        self.received_prior = 0;
        self.expected_prior = 0;
        self.transit = None;
    }
}

/// A duration in ticks of a clock, rounded down.
pub(crate) fn ticks(duration: Duration, clock_rate: u32) -> u64 {
    let rate = u64::from(clock_rate);
    duration
        .as_secs()
        .saturating_mul(rate)
        .saturating_add(u64::from(duration.subsec_nanos()) * rate / 1_000_000_000)
}

#[cfg(test)]
mod tests;
