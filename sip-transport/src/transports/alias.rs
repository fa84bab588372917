//! Connection reuse in the direction that it was not opened in: `alias` (RFC 5923).

use std::net::SocketAddr;

use super::Transports;
use crate::flow::Flow;
use crate::id::FlowId;
use crate::kind::TransportKind;

impl Transports {
    /// A request on a connection that the peer opened said `alias` in its topmost Via: it takes requests for its
    /// advertised address over this connection. `place` is the source address with the port of the sent-by (RFC 5923
    /// §8.2).
    pub(super) fn alias(&mut self, id: FlowId, place: SocketAddr) {
        let danger = self.config.danger_alias_without_certificate;
        let Some(entry) = self.flows.get_mut(id) else {
            return;
        };
        let flow = entry.flow;
        let Some(stream) = entry.link.stream_mut() else {
            return;
        };
        // RFC 5923 §9.2: "If the client does not present a certificate, the server MUST proceed as if the "alias" header
        // field parameter was not present".
        let is_proven = flow.kind.is_secure() && stream.peer().is_some();
        let wanted = stream.is_accepted() && stream.alias() != Some(place);
        if !wanted || !(is_proven || (danger && !flow.kind.is_secure())) {
            return;
        }
        let earlier = stream.set_alias(Some(place));
        self.forget_alias(id, &flow, earlier);
        let key = (flow.kind, place);
        // What leads there already is not displaced: it was found by asking for that very address, or came first.
        let known = self.stream_flows.get(&key).copied();
        let leads_there = known.is_some_and(|other| {
            let entry = self.flows.get_mut(other);
            entry.is_some_and(|entry| {
                let stream = entry.link.stream_mut();
                stream.is_some_and(|stream| stream.connection().is_some())
            })
        });
        if !leads_there {
            self.stream_flows.insert(key, id);
        }
    }

    /// Do our requests over a connection that we open say `alias`? RFC 5923 §9.3: "a normal TCP or SCTP connection cannot be
    /// used to send requests in the backwards direction without a significant risk"; a browser has nowhere to connect to.
    pub(super) const fn says_alias(&self, kind: TransportKind) -> bool {
        match kind {
            TransportKind::Tls | TransportKind::TlsSctp => self.config.alias,
            TransportKind::Tcp | TransportKind::Sctp => {
                self.config.alias && self.config.danger_alias_without_certificate
            }
            TransportKind::Udp | TransportKind::Ws | TransportKind::Wss => false,
        }
    }

    /// A connection has another alias, or none any more.
    pub(super) fn forget_alias(&mut self, id: FlowId, flow: &Flow, alias: Option<SocketAddr>) {
        if let Some(place) = alias {
            let key = (flow.kind, place);
            if self.stream_flows.get(&key) == Some(&id) {
                self.stream_flows.remove(&key);
            }
        }
    }

    /// May a selection of this address, which the flow has as an alias only, use the flow? RFC 5923 §8.2: only if the
    /// URI "matches one of the identities" of the peer. A name is compared by the caller; a numeric host is one of the
    /// addresses in the certificate or none.
    pub(super) fn is_good_alias(
        &mut self,
        id: FlowId,
        remote: SocketAddr,
        server_name: Option<&str>,
    ) -> bool {
        let Some(entry) = self.flows.get_mut(id) else {
            return false;
        };
        let flow = entry.flow;
        if flow.remote == remote || !flow.kind.is_secure() || server_name.is_some() {
            return true;
        }
        entry
            .link
            .stream_mut()
            .and_then(|stream| stream.peer())
            .is_some_and(|peer| peer.proves_address(remote.ip()))
    }
}
