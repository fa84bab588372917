//! When operations begin: at a rate, whatever becomes of them, or as soon as others have ended.

use std::time::{Duration, Instant};

use sip_stack::transport::Rng;

/// How operations follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// So many in progress at any time.
    Closed { concurrency: u32 },
    /// So many a second, evenly or as a Poisson process.
    Open { rate: f64, is_poisson: bool },
}

/// Tells how many operations are due.
#[derive(Debug)]
pub(super) struct Clock {
    pace: Pace,
    /// In which the rate, or the number in progress, grows from nothing.
    ramp: Duration,
    began: Instant,
    /// When the next one begins, with an open loop, in seconds from the beginning.
    next: f64,
    rng: Rng,
}

impl Clock {
    pub(super) fn new(pace: Pace, ramp: Duration, began: Instant, rng: Rng) -> Self {
        Self {
            pace,
            ramp,
            began,
            next: 0.0,
            rng,
        }
    }

    /// How much of the ramp is behind, from 0 to 1.
    fn climbed(&self, seconds: f64) -> f64 {
        let ramp = self.ramp.as_secs_f64();
        if ramp > seconds { seconds / ramp } else { 1.0 }
    }

    /// How many operations are to begin now, at most `most`, when so many are in progress.
    pub(super) fn due(&mut self, in_progress: usize, most: usize, now: Instant) -> usize {
        let seconds = now.saturating_duration_since(self.began).as_secs_f64();
        match self.pace {
            Pace::Closed { concurrency } => {
                let wanted = (f64::from(concurrency) * self.climbed(seconds)).ceil() as usize;
                wanted.max(1).saturating_sub(in_progress).min(most)
            }
            Pace::Open { rate, is_poisson } => {
                let mut due = 0;
                while due < most && self.next <= seconds {
                    // The rate at this point of the ramp; never so low that the first one is never followed.
                    let rate = (rate * self.climbed(self.next)).max(rate / 100.0);
                    let gap = if is_poisson {
                        // 53 bits, so that it is never 1.
                        let uniform = (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
                        -(1.0 - uniform).ln() / rate
                    } else {
                        1.0 / rate
                    };
                    self.next += gap;
                    due += 1;
                }
                due
            }
        }
    }

    /// When to ask again, if nothing else happens before.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        match self.pace {
            Pace::Open { .. } => Some(self.began + Duration::from_secs_f64(self.next)),
            Pace::Closed { .. } => (now < self.began + self.ramp)
                .then(|| now + (self.ramp / 100).max(Duration::from_millis(1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use sip_stack::transport::Seed;

    use super::*;

    fn begun(pace: Pace, ramp: u64, seconds: f64) -> usize {
        let began = Instant::now();
        let rng = Seed::from_bytes([1; 32]).rng();
        let mut clock = Clock::new(pace, Duration::from_secs(ramp), began, rng);
        let mut all = 0;
        for step in 0..=1000 {
            let now = began + Duration::from_secs_f64(seconds * f64::from(step) / 1000.0);
            all += clock.due(0, usize::MAX, now);
        }
        all
    }

    #[test]
    fn an_even_rate_is_kept() {
        let pace = Pace::Open {
            rate: 500.0,
            is_poisson: false,
        };
        assert!((4999..=5001).contains(&begun(pace, 0, 10.0)));
    }

    #[test]
    fn a_ramp_begins_half_as_many() {
        let pace = Pace::Open {
            rate: 500.0,
            is_poisson: false,
        };
        let begun = begun(pace, 10, 10.0);
        assert!((2400..=2700).contains(&begun), "{begun}");
    }

    #[test]
    fn a_poisson_process_has_the_rate_on_average() {
        let pace = Pace::Open {
            rate: 1000.0,
            is_poisson: true,
        };
        let begun = begun(pace, 0, 20.0);
        // Six standard deviations.
        assert!((19_150..=20_850).contains(&begun), "{begun}");
    }

    #[test]
    fn a_closed_loop_fills_up_to_its_concurrency() {
        let now = Instant::now();
        let rng = Seed::from_bytes([1; 32]).rng();
        let pace = Pace::Closed { concurrency: 10 };
        let mut clock = Clock::new(pace, Duration::ZERO, now, rng);
        assert_eq!(clock.due(0, usize::MAX, now), 10);
        assert_eq!(clock.due(7, usize::MAX, now), 3);
        assert_eq!(clock.due(7, 1, now), 1);
        assert_eq!(clock.due(12, usize::MAX, now), 0);
        assert_eq!(clock.next(now), None);
    }
}
