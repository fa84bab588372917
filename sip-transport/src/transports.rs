//! [`Transports`]: the table of flows and all that happens to it.
//!
//! ```text
//!              datagram flow                             stream flow
//!   first datagram ──▶ in the table            accepted ──▶ Open ◀── Connected ── Connecting ◀── send ── Idle ◀── select
//!   idle, unreachable, evicted ──▶ gone          │ Ended: still open for the answers that are owed
//!                                                │ Closed: responses may still be owed          ▲
//!                                                └──▶ Idle (reopens to the sent-by, §18.2.2) ───┘   else gone
//! ```

mod alias;
mod closing;
mod correspondents;
mod datagram;
mod half_closed;
mod malformed;
mod outputs;
mod owed;
mod race;
mod reply;
mod selection;
mod shortcut;
mod sight;
mod stream;
#[cfg(test)]
mod tests;
mod token;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use foldhash::fast::FixedState;
use sip_message::{BoxedMessage, Host, Spares};

use self::correspondents::Correspondents;
use self::outputs::Outputs;
use self::owed::Owed;
use self::race::Race;
use self::selection::Selection;
use self::shortcut::Shortcuts;
use self::stream::Stream;
pub use self::token::FlowTokenError;
use crate::config::TransportConfig;
use crate::deadline::{DeadlineId, DeadlineQueue};
use crate::flow::Flow;
use crate::id::{ConnectionId, FlowId, ListenerId, ResolveId, SelectId};
use crate::identity::PeerIdentity;
use crate::io::{Captured, Event, FlowFailure, Gone, Input, Output};
use crate::keep_alive::{Due, KeepAlive, Pinger};
use crate::kind::TransportKind;
use crate::room::Room;
use crate::route::{self, Listener};
use crate::seed::{KeyedHash, Rng, Seed};
use crate::short_code::ShortCode;
use crate::slab::Slab;
use crate::stats::Stats;
use crate::stun;
use crate::usual::Addresses;
use crate::via;

/// The pure core of the transport layer (RFC 3261 §18).
///
/// It owns the flows, frames streams, stamps and routes by Via, selects targets, answers keep-alives, and closes what
/// is idle, slow or broken. It has the four verbs of every layer; a driver moves the bytes.
///
/// ```
/// use std::time::Instant;
/// use sip_transport::{Event, Input, ListenerId, Output, Seed, TransportConfig, TransportKind, Transports};
/// # let now = Instant::now();
/// let mut transports = Transports::new(TransportConfig::default(), Seed::from_bytes([1; 32]));
/// let listener = ListenerId::new(0);
/// transports.add_listener(listener, TransportKind::Udp, "192.0.2.1:5060".parse().unwrap());
/// let payload = "OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP pc.example.com;branch=z9hG4bK1;rport\r\n\
///     From: <sip:a@example.com>;tag=1\r\nTo: <sip:192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n";
/// let remote = "192.0.2.9:40000".parse().unwrap();
/// transports.handle_input(Input::Datagram { listener, remote, local: None, payload: payload.into() }, now);
/// let Some(Output::Event(Event::Message { message, reply, .. })) = transports.poll_output() else { unreachable!() };
/// assert_eq!(reply.remote, remote);
/// assert!(message.to_bytes().windows(19).any(|part| part == b";received=192.0.2.9"));
/// ```
#[derive(Debug)]
pub struct Transports {
    config: TransportConfig,
    listeners: Vec<Listener>,
    flows: Slab<Entry>,
    datagram_flows: Correspondents,
    /// The stream flow to use for an address. Keys chosen by peers: keyed.
    stream_flows: HashMap<(TransportKind, SocketAddr), FlowId, KeyedHash>,
    /// Minted by the driver and by us: a fast hash will do.
    connections: HashMap<ConnectionId, FlowId, FixedState>,
    /// Accepted connections of each peer; keyed.
    peers: HashMap<IpAddr, usize, KeyedHash>,
    /// Minted by us.
    selections: HashMap<SelectId, Selection, FixedState>,
    /// Few at a time, each for the moment that a connection takes.
    races: Vec<Race>,
    /// Minted by us: the selection that asked, and which of its questions it is.
    questions: HashMap<ResolveId, (SelectId, usize), FixedState>,
    /// Places that failed of late; keyed, because peers' records name them.
    failing: HashMap<(TransportKind, SocketAddr), DeadlineId, KeyedHash>,
    shortcuts: Shortcuts,
    /// Requests that wait for the address of a `maddr`.
    held: usize,
    deadlines: DeadlineQueue<Timer>,
    outputs: Outputs,
    room: Room,
    addresses: Addresses,
    spares: Spares,
    rng: Rng,
    /// For the tag of answers that need no state (RFC 3261 §8.2.7).
    tags: KeyedHash,
    next_connection: u64,
    next_select: u64,
    next_resolve: u64,
    /// Where the search for a datagram flow to evict goes on.
    hand: usize,
    last_now: Option<Instant>,
    capturing: bool,
    /// Of flow tokens.
    token_codes: ShortCode,
    stats: Stats,
}

#[derive(Clone, Copy, Debug)]
enum Timer {
    Flow(FlowId),
    Selection(SelectId),
    Race(SelectId),
    /// A place is no longer held to fail.
    Heal(TransportKind, SocketAddr),
}

/// A flow in the table.
#[derive(Debug)]
struct Entry {
    flow: Flow,
    /// When a message last passed.
    used: Instant,
    /// Was it used since the search for something to evict last came by?
    referenced: bool,
    /// The deadline that is armed; it may be earlier than what is due, and is then armed again.
    armed: Option<(Instant, DeadlineId)>,
    /// The keep-alive that we send.
    pinger: Option<Box<Pinger>>,
    link: Link,
}

#[derive(Debug)]
enum Link {
    /// With the sent-by of the last request, if that is a name, and what was answered.
    Datagram(ListenerId, Option<Box<Owed>>),
    Stream(Box<Stream>),
}

impl Link {
    fn owed(&self) -> Option<&Owed> {
        match self {
            Self::Datagram(_, owed) => owed.as_deref(),
            Self::Stream(_) => None,
        }
    }

    const fn owed_mut(&mut self) -> Option<&mut Option<Box<Owed>>> {
        match self {
            Self::Datagram(_, owed) => Some(owed),
            Self::Stream(_) => None,
        }
    }

    const fn stream_mut(&mut self) -> Option<&mut Stream> {
        match self {
            Self::Datagram(..) => None,
            Self::Stream(stream) => Some(stream),
        }
    }
}

impl Transports {
    /// Without listeners, flows and connections.
    #[must_use]
    pub fn new(config: TransportConfig, seed: Seed) -> Self {
        let token_key = config.flow_token_key.unwrap_or_else(|| {
            let mut key = [0; 32];
            seed.derive("flow tokens").rng().fill(&mut key);
            key
        });
        Self {
            config: config.clamped(),
            listeners: Vec::new(),
            flows: Slab::new(),
            datagram_flows: Correspondents::new(seed.derive("datagram flows").hasher()),
            stream_flows: HashMap::with_hasher(seed.derive("stream flows").hasher()),
            connections: HashMap::with_hasher(FixedState::default()),
            peers: HashMap::with_hasher(seed.derive("peers").hasher()),
            selections: HashMap::with_hasher(FixedState::default()),
            races: Vec::new(),
            questions: HashMap::with_hasher(FixedState::default()),
            failing: HashMap::with_hasher(seed.derive("failing").hasher()),
            shortcuts: Shortcuts::default(),
            held: 0,
            deadlines: DeadlineQueue::new(),
            outputs: Outputs::default(),
            room: Room::default(),
            addresses: Addresses::default(),
            spares: Spares::default(),
            rng: seed.derive("selection").rng(),
            tags: seed.derive("tags").hasher(),
            next_connection: 0,
            next_select: 0,
            next_resolve: 0,
            hand: 0,
            last_now: None,
            capturing: false,
            token_codes: ShortCode::new(&Seed::from_bytes(token_key)),
            stats: Stats::default(),
        }
    }

    /// Makes a socket of the driver known. Between addresses that reach a peer equally well the one added first is
    /// used. A listener that is known already is replaced.
    pub fn add_listener(&mut self, id: ListenerId, kind: TransportKind, local: SocketAddr) {
        self.shortcuts.clear();
        self.listeners.retain(|listener| listener.id != id);
        self.listeners.push(Listener { id, kind, local });
    }

    /// Forgets a socket, for instance because its address is gone. Datagram flows over it fail; connections stay.
    pub fn remove_listener(&mut self, id: ListenerId, now: Instant) {
        self.last_now = Some(now);
        self.shortcuts.clear();
        self.listeners.retain(|listener| listener.id != id);
        let over =
            |entry: &Entry| matches!(entry.link, Link::Datagram(listener, _) if listener == id);
        let ids: Vec<FlowId> = self
            .flows
            .ids()
            .filter(|&id| self.flows.get(id).is_some_and(over))
            .collect();
        for flow in ids {
            self.fail(flow, FlowFailure::Closed);
        }
    }

    /// Sends one message on a flow. A stream flow that is not connected is connected first, and the message waits
    /// for that; what cannot be sent ends in [`Event::FlowFailed`].
    ///
    /// # Errors
    /// [`Gone`] when there is no such flow any more.
    pub fn send(&mut self, flow: FlowId, payload: Bytes, now: Instant) -> Result<(), Gone> {
        self.last_now = Some(now);
        let entry = self.flows.get_mut(flow).ok_or(Gone)?;
        entry.used = now;
        entry.referenced = true;
        self.stats.sent += 1;
        if let Link::Datagram(listener, owed) = &mut entry.link {
            if let Some(owed) = owed {
                owed.note(&payload);
            }
            let listener = *listener;
            let (local, remote) = (entry.flow.local, entry.flow.remote);
            self.send_datagram(listener, local, remote, payload);
        } else {
            self.write(flow, payload, now);
        }
        Ok(())
    }

    /// [`send`](Self::send) of a message that is sent once: it is encoded into a buffer that many share, and so takes no
    /// allocation.
    ///
    /// # Errors
    /// [`Gone`] when there is no such flow any more.
    pub fn send_message(
        &mut self,
        flow: FlowId,
        message: &BoxedMessage,
        now: Instant,
    ) -> Result<(), Gone> {
        let payload = message.to_bytes_in(self.room.open());
        self.send(flow, payload, now)
    }

    /// Takes back a message of [`Event::Message`] that is not needed any more: the next that arrives is put in its place, and so
    /// takes no allocation. Never necessary.
    pub fn recycle(&mut self, message: BoxedMessage) {
        self.spares.keep(message);
    }

    /// Closes a flow. A datagram flow is forgotten, a connection closed when what was sent is written.
    pub fn close(&mut self, flow: FlowId, now: Instant) {
        self.last_now = Some(now);
        self.remove(flow);
        self.on_contender_lost(flow, FlowFailure::Closed, now);
    }

    /// Notes that the peer of a flow did not serve a request: it timed out, or was answered 503 (RFC 3263 §4.3). For
    /// [`TransportConfig::failing_time`] selections put this place behind others. What this layer notices itself,
    /// connections that fail and ICMP errors, is noted without being told.
    pub fn report_failure(&mut self, flow: FlowId, now: Instant) {
        self.last_now = Some(now);
        if let Some(entry) = self.flows.get(flow) {
            let (kind, remote) = (entry.flow.kind, entry.flow.remote);
            self.note_failure(kind, remote, now);
        }
    }

    /// The flow over which a peer is reached from a certain listener: of UDP the pair of addresses, of a stream
    /// transport the open connection to the peer, or a new one. For peers that are known by their addresses, such as a
    /// registered phone behind a NAT. `None` if there is no such listener.
    pub fn flow_to(
        &mut self,
        kind: TransportKind,
        listener: ListenerId,
        remote: SocketAddr,
        now: Instant,
    ) -> Option<Flow> {
        self.last_now = Some(now);
        let listener = *self.listeners.iter().find(|known| known.id == listener)?;
        if kind == TransportKind::Udp {
            (listener.kind == kind).then(|| self.datagram_flow(listener, remote, now))
        } else {
            self.stream_flow(kind, listener.local, remote, None, now)
        }
    }

    /// Keeps a flow alive from now on (RFC 5626 §4.4, RFC 6223), or no longer. A connection that is lost has to be
    /// kept alive anew.
    ///
    /// # Errors
    /// [`Gone`] when there is no such flow any more.
    pub fn keep_alive(
        &mut self,
        flow: FlowId,
        keep_alive: Option<KeepAlive>,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let entry = self.flows.get_mut(flow).ok_or(Gone)?;
        let is_datagram = matches!(entry.link, Link::Datagram(..));
        entry.pinger = keep_alive.map(|mut keep_alive| {
            // RFC 5626 §4.4.2: STUN "MUST NOT be used for connection-oriented transports".
            keep_alive.stun &= is_datagram;
            Box::new(Pinger::new(keep_alive, &mut self.rng, now))
        });
        self.arm(flow);
        Ok(())
    }

    /// Mirrors every message as [`Event::Captured`] from now on, or no longer. Costs nothing while it is off.
    pub const fn capture(&mut self, on: bool) {
        self.capturing = on;
    }

    /// The flows that there are. Walks over them: for people, and with a `take`.
    pub fn flows(&self) -> impl Iterator<Item = Flow> + '_ {
        self.flows
            .ids()
            .filter_map(|id| self.flows.get(id).map(|entry| entry.flow))
    }

    /// What is known of a flow.
    #[must_use]
    pub fn flow(&self, flow: FlowId) -> Option<Flow> {
        self.flows.get(flow).map(|entry| entry.flow)
    }

    /// What the certificate of the peer of a flow proves: `None` without an open secure connection, or if the peer
    /// showed none (RFC 5922 §7.4: a client may be known by its certificate).
    #[must_use]
    pub fn peer_identity(&self, flow: FlowId) -> Option<&PeerIdentity> {
        match &self.flows.get(flow)?.link {
            Link::Datagram(..) => None,
            Link::Stream(stream) => stream.peer(),
        }
    }

    /// The same, to be kept with a message that came over the flow: it stays what it is when the connection is gone.
    /// Costs no more than counting one owner. For every [`Event::Message`] with the flow that it names, in the same turn.
    #[must_use]
    pub fn shared_peer_identity(&self, flow: FlowId) -> Option<Arc<PeerIdentity>> {
        match &self.flows.get(flow)?.link {
            Link::Datagram(..) => None,
            Link::Stream(stream) => stream.shared_peer(),
        }
    }

    /// Is this an address and port of ours? Without a port the default port of any transport counts. Names are never
    /// ours here: which names are is for the layers above.
    #[must_use]
    pub fn is_local(&self, host: &Host<'_>, port: Option<u16>) -> bool {
        host.ip().is_some_and(|ip| self.is_local_ip(ip, port))
    }

    fn is_local_ip(&self, ip: IpAddr, port: Option<u16>) -> bool {
        self.listeners.iter().any(|listener| {
            let port = port.unwrap_or_else(|| listener.kind.default_port());
            listener.local.port() == port && listener.local.ip().to_canonical() == ip.to_canonical()
        })
    }

    /// What was counted.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Something arrived.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        self.last_now = Some(now);
        match input {
            Input::Datagram {
                listener,
                remote,
                local: _,
                payload,
            } => self.on_datagram(listener, remote, payload, now),
            Input::DatagramFailed { listener, remote } => {
                self.on_datagram_failed(listener, remote, now)
            }
            Input::Accepted {
                connection,
                listener,
                remote,
            } => self.on_accepted(connection, listener, remote, now),
            Input::Secured { connection, peer } => self.on_secured(connection, peer, now),
            Input::Connected { connection, local } => self.on_connected(connection, local, now),
            Input::Stream {
                connection,
                payload,
            } => self.on_stream(connection, payload, now),
            Input::Sent { connection, bytes } => self.on_sent(connection, bytes, now),
            Input::Ended { connection } => self.on_ended(connection, now),
            Input::Closed { connection, error } => self.on_closed(connection, error, now),
            Input::Resolved { id, result } => self.on_resolved(id, result, now),
        }
    }

    /// Time passed. Spurious and late calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.last_now = Some(now);
        while let Some((_, timer)) = self.deadlines.pop_due(now) {
            match timer {
                Timer::Flow(id) => self.on_flow_deadline(id, now),
                Timer::Selection(id) => self.on_selection_deadline(id, now),
                Timer::Race(id) => self.on_race_deadline(id, now),
                Timer::Heal(kind, remote) => drop(self.failing.remove(&(kind, remote))),
            }
        }
    }

    /// What is to be done next, until there is nothing more.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Is there anything to be done?
    #[inline]
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// The next event, whatever is to be done before it: for who looks at all events before anything leaves, and then takes the rest
    /// with [`poll_io`](Self::poll_io).
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.outputs.pop_event()
    }

    /// What is to be done next of what is no event, in its order. See [`poll_event`](Self::poll_event).
    #[inline]
    pub fn poll_io(&mut self) -> Option<Output> {
        self.outputs.pop_io()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted; the last `now` seen while output is queued.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.outputs.is_empty() {
            self.deadlines.peek()
        } else {
            self.last_now
        }
    }

    fn send_datagram(
        &mut self,
        listener: ListenerId,
        local: SocketAddr,
        remote: SocketAddr,
        payload: Bytes,
    ) {
        let payload = if remote.ip().is_multicast() {
            via::for_group(payload, remote.ip())
        } else {
            payload
        };
        if self.capturing {
            self.captured(true, TransportKind::Udp, local, remote, &payload);
        }
        self.outputs.push_back(Output::Datagram {
            listener,
            remote,
            payload,
        });
    }

    fn captured(
        &mut self,
        sent: bool,
        kind: TransportKind,
        local: SocketAddr,
        remote: SocketAddr,
        payload: &Bytes,
    ) {
        let payload = payload.clone();
        self.event(Event::Captured(Captured {
            sent,
            kind,
            local,
            remote,
            payload,
        }));
    }

    #[inline(always)]
    fn event(&mut self, event: Event) {
        self.outputs.event(event);
    }

    fn listener(&self, id: ListenerId) -> Option<Listener> {
        self.listeners
            .iter()
            .find(|listener| listener.id == id)
            .copied()
    }

    /// The listener that a message to this address comes from.
    fn source(&self, kind: TransportKind, remote: IpAddr) -> Option<Listener> {
        route::source(&self.listeners, kind, remote)
    }

    /// Arms the deadline of a flow, unless an earlier one is armed, which will look again.
    fn arm(&mut self, id: FlowId) {
        let Some(entry) = self.flows.get_mut(id) else {
            return;
        };
        let due = match &entry.link {
            Link::Datagram(..) => entry.used + self.config.datagram_idle,
            Link::Stream(stream) => stream.due(entry.used, &self.config),
        };
        let due = entry
            .pinger
            .as_ref()
            .map_or(due, |pinger| due.min(pinger.due()));
        match entry.armed {
            Some((at, _)) if at <= due => {}
            armed => {
                if let Some((_, deadline)) = armed {
                    self.deadlines.cancel(deadline);
                }
                let deadline = self.deadlines.insert(due, Timer::Flow(id));
                entry.armed = Some((due, deadline));
            }
        }
    }

    fn on_flow_deadline(&mut self, id: FlowId, now: Instant) {
        let Some(entry) = self.flows.get_mut(id) else {
            return;
        };
        entry.armed = None;
        if let Some(pinger) = &mut entry.pinger {
            match pinger.check(&mut self.rng, now) {
                Due::Nothing => {}
                Due::Ping => self.ping(id, Bytes::from_static(b"\r\n\r\n"), now),
                Due::Stun(transaction) => self.ping(id, stun::request(transaction).into(), now),
                Due::Failed => {
                    self.fail(id, FlowFailure::NoPong);
                    return;
                }
            }
        }
        let Some(entry) = self.flows.get_mut(id) else {
            return;
        };
        match &entry.link {
            Link::Datagram(..) if now >= entry.used + self.config.datagram_idle => {
                self.fail(id, FlowFailure::Idle)
            }
            Link::Datagram(..) => self.arm(id),
            Link::Stream(_) => self.on_stream_deadline(id, now),
        }
    }

    /// RFC 5626 §4.4: a ping is two line ends, or a Binding request of STUN.
    fn ping(&mut self, id: FlowId, payload: Bytes, now: Instant) {
        let Some(entry) = self.flows.get_mut(id) else {
            return;
        };
        entry.used = now;
        entry.referenced = true;
        if let Link::Datagram(listener, _) = entry.link {
            let remote = entry.flow.remote;
            self.outputs.push_back(Output::Datagram {
                listener,
                remote,
                payload,
            });
        } else {
            self.write(id, payload, now);
        }
    }

    /// Removes a flow and says so.
    fn fail(&mut self, id: FlowId, cause: FlowFailure) {
        if self.remove(id) {
            self.event(Event::FlowFailed {
                flow: id,
                cause,
                reopens: false,
            });
            if let Some(now) = self.last_now {
                self.on_contender_lost(id, cause, now);
            }
        }
    }

    /// Takes a flow out of every table and closes its connection. Was it there?
    fn remove(&mut self, id: FlowId) -> bool {
        let Some(entry) = self.flows.remove(id) else {
            return false;
        };
        if let Some((_, deadline)) = entry.armed {
            self.deadlines.cancel(deadline);
        }
        match entry.link {
            Link::Datagram(listener, _) => {
                self.datagram_flows.remove(listener, entry.flow.remote);
                self.stats.datagram_flows -= 1;
            }
            Link::Stream(stream) => {
                self.stats.stream_flows -= 1;
                self.forget_place(id, &entry.flow);
                self.forget_alias(id, &entry.flow, stream.alias());
                if let Some(connection) = stream.connection() {
                    self.forget_connection(connection, stream.is_accepted(), entry.flow.remote);
                    self.outputs.push_back(Output::Close { connection });
                }
            }
        }
        true
    }
}
