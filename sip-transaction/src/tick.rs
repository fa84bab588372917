//! [`Tick`] and [`Span`]: time as the layer keeps it.
//!
//! An `Instant` takes 16 bytes, and comparing two takes two steps; a million transactions hold several million of
//! them. Inside of the layer time is nanoseconds since its first call.

use std::ops::{Add, AddAssign};
use std::time::{Duration, Instant};

/// A point in time: nanoseconds since the layer was first told the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

/// A length of time, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(u64);

/// Turns instants to ticks and back.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    origin: Option<Instant>,
    last: Option<(Instant, Tick)>,
}

impl Tick {
    pub(crate) const ORIGIN: Self = Self(0);
    /// Later than everything: 584 years.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// How many parts of a span have passed, of which it has so many.
    pub(crate) const fn parts(self, span: Span, parts: u64) -> u64 {
        self.0 / span.part(parts).0
    }

    /// From an earlier one to this.
    pub(crate) const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const MAX: Self = Self(u64::MAX);
    pub(crate) const MILLISECOND: Self = Self(1_000_000);

    pub(crate) const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// One of so many parts, and at least a nanosecond.
    pub(crate) const fn part(self, parts: u64) -> Self {
        let part = self.0 / parts;
        Self(if part == 0 { 1 } else { part })
    }

    pub(crate) const fn times(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        Self::from_nanos(span.0)
    }
}

impl Add<Span> for Tick {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Tick {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Clock {
    /// The time is told. An instant before the first one counts as the first.
    pub(crate) fn tick(&mut self, now: Instant) -> Tick {
        // Drivers mostly handle several inputs at one time.
        if let Some((last, tick)) = self.last
            && last == now
        {
            return tick;
        }
        let origin = *self.origin.get_or_insert(now);
        let passed = now.saturating_duration_since(origin);
        // Not by `as_nanos`, which calculates in 128 bits.
        let tick = Tick(
            passed
                .as_secs()
                .saturating_mul(1_000_000_000)
                .saturating_add(u64::from(passed.subsec_nanos())),
        );
        self.last = Some((now, tick));
        tick
    }

    /// The instant of a tick; `None` for [`Tick::NEVER`].
    pub(crate) fn instant(&self, tick: Tick) -> Option<Instant> {
        if tick == Tick::NEVER {
            return None;
        }
        self.origin?.checked_add(Duration::from_nanos(tick.0))
    }

    /// The tick of the time that was told last.
    pub(crate) fn last_tick(&self) -> Option<Tick> {
        self.last.map(|(_, tick)| tick)
    }

    /// The time that was told last.
    pub(crate) fn last(&self) -> Option<Instant> {
        self.last.map(|(last, _)| last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_names_the_instant_that_it_came_from() {
        let start = crate::table::instant();
        let mut clock = Clock::default();
        assert_eq!((clock.last(), clock.instant(Tick::ORIGIN)), (None, None));
        assert_eq!(clock.tick(start), Tick::ORIGIN);
        for later in [1, 999_999_999, 1_000_000_000, 86_400_000_000_123] {
            let later = start + Duration::from_nanos(later);
            let tick = clock.tick(later);
            assert_eq!(clock.instant(tick), Some(later));
            assert_eq!(clock.last(), Some(later));
        }
        assert_eq!(clock.instant(Tick::NEVER), None);
    }

    #[test]
    fn an_instant_before_the_first_counts_as_the_first() {
        let start = crate::table::instant();
        let mut clock = Clock::default();
        clock.tick(start + Duration::from_secs(1));
        assert_eq!(clock.tick(start), Tick::ORIGIN);
    }
}
