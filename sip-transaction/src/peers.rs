//! [`Peers`]: how many server transactions each peer has.

use std::net::IpAddr;

use crate::fold::Fold;
use crate::index::Index;
use crate::siphash::HashKey;

/// Counts by the network that a peer is in, as long as they are not zero.
///
/// A peer is who can choose other ports and open other connections at will, but not other addresses: an IPv4 address,
/// or an IPv6 network of 64 bits, which is the least that a subscriber has. Addresses of datagrams can be made up, so
/// the hash is keyed; and a count exists only together with a transaction, which is what the limits are about.
#[derive(Debug)]
pub(crate) struct Peers {
    key: HashKey,
    index: Index,
    counts: Vec<Count>,
    free: Vec<u32>,
    /// The count that became zero last. It stays, because who has sent one request mostly sends the next one too.
    idle: u32,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    hash: u64,
    network: Network,
    transactions: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    V4(u32),
    V6(u64),
}

/// A peer, with or without transactions.
#[derive(Debug)]
pub(crate) struct Peer {
    hash: u64,
    network: Network,
    place: Option<u32>,
}

/// The place of a peer's count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerId(u32);

impl PeerId {
    /// Of what counts for nobody any more.
    pub(crate) const NOBODY: Self = Self(u32::MAX);
}

impl Peers {
    pub(crate) fn new(key: HashKey) -> Self {
        Self {
            key,
            index: Index::default(),
            counts: Vec::new(),
            free: Vec::new(),
            idle: u32::MAX,
        }
    }

    pub(crate) fn find(&self, address: IpAddr) -> Peer {
        let network = Network::of(address);
        if let Some(count) = self.counts.get(self.idle as usize)
            && count.network == network
        {
            return Peer {
                hash: count.hash,
                network,
                place: Some(self.idle),
            };
        }
        let hash = network.hash(self.key);
        let place = self.index.find(hash, |place| {
            self.counts
                .get(place as usize)
                .is_some_and(|count| count.network == network)
        });
        Peer {
            hash,
            network,
            place,
        }
    }

    /// The number of transactions of a peer that was just found.
    pub(crate) fn count(&self, peer: &Peer) -> usize {
        peer.place
            .and_then(|place| self.counts.get(place as usize))
            .map_or(0, |count| count.transactions as usize)
    }

    /// One more for a peer that was just found.
    pub(crate) fn enter(&mut self, peer: Peer) -> PeerId {
        if let Some(place) = peer.place
            && let Some(count) = self.counts.get_mut(place as usize)
        {
            count.transactions += 1;
            return PeerId(place);
        }
        let new = Count {
            hash: peer.hash,
            network: peer.network,
            transactions: 1,
        };
        let place = match self.free.pop() {
            Some(place) => {
                if let Some(count) = self.counts.get_mut(place as usize) {
                    *count = new;
                }
                place
            }
            None => {
                self.counts.push(new);
                // The layer's limits keep the count far below 2^32.
                u32::try_from(self.counts.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.index.insert(peer.hash, place);
        PeerId(place)
    }

    /// One fewer.
    pub(crate) fn leave(&mut self, PeerId(place): PeerId) {
        let Some(count) = self.counts.get_mut(place as usize) else {
            return;
        };
        count.transactions -= 1;
        if count.transactions == 0 && self.idle != place {
            let old = std::mem::replace(&mut self.idle, place);
            self.drop_idle(old);
        }
    }

    /// Forgets a count that is zero, unless it is used again.
    fn drop_idle(&mut self, place: u32) {
        if let Some(count) = self.counts.get(place as usize)
            && count.transactions == 0
        {
            self.index.remove(count.hash, place);
            self.free.push(place);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let idle = self.counts.get(self.idle as usize);
        self.index.len() == usize::from(idle.is_some_and(|count| count.transactions == 0))
    }
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }

    fn hash(self, key: HashKey) -> u64 {
        let mut hash = Fold::new(key);
        match self {
            Self::V4(bits) => hash.words(u64::from(bits), 4),
            Self::V6(bits) => hash.words(bits, 6),
        }
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_an_ipv4_address_or_an_ipv6_network() {
        let mut peers = Peers::new(HashKey(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210));
        fn find(peers: &Peers, text: &str) -> Peer {
            peers.find(text.parse().unwrap())
        }
        let enter = |peers: &mut Peers, text| peers.enter(find(peers, text));
        let count = |peers: &Peers, text| peers.count(&find(peers, text));
        let first = enter(&mut peers, "192.0.2.1");
        let second = enter(&mut peers, "::ffff:192.0.2.1");
        let third = enter(&mut peers, "2001:db8::1");
        let fourth = enter(&mut peers, "2001:db8::ffff:2");
        for (text, expected) in [
            ("192.0.2.1", 2),
            ("192.0.2.2", 0),
            ("2001:db8::3", 2),
            ("2001:db8:0:1::3", 0),
        ] {
            assert_eq!(count(&peers, text), expected, "{text}");
        }
        for peer in [first, second, third] {
            assert!(!peers.is_empty());
            peers.leave(peer);
        }
        assert_eq!(count(&peers, "192.0.2.1"), 0);
        assert_eq!(count(&peers, "2001:db8::3"), 1);
        let again = enter(&mut peers, "198.51.100.1");
        assert_eq!(
            peers.counts.len(),
            3,
            "the place of the last idle one is kept"
        );
        peers.leave(again);
        let other = enter(&mut peers, "203.0.113.1");
        assert_eq!(peers.counts.len(), 3, "the other places are used again");
        assert_eq!(count(&peers, "198.51.100.1"), 0);
        peers.leave(fourth);
        peers.leave(other);
        assert!(peers.is_empty());
    }
}
