//! Typed parameters of `a=fmtp` for the codecs of telephones and browsers.
//!
//! Each type reads the text after the payload type and prints it again; unknown parameters are ignored, as every payload
//! format demands, and what a peer did not say is `None`, beside methods that give the RFC's default.

use alloc::string::String;
use core::fmt::{self, Write as _};

use crate::grammar::number;

/// The value of `name=value` among parameters separated by semicolons, names without case; empty for a bare name.
pub fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|part| {
        let part = part.trim_matches([' ', '\t']);
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim_end_matches(' ')
            .eq_ignore_ascii_case(name)
            .then(|| value.trim_matches([' ', '"']))
    })
}

fn numeric<T: TryFrom<u64>>(parameters: &str, name: &str) -> Option<T> {
    number(parameter(parameters, name)?)
}

fn boolean(parameters: &str, name: &str) -> Option<bool> {
    match parameter(parameters, name)? {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    }
}

/// Collects `name=value` with semicolons between.
struct Writer<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Writer<'a> {
    const fn new(out: &'a mut String) -> Self {
        Self { out, first: true }
    }

    fn put(&mut self, name: &str, value: Option<impl fmt::Display>) {
        if let Some(value) = value {
            let separator = if self.first { "" } else { ";" };
            self.first = false;
            // Writing to a String cannot fail.
            let _ = write!(self.out, "{separator}{name}={value}");
        }
    }

    fn flag(&mut self, name: &str, value: Option<bool>) {
        self.put(name, value.map(u8::from));
    }
}

/// Opus (RFC 7587 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of RFC 7587 §6.1")]
pub struct Opus {
    /// Highest sampling rate the receiver can play, in hertz.
    pub max_playback_rate: Option<u32>,
    /// Sampling rate the sender is likely to have, in hertz.
    pub sprop_max_capture_rate: Option<u32>,
    /// Shortest packet, in milliseconds (as browsers send it).
    pub min_ptime: Option<u32>,
    /// Bits per second the receiver can take.
    pub max_average_bitrate: Option<u32>,
    /// Whether the receiver wants stereo.
    pub stereo: Option<bool>,
    /// Whether the sender is likely to send stereo.
    pub sprop_stereo: Option<bool>,
    /// Constant bit rate.
    pub cbr: Option<bool>,
    /// Whether forward error correction is of use.
    pub use_inband_fec: Option<bool>,
    /// Whether discontinuous transmission is wanted.
    pub use_dtx: Option<bool>,
}

impl Opus {
    /// Reads the parameters.
    pub fn decode(parameters: &str) -> Self {
        Self {
            max_playback_rate: numeric(parameters, "maxplaybackrate"),
            sprop_max_capture_rate: numeric(parameters, "sprop-maxcapturerate"),
            min_ptime: numeric(parameters, "minptime"),
            max_average_bitrate: numeric(parameters, "maxaveragebitrate"),
            stereo: boolean(parameters, "stereo"),
            sprop_stereo: boolean(parameters, "sprop-stereo"),
            cbr: boolean(parameters, "cbr"),
            use_inband_fec: boolean(parameters, "useinbandfec"),
            use_dtx: boolean(parameters, "usedtx"),
        }
    }

    /// Appends the parameters.
    pub fn encode(&self, out: &mut String) {
        let mut writer = Writer::new(out);
        writer.put("maxplaybackrate", self.max_playback_rate);
        writer.put("sprop-maxcapturerate", self.sprop_max_capture_rate);
        writer.put("minptime", self.min_ptime);
        writer.put("maxaveragebitrate", self.max_average_bitrate);
        writer.flag("stereo", self.stereo);
        writer.flag("sprop-stereo", self.sprop_stereo);
        writer.flag("cbr", self.cbr);
        writer.flag("useinbandfec", self.use_inband_fec);
        writer.flag("usedtx", self.use_dtx);
    }
}

/// The events of `telephone-event` (RFC 4733 §7.1.1): a set of numbers 0 to 255, such as `0-15,66`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TelephoneEvents {
    bits: [u64; 4],
}

impl TelephoneEvents {
    /// Digits, `*`, `#`, A to D: what RFC 4733 §7.1.1 assumes when nothing is said.
    pub const DTMF: Self = Self {
        bits: [0xffff, 0, 0, 0],
    };

    /// Reads the list; `None` when it is malformed. An empty one is [`TelephoneEvents::DTMF`].
    pub fn decode(parameters: &str) -> Option<Self> {
        let list = parameters.trim_matches(' ');
        // Some devices write `events=0-15`.
        let list = list.strip_prefix("events=").unwrap_or(list);
        if list.is_empty() {
            return Some(Self::DTMF);
        }
        let mut events = Self { bits: [0; 4] };
        for part in list.split([',', ';']) {
            let part = part.trim_matches(' ');
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to) = (
                number::<u8>(from.trim_matches(' '))?,
                number::<u8>(to.trim_matches(' '))?,
            );
            for event in from..=to {
                if let Some(word) = events.bits.get_mut(usize::from(event / 64)) {
                    *word |= 1 << (event % 64);
                }
            }
        }
        Some(events)
    }

    /// Whether an event is in the set.
    pub fn contains(&self, event: u8) -> bool {
        self.bits
            .get(usize::from(event / 64))
            .is_some_and(|word| word >> (event % 64) & 1 == 1)
    }

    /// What both sets have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut bits = self.bits;
        for (mine, theirs) in bits.iter_mut().zip(other.bits) {
            *mine &= theirs;
        }
        Self { bits }
    }

    /// Whether no event is in the set.
    pub fn is_empty(&self) -> bool {
        self.bits == [0; 4]
    }

    /// Appends the list with ranges.
    pub fn encode(&self, out: &mut String) {
        let mut event = 0u16;
        let has = |event: u16| u8::try_from(event).is_ok_and(|event| self.contains(event));
        let mut separator = "";
        while event < 256 {
            if !has(event) {
                event += 1;
                continue;
            }
            let first = event;
            while has(event) {
                event += 1;
            }
            let _ = if event - 1 == first {
                write!(out, "{separator}{first}")
            } else {
                write!(out, "{separator}{first}-{}", event - 1)
            };
            separator = ",";
        }
    }
}

/// G.729 (RFC 4856 §2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the parameter of RFC 4856 §2.1.9"
)]
pub struct G729 {
    /// Whether annex B (silence suppression) may be used.
    pub annex_b: Option<bool>,
}

impl G729 {
    /// Reads the parameters.
    pub fn decode(parameters: &str) -> Self {
        let annex_b = match parameter(parameters, "annexb") {
            Some(value) if value.eq_ignore_ascii_case("no") => Some(false),
            Some(value) if value.eq_ignore_ascii_case("yes") => Some(true),
            _ => None,
        };
        Self { annex_b }
    }

    /// Whether annex B may be used: yes when nothing is said.
    pub fn uses_annex_b(&self) -> bool {
        self.annex_b.unwrap_or(true)
    }

    /// Appends the parameters.
    pub fn encode(&self, out: &mut String) {
        Writer::new(out).put(
            "annexb",
            self.annex_b.map(|yes| if yes { "yes" } else { "no" }),
        );
    }
}

/// AMR and AMR-WB (RFC 4867 §8.1, §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of RFC 4867 §8.1")]
pub struct Amr {
    /// Octet-aligned payloads; bandwidth-efficient when not given.
    pub octet_align: Option<bool>,
    /// Modes allowed, one bit each; all when not given.
    pub mode_set: Option<u16>,
    /// Frames between mode changes: 1 or 2.
    pub mode_change_period: Option<u8>,
    /// 2 when the sender can keep to a period of two.
    pub mode_change_capability: Option<u8>,
    /// Change only to neighbouring modes.
    pub mode_change_neighbor: Option<bool>,
    /// Frame CRCs.
    pub crc: Option<bool>,
    /// Robust sorting.
    pub robust_sorting: Option<bool>,
    /// Interleaving, in frame blocks.
    pub interleaving: Option<u16>,
    /// Redundancy, in milliseconds.
    pub max_red: Option<u16>,
}

impl Amr {
    /// Reads the parameters.
    pub fn decode(parameters: &str) -> Self {
        let mode_set = parameter(parameters, "mode-set").and_then(|list| {
            list.split(',').try_fold(0u16, |set, mode| {
                let mode = number::<u16>(mode.trim_matches(' '))?;
                (mode < 16).then(|| set | 1 << mode)
            })
        });
        Self {
            octet_align: boolean(parameters, "octet-align"),
            mode_set,
            mode_change_period: numeric(parameters, "mode-change-period"),
            mode_change_capability: numeric(parameters, "mode-change-capability"),
            mode_change_neighbor: boolean(parameters, "mode-change-neighbor"),
            crc: boolean(parameters, "crc"),
            robust_sorting: boolean(parameters, "robust-sorting"),
            interleaving: numeric(parameters, "interleaving"),
            max_red: numeric(parameters, "max-red"),
        }
    }

    /// Whether payloads of the two have the same form: RFC 4867 §8.3.1 makes these parameters a property of the
    /// payload type, which an answer keeps or refuses.
    pub fn is_compatible(&self, other: &Self) -> bool {
        let form = |amr: &Self| {
            // CRC, sorting and interleaving imply octet alignment (§8.1).
            let aligned = amr.octet_align.unwrap_or(false)
                || amr.crc.unwrap_or(false)
                || amr.robust_sorting.unwrap_or(false)
                || amr.interleaving.is_some();
            (
                aligned,
                amr.crc.unwrap_or(false),
                amr.robust_sorting.unwrap_or(false),
                amr.interleaving.is_some(),
            )
        };
        let modes = match (self.mode_set, other.mode_set) {
            (Some(mine), Some(theirs)) => mine & theirs != 0,
            _ => true,
        };
        form(self) == form(other) && modes
    }

    /// Appends the parameters.
    pub fn encode(&self, out: &mut String) {
        let mut modes = String::new();
        if let Some(set) = self.mode_set {
            for mode in (0..16).filter(|mode| set >> mode & 1 == 1) {
                let separator = if modes.is_empty() { "" } else { "," };
                let _ = write!(modes, "{separator}{mode}");
            }
        }
        let mut writer = Writer::new(out);
        writer.flag("octet-align", self.octet_align);
        writer.put("mode-set", self.mode_set.is_some().then_some(modes));
        writer.put("mode-change-period", self.mode_change_period);
        writer.put("mode-change-capability", self.mode_change_capability);
        writer.flag("mode-change-neighbor", self.mode_change_neighbor);
        writer.flag("crc", self.crc);
        writer.flag("robust-sorting", self.robust_sorting);
        writer.put("interleaving", self.interleaving);
        writer.put("max-red", self.max_red);
    }
}

/// `profile-level-id` of H.264 (RFC 6184 §8.1): three bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the three bytes of RFC 6184 §8.1"
)]
pub struct ProfileLevelId {
    /// `profile_idc`.
    pub profile: u8,
    /// `profile-iop`: constraint flags.
    pub constraints: u8,
    /// `level_idc`, ten times the level.
    pub level: u8,
}

impl ProfileLevelId {
    /// Baseline profile at level 1, when nothing is said (RFC 6184 §8.1).
    pub const DEFAULT: Self = Self {
        profile: 66,
        constraints: 0,
        level: 10,
    };

    fn decode(text: &str) -> Option<Self> {
        let value = (text.len() == 6).then(|| u32::from_str_radix(text, 16).ok())??;
        let [_, profile, constraints, level] = value.to_be_bytes();
        Some(Self {
            profile,
            constraints,
            level,
        })
    }

    /// Whether both are the same sub-profile; flags that change nothing for the profile are ignored (RFC 6184 table 5).
    pub fn is_same_profile(&self, other: &Self) -> bool {
        let name = |id: &Self| {
            let (c0, c1, c2) = (
                id.constraints & 0x80 != 0,
                id.constraints & 0x40 != 0,
                id.constraints & 0x20 != 0,
            );
            match (id.profile, c0, c1, c2) {
                // Constrained baseline.
                (66, _, true, _) | (77, true, _, _) => 1,
                // Baseline, and extended with set 0.
                (66, _, false, _) => 2,
                (88, true, true, _) => 1,
                (88, true, false, _) => 2,
                // Main; extended that obeys main's constraints.
                (77, false, _, _) => 3,
                (88, false, true, _) => 3,
                (88, false, false, _) => 4,
                // High and constrained high (constraint sets 4 and 5).
                (100, ..) if id.constraints & 0x0c == 0x0c => 6,
                (profile, ..) => u16::from(profile) + 256,
            }
        };
        name(self) == name(other)
    }
}

/// H.264 (RFC 6184 §8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the parameters that negotiation uses"
)]
pub struct H264<'a> {
    /// Profile and level.
    pub profile_level_id: Option<ProfileLevelId>,
    /// 0 single NAL unit, 1 non-interleaved, 2 interleaved.
    pub packetization_mode: Option<u8>,
    /// Whether each direction may have its own level.
    pub level_asymmetry_allowed: Option<bool>,
    /// Parameter sets, base64 with commas.
    pub sprop_parameter_sets: Option<&'a str>,
    /// Macroblocks per second.
    pub max_mbps: Option<u32>,
    /// Macroblocks of a frame.
    pub max_fs: Option<u32>,
    /// Kilobits per second (1000 or 1200).
    pub max_br: Option<u32>,
}

impl<'a> H264<'a> {
    /// Reads the parameters.
    pub fn decode(parameters: &'a str) -> Self {
        Self {
            profile_level_id: parameter(parameters, "profile-level-id")
                .and_then(ProfileLevelId::decode),
            packetization_mode: numeric(parameters, "packetization-mode"),
            level_asymmetry_allowed: boolean(parameters, "level-asymmetry-allowed"),
            sprop_parameter_sets: parameter(parameters, "sprop-parameter-sets"),
            max_mbps: numeric(parameters, "max-mbps"),
            max_fs: numeric(parameters, "max-fs"),
            max_br: numeric(parameters, "max-br"),
        }
    }

    /// Whether the two are one payload format: RFC 6184 §8.2.2, profile and packetization mode must be equal.
    pub fn is_compatible(&self, other: &H264<'_>) -> bool {
        let profile = |id: Option<ProfileLevelId>| id.unwrap_or(ProfileLevelId::DEFAULT);
        profile(self.profile_level_id).is_same_profile(&profile(other.profile_level_id))
            && self.packetization_mode.unwrap_or(0) == other.packetization_mode.unwrap_or(0)
    }

    /// Appends the parameters.
    pub fn encode(&self, out: &mut String) {
        let mut writer = Writer::new(out);
        let id = self.profile_level_id;
        writer.put(
            "profile-level-id",
            id.map(|id| alloc::format!("{:02x}{:02x}{:02x}", id.profile, id.constraints, id.level)),
        );
        writer.put("packetization-mode", self.packetization_mode);
        writer.flag("level-asymmetry-allowed", self.level_asymmetry_allowed);
        writer.put("sprop-parameter-sets", self.sprop_parameter_sets);
        writer.put("max-mbps", self.max_mbps);
        writer.put("max-fs", self.max_fs);
        writer.put("max-br", self.max_br);
    }
}

/// VP8 (RFC 7741 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of RFC 7741 §6.1")]
pub struct Vp8 {
    /// Frames per second.
    pub max_fr: Option<u32>,
    /// Macroblocks of a frame.
    pub max_fs: Option<u32>,
}

impl Vp8 {
    /// Reads the parameters.
    pub fn decode(parameters: &str) -> Self {
        Self {
            max_fr: numeric(parameters, "max-fr"),
            max_fs: numeric(parameters, "max-fs"),
        }
    }

    /// Appends the parameters.
    pub fn encode(&self, out: &mut String) {
        let mut writer = Writer::new(out);
        writer.put("max-fr", self.max_fr);
        writer.put("max-fs", self.max_fs);
    }
}

#[cfg(test)]
mod tests;
