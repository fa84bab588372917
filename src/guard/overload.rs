//! [`Overload`]: how much of what is new is refused, so that what is taken gets done.
//!
//! ```text
//!                   queue delay of each turn
//!   sockets ----------------------------------> smallest of an interval (100 ms)
//!                                                  above the target (5 ms): refuse more
//!                                                  below it: refuse less
//!   request --> class --> refused by the share of its class --> 503 with Retry-After
//! ```
//! The smallest delay of an interval and not the average: a queue that empties now and then is a burst and not an overload.

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
    /// The least Retry-After of a refusal, in seconds; the most is twice as much, so that who was refused at one time
    /// does not come back at one time.
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
        match request.method() {
            Method::Ack | Method::Bye | Method::Cancel | Method::Prack => return Self::Ending,
            _ => {}
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
/// assert!(overload.loss() > 50, "percent of what is new");
/// assert!(overload.takes(Class::Emergency) && overload.takes(Class::Ending));
/// ```
#[derive(Debug)]
pub struct Overload {
    config: OverloadConfig,
    rng: Rng,
    /// From 0 to 1: the share of what is new that is refused. From 1 to 2: everything new, and a share of the rest.
    loss: f64,
    began: Option<Instant>,
    least: Duration,
    /// How often it was told in this interval.
    turns: u32,
    /// Was the interval before one with a standing queue?
    stood: bool,
    refused: u64,
    refused_in_dialog: u64,
}

/// How much of what may still be refused is refused more after an interval, per target of delay above the target.
const STEP: f64 = 0.08;
/// What an interval without a queue takes off: first the share, then a constant, so that it ends.
const DECAY: f64 = 0.9;
const END: f64 = 0.005;
/// Turns of the worker that an interval must have had to say that a queue stood all the time.
const TURNS: u32 = 4;
/// Never all of what is new is refused while dialogs are not: who is refused must be able to find out that it is over.
const MOST: f64 = 1.9;

impl Overload {
    /// A loop at rest.
    #[must_use]
    pub fn new(config: OverloadConfig, seed: &Seed) -> Self {
        Self {
            config,
            rng: seed.derive("overload").rng(),
            loss: 0.0,
            began: None,
            least: Duration::MAX,
            turns: 0,
            stood: false,
            refused: 0,
            refused_in_dialog: 0,
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

    /// The oldest of what was just taken up had waited this long; zero when nothing waited.
    pub fn waited(&mut self, delay: Duration, now: Instant) {
        if self.config.target.is_zero() {
            self.loss = 0.0;
            return;
        }
        self.least = self.least.min(delay);
        self.turns += 1;
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_duration_since(began);
        if passed < self.config.interval {
            return;
        }
        let least = std::mem::replace(&mut self.least, Duration::MAX);
        self.began = Some(now);
        // A few requests that were all late are a machine that was busy otherwise, or a process that was not run: a queue
        // that stands is met at every turn.
        let stands = std::mem::take(&mut self.turns) >= TURNS && least > self.config.target;
        let stood = std::mem::replace(&mut self.stood, stands);
        if stands && !stood && self.loss <= 0.0 {
            return;
        }
        // Nothing came for a while: as many intervals without a queue.
        let intervals = passed.as_secs_f64() / self.config.interval.as_secs_f64().max(0.001);
        if stands {
            let above = least.as_secs_f64() / self.config.target.as_secs_f64() - 1.0;
            let step = STEP * above.clamp(0.1, 4.0);
            // What is new goes first; the rest only when that was not enough, and in small steps.
            self.loss = if self.loss < 0.95 {
                (self.loss + step * (1.0 - self.loss).max(0.1)).min(0.97)
            } else {
                (self.loss + step * 0.1).min(MOST)
            };
        } else {
            self.loss = (self.loss * DECAY.powf(intervals.min(100.0)) - END).max(0.0);
        }
    }

    /// Is a request of this class taken? Draws from the generator only while something is refused.
    pub fn takes(&mut self, class: Class) -> bool {
        if self.loss <= 0.0 {
            return true;
        }
        let share = match class {
            Class::Ending | Class::Emergency => return true,
            Class::Dialog => self.loss - 1.0,
            Class::New => self.loss,
        };
        if share <= 0.0 || self.draw() >= share {
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
        least + self.rng.below(least + 1)
    }

    /// How many of a hundred new requests are refused: also what neighbours are told (RFC 7339 §5.5).
    #[must_use]
    pub fn loss(&self) -> u8 {
        // Between 0 and 100, so nothing is cut off.
        (self.loss.clamp(0.0, 1.0) * 100.0).ceil() as u8
    }

    /// How many requests were refused, and how many of these were within dialogs.
    #[must_use]
    pub const fn refused(&self) -> (u64, u64) {
        (self.refused, self.refused_in_dialog)
    }

    /// From 0 to below 1.
    fn draw(&mut self) -> f64 {
        f64::from(self.rng.next_u32()) / 4_294_967_296.0
    }
}

#[cfg(test)]
mod tests;
