//! [`DeadlineQueue`]: what is due when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::Instant;

/// Deadlines with keys, for one layer. The earliest is known at once; cancelling marks, and the mark is swept when its
/// turn comes or when marks outnumber deadlines. Equal instants come out in the order they went in.
///
/// ```
/// use std::time::{Duration, Instant};
/// use sip_transport::DeadlineQueue;
/// # let now = Instant::now();
/// let mut queue = DeadlineQueue::new();
/// let first = queue.insert(now + Duration::from_secs(1), "first");
/// queue.insert(now + Duration::from_secs(2), "second");
/// queue.cancel(first);
/// assert_eq!(queue.peek(), Some(now + Duration::from_secs(2)));
/// assert_eq!(queue.pop_due(now + Duration::from_secs(1)), None);
/// assert_eq!(queue.pop_due(now + Duration::from_secs(3)), Some((now + Duration::from_secs(2), "second")));
/// ```
pub struct DeadlineQueue<K> {
    heap: BinaryHeap<Reverse<Entry>>,
    slots: Vec<Slot<K>>,
    free: Vec<u32>,
    /// Live deadlines.
    len: usize,
    sequence: u64,
}

/// A deadline in a [`DeadlineQueue`]. Stale ids are harmless.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeadlineId {
    slot: u32,
    generation: u32,
}

impl fmt::Debug for DeadlineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deadline({}.{})", self.slot, self.generation)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Instant,
    sequence: u64,
    slot: u32,
    generation: u32,
}

struct Slot<K> {
    generation: u32,
    key: Option<K>,
}

impl<K> DeadlineQueue<K> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            len: 0,
            sequence: 0,
        }
    }

    /// Adds a deadline. For a timer that repeats, compute `at` from the previous deadline and not from the time at
    /// which it was noticed, or it drifts.
    pub fn insert(&mut self, at: Instant, key: K) -> DeadlineId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                key: None,
            });
            // Four billion deadlines do not fit in memory.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let place = &mut self.slots[slot as usize];
        place.key = Some(key);
        let generation = place.generation;
        self.sequence += 1;
        self.len += 1;
        self.heap.push(Reverse(Entry {
            at,
            sequence: self.sequence,
            slot,
            generation,
        }));
        DeadlineId { slot, generation }
    }

    /// Removes a deadline; its key, unless it is gone already.
    pub fn cancel(&mut self, id: DeadlineId) -> Option<K> {
        let key = self.take(id.slot, id.generation)?;
        // What is marked in the middle of the heap must not outgrow what is live.
        if self.heap.len() > 2 * self.len + 64 {
            let slots = &self.slots;
            self.heap.retain(|Reverse(entry)| is_live(slots, entry));
        } else {
            self.sweep();
        }
        Some(key)
    }

    /// Removes the earliest deadline that is not later than `now`: when it was due, and its key.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, K)> {
        let Reverse(entry) = *self.heap.peek()?;
        if entry.at > now {
            return None;
        }
        self.heap.pop();
        let key = self.take(entry.slot, entry.generation);
        self.sweep();
        key.map(|key| (entry.at, key))
    }

    /// The earliest deadline.
    #[must_use]
    pub fn peek(&self) -> Option<Instant> {
        // The top is live: cancelling sweeps.
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// The number of live deadlines.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Is there none?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn take(&mut self, slot: u32, generation: u32) -> Option<K> {
        let place = self
            .slots
            .get_mut(slot as usize)
            .filter(|place| place.generation == generation)?;
        let key = place.key.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot);
        self.len -= 1;
        Some(key)
    }

    /// Drops cancelled entries from the top.
    fn sweep(&mut self) {
        while let Some(Reverse(entry)) = self.heap.peek() {
            if is_live(&self.slots, entry) {
                return;
            }
            self.heap.pop();
        }
    }
}

fn is_live<K>(slots: &[Slot<K>], entry: &Entry) -> bool {
    slots
        .get(entry.slot as usize)
        .is_some_and(|slot| slot.generation == entry.generation && slot.key.is_some())
}

impl<K> Default for DeadlineQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> fmt::Debug for DeadlineQueue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineQueue")
            .field("len", &self.len)
            .field("next", &self.peek())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::origin;

    #[test]
    fn stale_ids_cancel_nothing() {
        let now = origin();
        let mut queue = DeadlineQueue::new();
        let a = queue.insert(now, 'a');
        assert_eq!(queue.cancel(a), Some('a'));
        let b = queue.insert(now, 'b');
        assert_eq!(queue.cancel(a), None);
        assert_ne!(a, b);
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.pop_due(now), Some((now, 'b')));
        assert_eq!(queue.cancel(b), None);
        assert!(queue.is_empty() && queue.peek().is_none());
    }

    #[test]
    fn cancelled_deadlines_do_not_pile_up() {
        let now = origin();
        let mut queue = DeadlineQueue::new();
        queue.insert(now, 0);
        for i in 0..10_000 {
            let id = queue.insert(now + Duration::from_secs(1), i);
            queue.cancel(id);
        }
        assert!(queue.heap.len() < 100, "{}", queue.heap.len());
        assert!(queue.slots.len() < 100, "{}", queue.slots.len());
    }

    proptest! {
        /// The queue agrees with a sorted list.
        #[test]
        fn agrees_with_a_list(steps in proptest::collection::vec((0_u64..50, 0_u8..4), 1..200)) {
            let start = origin();
            let mut queue = DeadlineQueue::new();
            let mut list: Vec<(Instant, usize, DeadlineId)> = Vec::new();
            for (n, (millis, step)) in steps.into_iter().enumerate() {
                let at = start + Duration::from_millis(millis);
                match step {
                    0 | 1 => {
                        let id = queue.insert(at, n);
                        let place = list.partition_point(|(other, ..)| *other <= at);
                        list.insert(place, (at, n, id));
                    }
                    2 if !list.is_empty() => {
                        let (_, key, id) = list.remove(millis as usize % list.len());
                        prop_assert_eq!(queue.cancel(id), Some(key));
                    }
                    _ => {
                        let due = list.first().filter(|(first, ..)| *first <= at).map(|(at, key, _)| (*at, *key));
                        prop_assert_eq!(queue.pop_due(at), due);
                        if due.is_some() {
                            list.remove(0);
                        }
                    }
                }
                prop_assert_eq!(queue.peek(), list.first().map(|(at, ..)| *at));
                prop_assert_eq!(queue.len(), list.len());
            }
        }
    }
}
