//! What a console shows: [`Listed`].

use super::Transactions;
use crate::{ClientTransactionId, FlowId, ServerTransactionId, TransactionId};

/// A transaction, as a console shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// Its name.
    pub id: TransactionId,
    /// Its state, by the name in the RFC.
    pub state: &'static str,
    /// The flow that it sends on.
    pub flow: FlowId,
}

impl Transactions {
    /// The transactions that there are, those of the server first. Walks over them: for people, and with a `take`.
    pub fn list(&self) -> impl Iterator<Item = Listed> + '_ {
        let servers = self.servers.entries().map(|(key, server)| Listed {
            id: TransactionId::Server(ServerTransactionId(key)),
            state: server.state_name(),
            flow: server.flow(),
        });
        let clients = self.clients.entries().map(|(key, client)| Listed {
            id: TransactionId::Client(ClientTransactionId(key)),
            state: client.state_name(),
            flow: client.flow(),
        });
        servers.chain(clients)
    }
}
