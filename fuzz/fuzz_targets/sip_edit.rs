//! Sequences of edits: each changes what it says and nothing else, and the result is a message that parses to the same.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip_message::{HeaderName, Message, ParserConfig};

const BASE: &[u8] = b"INVITE sip:bob@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1;rport\r\nv : SIP/2.0/TCP b ,\r\n SIP/2.0/UDP c\r\n\
    Max-Forwards: 2\r\nf:Alice <sip:a@h>;tag=1\r\nTO: <sip:b@h>\r\nRoute: <sip:p;lr>,<sip:q,r;lr>\r\nX-Fuzz: 1\r\nCall-ID: z@h\r\n\
    CSeq: 1 INVITE\r\nk: a, b\r\nRoute: <sip:s;lr>\r\nSubject:\r\nContact: \"x, y\" <sip:c>\r\nl: 4\r\n\r\nbody";

const NAMES: [HeaderName; 7] = [
    HeaderName::Route,
    HeaderName::RecordRoute,
    HeaderName::Subject,
    HeaderName::Supported,
    HeaderName::Contact,
    HeaderName::Organization,
    HeaderName::from_static("X-Fuzz"),
];

// Each edit: a byte for what, one for which field, one for the length of a text, and the text.
fuzz_target!(|data: &[u8]| {
    let config = ParserConfig::default();
    let mut message = Message::parse(Bytes::from_static(BASE), &config).expect("the base parses");
    assert_eq!(message.to_bytes(), BASE, "unedited bytes stay");
    let mut rest = data;
    for _ in 0..24 {
        let [what, which, len, more @ ..] = rest else {
            break;
        };
        let (text, after) = more.split_at(usize::from(*len % 24).min(more.len()));
        rest = after;
        // A value that is set keeps control characters other than line ends, which a strict parser then refuses.
        let text = String::from_utf8_lossy(text).replace(
            |c: char| c.is_control() && c != '\r' && c != '\n' && c != '\t',
            " ",
        );
        let mut name = NAMES[usize::from(*which) % NAMES.len()].clone();
        let before = fields(&message);
        let body = message.body().to_vec();
        let mut new_body = None;
        let headers = message.headers_mut();
        match what % 11 {
            0 => headers.push_back(name.clone(), &text),
            1 => headers.push_front(name.clone(), &text),
            2 => headers.replace(name.clone(), &text),
            3 => {
                // Fields without a value go along with the first value, and are none themselves.
                let values = headers.values(name.clone()).count();
                assert_eq!(headers.remove_first(name.clone()), values > 0);
                assert!(values == 0 || headers.values(name.clone()).count() < values);
            }
            4 => {
                let count = headers.count(name.clone());
                assert_eq!(headers.remove_all(name.clone()), count);
                assert!(!headers.contains(name.clone()));
            }
            5 => {
                name = HeaderName::To;
                headers.set_to_tag(&text);
            }
            6 => {
                name = HeaderName::MaxForwards;
                headers.decrement_max_forwards();
            }
            7 => {
                name = HeaderName::Via;
                headers.set_top_via_params(Some([192, 0, 2, *which].into()), Some(u16::from(*len)));
            }
            8 => {
                name = HeaderName::Via;
                headers.push_front(
                    name.clone(),
                    format!("SIP/2.0/UDP h{which};branch=z9hG4bK{len}"),
                );
            }
            9 => {
                name = HeaderName::Via;
                if headers.values(name.clone()).count() > 1 {
                    assert!(headers.remove_first(name.clone()));
                }
            }
            _ => {
                name = HeaderName::ContentLength;
                let Message::Request(request) = &mut message else {
                    unreachable!("a request stays one");
                };
                request.set_body("text/plain", text.as_bytes().to_vec());
                new_body = Some(text.as_bytes().to_vec());
            }
        }
        let after = fields(&message);
        let others = |fields: &[(HeaderName, Vec<u8>)]| {
            fields
                .iter()
                .filter(|(other, _)| {
                    *other != name
                        && !(new_body.is_some()
                            && [HeaderName::ContentLength, HeaderName::ContentType].contains(other))
                })
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(
            others(&before),
            others(&after),
            "an edit of {name} changes nothing else"
        );
        assert_eq!(message.body(), new_body.unwrap_or(body));
    }
    let sent = message.to_bytes();
    let again = Message::parse(sent.clone(), &config).expect("an edited message parses");
    assert_eq!(fields(&again), fields(&message));
    assert_eq!(again.body(), message.body());
    assert_eq!(again.to_bytes(), sent);
});

fn fields(message: &Message) -> Vec<(HeaderName, Vec<u8>)> {
    message
        .headers()
        .fields()
        .map(|field| (field.name(), field.value_bytes().to_vec()))
        .collect()
}
