//! [`Universal`]: a keyed 128-bit hash of the branch and the sent-by of a request.
//!
//! Peers choose both, so the hash must leave nobody a way to make two of them meet. This is the construction of UMAC
//! (RFC 4418 section 5.2, there with smaller words): the input is read as pairs of words, a secret word is added to
//! each, and the products are summed up. For any two different inputs that are chosen without knowledge of the secrets,
//! the sums of one pass are equal with a probability of 2^-64; there are two passes, with secrets that are shifted by
//! one pair. Nothing that leaves the layer is made of the sums, so nobody gets to know the secrets. It takes a few
//! instructions for 16 bytes, where [`SipHash`] takes some thirty.

use sip_transport::Rng;

use crate::siphash::{HashKey, SipHash};

/// The most pairs of words that are hashed so; longer fields, which no known client has, are left to [`SipHash`].
const PAIRS: usize = 16;
/// Two secrets for each pair, and two more because the second pass is one pair ahead.
const SECRETS: usize = 2 * PAIRS + 2;
/// In which hosts do not differ (RFC 3261 §7.3.1): letters only, of all bytes that a host has.
const CASE: u64 = 0x2020_2020_2020_2020;

/// A keyed hash of two texts that peers choose, wide enough to stand for them: its secrets are drawn once per layer, and
/// nobody without them can make two pairs of texts meet, as long as nothing that is made of a hash leaves the layer.
///
/// ```
/// use sip_transaction::{Seed, Universal};
///
/// let hash = Universal::new(&mut Seed::from_bytes([7; 32]).rng());
/// assert_eq!(hash.hash(b"z9hG4bK1", b"h.example"), hash.hash(b"z9hG4bK1", b"H.Example"));
/// assert_ne!(hash.hash(b"z9hG4bK1", b"h.example"), hash.hash(b"z9hG4bk1", b"h.example"));
/// ```
pub struct Universal {
    secrets: [u64; SECRETS],
    fold: [u64; 4],
    long: HashKey,
}

/// The sums of the pairs so far, and the secrets of those that follow.
struct Sums<'a> {
    secrets: &'a [u64],
    sums: [u128; 2],
}

impl std::fmt::Debug for Universal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Universal(..)")
    }
}

impl Universal {
    /// Draws the secrets.
    #[must_use]
    pub fn new(rng: &mut Rng) -> Self {
        Self {
            secrets: std::array::from_fn(|_| rng.next_u64()),
            fold: std::array::from_fn(|_| rng.next_u64()),
            long: HashKey(rng.next_u64(), rng.next_u64()),
        }
    }

    /// The hash of a text, which is taken byte for byte, and of a host or token, in which the case of letters carries no
    /// meaning (RFC 3261 §7.3.1): two halves that are independent of each other.
    #[must_use]
    pub fn hash(&self, text: &[u8], host: &[u8]) -> [u64; 2] {
        // Each field may end with a pair that is not whole; one pair is the lengths.
        if text.len() / 16 + host.len() / 16 + 3 > PAIRS {
            return self.hash_long(text, host);
        }
        let mut sums = Sums {
            secrets: &self.secrets,
            sums: [0; 2],
        };
        // The lengths say where the fields end: different fields make different words.
        sums.add(text.len() as u64, host.len() as u64);
        sums.field(text, 0);
        sums.field(host, CASE);
        let [k0, k1, k2, k3] = self.fold;
        let [first, second] = sums.sums;
        [fold(first, k0, k1), fold(second, k2, k3)]
    }

    #[cold]
    fn hash_long(&self, text: &[u8], host: &[u8]) -> [u64; 2] {
        let mut hash = SipHash::new(self.long);
        hash.fields(text, host);
        hash.finish()
    }
}

impl Sums<'_> {
    #[inline(always)]
    fn add(&mut self, a: u64, b: u64) {
        // There is one for each pair: `hash` has seen to that.
        if let [k0, k1, rest @ ..] = self.secrets
            && let [k2, k3, ..] = rest
        {
            let [first, second] = &mut self.sums;
            *first = first.wrapping_add(product(a.wrapping_add(*k0), b.wrapping_add(*k1)));
            *second = second.wrapping_add(product(a.wrapping_add(*k2), b.wrapping_add(*k3)));
            self.secrets = rest;
        }
    }

    #[inline(always)]
    fn field(&mut self, bytes: &[u8], mask: u64) {
        let (pairs, rest) = bytes.as_chunks::<16>();
        for pair in pairs {
            let pair = u128::from_le_bytes(*pair);
            self.add(pair as u64 | mask, (pair >> 64) as u64 | mask);
        }
        if rest.is_empty() {
            return;
        }
        // The last 16 bytes, or the first and the last 8, some of them for the second time.
        let (a, b) = if let Some(last) = bytes.last_chunk::<16>() {
            let last = u128::from_le_bytes(*last);
            (last as u64, (last >> 64) as u64)
        } else if let (Some(first), Some(last)) =
            (bytes.first_chunk::<8>(), bytes.last_chunk::<8>())
        {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        } else {
            let word = |word, byte: &u8| (word << 8) | u64::from(*byte);
            (bytes.iter().fold(0, word), 0)
        };
        self.add(a | mask, b | mask);
    }
}

#[inline(always)]
const fn product(a: u64, b: u64) -> u128 {
    a as u128 * b as u128
}

/// Spreads a sum over all bits of a word: the low bits of a product say little about its factors.
#[inline(always)]
const fn fold(sum: u128, k0: u64, k1: u64) -> u64 {
    let product = product((sum as u64) ^ k0, ((sum >> 64) as u64) ^ k1);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use sip_transport::Seed;

    use super::*;

    fn universal(seed: u8) -> Universal {
        Universal::new(&mut Seed::from_bytes([seed; 32]).rng())
    }

    /// Both halves differ from all others: each of them is a hash of its own.
    struct Seen([HashSet<u64>; 2]);

    impl Seen {
        #[track_caller]
        fn new_one(&mut self, hash: [u64; 2], what: &str) {
            for (seen, half) in self.0.iter_mut().zip(hash) {
                assert!(seen.insert(half), "{what}");
            }
        }
    }

    #[test]
    fn every_byte_counts_at_every_length() {
        let universal = universal(1);
        let mut seen = Seen([HashSet::new(), HashSet::new()]);
        // Beyond what is hashed by pairs, too.
        for length in (0..70).chain(200..300) {
            let text: Vec<u8> = (0..length).map(|at| b'a' + (at % 23) as u8).collect();
            seen.new_one(universal.hash(&text, b"Z"), &format!("length {length}"));
            if length > 0 {
                seen.new_one(universal.hash(b"z", &text), &format!("host of {length}"));
            }
            for place in 0..text.len() {
                let mut other = text.clone();
                other[place] ^= 0x80;
                let what = format!("byte {place} of {length}");
                seen.new_one(universal.hash(&other, b"Z"), &what);
                seen.new_one(universal.hash(b"z", &other), &what);
            }
        }
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let universal = universal(2);
        let text = b"abcdefghijklmnopqrstuvwxyz0123456789abcdefgh";
        let mut seen = Seen([HashSet::new(), HashSet::new()]);
        for split in 0..=text.len() {
            let (first, second) = text.split_at(split);
            seen.new_one(universal.hash(first, second), &format!("{split}"));
        }
    }

    #[test]
    fn letter_case_is_ignored_in_hosts_and_counts_in_branches() {
        let universal = universal(3);
        for length in (1..60).chain([300]) {
            let lower = "h".repeat(length);
            let upper = lower.to_uppercase();
            let (lower, upper) = (lower.as_bytes(), upper.as_bytes());
            assert_eq!(universal.hash(b"b", lower), universal.hash(b"b", upper));
            assert_ne!(universal.hash(lower, b"h"), universal.hash(upper, b"h"));
        }
    }

    #[test]
    fn other_secrets_give_another_hash() {
        let (one, other) = (universal(4), universal(5));
        assert_ne!(one.hash(b"branch", b"host"), other.hash(b"branch", b"host"));
        assert_eq!(format!("{one:?}"), "Universal(..)", "secrets are not shown");
    }

    /// The low bits are what an index uses first, also when inputs differ in the highest bits of a word only.
    #[test]
    fn branches_are_spread_over_the_low_bits() {
        let universal = universal(6);
        for shift in [0, 16, 48] {
            let mut places = [0_u32; 256];
            for number in 0..25_600_u64 {
                let text = (number << shift).to_le_bytes();
                let [low, _] = universal.hash(&text, b"host");
                places[(low & 255) as usize] += 1;
            }
            let (least, most) = (places.iter().min().unwrap(), places.iter().max().unwrap());
            assert!(*least > 50 && *most < 170, "{least} to {most}, {shift}");
        }
    }
}
