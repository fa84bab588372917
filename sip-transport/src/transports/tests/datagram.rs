use super::*;

#[test]
fn rfc3581_4_a_request_with_rport_is_answered_where_it_came_from() {
    let mut bench = Bench::new();
    let outputs = bench.datagram(
        PEER,
        request(
            "SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK1;rport",
            "OPTIONS",
            "",
        ),
    );
    assert_eq!(words(&outputs), ["OPTIONS reply 192.0.2.9:40000"]);
    let Output::Event(Event::Message {
        message,
        flow,
        reply,
    }) = &outputs[0]
    else {
        panic!()
    };
    assert_eq!(flow, reply);
    assert_eq!(flow.sent_by().to_string(), "192.0.2.1:5060");
    let via = message.headers().get(HeaderName::Via).unwrap();
    assert!(
        via.contains("rport=40000") && via.contains("received=192.0.2.9"),
        "{via}"
    );
    let sent = bench.send(reply.id, b"SIP/2.0 200 OK\r\n");
    assert_eq!(words(&sent), ["datagram 192.0.2.9:40000 SIP/2.0 200 OK"]);
}

#[test]
fn rfc3261_18_2_2_a_request_without_rport_is_answered_on_the_port_of_sent_by() {
    let mut bench = Bench::new();
    let outputs = bench.datagram(
        PEER,
        request(
            "SIP/2.0/UDP pc.example.com:5070;branch=z9hG4bK1",
            "OPTIONS",
            "",
        ),
    );
    assert_eq!(words(&outputs), ["OPTIONS reply 192.0.2.9:5070"]);
    let outputs = bench.datagram(
        PEER,
        request("SIP/2.0/UDP pc.example.com;branch=z9hG4bK1", "OPTIONS", ""),
    );
    assert_eq!(words(&outputs), ["OPTIONS reply 192.0.2.9:5060"]);
}

#[test]
fn rfc3261_18_2_2_maddr_is_honoured_unless_configured_otherwise() {
    let via = "SIP/2.0/UDP 192.0.2.9:5070;maddr=198.51.100.3;branch=z9hG4bK1";
    let mut bench = Bench::new();
    assert_eq!(
        words(&bench.datagram(PEER, request(via, "OPTIONS", ""))),
        ["OPTIONS reply 198.51.100.3:5070"]
    );
    let mut bench = Bench::with(|config| config.honour_maddr = false);
    assert_eq!(
        words(&bench.datagram(PEER, request(via, "OPTIONS", ""))),
        ["OPTIONS reply 192.0.2.9:5070"]
    );
    // The other family cannot be reached from the socket.
    let via = "SIP/2.0/UDP 192.0.2.9:5070;maddr=[2001:db8::3];branch=z9hG4bK1";
    let mut bench = Bench::new();
    assert_eq!(
        words(&bench.datagram(PEER, request(via, "OPTIONS", ""))),
        ["OPTIONS reply 192.0.2.9:40000"]
    );
}

#[test]
fn rfc3261_18_1_2_responses_must_name_us() {
    let mut bench = Bench::new();
    assert_eq!(
        words(&bench.datagram(PEER, response("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1"))),
        ["200"]
    );
    // The default port may be left out.
    assert_eq!(
        words(&bench.datagram(PEER, response("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"))),
        ["200"]
    );
    for via in ["192.0.2.1:5061", "192.0.2.2:5060", "example.com"] {
        let outputs = bench.datagram(
            PEER,
            response(&format!("SIP/2.0/UDP {via};branch=z9hG4bK1")),
        );
        assert_eq!(
            words(&outputs),
            ["malformed a response to a request that is not ours"]
        );
    }
    assert_eq!(bench.transports.stats().misdirected, 3);
}

#[test]
fn one_pair_of_addresses_is_one_flow() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP h;branch=z9hG4bK1;rport";
    let a = flow_of(&bench.datagram(PEER, request(via, "OPTIONS", "")));
    let b = flow_of(&bench.datagram(PEER, request(via, "MESSAGE", "")));
    assert_eq!(a, b);
    assert_eq!(bench.select("sip:192.0.2.9:40000", 500).unwrap(), [a]);
    assert_eq!(bench.transports.stats().datagram_flows, 1);
}

#[test]
fn datagram_flows_expire_when_nothing_passes() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP h;branch=z9hG4bK1;rport";
    let flow = flow_of(&bench.datagram(PEER, request(via, "OPTIONS", "")));
    assert!(bench.pass(Duration::from_secs(599)).is_empty());
    bench.send(flow.id, b"x");
    assert!(bench.pass(Duration::from_secs(599)).is_empty());
    assert_eq!(words(&bench.pass(Duration::from_secs(1))), ["failed Idle"]);
    assert_eq!(
        bench.transports.send(flow.id, Bytes::new(), bench.now),
        Err(Gone)
    );
    assert_eq!(bench.transports.poll_timeout(), None);
    assert_eq!(bench.transports.stats().datagram_flows, 0);
}

#[test]
fn a_flood_of_sources_evicts_itself_first() {
    let mut bench = Bench::with(|config| config.limits.datagram_flows = 8);
    let via = "SIP/2.0/UDP h;branch=z9hG4bK1;rport";
    let friend = flow_of(&bench.datagram(PEER, request(via, "OPTIONS", "")));
    for n in 1..=250 {
        bench.datagram(&format!("198.51.100.{n}:5060"), request(via, "OPTIONS", ""));
        bench.datagram(PEER, request(via, "OPTIONS", ""));
        assert!(bench.transports.stats().datagram_flows <= 8);
    }
    assert_eq!(bench.transports.flow(friend.id), Some(friend));
    assert_eq!(bench.transports.stats().evicted_flows, 243);
}

/// A domain with more telephones than fit: those that rang in the last minutes were evicted for those that came to register,
/// and their calls ended with 500.
#[test]
fn silent_flows_make_room_before_those_on_which_a_call_may_ring() {
    let mut bench = Bench::with(|config| config.limits.datagram_flows = 8);
    let via = "SIP/2.0/UDP h;branch=z9hG4bK1;rport";
    for n in 1..=6 {
        bench.datagram(&format!("198.51.100.{n}:5060"), request(via, "OPTIONS", ""));
    }
    bench.pass(Duration::from_secs(200));
    let ringing: Vec<Flow> = (1..=2)
        .map(|n| {
            let at = format!("203.0.113.{n}:5060");
            flow_of(&bench.datagram(&at, request(via, "OPTIONS", "")))
        })
        .collect();
    // Six come, one after the other, as the search goes round and round.
    for n in 1..=6 {
        bench.datagram(&format!("192.0.2.{n}:5070"), request(via, "OPTIONS", ""));
        bench.pass(Duration::from_secs(10));
    }
    for flow in &ringing {
        assert_eq!(bench.transports.flow(flow.id), Some(*flow));
    }
    assert_eq!(bench.transports.stats().evicted_flows, 6);
}

#[test]
fn rfc3261_18_4_icmp_errors_fail_the_flow() {
    let mut bench = Bench::new();
    let flow = bench.select("sip:192.0.2.9", 500).unwrap()[0];
    bench.send(flow.id, b"x");
    let failed = bench.input(Input::DatagramFailed {
        listener: UDP,
        remote: flow.remote,
    });
    assert_eq!(words(&failed), ["failed Unreachable"]);
    assert!(
        bench
            .input(Input::DatagramFailed {
                listener: UDP,
                remote: flow.remote
            })
            .is_empty()
    );
}

#[test]
fn rfc5626_4_4_keep_alives_by_datagram_are_silent() {
    let mut bench = Bench::new();
    for payload in ["\r\n\r\n", "\r\n", "\0\0\0\0", "\0"] {
        assert!(bench.datagram(PEER, payload).is_empty());
    }
    assert_eq!(bench.transports.stats().keep_alives, 4);
    assert_eq!(bench.transports.stats().datagram_flows, 0);
}
