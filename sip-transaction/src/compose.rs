//! The messages that the layer writes by itself: 100 and 503 responses, ACK to non-2xx, CANCEL.
//!
//! They are written straight from the lines of the message that they belong to, so that what is copied stays byte for
//! byte as it was.

use std::io::Write as _;

use memchr::memchr;
use sip_message::{HeaderName, Method, Request, Response, StatusCode};
use sip_transport::Sighted;

use crate::scan;

/// A 100 response (RFC 3261 §8.2.6.1) from the header lines of the request: no To tag, and the Timestamp if there was
/// one, with the delay in milliseconds after which it is sent.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a 100 has nothing of the other fields"
)]
pub(crate) fn trying(headers: &[u8], delay: u128, out: &mut Vec<u8>) {
    out.extend_from_slice(b"SIP/2.0 100 Trying\r\n");
    for (name, line) in lines(headers) {
        match name {
            HeaderName::Timestamp => timestamp(line, delay, out),
            HeaderName::Via
            | HeaderName::From
            | HeaderName::To
            | HeaderName::CallId
            | HeaderName::CSeq => out.extend_from_slice(line),
            _ => {}
        }
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

/// A Timestamp line with the delay, in seconds, between the request and its response (RFC 3261 §20.38).
fn timestamp(line: &[u8], delay: u128, out: &mut Vec<u8>) {
    let colon = memchr(b':', line).map_or(0, |colon| colon + 1);
    let value = line.get(colon..).unwrap_or_default().trim_ascii();
    let is_number = !value.is_empty()
        && value
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'.');
    if !is_number {
        out.extend_from_slice(line);
        return;
    }
    out.extend_from_slice(line.trim_ascii_end());
    let (seconds, milliseconds) = (delay / 1000, format!("{:03}", delay % 1000));
    let fraction = milliseconds.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    write(out, format_args!(" {seconds}{dot}{fraction}\r\n"));
}

/// A final response to a request that gets no transaction (RFC 3261 §8.2.6.2, §21.5.4).
pub(crate) fn overloaded(request: &Request, tag: &str, retry_after: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(UNAVAILABLE);
    out.extend_from_slice(b"\r\n");
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
    end_of_refusal(retry_after, out);
}

const UNAVAILABLE: &[u8] = b"SIP/2.0 503 Service Unavailable";

/// The same for a request of which nothing else was read.
pub(crate) fn overloaded_at_sight(
    request: &Sighted<'_>,
    tag: &str,
    retry_after: u64,
    out: &mut Vec<u8>,
) {
    request.write_response(UNAVAILABLE, tag.as_bytes(), out);
    end_of_refusal(retry_after, out);
}

fn end_of_refusal(retry_after: u64, out: &mut Vec<u8>) {
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

/// The ACK to a 3xx to 6xx response, from the INVITE as it was sent: its To is that of the response
/// (RFC 3261 §17.1.1.3).
pub(crate) fn ack(invite: &[u8], response: &Response, out: &mut Vec<u8>) {
    let rest = common(b"ACK ", invite, out);
    let to = response
        .headers()
        .fields()
        .find(|field| field.is(&HeaderName::To));
    out.extend_from_slice(to.map_or(rest.to, |field| field.line()));
    write(
        out,
        format_args!("CSeq: {} ACK\r\nContent-Length: 0\r\n\r\n", rest.cseq),
    );
}

/// The CANCEL of an INVITE as it was sent, with further header fields (RFC 3261 §9.1).
pub(crate) fn cancel(invite: &[u8], headers: &[(HeaderName, &str)], out: &mut Vec<u8>) {
    let rest = common(b"CANCEL ", invite, out);
    out.extend_from_slice(rest.to);
    write(
        out,
        format_args!("CSeq: {} {}\r\n", rest.cseq, Method::Cancel.as_str()),
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

/// What ACK and CANCEL do not take over as it is.
struct Rest<'a> {
    to: &'a [u8],
    cseq: u32,
}

/// What ACK and CANCEL have in common: the Request-URI, top Via, Route, Max-Forwards, From and Call-ID of the INVITE.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "ACK and CANCEL have nothing of the other fields"
)]
fn common<'a>(method: &[u8], invite: &'a [u8], out: &mut Vec<u8>) -> Rest<'a> {
    let (line, headers) = first_line(invite);
    let behind_method = memchr(b' ', line).map_or(0, |space| space + 1);
    out.extend_from_slice(method);
    out.extend_from_slice(line.get(behind_method..).unwrap_or_default());
    let (mut has_via, mut has_max_forwards) = (false, false);
    let mut rest = Rest { to: &[], cseq: 0 };
    for (name, line) in lines(headers) {
        match name {
            // Ours, which is a field of its own: the layer has put it on top.
            HeaderName::Via if !has_via => has_via = true,
            HeaderName::MaxForwards => has_max_forwards = true,
            // RFC 3261 §17.1.1.3, §9.1: the Route of the INVITE, so that stateless proxies take the same way.
            HeaderName::Route | HeaderName::From | HeaderName::CallId => {}
            HeaderName::To => {
                rest.to = line;
                continue;
            }
            HeaderName::CSeq => {
                let colon = memchr(b':', line).map_or(0, |colon| colon + 1);
                let value = line.get(colon..).unwrap_or_default();
                rest.cseq = scan::number(value.trim_ascii_start());
                continue;
            }
            _ => continue,
        }
        out.extend_from_slice(line);
    }
    if !has_max_forwards {
        out.extend_from_slice(b"Max-Forwards: 70\r\n");
    }
    rest
}

/// The first line of a message with its line end, and the rest.
pub(crate) fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', text).map_or(text.len(), |end| end + 1);
    text.split_at_checked(end).unwrap_or((text, &[]))
}

/// Header lines with their names, folds and line ends, up to the empty line before a body.
fn lines(mut text: &[u8]) -> impl Iterator<Item = (HeaderName, &[u8])> {
    std::iter::from_fn(move || {
        loop {
            let mut end = first_line(text).0.len();
            // RFC 3261 §7.3.1: a line that begins with white space belongs to the one before.
            while matches!(text.get(end), Some(b' ' | b'\t')) {
                end += first_line(text.get(end..)?).0.len();
            }
            let (line, rest) = text.split_at_checked(end)?;
            text = rest;
            if line.trim_ascii().is_empty() {
                return None;
            }
            let colon = memchr(b':', line)?;
            // What has no name is nothing that a message of ours is made of.
            if let Some(name) = HeaderName::from_bytes(line.get(..colon)?.trim_ascii_end()) {
                return Some((name, line));
            }
        }
    })
}

/// RFC 3261 §8.2.6.2: what every response has from its request.
fn is_copied(name: &HeaderName) -> bool {
    matches!(
        name,
        HeaderName::Via | HeaderName::From | HeaderName::To | HeaderName::CallId | HeaderName::CSeq
    )
}

pub(crate) fn write(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    // Writing to a Vec cannot fail.
    let _ = out.write_fmt(arguments);
}
