//! Whether a message is one that this layer takes, told in one pass over its fields where they are written as nearly
//! everyone writes them.
//!
//! [`Message::validate`](sip_message::Message::validate) says it for every message, by decoding each field. Most messages
//! have no folds, escapes, comments or white space where none is needed; for these it is enough to see that each byte is
//! of the class that its place wants. What is found usual here is valid; what is not has to be validated. The properties
//! below hold the two together.

mod scan;

use std::net::Ipv4Addr;

use sip_message::{HeaderName, Headers, Method, Request, Response};

use self::scan::Scan;

/// Bytes of `;rport`.
pub(crate) const RPORT: usize = 6;

/// What the topmost Via of a usual message says that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsualVia {
    /// The host of sent-by, if it is an IPv4 address; else it is a name.
    pub(crate) host: Option<Ipv4Addr>,
    /// Where the host is in the field's value, and how long it is.
    pub(crate) host_at: usize,
    pub(crate) host_len: usize,
    /// The port of sent-by.
    pub(crate) port: Option<u16>,
    /// Where the `rport` without a value is in the field's value, with its semicolon.
    pub(crate) rport: Option<usize>,
    pub(crate) alias: bool,
}

/// `None`: the request has to be validated, and its Via decoded.
pub(crate) fn request(request: &Request) -> Option<UsualVia> {
    let (beyond, len) = request.uri_and_beyond();
    let mut scan = Scan::new(beyond, len)?;
    let is_usual = uri(&mut scan, 0)? == len
        && match request.headers().get_bytes(HeaderName::MaxForwards) {
            None | Some([b'0'..=b'9'] | [b'0'..=b'9', b'0'..=b'9']) => true,
            Some(_) => false,
        };
    if is_usual {
        fields(request.headers(), Some(request.method()))
    } else {
        None
    }
}

/// The same for a response.
pub(crate) fn response(response: &Response) -> Option<UsualVia> {
    fields(response.headers(), None)
}

#[inline(always)]
fn fields(headers: &Headers, method: Option<&Method>) -> Option<UsualVia> {
    let is_usual = party(scan(headers, HeaderName::From)?)?
        && party(scan(headers, HeaderName::To)?)?
        && call_id(scan(headers, HeaderName::CallId)?)
        && cseq(headers.get_bytes(HeaderName::CSeq)?, method);
    if is_usual {
        via(scan(headers, HeaderName::Via)?)
    } else {
        None
    }
}

/// In every place anew, where the name is known and is not looked up.
#[inline(always)]
fn scan(headers: &Headers, name: HeaderName) -> Option<Scan<'_>> {
    let (beyond, len) = headers.get_and_beyond(name)?;
    Scan::new(beyond, len)
}

/// `SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport`.
#[inline(always)]
fn via(mut scan: Scan<'_>) -> Option<UsualVia> {
    let rest = scan.text().strip_prefix(b"SIP/2.0/")?;
    let host_at = match rest {
        [b'U', b'D', b'P', b' ', ..]
        | [b'T', b'C', b'P', b' ', ..]
        | [b'T', b'L', b'S', b' ', ..]
        | [b'W', b'S', b'S', b' ', ..] => 12,
        [b'W', b'S', b' ', ..] => 11,
        _ => return None,
    };
    let mut at = scan.stop(host_at);
    let name = scan.text().get(host_at..at)?;
    let mut via = UsualVia {
        host: host(name)?,
        host_at,
        host_len: name.len(),
        port: None,
        rport: None,
        alias: false,
    };
    if scan.byte(at) == Some(b':') {
        let end = scan.stop(at + 1);
        via.port = Some(port(scan.text().get(at + 1..end)?)?);
        at = end;
    }
    while scan.byte(at) == Some(b';') {
        let (name, end) = parameter(&mut scan, at + 1)?;
        // Names differ by their lengths first.
        match name.len() {
            5 if name.eq_ignore_ascii_case(b"rport") => {
                // One that says a port already is a lie, or a copy.
                if via.rport.is_some() || end != at + RPORT {
                    return None;
                }
                via.rport = Some(at);
            }
            5 if name.eq_ignore_ascii_case(b"alias") => via.alias = true,
            5 if name.eq_ignore_ascii_case(b"maddr") => return None,
            8 if name.eq_ignore_ascii_case(b"received") => return None,
            _ => {}
        }
        at = end;
    }
    // More values in the same line are looked at closely.
    (at == scan.text().len()).then_some(via)
}

/// `"Alice" <sip:alice@example.com>;tag=1`, with or without the name and the quotes.
#[inline(never)] // From and To.
fn party(mut scan: Scan<'_>) -> Option<bool> {
    let mut at = 0;
    match scan.byte(0)? {
        b'<' => {}
        b'"' => {
            let mut end = scan.stop(1);
            loop {
                match scan.byte(end)? {
                    b'"' => break,
                    // Whatever is printed, but backslashes.
                    b'\\' => return None,
                    b' '..=b'~' => end = scan.stop(end + 1),
                    _ => return None,
                }
            }
            at = end + 1;
            if scan.byte(at) == Some(b' ') {
                at += 1;
            }
        }
        _ => {
            at = token(&mut scan, 0);
            if at == 0 || scan.byte(at) != Some(b' ') {
                return None;
            }
            at += 1;
        }
    }
    if scan.byte(at) != Some(b'<') {
        return None;
    }
    at = uri(&mut scan, at + 1)?;
    if scan.byte(at) != Some(b'>') {
        return None;
    }
    at += 1;
    while scan.byte(at) == Some(b';') {
        let (name, end) = parameter(&mut scan, at + 1)?;
        // Without a value.
        if name.len() == 3 && end == at + 4 && name.eq_ignore_ascii_case(b"tag") {
            return None;
        }
        at = end;
    }
    Some(at == scan.text().len())
}

/// `word [ "@" word ]`, both of characters of a token.
fn call_id(mut scan: Scan<'_>) -> bool {
    let (len, at) = (scan.text().len(), token(&mut scan, 0));
    if at == len {
        return len > 0;
    }
    at > 0 && scan.byte(at) == Some(b'@') && at + 1 < len && token(&mut scan, at + 1) == len
}

/// `1*DIGIT SP Method`.
fn cseq(value: &[u8], method: Option<&Method>) -> bool {
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    let Some([b' ', name @ ..]) = value.get(digits..).filter(|_| matches!(digits, 1..=9)) else {
        return false;
    };
    match method {
        // RFC 3261 §8.1.1.5: the same as that of the request; methods are compared with case.
        Some(method) => name == method.as_str().as_bytes(),
        None => !name.is_empty() && name.iter().all(u8::is_ascii_uppercase),
    }
}

/// The end of a sip or sips URI without password, escapes, header fields and IPv6 reference.
#[inline(always)]
fn uri(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    let start = match scan.text().get(at..)? {
        [b's', b'i', b'p', b':', ..] => at + 4,
        [b's', b'i', b'p', b's', b':', ..] => at + 5,
        _ => return None,
    };
    let mut from = start;
    let mut at = scan.stop(start);
    let plain = at;
    // Unreserved characters that no host has, and the "+" of telephone numbers.
    while let Some(b'+' | b'!' | b'~' | b'*') = scan.byte(at) {
        at = scan.stop(at + 1);
    }
    if scan.byte(at) == Some(b'@') {
        if at == start {
            return None;
        }
        from = at + 1;
        at = scan.stop(from);
    } else if at != plain {
        return None;
    }
    host(scan.text().get(from..at)?)?;
    if scan.byte(at) == Some(b':') {
        let end = scan.stop(at + 1);
        port(scan.text().get(at + 1..end)?)?;
        at = end;
    }
    while scan.byte(at) == Some(b';') {
        at = uri_parameter(scan, at + 1)?;
    }
    Some(at)
}

/// The address if it is one, `None` in it for a name. Of plain characters.
fn host(text: &[u8]) -> Option<Option<Ipv4Addr>> {
    let (first, last) = (text.first()?, text.last()?);
    if first.is_ascii_digit() {
        return ipv4(text).map(Some);
    }
    (first.is_ascii_alphabetic() && *last != b'-').then_some(None)
}

/// Four decimal numbers without leading zeros.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (first, rest) = octet(text)?;
    let (second, rest) = octet(rest.strip_prefix(b".")?)?;
    let (third, rest) = octet(rest.strip_prefix(b".")?)?;
    let (fourth, rest) = octet(rest.strip_prefix(b".")?)?;
    rest.is_empty()
        .then(|| Ipv4Addr::new(first, second, third, fourth))
}

#[inline(always)]
fn octet(text: &[u8]) -> Option<(u8, &[u8])> {
    let value = |digit: &u8| u32::from(digit - b'0');
    let (number, rest) = match text {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            (value(a) * 100 + value(b) * 10 + value(c), rest)
        }
        [a @ b'1'..=b'9', b @ b'0'..=b'9', rest @ ..] => (value(a) * 10 + value(b), rest),
        [a @ b'0'..=b'9', rest @ ..] => (value(a), rest),
        _ => return None,
    };
    Some((u8::try_from(number).ok()?, rest))
}

/// A port that can be sent to.
fn port(digits: &[u8]) -> Option<u16> {
    if !matches!(digits.len(), 1..=5) {
        return None;
    }
    let mut number = 0_u32;
    for &byte in digits {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        number = number * 10 + digit;
    }
    u16::try_from(number).ok().filter(|&number| number != 0)
}

/// `name [ "=" token ]`: the name, and where both end.
#[inline(always)]
fn parameter<'a>(scan: &mut Scan<'a>, at: usize) -> Option<(&'a [u8], usize)> {
    let end = token(scan, at);
    let name = scan.text().get(at..end).filter(|name| !name.is_empty())?;
    if scan.byte(end) != Some(b'=') {
        return Some((name, end));
    }
    let value_end = token(scan, end + 1);
    (value_end > end + 1).then_some((name, value_end))
}

/// The end of `pname [ "=" pvalue ]` of plain characters.
#[inline(always)]
fn uri_parameter(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    let end = scan.stop(at);
    if end == at {
        return None;
    }
    if scan.byte(end) != Some(b'=') {
        return Some(end);
    }
    let value_end = scan.stop(end + 1);
    (value_end > end + 1).then_some(value_end)
}

/// RFC 3261 §25.1: where what begins there is no `token` any more.
#[inline(always)]
fn token(scan: &mut Scan<'_>, at: usize) -> usize {
    let mut at = scan.stop(at);
    while let Some(b'!' | b'%' | b'*' | b'+' | b'`' | b'\'' | b'~') = scan.byte(at) {
        at = scan.stop(at + 1);
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sip_message::{Host, Message, ParserConfig};

    use super::*;

    const INVITE: &str = "INVITE sip:+15550100@192.0.2.50:5060;transport=udp SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK2d4790.1;rport;alias\r\nMax-Forwards: 69\r\n\
        From: \"Alice\" <sip:alice@example.com>;tag=9fxced76sl\r\nTo: Bob <sips:+15550100@example.com;user=phone>\r\n\
        Call-ID: 3848276298220188511@192.0.2.20\r\nCSeq: 1 INVITE\r\n\r\n";
    const OK: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP pc33.example.com;branch=z9hG4bK1\r\n\
        From: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>;tag=2\r\nCall-ID: 1\r\nCSeq: 7 OPTIONS\r\n\r\n";

    fn usual(message: &Message) -> Option<UsualVia> {
        match message {
            Message::Request(one) => request(one),
            Message::Response(one) => response(one),
        }
    }

    /// What is usual is valid, and says what the decoded Via says.
    fn check(text: &[u8]) -> Option<UsualVia> {
        let message = Message::parse(
            bytes::Bytes::copy_from_slice(text),
            &ParserConfig::default(),
        )
        .ok()?;
        let found = usual(&message)?;
        let shown = String::from_utf8_lossy(text);
        assert_eq!(message.validate(), Ok(()), "{shown}");
        let via = message.headers().top_via().unwrap();
        match found.host {
            Some(ip) => assert_eq!(via.host(), Host::V4(ip), "{shown}"),
            None => {
                let value = message.headers().get_bytes(HeaderName::Via).unwrap();
                let name = &value[found.host_at..found.host_at + found.host_len];
                let name = std::str::from_utf8(name).unwrap();
                assert_eq!(via.host(), Host::Name(name), "{shown}");
            }
        }
        assert_eq!(found.port, via.port(), "{shown}");
        assert_eq!(found.rport.map(|_| None), via.rport(), "{shown}");
        if let Some(at) = found.rport {
            let value = message.headers().get_bytes(HeaderName::Via).unwrap();
            assert!(
                value[at..at + RPORT].eq_ignore_ascii_case(b";rport"),
                "{shown}"
            );
        }
        assert_eq!(found.alias, via.params().contains("alias"), "{shown}");
        assert!(via.maddr().is_none() && via.received().is_none(), "{shown}");
        Some(found)
    }

    #[test]
    fn what_nearly_everyone_writes_is_usual() {
        let found = check(INVITE.as_bytes()).unwrap();
        assert_eq!(found.host, Some(Ipv4Addr::new(192, 0, 2, 10)));
        assert_eq!(
            (found.port, found.rport, found.alias),
            (Some(5060), Some(50), true)
        );
        let found = check(OK.as_bytes()).unwrap();
        assert_eq!((found.host, found.port, found.rport), (None, None, None));
    }

    #[test]
    fn what_has_to_be_looked_at_is_not_usual() {
        for (what, instead) in [
            ("<sips:", "<tel:"),
            ("+15550100@192.0.2.50", "a:b@192.0.2.50"),
            ("192.0.2.50:5060", "[2001:db8::1]"),
            ("192.0.2.50:5060", "192.0.2.256"),
            ("transport=udp", "transport=udp?a=b"),
            ("Max-Forwards: 69", "Max-Forwards: 256"),
            (";rport", ";rport=1"),
            (";rport", ";rport;rport"),
            (";rport", ";received=192.0.2.1"),
            (";rport", ";maddr=192.0.2.1"),
            (";rport", ", SIP/2.0/UDP h"),
            (";tag=9fxced76sl", ";tag"),
            (";tag=9fxced76sl", ";tag=\"1\""),
            ("\"Alice\"", "\"Al\\\"ice\""),
            ("CSeq: 1 INVITE", "CSeq: 1 OPTIONS"),
            ("CSeq: 1 INVITE", "CSeq: 9999999999 INVITE"),
            ("@192.0.2.20", "@"),
            ("SIP/2.0/UDP 192.0.2.10", "SIP/2.0/UDP -a"),
            ("SIP/2.0/UDP 192.0.2.10", "SIP/2.0/UDP a-"),
            ("SIP/2.0/UDP 192.0.2.10", "SIP/2.0/UDP 192.0.2.010"),
            ("SIP/2.0/UDP 192.0.2.10", "SIP/2.0/UDP 192.0.2"),
            ("SIP/2.0/UDP 192.0.2.10", "SIP/2.0/UDP  192.0.2.10"),
        ] {
            let text = INVITE.replace(what, instead);
            assert_ne!(text, INVITE, "{what}");
            assert_eq!(check(text.as_bytes()), None, "{instead}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// One to three bytes are others, are gone or come in: whatever is usual still is valid.
        #[test]
        fn what_is_usual_is_valid(
            response in any::<bool>(),
            edits in proptest::collection::vec(
                (any::<prop::sample::Index>(), prop_oneof![Just(None), proptest::option::of(proptest::char::range(' ', '~'))], 0..3_u8),
                1..4,
            ),
        ) {
            let mut text = if response { OK } else { INVITE }.as_bytes().to_vec();
            for (at, with, how) in edits {
                let at = at.index(text.len());
                let byte = with.map_or(b';', |with| with as u8);
                match how {
                    0 => text[at] = byte,
                    1 => text.insert(at, byte),
                    _ => drop(text.remove(at)),
                }
            }
            check(&text);
        }
    }
}
