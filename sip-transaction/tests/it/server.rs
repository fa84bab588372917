//! Server transactions: RFC 3261 section 17.2 through the layer.

use sip_message::{Response, StatusCode};
use sip_transaction::{Gone, Input, TransactionLayer, TransportKind};

use crate::rig::{Rig, flow, request_text};

#[test]
fn rfc3261_17_2_1_the_layer_sends_100_after_200_ms() {
    let mut rig = Rig::udp();
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK1")),
        ["Request INVITE"]
    );
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK1")),
        [""; 0],
        "nothing to repeat yet"
    );
    assert_eq!(rig.wait(1000), ["200 -> 100 (INVITE)"]);
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK1")),
        ["-> 100 (INVITE)"]
    );
    assert_eq!(rig.respond(0, 180), ["-> 180 (INVITE)"]);
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK1")),
        ["-> 180 (INVITE)"],
        "the most recent one"
    );
}

#[test]
fn rfc3261_8_2_6_1_a_100_copies_the_timestamp_and_adds_no_tag() {
    let mut rig = Rig::udp();
    let text = request_text("INVITE", "z9hG4bK1")
        .replace("CSeq", "Timestamp: 54.2\r\nSubject: lunch\r\nCSeq");
    rig.receive(text);
    rig.wait(200);
    assert_eq!(
        rig.sent_text(0),
        "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1\r\nFrom: <sip:alice@h>;tag=a\r\n\
         To: <sip:bob@h>\r\nCall-ID: c-z9hG4bK1\r\nTimestamp: 54.2 0.2\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn rfc3261_17_2_1_no_100_when_the_tu_answers_in_time() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.wait(150);
    assert_eq!(rig.respond(0, 180), ["-> 180 (INVITE)"]);
    assert_eq!(rig.wait(60_000), [""; 0], "and an INVITE waits for its TU");
}

#[test]
fn rfc3261_17_2_1_a_rejected_invite_until_its_ack() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    assert_eq!(rig.respond(0, 486), ["-> 486 (INVITE)"]);
    assert_eq!(
        rig.wait(2000),
        ["500 -> 486 (INVITE)", "1500 -> 486 (INVITE)"],
        "Timer G"
    );
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK1")),
        ["-> 486 (INVITE)"]
    );
    assert_eq!(rig.respond(0, 200), [""; 0], "one final response");
    assert_eq!(
        rig.receive(request_text("ACK", "z9hG4bK1")),
        [""; 0],
        "consumed"
    );
    assert_eq!(rig.receive(request_text("ACK", "z9hG4bK1")), [""; 0]);
    assert_eq!(rig.receive(request_text("INVITE", "z9hG4bK1")), [""; 0]);
    assert_eq!(rig.wait(10_000), ["7000 Terminated server"], "Timer I");
    assert!(rig.sent.iter().all(|payload| payload == &rig.sent[0]));
}

#[test]
fn rfc3261_17_2_1_timer_h_tells_the_tu() {
    let mut rig = Rig::tcp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.respond(0, 486);
    assert_eq!(
        rig.wait(40_000),
        ["32000 AckTimedOut", "32000 Terminated server"],
        "nothing is repeated over TCP"
    );
    assert_eq!(rig.layer.stats().ack_timeouts, 1);
}

#[test]
fn rfc6026_7_1_an_accepted_invite_absorbs_copies_and_passes_2xx_and_acks() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    assert_eq!(rig.respond(0, 200), ["-> 200 (INVITE)"]);
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK1")),
        [""; 0],
        "the owner of the 2xx repeats it"
    );
    assert_eq!(rig.wait(500), [""; 0]);
    assert_eq!(rig.respond(0, 200), ["-> 200 (INVITE)"]);
    assert_eq!(rig.respond(0, 486), [""; 0]);
    assert_eq!(
        rig.receive(request_text("ACK", "z9hG4bK1")),
        ["Ack of an INVITE"]
    );
    assert_eq!(
        rig.receive(request_text("ACK", "z9hG4bKother")),
        ["Ack of nothing"],
        "RFC 3261: a branch of its own"
    );
    assert_eq!(rig.wait(40_000), ["32000 Terminated server"], "Timer L");
    let (id, request) = &rig.servers[0];
    let late = Response::to(request, StatusCode::OK)
        .to_tag("b")
        .build()
        .unwrap();
    assert_eq!(rig.layer.respond(*id, &late, rig.clock.now()), Err(Gone));
}

#[test]
fn rfc3261_17_2_2_a_non_invite_transaction() {
    let mut rig = Rig::udp();
    assert_eq!(
        rig.receive(request_text("OPTIONS", "z9hG4bK1")),
        ["Request OPTIONS"]
    );
    assert_eq!(
        rig.receive(request_text("OPTIONS", "z9hG4bK1")),
        [""; 0],
        "discarded in Trying"
    );
    assert_eq!(rig.respond(0, 200), ["-> 200 (OPTIONS)"]);
    for _ in 0..3 {
        assert_eq!(
            rig.receive(request_text("OPTIONS", "z9hG4bK1")),
            ["-> 200 (OPTIONS)"],
            "the TU is not woken"
        );
    }
    assert_eq!(
        rig.respond(0, 404),
        [""; 0],
        "further final responses are discarded"
    );
    assert!(
        rig.sent
            .iter()
            .all(|payload| payload.as_ptr() == rig.sent[0].as_ptr()),
        "encoded once, shared"
    );
    assert_eq!(rig.wait(40_000), ["32000 Terminated server"], "Timer J");
    assert_eq!(
        rig.receive(request_text("OPTIONS", "z9hG4bK1")),
        ["Request OPTIONS"],
        "a new one by now"
    );
    assert_eq!(
        (
            rig.layer.stats().absorbed_requests,
            rig.layer.stats().retransmitted_responses
        ),
        (4, 3)
    );
}

#[test]
fn rfc3261_17_2_2_reliable_transports_end_with_the_final_response() {
    let mut rig = Rig::tcp();
    rig.receive(request_text("OPTIONS", "z9hG4bK1"));
    assert_eq!(
        rig.respond(0, 200),
        ["-> 200 (OPTIONS)", "Terminated server"]
    );
}

#[test]
fn rfc4320_4_1_no_provisional_response_but_100_and_that_not_too_early() {
    let mut rig = Rig::udp();
    rig.receive(request_text("SUBSCRIBE", "z9hG4bK1"));
    assert_eq!(
        rig.respond(0, 100),
        [""; 0],
        "before Timer E of the client reaches T2"
    );
    assert_eq!(rig.respond(0, 183), [""; 0]);
    assert_eq!(
        rig.wait(3600),
        ["3500 -> 100 (SUBSCRIBE)"],
        "by then it is sent unasked"
    );
    assert_eq!(rig.respond(0, 183), [""; 0]);
    assert_eq!(rig.respond(0, 100), ["-> 100 (SUBSCRIBE)"]);
    assert_eq!(
        rig.receive(request_text("SUBSCRIBE", "z9hG4bK1")),
        ["-> 100 (SUBSCRIBE)"]
    );
    let mut rig = Rig::tcp();
    rig.receive(request_text("SUBSCRIBE", "z9hG4bK1"));
    assert_eq!(
        rig.respond(0, 100),
        ["-> 100 (SUBSCRIBE)"],
        "at any time over a reliable transport"
    );
}

#[test]
fn rfc4320_4_2_no_408_and_nothing_after_the_client_has_given_up() {
    let mut rig = Rig::udp();
    rig.receive(request_text("OPTIONS", "z9hG4bK1"));
    assert_eq!(rig.respond(0, 408), [""; 0]);
    assert_eq!(rig.receive(request_text("OPTIONS", "z9hG4bK1")), [""; 0]);
    assert_eq!(rig.wait(40_000), ["32000 Terminated server"]);
    rig.receive(request_text("OPTIONS", "z9hG4bK2"));
    let start = rig.clock.millis(rig.clock.now());
    let lines = rig.wait(40_000);
    assert_eq!(
        lines[1],
        format!("{} Terminated server", start + 32_000),
        "the TU never answered"
    );
    rig.receive(request_text("INVITE", "z9hG4bK3"));
    assert_eq!(
        rig.respond(2, 408),
        ["-> 408 (INVITE)"],
        "an INVITE may be answered 408"
    );
}

#[test]
fn rfc6026_8_8_a_failed_flow_is_told_and_the_transaction_stays() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.receive(request_text("OPTIONS", "z9hG4bK2"));
    rig.layer
        .handle_input(Input::FlowFailed { flow: rig.flow.id }, rig.clock.now());
    assert_eq!(rig.outputs(), ["ServerFlowFailed", "ServerFlowFailed"]);
    assert_eq!(rig.layer.server_count(), 2);
    // Once: what a hundred thousand of them send in vain fails the flow a hundred thousand times.
    rig.layer
        .handle_input(Input::FlowFailed { flow: rig.flow.id }, rig.clock.now());
    assert_eq!(rig.outputs(), [""; 0]);
    assert_eq!(rig.layer.leaks(), None);
    assert_eq!(
        rig.receive(request_text("INVITE", "z9hG4bK1")),
        [""; 0],
        "still recognised"
    );
    assert_eq!(rig.respond(1, 200), ["-> 200 (OPTIONS)"]);
}

#[test]
fn a_retransmission_is_answered_where_it_came_from() {
    let mut rig = Rig::udp();
    rig.receive(request_text("OPTIONS", "z9hG4bK1"));
    rig.respond(0, 200);
    let rebound = flow(TransportKind::Udp, 9);
    assert_eq!(
        rig.receive_over(rebound, request_text("OPTIONS", "z9hG4bK1")),
        ["-> 200 (OPTIONS) over Flow(9.0)"]
    );
}

#[test]
fn late_timers_of_ended_transactions_do_nothing() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.respond(0, 486);
    rig.receive(request_text("ACK", "z9hG4bK1"));
    rig.wait(5000);
    assert_eq!(rig.layer.server_count(), 0);
    rig.receive(request_text("INVITE", "z9hG4bK2"));
    assert_eq!(
        rig.wait(60_000),
        ["5200 -> 100 (INVITE)"],
        "only what belongs to the new one in the same slot"
    );
    let end = rig.clock.now();
    rig.layer.handle_timeout(end);
    rig.layer.handle_timeout(end);
    assert_eq!(rig.outputs(), [""; 0], "spurious calls are harmless");
}
