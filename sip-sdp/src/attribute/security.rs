//! Keys and connections: `crypto` (RFC 4568), `fingerprint` (RFC 8122), `setup` and `connection` (RFC 4145),
//! `key-mgmt` (RFC 4567).

use alloc::string::String;
use core::fmt;
use core::fmt::Write as _;

use super::Attribute;
use crate::grammar::{Scan, ValueError, number};

/// An SRTP crypto suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CryptoSuite<'a> {
    /// `AES_CM_128_HMAC_SHA1_80` (RFC 4568 §6.2.1).
    AesCm128HmacSha1_80,
    /// `AES_CM_128_HMAC_SHA1_32` (RFC 4568 §6.2.2).
    AesCm128HmacSha1_32,
    /// `AES_256_CM_HMAC_SHA1_80` (RFC 6188).
    Aes256CmHmacSha1_80,
    /// `AES_256_CM_HMAC_SHA1_32` (RFC 6188).
    Aes256CmHmacSha1_32,
    /// `AEAD_AES_128_GCM` (RFC 7714).
    AeadAes128Gcm,
    /// `AEAD_AES_256_GCM` (RFC 7714).
    AeadAes256Gcm,
    /// Another suite.
    Other(&'a str),
}

impl<'a> CryptoSuite<'a> {
    /// The suite of this name.
    pub fn from_name(name: &'a str) -> Self {
        match name {
            "AES_CM_128_HMAC_SHA1_80" => Self::AesCm128HmacSha1_80,
            "AES_CM_128_HMAC_SHA1_32" => Self::AesCm128HmacSha1_32,
            "AES_256_CM_HMAC_SHA1_80" => Self::Aes256CmHmacSha1_80,
            "AES_256_CM_HMAC_SHA1_32" => Self::Aes256CmHmacSha1_32,
            "AEAD_AES_128_GCM" => Self::AeadAes128Gcm,
            "AEAD_AES_256_GCM" => Self::AeadAes256Gcm,
            other => Self::Other(other),
        }
    }

    /// The name.
    pub const fn as_str(&self) -> &'a str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::Aes256CmHmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::Aes256CmHmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::Other(other) => other,
        }
    }

    /// Bytes of master key and salt together, where known.
    pub const fn key_and_salt_len(&self) -> Option<usize> {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => Some(30),
            Self::Aes256CmHmacSha1_80 | Self::Aes256CmHmacSha1_32 => Some(46),
            Self::AeadAes128Gcm => Some(28),
            Self::AeadAes256Gcm => Some(44),
            Self::Other(_) => None,
        }
    }
}

/// `a=crypto:<tag> <suite> <key-params> [<session-params>]` (RFC 4568 §9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 4568 §9.1")]
pub struct Crypto<'a> {
    /// Names the line within its media description.
    pub tag: u32,
    /// Ciphers and lengths.
    pub suite: CryptoSuite<'a>,
    /// `inline:<base64>[|lifetime][|mki]`, several separated by semicolons.
    pub keys: &'a str,
    /// Session parameters separated by spaces; empty when there is none.
    pub session_parameters: &'a str,
}

/// One `inline` key of a crypto line (RFC 4568 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyParameter<'a> {
    /// Master key and salt, base64.
    pub key_and_salt: &'a str,
    /// Packets it may protect; also written `2^n`.
    pub lifetime: Option<u64>,
    /// Master key identifier and its length in bytes.
    pub mki: Option<(u64, u8)>,
}

impl<'a> Crypto<'a> {
    /// The inline keys that follow the grammar.
    pub fn key_parameters(&self) -> impl Iterator<Item = KeyParameter<'a>> + use<'a> {
        self.keys.split(';').filter_map(|key| {
            let mut parts = key.strip_prefix("inline:")?.split('|');
            let mut parameter = KeyParameter {
                key_and_salt: parts.next()?,
                lifetime: None,
                mki: None,
            };
            for part in parts {
                match part.split_once(':') {
                    Some((value, length)) => {
                        parameter.mki = Some((number(value)?, number(length)?))
                    }
                    None => {
                        parameter.lifetime = match part.strip_prefix("2^") {
                            Some(power) => 1u64.checked_shl(number(power)?),
                            None => Some(number(part)?),
                        }
                    }
                }
            }
            Some(parameter)
        })
    }

    /// Whether a session parameter is there that changes what is protected: a side that does not know it must not
    /// accept the line (RFC 4568 §6.3.7).
    pub fn has_unknown_mandatory_parameter(&self) -> bool {
        self.session_parameters
            .split([' ', '\t'])
            .any(|word| !word.is_empty() && !word.starts_with('-'))
    }
}

impl<'a> Attribute<'a> for Crypto<'a> {
    const NAME: &'static str = "crypto";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let start = scan;
        let tag = scan.number("the tag is no number")?;
        if tag > 999_999_999 {
            return Err(start.error("the tag has more than nine digits"));
        }
        let suite = scan.next_word("the crypto suite is missing")?;
        let start = scan;
        let keys = scan.next_word("the key is missing")?;
        if !keys.split(';').all(|key| {
            key.split_once(':')
                .is_some_and(|(method, info)| !method.is_empty() && !info.is_empty())
        }) {
            return Err(start.error("a key is not a method, a colon and the key"));
        }
        scan.spaces();
        Ok(Self {
            tag,
            suite: CryptoSuite::from_name(suite),
            keys,
            session_parameters: scan.rest().trim_end_matches(' '),
        })
    }

    fn encode(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{} {} {}", self.tag, self.suite.as_str(), self.keys);
        if !self.session_parameters.is_empty() {
            let _ = write!(out, " {}", self.session_parameters);
        }
    }
}

/// `a=fingerprint:<hash> <bytes in hexadecimal with colons>` (RFC 8122 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8122 §5")]
pub struct Fingerprint<'a> {
    /// `sha-256` and the like; compare without case.
    pub hash: &'a str,
    /// `AB:CD:...`; RFC 8122 wants upper case, lower case is read.
    pub digest: &'a str,
}

impl<'a> Fingerprint<'a> {
    /// The digest's bytes.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.digest
            .split(':')
            .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
    }
}

impl<'a> Attribute<'a> for Fingerprint<'a> {
    const NAME: &'static str = "fingerprint";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let hash = scan.token("the hash function is missing")?;
        scan.spaces();
        let start = scan;
        let digest = scan.word("the digest is missing")?;
        scan.end("something after the digest")?;
        let is_pair =
            |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digest.split(':').all(is_pair) {
            return Err(
                start.error("the digest is not pairs of hexadecimal digits with colons between")
            );
        }
        Ok(Self { hash, digest })
    }

    fn encode(&self, out: &mut String) {
        let _ = write!(out, "{} {}", self.hash, self.digest);
    }
}

/// `a=setup` (RFC 4145 §4): who opens the connection; with DTLS who is the client (RFC 5763 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the four values of RFC 4145 §4")]
pub enum Setup {
    /// Opens.
    Active,
    /// Waits.
    Passive,
    /// Either: the answerer chooses.
    ActPass,
    /// Not now.
    HoldConn,
}

impl Setup {
    /// The attribute's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }

    /// What may answer this (RFC 4145 §4.1), with a wish where there is a choice.
    #[must_use]
    pub const fn answer(self, wish: Self) -> Self {
        match (self, wish) {
            (Self::Active, Self::HoldConn)
            | (Self::Passive, Self::HoldConn)
            | (Self::ActPass, Self::HoldConn)
            | (Self::HoldConn, _) => Self::HoldConn,
            (Self::Active, Self::Active | Self::Passive | Self::ActPass) => Self::Passive,
            (Self::Passive, Self::Active | Self::Passive | Self::ActPass) => Self::Active,
            (Self::ActPass, Self::Passive) => Self::Passive,
            // RFC 5763 §5: active is recommended, media then needs no extra round trip.
            (Self::ActPass, Self::Active | Self::ActPass) => Self::Active,
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Attribute<'_> for Setup {
    const NAME: &'static str = "setup";

    fn decode(value: &str) -> Result<Self, ValueError> {
        match value.trim_matches(' ') {
            "active" => Ok(Self::Active),
            "passive" => Ok(Self::Passive),
            "actpass" => Ok(Self::ActPass),
            "holdconn" => Ok(Self::HoldConn),
            _ => Err(ValueError::new(
                0,
                "not active, passive, actpass or holdconn",
            )),
        }
    }

    fn encode(&self, out: &mut String) {
        out.push_str(self.as_str());
    }
}

/// `a=connection` (RFC 4145 §5): whether the connection of before is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the two values of RFC 4145 §5")]
pub enum ConnectionReuse {
    /// A new connection.
    New,
    /// The one there is.
    Existing,
}

impl Attribute<'_> for ConnectionReuse {
    const NAME: &'static str = "connection";

    fn decode(value: &str) -> Result<Self, ValueError> {
        match value.trim_matches(' ') {
            "new" => Ok(Self::New),
            "existing" => Ok(Self::Existing),
            _ => Err(ValueError::new(0, "not new or existing")),
        }
    }

    fn encode(&self, out: &mut String) {
        out.push_str(match self {
            Self::New => "new",
            Self::Existing => "existing",
        });
    }
}

/// `a=key-mgmt:<protocol> <data>` (RFC 4567 §3.1), for MIKEY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 4567 §3.1")]
pub struct KeyManagement<'a> {
    /// `mikey`.
    pub protocol: &'a str,
    /// Base64.
    pub data: &'a str,
}

impl<'a> Attribute<'a> for KeyManagement<'a> {
    const NAME: &'static str = "key-mgmt";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let protocol = scan.token("the protocol is missing")?;
        let data = scan.next_word("the data is missing")?;
        scan.end("something after the data")?;
        Ok(Self { protocol, data })
    }

    fn encode(&self, out: &mut String) {
        let _ = write!(out, "{} {}", self.protocol, self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::Setup;

    #[test]
    fn rfc4145_4_1_answers_to_setup() {
        let all = [
            Setup::Active,
            Setup::Passive,
            Setup::ActPass,
            Setup::HoldConn,
        ];
        let allowed = |offer| match offer {
            Setup::Active => [Setup::Passive, Setup::HoldConn].as_slice(),
            Setup::Passive => &[Setup::Active, Setup::HoldConn],
            Setup::ActPass => &[Setup::Active, Setup::Passive, Setup::HoldConn],
            Setup::HoldConn => &[Setup::HoldConn],
        };
        for offer in all {
            for wish in all {
                assert!(
                    allowed(offer).contains(&offer.answer(wish)),
                    "{offer} with {wish}"
                );
            }
        }
        assert_eq!(Setup::ActPass.answer(Setup::ActPass), Setup::Active);
    }
}
