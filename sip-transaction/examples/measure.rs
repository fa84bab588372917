//! Drivers for counting instructions, allocations and bytes of this layer alone, without parsing and building.
//!
//! ```text
//! cargo build --release -p sip-transaction --example measure
//! valgrind --tool=none|callgrind|memcheck target/release/examples/measure CASE TIMES [dry]
//! ```
//!
//! With `dry` the messages are made and nothing is done with them: the difference between the two runs, divided by
//! TIMES, is the layer's share. Cases: `server-options` (request to end of Timer J), `client-invite` (create, 180, 200,
//! end of Timer M), `retransmission` (a request answered from the last response), `idle` (`poll_timeout` with a million
//! live transactions), `memory` (bytes of a completed non-INVITE server transaction that waits for Timer J, its 400-byte
//! response included; prints them).

#![allow(clippy::print_stdout, reason = "this is a program")]
#![allow(
    clippy::disallowed_methods,
    reason = "a program reads its arguments and one instant to start from"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use sip_message::{HeaderName, Message, Method, ParserConfig, Request, Response, StatusCode};
use sip_transaction::{
    Event, Flow, FlowId, Input, Output, Seed, ServerTransactionId, TransactionConfig,
    TransactionLayer as _, Transactions, TransportKind,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words = arguments.iter().map(String::as_str);
    let (case, times) = (
        words.next().unwrap_or_default(),
        words.next().and_then(|text| text.parse().ok()),
    );
    let driver = Driver {
        times: times.unwrap_or(1000),
        dry: words.next() == Some("dry"),
        flow: flow(),
    };
    match case {
        "server-options" => driver.server_options(),
        "client-invite" => driver.client_invite(),
        "retransmission" => driver.retransmission(),
        "idle" => driver.idle(),
        "memory" => driver.memory(),
        _ => {
            println!("measure server-options|client-invite|retransmission|idle|memory TIMES [dry]")
        }
    }
}

struct Driver {
    times: u64,
    dry: bool,
    flow: Flow,
}

fn flow() -> Flow {
    let address = |last| ([192, 0, 2, last], 5060).into();
    Flow::new(
        FlowId::from_parts(0, 0),
        TransportKind::Udp,
        address(1),
        address(2),
    )
}

fn layer() -> Transactions {
    let mut config = TransactionConfig::default();
    config.max_server = usize::MAX;
    config.max_server_per_peer = usize::MAX;
    config.max_client = usize::MAX;
    Transactions::new(config, Seed::from_bytes([1; 32]))
}

fn options(number: u64) -> Request {
    let text = format!(
        "OPTIONS sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{number:016x};rport=5060\r\n\
         Max-Forwards: 70\r\nFrom: Alice <sip:alice@example.com>;tag=a48s9fd8\r\nTo: Bob <sip:bob@example.com>\r\n\
         Call-ID: {number:016x}@client.example.com\r\nCSeq: 1 OPTIONS\r\nContact: <sip:alice@192.0.2.2>\r\n\
         Accept: application/sdp\r\nContent-Length: 0\r\n\r\n"
    );
    match Message::parse(text.into(), &ParserConfig::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("a good request: {other:?}"),
    }
}

/// A response of 400 bytes.
fn ok(request: &Request) -> Response {
    let allow = "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO";
    let response = Response::to(request, StatusCode::OK)
        .to_tag("8sf7sd98")
        .header(HeaderName::Allow, allow)
        .header(
            HeaderName::Server,
            "sip-stack, padded to a response of 400 b",
        );
    response.build().expect("a good response")
}

fn invite() -> Request {
    Request::builder(Method::Invite, "sip:bob@192.0.2.2")
        .header(
            HeaderName::From,
            "Alice <sip:alice@example.com>;tag=a48s9fd8",
        )
        .header(HeaderName::To, "Bob <sip:bob@example.com>")
        .call_id("843817637684230@998sdasdh09")
        .cseq(1)
        .max_forwards(70)
        .header(HeaderName::Contact, "<sip:alice@192.0.2.1>")
        .body("application/sdp", "v=0\r\n".repeat(30))
        .build_partial()
        .expect("a good request")
}

fn response(branch: &str, status: &str) -> Message {
    let text = format!(
        "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport=5060\r\n\
         From: Alice <sip:alice@example.com>;tag=a48s9fd8\r\nTo: Bob <sip:bob@example.com>;tag=b\r\n\
         Call-ID: 843817637684230@998sdasdh09\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(text.into(), &ParserConfig::default()).expect("a good response")
}

impl Driver {
    fn input(&self, message: impl Into<Message>) -> Input {
        Input::Message {
            message: message.into(),
            flow: self.flow,
            reply: self.flow,
        }
    }

    /// The new server transaction, if the outputs tell of one; they are dropped.
    fn drain(layer: &mut Transactions) -> Option<ServerTransactionId> {
        let mut new = None;
        while let Some(output) = layer.poll_output() {
            if let Output::Event(Event::Request { id, .. }) = &output {
                new = Some(*id);
            }
            black_box(output);
        }
        new
    }

    fn server_options(&self) {
        let mut layer = layer();
        let mut now = Instant::now();
        for number in 0..self.times {
            let request = options(number);
            let response = ok(&request);
            if self.dry {
                black_box((self.input(request), response));
                continue;
            }
            layer.handle_input(self.input(request), now);
            let id = Self::drain(&mut layer).expect("a new request");
            let _ = layer.respond(id, response, now);
            Self::drain(&mut layer);
            now += Duration::from_secs(33);
            layer.handle_timeout(now);
            Self::drain(&mut layer);
        }
    }

    fn client_invite(&self) {
        let mut layer = layer();
        let mut now = Instant::now();
        for _ in 0..self.times {
            let request = invite();
            let mut branch = "z9hG4bKw0000abcdefghijklmnopqrstuvwxyz".to_owned();
            if self.dry {
                black_box(request);
            } else {
                layer.request(request, self.flow, now);
                let Some(Output::Transmit { payload, .. }) = layer.poll_output() else {
                    panic!("it is sent")
                };
                let start = payload
                    .windows(7)
                    .position(|part| part == b"branch=")
                    .expect("a branch")
                    + 7;
                branch = String::from_utf8_lossy(&payload[start..start + 38]).into_owned();
            }
            for status in ["180 Ringing", "200 OK"] {
                let message = response(&branch, status);
                if self.dry {
                    black_box(message);
                } else {
                    layer.handle_input(self.input(message), now);
                    Self::drain(&mut layer);
                }
            }
            if !self.dry {
                now += Duration::from_secs(33);
                layer.handle_timeout(now);
                Self::drain(&mut layer);
            }
        }
    }

    fn retransmission(&self) {
        let mut layer = layer();
        let now = Instant::now();
        let request = options(7);
        layer.handle_input(self.input(request.clone()), now);
        let id = Self::drain(&mut layer).expect("a new request");
        let _ = layer.respond(id, ok(&request), now);
        Self::drain(&mut layer);
        for _ in 0..self.times {
            let input = self.input(request.clone());
            if self.dry {
                black_box(input);
            } else {
                layer.handle_input(input, now);
                black_box(layer.poll_output());
            }
        }
    }

    fn idle(&self) {
        let mut layer = layer();
        let now = Instant::now();
        for number in 0..1_000_000 {
            layer.handle_input(self.input(options(number)), now);
            Self::drain(&mut layer);
        }
        for _ in 0..self.times {
            black_box(black_box(&layer).poll_timeout());
        }
    }

    fn memory(&self) {
        let mut layer = layer();
        let now = Instant::now();
        // The messages themselves must not count: they are made and dropped one by one.
        let before = resident();
        for number in 0..self.times {
            let request = options(number);
            let response = ok(&request);
            assert!(
                (395..=405).contains(&response.to_bytes().len()),
                "{}",
                response.to_bytes().len()
            );
            layer.handle_input(self.input(request), now);
            let id = Self::drain(&mut layer).expect("a new request");
            let _ = layer.respond(id, response, now);
            Self::drain(&mut layer);
        }
        let bytes = resident().saturating_sub(before);
        println!(
            "{} completed server transactions: {} bytes each",
            self.times,
            bytes / self.times
        );
        assert_eq!(layer.server_count() as u64, self.times);
    }
}

/// Bytes of memory that the process uses (Linux).
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or_default();
    pages * 4096
}
