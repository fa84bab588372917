//! INFO packages, early media, preconditions and a new address: what an application hooks into a session.

use sip_dialog::{Body, EarlyMediaDirection, Event, SessionId};
use sip_message::{HeaderName, Method, StatusCode, Uri};

use crate::agent::{Agent, CONTACT, methods, response, statuses};

#[test]
fn rfc6086_5_2_2_packages_are_told_and_kept_to() {
    let mut agent = Agent::with(|config| config.info_packages = vec!["dtmf".to_owned()]);
    let (session, invite) = agent.invite(Some("offer"));
    assert_eq!(invite.field(HeaderName::RecvInfo), "dtmf");
    assert!(invite.field(HeaderName::Allow).contains("INFO"));
    agent.reply(
        &invite,
        200,
        "b1",
        &format!("{CONTACT}Recv-Info: foo;x=y, bar\r\n"),
        "",
    );
    assert_eq!(
        agent.dialogs.peer_info_packages(session),
        Some(vec!["foo", "bar"])
    );
    let body = || {
        Some(Body {
            content_type: "text/plain".to_owned(),
            content: "1".into(),
        })
    };
    assert!(
        agent
            .dialogs
            .info(session, "dtmf", body(), &mut agent.layer, agent.now)
            .is_err(),
        "not taken by the peer"
    );
    agent
        .dialogs
        .info(session, "bar", body(), &mut agent.layer, agent.now)
        .unwrap();
    let info = agent.sent();
    assert_eq!(info.request.method(), &Method::Info);
    assert_eq!(info.field(HeaderName::InfoPackage), "bar");
    assert_eq!(info.field(HeaderName::ContentDisposition), "Info-Package");
    // Section 4.2.1: a 469 ends nothing.
    assert!(
        agent
            .reply(&info, 469, "", "Recv-Info: foo\r\n", "")
            .is_empty()
    );
    assert_eq!(agent.dialogs.session_count(), 1);
}

#[test]
fn rfc6086_4_2_2_a_package_that_is_not_taken_is_469() {
    let mut agent = Agent::with(|config| config.info_packages = vec!["dtmf".to_owned()]);
    let (session, tag) = agent.answered("Recv-Info: \r\n");
    assert_eq!(agent.dialogs.peer_info_packages(session), Some(vec![]));
    agent.request("INFO", 6, &tag, "Info-Package: foo\r\n");
    let calls = agent.run();
    assert_eq!(statuses(&calls), [469]);
    assert_eq!(
        response(&calls).headers().get(HeaderName::RecvInfo),
        Some("dtmf")
    );
    agent.request("INFO", 7, &tag, "Info-Package: DTMF;x=1\r\n");
    assert!(agent.run().is_empty());
    assert!(matches!(
        agent.events.last(),
        Some(Event::Within { request, .. }) if *request.method() == Method::Info
    ));
    // One of the time before packages is not asked for.
    agent.request("INFO", 8, &tag, "");
    assert_eq!(statuses(&agent.run()), [405]);
}

#[test]
fn rfc5009_8_early_media_is_authorized_for_each_branch_and_line() {
    let mut agent = Agent::with(|config| config.early_media = true);
    let (session, invite) = agent.invite(Some("offer"));
    assert_eq!(invite.field(HeaderName::PEarlyMedia), "supported");
    assert!(agent.dialogs.early_media(session).is_none());
    agent.reply(&invite, 183, "b1", CONTACT, "");
    let media = agent.dialogs.early_media(session).unwrap();
    assert_eq!(media.direction(0), None, "left to local policy");
    let fields = format!("{CONTACT}P-Early-Media: sendonly, inactive, gated\r\n");
    agent.reply(&invite, 183, "b1", &fields, "");
    let media = agent.dialogs.early_media(session).unwrap();
    assert_eq!(media.direction(0), Some(EarlyMediaDirection::Backward));
    assert_eq!(media.direction(1), Some(EarlyMediaDirection::None));
    assert_eq!(media.direction(7), Some(EarlyMediaDirection::None));
    assert!(media.is_gated() && !media.is_ringing());
    // Without the field, or with none that is known, it stays as it was.
    agent.reply(
        &invite,
        180,
        "b1",
        &format!("{CONTACT}P-Early-Media: magic\r\n"),
        "",
    );
    let media = agent.dialogs.early_media(session).unwrap();
    assert_eq!(media.direction(0), Some(EarlyMediaDirection::Backward));
    assert!(media.is_ringing());
    // Another branch has its own; the session shows the last that was heard of.
    agent.reply(&invite, 183, "b2", CONTACT, "");
    assert_eq!(
        agent.dialogs.early_media(session).unwrap().direction(0),
        None
    );
    agent.reply(&invite, 200, "b1", CONTACT, "answer");
    assert!(
        agent.dialogs.early_media(session).is_none(),
        "all is authorized now"
    );
}

#[test]
fn rfc3960_3_2_a_caller_rings_unless_something_may_be_heard() {
    for (status, fields, arrives, rings) in [
        (183, "", false, false),
        (183, "", true, false),
        (180, "", false, true),
        (180, "", true, false),
        (180, "P-Early-Media: sendrecv\r\n", true, false),
        (180, "P-Early-Media: inactive\r\n", true, true),
        (180, "P-Early-Media: recvonly\r\n", true, true),
    ] {
        let mut agent = Agent::new();
        let (session, invite) = agent.invite(Some("offer"));
        agent.reply(&invite, status, "b1", &format!("{CONTACT}{fields}"), "");
        let media = agent.dialogs.early_media(session).unwrap();
        assert_eq!(
            media.rings_locally(arrives),
            rings,
            "{status} {fields} {arrives}"
        );
    }
}

fn waiting(agent: &mut Agent) -> SessionId {
    agent.offer("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    agent.dialogs.await_preconditions(session).unwrap();
    session
}

#[test]
fn rfc3312_6_nobody_is_alerted_before_the_preconditions_are_met() {
    let mut agent = Agent::new();
    let session = waiting(&mut agent);
    let sdp = Some(Body::sdp("wanted"));
    let ring = |agent: &mut Agent, status, body| {
        agent
            .dialogs
            .ring(session, status, body, &mut agent.layer, agent.now)
            .unwrap();
        statuses(&agent.run())
    };
    assert_eq!(ring(&mut agent, StatusCode::SESSION_PROGRESS, sdp), [183]);
    assert!(ring(&mut agent, StatusCode::RINGING, None).is_empty());
    agent
        .dialogs
        .accept(
            session,
            Some(Body::sdp("answer")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    assert!(agent.run().is_empty());
    agent
        .dialogs
        .preconditions_met(session, &mut agent.layer, agent.now)
        .unwrap();
    let calls = agent.run();
    assert_eq!(statuses(&calls), [180, 200]);
    assert_eq!(response(&calls).body(), b"answer");
    assert!(
        agent
            .dialogs
            .preconditions_met(session, &mut agent.layer, agent.now)
            .is_err()
    );
}

#[test]
fn rfc3312_8_preconditions_that_cannot_be_met_are_580() {
    let mut agent = Agent::new();
    let session = waiting(&mut agent);
    agent
        .dialogs
        .preconditions_failed(session, &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(statuses(&agent.run()), [580]);
    assert_eq!(agent.dialogs.session_count(), 0);
}

#[test]
fn rfc6141_4_4_a_new_address_is_told_by_update_or_reinvite() {
    for (allow, method) in [("Allow: UPDATE\r\n", "UPDATE"), ("", "INVITE")] {
        let mut agent = Agent::new();
        let (session, ..) = agent.calling(&format!("{CONTACT}{allow}"));
        let there = Uri::parse("sip:alice@198.51.100.1").unwrap();
        let offer = Some(Body::sdp("offer"));
        agent
            .dialogs
            .relocate(session, there, offer, &mut agent.layer, agent.now)
            .unwrap();
        let sent = agent.sent();
        assert_eq!(sent.request.method().as_str(), method);
        assert_eq!(sent.field(HeaderName::Contact), "<sip:alice@198.51.100.1>");
        // A change of the target alone is easily accepted.
        assert_eq!(sent.request.body().is_empty(), method == "UPDATE");
        let other = Uri::parse("sip:alice@198.51.100.2").unwrap();
        assert!(
            agent
                .dialogs
                .relocate(session, other, None, &mut agent.layer, agent.now)
                .is_err(),
            "one at a time"
        );
        agent.reply(&sent, 200, "", CONTACT, "answer");
        agent.run();
        // Later requests have it too.
        agent
            .dialogs
            .reinvite(session, Some(Body::sdp("x")), &mut agent.layer, agent.now)
            .unwrap();
        assert_eq!(
            agent.sent().field(HeaderName::Contact),
            "<sip:alice@198.51.100.1>"
        );
    }
}

#[test]
fn rfc6141_4_6_the_target_moves_when_the_request_is_accepted() {
    for (accept, target) in [(true, "sip:bob@198.51.100.9"), (false, "sip:bob@192.0.2.9")] {
        let mut agent = Agent::new();
        let (session, tag) = agent.answered("");
        let mut reinvite = crate::agent::request("INVITE", 6, &tag, "");
        reinvite
            .headers_mut()
            .replace(HeaderName::Contact, "<sip:bob@198.51.100.9>");
        agent.take(reinvite);
        agent.run();
        if accept {
            let answer = Some(Body::sdp("x"));
            agent
                .dialogs
                .accept_reinvite(session, answer, &mut agent.layer, agent.now)
                .unwrap();
        } else {
            let status = StatusCode::NOT_ACCEPTABLE_HERE;
            agent
                .dialogs
                .reject_reinvite(session, status, &mut agent.layer, agent.now)
                .unwrap();
        }
        agent.run();
        agent.ack(6, &tag);
        agent.run();
        agent.dialogs.end(session, &mut agent.layer, agent.now);
        let calls = agent.run();
        assert_eq!(methods(&calls), ["BYE"]);
        assert_eq!(crate::agent::requests(&calls)[0].0.uri_str(), target);
    }
}
