//! What a negotiation agreed on: the output for the media layer.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::attribute::{Direction, Setup};

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Session {
    /// One per media line, in order.
    pub streams: Vec<Stream>,
}

impl Session {
    /// The streams that carry media or could after a resume: not rejected.
    pub fn active(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(|stream| stream.is_active())
    }

    /// The first active stream of a kind.
    pub fn first(&self, kind: &str) -> Option<&Stream> {
        self.active().find(|stream| stream.kind == kind)
    }
}

/// Address and port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Endpoint {
    /// Address or domain name.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Endpoint {
    /// The socket address, unless the host is a name to be resolved.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(
            self.host.parse::<IpAddr>().ok()?,
            self.port,
        ))
    }
}

/// What became of a media line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamStatus {
    /// Agreed.
    Active,
    /// Refused by this side: nothing in common, or nothing local is free for it.
    RejectedByLocal,
    /// Refused by the peer.
    RejectedByRemote,
    /// Taken out by the side that offered it (port zero in the offer).
    Removed,
}

/// A codec that both sides have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamCodec {
    /// Encoding name as the local side writes it.
    pub name: String,
    /// RTP clock rate in hertz.
    pub clock_rate: u32,
    /// Channels.
    pub channels: u8,
    /// What to put into packets to the peer.
    pub send_payload_type: u8,
    /// What packets of the peer carry.
    pub receive_payload_type: u8,
    /// The peer's parameters: what it wants to receive.
    pub send_fmtp: Option<String>,
    /// Our parameters.
    pub receive_fmtp: Option<String>,
    /// RTCP feedback that both named, such as `nack pli`.
    pub feedback: Vec<String>,
}

/// How the media are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// Not at all.
    None,
    /// SRTP with keys from the description (RFC 4568).
    Sdes {
        /// Name of the suite.
        suite: String,
        /// `inline:...` this side sends with.
        send_keys: String,
        /// `inline:...` the peer sends with.
        receive_keys: String,
        /// Tag of the crypto line.
        tag: u32,
    },
    /// Keys from a DTLS handshake (RFC 5763).
    Dtls {
        /// [`Setup::Active`]: this side is the client; [`Setup::Passive`]: the server.
        role: Setup,
        /// Hash names and digests of the peer's certificate; one must match.
        fingerprints: Vec<(String, String)>,
        /// The peer's `a=tls-id`.
        tls_id: Option<String>,
        /// Whether a handshake is due: first, or the association changed (RFC 8842 §3.2).
        new_association: bool,
    },
}

/// The peer's part of ICE.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteIce {
    /// User fragment.
    pub ufrag: String,
    /// Password.
    pub password: String,
    /// Values of `a=candidate` in order: [`Candidate::decode`](crate::attribute::Candidate) reads them.
    pub candidates: Vec<String>,
    /// Values of `a=ice-options`.
    pub options: Vec<String>,
    /// Whether the peer is a lite implementation.
    pub lite: bool,
    /// Whether no more candidates will come.
    pub end_of_candidates: bool,
    /// Whether credentials changed against the negotiation before (RFC 8839 §4.4.1.1.1).
    pub restart: bool,
    /// Whether the default address is none of the candidates: no ICE for this stream (RFC 8839 §4.2.5).
    pub mismatch: bool,
}

/// One media line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stream {
    /// Index of the media line.
    pub index: usize,
    /// Index into [`LocalSession::media`](super::LocalSession::media).
    pub local_media: Option<usize>,
    /// What became of it. The other fields mean something only for [`StreamStatus::Active`].
    pub status: StreamStatus,
    /// `audio` and so on.
    pub kind: String,
    /// Protocol.
    pub protocol: String,
    /// `a=mid`.
    pub mid: Option<String>,
    /// Seen from here.
    pub direction: Direction,
    /// Whether the peer gave a null address: nothing, not even RTCP, may be sent (RFC 3264 §8.4).
    pub remote_is_null: bool,
    /// Where this side receives RTP.
    pub local_rtp: Endpoint,
    /// Where this side receives RTCP.
    pub local_rtcp: Endpoint,
    /// Where the peer receives RTP.
    pub remote_rtp: Endpoint,
    /// Where the peer receives RTCP.
    pub remote_rtcp: Endpoint,
    /// RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// Both can do reduced-size RTCP.
    pub reduced_size_rtcp: bool,
    /// Codecs in the order of preference of the answer.
    pub codecs: Vec<StreamCodec>,
    /// Formats of media that are not RTP.
    pub formats: Vec<String>,
    /// Packet length the peer would like to receive, in milliseconds.
    pub ptime: Option<u32>,
    /// Longest packet the peer can receive, in milliseconds.
    pub max_ptime: Option<u32>,
    /// The peer's `b=` lines: modifier and value.
    pub remote_bandwidth: Vec<(String, u64)>,
    /// Protection.
    pub security: Security,
    /// ICE, when both sides have it.
    pub ice: Option<RemoteIce>,
    /// The media line whose transport this one uses (RFC 8843).
    pub bundled_with: Option<usize>,
    /// RTP header extensions both have: identifier and URI.
    pub extensions: Vec<(u16, String)>,
}

impl Stream {
    pub(crate) fn inactive(
        index: usize,
        status: StreamStatus,
        kind: &str,
        protocol: &str,
        mid: Option<&str>,
    ) -> Self {
        Self {
            index,
            local_media: None,
            status,
            kind: String::from(kind),
            protocol: String::from(protocol),
            mid: mid.map(String::from),
            direction: Direction::Inactive,
            remote_is_null: false,
            local_rtp: Endpoint::default(),
            local_rtcp: Endpoint::default(),
            remote_rtp: Endpoint::default(),
            remote_rtcp: Endpoint::default(),
            rtcp_mux: false,
            reduced_size_rtcp: false,
            codecs: Vec::new(),
            formats: Vec::new(),
            ptime: None,
            max_ptime: None,
            remote_bandwidth: Vec::new(),
            security: Security::None,
            ice: None,
            bundled_with: None,
            extensions: Vec::new(),
        }
    }

    /// Whether the line was agreed on; it may still be on hold.
    pub const fn is_active(&self) -> bool {
        matches!(self.status, StreamStatus::Active)
    }

    /// Whether this side sends media now.
    pub const fn sends(&self) -> bool {
        self.is_active() && self.direction.sends() && !self.remote_is_null
    }

    /// Whether media of the peer are to be expected now.
    pub const fn receives(&self) -> bool {
        self.is_active() && self.direction.receives()
    }

    /// Whether the peer put this stream on hold: it takes no media from here.
    pub const fn is_held_by_remote(&self) -> bool {
        self.is_active() && (!self.direction.sends() || self.remote_is_null)
    }

    /// The codec to send with: the first that is no event or comfort noise.
    pub fn codec(&self) -> Option<&StreamCodec> {
        self.codecs
            .iter()
            .find(|codec| !super::codec::is_auxiliary(&codec.name))
    }

    /// The telephone events to send beside [`Stream::codec`]: at its clock rate if there are such (RFC 4733 §2.1).
    pub fn telephone_event(&self) -> Option<&StreamCodec> {
        let clock_rate = self.codec().map(|codec| codec.clock_rate);
        let mut events = self
            .codecs
            .iter()
            .filter(|codec| codec.name.eq_ignore_ascii_case("telephone-event"));
        events
            .clone()
            .find(|codec| Some(codec.clock_rate) == clock_rate)
            .or_else(|| events.next())
    }

    /// The codec that the peer sends under this payload type.
    pub fn received_codec(&self, payload_type: u8) -> Option<&StreamCodec> {
        self.codecs
            .iter()
            .find(|codec| codec.receive_payload_type == payload_type)
    }
}
