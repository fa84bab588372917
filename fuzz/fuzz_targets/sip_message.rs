//! Parsing a datagram, and what is done with the result on its way through a server.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip_message::{
    CopiedLine, HeaderName, Message, Outline, ParseErrorKind, ParserConfig, RequestLine, Response,
    StatusCode,
    header::{
        Authorization, CSeq, Contact, ContentType, Expires, From, MaxForwards, RecordRoute,
        Require, Route, To, Via, WwwAuthenticate,
    },
};

fuzz_target!(|data: &[u8]| {
    let config = ParserConfig::default();
    let datagram = Bytes::copy_from_slice(data);
    let parsed = Message::parse(datagram.clone(), &config);
    if let Some(outline) = RequestLine::of(data).and_then(RequestLine::outline) {
        check_outline(&outline, parsed.as_ref().ok());
    }
    let message = match parsed {
        Ok(message) => message,
        Err(error) => {
            // RFC 3261 section 8.2: a broken request is answered where there is enough of it. What it lacks, the answer
            // lacks too; but what it has, comes back.
            if let (Some(status), Some(request)) =
                (error.status(), Message::parse_lenient_for_reply(&datagram))
                && let Ok(response) = Response::to(&request, status)
                    .reason(error.reason())
                    .build()
            {
                let copied = [
                    HeaderName::Via,
                    HeaderName::From,
                    HeaderName::To,
                    HeaderName::CallId,
                    HeaderName::CSeq,
                ];
                let answer = response.to_bytes();
                assert!(
                    answer.starts_with(b"SIP/2.0 ") && answer.ends_with(b"\r\n\r\n"),
                    "an answer is a whole message"
                );
                assert!(
                    !answer
                        .iter()
                        .any(|b| b.is_ascii_control() && !matches!(b, b'\r' | b'\n')),
                    "no control character comes back"
                );
                if copied
                    .into_iter()
                    .all(|name| request.headers().contains(name))
                {
                    // A value with more parameters than we read comes back as it is.
                    let kind = Message::parse(answer, &config).map_err(|error| error.kind());
                    assert!(
                        matches!(kind, Ok(_) | Err(ParseErrorKind::TooManyParameters)),
                        "our answer to a broken request parses: {kind:?}"
                    );
                }
            }
            return;
        }
    };
    let encoded = message.to_bytes();
    let again = Message::parse(encoded.clone(), &config).expect("what was parsed parses again");
    assert_eq!(again.to_bytes(), encoded, "encoding is stable");
    assert_eq!(again.body(), message.body());
    assert_eq!(again.headers().len(), message.headers().len());
    typed(&message);
    let Some(request) = message.as_request() else {
        return;
    };
    if message.validate().is_err() {
        return;
    }
    let _ = request.uri();
    // A proxy's hop: another Via on top, one hop less, and the answer back.
    let mut forwarded = request.clone();
    let headers = forwarded.headers_mut();
    headers.push_front(
        HeaderName::Via,
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKfuzz",
    );
    headers.decrement_max_forwards();
    let sent = forwarded.to_bytes();
    let received = Message::parse(sent, &config).expect("what is forwarded parses");
    assert_eq!(
        received
            .headers()
            .top_via()
            .and_then(|via| via.branch().map(str::to_owned))
            .as_deref(),
        Some("z9hG4bKfuzz")
    );
    assert_eq!(received.body(), message.body());
    let mut back = received.as_request().expect("a request").clone();
    assert!(back.headers_mut().remove_first(HeaderName::Via));
    assert_eq!(
        back.headers().count(HeaderName::Via),
        request.headers().count(HeaderName::Via)
    );
    let response = Response::to(request, StatusCode::OK)
        .to_tag("fuzz")
        .build()
        .expect("a valid request can be answered");
    let response = Message::parse(response.to_bytes(), &config).expect("our answer parses");
    response
        .validate()
        .expect("our answer to a valid request is valid");
    assert_eq!(response.headers().call_id(), request.headers().call_id());
    assert!(response.headers().to_tag().is_some());
});

/// Decoding never panics, whatever the value.
fn typed(message: &Message) {
    let headers = message.headers();
    let _ = (
        headers.cseq(),
        headers.max_forwards(),
        headers.from_tag(),
        headers.to_tag(),
        headers.call_id(),
    );
    let _ = headers.typed::<From>();
    let _ = headers.typed::<To>();
    let _ = headers.typed::<CSeq>();
    let _ = headers.typed::<MaxForwards>();
    let _ = headers.typed::<Expires>();
    let _ = headers.typed::<ContentType>();
    let _ = headers.typed::<Require>();
    let _ = headers.typed_all::<Via>().count();
    let _ = headers.typed_all::<Route>().count();
    let _ = headers.typed_all::<RecordRoute>().count();
    let _ = headers
        .typed_all::<Contact>()
        .filter_map(Result::ok)
        .filter(|contact| contact.expires().is_some())
        .count();
    for credentials in headers.typed_all::<Authorization>().filter_map(Result::ok) {
        let _ = (credentials.scheme(), credentials.param("nonce"));
    }
    for challenge in headers
        .typed_all::<WwwAuthenticate>()
        .filter_map(Result::ok)
    {
        let _ = (challenge.scheme(), challenge.param("realm"));
    }
    for field in headers.fields() {
        let _ = (
            field.name(),
            field.name_str(),
            field.value_lossy(),
            field.line(),
        );
    }
}

/// What an answer would copy at sight is harmless, and what it copies of a message that was parsed.
fn check_outline(outline: &Outline<'_>, message: Option<&Message>) {
    let lines: Vec<&[u8]> = outline
        .lines()
        .map(|line| match line {
            CopiedLine::TopVia(line, ..) | CopiedLine::To(line, ..) | CopiedLine::Other(line) => {
                line
            }
        })
        .collect();
    for line in &lines {
        let text = line.strip_suffix(b"\r\n").expect("a whole line");
        assert!(
            text.iter().all(|b| matches!(b, b' '..=b'~')),
            "no control character comes back"
        );
    }
    let Some(Message::Request(request)) = message else {
        assert!(message.is_none(), "a request is no response");
        return;
    };
    assert_eq!(outline.method(), request.method());
    let copied = [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
    ];
    let fields = request.headers().fields();
    let fields: Vec<&[u8]> = fields
        .filter(|field| copied.contains(&field.name()))
        .map(|field| field.line())
        .collect();
    assert_eq!(lines, fields);
}
