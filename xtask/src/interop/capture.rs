//! All packets of a case, and Wireshark's dissector as the judge of them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::process::{Process, wait_until};
use crate::shell;

/// `PI_ERROR` of Wireshark's expert information.
const ERROR: &str = "8388608";

/// What a case's capture has to satisfy: no malformed packet, no error, no retransmission, whoever sent it, unless
/// the case misbehaves on purpose.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Judge {
    /// Only what left this port is judged.
    pub(crate) sent_from: Option<u16>,
    /// Messages may be sent again: the case makes one side wait in vain.
    pub(crate) resends: bool,
}

impl Judge {
    /// The other side sends what is not SIP.
    pub(crate) const fn sent_from(port: u16) -> Self {
        Self {
            sent_from: Some(port),
            resends: false,
        }
    }

    /// One side waits in vain.
    pub(crate) const fn with_resends(self) -> Self {
        Self {
            resends: true,
            ..self
        }
    }
}

/// A running capture of the loopback device: traffic to any address of this machine passes there.
#[derive(Debug)]
pub(crate) struct Capture {
    file: PathBuf,
    dumpcap: Process,
}

impl Capture {
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        let file = dir.join("packets.pcapng");
        let mut command = Command::new("dumpcap");
        command.args(["-q", "-i", "lo", "-w"]).arg(&file);
        let mut dumpcap = Process::spawn(&mut command, "dumpcap", dir)?;
        dumpcap.says("File:", Duration::from_secs(10))?;
        Ok(Self { file, dumpcap })
    }

    /// Stop, once the packets that are under way have been written.
    pub(crate) fn stop(mut self) -> Result<PathBuf> {
        // dumpcap writes what the kernel hands it in batches; an early signal would lose the last of them.
        thread::sleep(Duration::from_millis(300));
        self.dumpcap.interrupt();
        self.dumpcap.wait(Duration::from_secs(10))?;
        wait_until("the capture file", Duration::from_secs(5), || {
            Ok(self.file.is_file().then_some(()))
        })?;
        Ok(self.file.clone())
    }
}

/// What the dissector found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) sip: usize,
    pub(crate) rtp: usize,
}

/// Read a capture and fail on what must not be in it.
pub(crate) fn judge(file: &Path, judge: Judge) -> Result<Verdict> {
    // SIP outside port 5060 is recognised by its first line, and RTP by the session descriptions in it.
    let all = fields(
        file,
        "sip or rtp or rtcp or _ws.malformed",
        &["frame.protocols"],
    )?;
    let count = |protocol: &str| {
        all.iter()
            .filter(|row| row.split(':').any(|part| part == protocol))
            .count()
    };
    let verdict = Verdict {
        sip: count("sip"),
        rtp: count("rtp"),
    };
    let from = judge.sent_from.map_or_else(String::new, |port| {
        format!(" and (udp.srcport == {port} or tcp.srcport == {port})")
    });
    let mut wrong = findings(file, "malformed", &format!("_ws.malformed{from}"))?;
    wrong.extend(findings(
        file,
        "error",
        &format!("_ws.expert.severity == {ERROR} and not _ws.malformed{from}"),
    )?);
    if !judge.resends {
        wrong.extend(findings(
            file,
            "retransmission",
            &format!("sip.resend == 1{from}"),
        )?);
    }
    if !wrong.is_empty() {
        let shown = wrong
            .iter()
            .take(8)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n        ");
        bail!(
            "tshark finds fault with {} packets:\n        {shown}",
            wrong.len()
        );
    }
    Ok(verdict)
}

fn findings(file: &Path, what: &str, filter: &str) -> Result<Vec<String>> {
    let columns = [
        "frame.number",
        "frame.time_relative",
        "sip.Request-Line",
        "sip.Status-Line",
        "_ws.expert.message",
    ];
    let rows = fields(file, filter, &columns)?;
    Ok(rows
        .into_iter()
        .map(|row| format!("{what}: {}", row.replace('\t', "  ")))
        .collect())
}

/// One line per packet that matches, with these fields separated by tabs.
pub(crate) fn fields(file: &Path, filter: &str, fields: &[&str]) -> Result<Vec<String>> {
    let mut command = Command::new("tshark");
    command
        .arg("-r")
        .arg(file)
        .args(["-n", "-Y", filter, "-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let text = shell::capture(&mut command).context("tshark cannot read the capture")?;
    Ok(text.lines().map(str::to_owned).collect())
}
