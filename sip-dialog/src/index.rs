//! Finding things by what names them.

use std::hash::{BuildHasherDefault, Hash, Hasher};

use sip_transaction::Universal;

/// Names a dialog on our side: a keyed hash of its Call-ID and our tag. The peer chooses the Call-ID, yet cannot aim at the hash; that two
/// of a million dialogs share one by chance happens once in ten million such agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CallKey(u64);

impl CallKey {
    pub(crate) fn new(hash: &Universal, call_id: &str, local_tag: &str) -> Self {
        // RFC 3261 section 20.8: a Call-ID is compared byte for byte; the case of a tag, as of all tokens, means nothing.
        let [key, _] = hash.hash(call_id.as_bytes(), local_tag.as_bytes());
        Self(key)
    }
}

/// For numbers that we mint, and for what is a hash already: no peer chooses them, so that speed is all that counts.
pub(crate) type NumberHash = BuildHasherDefault<NumberHasher>;

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

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
        let hash = NumberHash::default();
        let low: HashSet<u64> = (0_u64..4096).map(|n| hash.hash_one(n) & 4095).collect();
        let high: HashSet<u64> = (0_u64..4096).map(|n| hash.hash_one(n) >> 57).collect();
        assert!(low.len() > 2300, "{}", low.len());
        assert_eq!(high.len(), 128);
    }

    #[test]
    fn call_ids_and_tags_do_not_run_together() {
        let hash = Universal::new(&mut sip_transport::Seed::from_bytes([1; 32]).rng());
        let key = |call_id, tag| CallKey::new(&hash, call_id, tag);
        assert_eq!(key("a", "b"), key("a", "b"));
        assert_ne!(key("ab", "c"), key("a", "bc"));
    }
}
