//! Timer values and limits of one layer.

use std::time::Duration;

/// Timer values (RFC 3261 Appendix A) and limits. There is no global of any kind: two layers may differ.
///
/// ```
/// use std::time::Duration;
/// use sip_transaction::TransactionConfig;
///
/// let mut config = TransactionConfig::default();
/// config.t1 = Duration::from_millis(200); // a closed network with short round trips
/// assert_eq!(config.t2, Duration::from_secs(4));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionConfig {
    /// T1, the estimate of the round-trip time; most timers scale with it. 500 ms (RFC 3261 §17.1.1.1).
    pub t1: Duration,
    /// T2, the longest interval between retransmissions of a non-INVITE request or an INVITE response. 4 s.
    pub t2: Duration,
    /// T4, the longest time that the network keeps a message. 5 s.
    pub t4: Duration,
    /// Timer D on unreliable transports: at least 32 s (RFC 3261 §17.1.1.2).
    pub timer_d: Duration,
    /// How long the TU may take to answer an INVITE before the layer sends a 100. 200 ms (RFC 3261 §17.2.1).
    pub trying_after: Duration,
    /// Client transactions that may live at once; further ones end with [`Event::Refused`](crate::Event::Refused).
    /// 1,000,000. Stops a TU that forwards what peers send from growing without bound.
    pub max_client: usize,
    /// Server transactions that may live at once. For a further one the oldest non-INVITE transaction is forgotten that has
    /// its final response and only waits for copies of its request; when there is none the layer itself answers 503 with
    /// Retry-After. 1,000,000. Stops a flood of requests from filling the memory.
    pub max_server: usize,
    /// Requests that are known by a mark at once, because the TU can answer a copy of them again
    /// ([`respond_repeatably`](crate::TransactionLayer::respond_repeatably)); beyond, the oldest are forgotten; with 0 their transactions stay. A mark takes some
    /// 20 bytes. 4,000,000. Stops a flood of such requests from filling the memory.
    pub max_marks: usize,
    /// Server transactions of one peer that may live at once, over however many flows, without those that only wait for
    /// copies; further requests are answered 503. A peer is an IPv4 address or an IPv6 network of 64 bits. 100,000. Stops one peer from using up
    /// [`max_server`](Self::max_server) alone.
    pub max_server_per_peer: usize,
    /// The Retry-After of those answers, in whole seconds. 5 s.
    pub retry_after: Duration,
    /// The worker that owns this layer; its number is part of each branch (see [`Branch`](crate::Branch)). 0.
    pub worker: u16,
    /// Whether the Via of requests asks the next server how much it can take (`oc`, RFC 7339 §4.1): for a TU that does what
    /// the answer says. No.
    pub overload_control: bool,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            timer_d: Duration::from_secs(32),
            trying_after: Duration::from_millis(200),
            max_client: 1_000_000,
            max_server: 1_000_000,
            max_marks: 4_000_000,
            max_server_per_peer: 100_000,
            retry_after: Duration::from_secs(5),
            worker: 0,
            overload_control: false,
        }
    }
}
