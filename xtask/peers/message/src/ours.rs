//! The work with `sip-message`.

use std::error::Error;
use std::hint::black_box;

use bytes::Bytes;
use sip_message::header::{CSeq, Contact, ContentLength, From, MaxForwards, To, Via};
use sip_message::{HeaderName, Message, ParserConfig, Response, StatusCode};

use crate::Work;

pub fn work(what: &str, message: &'static [u8]) -> Result<Work, Box<dyn Error>> {
    let config = ParserConfig::default();
    let bytes = Bytes::from_static(message);
    let parse = move || Message::parse(black_box(&bytes).clone(), &config).expect("parses");
    Ok(match what {
        "parse" => Box::new(move || {
            black_box(parse());
        }),
        "read" => Box::new(move || read(&parse())),
        "decode all" => Box::new(move || parse().validate_all().expect("valid")),
        "proxy hop" => Box::new(move || {
            let mut message = parse();
            let headers = message.headers_mut();
            headers.remove_first(HeaderName::Route);
            headers.decrement_max_forwards();
            headers.push_front(HeaderName::RecordRoute, "<sip:192.0.2.1:5060;lr>");
            headers.push_front(
                HeaderName::Via,
                "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK0123456789abcdef",
            );
            black_box(message.to_bytes());
        }),
        "stamp" => Box::new(move || {
            let mut message = parse();
            let source = Some([192, 0, 2, 7].into());
            assert!(message.headers_mut().set_top_via_params(source, Some(6000)));
            black_box(&message);
        }),
        "answer" => {
            let message = parse();
            let request = message.as_request().ok_or("no request")?.clone();
            let mut out = Vec::new();
            Box::new(move || {
                let response = Response::to(black_box(&request), StatusCode::RINGING)
                    .to_tag("0123456789abcdef")
                    .build()
                    .expect("a response");
                out.clear();
                response.encode(&mut out);
                black_box(&out);
            })
        }
        "encode" => {
            let (message, mut out) = (parse(), Vec::new());
            Box::new(move || {
                out.clear();
                black_box(&message).encode(&mut out);
                black_box(&out);
            })
        }
        other => return Err(format!("no work '{other}'").into()),
    })
}

/// What every stack reads of a message.
fn read(message: &Message) {
    let headers = message.headers();
    let via = headers.typed::<Via<'_>>().expect("a Via");
    black_box(via.as_ref().and_then(|via| via.branch()));
    let from = headers.typed::<From<'_>>().expect("a From");
    black_box(from.as_ref().and_then(|from| from.tag()));
    let to = headers.typed::<To<'_>>().expect("a To");
    black_box(to.as_ref().and_then(|to| to.tag()));
    black_box(headers.call_id());
    black_box(headers.typed::<CSeq>().expect("a CSeq"));
    black_box(headers.typed::<Contact<'_>>().expect("a Contact"));
    black_box(headers.typed::<MaxForwards>().expect("well-formed"));
    black_box(headers.typed::<ContentLength>().expect("well-formed"));
}
