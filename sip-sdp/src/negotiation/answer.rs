//! Answering an offer (RFC 3264 §6).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::codec::{Meaning, RemoteCodec, agree, codecs_of, is_auxiliary};
use super::local::{Bundle, CodecOrder, LocalMedia, LocalRtcp, LocalSession};
use super::offer::{own_connection, remember};
use super::stream::{Security, Stream};
use super::write::{FormatPlan, LinePlan, StreamPlan, describe};
use super::{LineState, NegotiationError, Negotiator, settle};
use crate::attribute::{
    Attribute as _, BundleOnly, Crypto, ExtMap, Group, GroupSemantics, Ptime, RtcpMux, RtcpMuxOnly,
    RtcpReducedSize, Setup,
};
use crate::description::SessionDescription;
use crate::media::Media;

pub(super) fn plan(
    negotiator: &Negotiator,
    local: &LocalSession,
    offer: &SessionDescription,
) -> Result<(SessionDescription, Vec<LineState>), NegotiationError> {
    let mut lines = negotiator.lines.clone();
    lines.resize_with(offer.media_len(), LineState::default);
    let bundle = local.bundle != Bundle::Off;
    let mut plans: Vec<LinePlan<'_>> = Vec::with_capacity(offer.media_len());
    for media in offer.media() {
        let index = media.index();
        let is_offered = media.port() != 0
            || (bundle
                && media
                    .attribute::<BundleOnly>()
                    .is_ok_and(|only| only.is_some()));
        let mut plan = None;
        if is_offered {
            let stays = is_offerer_tagged(negotiator, offer, index);
            for candidate in candidates(local, &lines, &media, stays) {
                let Some(own) = local.media.get(candidate) else {
                    continue;
                };
                if let Some(stream) = answer_line(negotiator, local, offer, &media, own)? {
                    plan = Some((candidate, stream));
                    break;
                }
            }
        }
        let mid = media.mid().map(String::from);
        if let Some(line) = lines.get_mut(index) {
            line.mid.clone_from(&mid);
            line.media = plan.as_ref().map(|(candidate, _)| *candidate);
        }
        match plan {
            Some((_, stream)) => {
                for format in &stream.formats {
                    remember(&mut lines, index, meaning(format));
                }
                plans.push(LinePlan::Stream(stream));
            }
            None => plans.push(rejected(&media, mid)),
        }
    }
    let groups = if bundle {
        reject_with_tag(negotiator, offer, &mut plans);
        bundle_lines(offer, &mut plans)
    } else {
        Vec::new()
    };
    // A line that can only be bundled and is not is refused.
    for (media, plan) in offer.media().zip(&mut plans) {
        let unbundled = matches!(plan, LinePlan::Stream(stream) if stream.transport);
        if unbundled && media.port() == 0 {
            *plan = rejected(&media, media.mid().map(String::from));
        }
    }
    for (line, plan) in lines.iter_mut().zip(&plans) {
        if matches!(plan, LinePlan::Rejected { .. }) {
            line.media = None;
        }
    }
    // RFC 3264 §6: the t-line of the answer equals that of the offer.
    let time = offer
        .lines()
        .find(|(kind, _)| *kind == crate::line::LineType::Time)
        .map(|(_, value)| value);
    let time = time.filter(|value| {
        crate::fields::check_time(value, false).is_ok()
            && crate::description::parse::single_spaces(value).is_ok()
    });
    let answer = describe(negotiator, local, time, &groups, &plans)?;
    Ok((answer, lines))
}

fn rejected<'l>(media: &Media<'_>, mid: Option<String>) -> LinePlan<'l> {
    LinePlan::Rejected {
        kind: media.kind().to_string(),
        protocol: media.protocol().to_string(),
        // RFC 3264 §6: at least one format.
        format: media.formats().next().unwrap_or("0").to_string(),
        mid,
    }
}

pub(super) fn meaning(format: &FormatPlan) -> Meaning {
    Meaning {
        payload_type: format.payload_type,
        name: format.name.clone(),
        clock_rate: format.clock_rate,
        channels: format.channels,
        fmtp: format.fmtp.clone(),
    }
}

/// The local media that may answer a line: the one tied to it, else those that are free. With `stays` one that is stopped
/// is no exception.
fn candidates(
    local: &LocalSession,
    lines: &[LineState],
    media: &Media<'_>,
    stays: bool,
) -> Vec<usize> {
    let usable = |index: &usize| {
        local.media.get(*index).is_some_and(|own| {
            (stays || !own.stopped)
                && own.kind.eq_ignore_ascii_case(media.kind())
                && own
                    .protocols
                    .iter()
                    .any(|protocol| protocol.eq_ignore_ascii_case(media.protocol()))
        })
    };
    let tied = lines.get(media.index()).and_then(|line| line.media);
    match tied {
        Some(tied)
            if local
                .media
                .get(tied)
                .is_some_and(|own| own.kind.eq_ignore_ascii_case(media.kind())) =>
        {
            Some(tied).into_iter().filter(usable).collect()
        }
        _ => (0..local.media.len())
            .filter(|&index| !lines.iter().any(|line| line.media == Some(index)))
            .filter(usable)
            .collect(),
    }
}

/// The answer to one line, unless it has nothing in common with the local media.
fn answer_line<'l>(
    negotiator: &Negotiator,
    local: &LocalSession,
    offer: &SessionDescription,
    media: &Media<'_>,
    own: &'l LocalMedia,
) -> Result<Option<StreamPlan<'l>>, NegotiationError> {
    let previous = negotiator
        .session()
        .and_then(|session| session.streams.get(media.index()))
        .filter(|stream| stream.is_active());
    let (formats, raw_formats) = common_formats(media, own);
    if formats.is_empty() && raw_formats.is_empty() {
        return Ok(None);
    }
    // A bundled line tells nothing about the transport (RFC 8843 §7.1.3): the line that carries it does.
    let carrier = carrier(local, offer, media);
    let offers_mux = media.has_attribute(RtcpMux::NAME) || carrier.has_attribute(RtcpMux::NAME);
    let mux_only = carrier
        .attribute::<RtcpMuxOnly>()
        .is_ok_and(|only| only.is_some());
    let can_mux = matches!(own.rtcp, LocalRtcp::Mux | LocalRtcp::MuxOnly);
    // RFC 8858 §4: neither side of a multiplex-only stream may fall back.
    if is_rtp(media.protocol())
        && (mux_only && !can_mux || own.rtcp == LocalRtcp::MuxOnly && !offers_mux)
    {
        return Ok(None);
    }
    let Some(keys) = keys(offer, media, &carrier, own, previous) else {
        return Ok(None);
    };
    let remote_ice = settle::ice_credentials(offer, &carrier);
    let ice = remote_ice.is_some() && own.ice.is_some();
    if let (Some((ufrag, password)), Some(own_ice), Some(before)) = (
        remote_ice,
        &own.ice,
        previous.and_then(|stream| stream.ice.as_ref()),
    ) {
        let restarts = before.ufrag != ufrag || before.password != password;
        let own_before = negotiator.local().and_then(|description| {
            let media = description.media_at(media.index())?;
            settle::ice_credentials(description, &media)
                .map(|(ufrag, password)| (ufrag.to_string(), password.to_string()))
        });
        // RFC 8839 §4.4.1.1.1: a restart changes the credentials of both sides.
        if restarts && own_before == Some((own_ice.ufrag.clone(), own_ice.password.clone())) {
            return Err(NegotiationError::IceRestart {
                index: media.index(),
            });
        }
    }
    let connection = media.connection();
    let multicast = connection.filter(|connection| connection.is_multicast());
    let offered = media.direction();
    let ptime = media
        .attribute::<Ptime>()
        .ok()
        .flatten()
        .map(|ptime| ptime.0);
    Ok(Some(StreamPlan {
        media: own,
        kind: media.kind().to_string(),
        // RFC 3264 §6.2: a multicast stream is answered as offered, or not at all.
        port: if multicast.is_some() {
            media.port()
        } else {
            own.port
        },
        protocol: media.protocol().to_string(),
        connection: match multicast {
            Some(connection) => {
                let mut text = String::new();
                connection.encode(&mut text);
                Some(text)
            }
            None => own_connection(local, own),
        },
        formats,
        raw_formats,
        direction: if multicast.is_some() {
            offered
        } else {
            offered.answer(own.effective_direction())
        },
        mid: media.mid().map(String::from),
        bundle_only: false,
        transport: true,
        rtcp_mux: offers_mux && can_mux,
        crypto: keys.crypto,
        setup: keys.setup,
        ice,
        ice_mismatch: ice && settle::is_ice_mismatch(media),
        reduced_size_rtcp: own.reduced_size_rtcp
            && media
                .attribute::<RtcpReducedSize>()
                .is_ok_and(|rsize| rsize.is_some()),
        extensions: media
            .attributes_of::<ExtMap<'_>>()
            .flatten()
            .filter(|extension| own.extensions.iter().any(|(_, uri)| uri == extension.uri))
            // RFC 8285 §6: an offered identifier above 255 asks the answerer to choose; such extensions are left out.
            .filter(|extension| extension.id < 256)
            .map(|extension| (extension.id, extension.uri.to_string()))
            .collect(),
        ptime: if multicast.is_some() {
            ptime.or(own.ptime)
        } else {
            own.ptime
        },
        bandwidth: if multicast.is_some() {
            media
                .bandwidths()
                .map(|bandwidth| (bandwidth.modifier.to_string(), bandwidth.value))
                .collect()
        } else {
            own.bandwidth
                .iter()
                .map(|(modifier, value)| (modifier.to_string(), *value))
                .collect()
        },
    }))
}

/// Whether a protocol carries RTP, and so RTCP.
pub(super) fn is_rtp(protocol: &str) -> bool {
    protocol
        .split('/')
        .any(|part| part.eq_ignore_ascii_case("RTP"))
}

/// The line that tells the transport of a line: itself, or the first of its BUNDLE group when it says nothing of its own.
fn carrier<'a>(
    local: &LocalSession,
    offer: &'a SessionDescription,
    media: &Media<'a>,
) -> Media<'a> {
    let tells = ["fingerprint", "ice-ufrag", "crypto"]
        .into_iter()
        .any(|name| media.has_attribute(name));
    if local.bundle == Bundle::Off || tells {
        return *media;
    }
    let tagged = media.mid().and_then(|mid| {
        let mut groups = offer.attributes().of::<Group<'_>>().flatten();
        let group = groups
            .find(|group| group.semantics == GroupSemantics::Bundle && group.contains(mid))?;
        offer.media_by_mid(group.mids().next()?)
    });
    tagged.unwrap_or(*media)
}

/// What both sides can do, in the order of the answer.
fn common_formats(media: &Media<'_>, own: &LocalMedia) -> (Vec<FormatPlan>, Vec<String>) {
    let raw = media
        .formats()
        .filter(|format| {
            own.formats
                .iter()
                .any(|known| known.eq_ignore_ascii_case(format))
        })
        .map(String::from)
        .collect();
    let remote = codecs_of(media);
    let offers_media = remote.iter().any(|codec| !is_auxiliary(codec.name));
    let mut used: Vec<usize> = Vec::new();
    // Remote codec, index of the local one, parameters.
    let mut agreed: Vec<(&RemoteCodec<'_>, usize, Option<String>)> = Vec::new();
    for codec in &remote {
        let found = own
            .codecs
            .iter()
            .enumerate()
            .find_map(|(index, candidate)| {
                let again = used.contains(&index) && !candidate.name.eq_ignore_ascii_case("rtx");
                if again {
                    None
                } else {
                    agree(candidate, codec).map(|fmtp| (index, fmtp))
                }
            });
        if let Some((index, fmtp)) = found {
            used.push(index);
            agreed.push((codec, index, fmtp));
        }
    }
    if own.codec_order == CodecOrder::Local {
        agreed.sort_by_key(|(_, index, _)| *index);
    }
    if own.single_codec {
        let mut first = true;
        agreed.retain(|(codec, ..)| is_auxiliary(codec.name) || core::mem::take(&mut first));
    }
    // What accompanies a codec needs one (unless the line is for events alone).
    let is_media = |codec: &RemoteCodec<'_>| !is_auxiliary(codec.name);
    if offers_media && !agreed.iter().any(|(codec, ..)| is_media(codec)) {
        return (Vec::new(), raw);
    }
    // RFC 4733 §2.1: events run at the clock rate of the codec they go with; where there are such, others go.
    let rates: Vec<u32> = agreed
        .iter()
        .filter(|(codec, ..)| is_media(codec))
        .map(|(codec, ..)| codec.clock_rate)
        .collect();
    for name in ["telephone-event", "CN"] {
        let is = |codec: &RemoteCodec<'_>| codec.name.eq_ignore_ascii_case(name);
        if agreed
            .iter()
            .any(|(codec, ..)| is(codec) && rates.contains(&codec.clock_rate))
        {
            agreed.retain(|(codec, ..)| !is(codec) || rates.contains(&codec.clock_rate));
        }
    }
    // RFC 4588 §8.6: retransmission only of what is agreed on.
    let numbers: Vec<u8> = agreed
        .iter()
        .map(|(codec, ..)| codec.payload_type)
        .collect();
    agreed.retain(|(codec, ..)| {
        let apt = codec
            .fmtp
            .and_then(|fmtp| crate::attribute::format::parameter(fmtp, "apt"));
        !codec.name.eq_ignore_ascii_case("rtx")
            || apt
                .and_then(crate::grammar::number)
                .is_some_and(|apt| numbers.contains(&apt))
    });
    let mut taken: Vec<u8> = Vec::new();
    let formats = agreed
        .into_iter()
        .filter_map(|(codec, index, fmtp)| {
            let candidate = own.codecs.get(index)?;
            let wished = candidate
                .payload_type
                .filter(|number| own.own_payload_types && !taken.contains(number));
            let payload_type = wished.unwrap_or(codec.payload_type);
            taken.push(payload_type);
            // RFC 4585 §4.2: feedback that was offered and is known.
            let feedback = codec
                .feedback
                .iter()
                .map(|feedback| {
                    let text = [feedback.kind, feedback.parameters].join(" ");
                    text.trim_end().to_string()
                })
                .filter(|offered| candidate.feedback.iter().any(|known| known == offered))
                .collect();
            Some(FormatPlan {
                payload_type,
                name: candidate.name.to_string(),
                clock_rate: codec.clock_rate,
                channels: codec.channels,
                fmtp,
                feedback,
            })
        })
        .collect();
    (formats, raw)
}

struct Keys {
    crypto: Vec<(u32, String, String)>,
    setup: Option<Setup>,
}

/// The protection of the answer; `None` when the protocol demands one that is not there.
fn keys(
    offer: &SessionDescription,
    media: &Media<'_>,
    carrier: &Media<'_>,
    own: &LocalMedia,
    previous: Option<&Stream>,
) -> Option<Keys> {
    let protocol = media.protocol().to_ascii_uppercase();
    let fingerprints = settle::fingerprints(offer, carrier);
    let needs_dtls = protocol.contains("TLS");
    if own.dtls.is_some() && !fingerprints.is_empty() {
        let offered: Setup = carrier
            .attribute_or_session()
            .ok()
            .flatten()
            .unwrap_or(Setup::Active);
        let wish = own.dtls.as_ref().map_or(Setup::Active, |dtls| dtls.setup);
        let unchanged = previous.and_then(|stream| match &stream.security {
            Security::Dtls {
                role,
                fingerprints: before,
                tls_id,
                ..
            } => {
                let same = *before == fingerprints && *tls_id == settle::tls_id(carrier);
                same.then_some(*role)
            }
            Security::None | Security::Sdes { .. } => None,
        });
        // RFC 8842 §5.3: an association that stays keeps its roles.
        let setup = offered.answer(unchanged.unwrap_or(wish));
        return Some(Keys {
            crypto: Vec::new(),
            setup: Some(setup),
        });
    }
    if needs_dtls {
        return None;
    }
    let crypto = carrier
        .attributes_of::<Crypto<'_>>()
        .flatten()
        .find_map(|crypto| {
            // RFC 4568 §5.1.2: the first line that is acceptable; unknown session parameters make it unacceptable (§6.3.7).
            let key = own
                .crypto
                .iter()
                .find(|key| key.suite == crypto.suite.as_str())?;
            (!crypto.has_unknown_mandatory_parameter())
                .then(|| (crypto.tag, key.suite.clone(), key.keys.clone()))
        });
    if protocol.contains("SAVP") && !needs_dtls && crypto.is_none() {
        return None;
    }
    Some(Keys {
        crypto: crypto.into_iter().collect(),
        setup: None,
    })
}

/// Whether a line carries a bundle that was agreed on before, and the offer says so again: RFC 8843 §7.3.3 forbids to
/// reject it alone.
fn is_offerer_tagged(negotiator: &Negotiator, offer: &SessionDescription, index: usize) -> bool {
    let was_tagged = negotiator.session().is_some_and(|session| {
        let mut streams = session.streams.iter();
        streams.any(|stream| stream.is_active() && stream.bundled_with == Some(index))
    });
    was_tagged && offered_bundles(offer).any(|group| tag_of(offer, &group) == Some(index))
}

/// RFC 8843 §7.3.3: where the line that carries an agreed bundle cannot be kept, the others of its group go with it.
fn reject_with_tag(
    negotiator: &Negotiator,
    offer: &SessionDescription,
    plans: &mut [LinePlan<'_>],
) {
    for group in offered_bundles(offer) {
        let Some(tag) = tag_of(offer, &group) else {
            continue;
        };
        let is_kept = matches!(plans.get(tag), Some(LinePlan::Stream(_)));
        // A line of port zero is disabled by the offerer itself (§7.5.3), and another takes its place (§7.3.1).
        let is_disabled = offer.media_at(tag).is_none_or(|media| media.port() == 0);
        if is_kept || is_disabled || !is_offerer_tagged(negotiator, offer, tag) {
            continue;
        }
        for media in group.mids().filter_map(|mid| offer.media_by_mid(mid)) {
            if let Some(plan) = plans.get_mut(media.index()) {
                *plan = rejected(&media, media.mid().map(String::from));
            }
        }
    }
}

fn offered_bundles(offer: &SessionDescription) -> impl Iterator<Item = Group<'_>> {
    let groups = offer.attributes().of::<Group<'_>>().flatten();
    groups.filter(|group| group.semantics == GroupSemantics::Bundle)
}

/// The line that the first tag of a group names.
fn tag_of(offer: &SessionDescription, group: &Group<'_>) -> Option<usize> {
    let media = offer.media_by_mid(group.mids().next()?)?;
    Some(media.index())
}

/// RFC 8843 §7.3: which lines share a transport, and how the answer says so. Returns the values of `a=group`.
fn bundle_lines(offer: &SessionDescription, plans: &mut [LinePlan<'_>]) -> Vec<String> {
    let mut groups = Vec::new();
    for group in offered_bundles(offer) {
        let index_of = |mid: &str| offer.media_by_mid(mid).map(|media| media.index());
        let is_accepted = |plans: &[LinePlan<'_>], index: usize| {
            matches!(plans.get(index), Some(LinePlan::Stream(_)))
        };
        // §7.3.1: the first line of the list that is accepted and has an address of its own.
        let tagged = group.mids().filter_map(index_of).find(|&index| {
            is_accepted(plans, index)
                && offer.media_at(index).is_some_and(|media| media.port() != 0)
        });
        let Some(tagged) = tagged else { continue };
        let address = match plans.get(tagged) {
            Some(LinePlan::Stream(stream)) => (stream.port, stream.connection.clone()),
            Some(LinePlan::Rejected { .. }) | None => continue,
        };
        let offers_mux = offer
            .media_at(tagged)
            .is_some_and(|media| media.has_attribute(RtcpMux::NAME));
        let mut mids = Vec::new();
        for index in core::iter::once(tagged).chain(
            group
                .mids()
                .filter_map(index_of)
                .filter(|&index| index != tagged),
        ) {
            let Some(LinePlan::Stream(stream)) = plans.get_mut(index) else {
                continue;
            };
            mids.extend(stream.mid.clone());
            // §9.3: bundled RTP is multiplexed with RTCP, whatever is done without a bundle.
            stream.rtcp_mux |= is_rtp(&stream.protocol) && offers_mux;
            if index != tagged {
                // RFC 9143 §7.3 (and RFC 8829 §5.3.1): the address of the tagged line, where RFC 8843 wanted port zero and
                // bundle-only, which browsers do not send; no attributes of the transport (§7.1.3).
                (stream.port, stream.connection) = address.clone();
                stream.transport = false;
            }
        }
        groups.push(["BUNDLE", &mids.join(" ")].join(" "));
    }
    groups
}
