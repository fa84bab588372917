//! [`Seed`] and [`Rng`]: randomness that is handed in, never fetched.

use std::fmt;
use std::hash::BuildHasher;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// 256 secret bits from which a layer makes everything that must not be guessed: branches, tags, Call-IDs, nonces,
/// hash keys. The same seed and the same inputs give the same bytes.
///
/// ```
/// use sip_transport::Seed;
/// let seed = Seed::from_bytes([7; 32]);
/// let mut transactions = seed.derive("transactions").rng();
/// let mut dialogs = seed.derive("dialogs").rng();
/// assert_ne!(transactions.token(16), dialogs.token(16));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed from bytes, which must come from the system's generator except in tests.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A seed from the system's generator (feature `tokio`).
    ///
    /// # Errors
    /// When the system has no randomness to give.
    #[cfg(feature = "tokio")]
    pub fn from_system() -> std::io::Result<Self> {
        use rand::TryRng as _;
        let mut bytes = [0; 32];
        rand::rngs::SysRng
            .try_fill_bytes(&mut bytes)
            .map_err(std::io::Error::other)?;
        Ok(Self(bytes))
    }

    /// The seed of a part: no part can be computed from another one.
    ///
    /// Each block of the label is mixed into the state and the state replaced by what the cipher makes of it.
    #[must_use]
    pub fn derive(&self, label: &str) -> Self {
        let mut state = self.0;
        // The length first, so that no label is the beginning of another.
        let length = (label.len() as u64).to_le_bytes();
        for block in std::iter::once(&length[..]).chain(label.as_bytes().chunks(32)) {
            for (byte, mixed) in state.iter_mut().zip(block) {
                *byte ^= mixed;
            }
            StdRng::from_seed(state).fill_bytes(&mut state);
        }
        Self(state)
    }

    /// The generator that this seed starts.
    #[must_use]
    pub fn rng(&self) -> Rng {
        Rng(StdRng::from_seed(self.0))
    }

    /// A keyed hasher for maps whose keys a peer chooses, so that nobody can choose colliding ones.
    #[must_use]
    pub fn hasher(&self) -> KeyedHash {
        let mut rng = self.derive("hash").rng();
        KeyedHash {
            k0: rng.next_u64(),
            k1: rng.next_u64(),
        }
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// A cryptographic generator: ChaCha with 12 rounds. Each layer owns one.
#[derive(Debug)]
pub struct Rng(StdRng);

impl Rng {
    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A number from 0 to `bound` - 1; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product: its bias is below bound / 2^64.
        let product = u128::from(self.next_u64()) * u128::from(bound);
        (product >> 64) as u64
    }

    /// `len` characters of 5 random bits each, fit for a branch, a tag or a Call-ID.
    ///
    /// RFC 3261 §19.3 asks for at least 32 bits in a tag; lower case only, because tokens are compared without case
    /// (§7.3.1).
    #[must_use]
    pub fn token(&mut self, len: usize) -> String {
        let mut out = String::with_capacity(len);
        self.push_token(&mut out, len);
        out
    }

    /// Appends what [`token`](Self::token) returns.
    pub fn push_token(&mut self, out: &mut String, len: usize) {
        // No vowels and no look-alikes, so that no word appears by chance.
        const ALPHABET: &[u8; 32] = b"0123456789bcdfghjklmnpqrstvwxyz-";
        let mut left = len;
        while left > 0 {
            let mut some = Some48([0; 48]);
            let wanted = left.min(some.0.len());
            for places in some.0.chunks_mut(12).take(wanted.div_ceil(12)) {
                let mut bits = self.next_u64();
                for place in places {
                    *place = ALPHABET[(bits & 31) as usize];
                    bits >>= 5;
                }
            }
            // It is ASCII, which is seen sixteen bytes at a time.
            let some = some
                .0
                .get(..wanted.next_multiple_of(16))
                .unwrap_or_default();
            let some = std::str::from_utf8(some).unwrap_or_default();
            out.push_str(some.get(..wanted).unwrap_or_default());
            left -= wanted;
        }
    }
}

/// Text whose beginning lies where many bytes at a time are looked at.
#[repr(align(16))]
struct Some48([u8; 48]);

/// SipHash with keys from a [`Seed`]: `HashMap::with_hasher(seed.hasher())`.
#[derive(Clone, Copy)]
pub struct KeyedHash {
    k0: u64,
    k1: u64,
}

impl BuildHasher for KeyedHash {
    #[expect(
        deprecated,
        reason = "the one hasher of std that takes keys; the others draw from a global generator"
    )]
    type Hasher = std::hash::SipHasher;

    #[expect(deprecated, reason = "as above")]
    fn build_hasher(&self) -> Self::Hasher {
        std::hash::SipHasher::new_with_keys(self.k0, self.k1)
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_labels_part_ways() {
        let seed = Seed::from_bytes([1; 32]);
        assert_eq!(seed.derive("a"), seed.derive("a"));
        assert_ne!(seed.derive("a"), seed.derive("b"));
        assert_ne!(seed.derive(""), seed);
        assert_ne!(seed.derive("a"), seed.derive("a\0"));
        assert_ne!(seed.derive("a"), Seed::from_bytes([2; 32]).derive("a"));
        let long = "x".repeat(32);
        assert_ne!(seed.derive(&long), seed.derive(&format!("{long}y")));
        assert_eq!(seed.rng().next_u64(), seed.rng().next_u64());
        assert_eq!(format!("{seed:?}"), "Seed(..)");
    }

    #[test]
    fn rfc3261_25_1_tokens_have_token_characters_and_the_length_asked_for() {
        let mut rng = Seed::from_bytes([3; 32]).rng();
        for len in [0, 1, 11, 12, 13, 40] {
            let token = rng.token(len);
            assert_eq!(token.len(), len);
            assert!(
                token
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{token}"
            );
        }
        assert_ne!(rng.token(16), rng.token(16));
    }

    #[test]
    fn below_keeps_its_bound() {
        let mut rng = Seed::from_bytes([4; 32]).rng();
        assert!((0..1000).all(|_| rng.below(3) < 3));
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
        let mut seen = [false; 3];
        for _ in 0..200 {
            seen[rng.below(3) as usize] = true;
        }
        assert_eq!(seen, [true; 3]);
    }

    #[test]
    fn keyed_hash_depends_on_the_seed() {
        let a = Seed::from_bytes([1; 32]).hasher();
        let b = Seed::from_bytes([2; 32]).hasher();
        assert_eq!(a.hash_one("key"), a.hash_one("key"));
        assert_ne!(a.hash_one("key"), b.hash_one("key"));
    }
}
