//! [`Clock`]: virtual time.

use std::time::{Duration, Instant};

/// The time of one test. It moves only when told to.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    now: Instant,
}

impl Clock {
    /// A clock at its origin.
    #[must_use]
    pub fn new() -> Self {
        // An `Instant` cannot be made from nothing: this one is only ever compared with itself.
        let origin = Instant::now();
        Self {
            origin,
            now: origin,
        }
    }

    /// The virtual present.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// How far the clock is from its origin.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.origin
    }

    /// How far an instant is from the origin, in milliseconds.
    #[must_use]
    pub fn millis(&self, at: Instant) -> u128 {
        at.saturating_duration_since(self.origin).as_millis()
    }

    /// The instant that is so many milliseconds after the origin.
    #[must_use]
    pub fn at(&self, millis: u64) -> Instant {
        self.origin + Duration::from_millis(millis)
    }

    /// Moves forward.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    /// Moves forward to an instant; the past is ignored.
    pub fn advance_to(&mut self, at: Instant) {
        self.now = self.now.max(at);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
