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
        // Longer than any address and port with their names.
        const STAMP: usize = 80;
        let mut out = core::mem::take(&mut self.overlay);
        out.reserve(end + STAMP);
        let start = out.len();
        match old.source {
            Source::Base => {
                let line = self.base().get(from..from + end).unwrap_or_default();
                out.extend_from_slice(line.get(..cut_from).unwrap_or_default());
                out.extend_from_slice(line.get(cut_to..).unwrap_or_default());
            }
            Source::Overlay => {
                out.extend_from_within(from..from + cut_from);
                out.extend_from_within(from + cut_to..from + end);
            }
        }
        out.extend_from_slice(b";received=");
        push_ip(&mut out, received);
        if let Some(rport) = rport {
            out.extend_from_slice(b";rport=");
            header::push_decimal(&mut out, rport.into());
        }
        let len = out.len() - start;
        out.extend_from_slice(b"\r\n");
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

/// An IPv4 address by its digits; others as they are written.
fn push_ip(out: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(v4) = address else {
        header::push_ip(out, address);
        return;
    };
    let mut text = [0; 16];
    let mut len = 0;
    for octet in v4.octets() {
        let (hundreds, tens, ones) = (octet / 100, octet / 10 % 10, octet % 10);
        let all = [hundreds + b'0', tens + b'0', ones + b'0', b'.'];
        let skip = usize::from(octet < 100) + usize::from(octet < 10);
        for &byte in all.get(skip..).unwrap_or_default() {
            if let Some(place) = text.get_mut(len) {
                *place = byte;
            }
            len += 1;
        }
    }
    // Without the last dot.
    out.extend_from_slice(text.get(..len - 1).unwrap_or_default());
}
