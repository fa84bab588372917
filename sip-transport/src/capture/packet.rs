//! IP packets around a message, as they were (UDP) or could have been (TCP) on the wire.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Connections whose sequence numbers are kept; beyond that they begin anew.
const CONNECTIONS: usize = 65_536;
/// The most that fits into an IPv4 packet behind the headers of IP and TCP.
const SEGMENT: usize = 65_535 - 40;

/// Builds packets. Of TCP it counts sequence numbers, so that a reader puts the segments of a connection together.
#[derive(Debug, Default)]
pub(super) struct Packets {
    /// The next sequence number of each direction. Ordered, so that keys chosen by peers cannot collide.
    next: BTreeMap<(SocketAddr, SocketAddr), u32>,
    /// Where numbers begin; moved on when the table is emptied, so that new segments do not look like old ones sent
    /// again.
    first: u32,
}

impl Packets {
    /// One UDP packet.
    pub(super) fn udp(&self, from: SocketAddr, to: SocketAddr, payload: &[u8], out: &mut Vec<u8>) {
        let payload = payload.get(..65_535 - 48).unwrap_or(payload);
        let len = 8 + payload.len();
        let mut header = [0; 8];
        header[..2].copy_from_slice(&from.port().to_be_bytes());
        header[2..4].copy_from_slice(&to.port().to_be_bytes());
        header[4..6].copy_from_slice(&short(len));
        let sum = checksum(from, to, 17, &header, payload);
        // RFC 768: a checksum of zero is sent as all ones.
        let sum = if sum == 0 { 0xffff } else { sum };
        header[6..].copy_from_slice(&sum.to_be_bytes());
        ip(from.ip(), to.ip(), 17, len, out);
        out.extend_from_slice(&header);
        out.extend_from_slice(payload);
    }

    /// The TCP segments of a message, each given to `each`.
    pub(super) fn tcp<E>(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.next.len() >= CONNECTIONS {
            self.next.clear();
            self.first = self.first.wrapping_add(1 << 28);
        }
        let first = self.first.wrapping_add(1);
        let acknowledged = self.next.get(&(to, from)).copied().unwrap_or(first);
        for part in payload.chunks(SEGMENT) {
            let next = self.next.entry((from, to)).or_insert(first);
            let sequence = *next;
            *next = next.wrapping_add(u32::try_from(part.len()).unwrap_or(0));
            let mut header = [0; 20];
            header[..2].copy_from_slice(&from.port().to_be_bytes());
            header[2..4].copy_from_slice(&to.port().to_be_bytes());
            header[4..8].copy_from_slice(&sequence.to_be_bytes());
            header[8..12].copy_from_slice(&acknowledged.to_be_bytes());
            // Five words of header; PSH and ACK (RFC 9293 §3.1).
            header[12] = 5 << 4;
            header[13] = 0x18;
            header[14..16].copy_from_slice(&[0xff; 2]);
            let sum = checksum(from, to, 6, &header, part);
            header[16..18].copy_from_slice(&sum.to_be_bytes());
            let mut packet = Vec::with_capacity(40 + 20 + part.len());
            ip(from.ip(), to.ip(), 6, 20 + part.len(), &mut packet);
            packet.extend_from_slice(&header);
            packet.extend_from_slice(part);
            each(&packet)?;
        }
        Ok(())
    }
}

/// The header of IP for `len` bytes of a protocol. The two addresses are of one family, or one is written as a mapped
/// address of the other.
fn ip(from: IpAddr, to: IpAddr, protocol: u8, len: usize, out: &mut Vec<u8>) {
    if let (IpAddr::V4(from), IpAddr::V4(to)) = (from.to_canonical(), to.to_canonical()) {
        let mut header = [0; 20];
        header[0] = 0x45;
        header[2..4].copy_from_slice(&short(20 + len));
        // Not fragmented, 64 hops.
        header[6] = 0x40;
        header[8] = 64;
        header[9] = protocol;
        header[12..16].copy_from_slice(&from.octets());
        header[16..].copy_from_slice(&to.octets());
        let sum = fold(sum(0, &header));
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        out.extend_from_slice(&header);
    } else {
        out.extend_from_slice(&[0x60, 0, 0, 0]);
        out.extend_from_slice(&short(len));
        out.extend_from_slice(&[protocol, 64]);
        out.extend_from_slice(&v6(from));
        out.extend_from_slice(&v6(to));
    }
}

fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn short(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes()
}

/// The checksum of UDP and TCP over the pseudo header, the header and the payload (RFC 768, RFC 8200 §8.1).
fn checksum(from: SocketAddr, to: SocketAddr, protocol: u8, header: &[u8], payload: &[u8]) -> u16 {
    let mut total = u32::from(protocol);
    total += u32::try_from(header.len() + payload.len()).unwrap_or(0);
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            total = sum(sum(total, &from.octets()), &to.octets());
        }
        (from, to) => total = sum(sum(total, &v6(from)), &v6(to)),
    }
    // Headers have whole words, so the payload begins at an even place.
    fold(sum(sum(total, header), payload))
}

fn sum(start: u32, bytes: &[u8]) -> u32 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut total = start;
    for pair in pairs {
        // At most 32,768 words of at most 65,535: no overflow in one packet.
        total = total.wrapping_add(u32::from(u16::from_be_bytes(*pair)));
    }
    if let [last] = rest {
        total = total.wrapping_add(u32::from(*last) << 8);
    }
    (total & 0xffff) + (total >> 16)
}

fn fold(mut total: u32) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !u16::try_from(total).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// RFC 1071: over a packet with its checksum in place the sum is all ones.
    fn is_sound(packet: &[u8]) -> bool {
        let header = if packet[0] >> 4 == 4 { 20 } else { 40 };
        let (from, to): (&[u8], &[u8]) = if header == 20 {
            (&packet[12..16], &packet[16..20])
        } else {
            (&packet[8..24], &packet[24..40])
        };
        let protocol = packet[if header == 20 { 9 } else { 6 }];
        let body = &packet[header..];
        let pseudo = u32::from(protocol) + u32::try_from(body.len()).unwrap();
        let whole = fold(sum(sum(sum(pseudo, from), to), body)) == 0;
        whole && (header == 40 || fold(sum(0, &packet[..20])) == 0)
    }

    #[test]
    fn checksums_are_right() {
        for (from, to) in [
            ("192.0.2.1:5060", "198.51.100.7:40000"),
            ("[2001:db8::1]:5060", "[2001:db8::2]:5061"),
            ("[::ffff:192.0.2.1]:5060", "192.0.2.9:5060"),
        ] {
            for payload in [&b"odd"[..], b"even", b"", &[0xff; 60_001]] {
                let mut packets = Packets::default();
                let mut packet = Vec::new();
                packets.udp(addr(from), addr(to), payload, &mut packet);
                assert!(is_sound(&packet), "{from} {}", payload.len());
                let each = |packet: &[u8]| {
                    assert!(is_sound(packet), "{from} {}", payload.len());
                    Ok::<(), ()>(())
                };
                packets.tcp(addr(from), addr(to), payload, each).unwrap();
            }
        }
    }

    #[test]
    fn segments_of_a_connection_follow_each_other() {
        let mut packets = Packets::default();
        let (a, b) = (addr("192.0.2.1:5060"), addr("192.0.2.2:40000"));
        let mut numbers = Vec::new();
        for (from, to, len) in [(a, b, 100), (b, a, 30), (a, b, 70_000), (b, a, 1)] {
            let each = |packet: &[u8]| {
                let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
                numbers.push((word(24), word(28)));
                Ok::<(), ()>(())
            };
            packets.tcp(from, to, &vec![b'x'; len], each).unwrap();
        }
        let long = u32::try_from(SEGMENT).unwrap();
        assert_eq!(
            numbers,
            [(1, 1), (1, 101), (101, 31), (101 + long, 31), (31, 70_101)]
        );
    }
}
