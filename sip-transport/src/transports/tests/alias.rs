use std::sync::Arc;

use super::*;
use crate::identity::PeerIdentity;

const TLS: ListenerId = ListenerId::new(2);

fn bench(change: impl FnOnce(&mut TransportConfig)) -> Bench {
    let mut bench = Bench::with(|config| {
        config.client_transports.push(TransportKind::Tls);
        change(config);
    });
    bench
        .transports
        .add_listener(TLS, TransportKind::Tls, addr("192.0.2.1:5061"));
    bench
}

/// A peer connects, proves this, and sends a request with this Via.
fn connected(
    bench: &mut Bench,
    number: u64,
    peer: Option<PeerIdentity>,
    via: &str,
) -> (ConnectionId, Flow) {
    let connection = ConnectionId::accepted(number);
    let remote = addr(PEER);
    let listener = TLS;
    bench.input(Input::Accepted {
        connection,
        listener,
        remote,
    });
    let peer = peer.map(Arc::new);
    bench.input(Input::Secured { connection, peer });
    let flow = flow_of(&bench.stream(connection, request(via, "OPTIONS", "")));
    (connection, flow)
}

fn example() -> Option<PeerIdentity> {
    let ip = addr(PEER).ip();
    Some(PeerIdentity::from_names(["sip:example.com"], [], [ip]))
}

/// The flow to a domain that resolves to the peer's address.
fn select(bench: &mut Bench, uri: &str) -> Flow {
    let target = Target::from_uri(sip_message::UriRef::parse(uri).unwrap()).unwrap();
    bench.transports.select(&target, 500, bench.now);
    let mut outputs = bench.drain();
    if let Output::Resolve { id, .. } = outputs[0] {
        let result = Ok(Answer::Addresses(vec![addr(PEER).ip()]));
        outputs = bench.input(Input::Resolved { id, result });
    }
    let Output::Event(Event::Selected { result, .. }) = &outputs[0] else {
        panic!("{outputs:?}")
    };
    result.as_ref().unwrap()[0]
}

const ALIAS: &str = "SIP/2.0/TLS pc.example.com;branch=z9hG4bK1;alias";

#[test]
fn rfc5923_8_2_requests_to_the_peer_go_over_its_connection() {
    let mut bench = bench(|_| {});
    let (_, flow) = connected(&mut bench, 1, example(), ALIAS);
    // The default port of the sent-by, and the identity that the certificate proves.
    assert_eq!(select(&mut bench, "sips:example.com"), flow);
    assert_eq!(select(&mut bench, "sips:192.0.2.9:5061"), flow);
    // Another port is another server.
    assert_ne!(select(&mut bench, "sips:example.com:5071"), flow);
}

#[test]
fn rfc5923_8_2_the_uri_must_match_an_identity_of_the_peer() {
    let mut bench = bench(|_| {});
    let (_, flow) = connected(&mut bench, 1, example(), ALIAS);
    let other = select(&mut bench, "sips:example.net");
    assert_ne!(other, flow);
    assert_eq!(other.remote, addr("192.0.2.9:5061"));
    // An address that the certificate does not name.
    let only_domain = Some(PeerIdentity::from_names(["sip:example.com"], [], []));
    let mut bench = self::bench(|_| {});
    let (_, flow) = connected(&mut bench, 1, only_domain, ALIAS);
    assert_ne!(select(&mut bench, "sips:192.0.2.9:5061"), flow);
}

#[test]
fn rfc5923_9_2_without_a_certificate_there_is_no_alias() {
    let mut bench = bench(|_| {});
    let (_, flow) = connected(&mut bench, 1, None, ALIAS);
    assert_ne!(select(&mut bench, "sips:example.com"), flow);
    let without = "SIP/2.0/TLS pc.example.com;branch=z9hG4bK1";
    let (_, flow) = connected(&mut bench, 2, example(), without);
    assert_ne!(select(&mut bench, "sips:example.com"), flow);
}

#[test]
fn rfc5923_8_2_an_alias_that_is_closed_is_connected_anew() {
    let mut bench = bench(|_| {});
    let (connection, flow) = connected(&mut bench, 1, example(), ALIAS);
    bench.input(Input::Closed {
        connection,
        error: None,
    });
    let again = select(&mut bench, "sips:example.com");
    assert_ne!(again.id, flow.id);
    let outputs = bench.send(again.id, b"x");
    assert_eq!(words(&outputs), ["connect TLS 192.0.2.9:5061"]);
}

#[test]
fn an_alias_does_not_displace_a_connection_to_the_address() {
    let mut bench = bench(|_| {});
    let ours = select(&mut bench, "sips:example.com");
    bench.send(ours.id, b"x");
    let (_, theirs) = connected(&mut bench, 1, example(), ALIAS);
    assert_eq!(select(&mut bench, "sips:example.com"), ours);
    bench.transports.close(ours.id, bench.now);
    bench.drain();
    // The next request over the connection renews nothing: the alias was refused, not forgotten.
    assert_ne!(select(&mut bench, "sips:example.com"), theirs);
}

#[test]
fn an_alias_over_tcp_is_a_decision() {
    let via = "SIP/2.0/TCP 192.0.2.9:5070;branch=z9hG4bK1;alias";
    for danger in [false, true] {
        let mut bench = bench(|config| config.danger_alias_without_certificate = danger);
        let (connection, _) = bench.accept(1, PEER);
        let flow = flow_of(&bench.stream(connection, request(via, "OPTIONS", "")));
        let selected = select(&mut bench, "sip:192.0.2.9:5070;transport=tcp");
        assert_eq!(selected.id == flow.id, danger);
        // Nothing stays behind of it.
        bench.transports.close(flow.id, bench.now);
        bench.drain();
        let selected = select(&mut bench, "sip:192.0.2.9:5070;transport=tcp");
        assert_ne!(selected.id, flow.id);
    }
}

#[test]
fn rfc5923_8_1_alias_is_said_over_connections_that_we_open() {
    for (alias, danger, tls, tcp) in [
        (false, false, false, false),
        (false, true, false, false),
        (true, false, true, false),
        (true, true, true, true),
    ] {
        let mut bench = bench(|config| {
            config.alias = alias;
            config.danger_alias_without_certificate = danger;
        });
        assert_eq!(select(&mut bench, "sips:example.com").alias, tls);
        let over_tcp = "sip:192.0.2.9:5070;transport=tcp";
        assert_eq!(select(&mut bench, over_tcp).alias, tcp);
        assert!(!select(&mut bench, "sip:192.0.2.9:5070").alias, "UDP");
        // Over a connection that the peer opened it is for the peer to say.
        let (_, flow) = connected(&mut bench, 1, example(), ALIAS);
        assert!(!flow.alias);
    }
}
