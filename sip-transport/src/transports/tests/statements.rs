//! Statements of RFC 5626 that no other test shows, one by one (`conformance/rfc5626.toml`).

use super::*;
use crate::keep_alive::KeepAlive;
use crate::stun;
use crate::transports::FlowTokenError;

/// A connection of ours that is open, and its flow.
fn connected(bench: &mut Bench) -> (ConnectionId, Flow) {
    let flow = bench.select("sip:192.0.2.9;transport=tcp", 500).unwrap()[0];
    let Output::Connect { connection, .. } = bench.send(flow.id, b"x")[0] else {
        panic!("no connection")
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

/// Lets time pass until something comes out; how long that took.
fn next(bench: &mut Bench) -> (Duration, Vec<Output>) {
    let began = bench.now;
    loop {
        let due = bench.transports.poll_timeout().unwrap();
        let outputs = bench.pass(due - bench.now);
        if !outputs.is_empty() {
            return (bench.now - began, outputs);
        }
    }
}

#[test]
fn rfc5626_4_3_a_flow_that_is_there_is_used_and_else_a_new_one_is_made() {
    let mut bench = Bench::new();
    let (_, flow) = connected(&mut bench);
    for _ in 0..3 {
        let again = bench.select("sip:192.0.2.9;transport=tcp", 500).unwrap();
        assert_eq!(again, [flow]);
    }
    // Another port, another address, another transport.
    for (uri, expected) in [
        (
            "sip:192.0.2.9:5070;transport=tcp",
            "connect TCP 192.0.2.9:5070",
        ),
        (
            "sip:192.0.2.10;transport=tcp",
            "connect TCP 192.0.2.10:5060",
        ),
        ("sip:192.0.2.9", "datagram 192.0.2.9:5060 y"),
    ] {
        let other = bench.select(uri, 500).unwrap()[0];
        assert_ne!(other.id, flow.id, "{uri}");
        assert_eq!(words(&bench.send(other.id, b"y\r")), [expected]);
    }
}

#[test]
fn rfc5626_4_4_the_times_that_are_recommended_are_the_defaults() {
    let tcp = KeepAlive::outbound(TransportKind::Tcp, None);
    let udp = KeepAlive::outbound(TransportKind::Udp, None);
    let seconds =
        |keep_alive: KeepAlive| (keep_alive.at_least.as_secs(), keep_alive.every.as_secs());
    assert_eq!(seconds(tcp), (95, 120));
    assert_eq!(seconds(udp), (24, 29));
}

#[test]
fn rfc5626_4_4_1_line_ends_are_for_connections_alone() {
    use TransportKind::{Sctp, Tcp, Tls, Udp, Ws, Wss};
    for timer in [None, Some(Duration::from_secs(60))] {
        for kind in [Tcp, Tls, Sctp, Ws, Wss] {
            assert!(!KeepAlive::outbound(kind, timer).stun, "{kind}");
        }
        assert!(KeepAlive::outbound(Udp, timer).stun);
    }
    let mut bench = Bench::new();
    let flow = bench.select("sip:192.0.2.9:40000", 500).unwrap()[0];
    let keep_alive = KeepAlive::outbound(flow.kind, None);
    bench
        .transports
        .keep_alive(flow.id, Some(keep_alive), bench.now)
        .unwrap();
    let (_, outputs) = next(&mut bench);
    let [Output::Datagram { payload, .. }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert!(matches!(
        stun::decode(payload),
        Some(stun::Stun::Request { .. })
    ));
}

#[test]
fn rfc5626_4_4_1_each_interval_is_drawn_between_95_and_120_seconds() {
    let mut bench = Bench::new();
    let (connection, flow) = connected(&mut bench);
    let keep_alive = KeepAlive::outbound(flow.kind, None);
    bench
        .transports
        .keep_alive(flow.id, Some(keep_alive), bench.now)
        .unwrap();
    let mut seen = Vec::new();
    for _ in 0..40 {
        let (waited, outputs) = next(&mut bench);
        let [Output::Stream { payload, .. }] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        assert_eq!(payload, "\r\n\r\n");
        seen.push(waited.as_secs());
        bench.input(Input::Sent {
            connection,
            bytes: 4,
        });
        assert_eq!(words(&bench.stream(connection, "\r\n")), ["pong"]);
    }
    assert!(
        seen.iter().all(|seconds| (95..=120).contains(seconds)),
        "{seen:?}"
    );
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() > 8, "drawn anew each time: {seen:?}");
    // The lower bound is a fifth less than the upper one, whatever that is.
    let other = KeepAlive::ping(Duration::from_secs(840));
    assert_eq!(other.at_least, Duration::from_secs(672));
}

/// What the server does for those that keep their flows alive.
fn keeps_alive() {
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
    let mapped = Some(addr(PEER));
    assert_eq!(
        stun::decode(payload),
        Some(stun::Stun::Success {
            id: [7; 12],
            mapped
        })
    );
    let (connection, _) = bench.accept(1, PEER);
    let outputs = bench.stream(connection, "\r\n\r\n");
    assert!(
        matches!(&outputs[..], [Output::Stream { connection: to, payload, .. }] if *to == connection && payload == "\r\n"),
        "{outputs:?}"
    );
}

#[test]
fn rfc5626_5_4_pings_are_answered_at_once_by_stun_and_by_a_line_end() {
    keeps_alive();
}

#[test]
fn rfc5626_6_who_registers_directly_is_answered_the_same_way() {
    keeps_alive();
}

#[test]
fn rfc5626_5_4_a_flow_stays_longer_than_its_client_may_be_silent() {
    // The Flow-Timer that the registrar tells is 120 seconds.
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    for _ in 0..5 {
        let outputs = bench.pass(Duration::from_secs(120 + 60));
        assert!(outputs.is_empty(), "{outputs:?}");
        assert!(bench.transports.flow(flow.id).is_some());
        assert_eq!(bench.stream(connection, "\r\n\r\n").len(), 1);
        bench.input(Input::Sent {
            connection,
            bytes: 2,
        });
    }
}

#[test]
fn rfc5626_7_a_closed_connection_takes_its_flow_with_it() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    let token = bench.transports.flow_token(flow.id).unwrap();
    assert_eq!(bench.transports.flow_of_token(&token, bench.now), Ok(flow));
    bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Reset),
    });
    assert_eq!(
        bench.transports.flow_of_token(&token, bench.now),
        Err(FlowTokenError::Gone)
    );
}

#[test]
fn rfc5626_8_no_stun_is_sent_unless_it_is_asked_for() {
    let mut bench = Bench::new();
    let flow = bench.select("sip:192.0.2.9:40000", 500).unwrap()[0];
    bench.send(flow.id, b"REGISTER");
    assert!(bench.pass(Duration::from_secs(500)).is_empty());
    // Nor for a binding that is to be kept open without it.
    let flow = bench.select("sip:192.0.2.9:40000", 500).unwrap()[0];
    let keep_alive = KeepAlive::binding(Duration::from_secs(25));
    bench
        .transports
        .keep_alive(flow.id, Some(keep_alive), bench.now)
        .unwrap();
    for _ in 0..5 {
        let (_, outputs) = next(&mut bench);
        let [Output::Datagram { payload, .. }] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        assert_eq!(payload, "\r\n\r\n");
    }
}
