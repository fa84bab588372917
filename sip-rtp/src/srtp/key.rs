//! Master keys: from a description, from a DTLS handshake.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::{Profile, SrtpError};

/// Longest MKI (RFC 4568 §6.1: at most 128).
const MAX_MKI: usize = 128;

/// A master key with its salt and profile; wiped from memory when dropped, and not shown by `Debug`.
#[derive(Clone)]
pub struct MasterKey {
    profile: Profile,
    key: Zeroizing<Vec<u8>>,
    salt: Zeroizing<Vec<u8>>,
    mki: Vec<u8>,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

impl MasterKey {
    /// A key and a salt of the lengths that the profile needs.
    ///
    /// # Errors
    /// [`SrtpError::Key`] for other lengths.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        if key.len() != profile.key_len() || salt.len() != profile.salt_len() {
            return Err(SrtpError::Key);
        }
        Ok(Self {
            profile,
            key: Zeroizing::new(key.to_vec()),
            salt: Zeroizing::new(salt.to_vec()),
            mki: Vec::new(),
        })
    }

    /// The same with a master key identifier in every packet (RFC 3711 §3.1).
    ///
    /// # Errors
    /// [`SrtpError::Mki`] when it is longer than 128 octets.
    pub fn with_mki(mut self, mki: &[u8]) -> Result<Self, SrtpError> {
        if mki.len() > MAX_MKI {
            return Err(SrtpError::Mki);
        }
        self.mki = mki.to_vec();
        Ok(self)
    }

    /// From the key parameters of `a=crypto` (RFC 4568 §6.1): `inline:<base64>[|lifetime][|MKI:length]`. The lifetime is
    /// checked for its form only: the limits of RFC 3711 §9.2 apply in any case.
    ///
    /// # Errors
    /// [`SrtpError::Key`] when it is not of that form, or of another length than the profile needs.
    ///
    /// ```
    /// use sip_rtp::srtp::{MasterKey, Profile};
    ///
    /// let profile = Profile::AesCm128HmacSha1_80;
    /// let key = MasterKey::from_sdes(profile, "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4")?;
    /// assert!(key.to_sdes().starts_with("inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|1:4"));
    /// # Ok::<(), sip_rtp::srtp::SrtpError>(())
    /// ```
    pub fn from_sdes(profile: Profile, parameters: &str) -> Result<Self, SrtpError> {
        let (method, rest) = parameters.split_once(':').ok_or(SrtpError::Key)?;
        if !method.eq_ignore_ascii_case("inline") {
            return Err(SrtpError::Key);
        }
        let mut parts = rest.split('|');
        let text = parts.next().unwrap_or_default().trim_end_matches('=');
        let octets = Zeroizing::new(STANDARD_NO_PAD.decode(text).map_err(|_| SrtpError::Key)?);
        let (key, salt) = octets
            .split_at_checked(profile.key_len())
            .ok_or(SrtpError::Key)?;
        let mut master = Self::new(profile, key, salt)?;
        for part in parts {
            if let Some((value, len)) = part.split_once(':') {
                let (value, len): (u64, usize) = (
                    value.parse().map_err(|_| SrtpError::Key)?,
                    len.parse().map_err(|_| SrtpError::Key)?,
                );
                if len == 0 || len > MAX_MKI {
                    return Err(SrtpError::Key);
                }
                // The MKI is the number in network order, in that many octets.
                let octets = value.to_be_bytes();
                let mut mki = vec![0; len.saturating_sub(octets.len())];
                mki.extend_from_slice(
                    octets
                        .get(octets.len().saturating_sub(len)..)
                        .unwrap_or_default(),
                );
                if len < octets.len() && value >> (len * 8) != 0 {
                    return Err(SrtpError::Key);
                }
                master.mki = mki;
            } else {
                let digits = part.strip_prefix("2^").unwrap_or(part);
                if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
                    return Err(SrtpError::Key);
                }
            }
        }
        Ok(master)
    }

    /// The key parameters for `a=crypto`.
    #[must_use]
    pub fn to_sdes(&self) -> String {
        let octets = Zeroizing::new([self.key.as_slice(), self.salt.as_slice()].concat());
        let mut text = format!("inline:{}", STANDARD.encode(&*octets));
        if !self.mki.is_empty() && self.mki.len() <= 8 {
            let value = self
                .mki
                .iter()
                .fold(0u64, |value, octet| (value << 8) | u64::from(*octet));
            text.push_str(&format!("|{value}:{}", self.mki.len()));
        }
        text
    }

    /// The keys of client and server from the exported keying material of a DTLS handshake (RFC 5764 §4.2, label
    /// `EXTRACTOR-dtls_srtp`), in this order.
    ///
    /// # Errors
    /// [`SrtpError::Key`] when `material` is not `2 * (key_len + salt_len)` octets long.
    pub fn from_dtls(profile: Profile, material: &[u8]) -> Result<(Self, Self), SrtpError> {
        let (key_len, salt_len) = (profile.key_len(), profile.salt_len());
        if material.len() != 2 * (key_len + salt_len) {
            return Err(SrtpError::Key);
        }
        // client_write_key, server_write_key, client_write_salt, server_write_salt.
        let (keys, salts) = material.split_at(2 * key_len);
        let (client_key, server_key) = keys.split_at(key_len);
        let (client_salt, server_salt) = salts.split_at(salt_len);
        Ok((
            Self::new(profile, client_key, client_salt)?,
            Self::new(profile, server_key, server_salt)?,
        ))
    }

    /// The profile.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) fn mki(&self) -> &[u8] {
        &self.mki
    }
}
