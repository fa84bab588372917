//! The media of one call: two sockets, an RTP stream, a source and a sink, on a beat of 20 ms.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use sip_rtp::audio::{AudioEvent, AudioOutput, AudioStatistics};
use sip_rtp::codec::g711;
use sip_rtp::event::Event as TelephoneEvent;
use sip_rtp::{AudioConfig, AudioStream, Input, StreamConfig};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::{Discard, FRAME, Silence, Sink, Source};

/// The beat: one packet of G.711 (RFC 3551 section 4.2: 20 ms is the default packet interval).
const BEAT: Duration = Duration::from_millis(20);
/// A program that slept longer than this (a suspended machine) does not make up for it.
const LARGEST_LAG: Duration = Duration::from_secs(1);
/// How long a digit sounds, and how long a comma between digits waits.
const DIGIT: Duration = Duration::from_millis(100);
const COMMA: Duration = Duration::from_millis(500);
/// The largest datagram that is read; longer ones are cut and so dropped as malformed.
const LARGEST_DATAGRAM: usize = 2048;
/// Events that may wait for a reader; a reader that never reads loses the latest ones.
const EVENTS: usize = 256;

/// A codec that this version of the telephone speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// G.711 µ-law, payload type 0 (RFC 3551 section 4.5.14).
    Pcmu,
    /// G.711 A-law, payload type 8 (RFC 3551 section 4.5.14).
    Pcma,
}

impl Codec {
    /// All of them, in the order in which they are offered by default.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The encoding name of RFC 3551.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The codec of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// The static payload type.
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    fn rtp(self) -> &'static dyn sip_rtp::codec::Codec {
        match self {
            Self::Pcmu => &g711::Pcmu,
            Self::Pcma => &g711::Pcma,
        }
    }
}

/// Two sockets for RTP and RTCP, bound before an offer or an answer names them.
#[derive(Debug)]
pub struct MediaPort {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    local: SocketAddr,
}

impl MediaPort {
    /// Binds an even port of `address` for RTP and the odd one above it for RTCP (RFC 3550 section 11).
    ///
    /// # Errors
    /// No such pair of ports is free, or the address is not of this machine.
    pub async fn bind(address: IpAddr) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        // Half of the ports that the system gives are odd, and the next one may be taken: 64 tries do not all fail.
        for _ in 0..64 {
            let rtp = UdpSocket::bind((address, 0)).await?;
            let local = rtp.local_addr()?;
            if local.port() % 2 != 0 {
                continue;
            }
            match UdpSocket::bind((address, local.port() + 1)).await {
                Ok(rtcp) => return Ok(Self { rtp, rtcp, local }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Where RTP arrives.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }
}

/// What offer and answer agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the caller states every part of what was agreed"
)]
pub struct MediaConfig {
    /// Where the other side receives RTP; `None` when it has no address (an old-style hold).
    pub remote: Option<SocketAddr>,
    /// Where the other side receives RTCP, when that is not the port of RTP.
    pub remote_rtcp: Option<SocketAddr>,
    /// The codec that we send.
    pub codec: Codec,
    /// The payload types that we accept, each with its codec.
    pub receive: Vec<(u8, Codec)>,
    /// The payload type under which `codec` is sent.
    pub payload_type: u8,
    /// The payload type of telephone events that we send (RFC 4733).
    pub events_send: Option<u8>,
    /// The payload type of telephone events that we receive.
    pub events_receive: Option<u8>,
    /// Whether we may send audio (RFC 3264 section 6.1).
    pub sends: bool,
    /// Whether we receive audio.
    pub receives: bool,
}

impl MediaConfig {
    fn audio(&self) -> AudioConfig {
        let mut audio = AudioConfig::new(self.codec.rtp(), self.payload_type, None);
        audio.decoders = self
            .receive
            .iter()
            .map(|(payload_type, codec)| (*payload_type, codec.rtp().decoder()))
            .collect();
        audio.event_send = self.events_send;
        audio.event_receive = self.events_receive;
        audio
    }

    fn remote(&self, local: SocketAddr) -> SocketAddr {
        let unspecified: IpAddr = if local.is_ipv4() {
            [0; 4].into()
        } else {
            [0; 16].into()
        };
        self.remote
            .unwrap_or_else(|| SocketAddr::new(unspecified, 0))
    }
}

/// What happened to the media.
#[derive(Debug)]
#[non_exhaustive]
pub enum MediaEvent {
    /// The other side pressed a key: one event a press (RFC 4733).
    Digit(char),
    /// The sink refused samples; nothing more is written to it.
    RecordingFailed(io::Error),
}

/// Why media could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// No sockets.
    #[error("no free pair of UDP ports for audio on {0}: {1}")]
    Ports(IpAddr, #[source] io::Error),
}

/// What a session did, at its end.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct MediaStatistics {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets received.
    pub packets_received: u64,
    /// RTP packets lost on the way to us; negative when more arrived than were sent (RFC 3550 appendix A.3).
    pub packets_lost: i64,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub jitter: Duration,
    /// Digits that were asked for and could not be sent: the other side accepts no telephone events.
    pub digits_not_sent: u64,
}

enum Command {
    Play(Box<dyn Source>, oneshot::Sender<()>),
    Record(Box<dyn Sink>),
    Digits(String),
    Configure(MediaConfig),
    Stop(oneshot::Sender<(MediaStatistics, Option<io::Error>)>),
}

/// The handle of a running session; dropping it stops the session.
#[derive(Debug)]
pub struct MediaSession {
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::Receiver<MediaEvent>,
}

impl MediaSession {
    /// Starts sending (silence, until something is played) and receiving (to nowhere, until something records), as a task of the
    /// current runtime. What is random in the stream (SSRC, sequence numbers, CNAME) comes from `seed`.
    #[must_use]
    pub fn start(port: MediaPort, config: MediaConfig, seed: [u8; 32]) -> Self {
        let (commands, receiver) = mpsc::unbounded_channel();
        let (event_sender, events) = mpsc::channel(EVENTS);
        let now = Instant::now();
        let mut stream = StreamConfig::new(config.remote(port.local), 8_000, cname(&seed), seed);
        stream.remote_rtcp = config.remote_rtcp;
        let audio = AudioStream::new(stream, config.audio(), SystemTime::now(), now);
        let task = Task {
            port,
            config,
            audio,
            source: Box::new(Silence::new()),
            played: None,
            sink: Box::new(Discard::new()),
            recording_error: None,
            digits: Vec::new(),
            pause: Duration::ZERO,
            digits_not_sent: 0,
            events: event_sender,
        };
        tokio::spawn(task.run(receiver));
        Self { commands, events }
    }

    /// Plays `source` instead of what is played now; the receiver resolves when it has ended (or was replaced).
    pub fn play(&self, source: Box<dyn Source>) -> oneshot::Receiver<()> {
        let (done, receiver) = oneshot::channel();
        let _ = self.commands.send(Command::Play(source, done));
        receiver
    }

    /// Sends what is received to `sink` from now on; the one before is finished.
    pub fn record(&self, sink: Box<dyn Sink>) {
        let _ = self.commands.send(Command::Record(sink));
    }

    /// Sends keys as telephone events, 100 ms each; a comma waits half a second.
    pub fn send_digits(&self, digits: &str) {
        let _ = self.commands.send(Command::Digits(digits.to_owned()));
    }

    /// Follows a later offer and answer.
    pub fn configure(&self, config: MediaConfig) {
        let _ = self.commands.send(Command::Configure(config));
    }

    /// The next event; `None` when the session has stopped. Dropping the future loses no event.
    pub async fn event(&mut self) -> Option<MediaEvent> {
        self.events.recv().await
    }

    /// Stops: RTCP BYE goes out, the recording is finished. Returns the counters, and what went wrong with the recording.
    pub async fn stop(self) -> (MediaStatistics, Option<io::Error>) {
        let (done, receiver) = oneshot::channel();
        let _ = self.commands.send(Command::Stop(done));
        receiver.await.unwrap_or_default()
    }
}

/// RFC 7022 section 4.2: a short-term persistent CNAME of 96 random bits.
fn cname(seed: &[u8; 32]) -> String {
    use base64::Engine as _;
    // Hashed, so that what is sent does not show the seed that everything else comes from.
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(seed);
    base64::engine::general_purpose::STANDARD.encode(&digest[..12])
}

struct Task {
    port: MediaPort,
    config: MediaConfig,
    audio: AudioStream,
    source: Box<dyn Source>,
    played: Option<oneshot::Sender<()>>,
    sink: Box<dyn Sink>,
    recording_error: Option<io::Error>,
    /// Keys that wait, last first.
    digits: Vec<char>,
    pause: Duration,
    digits_not_sent: u64,
    events: mpsc::Sender<MediaEvent>,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut rtp = [0; LARGEST_DATAGRAM];
        let mut rtcp = [0; LARGEST_DATAGRAM];
        loop {
            let deadline = self.audio.poll_timeout();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Stop(done)) => {
                        let result = self.stop();
                        let _ = done.send(result);
                        return;
                    }
                    Some(command) => self.command(command),
                    None => {
                        self.stop();
                        return;
                    }
                },
                tick = beat.tick() => {
                    let tick = tick.into_std();
                    if tick.elapsed() > LARGEST_LAG {
                        beat.reset_immediately();
                    }
                    self.beat(tick);
                }
                received = self.port.rtp.recv_from(&mut rtp) => self.received(received, &rtp),
                received = self.port.rtcp.recv_from(&mut rtcp) => self.received(received, &rtcp),
                () = until(deadline) => self.audio.handle_timeout(Instant::now()),
            }
            self.drain();
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Play(source, done) => {
                self.source = source;
                self.ended();
                self.played = Some(done);
            }
            Command::Record(sink) => {
                self.finish_recording();
                self.sink = sink;
            }
            Command::Digits(digits) => {
                let mut waiting: Vec<char> = digits.chars().rev().collect();
                waiting.append(&mut self.digits);
                self.digits = waiting;
            }
            Command::Configure(config) => {
                let now = Instant::now();
                if config.remote != self.config.remote
                    || config.remote_rtcp != self.config.remote_rtcp
                {
                    self.audio
                        .set_remote(config.remote(self.port.local), config.remote_rtcp, now);
                }
                self.audio.set_media(config.audio());
                self.config = config;
            }
            Command::Stop(_) => {}
        }
    }

    fn beat(&mut self, tick: Instant) {
        self.next_digit();
        let mut frame = [0; FRAME];
        if self.config.sends && self.config.remote.is_some() {
            let filled = self.source.read(&mut frame);
            if filled < FRAME {
                frame[filled..].fill(0);
                self.source = Box::new(Silence::new());
                self.ended();
            }
            self.audio.write(&frame, tick);
        } else {
            self.audio.write_nothing(FRAME, tick);
        }
        self.audio.read(&mut frame, tick);
        if self.recording_error.is_none()
            && let Err(error) = self.sink.write(&frame)
        {
            let told = io::Error::new(error.kind(), error.to_string());
            let _ = self.events.try_send(MediaEvent::RecordingFailed(told));
            self.recording_error = Some(error);
        }
    }

    fn next_digit(&mut self) {
        if !self.pause.is_zero() {
            self.pause = self.pause.saturating_sub(BEAT);
            return;
        }
        if self.audio.is_sending_events() {
            return;
        }
        match self.digits.pop() {
            None => {}
            Some(',') => self.pause = COMMA,
            Some(digit) => {
                let sent = TelephoneEvent::from_digit(digit)
                    .is_some_and(|event| self.audio.send_event(event, DIGIT).is_ok());
                self.digits_not_sent += u64::from(!sent);
            }
        }
    }

    fn ended(&mut self) {
        if let Some(done) = self.played.take() {
            let _ = done.send(());
        }
    }

    fn received(&mut self, received: io::Result<(usize, SocketAddr)>, buffer: &[u8]) {
        // An error here is an ICMP answer to something we sent: the other side is not there (yet), which the counters show.
        if let Ok((length, source)) = received
            && self.config.receives
        {
            self.audio.handle_input(
                Input::datagram(buffer[..length].to_vec(), source),
                Instant::now(),
            );
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.audio.poll_output() {
            match output {
                AudioOutput::Transmit {
                    destination,
                    payload,
                    rtcp,
                } => {
                    let socket = if rtcp && self.config.remote_rtcp.is_some() {
                        &self.port.rtcp
                    } else {
                        &self.port.rtp
                    };
                    // Audio that cannot leave now is late: it is dropped, as a network would.
                    if let Err(error) = socket.try_send_to(&payload, destination) {
                        tracing::trace!(%error, %destination, "a packet was not sent");
                    }
                }
                AudioOutput::Event(AudioEvent::EventStarted(event)) => {
                    if let Some(digit) = event.digit() {
                        let _ = self.events.try_send(MediaEvent::Digit(digit));
                    }
                }
                AudioOutput::Event(other) => tracing::trace!(?other, "media"),
            }
        }
    }

    fn finish_recording(&mut self) {
        if let Err(error) = self.sink.finish() {
            self.recording_error.get_or_insert(error);
        }
    }

    fn stop(&mut self) -> (MediaStatistics, Option<io::Error>) {
        self.audio.close(None, Instant::now());
        self.drain();
        self.finish_recording();
        self.ended();
        let AudioStatistics { stream, .. } = self.audio.statistics();
        let statistics = MediaStatistics {
            packets_sent: stream.packets_sent,
            packets_received: stream.packets_received,
            packets_lost: stream.packets_lost,
            jitter: stream.jitter,
            digits_not_sent: self.digits_not_sent,
        };
        (statistics, self.recording_error.take())
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::Samples;
    use super::*;

    /// Keeps what it gets where the test can see it.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<i16>>>);

    impl Sink for Kept {
        fn write(&mut self, samples: &[i16]) -> io::Result<()> {
            self.0.lock().unwrap().extend_from_slice(samples);
            Ok(())
        }
    }

    struct Full;

    impl Sink for Full {
        fn write(&mut self, _samples: &[i16]) -> io::Result<()> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }
    }

    fn config(remote: &MediaPort, codec: Codec) -> MediaConfig {
        MediaConfig {
            remote: Some(remote.local()),
            remote_rtcp: None,
            codec,
            receive: vec![(codec.payload_type(), codec)],
            payload_type: codec.payload_type(),
            events_send: Some(101),
            events_receive: Some(101),
            sends: true,
            receives: true,
        }
    }

    async fn pair(codec: Codec) -> (MediaSession, MediaSession) {
        let local = IpAddr::from([127, 0, 0, 1]);
        let (one, two) = (
            MediaPort::bind(local).await.unwrap(),
            MediaPort::bind(local).await.unwrap(),
        );
        let (of_one, of_two) = (config(&two, codec), config(&one, codec));
        (
            MediaSession::start(one, of_one, [1; 32]),
            MediaSession::start(two, of_two, [2; 32]),
        )
    }

    /// What a codec makes of samples.
    fn through(codec: Codec, samples: &[i16]) -> Vec<i16> {
        let (mut payload, mut pcm) = (Vec::new(), Vec::new());
        codec.rtp().encoder().encode(samples, &mut payload);
        codec.rtp().decoder().decode(&payload, &mut pcm);
        pcm
    }

    #[tokio::test]
    async fn what_one_plays_the_other_records_sample_by_sample() {
        for codec in Codec::ALL {
            let (one, two) = pair(codec).await;
            let kept = Kept::default();
            two.record(Box::new(kept.clone()));
            // A chirp: no two places of it are alike, so it fits in one way only.
            let played: Vec<i16> = (0..6_400)
                .map(|n: i32| ((f64::from(n * n) / 9_000.0).sin() * 9_000.0) as i16)
                .collect();
            one.play(Box::new(Samples::new(played.clone())))
                .await
                .unwrap();
            // As much silence again flushes the jitter buffer of the other side.
            one.play(Box::new(Samples::new(vec![0; 3_200])))
                .await
                .unwrap();
            let (statistics, _) = two.stop().await;
            let heard = kept.0.lock().unwrap().clone();
            let expected = through(codec, &played);
            // A machine that stalls for longer than the jitter buffer covers makes a gap: of twenty parts, nineteen must be there.
            let parts = expected.chunks(320);
            let whole = parts
                .clone()
                .filter(|part| heard.windows(320).any(|window| window == *part))
                .count();
            assert!(
                whole >= parts.len() - 1,
                "{codec:?}: {whole} of {} parts, {statistics:?}",
                parts.len()
            );
            drop(one);
        }
    }

    #[tokio::test]
    async fn digits_arrive_once_each_and_in_order() {
        let (one, mut two) = pair(Codec::Pcmu).await;
        one.send_digits("15#");
        let mut digits = String::new();
        while digits.len() < 3 {
            if let Some(MediaEvent::Digit(digit)) = two.event().await {
                digits.push(digit);
            }
        }
        assert_eq!(digits, "15#");
        assert_eq!(one.stop().await.0.digits_not_sent, 0);
    }

    #[tokio::test]
    async fn a_full_disk_is_told_once_and_the_call_goes_on() {
        let (one, mut two) = pair(Codec::Pcma).await;
        two.record(Box::new(Full));
        let told = two.event().await;
        assert!(
            matches!(&told, Some(MediaEvent::RecordingFailed(error)) if error.kind() == io::ErrorKind::StorageFull),
            "{told:?}"
        );
        one.play(Box::new(Samples::new(vec![5; 800])))
            .await
            .unwrap();
        let (statistics, error) = two.stop().await;
        assert!(statistics.packets_received > 0);
        assert_eq!(
            error.map(|error| error.kind()),
            Some(io::ErrorKind::StorageFull)
        );
    }
}
