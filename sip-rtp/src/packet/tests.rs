use proptest::prelude::*;

use super::*;
use crate::test_data::{hex, rtp_vector};

#[test]
fn rfc3550_5_1_vectors_parse() {
    let octets = rtp_vector("marker-csrc");
    let packet = RtpPacket::parse(&octets).unwrap();
    assert!(packet.marker());
    assert_eq!(
        (
            packet.payload_type(),
            packet.sequence(),
            packet.timestamp(),
            packet.ssrc()
        ),
        (0, 65535, 0xffff_fff0, 0xcafe_babe)
    );
    assert_eq!(packet.csrc().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(packet.payload(), hex("d5d5d5d5d5d5d5d5"));

    let octets = rtp_vector("padding");
    let packet = RtpPacket::parse(&octets).unwrap();
    assert_eq!(
        (packet.payload(), packet.padding()),
        ([1, 2, 3, 4].as_slice(), 8)
    );

    let octets = rtp_vector("ext-onebyte");
    let packet = RtpPacket::parse(&octets).unwrap();
    assert_eq!(
        packet.extension(),
        Some(HeaderExtension {
            profile: 0xbede,
            data: &hex("10aa21bbcc000000")
        })
    );
    assert_eq!(packet.payload(), [0; 4]);
}

#[test]
fn rfc3550_a_1_malformed_packets_are_rejected() {
    let check = |name: &str, expected: PacketError| {
        assert_eq!(RtpPacket::parse(&rtp_vector(name)), Err(expected), "{name}");
    };
    check("too-short", PacketError::TooShort);
    check("version-1", PacketError::Version);
    check("csrc-overrun", PacketError::Sources);
    check("ext-overrun", PacketError::Extension);
    check("pad-overrun", PacketError::Padding);
    check("pad-zero", PacketError::Padding);
    assert_eq!(RtpPacket::parse(&[]), Err(PacketError::TooShort));
}

#[test]
fn writer_keeps_to_the_limits_of_the_header() {
    let mut out = Vec::new();
    let csrc: Vec<u32> = (0..40).collect();
    RtpHeader {
        csrc: &csrc,
        payload_type: 0xff,
        ..RtpHeader::default()
    }
    .write(&[1], &mut out);
    let packet = RtpPacket::parse(&out).unwrap();
    assert_eq!(
        (
            packet.csrc().len(),
            packet.payload_type(),
            packet.marker(),
            packet.payload()
        ),
        (15, 127, false, [1].as_slice())
    );
}

proptest! {
    #[test]
    fn what_is_written_is_parsed(
        marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
        csrc in proptest::collection::vec(any::<u32>(), 0..=15),
        extension in proptest::option::of((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..40))),
        payload in proptest::collection::vec(any::<u8>(), 0..200), padding: u8,
    ) {
        let extension = extension.as_ref().map(|(profile, data)| HeaderExtension { profile: *profile, data });
        let header = RtpHeader { marker, payload_type, sequence, timestamp, ssrc, csrc: &csrc, extension };
        let mut out = Vec::new();
        header.write_padded(&payload, padding, &mut out);
        let packet = RtpPacket::parse(&out).unwrap();
        prop_assert_eq!(packet.marker(), marker);
        prop_assert_eq!((packet.payload_type(), packet.sequence(), packet.timestamp(), packet.ssrc()), (payload_type, sequence, timestamp, ssrc));
        prop_assert_eq!(packet.csrc().collect::<Vec<_>>(), csrc.clone());
        prop_assert_eq!(packet.payload(), payload);
        prop_assert_eq!(packet.padding(), usize::from(padding));
        match (packet.extension(), extension) {
            (None, None) => {}
            (Some(parsed), Some(written)) => {
                prop_assert_eq!(parsed.profile, written.profile);
                prop_assert!(parsed.data.starts_with(written.data) && parsed.data.len() < written.data.len() + 4);
            }
            (parsed, written) => prop_assert!(false, "{parsed:?} {written:?}"),
        }
    }

    #[test]
    fn any_octets_parse_or_not_but_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(packet) = RtpPacket::parse(&octets) {
            let parts = packet.payload_range();
            prop_assert!(parts.start <= parts.end && parts.end + packet.padding() == octets.len());
            prop_assert_eq!(packet.csrc().len(), usize::from(octets[0] & 0x0f));
            let _ = packet.extension();
        }
    }
}
