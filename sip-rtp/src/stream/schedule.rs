//! When the next RTCP report leaves (RFC 3550 §6.3, A.7).

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

/// RFC 3550 §6.2: the least average time between reports.
const MIN_INTERVAL: f64 = 5.0;
/// RFC 3550 §6.3.1: e - 3/2 makes up for reconsideration, which sends less than the interval alone would.
const COMPENSATION: f64 = std::f64::consts::E - 1.5;
/// The share of senders up to which they get a quarter of the bandwidth to themselves (RFC 3550 §6.2).
const SENDER_SHARE: f64 = 0.25;
/// The probable size of the first report, with UDP and IP headers (RFC 3550 §6.3.2).
const FIRST_SIZE: f64 = 120.0;
/// A member that was silent for so many intervals is gone (RFC 3550 §6.3.5).
const MEMBER_INTERVALS: u32 = 5;

#[derive(Debug)]
pub(super) struct Schedule {
    /// RTCP bandwidth in octets per second.
    bandwidth: f64,
    average_size: f64,
    initial: bool,
    /// Members when the next time was computed.
    previous_members: usize,
    /// RFC 3550 §6.3: `tp` and `tn`.
    previous: Instant,
    next: Instant,
    deterministic: f64,
}

impl Schedule {
    pub(super) fn new(bandwidth_bits: u32, rng: &mut StdRng, now: Instant) -> Self {
        let mut schedule = Self {
            // Zero would mean "never"; the caller says that with `rtcp: false`.
            bandwidth: f64::from(bandwidth_bits.max(8)) / 8.0,
            average_size: FIRST_SIZE,
            initial: true,
            previous_members: 1,
            previous: now,
            next: now,
            deterministic: MIN_INTERVAL,
        };
        schedule.next = now + schedule.interval(1, 0, false, rng);
        schedule
    }

    /// RFC 3550 §6.3.6: the timer fires. True when a report is due; the next time is set either way.
    pub(super) fn expires(
        &mut self,
        members: usize,
        senders: usize,
        sending: bool,
        rng: &mut StdRng,
        now: Instant,
    ) -> bool {
        if now < self.next {
            return false;
        }
        // Timer reconsideration: the interval is drawn again with the members known now.
        let reconsidered = self.previous + self.interval(members, senders, sending, rng);
        self.previous_members = members;
        if reconsidered > now {
            self.next = reconsidered;
            return false;
        }
        self.previous = now;
        self.initial = false;
        self.next = now + self.interval(members, senders, sending, rng);
        true
    }

    /// RFC 3550 §6.3.3: the average size follows all RTCP packets, sent and received.
    pub(super) fn on_rtcp(&mut self, size: usize) {
        self.average_size += (size as f64 - self.average_size) / 16.0;
    }

    /// RFC 3550 §6.3.4: reverse reconsideration, when members leave.
    pub(super) fn on_goodbye(&mut self, members: usize, now: Instant) {
        if members >= self.previous_members {
            return;
        }
        let share = members as f64 / self.previous_members as f64;
        self.next = now + self.next.saturating_duration_since(now).mul_f64(share);
        self.previous = now - now.saturating_duration_since(self.previous).mul_f64(share);
        self.previous_members = members;
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    pub(super) fn member_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.deterministic.max(MIN_INTERVAL)) * MEMBER_INTERVALS
    }

    /// RFC 3550 §6.3.1.
    fn interval(
        &mut self,
        members: usize,
        senders: usize,
        sending: bool,
        rng: &mut StdRng,
    ) -> Duration {
        let (members, senders) = (members as f64, senders as f64);
        let (bandwidth, count) = if senders <= members * SENDER_SHARE {
            if sending {
                (self.bandwidth * SENDER_SHARE, senders)
            } else {
                (self.bandwidth * (1.0 - SENDER_SHARE), members - senders)
            }
        } else {
            (self.bandwidth, members)
        };
        let least = if self.initial {
            MIN_INTERVAL / 2.0
        } else {
            MIN_INTERVAL
        };
        self.deterministic = (count * self.average_size / bandwidth).max(least);
        let random: f64 = rng.random();
        Duration::from_secs_f64(self.deterministic * (random + 0.5) / COMPENSATION)
    }
}

#[cfg(test)]
mod tests;
