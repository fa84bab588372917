//! STUN Binding (RFC 8489), as far as RFC 5626 §8 uses it between SIP elements: a request without attributes, and a
//! response with XOR-MAPPED-ADDRESS.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 0|  message type         |        length of what follows     |   0x0001 request, 0x0101 success, 0x0111 error
//!  magic cookie 0x2112A442                                        |
//!  transaction id, 96 bits                                        |
//!  attributes: type, length, value padded to four bytes ...       |
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What names a STUN transaction.
pub(crate) type TransactionId = [u8; 12];

/// What a datagram of STUN says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stun {
    /// A Binding Request; with an attribute that must be understood and is not (RFC 8489 §6.3.1) its type is given.
    Request {
        id: TransactionId,
        unknown: Option<u16>,
    },
    /// A Binding Response, with the address that the peer saw.
    Success {
        id: TransactionId,
        mapped: Option<SocketAddr>,
    },
    /// A Binding Error Response.
    Error { id: TransactionId },
}

const COOKIE: u32 = 0x2112_a442;
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// RFC 5626 §8: "the first octet of a STUN Binding method has a value of 0 or 1, while the first octet of a SIP message
/// is never a 0 or 1".
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram, [0 | 1, rest @ ..] if rest.len() >= 19)
}

/// Reads a datagram; `None` if it is not a whole Binding message.
pub(crate) fn decode(datagram: &[u8]) -> Option<Stun> {
    let (header, mut rest) = datagram.split_at_checked(20)?;
    let (method, header) = take_u16(header)?;
    let (length, header) = take_u16(header)?;
    let (cookie, id) = header.split_at_checked(4)?;
    if cookie != COOKIE.to_be_bytes() || usize::from(length) != rest.len() || length % 4 != 0 {
        return None;
    }
    let id: TransactionId = id.try_into().ok()?;
    let (mut unknown, mut mapped) = (None, None);
    while !rest.is_empty() {
        let (kind, more) = take_u16(rest)?;
        let (length, more) = take_u16(more)?;
        let value = more.get(..usize::from(length))?;
        rest = more.get(usize::from(length).next_multiple_of(4)..)?;
        if kind == XOR_MAPPED_ADDRESS {
            mapped = mapped.or_else(|| unxor(value, &id));
        } else if kind < 0x8000 && kind != ERROR_CODE {
            // RFC 8489 §6.3: below 0x8000 an attribute has to be understood.
            unknown = unknown.or(Some(kind));
        }
    }
    match method {
        REQUEST => Some(Stun::Request { id, unknown }),
        // RFC 8489 §6.3.3: a response with such an attribute is discarded.
        SUCCESS if unknown.is_none() => Some(Stun::Success { id, mapped }),
        ERROR => Some(Stun::Error { id }),
        _ => None,
    }
}

/// RFC 5626 §8: "These Binding Requests do not require any STUN attributes".
pub(crate) fn request(id: TransactionId) -> Vec<u8> {
    message(REQUEST, id, &[])
}

/// RFC 5626 §8: the response "MUST include the XOR-MAPPED-ADDRESS attribute".
pub(crate) fn success(id: TransactionId, seen: SocketAddr) -> Vec<u8> {
    let mut attribute = Vec::with_capacity(24);
    let ip = seen.ip().to_canonical();
    let (family, length): (u8, u16) = if ip.is_ipv4() { (1, 8) } else { (2, 20) };
    attribute.extend(XOR_MAPPED_ADDRESS.to_be_bytes());
    attribute.extend(length.to_be_bytes());
    attribute.extend([0, family]);
    attribute.extend((seen.port() ^ (COOKIE >> 16) as u16).to_be_bytes());
    match ip {
        IpAddr::V4(ip) => attribute.extend((ip.to_bits() ^ COOKIE).to_be_bytes()),
        IpAddr::V6(ip) => attribute.extend((ip.to_bits() ^ mask(&id)).to_be_bytes()),
    }
    message(SUCCESS, id, &attribute)
}

/// RFC 8489 §6.3.1: the answer to a request that has to be understood and is not.
pub(crate) fn unknown_attribute(id: TransactionId, unknown: u16) -> Vec<u8> {
    let mut attributes = Vec::with_capacity(32);
    let reason = b"Unknown Attribute";
    attributes.extend(ERROR_CODE.to_be_bytes());
    attributes.extend((4 + reason.len() as u16).to_be_bytes());
    attributes.extend([0, 0, 4, 20]);
    attributes.extend(reason);
    attributes.resize(attributes.len().next_multiple_of(4), 0);
    attributes.extend(UNKNOWN_ATTRIBUTES.to_be_bytes());
    attributes.extend(2_u16.to_be_bytes());
    attributes.extend(unknown.to_be_bytes());
    attributes.extend([0; 2]);
    message(ERROR, id, &attributes)
}

fn message(method: u16, id: TransactionId, attributes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(20 + attributes.len());
    out.extend(method.to_be_bytes());
    out.extend(u16::try_from(attributes.len()).unwrap_or(0).to_be_bytes());
    out.extend(COOKIE.to_be_bytes());
    out.extend(id);
    out.extend_from_slice(attributes);
    out
}

/// The value of XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
fn unxor(value: &[u8], id: &TransactionId) -> Option<SocketAddr> {
    let (family, rest) = take_u16(value)?;
    let (port, address) = take_u16(rest)?;
    let port = port ^ (COOKIE >> 16) as u16;
    let ip = match family & 0xff {
        1 => {
            let bits = u32::from_be_bytes(address.try_into().ok()?) ^ COOKIE;
            IpAddr::V4(Ipv4Addr::from_bits(bits))
        }
        2 => {
            let bits = u128::from_be_bytes(address.try_into().ok()?) ^ mask(id);
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The cookie and the transaction id, with which an IPv6 address is mixed.
fn mask(id: &TransactionId) -> u128 {
    id.iter().fold(u128::from(COOKIE), |mask, &byte| {
        (mask << 8) | u128::from(byte)
    })
}

fn take_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (value, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*value), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: TransactionId = [
        0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
    ];

    /// RFC 5769 §2.2 and §2.3: the value of the attribute in the sample responses.
    #[test]
    fn rfc5769_2_the_samples_mapped_addresses() {
        let v4 = [0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
        assert_eq!(unxor(&v4, &ID), Some("192.0.2.1:32853".parse().unwrap()));
        let v6 = [
            0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25,
            0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
        ];
        let expected = "[2001:db8:1234:5678:11:2233:4455:6677]:32853";
        assert_eq!(unxor(&v6, &ID), Some(expected.parse().unwrap()));
        // And ours are the same bytes.
        assert!(success(ID, "192.0.2.1:32853".parse().unwrap()).ends_with(&v4));
        assert!(success(ID, expected.parse().unwrap()).ends_with(&v6));
    }

    #[test]
    fn requests_and_answers_are_read_back() {
        let request = request(ID);
        assert_eq!(request.len(), 20);
        assert!(is_stun(&request));
        assert_eq!(
            decode(&request),
            Some(Stun::Request {
                id: ID,
                unknown: None
            })
        );
        for seen in ["192.0.2.1:5060", "[2001:db8::1]:5060"] {
            let seen = seen.parse().unwrap();
            assert_eq!(
                decode(&success(ID, seen)),
                Some(Stun::Success {
                    id: ID,
                    mapped: Some(seen)
                })
            );
        }
        assert_eq!(
            decode(&unknown_attribute(ID, 6)),
            Some(Stun::Error { id: ID })
        );
    }

    #[test]
    fn rfc8489_6_3_1_what_must_be_understood_is_told_apart() {
        let with = |kind: u16| {
            let mut attribute = kind.to_be_bytes().to_vec();
            attribute.extend([0, 3, b'a', b'b', b'c', 0]);
            decode(&message(REQUEST, ID, &attribute))
        };
        let expected = |unknown| Some(Stun::Request { id: ID, unknown });
        assert_eq!(with(0x0006), expected(Some(6)), "USERNAME");
        assert_eq!(with(0x8022), expected(None), "SOFTWARE");
    }

    #[test]
    fn what_is_not_whole_is_nothing() {
        let good = success(ID, "192.0.2.1:5060".parse().unwrap());
        for len in 0..good.len() {
            assert_eq!(decode(&good[..len]), None, "{len}");
        }
        for (at, byte) in [(0, 2), (3, 8), (4, 0), (21, 0), (23, 200)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(
                !matches!(
                    decode(&bad),
                    Some(Stun::Success {
                        mapped: Some(_),
                        ..
                    })
                ),
                "{at}"
            );
        }
        assert!(!is_stun(b"\r\n\r\n"));
        assert!(!is_stun(b"OPTIONS sip:h SIP/2.0\r\n\r\n"));
    }

    proptest! {
        #[test]
        fn noise_is_absorbed(noise in proptest::collection::vec(any::<u8>(), 0..100), length in 0_u8..80) {
            let mut datagram = vec![0, 1, 0, length, 0x21, 0x12, 0xa4, 0x42];
            datagram.extend(noise);
            let _any = decode(&datagram);
        }
    }
}
