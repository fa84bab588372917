//! A whole server for tests, and what comes to it.

use std::net::SocketAddr;

use bytes::Bytes;
use sip_transaction::{TransactionConfig, Transactions};
use sip_transport::{ListenerId, Seed, TransportConfig, TransportKind, Transports};

use super::{Input, Parts, Stack};
use crate::auth::{AuthConfig, Authenticator};
use crate::domain::Domains;
use crate::role::proxy::{Proxy, ProxyConfig};
use crate::role::registrar::{Registrar, RegistrarConfig};

/// Where all datagrams come to.
pub(crate) const LISTENER: ListenerId = ListenerId::new(1);

/// The server of example.com, a registrar and a proxy at 192.0.2.10; the registrar asks who registers, or does not.
pub(crate) fn server(seed: &Seed, asks: bool) -> Stack {
    let local: SocketAddr = "192.0.2.10:5060".parse().unwrap();
    let mut domains = Domains::new("example.com");
    domains.add_address(local);
    let authenticator = asks.then(|| Authenticator::new(AuthConfig::new("example.com"), seed));
    let mut stack = Stack::new(Parts {
        transports: Transports::new(TransportConfig::default(), seed.derive("transport")),
        transactions: Transactions::new(TransactionConfig::default(), seed.derive("t")),
        dialogs: None,
        registrar: Some(Registrar::new(
            RegistrarConfig::new(domains.clone()),
            authenticator,
            seed,
        )),
        events: None,
        proxy: Some(Proxy::new(ProxyConfig::new(domains), None, seed)),
        handled: Vec::new(),
        stateless: None,
    });
    stack.add_listener(LISTENER, TransportKind::Udp, local);
    stack
}

/// A datagram from there.
pub(crate) fn datagram(remote: SocketAddr, payload: impl Into<Bytes>) -> Input {
    Input::Io(sip_transport::Input::Datagram {
        listener: LISTENER,
        remote,
        local: None,
        payload: payload.into(),
    })
}
