//! Whether a message is one that this layer takes, told in one pass over its fields where they are written as nearly
//! everyone writes them.
//!
//! [`Message::validate`](sip_message::Message::validate) says it for every message, by decoding each field. Most messages
//! have no folds, escapes, comments or white space where none is needed; for these it is enough to see that each byte is
//! of the class that its place wants. What is found usual here is valid; what is not has to be validated. The properties
//! below hold the two together.

use std::net::Ipv4Addr;

use sip_message::{HeaderName, Headers, Method, Request, Response};

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
    let uri = request.uri_str().as_bytes();
    let max_forwards = request.headers().get_bytes(HeaderName::MaxForwards);
    let is_usual = self::uri(uri)? == uri.len()
        && match max_forwards {
            None => true,
            Some(digits) => matches!(digits.len(), 1 | 2) && run(digits, DIGIT) == digits.len(),
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

fn fields(headers: &Headers, method: Option<&Method>) -> Option<UsualVia> {
    let via = via(headers.get_bytes(HeaderName::Via)?)?;
    let is_usual = party(headers.get_bytes(HeaderName::From)?)
        && party(headers.get_bytes(HeaderName::To)?)
        && call_id(headers.get_bytes(HeaderName::CallId)?)
        && cseq(headers.get_bytes(HeaderName::CSeq)?, method);
    is_usual.then_some(via)
}

/// `SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport`.
fn via(value: &[u8]) -> Option<UsualVia> {
    let rest = value.strip_prefix(b"SIP/2.0/")?;
    let ([b'U', b'D', b'P', b' ', rest @ ..]
    | [b'T', b'C', b'P', b' ', rest @ ..]
    | [b'T', b'L', b'S', b' ', rest @ ..]
    | [b'W', b'S', b' ', rest @ ..]
    | [b'W', b'S', b'S', b' ', rest @ ..]) = rest
    else {
        return None;
    };
    let host_at = value.len() - rest.len();
    let (name, mut rest) = rest.split_at_checked(run(rest, HOST))?;
    let host = host(name)?;
    let mut port = None;
    if let [b':', digits @ ..] = rest {
        let (number, len) = self::port(digits)?;
        port = Some(number);
        rest = digits.get(len..)?;
    }
    let mut via = UsualVia {
        host,
        host_at,
        host_len: name.len(),
        port,
        rport: None,
        alias: false,
    };
    while let [b';', after @ ..] = rest {
        let (name, has_value, len) = parameter(after)?;
        // Names differ by their lengths first.
        match name.len() {
            5 if name.eq_ignore_ascii_case(b"rport") => {
                // One that says a port already is a lie, or a copy.
                if via.rport.is_some() || has_value {
                    return None;
                }
                via.rport = Some(value.len() - rest.len());
            }
            5 if name.eq_ignore_ascii_case(b"alias") => via.alias = true,
            5 if name.eq_ignore_ascii_case(b"maddr") => return None,
            8 if name.eq_ignore_ascii_case(b"received") => return None,
            _ => {}
        }
        rest = after.get(len..)?;
    }
    // More values in the same line are looked at closely.
    rest.is_empty().then_some(via)
}

/// `"Alice" <sip:alice@example.com>;tag=1`, with or without the name and the quotes.
fn party(value: &[u8]) -> bool {
    let mut rest = value;
    if let [b'"', quoted @ ..] = rest {
        let len = run(quoted, QUOTED);
        let Some([b'"', after @ ..]) = quoted.get(len..) else {
            return false;
        };
        rest = after.strip_prefix(b" ").unwrap_or(after);
    } else if rest.first() != Some(&b'<') {
        let len = run(rest, TOKEN);
        let Some([b' ', after @ ..]) = rest.get(len..).filter(|_| len > 0) else {
            return false;
        };
        rest = after;
    }
    let [b'<', after @ ..] = rest else {
        return false;
    };
    let Some(len) = uri(after) else { return false };
    let Some([b'>', after @ ..]) = after.get(len..) else {
        return false;
    };
    rest = after;
    while let [b';', after @ ..] = rest {
        let Some((name, has_value, len)) = parameter(after) else {
            return false;
        };
        if !has_value && name.eq_ignore_ascii_case(b"tag") {
            return false;
        }
        let Some(after) = after.get(len..) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

/// `word [ "@" word ]`, both of characters of a token.
fn call_id(value: &[u8]) -> bool {
    let len = run(value, TOKEN);
    match value.get(len..) {
        Some([]) => len > 0,
        Some([b'@', rest @ ..]) => len > 0 && !rest.is_empty() && run(rest, TOKEN) == rest.len(),
        _ => false,
    }
}

/// `1*DIGIT SP Method`.
fn cseq(value: &[u8], method: Option<&Method>) -> bool {
    let len = run(value, DIGIT);
    let Some([b' ', name @ ..]) = value.get(len..).filter(|_| matches!(len, 1..=9)) else {
        return false;
    };
    match method {
        // RFC 3261 §8.1.1.5: the same as that of the request; methods are compared with case.
        Some(method) => name == method.as_str().as_bytes(),
        None => !name.is_empty() && run(name, UPPER) == name.len(),
    }
}

/// The length of a sip or sips URI without password, escapes, header fields and IPv6 reference.
fn uri(text: &[u8]) -> Option<usize> {
    let start = match text {
        [b's', b'i', b'p', b':', ..] => 4,
        [b's', b'i', b'p', b's', b':', ..] => 5,
        _ => return None,
    };
    // A host has no character that a user does not have, so that what follows tells which it is.
    let mut at = start + run(text.get(start..)?, HOST);
    if matches!(text.get(at), None | Some(b'>' | b':' | b';')) {
        host(text.get(start..at)?)?;
    } else {
        at += run(text.get(at..)?, USER);
        if at == start || text.get(at) != Some(&b'@') {
            return None;
        }
        let from = at + 1;
        at = from + run(text.get(from..)?, HOST);
        host(text.get(from..at)?)?;
    }
    if text.get(at) == Some(&b':') {
        at += 1 + port(text.get(at + 1..)?)?.1;
    }
    while text.get(at) == Some(&b';') {
        at += 1 + uri_parameter(text.get(at + 1..)?)?;
    }
    Some(at)
}

/// The address if it is one, `None` in it for a name.
fn host(text: &[u8]) -> Option<Option<Ipv4Addr>> {
    let (first, last) = (text.first()?, text.last()?);
    if first.is_ascii_digit() {
        return ipv4(text).map(Some);
    }
    (first.is_ascii_alphabetic() && *last != b'-').then_some(None)
}

/// Four decimal numbers without leading zeros.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut octets, mut number, mut digits) = (0_u32, 0_u32, 0);
    let mut dots = 0;
    for &byte in text {
        if byte == b'.' {
            if digits == 0 {
                return None;
            }
            octets = octets << 8 | number;
            (number, digits) = (0, 0);
            dots += 1;
        } else {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            if digit > 9 || (digits > 0 && number == 0) {
                return None;
            }
            number = number * 10 + digit;
            digits += 1;
            if number > 255 {
                return None;
            }
        }
    }
    (dots == 3 && digits > 0).then(|| Ipv4Addr::from_bits(octets << 8 | number))
}

/// A port that can be sent to, and its length.
fn port(text: &[u8]) -> Option<(u16, usize)> {
    let len = run(text, DIGIT);
    let digits = text.get(..len).filter(|_| matches!(len, 1..=5))?;
    let value = |number: u32, digit: &u8| number * 10 + u32::from(digit - b'0');
    let number = digits.iter().fold(0, value);
    let number = u16::try_from(number).ok().filter(|&number| number != 0)?;
    Some((number, len))
}

/// `name [ "=" token ]`: the name, whether there is a value, the length of both.
#[inline(always)]
fn parameter(text: &[u8]) -> Option<(&[u8], bool, usize)> {
    let len = run(text, TOKEN);
    let name = text.get(..len).filter(|name| !name.is_empty())?;
    let Some([b'=', value @ ..]) = text.get(len..) else {
        return Some((name, false, len));
    };
    let value_len = run(value, TOKEN);
    (value_len > 0).then_some((name, true, len + 1 + value_len))
}

/// The length of `pname [ "=" pvalue ]` of plain characters.
fn uri_parameter(text: &[u8]) -> Option<usize> {
    let len = run(text, HOST);
    if len == 0 {
        return None;
    }
    if text.get(len) != Some(&b'=') {
        return Some(len);
    }
    let value = run(text.get(len + 1..)?, HOST);
    (value > 0).then_some(len + 1 + value)
}

/// RFC 3261 §25.1: `token`.
const TOKEN: u8 = 1;
const DIGIT: u8 = 2;
/// Of a host name, and the underscore that peers put there.
const HOST: u8 = 4;
/// Of a user: unreserved, and the "+" of telephone numbers.
const USER: u8 = 8;
/// Of a quoted string: whatever is printed, but quotes and backslashes.
const QUOTED: u8 = 16;
/// Of the methods that there are.
const UPPER: u8 = 32;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        let mut class = 0;
        if byte.is_ascii_alphanumeric() {
            class |= TOKEN | HOST | USER;
        }
        if matches!(
            byte,
            b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        ) {
            class |= TOKEN;
        }
        if matches!(byte, b'-' | b'.' | b'_') {
            class |= HOST;
        }
        if matches!(byte, b'-' | b'.' | b'_' | b'!' | b'~' | b'*' | b'+') {
            class |= USER;
        }
        if byte.is_ascii_digit() {
            class |= DIGIT;
        }
        if byte.is_ascii_uppercase() {
            class |= UPPER;
        }
        if matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\') {
            class |= QUOTED;
        }
        table[byte as usize] = class;
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

/// How many bytes at the front are of a class.
#[inline(always)]
fn run(text: &[u8], class: u8) -> usize {
    let mut rest = text;
    // Four at a time: a branch for each costs more than to look at some of them twice.
    while let Some((four, after)) = rest.split_first_chunk::<4>()
        && four
            .iter()
            .fold(class, |all, &byte| all & CLASSES[usize::from(byte)])
            != 0
    {
        rest = after;
    }
    while let Some((&byte, after)) = rest.split_first()
        && CLASSES[usize::from(byte)] & class != 0
    {
        rest = after;
    }
    text.len() - rest.len()
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
