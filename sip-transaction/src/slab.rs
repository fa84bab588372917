//! Generational storage: transactions live in pages of slots, and an id names a slot and the life it had.

/// Slots per page: pages are never moved, so a million transactions cost no copying and little slack.
const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 8;
const NONE: u32 = u32::MAX;

/// The name of one life of one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A store of `T` whose keys are never valid for another value than the one they were made for.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    pages: Vec<Vec<Slot<T>>>,
    free: u32,
    len: usize,
    /// The generation that a new slot starts with.
    first_generation: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    next_free: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self {
            pages: Vec::new(),
            free: NONE,
            len: 0,
            first_generation: 0,
        }
    }

    /// The key that the next [`insert`](Self::insert) will return.
    pub(crate) fn vacant_key(&self) -> Key {
        match self.slot(self.free) {
            Some(slot) => Key {
                index: self.free,
                generation: slot.generation,
            },
            None => Key {
                index: self.slot_count(),
                generation: self.first_generation,
            },
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        let key = self.vacant_key();
        self.len += 1;
        if let Some(slot) = self.slot_mut(key.index) {
            slot.value = Some(value);
            let next = slot.next_free;
            self.free = next;
            return key;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        if let Some(page) = self.pages.last_mut() {
            page.push(Slot {
                generation: key.generation,
                next_free: NONE,
                value: Some(value),
            });
        }
        key
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let free = self.free;
        let slot = self
            .slot_mut(key.index)
            .filter(|slot| slot.generation == key.generation)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next_free = free;
        self.free = key.index;
        self.len -= 1;
        Some(value)
    }

    /// A key that no value ever has: the name of what was refused.
    pub(crate) fn burn(&mut self) -> Key {
        let key = self.vacant_key();
        if let Some(slot) = self.slot_mut(key.index) {
            slot.generation = slot.generation.wrapping_add(1);
            return key;
        }
        // No slot is free: one life of a slot that is not there yet, which then starts with its second.
        self.first_generation = self.first_generation.wrapping_add(1);
        key
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.slot(key.index)
            .filter(|slot| slot.generation == key.generation)?
            .value
            .as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slot_mut(key.index)
            .filter(|slot| slot.generation == key.generation)?
            .value
            .as_mut()
    }

    /// The live value of a slot whatever its generation.
    pub(crate) fn at(&self, index: u32) -> Option<&T> {
        self.slot(index)?.value.as_ref()
    }

    /// The live value of a slot whatever its generation: for links between live values.
    pub(crate) fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slot_mut(index)?.value.as_mut()
    }

    /// The key of the live value of a slot.
    pub(crate) fn key_at(&self, index: u32) -> Option<Key> {
        let slot = self.slot(index)?;
        slot.value.as_ref().map(|_| Key {
            index,
            generation: slot.generation,
        })
    }

    /// The live value of a slot with its key.
    pub(crate) fn entry_at(&self, index: u32) -> Option<(Key, &T)> {
        let slot = self.slot(index)?;
        let generation = slot.generation;
        let key = Key { index, generation };
        slot.value.as_ref().map(|value| (key, value))
    }

    /// The live values, in no order that means anything; walks over every slot.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        (0..self.slot_count()).filter_map(|index| self.get(self.key_at(index)?))
    }

    /// The live values with their keys, as [`values`](Self::values).
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Key, &T)> {
        (0..self.slot_count()).filter_map(|index| self.entry_at(index))
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn slot_count(&self) -> u32 {
        let full = self.pages.len().saturating_sub(1) * PAGE;
        let count = full + self.pages.last().map_or(0, Vec::len);
        // The layer's limits keep the count far below 2^32.
        u32::try_from(count).unwrap_or(NONE)
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        self.pages
            .get((index >> PAGE_BITS) as usize)?
            .get(index as usize & (PAGE - 1))
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        self.pages
            .get_mut((index >> PAGE_BITS) as usize)?
            .get_mut(index as usize & (PAGE - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_valid_for_one_life_only() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(first.index, second.index, "slots are reused");
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&"second")));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn a_burnt_key_is_never_valid() {
        let mut slab = Slab::new();
        let burnt = [slab.burn(), slab.burn()];
        let live = slab.insert(1);
        assert!(!burnt.contains(&live) && burnt[0] != burnt[1]);
        slab.remove(live);
        let burnt = slab.burn();
        let next = slab.insert(2);
        assert_ne!(burnt, next);
        assert_eq!((slab.get(burnt), slab.get(next)), (None, Some(&2)));
    }

    #[test]
    fn the_vacant_key_is_the_next_one_over_page_borders() {
        let mut slab = Slab::new();
        let mut keys = Vec::new();
        for i in 0..3 * PAGE {
            let expected = slab.vacant_key();
            keys.push(slab.insert(i));
            assert_eq!(keys.last(), Some(&expected));
        }
        for key in keys.iter().step_by(2) {
            slab.remove(*key).unwrap();
        }
        for i in 0..PAGE {
            let expected = slab.vacant_key();
            assert_eq!(slab.insert(i), expected);
        }
        assert_eq!(slab.len(), 3 * PAGE - 3 * PAGE / 2 + PAGE);
    }
}
