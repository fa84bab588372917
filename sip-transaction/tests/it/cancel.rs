//! RFC 3261 section 9.

use sip_message::{HeaderName, Method};
use sip_transaction::{Branch, Gone, TransactionConfig, TransactionLayer, TransportKind};

use crate::rig::{Rig, outgoing, parse, request_text};

#[test]
fn rfc3261_9_1_a_cancel_waits_for_a_provisional_response() {
    let mut rig = Rig::udp();
    let (id, _) = rig.send(Method::Invite);
    let reason = [(
        HeaderName::Reason,
        "SIP;cause=200;text=\"Call completed elsewhere\"",
    )];
    rig.layer.cancel(id, &reason, rig.clock.now()).unwrap();
    rig.layer.cancel(id, &[], rig.clock.now()).unwrap();
    assert_eq!(rig.outputs(), [""; 0]);
    assert_eq!(rig.receive_response(0, 100), ["Response 100", "-> CANCEL"]);
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
            "CANCEL sip:bob@192.0.2.2 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport\r\n\
             Route: <sip:proxy.example.com;lr>\r\n\
             From: <sip:alice@example.com>;tag=a1\r\n\
             Call-ID: c1\r\n\
             Max-Forwards: 70\r\n\
             To: <sip:bob@example.com>\r\n\
             CSeq: 314 CANCEL\r\n\
             Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n\
             Content-Length: 0\r\n\r\n"
        )
    );
    assert!(parse(rig.sent[1].clone()).validate().is_ok());
    assert_eq!(
        rig.receive_response(1, 200),
        [""; 0],
        "its response is absorbed"
    );
    assert_eq!(rig.receive_response(0, 487), ["-> ACK", "Response 487"]);
    assert_eq!(
        rig.wait(40_000),
        ["32000 Terminated client"],
        "only the INVITE is told of"
    );
    assert_eq!(rig.layer.cancel(id, &[], rig.clock.now()), Err(Gone));
}

#[test]
fn rfc3261_9_1_a_cancel_is_a_transaction_of_its_own_and_is_sent_once() {
    let mut rig = Rig::udp();
    let (id, _) = rig.send(Method::Invite);
    rig.receive_response(0, 180);
    for _ in 0..3 {
        rig.layer.cancel(id, &[], rig.clock.now()).unwrap();
    }
    assert_eq!(rig.outputs(), ["-> CANCEL"]);
    assert_eq!(
        rig.wait(1600),
        ["500 -> CANCEL", "1500 -> CANCEL"],
        "retransmitted like any non-INVITE"
    );
    assert_eq!(
        rig.receive_response(0, 183),
        ["Response 183"],
        "and not sent again for each provisional response"
    );
}

#[test]
fn rfc3261_9_1_an_invite_that_is_not_ended_by_its_cancel_is_given_up() {
    let mut rig = Rig::tcp();
    let (id, _) = rig.send(Method::Invite);
    rig.receive_response(0, 180);
    rig.wait(1000);
    rig.layer.cancel(id, &[], rig.clock.now()).unwrap();
    rig.outputs();
    rig.receive_response(1, 200);
    assert_eq!(
        rig.wait(60_000),
        ["33000 TimedOut", "33000 Terminated client"]
    );
}

#[test]
fn rfc3261_9_1_no_cancel_after_a_final_response_or_for_another_method() {
    let mut rig = Rig::udp();
    let (id, _) = rig.send(Method::Invite);
    rig.receive_response(0, 200);
    rig.layer.cancel(id, &[], rig.clock.now()).unwrap();
    let (options, _) = rig.send(Method::Options);
    rig.layer.cancel(options, &[], rig.clock.now()).unwrap();
    assert_eq!(rig.outputs(), [""; 0]);
}

#[test]
fn rfc3261_9_1_a_pending_cancel_is_dropped_when_the_invite_is_answered_finally_first() {
    let mut rig = Rig::udp();
    let (id, _) = rig.send(Method::Invite);
    rig.layer.cancel(id, &[], rig.clock.now()).unwrap();
    assert_eq!(
        rig.receive_response(0, 200),
        ["Response 200"],
        "the TU sends a BYE"
    );
    assert_eq!(rig.wait(40_000), ["32000 Terminated client"]);
}

#[test]
fn a_line_end_in_an_added_header_starts_no_other_header() {
    let mut rig = Rig::udp();
    let (id, _) = rig.send(Method::Invite);
    rig.receive_response(0, 180);
    rig.layer
        .cancel(
            id,
            &[(HeaderName::Reason, "SIP\r\nX-Evil: 1")],
            rig.clock.now(),
        )
        .unwrap();
    rig.outputs();
    assert!(rig.sent_text(1).contains("Reason: SIP  X-Evil: 1\r\n"));
}

#[test]
fn rfc3261_9_2_a_cancel_is_matched_to_its_invite() {
    let mut rig = Rig::udp();
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    rig.respond(0, 180);
    assert_eq!(
        rig.receive(request_text("CANCEL", "z9hG4bK1")),
        ["Cancel of an INVITE"]
    );
    let ((invite, _), (cancel, request)) = (rig.servers[0].clone(), rig.servers[1].clone());
    rig.layer
        .answer_cancel(cancel, &request, Some(invite), "b", rig.clock.now())
        .unwrap();
    assert_eq!(rig.outputs(), ["-> 200 (CANCEL)"]);
    assert!(
        rig.sent_text(1).contains("To: <sip:bob@h>;tag=b\r\n"),
        "the tag of the INVITE's responses"
    );
    assert_eq!(
        rig.receive(request_text("CANCEL", "z9hG4bK1")),
        ["-> 200 (CANCEL)"],
        "a transaction of its own"
    );
    assert_eq!(rig.respond(0, 487), ["-> 487 (INVITE)"]);
}

#[test]
fn rfc3261_9_2_a_cancel_that_matches_nothing() {
    let mut rig = Rig::udp();
    assert_eq!(
        rig.receive(request_text("CANCEL", "z9hG4bK1")),
        ["Cancel of nothing"]
    );
    let (cancel, request) = rig.servers[0].clone();
    rig.layer
        .answer_cancel(cancel, &request, None, "b", rig.clock.now())
        .unwrap();
    assert_eq!(rig.outputs(), ["-> 481 (CANCEL)"]);
}

#[test]
fn rfc3261_9_2_a_cancel_has_no_effect_on_other_methods_and_is_answered_200() {
    let mut rig = Rig::udp();
    rig.receive(request_text("OPTIONS", "z9hG4bK1"));
    assert_eq!(
        rig.receive(request_text("CANCEL", "z9hG4bK1")),
        ["-> 200 (CANCEL)"]
    );
    assert_eq!(rig.respond(0, 200), ["-> 200 (OPTIONS)"]);
}

#[test]
fn rfc7339_4_1_requests_ask_for_overload_control_and_so_does_a_cancel() {
    let mut config = TransactionConfig::default();
    config.overload_control = true;
    let mut rig = Rig::with_config(TransportKind::Udp, config);
    let now = rig.clock.now();
    let id = rig
        .layer
        .forward(&outgoing(Method::Invite), rig.flow, 7, now);
    assert_eq!(rig.outputs(), ["-> INVITE"]);
    let via = |text: String| -> String {
        let line = text.lines().find(|line| line.starts_with("Via: "));
        line.unwrap().to_owned()
    };
    let first = via(rig.sent_text(0));
    // §4.2: without a value, and with the algorithm that every client has.
    assert!(first.ends_with(";rport;oc;oc-algo=\"loss\""), "{first}");
    rig.receive_response(0, 100);
    rig.layer.cancel(id, &[], now).unwrap();
    assert_eq!(rig.outputs(), ["-> CANCEL"]);
    assert_eq!(via(rig.sent_text(1)), first, "RFC 3261 §9.1");
    assert_eq!(rig.receive_response(0, 487), ["-> ACK", "Response 487"]);
    assert_eq!(via(rig.sent_text(2)), first, "RFC 3261 §17.1.1.3");
    // §5.3: what is asked for is asked of all requests, those that a stateless proxy forwards too.
    rig.layer.request(&outgoing(Method::Options), rig.flow, now);
    assert_eq!(rig.outputs(), ["-> OPTIONS"]);
    assert!(via(rig.sent_text(3)).ends_with(";oc;oc-algo=\"loss\""));
    let message = outgoing(Method::Message);
    let branch = Branch::stateless(&message);
    rig.layer.forward_request(&message, rig.flow, &branch, now);
    assert_eq!(rig.outputs(), ["-> MESSAGE"]);
    assert!(via(rig.sent_text(4)).ends_with(";oc;oc-algo=\"loss\""));
}
