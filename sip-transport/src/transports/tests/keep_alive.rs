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
