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
    /// The fingerprints of the line's certificate and its role, when it has DTLS.
    fn dtls(&self) -> Option<(&[(String, String)], Setup)> {
        let dtls = self.media.dtls.as_ref()?;
        Some((dtls.fingerprints.as_slice(), self.setup?))
    }

    /// The ICE credentials of the line, when it has ICE.
    fn ice_credentials(&self) -> Option<(&str, &str)> {
        let ice = self.media.ice.as_ref();
        ice.filter(|_| self.ice && !self.ice_mismatch)
            .map(|ice| (ice.ufrag.as_str(), ice.password.as_str()))
    }

    fn write(&self, out: &mut String, shared: &Shared<'_>) {
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
        // RFC 3264 §5.1: a packet has a length.
        if let Some(ptime) = self.ptime.filter(|ptime| *ptime > 0) {
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
            self.write_transport(out, shared);
        }
        for (name, value) in &media.attributes {
            write_attribute(out, name, value.as_deref());
        }
    }

    fn write_transport(&self, out: &mut String, shared: &Shared<'_>) {
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
        if shared.dtls.is_none() {
            write_dtls(out, self.dtls());
        }
        let tls_id = media.dtls.as_ref().and_then(|dtls| dtls.tls_id.as_ref());
        if let (Some(_), Some(tls_id)) = (self.setup, tls_id) {
            let _ = write!(out, "a=tls-id:{tls_id}\r\n");
        }
        if self.ice_mismatch {
            out.push_str("a=ice-mismatch\r\n");
        } else if let (true, Some(ice)) = (self.ice, &media.ice) {
            if shared.ice.is_none() {
                write_ice_credentials(out, self.ice_credentials());
            }
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

/// What is told once for the session, since lines are bundled and each would say the same: RFC 8122 §5, RFC 4145 §4 and
/// RFC 8839 §5.4 allow it. Told by the line that carries the bundle alone, as RFC 8843 §7.1.3 allows as well, Firefox 153
/// crashes without fingerprints in the others, refuses later offers without their roles, and ICE restarts of that line only.
#[derive(Default)]
struct Shared<'l> {
    /// Fingerprints and role of DTLS.
    dtls: Option<(&'l [(String, String)], Setup)>,
    /// User fragment and password.
    ice: Option<(&'l str, &'l str)>,
}

impl<'l> Shared<'l> {
    fn of(lines: &'l [LinePlan<'_>]) -> Self {
        let streams = || {
            lines.iter().filter_map(|line| match line {
                LinePlan::Stream(stream) => Some(stream),
                LinePlan::Rejected { .. } => None,
            })
        };
        let is_bundled = streams().any(|stream| !stream.transport);
        let Some(first) = streams().next().filter(|_| is_bundled) else {
            return Self::default();
        };
        let (dtls, ice) = (first.dtls(), first.ice_credentials());
        Self {
            dtls: dtls.filter(|_| streams().all(|stream| stream.dtls() == dtls)),
            ice: ice.filter(|_| streams().all(|stream| stream.ice_credentials() == ice)),
        }
    }

    fn write(&self, out: &mut String) {
        write_dtls(out, self.dtls);
        write_ice_credentials(out, self.ice);
    }
}

fn write_dtls(out: &mut String, dtls: Option<(&[(String, String)], Setup)>) {
    let Some((fingerprints, setup)) = dtls else {
        return;
    };
    for (hash, digest) in fingerprints {
        let _ = write!(out, "a=fingerprint:{hash} {digest}\r\n");
    }
    let _ = write!(out, "a=setup:{setup}\r\n");
}

fn write_ice_credentials(out: &mut String, credentials: Option<(&str, &str)>) {
    if let Some((ufrag, password)) = credentials {
        let _ = write!(out, "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n");
    }
}

fn write_attribute(out: &mut String, name: &str, value: Option<&str>) {
    let _ = match value {
        Some(value) => write!(out, "a={name}:{value}\r\n"),
        None => write!(out, "a={name}\r\n"),
    };
}

/// The largest number of `o=`.
const LARGEST: u64 = i64::MAX as u64;

/// First versions are less.
const FIRST_VERSIONS: u64 = (1 << 62) - 1;

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
    let shared = Shared::of(lines);
    shared.write(&mut rest);
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
            LinePlan::Stream(stream) => stream.write(&mut rest, &shared),
        }
    }
    let head = |version: u64| {
        let username = &local.username;
        // RFC 3264 §5: both numbers fit a signed one of 64 bits, and the first version leaves room for later ones.
        let session_id = local.session_id & LARGEST;
        let version = version & LARGEST;
        format!("v=0\r\no={username} {session_id} {version} {connection}\r\n{rest}")
    };
    let parse = |text: String| {
        SessionDescription::parse_with(text.as_bytes(), &local_rules())
            .map_err(NegotiationError::Local)
    };
    let first = local.first_version % FIRST_VERSIONS;
    let Some(sent) = &negotiator.sent else {
        return parse(head(first));
    };
    let version = sent
        .origin()
        .and_then(|origin| origin.version())
        .unwrap_or(first);
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
