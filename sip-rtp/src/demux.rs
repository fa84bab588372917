//! Several protocols on one port, told apart by the first octets (RFC 7983 §7, RFC 5761 §4).

/// What a datagram on a media port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// STUN (RFC 8489), and so ICE.
    Stun,
    /// ZRTP (RFC 6189).
    Zrtp,
    /// DTLS (RFC 5764).
    Dtls,
    /// A TURN channel (RFC 8656 §12).
    TurnChannel,
    /// RTP or SRTP.
    Rtp,
    /// RTCP or SRTCP.
    Rtcp,
}

/// Tells what a datagram is from its first two octets; `None` for what belongs to no protocol: drop it.
///
/// ```
/// use sip_rtp::demux::{Protocol, classify};
///
/// assert_eq!(classify(&[0x80, 0x00]), Some(Protocol::Rtp));
/// assert_eq!(classify(&[0x80, 200]), Some(Protocol::Rtcp));
/// assert_eq!(classify(&[22, 254, 253]), Some(Protocol::Dtls));
/// assert_eq!(classify(b"INVITE"), Some(Protocol::TurnChannel)); // the caller knows which port it was
/// ```
#[must_use]
pub fn classify(datagram: &[u8]) -> Option<Protocol> {
    //               +----------------+
    //               |        [0..3] -+--> forward to STUN
    //               |      [16..19] -+--> forward to ZRTP
    //   packet -->  |      [20..63] -+--> forward to DTLS
    //               |      [64..79] -+--> forward to TURN Channel
    //               |    [128..191] -+--> forward to RTP/RTCP
    //               +----------------+
    match datagram.first()? {
        0..=3 => Some(Protocol::Stun),
        16..=19 => Some(Protocol::Zrtp),
        20..=63 => Some(Protocol::Dtls),
        64..=79 => Some(Protocol::TurnChannel),
        // RFC 5761 §4: RTP payload types 64 to 95 are not used, so that these values of the second octet are RTCP.
        128..=191 => match datagram.get(1)? {
            192..=223 => Some(Protocol::Rtcp),
            _ => Some(Protocol::Rtp),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::{rtcp_vector, rtp_vector};

    #[test]
    fn rfc7983_7_every_first_octet() {
        for first in 0..=255u8 {
            let expected = match first {
                0..=3 => Some(Protocol::Stun),
                16..=19 => Some(Protocol::Zrtp),
                20..=63 => Some(Protocol::Dtls),
                64..=79 => Some(Protocol::TurnChannel),
                128..=191 => Some(Protocol::Rtp),
                _ => None,
            };
            assert_eq!(classify(&[first, 0]), expected, "{first}");
        }
        assert_eq!((classify(&[]), classify(&[0x80])), (None, None));
    }

    #[test]
    fn rfc5761_4_rtp_and_rtcp_on_one_port() {
        for name in ["SR+SDES", "RR+SDES", "BYE-reason", "APP", "XR-voip"] {
            assert_eq!(classify(&rtcp_vector(name)), Some(Protocol::Rtcp));
        }
        for name in ["pcmu", "marker-csrc", "telephone-event-start", "cn"] {
            assert_eq!(classify(&rtp_vector(name)), Some(Protocol::Rtp));
        }
        // A marker bit with a dynamic type is not RTCP.
        assert_eq!(classify(&[0x80, 0x80 | 101]), Some(Protocol::Rtp));
    }
}
