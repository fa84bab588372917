//! The sockets of one peer, none of which ever waits.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use sip_testkit::misbehave::Role;
use sip_testkit::{TransportKind, validate};

use super::Error;

/// Our address, theirs, and what came.
type Arrived = (SocketAddr, SocketAddr, Vec<u8>);

/// See the [module](self). Over TCP a connection is known by our address and theirs, whichever port the system gave it.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) here: SocketAddr,
    pub(super) other: SocketAddr,
    datagrams: Vec<UdpSocket>,
    listeners: Vec<TcpListener>,
    streams: BTreeMap<(SocketAddr, SocketAddr), Stream>,
    /// The datagrams that came, to be judged.
    came: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Stream {
    socket: TcpStream,
    /// What the system has not taken yet.
    waiting: Vec<u8>,
}

/// More than this is not judged: a storm says the same again and again.
const JUDGED: usize = 500;

impl Sockets {
    pub(super) fn open(host: IpAddr, transport: TransportKind) -> Result<Self, Error> {
        let any = SocketAddr::new(host, 0);
        let (mut datagrams, mut listeners, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..2 {
            if transport.is_reliable() {
                let listener = TcpListener::bind(any)?;
                listener.set_nonblocking(true)?;
                addresses.push(listener.local_addr()?);
                listeners.push(listener);
            } else {
                let socket = UdpSocket::bind(any)?;
                socket.set_nonblocking(true)?;
                addresses.push(socket.local_addr()?);
                datagrams.push(socket);
            }
        }
        let [here, other] = addresses[..] else {
            return Err("two sockets have two addresses".into());
        };
        Ok(Self {
            here,
            other,
            datagrams,
            listeners,
            streams: BTreeMap::new(),
            came: Vec::new(),
        })
    }

    /// Sends as much as goes; what nobody takes is lost, as it is with who is gone.
    pub(super) fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let second = usize::from(from == self.other);
        if let Some(socket) = self.datagrams.get(second) {
            let _ = socket.send_to(bytes, to);
            return;
        }
        if !self.streams.contains_key(&(from, to))
            && let Ok(socket) = TcpStream::connect_timeout(&to, Duration::from_secs(1))
            && socket.set_nonblocking(true).is_ok()
        {
            let _ = socket.set_nodelay(true);
            let waiting = Vec::new();
            self.streams.insert((from, to), Stream { socket, waiting });
        }
        if let Some(stream) = self.streams.get_mut(&(from, to)) {
            stream.waiting.extend_from_slice(bytes);
            stream.push();
        }
    }

    /// What has come.
    pub(super) fn receive(&mut self) -> Result<Vec<Arrived>, Error> {
        let mut arrived = Vec::new();
        let mut buffer = vec![0; 65_535];
        for socket in &self.datagrams {
            let here = socket.local_addr()?;
            loop {
                match socket.recv_from(&mut buffer) {
                    Ok((length, from)) => {
                        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                        if self.came.len() < JUDGED {
                            self.came.push(bytes.clone());
                        }
                        arrived.push((from, here, bytes));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // A port that nobody listens on is told with the next call.
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        for listener in &self.listeners {
            let here = listener.local_addr()?;
            while let Ok((socket, remote)) = listener.accept() {
                socket.set_nonblocking(true)?;
                let waiting = Vec::new();
                self.streams
                    .insert((here, remote), Stream { socket, waiting });
            }
        }
        let mut ended = Vec::new();
        for ((here, remote), stream) in &mut self.streams {
            stream.push();
            loop {
                match stream.socket.read(&mut buffer) {
                    Ok(length @ 1..) => {
                        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                        arrived.push((*remote, *here, bytes));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Ok(0) | Err(_) => {
                        ended.push((*here, *remote));
                        break;
                    }
                }
            }
        }
        for key in ended {
            self.streams.remove(&key);
        }
        Ok(arrived)
    }

    /// What was wrong with the datagrams that came from the subject.
    pub(super) fn faults(&self, role: Role) -> impl Iterator<Item = String> {
        self.came.iter().filter_map(move |bytes| {
            // A 400 repeats the CSeq that it is about (RFC 3261 §8.2.6.2).
            if bytes.starts_with(b"SIP/2.0 400") {
                return None;
            }
            if matches!(role, Role::Callee | Role::Caller) {
                validate::report(bytes, TransportKind::Udp)
            } else {
                validate::report_passed_on(bytes, TransportKind::Udp)
            }
        })
    }
}

impl Stream {
    fn push(&mut self) {
        while !self.waiting.is_empty() {
            match self.socket.write(&self.waiting) {
                Ok(length @ 1..) => drop(self.waiting.drain(..length)),
                // Not now; or never, and then the reader is told.
                Ok(_) | Err(_) => break,
            }
        }
    }
}
