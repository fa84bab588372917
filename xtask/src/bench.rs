//! `cargo xtask bench [layer]`: criterion groups of the package `sip-bench`, one bench target per layer, and
//! instruction counts under valgrind where that is installed: of our own cases, and of ours beside other crates
//! ([`peers`]).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{shell, tools};

mod baseline;
mod footprints;
mod idle;
mod peers;
mod server;

use baseline::{Cost, Costs};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The layers to measure (message, sdp, rtp, transport, transaction, dialog, stack); all when none is named. Or `server`:
    /// `sip serve` beside Kamailio, loaded by `sip load`
    layers: Vec<String>,
    #[command(flatten)]
    server: server::Options,
    /// A few seconds in all: proves that every benchmark runs; its figures are not to be quoted
    #[arg(long)]
    quick: bool,
    /// Leave out the counts of instructions and allocations
    #[arg(long, conflicts_with_all = ["check", "bless"])]
    no_instructions: bool,
    /// Only the instruction counts beside other crates (xtask/peers)
    #[arg(long, conflicts_with_all = ["quick", "no_instructions", "check", "bless"])]
    only_peers: bool,
    /// Only count, and fail when a case costs over 2 % more instructions, or more allocations, than benches/baseline.toml says
    #[arg(long, conflicts_with = "quick")]
    check: bool,
    /// Only count, and write benches/baseline.toml
    #[arg(long, conflicts_with_all = ["quick", "check"])]
    bless: bool,
}

impl Options {
    pub(crate) fn quick() -> Self {
        Self {
            layers: Vec::new(),
            quick: true,
            no_instructions: false,
            only_peers: false,
            check: false,
            bless: false,
            server: server::Options::default(),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.layers == ["server"] {
        return server::run(&options.server, options.quick);
    }
    let known = layers()?;
    for layer in &options.layers {
        if !known.contains(layer) {
            bail!(
                "there is no benchmark for '{layer}'; there are: {}",
                known.join(", ")
            );
        }
    }
    let chosen = if options.layers.is_empty() {
        known
    } else {
        options.layers.clone()
    };
    if options.only_peers {
        return peers::compare(&chosen);
    }
    if options.check || options.bless {
        tools::install(tools::BENCH)?;
        let costs = counts(&chosen, false)?;
        return if options.bless {
            baseline::bless(&costs, &chosen)
        } else {
            baseline::check(&costs, &chosen)
        };
    }
    let mut command = shell::cargo();
    command.args(["bench", "--package", "sip-bench"]);
    for layer in &chosen {
        command.args(["--bench", layer]);
    }
    if options.quick {
        println!(
            "quick: built without link-time optimisation and measured briefly; do not quote these figures"
        );
        fast_build(&mut command);
        command.args([
            "--",
            "--warm-up-time",
            "0.05",
            "--measurement-time",
            "0.1",
            "--sample-size",
            "10",
            "--noplot",
            "--quiet",
        ]);
    }
    shell::run(&mut command)?;
    if chosen.iter().any(|layer| layer == "transport") {
        idle::run(options.quick)?;
    }
    if options.no_instructions {
        return Ok(());
    }
    if !shell::has("valgrind") {
        println!("no valgrind on this machine, so no instruction counts (Debian package valgrind)");
        return Ok(());
    }
    counts(&chosen, options.quick)?;
    if options.quick {
        return Ok(());
    }
    peers::compare(&chosen)
}

fn fast_build(command: &mut Command) {
    command
        .env("CARGO_PROFILE_BENCH_LTO", "off")
        .env("CARGO_PROFILE_BENCH_CODEGEN_UNITS", "16");
    command.env("CARGO_TARGET_DIR", shell::target_dir().join("bench-quick"));
}

/// Where what is measured is built.
fn target(quick: bool) -> PathBuf {
    if quick {
        shell::target_dir().join("bench-quick")
    } else {
        shell::target_dir()
    }
}

/// The bench targets of `sip-bench`, in the order of its manifest.
fn layers() -> Result<Vec<String>> {
    let path = shell::root().join("benches/Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .parse()?;
    let benches = manifest
        .get("bench")
        .and_then(toml::Value::as_array)
        .context("benches/Cargo.toml has no [[bench]]")?;
    Ok(benches
        .iter()
        .filter_map(|bench| bench.get("name")?.as_str().map(str::to_owned))
        .collect())
}

/// Instructions and allocated blocks of one operation: the difference between a long and a short run of the same case,
/// so that start-up and warm-up cancel out. The counts are the same on every run of the same binary.
fn counts(layers: &[String], quick: bool) -> Result<Costs> {
    let mut build = shell::cargo();
    build.args([
        "build",
        "--package",
        "sip-bench",
        "--bin",
        "instructions",
        "--profile",
        "bench",
    ]);
    if quick {
        fast_build(&mut build);
    }
    shell::run(&mut build)?;
    let binary = target(quick).join("release/instructions");
    let cases = shell::capture(Command::new(&binary).arg("--list"))?;
    println!(
        "\n{:<44} {:>14} {:>14}",
        "one operation", "instructions", "allocations"
    );
    let mut costs = Costs::new();
    for case in cases.lines().filter(|case| {
        layers
            .iter()
            .any(|layer| case.starts_with(&format!("{layer}/")))
    }) {
        let (short, long) = if quick { (10, 60) } else { (100, 1_100) };
        let of_one = |counter: fn(&Path, &[&str], u64) -> Result<u64>| -> Result<u64> {
            let (less, more) = (
                counter(&binary, &[case], short)?,
                counter(&binary, &[case], long)?,
            );
            Ok(more.saturating_sub(less) / (long - short))
        };
        let instructions = of_one(instructions)?;
        if quick {
            // That a case runs is proved; its figures are not to be quoted anyway.
            println!("{case:<44} {instructions:>14} {:>14}", "-");
            continue;
        }
        let cost = Cost {
            instructions,
            allocations: of_one(allocations)?,
        };
        println!(
            "{case:<44} {:>14} {:>14}",
            cost.instructions, cost.allocations
        );
        costs.insert(case.to_owned(), cost);
    }
    if !quick {
        footprints::print(&binary, layers)?;
    }
    Ok(costs)
}

/// User instructions of a run, by callgrind.
fn instructions(binary: &Path, case: &[&str], times: u64) -> Result<u64> {
    // "==123== Collected : 123456"
    let text = valgrind(
        &["--tool=callgrind", "--callgrind-out-file=/dev/null"],
        binary,
        case,
        times,
    )?;
    number_after(&text, "Collected :", "")
}

/// Blocks allocated in a run, by DHAT; a block that grows is counted again when it moves.
fn allocations(binary: &Path, case: &[&str], times: u64) -> Result<u64> {
    // "==123== Total:     1,024 bytes in 1,001 blocks"
    let text = valgrind(
        &["--tool=dhat", "--dhat-out-file=/dev/null"],
        binary,
        case,
        times,
    )?;
    number_after(&text, " bytes in ", " blocks")
}

fn valgrind(tool: &[&str], binary: &Path, case: &[&str], times: u64) -> Result<String> {
    let mut command = Command::new("valgrind");
    command
        .args(tool)
        .arg(binary)
        .args(case)
        .arg(times.to_string());
    let output = command.output().context("cannot start valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{}: {}\n{text}", output.status, shell::line(&command));
    }
    Ok(text)
}

fn number_after(text: &str, before: &str, after: &str) -> Result<u64> {
    text.lines()
        .find_map(|line| {
            let (_, rest) = line.split_once(before)?;
            let number = if after.is_empty() {
                rest
            } else {
                rest.split_once(after)?.0
            };
            number.trim().replace(',', "").parse().ok()
        })
        .with_context(|| format!("valgrind counted nothing:\n{text}"))
}
