use super::*;
use crate::identity::certificate::Anchors;
use crate::identity::certificate::tests::{Authority, NOW, at, authority};
use crate::identity::passport::SigningKey;
use crate::identity::passport::tests::vectors::{PRIVATE_KEY, PUBLIC_HALF};
use crate::identity::stir::tests::outcome;
use crate::identity::stir::{Verified, Verifier};
use sip_message::{HeaderName, Message, ParserConfig};

/// From the caller to B of example.com, sent on to C.
fn call(target: &str) -> Request {
    let text = format!(
        "INVITE {target} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:alice@example.com>;tag=1\r\n\
         To: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n"
    );
    match Message::parse(text.into(), &ParserConfig::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn uri(text: &str) -> Party {
    Party::Uri(text.into())
}

const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.org";
const DAVE: &str = "sip:dave@example.net";
/// Each signer has its own place.
const FIRST: &str = "https://cert.example.com/first.cer";
const SECOND: &str = "https://cert.example.org/second.cer";

fn signer(of: &Authority, url: &str) -> Signer {
    Signer::new(SigningKey::from_pem(&of.key).unwrap(), url)
}

fn identities(request: &Request) -> Vec<Passport> {
    let fields = request.headers().typed_all::<Identity<'_>>();
    fields
        .map(|field| Passport::parse(field.unwrap().value()).unwrap().passport)
        .collect()
}

fn verify(of: &Authority, request: &Request, seconds: u64) -> Result<Verified, Fault> {
    let verifier = Verifier::new(Anchors::from_pem(&of.anchor).unwrap());
    outcome(&verifier, of, request, seconds)
}

/// Alice called Bob, who is now Carol.
fn diverted(of: &Authority) -> Request {
    let mut request = call(CAROL);
    assert!(
        signer(of, FIRST)
            .shaken('A')
            .sign(&mut request, "o", at(NOW))
    );
    assert_eq!(
        signer(of, SECOND).divert(&mut request, &uri(BOB), &uri(CAROL)),
        1
    );
    request
}

#[test]
fn rfc8946_3_the_token_of_the_example() {
    let number = |digits: &str| Party::Number(digits.into());
    let claims = Claims::new(
        number("12155551212"),
        [number("12155551214")],
        1_443_208_345,
    )
    .diverted_from(&number("12155551213"));
    let passport = Passport::new("https://www.example.com/cert.cer", claims).of_type("div");
    assert_eq!(
        passport.header_json(),
        r#"{"alg":"ES256","ppt":"div","typ":"passport","x5u":"https://www.example.com/cert.cer"}"#
    );
    assert_eq!(
        passport.claims_json(),
        r#"{"dest":{"tn":["12155551214"]},"div":{"tn":"12155551213"},"iat":1443208345,"orig":{"tn":"12155551212"}}"#
    );
    let token = passport
        .sign(&SigningKey::from_pem(PRIVATE_KEY).unwrap())
        .unwrap();
    let signed = Passport::parse(&token).unwrap();
    assert_eq!(signed.verify(&PUBLIC_HALF), Ok(()));
    assert_eq!(
        signed.passport.claims.diverted(),
        Some(number("12155551213"))
    );
}

#[test]
fn rfc8946_4_1_what_is_sent_elsewhere_says_so() {
    let authority = authority(None);
    let request = diverted(&authority);
    let tokens = identities(&request);
    assert_eq!(tokens.len(), 2, "the first stays");
    let (first, div) = (&tokens[0].claims, &tokens[1].claims);
    assert_eq!((div.orig.clone(), div.iat), (first.orig.clone(), first.iat));
    assert_eq!(
        (&div.dest[..], div.diverted()),
        (&[uri(CAROL)][..], Some(uri(BOB)))
    );
    // §3: no other claims are copied.
    assert_eq!(
        (div.attest, &div.origid, div.others.len()),
        (None, &None, 1)
    );
    assert_eq!(
        (tokens[1].ppt.as_deref(), &*tokens[1].x5u),
        (Some("div"), SECOND)
    );
    let field = request
        .headers()
        .values(HeaderName::Identity)
        .last()
        .unwrap();
    assert!(
        field.ends_with(&format!(";info=<{SECOND}>;alg=ES256;ppt=div")),
        "{field}"
    );
}

#[test]
fn rfc8946_4_1_what_needs_no_token_gets_none() {
    let authority = authority(None);
    let signer = signer(&authority, FIRST);
    // A request that is not signed.
    let mut unsigned = call(CAROL);
    assert_eq!(signer.divert(&mut unsigned, &uri(BOB), &uri(CAROL)), 0);
    assert!(!unsigned.headers().contains(HeaderName::Identity));
    // §3: the same place in other words.
    let mut same = call(BOB);
    assert!(signer.sign(&mut same, "o", at(NOW)));
    assert_eq!(signer.divert(&mut same, &uri(BOB), &uri(BOB)), 0);
    // One that was signed for somebody else.
    assert_eq!(signer.divert(&mut same, &uri(DAVE), &uri(CAROL)), 0);
    assert_eq!(identities(&same).len(), 1);
}

#[test]
fn rfc8946_4_1_one_token_for_each_caller_and_callee() {
    let authority = authority(None);
    let signer = signer(&authority, FIRST);
    let mut request = call(BOB);
    // Two of the same call, such as one of type rph: one token. One of another caller: another.
    assert!(signer.sign(&mut request, "o", at(NOW)));
    let add = |request: &mut Request, orig: &str, dest: &str, ppt: &str| {
        let claims = Claims::new(uri(orig), [uri(dest)], NOW);
        let token = Passport::new(FIRST, claims)
            .of_type(ppt)
            .sign(&signer.key)
            .unwrap();
        let field = format!("{token};info=<{FIRST}>;ppt={ppt}");
        request.headers_mut().push_back(HeaderName::Identity, field);
    };
    add(&mut request, "sip:alice@example.com", BOB, "rph");
    add(&mut request, "sip:eve@example.com", BOB, "rph");
    assert_eq!(signer.divert(&mut request, &uri(BOB), &uri(CAROL)), 2);
    // Sent on again: one for each token that is for the present target, and none for earlier ones.
    assert_eq!(signer.divert(&mut request, &uri(CAROL), &uri(DAVE)), 2);
    assert_eq!(identities(&request).len(), 7);
    // There is a limit.
    assert_eq!(signer.divert(&mut request, &uri(DAVE), &uri(BOB)), 1);
    assert_eq!(signer.divert(&mut request, &uri(BOB), &uri(CAROL)), 0);
}

#[test]
fn rfc8946_4_2_a_chain_is_verified() {
    let authority = authority(None);
    let mut request = diverted(&authority);
    let verified = verify(&authority, &request, NOW).unwrap();
    assert_eq!(verified.diverted, [uri(BOB)]);
    assert_eq!(
        verified.claims.dest,
        [uri(BOB)],
        "the first is what the caller signed"
    );
    // Once more, with the fields in any order.
    assert_eq!(
        signer(&authority, SECOND).divert(&mut request, &uri(CAROL), &uri(DAVE)),
        1
    );
    request.set_uri(DAVE).unwrap();
    let mut fields: Vec<String> = request
        .headers()
        .values(HeaderName::Identity)
        .map(str::to_owned)
        .collect();
    fields.reverse();
    request.headers_mut().remove_all(HeaderName::Identity);
    for field in &fields {
        request.headers_mut().push_back(HeaderName::Identity, field);
    }
    let verified = verify(&authority, &request, NOW).unwrap();
    assert_eq!(verified.diverted, [uri(BOB), uri(CAROL)]);
    // The To plays no part: whoever is between may have changed it.
    request
        .headers_mut()
        .replace(HeaderName::To, "<sip:somebody@example.net>");
    assert!(verify(&authority, &request, NOW).is_ok());
}

#[test]
fn rfc8946_4_2_each_step_can_fail() {
    let authority = authority(None);
    let good = diverted(&authority);
    // Step 1: it is for another than the last token says.
    let mut elsewhere = good.clone();
    elsewhere.set_uri(DAVE).unwrap();
    assert_eq!(verify(&authority, &elsewhere, NOW), Err(Fault::Invalid));
    // Step 2: signed by who may not speak for the place it was sent away from, or broken.
    let mut foreign = call(CAROL);
    foreign
        .headers_mut()
        .replace(HeaderName::To, format!("<{DAVE}>"));
    assert!(signer(&authority, FIRST).sign(&mut foreign, "o", at(NOW)));
    assert_eq!(
        signer(&authority, SECOND).divert(&mut foreign, &uri(DAVE), &uri(CAROL)),
        1
    );
    assert_eq!(verify(&authority, &foreign, NOW), Err(Fault::Invalid));
    let mut broken = good.clone();
    let fields: Vec<String> = good
        .headers()
        .values(HeaderName::Identity)
        .map(str::to_owned)
        .collect();
    let (token, params) = fields[1].split_once(';').unwrap();
    let bad = format!("{}AAAA;{params}", &token[..token.len() - 4]);
    broken.headers_mut().remove_all(HeaderName::Identity);
    for field in [&fields[0], &bad] {
        broken.headers_mut().push_back(HeaderName::Identity, field);
    }
    assert_eq!(verify(&authority, &broken, NOW), Err(Fault::Invalid));
    // Step 3: in the name of another caller.
    let mut altered = call(CAROL);
    let by = signer(&authority, FIRST);
    assert!(by.sign(&mut altered, "o", at(NOW)));
    let claims =
        Claims::new(uri("sip:eve@example.com"), [uri(CAROL)], NOW).diverted_from(&uri(BOB));
    let token = Passport::new(FIRST, claims)
        .of_type("div")
        .sign(&by.key)
        .unwrap();
    let field = format!("{token};info=<{FIRST}>;ppt=div");
    altered.headers_mut().push_back(HeaderName::Identity, field);
    assert_eq!(verify(&authority, &altered, NOW), Err(Fault::Invalid));
    // Step 4: a stale first token in a fresh one.
    let mut stale = call(CAROL);
    assert!(by.sign(&mut stale, "o", at(NOW - 100)));
    stale.headers_mut().remove_all(HeaderName::Date);
    let claims =
        Claims::new(uri("sip:alice@example.com"), [uri(CAROL)], NOW).diverted_from(&uri(BOB));
    let token = Passport::new(FIRST, claims)
        .of_type("div")
        .sign(&by.key)
        .unwrap();
    let field = format!("{token};info=<{FIRST}>;ppt=div");
    stale.headers_mut().push_back(HeaderName::Identity, field);
    assert_eq!(verify(&authority, &stale, NOW), Err(Fault::Stale));
    assert_eq!(verify(&authority, &good, NOW + 61), Err(Fault::Stale));
}

#[test]
fn rfc8946_4_2_what_is_no_chain_is_as_if_it_were_not_there() {
    let authority = authority(None);
    let by = signer(&authority, FIRST);
    let div = |claims: Claims| {
        let mut request = call(BOB);
        assert!(by.sign(&mut request, "o", at(NOW)));
        let token = Passport::new(FIRST, claims)
            .of_type("div")
            .sign(&by.key)
            .unwrap();
        let field = format!("{token};info=<{FIRST}>;ppt=div");
        request.headers_mut().push_back(HeaderName::Identity, field);
        request
    };
    let alice = || uri("sip:alice@example.com");
    // It begins nowhere; it does not say where; it has what only another type has (§3).
    let nowhere = Claims::new(alice(), [uri(CAROL)], NOW).diverted_from(&uri(DAVE));
    let silent = Claims::new(alice(), [uri(CAROL)], NOW);
    let mut wrapped = Claims::new(alice(), [uri(CAROL)], NOW).diverted_from(&uri(BOB));
    wrapped.others.push(("opt".into(), "\"a.b.c\"".into()));
    for claims in [nowhere, silent, wrapped] {
        let verified = verify(&authority, &div(claims), NOW).unwrap();
        assert!(verified.diverted.is_empty());
    }
    // A chain in a circle ends.
    let mut circle = diverted(&authority);
    assert_eq!(by.divert(&mut circle, &uri(CAROL), &uri(BOB)), 1);
    circle.set_uri(BOB).unwrap();
    assert_eq!(
        verify(&authority, &circle, NOW).unwrap().diverted,
        [uri(BOB), uri(CAROL)]
    );
}
