use super::*;

pub(in crate::identity) mod vectors;

use vectors::{COMPUTED, PRIVATE_KEY, PUBLIC_HALF, PUBLISHED, RFC_7_1, RFC_A};

#[test]
fn rfc8225_9_tokens_are_canonical_and_signed() {
    let key = SigningKey::from_pem(PRIVATE_KEY).unwrap();
    assert_eq!(key.public_key(), PUBLIC_HALF);
    for [name, token, header, claims] in COMPUTED {
        let signed = Passport::parse(token).unwrap();
        assert_eq!(signed.passport.header_json(), header, "{name}");
        assert_eq!(signed.passport.claims_json(), claims, "{name}");
        assert_eq!(signed.verify(&PUBLIC_HALF), Ok(()), "{name}");
        assert_eq!(signed.verify(&PUBLISHED), Err(PassportError::Signature));
        // A token of our own differs in its signature alone, which has a random part.
        let own = signed.passport.sign(&key).unwrap();
        let input = |token: &str| token.rsplit_once('.').unwrap().0.to_owned();
        assert_eq!(input(&own), input(token));
        assert_eq!(Passport::parse(&own).unwrap().verify(&PUBLIC_HALF), Ok(()));
    }
}

#[test]
fn rfc8225_7_a_compact_token_is_completed() {
    let [_, token, ..] = COMPUTED[1];
    let signed = Passport::parse(token).unwrap();
    let compact = format!("..{}", token.rsplit_once('.').unwrap().1);
    let whole = signed.passport.clone().parse_compact(&compact).unwrap();
    assert_eq!(whole.verify(&PUBLIC_HALF), Ok(()));
    let mut other = signed.passport.clone();
    other.claims.iat += 1;
    let whole = other.parse_compact(&compact).unwrap();
    assert_eq!(whole.verify(&PUBLIC_HALF), Err(PassportError::Signature));
    assert_eq!(
        signed.passport.parse_compact(token),
        Err(PassportError::Malformed)
    );
}

#[test]
fn rfc8225_7_1_and_appendix_a_as_they_are_printed() {
    // The signature of the first is good, and its `iat` is a string, which RFC 7519 does not have.
    assert_eq!(Passport::parse(RFC_7_1), Err(PassportError::Malformed));
    let (input, signature) = RFC_7_1.rsplit_once('.').unwrap();
    let [_, other, ..] = COMPUTED[0];
    let mut signed = Passport::parse(other).unwrap();
    signed.input = input.to_owned();
    signed.signature = decode(signature).unwrap();
    assert_eq!(signed.verify(&PUBLISHED), Ok(()));
    // That of the second is of no key that is printed.
    let signed = Passport::parse(RFC_A).unwrap();
    assert_eq!(
        signed.passport.claims.dest,
        [Party::Uri("sip:alice@example.com".into())]
    );
    for key in [&PUBLISHED, &PUBLIC_HALF] {
        assert_eq!(signed.verify(key), Err(PassportError::Signature));
    }
}

#[test]
fn what_is_no_token_is_malformed() {
    let token = |header: &str, claims: &str| {
        let [header, claims] = [header, claims].map(|text| URL_SAFE_NO_PAD.encode(text));
        Passport::parse(&format!("{header}.{claims}.AAAA")).map(|_| ())
    };
    let header = r#"{"alg":"ES256","typ":"passport","x5u":"https://h"}"#;
    let claims = r#"{"dest":{"tn":["1"]},"iat":1,"orig":{"tn":"2"}}"#;
    assert_eq!(token(header, claims), Ok(()));
    for (header, claims, error) in [
        (
            r#"{"alg":"RS256","typ":"passport","x5u":"h"}"#,
            claims,
            PassportError::Algorithm,
        ),
        (
            r#"{"alg":"none","typ":"passport","x5u":"h"}"#,
            claims,
            PassportError::Algorithm,
        ),
        (
            r#"{"alg":"ES256","typ":"jwt","x5u":"h"}"#,
            claims,
            PassportError::Malformed,
        ),
        (
            r#"{"alg":"ES256","typ":"passport"}"#,
            claims,
            PassportError::Malformed,
        ),
        (header, "[]", PassportError::Malformed),
        (
            header,
            r#"{"dest":{},"iat":1,"orig":{"tn":"2"}}"#,
            PassportError::Malformed,
        ),
        (
            header,
            r#"{"dest":{"tn":[1]},"iat":1,"orig":{"tn":"2"}}"#,
            PassportError::Malformed,
        ),
        (
            header,
            r#"{"dest":{"tn":["1"]},"iat":1,"orig":{"tn":"2","uri":"sip:a"}}"#,
            PassportError::Malformed,
        ),
        (
            header,
            r#"{"dest":{"tn":["1"]},"iat":-1,"orig":{"tn":"2"}}"#,
            PassportError::Malformed,
        ),
    ] {
        assert_eq!(token(header, claims), Err(error), "{header} {claims}");
    }
    for text in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d"] {
        assert!(Passport::parse(text).is_err(), "{text}");
    }
    assert!(Passport::parse(&"a".repeat(10_000)).is_err());
    assert!(
        SigningKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")
            .is_none()
    );
}

#[test]
fn rfc8224_8_canonical_parties() {
    let party = |text: &str| Party::of(UriRef::parse(text).unwrap());
    let number = |digits: &str| Some(Party::Number(digits.into()));
    let uri = |text: &str| Some(Party::Uri(text.into()));
    assert_eq!(party("tel:+1-215-555-1212;ext=1"), number("12155551212"));
    assert_eq!(
        party("sip:+12155551212@h;user=phone"),
        number("12155551212")
    );
    assert_eq!(party("sip:+1.215@h"), number("1215"));
    assert_eq!(party("sip:2155551212@h"), uri("sip:2155551212@h"));
    assert_eq!(party("sip:2155551212@h;user=phone"), number("2155551212"));
    assert_eq!(
        party("SIPS:%61lice:secret@EXAMPLE.com:5061;transport=tcp?a=b"),
        uri("sips:alice@example.com")
    );
    assert_eq!(party("http://h"), None);
    assert_eq!(party("sip:h").unwrap().host().as_deref(), Some("h"));
}
