//! Statements of RFC 3261 §18 that no other test shows, one by one (`conformance/rfc3261.toml`).

use super::*;

const VIA: &str = "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1";

#[test]
fn rfc3261_18_connections_outlive_their_transactions() {
    // The longest transaction that answers by itself: 64 times T1 (Timers B, F, H and J).
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    let outputs = bench.pass(Duration::from_secs(32));
    assert!(words(&outputs).is_empty(), "{outputs:?}");
    let answer = b"SIP/2.0 200 OK\r\n";
    assert_eq!(
        words(&bench.send(flow.id, answer)),
        ["stream SIP/2.0 200 OK"]
    );
}

#[test]
fn rfc3261_18_1_1_where_tcp_is_refused_udp_is_next() {
    let mut bench = Bench::new();
    let flows = bench.select("sip:192.0.2.9", 1400).unwrap();
    let Output::Connect { connection, .. } = bench.send(flows[0].id, b"x")[0] else {
        panic!("no connection")
    };
    let outputs = bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Refused),
    });
    assert!(words(&outputs)[0].starts_with("failed "), "{outputs:?}");
    assert_eq!(flows[1].kind, TransportKind::Udp);
    let udp = bench.send(flows[1].id, b"x");
    assert_eq!(words(&udp), ["datagram 192.0.2.9:5060 x"]);
}

#[test]
fn rfc3261_18_1_1_responses_are_received_on_the_connection_of_their_request() {
    let mut bench = Bench::new();
    let flow = bench.select("sip:192.0.2.9;transport=tcp", 500).unwrap()[0];
    let Output::Connect { connection, .. } = bench.send(flow.id, b"x")[0] else {
        panic!("no connection")
    };
    let local = addr("192.0.2.1:33000");
    bench.input(Input::Connected { connection, local });
    let outputs = bench.stream(
        connection,
        response("SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1"),
    );
    assert_eq!(words(&outputs), ["200"]);
    assert_eq!(flow_of(&outputs).id, flow.id);
}

#[test]
fn rfc3261_18_1_1_responses_are_received_where_datagrams_are() {
    let mut bench = Bench::new();
    // From whatever port the server sends.
    for from in ["192.0.2.9:5060", "192.0.2.9:33333", "198.51.100.4:5060"] {
        let via = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1";
        assert_eq!(words(&bench.datagram(from, response(via))), ["200"]);
    }
}

#[test]
fn rfc3261_18_1_1_datagrams_of_the_greatest_size_are_received() {
    let mut bench = Bench::new();
    let bare = request(VIA, "MESSAGE", "Content-Type: text/plain\r\n");
    let body = 65_507 - bare.len() - "65000".len() + 1;
    let text = bare.replace("Content-Length: 0", &format!("Content-Length: {body}"));
    let text = text + &"x".repeat(body);
    assert_eq!(text.len(), 65_507, "what IPv4 and UDP leave of 65,535");
    assert_eq!(
        words(&bench.datagram(PEER, text)),
        ["MESSAGE reply 192.0.2.9:5070"]
    );
}

#[test]
fn rfc3261_18_2_2_a_response_goes_over_the_connection_of_its_request() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let outputs = bench.stream(connection, options());
    // Not to sent-by, which is another port.
    assert_eq!(words(&outputs), [format!("OPTIONS reply {PEER}")]);
    let flow = flow_of(&outputs);
    let outputs = bench.send(flow.id, b"SIP/2.0 200 OK\r\n");
    assert!(matches!(&outputs[0], Output::Stream { connection: over, .. } if *over == connection));
}

#[test]
fn rfc3261_18_2_2_without_received_a_response_goes_to_sent_by() {
    let mut bench = Bench::new();
    let outputs = bench.datagram("192.0.2.9:5070", request(VIA, "OPTIONS", ""));
    let Output::Event(Event::Message { message, .. }) = &outputs[0] else {
        panic!("{outputs:?}")
    };
    assert_eq!(message.headers().top_via().unwrap().received(), None);
    assert_eq!(words(&outputs), ["OPTIONS reply 192.0.2.9:5070"]);
}

#[test]
fn rfc3261_18_4_a_failed_connection_is_told() {
    let mut bench = Bench::new();
    let flow = bench.select("sip:192.0.2.9;transport=tcp", 500).unwrap()[0];
    let Output::Connect { connection, .. } = bench.send(flow.id, b"x")[0] else {
        panic!("no connection")
    };
    let outputs = bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Refused),
    });
    assert!(
        outputs.iter().any(|output| matches!(
            output,
            Output::Event(Event::FlowFailed { flow: failed, .. }) if *failed == flow.id
        )),
        "{outputs:?}"
    );
}

#[test]
fn rfc3261_16_11_a_response_that_does_not_name_us_is_dropped() {
    let mut bench = Bench::new();
    for via in [
        "SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK1",
        "SIP/2.0/UDP proxy.example.net;branch=z9hG4bK1",
    ] {
        let outputs = bench.datagram("192.0.2.9:5060", response(via));
        let passed = |output: &Output| matches!(output, Output::Event(Event::Message { .. }));
        assert!(!outputs.iter().any(passed), "{outputs:?}");
        assert!(
            !words(&outputs)
                .iter()
                .any(|word| word.starts_with("datagram"))
        );
    }
}

#[test]
fn rfc3261_18_both_udp_and_tcp_are_there_and_what_is_large_goes_over_tcp() {
    let mut bench = Bench::new();
    let udp = bench.select("sip:192.0.2.9", 500).unwrap();
    assert_eq!(udp[0].kind, TransportKind::Udp);
    let large = bench.select("sip:192.0.2.9", 1400).unwrap();
    assert_eq!(large[0].kind, TransportKind::Tcp);
}

#[test]
fn rfc3261_18_2_2_a_response_takes_the_first_way_that_is_there() {
    // The connection of the request, then maddr, then received and rport, then the sent-by.
    rfc3261_18_2_2_a_response_goes_over_the_connection_of_its_request();
    rfc3261_18_2_2_without_received_a_response_goes_to_sent_by();
    let mut bench = Bench::new();
    for (via, expected) in [
        ("h:5070;maddr=192.0.2.44", "192.0.2.44:5070"),
        ("h:5070;rport", PEER),
        ("h:5070", "192.0.2.9:5070"),
    ] {
        let text = request(&format!("SIP/2.0/UDP {via};branch=z9hG4bK1"), "OPTIONS", "");
        let outputs = bench.datagram(PEER, text);
        assert_eq!(words(&outputs), [format!("OPTIONS reply {expected}")]);
    }
}

#[test]
fn rfc3581_3_responses_are_taken_where_the_request_left_and_at_the_sent_by() {
    let mut bench = Bench::new();
    let flow = bench.select("sip:192.0.2.9", 500).unwrap()[0];
    assert_eq!(flow.local, addr("192.0.2.1:5060"), "one socket for both");
    for via in [
        "SIP/2.0/UDP 192.0.2.1:5060;rport=5060;received=192.0.2.1;branch=z9hG4bK1",
        "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2",
    ] {
        assert_eq!(
            words(&bench.datagram("192.0.2.9:5060", response(via))),
            ["200"]
        );
    }
}
