//! Finds the few bytes that identify a transaction without decoding the fields that they are in.
//!
//! What is written as nearly everybody writes it is found eight bytes at a time; anything else (white space in odd
//! places, quotes, folds, IPv6 references) is left to the typed fields of `sip-message`. Both ways give the same bytes.

use memchr::memrchr;
use sip_message::{HeaderName, Headers};

/// What matching needs of the top Via (RFC 3261 §17.1.3, §17.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopVia<'a> {
    /// The host, and the port if there is one.
    pub(crate) sent_by: &'a [u8],
    /// Empty if there is none.
    pub(crate) branch: &'a [u8],
}

impl<'a> TopVia<'a> {
    /// `decoded` is the place for what is not in the message as it is compared.
    #[inline]
    pub(crate) fn of(
        headers: &'a Headers,
        decoded: &'a mut Option<(Vec<u8>, Vec<u8>)>,
    ) -> Option<Self> {
        let value = headers.get_bytes(HeaderName::Via)?;
        Self::scan(value).or_else(|| Self::decode(headers, decoded))
    }

    /// `SIP/2.0/UDP host:port;name=value;branch=value`; what comes behind is of no concern.
    pub(crate) fn scan(value: &'a [u8]) -> Option<Self> {
        let (version, rest) = value.split_first_chunk::<8>()?;
        if version != b"SIP/2.0/" {
            return None;
        }
        // UDP, TCP, TLS, TWS and others have three letters.
        let rest = match rest.split_first_chunk::<4>() {
            Some(([a, b, c, b' '], rest)) if *a > b' ' && *b > b' ' && *c > b' ' => rest,
            _ => {
                let space = rest.iter().position(|byte| *byte == b' ')?;
                rest.get(space + 1..)?
            }
        };
        // A host that is an IPv6 reference is compared as it is understood.
        if matches!(rest.first(), None | Some(b':' | b'[')) {
            return None;
        }
        let (sent_by, mut params) = until_separator(rest)?;
        // Where nearly everybody writes it.
        if let Some((start, rest)) = params.split_first_chunk::<8>()
            && let [b';', name @ ..] = *start
            && is_branch(name)
        {
            let (branch, _) = until_separator(rest)?;
            return Self::new(sent_by, branch);
        }
        let mut branch: &[u8] = &[];
        while let Some((b';', rest)) = params.split_first() {
            let (param, others) = until_separator(rest)?;
            if let Some((name, value)) = param.split_first_chunk::<7>()
                && is_branch(*name)
            {
                branch = value;
                break;
            }
            params = others;
        }
        Self::new(sent_by, branch)
    }

    fn new(sent_by: &'a [u8], branch: &'a [u8]) -> Option<Self> {
        (!sent_by.is_empty()).then_some(Self { sent_by, branch })
    }

    #[cold]
    fn decode(headers: &Headers, decoded: &'a mut Option<(Vec<u8>, Vec<u8>)>) -> Option<Self> {
        let via = headers.top_via()?;
        let mut sent_by = via.host().to_string();
        if let Some(port) = via.port() {
            sent_by.push_str(&format!(":{port}"));
        }
        let branch = via.branch().unwrap_or_default().as_bytes().to_vec();
        let (sent_by, branch) = decoded.insert((sent_by.into_bytes(), branch));
        Some(Self { sent_by, branch })
    }
}

/// `branch=` in any case.
const fn is_branch([a, b, c, d, e, f, equals]: [u8; 7]) -> bool {
    let name = u64::from_le_bytes([a, b, c, d, e, f, equals, 0]);
    name | 0x0000_2020_2020_2020 == u64::from_le_bytes(*b"branch=\0")
}

/// The number and the method of CSeq, as they are written.
pub(crate) fn cseq(headers: &Headers) -> Option<(&[u8], &[u8])> {
    let value = headers.get_bytes(HeaderName::CSeq)?;
    let digits = value
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, method) = value.split_at_checked(digits)?;
    let method = method.trim_ascii();
    (!number.is_empty() && !method.is_empty()).then_some((number, method))
}

/// The method of CSeq, as it is written.
pub(crate) fn cseq_method(headers: &Headers) -> Option<&[u8]> {
    let value = headers.get_bytes(HeaderName::CSeq)?;
    let space = value
        .iter()
        .rposition(|byte| matches!(byte, b' ' | b'\t'))?;
    value.first().filter(|first| first.is_ascii_digit())?;
    value.get(space + 1..)
}

/// The number at the start of a CSeq value; 0 if there is none.
pub(crate) fn number(value: &[u8]) -> u32 {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u32, digit| {
        number
            .wrapping_mul(10)
            .wrapping_add(u32::from(digit - b'0'))
    })
}

/// The tag of a From or To value; empty if there is none. `typed` decodes it if the scan cannot.
pub(crate) fn tag<'a>(value: &'a [u8], typed: impl FnOnce() -> Option<&'a str>) -> &'a [u8] {
    scan_tag(value).unwrap_or_else(|| typed().unwrap_or_default().as_bytes())
}

pub(crate) fn scan_tag(value: &[u8]) -> Option<&[u8]> {
    if value.ends_with(b">") {
        return Some(&[]);
    }
    // Behind the closing bracket there are only parameters.
    let bracket = memrchr(b'>', value)?;
    let mut params = value.get(bracket + 1..)?;
    if let Some(rest) = params.strip_prefix(b";tag=") {
        return until_separator(rest).map(|(tag, _)| tag);
    }
    while let Some((b';', rest)) = params.split_first() {
        let (param, others) = until_separator(rest)?;
        if let Some((name, value)) = param.split_at_checked(4)
            && name.eq_ignore_ascii_case(b"tag=")
        {
            return Some(value);
        }
        params = others;
    }
    params.is_empty().then_some(&[])
}

/// Where a scan stops: separators, and what it does not understand.
static SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &[u8] = b";, \t\r\"";
    while let [byte, others @ ..] = rest {
        #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
        {
            table[*byte as usize] = true;
        }
        rest = others;
    }
    table
};

/// What is before the next semicolon or comma, and the rest with it. None if there is something that a scan does not
/// understand.
#[inline(always)]
fn until_separator(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(place) = find_special(text) else {
        return Some((text, &[]));
    };
    let (before, rest) = text.split_at_checked(place)?;
    matches!(rest.first(), Some(b';' | b',')).then_some((before, rest))
}

/// The place of the first special byte.
#[inline(always)]
fn find_special(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        if let Some(place) = special_in(u64::from_le_bytes(*word)) {
            return Some(at + place);
        }
        at += 8;
    }
    if rest.is_empty() {
        return None;
    }
    let Some(last) = text.last_chunk::<8>() else {
        return rest.iter().position(is_special);
    };
    // The last eight bytes without those that were looked at.
    const NOTHING: u64 = u64::from_le_bytes([b'x'; 8]);
    let seen = 8 * (8 - rest.len() as u32);
    let word = (u64::from_le_bytes(*last) >> seen) | (NOTHING << (64 - seen));
    special_in(word).map(|place| at + place)
}

/// The place of the first special byte of eight.
#[inline(always)]
fn special_in(word: u64) -> Option<usize> {
    let mut suspects = suspects(word);
    while suspects != 0 {
        let place = suspects.trailing_zeros() / 8;
        if is_special(&((word >> (8 * place)) as u8)) {
            return Some(place as usize);
        }
        suspects &= suspects - 1;
    }
    None
}

fn is_special(byte: &u8) -> bool {
    SPECIAL.get(usize::from(*byte)) == Some(&true)
}

/// The highest bits of all bytes that are below `-` or a `;`, as all special bytes are, and of some of those that follow
/// one. Zero if there is none.
const fn suspects(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    const fn below(word: u64, byte: u64) -> u64 {
        word.wrapping_sub(byte * ONES) & !word & HIGH
    }
    below(word, b'-' as u64) | below(word ^ (b';' as u64 * ONES), 1)
}

#[cfg(test)]
mod tests {
    use sip_message::{Message, ParserConfig};

    use super::*;

    fn headers(via: &str, from: &str, cseq: &str) -> Message {
        let text = format!(
            "OPTIONS sip:h SIP/2.0\r\nVia: {via}\r\nFrom: {from}\r\nTo: <sip:b@h>\r\nCall-ID: x\r\nCSeq: {cseq}\r\n\r\n"
        );
        Message::parse(text.into(), &ParserConfig::default()).unwrap()
    }

    #[test]
    fn special_bytes_are_found_at_every_place() {
        for length in 0..40_usize {
            for byte in 0..=255_u8 {
                for place in 0..length {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    // A byte that is not special, but looks so at first.
                    text[length / 2] = if place == length / 2 { byte } else { b'!' };
                    let expected = text.iter().position(|byte| b";, \t\r\"".contains(byte));
                    assert_eq!(
                        find_special(&text),
                        expected,
                        "{byte} at {place} of {length}"
                    );
                }
            }
        }
    }

    /// Whatever the scan finds, decoding finds too; where it gives up is no matter.
    #[test]
    fn the_scan_agrees_with_the_typed_fields() {
        let mut scanned = 0;
        for via in [
            "SIP/2.0/UDP host;branch=z9hG4bK1",
            "SIP/2.0/UDP host:5060;branch=z9hG4bK1;rport",
            "SIP/2.0/TCP 192.0.2.1:5062;rport;received=192.0.2.9;BRANCH=z9hG4bK-a.b~c",
            "SIP/2.0/UDP host",
            "SIP/2.0/UDP host;xbranch=1;branch=2",
            "SIP/2.0/UDP host;branch=a, SIP/2.0/UDP other;branch=b",
            "SIP/2.0/UDP host , SIP/2.0/UDP other;branch=b",
            "SIP / 2.0 / UDP host : 5060 ; branch = a",
            "SIP/2.0/ UD host;branch=a",
            "SIP/2.0/U D host;branch=a",
            "SIP/2.0/U host;branch=a",
            "SIP/2.0/WSS host;branch=a",
            "SIP/2.0/TLS-SCTP host;branch=a",
            "SIP/2.0/UDP [2001:db8::1]:5060;branch=a",
            "SIP/2.0/UDP [2001:db8::1];branch=a",
            "SIP/2.0/UDP host;x=\"a,b;branch=no\";branch=yes",
            "SIP/2.0/UDP host\r\n ;branch=a",
            "SIP/2.0/UDP host:65536;branch=a",
            "SIP/2.0/UDP host;branch=z9hG4bK!1234567%89*0+abcdefgh'~x,y;branch=no",
            "SIP/2.0/UDP a-much-longer.host.name.example.com:5060;x=1;y;branch=z9hG4bK0123456789abcdef;z",
            "SIP/2.0/UDP host;branch=",
            "SIP/2.0/UDP ;branch=a",
        ] {
            let message = headers(via, "<sip:a@h>;tag=1", "1 OPTIONS");
            let value = message.headers().get_bytes(HeaderName::Via).unwrap();
            let mut place = None;
            if let (Some(scan), Some(decoded)) = (
                TopVia::scan(value),
                TopVia::decode(message.headers(), &mut place),
            ) {
                assert_eq!(scan, decoded, "{via}");
                scanned += 1;
            }
        }
        assert!(scanned >= 8, "{scanned}");
        let mut scanned = 0;
        for from in [
            "<sip:a@h>;tag=1",
            "\"A > B\" <sip:a@h;tag=uri>;x=1;TAG=2;y",
            "Alice <sip:a@h>",
            "sip:a@h;tag=3",
            "<sip:a@h> ; tag = 4",
            "<sip:a@h>;x=\"a>;tag=no\";tag=5",
            "<sip:a@h>;mytag=1",
        ] {
            let message = headers("SIP/2.0/UDP h;branch=1", from, "1 OPTIONS");
            let headers = message.headers();
            let tag = tag(headers.get_bytes(HeaderName::From).unwrap(), || {
                headers.from_tag()
            });
            assert_eq!(
                tag,
                headers.from_tag().unwrap_or_default().as_bytes(),
                "{from}"
            );
            scanned += usize::from(!tag.is_empty());
        }
        assert_eq!(scanned, 5);
        for (text, expected) in [
            ("1 OPTIONS", ("1", "OPTIONS")),
            ("0042 \t OPTIONS", ("0042", "OPTIONS")),
        ] {
            let message = headers("SIP/2.0/UDP h;branch=1", "<sip:a@h>;tag=1", text);
            let (number, method) = cseq(message.headers()).unwrap();
            assert_eq!(
                (number, method),
                (expected.0.as_bytes(), expected.1.as_bytes())
            );
            assert_eq!(cseq_method(message.headers()), Some(method));
        }
    }
}
