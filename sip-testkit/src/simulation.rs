//! [`Simulation`]: nodes, the network between them, and the clock.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::ladder::Ladder;
use crate::network::{Network, Packet};
use crate::validate;

/// Something with addresses that sends and receives: the four verbs of the workspace, with packets.
pub trait Node {
    /// A packet arrived.
    fn handle_packet(&mut self, packet: Packet, now: Instant);
    /// Time passed.
    fn handle_timeout(&mut self, now: Instant);
    /// The next packet to send; drained after every call.
    fn poll_packet(&mut self) -> Option<Packet>;
    /// The earliest deadline.
    fn poll_timeout(&self) -> Option<Instant>;

    /// What must be true after every step.
    ///
    /// # Errors
    /// What is not.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether every packet of this node is a good message ([`validate`](crate::validate)). Peers that are wrong on
    /// purpose say no.
    fn is_strict(&self) -> bool {
        true
    }
}

impl<N: Node + ?Sized> Node for Box<N> {
    fn handle_packet(&mut self, packet: Packet, now: Instant) {
        (**self).handle_packet(packet, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        (**self).handle_timeout(now);
    }

    fn poll_packet(&mut self) -> Option<Packet> {
        (**self).poll_packet()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (**self).poll_timeout()
    }

    fn check(&self) -> Result<(), String> {
        (**self).check()
    }

    fn is_strict(&self) -> bool {
        (**self).is_strict()
    }
}

/// A node of a [`Simulation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(usize);

/// Nodes of one type (an enum or a box where they differ) in a network, driven in virtual time.
pub struct Simulation<N> {
    /// The network between the nodes.
    pub network: Network,
    /// The virtual time.
    pub clock: Clock,
    /// What was sent.
    pub ladder: Ladder,
    nodes: Vec<(String, N)>,
    addresses: HashMap<SocketAddr, usize>,
    steps: u64,
    limit: u64,
    seed: u64,
}

impl<N: Node> Simulation<N> {
    /// An empty network; the same seed gives the same losses, delays and order.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            network: Network::new(seed),
            clock: Clock::new(),
            ladder: Ladder::new(),
            nodes: Vec::new(),
            addresses: HashMap::new(),
            steps: 0,
            limit: 1_000_000,
            seed,
        }
    }

    /// Adds a node, as a column of the ladder.
    pub fn add(&mut self, name: &str, address: SocketAddr, node: N) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push((name.to_owned(), node));
        self.ladder.add_column(name, address);
        self.add_address(id, address);
        id
    }

    /// Gives a node one more address.
    pub fn add_address(&mut self, node: NodeId, address: SocketAddr) {
        self.addresses.insert(address, node.0);
    }

    /// Steps after which [`run`](Self::run) takes the simulation for endless; one million unless set.
    pub fn limit_steps(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// A node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &N {
        &self.nodes[id.0].1
    }

    /// Calls a node now, then sends what it has to send.
    pub fn with<T>(&mut self, id: NodeId, call: impl FnOnce(&mut N, Instant) -> T) -> T {
        let now = self.clock.now();
        let result = call(&mut self.nodes[id.0].1, now);
        self.settle(id.0);
        result
    }

    /// Moves the clock to the next event and lets it happen. False when nothing is left to happen.
    pub fn step(&mut self) -> bool {
        let node = self
            .nodes
            .iter()
            .filter_map(|(_, node)| node.poll_timeout())
            .min();
        let Some(at) = node.into_iter().chain(self.network.poll_timeout()).min() else {
            return false;
        };
        self.happen(at);
        true
    }

    /// Lets happen whatever happens until no timer runs and no packet is under way.
    ///
    /// # Panics
    /// When it does not come to an end, or when an invariant of a node breaks.
    pub fn run(&mut self) {
        while self.step() {}
    }

    /// Lets happen whatever happens within a time from now, and moves the clock to its end.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn run_for(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        loop {
            let node = self
                .nodes
                .iter()
                .filter_map(|(_, node)| node.poll_timeout())
                .min();
            match node.into_iter().chain(self.network.poll_timeout()).min() {
                Some(at) if at <= end => self.happen(at),
                Some(_) | None => break,
            }
        }
        self.clock.advance_to(end);
    }

    /// The ladder since the start or the last call.
    #[must_use]
    pub fn ladder(&mut self) -> String {
        self.ladder.take()
    }

    /// The number of events so far.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    fn happen(&mut self, at: Instant) {
        self.steps += 1;
        assert!(self.steps < self.limit, "{self:?} does not come to an end");
        self.clock.advance_to(at);
        let now = self.clock.now();
        self.network.handle_timeout(now);
        while let Some(packet) = self.network.poll_output() {
            // A packet to an address that nobody has is lost, as on a real network.
            if let Some(node) = self.addresses.get(&packet.to).copied() {
                self.nodes[node].1.handle_packet(packet, now);
                self.settle(node);
            }
        }
        for index in 0..self.nodes.len() {
            if self.nodes[index]
                .1
                .poll_timeout()
                .is_some_and(|deadline| deadline <= now)
            {
                self.nodes[index].1.handle_timeout(now);
                self.settle(index);
                let next = self.nodes[index].1.poll_timeout();
                assert!(
                    next.is_none_or(|next| next > now),
                    "{}: a timer fired and is still due",
                    self.nodes[index].0
                );
            }
        }
    }

    fn settle(&mut self, index: usize) {
        let now = self.clock.now();
        let millis = self.clock.millis(now);
        while let Some(packet) = self.nodes[index].1.poll_packet() {
            let (from, to, payload) = (packet.from, packet.to, packet.payload.clone());
            if self.nodes[index].1.is_strict()
                && let Some(report) = validate::report(&payload, packet.kind)
            {
                panic!(
                    "{} at {millis} ms, seed {}: {report}\n{}",
                    self.nodes[index].0,
                    self.seed,
                    self.ladder.to_text()
                );
            }
            let fate = self.network.handle_input(packet, now);
            self.ladder.record(millis, from, to, &payload, fate);
        }
        let (name, node) = &self.nodes[index];
        if let Err(broken) = node.check() {
            panic!(
                "{name} at {millis} ms, seed {}: {broken}\n{}",
                self.seed,
                self.ladder.to_text()
            );
        }
    }
}

impl<N> fmt::Debug for Simulation<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.nodes.iter().map(|(name, _)| name).collect();
        write!(
            f,
            "Simulation(seed {}, {names:?}, {} steps, {:?})",
            self.seed,
            self.steps,
            self.clock.elapsed()
        )
    }
}
