//! Properties: of parsing and encoding, of framing, of edits, and agreement with the obvious parser.

use bytes::Bytes;
use proptest::prelude::*;
use sip_message::{FrameScanner, HeaderName, Host, Message, Method, ParserConfig, Request, UriRef};

use crate::{examples, oracle};

fn config() -> ParserConfig {
    ParserConfig::default()
}

/// Text that is often nearly a SIP message: lines from a small stock, with noise.
fn nearly_sip() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        8 => Just("INVITE sip:bob@h SIP/2.0".to_owned()),
        4 => Just("SIP/2.0 200 OK".to_owned()),
        1 => Just("SIP/2.0 99 No".to_owned()),
        1 => Just("OPTIONS  sip:h SIP/2.0".to_owned()),
        1 => Just("GET / HTTP/1.1".to_owned()),
        1 => "[ -~]{0,30}",
    ];
    let line = prop_oneof![
        4 => Just("Via: SIP/2.0/UDP a;branch=z9hG4bK1".to_owned()),
        4 => Just("v:SIP/2.0/TCP b , SIP/2.0/UDP c".to_owned()),
        4 => Just("From: <sip:a>;tag=1".to_owned()),
        4 => Just("t: \"x, y\" <sip:b>".to_owned()),
        4 => Just("Call-ID \t: z@h".to_owned()),
        4 => Just("CSeq: 1 INVITE".to_owned()),
        2 => Just("Content-Length: 3".to_owned()),
        1 => Just("l: 12".to_owned()),
        1 => Just("l: -3".to_owned()),
        2 => Just(" folded , on".to_owned()),
        1 => Just("no colon".to_owned()),
        2 => "[A-Za-z-]{1,10}[ ]?:[ -~]{0,20}",
        1 => "\\PC{0,12}",
    ];
    let end = prop_oneof![20 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    (
        start,
        proptest::collection::vec((line, end), 0..14),
        "\\PC{0,9}",
    )
        .prop_map(|(start, lines, body)| {
            let mut text = format!("{start}\r\n");
            for (line, end) in lines {
                text.push_str(&line);
                text.push_str(end);
            }
            text.push_str("\r\n");
            text.push_str(&body);
            text.into_bytes()
        })
}

/// A message that parses: the mandatory fields in some order among others.
fn sip() -> impl Strategy<Value = Vec<u8>> {
    let mandatory = Just(vec![
        "Via: SIP/2.0/UDP a;branch=z9hG4bK1;rport, SIP/2.0/UDP b".to_owned(),
        "f: Alice <sip:a@h>;tag=1".to_owned(),
        "To:<sip:b@h>".to_owned(),
        "i: z@h".to_owned(),
        "CSeq: 1 INVITE".to_owned(),
    ]);
    let other = prop_oneof![
        "X-[a-z]{1,8}: [!-~]{0,30}",
        Just("Route: <sip:p;lr>,\r\n <sip:q;lr>".to_owned()),
        Just("Record-Route: <sip:p,x;lr>".to_owned()),
        Just("Supported: a, b".to_owned()),
        Just("Subject:".to_owned()),
        Just("v: SIP/2.0/TCP [2001:db8::1]:5060".to_owned()),
    ];
    (
        mandatory,
        proptest::collection::vec(other, 0..30),
        proptest::collection::vec(any::<u8>(), 0..40),
    )
        .prop_flat_map(|(mut lines, others, body)| {
            lines.extend(others);
            (Just(lines).prop_shuffle(), Just(body))
        })
        .prop_map(|(lines, body)| {
            let mut text = "INVITE sip:bob@h SIP/2.0\r\n".to_owned();
            for line in lines {
                text.push_str(&line);
                text.push_str("\r\n");
            }
            text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
            let mut bytes = text.into_bytes();
            bytes.extend_from_slice(&body);
            bytes
        })
}

fn agrees(bytes: &[u8]) {
    let fast = Message::parse(Bytes::copy_from_slice(bytes), &config()).ok();
    // Escaped control characters are legal and unescaped ones are not, which the obvious parser does not know.
    let control = bytes
        .iter()
        .any(|&b| b < 0x20 && !matches!(b, b'\r' | b'\n' | b'\t') || b == 0x7f);
    let obvious = oracle::parse(bytes);
    match (&fast, &obvious) {
        (Some(fast), Some(obvious)) => {
            let fields: Vec<(String, String)> = fast
                .headers()
                .fields()
                .map(|field| {
                    (
                        field.name_str().to_owned(),
                        field.value().unwrap().to_owned(),
                    )
                })
                .collect();
            assert_eq!(fields, obvious.fields);
            assert_eq!(fast.body(), obvious.body);
            assert!(fast.to_bytes().starts_with(obvious.start.as_bytes()));
        }
        (None, None) => {}
        (None, Some(_)) if control => {}
        _ => panic!("{fast:?}\n{obvious:?}\n{}", String::from_utf8_lossy(bytes)),
    }
}

#[test]
fn the_obvious_parser_agrees_on_every_printed_message() {
    for example in examples::examples() {
        agrees(&example.bytes);
    }
}

proptest! {
    #[test]
    fn the_obvious_parser_agrees(bytes in nearly_sip()) {
        agrees(&bytes);
    }

    #[test]
    fn an_unedited_message_comes_out_as_it_went_in(bytes in sip()) {
        let message = Message::parse(bytes.clone().into(), &config()).unwrap();
        prop_assert_eq!(&message.to_bytes()[..], &bytes[..]);
        let mut out = Vec::new();
        message.encode(&mut out);
        prop_assert_eq!(out, bytes);
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        if let Ok(message) = Message::parse(bytes.clone(), &config()) {
            let _ = message.validate_all();
        }
        let _ = Message::parse_lenient_for_reply(&bytes);
        let _ = FrameScanner::new().scan(&bytes, &config());
    }

    #[test]
    fn near_messages_never_panic_and_answers_parse(bytes in nearly_sip(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = bytes;
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let bytes = Bytes::from(bytes);
        if let Ok(message) = Message::parse(bytes.clone(), &config()) {
            let _ = message.validate_all();
        }
        if let Some(request) = Message::parse_lenient_for_reply(&bytes) {
            let answer = sip_message::Response::to(&request, sip_message::StatusCode::BAD_REQUEST).build().unwrap();
            // Whatever was in the request, the answer is one message with well-formed lines.
            let text = answer.to_bytes();
            let has_all = [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq]
                .into_iter()
                .all(|name| answer.headers().count(name.clone()) == 1 || name == HeaderName::Via && answer.headers().contains(name));
            if has_all {
                prop_assert!(Message::parse(text, &config()).is_ok());
            }
        }
    }

    #[test]
    fn any_split_of_a_stream_yields_the_same_frames(
        messages in proptest::collection::vec(sip(), 1..4),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        pings in 0..3_usize,
    ) {
        let mut stream = Vec::new();
        for message in &messages {
            stream.extend_from_slice(&b"\r\n".repeat(pings));
            stream.extend_from_slice(message);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.sort_unstable();
        cuts.push(stream.len());
        let (mut scanner, mut buf, mut found, mut from) = (FrameScanner::new(), Vec::new(), Vec::new(), 0);
        for cut in cuts {
            buf.extend_from_slice(&stream[from..cut]);
            from = cut;
            while let Some(len) = scanner.scan(&buf, &config()).unwrap() {
                let frame: Vec<u8> = buf.drain(..len).collect();
                found.push(Message::parse(frame.into(), &config()).unwrap().to_bytes());
            }
        }
        prop_assert!(buf.is_empty());
        prop_assert_eq!(found, messages);
    }

    #[test]
    fn edits_change_what_they_say_and_nothing_else(bytes in sip(), steps in proptest::collection::vec((0..8_u8, "[a-z]{1,6}"), 0..20)) {
        let mut message = Message::parse(bytes.into(), &config()).unwrap();
        // The model: fields as pairs, edited the slow way.
        let mut model: Vec<(String, String)> = fields(&message);
        let is = |name: &str, long: &str, short: &str| name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short);
        for (step, text) in steps {
            let headers = message.headers_mut();
            match step {
                0 => {
                    headers.push_back(HeaderName::Subject, &text);
                    model.push(("Subject".to_owned(), text));
                }
                1 => {
                    let value = format!("SIP/2.0/UDP {text}");
                    headers.push_front(HeaderName::Via, &value);
                    let at = model.iter().position(|(name, _)| is(name, "Via", "v")).unwrap_or(0);
                    model.insert(at, ("Via".to_owned(), value));
                }
                2 => {
                    headers.remove_all(HeaderName::Supported);
                    model.retain(|(name, _)| !is(name, "Supported", "k"));
                }
                3 => {
                    headers.replace(HeaderName::Subject, &text);
                    let first = model.iter().position(|(name, _)| is(name, "Subject", "s"));
                    match first {
                        None => model.push(("Subject".to_owned(), text)),
                        Some(at) => {
                            model[at] = ("Subject".to_owned(), text);
                            let mut i = 0;
                            model.retain(|(name, _)| { i += 1; i - 1 <= at || !is(name, "Subject", "s") });
                        }
                    }
                }
                4 => {
                    let routes: Vec<String> = headers.values(HeaderName::Route).map(str::to_owned).collect();
                    prop_assert_eq!(headers.remove_first(HeaderName::Route), !routes.is_empty());
                    let left: Vec<String> = headers.values(HeaderName::Route).map(str::to_owned).collect();
                    prop_assert_eq!(&left[..], routes.get(1..).unwrap_or_default());
                    // The model follows by the rule above, so that the order of fields is still compared.
                    model = fields(&message);
                }
                5 => {
                    let added = headers.set_to_tag(&text);
                    let to = model.iter_mut().find(|(name, _)| is(name, "To", "t")).unwrap();
                    if added {
                        to.1.push_str(&format!(";tag={text}"));
                    }
                }
                6 => {
                    headers.push_front(HeaderName::from_static("X-New"), &text);
                    let first = model.iter().position(|(name, _)| name.eq_ignore_ascii_case("X-New"));
                    let after_via = model.iter().rposition(|(name, _)| is(name, "Via", "v")).map_or(0, |at| at + 1);
                    model.insert(first.unwrap_or(after_via), ("X-New".to_owned(), text));
                }
                _ => {
                    let before = headers.max_forwards();
                    let after = headers.decrement_max_forwards();
                    prop_assert_eq!(after, before.map_or(Some(70), |max| max.checked_sub(1)));
                    match model.iter_mut().find(|(name, _)| is(name, "Max-Forwards", "Max-Forwards")) {
                        Some(field) => field.1 = after.map_or_else(|| field.1.clone(), |max| max.to_string()),
                        None => model.push(("Max-Forwards".to_owned(), "70".to_owned())),
                    }
                }
            }
        }
        prop_assert_eq!(fields(&message), model.clone());
        let again = Message::parse(message.to_bytes(), &config()).unwrap();
        prop_assert_eq!(fields(&again), model);
        prop_assert_eq!(again.body(), message.body());
    }

    /// Whatever was done to it, parsed or built: what is put together from slices is the message, and where nothing was done there
    /// are slices.
    #[test]
    fn slices_are_the_message(bytes in sip(), built in any::<bool>(), steps in proptest::collection::vec((0..10_u8, "[a-z]{1,6}"), 0..8)) {
        let parsed = Message::parse(bytes.into(), &config()).unwrap();
        let mut request = match (parsed, built) {
            (Message::Request(request), false) => request,
            (message, _) => {
                let mut builder = Request::builder(Method::Info, "sip:h");
                for (name, value) in fields(&message) {
                    builder = builder.header(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
                }
                builder = builder.body("text/plain", message.body().to_vec());
                builder.build_partial().unwrap()
            }
        };
        prop_assert!(request.as_slices().is_some() || built);
        for (step, text) in steps {
            let headers = request.headers_mut();
            match step {
                0 => headers.push_back(HeaderName::Subject, &text),
                1 => headers.push_front(HeaderName::Via, format!("SIP/2.0/UDP {text}")),
                2 => drop(headers.remove_first(HeaderName::Via)),
                3 => drop(headers.remove_all(HeaderName::Subject)),
                4 => headers.replace(HeaderName::Subject, &text),
                5 => drop(headers.set_to_tag(&text)),
                6 => drop(headers.decrement_max_forwards()),
                7 => drop(headers.remove_all(HeaderName::ContentLength)),
                8 => request.set_body("text/plain", text),
                _ => request.set_uri(format!("sip:{text}")).unwrap(),
            }
            let mut lines = Vec::new();
            for field in request.headers().fields() {
                let value = field.value().unwrap();
                lines.push((field.name_str().to_owned(), value.to_owned()));
            }
            let mut encoded = Vec::new();
            request.encode(&mut encoded);
            if let Some(slices) = request.as_slices() {
                prop_assert_eq!(slices.concat(), encoded.clone());
            }
            prop_assert_eq!(encoded.len(), request.encoded_len());
            prop_assert_eq!(&request.to_bytes()[..], &encoded[..]);
            if !request.headers().contains(HeaderName::Via) {
                continue; // It cannot be parsed.
            }
            let again = Message::parse(encoded.into(), &config()).unwrap();
            prop_assert_eq!(fields(&again), lines);
            prop_assert_eq!(again.as_request().unwrap().uri_str(), request.uri_str());
            prop_assert_eq!(again.body(), request.body());
        }
    }

    #[test]
    fn uris_that_parse_are_their_text_and_equal_themselves(text in "(sips?|tel|urn|SIP|http):[ -~]{0,24}") {
        if let Ok(uri) = UriRef::parse(&text) {
            prop_assert_eq!(uri.as_str(), &text[..]);
            prop_assert_eq!(uri, uri);
            let owned = uri.to_uri();
            prop_assert_eq!(owned.as_ref().user(), uri.user());
            prop_assert_eq!(owned.as_ref().host(), uri.host());
            prop_assert_eq!(owned.as_ref().params().count(), uri.params().count());
        }
    }

    #[test]
    fn built_uris_read_back(user in "\\PC{1,12}", port in any::<Option<u16>>(), name in "[a-z]{1,9}", value in "\\PC{1,9}") {
        let uri = sip_message::Uri::sip(Some(&user), Host::Name("example.com"), port)
            .with_param(&name, Some(&value))
            .with_header(&name, &value);
        let read = sip_message::Uri::parse(uri.as_str()).unwrap();
        prop_assert_eq!(&*read.as_ref().user_unescaped().unwrap(), &user[..]);
        prop_assert_eq!(read.as_ref().port(), port);
        prop_assert_eq!(&*sip_message::uri::unescape(read.as_ref().param(&name).unwrap()), &value[..]);
        prop_assert_eq!(&*sip_message::uri::unescape(read.as_ref().headers().next().unwrap().1), &value[..]);
    }
}

fn fields(message: &Message) -> Vec<(String, String)> {
    message
        .headers()
        .fields()
        .map(|field| {
            (
                field.name_str().to_owned(),
                field.value().unwrap().to_owned(),
            )
        })
        .collect()
}
