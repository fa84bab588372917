//! Requests whose answer can be given again: RFC 3261 §8.2.7 with marks.

use sip_message::{Method, Request, StatusCode, WrittenResponse};
use sip_transaction::{
    Gone, ServerTransactionId, StatelessTag, TransactionConfig, TransactionLayer, TransportKind,
};

use crate::rig::{Rig, request_text};

/// Answers so; the tag that the answer got.
fn respond(rig: &mut Rig, number: usize, status: StatusCode) -> (Vec<String>, Option<String>) {
    let (id, request): (ServerTransactionId, Request) = rig.servers[number].clone();
    let tag = rig.layer.repeatable_tag(id, &request);
    let tag = tag.as_ref().map(StatelessTag::as_str);
    let mut response = WrittenResponse::new();
    response.start(&request, status, tag.unwrap_or("any"));
    response.finish();
    let now = rig.clock.now();
    rig.layer
        .respond_repeatably(id, &request, &response, now)
        .unwrap();
    let again = rig.layer.respond_repeatably(id, &request, &response, now);
    assert_eq!(again.is_err(), rig.layer.server_state(id).is_none());
    (rig.outputs(), tag.map(str::to_owned))
}

fn is_repeated(rig: &mut Rig, number: usize) -> bool {
    let (id, request) = rig.servers[number].clone();
    rig.layer.is_repeated(id, &request, rig.clock.now())
}

#[test]
fn rfc3261_8_2_7_a_copy_is_answered_again_with_the_same_tag() {
    let mut rig = Rig::udp();
    let text = request_text("REGISTER", "z9hG4bK1");
    assert_eq!(rig.receive(text.clone()), ["Request REGISTER"]);
    assert!(!is_repeated(&mut rig, 0));
    let (outputs, tag) = respond(&mut rig, 0, StatusCode::OK);
    assert_eq!(outputs, ["-> 200 (REGISTER)", "Terminated server"]);
    assert_eq!(rig.layer.server_count(), 0, "nothing is kept but a mark");
    assert_eq!(rig.layer.leaks(), None);
    // A copy, after as long as there may be one.
    assert_eq!(rig.wait(31_000), [""; 0]);
    assert_eq!(rig.receive(text.clone()), ["Request REGISTER"]);
    assert!(is_repeated(&mut rig, 1));
    let (outputs, again) = respond(&mut rig, 1, StatusCode::OK);
    assert_eq!(outputs, ["-> 200 (REGISTER)", "Terminated server"]);
    assert!(tag.is_some());
    assert_eq!(tag, again);
    assert_eq!(rig.sent[0], rig.sent[1]);
    // What came much later is no copy.
    rig.wait(34_000);
    rig.receive(text);
    assert!(!is_repeated(&mut rig, 2));
    let stats = rig.layer.stats();
    assert_eq!((stats.server_transactions, stats.repeated_requests), (3, 1));
}

/// RFC 3261 §17.2.3 tells a copy by its branch; who can name the branch of another's request learns nothing by it here.
#[test]
fn what_says_something_else_is_no_copy() {
    let text = request_text("REGISTER", "z9hG4bK1");
    for (from, to) in [
        ("REGISTER", "REGISTER"),
        ("z9hG4bK1", "z9hG4bK2"),
        ("Via: SIP/2.0/UDP 192.0.2.2", "Via: SIP/2.0/UDP 192.0.2.3"),
        ("To: <sip:bob@h>", "To: <sip:carol@h>"),
        ("From: <sip:alice@h>;tag=a", "From: <sip:alice@h>;tag=b"),
        ("Call-ID: c", "Call-ID: d"),
        ("CSeq: 1 ", "CSeq: 2 "),
        ("REGISTER sip:bob@", "REGISTER sip:"),
        ("REGISTER", "MESSAGE"),
    ] {
        let mut rig = Rig::udp();
        rig.receive(text.clone());
        respond(&mut rig, 0, StatusCode::OK);
        rig.receive(text.replace(from, to));
        assert_eq!(is_repeated(&mut rig, 1), from == to, "{to}");
    }
}

#[test]
fn while_the_answer_is_awaited_copies_are_absorbed() {
    let mut rig = Rig::udp();
    let text = request_text("REGISTER", "z9hG4bK1");
    rig.receive(text.clone());
    assert_eq!(rig.receive(text), [""; 0]);
    assert_eq!(rig.layer.stats().absorbed_requests, 1);
}

/// Timer J is zero there: nothing is kept anyway.
#[test]
fn rfc3261_17_2_2_reliable_transports_need_no_mark() {
    let mut rig = Rig::tcp();
    let text = request_text("REGISTER", "z9hG4bK1").replace("UDP", "TCP");
    rig.receive(text.clone());
    let (outputs, tag) = respond(&mut rig, 0, StatusCode::OK);
    assert_eq!(outputs, ["-> 200 (REGISTER)", "Terminated server"]);
    assert_eq!(tag, None);
    rig.receive(text);
    assert!(!is_repeated(&mut rig, 1));
}

#[test]
fn what_may_not_be_answered_so_is_answered_as_usual() {
    let mut rig = Rig::udp();
    // RFC 4320 §4.2: a 408 is not sent, and §4.1: nor is a provisional response.
    for (branch, status) in [
        ("z9hG4bK1", StatusCode::REQUEST_TIMEOUT),
        ("z9hG4bK2", StatusCode::RINGING),
    ] {
        rig.receive(request_text("REGISTER", branch));
        let number = rig.servers.len() - 1;
        assert_eq!(respond(&mut rig, number, status).0, [""; 0], "{status:?}");
        assert!(!is_repeated(&mut rig, number));
    }
    // An INVITE has its ACK; what is within a dialog, or does not say who sent it, is told from others by its branch alone.
    let request = request_text("REGISTER", "z9hG4bK3");
    for (text, sent) in [
        (request_text("INVITE", "z9hG4bK3"), "-> 486 (INVITE)"),
        (
            request.replace("To: <sip:bob@h>", "To: <sip:bob@h>;tag=b"),
            "-> 486 (REGISTER)",
        ),
        (
            request.replace(";tag=a", "").replace("K3", "K4"),
            "-> 486 (REGISTER)",
        ),
    ] {
        rig.receive(text);
        let number = rig.servers.len() - 1;
        let (outputs, tag) = respond(&mut rig, number, StatusCode::BUSY_HERE);
        assert_eq!((outputs, tag), (vec![sent.to_owned()], None));
    }
    assert_eq!(rig.layer.server_count(), 5);
}

#[test]
fn without_marks_the_transaction_stays() {
    let mut config = TransactionConfig::default();
    config.max_marks = 0;
    let mut rig = Rig::with_config(TransportKind::Udp, config);
    let text = request_text("REGISTER", "z9hG4bK1");
    rig.receive(text.clone());
    assert_eq!(
        respond(&mut rig, 0, StatusCode::OK).0,
        ["-> 200 (REGISTER)"]
    );
    assert_eq!(rig.receive(text), ["-> 200 (REGISTER)"]);
    assert_eq!(rig.wait(40_000), ["32000 Terminated server"]);
}

#[test]
fn what_has_ended_has_no_answer() {
    let mut rig = Rig::udp();
    rig.receive(request_text("REGISTER", "z9hG4bK1"));
    respond(&mut rig, 0, StatusCode::OK);
    let (id, request) = rig.servers[0].clone();
    assert_eq!(*request.method(), Method::Register);
    assert!(!rig.layer.is_repeated(id, &request, rig.clock.now()));
    assert_eq!(rig.layer.repeatable_tag(id, &request), None);
    let response = WrittenResponse::new();
    let answered = rig
        .layer
        .respond_repeatably(id, &request, &response, rig.clock.now());
    assert_eq!(answered, Err(Gone));
}
