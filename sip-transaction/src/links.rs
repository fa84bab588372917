//! The transactions of each flow, as lists through the slabs: a flow that fails finds them without a search.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use sip_transport::FlowId;

use crate::index::Index;
use crate::slab::{Key, Slab};

const NONE: u32 = u32::MAX;

/// The list of a transaction's flow, and its neighbours there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    list: u32,
    prev: u32,
    next: u32,
}

/// What is kept in such lists.
pub(crate) trait Linked {
    fn links(&mut self) -> &mut Links;
}

/// One flow with transactions.
#[derive(Debug, Clone, Copy)]
struct List {
    flow: FlowId,
    head: u32,
    len: u32,
}

/// The lists of all flows with live transactions.
#[derive(Debug)]
pub(crate) struct FlowLists {
    /// Lists by flow. Flow ids are minted by our transport: a fast hash does.
    index: Index,
    lists: Vec<List>,
    free: Vec<u32>,
    /// The list that was emptied last. It stays, because who has sent one request mostly sends the next one too.
    idle: u32,
}

impl Default for FlowLists {
    fn default() -> Self {
        Self {
            index: Index::default(),
            lists: Vec::new(),
            free: Vec::new(),
            idle: NONE,
        }
    }
}

impl Links {
    pub(crate) const NONE: Self = Self {
        list: NONE,
        prev: NONE,
        next: NONE,
    };
}

impl FlowLists {
    /// Adds a value that is in the slab already.
    pub(crate) fn add<T: Linked>(&mut self, flow: FlowId, key: Key, slab: &mut Slab<T>) {
        let index = match self.find(flow) {
            Some(index) => index,
            None => self.start(flow),
        };
        let Some(list) = self.lists.get_mut(index as usize) else {
            return;
        };
        let head = list.head;
        list.head = key.index;
        list.len += 1;
        if let Some(old) = slab.at_mut(head) {
            old.links().prev = key.index;
        }
        if let Some(new) = slab.at_mut(key.index) {
            *new.links() = Links {
                list: index,
                prev: NONE,
                next: head,
            };
        }
    }

    /// Takes a value out that is still or no longer in the slab; `links` are its.
    pub(crate) fn remove<T: Linked>(&mut self, links: Links, slab: &mut Slab<T>) {
        if let Some(next) = slab.at_mut(links.next) {
            next.links().prev = links.prev;
        }
        if let Some(prev) = slab.at_mut(links.prev) {
            prev.links().next = links.next;
        }
        let Some(list) = self.lists.get_mut(links.list as usize) else {
            return;
        };
        if links.prev == NONE {
            list.head = links.next;
        }
        list.len -= 1;
        if list.len == 0 && self.idle != links.list {
            let old = std::mem::replace(&mut self.idle, links.list);
            self.drop_idle(old);
        }
    }

    /// Forgets a list that is empty, unless it has been used again.
    fn drop_idle(&mut self, index: u32) {
        if let Some(list) = self.lists.get(index as usize)
            && list.len == 0
        {
            self.index.remove(hash(list.flow), index);
            self.free.push(index);
        }
    }

    /// The keys of a flow's values, the newest first.
    pub(crate) fn keys<T: Linked>(&self, flow: FlowId, slab: &mut Slab<T>) -> Vec<Key> {
        let list = self
            .find(flow)
            .and_then(|list| self.lists.get(list as usize));
        let Some(list) = list else {
            return Vec::new();
        };
        let mut keys = Vec::with_capacity(list.len as usize);
        let mut index = list.head;
        while let Some(key) = slab.key_at(index) {
            keys.push(key);
            index = slab.at_mut(index).map_or(NONE, |value| value.links().next);
        }
        keys
    }

    pub(crate) fn is_empty(&self) -> bool {
        let idle = self.lists.get(self.idle as usize);
        self.index.len() == usize::from(idle.is_some_and(|list| list.len == 0))
    }

    fn find(&self, flow: FlowId) -> Option<u32> {
        let idle = self.lists.get(self.idle as usize);
        if idle.is_some_and(|list| list.flow == flow) {
            return Some(self.idle);
        }
        self.index.find(hash(flow), |list| {
            self.lists
                .get(list as usize)
                .is_some_and(|list| list.flow == flow)
        })
    }

    fn start(&mut self, flow: FlowId) -> u32 {
        let list = List {
            flow,
            head: NONE,
            len: 0,
        };
        let index = match self.free.pop() {
            Some(index) => {
                if let Some(place) = self.lists.get_mut(index as usize) {
                    *place = list;
                }
                index
            }
            None => {
                self.lists.push(list);
                // The layer's limits keep the count far below 2^32.
                u32::try_from(self.lists.len() - 1).unwrap_or(NONE)
            }
        };
        self.index.insert(hash(flow), index);
        index
    }
}

fn hash(flow: FlowId) -> u64 {
    FixedState::default().hash_one(flow)
}
