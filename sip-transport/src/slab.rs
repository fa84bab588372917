//! A table whose slots have generations.

use crate::id::FlowId;

/// Values by [`FlowId`]. A slot that is used again has another generation, so stale ids find nothing.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Puts in what `make` builds from the id it will have.
    pub(crate) fn insert(&mut self, make: impl FnOnce(FlowId) -> T) -> FlowId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 1,
                value: None,
            });
            // The limits keep the table far below four billion.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = &mut self.slots[index as usize];
        let id = FlowId {
            index,
            generation: slot.generation,
        };
        slot.value = Some(make(id));
        id
    }

    pub(crate) fn get(&self, id: FlowId) -> Option<&T> {
        self.slots
            .get(id.index as usize)
            .filter(|slot| slot.generation == id.generation)?
            .value
            .as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: FlowId) -> Option<&mut T> {
        self.slots
            .get_mut(id.index as usize)
            .filter(|slot| slot.generation == id.generation)?
            .value
            .as_mut()
    }

    pub(crate) fn remove(&mut self, id: FlowId) -> Option<T> {
        let slot = self
            .slots
            .get_mut(id.index as usize)
            .filter(|slot| slot.generation == id.generation)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        Some(value)
    }

    /// The number of slots, empty ones included.
    pub(crate) const fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// What is in the slot with this number.
    pub(crate) fn at(&mut self, index: usize) -> Option<(FlowId, &mut T)> {
        let slot = self.slots.get_mut(index)?;
        let id = FlowId {
            index: u32::try_from(index).ok()?,
            generation: slot.generation,
        };
        slot.value.as_mut().map(|value| (id, value))
    }

    /// The ids of what is there, in the order of slots.
    pub(crate) fn ids(&self) -> impl Iterator<Item = FlowId> + '_ {
        (0_u32..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.value.is_some())
            .map(|(index, slot)| FlowId {
                index,
                generation: slot.generation,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_ids_find_nothing() {
        let mut slab = Slab::new();
        let a = slab.insert(|_| 'a');
        assert_eq!(slab.remove(a), Some('a'));
        let b = slab.insert(|_| 'b');
        assert_eq!((a.index, a.generation + 1), (b.index, b.generation));
        assert_eq!((slab.get(a), slab.get(b)), (None, Some(&'b')));
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.ids().collect::<Vec<_>>(), [b]);
    }
}
