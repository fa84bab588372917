//! Codecs: what a side can do, and whether two descriptions of one are the same (RFC 3264 §6.1, RFC 3551 §6).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::format::{Amr, G729, H264, TelephoneEvents, parameter};
use crate::attribute::{Fmtp, RtcpFeedback, Rtpmap};
use crate::grammar::number;
use crate::media::Media;

/// A codec of the local side.
///
/// ```
/// use sip_sdp::negotiation::Codec;
///
/// let codecs = [
///     Codec::OPUS.with_fmtp("useinbandfec=1"),
///     Codec::PCMU,
///     Codec::new("L16", 16_000).with_payload_type(112),
///     Codec::telephone_event(8000),
/// ];
/// assert_eq!(codecs[1].payload_type, Some(0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Codec {
    /// Encoding name; compared without case.
    pub name: Cow<'static, str>,
    /// RTP clock rate in hertz.
    pub clock_rate: u32,
    /// Channels.
    pub channels: u8,
    /// The payload type to use in offers; chosen from the dynamic ones when `None`.
    pub payload_type: Option<u8>,
    /// Parameters for `a=fmtp`: what this side wants to receive.
    pub fmtp: Option<Cow<'static, str>>,
    /// `a=rtcp-fb` of this codec, such as `nack pli`.
    pub feedback: Vec<Cow<'static, str>>,
}

impl Codec {
    /// G.711 µ-law.
    pub const PCMU: Self = Self::fixed("PCMU", 8000, 1, Some(0));
    /// G.711 A-law.
    pub const PCMA: Self = Self::fixed("PCMA", 8000, 1, Some(8));
    /// G.722; its RTP clock is 8000 by an old mistake (RFC 3551 §4.5.2).
    pub const G722: Self = Self::fixed("G722", 8000, 1, Some(9));
    /// G.729.
    pub const G729: Self = Self::fixed("G729", 8000, 1, Some(18));
    /// Opus; always two channels in the description (RFC 7587 §7).
    pub const OPUS: Self = Self::fixed("opus", 48_000, 2, None);
    /// Comfort noise at 8 kHz (RFC 3389).
    pub const COMFORT_NOISE: Self = Self::fixed("CN", 8000, 1, Some(13));
    /// VP8.
    pub const VP8: Self = Self::fixed("VP8", 90_000, 1, None);

    const fn fixed(
        name: &'static str,
        clock_rate: u32,
        channels: u8,
        payload_type: Option<u8>,
    ) -> Self {
        Self {
            name: Cow::Borrowed(name),
            clock_rate,
            channels,
            payload_type,
            fmtp: None,
            feedback: Vec::new(),
        }
    }

    /// A codec with one channel and a dynamic payload type.
    pub fn new(name: impl Into<Cow<'static, str>>, clock_rate: u32) -> Self {
        Self {
            name: name.into(),
            ..Self::fixed("", clock_rate, 1, None)
        }
    }

    /// DTMF digits as events (RFC 4733), at the clock rate of the codec they go with.
    pub fn telephone_event(clock_rate: u32) -> Self {
        let payload_type = if clock_rate == 8000 { Some(101) } else { None };
        Self {
            fmtp: Some(Cow::Borrowed("0-15")),
            ..Self::fixed("telephone-event", clock_rate, 1, payload_type)
        }
    }

    /// With this payload type in offers.
    #[must_use]
    pub fn with_payload_type(mut self, payload_type: u8) -> Self {
        self.payload_type = Some(payload_type);
        self
    }

    /// With these channels.
    #[must_use]
    pub const fn with_channels(mut self, channels: u8) -> Self {
        self.channels = channels;
        self
    }

    /// With these format parameters.
    #[must_use]
    pub fn with_fmtp(mut self, parameters: impl Into<Cow<'static, str>>) -> Self {
        self.fmtp = Some(parameters.into());
        self
    }

    /// With this RTCP feedback besides others.
    #[must_use]
    pub fn with_feedback(mut self, feedback: impl Into<Cow<'static, str>>) -> Self {
        self.feedback.push(feedback.into());
        self
    }

    /// Whether it carries no media of its own: events and comfort noise.
    pub fn is_auxiliary(&self) -> bool {
        is_auxiliary(&self.name)
    }
}

/// Events, comfort noise, redundancy: formats that accompany a codec.
pub(crate) fn is_auxiliary(name: &str) -> bool {
    [
        "telephone-event",
        "CN",
        "red",
        "rtx",
        "ulpfec",
        "flexfec-03",
        "tone",
    ]
    .iter()
    .any(|known| name.eq_ignore_ascii_case(known))
}

/// The static payload types of RFC 3551 §6.
const STATIC: [(u8, &str, u32, u8); 24] = [
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16_000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    (9, "G722", 8000, 1),
    (10, "L16", 44_100, 2),
    (11, "L16", 44_100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90_000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11_025, 1),
    (17, "DVI4", 22_050, 1),
    (18, "G729", 8000, 1),
    (25, "CelB", 90_000, 1),
    (26, "JPEG", 90_000, 1),
    (28, "nv", 90_000, 1),
    (31, "H261", 90_000, 1),
    (32, "MPV", 90_000, 1),
    (33, "MP2T", 90_000, 1),
    (34, "H263", 90_000, 1),
];

/// A payload type of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteCodec<'a> {
    pub(crate) payload_type: u8,
    pub(crate) name: &'a str,
    pub(crate) clock_rate: u32,
    pub(crate) channels: u8,
    pub(crate) fmtp: Option<&'a str>,
    pub(crate) feedback: Vec<RtcpFeedback<'a>>,
}

/// The payload types of a media description in its order, with `rtpmap`, `fmtp` and `rtcp-fb`; formats that are neither
/// static nor mapped are left out.
pub(crate) fn codecs_of<'a>(media: &Media<'a>) -> Vec<RemoteCodec<'a>> {
    let mut maps: Vec<Rtpmap<'a>> = media.attributes_of().flatten().collect();
    // The first of two maps for one payload type counts.
    maps.reverse();
    let fmtps: Vec<Fmtp<'a>> = media.attributes_of().flatten().collect();
    let feedback: Vec<RtcpFeedback<'a>> = media.attributes_of().flatten().collect();
    let mut codecs: Vec<RemoteCodec<'a>> = Vec::new();
    for format in media.formats() {
        let Some(payload_type) = number::<u8>(format).filter(|&number| number < 128) else {
            continue;
        };
        if codecs
            .iter()
            .any(|codec| codec.payload_type == payload_type)
        {
            continue;
        }
        let mapped = maps
            .iter()
            .rev()
            .find(|map| map.payload_type == payload_type);
        let fixed = STATIC.iter().find(|(number, ..)| *number == payload_type);
        let (name, clock_rate, channels) = match (mapped, fixed) {
            (Some(map), _) => (map.encoding, map.clock_rate, map.channels.max(1)),
            (None, Some(&(_, name, clock_rate, channels))) => (name, clock_rate, channels),
            (None, None) => continue,
        };
        codecs.push(RemoteCodec {
            payload_type,
            name,
            clock_rate,
            channels,
            fmtp: fmtps
                .iter()
                .find(|fmtp| fmtp.payload_type() == Some(payload_type))
                .map(|fmtp| fmtp.parameters),
            feedback: feedback
                .iter()
                .filter(|feedback| {
                    feedback
                        .payload_type
                        .is_none_or(|number| number == payload_type)
                })
                .copied()
                .collect(),
        });
    }
    codecs
}

/// Whether the local codec is the remote one, and with which parameters this side then receives it.
#[expect(
    clippy::option_option,
    reason = "outer: no agreement; inner: agreement without parameters"
)]
pub(crate) fn agree(local: &Codec, remote: &RemoteCodec<'_>) -> Option<Option<String>> {
    if !local.name.eq_ignore_ascii_case(remote.name)
        || local.clock_rate != remote.clock_rate
        || local.channels.max(1) != remote.channels
    {
        return None;
    }
    let mine = local.fmtp.as_deref().unwrap_or_default();
    let theirs = remote.fmtp.unwrap_or_default();
    let name = remote.name;
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    let mut out = String::new();
    if is("telephone-event") {
        // RFC 4733 §7.1.1: events that both can do. A malformed list is read as DTMF.
        let mine = TelephoneEvents::decode(mine).unwrap_or(TelephoneEvents::DTMF);
        let theirs_events = TelephoneEvents::decode(theirs).unwrap_or(TelephoneEvents::DTMF);
        let both = mine.intersection(&theirs_events);
        if both.is_empty() {
            return None;
        }
        if local.fmtp.is_some() || remote.fmtp.is_some() {
            both.encode(&mut out);
        }
    } else if is("AMR") || is("AMR-WB") {
        let (mine, theirs) = (Amr::decode(mine), Amr::decode(theirs));
        if !mine.is_compatible(&theirs) {
            return None;
        }
        let mode_set = match (mine.mode_set, theirs.mode_set) {
            (Some(mine), Some(theirs)) => Some(mine & theirs),
            (mine, theirs) => mine.or(theirs),
        };
        // RFC 4867 §8.3.1: the form of the payload is answered as offered.
        let amr = Amr {
            octet_align: theirs.octet_align,
            crc: theirs.crc,
            robust_sorting: theirs.robust_sorting,
            mode_set,
            ..mine
        };
        amr.encode(&mut out);
    } else if is("H264") {
        let (mine, theirs) = (H264::decode(mine), H264::decode(theirs));
        if !mine.is_compatible(&theirs) {
            return None;
        }
        let asymmetric = mine.level_asymmetry_allowed == Some(true)
            && theirs.level_asymmetry_allowed == Some(true);
        let mut id = theirs.profile_level_id;
        if let (Some(id), Some(own)) = (&mut id, mine.profile_level_id) {
            // RFC 6184 §8.2.2: without asymmetry the answered level is at most the offered one.
            id.level = if asymmetric {
                own.level
            } else {
                id.level.min(own.level)
            };
        }
        H264 {
            profile_level_id: id.or(mine.profile_level_id),
            ..mine
        }
        .encode(&mut out);
    } else if is("G729") {
        // RFC 7261 §3.3: annex B is off when either side says so.
        let (mine, theirs) = (G729::decode(mine), G729::decode(theirs));
        if !mine.uses_annex_b() || !theirs.uses_annex_b() {
            out.push_str("annexb=no");
        } else {
            mine.encode(&mut out);
        }
    } else if is("iLBC") {
        // RFC 3952 §5: 30 ms unless both say 20.
        let mode = |parameters| parameter(parameters, "mode").and_then(number::<u32>);
        match (mode(mine), mode(theirs)) {
            (None, None) => {}
            (Some(20), Some(20)) => out.push_str("mode=20"),
            _ => out.push_str("mode=30"),
        }
    } else if is("rtx") {
        // RFC 4588 §8.6: the format it retransmits; checked by the caller.
        out.push_str(theirs);
    } else {
        // Parameters that make another payload format of the same name.
        for (key, default) in [("bitrate", ""), ("profile-id", "0"), ("mode", "")] {
            let value = |parameters| parameter(parameters, key).unwrap_or(default);
            let applies = !default.is_empty()
                || (parameter(mine, key).is_some() && parameter(theirs, key).is_some());
            if applies && (key != "profile-id" || is("VP9")) && value(mine) != value(theirs) {
                return None;
            }
        }
        out.push_str(mine);
    }
    Some((!out.is_empty()).then_some(out))
}

/// A name for the payload type's meaning: what must stay the same while a stream lives (RFC 3264 §8.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) payload_type: u8,
    pub(crate) name: String,
    pub(crate) clock_rate: u32,
    pub(crate) channels: u8,
    pub(crate) fmtp: Option<String>,
}

impl Meaning {
    pub(crate) fn is_codec(&self, codec: &Codec) -> bool {
        self.name.eq_ignore_ascii_case(&codec.name)
            && self.clock_rate == codec.clock_rate
            && self.channels == codec.channels.max(1)
            && distinguishing(&self.name, self.fmtp.as_deref())
                == distinguishing(&codec.name, codec.fmtp.as_deref())
    }
}

/// The part of the parameters that tells two codecs of one name apart.
fn distinguishing(name: &str, fmtp: Option<&str>) -> (Option<u8>, u8, bool, String) {
    let parameters = fmtp.unwrap_or_default();
    if name.eq_ignore_ascii_case("H264") {
        let h264 = H264::decode(parameters);
        return (
            h264.profile_level_id.map(|id| id.profile),
            h264.packetization_mode.unwrap_or(0),
            false,
            String::new(),
        );
    }
    if name.eq_ignore_ascii_case("AMR") || name.eq_ignore_ascii_case("AMR-WB") {
        return (
            None,
            0,
            Amr::decode(parameters).octet_align.unwrap_or(false),
            String::new(),
        );
    }
    let key = ["bitrate", "profile-id", "apt"]
        .into_iter()
        .find_map(|key| parameter(parameters, key));
    (None, 0, false, String::from(key.unwrap_or_default()))
}

/// Whether a payload type may be given to a codec without a static one: 96 to 127, then the numbers that RFC 3551 §6
/// leaves free and RTCP multiplexing does not forbid (RFC 5761 §4: 64 to 95).
pub(crate) fn dynamic_payload_types() -> impl Iterator<Item = u8> {
    (96..=127).chain(35..=63)
}
