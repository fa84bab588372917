//! Statements of RFCs 5393, 6026 and 6665 about proxies that no other test shows, one by one (`conformance/`).

use super::*;

/// The branch that the layer below makes for a copy with this hash.
fn branch(hash: u64) -> String {
    format!("z9hG4bKw0003qk5zr0x6d1p8v9m2c7h4j3f1na.{hash:016x}")
}

fn looped(uri: &str, hash: u64, fields: &str) -> String {
    let via = format!("Via: SIP/2.0/UDP 192.0.2.10;branch={}\r\n", branch(hash));
    invite(uri, &format!("{via}{fields}"))
}

/// A proxy where bob is at two places.
fn forking() -> World {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.98", None);
    world.bind("sip:bob@192.0.2.99", None);
    world
}

#[test]
fn rfc5393_4_1_a_request_that_loops_is_not_forked() {
    let mut world = forking();
    let (_, sent) = world.call_bob();
    assert_eq!(sent.len(), 2);
    let (status, _) = world.refused(&looped("sip:bob@example.com", sent[0].loop_hash, ""));
    assert_eq!(status, 482);
    assert!(world.sent().is_empty());
}

#[test]
fn rfc5393_4_2_1_the_second_part_depends_on_what_decides_and_not_on_the_method() {
    let hash = |text: &str| {
        let mut world = forking();
        world.request(text);
        let sent = world.sent();
        sent.first().map(|sent| sent.loop_hash).unwrap()
    };
    let first = hash(&invite("sip:bob@example.com", ""));
    assert_eq!(
        first,
        hash(&invite("sip:bob@example.com", "")),
        "it is a hash"
    );
    let method = message("MESSAGE", "sip:bob@example.com", "");
    assert_eq!(first, hash(&method), "whatever the method");
    // The Request-URI and the Route.
    assert_ne!(first, hash(&invite("sip:bob@192.0.2.10", "")));
    let route = "Route: <sip:192.0.2.10:5060;lr>\r\n";
    assert_ne!(first, hash(&invite("sip:bob@example.com", route)));
}

#[test]
fn rfc5393_4_2_2_every_via_of_ours_is_looked_at() {
    let mut world = forking();
    let (_, sent) = world.call_bob();
    let hash = sent[0].loop_hash;
    // Not only the topmost: others stand between.
    let others = "Via: SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKx\r\nVia: SIP/2.0/TCP 203.0.113.2;branch=z9hG4bKy\r\n";
    let ours = format!("Via: SIP/2.0/UDP 192.0.2.10;branch={}\r\n", branch(hash));
    let text = invite("sip:bob@example.com", &format!("{others}{ours}"));
    assert_eq!(world.refused(&text).0, 482);
    // One with another second part, and one without any, are no loops.
    world.request(&looped("sip:bob@example.com", hash ^ 1, ""));
    assert_eq!(world.sent().len(), 2);
    let plain = "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKplain\r\n";
    world.request(&invite("sip:bob@example.com", plain));
    assert_eq!(world.sent().len(), 2);
}

#[test]
fn rfc5393_4_2_2_a_loop_is_seen_before_anything_is_forwarded() {
    let mut world = forking();
    let (_, sent) = world.call_bob();
    world.request(&looped("sip:bob@example.com", sent[1].loop_hash, ""));
    let calls = world.layer.take();
    assert!(
        matches!(&calls[..], [Call::Respond { response, .. }] if response.status() == StatusCode::LOOP_DETECTED),
        "{calls:?}"
    );
}

#[test]
fn rfc5393_4_2_4_the_hash_of_another_transaction_is_another() {
    let mut world = forking();
    let (_, one) = world.call_bob();
    for fields in [
        "Call-ID: another@example.net\r\n",
        "From: <sip:carol@example.net>;tag=2\r\n",
        "CSeq: 2 INVITE\r\n",
    ] {
        world.request(&invite("sip:bob@example.com", fields));
        assert_ne!(world.sent()[0].loop_hash, one[0].loop_hash, "{fields}");
    }
}

/// The breadth of each copy of a request with these fields to a user at so many places.
fn breadths(places: usize, fields: &str) -> Vec<u32> {
    let mut world = World::new();
    for place in 1..=places {
        world.bind(&format!("sip:bob@192.0.2.{place}"), None);
    }
    world.request(&invite("sip:bob@example.com", fields));
    let sent = world.sent();
    sent.iter()
        .map(|sent| {
            let values = values(&sent.request, HeaderName::MaxBreadth);
            assert_eq!(values.len(), 1, "one value");
            values[0].parse().unwrap()
        })
        .collect()
}

#[test]
fn rfc5393_5_3_3_breadth_is_60_where_there_is_none_or_more() {
    assert_eq!(breadths(1, ""), [60]);
    for given in ["61", "1000", "4294967295"] {
        assert_eq!(
            breadths(1, &format!("Max-Breadth: {given}\r\n")),
            [60],
            "{given}"
        );
    }
}

#[test]
fn rfc5393_5_3_3_what_goes_out_is_never_more_than_what_came_in_and_not_less_for_depth() {
    for given in [1_u32, 2, 3, 5, 7, 59, 60] {
        for places in 1..=5 {
            let out = breadths(places, &format!("Max-Breadth: {given}\r\n"));
            let sum: u32 = out.iter().sum();
            // What more than one of them could have is lost to nobody.
            assert_eq!(sum, given, "{given} to {places}: {out:?}");
            assert!(out.iter().all(|share| *share > 0));
        }
    }
}

#[test]
fn rfc5393_5_3_3_without_enough_it_forks_in_turn_and_with_nothing_it_is_440() {
    let mut world = World::new();
    for place in 1..=3 {
        world.bind(&format!("sip:bob@192.0.2.{place}"), None);
    }
    world.request(&invite("sip:bob@example.com", "Max-Breadth: 1\r\n"));
    for _ in 0..3 {
        let sent = world.sent();
        assert_eq!(sent.len(), 1, "one at a time");
        world.reply(&sent[0], 486);
    }
    let mut world = forking();
    assert_eq!(
        world
            .refused(&invite("sip:bob@example.com", "Max-Breadth: 0\r\n"))
            .0,
        440
    );
}

#[test]
fn rfc5393_5_3_3_1_the_breadth_of_who_has_answered_is_used_again() {
    let mut world = World::new();
    for place in 1..=4 {
        world.bind(&format!("sip:bob@192.0.2.{place}"), None);
    }
    world.request(&invite("sip:bob@example.com", "Max-Breadth: 2\r\n"));
    let first = world.sent();
    assert_eq!(first.len(), 2);
    world.reply(&first[0], 486);
    world.reply(&first[1], 486);
    let next = world.sent();
    assert_eq!(next.len(), 2);
    for sent in &next {
        assert_eq!(values(&sent.request, HeaderName::MaxBreadth), ["1"]);
    }
}

/// A response of no transaction of ours, and what becomes of it.
fn stray_is_not_forwarded() {
    let mut world = forking();
    let (_, sent) = world.call_bob();
    let mut received = sent[0].request.clone();
    received
        .headers_mut()
        .push_front(HeaderName::Via, "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKgone");
    for status in [180, 200, 486] {
        let status = StatusCode::from_u16(status).unwrap();
        let response = Response::to(&received, status).to_tag("t").build().unwrap();
        let flow = flow(TransportKind::Udp, 1, "192.0.2.99:5060");
        assert!(
            world
                .input(Event::Stray {
                    response: response.into(),
                    flow
                })
                .is_some()
        );
        assert!(world.layer.take().is_empty());
    }
    // One that has a transaction is.
    world.reply(&sent[0], 180);
    assert_eq!(world.statuses(), [180]);
}

#[test]
fn rfc6026_6_a_response_to_nothing_is_not_forwarded() {
    stray_is_not_forwarded();
}

#[test]
fn rfc6026_7_3_a_response_to_nothing_is_not_forwarded() {
    stray_is_not_forwarded();
}

#[test]
fn rfc6026_8_2_a_response_to_nothing_is_not_forwarded() {
    stray_is_not_forwarded();
}

#[test]
fn rfc6665_4_3_who_is_on_the_route_of_a_subscribe_is_on_that_of_each_notify() {
    // The subscriber makes its route of the NOTIFY: without us there, its refreshes went past us.
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    world.request(&message(
        "SUBSCRIBE",
        "sip:bob@example.com",
        "Event: presence\r\nContact: <sip:carol@198.51.100.7>\r\n",
    ));
    let sent = world.sent();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute)[0].to_owned();
    assert!(
        recorded.starts_with("<sip:192.0.2.10:5060;lr;m="),
        "{recorded}"
    );
    for number in 1..4 {
        let fields = format!(
            "From: <sip:bob@example.com>;tag=2\r\nTo: <sip:carol@example.net>;tag=1\r\nCSeq: {number} NOTIFY\r\n\
             Contact: <sip:bob@192.0.2.99>\r\nRoute: {recorded}\r\n"
        );
        world.request(&message("NOTIFY", "sip:carol@198.51.100.7", &fields));
        let sent = world.sent();
        assert_eq!(
            values(&sent[0].request, HeaderName::RecordRoute),
            [recorded.as_str()]
        );
    }
}

#[test]
fn rfc6665_4_3_who_is_not_on_the_route_of_a_subscribe_is_not_on_that_of_its_notify() {
    // A NOTIFY that comes without a route of ours is of no SUBSCRIBE that was recorded here.
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    for route in [
        "",
        "Route: <sip:192.0.2.10:5060;lr>\r\n",
        "Route: <sip:192.0.2.10:5060;lr;m=00>\r\n",
    ] {
        let fields = format!("To: <sip:bob@example.com>;tag=1\r\nCSeq: 1 NOTIFY\r\n{route}");
        world.request(&message("NOTIFY", "sip:bob@example.com", &fields));
        let sent = world.sent();
        assert_eq!(sent.len(), 1, "{route}");
        assert!(
            !sent[0].request.headers().contains(HeaderName::RecordRoute),
            "{route}"
        );
    }
}

#[test]
fn rfc6665_4_4_4_a_proxy_adds_no_allow_events() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    let (_, sent) = world.call_bob();
    assert!(!sent[0].request.headers().contains(HeaderName::AllowEvents));
    world.reply(&sent[0], 200);
    let responses = world.responses();
    assert!(!responses[0].headers().contains(HeaderName::AllowEvents));
}

#[test]
fn rfc4028_8_2_the_interval_of_a_response_passes_unchanged() {
    for value in ["90;refresher=uac", "1800;refresher=uas", "4294967295"] {
        let mut world = World::new();
        world.bind("sip:bob@192.0.2.99", None);
        world.request(&invite(
            "sip:bob@example.com",
            "Supported: timer\r\nSession-Expires: 1800\r\n",
        ));
        let sent = world.sent();
        assert_eq!(
            sent[0].request.headers().get(HeaderName::SessionExpires),
            Some("1800")
        );
        let fields = [(HeaderName::SessionExpires, value)];
        world.reply_with(&sent[0], 200, &fields);
        let responses = world.responses();
        assert_eq!(
            responses[0].headers().get(HeaderName::SessionExpires),
            Some(value)
        );
    }
}

/// No refresher is added, no interval made shorter or longer, no least one named: nothing is asked for.
#[test]
fn rfc4028_8_1_the_intervals_of_a_request_pass_unchanged() {
    let names = [
        HeaderName::SessionExpires,
        HeaderName::MinSe,
        HeaderName::Supported,
        HeaderName::Require,
    ];
    for fields in [
        "",
        "Supported: timer\r\n",
        "Session-Expires: 30\r\n",
        "Session-Expires: 1800;refresher=uas\r\nMin-SE: 1800\r\n",
        "Supported: timer\r\nSession-Expires: 4294967295\r\nMin-SE: 3600\r\n",
        "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n",
    ] {
        let mut world = World::new();
        world.bind("sip:bob@192.0.2.99", None);
        let text = invite("sip:bob@example.com", fields);
        world.request(&text);
        let sent = world.sent();
        for name in names.clone() {
            assert_eq!(
                sent[0].request.headers().get(name.clone()),
                parse(&text).headers().get(name),
                "{fields}"
            );
        }
    }
}

#[test]
fn rfc4028_8_3_a_proxy_sends_no_bye() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    world.request(&invite("sip:bob@example.com", "Session-Expires: 90\r\n"));
    let sent = world.sent();
    world.reply_with(
        &sent[0],
        200,
        &[(HeaderName::SessionExpires, "90;refresher=uac")],
    );
    world.end(&sent[0]);
    let _ = world.layer.take();
    while let Some(due) = world.proxy.poll_timeout() {
        world.now = world.now.max(due);
        world.proxy.handle_timeout(&mut world.layer, world.now);
        world.answer();
    }
    assert!(world.layer.take().is_empty());
}

/// bob's telephone with two flows; the newer is tried first.
fn two_flows(newer: &str) -> World {
    let mut world = World::new();
    world.bind_flow("sip:bob@10.0.0.1", "old", Some(("<urn:uuid:1>", 1)), 60);
    world.bind_flow("sip:bob@10.0.0.1", newer, Some(("<urn:uuid:1>", 2)), 90);
    world
}

/// A 430 leads to the other flow of the same instance.
fn the_other_flow_follows_a_430() {
    let mut world = two_flows("new");
    let (_, sent) = world.call_bob();
    assert_eq!(world.tokens, [Some("new".into())]);
    world.reply(&sent[0], 430);
    assert_eq!(world.sent().len(), 1);
    assert_eq!(world.tokens, [Some("new".into()), Some("old".into())]);
}

#[test]
fn rfc5626_7_a_flow_that_failed_is_followed_by_the_other_of_its_instance() {
    the_other_flow_follows_a_430();
}

#[test]
fn rfc5626_11_5_a_flow_that_failed_is_followed_by_the_other_of_its_instance() {
    the_other_flow_follows_a_430();
}

#[test]
fn rfc5626_7_any_other_final_response_is_that_of_the_instance() {
    for status in [404, 480, 486, 500, 603] {
        let mut world = two_flows("new");
        let (_, sent) = world.call_bob();
        world.reply(&sent[0], status);
        assert_eq!(world.tokens, [Some("new".into())], "{status}");
        assert_eq!(world.statuses().len(), 1, "{status}");
    }
}

#[test]
fn rfc5626_7_the_request_goes_by_the_flow_of_the_binding() {
    let mut world = World::new();
    world.bind_flow("sip:bob@10.0.0.1", "bobs", None, 60);
    let (_, sent) = world.call_bob();
    assert_eq!(sent.len(), 1);
    assert_eq!(world.tokens, [Some("bobs".into())]);
}

#[test]
fn rfc5626_7_a_binding_whose_flow_is_gone_is_no_target() {
    // The other flow of the instance is used at once, and without one the user is not there, whatever the contact says.
    let mut world = two_flows("dead");
    let (_, sent) = world.call_bob();
    assert_eq!(sent.len(), 1);
    assert_eq!(world.tokens.last(), Some(&Some("old".to_owned())));
    let mut world = World::new();
    world.bind_flow("sip:bob@192.0.2.99", "dead", Some(("<urn:uuid:1>", 1)), 60);
    world.request(&invite("sip:bob@example.com", ""));
    assert!(
        world
            .layer
            .calls()
            .iter()
            .all(|call| !matches!(call, Call::Forward { .. }))
    );
    assert_eq!(world.statuses(), [480]);
}

#[test]
fn rfc5626_5_3_1_a_flow_that_is_no_more_is_430_to_the_server_that_has_the_binding() {
    let mut world = World::new();
    let seed = Seed::from_bytes([3; 32]);
    let node = Node::new(Uri::parse("sip:192.0.2.10:5060").unwrap(), &seed);
    let route = node.route("dead").unwrap();
    world.proxy.config.node = Some(node);
    let fields = format!("Route: {route}\r\n");
    assert_eq!(world.refused(&invite("sip:bob@10.0.0.1", &fields)).0, 430);
}
