use sip_message::{Message, ParserConfig, Request};

use super::*;
use crate::identity::certificate::Anchors;
use crate::identity::certificate::tests::{Authority, NOW, at, authority};
use crate::identity::passport::SigningKey;
use crate::identity::passport::tests::vectors::{PRIVATE_KEY, PUBLIC_HALF};
use crate::identity::stir::tests::outcome;
use crate::identity::stir::{Verified, Verifier};

const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.org";
const DAVE: &str = "sip:dave@example.net";
/// Each signer has its own place.
const FIRST: &str = "https://cert.example.com/first.cer";
const SECOND: &str = "https://cert.example.org/second.cer";

fn uri(text: &str) -> Party {
    Party::Uri(text.into())
}

fn number(digits: &str) -> Party {
    Party::Number(digits.into())
}

fn signer(of: &Authority, url: &str) -> Signer {
    Signer::new(SigningKey::from_pem(&of.key).unwrap(), url)
}

/// What Alice signed for her call to Bob.
fn first(of: &Authority) -> String {
    token(of, Claims::new(uri(ALICE), [uri(BOB)], NOW), None)
}

fn token(of: &Authority, claims: Claims, ppt: Option<&str>) -> String {
    let mut passport = Passport::new(FIRST, claims);
    passport.ppt = ppt.map(Box::from);
    passport
        .sign(&SigningKey::from_pem(&of.key).unwrap())
        .unwrap()
}

/// A call to `target` with this token, whose signer's certificate is there.
fn call(target: &str, token: &str, url: &str) -> Request {
    let text = format!(
        "INVITE {target} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <{ALICE}>;tag=1\r\nTo: <{BOB}>\r\n\
         Call-ID: x\r\nCSeq: 1 INVITE\r\nIdentity: {token};info=<{url}>;alg=ES256;ppt=\"div-o\"\r\n\r\n"
    );
    match Message::parse(text.into(), &ParserConfig::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn verify(of: &Authority, request: &Request, seconds: u64) -> Result<Verified, Fault> {
    let verifier = Verifier::new(Anchors::from_pem(&of.anchor).unwrap()).demand(true);
    outcome(&verifier, of, request, seconds)
}

/// The token inside the example of section 5, as it stands there.
const INSIDE: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0c\
                      HM6Ly93d3cuZXhhbXBsZS5jb20vY2VydC5jZXIifQ.eyJkZXN0Ijp7InRuIjpbIj\
                      EyMTU1NTUxMjEzIl19LCJpYXQiOjE0NDMyMDgzNDUsIm9yaWciOnsidG4iOiIxMj\
                      E1NTU1MTIxMiJ9fQ.1bEzkzcNbKvgz4QoMx0_DJ2T8qFMDC1sPqHPXl1WvbauzRJ\
                      RvYlZqQ0qgGTlS8tJ_wXjVe07Z3wvDrdApHhhYw";

#[test]
fn rfc8946_5_the_token_of_the_example() {
    // The claims of the example have mistakes (a digit too many in `div`; `dest` in the field is no array), so the token is made anew
    // around the one that it holds.
    let signer = Signer::new(
        SigningKey::from_pem(PRIVATE_KEY).unwrap(),
        "https://www.example.com/cert.cer",
    );
    let (from, to) = (number("12155551213"), number("12155551214"));
    let signed = Passport::parse(&signer.wrap(INSIDE, &from, &to).unwrap()).unwrap();
    assert_eq!(signed.verify(&PUBLIC_HALF), Ok(()));
    assert_eq!(
        signed.passport.header_json(),
        r#"{"alg":"ES256","ppt":"div-o","typ":"passport","x5u":"https://www.example.com/cert.cer"}"#
    );
    assert_eq!(
        signed.passport.claims_json(),
        format!(
            "{{\"dest\":{{\"tn\":[\"12155551214\"]}},\"div\":{{\"tn\":\"12155551213\"}},\"iat\":1443208345,\"opt\":\"{INSIDE}\",\
             \"orig\":{{\"tn\":\"12155551212\"}}}}"
        )
    );
    let Nested { first, around } = unwrap(signed).ok().flatten().unwrap();
    assert_eq!(first.passport.claims.dest, [from]);
    assert_eq!(first.passport.claims.orig, number("12155551212"));
    assert_eq!(around.len(), 1);
}

#[test]
fn rfc8946_5_1_nested_tokens_are_verified() {
    let authority = authority(None);
    let second = signer(&authority, SECOND);
    let once = second
        .wrap(&first(&authority), &uri(BOB), &uri(CAROL))
        .unwrap();
    let verified = verify(&authority, &call(CAROL, &once, SECOND), NOW).unwrap();
    assert_eq!(verified.diverted, [uri(BOB)]);
    assert_eq!(
        verified.claims.dest,
        [uri(BOB)],
        "the innermost is what the caller signed"
    );
    let twice = signer(&authority, FIRST)
        .wrap(&once, &uri(CAROL), &uri(BOB))
        .unwrap();
    let mut request = call(BOB, &twice, FIRST);
    let verified = verify(&authority, &request, NOW).unwrap();
    assert_eq!(verified.diverted, [uri(BOB), uri(CAROL)]);
    // Sent elsewhere in SIP, it gets a token of type div beside it.
    assert_eq!(second.divert(&mut request, &uri(BOB), &uri(CAROL)), 1);
    request.set_uri(CAROL).unwrap();
    let verified = verify(&authority, &request, NOW).unwrap();
    assert_eq!(verified.diverted, [uri(BOB), uri(CAROL), uri(BOB)]);
}

#[test]
fn rfc8946_5_1_each_check_of_a_nested_token_can_fail() {
    let authority = authority(None);
    let by = signer(&authority, FIRST);
    let inside = first(&authority);
    let good = by.wrap(&inside, &uri(BOB), &uri(CAROL)).unwrap();
    assert!(verify(&authority, &call(CAROL, &good, FIRST), NOW).is_ok());
    let fault = |target: &str, token: &str, seconds: u64| {
        verify(&authority, &call(target, token, FIRST), seconds).unwrap_err()
    };
    let claims = |orig: &str, from: &str, inside: &str| {
        let claims = Claims::new(uri(orig), [uri(CAROL)], NOW);
        token(
            &authority,
            claims.diverted_from(&uri(from)).made_of(inside),
            Some(DIV_O),
        )
    };
    assert!(
        verify(
            &authority,
            &call(CAROL, &claims(ALICE, BOB, &inside), FIRST),
            NOW
        )
        .is_ok()
    );
    // It is for another than the outermost says; of another caller than the one inside; sent away from where that was not for.
    assert_eq!(fault(DAVE, &good, NOW), Fault::Invalid);
    assert_eq!(
        fault(CAROL, &claims(BOB, BOB, &inside), NOW),
        Fault::Invalid
    );
    assert_eq!(
        fault(CAROL, &claims(ALICE, DAVE, &inside), NOW),
        Fault::Invalid
    );
    // Signed by who may not speak for the place that it was sent away from.
    let to_dave = token(&authority, Claims::new(uri(ALICE), [uri(DAVE)], NOW), None);
    let foreign = by.wrap(&to_dave, &uri(DAVE), &uri(CAROL)).unwrap();
    assert_eq!(fault(CAROL, &foreign, NOW), Fault::Invalid);
    // The signature inside is broken.
    let broken = format!("{}AAAA", &inside[..inside.len() - 4]);
    assert_eq!(
        fault(CAROL, &claims(ALICE, BOB, &broken), NOW),
        Fault::Invalid
    );
    // Stale, as a whole or inside.
    assert_eq!(fault(CAROL, &good, NOW + 61), Fault::Stale);
    let old = token(
        &authority,
        Claims::new(uri(ALICE), [uri(BOB)], NOW - 100),
        None,
    );
    assert_eq!(fault(CAROL, &claims(ALICE, BOB, &old), NOW), Fault::Stale);
    // §6: a compact token inside, or what is none; §5: nothing inside, or nowhere sent away from.
    let compact = format!("..{}", inside.rsplit('.').next().unwrap());
    for inside in [&*compact, "a.b.c", ""] {
        assert_eq!(
            fault(CAROL, &claims(ALICE, BOB, inside), NOW),
            Fault::Invalid
        );
    }
    let empty = Claims::new(uri(ALICE), [uri(CAROL)], NOW).diverted_from(&uri(BOB));
    let unsent = Claims::new(uri(ALICE), [uri(CAROL)], NOW).made_of(&inside);
    for claims in [empty, unsent] {
        let token = token(&authority, claims, Some(DIV_O));
        assert_eq!(fault(CAROL, &token, NOW), Fault::Invalid);
    }
    // The field and the token name other types, or other places of the certificate.
    assert_eq!(fault(BOB, &inside, NOW), Fault::Invalid);
    let elsewhere = call(CAROL, &good, SECOND);
    assert_eq!(verify(&authority, &elsewhere, NOW), Err(Fault::Invalid));
}

#[test]
fn rfc8946_4_2_a_chain_that_begins_with_an_unknown_type_is_ignored() {
    let authority = authority(None);
    let claims = Claims::new(uri(ALICE), [uri(BOB)], NOW);
    let inside = token(&authority, claims, Some("rph"));
    let token = signer(&authority, FIRST)
        .wrap(&inside, &uri(BOB), &uri(CAROL))
        .unwrap();
    let mut request = call(CAROL, &token, FIRST);
    assert_eq!(verify(&authority, &request, NOW), Err(Fault::Format));
    // One that is known is taken in its place.
    assert!(signer(&authority, SECOND).sign(&mut request, "o", at(NOW)));
    assert!(verify(&authority, &request, NOW).is_ok());
}

#[test]
fn rfc8946_5_1_what_is_not_for_the_place_is_not_wrapped() {
    let authority = authority(None);
    let by = signer(&authority, FIRST);
    let inside = first(&authority);
    assert_eq!(by.wrap(&inside, &uri(DAVE), &uri(CAROL)), None);
    assert_eq!(by.wrap(&inside, &uri(BOB), &uri(BOB)), None);
    let compact = format!("..{}", inside.rsplit('.').next().unwrap());
    assert_eq!(by.wrap(&compact, &uri(BOB), &uri(CAROL)), None);
    // There is an end to it: what is longer than any token is none.
    let (mut token, mut depth) = (inside, 0);
    let ends = [uri(BOB), uri(CAROL)];
    while let Some(next) = by.wrap(&token, &ends[depth % 2], &ends[(depth + 1) % 2]) {
        (token, depth) = (next, depth + 1);
    }
    assert!((4..20).contains(&depth), "{depth}");
    assert!(Passport::parse(&token).is_err());
}
