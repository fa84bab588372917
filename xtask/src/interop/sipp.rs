//! SIPp: load generator and scripted peer.

use std::{fmt::Write as _, fs, net::SocketAddr, path::PathBuf, process::Command, time::Duration};

use anyhow::Result;

use super::{
    namespace::HOST,
    process::{Process, wait_until},
    scene::Scene,
};
use crate::shell;

/// A SIPp to be started. Without a rate it makes ten calls a second.
#[derive(Clone, Debug)]
pub(crate) struct Sipp {
    label: String,
    scenario: Scenario,
    remote: Option<SocketAddr>,
    port: u16,
    arguments: Vec<String>,
}

#[derive(Clone, Debug)]
enum Scenario {
    /// One that comes with SIPp (`-sn`).
    Builtin(&'static str),
    /// A file of `xtask/interop/`.
    File(&'static str),
}

impl Sipp {
    pub(crate) fn builtin(label: &str, name: &'static str, port: u16) -> Self {
        Self {
            label: label.to_owned(),
            scenario: Scenario::Builtin(name),
            remote: None,
            port,
            arguments: Vec::new(),
        }
    }

    pub(crate) fn file(label: &str, name: &'static str, port: u16) -> Self {
        Self {
            label: label.to_owned(),
            scenario: Scenario::File(name),
            remote: None,
            port,
            arguments: Vec::new(),
        }
    }

    pub(crate) fn to(mut self, remote: SocketAddr) -> Self {
        self.remote = Some(remote);
        self
    }

    pub(crate) fn calls(self, calls: u32) -> Self {
        self.with(&["-m", &calls.to_string()])
    }

    pub(crate) fn rate(self, rate: u32) -> Self {
        self.with(&["-r", &rate.to_string()])
    }

    /// The length of each `<pause/>` of the scenario.
    pub(crate) fn pause(self, milliseconds: u32) -> Self {
        self.with(&["-d", &milliseconds.to_string()])
    }

    pub(crate) fn tcp(self, tcp: bool) -> Self {
        if tcp { self.with(&["-t", "t1"]) } else { self }
    }

    /// A value for `[name]` in the scenario.
    pub(crate) fn key(self, name: &str, value: &str) -> Self {
        self.with(&["-key", name, value])
    }

    /// One line per user for `[field0]` (name) and `[field1]` (credentials), taken in turn by the calls.
    pub(crate) fn users(self, scene: &Scene, users: &[(&str, &str)]) -> Result<Self> {
        let mut list = String::from("SEQUENTIAL\n");
        for (name, password) in users {
            writeln!(
                list,
                "{name};[authentication username={name} password={password}]"
            )?;
        }
        let file = scene.path(&format!("{}.csv", self.label));
        fs::write(&file, list)?;
        Ok(self.with(&["-inf", &file.display().to_string()]))
    }

    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// All messages that it sends and receives, in this file.
    pub(crate) fn messages(self, scene: &Scene) -> (Self, PathBuf) {
        let file = scene.path(&format!("{}.messages", self.label));
        (
            self.with(&["-trace_msg", "-message_file", &file.display().to_string()]),
            file,
        )
    }

    /// Start it. One that waits for calls has its port open when this returns.
    pub(crate) fn start(self, scene: &Scene) -> Result<Process> {
        let mut command = Command::new("sipp");
        command.current_dir(&scene.dir);
        command.args(self.remote.map(|remote| remote.to_string()));
        match self.scenario {
            Scenario::Builtin(name) => command.args(["-sn", name]),
            Scenario::File(name) => command
                .arg("-sf")
                .arg(shell::root().join("xtask/interop").join(name)),
        };
        command.args([
            "-i",
            &HOST.to_string(),
            "-p",
            &self.port.to_string(),
            "-nostdin",
        ]);
        let errors = scene.path(&format!("{}.errors", self.label));
        command.args(["-trace_err", "-error_file", &errors.display().to_string()]);
        // SIPp gives up by itself before the case's patience ends, with its statistics on its output.
        command
            .args(["-timeout", "60s", "-timeout_error"])
            .args(&self.arguments);
        let mut process = Process::spawn(&mut command, &self.label, &scene.dir)?;
        let port = format!(":{:04X} ", self.port);
        wait_until(
            &format!("{} to open its port", self.label),
            Duration::from_secs(10),
            || {
                process.still_runs()?;
                let open = ["/proc/net/udp", "/proc/net/tcp"].iter().any(|table| {
                    fs::read_to_string(table)
                        .is_ok_and(|table| table.lines().any(|line| is_open(line, &port)))
                });
                // A caller over TCP opens nothing of its own before it connects.
                Ok((open || self.remote.is_some()).then_some(()))
            },
        )?;
        Ok(process)
    }

    /// Run it to its end: every call has to be as the scenario says.
    pub(crate) fn run(self, scene: &Scene) -> Result<()> {
        self.start(scene)?.success(Duration::from_secs(90))
    }
}

/// A socket table's line whose local address has this port.
fn is_open(line: &str, port: &str) -> bool {
    line.split_whitespace()
        .nth(1)
        .is_some_and(|local| local.ends_with(port.trim()))
}
