//! Timers A to M (RFC 3261 Appendix A, RFC 6026 §8.11) and the values they take.

use std::time::Duration;

use crate::TransactionConfig;
use crate::tick::{Span, Tick};
use crate::timers::LANES;

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

impl Timer {
    /// The timers in the order of the table above.
    pub const ALL: [Self; 15] = [
        Self::A,
        Self::B,
        Self::D,
        Self::E,
        Self::F,
        Self::G,
        Self::H,
        Self::I,
        Self::J,
        Self::K,
        Self::L,
        Self::M,
        Self::Cancelled,
        Self::Trying,
        Self::Expiry,
    ];

    /// The value that the timer starts with; `None` if it does not run over such a transport. That of
    /// [`Trying`](Self::Trying) is the one for INVITE.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sip_transaction::{Timer, TransactionConfig};
    ///
    /// let config = TransactionConfig::default();
    /// assert_eq!(Timer::B.initial(&config, true), Some(Duration::from_secs(32)));
    /// assert_eq!(Timer::A.initial(&config, true), None); // reliable transports retransmit by themselves
    /// ```
    #[must_use]
    pub fn initial(self, config: &TransactionConfig, reliable: bool) -> Option<Duration> {
        let times = Times::new(config);
        let timing = Timing {
            times: &times,
            reliable,
        };
        let span = match self {
            Self::A | Self::E | Self::G if reliable => return None,
            Self::A | Self::E | Self::G => timing.t1(),
            Self::B | Self::F | Self::H | Self::L | Self::M | Self::Cancelled | Self::Expiry => {
                timing.t1_64()
            }
            Self::D => timing.d(),
            Self::I | Self::K => timing.t4(),
            Self::J => timing.j(),
            Self::Trying => timing.trying_invite(),
        };
        Some(span.into())
    }
}

/// The timer values of a layer, calculated once.
#[derive(Debug)]
pub(crate) struct Times {
    t1: Span,
    t2: Span,
    t4: Span,
    t1_64: Span,
    d: Span,
    trying_invite: Span,
    trying_non_invite: Span,
}

impl Times {
    pub(crate) fn new(config: &TransactionConfig) -> Self {
        let (t1, t2) = (Span::from(config.t1), Span::from(config.t2));
        Self {
            t1,
            t2,
            t4: config.t4.into(),
            t1_64: t1.times(64),
            d: config.timer_d.into(),
            trying_invite: config.trying_after.into(),
            trying_non_invite: until_t2(t1, t2),
        }
    }

    /// When a request that is no INVITE is answered 100.
    pub(crate) fn trying_non_invite_after(&self) -> Duration {
        Duration::from(self.trying_non_invite)
    }

    /// What deadlines are mostly ahead of the present.
    pub(crate) const fn spans(&self) -> [Span; LANES] {
        [
            self.t1_64,
            self.trying_non_invite,
            self.t1,
            self.trying_invite,
            self.t4,
            self.d,
            self.t2,
        ]
    }
}

/// RFC 4320 §4.1: the time it takes a client's Timer E to be reset to T2 (3.5 s by default).
fn until_t2(t1: Span, t2: Span) -> Span {
    let (mut interval, mut sum) = (t1, Span::ZERO);
    // T1 of zero would never reach T2; 32 doublings of a nanosecond exceed any sensible T2.
    for _ in 0..32 {
        if interval >= t2 {
            break;
        }
        sum = sum.plus(interval);
        interval = interval.times(2);
    }
    sum
}

/// The timer values that one transaction uses: those of the layer, and whether its flow is reliable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing<'a> {
    pub(crate) times: &'a Times,
    pub(crate) reliable: bool,
}

impl Timing<'_> {
    pub(crate) const fn t1(&self) -> Span {
        self.times.t1
    }

    pub(crate) const fn t2(&self) -> Span {
        self.times.t2
    }

    /// Timers B, F, H, L and M: 64*T1 on every transport.
    pub(crate) const fn t1_64(&self) -> Span {
        self.times.t1_64
    }

    /// Timer D: at least 32 s, and zero on reliable transports.
    pub(crate) const fn d(&self) -> Span {
        self.zero_if_reliable(self.times.d)
    }

    /// Timers I and K: T4, and zero on reliable transports.
    pub(crate) const fn t4(&self) -> Span {
        self.zero_if_reliable(self.times.t4)
    }

    /// Timer J: 64*T1, and zero on reliable transports.
    pub(crate) const fn j(&self) -> Span {
        self.zero_if_reliable(self.times.t1_64)
    }

    /// How long the TU may take to answer an INVITE before a 100 is sent (RFC 3261 §17.2.1).
    pub(crate) const fn trying_invite(&self) -> Span {
        self.times.trying_invite
    }

    /// How long it may take to answer another request before a 100 is sent (RFC 4320 §4.1).
    pub(crate) const fn trying_non_invite(&self) -> Span {
        self.times.trying_non_invite
    }

    const fn zero_if_reliable(&self, value: Span) -> Span {
        if self.reliable { Span::ZERO } else { value }
    }
}

/// A retransmission timer: when it fires next, and the interval that led there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retransmit {
    pub(crate) at: Tick,
    interval: Span,
}

impl Retransmit {
    /// Armed `interval` after `now`; a zero interval (a configuration without retransmissions) arms nothing.
    pub(crate) fn start(now: Tick, interval: Span) -> Option<Self> {
        (!interval.is_zero()).then(|| Self {
            at: now + interval,
            interval,
        })
    }

    /// The timer after it fired: the interval doubles up to `cap`, counted from the previous deadline.
    ///
    /// A driver that comes late gets one retransmission for all those it missed, not a burst.
    pub(crate) fn next(self, cap: Span, now: Tick) -> Self {
        let mut next = self;
        while next.at <= now {
            // Never zero, whatever is configured: this loop must end.
            let doubled = next.interval.times(2).min(cap);
            next.interval = doubled.max(Span::MILLISECOND);
            next.at += next.interval;
        }
        next
    }

    /// RFC 3261 §17.1.2.2: from the Proceeding state on the interval is T2.
    pub(crate) fn slow_down(self, interval: Span) -> Self {
        Self {
            at: self.at,
            interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 Appendix A, RFC 6026 §8.11 and what is added here: default in milliseconds, and over reliable transports.
    #[test]
    fn rfc3261_appendix_a_defaults() {
        let table = [
            (Timer::A, Some(500), None),
            (Timer::B, Some(32_000), Some(32_000)),
            (Timer::D, Some(32_000), Some(0)),
            (Timer::E, Some(500), None),
            (Timer::F, Some(32_000), Some(32_000)),
            (Timer::G, Some(500), None),
            (Timer::H, Some(32_000), Some(32_000)),
            (Timer::I, Some(5000), Some(0)),
            (Timer::J, Some(32_000), Some(0)),
            (Timer::K, Some(5000), Some(0)),
            (Timer::L, Some(32_000), Some(32_000)),
            (Timer::M, Some(32_000), Some(32_000)),
            (Timer::Cancelled, Some(32_000), Some(32_000)),
            (Timer::Trying, Some(200), Some(200)),
            (Timer::Expiry, Some(32_000), Some(32_000)),
        ];
        let config = TransactionConfig::default();
        for (timer, unreliable, reliable) in table {
            let millis = |reliable| {
                timer
                    .initial(&config, reliable)
                    .map(|value| value.as_millis())
            };
            assert_eq!(
                (millis(false), millis(true)),
                (unreliable, reliable),
                "{timer:?}"
            );
        }
        assert_eq!(table.map(|(timer, ..)| timer), Timer::ALL);
    }

    #[test]
    fn rfc4320_4_1_the_time_after_which_timer_e_is_t2() {
        let mut config = TransactionConfig::default();
        let after = |config: &TransactionConfig| {
            Duration::from(Times::new(config).trying_non_invite).as_millis()
        };
        assert_eq!(after(&config), 3500);
        config.t1 = Duration::from_secs(1);
        assert_eq!(after(&config), 3000);
        config.t1 = Duration::ZERO;
        assert_eq!(after(&config), 0, "no endless loop");
    }

    #[test]
    fn a_retransmission_timer_advances_whatever_is_configured() {
        let start = crate::table::at(0);
        let timer = Retransmit::start(start, Span::MILLISECOND.times(500)).unwrap();
        assert!(timer.next(Span::ZERO, crate::table::at(600)).at > crate::table::at(600));
        assert_eq!(Retransmit::start(start, Span::ZERO), None);
    }
}
