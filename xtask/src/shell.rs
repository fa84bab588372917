//! What every command needs: where the workspace is, running a program, and timed steps with a summary.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// The workspace's root directory.
pub(crate) fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), Path::to_path_buf)
}

/// Where cargo builds, honouring `CARGO_TARGET_DIR`.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) if !dir.is_empty() => root().join(dir),
        _ => root().join("target"),
    }
}

/// `cargo` as this process was started by it, in the workspace's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // What cargo sets for the program it runs must not leak into the builds that this program starts: a changed
    // environment makes build scripts run again.
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST")
            || text == "CARGO_BIN_NAME"
            || text == "CARGO_CRATE_NAME"
        {
            command.env_remove(&name);
        }
    }
    command
}

/// Is this program on the search path?
pub(crate) fn has(program: &str) -> bool {
    let found = |path: &OsStr| std::env::split_paths(path).any(|dir| dir.join(program).is_file());
    std::env::var_os("PATH").is_some_and(|path| found(&path))
        || found(OsStr::new("/usr/sbin:/sbin"))
}

/// One line that a person can paste into a shell.
pub(crate) fn line(command: &Command) -> String {
    let word = |text: &OsStr| {
        let text = text.to_string_lossy();
        if !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_./=:@,+%".contains(&byte))
        {
            text.into_owned()
        } else {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
    };
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_else(|| command.get_program())
        .to_owned();
    let mut words: Vec<String> = command
        .get_envs()
        .filter_map(|(name, value)| {
            value.map(|value| format!("{}={}", name.to_string_lossy(), word(value)))
        })
        .collect();
    words.push(word(&program));
    words.extend(command.get_args().map(word));
    words.join(" ")
}

/// Run to the end, showing the command and its output; a failure is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", line(command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{status}: {}", line(command));
    }
    Ok(())
}

/// Run to the end and return what it printed; its errors are shown only when it fails.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !output.status.success() {
        bail!(
            "{}: {}\n{}",
            output.status,
            line(command),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed something that is not UTF-8", line(command)))
}

/// A list of steps that stops at the first failure and says at the end what took how long.
#[derive(Debug)]
pub(crate) struct Steps {
    started: Instant,
    done: Vec<(&'static str, Duration, bool)>,
    planned: usize,
}

impl Steps {
    pub(crate) fn new(planned: usize) -> Self {
        Self {
            started: Instant::now(),
            done: Vec::new(),
            planned,
        }
    }

    /// Run one step. After a failure the summary is printed and the error returned, so `?` stops the list.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        println!("\n=== {name} ({} of {})", self.done.len() + 1, self.planned);
        let started = Instant::now();
        let result = work();
        self.done.push((name, started.elapsed(), result.is_ok()));
        if let Err(error) = &result {
            println!("\nstep '{name}' failed: {error:#}");
            self.summary();
        }
        result.with_context(|| format!("step '{name}'"))
    }

    /// The table of steps and the closing line.
    pub(crate) fn summary(&self) {
        println!("\n=== summary");
        for (name, took, passed) in &self.done {
            println!(
                "{:4}  {:>7.1} s  {name}",
                if *passed { "ok" } else { "FAIL" },
                took.as_secs_f64()
            );
        }
        let failed = self.done.iter().filter(|(_, _, passed)| !passed).count();
        println!("total {:>7.1} s", self.started.elapsed().as_secs_f64());
        if self.done.len() < self.planned {
            println!("{} steps not run", self.planned - self.done.len());
        }
        println!(
            "steps: {} passed, {failed} failed",
            self.done.len() - failed
        );
    }
}
