//! [`Peers`]: which flows lead to elements that are trusted by the names in their certificates.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sip_transport::{FlowId, PeerIdentity};

/// How many are kept before those whose flows are gone are looked for.
const MANY: usize = 1024;

/// The flows whose peers have proven a name that somebody here trusts (RFC 5922 §7.4), told by the
/// [stack](crate::stack) as their messages arrive and read by its roles. Clones share them.
///
/// A flow's id is never given twice by one transport layer, so that of a flow that is gone proves nothing any more.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    names: Arc<[Box<str>]>,
    /// Keyed by ids that we mint; never iterated but to drop what is gone.
    flows: Arc<RwLock<HashMap<FlowId, Arc<PeerIdentity>>>>,
}

impl Peers {
    /// Those that prove one of these names are remembered.
    #[must_use]
    pub fn new(names: &[Box<str>]) -> Self {
        Self {
            names: names.into(),
            flows: Arc::default(),
        }
    }

    /// Is there a name that anybody wants to see proven? Else there is nothing to be [told](Self::learn).
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.names.is_empty()
    }

    /// What the certificate of a flow's peer proves. Once many are known, those whose flows are not `open` any more are
    /// forgotten.
    pub fn learn(&self, flow: FlowId, identity: &PeerIdentity, is_open: impl Fn(FlowId) -> bool) {
        if !proves_any(identity, &self.names) || self.knows(flow) {
            return;
        }
        let mut flows = self.flows.write().unwrap_or_else(PoisonError::into_inner);
        if flows.len() >= MANY {
            flows.retain(|&id, _| is_open(id));
        }
        flows.insert(flow, Arc::new(identity.clone()));
    }

    fn knows(&self, flow: FlowId) -> bool {
        let flows = self.flows.read().unwrap_or_else(PoisonError::into_inner);
        flows.contains_key(&flow)
    }

    /// Has the peer of this flow proven one of these names?
    #[must_use]
    pub fn has_proven(&self, flow: FlowId, names: &[Box<str>]) -> bool {
        if names.is_empty() || !self.is_wanted() {
            return false;
        }
        let flows = self.flows.read().unwrap_or_else(PoisonError::into_inner);
        flows
            .get(&flow)
            .is_some_and(|identity| proves_any(identity, names))
    }
}

fn proves_any(identity: &PeerIdentity, names: &[Box<str>]) -> bool {
    names.iter().any(|name| identity.proves(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<Box<str>> {
        list.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn rfc5922_7_4_a_flow_proves_what_its_certificate_says_and_no_more() {
        let peers = Peers::new(&names(&["gateway.example.com", "partner.example"]));
        let (gateway, phone) = (FlowId::from_parts(1, 0), FlowId::from_parts(2, 0));
        let identity = |name| PeerIdentity::from_names([], [name], []);
        peers.learn(gateway, &identity("Gateway.example.com"), |_| true);
        peers.learn(phone, &identity("phone.example.com"), |_| true);
        assert!(peers.has_proven(gateway, &names(&["gateway.example.com"])));
        assert!(!peers.has_proven(gateway, &names(&["partner.example"])));
        assert!(!peers.has_proven(gateway, &[]));
        assert!(!peers.has_proven(phone, &names(&["phone.example.com"])));
        assert!(!Peers::default().is_wanted());
    }

    #[test]
    fn flows_that_are_gone_make_room() {
        let peers = Peers::new(&names(&["a.example"]));
        let identity = PeerIdentity::from_names([], ["a.example"], []);
        for number in 0..3_072 {
            peers.learn(FlowId::from_parts(number, 0), &identity, |_| false);
        }
        assert!(peers.flows.read().unwrap().len() <= MANY);
    }
}
