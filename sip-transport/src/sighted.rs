//! [`Sighted`]: a request by datagram that is answered without being taken apart.

use std::net::SocketAddr;

use sip_message::{CopiedLine, Method, Outline, RequestLine, ViaStamp};

use crate::id::ListenerId;
use crate::usual::{self, Addresses, RPORT, UsualVia};

/// A request of which only so much was read as an answer needs (RFC 3261 §8.2.6.2); see
/// [`Transports::sight`](crate::Transports::sight). An answer that does not arrive is not tried elsewhere (RFC 3263 §5): who sends the
/// request again gets another.
///
/// ```
/// use sip_message::RequestLine;
/// use sip_transport::{ListenerId, Seed, TransportConfig, TransportKind, Transports};
///
/// let mut transports = Transports::new(TransportConfig::default(), Seed::from_bytes([1; 32]));
/// let listener = ListenerId::new(1);
/// transports.add_listener(listener, TransportKind::Udp, "192.0.2.1:5060".parse().unwrap());
/// let text = b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1;rport\r\nFrom: <sip:a@h>;tag=1\r\n\
///     To: <sip:h>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
/// let line = RequestLine::of(text).unwrap();
/// let request = transports.sight(line, listener, "192.0.2.2:5062".parse().unwrap()).unwrap();
/// let mut answer = Vec::new();
/// request.write_response(b"SIP/2.0 503 Service Unavailable", b"2", &mut answer);
/// let answer = String::from_utf8(answer).unwrap();
/// assert!(answer.contains("\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.2;rport=5062\r\n"));
/// assert!(answer.contains("\r\nTo: <sip:h>;tag=2\r\n"));
/// ```
#[derive(Clone, Debug)]
pub struct Sighted<'a> {
    outline: Outline<'a>,
    via: UsualVia,
    pub(crate) listener: ListenerId,
    pub(crate) source: SocketAddr,
}

impl<'a> Sighted<'a> {
    /// `None`: it has to be parsed.
    pub(crate) fn of(
        line: RequestLine<'a>,
        known: &mut Addresses,
        listener: ListenerId,
        source: SocketAddr,
    ) -> Option<Self> {
        let outline = line.outline()?;
        let via = usual::outline(&outline, known)?;
        Some(Self {
            outline,
            via,
            listener,
            source,
        })
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        self.outline.method()
    }

    /// The value of the first Via field as it came: it has no other value, its host is a name or an IPv4 address, and it has neither
    /// `maddr` nor `received`.
    #[must_use]
    pub fn via(&self) -> &'a [u8] {
        let (beyond, len) = self.outline.via_and_beyond();
        beyond.get(..len).unwrap_or_default()
    }

    /// The value of To: printable ASCII, and nothing else is known of it.
    #[must_use]
    pub fn to(&self) -> &'a [u8] {
        self.outline.to()
    }

    /// Where the answer goes (RFC 3261 §18.2.2, RFC 3581 §4).
    #[must_use]
    pub fn reply_to(&self) -> SocketAddr {
        let mut to = self.source;
        if self.via.rport.is_none() {
            to.set_port(self.via.port.unwrap_or(5060));
        }
        to
    }

    /// Writes the start line of a response, and what it copies from the request: the first Via with where the request came from,
    /// and To with this tag (RFC 3261 §8.2.6.2, §18.2.1; RFC 3581 §4). Other fields may follow, and an empty line.
    pub fn write_response(&self, start_line: &[u8], tag: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(start_line);
        out.extend_from_slice(b"\r\n");
        for line in self.outline.lines() {
            match line {
                CopiedLine::TopVia(line, value, end) => self.write_via(line, value, end, out),
                CopiedLine::To(line, _, end) => {
                    out.extend_from_slice(line.get(..end).unwrap_or_default());
                    out.extend_from_slice(b";tag=");
                    out.extend_from_slice(tag);
                    out.extend_from_slice(b"\r\n");
                }
                CopiedLine::Other(line) => out.extend_from_slice(line),
            }
        }
    }

    fn write_via(&self, line: &[u8], value: usize, end: usize, out: &mut Vec<u8>) {
        let ip = self.source.ip().to_canonical();
        if self.via.rport.is_none() && self.via.host.is_some_and(|host| ip == host) {
            out.extend_from_slice(line);
            return;
        }
        let (until, from) = match self.via.rport {
            Some(at) => (value + at, value + at + RPORT),
            None => (end, end),
        };
        out.extend_from_slice(line.get(..until).unwrap_or_default());
        out.extend_from_slice(line.get(from..end).unwrap_or_default());
        let port = self.via.rport.map(|_| self.source.port());
        out.extend_from_slice(ViaStamp::new(ip, port).line_end());
    }
}
