//! Statements of RFC 3261 about what a user agent client sends, one by one (`conformance/rfc3261.toml`).

use std::collections::HashSet;
use std::time::Duration;

use sip_dialog::{Body, Event, InviteRequest, Output, RejectCause, SessionId};
use sip_message::{HeaderName, Method, Request};
use sip_testkit::Call;

use crate::agent::{Agent, CONTACT, Sent, flow, methods, requests, uri};

/// Where the next request goes first, and what it is.
fn next(agent: &mut Agent) -> (String, Sent) {
    let mut hop = None;
    while let Some(output) = agent.dialogs.poll_output() {
        match output {
            Output::SelectFlow {
                token, next_hop, ..
            } => {
                hop = Some(next_hop.to_string());
                agent
                    .dialogs
                    .flow_selected(token, Ok(vec![flow()]), &mut agent.layer, agent.now);
            }
            Output::Authenticate { .. } => panic!("no challenge"),
            Output::Event(event) => agent.events.push(event),
        }
    }
    match agent.layer.take().as_slice() {
        [Call::Request { id, request, .. }] => (
            hop.expect("a way was asked for"),
            Sent {
                id: *id,
                request: request.clone(),
            },
        ),
        [Call::Ack { ack, .. }] => {
            let id = sip_transaction::ClientTransactionId::from_parts(u32::MAX, 0);
            let request = ack.clone();
            (hop.expect("a way was asked for"), Sent { id, request })
        }
        other => panic!("not one request but {other:?}"),
    }
}

/// Calls with these routes; the session, where the INVITE goes and what it is.
fn call(agent: &mut Agent, target: &str, routes: &[&str]) -> (SessionId, String, Sent) {
    let mut invite = InviteRequest::new(
        uri(target),
        uri("sip:alice@example.com"),
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
    );
    invite.route = routes.iter().copied().map(uri).collect();
    invite.body = Some(Body::sdp("offer"));
    let session = agent.dialogs.invite(invite, &mut agent.layer, agent.now);
    let (hop, sent) = next(agent);
    (session, hop, sent)
}

fn values(request: &Request, name: HeaderName) -> Vec<&str> {
    request.headers().values(name).collect()
}

fn position(request: &Request, name: &HeaderName) -> Option<usize> {
    let mut fields = request.headers().fields();
    fields.position(|field| field.is(name))
}

#[test]
fn rfc3261_7_3_1_what_proxies_need_stands_at_the_top() {
    let mut agent = Agent::new();
    let (_, _, sent) = call(
        &mut agent,
        "sip:bob@example.com",
        &["sip:proxy.example.com;lr"],
    );
    let request = &sent.request;
    let last = [HeaderName::Route, HeaderName::MaxForwards]
        .map(|name| position(request, &name).unwrap())
        .into_iter()
        .max();
    // Its Via is put on top of all that by the layer below.
    for other in [
        HeaderName::Contact,
        HeaderName::Allow,
        HeaderName::ContentType,
        HeaderName::ContentLength,
    ] {
        assert!(position(request, &other) > last, "{request:?}");
    }
}

#[test]
fn rfc3261_7_3_2_request_fields_of_a_response_are_ignored() {
    let mut agent = Agent::new();
    let fields = format!(
        "{CONTACT}Route: <sip:nowhere.example.net;lr>\r\nMax-Forwards: 0\r\nSubject: none\r\nPriority: non-urgent\r\n\
         Authorization: Digest username=\"x\"\r\nIn-Reply-To: a@b\r\n"
    );
    let (_, invite) = agent.invite(Some("offer"));
    let calls = agent.reply(&invite, 200, "b1", &fields, "answer");
    assert_eq!(methods(&calls), ["ACK"]);
    let ack = requests(&calls)[0].0;
    assert_eq!(ack.uri_str(), "sip:bob@192.0.2.7");
    assert_eq!(values(ack, HeaderName::Route), [""; 0]);
    assert_eq!(values(ack, HeaderName::MaxForwards), ["70"]);
    assert_eq!(values(ack, HeaderName::Authorization), [""; 0]);
}

#[test]
fn rfc3261_7_4_1_a_body_has_its_type_and_no_encoding() {
    let mut agent = Agent::new();
    let (session, invite, _) = agent.calling(CONTACT);
    let text = Body {
        content_type: "text/plain;charset=UTF-8".to_owned(),
        content: "hello".into(),
    };
    agent
        .dialogs
        .request_within(
            session,
            Method::Message,
            &[],
            Some(text),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let message = agent.sent();
    for (sent, expected) in [
        (&invite, "application/sdp"),
        (&message, "text/plain;charset=UTF-8"),
    ] {
        assert_eq!(values(&sent.request, HeaderName::ContentType), [expected]);
        assert!(!sent.request.headers().contains(HeaderName::ContentEncoding));
    }
}

#[test]
fn rfc3261_8_1_1_1_routes_that_were_given_are_used_as_those_of_a_dialog() {
    let mut agent = Agent::new();
    let (_, hop, sent) = call(
        &mut agent,
        "sip:bob@example.com",
        &["sip:proxy.example.com;lr", "sip:next.example.com;lr"],
    );
    assert_eq!(hop, "sip:proxy.example.com;lr");
    assert_eq!(sent.request.uri_str(), "sip:bob@example.com");
    assert_eq!(
        values(&sent.request, HeaderName::Route),
        ["<sip:proxy.example.com;lr>", "<sip:next.example.com;lr>"]
    );
    // Section 12.2.1.1: a strict router finds its own URI, and the target at the end.
    let (_, hop, sent) = call(
        &mut agent,
        "sip:bob@example.com",
        &["sip:strict.example.com", "sip:next.example.com;lr"],
    );
    assert_eq!(hop, "sip:strict.example.com");
    assert_eq!(sent.request.uri_str(), "sip:strict.example.com");
    assert_eq!(
        values(&sent.request, HeaderName::Route),
        ["<sip:next.example.com;lr>", "<sip:bob@example.com>"]
    );
}

#[test]
fn rfc3261_8_1_1_4_call_ids_are_drawn_from_a_cryptographic_generator() {
    let mut agent = Agent::new();
    let mut seen = HashSet::new();
    for _ in 0..500 {
        let (_, invite) = agent.invite(None);
        let call_id = invite.field(HeaderName::CallId);
        // RFC 4086: 24 characters of five bits are 120.
        assert_eq!(call_id.len(), 24);
        assert!(seen.insert(call_id));
    }
}

#[test]
fn rfc3261_8_1_1_8_the_contact_of_a_secure_call_is_the_sips_uri_that_it_was_given() {
    let mut agent = Agent::new();
    let mut invite = InviteRequest::new(
        uri("sips:bob@example.com"),
        uri("sips:alice@example.com"),
        uri("sips:bob@example.com"),
        uri("sips:alice@192.0.2.1"),
    );
    invite.body = Some(Body::sdp("offer"));
    let session = agent.dialogs.invite(invite, &mut agent.layer, agent.now);
    let (_, sent) = next(&mut agent);
    assert_eq!(
        values(&sent.request, HeaderName::Contact),
        ["<sips:alice@192.0.2.1>"]
    );
    // Nothing that is not secure takes its place.
    agent.reply(&sent, 180, "b1", "Contact: <sips:bob@192.0.2.7>\r\n", "");
    agent
        .dialogs
        .set_contact(session, &uri("sip:alice@gruu.example.com"))
        .unwrap();
    agent.reply(&sent, 200, "b1", "Contact: <sips:bob@192.0.2.7>\r\n", "");
    agent
        .dialogs
        .reinvite(
            session,
            Some(Body::sdp("more")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let (_, again) = next(&mut agent);
    assert_eq!(
        values(&again.request, HeaderName::Contact),
        ["<sips:alice@192.0.2.1>"]
    );
}

#[test]
fn rfc3261_8_1_2_a_request_goes_where_its_route_or_its_uri_says() {
    let mut agent = Agent::new();
    for (target, routes, expected) in [
        (
            "sip:bob@example.com:5070",
            &[][..],
            "sip:bob@example.com:5070",
        ),
        (
            "sip:bob@example.com",
            &["sip:proxy.example.com;lr;transport=tcp"],
            "sip:proxy.example.com;lr;transport=tcp",
        ),
        // A strict router: what is then the Request-URI.
        (
            "sip:bob@example.com",
            &["sip:strict.example.com"],
            "sip:strict.example.com",
        ),
    ] {
        let (_, hop, sent) = call(&mut agent, target, routes);
        assert_eq!(hop, expected);
        if expected == "sip:strict.example.com" {
            assert_eq!(sent.request.uri_str(), expected);
        }
    }
}

#[test]
fn rfc3261_8_1_2_for_a_sips_uri_the_way_is_looked_for_as_by_sips() {
    let mut agent = Agent::new();
    let route = &["sip:proxy.example.com;lr"];
    let (_, hop, sent) = call(&mut agent, "sips:bob@example.com", route);
    assert_eq!(hop, "sips:proxy.example.com;lr");
    assert_eq!(
        values(&sent.request, HeaderName::Route),
        ["<sip:proxy.example.com;lr>"]
    );
    // So go the ACK and the BYE.
    let fields = "Contact: <sips:bob@192.0.2.7>\r\nRecord-Route: <sip:edge.example.com;lr>\r\n";
    let reply = crate::agent::reply(&sent.request, 200, "b1", fields, "answer");
    agent.input(sip_transaction::Event::Response {
        id: sent.id,
        response: reply.into(),
        flow: flow(),
    });
    let (hop, ack) = next(&mut agent);
    assert_eq!(ack.request.method(), &Method::Ack);
    assert_eq!(hop, "sips:edge.example.com;lr");
    let Some(Event::Accepted { session, .. }) = agent.events.pop() else {
        panic!("a session")
    };
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    let (hop, bye) = next(&mut agent);
    assert_eq!(bye.request.method(), &Method::Bye);
    assert_eq!(hop, "sips:edge.example.com;lr");
}

#[test]
fn rfc3261_8_1_3_3_a_response_with_a_second_via_is_discarded() {
    let via = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKours\r\n";
    let mut agent = Agent::new();
    let (_, invite) = agent.invite(Some("offer"));
    let fields = format!("{via}{CONTACT}");
    assert!(agent.reply(&invite, 180, "b1", &fields, "").is_empty());
    assert!(agent.events.is_empty(), "{:?}", agent.events);
    // Who would have been its last hop answers in vain too: there is no session, and nothing is acknowledged.
    assert!(
        agent
            .reply(&invite, 200, "b1", &fields, "answer")
            .is_empty()
    );
    assert!(matches!(
        agent.events.pop(),
        Some(Event::Rejected {
            cause: RejectCause::Failed(_),
            ..
        })
    ));
    assert_eq!(agent.dialogs.session_count(), 0);
}

#[test]
fn rfc3261_8_2_2_3_the_ack_to_a_2xx_requires_nothing_more_than_its_invite() {
    let mut agent = Agent::with(|config| config.supported = vec!["100rel".to_owned()]);
    let (_, invite) = agent.invite(Some("offer"));
    let fields = format!("{CONTACT}Require: timer\r\n");
    let calls = agent.reply(&invite, 200, "b1", &fields, "answer");
    let (ack, _) = requests(&calls)[0];
    assert!(!ack.headers().contains(HeaderName::Require));
    assert!(!ack.headers().contains(HeaderName::ProxyRequire));
}

#[test]
fn rfc3261_12_1_2_the_contact_of_an_invite_is_a_sip_or_sips_uri() {
    let mut agent = Agent::new();
    let (_, invite) = agent.invite(Some("offer"));
    assert_eq!(invite.field(HeaderName::Contact), "<sip:alice@192.0.2.1>");
}

#[test]
fn rfc3261_12_2_1_1_the_contact_of_a_secure_dialog_is_a_sips_uri() {
    let mut agent = Agent::new();
    let text = String::from_utf8(
        crate::agent::request("INVITE", 5, "", "")
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
    .replace("INVITE sip:alice", "INVITE sips:alice")
    .replace("Contact: <sip:", "Contact: <sips:");
    let Ok(sip_message::Message::Request(invite)) =
        sip_message::Message::parse(text.into(), &sip_message::ParserConfig::default())
    else {
        panic!("a request")
    };
    let over = sip_transport::Flow::new(
        flow().id,
        sip_transport::TransportKind::Tls,
        "192.0.2.1:5061".parse().unwrap(),
        "192.0.2.9:40000".parse().unwrap(),
    );
    agent.input(sip_transaction::Event::Request {
        id: sip_transaction::ServerTransactionId::from_parts(900, 0),
        request: invite.into(),
        flow: over,
        merged: false,
    });
    agent.run();
    let session = agent.incoming();
    let accepted = agent.accept(session);
    let is_sips = |contact: Option<&str>| contact.is_some_and(|uri| uri.starts_with("<sips:"));
    assert!(is_sips(accepted.headers().get(HeaderName::Contact)));
    agent.ack(5, accepted.headers().to_tag().unwrap());
    agent.run();
    agent
        .dialogs
        .reinvite(
            session,
            Some(Body::sdp("more")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let (_, again) = next(&mut agent);
    assert!(is_sips(again.request.headers().get(HeaderName::Contact)));
}

#[test]
fn rfc3261_12_2_1_2_without_any_response_the_dialog_ends_with_a_bye() {
    let mut agent = Agent::new();
    let (session, _, _) = agent.calling(CONTACT);
    agent.events.clear();
    agent
        .dialogs
        .request_within(
            session,
            Method::Info,
            &[],
            None,
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let info = agent.sent();
    agent.input(sip_transaction::Event::TimedOut {
        id: info.id,
        flow: flow().id,
    });
    assert_eq!(methods(&agent.run()), ["BYE"]);
}

#[test]
fn rfc3261_13_2_1_an_invite_that_expires_is_cancelled() {
    let mut agent = Agent::new();
    let mut invite = InviteRequest::new(
        uri("sip:bob@example.com"),
        uri("sip:alice@example.com"),
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
    );
    invite.headers.push((HeaderName::Expires, "20".to_owned()));
    agent.dialogs.invite(invite, &mut agent.layer, agent.now);
    let sent = agent.sent();
    agent.reply(&sent, 180, "b1", CONTACT, "");
    let (after, calls) = agent.wait(Duration::from_secs(60));
    assert_eq!(after, Duration::from_secs(20));
    assert!(
        matches!(calls.as_slice(), [Call::Cancel { id, .. }] if *id == sent.id),
        "{calls:?}"
    );
}

#[test]
fn rfc3261_19_1_5_a_uri_gives_its_parameters_and_not_its_method_or_its_fields() {
    let mut agent = Agent::new();
    let target = "sip:bob@example.com:5070;transport=tcp;maddr=239.255.255.1;ttl=15;user=phone;method=MESSAGE;x=y\
                  ?Route=%3Csip:evil.example.net%3Blr%3E&Call-ID=mine&Via=x&Record-Route=y&Accept=a%2Fb&User-Agent=z&From=w";
    let (_, _, sent) = call(&mut agent, target, &[]);
    assert_eq!(
        sent.request.uri_str(),
        "sip:bob@example.com:5070;transport=tcp;maddr=239.255.255.1;ttl=15;user=phone;x=y"
    );
    let text = String::from_utf8(sent.request.to_bytes().to_vec()).unwrap();
    for dangerous in ["evil", "mine", "a%2Fb", "User-Agent: z", "From: w"] {
        assert!(!text.contains(dangerous), "{text}");
    }
}

#[test]
fn rfc3261_20_12_what_is_sent_has_no_content_encoding() {
    // Not even to a peer that would take one.
    let mut agent = Agent::new();
    agent.offer("INVITE", 5, "", "Accept-Encoding: gzip\r\n");
    agent.run();
    let session = agent.incoming();
    let accepted = agent.accept(session);
    assert!(!accepted.body().is_empty());
    assert!(!accepted.headers().contains(HeaderName::ContentEncoding));
}

#[test]
fn rfc3261_20_41_what_a_program_calls_itself_is_configuration() {
    for agent_name in [None, Some("phone/1")] {
        let mut agent = Agent::with(|config| config.agent = agent_name.map(str::to_owned));
        let (_, invite) = agent.invite(Some("offer"));
        assert_eq!(
            invite.request.headers().get(HeaderName::UserAgent),
            agent_name
        );
    }
}

#[test]
fn rfc3261_21_5_4_after_a_503_without_retry_after_the_next_server_is_asked_and_then_it_is_an_error()
{
    let mut agent = Agent::new();
    let (_, invite) = agent.invite(Some("offer"));
    assert!(agent.reply(&invite, 503, "x", "", "").is_empty());
    assert!(matches!(
        agent.events.pop(),
        Some(Event::Rejected { cause: RejectCause::Response(response), .. })
            if response.status().class() == 5
    ));
    // Where there is another server, it gets the request.
    let mut agent = Agent::new();
    let mut invite = InviteRequest::new(
        uri("sip:bob@example.com"),
        uri("sip:alice@example.com"),
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
    );
    invite.body = Some(Body::sdp("offer"));
    agent.dialogs.invite(invite, &mut agent.layer, agent.now);
    let Some(Output::SelectFlow { token, .. }) = agent.dialogs.poll_output() else {
        panic!("a way is asked for")
    };
    agent
        .dialogs
        .flow_selected(token, Ok(vec![flow(), flow()]), &mut agent.layer, agent.now);
    let first = agent.sent();
    assert_eq!(methods(&agent.reply(&first, 503, "x", "", "")), ["INVITE"]);
}

#[test]
fn rfc3261_16_6_the_uri_of_a_record_route_is_not_used_outside_its_dialog() {
    let mut agent = Agent::new();
    let fields = format!("{CONTACT}Record-Route: <sip:proxy.example.net;lr>\r\n");
    let (_, _, calls) = agent.calling(&fields);
    let (ack, _) = requests(&calls)[0];
    assert_eq!(
        values(ack, HeaderName::Route),
        ["<sip:proxy.example.net;lr>"]
    );
    let (_, hop, other) = call(&mut agent, "sip:bob@example.com", &[]);
    assert_eq!(hop, "sip:bob@example.com");
    assert_eq!(values(&other.request, HeaderName::Route), [""; 0]);
}

#[test]
fn rfc3261_8_1_1_9_what_is_required_of_the_other_side_is_what_the_application_requires() {
    let mut agent = Agent::with(|config| config.supported = vec!["100rel".to_owned()]);
    let mut invite = InviteRequest::new(
        uri("sip:bob@example.com"),
        uri("sip:alice@example.com"),
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
    );
    for (name, value) in [
        (HeaderName::Require, "100rel"),
        (HeaderName::ProxyRequire, "sec-agree"),
    ] {
        invite.headers.push((name, value.to_owned()));
    }
    agent.dialogs.invite(invite, &mut agent.layer, agent.now);
    let (_, sent) = next(&mut agent);
    assert_eq!(values(&sent.request, HeaderName::Require), ["100rel"]);
    assert_eq!(
        values(&sent.request, HeaderName::ProxyRequire),
        ["sec-agree"]
    );
    // Without such a wish nothing is required.
    let (_, _, sent) = call(&mut agent, "sip:bob@example.com", &[]);
    assert!(!sent.request.headers().contains(HeaderName::Require));
}

#[test]
fn rfc3263_4_the_way_of_a_request_is_looked_for_once() {
    let mut agent = Agent::new();
    let mut invite = InviteRequest::new(
        uri("sip:bob@example.com"),
        uri("sip:alice@example.com"),
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
    );
    invite.body = Some(Body::sdp("offer"));
    agent.dialogs.invite(invite, &mut agent.layer, agent.now);
    let Some(Output::SelectFlow { token, .. }) = agent.dialogs.poll_output() else {
        panic!("a way is asked for")
    };
    let three = Ok(vec![flow(), flow(), flow()]);
    agent
        .dialogs
        .flow_selected(token, three, &mut agent.layer, agent.now);
    for _ in 0..2 {
        let sent = agent.sent();
        let response = crate::agent::reply(&sent.request, 503, "x", "", "");
        agent.input(sip_transaction::Event::Response {
            id: sent.id,
            response: response.into(),
            flow: flow(),
        });
        // The next of those that were found; none is looked for anew.
        assert!(agent.dialogs.poll_output().is_none());
    }
    assert_eq!(agent.sent().request.method(), &Method::Invite);
}

#[test]
fn rfc3261_12_1_2_the_contact_of_a_secure_call_is_a_sips_uri() {
    rfc3261_8_1_1_8_the_contact_of_a_secure_call_is_the_sips_uri_that_it_was_given();
}

#[test]
fn rfc3261_20_what_does_not_belong_into_a_response_is_ignored() {
    rfc3261_7_3_2_request_fields_of_a_response_are_ignored();
}
