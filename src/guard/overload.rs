//! [`Overload`]: how much of what is new is refused, so that what is taken gets done.
//!
//! ```text
//!                   queue delay of each turn
//!   sockets ----------------------------------> smallest of an interval (100 ms)
//!                                                  above the target (5 ms), and the queue never empty: overloaded
//!                                               then, smallest of a fifth of an interval
//!                                                  above the target, or growing: refuse more
//!                                                  below the target, or shrinking: refuse less
//!                                                  nothing came for an interval: refuse half
//!   request --> class --> refused by the share of its class --> 503 with Retry-After
//! ```
//! What is refused follows the delay by a proportional and integral control. The queue adds up what was too much, so its growth says
//! how much of what comes now is too much, and its length what has to be made good; a long queue is not only late, but makes the
//! work dearer too, because what waits in it leaves the caches. A queue at its target keeps the worker busy.
//!
//! The smallest delay of an interval and not the average: a queue that empties now and then is a burst and not an overload.
//! What came later than the turn before it was taken up found the queue empty: how late it was itself says how busy the machine
//! is, and refusing others would make it no earlier.

use std::time::{Duration, Instant};

use sip_message::uri::Scheme;
use sip_message::{Method, Request};
use sip_transport::{Rng, Seed};

/// How an [`Overload`] behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverloadConfig {
    /// How long a request may wait before it is looked at. Zero switches the control off.
    pub target: Duration,
    /// How long the delay has to stand above the target before anything is refused.
    pub interval: Duration,
    /// The least Retry-After of a refusal, in seconds; all are below twice as much, so that who was refused at one time
    /// does not come back at one time, and most are written in as many digits, so that refusals are of one length.
    pub retry_after: u32,
    /// Whether neighbours that ask for it are told how much to hold back (RFC 7339).
    pub feedback: bool,
}

impl Default for OverloadConfig {
    fn default() -> Self {
        Self {
            target: Duration::from_millis(5),
            interval: Duration::from_millis(100),
            retry_after: 5,
            feedback: false,
        }
    }
}

/// What a request is worth when not everything can be done (RFC 7339 §5.10.1; RFC 5390, REQ 13 and 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the caller names each")]
pub enum Class {
    /// Ends something or belongs to what is in progress: ACK, BYE, CANCEL, PRACK. Never refused.
    Ending,
    /// For an emergency service (RFC 5031), or with a priority of `emergency`. Never refused.
    Emergency,
    /// Within a dialog. Refused only when refusing everything new does not help.
    Dialog,
    /// Begins something.
    New,
}

impl Class {
    /// The class of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        if Self::is_ending(request.method()) {
            return Self::Ending;
        }
        if is_emergency(request) {
            return Self::Emergency;
        }
        if request.headers().to_tag().is_some() {
            Self::Dialog
        } else {
            Self::New
        }
    }

    /// Is a request of this method [`Ending`](Self::Ending)?
    pub(crate) const fn is_ending(method: &Method) -> bool {
        matches!(
            method,
            Method::Ack | Method::Bye | Method::Cancel | Method::Prack
        )
    }
}

/// RFC 5031 §4: `urn:service:sos` and what is below it. The Priority of a request is no proof of anything, so it does not count.
fn is_emergency(request: &Request) -> bool {
    let uri = request.uri_str().as_bytes();
    let is_urn = uri
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"urn:"));
    is_urn
        && request
            .uri()
            .is_ok_and(|uri| matches!(uri.scheme(), Scheme::Urn) && is_sos(uri.opaque()))
}

fn is_sos(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("service:sos")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The control loop. It is told how long requests wait, and asked about each request that is not known yet.
///
/// ```
/// use std::time::{Duration, Instant};
/// use sip_stack::guard::{Class, Overload, OverloadConfig};
/// use sip_stack::transport::Seed;
///
/// let mut overload = Overload::new(OverloadConfig::default(), &Seed::from_bytes([1; 32]));
/// let begin = Instant::now();
/// for ms in 0..2000 {
///     overload.waited(Duration::from_millis(80), begin + Duration::from_millis(ms));
/// }
/// let now = begin + Duration::from_secs(2);
/// assert!(overload.loss(now) > 50, "percent of what is new");
/// assert!(overload.takes(Class::Emergency, now) && overload.takes(Class::Ending, now));
/// assert_eq!(overload.loss(now + Duration::from_secs(1)), 0, "nothing waits any more");
/// ```
#[derive(Debug)]
pub struct Overload {
    config: OverloadConfig,
    rng: Rng,
    /// From 0 to 1: the share of what is new that is refused. From 1 to 2: everything new, and a share of the rest.
    loss: f64,
    /// When something was taken up last.
    last: Option<Instant>,
    began: Option<Instant>,
    least: Duration,
    /// What is refused of what is new when the delay is at its target: the integral part.
    steady: f64,
    /// How often it was told in this interval.
    turns: u32,
    /// Was the queue empty in this interval, and not only between two that followed each other?
    rested: bool,
    /// Was the interval before one with a standing queue?
    stood: bool,
    refused: u64,
    refused_in_dialog: u64,
    /// Drawn for the request that is asked about next.
    drawn: Option<f64>,
}

/// How much more is refused for each second of delay beyond the target.
const PROPORTIONAL: f64 = 16.0;
/// By how much that grows in a second for each second of delay beyond the target.
const INTEGRAL: f64 = 60.0;
/// How much less may be refused after a part of an interval in which all that is new was.
const MOST_LESS: f64 = 0.1;
/// Into how many parts an interval is divided under overload.
const PARTS: u32 = 5;
/// What an interval with an empty queue takes off: first of the share, then a constant, so that it ends.
const DECAY: f64 = 0.1;
const END: f64 = 0.005;
/// So much of what is new may be refused because of its delay; to refuse more takes a queue that stands nevertheless, for so much in
/// an interval, until all of it is refused, and then for so much of the rest: the queue has to have the time to run down.
const MOST_BY_DELAY: f64 = 0.97;
const LAST_STEP: f64 = 0.003;
const STEP_BEYOND: f64 = 0.032;
/// What an interval in which nothing came leaves of the share, and when that is so little that it is nothing.
const REST: f64 = 0.5;
const NOTHING: f64 = 0.01;
/// The part of the target for which a queue has to be empty to be one that does not stand.
const REST_OF_TARGET: u32 = 4;
/// Turns of the worker that an interval must have to say that a queue stood all the time.
const TURNS: u32 = 4;
/// Most of all requests within dialogs are refused, and nearly all of what is new: who is refused must be able to find out that
/// it is over.
const MOST: f64 = 1.9;
const MOST_OF_NEW: f64 = 0.99;

impl Overload {
    /// A loop at rest.
    #[must_use]
    pub fn new(config: OverloadConfig, seed: &Seed) -> Self {
        Self {
            config,
            rng: seed.derive("overload").rng(),
            loss: 0.0,
            last: None,
            began: None,
            least: Duration::MAX,
            steady: 0.0,
            turns: 0,
            rested: false,
            stood: false,
            refused: 0,
            refused_in_dialog: 0,
            drawn: None,
        }
    }

    /// Exchanges the configuration; what was learnt stays.
    pub fn configure(&mut self, config: OverloadConfig) {
        self.config = config;
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &OverloadConfig {
        &self.config
    }

    /// Is anything refused, ever?
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.config.target.is_zero()
    }

    /// The oldest of what was just taken up had waited this long; zero when nothing waited.
    pub fn waited(&mut self, delay: Duration, now: Instant) {
        if !self.is_on() {
            (self.loss, self.steady) = (0.0, 0.0);
            return;
        }
        // What waited longest came when it came: from the turn before until then the queue was empty.
        let rest = self.since(now).saturating_sub(delay);
        self.last = Some(now);
        if rest >= self.config.interval {
            // Whatever was measured before is over.
            self.loss = self.after_rest(rest);
            self.began = Some(now);
            (self.least, self.turns) = (delay, 1);
            self.steady = self.loss.min(MOST_BY_DELAY);
            (self.rested, self.stood) = (false, false);
            return;
        }
        self.rested |= rest > self.config.target / REST_OF_TARGET;
        self.least = self.least.min(delay);
        self.turns += 1;
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_duration_since(began);
        let part = if self.stood || self.steady > 0.0 || self.loss > 0.0 {
            self.config.interval / PARTS
        } else {
            self.config.interval
        };
        // A few requests that were all late are a machine that was busy otherwise, or a process that was not run: a queue
        // that stands is met at every turn. When each turn takes long, the interval does too.
        if passed < part || (self.turns < TURNS && !self.rested) {
            return;
        }
        let least = std::mem::replace(&mut self.least, Duration::MAX);
        self.began = Some(now);
        let rested = std::mem::take(&mut self.rested);
        self.turns = 0;
        // An interval can be longer than it should be; a worker that was busy or stopped for long says nothing about
        // what waits behind what it takes up.
        let intervals = self.intervals(passed.saturating_sub(least)).clamp(
            self.intervals(part).min(self.intervals(passed)),
            f64::from(2 * PARTS),
        );
        self.adapt(if rested { Duration::ZERO } else { least }, intervals);
    }

    /// The queue was never shorter than so, for so many intervals.
    fn adapt(&mut self, least: Duration, intervals: f64) {
        let stands = least > self.config.target;
        let stood = std::mem::replace(&mut self.stood, stands);
        let (delay, target) = (least.as_secs_f64(), self.config.target.as_secs_f64());
        let beyond = delay - target;
        if self.loss <= 0.0 && self.steady <= 0.0 {
            // Once is no proof.
            if !(stands && stood) {
                return;
            }
            // The queue was empty before, and this much work came beyond what was done in that time.
            let since =
                (f64::from(PARTS + 1) / f64::from(PARTS)) * self.config.interval.as_secs_f64();
            let growth = delay / since.max(0.001);
            self.steady = growth / (1.0 + growth);
        } else {
            let is_all = self.steady + PROPORTIONAL * beyond >= MOST_BY_DELAY;
            // While as much is refused as may be, a queue that has to run down says nothing about what comes.
            if beyond < 0.0 || !is_all {
                let time = intervals * self.config.interval.as_secs_f64();
                self.steady += INTEGRAL * beyond * time;
            }
            if least < self.config.target / REST_OF_TARGET {
                // It was empty.
                self.steady -= (DECAY * self.steady + END) * intervals;
            }
        }
        self.steady = self.steady.clamp(0.0, MOST_BY_DELAY);
        let by_delay = (self.steady + PROPORTIONAL * beyond).clamp(0.0, MOST_BY_DELAY);
        self.loss = if stands && by_delay >= MOST_BY_DELAY {
            let step = if self.loss < 1.0 {
                LAST_STEP
            } else {
                STEP_BEYOND
            };
            let above = (delay / target - 1.0).clamp(0.1, 4.0) / 4.0;
            (self.loss.max(MOST_BY_DELAY) + step * above * intervals).min(MOST)
        } else if self.loss > MOST_BY_DELAY {
            // Not at once: what was refused within dialogs comes again.
            by_delay.max(self.loss - MOST_LESS)
        } else {
            by_delay
        };
    }

    /// How long ago something was taken up last.
    fn since(&self, now: Instant) -> Duration {
        self.last
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last))
    }

    fn intervals(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.config.interval.as_secs_f64().max(0.001)
    }

    /// What is left of the share when nothing came for this long.
    fn after_rest(&self, rest: Duration) -> f64 {
        let loss = self.loss * REST.powf(self.intervals(rest).min(100.0));
        if loss < NOTHING { 0.0 } else { loss }
    }

    /// The share as it is now: when nothing is taken up, nothing waits.
    fn share(&self, now: Instant) -> f64 {
        let since = self.since(now);
        if self.loss <= 0.0 || since < self.config.interval {
            return self.loss;
        }
        self.after_rest(since)
    }

    /// Is everything taken, whatever it is?
    pub(crate) const fn takes_all(&self) -> bool {
        self.loss <= 0.0
    }

    /// Would the next request that is asked about be refused, if it was a new one? What it is need not be known for that, and
    /// [`takes`](Self::takes) says the same when it is.
    pub(super) fn foresees(&mut self, now: Instant) -> bool {
        let share = self.share(now).min(MOST_OF_NEW);
        if share <= 0.0 {
            return false;
        }
        let drawn = self.draw();
        self.drawn = Some(drawn);
        drawn < share
    }

    /// What was drawn ahead was for a request about which nobody asked.
    pub(super) const fn forget(&mut self) {
        self.drawn = None;
    }

    /// Is a request of this class taken? Draws from the generator only while something is refused.
    pub fn takes(&mut self, class: Class, now: Instant) -> bool {
        let loss = match class {
            Class::Ending | Class::Emergency => 0.0,
            Class::Dialog | Class::New => self.share(now),
        };
        let share = if class == Class::Dialog {
            loss - 1.0
        } else {
            loss.min(MOST_OF_NEW)
        };
        if share <= 0.0 || self.draw() >= share {
            self.drawn = None;
            return true;
        }
        self.refused += 1;
        if class == Class::Dialog {
            self.refused_in_dialog += 1;
        }
        false
    }

    /// The Retry-After of the next refusal, in seconds.
    pub fn retry_after(&mut self) -> u64 {
        let least = u64::from(self.config.retry_after.max(1));
        least + self.rng.below(least.max(2))
    }

    /// How many of a hundred new requests are refused: also what neighbours are told (RFC 7339 §5.5).
    #[must_use]
    pub fn loss(&self, now: Instant) -> u8 {
        // Between 0 and 100, so nothing is cut off.
        (self.share(now).clamp(0.0, MOST_OF_NEW) * 100.0).ceil() as u8
    }

    /// How many requests were refused, and how many of these were within dialogs.
    #[must_use]
    pub const fn refused(&self) -> (u64, u64) {
        (self.refused, self.refused_in_dialog)
    }

    /// From 0 to below 1.
    fn draw(&mut self) -> f64 {
        if let Some(drawn) = self.drawn.take() {
            return drawn;
        }
        f64::from(self.rng.next_u32()) / 4_294_967_296.0
    }
}

#[cfg(test)]
mod tests;
