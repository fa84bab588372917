//! Lines, order, limits, leniencies: what is refused where, and that what is read is printed as it came.

use sip_sdp::fields::Key;
use sip_sdp::{Limits, LineType, ParseErrorKind, ParserConfig, SessionDescription};

const PHONE: &str = "v=0\r\no=- 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call to John Smith\r\ni=SDP Offer #1\r\n\
    u=http://www.jdoe.example.com/home.html\r\ne=Jane Doe <jane@jdoe.example.com>\r\np=+1 617 555-6011\r\n\
    c=IN IP4 198.51.100.1\r\nb=AS:128\r\nt=3724394400 3724398000\r\nr=7d 1h 0 25h\r\nz=3730928400 -1h 3749680800 0\r\n\
    k=prompt\r\na=recvonly\r\na=X-own\r\nm=audio 49170/2 RTP/AVP 0 8\r\ni=Voice\r\nc=IN IP4 224.2.1.1/127/3\r\nb=TIAS:64000\r\n\
    k=clear:secret\r\na=ptime:20\r\na=sendonly\r\nm=video 51372 RTP/AVP 99\r\nc=IN IP6 2001:db8::2\r\na=rtpmap:99 h263-1998/90000\r\n";

fn parse(text: &str) -> Result<SessionDescription, (u32, u32, ParseErrorKind)> {
    parse_with(text.as_bytes(), ParserConfig::strict())
}

fn parse_with(
    text: &[u8],
    config: ParserConfig,
) -> Result<SessionDescription, (u32, u32, ParseErrorKind)> {
    SessionDescription::parse_with(text, &config)
        .map_err(|error| (error.line, error.column, error.kind))
}

#[test]
fn rfc8866_5_every_line_is_read() {
    let description = parse(PHONE).expect("parses");
    assert_eq!(description.to_vec(), PHONE.as_bytes());
    let origin = description.origin().expect("an origin");
    assert_eq!(
        (origin.username, origin.version(), origin.address),
        ("-", Some(3_724_394_405), "198.51.100.1")
    );
    assert_eq!(description.session_name(), "Call to John Smith");
    assert_eq!(description.information(), Some("SDP Offer #1"));
    assert_eq!(
        description.uri(),
        Some("http://www.jdoe.example.com/home.html")
    );
    assert_eq!(
        description.emails().collect::<Vec<_>>(),
        ["Jane Doe <jane@jdoe.example.com>"]
    );
    assert_eq!(
        description.phones().collect::<Vec<_>>(),
        ["+1 617 555-6011"]
    );
    assert_eq!(
        description
            .bandwidths()
            .next()
            .and_then(|bandwidth| bandwidth.bits_per_second()),
        Some(128_000)
    );
    assert_eq!(description.key(), Some(Key::Prompt));
    assert!(description.has_attribute("X-own") && !description.has_attribute("x-own"));
    let time = description.times().next().expect("a time");
    assert_eq!((time.start, time.stop), (3_724_394_400, 3_724_398_000));
    let repeat = time.repeats().next().expect("a repeat");
    assert_eq!((repeat.interval, repeat.duration), (604_800, 3600));
    assert_eq!(repeat.offsets().collect::<Vec<_>>(), [0, 90_000]);
    let zones: Vec<_> = time.zones().expect("zones").pairs().collect();
    assert_eq!(zones, [(3_730_928_400, -3600), (3_749_680_800, 0)]);

    let [audio, video] =
        [0, 1].map(|index| description.media_at(index).expect("a media description"));
    assert_eq!(
        (audio.kind(), audio.port(), audio.line().port_count),
        ("audio", 49170, Some(2))
    );
    assert_eq!(audio.formats().collect::<Vec<_>>(), ["0", "8"]);
    assert_eq!(
        (audio.title(), audio.key()),
        (Some("Voice"), Some(Key::Clear("secret")))
    );
    let connection = audio.connection().expect("an address");
    assert_eq!(
        (connection.ttl, connection.count, connection.is_multicast()),
        (Some(127), Some(3), true)
    );
    assert_eq!(
        audio.bandwidths().next().map(|bandwidth| bandwidth.value),
        Some(64_000)
    );
    assert_eq!(audio.direction().as_str(), "sendonly");
    // RFC 8866 §6.7.1: the session's direction holds where the media has none.
    assert_eq!(video.direction().as_str(), "recvonly");
    assert_eq!(
        video.connection().and_then(|connection| connection.ip()),
        "2001:db8::2".parse().ok()
    );
    assert!(description.media_at(2).is_none());
}

#[test]
fn rfc8866_5_order_and_presence() {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n";
    for (text, line, kind) in [
        (
            "o=- 1 1 IN IP4 192.0.2.1\r\n".to_string(),
            1,
            ParseErrorKind::Missing(LineType::Version),
        ),
        (
            "a=x\r\n".to_string(),
            1,
            ParseErrorKind::Missing(LineType::Version),
        ),
        (
            "v=0\r\ns=-\r\nt=0 0\r\n".to_string(),
            3,
            ParseErrorKind::Missing(LineType::Origin),
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nt=0 0\r\n".to_string(),
            3,
            ParseErrorKind::Missing(LineType::SessionName),
        ),
        (head.to_string(), 3, ParseErrorKind::Missing(LineType::Time)),
        (
            format!("{head}t=0 0\r\nc=IN IP4 192.0.2.1\r\n"),
            5,
            ParseErrorKind::Order(LineType::Connection),
        ),
        (
            format!("{head}t=0 0\r\na=x\r\nb=AS:1\r\n"),
            6,
            ParseErrorKind::Order(LineType::Bandwidth),
        ),
        (
            format!("{head}s=-\r\n"),
            4,
            ParseErrorKind::Duplicate(LineType::SessionName),
        ),
        (
            format!("{head}r=7d 1h 0\r\n"),
            4,
            ParseErrorKind::Missing(LineType::Time),
        ),
        (
            format!("{head}t=0 0\r\nm=audio 1 RTP/AVP 0\r\n"),
            5,
            ParseErrorKind::Missing(LineType::Connection),
        ),
        (
            format!(
                "{head}t=0 0\r\nm=audio 1 RTP/AVP 0\r\nm=audio 2 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n"
            ),
            5,
            ParseErrorKind::Missing(LineType::Connection),
        ),
        (
            format!("{head}t=0 0\r\nx=1\r\n"),
            5,
            ParseErrorKind::UnknownLine(b'x'),
        ),
        (
            format!("{head}c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 1 RTP/AVP 0\r\nt=0 0\r\n"),
            7,
            ParseErrorKind::UnknownLine(b't'),
        ),
    ] {
        assert_eq!(parse(&text).map(drop), Err((line, 1, kind)), "{text}");
    }
}

#[test]
fn line_errors_carry_line_and_column() {
    let with = |line: &str| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{line}\r\n"
        )
    };
    for (text, line, column) in [
        ("v=1\r\n".to_string(), 1, 3),
        ("v=0\r\no=- x 1 IN IP4 192.0.2.1\r\n".to_string(), 2, 5),
        ("v=0\r\no=- 1 1 IN IP4\r\n".to_string(), 2, 15),
        ("v=0\r\no=- 1 1 IN IP4 192.0.2.1 x\r\n".to_string(), 2, 26),
        ("v=0\r\no=-  1 1 IN IP4 192.0.2.1\r\n".to_string(), 2, 5),
        (
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP6 1:2\r\n".to_string(),
            4,
            10,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 224.0.0.1/300\r\n".to_string(),
            4,
            10,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nb=AS\r\n".to_string(),
            4,
            5,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 x\r\n".to_string(),
            4,
            5,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 1\r\n".to_string(),
            4,
            5,
        ),
        (with("m=audio 65536 RTP/AVP 0"), 6, 9),
        (with("m=audio 1 RTP//AVP 0"), 6, 11),
        (with("m=audio 1 RTP/AVP"), 6, 18),
        (with("m=audio 1  RTP/AVP 0"), 6, 11),
        (with("a=b c:1"), 6, 4),
        (with("a=:1"), 6, 3),
        (with("a=b:"), 6, 5),
        (with("abc"), 6, 1),
        (with("é=1"), 6, 1),
        (with(""), 6, 1),
        (with("a=x\ny"), 6, 4),
        (with("a=x\ry"), 6, 4),
        (with("a=x\0y"), 6, 4),
        (with("a=x").trim_end().to_string(), 6, 4),
    ] {
        let found = parse(&text)
            .map(drop)
            .map_err(|(line, column, _)| (line, column));
        assert_eq!(found, Err((line, column)), "{text:?}");
    }
    let mut bytes = with("a=x:y").into_bytes();
    let at = bytes.len() - 3;
    bytes[at] = 0xff;
    assert_eq!(
        parse_with(&bytes, ParserConfig::strict()).map(drop),
        Err((6, 5, ParseErrorKind::NotUtf8))
    );
    assert_eq!(
        parse_with(b"", ParserConfig::lenient()).map(drop),
        Err((1, 1, ParseErrorKind::Empty))
    );
}

#[test]
fn each_limit_is_reached() {
    let base = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    let check = |text: String, change: fn(&mut Limits), expected: Option<(u32, ParseErrorKind)>| {
        let mut config = ParserConfig::strict();
        change(&mut config.limits);
        let error = SessionDescription::parse_with(text.as_bytes(), &config)
            .map(drop)
            .err();
        assert!(error.is_none_or(|error| error.is_limit()), "{error:?}");
        assert_eq!(error.map(|error| (error.line, error.kind)), expected);
    };
    let attributes = |count| format!("{base}{}", "a=x\r\n".repeat(count));
    let media = |count| format!("{base}{}", "m=audio 1 RTP/AVP 0\r\n".repeat(count));
    check(attributes(3), |limits| limits.attributes = 3, None);
    check(
        attributes(4),
        |limits| limits.attributes = 3,
        Some((9, ParseErrorKind::TooManyAttributes(3))),
    );
    check(media(2), |limits| limits.media = 2, None);
    check(
        media(3),
        |limits| limits.media = 2,
        Some((8, ParseErrorKind::TooManyMedia(2))),
    );
    check(attributes(3), |limits| limits.lines = 8, None);
    check(
        attributes(4),
        |limits| limits.lines = 8,
        Some((9, ParseErrorKind::TooManyLines(8))),
    );
    check(base.to_string(), |limits| limits.line_bytes = 24, None);
    check(
        base.to_string(),
        |limits| limits.line_bytes = 23,
        Some((2, ParseErrorKind::LineTooLong(23))),
    );
    check(
        base.to_string(),
        |limits| limits.bytes = 62,
        Some((1, ParseErrorKind::TooLong(62))),
    );
}

/// One description for each leniency: refused without it, read and printed as it came with it.
#[test]
fn each_leniency_is_needed_and_enough() {
    type Change = fn(&mut ParserConfig);
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    let cases: [(Change, Vec<u8>); 16] = [
        (
            |config| config.bare_line_feed = true,
            head.replace('\r', "").into_bytes(),
        ),
        (
            |config| config.missing_final_line_end = true,
            head.trim_end().into(),
        ),
        (
            |config| config.blank_lines = true,
            format!("{head}\r\nm=audio 1 RTP/AVP 0\r\n\r\n").into(),
        ),
        (
            |config| config.empty_value = true,
            head.replace("s=-", "s=").into(),
        ),
        (
            |config| config.missing_session_name = true,
            head.replace("s=-\r\n", "").into(),
        ),
        (
            |config| config.missing_timing = true,
            head.replace("t=0 0\r\n", "").into(),
        ),
        (
            |config| config.loose_origin = true,
            head.replace("o=- 1 1", "o=- x").into(),
        ),
        (
            |config| config.missing_connection = true,
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=message 1 TCP/MSRP *\r\n".into(),
        ),
        (
            |config| config.line_order = true,
            format!("{head}b=AS:64\r\n").into(),
        ),
        (
            |config| config.unknown_lines = true,
            format!("{head}y=1\r\n").into(),
        ),
        (
            |config| config.extra_spaces = true,
            format!("{head}m=audio  1 RTP/AVP 0 \r\n").into(),
        ),
        (
            |config| config.missing_formats = true,
            format!("{head}m=audio 0 RTP/AVP\r\n").into(),
        ),
        (
            |config| config.not_utf8 = true,
            [
                head.replace("s=-", "s=caf").trim_end().as_bytes(),
                b"\r\na=x:\xe9\xff\r\n",
            ]
            .concat(),
        ),
        (
            |config| config.short_times = true,
            head.replace("t=0 0", "t=0 1").into(),
        ),
        (
            |config| config.loose_attribute_names = true,
            format!("{head}a=T38 Fax:1\r\n").into(),
        ),
        (
            |config| config.unchecked_values = true,
            format!("{head}b=AS:64 kbit\r\n")
                .replace("t=0 0\r\nb=AS:64 kbit\r\n", "b=AS:64 kbit\r\nt=0 0\r\n")
                .into(),
        ),
    ];
    for (change, bytes) in cases {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(
            parse_with(&bytes, ParserConfig::strict()).is_err(),
            "{text}"
        );
        let mut config = ParserConfig::strict();
        change(&mut config);
        let description =
            parse_with(&bytes, config).unwrap_or_else(|error| panic!("{error:?} in {text}"));
        assert_eq!(description.to_vec(), bytes, "{text}");
        assert!(
            parse_with(&bytes, ParserConfig::lenient()).is_ok(),
            "{text}"
        );
    }
}

#[test]
fn rfc8866_6_10_bytes_that_are_not_utf8_stay_visible() {
    let mut bytes = PHONE.replace("Smith", "M?ller").into_bytes();
    let at = bytes
        .iter()
        .position(|&byte| byte == b'?')
        .expect("the mark");
    bytes[at] = 0xfc;
    bytes.extend_from_slice(b"a=name:J\xfcrgen\r\n");
    let mut description = parse_with(&bytes, ParserConfig::deployed()).expect("parses");
    assert_eq!(description.session_name(), "Call to John M?ller");
    let name = description
        .media()
        .last()
        .expect("media")
        .attributes()
        .last()
        .expect("an attribute");
    assert_eq!(
        (name.value, name.bytes()),
        (Some("J?rgen"), Some(b"J\xfcrgen".as_slice()))
    );
    // Also after an edit elsewhere.
    description.set_port(0, 4000).expect("a port");
    let printed = description.to_vec();
    assert!(printed.windows(7).any(|window| window == b"J\xfcrgen\r"));
}
