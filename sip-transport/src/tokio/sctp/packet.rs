//! What the socket has to know of SCTP packets (RFC 9260 §3).

use bytes::{Bytes, BytesMut};

/// The ports of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) from: u16,
    pub(super) to: u16,
}

/// The common header: ports, verification tag, checksum.
const HEADER: usize = 12;
const DATA: u8 = 0;
const INIT: u8 = 1;

pub(super) fn ports(packet: &[u8]) -> Option<Ports> {
    let [from, to] = *packet.get(..4)?.as_chunks::<2>().0 else {
        return None;
    };
    Some(Ports {
        from: u16::from_be_bytes(from),
        to: u16::from_be_bytes(to),
    })
}

/// Does it begin an association? RFC 9260 §8.5.1: an INIT stands alone in its packet.
pub(super) fn is_init(packet: &[u8]) -> bool {
    packet.get(HEADER) == Some(&INIT)
}

/// RFC 4168 §5: "the Payload Protocol Identifier in SCTP DATA chunks transporting SIP messages MUST be set to zero". The
/// library knows the identifiers of WebRTC only and writes another number where it means none, so it is replaced here,
/// and the checksum with it.
pub(super) fn without_identifier(packet: Bytes) -> Bytes {
    let mut at = HEADER;
    let mut changed: Option<BytesMut> = None;
    while let Some(&[kind, _, high, low]) = packet.get(at..).and_then(<[u8]>::first_chunk::<4>) {
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len < 4 {
            break;
        }
        let identifier = at + 12..at + 16;
        if kind == DATA
            && packet
                .get(identifier.clone())
                .is_some_and(|id| id != [0; 4])
        {
            let changed = changed.get_or_insert_with(|| BytesMut::from(&packet[..]));
            if let Some(id) = changed.get_mut(identifier) {
                id.fill(0);
            }
        }
        at += len.next_multiple_of(4);
    }
    let Some(mut changed) = changed else {
        return packet;
    };
    if let Some(place) = changed.get_mut(8..HEADER) {
        place.fill(0);
    }
    let sum = checksum(&changed).to_le_bytes();
    if let Some(place) = changed.get_mut(8..HEADER) {
        place.copy_from_slice(&sum);
    }
    changed.freeze()
}

/// CRC32c (RFC 9260 appendix A).
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, &byte| {
        let at = (crc ^ u32::from(byte)) & 0xff;
        TABLE[at as usize] ^ (crc >> 8)
    })
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut crc = n as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9260_a_the_checksum_of_known_bytes() {
        // RFC 3720 appendix B.4 has the same polynomial's values.
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(checksum(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn rfc4168_5_the_identifier_becomes_zero_and_nothing_else() {
        let mut packet = vec![0x13, 0xc4, 0x13, 0xc5, 1, 2, 3, 4, 9, 9, 9, 9];
        // A SACK, then a DATA chunk of three bytes with its padding.
        packet.extend([3, 0, 0, 16, 0, 0, 0, 58, 0, 0, 0, 0, 0, 0, 0, 58]);
        packet.extend([
            0, 7, 0, 19, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 58, 58, 58, 58, 0,
        ]);
        let out = without_identifier(packet.clone().into());
        assert_eq!(&out[..8], &packet[..8]);
        assert_eq!(&out[12..40], &packet[12..40]);
        assert_eq!(&out[40..], [0, 0, 0, 0, 58, 58, 58, 0]);
        assert_eq!(
            ports(&out),
            Some(Ports {
                from: 5060,
                to: 5061
            })
        );
        // Nothing to change: the same bytes.
        assert_eq!(without_identifier(out.clone()), out);
        // What is cut off does no harm.
        for len in 0..packet.len() {
            let _any = without_identifier(packet[..len].to_vec().into());
        }
    }
}
