//! Malformed messages and each limit: the kind of the error, its place, and the answer.

use bytes::Bytes;
use sip_message::{
    FrameScanner, HeaderName, Limits, Message, ParseErrorKind as Kind, ParserConfig, Part,
    Response, StatusCode, header::ContentType,
};

const FIELDS: &str = "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

fn options(more: &str) -> String {
    format!("OPTIONS sip:h SIP/2.0\r\n{FIELDS}{more}\r\n")
}

fn check(text: impl Into<Bytes>, kind: Kind, offset: usize, status: Option<u16>) {
    check_with(&ParserConfig::default(), text, kind, offset, status);
}

fn check_with(
    config: &ParserConfig,
    text: impl Into<Bytes>,
    kind: Kind,
    offset: usize,
    status: Option<u16>,
) {
    let text = text.into();
    let error = Message::parse(text.clone(), config).unwrap_err();
    let found = (
        error.kind(),
        error.offset(),
        error.status().map(StatusCode::as_u16),
    );
    assert_eq!(
        found,
        (kind, offset, status),
        "{}",
        String::from_utf8_lossy(&text)
    );
    assert!(!error.reason().is_empty());
}

#[test]
fn what_is_not_sip_is_discarded() {
    check("", Kind::Empty, 0, None);
    check("\r\n\r\n", Kind::Empty, 4, None);
    check("hello", Kind::NotSip, 5, None);
    check("GET / HTTP/1.1\r\n\r\n", Kind::NotSip, 0, None);
    check(&b"\0\x01\0\x08\x21\x12\xa4\x42"[..], Kind::NotSip, 8, None);
    check("SIP/2.0 999 No\r\n\r\n", Kind::StatusLine, 8, None);
    check("SIP/2.0 20 No\r\n\r\n", Kind::StatusLine, 8, None);
    check("SIP/2.0 200\r\n\r\n", Kind::StatusLine, 8, None);
    check("SIP/3.0 200 OK\r\n\r\n", Kind::Version, 0, None);
}

#[test]
fn rfc3261_7_1_request_lines() {
    check(
        "OPTIONS sip:h SIP/3.0\r\n\r\n",
        Kind::Version,
        14,
        Some(505),
    );
    check(
        "OPTIONS sip:h SIP/2.0 \r\n\r\n",
        Kind::RequestLine,
        21,
        Some(400),
    );
    check(
        "OPTIONS sip:h  SIP/2.0\r\n\r\n",
        Kind::RequestLine,
        13,
        Some(400),
    );
    check("OPTIONS SIP/2.0\r\n\r\n", Kind::RequestLine, 7, Some(400));
    check("OPT{} sip:h SIP/2.0\r\n\r\n", Kind::Method, 0, Some(400));
    check(
        "OPTIONS sip:\th SIP/2.0\r\n\r\n",
        Kind::RequestLine,
        12,
        Some(400),
    );
    // Between angle brackets it can be read, as other schemes can, and is no Request-URI.
    let bracketed = options("").replace("OPTIONS sip:", "OPTIONS <sip:");
    let message = Message::parse(bracketed.into(), &ParserConfig::default()).unwrap();
    assert!(message.validate().is_err());
    let lower = options("").replace("SIP/2.0\r\nVia", "sip/2.0\r\nVia");
    assert!(
        Message::parse(lower.into(), &ParserConfig::default()).is_ok(),
        "the version is compared without case"
    );
}

#[test]
fn rfc3261_7_3_field_lines() {
    let at = options("").len() - 2;
    check(options("no colon\r\n"), Kind::FieldName, at, Some(400));
    check(options(": x\r\n"), Kind::FieldName, at, Some(400));
    check(options("a b: x\r\n"), Kind::FieldName, at, Some(400));
    check(options("a: x\ny: z\r\n"), Kind::LineEnd, at + 4, Some(400));
    check(options("a: x\ry\r\n"), Kind::LineEnd, at + 4, Some(400));
    check(
        options("a: \u{1}\r\n"),
        Kind::ControlCharacter,
        at + 3,
        Some(400),
    );
    check(
        [&options("").as_bytes()[..at], &b"a: \xff\r\n\r\n"[..]].concat(),
        Kind::NotUtf8,
        at + 3,
        Some(400),
    );
    check(options("to: x\r\n"), Kind::Duplicate, at + 4, Some(400));
    check(options("")[..at].to_owned(), Kind::Truncated, at, Some(400));
    check(
        options("")[..at - 1].to_owned(),
        Kind::Truncated,
        at - 2,
        Some(400),
    );
    check("OPTIONS sip:h SIP/2.0", Kind::Truncated, 21, Some(400));
    check(
        "OPTIONS sip:h SIP/2.0\r\nVia",
        Kind::Truncated,
        23,
        Some(400),
    );
}

#[test]
fn rfc3261_8_1_1_mandatory_fields() {
    for (name, kind, status) in [
        ("Via", Kind::ViaMissing, None),
        ("From", Kind::FromMissing, Some(400)),
        ("To", Kind::ToMissing, Some(400)),
        ("Call-ID", Kind::CallIdMissing, Some(400)),
        ("CSeq", Kind::CSeqMissing, Some(400)),
    ] {
        let text = options("").replace(&format!("\r\n{name}:"), "\r\nX:");
        check(text.clone(), kind, text.len() - 2, status);
    }
}

#[test]
fn rfc3261_18_3_content_length() {
    let at = options("").len() + "Content-Length: ".len() - 2;
    check(
        options("Content-Length: 1\r\n"),
        Kind::BodyTruncated,
        at,
        Some(400),
    );
    check(
        options("Content-Length: x\r\n"),
        Kind::ContentLength,
        at,
        Some(400),
    );
    check(
        options("Content-Length: \r\n"),
        Kind::ContentLength,
        at,
        Some(400),
    );
    let cut = Message::parse(
        format!("{}abcdef", options("l: 3\r\n")).into(),
        &ParserConfig::default(),
    )
    .unwrap();
    assert_eq!(cut.body(), b"abc");
    let rest = Message::parse(
        format!("{}abcdef", options("")).into(),
        &ParserConfig::default(),
    )
    .unwrap();
    assert_eq!(rest.body(), b"abcdef");
}

#[test]
fn every_limit_is_kept() {
    let mut config = ParserConfig::default();
    config.limits.message_size = 400;
    config.limits.head_size = 250;
    config.limits.fields = 8;
    config.limits.field_size = 60;
    config.limits.start_line_size = 30;
    assert!(Message::parse(options("").into(), &config).is_ok());
    check_with(
        &config,
        format!("{}{}", options(""), "x".repeat(400)),
        Kind::MessageTooLarge,
        400,
        Some(513),
    );
    check_with(
        &config,
        format!("OPTIONS sip:{} SIP/2.0\r\n\r\n", "h".repeat(30)),
        Kind::StartLineTooLong,
        30,
        Some(414),
    );
    let at = options("").len() - 2;
    check_with(
        &config,
        options(&format!("A: {}\r\n", "x".repeat(60))),
        Kind::FieldTooLong,
        at,
        Some(513),
    );
    check_with(
        &config,
        options("A:1\r\nB:2\r\nC:3\r\nD:4\r\n"),
        Kind::TooManyFields,
        at + 15,
        Some(513),
    );
    let long = format!("A: {}\r\n", "x".repeat(50)).repeat(3);
    check_with(
        &config,
        options(&long),
        Kind::HeadTooLarge,
        at + 165,
        Some(513),
    );
    let mut scanner = FrameScanner::new();
    let error = scanner
        .scan(options("l: 300\r\n").as_bytes(), &config)
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (Kind::MessageTooLarge, Some(StatusCode::MESSAGE_TOO_LARGE))
    );
}

#[test]
fn parameters_are_counted_by_value() {
    let mut config = ParserConfig::default();
    config.limits.parameters = 8;
    let at = options("").len() - 2;
    let value_at = at + "Contact: ".len();
    let accepted = [
        format!("Contact: <sip:h{}>", ";a".repeat(8)),
        format!("Contact: <sip:h{}>{}", ";a".repeat(4), ";b=1".repeat(4)),
        format!("Contact: <sip:h>{0}, <sip:i>{0}", ";b=1".repeat(8)),
        format!("Contact: \"{}\" <sip:h>{}", ";,".repeat(20), ";a".repeat(8)),
    ];
    for field in accepted {
        let text = options(&format!("{field}\r\n"));
        assert!(Message::parse(text.into(), &config).is_ok(), "{field}");
    }
    let refused = [
        format!("Contact: <sip:h{}>", ";a".repeat(9)),
        format!("Contact: <sip:h{}>{}", ";a".repeat(4), ";b=1".repeat(5)),
        // A comma in a URI or in quotes does not begin another value.
        format!("Contact: <sip:h{},{}>", ";a".repeat(5), ";a".repeat(5)),
        format!(
            "Contact: <sip:h>{};b=\"\\\",\"{}",
            ";a".repeat(5),
            ";a".repeat(5)
        ),
        format!("Contact: <sip:h>, <sip:i>{}", ";b=1".repeat(9)),
    ];
    for field in refused {
        let text = options(&format!("{field}\r\n"));
        check_with(&config, text, Kind::TooManyParameters, value_at, Some(513));
    }
    let uri = options("").replace("sip:h ", &format!("sip:h{} ", ";a".repeat(9)));
    check_with(&config, uri, Kind::TooManyParameters, 8, Some(513));
    // The default: what RFC 3840 and its like add to a Contact fits many times.
    let many = |count| options(&format!("Contact: <sip:h>{}\r\n", ";a".repeat(count)));
    assert!(Message::parse(many(128).into(), &ParserConfig::default()).is_ok());
    check(many(129), Kind::TooManyParameters, value_at, Some(513));
}

#[test]
fn multipart_limits_are_kept() {
    let body = "--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b\r\n\r\ny\r\n--b--\r\n";
    let kind = ContentType::parse("multipart/mixed;boundary=b").unwrap();
    let mut limits = Limits::default();
    limits.body_parts = 2;
    limits.body_depth = 2;
    let parts = Part::parse_all_within(&kind, body.into(), &limits).unwrap();
    assert_eq!(parts[0].parts().unwrap()[0].content(), b"x");
    limits.body_depth = 1;
    let parts = Part::parse_all_within(&kind, body.into(), &limits).unwrap();
    assert_eq!(
        parts[0].parts().unwrap_err().reason(),
        "multipart nested too deeply"
    );
    limits.body_parts = 1;
    let error = Part::parse_all_within(&kind, body.into(), &limits).unwrap_err();
    assert_eq!(error.reason(), "too many parts");
}

/// A fuzzer found an answer with the NUL of a quoted pair in it: correct by the grammar, and still nothing to repeat.
#[test]
fn rfc3261_21_4_1_the_400_is_clean_whatever_the_request_had() {
    let broken = "OPTIONS  sip:h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK\u{1}1\r\nFrom: \"\\\0\u{7f}\" <sip:a>;tag=1\r\n\
        From: <sip:again>\r\nTo:\t<sip:b>\r\n\t;x=1\nCall-ID: c\rd\r\nCSeq: 1\u{b}OPTIONS\r\n\r\n";
    let error = Message::parse(broken.into(), &ParserConfig::default()).unwrap_err();
    let request = Message::parse_lenient_for_reply(&broken.into()).unwrap();
    let answer = Response::to(&request, error.status().unwrap())
        .reason(error.reason())
        .build()
        .unwrap();
    assert_eq!(
        answer.to_bytes(),
        "SIP/2.0 400 Malformed request line\r\nv: SIP/2.0/UDP a;branch=z9hG4bK 1\r\nFrom: \"\\  \" <sip:a>;tag=1\r\n\
         To: <sip:b>   ;x=1\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn leniencies_are_named() {
    let mut config = ParserConfig::default();
    config.accept_non_utf8 = true;
    let at = options("").len() - 2;
    let text = [
        &options("").as_bytes()[..at],
        &b"Subject: caf\xe9\r\nSupported: a, \xff, b\r\n\r\n"[..],
    ]
    .concat();
    let message = Message::parse(text.clone().into(), &config).unwrap();
    let h = message.headers();
    assert_eq!(h.get(HeaderName::Subject), None);
    assert_eq!(h.get_bytes(HeaderName::Subject), Some(&b"caf\xe9"[..]));
    assert!(h.values(HeaderName::Supported).eq(["a", "b"]));
    assert!(h.typed::<sip_message::header::Supported<'_>>().is_err());
    assert_eq!(message.to_bytes(), text);
    let mut config = ParserConfig::default();
    config.accept_control_characters = true;
    assert!(Message::parse(options("a: \u{1}\r\nb: x\ry\r\n").into(), &config).is_ok());
}

#[test]
fn validate_says_which_field_and_where() {
    for (from, to, kind, status) in [
        ("SIP/2.0/UDP a", "SIP/2.0/UDP", Kind::Via, Some(400)),
        ("<sip:a>", "<sip:a", Kind::From, Some(400)),
        ("<sip:b>", "\"b <sip:b>", Kind::To, Some(400)),
        ("Call-ID: c", "Call-ID: c d", Kind::CallId, Some(400)),
        ("1 OPTIONS", "x OPTIONS", Kind::CSeq, Some(400)),
        ("1 OPTIONS", "1 BYE", Kind::CSeqMethod, Some(400)),
        ("OPTIONS sip:h", "OPTIONS sip:", Kind::Uri, Some(400)),
        ("OPTIONS sip:h", "OPTIONS x:h", Kind::UriScheme, Some(416)),
    ] {
        let text = options("").replace(from, to);
        let error = Message::parse(text.into(), &ParserConfig::default())
            .unwrap()
            .validate()
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.status().map(StatusCode::as_u16)),
            (kind, status)
        );
        assert!(error.offset() > 0);
    }
    let text = options("Max-Forwards: x\r\n");
    let error = Message::parse(text.into(), &ParserConfig::default())
        .unwrap()
        .validate()
        .unwrap_err();
    assert_eq!(error.kind(), Kind::MaxForwards);
}
