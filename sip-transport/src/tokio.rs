//! The sockets: a driver of [`Transports`](crate::Transports) on tokio (feature `tokio`).
//!
//! [`Driver`] owns the sockets of one worker. It turns what the system says into [`Input`]s, many at a time, and
//! does what [`Output`]s ask, without ever waiting. It decides nothing: limits, time-outs and framing are in the core.
//!
//! ```
//! use sip_transport::tokio::{Driver, Listen};
//! use sip_transport::{Output, Seed, TransportConfig, Transports};
//!
//! # fn main() -> std::io::Result<()> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let addr = "127.0.0.1:0".parse().unwrap();
//! let (mut driver, bound) = Driver::bind(&[Listen::udp(addr), Listen::tcp(addr)])?;
//! let mut transports = Transports::new(TransportConfig::default(), Seed::from_system()?);
//! for socket in &bound {
//!     transports.add_listener(socket.listener, socket.kind, socket.local);
//! }
//! // The loop of a worker: `driver.recv_until(&mut inputs, transports.poll_timeout()).await`, then each input to
//! // `transports.handle_input`, or `transports.handle_timeout` if it was false, then this.
//! while let Some(output) = transports.poll_output() {
//!     match output {
//!         Output::Event(event) => println!("{event:?}"),
//!         output => driver.execute(output),
//!     }
//! }
//! driver.shutdown().await;
//! # Ok(())
//! # })
//! # }
//! ```

mod addresses;
mod connection;
#[cfg(feature = "dns")]
mod dns;
mod inherited;
mod listen;
mod outbox;
mod readiness;
mod recorder;
#[cfg(feature = "sctp")]
mod sctp;
#[cfg(feature = "tls")]
pub mod tls;
mod udp;
#[cfg(feature = "ws")]
mod ws;

use std::collections::{HashMap, VecDeque};
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::IpAddr;
#[cfg(feature = "sctp")]
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use foldhash::fast::FixedState;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;

pub use self::addresses::local_addresses;
use self::connection::{Connection, READ, REPORT, Settings};
#[cfg(feature = "dns")]
pub use self::dns::{Resolver, ResolverConfig};
pub use self::inherited::Inherited;
pub use self::listen::{Bound, Listen, SegmentationOffload};
use self::outbox::{Direct, Outbox, Read};
use self::readiness::Readiness;
pub use self::recorder::{Recorder, RecorderStats};
use self::udp::UdpListener;
use crate::id::{ConnectionId, ListenerId, ResolveId};
#[cfg(feature = "sctp")]
use crate::io::ConnectionError;
use crate::io::{Answer, Input, Output, Question, ResolveError};
use crate::kind::TransportKind;

/// The sockets of one worker.
#[derive(Debug)]
pub struct Driver {
    udp: Vec<UdpListener>,
    /// Sockets of multicast groups, which only receive.
    groups: Vec<UdpListener>,
    /// Does the system note when datagrams come?
    stamped: bool,
    bound: Vec<Bound>,
    buffers: udp::Buffers,
    /// What tasks found: bounded, so that a worker that falls behind stops its peers from sending. So do connections that the
    /// driver reads itself, each time once.
    inbox: mpsc::Receiver<Item>,
    to_inbox: mpsc::Sender<Item>,
    /// What was known at once.
    ready: VecDeque<Input>,
    connections: HashMap<ConnectionId, Outbox, FixedState>,
    /// Which connections can be read.
    readiness: Arc<Readiness>,
    /// Of those that can, which were not read yet.
    unread: VecDeque<ConnectionId>,
    /// Connections on which was written at once, and the core has not heard of it.
    written: Vec<ConnectionId>,
    /// When it hears of it at the latest.
    report_at: Option<Pin<Box<Sleep>>>,
    /// Is it much on one of them?
    is_much_written: bool,
    /// How often [`Driver::recv`] was polled.
    turn: u32,
    /// Accept loops and error readers; they end with the driver.
    tasks: JoinSet<()>,
    /// Held by every connection; closed when the last one has ended.
    alive: mpsc::Sender<()>,
    all_ended: mpsc::Receiver<()>,
    resolvers: Arc<Semaphore>,
    #[cfg(feature = "dns")]
    resolver: Option<Resolver>,
    settings: watch::Sender<Settings>,
    #[cfg(feature = "sctp")]
    sctp: Vec<sctp::Sctp>,
    /// The UDP port of SCTP peers.
    #[cfg(feature = "sctp")]
    sctp_peers: u16,
    /// Listeners whose connections begin with the costly handshake of TLS.
    handshaking: Vec<ListenerId>,
    /// Connections of those that the core was told of: unless it closes them at once, they may begin.
    admitting: Vec<ConnectionId>,
    stats: DriverStats,
}

/// What a task tells the driver.
#[derive(Debug)]
struct Item {
    input: Input,
    /// How what is to be written gets there, with the first input of a connection.
    writer: Option<Outlet>,
}

/// How what is to be written on a connection gets there.
#[derive(Debug)]
enum Outlet {
    /// Of one that was accepted.
    Outbox(Outbox),
    /// Of one that was opened, whose outbox is here already: the driver may write by itself.
    Direct(Arc<Direct>),
}

impl From<Input> for Item {
    fn from(input: Input) -> Self {
        Self {
            input,
            writer: None,
        }
    }
}

/// What a [`Driver`] counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverStats {
    /// Datagrams received.
    pub received: u64,
    /// Datagrams that the system took.
    pub sent: u64,
    /// Datagrams dropped because the socket took no more and the queue was full.
    pub dropped: u64,
    /// Datagrams that the system refused: too large, no route.
    pub refused: u64,
    /// Errors while receiving, which concern no datagram in particular.
    pub receive_errors: u64,
    /// How long the oldest datagram of the last [`Driver::recv`] had waited in its socket, if that was asked for
    /// ([`Driver::stamp_arrivals`]); zero where the system does not
    /// say when datagrams came, and when what it says cannot be: it stamps by the clock of the wall, which may have been set,
    /// and no datagram waited longer than since its socket was empty.
    pub queue_delay: Duration,
}

/// Inputs that wait for the worker; a connection holds at most one more.
const INBOX: usize = 1024;
/// Inputs taken from the inbox at once, and connections read at once.
const INBOX_BATCH: usize = 256;
/// How often a connection that failed is read before it is forgotten.
const READS_AT_END: usize = 16;
/// Names that are resolved at once: each takes a thread of the runtime's pool while the system resolver works.
const RESOLVERS: usize = 32;
/// How long the core waits to hear that something was written at once.
const REPORT_TIME: Duration = Duration::from_millis(500);
/// How long a shutdown waits for connections to write what they hold.
const SHUTDOWN_TIME: Duration = Duration::from_secs(2);

impl Driver {
    /// Binds sockets. Those that ask for port 0 on the same address get the same free port, because RFC 3261 §18.2.1
    /// wants TCP wherever there is UDP. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be bound; the error names it and says why.
    pub fn bind(listen: &[Listen]) -> io::Result<(Self, Vec<Bound>)> {
        Self::bind_inherited(listen, Vec::new())
    }

    /// The same, but the places for which there is a socket in the list get that one.
    ///
    /// # Errors
    /// As above, and when one in the list is for no place.
    pub fn bind_inherited(
        listen: &[Listen],
        inherited: Vec<Inherited>,
    ) -> io::Result<(Self, Vec<Bound>)> {
        let (to_inbox, inbox) = mpsc::channel(INBOX);
        let (alive, all_ended) = mpsc::channel(1);
        let mut driver = Self {
            udp: Vec::new(),
            groups: Vec::new(),
            stamped: false,
            bound: Vec::new(),
            buffers: udp::Buffers::new(),
            inbox,
            to_inbox,
            ready: VecDeque::new(),
            connections: HashMap::with_hasher(FixedState::default()),
            readiness: Arc::new(Readiness::default()),
            unread: VecDeque::new(),
            written: Vec::new(),
            report_at: None,
            is_much_written: false,
            turn: 1,
            tasks: JoinSet::new(),
            alive,
            all_ended,
            resolvers: Arc::new(Semaphore::new(RESOLVERS)),
            #[cfg(feature = "dns")]
            resolver: None,
            settings: watch::Sender::new(Settings::default()),
            #[cfg(feature = "sctp")]
            sctp: Vec::new(),
            #[cfg(feature = "sctp")]
            sctp_peers: sctp::UDP_PORT,
            handshaking: Vec::new(),
            admitting: Vec::new(),
            stats: DriverStats::default(),
        };
        let bound = listen::bind(&mut driver, listen, inherited)?;
        driver.bound.clone_from(&bound);
        Ok((driver, bound))
    }

    /// Appends what arrived; waits until there is something. Dropping the future loses nothing.
    pub async fn recv(&mut self, out: &mut Vec<Input>) {
        poll_fn(|cx| self.poll_recv(cx, out)).await;
    }

    /// [`recv`](Self::recv) that waits no longer than to a time, such as that of
    /// [`Transports::poll_timeout`](crate::Transports::poll_timeout). Did something arrive? If not, it is time for
    /// [`Transports::handle_timeout`](crate::Transports::handle_timeout).
    pub async fn recv_until(&mut self, out: &mut Vec<Input>, time: Option<Instant>) -> bool {
        match time {
            Some(time) => tokio::time::timeout_at(time.into(), self.recv(out))
                .await
                .is_ok(),
            None => {
                self.recv(out).await;
                true
            }
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, out: &mut Vec<Input>) -> Poll<()> {
        let before = out.len();
        self.turn = self.turn.wrapping_add(1);
        self.stats.queue_delay = Duration::ZERO;
        // What was handed out with the last call has been handled: whom the limits refuse is gone by now.
        for connection in self.admitting.drain(..) {
            if let Some(writer) = self.connections.get_mut(&connection) {
                writer.send(Bytes::new(), self.turn);
            }
        }
        for listener in &mut self.udp {
            let _more_later = listener.poll_flush(cx, &mut self.ready, &mut self.stats);
        }
        out.extend(self.ready.drain(..));
        for listener in self.udp.iter_mut().chain(&mut self.groups) {
            listener.poll_recv(cx, &mut self.buffers, out, &mut self.stats);
        }
        let mut taken = 0;
        while let Poll::Ready(Some(item)) = self.inbox.poll_recv(cx) {
            if let Some(input) = self.register(item, out) {
                out.push(input);
            }
            taken += 1;
            if taken == INBOX_BATCH {
                // There may be more, and what was taken may all be about connections that are gone.
                cx.waker().wake_by_ref();
                break;
            }
        }
        self.poll_read(cx, out);
        if !self.written.is_empty() {
            self.poll_written(cx, out);
        }
        if out.len() > before {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Reads from connections, from each once.
    fn poll_read(&mut self, cx: &Context<'_>, out: &mut Vec<Input>) {
        self.readiness.take(cx, &mut self.unread);
        for _ in 0..self.unread.len().min(INBOX_BATCH) {
            let Some(connection) = self.unread.pop_front() else {
                break;
            };
            // What was closed by us is read no more.
            let Some(outbox) = self.connections.get(&connection) else {
                continue;
            };
            let (read, payload) = self.buffers.read(outbox, READ);
            if !payload.is_empty() {
                out.push(Input::Stream {
                    connection,
                    payload,
                });
            }
            if matches!(read, Read::More(_)) {
                self.unread.push_back(connection);
            }
        }
        if !self.unread.is_empty() {
            // Others have their turn: come again.
            cx.waker().wake_by_ref();
        }
    }

    /// Reads what the peer of a connection had sent before that failed.
    fn read_rest(&mut self, connection: ConnectionId, outbox: &Outbox, out: &mut Vec<Input>) {
        for _ in 0..READS_AT_END {
            let (read, payload) = self.buffers.read(outbox, READ);
            if !payload.is_empty() {
                out.push(Input::Stream {
                    connection,
                    payload,
                });
            }
            if !matches!(read, Read::More(_)) {
                return;
            }
        }
    }

    /// From now on the connection is read by the driver, if it may.
    fn begin_reading(&mut self, connection: ConnectionId) {
        if let Some(outbox) = self.connections.get_mut(&connection)
            && outbox.begin_reading(|| self.readiness.waker(connection))
        {
            self.unread.push_back(connection);
        }
    }

    /// Tells what was written at once: not for each message, because the core wants to know only how much is not written.
    fn poll_written(&mut self, cx: &mut Context<'_>, out: &mut Vec<Input>) {
        let at = self
            .report_at
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(REPORT_TIME)));
        if !self.is_much_written && at.as_mut().poll(cx).is_pending() {
            return;
        }
        self.report_at = None;
        self.is_much_written = false;
        for connection in self.written.drain(..) {
            if let Some(outbox) = self.connections.get_mut(&connection) {
                let bytes = outbox.take_unreported();
                out.push(Input::Sent { connection, bytes });
            }
        }
    }

    /// Keeps the table of connections in step with what is reported.
    fn register(&mut self, item: Item, out: &mut Vec<Input>) -> Option<Input> {
        match (&item.input, item.writer) {
            (
                Input::Accepted {
                    connection,
                    listener,
                    ..
                },
                Some(Outlet::Outbox(writer)),
            ) => {
                self.connections.insert(*connection, writer);
                self.begin_reading(*connection);
                if self.handshaking.contains(listener) {
                    self.admitting.push(*connection);
                }
            }
            (Input::Connected { connection, .. }, Some(Outlet::Direct(direct))) => {
                self.connections.get_mut(connection)?.use_direct(direct);
                self.begin_reading(*connection);
            }
            // What was closed by us has nothing more to say.
            (
                Input::Stream { connection, .. }
                | Input::Secured { connection, .. }
                | Input::Sent { connection, .. }
                | Input::Ended { connection }
                | Input::Connected { connection, .. },
                _,
            ) if !self.connections.contains_key(connection) => return None,
            (Input::Closed { connection, .. }, _) => {
                let outbox = self.connections.remove(connection)?;
                self.read_rest(*connection, &outbox, out);
            }
            (
                Input::Datagram { .. }
                | Input::DatagramFailed { .. }
                | Input::Accepted { .. }
                | Input::Secured { .. }
                | Input::Connected { .. }
                | Input::Stream { .. }
                | Input::Sent { .. }
                | Input::Ended { .. }
                | Input::Resolved { .. },
                _,
            ) => {}
        }
        Some(item.input)
    }

    /// Does what the core asks, without waiting: what the system does not take at once is queued, and what the queue
    /// does not take is dropped and counted. Datagrams leave when a batch of them is there, and with the next call of
    /// [`recv`](Self::recv) or [`flush`](Self::flush), so that one call of the system sends many. An [`Output::Event`] is not for a driver and is ignored.
    pub fn execute(&mut self, output: Output) {
        match output {
            Output::Datagram {
                listener,
                remote,
                payload,
            } => {
                if let Some(socket) = self.udp.iter_mut().find(|socket| socket.id() == listener) {
                    socket.send(remote, payload, &mut self.ready, &mut self.stats);
                }
            }
            Output::Stream {
                connection,
                payload,
            } => {
                if let Some(writer) = self.connections.get_mut(&connection) {
                    // The task may have ended; then its last word is in the inbox.
                    let written = writer.send(payload, self.turn);
                    if written > 0 {
                        if writer.note_written(written) {
                            self.written.push(connection);
                        }
                        self.is_much_written |= writer.unreported() >= REPORT;
                    }
                }
            }
            Output::Connect {
                connection,
                kind,
                remote,
                local,
                server_name,
            } => {
                let (writer, queue) = outbox::channel();
                self.connections.insert(connection, writer);
                #[cfg(feature = "sctp")]
                if kind == TransportKind::Sctp {
                    self.connect_sctp(connection, remote, local, queue);
                    return;
                }
                let task =
                    Connection::new(connection, queue, self.to_inbox.clone(), self.alive.clone());
                let settings = self.settings.borrow().clone();
                tokio::spawn(task.connect(kind, remote, local, server_name, settings));
            }
            Output::Close { connection } => {
                // Without its sender the task writes what it holds and closes.
                if let Some(writer) = self.connections.remove(&connection) {
                    writer.close(self.turn);
                }
            }
            Output::Resolve { id, question, name } => self.resolve(id, question, name),
            Output::Event(_) => {}
        }
    }

    /// Takes requests that are sent to a multicast group too, at the port and by the interface of a UDP listener, such as
    /// `sip.mcast.net`, 224.0.1.75 (RFC 3261 §18.1.1, §18.2.1). They arrive as if they had been sent to the listener.
    ///
    /// # Errors
    /// When there is no such listener, or the system does not let it join.
    pub fn join_group(&mut self, listener: ListenerId, group: IpAddr) -> io::Result<()> {
        let is_it = |one: &&Bound| one.listener == listener && one.kind == TransportKind::Udp;
        let bound = self.bound.iter().find(is_it).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "there is no such UDP listener")
        })?;
        let socket = listen::join(group, bound.local)?;
        let inbox = self.to_inbox.clone();
        let mut socket = UdpListener::new(
            listener,
            socket,
            SegmentationOffload::Never,
            inbox,
            &mut self.tasks,
        )?;
        socket.stamp_arrivals(self.stamped);
        self.groups.push(socket);
        Ok(())
    }

    /// Has the system note when each datagram comes, from which [`DriverStats::queue_delay`] is known, or no more. It costs a tenth of a
    /// microsecond for each, and is not so unless it is asked for.
    pub fn stamp_arrivals(&mut self, stamped: bool) {
        if self.stamped == stamped {
            return;
        }
        self.stamped = stamped;
        for listener in self.udp.iter_mut().chain(&mut self.groups) {
            listener.stamp_arrivals(stamped);
        }
    }

    /// Hands datagrams to one peer to the system as one, or no more, on listeners with [`SegmentationOffload::OnDemand`].
    pub fn merge_datagrams(&mut self, merged: bool) {
        for listener in &mut self.udp {
            listener.merge(merged);
        }
    }

    /// Sends the datagrams that wait for others to leave with them. The loop of a worker needs no call of it:
    /// [`recv`](Self::recv) does it too.
    pub fn flush(&mut self) {
        for listener in &mut self.udp {
            listener.flush(&mut self.ready, &mut self.stats);
        }
    }

    /// Restricts who may open WebSockets from now on to pages of these origins, such as `https://phone.example.com`
    /// (RFC 6455 §10.2); `None` allows all, which is the beginning. Clients that are not browsers send no origin and
    /// are not restricted.
    #[cfg(feature = "ws")]
    pub fn allow_origins(&mut self, origins: Option<&[&str]>) {
        let origins = origins.map(|all| all.iter().map(|&one| Box::from(one)).collect());
        self.settings
            .send_modify(|settings| settings.origins = origins);
    }

    /// Secures connections from now on with these certificates. Without this no secure connection is opened or
    /// accepted. A [`Tls`](tls::Tls) is shared by the drivers of all workers, so that sessions can be resumed with
    /// each of them.
    #[cfg(feature = "tls")]
    pub fn use_tls(&mut self, tls: tls::Tls) {
        self.settings
            .send_modify(|settings| settings.tls = Some(tls));
    }

    /// Asks this resolver from now on, which knows NAPTR and SRV records; before that the one of the system is asked,
    /// for addresses only. A [`Resolver`] is shared by the drivers of all workers: it has the cache.
    ///
    /// Set [`TransportConfig::service_records`](crate::TransportConfig::service_records) too.
    #[cfg(feature = "dns")]
    pub fn use_resolver(&mut self, resolver: Resolver) {
        self.resolver = Some(resolver);
    }

    /// Peers take SCTP at this UDP port (RFC 6951 §5.1), from now on; before that at 9899.
    #[cfg(feature = "sctp")]
    pub const fn sctp_peers_at(&mut self, udp_port: u16) {
        self.sctp_peers = udp_port;
    }

    /// Opens an association from the listener that has the address, or from one of the family.
    #[cfg(feature = "sctp")]
    fn connect_sctp(
        &mut self,
        connection: ConnectionId,
        remote: SocketAddr,
        local: Option<IpAddr>,
        queue: outbox::Queue,
    ) {
        let has = |one: &&sctp::Sctp| local.is_none_or(|ip| one.local().ip() == ip);
        let reaches = |one: &&sctp::Sctp| one.reaches(remote);
        let listeners = || self.sctp.iter().filter(reaches);
        match listeners().find(has).or_else(|| listeners().next()) {
            Some(listener) => listener.connect(connection, remote, self.sctp_peers, queue),
            None => {
                self.connections.remove(&connection);
                let error = Some(ConnectionError::Unsupported);
                self.ready.push_back(Input::Closed { connection, error });
            }
        }
    }

    fn resolve(&mut self, id: ResolveId, question: Question, name: Box<str>) {
        // Ended tasks are collected here, so that their number stays that of the questions in flight.
        while self.tasks.try_join_next().is_some() {}
        #[cfg(feature = "dns")]
        if let Some(resolver) = self.resolver.as_ref().filter(|one| one.knows(&name)) {
            let (inbox, resolver) = (self.to_inbox.clone(), resolver.clone());
            self.tasks.spawn(async move {
                let result = resolver.ask(question, &name).await;
                let input = Input::Resolved { id, result };
                let _ended = inbox.send(Item::from(input)).await;
            });
            return;
        }
        if question != Question::Address {
            // The system resolver knows addresses only.
            self.ready.push_back(Input::Resolved {
                id,
                result: Err(ResolveError::Unsupported),
            });
            return;
        }
        let (inbox, resolvers) = (self.to_inbox.clone(), Arc::clone(&self.resolvers));
        self.tasks.spawn(async move {
            let Ok(_permit) = resolvers.acquire_owned().await else {
                return;
            };
            let result = match tokio::net::lookup_host((&*name, 0)).await {
                Ok(addrs) => {
                    let mut ips = Vec::new();
                    for addr in addrs {
                        if !ips.contains(&addr.ip()) {
                            ips.push(addr.ip());
                        }
                    }
                    Ok(Answer::Addresses(ips))
                }
                Err(error) => {
                    tracing::debug!(%error, "a name was not resolved");
                    // getaddrinfo tells no more in a portable way.
                    Err(ResolveError::NotFound)
                }
            };
            let input = Input::Resolved { id, result };
            let _ended = inbox
                .send(Item {
                    input,
                    writer: None,
                })
                .await;
        });
    }

    /// What was counted.
    #[must_use]
    pub const fn stats(&self) -> DriverStats {
        self.stats
    }

    /// How many inputs of connections and of the name system wait to be taken, and how many may. Of connections that can be
    /// read and were not, each has one.
    #[must_use]
    pub fn backlog(&self) -> (usize, usize) {
        ((self.inbox.len() + self.unread.len()).min(INBOX), INBOX)
    }

    /// Writes what is queued, closes every connection and socket, and waits for that, two seconds at most.
    pub async fn shutdown(mut self) {
        self.tasks.abort_all();
        let turn = self.turn;
        let all = self.connections.drain();
        all.for_each(|(_, writer)| writer.close(turn));
        // Nobody listens any more, so no task waits to report.
        self.inbox.close();
        #[cfg(feature = "sctp")]
        self.sctp.clear();
        drop(self.alive);
        let (udp, stats, all_ended) = (&mut self.udp, &mut self.stats, &mut self.all_ended);
        let ready = &mut self.ready;
        let flush = poll_fn(|cx| {
            let mut left = false;
            for listener in udp.iter_mut() {
                left |= listener.poll_flush(cx, ready, stats).is_pending();
            }
            if left { Poll::Pending } else { Poll::Ready(()) }
        });
        let everything = async {
            flush.await;
            let _none = all_ended.recv().await;
        };
        if tokio::time::timeout(SHUTDOWN_TIME, everything)
            .await
            .is_err()
        {
            tracing::debug!("not everything was written before the end");
        }
    }
}
