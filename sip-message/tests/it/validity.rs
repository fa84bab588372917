//! What `validate` refuses in the mandatory fields.

use bytes::Bytes;
use sip_message::{Message, ParserConfig, Response, StatusCode};

fn request(from: &str, to: &str) -> Message {
    let text = format!(
        "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: {from}\r\nTo: {to}\r\n\
         Call-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(Bytes::from(text), &ParserConfig::default()).unwrap()
}

#[test]
fn rfc3261_25_1_a_tag_has_a_value() {
    for (from, to) in [
        ("<sip:a@h>;tag=1", "<sip:b@h>;tag"),
        ("<sip:a@h>;tag=1", "<sip:b@h>;x;TAG;y=2"),
        ("<sip:a@h>;tag", "<sip:b@h>"),
        ("sip:a@h;tag", "<sip:b@h>"),
    ] {
        let error = request(from, to).validate().unwrap_err();
        assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST), "{from} {to}");
    }
    // None at all is what RFC 2543 allowed.
    for (from, to) in [
        ("<sip:a@h>", "<sip:b@h>"),
        ("<sip:a@h>;tags", "sip:b@h;tagged=1"),
    ] {
        let message = request(from, to);
        assert_eq!(message.validate(), Ok(()), "{from} {to}");
        let answer = Response::to(message.as_request().unwrap(), StatusCode::OK)
            .to_tag("mine")
            .build()
            .unwrap();
        assert_eq!(answer.headers().to_tag(), Some("mine"));
    }
}
