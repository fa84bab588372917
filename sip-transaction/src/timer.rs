//! Timers A to M (RFC 3261 Appendix A, RFC 6026 §8.11) and the values they take.

use std::time::{Duration, Instant};

use crate::TransactionConfig;

/// The timers of the transaction layer, by the letters of RFC 3261 Appendix A.
///
/// Timer C is missing: it belongs to the proxy (RFC 3261 §16.6 step 11), not to a transaction.
///
/// | timer | default | section | running in | meaning |
/// |---|---|---|---|---|
/// | A | T1, doubling | 17.1.1.2 | INVITE client, Calling, unreliable only | INVITE again |
/// | B | 64*T1 | 17.1.1.2 | INVITE client, Calling | give up |
/// | D | 32 s, 0 if reliable | 17.1.1.2 | INVITE client, Completed | absorb final responses |
/// | E | T1, doubling up to T2 | 17.1.2.2 | non-INVITE client, unreliable only | request again |
/// | F | 64*T1 | 17.1.2.2 | non-INVITE client | give up |
/// | G | T1, doubling up to T2 | 17.2.1 | INVITE server, Completed, unreliable only | response again |
/// | H | 64*T1 | 17.2.1 | INVITE server, Completed | no ACK came |
/// | I | T4, 0 if reliable | 17.2.1 | INVITE server, Confirmed | absorb ACKs |
/// | J | 64*T1, 0 if reliable | 17.2.2 | non-INVITE server, Completed | absorb requests |
/// | K | T4, 0 if reliable | 17.1.2.2 | non-INVITE client, Completed | absorb responses |
/// | L | 64*T1 | RFC 6026 §8.7 | INVITE server, Accepted | absorb INVITEs, pass 2xx and ACK |
/// | M | 64*T1 | RFC 6026 §8.4 | INVITE client, Accepted | pass 2xx of other branches |
/// | Cancelled | 64*T1 | 9.1 | INVITE client, after its CANCEL was sent | give up |
/// | Trying | 200 ms; 3.5 s | 17.2.1; RFC 4320 §4.1 | server, before the first response | send 100 |
/// | Expiry | 64*T1 | RFC 4320 §4.2 | non-INVITE server, before the final response | too late to answer |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// INVITE request retransmission.
    A,
    /// INVITE transaction time-out.
    B,
    /// Wait for retransmissions of a non-2xx final response.
    D,
    /// Non-INVITE request retransmission.
    E,
    /// Non-INVITE transaction time-out.
    F,
    /// INVITE response retransmission.
    G,
    /// Wait for the ACK.
    H,
    /// Wait for retransmissions of the ACK.
    I,
    /// Wait for retransmissions of a non-INVITE request.
    J,
    /// Wait for retransmissions of a non-INVITE response.
    K,
    /// Wait for retransmissions of an accepted INVITE.
    L,
    /// Wait for retransmissions of a 2xx and for those of other branches.
    M,
    /// Wait for the final response of a cancelled INVITE.
    Cancelled,
    /// Wait for the TU's first response before a 100 is sent for it.
    Trying,
    /// Wait for the TU's final response to a non-INVITE request.
    Expiry,
}

/// The timer values that one transaction uses: the layer's configuration and whether its flow is reliable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing<'a> {
    pub(crate) config: &'a TransactionConfig,
    pub(crate) reliable: bool,
}

impl Timing<'_> {
    pub(crate) fn t1(&self) -> Duration {
        self.config.t1
    }

    pub(crate) fn t2(&self) -> Duration {
        self.config.t2
    }

    /// Timers B, F, H, L and M: 64*T1 on every transport.
    pub(crate) fn t1_64(&self) -> Duration {
        self.config.t1.saturating_mul(64)
    }

    /// Timer D: at least 32 s, and zero on reliable transports.
    pub(crate) fn d(&self) -> Duration {
        self.zero_if_reliable(self.config.timer_d)
    }

    /// Timers I and K: T4, and zero on reliable transports.
    pub(crate) fn t4(&self) -> Duration {
        self.zero_if_reliable(self.config.t4)
    }

    /// Timer J: 64*T1, and zero on reliable transports.
    pub(crate) fn j(&self) -> Duration {
        self.zero_if_reliable(self.t1_64())
    }

    /// How long the TU may take to answer an INVITE before a 100 is sent (RFC 3261 §17.2.1).
    pub(crate) fn trying_invite(&self) -> Duration {
        self.config.trying_after
    }

    /// RFC 4320 §4.1: the time it takes a client's Timer E to be reset to T2 (3.5 s by default).
    pub(crate) fn trying_non_invite(&self) -> Duration {
        let mut interval = self.t1();
        let mut sum = Duration::ZERO;
        // T1 of zero would never reach T2; 32 doublings of a nanosecond exceed any sensible T2.
        for _ in 0..32 {
            if interval >= self.t2() {
                break;
            }
            sum = sum.saturating_add(interval);
            interval = interval.saturating_mul(2);
        }
        sum
    }

    fn zero_if_reliable(&self, value: Duration) -> Duration {
        if self.reliable { Duration::ZERO } else { value }
    }
}

/// A retransmission timer: when it fires next, and the interval that led there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retransmit {
    pub(crate) at: Instant,
    interval: Duration,
}

impl Retransmit {
    /// Armed `interval` after `now`; a zero interval (a configuration without retransmissions) arms nothing.
    pub(crate) fn start(now: Instant, interval: Duration) -> Option<Self> {
        (!interval.is_zero()).then(|| Self {
            at: now + interval,
            interval,
        })
    }

    /// The timer after it fired: the interval doubles up to `cap`, counted from the previous deadline.
    ///
    /// A driver that comes late gets one retransmission for all those it missed, not a burst.
    pub(crate) fn next(self, cap: Duration, now: Instant) -> Self {
        let mut next = self;
        while next.at <= now {
            next.interval = next.interval.saturating_mul(2).min(cap);
            next.at += next.interval;
        }
        next
    }

    /// RFC 3261 §17.1.2.2: from the Proceeding state on the interval is T2.
    pub(crate) fn slow_down(self, interval: Duration) -> Self {
        Self {
            at: self.at,
            interval,
        }
    }
}
