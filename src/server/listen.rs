//! Where a server listens: the texts, the addresses behind a wildcard, and a free port.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use sip_message::Uri;
use sip_transport::TransportKind;
use sip_transport::tokio::{Inherited, Listen};

use super::inherited::is_bound;

/// Why a text does not say where to listen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// It has not the form.
    #[error(
        "{0:?} does not say where to listen: use udp:, tcp:, tls:, ws:, wss: or sctp:ADDRESS:PORT, such as udp:0.0.0.0:5060 or tls:[::1]:5061"
    )]
    Form(Box<str>),
    /// The transport is not there.
    #[error("{0:?}: this server listens on udp, tcp, tls, ws, wss and sctp")]
    Transport(Box<str>),
}

/// One place to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: TransportKind,
    pub(super) addr: SocketAddr,
    /// Of SCTP, the UDP port in which it travels.
    pub(super) udp_port: u16,
}

/// RFC 6951 §5.1: the UDP port of encapsulated SCTP, where nothing else is said.
const SCTP_IN_UDP: u16 = 9899;

impl Place {
    /// Reads `udp:192.0.2.1:5060`. Without a port it is the one of the transport: 5060, 5061, 80, 443. SCTP travels in
    /// UDP, whose port may stand behind: `sctp:192.0.2.1:5060/9899` (RFC 6951 §5.1).
    pub(super) fn parse(text: &str) -> Result<Self, ListenError> {
        let form = || ListenError::Form(text.into());
        let (transport, address) = text.split_once(':').ok_or_else(form)?;
        let kind = match transport.to_ascii_lowercase().as_str() {
            "udp" => TransportKind::Udp,
            "tcp" => TransportKind::Tcp,
            "tls" => TransportKind::Tls,
            "ws" => TransportKind::Ws,
            "wss" => TransportKind::Wss,
            "sctp" => TransportKind::Sctp,
            // TLS over SCTP (RFC 3436).
            "tls-sctp" => return Err(ListenError::Transport(text.into())),
            _ => return Err(form()),
        };
        let (address, udp_port) = match address.split_once('/') {
            Some((address, port)) if kind == TransportKind::Sctp => {
                (address, port.parse().map_err(|_| form())?)
            }
            _ => (address, SCTP_IN_UDP),
        };
        let addr = address.parse().or_else(|_| {
            let bare = address
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .unwrap_or(address);
            bare.parse::<IpAddr>()
                .map(|ip| SocketAddr::new(ip, kind.default_port()))
        });
        addr.map(|addr| Self {
            kind,
            addr,
            udp_port,
        })
        .map_err(|_| form())
    }

    /// What the driver is to bind.
    pub(super) const fn to_listen(self) -> Listen {
        match self.kind {
            TransportKind::Sctp => Listen::sctp(self.addr, self.udp_port),
            kind => Listen::new(kind, self.addr),
        }
    }
}

/// Where a server listens that was told nothing: RFC 3261 §18.2.1 has it at port 5060 of all interfaces, by TCP as by UDP.
pub(super) fn by_default() -> Vec<Place> {
    const DEFAULT: [&str; 4] = [
        "udp:0.0.0.0:5060",
        "tcp:0.0.0.0:5060",
        "udp:[::]:5060",
        "tcp:[::]:5060",
    ];
    let places = DEFAULT.iter().map(|text| Place::parse(text));
    places.filter_map(Result::ok).collect()
}

/// The addresses to bind: those of this machine in the place of a wildcard, since a response has to name the one that
/// the request came to (RFC 3261 §18.2.1); each once.
pub(super) fn expand(places: &[Place], machine: &[IpAddr]) -> Vec<Place> {
    let mut all: Vec<Place> = Vec::new();
    for place in places {
        let ips: Vec<IpAddr> = if place.addr.ip().is_unspecified() {
            machine
                .iter()
                .copied()
                .filter(|ip| ip.is_ipv4() == place.addr.is_ipv4())
                .collect()
        } else {
            vec![place.addr.ip()]
        };
        for ip in ips {
            let one = Place {
                addr: SocketAddr::new(ip, place.addr.port()),
                ..*place
            };
            if !all.contains(&one) {
                all.push(one);
            }
        }
    }
    all
}

/// The transports that are found at one port: UDP and TCP, so that one URI is good for both. The others have ports of
/// their own.
pub(super) const fn together(kind: TransportKind) -> TransportKind {
    match kind {
        TransportKind::Tcp => TransportKind::Udp,
        other => other,
    }
}

/// Gives every place of these transports with the port `from` another one.
pub(super) fn moved(places: &[Place], of: TransportKind, from: u16, to: u16) -> Vec<Place> {
    let mut moved = places.to_vec();
    for place in moved
        .iter_mut()
        .filter(|place| together(place.kind) == together(of) && place.addr.port() == from)
    {
        place.addr.set_port(to);
    }
    moved
}

/// The first place that cannot be bound now, and why; what is bound already can.
pub(super) fn occupied(places: &[Place], inherited: &[Inherited]) -> Option<(Place, io::Error)> {
    // All at once, as they will be; they are closed again on return.
    let mut held: Vec<(Option<UdpSocket>, Option<TcpListener>)> = Vec::new();
    for place in places {
        if is_bound(place, inherited) {
            continue;
        }
        let bound = match place.kind {
            TransportKind::Udp => UdpSocket::bind(place.addr).map(|socket| (Some(socket), None)),
            TransportKind::Sctp => UdpSocket::bind((place.addr.ip(), place.udp_port))
                .map(|socket| (Some(socket), None)),
            _ => TcpListener::bind(place.addr).map(|listener| (None, Some(listener))),
        };
        match bound {
            Ok(sockets) => held.push(sockets),
            Err(error) => return Some((*place, error)),
        }
    }
    None
}

/// A port that is free for all places of these transports that have the port `from`; one the system chooses.
pub(super) fn free_port(places: &[Place], of: TransportKind, from: u16) -> Option<u16> {
    let wanted: Vec<Place> = places
        .iter()
        .copied()
        .filter(|place| together(place.kind) == together(of) && place.addr.port() == from)
        .collect();
    let first = wanted.first()?;
    (0..32).find_map(|_| {
        let mut any = first.addr;
        any.set_port(0);
        let port = UdpSocket::bind(any).ok()?.local_addr().ok()?.port();
        occupied(&moved(&wanted, of, from, port), &[])
            .is_none()
            .then_some(port)
    })
}

/// What the driver is to bind.
pub(super) fn to_listen(places: &[Place]) -> Vec<Listen> {
    places.iter().copied().map(Place::to_listen).collect()
}

/// How others reach the first of these places that needs no certificate.
pub(super) fn uri(places: &[Place]) -> Option<Uri> {
    let plain = |kind| places.iter().find(|place| place.kind == kind);
    let place = plain(TransportKind::Udp).or_else(|| plain(TransportKind::Tcp))?;
    let uri = Uri::sip(None, place.addr.ip().into(), Some(place.addr.port()));
    Some(match place.kind {
        TransportKind::Udp => uri,
        kind => uri.with_param("transport", Some(kind.uri_param())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_18_2_1_by_default_every_address_is_listened_on_by_udp_and_tcp_at_port_5060() {
        let machine: Vec<IpAddr> = ["192.0.2.1", "127.0.0.1", "2001:db8::1"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        let places = expand(&by_default(), &machine);
        for ip in machine {
            for kind in [TransportKind::Udp, TransportKind::Tcp] {
                let addr = SocketAddr::new(ip, 5060);
                let here = |place: &&Place| (place.kind, place.addr) == (kind, addr);
                assert_eq!(places.iter().filter(here).count(), 1, "{kind} {addr}");
            }
        }
    }

    #[test]
    fn places_are_read() {
        let place = |text| Place::parse(text).map(|place| (place.kind, place.addr.to_string()));
        assert_eq!(
            place("udp:192.0.2.1:5062"),
            Ok((TransportKind::Udp, "192.0.2.1:5062".into()))
        );
        assert_eq!(
            place("TCP:[::1]:5060"),
            Ok((TransportKind::Tcp, "[::1]:5060".into()))
        );
        assert_eq!(
            place("udp:0.0.0.0"),
            Ok((TransportKind::Udp, "0.0.0.0:5060".into()))
        );
        assert_eq!(
            place("udp:[::]"),
            Ok((TransportKind::Udp, "[::]:5060".into()))
        );
        assert_eq!(
            place("tls:192.0.2.1"),
            Ok((TransportKind::Tls, "192.0.2.1:5061".into()))
        );
        assert_eq!(
            place("wss:[::1]"),
            Ok((TransportKind::Wss, "[::1]:443".into()))
        );
        for wrong in [
            "5060",
            "udp:example.com:5060",
            "udp:192.0.2.1:99999",
            "ftp:192.0.2.1:1",
            "udp:192.0.2.1:5060/9899",
            "sctp:192.0.2.1:5060/sctp",
        ] {
            assert_eq!(Place::parse(wrong), Err(ListenError::Form(wrong.into())));
        }
        assert_eq!(
            place("sctp:192.0.2.1"),
            Ok((TransportKind::Sctp, "192.0.2.1:5060".into()))
        );
        let udp_port = |text| Place::parse(text).unwrap().udp_port;
        assert_eq!(udp_port("sctp:192.0.2.1:5070"), 9899);
        assert_eq!(udp_port("sctp:[::1]:5070/9900"), 9900);
        assert!(
            Place::parse("tls-sctp:192.0.2.1:5061")
                .unwrap_err()
                .to_string()
                .contains("udp, tcp, tls")
        );
    }

    #[test]
    fn a_wildcard_is_the_addresses_of_the_machine_each_once() {
        let machine = [
            "192.0.2.1".parse().unwrap(),
            "2001:db8::1".parse().unwrap(),
            "127.0.0.1".parse().unwrap(),
        ];
        let places = [
            Place::parse("udp:127.0.0.1:5060").unwrap(),
            Place::parse("udp:0.0.0.0:5060").unwrap(),
            Place::parse("tcp:[::]:5061").unwrap(),
        ];
        let all: Vec<_> = expand(&places, &machine)
            .iter()
            .map(|place| format!("{} {}", place.kind, place.addr))
            .collect();
        assert_eq!(
            all,
            [
                "UDP 127.0.0.1:5060",
                "UDP 192.0.2.1:5060",
                "TCP [2001:db8::1]:5061"
            ]
        );
    }

    #[test]
    fn a_port_that_is_taken_by_either_transport_is_left() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let places = [
            Place {
                kind: TransportKind::Udp,
                addr: SocketAddr::from(([127, 0, 0, 1], port)),
                udp_port: 0,
            },
            Place {
                kind: TransportKind::Tcp,
                addr: taken.local_addr().unwrap(),
                udp_port: 0,
            },
        ];
        assert_eq!(
            occupied(&places, &[]).map(|(place, error)| (place, error.kind())),
            Some((places[1], io::ErrorKind::AddrInUse))
        );
        let free = free_port(&places, TransportKind::Udp, port).unwrap();
        assert_ne!(free, port);
        assert!(occupied(&moved(&places, TransportKind::Tcp, port, free), &[]).is_none());
    }
}
