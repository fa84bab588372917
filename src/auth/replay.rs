//! [`Replay`]: which counts of which nonce were used.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::nonce::NonceId;

/// Nonces with the counts that were used of them (RFC 7616 §3.4.5), of which there are at most so many: the oldest go,
/// and whatever is older than the youngest that went is taken for used.
#[derive(Debug)]
pub(super) struct Replay {
    windows: BTreeMap<NonceId, Window>,
    limit: usize,
    forgotten: Option<NonceId>,
}

/// The greatest count that was used, and which of the 64 up to it were: requests may overtake each other.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    greatest: u32,
    used: u64,
    /// Used by a client that does not count; then no more.
    spent: bool,
}

impl Window {
    fn is_new(&self, count: u32) -> bool {
        if count == 0 || self.spent {
            return self.greatest == 0 && !self.spent;
        }
        match self.greatest.checked_sub(count) {
            None => true,
            Some(behind) => behind < 64 && self.used & (1 << behind) == 0,
        }
    }

    fn spend(&mut self, count: u32) {
        if count == 0 {
            self.spent = true;
        } else if count > self.greatest {
            let ahead = count - self.greatest;
            self.used = self.used.checked_shl(ahead).unwrap_or(0) | 1;
            self.greatest = count;
        } else {
            self.used |= 1_u64.checked_shl(self.greatest - count).unwrap_or(0);
        }
    }
}

impl Replay {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            windows: BTreeMap::new(),
            limit: limit.max(1),
            forgotten: None,
        }
    }

    /// Was this count of this nonce not used yet? A count of 0 is a client that does not count: its nonce is good once.
    pub(super) fn is_new(&self, nonce: NonceId, count: u32) -> bool {
        match self.windows.get(&nonce) {
            Some(window) => window.is_new(count),
            None => self.forgotten.is_none_or(|forgotten| nonce > forgotten),
        }
    }

    /// Uses it up. Was it new?
    pub(super) fn spend(&mut self, nonce: NonceId, count: u32) -> bool {
        match self.windows.entry(nonce) {
            Entry::Occupied(window) if !window.get().is_new(count) => return false,
            Entry::Occupied(mut window) => {
                window.get_mut().spend(count);
                return true;
            }
            Entry::Vacant(_) if self.forgotten.is_some_and(|forgotten| nonce <= forgotten) => {
                return false;
            }
            Entry::Vacant(place) => place.insert(Window::default()).spend(count),
        }
        if self.windows.len() > self.limit {
            self.forgotten = self
                .windows
                .pop_first()
                .map(|(nonce, _)| nonce)
                .max(self.forgotten);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7616_3_4_5_a_count_is_good_once_in_any_order_within_64() {
        let mut replay = Replay::new(10);
        let nonce = NonceId::new(1);
        for (count, is_new) in [
            (1, true),
            (1, false),
            (5, true),
            (3, true),
            (3, false),
            (2, true),
            (70, true),
            (6, false),
            (7, true),
            (70, false),
        ] {
            assert_eq!(replay.spend(nonce, count), is_new, "{count}");
        }
        assert!(replay.spend(nonce, u32::MAX));
        assert!(!replay.spend(nonce, 71), "too far behind to know");
    }

    #[test]
    fn a_client_that_does_not_count_uses_a_nonce_once() {
        let mut replay = Replay::new(10);
        assert!(replay.spend(NonceId::new(1), 0));
        assert!(!replay.spend(NonceId::new(1), 0));
        assert!(!replay.spend(NonceId::new(1), 1));
        assert!(replay.spend(NonceId::new(2), 1));
        assert!(!replay.spend(NonceId::new(2), 0));
    }

    #[test]
    fn what_was_forgotten_is_not_good_again() {
        let mut replay = Replay::new(2);
        for id in 1..=3 {
            assert!(replay.spend(NonceId::new(id), 1));
        }
        assert_eq!(replay.windows.len(), 2);
        assert!(!replay.spend(NonceId::new(1), 2));
        assert!(replay.spend(NonceId::new(3), 2));
        assert!(replay.spend(NonceId::new(4), 1));
    }
}
