//! [`RequestLine`] and [`Outline`]: of a request in a datagram what an answer needs, and nothing else.
//!
//! Who has too much to do refuses most of what comes, and to take apart what is refused costs more than the refusal. A refusal needs
//! five fields (RFC 3261 §8.2.6.2) as they are written, so it is enough to find their lines. What is not written as nearly everyone
//! writes it has no outline, and is to be parsed.

use crate::method::Method;
use crate::name::{Key, NameId, place};
use crate::scan;

/// How many lines an answer may copy; a request with more Vias has no outline.
const LINES: usize = 24;

/// The first line of a request: enough to decide whether to look further.
///
/// ```
/// use sip_message::{Method, RequestLine};
///
/// let line = RequestLine::of(b"OPTIONS sip:h SIP/2.0\r\nCall-ID: x\r\n\r\n").unwrap();
/// assert_eq!((line.method(), line.uri()), (&Method::Options, &b"sip:h"[..]));
/// assert!(RequestLine::of(b"SIP/2.0 200 OK\r\n\r\n").is_none());
/// ```
#[derive(Clone, Debug)]
pub struct RequestLine<'a> {
    method: Method,
    uri: &'a [u8],
    /// The datagram from the fields on.
    rest: &'a [u8],
}

impl<'a> RequestLine<'a> {
    /// `None` for a response, for a method that is not registered, and for what has to be looked at closely.
    #[must_use]
    pub fn of(datagram: &'a [u8]) -> Option<Self> {
        let end = memchr::memchr(b'\n', datagram)?;
        let line = datagram.get(..end)?.strip_suffix(b" SIP/2.0\r")?;
        // No registered method is longer, nor shorter.
        let space = line.iter().take(12).position(|&byte| byte == b' ')?;
        let method = Method::known(line.get(..space)?)?;
        let uri = line.get(space + 1..)?;
        // Where there is none it ends with its line.
        let is_plain = !uri.is_empty() && scan::gap(uri, 0).is_none();
        is_plain.then_some(Self {
            method,
            uri,
            rest: datagram.get(end + 1..)?,
        })
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI as it is written: not empty, and of printable characters, but nobody has looked whether it is one.
    #[must_use]
    pub const fn uri(&self) -> &'a [u8] {
        self.uri
    }

    /// Goes on to the fields.
    #[must_use]
    pub fn outline(self) -> Option<Outline<'a>> {
        Outline::of(self)
    }
}

/// A line that an answer copies (RFC 3261 §8.2.6.2), with its line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an answer copies no others")]
pub enum CopiedLine<'a> {
    /// The first Via: the line, and where its value begins and ends in it.
    TopVia(&'a [u8], usize, usize),
    /// To, in the same way.
    To(&'a [u8], usize, usize),
    /// From, Call-ID, CSeq, or another Via.
    Other(&'a [u8]),
}

/// The lines of a request that an answer copies. From, To, Call-ID and CSeq are there once, and a Via at least once; they are
/// printable ASCII and not folded. Nothing is known of the other lines, nor of what is in these.
///
/// ```
/// use sip_message::RequestLine;
///
/// let text = b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
///     Call-ID: x\r\nCSeq: 1 OPTIONS\r\nSubject: else\r\n\r\n";
/// let outline = RequestLine::of(text).unwrap().outline().unwrap();
/// assert_eq!(outline.to(), b"<sip:h>");
/// assert_eq!(outline.lines().count(), 5);
/// ```
#[derive(Clone, Debug)]
pub struct Outline<'a> {
    line: RequestLine<'a>,
    lines: [Line; LINES],
    count: usize,
    top_via: usize,
    to: usize,
    cseq: usize,
}

/// By places in what follows the first line.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    start: u32,
    value: u32,
    value_end: u32,
    end: u32,
}

impl<'a> Outline<'a> {
    fn of(line: RequestLine<'a>) -> Option<Self> {
        let text = line.rest;
        let mut found = Self {
            line,
            lines: [Line::default(); LINES],
            count: 0,
            top_via: LINES,
            to: 0,
            cseq: 0,
        };
        let mut seen = 0_u32;
        let mut at = 0;
        loop {
            let rest = text.get(at..)?;
            // Of the names that are looked for each begins with one of these.
            match rest.first()? {
                b'v' | b'V' | b'f' | b'F' | b't' | b'T' | b'i' | b'I' | b'c' | b'C' => {}
                b'\r' if rest.starts_with(b"\r\n") => break,
                // A fold: of which line, only a parser knows. And lines that are none.
                b' ' | b'\t' | b'\r' | b'\n' => return None,
                _ => {
                    at += memchr::memchr(b'\n', rest)? + 1;
                    continue;
                }
            }
            let Some(key) = Key::at_front(rest) else {
                let end = memchr::memchr(b'\n', rest)?;
                if is_looked_for(rest.get(..end)?) {
                    return None;
                }
                at += end + 1;
                continue;
            };
            let (nth, once) = match key.place() {
                place::VIA => (place::VIA, false),
                nth @ (place::FROM | place::TO | place::CALL_ID | place::CSEQ) => (nth, true),
                _ => {
                    at += memchr::memchr(b'\n', rest)? + 1;
                    continue;
                }
            };
            if once && seen & 1 << nth != 0 {
                return None;
            }
            seen |= 1 << nth;
            let (line, behind) = scan::until_special(rest)?;
            if !behind.starts_with(b"\r\n") {
                return None;
            }
            let value = line.get(key.len()..)?.trim_ascii_start();
            let value_at = line.len() - value.len();
            // No datagram has 2^32 bytes.
            *found.lines.get_mut(found.count)? = Line {
                start: at as u32,
                value: (at + value_at) as u32,
                value_end: (at + value_at + value.trim_ascii_end().len()) as u32,
                end: (at + line.len() + 2) as u32,
            };
            match nth {
                place::VIA if found.top_via == LINES => found.top_via = found.count,
                place::TO => found.to = found.count,
                place::CSEQ => found.cseq = found.count,
                _ => {}
            }
            found.count += 1;
            at += line.len() + 2;
        }
        const ALL: u32 = 1 << place::FROM
            | 1 << place::TO
            | 1 << place::CALL_ID
            | 1 << place::CSEQ
            | 1 << place::VIA;
        (seen == ALL).then_some(found)
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.line.method
    }

    /// The value of the first Via field, as the first so many bytes of what is there of the datagram.
    #[must_use]
    pub fn via_and_beyond(&self) -> (&'a [u8], usize) {
        self.value_and_beyond(self.top_via)
    }

    /// The value of CSeq, in the same way.
    #[must_use]
    pub fn cseq_and_beyond(&self) -> (&'a [u8], usize) {
        self.value_and_beyond(self.cseq)
    }

    /// The value of To.
    #[must_use]
    pub fn to(&self) -> &'a [u8] {
        let (beyond, len) = self.value_and_beyond(self.to);
        beyond.get(..len).unwrap_or_default()
    }

    /// The lines in their order.
    pub fn lines(&self) -> impl Iterator<Item = CopiedLine<'a>> + '_ {
        let lines = self.lines.get(..self.count).unwrap_or_default();
        lines.iter().enumerate().map(|(nth, line)| {
            let text = self.text(line.start, line.end);
            let value = (line.value - line.start) as usize;
            let value_end = (line.value_end - line.start) as usize;
            if nth == self.top_via {
                CopiedLine::TopVia(text, value, value_end)
            } else if nth == self.to {
                CopiedLine::To(text, value, value_end)
            } else {
                CopiedLine::Other(text)
            }
        })
    }

    fn value_and_beyond(&self, nth: usize) -> (&'a [u8], usize) {
        let Some(line) = self.lines.get(nth) else {
            return (&[], 0);
        };
        let rest = self.line.rest;
        let beyond = rest.get(line.value as usize..).unwrap_or_default();
        (beyond, (line.value_end - line.value) as usize)
    }

    fn text(&self, start: u32, end: u32) -> &'a [u8] {
        let rest = self.line.rest;
        rest.get(start as usize..end as usize).unwrap_or_default()
    }
}

/// Does a line have one of the names that are looked for, though its colon is not right behind it?
#[cold]
fn is_looked_for(line: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else {
        return false;
    };
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    let places = [
        place::VIA,
        place::FROM,
        place::TO,
        place::CALL_ID,
        place::CSEQ,
    ];
    places.contains(&NameId::lookup(name).place())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeaderName, Message, ParserConfig};
    use proptest::prelude::*;

    const INVITE: &str = "INVITE sip:b@h SIP/2.0\r\nSubject: x\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nCustom: y\r\n\
        v:  SIP/2.0/TCP b \r\nMax-Forwards: 7\r\nFROM: \"A\" <sip:a@h>;tag=1\r\nt: <sip:b@h>\r\ni: c@d\r\nCSeq: 1 INVITE\r\n\
        Contact: <sip:a@h>\r\nContent-Length: 4\r\n\r\nTo: ";

    fn outline(text: &str) -> Option<Outline<'_>> {
        RequestLine::of(text.as_bytes())?.outline()
    }

    #[test]
    fn rfc3261_8_2_6_2_what_an_answer_copies_is_found() {
        let outline = outline(INVITE).unwrap();
        assert_eq!(outline.method(), &Method::Invite);
        assert_eq!(outline.to(), b"<sip:b@h>");
        let (beyond, len) = outline.cseq_and_beyond();
        assert_eq!(&beyond[..len], b"1 INVITE");
        let text = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
        let lines: Vec<_> = outline
            .lines()
            .map(|line| match line {
                CopiedLine::TopVia(line, from, to) => ("top", text(line), text(&line[from..to])),
                CopiedLine::To(line, from, to) => ("to", text(line), text(&line[from..to])),
                CopiedLine::Other(line) => ("", text(line), String::new()),
            })
            .collect();
        let expected = [
            (
                "top",
                "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n",
                "SIP/2.0/UDP a;branch=z9hG4bK1",
            ),
            ("", "v:  SIP/2.0/TCP b \r\n", ""),
            ("", "FROM: \"A\" <sip:a@h>;tag=1\r\n", ""),
            ("to", "t: <sip:b@h>\r\n", "<sip:b@h>"),
            ("", "i: c@d\r\n", ""),
            ("", "CSeq: 1 INVITE\r\n", ""),
        ];
        let expected = expected.map(|(a, b, c)| (a, b.to_owned(), c.to_owned()));
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_has_to_be_parsed_has_no_outline() {
        for (what, instead) in [
            ("t: <sip:b@h>\r\n", ""),
            ("Via:", "Nia:"),
            ("FROM:", "FROM :"),
            ("i: c@d", "i: c@d\r\nCall-ID: e"),
            ("Custom: y", "Custom: y\r\n z"),
            ("Custom: y", "Via : SIP/2.0/UDP c"),
            ("\"A\"", "\"\u{c4}\""),
            ("\"A\"", "\"\0\""),
            ("c@d\r\n", "c@d\n"),
            ("c@d\r\n", "c\r@d\r\n"),
            ("INVITE sip", "INVENT sip"),
            ("sip:b@h SIP", "sip:b@h  SIP"),
            ("SIP/2.0\r\nS", "SIP/2.0\nS"),
            ("SIP/2.0\r\nS", "SIP/3.0\r\nS"),
            ("\r\n\r\nTo: ", ""),
            ("\r\n\r\nTo: ", "\r\n"),
        ] {
            let text = if what.contains("Via:") {
                INVITE.replace(what, instead).replace("\r\nv:", "\r\nn:")
            } else {
                INVITE.replacen(what, instead, 1)
            };
            assert_ne!(text, INVITE, "{what}");
            assert!(outline(&text).is_none(), "{text}");
        }
        let vias = "Via: SIP/2.0/UDP c\r\n".repeat(LINES);
        assert!(outline(&INVITE.replace("Subject: x\r\n", &vias)).is_none());
    }

    /// Is it the line of one of those fields?
    fn is_copied(name: &HeaderName) -> bool {
        matches!(
            name,
            HeaderName::Via
                | HeaderName::From
                | HeaderName::To
                | HeaderName::CallId
                | HeaderName::CSeq
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// One to three bytes are others, are gone or come in: where the parser takes the message too, it finds the same lines.
        #[test]
        fn the_parser_agrees(
            edits in proptest::collection::vec(
                (any::<prop::sample::Index>(), prop_oneof![Just('\r'), Just('\n'), Just(':'), Just(' '), proptest::char::range(' ', '~')], 0..3_u8),
                1..4,
            ),
        ) {
            let mut text = INVITE.as_bytes().to_vec();
            for (at, with, how) in edits {
                let at = at.index(text.len());
                match how {
                    0 => text[at] = with as u8,
                    1 => text.insert(at, with as u8),
                    _ => drop(text.remove(at)),
                }
            }
            let outline = RequestLine::of(&text).and_then(RequestLine::outline);
            let parsed = Message::parse(bytes::Bytes::copy_from_slice(&text), &ParserConfig::default());
            if let (Some(outline), Ok(Message::Request(request))) = (outline, parsed) {
                prop_assert_eq!(outline.method(), request.method());
                let lines: Vec<_> = outline.lines().map(|line| match line {
                    CopiedLine::TopVia(line, ..) | CopiedLine::To(line, ..) | CopiedLine::Other(line) => line,
                }).collect();
                let fields = request.headers().fields().filter(|field| is_copied(&field.name()));
                prop_assert_eq!(lines, fields.map(|field| field.line()).collect::<Vec<_>>());
                prop_assert_eq!(Some(outline.to()), request.headers().get_bytes(HeaderName::To));
                let (beyond, len) = outline.via_and_beyond();
                prop_assert_eq!(Some(&beyond[..len]), request.headers().get_bytes(HeaderName::Via));
            }
        }
    }
}
