//! Spans at a collector of OpenTelemetry (feature `otel`): whole processes on loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(60));

/// A server that exports to a collector every 50 milliseconds, and a telephone that asks it.
struct Server {
    child: Child,
    address: String,
    admin: String,
    phone: UdpSocket,
    asked: u32,
    _directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(collector: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("sip.toml");
        let text = format!(
            "listen = [\"udp:127.0.0.1:0\"]\n[telemetry]\notlp = \"http://{collector}\"\n[overload]\ntarget-ms = 0\n[sources]\ntrusted = [\"127.0.0.0/8\"]\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_sip"))
            .args([
                "serve",
                "--danger-without-authentication",
                "--admin",
                "127.0.0.1:0",
                "--config",
            ])
            .arg(&config)
            .arg("--data")
            .arg(directory.path())
            .env("OTEL_BSP_SCHEDULE_DELAY", "50")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = |begin: &str| loop {
            let line = lines.next().unwrap().unwrap();
            if let Some(rest) = line.strip_prefix(begin) {
                return rest.to_owned();
            }
        };
        let address = told("Listening on UDP ");
        let admin = told("Administration at http://");
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.set_read_timeout(PATIENCE).unwrap();
        Self {
            child,
            address,
            admin,
            phone,
            asked: 0,
            _directory: directory,
        }
    }

    /// One request, which is answered.
    fn ask(&mut self) {
        self.asked += 1;
        let (here, address, number) = (self.phone.local_addr().unwrap(), &self.address, self.asked);
        let options = format!(
            "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKspan{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:a@{here}>;tag=a\r\nTo: <sip:{address}>\r\nCall-ID: the-call-of-the-span-{number}\r\n\
             CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        self.phone
            .send_to(options.as_bytes(), &self.address)
            .unwrap();
        let mut buffer = [0; 4096];
        let (len, _) = self.phone.recv_from(&mut buffer).unwrap();
        assert!(buffer[..len].starts_with(b"SIP/2.0 200 "));
    }

    fn lost(&self) -> u64 {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        stream.set_read_timeout(PATIENCE).unwrap();
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.admin
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("sip_spans_lost_total "));
        line.unwrap().parse().unwrap()
    }

    fn stop(&self) {
        let told = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(told.unwrap().success());
    }

    /// What it logged until it ended well.
    fn log(mut self) -> String {
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

/// Reads one request, answers it, and returns its first line, its fields and its body.
fn collect(stream: TcpStream) -> (String, Vec<String>, Vec<u8>) {
    stream.set_read_timeout(PATIENCE).unwrap();
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0);
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_ascii_lowercase()),
        }
    }
    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
    reader.get_mut().write_all(answer).unwrap();
    (lines.remove(0), lines, body)
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn a_collector_is_sent_spans_with_the_call_id() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = collector.local_addr().unwrap();
    let mut server = Server::start(at);
    server.ask();
    loop {
        let (stream, _) = collector.accept().unwrap();
        let (first, fields, body) = collect(stream);
        assert_eq!(first, "post /v1/traces http/1.1");
        let is_there = |field: &str| fields.iter().any(|known| known == field);
        assert!(
            is_there("content-type: application/x-protobuf"),
            "{fields:?}"
        );
        assert!(is_there(&format!("host: {at}")), "{fields:?}");
        assert!(contains(&body, "sip serve"), "the name of the service");
        if contains(&body, "call_id") && contains(&body, "the-call-of-the-span-1") {
            break;
        }
    }
    assert_eq!(server.lost(), 0);
    // What was not exported yet is when the server ends.
    server.ask();
    server.stop();
    loop {
        let (stream, _) = collector.accept().unwrap();
        if contains(&collect(stream).2, "the-call-of-the-span-2") {
            break;
        }
    }
    drop(collector);
    server.log();
}

#[test]
fn without_a_collector_spans_are_lost_and_it_is_said_once() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = collector.local_addr().unwrap();
    drop(collector);
    let mut server = Server::start(at);
    // Until several exports have failed.
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 4 {
        server.ask();
        seen.insert(server.lost());
    }
    server.stop();
    let log = server.log();
    assert_eq!(
        log.matches("the collector takes no spans").count(),
        1,
        "{log}"
    );
    assert!(!log.contains("takes spans again"), "{log}");
}

#[test]
fn a_collector_that_hangs_holds_nobody_up() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = Server::start(collector.local_addr().unwrap());
    server.ask();
    let (hanging, _) = collector.accept().unwrap();
    // More than may wait: every request is answered all the same.
    while server.lost() == 0 {
        for _ in 0..500 {
            server.ask();
        }
    }
    drop((hanging, collector));
    server.stop();
    let log = server.log();
    assert!(log.contains("the collector takes no spans"), "{log}");
}
