//! The generator: `sip load` on the second core.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Setup;
use super::scenario::{Scenario, Users};
use super::subject::{PASSWORD, Subject, cpu_of};

/// For how many seconds a round makes new users.
const MOST_NEW: f64 = 1.5;
/// Operations in progress.
pub(super) const CONCURRENCY: u32 = 128;

/// What a run said.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) failures: String,
    /// Completed for each second.
    pub(super) rate: f64,
    pub(super) retransmissions: u64,
    /// CPU time of the server, in microseconds for each operation.
    pub(super) server: f64,
    /// How busy the server was, of 1.
    pub(super) server_busy: f64,
    /// How busy the generator was, of 1.
    pub(super) generator_busy: f64,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Generator {
    sip: PathBuf,
}

impl Generator {
    pub(super) fn new(setup: &Setup) -> Self {
        Self {
            sip: setup.sip.clone(),
        }
    }

    /// A closed loop for so long. Users that are new are new in each round.
    pub(super) fn run(
        &self,
        subject: &Subject,
        scenario: &Scenario,
        round: usize,
        seconds: f64,
    ) -> Result<Run> {
        let mut command = self.command(subject, scenario, round);
        // Those of all rounds together are fewer than the store in memory takes, a million.
        let seconds = match scenario.users {
            Users::New => seconds.min(MOST_NEW),
            Users::Known(_) | Users::WithPassword(_) => seconds,
        };
        command
            .args(["--concurrency", &CONCURRENCY.to_string()])
            .args(["--duration", &seconds.to_string()]);
        measure(&mut command, subject)
    }

    /// A closed loop of so many operations, few at a time, because the server is slow.
    pub(super) fn count(&self, subject: &Subject, scenario: &Scenario, count: u64) -> Result<Run> {
        let mut scenario = *scenario;
        // With as many users as operations of the short run, the others are refreshes.
        if scenario.users == Users::Known(10_000) {
            scenario.users = Users::Known(20);
        }
        let mut command = self.command(subject, &scenario, 0);
        command
            .args(["--concurrency", "4"])
            .args(["--count", &count.to_string()]);
        measure(&mut command, subject)
    }

    /// An open loop at a rate for so long.
    pub(super) fn offer(
        &self,
        subject: &Subject,
        scenario: &Scenario,
        rate: f64,
        seconds: f64,
    ) -> Result<Run> {
        let mut command = self.command(subject, scenario, 0);
        command
            .args(["--rate", &format!("{rate:.0}")])
            .args(["--duration", &seconds.to_string()])
            .args(["--timeout", "8"]);
        measure(&mut command, subject)
    }

    /// Calls that ring for a while, begun at a rate.
    pub(super) fn ringing(
        &self,
        subject: &Subject,
        scenario: &Scenario,
        count: u64,
        rate: u64,
        seconds: u64,
    ) -> Command {
        let mut command = self.command(subject, scenario, 0);
        command
            .args(["--rate", &rate.to_string()])
            .args(["--count", &count.to_string()])
            .args(["--ring", &seconds.to_string()]);
        command
    }

    pub(super) fn command(&self, subject: &Subject, scenario: &Scenario, round: usize) -> Command {
        let mut command = Command::new("taskset");
        let transport = if scenario.is_tcp {
            ";transport=tcp"
        } else {
            ""
        };
        command
            .args(["-c", "1"])
            .arg(&self.sip)
            .args(["load", scenario.what])
            .arg(format!("sip:127.0.0.1:{}{transport}", subject.port))
            .args(["--domain", "load.test", "--json", "--quiet"])
            .args(["--max-failures", "100"])
            .args(["--callee-port", &subject.callee.to_string()])
            .args(scenario.load)
            .stdout(Stdio::piped());
        if scenario.what == "register" && !scenario.is_tcp {
            // The same contact in every round, so that a refresh is one.
            command.args(["--caller-port", &(subject.port ^ 1).to_string()]);
        }
        match scenario.users {
            Users::New => {
                let first = 2_000_000 * round;
                command.args(["--users", "2000000", "--first-user", &first.to_string()]);
            }
            Users::Known(users) => {
                command.args(["--users", &users.to_string()]);
            }
            Users::WithPassword(users) => {
                command
                    .args(["--users", &users.to_string()])
                    .env("SIP_PASSWORD", PASSWORD);
            }
        }
        command
    }
}

/// Runs a generator to its end.
fn measure(command: &mut Command, subject: &Subject) -> Result<Run> {
    let (before, began) = (subject.cpu(), Instant::now());
    let mut child = command.spawn().context("cannot start the generator")?;
    let mut generator = 0.0;
    let status = loop {
        // What it took is gone with it, so it is asked while it lives.
        generator = cpu_of(child.id())?.max(generator);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(20));
    };
    let (took, elapsed) = (subject.cpu() - before, began.elapsed().as_secs_f64());
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|value| value["event"] == "result");
    let Some(result) = result else {
        bail!("the generator ended with {status} and no result: {text}");
    };
    let number = |name: &str| result[name].as_u64().unwrap_or(0);
    let completed = number("completed");
    Ok(Run {
        completed,
        failed: number("failed"),
        failures: result["failures"].to_string(),
        rate: result["rate"].as_f64().unwrap_or(0.0),
        retransmissions: number("retransmissions"),
        server: took * 1e6 / completed.max(1) as f64,
        server_busy: took / elapsed,
        generator_busy: generator / elapsed,
    })
}
