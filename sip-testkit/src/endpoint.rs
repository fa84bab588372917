//! [`Endpoint`]: a node that is a transaction layer with a user on top.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use sip_message::{Message, ParserConfig};
use sip_transaction::{Event, Input, Output, TransactionConfig, TransactionId, Transactions};
use sip_transport::{Flow, FlowId, Seed, TransportKind};

use crate::network::Packet;
use crate::simulation::Node;

/// What sits on a transaction layer in a simulation.
pub trait User {
    /// The layer tells something.
    fn handle_event(&mut self, event: Event, layer: &mut Transactions, now: Instant);

    /// Time passed.
    fn handle_timeout(&mut self, layer: &mut Transactions, now: Instant) {
        let _ = (layer, now);
    }

    /// The earliest deadline.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// A transaction layer with one address and its user. Flows are made as peers appear; what the real transport does to a
/// request (`received` and `rport`, the flow of the responses) is done here.
///
/// Its invariants: a transaction is told to have ended once, nothing is told of it after that, and no message is sent
/// more often than the retransmission timers and the retransmissions of the peer allow.
pub struct Endpoint<U> {
    /// The user.
    pub user: U,
    /// The layer.
    pub layer: Transactions,
    address: SocketAddr,
    kind: TransportKind,
    flows: Vec<SocketAddr>,
    flow_of: HashMap<SocketAddr, u32>,
    packets: VecDeque<Packet>,
    ended: HashMap<TransactionId, u64>,
    sent: HashMap<Bytes, u32>,
    events: u64,
    broken: Option<String>,
    watched: bool,
    strict: bool,
}

/// The most often that one payload may be sent: eleven times by a timer (17.1.2.2, 17.2.1), and as often again for
/// retransmissions of the peer, each of which may be duplicated.
const MOST_TRANSMISSIONS: u32 = 33;

impl<U: User> Endpoint<U> {
    /// An endpoint whose flows are of one transport.
    #[must_use]
    pub fn new(
        address: SocketAddr,
        kind: TransportKind,
        config: TransactionConfig,
        seed: Seed,
        user: U,
    ) -> Self {
        Self {
            user,
            layer: Transactions::new(config, seed),
            address,
            kind,
            flows: Vec::new(),
            flow_of: HashMap::new(),
            packets: VecDeque::new(),
            ended: HashMap::new(),
            sent: HashMap::new(),
            events: 0,
            broken: None,
            watched: true,
            strict: true,
        }
    }

    /// Stops watching the invariants, which remember every message: for simulations of a million calls.
    pub fn unwatched(mut self) -> Self {
        self.watched = false;
        self
    }

    /// Its user passes wrong messages on purpose.
    pub fn lenient(mut self) -> Self {
        self.strict = false;
        self
    }

    /// The flow to a peer.
    pub fn flow_to(&mut self, remote: SocketAddr) -> Flow {
        let flows = &mut self.flows;
        let index = *self.flow_of.entry(remote).or_insert_with(|| {
            flows.push(remote);
            u32::try_from(flows.len() - 1).expect("fewer peers than 2^32")
        });
        Flow::new(
            FlowId::from_parts(index, 0),
            self.kind,
            self.address,
            remote,
        )
    }

    /// Calls the layer, and passes on what it wants.
    pub fn call<T>(
        &mut self,
        now: Instant,
        call: impl FnOnce(&mut Transactions, &mut U) -> T,
    ) -> T {
        let result = call(&mut self.layer, &mut self.user);
        self.drain(now);
        result
    }

    /// The flow to a peer fails.
    pub fn fail_flow(&mut self, remote: SocketAddr, now: Instant) {
        let flow = self.flow_to(remote).id;
        self.call(now, |layer, _| {
            layer.handle_input(Input::FlowFailed { flow }, now)
        });
    }

    /// How many transactions have been told to have ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.ended.len()
    }

    /// That nothing is left: no transaction, no key, no deadline.
    ///
    /// # Panics
    /// When something is.
    #[track_caller]
    pub fn assert_idle(&self) {
        assert_eq!(
            (self.layer.client_count(), self.layer.server_count()),
            (0, 0),
            "all transactions have ended"
        );
        assert_eq!(
            self.layer.leaks(),
            None,
            "nothing is kept of transactions that have ended"
        );
        assert_eq!(self.layer.poll_timeout(), None, "no timer runs");
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.layer.poll_output() {
            match output {
                Output::Transmit { flow, payload } => self.transmit(flow, payload),
                Output::Event(event) => {
                    if self.watched {
                        self.watch(&event);
                    }
                    self.user.handle_event(event, &mut self.layer, now);
                }
            }
        }
    }

    fn transmit(&mut self, flow: FlowId, payload: Bytes) {
        let remote = (0..self.flows.len()).find(|index| {
            // The index is what `flow_to` made the id of.
            u32::try_from(*index).is_ok_and(|index| FlowId::from_parts(index, 0) == flow)
        });
        let Some(remote) = remote.and_then(|index| self.flows.get(index)).copied() else {
            return;
        };
        if self.watched {
            let times = self.sent.entry(payload.clone()).or_default();
            *times += 1;
            if *times > MOST_TRANSMISSIONS {
                self.broken = Some(format!("sent {times} times: {}", crate::describe(&payload)));
            }
        }
        self.packets
            .push_back(Packet::new(self.kind, self.address, remote, payload));
    }

    fn watch(&mut self, event: &Event) {
        self.events += 1;
        let id: Option<TransactionId> = match event {
            Event::Request { id, .. } | Event::Cancel { id, .. } => Some((*id).into()),
            Event::Ack { invite, .. } => invite.map(Into::into),
            Event::Response { id, .. }
            | Event::TimedOut { id, .. }
            | Event::FlowFailed { id }
            | Event::Refused { id } => Some((*id).into()),
            Event::AckTimedOut { id } | Event::ServerFlowFailed { id } => Some((*id).into()),
            Event::Terminated { id } => {
                if self.ended.insert(*id, self.events).is_some() {
                    self.broken = Some(format!("{id:?} ended twice"));
                }
                None
            }
            // A stray has no id, and neither has what may come later.
            Event::Stray { .. } | _ => None,
        };
        if let Some(id) = id.filter(|id| self.ended.contains_key(id)) {
            self.broken = Some(format!("{event:?} after the end of {id:?}"));
        }
    }
}

impl<U: User> Node for Endpoint<U> {
    fn handle_packet(&mut self, packet: Packet, now: Instant) {
        let flow = self.flow_to(packet.from);
        // A peer that sends what cannot be parsed is the business of the transport, which is not here.
        let Ok(mut message) = Message::parse(packet.payload, &ParserConfig::default()) else {
            return;
        };
        if message.as_request().is_some() {
            // RFC 3261 §18.2.1, RFC 3581 §4: where the request came from, and the responses go back there.
            let rport = (!self.kind.is_reliable()).then_some(packet.from.port());
            message
                .headers_mut()
                .set_top_via_params(Some(packet.from.ip()), rport);
        }
        let input = Input::Message {
            message: message.into(),
            flow,
            reply: flow,
        };
        self.call(now, |layer, _| layer.handle_input(input, now));
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.call(now, |layer, user| {
            layer.handle_timeout(now);
            if user.poll_timeout().is_some_and(|deadline| deadline <= now) {
                user.handle_timeout(layer, now);
            }
        });
    }

    fn poll_packet(&mut self) -> Option<Packet> {
        self.packets.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.layer
            .poll_timeout()
            .into_iter()
            .chain(self.user.poll_timeout())
            .min()
    }

    fn is_strict(&self) -> bool {
        self.watched && self.strict
    }

    fn check(&self) -> Result<(), String> {
        match &self.broken {
            Some(broken) => Err(broken.clone()),
            None => self.layer.leaks().map_or(Ok(()), Err),
        }
    }
}

impl<U> fmt::Debug for Endpoint<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({}, {:?})", self.address, self.layer.stats())
    }
}
