//! The automation of the SIP workspace: `cargo xtask help`.
//!
//! One file per command: [`ci`], [`tidy`], [`interop`], [`mod@bench`], [`fuzz`], [`conformance`]. What they share is in [`shell`].
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks to its user on standard output"
)]

mod bench;
mod blackbox;
mod ci;
mod conformance;
mod fuzz;
mod interop;
mod robustness;
mod shell;
mod soak;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The automation of the SIP workspace")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that `.ci/run` does: formatting, lints, tests, documentation, tidy, interop, a short fuzz run
    Ci(ci::Options),
    /// The rules that no compiler checks: dependency edges, purity, licences, features, no_std, tracked files
    Tidy(tidy::Options),
    /// The program against real peers (SIPp, baresip, sipsak), judged by tshark
    Interop(interop::Options),
    /// Criterion groups and instruction counts, one group per layer
    Bench(bench::Options),
    /// A bounded run of the fuzz targets, without cargo-fuzz
    Fuzz(fuzz::Options),
    /// The normative statements of the RFCs, and the tests that prove each
    Conformance(conformance::Options),
    /// Endurance: a day in virtual time, and real minutes of SIPp's calls with the memory looked at
    Soak(soak::Options),
    /// Install the Debian packages that `ci` needs and this machine lacks
    Tools,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Ci(options) => ci::run(&options),
        Command::Tidy(options) => tidy::run(&options),
        Command::Interop(options) => interop::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Conformance(options) => conformance::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Tools => tools::install(tools::ALL),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
