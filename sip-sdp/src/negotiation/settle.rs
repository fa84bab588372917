//! What two descriptions agree on: the same function for both sides.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use super::codec::{Codec, RemoteCodec, agree, codecs_of};
use super::stream::{Endpoint, RemoteIce, Security, Session, Stream, StreamCodec, StreamStatus};
use super::{LineState, NegotiationError};
use crate::attribute::{
    Candidate, Crypto, EndOfCandidates, ExtMap, Fingerprint, Group, GroupSemantics, IceLite,
    IceMismatch, IceOptions, IcePassword, IceUfrag, MaxPtime, Ptime, Rtcp, RtcpMux,
    RtcpReducedSize, Setup, TlsId,
};
use crate::description::SessionDescription;
use crate::media::Media;

/// Which side the local one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Offerer,
    Answerer,
}

pub(super) fn settle(
    local: &SessionDescription,
    remote: &SessionDescription,
    role: Role,
    lines: &[LineState],
    previous: Option<&Session>,
) -> Result<Session, NegotiationError> {
    let answer = match role {
        Role::Offerer => remote,
        Role::Answerer => local,
    };
    let mut streams = Vec::with_capacity(local.media_len());
    for (own, peer) in local.media().zip(remote.media()) {
        let index = own.index();
        let (offered, answered) = match role {
            Role::Offerer => (own, peer),
            Role::Answerer => (peer, own),
        };
        // RFC 3264 §6: the answered line is the offered one.
        if !own.kind().eq_ignore_ascii_case(peer.kind()) {
            return Err(NegotiationError::MediaMismatch { index });
        }
        let tagged = tagged_line(answer, &answered);
        let status = if offered.port() == 0 && !offered.has_attribute("bundle-only") {
            StreamStatus::Removed
        } else if answered.port() == 0 && tagged.is_none() {
            match role {
                Role::Offerer => StreamStatus::RejectedByRemote,
                Role::Answerer => StreamStatus::RejectedByLocal,
            }
        } else {
            StreamStatus::Active
        };
        let mut stream = Stream::inactive(
            index,
            status,
            peer.kind(),
            answered.protocol(),
            answered.mid(),
        );
        stream.local_media = lines.get(index).and_then(|line| line.media);
        if status == StreamStatus::Active {
            if !own.protocol().eq_ignore_ascii_case(peer.protocol()) {
                return Err(NegotiationError::MediaMismatch { index });
            }
            let before = previous
                .and_then(|session| session.streams.get(index))
                .filter(|stream| stream.is_active());
            let transport = tagged.unwrap_or(index);
            let sides = Sides {
                local,
                remote,
                role,
                own,
                peer,
            };
            fill(&mut stream, &sides, transport, before)?;
        }
        streams.push(stream);
    }
    Ok(Session { streams })
}

struct Sides<'a> {
    local: &'a SessionDescription,
    remote: &'a SessionDescription,
    role: Role,
    own: Media<'a>,
    peer: Media<'a>,
}

fn fill(
    stream: &mut Stream,
    sides: &Sides<'_>,
    transport: usize,
    before: Option<&Stream>,
) -> Result<(), NegotiationError> {
    let Sides {
        local,
        remote,
        role,
        own,
        peer,
    } = *sides;
    let index = own.index();
    stream.codecs = codecs(&own, &peer, role);
    let is_known = |format: &&str| {
        own.formats()
            .any(|known| known.eq_ignore_ascii_case(format))
    };
    if stream.codecs.is_empty() {
        stream.formats = peer.formats().filter(is_known).map(String::from).collect();
        if stream.formats.is_empty() {
            return Err(NegotiationError::NoCommonFormat { index });
        }
    }
    let multicast = peer
        .connection()
        .is_some_and(|connection| connection.is_multicast());
    stream.direction = if multicast {
        own.direction()
    } else {
        own.direction().intersection(peer.direction().reversed())
    };
    stream.ptime = peer
        .attribute::<Ptime>()
        .ok()
        .flatten()
        .map(|ptime| ptime.0)
        .filter(|ptime| *ptime > 0);
    stream.max_ptime = peer
        .attribute::<MaxPtime>()
        .ok()
        .flatten()
        .map(|ptime| ptime.0);
    stream.remote_bandwidth = peer
        .bandwidths()
        .map(|bandwidth| (bandwidth.modifier.to_string(), bandwidth.value))
        .collect();
    stream.reduced_size_rtcp = has_both::<RtcpReducedSize>(&own, &peer);
    stream.extensions = extensions(&own, &peer);
    stream.bundled_with = (transport != index).then_some(transport);
    // RFC 8843 §7.1.3: everything about the transport is told by the tagged line.
    let (Some(own), Some(peer)) = (local.media_at(transport), remote.media_at(transport)) else {
        return Err(NegotiationError::MediaMismatch { index: transport });
    };
    stream.rtcp_mux = has_both::<RtcpMux>(&own, &peer);
    (stream.local_rtp, stream.local_rtcp) = endpoints(&own, stream.rtcp_mux);
    (stream.remote_rtp, stream.remote_rtcp) = endpoints(&peer, stream.rtcp_mux);
    stream.ice = remote_ice(local, remote, &own, &peer, before);
    // RFC 8840 §4.1.1: with ICE, the null address only says that no candidate is known yet.
    stream.remote_is_null = stream.ice.is_none()
        && peer
            .connection()
            .is_some_and(|connection| connection.is_hold());
    stream.security = security(local, remote, &own, &peer, role, before);
    Ok(())
}

fn has_both<'a, A: crate::attribute::Attribute<'a>>(own: &Media<'a>, peer: &Media<'a>) -> bool {
    own.has_attribute(A::NAME) && peer.has_attribute(A::NAME)
}

/// The line whose transport a line uses by the answer's BUNDLE groups.
fn tagged_line(answer: &SessionDescription, answered: &Media<'_>) -> Option<usize> {
    let mid = answered.mid()?;
    let group = answer
        .attributes()
        .of::<Group<'_>>()
        .flatten()
        .find(|group| group.semantics == GroupSemantics::Bundle && group.contains(mid))?;
    // RFC 8843 §7.3.1: the first tag of the list.
    let tagged = answer.media_by_mid(group.mids().next()?)?;
    (tagged.port() != 0).then_some(tagged.index())
}

/// Codecs that both lines name, in the order of the answer.
fn codecs(own: &Media<'_>, peer: &Media<'_>, role: Role) -> Vec<StreamCodec> {
    let mut mine = codecs_of(own);
    let theirs = codecs_of(peer);
    let mut pairs: Vec<StreamCodec> = Vec::new();
    let mut push = |mine: &RemoteCodec<'_>, theirs: &RemoteCodec<'_>| {
        let feedback = |codec: &RemoteCodec<'_>| -> Vec<String> {
            let join =
                |kind: &str, parameters: &str| [kind, parameters].join(" ").trim_end().to_string();
            codec
                .feedback
                .iter()
                .map(|feedback| join(feedback.kind, feedback.parameters))
                .collect()
        };
        let known = feedback(mine);
        pairs.push(StreamCodec {
            name: mine.name.to_string(),
            clock_rate: mine.clock_rate,
            channels: mine.channels,
            send_payload_type: theirs.payload_type,
            receive_payload_type: mine.payload_type,
            send_fmtp: theirs.fmtp.map(String::from),
            receive_fmtp: mine.fmtp.map(String::from),
            feedback: feedback(theirs)
                .into_iter()
                .filter(|feedback| known.contains(feedback))
                .collect(),
        });
    };
    let matches = |mine: &RemoteCodec<'_>, theirs: &RemoteCodec<'_>| {
        let codec = Codec {
            name: mine.name.to_string().into(),
            clock_rate: mine.clock_rate,
            channels: mine.channels,
            payload_type: None,
            fmtp: mine.fmtp.map(|fmtp| fmtp.to_string().into()),
            feedback: Vec::new(),
        };
        agree(&codec, theirs).is_some()
    };
    match role {
        Role::Offerer => {
            for codec in &theirs {
                // The same payload type first: two variants of a codec are told apart by it.
                let same = mine
                    .iter()
                    .position(|own| own.payload_type == codec.payload_type && matches(own, codec));
                if let Some(position) =
                    same.or_else(|| mine.iter().position(|own| matches(own, codec)))
                {
                    push(&mine.remove(position), codec);
                }
            }
        }
        Role::Answerer => {
            let mut theirs = theirs;
            for codec in &mine {
                let same = theirs.iter().position(|peer| {
                    peer.payload_type == codec.payload_type && matches(codec, peer)
                });
                if let Some(position) =
                    same.or_else(|| theirs.iter().position(|peer| matches(codec, peer)))
                {
                    push(codec, &theirs.remove(position));
                }
            }
        }
    }
    pairs
}

fn extensions(own: &Media<'_>, peer: &Media<'_>) -> Vec<(u16, String)> {
    let mine: Vec<ExtMap<'_>> = own.attributes_of().flatten().collect();
    peer.attributes_of::<ExtMap<'_>>()
        .flatten()
        .filter(|extension| mine.iter().any(|known| known.uri == extension.uri))
        .map(|extension| (extension.id, extension.uri.to_string()))
        .collect()
}

/// RTP and RTCP of a line.
fn endpoints(media: &Media<'_>, mux: bool) -> (Endpoint, Endpoint) {
    let host = media
        .connection()
        .map(|connection| connection.address.to_string())
        .unwrap_or_default();
    let rtp = Endpoint {
        host,
        port: media.port(),
    };
    if mux {
        return (rtp.clone(), rtp);
    }
    let rtcp = match media.attribute::<Rtcp<'_>>().ok().flatten() {
        // RFC 3605 §2.1.
        Some(rtcp) => Endpoint {
            host: rtcp.connection.map_or_else(
                || rtp.host.clone(),
                |connection| connection.address.to_string(),
            ),
            port: rtcp.port,
        },
        // RFC 3550 §11: the next port.
        None => Endpoint {
            host: rtp.host.clone(),
            port: rtp.port.checked_add(1).unwrap_or_default(),
        },
    };
    (rtp, rtcp)
}

/// User fragment and password of a line, its own or the session's.
pub(super) fn ice_credentials<'a>(
    description: &'a SessionDescription,
    media: &Media<'a>,
) -> Option<(&'a str, &'a str)> {
    let ufrag = media.attribute::<IceUfrag<'_>>().ok().flatten();
    let password = media.attribute::<IcePassword<'_>>().ok().flatten();
    let ufrag = ufrag.or_else(|| description.attribute::<IceUfrag<'_>>().ok().flatten())?;
    let password =
        password.or_else(|| description.attribute::<IcePassword<'_>>().ok().flatten())?;
    Some((ufrag.0, password.0))
}

/// RFC 8839 §4.2.5: whether something on the way changed the default address.
pub(super) fn is_ice_mismatch(media: &Media<'_>) -> bool {
    let Some(connection) = media.connection() else {
        return false;
    };
    let mut candidates = media.attributes_of::<Candidate<'_>>().flatten().peekable();
    // RFC 8840 §4.1.1: port 9 and the null address while candidates are to come.
    if connection.is_hold() || media.port() == 9 || media.port() == 0 || candidates.peek().is_none()
    {
        return false;
    }
    let default = connection.ip();
    let is_default = |candidate: &Candidate<'_>| {
        candidate.component == 1
            && candidate.port == media.port()
            && match (candidate.address.parse::<IpAddr>().ok(), default) {
                (Some(address), Some(default)) => address == default,
                // Names cannot be compared.
                _ => true,
            }
    };
    !candidates.any(|candidate| is_default(&candidate))
}

fn remote_ice(
    local: &SessionDescription,
    remote: &SessionDescription,
    own: &Media<'_>,
    peer: &Media<'_>,
    before: Option<&Stream>,
) -> Option<RemoteIce> {
    ice_credentials(local, own)?;
    let (ufrag, password) = ice_credentials(remote, peer)?;
    let restart = before
        .and_then(|stream| stream.ice.as_ref())
        .is_some_and(|before| before.ufrag != ufrag || before.password != password);
    let options = peer.attribute_or_session::<IceOptions<'_>>().ok().flatten();
    Some(RemoteIce {
        ufrag: ufrag.to_string(),
        password: password.to_string(),
        candidates: peer
            .attributes()
            .filter(|attribute| attribute.name == "candidate")
            .filter_map(|attribute| attribute.value.map(String::from))
            .collect(),
        options: options
            .map(|options| options.tags().map(String::from).collect())
            .unwrap_or_default(),
        lite: remote
            .attribute::<IceLite>()
            .is_ok_and(|lite| lite.is_some()),
        end_of_candidates: peer
            .attribute_or_session::<EndOfCandidates>()
            .is_ok_and(|end| end.is_some()),
        restart,
        mismatch: is_ice_mismatch(peer)
            || peer
                .attribute::<IceMismatch>()
                .is_ok_and(|mismatch| mismatch.is_some()),
    })
}

/// The fingerprints of a line, its own or the session's.
pub(super) fn fingerprints(
    description: &SessionDescription,
    media: &Media<'_>,
) -> Vec<(String, String)> {
    let of = |fingerprint: Fingerprint<'_>| {
        (fingerprint.hash.to_string(), fingerprint.digest.to_string())
    };
    let mut list: Vec<_> = media
        .attributes_of::<Fingerprint<'_>>()
        .flatten()
        .map(of)
        .collect();
    if list.is_empty() {
        list = description
            .attributes()
            .of::<Fingerprint<'_>>()
            .flatten()
            .map(of)
            .collect();
    }
    list
}

/// `a=tls-id` of a line or the session.
pub(super) fn tls_id(media: &Media<'_>) -> Option<String> {
    media
        .attribute_or_session::<TlsId<'_>>()
        .ok()
        .flatten()
        .map(|id| id.0.to_string())
}

fn security(
    local: &SessionDescription,
    remote: &SessionDescription,
    own: &Media<'_>,
    peer: &Media<'_>,
    role: Role,
    before: Option<&Stream>,
) -> Security {
    let theirs = fingerprints(remote, peer);
    if !theirs.is_empty() && !fingerprints(local, own).is_empty() {
        let setup = |media: &Media<'_>| media.attribute_or_session::<Setup>().ok().flatten();
        let role = match role {
            // RFC 4145 §4: without the attribute an offer is active, so its answer is passive.
            Role::Answerer => setup(own).unwrap_or(Setup::Passive),
            Role::Offerer => match setup(peer) {
                Some(Setup::Active) => Setup::Passive,
                Some(Setup::HoldConn) => Setup::HoldConn,
                Some(Setup::Passive | Setup::ActPass) | None => Setup::Active,
            },
        };
        let tls_id = tls_id(peer);
        let kept = before.is_some_and(|stream| match &stream.security {
            Security::Dtls {
                role: role_before,
                fingerprints,
                tls_id: id_before,
                ..
            } => *role_before == role && *fingerprints == theirs && *id_before == tls_id,
            Security::None | Security::Sdes { .. } => false,
        });
        return Security::Dtls {
            role,
            fingerprints: theirs,
            tls_id,
            new_association: !kept,
        };
    }
    // RFC 4568 §5.1.2, §5.1.3: the answer has one line, whose tag names the offered one.
    let (offered, answered) = match role {
        Role::Offerer => (own, peer),
        Role::Answerer => (peer, own),
    };
    let Some(chosen) = answered.attributes_of::<Crypto<'_>>().flatten().next() else {
        return Security::None;
    };
    let matching = offered
        .attributes_of::<Crypto<'_>>()
        .flatten()
        .find(|crypto| crypto.tag == chosen.tag);
    let Some(matching) = matching.filter(|crypto| crypto.suite == chosen.suite) else {
        return Security::None;
    };
    let (send, receive) = match role {
        Role::Offerer => (matching, chosen),
        Role::Answerer => (chosen, matching),
    };
    Security::Sdes {
        suite: chosen.suite.as_str().to_string(),
        send_keys: send.keys.to_string(),
        receive_keys: receive.keys.to_string(),
        tag: chosen.tag,
    }
}
