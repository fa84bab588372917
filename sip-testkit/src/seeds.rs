//! Seeds: many runs of one test, each of which can be replayed.

use sip_transport::Seed;

/// Runs a test with the seeds `0..count`; a failure prints the seed. With `SIP_SIM_SEED=n` in the environment it runs
/// that one only.
///
/// # Panics
/// When the test does, after printing how to replay it.
pub fn for_each_seed(count: u64, mut test: impl FnMut(u64)) {
    let replay = std::env::var("SIP_SIM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = replay.map_or(0..count, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let guard = PrintOnPanic(seed);
        test(seed);
        std::mem::forget(guard);
    }
}

/// The seed of a layer in a simulated run.
///
/// ```
/// assert_ne!(sip_testkit::seed_of(1, "alice"), sip_testkit::seed_of(1, "bob"));
/// ```
#[must_use]
pub fn seed_of(number: u64, label: &str) -> Seed {
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().zip(number.to_le_bytes()) {
        *place = byte;
    }
    Seed::from_bytes(bytes).derive(label)
}

struct PrintOnPanic(u64);

impl Drop for PrintOnPanic {
    fn drop(&mut self) {
        eprintln!(
            "the simulation failed with seed {0}; replay it with SIP_SIM_SEED={0}",
            self.0
        );
    }
}
