//! The addresses of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The addresses of this machine that peers, or programs on it, can use: of interfaces that are up, the one that leads
/// to the rest of the network first, loopback last. Link-local IPv6 addresses are left out, because nothing in a SIP
/// message can name the link that they belong to (RFC 3261 §25.1 has no zone).
///
/// ```
/// use sip_transport::tokio::local_addresses;
/// let addresses = local_addresses();
/// assert!(addresses.iter().all(|ip| !ip.is_unspecified()));
/// ```
#[must_use]
pub fn local_addresses() -> Vec<IpAddr> {
    let mut found = interfaces();
    let defaults = [
        default_source(Ipv4Addr::new(192, 0, 2, 1).into()),
        default_source(DOCUMENTATION_V6.into()),
    ];
    found.sort_by_key(|ip| {
        (
            ip.is_loopback(),
            // The source of the default route, IPv4 before IPv6 because more phones speak it.
            defaults
                .iter()
                .position(|default| default.as_ref() == Some(ip))
                .unwrap_or(defaults.len()),
            ip.is_ipv6(),
        )
    });
    found.dedup();
    found
}

/// 2001:db8::1.
const DOCUMENTATION_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// The address that the system would send from. Connecting a datagram socket sends nothing.
fn default_source(towards: IpAddr) -> Option<IpAddr> {
    let remote = SocketAddr::new(towards, 5060);
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(remote),
        socket2::Type::DGRAM,
        None,
    )
    .ok()?;
    socket.connect(&remote.into()).ok()?;
    socket.local_addr().ok()?.as_socket().map(|addr| addr.ip())
}

#[cfg(unix)]
fn interfaces() -> Vec<IpAddr> {
    use nix::net::if_::InterfaceFlags;

    let mut found: Vec<IpAddr> = Vec::new();
    let Ok(all) = nix::ifaddrs::getifaddrs() else {
        return vec![Ipv4Addr::LOCALHOST.into()];
    };
    for interface in all {
        if !interface.flags.contains(InterfaceFlags::IFF_UP) {
            continue;
        }
        let Some(addr) = interface.address else {
            continue;
        };
        let ip = match (addr.as_sockaddr_in(), addr.as_sockaddr_in6()) {
            (Some(v4), _) => IpAddr::V4(v4.ip()),
            (None, Some(v6)) if !v6.ip().is_unicast_link_local() => IpAddr::V6(v6.ip()),
            (None, _) => continue,
        };
        if !ip.is_unspecified() && !found.contains(&ip) {
            found.push(ip);
        }
    }
    found
}

#[cfg(not(unix))]
fn interfaces() -> Vec<IpAddr> {
    let mut found = vec![Ipv4Addr::LOCALHOST.into()];
    found.extend(default_source(Ipv4Addr::new(192, 0, 2, 1).into()));
    found.extend(default_source(DOCUMENTATION_V6.into()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_can_be_bound_and_loopback_is_last() {
        let all = local_addresses();
        assert!(all.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)), "{all:?}");
        let first_loopback = all.iter().position(IpAddr::is_loopback).unwrap();
        assert!(
            all[first_loopback..].iter().all(IpAddr::is_loopback),
            "{all:?}"
        );
        for ip in all {
            let addr = SocketAddr::new(ip, 0);
            let socket = socket2::Socket::new(
                socket2::Domain::for_address(addr),
                socket2::Type::DGRAM,
                None,
            )
            .unwrap();
            socket.bind(&addr.into()).unwrap();
        }
    }
}
