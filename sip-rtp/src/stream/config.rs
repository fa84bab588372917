//! What a stream is told at its construction.

use std::net::SocketAddr;
use std::time::Duration;

/// Configuration of an [`RtpStream`](super::RtpStream).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StreamConfig {
    /// Where the other side says it receives RTP. Port 0 means that nothing leaves until an address is known.
    pub remote: SocketAddr,
    /// Where it receives RTCP; `None` when RTCP shares the port of RTP (RFC 5761).
    pub remote_rtcp: Option<SocketAddr>,
    /// The RTP clock of the payload, in Hz.
    pub clock_rate: u32,
    /// Our canonical name (RFC 3550 §6.5.1; RFC 7022 says how to choose it).
    pub cname: String,
    /// Everything random comes from it: SSRC, first sequence number, timestamp offset, report times.
    pub seed: [u8; 32],
    /// A fixed SSRC, where a description announced it (RFC 5576).
    pub ssrc: Option<u32>,
    /// From which addresses packets are believed.
    pub latching: Latching,
    /// Whether RTCP is sent.
    pub rtcp: bool,
    /// Whether RTCP that does not begin with a report is accepted (RFC 5506).
    pub reduced_size: bool,
    /// Whether reports carry extended reports (RFC 3611), where `a=rtcp-xr` agreed on them: reference times and VoIP metrics.
    pub extended_reports: bool,
    /// RTCP bandwidth in bits per second: 5 % of the session's (RFC 3550 §6.2), or what `b=RS` and `b=RR` add up to.
    pub rtcp_bandwidth: u32,
    /// Packets in sequence before a source is believed (RFC 3550 A.1: MIN_SEQUENTIAL), 1 to 4. They are held, not lost.
    pub probation: u8,
    /// Silence after which [`Event::Inactive`](super::Event::Inactive) is reported; `None` for never.
    pub inactivity: Option<Duration>,
    /// The bounds of what others can make us keep.
    pub limits: Limits,
}

impl StreamConfig {
    /// A stream to `remote` with RTCP on the same port, for a payload clock of `clock_rate` Hz.
    #[must_use]
    pub fn new(
        remote: SocketAddr,
        clock_rate: u32,
        cname: impl Into<String>,
        seed: [u8; 32],
    ) -> Self {
        Self {
            remote,
            remote_rtcp: None,
            clock_rate,
            cname: cname.into(),
            seed,
            ssrc: None,
            latching: Latching::Once,
            rtcp: true,
            reduced_size: false,
            extended_reports: false,
            // 5 % of G.711 with its headers.
            rtcp_bandwidth: 4000,
            probation: 2,
            inactivity: None,
            limits: Limits::default(),
        }
    }
}

/// From which addresses packets are believed, and so where ours go (RFC 4961, RFC 7362).
///
/// Following whoever sends is what makes a call work through a NAT, and what lets an attacker take its media by
/// spraying packets at the port (RFC 7362 §5). So a learnt address needs packets in sequence, is taken only while the
/// signalled one is silent, and never changes while its owner sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Latching {
    /// Only the signalled address. For private networks and for media behind ICE.
    Strict,
    /// The signalled host, on any port.
    SameHost,
    /// The first address that sends in sequence, unless the signalled one does first; then only this one, until it has
    /// been silent for three seconds.
    Once,
}

/// Bounds of what others can make a stream keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Sources at a time: against a flood of SSRCs.
    pub sources: usize,
    /// Remembered addresses that used our SSRC (RFC 3550 §8.2).
    pub conflicts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sources: 16,
            conflicts: 8,
        }
    }
}
