//! Statements of RFC 3263 that no other test shows, one by one (`conformance/rfc3263.toml`).

use super::*;

#[test]
fn rfc3263_4_1_the_transport_that_is_named_is_used() {
    // Whatever the records of the domain prefer.
    for (transport, expected) in [("udp", "UDP 192.0.2.2:5060"), ("tcp", "TCP 192.0.2.1:5060")] {
        let all = places(&format!("sip:example.com;transport={transport}"), ALL, ZONE);
        assert_eq!(all[0], expected);
        let kind = expected.split(' ').next().unwrap();
        assert!(all.iter().all(|place| place.starts_with(kind)), "{all:?}");
    }
    let numeric = places("sip:192.0.2.1;transport=tcp", ALL, ZONE);
    assert_eq!(numeric, ["TCP 192.0.2.1:5060"]);
}

#[test]
fn rfc3263_4_1_a_name_with_a_port_is_udp_or_tcp() {
    let (asked, sip) = resolve("sip:server1.example.com:5090", ALL, ZONE, 1);
    assert_eq!(asked, ["Address server1.example.com"]);
    assert_eq!(sip.unwrap(), ["UDP 192.0.2.1:5090"]);
    // TLS runs over TCP.
    let sips = places("sips:server1.example.com:5090", ALL, ZONE);
    assert_eq!(sips, ["TLS 192.0.2.1:5090"]);
}

#[test]
fn rfc3263_4_1_a_sip_uri_goes_by_tls_where_the_domain_wants_it_and_we_can() {
    assert_eq!(
        places("sip:example.com", ALL, ZONE)[0],
        "TLS 192.0.2.1:5061"
    );
    let without = places("sip:example.com", PLAIN, ZONE);
    assert!(
        without.iter().all(|place| !place.starts_with("TLS")),
        "{without:?}"
    );
}

#[test]
fn rfc3263_4_1_without_srv_it_is_udp_or_tcp() {
    let zone = "example.org A 192.0.2.6";
    let (asked, sip) = resolve("sip:example.org", ALL, zone, 1);
    assert!(
        asked.iter().any(|question| question.starts_with("Srv ")),
        "{asked:?}"
    );
    assert_eq!(sip.unwrap(), ["UDP 192.0.2.6:5060"]);
    assert_eq!(
        places("sips:example.org", ALL, zone),
        ["TLS 192.0.2.6:5061"]
    );
}

#[test]
fn rfc3261_8_1_2_every_place_of_a_sips_uri_is_reached_by_tls() {
    for uri in [
        "sips:example.com",
        "sips:server1.example.com",
        "sips:server1.example.com:5090",
        "sips:192.0.2.1",
    ] {
        let all = places(uri, ALL, ZONE);
        assert!(all.iter().all(|place| place.starts_with("TLS ")), "{all:?}");
    }
    let (_, none) = resolve("sips:example.com", PLAIN, ZONE, 1);
    assert!(none.is_err(), "{none:?}");
}

#[test]
fn rfc3261_19_1_1_a_sips_uri_is_not_sent_to_over_udp() {
    let (_, none) = resolve("sips:example.com;transport=udp", ALL, ZONE, 1);
    assert!(none.is_err(), "{none:?}");
}
