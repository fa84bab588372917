//! [`Recovery`]: when a flow that failed is tried again (RFC 5626 §4.5).

use std::time::Duration;

use crate::seed::Rng;

/// The back-off of one URI of the outbound-proxy-set (RFC 5626 §4.5): how long a client waits after each failure before
/// it registers over a new flow.
///
/// ```
/// use std::time::Duration;
/// use sip_transport::{Recovery, Seed};
/// let mut rng = Seed::from_bytes([1; 32]).rng();
/// let mut recovery = Recovery::new();
/// // "the first retry happens somewhere between 30 and 60 seconds after the failure of the first registration request"
/// let wait = recovery.failed(false, &mut rng);
/// assert!(wait >= Duration::from_secs(30) && wait <= Duration::from_secs(60));
/// recovery.succeeded();
/// assert_eq!(recovery.failures(), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The base time while every flow has failed. Default 30 seconds.
    pub base_all_failed: Duration,
    /// The base time while another flow works. Default 90 seconds.
    pub base: Duration,
    /// The longest upper bound. Default 1800 seconds.
    pub max: Duration,
    failures: u32,
}

impl Default for Recovery {
    fn default() -> Self {
        Self::new()
    }
}

impl Recovery {
    /// With the times of the RFC, before any failure.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            base_all_failed: Duration::from_secs(30),
            base: Duration::from_secs(90),
            max: Duration::from_secs(1800),
            failures: 0,
        }
    }

    /// A registration over this URI failed, or its flow did before it counted as a success. How long to wait before the
    /// next try; a Retry-After may ask for longer. `others_work`: is there another flow that has not failed?
    pub fn failed(&mut self, others_work: bool, rng: &mut Rng) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let base = if others_work {
            self.base
        } else {
            self.base_all_failed
        };
        // "W = min (max-time, (base-time * (2 ^ consecutive-failures)))"
        let factor = 2_u32.saturating_pow(self.failures);
        let upper = base.saturating_mul(factor).min(self.max);
        // "a uniform random time between 50 and 100% of the upper-bound wait time"
        let half = upper / 2;
        let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX - 1);
        half + Duration::from_millis(rng.below(millis + 1))
    }

    /// The registration succeeded, and the first keep-alive, where there is one, was answered.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn rfc5626_4_5_the_wait_doubles_up_to_its_maximum() {
        let mut rng = Seed::from_bytes([2; 32]).rng();
        for (others_work, base) in [(false, 30), (true, 90)] {
            let mut recovery = Recovery::new();
            for n in 1..100_u32 {
                let wait = recovery.failed(others_work, &mut rng);
                let upper = (base * 2_u64.pow(n.min(20))).min(1800);
                let range = Duration::from_secs(upper) / 2..=Duration::from_secs(upper);
                assert!(range.contains(&wait), "{n}: {wait:?}");
            }
            recovery.succeeded();
            assert!(recovery.failed(false, &mut rng) <= Duration::from_secs(60));
        }
    }

    #[test]
    fn rfc3261_10_2_7_nothing_is_tried_again_at_once() {
        let mut rng = Seed::from_bytes([4; 32]).rng();
        for others_work in [false, true] {
            let wait = Recovery::new().failed(others_work, &mut rng);
            assert!(wait >= Duration::from_secs(30), "{wait:?}");
        }
    }

    #[test]
    fn rfc5626_4_5_clients_do_not_come_back_together() {
        let mut rng = Seed::from_bytes([3; 32]).rng();
        let mut waits: Vec<Duration> = (0..100)
            .map(|_| Recovery::new().failed(false, &mut rng))
            .collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 95, "{}", waits.len());
        assert!(waits[waits.len() - 1] - waits[0] > Duration::from_secs(20));
    }
}
