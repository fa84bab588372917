//! Trust, identities and privacy (RFC 3323, RFC 3325), history (RFC 7044), and calls for help (RFC 5031).

use super::*;
use crate::identity::Trust;
use crate::routing::{Emergency, Hop};

const INSIDE: &str = "203.0.113.5:5060";

fn trust() -> Trust {
    Trust::new()
        .network("203.0.113.0/24".parse().unwrap())
        .number("alice", Uri::parse("tel:+49301234").unwrap())
}

fn trusting(trust: Trust) -> World {
    let mut world = World::new();
    world.proxy.config.trust = Some(Arc::new(trust));
    world
}

/// A request of alice, who answers the challenge.
fn of_alice(world: &mut World, uri: &str, fields: &str) -> Vec<Sent> {
    let from = if fields.contains("From:") {
        ""
    } else {
        "From: <sip:alice@example.com>;tag=1\r\n"
    };
    let fields = format!("{from}{fields}");
    world.request(&invite(uri, &fields));
    let challenge = world.responses().pop().unwrap();
    assert_eq!(
        challenge.status(),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED
    );
    let proof = credentials(&challenge, "alice", "secret", "INVITE", uri);
    world.request(&invite(uri, &format!("{fields}{proof}")));
    world.sent()
}

#[test]
fn rfc3325_5_a_user_who_proved_it_is_asserted_and_a_strangers_word_is_not() {
    let mut world = trusting(trust());
    world.bind("sip:bob@192.0.2.99", None);
    let claim = "P-Asserted-Identity: <sip:president@example.net>\r\nP-Preferred-Identity: <sip:x@example.net>\r\n";
    world.request(&invite("sip:bob@example.com", claim));
    let sent = world.sent();
    assert!(
        !sent[0]
            .request
            .headers()
            .contains(HeaderName::PAssertedIdentity)
    );
    assert!(
        !sent[0]
            .request
            .headers()
            .contains(HeaderName::PPreferredIdentity)
    );
    for (fields, expected) in [
        ("", "<sip:alice@example.com>"),
        (claim, "<sip:alice@example.com>"),
        (
            "P-Preferred-Identity: <tel:+49-30-1234>\r\n",
            "<tel:+49-30-1234>",
        ),
    ] {
        let mut world = trusting(trust());
        world.bind("sip:bob@192.0.2.99", None);
        let sent = of_alice(&mut world, "sip:bob@example.com", fields);
        assert_eq!(
            values(&sent[0].request, HeaderName::PAssertedIdentity),
            [expected]
        );
        assert!(
            !sent[0]
                .request
                .headers()
                .contains(HeaderName::PPreferredIdentity)
        );
    }
}

#[test]
fn rfc3325_5_what_the_trust_domain_asserts_is_believed() {
    let mut world = trusting(trust());
    let inside = flow(TransportKind::Udp, 0, INSIDE);
    let fields =
        "From: <sip:alice@example.com>;tag=1\r\nP-Asserted-Identity: <sip:alice@example.com>\r\n";
    world.request_over(&invite("sip:carol@example.net", fields), inside);
    assert_eq!(world.sent().len(), 1, "no password, and no open relay");
    for fields in ["P-Asserted-Identity: <sip:carol@example.net>\r\n", ""] {
        world.request_over(&invite("sip:x@example.org", fields), inside);
        assert_eq!(world.statuses(), [403], "a stranger is one there too");
    }
    assert_eq!(
        world.refused(&invite("sip:carol@example.net", fields)).0,
        407,
        "from outside it is worth nothing"
    );
}

#[test]
fn rfc3325_7_identities_leave_the_trust_domain_unless_they_are_private() {
    for (privacy, expected) in [("", 1), ("Privacy: id\r\n", 0), ("Privacy: none\r\n", 1)] {
        let mut world = trusting(trust());
        let sent = of_alice(&mut world, "sip:carol@example.net", privacy);
        let found = values(&sent[0].request, HeaderName::PAssertedIdentity).len();
        assert_eq!(found, expected, "{privacy}");
    }
    // Within it they always go on; the next hop is 192.0.2.99.
    let mut world = trusting(trust().network("192.0.2.99".parse().unwrap()));
    let sent = of_alice(&mut world, "sip:carol@example.net", "Privacy: id\r\n");
    assert!(
        sent[0]
            .request
            .headers()
            .contains(HeaderName::PAssertedIdentity)
    );
    let mut world = trusting(trust().domain("Example.NET"));
    let sent = of_alice(&mut world, "sip:carol@example.net", "Privacy: id\r\n");
    assert!(
        sent[0]
            .request
            .headers()
            .contains(HeaderName::PAssertedIdentity)
    );
}

#[test]
fn rfc3323_4_1_1_3_an_anonymous_caller_proves_to_the_proxy_alone_who_it_is() {
    let mut world = trusting(trust().domain("example.net"));
    let nobody = "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1\r\nPrivacy: id\r\n";
    let sent = of_alice(&mut world, "sip:carol@example.net", nobody);
    assert_eq!(
        values(&sent[0].request, HeaderName::PAssertedIdentity),
        ["<sip:alice@example.com>"]
    );
    // Without a trust domain nobody relays for nobody.
    let mut world = World::new();
    assert_eq!(
        world.refused(&invite("sip:carol@example.net", nobody)).0,
        403
    );
}

#[test]
fn rfc3323_5_critical_privacy_that_cannot_be_given_is_500() {
    let mut world = trusting(trust());
    world.bind("sip:bob@192.0.2.99", None);
    let fields = "Privacy: header;session;critical\r\nProxy-Require: privacy\r\n";
    assert_eq!(
        world.refused(&invite("sip:bob@example.com", fields)),
        (500, "Privacy Not Supported: header, session".into())
    );
    world.request(&invite(
        "sip:bob@example.com",
        "Privacy: header\r\nSubject: s\r\n",
    ));
    assert!(
        !world.sent()[0]
            .request
            .headers()
            .contains(HeaderName::Subject)
    );
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    assert_eq!(world.refused(&invite("sip:bob@example.com", fields)).0, 420);
}

#[test]
fn rfc3325_5_responses_are_treated_alike() {
    let mut world = trusting(trust());
    world.bind("sip:bob@192.0.2.99", None);
    let (_, sent) = world.call_bob();
    world.reply_with(
        &sent[0],
        180,
        &[(HeaderName::PAssertedIdentity, "<sip:bob@example.com>")],
    );
    assert!(
        !world.responses()[0]
            .headers()
            .contains(HeaderName::PAssertedIdentity)
    );
    let mut world = trusting(trust().network("192.0.2.99".parse().unwrap()));
    world.bind("sip:bob@192.0.2.99", None);
    for (privacy, stays) in [("id", false), ("none", true)] {
        let (_, sent) = world.call_bob();
        world.reply_with(
            &sent[0],
            180,
            &[
                (HeaderName::PAssertedIdentity, "<sip:bob@example.com>"),
                (HeaderName::Privacy, privacy),
            ],
        );
        assert_eq!(
            world.responses()[0]
                .headers()
                .contains(HeaderName::PAssertedIdentity),
            stays
        );
    }
}

#[test]
fn rfc5079_4_users_who_want_no_anonymous_calls_get_none() {
    let mut world = trusting(trust().refuse_anonymous(true));
    world.bind("sip:bob@192.0.2.99", None);
    let nobody = "From: <sip:anonymous@anonymous.invalid>;tag=1\r\n";
    for fields in [nobody, "Privacy: id\r\n"] {
        assert_eq!(
            world.refused(&invite("sip:bob@example.com", fields)),
            (433, "Anonymity Disallowed".into())
        );
    }
    assert_eq!(world.call_bob().1.len(), 1);
}

#[test]
fn rfc7044_9_the_history_grows_from_target_to_target() {
    let mut world = World::new();
    world.proxy.config.history = true;
    world.proxy.config.follows_redirects = true;
    world.bind("sip:bob@192.0.2.1", None);
    world.bind("sip:bob@192.0.2.2", Some(100));
    world.request(&invite("sip:bob@example.com", "Supported: histinfo\r\n"));
    let first = world.sent();
    assert_eq!(
        values(&first[0].request, HeaderName::HistoryInfo),
        [
            "<sip:bob@example.com>;index=1",
            "<sip:bob@192.0.2.1>;index=1.1;rc=1"
        ]
    );
    world.reply_with(
        &first[0],
        302,
        &[(HeaderName::Contact, "<sip:carol@example.net>;mp=1")],
    );
    let second = world.sent();
    let redirected = [
        "<sip:bob@example.com>;index=1",
        "<sip:bob@192.0.2.1?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1",
        "<sip:carol@example.net>;index=1.2;mp=1.1",
    ];
    assert_eq!(
        values(&second[0].request, HeaderName::HistoryInfo),
        redirected
    );
    world.reply(&second[0], 180);
    assert_eq!(
        world.responses()[0]
            .headers()
            .values(HeaderName::HistoryInfo)
            .collect::<Vec<_>>(),
        redirected
    );
    world.input(Event::TimedOut {
        id: second[0].id,
        flow: FlowId::from_parts(0, 0),
    });
    let third = world.sent();
    assert_eq!(
        values(&third[0].request, HeaderName::HistoryInfo)[2..],
        [
            "<sip:carol@example.net?Reason=SIP%3Bcause%3D408>;index=1.2;mp=1.1",
            "<sip:bob@192.0.2.2>;index=1.3;rc=1"
        ]
    );
    world.reply(&third[0], 486);
    let answer = world.responses().pop().unwrap();
    assert_eq!(answer.headers().values(HeaderName::HistoryInfo).count(), 4);
}

#[test]
fn rfc7044_10_1_2_the_history_is_hidden_where_it_leaves() {
    let mut world = trusting(trust());
    world.proxy.config.history = true;
    world.bind("sip:bob@192.0.2.1", None);
    world.request(&invite("sip:bob@example.com", "Privacy: history\r\n"));
    let sent = world.sent();
    assert_eq!(
        values(&sent[0].request, HeaderName::HistoryInfo),
        [
            "<sip:anonymous@anonymous.invalid>;index=1",
            "<sip:bob@192.0.2.1>;index=1.1;rc=1"
        ]
    );
    assert!(!sent[0].request.headers().contains(HeaderName::Privacy));
}

fn helping(hop: fn(Uri) -> Hop) -> World {
    let hop = |text: &str| hop(Uri::parse(text).unwrap());
    let mut world = World::new();
    world.proxy.config.emergency = Some(
        Emergency::new([
            hop("sip:esrp.example.net"),
            hop("sip:esrp2.example.net").priority(2),
        ])
        .service("sos.fire", [hop("sip:fire.example.net")])
        .number("112", "sos")
        .number("110", "sos.police"),
    );
    world
}

#[test]
fn rfc5031_calls_for_help_are_asked_nothing_and_lose_nothing() {
    let kept = "Geolocation: <cid:target123@atlanta.example.com>\r\nGeolocation-Routing: yes\r\n\
        Resource-Priority: esnet.1\r\nContent-Type: multipart/mixed; boundary=b\r\n";
    for (uri, expected, hop) in [
        (
            "urn:service:sos",
            "urn:service:sos",
            "sip:esrp.example.net;lr",
        ),
        (
            "urn:service:SOS.fire",
            "urn:service:sos.fire",
            "sip:fire.example.net;lr",
        ),
        (
            "urn:service:sos.fire.forest",
            "urn:service:sos.fire.forest",
            "sip:fire.example.net;lr",
        ),
        (
            "urn:service:sos.ambulance",
            "urn:service:sos.ambulance",
            "sip:esrp.example.net;lr",
        ),
        (
            "sip:112@example.com",
            "urn:service:sos",
            "sip:esrp.example.net;lr",
        ),
        (
            "sip:112;phone-context=+49@example.com;user=phone",
            "urn:service:sos",
            "sip:esrp.example.net;lr",
        ),
        (
            "tel:110;phone-context=+49",
            "urn:service:sos.police",
            "sip:esrp.example.net;lr",
        ),
    ] {
        let mut world = helping(Hop::via);
        // Alice would be asked for her password, carol would not be relayed.
        for from in ["alice@example.com", "carol@example.net"] {
            let fields = format!("From: <sip:{from}>;tag=1\r\n{kept}");
            world.request(&invite(uri, &fields));
            let sent = world.sent();
            assert_eq!(sent.len(), 1, "{uri}");
            assert_eq!(sent[0].request.uri_str(), expected);
            assert_eq!(world.hops.last().map(String::as_str), Some(hop));
            let bytes = sent[0].request.to_bytes();
            let text = String::from_utf8_lossy(&bytes);
            assert!(kept.lines().all(|line| text.contains(line)), "{text}");
            // The second answering point, when the first is down.
            if !expected.contains("fire") {
                world.reply(&sent[0], 503);
                assert_eq!(world.sent().len(), 1);
            }
        }
    }
    let mut world = helping(Hop::new);
    world.request(&invite("urn:service:sos", ""));
    assert_eq!(world.sent()[0].request.uri_str(), "sip:esrp.example.net");
}

#[test]
fn rfc5031_other_services_and_numbers_elsewhere_are_no_calls_for_help() {
    let mut world = helping(Hop::via);
    for (uri, status) in [
        ("urn:service:counseling", 416),
        ("urn:service:sosx", 416),
        ("urn:isbn:0", 416),
        ("tel:+49112", 416),
        ("sip:112@example.net", 403),
        ("sip:1123@example.com", 404),
    ] {
        assert_eq!(world.refused(&invite(uri, "")).0, status, "{uri}");
    }
    let mut world = World::new();
    assert_eq!(world.refused(&invite("urn:service:sos", "")).0, 416);
}
