//! The composed machine: transport, transactions, dialogs and roles behind the four verbs of every layer.
//!
//! [`Stack`] owns one of each layer and moves what comes up and what goes down between them, in one place: its `settle` loop.
//! It opens no socket and reads no clock; [`crate::runtime`] drives it with both, a test drives it with neither.

mod apart;
mod boundary;
mod counts;
mod failover;
mod guarding;
mod handover;
#[cfg(feature = "__judge")]
mod judge;
mod latency;
mod live;
mod needs;
mod parts;
mod settle;
mod stores;
mod tap;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use sip_dialog::Dialogs;
use sip_message::{Method, Response};
use sip_transaction::{Gone, ServerTransactionId, TransactionLayer as _, Transactions};
use sip_transport::{Flow, FlowId, ListenerId, SelectId, Target, TransportKind, Transports};

use self::boundary::Selecting;
pub use self::boundary::{Asker, Direction, Input, Output, Traced};
pub use self::counts::Counts;
pub use self::handover::{Handed, MAX_WORKERS, Place};
pub use self::latency::{Histogram, Latencies, LatencyRole};
pub use self::live::Live;
pub use self::parts::Parts;
pub use self::stores::AnsweredAtOnce;
pub use self::tap::{TapFilter, TapId, Tapped};
use crate::guard::Guard;
use crate::identity::Peers;
use crate::role::events::Events;
use crate::role::probe::Probes;
use crate::role::proxy::Proxy;
use crate::role::registrar::Registrar;
use crate::role::stateless::Stateless;

/// See the [module](self).
#[derive(Debug)]
pub struct Stack {
    transports: Transports,
    transactions: Transactions,
    dialogs: Option<Dialogs>,
    registrar: Option<Registrar>,
    events: Option<Events>,
    proxy: Option<Proxy>,
    stateless: Option<Stateless>,
    handled: Vec<Method>,
    /// Keyed by ids that we mint, so the default hasher serves; never iterated.
    selecting: HashMap<SelectId, Selecting>,
    outputs: VecDeque<Output>,
    tracing: bool,
    tells_roles: bool,
    draining: Option<Duration>,
    counts: Counts,
    latencies: Latencies,
    guard: Option<Box<Guard>>,
    probes: Option<Probes>,
    /// Whose peers are trusted by their certificates.
    peers: Peers,
    /// Whose datagram of how many bytes is being answered.
    asked: Option<(SocketAddr, usize)>,
    taps: tap::Taps,
    neighbours: Option<Box<handover::Neighbours>>,
    apart: apart::Apart,
    stores: stores::Stores,
    last_now: Option<Instant>,
    /// Flows whose failure is told.
    kept: Vec<FlowId>,
    #[cfg(feature = "__judge")]
    judge: judge::Judge,
}

impl Stack {
    /// Composes the parts.
    #[must_use]
    pub fn new(mut parts: Parts) -> Self {
        let peers = parts::peers(&mut parts);
        parts::share_throttle(&mut parts);
        Self {
            transports: parts.transports,
            transactions: parts.transactions,
            dialogs: parts.dialogs,
            registrar: parts.registrar,
            events: parts.events,
            proxy: parts.proxy,
            stateless: parts.stateless,
            handled: parts.handled,
            selecting: HashMap::new(),
            outputs: VecDeque::new(),
            tracing: false,
            tells_roles: true,
            draining: None,
            counts: Counts::default(),
            latencies: Latencies::default(),
            guard: None,
            probes: None,
            peers,
            asked: None,
            taps: tap::Taps::default(),
            neighbours: None,
            apart: apart::Apart::default(),
            stores: stores::Stores::default(),
            last_now: None,
            kept: Vec::new(),
            #[cfg(feature = "__judge")]
            judge: judge::Judge::default(),
        }
    }

    /// Something arrived. `wall` is the time of day, for dates and absolute expiry.
    pub fn handle_input(&mut self, input: Input, wall: SystemTime, now: Instant) {
        match input {
            Input::Io(input) => {
                if !self.lets_in(&input, now) {
                    self.asked = None;
                    return;
                }
                if self.refuses_at_sight(&input, wall, now) {
                    self.asked = None;
                    self.last_now = Some(now);
                    return;
                }
                self.tell_unreached(&input);
                self.transports.handle_input(input, now);
            }
            Input::Answer { asker, answer } => self.answer(asker, answer, wall, now),
            Input::Changed(notice) => {
                if let Some(events) = &mut self.events {
                    events.handle_notice(&notice, &mut self.transactions, wall, now);
                }
            }
            Input::Handed(handed) => self.take_handed(handed, wall, now),
        }
        self.settle(wall, now);
        self.asked = None;
        if let Some(guard) = &mut self.guard {
            guard.forget_foreseen();
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, wall: SystemTime, now: Instant) {
        self.transports.handle_timeout(now);
        self.transactions.handle_timeout(now);
        if let Some(dialogs) = &mut self.dialogs {
            dialogs.handle_timeout(&mut self.transactions, now);
        }
        if let Some(registrar) = &mut self.registrar {
            let t = &mut self
                .latencies
                .watch(&mut self.transactions, LatencyRole::Registrar);
            registrar.handle_timeout(t, now);
        }
        if let Some(events) = &mut self.events {
            events.handle_timeout(&mut self.transactions, wall, now);
        }
        if let Some(proxy) = &mut self.proxy {
            let t = &mut self
                .latencies
                .watch(&mut self.transactions, LatencyRole::Proxy);
            proxy.handle_timeout(t, now);
        }
        if let Some(probes) = &mut self.probes {
            probes.handle_timeout(now);
        }
        if let Some(stateless) = &mut self.stateless {
            stateless.handle_timeout(now);
        }
        self.settle(wall, now);
    }

    /// The next output; drain it after every call that takes `&mut self`.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(io) = self.transports.poll_io() {
            #[cfg(feature = "__judge")]
            self.judge.leaves(&io);
            return Some(Output::Io(io));
        }
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.outputs.is_empty() || self.transports.has_output() {
            return self.last_now;
        }
        [
            self.transports.poll_timeout(),
            self.transactions.poll_timeout(),
            self.dialogs.as_ref().and_then(Dialogs::poll_timeout),
            self.registrar.as_ref().and_then(Registrar::poll_timeout),
            self.events.as_ref().and_then(Events::poll_timeout),
            self.proxy.as_ref().and_then(Proxy::poll_timeout),
            self.stateless.as_ref().and_then(Stateless::poll_timeout),
            self.probes.as_ref().and_then(Probes::poll_timeout),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Adds a socket that the driver has bound.
    pub fn add_listener(&mut self, id: ListenerId, kind: TransportKind, local: SocketAddr) {
        self.transports.add_listener(id, kind, local);
    }

    /// Looks for the flows to `target`, for a message of about `size` bytes; answered by [`Output::Selected`].
    pub fn select(
        &mut self,
        target: &Target,
        size: usize,
        wall: SystemTime,
        now: Instant,
    ) -> SelectId {
        let id = self.transports.select(target, size, now);
        self.selecting.insert(id, Selecting::Application);
        self.settle(wall, now);
        id
    }

    /// Calls the user agent's machine with the transactions it works on.
    ///
    /// Returns `None` when the stack has no user agent.
    pub fn dialogs<R>(
        &mut self,
        wall: SystemTime,
        now: Instant,
        call: impl FnOnce(&mut Dialogs, &mut Transactions) -> R,
    ) -> Option<R> {
        let result = call(self.dialogs.as_mut()?, &mut self.transactions);
        self.settle(wall, now);
        Some(result)
    }

    /// Answers an [`Output::Authenticate`].
    pub fn credentials(
        &mut self,
        token: sip_dialog::Token,
        credential: Option<sip_dialog::Credential>,
        wall: SystemTime,
        now: Instant,
    ) {
        if let Some(dialogs) = &mut self.dialogs {
            dialogs.credentials(token, credential, &mut self.transactions, now);
        }
        self.settle(wall, now);
    }

    /// Answers an [`Output::Request`].
    ///
    /// # Errors
    /// [`Gone`] when the transaction has ended.
    pub fn respond(
        &mut self,
        id: ServerTransactionId,
        response: Response,
        wall: SystemTime,
        now: Instant,
    ) -> Result<(), Gone> {
        let result = self
            .latencies
            .watch(&mut self.transactions, LatencyRole::Server)
            .respond(id, &response, now);
        self.settle(wall, now);
        result
    }

    /// Takes no more requests that begin something: they are answered 503 with this Retry-After.
    pub fn drain(&mut self, retry_after: Duration) {
        self.draining = Some(retry_after);
    }

    /// Are new requests refused because the end is near?
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// What passed so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether nothing waits for an answer any more: no transaction is without its final response. Walks over all of them.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.transactions.pending_count() == 0
    }

    /// Tells every message that passes, or no more.
    pub fn trace(&mut self, on: bool) {
        self.tracing = on;
    }

    /// Tells what roles do as [`Output::Role`], as from the beginning, or no more: for who would drop it.
    pub const fn tell_roles(&mut self, on: bool) {
        self.tells_roles = on;
    }

    /// Tells every message as it is on the wire, broken ones too, or no more. Costs nothing while it is off.
    pub fn capture(&mut self, on: bool) {
        self.transports.capture(on);
    }

    /// The transport layer, for its counters and addresses.
    #[must_use]
    pub const fn transports(&self) -> &Transports {
        &self.transports
    }

    /// The transaction layer, for its counters.
    #[must_use]
    pub const fn transactions(&self) -> &Transactions {
        &self.transactions
    }

    /// Asks gateways whether they are there, from now on.
    pub fn set_probes(&mut self, probes: Probes) {
        let mut probes = probes;
        if let Some(throttle) = self.proxy.as_ref().and_then(Proxy::heeded) {
            probes.use_throttle(throttle);
        }
        self.probes = Some(probes);
    }

    /// The probes of gateways, when there are any.
    #[must_use]
    pub const fn probes(&self) -> Option<&Probes> {
        self.probes.as_ref()
    }

    /// The probes, to change what is probed.
    pub const fn probes_mut(&mut self) -> Option<&mut Probes> {
        self.probes.as_mut()
    }

    /// Closes a flow: what was sent over it and not answered fails.
    pub fn close_flow(&mut self, flow: FlowId, wall: SystemTime, now: Instant) {
        self.transports.close(flow, now);
        self.settle(wall, now);
    }

    /// The proxy, when there is one.
    #[must_use]
    pub const fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }
}

/// The flow of an id, for those above who only have the id.
impl Stack {
    /// The flow with this id, while it lives.
    #[must_use]
    pub fn flow(&self, id: FlowId) -> Option<Flow> {
        self.transports.flow(id)
    }

    /// What the certificate of the peer of a flow proves (RFC 5922); for a request that has just arrived over it.
    #[must_use]
    pub fn peer_identity(
        &self,
        flow: FlowId,
    ) -> Option<std::sync::Arc<sip_transport::PeerIdentity>> {
        self.transports.shared_peer_identity(flow)
    }
}
