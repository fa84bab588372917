//! `cargo xtask soak`: endurance. A day of a domain in virtual time (`sip-bench`'s `endurance`), and real minutes of SIPp's calls
//! through the release build at half of what it was found to bear, with its memory looked at all the while.

mod calls;
mod page;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{shell, tools};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// How long SIPp calls, in minutes
    #[arg(long, default_value_t = 20)]
    minutes: u32,
    /// Calls a second; half of the measured maximum when it is not given
    #[arg(long)]
    rate: Option<u32>,
    /// Telephones of the virtual day
    #[arg(long, default_value_t = 100_000)]
    agents: u32,
    /// Hours of it
    #[arg(long, default_value_t = 24)]
    hours: u32,
    /// Leave the virtual day out
    #[arg(long)]
    no_day: bool,
    /// Leave the real minutes out
    #[arg(long)]
    no_calls: bool,
    /// Write docs/robustness.md and its picture from what was found, now or before
    #[arg(long)]
    bless: bool,
}

/// Where the findings are kept between runs.
fn directory() -> PathBuf {
    shell::target_dir().join("soak")
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let dir = directory();
    std::fs::create_dir_all(&dir)?;
    if !options.no_day {
        let csv = dir.join("day.csv");
        let mut command = shell::cargo();
        command
            .args(["run", "--release", "--quiet", "--package", "sip-bench"])
            .args(["--bin", "endurance", "--"])
            .args(["--agents", &options.agents.to_string()])
            .args(["--hours", &options.hours.to_string()])
            .arg("--csv")
            .arg(&csv);
        println!("$ {}", shell::line(&command));
        // What it says is kept for the page.
        let said = shell::capture(&mut command)?;
        print!("{said}");
        std::fs::write(dir.join("day.txt"), said)?;
    }
    if !options.no_calls {
        tools::install(tools::INTEROP)?;
        shell::run(shell::cargo().args(["build", "--release", "--bin", "sip"]))?;
        let program = shell::target_dir().join("release/sip");
        let found = calls::run(&program, &dir, options.minutes, options.rate)?;
        std::fs::write(
            dir.join("calls.json"),
            serde_json::to_string_pretty(&found)?,
        )?;
        found.judge()?;
    }
    if options.bless {
        let found = std::fs::read_to_string(dir.join("calls.json"))
            .context("no real minutes were run yet")?;
        let day =
            std::fs::read_to_string(dir.join("day.txt")).context("no virtual day was run yet")?;
        page::write(&serde_json::from_str(&found)?, &day)?;
    }
    Ok(())
}
