//! SRTP and SRTCP: encryption, authentication and replay protection of media (RFC 3711, RFC 6188, RFC 7714).
//!
//! The transform works in place on the packets that [`crate::stream`] makes and takes: a [`Protector`] on the way out, an
//! [`Unprotector`] on the way in. Keys come from a description ([`MasterKey::from_sdes`], RFC 4568) or from a DTLS
//! handshake ([`MasterKey::from_dtls`], RFC 5764).
//!
//! ```
//! use sip_rtp::RtpHeader;
//! use sip_rtp::srtp::{MasterKey, Profile, Protector, Unprotector};
//!
//! let key = MasterKey::new(Profile::AesCm128HmacSha1_80, &[1; 16], &[2; 14])?;
//! let (mut ours, mut theirs) = (Protector::new(&key), Unprotector::new(&key));
//! let mut packet = Vec::new();
//! RtpHeader { sequence: 1, ssrc: 7, ..RtpHeader::default() }.write(b"hello", &mut packet);
//! let plain = packet.clone();
//! ours.protect_rtp(&mut packet)?;
//! assert_eq!(packet.len(), plain.len() + 10);
//! theirs.unprotect_rtp(&mut packet)?;
//! assert_eq!(packet, plain);
//! # Ok::<(), sip_rtp::srtp::SrtpError>(())
//! ```

use std::fmt;

mod cipher;
mod key;
mod replay;
mod session;

pub use key::MasterKey;
pub use session::{Protector, UnprotectStatistics, Unprotector};

/// Cipher, key length and tag length together (the protection profile of RFC 5764, the crypto suite of RFC 4568).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// AES-128 in counter mode, 80-bit tag (RFC 3711). Every implementation has it.
    AesCm128HmacSha1_80,
    /// The same with a 32-bit tag on RTP.
    AesCm128HmacSha1_32,
    /// AES-192 in counter mode, 80-bit tag (RFC 6188).
    AesCm192HmacSha1_80,
    /// The same with a 32-bit tag on RTP.
    AesCm192HmacSha1_32,
    /// AES-256 in counter mode, 80-bit tag (RFC 6188).
    AesCm256HmacSha1_80,
    /// The same with a 32-bit tag on RTP.
    AesCm256HmacSha1_32,
    /// AES-128 in Galois counter mode (RFC 7714).
    AeadAes128Gcm,
    /// AES-256 in Galois counter mode (RFC 7714).
    AeadAes256Gcm,
}

impl Profile {
    /// All profiles, in the order in which an offer should list them.
    pub const ALL: [Self; 8] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm256HmacSha1_80,
        Self::AesCm192HmacSha1_80,
        Self::AesCm128HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AesCm192HmacSha1_32,
        Self::AesCm128HmacSha1_32,
    ];

    /// The name in `a=crypto` (RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §14.1).
    #[must_use]
    pub const fn sdes_name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm192HmacSha1_80 => "AES_192_CM_HMAC_SHA1_80",
            Self::AesCm192HmacSha1_32 => "AES_192_CM_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The profile with this name in `a=crypto`.
    #[must_use]
    pub fn from_sdes_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.sdes_name().eq_ignore_ascii_case(name))
    }

    /// The number in the `use_srtp` extension of DTLS (RFC 5764 §4.1.2, RFC 7714 §14.2), if it has one.
    #[must_use]
    pub const fn dtls_id(self) -> Option<u16> {
        match self {
            Self::AesCm128HmacSha1_80 => Some(0x0001),
            Self::AesCm128HmacSha1_32 => Some(0x0002),
            Self::AeadAes128Gcm => Some(0x0007),
            Self::AeadAes256Gcm => Some(0x0008),
            Self::AesCm192HmacSha1_80
            | Self::AesCm192HmacSha1_32
            | Self::AesCm256HmacSha1_80
            | Self::AesCm256HmacSha1_32 => None,
        }
    }

    /// The profile with this number in the `use_srtp` extension.
    #[must_use]
    pub fn from_dtls_id(id: u16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.dtls_id() == Some(id))
    }

    /// Octets of the master key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm192HmacSha1_80 | Self::AesCm192HmacSha1_32 => 24,
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of the master salt.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Octets that protection adds to an RTP packet, without the MKI.
    #[must_use]
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_32 | Self::AesCm192HmacSha1_32 | Self::AesCm256HmacSha1_32 => 4,
            Self::AesCm128HmacSha1_80 | Self::AesCm192HmacSha1_80 | Self::AesCm256HmacSha1_80 => 10,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Octets that protection adds to an RTCP packet, without the MKI: the tag and the index. The tag of RTCP is never
    /// short (RFC 4568 §6.2.2).
    #[must_use]
    pub const fn rtcp_overhead(self) -> usize {
        if self.is_aead() { 20 } else { 14 }
    }

    const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }
}

/// Why a key was refused, or a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SrtpError {
    /// The key or salt does not have the length that the profile needs, or is not base64.
    Key,
    /// Not an RTP or RTCP packet, or too short for its tag.
    Malformed,
    /// The tag is wrong: forged, damaged, or another key.
    Authentication,
    /// The packet was seen before (RFC 3711 §3.3.2).
    Replayed,
    /// The packet is older than the replay window.
    TooOld,
    /// The MKI is not ours.
    Mki,
    /// As many packets were protected as one master key may protect (RFC 3711 §9.2): agree on a new one.
    KeyExhausted,
    /// More sources than one session keeps state for.
    TooManySources,
}

impl fmt::Display for SrtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "SRTP key or salt has the wrong length or form",
            Self::Malformed => "not an SRTP packet",
            Self::Authentication => "SRTP authentication failed",
            Self::Replayed => "SRTP packet was seen before",
            Self::TooOld => "SRTP packet is older than the replay window",
            Self::Mki => "SRTP packet names another master key",
            Self::KeyExhausted => "SRTP master key has protected as many packets as it may",
            Self::TooManySources => "too many sources in one SRTP session",
        })
    }
}

impl std::error::Error for SrtpError {}

#[cfg(test)]
mod tests;
