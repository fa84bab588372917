//! The misbehaving peer of `sip-testkit` against the program: one role after the other, over UDP and TCP, all sins
//! at once.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::Case;
use crate::interop::{
    capture::Judge,
    namespace::HOST,
    process::{Process, wait_until},
    scene::{Scene, text},
    server::{self, Server},
};
use crate::{robustness::sins, shell};

pub(crate) const CASES: &[Case] = &[
    Case::new("misbehaving", "server", |scene| {
        serve(
            scene,
            &["registrar", "proxy", "proxy-callee", "notifier"],
            "",
        )
    }),
    Case::new("misbehaving", "redirect", |scene| {
        serve(scene, &["redirect"], "[proxy]\nredirect = true\n")
    }),
    Case::new("misbehaving", "callee", answer),
    Case::new("misbehaving", "caller", call),
];

const DOMAIN: &str = "example.test";
const PORT: u16 = 5060;
const ADMIN: u16 = 8060;
const LIMIT: Duration = Duration::from_secs(20);
/// The peers take fifty seconds, on a machine that has nothing else to do.
const ALL: Duration = Duration::from_secs(180);
/// After that, whatever ends by itself has ended: 64 T1, twice, and Timer D.
const ENDS: Duration = Duration::from_secs(120);
/// What it sends is judged by the validator: what it passes on is not its own.
const ODD: Judge = Judge::sent_from(1);

/// Starts the peers for these roles; each over UDP and TCP.
fn sin(scene: &Scene, roles: &[&str], further: &[&str]) -> Result<()> {
    let program = shell::target_dir().join("debug/misbehaving");
    if !program.is_file() {
        shell::run(shell::cargo().args([
            "build",
            "--package",
            "sip-testkit",
            "--bin",
            "misbehaving",
        ]))?;
    }
    let subject = SocketAddr::new(HOST, PORT).to_string();
    let mut wrong = Vec::new();
    // One role after the other: all peers have one address, and a server refuses a source that wants too much at once.
    for role in roles {
        let mut peers: Vec<(&str, Process)> = Vec::new();
        for wire in ["udp", "tcp"] {
            let mut command = Command::new(&program);
            command
                .args(["--role", role, "--wire", wire, "--subject", &subject])
                .args(["--domain", DOMAIN])
                .args(further.iter().map(|word| word.replace("{wire}", wire)));
            let label = format!("{role}-{wire}");
            peers.push((wire, Process::spawn(&mut command, &label, &scene.dir)?));
        }
        for (wire, mut peer) in peers {
            let status = peer.wait(ALL)?;
            let printed = peer.stdout();
            sins::keep(role, wire, &printed)?;
            if !status.success() {
                let lines = printed.lines().filter(|line| !line.ends_with("\tok"));
                let lines: Vec<&str> = lines.take(12).collect();
                wrong.push(format!(
                    "{role} over {wire}: {}",
                    lines.join("\n          ")
                ));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n        "));
    }
    Ok(())
}

fn serve(scene: &mut Scene, roles: &[&str], config: &str) -> Result<String> {
    scene.judge = ODD;
    let file = scene.path("sip.toml");
    fs::write(&file, config)?;
    let admin = SocketAddr::from(([127, 0, 0, 1], ADMIN));
    let options = [
        "--config",
        text(&file)?,
        "--domain",
        DOMAIN,
        "--danger-without-authentication",
        "--admin",
        &admin.to_string(),
    ];
    let mut server = Server::start_with(scene, &[("nobody", "secret")], &options)?;
    let before = resident(&server)?;
    sin(scene, roles, &[]).with_context(|| format!("serve{}", server.process.tail()))?;
    wait_until("the server to be as it was", ENDS, || {
        server.process.still_runs()?;
        Ok(is_idle(&metrics(admin)?).then_some(()))
    })
    .with_context(|| metrics(admin).unwrap_or_default())?;
    server.answers()?;
    let after = resident(&server)?;
    let mut process = server.process;
    process.stop(LIMIT)?;
    Ok(format!(
        "{} roles over UDP and TCP; nothing is left; {before} KiB resident before, {after} after",
        roles.len()
    ))
}

/// The figures that have to be none again.
fn is_idle(metrics: &str) -> bool {
    let mut known = 0;
    for line in metrics.lines() {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        if [
            "sip_transactions",
            "sip_proxied_requests",
            "sip_name_lookups",
        ]
        .contains(&name)
        {
            known += 1;
            if !line.ends_with(" 0") {
                return false;
            }
        }
    }
    known == 4
}

fn metrics(admin: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn resident(server: &Server) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process.id()))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

fn answer(scene: &mut Scene) -> Result<String> {
    // All that leaves it is its own.
    scene.judge = Judge::sent_from(PORT).with_resends();
    let (udp, tcp) = (format!("udp:{HOST}:{PORT}"), format!("tcp:{HOST}:{PORT}"));
    let arguments = [
        "answer",
        "--no-register",
        "--listen",
        &udp,
        "--listen",
        &tcp,
        "--duration",
        "60",
    ];
    let mut process = scene.sip("answer", &arguments)?;
    wait_until("sip answer to listen", LIMIT, || {
        process.still_runs()?;
        server::options(SocketAddr::new(HOST, PORT), Duration::from_millis(300))
    })?;
    sin(scene, &["callee"], &[])?;
    process.still_runs()?;
    process.interrupt();
    process.wait(LIMIT)?;
    Ok("over UDP and TCP".to_owned())
}

fn call(scene: &mut Scene) -> Result<String> {
    scene.judge = ODD;
    let command = format!(
        "{} call {{target}} --transport {{wire}} --listen {{wire}}:{HOST}:0 --ring-timeout 15 --duration 2",
        text(scene.program())?
    );
    sin(scene, &["caller"], &["--call", &command])?;
    Ok("over UDP and TCP".to_owned())
}

#[cfg(test)]
mod tests {
    use super::is_idle;

    #[test]
    fn a_server_is_idle_when_all_four_figures_are_none() {
        let idle = "sip_transactions{side=\"client\"} 0\nsip_transactions{side=\"server\"} 0\n\
                    sip_proxied_requests 0\nsip_name_lookups 0\nsip_flows{kind=\"stream\"} 3\n";
        assert!(is_idle(idle));
        assert!(!is_idle(&idle.replace("requests 0", "requests 10")));
        assert!(!is_idle(""));
    }
}
