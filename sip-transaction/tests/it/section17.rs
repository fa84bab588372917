//! Statements of RFC 3261 §17 that no other test shows, one by one (`conformance/rfc3261.toml`).

use sip_message::{HeaderName, Method};
use sip_transaction::{Gone, Input, TransactionLayer, TransportKind};

use crate::rig::{Rig, flow, parse, request_text};

#[test]
fn rfc3261_17_1_1_2_the_ack_goes_where_the_invite_went() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    let refusal = rig.response_text(0, 486);
    // However the response came: the line would name another flow.
    let lines = rig.receive_over(flow(TransportKind::Udp, 9), refusal);
    assert_eq!(lines, ["-> ACK", "Response 486"]);
}

#[test]
fn rfc3261_17_1_1_2_what_has_ended_is_destroyed() {
    for (status, wait) in [(486, 32_000), (200, 32_000)] {
        let mut rig = Rig::udp();
        let (id, _) = rig.send(Method::Invite);
        rig.receive_response(0, status);
        let lines = rig.wait(wait);
        assert!(
            lines.last().unwrap().ends_with("Terminated client"),
            "{lines:?}"
        );
        assert_eq!(rig.layer.cancel(id, &[], rig.clock.now()), Err(Gone));
        let line = format!("Stray {status}");
        assert_eq!(rig.receive_response(0, status), [line], "nobody knows it");
        assert_eq!(rig.layer.poll_timeout(), None);
    }
}

#[test]
fn rfc3261_17_1_1_3_the_ack_to_a_2xx_is_not_of_this_layer() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    assert_eq!(rig.receive_response(0, 200), ["Response 200"]);
    assert_eq!(
        rig.receive_response(0, 200),
        ["Response 200"],
        "each copy is its owner's"
    );
}

#[test]
fn rfc3261_17_1_1_3_the_ack_has_the_route_of_its_invite() {
    let mut rig = Rig::udp();
    rig.send(Method::Invite);
    rig.receive_response(0, 404);
    let routes = |number: usize| -> Vec<String> {
        let message = parse(rig.sent[number].clone());
        let values = message.headers().values(HeaderName::Route);
        values.map(str::to_owned).collect()
    };
    assert_eq!(routes(1), ["<sip:proxy.example.com;lr>"]);
    assert_eq!(routes(1), routes(0));
}

#[test]
fn rfc3261_17_1_2_2_what_has_ended_is_destroyed() {
    let mut rig = Rig::udp();
    rig.send(Method::Options);
    rig.receive_response(0, 200);
    assert_eq!(rig.wait(5000), ["5000 Terminated client"], "Timer K");
    assert_eq!(rig.receive_response(0, 200), ["Stray 200"]);
    assert_eq!(rig.layer.poll_timeout(), None);
}

#[test]
fn rfc3261_17_2_1_the_100_has_no_tag_of_ours() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.wait(200);
    assert_eq!(parse(rig.sent[0].clone()).headers().to_tag(), None);
}

#[test]
fn rfc3261_17_2_1_provisional_responses_are_sent_and_the_last_one_is_repeated() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    for status in [180, 183, 181] {
        let line = format!("-> {status} (INVITE)");
        assert_eq!(rig.respond(0, status), [line.as_str()]);
        assert_eq!(
            rig.receive(request_text("INVITE", "z9hG4bK1")),
            [line.as_str()]
        );
    }
    assert_eq!(
        rig.wait(100_000),
        [""; 0],
        "they are not repeated by themselves"
    );
}

#[test]
fn rfc3261_17_2_1_a_2xx_is_sent_once_and_its_repetition_is_the_tus() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    assert_eq!(rig.respond(0, 200), ["-> 200 (INVITE)"]);
    // RFC 6026 §7.1 in place of the end of the transaction: neither the layer repeats it, nor does a copy of the INVITE.
    assert_eq!(rig.receive(request_text("INVITE", "z9hG4bK1")), [""; 0]);
    assert_eq!(rig.respond(0, 200), ["-> 200 (INVITE)"]);
    assert_eq!(rig.wait(32_000), ["32000 Terminated server"]);
}

#[test]
fn rfc3261_17_2_1_what_has_ended_is_destroyed() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.respond(0, 486);
    rig.receive(request_text("ACK", "z9hG4bK1"));
    assert_eq!(rig.wait(5000), ["5000 Terminated server"]);
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK1")),
        ["Request INVITE"],
        "it is new again"
    );
}

#[test]
fn rfc3261_17_2_2_other_final_responses_are_dropped() {
    let mut rig = Rig::udp();
    rig.receive(request_text("OPTIONS", "z9hG4bK1"));
    assert_eq!(rig.respond(0, 200), ["-> 200 (OPTIONS)"]);
    assert_eq!(rig.respond(0, 500), [""; 0]);
    assert_eq!(
        rig.receive(request_text("OPTIONS", "z9hG4bK1")),
        ["-> 200 (OPTIONS)"]
    );
}

#[test]
fn rfc3261_17_2_2_what_has_ended_is_destroyed() {
    let mut rig = Rig::udp();
    rig.receive(request_text("OPTIONS", "z9hG4bK1"));
    rig.respond(0, 200);
    assert_eq!(rig.wait(32_000), ["32000 Terminated server"]);
    assert_eq!(
        rig.receive(request_text("OPTIONS", "z9hG4bK1")),
        ["Request OPTIONS"]
    );
}

#[test]
fn rfc3261_17_2_4_when_no_way_is_left_the_tu_is_told() {
    for method in ["INVITE", "OPTIONS"] {
        let mut rig = Rig::tcp();
        rig.receive(request_text(method, "z9hG4bK1"));
        let lines = rig.respond(0, if method == "INVITE" { 486 } else { 200 });
        assert_eq!(
            lines.len(),
            if method == "INVITE" { 1 } else { 2 },
            "{lines:?}"
        );
        let input = Input::FlowFailed { flow: rig.flow.id };
        rig.layer.handle_input(input, rig.clock.now());
        let lines = rig.outputs();
        if method == "INVITE" {
            assert_eq!(lines[0], "ServerFlowFailed", "{lines:?}");
            // RFC 6026 §8.8: it ends by its timer, in case that another way is found.
            let rest = rig.wait(32_000);
            assert_eq!(rest.last().unwrap(), "32000 Terminated server", "{rest:?}");
        }
    }
}
