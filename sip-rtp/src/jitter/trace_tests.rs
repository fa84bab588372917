//! The jitter buffer on simulated traces, beside a fixed buffer and the theoretical best for each trace.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::tests::{Heard, buffer_with, play_with};
use super::*;

/// Packets per trace: two minutes.
const PACKETS: u64 = 6000;

/// When each packet arrives, in tenths of a millisecond after it was sent; `None` when the network loses it.
struct Trace {
    name: &'static str,
    delays: Vec<Option<u64>>,
}

/// Makes the delay in ms of the n-th packet.
type Delays = Box<dyn FnMut(u64, &mut StdRng) -> f64>;

/// How a buffer did on a trace.
#[derive(Debug, Clone, Copy)]
struct Score {
    /// Mean time from sending to playing, above the least transit, in ms.
    delay: f64,
    /// Share of the packets that arrived but were not played, in percent.
    lost: f64,
}

fn traces() -> Vec<Trace> {
    let mut rng = StdRng::from_seed([5; 32]);
    let mut trace = |name, loss: f64, mut delay: Delays| {
        let delays = (0..PACKETS)
            .map(|index| {
                let millis = delay(index, &mut rng).max(0.0);
                (rng.random::<f64>() >= loss).then_some((millis * 10.0) as u64)
            })
            .collect();
        Trace { name, delays }
    };
    let gauss = |rng: &mut StdRng| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    let mut queue = 0.0f64;
    let mut bursty = false;
    vec![
        trace("clean", 0.0, Box::new(|_, _| 30.0)),
        trace("uniform 40 ms", 0.0, Box::new(|_, rng| 20.0 + 40.0 * rng.random::<f64>())),
        trace("uniform 40 ms, 5 % loss", 0.05, Box::new(|_, rng| 20.0 + 40.0 * rng.random::<f64>())),
        trace("gaussian 10 ms", 0.01, Box::new(move |_, rng| 60.0 + 10.0 * gauss(rng))),
        trace("gaussian 25 ms", 0.02, Box::new(move |_, rng| 120.0 + 25.0 * gauss(rng))),
        trace(
            "queue with cross traffic",
            0.01,
            Box::new(move |_, rng| {
                queue = (queue - 20.0).max(0.0) + if rng.random::<f64>() < 0.3 { 60.0 * rng.random::<f64>() } else { 0.0 };
                10.0 + queue
            }),
        ),
        trace(
            "wireless: bad spells",
            0.02,
            Box::new(move |_, rng| {
                if rng.random::<f64>() < if bursty { 0.1 } else { 0.01 } {
                    bursty = !bursty;
                }
                if bursty { 20.0 + 80.0 * rng.random::<f64>() } else { 20.0 + 8.0 * rng.random::<f64>() }
            }),
        ),
        trace("a step of 60 ms halfway", 0.0, Box::new(|index, rng| if index < PACKETS / 2 { 20.0 } else { 80.0 } + 10.0 * rng.random::<f64>())),
    ]
}

/// The buffer under test.
fn adaptive(config: JitterConfig, trace: &Trace) -> (Score, JitterStatistics) {
    let arrivals: Vec<(u64, u64)> = trace
        .delays
        .iter()
        .enumerate()
        .filter_map(|(index, delay)| delay.map(|delay| (index as u64, index as u64 * 200 + delay)))
        .collect();
    let mut buffer = buffer_with(config);
    let heard = play_with(
        &mut buffer,
        &arrivals,
        PACKETS + 30,
        Duration::from_micros(100),
    );
    let least = trace
        .delays
        .iter()
        .flatten()
        .min()
        .copied()
        .unwrap_or_default() as f64
        / 10.0;
    let (mut total, mut played) = (0.0, 0u64);
    for (tick, heard) in heard.iter().enumerate() {
        if let Heard::Packet(index) = heard {
            total += tick as f64 * 20.0 + 7.0 - (*index as f64 * 20.0) - least;
            played += 1;
        }
    }
    let arrived = arrivals.len() as u64;
    // What was discarded to shorten the delay was heard by nobody: in this test every frame counts as quiet.
    let lost = arrived - played - buffer.statistics().discarded;
    (
        Score {
            delay: total / played as f64,
            lost: lost as f64 * 100.0 / arrived as f64,
        },
        buffer.statistics(),
    )
}

/// A buffer that plays each packet `delay` ms after the least transit.
fn fixed(trace: &Trace, delay: f64) -> Score {
    let least = trace
        .delays
        .iter()
        .flatten()
        .min()
        .copied()
        .unwrap_or_default() as f64
        / 10.0;
    let arrived = trace.delays.iter().flatten().count() as f64;
    let late = trace
        .delays
        .iter()
        .flatten()
        .filter(|packet| **packet as f64 / 10.0 - least > delay)
        .count() as f64;
    Score {
        delay,
        lost: late * 100.0 / arrived,
    }
}

/// The least constant delay with which a buffer that knows the whole trace, and plays on the same ticks, loses no more
/// than `lost` percent.
fn best(trace: &Trace, lost: f64) -> f64 {
    let mut delays: Vec<u64> = trace.delays.iter().flatten().copied().collect();
    delays.sort_unstable();
    let allowed = (delays.len() as f64 * lost / 100.0) as usize;
    let transit = delays[delays.len() - 1 - allowed] as f64 / 10.0;
    // Ticks are at 7 ms after multiples of 20 ms, packets leave at multiples.
    let ticks = ((transit - 7.0) / 20.0).ceil();
    ticks * 20.0 + 7.0 - delays[0] as f64 / 10.0
}

#[test]
fn on_traces_it_is_near_the_theoretical_best() {
    let mut failures = Vec::new();
    for (config, name, allowance) in [
        (JitterConfig::low_delay(8000), "low delay", 20.0),
        (JitterConfig::new(8000), "default", 20.0),
        (JitterConfig::faithful(8000), "faithful", 60.0),
    ] {
        for trace in traces() {
            let (score, statistics) = adaptive(config.clone(), &trace);
            let best = best(&trace, score.lost);
            let fixed = fixed(&trace, 60.0);
            println!(
                "{name:9} {:24} {:5.1} ms {:4.2} %   best {best:5.1} ms   fixed 60 ms {:5.2} %   discarded {:3} held {:3}",
                trace.name,
                score.delay,
                score.lost,
                fixed.lost,
                statistics.discarded,
                statistics.held
            );
            if score.delay > best + allowance || score.lost > 1.0 {
                failures.push((name, trace.name));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn a_trace_gives_the_same_result_every_time() {
    let trace = &traces()[4];
    let run = || adaptive(JitterConfig::new(8000), trace);
    let (first, second) = (run(), run());
    assert_eq!(
        (first.1, first.0.delay.to_bits()),
        (second.1, second.0.delay.to_bits())
    );
}
