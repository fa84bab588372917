//! A peer or the program under test as a child: its output in files, its end certain.

use std::{
    fs::{self, File},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::shell;

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(10);

/// Wait until `condition` gives something, or fail after `limit` saying what was waited for.
pub(crate) fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if started.elapsed() > limit {
            bail!("waited {} s for {what}", limit.as_secs_f64());
        }
        thread::sleep(POLL);
    }
}

/// The resident memory of a process, in KiB.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// A running child in a process group of its own. Dropping it kills the group.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) label: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    /// Start `command` with its output in `dir/label.out` and `dir/label.err`.
    pub(crate) fn spawn(command: &mut Command, label: &str, dir: &Path) -> Result<Self> {
        let stdout = dir.join(format!("{label}.out"));
        let stderr = dir.join(format!("{label}.err"));
        fs::write(
            dir.join(format!("{label}.command")),
            format!("{}\n", shell::line(command)),
        )?;
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", shell::line(command)))?;
        Ok(Self {
            label: label.to_owned(),
            child,
            stdout,
            stderr,
            status: None,
        })
    }

    /// Has it ended?
    pub(crate) fn status(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status)
    }

    /// Wait for its end; kill it and fail when that does not come in time.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            if started.elapsed() > limit {
                let said = self.tail();
                self.kill();
                bail!(
                    "{} did not end within {} s{said}",
                    self.label,
                    limit.as_secs_f64()
                );
            }
            thread::sleep(POLL);
        }
    }

    /// Wait for its end and demand the exit code 0.
    pub(crate) fn success(&mut self, limit: Duration) -> Result<()> {
        self.exits_with(0, limit)
    }

    /// Wait for its end and demand this exit code.
    pub(crate) fn exits_with(&mut self, code: i32, limit: Duration) -> Result<()> {
        let status = self.wait(limit)?;
        if status.code() != Some(code) {
            let how = status.signal().map_or_else(
                || format!("exit code {}", status.code().unwrap_or(-1)),
                |signal| format!("signal {signal}"),
            );
            bail!("{} ended with {how}, not {code}{}", self.label, self.tail());
        }
        Ok(())
    }

    /// Fail if it has ended by itself.
    pub(crate) fn still_runs(&mut self) -> Result<()> {
        if let Some(status) = self.status()? {
            bail!("{} ended early with {status}{}", self.label, self.tail());
        }
        Ok(())
    }

    /// Wait until its output (of either kind) has this text.
    pub(crate) fn says(&mut self, text: &str, limit: Duration) -> Result<()> {
        let what = format!("{} to say '{text}'", self.label);
        let result = wait_until(&what, limit, || {
            if self.output().contains(text) {
                return Ok(Some(()));
            }
            if let Some(status) = self.status()?
                && !self.output().contains(text)
            {
                bail!("{} ended with {status} and never said '{text}'", self.label);
            }
            Ok(None)
        });
        result.with_context(|| format!("{}{}", self.label, self.tail()))
    }

    /// What Ctrl-C sends.
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::SIGINT);
    }

    /// What tells a server to read its files again.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// `kill -9`, and the body collected.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        if self.status.is_none() {
            self.status = self.child.wait().ok();
        }
    }

    /// Interrupt, wait, demand an orderly end.
    pub(crate) fn stop(&mut self, limit: Duration) -> Result<()> {
        self.interrupt();
        self.success(limit)
    }

    fn signal(&self, signal: Signal) {
        if self.status.is_none()
            && let Ok(id) = i32::try_from(self.child.id())
        {
            // It may just have ended; then there is nobody to tell.
            let _ = killpg(Pid::from_raw(id), signal);
        }
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> String {
        read(&self.stdout)
    }

    pub(crate) fn stderr(&self) -> String {
        read(&self.stderr)
    }

    pub(crate) fn output(&self) -> String {
        format!("{}{}", self.stdout(), self.stderr())
    }

    /// The last lines that it printed, for a message about a failure.
    pub(crate) fn tail(&self) -> String {
        let mut out = String::new();
        for (name, text) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            let lines: Vec<&str> = text
                .lines()
                .filter(|line| !line.trim().is_empty())
                .collect();
            for line in &lines[lines.len().saturating_sub(6)..] {
                // Progress displays are one endless line.
                let shown: String = line
                    .chars()
                    .rev()
                    .take(160)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect();
                out.push_str(&format!("\n        {} {name}: {shown}", self.label));
            }
        }
        out
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
