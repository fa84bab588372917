//! Statements of RFC 3261 about what a user agent server answers, one by one (`conformance/rfc3261.toml`).

use std::collections::BTreeSet;
use std::time::Duration;

use sip_dialog::{Body, Event};
use sip_message::{HeaderName, Method, Request, StatusCode};
use sip_transaction::{Event as TransactionEvent, ServerTransactionId};

use crate::agent::{Agent, CONTACT, flow, methods, request, requests, response, statuses};

/// An INVITE with this body and these fields about it.
fn with_body(fields: &str) -> Request {
    let mut invite = request("INVITE", 5, "", fields);
    let kind = invite.headers().get(HeaderName::ContentType);
    let kind = kind.unwrap_or("application/sdp").to_owned();
    invite.headers_mut().remove_all(HeaderName::ContentType);
    invite.set_body(&kind, "a body");
    invite
}

fn allowed(agent: &mut Agent) -> Vec<String> {
    agent.request("OPTIONS", 3, "", "");
    let response = response(&agent.run());
    let values = response.headers().values(HeaderName::Allow);
    values.map(str::to_owned).collect()
}

#[test]
fn rfc3261_7_3_2_response_fields_of_a_request_are_ignored() {
    let mut agent = Agent::new();
    let fields = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\nRetry-After: 99\r\nUnsupported: 100rel\r\n\
                  Warning: 399 h \"no\"\r\nMin-Expires: 9\r\nServer: none\r\nError-Info: <sip:e@h>\r\n";
    agent.offer("INVITE", 5, "", fields);
    assert!(agent.run().is_empty());
    let session = agent.incoming();
    assert_eq!(agent.accept(session).status(), StatusCode::OK);
}

#[test]
fn rfc3261_8_2_what_is_accepted_takes_effect_and_what_is_rejected_does_not() {
    let moved = "Contact: <sip:bob@192.0.2.77>\r\n";
    for (accepts, target) in [(true, "sip:bob@192.0.2.77"), (false, "sip:bob@192.0.2.9")] {
        let mut agent = Agent::new();
        let (session, tag) = agent.answered("");
        let mut again = request("INVITE", 6, &tag, "");
        again
            .headers_mut()
            .replace(HeaderName::Contact, &moved[9..moved.len() - 2]);
        again.set_body("application/sdp", "another");
        agent.take(again);
        agent.run();
        if accepts {
            let answer = Some(Body::sdp("answer"));
            agent
                .dialogs
                .accept_reinvite(session, answer, &mut agent.layer, agent.now)
                .unwrap();
            agent.run();
            agent.ack(6, &tag);
        } else {
            let status = StatusCode::NOT_ACCEPTABLE_HERE;
            agent
                .dialogs
                .reject_reinvite(session, status, &mut agent.layer, agent.now)
                .unwrap();
        }
        agent.run();
        agent.dialogs.end(session, &mut agent.layer, agent.now);
        assert_eq!(agent.sent().request.uri_str(), target);
    }
    // A BYE that is refused ends nothing; the next one does.
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    agent.request("BYE", 6, &tag, "Require: magic\r\n");
    assert_eq!(statuses(&agent.run()), [420]);
    assert_eq!(agent.dialogs.session_count(), 1);
    agent.request("BYE", 7, &tag, "");
    assert_eq!(statuses(&agent.run()), [200]);
    assert_eq!(agent.dialogs.session_count(), 0);
}

#[test]
fn rfc3261_8_2_1_a_405_allows_what_the_agent_supports() {
    let mut agent = Agent::with(|config| config.methods = vec![Method::Info]);
    let (_, tag) = agent.answered("");
    agent.request("MESSAGE", 6, &tag, "");
    let refused = response(&agent.run());
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    let listed: Vec<_> = refused.headers().values(HeaderName::Allow).collect();
    assert_eq!(
        listed,
        ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO"]
    );
}

#[test]
fn rfc3261_8_2_2_1_a_to_of_any_scheme_is_taken() {
    for to in [
        "<tel:+15551234>",
        "<urn:service:sos>",
        "<http://example.com/alice>",
    ] {
        let mut agent = Agent::new();
        let mut invite = request("INVITE", 5, "", "");
        invite.headers_mut().replace(HeaderName::To, to);
        invite.set_body("application/sdp", "offer");
        agent.take(invite);
        agent.run();
        let session = agent.incoming();
        assert_eq!(agent.accept(session).status(), StatusCode::OK, "{to}");
    }
}

#[test]
fn rfc3261_8_2_2_3_what_a_cancel_or_an_ack_requires_is_ignored() {
    // The CANCEL ends the call, whatever it requires.
    let mut agent = Agent::new();
    let invite = agent.offer("INVITE", 5, "", "");
    agent.run();
    let cancel = ServerTransactionId::from_parts(900, 0);
    let fields = "Require: magic\r\nProxy-Require: magic\r\n";
    let mut request = request("CANCEL", 5, "", fields);
    request.headers_mut().remove_all(HeaderName::Contact);
    let back = agent.input(TransactionEvent::Cancel {
        id: cancel,
        invite: Some(invite),
        request: request.into(),
        flow: flow(),
    });
    assert!(back.is_none());
    assert_eq!(statuses(&agent.run()), [200, 487]);
    // The ACK of a 2xx confirms.
    let mut agent = Agent::new();
    agent.offer("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    let accepted = agent.accept(session);
    let tag = accepted.headers().to_tag().unwrap();
    let back = agent.input(TransactionEvent::Ack {
        invite: None,
        request: crate::agent::request("ACK", 5, tag, fields).into(),
        flow: flow(),
    });
    assert!(back.is_none());
    assert!(agent.run().is_empty());
    assert!(matches!(agent.events.pop(), Some(Event::Confirmed { .. })));
}

#[test]
fn rfc3261_8_2_3_a_body_that_is_not_understood_is_415_and_says_what_would_be() {
    for (fields, name, expected) in [
        (
            "Content-Encoding: gzip\r\n",
            HeaderName::AcceptEncoding,
            "identity",
        ),
        (
            "Content-Type: application/isup\r\n",
            HeaderName::Accept,
            "application/sdp",
        ),
        (
            "Content-Type: text/plain\r\nContent-Disposition: session;handling=required\r\n",
            HeaderName::Accept,
            "application/sdp",
        ),
        ("Content-Type: ;\r\n", HeaderName::Accept, "application/sdp"),
    ] {
        let mut agent = Agent::new();
        agent.take(with_body(fields));
        let refused = response(&agent.run());
        assert_eq!(
            refused.status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{fields}"
        );
        let listed: Vec<_> = refused.headers().values(name).collect();
        assert_eq!(listed, [expected]);
        assert!(agent.events.is_empty());
    }
    for fields in [
        "Content-Type: Application/SDP;charset=UTF-8\r\nContent-Encoding: identity\r\n",
        "Content-Type: multipart/mixed;boundary=x\r\n",
        "Content-Type: image/png\r\nContent-Disposition: icon;handling=optional\r\n",
        "Content-Type: image/png\r\nContent-Encoding: gzip\r\nContent-Disposition: icon;handling=optional\r\n",
    ] {
        let mut agent = Agent::new();
        agent.take(with_body(fields));
        assert!(agent.run().is_empty(), "{fields}");
        agent.incoming();
    }
    // So it is within a session, which stays as it was.
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    let mut again = request("INVITE", 6, &tag, "Content-Encoding: br\r\n");
    again.set_body("application/sdp", "offer");
    agent.take(again);
    assert_eq!(statuses(&agent.run()), [415]);
    assert_eq!(agent.dialogs.session_count(), 1);
}

#[test]
fn rfc3261_8_2_4_an_extension_is_applied_only_for_who_supports_it_and_then_required() {
    for (fields, required) in [("", &[][..]), ("Supported: 100rel\r\n", &["100rel"])] {
        let mut agent = Agent::with(|config| {
            config.supported = vec!["100rel".to_owned()];
            config.session_interval = Some(Duration::from_secs(1800));
        });
        agent.offer("INVITE", 5, "", fields);
        agent.run();
        let session = agent.incoming();
        agent
            .dialogs
            .ring(
                session,
                StatusCode::RINGING,
                None,
                &mut agent.layer,
                agent.now,
            )
            .unwrap();
        let ringing = response(&agent.run());
        // Without it, baseline SIP does; 421 is never an answer.
        assert_eq!(ringing.status(), StatusCode::RINGING);
        let requires: Vec<_> = ringing.headers().values(HeaderName::Require).collect();
        assert_eq!(requires, required);
        assert_eq!(
            ringing.headers().contains(HeaderName::RSeq),
            !required.is_empty()
        );
    }
    // Session timers: the caller is asked to refresh only where it knows how to.
    for (fields, required) in [("", &[][..]), ("Supported: timer\r\n", &["timer"])] {
        let mut agent = Agent::with(|config| {
            config.session_interval = Some(Duration::from_secs(1800));
        });
        agent.offer("INVITE", 5, "", fields);
        agent.run();
        let session = agent.incoming();
        let accepted = agent.accept(session);
        let requires: Vec<_> = accepted.headers().values(HeaderName::Require).collect();
        assert_eq!(requires, required);
    }
}

#[test]
fn rfc3261_8_2_6_1_what_is_no_invite_is_answered_at_once_and_finally() {
    let mut agent = Agent::with(|config| {
        config.supported = vec!["100rel".to_owned()];
        config.session_interval = Some(Duration::from_secs(1800));
        config.refer = true;
    });
    let (_, tag) = agent.answered("");
    for (number, (method, to_tag)) in [
        ("OPTIONS", ""),
        ("OPTIONS", &*tag),
        ("UPDATE", &*tag),
        ("MESSAGE", &*tag),
        ("PRACK", &*tag),
        ("NOTIFY", &*tag),
        ("BYE", &*tag),
    ]
    .into_iter()
    .enumerate()
    {
        agent.request(method, 6 + u32::try_from(number).unwrap(), to_tag, "");
        let answers = statuses(&agent.run());
        assert!(
            matches!(answers.as_slice(), [200..=699]),
            "{method}: {answers:?}"
        );
    }
}

#[test]
fn rfc3261_9_2_a_cancelled_invite_is_487_at_once_with_one_tag_in_both_answers() {
    let mut agent = Agent::new();
    let invite = agent.offer("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    agent
        .dialogs
        .ring(
            session,
            StatusCode::RINGING,
            None,
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let mut tags = BTreeSet::new();
    tags.insert(tag_of(&response(&agent.run())));
    let mut request = request("CANCEL", 5, "", "");
    request.headers_mut().remove_all(HeaderName::Contact);
    agent.input(TransactionEvent::Cancel {
        id: ServerTransactionId::from_parts(900, 0),
        invite: Some(invite),
        request: request.into(),
        flow: flow(),
    });
    let calls = agent.run();
    assert_eq!(statuses(&calls), [200, 487]);
    for call in calls {
        if let sip_testkit::Call::Respond { response, .. } = call {
            tags.insert(tag_of(&response));
        }
    }
    assert_eq!(tags.len(), 1, "{tags:?}");
}

fn tag_of(response: &sip_message::Response) -> String {
    response.headers().to_tag().unwrap().to_owned()
}

#[test]
fn rfc3261_11_options_are_answered_with_what_is_supported() {
    let mut agent = Agent::with(|config| config.supported = vec!["100rel".to_owned()]);
    assert_eq!(
        allowed(&mut agent),
        ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK"]
    );
}

#[test]
fn rfc3261_12_2_2_a_request_of_a_dialog_that_is_gone_is_not_taken_for_a_new_one() {
    let mut agent = Agent::new();
    // As after a restart: the tag is not known. The stack answers what comes back 481.
    let (_, back) = agent.request("INVITE", 9, "lost", "");
    assert!(matches!(back, Some(TransactionEvent::Request { .. })));
    assert!(agent.run().is_empty() && agent.events.is_empty());
    assert_eq!(agent.dialogs.session_count(), 0);
}

#[test]
fn rfc3261_13_2_1_after_the_answer_no_response_has_another_offer() {
    let mut agent = Agent::with(|config| config.supported = vec!["100rel".to_owned()]);
    agent.offer("INVITE", 5, "", "Supported: 100rel\r\n");
    agent.run();
    let session = agent.incoming();
    let progress = StatusCode::from_u16(183).unwrap();
    agent
        .dialogs
        .ring(
            session,
            progress,
            Some(Body::sdp("the answer")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let reliable = response(&agent.run());
    assert_eq!(reliable.body(), b"the answer");
    let tag = tag_of(&reliable);
    let rseq = reliable.headers().get(HeaderName::RSeq).unwrap();
    agent.request("PRACK", 6, &tag, &format!("RAck: {rseq} 5 INVITE\r\n"));
    assert_eq!(statuses(&agent.run()), [200]);
    agent
        .dialogs
        .accept(
            session,
            Some(Body::sdp("another offer")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let accepted = response(&agent.run());
    assert_eq!(accepted.status(), StatusCode::OK);
    assert!(accepted.body().is_empty(), "{accepted:?}");
}

#[test]
fn rfc3261_13_3_1_the_offer_is_in_the_first_reliable_message() {
    // Without 100rel that is the 2xx.
    let mut agent = Agent::new();
    agent.request("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    agent
        .dialogs
        .accept(
            session,
            Some(Body::sdp("an offer")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let accepted = response(&agent.run());
    assert_eq!(accepted.body(), b"an offer");
    // With it, the provisional response.
    let mut agent = Agent::with(|config| config.supported = vec!["100rel".to_owned()]);
    agent.request("INVITE", 5, "", "Supported: 100rel\r\n");
    agent.run();
    let session = agent.incoming();
    let progress = StatusCode::from_u16(183).unwrap();
    let offer = Some(Body::sdp("an offer"));
    agent
        .dialogs
        .ring(session, progress, offer, &mut agent.layer, agent.now)
        .unwrap();
    let reliable = response(&agent.run());
    assert!(reliable.headers().contains(HeaderName::RSeq));
    assert_eq!(reliable.body(), b"an offer");
}

#[test]
fn rfc3261_14_2_what_has_changed_is_told_and_answered() {
    let mut agent = Agent::new();
    let (session, tag) = agent.answered("");
    let mut again = request("INVITE", 6, &tag, "");
    again.set_body("application/sdp", "a changed offer");
    agent.take(again);
    agent.run();
    let Some(Event::ReInvite {
        session: changed,
        body: Some(body),
        ..
    }) = agent.events.pop()
    else {
        panic!("a change")
    };
    assert_eq!(changed, session);
    assert_eq!(body.content, "a changed offer");
}

#[test]
fn rfc3261_15_1_2_a_bye_without_its_dialog_changes_nothing_here() {
    let mut agent = Agent::new();
    let (_, back) = agent.request("BYE", 6, "lost", CONTACT);
    assert!(back.is_some(), "it is handed back, and answered 481");
    assert!(agent.run().is_empty());
}

#[test]
fn rfc3261_20_11_a_body_without_handling_is_required() {
    for (fields, status) in [
        (
            "Content-Type: image/png\r\nContent-Disposition: icon\r\n",
            Some(415),
        ),
        (
            "Content-Type: image/png\r\nContent-Disposition: icon;handling=optional\r\n",
            None,
        ),
    ] {
        let mut agent = Agent::new();
        agent.take(with_body(fields));
        assert_eq!(statuses(&agent.run()).first().copied(), status);
    }
}

#[test]
fn rfc3261_20_5_allow_lists_each_method_that_is_answered() {
    let mut agent = Agent::with(|config| {
        config.supported = vec!["100rel".to_owned()];
        config.session_interval = Some(Duration::from_secs(1800));
        config.methods = vec![Method::Info, Method::Message];
        config.refer = true;
    });
    let allowed = allowed(&mut agent);
    for method in [
        "ACK", "CANCEL", "UPDATE", "PRACK", "INFO", "MESSAGE", "REFER",
    ] {
        assert!(allowed.iter().any(|known| known == method), "{allowed:?}");
    }
    // What is listed is not answered 405, and what is answered so is not listed.
    let (_, tag) = agent.answered("");
    for (number, method) in ["OPTIONS", "UPDATE", "PRACK", "INFO", "PUBLISH", "FOO"]
        .into_iter()
        .enumerate()
    {
        agent.request(method, 6 + u32::try_from(number).unwrap(), &tag, "");
        let refused = statuses(&agent.run()).contains(&405);
        assert_ne!(
            refused,
            allowed.iter().any(|known| known == method),
            "{method}"
        );
    }
}

#[test]
fn rfc3261_20_5_without_an_allow_nothing_is_concluded() {
    // The peer has said nothing: it is called, asked and ended as any other.
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    for method in [Method::Info, Method::Message, Method::Options] {
        agent
            .dialogs
            .request_within(
                session,
                method.clone(),
                &[],
                None,
                &mut agent.layer,
                agent.now,
            )
            .unwrap();
        assert_eq!(methods(&agent.run()), [method.as_str()]);
    }
}

#[test]
fn rfc3261_20_32_require_is_obeyed_in_every_method() {
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    for (number, (method, to_tag)) in [
        ("INVITE", ""),
        ("OPTIONS", ""),
        ("INVITE", &*tag),
        ("BYE", &*tag),
    ]
    .into_iter()
    .enumerate()
    {
        let fields = "Require: magic, wand\r\n";
        agent.request(method, 6 + u32::try_from(number).unwrap(), to_tag, fields);
        let refused = response(&agent.run());
        assert_eq!(refused.status(), StatusCode::BAD_EXTENSION, "{method}");
        let unsupported: Vec<_> = refused.headers().values(HeaderName::Unsupported).collect();
        assert_eq!(unsupported, ["magic", "wand"]);
    }
}

#[test]
fn rfc3261_21_4_15_a_420_lists_what_is_not_supported() {
    let mut agent = Agent::with(|config| config.supported = vec!["100rel".to_owned()]);
    agent.request("INVITE", 5, "", "Require: magic, 100rel\r\n");
    let refused = response(&agent.run());
    assert_eq!(refused.status(), StatusCode::BAD_EXTENSION);
    let unsupported: Vec<_> = refused.headers().values(HeaderName::Unsupported).collect();
    assert_eq!(unsupported, ["magic"]);
}

#[test]
fn rfc3261_21_4_6_a_405_has_its_allow() {
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    agent.request("FOO", 6, &tag, "");
    let refused = response(&agent.run());
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(refused.headers().contains(HeaderName::Allow));
}

#[test]
fn rfc3261_21_4_13_a_415_lists_what_would_be_taken() {
    let mut agent = Agent::with(|config| config.bodies.push("application/isup".to_owned()));
    agent.take(with_body("Content-Type: text/html\r\n"));
    let refused = response(&agent.run());
    assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let accepts: Vec<_> = refused.headers().values(HeaderName::Accept).collect();
    assert_eq!(accepts, ["application/sdp", "application/isup"]);
}

#[test]
fn rfc3261_21_4_16_a_desired_extension_that_is_missing_refuses_nobody() {
    let mut agent = Agent::with(|config| {
        config.supported = vec!["100rel".to_owned()];
        config.session_interval = Some(Duration::from_secs(1800));
    });
    agent.offer("INVITE", 5, "", "");
    assert!(agent.run().is_empty(), "no 421");
    let session = agent.incoming();
    assert_eq!(agent.accept(session).status(), StatusCode::OK);
}

#[test]
fn rfc3261_22_1_neither_ack_nor_cancel_is_challenged() {
    let mut agent = Agent::new();
    agent.offer("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    let accepted = agent.accept(session);
    agent.ack(5, &tag_of(&accepted));
    let calls = agent.run();
    assert!(statuses(&calls).is_empty() && requests(&calls).is_empty());
}

#[test]
fn rfc3261_23_2_a_body_of_an_unknown_kind_that_is_required_is_415() {
    let mut agent = Agent::new();
    agent.take(with_body(
        "Content-Type: application/pkcs7-mime;smime-type=enveloped-data\r\nContent-Disposition: attachment;handling=required\r\n",
    ));
    assert_eq!(statuses(&agent.run()), [415]);
}

#[test]
fn rfc3261_20_what_does_not_belong_into_a_request_is_ignored() {
    rfc3261_7_3_2_response_fields_of_a_request_are_ignored();
}

/// What is answered to an INVITE that says nothing about what its sender reads.
fn by_default() -> sip_message::Response {
    let mut agent = Agent::new();
    agent.offer("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    let accepted = agent.accept(session);
    assert_eq!(accepted.status(), StatusCode::OK);
    accepted
}

#[test]
fn rfc3261_20_1_who_says_nothing_reads_session_descriptions() {
    let accepted = by_default();
    assert_eq!(
        accepted.headers().get(HeaderName::ContentType),
        Some("application/sdp")
    );
}

#[test]
fn rfc3261_20_2_who_says_nothing_reads_what_is_not_encoded() {
    assert!(!by_default().headers().contains(HeaderName::ContentEncoding));
}

#[test]
fn rfc3261_20_3_who_says_nothing_reads_any_language() {
    assert_eq!(by_default().body(), b"answer");
}

#[test]
fn rfc3264_4_no_offer_is_made_while_one_of_theirs_is_not_answered() {
    let mut agent = Agent::new();
    let (session, tag) = agent.answered("Allow: INVITE, UPDATE\r\n");
    let mut again = request("INVITE", 6, &tag, "");
    again.set_body("application/sdp", "their offer");
    agent.take(again);
    agent.run();
    let ours = || Some(Body::sdp("our offer"));
    // Whether it is refused or waits: nothing leaves.
    let _ = agent
        .dialogs
        .update(session, ours(), &mut agent.layer, agent.now);
    let _ = agent
        .dialogs
        .reinvite(session, ours(), &mut agent.layer, agent.now);
    assert!(requests(&agent.run()).is_empty());
}
