//! The IPv6 torture messages of RFC 5118 with CRLF line ends, each with the verdict that the RFC gives it.

use std::net::IpAddr;

use bytes::Bytes;
use sip_message::header::Via;
use sip_message::{Host, Message, ParseErrorKind as Kind, ParserConfig, StatusCode};

macro_rules! message {
    ($name:literal) => {
        Message::parse(
            Bytes::from_static(include_bytes!(concat!("../data/rfc5118/", $name, ".dat"))),
            &ParserConfig::default(),
        )
        .expect("the message is well-formed")
    };
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn vias(message: &Message) -> Vec<Via<'_>> {
    message.headers().typed_all().map(Result::unwrap).collect()
}

fn uri_host(message: &Message) -> (IpAddr, Option<u16>) {
    let uri = message.as_request().unwrap().uri().unwrap();
    (uri.host().unwrap().ip().unwrap(), uri.port())
}

#[test]
fn rfc5118_4_1_valid_reference() {
    let message = message!("ipv6-good");
    assert_eq!(message.validate_all(), Ok(()));
    assert_eq!(uri_host(&message), (ip("2001:db8::10"), None));
    assert_eq!(
        vias(&message)[0].host(),
        Host::V6("2001:db8::9:1".parse().unwrap())
    );
}

#[test]
fn rfc5118_4_2_reference_without_brackets() {
    let error = message!("ipv6-bad").validate().unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (Kind::Uri, Some(StatusCode::BAD_REQUEST))
    );
}

#[test]
fn rfc5118_4_3_port_ambiguous() {
    let message = message!("port-ambiguous");
    assert_eq!(message.validate_all(), Ok(()));
    assert_eq!(uri_host(&message), (ip("2001:db8::10:5070"), None));
}

#[test]
fn rfc5118_4_4_port_unambiguous() {
    let message = message!("port-unambiguous");
    assert_eq!(message.validate_all(), Ok(()));
    assert_eq!(uri_host(&message), (ip("2001:db8::10"), Some(5070)));
}

#[test]
fn rfc5118_4_5_received_with_and_without_delimiters() {
    let with = message!("via-received-param-with-delim");
    assert_eq!(with.validate_all(), Ok(()));
    assert_eq!(vias(&with)[0].received(), Some(ip("2001:db8::9:255")));
    let without = message!("via-received-param-no-delim");
    assert_eq!(without.validate_all(), Ok(()));
    assert_eq!(vias(&without)[0].received(), Some(ip("2001:db8::9:255")));
    // When sending, the parameter MUST have no brackets.
    let mut sent = without;
    assert!(
        sent.headers_mut()
            .set_top_via_params(Some(ip("2001:db8::1")), None)
    );
    assert_eq!(vias(&sent)[0].params().get("received"), Some("2001:db8::1"));
}

#[test]
fn rfc5118_4_6_and_4_8_addresses_in_sdp() {
    for message in [message!("ipv6-in-sdp"), message!("mult-ip-in-sdp")] {
        assert_eq!(message.validate_all(), Ok(()));
        assert!(message.body().starts_with(b"v=0\r\n"));
        assert!(message.body().ends_with(b"\r\n"));
    }
}

#[test]
fn rfc5118_4_7_mixed_addresses_in_via() {
    let message = message!("mult-ip-in-header");
    assert_eq!(message.validate_all(), Ok(()));
    let hosts: Vec<Option<IpAddr>> = vias(&message).iter().map(|via| via.host().ip()).collect();
    assert_eq!(hosts.iter().flatten().filter(|ip| ip.is_ipv6()).count(), 2);
    assert_eq!(hosts.iter().flatten().filter(|ip| ip.is_ipv4()).count(), 1);
}

#[test]
fn rfc5118_4_9_mapped_addresses() {
    let message = message!("ipv4-mapped-ipv6");
    assert_eq!(message.validate_all(), Ok(()));
    assert_eq!(
        vias(&message)[0].host(),
        Host::V6("::ffff:192.0.2.10".parse().unwrap())
    );
    assert_eq!(vias(&message)[0].port(), Some(19823));
}

#[test]
fn rfc5118_4_10_three_colons_are_tolerated() {
    let two = message!("ipv6-correct-abnf-2-colons");
    let three = message!("ipv6-bug-abnf-3-colons");
    assert_eq!(two.validate_all(), Ok(()));
    assert_eq!(three.validate_all(), Ok(()));
    assert_eq!(uri_host(&two), uri_host(&three));
}

/// A message without a verdict is a hole in this file.
#[test]
fn every_message_of_the_archive_is_here() {
    let here = include_str!("rfc5118.rs");
    let files =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rfc5118")).unwrap();
    let names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 12);
    for name in names {
        let name = name.trim_end_matches(".dat");
        assert!(
            here.contains(&format!("message!(\"{name}\")")),
            "{name} has no verdict"
        );
    }
}
