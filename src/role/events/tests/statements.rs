//! Statements of RFC 6665 about notifiers that no other test shows, one by one (`conformance/rfc6665.toml`).

use super::*;

/// The nonce of a challenge.
fn nonce(response: &Response) -> String {
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = response
        .headers()
        .values(HeaderName::WwwAuthenticate)
        .next();
    let rest = challenge.unwrap().split("nonce=\"").nth(1).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The fields with which alice proves who she is.
fn proof(nonce: &str, count: &str, cseq: u32) -> String {
    let algorithm = Algorithm::Sha256;
    let ha1 = hex(algorithm.ha1("alice", "example.com", "secret").as_bytes());
    let ha2 = algorithm.ha2("SUBSCRIBE", "sip:alice@example.com");
    let response = hex(algorithm
        .response(&ha1, &format!("{nonce}:{count}:c:auth"), &ha2)
        .as_bytes());
    format!(
        "CSeq: {cseq} SUBSCRIBE\r\nAuthorization: Digest username=\"alice\", realm=\"example.com\", nonce=\"{nonce}\", \
         uri=\"sip:alice@example.com\", response=\"{response}\", algorithm=SHA-256, qop=auth, nc={count}, cnonce=\"c\"\r\n"
    )
}

#[test]
fn rfc6665_4_2_1_1_a_subscriber_is_authenticated_and_authorised() {
    let mut world = World::with(true);
    world.subscribe("");
    let (responses, told) = world.drain();
    assert!(told.is_empty(), "nothing is told to who has proved nothing");
    let nonce = nonce(&responses[0]);
    world.subscribe(&proof(&nonce, "00000001", 2));
    let (responses, told) = world.drain();
    assert_eq!((responses[0].status(), told.len()), (StatusCode::OK, 1));
    // Who is someone, and not one who may.
    let mut world = World::new();
    world.subscribe("From: <sip:bob@example.com>;tag=1\r\n");
    assert_eq!(world.statuses(), [403]);
}

#[test]
fn rfc6665_6_3_a_subscriber_is_authenticated() {
    let mut world = World::with(true);
    world.subscribe("");
    assert_eq!(world.statuses(), [401]);
    assert_eq!(world.events.subscriptions(), 0);
}

#[test]
fn rfc6665_6_4_a_proof_is_good_for_one_request() {
    let mut world = World::with(true);
    world.subscribe("");
    let nonce = nonce(&world.drain().0[0]);
    world.subscribe(&proof(&nonce, "00000001", 2));
    assert_eq!(world.statuses(), [200]);
    // The same again, by someone who has heard it.
    world.subscribe(&proof(&nonce, "00000001", 3).replace("CSeq", "Call-ID: replay\r\nCSeq"));
    assert_eq!(world.statuses(), [401]);
    assert_eq!(world.events.subscriptions(), 1);
}

#[test]
fn rfc6665_3_2_1_who_takes_none_of_our_types_is_406() {
    for (accept, expected) in [
        ("Accept: application/reginfo+xml\r\n", 200),
        ("Accept: text/plain, application/*\r\n", 200),
        ("Accept: application/pidf+xml\r\n", 406),
        ("Accept: application/reginfo+xml;q=0\r\n", 406),
    ] {
        let mut world = World::new();
        world.subscribe(accept);
        let (responses, told) = world.drain();
        assert_eq!(responses[0].status().as_u16(), expected, "{accept}");
        assert_eq!(told.len(), usize::from(expected == 200));
        if expected == 406 {
            let ours = responses[0].headers().get(HeaderName::Accept);
            assert_eq!(ours, Some("application/reginfo+xml"));
        }
    }
}

#[test]
fn rfc6665_4_2_2_a_notify_follows_each_200_at_once() {
    let mut world = World::new();
    world.subscribe("");
    let calls = world.layer.take();
    assert!(
        matches!(&calls[..], [Call::Respond { response, .. }, Call::Request { request, .. }]
            if response.status() == StatusCode::OK && *request.method() == Method::Notify),
        "{calls:?}"
    );
}
