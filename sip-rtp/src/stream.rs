//! One RTP stream in both directions, with its RTCP (RFC 3550 §5, §6; RFC 4961 symmetric RTP; RFC 5761 multiplexing).
//!
//! The machine numbers and stamps what is sent, validates and counts what arrives, reports and hears reports, and knows
//! where the other side is. It does not know what the payload means: [`crate::audio`] adds that.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::packet::{PacketError, RtpHeader, RtpPacket};
use crate::rtcp::{ReportBlock, VoipMetrics};
use crate::source::{Sequence, SourceStatistics};

mod config;
mod control;
mod latch;
mod schedule;

pub use config::{Latching, Limits, StreamConfig};

use latch::{Latch, Verdict};
use schedule::Schedule;

/// How long after a change of our SSRC another collision is not believed.
const COLLISION_PAUSE: Duration = Duration::from_secs(10);

/// What arrives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// A datagram on the RTP socket, or on the RTCP socket where there are two; told apart by content (RFC 5761 §4).
    Datagram {
        /// Its octets.
        payload: Bytes,
        /// Where it came from.
        source: SocketAddr,
    },
}

impl Input {
    /// A datagram that arrived from `source`.
    #[must_use]
    pub fn datagram(payload: impl Into<Bytes>, source: SocketAddr) -> Self {
        Self::Datagram {
            payload: payload.into(),
            source,
        }
    }
}

/// What the driver has to do, in this order.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver that ignores a variant must not compile"
)]
pub enum Output {
    /// Send a datagram.
    Transmit {
        /// Where to.
        destination: SocketAddr,
        /// The octets.
        payload: Bytes,
        /// Whether it is RTCP: it leaves from the RTCP socket where there are two.
        rtcp: bool,
    },
    /// Something happened.
    Event(Event),
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A valid packet of a valid source.
    Packet(ReceivedPacket),
    /// A source passed its probation.
    SourceStarted {
        /// The source.
        ssrc: u32,
        /// Where it sends from.
        address: SocketAddr,
    },
    /// A source said goodbye, or was silent for too long.
    SourceEnded {
        /// The source.
        ssrc: u32,
        /// Whether it said goodbye.
        goodbye: bool,
    },
    /// The other side reports how it receives us.
    Report(RemoteReport),
    /// The other side reports how a call sounds there (RFC 3611 §4.7).
    Metrics(VoipMetrics),
    /// Packets now go to an address that was learnt from what arrived (RFC 7362).
    Latched(SocketAddr),
    /// Another participant used our SSRC; we took a new one (RFC 3550 §8.2).
    SsrcChanged {
        /// Before.
        old: u32,
        /// Now.
        new: u32,
    },
    /// Nothing valid arrived for [`StreamConfig::inactivity`]. Once per silence.
    Inactive,
}

/// One valid RTP packet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReceivedPacket {
    /// The source.
    pub ssrc: u32,
    /// The sequence number extended by its cycles; starts between 65536 and 131071.
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The payload type.
    pub payload_type: u8,
    /// The marker bit.
    pub marker: bool,
    /// The payload: a slice of the datagram.
    pub payload: Bytes,
    /// When it arrived.
    pub arrival: Instant,
}

/// A report block about us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteReport {
    /// Who reports.
    pub reporter: u32,
    /// What it says.
    pub block: ReportBlock,
    /// The round-trip time, when the report answers one of ours (RFC 3550 §6.4.1).
    pub round_trip: Option<Duration>,
}

/// A payload to send.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "what a caller must say about a frame, and nothing else"
)]
pub struct Frame<'a> {
    /// The payload type.
    pub payload_type: u8,
    /// Where the frame begins on the media clock, which starts at 0; the stream adds its random offset.
    pub timestamp: u32,
    /// The marker bit: in audio, the first packet of a talkspurt (RFC 3551 §4.1).
    pub marker: bool,
    /// The payload.
    pub payload: &'a [u8],
}

/// Counters of a stream. All count from its beginning.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StreamStatistics {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Payload octets sent.
    pub octets_sent: u64,
    /// Valid RTP packets received from all sources.
    pub packets_received: u64,
    /// Payload octets of these.
    pub octets_received: u64,
    /// Packets lost on the way to us, over all sources (RFC 3550 A.3); negative with duplicates.
    pub packets_lost: i64,
    /// Jitter of the source heard last.
    pub jitter: Duration,
    /// The round-trip time heard last.
    pub round_trip: Option<Duration>,
    /// The report about us heard last.
    pub remote_report: Option<ReportBlock>,
    /// How the call sounds on the other side, heard last (RFC 3611 §4.7).
    pub remote_metrics: Option<VoipMetrics>,
    /// RTCP datagrams sent.
    pub rtcp_sent: u64,
    /// Valid RTCP datagrams received.
    pub rtcp_received: u64,
    /// What was dropped.
    pub dropped: Dropped,
}

/// Datagrams dropped, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Neither RTP nor RTCP, or malformed, for whatever reason; the next three are among them.
    pub malformed: u64,
    /// Shorter than an RTP header.
    pub truncated: u64,
    /// Of another version of RTP than 2.
    pub wrong_version: u64,
    /// With a count of sources, words or padding that does not fit into the packet.
    pub lying_length: u64,
    /// From an address that the latching policy refuses.
    pub wrong_source: u64,
    /// A sequence number that does not belong to the stream (RFC 3550 A.1).
    pub bad_sequence: u64,
    /// A source beyond [`Limits::sources`].
    pub too_many_sources: u64,
    /// Our own packets, come back (RFC 3550 §8.2).
    pub looped: u64,
    /// Packets that failed probation.
    pub probation: u64,
    /// Arrived after [`RtpStream::close`].
    pub closed: u64,
}

impl Dropped {
    fn on_malformed(&mut self, error: PacketError) {
        self.malformed += 1;
        match error {
            PacketError::TooShort => self.truncated += 1,
            PacketError::Version => self.wrong_version += 1,
            PacketError::Sources | PacketError::Extension | PacketError::Padding => {
                self.lying_length += 1;
            }
        }
    }
}

/// One RTP stream, both directions, and its RTCP. See the [module](self).
#[derive(Debug)]
pub struct RtpStream {
    config: StreamConfig,
    rng: StdRng,
    /// Wall clock at `start`; all NTP times follow from it.
    wall: SystemTime,
    start: Instant,
    last_now: Instant,
    ssrc: u32,
    sequence: u16,
    timestamp_offset: u32,
    /// Media time and moment of the packet sent last, for sender reports.
    last_sent: Option<(u32, Instant)>,
    sent_since_report: [bool; 2],
    latch: Latch,
    rtcp_remote: Option<SocketAddr>,
    sources: Vec<Source>,
    /// Addresses that sent with our SSRC: a second packet from there is a loop (RFC 3550 §8.2).
    conflicts: VecDeque<SocketAddr>,
    last_collision: Option<Instant>,
    schedule: Option<Schedule>,
    inactive_at: Option<Instant>,
    /// Reference times that await their answer: receiver, middle bits, arrival (RFC 3611 §4.4).
    references: Vec<(u32, u32, Instant)>,
    metrics: Option<VoipMetrics>,
    closed: bool,
    outputs: VecDeque<Output>,
    /// What the layer above takes before the outputs, when there is one: packets, and where a source begins.
    diverted: Option<Vec<Diverted>>,
    statistics: StreamStatistics,
    /// Losses of sources that are gone.
    lost_before: i64,
}

/// What a layer above takes out of a stream.
#[derive(Debug)]
pub(crate) enum Diverted {
    Source(u32),
    Packet(ReceivedPacket),
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    address: SocketAddr,
    statistics: SourceStatistics,
    /// Packets of the probation, delivered when it is passed.
    held: Vec<ReceivedPacket>,
    last_heard: Instant,
    last_rtp: Option<Instant>,
    rtp_since_report: bool,
    cname: Option<Box<str>>,
}

impl RtpStream {
    /// A stream that starts at `now`, when the wall clock shows `wall`.
    #[must_use]
    pub fn new(config: StreamConfig, wall: SystemTime, now: Instant) -> Self {
        let mut rng = StdRng::from_seed(config.seed);
        let schedule = config
            .rtcp
            .then(|| Schedule::new(config.rtcp_bandwidth, &mut rng, now));
        let mut stream = Self {
            // RFC 3550 §5.1: SSRC, first sequence number and timestamp offset are random.
            ssrc: config.ssrc.unwrap_or_else(|| rng.random()),
            sequence: rng.random(),
            timestamp_offset: rng.random(),
            latch: Latch::new(config.latching, config.remote),
            rtcp_remote: config.remote_rtcp,
            inactive_at: config.inactivity.map(|after| now + after),
            config,
            rng,
            wall,
            start: now,
            last_now: now,
            last_sent: None,
            sent_since_report: [false; 2],
            sources: Vec::new(),
            conflicts: VecDeque::new(),
            last_collision: None,
            schedule,
            references: Vec::new(),
            metrics: None,
            closed: false,
            outputs: VecDeque::new(),
            diverted: None,
            statistics: StreamStatistics::default(),
            lost_before: 0,
        };
        if stream.sequence > 0x7fff {
            // Start in the lower half, so that SRTP's rollover counter starts in step (RFC 3711 §3.3.1).
            stream.sequence &= 0x7fff;
        }
        stream
    }

    /// A datagram arrived.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        self.last_now = now;
        let Input::Datagram { payload, source } = input;
        if self.closed {
            self.statistics.dropped.closed += 1;
            return;
        }
        // RFC 5761 §4: with the version bits in front, RTCP packet types lie where RTP would have types 64 to 95.
        match payload.get(1) {
            Some(192..=223) => self.on_rtcp(&payload, source, now),
            _ => self.on_rtp(payload, source, now),
        }
    }

    /// Sends a frame. While the address of the other side is not known (port 0, or the unspecified address that means
    /// "on hold" in old descriptions), nothing leaves.
    pub fn send(&mut self, frame: Frame<'_>, now: Instant) {
        self.last_now = now;
        let destination = self.latch.remote();
        if self.closed || !is_somewhere(destination) {
            return;
        }
        let mut packet = Vec::with_capacity(12 + frame.payload.len());
        let header = RtpHeader {
            marker: frame.marker,
            payload_type: frame.payload_type,
            sequence: self.sequence,
            timestamp: frame.timestamp.wrapping_add(self.timestamp_offset),
            ssrc: self.ssrc,
            ..RtpHeader::default()
        };
        header.write(frame.payload, &mut packet);
        self.sequence = self.sequence.wrapping_add(1);
        self.last_sent = Some((frame.timestamp, now));
        self.sent_since_report[0] = true;
        self.statistics.packets_sent += 1;
        self.statistics.octets_sent += frame.payload.len() as u64;
        self.outputs.push_back(Output::Transmit {
            destination,
            payload: packet.into(),
            rtcp: false,
        });
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.last_now = now;
        if self.inactive_at.is_some_and(|at| at <= now) {
            self.inactive_at = None;
            self.outputs.push_back(Output::Event(Event::Inactive));
        }
        let members = self.members();
        let senders = self.senders();
        let sending = self.is_sending();
        let Some(schedule) = &mut self.schedule else {
            return;
        };
        if schedule.expires(members, senders, sending, &mut self.rng, now) {
            self.send_report(None, now);
            self.expire_sources(now);
        }
    }

    /// The next output, in causal order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// From now on, packets do not become outputs: the layer above takes them with [`Self::take_diverted`].
    pub(crate) fn divert(&mut self) {
        self.diverted = Some(Vec::new());
    }

    /// What was diverted; to be given back empty, so that it keeps its memory.
    pub(crate) fn take_diverted(&mut self) -> Vec<Diverted> {
        self.diverted
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Gives back the list of [`Self::take_diverted`].
    pub(crate) fn give_back(&mut self, list: Vec<Diverted>) {
        self.diverted = Some(list);
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.outputs.is_empty() {
            return Some(self.last_now);
        }
        let report = self.schedule.as_ref().map(Schedule::next);
        [report, self.inactive_at].into_iter().flatten().min()
    }

    /// Leaves the session: sends BYE (RFC 3550 §6.6) if anything was ever sent, and stops.
    pub fn close(&mut self, reason: Option<&str>, now: Instant) {
        self.last_now = now;
        if self.closed {
            return;
        }
        // RFC 3550 §6.3.7: one who never sent anything must not send BYE. With fewer than 50 members it leaves at once.
        if self.config.rtcp && (self.statistics.packets_sent > 0 || self.statistics.rtcp_sent > 0) {
            self.send_report(Some(reason), now);
        }
        self.closed = true;
        self.schedule = None;
        self.inactive_at = None;
    }

    /// Sends to another address from now on, as a new answer says; `rtcp` is `None` when multiplexed. What was
    /// learnt by latching is forgotten.
    pub fn set_remote(&mut self, remote: SocketAddr, rtcp: Option<SocketAddr>, now: Instant) {
        self.last_now = now;
        self.config.remote = remote;
        self.latch = Latch::new(self.config.latching, remote);
        self.rtcp_remote = rtcp;
    }

    /// Where packets go now.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.latch.remote()
    }

    /// The VoIP metrics to report from now on, when [`StreamConfig::extended_reports`] is set.
    pub fn set_metrics(&mut self, metrics: VoipMetrics) {
        self.metrics = Some(metrics);
    }

    /// Whether metrics are reported at all.
    #[must_use]
    pub fn reports_metrics(&self) -> bool {
        self.config.extended_reports
    }

    /// Our synchronization source.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The CNAME that a source told (RFC 3550 §6.5.1).
    #[must_use]
    pub fn cname(&self, ssrc: u32) -> Option<&str> {
        self.sources
            .iter()
            .find(|source| source.ssrc == ssrc)?
            .cname
            .as_deref()
    }

    /// The counters.
    #[must_use]
    pub fn statistics(&self) -> StreamStatistics {
        let mut statistics = self.statistics.clone();
        let valid = self
            .sources
            .iter()
            .filter(|source| source.statistics.is_valid());
        statistics.packets_lost = self.lost_before
            + valid
                .clone()
                .map(|source| source.statistics.lost())
                .sum::<i64>();
        if let Some(source) = valid.max_by_key(|source| source.last_rtp) {
            statistics.jitter = source.statistics.jitter();
        }
        statistics
    }

    fn on_rtp(&mut self, datagram: Bytes, from: SocketAddr, now: Instant) {
        let packet = match RtpPacket::parse(&datagram) {
            Ok(packet) => packet,
            Err(error) => return self.statistics.dropped.on_malformed(error),
        };
        if packet.ssrc() == self.ssrc {
            self.on_own_ssrc(from, now);
            return;
        }
        match self
            .latch
            .judge(packet.ssrc(), packet.sequence(), from, &datagram, now)
        {
            Verdict::Accept => self.on_accepted_rtp(&datagram, from, now),
            Verdict::Hold => {}
            Verdict::Refuse => self.statistics.dropped.wrong_source += 1,
            Verdict::Latched(held) => {
                self.outputs.push_back(Output::Event(Event::Latched(from)));
                self.on_accepted_rtp(&held.0, from, held.1);
                self.on_accepted_rtp(&datagram, from, now);
            }
        }
    }

    fn on_accepted_rtp(&mut self, datagram: &Bytes, from: SocketAddr, now: Instant) {
        let Ok(packet) = RtpPacket::parse(datagram) else {
            return;
        };
        let Some(index) = self.source(packet.ssrc(), packet.sequence(), from, now) else {
            return;
        };
        let Some(source) = self.sources.get_mut(index) else {
            return;
        };
        let was_valid = source.statistics.is_valid();
        let sequence = match source.statistics.on_sequence(packet.sequence()) {
            Sequence::Valid(sequence)
            | Sequence::Probation(sequence)
            | Sequence::Restarted(sequence) => sequence,
            Sequence::Invalid => {
                self.statistics.dropped.bad_sequence += 1;
                return;
            }
        };
        source.statistics.on_timestamp(packet.timestamp(), now);
        source.last_heard = now;
        source.last_rtp = Some(now);
        source.rtp_since_report = true;
        // A source whose address moved within the policy of the latch keeps its state (RFC 3550 §8.2 leaves it to us).
        source.address = from;
        let received = ReceivedPacket {
            ssrc: packet.ssrc(),
            sequence,
            timestamp: packet.timestamp(),
            payload_type: packet.payload_type(),
            marker: packet.marker(),
            payload: datagram.slice(packet.payload_range()),
            arrival: now,
        };
        if !source.statistics.is_valid() {
            // Out of sequence: the probation begins anew, and what came before is not believed.
            if source
                .held
                .last()
                .is_some_and(|last| last.sequence + 1 != sequence)
            {
                self.statistics.dropped.probation += source.held.len() as u64;
                source.held.clear();
            }
            source.held.push(received);
            return;
        }
        if !was_valid {
            let held = std::mem::take(&mut source.held);
            self.outputs.push_back(Output::Event(Event::SourceStarted {
                ssrc: received.ssrc,
                address: from,
            }));
            if let Some(diverted) = &mut self.diverted {
                diverted.push(Diverted::Source(received.ssrc));
            }
            for packet in held {
                self.deliver(packet);
            }
        }
        self.deliver(received);
        self.inactive_at = self.config.inactivity.map(|after| now + after);
    }

    fn deliver(&mut self, packet: ReceivedPacket) {
        self.statistics.packets_received += 1;
        self.statistics.octets_received += packet.payload.len() as u64;
        match &mut self.diverted {
            Some(diverted) => diverted.push(Diverted::Packet(packet)),
            None => self.outputs.push_back(Output::Event(Event::Packet(packet))),
        }
    }

    /// RFC 3550 §8.2: someone sends with our SSRC.
    fn on_own_ssrc(&mut self, from: SocketAddr, now: Instant) {
        self.statistics.dropped.looped += 1;
        let recent = self
            .last_collision
            .is_some_and(|at| now.saturating_duration_since(at) < COLLISION_PAUSE);
        if recent || self.conflicts.contains(&from) || !self.latch.may_hear(from) {
            // A known conflict: our own packets come back, and changing the SSRC again would never end. Nor does one who
            // forges packets get to make us change it over and over.
            return;
        }
        if self.conflicts.len() >= self.config.limits.conflicts {
            self.conflicts.pop_front();
        }
        self.conflicts.push_back(from);
        self.last_collision = Some(now);
        let old = self.ssrc;
        if self.config.rtcp && (self.statistics.packets_sent > 0 || self.statistics.rtcp_sent > 0) {
            self.send_report(Some(Some("SSRC collision")), now);
        }
        self.ssrc = self.rng.random();
        self.outputs.push_back(Output::Event(Event::SsrcChanged {
            old,
            new: self.ssrc,
        }));
    }

    /// Finds a source or makes one, within the limit.
    fn source(
        &mut self,
        ssrc: u32,
        sequence: u16,
        address: SocketAddr,
        now: Instant,
    ) -> Option<usize> {
        if let Some(index) = self.sources.iter().position(|source| source.ssrc == ssrc) {
            return Some(index);
        }
        let mut held = Vec::new();
        if self.sources.len() >= self.config.limits.sources {
            // A flood of SSRCs only displaces what has not proved itself, oldest first.
            let oldest = self
                .sources
                .iter()
                .enumerate()
                .filter(|(_, source)| !source.statistics.is_valid());
            let Some((index, _)) = oldest.min_by_key(|(_, source)| source.last_heard) else {
                self.statistics.dropped.too_many_sources += 1;
                return None;
            };
            self.statistics.dropped.too_many_sources += 1;
            // Its memory serves the next one: a flood allocates nothing.
            held = self.sources.swap_remove(index).held;
            held.clear();
        }
        self.sources.push(Source {
            ssrc,
            address,
            statistics: SourceStatistics::new(
                sequence,
                self.config.clock_rate,
                self.config.probation,
                now,
            ),
            held,
            last_heard: now,
            last_rtp: None,
            rtp_since_report: false,
            cname: None,
        });
        Some(self.sources.len() - 1)
    }
}

fn is_somewhere(destination: SocketAddr) -> bool {
    destination.port() != 0 && !destination.ip().is_unspecified()
}

#[cfg(test)]
mod tests;
