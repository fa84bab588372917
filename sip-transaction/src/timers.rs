//! [`Timers`]: what is due when, for one slab of transactions.
//!
//! Nearly every deadline of this layer is one of a few constant spans ahead of the present: T1, 64*T1, T4 and so on.
//! As time does not go back, those of one span come in the order in which they are due: each span has a queue, a list
//! through the slab, and arming and disarming are a few writes whatever the number of transactions. What does not come
//! in order (the later retransmissions, or all of them when the driver is late) goes to a heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::slab::{Key, Slab};
use crate::tick::{Span, Tick};

const NONE: u32 = u32::MAX;

/// How many spans have a queue.
pub(crate) const LANES: usize = 7;

/// The deadline of one transaction, and its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alarm {
    at: Tick,
    prev: u32,
    next: u32,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Lane(u8),
    Heap,
}

/// What has a deadline.
pub(crate) trait Timed {
    fn alarm(&mut self) -> &mut Alarm;
    fn alarm_ref(&self) -> &Alarm;
}

#[derive(Debug)]
pub(crate) struct Timers {
    spans: [Span; LANES],
    lanes: [Lane; LANES],
    /// When the first of each lane is due.
    first: [Tick; LANES],
    /// Entries are live if the transaction's alarm says so; the top always is.
    heap: BinaryHeap<Reverse<(Tick, Key)>>,
    in_heap: usize,
    armed: usize,
    next: Tick,
}

#[derive(Debug, Clone, Copy)]
struct Lane {
    head: u32,
    tail: u32,
    last: Tick,
}

impl Alarm {
    /// No deadline.
    pub(crate) const NONE: Self = Self {
        at: Tick::NEVER,
        prev: NONE,
        next: NONE,
        place: Place::Heap,
    };
}

impl Timers {
    /// The spans that deadlines are mostly ahead.
    pub(crate) fn new(spans: [Span; LANES]) -> Self {
        let lane = Lane {
            head: NONE,
            tail: NONE,
            last: Tick::NEVER,
        };
        Self {
            spans,
            lanes: [lane; LANES],
            first: [Tick::NEVER; LANES],
            heap: BinaryHeap::new(),
            in_heap: 0,
            armed: 0,
            next: Tick::NEVER,
        }
    }

    /// The earliest deadline.
    pub(crate) const fn next(&self) -> Tick {
        self.next
    }

    /// The number of deadlines.
    pub(crate) const fn len(&self) -> usize {
        self.armed
    }

    /// Sets the deadline of a live transaction; `None` for none.
    pub(crate) fn set<T: Timed>(
        &mut self,
        key: Key,
        at: Option<Tick>,
        now: Tick,
        slab: &mut Slab<T>,
    ) {
        let at = at.unwrap_or(Tick::NEVER);
        let Some(value) = slab.get_mut(key) else {
            return;
        };
        let old = *value.alarm();
        if old.at == at {
            return;
        }
        if old.at != Tick::NEVER {
            *value.alarm() = Alarm::NONE;
            self.forget(old, slab);
        }
        if at == Tick::NEVER {
            return;
        }
        self.armed += 1;
        self.next = self.next.min(at);
        let span = at.since(now);
        let lane = self.spans.iter().position(|other| *other == span);
        match lane {
            Some(lane) if self.append(lane, at, key.index, slab) => {}
            Some(_) | None => self.push(at, key, slab),
        }
    }

    /// Forgets the deadline of a transaction that has left the slab or is about to change it.
    pub(crate) fn forget<T: Timed>(&mut self, old: Alarm, slab: &mut Slab<T>) {
        if old.at == Tick::NEVER {
            return;
        }
        self.armed -= 1;
        match old.place {
            Place::Lane(lane) => self.unlink(usize::from(lane), old, slab),
            Place::Heap => {
                self.in_heap -= 1;
                self.sweep(slab);
            }
        }
        if old.at == self.next {
            self.find_next();
        }
    }

    /// The earliest transaction that is due, which then has no deadline any more.
    pub(crate) fn pop_due<T: Timed>(&mut self, now: Tick, slab: &mut Slab<T>) -> Option<Key> {
        if self.next > now || self.next == Tick::NEVER {
            return None;
        }
        let lane = self.first.iter().position(|first| *first == self.next);
        let key = match lane.and_then(|lane| self.lanes.get(lane)) {
            Some(lane) => slab.key_at(lane.head)?,
            None => self.heap.peek().map(|Reverse((_, key))| *key)?,
        };
        let old = std::mem::replace(slab.get_mut(key)?.alarm(), Alarm::NONE);
        self.forget(old, slab);
        Some(key)
    }

    /// Puts the transaction at the end of a lane, unless it would be due before the last one there.
    fn append<T: Timed>(
        &mut self,
        number: usize,
        at: Tick,
        index: u32,
        slab: &mut Slab<T>,
    ) -> bool {
        let (Some(lane), Some(first)) = (self.lanes.get_mut(number), self.first.get_mut(number))
        else {
            return false;
        };
        let old = lane.tail;
        if old == NONE {
            lane.head = index;
            *first = at;
        } else if lane.last > at {
            return false;
        } else if let Some(last) = slab.at_mut(old) {
            last.alarm().next = index;
        }
        lane.tail = index;
        lane.last = at;
        if let Some(value) = slab.at_mut(index) {
            *value.alarm() = Alarm {
                at,
                prev: old,
                next: NONE,
                // There are few lanes.
                place: Place::Lane(u8::try_from(number).unwrap_or(u8::MAX)),
            };
        }
        true
    }

    fn unlink<T: Timed>(&mut self, number: usize, old: Alarm, slab: &mut Slab<T>) {
        let (Some(lane), Some(first)) = (self.lanes.get_mut(number), self.first.get_mut(number))
        else {
            return;
        };
        if old.prev == NONE && old.next == NONE {
            (lane.head, lane.tail) = (NONE, NONE);
            (*first, lane.last) = (Tick::NEVER, Tick::NEVER);
            return;
        }
        let after = slab.at_mut(old.next).map(|next| {
            next.alarm().prev = old.prev;
            next.alarm().at
        });
        let before = slab.at_mut(old.prev).map(|prev| {
            prev.alarm().next = old.next;
            prev.alarm().at
        });
        if old.prev == NONE {
            lane.head = old.next;
            *first = after.unwrap_or(Tick::NEVER);
        }
        if old.next == NONE {
            lane.tail = old.prev;
            lane.last = before.unwrap_or(Tick::NEVER);
        }
    }

    fn push<T: Timed>(&mut self, at: Tick, key: Key, slab: &mut Slab<T>) {
        if let Some(value) = slab.get_mut(key) {
            *value.alarm() = Alarm { at, ..Alarm::NONE };
        }
        self.heap.push(Reverse((at, key)));
        self.in_heap += 1;
    }

    /// Drops dead entries from the top of the heap, and all of them when they outnumber the live ones.
    fn sweep<T: Timed>(&mut self, slab: &Slab<T>) {
        let is_live = |Reverse((at, key)): &Reverse<(Tick, Key)>| {
            slab.get(*key).is_some_and(|value| {
                let alarm = value.alarm_ref();
                alarm.place == Place::Heap && alarm.at == *at
            })
        };
        if self.heap.len() > 2 * self.in_heap + 64 {
            self.heap.retain(is_live);
        }
        while self.heap.peek().is_some_and(|top| !is_live(top)) {
            self.heap.pop();
        }
    }

    fn find_next(&mut self) {
        let top = self.heap.peek().map_or(Tick::NEVER, |Reverse((at, _))| *at);
        self.next = self.first.iter().fold(top, |next, first| next.min(*first));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::table::at;

    #[derive(Debug)]
    struct Thing(Alarm);

    impl Timed for Thing {
        fn alarm(&mut self) -> &mut Alarm {
            &mut self.0
        }

        fn alarm_ref(&self) -> &Alarm {
            &self.0
        }
    }

    fn timers() -> Timers {
        Timers::new([1, 5, 10, 20, 30, 40, 50].map(|ms| Span::from(Duration::from_millis(ms))))
    }

    fn thing(slab: &mut Slab<Thing>) -> Key {
        slab.insert(Thing(Alarm::NONE))
    }

    #[test]
    fn dead_entries_do_not_pile_up() {
        let (mut timers, mut slab) = (timers(), Slab::new());
        let (kept, other) = (thing(&mut slab), thing(&mut slab));
        timers.set(kept, Some(at(3)), at(0), &mut slab);
        for ms in 100..10_000 {
            timers.set(other, Some(at(ms)), at(0), &mut slab);
        }
        assert!(timers.heap.len() < 100, "{}", timers.heap.len());
        assert_eq!((timers.len(), timers.next()), (2, at(3)));
    }

    #[test]
    fn a_lane_keeps_its_order_when_the_clock_goes_back() {
        let (mut timers, mut slab) = (timers(), Slab::new());
        let (late, early) = (thing(&mut slab), thing(&mut slab));
        timers.set(late, Some(at(110)), at(100), &mut slab);
        timers.set(early, Some(at(60)), at(50), &mut slab);
        assert_eq!(timers.in_heap, 1);
        assert_eq!(timers.pop_due(at(200), &mut slab), Some(early));
        assert_eq!(timers.pop_due(at(200), &mut slab), Some(late));
        assert_eq!((timers.len(), timers.next()), (0, Tick::NEVER));
    }

    proptest! {
        /// Whatever is armed, changed, removed and fired: the earliest is known, and each fires when it is due.
        #[test]
        fn agrees_with_a_list(steps in proptest::collection::vec((0_u8..6, 0_usize..8, 0_u64..60), 1..300)) {
            let (mut timers, mut slab) = (timers(), Slab::new());
            let mut list: Vec<(Key, Option<u64>)> = Vec::new();
            let mut now = 1000;
            for (step, which, ms) in steps {
                match step {
                    0 => list.push((thing(&mut slab), None)),
                    1 | 2 => if let Some((key, due)) = list.get_mut(which) {
                        // Mostly one of the spans, sometimes not.
                        let due_at = now + if ms % 3 == 0 { ms } else { [1, 5, 10, 20][which % 4] };
                        *due = Some(due_at);
                        timers.set(*key, Some(at(due_at)), at(now), &mut slab);
                    },
                    3 => if let Some((key, due)) = list.get_mut(which) {
                        *due = None;
                        timers.set(*key, None, at(now), &mut slab);
                    },
                    4 => if which < list.len() {
                        let (key, _) = list.remove(which);
                        let thing = slab.remove(key).unwrap();
                        timers.forget(thing.0, &mut slab);
                    },
                    _ => {
                        now += ms;
                        let mut fired = Vec::new();
                        while let Some(key) = timers.pop_due(at(now), &mut slab) {
                            fired.push(key);
                        }
                        let mut expected: Vec<_> = list
                            .iter_mut()
                            .filter_map(|(key, due)| Some((due.take_if(|due| *due <= now)?, *key)))
                            .collect();
                        expected.sort_unstable();
                        // Equal deadlines come in any order.
                        let mut sorted = fired.clone();
                        sorted.sort_unstable();
                        let mut keys: Vec<_> = expected.iter().map(|(_, key)| *key).collect();
                        for (key, (_, due_key)) in fired.iter().zip(&expected) {
                            let due = |key| expected.iter().find(|(_, other)| *other == key).map(|(due, _)| *due);
                            prop_assert_eq!(due(*key), due(*due_key));
                        }
                        keys.sort_unstable();
                        prop_assert_eq!(sorted, keys);
                    }
                }
                let earliest = list.iter().filter_map(|(_, due)| *due).min();
                prop_assert_eq!(timers.next(), earliest.map_or(Tick::NEVER, at));
                prop_assert_eq!(timers.len(), list.iter().filter(|(_, due)| due.is_some()).count());
            }
        }
    }
}
