//! Binding sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::connection::{self, Connection, Settings, is_built_in};
use super::outbox::{self, Direct};
#[cfg(feature = "sctp")]
use super::sctp;
use super::udp::UdpListener;
use super::{Driver, Inherited, Item, Outlet};
use crate::id::{ConnectionId, ListenerId};
use crate::io::Input;
use crate::kind::TransportKind;

/// When datagrams that are sent at once to one peer, as to a trunk or an edge proxy, go through the system as one, which cuts them
/// apart or lets the network card do so (UDP segmentation offload, on Linux), where their lengths allow it: all alike, the last may
/// be shorter; and those that come from one peer so, or one behind the other in one length, are received as one (generic receive
/// offload). That takes a third of the CPU. On the wire nothing changes; but who looks at the packets of *this* host (tcpdump,
/// sngrep, capture agents) may see several messages in one, and show only the first. Without effect where the system does not know
/// it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth")]
pub enum SegmentationOffload {
    /// Each goes by itself.
    Never,
    /// While it is asked for by [`Driver::merge_datagrams`]; received so from the first time on.
    #[default]
    OnDemand,
    /// From the beginning.
    Always,
}

/// A socket to bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listen {
    /// The transport.
    pub kind: TransportKind,
    /// The address; a concrete one, because it becomes the local address of every flow. Port 0 for any free port.
    pub addr: SocketAddr,
    /// Of SCTP, the UDP port in which it travels (RFC 6951 §5.1); 9899 unless said otherwise, 0 for any free one.
    pub udp_port: u16,
    /// May other sockets be bound to the same address and port (`SO_REUSEPORT`)? Then each worker has its own, and the
    /// system deals what arrives out among them: what comes from one address and port, always to the same. All of them
    /// must say so, and belong to one user.
    pub shared: bool,
    /// Of UDP: when datagrams that are sent at once to one peer go through the system as one.
    pub offload: SegmentationOffload,
}

impl Listen {
    /// A socket of a transport.
    #[must_use]
    pub const fn new(kind: TransportKind, addr: SocketAddr) -> Self {
        Self {
            kind,
            addr,
            udp_port: 9899,
            shared: false,
            offload: SegmentationOffload::OnDemand,
        }
    }

    /// One of several sockets of the same address and port, one for each worker. Where the system does not know such
    /// sockets, binding the second fails.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// When datagrams that are sent at once to one peer go through the system as one.
    #[must_use]
    pub const fn segmentation_offload(mut self, offload: SegmentationOffload) -> Self {
        self.offload = offload;
        self
    }

    /// An SCTP listener (feature `sctp`), in UDP (RFC 6951): `addr` has the port of SCTP, which stands in Via and URIs.
    /// With port 0 it is the same number as that of UDP.
    #[cfg(feature = "sctp")]
    #[must_use]
    pub const fn sctp(addr: SocketAddr, udp_port: u16) -> Self {
        Self {
            udp_port,
            ..Self::new(TransportKind::Sctp, addr)
        }
    }

    /// A UDP socket.
    #[must_use]
    pub const fn udp(addr: SocketAddr) -> Self {
        Self::new(TransportKind::Udp, addr)
    }

    /// A WebSocket listener (feature `ws`).
    #[cfg(feature = "ws")]
    #[must_use]
    pub const fn ws(addr: SocketAddr) -> Self {
        Self::new(TransportKind::Ws, addr)
    }

    /// A TLS listener (feature `tls`).
    #[cfg(feature = "tls")]
    #[must_use]
    pub const fn tls(addr: SocketAddr) -> Self {
        Self::new(TransportKind::Tls, addr)
    }

    /// A listener of WebSockets over TLS (features `tls` and `ws`).
    #[cfg(all(feature = "tls", feature = "ws"))]
    #[must_use]
    pub const fn wss(addr: SocketAddr) -> Self {
        Self::new(TransportKind::Wss, addr)
    }

    /// A TCP socket.
    #[must_use]
    pub const fn tcp(addr: SocketAddr) -> Self {
        Self::new(TransportKind::Tcp, addr)
    }
}

/// A socket that is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bound {
    /// What names it.
    pub listener: ListenerId,
    /// The transport.
    pub kind: TransportKind,
    /// The address, with the port that was found for port 0.
    pub local: SocketAddr,
    /// Of SCTP, the UDP port in which it travels (RFC 6951).
    pub udp_port: Option<u16>,
}

/// How often a port that is free for one transport is tried for the others of the same address.
const PORT_ATTEMPTS: usize = 32;
/// How long an accept loop rests when the system has no descriptors or memory left.
const ACCEPT_REST: Duration = Duration::from_millis(100);

pub(super) fn bind(
    driver: &mut Driver,
    listen: &[Listen],
    mut inherited: Vec<Inherited>,
) -> io::Result<Vec<Bound>> {
    let mut bound = Vec::with_capacity(listen.len());
    let mut sockets: Vec<Option<(SocketAddr, Socket)>> = listen
        .iter()
        .map(|wanted| Inherited::take(&mut inherited, wanted))
        .collect();
    if let Some(left) = inherited.first() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a socket was handed over that is for no place to listen at: {left}"),
        ));
    }
    for (n, wanted) in listen.iter().enumerate() {
        if sockets[n].is_some() {
            continue;
        }
        // Those of the same address that also want any port.
        let same: Vec<usize> = (n..listen.len())
            .filter(|&other| {
                let any_port = wanted.addr.port() == 0 && listen[other].addr == wanted.addr;
                let together = shares_port(wanted.kind) && shares_port(listen[other].kind);
                other == n || (sockets[other].is_none() && any_port && together)
            })
            .collect();
        for (place, socket) in same.iter().zip(bind_together(listen, &same)?) {
            sockets[*place] = Some(socket);
        }
    }
    let accepted = Arc::new(AtomicU64::new(0));
    for ((number, listen), socket) in (0..).zip(listen).zip(sockets) {
        let Some((local, socket)) = socket else {
            continue;
        };
        let listener = ListenerId::new(number);
        let udp_port = None;
        #[cfg(feature = "sctp")]
        if listen.kind == TransportKind::Sctp {
            let socket = tokio::net::UdpSocket::from_std(socket.into())
                .map_err(|error| describe(error, *listen))?;
            let udp = local.port();
            let port = match listen.addr.port() {
                0 => udp,
                port => port,
            };
            let local = SocketAddr::new(local.ip(), port);
            let context = sctp::Context {
                listener,
                local,
                numbers: Arc::clone(&accepted),
                inbox: driver.to_inbox.clone(),
                alive: driver.alive.clone(),
            };
            driver.sctp.push(sctp::Sctp::start(socket, context));
            bound.push(Bound {
                listener,
                kind: listen.kind,
                local,
                udp_port: Some(udp),
            });
            continue;
        }
        if listen.kind == TransportKind::Udp {
            let socket = UdpListener::new(
                listener,
                socket,
                listen.offload,
                driver.to_inbox.clone(),
                &mut driver.tasks,
            )
            .map_err(|error| describe(error, *listen))?;
            driver.udp.push(socket);
        } else {
            let socket =
                TcpListener::from_std(socket.into()).map_err(|error| describe(error, *listen))?;
            if listen.kind.is_secure() {
                driver.handshaking.push(listener);
            }
            driver.tasks.spawn(accept(
                Bound {
                    listener,
                    kind: listen.kind,
                    local,
                    udp_port,
                },
                socket,
                driver.settings.subscribe(),
                Arc::clone(&accepted),
                driver.to_inbox.clone(),
                driver.alive.clone(),
            ));
        }
        bound.push(Bound {
            listener,
            kind: listen.kind,
            local,
            udp_port,
        });
    }
    Ok(bound)
}

/// RFC 3261 §18.2.1: those that are found at one port, 5060, where nothing is said.
const fn shares_port(kind: TransportKind) -> bool {
    matches!(kind, TransportKind::Udp | TransportKind::Tcp)
}

/// Binds the chosen ones of a list to one port.
fn bind_together(listen: &[Listen], chosen: &[usize]) -> io::Result<Vec<(SocketAddr, Socket)>> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut sockets: Vec<(SocketAddr, Socket)> = Vec::with_capacity(chosen.len());
        let mut failed = None;
        for &n in chosen {
            let mut addr = listen[n].addr;
            if let Some((first, _)) = sockets.first() {
                addr.set_port(first.port());
            }
            if listen[n].kind == TransportKind::Sctp {
                addr.set_port(listen[n].udp_port);
            }
            match bind_one(listen[n].kind, addr, listen[n].shared) {
                Ok(socket) => sockets.push(socket),
                Err(error) => {
                    failed = Some(describe(error, Listen::new(listen[n].kind, addr)));
                    break;
                }
            }
        }
        match failed {
            None => return Ok(sockets),
            // The port that the first was given is taken for another: once more.
            Some(error)
                if !sockets.is_empty()
                    && error.kind() == io::ErrorKind::AddrInUse
                    && attempt < PORT_ATTEMPTS => {}
            Some(error) => return Err(error),
        }
    }
}

fn bind_one(
    kind: TransportKind,
    addr: SocketAddr,
    shared: bool,
) -> io::Result<(SocketAddr, Socket)> {
    if !is_built_in(kind) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this transport is not built in",
        ));
    }
    let is_datagram = is_datagram(kind);
    let (ty, protocol) = if is_datagram {
        (Type::DGRAM, Protocol::UDP)
    } else {
        (Type::STREAM, Protocol::TCP)
    };
    let socket = Socket::new(Domain::for_address(addr), ty, Some(protocol))?;
    if addr.is_ipv6() {
        // Each family has its own sockets, so that an address is always what it looks like.
        socket.set_only_v6(true)?;
    }
    if is_datagram {
        prepare_datagrams(&socket, addr);
    } else {
        // A restarted server finds its port although old connections linger in TIME_WAIT.
        socket.set_reuse_address(true)?;
    }
    #[cfg(unix)]
    if shared {
        socket.set_reuse_port(true)?;
    }
    #[cfg(not(unix))]
    let _not_known_here = shared;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    if !is_datagram {
        begin(&socket)?;
    }
    let local = socket
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::other("the system gave an address that is not one of IP"))?;
    Ok((local, socket))
}

/// Do datagrams carry it?
pub(super) const fn is_datagram(kind: TransportKind) -> bool {
    matches!(kind, TransportKind::Udp | TransportKind::Sctp)
}

/// What a socket for datagrams needs, as far as the system gives it.
pub(super) fn prepare_datagrams(socket: &Socket, addr: SocketAddr) {
    // A burst must fit while the worker is busy; the system caps this where it must. What is larger already stays so.
    const RECEIVE: usize = 4 << 20;
    const SEND: usize = 1 << 20;
    if socket.recv_buffer_size().is_ok_and(|size| size < RECEIVE) {
        let _capped = socket.set_recv_buffer_size(RECEIVE);
    }
    if socket.send_buffer_size().is_ok_and(|size| size < SEND) {
        let _capped = socket.set_send_buffer_size(SEND);
    }
    if let IpAddr::V4(ip) = addr.ip() {
        // What goes to a group leaves by the interface of this address.
        let _where_it_can = socket.set_multicast_if_v4(&ip);
    }
}

/// Takes connections from now on.
pub(super) fn begin(socket: &Socket) -> io::Result<()> {
    socket.listen(1024)
}

/// A socket that takes what is sent to a group and arrives by the interface of an address.
pub(super) fn join(group: IpAddr, local: SocketAddr) -> io::Result<Socket> {
    let addr = SocketAddr::new(group, local.port());
    if !group.is_multicast() || group.is_ipv4() != local.is_ipv4() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{group} is no multicast group that {local} could join"),
        ));
    }
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    // Others on this machine may be members too.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    match (group, local) {
        (IpAddr::V4(group), SocketAddr::V4(local)) => {
            socket.bind(&addr.into())?;
            socket.join_multicast_v4(&group, local.ip())?;
        }
        (IpAddr::V6(group), SocketAddr::V6(local)) => {
            socket.set_only_v6(true)?;
            socket.bind(&addr.into())?;
            socket.join_multicast_v6(&group, local.scope_id())?;
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => {}
    }
    Ok(socket)
}

/// An error that says which socket, and where that is known what to do.
fn describe(error: io::Error, listen: Listen) -> io::Error {
    let hint = if error.kind() == io::ErrorKind::AddrInUse {
        " (another program uses this port: end it, or choose another port)"
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        " (ports below 1024 need privileges: choose a higher one)"
    } else if error.kind() == io::ErrorKind::AddrNotAvailable {
        " (this machine has no such address)"
    } else {
        ""
    };
    io::Error::new(
        error.kind(),
        format!(
            "cannot listen on {} {}: {error}{hint}",
            listen.kind, listen.addr
        ),
    )
}

async fn accept(
    bound: Bound,
    socket: TcpListener,
    settings: watch::Receiver<Settings>,
    numbers: Arc<AtomicU64>,
    inbox: mpsc::Sender<Item>,
    alive: mpsc::Sender<()>,
) {
    loop {
        let (stream, remote) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a peer that left before it was accepted: the listener goes on.
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let connection = ConnectionId::accepted(numbers.fetch_add(1, Ordering::Relaxed));
        let (mut outbox, mut queue) = outbox::channel();
        let begun = if bound.kind == TransportKind::Tcp {
            connection::set_options(&stream);
            let direct = Direct::new(stream);
            outbox.use_direct(Arc::clone(&direct));
            queue.use_direct(Arc::clone(&direct));
            Begun::Tcp(direct)
        } else {
            Begun::Other(stream)
        };
        let input = Input::Accepted {
            connection,
            listener: bound.listener,
            remote,
        };
        if inbox
            .send(Item {
                input,
                writer: Some(Outlet::Outbox(outbox)),
            })
            .await
            .is_err()
        {
            return;
        }
        let task = Connection::new(connection, queue, inbox.clone(), alive.clone());
        match begun {
            Begun::Tcp(direct) => drop(tokio::spawn(task.run_tcp(direct))),
            Begun::Other(stream) => {
                let settings = settings.borrow().clone();
                drop(tokio::spawn(task.accepted(bound.kind, stream, settings)));
            }
        }
    }
}

/// A connection that was accepted, as its task gets it.
enum Begun {
    Tcp(Arc<Direct>),
    Other(TcpStream),
}
