//! Redirections of requests out of a dialog (RFC 3261 sections 8.1.3.4 and 21.3).

use std::time::Duration;

use sip_dialog::{AccountKey, Event, OutgoingRequest, RejectCause};
use sip_message::{HeaderName, Method, Request, StatusCode, Uri};
use sip_testkit::Call;
use sip_transaction::Event as TransactionEvent;

use crate::agent::{Agent, Sent, flow, methods, requests};

/// The only request in what was sent.
fn only(calls: &[Call]) -> Sent {
    match calls {
        [Call::Request { id, request, .. }] => Sent {
            id: *id,
            request: request.clone(),
        },
        other => panic!("not one request but {other:?}"),
    }
}

/// A call that is answered 302 with these Contacts: the first INVITE, and what follows.
fn redirected(agent: &mut Agent, contacts: &str) -> (Sent, Vec<Call>) {
    let (_, sent) = agent.invite(Some("offer"));
    let fields = format!("Contact: {contacts}\r\n");
    let calls = agent.reply(&sent, 302, "r", &fields, "");
    (sent, calls)
}

fn rejected(agent: &mut Agent) -> u16 {
    match agent.events.pop() {
        Some(Event::Rejected {
            cause: RejectCause::Response(response),
            ..
        }) => response.status().as_u16(),
        other => panic!("not rejected but {other:?}"),
    }
}

#[test]
fn rfc3261_8_1_3_4_the_contacts_of_a_3xx_are_tried_in_the_order_of_their_q() {
    let mut agent = Agent::new();
    let contacts = "<sip:c@192.0.2.3>;q=0.1, <mailto:b@example.com>, <sip:b@192.0.2.2>;q=0.9, <sip:a@192.0.2.1>";
    let (_, calls) = redirected(&mut agent, contacts);
    let mut sent = only(&calls);
    assert!(matches!(
        agent.events.pop(),
        Some(Event::Redirected { status: StatusCode::MOVED_TEMPORARILY, target, .. })
            if target.as_str() == "sip:a@192.0.2.1"
    ));
    let mut tried = vec![sent.request.uri_str().to_owned()];
    for status in [404, 503] {
        sent = only(&agent.reply(&sent, status, "x", "", ""));
        tried.push(sent.request.uri_str().to_owned());
    }
    assert_eq!(
        tried,
        ["sip:a@192.0.2.1", "sip:b@192.0.2.2", "sip:c@192.0.2.3"]
    );
    assert!(agent.reply(&sent, 486, "x", "", "").is_empty());
    assert_eq!(rejected(&mut agent), 486, "the last one is told");
}

#[test]
fn rfc3261_8_1_3_4_no_uri_is_tried_twice() {
    let mut agent = Agent::new();
    let (_, calls) = redirected(&mut agent, "<sip:a@192.0.2.1;x=1>");
    let sent = only(&calls);
    // Back to where it came from, and to itself in other words.
    let fields = "Contact: <sip:bob@EXAMPLE.com>, <sip:%61@192.0.2.1;x=1>\r\n";
    assert!(agent.reply(&sent, 302, "x", fields, "").is_empty());
    assert_eq!(rejected(&mut agent), 302);
}

#[test]
fn rfc3261_8_1_3_4_redirections_end() {
    let mut agent = Agent::new();
    let (_, mut calls) = redirected(&mut agent, "<sip:n0@192.0.2.1>");
    let mut number = 0;
    while !calls.is_empty() {
        number += 1;
        let fields = format!("Contact: <sip:n{number}@192.0.2.1>\r\n");
        let sent = only(&calls);
        calls = agent.reply(&sent, 302, "x", &fields, "");
    }
    assert_eq!(number, 8);
    assert_eq!(rejected(&mut agent), 302);
    // And none is followed if none is to be.
    let mut agent = Agent::with(|config| config.redirections = 0);
    let (_, calls) = redirected(&mut agent, "<sip:a@192.0.2.1>");
    assert!(calls.is_empty());
    assert_eq!(rejected(&mut agent), 302);
}

#[test]
fn rfc3261_8_1_3_4_from_sips_to_sip_only_the_user_goes() {
    let mut agent = Agent::new();
    let uri = |text: &str| Uri::parse(text).unwrap();
    let options = Request::builder(Method::Options, "sips:bob@example.com")
        .header(HeaderName::From, "<sips:alice@example.com>;tag=a")
        .header(HeaderName::To, "<sips:bob@example.com>")
        .call_id("c")
        .cseq(7)
        .max_forwards(70)
        .build_partial()
        .unwrap();
    let outgoing = OutgoingRequest {
        request: options,
        next_hop: uri("sips:bob@example.com"),
        account: AccountKey(0),
    };
    agent.dialogs.request(outgoing, &mut agent.layer, agent.now);
    let sent = agent.sent();
    let fields = "Contact: <sip:b@192.0.2.2>, <sips:c@192.0.2.3>\r\n";
    let sent = only(&agent.reply(&sent, 302, "x", fields, ""));
    assert_eq!(sent.request.uri_str(), "sips:c@192.0.2.3");
    assert!(agent.reply(&sent, 404, "x", "", "").is_empty());
    assert!(
        matches!(agent.events.pop(), Some(Event::Responded { response, .. }) if response.status().as_u16() == 404)
    );
}

#[test]
fn rfc3261_8_1_3_4_the_redirected_request_is_the_same_but_for_its_target() {
    let mut agent = Agent::new();
    let (first, calls) = redirected(
        &mut agent,
        "<sip:a@192.0.2.1;method=BYE;ob?Subject=x&Route=%3Csip:evil%3E>",
    );
    let then = only(&calls);
    assert_eq!(
        then.request.uri_str(),
        "sip:a@192.0.2.1;ob",
        "without method and header fields"
    );
    assert_eq!(then.request.method(), &Method::Invite);
    assert_ne!(
        then.id, first.id,
        "a transaction, and so a branch, of its own"
    );
    assert_eq!(then.cseq(), "2 INVITE");
    assert_eq!(then.request.body(), first.request.body());
    let others = |request: &Request| -> Vec<String> {
        let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
        let lines = text.lines().skip(1).map(str::to_owned);
        lines.filter(|line| !line.starts_with("CSeq:")).collect()
    };
    assert_eq!(others(&then.request), others(&first.request));
}

#[test]
fn rfc3261_8_1_3_4_a_6xx_ends_it_and_so_does_who_hangs_up() {
    let mut agent = Agent::new();
    let (_, calls) = redirected(&mut agent, "<sip:a@192.0.2.1>, <sip:b@192.0.2.2>");
    let sent = only(&calls);
    assert!(agent.reply(&sent, 603, "x", "", "").is_empty());
    assert_eq!(rejected(&mut agent), 603);
    let mut agent = Agent::new();
    let (session, sent) = agent.invite(Some("offer"));
    agent.reply(&sent, 180, "x", "", "");
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    agent.run();
    assert!(
        agent
            .reply(&sent, 302, "x", "Contact: <sip:a@192.0.2.1>\r\n", "")
            .is_empty()
    );
    assert_eq!(agent.wait(Duration::from_secs(64)).1.len(), 0);
}

#[test]
fn rfc3261_8_1_3_1_no_answer_of_one_place_leads_to_the_next() {
    let mut agent = Agent::new();
    let (_, calls) = redirected(
        &mut agent,
        "<sip:a@192.0.2.1>, <sip:b@192.0.2.2>, <sip:c@192.0.2.3>",
    );
    let sent = only(&calls);
    agent.input(TransactionEvent::TimedOut {
        id: sent.id,
        flow: flow().id,
    });
    let sent = agent.sent();
    assert_eq!(sent.request.uri_str(), "sip:b@192.0.2.2", "as after a 408");
    agent.input(TransactionEvent::FlowFailed { id: sent.id });
    let sent = agent.sent();
    assert_eq!(sent.request.uri_str(), "sip:c@192.0.2.3", "as after a 503");
    agent.reply(&sent, 200, "b", "Contact: <sip:c@192.0.2.3>\r\n", "answer");
    assert!(
        agent
            .events
            .iter()
            .any(|event| matches!(event, Event::Accepted { .. }))
    );
}

#[test]
fn rfc3261_8_1_3_4_what_rang_before_is_forgotten() {
    let mut agent = Agent::new();
    let (session, sent) = agent.invite(Some("offer"));
    agent.reply(
        &sent,
        183,
        "early",
        "Contact: <sip:bob@192.0.2.9>\r\n",
        "answer",
    );
    let sent = only(&agent.reply(&sent, 302, "early", "Contact: <sip:a@192.0.2.1>\r\n", ""));
    assert!(agent.dialogs.early_media(session).is_none());
    let calls = agent.reply(
        &sent,
        200,
        "late",
        "Contact: <sip:a@192.0.2.1>\r\n",
        "answer",
    );
    assert_eq!(methods(&calls), ["ACK"]);
    assert_eq!(requests(&calls)[0].0.uri_str(), "sip:a@192.0.2.1");
    assert!(requests(&calls)[0].0.headers().cseq().unwrap().0 == 2);
}

#[test]
fn rfc3261_21_3_4_a_305_of_a_user_agent_is_not_followed() {
    for status in [305, 380] {
        let mut agent = Agent::new();
        let (_, sent) = agent.invite(Some("offer"));
        let fields = "Contact: <sip:proxy@192.0.2.66>\r\n";
        assert!(agent.reply(&sent, status, "x", fields, "").is_empty());
        assert_eq!(rejected(&mut agent), status);
    }
}

#[test]
fn rfc3261_21_3_3_a_302_is_not_remembered() {
    let mut agent = Agent::new();
    redirected(&mut agent, "<sip:a@192.0.2.1>;expires=3600");
    let (_, sent) = agent.invite(Some("offer"));
    assert_eq!(sent.request.uri_str(), "sip:bob@example.com");
}

#[test]
fn rfc3261_21_3_2_after_301_the_contact_is_tried() {
    for status in [300, 301, 302, 399] {
        let mut agent = Agent::new();
        let (_, sent) = agent.invite(Some("offer"));
        let calls = agent.reply(&sent, status, "x", "Contact: <sip:a@192.0.2.1>\r\n", "");
        assert_eq!(
            only(&calls).request.uri_str(),
            "sip:a@192.0.2.1",
            "{status}"
        );
    }
}

#[test]
fn a_request_within_a_dialog_is_not_redirected() {
    let mut agent = Agent::new();
    let (session, _) = agent.answered("");
    agent
        .dialogs
        .request_within(
            session,
            Method::Options,
            &[],
            None,
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let sent = agent.sent();
    let fields = "Contact: <sip:a@192.0.2.1>\r\n";
    assert!(agent.reply(&sent, 302, "x", fields, "").is_empty());
}
