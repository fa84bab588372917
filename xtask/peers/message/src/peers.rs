//! The same work with other crates.

use std::error::Error;
use std::hint::black_box;

use bytes::Bytes;

use crate::Work;

/// What a server of HTTP does first with a request.
pub fn http(message: &'static [u8]) -> Work {
    Box::new(move || {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let status = request.parse(black_box(message)).expect("parses");
        assert!(status.is_complete());
        black_box(&request);
    })
}

pub fn parse(name: &str, message: &'static [u8]) -> Result<Work, Box<dyn Error>> {
    let bytes = Bytes::from_static(message);
    Ok(match name {
        "rsip" => Box::new(move || {
            black_box(rsip::SipMessage::try_from(black_box(message)).expect("parses"));
        }),
        "rsipstack" => Box::new(move || {
            black_box(rsipstack::sip::SipMessage::try_from(black_box(message)).expect("parses"));
        }),
        "ezk-sip-types" => Box::new(move || {
            black_box(ezk(black_box(&bytes)));
        }),
        "rvoip-sip-core" => Box::new(move || {
            black_box(rvoip_sip_core::parser::parse_message(black_box(message)).expect("parses"));
        }),
        other => return Err(format!("no crate {other}").into()),
    })
}

pub fn read(name: &str, message: &'static [u8]) -> Result<Work, Box<dyn Error>> {
    let bytes = Bytes::from_static(message);
    Ok(match name {
        "rsip" => Box::new(move || {
            use rsip::prelude::{HeadersExt as _, ToTypedHeader as _, UntypedHeader as _};
            let message = rsip::SipMessage::try_from(black_box(message)).expect("parses");
            let via = message.via_header().expect("a Via").typed().expect("a Via");
            black_box(via.branch());
            let from = message
                .from_header()
                .expect("a From")
                .typed()
                .expect("a From");
            black_box(from.tag());
            let to = message.to_header().expect("a To").typed().expect("a To");
            black_box(to.tag());
            black_box(message.call_id_header().expect("a Call-ID").value());
            black_box(
                message
                    .cseq_header()
                    .expect("a CSeq")
                    .typed()
                    .expect("a CSeq"),
            );
            let contact = message.contact_header().expect("a Contact");
            black_box(contact.typed().expect("a Contact"));
            black_box(message.max_forwards_header().map(|max| max.num()).ok());
        }),
        "rsipstack" => Box::new(move || {
            use rsipstack::sip::prelude::{HeadersExt as _, ToTypedHeader as _};
            let message = rsipstack::sip::SipMessage::try_from(black_box(message)).expect("parses");
            let via = message.via_header().expect("a Via").typed().expect("a Via");
            black_box(via.branch());
            let from = message
                .from_header()
                .expect("a From")
                .typed()
                .expect("a From");
            black_box(from.tag());
            let to = message.to_header().expect("a To").typed().expect("a To");
            black_box(to.tag());
            black_box(message.call_id_header().expect("a Call-ID").value());
            black_box(
                message
                    .cseq_header()
                    .expect("a CSeq")
                    .typed()
                    .expect("a CSeq"),
            );
            let contact = message.contact_header().expect("a Contact");
            black_box(contact.typed().expect("a Contact"));
            black_box(message.max_forwards_header().ok());
        }),
        "ezk-sip-types" => Box::new(move || {
            use ezk_sip_types::Name;
            use ezk_sip_types::header::typed::{CSeq, CallID, Contact, FromTo, MaxForwards, Via};
            let headers = ezk(black_box(&bytes));
            black_box(headers.get_named::<Via>().expect("a Via"));
            black_box(headers.get::<FromTo>(Name::FROM).expect("a From"));
            black_box(headers.get::<FromTo>(Name::TO).expect("a To"));
            black_box(headers.get_named::<CallID>().expect("a Call-ID"));
            black_box(headers.get_named::<CSeq>().expect("a CSeq"));
            black_box(headers.get_named::<Contact>().expect("a Contact"));
            black_box(headers.try_get_named::<MaxForwards>());
        }),
        // Its parser decodes every field.
        "rvoip-sip-core" => parse(name, message)?,
        other => return Err(format!("no crate {other}").into()),
    })
}

/// The crate splits lines and leaves the rest to its user, who does this.
fn ezk(message: &Bytes) -> ezk_sip_types::Headers {
    use ezk_sip_types::msg::{Line, MessageLine, PullParser};
    use ezk_sip_types::parse::Parse as _;
    let mut headers = ezk_sip_types::Headers::new();
    let mut is_first = true;
    for line in PullParser::new(message, 0) {
        let line = std::str::from_utf8(line.expect("complete")).expect("UTF-8");
        if is_first {
            black_box(MessageLine::parse(message)(line).expect("a start line"));
            is_first = false;
        } else {
            let (_, line) = Line::parse(message, line).expect("a field");
            headers.insert(line.name, line.value);
        }
    }
    headers
}
