//! The contract of the layer as a whole, and what has no transaction.

use std::time::Duration;

use sip_message::{HeaderName, Message, Method, Request};
use sip_transaction::{Branch, Seed, TransactionConfig, TransactionLayer, Transactions};

use crate::rig::{Rig, flow, outgoing, parse, request_text};

#[test]
fn the_same_seed_and_inputs_give_the_same_bytes() {
    let run = |seed: u8| {
        let mut layer =
            Transactions::new(TransactionConfig::default(), Seed::from_bytes([seed; 32]));
        let flow = flow(sip_transaction::TransportKind::Udp, 0);
        layer.request(
            &outgoing(Method::Options),
            flow,
            sip_testkit::Clock::new().now(),
        );
        match layer.poll_output() {
            Some(sip_transaction::Output::Transmit { payload, .. }) => payload,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn poll_timeout_is_now_while_outputs_are_queued() {
    let mut rig = Rig::udp();
    assert_eq!(rig.layer.poll_timeout(), None);
    let now = rig.clock.now();
    rig.layer.request(&outgoing(Method::Options), rig.flow, now);
    assert_eq!(rig.layer.poll_timeout(), Some(now));
    rig.outputs();
    assert_eq!(
        rig.layer.poll_timeout(),
        Some(now + Duration::from_millis(500))
    );
}

#[test]
fn timers_do_not_drift_when_the_driver_is_late() {
    let mut rig = Rig::udp();
    rig.send(Method::Options);
    for (late, next) in [(530, 1500), (1590, 3500), (3499, 3500), (3700, 7500)] {
        let at = rig.clock.at(late);
        rig.clock.advance_to(at);
        rig.layer.handle_timeout(at);
        rig.outputs();
        assert_eq!(rig.layer.poll_timeout(), Some(rig.clock.at(next)));
    }
}

#[test]
fn timer_values_are_configured_per_layer() {
    let mut config = TransactionConfig::default();
    config.t1 = Duration::from_millis(100);
    config.t2 = Duration::from_millis(300);
    config.t4 = Duration::from_millis(700);
    config.trying_after = Duration::from_millis(50);
    let mut rig = Rig::with_config(sip_transaction::TransportKind::Udp, config);
    rig.send(Method::Options);
    assert_eq!(
        rig.wait(950),
        [
            "100 -> OPTIONS",
            "300 -> OPTIONS",
            "600 -> OPTIONS",
            "900 -> OPTIONS"
        ]
    );
    rig.receive_response(0, 200);
    assert_eq!(rig.wait(1000), ["1650 Terminated client"]);
    rig.receive(request_text("INVITE", "z9hG4bK1"));
    assert_eq!(rig.wait(100), ["2000 -> 100 (INVITE)"]);
}

fn as_request(text: String) -> Request {
    let Message::Request(request) = parse(text) else {
        panic!("not a request")
    };
    request
}

#[test]
fn rfc3261_16_11_a_stateless_branch_is_the_same_for_what_belongs_together() {
    let branch = |text: String| Branch::stateless(&as_request(text));
    let invite = branch(request_text("INVITE", "z9hG4bK1"));
    assert_eq!(
        invite,
        branch(request_text("INVITE", "z9hG4bK1")),
        "a retransmission"
    );
    assert_eq!(invite, branch(request_text("ACK", "z9hG4bK1")));
    assert_eq!(invite, branch(request_text("CANCEL", "z9hG4bK1")));
    assert_ne!(invite, branch(request_text("INVITE", "z9hG4bK2")));
    assert!(invite.as_str().starts_with("z9hG4bK"));
    assert_eq!(Branch::worker_of(invite.as_str()), None);
}

#[test]
fn rfc3261_16_11_a_stateless_branch_for_a_client_without_the_cookie() {
    let old =
        |text: String| Branch::stateless(&as_request(text.replace("branch=z9hG4bK1", "branch=1")));
    let base = old(request_text("INVITE", "z9hG4bK1"));
    assert_eq!(base, old(request_text("INVITE", "z9hG4bK1")));
    assert_eq!(
        base,
        old(request_text("CANCEL", "z9hG4bK1")),
        "the CSeq number without its method"
    );
    assert_ne!(
        base,
        old(request_text("INVITE", "z9hG4bK1").replace("CSeq: 1", "CSeq: 2"))
    );
    assert_ne!(
        base,
        old(request_text("INVITE", "z9hG4bK1").replace("tag=a", "tag=x"))
    );
}

#[test]
fn rfc3261_16_11_a_stateless_proxy_keeps_nothing() {
    let mut rig = Rig::udp();
    let request = as_request(request_text("INVITE", "z9hG4bK1"));
    for _ in 0..2 {
        rig.layer.forward_request(
            &request,
            rig.flow,
            &Branch::stateless(&request),
            rig.clock.now(),
        );
    }
    assert_eq!(rig.outputs(), ["-> INVITE", "-> INVITE"]);
    assert_eq!(rig.sent[0], rig.sent[1]);
    assert_eq!(
        (rig.layer.client_count(), rig.layer.poll_timeout()),
        (0, None)
    );
    // The response comes back, our Via is taken off, and it goes on.
    let stray = rig.response_text(0, 180);
    let Message::Response(mut response) = parse(stray) else {
        panic!("not a response")
    };
    response.headers_mut().remove_first(HeaderName::Via);
    rig.layer
        .forward_response(&response, rig.flow.id, rig.clock.now());
    assert_eq!(rig.outputs(), ["-> 180 (INVITE)"]);
    assert!(rig.sent_text(2).contains("branch=z9hG4bK1\r\n"));
}
