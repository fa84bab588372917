//! RTP and RTCP views of one datagram.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_rtp::{RtpPacket, rtcp::Compound};

fuzz_target!(|data: &[u8]| {
    if let Ok(packet) = RtpPacket::parse(data) {
        assert_eq!(&data[packet.payload_range()], packet.payload());
        assert!(
            packet.payload().len() + packet.padding() + 12 + 4 * packet.csrc().len() <= data.len()
        );
        if let Some(extension) = packet.extension() {
            let _ = extension.elements().count();
        }
    }
    for compound in [Compound::parse(data), Compound::parse_reduced_size(data)]
        .into_iter()
        .flatten()
    {
        assert!(compound.len() > 0);
        for packet in compound.packets() {
            let _ = format!("{packet:?}");
        }
    }
});
