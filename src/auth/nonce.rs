//! [`Nonces`]: nonces that prove themselves.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sip_transport::Seed;

/// Which nonce; a later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NonceId(u64);

/// The upper bits are the worker that minted it.
const WORKER_SHIFT: u32 = 48;

impl NonceId {
    #[cfg(test)]
    pub(super) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Who minted it.
    pub(super) const fn worker(self) -> u16 {
        (self.0 >> WORKER_SHIFT) as u16
    }
}

/// What a nonce that someone sends is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    /// Ours, for this address, and young enough.
    Good(NonceId),
    /// Ours, and too old.
    Stale,
    /// Not ours, or for another address.
    Unknown,
}

/// A nonce is `id | milliseconds | HMAC-SHA256(key, id | milliseconds | address)`, cut to 16 bytes, as base64
/// (RFC 7616 §3.3 recommends the like). It is bound to the address it was sent to, so that nobody can use up the tries
/// of an address that they cannot receive at.
pub(super) struct Nonces {
    key: Hmac<Sha256>,
    lifetime: Duration,
    /// The time that milliseconds are counted from: the first that was told.
    epoch: Option<Instant>,
    next: u64,
}

const MAC: usize = 16;

impl Nonces {
    pub(super) fn new(seed: &Seed, lifetime: Duration) -> Self {
        // A key of the block size is used as it is (RFC 2104 §2).
        let mut key = [0; 64];
        seed.rng().fill(&mut key);
        Self {
            key: Hmac::new(&key.into()),
            lifetime,
            epoch: None,
            next: 0,
        }
    }

    /// The times of all who share the key are counted from here.
    pub(super) fn begin(&mut self, now: Instant) {
        self.epoch.get_or_insert(now);
    }

    /// The same key, with ids of its own.
    pub(super) fn of_worker(&self, worker: u16) -> Self {
        Self {
            key: self.key.clone(),
            lifetime: self.lifetime,
            epoch: self.epoch,
            next: u64::from(worker) << WORKER_SHIFT,
        }
    }

    pub(super) fn mint(&mut self, source: IpAddr, now: Instant) -> String {
        let millis = self.millis(now);
        self.next += 1;
        let mac = self.mac(self.next, millis, source);
        let mut bytes = [0; 16 + MAC];
        let parts = self.next.to_be_bytes().into_iter();
        let parts = parts.chain(millis.to_be_bytes()).chain(mac);
        for (byte, part) in bytes.iter_mut().zip(parts) {
            *byte = part;
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn check(&mut self, nonce: &str, source: IpAddr, now: Instant) -> Validity {
        // A nonce of ours has 43 characters; a longer one is not even decoded.
        let mut bytes = [0; 36];
        let len = (nonce.len() == 43)
            .then(|| URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes).ok())
            .flatten();
        let Some(bytes) = len.and_then(|len| bytes.get(..len)) else {
            return Validity::Unknown;
        };
        let Some((id, rest)) = bytes.split_first_chunk::<8>() else {
            return Validity::Unknown;
        };
        let Some((millis, mac)) = rest.split_first_chunk::<8>() else {
            return Validity::Unknown;
        };
        let (id, millis) = (u64::from_be_bytes(*id), u64::from_be_bytes(*millis));
        if !bool::from(subtle::ConstantTimeEq::ct_eq(
            mac,
            self.mac(id, millis, source).as_slice(),
        )) {
            return Validity::Unknown;
        }
        let age = self.millis(now).saturating_sub(millis);
        if Duration::from_millis(age) >= self.lifetime {
            Validity::Stale
        } else {
            Validity::Good(NonceId(id))
        }
    }

    fn millis(&mut self, now: Instant) -> u64 {
        let epoch = *self.epoch.get_or_insert(now);
        u64::try_from(now.saturating_duration_since(epoch).as_millis()).unwrap_or(u64::MAX)
    }

    fn mac(&self, id: u64, millis: u64, source: IpAddr) -> [u8; MAC] {
        let mut mac = self.key.clone();
        mac.update(&id.to_be_bytes());
        mac.update(&millis.to_be_bytes());
        match source {
            IpAddr::V4(v4) => mac.update(&v4.octets()),
            IpAddr::V6(v6) => mac.update(&v6.octets()),
        }
        let bytes = mac.finalize().into_bytes();
        bytes.first_chunk().copied().unwrap_or_default()
    }
}

impl std::fmt::Debug for Nonces {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces")
            .field("lifetime", &self.lifetime)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_for_one_address_and_one_time() {
        let mut nonces = Nonces::new(&Seed::from_bytes([1; 32]), Duration::from_secs(300));
        let (now, here, there) = (
            Instant::now(),
            IpAddr::from([192, 0, 2, 1]),
            IpAddr::from([192, 0, 2, 2]),
        );
        let nonce = nonces.mint(here, now);
        assert_eq!(nonce.len(), 43);
        assert_ne!(nonce, nonces.mint(here, now), "each is another");
        assert_eq!(nonces.check(&nonce, here, now), Validity::Good(NonceId(1)));
        assert_eq!(nonces.check(&nonce, there, now), Validity::Unknown);
        assert_eq!(
            nonces.check(&nonce, here, now + Duration::from_secs(299)),
            Validity::Good(NonceId(1))
        );
        assert_eq!(
            nonces.check(&nonce, here, now + Duration::from_secs(300)),
            Validity::Stale
        );
        let mut other = Nonces::new(&Seed::from_bytes([2; 32]), Duration::from_secs(300));
        assert_eq!(
            other.check(&nonce, here, now),
            Validity::Unknown,
            "another key"
        );
        for at in 0..nonce.len() {
            let changed: String = nonce
                .chars()
                .enumerate()
                .map(|(i, c)| {
                    if i == at {
                        if c == 'A' { 'B' } else { 'A' }
                    } else {
                        c
                    }
                })
                .collect();
            assert_ne!(
                nonces.check(&changed, here, now),
                Validity::Good(NonceId(1)),
                "{changed}"
            );
        }
        for wrong in ["", "x", &nonce[1..], "ééééééééééééééééééééé"] {
            assert_eq!(nonces.check(wrong, here, now), Validity::Unknown);
        }
    }
}
