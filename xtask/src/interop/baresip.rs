//! baresip: a telephone, with a WAV file for a microphone.

use std::{fs, io::Write as _, net::TcpStream, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{
    audio,
    namespace::HOST,
    process::Process,
    scene::{Scene, text},
};

/// Its commands are taken at this port above that of its calls.
const CONTROL: u16 = 10_000;
const MODULES: &str = "/usr/lib/baresip/modules";

/// A telephone to be started.
#[derive(Clone, Debug)]
pub(crate) struct Telephone<'a> {
    pub(crate) name: &'a str,
    /// Registers with this password; without one it only listens.
    pub(crate) password: Option<&'a str>,
    pub(crate) port: u16,
    pub(crate) tcp: bool,
    /// TLS instead: the file with the certificates that it trusts.
    pub(crate) tls: Option<&'a std::path::Path>,
    /// Dials this at once.
    pub(crate) dial: Option<&'a str>,
    /// What it says.
    pub(crate) seed: u64,
}

/// A running telephone.
#[derive(Debug)]
pub(crate) struct Baresip {
    pub(crate) process: Process,
    dir: PathBuf,
    /// What it says into the call.
    pub(crate) said: Vec<i16>,
    control: u16,
}

impl Telephone<'_> {
    /// Start it; when it registers, it has registered when this returns.
    pub(crate) fn start(&self, scene: &Scene) -> Result<Baresip> {
        let dir = scene.path(self.name);
        fs::create_dir_all(&dir)?;
        // Longer than any case: at the end of its file a telephone falls silent.
        let (voice, said) = scene.speech(&format!("{}/voice.wav", self.name), self.seed, 30)?;
        let module_path = if std::path::Path::new(MODULES).is_dir() {
            MODULES
        } else {
            bail!("no modules in {MODULES}")
        };
        // baresip 1.0 has no player that writes a file; its filter `sndfile` writes what was decoded.
        let config = format!(
            "poll_method epoll\nsip_listen {HOST}:{port}\naudio_source aufile,{voice}\nausrc_srate 8000\nauplay_srate 8000\n\
             net_af ipv4\nrtp_ports 20000-29999\nsnd_path {dir}\nmodule_path {module_path}\n\
             ctrl_tcp_listen {HOST}:{control}\n\
             module account.so\nmodule g711.so\nmodule aufile.so\nmodule sndfile.so\nmodule_app ctrl_tcp.so\nmodule_app menu.so\n",
            port = self.port,
            control = self.port + CONTROL,
            voice = text(&voice)?,
            dir = text(&dir)?,
        );
        let secure = match self.tls {
            Some(trusted) => format!(
                "sip_cafile {}\nsip_verify_server yes\nsip_transports udp,tcp,tls\n",
                text(trusted)?
            ),
            None => String::new(),
        };
        fs::write(dir.join("config"), config + &secure)?;
        fs::write(dir.join("contacts"), "")?;
        let transport = match (self.tls, self.tcp) {
            (Some(_), _) => ";transport=tls",
            (None, true) => ";transport=tcp",
            (None, false) => "",
        };
        let account = match self.password {
            Some(password) => format!(
                "<sip:{}@{HOST}{transport}>;auth_pass={password};regint=600;answermode=auto\n",
                self.name
            ),
            None => format!(
                "<sip:{}@{HOST}{transport}>;regint=0;answermode=auto\n",
                self.name
            ),
        };
        fs::write(dir.join("accounts"), account)?;
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&dir);
        if let Some(target) = self.dial {
            command.args(["-e", &format!("/dial {target}")]);
        }
        let mut process = Process::spawn(&mut command, self.name, &scene.dir)?;
        process.says("baresip is ready.", Duration::from_secs(10))?;
        if self.password.is_some() {
            process
                .says("200 OK", Duration::from_secs(10))
                .context("baresip did not register")?;
        }
        Ok(Baresip {
            process,
            dir,
            said,
            control: self.port + CONTROL,
        })
    }
}

impl Baresip {
    /// Wait until a call has been set up, and until it has ended.
    pub(crate) fn talks(&mut self, limit: Duration) -> Result<()> {
        self.process.says("Call established", limit)?;
        self.process.says("terminated (duration", limit)
    }

    /// Has it do what its menu offers (a netstring with JSON, as its module `ctrl_tcp` takes it).
    pub(crate) fn command(&self, command: &str, parameters: &str) -> Result<()> {
        let text = serde_json::json!({ "command": command, "params": parameters }).to_string();
        let mut control = TcpStream::connect((HOST, self.control))
            .with_context(|| format!("{} takes no commands", self.process.label))?;
        write!(control, "{}:{text},", text.len())?;
        Ok(())
    }

    /// Hang up and end in an orderly way.
    pub(crate) fn quit(&mut self) -> Result<()> {
        self.process.interrupt();
        self.process.wait(Duration::from_secs(15)).map(|_| ())
    }

    /// What it heard in its only call.
    pub(crate) fn heard(&self) -> Result<Vec<i16>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with("-dec.wav") {
                files.push(path);
            }
        }
        match files.as_slice() {
            [file] => audio::read(file),
            [] => bail!("{} recorded no call", self.process.label),
            [..] => bail!("{} recorded {} calls", self.process.label, files.len()),
        }
    }
}
