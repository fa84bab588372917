//! What the transport layer writes into every request that it takes (RFC 3261 §18.2.1, RFC 3581 §4).

use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Range;

use bytes::BytesMut;

use super::{Headers, Source, Span, TAIL, offset};
use crate::header;
use crate::name::HeaderName;

impl Headers {
    /// [`set_top_via_params`](Self::set_top_via_params) for those who have looked at the field: the first Via field has one
    /// value, which is well-formed and has no `received`, and whose only `rport` is at `without` (an empty range where
    /// there is none), its semicolon included, in bytes of the value. That is not looked at again. The line goes into
    /// `room`, which many messages may share, so that while there is room it takes no allocation; each message keeps that
    /// buffer alive. `false`, and no change, without a Via or when the range is not of its value.
    ///
    /// ```
    /// use sip_message::{HeaderName, Message, ParserConfig, ViaStamp};
    /// let text = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;rport;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
    ///     Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
    /// let mut message = Message::parse(text.into(), &ParserConfig::default()).unwrap();
    /// let mut room = bytes::BytesMut::with_capacity(1024);
    /// let stamp = ViaStamp::new("192.0.2.1".parse().unwrap(), Some(5062));
    /// assert!(message.headers_mut().stamp_plain_via(&mut room, 13..19, &stamp));
    /// assert_eq!(message.headers().get(HeaderName::Via),
    ///     Some("SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1;rport=5062"));
    /// ```
    pub fn stamp_plain_via(
        &mut self,
        room: &mut BytesMut,
        without: Range<usize>,
        stamp: &ViaStamp,
    ) -> bool {
        let Some(at) = self.find(&HeaderName::Via, 0) else {
            return false;
        };
        let Some(old) = self.span(at).copied() else {
            return false;
        };
        let value_at = usize::from(old.value_at);
        let end = value_at + old.value_len as usize;
        let (cut_from, cut_to) = (value_at + without.start, value_at + without.end);
        if cut_from > cut_to || cut_to > end {
            return false;
        }
        let stamp = stamp.line_end();
        let line = self.line(&old);
        let len = end - (cut_to - cut_from) + stamp.len();
        room.clear();
        room.reserve(len);
        if cut_from == cut_to {
            room.extend_from_slice(line.get(..end).unwrap_or_default());
        } else {
            room.extend_from_slice(line.get(..cut_from).unwrap_or_default());
            room.extend_from_slice(line.get(cut_to..end).unwrap_or_default());
        }
        room.extend_from_slice(stamp);
        // What was stamped before may be what another field still is.
        let (source, start) = if self.stamp.is_none() {
            self.stamp = Some(room.split().freeze());
            (Source::Stamp, 0)
        } else {
            let start = self.overlay.len();
            self.overlay.extend_from_slice(room);
            (Source::Overlay, start)
        };
        let span = Span {
            start: offset(start),
            len: offset(len),
            value_len: offset(len - 2 - value_at),
            source,
            ..old
        };
        let has_tail = at == 0 && !self.is_edited();
        self.put(at, span, old.name);
        if has_tail {
            self.state |= TAIL;
        }
        true
    }
}

/// What the topmost Via of a request says of where it came from: `received`, and `rport` if it was asked for. It is the same
/// for all messages of a connection.
#[derive(Clone, Debug)]
pub struct ViaStamp {
    /// Behind it is the line end.
    text: [u8; STAMP],
    len: u8,
}

impl ViaStamp {
    /// `;received=192.0.2.1;rport=5062` (RFC 3261 §18.2.1, RFC 3581 §4).
    #[must_use]
    pub fn new(received: IpAddr, rport: Option<u16>) -> Self {
        let mut text = [0; STAMP];
        // It is shorter than its place.
        let len = write_stamp(&mut text, received, rport) as u8;
        Self { text, len }
    }

    /// The text, and the end of the line that it is at the end of.
    #[inline]
    #[must_use]
    pub fn line_end(&self) -> &[u8] {
        self.text.get(..self.len.into()).unwrap_or_default()
    }
}

/// Longer than any address and port with their names, and some bytes more.
const STAMP: usize = 96;

/// `;received=192.0.2.1;rport=5062` and the line end; how long that is.
fn write_stamp(to: &mut [u8; STAMP], received: IpAddr, rport: Option<u16>) -> usize {
    const RECEIVED: &[u8; 10] = b";received=";
    if let Some(place) = to.first_chunk_mut() {
        *place = *RECEIVED;
    }
    let mut at = RECEIVED.len();
    match received {
        IpAddr::V4(v4) => {
            for octet in v4.octets() {
                at += put_octet(to, at, octet);
            }
            // Without the last dot.
            at -= 1;
        }
        IpAddr::V6(_) => {
            let mut text = Vec::new();
            header::push_ip(&mut text, received);
            at += put(to, at, &text);
        }
    }
    if let Some(rport) = rport {
        at += put(to, at, b";rport=");
        let mut digits = [0; 5];
        let mut from = digits.len();
        let mut left = rport;
        for place in digits.iter_mut().rev() {
            *place = (left % 10) as u8 + b'0';
            left /= 10;
            from -= 1;
            if left == 0 {
                break;
            }
        }
        at += put(to, at, digits.get(from..).unwrap_or_default());
    }
    at + put(to, at, b"\r\n")
}

/// How many bytes were put.
#[inline(always)]
fn put(to: &mut [u8; STAMP], at: usize, text: &[u8]) -> usize {
    match to.get_mut(at..at + text.len()) {
        Some(place) => {
            place.copy_from_slice(text);
            text.len()
        }
        None => 0,
    }
}

/// The number and a dot; how many bytes of the four that were written.
#[inline(always)]
fn put_octet(to: &mut [u8; STAMP], at: usize, octet: u8) -> usize {
    let Some((text, len)) = OCTETS.get(usize::from(octet)) else {
        return 0;
    };
    put(to, at, text);
    usize::from(*len)
}

/// Each number with a dot behind it, and how long that is.
#[expect(clippy::indexing_slicing, reason = "const evaluation")]
static OCTETS: [([u8; 4], u8); 256] = {
    let mut table = [([b'.'; 4], 2); 256];
    let mut octet = 0;
    while octet < 256 {
        let zero = b'0' as usize;
        let hundreds = (octet / 100 + zero) as u8;
        let (tens, ones) = ((octet / 10 % 10 + zero) as u8, (octet % 10 + zero) as u8);
        table[octet] = match octet {
            100.. => ([hundreds, tens, ones, b'.'], 4),
            10.. => ([tens, ones, b'.', b'.'], 3),
            _ => ([ones, b'.', b'.', b'.'], 2),
        };
        octet += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::*;
    use crate::{Message, ParserConfig};

    fn options() -> Message {
        let text = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;rport;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
            To: <sip:h>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
        Message::parse(text.into(), &ParserConfig::default()).unwrap()
    }

    #[test]
    fn every_number_is_written_as_it_is_read() {
        for number in 0..=u8::MAX {
            for (ip, port) in [
                (
                    IpAddr::from([number, 0, 255, number]),
                    u16::from(number) * 257,
                ),
                (
                    IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)]),
                    1,
                ),
            ] {
                let stamp = ViaStamp::new(ip, Some(port));
                let expected = format!(";received={ip};rport={port}\r\n");
                assert_eq!(core::str::from_utf8(stamp.line_end()), Ok(&*expected));
                let expected = format!(";received={ip}\r\n");
                assert_eq!(ViaStamp::new(ip, None).line_end(), expected.as_bytes());
            }
        }
    }

    /// What is written for one message is not what another one has, and what an edit takes over stays.
    #[test]
    fn stamps_share_a_buffer_and_nothing_else() {
        let (mut one, mut other) = (options(), options());
        let mut room = BytesMut::with_capacity(256);
        let ip = |last| IpAddr::from([192, 0, 2, last]);
        for (message, last) in [(&mut one, 1), (&mut other, 2)] {
            let headers = message.headers_mut();
            let stamp = ViaStamp::new(ip(last), Some(last.into()));
            assert!(headers.stamp_plain_via(&mut room, 13..19, &stamp));
        }
        let via = |message: &Message| {
            let values = message.headers().values(HeaderName::Via);
            values.collect::<Vec<_>>().join(" ")
        };
        let first = "SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1;rport=1";
        assert_eq!(via(&one), first);
        assert_eq!(
            via(&other),
            "SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.2;rport=2"
        );
        // Another Via before it is stamped in its turn.
        let headers = one.headers_mut();
        headers.push_front(HeaderName::Via, "SIP/2.0/UDP b");
        assert!(headers.stamp_plain_via(&mut room, 0..0, &ViaStamp::new(ip(3), None)));
        assert_eq!(
            via(&one),
            format!("SIP/2.0/UDP b;received=192.0.2.3 {first}")
        );
        // And what the stamp has is copied by an edit of it.
        let headers = other.headers_mut();
        assert!(headers.set_top_via_params(None, Some(9)));
        assert_eq!(
            via(&other),
            "SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.2;rport=9"
        );
        let bytes = other.to_bytes();
        let again = Message::parse(bytes.clone(), &ParserConfig::default()).unwrap();
        assert_eq!(via(&again), via(&other));
        let (Message::Request(request), mut room) = (other, BytesMut::new()) else {
            panic!("it is a request")
        };
        assert_eq!(request.to_bytes_in(&mut room), bytes);
        assert!(room.is_empty());
    }

    /// Whatever is done to it behind the stamp.
    #[test]
    fn the_lines_of_a_stamped_message_are_those_that_leave() {
        for edit in 0..6 {
            let (mut message, mut room) = (options(), BytesMut::new());
            let headers = message.headers_mut();
            let stamp = ViaStamp::new([192, 0, 2, 1].into(), Some(1));
            if edit == 5 {
                headers.push_back(HeaderName::Subject, "before it");
            }
            assert!(headers.stamp_plain_via(&mut room, 13..19, &stamp));
            match edit {
                1 => headers.push_back(HeaderName::Subject, "behind"),
                2 => headers.push_front(HeaderName::Via, "SIP/2.0/UDP b"),
                3 => headers.replace(HeaderName::CallId, "y"),
                4 => assert!(headers.stamp_plain_via(&mut room, 0..0, &stamp)),
                _ => {}
            }
            let mut lines = Vec::new();
            message.headers().encode(&mut lines);
            let leaves = message.to_bytes();
            let whole = [b"OPTIONS sip:h SIP/2.0\r\n", lines.as_slice(), b"\r\n"].concat();
            assert_eq!(whole, leaves, "{edit}");
            assert!(lines.windows(9).any(|at| at == b"192.0.2.1"), "{edit}");
        }
    }

    #[test]
    fn what_is_not_of_the_value_is_not_left_out() {
        let (mut message, mut room) = (options(), BytesMut::new());
        let before = message.to_bytes();
        let headers = message.headers_mut();
        let stamp = ViaStamp::new([192, 0, 2, 1].into(), None);
        for without in [500..506, 19..500] {
            assert!(!headers.stamp_plain_via(&mut room, without, &stamp));
        }
        assert_eq!(message.to_bytes(), before);
        assert!(!Headers::new().stamp_plain_via(&mut room, 0..0, &stamp));
    }
}
