//! The torture messages of RFC 4475, each with the verdict that the RFC gives it.

use bytes::Bytes;
use sip_message::header::{Allow, Contact, From, To};
use sip_message::{
    HeaderName, Message, Method, ParseErrorKind as Kind, ParserConfig, Request, Response,
    StatusCode,
};

macro_rules! message {
    ($name:literal) => {
        Bytes::from_static(include_bytes!(concat!("../data/rfc4475/", $name, ".dat")))
    };
}

fn parse(datagram: Bytes) -> Message {
    Message::parse(datagram, &ParserConfig::default()).expect("the message is well-formed")
}

/// Well-formed to the last field, and forwarded byte for byte.
fn valid(datagram: Bytes) -> Message {
    let message = parse(datagram.clone());
    message.validate_all().expect("every field is well-formed");
    let mut out = Vec::new();
    message.encode(&mut out);
    assert_eq!(out, datagram);
    message
}

fn request(message: &Message) -> &Request {
    message.as_request().expect("a request")
}

fn response(message: &Message) -> &Response {
    message.as_response().expect("a response")
}

/// Refused by `parse`, with this answer.
fn refused(datagram: Bytes, kind: Kind, status: Option<StatusCode>) {
    let error =
        Message::parse(datagram, &ParserConfig::default()).expect_err("the message is malformed");
    assert_eq!((error.kind(), error.status()), (kind, status));
}

/// Located by `parse`, refused by `validate`.
fn invalid(datagram: Bytes, kind: Kind, status: Option<StatusCode>) {
    let error = parse(datagram)
        .validate()
        .expect_err("a field is malformed");
    assert_eq!((error.kind(), error.status()), (kind, status));
}

/// A broken request still yields what an answer needs.
fn answerable(datagram: &Bytes) -> Response {
    let request = Message::parse_lenient_for_reply(datagram).expect("enough for an answer");
    Response::to(&request, StatusCode::BAD_REQUEST)
        .to_tag("t")
        .build()
        .expect("an answer")
}

const BAD_REQUEST: Option<StatusCode> = Some(StatusCode::BAD_REQUEST);

#[test]
fn rfc4475_3_1_1_1_wsinv() {
    let message = valid(message!("wsinv"));
    let h = message.headers();
    assert_eq!(
        request(&message).uri_str(),
        "sip:vivekg@chair-dnrc.example.com;unknownparam"
    );
    assert_eq!(h.max_forwards(), Some(68));
    assert_eq!(h.cseq(), Some((9, Method::Invite)));
    assert_eq!(h.to_tag(), Some("1918181833n"));
    assert_eq!(h.from_tag(), Some("98asjd8"));
    let from: From<'_> = h.typed().unwrap().unwrap();
    assert_eq!(from.display_name().unwrap(), "J Rosenberg \\\"");
    assert_eq!(h.values(HeaderName::Via).count(), 3);
    assert!(h.contains(HeaderName::from_static("NewFangledHeader")));
    assert_eq!(
        h.count(HeaderName::from_static("UnknownHeaderWithUnusualValue")),
        1
    );
    let via = h.top_via().unwrap();
    assert_eq!((via.ttl(), via.branch()), (None, Some("390skdjuw")));
    assert_eq!(h.values_rev(HeaderName::Route).count(), 1);
    assert_eq!(message.body().len(), 150);
}

#[test]
fn rfc4475_3_1_1_2_intmeth() {
    let message = valid(message!("intmeth"));
    let method = request(&message).method();
    assert_eq!(
        method.as_str(),
        "!interesting-Method0123456789_*+`.%indeed'~"
    );
    assert!(matches!(method, Method::Other(_)));
    let to: To<'_> = message.headers().typed().unwrap().unwrap();
    assert_eq!(to.display_name().unwrap(), "BEL:\u{7} NUL:\u{0} DEL:\u{7f}");
}

#[test]
fn rfc4475_3_1_1_3_esc01() {
    let message = valid(message!("esc01"));
    let uri = request(&message).uri().unwrap();
    assert_eq!(uri.user_unescaped().unwrap(), "sips:user@example.com");
    let contact: Contact<'_> = message.headers().typed().unwrap().unwrap();
    let param = contact.address().unwrap().uri().params().next().unwrap();
    assert_eq!(sip_message::uri::unescape(param.0), "lr");
    let named = contact.address().unwrap().uri().params().nth(1).unwrap();
    assert_eq!(
        (
            &*sip_message::uri::unescape(named.0),
            &*sip_message::uri::unescape(named.1.unwrap())
        ),
        ("name", "value%41")
    );
}

#[test]
fn rfc4475_3_1_1_4_escnull() {
    let message = valid(message!("escnull"));
    let to: To<'_> = message.headers().typed().unwrap().unwrap();
    assert_eq!(to.uri().user_unescaped().unwrap(), "null-\0-null");
    let contacts: Vec<Contact<'_>> = message.headers().typed_all().map(Result::unwrap).collect();
    assert_ne!(
        contacts[0].address().unwrap().uri(),
        contacts[1].address().unwrap().uri()
    );
}

#[test]
fn rfc4475_3_1_1_5_esc02() {
    let message = valid(message!("esc02"));
    assert!(matches!(request(&message).method(), Method::Other(_)));
    assert_eq!(message.headers().values(HeaderName::Contact).count(), 2);
    let to: To<'_> = message.headers().typed().unwrap().unwrap();
    assert_eq!(to.display_name().unwrap(), "%Z%45");
}

#[test]
fn rfc4475_3_1_1_6_lwsdisp() {
    let message = valid(message!("lwsdisp"));
    let from: From<'_> = message.headers().typed().unwrap().unwrap();
    assert_eq!(from.display_name().unwrap(), "caller");
}

#[test]
fn rfc4475_3_1_1_7_longreq() {
    let message = valid(message!("longreq"));
    assert_eq!(message.headers().values(HeaderName::Via).count(), 34);
}

#[test]
fn rfc4475_3_1_1_8_dblreq() {
    let datagram = message!("dblreq");
    let message = parse(datagram.clone());
    assert_eq!(message.validate_all(), Ok(()));
    assert_eq!(request(&message).method(), &Method::Register);
    assert!(message.body().is_empty());
    // What follows the body (line ends and an INVITE) is dropped when the message goes on.
    let sent = message.to_bytes();
    assert!(sent.ends_with(b"\r\nContent-Length: 0\r\n\r\n"));
    assert!(datagram.starts_with(&sent));
    assert_eq!(datagram.len() - sent.len(), 450);
}

#[test]
fn rfc4475_3_1_1_9_semiuri() {
    let message = valid(message!("semiuri"));
    let uri = request(&message).uri().unwrap();
    assert_eq!(uri.user_unescaped().unwrap(), "user;par=u@example.net");
    assert_eq!(uri.host_str(), Some("example.com"));
}

#[test]
fn rfc4475_3_1_1_10_transports() {
    let message = valid(message!("transports"));
    let transports: Vec<String> = message
        .headers()
        .typed_all::<sip_message::header::Via<'_>>()
        .map(|via| via.unwrap().transport().to_string())
        .collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

#[test]
fn rfc4475_3_1_1_11_mpart01() {
    let message = valid(message!("mpart01"));
    assert_eq!(message.body().len(), 553);
    assert!(message.body().contains(&0));
}

#[test]
fn rfc4475_3_1_1_12_unreason() {
    let message = valid(message!("unreason"));
    assert_eq!(response(&message).status(), StatusCode::OK);
    assert!(response(&message).reason().starts_with("= 2**3 * 5**2 "));
    assert!(!response(&message).reason().is_ascii());
}

#[test]
fn rfc4475_3_1_1_13_noreason() {
    let message = valid(message!("noreason"));
    assert_eq!(
        (response(&message).status(), response(&message).reason()),
        (StatusCode::TRYING, "")
    );
}

#[test]
fn rfc4475_3_1_2_1_badinv01() {
    invalid(message!("badinv01"), Kind::Via, BAD_REQUEST);
}

#[test]
fn rfc4475_3_1_2_2_clerr() {
    refused(message!("clerr"), Kind::BodyTruncated, BAD_REQUEST);
    // On a stream: more is waited for, and what can be said at once is that no such message is taken.
    let mut scanner = sip_message::FrameScanner::new();
    assert_eq!(
        scanner.scan(&message!("clerr"), &ParserConfig::default()),
        Ok(None)
    );
    assert_eq!(
        answerable(&message!("clerr")).headers().cseq(),
        Some((8, Method::Invite))
    );
}

#[test]
fn rfc4475_3_1_2_3_ncl() {
    refused(message!("ncl"), Kind::ContentLength, BAD_REQUEST);
    let mut scanner = sip_message::FrameScanner::new();
    assert!(
        scanner
            .scan(&message!("ncl"), &ParserConfig::default())
            .is_err()
    );
}

#[test]
fn rfc4475_3_1_2_4_scalar02() {
    invalid(message!("scalar02"), Kind::CSeq, BAD_REQUEST);
}

#[test]
fn rfc4475_3_1_2_5_scalarlg() {
    // A response is discarded.
    invalid(message!("scalarlg"), Kind::CSeq, None);
}

#[test]
fn rfc4475_3_1_2_6_quotbal() {
    invalid(message!("quotbal"), Kind::To, BAD_REQUEST);
}

#[test]
fn rfc4475_3_1_2_7_ltgtruri() {
    invalid(message!("ltgtruri"), Kind::Uri, BAD_REQUEST);
}

#[test]
fn rfc4475_3_1_2_8_lwsruri() {
    refused(message!("lwsruri"), Kind::RequestLine, BAD_REQUEST);
    assert_eq!(
        answerable(&message!("lwsruri"))
            .headers()
            .count(HeaderName::Via),
        1
    );
}

#[test]
fn rfc4475_3_1_2_9_lwsstart() {
    refused(message!("lwsstart"), Kind::RequestLine, BAD_REQUEST);
    assert_eq!(
        answerable(&message!("lwsstart")).headers().call_id(),
        Some("lwsstart.dfknq234oi243099adsdfnawe3@example.com")
    );
}

#[test]
fn rfc4475_3_1_2_10_trws() {
    refused(message!("trws"), Kind::RequestLine, BAD_REQUEST);
}

#[test]
fn rfc4475_3_1_2_11_escruri() {
    invalid(message!("escruri"), Kind::Uri, BAD_REQUEST);
}

#[test]
fn rfc4475_3_1_2_12_baddate() {
    // It should not be refused unless Date matters: only who reads Date notices.
    let message = parse(message!("baddate"));
    assert_eq!(message.validate(), Ok(()));
    assert!(
        message
            .headers()
            .typed::<sip_message::header::Date>()
            .is_err()
    );
    assert_eq!(message.validate_all().unwrap_err().kind(), Kind::Field);
}

#[test]
fn rfc4475_3_1_2_13_regbadct() {
    let message = parse(message!("regbadct"));
    assert!(message.headers().typed::<Contact<'_>>().is_err());
    assert_eq!(message.validate_all().unwrap_err().status(), BAD_REQUEST);
}

#[test]
fn rfc4475_3_1_2_14_badaspec() {
    invalid(message!("badaspec"), Kind::To, BAD_REQUEST);
}

#[test]
fn rfc4475_3_1_2_15_baddn() {
    // The file of the archive lacks the empty line; with it, the display name is what is wrong.
    refused(message!("baddn"), Kind::Truncated, BAD_REQUEST);
    let mut whole = message!("baddn").to_vec();
    whole.extend_from_slice(b"\r\n");
    invalid(whole.into(), Kind::From, BAD_REQUEST);
}

#[test]
fn rfc4475_3_1_2_16_badvers() {
    refused(
        message!("badvers"),
        Kind::Version,
        Some(StatusCode::VERSION_NOT_SUPPORTED),
    );
    assert_eq!(
        answerable(&message!("badvers"))
            .headers()
            .count(HeaderName::Via),
        1
    );
}

#[test]
fn rfc4475_3_1_2_17_mismatch01() {
    invalid(message!("mismatch01"), Kind::CSeqMethod, BAD_REQUEST);
}

#[test]
fn rfc4475_3_1_2_18_mismatch02() {
    // 501 would do as well; 400 is acceptable, and does not depend on who knows which method.
    invalid(message!("mismatch02"), Kind::CSeqMethod, BAD_REQUEST);
}

#[test]
fn rfc4475_3_1_2_19_bigcode() {
    refused(message!("bigcode"), Kind::StatusLine, None);
}

#[test]
fn rfc4475_3_2_1_badbranch() {
    // The branch has the magic cookie and nothing after it: the transaction layer's to refuse.
    let message = valid(message!("badbranch"));
    assert_eq!(
        message.headers().top_via().unwrap().branch(),
        Some("z9hG4bK")
    );
}

#[test]
fn rfc4475_3_3_1_insuf() {
    refused(message!("insuf"), Kind::FromMissing, BAD_REQUEST);
    let answer = answerable(&message!("insuf"));
    assert_eq!(answer.headers().cseq(), Some((193_942, Method::Invite)));
}

#[test]
fn rfc4475_3_3_2_unkscm() {
    invalid(
        message!("unkscm"),
        Kind::UriScheme,
        Some(StatusCode::UNSUPPORTED_URI_SCHEME),
    );
}

#[test]
fn rfc4475_3_3_3_novelsc() {
    invalid(
        message!("novelsc"),
        Kind::UriScheme,
        Some(StatusCode::UNSUPPORTED_URI_SCHEME),
    );
}

#[test]
fn rfc4475_3_3_4_unksm2() {
    let message = valid(message!("unksm2"));
    let to: To<'_> = message.headers().typed().unwrap().unwrap();
    assert!(!to.uri().is_sip());
}

#[test]
fn rfc4475_3_3_5_bext01() {
    let message = valid(message!("bext01"));
    let require: sip_message::header::Require<'_> = message.headers().typed().unwrap().unwrap();
    assert!(
        require
            .iter()
            .eq(["nothingSupportsThis", "nothingSupportsThisEither"])
    );
}

#[test]
fn rfc4475_3_3_6_invut() {
    let message = valid(message!("invut"));
    let kind: sip_message::header::ContentType<'_> = message.headers().typed().unwrap().unwrap();
    assert!(kind.is("application/unknownformat"));
}

#[test]
fn rfc4475_3_3_7_regaut01() {
    let message = valid(message!("regaut01"));
    let credentials: sip_message::header::Authorization<'_> =
        message.headers().typed().unwrap().unwrap();
    assert_eq!(credentials.scheme(), "NoOneKnowsThisScheme");
}

#[test]
fn rfc4475_3_3_8_multi01() {
    refused(message!("multi01"), Kind::Duplicate, BAD_REQUEST);
    assert_eq!(
        answerable(&message!("multi01"))
            .headers()
            .count(HeaderName::Via),
        1
    );
}

#[test]
fn rfc4475_3_3_9_mcl01() {
    refused(message!("mcl01"), Kind::Duplicate, BAD_REQUEST);
    let mut scanner = sip_message::FrameScanner::new();
    assert!(
        scanner
            .scan(&message!("mcl01"), &ParserConfig::default())
            .is_err()
    );
}

#[test]
fn rfc4475_3_3_10_bcast() {
    let message = valid(message!("bcast"));
    assert_eq!(message.headers().values(HeaderName::Via).count(), 2);
}

#[test]
fn rfc4475_3_3_11_zeromf() {
    let mut message = valid(message!("zeromf"));
    assert_eq!(message.headers().max_forwards(), Some(0));
    assert_eq!(message.headers_mut().decrement_max_forwards(), None);
}

#[test]
fn rfc4475_3_3_12_cparam01() {
    let message = valid(message!("cparam01"));
    let contact: Contact<'_> = message.headers().typed().unwrap().unwrap();
    let address = contact.address().unwrap();
    assert!(
        address.params().contains("unknownparam") && address.uri().param("unknownparam").is_none()
    );
}

#[test]
fn rfc4475_3_3_13_cparam02() {
    let message = valid(message!("cparam02"));
    let contact: Contact<'_> = message.headers().typed().unwrap().unwrap();
    let address = contact.address().unwrap();
    assert!(
        !address.params().contains("unknownparam") && address.uri().param("unknownparam").is_some()
    );
}

#[test]
fn rfc4475_3_3_14_regescrt() {
    let message = valid(message!("regescrt"));
    let contact: Contact<'_> = message.headers().typed().unwrap().unwrap();
    let header = contact.address().unwrap().uri().headers().next().unwrap();
    assert_eq!(
        (header.0, &*sip_message::uri::unescape(header.1)),
        ("Route", "<sip:sip.example.com>")
    );
}

#[test]
fn rfc4475_3_3_15_sdp01() {
    let message = valid(message!("sdp01"));
    let accept: sip_message::header::Accept<'_> = message.headers().typed().unwrap().unwrap();
    assert!(accept.matches("text/nobodyKnowsThis") && !accept.matches("application/sdp"));
}

#[test]
fn rfc4475_3_4_1_inv2543() {
    let message = valid(message!("inv2543"));
    assert_eq!(message.body().len(), 105);
    assert_eq!(message.headers().from_tag(), None);
    assert_eq!(message.headers().top_via().unwrap().branch(), None);
    assert_eq!(message.headers().max_forwards(), None);
    assert!(message.headers().typed::<Allow<'_>>().unwrap().is_none());
}

#[test]
fn rfc4475_archive_test_dat_does_not_break() {
    // In the archive without a text. The request line has no version: this is not SIP.
    refused(message!("test"), Kind::NotSip, None);
}

/// A message without a verdict is a hole in this file.
#[test]
fn every_message_of_the_archive_is_here() {
    let here = include_str!("rfc4475.rs");
    let files =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rfc4475")).unwrap();
    let names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 50);
    for name in names {
        let name = name.trim_end_matches(".dat");
        assert!(
            here.contains(&format!("message!(\"{name}\")")),
            "{name} has no verdict"
        );
    }
}
