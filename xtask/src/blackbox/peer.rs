//! One end of a scenario: its socket, and what has come.

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::message::{Message, frame};

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Udp,
    Tcp,
}

impl Wire {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

const LOOK: Duration = Duration::from_millis(2);

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Tcp {
        listener: TcpListener,
        /// Connections of either side, and what of each is not read yet. The first is ours.
        streams: Vec<(TcpStream, Vec<u8>)>,
    },
}

/// A peer.
#[derive(Debug)]
pub(crate) struct Peer {
    socket: Socket,
    subject: SocketAddr,
    /// The subject is where the last datagram came from: it is started anew for each scenario.
    follows: bool,
    pub(crate) address: SocketAddr,
    /// What has come before: a repetition is no news.
    seen: BTreeSet<Vec<u8>>,
    waiting: Vec<Message>,
    /// How many repetitions have come.
    pub(crate) repeated: usize,
}

impl Peer {
    pub(crate) fn open(
        wire: Wire,
        host: IpAddr,
        subject: SocketAddr,
        follows: bool,
    ) -> Result<Self> {
        let any = SocketAddr::new(host, 0);
        let (socket, address) = match wire {
            Wire::Udp => {
                let socket = UdpSocket::bind(any)?;
                socket.set_nonblocking(true)?;
                let address = socket.local_addr()?;
                (Socket::Udp(socket), address)
            }
            Wire::Tcp => {
                let listener = TcpListener::bind(any)?;
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                (
                    Socket::Tcp {
                        listener,
                        streams: Vec::new(),
                    },
                    address,
                )
            }
        };
        Ok(Self {
            socket,
            subject,
            follows,
            address,
            seen: BTreeSet::new(),
            waiting: Vec::new(),
            repeated: 0,
        })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.socket {
            Socket::Udp(socket) => {
                // A port that nobody listens on is told with the next call; the silence that follows is told better.
                match socket.send_to(bytes, self.subject) {
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                    other => drop(other?),
                }
            }
            Socket::Tcp { streams, .. } => {
                if streams.is_empty() {
                    let stream = TcpStream::connect_timeout(&self.subject, Duration::from_secs(3))
                        .context("cannot connect to the subject")?;
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    streams.push((stream, Vec::new()));
                }
                // Small against any socket buffer.
                if let Some((stream, _)) = streams.first_mut() {
                    stream.write_all(bytes)?;
                }
            }
        }
        Ok(())
    }

    /// Sends over the connection on which the last message came.
    pub(crate) fn answer(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.socket {
            Socket::Tcp { streams, .. } if !streams.is_empty() => {
                if let Some((stream, _)) = streams.last_mut() {
                    stream.write_all(bytes)?;
                }
                Ok(())
            }
            Socket::Tcp { .. } | Socket::Udp(_) => self.send(bytes),
        }
    }

    /// The next message that is no repetition; `None` if none comes in time.
    pub(crate) fn receive(&mut self, limit: Duration) -> Result<Option<Message>> {
        let started = Instant::now();
        loop {
            if !self.waiting.is_empty() {
                return Ok(Some(self.waiting.remove(0)));
            }
            self.look()?;
            if self.waiting.is_empty() {
                if started.elapsed() > limit {
                    return Ok(None);
                }
                thread::sleep(LOOK);
            }
        }
    }

    /// Put a message back that somebody else waits for.
    pub(crate) fn put_back(&mut self, messages: Vec<Message>) {
        let later = std::mem::replace(&mut self.waiting, messages);
        self.waiting.extend(later);
    }

    fn look(&mut self) -> Result<()> {
        let mut came = Vec::new();
        match &mut self.socket {
            Socket::Udp(socket) => {
                let mut buffer = vec![0; 65_535];
                loop {
                    match socket.recv_from(&mut buffer) {
                        Ok((length, from)) => {
                            if self.follows {
                                self.subject = from;
                            }
                            came.push(buffer.get(..length).unwrap_or_default().to_vec())
                        }
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Socket::Tcp { listener, streams } => {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    streams.push((stream, Vec::new()));
                }
                for (stream, pending) in streams.iter_mut() {
                    let mut buffer = [0; 16_384];
                    // An end or an error of the connection is no message; what is missed is told by the demand for it.
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        pending.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    }
                    while pending.starts_with(b"\r\n") {
                        pending.drain(..2);
                    }
                    while let Some(length) = frame(pending) {
                        came.push(pending.drain(..length).collect());
                    }
                }
            }
        }
        for bytes in came {
            let Some(message) = Message::parse(&bytes) else {
                continue;
            };
            if self.seen.insert(bytes) {
                self.waiting.push(message);
            } else {
                self.repeated += 1;
            }
        }
        Ok(())
    }
}
