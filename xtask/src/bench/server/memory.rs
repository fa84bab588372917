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
    let taken = kinds.map(|kind| of_bindings(setup, kind, bindings));
    let binding = tell(&format!("a binding, of {bindings}"), taken, BINDING)?;
    let taken = kinds.map(|kind| of_calls(setup, kind, calls));
    let ringing = tell(&format!("a call that rings, of {calls}"), taken, RINGING)?;
    Ok(vec![binding, ringing])
}

fn tell(what: &str, taken: [Result<u64>; 2], bar: u64) -> Result<Figure> {
    let [kamailio, ours] = taken;
    let (kamailio, ours) = (kamailio?, ours?);
    println!("{what:<46} {kamailio:>12} {ours:>12} {bar:>12}");
    Ok(Figure {
        name: format!("{what}: bytes"),
        kamailio: kamailio as f64,
        ours: ours as f64,
        bar: Bar::Most(bar as f64),
        how: "once".to_owned(),
    })
}

fn of_bindings(setup: &Setup, kind: Kind, count: u64) -> Result<u64> {
    let scenario = named("register-new").context("there is no such scenario")?;
    let subject = Subject::start(setup, scenario, kind, Wrapper::Core)?;
    // In each round the users are others.
    let register = |round: usize, count: u64| -> Result<()> {
        let mut command = Generator::new(setup).command(&subject, scenario, round);
        command.args(["--count", &count.to_string()]);
        let mut process = Process::spawn(&mut command, &format!("generator-{round}"), &setup.dir)?;
        process.success(Duration::from_secs(120))
    };
    // What the first requests make the server set up is not counted, nor are transactions.
    register(1, count / 100)?;
    thread::sleep(setup.rest());
    let before = subject.memory();
    register(0, count)?;
    thread::sleep(setup.rest());
    Ok(subject.memory().saturating_sub(before) / count)
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
