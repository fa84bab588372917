//! Connections: opening, framing, keep-alive, limits, closing and reopening.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use sip_message::{BoxedMessage, FrameScanner, Method, ParseError};

use super::half_closed::HalfClosed;
use super::reply::Reply;
use super::{Entry, Link, Transports};
use crate::config::TransportConfig;
use crate::flow::Flow;
use crate::id::{ConnectionId, FlowId, ListenerId};
use crate::identity::PeerIdentity;
use crate::io::{ConnectionError, Event, FlowFailure, Malformed, Output};
use crate::kind::TransportKind;
use crate::via;

/// The stream part of a flow.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) state: State,
    scanner: FrameScanner,
    /// The beginning of a message that is not complete.
    pub(super) buffer: BytesMut,
    /// When that message began.
    pub(super) message_since: Option<Instant>,
    /// RFC 5626 §4.4.1: was the last thing between messages half of a ping?
    half_ping: bool,
    /// Bytes given to the driver, or waiting for a connection, that the system did not take yet.
    outstanding: usize,
    /// When the system last took some.
    progress: Instant,
    /// Where a connection is opened to when this one is closed and responses are owed (RFC 3261 §18.2.2).
    pub(super) reopen: Option<SocketAddr>,
    pub(super) server_name: Option<Box<str>>,
    /// The local address of the connection, where it is not the one that names us.
    bound: Option<SocketAddr>,
    /// Did a whole message come over it?
    proven: bool,
    /// Does it wait for a security handshake that the peer began?
    pub(super) handshake: bool,
    /// Whom the peer proved to be.
    peer: Option<Arc<PeerIdentity>>,
    /// Where else it leads (RFC 5923).
    alias: Option<SocketAddr>,
    /// Requests that came over it and have no final answer.
    pub(super) unanswered: u32,
    /// The peer will send nothing more, and is still owed answers.
    pub(super) half_closed: Option<Box<HalfClosed>>,
    /// Where else responses may go.
    pub(super) reply: Option<Box<Reply>>,
    /// The token of the flow as it is, if it was asked for.
    pub(super) token: Option<Box<str>>,
}

#[derive(Debug)]
pub(super) enum State {
    /// No connection: not yet, or no longer.
    Idle { since: Instant },
    Connecting {
        connection: ConnectionId,
        since: Instant,
        waiting: Vec<Bytes>,
    },
    Open {
        connection: ConnectionId,
        since: Instant,
    },
}

impl Stream {
    pub(super) fn new(state: State, server_name: Option<Box<str>>, now: Instant) -> Self {
        Self {
            state,
            scanner: FrameScanner::new(),
            buffer: BytesMut::new(),
            message_since: None,
            half_ping: false,
            outstanding: 0,
            progress: now,
            reopen: None,
            server_name,
            bound: None,
            proven: false,
            handshake: false,
            peer: None,
            alias: None,
            unanswered: 0,
            half_closed: None,
            reply: None,
            token: None,
        }
    }

    pub(super) fn peer(&self) -> Option<&PeerIdentity> {
        self.peer.as_deref()
    }

    pub(super) fn shared_peer(&self) -> Option<Arc<PeerIdentity>> {
        self.peer.clone()
    }

    pub(super) const fn alias(&self) -> Option<SocketAddr> {
        self.alias
    }

    /// Gives it another alias; the earlier one.
    pub(super) const fn set_alias(&mut self, alias: Option<SocketAddr>) -> Option<SocketAddr> {
        std::mem::replace(&mut self.alias, alias)
    }

    pub(super) const fn connection(&self) -> Option<ConnectionId> {
        match self.state {
            State::Idle { .. } => None,
            State::Connecting { connection, .. } | State::Open { connection, .. } => {
                Some(connection)
            }
        }
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.connection().is_some_and(ConnectionId::is_accepted)
    }

    /// The earliest time at which something may have to be done.
    pub(super) fn due(&self, used: Instant, config: &TransportConfig) -> Instant {
        match self.state {
            State::Idle { since } => since + config.reopen_time,
            State::Connecting { since, .. } => since + config.connect_time,
            State::Open { since, .. } => {
                let mut due = used + config.stream_idle;
                if let Some(since) = self.message_since {
                    due = due.min(since + config.message_time);
                }
                if self.outstanding > 0 {
                    due = due.min(self.progress + config.write_time);
                }
                if self.is_accepted() && !self.proven {
                    due = due.min(since + config.first_message);
                }
                if self.handshake {
                    due = due.min(since + config.handshake_time);
                }
                match &self.half_closed {
                    Some(half_closed) => due.min(half_closed.due(self.unanswered, config)),
                    None => due,
                }
            }
        }
    }
}

/// What became of the wish for a connection.
pub(super) enum Contact {
    Open,
    Opening,
    /// A limit, or there is no such flow.
    Refused,
}

/// What a piece of a stream holds.
enum Frame {
    Message(Bytes),
    /// Ping of a keep-alive, to be answered.
    Ping,
    /// The answer to our own.
    Pong,
}

impl Transports {
    pub(super) fn on_accepted(
        &mut self,
        connection: ConnectionId,
        listener: ListenerId,
        remote: SocketAddr,
        now: Instant,
    ) {
        let from_peer = self.peers.get(&peer(remote.ip())).copied().unwrap_or(0);
        let limits = &self.config.limits;
        let full = self.stats.connections >= limits.connections
            || from_peer >= limits.connections_per_peer;
        let Some(listener) = self.listener(listener).filter(|_| !full) else {
            self.stats.refused_connections += 1;
            self.outputs.push_back(Output::Close { connection });
            return;
        };
        let state = State::Open {
            connection,
            since: now,
        };
        let mut stream = Stream::new(state, None, now);
        stream.handshake = listener.kind.is_secure();
        let id = self.insert_stream(listener.kind, listener.local, remote, stream, now);
        *self.peers.entry(peer(remote.ip())).or_insert(0) += 1;
        self.connections.insert(connection, id);
        self.stats.connections += 1;
        self.arm(id);
    }

    pub(super) fn on_secured(
        &mut self,
        connection: ConnectionId,
        peer: Option<Arc<PeerIdentity>>,
        now: Instant,
    ) {
        let Some((id, entry)) = self.entry(connection) else {
            return;
        };
        entry.used = now;
        if let Link::Stream(stream) = &mut entry.link {
            stream.handshake = false;
            stream.peer = peer;
        }
        self.arm(id);
    }

    pub(super) fn on_connected(
        &mut self,
        connection: ConnectionId,
        local: SocketAddr,
        now: Instant,
    ) {
        let kind = self.entry(connection).map(|(_, entry)| entry.flow.kind);
        let unlisted = kind.is_some_and(|kind| self.is_unlisted(kind));
        let Some((id, entry)) = self.entry(connection) else {
            return;
        };
        let Link::Stream(stream) = &mut entry.link else {
            return;
        };
        let State::Connecting { waiting, .. } = &mut stream.state else {
            return;
        };
        let waiting = std::mem::take(waiting);
        stream.state = State::Open {
            connection,
            since: now,
        };
        stream.progress = now;
        stream.bound = Some(local);
        let (kind, remote) = (entry.flow.kind, entry.flow.remote);
        // Without a port of our own to name (no listener), the connection's is the best there is: peers find this
        // connection by it.
        // Unless something is waiting that names another one.
        if entry.flow.local.port() == 0 || (unlisted && waiting.is_empty()) {
            entry.flow.local = local;
            stream.token = None;
        }
        for payload in waiting {
            self.send_stream(connection, kind, local, remote, payload);
        }
        self.note_success(kind, remote);
        self.arm(id);
        self.on_contender_open(id, now);
    }

    pub(super) fn on_stream(&mut self, connection: ConnectionId, payload: Bytes, now: Instant) {
        let Some((id, entry)) = self.entry(connection) else {
            return;
        };
        entry.used = now;
        let kind = entry.flow.kind;
        if let Link::Stream(stream) = &mut entry.link {
            stream.handshake = false;
        }
        if !kind.is_stream() {
            // A WebSocket or SCTP keeps messages apart by itself (RFC 7118 §5, RFC 4168 §4).
            if payload.iter().all(|&b| matches!(b, b'\r' | b'\n')) {
                self.on_keep_alive(id, &payload, now);
            } else {
                self.on_frame(id, payload, now);
            }
            self.arm(id);
            return;
        }
        let mut rest = Some(payload);
        let mut pings = 0_usize;
        // Nearly always what came is whole messages, each of which is framed and parsed in one pass.
        while let Some(bytes) = rest.as_mut()
            && self.is_between_messages(id)
            && let Some(message) =
                BoxedMessage::take_front_in(&mut self.spares, bytes, &self.config.parser)
        {
            self.on_parsed(id, message, now);
        }
        // The flow may be closed by what is in a frame; then the rest of the bytes is dropped.
        while let Some(frame) = self.next_frame(id, &mut rest) {
            match frame {
                Ok(Frame::Message(frame)) => self.on_frame(id, frame, now),
                Ok(Frame::Ping) => {
                    self.stats.keep_alives += 1;
                    pings += 1;
                }
                Ok(Frame::Pong) => self.event(Event::Pong { flow: id }),
                Err((error, held)) => {
                    self.on_lost_step(id, error, &held, now);
                    return;
                }
            }
        }
        if pings > 0 {
            // RFC 5626 §4.4.1: a ping is answered by one CRLF; those of several pings travel together.
            self.write(id, Bytes::from(b"\r\n".repeat(pings)), now);
        }
        if let Some(Entry {
            link: Link::Stream(stream),
            ..
        }) = self.flows.get_mut(id)
        {
            // A lone CR is not the beginning of a message.
            let inside = !stream.buffer.is_empty() && *stream.buffer != *b"\r";
            stream.message_since = if inside {
                stream.message_since.or(Some(now))
            } else {
                None
            };
            if stream.buffer.is_empty() {
                // Ten thousand idle connections keep no buffers.
                stream.buffer = BytesMut::new();
            }
        }
        self.arm(id);
    }

    /// Is nothing held of a message, or of a ping?
    fn is_between_messages(&mut self, id: FlowId) -> bool {
        self.stream_mut(id).is_some_and(|stream| {
            stream.buffer.is_empty() && !stream.scanner.is_inside_message() && !stream.half_ping
        })
    }

    /// A keep-alive in a message of its own (RFC 7118 §6): a ping is answered, an answer noted.
    fn on_keep_alive(&mut self, id: FlowId, payload: &Bytes, now: Instant) {
        let awaited = |entry: &mut Entry| entry.pinger.as_mut().is_some_and(|pinger| pinger.pong());
        if payload.starts_with(b"\r\n\r\n") {
            self.stats.keep_alives += 1;
            self.write(id, Bytes::from_static(b"\r\n"), now);
        } else if payload[..] == *b"\r\n" && self.flows.get_mut(id).is_some_and(awaited) {
            self.event(Event::Pong { flow: id });
        }
    }

    /// Takes the next message or keep-alive from what is held and what just came.
    fn next_frame(
        &mut self,
        id: FlowId,
        rest: &mut Option<Bytes>,
    ) -> Option<Result<Frame, (ParseError, Bytes)>> {
        let Some(Entry {
            link: Link::Stream(stream),
            pinger,
            ..
        }) = self.flows.get_mut(id)
        else {
            return None;
        };
        // While nothing is held the frames are cut out of what came, without a copy.
        if !stream.buffer.is_empty()
            && let Some(more) = rest.take()
        {
            stream.buffer.extend_from_slice(&more);
        }
        let held = |stream: &Stream, rest: &Option<Bytes>| match rest {
            Some(rest) => rest.clone(),
            None => Bytes::copy_from_slice(&stream.buffer),
        };
        let front: &[u8] = rest.as_deref().unwrap_or(&stream.buffer);
        if front.is_empty() {
            *rest = None;
            return None;
        }
        if !stream.scanner.is_inside_message() && front.starts_with(b"\r\n") {
            match rest {
                Some(rest) => drop(rest.split_to(2)),
                None => drop(stream.buffer.split_to(2)),
            }
            if !stream.half_ping && pinger.as_mut().is_some_and(|pinger| pinger.pong()) {
                return Some(Ok(Frame::Pong));
            }
            // RFC 5626 §3.5.1, §4.4.1: a double CRLF between messages is a ping, a single one is the answer to ours.
            // RFC 3261 §7.5: any is allowed before a start line.
            stream.half_ping = !stream.half_ping;
            return if stream.half_ping {
                self.next_frame(id, rest)
            } else {
                Some(Ok(Frame::Ping))
            };
        }
        match stream.scanner.scan(front, &self.config.parser) {
            Ok(Some(len)) => {
                stream.half_ping = false;
                stream.message_since = None;
                let frame = match rest {
                    Some(rest) => rest.split_to(len),
                    None => stream.buffer.split_to(len).freeze(),
                };
                Some(Ok(Frame::Message(frame)))
            }
            Ok(None) => {
                if let Some(rest) = rest.take() {
                    stream.buffer.extend_from_slice(&rest);
                }
                None
            }
            Err(error) => Some(Err((error, held(stream, rest)))),
        }
    }

    fn on_frame(&mut self, id: FlowId, frame: Bytes, now: Instant) {
        match BoxedMessage::parse_in(&mut self.spares, frame.clone(), &self.config.parser) {
            Ok(message) => self.on_parsed(id, message, now),
            Err(error) => {
                self.capture_frame(id, || frame.clone());
                self.on_broken(id, &frame, error, now);
            }
        }
    }

    /// The frame is whole, so the stream is still in step and the connection stays.
    fn on_broken(&mut self, id: FlowId, frame: &Bytes, error: ParseError, now: Instant) {
        let Some(flow) = self.flow(id) else { return };
        if let Some(stream) = self.stream_mut(id) {
            stream.proven = true;
        }
        let answer = self.answer_malformed(flow.kind, flow.local, flow.remote, frame, error);
        if let Some((answer, _)) = answer {
            self.write(id, answer, now);
        }
    }

    fn capture_frame(&mut self, id: FlowId, frame: impl FnOnce() -> Bytes) {
        if self.capturing
            && let Some(entry) = self.flows.get_mut(id)
        {
            let flow = entry.flow;
            let bound = entry.link.stream_mut().and_then(|stream| stream.bound);
            let bound = bound.unwrap_or(flow.local);
            self.captured(false, flow.kind, bound, flow.remote, &frame());
        }
    }

    fn on_parsed(&mut self, id: FlowId, mut message: BoxedMessage, now: Instant) {
        self.capture_frame(id, || message.to_bytes());
        let Some(entry) = self.flows.get_mut(id) else {
            return;
        };
        let flow = entry.flow;
        let Link::Stream(stream) = &mut entry.link else {
            return;
        };
        stream.proven = true;
        match &mut message {
            BoxedMessage::Request(request) => {
                let named = |name: &str, port| stream.note_sent_by(name, port);
                let (room, read) = (&mut self.room, &mut self.addresses);
                let route = match via::receive(request, flow.remote, false, room, read, named) {
                    Ok(route) => route,
                    Err(error) => {
                        self.on_broken(id, &request.to_bytes(), error, now);
                        return;
                    }
                };
                // A browser cannot be called back (RFC 7118 §5).
                let callable = !matches!(flow.kind, TransportKind::Ws | TransportKind::Wss);
                let place = route.stream(flow.remote, flow.kind.default_port());
                if *request.method() != Method::Ack {
                    stream.unanswered = stream.unanswered.saturating_add(1);
                }
                if callable {
                    stream.reopen = Some(place);
                    if route.is_alias() {
                        self.alias(id, place);
                    }
                }
                self.stats.requests += 1;
            }
            BoxedMessage::Response(response) => match self.check_response(response, Some(&flow)) {
                Err(error) => {
                    self.on_broken(id, &response.to_bytes(), error, now);
                    return;
                }
                Ok(false) => {
                    self.on_misdirected(flow.kind, flow.local, flow.remote);
                    return;
                }
                Ok(true) => self.stats.responses += 1,
            },
        }
        self.outputs.message(message, flow, flow);
    }

    /// The stream cannot be brought back into step: say why if that is possible, then close.
    fn on_lost_step(&mut self, id: FlowId, error: ParseError, held: &Bytes, now: Instant) {
        let Some(flow) = self.flow(id) else { return };
        let answer = self.answer_malformed(flow.kind, flow.local, flow.remote, held, error);
        if let Some((answer, _)) = answer {
            self.write(id, answer, now);
        }
        self.fail(id, FlowFailure::Malformed);
    }

    pub(super) fn on_sent(&mut self, connection: ConnectionId, bytes: usize, now: Instant) {
        let Some((_, entry)) = self.entry(connection) else {
            return;
        };
        entry.used = now;
        if let Link::Stream(stream) = &mut entry.link {
            stream.outstanding = stream.outstanding.saturating_sub(bytes);
            stream.progress = now;
        }
    }

    /// Sends on a stream flow; connects first if there is no connection.
    pub(super) fn write(&mut self, id: FlowId, payload: Bytes, now: Instant) {
        let Some(Entry {
            flow,
            link: Link::Stream(stream),
            ..
        }) = self.flows.get_mut(id)
        else {
            return;
        };
        if stream.outstanding.saturating_add(payload.len()) > self.config.limits.output_bytes {
            self.stats.overflows += 1;
            self.fail(id, FlowFailure::Overflow);
            return;
        }
        if stream.outstanding == 0 {
            stream.progress = now;
        }
        stream.outstanding += payload.len();
        stream.answered(&payload, now, &self.config);
        if let (State::Idle { .. }, Some(waiting)) = (
            &stream.state,
            stream.reply.as_mut().and_then(|reply| reply.waiting()),
        ) {
            waiting.push(payload);
            return;
        }
        match &mut stream.state {
            State::Open { connection, .. } => {
                let connection = *connection;
                let (kind, remote) = (flow.kind, flow.remote);
                let bound = stream.bound.unwrap_or(flow.local);
                self.send_stream(connection, kind, bound, remote, payload);
            }
            State::Connecting { waiting, .. } => waiting.push(payload),
            State::Idle { .. } => match self.connect(id, now) {
                Contact::Opening | Contact::Open => {
                    if let Some(Entry {
                        link: Link::Stream(stream),
                        ..
                    }) = self.flows.get_mut(id)
                        && let State::Connecting { waiting, .. } = &mut stream.state
                    {
                        waiting.push(payload);
                    }
                }
                Contact::Refused => {
                    self.fail(id, FlowFailure::Evicted);
                    return;
                }
            },
        }
        self.arm(id);
    }

    /// Opens a connection for a flow that has none.
    pub(super) fn connect(&mut self, id: FlowId, now: Instant) -> Contact {
        let full = self.stats.connections >= self.config.limits.connections;
        let Some(Entry {
            flow,
            link: Link::Stream(stream),
            ..
        }) = self.flows.get_mut(id)
        else {
            return Contact::Refused;
        };
        match stream.state {
            State::Open { .. } => return Contact::Open,
            State::Connecting { .. } => return Contact::Opening,
            State::Idle { .. } => {}
        }
        if full {
            self.stats.refused_connections += 1;
            return Contact::Refused;
        }
        let connection = ConnectionId::initiated(self.next_connection);
        self.next_connection += 1;
        // A flow that lost its connection goes to where the responses are expected.
        if let Some(remote) = stream.reopen.take() {
            flow.remote = remote;
            stream.token = None;
        }
        let (kind, remote, local) = (flow.kind, flow.remote, flow.local.ip());
        let server_name = stream.server_name.clone();
        stream.state = State::Connecting {
            connection,
            since: now,
            waiting: Vec::new(),
        };
        self.connections.insert(connection, id);
        self.stats.connections += 1;
        let local = (!local.is_unspecified()).then_some(local);
        self.outputs.push_back(Output::Connect {
            connection,
            kind,
            remote,
            local,
            server_name,
        });
        self.stream_flows.entry((kind, remote)).or_insert(id);
        self.arm(id);
        Contact::Opening
    }

    /// Gives up opening a connection over which nothing is to be sent; the flow stays.
    pub(super) fn give_up(&mut self, id: FlowId, now: Instant) {
        let Some(Entry {
            flow,
            link: Link::Stream(stream),
            ..
        }) = self.flows.get_mut(id)
        else {
            return;
        };
        let State::Connecting {
            connection,
            ref waiting,
            ..
        } = stream.state
        else {
            return;
        };
        if !waiting.is_empty() {
            return;
        }
        let remote = flow.remote;
        stream.state = State::Idle { since: now };
        self.forget_connection(connection, false, remote);
        self.outputs.push_back(Output::Close { connection });
        self.arm(id);
    }

    /// Is there no socket to which peers could open connections of this kind? Of TCP the UDP socket is its stand-in.
    pub(super) fn is_unlisted(&self, kind: TransportKind) -> bool {
        !matches!(kind, TransportKind::Udp | TransportKind::Tcp)
            && self.listeners.iter().all(|listener| listener.kind != kind)
    }

    /// Is it a flow with a connection that works?
    pub(super) fn is_open(&self, id: FlowId) -> bool {
        let link = self.flows.get(id).map(|entry| &entry.link);
        matches!(link, Some(Link::Stream(stream)) if matches!(stream.state, State::Open { .. }))
    }

    fn send_stream(
        &mut self,
        connection: ConnectionId,
        kind: TransportKind,
        bound: SocketAddr,
        remote: SocketAddr,
        payload: Bytes,
    ) {
        if self.capturing && payload.iter().any(|b| !matches!(b, b'\r' | b'\n')) {
            self.captured(true, kind, bound, remote, &payload);
        }
        self.outputs.push_back(Output::Stream {
            connection,
            payload,
        });
    }

    /// The stream flow to a peer: the one that is there, or a new one that connects when something is sent.
    /// `local` is the address that names us in Via.
    pub(super) fn stream_flow(
        &mut self,
        kind: TransportKind,
        local: SocketAddr,
        remote: SocketAddr,
        server_name: Option<&str>,
        now: Instant,
    ) -> Option<Flow> {
        let known = self.stream_flows.get(&(kind, remote)).copied();
        let known = known.filter(|&id| self.is_good_alias(id, remote, server_name));
        if let Some(flow) = known.and_then(|id| self.reuse(id, server_name, now)) {
            return Some(flow);
        }
        if self.stats.stream_flows >= 2 * self.config.limits.connections.max(1) {
            return None;
        }
        let stream = Stream::new(State::Idle { since: now }, server_name.map(Box::from), now);
        let id = self.insert_stream(kind, local, remote, stream, now);
        let alias = self.says_alias(kind);
        if let Some(entry) = self.flows.get_mut(id) {
            entry.flow.alias = alias;
        }
        self.arm(id);
        self.flow(id)
    }

    /// The flow again, if it leads to the same peer. A connection is used again for the same address; a secure one
    /// only if its certificate was compared with the same name (RFC 5922 §7.3).
    fn reuse(&mut self, id: FlowId, server_name: Option<&str>, now: Instant) -> Option<Flow> {
        let entry = self.flows.get_mut(id)?;
        let flow = entry.flow;
        let stream = entry.link.stream_mut()?;
        if flow.kind.is_secure() && stream.server_name.as_deref() != server_name {
            let is_good = match server_name {
                // Unless it proved that name too.
                Some(name) => stream.peer().is_some_and(|peer| peer.proves(name)),
                // Or no name is to be proven: an address in a Contact or Record-Route is where the peer of this very
                // connection is, which has proven who it is.
                None => matches!(stream.state, State::Open { .. }),
            };
            if !is_good {
                return None;
            }
        }
        if let State::Idle { since } = &mut stream.state {
            *since = now;
        }
        entry.used = now;
        self.arm(id);
        Some(flow)
    }

    fn insert_stream(
        &mut self,
        kind: TransportKind,
        local: SocketAddr,
        remote: SocketAddr,
        stream: Stream,
        now: Instant,
    ) -> FlowId {
        let id = self.flows.insert(|id| Entry {
            flow: Flow::new(id, kind, local, remote),
            used: now,
            referenced: true,
            armed: None,
            pinger: None,
            link: Link::Stream(Box::new(stream)),
        });
        self.stats.stream_flows += 1;
        // The newest connection to a peer is the one most likely to work.
        self.stream_flows.insert((kind, remote), id);
        id
    }

    pub(super) fn on_stream_deadline(&mut self, id: FlowId, now: Instant) {
        let config = &self.config;
        let Some(Entry {
            used,
            link: Link::Stream(stream),
            flow,
            ..
        }) = self.flows.get(id)
        else {
            return;
        };
        if stream.due(*used, config) > now {
            self.arm(id);
            return;
        }
        let (kind, local, remote) = (flow.kind, flow.local, flow.remote);
        if stream.is_half_closed_too_long(now, config) {
            self.end_half_closed(id, now);
            return;
        }
        let connecting = match stream.state {
            State::Connecting { connection, .. } => Some(connection),
            State::Idle { .. } | State::Open { .. } => None,
        };
        let cause = match stream.state {
            // Nobody used it, or nobody needs it any more.
            State::Idle { .. } => FlowFailure::Idle,
            State::Connecting { .. } => FlowFailure::Connect(ConnectionError::TimedOut),
            State::Open { since, .. } => {
                let late =
                    |since: Option<Instant>, time| since.is_some_and(|since| since + time <= now);
                if late(stream.handshake.then_some(since), config.handshake_time) {
                    self.stats.failed_handshakes += 1;
                    self.stats.slow_peers += 1;
                    FlowFailure::Slow
                } else if late(stream.message_since, config.message_time)
                    || late(
                        (!stream.proven && stream.is_accepted()).then_some(since),
                        config.first_message,
                    )
                {
                    self.stats.slow_peers += 1;
                    self.event(Event::Malformed {
                        kind,
                        local,
                        remote,
                        error: Malformed::Slow,
                        answered: None,
                    });
                    FlowFailure::Slow
                } else if late(
                    (stream.outstanding > 0).then_some(stream.progress),
                    config.write_time,
                ) {
                    self.stats.slow_peers += 1;
                    FlowFailure::Slow
                } else {
                    FlowFailure::Idle
                }
            }
        };
        if let Some(connection) = connecting {
            self.outputs.push_back(Output::Close { connection });
            self.on_closed(connection, Some(ConnectionError::TimedOut), now);
            return;
        }
        self.fail(id, cause);
    }

    /// Forgets a connection, not its flow.
    pub(super) fn forget_connection(
        &mut self,
        connection: ConnectionId,
        accepted: bool,
        remote: SocketAddr,
    ) {
        if self.connections.remove(&connection).is_none() {
            return;
        }
        self.stats.connections -= 1;
        if accepted {
            let key = peer(remote.ip());
            if let Some(count) = self.peers.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.peers.remove(&key);
                }
            }
        }
    }

    /// Makes a flow no longer the one that is chosen for its peer.
    pub(super) fn forget_place(&mut self, id: FlowId, flow: &Flow) {
        let key = (flow.kind, flow.remote);
        if self.stream_flows.get(&key) == Some(&id) {
            self.stream_flows.remove(&key);
        }
    }

    pub(super) fn stream_mut(&mut self, id: FlowId) -> Option<&mut Stream> {
        self.flows.get_mut(id)?.link.stream_mut()
    }

    pub(super) fn entry(&mut self, connection: ConnectionId) -> Option<(FlowId, &mut Entry)> {
        let id = *self.connections.get(&connection)?;
        self.flows.get_mut(id).map(|entry| (id, entry))
    }
}

/// Who a limit per peer counts: an IPv4 address, or the network that one IPv6 host is usually given.
fn peer(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & (u128::MAX << 64)).into()),
    }
}
