//! Whether a message is one that this layer takes, told in one pass over its fields where they are written as nearly
//! everyone writes them.
//!
//! [`Message::validate`](sip_message::Message::validate) says it for every message, by decoding each field. Most messages
//! have no folds, escapes, comments or white space where none is needed; for these it is enough to see that each byte is
//! of the class that its place wants. What is found usual here is valid; what is not has to be validated. The properties
//! below hold the two together.

mod addresses;
mod scan;

use std::net::Ipv4Addr;

use sip_message::{HeaderName, Method, Outline, RawFields, Request, Response};

pub(crate) use self::addresses::Addresses;
use self::scan::{Scan, WINDOW};

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
pub(crate) fn request(request: &Request, known: &mut Addresses) -> Option<UsualVia> {
    let (beyond, len) = request.uri_and_beyond();
    if len < WINDOW {
        only_uri::<false>(beyond, len, known)?;
    } else {
        long_uri(beyond, len, known)?;
    }
    let raw = request.headers().raw();
    match raw.get_and_beyond(HeaderName::MaxForwards) {
        Some((&[b'0'..=b'9', ..], 1) | (&[b'0'..=b'9', b'0'..=b'9', ..], 2)) => {}
        Some(_) => return None,
        None if request.headers().contains(HeaderName::MaxForwards) => return None,
        None => {}
    }
    fields(raw, Some(request.method()), known)
}

/// The same for a response.
pub(crate) fn response(response: &Response, known: &mut Addresses) -> Option<UsualVia> {
    fields(response.headers().raw(), None, known)
}

/// Of a request of which nothing else is read: what an answer needs is well-formed.
pub(crate) fn outline(outline: &Outline<'_>, known: &mut Addresses) -> Option<UsualVia> {
    let (beyond, len) = outline.cseq_and_beyond();
    // An ACK has a method of its own too.
    cseq(beyond, len, Some(outline.method()))?;
    let (beyond, len) = outline.via_and_beyond();
    any_via(beyond, len, known)
}

#[inline(always)]
fn only_uri<const LONG: bool>(beyond: &[u8], len: usize, known: &mut Addresses) -> Option<()> {
    let mut scan = Scan::<LONG>::new(beyond, len)?;
    (uri(&mut scan, 0, known)? == len).then_some(())
}

#[inline(never)]
fn long_uri(beyond: &[u8], len: usize, known: &mut Addresses) -> Option<()> {
    only_uri::<true>(beyond, len, known)
}

#[inline(always)]
fn fields(raw: RawFields<'_>, method: Option<&Method>, known: &mut Addresses) -> Option<UsualVia> {
    let (beyond, len) = raw.get_and_beyond(HeaderName::From)?;
    any_party(beyond, len, known)?;
    let (beyond, len) = raw.get_and_beyond(HeaderName::To)?;
    any_party(beyond, len, known)?;
    let (beyond, len) = raw.get_and_beyond(HeaderName::CallId)?;
    if len < WINDOW {
        call_id(Scan::<false>::new(beyond, len)?)?;
    } else {
        long_call_id(beyond, len)?;
    }
    let (beyond, len) = raw.get_and_beyond(HeaderName::CSeq)?;
    cseq(beyond, len, method)?;
    let (beyond, len) = raw.get_and_beyond(HeaderName::Via)?;
    any_via(beyond, len, known)
}

#[inline(always)]
fn any_via(beyond: &[u8], len: usize, known: &mut Addresses) -> Option<UsualVia> {
    if len < WINDOW {
        via(Scan::<false>::new(beyond, len)?, known)
    } else {
        long_via(beyond, len, known)
    }
}

#[inline(never)]
fn long_via(beyond: &[u8], len: usize, known: &mut Addresses) -> Option<UsualVia> {
    via(Scan::<true>::new(beyond, len)?, known)
}

/// `SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport`.
#[inline(always)]
fn via<const LONG: bool>(mut scan: Scan<'_, LONG>, known: &mut Addresses) -> Option<UsualVia> {
    let rest = scan.text().strip_prefix(b"SIP/2.0/")?;
    let host_at: u32 = match rest.first_chunk()? {
        b"UDP " | b"TCP " | b"TLS " | b"WSS " => 12,
        [b'W', b'S', b' ', _] => 11,
        _ => return None,
    };
    scan.skip(host_at);
    let host_at = host_at as usize;
    let mut at = scan.next();
    let name = scan.text().get(host_at..at)?;
    let mut via = UsualVia {
        host: host(name, known)?,
        host_at,
        host_len: name.len(),
        port: None,
        rport: None,
        alias: false,
    };
    if scan.byte(at) == Some(b':') {
        let end = scan.next();
        via.port = Some(port(scan.text().get(at + 1..end)?)?);
        at = end;
    }
    while scan.byte(at) == Some(b';') {
        let (name_end, end) = parameter(&mut scan, at + 1)?;
        // Names differ by their lengths first.
        let len = name_end - (at + 1);
        if matches!(len, 5 | 8) {
            let name = scan.text().get(at + 1..name_end)?;
            if name.eq_ignore_ascii_case(b"rport") {
                // One that says a port already is a lie, or a copy.
                if via.rport.is_some() || end != at + RPORT {
                    return None;
                }
                via.rport = Some(at);
            } else if name.eq_ignore_ascii_case(b"alias") {
                via.alias = true;
            } else if name.eq_ignore_ascii_case(b"maddr") || name.eq_ignore_ascii_case(b"received")
            {
                return None;
            }
        }
        at = end;
    }
    // More values in the same line are looked at closely.
    (at == scan.text().len()).then_some(via)
}

/// `"Alice" <sip:alice@example.com>;tag=1`, with or without the name and the quotes.
#[inline(never)] // From and To.
fn party<const LONG: bool>(beyond: &[u8], len: usize, known: &mut Addresses) -> Option<()> {
    let mut scan = Scan::<LONG>::new(beyond, len)?;
    let mut at = scan.next();
    if at > 0 {
        // One word without quotes.
        at = rest_of_token(&mut scan, at);
        if scan.byte(at) != Some(b' ') {
            return None;
        }
        at = next_to(&mut scan, at)?;
    } else if scan.byte(0) == Some(b'"') {
        loop {
            at = scan.next();
            match scan.byte(at)? {
                b'"' => break,
                // Whatever is printed, but backslashes.
                b'\\' => return None,
                b' '..=b'~' => {}
                _ => return None,
            }
        }
        at = next_to(&mut scan, at)?;
        if scan.byte(at) == Some(b' ') {
            at = next_to(&mut scan, at)?;
        }
    }
    if scan.byte(at) != Some(b'<') {
        return None;
    }
    at = uri(&mut scan, at + 1, known)?;
    if scan.byte(at) != Some(b'>') {
        return None;
    }
    at = next_to(&mut scan, at)?;
    while scan.byte(at) == Some(b';') {
        let (name_end, end) = parameter(&mut scan, at + 1)?;
        // Without a value.
        if end == at + 4
            && name_end == end
            && scan.text().get(at + 1..end)?.eq_ignore_ascii_case(b"tag")
        {
            return None;
        }
        at = end;
    }
    (at == len).then_some(())
}

#[inline(always)]
fn any_party(beyond: &[u8], len: usize, known: &mut Addresses) -> Option<()> {
    if len < WINDOW {
        party::<false>(beyond, len, known)
    } else {
        party::<true>(beyond, len, known)
    }
}

/// The place behind one that was passed, if it is no plain byte, or the end.
#[inline(always)]
fn next_to<const LONG: bool>(scan: &mut Scan<'_, LONG>, at: usize) -> Option<usize> {
    let next = scan.next();
    (next == at + 1).then_some(next)
}

/// `word [ "@" word ]`, both of characters of a token.
#[inline(always)]
fn call_id<const LONG: bool>(mut scan: Scan<'_, LONG>) -> Option<()> {
    let (len, at) = (scan.text().len(), token(&mut scan));
    let is_usual = if at == len {
        len > 0
    } else {
        at > 0 && scan.byte(at) == Some(b'@') && at + 1 < len && token(&mut scan) == len
    };
    is_usual.then_some(())
}

#[inline(never)]
fn long_call_id(beyond: &[u8], len: usize) -> Option<()> {
    call_id(Scan::<true>::new(beyond, len)?)
}

/// `1*DIGIT SP Method`.
#[inline(always)]
fn cseq(beyond: &[u8], len: usize, method: Option<&Method>) -> Option<()> {
    let digits = digits(beyond)?;
    let Some([b' ', name @ ..]) = beyond.get(digits..len) else {
        return None;
    };
    let is_usual = match method {
        // RFC 3261 §8.1.1.5: the same as that of the request; methods are compared with case.
        Some(method) => name == method.as_str().as_bytes(),
        None => !name.is_empty() && name.iter().all(u8::is_ascii_uppercase),
    };
    is_usual.then_some(())
}

/// How many digits the text begins with, if they are one to seven and eight bytes are there: numbers that are longer are
/// looked at closely.
#[inline(always)]
fn digits(text: &[u8]) -> Option<usize> {
    // A digit is now its value, and everything else more than nine.
    let values = u64::from_le_bytes(*text.first_chunk()?) ^ 0x3030_3030_3030_3030;
    // The lowest mark is right; a carry only reaches bytes above one that is marked.
    let marks = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
    let digits = (marks.trailing_zeros() / 8) as usize;
    matches!(digits, 1..=7).then_some(digits)
}

/// The end of a sip or sips URI without password, escapes, header fields and IPv6 reference.
#[inline(always)]
fn uri<const LONG: bool>(
    scan: &mut Scan<'_, LONG>,
    at: usize,
    known: &mut Addresses,
) -> Option<usize> {
    // The letters are plain.
    let colon = scan.next();
    match scan.text().get(at..)?.first_chunk()? {
        b"sip:" => {}
        b"sips" if colon == at + 4 && scan.byte(colon) == Some(b':') => {}
        _ => return None,
    }
    let start = colon + 1;
    let mut from = start;
    let mut at = scan.next();
    let plain = at;
    // Unreserved characters that no host has, and the "+" of telephone numbers.
    while let Some(b'+' | b'_' | b'!' | b'~' | b'*') = scan.byte(at) {
        at = scan.next();
    }
    if scan.byte(at) == Some(b'@') {
        if at == start {
            return None;
        }
        from = at + 1;
        at = scan.next();
    } else if at != plain {
        return None;
    }
    host(scan.text().get(from..at)?, known)?;
    if scan.byte(at) == Some(b':') {
        let end = scan.next();
        port(scan.text().get(at + 1..end)?)?;
        at = end;
    }
    while scan.byte(at) == Some(b';') {
        at = uri_parameter(scan, at + 1)?;
    }
    Some(at)
}

/// The address if it is one, `None` in it for a name. Of plain characters.
#[inline(always)]
fn host(text: &[u8], known: &mut Addresses) -> Option<Option<Ipv4Addr>> {
    let (first, last) = (text.first()?, text.last()?);
    if first.is_ascii_digit() {
        return known.read(text).map(Some);
    }
    (first.is_ascii_alphabetic() && *last != b'-').then_some(None)
}

/// A port that can be sent to.
#[inline(always)]
fn port(digits: &[u8]) -> Option<u16> {
    let number = match *digits {
        [a, b, c, d] => four_digits([a, b, c, d])?,
        [a, b, c, d, e] => {
            four_digits([a, b, c, d])? * 10 + u32::from(e.is_ascii_digit().then(|| e - b'0')?)
        }
        [_, ..] if digits.len() < 4 => {
            let mut four = [b'0'; 4];
            for (to, &from) in four.iter_mut().rev().zip(digits.iter().rev()) {
                *to = from;
            }
            four_digits(four)?
        }
        _ => return None,
    };
    u16::try_from(number).ok().filter(|&number| number != 0)
}

/// All four at once.
#[inline(always)]
const fn four_digits(digits: [u8; 4]) -> Option<u32> {
    // A digit is now its value, and everything else more than nine.
    let values = u32::from_le_bytes(digits) ^ 0x3030_3030;
    if (values.wrapping_add(0x7676_7676) | values) & 0x8080_8080 != 0 {
        return None;
    }
    // The first digit is in the lowest byte: two neighbours become a number, and then those two.
    let pairs = (values * 10 + (values >> 8)) & 0x00ff_00ff;
    Some((pairs * 100 + (pairs >> 16)) & 0xffff)
}

/// Where the name and the whole end of `name [ "=" token ]`.
#[inline(always)]
fn parameter<const LONG: bool>(scan: &mut Scan<'_, LONG>, at: usize) -> Option<(usize, usize)> {
    let name_end = token(scan);
    if name_end == at {
        return None;
    }
    if scan.byte(name_end) != Some(b'=') {
        return Some((name_end, name_end));
    }
    let end = token(scan);
    (end > name_end + 1).then_some((name_end, end))
}

/// The end of `pname [ "=" pvalue ]` of plain characters.
#[inline(always)]
fn uri_parameter<const LONG: bool>(scan: &mut Scan<'_, LONG>, at: usize) -> Option<usize> {
    let end = scan.next();
    if end == at {
        return None;
    }
    if scan.byte(end) != Some(b'=') {
        return Some(end);
    }
    let value_end = scan.next();
    (value_end > end + 1).then_some(value_end)
}

/// RFC 3261 §25.1: where what begins behind the last stop is no `token` any more.
#[inline(always)]
fn token<const LONG: bool>(scan: &mut Scan<'_, LONG>) -> usize {
    let at = scan.next();
    rest_of_token(scan, at)
}

#[inline(always)]
fn rest_of_token<const LONG: bool>(scan: &mut Scan<'_, LONG>, at: usize) -> usize {
    let mut at = at;
    while scan.byte(at).is_some_and(goes_on) {
        at = scan.next();
    }
    at
}

/// Is it of a token, though not plain? By a table, which is less than as many comparisons.
#[inline(always)]
fn goes_on(byte: u8) -> bool {
    #[expect(clippy::indexing_slicing, reason = "const evaluation")]
    static GOES_ON: [bool; 256] = {
        let mut table = [false; 256];
        let more = b"_!%*+`'~";
        let mut nth = 0;
        while nth < more.len() {
            table[more[nth] as usize] = true;
            nth += 1;
        }
        table
    };
    GOES_ON.get(usize::from(byte)).is_some_and(|&more| more)
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
            Message::Request(one) => request(one, &mut Addresses::default()),
            Message::Response(one) => response(one, &mut Addresses::default()),
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
    fn a_port_is_its_digits() {
        for number in 0..=u32::from(u16::MAX) + 9 {
            let expected = u16::try_from(number).ok().filter(|&port| port != 0);
            assert_eq!(port(number.to_string().as_bytes()), expected, "{number}");
        }
        for text in [
            "",
            "506a",
            "/060",
            ":",
            "1:",
            "5060 ",
            "500000",
            "+506",
            "\u{ff}506",
        ] {
            assert_eq!(port(text.as_bytes()), None, "{text}");
        }
        assert_eq!(port(b"05060"), Some(5060));
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
