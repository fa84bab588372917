//! `cargo xtask bench [layer]`: criterion groups of the package `sip-bench`, one bench target per layer, and
//! instruction counts under valgrind where that is installed: of our own cases, and of ours beside other crates
//! ([`peers`]).

mod peers;

use std::{fs, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The layers to measure (message, sdp, rtp, transport, transaction, dialog, stack); all when none is named
    layers: Vec<String>,
    /// A few seconds in all: proves that every benchmark runs; its figures are not to be quoted
    #[arg(long)]
    quick: bool,
    /// Leave out the instruction counts
    #[arg(long)]
    no_instructions: bool,
    /// Only the instruction counts beside other crates (xtask/peers)
    #[arg(long, conflicts_with_all = ["quick", "no_instructions"])]
    only_peers: bool,
}

impl Options {
    pub(crate) fn quick() -> Self {
        Self {
            layers: Vec::new(),
            quick: true,
            no_instructions: false,
            only_peers: false,
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
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
    if options.no_instructions {
        return Ok(());
    }
    if !shell::has("valgrind") {
        println!("no valgrind on this machine, so no instruction counts (Debian package valgrind)");
        return Ok(());
    }
    instructions(&chosen, options.quick)?;
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

/// Instructions for one operation: the difference between a long and a short run of the same case, so that start-up
/// and warm-up cancel out. The count is the same on every run of the same binary.
fn instructions(layers: &[String], quick: bool) -> Result<()> {
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
    let target = if quick {
        shell::target_dir().join("bench-quick")
    } else {
        shell::target_dir()
    };
    let binary = target.join("release/instructions");
    let cases = shell::capture(Command::new(&binary).arg("--list"))?;
    println!("\n{:<44} {:>14}", "instructions per operation", "count");
    for case in cases.lines().filter(|case| {
        layers
            .iter()
            .any(|layer| case.starts_with(&format!("{layer}/")))
    }) {
        let (short, long) = if quick { (10, 60) } else { (100, 1_100) };
        let counted =
            count(&binary, &[case], long)?.saturating_sub(count(&binary, &[case], short)?)
                / (long - short);
        println!("{case:<44} {counted:>14}");
    }
    Ok(())
}

fn count(binary: &std::path::Path, case: &[&str], times: u64) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(binary)
        .args(case)
        .arg(times.to_string());
    let output = command.output().context("cannot start valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}: {}\n{text}", output.status, shell::line(&command));
    }
    // "==123== Collected : 123456"
    let counted = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .map(|(_, count)| count.trim());
    counted
        .and_then(|count| count.parse().ok())
        .with_context(|| format!("valgrind counted nothing:\n{text}"))
}
