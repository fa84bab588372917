//! The names of transactions.

use std::fmt;

use crate::slab::Key;

/// A client transaction: one request that was sent, and its responses.
///
/// Ids are cheap to copy and never reused: an id whose transaction has ended stays invalid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientTransactionId(pub(crate) Key);

/// A server transaction: one request that was received, and its responses.
///
/// Ids are cheap to copy and never reused: an id whose transaction has ended stays invalid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerTransactionId(pub(crate) Key);

/// A transaction of either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a transaction has two sides")]
pub enum TransactionId {
    /// A client transaction.
    Client(ClientTransactionId),
    /// A server transaction.
    Server(ServerTransactionId),
}

/// The transaction that an id named has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct Gone;

impl ClientTransactionId {
    /// The index and the generation: the index is small and is used again, with another generation.
    #[must_use]
    pub const fn to_parts(self) -> (u32, u32) {
        (self.0.index, self.0.generation)
    }

    /// An id for a [`TransactionLayer`](crate::TransactionLayer) of one's own, such as a double in a test.
    ///
    /// ```
    /// use sip_transaction::ClientTransactionId;
    ///
    /// assert_eq!(format!("{:?}", ClientTransactionId::from_parts(12, 3)), "ClientTransaction(12.3)");
    /// ```
    #[must_use]
    pub const fn from_parts(index: u32, generation: u32) -> Self {
        Self(Key { index, generation })
    }
}

impl ServerTransactionId {
    /// The index and the generation: the index is small and is used again, with another generation.
    #[must_use]
    pub const fn to_parts(self) -> (u32, u32) {
        (self.0.index, self.0.generation)
    }

    /// An id for a [`TransactionLayer`](crate::TransactionLayer) of one's own, such as a double in a test.
    #[must_use]
    pub const fn from_parts(index: u32, generation: u32) -> Self {
        Self(Key { index, generation })
    }
}

impl fmt::Debug for ClientTransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ClientTransaction({}.{})",
            self.0.index, self.0.generation
        )
    }
}

impl fmt::Debug for ServerTransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ServerTransaction({}.{})",
            self.0.index, self.0.generation
        )
    }
}

impl From<ClientTransactionId> for TransactionId {
    fn from(id: ClientTransactionId) -> Self {
        Self::Client(id)
    }
}

impl From<ServerTransactionId> for TransactionId {
    fn from(id: ServerTransactionId) -> Self {
        Self::Server(id)
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the transaction has ended")
    }
}

impl std::error::Error for Gone {}
