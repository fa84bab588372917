//! `a=candidate` and `a=remote-candidates` (RFC 8839 §5.1, §5.2; TCP candidates RFC 6544 §4.5).

use alloc::string::String;
use core::fmt::Write as _;
use core::net::{IpAddr, SocketAddr};

use super::Attribute;
use crate::grammar::{Scan, ValueError, is_token};

/// Transport of a candidate. Compared without case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport<'a> {
    /// `UDP`.
    Udp,
    /// `TCP` (RFC 6544).
    Tcp,
    /// Another token; such a candidate is ignored.
    Other(&'a str),
}

/// `typ` of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CandidateKind<'a> {
    /// An address of an interface.
    Host,
    /// Seen by a STUN server.
    ServerReflexive,
    /// Seen by the peer.
    PeerReflexive,
    /// Of a TURN server.
    Relayed,
    /// Another token; such a candidate is ignored.
    Other(&'a str),
}

/// `tcptype` of a TCP candidate (RFC 6544 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the three types of RFC 6544 §4.5")]
pub enum TcpKind {
    /// Opens the connection.
    Active,
    /// Accepts the connection.
    Passive,
    /// Both at once.
    SimultaneousOpen,
}

/// `a=candidate` (RFC 8839 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8839 §5.1")]
pub struct Candidate<'a> {
    /// Equal for candidates of one origin.
    pub foundation: &'a str,
    /// 1 for RTP, 2 for RTCP.
    pub component: u16,
    /// How it is reached.
    pub transport: Transport<'a>,
    /// Higher is tried first.
    pub priority: u32,
    /// Address; a name (mDNS of browsers) is to be ignored unless it can be resolved.
    pub address: &'a str,
    /// Port.
    pub port: u16,
    /// How it was found.
    pub kind: CandidateKind<'a>,
    /// `raddr` and `rport`.
    pub related: Option<(&'a str, u16)>,
    /// Names and values after that, `tcptype` and `generation` among them.
    pub extensions: &'a str,
}

impl<'a> Candidate<'a> {
    /// The value of an extension.
    pub fn extension(&self, name: &str) -> Option<&'a str> {
        let mut words = self.extensions.split(' ').filter(|word| !word.is_empty());
        while let (Some(key), Some(value)) = (words.next(), words.next()) {
            if key == name {
                return Some(value);
            }
        }
        None
    }

    /// `tcptype`.
    pub fn tcp_kind(&self) -> Option<TcpKind> {
        match self.extension("tcptype")? {
            "active" => Some(TcpKind::Active),
            "passive" => Some(TcpKind::Passive),
            "so" => Some(TcpKind::SimultaneousOpen),
            _ => None,
        }
    }

    /// Where it is, unless the address is a name.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(
            self.address.parse::<IpAddr>().ok()?,
            self.port,
        ))
    }
}

impl<'a> Attribute<'a> for Candidate<'a> {
    const NAME: &'static str = "candidate";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let start = scan;
        let foundation = scan.word("the foundation is missing")?;
        if foundation.len() > 32 {
            return Err(start.error("the foundation has more than 32 characters"));
        }
        scan.spaces();
        let start = scan;
        let component = scan.number("the component is no number")?;
        if !(1..=256).contains(&component) {
            return Err(start.error("the component is not 1 to 256"));
        }
        let transport = match scan.next_word("the transport is missing")? {
            word if word.eq_ignore_ascii_case("udp") => Transport::Udp,
            word if word.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            word => Transport::Other(word),
        };
        scan.spaces();
        let priority = scan.number("the priority is not a 32-bit number")?;
        let address = scan.next_word("the address is missing")?;
        scan.spaces();
        let port = scan.number("the port is not 0 to 65535")?;
        let start = scan;
        if scan.next_word("`typ` is missing")? != "typ" {
            return Err(start.error("`typ` must follow the port"));
        }
        let kind = match scan.next_word("the type is missing")? {
            "host" => CandidateKind::Host,
            "srflx" => CandidateKind::ServerReflexive,
            "prflx" => CandidateKind::PeerReflexive,
            "relay" => CandidateKind::Relayed,
            other => CandidateKind::Other(other),
        };
        let mut related = None;
        let mut extensions = scan;
        extensions.spaces();
        let mut ahead = extensions;
        if ahead.word("").ok() == Some("raddr") {
            let address = ahead.next_word("the related address is missing")?;
            let start = ahead;
            if ahead.next_word("`rport` is missing")? != "rport" {
                return Err(start.error("`rport` must follow `raddr`"));
            }
            ahead.spaces();
            related = Some((address, ahead.number("the related port is not 0 to 65535")?));
            ahead.spaces();
            extensions = ahead;
        }
        let words = extensions
            .rest()
            .split(' ')
            .filter(|word| !word.is_empty())
            .count();
        if words % 2 != 0 {
            return Err(extensions.error("an extension has no value"));
        }
        Ok(Self {
            foundation,
            component,
            transport,
            priority,
            address,
            port,
            kind,
            related,
            extensions: extensions.rest().trim_end_matches(' '),
        })
    }

    fn encode(&self, out: &mut String) {
        let transport = match self.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Other(other) => other,
        };
        let kind = match self.kind {
            CandidateKind::Host => "host",
            CandidateKind::ServerReflexive => "srflx",
            CandidateKind::PeerReflexive => "prflx",
            CandidateKind::Relayed => "relay",
            CandidateKind::Other(other) => other,
        };
        let Self {
            foundation,
            component,
            priority,
            address,
            port,
            ..
        } = self;
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "{foundation} {component} {transport} {priority} {address} {port} typ {kind}"
        );
        if let Some((address, port)) = self.related {
            let _ = write!(out, " raddr {address} rport {port}");
        }
        if !self.extensions.is_empty() {
            let _ = write!(out, " {}", self.extensions);
        }
    }
}

/// `a=remote-candidates` (RFC 8839 §5.2): component, address and port of what the controlling side selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteCandidates<'a> {
    list: &'a str,
}

impl<'a> RemoteCandidates<'a> {
    /// Component, address and port of each.
    pub fn list(&self) -> impl Iterator<Item = (u16, &'a str, u16)> + use<'a> {
        let mut words = self.list.split(' ').filter(|word| !word.is_empty());
        core::iter::from_fn(move || {
            Some((
                crate::grammar::number(words.next()?)?,
                words.next()?,
                crate::grammar::number(words.next()?)?,
            ))
        })
    }
}

impl<'a> Attribute<'a> for RemoteCandidates<'a> {
    const NAME: &'static str = "remote-candidates";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let candidates = Self {
            list: value.trim_matches(' '),
        };
        let words = candidates
            .list
            .split(' ')
            .filter(|word| is_token(word) || word.contains(':'))
            .count();
        if words == 0 || candidates.list().count() * 3 != words {
            return Err(ValueError::new(
                0,
                "not a list of component, address and port",
            ));
        }
        Ok(candidates)
    }

    fn encode(&self, out: &mut String) {
        out.push_str(self.list);
    }
}
