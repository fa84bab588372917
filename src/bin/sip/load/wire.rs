//! As much of a message as a generator of load has to know: located by one pass over the lines, never decoded.

use bytes::Bytes;
use memchr::memchr;

/// The first bytes of every branch of ours; RFC 3261 section 8.1.1.7 asks for the first seven.
pub(super) const BRANCH: &[u8] = b"z9hG4bKld";
/// The first bytes of every Call-ID of a call of ours.
pub(super) const CALL_ID: &[u8] = b"ld";

/// Which operation a message belongs to: its place in the table, and how often that place was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl Id {
    /// Sixteen hexadecimal digits.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let mut number = u64::from(self.slot) << 32 | u64::from(self.generation);
        let mut digits = [0; 16];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789abcdef"
                .get((number & 15) as usize)
                .copied()
                .unwrap_or_default();
            number >>= 4;
        }
        out.extend_from_slice(&digits);
    }

    /// Reads what [`write`](Self::write) wrote, at the beginning of `text`.
    fn read(text: &[u8]) -> Option<Self> {
        let mut number = 0_u64;
        for byte in text.get(..16)? {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                _ => return None,
            };
            number = number << 4 | u64::from(digit);
        }
        Some(Self {
            slot: (number >> 32) as u32,
            generation: (number & u64::from(u32::MAX)) as u32,
        })
    }

    fn after(prefix: &[u8], text: &[u8]) -> Option<(Self, u8)> {
        let rest = text.strip_prefix(prefix)?;
        Some((Self::read(rest)?, rest.get(16).copied().unwrap_or_default()))
    }
}

/// The header fields that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    RecordRoute,
    ContentLength,
    Challenge,
    Other,
}

fn field(name: &[u8]) -> Field {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    match (name.len(), name.first().map(u8::to_ascii_lowercase)) {
        (1, Some(b'v')) => Field::Via,
        (1, Some(b'f')) => Field::From,
        (1, Some(b't')) => Field::To,
        (1, Some(b'i')) => Field::CallId,
        (1, Some(b'm')) => Field::Contact,
        (1, Some(b'l')) => Field::ContentLength,
        (2, Some(b't')) if is("to") => Field::To,
        (3, Some(b'v')) if is("via") => Field::Via,
        (4, Some(b'f')) if is("from") => Field::From,
        (4, Some(b'c')) if is("cseq") => Field::CSeq,
        (7, Some(b'c')) if is("call-id") => Field::CallId,
        (7, Some(b'c')) if is("contact") => Field::Contact,
        (12, Some(b'r')) if is("record-route") => Field::RecordRoute,
        (14, Some(b'c')) if is("content-length") => Field::ContentLength,
        (16, Some(b'w')) if is("www-authenticate") => Field::Challenge,
        (18, Some(b'p')) if is("proxy-authenticate") => Field::Challenge,
        _ => Field::Other,
    }
}

/// What the start line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start<'a> {
    Request { method: &'a [u8] },
    Response { status: u16 },
}

fn start(line: &[u8]) -> Option<Start<'_>> {
    if let Some(rest) = line.strip_prefix(b"SIP/2.0 ") {
        let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
        return Some(Start::Response {
            status: digits.parse().ok().filter(|status| *status >= 100)?,
        });
    }
    let method = line.get(..memchr(b' ', line)?)?;
    line.ends_with(b" SIP/2.0")
        .then_some(Start::Request { method })
}

/// A message, as far as it was looked at.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) start: Start<'a>,
    /// The lines of the header, without their ends.
    header: &'a [u8],
    /// By the branch of the topmost Via; and which request of the operation, by the byte behind.
    pub(super) by_branch: Option<(Id, u8)>,
    /// By the Call-ID.
    pub(super) by_call_id: Option<Id>,
    pub(super) to: &'a [u8],
    pub(super) cseq: &'a [u8],
}

/// The lines of a header; a folded line is a line of no name.
fn lines(header: &[u8]) -> impl Iterator<Item = (Field, &[u8], &[u8])> {
    let mut rest = header;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        Some((field(name.trim_ascii_end()), value, line))
    })
}

impl<'a> View<'a> {
    /// Looks at a message; `None` if it is none.
    pub(super) fn of(message: &'a [u8]) -> Option<Self> {
        let end = memchr(b'\n', message)?;
        let line = message.get(..end)?;
        let start = start(line.strip_suffix(b"\r").unwrap_or(line))?;
        let header_end = memchr::memmem::find(message, b"\r\n\r\n")?;
        let header = message.get(end + 1..header_end).unwrap_or_default();
        let mut view = Self {
            start,
            header,
            by_branch: None,
            by_call_id: None,
            to: b"",
            cseq: b"",
        };
        let mut vias = 0;
        for (field, value, _) in lines(header) {
            match field {
                Field::Via => {
                    vias += 1;
                    if vias == 1
                        && let Some(at) = memchr::memmem::find(value, b"branch=")
                    {
                        view.by_branch = Id::after(BRANCH, value.get(at + 7..).unwrap_or_default());
                    }
                }
                Field::To => view.to = value,
                Field::CSeq => view.cseq = value,
                Field::CallId => view.by_call_id = Id::after(CALL_ID, value).map(|(id, _)| id),
                Field::From
                | Field::Contact
                | Field::RecordRoute
                | Field::ContentLength
                | Field::Challenge
                | Field::Other => {}
            }
        }
        Some(view)
    }

    /// The method of the CSeq.
    pub(super) fn cseq_method(&self) -> &'a [u8] {
        let space = memchr(b' ', self.cseq).map_or(0, |at| at + 1);
        self.cseq.get(space..).unwrap_or_default().trim_ascii()
    }

    /// The URI of the Contact.
    pub(super) fn contact(&self) -> Option<&'a [u8]> {
        let (_, value, _) = lines(self.header).find(|(field, ..)| *field == Field::Contact)?;
        match memchr(b'<', value) {
            Some(open) => {
                let rest = value.get(open + 1..)?;
                rest.get(..memchr(b'>', rest)?)
            }
            None => Some(value.split(|byte| *byte == b';').next().unwrap_or(value)),
        }
    }

    /// The values of Record-Route, in their order; a value may be a list.
    pub(super) fn record_routes(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        lines(self.header)
            .filter(|(field, ..)| *field == Field::RecordRoute)
            .map(|(_, value, _)| value)
    }

    /// The challenges of a 401 or 407.
    pub(super) fn challenges(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        lines(self.header)
            .filter(|(field, ..)| *field == Field::Challenge)
            .filter_map(|(_, value, _)| std::str::from_utf8(value).ok())
    }

    /// Begins the answer to this request: the fields that RFC 3261 section 8.2.6.2 has copied, with our tag, and those that
    /// section 12.1.1 has copied where a dialog begins.
    pub(super) fn begin_answer(&self, status: &[u8], tag: Id, out: &mut Vec<u8>) {
        out.extend_from_slice(b"SIP/2.0 ");
        out.extend_from_slice(status);
        out.extend_from_slice(b"\r\n");
        for (field, value, line) in lines(self.header) {
            match field {
                Field::To => {
                    out.extend_from_slice(b"To: ");
                    out.extend_from_slice(value);
                    if memchr::memmem::find(value, b";tag=").is_none() {
                        out.extend_from_slice(b";tag=");
                        tag.write(out);
                    }
                    out.extend_from_slice(b"\r\n");
                }
                Field::Via | Field::From | Field::CallId | Field::CSeq | Field::RecordRoute => {
                    out.extend_from_slice(line);
                    out.extend_from_slice(b"\r\n");
                }
                Field::Contact | Field::ContentLength | Field::Challenge | Field::Other => {}
            }
        }
    }
}

/// Cuts a stream into messages (RFC 3261 section 18.3).
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: Vec<u8>,
}

/// A stream that sends more than this without an end of a message is closed.
const LARGEST: usize = 128 * 1024;

impl Frames {
    /// Takes what arrived, and gives every whole message to `each`. Is it still SIP?
    pub(super) fn push(&mut self, bytes: &Bytes, mut each: impl FnMut(&[u8])) -> bool {
        // What arrives is most often whole, and is then not copied.
        if self.buffer.is_empty() {
            let Some(used) = cut(bytes, &mut each) else {
                return false;
            };
            self.buffer
                .extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            self.buffer.extend_from_slice(bytes);
            let Some(used) = cut(&self.buffer, &mut each) else {
                return false;
            };
            self.buffer.drain(..used);
        }
        self.buffer.len() <= LARGEST
    }
}

/// Gives the whole messages at the beginning of `bytes` to `each`; how many bytes they were. `None` if that is no SIP.
fn cut(bytes: &[u8], each: &mut impl FnMut(&[u8])) -> Option<usize> {
    let mut used = 0;
    loop {
        let rest = bytes.get(used..).unwrap_or_default();
        // RFC 5626 section 3.5.1: keep-alives are ends of lines between messages.
        let blank = rest
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        let rest = rest.get(blank..).unwrap_or_default();
        used += blank;
        let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") else {
            return Some(used);
        };
        let header = rest.get(..end).unwrap_or_default();
        let (_, length, _) = lines(header).find(|(field, ..)| *field == Field::ContentLength)?;
        let body: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
        let whole = (end + 4).checked_add(body).filter(|len| *len <= LARGEST)?;
        let Some(message) = rest.get(..whole) else {
            return Some(used);
        };
        each(message);
        used += whole;
    }
}

/// Writes a number in digits.
pub(super) fn number(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut left = number;
    let mut at = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
        at -= 1;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bKld0000000700000003i;rport\r\n\
        Record-Route: <sip:127.0.0.2;lr>, <sip:127.0.0.3;lr>\r\nFrom: <sip:a@h>;tag=1\r\nTo : <sip:b@h>;tag=2\r\n\
        Call-ID: ld0000000700000003\r\nCSeq: 1 INVITE\r\nm: \"B\" <sip:b@127.0.0.1:5091>;q=1\r\nl: 0\r\n\r\n";

    #[test]
    fn a_response_is_found_by_its_branch() {
        let view = View::of(OK).unwrap();
        let id = Id {
            slot: 7,
            generation: 3,
        };
        assert_eq!(view.start, Start::Response { status: 200 });
        assert_eq!(view.by_branch, Some((id, b'i')));
        assert_eq!(view.by_call_id, Some(id));
        assert_eq!(view.cseq_method(), b"INVITE");
        assert_eq!(view.contact(), Some(&b"sip:b@127.0.0.1:5091"[..]));
        assert_eq!(view.to, b"<sip:b@h>;tag=2");
        assert_eq!(view.record_routes().count(), 1);
    }

    #[test]
    fn what_is_no_message_is_not_taken() {
        for text in [
            "",
            "\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "SIP/2.0 xx\r\n\r\n",
        ] {
            assert!(View::of(text.as_bytes()).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_stream_may_be_cut_anywhere() {
        let mut twice = OK.to_vec();
        twice.extend_from_slice(b"\r\n\r\n");
        twice.extend_from_slice(OK);
        for at in 0..twice.len() {
            let (first, second) = twice.split_at(at);
            let mut frames = Frames::default();
            let mut seen = 0;
            for part in [first, second] {
                assert!(frames.push(&Bytes::copy_from_slice(part), |message| {
                    assert_eq!(message, OK);
                    seen += 1;
                }));
            }
            assert_eq!(seen, 2, "cut at {at}");
        }
    }

    #[test]
    fn a_stream_without_lengths_is_refused() {
        let mut frames = Frames::default();
        let bytes = Bytes::from_static(b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\n\r\n");
        assert!(!frames.push(&bytes, |_| ()));
    }

    #[test]
    fn numbers_are_written_as_the_library_writes_them() {
        for value in [0, 7, 10, 4_294_967_296, u64::MAX] {
            let mut out = Vec::new();
            number(value, &mut out);
            assert_eq!(out, value.to_string().as_bytes());
        }
    }
}
