//! What the local side can and wants to do: the input of offers and answers.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::codec::Codec;
use super::{NegotiationError, Negotiator};
use crate::attribute::{Attribute, Direction, Setup};
use crate::description::SessionDescription;

/// The local side of a session: its identity, address, and the media it is ready for.
///
/// The position of a [`LocalMedia`] in [`media`](Self::media) is its identity for the whole session: the negotiator ties
/// it to a media line. A stream that is over stays there with [`stopped`](LocalMedia::stopped) set; a new one is pushed at
/// the end.
///
/// ```
/// use sip_sdp::negotiation::{Codec, LocalMedia, LocalSession, Negotiator};
///
/// let local = LocalSession::new(1, "192.0.2.1").with_media(LocalMedia::audio(49170, [Codec::PCMU, Codec::PCMA]));
/// let offer = Negotiator::new().offer(&local)?;
/// assert!(offer.to_string().contains("m=audio 49170 RTP/AVP 0 8\r\n"));
/// # Ok::<(), sip_sdp::negotiation::NegotiationError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalSession {
    /// Username of `o=`; `-` unless set.
    pub username: String,
    /// Session identifier of `o=`: from a clock or a generator, constant for the session.
    pub session_id: u64,
    /// Version of `o=` in the first description; each change adds one (RFC 3264 §8).
    pub first_version: u64,
    /// Address or name for `o=` and `c=`.
    pub address: String,
    /// `s=`; `-` unless set.
    pub name: String,
    /// The media.
    pub media: Vec<LocalMedia>,
    /// Whether to offer and accept one transport for all media.
    pub bundle: Bundle,
    /// Whether new media take the place of lines that were rejected or removed (RFC 3264 §8.1 allows it, RFC 8829 §5.2.2
    /// demands it of browsers) instead of being added at the end.
    pub recycle_lines: bool,
    /// Further session attributes, name and value.
    pub attributes: Vec<(String, Option<String>)>,
}

/// What to do about BUNDLE (RFC 8843).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Bundle {
    /// Neither offered nor accepted.
    #[default]
    Off,
    /// Accepted when offered, never offered.
    Accept,
    /// Offered with an own transport for each media line, so that a peer without it can be talked to.
    Offer,
    /// Offered with `bundle-only` on all lines but the first (RFC 8843 §7.2).
    Only,
}

impl LocalSession {
    /// A session without media.
    pub fn new(session_id: u64, address: impl fmt::Display) -> Self {
        Self {
            username: String::from("-"),
            session_id,
            first_version: session_id,
            address: address.to_string(),
            name: String::from("-"),
            media: Vec::new(),
            bundle: Bundle::Off,
            recycle_lines: false,
            attributes: Vec::new(),
        }
    }

    /// With one more media.
    #[must_use]
    pub fn with_media(mut self, media: LocalMedia) -> Self {
        self.media.push(media);
        self
    }

    /// With audio over `RTP/AVP`: the ordinary telephone.
    #[must_use]
    pub fn audio(self, port: u16, codecs: impl IntoIterator<Item = Codec>) -> Self {
        self.with_media(LocalMedia::audio(port, codecs))
    }

    /// With this BUNDLE policy.
    #[must_use]
    pub const fn with_bundle(mut self, bundle: Bundle) -> Self {
        self.bundle = bundle;
        self
    }

    /// What this side can do, and no session: all its media with port zero and without keys or addresses to be used (RFC 3264 §9), as the
    /// answer to an OPTIONS request may have it. `session_id` is another one for each.
    ///
    /// ```
    /// use sip_sdp::negotiation::{Codec, LocalSession};
    /// let session = LocalSession::new(1, "192.0.2.1").audio(4000, [Codec::PCMU]);
    /// assert!(session.capabilities(2)?.to_string().contains("m=audio 0 RTP/AVP 0\r\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the session cannot be described.
    pub fn capabilities(&self, session_id: u64) -> Result<SessionDescription, NegotiationError> {
        let mut all = self.clone();
        (all.session_id, all.first_version) = (session_id, session_id);
        all.bundle = Bundle::Off;
        for media in &mut all.media {
            media.port = 0;
            media.rtcp = LocalRtcp::NextPort;
            (media.hold, media.stopped, media.only_accept) = (false, false, false);
            media.crypto.clear();
            (media.dtls, media.ice) = (None, None);
        }
        Negotiator::new().offer(&all)
    }

    /// Puts every media on hold, or resumes it, with the next offer or answer (RFC 3264 §8.4).
    pub fn hold(&mut self, hold: bool) {
        for media in &mut self.media {
            media.hold = hold;
        }
    }
}

/// How this side receives RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LocalRtcp {
    /// On the next port.
    #[default]
    NextPort,
    /// On this port (RFC 3605).
    Port(u16),
    /// On the port of RTP if the peer can, else on the next (RFC 5761).
    Mux,
    /// On the port of RTP only (RFC 8858).
    MuxOnly,
}

/// A key for SRTP that this side may use (RFC 4568).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalCrypto {
    /// Name of the suite.
    pub suite: String,
    /// `inline:<base64>...`: what this side sends with. Drawn by the caller.
    pub keys: String,
}

impl LocalCrypto {
    /// A suite and `inline:<base64>`.
    pub fn new(suite: impl Into<String>, keys: impl Into<String>) -> Self {
        Self {
            suite: suite.into(),
            keys: keys.into(),
        }
    }
}

/// The local certificate for DTLS (RFC 8122, RFC 8842).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalDtls {
    /// Hash name and digest in hexadecimal with colons.
    pub fingerprints: Vec<(String, String)>,
    /// What to answer to `actpass`; offers say `actpass` whatever this is (RFC 8842 §5.2).
    pub setup: Setup,
    /// `a=tls-id`, changed by the caller for a new association.
    pub tls_id: Option<String>,
}

impl LocalDtls {
    /// One fingerprint; `active` when there is a choice.
    pub fn new(hash: impl Into<String>, digest: impl Into<String>) -> Self {
        Self {
            fingerprints: [(hash.into(), digest.into())].into(),
            setup: Setup::Active,
            tls_id: None,
        }
    }
}

/// The local ICE agent's part (RFC 8839).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LocalIce {
    /// User fragment; a new one with a new password restarts ICE.
    pub ufrag: String,
    /// Password.
    pub password: String,
    /// Values of `a=candidate`.
    pub candidates: Vec<String>,
    /// Values of `a=ice-options`, such as `trickle`.
    pub options: Vec<String>,
    /// A lite implementation.
    pub lite: bool,
    /// Whether there will be no further candidates.
    pub end_of_candidates: bool,
}

impl LocalIce {
    /// Credentials without candidates.
    pub fn new(ufrag: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            ufrag: ufrag.into(),
            password: password.into(),
            ..Self::default()
        }
    }
}

/// Whose order of codecs an answer follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CodecOrder {
    /// The offer's (RFC 3264 §6.1 recommends it).
    #[default]
    Remote,
    /// Ours.
    Local,
}

/// One media stream of the local side.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalMedia {
    /// `audio`, `video`, `image`, `message`, `application`, `text`.
    pub kind: Cow<'static, str>,
    /// Protocols of `m=`: the first is offered, all are accepted.
    pub protocols: Vec<Cow<'static, str>>,
    /// Port of RTP.
    pub port: u16,
    /// Address or name, when it is not that of the session.
    pub address: Option<String>,
    /// RTCP.
    pub rtcp: LocalRtcp,
    /// Reduced-size RTCP (RFC 5506).
    pub reduced_size_rtcp: bool,
    /// Codecs in order of preference.
    pub codecs: Vec<Codec>,
    /// Formats of media that are not RTP (`t38`, `webrtc-datachannel`, `*`).
    pub formats: Vec<Cow<'static, str>>,
    /// What this side is willing to do.
    pub direction: Direction,
    /// Whether this side does not want to receive for now.
    pub hold: bool,
    /// The packet length this side would like to receive, in milliseconds.
    pub ptime: Option<u32>,
    /// The longest packet this side can receive, in milliseconds.
    pub max_ptime: Option<u32>,
    /// `b=` lines.
    pub bandwidth: Vec<(Cow<'static, str>, u64)>,
    /// Keys for SDES-SRTP in order of preference.
    pub crypto: Vec<LocalCrypto>,
    /// Certificate for DTLS-SRTP or DTLS/SCTP.
    pub dtls: Option<LocalDtls>,
    /// ICE.
    pub ice: Option<LocalIce>,
    /// `a=mid`, when it is to be offered with a name of our choice.
    pub mid: Option<String>,
    /// RTP header extensions: identifier for offers and URI (RFC 8285).
    pub extensions: Vec<(u16, Cow<'static, str>)>,
    /// Further attributes, name and value.
    pub attributes: Vec<(String, Option<String>)>,
    /// Whose order of codecs an answer follows.
    pub codec_order: CodecOrder,
    /// Whether an answer names only one codec (besides events and comfort noise), so that nothing need be switched.
    pub single_codec: bool,
    /// Whether an answer uses our payload types where a codec has one. RFC 3264 §6.1 recommends the offer's.
    pub own_payload_types: bool,
    /// Whether the stream is over: offered and answered with port zero. While its line carries a bundle that the peer
    /// offers again, the answer is `inactive` instead, and the next offer ends it (RFC 8843 §7.3.3).
    pub stopped: bool,
    /// Whether this is only a capability: accepted when the peer offers it, never added by an offer of ours.
    pub only_accept: bool,
}

impl LocalMedia {
    /// A medium of any kind; the first protocol is offered.
    pub fn new(
        kind: impl Into<Cow<'static, str>>,
        port: u16,
        protocol: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind: kind.into(),
            protocols: [protocol.into()].into(),
            port,
            address: None,
            rtcp: LocalRtcp::NextPort,
            reduced_size_rtcp: false,
            codecs: Vec::new(),
            formats: Vec::new(),
            direction: Direction::SendRecv,
            hold: false,
            ptime: None,
            max_ptime: None,
            bandwidth: Vec::new(),
            crypto: Vec::new(),
            dtls: None,
            ice: None,
            mid: None,
            extensions: Vec::new(),
            attributes: Vec::new(),
            codec_order: CodecOrder::Remote,
            single_codec: false,
            own_payload_types: false,
            stopped: false,
            only_accept: false,
        }
    }

    /// Audio over `RTP/AVP`; `RTP/AVPF` is accepted as well.
    pub fn audio(port: u16, codecs: impl IntoIterator<Item = Codec>) -> Self {
        Self::rtp("audio", port, codecs)
    }

    /// Video over `RTP/AVP`; `RTP/AVPF` is accepted as well.
    pub fn video(port: u16, codecs: impl IntoIterator<Item = Codec>) -> Self {
        Self::rtp("video", port, codecs)
    }

    fn rtp(kind: &'static str, port: u16, codecs: impl IntoIterator<Item = Codec>) -> Self {
        let mut media = Self::new(kind, port, "RTP/AVP");
        media.protocols.push(Cow::Borrowed("RTP/AVPF"));
        media.codecs = codecs.into_iter().collect();
        media
    }

    /// With this direction.
    #[must_use]
    pub const fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// With an address of its own.
    #[must_use]
    pub fn with_address(mut self, address: impl fmt::Display) -> Self {
        self.address = Some(address.to_string());
        self
    }

    /// With this RTCP transport.
    #[must_use]
    pub const fn with_rtcp(mut self, rtcp: LocalRtcp) -> Self {
        self.rtcp = rtcp;
        self
    }

    /// With these protocols: the first is offered, all are accepted.
    #[must_use]
    pub fn with_protocols(mut self, protocols: impl IntoIterator<Item = &'static str>) -> Self {
        self.protocols = protocols.into_iter().map(Cow::Borrowed).collect();
        self
    }

    /// With keys for SDES-SRTP: `RTP/SAVP` is offered; plain RTP is accepted no more.
    #[must_use]
    pub fn with_crypto(mut self, crypto: impl IntoIterator<Item = LocalCrypto>) -> Self {
        self.crypto = crypto.into_iter().collect();
        self.with_protocols(["RTP/SAVP", "RTP/SAVPF"])
    }

    /// With DTLS-SRTP as browsers use it: `UDP/TLS/RTP/SAVPF` is offered; plain RTP is accepted no more.
    #[must_use]
    pub fn with_dtls(mut self, dtls: LocalDtls) -> Self {
        self.dtls = Some(dtls);
        self.with_protocols([
            "UDP/TLS/RTP/SAVPF",
            "UDP/TLS/RTP/SAVP",
            "RTP/SAVPF",
            "RTP/SAVP",
        ])
    }

    /// With ICE.
    #[must_use]
    pub fn with_ice(mut self, ice: LocalIce) -> Self {
        self.ice = Some(ice);
        self
    }

    /// With this packet length.
    #[must_use]
    pub const fn with_ptime(mut self, milliseconds: u32) -> Self {
        self.ptime = Some(milliseconds);
        self
    }

    /// With one more attribute, printed as it is.
    #[must_use]
    pub fn with_attribute<'a, A: Attribute<'a>>(mut self, attribute: &A) -> Self {
        let mut value = String::new();
        attribute.encode(&mut value);
        self.attributes
            .push((String::from(A::NAME), (!value.is_empty()).then_some(value)));
        self
    }

    /// The direction to offer or to answer with.
    pub(crate) const fn effective_direction(&self) -> Direction {
        if self.stopped {
            Direction::Inactive
        } else if self.hold {
            self.direction.held()
        } else {
            self.direction
        }
    }
}
