//! SIPp calling SIPp through the release build, on loopback.

use std::{
    fs,
    net::UdpSocket,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{
    interop::process::{Process, resident, wait_until},
    shell,
};

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    /// The most calls a second that were all completed in a trial.
    pub(crate) maximum: Option<u32>,
    /// Calls a second in the long run.
    pub(crate) rate: u32,
    pub(crate) minutes: u32,
    pub(crate) calls: u32,
    /// Share of one core that the server took.
    pub(crate) cpu: f64,
    /// Seconds since the beginning, and resident KiB.
    pub(crate) memory: Vec<(u64, u64)>,
}

/// After this the pools are full: transactions stay for 32 s after their end.
const WARM: u64 = 90;

impl Found {
    /// The most memory in the first and in the second half of what is after the beginning.
    pub(crate) fn halves(&self) -> Option<(u64, u64)> {
        let warm: Vec<u64> = self
            .memory
            .iter()
            .filter(|(second, _)| *second >= WARM)
            .map(|(_, memory)| *memory)
            .collect();
        let (early, late) = warm.split_at(warm.len() / 2);
        Some((*early.iter().max()?, *late.iter().max()?))
    }

    /// Memory that grows is a fault: more than two percent, and more than a mebibyte, from one half to the other.
    pub(crate) fn judge(&self) -> Result<()> {
        let Some((early, late)) = self.halves() else {
            println!("too short to say whether memory grows");
            return Ok(());
        };
        println!(
            "resident memory: at most {early} KiB in the first half, {late} KiB in the second"
        );
        if late > early + (early / 50).max(1_024) {
            bail!("memory grew from {early} KiB to {late} KiB");
        }
        Ok(())
    }
}

struct Place {
    server: u16,
    callee: u16,
    caller: u16,
}

pub(crate) fn run(program: &Path, dir: &Path, minutes: u32, rate: Option<u32>) -> Result<Found> {
    let scratch = dir.join("calls");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    let place = Place {
        server: free_port()?,
        callee: free_port()?,
        caller: free_port()?,
    };
    let mut server = serve(program, &scratch, &place)?;
    let mut callee = callee(&scratch, &place)?;
    register(&place)?;
    let (maximum, rate) = match rate {
        Some(rate) => (None, rate),
        None => {
            let maximum = most(&scratch, &place)?;
            (Some(maximum), (maximum / 2).max(1))
        }
    };
    let calls = rate * minutes * 60;
    println!("{rate} calls a second for {minutes} minutes");
    let started = Instant::now();
    let before = ticks(server.id())?;
    let mut caller = call(&scratch, &place, rate, calls)?;
    let mut memory = Vec::new();
    let limit = Duration::from_secs(u64::from(minutes) * 60 + 120);
    let mut registered = Instant::now();
    while caller.status()?.is_none() {
        server.still_runs()?;
        callee.still_runs()?;
        if started.elapsed() > limit {
            bail!("SIPp did not end in time{}", caller.tail());
        }
        if registered.elapsed() > Duration::from_secs(600) {
            register(&place)?;
            registered = Instant::now();
        }
        memory.push((started.elapsed().as_secs(), resident(server.id())?));
        if memory.len() % 12 == 0
            && let Some((second, kib)) = memory.last()
        {
            println!("{second:>6} s  {kib} KiB");
        }
        thread::sleep(Duration::from_secs(5));
    }
    caller.success(Duration::from_secs(5))?;
    let cpu = (ticks(server.id())? - before) as f64 / 100.0 / started.elapsed().as_secs_f64();
    server.still_runs()?;
    Ok(Found {
        maximum,
        rate,
        minutes,
        calls,
        cpu,
        memory,
    })
}

/// Doubles the rate as long as every call of ten seconds is completed, without one that was repeated for long.
fn most(dir: &Path, place: &Place) -> Result<u32> {
    let mut best = 0;
    let mut rate = 100;
    while rate <= 12_800 {
        let mut caller = call(dir, place, rate, rate * 10)?;
        let passed = caller
            .wait(Duration::from_secs(20))
            .is_ok_and(|status| status.success());
        println!(
            "{rate:>6} calls a second: {}",
            if passed { "all completed" } else { "too many" }
        );
        if !passed {
            break;
        }
        best = rate;
        rate *= 2;
    }
    if best == 0 {
        bail!("not even 100 calls a second were completed");
    }
    // What was too many has to be over before the long run.
    thread::sleep(Duration::from_secs(40));
    Ok(best)
}

fn serve(program: &Path, dir: &Path, place: &Place) -> Result<Process> {
    let mut command = Command::new(program);
    command
        .args(["serve", "--memory", "--danger-without-authentication"])
        .args(["--domain", "127.0.0.1", "--data"])
        .arg(dir)
        .args(["--listen", &format!("udp:127.0.0.1:{}", place.server)]);
    let mut process = Process::spawn(&mut command, "serve", dir)?;
    process.says("Listening on", Duration::from_secs(20))?;
    Ok(process)
}

fn sipp(scenario: &str, port: u16) -> Command {
    let mut command = Command::new("sipp");
    command
        .arg("-sf")
        .arg(shell::root().join("xtask/interop").join(scenario))
        .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-nostdin"]);
    command
}

fn callee(dir: &Path, place: &Place) -> Result<Process> {
    let mut command = sipp("uas.xml", place.callee);
    command.args(["-d", "0", "-timeout", "7200"]);
    let mut process = Process::spawn(&mut command, "callee", dir)?;
    thread::sleep(Duration::from_millis(500));
    process.still_runs()?;
    Ok(process)
}

fn call(dir: &Path, place: &Place, rate: u32, calls: u32) -> Result<Process> {
    let mut command = sipp("soak_uac.xml", place.caller);
    command
        .arg(format!("127.0.0.1:{}", place.server))
        .args(["-key", "callee", "bob"])
        .args(["-r", &rate.to_string(), "-m", &calls.to_string()])
        .args(["-l", &(rate * 20).to_string(), "-d", "1000"]);
    Process::spawn(&mut command, "caller", dir)
}

/// The callee's binding.
fn register(place: &Place) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let local = socket.local_addr()?;
    let stamp = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_millis();
    let request = format!(
        "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{stamp};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:bob@127.0.0.1>;tag=1\r\nTo: <sip:bob@127.0.0.1>\r\nCall-ID: soak-{stamp}\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:bob@127.0.0.1:{callee}>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n",
        callee = place.callee
    );
    wait_until(
        "the callee to be registered",
        Duration::from_secs(10),
        || {
            socket.send_to(request.as_bytes(), ("127.0.0.1", place.server))?;
            let mut buffer = [0; 2_048];
            match socket.recv(&mut buffer) {
                Ok(length)
                    if buffer
                        .get(..length)
                        .is_some_and(|bytes| bytes.starts_with(b"SIP/2.0 200")) =>
                {
                    Ok(Some(()))
                }
                Ok(_) | Err(_) => Ok(None),
            }
        },
    )
}

fn free_port() -> Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Hundredths of a second of processor time.
fn ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("no name in stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field =
        |place: usize| -> Result<u64> { Ok(fields.get(place).context("a short stat")?.parse()?) };
    Ok(field(11)? + field(12)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(memory: &[u64]) -> Found {
        Found {
            maximum: Some(800),
            rate: 400,
            minutes: 20,
            calls: 480_000,
            cpu: 0.3,
            memory: memory
                .iter()
                .enumerate()
                .map(|(place, &kib)| (place as u64 * 60, kib))
                .collect(),
        }
    }

    #[test]
    fn memory_that_grows_is_a_fault_and_its_beginning_is_not() {
        let flat = found(&[1_000, 30_000, 40_000, 40_100, 40_050, 40_200, 40_100]);
        assert_eq!(flat.halves(), Some((40_100, 40_200)));
        assert!(flat.judge().is_ok());
        let grows = found(&[1_000, 30_000, 40_000, 42_000, 44_000, 46_000, 48_000]);
        assert!(grows.judge().is_err());
    }
}
