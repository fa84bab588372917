//! Names on the way of a response.

use super::*;
use crate::io::{ResolveError, SrvRecord};

const ANSWER: &[u8] = b"SIP/2.0 200 OK\r\n";

/// A peer that sent a request with this sent-by, is gone, and takes no connection at its source.
fn unreachable(bench: &mut Bench, sent_by: &str) -> (FlowId, Vec<Output>) {
    let (connection, _) = bench.accept(1, PEER);
    let via = format!("SIP/2.0/TCP {sent_by};branch=z9hG4bK1");
    let flow = flow_of(&bench.stream(connection, request(&via, "OPTIONS", "")));
    bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Reset),
    });
    let outputs = bench.send(flow.id, ANSWER);
    (flow.id, refuse(bench, &outputs))
}

fn refuse(bench: &mut Bench, outputs: &[Output]) -> Vec<Output> {
    let [Output::Connect { connection, .. }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Refused),
    })
}

fn answer(
    bench: &mut Bench,
    outputs: &[Output],
    result: Result<Answer, ResolveError>,
) -> Vec<Output> {
    let [Output::Resolve { id, .. }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    bench.input(Input::Resolved { id, result })
}

fn addresses(all: &[&str]) -> Result<Answer, ResolveError> {
    Ok(Answer::Addresses(
        all.iter().map(|ip| ip.parse().unwrap()).collect(),
    ))
}

#[test]
fn rfc3263_5_a_response_goes_by_the_srv_records_of_the_sent_by() {
    let mut bench = Bench::with(|config| config.service_records = true);
    let (flow, outputs) = unreachable(&mut bench, "pc33.example.com");
    assert_eq!(words(&outputs), ["resolve Srv _sip._tcp.pc33.example.com"]);
    // What else is sent meanwhile waits with it.
    assert!(bench.send(flow, b"SIP/2.0 486 Busy\r\n").is_empty());
    let record = SrvRecord {
        priority: 0,
        weight: 0,
        port: 5071,
        target: "backup.example.com".into(),
    };
    let outputs = answer(&mut bench, &outputs, Ok(Answer::Srv(vec![record])));
    assert_eq!(words(&outputs), ["resolve Address backup.example.com"]);
    let outputs = answer(
        &mut bench,
        &outputs,
        addresses(&["192.0.2.33", "192.0.2.34"]),
    );
    assert_eq!(words(&outputs), ["connect TCP 192.0.2.33:5071"]);
    // The next when that fails.
    let outputs = refuse(&mut bench, &outputs);
    assert_eq!(words(&outputs), ["connect TCP 192.0.2.34:5071"]);
    let [Output::Connect { connection, .. }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    let local = addr("192.0.2.1:41000");
    let outputs = bench.input(Input::Connected { connection, local });
    assert_eq!(
        words(&outputs),
        ["stream SIP/2.0 200 OK", "stream SIP/2.0 486 Busy"]
    );
}

#[test]
fn rfc3263_5_a_sent_by_with_a_port_has_addresses_only() {
    let mut bench = Bench::with(|config| config.service_records = true);
    let (_, outputs) = unreachable(&mut bench, "pc33.example.com:5070");
    assert_eq!(words(&outputs), ["resolve Address pc33.example.com"]);
    // The one that refused is not asked again.
    let outputs = answer(
        &mut bench,
        &outputs,
        addresses(&["192.0.2.9", "192.0.2.33"]),
    );
    assert_eq!(words(&outputs), ["connect TCP 192.0.2.33:5070"]);
    let outputs = refuse(&mut bench, &outputs);
    assert_eq!(words(&outputs), ["failed Connect(Refused)"]);
}

#[test]
fn a_response_fails_when_its_sent_by_leads_nowhere() {
    for result in [
        Err(ResolveError::NotFound),
        addresses(&[]),
        addresses(&["192.0.2.9"]),
    ] {
        let mut bench = Bench::new();
        let (_, outputs) = unreachable(&mut bench, "pc33.example.com:5070");
        let outputs = answer(&mut bench, &outputs, result);
        assert_eq!(words(&outputs), ["failed Connect(Refused)"]);
        assert_eq!(bench.transports.stats().stream_flows, 0);
    }
    // A resolver that is silent.
    let mut bench = Bench::new();
    let (_, outputs) = unreachable(&mut bench, "pc33.example.com:5070");
    assert_eq!(outputs.len(), 1);
    let outputs = bench.pass(Duration::from_secs(11));
    assert_eq!(words(&outputs), ["failed Connect(Refused)"]);
    // An address has no records.
    let mut bench = Bench::new();
    let (_, outputs) = unreachable(&mut bench, "192.0.2.9:5070");
    assert_eq!(words(&outputs), ["failed Connect(Refused)"]);
}

fn to_maddr(bench: &mut Bench) -> Vec<Output> {
    let via = "SIP/2.0/UDP 192.0.2.9:5070;maddr=mcast.example.com;branch=z9hG4bK1";
    bench.datagram(PEER, request(via, "OPTIONS", ""))
}

#[test]
fn rfc3261_18_2_2_a_name_in_maddr_is_resolved() {
    let mut bench = Bench::new();
    let outputs = to_maddr(&mut bench);
    assert_eq!(words(&outputs), ["resolve Address mcast.example.com"]);
    let outputs = answer(
        &mut bench,
        &outputs,
        addresses(&["2001:db8::1", "198.51.100.7"]),
    );
    assert_eq!(words(&outputs), ["OPTIONS reply 198.51.100.7:5070"]);
}

#[test]
fn a_name_in_maddr_that_leads_nowhere_leaves_the_source() {
    let mut bench = Bench::new();
    let outputs = to_maddr(&mut bench);
    let outputs = answer(&mut bench, &outputs, Err(ResolveError::NotFound));
    assert_eq!(words(&outputs), ["OPTIONS reply 192.0.2.9:40000"]);
    to_maddr(&mut bench);
    let outputs = bench.pass(Duration::from_secs(11));
    assert_eq!(words(&outputs), ["OPTIONS reply 192.0.2.9:40000"]);
}

#[test]
fn requests_that_wait_for_a_maddr_are_bounded() {
    let mut bench = Bench::new();
    for _ in 0..64 {
        assert_eq!(
            words(&to_maddr(&mut bench)),
            ["resolve Address mcast.example.com"]
        );
    }
    assert_eq!(
        words(&to_maddr(&mut bench)),
        ["OPTIONS reply 192.0.2.9:40000"]
    );
    assert_eq!(bench.pass(Duration::from_secs(11)).len(), 64);
    assert_eq!(bench.transports.stats().selections, 0);
}

/// A peer that sent a request by datagram with this sent-by, was answered, and is not there any more.
fn gone(bench: &mut Bench, sent_by: &str) -> Vec<Output> {
    let via = format!("SIP/2.0/UDP {sent_by};rport;branch=z9hG4bK1");
    let flow = flow_of(&bench.datagram(PEER, request(&via, "OPTIONS", "")));
    bench.send(flow.id, b"SIP/2.0 180 Ringing\r\n");
    bench.send(flow.id, ANSWER);
    bench.input(Input::DatagramFailed {
        listener: UDP,
        remote: addr(PEER),
    })
}

#[test]
fn rfc3263_5_a_response_by_datagram_that_finds_nobody_goes_by_the_sent_by() {
    let mut bench = Bench::with(|config| config.service_records = true);
    let outputs = gone(&mut bench, "pc.example.com");
    assert_eq!(words(&outputs[..1]), ["failed Unreachable"]);
    let Output::Resolve { question, name, .. } = &outputs[1] else {
        panic!("{outputs:?}")
    };
    assert_eq!(
        (*question, &**name),
        (Question::Srv, "_sip._udp.pc.example.com")
    );
    let records = Ok(Answer::Srv(vec![SrvRecord {
        priority: 0,
        weight: 0,
        port: 5090,
        target: "other.example.com".into(),
    }]));
    let outputs = answer(&mut bench, &outputs[1..], records);
    let outputs = answer(&mut bench, &outputs, addresses(&["192.0.2.77"]));
    assert_eq!(words(&outputs), ["datagram 192.0.2.77:5090 SIP/2.0 200 OK"]);
    // That is all: nothing is kept for it.
    let again = bench.input(Input::DatagramFailed {
        listener: UDP,
        remote: addr("192.0.2.77:5090"),
    });
    assert_eq!(words(&again), ["failed Unreachable"]);
}

#[test]
fn rfc3263_5_a_sent_by_with_a_port_leads_a_datagram_to_the_addresses_of_its_name() {
    let mut bench = Bench::with(|config| config.service_records = true);
    let outputs = gone(&mut bench, "pc.example.com:5070");
    // The place that has just failed, and one that no datagram reaches from here, are passed over.
    let all = addresses(&["2001:db8::1", "0.0.0.0", "192.0.2.78"]);
    let outputs = answer(&mut bench, &outputs[1..], all);
    assert_eq!(words(&outputs), ["datagram 192.0.2.78:5070 SIP/2.0 200 OK"]);
}

#[test]
fn rfc3263_5_a_datagram_whose_sent_by_leads_nowhere_is_lost() {
    let mut bench = Bench::new();
    let outputs = gone(&mut bench, "pc.example.com:40000");
    let outputs = answer(&mut bench, &outputs[1..], addresses(&["192.0.2.9"]));
    assert!(outputs.is_empty(), "{outputs:?}");
    let mut bench = Bench::new();
    let outputs = gone(&mut bench, "pc.example.com");
    let outputs = answer(&mut bench, &outputs[1..], Err(ResolveError::NotFound));
    assert!(outputs.is_empty(), "{outputs:?}");
    // An address in the sent-by says nothing new, and a server may refuse to follow what a sender wrote down.
    assert_eq!(gone(&mut Bench::new(), "10.0.0.9").len(), 1);
    let mut bench = Bench::with(|config| config.honour_maddr = false);
    assert_eq!(gone(&mut bench, "pc.example.com").len(), 1);
}

#[test]
fn rfc3263_5_without_rport_the_response_that_failed_is_known_too() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP pc.example.com:5070;branch=z9hG4bK1";
    let outputs = bench.datagram(PEER, request(via, "OPTIONS", ""));
    let Output::Event(Event::Message { reply, .. }) = &outputs[0] else {
        panic!()
    };
    bench.send(reply.id, ANSWER);
    let outputs = bench.input(Input::DatagramFailed {
        listener: UDP,
        remote: reply.remote,
    });
    let outputs = answer(&mut bench, &outputs[1..], addresses(&["192.0.2.79"]));
    assert_eq!(words(&outputs), ["datagram 192.0.2.79:5070 SIP/2.0 200 OK"]);
}

#[test]
fn rfc3261_18_2_2_a_response_that_finds_nobody_goes_where_rfc3263_says() {
    rfc3263_5_a_response_by_datagram_that_finds_nobody_goes_by_the_sent_by();
}
