//! The race conditions of RFC 5407 that this layer decides, each named after its section.

use sip_dialog::{Body, EndCause, Event};
use sip_message::{HeaderName, Method};
use sip_testkit::Call;

use crate::agent::{Agent, CONTACT, Sent, methods, request, requests, response, statuses};

/// A call that was answered, whose ACK has not come.
fn moratorium(agent: &mut Agent, offered: bool) -> (sip_dialog::SessionId, String) {
    if offered {
        agent.offer("INVITE", 5, "", "");
    } else {
        agent.request("INVITE", 5, "", "");
    }
    agent.run();
    let session = agent.incoming();
    let response = agent.accept(session);
    (session, response.headers().to_tag().unwrap().to_owned())
}

#[test]
fn rfc5407_3_1_3_bye_of_the_early_dialog_while_the_2xx_waits_for_its_ack() {
    let mut agent = Agent::new();
    let (_, tag) = moratorium(&mut agent, true);
    agent.request("BYE", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [200]);
    assert!(matches!(
        agent.events.last(),
        Some(Event::Ended {
            cause: EndCause::Remote,
            ..
        })
    ));
    // The ACK that still comes is nobody's, and the 2xx is not repeated.
    let ack = request("ACK", 5, &tag, "");
    let flow = crate::agent::flow();
    agent.input(sip_transaction::Event::Ack {
        invite: None,
        request: ack.into(),
        flow,
    });
    assert!(agent.wait(std::time::Duration::from_secs(60)).1.is_empty());
}

#[test]
fn rfc5407_3_1_4_a_reinvite_before_the_ack_is_accepted() {
    let mut agent = Agent::new();
    let (session, tag) = moratorium(&mut agent, true);
    agent.offer("INVITE", 6, &tag, "");
    assert!(agent.run().is_empty());
    assert!(matches!(
        agent.events.as_slice(),
        [.., Event::Confirmed { .. }, Event::ReInvite { .. }]
    ));
    let answer = Some(Body::sdp("again"));
    agent
        .dialogs
        .accept_reinvite(session, answer, &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(statuses(&agent.run()), [200]);
    // The late ACK of the first does not confirm the second.
    agent.ack(5, &tag);
    agent.run();
    let (_, calls) = agent.wait(std::time::Duration::from_secs(1));
    assert_eq!(response(&calls).headers().cseq(), Some((6, Method::Invite)));
    agent.ack(6, &tag);
    assert!(agent.wait(std::time::Duration::from_secs(60)).1.is_empty());
}

#[test]
fn rfc5407_3_1_5_a_reinvite_before_the_ack_with_the_answer_is_491() {
    let mut agent = Agent::new();
    let (_, tag) = moratorium(&mut agent, false);
    agent.offer("INVITE", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [491]);
    agent.ack(5, &tag);
    agent.run();
    assert!(matches!(agent.events.last(), Some(Event::Confirmed { .. })));
}

#[test]
fn rfc5407_3_2_1_bye_that_crosses_bye() {
    let mut agent = Agent::new();
    let (session, tag) = agent.answered("");
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    let bye = agent.sent();
    agent.request("BYE", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [200]);
    assert_eq!(agent.dialogs.session_count(), 0);
    let ends = agent.events.len();
    agent.reply(&bye, 200, "", "", "");
    assert_eq!(agent.events.len(), ends, "ended once");
    assert_eq!(agent.dialogs.request_count(), 0);
}

#[test]
fn rfc5407_3_2_2_and_3_3_3_a_request_that_crosses_our_bye_is_481() {
    let mut agent = Agent::with(|config| config.methods = vec![Method::Refer]);
    let (session, tag) = agent.answered("");
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    agent.sent();
    agent.offer("INVITE", 6, &tag, "");
    agent.request("REFER", 7, &tag, "Refer-To: <sip:c@example.com>\r\n");
    assert_eq!(statuses(&agent.run()), [481, 481]);
}

#[test]
fn rfc5407_3_2_3_a_2xx_to_our_reinvite_is_acknowledged_after_our_bye() {
    for bye_first in [true, false] {
        let mut agent = Agent::new();
        let (session, _, _) = agent.calling(CONTACT);
        agent
            .dialogs
            .reinvite(session, Some(Body::sdp("x")), &mut agent.layer, agent.now)
            .unwrap();
        let invite = agent.sent();
        agent.dialogs.end(session, &mut agent.layer, agent.now);
        let bye = agent.sent();
        if bye_first {
            agent.reply(&bye, 200, "", "", "");
            assert_eq!(agent.dialogs.session_count(), 1);
        }
        let calls = agent.reply(&invite, 200, "", CONTACT, "answer");
        assert_eq!(methods(&calls), ["ACK"]);
        if !bye_first {
            agent.reply(&bye, 200, "", "", "");
        }
        assert_eq!(agent.dialogs.session_count(), 0);
        assert!(matches!(
            agent.events.last(),
            Some(Event::Ended {
                cause: EndCause::Local,
                ..
            })
        ));
    }
}

#[test]
fn rfc5407_3_3_2_update_that_crosses_a_reinvite() {
    // Our re-INVITE with an offer is out: the UPDATE with an offer is 491. Their re-INVITE meets our UPDATE: both may not offer.
    let mut agent = Agent::with(|config| config.methods = vec![Method::Update]);
    let (session, tag) = agent.answered("Allow: UPDATE\r\n");
    agent
        .dialogs
        .reinvite(session, Some(Body::sdp("x")), &mut agent.layer, agent.now)
        .unwrap();
    agent.sent();
    agent.offer("UPDATE", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [491]);

    let mut agent = Agent::with(|config| config.methods = vec![Method::Update]);
    let (session, tag) = agent.answered("Allow: UPDATE\r\n");
    agent
        .dialogs
        .update(session, Some(Body::sdp("x")), &mut agent.layer, agent.now)
        .unwrap();
    agent.sent();
    agent.offer("INVITE", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [491]);
}

#[test]
fn rfc5407_appendix_e_each_branch_of_a_fork_is_a_dialog() {
    let mut agent = Agent::new();
    let (session, invite) = agent.invite(Some("offer"));
    for (tag, host) in [("b1", "192.0.2.7"), ("b2", "192.0.2.8")] {
        let contact = format!("Contact: <sip:bob@{host}>\r\n");
        assert!(agent.reply(&invite, 180, tag, &contact, "").is_empty());
    }
    // The second one answers.
    let contact = "Contact: <sip:bob@192.0.2.8>\r\n";
    let calls = agent.reply(&invite, 200, "b2", contact, "answer");
    assert_eq!(requests(&calls)[0].0.uri_str(), "sip:bob@192.0.2.8");
    // The first one is late.
    let calls = agent.reply(&invite, 200, "b1", CONTACT, "answer");
    assert_eq!(methods(&calls), ["ACK", "BYE"]);
    let Some(Call::Request { id, request, .. }) = calls.into_iter().next_back() else {
        panic!("no BYE")
    };
    assert!(
        request
            .headers()
            .get(HeaderName::To)
            .unwrap()
            .ends_with("tag=b1")
    );
    agent.reply(&Sent { id, request }, 200, "", "", "");
    // The session is the one that was accepted.
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    assert!(agent.sent().field(HeaderName::To).ends_with("tag=b2"));
}

#[test]
fn rfc5407_3_1_2_a_cancel_that_crosses_the_2xx_has_no_effect() {
    let mut agent = Agent::new();
    let invite = agent.offer("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    let tag = agent.accept(session).headers().to_tag().unwrap().to_owned();
    let cancel = sip_transaction::ServerTransactionId::from_parts(900, 0);
    agent.input(sip_transaction::Event::Cancel {
        id: cancel,
        invite: Some(invite),
        request: request("CANCEL", 5, "", "").into(),
        flow: crate::agent::flow(),
    });
    // The CANCEL is answered, with the same tag; the INVITE has its answer.
    let calls = agent.run();
    assert_eq!(statuses(&calls), [200]);
    assert_eq!(response(&calls).headers().to_tag(), Some(tag.as_str()));
    agent.ack(5, &tag);
    agent.run();
    assert!(matches!(agent.events.last(), Some(Event::Confirmed { .. })));
    agent.request("BYE", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [200]);
    assert_eq!(agent.dialogs.session_count(), 0);
}

#[test]
fn rfc5407_3_1_6_a_bye_before_the_ack_ends_the_session() {
    // The ACK is lost, and the caller hangs up at once.
    let mut agent = Agent::new();
    let (_, tag) = moratorium(&mut agent, false);
    agent.request("BYE", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [200]);
    assert_eq!(agent.dialogs.session_count(), 0);
    assert_eq!(
        agent.dialogs.poll_timeout(),
        None,
        "the 2xx is not repeated"
    );
}

#[test]
fn rfc5407_3_2_4_an_ack_after_the_bye_is_ignored() {
    let mut agent = Agent::new();
    let (_, tag) = moratorium(&mut agent, true);
    agent.request("BYE", 6, &tag, "");
    agent.run();
    let told = agent.events.len();
    let back = agent.input(sip_transaction::Event::Ack {
        invite: None,
        request: request("ACK", 5, &tag, "").into(),
        flow: crate::agent::flow(),
    });
    // It is nobody's, and is not answered.
    assert!(back.is_some());
    assert!(agent.run().is_empty());
    assert_eq!(agent.events.len(), told);
}

#[test]
fn rfc5407_3_3_1_reinvites_that_cross_are_both_491_and_tried_again() {
    let mut agent = Agent::new();
    let (session, tag) = agent.answered("");
    agent
        .dialogs
        .reinvite(session, Some(Body::sdp("x")), &mut agent.layer, agent.now)
        .unwrap();
    let ours = agent.sent();
    agent.offer("INVITE", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [491]);
    assert!(agent.reply(&ours, 491, "", "", "").is_empty());
    // The callee waits up to two seconds; theirs may come before.
    let (waited, calls) = agent.wait(std::time::Duration::from_secs(5));
    assert!(waited <= std::time::Duration::from_secs(2), "{waited:?}");
    assert_eq!(methods(&calls), ["INVITE"]);
}

#[test]
fn rfc5407_3_1_1_an_invite_that_is_repeated_gets_the_2xx_again() {
    // The transaction layer keeps the repeated INVITE to itself; this layer repeats the 2xx by its own timer until the ACK.
    let mut agent = Agent::new();
    let (_, tag) = moratorium(&mut agent, true);
    for expected in [500, 1000, 2000, 4000, 4000] {
        let (waited, calls) = agent.wait(std::time::Duration::from_secs(10));
        assert_eq!(waited, std::time::Duration::from_millis(expected));
        assert_eq!(statuses(&calls), [200]);
    }
    agent.ack(5, &tag);
    agent.run();
    assert!(agent.wait(std::time::Duration::from_secs(60)).1.is_empty());
}
