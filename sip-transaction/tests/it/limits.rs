//! What stops a flood.

use std::net::SocketAddr;

use sip_message::{Method, StatusCode};
use sip_transaction::{Flow, TransactionConfig, TransportKind};

use crate::rig::{Rig, flow, parse, request_text};

fn config(max_server: usize, max_server_per_peer: usize) -> TransactionConfig {
    let mut config = TransactionConfig::default();
    config.max_server = max_server;
    config.max_server_per_peer = max_server_per_peer;
    config
}

#[test]
fn rfc3261_21_5_4_a_full_layer_answers_503_with_retry_after_by_itself() {
    let mut rig = Rig::with_config(TransportKind::Udp, config(2, 100));
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.receive(request_text("OPTIONS", "z9hG4bK2"));
    assert_eq!(
        rig.receive(request_text("OPTIONS", "z9hG4bK3")),
        ["-> 503 (OPTIONS)"]
    );
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK4")),
        ["-> 503 (INVITE)"],
        "the TU is not woken"
    );
    let refusal = parse(rig.sent[0].clone());
    let response = refusal.as_response().unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        response.headers().get(sip_message::HeaderName::RetryAfter),
        Some("5")
    );
    assert!(response.headers().to_tag().is_some(), "RFC 3261 §8.2.6.2");
    rig.receive(request_text("OPTIONS", "z9hG4bK3"));
    assert_eq!(
        rig.sent[0], rig.sent[2],
        "RFC 3261 §8.2.7: the same tag for a copy"
    );
    assert!(refusal.validate().is_ok());
    assert_eq!(
        rig.receive(request_text("ACK", "z9hG4bK4")),
        ["Ack of nothing"],
        "nothing is remembered of it"
    );
    assert_eq!(
        (rig.layer.server_count(), rig.layer.stats().refused_by_total),
        (2, 3)
    );
    rig.respond(1, 200);
    rig.wait(32_000);
    assert_eq!(
        rig.receive(request_text("OPTIONS", "z9hG4bK5")),
        ["Request OPTIONS"],
        "there is room again"
    );
}

#[test]
fn a_full_layer_still_cancels_and_still_answers_retransmissions() {
    let mut rig = Rig::with_config(TransportKind::Udp, config(2, 100));
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.receive(request_text("OPTIONS", "z9hG4bK2"));
    rig.respond(1, 200);
    assert_eq!(
        rig.receive(request_text("OPTIONS", "z9hG4bK2")),
        ["-> 200 (OPTIONS)"]
    );
    rig.receive(request_text("OPTIONS", "z9hG4bK4"));
    assert_eq!(
        rig.receive(request_text("CANCEL", "z9hG4bK3")),
        ["-> 503 (CANCEL)"],
        "one that frees nothing"
    );
    assert_eq!(
        rig.receive(request_text("CANCEL", "z9hG4bK1")),
        ["Cancel of an INVITE"]
    );
}

/// A flow from this address.
fn flow_from(number: u32, remote: &str) -> Flow {
    let mut flow = flow(TransportKind::Udp, number);
    flow.remote = SocketAddr::new(remote.parse().unwrap(), flow.remote.port());
    flow
}

#[test]
fn one_peer_cannot_use_up_the_layer_with_many_flows() {
    let mut rig = Rig::with_config(TransportKind::Udp, config(100, 2));
    let refused = |number| format!("-> 503 (OPTIONS) over Flow({number}.0)");
    let mut number = 0;
    let mut receive = |rig: &mut Rig, remote| {
        number += 1;
        let text = request_text("OPTIONS", &format!("z9hG4bK{number}"));
        (number, rig.receive_over(flow_from(number, remote), text))
    };
    for peers in [
        ["192.0.2.2", "192.0.2.2", "::ffff:192.0.2.2", "192.0.2.3"],
        // What one subscriber has: RFC 6177 §2.
        [
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8::ffff:1",
            "2001:db8:0:1::1",
        ],
    ] {
        let mut all = peers.into_iter().map(|peer| receive(&mut rig, peer));
        let expected = |outputs: &[String]| outputs == ["Request OPTIONS"];
        assert!(all.next().is_some_and(|(_, outputs)| expected(&outputs)));
        assert!(all.next().is_some_and(|(_, outputs)| expected(&outputs)));
        assert!(
            all.next()
                .is_some_and(|(flow, outputs)| outputs == [refused(flow)])
        );
        assert!(all.next().is_some_and(|(_, outputs)| expected(&outputs)));
    }
    assert_eq!(rig.layer.stats().refused_by_peer, 2);
    // What has ended counts no more.
    rig.respond(0, 200);
    rig.wait(32_000);
    let (_, outputs) = receive(&mut rig, "192.0.2.2");
    assert_eq!(outputs, ["Request OPTIONS"]);
}

#[test]
fn a_refused_client_transaction_sends_nothing_and_its_id_is_never_valid() {
    let mut config = TransactionConfig::default();
    config.max_client = 1;
    let mut rig = Rig::with_config(TransportKind::Udp, config);
    let (first, lines) = rig.send(Method::Options);
    assert_eq!(lines, ["-> OPTIONS"]);
    let (refused, lines) = rig.send(Method::Options);
    assert_eq!(lines, ["Refused", "Terminated client"]);
    assert_ne!(first, refused);
    rig.receive_response(0, 200);
    rig.wait(5000);
    let (third, lines) = rig.send(Method::Options);
    assert_eq!(lines, ["-> OPTIONS"]);
    assert!(third != refused && third != first);
    assert_eq!(rig.layer.stats().refused_clients, 1);
}

#[test]
fn a_flood_of_strays_leaves_nothing_behind() {
    let mut rig = Rig::udp();
    rig.send(Method::Options);
    let response = String::from_utf8(rig.response_text(0, 200).to_vec()).unwrap();
    for number in 0..1000 {
        let stray = response.replace("z9hG4bKw0000", &format!("z9hG4bKx{number}"));
        assert_eq!(rig.receive(stray), ["Stray 200"]);
        assert_eq!(
            rig.receive(request_text("ACK", &format!("z9hG4bK{number}"))),
            ["Ack of nothing"]
        );
    }
    assert_eq!((rig.layer.client_count(), rig.layer.server_count()), (1, 0));
}

#[test]
fn rfc3261_8_2_7_who_is_refused_without_a_transaction_gets_one_tag_and_its_ack_is_absorbed() {
    let mut rig = Rig::udp();
    let flow = rig.flow;
    let invite = request_text("INVITE", "z9hG4bK1");
    let parsed = |text: &str| match parse(text.to_owned()) {
        sip_message::Message::Request(request) => request,
        sip_message::Message::Response(_) => unreachable!("a request"),
    };
    assert!(!rig.layer.is_known(&parsed(&invite)));
    for _ in 0..2 {
        rig.layer.refuse(&parsed(&invite), &flow, 7);
        assert_eq!(rig.outputs(), ["-> 503 (INVITE)"]);
    }
    assert_eq!(rig.sent_text(0), rig.sent_text(1));
    assert!(rig.sent_text(0).contains("\r\nRetry-After: 7\r\n"));
    let answer = rig.sent_text(0);
    let tag = answer
        .split(";tag=")
        .nth(2)
        .and_then(|rest| rest.split('\r').next())
        .unwrap();
    let ack = request_text("ACK", "z9hG4bK1");
    let of_the_answer = ack.replace("To: <sip:bob@h>", &format!("To: <sip:bob@h>;tag={tag}"));
    assert_eq!(
        rig.receive(of_the_answer),
        [""; 0],
        "not passed on to anybody"
    );
    let of_another = ack.replace("To: <sip:bob@h>", "To: <sip:bob@h>;tag=0123456789abcdef");
    assert_eq!(rig.receive(of_another), ["Ack of nothing"]);
    assert_eq!(rig.layer.server_count(), 0);
    rig.layer.refuse(&parsed(&ack), &flow, 7);
    assert_eq!(rig.outputs(), [""; 0], "an ACK has no answer");
    // What is in progress is known, with its retransmissions, its ACK and its CANCEL.
    rig.receive(invite);
    for method in ["INVITE", "ACK", "CANCEL"] {
        assert!(
            rig.layer
                .is_known(&parsed(&request_text(method, "z9hG4bK1"))),
            "{method}"
        );
    }
    assert!(
        !rig.layer
            .is_known(&parsed(&request_text("BYE", "z9hG4bK1")))
    );
}

#[test]
fn what_only_waits_for_copies_makes_room_for_new_requests_oldest_first() {
    let mut rig = Rig::with_config(TransportKind::Udp, config(2, 1));
    for n in 1..=2 {
        rig.receive(request_text("OPTIONS", &format!("z9hG4bK{n}")));
        rig.respond(n - 1, 200);
    }
    assert_eq!(rig.layer.server_count(), 2, "both wait for Timer J");
    assert_eq!(
        rig.receive(request_text("OPTIONS", "z9hG4bK3"))
            .last()
            .map(String::as_str),
        Some("Request OPTIONS"),
        "neither the layer's limit nor the peer's refuses it"
    );
    assert_eq!(
        (rig.layer.server_count(), rig.layer.stats().forgotten),
        (2, 1)
    );
    let before = rig.sent.len();
    rig.receive(request_text("OPTIONS", "z9hG4bK2"));
    assert_eq!(
        rig.sent.len(),
        before + 1,
        "the younger one still answers copies"
    );
    assert_eq!(
        rig.receive(request_text("OPTIONS", "z9hG4bK4")),
        ["-> 503 (OPTIONS)"],
        "the third waits for its answer, and counts for its peer"
    );
}

#[test]
fn rfc6026_7_1_an_accepted_invite_does_not_count_for_its_peer_and_is_not_forgotten() {
    let mut rig = Rig::with_config(TransportKind::Udp, config(3, 1));
    for n in 1..=2 {
        let outputs = rig.receive(request_text("INVITE", &format!("z9hG4bK{n}")));
        assert_eq!(
            outputs.last().map(String::as_str),
            Some("Request INVITE"),
            "{n}"
        );
        rig.respond(n - 1, 200);
    }
    rig.receive(request_text("INVITE", "z9hG4bK3"));
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK4")),
        ["-> 503 (INVITE)"],
        "the third is not answered, and counts for its peer"
    );
    rig.respond(2, 200);
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK5")),
        ["-> 503 (INVITE)"],
        "the layer is full of calls that are not forgotten"
    );
    let stats = rig.layer.stats();
    assert_eq!(
        (
            stats.refused_by_peer,
            stats.refused_by_total,
            stats.forgotten
        ),
        (1, 1, 0)
    );
    assert_eq!(rig.layer.server_count(), 3);
}
