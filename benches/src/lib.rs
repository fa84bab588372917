#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod dialog;
mod message;
mod rtp;
mod sdp;
mod transaction;
mod transport;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};

/// One operation, prepared, to be done again and again.
pub struct Case {
    name: &'static str,
    octets: u64,
    work: Box<dyn Work>,
}

/// An operation that needs something made ready for each time it is done, which is not to be measured.
pub(crate) trait Work {
    /// Makes ready what so many operations need.
    fn prepare(&mut self, times: u64);

    /// Does it once.
    fn run(&mut self);
}

impl<F: FnMut()> Work for F {
    fn prepare(&mut self, _times: u64) {}

    fn run(&mut self) {
        self();
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Case {
    fn new(name: &'static str, run: impl FnMut() + 'static) -> Self {
        Self::prepared(name, run)
    }

    fn prepared(name: &'static str, work: impl Work + 'static) -> Self {
        Self {
            name,
            octets: 0,
            work: Box::new(work),
        }
    }

    /// The time is also shown as a rate, with this many octets for one operation.
    fn of(mut self, octets: usize) -> Self {
        self.octets = octets as u64;
        self
    }

    /// `layer/what`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Make ready what so many runs need.
    pub fn prepare(&mut self, times: u64) {
        self.work.prepare(times);
    }

    /// Do it once.
    pub fn run(&mut self) {
        self.work.run();
    }

    /// Do it so many times, and tell how long that took without what was made ready for it.
    fn time(&mut self, times: u64) -> Duration {
        let mut total = Duration::ZERO;
        let mut left = times;
        while left > 0 {
            let now = left.min(BATCH);
            self.prepare(now);
            let start = Instant::now();
            for _ in 0..now {
                self.run();
            }
            total += start.elapsed();
            left -= now;
        }
        total
    }
}

/// How many operations are made ready at once.
const BATCH: u64 = 1000;

/// A figure of bytes: how much memory something takes that stays.
#[derive(Debug)]
#[non_exhaustive]
pub struct Footprint {
    /// `layer/what`.
    pub name: &'static str,
    /// Measures it in this process, which should do nothing else.
    pub measure: fn() -> u64,
}

/// All figures of bytes, layer by layer.
#[must_use]
pub fn footprints() -> Vec<Footprint> {
    transaction::footprints()
}

/// All cases, layer by layer.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        message::cases(),
        sdp::cases(),
        rtp::cases(),
        transport::cases(),
        transaction::cases(),
        dialog::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Criterion over the cases of one layer: the `main` of each bench target.
pub fn measure(layer: &str) {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group(layer);
    for mut case in cases() {
        let Some(what) = case
            .name
            .strip_prefix(layer)
            .and_then(|rest| rest.strip_prefix('/'))
        else {
            continue;
        };
        if case.octets > 0 {
            group.throughput(Throughput::Bytes(case.octets));
        } else {
            group.throughput(Throughput::Elements(1));
        }
        group.bench_function(what, |bencher| {
            bencher.iter_custom(|times| case.time(times))
        });
    }
    group.finish();
    criterion.final_summary();
}
