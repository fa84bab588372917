//! Parsing, reading, editing and answering messages.

use std::hint::black_box;

use bytes::Bytes;
use sip_message::{
    HeaderName, Message, ParserConfig, Request, Response, StatusCode,
    header::{CSeq, Contact, ContentLength, From, MaxForwards, To, Via},
};

use crate::Case;

pub(crate) const INVITE: &[u8] = include_bytes!("../messages/invite.sip");
/// The INVITE on its way through a proxy, with a Route that names it.
const ROUTED: &[u8] = include_bytes!("../messages/invite-route.sip");
pub(crate) const REGISTERED: &[u8] = include_bytes!("../messages/register-200.sip");
pub(crate) const OPTIONS: &[u8] = include_bytes!("../messages/options.sip");
pub(crate) const LONG_INVITE: &[u8] = include_bytes!("../messages/invite-3k.sip");

/// A message of the collection, parsed.
pub(crate) fn parsed(text: &'static [u8]) -> Message {
    Message::parse(Bytes::from_static(text), &ParserConfig::default())
        .expect("the collection is valid")
}

/// A request of the collection, parsed.
pub(crate) fn request(text: &'static [u8]) -> Request {
    parsed(text).as_request().expect("a request").clone()
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        parse("message/parse-invite", INVITE),
        parse("message/parse-200", REGISTERED),
        parse("message/parse-options", OPTIONS),
        parse("message/parse-invite-3k", LONG_INVITE),
        read("message/parse-and-read-invite", INVITE),
        read("message/parse-and-read-200", REGISTERED),
        read("message/parse-and-read-options", OPTIONS),
        every_field(),
        proxy_hop(),
        stamp_via(),
        answer(),
        encode(),
    ]
}

fn parse(name: &'static str, text: &'static [u8]) -> Case {
    let (bytes, config) = (Bytes::from_static(text), ParserConfig::default());
    Case::new(name, move || {
        let message = Message::parse(black_box(&bytes).clone(), &config);
        black_box(message.expect("valid"));
    })
    .of(text.len())
}

/// What a user agent or proxy reads of each message: From, To with tags, top Via, CSeq, Call-ID, Contact, Max-Forwards,
/// Content-Length.
fn read(name: &'static str, text: &'static [u8]) -> Case {
    let (bytes, config) = (Bytes::from_static(text), ParserConfig::default());
    Case::new(name, move || {
        let message = Message::parse(bytes.clone(), &config).expect("valid");
        let headers = message.headers();
        let via = headers.typed::<Via<'_>>().expect("a Via");
        black_box(via.as_ref().and_then(|via| via.branch()));
        let from = headers.typed::<From<'_>>().expect("a From");
        black_box(from.as_ref().and_then(|from| from.tag()));
        let to = headers.typed::<To<'_>>().expect("a To");
        black_box(to.as_ref().and_then(|to| to.tag()));
        black_box(headers.typed::<CSeq>().expect("a CSeq"));
        black_box(headers.call_id());
        black_box(headers.typed::<Contact<'_>>().expect("a Contact"));
        black_box(headers.typed::<MaxForwards>().expect("well-formed"));
        black_box(headers.typed::<ContentLength>().expect("well-formed"));
    })
    .of(text.len())
}

/// Every field decoded by its type.
fn every_field() -> Case {
    let (bytes, config) = (Bytes::from_static(INVITE), ParserConfig::default());
    Case::new("message/validate-all-invite", move || {
        let message = Message::parse(bytes.clone(), &config).expect("valid");
        black_box(&message).validate_all().expect("valid");
    })
    .of(INVITE.len())
}

/// What a server does first with a request: `received` and `rport` into the top Via (RFC 3261 §18.2.1, RFC 3581 §4).
fn stamp_via() -> Case {
    let (bytes, config) = (Bytes::from_static(INVITE), ParserConfig::default());
    let source = Some([192, 0, 2, 7].into());
    Case::new("message/stamp-top-via", move || {
        let mut message = Message::parse(bytes.clone(), &config).expect("valid");
        black_box(message.headers_mut().set_top_via_params(source, Some(6000)));
        black_box(&message);
    })
    .of(INVITE.len())
}

/// From the datagram that arrives to the datagram that leaves.
fn proxy_hop() -> Case {
    let (bytes, config) = (Bytes::from_static(ROUTED), ParserConfig::default());
    Case::new("message/proxy-hop", move || {
        let mut message = Message::parse(bytes.clone(), &config).expect("valid");
        let headers = message.headers_mut();
        black_box(headers.remove_first(HeaderName::Route));
        headers.decrement_max_forwards();
        headers.push_front(HeaderName::RecordRoute, "<sip:192.0.2.1:5060;lr>");
        headers.push_front(
            HeaderName::Via,
            "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK0123456789abcdef",
        );
        black_box(message.to_bytes());
    })
    .of(ROUTED.len())
}

fn answer() -> Case {
    let request = request(INVITE);
    Case::new("message/answer-invite", move || {
        let response = Response::to(&request, StatusCode::RINGING)
            .to_tag("0123456789abcdef")
            .build()
            .expect("a valid request");
        black_box(response.to_bytes());
    })
}

fn encode() -> Case {
    let message = parsed(INVITE);
    let mut out = Vec::new();
    Case::new("message/encode-invite", move || {
        out.clear();
        message.encode(&mut out);
        black_box(&out);
    })
    .of(INVITE.len())
}
