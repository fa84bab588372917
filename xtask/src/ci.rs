//! `cargo xtask ci`: all that `.ci/run` does, each step timed and named; the first failure stops it.

use std::path::Path;

use anyhow::Result;

use crate::{bench, conformance, fuzz, interop, shell, tidy, tools};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Leave out what needs the peers of the interoperability suite
    #[arg(long)]
    no_interop: bool,
    /// How many inputs each fuzz target runs
    #[arg(long, default_value_t = 20_000)]
    fuzz_runs: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut steps = shell::Steps::new(if options.no_interop { 9 } else { 10 });
    let results = shell::target_dir().join("test-results.txt");
    steps.step("tools", || tools::install(tools::ALL))?;
    steps.step("formatting", || {
        shell::run(shell::cargo().args(["fmt", "--all", "--check"]))
    })?;
    steps.step("lints", || {
        shell::run(shell::cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    steps.step("tests", || {
        let mut output = String::new();
        let result = conformance::results::run_and_keep(&mut output);
        std::fs::write(&results, output)?;
        result?;
        // What is off by default. The tests of Redis are in the interoperability suite, where there is one.
        shell::run(shell::cargo().args([
            "test",
            "--package",
            "sip-stack",
            "--features",
            "otel",
            "--bin",
            "sip",
            "--test",
            "it",
            "telemetry",
        ]))?;
        shell::run(
            shell::cargo()
                .args(["test", "--package", "sip-rtp"])
                .args(media_features()),
        )
    })?;
    steps.step("conformance", || {
        conformance::run(&conformance::Options::judging(results.clone()))
    })?;
    steps.step("documentation", || {
        shell::run(shell::cargo().env("RUSTDOCFLAGS", "-Dwarnings").args([
            "doc",
            "--workspace",
            "--no-deps",
        ]))
    })?;
    steps.step("tidy", || tidy::run(&tidy::Options::all()))?;
    if !options.no_interop {
        // Built in the development profile, so that little is left to build after the tests.
        steps.step("interop", || interop::run(&interop::Options::all()))?;
    }
    steps.step("benchmarks", || bench::run(&bench::Options::quick()))?;
    steps.step("fuzzing", || {
        fuzz::run(&fuzz::Options::reproducible(options.fuzz_runs))
    })?;
    steps.summary();
    Ok(())
}

/// All that `sip-rtp` can do; Opus only where the system's libopus is there to be linked.
fn media_features() -> [&'static str; 2] {
    if Path::new("/usr/include/opus/opus.h").is_file() {
        ["--features", "srtp,g722,wav,resample,vad,opus"]
    } else {
        println!("no libopus on this machine, so no test of Opus (Debian package libopus-dev)");
        ["--features", "srtp,g722,wav,resample,vad"]
    }
}
