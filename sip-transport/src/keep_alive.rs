//! Keep-alive as a client sends it (RFC 5626 §4.4).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::config::FOR_EVER;
use crate::kind::TransportKind;
use crate::seed::Rng;
use crate::stun::TransactionId;

/// How a flow is kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// The longest time between two pings.
    pub every: Duration,
    /// The shortest time between two pings; each interval is drawn between the two.
    pub at_least: Duration,
    /// How long to wait for the answer to a ping before the flow counts as failed; `None` to expect no answer. Of STUN
    /// it is the 39.5 seconds of its retransmissions in any case.
    pub pong_within: Option<Duration>,
    /// Ping by STUN Binding requests, over UDP (RFC 5626 §4.4.2), and not by line ends.
    pub stun: bool,
}

impl KeepAlive {
    /// Pings that must be answered within 10 seconds: for a connection whose other side promised to answer, by
    /// `outbound` (RFC 5626 §4.4.1) or `keep` (RFC 6223). RFC 5626 recommends 120 seconds over connections.
    #[must_use]
    pub const fn ping(every: Duration) -> Self {
        Self {
            every,
            // RFC 5626 §4.4.1: "the lower bound is 20% less then the upper bound".
            at_least: four_fifths(every),
            pong_within: Some(Duration::from_secs(10)),
            stun: false,
        }
    }

    /// Line ends that keep the binding of a NAT open and that nobody has to answer; 25 seconds suit most NATs. Over UDP,
    /// where the peer is not known to answer STUN.
    #[must_use]
    pub const fn binding(every: Duration) -> Self {
        Self {
            pong_within: None,
            ..Self::ping(every)
        }
    }

    /// STUN Binding requests, over UDP (RFC 5626 §4.4.2): they also notice when the NAT has given the flow another
    /// address. RFC 5626 §8 forbids them unless the peer is known to support them: by an `ob` in the Path of the answer
    /// to a registration, by `keep` (RFC 6223), or by configuration for this peer.
    #[must_use]
    pub const fn stun(every: Duration) -> Self {
        Self {
            stun: true,
            pong_within: Some(STUN_TIME),
            ..Self::ping(every)
        }
    }

    /// What RFC 5626 §4.4 wants on a flow of this transport after a registration with `outbound` was accepted:
    /// `flow_timer` is the Flow-Timer of the 2xx, if it had one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sip_transport::{KeepAlive, TransportKind};
    /// let udp = KeepAlive::outbound(TransportKind::Udp, None);
    /// assert!(udp.stun && udp.every == Duration::from_secs(29) && udp.at_least == Duration::from_secs(24));
    /// let tcp = KeepAlive::outbound(TransportKind::Tcp, Some(Duration::from_secs(60)));
    /// assert!(!tcp.stun && tcp.every == Duration::from_secs(60) && tcp.at_least == Duration::from_secs(48));
    /// ```
    #[must_use]
    pub const fn outbound(kind: TransportKind, flow_timer: Option<Duration>) -> Self {
        match (kind, flow_timer) {
            (TransportKind::Udp, Some(timer)) => Self::stun(timer),
            // §4.4.2: "a random number between 24 and 29 seconds".
            (TransportKind::Udp, None) => Self {
                at_least: Duration::from_secs(24),
                ..Self::stun(Duration::from_secs(29))
            },
            (_, Some(timer)) => Self::ping(timer),
            // §4.4.1: "120 seconds (95 seconds for the lower bound)".
            (_, None) => Self {
                at_least: Duration::from_secs(95),
                ..Self::ping(Duration::from_secs(120))
            },
        }
    }
}

const fn four_fifths(time: Duration) -> Duration {
    // Divided first, so that a time of never does not overflow.
    match (time.checked_div(5), time) {
        (Some(fifth), time) => time.saturating_sub(fifth),
        (None, time) => time,
    }
}

/// RFC 8489 §6.2.1: the first retransmission comes after 500 ms, each later one after twice the time, seven requests in
/// all.
const RTO: Duration = Duration::from_millis(500);
const REQUESTS: u32 = 7;
/// And after the last, 16 times the first time: 39.5 seconds in all.
const LAST_WAIT: Duration = RTO.saturating_mul(16);
const STUN_TIME: Duration = Duration::from_millis(39_500);

/// The keep-alive of one flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pinger {
    keep_alive: KeepAlive,
    next: Instant,
    waiting: Option<Waiting>,
    /// Where the peer last saw us.
    mapped: Option<SocketAddr>,
}

/// A ping that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// The deadline of the answer, or of the next retransmission.
    until: Instant,
    /// Of STUN.
    id: TransactionId,
    sent: u32,
}

/// What a [`Pinger`] wants at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Send line ends.
    Ping,
    /// Send a Binding request.
    Stun(TransactionId),
    /// The answer did not come.
    Failed,
}

/// What an answer of STUN means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pong {
    /// Nobody asked.
    Stray,
    Alive,
    /// RFC 5626 §4.4.2: "If the XOR-MAPPED-ADDRESS in the STUN Binding Response changes, the UA MUST treat this event as
    /// a failure on the flow."
    Moved,
}

impl Pinger {
    pub(crate) fn new(keep_alive: KeepAlive, rng: &mut Rng, now: Instant) -> Self {
        let every = keep_alive.every.clamp(Duration::from_secs(1), FOR_EVER);
        let keep_alive = KeepAlive {
            every,
            at_least: keep_alive.at_least.clamp(Duration::from_millis(800), every),
            pong_within: keep_alive.pong_within.map(|within| within.min(FOR_EVER)),
            stun: keep_alive.stun,
        };
        let mut pinger = Self {
            keep_alive,
            next: now,
            waiting: None,
            mapped: None,
        };
        pinger.schedule(rng, now);
        pinger
    }

    pub(crate) fn due(&self) -> Instant {
        match (self.waiting, self.keep_alive.stun) {
            // One transaction at a time.
            (Some(waiting), true) => waiting.until,
            (Some(waiting), false) => waiting.until.min(self.next),
            (None, _) => self.next,
        }
    }

    pub(crate) fn check(&mut self, rng: &mut Rng, now: Instant) -> Due {
        if let Some(waiting) = &mut self.waiting
            && waiting.until <= now
        {
            if !self.keep_alive.stun || waiting.sent >= REQUESTS {
                return Due::Failed;
            }
            let wait = if waiting.sent + 1 == REQUESTS {
                LAST_WAIT
            } else {
                RTO * (1 << waiting.sent)
            };
            waiting.sent += 1;
            waiting.until += wait;
            return Due::Stun(waiting.id);
        }
        if now < self.next || (self.keep_alive.stun && self.waiting.is_some()) {
            return Due::Nothing;
        }
        self.schedule(rng, now);
        if self.keep_alive.stun {
            let mut id = [0; 12];
            rng.fill(&mut id);
            self.waiting = Some(Waiting {
                until: now + RTO,
                id,
                sent: 1,
            });
            return Due::Stun(id);
        }
        if let Some(within) = self.keep_alive.pong_within {
            let waiting = Waiting {
                until: now + within,
                id: [0; 12],
                sent: 1,
            };
            self.waiting = self.waiting.or(Some(waiting));
        }
        Due::Ping
    }

    /// A single CRLF came. Was it the answer to a ping?
    pub(crate) const fn pong(&mut self) -> bool {
        !self.keep_alive.stun && self.waiting.take().is_some()
    }

    /// A Binding response came.
    pub(crate) fn stun_success(&mut self, id: TransactionId, mapped: Option<SocketAddr>) -> Pong {
        if !self.is_awaited(id) {
            return Pong::Stray;
        }
        self.waiting = None;
        match (self.mapped, mapped) {
            (Some(before), Some(mapped)) if before != mapped => Pong::Moved,
            _ => {
                self.mapped = mapped.or(self.mapped);
                Pong::Alive
            }
        }
    }

    /// Is this the transaction that waits for its answer?
    pub(crate) fn is_awaited(&self, id: TransactionId) -> bool {
        self.keep_alive.stun && self.waiting.is_some_and(|waiting| waiting.id == id)
    }

    /// RFC 5626 §4.4.1: a random time, so that clients that came back together do not ping together.
    fn schedule(&mut self, rng: &mut Rng, now: Instant) {
        let spread = self
            .keep_alive
            .every
            .saturating_sub(self.keep_alive.at_least);
        let millis = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
        let drawn = Duration::from_millis(rng.below(millis.saturating_add(1)));
        self.next = now + self.keep_alive.at_least + drawn;
    }
}
