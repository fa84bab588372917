//! Statements of RFCs 3263, 3581, 5393, 6026 and 6665 about transactions that no other test shows, one by one (`conformance/`).

use std::time::Duration;

use sip_message::{Method, Response, StatusCode};
use sip_transaction::{Branch, Gone, Input, TransactionConfig, TransactionLayer, TransportKind};

use crate::rig::{Rig, flow, outgoing, parse, request_text};

/// The branch of what was sent with this number.
fn branch(rig: &Rig, number: usize) -> String {
    let message = parse(rig.sent[number].clone());
    let via = message.headers().top_via().unwrap();
    via.branch().unwrap().to_owned()
}

/// A response to what was sent first, with the given branch in its place.
fn with_branch(rig: &Rig, status: u16, branch_of_it: &str) -> String {
    let text = String::from_utf8(rig.response_text(0, status).to_vec()).unwrap();
    text.replace(&branch(rig, 0), branch_of_it)
}

#[test]
fn rfc3263_4_a_transaction_stays_with_its_server() {
    // The retransmissions, the ACK and the CANCEL of an INVITE.
    let mut rig = Rig::udp();
    let (id, sent) = rig.send(Method::Invite);
    assert_eq!(sent, ["-> INVITE"]);
    // What goes over another flow would say so.
    assert_eq!(rig.wait(1600), ["500 -> INVITE", "1500 -> INVITE"]);
    rig.layer.cancel(id, &[], rig.clock.now()).unwrap();
    let other = flow(TransportKind::Udp, 7);
    let ringing = rig.response_text(0, 180);
    assert_eq!(
        rig.receive_over(other, ringing),
        ["Response 180", "-> CANCEL"]
    );
    let refusal = rig.response_text(0, 487);
    assert_eq!(rig.receive_over(other, refusal), ["-> ACK", "Response 487"]);
    // And for what is no INVITE.
    let mut rig = Rig::udp();
    rig.send(Method::Options);
    assert_eq!(rig.wait(600), ["500 -> OPTIONS"]);
}

#[test]
fn rfc3263_4_4_retransmission_ack_and_cancel_go_where_the_request_went() {
    for status in [302, 404, 500, 603] {
        let mut rig = Rig::udp();
        let (id, _) = rig.send(Method::Invite);
        let other = flow(TransportKind::Udp, 3);
        let ringing = rig.response_text(0, 180);
        rig.receive_over(other, ringing);
        rig.layer.cancel(id, &[], rig.clock.now()).unwrap();
        assert_eq!(rig.outputs(), ["-> CANCEL"]);
        let refusal = rig.response_text(0, status);
        let ack = rig.receive_over(other, refusal.clone());
        assert_eq!(ack[0], "-> ACK", "{status}");
        assert_eq!(rig.receive_over(other, refusal), ["-> ACK"], "and again");
    }
}

#[test]
fn rfc3581_4_a_response_leaves_by_the_flow_that_the_request_came_in_by() {
    // A flow is a pair of addresses: ours is the one that was sent to.
    for number in [0, 1, 2] {
        let mut rig = Rig::udp();
        let from = flow(TransportKind::Udp, number);
        rig.receive_over(from, request_text("OPTIONS", "z9hG4bK1"));
        let expected = match number {
            0 => "-> 200 (OPTIONS)".to_owned(),
            _ => format!("-> 200 (OPTIONS) over {:?}", from.id),
        };
        assert_eq!(rig.respond(0, 200), [expected]);
    }
}

#[test]
fn rfc5393_4_2_1_a_copy_has_a_via_of_ours_on_top_with_a_branch_in_two_parts() {
    let mut rig = Rig::udp();
    let forward = |rig: &mut Rig, method: Method, hash: u64| {
        let text = request_text(method.as_str(), "z9hG4bKtheirs");
        let sip_message::Message::Request(request) = parse(text) else {
            panic!("a request")
        };
        rig.layer.forward(&request, rig.flow, hash, rig.clock.now());
        rig.outputs();
    };
    forward(&mut rig, Method::Invite, 0x0123_4567_89ab_cdef);
    forward(&mut rig, Method::Invite, 0x0123_4567_89ab_cdef);
    forward(&mut rig, Method::Options, 0x0123_4567_89ab_cdef);
    let vias: Vec<String> = {
        let text = rig.sent_text(0);
        let lines = text.lines().filter(|line| line.starts_with("Via:"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(vias.len(), 2);
    assert!(vias[0].contains("192.0.2.1:5060"), "{vias:?}");
    assert!(vias[1].contains("z9hG4bKtheirs"), "{vias:?}");
    // The first part is new each time, the second says what was looked at.
    let branches: Vec<String> = (0..3).map(|number| branch(&rig, number)).collect();
    for one in &branches {
        assert!(one.starts_with("z9hG4bK"), "{one}");
        assert_eq!(Branch::loop_hash_of(one), Some(0x0123_4567_89ab_cdef));
    }
    assert_ne!(branches[0], branches[1]);
    assert_ne!(branches[0], branches[2]);
}

#[test]
fn rfc5393_4_2_1_cancel_and_ack_have_the_branch_of_their_invite() {
    let mut rig = Rig::udp();
    let id = rig
        .layer
        .forward(&outgoing(Method::Invite), rig.flow, 5, rig.clock.now());
    rig.outputs();
    rig.receive_response(0, 180);
    rig.layer.cancel(id, &[], rig.clock.now()).unwrap();
    rig.outputs();
    rig.receive_response(0, 487);
    assert!(rig.sent_text(1).starts_with("CANCEL "));
    assert!(rig.sent_text(2).starts_with("ACK "));
    assert_eq!(branch(&rig, 1), branch(&rig, 0));
    assert_eq!(branch(&rig, 2), branch(&rig, 0));
}

#[test]
fn rfc6026_6_a_2xx_ends_neither_side_at_once() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    rig.receive_response(0, 200);
    assert_eq!(rig.layer.client_count(), 1);
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.respond(0, 200);
    assert_eq!(rig.layer.server_count(), 1);
}

/// An INVITE whose answer cannot be sent: the transaction, in the state in which it was.
fn stays_when_its_flow_fails() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    let fails = |rig: &mut Rig| {
        let failed = Input::FlowFailed { flow: rig.flow.id };
        rig.layer.handle_input(failed, rig.clock.now());
        rig.outputs()
    };
    // Proceeding.
    rig.respond(0, 180);
    assert_eq!(fails(&mut rig), ["ServerFlowFailed"]);
    assert_eq!(rig.layer.server_count(), 1);
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK1")),
        ["-> 180 (INVITE)"]
    );
    // Completed: what was refused is repeated until its ACK.
    rig.respond(0, 486);
    fails(&mut rig);
    assert_eq!(rig.layer.server_count(), 1);
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK1")),
        ["-> 486 (INVITE)"]
    );
    assert_eq!(rig.receive(request_text("ACK", "z9hG4bK1")), [""; 0]);
    // Accepted.
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.respond(0, 200);
    fails(&mut rig);
    assert_eq!(rig.layer.server_count(), 1);
    assert_eq!(rig.respond(0, 200), ["-> 200 (INVITE)"]);
}

#[test]
fn rfc6026_6_an_invite_whose_answer_cannot_be_sent_is_not_forgotten() {
    stays_when_its_flow_fails();
}

#[test]
fn rfc6026_7_1_a_transport_error_changes_no_state() {
    stays_when_its_flow_fails();
}

#[test]
fn rfc6026_7_1_timer_l_ends_it() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.respond(0, 200);
    assert_eq!(rig.wait(31_999), [""; 0]);
    assert_eq!(rig.layer.server_count(), 1);
    assert_eq!(rig.wait(1), ["32000 Terminated server"]);
    assert_eq!(rig.layer.server_count(), 0);
    let (id, request) = &rig.servers[0];
    let late = Response::to(request, StatusCode::OK).to_tag("b").build();
    assert_eq!(
        rig.layer.respond(*id, &late.unwrap(), rig.clock.now()),
        Err(Gone)
    );
}

#[test]
fn rfc6026_7_2_a_2xx_leads_to_accepted_and_to_timer_m() {
    for provisional in [false, true] {
        let mut rig = Rig::udp();
        rig.send(Method::Invite);
        if provisional {
            rig.receive_response(0, 180);
        }
        assert_eq!(rig.receive_response(0, 200), ["Response 200"]);
        assert_eq!(rig.wait(31_999), [""; 0], "nothing is repeated");
        assert_eq!(rig.layer.client_count(), 1);
        assert_eq!(rig.wait(1), ["32000 Terminated client"]);
        assert_eq!(rig.layer.client_count(), 0);
        // It is gone: what comes now is of nothing.
        assert_eq!(rig.receive_response(0, 200), ["Stray 200"]);
    }
}

#[test]
fn rfc6026_7_2_each_further_2xx_is_passed_up() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    for _ in 0..4 {
        assert_eq!(rig.receive_response(0, 200), ["Response 200"]);
        assert_eq!(rig.layer.client_count(), 1);
        rig.wait(4000);
    }
    // The time runs from the first.
    assert_eq!(rig.wait(16_000), ["32000 Terminated client"]);
}

#[test]
fn rfc6026_7_2_no_2xx_is_acknowledged_here() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    rig.receive_response(0, 180);
    for status in [200, 202, 299, 200] {
        let lines = rig.receive_response(0, status);
        assert_eq!(lines, [format!("Response {status}")]);
    }
    assert_eq!(rig.sent.len(), 1, "the INVITE and nothing else");
}

#[test]
fn rfc6026_8_4_the_ack_goes_where_the_invite_went() {
    for kind in [TransportKind::Udp, TransportKind::Tcp] {
        let mut rig = Rig::new(kind);
        rig.send(Method::Invite);
        let refusal = rig.response_text(0, 404);
        // Over our flow, whichever the response came by.
        assert_eq!(
            rig.receive_over(flow(kind, 5), refusal)[..2],
            ["-> ACK", "Response 404"]
        );
    }
}

#[test]
fn rfc6026_8_5_a_2xx_is_sent_and_leads_to_accepted() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.respond(0, 180);
    assert_eq!(rig.respond(0, 200), ["-> 200 (INVITE)"]);
    // Accepted: a copy of the INVITE is absorbed, and its ACK goes up.
    assert_eq!(rig.receive(request_text("INVITE", "z9hG4bK1")), [""; 0]);
    assert_eq!(
        rig.receive(request_text("ACK", "z9hG4bK1")),
        ["Ack of an INVITE"]
    );
}

#[test]
fn rfc6026_8_7_each_2xx_of_the_tu_is_sent() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    for _ in 0..5 {
        assert_eq!(rig.respond(0, 200), ["-> 200 (INVITE)"]);
        rig.wait(4000);
    }
}

#[test]
fn rfc6026_8_9_a_response_goes_to_its_transaction_or_nowhere() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    let text = with_branch(&rig, 180, "z9hG4bKanother");
    // It is told as what it is and changes nothing.
    assert_eq!(rig.receive(text), ["Stray 180"]);
    assert_eq!(rig.wait(500), ["500 -> INVITE"], "it was not heard");
    assert_eq!(rig.receive_response(0, 180), ["Response 180"]);
    assert_eq!(rig.wait(10_000), [""; 0]);
}

#[test]
fn rfc6665_4_6_a_cancel_of_a_subscribe_or_notify_is_answered_and_that_is_all() {
    for method in ["SUBSCRIBE", "NOTIFY"] {
        let mut rig = Rig::udp();
        assert_eq!(rig.receive(request_text(method, "z9hG4bK1")).len(), 1);
        assert_eq!(
            rig.receive(request_text("CANCEL", "z9hG4bK1")),
            ["-> 200 (CANCEL)"]
        );
        assert_eq!(rig.wait(1000), [""; 0], "nobody is told, nobody answers");
        assert_eq!(rig.respond(0, 200), [format!("-> 200 ({method})")]);
    }
}

#[test]
fn rfc3261_17_1_1_2_t1_is_half_a_second_unless_it_is_configured() {
    assert_eq!(TransactionConfig::default().t1, Duration::from_millis(500));
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    assert_eq!(rig.wait(600), ["500 -> INVITE"]);
}
