//! [`Index`]: finds a slot of a slab by a keyed hash.
//!
//! The values that are looked for are in the slab already, and what is hashed is uniformly distributed and unknown to
//! peers (see [`SipHash`](crate::siphash::SipHash)): open addressing with linear probing needs eight bytes per place,
//! and nobody can aim at one.

const EMPTY: u32 = u32::MAX;
const SMALLEST: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Index {
    /// A power of two of places, or none.
    places: Vec<Place>,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// The low bits of the hash, of which the lowest say where the place should be.
    tag: u32,
    slot: u32,
}

impl Index {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The slot with this hash for which `is` holds.
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = hash as u32;
        let mask = self.places.len().wrapping_sub(1);
        let mut at = tag as usize & mask;
        // An empty place ends the search: there is always one.
        while let Some(place) = self.places.get(at)
            && place.slot != EMPTY
        {
            if place.tag == tag && is(place.slot) {
                return Some(place.slot);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Adds a slot. Several may have the same hash.
    pub(crate) fn insert(&mut self, hash: u64, slot: u32) {
        // At most three quarters full.
        if self.len >= self.places.len() / 4 * 3 {
            self.grow();
        }
        let tag = hash as u32;
        self.len += 1;
        place(&mut self.places, Place { tag, slot });
    }

    /// Takes a slot out that was added with this hash.
    pub(crate) fn remove(&mut self, hash: u64, slot: u32) {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            match self.places.get(at) {
                Some(place) if place.slot == slot => break,
                Some(place) if place.slot != EMPTY => at = (at + 1) & mask,
                Some(_) | None => return,
            }
        }
        self.len -= 1;
        // What follows and may stand here moves up, so that no search ends too early.
        let mut hole = at;
        let mut next = (at + 1) & mask;
        while let Some(place) = self.places.get(next).copied()
            && place.slot != EMPTY
        {
            let home = place.tag as usize & mask;
            // How far the entry is from its home, and how far the hole is: it may move if it does not pass its home.
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                if let Some(free) = self.places.get_mut(hole) {
                    *free = place;
                }
                hole = next;
            }
            next = (next + 1) & mask;
        }
        if let Some(free) = self.places.get_mut(hole) {
            free.slot = EMPTY;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let empty = Place {
            tag: 0,
            slot: EMPTY,
        };
        let mut places = vec![empty; (2 * self.places.len()).max(SMALLEST)];
        for old in self.places.iter().filter(|old| old.slot != EMPTY) {
            place(&mut places, *old);
        }
        self.places = places;
    }
}

fn place(places: &mut [Place], new: Place) {
    let mask = places.len().wrapping_sub(1);
    let mut at = new.tag as usize & mask;
    while let Some(place) = places.get_mut(at) {
        if place.slot == EMPTY {
            *place = new;
            return;
        }
        at = (at + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_index_has_nothing() {
        let mut index = Index::default();
        assert_eq!(index.find(7, |_| true), None);
        index.remove(7, 1);
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn slots_with_one_hash_are_told_apart() {
        let mut index = Index::default();
        index.insert(7, 1);
        index.insert(7, 2);
        assert_eq!(index.find(7, |slot| slot == 2), Some(2));
        index.remove(7, 1);
        assert_eq!(index.find(7, |_| true), Some(2));
    }

    proptest! {
        /// Hashes from a small range, so that most places are contested.
        #[test]
        fn agrees_with_a_list(steps in proptest::collection::vec((any::<bool>(), 0_u64..40), 1..400)) {
            let mut index = Index::default();
            let mut list: Vec<(u64, u32)> = Vec::new();
            for (n, (insert, hash)) in steps.into_iter().enumerate() {
                if insert {
                    let slot = u32::try_from(n).unwrap();
                    index.insert(hash * 3, slot);
                    list.push((hash * 3, slot));
                } else if !list.is_empty() {
                    let (hash, slot) = list.swap_remove(hash as usize % list.len());
                    index.remove(hash, slot);
                }
                prop_assert_eq!(index.len(), list.len());
                for (hash, slot) in &list {
                    prop_assert_eq!(index.find(*hash, |other| other == *slot), Some(*slot));
                }
                for hash in 0..120 {
                    let found = index.find(hash, |_| true);
                    prop_assert_eq!(found.is_some(), list.iter().any(|(other, _)| *other == hash));
                }
            }
        }
    }
}
