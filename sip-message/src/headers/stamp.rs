//! What the transport layer writes into every request that it takes (RFC 3261 §18.2.1, RFC 3581 §4).

use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Range;

use super::{Headers, Source, Span, offset};
use crate::header;
use crate::name::HeaderName;

impl Headers {
    /// [`set_top_via_params`](Self::set_top_via_params) for who has looked at the field: the first Via field has one
    /// value, which is well-formed and has no `received`, and whose only `rport` is at `without` (an empty range where
    /// there is none), its semicolon included, in bytes of the value. That is not looked at again. `false`, and no change,
    /// without a Via or when the range is not of its value.
    ///
    /// ```
    /// use sip_message::{HeaderName, Message, ParserConfig};
    /// let text = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;rport;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
    ///     Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
    /// let mut message = Message::parse(text.into(), &ParserConfig::default()).unwrap();
    /// assert!(message.headers_mut().stamp_plain_via(13..19, "192.0.2.1".parse().unwrap(), Some(5062)));
    /// assert_eq!(message.headers().get(HeaderName::Via),
    ///     Some("SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1;rport=5062"));
    /// ```
    pub fn stamp_plain_via(
        &mut self,
        without: Range<usize>,
        received: IpAddr,
        rport: Option<u16>,
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
        let from = old.start as usize;
        let mut stamp = [0; STAMP];
        let stamp = write_stamp(&mut stamp, received, rport);
        let mut out = core::mem::take(&mut self.overlay);
        out.reserve(end + STAMP);
        let start = out.len();
        match old.source {
            Source::Base => {
                let line = self.base().get(from..from + end).unwrap_or_default();
                out.extend_from_slice(line.get(..cut_from).unwrap_or_default());
                if cut_to < end {
                    out.extend_from_slice(line.get(cut_to..).unwrap_or_default());
                }
            }
            Source::Overlay => {
                out.extend_from_within(from..from + cut_from);
                out.extend_from_within(from + cut_to..from + end);
            }
        }
        out.extend_from_slice(stamp);
        let len = out.len() - start - 2;
        self.overlay = out;
        let span = Span {
            start: offset(start),
            len: offset(len + 2),
            value_len: offset(len - value_at),
            source: Source::Overlay,
            ..old
        };
        self.put(at, span, old.name);
        true
    }
}

/// Longer than any address and port with their names.
const STAMP: usize = 96;

/// `;received=192.0.2.1;rport=5062` and the line end, in a place of its own first: one copy of all is less than many of a few
/// bytes.
#[inline(always)]
fn write_stamp(to: &mut [u8; STAMP], received: IpAddr, rport: Option<u16>) -> &[u8] {
    let mut at = 0;
    let mut push = |byte: u8| {
        if let Some(place) = to.get_mut(at) {
            *place = byte;
        }
        at += 1;
    };
    b";received=".iter().copied().for_each(&mut push);
    match received {
        IpAddr::V4(v4) => {
            for (nth, octet) in v4.octets().into_iter().enumerate() {
                if nth > 0 {
                    push(b'.');
                }
                if octet >= 100 {
                    push(octet / 100 + b'0');
                }
                if octet >= 10 {
                    push(octet / 10 % 10 + b'0');
                }
                push(octet % 10 + b'0');
            }
        }
        IpAddr::V6(_) => {
            let mut text = Vec::new();
            header::push_ip(&mut text, received);
            text.into_iter().for_each(&mut push);
        }
    }
    if let Some(rport) = rport {
        b";rport=".iter().copied().for_each(&mut push);
        let mut unit = 10_000;
        while unit > 1 && rport < unit {
            unit /= 10;
        }
        while unit > 0 {
            push((rport / unit % 10) as u8 + b'0');
            unit /= 10;
        }
    }
    b"\r\n".iter().copied().for_each(&mut push);
    to.get(..at).unwrap_or_default()
}
