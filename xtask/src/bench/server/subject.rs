//! A server under load: Kamailio or ours, on the first core, alone or under callgrind.

use std::fmt;
use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Setup;
use super::scenario::{Scenario, Users};
use crate::interop::process::{Process, wait_until};
use crate::shell;

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Kamailio,
    Ours,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kamailio => "Kamailio",
            Self::Ours => "sip serve",
        })
    }
}

/// What the server runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapper {
    /// The first core, alone.
    Core,
    /// Callgrind.
    Callgrind,
}

/// The password of every user.
pub(super) const PASSWORD: &str = "not-a-secret";
/// Where Debian keeps Kamailio's modules.
const MODULES: &str = "/usr/lib/x86_64-linux-gnu/kamailio/modules/";

/// A server that runs.
#[derive(Debug)]
pub(super) struct Subject {
    kind: Kind,
    process: Process,
    pub(super) port: u16,
    /// Where those are who are called.
    pub(super) callee: u16,
    ticks: f64,
}

impl Subject {
    /// Starts a server, and waits until it answers.
    pub(super) fn start(
        setup: &Setup,
        scenario: &Scenario,
        kind: Kind,
        wrapper: Wrapper,
    ) -> Result<Self> {
        let (port, callee) = (free_port()?, free_port()?);
        let label = match kind {
            Kind::Kamailio => format!("{}-kamailio", scenario.name),
            Kind::Ours => format!("{}-ours", scenario.name),
        };
        let dir = setup.dir.join(format!("{label}-{port}"));
        fs::create_dir_all(&dir)?;
        let mut command = match wrapper {
            Wrapper::Core => {
                let mut command = Command::new("taskset");
                command.args(["-c", "0"]);
                command
            }
            Wrapper::Callgrind => {
                let mut command = Command::new("valgrind");
                command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
                command
            }
        };
        match kind {
            Kind::Kamailio => kamailio(&mut command, scenario, &dir, port, callee)?,
            Kind::Ours => ours(&mut command, setup, scenario, &dir, port, callee)?,
        }
        let process = Process::spawn(&mut command, &label, &dir)?;
        let mut subject = Self {
            kind,
            process,
            port,
            callee,
            ticks: ticks_per_second()?,
        };
        let patience = Duration::from_secs(60);
        wait_until(&format!("{label} to answer"), patience, || {
            subject.process.still_runs()?;
            let mut ping = Command::new(&setup.sip);
            ping.args(["load", "options", &format!("sip:127.0.0.1:{port}")])
                .args([
                    "--count",
                    "1",
                    "--timeout",
                    "1",
                    "--quiet",
                    "--domain",
                    "load.test",
                ]);
            Ok(shell::capture(&mut ping).ok())
        })?;
        Ok(subject)
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn still_runs(&mut self) -> Result<()> {
        self.process.still_runs()
    }

    /// CPU time of all its processes, in seconds.
    pub(super) fn cpu(&self) -> f64 {
        let ticks: u64 = family(self.process.id()).into_iter().map(cpu_ticks).sum();
        ticks as f64 / self.ticks
    }

    /// Memory of all its processes in bytes, what they share counted once.
    pub(super) fn memory(&self) -> u64 {
        family(self.process.id()).into_iter().map(pss).sum()
    }

    /// Ends a server that runs under callgrind, and tells what its processes executed.
    pub(super) fn instructions(&mut self) -> Result<u64> {
        self.process.interrupt();
        self.process.wait(Duration::from_secs(60))?;
        let said = self.process.stderr();
        // "==123== Collected : 123456"
        let counts: Vec<u64> = said
            .lines()
            .filter_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
            .collect();
        counts
            .iter()
            .copied()
            .reduce(|sum, one| sum + one)
            .with_context(|| format!("callgrind counted nothing{}", self.process.tail()))
    }
}

/// CPU time of one process, in seconds.
pub(super) fn cpu_of(pid: u32) -> Result<f64> {
    Ok(cpu_ticks(pid) as f64 / ticks_per_second()?)
}

fn kamailio(
    command: &mut Command,
    scenario: &Scenario,
    dir: &std::path::Path,
    port: u16,
    callee: u16,
) -> Result<()> {
    let template = shell::root().join("xtask/kamailio").join(scenario.kamailio);
    let text = fs::read_to_string(&template)
        .with_context(|| template.display().to_string())?
        .replace("@PORT@", &port.to_string())
        .replace("@CALLEE@", &callee.to_string())
        .replace("@MODULES@", MODULES)
        .replace("@PASSWORD@", PASSWORD);
    let file = dir.join("kamailio.cfg");
    fs::write(&file, text)?;
    // The packaged allocator is three to six times slower than this one: nobody is to be compared with that.
    command
        .args([
            "kamailio", "-DD", "-E", "-x", "tlsf", "-X", "tlsf", "-m", "2048", "-M", "64",
        ])
        .arg("-f")
        .arg(&file)
        .arg("-Y")
        .arg(dir)
        .arg("-P")
        .arg(dir.join("kamailio.pid"));
    if let Some(name) = scenario.define {
        command.args(["-A", name]);
    }
    Ok(())
}

fn ours(
    command: &mut Command,
    setup: &Setup,
    scenario: &Scenario,
    dir: &std::path::Path,
    port: u16,
    callee: u16,
) -> Result<()> {
    // A closed loop of this size waits longer than the overload control lets anybody wait: without it the most that can be
    // borne is measured. The scenario `overload` leaves it on.
    let plain = "[overload]\ntarget-ms = 0\n";
    fs::write(dir.join("plain.toml"), plain)?;
    let alone = format!("segmentation-offload = false\n{plain}");
    fs::write(dir.join("alone.toml"), alone)?;
    let stateless = format!(
        "{plain}[[route]]\nmethod = [\"INVITE\", \"ACK\", \"BYE\"]\nto = {{ uri = \"sip:127.0.0.1:{callee}\", via = true }}\n\
         stateless = true\ntrusted = true\n"
    );
    fs::write(dir.join("stateless.toml"), stateless)?;
    if let Users::WithPassword(users) = scenario.users {
        let password = dir.join("password");
        fs::write(&password, PASSWORD)?;
        for user in 0..users {
            let mut add = Command::new(&setup.sip);
            add.args([
                "user",
                "add",
                &format!("load{user}"),
                "--domain",
                "load.test",
                "--data",
            ])
            .arg(dir)
            .arg("--password-file")
            .arg(&password);
            shell::capture(&mut add)?;
        }
    }
    command
        .arg(&setup.sip)
        .args(["serve", "--domain", "load.test", "--data"])
        .arg(dir)
        .args(["--listen", &format!("udp:127.0.0.1:{port}")])
        .args(["--listen", &format!("tcp:127.0.0.1:{port}")])
        .args(scenario.serve)
        .current_dir(dir);
    Ok(())
}

/// A port that nobody has at this moment.
fn free_port() -> Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn ticks_per_second() -> Result<f64> {
    let text = shell::capture(Command::new("getconf").arg("CLK_TCK"))?;
    Ok(text.trim().parse()?)
}

/// A process and those that it started, and so on.
fn family(of: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, fields(pid)?.get(1)?.parse().ok()?)))
        .collect();
    let mut all = vec![of];
    let mut next = 0;
    while let Some(parent) = all.get(next).copied() {
        all.extend(
            parents
                .iter()
                .filter(|(_, its_parent)| *its_parent == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    all
}

/// The fields of `/proc/PID/stat` behind the name, which may hold anything: the state is the first.
fn fields(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// utime and stime; nothing of a process that is gone.
fn cpu_ticks(pid: u32) -> u64 {
    let number = |fields: &[String], at: usize| fields.get(at)?.parse::<u64>().ok();
    fields(pid)
        .and_then(|all| Some(number(&all, 11)? + number(&all, 12)?))
        .unwrap_or(0)
}

fn pss(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| {
        let rest = line.strip_prefix("Pss:")?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    kilobytes.unwrap_or(0) * 1024
}
