//! The two sockets of a run and its connections, on the driver that the stack uses: many datagrams for one call of the system.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use sip_stack::transport::tokio::{Driver, Listen, SegmentationOffload};
use sip_stack::transport::{ConnectionId, Input, ListenerId, Output, TransportKind};

use super::engine::{Engine, Way};
use super::wire::Frames;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Sockets {
    driver: Driver,
    target: SocketAddr,
    is_stream: bool,
    caller: (ListenerId, SocketAddr),
    callee: (ListenerId, SocketAddr),
    inputs: Vec<Input>,
    /// What arrived of messages that are not whole. The ids are minted here and by the driver.
    frames: HashMap<ConnectionId, Frames>,
    /// The connections that requests go over, which are open.
    connections: Vec<ConnectionId>,
    /// Those that are not open yet.
    opening: Vec<ConnectionId>,
    lost: usize,
    minted: u64,
}

/// The ports of the two telephones; 0 for any free one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ports {
    /// Over TCP callers are where those are who are called.
    pub(super) caller: u16,
    pub(super) callee: u16,
    /// Is segmentation offload used?
    pub(super) offload: bool,
}

/// The driver counts those that it accepts from 0.
const FIRST_MINTED: u64 = 1 << 40;
/// How often a free port is looked for.
const ATTEMPTS: usize = 8;

impl Sockets {
    /// Binds what is needed to load a target, at these ports; any free one for 0. Must be called within a runtime.
    pub(super) fn open(target: SocketAddr, is_stream: bool, ports: Ports) -> io::Result<Self> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match Self::try_open(target, is_stream, ports) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < ATTEMPTS => {}
                other => return other,
            }
        }
    }

    fn try_open(target: SocketAddr, is_stream: bool, ports: Ports) -> io::Result<Self> {
        let ip = local_ip(target)?;
        let caller = SocketAddr::new(ip, ports.caller);
        let callee = SocketAddr::new(ip, ports.callee);
        let mut listen = if is_stream {
            vec![Listen::tcp(callee)]
        } else if ports.callee == 0 {
            // The driver would bind both to one port.
            let free = UdpSocket::bind(callee)?.local_addr()?;
            vec![Listen::udp(caller), Listen::udp(free)]
        } else {
            vec![Listen::udp(caller), Listen::udp(callee)]
        };
        if ports.offload {
            for one in &mut listen {
                *one = one.segmentation_offload(SegmentationOffload::Always);
            }
        }
        let (driver, bound) = Driver::bind(&listen)?;
        let missing = || io::Error::other("a socket is missing");
        let first = bound.first().ok_or_else(missing)?;
        let last = bound.last().ok_or_else(missing)?;
        Ok(Self {
            driver,
            target,
            is_stream,
            caller: (first.listener, first.local),
            callee: (last.listener, last.local),
            inputs: Vec::new(),
            frames: HashMap::new(),
            connections: Vec::new(),
            opening: Vec::new(),
            lost: 0,
            minted: FIRST_MINTED,
        })
    }

    /// Where requests come from.
    pub(super) const fn caller_addr(&self) -> SocketAddr {
        self.caller.1
    }

    /// Where those are reached who are called.
    pub(super) const fn callee_addr(&self) -> SocketAddr {
        self.callee.1
    }

    /// The ways of those who are called, to register; connections are ways when they are open.
    pub(super) fn callee_ways(&mut self) -> Vec<Way> {
        self.open_ways(self.callee.0, 1)
    }

    /// The ways of the callers; connections are ways when they are open.
    pub(super) fn caller_ways(&mut self, connections: u16) -> Vec<Way> {
        self.open_ways(self.caller.0, usize::from(connections))
    }

    fn open_ways(&mut self, listener: ListenerId, connections: usize) -> Vec<Way> {
        if !self.is_stream {
            return vec![Way::Datagram(listener, self.target)];
        }
        // Those of before stay open: the server may reach somebody over them.
        self.connections.clear();
        self.opening.clear();
        for _ in 0..connections {
            self.connect();
        }
        Vec::new()
    }

    fn connect(&mut self) {
        let connection = ConnectionId::accepted(self.minted);
        self.minted += 1;
        self.opening.push(connection);
        self.driver.execute(Output::Connect {
            connection,
            kind: TransportKind::Tcp,
            remote: self.target,
            local: None,
            server_name: None,
        });
    }

    /// Were connections lost that are wanted?
    pub(super) const fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// Opens as many as were lost.
    pub(super) fn reconnect(&mut self) {
        for _ in 0..std::mem::take(&mut self.lost) {
            self.connect();
        }
    }

    /// Sends what an engine wants sent.
    pub(super) fn send(&mut self, engine: &mut Engine) {
        while let Some((way, payload)) = engine.poll_output() {
            self.driver.execute(match way {
                Way::Datagram(listener, remote) => Output::Datagram {
                    listener,
                    remote,
                    payload,
                },
                Way::Connection(connection) => Output::Stream {
                    connection,
                    payload,
                },
            });
        }
    }

    /// Waits until something arrived. Dropping the future loses nothing.
    pub(super) async fn receive(&mut self) {
        self.driver.recv(&mut self.inputs).await;
    }

    /// Gives what arrived to an engine.
    pub(super) fn hand_to(&mut self, engine: &mut Engine, now: Instant) {
        for input in self.inputs.drain(..) {
            match input {
                Input::Datagram {
                    listener,
                    remote,
                    payload,
                    ..
                } => engine.handle_message(&payload, Way::Datagram(listener, remote), now),
                Input::Stream {
                    connection,
                    payload,
                } => {
                    let way = Way::Connection(connection);
                    let frames = self.frames.entry(connection).or_default();
                    let is_sip =
                        frames.push(&payload, |message| engine.handle_message(message, way, now));
                    if !is_sip {
                        self.frames.remove(&connection);
                        self.driver.execute(Output::Close { connection });
                        self.lost += usize::from(forget(&mut self.connections, connection));
                        engine.handle_closed(connection);
                    }
                }
                // No answer comes over a connection whose peer has shut its side.
                Input::Closed { connection, .. } | Input::Ended { connection } => {
                    self.driver.execute(Output::Close { connection });
                    self.frames.remove(&connection);
                    let was_ours = forget(&mut self.connections, connection)
                        || forget(&mut self.opening, connection);
                    self.lost += usize::from(was_ours);
                    engine.handle_closed(connection);
                }
                Input::Connected { connection, .. } => {
                    if forget(&mut self.opening, connection) {
                        self.connections.push(connection);
                        let ways = self.connections.iter().copied();
                        engine.use_ways(ways.map(Way::Connection).collect());
                    }
                }
                // A datagram that met nobody is sent again, as one that was lost.
                Input::DatagramFailed { .. }
                | Input::Accepted { .. }
                | Input::Secured { .. }
                | Input::Sent { .. }
                | Input::Resolved { .. } => {}
            }
        }
    }

    /// Sends what is left and closes everything.
    pub(super) async fn close(mut self) {
        self.driver.flush();
        self.driver.shutdown().await;
    }
}

/// Takes a connection out of the list; was it there?
fn forget(connections: &mut Vec<ConnectionId>, connection: ConnectionId) -> bool {
    let before = connections.len();
    connections.retain(|one| *one != connection);
    connections.len() < before
}

/// The address of this machine that the target is reached from.
fn local_ip(target: SocketAddr) -> io::Result<IpAddr> {
    if target.ip().is_loopback() {
        return Ok(target.ip());
    }
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // Nothing is sent by this: the system only looks up the way.
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(target)?;
    Ok(socket.local_addr()?.ip())
}
