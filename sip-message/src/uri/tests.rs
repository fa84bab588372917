use proptest::prelude::*;

use super::*;

fn uri(text: &str) -> UriRef<'_> {
    UriRef::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn rfc3261_19_1_3_examples() {
    let u = uri("sip:alice@atlanta.com");
    assert_eq!(
        (u.user(), u.host_str(), u.port()),
        (Some("alice"), Some("atlanta.com"), None)
    );
    let u = uri("sip:alice:secretword@atlanta.com;transport=tcp");
    assert_eq!(
        (u.password(), u.param("Transport")),
        (Some("secretword"), Some("tcp"))
    );
    let u = uri("sips:alice@atlanta.com?subject=project%20x&priority=urgent");
    assert!(u.is_secure());
    assert!(
        u.headers()
            .eq([("subject", "project%20x"), ("priority", "urgent")])
    );
    let u = uri("sip:+1-212-555-1212:1234@gateway.com;user=phone");
    assert!(u.is_global_number());
    assert_eq!(
        (u.user(), u.password()),
        (Some("+1-212-555-1212"), Some("1234"))
    );
    assert_eq!(uri("sips:1212@gateway.com").user(), Some("1212"));
    assert_eq!(
        uri("sip:alice@192.0.2.4").host(),
        Some(Host::V4([192, 0, 2, 4].into()))
    );
    let u = uri("sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com");
    assert_eq!((u.user(), u.param("method")), (None, Some("REGISTER")));
    assert_eq!(
        uri("sip:alice;day=tuesday@atlanta.com").user(),
        Some("alice;day=tuesday")
    );
}

#[test]
fn rfc3261_19_1_4_equivalent() {
    for (a, b) in [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        // Found by the fuzz target `sip_uri`: a URI that repeats a parameter did not equal itself.
        ("sip:a;x=1;x=2", "sip:a;x=1;x=2"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        (
            "sip:carol@chicago.com;newparam=5",
            "sip:carol@chicago.com;security=on",
        ),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
    ] {
        assert!(uri(a) == uri(b) && uri(b) == uri(a), "{a} {b}");
    }
}

#[test]
fn rfc3261_19_1_4_not_equivalent() {
    for (a, b) in [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com:6000;transport=tcp",
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
        ),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob:pw@biloxi.com"),
        ("sip:biloxi.com", "sip:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;maddr=239.1.1.1"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;user=ip"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;ttl=1"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;method=INVITE"),
        // An escaped reserved character is not the character.
        ("sip:a%3Bb@biloxi.com", "sip:a;b@biloxi.com"),
    ] {
        assert!(uri(a) != uri(b) && uri(b) != uri(a), "{a} {b}");
    }
}

#[test]
fn rfc3966_4_comparison() {
    for (a, b, same) in [
        ("tel:+1-201-555-0123", "tel:+12015550123", true),
        (
            "tel:+1-201-555-0123;isub=1;ext=2",
            "TEL:+1(201)5550123;ext=2;isub=1",
            true,
        ),
        ("tel:+12015550123", "tel:+12015550123;ext=2", false),
        (
            "tel:7042;phone-context=example.com",
            "tel:7042;phone-context=EXAMPLE.com",
            true,
        ),
        (
            "tel:7042;phone-context=example.com",
            "tel:7042;phone-context=example.org",
            false,
        ),
        (
            "tel:863-1234;phone-context=+1-914-555",
            "tel:8631234;phone-context=+1914555",
            true,
        ),
        (
            "tel:863-1234;phone-context=+1-914-555",
            "tel:+8631234",
            false,
        ),
        (
            "tel:7a;phone-context=x.org",
            "tel:7A;phone-context=x.org",
            true,
        ),
    ] {
        assert_eq!(uri(a) == uri(b), same, "{a} {b}");
    }
}

/// Each with each, thousands of parameters cost hundreds of millions of steps.
#[test]
fn uris_with_too_many_parameters_equal_their_own_text_alone() {
    let many = |n: usize, last: &str| alloc::format!("sip:h{}{last}", ";a=1".repeat(n));
    let (some, most) = (many(62, ";b"), many(9_000, ";b"));
    assert_eq!(uri(&some), uri(&many(62, ";B")));
    assert_eq!(uri(&most), uri(&most));
    assert_ne!(uri(&most), uri(&many(9_000, ";B")));
    let fields = |last: &str| alloc::format!("sip:h?{}{last}", "a=1&".repeat(9_000));
    assert_ne!(uri(&fields("b=1")), uri(&fields("B=1")));
    let tel = |last: &str| alloc::format!("tel:+1{}{last}", ";a=1".repeat(9_000));
    assert_ne!(uri(&tel(";b")), uri(&tel(";B")));
}

#[test]
fn rfc3966_6_examples() {
    assert_eq!(uri("tel:+1-201-555-0123").user(), Some("+1-201-555-0123"));
    assert_eq!(
        uri("tel:7042;phone-context=example.com").param("phone-context"),
        Some("example.com")
    );
    assert!(UriRef::parse("tel:7042").is_err());
    assert!(UriRef::parse("tel:+").is_err());
    assert!(UriRef::parse("tel:+1-20a").is_err());
    assert!(!uri("tel:863-1234;phone-context=+1-914-555").is_global_number());
}

#[test]
fn rfc5031_service_urns() {
    let sos = uri("urn:service:sos.fire");
    assert_eq!(
        (sos.scheme(), sos.opaque()),
        (Scheme::Urn, "service:sos.fire")
    );
    assert_eq!(sos, uri("URN:SERVICE:SOS.FIRE"));
    assert_eq!(
        uri("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        uri("urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6")
    );
    assert_ne!(uri("urn:example:a"), uri("urn:example:A"));
    assert!(UriRef::parse("urn:service").is_err());
    assert!(UriRef::parse("urn:x:y").is_err());
}

#[test]
fn malformed_uris_are_refused() {
    for text in [
        "",
        "sip",
        "sip:",
        "sip:@host",
        "sip:a@",
        "sip:a@b@c",
        "sip:a b@c",
        "sip:host:",
        "sip:host:x",
        "sip:host:65536",
        "sip:[::1",
        "sip:[1.2.3.4]",
        "sip:[:::1]",
        "sip:host;",
        "sip:host;=x",
        "sip:host;a=",
        "sip:host?x",
        "sip:host?",
        "sip:-host",
        "sip:%zz@host",
        "sip:%4@host",
        "<sip:host>",
        "sip:host\r\n",
        "http:",
        "1a:b",
        "mailto:a b",
        "sip:host;a\u{e9}",
        "sip:\u{e9}@host",
    ] {
        assert!(UriRef::parse(text).is_err(), "{text}");
    }
    let long = alloc::format!("sip:{}@host", "a".repeat(70_000));
    assert_eq!(UriRef::parse(&long).unwrap_err().reason(), "URI too long");
}

#[test]
fn built_uris_cannot_smuggle() {
    assert_eq!(
        Uri::sip(Some("a b@c"), Host::Name("h"), None).as_str(),
        "sip:a%20b%40c@h"
    );
    assert_eq!(
        Uri::sip(None, Host::Name("h\r\nVia: x"), None).as_str(),
        "sip:invalid"
    );
    let v6 = Uri::sips(
        Some("x"),
        Host::V6("2001:db8::1".parse().unwrap()),
        Some(5061),
    );
    assert_eq!(v6.as_str(), "sips:x@[2001:db8::1]:5061");
    let u = Uri::parse("sip:h;lr;a=1?x=y")
        .unwrap()
        .with_param("a", Some("2 3"))
        .with_header("to", "a&b");
    assert_eq!(u.as_str(), "sip:h;lr;a=2%203?x=y&to=a%26b");
    assert_eq!(u.without_param("LR").as_str(), "sip:h;a=2%203?x=y&to=a%26b");
}

#[test]
fn escapes_resolve() {
    assert_eq!(
        uri("sip:%61%e2%82%ac@h").user_unescaped().unwrap(),
        "a\u{20ac}"
    );
    assert_eq!(unescape("%ff"), "%ff");
    assert_eq!(unescape("100%"), "100%");
    assert_eq!(escape_user("\u{20ac}"), "%E2%82%AC");
}

#[test]
fn sizes() {
    assert!(size_of::<UriRef<'_>>() <= 40);
}

/// Nearly a sip URI: pieces of one in some order.
fn nearly_a_uri() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z0-9.]{1,4}",
        Just("alice".to_owned()),
        Just("192.0.2.1".to_owned()),
        Just("@".to_owned()),
        Just(":".to_owned()),
        Just(":5060".to_owned()),
        Just(";lr".to_owned()),
        Just(";a=b".to_owned()),
        Just(";".to_owned()),
        Just("?a=b".to_owned()),
        Just("%41".to_owned()),
        Just("+1-2".to_owned()),
        Just("[::1]".to_owned()),
        "[ -~]",
    ];
    (
        prop_oneof![Just("sip:"), Just("SIPS:")],
        proptest::collection::vec(piece, 0..7),
    )
        .prop_map(|(scheme, pieces)| format!("{scheme}{}", pieces.concat()))
}

proptest! {
    /// The one pass over usual URIs and the parser for all of them find the same parts, or the former leaves it to the
    /// latter; and what it takes of a longer text is a URI by itself.
    #[test]
    fn the_pass_over_usual_uris_agrees_with_the_parser_of_all(text in nearly_a_uri(), after in "[>, ]?[a-z@;:]{0,3}") {
        let longer = format!("{text}{after}");
        for text in [&text, &longer] {
            let Some((usual, len)) = Parts::usual(text.as_bytes()) else {
                continue;
            };
            let general = Parts::general(&text.as_bytes()[..len]);
            prop_assert_eq!(format!("{:?}", Ok::<_, UriError>(usual)), format!("{general:?}"), "{}", text);
        }
    }
}
