//! The jitter buffer: packets go in as they arrive, one frame comes out per tick (adaptive playout).
//!
//! ```text
//!   arrival ──► insert() ──► ordered by timestamp ──► playout() every 20 ms ──► decode, conceal
//!                  │                                        ▲
//!                  └──► delay estimator ── target delay ────┘
//! ```
//!
//! - Packets are placed by their RTP timestamp; sequence numbers only tell a loss from a pause of the sender.
//! - The *delay* of a packet is its transit time above the least transit of the last seconds. The *target* is the delay
//!   that all but a small share of packets keep to.
//! - An empty buffer holds the stream: nothing is lost by a packet that comes late then, and the delay has grown by as
//!   much. A gap with later packets present is a loss, and time goes on.
//! - The delay goes back only through [`JitterBuffer::quiet_surplus`], which the caller spends where nobody hears it, and
//!   [`JitterBuffer::surplus`], which it spends by playing faster. What is loud comes out sample by sample on a network
//!   that does not get worse.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::source::ticks;

mod delay;

use delay::DelayEstimator;

/// Configuration of a [`JitterBuffer`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JitterConfig {
    /// The RTP clock in Hz.
    pub clock_rate: u32,
    /// How much one call of [`JitterBuffer::playout`] plays when there is no packet to say so.
    pub tick: Duration,
    /// The delay before anything is known about the network.
    pub initial_delay: Duration,
    /// The target is never less.
    pub min_delay: Duration,
    /// The target is never more, and no more than this waits: the oldest packets make room.
    pub max_delay: Duration,
    /// How much more than the target the delay may be before what is heard is played faster to shorten it. With less than
    /// a tick the delay would go to and fro.
    pub tolerance: Duration,
    /// How much more than the target the delay may be before a frame in which nothing is heard is left out. With less than
    /// a tick the delay would go to and fro.
    pub quiet_tolerance: Duration,
    /// The share of packets that may come later than the target.
    pub late_share: f32,
    /// Packets kept at a time; more displace the oldest.
    pub capacity: usize,
}

impl JitterConfig {
    /// For a payload clock of `clock_rate` Hz: 20 ms ticks, 60 ms at first, so that the first words are whole whatever the
    /// network is like, 10 ms to 400 ms later. The delay goes down in quiet frames; what is heard is played faster only
    /// when the delay is 60 ms too long.
    #[must_use]
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            tick: Duration::from_millis(20),
            initial_delay: Duration::from_millis(60),
            min_delay: Duration::from_millis(10),
            max_delay: Duration::from_millis(400),
            tolerance: Duration::from_millis(60),
            quiet_tolerance: Duration::from_millis(25),
            late_share: 0.01,
            capacity: 128,
        }
    }

    /// The same for a conversation: 40 ms at first, and what is heard is played a little faster as well to get the delay
    /// down.
    #[must_use]
    pub fn low_delay(clock_rate: u32) -> Self {
        Self {
            initial_delay: Duration::from_millis(40),
            tolerance: Duration::from_millis(25),
            ..Self::new(clock_rate)
        }
    }

    /// The same where the delay does not matter and every sample does, such as a recording for evidence or a modem: on a
    /// clean network not one sample is given up, not even of silence.
    #[must_use]
    pub fn faithful(clock_rate: u32) -> Self {
        Self {
            min_delay: Duration::from_millis(20),
            quiet_tolerance: Duration::from_millis(60),
            ..Self::new(clock_rate)
        }
    }
}

/// A packet for the buffer.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "what the buffer must know of a packet, and nothing else"
)]
pub struct JitterPacket {
    /// The extended sequence number.
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// How long it plays, in ticks of the RTP clock.
    pub duration: u32,
    /// The payload type.
    pub payload_type: u8,
    /// The payload.
    pub payload: Bytes,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inserted {
    /// It waits for its turn.
    Queued,
    /// Its turn had passed.
    Late,
    /// It was there already.
    Duplicate,
    /// Its timestamp is far from everything else; several such restart the buffer.
    Wild,
}

/// What to play now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Playout {
    /// This packet.
    Packet(JitterPacket),
    /// Something made up for so many ticks of the RTP clock: a packet was lost, or is late.
    Conceal(u32),
    /// Silence for so many ticks: nothing was sent, or nothing has arrived for long.
    Silence(u32),
}

/// Counters of a jitter buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JitterStatistics {
    /// Packets played.
    pub played: u64,
    /// Packets that were not there at their turn (some of them may have come late).
    pub missing: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets that arrived after a later one, in time.
    pub reordered: u64,
    /// Packets displaced because more waited than the capacity or the longest delay.
    pub overflowed: u64,
    /// Packets dropped by [`JitterBuffer::discard`] to shorten the delay.
    pub discarded: u64,
    /// Packets played faster, see [`JitterBuffer::shortened`].
    pub shortened: u64,
    /// Times that the stream was held because the buffer was empty.
    pub held: u64,
    /// Times that the buffer started anew.
    pub restarted: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    tick: u32,
    tolerance: i64,
    quiet_tolerance: i64,
    queue: VecDeque<Entry>,
    estimator: DelayEstimator,
    seen: SeenSequences,
    epoch: Option<Instant>,
    /// The timestamp seen last, unwrapped.
    newest: Option<(u32, i64)>,
    playing: Option<Playing>,
    /// Calls of `playout` in a row with a surplus: one late call of the program is no surplus.
    surplus_run: u32,
    /// The same over the quiet tolerance.
    quiet_run: u32,
    wild: u8,
    statistics: JitterStatistics,
}

#[derive(Debug)]
struct Entry {
    at: i64,
    packet: JitterPacket,
}

#[derive(Debug, Clone, Copy)]
struct Playing {
    /// The point of the media clock that is due next.
    due: i64,
    /// Ticks played without advancing `due`, because the buffer was empty.
    held: i64,
    /// Ticks since a packet was played.
    idle: i64,
    last_sequence: u64,
    /// Where the packet played last began: nothing before it is played after it.
    last_at: i64,
}

/// A pause this long ends a talkspurt: the next one starts with the delay that is right then.
const TALKSPURT_GAP_MS: i64 = 100;
/// What a timestamp may be away from the expected one.
const WILD_SECONDS: i64 = 5;
/// Packets that far away, in a row, that restart the buffer.
const WILD_PACKETS: u8 = 3;
/// Calls of `playout` with a surplus before it is believed: half a second.
const SURPLUS_RUN: u32 = 25;
/// What is made up before silence takes over.
const CONCEAL_MS: i64 = 60;

impl JitterBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new(config: JitterConfig) -> Self {
        let tick = u32::try_from(ticks(config.tick, config.clock_rate))
            .unwrap_or(u32::MAX)
            .max(1);
        Self {
            tick,
            tolerance: ticks(config.tolerance, config.clock_rate) as i64,
            quiet_tolerance: ticks(config.quiet_tolerance, config.clock_rate) as i64,
            queue: VecDeque::with_capacity(config.capacity),
            estimator: DelayEstimator::new(&config),
            seen: SeenSequences::default(),
            epoch: None,
            newest: None,
            playing: None,
            surplus_run: 0,
            quiet_run: 0,
            wild: 0,
            statistics: JitterStatistics::default(),
            config,
        }
    }

    /// Takes a packet that arrived at `now`.
    pub fn insert(&mut self, packet: JitterPacket, now: Instant) -> Inserted {
        let now = self.clock(now);
        let at = self.unwrap(packet.timestamp);
        if self.estimator.is_wild(now - at, WILD_SECONDS) {
            self.wild += 1;
            if self.wild < WILD_PACKETS {
                return Inserted::Wild;
            }
            self.restart();
        }
        self.wild = 0;
        if self.seen.insert(packet.sequence) {
            self.statistics.duplicate += 1;
            return Inserted::Duplicate;
        }
        if self.newest.is_none_or(|(_, newest)| at > newest) {
            self.newest = Some((packet.timestamp, at));
        }
        self.estimator.on_packet(now, at);
        let end = at + i64::from(packet.duration.max(1));
        if self
            .playing
            .is_some_and(|playing| end <= playing.due || at <= playing.last_at)
        {
            self.statistics.late += 1;
            return Inserted::Late;
        }
        // Most packets belong at the end.
        let mut index = self.queue.len();
        while index > 0
            && self
                .queue
                .get(index - 1)
                .is_some_and(|before| before.at > at)
        {
            index -= 1;
        }
        if index < self.queue.len() {
            self.statistics.reordered += 1;
        }
        self.queue.insert(index, Entry { at, packet });
        if self.queue.len() > self.config.capacity {
            self.queue.pop_front();
            self.statistics.overflowed += 1;
        }
        Inserted::Queued
    }

    /// Notes a packet of the same stream that holds no audio, such as a telephone event: it is not missing.
    pub fn note(&mut self, sequence: u64) {
        self.seen.insert(sequence);
    }

    /// What to play at `now`. Call it once per tick, with the time at which the tick should be, not the time at which
    /// the program got round to it; after [`Playout::Packet`] as often as the caller needs audio.
    pub fn playout(&mut self, now: Instant) -> Playout {
        let now = self.clock(now);
        let tick = i64::from(self.tick);
        self.trim();
        let excess = self.excess(now);
        for (run, tolerance) in [
            (&mut self.surplus_run, self.tolerance),
            (&mut self.quiet_run, self.quiet_tolerance),
        ] {
            *run = if excess > tolerance {
                run.saturating_add(1)
            } else {
                0
            };
        }
        let Some(mut playing) = self.playing else {
            return self.start(now);
        };
        let Some(head) = self.queue.front() else {
            return self.on_empty(playing);
        };
        let mut gap = head.at - playing.due;
        if gap > 0 && playing.held > 0 {
            // What was held turns out to have been a gap: the delay has not grown by that much.
            let filled = gap.min(playing.held);
            playing.due += filled;
            playing.held -= filled;
            gap -= filled;
        }
        let paused = self
            .seen
            .missing(playing.last_sequence, head.packet.sequence)
            == 0;
        let talkspurt = playing.idle >= TALKSPURT_GAP_MS * i64::from(self.config.clock_rate) / 1000;
        if paused && (talkspurt || gap > 0) {
            // Nothing was lost: the sender paused, and the next talkspurt starts when its delay is right.
            let delay = self.estimator.delay_at(now, head.at);
            if delay + tick / 2 < self.estimator.target() {
                playing.idle += tick;
                if gap > 0 {
                    playing.due += gap.min(tick);
                }
                self.playing = Some(playing);
                return Playout::Silence(self.tick);
            }
            playing.due = head.at;
            gap = 0;
        }
        if gap > 0 {
            // Later packets are here and this one is not: it is lost, or will be too late.
            let span = gap.min(tick);
            playing.due += span;
            playing.idle += span;
            self.playing = Some(playing);
            return Playout::Conceal(span as u32);
        }
        self.playing = Some(playing);
        self.play()
    }

    /// After [`Playout::Conceal`]: the packet that plays next, when it follows what was concealed without a gap. Codecs with
    /// forward error correction find in it what was lost.
    #[must_use]
    pub fn following(&self) -> Option<&JitterPacket> {
        let (playing, head) = (self.playing?, self.queue.front()?);
        (head.at == playing.due && playing.held == 0).then_some(&head.packet)
    }

    /// How much longer than its target the delay has been for the last half second, in ticks of the RTP clock; zero
    /// unless it is so much that what is heard should be played a little faster ([`Self::shortened`]).
    #[must_use]
    pub fn surplus(&mut self, now: Instant) -> u32 {
        self.settled_surplus(now, self.surplus_run, self.tolerance)
    }

    /// The same for a packet in which nothing is heard: zero unless it should be left out ([`Self::discard`]).
    #[must_use]
    pub fn quiet_surplus(&mut self, now: Instant) -> u32 {
        self.settled_surplus(now, self.quiet_run, self.quiet_tolerance)
    }

    /// Notes that the packet played last was thrown away by the caller to shorten the delay.
    pub fn discard(&mut self) {
        self.statistics.discarded += 1;
        (self.surplus_run, self.quiet_run) = (0, 0);
    }

    /// Notes that the caller played a frame faster: a little later it may do so again.
    pub fn shortened(&mut self) {
        self.statistics.shortened += 1;
        self.surplus_run = SURPLUS_RUN.saturating_sub(4);
    }

    /// Notes that the sender said, in the packet played last, that it is silent now (comfort noise): what follows is
    /// silence, not loss, and the next talkspurt starts with the delay that is right then.
    pub fn pause(&mut self) {
        if let Some(playing) = &mut self.playing {
            playing.idle = TALKSPURT_GAP_MS * i64::from(self.config.clock_rate) / 1000;
        }
    }

    /// Forgets the stream, as for a new source. Statistics stay.
    pub fn restart(&mut self) {
        self.queue.clear();
        self.estimator = DelayEstimator::new(&self.config);
        self.seen = SeenSequences::default();
        self.newest = None;
        self.playing = None;
        self.wild = 0;
        self.statistics.restarted += 1;
    }

    /// The delay that is aimed at.
    #[must_use]
    pub fn target(&self) -> Duration {
        self.duration(self.estimator.target())
    }

    /// The delay that the buffer adds at `now`, above the fastest packet of the last seconds.
    #[must_use]
    pub fn delay(&mut self, now: Instant) -> Duration {
        let now = self.clock(now);
        self.playing.map_or(Duration::ZERO, |playing| {
            self.duration(self.estimator.delay_at(now, playing.due))
        })
    }

    /// Where the newest packet that waits ends on the RTP clock of the sender.
    #[must_use]
    pub fn newest_end(&self) -> Option<u32> {
        let packet = &self.queue.back()?.packet;
        Some(packet.timestamp.wrapping_add(packet.duration))
    }

    /// Packets that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no packet waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The counters.
    #[must_use]
    pub fn statistics(&self) -> JitterStatistics {
        self.statistics
    }

    fn settled_surplus(&mut self, now: Instant, run: u32, tolerance: i64) -> u32 {
        if run < SURPLUS_RUN {
            return 0;
        }
        let now = self.clock(now);
        // The packet whose fate the caller ponders has been taken out: count it as due still.
        let tick = i64::from(self.tick);
        let excess = self.excess(now + tick).min(self.queued_excess(tick));
        if excess > tolerance {
            u32::try_from(excess).unwrap_or(u32::MAX)
        } else {
            0
        }
    }

    /// What the delay of the packet that is due has over its target; zero while the target is a guess.
    fn excess(&self, now: i64) -> i64 {
        match self.playing {
            Some(playing) if self.estimator.is_settled() => {
                self.estimator.delay_at(now, playing.due) - self.estimator.target()
            }
            Some(_) | None => 0,
        }
    }

    /// The same of what waits: a delay that is not in the queue cannot be given up. `taken` was taken out of it just now.
    fn queued_excess(&self, taken: i64) -> i64 {
        let (Some(playing), Some(last)) = (self.playing, self.queue.back()) else {
            return 0;
        };
        last.at + i64::from(last.packet.duration) - playing.due + taken - self.estimator.target()
    }

    /// Drops the oldest packets while more waits than the longest delay: after a long stall, or when nobody called for
    /// long.
    fn trim(&mut self) {
        let longest =
            ticks(self.config.max_delay, self.config.clock_rate) as i64 + i64::from(self.tick);
        while let (Some(front), Some(back)) = (self.queue.front(), self.queue.back()) {
            if self.queue.len() < 2
                || back.at + i64::from(back.packet.duration) - front.at <= longest
            {
                break;
            }
            let (end, sequence) = (
                front.at + i64::from(front.packet.duration),
                front.packet.sequence,
            );
            self.queue.pop_front();
            self.statistics.overflowed += 1;
            if let Some(playing) = &mut self.playing {
                playing.due = playing.due.max(end);
                playing.held = 0;
                playing.last_sequence = playing.last_sequence.max(sequence);
            }
        }
    }

    fn start(&mut self, now: i64) -> Playout {
        let Some(head) = self.queue.front() else {
            return Playout::Silence(self.tick);
        };
        if self.estimator.delay_at(now, head.at) < self.estimator.target() {
            return Playout::Silence(self.tick);
        }
        self.playing = Some(Playing {
            due: head.at,
            held: 0,
            idle: 0,
            last_sequence: head.packet.sequence.saturating_sub(1),
            last_at: i64::MIN,
        });
        self.play()
    }

    fn play(&mut self) -> Playout {
        let (Some(playing), Some(Entry { at, packet })) =
            (&mut self.playing, self.queue.pop_front())
        else {
            return Playout::Silence(self.tick);
        };
        self.statistics.played += 1;
        self.statistics.missing += self.seen.missing(playing.last_sequence, packet.sequence);
        playing.due = at + i64::from(packet.duration);
        playing.last_at = at;
        playing.held = 0;
        playing.idle = 0;
        playing.last_sequence = playing.last_sequence.max(packet.sequence);
        Playout::Packet(packet)
    }

    fn on_empty(&mut self, mut playing: Playing) -> Playout {
        (self.surplus_run, self.quiet_run) = (0, 0);
        let tick = i64::from(self.tick);
        if playing.held == 0 {
            self.statistics.held += 1;
        }
        playing.held += tick;
        playing.idle += tick;
        self.playing = Some(playing);
        if playing.idle <= CONCEAL_MS * i64::from(self.config.clock_rate) / 1000 {
            Playout::Conceal(self.tick)
        } else {
            Playout::Silence(self.tick)
        }
    }

    /// `now` in ticks of the media clock since the first call.
    fn clock(&mut self, now: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(now);
        ticks(now.saturating_duration_since(epoch), self.config.clock_rate) as i64
    }

    /// A timestamp without its wrap: the one nearest to the newest.
    fn unwrap(&self, timestamp: u32) -> i64 {
        match self.newest {
            None => i64::from(timestamp),
            Some((newest, at)) => at + i64::from(timestamp.wrapping_sub(newest) as i32),
        }
    }

    fn duration(&self, ticks: i64) -> Duration {
        let nanos = u128::from(ticks.max(0).unsigned_abs()) * 1_000_000_000
            / u128::from(self.config.clock_rate.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Which of the last 1024 sequence numbers arrived.
#[derive(Debug, Default)]
struct SeenSequences {
    bits: [u64; 16],
    highest: Option<u64>,
}

const SEEN: u64 = 1024;

impl SeenSequences {
    /// Notes a number; true when it was there already, or is too old to tell.
    fn insert(&mut self, sequence: u64) -> bool {
        match self.highest {
            Some(highest) if sequence <= highest => {
                if highest - sequence >= SEEN {
                    return true;
                }
            }
            Some(highest) => {
                if sequence - highest >= SEEN {
                    self.bits = [0; 16];
                } else {
                    (highest + 1..sequence).for_each(|skipped| self.assign(skipped, false));
                }
                self.highest = Some(sequence);
                self.assign(sequence, true);
                return false;
            }
            None => {
                self.highest = Some(sequence);
                self.assign(sequence, true);
                return false;
            }
        }
        let there = self.contains(sequence);
        self.assign(sequence, true);
        there
    }

    /// How many between the two, both excluded, have not arrived.
    fn missing(&self, after: u64, before: u64) -> u64 {
        let span = before.saturating_sub(after.saturating_add(1));
        if span == 0 {
            return 0;
        }
        if span >= SEEN {
            return span;
        }
        (after + 1..before)
            .filter(|sequence| !self.contains(*sequence))
            .count() as u64
    }

    fn contains(&self, sequence: u64) -> bool {
        let index = (sequence % SEEN) as usize;
        self.bits
            .get(index / 64)
            .is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    fn assign(&mut self, sequence: u64, value: bool) {
        let index = (sequence % SEEN) as usize;
        if let Some(word) = self.bits.get_mut(index / 64) {
            *word = (*word & !(1 << (index % 64))) | (u64::from(value) << (index % 64));
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trace_tests;
