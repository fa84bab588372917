//! Security handshakes, as the core sees them.

use std::sync::Arc;

use super::*;
use crate::identity::PeerIdentity;

const TLS: ListenerId = ListenerId::new(2);

fn bench() -> Bench {
    let mut bench = Bench::with(|config| config.client_transports.push(TransportKind::Tls));
    bench
        .transports
        .add_listener(TLS, TransportKind::Tls, addr("192.0.2.1:5061"));
    bench
}

fn accept(bench: &mut Bench, number: u64) -> ConnectionId {
    let connection = ConnectionId::accepted(number);
    let outputs = bench.input(Input::Accepted {
        connection,
        listener: TLS,
        remote: addr(PEER),
    });
    assert!(outputs.is_empty());
    connection
}

fn example() -> Option<Arc<PeerIdentity>> {
    Some(Arc::new(PeerIdentity::from_names(
        ["sip:example.com", "sip:example.net"],
        [],
        [],
    )))
}

/// Opens a connection to a domain, whose certificate proves this.
fn connected(bench: &mut Bench, uri: &str, peer: Option<Arc<PeerIdentity>>) -> Flow {
    connected_over(bench, uri, peer).0
}

/// The same, with the connection.
fn connected_over(
    bench: &mut Bench,
    uri: &str,
    peer: Option<Arc<PeerIdentity>>,
) -> (Flow, ConnectionId) {
    let flow = select(bench, uri);
    let Output::Connect {
        connection,
        ref server_name,
        ..
    } = bench.send(flow.id, b"x")[0]
    else {
        panic!()
    };
    assert_eq!(server_name.as_deref(), Some("example.com"));
    assert!(bench.input(Input::Secured { connection, peer }).is_empty());
    let local = addr("192.0.2.1:33000");
    bench.input(Input::Connected { connection, local });
    (flow, connection)
}

fn select(bench: &mut Bench, uri: &str) -> Flow {
    let target = Target::from_uri(sip_message::UriRef::parse(uri).unwrap()).unwrap();
    bench.transports.select(&target, 500, bench.now);
    let Output::Resolve { id, .. } = bench.drain()[0] else {
        panic!()
    };
    let result = Ok(Answer::Addresses(vec![addr(PEER).ip()]));
    let outputs = bench.input(Input::Resolved { id, result });
    let Output::Event(Event::Selected { result, .. }) = &outputs[0] else {
        panic!()
    };
    result.as_ref().unwrap()[0]
}

#[test]
fn a_handshake_has_its_own_time() {
    let mut bench = bench();
    accept(&mut bench, 1);
    assert!(bench.pass(Duration::from_millis(9_999)).is_empty());
    assert_eq!(
        words(&bench.pass(Duration::from_millis(1))),
        ["close", "failed Slow"]
    );
    assert_eq!(bench.transports.stats().failed_handshakes, 1);
    assert_eq!(bench.transports.stats().connections, 0);
    // Once it is done, the first message has its time.
    let connection = accept(&mut bench, 2);
    bench.input(Input::Secured {
        connection,
        peer: None,
    });
    assert!(bench.pass(Duration::from_secs(29)).is_empty());
    assert_eq!(bench.pass(Duration::from_secs(1)).len(), 3);
    assert_eq!(bench.transports.stats().failed_handshakes, 1);
}

#[test]
fn a_handshake_that_fails_is_counted() {
    let mut bench = bench();
    let connection = accept(&mut bench, 1);
    let outputs = bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Security),
    });
    assert_eq!(words(&outputs), ["failed Lost(Security)"]);
    assert_eq!(bench.transports.stats().failed_handshakes, 1);
}

#[test]
fn rfc5922_7_4_the_identity_of_the_peer_is_known_while_the_connection_lives() {
    let mut bench = bench();
    let connection = accept(&mut bench, 1);
    bench.input(Input::Secured {
        connection,
        peer: example(),
    });
    let flow = flow_of(&bench.stream(connection, options()));
    let peer = |bench: &Bench| bench.transports.peer_identity(flow.id).cloned();
    assert!(peer(&bench).unwrap().proves("example.com"));
    let kept = bench.transports.shared_peer_identity(flow.id);
    bench.input(Input::Closed {
        connection,
        error: None,
    });
    assert_eq!(peer(&bench), None);
    assert_eq!(bench.transports.shared_peer_identity(flow.id), None);
    // What was kept with the message outlives the connection.
    assert!(kept.unwrap().proves("example.com"));
}

#[test]
fn rfc5923_a_connection_is_used_for_other_domains_that_it_proved() {
    let mut bench = bench();
    let flow = connected(&mut bench, "sips:example.com:40000", example());
    assert_eq!(select(&mut bench, "sips:example.com:40000"), flow);
    assert_eq!(select(&mut bench, "sips:example.net:40000"), flow);
    assert_ne!(select(&mut bench, "sips:example.org:40000"), flow);
}

#[test]
fn rfc3261_26_2_2_sips_goes_over_tls_to_port_5061() {
    let mut bench = bench();
    for uri in [
        "sips:192.0.2.9",
        "sips:192.0.2.9;transport=tcp",
        "sip:192.0.2.9;transport=tls",
    ] {
        let flow = bench.select(uri, 5000).unwrap()[0];
        assert_eq!(flow.kind, TransportKind::Tls);
        assert_eq!(flow.remote, addr("192.0.2.9:5061"));
        assert_eq!(flow.sent_by().to_string(), "192.0.2.1:5061");
    }
    assert_eq!(
        bench.select("sips:192.0.2.9;transport=udp", 500),
        Err(SelectError::NoSecureTransport)
    );
}

#[test]
fn rfc3261_8_1_1_8_without_a_listener_the_address_of_the_connection_is_ours() {
    let mut bench = Bench::with(|config| config.client_transports.push(TransportKind::Tls));
    let target = Target::from_uri(sip_message::UriRef::parse("sips:192.0.2.9").unwrap()).unwrap();
    bench.transports.select(&target, 500, bench.now);
    let outputs = bench.drain();
    assert_eq!(words(&outputs), ["connect TLS 192.0.2.9:5061"]);
    let Output::Connect { connection, .. } = outputs[0] else {
        panic!()
    };
    let local = addr("192.0.2.1:33000");
    let outputs = bench.input(Input::Connected { connection, local });
    let Some(Output::Event(Event::Selected { result, .. })) = outputs.last() else {
        panic!("{outputs:?}")
    };
    let flow = result.as_ref().unwrap()[0];
    assert_eq!(flow.sent_by().to_string(), "192.0.2.1:33000");
    // It is open, so the next selection has it at once; a response to what we send over it is ours.
    assert_eq!(bench.select("sips:192.0.2.9", 500).unwrap(), [flow]);
    assert_eq!(words(&bench.send(flow.id, b"x\r")), ["stream x"]);
    let via = "SIP/2.0/TLS 192.0.2.1:33000;branch=z9hG4bK1";
    assert_eq!(words(&bench.stream(connection, response(via))), ["200"]);
}

#[test]
fn rfc3263_4_3_without_a_listener_the_next_host_is_connected_to_before_it_is_used() {
    let mut bench = Bench::with(|config| {
        config.client_transports.push(TransportKind::Tls);
        config.service_records = true;
    });
    let uri = sip_message::UriRef::parse("sips:example.com;transport=tls").unwrap();
    let target = Target::from_uri(uri).unwrap();
    bench.transports.select(&target, 500, bench.now);
    let Output::Resolve { id, .. } = bench.drain()[0] else {
        panic!()
    };
    let record = |priority, target: &str| crate::io::SrvRecord {
        priority,
        weight: 0,
        port: 5061,
        target: target.into(),
    };
    let result = Ok(Answer::Srv(vec![
        record(1, "a.example"),
        record(2, "b.example"),
    ]));
    let mut outputs = bench.input(Input::Resolved { id, result });
    let mut asked = Vec::new();
    for (output, ip) in outputs.drain(..).zip(["192.0.2.8", "192.0.2.9"]) {
        let Output::Resolve { id, .. } = output else {
            panic!()
        };
        let result = Ok(Answer::Addresses(vec![ip.parse().unwrap()]));
        asked.extend(bench.input(Input::Resolved { id, result }));
    }
    assert_eq!(words(&asked), ["connect TLS 192.0.2.8:5061"]);
    let Output::Connect { connection, .. } = asked[0] else {
        panic!()
    };
    let error = Some(ConnectionError::Refused);
    let outputs = bench.input(Input::Closed { connection, error });
    assert_eq!(
        words(&outputs),
        ["failed Connect(Refused)", "connect TLS 192.0.2.9:5061"]
    );
    let Output::Connect { connection, .. } = outputs[1] else {
        panic!()
    };
    let local = addr("192.0.2.1:33000");
    let outputs = bench.input(Input::Connected { connection, local });
    let Some(Output::Event(Event::Selected { result, .. })) = outputs.last() else {
        panic!("{outputs:?}")
    };
    assert_eq!(
        result.as_ref().unwrap()[0].sent_by().to_string(),
        "192.0.2.1:33000"
    );
    assert_eq!(bench.transports.races.len(), 0);
}

#[test]
fn an_address_is_reached_over_the_connection_that_is_there() {
    let mut bench = bench();
    let flow = connected(&mut bench, "sips:example.com:40000", example());
    // As a Record-Route or a Contact of the peer names it.
    assert_eq!(bench.select("sips:192.0.2.9:40000", 500).unwrap(), [flow]);
    assert_ne!(bench.select("sips:192.0.2.9:40001", 500).unwrap(), [flow]);
}

#[test]
fn ten_thousand_connections_from_one_address_leave_room_for_others() {
    let mut bench = bench();
    let mut closed = 0;
    for number in 0..10_000 {
        let port = u16::try_from(number + 10_000).unwrap();
        let remote = SocketAddr::new("192.0.2.66".parse().unwrap(), port);
        let outputs = bench.input(Input::Accepted {
            connection: ConnectionId::accepted(number),
            listener: TLS,
            remote,
        });
        closed += outputs.len();
        assert!(
            outputs
                .iter()
                .all(|output| matches!(output, Output::Close { .. }))
        );
    }
    let stats = bench.transports.stats().clone();
    assert_eq!((stats.connections, closed), (2_000, 8_000));
    assert_eq!(stats.refused_connections, 8_000);
    assert_eq!(stats.stream_flows, 2_000);
    // Somebody else is let in, and what never shakes hands is gone after its time.
    accept(&mut bench, 10_000);
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.transports.stats().connections, 0);
    assert_eq!(bench.transports.stats().failed_handshakes, 2_001);
    assert_eq!(bench.transports.poll_timeout(), None);
}

#[test]
fn rfc7118_5_transport_ws_finds_the_connection_over_tls() {
    let mut bench = Bench::with(|_| {});
    for (number, kind, port) in [(2, TransportKind::Ws, 80), (3, TransportKind::Wss, 443)] {
        let local = SocketAddr::new("192.0.2.1".parse().unwrap(), port);
        bench
            .transports
            .add_listener(ListenerId::new(number), kind, local);
    }
    bench.input(Input::Accepted {
        connection: ConnectionId::accepted(1),
        listener: ListenerId::new(3),
        remote: addr(PEER),
    });
    let flow = bench
        .select("sip:192.0.2.9:40000;transport=ws", 500)
        .unwrap()[0];
    assert_eq!(flow.kind, TransportKind::Wss);
    let flow = bench
        .select("sip:192.0.2.9:40001;transport=ws", 500)
        .unwrap()[0];
    assert_eq!(flow.kind, TransportKind::Ws);
}

#[test]
fn rfc3261_26_3_2_2_the_next_request_goes_over_the_connection_that_is_there() {
    let mut bench = bench();
    let first = connected(&mut bench, "sips:example.com", example());
    bench.pass(Duration::from_secs(5));
    let next = select(&mut bench, "sips:example.com");
    assert_eq!(first.id, next.id);
    let outputs = bench.send(next.id, b"INVITE");
    assert_eq!(words(&outputs), ["stream INVITE"]);
}

/// A day of registrations, each refreshed when nine tenths of its hour are over; nothing else is sent.
#[test]
fn rfc3261_26_3_2_1_the_connection_of_a_registration_stays_open() {
    let mut bench = bench();
    let (flow, connection) = connected_over(&mut bench, "sips:example.com", example());
    bench.input(Input::Sent {
        connection,
        bytes: 1,
    });
    let refresh = Duration::from_secs(3600 - 360);
    for _ in 0..27 {
        let answer = response("SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1");
        assert_eq!(bench.stream(connection, answer).len(), 1);
        let outputs = bench.pass(refresh);
        assert!(outputs.is_empty(), "{:?}", words(&outputs));
        assert_eq!(select(&mut bench, "sips:example.com").id, flow.id);
        assert_eq!(words(&bench.send(flow.id, b"y")), ["stream y"]);
        bench.input(Input::Sent {
            connection,
            bytes: 1,
        });
    }
    assert!(bench.now - origin() > Duration::from_secs(24 * 3600));
}

#[test]
fn rfc3263_5_a_response_to_what_came_over_tls_goes_over_tls() {
    let mut bench = bench();
    let connection = accept(&mut bench, 1);
    bench.input(Input::Secured {
        connection,
        peer: None,
    });
    let text = request("SIP/2.0/TLS 192.0.2.9:5071;branch=z9hG4bK1", "OPTIONS", "");
    let flow = flow_of(&bench.stream(connection, text));
    bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Reset),
    });
    let outputs = bench.send(flow.id, b"SIP/2.0 200 OK\r\n");
    assert_eq!(words(&outputs), ["connect TLS 192.0.2.9:5071"]);
}
