//! Statements of RFC 3261 about dialogs and sessions that no other test shows, one by one (`conformance/rfc3261.toml`).

use std::time::Duration;

use sip_dialog::{AccountKey, Body, EndCause, Event, OutgoingRequest, RejectCause};
use sip_message::header::NameAddr;
use sip_message::{HeaderName, Method, Request, StatusCode, Uri};
use sip_testkit::Call;

use crate::agent::{Agent, CONTACT, methods, request, requests, response, statuses};

/// An agent that can do more than it must.
fn able() -> Agent {
    Agent::with(|config| {
        config.supported = ["100rel", "replaces"].map(str::to_owned).to_vec();
        config.session_interval = Some(Duration::from_secs(1800));
        config.refer = true;
        config.info_packages = vec!["dtmf".to_owned()];
    })
}

fn routes(request: &Request) -> Vec<&str> {
    request.headers().values(HeaderName::Route).collect()
}

#[test]
fn rfc3261_8_1_1_a_first_request_has_what_it_must() {
    let mut agent = Agent::new();
    let (_, sent) = agent.invite(Some("offer"));
    assert_eq!(sent.request.uri_str(), "sip:bob@example.com");
    assert_eq!(sent.field(HeaderName::To), "<sip:bob@example.com>");
    let from = sent.field(HeaderName::From);
    assert!(from.starts_with("<sip:alice@example.com>;tag="), "{from}");
    assert_eq!(sent.cseq(), "1 INVITE");
    assert_eq!(sent.field(HeaderName::MaxForwards), "70");
    assert_eq!(sent.field(HeaderName::Contact), "<sip:alice@192.0.2.1>");
    assert_eq!(sent.request.headers().count(HeaderName::Contact), 1);
    assert!(!sent.field(HeaderName::CallId).is_empty());
}

#[test]
fn rfc3261_8_1_1_1_the_request_uri_is_that_of_to() {
    let mut agent = Agent::new();
    let (_, sent) = agent.invite(None);
    let to = sent.field(HeaderName::To);
    assert_eq!(
        NameAddr::parse(&to).unwrap().uri().as_str(),
        sent.request.uri_str()
    );
}

#[test]
fn rfc3261_8_1_1_2_no_to_tag_outside_a_dialog() {
    let mut agent = Agent::new();
    let (_, sent) = agent.invite(None);
    assert_eq!(sent.request.headers().to_tag(), None);
}

#[test]
fn rfc3261_8_1_1_3_each_request_has_a_from_tag_of_its_own() {
    let mut agent = Agent::new();
    let (_, one) = agent.invite(None);
    let (_, two) = agent.invite(None);
    let tag = |sent: &crate::agent::Sent| sent.request.headers().from_tag().map(str::to_owned);
    assert!(tag(&one).is_some());
    assert_ne!(tag(&one), tag(&two));
}

#[test]
fn rfc3261_8_1_1_4_a_call_id_is_new_for_each_call_and_one_within_it() {
    let mut agent = Agent::new();
    let (session, invite, calls) = agent.calling(CONTACT);
    let id = invite.field(HeaderName::CallId);
    // At least 64 random bits, in whatever characters.
    assert!(id.len() >= 11, "{id}");
    let (ack, _) = requests(&calls)[0];
    assert_eq!(ack.headers().call_id(), Some(id.as_str()));
    assert_eq!(agent.asks(session).field(HeaderName::CallId), id);
    let (_, other) = agent.invite(None);
    assert_ne!(other.field(HeaderName::CallId), id);
}

#[test]
fn rfc3261_8_1_1_5_the_number_of_a_request_names_its_method() {
    let mut agent = Agent::new();
    let (session, invite, _) = agent.calling(CONTACT);
    assert_eq!(invite.cseq(), "1 INVITE");
    assert_eq!(agent.asks(session).cseq(), "2 OPTIONS");
}

#[test]
fn rfc3261_8_1_1_6_max_forwards_is_70() {
    let mut agent = Agent::new();
    let (session, invite, _) = agent.calling(CONTACT);
    assert_eq!(invite.field(HeaderName::MaxForwards), "70");
    assert_eq!(agent.asks(session).field(HeaderName::MaxForwards), "70");
}

#[test]
fn rfc3261_8_1_1_8_an_invite_has_exactly_one_contact() {
    let mut agent = Agent::new();
    let (_, sent) = agent.invite(None);
    let contacts: Vec<&str> = sent.request.headers().values(HeaderName::Contact).collect();
    assert_eq!(contacts.len(), 1);
    assert!(NameAddr::parse(contacts[0]).unwrap().uri().is_sip());
}

#[test]
fn rfc3261_8_1_1_9_an_invite_says_what_is_supported() {
    let mut agent = able();
    let (_, sent) = agent.invite(None);
    let supported = sent.field(HeaderName::Supported);
    for tag in ["100rel", "timer", "replaces"] {
        assert!(supported.contains(tag), "{supported}");
    }
    assert!(!sent.request.headers().contains(HeaderName::Require));
}

#[test]
fn rfc3261_8_1_3_2_unknown_codes_are_as_those_of_their_class() {
    // An unknown provisional response is as 183.
    let mut agent = Agent::new();
    let (_, invite) = agent.invite(None);
    for status in [199, 183] {
        agent.reply(&invite, status, "b1", "", "");
        assert!(
            matches!(agent.events.pop(), Some(Event::Progress { status: told, .. }) if told.as_u16() == status)
        );
    }
    // A 100 is taken, and is no answer.
    let mut agent = Agent::new();
    let (_, invite) = agent.invite(None);
    assert!(agent.reply(&invite, 100, "", "", "").is_empty());
    assert_eq!(agent.dialogs.session_count(), 1);
    // Unknown final ones end the call, or begin it.
    for status in [399, 499, 599, 699] {
        let mut agent = Agent::new();
        let (_, invite) = agent.invite(None);
        agent.reply(&invite, status, "b1", "", "");
        assert!(
            matches!(
                agent.events.last(),
                Some(Event::Rejected { .. } | Event::Ended { .. })
            ),
            "{status}: {:?}",
            agent.events
        );
        assert_eq!(agent.dialogs.session_count(), 0, "{status}");
    }
    let mut agent = Agent::new();
    let (_, invite) = agent.invite(Some("offer"));
    let calls = agent.reply(&invite, 299, "b1", CONTACT, "answer");
    assert_eq!(methods(&calls), ["ACK"]);
    assert!(matches!(agent.events.last(), Some(Event::Accepted { .. })));
}

#[test]
fn rfc3261_8_1_3_5_a_challenge_is_answered_with_the_same_call_and_the_next_number() {
    for (status, field) in [(401, "WWW-Authenticate"), (407, "Proxy-Authenticate")] {
        let mut agent = Agent::new();
        let (_, invite) = agent.invite(Some("offer"));
        let challenge = format!("{field}: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n");
        let calls = agent.reply(&invite, status, "c", &challenge, "");
        let again = requests(&calls)[0].0;
        let headers = again.headers();
        assert_eq!(headers.cseq(), Some((2, Method::Invite)));
        assert_eq!(headers.to_tag(), None);
        for name in [HeaderName::CallId, HeaderName::From, HeaderName::To] {
            assert_eq!(
                headers.get(name.clone()),
                invite.request.headers().get(name)
            );
        }
    }
}

#[test]
fn rfc3261_8_2_1_a_method_that_is_not_allowed_in_a_dialog_is_405_with_allow() {
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    let (_, back) = agent.request("REGISTER", 6, &tag, "");
    assert!(back.is_none());
    let refused = response(&agent.run());
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    let allow = refused.headers().get(HeaderName::Allow).unwrap();
    assert!(
        allow.contains("INVITE") && !allow.contains("REGISTER"),
        "{allow}"
    );
}

#[test]
fn rfc3261_12_1_1_the_state_of_a_callee_is_taken_from_the_request() {
    let mut agent = Agent::new();
    let fields = "Record-Route: <sip:p2.example.com;lr;x=1>, <sip:p1.example.com;lr>;y=2\r\n";
    let (session, tag) = agent.answered(fields);
    let sent = agent.asks(session);
    // Record-Route in order, with all parameters; Contact; Call-ID; tags and URIs the other way round.
    assert_eq!(
        routes(&sent.request),
        ["<sip:p2.example.com;lr;x=1>", "<sip:p1.example.com;lr>;y=2"]
    );
    assert_eq!(sent.request.uri_str(), "sip:bob@192.0.2.9");
    assert_eq!(sent.field(HeaderName::CallId), "one");
    assert_eq!(sent.field(HeaderName::To), "<sip:bob@example.com>;tag=peer");
    assert_eq!(
        sent.field(HeaderName::From),
        format!("<sip:alice@example.com>;tag={tag}")
    );
}

#[test]
fn rfc3261_12_1_1_without_record_route_there_is_no_route() {
    let mut agent = Agent::new();
    let (session, _) = agent.answered("");
    let sent = agent.asks(session);
    assert!(routes(&sent.request).is_empty());
    assert_eq!(sent.request.uri_str(), "sip:bob@192.0.2.9");
}

#[test]
fn rfc3261_12_1_1_the_numbers_of_a_callee_begin_with_the_request() {
    let mut agent = Agent::new();
    // The INVITE is 5: nothing below is in order, everything from there on is.
    let (session, tag) = agent.answered("");
    agent.request("OPTIONS", 3, &tag, "");
    assert_eq!(statuses(&agent.run()), [500]);
    // Our own numbers are not theirs.
    assert_eq!(agent.asks(session).cseq(), "1 OPTIONS");
}

#[test]
fn rfc3261_12_1_1_a_request_without_a_from_tag_is_of_a_null_tag() {
    let mut agent = Agent::new();
    let mut invite = request("INVITE", 5, "", "");
    invite
        .headers_mut()
        .replace(HeaderName::From, "<sip:bob@example.com>");
    agent.take(invite);
    agent.run();
    let session = agent.incoming();
    let accepted = agent.accept(session);
    let tag = accepted.headers().to_tag().unwrap().to_owned();
    let mut ack = request("ACK", 5, &tag, "");
    ack.headers_mut()
        .replace(HeaderName::From, "<sip:bob@example.com>");
    agent.input(sip_transaction::Event::Ack {
        invite: None,
        request: ack.into(),
        flow: crate::agent::flow(),
    });
    agent.run();
    let sent = agent.asks(session);
    // RFC 3261 section 12.2.1.1: a tag that is null is left out.
    assert_eq!(sent.field(HeaderName::To), "<sip:bob@example.com>");
}

#[test]
fn rfc3261_12_1_1_what_is_asked_for_by_sips_is_answered_by_sips() {
    let mut agent = Agent::new();
    let mut invite = request("INVITE", 5, "", "");
    invite.set_uri("sips:alice@192.0.2.1").unwrap();
    let mut secure = crate::agent::flow();
    secure.kind = sip_transport::TransportKind::Tls;
    agent.input(sip_transaction::Event::Request {
        id: sip_transaction::ServerTransactionId::from_parts(1, 0),
        request: invite.into(),
        flow: secure,
        merged: false,
    });
    agent.run();
    let session = agent.incoming();
    let accepted = agent.accept(session);
    let contact = accepted.headers().get(HeaderName::Contact).unwrap();
    assert!(contact.starts_with("<sips:alice@"), "{contact}");
}

#[test]
fn rfc3261_12_1_2_the_state_of_a_caller_is_taken_from_the_response() {
    let mut agent = Agent::new();
    let (session, invite, _) = agent.calling(CONTACT);
    let sent = agent.asks(session);
    assert!(routes(&sent.request).is_empty());
    assert_eq!(sent.request.uri_str(), "sip:bob@192.0.2.7");
    assert_eq!(sent.cseq(), "2 OPTIONS");
    assert_eq!(
        sent.field(HeaderName::CallId),
        invite.field(HeaderName::CallId)
    );
    assert_eq!(sent.field(HeaderName::From), invite.field(HeaderName::From));
    assert_eq!(sent.field(HeaderName::To), "<sip:bob@example.com>;tag=b1");
    // The remote number is empty until the peer sends one: any will do.
    let mine = invite.request.headers().from_tag().unwrap().to_owned();
    let mut first = request("OPTIONS", 4_000, &mine, "");
    let headers = first.headers_mut();
    headers.replace(HeaderName::CallId, invite.field(HeaderName::CallId));
    headers.replace(HeaderName::From, "<sip:bob@example.com>;tag=b1");
    agent.take(first);
    assert_eq!(statuses(&agent.run()), [200]);
}

#[test]
fn rfc3261_12_1_2_a_response_without_a_to_tag_is_of_a_null_tag() {
    let mut agent = Agent::new();
    let (session, invite) = agent.invite(Some("offer"));
    let mut answer = crate::agent::reply(&invite.request, 200, "x", CONTACT, "answer");
    answer
        .headers_mut()
        .replace(HeaderName::To, "<sip:bob@example.com>");
    agent.input(sip_transaction::Event::Response {
        id: invite.id,
        response: answer.into(),
        flow: crate::agent::flow(),
    });
    assert_eq!(methods(&agent.run()), ["ACK"]);
    assert_eq!(
        agent.asks(session).field(HeaderName::To),
        "<sip:bob@example.com>"
    );
}

#[test]
fn rfc3261_12_2_1_1_numbers_grow_by_one() {
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    for number in 2..6 {
        let sent = agent.asks(session);
        assert_eq!(sent.cseq(), format!("{number} OPTIONS"));
        agent.reply(&sent, 200, "", "", "");
    }
    // Who was called has had no number until then: it begins as any request does, below 2^31.
    let mut agent = Agent::new();
    let (session, _) = agent.answered("");
    let number = |sent: &crate::agent::Sent| sent.request.headers().cseq().unwrap().0;
    let first = agent.asks(session);
    assert!(number(&first) < 1 << 31);
    agent.reply(&first, 200, "", "", "");
    assert_eq!(number(&agent.asks(session)), number(&first) + 1);
}

#[test]
fn rfc3261_12_2_1_1_before_a_loose_router_the_target_is_the_request_uri() {
    let mut agent = Agent::new();
    let fields = "Contact: <sip:bob@192.0.2.7>\r\nRecord-Route: <sip:p2.example.com;lr>;b=2, <sip:p1.example.com;lr;a=1>\r\n";
    let (session, _, _) = agent.calling(fields);
    let sent = agent.asks(session);
    assert_eq!(sent.request.uri_str(), "sip:bob@192.0.2.7");
    assert_eq!(
        routes(&sent.request),
        ["<sip:p1.example.com;lr;a=1>", "<sip:p2.example.com;lr>;b=2"]
    );
}

#[test]
fn rfc3261_12_2_1_1_without_a_route_set_there_is_no_route() {
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    let sent = agent.asks(session);
    assert_eq!(sent.request.uri_str(), "sip:bob@192.0.2.7");
    assert!(!sent.request.headers().contains(HeaderName::Route));
}

#[test]
fn rfc3261_12_2_1_1_a_target_refresh_has_the_contact_as_before() {
    let mut agent = Agent::new();
    let (session, invite, _) = agent.calling(CONTACT);
    agent
        .dialogs
        .reinvite(
            session,
            Some(Body::sdp("again")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let sent = agent.sent();
    assert_eq!(
        sent.field(HeaderName::Contact),
        invite.field(HeaderName::Contact)
    );
}

#[test]
fn rfc3261_12_2_1_2_a_2xx_to_a_target_refresh_moves_the_target() {
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    agent
        .dialogs
        .reinvite(
            session,
            Some(Body::sdp("again")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let sent = agent.sent();
    agent.reply(&sent, 200, "", "Contact: <sip:bob@192.0.2.8>\r\n", "ok");
    assert_eq!(agent.asks(session).request.uri_str(), "sip:bob@192.0.2.8");
    // Other requests do not.
    let sent = agent.asks(session);
    agent.reply(&sent, 200, "", "Contact: <sip:bob@192.0.2.99>\r\n", "");
    assert_eq!(agent.asks(session).request.uri_str(), "sip:bob@192.0.2.8");
}

#[test]
fn rfc3261_12_2_2_a_target_refresh_of_the_peer_moves_the_target() {
    let mut agent = Agent::new();
    let (session, tag) = agent.answered("");
    let mut again = request("INVITE", 6, &tag, "");
    again
        .headers_mut()
        .replace(HeaderName::Contact, "<sip:bob@192.0.2.88>");
    again.set_body("application/sdp", "again");
    agent.take(again);
    agent.run();
    agent
        .dialogs
        .accept_reinvite(session, Some(Body::sdp("yes")), &mut agent.layer, agent.now)
        .unwrap();
    agent.run();
    agent.ack(6, &tag);
    agent.run();
    assert_eq!(agent.asks(session).request.uri_str(), "sip:bob@192.0.2.88");
}

#[test]
fn rfc3261_12_2_2_gaps_in_the_numbers_are_no_error() {
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    for number in [6, 60, 61, 6_000] {
        agent.request("OPTIONS", number, &tag, "");
        assert_eq!(statuses(&agent.run()), [200], "{number}");
    }
    // Each is where the next is counted from.
    agent.request("OPTIONS", 5_999, &tag, "");
    assert_eq!(statuses(&agent.run()), [500]);
}

#[test]
fn rfc3261_13_1_an_invite_allows_what_belongs_to_it() {
    let mut agent = Agent::new();
    let (_, sent) = agent.invite(None);
    let allow = sent.field(HeaderName::Allow);
    for method in ["INVITE", "ACK", "CANCEL", "BYE"] {
        assert!(allow.contains(method), "{allow}");
    }
}

#[test]
fn rfc3261_13_2_1_an_invite_has_allow_and_supported() {
    let mut agent = able();
    let (_, sent) = agent.invite(None);
    let allow = sent.field(HeaderName::Allow);
    for method in ["UPDATE", "PRACK", "REFER", "NOTIFY", "OPTIONS", "INFO"] {
        assert!(allow.contains(method), "{allow}");
    }
    assert!(!sent.field(HeaderName::Supported).is_empty());
}

#[test]
fn rfc3261_13_2_2_4_the_ack_has_the_number_and_the_credentials_of_its_invite() {
    let mut agent = Agent::new();
    let (_, invite) = agent.invite(Some("offer"));
    let challenge = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";
    let calls = agent.reply(&invite, 407, "c", challenge, "");
    let Some(Call::Request { id, request, .. }) = calls.into_iter().next() else {
        panic!("no request")
    };
    let again = crate::agent::Sent { id, request };
    let credentials = again.field(HeaderName::ProxyAuthorization);
    assert!(!credentials.is_empty());
    let calls = agent.reply(&again, 200, "b1", CONTACT, "answer");
    let (ack, _) = requests(&calls)[0];
    assert_eq!(ack.headers().cseq(), Some((2, Method::Ack)));
    assert_eq!(
        ack.headers().get(HeaderName::ProxyAuthorization),
        Some(credentials.as_str())
    );
}

#[test]
fn rfc3261_13_2_2_4_each_repeated_2xx_is_acknowledged_again() {
    let mut agent = Agent::new();
    let (_, invite, first) = agent.calling(CONTACT);
    assert_eq!(methods(&first), ["ACK"]);
    for _ in 0..3 {
        // The same bytes once more.
        let calls = agent.reply(&invite, 200, "b1", CONTACT, "");
        assert!(
            matches!(calls.as_slice(), [Call::Retransmit { .. }]),
            "{calls:?}"
        );
    }
    assert_eq!(agent.dialogs.session_count(), 1);
}

#[test]
fn rfc3261_13_2_2_4_the_2xx_sets_the_route_set_anew() {
    let mut agent = Agent::new();
    let (session, invite) = agent.invite(Some("offer"));
    let early = "Contact: <sip:bob@192.0.2.6>\r\nRecord-Route: <sip:early.example.com;lr>\r\n";
    agent.reply(&invite, 180, "b1", early, "");
    let late = "Contact: <sip:bob@192.0.2.7>\r\nRecord-Route: <sip:late.example.com;lr>\r\n";
    agent.reply(&invite, 200, "b1", late, "answer");
    let sent = agent.asks(session);
    assert_eq!(routes(&sent.request), ["<sip:late.example.com;lr>"]);
    assert_eq!(sent.request.uri_str(), "sip:bob@192.0.2.7");
}

#[test]
fn rfc3261_13_3_1_1_provisional_responses_have_one_tag_and_come_each_minute() {
    let mut agent = Agent::new();
    agent.offer("INVITE", 5, "", "");
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
    let first = response(&agent.run());
    let tag = first.headers().to_tag().unwrap().to_owned();
    let (waited, calls) = agent.wait(Duration::from_secs(70));
    assert!(waited <= Duration::from_secs(60), "{waited:?}");
    let again = response(&calls);
    assert_eq!(again.status(), StatusCode::RINGING);
    assert_eq!(again.headers().to_tag(), Some(tag.as_str()));
    let accepted = agent.accept(session);
    assert_eq!(accepted.headers().to_tag(), Some(tag.as_str()));
}

#[test]
fn rfc3261_13_3_1_3_who_is_busy_or_cannot_says_so() {
    for status in [486, 600, 488] {
        let mut agent = Agent::new();
        agent.offer("INVITE", 5, "", "");
        agent.run();
        let session = agent.incoming();
        let warning = "399 pc \"no codec in common\"".to_owned();
        agent
            .dialogs
            .reject(
                session,
                StatusCode::from_u16(status).unwrap(),
                &[(HeaderName::Warning, warning.clone())],
                &mut agent.layer,
                agent.now,
            )
            .unwrap();
        let refused = response(&agent.run());
        assert_eq!(refused.status().as_u16(), status);
        assert_eq!(
            refused.headers().get(HeaderName::Warning),
            Some(warning.as_str())
        );
        assert_eq!(agent.dialogs.session_count(), 0);
    }
}

#[test]
fn rfc3261_13_3_1_4_a_2xx_has_allow_supported_and_the_answer_or_the_offer() {
    for offered in [true, false] {
        let mut agent = able();
        if offered {
            agent.offer("INVITE", 5, "", "");
        } else {
            agent.request("INVITE", 5, "", "");
        }
        agent.run();
        let session = agent.incoming();
        let accepted = agent.accept(session);
        for name in [HeaderName::Allow, HeaderName::Supported] {
            assert!(accepted.headers().contains(name));
        }
        assert_eq!(accepted.body(), b"answer");
    }
}

#[test]
fn rfc3261_14_1_no_reinvite_while_another_is_in_progress() {
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    let again = |agent: &mut Agent| {
        agent
            .dialogs
            .reinvite(session, None, &mut agent.layer, agent.now)
    };
    assert!(again(&mut agent).is_ok());
    let sent = agent.sent();
    assert!(again(&mut agent).is_err());
    agent.reply(&sent, 488, "", "", "");
    assert!(matches!(
        agent.events.last(),
        Some(Event::ReInviteRefused {
            cause: RejectCause::Response(_),
            ..
        })
    ));
    assert!(again(&mut agent).is_ok());
}

#[test]
fn rfc3261_15_1_1_a_session_that_we_end_is_over_whatever_the_answer() {
    for status in [200, 481, 408, 500] {
        let mut agent = Agent::new();
        let (session, _, _) = agent.calling(CONTACT);
        agent.dialogs.end(session, &mut agent.layer, agent.now);
        let bye = agent.sent();
        assert_eq!(bye.cseq(), "2 BYE");
        // Nothing can be asked of it any more.
        assert!(
            agent
                .dialogs
                .request_within(
                    session,
                    Method::Options,
                    &[],
                    None,
                    &mut agent.layer,
                    agent.now
                )
                .is_err()
        );
        agent.reply(&bye, status, "", "", "");
        assert_eq!(agent.dialogs.session_count(), 0, "{status}");
    }
}

#[test]
fn rfc3261_15_1_2_a_bye_is_answered_200_and_ends_the_session() {
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    // It is processed as any request in a dialog: out of order it is refused.
    agent.request("BYE", 4, &tag, "");
    assert_eq!(statuses(&agent.run()), [500]);
    assert_eq!(agent.dialogs.session_count(), 1);
    agent.request("BYE", 6, &tag, "");
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
fn rfc3261_15_a_session_ends_with_a_bye_within_its_dialog_only() {
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    let bye = agent.sent();
    assert!(bye.request.headers().to_tag().is_some());
    agent.reply(&bye, 200, "", "", "");
    // A second end sends nothing: there is no dialog.
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    assert!(agent.run().is_empty());
}

#[test]
fn rfc3261_19_3_tags_have_32_random_bits_at_least() {
    let mut agent = Agent::new();
    let mut tags = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let (_, sent) = agent.invite(None);
        let tag = sent.request.headers().from_tag().unwrap().to_owned();
        assert!(tag.len() >= 6, "{tag}");
        assert!(tags.insert(tag));
    }
}

#[test]
fn rfc3261_22_2_credentials_are_sent_with_the_next_request_to_the_same() {
    let mut agent = Agent::new();
    let ask = |agent: &mut Agent, number| {
        let outgoing = OutgoingRequest {
            request: register(number),
            next_hop: Uri::parse("sip:example.com").unwrap(),
            account: AccountKey(3),
        };
        agent.dialogs.request(outgoing, &mut agent.layer, agent.now);
        agent.sent()
    };
    let sent = ask(&mut agent, 1);
    assert_eq!(sent.field(HeaderName::Authorization), "");
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";
    let calls = agent.reply(&sent, 401, "c", challenge, "");
    assert_eq!(methods(&calls), ["REGISTER"]);
    let credentials = ask(&mut agent, 3).field(HeaderName::Authorization);
    assert!(credentials.contains("nc=00000002"), "{credentials}");
}

fn register(number: u32) -> Request {
    Request::builder(Method::Register, "sip:example.com")
        .max_forwards(70)
        .from(&NameAddr::parse("<sip:alice@example.com>;tag=1").unwrap())
        .to(&NameAddr::parse("<sip:alice@example.com>").unwrap())
        .call_id("boot")
        .cseq(number)
        .build_partial()
        .unwrap()
}

#[test]
fn rfc3261_22_4_qop_is_sent_when_it_was_offered_and_cnonce_only_then() {
    for (challenge, with) in [
        ("Digest realm=\"r\", nonce=\"n\", qop=\"auth\"", true),
        ("Digest realm=\"r\", nonce=\"n\"", false),
    ] {
        let mut agent = Agent::new();
        let hop = Uri::parse("sip:example.com").unwrap();
        agent.dialogs.request(
            OutgoingRequest {
                request: register(1),
                next_hop: hop,
                account: AccountKey(3),
            },
            &mut agent.layer,
            agent.now,
        );
        let sent = agent.sent();
        let field = format!("WWW-Authenticate: {challenge}\r\n");
        let calls = agent.reply(&sent, 401, "c", &field, "");
        let (again, _) = requests(&calls)[0];
        let credentials = again.headers().get(HeaderName::Authorization).unwrap();
        assert_eq!(credentials.contains("qop=auth"), with, "{credentials}");
        assert_eq!(credentials.contains("cnonce="), with, "{credentials}");
        assert!(
            credentials.contains("uri=\"sip:example.com\""),
            "{credentials}"
        );
    }
}

#[test]
fn rfc3261_22_3_credentials_that_were_accepted_are_kept_for_the_realm_and_the_hop() {
    rfc3261_22_2_credentials_are_sent_with_the_next_request_to_the_same();
}

#[test]
fn rfc3261_26_3_2_2_an_invite_uses_the_credentials_that_are_known() {
    rfc3261_22_2_credentials_are_sent_with_the_next_request_to_the_same();
}
