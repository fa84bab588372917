//! Flow tokens: a flow, written into a URI that comes back (RFC 5626 §5.2).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use smallvec::SmallVec;

use super::{Link, Transports};
use crate::flow::Flow;
use crate::id::FlowId;
use crate::kind::TransportKind;
use crate::short_code::{ShortCode, hex_byte, hex_of};

/// Why a flow token names no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlowTokenError {
    /// We did not make it, or somebody changed it. RFC 5626 §5.3: answer 403.
    Forged,
    /// It is ours, and the flow is no more. RFC 5626 §5.3: answer 430.
    Gone,
}

impl fmt::Display for FlowTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forged => "the flow token is not ours",
            Self::Gone => "the flow of the token is gone",
        })
    }
}

impl std::error::Error for FlowTokenError {}

/// The bytes of the id of a flow, which are the last.
const ID: usize = 8;
/// The most bytes that a token says: a kind, two IPv6 addresses, a flow.
const MOST: usize = 1 + 2 * 19 + ID;

impl Transports {
    /// A token that names a flow in a URI of ours: the user part of a Path or Record-Route (RFC 5626 §5.1, §5.2). It
    /// cannot be forged or changed, holds nothing that a peer does not know, and needs no state here. `None` when there
    /// is no such flow.
    ///
    /// The token of a UDP flow is good as long as the socket and the key are
    /// ([`TransportConfig::flow_token_key`](crate::TransportConfig::flow_token_key)); that of a connection as long as
    /// the connection.
    #[must_use]
    pub fn flow_token(&mut self, flow: FlowId) -> Option<String> {
        let entry = self.flows.get(flow)?;
        if let Link::Stream(stream) = &entry.link
            && let Some(token) = &stream.token
        {
            return Some(token.as_ref().into());
        }
        let token = self.sign_flow(&entry.flow);
        if let Some(stream) = self.stream_mut(flow) {
            // It comes back with every call to there.
            stream.token = Some(token.as_str().into());
        }
        Some(token)
    }

    /// The token of a flow that need not be in this table: of several that share a
    /// [key](crate::TransportConfig::flow_token_key), one makes the token of a connection that another has.
    #[must_use]
    pub fn sign_flow(&self, flow: &Flow) -> String {
        let mut content = SmallVec::<[u8; 64]>::new();
        content.push(number(flow.kind));
        for addr in [flow.local, flow.remote] {
            match addr.ip() {
                IpAddr::V4(ip) => {
                    content.push(4);
                    content.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    content.push(6);
                    content.extend_from_slice(&ip.octets());
                }
            }
            content.extend_from_slice(&addr.port().to_be_bytes());
        }
        if flow.kind != TransportKind::Udp {
            // Two connections between the same addresses, one after the other, are two flows.
            content.extend_from_slice(&flow.id.index.to_be_bytes());
            content.extend_from_slice(&flow.id.generation.to_be_bytes());
        }
        // RFC 5626 §5.2 takes 80 bits of the code; so do we.
        hex_of(&[&self.token_codes.of(&content), &content])
    }

    /// What a token says, whether or not there is such a flow here; the id of a UDP flow is none.
    ///
    /// # Errors
    /// [`FlowTokenError::Forged`] when it was not made with our key.
    pub fn read_flow_token(&self, token: &str) -> Result<Flow, FlowTokenError> {
        let mut bytes = [0; ShortCode::LEN + MOST];
        let bytes = from_hex(token, &mut bytes).ok_or(FlowTokenError::Forged)?;
        let (code, content) = bytes
            .split_at_checked(ShortCode::LEN)
            .ok_or(FlowTokenError::Forged)?;
        if !self.token_codes.is_of(code, content) {
            return Err(FlowTokenError::Forged);
        }
        let (&kind, rest) = content.split_first().ok_or(FlowTokenError::Forged)?;
        let kind = kind_of(kind).ok_or(FlowTokenError::Forged)?;
        let (local, rest) = addr(rest).ok_or(FlowTokenError::Forged)?;
        let (remote, rest) = addr(rest).ok_or(FlowTokenError::Forged)?;
        let id = if kind == TransportKind::Udp {
            FlowId::from_parts(u32::MAX, u32::MAX)
        } else {
            id_of(rest).ok_or(FlowTokenError::Forged)?
        };
        Ok(Flow::new(id, kind, local, remote))
    }

    /// The flow that a token names. A UDP flow that was forgotten meanwhile is made again.
    ///
    /// # Errors
    /// When we did not make the token, or the flow is no more.
    pub fn flow_of_token(&mut self, token: &str, now: Instant) -> Result<Flow, FlowTokenError> {
        self.last_now = Some(now);
        if let Some(flow) = self.flow_of_own_token(token) {
            return Ok(flow);
        }
        let named = self.read_flow_token(token)?;
        if named.kind == TransportKind::Udp {
            let listener = self
                .listeners
                .iter()
                .find(|known| known.kind == TransportKind::Udp && known.local == named.local)
                .copied()
                .ok_or(FlowTokenError::Gone)?;
            return Ok(self.datagram_flow(listener, named.remote, now));
        }
        self.connected(&named).ok_or(FlowTokenError::Gone)
    }

    /// The connection whose token was made here, if it came back letter by letter: what it says need not be proven anew.
    fn flow_of_own_token(&self, token: &str) -> Option<Flow> {
        let mut id = [0; ID];
        let digits = token.as_bytes().last_chunk::<{ 2 * ID }>()?;
        for (byte, pair) in id.iter_mut().zip(digits.as_chunks::<2>().0) {
            *byte = hex_byte(*pair)?;
        }
        let entry = self.flows.get(id_of(&id)?)?;
        let Link::Stream(stream) = &entry.link else {
            return None;
        };
        let own = stream.token.as_deref()?.as_bytes();
        // Takes as long for one that is nearly right, so that none is found digit by digit.
        let differences = own
            .iter()
            .zip(token.as_bytes())
            .fold(0, |all, (own, other)| all | (own ^ other));
        let is_same = own.len() == token.len() && std::hint::black_box(differences) == 0;
        (is_same && stream.connection().is_some()).then_some(entry.flow)
    }

    /// The flow that was known by these words, if it still is the same one and its connection is open. After a restart
    /// with the same key a number may mean another flow.
    #[must_use]
    pub fn connected(&self, named: &Flow) -> Option<Flow> {
        let entry = self.flows.get(named.id)?;
        let is_it = entry.flow.kind == named.kind && entry.flow.remote == named.remote;
        match &entry.link {
            Link::Stream(stream) if is_it && stream.connection().is_some() => Some(entry.flow),
            Link::Stream(_) | Link::Datagram(..) => None,
        }
    }
}

const fn number(kind: TransportKind) -> u8 {
    match kind {
        TransportKind::Udp => 1,
        TransportKind::Tcp => 2,
        TransportKind::Tls => 3,
        TransportKind::Ws => 4,
        TransportKind::Wss => 5,
        TransportKind::Sctp => 6,
        TransportKind::TlsSctp => 7,
    }
}

const fn kind_of(number: u8) -> Option<TransportKind> {
    Some(match number {
        1 => TransportKind::Udp,
        2 => TransportKind::Tcp,
        3 => TransportKind::Tls,
        4 => TransportKind::Ws,
        5 => TransportKind::Wss,
        6 => TransportKind::Sctp,
        7 => TransportKind::TlsSctp,
        _ => return None,
    })
}

fn id_of(bytes: &[u8]) -> Option<FlowId> {
    let [index, generation] = *bytes.as_chunks::<4>().0 else {
        return None;
    };
    Some(FlowId {
        index: u32::from_be_bytes(index),
        generation: u32::from_be_bytes(generation),
    })
}

fn addr(bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (&family, rest) = bytes.split_first()?;
    let (ip, rest): (IpAddr, _) = if family == 4 {
        let (octets, rest) = rest.split_first_chunk::<4>()?;
        ((*octets).into(), rest)
    } else {
        let (octets, rest) = rest.split_first_chunk::<16>()?;
        ((*octets).into(), rest)
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((SocketAddr::new(ip, u16::from_be_bytes(*port)), rest))
}

/// Bytes of hexadecimal digits in either case: a URI that passed others may have changed it.
fn from_hex<'a>(text: &str, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let bytes = bytes.get_mut(..pairs.len())?;
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = hex_byte(*pair)?;
    }
    Some(bytes)
}
