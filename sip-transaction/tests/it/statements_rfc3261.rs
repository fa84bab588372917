//! Statements of RFC 3261 that this layer keeps for the roles above it, one by one (`conformance/rfc3261.toml`).

use std::collections::HashSet;

use sip_message::{HeaderName, Message, Method};
use sip_transaction::{TransactionLayer, TransportKind};

use crate::rig::{Rig, flow, outgoing, parse, request_text};

fn values(message: &Message, name: HeaderName) -> Vec<&str> {
    message.headers().values(name).collect()
}

fn branch(message: &Message) -> String {
    let via = message.headers().top_via().unwrap();
    via.branch().unwrap().to_owned()
}

/// An INVITE with fields that no CANCEL and no ACK has, which was cancelled or refused.
fn demanding(rig: &mut Rig) -> sip_transaction::ClientTransactionId {
    let mut invite = outgoing(Method::Invite);
    for (name, value) in [
        (HeaderName::Require, "100rel"),
        (HeaderName::ProxyRequire, "sec-agree"),
        (HeaderName::Contact, "<sip:alice@192.0.2.1>"),
    ] {
        invite.headers_mut().push_back(name, value);
    }
    let id = rig.layer.request(&invite, rig.flow, rig.clock.now());
    rig.outputs();
    id
}

#[test]
fn rfc3261_8_2_2_3_neither_a_cancel_nor_the_ack_to_a_refusal_requires_anything() {
    let mut rig = Rig::udp();
    let id = demanding(&mut rig);
    rig.layer.cancel(id, &[], rig.clock.now()).unwrap();
    rig.receive_response(0, 180);
    rig.receive_response(0, 487);
    for number in [1, 2] {
        let message = parse(rig.sent[number].clone());
        assert!(
            !message.headers().contains(HeaderName::Require),
            "{message:?}"
        );
        assert!(!message.headers().contains(HeaderName::ProxyRequire));
    }
}

#[test]
fn rfc3261_9_1_a_cancel_has_the_route_of_its_invite_and_requires_nothing() {
    let mut rig = Rig::udp();
    let id = demanding(&mut rig);
    rig.layer.cancel(id, &[], rig.clock.now()).unwrap();
    rig.receive_response(0, 180);
    let (invite, cancel) = (parse(rig.sent[0].clone()), parse(rig.sent[1].clone()));
    assert!(rig.sent[1].starts_with(b"CANCEL "));
    assert_eq!(
        values(&cancel, HeaderName::Route),
        ["<sip:proxy.example.com;lr>"]
    );
    assert_eq!(
        values(&cancel, HeaderName::Route),
        values(&invite, HeaderName::Route)
    );
    assert!(!cancel.headers().contains(HeaderName::Require));
    assert!(!cancel.headers().contains(HeaderName::ProxyRequire));
}

#[test]
fn rfc3261_8_2_6_1_a_100_says_how_long_it_took() {
    for (stamp, expected) in [
        ("54", "54 0.2"),
        ("54.25", "54.25 0.2"),
        // What has a delay already, or is no number, is copied as it is.
        ("54 0.1", "54 0.1"),
        ("x", "x"),
    ] {
        let mut rig = Rig::udp();
        let text = request_text("INVITE", "z9hG4bK1").replace(
            "Content-Length",
            &format!("Timestamp: {stamp}\r\nContent-Length"),
        );
        rig.receive(text);
        rig.wait(200);
        let trying = parse(rig.sent[0].clone());
        assert_eq!(values(&trying, HeaderName::Timestamp), [expected]);
    }
}

#[test]
fn rfc3261_16_2_an_invite_has_its_100_soon_and_another_request_has_none() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    assert_eq!(rig.wait(200), ["200 -> 100 (INVITE)"]);
    let mut rig = Rig::udp();
    rig.receive(request_text("MESSAGE", "z9hG4bK2"));
    assert_eq!(rig.wait(3_000), [""; 0]);
}

#[test]
fn rfc3261_16_6_each_copy_has_a_via_on_top_with_a_branch_of_its_own() {
    let mut rig = Rig::udp();
    let mut branches = HashSet::new();
    for attempt in 0..50 {
        let Message::Request(request) = parse(request_text("INVITE", "z9hG4bKtheirs")) else {
            panic!("a request")
        };
        let now = rig.clock.now();
        rig.layer.forward(&request, rig.flow, 7, now);
        rig.outputs();
        let sent = parse(rig.sent[attempt].clone());
        let vias = values(&sent, HeaderName::Via);
        assert_eq!(vias.len(), 2);
        assert!(vias[0].starts_with("SIP/2.0/UDP 192.0.2.1:5060;"));
        assert_eq!(vias[1], "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKtheirs");
        assert!(branches.insert(branch(&sent)));
    }
}

#[test]
fn rfc3261_16_6_cancel_and_ack_have_the_branch_of_their_invite() {
    let mut rig = Rig::udp();
    let Message::Request(request) = parse(request_text("INVITE", "z9hG4bKtheirs")) else {
        panic!("a request")
    };
    let id = rig.layer.forward(&request, rig.flow, 7, rig.clock.now());
    rig.outputs();
    rig.layer.cancel(id, &[], rig.clock.now()).unwrap();
    rig.receive_response(0, 180);
    rig.receive_response(0, 487);
    let sent: Vec<Message> = rig.sent.iter().map(|bytes| parse(bytes.clone())).collect();
    assert!(rig.sent[1].starts_with(b"CANCEL ") && rig.sent[2].starts_with(b"ACK "));
    assert_eq!(branch(&sent[0]), branch(&sent[1]));
    assert_eq!(branch(&sent[0]), branch(&sent[2]));
}

#[test]
fn rfc3261_17_1_a_request_is_handed_up_at_once() {
    // So that it can be answered at once: nothing waits for a timer.
    let mut rig = Rig::udp();
    assert_eq!(
        rig.receive(request_text("OPTIONS", "z9hG4bK1")),
        ["Request OPTIONS"]
    );
    assert_eq!(rig.respond(0, 200), ["-> 200 (OPTIONS)"]);
}

#[test]
fn rfc3261_18_1_2_a_response_goes_to_its_transaction_or_to_the_core() {
    let mut rig = Rig::udp();
    rig.send(Method::Options);
    let answer = String::from_utf8(rig.response_text(0, 200).to_vec()).unwrap();
    let unknown = answer.replace("branch=z9hG4bK", "branch=z9hG4bKx");
    assert_eq!(rig.receive(unknown), ["Stray 200"]);
    assert_eq!(rig.receive_response(0, 200), ["Response 200"]);
}

#[test]
fn rfc3261_20_42_every_branch_begins_with_the_cookie() {
    for kind in [TransportKind::Udp, TransportKind::Tcp] {
        for method in [Method::Invite, Method::Options, Method::Message] {
            let mut rig = Rig::new(kind);
            rig.flow = flow(kind, 0);
            rig.send(method);
            assert!(branch(&parse(rig.sent[0].clone())).starts_with("z9hG4bK"));
        }
    }
}

#[test]
fn rfc3261_16_6_what_goes_over_a_stream_has_its_length() {
    let mut rig = Rig::tcp();
    let text = request_text("MESSAGE", "z9hG4bKtheirs").replace("Content-Length: 0\r\n", "");
    let Message::Request(request) = parse(format!("{text}hello")) else {
        panic!("a request")
    };
    rig.layer.forward(&request, rig.flow, 7, rig.clock.now());
    rig.outputs();
    let sent = parse(rig.sent[0].clone());
    assert_eq!(values(&sent, HeaderName::ContentLength), ["5"]);
}
