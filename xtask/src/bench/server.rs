//! `cargo xtask bench server`: `sip serve` beside Kamailio, each on one core, loaded by `sip load` on the other.
//!
//! Both are measured in the same run, by turns, because times on a shared machine cannot be compared across runs. CPU time is
//! what the system says that the server's processes took; instructions are counted by callgrind on a fixed number of
//! operations, in runs of their own, because virtual machines have no counters.

mod load;
mod memory;
mod overload;
mod report;
mod scenario;
mod subject;
mod table;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use self::load::{Generator, Run};
use self::report::Figure;
use self::scenario::{SCENARIOS, Scenario};
use self::subject::{Kind, Subject, Wrapper};
use self::table::Row;
use crate::{shell, tools};

/// Of `bench server` only.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub(crate) struct Options {
    /// server: how often each scenario is measured [default: 3]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// server: how long each measurement takes [default: 5]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// server: only these scenarios; more than once if wanted
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// server: the program to measure, when it is not to be built
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// server: leave out the instructions
    #[arg(long)]
    only_time: bool,
    /// server: write what was measured into benches/server.md, and the plot of the overload; not with --quick
    #[arg(long, conflicts_with = "quick")]
    write: bool,
    /// server: only the instructions
    #[arg(long, conflicts_with = "only_time")]
    only_instructions: bool,
}

/// How a run is done.
#[derive(Clone, Debug)]
struct Setup {
    rounds: usize,
    seconds: f64,
    quick: bool,
    /// Where everything is kept.
    dir: PathBuf,
    sip: PathBuf,
}

impl Setup {
    /// How what takes time is measured.
    fn timed(&self) -> String {
        format!("{} x {} s", self.rounds, self.seconds)
    }

    /// Operations of the two runs whose difference is counted.
    const fn counted(&self) -> (u64, u64) {
        if self.quick { (20, 60) } else { (200, 1_200) }
    }

    /// Ours keeps transactions for 64 T1 (RFC 3261 section 17.2.2): memory that was used once is then used again.
    const fn rest(&self) -> Duration {
        if self.quick {
            Duration::ZERO
        } else {
            Duration::from_secs(33)
        }
    }
}

pub(crate) fn run(options: &Options, quick: bool) -> Result<()> {
    tools::install(tools::SERVERS)?;
    let special = ["memory", "overload"];
    for name in &options.scenario {
        let is_known = SCENARIOS.iter().any(|one| one.name == name);
        if !is_known && !special.contains(&name.as_str()) {
            let names: Vec<&str> = SCENARIOS.iter().map(|one| one.name).collect();
            bail!(
                "there is no scenario '{name}'; there are: {}, {}",
                names.join(", "),
                special.join(", ")
            );
        }
    }
    let is_wanted =
        |name: &str| options.scenario.is_empty() || options.scenario.iter().any(|one| one == name);
    let setup = Setup {
        rounds: options.rounds.unwrap_or(if quick { 1 } else { 3 }),
        seconds: options.seconds.unwrap_or(if quick { 0.5 } else { 5.0 }),
        quick,
        dir: shell::target_dir().join("bench-server"),
        sip: match &options.binary {
            Some(path) => fs::canonicalize(path)?,
            None => build()?,
        },
    };
    if setup.dir.exists() {
        fs::remove_dir_all(&setup.dir)?;
    }
    fs::create_dir_all(&setup.dir)?;
    println!(
        "{}; server on core 0, generator on core 1, {} rounds of {} s, {} operations in progress",
        shell::capture(Command::new("kamailio").arg("-v"))?
            .lines()
            .next()
            .unwrap_or("kamailio"),
        setup.rounds,
        setup.seconds,
        load::CONCURRENCY
    );
    if quick {
        println!("quick: do not quote these figures");
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    let mut rows = Vec::new();
    for scenario in SCENARIOS.iter().filter(|one| is_wanted(one.name)) {
        let mut row = Row::new(scenario);
        if !options.only_instructions {
            times(&setup, scenario, &mut row)
                .with_context(|| format!("scenario {}", scenario.name))?;
        }
        if !options.only_time {
            instructions(&setup, scenario, &mut row)
                .with_context(|| format!("instructions of {}", scenario.name))?;
        }
        println!("{}", row.line());
        rows.push(row);
    }
    if !rows.is_empty() {
        table::print(&rows);
    }
    let mut figures: Vec<Figure> = rows.iter().flat_map(|row| row.figures(&setup)).collect();
    if is_wanted("memory") && !options.only_instructions {
        figures.extend(memory::run(&setup)?);
    }
    if is_wanted("overload") && !options.only_instructions {
        figures.push(overload::run(&setup, options.write)?);
    }
    if options.write {
        report::write(&figures, &format!("load {load}"))?;
    }
    Ok(())
}

fn build() -> Result<PathBuf> {
    let mut command = shell::cargo();
    command.args([
        "build",
        "--release",
        "--package",
        "sip-stack",
        "--bin",
        "sip",
    ]);
    shell::run(&mut command)?;
    Ok(shell::target_dir().join("release/sip"))
}

/// CPU time, by turns.
fn times(setup: &Setup, scenario: &Scenario, row: &mut Row) -> Result<()> {
    let generator = Generator::new(setup);
    let mut subjects = [Kind::Kamailio, Kind::Ours]
        .map(|kind| Subject::start(setup, scenario, kind, Wrapper::Core))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let mut last = [Instant::now(); 2];
    for round in 0..=setup.rounds {
        for (subject, last) in subjects.iter_mut().zip(&mut last) {
            // The first round warms up: memory that was never touched is not measured.
            if round > 0 {
                thread::sleep(setup.rest().saturating_sub(last.elapsed()));
            }
            let run = generator.run(subject, scenario, round, setup.seconds)?;
            *last = Instant::now();
            subject.still_runs()?;
            if round > 0 {
                row.add(subject.kind(), &run);
            }
            check(scenario, subject.kind(), &run)?;
        }
    }
    Ok(())
}

/// A figure of operations that failed is no figure.
fn check(scenario: &Scenario, kind: Kind, run: &Run) -> Result<()> {
    if run.failed * 100 > run.completed {
        bail!(
            "{}, {kind}: {} operations failed beside {} that did not: {}",
            scenario.name,
            run.failed,
            run.completed,
            run.failures
        );
    }
    Ok(())
}

/// Instructions of one operation: the difference of two runs, so that start and end cancel out.
fn instructions(setup: &Setup, scenario: &Scenario, row: &mut Row) -> Result<()> {
    let generator = Generator::new(setup);
    let (short, long) = setup.counted();
    for kind in [Kind::Kamailio, Kind::Ours] {
        let mut counted = [0; 2];
        for (count, counted) in [short, long].into_iter().zip(&mut counted) {
            let mut subject = Subject::start(setup, scenario, kind, Wrapper::Callgrind)?;
            let run = generator.count(&subject, scenario, count)?;
            check(scenario, kind, &run)?;
            *counted = subject.instructions()?;
        }
        row.count(kind, counted[1].saturating_sub(counted[0]) / (long - short));
    }
    Ok(())
}
