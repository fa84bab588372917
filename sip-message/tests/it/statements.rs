//! Statements of RFC 3261 about messages that no other test shows, one by one (`conformance/rfc3261.toml`).

use bytes::Bytes;
use sip_message::header::{
    Authorization, CSeq, Contact, From, NameAddr, ProxyAuthorization, ReplyTo, Require, To,
    Transport, Via,
};
use sip_message::{
    FrameScanner, HeaderName, Host, Message, Method, Params, ParseErrorKind, ParserConfig, Request,
    Response, StatusCode, Uri, UriRef,
};

fn request() -> Request {
    Request::builder(Method::Options, "sip:bob@example.com")
        .via(&Via::new(Transport::Udp, Host::Name("pc.example.com"), None).with_branch("z9hG4bK1"))
        .from(&NameAddr::parse("<sip:alice@example.com>;tag=1").unwrap())
        .to(&NameAddr::parse("<sip:bob@example.com>").unwrap())
        .call_id("x@pc")
        .cseq(1)
        .build()
        .unwrap()
}

fn parse(text: &str) -> Message {
    Message::parse(
        Bytes::copy_from_slice(text.as_bytes()),
        &ParserConfig::default(),
    )
    .unwrap()
}

const HEAD: &str = "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n";

#[test]
fn rfc3261_7_lines_end_in_crlf_and_an_empty_line_is_there_without_a_body() {
    let request = request();
    let response = Response::to(&request, StatusCode::OK).build().unwrap();
    for bytes in [request.to_bytes(), response.to_bytes()] {
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.ends_with("\r\n\r\n"), "{text:?}");
        // No LF without its CR, no CR without its LF.
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        assert_eq!(text.matches('\r').count(), text.matches("\r\n").count());
        assert_eq!(text.matches("\r\n\r\n").count(), 1);
    }
}

#[test]
fn rfc3261_7_1_the_version_is_read_in_any_case_and_written_in_upper_case() {
    for version in ["SIP/2.0", "sip/2.0", "Sip/2.0"] {
        let message = parse(&format!("OPTIONS sip:b@h {version}\r\n{HEAD}\r\n"));
        let answer = Response::to(message.as_request().unwrap(), StatusCode::OK)
            .build()
            .unwrap();
        assert!(answer.to_bytes().starts_with(b"SIP/2.0 200 OK\r\n"));
        let response = parse(&format!("{version} 200 OK\r\n{HEAD}\r\n"));
        assert_eq!(response.as_response().unwrap().status(), StatusCode::OK);
    }
    assert!(
        request()
            .to_bytes()
            .starts_with(b"OPTIONS sip:bob@example.com SIP/2.0\r\n")
    );
}

#[test]
fn rfc3261_7_3_1_setting_a_parameter_twice_leaves_one() {
    let mut params = Params::parse(";a=1;B=2").unwrap();
    params.set("b", Some("3"));
    params.set("A", None);
    assert_eq!(params.iter().count(), 2);
    assert_eq!(params.get("b"), Some("3"));
    let address = NameAddr::parse("<sip:a@h>;tag=1").unwrap().with_tag("2");
    assert_eq!(address.to_string().matches("tag=").count(), 1);
}

#[test]
fn rfc3261_7_5_line_ends_before_the_start_line_are_ignored() {
    let text = format!("OPTIONS sip:b@h SIP/2.0\r\n{HEAD}Content-Length: 0\r\n\r\n");
    let bytes = format!("\r\n\r\n{text}");
    let config = ParserConfig::default();
    let length = FrameScanner::new()
        .scan(bytes.as_bytes(), &config)
        .unwrap()
        .unwrap();
    assert_eq!(length, bytes.len());
    assert_eq!(parse(&bytes).to_bytes(), parse(&text).to_bytes());
}

#[test]
fn rfc3261_8_1_1_2_sip_and_sips_uris_are_read() {
    let sip = UriRef::parse("sip:alice@example.com").unwrap();
    let sips = UriRef::parse("sips:alice@example.com").unwrap();
    assert!(sip.is_sip() && !sip.is_secure());
    assert!(sips.is_sip() && sips.is_secure());
    assert_ne!(sip, sips);
}

#[test]
fn rfc3261_8_2_2_unknown_fields_and_malformed_ones_that_are_not_needed_pass() {
    let text = format!(
        "OPTIONS sip:b@h SIP/2.0\r\n{HEAD}X-Unheard: of\r\nWarning: nonsense\r\nDate: then\r\n\r\n"
    );
    let message = parse(&text);
    assert_eq!(message.validate(), Ok(()));
    assert_eq!(message.to_bytes(), text.as_bytes());
}

#[test]
fn rfc3261_18_3_a_datagram_cut_short_is_400_or_dropped() {
    let cut = |start: &str| {
        let text = format!("{start}\r\n{HEAD}Content-Length: 9\r\n\r\nshort");
        Message::parse(Bytes::from(text), &ParserConfig::default()).unwrap_err()
    };
    let error = cut("OPTIONS sip:b@h SIP/2.0");
    assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST));
    assert_eq!(error.kind(), ParseErrorKind::BodyTruncated);
    assert_eq!(cut("SIP/2.0 200 OK").status(), None);
}

#[test]
fn rfc3261_19_1_1_a_user_that_is_named_is_not_empty() {
    assert!(UriRef::parse("sip:@example.com").is_err());
    assert!(UriRef::parse("sip::secret@example.com").is_err());
    assert_eq!(Uri::sip(None, Host::Name("h"), None).as_str(), "sip:h");
}

#[test]
fn rfc3261_19_1_1_parameters_stand_once_and_unknown_ones_are_ignored() {
    let uri = Uri::parse("sip:a@h;transport=udp")
        .unwrap()
        .with_param("Transport", Some("tcp"));
    assert_eq!(uri.as_ref().params().count(), 1);
    assert_eq!(uri.as_ref().param("transport"), Some("tcp"));
    let uri = UriRef::parse("sip:a@h;unheard=of;lr").unwrap();
    assert!(uri.is_loose_router());
    assert_eq!(uri.host(), Some(Host::Name("h")));
}

#[test]
fn rfc3261_19_1_2_what_is_not_allowed_is_escaped() {
    let uri = Uri::sip(Some("a b@c\u{7f}:d"), Host::Name("h"), None)
        .with_param("x", Some("a;b c"))
        .with_header("Subject", "a&b=c d?");
    let text = uri.as_str();
    assert!(
        !text.contains(|c: char| c == ' ' || c.is_control()),
        "{text}"
    );
    let back = UriRef::parse(text).unwrap();
    assert_eq!(back.user_unescaped().as_deref(), Some("a b@c\u{7f}:d"));
    assert_eq!(back.params().count(), 1);
    assert_eq!(back.headers().count(), 1);
    assert_eq!(
        back.headers().next().map(|(name, value)| (
            name.to_owned(),
            sip_message::uri::unescape(value).into_owned()
        )),
        Some(("Subject".to_owned(), "a&b=c d?".to_owned()))
    );
    for spaced in [
        "sip:a b@h",
        "sip:a@h;p=a b",
        "sip:a\u{1}@h",
        "sip:a@h?x=a b",
    ] {
        assert!(UriRef::parse(spaced).is_err(), "{spaced:?}");
    }
}

#[test]
fn rfc3261_19_1_2_a_host_has_no_escapes() {
    assert!(UriRef::parse("sip:alice@example%2ecom").is_err());
}

#[test]
fn rfc3261_20_a_uri_with_comma_or_question_mark_is_in_angle_brackets() {
    for text in ["sip:a,b@h", "sip:a@h?subject=x", "sip:a@h;lr"] {
        let uri = UriRef::parse(text).unwrap();
        for written in [
            From::new(NameAddr::new(uri)).into_inner().to_string(),
            To::new(NameAddr::new(uri)).into_inner().to_string(),
            Contact::new(NameAddr::new(uri)).to_string(),
        ] {
            assert!(written.contains(&format!("<{text}>")), "{written}");
        }
    }
}

#[test]
fn rfc3261_20_31_a_reply_to_has_angle_brackets_and_reads_bare() {
    let uri = UriRef::parse("sip:a;b@h").unwrap();
    let written = ReplyTo::new(NameAddr::new(uri)).into_inner().to_string();
    assert_eq!(written, "<sip:a;b@h>");
    // Without brackets what follows the semicolon belongs to the field.
    let bare = NameAddr::parse("sip:a@h;b=1").unwrap();
    assert_eq!(bare.uri().as_str(), "sip:a@h");
    assert_eq!(bare.params().get("b"), Some("1"));
}

fn two(name: &str) -> Message {
    let credentials = |realm: &str| {
        format!(
            "{name}: Digest username=\"a\", realm=\"{realm}\", nonce=\"n\", uri=\"sip:h\", response=\"00\"\r\n"
        )
    };
    parse(&format!(
        "OPTIONS sip:b@h SIP/2.0\r\n{HEAD}{}{}\r\n",
        credentials("one"),
        credentials("two")
    ))
}

#[test]
fn rfc3261_20_7_two_authorizations_stay_two() {
    let mut message = two("Authorization");
    let realms: Vec<_> = message
        .headers()
        .typed_all::<Authorization<'_>>()
        .map(|one| one.unwrap().realm().unwrap().into_owned())
        .collect();
    assert_eq!(realms, ["one", "two"]);
    message
        .headers_mut()
        .push_back_typed(&CSeq::new(2, Method::Options));
    let bytes = message.to_bytes();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert_eq!(text.matches("\r\nAuthorization: ").count(), 2);
}

#[test]
fn rfc3261_20_28_two_proxy_authorizations_stay_two() {
    let message = two("Proxy-Authorization");
    let realms: Vec<_> = message
        .headers()
        .typed_all::<ProxyAuthorization<'_>>()
        .map(|one| one.unwrap().realm().unwrap().into_owned())
        .collect();
    assert_eq!(realms, ["one", "two"]);
}

#[test]
fn rfc3261_20_14_a_message_without_a_body_says_so() {
    let request = request();
    assert_eq!(request.headers().get(HeaderName::ContentLength), Some("0"));
    let response = Response::to(&request, StatusCode::OK).build().unwrap();
    assert_eq!(response.headers().get(HeaderName::ContentLength), Some("0"));
}

#[test]
fn rfc3261_20_15_a_body_has_its_type_and_length() {
    let mut request = request();
    request.set_body("text/plain", Bytes::from_static(b"hello"));
    let headers = request.headers();
    assert_eq!(headers.get(HeaderName::ContentType), Some("text/plain"));
    assert_eq!(headers.get(HeaderName::ContentLength), Some("5"));
}

#[test]
fn rfc3261_8_2_6_2_a_tag_of_the_request_stays_and_a_missing_one_is_the_one_given() {
    let mut request = request();
    let tagged = Response::to(&request, StatusCode::RINGING)
        .to_tag("mine")
        .build()
        .unwrap();
    assert_eq!(tagged.headers().to_tag(), Some("mine"));
    let later = Response::to(&request, StatusCode::OK)
        .to_tag("mine")
        .build()
        .unwrap();
    assert_eq!(tagged.headers().to_tag(), later.headers().to_tag());
    request.headers_mut().set_to_tag("theirs");
    let answer = Response::to(&request, StatusCode::OK)
        .to_tag("mine")
        .build()
        .unwrap();
    assert_eq!(answer.headers().to_tag(), Some("theirs"));
}

#[test]
fn rfc3261_8_1_1_5_a_sequence_number_is_below_2_to_the_31() {
    let with = |number: &str| {
        let text = format!(
            "OPTIONS sip:b@h SIP/2.0\r\n{}\r\n",
            HEAD.replace("CSeq: 1", &format!("CSeq: {number}"))
        );
        parse(&text).validate()
    };
    assert_eq!(with("2147483647"), Ok(()));
    for number in ["2147483648", "4294967296", "-1", "99999999999999999999"] {
        let error = with(number).unwrap_err();
        assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST), "{number}");
    }
}

#[test]
fn rfc3261_20_32_an_option_tag_of_require_is_not_lost() {
    let message = parse(&format!(
        "OPTIONS sip:b@h SIP/2.0\r\n{HEAD}Require: 100rel\r\nRequire: foo ,bar\r\n\r\n"
    ));
    let require = message.headers().typed::<Require<'_>>().unwrap().unwrap();
    for tag in ["100rel", "foo", "bar"] {
        assert!(require.contains(tag), "{tag}");
    }
}

#[test]
fn rfc3261_25_1_special_characters_of_a_parameter_are_quoted() {
    let mut params = Params::new();
    params.set("x", Some("a;b,c \"d\""));
    let text = format!("<sip:a@h>{}", params.as_str());
    let back = NameAddr::parse(&text).unwrap();
    assert_eq!(back.params().iter().count(), 1);
    assert_eq!(back.params().unquoted("x").as_deref(), Some("a;b,c \"d\""));
}

#[test]
fn rfc3261_25_1_a_telephone_number_in_a_user_part_is_escaped() {
    let uri = Uri::sip(Some("+1 (212) 555#1212"), Host::Name("h"), None);
    let back = UriRef::parse(uri.as_str()).unwrap();
    assert_eq!(back.user_unescaped().as_deref(), Some("+1 (212) 555#1212"));
    assert!(!uri.as_str().contains('#') && !uri.as_str().contains(' '));
}

#[test]
fn rfc3261_26_3_1_who_has_tls_has_sips() {
    let uri = Uri::sips(Some("alice"), Host::Name("example.com"), None);
    assert_eq!(uri.as_str(), "sips:alice@example.com");
    assert!(uri.as_ref().is_secure());
}

#[test]
fn rfc3261_7_4_2_a_transfer_encoding_frames_nothing() {
    let text = format!(
        "MESSAGE sip:b@h SIP/2.0\r\n{}Transfer-Encoding: chunked\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n2\r\nhi",
        HEAD.replace("OPTIONS", "MESSAGE")
    );
    assert_eq!(parse(&text).body(), b"2\r\nhi");
    let built = Request::builder(Method::Message, "sip:b@h")
        .header(HeaderName::From, "<sip:a@h>;tag=1")
        .header(HeaderName::To, "<sip:b@h>")
        .call_id("c")
        .cseq(1)
        .max_forwards(70)
        .body("text/plain", "hi")
        .build_partial()
        .unwrap();
    let text = String::from_utf8(built.to_bytes().to_vec()).unwrap();
    assert!(text.contains("Content-Length: 2\r\n") && !text.contains("chunked"));
}

#[test]
fn rfc3261_19_1_1_what_does_not_belong_into_a_request_uri_is_ignored() {
    let uri = UriRef::parse("sip:bob@h;method=REGISTER;x=y?Subject=z").unwrap();
    assert_eq!(uri.request_uri(), "sip:bob@h;x=y");
}

#[test]
fn rfc3261_20_a_message_has_its_mandatory_fields_and_its_length() {
    let whole = format!("OPTIONS sip:b@h SIP/2.0\r\n{HEAD}\r\n");
    assert_eq!(parse(&whole).validate(), Ok(()));
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let without: String = whole
            .split_inclusive("\r\n")
            .filter(|line| !line.starts_with(&format!("{name}:")))
            .collect();
        assert_ne!(without, whole, "{name} is there");
        let response = without.replace("OPTIONS sip:b@h SIP/2.0", "SIP/2.0 200 OK");
        for text in [without, response] {
            let read = Message::parse(text.into(), &ParserConfig::default());
            let is_whole = read.is_ok_and(|message| message.validate().is_ok());
            assert!(!is_whole, "{name}");
        }
    }
    // What is built says how long it is, without a body too.
    let Message::Request(request) = parse(&whole) else {
        panic!("a request")
    };
    let response = Response::to(&request, StatusCode::OK).to_tag("b").build();
    assert_eq!(
        response.unwrap().headers().get(HeaderName::ContentLength),
        Some("0")
    );
}

#[test]
fn rfc3261_20_parameters_that_are_not_known_are_ignored() {
    let text = format!(
        "OPTIONS sip:b@h SIP/2.0\r\n{HEAD}Contact: <sip:c@h>;unheard=of;expires=60;x\r\nContent-Disposition: icon;y=z\r\n\r\n"
    );
    let message = parse(&text);
    assert_eq!(message.validate(), Ok(()));
    let contact = message.headers().typed::<Contact<'_>>().unwrap().unwrap();
    assert_eq!(contact.address().unwrap().uri().as_str(), "sip:c@h");
}

#[test]
fn rfc3261_21_codes_of_http_have_no_name_here() {
    for code in [201, 203, 205, 206, 303, 304, 307, 411, 426] {
        let status = StatusCode::from_u16(code).unwrap();
        let class = StatusCode::from_u16(code / 100 * 100).unwrap();
        assert_eq!(status.reason_phrase(), class.reason_phrase(), "{code}");
    }
}
