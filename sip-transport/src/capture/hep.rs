//! [`Hep`]: messages for a capture server such as Homer.

use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::io::Captured;
use crate::kind::TransportKind;

/// Encodes messages as HEP3 packets (Homer Encapsulation Protocol, version 3).
///
/// ```
/// # use sip_transport::{Captured, Hep, TransportKind};
/// # use std::time::SystemTime;
/// let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:5060".parse().unwrap());
/// let captured = Captured::new(true, TransportKind::Udp, local, remote, "OPTIONS sip:h SIP/2.0\r\n\r\n".into());
/// let mut packet = Vec::new();
/// assert!(Hep::new(2001).encode(&captured, SystemTime::UNIX_EPOCH, &mut packet));
/// assert!(packet.starts_with(b"HEP3"));
/// ```
#[derive(Clone, Debug)]
pub struct Hep {
    agent: u32,
    key: Option<Box<str>>,
    name: Option<Box<str>>,
}

/// A packet travels as one datagram.
const PACKET: usize = 65_507;

impl Hep {
    /// Packets of the capture agent with this number.
    #[must_use]
    pub const fn new(agent: u32) -> Self {
        Self {
            agent,
            key: None,
            name: None,
        }
    }

    /// With the key that the server asks of its agents. It travels in the clear.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self
    }

    /// With the name of this node, which the server shows.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Appends the packet of one message. `false` if it is too large for a datagram; then nothing is appended.
    pub fn encode(&self, captured: &Captured, at: SystemTime, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.extend_from_slice(b"HEP3\0\0");
        let (from, to) = if captured.sent {
            (captured.local, captured.remote)
        } else {
            (captured.remote, captured.local)
        };
        addresses(from, to, out);
        let protocol: u8 = match captured.kind {
            TransportKind::Udp => 17,
            TransportKind::Tcp | TransportKind::Tls | TransportKind::Ws | TransportKind::Wss => 6,
            TransportKind::Sctp | TransportKind::TlsSctp => 132,
        };
        chunk(out, 2, &[protocol]);
        chunk(out, 7, &from.port().to_be_bytes());
        chunk(out, 8, &to.port().to_be_bytes());
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Seconds of 32 bits: Homer's format ends in the year 2106.
        let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
        chunk(out, 9, &seconds.to_be_bytes());
        chunk(out, 10, &since.subsec_micros().to_be_bytes());
        // The protocol that is captured: SIP.
        chunk(out, 11, &[1]);
        chunk(out, 12, &self.agent.to_be_bytes());
        if let Some(key) = &self.key {
            chunk(out, 14, key.as_bytes());
        }
        if let Some(call) = call_id(&captured.payload) {
            chunk(out, 17, call);
        }
        if let Some(name) = &self.name {
            chunk(out, 19, name.as_bytes());
        }
        let len = out.len() - start + 6 + captured.payload.len();
        let Some(len) = u16::try_from(len)
            .ok()
            .filter(|&len| usize::from(len) <= PACKET)
        else {
            out.truncate(start);
            return false;
        };
        chunk(out, 15, &captured.payload);
        out[start + 4..start + 6].copy_from_slice(&len.to_be_bytes());
        true
    }
}

fn addresses(from: SocketAddr, to: SocketAddr, out: &mut Vec<u8>) {
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            // AF_INET, as everybody has numbered it.
            chunk(out, 1, &[2]);
            chunk(out, 3, &from.octets());
            chunk(out, 4, &to.octets());
        }
        (from, to) => {
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            // AF_INET6, as Linux numbers it.
            chunk(out, 1, &[10]);
            chunk(out, 5, &octets(from));
            chunk(out, 6, &octets(to));
        }
    }
}

/// A chunk of the generic vendor: type, length with its own header, value.
fn chunk(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend([0; 2]);
    out.extend(code.to_be_bytes());
    // What is too long is found out by the caller, who sums up.
    out.extend(u16::try_from(value.len() + 6).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(value);
}

/// The Call-ID, by which the server joins what belongs together; looked for only, because a capture also shows what
/// is no message.
fn call_id(message: &[u8]) -> Option<&[u8]> {
    let lines = message.split(|&byte| byte == b'\n');
    lines
        .map(<[u8]>::trim_ascii)
        .take_while(|line| !line.is_empty())
        .find_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            let name = name.trim_ascii();
            let is_it = name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i");
            let value = value.get(1..)?.trim_ascii();
            // A chunk has room for less than 64 KiB; a Call-ID of more than a line is none.
            (is_it && value.len() <= 1024).then_some(value)
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    /// Reads a packet by the letter of the format: lengths first, then each chunk.
    fn chunks(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        let short = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        assert_eq!(&packet[..4], b"HEP3");
        assert_eq!(usize::from(short(4)), packet.len());
        let mut at = 6;
        let mut found = BTreeMap::new();
        while at < packet.len() {
            assert_eq!(short(at), 0, "the generic vendor");
            let len = usize::from(short(at + 4));
            let earlier = found.insert(short(at + 2), packet[at + 6..at + len].to_vec());
            assert_eq!(earlier, None, "each chunk once");
            at += len;
        }
        found
    }

    #[test]
    fn a_packet_says_who_what_and_when() {
        let payload = "OPTIONS sip:h SIP/2.0\r\nVia: x\r\ni : abc@h \r\n\r\nCall-ID: no\r\n";
        let mut captured = Captured::new(
            false,
            TransportKind::Tls,
            "192.0.2.1:5061".parse().unwrap(),
            "192.0.2.9:40000".parse().unwrap(),
            payload.into(),
        );
        let at = UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_042);
        let hep = Hep::new(2001).key("secret").name("edge-1");
        let mut packet = Vec::new();
        assert!(hep.encode(&captured, at, &mut packet));
        let found = chunks(&packet);
        let expected: [(u16, &[u8]); 14] = [
            (1, &[2]),
            (2, &[6]),
            (3, &[192, 0, 2, 9]),
            (4, &[192, 0, 2, 1]),
            (7, &40_000_u16.to_be_bytes()),
            (8, &5061_u16.to_be_bytes()),
            (9, &1_700_000_000_u32.to_be_bytes()),
            (10, &42_u32.to_be_bytes()),
            (11, &[1]),
            (12, &2001_u32.to_be_bytes()),
            (14, b"secret"),
            (15, payload.as_bytes()),
            (17, b"abc@h"),
            (19, b"edge-1"),
        ];
        assert_eq!(found.len(), expected.len());
        for (code, value) in expected {
            assert_eq!(found[&code], value, "chunk {code}");
        }

        captured.sent = true;
        captured.kind = TransportKind::Udp;
        captured.local = "[2001:db8::1]:5060".parse().unwrap();
        captured.remote = "[2001:db8::9]:5062".parse().unwrap();
        captured.payload = "no message".into();
        packet.clear();
        assert!(Hep::new(1).encode(&captured, at, &mut packet));
        let found = chunks(&packet);
        assert_eq!((&found[&1], &found[&2]), (&vec![10], &vec![17]));
        assert_eq!(found[&5][15], 1);
        assert_eq!(found[&6][15], 9);
        assert!(!found.contains_key(&17));
    }

    #[test]
    fn what_does_not_fit_a_datagram_is_refused() {
        let (local, remote) = (
            "192.0.2.1:5061".parse().unwrap(),
            "192.0.2.9:40000".parse().unwrap(),
        );
        let mut sizes = Vec::new();
        for len in [65_000, 65_480, 66_000] {
            let payload = vec![b'x'; len].into();
            let captured = Captured::new(true, TransportKind::Tcp, local, remote, payload);
            let mut packet = Vec::new();
            let fits = Hep::new(1).encode(&captured, UNIX_EPOCH, &mut packet);
            assert_eq!(fits, !packet.is_empty());
            sizes.push(fits);
        }
        assert_eq!(sizes, [true, false, false]);
    }
}
