//! What a binding takes, and a call that rings.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Setup;
use super::load::Generator;
use super::report::{Bar, Figure};
use super::scenario::named;
use super::subject::{Kind, Subject, Wrapper};
use crate::interop::process::{Process, wait_until};

/// Bytes of a binding that are allowed.
const BINDING: u64 = 500;
/// Bytes of an INVITE transaction in progress that are allowed.
const RINGING: u64 = 3 * 1024;

pub(super) fn run(setup: &Setup) -> Result<Vec<Figure>> {
    println!(
        "\n{:<46} {:>12} {:>12} {:>12}",
        "memory, bytes", "Kamailio", "ours", "bar"
    );
    let bindings = if setup.quick { 5_000 } else { 100_000 };
    let calls = if setup.quick { 500 } else { 10_000 };
    let kinds = [Kind::Kamailio, Kind::Ours];
    let [kamailio, ours] = kinds.map(|kind| of_bindings(setup, kind, bindings));
    let ([first, more], [our_first, our_more]) = (kamailio?, ours?);
    let name = format!("a binding, of {bindings}, and what its request left");
    let left = tell(&name, [first, our_first], None);
    let name = format!("a binding, of {bindings} more");
    let binding = tell(&name, [more, our_more], Some(BINDING));
    let [kamailio, ours] = kinds.map(|kind| of_calls(setup, kind, calls));
    let name = format!("a call that rings, of {calls}");
    let ringing = tell(&name, [kamailio?, ours?], Some(RINGING));
    Ok(vec![left, binding, ringing])
}

fn tell(what: &str, [kamailio, ours]: [u64; 2], bar: Option<u64>) -> Figure {
    let most = bar.map_or_else(|| "-".to_owned(), |bar| bar.to_string());
    println!("{what:<46} {kamailio:>12} {ours:>12} {most:>12}");
    Figure {
        name: format!("{what}: bytes"),
        kamailio: kamailio as f64,
        ours: ours as f64,
        bar: bar.map_or(Bar::None, |bar| Bar::Most(bar as f64)),
        how: "once".to_owned(),
    }
}

/// Bytes for each of the first bindings, and for each of as many more.
fn of_bindings(setup: &Setup, kind: Kind, count: u64) -> Result<[u64; 2]> {
    let scenario = named("register-new").context("there is no such scenario")?;
    let subject = Subject::start(setup, scenario, kind, Wrapper::Core)?;
    // In each round the users are others.
    let register = |round: usize, count: u64| -> Result<()> {
        let mut command = Generator::new(setup).command(&subject, scenario, round);
        command.args(["--count", &count.to_string()]);
        let mut process = Process::spawn(&mut command, &format!("generator-{round}"), &setup.dir)?;
        process.success(Duration::from_secs(120))
    };
    // What the first requests make the server set up is not counted.
    register(1, count / 100)?;
    thread::sleep(setup.rest());
    let mut before = subject.memory();
    // What requests took stays with the allocator when their transactions have ended, and serves the next ones: it belongs
    // to the load, not to the bindings. As many bindings more show what they take themselves.
    let mut taken = [0; 2];
    for (taken, round) in taken.iter_mut().zip([2, 3]) {
        register(round, count)?;
        thread::sleep(setup.rest());
        let after = subject.memory();
        *taken = after.saturating_sub(before) / count;
        before = after;
    }
    Ok(taken)
}

fn of_calls(setup: &Setup, kind: Kind, count: u64) -> Result<u64> {
    let scenario = named("call-udp").context("there is no such scenario")?;
    let subject = Subject::start(setup, scenario, kind, Wrapper::Core)?;
    let generator = Generator::new(setup);
    let warm = generator.run(&subject, scenario, 0, 0.2)?;
    println!("  ({kind}: {} calls to warm up)", warm.completed);
    thread::sleep(setup.rest());
    let before = subject.memory();
    let rate = 2_000;
    let begun_in = Duration::from_secs(count / rate + 2);
    let rings = begun_in.as_secs() + 6;
    let mut command = generator.ringing(&subject, scenario, count, rate, rings);
    let mut process = Process::spawn(&mut command, "generator-ringing", &setup.dir)?;
    thread::sleep(begun_in);
    process.still_runs()?;
    let taken = subject.memory().saturating_sub(before) / count;
    wait_until("the calls to end", Duration::from_secs(60), || {
        process.status()
    })?;
    Ok(taken)
}
