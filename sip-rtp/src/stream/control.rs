//! The RTCP half of a stream: reports heard and sent, sources that leave (RFC 3550 §6).

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use crate::ntp::{self, NtpTime};
use crate::rtcp::{
    Compound, CompoundWriter, ExtendedReport, ItemKind, ReportBlock, ReportBlocks, ReportKind,
    RtcpPacket, SenderInfo,
};
use crate::source::ticks;

use super::{Event, Latching, Output, RemoteReport, RtpStream, Source, is_somewhere};

/// IP and UDP headers that RTCP bandwidth counts with each packet (RFC 3550 §6.2).
const UDP_OVERHEAD: usize = 28;

impl RtpStream {
    pub(super) fn on_rtcp(&mut self, datagram: &Bytes, from: SocketAddr, now: Instant) {
        if !self.latch.may_hear(from) && self.rtcp_remote != Some(from) {
            self.statistics.dropped.wrong_source += 1;
            return;
        }
        let parsed = if self.config.reduced_size {
            Compound::parse_reduced_size(datagram)
        } else {
            Compound::parse(datagram)
        };
        let Ok(compound) = parsed else {
            self.statistics.dropped.malformed += 1;
            return;
        };
        self.statistics.rtcp_received += 1;
        if let Some(remote) = &mut self.rtcp_remote
            && from.ip() == self.latch.remote().ip()
            && self.config.latching != Latching::Strict
        {
            // Symmetric RTCP (RFC 4961): a NAT may have changed the port.
            *remote = from;
        }
        if let Some(schedule) = &mut self.schedule {
            schedule.on_rtcp(datagram.len() + UDP_OVERHEAD);
        }
        for packet in compound.packets() {
            match packet {
                RtcpPacket::SenderReport(report) => {
                    if let Some(source) = self.known(report.ssrc, now) {
                        source.statistics.on_sender_report(report.ntp, now);
                    }
                    self.on_report_blocks(report.ssrc, report.blocks, now);
                }
                RtcpPacket::ReceiverReport(report) => {
                    self.known(report.ssrc, now);
                    self.on_report_blocks(report.ssrc, report.blocks, now);
                }
                RtcpPacket::SourceDescription(description) => {
                    for chunk in description.chunks() {
                        let cname = chunk
                            .items()
                            .find(|item| item.kind == ItemKind::CNAME)
                            .and_then(|item| item.text());
                        if let (Some(source), Some(cname)) = (self.known(chunk.ssrc, now), cname)
                            && source.cname.is_none()
                        {
                            source.cname = Some(cname.into());
                        }
                    }
                }
                RtcpPacket::Goodbye(goodbye) => {
                    for ssrc in goodbye.sources() {
                        self.on_goodbye(ssrc, now);
                    }
                }
                RtcpPacket::Extended(report) => self.on_extended(report, now),
                RtcpPacket::Application(_) | RtcpPacket::Feedback(_) | RtcpPacket::Other { .. } => {
                }
            }
        }
    }

    fn on_report_blocks(&mut self, reporter: u32, blocks: ReportBlocks<'_>, now: Instant) {
        let Some(block) = blocks.iter().find(|block| block.ssrc == self.ssrc) else {
            return;
        };
        // RFC 3550 §6.4.1: round trip = arrival - LSR - DLSR, all in the middle 32 bits of NTP time.
        let round_trip = (block.last_sr != 0).then(|| {
            let since = self.ntp(now).middle().wrapping_sub(block.last_sr);
            ntp::from_short(since.saturating_sub(block.delay_since_last_sr))
        });
        self.statistics.round_trip = round_trip.or(self.statistics.round_trip);
        self.statistics.remote_report = Some(block);
        self.outputs
            .push_back(Output::Event(Event::Report(RemoteReport {
                reporter,
                block,
                round_trip,
            })));
    }

    fn on_extended(&mut self, report: ExtendedReport<'_>, now: Instant) {
        for block in report.blocks() {
            match block {
                ReportKind::ReferenceTime(time) if self.config.extended_reports => {
                    self.references
                        .retain(|(receiver, ..)| *receiver != report.ssrc);
                    if self.references.len() < self.config.limits.sources {
                        self.references.push((report.ssrc, time.middle(), now));
                    }
                }
                ReportKind::DelaySinceLastReference(answers) => {
                    // RFC 3611 §4.5: the round trip of one who only receives.
                    for (receiver, last, delay) in answers.entries() {
                        if receiver == self.ssrc && last != 0 {
                            let since = self.ntp(now).middle().wrapping_sub(last);
                            self.statistics.round_trip =
                                Some(ntp::from_short(since.saturating_sub(delay)));
                        }
                    }
                }
                ReportKind::Voip(metrics) if metrics.ssrc == self.ssrc => {
                    self.statistics.remote_metrics = Some(metrics);
                    self.outputs
                        .push_back(Output::Event(Event::Metrics(metrics)));
                }
                ReportKind::LossRunLengths(_)
                | ReportKind::DuplicateRunLengths(_)
                | ReportKind::ReceiptTimes(_)
                | ReportKind::ReferenceTime(_)
                | ReportKind::Statistics(_)
                | ReportKind::Voip(_)
                | ReportKind::Other { .. } => {}
            }
        }
    }

    fn on_goodbye(&mut self, ssrc: u32, now: Instant) {
        let Some(index) = self.sources.iter().position(|source| source.ssrc == ssrc) else {
            return;
        };
        let source = self.sources.swap_remove(index);
        if source.statistics.is_valid() {
            self.lost_before += source.statistics.lost();
            self.outputs.push_back(Output::Event(Event::SourceEnded {
                ssrc,
                goodbye: true,
            }));
        }
        let members = self.members();
        if let Some(schedule) = &mut self.schedule {
            schedule.on_goodbye(members, now);
        }
    }

    /// A source of the table, heard now.
    fn known(&mut self, ssrc: u32, now: Instant) -> Option<&mut Source> {
        let source = self.sources.iter_mut().find(|source| source.ssrc == ssrc)?;
        source.last_heard = now;
        Some(source)
    }

    pub(super) fn send_report(&mut self, goodbye: Option<Option<&str>>, now: Instant) {
        let (ssrc, report_time) = (self.ssrc, self.ntp(now));
        let mut blocks: Vec<ReportBlock> = Vec::new();
        for source in self
            .sources
            .iter_mut()
            .filter(|source| source.rtp_since_report && source.statistics.is_valid())
            .take(31)
        {
            blocks.push(source.statistics.report(source.ssrc, now));
            source.rtp_since_report = false;
        }
        let mut packet = Vec::with_capacity(128);
        let mut writer = CompoundWriter::new(&mut packet);
        // RFC 3550 §6.4: SR when data was sent in this interval or the one before, else RR.
        match self.last_sent {
            Some((timestamp, at)) if self.is_sending() => {
                let elapsed =
                    ticks(now.saturating_duration_since(at), self.config.clock_rate) as u32;
                let info = SenderInfo {
                    ntp: report_time,
                    rtp_timestamp: timestamp
                        .wrapping_add(self.timestamp_offset)
                        .wrapping_add(elapsed),
                    packet_count: self.statistics.packets_sent as u32,
                    octet_count: self.statistics.octets_sent as u32,
                };
                writer.sender_report(ssrc, &info, &blocks);
            }
            _ => writer.receiver_report(ssrc, &blocks),
        }
        writer.source_description(ssrc, &[(ItemKind::CNAME, self.config.cname.as_bytes())]);
        if self.config.extended_reports {
            writer.reference_time(ssrc, report_time);
            let answers: Vec<(u32, u32, u32)> = self
                .references
                .drain(..)
                .map(|(receiver, last, at)| {
                    (
                        receiver,
                        last,
                        ntp::to_short(now.saturating_duration_since(at)),
                    )
                })
                .collect();
            if !answers.is_empty() {
                writer.delay_since_last_reference(ssrc, &answers);
            }
            if let Some(metrics) = &self.metrics {
                writer.voip_metrics(ssrc, metrics);
            }
        }
        if let Some(reason) = goodbye {
            writer.goodbye(&[ssrc], reason);
        }
        self.sent_since_report = [false, self.sent_since_report[0]];
        if let Some(schedule) = &mut self.schedule {
            schedule.on_rtcp(packet.len() + UDP_OVERHEAD);
        }
        let destination = self.rtcp_remote.unwrap_or_else(|| self.latch.remote());
        if is_somewhere(destination) {
            self.statistics.rtcp_sent += 1;
            self.outputs.push_back(Output::Transmit {
                destination,
                payload: packet.into(),
                rtcp: true,
            });
        }
    }

    /// RFC 3550 §6.3.5: who was silent for five report intervals is gone.
    pub(super) fn expire_sources(&mut self, now: Instant) {
        let Some(schedule) = &self.schedule else {
            return;
        };
        let after = schedule.member_timeout();
        let mut index = 0;
        while let Some(source) = self.sources.get(index) {
            if now.saturating_duration_since(source.last_heard) < after {
                index += 1;
                continue;
            }
            let source = self.sources.swap_remove(index);
            if source.statistics.is_valid() {
                self.lost_before += source.statistics.lost();
                self.outputs.push_back(Output::Event(Event::SourceEnded {
                    ssrc: source.ssrc,
                    goodbye: false,
                }));
            }
        }
    }

    pub(super) fn members(&self) -> usize {
        1 + self
            .sources
            .iter()
            .filter(|source| source.statistics.is_valid())
            .count()
    }

    pub(super) fn senders(&self) -> usize {
        let heard = self
            .sources
            .iter()
            .filter(|source| source.statistics.is_valid() && source.rtp_since_report)
            .count();
        heard + usize::from(self.is_sending())
    }

    pub(super) fn is_sending(&self) -> bool {
        self.sent_since_report.contains(&true)
    }

    fn ntp(&self, now: Instant) -> NtpTime {
        NtpTime::from_system_time(self.wall).wrapping_add(now.saturating_duration_since(self.start))
    }
}
