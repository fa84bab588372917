//! [`Fold`]: a keyed hash of 64 bits for what only has to be found or spread.
//!
//! It multiplies words with secret ones and folds the halves of the product. It is several times as fast as
//! [`SipHash`](crate::siphash::SipHash) and no cryptographic function: what it is used for is compared or counted in
//! the layer and never shown, so that nobody can learn the key. What tells the transactions of peers apart is not hashed
//! with it.

use crate::siphash::HashKey;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Fold {
    state: u64,
    factor: u64,
}

impl Fold {
    pub(crate) const fn new(HashKey(state, factor): HashKey) -> Self {
        Self { state, factor }
    }

    /// Two that are independent of each other: 128 bits.
    pub(crate) const fn both(HashKey(first, second): HashKey) -> [Self; 2] {
        [
            Self::new(HashKey(first, second)),
            Self::new(HashKey(second.rotate_left(17), first.rotate_left(41))),
        ]
    }

    /// Adds two words.
    #[inline]
    pub(crate) const fn words(&mut self, first: u64, second: u64) {
        let product = (self.state ^ first) as u128 * (self.factor ^ second) as u128;
        // The state changes even when a factor is zero.
        self.state = (product >> 64) as u64 ^ product as u64 ^ self.state.rotate_left(32);
    }

    /// Adds a field; its length tells where it ends.
    #[inline]
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        let len = bytes.len() as u64;
        let (pairs, _) = bytes.as_chunks::<16>();
        for pair in pairs {
            let pair = u128::from_le_bytes(*pair);
            self.words(pair as u64, (pair >> 64) as u64);
        }
        // The last 16 bytes again, or what there is, and the length.
        let (first, last) = if let Some(last) = bytes.last_chunk::<16>() {
            let last = u128::from_le_bytes(*last);
            (last as u64, (last >> 64) as u64)
        } else if let (Some(first), Some(last)) =
            (bytes.first_chunk::<8>(), bytes.last_chunk::<8>())
        {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        } else {
            let word = |all, byte: &u8| (all << 8) | u64::from(*byte);
            (bytes.iter().fold(0, word), 0)
        };
        self.words(first ^ len.rotate_right(8), last);
    }

    #[inline]
    pub(crate) const fn finish(self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const KEY: HashKey = HashKey(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);

    fn of(fields: &[&[u8]]) -> u64 {
        let mut hash = Fold::new(KEY);
        fields.iter().for_each(|field| hash.field(field));
        hash.finish()
    }

    #[test]
    fn every_byte_counts_at_every_length() {
        let mut seen = HashSet::new();
        for length in 0..70 {
            let text: Vec<u8> = (1..=length).collect();
            assert!(seen.insert(of(&[&text])), "length {length}");
            for place in 0..text.len() {
                let mut other = text.clone();
                other[place] ^= 0x80;
                assert!(seen.insert(of(&[&other])), "byte {place} of {length}");
            }
        }
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let text = b"abcdefghijklmnopqrstuvwxyz0123456789abcdefgh";
        let mut seen = HashSet::new();
        for split in 0..=text.len() {
            let (first, second) = text.split_at(split);
            assert!(seen.insert(of(&[first, second])), "{split}");
        }
        assert!(seen.insert(of(&[text])));
    }

    #[test]
    fn another_key_gives_another_hash() {
        let mut other = Fold::new(HashKey(KEY.0, KEY.1 + 1));
        other.field(b"call-id");
        assert_ne!(other.finish(), of(&[b"call-id"]));
    }

    /// The low bits are what an index uses first.
    #[test]
    fn numbers_are_spread_over_the_low_bits() {
        let mut places = [0_u32; 256];
        for number in 0..25_600_u64 {
            let mut hash = Fold::new(KEY);
            hash.words(number, 0);
            places[(hash.finish() & 255) as usize] += 1;
        }
        let (least, most) = (places.iter().min().unwrap(), places.iter().max().unwrap());
        assert!(*least > 50 && *most < 170, "{least} to {most}");
    }
}
