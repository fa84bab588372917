//! [`Flow`]: how a message can get somewhere and back.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::id::FlowId;
use crate::kind::TransportKind;

/// A way to a peer and back: a pair of addresses over UDP, or one connection.
///
/// ```
/// use sip_transport::{Flow, FlowId, TransportKind};
/// let flow = Flow::new(
///     FlowId::from_parts(1, 1),
///     TransportKind::Udp,
///     "192.0.2.1:5060".parse().unwrap(),
///     "192.0.2.9:5062".parse().unwrap(),
/// );
/// assert_eq!(flow.sent_by().to_string(), "192.0.2.1:5060");
/// assert!(!flow.is_reliable());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Flow {
    /// What names it in [`Transports`](crate::Transports).
    pub id: FlowId,
    /// The transport protocol.
    pub kind: TransportKind,
    /// The local address that peers can reach: of a connection that we opened it is the address we listen on, because
    /// that is where a response goes when the connection is lost (RFC 3261 §18.1.1).
    pub local: SocketAddr,
    /// The address of the peer.
    pub remote: SocketAddr,
    /// Does a Via that we push say `alias`: that we take requests over this connection (RFC 5923 §8.1)? See
    /// [`TransportConfig::alias`](crate::TransportConfig::alias).
    pub alias: bool,
}

impl Flow {
    /// A flow from its parts: what [`Transports`](crate::Transports) hands out, and what tests of other layers make up.
    #[must_use]
    pub const fn new(
        id: FlowId,
        kind: TransportKind,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Self {
        Self {
            id,
            kind,
            local,
            remote,
            alias: false,
        }
    }

    /// Does the transport deliver or say that it did not (RFC 3261 §17)?
    #[must_use]
    pub const fn is_reliable(&self) -> bool {
        self.kind.is_reliable()
    }

    /// What a Via that we push says about where responses go (RFC 3261 §18.1.1): address and port, an IPv6 address in
    /// brackets.
    #[must_use]
    pub const fn sent_by(&self) -> SentBy {
        SentBy(self.local)
    }
}

/// The `sent-by` of a Via, and the host and port of a Contact or Record-Route: prints as `192.0.2.1:5060` or
/// `[2001:db8::1]:5060`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SentBy(SocketAddr);

impl SentBy {
    /// Address and port.
    #[must_use]
    pub const fn addr(self) -> SocketAddr {
        self.0
    }

    /// The address.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        self.0.ip()
    }

    /// The port.
    #[must_use]
    pub const fn port(self) -> u16 {
        self.0.port()
    }
}

impl From<SocketAddr> for SentBy {
    fn from(addr: SocketAddr) -> Self {
        Self(addr)
    }
}

impl fmt::Display for SentBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SocketAddr::V4(addr) => write!(f, "{}:{}", addr.ip(), addr.port()),
            // Without the zone, which means nothing to a peer and is not in the grammar (RFC 3261 §25.1 IPv6reference).
            SocketAddr::V6(addr) => write!(f, "[{}]:{}", addr.ip(), addr.port()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddrV6};

    use super::*;

    #[test]
    fn rfc3261_25_1_sent_by_has_no_zone() {
        let addr = SocketAddrV6::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1), 5060, 0, 3);
        assert_eq!(
            SentBy::from(SocketAddr::V6(addr)).to_string(),
            "[fe80::1]:5060"
        );
    }
}
