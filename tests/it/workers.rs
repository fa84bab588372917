//! A server with several workers: what they share, and what they hand to each other.
//!
//! The system chooses the worker of each sender, so these tests take as many senders as it needs until messages were handed over.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use sip_stack::agent::{Account, AgentError, CallEvent, CallOptions, DialEvent, UserAgent};
use sip_stack::message::{HeaderName, Message, ParserConfig, Request, Response, StatusCode};
use sip_stack::runtime::Workers;
use sip_stack::server::Server;
use sip_stack::users::Memory;

/// A server on a free port; its port, its workers, and what ends it.
async fn server(workers: u16) -> (u16, Workers, tokio::sync::oneshot::Sender<()>) {
    let mut users = Memory::new("example.test");
    for number in 0..16 {
        users = users.with(&format!("u{number}"), "secret");
    }
    let server = Server::builder()
        .workers(workers)
        .domain("example.test")
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .credentials(users)
        .patience(Duration::from_secs(2))
        .build()
        .await
        .unwrap();
    let port = server.addresses()[0].1.port();
    let handles = server.workers();
    assert_eq!(handles.handles().len(), usize::from(workers));
    let (stop, stopped) = tokio::sync::oneshot::channel();
    tokio::spawn(server.run_until(async {
        let _ = stopped.await;
    }));
    (port, handles, stop)
}

/// What was given, taken and dropped. What is on its way (the last ACK, say) is waited for: each question passes behind it.
/// The workers answer one after another, and what one gives after its answer another counts as taken before its own: such an
/// account is taken again too, until the two sides are of the same moment.
async fn handed(workers: &Workers) -> (u64, u64, u64) {
    let mut sum = (0, 0, 0);
    for _ in 0..1_000 {
        let all = workers.run(|state, _, _| state.handovers()).await.unwrap();
        sum = all.iter().fold((0, 0, 0), |(given, taken, dropped), one| {
            (given + one.given, taken + one.taken, dropped + one.dropped)
        });
        if sum.1 + sum.2 == sum.0 {
            break;
        }
    }
    sum
}

async fn phone(user: &str, port: u16) -> UserAgent {
    let account = Account::new(&format!("sip:{user}@127.0.0.1:{port}"))
        .unwrap()
        .password("secret");
    UserAgent::builder()
        .account(account)
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .request_timeout(Duration::from_secs(10))
        .build()
        .await
        .unwrap()
}

/// Registrations, calls both of which ends hang up, and calls that are given up, between telephones of all workers.
async fn telephones(count: u16) {
    let (port, workers, _stop) = server(count).await;
    for pair in 0..8 {
        let (caller, callee) = (format!("u{pair}"), format!("u{}", pair + 8));
        let (a, b) = (phone(&caller, port).await, phone(&callee, port).await);
        a.register().await.unwrap();
        b.register().await.unwrap();
        let answering = tokio::spawn(async move {
            let call = b.incoming().await.unwrap().accept().await.unwrap();
            call.hang_up().await.unwrap();
            // The second one rings until its caller gives up.
            let mut incoming = b.incoming().await.unwrap();
            incoming.ring().await.unwrap();
            incoming.cancelled().await;
        });
        let target = format!("sip:{callee}@127.0.0.1:{port}");
        let mut call = a.call(&target).await.unwrap();
        while !matches!(call.event().await, CallEvent::Ended { .. }) {}
        let mut dialing = a.dial(&target, CallOptions::new()).await.unwrap();
        loop {
            match dialing.event().await {
                DialEvent::Progress { status } if status == StatusCode::RINGING => break,
                DialEvent::Progress { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        dialing.cancel().await;
        loop {
            match dialing.event().await {
                DialEvent::Progress { .. } => {}
                DialEvent::Failed(AgentError::Ended) => break,
                other => panic!("{other:?}"),
            }
        }
        answering.await.unwrap();
    }
    let (given, taken, dropped) = handed(&workers).await;
    assert!(given > 0, "sixteen telephones on one worker");
    assert_eq!((taken, dropped), (given, 0));
    let requests = workers
        .run(|state, _, _| {
            let counts = state.stack.counts().requests();
            counts.map(|(_, _, count)| count).sum::<u64>()
        })
        .await
        .unwrap();
    assert!(
        requests.iter().filter(|one| **one > 0).count() > 1,
        "{requests:?}"
    );
}

#[tokio::test]
async fn calls_and_registrations_pass_through_two_workers() {
    telephones(2).await;
}

#[tokio::test]
async fn calls_and_registrations_pass_through_four_workers() {
    telephones(4).await;
}

/// A socket that speaks for itself.
struct Raw(UdpSocket);

impl Raw {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Self(socket)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    fn send(&self, text: &str, port: u16) {
        self.0
            .send_to(text.as_bytes(), ("127.0.0.1", port))
            .unwrap();
    }

    fn message(&self) -> Message {
        let mut buffer = [0; 4096];
        let (size, _) = self.0.recv_from(&mut buffer).unwrap();
        let bytes = Bytes::copy_from_slice(&buffer[..size]);
        Message::parse(bytes, &ParserConfig::default()).unwrap()
    }

    fn request(&self) -> Request {
        match self.message() {
            Message::Request(request) => request,
            Message::Response(response) => panic!("{response:?}"),
        }
    }

    /// The next response of this method with this status; what was sent again before it is passed over.
    fn response(&self, method: &str, status: u16) -> Response {
        loop {
            if let Message::Response(response) = self.message()
                && response
                    .headers()
                    .get(HeaderName::CSeq)
                    .unwrap()
                    .ends_with(method)
                && response.status().as_u16() >= 180
            {
                assert_eq!(response.status().as_u16(), status, "{response:?}");
                return response;
            }
        }
    }
}

/// The caller's host has many ports, and its CANCEL comes from another one than the INVITE (RFC 3261 §9.1 asks for the same
/// place to go to, and says nothing of where it comes from).
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rfc3261_9_2_a_cancel_is_matched_whichever_worker_gets_it() {
    let server = Server::builder()
        .workers(4)
        .domain("example.test")
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .danger_without_authentication()
        .build()
        .await
        .unwrap();
    let port = server.addresses()[0].1.port();
    let workers = server.workers();
    tokio::spawn(server.run_until(std::future::pending()));
    tokio::task::spawn_blocking(move || {
        let (caller, callee) = (Raw::new(), Raw::new());
        let (from, to) = (caller.address(), callee.address());
        callee.send(
            &format!(
                "REGISTER sip:example.test SIP/2.0\r\nVia: SIP/2.0/UDP {to};branch=z9hG4bKr\r\nMax-Forwards: 70\r\n\
                 From: <sip:bob@example.test>;tag=r\r\nTo: <sip:bob@example.test>\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\n\
                 Contact: <sip:bob@{to}>\r\nContent-Length: 0\r\n\r\n"
            ),
            port,
        );
        callee.response("REGISTER", 200);
        for turn in 0..12 {
            let request = |method: &str| {
                format!(
                    "{method} sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKi{turn}\r\n\
                     Max-Forwards: 70\r\nFrom: <sip:carol@example.net>;tag=c\r\nTo: <sip:bob@example.test>\r\n\
                     Call-ID: i{turn}\r\nCSeq: 1 {method}\r\nContact: <sip:carol@{from}>\r\nContent-Length: 0\r\n\r\n"
                )
            };
            let answer = |to: &Request, status: &str| {
                let vias: Vec<&str> = to.headers().values(HeaderName::Via).collect();
                callee.send(
                    &format!(
                        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: <sip:bob@example.test>;tag=b\r\n\
                         Call-ID: i{turn}\r\nCSeq: {}\r\nContent-Length: 0\r\n\r\n",
                        vias.join(", "),
                        to.headers().get(HeaderName::From).unwrap(),
                        to.headers().get(HeaderName::CSeq).unwrap(),
                    ),
                    port,
                );
            };
            caller.send(&request("INVITE"), port);
            let invite = callee.request();
            assert_eq!(invite.method().as_str(), "INVITE");
            answer(&invite, "180 Ringing");
            caller.response("INVITE", 180);
            // Its Via is that of the INVITE, so that the answer goes to the caller.
            Raw::new().send(&request("CANCEL"), port);
            let cancel = callee.request();
            assert_eq!(cancel.method().as_str(), "CANCEL");
            answer(&cancel, "200 OK");
            caller.response("CANCEL", 200);
            answer(&invite, "487 Request Terminated");
            caller.response("INVITE", 487);
            caller.send(
                &request("ACK").replace("To: <sip:bob@example.test>", "To: <sip:bob@example.test>;tag=b"),
                port,
            );
            assert_eq!(callee.request().method().as_str(), "ACK");
        }
        // One that has no INVITE anywhere goes round once, and is answered as RFC 3261 §9.2 has it.
        caller.send(
            &format!(
                "CANCEL sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKnone\r\nMax-Forwards: 70\r\n\
                 From: <sip:carol@example.net>;tag=c\r\nTo: <sip:bob@example.test>\r\nCall-ID: none\r\nCSeq: 1 CANCEL\r\n\
                 Content-Length: 0\r\n\r\n"
            ),
            port,
        );
        caller.response("CANCEL", 481);
    })
    .await
    .unwrap();
    let (given, taken, dropped) = handed(&workers).await;
    assert!(
        given > 0 && taken == given && dropped == 0,
        "{given} {taken} {dropped}"
    );
}

/// Nobody is at the port any more. The system tells one of the sockets, the one that hears from there and not the one that sent; the
/// call fails at once and not after Timer B.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rfc3261_16_9_what_does_not_arrive_fails_at_the_worker_that_sent_it() {
    let server = Server::builder()
        .workers(4)
        .domain("example.test")
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .danger_without_authentication()
        .build()
        .await
        .unwrap();
    let port = server.addresses()[0].1.port();
    tokio::spawn(server.run_until(std::future::pending()));
    tokio::task::spawn_blocking(move || {
        for turn in 0..8 {
            let (caller, callee) = (Raw::new(), Raw::new());
            let (from, to) = (caller.address(), callee.address());
            callee.send(
                &format!(
                    "REGISTER sip:example.test SIP/2.0\r\nVia: SIP/2.0/UDP {to};branch=z9hG4bKr{turn}\r\nMax-Forwards: 70\r\n\
                     From: <sip:b{turn}@example.test>;tag=r\r\nTo: <sip:b{turn}@example.test>\r\nCall-ID: r{turn}\r\n\
                     CSeq: 1 REGISTER\r\nContact: <sip:b{turn}@{to}>\r\nContent-Length: 0\r\n\r\n"
                ),
                port,
            );
            callee.response("REGISTER", 200);
            drop(callee);
            caller.send(
                &format!(
                    "INVITE sip:b{turn}@example.test SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKi{turn}\r\n\
                     Max-Forwards: 70\r\nFrom: <sip:carol@example.net>;tag=c\r\nTo: <sip:b{turn}@example.test>\r\n\
                     Call-ID: i{turn}\r\nCSeq: 1 INVITE\r\nContact: <sip:carol@{from}>\r\nContent-Length: 0\r\n\r\n"
                ),
                port,
            );
            caller.response("INVITE", 500);
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn all_workers_drain_and_end() {
    let (port, workers, stop) = server(4).await;
    let (a, b) = (phone("u0", port).await, phone("u1", port).await);
    b.register().await.unwrap();
    let target = format!("sip:u1@127.0.0.1:{port}");
    let mut dialing = a.dial(&target, CallOptions::new()).await.unwrap();
    let mut incoming = b.incoming().await.unwrap();
    incoming.ring().await.unwrap();
    while !matches!(dialing.event().await, DialEvent::Progress { status } if status == StatusCode::RINGING)
    {
    }
    stop.send(()).unwrap();
    // Nothing begins any more, at any of them; what runs gets its end.
    loop {
        let draining = workers
            .run(|state, _, _| state.stack.is_draining())
            .await
            .unwrap();
        if !draining.contains(&false) {
            break;
        }
    }
    for user in 2..8 {
        match phone(&format!("u{user}"), port).await.register().await {
            Err(AgentError::Refused { status, .. }) => {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            }
            other => panic!("{other:?}"),
        }
    }
    let call = incoming.accept().await.unwrap();
    assert!(matches!(dialing.event().await, DialEvent::Answered(_)));
    drop(call);
    for handle in workers.handles() {
        while handle.run(|_, _, _| ()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

/// Whatever the test finds, the server ends with it.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program: its workers, a reload of all of them, their figures in one, and a load.
#[test]
fn the_program_serves_with_two_workers() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sip.toml");
    std::fs::write(&file, "workers = 2\n").unwrap();
    let admin = directory.path().join("admin.sock");
    let mut child = Ends(
        Command::new(env!("CARGO_BIN_EXE_sip"))
            .args([
                "serve",
                "--listen",
                "udp:127.0.0.1:0",
                "--listen",
                "tcp:127.0.0.1:0",
            ])
            .arg("--danger-without-authentication")
            .arg("--config")
            .arg(&file)
            .arg("--admin")
            .arg(&admin)
            .arg("--data")
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut told = |begin: &str| loop {
        let line = lines.next().unwrap().unwrap();
        if let Some(rest) = line.strip_prefix(begin) {
            return rest.to_owned();
        }
    };
    let address = told("Listening on UDP ");
    told("2 workers");
    told("Administration at ");
    let sip = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sip"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        said
    };
    // Each user has a socket of its own at the server's other end only over connections; over UDP caller and callee have one each.
    for transport in ["", ";transport=tcp"] {
        let target = format!("sip:{address}{transport}");
        for what in ["options", "register", "call"] {
            let mut arguments = vec!["load", what, target.as_str(), "--count", "60", "--quiet"];
            if !transport.is_empty() {
                arguments.extend(["--connections", "4"]);
            }
            sip(&arguments);
        }
    }
    let ctl = ["ctl", "--admin", admin.to_str().unwrap()];
    let status = sip(&[&ctl[..], &["--json", "status"]].concat());
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["workers"], 2, "{status}");
    // The rest of the file is read again by all.
    std::fs::write(&file, "workers = 2\n[sources]\nrate = 1\nburst = 1\n").unwrap();
    assert!(sip(&[&ctl[..], &["reload"]].concat()).contains("now"));
    let mut metrics = std::os::unix::net::UnixStream::connect(&admin).unwrap();
    metrics
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    metrics.read_to_string(&mut text).unwrap();
    let figure = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
            .unwrap_or_else(|| panic!("{name}\n{text}"))
    };
    assert!(figure("sip_requests_total{transport=\"UDP\",method=\"OPTIONS\"}") >= 60);
    assert!(figure("sip_requests_total{transport=\"TCP\",method=\"INVITE\"}") >= 60);
    assert_eq!(figure("sip_handovers_total{outcome=\"dropped\"}"), 0);
    sip(&[&ctl[..], &["drain"]].concat());
    assert!(child.0.wait().unwrap().success());
}
