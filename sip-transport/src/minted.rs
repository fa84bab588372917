//! [`MintedHash`]: for maps keyed by ids that we mint.

use std::hash::{BuildHasherDefault, Hasher};

/// Hashes ids that we mint, and what is a hash already: no peer chooses them, so that speed is all that counts. Keys that a
/// peer chooses need a [`KeyedHash`](crate::KeyedHash).
///
/// ```
/// use std::collections::HashMap;
/// use sip_transport::{FlowId, MintedHash};
///
/// let mut names: HashMap<FlowId, &str, MintedHash> = HashMap::default();
/// names.insert(FlowId::from_parts(1, 0), "first");
/// assert_eq!(names.get(&FlowId::from_parts(1, 0)), Some(&"first"));
/// ```
pub type MintedHash = BuildHasherDefault<MintedHasher>;

/// See [`MintedHash`].
#[derive(Debug, Default, Clone, Copy)]
pub struct MintedHasher(u64);

impl Hasher for MintedHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        // The golden ratio spreads what is near together; the table takes bits from both ends.
        self.0 = (self.0.rotate_left(5) ^ number)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn numbers_that_follow_each_other_are_spread() {
        let hash = MintedHash::default();
        let low: HashSet<u64> = (0_u64..4096).map(|n| hash.hash_one(n) & 4095).collect();
        let high: HashSet<u64> = (0_u64..4096).map(|n| hash.hash_one(n) >> 57).collect();
        assert!(low.len() > 2300, "{}", low.len());
        assert_eq!(high.len(), 128);
    }
}
