//! How much memory a session takes that is up: `memory [SESSIONS]` makes so many of them, each over two proxies that stay in the path,
//! without a body that is kept, and prints by how much the process has grown (Linux).
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks to its user on standard output"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own, which gives the layer what it must not take"
)]

use std::time::Instant;

use bytes::Bytes;
use sip_dialog::{DialogConfig, Dialogs, Event, Output};
use sip_message::{Message, ParserConfig, Request};
use sip_testkit::{Call, RecordingTransactions};
use sip_transaction::{Event as Up, ServerTransactionId};
use sip_transport::{Flow, FlowId, Seed, TransportKind};

fn main() {
    let sessions = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_000);
    let mut config = DialogConfig::default();
    config.sessions = usize::MAX;
    let mut dialogs = Dialogs::new(config, Seed::from_bytes([7; 32]));
    let mut layer = RecordingTransactions::default();
    let now = Instant::now();
    // What is allocated once is there before the first reading.
    take(&mut dialogs, &mut layer, 0, now);
    let before = resident();
    for number in 1..=sessions {
        take(&mut dialogs, &mut layer, number, now);
    }
    let grown = resident().saturating_sub(before);
    assert_eq!(dialogs.session_count(), sessions as usize + 1);
    println!(
        "{sessions} sessions, {} bytes each",
        grown / u64::from(sessions)
    );
}

/// One call that comes, is answered and acknowledged.
fn take(dialogs: &mut Dialogs, layer: &mut RecordingTransactions, number: u32, now: Instant) {
    let local = "192.0.2.2:5060".parse().expect("an address");
    let remote = "192.0.2.1:5060".parse().expect("an address");
    let flow = Flow::new(FlowId::from_parts(0, 0), TransportKind::Udp, local, remote);
    let id = ServerTransactionId::from_parts(number, 0);
    let invite = request("INVITE", number, "");
    let arrives = Up::Request {
        id,
        request: invite.into(),
        flow,
        merged: false,
    };
    assert!(dialogs.handle_input(arrives, layer, now).is_none());
    while let Some(output) = dialogs.poll_output() {
        if let Output::Event(Event::Incoming { session, .. }) = output {
            dialogs.accept(session, None, layer, now).expect("it rings");
        }
    }
    let calls = layer.take();
    let Some(Call::Respond { response, .. }) = calls.last() else {
        panic!("it is answered");
    };
    let tag = response.headers().to_tag().expect("a 2xx has a tag");
    let ack = Up::Ack {
        invite: Some(id),
        request: request("ACK", number, tag).into(),
        flow,
    };
    assert!(dialogs.handle_input(ack, layer, now).is_none());
    while dialogs.poll_output().is_some() {}
}

fn request(method: &str, number: u32, tag: &str) -> Request {
    let tag = if tag.is_empty() {
        String::new()
    } else {
        format!(";tag={tag}")
    };
    let text = format!(
        "{method} sip:bob@192.0.2.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{number}{method}\r\n\
         Max-Forwards: 70\r\nRecord-Route: <sip:proxy2.biloxi.example.com;lr>\r\nRecord-Route: <sip:proxy1.atlanta.example.com;lr>\r\n\
         From: \"Alice\" <sip:alice@atlanta.example.com>;tag=9fxced{number}\r\nTo: <sip:bob@biloxi.example.com>{tag}\r\n\
         Call-ID: 38482762982201885{number}@atlanta.example.com\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:alice@client.atlanta.example.com:5060>\r\nContent-Length: 0\r\n\r\n"
    );
    match Message::parse(Bytes::from(text), &ParserConfig::default()).expect("it is valid") {
        Message::Request(request) => request,
        Message::Response(_) => panic!("it is a request"),
    }
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells it");
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|text| text.parse::<u64>().ok());
    pages.expect("the second number") * 4096
}
