//! Datagrams in, and the flows they make.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_message::{BoxedMessage, ParseError};

use super::owed::Owed;
use super::{Entry, Link, Transports};
use crate::flow::Flow;
use crate::id::ListenerId;
use crate::io::{Event, FlowFailure, Malformed, Output};
use crate::keep_alive::Pong;
use crate::kind::TransportKind;
use crate::route::Listener;
use crate::stun::{self, Stun};
use crate::via;

impl Transports {
    pub(super) fn on_datagram(
        &mut self,
        listener: ListenerId,
        remote: SocketAddr,
        payload: Bytes,
        now: Instant,
    ) {
        self.stats.datagrams += 1;
        let Some(listener) = self.listener(listener) else {
            self.stats.bad_source += 1;
            return;
        };
        // Nothing can be sent back to port 0 or to everybody.
        if remote.port() == 0 || remote.ip().is_unspecified() || remote.ip().is_multicast() {
            self.stats.bad_source += 1;
            let (kind, local) = (listener.kind, listener.local);
            self.event(Event::Malformed {
                kind,
                local,
                remote,
                error: Malformed::Source,
                answered: None,
            });
            return;
        }
        if stun::is_stun(&payload) {
            self.on_stun(listener, remote, &payload, now);
            return;
        }
        if is_keep_alive(&payload) {
            // It keeps the binding of a NAT; over UDP nothing is answered (RFC 5626 §4.4.2 has STUN for that).
            self.stats.keep_alives += 1;
            if let Some(flow) = self.datagram_flows.get(listener.id, remote) {
                self.touch(flow, now);
            }
            return;
        }
        if self.capturing {
            self.captured(false, listener.kind, listener.local, remote, &payload);
        }
        let received =
            BoxedMessage::parse_in(&mut self.spares, payload.clone(), &self.config.parser)
                .and_then(|message| self.on_datagram_message(listener, remote, message, now));
        if let Err(error) = received {
            let answer =
                self.answer_malformed(listener.kind, listener.local, remote, &payload, error);
            if let Some((answer, to)) = answer {
                // No flow is made for what is broken.
                self.send_datagram(listener.id, listener.local, to, answer);
            }
        }
    }

    #[inline]
    fn on_datagram_message(
        &mut self,
        listener: Listener,
        remote: SocketAddr,
        mut message: BoxedMessage,
        now: Instant,
    ) -> Result<(), ParseError> {
        let (flow, reply) = match &mut message {
            BoxedMessage::Request(request) => {
                let honour_maddr = self.config.honour_maddr;
                let mut named = None;
                let known = self.datagram_flows.get(listener.id, remote);
                let entry = known.and_then(|id| self.flows.get_mut(id));
                let (room, read) = (&mut self.room, &mut self.addresses);
                let route =
                    via::receive(request, remote, honour_maddr, room, read, |name, port| {
                        let is_noted = entry
                            .and_then(|entry| entry.link.owed())
                            .is_some_and(|owed| owed.is_for(name, port));
                        if !is_noted {
                            named = Some(Box::new(Owed::new(name, port)));
                        }
                    })?;
                let flow = known
                    .and_then(|id| self.touch(id, now))
                    .unwrap_or_else(|| self.datagram_flow(listener, remote, now));
                if named.is_some() {
                    self.owe(&flow, named);
                }
                self.stats.requests += 1;
                if let Some(name) = route.name() {
                    if let Some(message) = self.hold(message, flow, listener, name, now) {
                        self.outputs.message(message, flow, flow);
                    }
                    return Ok(());
                }
                match route.datagram(remote) {
                    to if to == remote => (flow, flow),
                    // Only an address of the same family can be reached from this socket.
                    to if to.is_ipv4() == remote.is_ipv4() => {
                        let reply = self.datagram_flow(listener, to, now);
                        self.owe_elsewhere(&flow, &reply);
                        (flow, reply)
                    }
                    _ => (flow, flow),
                }
            }
            BoxedMessage::Response(response) => {
                // RFC 3261 §18.1.2: a response whose topmost Via is not ours is discarded.
                if !self.check_response(response, None)? {
                    self.on_misdirected(listener.kind, listener.local, remote);
                    return Ok(());
                }
                let flow = self.datagram_flow(listener, remote, now);
                self.note_success(listener.kind, remote);
                self.stats.responses += 1;
                (flow, flow)
            }
        };
        self.outputs.message(message, flow, reply);
        Ok(())
    }

    /// RFC 5626 §8: a server that takes requests on a port "MUST also provide a limited version of a STUN server" there.
    fn on_stun(&mut self, listener: Listener, remote: SocketAddr, payload: &[u8], now: Instant) {
        let flow = self.datagram_flows.get(listener.id, remote);
        match stun::decode(payload) {
            // Whoever sent it may have been forged: what is sent there is hardly more than what came.
            Some(Stun::Request { id, unknown }) => {
                self.stats.keep_alives += 1;
                if let Some(flow) = flow {
                    self.touch(flow, now);
                }
                let answer = match unknown {
                    None => stun::success(id, remote),
                    Some(attribute) => stun::unknown_attribute(id, attribute),
                };
                self.outputs.push_back(Output::Datagram {
                    listener: listener.id,
                    remote,
                    payload: answer.into(),
                });
            }
            Some(Stun::Success { id, mapped }) => {
                let pinger = flow.and_then(|flow| self.flows.get_mut(flow)?.pinger.as_mut());
                let pong = pinger.map_or(Pong::Stray, |pinger| pinger.stun_success(id, mapped));
                match (flow, pong) {
                    (Some(flow), Pong::Alive) => {
                        self.touch(flow, now);
                        self.event(Event::Pong { flow });
                    }
                    (Some(flow), Pong::Moved) => self.fail(flow, FlowFailure::Moved),
                    (_, Pong::Stray) | (None, _) => self.stats.misdirected += 1,
                }
            }
            Some(Stun::Error { id }) => {
                let awaited = flow.filter(|&flow| {
                    let entry = self.flows.get(flow);
                    entry
                        .and_then(|entry| entry.pinger.as_ref())
                        .is_some_and(|pinger| pinger.is_awaited(id))
                });
                match awaited {
                    // RFC 5626 §4.4.2: "If a STUN Binding Error Response is received [...] the UA considers the flow
                    // failed."
                    Some(flow) => self.fail(flow, FlowFailure::NoPong),
                    None => self.stats.misdirected += 1,
                }
            }
            None => self.stats.bad_stun += 1,
        }
    }

    /// RFC 3261 §18.4: an ICMP error is a failure of what was sent.
    pub(super) fn on_datagram_failed(
        &mut self,
        listener: ListenerId,
        remote: SocketAddr,
        now: Instant,
    ) {
        if let Some(flow) = self.datagram_flows.get(listener, remote) {
            self.note_failure(TransportKind::Udp, remote, now);
            let owed = self
                .flows
                .get_mut(flow)
                .and_then(|entry| entry.link.owed_mut()?.take());
            self.fail(flow, FlowFailure::Unreachable);
            if let Some(owed) = owed {
                self.answer_elsewhere(*owed, listener, remote, now);
            }
        }
    }

    /// The flow between a socket and a peer, made if there is none.
    pub(super) fn datagram_flow(
        &mut self,
        listener: Listener,
        remote: SocketAddr,
        now: Instant,
    ) -> Flow {
        let known = self.datagram_flows.get(listener.id, remote);
        if let Some(flow) = known.and_then(|id| self.touch(id, now)) {
            return flow;
        }
        if self.stats.datagram_flows >= self.config.limits.datagram_flows.max(1) {
            self.evict(now);
        }
        let id = self.flows.insert(|id| Entry {
            flow: Flow::new(id, TransportKind::Udp, listener.local, remote),
            used: now,
            referenced: false,
            armed: None,
            pinger: None,
            link: Link::Datagram(listener.id, None),
        });
        self.stats.datagram_flows += 1;
        self.datagram_flows.insert(listener.id, remote, id);
        self.arm(id);
        Flow::new(id, TransportKind::Udp, listener.local, remote)
    }

    /// Notes that a flow is used.
    pub(super) fn touch(&mut self, id: crate::id::FlowId, now: Instant) -> Option<Flow> {
        let entry = self.flows.get_mut(id)?;
        entry.used = now;
        entry.referenced = true;
        Some(entry.flow)
    }

    /// Makes room for one datagram flow: one that a transaction can hardly need any more, if there is one nearby, else the next
    /// that was not used again since the search last came by. A flood of forged sources thus evicts itself before it evicts
    /// peers that are heard again and again, and a domain of more telephones than fit evicts those that are silent before those
    /// that ring.
    fn evict(&mut self, now: Instant) {
        let mut found = None;
        let mut looked = 0;
        for step in 0..2 * self.flows.capacity() {
            let at = (self.hand + step) % self.flows.capacity().max(1);
            let Some((id, entry)) = self.flows.at(at) else {
                continue;
            };
            if !matches!(entry.link, Link::Datagram(..)) {
                continue;
            }
            if now >= entry.used + SILENT {
                found = Some((id, at));
                break;
            }
            if found.is_some() {
                looked += 1;
                if looked >= NEARBY {
                    break;
                }
            } else if !std::mem::take(&mut entry.referenced) {
                found = Some((id, at));
            }
        }
        if let Some((id, at)) = found {
            self.hand = at + 1;
            self.stats.evicted_flows += 1;
            self.fail(id, FlowFailure::Evicted);
        }
    }
}

/// An INVITE may wait for its answer as long as a proxy lets it ring (Timer C, RFC 3261 §16.6).
const SILENT: Duration = Duration::from_secs(180);
/// How far a silent flow is looked for.
const NEARBY: u32 = 64;

/// What phones send to keep the binding of a NAT: line ends, or zero bytes.
fn is_keep_alive(payload: &[u8]) -> bool {
    payload.len() <= 16 && payload.iter().all(|&b| matches!(b, b'\r' | b'\n' | 0))
}
