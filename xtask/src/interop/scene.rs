//! What a case works with: its directory, its capture, and the program under test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{
    audio,
    capture::{Capture, Judge},
    process::Process,
};

/// How long a command of ours may take that talks to nobody.
const LOCAL: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) dir: PathBuf,
    program: PathBuf,
    /// What the capture has to satisfy; a case that misbehaves on purpose says so here.
    pub(crate) judge: Judge,
    pub(crate) capture: Option<Capture>,
}

impl Scene {
    /// An empty directory and a running capture.
    pub(crate) fn open(dir: &Path, program: &Path) -> Result<Self> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        fs::create_dir_all(dir)?;
        let capture = Capture::start(dir)?;
        Ok(Self {
            dir: dir.to_path_buf(),
            program: program.to_path_buf(),
            judge: Judge::default(),
            capture: Some(capture),
        })
    }

    /// The program under test.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Start `sip` with these arguments, in a home of its own.
    pub(crate) fn sip(&self, label: &str, arguments: &[&str]) -> Result<Process> {
        self.sip_with(label, arguments, &[])
    }

    /// Start `sip` with a password in its environment.
    pub(crate) fn sip_as(
        &self,
        label: &str,
        password: &str,
        arguments: &[&str],
    ) -> Result<Process> {
        self.sip_with(label, arguments, &[("SIP_PASSWORD", password)])
    }

    fn sip_with(
        &self,
        label: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Process> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(&self.dir)
            .env_remove("SIP_PASSWORD")
            .env("HOME", &self.dir)
            .env("XDG_DATA_HOME", self.dir.join("share"))
            .env("RUST_BACKTRACE", "1")
            .envs(environment.iter().copied());
        Process::spawn(&mut command, label, &self.dir)
    }

    /// Run `sip` to its end and demand success.
    pub(crate) fn sip_done(&self, label: &str, arguments: &[&str]) -> Result<String> {
        let mut process = self.sip(label, arguments)?;
        process.success(LOCAL)?;
        Ok(process.stdout())
    }

    /// Write a WAV file of speech-like sound.
    pub(crate) fn speech(
        &self,
        name: &str,
        seed: u64,
        seconds: u32,
    ) -> Result<(PathBuf, Vec<i16>)> {
        let samples = audio::speech(seed, seconds);
        let path = self.path(name);
        audio::write(&path, &samples)?;
        Ok((path, samples))
    }

    /// End the capture before the case ends, to look into it.
    pub(crate) fn packets(&mut self) -> Result<PathBuf> {
        match self.capture.take() {
            Some(capture) => capture.stop(),
            None => {
                let file = self.path("packets.pcapng");
                if !file.is_file() {
                    bail!("there is no capture");
                }
                Ok(file)
            }
        }
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}
