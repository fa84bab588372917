//! What the layer counted.

/// Counters of one layer since it was made. They only grow.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Client transactions started, those of CANCELs included.
    pub client_transactions: u64,
    /// Server transactions started.
    pub server_transactions: u64,
    /// Requests that a client transaction sent again.
    pub retransmitted_requests: u64,
    /// Responses that a server transaction sent again.
    pub retransmitted_responses: u64,
    /// Requests absorbed because they were retransmissions, ACKs to non-2xx included.
    pub absorbed_requests: u64,
    /// Copies of requests that the TU answered again
    /// ([`is_repeated`](crate::TransactionLayer::is_repeated)).
    pub repeated_requests: u64,
    /// Responses absorbed because they were retransmissions or came too late.
    pub absorbed_responses: u64,
    /// Responses that belong to no transaction.
    pub strays: u64,
    /// Client transactions that ended without a response (Timers B and F).
    pub timeouts: u64,
    /// INVITE server transactions that ended without an ACK (Timer H).
    pub ack_timeouts: u64,
    /// Requests answered 503 because [`max_server`](crate::TransactionConfig::max_server) was reached.
    pub refused_by_total: u64,
    /// Requests answered 503 because [`max_server_per_peer`](crate::TransactionConfig::max_server_per_peer) was
    /// reached.
    pub refused_by_peer: u64,
    /// Non-INVITE server transactions that had their final response and were forgotten before Timer J, because
    /// [`max_server`](crate::TransactionConfig::max_server) was reached.
    pub forgotten: u64,
    /// Requests of the TU refused because [`max_client`](crate::TransactionConfig::max_client) was reached.
    pub refused_clients: u64,
    /// Messages dropped because what identifies a transaction (Via, CSeq) is missing or broken.
    pub unidentifiable: u64,
}
