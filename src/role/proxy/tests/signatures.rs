//! Signatures over callers (RFC 8224).

use std::time::{Duration, SystemTime};

use super::*;
use crate::identity::certificate::Anchors;
use crate::identity::certificate::tests::{Authority, NOW, ONE, at, authority};
use crate::identity::passport::SigningKey;
use crate::identity::stir::{Signer, Stir, Verifier};

const URL: &str = "https://cert.example.org/passport.cer";

fn signer(of: &Authority) -> Signer {
    Signer::new(SigningKey::from_pem(&of.key).unwrap(), URL).shaken('A')
}

fn world(stir: Stir) -> World {
    let mut world = World::with(false);
    world.proxy.config.stir = Some(Arc::new(stir));
    world.bind("sip:bob@192.0.2.99", None);
    world
}

/// A call from outside, signed or not.
fn arrives(world: &mut World, request: Request, wall: SystemTime) {
    world.servers += 1;
    let event = Event::Request {
        id: ServerTransactionId::from_parts(world.servers, 0),
        request: request.into(),
        flow: flow(TransportKind::Udp, 0, "198.51.100.7:5060"),
        merged: false,
    };
    world
        .proxy
        .handle_input(event, &mut world.layer, wall, world.now);
    world.wall = wall;
    world.answer();
}

fn call(signer: Option<&Signer>) -> Request {
    let mut request = parse(&invite(
        "sip:bob@example.com",
        "From: <sip:+12155551212;verstat=TN-Validation-Passed@example.net>;tag=1\r\n",
    ));
    if let Some(signer) = signer {
        assert!(signer.sign(&mut request, "o", at(NOW)));
    }
    request
}

fn from(sent: &Sent) -> &str {
    sent.request.headers().get(HeaderName::From).unwrap()
}

#[test]
fn rfc8224_6_2_callees_are_told_what_was_found() {
    let authority = authority(Some(ONE));
    let stir = || Stir {
        verifier: Some(Verifier::new(Anchors::from_pem(&authority.anchor).unwrap())),
        annotates: true,
        ..Stir::default()
    };
    let signer = signer(&authority);
    for (signer, leaf, seconds, expected) in [
        (Some(&signer), true, NOW, "TN-Validation-Passed"),
        (Some(&signer), false, NOW, "TN-Validation-Failed"),
        (Some(&signer), true, NOW + 100, "TN-Validation-Failed"),
        (None, true, NOW, "No-TN-Validation"),
    ] {
        let mut world = world(stir());
        if leaf {
            world
                .certificates
                .push((URL.into(), authority.leaf.clone().into_bytes()));
        }
        arrives(&mut world, call(signer), at(seconds));
        let sent = world.sent();
        assert_eq!(sent.len(), 1);
        assert_eq!(
            from(&sent[0]),
            format!("<sip:+12155551212;verstat={expected}@example.net>;tag=1")
        );
        assert_eq!(
            sent[0].request.headers().contains(HeaderName::Identity),
            signer.is_some(),
            "the signature goes on to the callee"
        );
    }
}

#[test]
fn rfc8224_6_2_2_bad_signatures_are_refused_by_choice() {
    let authority = authority(Some(ONE));
    let stir = |demands| Stir {
        verifier: Some(
            Verifier::new(Anchors::from_pem(&authority.anchor).unwrap()).demand(demands),
        ),
        refuses: true,
        ..Stir::default()
    };
    let good = signer(&authority);
    for (demands, signer, leaf, after, expected) in [
        (false, Some(&good), true, 0, None),
        (false, None, true, 0, None),
        (true, None, true, 0, Some(428)),
        (false, Some(&good), false, 0, Some(436)),
        (false, Some(&good), true, 100, Some(403)),
    ] {
        let mut world = world(stir(demands));
        if leaf {
            world
                .certificates
                .push((URL.into(), authority.leaf.clone().into_bytes()));
        }
        arrives(&mut world, call(signer), at(NOW + after));
        match expected {
            None => {
                let sent = world.sent();
                assert_eq!(sent.len(), 1);
                assert!(
                    from(&sent[0]).contains("verstat=TN-Validation-Passed@"),
                    "untouched"
                );
            }
            Some(status) => assert_eq!(world.statuses(), [status]),
        }
    }
    // Certificates that do not come in time cannot be had.
    let mut world = world(stir(false));
    world.silent = true;
    arrives(&mut world, call(Some(&good)), at(NOW));
    let due = world.proxy.poll_timeout().unwrap();
    world.proxy.handle_timeout(&mut world.layer, due);
    assert_eq!(world.statuses(), [436]);
}

#[test]
fn rfc8224_6_1_calls_of_our_users_are_signed_when_they_leave() {
    let authority = authority(Some(ONE));
    let mut world = world(Stir {
        signer: Some(signer(&authority)),
        ..Stir::default()
    });
    let text = |uri: &str, from: &str| {
        invite(
            uri,
            &format!("From: <sip:{from}>;tag=1\r\nTo: <sip:+12155551213@example.net>\r\n"),
        )
    };
    let alice = "alice@example.com";
    arrives(
        &mut world,
        parse(&text("sip:+12155551213@example.net", alice)),
        at(NOW),
    );
    let sent = world.sent();
    let identity = sent[0].request.headers().get(HeaderName::Identity).unwrap();
    assert!(
        identity.ends_with(&format!(";info=<{URL}>;alg=ES256;ppt=shaken")),
        "{identity}"
    );
    assert!(sent[0].request.headers().contains(HeaderName::Date));
    let verifier = Verifier::new(Anchors::from_pem(&authority.anchor).unwrap());
    let crate::identity::stir::Check::Fetch(pending) =
        verifier.begin(&sent[0].request, at(NOW) + Duration::from_secs(5))
    else {
        panic!("{identity}");
    };
    let progress = verifier.finish(pending, Some(authority.leaf.as_bytes()), at(NOW));
    let Ok(crate::identity::stir::Progress::Good(verified)) = progress else {
        panic!("{progress:?}");
    };
    assert_eq!(verified.claims.origid.unwrap().len(), 36);
    // A call that stays here is nobody else's to verify, and one that is signed is signed.
    arrives(
        &mut world,
        parse(&text("sip:bob@example.com", alice)),
        at(NOW),
    );
    assert!(
        !world.sent()[0]
            .request
            .headers()
            .contains(HeaderName::Identity)
    );
    let mut signed = parse(&text("sip:+12155551213@example.net", alice));
    signed
        .headers_mut()
        .push_back(HeaderName::Identity, "a.b.c;info=<https://h>");
    arrives(&mut world, signed, at(NOW));
    assert_eq!(
        world.sent()[0]
            .request
            .headers()
            .count(HeaderName::Identity),
        1
    );
}

/// The types of the signatures of a request, in order; of those that say that it was sent elsewhere, from where and where to.
fn signatures(request: &Request) -> Vec<String> {
    let fields = request
        .headers()
        .typed_all::<sip_message::header::Identity<'_>>();
    fields
        .map(|field| {
            let signed = crate::identity::passport::Passport::parse(field.unwrap().value());
            let passport = signed.unwrap().passport;
            let claims = passport.claims;
            match claims.diverted() {
                Some(from) => format!("{from:?} to {:?}", claims.dest[0]),
                None => passport.ppt.unwrap_or_default().into(),
            }
        })
        .collect()
}

#[test]
fn rfc8946_4_1_what_a_rule_sends_elsewhere_says_so_and_where_a_user_is_does_not() {
    let authority = authority(Some(ONE));
    let signer = signer(&authority);
    let rule = |action: crate::routing::Route| {
        let table = crate::routing::Table::new().rule(crate::routing::Rule::new(action.trusted()));
        let mut world = world(Stir {
            signer: Some(self::signer(&authority)),
            ..Stir::default()
        });
        world.proxy.config.router = Some(Arc::new(table));
        world
    };
    let uri = |text: &str| Uri::parse(text).unwrap();
    let hop = |text: &str| crate::routing::Hop::new(uri(text));
    // Where bob is: no other place.
    let mut world = world(Stir {
        signer: Some(self::signer(&authority)),
        ..Stir::default()
    });
    arrives(&mut world, call(Some(&signer)), at(NOW));
    assert_eq!(signatures(&world.sent()[0].request), ["shaken"]);
    // A rule has another place for bob.
    let mut world = rule(crate::routing::Route::to([hop(
        "sip:carol@partner.example",
    )]));
    arrives(&mut world, call(Some(&signer)), at(NOW));
    let expected = "Uri(\"sip:bob@example.com\") to Uri(\"sip:carol@partner.example\")";
    assert_eq!(signatures(&world.sent()[0].request), ["shaken", expected]);
    // And no signature, no word of it.
    arrives(&mut world, call(None), at(NOW));
    assert!(signatures(&world.sent()[0].request).is_empty());
    // A rule has another name for somebody: where bob is then is bob's place.
    let mut world = rule(crate::routing::Route::rewrite(uri("sip:bob@example.com")));
    let mut request = parse(&invite(
        "sip:office@example.com",
        "From: <sip:+12155551212@example.net>;tag=1\r\nTo: <sip:office@example.com>\r\n",
    ));
    assert!(signer.sign(&mut request, "o", at(NOW)));
    arrives(&mut world, request, at(NOW));
    let expected = "Uri(\"sip:office@example.com\") to Uri(\"sip:bob@example.com\")";
    let sent = world.sent();
    assert_eq!(signatures(&sent[0].request), ["shaken", expected]);
    assert_eq!(sent[0].request.uri_str(), "sip:bob@192.0.2.99");
}

#[test]
fn rfc8946_4_2_a_call_that_was_sent_here_is_verified_with_all_who_sent_it() {
    let authority = authority(Some(ONE));
    let signer = signer(&authority);
    let other = "https://cert.example.org/other.cer";
    let by = Signer::new(SigningKey::from_pem(&authority.key).unwrap(), other);
    let mut request = parse(&invite(
        "sip:bob@example.com",
        "From: <sip:+12155551212@example.net>;tag=1\r\nTo: <sip:office@example.org>\r\n",
    ));
    assert!(signer.sign(&mut request, "o", at(NOW)));
    let party = |text: &str| crate::identity::passport::Party::Uri(text.into());
    let (away, to) = (
        party("sip:office@example.org"),
        party("sip:bob@example.com"),
    );
    assert_eq!(by.divert(&mut request, &away, &to), 1);
    for (certificates, expected) in [(2, "Passed"), (1, "Failed")] {
        let mut world = world(Stir {
            verifier: Some(Verifier::new(Anchors::from_pem(&authority.anchor).unwrap())),
            annotates: true,
            ..Stir::default()
        });
        for url in [other, URL].into_iter().take(certificates) {
            let leaf = authority.leaf.clone().into_bytes();
            world.certificates.push((url.into(), leaf));
        }
        arrives(&mut world, request.clone(), at(NOW));
        let sent = world.sent();
        assert_eq!(sent.len(), 1);
        let from = from(&sent[0]);
        assert!(
            from.contains(&format!("verstat=TN-Validation-{expected}@")),
            "{from}"
        );
    }
}
