//! [`FrameScanner`]: where messages end on a stream.

use crate::config::ParserConfig;
use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::parse;

/// Finds the end of the message at the front of a stream buffer (RFC 3261 §18.3).
///
/// The scanner keeps its place: a message that comes in many pieces is searched once. Feed it the same growing
/// buffer; when it answers a length, take that many bytes from the front, parse them with
/// [`Message::parse`](crate::Message::parse), and scan again what is left. Line ends before the start line (RFC 3261
/// §7.5) are counted as part of the frame; a transport that answers keep-alives (RFC 5626 §4.4.1) takes them first.
///
/// After an error the stream cannot be brought back into step: close it.
///
/// ```
/// use sip_message::{FrameScanner, ParserConfig};
/// let config = ParserConfig::default();
/// let mut scanner = FrameScanner::new();
/// let frame = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h\r\nl: 2\r\n\r\nhi";
/// assert_eq!(scanner.scan(&frame[..20], &config), Ok(None));
/// let mut more = frame.to_vec();
/// more.extend_from_slice(b"the next message");
/// assert_eq!(scanner.scan(&more, &config), Ok(Some(frame.len())));
/// ```
#[derive(Clone, Debug, Default)]
pub struct FrameScanner {
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Nothing is known of the first line; so many bytes hold no line end, apart from those before it.
    #[default]
    Start,
    StartLine {
        searched: usize,
    },
    /// The first line is one of SIP; so many bytes hold no empty line.
    Fields {
        searched: usize,
    },
    /// The whole length is known.
    Body {
        total: usize,
    },
}

impl FrameScanner {
    /// A scanner at the start of a message.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::Start,
        }
    }

    /// The length of the message at the front of `buf`, or `None` while its end is not in the buffer. Between two
    /// answers `None`, `buf` may only have grown at its end.
    ///
    /// # Errors
    /// When the front of the stream is not SIP, has no Content-Length or a bad one, or is larger than the limits.
    pub fn scan(&mut self, buf: &[u8], config: &ParserConfig) -> Result<Option<usize>, ParseError> {
        loop {
            match self.state {
                State::Start => {
                    let start = parse::skip_line_ends(buf);
                    // Line ends alone are not a message, but they must not grow without bound either.
                    if start > config.limits.head_size {
                        return Err(ParseError::new(Kind::HeadTooLarge, start, false));
                    }
                    if buf.get(start..).unwrap_or_default().len() < 2 {
                        return Ok(None);
                    }
                    self.state = State::StartLine { searched: start };
                }
                State::StartLine { searched } => {
                    let Some(at) = find(buf, searched, b"\n") else {
                        if buf.len() > config.limits.start_line_size {
                            parse::check_start_line(buf, config)?;
                            return Err(ParseError::new(Kind::StartLineTooLong, buf.len(), false));
                        }
                        self.state = State::StartLine {
                            searched: buf.len(),
                        };
                        return Ok(None);
                    };
                    parse::check_start_line(buf, config)?;
                    // The empty line may begin with this line end.
                    self.state = State::Fields {
                        searched: at.saturating_sub(1),
                    };
                }
                State::Fields { searched } => {
                    let Some(at) = find(buf, searched, b"\r\n\r\n") else {
                        if buf.len() > config.limits.head_size {
                            let request = parse::looks_like_request(buf);
                            return Err(ParseError::new(Kind::HeadTooLarge, buf.len(), request));
                        }
                        // The last three bytes may begin the empty line.
                        self.state = State::Fields {
                            searched: searched.max(buf.len().saturating_sub(3)),
                        };
                        return Ok(None);
                    };
                    let head = at + 4;
                    if head > config.limits.head_size {
                        let request = parse::looks_like_request(buf);
                        return Err(ParseError::new(Kind::HeadTooLarge, head, request));
                    }
                    let fields = buf.get(..head).unwrap_or_default();
                    let length = match usual_length(fields) {
                        Some(length) => length,
                        None => parse::content_length(fields, config)?,
                    };
                    let total = head.saturating_add(length);
                    if total > config.limits.message_size {
                        let request = parse::looks_like_request(buf);
                        return Err(ParseError::new(Kind::MessageTooLarge, head, request));
                    }
                    self.state = State::Body { total };
                }
                State::Body { total } => {
                    if buf.len() < total {
                        return Ok(None);
                    }
                    self.state = State::Start;
                    return Ok(Some(total));
                }
            }
        }
    }

    /// Is part of a message in the buffer, as opposed to nothing or line ends?
    #[must_use]
    pub const fn is_inside_message(&self) -> bool {
        !matches!(self.state, State::Start)
    }
}

/// Content-Length of a head whose lines all end in CRLF and whose only Content-Length is written as nearly everyone writes
/// it: name, colon, blanks, digits. `None` for every other head, which has to be looked at closely. The fields are not
/// judged here: that is done when the message is parsed, and what is wrong with them does not make the length doubtful.
fn usual_length(head: &[u8]) -> Option<usize> {
    let mut length = None;
    let mut line = 0;
    let mut ends = memchr::memchr2_iter(b'\r', b'\n', head);
    while let Some(end) = ends.next() {
        // Every CR has its LF and every LF its CR, or somebody else may see other lines.
        if head.get(end..end + 2)? != b"\r\n" || ends.next()? != end + 1 {
            return None;
        }
        let text = head.get(line..end)?;
        line = end + 2;
        if !matches!(text.first(), Some(b'C' | b'c' | b'L' | b'l')) {
            continue;
        }
        let value = match text {
            [b'L' | b'l', b':', value @ ..] => value,
            [b'L' | b'l', b' ' | b'\t', ..] => return None,
            _ => match text.split_at_checked(14) {
                Some((name, rest)) if name.eq_ignore_ascii_case(b"content-length") => {
                    rest.strip_prefix(b":")?
                }
                _ => continue,
            },
        };
        let digits = value.trim_ascii();
        let is_usual = matches!(digits.len(), 1..=9)
            && digits.iter().all(u8::is_ascii_digit)
            // A second one, and one that goes on in the next line, are looked at closely.
            && length.is_none()
            && !matches!(head.get(line), Some(b' ' | b'\t'));
        if !is_usual {
            return None;
        }
        let value = |length: usize, digit: &u8| length * 10 + usize::from(digit - b'0');
        length = Some(digits.iter().fold(0, value));
    }
    length
}

fn find(buf: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    memchr::memmem::find(buf.get(from..)?, what).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const FRAME: &[u8] = b"\r\nMESSAGE sip:b@h SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nContent-Length :\r\n 5\r\n\r\n\r\n\r\nx";

    fn frames(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, ParseError> {
        let config = ParserConfig::default();
        let (mut scanner, mut buf, mut found) = (FrameScanner::new(), Vec::new(), Vec::new());
        for piece in pieces {
            buf.extend_from_slice(piece);
            while let Some(len) = scanner.scan(&buf, &config)? {
                found.push(buf.drain(..len).collect());
            }
        }
        Ok(found)
    }

    #[test]
    fn rfc3261_18_3_every_split_finds_the_same_frames() {
        let mut stream = FRAME.to_vec();
        stream.extend_from_slice(FRAME);
        let whole = frames(&[&stream]).unwrap();
        assert_eq!(whole, [FRAME, FRAME]);
        for i in 0..stream.len() {
            for j in i..stream.len() {
                assert_eq!(
                    frames(&[&stream[..i], &stream[i..j], &stream[j..]]).unwrap(),
                    whole
                );
            }
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(frames(&bytes).unwrap(), whole);
    }

    #[test]
    fn rfc3261_18_3_streams_need_one_good_content_length() {
        for (text, kind) in [
            (
                "OPTIONS sip:h SIP/2.0\r\nTo: x\r\n\r\n",
                Kind::ContentLengthMissing,
            ),
            (
                "OPTIONS sip:h SIP/2.0\r\nl: -1\r\n\r\n",
                Kind::ContentLength,
            ),
            (
                "OPTIONS sip:h SIP/2.0\r\nl: 99999999999\r\n\r\n",
                Kind::ContentLength,
            ),
            (
                "OPTIONS sip:h SIP/2.0\r\nl: 0\r\nContent-Length: 0\r\n\r\n",
                Kind::Duplicate,
            ),
            (
                "OPTIONS sip:h SIP/2.0\r\nl: 70000\r\n\r\n",
                Kind::MessageTooLarge,
            ),
            ("GET / HTTP/1.1\r\n", Kind::NotSip),
            ("\u{16}\u{3}\u{1}\n", Kind::NotSip),
            ("OPTIONS sip:h SIP/2.0\nl: 0\n\n", Kind::LineEnd),
        ] {
            assert_eq!(
                frames(&[text.as_bytes()]).unwrap_err().kind(),
                kind,
                "{text}"
            );
        }
    }

    #[test]
    fn a_stream_cannot_make_the_scanner_wait_for_ever() {
        let line = [b'a'; 10_000];
        assert_eq!(frames(&[&line]).unwrap_err().kind(), Kind::NotSip);
        let mut head = b"OPTIONS sip:h SIP/2.0\r\n".to_vec();
        head.resize(40_000, b'x');
        assert_eq!(frames(&[&head]).unwrap_err().kind(), Kind::HeadTooLarge);
        let ends = b"\r\n".repeat(20_000);
        assert_eq!(frames(&[&ends]).unwrap_err().kind(), Kind::HeadTooLarge);
    }

    /// The short way never finds another length than the long one, whatever is changed in a head.
    #[test]
    fn rfc3261_18_3_the_usual_length_is_the_length() {
        let config = ParserConfig::default();
        let heads: [&[u8]; 4] = [
            b"OPTIONS sip:h SIP/2.0\r\nVia: a\r\nCall-ID: c\r\nContent-Length: 12\r\nContact: x\r\n\r\n",
            b"SIP/2.0 200 OK\r\nl:7\r\nSubject: l: 5\r\n content-length: 6\r\n\r\n",
            b"SIP/2.0 200 OK\r\nl: 7\r\nContent-Length: 7\r\n\r\n",
            b"SIP/2.0 200 OK\r\nL: \r\n 7\r\n\r\n",
        ];
        assert_eq!(heads.map(usual_length), [Some(12), Some(7), None, None]);
        let mut found = 0;
        for head in heads {
            for at in 0..head.len() {
                for byte in [
                    b' ', b'\t', b'\r', b'\n', b':', b'l', b'C', b'1', b'-', 0, 0xff,
                ] {
                    let mut changed = head.to_vec();
                    changed[at] = byte;
                    // What the scanner would take for the head.
                    let Some(end) = find(&changed, 0, b"\r\n\r\n") else {
                        continue;
                    };
                    changed.truncate(end + 4);
                    let Some(length) = usual_length(&changed) else {
                        continue;
                    };
                    found += 1;
                    match parse::content_length(&changed, &config) {
                        Ok(other) => assert_eq!(length, other, "{}", changed.escape_ascii()),
                        // Something else is wrong, which parsing finds.
                        Err(error) => assert!(
                            !matches!(
                                error.kind(),
                                Kind::ContentLength | Kind::ContentLengthMissing | Kind::Duplicate
                            ),
                            "{error:?} {}",
                            changed.escape_ascii()
                        ),
                    }
                }
            }
        }
        assert!(found > 500, "{found}");
    }

    proptest::proptest! {
        /// Taking the front of a stream is framing and parsing, whatever the stream is.
        #[test]
        fn rfc3261_18_3_one_pass_is_framing_and_parsing(
            edits in proptest::collection::vec((0..400_usize, proptest::prelude::any::<u8>(), 0..3_u8), 0..4),
        ) {
            let one = "MESSAGE sip:b@h SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
                To: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\nContent-Length: 7\r\n\r\nl: 1\r\n\r\n";
            let mut stream = one.repeat(2).into_bytes();
            for (at, byte, how) in edits {
                let at = at % stream.len();
                // The bytes that framing is about more often than others.
                let byte = match byte {
                    0..64 => b'\r',
                    64..128 => b'\n',
                    128..160 => b'0' + byte % 10,
                    160..192 => b' ',
                    other => other,
                };
                match how {
                    0 => stream[at] = byte,
                    1 => stream.insert(at, byte),
                    _ => drop(stream.remove(at)),
                }
            }
            let config = ParserConfig::default();
            let stream = bytes::Bytes::from(stream);
            let mut rest = stream.clone();
            let taken = crate::Message::take_front(&mut rest, &config);
            let framed = FrameScanner::new().scan(&stream, &config);
            let parsed = match framed {
                Ok(Some(len)) => crate::Message::parse(stream.slice(..len), &config).ok(),
                Ok(None) | Err(_) => None,
            };
            match taken {
                Some(message) => {
                    assert_eq!(Ok(Some(stream.len() - rest.len())), framed);
                    let parsed = parsed.expect("what is taken parses");
                    assert_eq!(message.to_bytes(), parsed.to_bytes());
                    assert_eq!(message.body(), parsed.body());
                    assert_eq!(message.headers().len(), parsed.headers().len());
                }
                None => {
                    assert_eq!(rest, stream);
                    assert!(parsed.is_none() || stream.starts_with(b"\r"));
                }
            }
        }
    }
}
