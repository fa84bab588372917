//! `cargo xtask fuzz`: a bounded run of each libFuzzer target, on a stable compiler and without cargo-fuzz.
//!
//! The instrumentation is LLVM's own coverage pass, switched on by stable flags. `fuzz/` is laid out as cargo-fuzz
//! expects it, so `cargo fuzz run TARGET` works as well where that tool is installed.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{shell, tools};

/// Coverage of edges and comparisons, as libFuzzer reads it. One codegen unit, because the pass runs once for each
/// and its counters are per module.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1 --cfg fuzzing";

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The targets to run, or layers (message, sdp, ...) for all targets of one; all of them when none is named
    targets: Vec<String>,
    /// How long each target runs at most
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// How many inputs each target runs at most
    #[arg(long)]
    runs: Option<u64>,
    /// What the random choices start from: the same number gives the same inputs on the same corpus
    #[arg(long)]
    seed: Option<u32>,
    /// The longest input, in bytes
    #[arg(long, default_value_t = 4096)]
    max_len: u32,
    /// Remove from the corpus of each target what adds no coverage to the rest of it, instead of a run
    #[arg(long, conflicts_with_all = ["seconds", "runs", "seed"])]
    minimise: bool,
    /// Only say which targets there are
    #[arg(long)]
    list: bool,
}

impl Options {
    /// The same inputs on every machine, so that a change fails for what it changed and not for its luck. Searching is
    /// for longer runs without a seed.
    pub(crate) fn reproducible(runs: u64) -> Self {
        Self {
            targets: Vec::new(),
            seconds: 120,
            runs: Some(runs),
            seed: Some(1),
            max_len: 4096,
            minimise: false,
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

/// The layers and their targets, from the manifest.
pub(crate) fn layers() -> Result<Vec<(String, Vec<String>)>> {
    let path = shell::root().join("fuzz/Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .parse()?;
    let layers = manifest
        .get("package")
        .and_then(|package| package.get("metadata")?.get("layers")?.as_table())
        .context("fuzz/Cargo.toml has no [package.metadata.layers]")?;
    Ok(layers
        .iter()
        .map(|(layer, targets)| {
            let targets = targets.as_array().into_iter().flatten();
            (
                layer.clone(),
                targets
                    .filter_map(|target| target.as_str().map(str::to_owned))
                    .collect(),
            )
        })
        .collect())
}

/// The targets that are meant: a layer stands for all of its own.
fn choose(named: &[String], known: Vec<String>) -> Result<Vec<String>> {
    if named.is_empty() {
        return Ok(known);
    }
    let layers = layers()?;
    let mut chosen = Vec::new();
    for name in named {
        if known.contains(name) {
            chosen.push(name.clone());
        } else if let Some((_, targets)) = layers.iter().find(|(layer, _)| layer == name) {
            chosen.extend(targets.iter().cloned());
        } else {
            bail!(
                "there is no fuzz target and no layer '{name}'; there are the targets {} and the layers {}",
                known.join(", "),
                layers
                    .iter()
                    .map(|(layer, _)| layer.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            );
        }
    }
    Ok(chosen)
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let known = targets()?;
    if options.list {
        for name in &known {
            println!("{name}");
        }
        return Ok(());
    }
    let chosen = choose(&options.targets, known)?;
    tools::install(tools::FUZZ)?;
    let built = build(&chosen)?;
    if options.minimise {
        for (name, binary) in chosen.iter().zip(&built) {
            minimise(name, binary)?;
        }
        return Ok(());
    }
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

/// Keeps of a corpus the files that libFuzzer's merge takes, the smallest first, and their names.
fn minimise(name: &str, binary: &PathBuf) -> Result<()> {
    let fuzz = shell::root().join("fuzz");
    let corpus = fuzz.join("corpus").join(name);
    if !corpus.is_dir() {
        return Ok(());
    }
    let merged = fuzz.join("target/merged").join(name);
    if merged.is_dir() {
        fs::remove_dir_all(&merged)?;
    }
    fs::create_dir_all(&merged)?;
    let output = Command::new(binary)
        .current_dir(&fuzz)
        .args(["-merge=1", "-verbosity=0"])
        .args([&merged, &corpus])
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    if !output.status.success() {
        println!("{}", String::from_utf8_lossy(&output.stderr));
        bail!(
            "the corpus of '{name}' could not be merged: {}",
            output.status
        );
    }
    let mut taken = BTreeSet::new();
    for entry in fs::read_dir(&merged)? {
        taken.insert(fs::read(entry?.path())?);
    }
    let (mut kept, mut removed) = (0, 0);
    let mut files = fs::read_dir(&corpus)?.collect::<std::io::Result<Vec<_>>>()?;
    files.sort_by_key(fs::DirEntry::path);
    for file in files {
        // Taken out, so that of two files of one content one goes.
        if taken.remove(&fs::read(file.path())?) {
            kept += 1;
        } else {
            removed += 1;
            fs::remove_file(file.path())?;
        }
    }
    println!("{name}: {kept} files kept, {removed} removed");
    Ok(())
}

fn fuzz(name: &str, binary: &PathBuf, options: &Options) -> Result<()> {
    let fuzz = shell::root().join("fuzz");
    // What a run finds goes to a directory that is not tracked; the tracked corpus is only read.
    // With a seed it starts empty, for what earlier runs found would change the inputs.
    let found = if options.seed.is_some() {
        let fresh = fuzz.join("target/seeded").join(name);
        if fresh.is_dir() {
            fs::remove_dir_all(&fresh)?;
        }
        fresh
    } else {
        fuzz.join("corpus-new").join(name)
    };
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
        .args(options.runs.map(|runs| format!("-runs={runs}")))
        .args(options.seed.map(|seed| format!("-seed={seed}")))
        .args(
            Some(fuzz.join("sip.dict"))
                .filter(|dict| dict.is_file())
                .map(|dict| format!("-dict={}", dict.display())),
        );
    match options.runs {
        Some(runs) => println!("\n--- {name}: {runs} inputs, at most {} s", options.seconds),
        None => println!("\n--- {name}: {} s", options.seconds),
    }
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
