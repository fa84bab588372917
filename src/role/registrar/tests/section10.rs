//! Statements of RFC 3261 §10 and of §22 about registrars that no other test shows, one by one (`conformance/rfc3261.toml`).

use super::*;

#[test]
fn rfc3261_10_3_record_route_is_ignored_and_not_answered() {
    let mut world = World::open();
    let fields = "Record-Route: <sip:p.example.net;lr>\r\nContact: <sip:a@192.0.2.7>\r\n";
    let response = world.register(fields);
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains(HeaderName::RecordRoute));
    assert!(stored(&world)[0].path().next().is_none());
}

#[test]
fn rfc3261_10_3_a_registrar_answers_no_6xx() {
    for fields in [
        "Contact: <sip:a@192.0.2.7>\r\n",
        "Contact: *\r\n",
        "Contact: *\r\nExpires: 0\r\n",
        "Contact: <mailto:a@example.com>\r\n",
        "Contact: <sip:a@192.0.2.7>;expires=1\r\n",
        "Require: magic\r\n",
        "To: <sip:alice@elsewhere.example>\r\n",
        "Contact: <<\r\n",
    ] {
        for mut world in [World::open(), World::new()] {
            let Some(response) = world.send(fields) else {
                continue;
            };
            assert!(
                response.status().class() < 6,
                "{fields}{}",
                response.status()
            );
        }
    }
}

#[test]
fn rfc3261_10_3_registers_take_effect_in_the_order_of_their_arrival_and_each_alone() {
    let mut world = World::open();
    for number in 1..=5 {
        let fields = format!("CSeq: {number} REGISTER\r\nContact: <sip:a{number}@192.0.2.7>\r\n");
        world.register(&fields);
    }
    let mut kept: Vec<String> = stored(&world)
        .iter()
        .map(|binding| binding.contact().to_owned())
        .collect();
    kept.sort();
    let all: Vec<String> = (1..=5).map(|n| format!("sip:a{n}@192.0.2.7")).collect();
    assert_eq!(kept, all);
    // The last one decides; one that fails changes nothing for the others.
    world.register("CSeq: 6 REGISTER\r\nContact: <sip:a1@192.0.2.7>;expires=0\r\n");
    world.register("CSeq: 7 REGISTER\r\nContact: <mailto:x@example.com>\r\n");
    assert_eq!(stored(&world).len(), 4);
}

#[test]
fn rfc3261_10_3_a_user_is_asked_for_a_password() {
    let mut world = World::new();
    let challenge = world.register("Contact: <sip:a@192.0.2.7>\r\n");
    assert_eq!(challenge.status(), StatusCode::UNAUTHORIZED);
    assert!(stored(&world).is_empty(), "nothing is done before");
    let response = world.register_as("alice", "secret", "Contact: <sip:a@192.0.2.7>\r\n");
    assert_eq!(response.status(), StatusCode::OK);
}

#[test]
fn rfc3261_10_3_a_423_names_the_least_time() {
    let mut world = World::open();
    let response = world.register("Contact: <sip:a@192.0.2.7>;expires=5\r\n");
    assert_eq!(response.status(), StatusCode::INTERVAL_TOO_BRIEF);
    let least = response.headers().get(HeaderName::MinExpires).unwrap();
    assert!(least.parse::<u32>().unwrap() > 5, "{least}");
    assert!(stored(&world).is_empty());
}

#[test]
fn rfc3261_10_2_a_malformed_expires_is_3600() {
    let mut world = World::open();
    world.registrar.config.max_expires = 7200;
    let response = world.register("Expires: soon\r\nContact: <sip:a@192.0.2.7>\r\n");
    assert!(
        contacts(&response)[0].contains("expires=3600"),
        "{:?}",
        contacts(&response)
    );
}

#[test]
fn rfc3261_22_2_a_401_has_its_challenge() {
    let mut world = World::new();
    let challenge = world.register("");
    assert_eq!(challenge.status(), StatusCode::UNAUTHORIZED);
    let values: Vec<&str> = challenge
        .headers()
        .values(HeaderName::WwwAuthenticate)
        .collect();
    assert!(!values.is_empty());
    for value in values {
        // §22.1 and §22.4: a realm of the domain, Digest and never Basic, and a qop.
        assert!(value.starts_with("Digest realm=\"example.com\""), "{value}");
        assert!(value.contains("qop=\"auth"), "{value}");
    }
}

#[test]
fn rfc3261_22_basic_is_neither_offered_nor_taken() {
    let mut world = World::new();
    // alice:secret.
    let response =
        world.register("Authorization: Basic YWxpY2U6c2VjcmV0\r\nContact: <sip:a@192.0.2.7>\r\n");
    assert_ne!(response.status(), StatusCode::OK);
    assert!(stored(&world).is_empty());
    let basic = response
        .headers()
        .values(HeaderName::WwwAuthenticate)
        .any(|value| value.to_ascii_lowercase().starts_with("basic"));
    assert!(!basic);
}

#[test]
fn rfc3261_26_3_2_1_a_registrar_asks_by_401_for_its_domain() {
    rfc3261_22_2_a_401_has_its_challenge();
}
