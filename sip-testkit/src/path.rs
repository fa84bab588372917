//! [`Path`]: what happens to packets on their way from one address to another.

use std::time::Duration;

use sip_transport::Rng;

/// One direction of a path between two nodes. Reliable transports see the delay and a partition, and nothing else.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Path {
    /// How long each packet takes at least.
    pub delay: Duration,
    /// Up to how much longer it may take. Packets of unreliable transports overtake each other by it.
    pub jitter: Duration,
    /// Which packets get lost.
    pub loss: Loss,
    /// The share of packets that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// The share of packets that are held back by [`reorder_by`](Self::reorder_by), 0 to 1.
    pub reorder: f64,
    /// How long a reordered packet is held back.
    pub reorder_by: Duration,
    /// Larger datagrams are lost.
    pub mtu: Option<usize>,
    /// Nothing arrives.
    pub partitioned: bool,
}

/// How packets get lost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Loss {
    /// None does.
    None,
    /// Each with the same probability, 0 to 1.
    Random(f64),
    /// In bursts, after Gilbert and Elliott: `begin` is the probability that a burst begins with a packet, `end` that
    /// it ends with one; within a burst all packets are lost.
    Burst {
        /// The probability to enter a burst.
        begin: f64,
        /// The probability to leave it.
        end: f64,
    },
    /// Exactly these packets, counted from 0 in the order in which they were sent over this path.
    Exactly(Vec<u64>),
}

/// What a path remembers.
#[derive(Debug, Default, Clone)]
pub(crate) struct PathState {
    sent: u64,
    in_burst: bool,
    /// When the last packet of a reliable transport arrives: the next may not overtake it.
    pub(crate) last_reliable: Option<std::time::Instant>,
}

impl Path {
    /// A path that only takes time.
    #[must_use]
    pub const fn delay(delay: Duration) -> Self {
        Self {
            delay,
            jitter: Duration::ZERO,
            loss: Loss::None,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_by: Duration::ZERO,
            mtu: None,
            partitioned: false,
        }
    }

    /// The same path with loss.
    #[must_use]
    pub fn with_loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// The arrivals of a packet: their delays, none if it is lost, more than one if it is duplicated.
    pub(crate) fn fates(
        &self,
        size: usize,
        reliable: bool,
        state: &mut PathState,
        rng: &mut Rng,
    ) -> Vec<Duration> {
        let number = state.sent;
        state.sent += 1;
        if self.partitioned {
            return Vec::new();
        }
        if reliable {
            return vec![self.delay];
        }
        let lost = match &self.loss {
            Loss::None => false,
            Loss::Random(share) => chance(rng, *share),
            Loss::Burst { begin, end } => {
                state.in_burst = if state.in_burst {
                    !chance(rng, *end)
                } else {
                    chance(rng, *begin)
                };
                state.in_burst
            }
            Loss::Exactly(numbers) => numbers.contains(&number),
        };
        if lost || self.mtu.is_some_and(|mtu| size > mtu) {
            return Vec::new();
        }
        let copies = if chance(rng, self.duplicate) { 2 } else { 1 };
        (0..copies).map(|_| self.delay + self.extra(rng)).collect()
    }

    fn extra(&self, rng: &mut Rng) -> Duration {
        let nanos = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
        let jitter = Duration::from_nanos(rng.below(nanos.saturating_add(1)));
        if chance(rng, self.reorder) {
            jitter + self.reorder_by
        } else {
            jitter
        }
    }
}

impl Default for Path {
    /// Half a millisecond, and nothing goes wrong.
    fn default() -> Self {
        Self::delay(Duration::from_micros(500))
    }
}

fn chance(rng: &mut Rng, share: f64) -> bool {
    // 53 bits: as many as a float holds. No draw for what cannot happen, so that a perfect path is cheap.
    share > 0.0 && ((rng.next_u64() >> 11) as f64) < share * (1_u64 << 53) as f64
}
