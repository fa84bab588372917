//! What goes into [`Transports`](crate::Transports) and what comes out: the boundary to the sockets.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use sip_message::{BoxedMessage, ParseError, StatusCode};

use crate::flow::Flow;
use crate::id::{ConnectionId, FlowId, ListenerId, ResolveId, SelectId};
use crate::identity::PeerIdentity;
use crate::kind::TransportKind;

/// What a driver has to tell the core.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the boundary to drivers: a variant that one of them ignores must not compile"
)]
pub enum Input {
    /// A datagram arrived.
    Datagram {
        /// The socket it arrived on.
        listener: ListenerId,
        /// Where it came from.
        remote: SocketAddr,
        /// The address it was sent to, where the socket is bound to a wildcard and the system told.
        local: Option<IpAddr>,
        /// Its bytes.
        payload: Bytes,
    },
    /// The system says that datagrams to this peer do not arrive (ICMP).
    DatagramFailed {
        /// The socket that sent.
        listener: ListenerId,
        /// The peer that was not reached.
        remote: SocketAddr,
    },
    /// A peer opened a connection.
    Accepted {
        /// Minted by the driver.
        connection: ConnectionId,
        /// The socket it was accepted on.
        listener: ListenerId,
        /// The peer.
        remote: SocketAddr,
    },
    /// A connection that [`Output::Connect`] asked for is open.
    Connected {
        /// Which.
        connection: ConnectionId,
        /// Its local address, with the port that the system chose.
        local: SocketAddr,
    },
    /// The security handshake of a connection is done. Comes before anything else that happens on a connection that
    /// was accepted, and before [`Input::Connected`] of one that we opened.
    Secured {
        /// Which.
        connection: ConnectionId,
        /// What the verified certificate of the peer proves; `None` if it showed none.
        peer: Option<Arc<PeerIdentity>>,
    },
    /// Bytes of a stream arrived, or one message of a WebSocket.
    Stream {
        /// On which connection.
        connection: ConnectionId,
        /// What arrived; never empty.
        payload: Bytes,
    },
    /// Bytes of [`Output::Stream`] were taken by the system.
    Sent {
        /// On which connection.
        connection: ConnectionId,
        /// How many since the last time.
        bytes: usize,
    },
    /// The peer of a connection will send nothing more, and may still read: it has shut its side only, or closed
    /// altogether, which looks the same. A driver that does not tell the two apart, or whose transport has no such
    /// state (TLS, WebSocket, SCTP), says [`Input::Closed`].
    Ended {
        /// Which.
        connection: ConnectionId,
    },
    /// A connection is closed, or could not be opened. The last word about it from the driver.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Why; `None` if the peer closed it in good order.
        error: Option<ConnectionError>,
    },
    /// The answer to [`Output::Resolve`].
    Resolved {
        /// The question.
        id: ResolveId,
        /// What the domain name system said.
        result: Result<Answer, ResolveError>,
    },
}

/// What the core wants done, in this order.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the boundary to drivers: a variant that one of them ignores must not compile"
)]
pub enum Output {
    /// Send a datagram. If the socket takes no more it may be dropped, and counted.
    Datagram {
        /// From which socket.
        listener: ListenerId,
        /// To whom.
        remote: SocketAddr,
        /// The bytes.
        payload: Bytes,
    },
    /// Write to a connection, in order, and say so by [`Input::Sent`]. The core bounds what is outstanding.
    Stream {
        /// Which.
        connection: ConnectionId,
        /// The bytes; over a WebSocket one message.
        payload: Bytes,
    },
    /// Open a connection; answered by [`Input::Connected`] or [`Input::Closed`].
    Connect {
        /// The id it will have.
        connection: ConnectionId,
        /// The transport.
        kind: TransportKind,
        /// The peer.
        remote: SocketAddr,
        /// The local address to use, if several might serve.
        local: Option<IpAddr>,
        /// The name that was resolved to this peer: what a certificate must prove (RFC 5922 §7.2).
        server_name: Option<Box<str>>,
    },
    /// Write what was given, then close. Nothing about this connection is wanted any more.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Ask the domain name system; answered by [`Input::Resolved`].
    Resolve {
        /// To be repeated in the answer.
        id: ResolveId,
        /// What to ask.
        question: Question,
        /// The name, without a final dot; it is absolute.
        name: Box<str>,
    },
    /// For the layer above, not for the driver.
    Event(Event),
}

/// A type of question to the domain name system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver must know what it is asked"
)]
pub enum Question {
    /// NAPTR records (RFC 3263 §4.1).
    Naptr,
    /// SRV records (RFC 2782).
    Srv,
    /// A and AAAA records.
    Address,
}

/// What the domain name system answered. An empty list means that the name has no such record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one for each question")]
pub enum Answer {
    /// To [`Question::Naptr`].
    Naptr(Vec<NaptrRecord>),
    /// To [`Question::Srv`].
    Srv(Vec<SrvRecord>),
    /// To [`Question::Address`], in the order of preference of the system.
    Addresses(Vec<IpAddr>),
}

/// A NAPTR record (RFC 3403 §4.1), without the regular expression, which SIP leaves empty (RFC 3263 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a record of the domain name system"
)]
pub struct NaptrRecord {
    /// Lower first.
    pub order: u16,
    /// Lower first among equal orders.
    pub preference: u16,
    /// `s`: the replacement has SRV records; `a`: it has addresses.
    pub flags: Box<str>,
    /// `SIP+D2U`, `SIPS+D2T`, ...
    pub service: Box<str>,
    /// The name to ask next.
    pub replacement: Box<str>,
}

/// A NAPTR record that rewrites (RFC 3403 §4.1), as ENUM has them (RFC 6116).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewrite {
    /// Lower first.
    pub order: u16,
    /// Lower first among equal orders.
    pub preference: u16,
    /// `u`: the rule makes a URI; none: the replacement is the name to ask next.
    pub flags: Box<str>,
    /// `E2U+sip`, ...
    pub service: Box<str>,
    /// The rule, `!expression!replacement!`, as it stands in the record.
    pub regexp: Box<str>,
    /// The name to ask next.
    pub replacement: Box<str>,
}

impl Rewrite {
    /// A record with these fields, in their order.
    #[must_use]
    pub fn new(
        order: u16,
        preference: u16,
        flags: &str,
        service: &str,
        regexp: &str,
        replacement: &str,
    ) -> Self {
        Self {
            order,
            preference,
            flags: flags.into(),
            service: service.into(),
            regexp: regexp.into(),
            replacement: replacement.into(),
        }
    }
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a record of the domain name system"
)]
pub struct SrvRecord {
    /// Lower first.
    pub priority: u16,
    /// The share among equal priorities.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host.
    pub target: Box<str>,
}

/// Why there is no answer from the domain name system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResolveError {
    /// The name does not exist, or has no record of the type.
    NotFound,
    /// This resolver cannot ask for records of this type.
    Unsupported,
    /// The servers did not answer in time.
    TimedOut,
    /// The servers answered with a failure, or could not be asked.
    Failed,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "the name does not exist",
            Self::Unsupported => "this resolver does not know records of this type",
            Self::TimedOut => "the name servers did not answer in time",
            Self::Failed => "the name servers answered with a failure",
        })
    }
}

impl std::error::Error for ResolveError {}

/// Why a connection is no more, or was never there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionError {
    /// Nobody listens there.
    Refused,
    /// No way leads there.
    Unreachable,
    /// The peer, or something between, reset it.
    Reset,
    /// The system gave up.
    TimedOut,
    /// The certificate of the peer does not prove what it should.
    Certificate(CertificateFault),
    /// The peer refused our certificate, or wanted one and got none.
    OwnCertificate,
    /// The security handshake failed otherwise.
    Security,
    /// The transport is not built in or not configured here.
    Unsupported,
    /// Any other error of the system.
    Other,
}

impl ConnectionError {
    /// The error that a system error means.
    #[must_use]
    pub fn from_io(error: &io::Error) -> Self {
        use io::ErrorKind as K;
        let kind = error.kind();
        if kind == K::ConnectionRefused {
            Self::Refused
        } else if matches!(
            kind,
            K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown | K::AddrNotAvailable
        ) {
            Self::Unreachable
        } else if matches!(
            kind,
            K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof
        ) {
            Self::Reset
        } else if kind == K::TimedOut {
            Self::TimedOut
        } else if kind == K::Unsupported {
            Self::Unsupported
        } else {
            Self::Other
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Unreachable => "no route to the peer",
            Self::Reset => "connection reset",
            Self::TimedOut => "connection timed out",
            Self::Certificate(fault) => return fault.fmt(f),
            Self::OwnCertificate => "the peer does not accept our certificate",
            Self::Security => "the security handshake failed",
            Self::Unsupported => "the transport is not available here",
            Self::Other => "the system reported an error",
        })
    }
}

impl std::error::Error for ConnectionError {}

/// What is wrong with the certificate of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateFault {
    /// Its time is over.
    Expired,
    /// Its time has not begun, or the clock here is wrong.
    NotYetValid,
    /// No authority that is trusted here signed it.
    UnknownAuthority,
    /// It names another domain than the one that is to be reached (RFC 5922 §7.2).
    OtherName,
    /// There is none, and one was required.
    Missing,
    /// It is broken, revoked, or not meant for this use.
    Invalid,
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the certificate of the peer has expired",
            Self::NotYetValid => "the certificate of the peer is not valid yet",
            Self::UnknownAuthority => {
                "the certificate of the peer is signed by nobody who is trusted here"
            }
            Self::OtherName => "the certificate of the peer names another domain",
            Self::Missing => "the peer has shown no certificate",
            Self::Invalid => "the certificate of the peer is not valid",
        })
    }
}

/// What happened, for the layer above.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A message arrived. The topmost Via of a request has `received` and `rport` (RFC 3261 §18.2.1, RFC 3581 §4);
    /// a response names us in its topmost Via (§18.1.2).
    Message {
        /// The message.
        message: BoxedMessage,
        /// The flow it came on.
        flow: Flow,
        /// The flow on which responses to it go (RFC 3261 §18.2.2); of a response the same as `flow`.
        reply: Flow,
    },
    /// Something arrived that is not a message. Counted; what can be answered was answered (RFC 3261 §18.3, §21.4.1).
    Malformed {
        /// The transport.
        kind: TransportKind,
        /// The local address.
        local: SocketAddr,
        /// Who sent it.
        remote: SocketAddr,
        /// What is wrong with it.
        error: Malformed,
        /// The answer that was sent.
        answered: Option<StatusCode>,
    },
    /// A flow does not work, or no longer does. What was sent and not answered may be lost.
    FlowFailed {
        /// Which.
        flow: FlowId,
        /// Why.
        cause: FlowFailure,
        /// May [`send`](crate::Transports::send) still be called? Then it opens a connection to where RFC 3261
        /// §18.2.2 says that responses go. Requests in flight have failed in either case.
        reopens: bool,
    },
    /// A selection is finished.
    Selected {
        /// What [`select`](crate::Transports::select) returned.
        id: SelectId,
        /// The flows to try, in this order; at least one.
        result: Result<Vec<Flow>, SelectError>,
    },
    /// A message, or what should have been one, as it travels: only while
    /// [`capture`](crate::Transports::capture) is on.
    Captured(Captured),
    /// The peer answered our keep-alive (RFC 5626 §4.4.1).
    Pong {
        /// On which flow.
        flow: FlowId,
    },
}

/// A copy of what travels, for traces and captures. The bytes are shared with the message, not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Captured {
    /// Did we send it?
    pub sent: bool,
    /// The transport.
    pub kind: TransportKind,
    /// Our address; of a connection the one it has, not the one that we listen on.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The message as it is on the wire, without keep-alives.
    pub payload: Bytes,
}

impl Captured {
    /// A message that travelled: what [`Transports`](crate::Transports) hands out, and what tests and tools make up.
    #[must_use]
    pub const fn new(
        sent: bool,
        kind: TransportKind,
        local: SocketAddr,
        remote: SocketAddr,
        payload: Bytes,
    ) -> Self {
        Self {
            sent,
            kind,
            local,
            remote,
            payload,
        }
    }
}

/// What was wrong with something that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// It is not a SIP message, or one that breaks the grammar.
    Syntax(ParseError),
    /// A response whose topmost Via names someone else (RFC 3261 §18.1.2).
    Misdirected,
    /// A message began and was not complete in time.
    Slow,
    /// It came from an address to which nothing can be sent: port 0, a multicast group.
    Source,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => error.fmt(f),
            Self::Misdirected => f.write_str("a response to a request that is not ours"),
            Self::Slow => f.write_str("a message that was not complete in time"),
            Self::Source => f.write_str("a source address that cannot be answered"),
        }
    }
}

/// Why a flow failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlowFailure {
    /// The connection could not be opened.
    Connect(ConnectionError),
    /// The connection was lost.
    Lost(ConnectionError),
    /// The peer closed the connection.
    Closed,
    /// The peer sent what cannot be framed, and was disconnected.
    Malformed,
    /// The peer does not read, or takes too long to send a message.
    Slow,
    /// The peer did not answer our keep-alive (RFC 5626 §4.4.1).
    NoPong,
    /// The peer sees us at another address than before: a NAT has given the flow away (RFC 5626 §4.4.2).
    Moved,
    /// More bytes waited to be sent than the limit allows.
    Overflow,
    /// The peer cannot be reached by datagrams (ICMP).
    Unreachable,
    /// Nothing passed for the configured time.
    Idle,
    /// A limit was reached, and this flow had to go.
    Evicted,
}

impl fmt::Display for FlowFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "could not connect: {error}"),
            Self::Lost(error) => write!(f, "connection lost: {error}"),
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::Malformed => f.write_str("the peer sent what is not SIP"),
            Self::Slow => f.write_str("the peer is too slow"),
            Self::Moved => f.write_str("the peer sees us at another address"),
            Self::NoPong => f.write_str("the peer did not answer a keep-alive"),
            Self::Overflow => f.write_str("too much waits to be sent"),
            Self::Unreachable => f.write_str("the peer cannot be reached"),
            Self::Idle => f.write_str("nothing passed for a long time"),
            Self::Evicted => f.write_str("there are too many flows"),
        }
    }
}

/// Why no flow leads to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SelectError {
    /// A `sips` target, and no secure transport here.
    NoSecureTransport,
    /// The transport that the URI asks for is not available here.
    NoTransport(TransportKind),
    /// No socket of ours can reach an address of this target: the other family, or only loopback.
    NoRoute,
    /// The name cannot be resolved.
    Resolve(ResolveError),
    /// Too many selections or flows at once; the limit is configuration.
    Limit,
    /// The resolver did not answer within the configured time.
    TimedOut,
    /// All addresses of the target were tried at the same time (RFC 8305), and none could be connected to.
    Connect(ConnectionError),
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSecureTransport => {
                f.write_str("a sips URI needs TLS, which is not available here")
            }
            Self::NoTransport(kind) => write!(f, "the transport {kind} is not available here"),
            Self::NoRoute => f.write_str("no local address can reach the target"),
            Self::Resolve(error) => error.fmt(f),
            Self::Limit => f.write_str("too many selections or flows at once"),
            Self::TimedOut => f.write_str("the name was not resolved in time"),
            Self::Connect(error) => write!(f, "could not connect: {error}"),
        }
    }
}

impl std::error::Error for SelectError {}

/// The id is no longer live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the flow is gone")
    }
}

impl std::error::Error for Gone {}
