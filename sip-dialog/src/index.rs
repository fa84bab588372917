//! Finding things by what names them.

use sip_transaction::Universal;
pub(crate) use sip_transport::MintedHash as NumberHash;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_ids_and_tags_do_not_run_together() {
        let hash = Universal::new(&mut sip_transport::Seed::from_bytes([1; 32]).rng());
        let key = |call_id, tag| CallKey::new(&hash, call_id, tag);
        assert_eq!(key("a", "b"), key("a", "b"));
        assert_ne!(key("ab", "c"), key("a", "bc"));
    }
}
