//! Where offers and answers may stand (RFC 6337 section 2.2), by a session body that notes what it is asked.

use sip_dialog::{Body, DialogConfig, Event, Meaning, SessionBody, SessionId};
use sip_message::{HeaderName, Method, StatusCode, Uri};
use sip_testkit::Call;

use crate::agent::{Agent, CONTACT, Sent, methods, only, requests, response, statuses};

const RELIABLE: &str = "Contact: <sip:bob@192.0.2.7>\r\nRequire: 100rel\r\n";

/// Notes what it is asked, and refuses what begins with "bad".
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) log: Vec<String>,
    offers: u32,
}

pub(crate) fn text(body: &Body) -> String {
    String::from_utf8_lossy(&body.content).into_owned()
}

impl SessionBody for Notes {
    fn offer(&mut self) -> Result<Body, StatusCode> {
        self.offers += 1;
        self.log.push("offer".to_owned());
        Ok(Body::sdp(format!("offer {}", self.offers)))
    }

    fn answer(&mut self, offer: &Body) -> Result<Body, StatusCode> {
        self.log.push(format!("answer to {}", text(offer)));
        if text(offer).starts_with("bad") {
            return Err(StatusCode::NOT_ACCEPTABLE_HERE);
        }
        Ok(Body::sdp(format!("answer to {}", text(offer))))
    }

    fn answered(&mut self, answer: &Body) -> Result<(), StatusCode> {
        self.log.push(format!("answered {}", text(answer)));
        if text(answer).starts_with("bad") {
            return Err(StatusCode::NOT_ACCEPTABLE_HERE);
        }
        Ok(())
    }

    fn previewed(&mut self, answer: &Body) {
        self.log.push(format!("previewed {}", text(answer)));
    }

    fn rolled_back(&mut self) {
        self.log.push("rolled back".to_owned());
    }
}

pub(crate) fn both(config: &mut DialogConfig) {
    config.supported = vec!["100rel".to_owned()];
    config.methods = vec![Method::Update];
}

/// Has the notes see to all events so far; returns what was sent for it.
pub(crate) fn negotiate(agent: &mut Agent, notes: &mut Notes) -> Vec<Call> {
    let mut calls = agent.run();
    for event in std::mem::take(&mut agent.events) {
        agent
            .dialogs
            .negotiate(&event, notes, &mut agent.layer, agent.now);
        calls.extend(agent.run());
    }
    calls
}

pub(crate) fn bodies(calls: &[Call]) -> Vec<(String, String)> {
    let body = |call: &Call| {
        let (what, body) = match call {
            Call::Request { request, .. } => (request.method().to_string(), request.body_bytes()),
            Call::Ack { ack, .. } => ("ACK".to_owned(), ack.body_bytes()),
            Call::Respond { response, .. } => (
                response.status().as_u16().to_string(),
                response.body_bytes(),
            ),
            other => panic!("{other:?}"),
        };
        (what, String::from_utf8_lossy(&body).into_owned())
    };
    calls.iter().map(body).collect()
}

pub(crate) fn calling(agent: &mut Agent, notes: &mut Notes, offers: bool) -> (SessionId, Sent) {
    if !offers {
        return agent.invite(None);
    }
    let uri = |text: &str| Uri::parse(text).unwrap();
    let invite = sip_dialog::InviteRequest::new(
        uri("sip:bob@example.com"),
        uri("sip:alice@example.com"),
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
    );
    let session = agent
        .dialogs
        .invite_with(invite, notes, &mut agent.layer, agent.now)
        .unwrap();
    (session, agent.sent())
}

/// The responses to our INVITE: status, whether it is reliable, body; then what the notes say, and what is sent.
type Row<'a> = (
    bool,
    &'a [(u16, bool, &'static str)],
    &'a [&'a str],
    &'a [(&'a str, &'a str)],
);

#[test]
fn rfc6337_2_2_what_a_caller_takes_a_body_for() {
    let rows: &[Row<'_>] = &[
        // Pattern 1, with and without a preview.
        (
            true,
            &[(200, false, "a")],
            &["offer", "answered a"],
            &[("ACK", "")],
        ),
        (
            true,
            &[(183, false, "a"), (200, false, "a")],
            &["offer", "previewed a", "answered a"],
            &[("ACK", "")],
        ),
        // Pattern 2.
        (
            false,
            &[(200, false, "o")],
            &["answer to o"],
            &[("ACK", "answer to o")],
        ),
        // Pattern 3; the 2xx after it is ignored, and so is a second reliable one.
        (
            true,
            &[(183, true, "a"), (183, true, "b"), (200, false, "c")],
            &["offer", "answered a"],
            &[("PRACK", ""), ("PRACK", ""), ("ACK", "")],
        ),
        // The first reliable one need not answer.
        (
            true,
            &[(180, true, ""), (200, false, "a")],
            &["offer", "answered a"],
            &[("PRACK", ""), ("ACK", "")],
        ),
        // Pattern 4.
        (
            false,
            &[(183, true, "o"), (200, false, "x")],
            &["answer to o"],
            &[("PRACK", "answer to o"), ("ACK", "")],
        ),
        // An answer that is none ends the session.
        (
            true,
            &[(200, false, "bad")],
            &["offer", "answered bad"],
            &[("ACK", ""), ("BYE", "")],
        ),
        // And so does an offer that cannot be answered.
        (
            false,
            &[(200, false, "bad")],
            &["answer to bad"],
            &[("ACK", ""), ("BYE", "")],
        ),
    ];
    for (offers, responses, said, sent) in rows {
        let mut agent = Agent::with(both);
        let mut notes = Notes::default();
        let (_, invite) = calling(&mut agent, &mut notes, *offers);
        let mut calls = Vec::new();
        for (number, (status, reliable, body)) in (1..).zip(*responses) {
            let fields = if *reliable {
                format!("{RELIABLE}RSeq: {number}\r\n")
            } else {
                CONTACT.to_owned()
            };
            calls.extend(agent.reply(&invite, *status, "b1", &fields, body));
            calls.extend(negotiate(&mut agent, &mut notes));
        }
        assert_eq!(notes.log, *said);
        let calls = bodies(&calls);
        let calls: Vec<(&str, &str)> = calls.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(calls, *sent);
    }
}

#[test]
fn rfc6337_2_2_each_branch_of_a_fork_has_its_own_exchange() {
    let mut agent = Agent::with(both);
    let mut notes = Notes::default();
    let (_, invite) = calling(&mut agent, &mut notes, true);
    agent.reply(&invite, 183, "b1", &format!("{RELIABLE}RSeq: 1\r\n"), "a");
    agent.reply(&invite, 183, "b2", &format!("{RELIABLE}RSeq: 9\r\n"), "b");
    agent.reply(&invite, 200, "b3", CONTACT, "c");
    negotiate(&mut agent, &mut notes);
    assert_eq!(
        notes.log,
        ["offer", "answered a", "answered b", "answered c"]
    );
}

#[test]
fn rfc6337_2_2_a_callee_answers_or_offers() {
    // Whether the INVITE offers, whether its sender acknowledges; then what is said, and what is sent for 183, 180 and 200.
    for (offers, reliably, said, sent) in [
        (true, false, "answer to offer", ["", "", "answer to offer"]),
        (false, false, "offer", ["", "", "offer 1"]),
        (true, true, "answer to offer", ["answer to offer", "", ""]),
        (false, true, "offer", ["offer 1", "", ""]),
    ] {
        let mut agent = Agent::with(both);
        let mut notes = Notes::default();
        let fields = if reliably {
            "Supported: 100rel\r\n"
        } else {
            ""
        };
        if offers {
            agent.offer("INVITE", 5, "", fields);
        } else {
            agent.request("INVITE", 5, "", fields);
        }
        agent.run();
        let session = agent.incoming();
        let mut last = Vec::new();
        for (number, status) in [StatusCode::SESSION_PROGRESS, StatusCode::RINGING]
            .into_iter()
            .enumerate()
        {
            agent
                .dialogs
                .ring_with(session, status, &mut notes, &mut agent.layer, agent.now)
                .unwrap();
            let calls = agent.run();
            let sent = response(&calls);
            last.extend(bodies(&calls).into_iter().map(|(_, body)| body));
            if reliably {
                let tag = sent.headers().to_tag().unwrap().to_owned();
                let rseq = sent.headers().get(HeaderName::RSeq).unwrap();
                let fields = format!("RAck: {rseq} 5 INVITE\r\n");
                let prack = 6 + u32::try_from(number).unwrap();
                if number == 0 && !offers {
                    agent.offer("PRACK", prack, &tag, &fields);
                } else {
                    agent.request("PRACK", prack, &tag, &fields);
                }
                assert_eq!(statuses(&negotiate(&mut agent, &mut notes)), [200]);
            }
        }
        agent
            .dialogs
            .accept_with(session, &mut notes, &mut agent.layer, agent.now)
            .unwrap();
        last.extend(bodies(&agent.run()).into_iter().map(|(_, body)| body));
        assert_eq!(last, sent);
        let mut expected = vec![said.to_owned()];
        if reliably && !offers {
            expected.push("answered offer".to_owned());
        }
        assert_eq!(notes.log, expected);
    }
}

#[test]
fn rfc6337_2_2_what_a_callee_may_not_say() {
    let ring = |agent: &mut Agent, session, body: Option<&'static str>| {
        let status = StatusCode::SESSION_PROGRESS;
        let body = body.map(Body::sdp);
        agent
            .dialogs
            .ring(session, status, body, &mut agent.layer, agent.now)
            .is_ok()
    };
    // An offer where it may be lost.
    let mut agent = Agent::with(both);
    agent.request("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    assert!(!ring(&mut agent, session, Some("offer")));
    assert!(ring(&mut agent, session, None));
    // A preview of the answer it may be.
    let mut agent = Agent::with(both);
    agent.offer("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    assert!(ring(&mut agent, session, Some("answer")));
    assert!(ring(&mut agent, session, Some("answer")));
    // A second description, at once or queued.
    let mut agent = Agent::with(both);
    agent.offer("INVITE", 5, "", "Supported: 100rel\r\n");
    agent.run();
    let session = agent.incoming();
    assert!(ring(&mut agent, session, None));
    assert!(ring(&mut agent, session, Some("answer")));
    assert!(!ring(&mut agent, session, Some("other")));
    assert!(ring(&mut agent, session, None));
    assert_eq!(statuses(&agent.run()), [183]);
}

#[test]
fn rfc6337_2_3_an_offer_that_is_refused() {
    // Patterns 1 and 6: 488. Pattern 2 has no way; see the first table.
    let mut agent = Agent::with(both);
    let mut notes = Notes::default();
    let mut invite = crate::agent::request("INVITE", 5, "", "");
    invite.set_body("application/sdp", "bad");
    agent.take(invite);
    agent.run();
    let session = agent.incoming();
    assert!(
        agent
            .dialogs
            .accept_with(session, &mut notes, &mut agent.layer, agent.now)
            .is_err()
    );
    assert_eq!(statuses(&agent.run()), [488]);
    for method in ["INVITE", "UPDATE"] {
        let (_, tag) = agent.answered("");
        agent.events.clear();
        let mut change = crate::agent::request(method, 6, &tag, "");
        change.set_body("application/sdp", "bad");
        agent.take(change);
        assert_eq!(statuses(&negotiate(&mut agent, &mut notes)), [488]);
        let mut change = crate::agent::request(method, 7, &tag, "");
        change.set_body("application/sdp", "good");
        agent.take(change);
        let calls = negotiate(&mut agent, &mut notes);
        assert_eq!(
            bodies(&calls),
            [("200".to_owned(), "answer to good".to_owned())]
        );
    }
}

#[test]
fn rfc3261_14_1_a_refused_change_is_rolled_back() {
    for update in [false, true] {
        let mut agent = Agent::with(both);
        let mut notes = Notes::default();
        let (session, ..) = agent.calling(&format!("{CONTACT}Allow: UPDATE\r\n"));
        agent.events.clear();
        let offer = Some(notes.offer().unwrap());
        let (layer, now) = (&mut agent.layer, agent.now);
        if update {
            agent.dialogs.update(session, offer, layer, now).unwrap();
        } else {
            agent.dialogs.reinvite(session, offer, layer, now).unwrap();
        }
        let sent = agent.sent();
        agent.reply(&sent, 488, "", "", "");
        negotiate(&mut agent, &mut notes);
        assert_eq!(notes.log, ["offer", "rolled back"]);
    }
}

#[test]
fn rfc6337_2_2_pattern_5_an_offer_in_a_prack() {
    for (status, answer, told) in [(200, "new", Some("new")), (488, "", None)] {
        let mut agent = Agent::with(both);
        let (session, invite) = agent.invite(Some("offer"));
        agent
            .dialogs
            .offer_in_prack(session, Body::sdp("second"))
            .unwrap();
        // A response without an answer is acknowledged without an offer.
        let calls = agent.reply(&invite, 180, "b1", &format!("{RELIABLE}RSeq: 1\r\n"), "");
        assert!(only(&calls).request.body().is_empty());
        let calls = agent.reply(
            &invite,
            183,
            "b1",
            &format!("{RELIABLE}RSeq: 2\r\n"),
            "answer",
        );
        let prack = only(&calls);
        assert_eq!(prack.request.body(), b"second");
        // One negotiation at a time.
        let fields = "Allow: UPDATE\r\n";
        assert!(
            agent
                .dialogs
                .update(session, Some(Body::sdp("x")), &mut agent.layer, agent.now)
                .is_err(),
            "{fields}"
        );
        let calls = agent.reply(&prack, status, "", "", answer);
        if status == 200 {
            assert!(calls.is_empty());
        } else {
            // Section 2.3: the same response is acknowledged without the offer.
            let again = only(&calls);
            assert!(again.request.body().is_empty());
            assert_eq!(again.field(HeaderName::RAck), prack.field(HeaderName::RAck));
            assert_ne!(again.cseq(), prack.cseq());
        }
        let Some(Event::PrackAnswered { body, .. }) = agent.events.last() else {
            panic!("{:?}", agent.events)
        };
        assert_eq!(body.as_ref().map(text), told.map(str::to_owned));
        assert!(
            agent
                .dialogs
                .offer_in_prack(session, Body::sdp("x"))
                .is_err()
        );
    }
}

#[test]
fn rfc6337_2_3_an_offer_in_a_prack_is_answered_or_comes_again_without() {
    for (offer, status) in [("new", 200), ("bad", 488)] {
        let mut agent = Agent::with(both);
        let mut notes = Notes::default();
        agent.offer("INVITE", 5, "", "Supported: 100rel\r\n");
        agent.run();
        let session = agent.incoming();
        let progress = StatusCode::SESSION_PROGRESS;
        agent
            .dialogs
            .ring_with(session, progress, &mut notes, &mut agent.layer, agent.now)
            .unwrap();
        let sent = response(&agent.run());
        let headers = sent.headers();
        let tag = headers.to_tag().unwrap().to_owned();
        let rack = format!(
            "RAck: {} 5 INVITE\r\n",
            headers.get(HeaderName::RSeq).unwrap()
        );
        let mut prack = crate::agent::request("PRACK", 6, &tag, &rack);
        prack.set_body("application/sdp", offer);
        agent.take(prack);
        assert_eq!(statuses(&negotiate(&mut agent, &mut notes)), [status]);
        // The retry acknowledges what the first did; a third is of nothing.
        let mut answers = Vec::new();
        for number in [7, 8] {
            agent.request("PRACK", number, &tag, &rack);
            answers.extend(statuses(&agent.run()));
        }
        let again = if status == 200 { 481 } else { 200 };
        assert_eq!(answers, [again, 481]);
        // The call is answered as if nothing had been.
        agent
            .dialogs
            .accept_with(session, &mut notes, &mut agent.layer, agent.now)
            .unwrap();
        assert_eq!(statuses(&agent.run()), [200]);
    }
}

#[test]
fn rfc3311_5_1_no_update_offers_before_the_first_answer() {
    // The caller: in no state before the answer in a reliable response, and once it is there.
    let allow = "Allow: UPDATE\r\n";
    let mut agent = Agent::with(both);
    let (session, invite) = agent.invite(Some("offer"));
    let update = |agent: &mut Agent| {
        let offer = Some(Body::sdp("x"));
        agent
            .dialogs
            .update(session, offer, &mut agent.layer, agent.now)
            .is_ok()
    };
    assert!(!update(&mut agent), "no dialog");
    agent.reply(
        &invite,
        180,
        "b1",
        &format!("{RELIABLE}{allow}RSeq: 1\r\n"),
        "",
    );
    assert!(!update(&mut agent), "no answer");
    agent.reply(
        &invite,
        183,
        "b1",
        &format!("{RELIABLE}{allow}RSeq: 2\r\n"),
        "answer",
    );
    assert!(update(&mut agent));
    assert_eq!(methods(&agent.run()), ["UPDATE"]);
    // And the UPDATE of a callee that has not answered is refused for now.
    let mut agent = Agent::with(both);
    let (_, invite) = agent.invite(Some("offer"));
    agent.reply(&invite, 180, "b1", &format!("{RELIABLE}RSeq: 1\r\n"), "");
    let tag = invite.request.headers().from_tag().unwrap();
    let mut update = crate::agent::request("UPDATE", 1, tag, "");
    let call_id = invite.field(HeaderName::CallId);
    update.headers_mut().replace(HeaderName::CallId, call_id);
    update
        .headers_mut()
        .replace(HeaderName::From, "<sip:bob@example.com>;tag=b1");
    update.set_body("application/sdp", "x");
    agent.take(update);
    assert_eq!(statuses(&agent.run()), [500]);
}

#[test]
fn rfc6337_2_2_an_ack_answers_only_what_was_offered() {
    for (offers, meaning) in [(false, Meaning::Answer), (true, Meaning::Repeated)] {
        let mut agent = Agent::new();
        if offers {
            agent.offer("INVITE", 5, "", "");
        } else {
            agent.request("INVITE", 5, "", "");
        }
        agent.run();
        let session = agent.incoming();
        let tag = agent.accept(session).headers().to_tag().unwrap().to_owned();
        let mut ack = crate::agent::request("ACK", 5, &tag, "");
        ack.set_body("application/sdp", "x");
        agent.input(sip_transaction::Event::Ack {
            invite: None,
            request: ack.into(),
            flow: crate::agent::flow(),
        });
        agent.run();
        assert!(matches!(
            agent.events.last(),
            Some(Event::Confirmed { meaning: found, .. }) if *found == meaning
        ));
        assert!(requests(&agent.run()).is_empty());
    }
}
