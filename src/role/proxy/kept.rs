//! [`Kept`]: requests that are over, the oldest first.

use sip_transaction::ServerTransactionId;

/// No slot.
const NONE: u32 = u32::MAX;

/// Requests that have their answer and wait only for copies of it, in the order in which they came to that. Each may end
/// before those that are older, so they are a list with links to both sides, in slots that are used again: no more of them than
/// there were requests at a time.
#[derive(Debug)]
pub(super) struct Kept {
    slots: Vec<Slot>,
    /// The first that is free; the others follow it as newer ones.
    free: u32,
    oldest: u32,
    newest: u32,
}

/// The place of a request among them, until it is [removed](Kept::remove).
#[derive(Debug)]
pub(super) struct Place(u32);

#[derive(Debug)]
struct Slot {
    id: ServerTransactionId,
    older: u32,
    newer: u32,
}

impl Kept {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
            oldest: NONE,
            newest: NONE,
        }
    }

    /// This one is over now.
    pub(super) fn push(&mut self, id: ServerTransactionId) -> Place {
        let slot = Slot {
            id,
            older: self.newest,
            newer: NONE,
        };
        let place = match self.slots.get_mut(self.free as usize) {
            Some(free) => {
                let next = std::mem::replace(free, slot).newer;
                std::mem::replace(&mut self.free, next)
            }
            None => {
                self.slots.push(slot);
                // Four billion requests do not fit in memory.
                u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
            }
        };
        match self.slots.get_mut(self.newest as usize) {
            Some(older) => older.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
        Place(place)
    }

    /// It is forgotten.
    pub(super) fn remove(&mut self, place: Place) {
        let Some(slot) = self.slots.get_mut(place.0 as usize) else {
            return;
        };
        let (older, newer) = (slot.older, slot.newer);
        slot.newer = std::mem::replace(&mut self.free, place.0);
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
    }

    /// The one that has waited longest.
    pub(super) fn oldest(&self) -> Option<ServerTransactionId> {
        self.slots.get(self.oldest as usize).map(|slot| slot.id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It agrees with a plain list, and has no more slots than that had requests at a time.
        #[test]
        fn agrees_with_a_list(steps in proptest::collection::vec((any::<bool>(), 0_usize..20), 1..300)) {
            let mut kept = Kept::new();
            let mut list = VecDeque::new();
            let mut most = 0;
            for (number, (is_new, which)) in (0..).zip(steps) {
                if is_new {
                    let id = ServerTransactionId::from_parts(number, 0);
                    list.push_back((id, kept.push(id)));
                    most = most.max(list.len());
                } else if !list.is_empty() {
                    let (_, place) = list.remove(which % list.len()).unwrap();
                    kept.remove(place);
                }
                prop_assert_eq!(kept.oldest(), list.front().map(|(id, _)| *id));
            }
            prop_assert_eq!(kept.slots.len(), most);
            for (id, place) in list {
                prop_assert_eq!(kept.oldest(), Some(id));
                kept.remove(place);
            }
            prop_assert_eq!((kept.oldest(), kept.newest), (None, NONE));
        }
    }
}
