//! [`Trust`]: a trust domain (RFC 3324 §2.3, RFC 3325 §2) as one of its elements knows it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sip_message::{Uri, UriRef};
use sip_transport::Flow;

use super::Peers;
use crate::domain::Aor;
use crate::routing::Network;

/// Who else belongs to the trust domain, and what its own users may be called.
///
/// ```
/// use sip_stack::identity::Trust;
/// let trust = Trust::new().network("192.0.2.0/24".parse().unwrap()).domain("partner.example");
/// assert!(trust.is_trusted("192.0.2.7".parse().unwrap()));
/// assert!(!trust.is_trusted("198.51.100.7".parse().unwrap()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trust {
    networks: Vec<Network>,
    /// In certificates.
    names: Vec<Box<str>>,
    domains: Vec<Box<str>>,
    /// By user.
    numbers: BTreeMap<Box<str>, Vec<Uri>>,
    hides_outside: bool,
    refuses_anonymous: bool,
}

impl Trust {
    /// Nobody else.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The elements with these addresses belong to it: what they assert is believed, and they are told.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.networks.push(network);
        self
    }

    /// The elements whose certificates prove this name (RFC 5922) belong to it.
    #[must_use]
    pub fn certificate(mut self, name: &str) -> Self {
        self.names
            .push(name.trim_end_matches('.').to_ascii_lowercase().into());
        self
    }

    /// The names of [`certificate`](Self::certificate).
    #[must_use]
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// What is sent to this domain, by whatever address, stays within the trust domain. What says to come from it is
    /// believed only from a [network](Self::network) or by a [certificate](Self::certificate).
    #[must_use]
    pub fn domain(mut self, name: &str) -> Self {
        self.domains
            .push(name.trim_end_matches('.').to_ascii_lowercase().into());
        self
    }

    /// Another identity of a user besides its address of record: a number (`tel:+4930123456`), or an alias.
    #[must_use]
    pub fn number(mut self, user: &str, identity: Uri) -> Self {
        self.numbers.entry(user.into()).or_default().push(identity);
        self
    }

    /// Asserted identities leave the trust domain only when the caller says `Privacy: none`. Without this they leave unless
    /// it says `id`, as RFC 3325 §7 recommends.
    #[must_use]
    pub const fn hide_outside(mut self, hides: bool) -> Self {
        self.hides_outside = hides;
        self
    }

    /// Callers who hide who they are do not reach the users of the domain: 433 (RFC 5079).
    #[must_use]
    pub const fn refuse_anonymous(mut self, refuses: bool) -> Self {
        self.refuses_anonymous = refuses;
        self
    }

    /// Does the element at this address belong to it?
    #[must_use]
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }

    /// Does the element at the other end of this flow belong to it, by its address or its certificate?
    #[must_use]
    pub fn is_peer(&self, flow: &Flow, peers: &Peers) -> bool {
        self.is_trusted(flow.remote.ip()) || peers.has_proven(flow.id, &self.names)
    }

    /// Does a request to this next hop, at this address, stay within it?
    #[must_use]
    pub fn is_inside(&self, next_hop: Option<UriRef<'_>>, address: IpAddr) -> bool {
        self.is_trusted(address)
            || next_hop.and_then(|uri| uri.host_str()).is_some_and(|host| {
                let host = host.trim_end_matches('.');
                self.domains
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(host))
            })
    }

    /// Do asserted identities stay inside unless the caller wants otherwise?
    #[must_use]
    pub const fn hides_outside(&self) -> bool {
        self.hides_outside
    }

    /// Are anonymous callers refused?
    #[must_use]
    pub const fn refuses_anonymous(&self) -> bool {
        self.refuses_anonymous
    }

    /// The identities of a user: its address of record first, then its numbers.
    #[must_use]
    pub fn identities(&self, aor: &Aor) -> Vec<Uri> {
        let user = sip_message::uri::escape_user(aor.user());
        let own = Uri::parse(&format!("sip:{user}@{}", aor.domain())).ok();
        let numbers = self.numbers.get(aor.user()).into_iter().flatten().cloned();
        own.into_iter().chain(numbers).collect()
    }
}
