//! Making an offer (RFC 3264 §5 and §8).

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::answer::{is_rtp, meaning};
use super::codec::{Codec, Meaning, dynamic_payload_types, is_auxiliary};
use super::local::{Bundle, LocalMedia, LocalRtcp, LocalSession};
use super::write::{FormatPlan, LinePlan, StreamPlan, connection_text, describe};
use super::{LineState, NegotiationError, Negotiator};
use crate::attribute::Setup;
use crate::attribute::format::parameter;
use crate::description::SessionDescription;

pub(super) fn plan(
    negotiator: &Negotiator,
    local: &LocalSession,
) -> Result<(SessionDescription, Vec<LineState>), NegotiationError> {
    let mut lines = negotiator.lines.clone();
    place_new_media(negotiator, local, &mut lines);
    let bundles = matches!(local.bundle, Bundle::Offer | Bundle::Only)
        || (local.bundle == Bundle::Accept && agreed_bundle(negotiator));
    let mut plans = Vec::with_capacity(lines.len());
    let mut bundled: Vec<String> = Vec::new();
    // Port and address of the line that carries the bundle.
    let mut tagged: (u16, Option<String>) = (0, None);
    for index in 0..lines.len() {
        let media = lines
            .get(index)
            .and_then(|line| local.media.get(line.media?))
            .filter(|media| !media.stopped);
        let Some(media) = media else {
            plans.push(removed(negotiator, local, lines.get(index), index));
            continue;
        };
        let formats = formats(&mut lines, index, media)?;
        let Some(line) = lines.get_mut(index) else {
            continue;
        };
        if line.mid.is_none() && (bundles || media.mid.is_some()) {
            line.mid = Some(media.mid.clone().unwrap_or_else(|| index.to_string()));
        }
        let mid = line.mid.clone();
        // RFC 8843 §7.2: bundle-only on every line but the suggested tag.
        let first = bundled.is_empty();
        let in_bundle = bundles && mid.is_some();
        // RFC 9143 §7.5 (RFC 8829 §5.2.2): once agreed, the other lines repeat the address of the tagged one.
        let was_bundled = negotiator
            .session()
            .and_then(|session| session.streams.get(index))
            .is_some_and(|stream| stream.is_active() && stream.bundled_with.is_some());
        let shares = in_bundle && !first && was_bundled;
        let bundle_only = in_bundle && !first && local.bundle == Bundle::Only && !shares;
        if in_bundle {
            if first {
                tagged = (media.port, own_connection(local, media));
            }
            bundled.extend(mid.clone());
        }
        let (port, connection) = if bundle_only {
            (0, None)
        } else if shares {
            tagged.clone()
        } else {
            (media.port, own_connection(local, media))
        };
        plans.push(LinePlan::Stream(StreamPlan {
            media,
            kind: media.kind.to_string(),
            port,
            protocol: media
                .protocols
                .first()
                .map(|protocol| protocol.to_string())
                .unwrap_or_default(),
            connection,
            formats,
            raw_formats: media.formats.iter().map(ToString::to_string).collect(),
            direction: media.effective_direction(),
            mid,
            bundle_only,
            transport: !bundle_only && !shares,
            // RFC 8843 §9.3: bundled RTP is multiplexed with RTCP, whatever is done without a bundle.
            rtcp_mux: matches!(media.rtcp, LocalRtcp::Mux | LocalRtcp::MuxOnly)
                || in_bundle
                    && media
                        .protocols
                        .first()
                        .is_some_and(|protocol| is_rtp(protocol)),
            crypto: (1..)
                .zip(&media.crypto)
                .map(|(tag, key)| (tag, key.suite.clone(), key.keys.clone()))
                .collect(),
            // RFC 8842 §5.2: an offer leaves the choice to the answerer.
            setup: media.dtls.as_ref().map(|_| Setup::ActPass),
            ice: media.ice.is_some(),
            ice_mismatch: false,
            reduced_size_rtcp: media.reduced_size_rtcp,
            extensions: media
                .extensions
                .iter()
                .map(|(id, uri)| (*id, uri.to_string()))
                .collect(),
            ptime: media.ptime,
            bandwidth: media
                .bandwidth
                .iter()
                .map(|(modifier, value)| (modifier.to_string(), *value))
                .collect(),
        }));
    }
    let mut groups = Vec::new();
    if !bundled.is_empty() {
        groups.push(format!("BUNDLE {}", bundled.join(" ")));
    }
    let offer = describe(negotiator, local, None, &groups, &plans)?;
    Ok((offer, lines))
}

/// `c=` of a line, when it is not the session's.
pub(super) fn own_connection(local: &LocalSession, media: &LocalMedia) -> Option<String> {
    media
        .address
        .as_ref()
        .filter(|address| **address != local.address)
        .map(|host| connection_text(host))
}

fn agreed_bundle(negotiator: &Negotiator) -> bool {
    negotiator.session().is_some_and(|session| {
        session
            .streams
            .iter()
            .any(|stream| stream.bundled_with.is_some())
    })
}

/// Ties media without a line to a free one, or to a new one at the end (RFC 3264 §8.1).
fn place_new_media(negotiator: &Negotiator, local: &LocalSession, lines: &mut Vec<LineState>) {
    for (index, media) in local.media.iter().enumerate() {
        let had_line = negotiator.spent.contains(&index);
        if media.only_accept
            || media.stopped
            || had_line
            || lines.iter().any(|line| line.media == Some(index))
        {
            continue;
        }
        match lines
            .iter_mut()
            .find(|line| line.dead && local.recycle_lines)
        {
            Some(line) => {
                line.dead = false;
                line.media = Some(index);
                // RFC 8843 §7.5.1: what a line meant before must not be told for the new stream.
                line.mid = line.mid.take().map(|mid| format!("{mid}-{index}"));
            }
            None => lines.push(LineState {
                media: Some(index),
                ..LineState::default()
            }),
        }
    }
}

/// A line that is over: kind, protocol and a format stay, so that the count of lines holds (RFC 3264 §8.2).
fn removed<'l>(
    negotiator: &Negotiator,
    local: &LocalSession,
    line: Option<&LineState>,
    index: usize,
) -> LinePlan<'l> {
    let before = negotiator
        .agreed
        .as_ref()
        .and_then(|agreed| agreed.local.media_at(index));
    let media = line.and_then(|line| local.media.get(line.media?));
    let (kind, protocol, format) = match (before, media) {
        (Some(before), _) => (
            before.kind().to_string(),
            before.protocol().to_string(),
            before.formats().next().unwrap_or("0").to_string(),
        ),
        (None, media) => (
            media.map_or_else(|| "audio".to_string(), |media| media.kind.to_string()),
            media
                .and_then(|media| media.protocols.first())
                .map_or_else(|| "RTP/AVP".to_string(), |protocol| protocol.to_string()),
            "0".to_string(),
        ),
    };
    LinePlan::Rejected {
        kind,
        protocol,
        format,
        mid: line.and_then(|line| line.mid.clone()),
    }
}

/// Payload types for the codecs of a line: those of before stay, new ones take what is free (RFC 3264 §8.3.2).
fn formats(
    lines: &mut [LineState],
    index: usize,
    media: &LocalMedia,
) -> Result<Vec<FormatPlan>, NegotiationError> {
    let mut plans: Vec<FormatPlan> = Vec::with_capacity(media.codecs.len());
    for codec in &media.codecs {
        let codec = &with_associated(codec, &plans);
        let taken: Vec<u8> = plans.iter().map(|plan| plan.payload_type).collect();
        let payload_type = payload_type(lines, index, codec, &taken)
            .ok_or(NegotiationError::PayloadTypes { index })?;
        let plan = FormatPlan {
            payload_type,
            name: codec.name.to_string(),
            clock_rate: codec.clock_rate,
            channels: codec.channels.max(1),
            fmtp: codec.fmtp.as_ref().map(ToString::to_string),
            feedback: codec.feedback.iter().map(ToString::to_string).collect(),
        };
        remember(lines, index, meaning(&plan));
        plans.push(plan);
    }
    Ok(plans)
}

/// RFC 4588 §8.6: a retransmission format names what it retransmits; unless it does so itself, the codec before it.
fn with_associated<'c>(codec: &'c Codec, before: &[FormatPlan]) -> Cow<'c, Codec> {
    let fmtp = codec.fmtp.as_deref().unwrap_or_default();
    let is_complete = parameter(fmtp, "apt").is_some();
    let associated = before.iter().rfind(|plan| !is_auxiliary(&plan.name));
    match associated {
        Some(plan) if codec.name.eq_ignore_ascii_case("rtx") && !is_complete => {
            let separator = if fmtp.is_empty() { "" } else { ";" };
            let parameters = format!("apt={}{separator}{fmtp}", plan.payload_type);
            Cow::Owned(codec.clone().with_fmtp(parameters))
        }
        _ => Cow::Borrowed(codec),
    }
}

/// Notes what a payload type means in a line.
pub(super) fn remember(lines: &mut [LineState], index: usize, meaning: Meaning) {
    if let Some(line) = lines.get_mut(index) {
        line.payloads
            .retain(|known| known.payload_type != meaning.payload_type);
        line.payloads.push(meaning);
    }
}

fn payload_type(lines: &[LineState], index: usize, codec: &Codec, taken: &[u8]) -> Option<u8> {
    let line = lines.get(index)?;
    let known = |line: &LineState| {
        line.payloads
            .iter()
            .filter(|meaning| meaning.is_codec(codec) && !taken.contains(&meaning.payload_type))
            .map(|meaning| meaning.payload_type)
            .next()
    };
    // The same codec has one number in every line, so that the lines can be bundled (RFC 8843 §10.1.2).
    let elsewhere = || {
        lines
            .iter()
            .find_map(known)
            .filter(|&number| is_free(lines, index, codec, number))
    };
    let wished = || {
        codec
            .payload_type
            .filter(|&number| !taken.contains(&number) && is_free(lines, index, codec, number))
    };
    let next = || {
        dynamic_payload_types()
            .find(|&number| !taken.contains(&number) && is_free(lines, index, codec, number))
    };
    // Where many lines have used up the numbers, only those of this line count.
    let last = || {
        dynamic_payload_types().find(|number| {
            !taken.contains(number)
                && !line
                    .payloads
                    .iter()
                    .any(|meaning| meaning.payload_type == *number)
        })
    };
    known(line)
        .or_else(elsewhere)
        .or_else(wished)
        .or_else(next)
        .or_else(last)
}

/// Whether a number means nothing else anywhere in the session. Static numbers are what they are.
fn is_free(lines: &[LineState], index: usize, codec: &Codec, number: u8) -> bool {
    let conflicts = |line: &LineState| {
        line.payloads
            .iter()
            .any(|meaning| meaning.payload_type == number && !meaning.is_codec(codec))
    };
    if number < 35 {
        return !lines.get(index).is_some_and(conflicts);
    }
    !lines.iter().any(conflicts)
}
