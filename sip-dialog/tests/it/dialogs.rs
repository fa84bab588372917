//! Rules of dialogs that need no second telephone, over the recording double.

use std::time::Duration;

use sip_dialog::{Body, EndCause, Event};
use sip_message::{HeaderName, Method};
use sip_testkit::Call;
use sip_transaction::{Event as TransactionEvent, ServerTransactionId};

use crate::agent::{Agent, flow, methods, request, requests, statuses};

#[test]
fn rfc3261_12_1_2_a_uac_takes_the_route_set_in_reverse() {
    let mut agent = Agent::new();
    let fields = "Contact: <sip:bob@192.0.2.7>\r\nRecord-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\r\n";
    let (session, _, calls) = agent.calling(fields);
    let sent = requests(&calls);
    let (ack, _) = sent[0];
    assert_eq!(
        (ack.method(), ack.uri_str(), ack.headers().cseq()),
        (&Method::Ack, "sip:bob@192.0.2.7", Some((1, Method::Ack)))
    );
    let routes: Vec<&str> = ack.headers().values(HeaderName::Route).collect();
    assert_eq!(
        routes,
        ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
    );
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    let calls = agent.run();
    let (bye, _) = requests(&calls)[0];
    assert_eq!(
        (bye.method(), bye.headers().cseq()),
        (&Method::Bye, Some((2, Method::Bye)))
    );
    assert!(!bye.headers().contains(HeaderName::Contact));
}

#[test]
fn rfc3261_12_2_1_1_a_strict_router_gets_its_own_uri() {
    let mut agent = Agent::new();
    let fields = "Contact: <sip:bob@192.0.2.7>\r\nRecord-Route: <sip:last.example.com;lr>, <sip:strict.example.com>\r\n";
    let (_, _, calls) = agent.calling(fields);
    let (ack, _) = requests(&calls)[0];
    assert_eq!(ack.uri_str(), "sip:strict.example.com");
    let routes: Vec<&str> = ack.headers().values(HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:last.example.com;lr>", "<sip:bob@192.0.2.7>"]);
}

#[test]
fn rfc3261_13_2_2_4_a_2xx_of_another_branch_gets_ack_and_bye() {
    let mut agent = Agent::new();
    let (_, invite, _) = agent.calling("Contact: <sip:bob@192.0.2.7>\r\n");
    let other = "Contact: <sip:bob@192.0.2.8>\r\n";
    let calls = agent.reply(&invite, 200, "b2", other, "");
    let sent: Vec<(String, String)> = requests(&calls)
        .iter()
        .map(|(request, _)| (request.method().to_string(), request.uri_str().to_owned()))
        .collect();
    let to = |method: &str| (method.to_owned(), "sip:bob@192.0.2.8".to_owned());
    assert_eq!(sent, [to("ACK"), to("BYE")]);
    assert_eq!(agent.dialogs.session_count(), 1);
    // Its retransmission gets another ACK, and no second BYE.
    let calls = agent.reply(&invite, 200, "b2", other, "");
    assert_eq!(methods(&calls), ["ACK"]);
}

#[test]
fn rfc3261_12_2_2_a_lower_cseq_is_refused_and_an_unknown_dialog_handed_back() {
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    agent.request("OPTIONS", 4, &tag, "");
    assert_eq!(statuses(&agent.run()), [500]);
    agent.request("OPTIONS", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [200]);
    let (_, back) = agent.request("BYE", 7, "unknown", "");
    assert!(matches!(back, Some(TransactionEvent::Request { .. })));
    let (_, back) = agent.request("BYE", 7, &tag, "");
    assert!(back.is_none());
    assert_eq!(statuses(&agent.run()), [200]);
    assert!(matches!(
        agent.events.last(),
        Some(Event::Ended {
            cause: EndCause::Remote,
            ..
        })
    ));
    assert_eq!(agent.dialogs.session_count(), 0);
}

#[test]
fn rfc3261_12_1_1_a_2xx_copies_the_record_route_and_has_a_contact() {
    let mut agent = Agent::new();
    let fields = "Record-Route: <sip:p3.example.com;lr;x=1>;y=2, \"P\" <sips:p2.example.com>\r\nRecord-Route: <sip:p1.example.com;lr>\r\n";
    agent.request("INVITE", 5, "", fields);
    agent.run();
    let Some(Event::Incoming { session, .. }) = agent.events.pop() else {
        panic!("no call")
    };
    agent
        .dialogs
        .accept(session, None, &mut agent.layer, agent.now)
        .unwrap();
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.last() else {
        panic!("{calls:?}")
    };
    let copied = response.headers().values(HeaderName::RecordRoute);
    assert_eq!(
        copied.collect::<Vec<_>>(),
        [
            "<sip:p3.example.com;lr;x=1>;y=2",
            "\"P\" <sips:p2.example.com>",
            "<sip:p1.example.com;lr>"
        ]
    );
    assert_eq!(
        response.headers().get(HeaderName::Contact),
        Some("<sip:alice@192.0.2.1:5060>")
    );
    assert!(
        response
            .headers()
            .get(HeaderName::Allow)
            .unwrap()
            .contains("BYE")
    );
}

#[test]
fn rfc3261_8_2_2_3_a_required_extension_that_is_unknown_is_420() {
    let mut agent = Agent::new();
    agent.request("INVITE", 5, "", "Require: 100rel, nothing\r\n");
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.last() else {
        panic!("{calls:?}")
    };
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers().get(HeaderName::Unsupported)
        ),
        (420, Some("100rel, nothing"))
    );
    assert_eq!(agent.dialogs.session_count(), 0);
}

#[test]
fn rfc3261_8_2_2_2_a_merged_request_is_482() {
    let mut agent = Agent::new();
    let id = ServerTransactionId::from_parts(1, 0);
    let event = TransactionEvent::Request {
        id,
        request: request("INVITE", 5, "", "").into(),
        flow: flow(),
        merged: true,
    };
    assert!(agent.input(event).is_none());
    assert_eq!(statuses(&agent.run()), [482]);
}

#[test]
fn rfc3261_14_2_a_second_reinvite_waits_its_turn() {
    let mut agent = Agent::new();
    let (session, tag) = agent.answered("");
    agent.request("INVITE", 6, &tag, "");
    agent.run();
    assert!(matches!(agent.events.last(), Some(Event::ReInvite { .. })));
    agent.request("INVITE", 7, &tag, "");
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.last() else {
        panic!("{calls:?}")
    };
    let wait: u32 = response
        .headers()
        .get(HeaderName::RetryAfter)
        .unwrap()
        .parse()
        .unwrap();
    assert!(response.status().as_u16() == 500 && wait <= 10);
    agent
        .dialogs
        .accept_reinvite(
            session,
            Some(Body::sdp("again")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    assert_eq!(statuses(&agent.run()), [200]);
}

#[test]
fn rfc3261_15_1_2_a_bye_ends_what_still_waits() {
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    agent.request("INVITE", 6, &tag, "");
    agent.request("BYE", 7, &tag, "");
    assert_eq!(statuses(&agent.run()), [200, 487]);
}

#[test]
fn rfc3261_15_a_callee_sends_no_bye_before_the_ack() {
    let mut agent = Agent::new();
    agent.request("INVITE", 5, "", "");
    agent.run();
    let Some(Event::Incoming { session, .. }) = agent.events.pop() else {
        panic!("no call")
    };
    agent
        .dialogs
        .accept(session, None, &mut agent.layer, agent.now)
        .unwrap();
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.last() else {
        panic!("{calls:?}")
    };
    let tag = response.headers().to_tag().unwrap().to_owned();
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    assert!(requests(&agent.run()).is_empty());
    let ack = request("ACK", 5, &tag, "");
    agent.input(TransactionEvent::Ack {
        invite: None,
        request: ack.into(),
        flow: flow(),
    });
    let calls = agent.run();
    assert_eq!(requests(&calls)[0].0.method(), &Method::Bye);
}

#[test]
fn rfc3261_11_2_options_are_answered_and_unknown_methods_handed_back() {
    let mut agent = Agent::new();
    agent.request("OPTIONS", 5, "", "");
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.last() else {
        panic!("{calls:?}")
    };
    assert!(
        response.headers().contains(HeaderName::Allow)
            && response.headers().contains(HeaderName::Accept)
    );
    let (_, back) = agent.request("PUBLISH", 6, "", "");
    assert!(back.is_some());
}

#[test]
fn rfc3261_13_3_1_an_invite_expires_before_it_is_answered() {
    let mut agent = Agent::new();
    agent.request("INVITE", 5, "", "Expires: 60\r\n");
    agent.run();
    agent.incoming();
    let (waited, calls) = agent.wait(Duration::from_secs(100));
    assert_eq!(
        (waited, statuses(&calls)),
        (Duration::from_secs(60), vec![487])
    );
    assert!(matches!(
        agent.events.last(),
        Some(Event::Ended {
            cause: EndCause::Cancelled,
            ..
        })
    ));
    // One that was answered in time goes on.
    let mut agent = Agent::new();
    agent.answered("Expires: 60\r\n");
    assert_eq!(agent.dialogs.poll_timeout(), None);
    assert_eq!(agent.dialogs.session_count(), 1);
    // And one that ends before leaves no timer behind: nothing grows with what a caller asks for.
    let mut agent = Agent::new();
    agent.request("INVITE", 5, "", "Expires: 4294967295\r\n");
    agent.run();
    let session = agent.incoming();
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    agent.run();
    assert_eq!(agent.dialogs.poll_timeout(), None);
}

#[test]
fn rfc3326_2_the_reason_goes_with_cancel_and_bye() {
    let mut agent = Agent::new();
    let (session, sent) = agent.invite(Some("offer"));
    agent.reply(&sent, 180, "b1", "", "");
    let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
    agent
        .dialogs
        .end_because(session, reason, &mut agent.layer, agent.now);
    let calls = agent.run();
    let [Call::Cancel { headers, .. }] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!(
        headers.as_slice(),
        [(HeaderName::Reason, reason.to_owned())]
    );

    let mut agent = Agent::new();
    let (session, _) = agent.answered("");
    agent
        .dialogs
        .end_because(session, "Q.850;cause=16", &mut agent.layer, agent.now);
    assert_eq!(agent.sent().field(HeaderName::Reason), "Q.850;cause=16");
}
