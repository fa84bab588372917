use super::*;
use crate::identity::certificate::tests::{Authority, NOW, ONE, at, authority};
use sip_message::{Message, ParserConfig};

const URL: &str = "https://cert.example.org/passport.cer";

fn request(from: &str, to: &str, fields: &str) -> Request {
    let text = format!(
        "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <{from}>;tag=1\r\nTo: <{to}>\r\n\
         Call-ID: x\r\nCSeq: 1 INVITE\r\n{fields}\r\n"
    );
    match Message::parse(text.into(), &ParserConfig::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn call() -> Request {
    request(
        "tel:+1-215-555-1212",
        "sip:+12155551213@example.net;user=phone",
        "",
    )
}

fn signer(of: &Authority) -> Signer {
    Signer::new(SigningKey::from_pem(&of.key).unwrap(), URL)
}

fn verifier(of: &Authority) -> Verifier {
    Verifier::new(Anchors::from_pem(&of.anchor).unwrap())
}

fn verify(
    verifier: &Verifier,
    request: &Request,
    certificates: Option<&str>,
    seconds: u64,
) -> Result<Option<Verified>, Fault> {
    match verifier.begin(request, at(seconds)) {
        Check::Unsigned => Ok(None),
        Check::Failed(fault) => Err(fault),
        Check::Fetch(pending) => {
            assert_eq!(pending.url(), URL);
            let certificates = certificates.map(str::as_bytes);
            match verifier.finish(pending, certificates, at(seconds))? {
                Progress::Good(verified) => Ok(Some(verified)),
                Progress::Fetch(pending) => panic!("{pending:?}"),
            }
        }
    }
}

/// What a verifier makes of a request at this time, whose certificates are all this authority's.
pub(super) fn outcome(
    verifier: &Verifier,
    of: &Authority,
    request: &Request,
    seconds: u64,
) -> Result<Verified, Fault> {
    let mut pending = match verifier.begin(request, at(seconds)) {
        Check::Fetch(pending) => pending,
        Check::Failed(fault) => return Err(fault),
        Check::Unsigned => panic!("unsigned"),
    };
    loop {
        match verifier.finish(pending, Some(of.leaf.as_bytes()), at(seconds))? {
            Progress::Good(verified) => return Ok(verified),
            Progress::Fetch(next) => pending = next,
        }
    }
}

#[test]
fn rfc8224_6_a_call_is_signed_and_verified() {
    let authority = authority(Some(ONE));
    let verifier = verifier(&authority);
    for attest in [None, Some('A')] {
        let mut signer = signer(&authority);
        if let Some(attest) = attest {
            signer = signer.shaken(attest);
        }
        let mut request = call();
        assert!(signer.sign(&mut request, "123e4567", at(NOW)));
        assert!(request.headers().contains(HeaderName::Date), "section 4.1");
        let verified = verify(&verifier, &request, Some(&authority.leaf), NOW + 59)
            .unwrap()
            .unwrap();
        assert_eq!(verified.claims.orig, Party::Number("12155551212".into()));
        assert_eq!(verified.claims.dest, [Party::Number("12155551213".into())]);
        assert_eq!(verified.claims.attest, attest);
        assert_eq!(verified.claims.origid.is_some(), attest.is_some());
    }
    // By URI, for the domain of the certificate.
    let mut request = request("sip:Alice@EXAMPLE.com:5070;x=y", "sip:bob@example.net", "");
    assert!(signer(&authority).sign(&mut request, "o", at(NOW)));
    let verified = verify(&verifier, &request, Some(&authority.leaf), NOW).unwrap();
    assert_eq!(
        verified.unwrap().claims.orig,
        Party::Uri("sip:alice@example.com".into())
    );
}

#[test]
fn rfc8224_6_2_2_each_fault_has_its_status() {
    let authority = authority(Some(ONE));
    let leaf = Some(authority.leaf.as_str());
    let verifier = verifier(&authority);
    let mut good = call();
    assert!(signer(&authority).shaken('B').sign(&mut good, "o", at(NOW)));
    let found =
        |request: &Request, leaf, seconds| verify(&verifier, request, leaf, seconds).unwrap_err();
    // 403: too old, or ahead of its time.
    assert_eq!(found(&good, leaf, NOW + 61), Fault::Stale);
    assert_eq!(found(&good, leaf, NOW - 61), Fault::Stale);
    let mut dated = good.clone();
    dated
        .headers_mut()
        .replace_typed(&Date::from_unix_seconds(NOW - 100));
    assert_eq!(found(&dated, leaf, NOW), Fault::Stale);
    // 436 and 437.
    assert_eq!(found(&good, None, NOW), Fault::NoCertificate);
    assert_eq!(found(&good, Some("nonsense"), NOW), Fault::NoCertificate);
    let stranger = self::authority(Some(ONE));
    assert_eq!(found(&good, Some(&stranger.leaf), NOW), Fault::Unsupported);
    // 438: another caller, another callee, another signature, a number that is not the signer's.
    let identity = good.headers().get(HeaderName::Identity).unwrap().to_owned();
    let with = |from: &str, to: &str, identity: &str| {
        request(from, to, &format!("Identity: {identity}\r\n"))
    };
    let (from, to) = ("tel:+12155551212", "tel:+12155551213");
    assert!(verify(&verifier, &with(from, to, &identity), leaf, NOW).is_ok());
    assert_eq!(
        found(&with("tel:+1", to, &identity), leaf, NOW),
        Fault::Invalid
    );
    assert_eq!(
        found(&with(from, "tel:+1", &identity), leaf, NOW),
        Fault::Invalid
    );
    let (token, params) = identity.split_once(';').unwrap();
    let broken = format!("{}{};{params}", &token[..token.len() - 4], "AAAA");
    assert_eq!(found(&with(from, to, &broken), leaf, NOW), Fault::Invalid);
    assert_eq!(
        found(
            &with(from, to, &identity.replace("passport.cer", "other.cer")),
            leaf,
            NOW
        ),
        Fault::Invalid
    );
    assert_eq!(
        found(
            &with(from, to, &identity.replace(";ppt=shaken", "")),
            leaf,
            NOW + 100
        ),
        Fault::Stale
    );
    assert_eq!(
        found(&with(from, to, "x.y.z;info=<https://h>"), leaf, NOW),
        Fault::Invalid
    );
    assert_eq!(
        found(
            &with(from, to, &identity.replace("alg=ES256", "alg=RS256")),
            leaf,
            NOW
        ),
        Fault::Unsupported
    );
    let mut foreign = request("tel:+12155559999", to, "");
    assert!(signer(&authority).sign(&mut foreign, "o", at(NOW)));
    assert_eq!(found(&foreign, leaf, NOW), Fault::Invalid);
    // 428: none, or none of a known type.
    let demanding = verifier.clone().demand(true);
    assert_eq!(verify(&verifier, &call(), leaf, NOW), Ok(None));
    assert_eq!(verify(&demanding, &call(), leaf, NOW), Err(Fault::Missing));
    let unknown = with(from, to, &identity.replace("ppt=shaken", "ppt=rph"));
    assert_eq!(verify(&verifier, &unknown, leaf, NOW), Ok(None));
    assert_eq!(verify(&demanding, &unknown, leaf, NOW), Err(Fault::Format));
    let statuses = [
        Fault::Missing,
        Fault::Stale,
        Fault::NoCertificate,
        Fault::Unsupported,
        Fault::Invalid,
    ]
    .map(|fault| fault.refusal().0.as_u16());
    assert_eq!(statuses, [428, 403, 436, 437, 438]);
}

#[test]
fn rfc8224_4_1_compact_tokens_are_made_whole_from_the_request() {
    let authority = authority(Some(ONE));
    let mut request = call();
    assert!(signer(&authority).sign(&mut request, "o", at(NOW)));
    let identity = request
        .headers()
        .get(HeaderName::Identity)
        .unwrap()
        .to_owned();
    let (token, params) = identity.split_once(';').unwrap();
    let compact = format!("..{};{params}", token.rsplit_once('.').unwrap().1);
    request.headers_mut().replace(HeaderName::Identity, compact);
    let leaf = Some(authority.leaf.as_str());
    let verifier = verifier(&authority);
    assert!(verify(&verifier, &request, leaf, NOW).unwrap().is_some());
    request
        .headers_mut()
        .replace_typed(&Date::from_unix_seconds(NOW + 1));
    assert_eq!(verify(&verifier, &request, leaf, NOW), Err(Fault::Invalid));
    request.headers_mut().remove_all(HeaderName::Date);
    assert_eq!(verify(&verifier, &request, leaf, NOW), Err(Fault::Invalid));
}

#[test]
fn rfc8224_6_1_a_fresh_date_is_kept_and_a_stale_one_replaced() {
    let authority = authority(None);
    for (date, expected) in [(NOW - 30, NOW - 30), (NOW - 300, NOW), (NOW + 300, NOW)] {
        let mut request = call();
        request
            .headers_mut()
            .push_back_typed(&Date::from_unix_seconds(date));
        assert!(signer(&authority).sign(&mut request, "o", at(NOW)));
        assert_eq!(super::date(&request), Some(expected));
    }
    // Who cannot be named is not signed for.
    let mut nobody = request("http://h", "sip:b@h", "");
    assert!(!signer(&authority).sign(&mut nobody, "o", at(NOW)));
    assert!(!nobody.headers().contains(HeaderName::Identity));
}

#[test]
fn verstat_is_told_in_the_number_of_the_caller() {
    for (value, expected) in [
        (
            "\"A\" <tel:+1215>;tag=1",
            "\"A\" <tel:+1215;verstat=TN-Validation-Passed>;tag=1",
        ),
        (
            "<sip:+1215;verstat=Forged;x=y@h;user=phone>;tag=1",
            "<sip:+1215;x=y;verstat=TN-Validation-Passed@h;user=phone>;tag=1",
        ),
        (
            "sip:+1215@h;tag=1",
            "<sip:+1215;verstat=TN-Validation-Passed@h>;tag=1",
        ),
        ("<sip:alice@h>;tag=1", "<sip:alice@h>;tag=1"),
    ] {
        assert_eq!(with_verstat(value, Verstat::Passed), expected, "{value}");
    }
    let mut asserted = request(
        "tel:+1215",
        "sip:b@h",
        "P-Asserted-Identity: <tel:+1216>\r\n",
    );
    annotate(&mut asserted, Verstat::Failed);
    assert_eq!(
        asserted.headers().get(HeaderName::PAssertedIdentity),
        Some("<tel:+1216;verstat=TN-Validation-Failed>")
    );
    assert_eq!(
        asserted.headers().get(HeaderName::From),
        Some("<tel:+1215>;tag=1")
    );
    annotate(&mut asserted, Verstat::None);
    assert_eq!(
        asserted.headers().get(HeaderName::PAssertedIdentity),
        Some("<tel:+1216;verstat=No-TN-Validation>")
    );
}
