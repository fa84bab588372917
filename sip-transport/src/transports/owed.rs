//! Responses by datagram whose source is not there any more (RFC 3263 §5): the system says so by ICMP, after the response
//! was sent, so the last one is kept as long as its flow is.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::Transports;
use super::selection::Purpose;
use crate::flow::Flow;
use crate::id::ListenerId;
use crate::io::SelectError;
use crate::kind::TransportKind;
use crate::target::Target;

/// Whom the requests of a datagram flow say that they are from, and what they were answered last.
#[derive(Clone, Debug)]
pub(super) struct Owed {
    name: Box<str>,
    port: Option<u16>,
    response: Option<Bytes>,
}

/// A response that has to find another way.
#[derive(Debug)]
pub(super) struct Unanswered {
    response: Bytes,
    listener: ListenerId,
    failed: SocketAddr,
}

impl Owed {
    pub(super) fn new(name: &str, port: Option<u16>) -> Self {
        Self {
            name: name.into(),
            port,
            response: None,
        }
    }

    pub(super) fn is_for(&self, name: &str, port: Option<u16>) -> bool {
        *self.name == *name && self.port == port
    }

    /// Something is sent to the peer.
    pub(super) fn note(&mut self, payload: &Bytes) {
        // Of provisional ones the next is more interesting than the last.
        if payload.starts_with(b"SIP/2.0 ") && !payload.starts_with(b"SIP/2.0 1") {
            self.response = Some(payload.clone());
        }
    }
}

impl Transports {
    /// Notes the sent-by of a request that has a name in it.
    pub(super) fn owe(&mut self, flow: &Flow, owed: Option<Box<Owed>>) {
        let entry = self.flows.get_mut(flow.id);
        if let Some(place) = entry.and_then(|entry| entry.link.owed_mut()) {
            *place = owed;
        }
    }

    /// The responses to the requests of a flow go by another one.
    pub(super) fn owe_elsewhere(&mut self, flow: &Flow, reply: &Flow) {
        let Some(owed) = self.flows.get(flow.id).and_then(|entry| entry.link.owed()) else {
            return;
        };
        let is_noted = self
            .flows
            .get(reply.id)
            .and_then(|entry| entry.link.owed())
            .is_some_and(|noted| noted.is_for(&owed.name, owed.port));
        if !is_noted {
            let owed = Owed::new(&owed.name, owed.port);
            self.owe(reply, Some(Box::new(owed)));
        }
    }

    /// RFC 3263 §5: a response that could not be delivered goes where the sent-by leads: with a port to the addresses of
    /// the name, without one by its SRV records.
    pub(super) fn answer_elsewhere(
        &mut self,
        owed: Owed,
        listener: ListenerId,
        failed: SocketAddr,
        now: Instant,
    ) {
        let Some(response) = owed.response.filter(|_| self.config.honour_maddr) else {
            return;
        };
        let mut target = Target::name(&owed.name);
        target.port = owed.port;
        target.transport = Some(TransportKind::Udp);
        let unanswered = Unanswered {
            response,
            listener,
            failed,
        };
        self.look_up(target, Purpose::Owed(Box::new(unanswered)), now);
    }

    /// The answer of the domain name system about the sent-by of a request by datagram. It is sent once: whether it
    /// arrives is seen by the request not coming again.
    pub(super) fn on_owed_place(
        &mut self,
        unanswered: Unanswered,
        result: Result<Vec<(TransportKind, SocketAddr)>, SelectError>,
        now: Instant,
    ) {
        let Some(listener) = self.listener(unanswered.listener) else {
            return;
        };
        let is_usable = |place: &SocketAddr| {
            *place != unanswered.failed
                && place.is_ipv4() == listener.local.is_ipv4()
                && !place.ip().is_unspecified()
                && !place.ip().is_multicast()
                && place.port() != 0
        };
        let place = result
            .unwrap_or_default()
            .into_iter()
            .filter(|(kind, _)| *kind == TransportKind::Udp)
            .map(|(_, place)| place)
            .find(is_usable);
        if let Some(place) = place {
            let flow = self.datagram_flow(listener, place, now);
            self.stats.sent += 1;
            self.send_datagram(
                listener.id,
                listener.local,
                flow.remote,
                unanswered.response,
            );
        }
    }
}
