//! [`Node`]: one of several servers that share the bindings of a domain.
//!
//! A telephone that is reached by its flow alone is reached through the server that has the flow. That server puts a
//! route to itself into the binding, `<sip:FLOW@HOST:PORT;lr;n=PROOF>`; a call that enters at another server takes it. The
//! proof is that of the key that all servers of the domain share, so that nobody else names flows (RFC 5626 §5.2).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sip_message::header::NameAddr;
use sip_message::{Uri, UriRef};
use sip_transport::Seed;
use subtle::ConstantTimeEq as _;

use crate::auth::hex;
use crate::location::Binding;

/// The name of the URI parameter.
const PROOF: &str = "n";

/// One of several servers of a domain. See the [module](self).
#[derive(Clone)]
pub struct Node {
    uri: Uri,
    key: Hmac<Sha256>,
}

impl Node {
    /// The server that the others reach by this URI, which has no user; the seed is that of all of them.
    #[must_use]
    pub fn new(uri: Uri, seed: &Seed) -> Self {
        let mut key = [0; 64];
        seed.derive("nodes").rng().fill(&mut key);
        Self {
            uri,
            key: Hmac::new(&key.into()),
        }
    }

    /// How the others reach it.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    fn proof(&self, token: &str) -> String {
        let mut mac = self.key.clone();
        mac.update(token.as_bytes());
        let bytes = mac.finalize().into_bytes();
        hex(bytes.get(..10).unwrap_or_default())
    }

    /// The route to a flow of this server.
    #[must_use]
    pub fn route(&self, token: &str) -> Option<String> {
        let uri = self.uri.as_ref();
        let mut route = Uri::sip(Some(token), uri.host()?, uri.port());
        if let Some(transport) = uri.param("transport") {
            route = route.with_param("transport", Some(transport));
        }
        let route = route
            .with_param("lr", None)
            .with_param(PROOF, Some(&self.proof(token)));
        Some(format!("<{route}>"))
    }

    /// The flow that a route to this server names, if one of the servers made it.
    #[must_use]
    pub fn flow_of(&self, route: UriRef<'_>) -> Option<Box<str>> {
        let proof = route.param(PROOF)?;
        let token = route.user_unescaped()?;
        let is_ours = proof.as_bytes().ct_eq(self.proof(&token).as_bytes());
        bool::from(is_ours).then(|| token.as_ref().into())
    }

    /// Makes the bindings of flows that other servers have into such that are reached through these.
    pub(crate) fn localize(&self, bindings: &mut [Binding]) {
        for binding in bindings {
            let Some(route) = binding.node() else {
                continue;
            };
            let is_own = NameAddr::parse(route).is_ok_and(|route| {
                let (there, own) = (route.uri(), self.uri.as_ref());
                there.host() == own.host() && there.port() == own.port()
            });
            if !is_own {
                binding.edit(|fields| {
                    fields.flow = None;
                    fields.path.splice(0..0, fields.node.take());
                });
            }
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("uri", &self.uri.as_str())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(uri: &str) -> Node {
        Node::new(Uri::parse(uri).unwrap(), &Seed::from_bytes([3; 32]))
    }

    #[test]
    fn rfc5626_5_2_a_route_to_a_flow_is_made_by_the_servers_alone() {
        let (a, b) = (node("sip:192.0.2.1:5070"), node("sip:192.0.2.2"));
        let route = a.route("token/+=").unwrap();
        let parsed = NameAddr::parse(&route).unwrap();
        assert!(parsed.uri().is_loose_router());
        assert_eq!(parsed.uri().host_str(), Some("192.0.2.1"));
        assert_eq!(b.flow_of(parsed.uri()).as_deref(), Some("token/+="));
        let others = Node::new(a.uri().clone(), &Seed::from_bytes([4; 32]));
        assert_eq!(others.flow_of(parsed.uri()), None);
        for text in [
            "sip:token@192.0.2.1;lr",
            "sip:other@192.0.2.1;lr;n=00112233445566778899",
        ] {
            assert_eq!(a.flow_of(UriRef::parse(text).unwrap()), None, "{text}");
        }
    }

    #[test]
    fn a_flow_of_another_server_is_reached_through_it() {
        let (a, b) = (node("sip:192.0.2.1:5070"), node("sip:192.0.2.2:5070"));
        let mut binding = Binding::new("sip:x@10.0.0.1", std::time::UNIX_EPOCH, "c", 1);
        binding.edit(|fields| {
            fields.flow = Some("token".into());
            fields.node = a.route("token").map(Box::from);
        });
        let mut own = [binding.clone()];
        a.localize(&mut own);
        assert_eq!((own[0].flow(), own[0].path().count()), (Some("token"), 0));
        let mut others = [binding];
        b.localize(&mut others);
        assert_eq!(others[0].flow(), None);
        assert!(others[0].path().eq([a.route("token").unwrap()]));
    }
}
