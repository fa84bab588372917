//! [`Guesses`]: who gave wrong passwords.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sip_transport::{KeyedHash, Seed};

/// Wrong passwords by address and name, since the first of each pair. A pair that reaches the limit is refused until
/// its time is over; the same name from another address is not, so nobody can lock out a user from elsewhere.
///
/// Names are kept as keyed hashes: whoever guesses names does not get to fill the memory with long ones.
#[derive(Debug)]
pub(super) struct Guesses {
    counts: HashMap<Key, Count, KeyedHash>,
    /// In the order of their beginning, which is that of their end.
    order: VecDeque<(Key, Instant)>,
    hasher: KeyedHash,
    tries: u32,
    window: Duration,
    limit: usize,
}

type Key = (IpAddr, u64);

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    wrong: u32,
}

impl Guesses {
    pub(super) fn new(seed: &Seed, tries: u32, window: Duration, limit: usize) -> Self {
        let hasher = seed.hasher();
        Self {
            counts: HashMap::with_hasher(seed.hasher()),
            order: VecDeque::new(),
            hasher,
            tries,
            window,
            limit: limit.max(1),
        }
    }

    pub(super) fn is_refused(&self, source: IpAddr, username: &str, now: Instant) -> bool {
        // Nearly always nobody gave a wrong password lately.
        if self.counts.is_empty() {
            return false;
        }
        let count = self.counts.get(&self.key(source, username));
        count.is_some_and(|count| count.wrong >= self.tries && self.is_remembered(count.since, now))
    }

    /// One more wrong password. Is the pair refused from now on?
    pub(super) fn record(&mut self, source: IpAddr, username: &str, now: Instant) -> bool {
        self.forget_old(now);
        let key = self.key(source, username);
        let order = &mut self.order;
        let count = self.counts.entry(key).or_insert_with(|| {
            order.push_back((key, now));
            Count {
                since: now,
                wrong: 0,
            }
        });
        count.wrong = count.wrong.saturating_add(1);
        let is_refused = count.wrong >= self.tries;
        if self.counts.len() > self.limit
            && let Some((oldest, since)) = self.order.pop_front()
        {
            self.remove(oldest, since);
        }
        is_refused
    }

    /// The right password was given.
    pub(super) fn forget(&mut self, source: IpAddr, username: &str) {
        if self.counts.is_empty() {
            return;
        }
        let key = self.key(source, username);
        if self.counts.remove(&key).is_some() {
            // Rare: someone mistyped before. The queue is as bounded as the map.
            self.order.retain(|(other, _)| *other != key);
        }
    }

    fn key(&self, source: IpAddr, username: &str) -> Key {
        (source, self.hasher.hash_one(username))
    }

    fn is_remembered(&self, since: Instant, now: Instant) -> bool {
        now.saturating_duration_since(since) < self.window
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some(&(key, since)) = self.order.front() {
            if self.is_remembered(since, now) {
                return;
            }
            self.order.pop_front();
            self.remove(key, since);
        }
    }

    fn remove(&mut self, key: Key, since: Instant) {
        if self
            .counts
            .get(&key)
            .is_some_and(|count| count.since == since)
        {
            self.counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_address_and_name_is_refused_for_a_while() {
        let mut guesses = Guesses::new(&Seed::from_bytes([0; 32]), 3, Duration::from_secs(60), 100);
        let (now, here, there) = (
            Instant::now(),
            IpAddr::from([192, 0, 2, 1]),
            IpAddr::from([192, 0, 2, 2]),
        );
        assert!(!guesses.record(here, "alice", now));
        assert!(!guesses.record(here, "alice", now));
        assert!(!guesses.is_refused(here, "alice", now));
        assert!(guesses.record(here, "alice", now));
        assert!(guesses.is_refused(here, "alice", now));
        assert!(!guesses.is_refused(there, "alice", now) && !guesses.is_refused(here, "bob", now));
        let later = now + Duration::from_secs(60);
        assert!(!guesses.is_refused(here, "alice", later));
        assert!(
            !guesses.record(here, "alice", later),
            "it counts from the beginning"
        );
        guesses.forget(here, "alice");
        assert!(guesses.counts.is_empty() && guesses.order.is_empty());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut guesses = Guesses::new(&Seed::from_bytes([0; 32]), 3, Duration::from_secs(60), 10);
        let now = Instant::now();
        for n in 0..1000 {
            guesses.record(IpAddr::from([192, 0, 2, 1]), &format!("user{n}"), now);
        }
        assert!(guesses.counts.len() <= 10 && guesses.order.len() <= 10);
    }
}
