//! The audio of one call leg: samples in and out, packets in and out, digits in and out.
//!
//! An [`AudioStream`] joins an [`RtpStream`] with a codec, the jitter buffer, concealment and telephone events. Every
//! packet interval (20 ms), the driver calls [`AudioStream::write`] with samples to send and [`AudioStream::read`] for
//! samples to play.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::codec::comfort_noise::{self, ComfortNoise};
use crate::codec::{Codec, Decoder, Encoder};
use crate::conceal::{self, Concealer};
use crate::event::{Event as TelephoneEvent, EventReceiver, EventSender, Received, TooManyEvents};
use crate::jitter::{JitterBuffer, JitterConfig, JitterPacket, JitterStatistics, Playout};
use crate::quality::{self, Bursts, LossPattern};
use crate::rtcp::VoipMetrics;
use crate::stream::{
    self, Diverted, Frame, Input, Output, ReceivedPacket, RtpStream, StreamConfig, StreamStatistics,
};

mod queue;

use queue::SampleQueue;

/// Below this peak a frame counts as quiet: dropping it is not heard.
const QUIET_PEAK: i32 = 200;
/// A packet that plays for longer is not believed: RFC 3551 §4.2 has 200 ms as the most, and a lie would fill the buffer.
const LONGEST_PACKET: Duration = Duration::from_millis(500);
/// Silence between two telephone events.
const EVENT_GAP_MS: u32 = 60;
/// A source that is silent for so long gives way to another.
const SOURCE_SILENCE: Duration = Duration::from_secs(1);
/// How often comfort noise is described anew, in packet intervals.
const NOISE_INTERVAL: u32 = 10;
/// An event whose packets stop coming is over after this (three intervals of up to 50 ms, RFC 4733 §2.5.2.2).
const EVENT_TIMEOUT: Duration = Duration::from_millis(200);

/// The media of an [`AudioStream`].
#[derive(Debug)]
#[non_exhaustive]
pub struct AudioConfig {
    /// The payload type to send.
    pub payload_type: u8,
    /// The encoder for it.
    pub encoder: Box<dyn Encoder>,
    /// The payload types to receive, each with its decoder. All give samples at `sample_rate`.
    pub decoders: Vec<(u8, Box<dyn Decoder>)>,
    /// The rate of the samples in Hz, in both directions.
    pub sample_rate: u32,
    /// The RTP clock in Hz.
    pub clock_rate: u32,
    /// The payload type of telephone events to send (RFC 4733), if negotiated.
    pub event_send: Option<u8>,
    /// The payload type of telephone events to receive, if negotiated.
    pub event_receive: Option<u8>,
    /// The payload type of comfort noise (RFC 3389), if negotiated; 13 at 8 kHz.
    pub comfort_noise: Option<u8>,
    /// The jitter buffer.
    pub jitter: JitterConfig,
}

impl AudioConfig {
    /// One codec under one payload type in both directions, and telephone events under another.
    #[must_use]
    pub fn new(codec: &dyn Codec, payload_type: u8, event_payload_type: Option<u8>) -> Self {
        Self {
            payload_type,
            encoder: codec.encoder(),
            decoders: vec![(payload_type, codec.decoder())],
            sample_rate: codec.sample_rate(),
            clock_rate: codec.clock_rate(),
            event_send: event_payload_type,
            event_receive: event_payload_type,
            comfort_noise: None,
            jitter: JitterConfig::new(codec.clock_rate()),
        }
    }
}

/// What the driver has to do, in this order.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver that ignores a variant must not compile"
)]
pub enum AudioOutput {
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
    Event(AudioEvent),
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AudioEvent {
    /// The other side began a telephone event, once per event.
    EventStarted(TelephoneEvent),
    /// It ended after this time.
    EventEnded(TelephoneEvent, Duration),
    /// Something about the stream. Never [`stream::Event::Packet`]: packets are played.
    Stream(stream::Event),
}

/// What [`AudioStream::read`] gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Played {
    /// Only audio that arrived.
    Audio,
    /// At least a part was made up.
    Concealed,
    /// Silence, at least at the end.
    Silence,
}

/// Counters of an audio stream.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AudioStatistics {
    /// Packets and reports.
    pub stream: StreamStatistics,
    /// The jitter buffer.
    pub jitter: JitterStatistics,
    /// The delay that the jitter buffer aims at.
    pub target_delay: Duration,
    /// Samples played as they arrived.
    pub samples_played: u64,
    /// Samples made up.
    pub samples_concealed: u64,
    /// Samples of silence.
    pub samples_silent: u64,
    /// Packets of a payload type that was not negotiated.
    pub unknown_payload_type: u64,
    /// Packets that would play for longer than half a second.
    pub oversized: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub struct AudioStream {
    stream: RtpStream,
    config: AudioConfig,
    outputs: VecDeque<AudioEvent>,
    // Sending.
    media_time: u32,
    talking: bool,
    /// Packet intervals since comfort noise was described.
    quiet_for: u32,
    events_out: EventSender,
    payload: Vec<u8>,
    // Receiving.
    playing: Option<u32>,
    /// The payload type of the packet played last.
    last_payload_type: Option<u8>,
    buffer: JitterBuffer,
    concealer: Concealer,
    noise: ComfortNoise,
    pcm: SampleQueue,
    frame: Vec<i16>,
    events_in: EventReceiver,
    event_deadline: Option<Instant>,
    pattern: LossPattern,
    /// The counts of missing and late packets that the pattern has taken in.
    counted: (u64, u64),
    /// When the source that is heard sent its last packet.
    last_packet: Option<Instant>,
    last_now: Instant,
    statistics: AudioStatistics,
}

impl AudioStream {
    /// A stream that starts at `now`, when the wall clock shows `wall`.
    #[must_use]
    pub fn new(stream: StreamConfig, config: AudioConfig, wall: SystemTime, now: Instant) -> Self {
        let mut stream = RtpStream::new(stream, wall, now);
        stream.divert();
        Self {
            stream,
            outputs: VecDeque::new(),
            media_time: 0,
            talking: false,
            quiet_for: 0,
            events_out: EventSender::new(EVENT_GAP_MS * config.clock_rate / 1000),
            payload: Vec::with_capacity(320),
            playing: None,
            last_payload_type: None,
            buffer: JitterBuffer::new(config.jitter.clone()),
            concealer: Concealer::new(config.sample_rate),
            noise: ComfortNoise::new(),
            pcm: SampleQueue::default(),
            frame: Vec::with_capacity(960),
            events_in: EventReceiver::new(),
            event_deadline: None,
            pattern: LossPattern::default(),
            counted: (0, 0),
            last_packet: None,
            last_now: now,
            statistics: AudioStatistics::default(),
            config,
        }
    }

    /// A datagram arrived.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        self.last_now = now;
        self.stream.handle_input(input, now);
        self.settle(now);
    }

    /// Sends one packet of `pcm`, or the event packet that takes its place while a digit is sent.
    pub fn write(&mut self, pcm: &[i16], now: Instant) {
        self.last_now = now;
        let duration = self.clock_ticks(pcm.len());
        if !self.send_event_packet(duration, now) && !pcm.is_empty() {
            self.payload.clear();
            self.config.encoder.encode(pcm, &mut self.payload);
            let frame = Frame {
                payload_type: self.config.payload_type,
                timestamp: self.media_time,
                // RFC 3551 §4.1: the first packet after silence has the marker bit.
                marker: !self.talking,
                payload: &self.payload,
            };
            self.talking = true;
            self.stream.send(frame, now);
        }
        self.media_time = self.media_time.wrapping_add(duration);
    }

    /// Lets `samples` pass without sending audio (on hold, muted, silence suppressed); digits still go out.
    pub fn write_nothing(&mut self, samples: usize, now: Instant) {
        self.last_now = now;
        let duration = self.clock_ticks(samples);
        self.send_event_packet(duration, now);
        self.talking = false;
        self.media_time = self.media_time.wrapping_add(duration);
    }

    /// Lets the time of `pcm` pass as silence: it tells the other side the level of the noise now and then, where comfort
    /// noise is negotiated (RFC 3389 §4), and sends nothing else. For the caller's voice activity detection.
    pub fn write_noise(&mut self, pcm: &[i16], now: Instant) {
        self.last_now = now;
        let duration = self.clock_ticks(pcm.len());
        if self.talking {
            self.quiet_for = 0;
        }
        if !self.send_event_packet(duration, now)
            && let Some(payload_type) = self.config.comfort_noise
        {
            if self.quiet_for.is_multiple_of(NOISE_INTERVAL) {
                let payload = comfort_noise::payload(pcm);
                self.stream.send(
                    Frame {
                        payload_type,
                        timestamp: self.media_time,
                        marker: false,
                        payload: &payload,
                    },
                    now,
                );
            }
            self.quiet_for = self.quiet_for.wrapping_add(1);
        }
        self.talking = false;
        self.media_time = self.media_time.wrapping_add(duration);
    }

    /// Fills `pcm` with what is to be heard now. `now` is the time at which this tick should be, so that ticks that the
    /// program makes up for do not look like jitter.
    pub fn read(&mut self, pcm: &mut [i16], now: Instant) -> Played {
        let mut played = Played::Audio;
        while self.pcm.len() < pcm.len() {
            let step = match self.buffer.playout(now) {
                Playout::Packet(packet) => self.play(&packet, now),
                Playout::Conceal(duration) => self.conceal(duration),
                Playout::Silence(duration) => self.silence(duration),
            };
            if step != Played::Audio && played != Played::Concealed || step == Played::Concealed {
                played = step;
            }
        }
        self.pcm.read(pcm);
        played
    }

    /// Sends a telephone event of `duration` after those that are queued already.
    ///
    /// # Errors
    /// [`SendEventError::NotNegotiated`] without a payload type for events, [`SendEventError::TooMany`] when the queue is full.
    pub fn send_event(
        &mut self,
        event: TelephoneEvent,
        duration: Duration,
    ) -> Result<(), SendEventError> {
        if self.config.event_send.is_none() {
            return Err(SendEventError::NotNegotiated);
        }
        let ticks = crate::source::ticks(duration, self.config.clock_rate);
        self.events_out
            .send(event, u32::try_from(ticks).unwrap_or(u32::MAX), 10)
            .map_err(SendEventError::TooMany)
    }

    /// Whether events are still being sent or wait; they need calls of [`Self::write`] to go out.
    #[must_use]
    pub fn is_sending_events(&self) -> bool {
        self.events_out.is_busy()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.last_now = now;
        if self.stream.reports_metrics() && self.playing.is_some() {
            let metrics = self.metrics();
            self.stream.set_metrics(metrics);
        }
        self.stream.handle_timeout(now);
        if self.event_deadline.is_some_and(|at| at <= now) {
            self.event_deadline = None;
            let (outputs, clock_rate) = (&mut self.outputs, self.config.clock_rate);
            self.events_in
                .expire(|received| outputs.push_back(event_of(received, clock_rate)));
        }
        self.settle(now);
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<AudioOutput> {
        if let Some(event) = self.outputs.pop_front() {
            return Some(AudioOutput::Event(event));
        }
        // `settle` has taken all packets out: what is left is for the driver.
        Some(match self.stream.poll_output()? {
            Output::Transmit {
                destination,
                payload,
                rtcp,
            } => AudioOutput::Transmit {
                destination,
                payload,
                rtcp,
            },
            Output::Event(event) => AudioOutput::Event(AudioEvent::Stream(event)),
        })
    }

    /// When [`Self::handle_timeout`] wants to be called; [`Self::write`] and [`Self::read`] have the driver's own beat.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.outputs.is_empty() {
            return Some(self.last_now);
        }
        [self.stream.poll_timeout(), self.event_deadline]
            .into_iter()
            .flatten()
            .min()
    }

    /// Leaves: BYE goes out, and nothing after it.
    pub fn close(&mut self, reason: Option<&str>, now: Instant) {
        self.last_now = now;
        self.stream.close(reason, now);
    }

    /// The other side moved, as a new answer says; see [`RtpStream::set_remote`].
    pub fn set_remote(&mut self, remote: SocketAddr, rtcp: Option<SocketAddr>, now: Instant) {
        self.stream.set_remote(remote, rtcp, now);
    }

    /// Another codec, as a new answer says. The media clock and what is buffered go on; the clock rate must be the one that
    /// the stream was made with.
    pub fn set_media(&mut self, config: AudioConfig) {
        if config.sample_rate != self.config.sample_rate {
            self.concealer = Concealer::new(config.sample_rate);
            self.pcm = SampleQueue::default();
        }
        self.config = config;
    }

    /// The stream below.
    #[must_use]
    pub fn stream(&self) -> &RtpStream {
        &self.stream
    }

    /// The counters.
    #[must_use]
    pub fn statistics(&self) -> AudioStatistics {
        let mut statistics = self.statistics.clone();
        statistics.stream = self.stream.statistics();
        statistics.jitter = self.buffer.statistics();
        statistics.target_delay = self.buffer.target();
        statistics
    }

    /// How the call sounds here, as RFC 3611 §4.7 reports it. The one-way delay is taken as half of the round trip.
    #[must_use]
    pub fn metrics(&self) -> VoipMetrics {
        let Bursts {
            loss_rate,
            discard_rate,
            burst_density,
            gap_density,
            burst_packets,
            gap_packets,
        } = self.pattern.bursts();
        let round_trip = self.stream.statistics().round_trip;
        let buffer = self.buffer.target();
        let tick = self.config.jitter.tick;
        let millis = |duration: Duration| u16::try_from(duration.as_millis()).unwrap_or(u16::MAX);
        let packets =
            |count: u32| u16::try_from(u128::from(count) * tick.as_millis()).unwrap_or(u16::MAX);
        let one_way = round_trip.unwrap_or_default() / 2 + buffer + tick;
        let lost = (f64::from(loss_rate) + f64::from(discard_rate)) / 256.0;
        let (listening, conversation) = (
            quality::r_factor(Duration::ZERO, lost),
            quality::r_factor(one_way, lost),
        );
        VoipMetrics {
            ssrc: self.playing.unwrap_or(0),
            loss_rate,
            discard_rate,
            burst_density,
            gap_density,
            burst_duration: packets(burst_packets),
            gap_duration: packets(gap_packets),
            round_trip_delay: millis(round_trip.unwrap_or_default()),
            end_system_delay: millis(buffer + tick),
            // Levels and echo are not measured.
            signal_level: VoipMetrics::UNAVAILABLE.cast_signed(),
            noise_level: VoipMetrics::UNAVAILABLE.cast_signed(),
            residual_echo_return_loss: VoipMetrics::UNAVAILABLE,
            gmin: quality::GMIN,
            r_factor: conversation.round() as u8,
            external_r_factor: VoipMetrics::UNAVAILABLE,
            mos_lq: (quality::mean_opinion_score(listening) * 10.0).round() as u8,
            mos_cq: (quality::mean_opinion_score(conversation) * 10.0).round() as u8,
            // RFC 3611 §4.7.6: concealment is the standard one (11), the buffer is adaptive (11), its rate unknown.
            receiver_configuration: 0b1111_0000,
            buffer_nominal: millis(buffer),
            buffer_maximum: millis(buffer + self.config.jitter.tolerance),
            buffer_absolute_maximum: millis(self.config.jitter.max_delay),
        }
    }

    /// Brings the pattern of losses up to date with the jitter buffer, after a packet was played.
    fn count_losses(&mut self) {
        let statistics = self.buffer.statistics();
        let (missing, late) = (statistics.missing, statistics.late);
        (self.counted.0..missing)
            .take(1000)
            .for_each(|_| self.pattern.on_lost());
        (self.counted.1..late)
            .take(1000)
            .for_each(|_| self.pattern.on_late());
        self.counted = (missing, late);
        self.pattern.on_received();
    }

    fn send_event_packet(&mut self, duration: u32, now: Instant) -> bool {
        let Some(payload_type) = self.config.event_send else {
            return false;
        };
        let Some(packet) = self.events_out.next_packet(self.media_time, duration) else {
            return false;
        };
        let payload = packet.payload.to_octets();
        let frame = Frame {
            payload_type,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: &payload,
        };
        self.stream.send(frame, now);
        true
    }

    /// Takes the packets out of the stream's outputs; everything else stays for the driver, in order.
    fn settle(&mut self, now: Instant) {
        let mut arrived = self.stream.take_diverted();
        for arrived in arrived.drain(..) {
            match arrived {
                Diverted::Packet(packet) => self.on_packet(packet, now),
                Diverted::Source(ssrc) => self.on_source(ssrc),
            }
        }
        self.stream.give_back(arrived);
    }

    /// The newest source is the one to hear: the other side was transferred, or started anew.
    fn on_source(&mut self, ssrc: u32) {
        if self.playing.replace(ssrc).is_some() {
            self.noise = ComfortNoise::new();
            self.buffer.restart();
        }
    }

    fn on_packet(&mut self, packet: ReceivedPacket, now: Instant) {
        if self.playing != Some(packet.ssrc) {
            // An older source goes on and the newer one has fallen silent: that one is to be heard.
            if self
                .last_packet
                .is_some_and(|at| now.saturating_duration_since(at) < SOURCE_SILENCE)
            {
                return;
            }
            self.on_source(packet.ssrc);
        }
        self.last_packet = Some(now);
        if self.config.event_receive == Some(packet.payload_type) {
            self.buffer.note(packet.sequence);
            let (outputs, clock_rate) = (&mut self.outputs, self.config.clock_rate);
            self.events_in
                .handle_packet(packet.timestamp, &packet.payload, |received| {
                    outputs.push_back(event_of(received, clock_rate))
                });
            self.event_deadline = self.events_in.current().map(|_| now + EVENT_TIMEOUT);
            return;
        }
        if self.config.comfort_noise == Some(packet.payload_type) {
            let noise = JitterPacket {
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                duration: 0,
                payload_type: packet.payload_type,
                payload: packet.payload,
            };
            self.buffer.insert(noise, packet.arrival);
            return;
        }
        let Some((_, decoder)) = self
            .config
            .decoders
            .iter()
            .find(|(payload_type, _)| *payload_type == packet.payload_type)
        else {
            self.statistics.unknown_payload_type += 1;
            self.buffer.note(packet.sequence);
            return;
        };
        let duration = decoder.duration(&packet.payload);
        if u64::from(duration) > crate::source::ticks(LONGEST_PACKET, self.config.clock_rate) {
            self.statistics.oversized += 1;
            self.buffer.note(packet.sequence);
            return;
        }
        let packet_arrival = packet.arrival;
        let packet = JitterPacket {
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            duration,
            payload_type: packet.payload_type,
            payload: packet.payload,
        };
        self.buffer.insert(packet, packet_arrival);
    }

    fn play(&mut self, packet: &JitterPacket, now: Instant) -> Played {
        if self.config.comfort_noise == Some(packet.payload_type) {
            self.noise.update(&packet.payload);
            self.buffer.pause();
            return Played::Audio;
        }
        self.count_losses();
        self.last_payload_type = Some(packet.payload_type);
        self.frame.clear();
        if let Some((_, decoder)) = self
            .config
            .decoders
            .iter_mut()
            .find(|(payload_type, _)| *payload_type == packet.payload_type)
        {
            decoder.decode(&packet.payload, &mut self.frame);
        }
        if !self.frame.is_empty() && !self.buffer.is_empty() {
            if self.buffer.quiet_surplus(now) > 0 && is_quiet(&self.frame) {
                self.buffer.discard();
                return Played::Audio;
            }
            if self.buffer.surplus(now) > 0
                && conceal::shorten(&mut self.frame, self.config.sample_rate) > 0
            {
                self.buffer.shortened();
            }
        }
        self.concealer.good(&mut self.frame);
        self.statistics.samples_played += self.frame.len() as u64;
        self.pcm.write(&self.frame);
        Played::Audio
    }

    fn conceal(&mut self, duration: u32) -> Played {
        let samples = self.samples(duration);
        self.statistics.samples_concealed += samples as u64;
        self.frame.clear();
        let decoder = self
            .config
            .decoders
            .iter_mut()
            .find(|(payload_type, _)| Some(*payload_type) == self.last_payload_type);
        let made_up = decoder.is_some_and(|(payload_type, decoder)| {
            // The packet after the lost one may say what was in it.
            let next = self
                .buffer
                .following()
                .filter(|next| next.payload_type == *payload_type);
            next.is_some_and(|next| decoder.recover(&next.payload, samples, &mut self.frame))
                || decoder.conceal(samples, &mut self.frame)
        });
        if made_up {
            // To the concealer it is audio like any other: the codec goes on from it smoothly.
            self.concealer.good(&mut self.frame);
        } else {
            self.frame.clear();
            self.frame.resize(samples, 0);
            self.concealer.conceal(&mut self.frame);
        }
        self.pcm.write(&self.frame);
        Played::Concealed
    }

    fn silence(&mut self, duration: u32) -> Played {
        let samples = self.samples(duration);
        self.frame.clear();
        self.frame.resize(samples, 0);
        self.noise.fill(&mut self.frame);
        self.concealer.silence(samples);
        self.statistics.samples_silent += samples as u64;
        self.pcm.write(&self.frame);
        Played::Silence
    }

    fn samples(&self, duration: u32) -> usize {
        let samples = u64::from(duration) * u64::from(self.config.sample_rate)
            / u64::from(self.config.clock_rate.max(1));
        (samples as usize).max(1)
    }

    fn clock_ticks(&self, samples: usize) -> u32 {
        let ticks = samples as u64 * u64::from(self.config.clock_rate)
            / u64::from(self.config.sample_rate.max(1));
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }
}

/// Why a telephone event cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendEventError {
    /// The session has no payload type for telephone events.
    NotNegotiated,
    /// Too many wait already.
    TooMany(TooManyEvents),
}

impl std::fmt::Display for SendEventError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotNegotiated => f.write_str("the other side did not offer telephone events"),
            Self::TooMany(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SendEventError {}

fn is_quiet(pcm: &[i16]) -> bool {
    pcm.iter()
        .all(|sample| i32::from(*sample).abs() < QUIET_PEAK)
}

fn event_of(received: Received, clock_rate: u32) -> AudioEvent {
    match received {
        Received::Started(event) => AudioEvent::EventStarted(event),
        Received::Ended(event, ticks) => AudioEvent::EventEnded(
            event,
            Duration::from_nanos(
                ticks.saturating_mul(1_000_000_000) / u64::from(clock_rate.max(1)),
            ),
        ),
    }
}

#[cfg(test)]
mod tests;
