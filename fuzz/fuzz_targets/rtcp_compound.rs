//! A compound RTCP packet: every part of every packet is walked, and reports are written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_rtp::rtcp::{Compound, CompoundWriter, FeedbackMessage, ReportKind, RtcpPacket};

fuzz_target!(|data: &[u8]| {
    let Ok(compound) = Compound::parse_reduced_size(data) else {
        return;
    };
    let mut packets = 0;
    for packet in compound.packets() {
        packets += 1;
        match packet {
            RtcpPacket::ReceiverReport(report) => {
                let blocks: Vec<_> = report.blocks.iter().collect();
                let mut out = Vec::new();
                CompoundWriter::new(&mut out).receiver_report(report.ssrc, &blocks);
                let written = Compound::parse(&out).expect("what is written is valid");
                let Some(RtcpPacket::ReceiverReport(again)) = written.packets().next() else {
                    panic!("no report")
                };
                assert!(again.blocks.iter().eq(blocks));
            }
            RtcpPacket::SourceDescription(description) => {
                let octets: usize = description
                    .chunks()
                    .flat_map(|chunk| chunk.items())
                    .map(|item| item.value.len())
                    .sum();
                assert!(octets <= data.len());
            }
            RtcpPacket::Goodbye(goodbye) => {
                let _ = (goodbye.sources().count(), goodbye.reason());
            }
            RtcpPacket::Feedback(feedback) => match feedback.message {
                FeedbackMessage::Nack(nack) => assert!(nack.lost().count() <= data.len() * 5),
                FeedbackMessage::BitRateRequest(rates)
                | FeedbackMessage::BitRateNotification(rates) => {
                    let _ = rates.entries().map(|rate| rate.bits_per_second).max();
                }
                FeedbackMessage::FullIntra(request) => {
                    assert!(request.entries().count() <= data.len())
                }
                FeedbackMessage::EstimatedBitRate(rate) => {
                    assert!(rate.sources().count() <= data.len())
                }
                _ => {}
            },
            RtcpPacket::Extended(report) => {
                for block in report.blocks() {
                    match block {
                        ReportKind::LossRunLengths(runs)
                        | ReportKind::DuplicateRunLengths(runs) => {
                            assert!(runs.packets().count() <= 65_536);
                        }
                        ReportKind::ReceiptTimes(times) => {
                            assert!(times.times().count() <= data.len())
                        }
                        ReportKind::DelaySinceLastReference(entries) => {
                            assert!(entries.entries().count() <= data.len())
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    assert!(packets > 0);
});
