//! SCTP (RFC 4168), carried in UDP (RFC 6951) so that it needs nothing of the system.
//!
//! One task owns the UDP socket of a listener and all associations on it. The protocol itself is `sctp-proto`, which has
//! no sockets and no clock; this module feeds it, gives its associations the numbers of connections, and applies the
//! choices of RFC 4168: each message on stream 0, unordered, with the payload protocol identifier 0.

mod packet;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use foldhash::fast::FixedState;
use sctp_proto::{
    Association, AssociationError, AssociationHandle, ClientConfig, DatagramEvent, Endpoint,
    EndpointConfig, EndpointEvent, Event, Payload, PayloadProtocolIdentifier, ReliabilityType,
    ServerConfig, StreamEvent, TransportConfig,
};
use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::connection::LINGER;
use super::outbox::{self, Queue};
use super::{Item, Outlet};
use crate::deadline::{DeadlineId, DeadlineQueue};
use crate::id::{ConnectionId, ListenerId};
use crate::io::{ConnectionError, Input};

/// The way to the task of an SCTP listener.
#[derive(Debug)]
pub(super) struct Sctp {
    local: SocketAddr,
    commands: mpsc::UnboundedSender<Command>,
}

#[derive(Debug)]
enum Command {
    Connect {
        connection: ConnectionId,
        remote: SocketAddr,
        udp_port: u16,
    },
    Write {
        connection: ConnectionId,
        payload: Bytes,
    },
    Close {
        connection: ConnectionId,
    },
}

/// What the task has to know of the rest of the driver.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) listener: ListenerId,
    /// The address and the port of SCTP.
    pub(super) local: SocketAddr,
    pub(super) numbers: Arc<AtomicU64>,
    pub(super) inbox: mpsc::Sender<Item>,
    pub(super) alive: mpsc::Sender<()>,
}

/// RFC 6951 §5.1: the port that is registered for SCTP in UDP.
pub(super) const UDP_PORT: u16 = 9899;

/// Associations that peers have begun and not finished to open: beyond that nothing new is begun. What a flood of
/// forged beginnings can cost.
const HALF_OPEN: usize = 256;
/// How long opening may take a peer.
const OPENING_TIME: Duration = Duration::from_secs(10);
/// RFC 9260 §16: Association.Max.Retrans.
const RETRANSMISSIONS: usize = 10;
/// The largest message, and what an association may hold of messages that are not whole.
const MESSAGE: u32 = 128 * 1024;
const RECEIVE_BUFFER: u32 = 256 * 1024;
/// Datagrams read before others have their turn.
const BATCH: usize = 64;

impl Sctp {
    /// Starts the task over a bound UDP socket.
    pub(super) fn start(socket: UdpSocket, context: Context) -> Self {
        let (commands, queue) = mpsc::unbounded_channel();
        let local = context.local;
        let task = Task::new(socket, context, commands.downgrade());
        tokio::spawn(task.run(queue));
        Self { local, commands }
    }

    /// Can this socket reach that address?
    pub(super) const fn reaches(&self, remote: SocketAddr) -> bool {
        self.local.is_ipv4() == remote.is_ipv4()
    }

    pub(super) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Opens an association to the SCTP port of a host that takes SCTP at this UDP port.
    pub(super) fn connect(
        &self,
        connection: ConnectionId,
        remote: SocketAddr,
        udp_port: u16,
        queue: Queue,
    ) {
        let command = Command::Connect {
            connection,
            remote,
            udp_port,
        };
        if self.commands.send(command).is_ok() {
            tokio::spawn(forward(connection, queue, self.commands.clone()));
        }
    }
}

/// Brings what is to be written on one connection to the task, and its end.
async fn forward(
    connection: ConnectionId,
    mut queue: Queue,
    commands: mpsc::UnboundedSender<Command>,
) {
    while let Some(payload) = queue.recv().await {
        let command = Command::Write {
            connection,
            payload,
        };
        if commands.send(command).is_err() {
            return;
        }
    }
    let _ended = commands.send(Command::Close { connection });
}

struct Task {
    socket: UdpSocket,
    context: Context,
    commands: mpsc::WeakUnboundedSender<Command>,
    endpoint: Endpoint,
    /// By the number that the endpoint gives them.
    associations: HashMap<usize, Open, FixedState>,
    connections: HashMap<ConnectionId, usize, FixedState>,
    deadlines: DeadlineQueue<usize>,
    half_open: usize,
    /// The SCTP port of the next association that we open.
    next_port: u16,
}

/// An association and what we know of it.
struct Open {
    association: Association,
    connection: ConnectionId,
    /// The address and the SCTP port of the peer.
    remote: SocketAddr,
    local: SocketAddr,
    state: State,
    /// Bytes given to the association, and how many of them the core knows to have arrived.
    written: usize,
    reported: usize,
    armed: Option<(Instant, DeadlineId)>,
    /// Given up by us: one that never was open says nothing about its end.
    abandoned: bool,
    /// Has one side begun to close it in good order?
    ending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Until when it may last.
    Opening(Instant),
    Open,
    Closing(Instant),
}

impl Task {
    fn new(
        socket: UdpSocket,
        context: Context,
        commands: mpsc::WeakUnboundedSender<Command>,
    ) -> Self {
        let mut server = ServerConfig::new();
        server.transport = Arc::new(settings());
        Self {
            socket,
            context,
            commands,
            endpoint: Endpoint::new(Arc::new(EndpointConfig::new()), Some(Arc::new(server))),
            associations: HashMap::with_hasher(FixedState::default()),
            connections: HashMap::with_hasher(FixedState::default()),
            deadlines: DeadlineQueue::new(),
            half_open: 0,
            next_port: 49_152,
        }
    }

    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut buffer = vec![0; 65_535];
        let mut open = true;
        while open || !self.associations.is_empty() {
            let due = self.deadlines.peek();
            let sleep = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ready = self.socket.readable() => match ready {
                    Ok(()) => self.receive(&mut buffer).await,
                    Err(_) => return,
                },
                command = commands.recv(), if open => match command {
                    Some(command) => self.command(command).await,
                    None => {
                        // The driver and every connection are gone; the forwarders have said so for each.
                        open = false;
                    }
                },
                () = sleep => {}
            }
            let now = now();
            while let Some((_, number)) = self.deadlines.pop_due(now) {
                self.expire(number, now).await;
            }
        }
        drop(self.context.alive);
    }

    async fn receive(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            let (len, from) = match self.socket.try_recv_from(buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error of some earlier packet: the association notices by itself.
                Err(_) => continue,
            };
            let Some(packet) = buffer.get(..len) else {
                continue;
            };
            let Some(ports) = packet::ports(packet) else {
                continue;
            };
            // Several ports of SCTP may share the UDP port of a host, but here is only one, and those that we opened
            // associations from.
            if packet::is_init(packet)
                && (ports.to != self.context.local.port() || self.half_open >= HALF_OPEN)
            {
                continue;
            }
            let now = now();
            let data = Bytes::copy_from_slice(packet);
            let Some((handle, event)) = self.endpoint.handle(now, from, None, None, data) else {
                continue;
            };
            match event {
                DatagramEvent::NewAssociation(association) => {
                    let number = self.context.numbers.fetch_add(1, Ordering::Relaxed);
                    let connection = ConnectionId::accepted(number);
                    let remote = SocketAddr::new(from.ip(), ports.from);
                    self.half_open += 1;
                    self.insert(
                        handle,
                        association,
                        connection,
                        remote,
                        self.context.local,
                        now,
                    );
                }
                DatagramEvent::AssociationEvent(event) => {
                    if let Some(open) = self.associations.get_mut(&handle.0) {
                        open.association.handle_event(event);
                    }
                }
            }
            self.settle(handle.0, now).await;
        }
    }

    fn insert(
        &mut self,
        handle: AssociationHandle,
        association: Association,
        connection: ConnectionId,
        remote: SocketAddr,
        local: SocketAddr,
        now: Instant,
    ) {
        let open = Open {
            association,
            connection,
            remote,
            local,
            state: State::Opening(now + OPENING_TIME),
            written: 0,
            reported: 0,
            armed: None,
            abandoned: false,
            ending: false,
        };
        self.associations.insert(handle.0, open);
        self.connections.insert(connection, handle.0);
    }

    async fn command(&mut self, command: Command) {
        let now = now();
        match command {
            Command::Connect {
                connection,
                remote,
                udp_port,
            } => {
                let port = self.next_port;
                self.next_port = self.next_port.checked_add(1).unwrap_or(49_152);
                let mut config = ClientConfig::new();
                config.transport = Arc::new(
                    settings()
                        .with_local_port(port)
                        .with_remote_port(remote.port()),
                );
                let peer = SocketAddr::new(remote.ip(), udp_port);
                match self.endpoint.connect(config, peer) {
                    Ok((handle, association)) => {
                        let local = SocketAddr::new(self.context.local.ip(), port);
                        self.insert(handle, association, connection, remote, local, now);
                        self.settle(handle.0, now).await;
                    }
                    Err(error) => {
                        tracing::debug!(%remote, %error, "an association was not begun");
                        let error = Some(ConnectionError::Other);
                        self.report(Input::Closed { connection, error }).await;
                    }
                }
            }
            Command::Write {
                connection,
                payload,
            } => {
                let Some(&number) = self.connections.get(&connection) else {
                    return;
                };
                if let Some(open) = self.associations.get_mut(&number)
                    && let Err(error) = open.write(&payload)
                {
                    tracing::debug!(%error, "a message was not written");
                    open.abandon();
                }
                self.settle(number, now).await;
            }
            Command::Close { connection } => {
                let Some(&number) = self.connections.get(&connection) else {
                    return;
                };
                if let Some(open) = self.associations.get_mut(&number) {
                    self.half_open -= usize::from(open.is_half_open());
                    open.state = State::Closing(now + LINGER);
                }
                self.settle(number, now).await;
            }
        }
    }

    async fn expire(&mut self, number: usize, now: Instant) {
        let Some(open) = self.associations.get_mut(&number) else {
            return;
        };
        open.armed = None;
        match open.state {
            State::Opening(until) | State::Closing(until) if until <= now => {
                open.abandon();
            }
            State::Opening(_) | State::Open | State::Closing(_) => {
                open.association.handle_timeout(now)
            }
        }
        self.settle(number, now).await;
    }

    /// Does what an association wants, until it is quiet, and arms its deadline.
    async fn settle(&mut self, number: usize, now: Instant) {
        let mut inputs = Vec::new();
        let mut writer = None;
        let mut lost = None;
        let Some(open) = self.associations.get_mut(&number) else {
            return;
        };
        while let Some(event) = open.association.poll() {
            match event {
                Event::Connected => {
                    self.half_open -= usize::from(open.is_half_open());
                    if matches!(open.state, State::Opening(_)) {
                        open.state = State::Open;
                    }
                    let connection = open.connection;
                    if connection.is_accepted() {
                        let (sender, queue) = outbox::channel();
                        writer = Some(Outlet::Outbox(sender));
                        if let Some(commands) = self.commands.upgrade() {
                            tokio::spawn(forward(connection, queue, commands));
                        }
                        let (listener, remote) = (self.context.listener, open.remote);
                        inputs.push(Input::Accepted {
                            connection,
                            listener,
                            remote,
                        });
                    } else {
                        let local = open.local;
                        inputs.push(Input::Connected { connection, local });
                    }
                }
                Event::Stream(StreamEvent::Readable { id }) => open.read(id, &mut inputs),
                Event::Stream(StreamEvent::Opened { .. }) => {
                    // RFC 4168 §5.1: "a SIP entity MUST be ready to receive SIP messages over any stream".
                    while open.association.accept_stream().is_some() {}
                }
                Event::HandshakeFailed { reason } | Event::AssociationLost { reason } => {
                    lost = lost.or(Some(reason));
                }
                Event::Stream(_)
                | Event::DataChannelStatsFinal(_)
                | Event::DatagramReceived
                | _ => {}
            }
        }
        open.transmit(&self.socket, now);
        // In good order where it is open, and what was written arrives first: the library waits for what it has sent,
        // not for what it has yet to send.
        if matches!(open.state, State::Closing(_)) && !open.ending && open.waiting() == 0 {
            open.ending = true;
            if open.association.shutdown().is_err() {
                open.abandon();
            }
            open.transmit(&self.socket, now);
        }
        open.ending |= open.association.is_closing();
        if let Some(bytes) = open.arrived() {
            let connection = open.connection;
            inputs.push(Input::Sent { connection, bytes });
        }
        // What the association asks of the endpoint is not passed on: after a shutdown it wants to be forgotten before
        // the peer has agreed. It is forgotten when it is closed.
        while open.association.poll_endpoint_event().is_some() {}
        let gone = lost.is_some() || open.abandoned;
        let due = match (open.state, open.association.poll_timeout()) {
            (State::Open, due) => due,
            (State::Opening(until) | State::Closing(until), due) => {
                Some(due.map_or(until, |due| due.min(until)))
            }
        };
        if open.armed.map(|(at, _)| at) != due || gone {
            if let Some((_, earlier)) = open.armed.take() {
                self.deadlines.cancel(earlier);
            }
            if !gone {
                open.armed = due.map(|at| (at, self.deadlines.insert(at, number)));
            }
        }
        let (connection, state, ending) = (open.connection, open.state, open.ending);
        for input in inputs {
            let is_first = matches!(input, Input::Accepted { .. });
            let writer = writer.take_if(|_| is_first);
            let _ended = self.context.inbox.send(Item { input, writer }).await;
        }
        if gone {
            self.forget(number);
            // Nobody was told of one that a peer never finished to open, and nobody waits for one that we closed.
            let known = !connection.is_accepted() || state == State::Open;
            if known && !matches!(state, State::Closing(_)) {
                let error = match lost {
                    // The library has one word for an end in good order and for one by force.
                    Some(AssociationError::AssociationClosed) if ending => None,
                    Some(reason) => error_of(reason),
                    None => Some(ConnectionError::TimedOut),
                };
                self.report(Input::Closed { connection, error }).await;
            }
        }
    }

    fn forget(&mut self, number: usize) {
        let Some(open) = self.associations.remove(&number) else {
            return;
        };
        self.half_open -= usize::from(open.is_half_open());
        self.connections.remove(&open.connection);
        let handle = AssociationHandle(number);
        let _nothing = self.endpoint.handle_event(handle, EndpointEvent::drained());
    }

    async fn report(&self, input: Input) {
        let item = Item {
            input,
            writer: None,
        };
        let _ended = self.context.inbox.send(item).await;
    }
}

impl Open {
    fn abandon(&mut self) {
        let _closed = self.association.close();
        self.abandoned = true;
    }

    fn is_half_open(&self) -> bool {
        self.connection.is_accepted() && matches!(self.state, State::Opening(_))
    }

    /// RFC 4168 §5.1: "a SIP entity SHOULD send every SIP message (request or response) over stream zero with the
    /// unordered flag set".
    fn write(&mut self, payload: &Bytes) -> Result<(), sctp_proto::Error> {
        // RFC 4168 §5: the identifier "MUST be set to zero", which `packet` sees to.
        let identifier = PayloadProtocolIdentifier::Unknown;
        let mut stream = match self.association.stream(0) {
            Ok(stream) => stream,
            Err(_) => self.association.open_stream(0, identifier)?,
        };
        stream.set_reliability_params(true, ReliabilityType::Reliable, 0)?;
        self.written += stream.write_sctp(payload, identifier)?;
        Ok(())
    }

    fn read(&mut self, stream: u16, inputs: &mut Vec<Input>) {
        while let Ok(Some(chunks)) = self
            .association
            .stream(stream)
            .and_then(|mut stream| stream.read())
        {
            let mut message = vec![0; chunks.len()];
            if chunks.read(&mut message).is_ok() && !message.is_empty() {
                inputs.push(Input::Stream {
                    connection: self.connection,
                    payload: message.into(),
                });
            }
        }
    }

    fn transmit(&mut self, socket: &UdpSocket, now: Instant) {
        while let Some(transmit) = self.association.poll_transmit(now) {
            if let Payload::RawEncode(packets) = transmit.payload {
                for packet in packets {
                    let packet = packet::without_identifier(packet);
                    // What the socket does not take is as good as lost on the way: SCTP sends it again. The system is
                    // asked directly, because the runtime does not know that the socket is ready before it was waited
                    // for.
                    let _lost = SockRef::from(socket).send_to(&packet, &transmit.remote.into());
                }
            }
        }
    }

    /// Bytes that have not arrived at the peer.
    fn waiting(&mut self) -> usize {
        self.association
            .stream(0)
            .and_then(|stream| stream.buffered_amount())
            .unwrap_or(0)
    }

    /// Bytes that have arrived at the peer since the last time.
    fn arrived(&mut self) -> Option<usize> {
        let arrived = self.written.saturating_sub(self.waiting());
        let bytes = arrived
            .checked_sub(self.reported)
            .filter(|&bytes| bytes > 0)?;
        self.reported = arrived;
        Some(bytes)
    }
}

fn settings() -> TransportConfig {
    TransportConfig::default()
        .with_max_send_message_size(MESSAGE)
        .with_max_receive_message_size(MESSAGE)
        .with_max_receive_buffer_size(RECEIVE_BUFFER)
        // A peer may use any stream, and each that it uses is kept.
        .with_max_num_inbound_streams(64)
        .with_max_num_outbound_streams(64)
        .with_max_data_retransmits(Some(RETRANSMISSIONS))
}

/// What the end of an association is to a connection; `None` for an end in good order.
fn error_of(reason: AssociationError) -> Option<ConnectionError> {
    match reason {
        AssociationError::ApplicationClosed | AssociationError::LocallyClosed => None,
        AssociationError::HandshakeFailed(_) | AssociationError::TimedOut => {
            Some(ConnectionError::TimedOut)
        }
        AssociationError::AssociationClosed | AssociationError::Reset => {
            Some(ConnectionError::Reset)
        }
        AssociationError::TransportError | AssociationError::ReceiveBufferExhausted | _ => {
            Some(ConnectionError::Other)
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a driver reads the clock for the machine it drives"
)]
fn now() -> Instant {
    Instant::now()
}
