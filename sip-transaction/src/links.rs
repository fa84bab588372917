//! The transactions of each flow, as lists through the slabs: a flow that fails finds them without a search.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use sip_transport::FlowId;

use crate::slab::{Key, Slab};

const NONE: u32 = u32::MAX;

/// The neighbours of a transaction in the list of its flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    prev: u32,
    next: u32,
}

/// What is kept in such lists.
pub(crate) trait Linked {
    fn links(&mut self) -> &mut Links;
}

/// The head of one list, and its length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    head: u32,
    len: u32,
}

/// The lists of all flows with live transactions. Flow ids are minted by our transport: a fast hash does.
#[derive(Debug, Default)]
pub(crate) struct FlowLists {
    lists: HashMap<FlowId, List, FixedState>,
}

impl Links {
    pub(crate) const NONE: Self = Self {
        prev: NONE,
        next: NONE,
    };
}

impl FlowLists {
    pub(crate) fn len(&self, flow: FlowId) -> usize {
        self.lists.get(&flow).map_or(0, |list| list.len as usize)
    }

    /// Adds a value that is in the slab already.
    pub(crate) fn add<T: Linked>(&mut self, flow: FlowId, key: Key, slab: &mut Slab<T>) {
        let list = self
            .lists
            .entry(flow)
            .or_insert(List { head: NONE, len: 0 });
        let head = list.head;
        list.head = key.index;
        list.len += 1;
        if let Some(old) = slab.at_mut(head) {
            old.links().prev = key.index;
        }
        if let Some(new) = slab.at_mut(key.index) {
            *new.links() = Links {
                prev: NONE,
                next: head,
            };
        }
    }

    /// Takes a value out that is still or no longer in the slab; `links` are its.
    pub(crate) fn remove<T: Linked>(&mut self, flow: FlowId, links: Links, slab: &mut Slab<T>) {
        if let Some(next) = slab.at_mut(links.next) {
            next.links().prev = links.prev;
        }
        if let Some(prev) = slab.at_mut(links.prev) {
            prev.links().next = links.next;
        }
        if let Some(list) = self.lists.get_mut(&flow) {
            if links.prev == NONE {
                list.head = links.next;
            }
            list.len -= 1;
            if list.len == 0 {
                self.lists.remove(&flow);
            }
        }
    }

    /// The keys of a flow's values, the newest first.
    pub(crate) fn keys<T: Linked>(&self, flow: FlowId, slab: &mut Slab<T>) -> Vec<Key> {
        let mut keys = Vec::with_capacity(self.len(flow));
        let mut index = self.lists.get(&flow).map_or(NONE, |list| list.head);
        while let Some(key) = slab.key_at(index) {
            keys.push(key);
            index = slab.at_mut(index).map_or(NONE, |value| value.links().next);
        }
        keys
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }
}
