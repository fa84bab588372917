//! Statements of RFC 3261 about proxies and redirect servers outside its section 16, and of section 16 about what they do
//! for security, one by one (`conformance/rfc3261.toml`).

use super::*;
use crate::routing::{Hop, Route, Rule, Table};

const ALICE: &str = "From: <sip:alice@example.com>;tag=1\r\n";

fn ringing() -> World {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    world
}

fn redirecting() -> World {
    let mut world = ringing();
    world.proxy.config.redirects = true;
    world
}

fn cancel(invite: ServerTransactionId, fields: &str) -> Event {
    Event::Cancel {
        id: ServerTransactionId::from_parts(99, 0),
        invite: Some(invite),
        request: parse(&message("CANCEL", "sip:bob@example.com", fields)).into(),
        flow: flow(TransportKind::Udp, 0, "198.51.100.7:5060"),
    }
}

#[test]
fn rfc3261_8_3_what_is_not_understood_is_redirected_all_the_same() {
    for (method, fields) in [
        ("INVITE", "Require: magic\r\nX-Ray: on\r\n"),
        ("NEWFANGLED", ""),
        ("MESSAGE", "Require: magic, wand\r\n"),
    ] {
        let mut world = redirecting();
        world.request(&message(method, "sip:bob@example.com", fields));
        let response = world.responses().remove(0);
        assert_eq!(response.status().as_u16(), 302, "{method} {fields}");
        assert_eq!(
            response.headers().get(HeaderName::Contact),
            Some("<sip:bob@192.0.2.1>;q=1.000")
        );
    }
}

#[test]
fn rfc3261_8_3_a_cancel_of_what_waits_for_its_redirection_is_200() {
    let mut world = redirecting();
    world.silent = true;
    let (id, _) = world.request(&invite("sip:bob@example.com", ""));
    assert!(world.input(cancel(id, "")).is_none());
    assert_eq!(world.statuses(), [200, 487]);
}

#[test]
fn rfc3261_8_3_nobody_is_redirected_to_where_they_asked() {
    let mut world = World::new();
    world.proxy.config.redirects = true;
    world.bind("sip:bob@example.com", None);
    world.request(&invite("sip:bob@example.com", ""));
    assert_eq!(world.statuses(), [404]);
    world.bind("sip:bob@192.0.2.7", None);
    world.request(&invite("sip:bob@example.com", ""));
    let response = world.responses().remove(0);
    let contacts: Vec<_> = response.headers().values(HeaderName::Contact).collect();
    assert!(
        matches!(contacts.as_slice(), [one] if one.starts_with("<sip:bob@192.0.2.7>")),
        "{contacts:?}"
    );
}

#[test]
fn rfc3261_16_3_what_a_transaction_could_not_handle_is_refused() {
    for (from, to) in [
        ("CSeq: 1 INVITE", "CSeq: 1 MESSAGE"),
        ("From: <sip:carol@example.net>;tag=1", "From: ;tag=1"),
    ] {
        let mut world = ringing();
        let text = invite("sip:bob@example.com", "").replace(from, to);
        assert_eq!(world.refused(&text).0, 400, "{to}");
        assert!(world.sent().is_empty());
    }
}

#[test]
fn rfc3261_16_6_what_is_for_a_sips_uri_leaves_by_tls_whatever_the_route_says() {
    let mut world = World::new();
    world.kind = TransportKind::Tls;
    let sips = |fields: &str| {
        let from = "From: <sips:carol@example.net>;tag=1\r\n";
        invite("sips:bob@example.com", &format!("{from}{fields}"))
    };
    let over = flow(TransportKind::Tls, 0, "198.51.100.7:43210");
    world.bind("sips:bob@192.0.2.1", None);
    world.bindings[0].edit(|fields| fields.path = vec!["<sip:edge.example.com;lr>".into()]);
    world.request_over(&sips(""), over);
    let sent = world.sent();
    assert_eq!(sent[0].request.uri_str(), "sips:bob@192.0.2.1");
    assert_eq!(
        values(&sent[0].request, HeaderName::Route),
        ["<sip:edge.example.com;lr>"]
    );
    assert_eq!(world.hops, ["sips:edge.example.com;lr"]);
}

#[test]
fn rfc3261_16_6_proxies_that_a_rule_adds_are_loose_routers() {
    let mut world = World::new();
    let rule =
        Rule::new(Route::to([Hop::via(Uri::parse("sip:sbc.example.net").unwrap())]).trusted());
    world.proxy.config.router = Some(Arc::new([rule].into_iter().collect::<Table>()));
    world.request(&invite("sip:dave@example.org", ""));
    let sent = world.sent();
    assert_eq!(
        values(&sent[0].request, HeaderName::Route),
        ["<sip:sbc.example.net;lr>"]
    );
    assert_eq!(sent[0].request.uri_str(), "sip:dave@example.org");
}

#[test]
fn rfc3261_21_3_4_no_proxy_answers_305() {
    for follows in [false, true] {
        let mut world = redirecting();
        world.proxy.config.follows_redirects = follows;
        world.request(&invite("sip:bob@example.com", ""));
        assert_eq!(world.statuses(), [302]);
    }
}

#[test]
fn rfc3261_22_1_a_proxy_asks_by_407_and_not_by_401() {
    for method in ["INVITE", "MESSAGE", "FOO"] {
        let mut world = ringing();
        let from = format!("{ALICE}CSeq: 1 {method}\r\n");
        world.request(&message(method, "sip:bob@example.com", &from));
        let challenge = world.responses().remove(0);
        assert_eq!(challenge.status().as_u16(), 407, "{method}");
        assert!(!challenge.headers().contains(HeaderName::WwwAuthenticate));
    }
}

#[test]
fn rfc3261_22_1_neither_ack_nor_cancel_is_challenged() {
    let mut world = ringing();
    let (id, sent) = world.request_of_alice();
    assert_eq!(sent.len(), 1);
    // The CANCEL comes from the same hop as the INVITE, without credentials.
    assert!(world.input(cancel(id, ALICE)).is_none());
    assert_eq!(world.statuses().first(), Some(&200));
    // An ACK to a 2xx goes where it goes, and nothing is answered to it; so it is with one that leads nowhere.
    let recorded = values(&sent[0].request, HeaderName::RecordRoute)[0].to_owned();
    for route in [recorded.as_str(), "<sip:192.0.2.10;lr>"] {
        let fields = format!("{ALICE}To: <sip:bob@example.com>;tag=2\r\nRoute: {route}\r\n");
        let ack = parse(&message("ACK", "sip:bob@192.0.2.1", &fields));
        world.input(Event::Ack {
            invite: None,
            request: ack.into(),
            flow: flow(TransportKind::Udp, 0, "198.51.100.7:5060"),
        });
        assert!(world.responses().is_empty());
    }
}

#[test]
fn rfc3261_22_who_is_known_may_not_speak_for_others() {
    let mut world = ringing();
    let (_, sent) = world.request_of_alice();
    assert_eq!(sent.len(), 1, "alice for herself");
    world.request(&invite("sip:bob@example.com", ALICE));
    let challenge = world.responses().pop().unwrap();
    let bob = credentials(
        &challenge,
        "bob",
        "hunter2",
        "INVITE",
        "sip:bob@example.com",
    );
    let fields = format!("{ALICE}CSeq: 3 INVITE\r\n{bob}");
    assert_eq!(
        world.refused(&invite("sip:bob@example.com", &fields)).0,
        403
    );
}

#[test]
fn rfc3261_22_3_a_407_has_its_challenge_and_adds_nothing_to_what_was_proved() {
    let mut world = ringing();
    world.request(&invite("sip:bob@example.com", ALICE));
    let challenge = world.responses().remove(0);
    let value = challenge.headers().values(HeaderName::ProxyAuthenticate);
    assert!(
        value
            .into_iter()
            .all(|value| value.contains("realm=\"example.com\"")
                && value.contains("qop=\"auth\"")
                && value.starts_with("Digest "))
    );
    assert!(challenge.headers().contains(HeaderName::ProxyAuthenticate));
    let (_, sent) = world.request_of_alice();
    assert!(values(&sent[0].request, HeaderName::ProxyAuthorization).is_empty());
}

#[test]
fn rfc3261_22_3_the_challenges_of_others_go_on() {
    // One 407 as it is, and those of several branches in one response.
    let mut world = ringing();
    let (_, sent) = world.call_bob();
    let other = "Digest realm=\"elsewhere\", nonce=\"n\", qop=\"auth\"";
    world.reply_with(&sent[0], 407, &[(HeaderName::ProxyAuthenticate, other)]);
    let response = world.responses().remove(0);
    assert_eq!(response.status().as_u16(), 407);
    assert_eq!(
        response.headers().get(HeaderName::ProxyAuthenticate),
        Some(other)
    );
    let mut world = ringing();
    world.bind("sip:bob@192.0.2.2", None);
    let (_, sent) = world.call_bob();
    let third = "Digest realm=\"third\", nonce=\"m\", qop=\"auth\"";
    world.reply_with(&sent[0], 407, &[(HeaderName::ProxyAuthenticate, other)]);
    world.reply_with(&sent[1], 401, &[(HeaderName::WwwAuthenticate, third)]);
    let response = world.responses().remove(0);
    let all: Vec<_> = [HeaderName::ProxyAuthenticate, HeaderName::WwwAuthenticate]
        .into_iter()
        .flat_map(|name| response.headers().values(name))
        .collect();
    assert_eq!(all, [other, third]);
}

/// Alice has proved who she is in her INVITE; nothing that belongs to it can be asked for more.
#[test]
fn rfc3261_22_1_what_belongs_to_an_admitted_invite_is_asked_for_nothing() {
    let mut world = ringing();
    assert_eq!(world.refused(&invite("sip:bob@example.com", ALICE)).0, 407);
    let (id, sent) = world.request_of_alice();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute)[0].to_owned();
    world.reply(&sent[0], 180);
    assert_eq!(world.statuses(), [180]);
    let fields = format!("{ALICE}CSeq: 2 CANCEL\r\n");
    assert!(world.input(cancel(id, &fields)).is_none());
    let calls = world.layer.take();
    assert!(
        matches!(&calls[..], [Call::Respond { response, .. }, Call::Cancel { .. }] if response.status() == StatusCode::OK),
        "{calls:?}"
    );
    // It was too late.
    world.reply(&sent[0], 200);
    assert_eq!(world.statuses(), [200]);
    let fields =
        format!("{ALICE}To: <sip:bob@example.com>;tag=2\r\nCSeq: 2 ACK\r\nRoute: {recorded}\r\n");
    let ack = Event::Ack {
        invite: None,
        request: parse(&message("ACK", "sip:bob@192.0.2.1", &fields)).into(),
        flow: flow(TransportKind::Udp, 0, "198.51.100.7:5060"),
    };
    assert!(world.input(ack).is_none());
    let calls = world.layer.take();
    assert!(matches!(&calls[..], [Call::Ack { .. }]), "{calls:?}");
}

#[test]
fn rfc3261_22_3_credentials_are_told_apart_by_their_realm() {
    let mut world = ringing();
    world.request(&invite("sip:bob@example.com", ALICE));
    let challenge = world.responses().remove(0);
    let ours = credentials(
        &challenge,
        "alice",
        "secret",
        "INVITE",
        "sip:bob@example.com",
    );
    let fields = format!(
        "{ALICE}CSeq: 2 INVITE\r\nProxy-Authorization: Digest username=\"a\", realm=\"third\", nonce=\"x\", uri=\"y\", response=\"z\"\r\n{ours}"
    );
    world.request(&invite("sip:bob@example.com", &fields));
    assert_eq!(world.sent().len(), 1);
}

#[test]
fn rfc3261_22_3_the_only_scheme_is_one_with_realms() {
    let mut world = ringing();
    world.request(&invite("sip:bob@example.com", ALICE));
    let challenge = world.responses().remove(0);
    let values: Vec<&str> = challenge
        .headers()
        .values(HeaderName::ProxyAuthenticate)
        .collect();
    assert!(!values.is_empty());
    for value in values {
        assert!(
            value.starts_with("Digest ") && value.contains("realm=\"example.com\""),
            "{value}"
        );
    }
}

#[test]
fn rfc3261_22_3_credentials_for_our_realm_go_no_further_however_they_are_written() {
    let third = "Digest username=\"a\", realm=\"third\", nonce=\"x\", uri=\"y\", response=\"z\"";
    for written in ["realm=\"", "realm = \"", "REALM=\""] {
        let mut world = ringing();
        world.request(&invite("sip:bob@example.com", ALICE));
        let challenge = world.responses().remove(0);
        let to = "sip:bob@example.com";
        let ours = credentials(&challenge, "alice", "secret", "INVITE", to);
        assert!(ours.contains("realm=\""), "{ours}");
        let ours = ours.replace("realm=\"", written);
        let fields = format!("{ALICE}CSeq: 2 INVITE\r\nProxy-Authorization: {third}\r\n{ours}");
        world.request(&invite(to, &fields));
        let sent = world.sent();
        assert_eq!(
            values(&sent[0].request, HeaderName::ProxyAuthorization),
            [third],
            "{written}"
        );
    }
}

#[test]
fn rfc3261_22_4_every_challenge_has_qop_and_none_is_basic() {
    let mut world = ringing();
    for fields in [
        ALICE.to_owned(),
        format!("{ALICE}Proxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n"),
    ] {
        world.request(&invite("sip:bob@example.com", &fields));
        let challenge = world.responses().remove(0);
        assert_eq!(challenge.status().as_u16(), 407);
        for value in challenge.headers().values(HeaderName::ProxyAuthenticate) {
            assert!(value.starts_with("Digest ") && value.contains("qop=\"auth\""));
        }
    }
}

#[test]
fn rfc3261_26_3_2_2_a_proxy_asks_routes_and_stays_on_the_way() {
    let mut world = ringing();
    assert_eq!(world.refused(&invite("sip:bob@example.com", ALICE)).0, 407);
    let (_, sent) = world.request_of_alice();
    // By the Request-URI, and with a Record-Route.
    assert_eq!(sent[0].request.uri_str(), "sip:bob@192.0.2.1");
    assert!(!values(&sent[0].request, HeaderName::RecordRoute).is_empty());
}

#[test]
fn rfc3261_26_3_2_2_a_call_goes_by_the_connection_of_the_registration() {
    let mut world = World::new();
    let mut binding = Binding::new("sip:bob@192.0.2.1;transport=tls", UNIX_EPOCH, "c", 1);
    binding.edit(|fields| fields.flow = Some("over-tls".into()));
    world.bindings.push(binding);
    world.call_bob();
    assert_eq!(world.tokens, [Some("over-tls".to_owned())]);
}

#[test]
fn rfc3262_3_a_prack_that_is_not_ours_is_forwarded() {
    let mut world = ringing();
    let (_, sent) = world.call_bob();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute)[0].to_owned();
    let fields = format!(
        "To: <sip:bob@example.com>;tag=2\r\nCSeq: 2 PRACK\r\nRAck: 776656 1 INVITE\r\nRoute: {recorded}\r\n"
    );
    world.request(&message("PRACK", "sip:bob@192.0.2.1", &fields));
    let sent = world.sent();
    assert_eq!(sent[0].request.method(), &Method::Prack);
    assert_eq!(
        values(&sent[0].request, HeaderName::RAck),
        ["776656 1 INVITE"]
    );
}

#[test]
fn rfc3261_19_1_1_a_number_has_the_parameter_user() {
    let mut world = World::new();
    let gateway = Hop::new(Uri::parse("sip:gw.example.net").unwrap());
    let rule = Rule::new(Route::to([gateway]).trusted()).prefix("+");
    world.proxy.config.router = Some(Arc::new([rule].into_iter().collect::<Table>()));
    world.request(&invite("sip:+441234@example.com", ""));
    assert_eq!(
        world.sent()[0].request.uri_str(),
        "sip:+441234@gw.example.net;user=phone"
    );
}

#[test]
fn rfc3261_21_4_10_who_is_not_known_is_404_and_not_410() {
    let mut world = World::new();
    let status = world.refused(&invite("sip:nobody@example.com", "")).0;
    assert!(matches!(status, 404 | 480), "{status}");
}

#[test]
fn rfc3261_26_3_1_digest_opens_what_is_closed() {
    let mut world = ringing();
    assert_eq!(world.refused(&invite("sip:bob@example.com", ALICE)).0, 407);
    let (_, sent) = world.request_of_alice();
    assert_eq!(sent.len(), 1);
}

impl World {
    /// Alice calls bob with her password.
    fn request_of_alice(&mut self) -> (ServerTransactionId, Vec<Sent>) {
        self.request(&invite("sip:bob@example.com", ALICE));
        let challenge = self.responses().pop().unwrap();
        let proof = credentials(
            &challenge,
            "alice",
            "secret",
            "INVITE",
            "sip:bob@example.com",
        );
        let fields = format!("{ALICE}CSeq: 2 INVITE\r\n{proof}");
        let (id, _) = self.request(&invite("sip:bob@example.com", &fields));
        (id, self.sent())
    }
}
