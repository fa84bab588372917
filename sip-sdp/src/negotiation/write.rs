//! From a plan of media lines to a description.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::local::{LocalMedia, LocalRtcp, LocalSession};
use super::{NegotiationError, Negotiator};
use crate::attribute::{Direction, Setup};
use crate::config::ParserConfig;
use crate::description::SessionDescription;
use crate::fields::Connection;

/// One payload type to be named.
#[derive(Debug, Clone)]
pub(super) struct FormatPlan {
    pub(super) payload_type: u8,
    pub(super) name: String,
    pub(super) clock_rate: u32,
    pub(super) channels: u8,
    pub(super) fmtp: Option<String>,
    pub(super) feedback: Vec<String>,
}

/// One media line to be written.
#[derive(Debug, Clone)]
pub(super) enum LinePlan<'l> {
    /// Port zero.
    Rejected {
        kind: String,
        protocol: String,
        format: String,
        mid: Option<String>,
    },
    /// A stream.
    Stream(StreamPlan<'l>),
}

#[derive(Debug, Clone)]
pub(super) struct StreamPlan<'l> {
    pub(super) media: &'l LocalMedia,
    /// As offered, letter by letter.
    pub(super) kind: String,
    pub(super) port: u16,
    pub(super) protocol: String,
    /// When it is not the session's: multicast, or an address of its own.
    pub(super) connection: Option<String>,
    pub(super) formats: Vec<FormatPlan>,
    /// Of media that are not RTP.
    pub(super) raw_formats: Vec<String>,
    pub(super) direction: Direction,
    pub(super) mid: Option<String>,
    pub(super) bundle_only: bool,
    /// Whether addresses, keys and ICE are told here, or by the line it is bundled with.
    pub(super) transport: bool,
    pub(super) rtcp_mux: bool,
    pub(super) crypto: Vec<(u32, String, String)>,
    pub(super) setup: Option<Setup>,
    pub(super) ice: bool,
    pub(super) ice_mismatch: bool,
    pub(super) reduced_size_rtcp: bool,
    pub(super) extensions: Vec<(u16, String)>,
    pub(super) ptime: Option<u32>,
    pub(super) bandwidth: Vec<(String, u64)>,
}

impl StreamPlan<'_> {
    fn write(&self, out: &mut String) {
        let media = self.media;
        // Writing to a String cannot fail.
        let _ = write!(out, "m={} {} {}", self.kind, self.port, self.protocol);
        for format in &self.formats {
            let _ = write!(out, " {}", format.payload_type);
        }
        for format in &self.raw_formats {
            let _ = write!(out, " {format}");
        }
        out.push_str("\r\n");
        if let Some(connection) = &self.connection {
            let _ = write!(out, "c={connection}\r\n");
        }
        for (modifier, value) in &self.bandwidth {
            let _ = write!(out, "b={modifier}:{value}\r\n");
        }
        if let Some(mid) = &self.mid {
            let _ = write!(out, "a=mid:{mid}\r\n");
        }
        if self.bundle_only {
            out.push_str("a=bundle-only\r\n");
        }
        for format in &self.formats {
            let FormatPlan {
                payload_type,
                name,
                clock_rate,
                channels,
                ..
            } = format;
            let _ = write!(out, "a=rtpmap:{payload_type} {name}/{clock_rate}");
            if *channels > 1 {
                let _ = write!(out, "/{channels}");
            }
            out.push_str("\r\n");
            if let Some(fmtp) = &format.fmtp {
                let _ = write!(out, "a=fmtp:{payload_type} {fmtp}\r\n");
            }
            for feedback in &format.feedback {
                let _ = write!(out, "a=rtcp-fb:{payload_type} {feedback}\r\n");
            }
        }
        if let Some(ptime) = self.ptime {
            let _ = write!(out, "a=ptime:{ptime}\r\n");
        }
        if let Some(max_ptime) = media.max_ptime {
            let _ = write!(out, "a=maxptime:{max_ptime}\r\n");
        }
        let _ = write!(out, "a={}\r\n", self.direction);
        for (id, uri) in &self.extensions {
            let _ = write!(out, "a=extmap:{id} {uri}\r\n");
        }
        if self.reduced_size_rtcp {
            out.push_str("a=rtcp-rsize\r\n");
        }
        // RFC 8843 §9.3 and RFC 8829 §5.2.1: in every bundled line, too; browsers insist.
        if self.rtcp_mux {
            out.push_str("a=rtcp-mux\r\n");
        }
        if self.transport {
            self.write_transport(out);
        }
        for (name, value) in &media.attributes {
            write_attribute(out, name, value.as_deref());
        }
    }

    fn write_transport(&self, out: &mut String) {
        let media = self.media;
        match media.rtcp {
            LocalRtcp::Port(port) => {
                let _ = write!(out, "a=rtcp:{port}\r\n");
            }
            LocalRtcp::MuxOnly if self.rtcp_mux => out.push_str("a=rtcp-mux-only\r\n"),
            LocalRtcp::NextPort | LocalRtcp::Mux | LocalRtcp::MuxOnly => {}
        }
        for (tag, suite, keys) in &self.crypto {
            let _ = write!(out, "a=crypto:{tag} {suite} {keys}\r\n");
        }
        if let (Some(setup), Some(dtls)) = (self.setup, &media.dtls) {
            for (hash, digest) in &dtls.fingerprints {
                let _ = write!(out, "a=fingerprint:{hash} {digest}\r\n");
            }
            let _ = write!(out, "a=setup:{setup}\r\n");
            if let Some(tls_id) = &dtls.tls_id {
                let _ = write!(out, "a=tls-id:{tls_id}\r\n");
            }
        }
        if self.ice_mismatch {
            out.push_str("a=ice-mismatch\r\n");
        } else if let (true, Some(ice)) = (self.ice, &media.ice) {
            let _ = write!(
                out,
                "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
                ice.ufrag, ice.password
            );
            if !ice.options.is_empty() {
                let _ = write!(out, "a=ice-options:{}\r\n", ice.options.join(" "));
            }
            for candidate in &ice.candidates {
                let _ = write!(out, "a=candidate:{candidate}\r\n");
            }
            if ice.end_of_candidates {
                out.push_str("a=end-of-candidates\r\n");
            }
        }
    }
}

fn write_attribute(out: &mut String, name: &str, value: Option<&str>) {
    let _ = match value {
        Some(value) => write!(out, "a={name}:{value}\r\n"),
        None => write!(out, "a={name}\r\n"),
    };
}

/// `c=` of a host, as a line's value.
pub(super) fn connection_text(host: &str) -> String {
    let mut text = String::new();
    Connection::unicast(host).encode(&mut text);
    text
}

/// Writes the description with the version that follows from what was sent before (RFC 3264 §8).
pub(super) fn describe(
    negotiator: &Negotiator,
    local: &LocalSession,
    time: Option<&str>,
    groups: &[String],
    lines: &[LinePlan<'_>],
) -> Result<SessionDescription, NegotiationError> {
    let connection = connection_text(&local.address);
    let mut rest = String::new();
    let _ = write!(
        rest,
        "s={}\r\nc={connection}\r\nt={}\r\n",
        local.name,
        time.unwrap_or("0 0")
    );
    for group in groups {
        let _ = write!(rest, "a=group:{group}\r\n");
    }
    // RFC 8839 §5.3: lite is a property of the agent, told once.
    if local
        .media
        .iter()
        .any(|media| media.ice.as_ref().is_some_and(|ice| ice.lite))
    {
        out_lite(&mut rest, lines);
    }
    for (name, value) in &local.attributes {
        write_attribute(&mut rest, name, value.as_deref());
    }
    for line in lines {
        match line {
            LinePlan::Rejected {
                kind,
                protocol,
                format,
                mid,
            } => {
                let _ = write!(rest, "m={kind} 0 {protocol} {format}\r\n");
                if let Some(mid) = mid {
                    let _ = write!(rest, "a=mid:{mid}\r\n");
                }
            }
            LinePlan::Stream(stream) => stream.write(&mut rest),
        }
    }
    let head = |version: u64| {
        let LocalSession {
            username,
            session_id,
            ..
        } = local;
        format!("v=0\r\no={username} {session_id} {version} {connection}\r\n{rest}")
    };
    let parse = |text: String| {
        SessionDescription::parse_with(text.as_bytes(), &local_rules())
            .map_err(NegotiationError::Local)
    };
    let Some(sent) = &negotiator.sent else {
        return parse(head(local.first_version));
    };
    let version = sent
        .origin()
        .and_then(|origin| origin.version())
        .unwrap_or(local.first_version);
    // RFC 3264 §8: the same version for the same description, else one more.
    let same = head(version);
    if same.as_bytes() == sent.to_vec() {
        parse(same)
    } else {
        parse(head(version.wrapping_add(1)))
    }
}

fn out_lite(out: &mut String, lines: &[LinePlan<'_>]) {
    let uses_ice = lines
        .iter()
        .any(|line| matches!(line, LinePlan::Stream(stream) if stream.ice));
    if uses_ice {
        out.push_str("a=ice-lite\r\n");
    }
}

/// What this side writes is checked by the strict rules; only the bound on media is the caller's.
fn local_rules() -> ParserConfig {
    let mut config = ParserConfig::strict();
    config.limits.media = usize::from(u16::MAX);
    config.limits.lines = usize::from(u16::MAX) * 64;
    config.limits.bytes = 1 << 26;
    config
}
