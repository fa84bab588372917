//! `cargo xtask fuzz`: a bounded run of each libFuzzer target, on a stable compiler and without cargo-fuzz.
//!
//! The instrumentation is LLVM's own coverage pass, switched on by stable flags. `fuzz/` is laid out as cargo-fuzz
//! expects it, so `cargo fuzz run TARGET` works as well where that tool is installed.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{shell, tools};

/// Coverage of edges and comparisons, as libFuzzer reads it. One codegen unit, because the pass runs once for each
/// and its counters are per module.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1 --cfg fuzzing";

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The targets to run; all of them when none is named
    targets: Vec<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// The longest input, in bytes
    #[arg(long, default_value_t = 4096)]
    max_len: u32,
    /// Only say which targets there are
    #[arg(long)]
    list: bool,
}

impl Options {
    pub(crate) fn each(seconds: u32) -> Self {
        Self {
            targets: Vec::new(),
            seconds,
            max_len: 4096,
            list: false,
        }
    }
}

/// The names of the targets, from the files.
pub(crate) fn targets() -> Result<Vec<String>> {
    let dir = shell::root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            );
        }
    }
    names.sort();
    Ok(names)
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let known = targets()?;
    if options.list {
        for name in &known {
            println!("{name}");
        }
        return Ok(());
    }
    for name in &options.targets {
        if !known.contains(name) {
            bail!(
                "there is no fuzz target '{name}'; there are: {}",
                known.join(", ")
            );
        }
    }
    let chosen = if options.targets.is_empty() {
        known
    } else {
        options.targets.clone()
    };
    tools::install(tools::FUZZ)?;
    let built = build(&chosen)?;
    let mut broken = Vec::new();
    for (name, binary) in chosen.iter().zip(&built) {
        if let Err(error) = fuzz(name, binary, options) {
            println!("{error:#}");
            broken.push(name.as_str());
        }
    }
    println!(
        "fuzz targets: {} passed, {} failed",
        chosen.len() - broken.len(),
        broken.len()
    );
    if !broken.is_empty() {
        bail!(
            "crashes in {}; the inputs are in fuzz/artifacts/",
            broken.join(", ")
        );
    }
    Ok(())
}

/// Build with `--target`, so that the flags reach the code under test and not the build scripts.
fn build(targets: &[String]) -> Result<Vec<PathBuf>> {
    let version = shell::capture(Command::new("rustc").arg("-vV"))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc -vV names no host")?
        .to_owned();
    let dir = shell::root().join("fuzz/target");
    let mut command = shell::cargo();
    command
        .args([
            "build",
            "--release",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target",
            &host,
        ])
        .env("CARGO_TARGET_DIR", &dir)
        .env("RUSTFLAGS", FLAGS);
    for name in targets {
        command.args(["--bin", name]);
    }
    shell::run(&mut command)?;
    Ok(targets
        .iter()
        .map(|name| dir.join(&host).join("release").join(name))
        .collect())
}

fn fuzz(name: &str, binary: &PathBuf, options: &Options) -> Result<()> {
    let fuzz = shell::root().join("fuzz");
    // What a run finds goes to a directory that is not tracked; the tracked corpus is only read.
    let found = fuzz.join("corpus-new").join(name);
    let artifacts = fuzz.join("artifacts").join(name);
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(binary);
    command
        .current_dir(&fuzz)
        .arg(&found)
        .args(Some(fuzz.join("corpus").join(name)).filter(|corpus| corpus.is_dir()))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-max_len={}", options.max_len))
        .args([
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            "-verbosity=0",
        ])
        .args(
            Some(fuzz.join("sip.dict"))
                .filter(|dict| dict.is_file())
                .map(|dict| format!("-dict={}", dict.display())),
        );
    println!("\n--- {name}: {} s", options.seconds);
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        println!("{text}");
        bail!("fuzz target '{name}' ended with {}", output.status);
    }
    for line in text.lines().filter(|line| {
        line.starts_with("stat::number_of_executed_units") || line.starts_with("stat::new_units")
    }) {
        println!("{}", line.trim_start_matches("stat::"));
    }
    Ok(())
}
