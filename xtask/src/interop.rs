//! `cargo xtask interop`: the program against telephones, load generators and test tools that nobody here wrote.
//!
//! The whole suite runs in a network, process and mount namespace of its own: every port is free, no packet leaves
//! the machine, and whatever a case forgets to stop ends with the namespace. Each case has a directory, a capture of
//! all its packets, and a judge: tshark has to find no malformed packet and no retransmission in it. The directory of
//! a case that fails is kept.

mod audio;
mod baresip;
mod capture;
mod namespace;
pub(crate) mod process;
mod relay;
mod scene;
mod server;
mod sipp;
mod suite;

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{shell, tools};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The suites or cases (`suite/case`) to run; all when none is named
    only: Vec<String>,
    /// The program under test; built when it is not given
    #[arg(long)]
    program: Option<PathBuf>,
    /// Only say which cases there are
    #[arg(long)]
    list: bool,
    /// Write into docs/robustness.md what came of the suite `misbehaving`, now or before
    #[arg(long)]
    bless: bool,
    /// Keep the directories of the cases that pass, too
    #[arg(long)]
    keep: bool,
    /// Run a case this many times, to find what fails only sometimes
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// Set by this program when it starts itself inside the namespace
    #[arg(long, hide = true)]
    inside: bool,
}

impl Options {
    pub(crate) fn all() -> Self {
        Self {
            only: Vec::new(),
            program: None,
            list: false,
            bless: false,
            keep: false,
            repeat: 1,
            inside: false,
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let cases = suite::select(&options.only)?;
    if options.list {
        for case in cases {
            println!("{}", case.full_name());
        }
        return Ok(());
    }
    if options.inside {
        let program = options
            .program
            .clone()
            .context("--inside without --program")?;
        return suite::run(&cases, &program, options.keep, options.repeat);
    }
    tools::install(tools::INTEROP)?;
    let program = match &options.program {
        Some(program) => program.clone(),
        None => build(cases.iter().any(|case| case.suite == suite::redis::SUITE))?,
    };
    if !program.is_file() && cases.iter().any(|case| case.needs_program) {
        bail!(
            "there is no program {}; build it, or leave --program out",
            program.display()
        );
    }
    let mut inside = namespace::command()?;
    inside
        .arg(std::env::current_exe()?)
        .args(["interop", "--inside", "--program"])
        .arg(&program);
    inside
        .args(options.keep.then_some("--keep"))
        .args(["--repeat", &options.repeat.to_string()])
        .args(&options.only);
    let status = inside.status().context("cannot start unshare")?;
    if !status.success() {
        bail!(
            "the interoperability suite ended with {status}; what failed is in {}",
            suite::kept().display()
        );
    }
    if options.bless {
        crate::robustness::sins::write()?;
    }
    Ok(())
}

/// The program as `cargo test` builds it: the development profile, because nothing here measures speed, and with the judge of
/// what leaves: a wrong message of ours ends it, and the case fails.
fn build(with_redis: bool) -> Result<PathBuf> {
    let mut command: Command = shell::cargo();
    command.args([
        "build",
        "--workspace",
        "--bin",
        "sip",
        "--bin",
        "misbehaving",
        "--features",
        "sip-stack/__judge",
    ]);
    // Features only add: one program does for all suites.
    if with_redis {
        command.args(["--features", "sip-stack/redis"]);
    }
    shell::run(&mut command)?;
    Ok(shell::target_dir().join("debug/sip"))
}
