//! [`Nonces`]: nonces that prove themselves.

use std::hash::{BuildHasher as _, Hasher as _};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sip_transport::{KeyedHash, Seed};
use subtle::ConstantTimeEq as _;

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

/// A nonce is `id | milliseconds | SipHash-2-4(key, id | milliseconds | address)` as base64 (RFC 7616 §3.3 recommends the
/// like). It is bound to the address it was sent to, so that nobody can use up the tries of an address that they cannot
/// receive at.
///
/// SipHash is made to prove short messages with a key of 128 bits. What it proves is good for minutes: whoever guessed one of
/// its 2^64 answers would have what a request without credentials is given for nothing, a nonce.
pub(super) struct Nonces {
    key: KeyedHash,
    lifetime: Duration,
    /// The time that milliseconds are counted from: the first that was told.
    epoch: Option<Instant>,
    next: u64,
}

/// The bytes of a nonce.
const BYTES: usize = 24;

/// Its characters, four for three bytes.
const CHARACTERS: usize = BYTES / 3 * 4;

/// A nonce that was made, which lies where many bytes at a time are looked at.
#[repr(align(16))]
pub(super) struct Nonce([u8; CHARACTERS]);

impl Nonce {
    pub(super) fn as_str(&self) -> &str {
        // Base64 is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Nonces {
    pub(super) fn new(seed: &Seed, lifetime: Duration) -> Self {
        Self {
            key: seed.hasher(),
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
            key: self.key,
            lifetime: self.lifetime,
            epoch: self.epoch,
            next: u64::from(worker) << WORKER_SHIFT,
        }
    }

    pub(super) fn mint(&mut self, source: IpAddr, now: Instant) -> Nonce {
        let millis = self.millis(now);
        self.next += 1;
        let mut bytes = [[0; 8]; BYTES / 8];
        for (bytes, number) in
            bytes
                .iter_mut()
                .zip([self.next, millis, self.proof(self.next, millis, source)])
        {
            *bytes = number.to_be_bytes();
        }
        let mut nonce = Nonce([b'A'; CHARACTERS]);
        let written = URL_SAFE_NO_PAD.encode_slice(bytes.as_flattened(), &mut nonce.0);
        debug_assert_eq!(written, Ok(CHARACTERS), "four characters for three bytes");
        nonce
    }

    pub(super) fn check(&mut self, nonce: &str, source: IpAddr, now: Instant) -> Validity {
        // Another one is not even decoded.
        let mut bytes = [[0; 8]; BYTES / 8];
        if nonce.len() != CHARACTERS
            || URL_SAFE_NO_PAD.decode_slice(nonce, bytes.as_flattened_mut()) != Ok(BYTES)
        {
            return Validity::Unknown;
        }
        let [id, millis, proof] = bytes.map(u64::from_be_bytes);
        if !bool::from(proof.ct_eq(&self.proof(id, millis, source))) {
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

    fn proof(&self, id: u64, millis: u64, source: IpAddr) -> u64 {
        // One length for both families, in one piece.
        let source = match source {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mut proved = [[0; 16]; 2];
        let numbers = u128::from(id) << 64 | u128::from(millis);
        for (bytes, number) in proved.iter_mut().zip([numbers, u128::from(source)]) {
            *bytes = number.to_be_bytes();
        }
        let mut hasher = self.key.build_hasher();
        hasher.write(proved.as_flattened());
        hasher.finish()
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
        let nonce = nonce.as_str();
        assert_eq!(nonce.len(), 32);
        assert_ne!(nonce, nonces.mint(here, now).as_str(), "each is another");
        assert_eq!(nonces.check(nonce, here, now), Validity::Good(NonceId(1)));
        assert_eq!(nonces.check(nonce, there, now), Validity::Unknown);
        assert_eq!(
            nonces.check(nonce, here, now + Duration::from_secs(299)),
            Validity::Good(NonceId(1))
        );
        assert_eq!(
            nonces.check(nonce, here, now + Duration::from_secs(300)),
            Validity::Stale
        );
        let mut other = Nonces::new(&Seed::from_bytes([2; 32]), Duration::from_secs(300));
        assert_eq!(
            other.check(nonce, here, now),
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
