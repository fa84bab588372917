//! [`Target`]: what RFC 3263 calls so: the host that a request is to reach, before any name is resolved.

use std::fmt;
use std::net::IpAddr;

use sip_message::{Host, UriRef};

use crate::kind::TransportKind;

/// Where a request is to go: host, and what the URI says about port and transport (RFC 3263 §4).
///
/// ```
/// use sip_message::UriRef;
/// use sip_transport::{Target, TransportKind};
/// let uri = UriRef::parse("sip:alice@example.com:5080;transport=tcp").unwrap();
/// let target = Target::from_uri(uri).unwrap();
/// assert_eq!(target.port, Some(5080));
/// assert_eq!(target.transport, Some(TransportKind::Tcp));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Target {
    /// The host: `maddr` if the URI has it, else its host (RFC 3263 §4).
    pub host: TargetHost,
    /// The port that was written.
    pub port: Option<u16>,
    /// The transport that was written.
    pub transport: Option<TransportKind>,
    /// Was it a `sips` URI: only secure transports will do (RFC 3261 §26.2.2)?
    pub secure: bool,
}

/// A host in its own allocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a host is a name or an address")]
pub enum TargetHost {
    /// A domain name, in lower case, without a final dot.
    Name(Box<str>),
    /// An address.
    Ip(IpAddr),
}

impl Target {
    /// A target that is an address: nothing is resolved.
    #[must_use]
    pub const fn ip(ip: IpAddr, port: Option<u16>, transport: Option<TransportKind>) -> Self {
        Self {
            host: TargetHost::Ip(ip),
            port,
            transport,
            secure: false,
        }
    }

    /// A target whose host is known. A port of 0 is none.
    #[must_use]
    pub fn at(host: TargetHost, port: Option<u16>, transport: Option<TransportKind>) -> Self {
        Self {
            host,
            port: port.filter(|&port| port != 0),
            transport,
            secure: false,
        }
    }

    /// The target of a Request-URI or of the topmost Route (RFC 3261 §8.1.2, RFC 3263 §4).
    ///
    /// # Errors
    /// When the URI is not a SIP URI, has no host that can be a target, or names a transport that SIP does not know.
    pub fn from_uri(uri: UriRef<'_>) -> Result<Self, TargetError> {
        let host = uri.host().ok_or(TargetError::Scheme)?;
        let secure = uri.is_secure();
        let transport = match uri.param("transport") {
            None => None,
            Some(value) => {
                Some(TransportKind::from_uri_param(value).ok_or(TargetError::Transport)?)
            }
        };
        // RFC 3261 §26.2.2: "transport=tcp" of a sips URI means TLS over TCP.
        let transport = match transport {
            Some(TransportKind::Tcp) if secure => Some(TransportKind::Tls),
            Some(TransportKind::Ws) if secure => Some(TransportKind::Wss),
            Some(TransportKind::Sctp) if secure => Some(TransportKind::TlsSctp),
            other => other,
        };
        // RFC 3263 §4: "If there is a maddr parameter, TARGET is the value of that".
        let host = match uri.param("maddr") {
            None => host,
            Some(maddr) => parse_host(maddr).ok_or(TargetError::Maddr)?,
        };
        Ok(Self {
            host: TargetHost::from(host),
            port: uri.port().filter(|&port| port != 0),
            transport,
            secure,
        })
    }
}

/// A host of a parameter; an IPv6 address stands there with and without brackets (RFC 5118 §4.5).
pub(crate) fn parse_host(text: &str) -> Option<Host<'_>> {
    text.parse::<IpAddr>()
        .ok()
        .map(Host::from)
        .or_else(|| Host::parse(text))
}

impl From<Host<'_>> for TargetHost {
    fn from(host: Host<'_>) -> Self {
        match host {
            Host::Name(name) => Self::Name(
                name.trim_end_matches('.')
                    .to_ascii_lowercase()
                    .into_boxed_str(),
            ),
            Host::V4(ip) => Self::Ip(IpAddr::V4(ip)),
            Host::V6(ip) => Self::Ip(IpAddr::V6(ip)),
        }
    }
}

impl fmt::Display for TargetHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(ip) => Host::from(*ip).fmt(f),
        }
    }
}

/// Why a URI is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetError {
    /// Not `sip` or `sips`: someone above must translate it (RFC 3261 §8.2.2.1: 416).
    Scheme,
    /// The `transport` parameter names a transport that SIP does not know.
    Transport,
    /// The `maddr` parameter is not a host.
    Maddr,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the URI is not a SIP URI, so there is no host to send to",
            Self::Transport => "the transport parameter of the URI names no known transport",
            Self::Maddr => "the maddr parameter of the URI is not a host",
        })
    }
}

impl std::error::Error for TargetError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Result<Target, TargetError> {
        Target::from_uri(UriRef::parse(uri).unwrap())
    }

    #[test]
    fn rfc3263_4_maddr_is_the_target() {
        assert_eq!(
            target("sip:a@example.com;maddr=192.0.2.3")
                .unwrap()
                .host
                .to_string(),
            "192.0.2.3"
        );
        assert_eq!(
            target("sip:a@example.com;maddr=[2001:db8::3]")
                .unwrap()
                .host
                .to_string(),
            "[2001:db8::3]"
        );
        assert_eq!(
            target("sip:a@Example.COM.").unwrap().host,
            TargetHost::Name("example.com".into())
        );
    }

    #[test]
    fn rfc3261_26_2_2_sips_over_tcp_is_tls() {
        let target = target("sips:a@example.com;transport=tcp").unwrap();
        assert!(target.secure);
        assert_eq!(target.transport, Some(TransportKind::Tls));
    }

    #[test]
    fn what_is_no_target_says_why() {
        assert_eq!(target("tel:+15551234"), Err(TargetError::Scheme));
        assert_eq!(
            target("sip:a@h;transport=pigeon"),
            Err(TargetError::Transport)
        );
        assert_eq!(target("sip:a@h;maddr=a%20b"), Err(TargetError::Maddr));
    }
}
