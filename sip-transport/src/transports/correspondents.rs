//! [`Correspondents`]: the flow to each peer that datagrams are exchanged with.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use crate::id::{FlowId, ListenerId};
use crate::seed::KeyedHash;

/// A table of flows by listener and peer. Several datagrams of one peer often follow each other, so the last one asked for is
/// at hand.
#[derive(Debug)]
pub(super) struct Correspondents {
    /// Keys chosen by peers (addresses can be forged): keyed.
    flows: HashMap<Correspondent, FlowId, KeyedHash>,
    last: Option<(Correspondent, FlowId)>,
}

impl Correspondents {
    pub(super) fn new(hash: KeyedHash) -> Self {
        Self {
            flows: HashMap::with_hasher(hash),
            last: None,
        }
    }

    #[inline]
    pub(super) fn get(&mut self, listener: ListenerId, remote: SocketAddr) -> Option<FlowId> {
        let key = Correspondent(listener, remote);
        if let Some((last, flow)) = self.last
            && last == key
        {
            return Some(flow);
        }
        let flow = *self.flows.get(&key)?;
        self.last = Some((key, flow));
        Some(flow)
    }

    pub(super) fn insert(&mut self, listener: ListenerId, remote: SocketAddr, flow: FlowId) {
        let key = Correspondent(listener, remote);
        self.flows.insert(key, flow);
        self.last = Some((key, flow));
    }

    pub(super) fn remove(&mut self, listener: ListenerId, remote: SocketAddr) {
        let key = Correspondent(listener, remote);
        self.flows.remove(&key);
        self.last = self.last.filter(|(last, _)| *last != key);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Correspondent(ListenerId, SocketAddr);

impl Hash for Correspondent {
    /// In one piece: a keyed hash takes many small ones dearly.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let listener = u128::from(self.0.number()) << 64;
        let port = u128::from(self.1.port()) << 48;
        match self.1 {
            SocketAddr::V4(v4) => {
                let all = listener | port | u128::from(v4.ip().to_bits());
                state.write(&all.to_le_bytes());
            }
            SocketAddr::V6(v6) => {
                let all = listener | port | u128::from(v6.scope_id());
                let mut bytes = [0; 32];
                let (ip, rest) = bytes.split_at_mut(16);
                ip.copy_from_slice(&v6.ip().octets());
                rest.copy_from_slice(&all.to_le_bytes());
                state.write(&bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    const FIRST: FlowId = FlowId::from_parts(1, 1);
    const SECOND: FlowId = FlowId::from_parts(2, 1);

    #[test]
    fn each_listener_and_peer_has_its_own() {
        let mut all = Correspondents::new(Seed::from_bytes([7; 32]).hasher());
        let texts = [
            "192.0.2.1:5060",
            "192.0.2.1:5061",
            "192.0.2.2:5060",
            "[2001:db8::1]:5060",
            "[2001:db8::1]:5061",
            "[fe80::1%2]:5060",
            "[fe80::1%3]:5060",
            "[::ffff:192.0.2.1]:5060",
        ];
        let keys: Vec<(ListenerId, SocketAddr)> = (0..2)
            .flat_map(|number| texts.map(|text| (ListenerId::new(number), text.parse().unwrap())))
            .collect();
        let flow = |nth: usize| FlowId::from_parts(nth as u32, 1);
        for (nth, &(listener, remote)) in keys.iter().enumerate() {
            assert_eq!(all.get(listener, remote), None);
            all.insert(listener, remote, flow(nth));
        }
        for _ in 0..2 {
            for (nth, &(listener, remote)) in keys.iter().enumerate() {
                assert_eq!(all.get(listener, remote), Some(flow(nth)));
                assert_eq!(all.get(listener, remote), Some(flow(nth)));
            }
        }
    }

    #[test]
    fn the_last_one_is_forgotten_and_replaced_with_the_others() {
        let mut all = Correspondents::new(Seed::from_bytes([7; 32]).hasher());
        let (listener, remote) = (ListenerId::new(0), "192.0.2.1:5060".parse().unwrap());
        all.insert(listener, remote, FIRST);
        assert_eq!(all.get(listener, remote), Some(FIRST));
        all.insert(listener, remote, SECOND);
        assert_eq!(all.get(listener, remote), Some(SECOND));
        all.remove(listener, remote);
        assert_eq!(all.get(listener, remote), None);
    }
}
