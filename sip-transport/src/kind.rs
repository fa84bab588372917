//! [`TransportKind`]: the transport protocols that carry SIP.

use std::fmt;

/// A transport protocol, as the sent-protocol of Via and the `transport` parameter of a URI name it.
///
/// ```
/// use sip_transport::TransportKind;
/// assert_eq!(TransportKind::from_uri_param("TCP"), Some(TransportKind::Tcp));
/// assert_eq!(TransportKind::Tls.via_token(), "TLS");
/// assert!(TransportKind::Tls.is_reliable() && TransportKind::Tls.is_secure());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TransportKind {
    /// UDP (RFC 3261 §18).
    Udp,
    /// TCP (RFC 3261 §18).
    Tcp,
    /// TLS over TCP (RFC 3261 §26.2.1).
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS (RFC 7118).
    Wss,
    /// SCTP (RFC 4168).
    Sctp,
    /// TLS over SCTP (RFC 4168).
    TlsSctp,
}

impl TransportKind {
    /// The transport of a Via sent-protocol (RFC 3261 §20.42, RFC 4168 §4, RFC 7118 §5). Case does not matter.
    #[must_use]
    pub fn from_via(token: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.via_token().eq_ignore_ascii_case(token))
    }

    /// The value of a `transport` URI parameter (RFC 3261 §19.1.1, RFC 7118 §5). `tls` is deprecated there and
    /// still understood (RFC 3261 §26.2.2).
    #[must_use]
    pub fn from_uri_param(value: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.uri_param().eq_ignore_ascii_case(value))
    }

    /// The transport in the sent-protocol of Via: `UDP`, `TLS-SCTP`, ...
    #[must_use]
    pub const fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
            Self::Sctp => "SCTP",
            Self::TlsSctp => "TLS-SCTP",
        }
    }

    /// The value of the `transport` URI parameter: `udp`, `tls-sctp`, ...
    #[must_use]
    pub const fn uri_param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Sctp => "sctp",
            Self::TlsSctp => "tls-sctp",
        }
    }

    /// Does it deliver or say that it did not? Retransmission timers are off over such transports (RFC 3261 §17).
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Is it encrypted and authenticated, as a `sips` URI asks (RFC 3261 §26.2.2)?
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss | Self::TlsSctp)
    }

    /// A stream of bytes in which messages are framed by Content-Length (RFC 3261 §18.3)?
    #[must_use]
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    /// The port without a port (RFC 3261 §19.1.2, RFC 7118 §5).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp | Self::Sctp => 5060,
            Self::Tls | Self::TlsSctp => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    const ALL: [Self; 7] = [
        Self::Udp,
        Self::Tcp,
        Self::Tls,
        Self::Ws,
        Self::Wss,
        Self::Sctp,
        Self::TlsSctp,
    ];
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.via_token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_in_any_case() {
        for kind in TransportKind::ALL {
            assert_eq!(
                TransportKind::from_via(&kind.via_token().to_ascii_lowercase()),
                Some(kind)
            );
            assert_eq!(
                TransportKind::from_uri_param(&kind.uri_param().to_ascii_uppercase()),
                Some(kind)
            );
        }
        assert_eq!(TransportKind::from_via("QUIC"), None);
    }

    #[test]
    fn rfc3261_19_1_2_default_ports() {
        assert_eq!(TransportKind::Udp.default_port(), 5060);
        assert_eq!(TransportKind::Tcp.default_port(), 5060);
        assert_eq!(TransportKind::Tls.default_port(), 5061);
    }
}
