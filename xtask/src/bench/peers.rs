//! The comparison with other crates: each folder of `xtask/peers` is a workspace of its own, named after the layer it
//! measures, whose one binary knows ours and the peers. They are no dependencies of the project.
//!
//! What such a binary does:
//! - `--list` prints one line per measurement: the case, a tab, the crate. Those of this project begin with `sip-`.
//! - `<case> <crate> <times>` does the work that often and prints the allocations of one round, as a number. A crate
//!   that cannot do the case fails (exit code other than 0, the reason on standard error), which the table shows.
//!
//! Where valgrind lacks the instructions that the crates were written for (ciphers), the manifest has
//! `[package.metadata] measures = "time"`: the program prints a table of its own when it is called without arguments, and
//! fails when ours is not ahead.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// Rounds of the short and of the long run: their difference leaves out start-up.
const ROUNDS: (u64, u64) = (20, 220);

/// One line of a table.
struct Row {
    name: String,
    /// Instructions and allocations of one round, or why there are none.
    cost: Result<(u64, u64), String>,
}

/// Build and run the comparison of each of these layers that has one.
pub(super) fn compare(layers: &[String]) -> Result<()> {
    for layer in layers {
        let manifest = shell::root()
            .join("xtask/peers")
            .join(layer)
            .join("Cargo.toml");
        if manifest.is_file() {
            let (binary, timed) = binary(&manifest)?;
            if timed {
                println!();
                shell::run(&mut Command::new(binary))?;
            } else {
                table(layer, &binary)?;
            }
        }
    }
    Ok(())
}

/// Build the comparison's program; all of them share one target directory. The second value is whether it measures time.
fn binary(manifest: &Path) -> Result<(PathBuf, bool)> {
    let text = fs::read_to_string(manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    let text: toml::Table = text.parse()?;
    let name = text
        .get("package")
        .and_then(|package| package.get("name")?.as_str())
        .with_context(|| format!("{} names no package", manifest.display()))?;
    let timed = text
        .get("package")
        .and_then(|package| package.get("metadata")?.get("measures")?.as_str())
        == Some("time");
    let target = shell::target_dir().join("peers");
    let mut build = shell::cargo();
    build
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(manifest)
        .env("CARGO_TARGET_DIR", &target);
    shell::run(&mut build)?;
    Ok((target.join("release").join(name), timed))
}

fn table(layer: &str, binary: &Path) -> Result<()> {
    let list = shell::capture(Command::new(binary).arg("--list"))?;
    println!(
        "\n{:<44} {:>14} {:>12} {:>10}",
        format!("{layer} beside other crates"),
        "instructions",
        "allocations",
        "% of best"
    );
    let mut cases: Vec<(&str, Vec<Row>)> = Vec::new();
    for line in list.lines() {
        let (case, name) = line
            .split_once('\t')
            .with_context(|| format!("{} --list: no tab in '{line}'", binary.display()))?;
        let row = Row {
            name: name.to_owned(),
            cost: measure(binary, case, name)?,
        };
        match cases.last_mut() {
            Some((last, rows)) if *last == case => rows.push(row),
            _ => cases.push((case, vec![row])),
        }
    }
    for (case, rows) in &cases {
        print(case, rows);
    }
    Ok(())
}

/// One case: every crate's cost, and what it is in percent of the cheapest crate that is not ours.
fn print(case: &str, rows: &[Row]) {
    println!("{case}");
    let best = rows
        .iter()
        .filter(|row| !row.name.starts_with("sip-"))
        .filter_map(|row| Some(row.cost.as_ref().ok()?.0))
        .min();
    for Row { name, cost } in rows {
        match cost {
            Ok((instructions, allocations)) => {
                let percent = best
                    .and_then(|best| (instructions * 100).checked_div(best))
                    .map_or_else(String::new, |percent| format!("{percent} %"));
                println!("  {name:<42} {instructions:>14} {allocations:>12} {percent:>10}");
            }
            Err(reason) => println!("  {name:<42} cannot: {reason}"),
        }
    }
}

/// The outer error is ours (no valgrind, a program that breaks its contract), the inner one the measured crate's.
fn measure(binary: &Path, case: &str, name: &str) -> Result<Result<(u64, u64), String>> {
    // Once without valgrind: it finds out whether the crate can do the case at all, and counts allocations.
    let output = Command::new(binary)
        .args([case, name, &ROUNDS.0.to_string()])
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        let reason = reason.lines().find(|line| !line.trim().is_empty());
        return Ok(Err(reason.unwrap_or("no reason given").to_owned()));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let Ok(allocations) = printed.trim().parse() else {
        bail!("{case}, {name}: '{}' is no number", printed.trim());
    };
    let (short, long) = ROUNDS;
    let mut counts = [0; 2];
    for (count, times) in counts.iter_mut().zip([short, long]) {
        *count = super::instructions(binary, &[case, name], times)?;
    }
    let [few, many] = counts;
    Ok(Ok((many.saturating_sub(few) / (long - short), allocations)))
}
