//! The messages that the layer writes by itself: 100 and 503 responses, ACK to non-2xx, CANCEL.
//!
//! They are written straight from the lines of the message that they belong to, so that what is copied stays byte for
//! byte as it was.

use std::io::Write as _;

use sip_message::{HeaderName, Method, Request, Response, StatusCode};

use crate::scan;

/// Values that were met while a 100 was written; empty if they are missing.
#[derive(Debug, Default)]
pub(crate) struct Seen<'a> {
    pub(crate) from: &'a [u8],
    pub(crate) to: &'a [u8],
    pub(crate) call_id: &'a [u8],
    pub(crate) cseq: &'a [u8],
}

/// A 100 response (RFC 3261 §8.2.6.1): no To tag, and the Timestamp if there was one.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a 100 has nothing of the other fields"
)]
pub(crate) fn trying<'a>(request: &'a Request, out: &mut Vec<u8>) -> Seen<'a> {
    let mut seen = Seen::default();
    out.extend_from_slice(b"SIP/2.0 100 Trying\r\n");
    for field in request.headers().fields() {
        match field.name() {
            HeaderName::Via | HeaderName::Timestamp => {}
            HeaderName::From => seen.from = field.value_bytes(),
            HeaderName::To => seen.to = field.value_bytes(),
            HeaderName::CallId => seen.call_id = field.value_bytes(),
            HeaderName::CSeq => seen.cseq = field.value_bytes(),
            _ => continue,
        }
        out.extend_from_slice(field.line());
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    seen
}

/// A final response to a request that gets no transaction (RFC 3261 §8.2.6.2, §21.5.4).
pub(crate) fn overloaded(request: &Request, tag: &str, retry_after: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"SIP/2.0 503 Service Unavailable\r\n");
    let tagged = request.headers().to_tag().is_some();
    for field in request.headers().fields() {
        let name = field.name();
        if name == HeaderName::To && !tagged {
            out.extend_from_slice(field.line().trim_ascii_end());
            out.extend_from_slice(b";tag=");
            out.extend_from_slice(tag.as_bytes());
            out.extend_from_slice(b"\r\n");
        } else if is_copied(&name) {
            out.extend_from_slice(field.line());
        }
    }
    write(
        out,
        format_args!("Retry-After: {retry_after}\r\nContent-Length: 0\r\n\r\n"),
    );
}

/// A response without a body; infallible, because what it copies was in a message already.
pub(crate) fn response(request: &Request, status: StatusCode, tag: &str) -> Response {
    #[expect(
        clippy::expect_used,
        reason = "build fails for messages over 2 GiB only, and the request was smaller"
    )]
    Response::to(request, status)
        .to_tag(tag)
        .build()
        .expect("a response smaller than its request")
}

/// What ACK and CANCEL take from the INVITE that they belong to (RFC 3261 §17.1.1.3, §9.1).
#[derive(Debug)]
pub(crate) struct Skeleton {
    /// The rest of the request line, then top Via, Route, Max-Forwards, From and Call-ID; then the To of the INVITE.
    text: Box<[u8]>,
    to_starts: u32,
    cseq: u32,
}

impl Skeleton {
    /// Of an INVITE that carries our Via already.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "ACK and CANCEL have nothing of the other fields"
    )]
    pub(crate) fn of(invite: &Request, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        scratch.extend_from_slice(invite.uri_str().as_bytes());
        scratch.extend_from_slice(b" SIP/2.0\r\n");
        let (mut has_via, mut has_max_forwards) = (false, false);
        let (mut to, mut cseq): (&[u8], u32) = (&[], 0);
        for field in invite.headers().fields() {
            match field.name() {
                // Ours, which is a field of its own: the layer has just put it on top.
                HeaderName::Via if !has_via => has_via = true,
                HeaderName::MaxForwards => has_max_forwards = true,
                // RFC 3261 §17.1.1.3, §9.1: the Route of the INVITE, so that stateless proxies take the same way.
                HeaderName::Route | HeaderName::From | HeaderName::CallId => {}
                HeaderName::To => {
                    to = field.line();
                    continue;
                }
                HeaderName::CSeq => {
                    cseq = scan::number(field.value_bytes());
                    continue;
                }
                _ => continue,
            }
            scratch.extend_from_slice(field.line());
        }
        if !has_max_forwards {
            scratch.extend_from_slice(b"Max-Forwards: 70\r\n");
        }
        let to_starts = u32::try_from(scratch.len()).unwrap_or(u32::MAX);
        scratch.extend_from_slice(to);
        Self {
            text: Box::from(scratch.as_slice()),
            to_starts,
            cseq,
        }
    }

    /// The ACK to a 3xx to 6xx response: its To is that of the response (RFC 3261 §17.1.1.3).
    pub(crate) fn ack(&self, response: &Response, out: &mut Vec<u8>) {
        let (common, invite_to) = self
            .text
            .split_at_checked(self.to_starts as usize)
            .unwrap_or_default();
        out.extend_from_slice(b"ACK ");
        out.extend_from_slice(common);
        match response
            .headers()
            .fields()
            .find(|field| field.is(&HeaderName::To))
        {
            Some(field) => out.extend_from_slice(field.line()),
            None => out.extend_from_slice(invite_to),
        }
        write(
            out,
            format_args!("CSeq: {} ACK\r\nContent-Length: 0\r\n\r\n", self.cseq),
        );
    }

    /// The CANCEL, with further header fields (RFC 3261 §9.1).
    pub(crate) fn cancel(&self, headers: &[(HeaderName, &str)], out: &mut Vec<u8>) {
        out.extend_from_slice(b"CANCEL ");
        out.extend_from_slice(&self.text);
        write(
            out,
            format_args!("CSeq: {} {}\r\n", self.cseq, Method::Cancel.as_str()),
        );
        for (name, value) in headers {
            write(out, format_args!("{}: ", name.as_str()));
            // A line end in a value would start another field.
            out.extend(
                value
                    .bytes()
                    .map(|byte| if byte.is_ascii_control() { b' ' } else { byte }),
            );
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }
}

/// RFC 3261 §8.2.6.2: what every response has from its request.
fn is_copied(name: &HeaderName) -> bool {
    matches!(
        name,
        HeaderName::Via | HeaderName::From | HeaderName::To | HeaderName::CallId | HeaderName::CSeq
    )
}

fn write(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    // Writing to a Vec cannot fail.
    let _ = out.write_fmt(arguments);
}
