use sip_message::{Message, ParserConfig};

use super::*;

mod stack;

const CHALLENGE: &str = "SIP/2.0 401 Unauthorized\r\n\
    Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK1;rport=5062;received=192.0.2.9\r\n\
    From: <sip:alice@example.com>;tag=a\r\nTo: <sip:alice@example.com>;tag=0123456789abcdef\r\n\
    Call-ID: c1@192.0.2.9\r\nCSeq: 1 REGISTER\r\n\
    WWW-Authenticate: Digest realm=\"example.com\", nonce=\"0123456789012345678901234567890123456789012\", algorithm=SHA-256, qop=\"auth\"\r\n\
    WWW-Authenticate: Digest realm=\"example.com\", nonce=\"0123456789012345678901234567890123456789012\", algorithm=MD5, qop=\"auth\"\r\n\
    Server: Example\r\nContent-Length: 0\r\n\r\n";

fn guard() -> Guard {
    Guard::new(GuardConfig::default(), &Seed::from_bytes([4; 32]))
}

fn source() -> SocketAddr {
    "192.0.2.9:5062".parse().unwrap()
}

fn parse(payload: &Bytes) -> Message {
    let message = Message::parse(payload.clone(), &ParserConfig::default()).unwrap();
    message.validate().unwrap();
    message
}

#[test]
fn a_challenge_over_udp_is_never_larger_than_what_it_answers() {
    let now = Instant::now();
    for size in (0..=CHALLENGE.len() + 1).rev() {
        let answer = guard().answer(
            Bytes::from_static(CHALLENGE.as_bytes()),
            source(),
            size,
            now,
        );
        let Some(answer) = answer else {
            assert!(size < 320, "{size}: there is room for the least challenge");
            continue;
        };
        assert!(answer.len() <= size, "{size}: {}", answer.len());
        // Whatever was left out, it is a response that its client takes.
        let message = parse(&answer);
        let headers = message.headers();
        assert_eq!(headers.call_id(), Some("c1@192.0.2.9"));
        assert_eq!(headers.to_tag(), Some("0123456789abcdef"));
        assert!(headers.top_via().is_some() && headers.cseq().is_some());
        let challenge = headers.get(sip_message::HeaderName::WwwAuthenticate);
        match message
            .as_response()
            .map(|response| response.status().as_u16())
        {
            Some(401) => {
                let challenge = challenge.unwrap();
                assert!(
                    challenge.contains("nonce=\"0123456789012345678901234567890123456789012\"")
                );
                assert!(challenge.contains("qop=\"auth\""));
                if size == CHALLENGE.len() - 1 {
                    assert!(challenge.contains("algorithm=MD5"), "{challenge}");
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_request_too_short_to_be_challenged_is_challenged_when_it_is_repeated() {
    let (mut guard, now) = (guard(), Instant::now());
    let mut ask = |size: usize| {
        guard.answer(
            Bytes::from_static(CHALLENGE.as_bytes()),
            source(),
            size,
            now,
        )
    };
    assert_eq!(ask(200), None);
    let answer = ask(200).unwrap();
    assert!(answer.len() <= 400, "{}", answer.len());
    assert!(parse(&answer).as_response().is_some());
    assert_eq!(ask(200), None, "what it had sent is spent");
    // However short, all that came from there is never less than what goes there.
    let (mut came, mut went) = (0, 0);
    for size in (1..100).cycle().take(2000) {
        came += size;
        went += ask(size).map_or(0, |answer| answer.len());
        assert!(went <= came + 200);
    }
    assert!(went > came / 2);
}

#[test]
fn who_has_proved_to_be_there_gets_the_whole_challenge() {
    let (mut guard, now) = (guard(), Instant::now());
    let challenge = Bytes::from_static(CHALLENGE.as_bytes());
    assert_ne!(
        guard.answer(challenge.clone(), source(), 500, now).as_ref(),
        Some(&challenge)
    );
    guard.proved(source(), now + Duration::from_millis(1));
    assert_eq!(
        guard
            .answer(
                challenge.clone(),
                source(),
                500,
                now + Duration::from_secs(9)
            )
            .as_ref(),
        Some(&challenge)
    );
    let loopback = "127.0.0.1:5062".parse().unwrap();
    assert_eq!(
        guard.answer(challenge.clone(), loopback, 500, now).as_ref(),
        Some(&challenge)
    );
    // After an hour it proves it again.
    let later = now + Duration::from_secs(3601);
    assert!(
        guard
            .answer(challenge, source(), 500, later)
            .is_some_and(|answer| answer.len() <= 500)
    );
    assert_eq!(guard.stats().trimmed_challenges, 2);
}

fn response(via: &str) -> Bytes {
    format!(
        "SIP/2.0 200 OK\r\nVia: {via}, SIP/2.0/UDP other;branch=z9hG4bK0;oc\r\nFrom: <sip:a@h>;tag=1\r\n\
         To: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
    .into()
}

#[test]
fn rfc7339_5_2_who_asks_is_told_how_much_to_hold_back_and_nobody_else() {
    let mut config = GuardConfig::default();
    config.overload.feedback = true;
    let mut guard = Guard::new(config, &Seed::from_bytes([4; 32]));
    let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_282_321_615_782);
    let begin = Instant::now();
    let asks =
        "SIP/2.0/TCP p1.example.net;branch=z9hG4bK1;oc;oc-algo=\"A,loss\";received=192.0.2.111";
    let via = |payload: &Bytes| {
        let text = String::from_utf8(payload.to_vec()).unwrap();
        parse(payload);
        let line = text.lines().nth(1).unwrap().to_owned();
        line.strip_suffix(", SIP/2.0/UDP other;branch=z9hG4bK0;oc")
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        via(&guard.tell(response(asks), wall, begin)),
        "Via:SIP/2.0/TCP p1.example.net;branch=z9hG4bK1;received=192.0.2.111;oc=0;oc-algo=\"loss\";oc-validity=500;\
         oc-seq=1282321615.782"
            .replace("Via:", "Via: ")
    );
    // RFC 7339 §4.4: it grows, even when the clock does not, or is set back.
    let back = wall - Duration::from_secs(5);
    assert!(via(&guard.tell(response(asks), back, begin)).ends_with("oc-seq=1282321615.783"));
    for ms in 0..1000 {
        guard.waited(Duration::from_millis(80), begin + Duration::from_millis(ms));
    }
    let later = begin + Duration::from_secs(1);
    let loss = guard.overload().loss(later);
    assert!(loss > 50);
    assert!(via(&guard.tell(response(asks), wall, later)).contains(&format!(";oc={loss};")));
    for silent in [
        "SIP/2.0/UDP p1;branch=z9hG4bK1",
        "SIP/2.0/UDP p1;branch=z9hG4bK1;oc;oc-algo=\"rate\"",
        "SIP/2.0/UDP p1;branch=z9hG4bK1;oc-algo=\"loss\"",
    ] {
        assert_eq!(guard.tell(response(silent), wall, begin), response(silent));
    }
    // By choice.
    let mut quiet = self::guard();
    assert_eq!(quiet.tell(response(asks), wall, begin), response(asks));
}
