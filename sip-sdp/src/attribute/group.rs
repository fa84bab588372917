//! `group` (RFC 5888 §5, RFC 8843), `msid` and `msid-semantic` (RFC 8830).

use alloc::string::String;
use core::fmt;
use core::fmt::Write as _;

use super::Attribute;
use crate::grammar::{Scan, ValueError, is_token};

/// What a group means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupSemantics<'a> {
    /// Lip synchronisation (RFC 5888 §7).
    LipSync,
    /// Flow identification (RFC 5888 §8).
    FlowIdentification,
    /// One transport for several media (RFC 8843 §6).
    Bundle,
    /// Forward error correction (RFC 5956).
    ForwardErrorCorrection,
    /// Alternative network address types (RFC 4091, historic).
    AlternativeAddresses,
    /// Any other token.
    Other(&'a str),
}

impl<'a> GroupSemantics<'a> {
    fn from_token(token: &'a str) -> Self {
        match token {
            "LS" => Self::LipSync,
            "FID" => Self::FlowIdentification,
            "BUNDLE" => Self::Bundle,
            "FEC-FR" => Self::ForwardErrorCorrection,
            "ANAT" => Self::AlternativeAddresses,
            other => Self::Other(other),
        }
    }

    /// The token.
    pub const fn as_str(&self) -> &'a str {
        match self {
            Self::LipSync => "LS",
            Self::FlowIdentification => "FID",
            Self::Bundle => "BUNDLE",
            Self::ForwardErrorCorrection => "FEC-FR",
            Self::AlternativeAddresses => "ANAT",
            Self::Other(other) => other,
        }
    }
}

impl fmt::Display for GroupSemantics<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `a=group:<semantics> [<mid> ...]` (RFC 5888 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group<'a> {
    /// What the group means.
    pub semantics: GroupSemantics<'a>,
    mids: &'a str,
}

impl<'a> Group<'a> {
    /// The identification tags in order.
    pub fn mids(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.mids.split(' ').filter(|mid| !mid.is_empty())
    }

    /// Whether the group has this tag.
    pub fn contains(&self, mid: &str) -> bool {
        self.mids().any(|member| member == mid)
    }
}

impl<'a> Attribute<'a> for Group<'a> {
    const NAME: &'static str = "group";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let semantics = GroupSemantics::from_token(scan.token("the semantics are no token")?);
        if !scan.spaces() && !scan.is_empty() {
            return Err(scan.error("a space must follow the semantics"));
        }
        let group = Self {
            semantics,
            mids: scan.rest().trim_end_matches(' '),
        };
        if group.mids().all(is_token) {
            Ok(group)
        } else {
            Err(scan.error("an identification tag is no token"))
        }
    }

    fn encode(&self, out: &mut String) {
        out.push_str(self.semantics.as_str());
        for mid in self.mids() {
            // Writing to a String cannot fail.
            let _ = write!(out, " {mid}");
        }
    }
}

/// `a=msid:<stream> [<track>]` (RFC 8830 §2). The stream `-` means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8830 §2")]
pub struct Msid<'a> {
    /// Identifier of the media stream.
    pub stream: &'a str,
    /// Identifier of the track.
    pub track: Option<&'a str>,
}

impl<'a> Attribute<'a> for Msid<'a> {
    const NAME: &'static str = "msid";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let start = scan;
        let stream = scan.word("the stream is missing")?;
        scan.spaces();
        let track = if scan.is_empty() {
            None
        } else {
            Some(scan.word("the track is missing")?)
        };
        scan.end("something after the track")?;
        // Browsers put braces around them: tokens all the same.
        if is_token(stream) && track.is_none_or(is_token) {
            Ok(Self { stream, track })
        } else {
            Err(start.error("an identifier is no token"))
        }
    }

    fn encode(&self, out: &mut String) {
        out.push_str(self.stream);
        if let Some(track) = self.track {
            let _ = write!(out, " {track}");
        }
    }
}

/// `a=msid-semantic:<semantic> <stream> ...` (drafts of RFC 8830; browsers still send it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MsidSemantic<'a> {
    /// `WMS`.
    pub semantic: &'a str,
    streams: &'a str,
}

impl<'a> MsidSemantic<'a> {
    /// The streams; `*` stands for all.
    pub fn streams(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.streams.split(' ').filter(|stream| !stream.is_empty())
    }
}

impl<'a> Attribute<'a> for MsidSemantic<'a> {
    const NAME: &'static str = "msid-semantic";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces(); // `a=msid-semantic: WMS` of browsers.
        let semantic = scan.token("the semantic is missing")?;
        scan.spaces();
        Ok(Self {
            semantic,
            streams: scan.rest().trim_end_matches(' '),
        })
    }

    fn encode(&self, out: &mut String) {
        let _ = write!(out, " {}", self.semantic);
        for stream in self.streams() {
            let _ = write!(out, " {stream}");
        }
    }
}
