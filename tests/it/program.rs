//! The program `sip` as a script sees it: exit codes, one line of error, JSON.

use std::process::{Command, Output, Stdio};

fn sip(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sip"))
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("SIP_PASSWORD")
        .output()
        .unwrap()
}

/// Runs it and checks the exit code, and that standard error is one line that contains `said`.
fn check(arguments: &[&str], code: i32, said: &str) {
    let output = sip(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(error.contains(said), "{arguments:?}: {error}");
    assert!(!error.contains("panicked"), "{error}");
}

#[test]
fn a_command_line_without_sense_is_explained() {
    check(&["call"], 2, "<TARGET>");
    check(
        &["call", "bob@", "--listen", "udp:127.0.0.1:0"],
        2,
        "not a SIP address",
    );
    check(
        &["ping", "sip:127.0.0.1", "--listen", "ip:1"],
        2,
        "no transport",
    );
    check(
        &["call", "sip:127.0.0.1", "--play", "missing.wav"],
        2,
        "missing.wav",
    );
    check(
        &["call", "sip:127.0.0.1", "--codec", "MP3"],
        2,
        "PCMU and PCMA",
    );
    check(&["call", "sip:127.0.0.1", "--dtmf", "12x"], 2, "no key");
    check(
        &["--log", "a=b=c", "ping", "sip:127.0.0.1"],
        2,
        "not a filter",
    );
}

#[test]
fn nobody_there_is_no_answer() {
    // Port 9 of the loopback address: discard, which nothing listens on.
    let arguments = [
        "ping",
        "sip:127.0.0.1:9",
        "--listen",
        "udp:127.0.0.1:0",
        "--timeout",
        "2",
        "--json",
    ];
    let output = sip(&arguments);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(
        (last["event"].as_str(), last["exit"].as_u64()),
        (Some("error"), Some(3))
    );
}

#[test]
fn users_are_kept_without_their_passwords() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let added = sip(&["user", "add", "alice", "--generate", "--data", data]);
    assert!(added.status.success());
    let said = String::from_utf8(added.stdout).unwrap();
    let password = said
        .lines()
        .find_map(|line| line.strip_prefix("Password: "))
        .unwrap();
    let file = std::fs::read(directory.path().join("sip.redb")).unwrap();
    assert!(
        !file
            .windows(password.len())
            .any(|window| window == password.as_bytes())
    );
    let listed = sip(&["user", "list", "--data", data]);
    assert_eq!(String::from_utf8(listed.stdout).unwrap().trim(), "alice");
    check(
        &["user", "add", "alice", "--generate", "--data", data],
        1,
        "alice",
    );
    check(&["user", "remove", "bob", "--data", data], 1, "bob");
}

#[test]
fn a_configuration_is_checked_before_it_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sip.toml");
    let path = file.to_str().unwrap();
    let example = sip(&["config", "example"]);
    assert_eq!(example.status.code(), Some(0));
    std::fs::write(&file, &example.stdout).unwrap();
    let checked = sip(&["config", "check", path]);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(
        (checked.status.code(), said.contains("good")),
        (Some(0), true)
    );
    std::fs::write(&file, "domains = [\"example.com\"]\nlisten = [\"udp\"]\n").unwrap();
    for command in [
        &["config", "check", path][..],
        &["serve", "--config", path][..],
    ] {
        check(
            command,
            2,
            "sip.toml:2:11: listen: \"udp\" does not say where to listen",
        );
    }
    check(
        &["config", "check", "/nonexistent/sip.toml"],
        2,
        "/nonexistent/sip.toml: ",
    );
}

/// The answer of an HTTP server to a request without a body, whole.
fn http(address: &str, method: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn an_operator_sees_what_the_server_does_and_drains_it() {
    use std::io::BufRead as _;
    let directory = tempfile::tempdir().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_sip"))
        .args([
            "serve",
            "--listen",
            "udp:127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(server.stdout.take().unwrap()).lines();
    let mut told = |begin: &str| loop {
        let line = lines.next().unwrap().unwrap();
        if let Some(rest) = line.strip_prefix(begin) {
            return rest.to_owned();
        }
    };
    let sip_address = told("Listening on UDP ");
    let admin = told("Administration at http://");
    let admin = admin.split('/').next().unwrap();
    let ping = sip(&[
        "ping",
        &format!("sip:{sip_address}"),
        "--listen",
        "udp:127.0.0.1:0",
    ]);
    assert_eq!(ping.status.code(), Some(0));
    let metrics = http(admin, "GET", "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 "), "{metrics}");
    assert!(
        metrics.contains("sip_requests_total{transport=\"UDP\",method=\"OPTIONS\"} 1\n"),
        "{metrics}"
    );
    assert!(http(admin, "GET", "/healthz").ends_with("\r\n\r\nok\n"));
    assert!(http(admin, "GET", "/readyz").ends_with("\r\n\r\nready\n"));
    assert!(http(admin, "GET", "/bindings/alice").contains("\"bindings\":[]"));
    assert!(http(admin, "GET", "/nothing").starts_with("HTTP/1.1 404 "));
    assert!(http(admin, "GET", "/drain").starts_with("HTTP/1.1 405 "));
    assert!(http(admin, "POST", "/drain").starts_with("HTTP/1.1 202 "));
    assert_eq!(server.wait().unwrap().code(), Some(0));
    check(
        &[
            "serve",
            "--admin",
            "0.0.0.0:8060",
            "--listen",
            "udp:127.0.0.1:0",
        ],
        2,
        "loopback",
    );
}

#[cfg(unix)]
#[test]
fn routes_are_read_again_on_hangup_and_a_wrong_file_changes_nothing() {
    use nix::sys::signal::{Signal, kill};
    use std::io::BufRead as _;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sip.toml");
    let common = format!(
        "domains = [\"example.test\"]\nlisten = [\"udp:127.0.0.1:0\"]\ndata = {:?}\n",
        directory.path().to_str().unwrap()
    );
    std::fs::write(&file, &common).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_sip"))
        .args(["serve", "--config"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(server.id()).unwrap());
    let mut lines = std::io::BufReader::new(server.stdout.take().unwrap()).lines();
    let mut errors = std::io::BufReader::new(server.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().unwrap().unwrap();
        if let Some(rest) = line.strip_prefix("Listening on UDP ") {
            break rest.to_owned();
        }
    };
    // The last line before it serves.
    while !lines.next().unwrap().unwrap().starts_with("Ctrl-C") {}
    let target = format!("sip:7@{address}");
    let ping = || {
        sip(&["ping", &target, "--listen", "udp:127.0.0.1:0"])
            .status
            .code()
    };
    assert_eq!(ping(), Some(7), "404: no such user");

    std::fs::write(
        &file,
        format!("{common}[[route]]\nprefix = \"7\"\nreject = \"401\"\nx = 1\n"),
    )
    .unwrap();
    kill(pid, Signal::SIGHUP).unwrap();
    let error = errors.next().unwrap().unwrap();
    assert!(error.contains("sip.toml:7:1: unknown field `x`"), "{error}");
    assert!(error.contains("nothing is changed"), "{error}");
    assert_eq!(ping(), Some(7));

    std::fs::write(
        &file,
        format!("{common}[[route]]\nprefix = \"7\"\nreject = \"486 Lunch\"\n"),
    )
    .unwrap();
    kill(pid, Signal::SIGHUP).unwrap();
    assert!(
        lines
            .next()
            .unwrap()
            .unwrap()
            .ends_with("sip.toml: 1 route now.")
    );
    assert_eq!(ping(), Some(5), "486");
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn a_call_is_transferred_by_the_command_line() {
    use std::io::BufRead as _;
    // Whoever answers, and the address at which.
    let answering = |more: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_sip"))
            .args(["answer", "--listen", "udp:127.0.0.1:0", "--calls", "1"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(program.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let (_, address) = first.split_once("udp:").unwrap();
        (program, lines, format!("sip:{address}"))
    };
    let (mut carol, _, to_carol) = answering(&["--duration", "1"]);
    let (mut bob, bobs, to_bob) = answering(&["--accept-transfer"]);
    let output = sip(&[
        "call",
        &to_bob,
        "--transfer",
        &to_carol,
        "--transfer-after",
        "0.2",
        "--listen",
        "udp:127.0.0.1:0",
        "--json",
    ]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("\"event\":\"transferring\"")
            && told.contains("\"event\":\"transfer\"")
            && told.contains("200"),
        "{told}"
    );
    // Carol hangs up after a second, which ends both.
    assert_eq!(carol.wait().unwrap().code(), Some(0));
    assert_eq!(bob.wait().unwrap().code(), Some(0));
    let bobs: Vec<String> = bobs.map(Result::unwrap).collect();
    let said = |text: &str| bobs.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        (
            said("transferred to"),
            said("answered by"),
            said("ended by")
        ),
        (1, 2, 2),
        "{bobs:?}"
    );

    // Who does not take transfers says so, and the call goes on until it is ended.
    let (mut bob, _, to_bob) = answering(&[]);
    check(
        &[
            "call",
            &to_bob,
            "--transfer",
            &to_carol,
            "--listen",
            "udp:127.0.0.1:0",
        ],
        4,
        "405",
    );
    assert_eq!(bob.wait().unwrap().code(), Some(0));
    check(
        &[
            "call",
            &to_bob,
            "--transfer",
            "bob@",
            "--listen",
            "udp:127.0.0.1:0",
        ],
        2,
        "not a SIP address",
    );
}
