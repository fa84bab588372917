//! A path with loss and jitter, from a seed.

use std::time::{Duration, Instant};

use bytes::Bytes;

/// Delays, drops and reorders datagrams; the same seed gives the same path.
pub(crate) struct Path {
    state: u64,
    loss_percent: u64,
    delay: Duration,
    jitter: Duration,
    queue: Vec<(Instant, u64, Bytes)>,
    sent: u64,
}

impl Path {
    pub(crate) fn new(seed: u64, loss_percent: u64, delay: Duration, jitter: Duration) -> Self {
        Self {
            state: seed,
            loss_percent,
            delay,
            jitter,
            queue: Vec::new(),
            sent: 0,
        }
    }

    pub(crate) fn send(&mut self, payload: Bytes, now: Instant) {
        self.sent += 1;
        if self.random() % 100 < self.loss_percent {
            return;
        }
        let jitter = self
            .jitter
            .mul_f64((self.random() % 10_000) as f64 / 10_000.0);
        self.queue
            .push((now + self.delay + jitter, self.sent, payload));
    }

    /// What has arrived until `now`, in order of arrival.
    pub(crate) fn arrived(&mut self, now: Instant) -> Vec<(Instant, Bytes)> {
        self.queue.sort_by_key(|(at, number, _)| (*at, *number));
        let count = self.queue.iter().take_while(|(at, ..)| *at <= now).count();
        self.queue
            .drain(..count)
            .map(|(at, _, payload)| (at, payload))
            .collect()
    }

    fn random(&mut self) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.state >> 33
    }
}
