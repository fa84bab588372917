//! [`Parts`]: what a stack is made of, and what they have in common.

use sip_dialog::Dialogs;
use sip_message::Method;
use sip_transaction::Transactions;
use sip_transport::Transports;

use crate::identity::Peers;
use crate::role::events::Events;
use crate::role::proxy::Proxy;
use crate::role::registrar::Registrar;
use crate::role::stateless::Stateless;

/// The parts of a stack; what is `None` is not there.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "the caller names every part")]
pub struct Parts {
    /// The flows.
    pub transports: Transports,
    /// The transactions.
    pub transactions: Transactions,
    /// The user agent.
    pub dialogs: Option<Dialogs>,
    /// The registrar.
    pub registrar: Option<Registrar>,
    /// The notifier of event packages.
    pub events: Option<Events>,
    /// The proxy, which also answers for the server itself.
    pub proxy: Option<Proxy>,
    /// The stateless proxy, which is asked before there is a transaction.
    pub stateless: Option<Stateless>,
    /// The methods that the application handles when no part takes a request.
    pub handled: Vec<Method>,
}

/// Who is trusted by certificate, told to the roles that do so.
pub(super) fn peers(parts: &mut Parts) -> Peers {
    let mut names = Vec::new();
    if let Some(registrar) = &parts.registrar {
        registrar.trusted_names(&mut names);
    }
    if let Some(events) = &parts.events {
        events.trusted_names(&mut names);
    }
    if let Some(proxy) = &parts.proxy {
        proxy.trusted_names(&mut names);
    }
    names.sort();
    names.dedup();
    let peers = Peers::new(&names);
    if let Some(registrar) = &mut parts.registrar {
        registrar.use_peers(&peers);
    }
    if let Some(events) = &mut parts.events {
        events.use_peers(&peers);
    }
    if let Some(proxy) = &mut parts.proxy {
        proxy.use_peers(&peers);
    }
    peers
}

/// What a server further on asks for is for all that goes there (RFC 7339 §5.3).
pub(super) fn share_throttle(parts: &mut Parts) {
    let Some(throttle) = parts.proxy.as_ref().and_then(Proxy::heeded) else {
        return;
    };
    if let Some(registrar) = &mut parts.registrar {
        registrar.use_throttle(throttle);
    }
    if let Some(events) = &mut parts.events {
        events.use_throttle(throttle);
    }
    if let Some(stateless) = &mut parts.stateless {
        stateless.use_throttle(throttle);
    }
}
