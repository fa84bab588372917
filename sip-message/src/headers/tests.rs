use super::*;
use crate::header::testing::headers;
use crate::{HeaderName, Message, ParserConfig, header};

const TEXT: &str = "INVITE sip:h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=1 , SIP/2.0/UDP b\r\nX-Odd  :\t one\r\n two\r\n\
    Via: SIP/2.0/UDP c\r\nROUTE: \"x,y\" <sip:a,b@h;lr>, <sip:c;lr>\r\nf: <sip:a>;tag=1\r\nto:<sip:b>\r\n\
    Call-id: z\r\nCSEQ: 1 INVITE\r\nX-odd: three\r\nRoute:\r\n\r\nbody";

fn parse(text: &'static str) -> Message {
    Message::parse(
        Bytes::from_static(text.as_bytes()),
        &ParserConfig::default(),
    )
    .unwrap()
}

fn parsed(text: String) -> Message {
    Message::parse(text.into(), &ParserConfig::default()).unwrap()
}

#[test]
fn rfc3261_7_3_1_values_are_split_outside_quotes_and_brackets() {
    let message = parse(TEXT);
    let h = message.headers();
    assert!(h.values(HeaderName::Via).eq([
        "SIP/2.0/UDP a;branch=1",
        "SIP/2.0/UDP b",
        "SIP/2.0/UDP c"
    ]));
    assert!(h.values_rev(HeaderName::Via).eq([
        "SIP/2.0/UDP c",
        "SIP/2.0/UDP b",
        "SIP/2.0/UDP a;branch=1"
    ]));
    assert!(
        h.values(HeaderName::Route)
            .eq(["\"x,y\" <sip:a,b@h;lr>", "<sip:c;lr>"])
    );
    assert_eq!(h.get(HeaderName::from_static("x-ODD")), Some("one\r\n two"));
    assert_eq!(h.count(HeaderName::from_static("X-Odd")), 2);
    assert_eq!(h.count(HeaderName::Via), 2);
    let names: Vec<_> = h.fields().map(|field| field.name_str()).collect();
    assert_eq!(
        names,
        [
            "v", "X-Odd", "Via", "ROUTE", "f", "to", "Call-id", "CSEQ", "X-odd", "Route"
        ]
    );
    assert_eq!(
        (h.from_tag(), h.to_tag(), h.call_id()),
        (Some("1"), None, Some("z"))
    );
}

#[test]
fn an_unedited_message_is_its_buffer() {
    let message = parse(TEXT);
    assert_eq!(message.to_bytes().as_ptr(), TEXT.as_ptr());
    let mut out = Vec::new();
    message.encode(&mut out);
    assert_eq!(out, TEXT.as_bytes());
}

#[test]
fn edits_leave_the_other_bytes_alone() {
    let mut message = parse(TEXT);
    let h = message.headers_mut();
    assert!(h.remove_first(HeaderName::Via));
    h.push_front(HeaderName::Via, "SIP/2.0/UDP p");
    assert!(h.remove_first(HeaderName::Route));
    assert!(h.remove_first(HeaderName::Route));
    assert!(!h.remove_first(HeaderName::Route));
    h.push_front(HeaderName::RecordRoute, "<sip:p;lr>");
    assert_eq!(h.decrement_max_forwards(), Some(70));
    assert_eq!(h.decrement_max_forwards(), Some(69));
    assert!(h.set_to_tag("t"));
    assert!(!h.set_to_tag("u"));
    let expected = "INVITE sip:h SIP/2.0\r\nVia: SIP/2.0/UDP p\r\nv: SIP/2.0/UDP b\r\nX-Odd  :\t one\r\n two\r\n\
        Via: SIP/2.0/UDP c\r\nRecord-Route: <sip:p;lr>\r\nf: <sip:a>;tag=1\r\nto: <sip:b>;tag=t\r\nCall-id: z\r\n\
        CSEQ: 1 INVITE\r\nX-odd: three\r\nMax-Forwards: 69\r\n\r\nbody";
    assert_eq!(message.to_bytes(), expected);
    let again = Message::parse(message.to_bytes(), &ParserConfig::default()).unwrap();
    assert_eq!(again.to_bytes(), expected);
    // And with lines on top of them, edited or not.
    let above = expected.replacen("Via: ", "Via: SIP/2.0/UDP q\r\nVia: ", 1);
    for message in [message, again] {
        let Message::Request(request) = message else {
            panic!("not a request")
        };
        let mut out = Vec::new();
        request.encode_under(b"Via: SIP/2.0/UDP q\r\n", &mut out);
        assert_eq!(out, above.as_bytes());
        assert_eq!(out.capacity(), out.len());
    }
}

#[test]
fn values_cannot_add_fields() {
    let h = headers(
        HeaderName::Subject,
        &["a\r\nVia: evil\r\n\r\nb", "a\r\n folded", "a\r b\n"],
    );
    let values: Vec<_> = h.values(HeaderName::Subject).collect();
    assert_eq!(values, ["a  Via: evil    b", "a\r\n folded", "a  b"]);
}

#[test]
fn bodies_are_replaced_with_their_fields() {
    let Message::Request(mut request) = parse(TEXT) else {
        panic!("not a request")
    };
    request.set_body("text/plain", "hello");
    assert_eq!(request.headers().get(HeaderName::ContentLength), Some("5"));
    assert!(request.to_bytes().ends_with(b"\r\n\r\nhello"));
    request.remove_body();
    assert_eq!(request.headers().get(HeaderName::ContentType), None);
    assert!(request.to_bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
}

#[test]
fn sizes_of_hot_types() {
    assert_eq!(size_of::<Span>(), 16);
    // It is moved once where it is parsed, and then lies still in its box.
    assert!(size_of::<Message>() <= 552, "{}", size_of::<Message>());
}

/// What is read of a message does not depend on how its buffer is kept: as text, or as bytes because its body is none or
/// is long.
#[test]
fn values_are_read_whatever_the_body_is() {
    let head = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: \"J\u{f6}rg\" <sip:a@h>;tag=1\r\n\
        To: <sip:h>\r\nCall-ID: x@a\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let long = vec![b'a'; 5000];
    for body in [
        &b""[..],
        b"text",
        "J\u{f6}rg".as_bytes(),
        &[0xff, 0xfe],
        &long,
    ] {
        let whole = Bytes::from([head.as_bytes(), body].concat());
        let message = Message::parse(whole.clone(), &ParserConfig::default()).unwrap();
        let headers = message.headers();
        assert_eq!(headers.top_via().unwrap().branch(), Some("z9hG4bK1"));
        let from = headers.typed::<header::From<'_>>().unwrap().unwrap();
        assert_eq!(from.display_name().as_deref(), Some("J\u{f6}rg"));
        assert_eq!(headers.call_id(), Some("x@a"));
        assert_eq!(message.body(), body);
        assert_eq!(message.to_bytes(), whole);
    }
}

/// The parser notes which fields are absent; a field that is added later is found nevertheless.
#[test]
fn fields_that_were_absent_are_found_when_added() {
    let text = "OPTIONS sip:h SIP/2.0\r\nv: SIP/2.0/UDP a\r\nf: <sip:a>\r\nt: <sip:b>\r\ni: z\r\nCSeq: 1 OPTIONS\r\n\r\n";
    for name in [
        HeaderName::MaxForwards,
        HeaderName::ContentLength,
        HeaderName::ContentType,
        HeaderName::Contact,
        HeaderName::Route,
        HeaderName::RecordRoute,
        HeaderName::Require,
        HeaderName::ProxyRequire,
        HeaderName::Supported,
        HeaderName::Expires,
        HeaderName::Subject,
    ] {
        let mut message = parse(text);
        let headers = message.headers_mut();
        assert_eq!(headers.get(name.clone()), None);
        headers.push_back(name.clone(), "1");
        assert_eq!(headers.get(name.clone()), Some("1"));
        headers.push_front(name.clone(), "2");
        assert_eq!(headers.get(name.clone()), Some("2"));
        assert!(headers.remove_first(name.clone()) && headers.remove_first(name.clone()));
        assert_eq!(headers.get(name.clone()), None);
        assert_eq!(headers.max_forwards(), None);
        assert_eq!(headers.call_id(), Some("z"));
    }
}

#[test]
fn what_was_validated_is_looked_at_again_after_an_edit() {
    let text = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
        Call-ID: z\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let edits: [fn(&mut crate::Request); 5] = [
        |request| request.headers_mut().replace(HeaderName::CSeq, "1 BYE"),
        |request| assert_eq!(request.headers_mut().remove_all(HeaderName::From), 1),
        |request| request.headers_mut().push_front(HeaderName::Via, "?"),
        |request| {
            request
                .headers_mut()
                .push_back(HeaderName::MaxForwards, "x")
        },
        |request| request.set_uri("sip:@").unwrap(),
    ];
    for (place, edit) in edits.into_iter().enumerate() {
        let Message::Request(mut request) = parse(text) else {
            panic!("a request");
        };
        request.set_validated();
        assert_eq!(request.validate(), Ok(()));
        edit(&mut request);
        assert!(request.validate().is_err(), "edit {place}");
    }
}

#[test]
fn rfc3261_8_2_6_2_a_tag_goes_behind_the_to_that_was_copied() {
    for (to, place) in [
        ("<sip:h>", 1),
        ("<sip:h> ", 1),
        ("\"B\" <sip:h>;x", 0),
        ("<sip:h>;x=1", 2),
    ] {
        let mut lines = vec![
            "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n".to_owned(),
            "Call-ID: z\r\n".to_owned(),
        ];
        lines.insert(place, format!("To: {to}\r\n"));
        let rest = "From: <sip:a@h>;tag=1\r\nCSeq: 1 OPTIONS\r\n\r\n";
        let Message::Request(request) =
            parsed(format!("OPTIONS sip:h SIP/2.0\r\n{}{rest}", lines.concat()))
        else {
            panic!("a request");
        };
        // As when the reason phrase was written anew before, which takes the other way.
        let tagged = crate::Response::to(&request, crate::StatusCode::OK).to_tag("t");
        let other = crate::Response::to(&request, crate::StatusCode::OK)
            .reason("OK")
            .to_tag("t");
        let (tagged, other) = (tagged.build().unwrap(), other.build().unwrap());
        assert_eq!(tagged.headers().to_tag(), Some("t"));
        assert_eq!(tagged.headers().call_id(), Some("z"));
        let values = |response: &crate::Response| -> Vec<String> {
            let fields = response.headers().fields();
            fields.map(|field| format!("{field:?}")).collect()
        };
        assert_eq!(values(&tagged), values(&other));
        let bytes = tagged.to_bytes();
        assert!(
            parsed(String::from_utf8(bytes.to_vec()).unwrap())
                .validate()
                .is_ok()
        );
    }
}

proptest::proptest! {
    /// A header of one value is given the whole field first; that must not change what it reads.
    #[test]
    fn the_first_value_is_read_the_same_with_others_behind(
        parts in proptest::collection::vec("[<>\",;= a-c\\\\]|<sip:a@h>|\"b\"|;a=b|SIP/2.0/UDP a|, ", 0..7),
    ) {
        let text = parts.concat();
        let h = headers(HeaderName::Route, &[&text]);
        let first = h.values(HeaderName::Route).next();
        let typed = h.typed::<header::Route<'_>>().ok().flatten();
        proptest::prop_assert_eq!(typed, first.and_then(|v| header::NameAddr::parse(v).ok()).map(header::Route::new));
        let h = headers(HeaderName::Contact, &[&text]);
        let typed = h.typed::<header::Contact<'_>>().ok().flatten();
        proptest::prop_assert_eq!(typed, first.and_then(|v| header::Contact::parse(v).ok()));
        let h = headers(HeaderName::Via, &[&text]);
        let typed = h.typed::<header::Via<'_>>().ok().flatten();
        proptest::prop_assert_eq!(typed, first.and_then(|v| header::Via::parse(v).ok()));
    }
}

/// What is known without a search is what a search finds, whatever was done to the fields: of names with a place of their own
/// among the hints, of names that share one, and of names that the table does not have.
#[test]
fn the_hints_follow_every_edit() {
    let names = [
        HeaderName::Via,
        HeaderName::Route,
        HeaderName::To,
        HeaderName::Authorization,
        HeaderName::UserAgent,
        HeaderName::Server,
        HeaderName::Path,
        HeaderName::Date,
        HeaderName::SessionExpires,
        HeaderName::from_static("X-One"),
        HeaderName::from_static("X-Two"),
    ];
    let check = |h: &Headers, step: u32| {
        for name in &names {
            let there: Vec<usize> = (0..h.len())
                .filter(|&at| h.span(at).is_some_and(|span| h.has_name(span, name)))
                .collect();
            assert_eq!(h.find(name, 0), there.first().copied(), "{step} {name}");
            assert_eq!(h.contains(name.clone()), !there.is_empty(), "{step} {name}");
            assert_eq!(h.count(name.clone()), there.len(), "{step} {name}");
            let first = there.first().map(|&at| h.value_at(at));
            assert_eq!(h.get_bytes(name.clone()), first, "{step} {name}");
            if let Some((beyond, len)) = h.raw().get_and_beyond(name.clone()) {
                assert_eq!(beyond.get(..len), first, "{step} {name}");
            }
        }
    };
    let mut random = 1_u32;
    for mut h in [parse(TEXT).headers().clone(), Headers::new()] {
        for step in 0..3000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let name = names[(random >> 8) as usize % names.len()].clone();
            match (random >> 16) % 8 {
                0 | 1 => h.push_back(name, step.to_string()),
                2 => h.push_front(name, step.to_string()),
                3 => h.replace(name, step.to_string()),
                4 => drop(h.remove_first(name)),
                5 => drop(h.remove_all(name)),
                6 => drop(h.set_to_tag("t")),
                _ => {
                    let copy = Headers::clone(&h);
                    h.copy_from(&copy, &name);
                    // Often more than what is in a hint, and in the place of the spans.
                    if h.len() > 600 {
                        h = Headers::new();
                    }
                }
            }
            check(&h, step);
        }
    }
}

/// A field with one value and a list are read alike, whatever stands in quotes and brackets, and whatever is broken.
#[test]
fn typed_values_of_fields_are_those_of_their_values() {
    let head = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
        Call-ID: x\r\nCSeq: 1 OPTIONS\r\n";
    for fields in [
        "Contact: <sip:a@h>;expires=1\r\nContact:\r\nm: \"a, b\" <sip:b,c@h> , <sip:d@h>;q=0.5\r\nContact: *\r\n",
        "Contact: <sip:a@h>;x=\"1,2\", sip:b@h\r\nContact: <sip:c@h\r\nContact: <sip:d@h>,,<sip:e@h>\r\n",
        "Contact: ,<sip:a@h>\r\nContact: <sip:b@h>;q=7\r\nContact: \"J\u{f6}rg\" <sip:c@h>\r\n",
        "Contact: <sip:a@h>, \"\u{f6}\r\nSubject: none\r\n",
    ] {
        let message = parsed(format!("{head}{fields}\r\n"));
        let contacts: Vec<_> = message
            .headers()
            .typed_all::<header::Contact<'_>>()
            .collect();
        let mut values = message.headers().values(HeaderName::Contact);
        let mut expected = Vec::new();
        while let Some(value) = values.next_bytes() {
            expected.push(header::Contact::parse(core::str::from_utf8(value).unwrap()));
        }
        assert_eq!(contacts, expected, "{fields}");
    }
}
