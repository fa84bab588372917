//! [`Nat`]: a network address translator, by the words of RFC 4787.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Which external endpoint a packet from inside gets (RFC 4787 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mapping {
    /// The same for every destination.
    EndpointIndependent,
    /// One per destination address.
    AddressDependent,
    /// One per destination address and port ("symmetric").
    AddressAndPortDependent,
}

/// Which packets from outside a mapping lets in (RFC 4787 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filtering {
    /// All.
    EndpointIndependent,
    /// Those from an address that was sent to.
    AddressDependent,
    /// Those from an address and port that was sent to.
    AddressAndPortDependent,
}

/// A translator between inside addresses and one public address.
#[derive(Debug)]
#[non_exhaustive]
pub struct Nat {
    /// The public address.
    pub public: IpAddr,
    /// How long a mapping lives without a packet from inside (RFC 4787 §4.3; many devices take 30 s for UDP).
    pub lifetime: Duration,
    inside: Vec<IpAddr>,
    mapping: Mapping,
    filtering: Filtering,
    bindings: BTreeMap<(SocketAddr, Option<IpAddr>, Option<u16>), Binding>,
    next_port: u16,
}

#[derive(Debug)]
struct Binding {
    port: u16,
    used: Instant,
    peers: Vec<SocketAddr>,
}

impl Nat {
    /// A translator for these inside addresses.
    #[must_use]
    pub fn new(public: IpAddr, inside: &[IpAddr], mapping: Mapping, filtering: Filtering) -> Self {
        Self {
            public,
            lifetime: Duration::from_secs(30),
            inside: inside.to_vec(),
            mapping,
            filtering,
            bindings: BTreeMap::new(),
            next_port: 40_000,
        }
    }

    /// Whether an address is behind this translator.
    #[must_use]
    pub fn is_inside(&self, ip: IpAddr) -> bool {
        self.inside.contains(&ip)
    }

    /// Forgets all mappings, as a device does that is switched off and on.
    pub fn reboot(&mut self) {
        self.bindings.clear();
    }

    /// The external endpoint of a packet from inside.
    pub(crate) fn outbound(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        now: Instant,
    ) -> SocketAddr {
        let (address, port) = match self.mapping {
            Mapping::EndpointIndependent => (None, None),
            Mapping::AddressDependent => (Some(to.ip()), None),
            Mapping::AddressAndPortDependent => (Some(to.ip()), Some(to.port())),
        };
        self.expire(now);
        let next_port = &mut self.next_port;
        let binding = self
            .bindings
            .entry((from, address, port))
            .or_insert_with(|| {
                *next_port = next_port.checked_add(1).unwrap_or(40_000);
                Binding {
                    port: *next_port,
                    used: now,
                    peers: Vec::new(),
                }
            });
        binding.used = now;
        if !binding.peers.contains(&to) {
            binding.peers.push(to);
        }
        SocketAddr::new(self.public, binding.port)
    }

    /// The inside endpoint of a packet from outside, if it may come in.
    pub(crate) fn inbound(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        now: Instant,
    ) -> Option<SocketAddr> {
        self.expire(now);
        let ((inside, ..), binding) = self
            .bindings
            .iter()
            .find(|(_, binding)| binding.port == to.port())?;
        let known = match self.filtering {
            Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => binding.peers.iter().any(|peer| peer.ip() == from.ip()),
            Filtering::AddressAndPortDependent => binding.peers.contains(&from),
        };
        known.then_some(*inside)
    }

    /// RFC 4787 §4.3: only packets from inside keep a mapping alive.
    fn expire(&mut self, now: Instant) {
        let lifetime = self.lifetime;
        self.bindings
            .retain(|_, binding| now.saturating_duration_since(binding.used) < lifetime);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn nat(mapping: Mapping, filtering: Filtering) -> Nat {
        Nat::new(
            "198.51.100.1".parse().unwrap(),
            &["10.0.0.2".parse().unwrap()],
            mapping,
            filtering,
        )
    }

    #[test]
    fn rfc4787_4_1_mappings() {
        let now = Clock::new().now();
        let inside = addr("10.0.0.2:5060");
        let destinations = [
            addr("192.0.2.1:1"),
            addr("192.0.2.1:2"),
            addr("192.0.2.2:1"),
        ];
        for (mapping, distinct) in [
            (Mapping::EndpointIndependent, 1),
            (Mapping::AddressDependent, 2),
            (Mapping::AddressAndPortDependent, 3),
        ] {
            let mut nat = nat(mapping, Filtering::EndpointIndependent);
            let mut external: Vec<_> = destinations
                .iter()
                .map(|to| nat.outbound(inside, *to, now))
                .collect();
            external.dedup();
            assert_eq!(external.len(), distinct, "{mapping:?}");
        }
    }

    #[test]
    fn rfc4787_5_filters() {
        let now = Clock::new().now();
        let inside = addr("10.0.0.2:5060");
        for (filtering, passes) in [
            (Filtering::EndpointIndependent, [true, true, true]),
            (Filtering::AddressDependent, [true, true, false]),
            (Filtering::AddressAndPortDependent, [true, false, false]),
        ] {
            let mut nat = nat(Mapping::EndpointIndependent, filtering);
            let external = nat.outbound(inside, addr("192.0.2.1:1"), now);
            let results = ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"]
                .map(|from| nat.inbound(addr(from), external, now) == Some(inside));
            assert_eq!(results, passes, "{filtering:?}");
        }
    }

    #[test]
    fn rfc4787_4_3_only_outbound_packets_keep_a_mapping_alive() {
        let clock = Clock::new();
        let inside = addr("10.0.0.2:5060");
        let peer = addr("192.0.2.1:1");
        let mut nat = nat(
            Mapping::EndpointIndependent,
            Filtering::AddressAndPortDependent,
        );
        let external = nat.outbound(inside, peer, clock.at(0));
        assert_eq!(nat.inbound(peer, external, clock.at(29_000)), Some(inside));
        assert_eq!(nat.inbound(peer, external, clock.at(31_000)), None);
        assert_ne!(nat.outbound(inside, peer, clock.at(32_000)), external);
    }
}
