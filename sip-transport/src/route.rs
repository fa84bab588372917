//! Which of our sockets reaches an address.

use std::net::{IpAddr, SocketAddr};

use crate::id::ListenerId;
use crate::kind::TransportKind;

/// A socket that receives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    pub(crate) id: ListenerId,
    pub(crate) kind: TransportKind,
    pub(crate) local: SocketAddr,
}

/// The listener from which, or in whose name, to send to an address over a transport. A connection may be opened
/// without a listener of its transport; then the address of another one stands for us.
pub(crate) fn source(
    listeners: &[Listener],
    kind: TransportKind,
    remote: IpAddr,
) -> Option<Listener> {
    let reaches = |listener: &&Listener| reach(listener.local.ip(), remote) > 0;
    let best = |kind: TransportKind| {
        let mut best: Option<(u32, Listener)> = None;
        for listener in listeners
            .iter()
            .filter(|listener| listener.kind == kind)
            .filter(reaches)
        {
            let score = reach(listener.local.ip(), remote);
            // The first of equals: the order in which listeners were added is an order of preference.
            if best.is_none_or(|(other, _)| score > other) {
                best = Some((score, *listener));
            }
        }
        best.map(|(_, listener)| listener)
    };
    let stand_in: &[TransportKind] = match kind {
        TransportKind::Udp => &[],
        TransportKind::Tcp => &[TransportKind::Udp],
        // A secure connection is opened without a listener too, but in no Via may an insecure address stand for it
        // with its own port; the caller replaces the port.
        TransportKind::Tls
        | TransportKind::Ws
        | TransportKind::Wss
        | TransportKind::Sctp
        | TransportKind::TlsSctp => &[TransportKind::Tcp, TransportKind::Udp],
    };
    best(kind).or_else(|| stand_in.iter().find_map(|&other| best(other)))
}

/// How well a local address reaches a remote one; 0 is not at all.
fn reach(local: IpAddr, remote: IpAddr) -> u32 {
    let (local, remote) = (local.to_canonical(), remote.to_canonical());
    let (common, width) = match (local, remote) {
        (IpAddr::V4(local), IpAddr::V4(remote)) => {
            ((local.to_bits() ^ remote.to_bits()).leading_zeros(), 32)
        }
        (IpAddr::V6(local), IpAddr::V6(remote)) => {
            ((local.to_bits() ^ remote.to_bits()).leading_zeros(), 128)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return 0,
    };
    if common == width {
        // Ourselves, at exactly this address.
        return 200;
    }
    match (local.is_loopback(), remote.is_loopback()) {
        // RFC 1122 section 3.2.1.3: loopback addresses do not leave the machine.
        (true, false) => 0,
        (true, true) => 190,
        // The kernel does deliver it, but an answer from loopback may not come back; a last resort.
        (false, true) => 1,
        (false, false) if is_link_local(local) != is_link_local(remote) => {
            u32::from(is_link_local(remote))
        }
        // Less than a half of a usual prefix says nothing about where the two are.
        (false, false) if common * 2 < width => 10,
        (false, false) => 10 + common,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(addrs: &[&str]) -> Vec<Listener> {
        (0..)
            .zip(addrs)
            .map(|(n, addr)| Listener {
                id: ListenerId::new(n),
                kind: TransportKind::Udp,
                local: SocketAddr::new(addr.parse().unwrap(), 5060),
            })
            .collect()
    }

    fn chosen(addrs: &[&str], remote: &str) -> Option<String> {
        source(
            &listeners(addrs),
            TransportKind::Udp,
            remote.parse().unwrap(),
        )
        .map(|l| l.local.ip().to_string())
    }

    #[test]
    fn the_address_of_the_same_network_is_the_source() {
        let ours = [
            "198.51.100.7",
            "10.1.2.3",
            "172.17.0.1",
            "127.0.0.1",
            "2001:db8::7",
            "::1",
            "fe80::7",
        ];
        for (remote, expected) in [
            ("10.1.9.9", Some("10.1.2.3")),
            ("8.8.8.8", Some("198.51.100.7")),
            // 172.64 shares nine bits with 172.17, which says nothing.
            ("172.64.0.9", Some("198.51.100.7")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("127.9.9.9", Some("127.0.0.1")),
            ("10.1.2.3", Some("10.1.2.3")),
            ("2001:db8::9", Some("2001:db8::7")),
            ("::1", Some("::1")),
            ("fe80::9", Some("fe80::7")),
            ("::ffff:10.1.9.9", Some("10.1.2.3")),
        ] {
            assert_eq!(chosen(&ours, remote).as_deref(), expected, "{remote}");
        }
    }

    #[test]
    fn what_cannot_be_reached_has_no_source() {
        assert_eq!(chosen(&["127.0.0.1"], "192.0.2.1"), None);
        assert_eq!(chosen(&["192.0.2.1"], "2001:db8::1"), None);
        assert_eq!(chosen(&["fe80::7"], "2001:db8::1"), None);
        assert_eq!(
            chosen(&["192.0.2.1"], "127.0.0.1").as_deref(),
            Some("192.0.2.1")
        );
        assert_eq!(chosen(&[], "192.0.2.1"), None);
    }
}
