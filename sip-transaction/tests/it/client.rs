//! Client transactions: RFC 3261 section 17.1 through the layer.

use std::time::Duration;

use sip_message::{HeaderName, Method};
use sip_transaction::{Branch, TransactionLayer, TransportKind};

use crate::rig::{Rig, flow, outgoing, parse};

#[test]
fn rfc3261_8_1_1_7_the_via_has_a_fresh_branch_with_the_cookie_and_the_sent_by_of_the_flow() {
    let mut rig = Rig::udp();
    rig.send(Method::Options);
    rig.send(Method::Options);
    let branches: Vec<String> = (0..2)
        .map(|number| {
            let message = parse(rig.sent[number].clone());
            let via = message.headers().get(HeaderName::Via).unwrap().to_owned();
            let branch = message
                .headers()
                .top_via()
                .unwrap()
                .branch()
                .unwrap()
                .to_owned();
            assert_eq!(
                via,
                format!("SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport")
            );
            assert_eq!(Branch::worker_of(&branch), Some(0));
            branch
        })
        .collect();
    assert!(branches.iter().all(|branch| branch.starts_with("z9hG4bK")));
    assert_ne!(branches[0], branches[1]);
}

#[test]
fn rfc3581_3_rport_is_asked_for_over_udp_only() {
    for (kind, via) in [
        (TransportKind::Udp, "SIP/2.0/UDP"),
        (TransportKind::Tcp, "SIP/2.0/TCP"),
        (TransportKind::Tls, "SIP/2.0/TLS"),
        (TransportKind::Ws, "SIP/2.0/WS"),
    ] {
        let mut rig = Rig::new(kind);
        rig.send(Method::Options);
        let text = rig.sent_text(0);
        assert!(text.contains(via), "{text}");
        assert_eq!(
            text.contains(";rport"),
            kind == TransportKind::Udp,
            "{text}"
        );
    }
}

#[test]
fn rfc3261_17_1_1_2_an_accepted_invite() {
    let mut rig = Rig::udp();
    assert_eq!(rig.send(Method::Invite).1, ["-> INVITE"]);
    assert_eq!(rig.wait(600), ["500 -> INVITE"]);
    assert_eq!(rig.receive_response(0, 100), ["Response 100"]);
    assert_eq!(rig.receive_response(0, 180), ["Response 180"]);
    assert_eq!(
        rig.receive_response(0, 180),
        ["Response 180"],
        "each provisional response is passed up"
    );
    assert_eq!(
        rig.wait(10_000),
        [""; 0],
        "nothing is sent again after a provisional response"
    );
    assert_eq!(rig.receive_response(0, 200), ["Response 200"]);
    assert_eq!(
        rig.receive_response(0, 200),
        ["Response 200"],
        "RFC 6026: each 2xx is passed up"
    );
    assert_eq!(
        rig.receive_response(0, 180),
        [""; 0],
        "and a late provisional response is not"
    );
    assert_eq!(
        rig.wait(40_000),
        ["42600 Terminated client"],
        "Timer M: 64*T1 after the first 2xx"
    );
    assert_eq!(rig.receive_response(0, 200), ["Stray 200"]);
}

#[test]
fn rfc3261_17_1_1_3_the_ack_to_a_non_2xx() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    assert_eq!(rig.receive_response(0, 486), ["-> ACK", "Response 486"]);
    let branch = parse(rig.sent[0].clone())
        .headers()
        .top_via()
        .unwrap()
        .branch()
        .unwrap()
        .to_owned();
    assert_eq!(
        rig.sent_text(1),
        format!(
            "ACK sip:bob@192.0.2.2 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport\r\n\
             Route: <sip:proxy.example.com;lr>\r\n\
             From: <sip:alice@example.com>;tag=a1\r\n\
             Call-ID: c1\r\n\
             Max-Forwards: 70\r\n\
             To: <sip:bob@example.com>;tag=b\r\n\
             CSeq: 314 ACK\r\n\
             Content-Length: 0\r\n\r\n"
        )
    );
    assert!(parse(rig.sent[1].clone()).validate().is_ok());
    assert_eq!(
        rig.receive_response(0, 486),
        ["-> ACK"],
        "again for each copy, and the TU hears nothing"
    );
    assert_eq!(rig.sent[1], rig.sent[2]);
    assert_eq!(rig.wait(40_000), ["32000 Terminated client"], "Timer D");
}

#[test]
fn rfc3261_17_1_1_3_the_ack_has_the_single_via_of_a_forwarded_invite() {
    let mut rig = Rig::udp();
    let mut invite = outgoing(Method::Invite);
    invite.headers_mut().push_front(
        HeaderName::Via,
        "SIP/2.0/UDP caller.example.com;branch=z9hG4bKupstream",
    );
    rig.layer.request(&invite, rig.flow, rig.clock.now());
    rig.outputs();
    assert_eq!(
        parse(rig.sent[0].clone()).headers().count(HeaderName::Via),
        2
    );
    rig.receive_response(0, 404);
    assert_eq!(
        parse(rig.sent[1].clone()).headers().count(HeaderName::Via),
        1
    );
    assert!(!rig.sent_text(1).contains("upstream"));
}

#[test]
fn rfc3261_17_1_1_2_reliable_transports_send_once_and_wait_for_nothing() {
    let mut rig = Rig::tcp();
    rig.send(Method::Invite);
    assert_eq!(rig.wait(20_000), [""; 0]);
    assert_eq!(
        rig.receive_response(0, 486),
        ["-> ACK", "Response 486", "Terminated client"]
    );
    rig.send(Method::Options);
    assert_eq!(
        rig.receive_response(2, 200),
        ["Response 200", "Terminated client"]
    );
}

#[test]
fn rfc3261_17_1_1_2_timer_b_tells_the_tu_and_no_ack_is_sent() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    let lines = rig.wait(100_000);
    assert_eq!(lines.len(), 8, "{lines:?}");
    assert_eq!(lines[6..], ["32000 TimedOut", "32000 Terminated client"]);
    assert_eq!(rig.layer.stats().timeouts, 1);
    assert_eq!(rig.layer.stats().retransmitted_requests, 6);
}

#[test]
fn rfc3261_17_1_2_2_a_non_invite_transaction() {
    let mut rig = Rig::udp();
    rig.send(Method::Register);
    assert_eq!(rig.wait(2000), ["500 -> REGISTER", "1500 -> REGISTER"]);
    assert_eq!(rig.receive_response(0, 100), ["Response 100"]);
    assert_eq!(
        rig.wait(6000),
        ["3500 -> REGISTER", "7500 -> REGISTER"],
        "then every T2"
    );
    assert_eq!(rig.receive_response(0, 200), ["Response 200"]);
    assert_eq!(
        rig.receive_response(0, 200),
        [""; 0],
        "a second final response is absorbed"
    );
    assert_eq!(rig.wait(6000), ["13000 Terminated client"], "Timer K");
    assert_eq!(rig.layer.stats().absorbed_responses, 1);
}

#[test]
fn retransmissions_are_the_same_bytes() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    rig.wait(40_000);
    assert_eq!(rig.sent.len(), 7);
    assert!(rig.sent.iter().all(|payload| *payload == rig.sent[0]));
    assert!(
        rig.sent
            .iter()
            .all(|payload| payload.as_ptr() == rig.sent[0].as_ptr()),
        "encoded once, shared"
    );
}

#[test]
fn rfc3261_17_1_4_a_failed_flow_is_told_at_once_and_the_next_target_gets_a_new_branch() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    rig.send(Method::Options);
    let other = flow(TransportKind::Udp, 1);
    rig.layer
        .request(&outgoing(Method::Options), other, rig.clock.now());
    rig.outputs();
    let now = rig.clock.now();
    rig.layer.handle_input(
        sip_transaction::Input::FlowFailed { flow: rig.flow.id },
        now,
    );
    let mut lines = rig.outputs();
    lines.sort();
    assert_eq!(
        lines,
        [
            "FlowFailed",
            "FlowFailed",
            "Terminated client",
            "Terminated client"
        ]
    );
    assert_eq!(rig.layer.client_count(), 1, "that on the other flow lives");
    rig.layer.request(&outgoing(Method::Invite), other, now);
    rig.outputs();
    let branch = |number: usize| {
        let message = parse(rig.sent[number].clone());
        message
            .headers()
            .top_via()
            .unwrap()
            .branch()
            .unwrap()
            .to_owned()
    };
    assert_ne!(branch(0), branch(3));
}

#[test]
fn rfc6026_8_4_a_failed_flow_does_not_end_the_accepted_state() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    rig.receive_response(0, 200);
    rig.layer.handle_input(
        sip_transaction::Input::FlowFailed { flow: rig.flow.id },
        rig.clock.now(),
    );
    assert_eq!(rig.outputs(), [""; 0]);
    let other = flow(TransportKind::Udp, 1);
    let text = rig.response_text(0, 200);
    assert_eq!(
        rig.receive_over(other, text),
        ["Response 200"],
        "a 2xx may come over another flow"
    );
}

#[test]
fn rfc3261_13_2_2_4_the_ack_to_a_2xx_belongs_to_the_tu() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    assert_eq!(
        rig.receive_response(0, 200),
        ["Response 200"],
        "no ACK by the layer"
    );
    let payload = rig
        .layer
        .send_ack(&outgoing(Method::Ack), rig.flow, rig.clock.now());
    assert_eq!(rig.outputs(), ["-> ACK"]);
    rig.receive_response(0, 200);
    rig.layer.retransmit(payload, rig.flow.id, rig.clock.now());
    assert_eq!(rig.outputs(), ["-> ACK"]);
    assert_eq!(
        rig.sent[1], rig.sent[2],
        "the same ACK, its branch included"
    );
    let branch = |number: usize| {
        let message = parse(rig.sent[number].clone());
        message
            .headers()
            .top_via()
            .unwrap()
            .branch()
            .unwrap()
            .to_owned()
    };
    assert_ne!(branch(0), branch(1), "and not the branch of the INVITE");
}

#[test]
fn rfc3261_16_6_8_a_forwarded_request_carries_the_loop_hash_in_its_branch() {
    let mut rig = Rig::udp();
    rig.layer.forward(
        &outgoing(Method::Options),
        rig.flow,
        0x0123_4567_89ab_cdef,
        rig.clock.now(),
    );
    rig.outputs();
    let message = parse(rig.sent[0].clone());
    let branch = message
        .headers()
        .top_via()
        .unwrap()
        .branch()
        .unwrap()
        .to_owned();
    assert_eq!(Branch::loop_hash_of(&branch), Some(0x0123_4567_89ab_cdef));
    assert_eq!(Branch::worker_of(&branch), Some(0));
    assert_eq!(rig.receive_response(0, 200), ["Response 200"]);
}

#[test]
fn rfc3261_20_14_a_request_that_is_forwarded_to_a_stream_gets_a_content_length() {
    let mut rig = Rig::tcp();
    let text = "MESSAGE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
         To: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n\r\nhello";
    let sip_message::Message::Request(request) = parse(text) else {
        panic!()
    };
    rig.layer.request(&request, rig.flow, rig.clock.now());
    rig.outputs();
    assert!(rig.sent_text(0).contains("Content-Length: 5\r\n"));
}

#[test]
fn rfc3263_4_3_a_request_with_other_targets_is_given_up_early() {
    for (method, sent) in [
        (Method::Invite, "-> INVITE"),
        (Method::Options, "-> OPTIONS"),
    ] {
        let mut rig = Rig::udp();
        let (id, _) = rig.send(method.clone());
        let now = rig.clock.now();
        rig.layer.give_up_at(id, now + Duration::from_secs(4), now);
        let told = rig.wait(60_000);
        assert!(told[0].contains(sent), "{told:?}");
        let end = told.iter().position(|line| line.contains("TimedOut"));
        assert_eq!(end.map(|end| told[end].as_str()), Some("4000 TimedOut"));
        assert_eq!(rig.layer.client_count(), 0);
        assert_eq!(rig.layer.leaks(), None);
    }
}

#[test]
fn rfc3263_4_3_what_was_heard_gives_it_the_usual_time_again() {
    for (method, end) in [
        (Method::Invite, None),
        (Method::Options, Some("32000 TimedOut")),
    ] {
        let mut rig = Rig::udp();
        let (id, _) = rig.send(method.clone());
        let now = rig.clock.now();
        rig.layer.give_up_at(id, now + Duration::from_secs(4), now);
        rig.wait(1_000);
        rig.receive_response(0, 100);
        let told = rig.wait(100_000);
        let last = told.iter().find(|line| line.contains("TimedOut"));
        assert_eq!(last.map(String::as_str), end, "{told:?}");
        // And whoever is late with it changes nothing.
        let now = rig.clock.now();
        rig.layer.give_up_at(id, now, now);
        assert!(!rig.wait(1).iter().any(|line| line.contains("TimedOut")));
    }
}

#[test]
fn rfc3263_4_3_giving_up_never_lengthens_the_timers() {
    for method in [Method::Invite, Method::Options] {
        let mut rig = Rig::tcp();
        let (id, _) = rig.send(method);
        let now = rig.clock.now();
        rig.layer
            .give_up_at(id, now + Duration::from_secs(400), now);
        let told = rig.wait(500_000);
        assert_eq!(
            told.iter().filter(|line| *line == "32000 TimedOut").count(),
            1,
            "{told:?}"
        );
    }
}

#[test]
fn rfc5923_8_1_the_via_of_a_flow_that_asks_for_it_says_alias() {
    for alias in [false, true] {
        let mut rig = Rig::new(TransportKind::Tls);
        rig.flow.alias = alias;
        rig.send(Method::Options);
        let message = parse(rig.sent[0].clone());
        let via = message.headers().top_via().unwrap();
        assert_eq!(via.params().contains("alias"), alias);
        assert!(via.branch().unwrap().starts_with("z9hG4bK"));
    }
}
