//! [`Inherited`]: a socket that somebody else has bound.
#![allow(
    clippy::disallowed_types,
    reason = "this is where the sockets of others become those of the driver"
)]

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{SockAddr, Socket};

use super::Listen;
use super::listen::{self, is_datagram};
use crate::kind::TransportKind;

/// A socket that was bound before this process began, such as one that the service manager hands over (socket activation).
/// It takes the place of the one that a [`Listen`] of its address would bind.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use sip_transport::tokio::{Inherited, Listen};
///
/// let socket = Inherited::datagrams(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
/// let listen = Listen::udp(socket.local());
/// assert!(socket.is_for(&listen));
/// # Ok(())
/// # }
/// ```
pub struct Inherited {
    socket: Socket,
    local: SocketAddr,
    is_datagram: bool,
}

impl fmt::Debug for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inherited({self})")
    }
}

impl fmt::Display for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_datagram { "UDP" } else { "TCP" };
        write!(f, "{kind} {}", self.local)
    }
}

impl Inherited {
    /// A socket for datagrams: UDP, or SCTP in UDP.
    ///
    /// # Errors
    /// When it is not bound to one address.
    pub fn datagrams(socket: UdpSocket) -> io::Result<Self> {
        Self::new(socket.into(), true)
    }

    /// A socket for connections: TCP, TLS, or WebSockets.
    ///
    /// # Errors
    /// When it is not bound to one address, or cannot listen.
    pub fn connections(listener: TcpListener) -> io::Result<Self> {
        let inherited = Self::new(listener.into(), false)?;
        // Who handed it over need not have done so; to do it again only sets the length of the queue.
        listen::begin(&inherited.socket)?;
        Ok(inherited)
    }

    fn new(socket: Socket, is_datagram: bool) -> io::Result<Self> {
        let local = socket
            .local_addr()
            .ok()
            .as_ref()
            .and_then(SockAddr::as_socket);
        let local = local.filter(|local| local.port() != 0).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the socket is not bound to an address of IP",
            )
        })?;
        if local.ip().is_unspecified() {
            // RFC 3261 §18.2.1: a response names the address that the request came to, so each has its own socket.
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the socket is bound to {local}, which is all addresses: give it one of them, and each its own socket"
                ),
            ));
        }
        socket.set_nonblocking(true)?;
        if is_datagram {
            listen::prepare_datagrams(&socket, local);
        }
        Ok(Self {
            socket,
            local,
            is_datagram,
        })
    }

    /// The address that it is bound to; of SCTP, that of the UDP port in which it travels.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// What it carries when nothing else is said: UDP or TCP.
    #[must_use]
    pub const fn kind(&self) -> TransportKind {
        if self.is_datagram {
            TransportKind::Udp
        } else {
            TransportKind::Tcp
        }
    }

    /// Is this what would be bound otherwise?
    #[must_use]
    pub fn is_for(&self, listen: &Listen) -> bool {
        let port = if listen.kind == TransportKind::Sctp {
            listen.udp_port
        } else {
            listen.addr.port()
        };
        self.is_datagram == is_datagram(listen.kind)
            && self.local == SocketAddr::new(listen.addr.ip(), port)
    }

    /// Takes the first for this place out of the list.
    pub(super) fn take(list: &mut Vec<Self>, listen: &Listen) -> Option<(SocketAddr, Socket)> {
        let at = list.iter().position(|one| one.is_for(listen))?;
        let one = list.remove(at);
        Some((one.local, one.socket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_for_what_its_type_and_address_say() {
        let socket = Inherited::datagrams(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        let here = socket.local();
        assert!(socket.is_for(&Listen::udp(here)));
        assert!(!socket.is_for(&Listen::tcp(here)));
        assert!(!socket.is_for(&Listen::udp(SocketAddr::from((
            [127, 0, 0, 2],
            here.port()
        )))));
        assert!(!socket.is_for(&Listen::udp(SocketAddr::from(([127, 0, 0, 1], 1)))));
        let listener = Inherited::connections(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let here = listener.local();
        for kind in [TransportKind::Tcp, TransportKind::Tls, TransportKind::Wss] {
            assert!(listener.is_for(&Listen::new(kind, here)));
        }
        assert!(!listener.is_for(&Listen::udp(here)));
        assert_eq!(listener.to_string(), format!("TCP {here}"));
        let mut list = vec![socket, listener];
        assert!(Inherited::take(&mut list, &Listen::tcp(here)).is_some());
        assert!(Inherited::take(&mut list, &Listen::tcp(here)).is_none());
        assert_eq!(list.len(), 1);
    }

    #[test]
    fn rfc3261_18_2_1_a_socket_of_all_addresses_is_refused() {
        let error = Inherited::datagrams(UdpSocket::bind("0.0.0.0:0").unwrap()).unwrap_err();
        assert!(error.to_string().contains("all addresses"), "{error}");
    }
}
