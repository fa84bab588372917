//! [`Latencies`]: how long things take, from outside.

use std::time::{Duration, Instant};

use sip_message::{Method, StatusCode};
use sip_transaction::{Interposed, ServerTransactionId, Transactions};

/// How often something took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// How many took at most [`Histogram::BOUNDS`] at the same place, and more than at the place before; the last is for
    /// what took longer.
    pub counts: [u64; Self::BOUNDS.len() + 1],
    /// How long all together took.
    pub sum: Duration,
}

impl Histogram {
    /// The upper bounds, in microseconds.
    pub const BOUNDS: [u64; 15] = [
        250,
        500,
        1_000,
        2_500,
        5_000,
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        5_000_000,
        30_000_000,
        180_000_000,
    ];

    /// One more.
    pub fn record(&mut self, took: Duration) {
        if took.is_zero() {
            let [shortest, ..] = &mut self.counts;
            *shortest += 1;
            return;
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = Self::BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(took);
    }

    /// What another counted too.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Who gave the final answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one for each part that answers")]
pub enum LatencyRole {
    /// The registrar.
    Registrar,
    /// The proxy, with what it waited for others.
    Proxy,
    /// The server itself, and the handlers of the application.
    Server,
}

const ROLES: [&str; 3] = ["registrar", "proxy", "server"];
const METHODS: [&str; 8] = [
    "INVITE",
    "REGISTER",
    "OPTIONS",
    "BYE",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "other",
];

fn place(method: &Method) -> u8 {
    match method {
        Method::Invite => 0,
        Method::Register => 1,
        Method::Options => 2,
        Method::Bye => 3,
        Method::Message => 4,
        Method::Subscribe => 5,
        Method::Notify => 6,
        _ => 7,
    }
}

/// When a transaction began.
#[derive(Clone, Copy, Debug)]
struct Begun {
    generation: u32,
    method: u8,
    waits: bool,
    at: Instant,
}

/// Times from requests to their first final answers, and of the queue before the transactions.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// By the index of the server transaction, so that it is as large as there were transactions at once.
    begun: Vec<Option<Begun>>,
    answered: [[Histogram; METHODS.len()]; ROLES.len()],
    queue: Histogram,
}

impl Latencies {
    /// The times from requests to their first final answers that any request had, by role and method.
    pub fn answered(&self) -> impl Iterator<Item = (&'static str, &'static str, &Histogram)> + '_ {
        ROLES
            .into_iter()
            .zip(&self.answered)
            .flat_map(|(role, histograms)| {
                METHODS
                    .into_iter()
                    .zip(histograms)
                    .map(move |(method, histogram)| (role, method, histogram))
            })
            .filter(|(_, _, histogram)| histogram.count() > 0)
    }

    /// How long requests waited in the sockets, measured once for each turn of the worker.
    #[must_use]
    pub const fn queue(&self) -> &Histogram {
        &self.queue
    }

    pub(super) fn waited(&mut self, delay: Duration) {
        self.queue.record(delay);
    }

    pub(super) fn begun(&mut self, id: ServerTransactionId, method: &Method, now: Instant) {
        let (index, generation) = id.to_parts();
        let index = index as usize;
        if self.begun.len() <= index {
            self.begun.resize(index + 1, None);
        }
        if let Some(slot) = self.begun.get_mut(index) {
            *slot = Some(Begun {
                generation,
                method: place(method),
                waits: true,
                at: now,
            });
        }
    }

    /// A request was answered before anything else was done.
    pub(super) fn answered_at_once(&mut self, role: LatencyRole, method: &Method) {
        if let Some(histogram) = self
            .answered
            .get_mut(role as usize)
            .and_then(|histograms| histograms.get_mut(usize::from(place(method))))
        {
            histogram.record(Duration::ZERO);
        }
    }

    fn ended(&mut self, id: ServerTransactionId, role: LatencyRole, now: Instant) {
        let (index, generation) = id.to_parts();
        let Some(Some(begun)) = self.begun.get_mut(index as usize) else {
            return;
        };
        // Of several 2xx to an INVITE the first counts.
        if begun.generation != generation || !std::mem::take(&mut begun.waits) {
            return;
        }
        // Most are answered in the turn in which they came.
        let took = if now == begun.at {
            Duration::ZERO
        } else {
            now.saturating_duration_since(begun.at)
        };
        if let Some(histogram) = self
            .answered
            .get_mut(role as usize)
            .and_then(|histograms| histograms.get_mut(usize::from(begun.method)))
        {
            histogram.record(took);
        }
    }

    /// The transactions, with an eye on the final answers that a role gives.
    pub(super) const fn watch<'a>(
        &'a mut self,
        transactions: &'a mut Transactions,
        role: LatencyRole,
    ) -> Watched<'a> {
        Watched {
            latencies: self,
            transactions,
            role,
        }
    }
}

/// See [`Latencies::watch`].
pub(super) struct Watched<'a> {
    latencies: &'a mut Latencies,
    transactions: &'a mut Transactions,
    role: LatencyRole,
}

impl Interposed for Watched<'_> {
    type Layer = Transactions;

    fn layer(&mut self) -> &mut Transactions {
        self.transactions
    }

    fn on_respond(&mut self, id: ServerTransactionId, status: StatusCode, now: Instant) {
        if status.is_final() {
            self.latencies.ended(id, self.role, now);
        }
    }
}

/// How long things took.
impl super::Stack {
    /// The times that were measured.
    #[must_use]
    pub const fn latencies(&self) -> &Latencies {
        &self.latencies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_final_answer_counts_and_a_reused_index_is_another_transaction() {
        let (mut latencies, now) = (Latencies::default(), Instant::now());
        let id = |generation| ServerTransactionId::from_parts(3, generation);
        latencies.begun(id(0), &Method::Invite, now);
        let later = now + Duration::from_millis(40);
        latencies.ended(id(1), LatencyRole::Proxy, later);
        latencies.ended(id(0), LatencyRole::Proxy, later);
        latencies.ended(id(0), LatencyRole::Proxy, later + Duration::from_secs(9));
        let found: Vec<_> = latencies.answered().collect();
        let &[("proxy", "INVITE", histogram)] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (histogram.count(), histogram.sum),
            (1, Duration::from_millis(40))
        );
        assert_eq!(histogram.counts[7], 1, "at most 50 ms");
    }

    #[test]
    fn bounds_are_inclusive_and_what_is_beyond_is_last() {
        let mut histogram = Histogram::default();
        for micros in [0, 250, 251, 180_000_000, 180_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        assert_eq!(histogram.counts[..2], [2, 1]);
        assert_eq!(histogram.counts[14..], [1, 1]);
    }
}
