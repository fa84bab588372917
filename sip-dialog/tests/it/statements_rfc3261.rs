//! More statements of RFC 3261 about dialogs and sessions, one by one (`conformance/rfc3261.toml`).

use std::time::Duration;

use sip_dialog::{Body, Event, Meaning, RejectCause};
use sip_message::header::NameAddr;
use sip_message::{HeaderName, Request, StatusCode};
use sip_testkit::Call;

use crate::agent::{Agent, CONTACT, methods, request, requests, response, statuses};

fn address(request: &Request, name: HeaderName) -> (String, Option<String>) {
    let value = request.headers().get(name).unwrap();
    let address = NameAddr::parse(value).unwrap();
    (address.uri().to_string(), address.tag().map(str::to_owned))
}

#[test]
fn rfc3261_12_2_1_1_a_request_in_a_dialog_names_both_sides_as_the_dialog_does() {
    // As the caller.
    let mut agent = Agent::new();
    let (session, invite, _) = agent.calling(CONTACT);
    let request = agent.asks(session).request;
    let bob = ("sip:bob@example.com".to_owned(), Some("b1".to_owned()));
    assert_eq!(address(&request, HeaderName::To), bob);
    assert_eq!(
        address(&request, HeaderName::From),
        address(&invite.request, HeaderName::From)
    );
    assert_eq!(
        request.headers().call_id(),
        invite.request.headers().call_id()
    );
    // As the callee.
    let mut agent = Agent::new();
    let (session, tag) = agent.answered("");
    let request = agent.asks(session).request;
    let peer = ("sip:bob@example.com".to_owned(), Some("peer".to_owned()));
    let local = ("sip:alice@example.com".to_owned(), Some(tag));
    assert_eq!(address(&request, HeaderName::To), peer);
    assert_eq!(address(&request, HeaderName::From), local);
    assert_eq!(request.headers().call_id(), Some("one"));
}

#[test]
fn rfc3261_12_2_1_1_a_null_tag_is_left_out() {
    let mut agent = Agent::new();
    let (session, invite) = agent.invite(Some("offer"));
    agent.reply(&invite, 200, "", CONTACT, "answer");
    let request = agent.asks(session).request;
    assert_eq!(
        request.headers().get(HeaderName::To),
        Some("<sip:bob@example.com>")
    );
}

#[test]
fn rfc3261_12_2_2_the_first_request_of_the_peer_sets_its_number() {
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    let ours = agent.asks(session).request;
    let (_, local) = address(&ours, HeaderName::From);
    let local = local.unwrap();
    let from_peer = |number: u32| {
        let text =
            String::from_utf8(request("OPTIONS", number, &local, "").to_bytes().to_vec()).unwrap();
        let call_id = ours.headers().call_id().unwrap();
        let text = text
            .replace("tag=peer", "tag=b1")
            .replace("Call-ID: one", &format!("Call-ID: {call_id}"));
        match sip_message::Message::parse(text.into(), &sip_message::ParserConfig::default())
            .unwrap()
        {
            sip_message::Message::Request(request) => request,
            sip_message::Message::Response(_) => panic!("a request"),
        }
    };
    agent.take(from_peer(4_000));
    assert_eq!(statuses(&agent.run()), [200]);
    agent.take(from_peer(3_999));
    assert_eq!(statuses(&agent.run()), [500], "it is known from then on");
}

#[test]
fn rfc3261_13_2_1_an_offer_in_the_invite_is_answered_in_the_2xx() {
    let mut agent = Agent::new();
    agent.offer("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    let response = agent.accept(session);
    assert_eq!(response.body(), b"answer");
    assert_eq!(
        response.headers().get(HeaderName::ContentType),
        Some("application/sdp")
    );
}

#[test]
fn rfc3261_13_2_1_without_an_offer_the_2xx_makes_one_and_the_ack_answers() {
    // As the callee.
    let mut agent = Agent::new();
    agent.request("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    let offer = Some(Body::sdp("our offer"));
    agent
        .dialogs
        .accept(session, offer, &mut agent.layer, agent.now)
        .unwrap();
    let accepted = response(&agent.run());
    assert_eq!(accepted.body(), b"our offer");
    // As the caller.
    let mut agent = Agent::new();
    let (session, invite) = agent.invite(None);
    assert!(
        agent
            .reply(&invite, 200, "b1", CONTACT, "their offer")
            .is_empty(),
        "the ACK waits"
    );
    assert!(matches!(
        agent.events.pop(),
        Some(Event::Accepted {
            meaning: Meaning::Offer,
            ..
        })
    ));
    agent
        .dialogs
        .acknowledge(
            session,
            Some(Body::sdp("our answer")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let calls = agent.run();
    assert_eq!(requests(&calls)[0].0.body(), b"our answer");
}

#[test]
fn rfc3261_13_2_1_the_first_description_is_the_answer_and_later_ones_are_not() {
    let mut agent = Agent::with(|config| config.supported = vec!["100rel".to_owned()]);
    let (_, invite) = agent.invite(Some("offer"));
    let reliable = format!("{CONTACT}Require: 100rel\r\nRSeq: 1\r\n");
    agent.reply(&invite, 183, "b1", &reliable, "answer");
    assert!(matches!(
        agent.events.pop(),
        Some(Event::Progress {
            meaning: Meaning::Answer,
            ..
        })
    ));
    agent.reply(&invite, 200, "b1", CONTACT, "another");
    assert!(matches!(
        agent.events.pop(),
        Some(Event::Accepted {
            meaning: Meaning::Repeated,
            ..
        })
    ));
}

#[test]
fn rfc3261_13_2_2_3_further_final_responses_are_ignored() {
    let mut agent = Agent::new();
    let (_, invite) = agent.invite(Some("offer"));
    agent.reply(&invite, 486, "b1", "", "");
    assert!(matches!(agent.events.pop(), Some(Event::Rejected { .. })));
    for status in [404, 600] {
        assert!(agent.reply(&invite, status, "b2", "", "").is_empty());
        assert!(agent.events.is_empty());
    }
    assert_eq!(agent.dialogs.session_count(), 0);
}

#[test]
fn rfc3261_13_2_2_4_an_offer_that_will_not_do_is_answered_and_bye_follows() {
    let mut agent = Agent::new();
    let (session, invite) = agent.invite(None);
    agent.reply(&invite, 200, "b1", CONTACT, "an offer that will not do");
    let refusal = Some(Body::sdp("m=audio 0"));
    agent
        .dialogs
        .acknowledge(session, refusal, &mut agent.layer, agent.now)
        .unwrap();
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    let calls = agent.run();
    assert_eq!(methods(&calls), ["ACK", "BYE"]);
    assert_eq!(requests(&calls)[0].0.body(), b"m=audio 0");
}

#[test]
fn rfc3261_13_3_1_2_a_redirection_has_its_contacts() {
    let mut agent = Agent::new();
    agent.offer("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    let contacts = [(HeaderName::Contact, "<sip:alice@192.0.2.50>".to_owned())];
    agent
        .dialogs
        .reject(
            session,
            StatusCode::MOVED_TEMPORARILY,
            &contacts,
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let moved = response(&agent.run());
    assert_eq!(moved.status(), StatusCode::MOVED_TEMPORARILY);
    assert_eq!(
        moved
            .headers()
            .values(HeaderName::Contact)
            .collect::<Vec<_>>(),
        ["<sip:alice@192.0.2.50>"]
    );
}

#[test]
fn rfc3261_14_nothing_is_sent_by_itself_for_media_that_stops() {
    let mut agent = Agent::new();
    agent.answered("");
    let (waited, calls) = agent.wait(Duration::from_secs(86_400));
    assert!(calls.is_empty(), "{calls:?} after {waited:?}");
    assert_eq!(agent.dialogs.session_count(), 1);
}

#[test]
fn rfc3261_14_2_a_2xx_without_its_ack_ends_the_session() {
    let mut agent = Agent::new();
    let (session, tag) = agent.answered("");
    agent.offer("INVITE", 6, &tag, "");
    agent.run();
    agent
        .dialogs
        .accept_reinvite(
            session,
            Some(Body::sdp("answer")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    assert_eq!(statuses(&agent.run()), [200]);
    let mut sent = Vec::new();
    for _ in 0..40 {
        let (_, calls) = agent.wait(Duration::from_secs(40));
        sent.extend(methods(&calls).into_iter().map(str::to_owned));
    }
    assert_eq!(sent, ["BYE"]);
}

#[test]
fn rfc3261_15_a_bye_ends_the_session_for_its_media() {
    let mut agent = Agent::new();
    let (session, tag) = agent.answered("");
    agent.request("BYE", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [200]);
    assert!(matches!(
        agent.events.pop(),
        Some(Event::Ended { session: ended, .. }) if ended == session
    ));
    assert_eq!(agent.dialogs.session_count(), 0);
    // And ours, without waiting for its answer.
    let (session, _) = agent.answered("");
    agent.events.clear();
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    assert_eq!(methods(&agent.run()), ["BYE"]);
}

#[test]
fn rfc3261_15_1_2_a_bye_for_no_dialog_is_nobodys() {
    let mut agent = Agent::new();
    agent.answered("");
    let (_, back) = agent.request("BYE", 9, "unknown", "");
    let back = back.expect("the stack answers it 481");
    assert!(agent.run().is_empty(), "{back:?}");
    assert_eq!(agent.dialogs.session_count(), 1);
}

#[test]
fn rfc3261_21_4_4_what_was_refused_is_not_repeated() {
    for status in [403, 404, 410, 483, 488, 600] {
        let mut agent = Agent::new();
        let (_, invite) = agent.invite(Some("offer"));
        assert!(agent.reply(&invite, status, "x", "", "").is_empty());
        assert!(matches!(
            agent.events.pop(),
            Some(Event::Rejected { cause: RejectCause::Response(response), .. })
                if response.status().as_u16() == status
        ));
        assert_eq!(agent.wait(Duration::from_secs(600)).1.len(), 0, "{status}");
    }
}

#[test]
fn rfc3261_22_3_a_407_is_answered() {
    let mut agent = Agent::new();
    let (_, invite) = agent.invite(Some("offer"));
    let challenge = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";
    let calls = agent.reply(&invite, 407, "c", challenge, "");
    let [Call::Request { request, .. }] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert!(request.headers().contains(HeaderName::ProxyAuthorization));
}

#[test]
fn rfc3261_21_4_8_a_407_is_answered_with_what_the_proxy_wants() {
    rfc3261_22_3_a_407_is_answered();
}

#[test]
fn rfc3261_21_3_1_the_choices_are_contacts() {
    rfc3261_13_3_1_2_a_redirection_has_its_contacts();
}

#[test]
fn rfc3261_14_2_an_offer_that_will_not_do_in_a_2xx_is_answered_and_bye_follows() {
    rfc3261_13_2_2_4_an_offer_that_will_not_do_is_answered_and_bye_follows();
}
