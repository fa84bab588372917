//! Keep-alive as a client sends it (RFC 5626 §4.4).

use std::time::{Duration, Instant};

use crate::config::FOR_EVER;
use crate::seed::Rng;

/// How a flow is kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// The longest time between two pings; each interval is drawn between 80 % and 100 % of it.
    pub every: Duration,
    /// How long to wait for the answer to a ping before the flow counts as failed; `None` to expect no answer.
    pub pong_within: Option<Duration>,
}

impl KeepAlive {
    /// Pings that must be answered within 10 seconds: for a connection whose other side promised to answer, by
    /// `outbound` (RFC 5626 §4.4.1) or `keep` (RFC 6223). RFC 5626 recommends 120 seconds over connections.
    #[must_use]
    pub const fn ping(every: Duration) -> Self {
        Self {
            every,
            pong_within: Some(Duration::from_secs(10)),
        }
    }

    /// Line ends that keep the binding of a NAT open and that nobody has to answer. RFC 5626 §4.4.2 would have STUN
    /// over UDP, which few peers answer; 25 seconds suit most NATs.
    #[must_use]
    pub const fn binding(every: Duration) -> Self {
        Self {
            every,
            pong_within: None,
        }
    }
}

/// The keep-alive of one flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pinger {
    keep_alive: KeepAlive,
    next: Instant,
    /// When the ping was sent that waits for its answer.
    waiting: Option<Instant>,
}

/// What a [`Pinger`] wants at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Ping,
    /// The answer did not come.
    Failed,
}

impl Pinger {
    pub(crate) fn new(keep_alive: KeepAlive, rng: &mut Rng, now: Instant) -> Self {
        let keep_alive = KeepAlive {
            every: keep_alive.every.clamp(Duration::from_secs(1), FOR_EVER),
            pong_within: keep_alive.pong_within.map(|within| within.min(FOR_EVER)),
        };
        let mut pinger = Self {
            keep_alive,
            next: now,
            waiting: None,
        };
        pinger.schedule(rng, now);
        pinger
    }

    pub(crate) fn due(&self) -> Instant {
        match (self.waiting, self.keep_alive.pong_within) {
            (Some(since), Some(within)) => self.next.min(since + within),
            (None, _) | (_, None) => self.next,
        }
    }

    pub(crate) fn check(&mut self, rng: &mut Rng, now: Instant) -> Due {
        if let (Some(since), Some(within)) = (self.waiting, self.keep_alive.pong_within)
            && since + within <= now
        {
            return Due::Failed;
        }
        if now < self.next {
            return Due::Nothing;
        }
        if self.keep_alive.pong_within.is_some() {
            self.waiting = self.waiting.or(Some(now));
        }
        self.schedule(rng, now);
        Due::Ping
    }

    /// A single CRLF came. Was it the answer to a ping?
    pub(crate) const fn pong(&mut self) -> bool {
        self.waiting.take().is_some()
    }

    /// RFC 5626 §4.4.1: "a random number between 80 and 100 percent" of the upper bound, so that clients that came
    /// back together do not ping together.
    fn schedule(&mut self, rng: &mut Rng, now: Instant) {
        let millis = u64::try_from(self.keep_alive.every.as_millis()).unwrap_or(u64::MAX);
        self.next = now + Duration::from_millis(millis - rng.below(millis / 5 + 1));
    }
}
