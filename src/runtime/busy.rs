//! [`Busy`]: has a worker hardly any time left?

use std::time::{Duration, Instant};

/// How much of its time a worker spends waiting for something to do, looked at ten times a second.
#[derive(Debug, Default)]
pub(super) struct Busy {
    began: Option<Instant>,
    idle: Duration,
    is_busy: bool,
}

/// How long it is looked at.
const WINDOW: Duration = Duration::from_millis(100);
/// Who waits for less than a tenth of the time is busy, and is so until it is more than four tenths: what is done for a busy worker
/// makes it less busy.
const BEGIN: f64 = 0.1;
const END: f64 = 0.4;

impl Busy {
    /// The worker waited for this long.
    pub(super) fn waited(&mut self, time: Duration) {
        self.idle += time;
    }

    /// Is it busy now?
    pub(super) fn is_busy(&mut self, now: Instant) -> bool {
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_duration_since(began);
        if passed >= WINDOW {
            let share = self.idle.as_secs_f64() / passed.as_secs_f64();
            self.is_busy = share < if self.is_busy { END } else { BEGIN };
            self.began = Some(now);
            self.idle = Duration::ZERO;
        }
        self.is_busy
    }
}

#[cfg(test)]
mod tests {
    use sip_testkit::Clock;

    use super::*;

    /// Whether it is busy after some windows in which it waited for so many of each 10 ms.
    fn after(busy: &mut Busy, clock: &mut Clock, idle: u64) -> bool {
        let mut is_busy = false;
        for _ in 0..30 {
            clock.advance(Duration::from_millis(10));
            busy.waited(Duration::from_millis(idle));
            is_busy = busy.is_busy(clock.now());
        }
        is_busy
    }

    #[test]
    fn who_hardly_waits_is_busy_and_stays_so_for_a_while() {
        let (mut busy, mut clock) = (Busy::default(), Clock::new());
        for (idle, expected) in [
            (10, false),
            (2, false),
            (0, true),
            (3, true),
            (5, false),
            (3, false),
        ] {
            assert_eq!(after(&mut busy, &mut clock, idle), expected, "{idle}");
        }
    }

    #[test]
    fn a_burst_is_not_busy() {
        let (mut busy, mut clock) = (Busy::default(), Clock::new());
        assert!(!after(&mut busy, &mut clock, 9));
        // 60 ms of work, and a rest.
        for _ in 0..6 {
            clock.advance(Duration::from_millis(10));
            assert!(!busy.is_busy(clock.now()));
        }
        assert!(!after(&mut busy, &mut clock, 9));
        // After a long time without anything.
        clock.advance(Duration::from_secs(60));
        busy.waited(Duration::from_secs(60));
        assert!(!busy.is_busy(clock.now()));
    }
}
