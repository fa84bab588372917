//! Feedback: what a receiver asks of a sender (RFC 4585 §6, RFC 5104 §4, draft-alvestrand-rmcat-remb).

use super::writer::CompoundWriter;
use super::{PSFB, RTPFB, read_u32};

/// A feedback packet (RFC 4585 §6.1).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Feedback<'a> {
    /// Who sends it.
    pub sender: u32,
    /// The media source that it is about; 0 where the entries name their own.
    pub media: u32,
    /// What it says.
    pub message: FeedbackMessage<'a>,
}

/// What a feedback packet says.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum FeedbackMessage<'a> {
    /// Generic NACK: packets that were lost (RFC 4585 §6.2.1).
    Nack(Nack<'a>),
    /// Picture loss indication (RFC 4585 §6.3.1).
    PictureLoss,
    /// Full intra request (RFC 5104 §4.3.1).
    FullIntra(FullIntra<'a>),
    /// Temporary maximum media stream bit rate request (RFC 5104 §4.2.1).
    BitRateRequest(BitRates<'a>),
    /// Its notification (RFC 5104 §4.2.2).
    BitRateNotification(BitRates<'a>),
    /// Receiver estimated maximum bit rate (REMB).
    EstimatedBitRate(EstimatedBitRate<'a>),
    /// Anything else.
    Other {
        /// Whether the packet type is RTPFB (205), not PSFB (206).
        transport: bool,
        /// The format.
        format: u8,
        /// The feedback control information, unread.
        fci: &'a [u8],
    },
}

impl<'a> Feedback<'a> {
    pub(super) fn decode(transport: bool, format: u8, body: &'a [u8]) -> Option<Self> {
        let (sender, media, fci) = (read_u32(body, 0)?, read_u32(body, 4)?, body.get(8..)?);
        let message = match (transport, format) {
            (true, 1) => FeedbackMessage::Nack(Nack {
                fci: whole(fci, 4)?,
            }),
            (true, 3) => FeedbackMessage::BitRateRequest(BitRates {
                fci: whole(fci, 8)?,
            }),
            (true, 4) => FeedbackMessage::BitRateNotification(BitRates {
                fci: if fci.is_empty() { fci } else { whole(fci, 8)? },
            }),
            (false, 1) => FeedbackMessage::PictureLoss,
            (false, 4) => FeedbackMessage::FullIntra(FullIntra {
                fci: whole(fci, 8)?,
            }),
            (false, 15) if fci.starts_with(b"REMB") => {
                FeedbackMessage::EstimatedBitRate(EstimatedBitRate::decode(fci)?)
            }
            _ => FeedbackMessage::Other {
                transport,
                format,
                fci,
            },
        };
        Some(Self {
            sender,
            media,
            message,
        })
    }
}

/// Entries of `size` octets, at least one and nothing left over.
fn whole(fci: &[u8], size: usize) -> Option<&[u8]> {
    (!fci.is_empty() && fci.len().is_multiple_of(size)).then_some(fci)
}

/// Lost packets (RFC 4585 §6.2.1).
#[derive(Debug, Clone, Copy)]
pub struct Nack<'a> {
    fci: &'a [u8],
}

impl<'a> Nack<'a> {
    /// The sequence numbers.
    pub fn lost(&self) -> impl Iterator<Item = u16> + 'a {
        self.fci.as_chunks::<4>().0.iter().flat_map(|entry| {
            let first = u16::from_be_bytes([entry[0], entry[1]]);
            let mask = u16::from_be_bytes([entry[2], entry[3]]);
            let following = (0..16)
                .filter(move |bit| mask & (1 << bit) != 0)
                .map(move |bit| first.wrapping_add(bit + 1));
            std::iter::once(first).chain(following)
        })
    }
}

/// Requests for a full picture (RFC 5104 §4.3.1).
#[derive(Debug, Clone, Copy)]
pub struct FullIntra<'a> {
    fci: &'a [u8],
}

impl<'a> FullIntra<'a> {
    /// Source and command sequence number of each request.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (u32, u8)> + 'a {
        self.fci.as_chunks::<8>().0.iter().map(|entry| {
            (
                u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]),
                entry[4],
            )
        })
    }
}

/// Entries of TMMBR and TMMBN (RFC 5104 §4.2.1.1).
#[derive(Debug, Clone, Copy)]
pub struct BitRates<'a> {
    fci: &'a [u8],
}

impl<'a> BitRates<'a> {
    /// The entries.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = BitRate> + 'a {
        self.fci.as_chunks::<8>().0.iter().map(|entry| {
            let word = u32::from_be_bytes([entry[4], entry[5], entry[6], entry[7]]);
            BitRate {
                ssrc: u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]),
                bits_per_second: shift(u64::from((word >> 9) & 0x1_ffff), word >> 26),
                overhead: (word & 0x1ff) as u16,
            }
        })
    }
}

/// One bit rate (RFC 5104 §4.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the wire format of RFC 5104 section 4.2.1.1 has exactly these fields"
)]
pub struct BitRate {
    /// The source.
    pub ssrc: u32,
    /// The rate; written with 17 significant bits, rounded down.
    pub bits_per_second: u64,
    /// Octets of headers per packet that were measured, below 512.
    pub overhead: u16,
}

/// A bit rate that a receiver believes the path can carry (REMB).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EstimatedBitRate<'a> {
    /// The rate.
    pub bits_per_second: u64,
    ssrcs: &'a [u8],
}

impl<'a> EstimatedBitRate<'a> {
    fn decode(fci: &'a [u8]) -> Option<Self> {
        let word = read_u32(fci, 4)?;
        let ssrcs = fci.get(8..8 + (word >> 24) as usize * 4)?;
        Some(Self {
            bits_per_second: shift(u64::from(word & 0x3_ffff), (word >> 18) & 0x3f),
            ssrcs,
        })
    }

    /// The sources that the rate is for.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.ssrcs
            .as_chunks::<4>()
            .0
            .iter()
            .map(|octets| u32::from_be_bytes(*octets))
    }
}

/// `mantissa << exponent`, saturating.
fn shift(mantissa: u64, exponent: u32) -> u64 {
    if mantissa == 0 || exponent <= mantissa.leading_zeros() {
        mantissa << exponent.min(63)
    } else {
        u64::MAX
    }
}

/// Mantissa of `bits` bits and exponent of a rate, rounded down.
fn split(rate: u64, bits: u32) -> (u32, u32) {
    let exponent = (64 - rate.leading_zeros()).saturating_sub(bits);
    ((rate >> exponent) as u32, exponent)
}

impl CompoundWriter<'_> {
    /// Generic NACK of packets, in ascending order (RFC 4585 §6.2.1).
    pub fn nack(&mut self, sender: u32, media: u32, lost: &[u16]) {
        self.feedback(RTPFB, 1, sender, media, |out| {
            let mut entry: Option<(u16, u16)> = None;
            for sequence in lost {
                match &mut entry {
                    Some((first, _)) if first == sequence => {}
                    Some((first, mask)) if (1..=16).contains(&sequence.wrapping_sub(*first)) => {
                        *mask |= 1 << (sequence.wrapping_sub(*first) - 1);
                    }
                    _ => {
                        write_nack(entry.replace((*sequence, 0)), out);
                    }
                }
            }
            write_nack(entry, out);
        });
    }

    /// Picture loss indication (RFC 4585 §6.3.1).
    pub fn picture_loss(&mut self, sender: u32, media: u32) {
        self.feedback(PSFB, 1, sender, media, |_| {});
    }

    /// Full intra requests: source and command sequence number (RFC 5104 §4.3.1).
    pub fn full_intra(&mut self, sender: u32, entries: &[(u32, u8)]) {
        self.feedback(PSFB, 4, sender, 0, |out| {
            for (ssrc, sequence) in entries {
                out.extend_from_slice(&ssrc.to_be_bytes());
                out.extend_from_slice(&[*sequence, 0, 0, 0]);
            }
        });
    }

    /// TMMBR (RFC 5104 §4.2.1).
    pub fn bit_rate_request(&mut self, sender: u32, entries: &[BitRate]) {
        self.feedback(RTPFB, 3, sender, 0, |out| write_bit_rates(entries, out));
    }

    /// TMMBN (RFC 5104 §4.2.2).
    pub fn bit_rate_notification(&mut self, sender: u32, entries: &[BitRate]) {
        self.feedback(RTPFB, 4, sender, 0, |out| write_bit_rates(entries, out));
    }

    /// REMB for up to 255 sources; more are left out.
    pub fn estimated_bit_rate(&mut self, sender: u32, bits_per_second: u64, sources: &[u32]) {
        let sources = sources.get(..255).unwrap_or(sources);
        self.feedback(PSFB, 15, sender, 0, |out| {
            let (mantissa, exponent) = split(bits_per_second, 18);
            out.extend_from_slice(b"REMB");
            out.extend_from_slice(
                &(((sources.len() as u32) << 24) | (exponent << 18) | mantissa).to_be_bytes(),
            );
            sources
                .iter()
                .for_each(|source| out.extend_from_slice(&source.to_be_bytes()));
        });
    }

    fn feedback(
        &mut self,
        packet_type: u8,
        format: u8,
        sender: u32,
        media: u32,
        fci: impl FnOnce(&mut Vec<u8>),
    ) {
        self.packet(format, packet_type, |out| {
            out.extend_from_slice(&sender.to_be_bytes());
            out.extend_from_slice(&media.to_be_bytes());
            fci(out);
        });
    }
}

fn write_nack(entry: Option<(u16, u16)>, out: &mut Vec<u8>) {
    if let Some((first, mask)) = entry {
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
    }
}

fn write_bit_rates(entries: &[BitRate], out: &mut Vec<u8>) {
    for entry in entries {
        let (mantissa, exponent) = split(entry.bits_per_second, 17);
        out.extend_from_slice(&entry.ssrc.to_be_bytes());
        out.extend_from_slice(
            &((exponent << 26) | (mantissa << 9) | u32::from(entry.overhead.min(511)))
                .to_be_bytes(),
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::{Compound, RtcpPacket};
    use crate::test_data::rtcp_vector;

    fn feedback(octets: &[u8]) -> Feedback<'_> {
        match Compound::parse_reduced_size(octets)
            .unwrap()
            .packets()
            .last()
        {
            Some(RtcpPacket::Feedback(feedback)) => feedback,
            other => panic!("{other:?}"),
        }
    }

    fn written(write: impl FnOnce(&mut CompoundWriter<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut CompoundWriter::new(&mut out));
        out
    }

    #[test]
    fn rfc4585_6_2_1_generic_nack() {
        let octets = rtcp_vector("NACK").split_off(8);
        let octets = if octets[1] == RTPFB {
            octets
        } else {
            rtcp_vector("NACK")
        };
        let FeedbackMessage::Nack(nack) = feedback(&octets).message else {
            panic!("no NACK")
        };
        assert_eq!(nack.lost().collect::<Vec<_>>(), [0x1234, 0x1235, 0x1244]);
        assert_eq!(
            written(|writer| writer.nack(0x1122_3344, 0x5566_7788, &[0x1234, 0x1235, 0x1244])),
            octets
        );
    }

    #[test]
    fn rfc4585_6_3_1_and_rfc5104_4_3_1_pictures() {
        let octets = rtcp_vector("PLI").split_off(8);
        assert!(matches!(
            feedback(&octets).message,
            FeedbackMessage::PictureLoss
        ));
        assert_eq!(
            written(|writer| writer.picture_loss(0x1122_3344, 0x5566_7788)),
            octets
        );
        let octets = rtcp_vector("FIR").split_off(8);
        let FeedbackMessage::FullIntra(request) = feedback(&octets).message else {
            panic!("no FIR")
        };
        assert_eq!(request.entries().collect::<Vec<_>>(), [(0x5566_7788, 9)]);
        assert_eq!(
            written(|writer| writer.full_intra(0x1122_3344, &[(0x5566_7788, 9)])),
            octets
        );
    }

    #[test]
    fn rfc5104_4_2_1_bit_rates() {
        let entry = BitRate {
            ssrc: 7,
            bits_per_second: 0x1_ffff << 20,
            overhead: 40,
        };
        let octets = written(|writer| writer.bit_rate_request(1, &[entry]));
        // Exponent 20, mantissa all ones, overhead 40.
        assert_eq!(
            octets[16..],
            ((20u32 << 26) | (0x1_ffff << 9) | 40).to_be_bytes()
        );
        let FeedbackMessage::BitRateRequest(rates) = feedback(&octets).message else {
            panic!("no TMMBR")
        };
        assert_eq!(rates.entries().collect::<Vec<_>>(), [entry]);
        let octets = written(|writer| writer.bit_rate_notification(1, &[]));
        let FeedbackMessage::BitRateNotification(rates) = feedback(&octets).message else {
            panic!("no TMMBN")
        };
        assert_eq!(rates.entries().len(), 0);
    }

    #[test]
    fn remb_carries_rate_and_sources() {
        let octets = written(|writer| writer.estimated_bit_rate(1, 2_500_000, &[2, 3]));
        let FeedbackMessage::EstimatedBitRate(rate) = feedback(&octets).message else {
            panic!("no REMB")
        };
        assert_eq!(
            (rate.bits_per_second, rate.sources().collect::<Vec<_>>()),
            (2_500_000 >> 4 << 4, vec![2, 3])
        );
        let octets = written(|writer| writer.estimated_bit_rate(1, u64::MAX, &[]));
        let FeedbackMessage::EstimatedBitRate(rate) = feedback(&octets).message else {
            panic!("no REMB")
        };
        assert_eq!(rate.bits_per_second, 0x3_ffff << 46);
    }

    proptest! {
        #[test]
        fn any_losses_survive_a_nack(first: u16, gaps in proptest::collection::vec(1u16..40, 0..30)) {
            let mut lost = vec![first];
            for gap in gaps {
                lost.push(lost.last().unwrap().wrapping_add(gap));
            }
            let octets = written(|writer| writer.nack(1, 2, &lost));
            let FeedbackMessage::Nack(nack) = feedback(&octets).message else { panic!("no NACK") };
            prop_assert_eq!(nack.lost().collect::<Vec<_>>(), lost);
        }

        #[test]
        fn any_rate_is_kept_within_its_precision(rate: u64) {
            let (mantissa, exponent) = split(rate, 17);
            prop_assert!(mantissa < 1 << 17 && exponent < 64);
            let kept = shift(u64::from(mantissa), exponent);
            prop_assert!(kept <= rate && rate - kept <= rate >> 16);
        }
    }
}
