//! The program's commands against peers and the server: what they print, and the exit codes that scripts rely on.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::Case;
use crate::interop::{namespace::HOST, process::Process, scene::Scene, server::Server, sipp::Sipp};

pub(crate) const CASES: &[Case] = &[
    Case::new("program", "ping", ping),
    Case::new("program", "message", message),
    Case::new("program", "register", register),
    Case::new("program", "dtmf", dtmf),
    Case::new("program", "exit-codes", exit_codes),
];

const PATIENCE: Duration = Duration::from_secs(20);

/// One JSON object per line, each with an event; returns the first with this event.
fn event(process: &Process, name: &str) -> Result<serde_json::Value> {
    for line in process.stdout().lines() {
        let value: serde_json::Value = serde_json::from_str(line).with_context(|| {
            format!("{} printed a line that is not JSON: {line}", process.label)
        })?;
        if value.get("event").and_then(serde_json::Value::as_str) == Some(name) {
            return Ok(value);
        }
    }
    bail!(
        "{} printed no event '{name}'{}",
        process.label,
        process.tail()
    )
}

fn ping(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[])?;
    for transport in ["udp", "tcp"] {
        let target = format!("sip:{HOST};transport={transport}");
        let mut ping = scene.sip(
            &format!("ping-{transport}"),
            &[
                "ping",
                &target,
                "--count",
                "2",
                "--interval",
                "0.1",
                "--json",
            ],
        )?;
        ping.success(PATIENCE)?;
        let pong = event(&ping, "ping")?;
        if pong.get("status").and_then(serde_json::Value::as_u64) != Some(200) {
            bail!("ping over {transport} got {pong}");
        }
    }
    server.process.stop(PATIENCE)?;
    Ok("answered over udp and tcp".to_owned())
}

fn message(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[("alice", "alice-secret"), ("bob", "bob-secret")])?;
    let mut callee = Sipp::file("uas", "uas_message.xml", 5090)
        .calls(1)
        .start(scene)?;
    Sipp::file("register", "register.xml", 5071)
        .to(Server::address())
        .key("contact_port", "5090")
        .users(scene, &[("bob", "bob-secret")])?
        .calls(1)
        .run(scene)?;
    let arguments = [
        "message",
        &format!("sip:bob@{HOST}"),
        "Grüße aus der Leitung",
        "--from",
        &format!("sip:alice@{HOST}"),
        "--json",
    ];
    let mut message = scene.sip_as("message", "alice-secret", &arguments)?;
    message.success(PATIENCE)?;
    callee.success(PATIENCE)?;
    server.process.stop(PATIENCE)?;
    Ok("a text in UTF-8 through the proxy to SIPp".to_owned())
}

fn register(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[("alice", "alice-secret")])?;
    let aor = format!("sip:alice@{HOST}");
    let mut once = scene.sip_as(
        "once",
        "alice-secret",
        &["register", &aor, "--once", "--json"],
    )?;
    once.success(PATIENCE)?;
    let registered = event(&once, "registered")?;
    if registered
        .get("bindings")
        .and_then(serde_json::Value::as_array)
        .is_none_or(Vec::is_empty)
    {
        bail!("registered, and no binding is listed: {registered}");
    }
    // One that stays takes its binding away again when it is interrupted.
    let mut stays = scene.sip_as("stays", "alice-secret", &["register", &aor, "--json"])?;
    stays.says("\"registered\"", PATIENCE)?;
    stays.interrupt();
    let status = stays.wait(PATIENCE)?;
    if !matches!(status.code(), Some(0 | 130)) {
        bail!(
            "an interrupted 'sip register' ended with {status}{}",
            stays.tail()
        );
    }
    let mut remove = scene.sip_as(
        "remove",
        "alice-secret",
        &["register", &aor, "--remove", "--json"],
    )?;
    remove.success(PATIENCE)?;
    server.process.stop(PATIENCE)?;
    Ok("once, staying until interrupted, and removed".to_owned())
}

/// Digits sent by one telephone arrive at the other as RFC 4733 events.
fn dtmf(scene: &mut Scene) -> Result<String> {
    let listen = format!("udp:{HOST}:5080");
    let mut answer = scene.sip(
        "answer",
        &["answer", "--listen", &listen, "--calls", "1", "--json"],
    )?;
    answer.says("\"listening\"", PATIENCE)?;
    let target = format!("sip:{HOST}:5080");
    let mut call = scene.sip(
        "call",
        &[
            "call",
            &target,
            "--dtmf",
            "15#",
            "--duration",
            "3",
            "--json",
        ],
    )?;
    call.success(PATIENCE)?;
    answer.success(PATIENCE)?;
    let digits: String = answer
        .stdout()
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|value| value.get("event").and_then(serde_json::Value::as_str) == Some("dtmf"))
        .filter_map(|value| {
            value
                .get("digit")
                .and_then(serde_json::Value::as_str)
                .map(str::to_owned)
        })
        .collect();
    if digits != "15#" {
        bail!("sent 15#, and '{digits}' arrived{}", answer.tail());
    }
    Ok("15# arrived".to_owned())
}

fn exit_codes(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[("alice", "alice-secret"), ("bob", "bob-secret")])?;
    let (alice, bob) = (format!("sip:alice@{HOST}"), format!("sip:bob@{HOST}"));
    let listen = format!("udp:{HOST}:5080");
    let busy = format!("sip:{HOST}:5080");
    let mut refuses = scene.sip("busy", &["answer", "--listen", &listen, "--busy", "--json"])?;
    refuses.says("\"listening\"", PATIENCE)?;
    let nobody = format!("sip:nobody@{HOST}");
    let silent = format!("sip:{HOST}:5099");
    let expectations: [(&str, i32, &str, Vec<&str>); 6] = [
        ("busy-callee", 5, "", vec!["call", &busy]),
        (
            "unknown-user",
            7,
            "alice-secret",
            vec!["call", &nobody, "--from", &alice],
        ),
        (
            "not-registered",
            7,
            "alice-secret",
            vec!["call", &bob, "--from", &alice],
        ),
        (
            "wrong-password",
            6,
            "wrong",
            vec!["register", &alice, "--once"],
        ),
        (
            "nobody-there",
            3,
            "",
            vec!["ping", &silent, "--count", "1", "--timeout", "2"],
        ),
        ("usage", 2, "", vec!["call"]),
    ];
    for (label, code, password, arguments) in expectations {
        let mut process = scene.sip_as(label, password, &arguments)?;
        process.exits_with(code, PATIENCE)?;
        if process.stderr().trim().is_empty() && process.stdout().trim().is_empty() {
            bail!("{label} ended with {code} and said nothing");
        }
        if process.output().contains("panicked") {
            bail!("{label} panicked{}", process.tail());
        }
    }
    refuses.interrupt();
    refuses.wait(PATIENCE)?;
    server.process.stop(PATIENCE)?;
    // An OPTIONS to a port where nobody is, is sent again until it times out.
    scene.judge = crate::interop::capture::Judge::default().with_resends();
    Ok("busy 5, not found 7, not authorised 6, no answer 3, usage 2".to_owned())
}
