//! [`Live`]: what a stack keeps at one moment.

use sip_dialog::Dialogs;

use super::Stack;
use crate::role::events::Events;
use crate::role::proxy::Proxy;

/// How much of what ends by itself is there now. All of it is zero again when nobody has asked for anything for long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Live {
    /// Transactions in which something was asked of us.
    pub server_transactions: usize,
    /// Transactions in which we have asked.
    pub client_transactions: usize,
    /// Requests that the proxy has not answered, and their branches.
    pub contexts: usize,
    /// Calls of the user agent.
    pub sessions: usize,
    /// Requests of the user agent outside of calls that wait for their answer.
    pub requests: usize,
    /// Subscriptions, of the user agent and of who watches the server.
    pub subscriptions: usize,
    /// Selections of a flow that wait for the domain name system.
    pub selections: usize,
}

impl Live {
    /// Whether nothing is there.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Stack {
    /// What is there now.
    #[must_use]
    pub fn live(&self) -> Live {
        let dialogs = self.dialogs.as_ref();
        let watched = self.events.as_ref().map_or(0, Events::subscriptions);
        Live {
            server_transactions: self.transactions.server_count(),
            client_transactions: self.transactions.client_count(),
            contexts: self.proxy.as_ref().map_or(0, Proxy::contexts),
            sessions: dialogs.map_or(0, Dialogs::session_count),
            requests: dialogs.map_or(0, Dialogs::request_count),
            subscriptions: watched + dialogs.map_or(0, Dialogs::subscription_count),
            selections: self.selecting.len(),
        }
    }
}
