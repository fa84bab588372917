//! Statements of RFC 3261 §16 that no other test shows, one by one (`conformance/rfc3261.toml`).

use super::*;

/// Two places of bob's.
fn forking() -> World {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    world.bind("sip:bob@192.0.2.2", None);
    world
}

fn ringing() -> World {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    world
}

/// A request within a dialog that went by a Record-Route of ours.
fn within(world: &mut World, method: &str, more: &str) -> Vec<Sent> {
    let (_, sent) = world.call_bob();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute)[0].to_owned();
    let fields = format!("To: <sip:bob@example.com>;tag=2\r\nRoute: {recorded}\r\n{more}");
    world.request(&message(method, "sip:bob@192.0.2.1", &fields));
    world.sent()
}

fn text(request: &Request) -> String {
    String::from_utf8_lossy(&request.to_bytes()).into_owned()
}

#[test]
fn rfc3261_16_1_its_own_answers_are_those_of_a_uas() {
    let mut world = World::new();
    for (text, status) in [
        (invite("sip:bob@example.com", "Max-Forwards: 0\r\n"), 483),
        (invite("sip:bob@example.com", ""), 480),
        (invite("sip:nobody@example.com", ""), 404),
    ] {
        world.request(&text);
        let response = world.responses().remove(0);
        assert_eq!(response.status().as_u16(), status);
        // §8.2.6.2.
        let request = parse(&text);
        for name in [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::CallId,
            HeaderName::CSeq,
        ] {
            assert_eq!(
                response.headers().values(name.clone()).collect::<Vec<_>>(),
                values(&request, name)
            );
        }
        assert!(response.headers().to_tag().is_some());
    }
}

#[test]
fn rfc3261_16_1_what_forks_or_changes_the_transport_has_state() {
    let mut world = forking();
    let (_, sent) = world.call_bob();
    assert_eq!((sent.len(), world.proxy.contexts()), (2, 1));
    let mut world = ringing();
    world.kind = TransportKind::Tcp;
    let (_, sent) = world.call_bob();
    assert_eq!((sent.len(), world.proxy.contexts()), (1, 1));
}

#[test]
fn rfc3261_16_1_without_a_reason_nothing_is_cancelled() {
    // A branch that rings is left alone while its Timer C has not run out and nobody answered or cancelled.
    let mut world = forking();
    let (_, sent) = world.call_bob();
    world.reply(&sent[0], 180);
    world.reply(&sent[1], 180);
    world.reply(&sent[0], 486);
    world.reply(&sent[1], 183);
    let calls = world.layer.take();
    assert!(
        !calls.iter().any(|call| matches!(call, Call::Cancel { .. })),
        "{calls:?}"
    );
}

#[test]
fn rfc3261_16_2_any_method_is_validated_preprocessed_targeted_and_forwarded() {
    for method in ["INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "FOO", "x-%7e"] {
        let mut world = ringing();
        let spent = message(method, "sip:bob@example.com", "Max-Forwards: 0\r\n");
        // §16.3, step 3: an OPTIONS may be answered by whom it reaches last.
        let expected = if method == "OPTIONS" { 200 } else { 483 };
        assert_eq!(world.refused(&spent).0, expected, "validated");
        let fields = "Route: <sip:192.0.2.10;lr>\r\n";
        world.request(&message(method, "sip:bob@example.com", fields));
        let sent = world.sent();
        assert_eq!(sent.len(), 1, "{method} is forwarded");
        assert_eq!(sent[0].request.method().as_str(), method);
        assert!(
            !sent[0].request.headers().contains(HeaderName::Route),
            "preprocessed"
        );
        assert_eq!(sent[0].request.uri_str(), "sip:bob@192.0.2.1", "targeted");
    }
}

#[test]
fn rfc3261_16_3_merged_requests_are_no_error() {
    let mut world = ringing();
    for (n, branch) in ["z9hG4bKone", "z9hG4bKother"].iter().enumerate() {
        let text = invite("sip:bob@example.com", "").replace("z9hG4bKtheirs", branch);
        let id = ServerTransactionId::from_parts(u32::try_from(n).unwrap() + 50, 0);
        let back = world.input(Event::Request {
            id,
            request: parse(&text).into(),
            flow: flow(TransportKind::Udp, 0, "198.51.100.7:5060"),
            merged: n > 0,
        });
        assert!(back.is_none());
        assert_eq!(world.sent().len(), 1, "both are forwarded");
    }
}

#[test]
fn rfc3261_16_3_what_is_not_needed_is_not_looked_at() {
    let mut world = ringing();
    let fields = "Expires: never\r\nX-Ray: \"\r\nContent-Disposition: ;;\r\nContact: <<\r\nAllow: ,;\r\nEvent: =\r\n";
    world.request(&message("NEWFANGLED", "sip:bob@example.com", fields));
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    assert!(
        text(&sent[0].request).contains(fields),
        "they pass as they are"
    );
}

#[test]
fn rfc3261_16_3_credentials_are_inspected_where_they_are_required() {
    let from = "From: <sip:alice@example.com>;tag=1\r\n";
    let mut world = ringing();
    assert_eq!(world.refused(&invite("sip:bob@example.com", from)).0, 407);
    world.request(&invite("sip:bob@example.com", from));
    let challenge = world.responses().remove(0);
    let wrong = credentials(
        &challenge,
        "alice",
        "wrong",
        "INVITE",
        "sip:bob@example.com",
    );
    let wrong = invite("sip:bob@example.com", &format!("{from}{wrong}"));
    assert_eq!(world.refused(&wrong).0, 407);
    assert!(world.sent().is_empty());
}

#[test]
fn rfc3261_16_5_maddr_makes_the_request_uri_the_only_target() {
    let mut world = World::with(false);
    world.bind("sip:bob@192.0.2.1", None);
    let uri = "sip:bob@example.com;maddr=192.0.2.77";
    world.request(&invite(uri, "From: <sip:alice@example.com>;tag=1\r\n"));
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].request.uri_str(), uri);
}

#[test]
fn rfc3261_16_5_a_foreign_domain_is_the_only_target() {
    let mut world = World::with(false);
    world.bind("sip:bob@192.0.2.1", None);
    world.proxy.config.follows_redirects = true;
    world.request(&invite(
        "sip:bob@example.org",
        "From: <sip:alice@example.com>;tag=1\r\n",
    ));
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].request.uri_str(), "sip:bob@example.org");
}

#[test]
fn rfc3261_16_5_no_targets_are_added_for_what_is_not_ours() {
    let mut world = World::with(false);
    world.proxy.config.follows_redirects = true;
    world.request(&invite(
        "sip:bob@example.org",
        "From: <sip:alice@example.com>;tag=1\r\n",
    ));
    let sent = world.sent();
    world.reply_with(&sent[0], 302, &[(HeaderName::Contact, "<sip:b@192.0.2.2>")]);
    assert_eq!(world.statuses(), [302], "it goes to the caller");
}

#[test]
fn rfc3261_16_5_the_location_service_is_asked_by_the_canonical_uri() {
    for uri in [
        "sip:bob@EXAMPLE.com",
        "sip:%62ob@example.com;transport=udp",
        "sip:bob@example.com:5060;user=ip",
    ] {
        let mut world = ringing();
        world.request(&invite(uri, ""));
        assert_eq!(world.sent().len(), 1, "{uri}");
    }
}

#[test]
fn rfc3261_16_5_no_target_is_tried_twice() {
    let mut world = ringing();
    world.proxy.config.follows_redirects = true;
    let (_, sent) = world.call_bob();
    // Equal by §19.1.4, not by their bytes.
    let contacts = "<sip:c@192.0.2.3;x=1>, <sip:%63@192.0.2.3;x=1>, <sip:bob@192.0.2.1>";
    world.reply_with(&sent[0], 302, &[(HeaderName::Contact, contacts)]);
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    world.reply(&sent[0], 486);
    assert!(world.sent().is_empty());
}

#[test]
fn rfc3261_16_6_the_request_uri_is_the_target_without_what_does_not_belong_there() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1;method=MESSAGE;x=1?Subject=spam", None);
    let (_, sent) = world.call_bob();
    assert_eq!(sent[0].request.uri_str(), "sip:bob@192.0.2.1;x=1");
    assert_eq!(world.hops, ["sip:bob@192.0.2.1;x=1"]);
}

#[test]
fn rfc3261_16_6_record_route_stands_before_those_that_are_there() {
    let mut world = ringing();
    let fields = "Record-Route: <sip:p1.example.net;lr>\r\nRoute: <sip:192.0.2.10;lr>\r\n";
    world.request(&invite("sip:bob@example.com", fields));
    let sent = world.sent();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute);
    assert_eq!(recorded.len(), 2);
    assert!(recorded[0].contains("192.0.2.10"), "{recorded:?}");
    assert_eq!(recorded[1], "<sip:p1.example.net;lr>");
}

#[test]
fn rfc3261_16_6_the_uri_in_record_route_is_sip_loose_and_leads_back() {
    let mut world = ringing();
    let (_, sent) = world.call_bob();
    let value = values(&sent[0].request, HeaderName::RecordRoute)[0].to_owned();
    let address = sip_message::header::NameAddr::parse(&value).unwrap();
    let uri = address.uri().to_uri();
    assert!(uri.as_ref().is_sip() && uri.as_ref().param("lr").is_some());
    assert!(
        uri.as_ref().param("transport").is_none(),
        "nobody said that the next element can"
    );
    assert!(
        world.proxy.config.domains.is_ours(uri.as_ref()),
        "it leads back"
    );
}

#[test]
fn rfc3261_16_6_sips_makes_the_record_sips() {
    // In the Request-URI.
    let mut world = World::new();
    world.bind("sips:bob@192.0.2.1", None);
    world.kind = TransportKind::Tls;
    let over = flow(TransportKind::Tls, 0, "198.51.100.7:5061");
    world.request_over(&invite("sips:bob@example.com", ""), over);
    let sent = world.sent();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute);
    assert!(
        recorded.iter().all(|value| value.starts_with("<sips:")),
        "{recorded:?}"
    );
    assert_eq!(
        world.hops,
        ["sips:bob@192.0.2.1"],
        "and the next hop is a sips URI"
    );
}

#[test]
fn rfc3261_16_6_tls_that_goes_on_without_sips_is_recorded_with_sip() {
    let mut world = ringing();
    world.request_over(
        &invite("sip:bob@example.com", ""),
        flow(TransportKind::Tls, 0, "198.51.100.7:5061"),
    );
    let sent = world.sent();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute);
    assert!(!recorded.is_empty());
    assert!(
        recorded.iter().all(|value| value.starts_with("<sip:")),
        "{recorded:?}"
    );
}

#[test]
fn rfc3261_16_6_sips_that_came_without_tls_is_recorded() {
    let mut world = World::new();
    world.bind("sips:bob@192.0.2.1", None);
    world.kind = TransportKind::Tls;
    world.request(&invite("sips:bob@example.com", ""));
    let sent = world.sent();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute);
    assert!(!recorded.is_empty());
    assert!(recorded[0].starts_with("<sips:"), "{recorded:?}");
}

#[test]
fn rfc3261_16_6_a_route_decides_the_next_hop_and_else_the_request_uri() {
    let mut world = World::with(false);
    let from = "From: <sip:alice@example.com>;tag=1\r\n";
    world.request(&invite("sip:dave@example.org", from));
    let routes =
        "Route: <sip:192.0.2.10;lr>, <sip:next.example.net;lr>, <sip:then.example.net;lr>\r\n";
    world.request(&invite("sip:dave@example.org", &format!("{from}{routes}")));
    let sent = world.sent();
    assert_eq!(
        world.hops,
        ["sip:dave@example.org", "sip:next.example.net;lr"]
    );
    assert_eq!(sent[1].request.uri_str(), "sip:dave@example.org");
    assert_eq!(
        values(&sent[1].request, HeaderName::Route),
        ["<sip:next.example.net;lr>", "<sip:then.example.net;lr>"],
        "no other hop is forced past them"
    );
}

#[test]
fn rfc3261_16_6_proxies_that_must_be_visited_are_put_ahead_of_route() {
    // The path of a binding is such a set (RFC 3327 §5.4).
    for (fields, expected) in [
        ("", vec!["<sip:edge.example.com;lr>"]),
        (
            "Route: <sip:192.0.2.10;lr>\r\n",
            vec!["<sip:edge.example.com;lr>"],
        ),
    ] {
        let mut world = ringing();
        world.bindings[0].edit(|fields| fields.path = vec!["<sip:edge.example.com;lr>".into()]);
        world.request(&invite("sip:bob@example.com", fields));
        let sent = world.sent();
        assert_eq!(values(&sent[0].request, HeaderName::Route), expected);
        assert_eq!(sent[0].request.uri_str(), "sip:bob@192.0.2.1");
        assert_eq!(world.hops, ["sip:edge.example.com;lr"]);
    }
}

#[test]
fn rfc3261_16_6_the_addresses_are_tried_in_order_each_with_its_transaction() {
    let mut world = ringing();
    world.flows = 3;
    let (_, first) = world.call_bob();
    let mut ids = vec![first[0].id];
    for _ in 0..2 {
        let last = *ids.last().unwrap();
        world.input(Event::TimedOut {
            id: last,
            flow: FlowId::from_parts(0, 0),
        });
        let calls = world.layer.take();
        let next: Vec<_> = calls
            .into_iter()
            .filter_map(|call| match call {
                Call::Forward { id, flow, .. } => Some((id, flow)),
                _ => None,
            })
            .collect();
        assert_eq!(next.len(), 1);
        let nth = u32::try_from(ids.len()).unwrap() + 1;
        assert_eq!(next[0].1.id, FlowId::from_parts(nth, 0), "in their order");
        assert!(!ids.contains(&next[0].0), "a transaction of its own");
        ids.push(next[0].0);
    }
}

#[test]
fn rfc3261_16_6_the_loop_hash_is_not_of_the_method() {
    // A CANCEL has to get the same branch as its INVITE.
    let hash = |method: &str| {
        let mut world = ringing();
        world.request(
            &message(method, "sip:bob@example.com", "CSeq: 1 X\r\n")
                .replace("CSeq: 1 X", &format!("CSeq: 1 {method}")),
        );
        world.sent()[0].loop_hash
    };
    assert_eq!(hash("INVITE"), hash("MESSAGE"));
}

#[test]
fn rfc3261_16_6_every_branch_of_an_invite_has_its_timer_c() {
    let mut world = forking();
    assert!(world.proxy.config.timer_c > Duration::from_secs(180));
    let (_, sent) = world.call_bob();
    assert_ne!(sent[0].id, sent[1].id, "each copy has its transaction");
    world.reply(&sent[0], 486);
    let due = world.proxy.poll_timeout().unwrap();
    assert!(
        due > world.now + Duration::from_secs(180),
        "that of the other"
    );
    world.reply(&sent[1], 486);
    assert_eq!(world.proxy.poll_timeout(), None);
}

#[test]
fn rfc3261_16_6_unknown_methods_are_recorded() {
    // Unknown methods outside of a dialog may make one.
    let mut world = ringing();
    world.request(&message("FOO", "sip:bob@example.com", ""));
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].request.headers().count(HeaderName::RecordRoute), 1);
    // What is known to make none is not recorded.
    world.request(&message("MESSAGE", "sip:bob@example.com", ""));
    assert_eq!(
        world.sent()[0]
            .request
            .headers()
            .count(HeaderName::RecordRoute),
        0
    );
}

#[test]
fn rfc3261_16_7_101_to_199_start_timer_c_again_and_100_does_not() {
    let mut world = ringing();
    let (_, sent) = world.call_bob();
    let begun = world.proxy.poll_timeout().unwrap();
    world.now += Duration::from_secs(50);
    world.reply(&sent[0], 100);
    assert_eq!(world.proxy.poll_timeout(), Some(begun));
    for status in [101, 180, 183, 199] {
        world.now += Duration::from_secs(10);
        world.reply(&sent[0], status);
        let due = world.proxy.poll_timeout().unwrap();
        assert!(due > world.now + Duration::from_secs(180), "{status}");
        assert_eq!(due, world.now + world.proxy.config.timer_c);
    }
}

#[test]
fn rfc3261_16_7_a_response_without_another_via_is_not_forwarded() {
    let mut world = ringing();
    let (_, sent) = world.call_bob();
    let mut response = Response::to(&sent[0].request, StatusCode::RINGING)
        .to_tag("theirs")
        .build()
        .unwrap();
    response.headers_mut().remove_all(HeaderName::Via);
    response
        .headers_mut()
        .push_front(HeaderName::Via, "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKours");
    world.input(Event::Response {
        id: sent[0].id,
        response: response.into(),
        flow: flow(TransportKind::Udp, 1, "192.0.2.99:5060"),
    });
    assert!(world.statuses().is_empty());
}

#[test]
fn rfc3261_16_7_no_recursion_from_sips_to_sip() {
    let mut world = World::new();
    world.proxy.config.follows_redirects = true;
    world.bind("sips:bob@192.0.2.1", None);
    world.kind = TransportKind::Tls;
    world.request_over(
        &invite("sips:bob@example.com", ""),
        flow(TransportKind::Tls, 0, "198.51.100.7:5061"),
    );
    let sent = world.sent();
    world.reply_with(&sent[0], 302, &[(HeaderName::Contact, "<sip:b@192.0.2.2>")]);
    assert_eq!(world.statuses(), [302]);
}

#[test]
fn rfc3261_16_7_final_responses_wait_for_the_others() {
    let mut world = forking();
    let (_, sent) = world.call_bob();
    world.reply(&sent[0], 404);
    assert!(world.statuses().is_empty(), "it waits");
    world.reply(&sent[1], 486);
    assert_eq!(
        world.statuses().len(),
        1,
        "and when all have ended one is sent"
    );
}

#[test]
fn rfc3261_16_7_without_a_response_it_is_408() {
    let mut world = forking();
    let (_, sent) = world.call_bob();
    world.input(Event::TimedOut {
        id: sent[0].id,
        flow: FlowId::from_parts(0, 0),
    });
    assert!(world.statuses().is_empty());
    world.input(Event::TimedOut {
        id: sent[1].id,
        flow: FlowId::from_parts(0, 0),
    });
    assert_eq!(world.statuses(), [408]);
}

#[test]
fn rfc3261_16_7_nothing_but_our_via_is_taken_off() {
    let fields = [
        (HeaderName::RecordRoute, "<sip:next.example.net;lr>"),
        (HeaderName::Contact, "<sip:bob@192.0.2.1>"),
        (HeaderName::from_static("X-Unknown"), "as it  was"),
    ];
    for status in [180, 200, 486, 302, 603] {
        let mut world = ringing();
        world.request(&invite("sip:bob@example.com", "").replace(
            "branch=z9hG4bKtheirs",
            "branch=z9hG4bKtheirs;received=203.0.113.7;rport=4000",
        ));
        let sent = world.sent();
        world.reply_with(&sent[0], status, &fields);
        let response = world.responses().remove(0);
        let headers = response.headers();
        assert_eq!(
            headers.values(HeaderName::Via).collect::<Vec<_>>(),
            ["SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKtheirs;received=203.0.113.7;rport=4000"],
            "{status}: the next Via keeps its received"
        );
        assert_eq!(
            headers.to_tag(),
            Some("theirs"),
            "{status}: nor is the To tag touched"
        );
        for (name, value) in &fields {
            assert_eq!(headers.get(name.clone()), Some(*value), "{status}");
        }
    }
}

#[test]
fn rfc3261_16_7_the_body_is_not_touched() {
    let mut world = ringing();
    let (_, sent) = world.call_bob();
    let mut received = sent[0].request.clone();
    received.headers_mut().push_front(
        HeaderName::Via,
        "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKours",
    );
    let body = b"v=0\nno real \x00 description\xff".to_vec();
    let response = Response::to(&received, StatusCode::OK)
        .to_tag("theirs")
        .body("application/sdp", body.clone())
        .build()
        .unwrap();
    world.input(Event::Response {
        id: sent[0].id,
        response: response.into(),
        flow: flow(TransportKind::Udp, 1, "192.0.2.99:5060"),
    });
    assert_eq!(world.responses()[0].body(), &body[..]);
}

#[test]
fn rfc3261_16_7_the_response_goes_to_its_server_transaction() {
    let mut world = ringing();
    let (first, sent) = world.call_bob();
    let (second, others) = world.call_bob();
    world.reply(&others[0], 180);
    world.reply(&sent[0], 180);
    let ids: Vec<_> = world
        .layer
        .take()
        .into_iter()
        .filter_map(|call| match call {
            Call::Respond { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    assert_eq!(ids, [second, first]);
}

#[test]
fn rfc3261_16_7_the_context_lives_as_long_as_its_transactions() {
    let mut world = forking();
    let (id, sent) = world.call_bob();
    world.reply(&sent[0], 486);
    world.reply(&sent[1], 486);
    world.end(&sent[0]);
    assert_eq!(
        world.proxy.contexts(),
        1,
        "the other transaction is there still"
    );
    world.end(&sent[1]);
    world.input(Event::Terminated {
        id: TransactionId::Server(id),
    });
    assert_eq!(world.proxy.contexts(), 0);
}

#[test]
fn rfc3261_16_7_a_final_response_cancels_what_is_pending() {
    for status in [200, 603] {
        let mut world = forking();
        let (_, sent) = world.call_bob();
        world.reply(&sent[1], 180);
        world.reply(&sent[0], status);
        let calls = world.layer.take();
        assert!(
            calls
                .iter()
                .any(|call| matches!(call, Call::Cancel { id, .. } if *id == sent[1].id)),
            "{status}: {calls:?}"
        );
    }
}

#[test]
fn rfc3261_16_7_secure_records_change_their_scheme_on_the_way_back() {
    // §16.7, step 8: both sides are recorded instead (RFC 5658 §5), so that nothing need be rewritten and each side
    // finds a URI that its side can use.
    let mut world = World::new();
    world.bind("sips:bob@192.0.2.99", None);
    world.kind = TransportKind::Tls;
    world.request(&invite("sip:bob@example.com", ""));
    let sent = world.sent();
    let recorded: Vec<String> = values(&sent[0].request, HeaderName::RecordRoute)
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(recorded.len(), 2);
    assert!(
        recorded[0].starts_with("<sips:"),
        "what was sent over TLS: {recorded:?}"
    );
    assert!(
        recorded[1].starts_with("<sip:"),
        "what was received without: {recorded:?}"
    );
    let fields: Vec<_> = recorded
        .iter()
        .map(|value| (HeaderName::RecordRoute, value.as_str()))
        .collect();
    world.reply_with(&sent[0], 200, &fields);
    let response = world.responses().remove(0);
    let back: Vec<&str> = response.headers().values(HeaderName::RecordRoute).collect();
    assert_eq!(back, recorded, "each is found again as it was");
}

#[test]
fn rfc3261_16_8_before_a_provisional_response_timer_c_is_as_a_408() {
    let mut world = ringing();
    world.call_bob();
    let due = world.proxy.poll_timeout().unwrap();
    world.proxy.handle_timeout(&mut world.layer, due);
    assert_eq!(world.statuses(), [408]);
}

#[test]
fn rfc3261_16_9_the_other_branches_go_on() {
    let mut world = forking();
    let (_, sent) = world.call_bob();
    world.input(Event::FlowFailed { id: sent[0].id });
    assert!(
        world.layer.take().is_empty(),
        "neither cancelled nor answered"
    );
    world.reply(&sent[1], 200);
    assert_eq!(world.statuses(), [200]);
}

#[test]
fn rfc3261_16_12_within_a_dialog_the_route_alone_leads() {
    let mut world = ringing();
    let sent = within(&mut world, "BYE", "");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].request.uri_str(), "sip:bob@192.0.2.1");
    assert!(!sent[0].request.headers().contains(HeaderName::Route));
}
