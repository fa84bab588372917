//! [`Network`]: what is between the nodes, with the four verbs.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use sip_transport::{DeadlineQueue, Rng, TransportKind};

use crate::nat::Nat;
use crate::path::{Path, PathState};
use crate::seed_of;

/// A datagram, or a message over a connection: the network keeps the boundaries of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packet {
    /// The sender.
    pub from: SocketAddr,
    /// The receiver.
    pub to: SocketAddr,
    /// The transport; reliable ones are only delayed.
    pub kind: TransportKind,
    /// What is sent.
    pub payload: Bytes,
}

/// What the network did to a packet when it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It will arrive once.
    Arrives,
    /// It will arrive more than once.
    Duplicated,
    /// It is lost.
    Lost,
    /// A NAT had no mapping for it, or its filter refused it.
    Filtered,
}

/// Paths and address translators between nodes; it knows addresses and no nodes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Network {
    /// The path between addresses that have none of their own.
    pub default_path: Path,
    /// Address translators; the first that has the sender inside translates it.
    pub nats: Vec<Nat>,
    paths: HashMap<(SocketAddr, SocketAddr), Path>,
    states: BTreeMap<(SocketAddr, SocketAddr), PathState>,
    under_way: DeadlineQueue<Packet>,
    arrived: std::collections::VecDeque<Packet>,
    rng: Rng,
}

impl Packet {
    /// A UDP datagram.
    #[must_use]
    pub fn datagram(from: SocketAddr, to: SocketAddr, payload: impl Into<Bytes>) -> Self {
        Self::new(TransportKind::Udp, from, to, payload)
    }

    /// A message over any transport.
    #[must_use]
    pub fn new(
        kind: TransportKind,
        from: SocketAddr,
        to: SocketAddr,
        payload: impl Into<Bytes>,
    ) -> Self {
        Self {
            from,
            to,
            kind,
            payload: payload.into(),
        }
    }
}

impl Network {
    /// A network in which everything arrives after half a millisecond.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            default_path: Path::default(),
            nats: Vec::new(),
            paths: HashMap::new(),
            states: BTreeMap::new(),
            under_way: DeadlineQueue::new(),
            arrived: std::collections::VecDeque::new(),
            rng: seed_of(seed, "network").rng(),
        }
    }

    /// Sets the path of one direction.
    pub fn set_path(&mut self, from: SocketAddr, to: SocketAddr, path: Path) {
        self.paths.insert((from, to), path);
    }

    /// Sets the path of both directions.
    pub fn set_paths(&mut self, a: SocketAddr, b: SocketAddr, path: &Path) {
        self.set_path(a, b, path.clone());
        self.set_path(b, a, path.clone());
    }

    /// The path of one direction, to change it while the simulation runs (to partition it, for example).
    pub fn path_mut(&mut self, from: SocketAddr, to: SocketAddr) -> &mut Path {
        self.paths
            .entry((from, to))
            .or_insert_with(|| self.default_path.clone())
    }

    /// A node sends. The answer is what will happen, for the ladder.
    pub fn handle_input(&mut self, mut packet: Packet, now: Instant) -> Fate {
        let (from, to) = (packet.from, packet.to);
        let leaves = |nat: &&mut Nat| nat.is_inside(from.ip()) && !nat.is_inside(to.ip());
        if let Some(nat) = self.nats.iter_mut().find(leaves) {
            packet.from = nat.outbound(from, to, now);
        }
        if let Some(nat) = self
            .nats
            .iter_mut()
            .find(|nat| nat.public == packet.to.ip())
        {
            let Some(inside) = nat.inbound(packet.from, packet.to, now) else {
                return Fate::Filtered;
            };
            packet.to = inside;
        }
        let ends = (packet.from, packet.to);
        let path = self.paths.get(&ends).unwrap_or(&self.default_path);
        let state = self.states.entry(ends).or_default();
        let reliable = packet.kind.is_reliable();
        let delays = path.fates(packet.payload.len(), reliable, state, &mut self.rng);
        for delay in &delays {
            let mut at = now + *delay;
            if reliable {
                at = state.last_reliable.map_or(at, |last| last.max(at));
                state.last_reliable = Some(at);
            }
            self.under_way.insert(at, packet.clone());
        }
        match delays.len() {
            0 => Fate::Lost,
            1 => Fate::Arrives,
            _ => Fate::Duplicated,
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, packet)) = self.under_way.pop_due(now) {
            self.arrived.push_back(packet);
        }
    }

    /// The next packet that has arrived.
    pub fn poll_output(&mut self) -> Option<Packet> {
        self.arrived.pop_front()
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.under_way.peek()
    }
}
