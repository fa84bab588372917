//! Protecting and unprotecting packets, with the state that each source needs (RFC 3711 §3).

use std::fmt;

use super::cipher::{GCM_TAG_LEN, SessionKeys, Stream, cm_iv, gcm_iv, same_tag, tag};
use super::replay::ReplayWindow;
use super::{MasterKey, Profile, SrtpError};

/// Octets of the RTCP header that stay in the clear (RFC 3711 §3.4).
const RTCP_HEADER_LEN: usize = 8;
/// The flag beside the SRTCP index: encrypted.
const ENCRYPTED: u32 = 1 << 31;
/// SRTCP packets that one master key may protect (RFC 3711 §9.2).
const MAX_RTCP_INDEX: u32 = (1 << 31) - 1;
/// Sources that one session keeps state for.
const MAX_SOURCES: usize = 64;

/// The way out: one per direction, for all our sources.
pub struct Protector {
    keys: Keys,
    sources: Vec<OutSource>,
}

/// The way in: one per direction, for all sources of the other side.
pub struct Unprotector {
    keys: Keys,
    sources: Vec<InSource>,
    statistics: UnprotectStatistics,
}

/// What became of the packets that an [`Unprotector`] was given, RTP and RTCP together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnprotectStatistics {
    /// Authentic and new.
    pub accepted: u64,
    /// No RTP or RTCP, or too short for a tag.
    pub malformed: u64,
    /// With a wrong tag: forged, damaged, or under another key.
    pub forged: u64,
    /// Seen before.
    pub replayed: u64,
    /// Older than the replay window.
    pub too_old: u64,
    /// With the identifier of another master key.
    pub wrong_mki: u64,
    /// From more sources than are remembered.
    pub too_many_sources: u64,
}

impl UnprotectStatistics {
    fn count(&mut self, result: Result<(), SrtpError>) -> Result<(), SrtpError> {
        let counter = match result {
            Ok(()) => &mut self.accepted,
            Err(SrtpError::Malformed | SrtpError::Key | SrtpError::KeyExhausted) => {
                &mut self.malformed
            }
            Err(SrtpError::Authentication) => &mut self.forged,
            Err(SrtpError::Replayed) => &mut self.replayed,
            Err(SrtpError::TooOld) => &mut self.too_old,
            Err(SrtpError::Mki) => &mut self.wrong_mki,
            Err(SrtpError::TooManySources) => &mut self.too_many_sources,
        };
        *counter += 1;
        result
    }
}

struct Keys {
    profile: Profile,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    mki: Vec<u8>,
}

struct OutSource {
    ssrc: u32,
    /// Rollover counter and newest sequence number.
    highest: Option<(u32, u16)>,
    rtcp_index: u32,
}

struct InSource {
    ssrc: u32,
    highest: Option<u64>,
    rtp: ReplayWindow,
    rtcp: ReplayWindow,
}

impl fmt::Debug for Protector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protector")
            .field("profile", &self.keys.profile)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Unprotector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unprotector")
            .field("profile", &self.keys.profile)
            .finish_non_exhaustive()
    }
}

impl Keys {
    fn new(master: &MasterKey) -> Self {
        Self {
            profile: master.profile(),
            rtp: SessionKeys::derive(master, Stream::Rtp),
            rtcp: SessionKeys::derive(master, Stream::Rtcp),
            mki: master.mki().to_vec(),
        }
    }
}

impl Protector {
    /// With keys derived from `master`.
    #[must_use]
    pub fn new(master: &MasterKey) -> Self {
        Self {
            keys: Keys::new(master),
            sources: Vec::new(),
        }
    }

    /// Turns an RTP packet into an SRTP packet, in place. Sequence numbers must not run back further than 2^15.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`] when it is no RTP packet; [`SrtpError::KeyExhausted`], [`SrtpError::TooManySources`]. The
    /// packet must not be sent then.
    pub fn protect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let (ssrc, sequence, start) = locate(packet)?;
        let source = out_source(&mut self.sources, ssrc)?;
        let index = match source.highest {
            None => u64::from(sequence),
            Some((roc, newest)) => guess(roc, newest, sequence).ok_or(SrtpError::KeyExhausted)?,
        };
        // RFC 3711 §9.2: 2^48 packets at most. The counter must not come round.
        if index >= 1 << 48 {
            return Err(SrtpError::KeyExhausted);
        }
        let newest = source
            .highest
            .map(|(roc, newest)| (u64::from(roc) << 16) | u64::from(newest));
        if newest.is_none_or(|newest| index > newest) {
            source.highest = Some(((index >> 16) as u32, sequence));
        }
        match &self.keys.rtp {
            SessionKeys::Cm {
                aes,
                salt,
                hmac,
                tag_len,
            } => {
                aes.apply(
                    &cm_iv(salt, ssrc, index),
                    packet.get_mut(start..).unwrap_or_default(),
                );
                let roc = ((index >> 16) as u32).to_be_bytes();
                let tag = tag(hmac, [packet, &roc]);
                // RFC 3711 §3.1: the MKI lies between the payload and the tag, and is not authenticated.
                packet.extend_from_slice(&self.keys.mki);
                packet.extend_from_slice(tag.get(..*tag_len).unwrap_or(&tag));
            }
            SessionKeys::Gcm { gcm, salt } => {
                let (header, payload) = packet.split_at_mut(start);
                let tag = gcm.seal(&gcm_iv(salt, ssrc, index), header, payload);
                packet.extend_from_slice(&tag);
                packet.extend_from_slice(&self.keys.mki);
            }
        }
        Ok(())
    }

    /// Turns a compound RTCP packet into an SRTCP packet, in place (RFC 3711 §3.4).
    ///
    /// # Errors
    /// As [`Self::protect_rtp`].
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let ssrc = rtcp_ssrc(packet)?;
        let source = out_source(&mut self.sources, ssrc)?;
        if source.rtcp_index >= MAX_RTCP_INDEX {
            return Err(SrtpError::KeyExhausted);
        }
        source.rtcp_index += 1;
        let index = source.rtcp_index;
        let word = (index | ENCRYPTED).to_be_bytes();
        match &self.keys.rtcp {
            SessionKeys::Cm {
                aes,
                salt,
                hmac,
                tag_len,
            } => {
                aes.apply(
                    &cm_iv(salt, ssrc, u64::from(index)),
                    packet.get_mut(RTCP_HEADER_LEN..).unwrap_or_default(),
                );
                packet.extend_from_slice(&word);
                let tag = tag(hmac, [packet, &[]]);
                packet.extend_from_slice(&self.keys.mki);
                packet.extend_from_slice(tag.get(..*tag_len).unwrap_or(&tag));
            }
            SessionKeys::Gcm { gcm, salt } => {
                let (header, payload) = packet.split_at_mut(RTCP_HEADER_LEN);
                // RFC 7714 §9.2: the header and the word with flag and index are authenticated.
                let aad = rtcp_aad(header, word);
                let tag = gcm.seal(&gcm_iv(salt, ssrc, u64::from(index)), &aad, payload);
                packet.extend_from_slice(&tag);
                packet.extend_from_slice(&word);
                packet.extend_from_slice(&self.keys.mki);
            }
        }
        Ok(())
    }
}

impl Unprotector {
    /// With keys derived from `master`.
    #[must_use]
    pub fn new(master: &MasterKey) -> Self {
        Self {
            keys: Keys::new(master),
            sources: Vec::new(),
            statistics: UnprotectStatistics::default(),
        }
    }

    /// The counters.
    #[must_use]
    pub fn statistics(&self) -> UnprotectStatistics {
        self.statistics
    }

    /// Turns an SRTP packet into the RTP packet, in place. State changes only when the packet is authentic.
    ///
    /// # Errors
    /// The packet is to be dropped, and its octets mean nothing: see [`SrtpError`].
    pub fn unprotect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let result = self.open_rtp(packet);
        self.statistics.count(result)
    }

    fn open_rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let (ssrc, sequence, start) = locate(packet)?;
        let known = self.sources.iter().position(|source| source.ssrc == ssrc);
        let source = known.and_then(|index| self.sources.get(index));
        let index = match source.and_then(|source| source.highest) {
            None => u64::from(sequence),
            // A guess before the first packet of all: it cannot be authentic.
            Some(highest) => {
                guess((highest >> 16) as u32, highest as u16, sequence).ok_or(SrtpError::TooOld)?
            }
        };
        if let Some(source) = source {
            source.rtp.check(index)?;
        } else if self.sources.len() >= MAX_SOURCES {
            return Err(SrtpError::TooManySources);
        }
        match &self.keys.rtp {
            SessionKeys::Cm {
                aes,
                salt,
                hmac,
                tag_len,
            } => {
                let body = packet
                    .len()
                    .checked_sub(*tag_len + self.keys.mki.len())
                    .filter(|body| *body >= start);
                let (head, trailer) = packet
                    .split_at_checked(body.ok_or(SrtpError::Malformed)?)
                    .ok_or(SrtpError::Malformed)?;
                let (mki, found) = trailer.split_at(self.keys.mki.len());
                if mki != self.keys.mki {
                    return Err(SrtpError::Mki);
                }
                let roc = ((index >> 16) as u32).to_be_bytes();
                if !same_tag(&tag(hmac, [head, &roc]), found) {
                    return Err(SrtpError::Authentication);
                }
                packet.truncate(head.len());
                aes.apply(
                    &cm_iv(salt, ssrc, index),
                    packet.get_mut(start..).unwrap_or_default(),
                );
            }
            SessionKeys::Gcm { gcm, salt } => {
                let end = strip_mki(packet, &self.keys.mki)?;
                let body = end
                    .checked_sub(GCM_TAG_LEN)
                    .filter(|body| *body >= start)
                    .ok_or(SrtpError::Malformed)?;
                let tag = *packet
                    .get(body..end)
                    .and_then(|tag| tag.first_chunk())
                    .ok_or(SrtpError::Malformed)?;
                packet.truncate(body);
                let (header, payload) = packet.split_at_mut(start);
                gcm.open(&gcm_iv(salt, ssrc, index), header, payload, &tag)?;
            }
        }
        let source = in_source(&mut self.sources, known, ssrc);
        source.rtp.note(index);
        source.highest = source.highest.max(Some(index));
        Ok(())
    }

    /// Turns an SRTCP packet into the compound RTCP packet, in place. One that is authentic but not encrypted is accepted
    /// (RFC 3711 §3.4: the E flag).
    ///
    /// # Errors
    /// As [`Self::unprotect_rtp`].
    pub fn unprotect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let result = self.open_rtcp(packet);
        self.statistics.count(result)
    }

    fn open_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let ssrc = rtcp_ssrc(packet)?;
        let known = self.sources.iter().position(|source| source.ssrc == ssrc);
        if known.is_none() && self.sources.len() >= MAX_SOURCES {
            return Err(SrtpError::TooManySources);
        }
        let source = known.and_then(|index| self.sources.get(index));
        let check =
            |index: u32| source.map_or(Ok(()), |source| source.rtcp.check(u64::from(index)));
        let index = match &self.keys.rtcp {
            SessionKeys::Cm {
                aes,
                salt,
                hmac,
                tag_len,
            } => {
                let body = packet
                    .len()
                    .checked_sub(*tag_len + self.keys.mki.len())
                    .ok_or(SrtpError::Malformed)?;
                let word_at = body
                    .checked_sub(4)
                    .filter(|at| *at >= RTCP_HEADER_LEN)
                    .ok_or(SrtpError::Malformed)?;
                let (head, trailer) = packet.split_at(body);
                let (mki, found) = trailer.split_at(self.keys.mki.len());
                if mki != self.keys.mki {
                    return Err(SrtpError::Mki);
                }
                let word = word_of(head.get(word_at..))?;
                check(word & !ENCRYPTED)?;
                if !same_tag(&tag(hmac, [head, &[]]), found) {
                    return Err(SrtpError::Authentication);
                }
                packet.truncate(word_at);
                if word & ENCRYPTED != 0 {
                    let iv = cm_iv(salt, ssrc, u64::from(word & !ENCRYPTED));
                    aes.apply(&iv, packet.get_mut(RTCP_HEADER_LEN..).unwrap_or_default());
                }
                word & !ENCRYPTED
            }
            SessionKeys::Gcm { gcm, salt } => {
                let end = strip_mki(packet, &self.keys.mki)?;
                let tag_at = end
                    .checked_sub(GCM_TAG_LEN + 4)
                    .filter(|at| *at >= RTCP_HEADER_LEN)
                    .ok_or(SrtpError::Malformed)?;
                let word = word_of(packet.get(end - 4..end))?;
                let tag = *packet
                    .get(tag_at..)
                    .and_then(|tag| tag.first_chunk())
                    .ok_or(SrtpError::Malformed)?;
                check(word & !ENCRYPTED)?;
                let iv = gcm_iv(salt, ssrc, u64::from(word & !ENCRYPTED));
                packet.truncate(tag_at);
                if word & ENCRYPTED != 0 {
                    let (header, payload) = packet.split_at_mut(RTCP_HEADER_LEN);
                    gcm.open(&iv, &rtcp_aad(header, word.to_be_bytes()), payload, &tag)?;
                } else {
                    // RFC 7714 §9.3: all of it is authenticated, nothing encrypted.
                    packet.extend_from_slice(&word.to_be_bytes());
                    gcm.open(&iv, packet, &mut [], &tag)?;
                    packet.truncate(tag_at);
                }
                word & !ENCRYPTED
            }
        };
        in_source(&mut self.sources, known, ssrc)
            .rtcp
            .note(u64::from(index));
        Ok(())
    }
}

/// SSRC, sequence number and the beginning of what is encrypted: after header, CSRC list and extension.
fn locate(packet: &[u8]) -> Result<(u32, u16, usize), SrtpError> {
    // The padding of an SRTP packet is encrypted, so its count cannot be checked as `RtpPacket::parse` does.
    let Some(fixed) = packet.first_chunk::<12>() else {
        return Err(SrtpError::Malformed);
    };
    let mut start = 12 + usize::from(fixed[0] & 0x0f) * 4;
    if fixed[0] >> 6 != 2 {
        return Err(SrtpError::Malformed);
    }
    if fixed[0] & 0x10 != 0 {
        let head = packet
            .get(start..)
            .and_then(|rest| rest.first_chunk::<4>())
            .ok_or(SrtpError::Malformed)?;
        start += 4 + usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
    }
    if start > packet.len() {
        return Err(SrtpError::Malformed);
    }
    let ssrc = u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
    Ok((ssrc, u16::from_be_bytes([fixed[2], fixed[3]]), start))
}

fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    match packet.first_chunk::<RTCP_HEADER_LEN>() {
        Some(head) if head[0] >> 6 == 2 => {
            Ok(u32::from_be_bytes([head[4], head[5], head[6], head[7]]))
        }
        _ => Err(SrtpError::Malformed),
    }
}

fn rtcp_aad(header: &[u8], word: [u8; 4]) -> [u8; RTCP_HEADER_LEN + 4] {
    let mut aad = [0; RTCP_HEADER_LEN + 4];
    aad.iter_mut()
        .zip(header.iter().chain(&word))
        .for_each(|(to, from)| *to = *from);
    aad
}

fn word_of(octets: Option<&[u8]>) -> Result<u32, SrtpError> {
    let octets = octets
        .and_then(|octets| octets.first_chunk::<4>())
        .ok_or(SrtpError::Malformed)?;
    Ok(u32::from_be_bytes(*octets))
}

/// Where the packet ends without its MKI.
fn strip_mki(packet: &[u8], mki: &[u8]) -> Result<usize, SrtpError> {
    let end = packet
        .len()
        .checked_sub(mki.len())
        .ok_or(SrtpError::Malformed)?;
    if packet.get(end..) == Some(mki) {
        Ok(end)
    } else {
        Err(SrtpError::Mki)
    }
}

/// RFC 3711 §3.3.1 and appendix A: the index nearest to the newest one. `None` when it would lie before the first.
fn guess(roc: u32, newest: u16, sequence: u16) -> Option<u64> {
    let newest_index = (i64::from(roc) << 16) | i64::from(newest);
    let step = i64::from(sequence.wrapping_sub(newest).cast_signed());
    u64::try_from(newest_index + step).ok()
}

fn out_source(sources: &mut Vec<OutSource>, ssrc: u32) -> Result<&mut OutSource, SrtpError> {
    let index = match sources.iter().position(|source| source.ssrc == ssrc) {
        Some(index) => index,
        // Forgetting a source would start its counter anew under the same key: a two-time pad.
        None if sources.len() >= MAX_SOURCES => return Err(SrtpError::TooManySources),
        None => {
            sources.push(OutSource {
                ssrc,
                highest: None,
                rtcp_index: 0,
            });
            sources.len() - 1
        }
    };
    sources.get_mut(index).ok_or(SrtpError::TooManySources)
}

fn in_source(sources: &mut Vec<InSource>, known: Option<usize>, ssrc: u32) -> &mut InSource {
    let index = known.unwrap_or(sources.len());
    if index == sources.len() {
        sources.push(InSource {
            ssrc,
            highest: None,
            rtp: ReplayWindow::default(),
            rtcp: ReplayWindow::default(),
        });
    }
    &mut sources[index]
}
