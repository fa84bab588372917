use super::*;

#[test]
fn the_first_send_connects_and_the_rest_waits() {
    let mut bench = Bench::new();
    let flow = bench.select("sip:192.0.2.9;transport=tcp", 500).unwrap()[0];
    // RFC 3261 §18.1.1: the sent-by is where we listen, not where we connect from.
    assert_eq!(flow.sent_by().to_string(), "192.0.2.1:5060");
    let outputs = bench.send(flow.id, b"one\r");
    assert_eq!(words(&outputs), ["connect TCP 192.0.2.9:5060"]);
    assert!(bench.send(flow.id, b"two\r").is_empty());
    let Output::Connect {
        connection, local, ..
    } = outputs[0]
    else {
        panic!()
    };
    assert_eq!(local, Some("192.0.2.1".parse().unwrap()));
    let outputs = bench.input(Input::Connected {
        connection,
        local: addr("192.0.2.1:33000"),
    });
    assert_eq!(words(&outputs), ["stream one", "stream two"]);
    // The connection is used again.
    assert_eq!(
        bench.select("sip:192.0.2.9;transport=tcp", 500).unwrap(),
        [flow]
    );
    assert_eq!(words(&bench.send(flow.id, b"three\r")), ["stream three"]);
    // RFC 3261 §18.1.2: the answer comes over it.
    assert_eq!(
        words(&bench.stream(
            connection,
            response("SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1")
        )),
        ["200"]
    );
}

#[test]
fn rfc3261_18_1_1_the_sent_by_is_where_we_listen() {
    let mut bench = Bench::new();
    for uri in ["sip:192.0.2.9", "sip:192.0.2.9;transport=tcp"] {
        let flow = bench.select(uri, 500).unwrap()[0];
        assert_eq!(flow.sent_by().to_string(), "192.0.2.1:5060");
    }
    // Without a TCP listener the UDP socket's address stands for us, not the port of the connection.
    bench.transports.remove_listener(TCP, bench.now);
    let flow = bench.select("sip:192.0.2.10;transport=tcp", 500).unwrap()[0];
    assert_eq!(flow.sent_by().to_string(), "192.0.2.1:5060");
}

#[test]
fn a_connection_that_cannot_be_opened_fails_the_flow() {
    let mut bench = Bench::new();
    let flow = bench.select("sip:192.0.2.9;transport=tcp", 500).unwrap()[0];
    let Output::Connect { connection, .. } = bench.send(flow.id, b"x")[0] else {
        panic!()
    };
    let outputs = bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Refused),
    });
    assert_eq!(words(&outputs), ["failed Connect(Refused)"]);
    assert_eq!(
        bench.transports.send(flow.id, Bytes::new(), bench.now),
        Err(Gone)
    );

    let flow = bench.select("sip:192.0.2.9;transport=tcp", 500).unwrap()[0];
    bench.send(flow.id, b"x");
    assert_eq!(
        words(&bench.pass(Duration::from_secs(10))),
        ["close", "failed Connect(TimedOut)"]
    );
    assert_eq!(bench.transports.stats().connections, 0);
    // That the place failed is remembered for a while.
    assert!(bench.pass(Duration::from_secs(60)).is_empty());
    assert_eq!(bench.transports.poll_timeout(), None);
}

#[test]
fn rfc3261_18_1_1_large_requests_go_over_tcp_first() {
    let mut bench = Bench::new();
    let kinds = |flows: Vec<Flow>| flows.iter().map(|flow| flow.kind).collect::<Vec<_>>();
    assert_eq!(
        kinds(bench.select("sip:192.0.2.9", 1300).unwrap()),
        [TransportKind::Udp]
    );
    assert_eq!(
        kinds(bench.select("sip:192.0.2.9", 1301).unwrap()),
        [TransportKind::Tcp, TransportKind::Udp]
    );
}

#[test]
fn rfc3261_26_2_2_sips_is_refused_without_a_secure_transport() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.select("sips:192.0.2.9", 500),
        Err(SelectError::NoSecureTransport)
    );
    assert_eq!(
        bench.select("sips:192.0.2.9;transport=tcp", 500),
        Err(SelectError::NoSecureTransport)
    );
    assert_eq!(
        bench.select("sip:192.0.2.9;transport=ws", 500),
        Err(SelectError::NoTransport(TransportKind::Ws))
    );
    assert_eq!(
        bench.select("sip:[2001:db8::1]", 500),
        Err(SelectError::NoRoute)
    );
}

#[test]
fn names_are_resolved_first() {
    let mut bench = Bench::new();
    let target =
        Target::from_uri(sip_message::UriRef::parse("sip:Example.com:5070").unwrap()).unwrap();
    assert_eq!(target.host, TargetHost::Name("example.com".into()));
    let id = bench.transports.select(&target, 500, bench.now);
    let outputs = bench.drain();
    assert_eq!(words(&outputs), ["resolve Address example.com"]);
    let Output::Resolve {
        id: resolve,
        question: Question::Address,
        ..
    } = outputs[0]
    else {
        panic!()
    };
    let ips = vec![
        "2001:db8::1".parse().unwrap(),
        "192.0.2.9".parse().unwrap(),
        "192.0.2.10".parse().unwrap(),
    ];
    let outputs = bench.input(Input::Resolved {
        id: resolve,
        result: Ok(Answer::Addresses(ips)),
    });
    // The address of a family that we do not have is left out.
    assert_eq!(
        words(&outputs),
        ["selected UDP 192.0.2.9:5070, UDP 192.0.2.10:5070"]
    );
    assert!(matches!(outputs[0], Output::Event(Event::Selected { id: done, .. }) if done == id));
    // A second answer is late.
    assert!(
        bench
            .input(Input::Resolved {
                id: resolve,
                result: Ok(Answer::Addresses(Vec::new()))
            })
            .is_empty()
    );
    assert_eq!(bench.transports.stats().selections, 0);
}

#[test]
fn a_resolver_that_answers_nothing_is_not_waited_for() {
    let mut bench = Bench::with(|config| config.limits.selections = 2);
    let target = Target::from_uri(sip_message::UriRef::parse("sip:example.com").unwrap()).unwrap();
    for _ in 0..3 {
        bench.transports.select(&target, 500, bench.now);
    }
    let asked = bench.drain();
    assert_eq!(words(&asked)[2], "selected Limit");
    assert_eq!(
        words(&bench.pass(Duration::from_secs(10))),
        ["selected TimedOut", "selected TimedOut"]
    );
    let Output::Resolve { id, .. } = asked[0] else {
        panic!()
    };
    assert!(
        bench
            .input(Input::Resolved {
                id,
                result: Ok(Answer::Addresses(Vec::new()))
            })
            .is_empty()
    );
    assert_eq!(bench.transports.poll_timeout(), None);
}

#[test]
fn an_accepted_connection_is_used_to_reach_its_peer() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    assert_eq!(
        bench
            .select("sip:192.0.2.9:40000;transport=tcp", 500)
            .unwrap(),
        [flow]
    );
    let now = bench.now;
    assert_eq!(
        bench
            .transports
            .flow_to(TransportKind::Tcp, TCP, addr(PEER), now),
        Some(flow)
    );
}

#[test]
fn is_local_knows_the_addresses_and_the_default_port() {
    let bench = Bench::new();
    let host = |text| Host::parse(text).unwrap();
    assert!(bench.transports.is_local(&host("192.0.2.1"), None));
    assert!(bench.transports.is_local(&host("192.0.2.1"), Some(5060)));
    assert!(!bench.transports.is_local(&host("192.0.2.1"), Some(5061)));
    assert!(!bench.transports.is_local(&host("192.0.2.2"), None));
    assert!(!bench.transports.is_local(&host("example.com"), None));
}

#[test]
fn an_interface_that_goes_away_takes_its_flows() {
    let mut bench = Bench::new();
    let flow = flow_of(&bench.datagram(
        PEER,
        request("SIP/2.0/UDP h;branch=z9hG4bK1;rport", "OPTIONS", ""),
    ));
    bench.transports.remove_listener(UDP, bench.now);
    assert_eq!(words(&bench.drain()), ["failed Closed"]);
    assert_eq!(
        bench.transports.send(flow.id, Bytes::new(), bench.now),
        Err(Gone)
    );
    assert!(bench.datagram(PEER, options()).is_empty());
    // What is left stands in: a connection.
    assert_eq!(
        bench.select("sip:192.0.2.9", 500).unwrap()[0].kind,
        TransportKind::Tcp
    );
}

#[test]
fn poll_timeout_is_now_while_output_waits() {
    let mut bench = Bench::new();
    let now = bench.now;
    assert_eq!(bench.transports.poll_timeout(), None);
    bench.transports.select(
        &Target::ip("192.0.2.9".parse().unwrap(), None, None),
        500,
        now,
    );
    assert_eq!(bench.transports.poll_timeout(), Some(now));
    bench.drain();
    assert_eq!(
        bench.transports.poll_timeout(),
        Some(now + Duration::from_secs(600))
    );
}

/// Selects a name with two addresses; the flows in order.
fn select_two(bench: &mut Bench) -> Vec<Flow> {
    let uri = sip_message::UriRef::parse("sip:example.com;transport=tcp").unwrap();
    bench
        .transports
        .select(&Target::from_uri(uri).unwrap(), 500, bench.now);
    let Output::Resolve { id, .. } = bench.drain()[0] else {
        panic!()
    };
    let ips = vec!["192.0.2.11".parse().unwrap(), "192.0.2.12".parse().unwrap()];
    let outputs = bench.input(Input::Resolved {
        id,
        result: Ok(Answer::Addresses(ips)),
    });
    match &outputs[..] {
        [
            Output::Event(Event::Selected {
                result: Ok(flows), ..
            }),
        ] => flows.clone(),
        outputs => panic!("{outputs:?}"),
    }
}

#[test]
fn rfc3263_4_3_a_place_that_failed_comes_last_until_it_heals() {
    let last = |flows: Vec<Flow>| flows[1].remote.ip().to_string();
    let mut bench = Bench::new();
    let flows = select_two(&mut bench);
    assert_eq!(flows[0].remote, addr("192.0.2.11:5060"));
    let Output::Connect { connection, .. } = bench.send(flows[0].id, b"x")[0] else {
        panic!()
    };
    bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Refused),
    });
    assert_eq!(last(select_two(&mut bench)), "192.0.2.11");
    // What the layers above notice counts too.
    let flows = select_two(&mut bench);
    bench.transports.report_failure(flows[0].id, bench.now);
    bench.pass(Duration::from_secs(30));
    assert_eq!(last(select_two(&mut bench)), "192.0.2.12");
    // Time heals.
    bench.pass(Duration::from_secs(31));
    assert_eq!(last(select_two(&mut bench)), "192.0.2.12");
    assert!(bench.transports.failing.is_empty());
    // So does success.
    let flows = select_two(&mut bench);
    bench.transports.report_failure(flows[0].id, bench.now);
    assert_eq!(last(select_two(&mut bench)), "192.0.2.11");
    let Output::Connect { connection, .. } = bench.send(flows[0].id, b"x")[0] else {
        panic!()
    };
    bench.input(Input::Connected {
        connection,
        local: addr("192.0.2.1:33000"),
    });
    assert_eq!(last(select_two(&mut bench)), "192.0.2.12");
}

#[test]
fn failed_places_do_not_pile_up() {
    let mut bench = Bench::with(|config| config.limits.failing = 10);
    for n in 1..=200 {
        let flow = bench.select(&format!("sip:198.51.100.{n}"), 500).unwrap()[0];
        bench.input(Input::DatagramFailed {
            listener: UDP,
            remote: flow.remote,
        });
    }
    assert_eq!(bench.transports.failing.len(), 10);
    bench.pass(Duration::from_secs(60));
    assert!(bench.transports.failing.is_empty());
}

#[test]
fn a_known_target_is_what_the_long_way_would_choose() {
    let mut bench = Bench::new();
    let first = bench.select("sip:192.0.2.9:40000", 500).unwrap();
    assert_eq!(bench.select("sip:192.0.2.9:40000", 500).unwrap(), first);
    assert_eq!(
        bench
            .select("sip:192.0.2.9:40000;transport=udp", 500)
            .unwrap(),
        first
    );
    // Too large for a datagram.
    let large = bench.select("sip:192.0.2.9:40000", 1301).unwrap();
    assert_eq!(large[0].kind, TransportKind::Tcp);
    assert_eq!(large[1], first[0]);
    // Another transport, another port.
    let tcp = bench
        .select("sip:192.0.2.9:40000;transport=tcp", 500)
        .unwrap();
    assert_eq!(tcp, large[..1]);
    assert_ne!(bench.select("sip:192.0.2.9", 500).unwrap(), first);
    // The flow is used, and so it lives on.
    for _ in 0..5 {
        assert!(
            bench.pass(Duration::from_secs(500)).is_empty()
                || bench.transports.flow(first[0].id).is_some()
        );
        assert_eq!(bench.select("sip:192.0.2.9:40000", 500).unwrap(), first);
    }
    // Gone and made again.
    bench.transports.close(first[0].id, bench.now);
    let second = bench.select("sip:192.0.2.9:40000", 500).unwrap();
    assert_ne!(second[0].id, first[0].id);
    assert_eq!(bench.select("sip:192.0.2.9:40000", 500).unwrap(), second);
    // A socket that reaches it better.
    let better = ListenerId::new(7);
    bench
        .transports
        .add_listener(better, TransportKind::Udp, addr("192.0.2.8:5060"));
    let third = bench.select("sip:192.0.2.9:40000", 500).unwrap();
    assert_eq!(third[0].local, addr("192.0.2.8:5060"));
    bench.transports.remove_listener(better, bench.now);
    bench.drain();
    assert_eq!(bench.select("sip:192.0.2.9:40000", 500).unwrap(), second);
}

#[test]
fn an_interface_that_goes_away_fails_its_flows_and_is_not_chosen_again() {
    let mut bench = Bench::new();
    let better = ListenerId::new(9);
    bench.transports.remove_listener(UDP, bench.now);
    bench.drain();
    bench
        .transports
        .add_listener(better, TransportKind::Udp, addr("192.0.2.2:5060"));
    bench
        .transports
        .add_listener(UDP, TransportKind::Udp, addr("192.0.2.1:5060"));
    let flow = bench.select("sip:192.0.2.9", 500).unwrap()[0];
    assert_eq!(flow.local, addr("192.0.2.2:5060"));
    let target = Target::from_uri(sip_message::UriRef::parse("sip:192.0.2.9").unwrap()).unwrap();
    let now = bench.now;
    assert_eq!(bench.transports.known_flow(&target, 500, now), Some(flow));
    // What was sent over it may be lost: whoever waits for an answer is told.
    bench.transports.remove_listener(better, now);
    assert_eq!(words(&bench.drain()), ["failed Closed"]);
    assert!(bench.transports.send(flow.id, "x".into(), now).is_err());
    assert_eq!(bench.transports.known_flow(&target, 500, now), None);
    // What arrived before the driver noticed is nobody's.
    let late = bench.input(Input::Datagram {
        listener: better,
        remote: addr(PEER),
        local: None,
        payload: request("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1", "OPTIONS", "").into(),
    });
    assert!(late.is_empty(), "{late:?}");
    assert_eq!(bench.transports.stats().bad_source, 1);
    // The other interface takes over.
    let flow = bench.select("sip:192.0.2.9", 500).unwrap()[0];
    assert_eq!(flow.local, addr("192.0.2.1:5060"));
}

#[test]
fn rfc3261_18_an_open_connection_to_the_address_is_known() {
    let mut bench = Bench::new();
    let uri = sip_message::UriRef::parse("sip:192.0.2.9:40000;transport=tcp").unwrap();
    let (target, now) = (Target::from_uri(uri).unwrap(), bench.now);
    assert_eq!(bench.transports.known_flow(&target, 500, now), None);
    let (connection, _) = bench.accept(1, PEER);
    let flow = bench.transports.known_flow(&target, 2000, now).unwrap();
    assert_eq!((flow.kind, flow.remote), (TransportKind::Tcp, addr(PEER)));
    // It is what selecting answers, for the other transports do not come into it.
    assert_eq!(
        bench.select("sip:192.0.2.9:40000;transport=tcp", 2000),
        Ok(vec![flow])
    );
    assert_eq!(
        bench.transports.known_flow(
            &Target::ip(addr(PEER).ip(), Some(40000), Some(TransportKind::Tls)),
            500,
            now
        ),
        None
    );
    bench.input(Input::Closed {
        connection,
        error: None,
    });
    assert_eq!(bench.transports.known_flow(&target, 500, now), None);
}

#[test]
fn a_place_that_fails_makes_no_other_unknown() {
    let mut bench = Bench::new();
    let (failing, known) = (
        bench.select("sip:192.0.2.8", 500).unwrap(),
        bench.select("sip:192.0.2.9", 500).unwrap(),
    );
    let now = bench.now;
    bench.transports.report_failure(failing[0].id, now);
    let target = |flows: &[Flow]| Target::ip(flows[0].remote.ip(), None, None);
    for flows in [&known, &failing] {
        let found = bench.transports.known_flow(&target(flows), 500, now);
        assert_eq!(found, Some(flows[0]));
    }
    // The same by the long way, which is taken again once the sockets are others.
    bench
        .transports
        .add_listener(UDP, TransportKind::Udp, addr("192.0.2.1:5060"));
    for flows in [&known, &failing] {
        let target = target(flows);
        assert_eq!(bench.transports.known_flow(&target, 500, now), None);
        let again = bench.select(&format!("sip:{}", flows[0].remote.ip()), 500);
        assert_eq!(again.as_ref(), Ok(flows));
        let found = bench.transports.known_flow(&target, 500, now);
        assert_eq!(found, Some(flows[0]));
    }
}
