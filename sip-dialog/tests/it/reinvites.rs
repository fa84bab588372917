//! re-INVITE with reliable provisional responses (RFC 6141): the target moves with them, and what is agreed in them is in use.

use std::time::Duration;

use sip_dialog::{Body, Event, Meaning, OpaqueBody, SessionId};
use sip_message::header::RSeq;
use sip_message::{HeaderName, Method, StatusCode};
use sip_transaction::{Event as TransactionEvent, ServerTransactionId};

use crate::agent::{
    Agent, CONTACT, Sent, flow, methods, only, request, requests, response, statuses,
};

const MOVED: &str = "Contact: <sip:bob@198.51.100.9>\r\n";

fn agent() -> Agent {
    Agent::with(|config| {
        config.supported = vec!["100rel".to_owned()];
        config.methods = vec![Method::Update];
    })
}

/// A session of ours, and our re-INVITE in it.
fn changing(agent: &mut Agent, offer: Option<&'static str>) -> (SessionId, Sent) {
    let (session, ..) = agent.calling(&format!("{CONTACT}Allow: UPDATE\r\n"));
    agent
        .dialogs
        .reinvite(session, offer.map(Body::sdp), &mut agent.layer, agent.now)
        .unwrap();
    let sent = agent.sent();
    agent.events.clear();
    (session, sent)
}

/// A session of theirs, and their re-INVITE in it, from another address: the session, our tag, the transaction.
fn changed(agent: &mut Agent, offers: bool) -> (SessionId, String, ServerTransactionId) {
    let (session, tag) = agent.answered("Supported: 100rel\r\nAllow: UPDATE\r\n");
    let mut reinvite = request("INVITE", 6, &tag, "Supported: 100rel\r\n");
    reinvite
        .headers_mut()
        .replace(HeaderName::Contact, "<sip:bob@198.51.100.9>");
    if offers {
        reinvite.set_body("application/sdp", "offer");
    }
    let (id, _) = agent.take(reinvite);
    agent.run();
    agent.events.clear();
    (session, tag, id)
}

/// Tells how far the change is; returns the number of the response.
fn progress(agent: &mut Agent, session: SessionId, body: Option<&'static str>) -> u32 {
    let status = StatusCode::SESSION_PROGRESS;
    agent
        .dialogs
        .ring(
            session,
            status,
            body.map(Body::sdp),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let response = response(&agent.run());
    assert_eq!(response.status(), status);
    assert_eq!(response.headers().get(HeaderName::Require), Some("100rel"));
    let RSeq(number) = response.headers().typed::<RSeq>().unwrap().unwrap();
    number
}

fn prack(agent: &mut Agent, number: u32, tag: &str, rseq: u32, body: &'static str) -> Vec<u16> {
    let mut prack = request("PRACK", number, tag, &format!("RAck: {rseq} 6 INVITE\r\n"));
    if !body.is_empty() {
        prack.set_body("application/sdp", body);
    }
    agent.take(prack);
    statuses(&agent.run())
}

/// Where our next request goes.
fn target(agent: &mut Agent, session: SessionId) -> String {
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    let calls = agent.run();
    assert_eq!(methods(&calls), ["BYE"]);
    requests(&calls)[0].0.uri_str().to_owned()
}

#[test]
fn rfc6141_4_7_a_reliable_response_moves_the_target_and_another_does_not() {
    for (fields, number, expected) in [
        ("", "", "sip:bob@192.0.2.7"),
        ("Require: 100rel\r\n", "RSeq: 4\r\n", "sip:bob@198.51.100.9"),
    ] {
        let mut agent = agent();
        let (session, sent) = changing(&mut agent, Some("offer"));
        let calls = agent.reply(&sent, 183, "", &format!("{MOVED}{fields}{number}"), "");
        if number.is_empty() {
            assert!(calls.is_empty());
        } else {
            let prack = only(&calls);
            assert_eq!(prack.field(HeaderName::RAck), "4 2 INVITE");
            assert_eq!(prack.request.uri_str(), expected);
            agent.reply(&prack, 200, "", "", "");
        }
        // Whatever the final response (section 4.4).
        agent.reply(&sent, 488, "", "", "");
        assert!(matches!(
            agent.events.last(),
            Some(Event::ReInviteRefused { .. })
        ));
        assert_eq!(target(&mut agent, session), expected);
    }
}

#[test]
fn rfc3262_4_responses_to_a_reinvite_are_acknowledged_once_and_in_order() {
    let mut agent = agent();
    let (_, sent) = changing(&mut agent, Some("offer"));
    let mut at = |number: u32| {
        let fields = format!("{CONTACT}Require: 100rel\r\nRSeq: {number}\r\n");
        methods(&agent.reply(&sent, 183, "", &fields, "")).len()
    };
    assert_eq!([at(9), at(9), at(11), at(10), at(11)], [1, 0, 0, 1, 1]);
}

#[test]
fn rfc6337_2_2_an_exchange_in_responses_to_a_reinvite() {
    let reliable = format!("{CONTACT}Require: 100rel\r\nRSeq: 1\r\n");
    // We offer: the first reliable body answers, and later ones repeat.
    let mut agent = agent();
    let (_, sent) = changing(&mut agent, Some("offer"));
    agent.reply(&sent, 183, "", &reliable, "answer");
    agent.reply(&sent, 200, "", CONTACT, "answer");
    let meanings: Vec<Meaning> = agent
        .events
        .iter()
        .filter_map(|event| match event {
            Event::ReInviteProgress { meaning, .. } | Event::ReInviteAnswered { meaning, .. } => {
                Some(*meaning)
            }
            _ => None,
        })
        .collect();
    assert_eq!(meanings, [Meaning::Answer, Meaning::Repeated]);
    // They offer, as we did not: the PRACK answers, and the ACK waits for nobody.
    let mut agent = self::agent();
    let (session, sent) = changing(&mut agent, None);
    assert!(
        agent
            .reply(&sent, 183, "", &reliable, "their offer")
            .is_empty()
    );
    let event = agent.events.pop().unwrap();
    let mut body = OpaqueBody::new(Body::sdp("our answer"));
    assert!(
        agent
            .dialogs
            .negotiate(&event, &mut body, &mut agent.layer, agent.now)
    );
    let prack = agent.sent();
    assert_eq!(
        (prack.request.method(), prack.request.body()),
        (&Method::Prack, &b"our answer"[..])
    );
    assert_eq!(body.theirs(), Some(&Body::sdp("their offer")));
    agent.reply(&prack, 200, "", "", "");
    let calls = agent.reply(&sent, 200, "", CONTACT, "their offer");
    assert_eq!(methods(&calls), ["ACK"]);
    assert!(
        agent
            .dialogs
            .acknowledge(session, None, &mut agent.layer, agent.now)
            .is_err()
    );
}

#[test]
fn rfc6141_3_4_a_change_that_is_undone_after_its_answer_is_offered_back() {
    // By UPDATE, or where the peer takes none by a re-INVITE.
    for (allow, method) in [("Allow: UPDATE\r\n", Method::Update), ("", Method::Invite)] {
        let mut agent = agent();
        let (session, ..) = agent.calling(&format!("{CONTACT}{allow}"));
        agent
            .dialogs
            .reinvite(
                session,
                Some(Body::sdp("offer")),
                &mut agent.layer,
                agent.now,
            )
            .unwrap();
        let sent = agent.sent();
        let reliable = format!("{CONTACT}Require: 100rel\r\nRSeq: 1\r\n");
        agent.reply(&sent, 183, "", &reliable, "answer");
        agent.reply(&sent, 488, "", "", "");
        let event = agent.events.pop().unwrap();
        assert!(matches!(event, Event::ReInviteUndone { session: of, .. } if of == session));
        let mut body = OpaqueBody::new(Body::sdp("as it was"));
        agent
            .dialogs
            .negotiate(&event, &mut body, &mut agent.layer, agent.now);
        let back = agent.sent();
        assert_eq!(*back.request.method(), method);
        assert_eq!(back.request.body(), b"as it was");
    }
}

#[test]
fn rfc6141_4_6_a_reliable_response_of_ours_moves_the_target() {
    for moved in [true, false] {
        let mut agent = agent();
        let (session, tag, _) = changed(&mut agent, true);
        if moved {
            let rseq = progress(&mut agent, session, None);
            assert_eq!(prack(&mut agent, 7, &tag, rseq, ""), [200]);
        }
        // Nothing is agreed: the change can be refused. The target stays where it is by then.
        agent
            .dialogs
            .reject_reinvite(
                session,
                StatusCode::NOT_ACCEPTABLE_HERE,
                &mut agent.layer,
                agent.now,
            )
            .unwrap();
        assert_eq!(statuses(&agent.run()), [488]);
        let expected = if moved {
            "sip:bob@198.51.100.9"
        } else {
            "sip:bob@192.0.2.9"
        };
        assert_eq!(target(&mut agent, session), expected);
    }
}

#[test]
fn rfc6141_3_3_what_is_in_use_is_not_refused() {
    // By us, or by a CANCEL (section 3.8).
    for cancelled in [false, true] {
        let mut agent = agent();
        let (session, tag, invite) = changed(&mut agent, true);
        let rseq = progress(&mut agent, session, Some("answer"));
        assert_eq!(prack(&mut agent, 7, &tag, rseq, ""), [200]);
        let mut answers = if cancelled {
            let cancel = request("CANCEL", 6, &tag, "");
            agent.input(TransactionEvent::Cancel {
                id: ServerTransactionId::from_parts(900, 0),
                invite: Some(invite),
                request: cancel.into(),
                flow: flow(),
            });
            statuses(&agent.run())
        } else {
            let status = StatusCode::NOT_ACCEPTABLE_HERE;
            agent
                .dialogs
                .reject_reinvite(session, status, &mut agent.layer, agent.now)
                .unwrap();
            statuses(&agent.run())
        };
        if cancelled {
            // The first is that of the CANCEL.
            assert_eq!(answers.remove(0), 200);
        }
        assert_eq!(answers, [200], "cancelled: {cancelled}");
        agent.ack(6, &tag);
        agent.run();
        assert!(agent.wait(Duration::from_secs(100)).1.is_empty());
    }
}

#[test]
fn rfc3262_3_the_2xx_to_a_reinvite_waits_for_the_prack_of_a_description() {
    let mut agent = agent();
    let (session, tag, _) = changed(&mut agent, false);
    let rseq = progress(&mut agent, session, Some("our offer"));
    let again = Some(Body::sdp("our offer"));
    agent
        .dialogs
        .accept_reinvite(session, again, &mut agent.layer, agent.now)
        .unwrap();
    assert!(agent.run().is_empty());
    // An UPDATE that offers has to wait as well.
    agent.offer("UPDATE", 7, &tag, "");
    assert_eq!(statuses(&agent.run()), [500]);
    let mut answer = request("PRACK", 8, &tag, &format!("RAck: {rseq} 6 INVITE\r\n"));
    answer.set_body("application/sdp", "their answer");
    agent.take(answer);
    let calls = agent.run();
    assert_eq!(statuses(&calls), [200, 200]);
    // RFC 6337 section 2.2: no second description.
    assert!(response(&calls).body().is_empty());
    assert!(agent.events.iter().any(|event| matches!(
        event,
        Event::ProvisionalAcknowledged { body: Some(body), .. } if body.content == "their answer"
    )));
    agent.ack(6, &tag);
    agent.run();
}

#[test]
fn rfc3262_3_a_reinvite_whose_response_nobody_acknowledges_is_refused() {
    let mut agent = agent();
    let (session, ..) = changed(&mut agent, true);
    progress(&mut agent, session, Some("answer"));
    let mut elapsed = Duration::ZERO;
    loop {
        let (waited, calls) = agent.wait(Duration::from_secs(60));
        elapsed += waited;
        if statuses(&calls) != [183] {
            assert_eq!(statuses(&calls), [504]);
            break;
        }
    }
    assert_eq!(elapsed, Duration::from_secs(32));
    // The session goes on as it was.
    assert_eq!(agent.dialogs.session_count(), 1);
    assert!(agent.wait(Duration::from_secs(100)).1.is_empty());
}

#[test]
fn rfc3311_5_2_an_update_may_follow_the_answer_within_a_reinvite() {
    // Ours has its answer: theirs is taken.
    let mut agent = agent();
    let (session, sent) = changing(&mut agent, Some("offer"));
    agent.reply(
        &sent,
        183,
        "",
        &format!("{CONTACT}Require: 100rel\r\nRSeq: 1\r\n"),
        "answer",
    );
    let tag = sent.request.headers().from_tag().unwrap().to_owned();
    let mut update = request("UPDATE", 1, &tag, "");
    update.set_body("application/sdp", "offer");
    let fields = update.headers_mut();
    fields.replace(HeaderName::From, "<sip:bob@example.com>;tag=b1");
    let call_id = sent.request.headers().call_id().unwrap().to_owned();
    fields.replace(HeaderName::CallId, call_id);
    agent.take(update);
    agent.run();
    let answer = Some(Body::sdp("answer"));
    agent
        .dialogs
        .accept_update(session, answer, &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(statuses(&agent.run()), [200]);
}

#[test]
fn rfc3311_5_1_our_update_inside_of_our_reinvite() {
    let update = |agent: &mut Agent, session, body: Option<&'static str>| {
        let body = body.map(Body::sdp);
        agent
            .dialogs
            .update(session, body, &mut agent.layer, agent.now)
    };
    let reliable = format!("{CONTACT}Require: 100rel\r\nRSeq: 1\r\n");
    let mut agent = agent();
    let (session, reinvite) = changing(&mut agent, Some("offer"));
    // The offer of the re-INVITE is not answered: there is no place for another, but the target may move.
    assert!(update(&mut agent, session, Some("second offer")).is_err());
    update(&mut agent, session, None).unwrap();
    let moved = agent.sent();
    assert_eq!(moved.cseq(), "3 UPDATE");
    assert!(update(&mut agent, session, None).is_err(), "one at a time");
    agent.reply(&moved, 200, "", CONTACT, "");
    // It is: another may follow.
    let prack = only(agent.reply(&reinvite, 183, "", &reliable, "answer"));
    agent.reply(&prack, 200, "", "", "");
    update(&mut agent, session, Some("second offer")).unwrap();
    let second = agent.sent();
    assert_eq!(
        (second.request.method(), second.request.body()),
        (&Method::Update, &b"second offer"[..])
    );
    // Theirs meets an offer of ours.
    let tag = reinvite.request.headers().from_tag().unwrap().to_owned();
    let call_id = reinvite.request.headers().call_id().unwrap().to_owned();
    let mut theirs = request("UPDATE", 1, &tag, "");
    theirs.set_body("application/sdp", "their offer");
    let fields = theirs.headers_mut();
    fields.replace(HeaderName::From, "<sip:bob@example.com>;tag=b1");
    fields.replace(HeaderName::CallId, call_id);
    agent.take(theirs);
    assert_eq!(statuses(&agent.run()), [491]);
    agent.events.clear();
    // The re-INVITE is over before the UPDATE is: each has its own end.
    let calls = agent.reply(&reinvite, 200, "", CONTACT, "");
    assert_eq!(methods(&calls), ["ACK"]);
    assert!(
        update(&mut agent, session, Some("third offer")).is_err(),
        "the second one is open"
    );
    agent.reply(&second, 200, "", CONTACT, "second answer");
    let told: Vec<String> = agent
        .events
        .iter()
        .map(|event| match event {
            Event::ReInviteAnswered { body, .. } => format!("re-INVITE {}", body.is_some()),
            Event::UpdateAnswered { body, .. } => format!("UPDATE {}", body.is_some()),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["re-INVITE false", "UPDATE true"]);
    update(&mut agent, session, Some("third offer")).unwrap();
}

#[test]
fn rfc3311_5_1_an_update_inside_of_a_reinvite_meets_theirs_and_comes_again() {
    let mut agent = agent();
    let (session, reinvite) = changing(&mut agent, Some("offer"));
    let reliable = format!("{CONTACT}Require: 100rel\r\nRSeq: 1\r\n");
    let prack = only(agent.reply(&reinvite, 183, "", &reliable, "answer"));
    agent.reply(&prack, 200, "", "", "");
    let offer = Some(Body::sdp("second offer"));
    agent
        .dialogs
        .update(session, offer, &mut agent.layer, agent.now)
        .unwrap();
    let sent = agent.sent();
    agent.reply(&sent, 491, "", "", "");
    agent.now += Duration::from_secs(4);
    agent.dialogs.handle_timeout(&mut agent.layer, agent.now);
    let again = agent.sent();
    assert_eq!(
        (again.cseq(), again.request.body()),
        ("5 UPDATE".to_owned(), &b"second offer"[..])
    );
    // The re-INVITE still waits for its end.
    assert_eq!(
        methods(&agent.reply(&reinvite, 200, "", CONTACT, "")),
        ["ACK"]
    );
}

#[test]
fn rfc3311_5_1_our_update_inside_of_their_reinvite() {
    let mut agent = agent();
    let (session, tag, _) = changed(&mut agent, true);
    let update = |agent: &mut Agent, body: Option<&'static str>| {
        let body = body.map(Body::sdp);
        agent
            .dialogs
            .update(session, body, &mut agent.layer, agent.now)
    };
    assert!(update(&mut agent, Some("offer")).is_err());
    let number = progress(&mut agent, session, Some("answer"));
    assert!(
        update(&mut agent, Some("offer")).is_err(),
        "the answer is not acknowledged"
    );
    assert_eq!(prack(&mut agent, 7, &tag, number, ""), [200]);
    update(&mut agent, Some("offer")).unwrap();
    assert_eq!(agent.sent().request.method(), &Method::Update);
}
