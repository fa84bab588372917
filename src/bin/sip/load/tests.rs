use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser as _;
use sip_stack::message::{Message, ParserConfig};
use sip_stack::server::{Server, ServerBuilder};
use sip_stack::transport::ListenerId;
use sip_stack::users;

use super::engine::{Engine, Way};
use super::plan::{Plan, What};
use super::{Args, measure};
use crate::outcome::Outcome;

/// The arguments as a person gives them.
#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(line: &str) -> Args {
    Line::try_parse_from(format!("load {line}").split_whitespace())
        .unwrap()
        .args
}

fn builder() -> ServerBuilder {
    Server::builder()
        .domain("load.test")
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .listen("tcp:127.0.0.1:0")
        .unwrap()
}

/// Loads a server of our own and returns what was counted.
async fn load(builder: ServerBuilder, what: &str, options: &str) -> super::Report {
    let server = builder.build().await.unwrap();
    let (_, address) = server.addresses()[0];
    let transport = if options.contains("--connections") {
        ";transport=tcp"
    } else {
        ""
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async { drop(stopped.await) }));
    let line = format!("{what} sip:{address}{transport} --domain load.test {options}");
    let (report, was_interrupted) = measure(args(&line), |_, _| ())
        .await
        .unwrap_or_else(|outcome| panic!("{line}: {outcome:?}"));
    drop(stop);
    running.abort();
    assert!(!was_interrupted);
    report
}

#[track_caller]
fn check(report: &super::Report, completed: u64) {
    assert_eq!(
        (report.completed, report.failed()),
        (completed, 0),
        "{}",
        report.text()
    );
}

#[tokio::test]
async fn options_are_counted() {
    let open = builder().danger_without_authentication();
    let report = load(open, "options", "--count 40 --concurrency 4").await;
    check(&report, 40);
    assert!(report.json()["latency_us"]["p50"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn registrations_are_new_and_then_refreshed() {
    let open = builder().danger_without_authentication();
    let report = load(open, "register", "--count 30 --users 10 --concurrency 5").await;
    check(&report, 30);
}

#[tokio::test]
async fn challenges_are_answered() {
    let users = users::Memory::new("load.test")
        .with("load0", "secret")
        .with("load1", "secret");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let options = format!(
        "--count 4 --users 2 --concurrency 1 --password-file {}",
        file.display()
    );
    let report = load(builder().credentials(users), "register", &options).await;
    check(&report, 4);
    assert!(report.sent >= 8, "each is challenged: {}", report.text());
}

#[tokio::test]
async fn a_wrong_password_is_a_failure_of_its_kind() {
    let users = users::Memory::new("load.test").with("load0", "secret");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "guessed\n").unwrap();
    let options = format!("--count 1 --users 1 --password-file {}", file.display());
    let report = load(builder().credentials(users), "register", &options).await;
    assert_eq!(report.completed, 0);
    assert_eq!(
        report.json()["failures"]["status 401"],
        1,
        "{}",
        report.text()
    );
}

#[tokio::test]
async fn messages_and_calls_go_through_the_server_over_both_transports() {
    for (what, options) in [
        ("message", "--count 10 --users 3"),
        ("call", "--count 10 --users 3 --concurrency 2"),
        ("call", "--count 5 --users 3 --rate 500 --poisson"),
        ("call", "--count 4 --users 2 --ring 0.01 --hold 0.01"),
        ("call", "--count 10 --users 3 --connections 2"),
        ("message", "--count 10 --users 3 --connections 1"),
        ("register", "--count 10 --users 3 --connections 3"),
    ] {
        let open = builder().danger_without_authentication();
        let report = load(open, what, options).await;
        check(&report, report.started);
        assert!(report.completed >= 4);
        assert_eq!(report.json()["setup_us"].is_null(), what != "call");
    }
}

#[tokio::test]
async fn other_hosts_are_not_loaded_by_mistake() {
    let outcome = measure(args("options sip:192.0.2.1 --count 1"), |_, _| ()).await;
    assert!(
        matches!(&outcome, Err(Outcome::Usage(text)) if text.contains("--i-may-load-this-host")),
        "{outcome:?}"
    );
    let outcome = measure(args("options sips:127.0.0.1;transport=tls"), |_, _| ()).await;
    assert!(matches!(outcome, Err(Outcome::Usage(_))), "{outcome:?}");
}

#[tokio::test]
async fn nobody_answers_at_a_silent_or_closed_port() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for transport in ["udp", "tcp"] {
        let line = format!("options sip:{address};transport={transport} --count 3 --timeout 0");
        let (report, _) = measure(args(&line), |_, _| ()).await.unwrap();
        assert_eq!(report.completed, 0);
        assert!(report.failed() > 0);
        assert!(report.is_silence(), "{}", report.text());
    }
}

/// An engine that is told the time, and no server.
struct Alone {
    engine: Engine,
    began: Instant,
}

const CALLER: &str = "127.0.0.1:5090";
const CALLEE: &str = "127.0.0.1:5091";
const SERVER: &str = "127.0.0.1:5060";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn to_server() -> Way {
    Way::Datagram(ListenerId::new(0), addr(SERVER))
}

impl Alone {
    fn new(what: What) -> Self {
        let plan = Plan {
            what,
            prefix: "u".to_owned(),
            first_user: 0,
            users: 2,
            domain: "h".to_owned(),
            to: None,
            password: None,
            expires: 60,
            is_stream: false,
            local: addr(CALLER),
            contact: addr(CALLEE),
            count: None,
            ring: None,
            hold: Duration::ZERO,
            timeout: Duration::from_secs(32),
            most: usize::MAX,
            run: "run".to_owned(),
        };
        Self {
            engine: Engine::new(plan, vec![to_server()]),
            began: Instant::now(),
        }
    }

    fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.engine.poll_output())
            .map(|(_, bytes)| String::from_utf8(bytes.to_vec()).unwrap())
            .collect()
    }

    /// Lets time pass, and tells when what was sent.
    fn watch(&mut self, milliseconds: u64) -> Vec<(u128, usize)> {
        let end = self.began + Duration::from_millis(milliseconds);
        let mut seen = Vec::new();
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.engine.handle_timeout(at);
            let count = self.sent().len();
            if count > 0 {
                seen.push(((at - self.began).as_millis(), count));
            }
        }
        seen
    }

    fn receive(&mut self, text: &str, milliseconds: u64) {
        let now = self.began + Duration::from_millis(milliseconds);
        self.engine
            .handle_message(text.as_bytes(), to_server(), now);
    }
}

/// What a server answers to a request: its Via, From, To, Call-ID and CSeq.
fn answer(request: &str, status: &str, more: &str) -> String {
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| {
        let line = request.lines().find(|line| line.starts_with(name)).unwrap();
        let tag = if name == "To" && !line.contains(";tag=") {
            ";tag=x"
        } else {
            ""
        };
        format!("{line}{tag}\r\n")
    });
    format!(
        "SIP/2.0 {status}\r\n{}{more}Content-Length: 0\r\n\r\n",
        copied.concat()
    )
}

#[test]
fn what_is_sent_is_sip() {
    for what in [What::Options, What::Register, What::Message, What::Call] {
        let mut alone = Alone::new(what);
        alone.engine.begin(alone.began);
        let text = alone.sent().remove(0);
        let message = Message::parse(Bytes::from(text.clone()), &ParserConfig::default());
        assert!(message.is_ok(), "{text}");
    }
}

#[test]
fn rfc3261_17_1_2_2_timer_e_doubles_up_to_t2_and_timer_f_ends_it() {
    let mut alone = Alone::new(What::Options);
    alone.engine.begin(alone.began);
    assert_eq!(alone.sent().len(), 1);
    let seen: Vec<u128> = alone.watch(40_000).into_iter().map(|(at, _)| at).collect();
    assert_eq!(
        seen,
        [
            500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
        ]
    );
    assert_eq!(alone.engine.report.json()["failures"]["timed out"], 1);
    assert_eq!(alone.engine.report.retransmissions, 10);
}

#[test]
fn rfc3261_17_1_1_2_timer_a_doubles_and_stops_at_a_provisional_answer() {
    let mut alone = Alone::new(What::Call);
    alone.engine.begin(alone.began);
    let invite = alone.sent().remove(0);
    assert_eq!(
        alone.watch(8_000),
        [(500, 1), (1500, 1), (3500, 1), (7500, 1)]
    );
    alone.receive(&answer(&invite, "180 Ringing", ""), 8_000);
    assert!(alone.watch(30_000).is_empty());
}

#[test]
fn rfc3261_17_1_3_an_answer_with_another_branch_is_a_stray() {
    let mut alone = Alone::new(What::Options);
    alone.engine.begin(alone.began);
    let request = alone.sent().remove(0);
    let other = answer(&request, "200 OK", "").replace("branch=z9hG4bKld0", "branch=z9hG4bKld1");
    alone.receive(&other, 1);
    assert_eq!(
        (alone.engine.report.completed, alone.engine.report.strays),
        (0, 1)
    );
    alone.receive(&answer(&request, "200 OK", ""), 2);
    alone.receive(&answer(&request, "200 OK", ""), 3);
    assert_eq!(
        (alone.engine.report.completed, alone.engine.report.strays),
        (1, 2)
    );
}

#[test]
fn rfc3261_12_1_2_routes_are_taken_in_reverse_order() {
    let mut alone = Alone::new(What::Call);
    alone.engine.begin(alone.began);
    let invite = alone.sent().remove(0);
    let more = "Record-Route: <sip:a;lr>, <sip:b,c;lr>\r\nRecord-Route: <sip:d;lr>\r\nContact: <sip:far@192.0.2.9>\r\n";
    let ok = answer(&invite, "200 OK", more);
    alone.receive(&ok, 1);
    let sent = alone.sent();
    assert_eq!(sent.len(), 2, "ACK and BYE");
    for (text, cseq) in sent.iter().zip(["CSeq: 1 ACK", "CSeq: 2 BYE"]) {
        assert!(text.contains("sip:far@192.0.2.9 SIP/2.0\r\n"), "{text}");
        assert!(
            text.contains("Route: <sip:d;lr>\r\nRoute: <sip:b,c;lr>\r\nRoute: <sip:a;lr>\r\n"),
            "{text}"
        );
        assert!(
            text.contains(cseq) && text.contains(">;tag=x\r\n"),
            "{text}"
        );
    }
    // RFC 3261 section 13.2.2.4: the 200 came again, so the ACK goes again.
    alone.receive(&ok, 2);
    assert_eq!(alone.sent(), [sent[0].clone()]);
    alone.receive(&answer(&sent[1], "200 OK", ""), 3);
    assert_eq!(alone.engine.report.completed, 1);
    assert_eq!(alone.engine.in_progress(), 0);
}

#[test]
fn rfc3261_13_3_1_4_the_200_is_sent_again_until_its_ack() {
    let mut alone = Alone::new(What::Call);
    alone.engine.begin(alone.began);
    let invite = alone.sent().remove(0);
    alone.receive(
        &invite.replace("Via: ", "Via: SIP/2.0/UDP p;branch=z9hG4bKp\r\nVia: "),
        0,
    );
    let ok = alone.sent().remove(0);
    assert!(
        ok.starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP p;"),
        "{ok}"
    );
    alone.receive(&answer(&invite, "100 Trying", ""), 0);
    assert_eq!(
        alone.watch(9_000),
        [(500, 1), (1500, 1), (3500, 1), (7500, 1)]
    );
    let ack = invite.replace("INVITE", "ACK");
    alone.receive(&ack, 9_000);
    assert!(alone.watch(20_000).is_empty());
}

#[test]
fn rfc3261_17_1_1_3_a_refusal_is_acknowledged_and_counted() {
    let mut alone = Alone::new(What::Call);
    alone.engine.begin(alone.began);
    let invite = alone.sent().remove(0);
    alone.receive(&answer(&invite, "486 Busy Here", ""), 1);
    let ack = alone.sent().remove(0);
    assert!(ack.starts_with("ACK sip:u1@h SIP/2.0\r\n"), "{ack}");
    let via = |text: &str| text.lines().nth(1).unwrap().to_owned();
    assert_eq!(via(&ack), via(&invite));
    assert_eq!(alone.engine.report.json()["failures"]["status 486"], 1);
}

#[test]
fn rfc3261_9_1_what_rings_at_the_end_is_cancelled() {
    let mut alone = Alone::new(What::Call);
    alone.engine.begin(alone.began);
    let invite = alone.sent().remove(0);
    alone.receive(&answer(&invite, "180 Ringing", ""), 1);
    alone.engine.give_up(alone.began);
    let cancel = alone.sent().remove(0);
    assert!(
        cancel.starts_with("CANCEL ") && cancel.contains("CSeq: 1 CANCEL"),
        "{cancel}"
    );
    alone.receive(&answer(&cancel, "200 OK", ""), 2);
    assert_eq!(alone.engine.in_progress(), 1);
    alone.receive(&answer(&invite, "487 Request Terminated", ""), 3);
    assert!(alone.sent().remove(0).starts_with("ACK "));
    assert_eq!(alone.engine.in_progress(), 0);
    assert_eq!(alone.engine.report.json()["failures"]["unfinished"], 1);
}
