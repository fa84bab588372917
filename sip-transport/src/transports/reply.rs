//! Names on the way of a response (RFC 3261 §18.2.2, RFC 3263 §5): a `maddr` that is a name, and the sent-by, where the
//! connection of the request is gone and nobody listens at its source.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use sip_message::{BoxedMessage, Host};

use super::selection::Purpose;
use super::stream::{Contact, State, Stream};
use super::{Entry, Link, Transports};
use crate::flow::Flow;
use crate::id::FlowId;
use crate::io::{FlowFailure, SelectError};
use crate::kind::TransportKind;
use crate::route::Listener;
use crate::target::{Target, TargetHost};

/// Where responses go when they cannot go back over their connection, nor to where it came from.
#[derive(Debug)]
pub(super) struct Reply {
    /// The sent-by of the last request.
    name: Box<str>,
    port: Option<u16>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Untried,
    /// The domain name system is asked; these wait for it.
    Asked {
        waiting: Vec<Bytes>,
        cause: FlowFailure,
    },
    /// What is left to be tried, the next last.
    Places(Vec<SocketAddr>),
}

/// A request that waits until it is known where its response goes.
#[derive(Debug)]
pub(super) struct Held {
    message: BoxedMessage,
    flow: Flow,
    listener: Listener,
}

impl Reply {
    /// What waits for the domain name system.
    pub(super) const fn waiting(&mut self) -> Option<&mut Vec<Bytes>> {
        match &mut self.stage {
            Stage::Asked { waiting, .. } => Some(waiting),
            Stage::Untried | Stage::Places(_) => None,
        }
    }
}

/// Requests that wait at once: whoever sends more names is answered at the source. It stops a flood of them from
/// filling memory and from making us ask without end.
const HELD: usize = 64;

impl Stream {
    /// Notes the sent-by of a request that has a name in it.
    pub(super) fn note_sent_by(&mut self, name: &str, port: Option<u16>) {
        match &self.reply {
            Some(reply) if *reply.name == *name && reply.port == port => {}
            _ => {
                self.reply = Some(Box::new(Reply {
                    name: name.into(),
                    port,
                    stage: Stage::Untried,
                }));
            }
        }
    }

    /// The reply state for a connection that was open: everything may be tried again.
    pub(super) fn take_reply(&mut self) -> Option<Box<Reply>> {
        let mut reply = self.reply.take()?;
        reply.stage = Stage::Untried;
        Some(reply)
    }
}

impl Transports {
    /// A connection for responses could not be opened. RFC 3263 §5: then the sent-by says where to go. Was something found
    /// to be done?
    pub(super) fn reply_elsewhere(
        &mut self,
        id: FlowId,
        waiting: Vec<Bytes>,
        cause: FlowFailure,
        now: Instant,
    ) -> bool {
        let Some(entry) = self.flows.get_mut(id).filter(|_| !waiting.is_empty()) else {
            return false;
        };
        let kind = entry.flow.kind;
        let Some(reply) = entry
            .link
            .stream_mut()
            .and_then(|stream| stream.reply.as_mut())
        else {
            return false;
        };
        match &mut reply.stage {
            Stage::Untried => {
                // RFC 3263 §5: with a port the addresses of the name; without one the SRV records of the transport.
                let mut target = Target::name(&reply.name);
                target.port = reply.port;
                target.transport = Some(kind);
                target.secure = kind.is_secure();
                reply.stage = Stage::Asked { waiting, cause };
                self.look_up(target, Purpose::Reply(id), now);
                true
            }
            Stage::Places(places) => match places.pop() {
                Some(place) => self.reply_to(id, place, waiting, now),
                None => false,
            },
            Stage::Asked { .. } => false,
        }
    }

    /// The answer of the domain name system about a sent-by.
    pub(super) fn on_reply_places(
        &mut self,
        id: FlowId,
        result: Result<Vec<(TransportKind, SocketAddr)>, SelectError>,
        now: Instant,
    ) {
        let Some(Entry {
            flow,
            link: Link::Stream(stream),
            ..
        }) = self.flows.get_mut(id)
        else {
            return;
        };
        let (kind, failed) = (flow.kind, flow.remote);
        let Some(reply) = &mut stream.reply else {
            return;
        };
        let stage = std::mem::replace(&mut reply.stage, Stage::Places(Vec::new()));
        let Stage::Asked { waiting, cause } = stage else {
            return;
        };
        let mut places: Vec<SocketAddr> = result
            .unwrap_or_default()
            .into_iter()
            .filter(|&(other, place)| other == kind && place != failed && place.port() != 0)
            .map(|(_, place)| place)
            .collect();
        places.reverse();
        let first = places.pop();
        reply.stage = Stage::Places(places);
        let is_on_its_way = first.is_some_and(|place| self.reply_to(id, place, waiting, now));
        if !is_on_its_way {
            self.fail(id, cause);
        }
    }

    /// Opens a connection for responses to a place.
    fn reply_to(
        &mut self,
        id: FlowId,
        place: SocketAddr,
        waiting: Vec<Bytes>,
        now: Instant,
    ) -> bool {
        let Some(Entry {
            flow,
            link: Link::Stream(stream),
            ..
        }) = self.flows.get_mut(id)
        else {
            return false;
        };
        flow.remote = place;
        stream.token = None;
        if flow.kind.is_secure() {
            // RFC 5922 §7.2: whom the name leads to has to prove that name.
            stream.server_name = stream.reply.as_ref().map(|reply| reply.name.clone());
        }
        if matches!(self.connect(id, now), Contact::Refused) {
            return false;
        }
        if let Some(Entry {
            link: Link::Stream(stream),
            ..
        }) = self.flows.get_mut(id)
            && let State::Connecting { waiting: queue, .. } = &mut stream.state
        {
            queue.extend(waiting);
        }
        true
    }

    /// Holds a request whose `maddr` is a name until its address is known (RFC 3261 §18.2.2), or gives it back.
    pub(super) fn hold(
        &mut self,
        message: BoxedMessage,
        flow: Flow,
        listener: Listener,
        (name, port): (&str, u16),
        now: Instant,
    ) -> Option<BoxedMessage> {
        if self.held >= HELD || self.selections.len() >= self.config.limits.selections {
            return Some(message);
        }
        self.held += 1;
        let mut target = Target::name(name);
        target.port = Some(port);
        target.transport = Some(TransportKind::Udp);
        let held = Held {
            message,
            flow,
            listener,
        };
        self.look_up(target, Purpose::Request(Box::new(held)), now);
        None
    }

    /// The answer of the domain name system about a `maddr`. Without one the response goes to the source.
    pub(super) fn on_held_place(
        &mut self,
        held: Held,
        result: Result<Vec<(TransportKind, SocketAddr)>, SelectError>,
        now: Instant,
    ) {
        self.held = self.held.saturating_sub(1);
        let remote = held.flow.remote;
        let flow = self.datagram_flow(held.listener, remote, now);
        let is_usable = |place: &SocketAddr| {
            place.is_ipv4() == remote.is_ipv4() && !place.ip().is_unspecified() && place.port() != 0
        };
        let place = result
            .unwrap_or_default()
            .into_iter()
            .map(|(_, place)| place)
            .find(is_usable);
        let reply = place.map_or(flow, |place| self.datagram_flow(held.listener, place, now));
        self.outputs.message(held.message, flow, reply);
    }
}

impl Target {
    pub(super) fn name(name: &str) -> Self {
        let mut target = Self::ip(std::net::Ipv4Addr::UNSPECIFIED.into(), None, None);
        target.host = TargetHost::from(Host::Name(name));
        target
    }
}
