use proptest::prelude::*;

use super::*;
use crate::ntp::NtpTime;
use crate::test_data::rtcp_vector;

fn first(octets: &[u8]) -> RtcpPacket<'_> {
    Compound::parse(octets).unwrap().packets().next().unwrap()
}

#[test]
fn rfc3550_6_4_1_sender_report() {
    let octets = rtcp_vector("SR+SDES");
    let RtcpPacket::SenderReport(report) = first(&octets) else {
        panic!("no SR")
    };
    assert_eq!(
        (report.ssrc, report.ntp.to_bits(), report.rtp_timestamp),
        (0x1122_3344, 0xe8f5_b44d_b705_0000, 160_000)
    );
    assert_eq!((report.packet_count, report.octet_count), (1000, 160_000));
    let block = ReportBlock {
        ssrc: 0x5566_7788,
        fraction_lost: 0,
        cumulative_lost: 3,
        highest_sequence: 0x0002_ffff,
        jitter: 5,
        last_sr: 0x1234_5678,
        delay_since_last_sr: 0x0001_0000,
    };
    assert_eq!(report.blocks.iter().collect::<Vec<_>>(), [block]);

    let mut out = Vec::new();
    let mut writer = CompoundWriter::new(&mut out);
    let info = SenderInfo {
        ntp: NtpTime::from_bits(0xe8f5_b44d_b705_0000),
        rtp_timestamp: 160_000,
        packet_count: 1000,
        octet_count: 160_000,
    };
    writer.sender_report(0x1122_3344, &info, &[block]);
    writer.source_description(0x1122_3344, &[(ItemKind::CNAME, b"alice@192.0.2.1")]);
    assert_eq!(out, octets);
}

#[test]
fn rfc3550_6_4_2_receiver_report_with_negative_loss() {
    let octets = rtcp_vector("RR+SDES");
    let RtcpPacket::ReceiverReport(report) = first(&octets) else {
        panic!("no RR")
    };
    let block = report.blocks.iter().next().unwrap();
    assert_eq!(
        (
            block.fraction_lost,
            block.cumulative_lost,
            block.highest_sequence,
            block.jitter
        ),
        (12, -5, 0x0001_0123, 77)
    );
    let mut out = Vec::new();
    let mut writer = CompoundWriter::new(&mut out);
    writer.receiver_report(0x1122_3344, &[block]);
    writer.source_description(0x1122_3344, &[(ItemKind::CNAME, b"alice@192.0.2.1")]);
    assert_eq!(out, octets);
}

#[test]
fn rfc3550_6_5_source_description() {
    let octets = rtcp_vector("SDES-all-items");
    let Some(RtcpPacket::SourceDescription(description)) =
        Compound::parse(&octets).unwrap().packets().nth(1)
    else {
        panic!("no SDES")
    };
    assert_eq!(description.cname(0x1122_3344), Some("alice@192.0.2.1"));
    let items: Vec<_> = description.chunks().next().unwrap().items().collect();
    assert_eq!(
        items.iter().map(|item| item.kind.0).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6, 7, 8]
    );
    assert_eq!(items[5].text(), Some("tool/1.0"));
    assert_eq!(
        items[7].private(),
        Some((b"abc".as_slice(), b"xyz".as_slice()))
    );

    let octets = rtcp_vector("SDES-two-chunks");
    let Some(RtcpPacket::SourceDescription(description)) =
        Compound::parse(&octets).unwrap().packets().nth(1)
    else {
        panic!("no SDES")
    };
    assert_eq!(
        (
            description.cname(0x1122_3344),
            description.cname(0x5566_7788)
        ),
        (Some("a@b"), Some("cd@e"))
    );
}

#[test]
fn rfc3550_6_6_goodbye() {
    let octets = rtcp_vector("BYE-reason");
    let Some(RtcpPacket::Goodbye(goodbye)) = Compound::parse(&octets).unwrap().packets().last()
    else {
        panic!("no BYE")
    };
    assert_eq!(
        goodbye.sources().collect::<Vec<_>>(),
        [0x1122_3344, 0x5566_7788]
    );
    assert_eq!(goodbye.reason(), Some("goodbye"));
    let octets = rtcp_vector("BYE-noreason");
    let Some(RtcpPacket::Goodbye(goodbye)) = Compound::parse(&octets).unwrap().packets().last()
    else {
        panic!("no BYE")
    };
    assert_eq!((goodbye.sources().len(), goodbye.reason()), (1, None));
}

#[test]
fn rfc3550_6_7_application() {
    let octets = rtcp_vector("APP");
    let Some(RtcpPacket::Application(application)) =
        Compound::parse(&octets).unwrap().packets().last()
    else {
        panic!("no APP")
    };
    assert_eq!(
        (
            application.subtype,
            application.name,
            application.data.len()
        ),
        (5, *b"TEST", 8)
    );
    let mut out = Vec::new();
    let mut writer = CompoundWriter::new(&mut out);
    writer.receiver_report(0x1122_3344, &[]);
    writer.application(&application);
    assert_eq!(out, octets);
}

#[test]
fn rfc3550_a_2_validity_checks() {
    let good = rtcp_vector("padding");
    assert_eq!(Compound::parse(&good).unwrap().packets().count(), 2);
    let check = |change: &dyn Fn(&mut Vec<u8>), expected: RtcpError| {
        let mut octets = good.clone();
        change(&mut octets);
        assert_eq!(Compound::parse(&octets).unwrap_err(), expected);
    };
    check(&|octets| octets.clear(), RtcpError::Length);
    check(&|octets| octets[0] = 0x40, RtcpError::Version);
    check(&|octets| drop(octets.drain(..8)), RtcpError::FirstPacket);
    check(&|octets| octets[3] = 200, RtcpError::Length);
    check(&|octets| octets.truncate(20), RtcpError::Length);
    // Padding in a packet that is not the last.
    check(
        &|octets| (octets[0], octets[7]) = (0xa0, 4),
        RtcpError::Padding,
    );
    check(
        &|octets| *octets.last_mut().unwrap() = 3,
        RtcpError::Padding,
    );
    check(
        &|octets| *octets.last_mut().unwrap() = 252,
        RtcpError::Padding,
    );
    check(&|octets| octets[0] = 0x81, RtcpError::Content);
}

#[test]
fn rfc5506_3_4_1_reduced_size_is_accepted_only_when_agreed() {
    let octets = rtcp_vector("NACK").split_off(8);
    assert_eq!(
        Compound::parse(&octets).unwrap_err(),
        RtcpError::FirstPacket
    );
    assert_eq!(
        Compound::parse_reduced_size(&octets)
            .unwrap()
            .packets()
            .count(),
        1
    );
}

proptest! {
    #[test]
    fn any_octets_parse_or_not_but_never_panic(mut octets in proptest::collection::vec(any::<u8>(), 4..120), tidy: bool) {
        if tidy {
            // Mostly valid headers reach deeper.
            octets.truncate(octets.len() / 4 * 4);
            octets[0] = 0x80 | (octets[0] & 0x1f);
            octets[1] = 192 + octets[1] % 20;
            let words = (octets.len() / 4 - 1) as u8;
            (octets[2], octets[3]) = (0, words);
        }
        if let Ok(compound) = Compound::parse_reduced_size(&octets) {
            prop_assert_eq!(compound.len(), octets.len());
            prop_assert!(compound.packets().count() >= 1);
            for packet in compound.packets() {
                let _ = format!("{packet:?}");
                if let RtcpPacket::SourceDescription(description) = packet {
                    prop_assert!(description.chunks().flat_map(|chunk| chunk.items()).count() < 120);
                }
            }
        }
    }
}
