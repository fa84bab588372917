//! A day of a domain in virtual time: so many telephones register, call, hang up, are busy, give up and vanish, over a network that
//! loses a datagram in a hundred, with the composed server between them; every hour what it keeps is looked at, and at the end nothing
//! may be left.
//!
//! ```text
//! cargo run --release -p sip-bench --bin endurance -- [--agents 100000] [--hours 24] [--seed 1] [--csv FILE]
//! ```
//! The telephones are a few lines each and share nothing with the crates; a run is a function of its seed.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that is run by hand"
)]

mod call;
mod random;
mod text;
mod world;

use std::fmt::Write as _;
use std::process::ExitCode;

use world::{Options, World};

fn main() -> ExitCode {
    let mut options = Options {
        agents: 100_000,
        hours: 24,
        seed: 1,
    };
    let mut csv = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        match (name.as_str(), value.parse::<u32>()) {
            ("--agents", Ok(number)) => options.agents = number.max(2),
            ("--hours", Ok(number)) => options.hours = number.max(1),
            ("--seed", Ok(number)) => options.seed = u64::from(number),
            ("--csv", _) if !value.is_empty() => csv = Some(value),
            _ => {
                eprintln!("usage: endurance [--agents N] [--hours N] [--seed N] [--csv FILE]");
                return ExitCode::from(2);
            }
        }
    }
    println!(
        "{} telephones for {} hours, seed {}",
        options.agents, options.hours, options.seed
    );
    let mut world = World::new(&options);
    let mut table =
        String::from("hour,resident_kib,transactions,contexts,bindings,registrations,calls\n");
    println!(
        "{:>5} {:>12} {:>12} {:>9} {:>9} {:>13} {:>9}",
        "hour", "resident KiB", "transactions", "contexts", "bindings", "registrations", "calls"
    );
    let mut resident = Vec::new();
    for hour in 1..=options.hours {
        world.run_until(u64::from(hour) * 3_600);
        let sample = world.sample();
        resident.push(sample.resident);
        println!(
            "{hour:>5} {:>12} {:>12} {:>9} {:>9} {:>13} {:>9}",
            sample.resident,
            sample.transactions,
            sample.contexts,
            sample.bindings,
            sample.registrations,
            sample.calls
        );
        let _ = writeln!(
            table,
            "{hour},{},{},{},{},{},{}",
            sample.resident,
            sample.transactions,
            sample.contexts,
            sample.bindings,
            sample.registrations,
            sample.calls
        );
    }
    if let Some(file) = csv {
        std::fs::write(file, table).unwrap();
    }
    let mut faults = world.finish();
    print!("{}", world.outcomes());
    // The first two hours fill caches and free lists.
    let half = resident.len() / 2;
    if half >= 3 {
        let early = resident[2..half].iter().max().copied().unwrap_or(0);
        let late = resident[half..].iter().max().copied().unwrap_or(0);
        println!(
            "resident memory: at most {early} KiB in the first half, {late} KiB in the second"
        );
        if late > early + early / 10 {
            faults.push(format!("memory grew from {early} KiB to {late} KiB"));
        }
    }
    if faults.is_empty() {
        println!("nothing is left, and every call came to its end");
        return ExitCode::SUCCESS;
    }
    for fault in faults {
        println!("FAULT: {fault}");
    }
    ExitCode::FAILURE
}
