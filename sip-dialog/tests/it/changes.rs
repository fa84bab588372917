//! What happens in a session that is up: re-INVITE, UPDATE, other requests; and what ends it.

use std::time::Duration;

use sip_dialog::{Body, EndCause, Event, RejectCause};
use sip_message::{HeaderName, Method, StatusCode};
use sip_testkit::Call;
use sip_transaction::Event as TransactionEvent;

use crate::agent::{Agent, CONTACT, Sent, UPDATES, methods, requests, response, statuses};

fn reinvite(agent: &mut Agent, session: sip_dialog::SessionId) -> Sent {
    let offer = Some(Body::sdp("again"));
    agent
        .dialogs
        .reinvite(session, offer, &mut agent.layer, agent.now)
        .unwrap();
    agent.sent()
}

fn text(body: Option<&Body>) -> String {
    body.map_or_else(String::new, |body| {
        String::from_utf8_lossy(&body.content).into_owned()
    })
}

#[test]
fn rfc3261_14_1_a_reinvite_is_sent_answered_and_acknowledged() {
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    let sent = reinvite(&mut agent, session);
    assert_eq!(sent.cseq(), "2 INVITE");
    assert_eq!(sent.field(HeaderName::To), "<sip:bob@example.com>;tag=b1");
    assert_eq!(sent.field(HeaderName::Contact), "<sip:alice@192.0.2.1>");
    assert_eq!(sent.request.uri_str(), "sip:bob@192.0.2.7");
    // Not two at a time.
    assert!(
        agent
            .dialogs
            .reinvite(session, None, &mut agent.layer, agent.now)
            .is_err()
    );
    let moved = "Contact: <sip:bob@192.0.2.8>\r\n";
    let calls = agent.reply(&sent, 200, "", moved, "answered");
    let sent = requests(&calls);
    assert_eq!(
        (sent[0].1, sent[0].0.uri_str(), sent[0].0.headers().cseq()),
        ("ack", "sip:bob@192.0.2.8", Some((2, Method::Ack)))
    );
    let Some(Event::ReInviteAnswered { body, .. }) = agent.events.last() else {
        panic!("{:?}", agent.events)
    };
    assert_eq!(text(body.as_ref()), "answered");
}

#[test]
fn rfc3261_14_1_a_refused_reinvite_leaves_the_session_as_it_was() {
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    let sent = reinvite(&mut agent, session);
    assert!(agent.reply(&sent, 488, "", "", "").is_empty());
    assert!(matches!(
        agent.events.last(),
        Some(Event::ReInviteRefused { cause: RejectCause::Response(response), .. })
            if response.status() == StatusCode::NOT_ACCEPTABLE_HERE
    ));
    assert_eq!(agent.dialogs.session_count(), 1);
    // And another may follow.
    assert_eq!(reinvite(&mut agent, session).cseq(), "3 INVITE");
}

#[test]
fn rfc3261_14_1_after_491_the_owner_of_the_call_id_waits_longer() {
    for round in 0..20 {
        let mut agent = Agent::new();
        let (session, _, _) = agent.calling(CONTACT);
        let mut sent = reinvite(&mut agent, session);
        // Different draws from the generator of the layer.
        for _ in 0..=round % 5 {
            assert!(agent.reply(&sent, 491, "", "", "").is_empty());
            let (waited, calls) = agent.wait(Duration::from_secs(60));
            assert!(
                (2_100..=4_000).contains(&waited.as_millis()) && waited.as_millis() % 10 == 0,
                "{waited:?}"
            );
            assert_eq!(methods(&calls), ["INVITE"]);
            let Some(Call::Request { id, request, .. }) = calls.into_iter().next() else {
                panic!("no request")
            };
            sent = Sent { id, request };
        }
        assert_eq!(sent.cseq(), format!("{} INVITE", 3 + round % 5));

        let mut agent = Agent::new();
        let (session, _) = agent.answered("");
        let sent = reinvite(&mut agent, session);
        agent.reply(&sent, 491, "", "", "");
        let (waited, _) = agent.wait(Duration::from_secs(60));
        assert!(waited <= Duration::from_secs(2), "{waited:?}");
    }
}

#[test]
fn rfc3261_14_2_a_reinvite_that_meets_ours_is_491() {
    let mut agent = Agent::new();
    let (session, tag) = agent.answered("");
    let sent = reinvite(&mut agent, session);
    agent.offer("INVITE", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [491]);
    // While a 491 is waited out, theirs goes first, and ours follows when it is done.
    agent.reply(&sent, 491, "", "", "");
    agent.offer("INVITE", 7, &tag, "");
    agent.run();
    assert!(matches!(agent.events.last(), Some(Event::ReInvite { .. })));
    assert!(agent.wait(Duration::from_secs(3)).1.is_empty());
    agent
        .dialogs
        .accept_reinvite(session, Some(Body::sdp("yes")), &mut agent.layer, agent.now)
        .unwrap();
    agent.ack(7, &tag);
    assert_eq!(statuses(&agent.run()), [200]);
    let (_, calls) = agent.wait(Duration::from_secs(3));
    assert_eq!(methods(&calls), ["INVITE"]);
}

#[test]
fn rfc3261_12_2_1_2_a_dialog_that_the_peer_has_lost_is_ended() {
    for status in [481, 408] {
        let mut agent = Agent::new();
        let (session, _, _) = agent.calling(CONTACT);
        let sent = reinvite(&mut agent, session);
        let calls = agent.reply(&sent, status, "", "", "");
        assert_eq!(methods(&calls), ["BYE"]);
        let Some(Call::Request { id, request, .. }) = calls.into_iter().next() else {
            panic!("no BYE")
        };
        agent.reply(&Sent { id, request }, 481, "", "", "");
        assert!(matches!(
            agent.events.last(),
            Some(Event::Ended {
                cause: EndCause::Lost,
                ..
            })
        ));
        assert_eq!(agent.dialogs.session_count(), 0);
    }
    // No response at all is the same.
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    let sent = reinvite(&mut agent, session);
    agent.input(TransactionEvent::TimedOut {
        id: sent.id,
        flow: sip_transport::FlowId::from_parts(0, 0),
    });
    assert_eq!(methods(&agent.run()), ["BYE"]);
}

#[test]
fn rfc3261_13_2_2_4_an_offer_in_the_2xx_is_answered_in_the_ack() {
    let mut agent = Agent::new();
    let (session, sent) = agent.invite(None);
    assert!(
        agent
            .reply(&sent, 200, "b1", CONTACT, "their offer")
            .is_empty()
    );
    assert!(matches!(agent.events.last(), Some(Event::Accepted { .. })));
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
    let (ack, how) = requests(&calls)[0];
    assert_eq!((how, ack.body()), ("ack", &b"our answer"[..]));
    assert!(
        agent
            .dialogs
            .acknowledge(session, None, &mut agent.layer, agent.now)
            .is_err()
    );
    // Hanging up before the answer does not leave the 2xx without its ACK.
    let mut agent = Agent::new();
    let (session, sent) = agent.invite(None);
    agent.reply(&sent, 200, "b1", CONTACT, "their offer");
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    assert_eq!(methods(&agent.run()), ["ACK", "BYE"]);
}

#[test]
fn rfc3261_22_2_a_challenge_within_a_dialog_takes_its_next_number() {
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    let info = |agent: &mut Agent| {
        let fields = [(HeaderName::InfoPackage, "dtmf".to_owned())];
        let body = Some(Body {
            content_type: "application/dtmf".to_owned(),
            content: "5".into(),
        });
        agent
            .dialogs
            .request_within(
                session,
                Method::Info,
                &fields,
                body,
                &mut agent.layer,
                agent.now,
            )
            .unwrap();
        agent.sent()
    };
    let first = info(&mut agent);
    let second = info(&mut agent);
    assert_eq!(
        (first.cseq(), second.cseq()),
        ("2 INFO".to_owned(), "3 INFO".to_owned())
    );
    let challenge = "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"n\", qop=\"auth\"\r\n";
    let calls = agent.reply(&first, 401, "", challenge, "");
    assert_eq!(
        requests(&calls)[0].0.headers().cseq(),
        Some((4, Method::Info))
    );
    assert!(
        requests(&calls)[0]
            .0
            .headers()
            .contains(HeaderName::Authorization)
    );
    assert_eq!(info(&mut agent).cseq(), "5 INFO");
}

#[test]
fn rfc3261_22_2_two_realms_are_answered_one_after_the_other() {
    let mut agent = Agent::new();
    let (_, sent) = agent.invite(Some("offer"));
    let proxy = "Proxy-Authenticate: Digest realm=\"proxy\", nonce=\"p\", qop=\"auth\"\r\n";
    let server = "WWW-Authenticate: Digest realm=\"server\", nonce=\"s\", qop=\"auth\"\r\n";
    let again = |calls: Vec<Call>| match calls.into_iter().next() {
        Some(Call::Request { id, request, .. }) => Sent { id, request },
        other => panic!("{other:?}"),
    };
    let sent = again(agent.reply(&sent, 407, "a", proxy, ""));
    assert!(
        sent.request
            .headers()
            .contains(HeaderName::ProxyAuthorization)
    );
    let sent = again(agent.reply(&sent, 401, "b", server, ""));
    assert!(
        sent.request
            .headers()
            .contains(HeaderName::ProxyAuthorization)
    );
    assert!(sent.request.headers().contains(HeaderName::Authorization));
    assert_eq!(sent.cseq(), "3 INVITE");
    // The same realm again: the credentials are wrong.
    assert!(agent.reply(&sent, 401, "c", server, "").is_empty());
    assert!(matches!(agent.events.last(), Some(Event::Rejected { .. })));
}

#[test]
fn rfc3261_22_1_the_ack_has_the_credentials_of_its_invite() {
    let mut agent = Agent::new();
    let (_, sent) = agent.invite(Some("offer"));
    let challenge = "Proxy-Authenticate: Digest realm=\"proxy\", nonce=\"p\", qop=\"auth\"\r\n";
    let calls = agent.reply(&sent, 407, "a", challenge, "");
    let Some(Call::Request { id, request, .. }) = calls.into_iter().next() else {
        panic!("no request")
    };
    let sent = Sent { id, request };
    let calls = agent.reply(&sent, 200, "b1", CONTACT, "");
    let (ack, _) = requests(&calls)[0];
    assert_eq!(
        ack.headers().get(HeaderName::ProxyAuthorization).unwrap(),
        sent.field(HeaderName::ProxyAuthorization)
    );
    assert_eq!(ack.headers().cseq(), Some((2, Method::Ack)));
}

#[test]
fn rfc3311_5_1_update_goes_to_whom_allows_it_and_is_answered() {
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    let update = |agent: &mut Agent| {
        agent
            .dialogs
            .update(session, Some(Body::sdp("new")), &mut agent.layer, agent.now)
    };
    assert!(update(&mut agent).is_err());

    let mut agent = Agent::new();
    let (_, _, _) = agent.calling(UPDATES);
    update(&mut agent).unwrap();
    let sent = agent.sent();
    assert_eq!(
        (sent.cseq(), sent.request.body()),
        ("2 UPDATE".to_owned(), &b"new"[..])
    );
    assert!(sent.request.headers().contains(HeaderName::Contact));
    assert!(update(&mut agent).is_err());
    assert!(agent.reply(&sent, 200, "", CONTACT, "agreed").is_empty());
    let Some(Event::UpdateAnswered { body, .. }) = agent.events.last() else {
        panic!("{:?}", agent.events)
    };
    assert_eq!(text(body.as_ref()), "agreed");
    update(&mut agent).unwrap();
    let sent = agent.sent();
    agent.reply(&sent, 488, "", "", "");
    assert!(matches!(
        agent.events.last(),
        Some(Event::UpdateRefused { .. })
    ));
}

#[test]
fn rfc3311_5_2_update_of_the_peer_one_offer_at_a_time() {
    let mut agent = Agent::with(|config| config.methods = vec![Method::Update]);
    let (session, tag) = agent.answered("Allow: UPDATE\r\n");
    // Without a body it only refreshes the target.
    agent.request("UPDATE", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [200]);
    agent.offer("UPDATE", 7, &tag, "");
    agent.run();
    assert!(matches!(agent.events.last(), Some(Event::Update { .. })));
    // A second one before the first is answered.
    agent.offer("UPDATE", 8, &tag, "");
    let refused = response(&agent.run());
    assert_eq!(refused.status().as_u16(), 500);
    assert!(refused.headers().contains(HeaderName::RetryAfter));
    agent
        .dialogs
        .accept_update(session, Some(Body::sdp("yes")), &mut agent.layer, agent.now)
        .unwrap();
    let accepted = response(&agent.run());
    assert_eq!(
        (accepted.status(), accepted.body()),
        (StatusCode::OK, &b"yes"[..])
    );
    assert!(accepted.headers().contains(HeaderName::Contact));
    // One that meets an offer of ours.
    agent
        .dialogs
        .update(
            session,
            Some(Body::sdp("ours")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    agent.sent();
    agent.offer("UPDATE", 9, &tag, "");
    assert_eq!(statuses(&agent.run()), [491]);
    // One that meets an offer of theirs in a re-INVITE, which is not answered yet.
    let mut agent = Agent::with(|config| config.methods = vec![Method::Update]);
    let (_, tag) = agent.answered("Allow: UPDATE\r\n");
    agent.offer("INVITE", 6, &tag, "");
    assert!(agent.run().is_empty());
    agent.offer("UPDATE", 7, &tag, "");
    let refused = response(&agent.run());
    assert_eq!(refused.status().as_u16(), 500);
    assert!(refused.headers().contains(HeaderName::RetryAfter));
}

#[test]
fn rfc3261_8_2_1_methods_are_405_unless_the_application_wants_them() {
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    agent.request("INFO", 6, &tag, "");
    let refused = response(&agent.run());
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        refused.headers().get(HeaderName::Allow),
        Some("INVITE, ACK, CANCEL, BYE, OPTIONS")
    );
    agent.request("UPDATE", 7, &tag, "");
    agent.request("PRACK", 8, &tag, "RAck: 1 5 INVITE\r\n");
    assert_eq!(statuses(&agent.run()), [405, 405]);

    let mut agent = Agent::with(|config| config.methods = vec![Method::Info]);
    let (_, tag) = agent.answered("");
    agent.request("INFO", 6, &tag, "");
    assert!(agent.run().is_empty());
    let Some(Event::Within { id, request, .. }) = agent.events.pop() else {
        panic!("{:?}", agent.events)
    };
    let status = StatusCode::OK;
    agent
        .dialogs
        .respond_within(id, &request, status, None, &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(statuses(&agent.run()), [200]);
    // An extension that is required is looked for within dialogs too (section 8.2.2.3).
    agent.request("INFO", 7, &tag, "Require: magic\r\n");
    assert_eq!(statuses(&agent.run()), [420]);
}

/// The fuzzer found it: an UPDATE that the application had not answered when the session ended was never answered.
#[test]
fn rfc3261_15_1_2_what_waits_is_answered_when_we_end_the_session() {
    let mut agent = Agent::with(|config| config.methods = vec![Method::Update]);
    let (session, tag) = agent.answered("");
    agent.offer("UPDATE", 6, &tag, "");
    agent.offer("INVITE", 7, &tag, "");
    agent.run();
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    let calls = agent.run();
    assert_eq!(
        (statuses(&calls), methods(&calls)),
        (vec![487, 487], vec!["BYE"])
    );
}

#[test]
fn rfc3261_15_1_2_a_caller_may_end_an_early_dialog_by_bye() {
    let mut agent = Agent::new();
    agent.request("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    let ringing = StatusCode::RINGING;
    agent
        .dialogs
        .ring(session, ringing, None, &mut agent.layer, agent.now)
        .unwrap();
    let tag = response(&agent.run())
        .headers()
        .to_tag()
        .unwrap()
        .to_owned();
    agent.request("BYE", 6, &tag, "");
    let calls = agent.run();
    assert_eq!(statuses(&calls), [200, 487]);
    assert_eq!(response(&calls).headers().to_tag(), Some(tag.as_str()));
    assert_eq!(agent.dialogs.session_count(), 0);
}

#[test]
fn rfc3261_13_2_2_4_a_2xx_after_the_invite_was_given_up_gets_ack_and_bye() {
    let mut agent = Agent::new();
    let (session, sent) = agent.invite(Some("offer"));
    agent.reply(&sent, 180, "b1", CONTACT, "");
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    assert!(matches!(agent.run().as_slice(), [Call::Cancel { .. }]));
    agent.input(TransactionEvent::TimedOut {
        id: sent.id,
        flow: sip_transport::FlowId::from_parts(0, 0),
    });
    agent.run();
    assert_eq!(agent.dialogs.session_count(), 0);
    let calls = agent.reply(&sent, 200, "b1", CONTACT, "");
    assert_eq!(methods(&calls), ["ACK", "BYE"]);
    assert_eq!(
        requests(&calls)[1].0.headers().cseq(),
        Some((2, Method::Bye))
    );
    assert_eq!(
        methods(&agent.reply(&sent, 200, "b1", CONTACT, "")),
        ["ACK"]
    );
    // After 64 times T1 it is forgotten: nobody repeats a 2xx that long.
    agent.wait(Duration::from_secs(33));
    assert!(agent.reply(&sent, 200, "b1", CONTACT, "").is_empty());
}

#[test]
fn rfc3891_3_an_invite_takes_the_place_of_a_session() {
    let mut agent = Agent::with(|config| config.supported = vec!["replaces".to_owned()]);
    let (old, tag) = agent.answered("");
    let replaces = |tag: &str, more: &str| {
        format!("Require: replaces\r\nReplaces: one;to-tag={tag};from-tag=peer{more}\r\n")
    };
    let invite = |agent: &mut Agent, fields: &str| {
        let mut request = crate::agent::request("INVITE", 1, "", fields);
        request.headers_mut().replace(HeaderName::CallId, "two");
        agent.take(request);
        agent.run()
    };
    assert_eq!(
        statuses(&invite(&mut agent, &replaces("nothing", ""))),
        [481]
    );
    assert_eq!(
        statuses(&invite(&mut agent, &replaces(&tag, ";early-only"))),
        [486]
    );
    assert_eq!(
        statuses(&invite(&mut agent, "Replaces: one;to-tag=x\r\n")),
        [400]
    );
    assert!(invite(&mut agent, &replaces(&tag, "")).is_empty());
    let new = agent.incoming();
    assert_eq!(agent.dialogs.replaces(new), Some(old));
    let answer = Some(Body::sdp("answer"));
    agent
        .dialogs
        .accept(new, answer, &mut agent.layer, agent.now)
        .unwrap();
    let calls = agent.run();
    assert_eq!(
        (statuses(&calls), methods(&calls)),
        (vec![200], vec!["BYE"])
    );
    let Some(Call::Request { id, request, .. }) = calls.into_iter().next_back() else {
        panic!("no BYE")
    };
    agent.reply(&Sent { id, request }, 200, "", "", "");
    assert!(matches!(
        agent.events.last(),
        Some(Event::Ended { session, cause: EndCause::Replaced }) if *session == old
    ));
    assert_eq!(agent.dialogs.session_count(), 1);
}

#[test]
fn rfc3261_22_3_credentials_of_two_realms_are_sent_side_by_side() {
    rfc3261_22_2_two_realms_are_answered_one_after_the_other();
}
