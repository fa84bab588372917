//! The misbehaving peer of `sip-testkit` against the program, one role after the other, and against Kamailio and baresip
//! beside it, all their roles at once; over UDP and TCP, all sins at once. Each role is sinned against from an address of its
//! own: a server refuses a source that wants too much at once.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{Case, black_box};
use crate::interop::{
    capture::Judge,
    namespace::{self, HOST},
    process::{Process, wait_until},
    scene::{Scene, text},
    server::{self, Server},
};
use crate::robustness::sins::{self, Subject};

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
    Case {
        needs_program: false,
        ..Case::new("misbehaving", "kamailio", kamailio)
    },
    Case {
        needs_program: false,
        ..Case::new("misbehaving", "baresip", baresip)
    },
];

const DOMAIN: &str = "example.test";
const PORT: u16 = 5060;
const ADMIN: u16 = 8060;
const LIMIT: Duration = Duration::from_secs(20);
/// The peers take fifty seconds, on a machine that has nothing else to do.
const ALL: Duration = Duration::from_secs(180);
/// What it sends is judged by the validator: what it passes on is not its own.
const ODD: Judge = Judge::sent_from(1);
/// As many calls as there are sins and honest peers.
const CALLS: u32 = 200;
/// Between the beginnings of two roles.
const APART: Duration = Duration::from_secs(3);
/// After that, whatever ends by itself has ended: 64 T1, twice, and Timer D.
const ENDS: Duration = Duration::from_secs(120);
/// Of the verdicts, what an implementation that is in use everywhere shares at least; else the verdicts are wrong.
const RIVALS_SHARE: usize = 60;

/// Somebody in one role, over one transport.
#[derive(Debug)]
struct Run<'c> {
    subject: Subject,
    role: &'static str,
    wire: &'static str,
    port: u16,
    /// The command that makes it call, with `{target}` and `{wire}`.
    call: &'c str,
}

/// These roles over both transports.
fn runs<'c>(
    subject: Subject,
    roles: &[(&'static str, u16)],
    call: &'c str,
) -> impl Iterator<Item = Run<'c>> {
    let run = move |&(role, port): &(&'static str, u16)| {
        ["udp", "tcp"].map(|wire| Run {
            subject,
            role,
            wire,
            port,
            call,
        })
    };
    roles.iter().flat_map(run).collect::<Vec<_>>().into_iter()
}

/// The address of the peers of a role.
fn from(place: usize) -> Result<IpAddr> {
    let last = u8::try_from(20 + place).context("so many roles are not thought of")?;
    let IpAddr::V4(host) = HOST else {
        bail!("the namespace is of IPv4")
    };
    let [a, b, c, _] = host.octets();
    Ok(Ipv4Addr::new(a, b, c, last).into())
}

/// Does all of it at once; what was not as expected, in lines.
fn sin<'c>(scene: &Scene, runs: impl Iterator<Item = Run<'c>>) -> Result<Vec<String>> {
    let program = sins::program()?;
    let mut peers: Vec<(Run<'c>, Process)> = Vec::new();
    for run in runs {
        // Both transports of a role share an address.
        let place = peers.len() / 2;
        let from = from(place)?;
        if peers.len().is_multiple_of(2) {
            namespace::add_address(from)?;
            // All of them begin with a burst.
            std::thread::sleep(APART);
        }
        let mut command = Command::new(&program);
        command
            .args(["--role", run.role, "--wire", run.wire])
            .args(["--subject", &SocketAddr::new(HOST, run.port).to_string()])
            .args(["--from", &from.to_string(), "--domain", DOMAIN]);
        if !run.call.is_empty() {
            command.args(["--call", &run.call.replace("{wire}", run.wire)]);
        }
        let label = format!("{}-{}", run.role, run.wire);
        peers.push((run, Process::spawn(&mut command, &label, &scene.dir)?));
    }
    let mut wrong = Vec::new();
    for (run, mut peer) in peers {
        let status = peer.wait(ALL)?;
        let printed = peer.stdout();
        // 2 says that it could not even begin.
        if !matches!(status.code(), Some(0 | 1)) {
            bail!("{} over {}: {status}{}", run.role, run.wire, peer.tail());
        }
        sins::keep(run.subject, run.role, run.wire, &printed)?;
        let lines = printed.lines().filter(|line| !line.ends_with("\tok"));
        wrong.extend(lines.map(|line| format!("{} over {}: {line}", run.role, run.wire)));
    }
    Ok(wrong)
}

fn serve(scene: &mut Scene, roles: &[&'static str], config: &str) -> Result<String> {
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
    let before = server.memory()?;
    // One role after the other: the verdicts are those of a server that has the time to answer.
    let mut wrong = Vec::new();
    for role in roles {
        wrong.extend(sin(scene, runs(Subject::Program, &[(role, PORT)], ""))?);
    }
    none(&wrong).with_context(|| format!("serve{}", server.process.tail()))?;
    wait_until("the server to be as it was", ENDS, || {
        server.process.still_runs()?;
        Ok(is_idle(&metrics(admin)?).then_some(()))
    })
    .with_context(|| metrics(admin).unwrap_or_default())?;
    server.answers()?;
    let after = server.memory()?;
    let mut process = server.process;
    process.stop(LIMIT)?;
    Ok(format!(
        "{} roles over UDP and TCP; nothing is left; {before} KiB resident before, {after} after",
        roles.len()
    ))
}

/// Fails with what was not as expected.
fn none(wrong: &[String]) -> Result<()> {
    if !wrong.is_empty() {
        let shown = wrong.get(..30).unwrap_or(wrong);
        bail!("{}", shown.join("\n        "));
    }
    Ok(())
}

fn answer(scene: &mut Scene) -> Result<String> {
    // All that leaves it is its own.
    scene.judge = Judge::sent_from(PORT).with_resends();
    let (udp, tcp) = listen(PORT);
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
    listens(&mut process, PORT)?;
    none(&sin(
        scene,
        runs(Subject::Program, &[("callee", PORT)], ""),
    )?)?;
    process.still_runs()?;
    process.interrupt();
    process.wait(LIMIT)?;
    Ok("over UDP and TCP".to_owned())
}

fn call(scene: &mut Scene) -> Result<String> {
    scene.judge = ODD;
    let call = format!(
        "{} call {{target}} --transport {{wire}} --listen {{wire}}:{HOST}:0 --ring-timeout 15 --duration 2",
        text(scene.program())?
    );
    none(&sin(
        scene,
        runs(Subject::Program, &[("caller", 0)], &call),
    )?)?;
    Ok("over UDP and TCP".to_owned())
}

fn listen(port: u16) -> (String, String) {
    (format!("udp:{HOST}:{port}"), format!("tcp:{HOST}:{port}"))
}

fn listens(process: &mut Process, port: u16) -> Result<()> {
    wait_until("an answer to OPTIONS", LIMIT, || {
        process.still_runs()?;
        server::options(SocketAddr::new(HOST, port), Duration::from_millis(300))
    })
    .with_context(|| process.tail())?;
    Ok(())
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

/// What others make of it stands beside ours; they need not share every verdict.
fn compare<'c>(scene: &Scene, runs: impl Iterator<Item = Run<'c>>) -> Result<String> {
    let runs: Vec<Run<'c>> = runs.collect();
    let columns: Vec<_> = runs
        .iter()
        .map(|run| (run.subject, run.role, run.wire))
        .collect();
    sin(scene, runs.into_iter())?;
    let (mut shared, mut all) = (0, 0);
    for (subject, role, wire) in columns {
        let (same, count) = sins::shared(subject, role, wire)?;
        (shared, all) = (shared + same, all + count);
    }
    if shared * 100 < all * RIVALS_SHARE {
        bail!("only {shared} of {all} verdicts are the expected ones");
    }
    Ok(format!("{shared} of {all} verdicts are the expected ones"))
}

fn kamailio(scene: &mut Scene) -> Result<String> {
    // It is not our program that is judged.
    scene.judge = ODD;
    let mut process = black_box::start_kamailio(scene)?;
    let roles = [("registrar", PORT), ("proxy", PORT), ("proxy-callee", PORT)];
    let told = compare(scene, runs(Subject::Kamailio, &roles, ""))?;
    process
        .still_runs()
        .context("Kamailio did not survive it")?;
    process.interrupt();
    process.wait(LIMIT)?;
    Ok(told)
}

fn baresip(scene: &mut Scene) -> Result<String> {
    scene.judge = ODD;
    let mut process = black_box::start_baresip(scene, CALLS)?;
    // Forty of it call at once, each from a directory and a port of its own, for as long as a call may ring.
    let script = scene.path("call.sh");
    let of_callers = black_box::baresip(scene, "caller", 0, CALLS)?;
    fs::write(
        &script,
        format!(
            "directory=$(mktemp -d -p '{dir}')\ncp -r '{of_callers}'/. \"$directory\"\n\
             exec baresip -f \"$directory\" -e \"/dial $1;transport=$2\" -t 25\n",
            dir = text(&scene.dir)?
        ),
    )?;
    let call = format!("sh {} {{target}} {{wire}}", text(&script)?);
    let all = runs(Subject::Baresip, &[("callee", PORT)], "").chain(runs(
        Subject::Baresip,
        &[("caller", 0)],
        &call,
    ));
    let told = compare(scene, all)?;
    process.still_runs().context("baresip did not survive it")?;
    Ok(told)
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
