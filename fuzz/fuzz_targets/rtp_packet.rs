//! An RTP packet: what parses is written back the same, and its extension elements stay inside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_rtp::demux::{Protocol, classify};
use sip_rtp::packet::extension::{ONE_BYTE, TWO_BYTE};
use sip_rtp::{RtpHeader, RtpPacket};

fuzz_target!(|data: &[u8]| {
    let Ok(packet) = RtpPacket::parse(data) else {
        return;
    };
    assert!(matches!(
        classify(data),
        Some(Protocol::Rtp | Protocol::Rtcp)
    ));
    let csrc: Vec<u32> = packet.csrc().collect();
    let header = RtpHeader {
        marker: packet.marker(),
        payload_type: packet.payload_type(),
        sequence: packet.sequence(),
        timestamp: packet.timestamp(),
        ssrc: packet.ssrc(),
        csrc: &csrc,
        extension: packet.extension(),
    };
    let mut out = Vec::new();
    header.write_padded(packet.payload(), packet.padding() as u8, &mut out);
    // The content of padding is of no meaning; everything before it is the same.
    let end = packet.payload_range().end;
    assert_eq!(out[..end], data[..end]);
    assert_eq!(out.len(), data.len());
    if let Some(extension) = packet.extension() {
        let total: usize = extension
            .elements()
            .map(|element| element.data.len() + 1)
            .sum();
        assert!(total <= extension.data.len());
        if extension.profile != ONE_BYTE && extension.profile & 0xfff0 != TWO_BYTE {
            assert_eq!(total, 0);
        }
    }
});
