//! Peers that shut their side of a connection.

use super::*;

const ANSWER: &[u8] = b"SIP/2.0 200 OK\r\n";

/// A peer that has sent a request and shut its side.
fn half_closed(bench: &mut Bench) -> (ConnectionId, FlowId) {
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    let outputs = bench.input(Input::Ended { connection });
    assert_eq!(words(&outputs), ["failed Closed reopens"]);
    (connection, flow.id)
}

#[test]
fn rfc3261_18_2_2_a_peer_that_shut_its_side_gets_its_responses_over_the_connection() {
    let mut bench = Bench::new();
    let (_, flow) = half_closed(&mut bench);
    assert_eq!(
        words(&bench.send(flow, b"SIP/2.0 100 Trying\r\n")),
        ["stream SIP/2.0 100 Trying"]
    );
    assert_eq!(words(&bench.send(flow, ANSWER)), ["stream SIP/2.0 200 OK"]);
    // Everything is answered: some time later our side is shut too, and nobody has to be told.
    let outputs = bench.pass(Duration::from_secs(3));
    assert_eq!(words(&outputs), ["close"]);
    assert_eq!(bench.transports.stats().connections, 0);
}

#[test]
fn a_peer_that_is_owed_nothing_is_closed_when_it_ends() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    bench.send(flow.id, ANSWER);
    let outputs = bench.input(Input::Ended { connection });
    assert_eq!(words(&outputs), ["close", "failed Closed reopens"]);
    assert_eq!(bench.transports.stats().connections, 0);
    // An ACK is owed nothing, and neither is one that said nothing.
    let (connection, _) = bench.accept(2, PEER);
    bench.stream(connection, options().replace("OPTIONS", "ACK"));
    let outputs = bench.input(Input::Ended { connection });
    assert_eq!(words(&outputs), ["close", "failed Closed reopens"]);
    let (connection, _) = bench.accept(3, PEER);
    let outputs = bench.input(Input::Ended { connection });
    assert_eq!(words(&outputs), ["close", "failed Closed"]);
}

#[test]
fn rfc3261_18_2_2_what_a_peer_that_is_gone_refused_is_sent_over_a_new_connection() {
    let mut bench = Bench::new();
    let (connection, flow) = half_closed(&mut bench);
    assert_eq!(words(&bench.send(flow, ANSWER)), ["stream SIP/2.0 200 OK"]);
    bench.now += Duration::from_millis(600);
    let outputs = bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Reset),
    });
    // The layers above were told when it ended.
    assert_eq!(words(&outputs), ["connect TCP 192.0.2.9:5070"]);
    let [Output::Connect { connection, .. }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    let local = addr("192.0.2.1:41000");
    let outputs = bench.input(Input::Connected { connection, local });
    assert_eq!(words(&outputs), ["stream SIP/2.0 200 OK"]);
}

#[test]
fn a_half_closed_connection_is_for_no_request() {
    let mut bench = Bench::new();
    let (_, flow) = half_closed(&mut bench);
    let flows = bench
        .select("sip:192.0.2.9:40000;transport=tcp", 500)
        .unwrap();
    assert_ne!(flows[0].id, flow);
}

#[test]
fn a_half_closed_connection_is_not_kept_for_ever() {
    let mut bench = Bench::with(|config| config.half_closed_time = Duration::from_secs(50));
    half_closed(&mut bench);
    assert!(bench.pass(Duration::from_secs(49)).is_empty());
    // What is owed may still go over a new connection for some time.
    let outputs = bench.pass(Duration::from_secs(2));
    assert_eq!(words(&outputs), ["close"]);
    let outputs = bench.pass(Duration::from_secs(60));
    assert_eq!(words(&outputs), ["failed Idle"]);
    assert_eq!(bench.transports.stats().stream_flows, 0);
}

#[test]
fn the_answers_that_are_kept_for_a_half_closed_peer_are_bounded() {
    let mut bench = Bench::with(|config| config.limits.output_bytes = 100);
    let (connection, flow) = half_closed(&mut bench);
    for _ in 0..20 {
        bench.send(flow, b"SIP/2.0 180 Ringing\r\n");
        bench.input(Input::Sent {
            connection,
            bytes: 21,
        });
    }
    let outputs = bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Reset),
    });
    let [Output::Connect { connection, .. }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    let local = addr("192.0.2.1:41000");
    let outputs = bench.input(Input::Connected { connection, local });
    assert_eq!(outputs.len(), 4, "{outputs:?}");
}

#[test]
fn the_end_of_a_connection_that_we_opened_fails_what_is_under_way() {
    let mut bench = Bench::new();
    let flows = bench
        .select("sip:192.0.2.9:40000;transport=tcp", 500)
        .unwrap();
    let outputs = bench.send(flows[0].id, b"OPTIONS sip:b SIP/2.0\r\n");
    let [Output::Connect { connection, .. }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    let local = addr("192.0.2.1:41000");
    bench.input(Input::Connected { connection, local });
    let outputs = bench.input(Input::Ended { connection });
    assert_eq!(words(&outputs), ["close", "failed Closed"]);
}
