//! Statements of RFC 3262 that no other test shows, one by one (`conformance/rfc3262.toml`).

use std::time::Duration;

use sip_dialog::{Body, Event, RejectCause};
use sip_message::{HeaderName, Method, StatusCode};

use crate::agent::{Agent, methods, requests, response, statuses};
use crate::offers::{Notes, both, negotiate};
use crate::reliable::{agent, rack, ring, rseq, rung};

const RELIABLE: &str = "Contact: <sip:bob@192.0.2.7>\r\nRequire: 100rel\r\n";

/// The provisional responses to an INVITE that requires them to be acknowledged.
fn required(agent: &mut Agent) {
    agent.offer("INVITE", 5, "", "Require: 100rel\r\n");
    agent.run();
    let session = agent.incoming();
    for status in [StatusCode::RINGING, StatusCode::SESSION_PROGRESS] {
        ring(agent, session, status, None);
        let sent = response(&agent.run());
        assert_eq!(sent.status(), status);
        assert_eq!(sent.headers().get(HeaderName::Require), Some("100rel"));
        let tag = sent.headers().to_tag().unwrap().to_owned();
        let number = rseq(&sent);
        agent.request("PRACK", number % 1000 + 6, &tag, &rack(number));
        assert_eq!(statuses(&agent.run()), [200]);
    }
}

#[test]
fn rfc3262_3_what_must_be_reliable_is() {
    required(&mut agent());
}

#[test]
fn rfc3262_8_1_what_must_be_reliable_is() {
    required(&mut agent());
}

#[test]
fn rfc3262_3_who_cannot_says_420() {
    let mut agent = Agent::new();
    agent.offer("INVITE", 5, "", "Require: 100rel\r\n");
    let refusal = response(&agent.run());
    assert_eq!(refusal.status(), StatusCode::BAD_EXTENSION);
    assert_eq!(
        refusal.headers().get(HeaderName::Unsupported),
        Some("100rel")
    );
}

#[test]
fn rfc3262_3_a_100_is_not_reliable() {
    let mut agent = agent();
    agent.offer("INVITE", 5, "", "Require: 100rel\r\n");
    agent.run();
    let session = agent.incoming();
    ring(&mut agent, session, StatusCode::TRYING, None);
    let trying = response(&agent.run());
    assert_eq!(trying.status(), StatusCode::TRYING);
    assert!(!trying.headers().contains(HeaderName::RSeq));
    assert!(!trying.headers().contains(HeaderName::Require));
}

#[test]
fn rfc3262_3_a_long_ringing_is_kept_up_reliably_every_150_seconds() {
    let mut agent = agent();
    let (_, tag, mut number) = rung(&mut agent, None);
    for round in 6..9 {
        agent.request("PRACK", round, &tag, &rack(number));
        assert_eq!(statuses(&agent.run()), [200]);
        let (waited, calls) = agent.wait(Duration::from_secs(200));
        assert_eq!(waited, Duration::from_secs(150));
        let again = response(&calls);
        assert_eq!(again.status(), StatusCode::RINGING);
        assert_eq!(rseq(&again), number + 1);
        number += 1;
    }
}

#[test]
fn rfc3262_3_the_first_number_is_drawn_from_the_whole_range_and_never_wraps() {
    let mut agent = agent();
    let mut drawn = Vec::new();
    for call in 0..400 {
        let mut invite = crate::agent::request("INVITE", 5, "", "Supported: 100rel\r\n");
        invite.set_body("application/sdp", "offer");
        let headers = invite.headers_mut();
        headers.replace(HeaderName::CallId, format!("call{call}"));
        agent.take(invite);
        agent.run();
        let session = agent.incoming();
        ring(&mut agent, session, StatusCode::RINGING, None);
        drawn.push(rseq(&response(&agent.run())));
    }
    assert!(
        drawn
            .iter()
            .all(|number| (1..=0x7fff_ffff).contains(number))
    );
    // A quarter in each quarter, more or less; from the last there are 2^31 numbers to count on.
    for quarter in 0..4 {
        let (from, to) = (quarter << 29, ((quarter + 1) << 29) - 1);
        let here = drawn
            .iter()
            .filter(|number| (from..=to).contains(*number))
            .count();
        assert!((60..140).contains(&here), "{quarter}: {here}");
    }
}

#[test]
fn rfc3262_3_a_prack_that_matches_nothing_is_481() {
    let mut agent = agent();
    let (_, tag, number) = rung(&mut agent, None);
    for (round, fields) in [
        (6, rack(number + 1)),
        (7, format!("RAck: {number} 4 INVITE\r\n")),
        (8, format!("RAck: {number} 5 UPDATE\r\n")),
    ] {
        agent.request("PRACK", round, &tag, &fields);
        assert_eq!(statuses(&agent.run()), [481], "{fields}");
    }
    agent.request("PRACK", 9, &tag, &rack(number));
    assert_eq!(statuses(&agent.run()), [200]);
    // And once it is acknowledged.
    agent.request("PRACK", 10, &tag, &rack(number));
    assert_eq!(statuses(&agent.run()), [481]);
}

#[test]
fn rfc3262_3_after_the_answer_nothing_is_repeated_and_the_prack_is_good() {
    let mut agent = agent();
    let (session, tag, number) = rung(&mut agent, None);
    assert_eq!(agent.accept(session).status(), StatusCode::OK);
    agent.ack(5, &tag);
    agent.run();
    assert!(agent.wait(Duration::from_secs(100)).1.is_empty());
    agent.request("PRACK", 6, &tag, &rack(number));
    assert_eq!(statuses(&agent.run()), [200]);
}

#[test]
fn rfc3262_3_after_the_answer_there_is_no_new_provisional_response() {
    let mut agent = agent();
    let (session, ..) = rung(&mut agent, None);
    agent.accept(session);
    let ringing = StatusCode::RINGING;
    let again = agent
        .dialogs
        .ring(session, ringing, None, &mut agent.layer, agent.now);
    assert!(again.is_err());
    assert!(agent.run().is_empty());
}

#[test]
fn rfc3262_4_support_is_said_in_each_invite_and_nothing_is_required() {
    let mut agent = agent();
    let (session, invite) = agent.invite(Some("offer"));
    let calls = agent.reply(
        &invite,
        200,
        "b1",
        "Contact: <sip:bob@192.0.2.7>\r\n",
        "answer",
    );
    assert_eq!(methods(&calls), ["ACK"]);
    let offer = Some(Body::sdp("again"));
    agent
        .dialogs
        .reinvite(session, offer, &mut agent.layer, agent.now)
        .unwrap();
    let again = agent.sent();
    for sent in [&invite, &again] {
        assert_eq!(sent.field(HeaderName::Supported), "100rel");
        assert!(!sent.request.headers().contains(HeaderName::Require));
    }
    let ack = requests(&calls)[0].0;
    assert!(!ack.headers().contains(HeaderName::Require));
    agent.reply(
        &again,
        200,
        "",
        "Contact: <sip:bob@192.0.2.7>\r\n",
        "answer",
    );
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    let bye = agent.sent();
    assert_eq!(*bye.request.method(), Method::Bye);
    assert!(!bye.request.headers().contains(HeaderName::Require));
}

#[test]
fn rfc3262_4_a_100_is_not_acknowledged_whatever_it_requires() {
    let mut agent = agent();
    let (_, invite) = agent.invite(Some("offer"));
    let calls = agent.reply(&invite, 100, "b1", &format!("{RELIABLE}RSeq: 1\r\n"), "");
    assert!(calls.is_empty(), "{calls:?}");
}

#[test]
fn rfc3262_4_a_reliable_response_makes_a_dialog() {
    let mut agent = agent();
    let (_, invite) = agent.invite(Some("offer"));
    let fields = format!("Record-Route: <sip:p.example.com;lr>\r\n{RELIABLE}RSeq: 1\r\n");
    let calls = agent.reply(&invite, 183, "b7", &fields, "");
    let (prack, _) = requests(&calls)[0];
    assert_eq!(prack.headers().to_tag(), Some("b7"));
    assert_eq!(prack.uri_str(), "sip:bob@192.0.2.7");
    assert_eq!(
        prack.headers().get(HeaderName::Route),
        Some("<sip:p.example.com;lr>")
    );
}

#[test]
fn rfc3262_5_the_first_reliable_response_to_no_offer_makes_one() {
    // Without an offer it is not sent reliably, or not at all where it must be.
    for (field, reliably) in [("Supported", false), ("Require", true)] {
        let mut agent = agent();
        agent.request("INVITE", 5, "", &format!("{field}: 100rel\r\n"));
        agent.run();
        let session = agent.incoming();
        let ringing = StatusCode::RINGING;
        let rung = agent
            .dialogs
            .ring(session, ringing, None, &mut agent.layer, agent.now);
        assert_eq!(rung.is_err(), reliably);
        if !reliably {
            assert!(!response(&agent.run()).headers().contains(HeaderName::RSeq));
        }
        ring(&mut agent, session, ringing, Some("our offer"));
        let sent = response(&agent.run());
        assert!(sent.headers().contains(HeaderName::RSeq));
        assert_eq!(sent.body(), b"our offer");
    }
}

#[test]
fn rfc3262_5_an_offer_in_a_prack_is_answered_in_its_2xx() {
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
    let tag = sent.headers().to_tag().unwrap().to_owned();
    let mut prack = crate::agent::request("PRACK", 6, &tag, &rack(rseq(&sent)));
    prack.set_body("application/sdp", "second");
    agent.take(prack);
    let calls = negotiate(&mut agent, &mut notes);
    let ok = response(&calls);
    assert_eq!(
        (ok.status(), ok.body()),
        (StatusCode::OK, &b"answer to second"[..])
    );
}

#[test]
fn rfc3262_5_a_2xx_waits_for_the_prack_of_a_description() {
    let mut agent = agent();
    let (session, tag, number) = rung(&mut agent, Some("answer"));
    agent
        .dialogs
        .accept(session, None, &mut agent.layer, agent.now)
        .unwrap();
    assert!(agent.run().is_empty());
    agent.request("PRACK", 6, &tag, &rack(number));
    assert_eq!(statuses(&agent.run()), [200, 200]);
}

#[test]
fn rfc3262_5_each_exchange_that_is_possible() {
    // Who is called, offer and answer in: INVITE and 2xx, INVITE and 1xx, 1xx and PRACK, 2xx and ACK; and PRACK and its 2xx above.
    for (offered, reliable) in [(true, false), (true, true), (false, true), (false, false)] {
        let mut agent = Agent::with(both);
        let mut notes = Notes::default();
        let mut invite = crate::agent::request("INVITE", 5, "", "Supported: 100rel\r\n");
        if offered {
            invite.set_body("application/sdp", "theirs");
        }
        agent.take(invite);
        agent.run();
        let session = agent.incoming();
        let mut tag = String::new();
        if reliable {
            let progress = StatusCode::SESSION_PROGRESS;
            agent
                .dialogs
                .ring_with(session, progress, &mut notes, &mut agent.layer, agent.now)
                .unwrap();
            let sent = response(&agent.run());
            tag = sent.headers().to_tag().unwrap().to_owned();
            let mut prack = crate::agent::request("PRACK", 6, &tag, &rack(rseq(&sent)));
            if !offered {
                prack.set_body("application/sdp", "their answer");
            }
            agent.take(prack);
            assert_eq!(statuses(&negotiate(&mut agent, &mut notes)), [200]);
        }
        agent
            .dialogs
            .accept_with(session, &mut notes, &mut agent.layer, agent.now)
            .unwrap();
        let ok = response(&agent.run());
        if tag.is_empty() {
            tag = ok.headers().to_tag().unwrap().to_owned();
        }
        let mut ack = crate::agent::request("ACK", 5, &tag, "");
        if !offered && !reliable {
            ack.set_body("application/sdp", "their answer");
        }
        agent.input(sip_transaction::Event::Ack {
            invite: None,
            request: ack.into(),
            flow: crate::agent::flow(),
        });
        negotiate(&mut agent, &mut notes);
        let expected: &[&str] = if offered {
            &["answer to theirs"]
        } else {
            &["offer", "answered their answer"]
        };
        assert_eq!(notes.log, expected, "{offered} {reliable}");
    }
}

#[test]
fn rfc3262_9_a_prack_is_authenticated_as_any_other_request() {
    let mut agent = agent();
    let (_, invite) = agent.invite(Some("offer"));
    let calls = agent.reply(&invite, 180, "b1", &format!("{RELIABLE}RSeq: 1\r\n"), "");
    let sipmsg = requests(&calls)[0].0.clone();
    let Some(sip_testkit::Call::Request { id, .. }) = calls.first() else {
        panic!("{calls:?}")
    };
    let sent = crate::agent::Sent {
        id: *id,
        request: sipmsg,
    };
    let challenge =
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n";
    let calls = agent.reply(&sent, 401, "b1", challenge, "");
    let (again, _) = requests(&calls)[0];
    assert_eq!(*again.method(), Method::Prack);
    assert!(again.headers().contains(HeaderName::Authorization));
    assert_eq!(again.headers().get(HeaderName::RAck), Some("1 1 INVITE"));
    assert!(!agent.events.iter().any(|event| matches!(
        event,
        Event::Rejected {
            cause: RejectCause::Response(_),
            ..
        }
    )));
}
