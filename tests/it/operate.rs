//! `sip ctl`, reload and the service manager, as an operator meets them: whole processes on loopback.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
    admin: String,
}

impl Server {
    /// A server whose files, and whose administrative socket, are in a directory of the test.
    fn start(directory: &Path, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let admin = directory.join("admin.sock");
        let mut child = Command::new(env!("CARGO_BIN_EXE_sip"))
            .args(["serve", "--listen", "udp:127.0.0.1:0", "--admin"])
            .arg(&admin)
            .arg("--data")
            .arg(directory)
            .args(more)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut server = Self {
            child,
            lines,
            address: String::new(),
            admin: admin.to_str().unwrap().to_owned(),
        };
        server.address = server.told("Listening on UDP ");
        server.told("Administration at ");
        server
    }

    fn told(&mut self, begin: &str) -> String {
        loop {
            let line = self.lines.next().unwrap().unwrap();
            if let Some(rest) = line.strip_prefix(begin) {
                return rest.to_owned();
            }
        }
    }

    fn ctl(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sip"))
            .args(["ctl", "--admin", &self.admin])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn says(&self, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.says(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said).unwrap()
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Phone {
    socket: UdpSocket,
    server: String,
}

impl Phone {
    fn new(server: &Server) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self {
            socket,
            server: server.address.clone(),
        }
    }

    fn send(&self, method: &str, number: u32, more: &str) {
        let here = self.socket.local_addr().unwrap();
        let text = format!(
            "{method} sip:alice@{0} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKo{number}{1}\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@{0}>;tag=a\r\nTo: <sip:alice@{0}>\r\nCall-ID: call-{number}\r\nCSeq: {number} {method}\r\n\
             {more}Content-Length: 0\r\n\r\n",
            self.server,
            here.port()
        );
        self.socket.send_to(text.as_bytes(), &self.server).unwrap();
    }

    /// The next final response, or request.
    fn heard(&self) -> String {
        let mut buffer = vec![0; 65536];
        loop {
            let (len, _) = self.socket.recv_from(&mut buffer).unwrap();
            let text = String::from_utf8(buffer[..len].to_vec()).unwrap();
            if !text.starts_with("SIP/2.0 1") {
                return text;
            }
        }
    }

    fn register(&self, number: u32) {
        let contact = format!(
            "Contact: <sip:alice@{}>\r\n",
            self.socket.local_addr().unwrap()
        );
        self.send("REGISTER", number, &contact);
        let answer = self.heard();
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }
}

#[test]
fn an_operator_lists_kicks_bans_traces_and_drains() {
    let directory = tempfile::tempdir().unwrap();
    let added = Command::new(env!("CARGO_BIN_EXE_sip"))
        .args(["user", "add", "alice", "--generate", "--data"])
        .arg(directory.path())
        .output()
        .unwrap();
    assert!(added.status.success());
    let mut server = Server::start(directory.path(), &["--danger-without-authentication"], &[]);
    let phone = Phone::new(&server);
    phone.register(1);
    let here = phone.socket.local_addr().unwrap().to_string();
    let status = server.json(&["status"]);
    assert_eq!(
        (&status["users"], &status["draining"]),
        (&1.into(), &false.into())
    );
    let listed = server.says(&["bindings"]);
    assert!(
        listed.starts_with("USER ") && listed.contains(&here),
        "{listed}"
    );
    assert_eq!(
        server.json(&["bindings", "alice"])["bindings"][0]["contact"],
        format!("sip:alice@{here}")
    );
    // Of a registration that was taken no transaction stays; of one that was refused one does.
    assert!(!server.says(&["transactions"]).contains("Completed"));
    phone.send("REGISTER", 2, "Require: nothing\r\n");
    assert!(phone.heard().starts_with("SIP/2.0 420"));
    assert!(server.says(&["transactions"]).contains("Completed"));
    let flows = server.json(&["flows"]);
    let flow = flows["flows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|flow| flow["peer"] == here.as_str())
        .unwrap();
    server.says(&["close", flow["id"].as_str().unwrap()]);
    assert_eq!(
        server
            .ctl(&["close", flow["id"].as_str().unwrap()])
            .status
            .code(),
        Some(7)
    );
    assert_eq!(server.ctl(&["close", "x"]).status.code(), Some(4));

    server.says(&["ban", "192.0.2.66", "--seconds", "60"]);
    let bans = server.json(&["bans"]);
    assert_eq!(
        (&bans["bans"][0]["address"], &bans["bans"][0]["cause"]),
        (&"192.0.2.66".into(), &"operator".into())
    );
    server.says(&["unban", "192.0.2.66"]);
    assert_eq!(server.ctl(&["unban", "192.0.2.66"]).status.code(), Some(7));
    assert_eq!(
        server.ctl(&["ban", "127.0.0.1"]).status.code(),
        Some(4),
        "trusted"
    );
    assert_eq!(
        server.json(&["gateways"])["gateways"],
        Value::Array(Vec::new())
    );
    assert_eq!(
        server.ctl(&["reload"]).status.code(),
        Some(4),
        "there is no file"
    );

    // A call to alice rings, and somebody watches.
    let mut trace = Command::new(env!("CARGO_BIN_EXE_sip"))
        .args([
            "ctl",
            "--admin",
            &server.admin,
            "--json",
            "trace",
            "--call-id",
            "call-7",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let traces = || server.says(&["metrics"]).contains("\nsip_traces 1\n");
    while !traces() {}
    let caller = Phone::new(&server);
    caller.send("OPTIONS", 6, "");
    assert!(phone.heard().starts_with("OPTIONS "));
    caller.send(
        "INVITE",
        7,
        &format!(
            "Contact: <sip:c@{}>\r\n",
            caller.socket.local_addr().unwrap()
        ),
    );
    let invite = phone.heard();
    assert!(invite.starts_with("INVITE "), "{invite}");
    let calls = server.json(&["calls"]);
    assert!(
        calls["calls"]
            .as_array()
            .unwrap()
            .iter()
            .any(|call| call["call_id"] == "call-7" && call["branches"] == 1),
        "{calls}"
    );
    let mut lines = BufReader::new(trace.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let first = next();
    assert_eq!(
        (&first["direction"], &first["call_id"]),
        (&"received".into(), &"call-7".into())
    );
    assert!(
        first["message"]
            .as_str()
            .unwrap()
            .contains("CSeq: 7 INVITE\r\n")
    );
    let second = next();
    assert_eq!(second["direction"], "sent");
    trace.kill().unwrap();
    trace.wait().unwrap();

    server.says(&["kick", "alice"]);
    assert_eq!(
        server.json(&["bindings"])["bindings"],
        Value::Array(Vec::new())
    );
    server.says(&["drain"]);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(!Path::new(&server.admin).exists());
    let output = server.ctl(&["status"]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_gateway_that_answers_nothing_is_down_and_a_wrong_file_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = UdpSocket::bind("127.0.0.1:0").unwrap();
    gateway
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let uri = format!("sip:{}", gateway.local_addr().unwrap());
    let path = directory.path().join("sip.toml");
    let write = |text: &str| {
        std::fs::File::create(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    };
    write(&format!(
        "[[route]]\nprefix = \"9\"\nto = \"{uri}\"\nprobe = 1\n"
    ));
    let server = Server::start(directory.path(), &["--config", path.to_str().unwrap()], &[]);
    // It is asked, and answers.
    let mut buffer = vec![0; 65536];
    let (len, from) = gateway.recv_from(&mut buffer).unwrap();
    let text = String::from_utf8(buffer[..len].to_vec()).unwrap();
    assert!(
        text.starts_with(&format!("OPTIONS {uri} SIP/2.0\r\n")),
        "{text}"
    );
    let fields: String = text
        .split("\r\n")
        .filter(|line| {
            ["Via:", "From:", "To:", "Call-ID:", "CSeq:"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .map(|line| format!("{line}\r\n"))
        .collect();
    let answer = format!("SIP/2.0 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
    gateway.send_to(answer.as_bytes(), from).unwrap();
    while server.json(&["gateways"])["gateways"][0]["status"] != 200 {}
    assert_eq!(server.json(&["gateways"])["gateways"][0]["up"], true);
    assert!(
        server
            .says(&["metrics"])
            .contains(&format!("sip_gateway_up{{uri=\"{uri}\"}} 1\n"))
    );

    write("[[route]]\nprefix = \"9\"\n");
    let refused = server.ctl(&["reload"]);
    assert_eq!(refused.status.code(), Some(4));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("sip.toml:1:1: route: say what is done"),
        "{said}"
    );
    assert_eq!(
        server.json(&["gateways"])["gateways"][0]["uri"],
        uri.as_str()
    );
    write("[sources]\nrate = 5\n");
    let said = server.says(&["reload"]);
    assert!(said.contains("0 routes now."), "{said}");
    assert_eq!(
        server.json(&["gateways"])["gateways"],
        Value::Array(Vec::new())
    );
}

#[test]
#[cfg(target_os = "linux")]
fn the_service_manager_is_told() {
    use std::os::unix::net::UnixDatagram;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let heard = || {
        let mut buffer = [0; 1024];
        let len = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    };
    let until = |what: &str| {
        loop {
            let text = heard();
            if text.contains(what) {
                return text;
            }
        }
    };
    let file = directory.path().join("sip.toml");
    std::fs::write(&file, "").unwrap();
    let environment = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "300000"),
    ];
    let mut server = Server::start(
        directory.path(),
        &["--config", file.to_str().unwrap()],
        &environment,
    );
    assert!(heard().contains("READY=1"));
    until("WATCHDOG=1");
    until("WATCHDOG=1");
    server.signal("-HUP");
    assert!(until("RELOADING=1").contains("MONOTONIC_USEC="));
    until("READY=1");
    server.signal("-TERM");
    until("STOPPING=1");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}
