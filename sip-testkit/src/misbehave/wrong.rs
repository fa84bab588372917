//! What a sin does to a message, and to the bytes of one.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of forty sins, a few do anything at each place"
)]

use sip_transport::TransportKind;

use super::Sin;
use super::draft::{Draft, uri};

/// Who says so, and what was said before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    /// The subject, as a URI has it.
    pub(super) subject: &'a str,
    /// How many messages this peer has spoilt so far.
    pub(super) count: u32,
}

impl Sin {
    /// Makes a good message wrong.
    pub(super) fn spoil(self, draft: &mut Draft, now: Circumstances<'_>) {
        let is_response = draft.status().is_some();
        let is_first = draft.get("To").is_some_and(|to| !to.contains(";tag="));
        match self {
            Self::WrongBranch if is_response => draft.change("Via", |via| {
                via.replace("branch=z9hG4bK", "branch=z9hG4bKwrong")
            }),
            Self::TagsChange if is_response => {
                draft.change("To", |to| format!("{to}x{}", now.count));
            }
            Self::TagsChange if !is_first && draft.method() != "ACK" => {
                draft.change("From", |from| format!("{from}x{}", now.count));
            }
            Self::CSeqJumps if is_response => draft.change("CSeq", |cseq| format!("10{cseq}")),
            Self::ContactNowhere => draft.change("Contact", |contact| {
                contact.replace(uri(contact), "sip:nobody@192.0.2.254:9")
            }),
            Self::LengthTooLong => {
                let length = (draft.body.len() + 1).to_string();
                draft.fields.push(("Content-Length".to_owned(), length));
            }
            Self::LengthTooShort => {
                let length = match draft.body.len() {
                    0 => "-1".to_owned(),
                    length => (length - 1).to_string(),
                };
                draft.fields.push(("Content-Length".to_owned(), length));
            }
            Self::ViaStripped => draft.remove("Via"),
            Self::LongReason => long(draft, "x".repeat(60_000)),
            Self::ManyVias => {
                let at = draft
                    .fields
                    .iter()
                    .rposition(|(name, _)| name == "Via")
                    .map_or(0, |at| at + 1);
                let vias = (0..500).map(|number| {
                    let via = format!("SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKv{number}");
                    ("Via".to_owned(), via)
                });
                draft.fields.splice(at..at, vias);
            }
            Self::RouteLoop => {
                let name = if is_response { "Record-Route" } else { "Route" };
                let route = format!("<sip:{};lr>", now.subject);
                let routes = std::iter::repeat_n((name.to_owned(), route), 60);
                draft.fields.splice(1..1, routes);
            }
            Self::HeaderFlood => draft
                .fields
                .extend((0..3000).map(|number| (format!("X-{number}"), "a".to_owned()))),
            Self::NoHopsLeft => draft.change("Max-Forwards", |_| "0".to_owned()),
            Self::TwoOfEach => {
                for name in ["From", "To", "Call-ID", "CSeq"] {
                    let value = draft.get(name).unwrap_or_default().to_owned();
                    let other = if name == "CSeq" {
                        format!("9{value}")
                    } else {
                        value.replacen(['a', 'e', 'i', 'o'], "u", 1)
                    };
                    draft.fields.push((name.to_owned(), other));
                }
            }
            Self::MethodMismatch => draft.change("CSeq", |cseq| {
                let number = cseq.split(' ').next().unwrap_or_default();
                format!("{number} PUBLISH")
            }),
            Self::NumbersTooLarge => {
                draft.change("CSeq", |cseq| format!("99999999999{cseq}"));
                draft.change("Max-Forwards", |_| "99999999999".to_owned());
            }
            Self::ControlCharacters => {
                long(draft, "a\0b\x07c\x1bd".to_owned());
                draft.change("From", |from| format!("\"a\0b\x07\x1b[2J\" {from}"));
            }
            // Made of the private characters below by `bytes`.
            Self::BadUtf8 => {
                long(draft, "a\u{e000}b".to_owned());
                if !is_response {
                    draft.change("From", |from| format!("\"\u{e000}\" {from}"));
                }
            }
            Self::StrangeVersion => draft.start = draft.start.replace("SIP/2.0", "SIP/9.0"),
            Self::RedirectsToItself if !is_response => {
                let own = uri(draft.get("From").unwrap_or_default()).to_owned();
                draft.change("Contact", |_| format!("<{own}>"));
            }
            Self::ChallengesForEver if !is_response && draft.method() != "ACK" => {
                let credentials = "Digest username=\"x\", realm=\"y\", nonce=\"z\", uri=\"sip:u\", response=\"0\"";
                draft
                    .fields
                    .push(("Authorization".to_owned(), credentials.to_owned()));
                draft
                    .fields
                    .push(("Proxy-Authorization".to_owned(), "Nonsense \"".to_owned()));
            }
            Self::OldBranch if !is_response => {
                draft.change("Via", |via| via.replace("branch=z9hG4bK", "branch="));
            }
            Self::UnknownMethod if !is_response && is_first => {
                let method = draft.method().to_owned();
                draft.start = draft.start.replacen(&method, "FROBNICATE", 1);
                draft.change("CSeq", |cseq| cseq.replace(&method, "FROBNICATE"));
            }
            Self::UnknownScheme if is_response => {
                draft.change("Contact", |_| "<frob:nicate>".to_owned());
            }
            Self::UnknownScheme if is_first => {
                let method = draft.method().to_owned();
                draft.start = format!("{method} frob:nicate SIP/2.0");
            }
            Self::RequiresNonsense if draft.method() != "ACK" && draft.method() != "CANCEL" => {
                for name in ["Require", "Proxy-Require"] {
                    draft
                        .fields
                        .push((name.to_owned(), "frobnicate".to_owned()));
                }
            }
            Self::HugeBody => {
                let lines = "a=frob:nicate 0123456789 0123456789 0123456789\r\n".repeat(1_000);
                draft.body.push_str(&lines);
                if draft.get("Content-Type").is_none() {
                    draft
                        .fields
                        .push(("Content-Type".to_owned(), "text/plain".to_owned()));
                }
            }
            Self::Folded => {
                for (name, value) in &mut draft.fields {
                    // What may be folded: after the colon. A length is left alone for readers of streams.
                    if name != "Content-Length" {
                        *value = format!("\r\n \t{value}");
                    }
                }
            }
            Self::Compact => {
                for (name, _) in &mut draft.fields {
                    let short = match name.as_str() {
                        "Via" => "v",
                        "From" => "f",
                        "To" => "t",
                        "Call-ID" => "i",
                        "Contact" => "m",
                        "Content-Type" => "c",
                        "CSeq" => "cSeQ",
                        "Max-Forwards" => "MAX-FORWARDS",
                        other => other,
                    };
                    *name = short.to_owned();
                }
            }
            // What is wrong with the others is when they come, or where from, or how their bytes are cut.
            _ => {}
        }
    }

    /// The bytes of a message in the pieces in which they leave.
    pub(super) fn pieces(self, bytes: Vec<u8>, transport: TransportKind) -> Vec<Vec<u8>> {
        match self {
            Self::HalfSegments => {
                let (first, second) = bytes.split_at(bytes.len() / 2);
                vec![first.to_vec(), second.to_vec()]
            }
            Self::Storm => vec![bytes; 200],
            Self::BadUtf8 => {
                let mut out = Vec::with_capacity(bytes.len());
                let mut rest = bytes.as_slice();
                while let Some((&first, after)) = rest.split_first() {
                    match rest.strip_prefix("\u{e000}".as_bytes()) {
                        Some(after) => {
                            out.extend_from_slice(b"\xff\xfe\x80");
                            rest = after;
                        }
                        None => {
                            out.push(first);
                            rest = after;
                        }
                    }
                }
                vec![out]
            }
            Self::BareNewlines => {
                let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
                vec![text.into_bytes()]
            }
            Self::Garbage => {
                let mut pieces = vec![b"\r\n\r\n".to_vec(); 100];
                // On a stream there is no way back from what is no message.
                if !transport.is_reliable() {
                    pieces.push(b"\0\x01\x02 this is no message\r\n\r\n".to_vec());
                    pieces.push(vec![0xff; 1_200]);
                }
                pieces.push(bytes);
                pieces
            }
            _ => vec![bytes],
        }
    }
}

/// Another reason phrase; in a request, a Subject.
fn long(draft: &mut Draft, text: String) {
    match draft.status() {
        Some(status) => draft.start = format!("SIP/2.0 {status} {text}"),
        None => draft.fields.push(("Subject".to_owned(), text)),
    }
}
