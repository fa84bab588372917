//! Which requests are forwarded, and how (RFC 3261 §16.3 to §16.6).

use super::*;

#[test]
fn rfc3261_16_3_what_is_not_valid_is_refused() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    for (text, expected) in [
        (invite("sip:bob@example.com", "Max-Forwards: 0\r\n"), 483),
        (invite("tel:+4930123456", ""), 416),
        (invite("http://example.com", ""), 416),
        (
            invite("sip:bob@example.com", "Proxy-Require: magic\r\n"),
            420,
        ),
        (invite("sip:bob@example.com", "Max-Breadth: 0\r\n"), 440),
        (invite("sip:bob@example.com", "CSeq: 1 BYE\r\n"), 400),
        (invite("sip:bob@example.com", "From: <sip:broken\r\n"), 400),
        (invite("sip:bob@example.com", "Route: <sip:broken\r\n"), 400),
    ] {
        assert_eq!(world.refused(&text).0, expected, "{text}");
    }
    world.request(&invite(
        "sip:bob@example.com",
        "Proxy-Require: magic, path\r\n",
    ));
    assert_eq!(
        world.responses()[0].headers().get(HeaderName::Unsupported),
        Some("magic, path")
    );
    assert_eq!(world.proxy.contexts(), 0, "nothing stays of them");
}

#[test]
fn rfc3261_16_3_step_4_a_loop_is_seen_and_a_spiral_is_not() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    let (_, sent) = world.call_bob();
    // The branch that the layer below made for it, which comes back.
    let branch = format!(
        "z9hG4bKw0003qk5zr0x6d1p8v9m2c7h4j3f1na.{:016x}",
        sent[0].loop_hash
    );
    let via = format!("Via: SIP/2.0/UDP 192.0.2.10;branch={branch}\r\n");
    assert_eq!(world.refused(&invite("sip:bob@example.com", &via)).0, 482);
    world.request(&invite("sip:bob@192.0.2.10", &via));
    assert_eq!(world.sent().len(), 1, "another Request-URI is a spiral");
}

#[test]
fn rfc3261_7_1_the_version_goes_on_in_upper_case() {
    let mut world = World::new();
    // The Request-URI stays, so that nothing else writes the line anew.
    world.bind("sip:bob@example.com", None);
    let text = invite("sip:bob@example.com", "").replacen(" SIP/2.0", " sip/2.0", 1);
    world.request(&text);
    let sent = world.sent().pop().unwrap();
    let start = b"INVITE sip:bob@example.com SIP/2.0\r\n";
    assert!(sent.request.to_bytes().starts_with(start));

    let mut request = sent.request.clone();
    request
        .headers_mut()
        .push_front(HeaderName::Via, "SIP/2.0/UDP h;branch=z9hG4bKours");
    let response = Response::to(&request, StatusCode::RINGING).build().unwrap();
    let text = String::from_utf8_lossy(&response.to_bytes()).replacen("SIP/2.0", "sIP/2.0", 1);
    let Ok(Message::Response(response)) = Message::parse(text.into(), &ParserConfig::default())
    else {
        panic!("a response")
    };
    world.input(Event::Response {
        id: sent.id,
        response: response.into(),
        flow: flow(TransportKind::Udp, 1, "192.0.2.99:5060"),
    });
    let back = world.responses().pop().unwrap();
    assert!(back.to_bytes().starts_with(b"SIP/2.0 180 Ringing\r\n"));
}

#[test]
fn rfc3261_16_6_a_copy_changes_only_what_it_must() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99:5062;ob", None);
    let (_, sent) = world.call_bob();
    assert_eq!(sent.len(), 1);
    let request = &sent[0].request;
    assert_eq!(request.uri_str(), "sip:bob@192.0.2.99:5062;ob");
    assert_eq!(request.headers().max_forwards(), Some(69));
    assert_eq!(
        values(request, HeaderName::Via),
        ["SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKtheirs"],
        "ours is the layer's"
    );
    assert_eq!(values(request, HeaderName::To), ["<sip:bob@example.com>"]);
    let recorded = values(request, HeaderName::RecordRoute);
    assert_eq!(recorded.len(), 1);
    assert!(
        recorded[0].starts_with("<sip:192.0.2.10:5060;lr;m="),
        "{}",
        recorded[0]
    );
    assert_eq!(world.hops, ["sip:bob@192.0.2.99:5062;ob"]);
}

/// All the rest, in any order that a sender likes, and a body that nobody reads.
#[test]
fn rfc3261_16_6_a_copy_has_all_fields_in_their_order_and_the_same_body() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    let fields = "X-One: 1\r\nSubject:  two  words \r\nContact: <sip:carol@198.51.100.7>\r\nX-One: again\r\n\
                  Content-Type: application/x-odd\r\n";
    let body = "\u{0}any\r\n\r\nthing";
    let text = invite("sip:bob@example.com", fields).replace(
        "Content-Length: 0\r\n\r\n",
        &format!("Content-Length: {}\r\n\r\n{body}", body.len()),
    );
    world.request(&text);
    let sent = world.sent();
    let others = |request: &Request| -> Vec<(String, String)> {
        let fields = request.headers().fields();
        fields
            .map(|field| (field.name().to_string(), field.value().unwrap().to_owned()))
            .filter(|(name, _)| {
                !["Record-Route", "Max-Forwards", "Max-Breadth"].contains(&name.as_str())
            })
            .collect()
    };
    assert_eq!(others(&sent[0].request), others(&parse(&text)));
    assert_eq!(sent[0].request.body(), body.as_bytes());
}

#[test]
fn rfc3261_16_6_step_3_max_forwards_is_added() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    let text = invite("sip:bob@example.com", "").replace("Max-Forwards: 70\r\n", "");
    world.request(&text);
    assert_eq!(world.sent()[0].request.headers().max_forwards(), Some(70));
}

#[test]
fn rfc5658_3_the_route_is_recorded_twice_when_the_transport_changes() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99;transport=tcp", None);
    world.kind = TransportKind::Tcp;
    let (_, sent) = world.call_bob();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute);
    assert_eq!(recorded.len(), 2);
    assert!(
        recorded[0].starts_with("<sip:192.0.2.10:5060;transport=tcp;lr;m="),
        "the callee's side on top: {}",
        recorded[0]
    );
    assert!(
        recorded[1].starts_with("<sip:192.0.2.10:5060;lr;m="),
        "{}",
        recorded[1]
    );
    // A request of the callee brings both back, ours on top, and both come off.
    let routes = recorded.join(", ");
    let bye = message(
        "BYE",
        "sip:carol@198.51.100.7",
        &format!("To: <sip:carol@example.net>;tag=1\r\nRoute: {routes}\r\n"),
    );
    world.request(&bye);
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    assert!(!sent[0].request.headers().contains(HeaderName::Route));
    assert_eq!(world.hops.last().unwrap(), "sip:carol@198.51.100.7");
}

#[test]
fn rfc3261_16_4_a_request_in_a_dialog_follows_its_route_without_credentials() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    let (_, sent) = world.call_bob();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute)[0].to_owned();
    for method in ["BYE", "INVITE", "INFO", "UPDATE"] {
        let fields = format!(
            "From: <sip:bob@example.com>;tag=2\r\nTo: <sip:carol@example.net>;tag=1\r\nRoute: {recorded}\r\n"
        );
        world.request(&message(method, "sip:carol@198.51.100.7:5070", &fields));
        let sent = world.sent();
        assert_eq!(sent.len(), 1, "{method}");
        assert_eq!(sent[0].request.uri_str(), "sip:carol@198.51.100.7:5070");
        assert!(!sent[0].request.headers().contains(HeaderName::Route));
        assert!(
            !sent[0].request.headers().contains(HeaderName::RecordRoute),
            "a dialog is recorded once"
        );
    }
    // Another Call-ID, or a mark that was made up, is no such dialog.
    for (call_id, route) in [
        ("other", recorded),
        ("call@example.net", "<sip:192.0.2.10:5060;lr;m=00>".into()),
        ("call@example.net", "<sip:192.0.2.10:5060;lr>".into()),
    ] {
        let fields =
            format!("Call-ID: {call_id}\r\nTo: <sip:x@example.net>;tag=1\r\nRoute: {route}\r\n");
        assert_eq!(
            world.refused(&message("BYE", "sip:victim@203.0.113.1", &fields)),
            (403, "No Relaying".into())
        );
    }
}

#[test]
fn calls_go_on_after_a_restart_when_the_mark_has_a_lasting_key() {
    let mut before = World::new();
    let config = before.proxy.config.clone();
    let lasting = |number| {
        let config = ProxyConfig {
            mark: Some(Seed::from_bytes([9; 32])),
            ..config.clone()
        };
        Proxy::new(config, None, &Seed::from_bytes([number; 32]))
    };
    before.proxy = lasting(1);
    before.bind("sip:bob@192.0.2.99", None);
    let (_, sent) = before.call_bob();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute)[0].to_owned();
    let mut after = World::new();
    after.proxy = lasting(2);
    let fields = format!("To: <sip:bob@example.com>;tag=2\r\nRoute: {recorded}\r\n");
    after.request(&message("BYE", "sip:bob@192.0.2.99", &fields));
    assert_eq!(after.sent().len(), 1);
}

#[test]
fn rfc3261_16_4_the_calls_of_a_dead_server_go_on_where_its_address_is_moved_to() {
    // Two servers of a domain, and a call that the first has let through.
    let server = |address: &str, secret: u8| {
        let mut domains = Domains::new("example.com");
        domains.add_address(address.parse().unwrap());
        let mut config = config(domains);
        let secret = Seed::from_bytes([secret; 32]);
        let uri = Uri::parse(&format!("sip:{address}")).unwrap();
        config.node = Some(Node::new(uri, &secret));
        config.mark = Some(secret);
        let mut world = World::new();
        let authenticator = world.proxy.authenticator.take();
        world.proxy = Proxy::new(
            config,
            authenticator,
            &Seed::from_bytes([address.len() as u8; 32]),
        );
        world.bind("sip:bob@192.0.2.99", None);
        world
    };
    let mut first = server("192.0.2.10:5060", 9);
    let (_, sent) = first.call_bob();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute)[0].to_owned();
    assert!(
        recorded.starts_with("<sip:192.0.2.10:5060;lr;m="),
        "{recorded}"
    );
    let fields = format!("To: <sip:bob@example.com>;tag=2\r\nRoute: {recorded}\r\n");
    // All flows of these tests are to 192.0.2.10, which the second has now.
    let mut second = server("192.0.2.111:5060", 9);
    for method in ["BYE", "INVITE"] {
        second.request(&message(method, "sip:bob@192.0.2.99", &fields));
        let sent = second.sent();
        assert_eq!(sent.len(), 1, "{method}");
        assert!(values(&sent[0].request, HeaderName::Route).is_empty());
        assert_eq!(second.hops.pop().as_deref(), Some("sip:bob@192.0.2.99"));
    }
    let ack = |world: &mut World| {
        world.input(Event::Ack {
            invite: None,
            request: parse(&message("ACK", "sip:bob@192.0.2.99", &fields)).into(),
            flow: flow(TransportKind::Udp, 0, "198.51.100.7:5060"),
        });
        world.hops.pop()
    };
    assert_eq!(ack(&mut second).as_deref(), Some("sip:bob@192.0.2.99"));
    // A server that has no part in the secret lets nobody through for it.
    let mut other = server("192.0.2.111:5060", 8);
    other.request(&message("BYE", "sip:bob@192.0.2.99", &fields));
    assert!(other.sent().is_empty());
    assert_eq!(ack(&mut other), None);
}

#[test]
fn rfc3261_16_4_a_strict_router_before_us() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    let (_, sent) = world.call_bob();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute)[0]
        .trim_matches(['<', '>'])
        .to_owned();
    let fields = "To: <sip:bob@example.com>;tag=2\r\nRoute: <sip:next.example.org;lr>, <sip:bob@192.0.2.99>\r\n";
    world.request(&message("BYE", &recorded, fields));
    let sent = world.sent();
    assert_eq!(sent[0].request.uri_str(), "sip:bob@192.0.2.99");
    assert_eq!(
        values(&sent[0].request, HeaderName::Route),
        ["<sip:next.example.org;lr>"]
    );
    assert_eq!(world.hops.last().unwrap(), "sip:next.example.org;lr");
}

#[test]
fn rfc3261_16_6_step_6_a_strict_router_after_us() {
    let mut world = World::with(false);
    let fields = "From: <sip:alice@example.com>;tag=1\r\nRoute: <sip:192.0.2.10;lr>, <sip:strict.example.org>, <sip:loose.example.org;lr>\r\n";
    world.request(&invite("sip:dave@example.org", fields));
    let sent = world.sent();
    assert_eq!(sent[0].request.uri_str(), "sip:strict.example.org");
    assert_eq!(
        values(&sent[0].request, HeaderName::Route),
        ["<sip:loose.example.org;lr>", "<sip:dave@example.org>"]
    );
    assert_eq!(world.hops, ["sip:strict.example.org"]);
}

#[test]
fn rfc3261_16_4_maddr_with_our_address_comes_off() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    world.request(&invite(
        "sip:bob@example.com;maddr=192.0.2.10;transport=udp",
        "",
    ));
    assert_eq!(world.sent()[0].request.uri_str(), "sip:bob@192.0.2.99");
}

#[test]
fn rfc3327_5_4_the_path_of_a_binding_is_its_route() {
    let mut world = World::new();
    world.bind("sip:bob@10.0.0.1", None);
    world.bindings[0].edit(|fields| {
        fields.path = vec![
            "<sip:p2.example.net;lr>".into(),
            "<sip:p1.example.net;lr>".into(),
        ];
    });
    let (_, sent) = world.call_bob();
    assert_eq!(sent[0].request.uri_str(), "sip:bob@10.0.0.1");
    assert_eq!(
        values(&sent[0].request, HeaderName::Route),
        ["<sip:p2.example.net;lr>", "<sip:p1.example.net;lr>"]
    );
    assert_eq!(world.hops, ["sip:p2.example.net;lr"]);
}

#[test]
fn rfc3261_16_5_a_user_who_is_nowhere_and_none_at_all() {
    let mut world = World::new();
    assert_eq!(
        world.refused(&invite("sip:bob@example.com", "")),
        (480, "Temporarily Unavailable".into())
    );
    assert_eq!(
        world.refused(&invite("sip:nobody@example.com", "")),
        (404, "Not Found".into())
    );
}

#[test]
fn rfc3261_22_3_our_users_say_who_they_are() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    let from = "From: <sip:alice@example.com>;tag=1\r\n";
    for (method, uri) in [
        ("INVITE", "sip:bob@example.com"),
        ("MESSAGE", "sip:bob@example.com"),
        ("INVITE", "sip:dave@example.org"),
    ] {
        world.request(&message(method, uri, from));
        let challenge = world.responses().pop().unwrap();
        assert_eq!(
            challenge.status(),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        let right = credentials(&challenge, "alice", "secret", method, uri);
        world.request(&message(method, uri, &format!("{from}CSeq: 2 {method}\r\nProxy-Authorization: Digest realm=\"other\", nonce=\"x\"\r\n{right}")));
        let sent = world.sent();
        assert_eq!(sent.len(), 1, "{method} {uri}");
        assert_eq!(
            values(&sent[0].request, HeaderName::ProxyAuthorization),
            ["Digest realm=\"other\", nonce=\"x\""]
        );
        world.request(&message(method, uri, from));
        let challenge = world.responses().pop().unwrap();
        let bob = credentials(&challenge, "bob", "hunter2", method, uri);
        assert_eq!(
            world.refused(&message(
                method,
                uri,
                &format!("{from}CSeq: 3 {method}\r\n{bob}")
            )),
            (403, "Not Your From Address".into())
        );
    }
}

#[test]
fn guesses_end_in_403_and_an_unknown_user_is_asked_alike() {
    let mut world = World::new();
    for (user, last) in [("alice", 403), ("nobody", 403)] {
        let from = format!("From: <sip:{user}@example.com>;tag=1\r\n");
        let mut statuses = Vec::new();
        for _ in 0..5 {
            world.request(&invite("sip:bob@example.com", &from));
            let challenge = world.responses().pop().unwrap();
            let wrong = credentials(&challenge, user, "wrong", "INVITE", "sip:bob@example.com");
            statuses.push(
                world
                    .refused(&invite("sip:bob@example.com", &format!("{from}{wrong}")))
                    .0,
            );
        }
        assert_eq!(statuses, [407, 407, 407, 407, last], "{user}");
    }
}

#[test]
fn this_is_no_open_relay() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    for text in [
        invite("sip:dave@example.org", ""),
        message("MESSAGE", "sip:203.0.113.9", ""),
        message("OPTIONS", "sip:dave@example.org", ""),
        // A route behind us leads elsewhere, whatever the Request-URI.
        invite(
            "sip:bob@example.com",
            "Route: <sip:192.0.2.10;lr>, <sip:victim.example.org;lr>\r\n",
        ),
    ] {
        assert_eq!(world.refused(&text), (403, "No Relaying".into()), "{text}");
    }
    // Also not for one who claims to be a user.
    assert_eq!(
        world
            .refused(&message(
                "OPTIONS",
                "sip:dave@example.org",
                "From: <sip:alice@example.com>;tag=1\r\n"
            ))
            .0,
        407
    );
    assert_eq!(world.proxy.contexts(), 0);
    assert!(world.hops.is_empty());
}

#[test]
fn rfc3261_11_2_options_to_the_server_itself() {
    let mut world = World::new();
    world.proxy.config.handled = vec![Method::Message];
    world.proxy.abilities = options::abilities(&world.proxy.config);
    for uri in ["sip:example.com", "sip:192.0.2.10:5060", "sip:localhost"] {
        world.request(&message("OPTIONS", uri, ""));
        let response = world.responses().pop().unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{uri}");
        assert_eq!(
            response.headers().get(HeaderName::Allow),
            Some("OPTIONS, REGISTER, MESSAGE")
        );
        assert_eq!(response.headers().get(HeaderName::Supported), Some("path"));
        assert!(response.headers().contains(HeaderName::Accept));
    }
    // §11: one that may go no further is answered here, wherever it was going.
    world.request(&message(
        "OPTIONS",
        "sip:bob@example.com",
        "Max-Forwards: 0\r\n",
    ));
    assert_eq!(world.statuses(), [200]);
}

#[test]
fn rfc3261_8_2_2_3_options_that_requires_what_the_server_does_not_know() {
    let mut world = World::new();
    world.request(&message("OPTIONS", "sip:example.com", "Require: magic\r\n"));
    let response = world.responses().pop().unwrap();
    assert_eq!(response.status(), StatusCode::BAD_EXTENSION);
    assert_eq!(
        response.headers().get(HeaderName::Unsupported),
        Some("magic")
    );
}

#[test]
fn what_is_for_the_application_or_the_server_is_handed_back() {
    let mut world = World::new();
    world.proxy.config.handled = vec![Method::Message];
    assert!(
        world
            .request(&message("MESSAGE", "sip:bob@example.com", ""))
            .1
            .is_some()
    );
    assert!(
        world
            .request(&message("INVITE", "sip:example.com", ""))
            .1
            .is_some()
    );
    assert!(
        world
            .request(&message("MESSAGE", "sip:dave@example.org", ""))
            .1
            .is_none()
    );
    assert_eq!(world.statuses(), [403]);
}

#[test]
fn requests_on_their_way_are_bounded() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    world.proxy.config.max_contexts = 1;
    world.call_bob();
    world.request(&invite("sip:bob@example.com", "Call-ID: 2\r\n"));
    let response = world.responses().pop().unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers().get(HeaderName::RetryAfter), Some("10"));
}

/// Four calls where one may wait for its answer: as many as are known at a time. All are answered; their branches.
fn answered(world: &mut World) -> Vec<Sent> {
    world.bind("sip:bob@192.0.2.99", None);
    world.proxy.config.max_contexts = 1;
    let mut branches = Vec::new();
    for number in 0..4 {
        let call = format!("Call-ID: {number}\r\n");
        world.request(&invite("sip:bob@example.com", &call));
        let sent = world.sent();
        world.reply(&sent[0], 200);
        assert_eq!(world.statuses(), [200], "{number}");
        branches.extend(sent);
    }
    branches
}

/// Nothing is kept for requests that have ended.
fn assert_nothing_is_left(world: &World) {
    let proxy = &world.proxy;
    assert_eq!((proxy.contexts(), proxy.answered), (0, 0));
    assert_eq!((proxy.branches.len(), proxy.timers_c.len()), (0, 0));
    assert_eq!(proxy.kept.oldest(), None);
}

#[test]
fn the_oldest_that_only_waits_for_copies_is_forgotten_for_a_new_request() {
    let mut world = World::new();
    let mut branches = answered(&mut world);
    for number in 4..6 {
        let call = format!("Call-ID: {number}\r\n");
        world.request(&invite("sip:bob@example.com", &call));
        let sent = world.sent();
        assert_eq!(sent.len(), 1, "forwarded");
        assert_eq!(world.proxy.contexts(), 4);
        world.reply(&sent[0], 200);
        assert_eq!(world.statuses(), [200], "{number}");
        branches.extend(sent);
    }
    for (number, sent) in branches.iter().enumerate() {
        // A copy of the answer, as the callee sends it until it has an ACK.
        world.reply(sent, 200);
        let expected: &[u16] = if number < 2 { &[] } else { &[200] };
        assert_eq!(world.statuses(), expected, "{number}");
    }
    for sent in &branches {
        world.end(sent);
    }
    assert!(world.layer.take().is_empty());
    assert_nothing_is_left(&world);
}

#[test]
fn those_that_end_by_themselves_make_room_and_the_oldest_of_the_others_is_forgotten_then() {
    let mut world = World::new();
    let mut branches = answered(&mut world);
    world.end(&branches[0]);
    world.end(&branches[2]);
    for number in 4..7 {
        let call = format!("Call-ID: {number}\r\n");
        world.request(&invite("sip:bob@example.com", &call));
        let sent = world.sent();
        world.reply(&sent[0], 200);
        assert_eq!(world.statuses(), [200], "{number}");
        branches.extend(sent);
    }
    assert_eq!(world.proxy.contexts(), 4);
    for (number, is_known) in [(1, false), (3, true)] {
        world.reply(&branches[number], 200);
        assert_eq!(world.statuses().len(), usize::from(is_known), "{number}");
    }
    for number in [1, 3, 4, 5, 6] {
        world.end(&branches[number]);
    }
    assert_nothing_is_left(&world);
}

#[test]
fn none_is_forgotten_while_as_many_as_may_wait_for_their_answers() {
    let mut world = World::new();
    let mut branches = answered(&mut world);
    world.end(&branches[0]);
    let (_, waiting) = world.call_bob();
    let next = invite("sip:bob@example.com", "Call-ID: next\r\n");
    assert_eq!(world.refused(&next).0, 503);
    assert_eq!(world.proxy.contexts(), 4);
    for sent in &branches[1..] {
        world.reply(sent, 200);
        assert_eq!(world.statuses(), [200], "it is known still");
    }
    world.reply(&waiting[0], 486);
    assert_eq!(world.statuses(), [486]);
    world.request(&next);
    branches.extend(waiting);
    branches.extend(world.sent());
    assert_eq!(branches.len(), 6, "it is forwarded now");
    world.reply(&branches[5], 200);
    assert_eq!(world.statuses(), [200]);
    for sent in &branches[1..] {
        world.end(sent);
    }
    assert_nothing_is_left(&world);
}

#[test]
fn rfc3841_9_1_one_that_rings_elsewhere_after_its_answer_is_not_forgotten() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.98", None);
    world.bind("sip:bob@192.0.2.99", None);
    world.proxy.config.max_contexts = 1;
    let call = |number: usize| {
        let fields = format!("Request-Disposition: no-cancel\r\nCall-ID: {number}\r\n");
        invite("sip:bob@example.com", &fields)
    };
    let mut branches = Vec::new();
    for number in 0..4 {
        world.request(&call(number));
        let sent = world.sent();
        assert_eq!(sent.len(), 2);
        world.reply(&sent[0], 200);
        assert_eq!(world.statuses(), [200], "{number}");
        branches.extend(sent);
    }
    assert_eq!(
        world.refused(&call(4)).0,
        503,
        "each has a branch that may be answered too"
    );
    // The newest of them is over first.
    world.reply(&branches[7], 486);
    world.request(&call(4));
    let sent = world.sent();
    assert_eq!((sent.len(), world.proxy.contexts()), (2, 4));
    world.reply(&branches[1], 200);
    assert_eq!(world.statuses(), [200]);
    world.reply(&branches[6], 200);
    assert!(world.statuses().is_empty(), "the newest was forgotten");
    for (sent, status) in [
        (&branches[3], 486),
        (&branches[5], 486),
        (&sent[0], 486),
        (&sent[1], 486),
    ] {
        world.reply(sent, status);
    }
    for sent in branches.iter().chain(&sent) {
        world.end(sent);
    }
    assert_nothing_is_left(&world);
}

#[test]
fn a_store_that_does_not_answer_is_503() {
    let mut world = World::new();
    world.silent = true;
    world.request(&invite("sip:bob@example.com", ""));
    let due = world.proxy.poll_timeout().unwrap();
    assert_eq!(due, world.now + Duration::from_secs(10));
    world.proxy.handle_timeout(&mut world.layer, due);
    world.answer();
    assert_eq!(world.statuses(), [503]);
    assert_eq!((world.proxy.contexts(), world.proxy.waiting.len()), (0, 0));
}

#[test]
fn rfc5658_3_the_route_is_recorded_twice_when_the_scheme_changes() {
    let mut world = World::new();
    world.bind("sips:bob@192.0.2.99", None);
    world.kind = TransportKind::Tls;
    world.request_over(
        &invite("sip:bob@example.com", ""),
        flow(TransportKind::Tls, 0, "198.51.100.7:5061"),
    );
    let sent = world.sent();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute);
    assert_eq!(recorded.len(), 2);
    assert!(
        recorded[0].starts_with("<sips:192.0.2.10:5060;lr;m="),
        "{}",
        recorded[0]
    );
    assert!(
        recorded[1].starts_with("<sip:192.0.2.10:5060;transport=tls;lr;m="),
        "{}",
        recorded[1]
    );
}
