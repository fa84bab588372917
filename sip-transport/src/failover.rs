//! [`Failover`]: how long the targets of one request have together (RFC 3263 §4.3).

use std::time::{Duration, Instant};

/// The time budget of one request over all of its targets (RFC 3263 §4.3).
///
/// The RFC has a client go on to the next target after a time-out, a 503 or a transport error, and says nothing of how
/// long: with the 32 seconds that Timers B and F give each, somebody whose call has three dead targets waits for more
/// than a minute and a half. Here a request has one budget, whatever the number of its targets. It begins when the flows
/// are known ([`Event::Selected`](crate::Event::Selected)); finding them has
/// [`TransportConfig::resolve_time`](crate::TransportConfig::resolve_time). Of what is left of it, each target has an
/// equal share with those that come after it. A target that answers anything, a provisional response too, has all the
/// time of the RFCs; one that has answered nothing in its share counts as one that timed out.
///
/// ```
/// use std::time::{Duration, Instant};
/// use sip_transport::Failover;
///
/// let budget = Failover::default(); // 32 seconds
/// let begun = Instant::now();
/// // Four targets: each has a quarter ...
/// assert_eq!(budget.until(begun, 4, begun), Some(begun + Duration::from_secs(8)));
/// // ... and those that come after one that failed at once share what is left.
/// let now = begun + Duration::from_secs(2);
/// assert_eq!(budget.until(begun, 3, now), Some(now + Duration::from_secs(10)));
/// // When it is used up, nothing more is tried.
/// assert_eq!(budget.until(begun, 1, begun + Duration::from_secs(32)), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failover {
    /// The time of all targets together. Default 32 seconds: the 64*T1 that RFC 3261 gives one. `Duration::MAX` for no
    /// budget: each target has the time of its transaction.
    pub budget: Duration,
    /// The least that a target has, as long as there is so much left: less would give up on servers that are only slow,
    /// or on one lost datagram. Default 4 seconds, in which a request is sent four times over UDP (RFC 3261 §17.1.1.2).
    pub at_least: Duration,
}

impl Default for Failover {
    fn default() -> Self {
        Self::new()
    }
}

impl Failover {
    /// The default.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            budget: Duration::from_secs(32),
            at_least: Duration::from_secs(4),
        }
    }

    /// The default with this budget.
    #[must_use]
    pub const fn within(budget: Duration) -> Self {
        Self {
            budget,
            ..Self::new()
        }
    }

    /// By when the next target has to have answered something, when so many are left, this one included; `None` when the
    /// budget is used up, and it is not to be tried. `begun` is when the first one was tried.
    #[must_use]
    pub fn until(&self, begun: Instant, left: usize, now: Instant) -> Option<Instant> {
        let Some(end) = begun.checked_add(self.budget) else {
            // For ever: the timers of the transaction rule.
            return now.checked_add(Duration::from_secs(86_400));
        };
        let rest = end.saturating_duration_since(now);
        if rest.is_zero() {
            return None;
        }
        let left = u32::try_from(left).unwrap_or(u32::MAX).max(1);
        Some(now + (rest / left).max(self.at_least).min(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin as now;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// When each of so many targets is given up that all keep silent.
    fn silent(failover: Failover, targets: usize) -> Vec<u64> {
        let begun = now();
        let (mut at, mut ends) = (begun, Vec::new());
        for left in (1..=targets).rev() {
            let Some(until) = failover.until(begun, left, at) else {
                break;
            };
            ends.push(until.duration_since(begun).as_secs());
            at = until;
        }
        ends
    }

    #[test]
    fn rfc3263_4_3_silent_targets_share_one_budget() {
        assert_eq!(silent(Failover::default(), 1), [32]);
        assert_eq!(silent(Failover::default(), 2), [16, 32]);
        assert_eq!(silent(Failover::default(), 4), [8, 16, 24, 32]);
        // No less than four seconds each, so the last ones have no turn.
        assert_eq!(
            silent(Failover::default(), 16),
            [4, 8, 12, 16, 20, 24, 28, 32]
        );
        assert_eq!(silent(Failover::within(s(6)), 3), [4, 6]);
    }

    #[test]
    fn a_budget_without_end_leaves_the_timers_alone() {
        let begun = now();
        let until = Failover::within(Duration::MAX).until(begun, 3, begun + s(500));
        assert!(until.unwrap() > begun + s(3600));
    }

    #[test]
    fn a_budget_of_nothing_tries_nothing() {
        let begun = now();
        assert_eq!(Failover::within(s(0)).until(begun, 1, begun), None);
        // A clock that goes back gives no more than the budget.
        let until = Failover::within(s(5)).until(begun + s(9), 1, begun);
        assert!(until.is_some());
    }
}
