//! Sockets that somebody else has bound: which worker gets which.

use sip_transport::TransportKind;
use sip_transport::tokio::{Inherited, Listen};

use super::BuildError;
use super::listen::Place;

/// The places that are meant when nothing is said: those of the sockets, each once.
pub(super) fn places(inherited: &[Inherited]) -> Vec<Place> {
    let mut places = Vec::new();
    for one in inherited {
        let place = Place {
            kind: one.kind(),
            addr: one.local(),
            udp_port: 0,
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// Is this place bound already?
pub(super) fn is_bound(place: &Place, inherited: &[Inherited]) -> bool {
    inherited.iter().any(|one| one.is_for(&place.to_listen()))
}

/// Deals the sockets out: each worker gets one of each place that has any. What is not shared is the first's.
pub(super) fn deal(
    inherited: Vec<Inherited>,
    listen: &[Listen],
    workers: u16,
) -> Result<Vec<Vec<Inherited>>, BuildError> {
    let mut dealt: Vec<Vec<Inherited>> = (0..workers).map(|_| Vec::new()).collect();
    let mut counts = vec![0; listen.len()];
    for one in inherited {
        let Some(at) = listen.iter().position(|listen| one.is_for(listen)) else {
            return Err(BuildError::Inherited(format!(
                "it is for {one}, which is none of the places to listen at"
            )));
        };
        let (Some(count), Some(kind)) = (counts.get_mut(at), listen.get(at).map(|one| one.kind))
        else {
            continue;
        };
        let most = if kind == TransportKind::Sctp {
            1
        } else {
            workers
        };
        let Some(own) = dealt.get_mut(usize::from(*count)).filter(|_| *count < most) else {
            return Err(BuildError::Inherited(format!(
                "there are more for {one} than the {most} that are needed"
            )));
        };
        *count += 1;
        own.push(one);
    }
    for (listen, count) in listen.iter().zip(counts) {
        if count != 0 && count < workers && listen.kind != TransportKind::Sctp {
            return Err(BuildError::Inherited(format!(
                "{count} came for {} {}, and each of the {workers} workers needs one of its own (in the socket unit, the \
                 same line as often, and ReusePort=yes)",
                listen.kind, listen.addr
            )));
        }
    }
    Ok(dealt)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};

    use super::*;

    fn socket() -> (Inherited, Listen) {
        let one = Inherited::datagrams(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        let listen = Listen::udp(one.local());
        (one, listen)
    }

    #[test]
    fn each_worker_gets_its_own() {
        let (one, listen) = socket();
        let other = Listen::udp(SocketAddr::from(([127, 0, 0, 1], 1)));
        let dealt = deal(vec![one], &[other, listen], 1).unwrap();
        assert_eq!(dealt.iter().map(Vec::len).collect::<Vec<_>>(), [1]);
        let (one, listen) = socket();
        let error = deal(vec![one], &[listen], 2).unwrap_err().to_string();
        assert!(error.contains("ReusePort=yes"), "{error}");
    }

    #[test]
    fn what_is_for_no_place_is_said() {
        let (one, _) = socket();
        let (_, listen) = socket();
        let here = one.local();
        let error = deal(vec![one], &[listen], 1).unwrap_err().to_string();
        assert!(error.contains(&format!("UDP {here}")), "{error}");
    }
}
