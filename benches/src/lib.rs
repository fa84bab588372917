#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod dialog;
mod message;
mod rtp;
mod sdp;
mod transaction;
mod transport;

use criterion::{Criterion, Throughput};

/// One operation, prepared, to be done again and again.
pub struct Case {
    name: &'static str,
    octets: u64,
    run: Box<dyn FnMut()>,
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
        Self {
            name,
            octets: 0,
            run: Box::new(run),
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

    /// Do it once.
    pub fn run(&mut self) {
        (self.run)();
    }
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
        group.bench_function(what, |bencher| bencher.iter(|| case.run()));
    }
    group.finish();
    criterion.final_summary();
}
