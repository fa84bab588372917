use super::*;
use crate::keep_alive::KeepAlive;

/// A connection of ours that is open, and its flow.
fn connected(bench: &mut Bench) -> (ConnectionId, Flow) {
    let flow = bench.select("sip:192.0.2.9;transport=tcp", 500).unwrap()[0];
    let Output::Connect { connection, .. } = bench.send(flow.id, b"x")[0] else {
        panic!()
    };
    bench.input(Input::Connected {
        connection,
        local: addr("192.0.2.1:33000"),
    });
    bench.input(Input::Sent {
        connection,
        bytes: 1,
    });
    (connection, flow)
}

fn is_ping(output: &Output) -> bool {
    match output {
        Output::Stream { payload, .. } | Output::Datagram { payload, .. } => payload == "\r\n\r\n",
        _ => false,
    }
}

#[test]
fn rfc5626_4_4_1_pings_go_out_between_80_and_100_percent_of_the_time() {
    let mut bench = Bench::new();
    let (connection, flow) = connected(&mut bench);
    let every = Duration::from_secs(100);
    let keep_alive = Some(KeepAlive::ping(every));
    bench
        .transports
        .keep_alive(flow.id, keep_alive, bench.now)
        .unwrap();
    let mut intervals = Vec::new();
    for _ in 0..20 {
        let from = bench.now;
        let outputs = loop {
            let at = bench.transports.poll_timeout().unwrap();
            let outputs = bench.pass(at - bench.now);
            if !outputs.is_empty() {
                break outputs;
            }
        };
        assert!(outputs.len() == 1 && is_ping(&outputs[0]), "{outputs:?}");
        intervals.push(bench.now - from);
        bench.input(Input::Sent {
            connection,
            bytes: 4,
        });
        assert_eq!(words(&bench.stream(connection, "\r\n")), ["pong"]);
    }
    assert!(
        intervals
            .iter()
            .all(|time| (Duration::from_secs(80)..=every).contains(time)),
        "{intervals:?}"
    );
    assert!(
        intervals.iter().any(|time| *time != intervals[0]),
        "{intervals:?}"
    );
}

#[test]
fn rfc5626_4_4_1_a_ping_without_an_answer_fails_the_flow() {
    let mut bench = Bench::new();
    let (connection, flow) = connected(&mut bench);
    let keep_alive = Some(KeepAlive::ping(Duration::from_secs(100)));
    bench
        .transports
        .keep_alive(flow.id, keep_alive, bench.now)
        .unwrap();
    let outputs = bench.pass(Duration::from_secs(111));
    assert!(is_ping(&outputs[0]), "{outputs:?}");
    assert_eq!(words(&outputs[1..]), ["close", "failed NoPong"]);
    // The answer of a peer that is late, and of one that was never asked.
    assert!(bench.stream(connection, "\r\n").is_empty());
}

#[test]
fn rfc5626_4_4_1_half_a_ping_is_not_taken_for_a_pong() {
    let mut bench = Bench::new();
    let (connection, _) = connected(&mut bench);
    assert!(bench.stream(connection, "\r\n").is_empty());
    let outputs = bench.stream(connection, "\r\n");
    assert!(
        matches!(&outputs[..], [Output::Stream { payload, .. }] if payload == "\r\n"),
        "{outputs:?}"
    );
}

/// An empty message used to be taken for the answer, so that a peer that was no longer there for SIP kept its flow.
#[test]
fn rfc7118_6_only_a_line_end_answers_a_ping_in_a_message_of_its_own() {
    let mut bench = Bench::new();
    let listener = ListenerId::new(7);
    bench
        .transports
        .add_listener(listener, TransportKind::Ws, addr("192.0.2.1:80"));
    let connection = ConnectionId::accepted(7);
    bench.input(Input::Accepted {
        connection,
        listener,
        remote: addr(PEER),
    });
    let id = bench.transports.flows().next().unwrap().id;
    let keep_alive = Some(KeepAlive::ping(Duration::from_secs(20)));
    bench
        .transports
        .keep_alive(id, keep_alive, bench.now)
        .unwrap();
    assert!(bench.pass(Duration::from_secs(20)).iter().any(is_ping));
    for nothing in ["", "\r", "\n", "\n\n", "\n\n\n\n"] {
        assert!(bench.stream(connection, nothing).is_empty(), "{nothing:?}");
    }
    assert_eq!(words(&bench.stream(connection, "\r\n")), ["pong"]);
    assert!(bench.stream(connection, "\r\n").is_empty());
    let answer = bench.stream(connection, "\r\n\r\n");
    assert!(
        matches!(&answer[..], [Output::Stream { payload, .. }] if payload == "\r\n"),
        "{answer:?}"
    );
}

#[test]
fn a_datagram_flow_is_kept_without_answers() {
    let mut bench = Bench::new();
    let flow = bench.select("sip:192.0.2.9", 500).unwrap()[0];
    let keep_alive = Some(KeepAlive::binding(Duration::from_secs(25)));
    bench
        .transports
        .keep_alive(flow.id, keep_alive, bench.now)
        .unwrap();
    let outputs = bench.pass(Duration::from_secs(3600));
    assert!(outputs.iter().all(is_ping));
    assert!((144..=180).contains(&outputs.len()), "{}", outputs.len());
    // Without it the flow ends as any other.
    bench
        .transports
        .keep_alive(flow.id, None, bench.now)
        .unwrap();
    assert_eq!(
        words(&bench.pass(Duration::from_secs(600))),
        ["failed Idle"]
    );
    assert_eq!(
        bench.transports.keep_alive(flow.id, keep_alive, bench.now),
        Err(Gone)
    );
    assert_eq!(bench.transports.poll_timeout(), None);
}

#[test]
fn a_keep_alive_does_not_open_a_connection_again() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    let keep_alive = Some(KeepAlive::ping(Duration::from_secs(20)));
    bench
        .transports
        .keep_alive(flow.id, keep_alive, bench.now)
        .unwrap();
    bench.input(Input::Closed {
        connection,
        error: None,
    });
    assert_eq!(
        words(&bench.pass(Duration::from_secs(100))),
        ["failed Idle"]
    );
}

/// The transaction id of a Binding request that went out.
fn binding_request(output: &Output) -> [u8; 12] {
    let Output::Datagram { payload, .. } = output else {
        panic!("{output:?}")
    };
    let Some(stun::Stun::Request { id, unknown: None }) = stun::decode(payload) else {
        panic!("{output:?}")
    };
    id
}

/// Lets time pass until something comes out.
fn next(bench: &mut Bench) -> Vec<Output> {
    loop {
        let due = bench.transports.poll_timeout().unwrap();
        let outputs = bench.pass(due - bench.now);
        if !outputs.is_empty() {
            return outputs;
        }
    }
}

fn stun_flow(bench: &mut Bench, keep_alive: KeepAlive) -> Flow {
    let flow = bench.select("sip:192.0.2.9:40000", 500).unwrap()[0];
    bench
        .transports
        .keep_alive(flow.id, Some(keep_alive), bench.now)
        .unwrap();
    flow
}

#[test]
fn rfc5626_4_4_2_stun_pings_go_out_every_24_to_29_seconds() {
    let mut bench = Bench::new();
    let flow = stun_flow(&mut bench, KeepAlive::outbound(TransportKind::Udp, None));
    let mut ids = Vec::new();
    for _ in 0..50 {
        let before = bench.now;
        let outputs = next(&mut bench);
        let gap = bench.now - before;
        assert!(
            gap >= Duration::from_secs(24) && gap <= Duration::from_secs(29),
            "{gap:?}"
        );
        assert_eq!(outputs.len(), 1, "{outputs:?}");
        let id = binding_request(&outputs[0]);
        ids.push(id);
        let answer = stun::success(id, addr("203.0.113.5:61000"));
        assert_eq!(words(&bench.datagram(PEER, answer)), ["pong"]);
    }
    assert!(bench.transports.flow(flow.id).is_some());
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

#[test]
fn rfc5626_4_4_2_seven_requests_without_an_answer_fail_the_flow() {
    let mut bench = Bench::new();
    stun_flow(&mut bench, KeepAlive::stun(Duration::from_secs(29)));
    let start = bench.transports.poll_timeout().unwrap();
    let mut times = Vec::new();
    let mut ids = Vec::new();
    let failed = loop {
        let due = bench.transports.poll_timeout().unwrap();
        let outputs = bench.pass(due - bench.now);
        times.push((due - start).as_millis());
        if words(&outputs) == ["failed NoPong"] {
            break true;
        }
        ids.push(binding_request(&outputs[0]));
    };
    assert!(failed);
    // RFC 8489 §6.2.1: the example of the RFC, with its RTO of 500 ms.
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 15_500, 31_500, 39_500]);
    ids.dedup();
    assert_eq!(ids.len(), 1, "a retransmission has the same transaction");
}

#[test]
fn rfc5626_4_4_2_another_mapped_address_is_a_failure() {
    let mut bench = Bench::new();
    stun_flow(&mut bench, KeepAlive::stun(Duration::from_secs(29)));
    let ping = |bench: &mut Bench, seen: &str| {
        let outputs = next(bench);
        let answer = stun::success(binding_request(&outputs[0]), addr(seen));
        words(&bench.datagram(PEER, answer))
    };
    assert_eq!(ping(&mut bench, "203.0.113.5:61000"), ["pong"]);
    assert_eq!(ping(&mut bench, "203.0.113.5:61000"), ["pong"]);
    assert_eq!(ping(&mut bench, "203.0.113.5:61001"), ["failed Moved"]);
}

#[test]
fn rfc5626_4_4_2_an_error_response_fails_the_flow_and_strays_do_not() {
    let mut bench = Bench::new();
    let flow = stun_flow(&mut bench, KeepAlive::stun(Duration::from_secs(29)));
    let outputs = next(&mut bench);
    let id = binding_request(&outputs[0]);
    let mut guessed = id;
    guessed[11] ^= 1;
    for stray in [
        stun::success(guessed, addr("203.0.113.9:1")),
        stun::unknown_attribute(guessed, 6),
    ] {
        assert!(bench.datagram(PEER, stray).is_empty());
    }
    // From somewhere else it is stray whatever its number.
    assert!(
        bench
            .datagram("192.0.2.77:5060", stun::success(id, addr("203.0.113.9:1")))
            .is_empty()
    );
    assert!(bench.transports.flow(flow.id).is_some());
    assert_eq!(bench.transports.stats().misdirected, 3);
    let error = stun::unknown_attribute(id, 6);
    assert_eq!(words(&bench.datagram(PEER, error)), ["failed NoPong"]);
}

#[test]
fn rfc5626_8_binding_requests_are_answered_on_the_sip_port() {
    let mut bench = Bench::new();
    let outputs = bench.datagram(PEER, stun::request([7; 12]));
    let [
        Output::Datagram {
            listener,
            remote,
            payload,
        },
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!((*listener, *remote), (UDP, addr(PEER)));
    assert_eq!(
        stun::decode(payload),
        Some(stun::Stun::Success {
            id: [7; 12],
            mapped: Some(addr(PEER))
        })
    );
    assert_eq!(bench.transports.stats().keep_alives, 1);
    assert_eq!(
        bench.transports.stats().datagram_flows,
        0,
        "no state for it"
    );
    // What only begins like it is dropped without an answer.
    assert!(bench.datagram(PEER, vec![0; 40]).is_empty());
    assert_eq!(bench.transports.stats().bad_stun, 1);
}

#[test]
fn rfc5626_4_4_2_stun_is_not_sent_over_connections() {
    let mut bench = Bench::new();
    let (_, flow) = connected(&mut bench);
    let keep_alive = KeepAlive::stun(Duration::from_secs(29));
    bench
        .transports
        .keep_alive(flow.id, Some(keep_alive), bench.now)
        .unwrap();
    let outputs = next(&mut bench);
    assert!(is_ping(&outputs[0]), "{outputs:?}");
}
