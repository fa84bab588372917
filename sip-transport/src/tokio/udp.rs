//! One UDP socket: batches in, a bounded queue out.

#[cfg(target_os = "linux")]
mod batch;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::listen::SegmentationOffload;
use super::outbox::{Outbox, Read};
use super::{DriverStats, Item};
use crate::id::ListenerId;
use crate::io::Input;

/// A UDP socket and what waits to be sent on it.
pub(super) struct UdpListener {
    id: ListenerId,
    socket: Arc<UdpSocket>,
    state: UdpSocketState,
    /// What is to be sent.
    queue: VecDeque<Datagram>,
    /// Did the socket take no more when it was last asked?
    full: bool,
    /// Were there few the last time?
    few: bool,
    /// Are datagrams to one peer handed to the system as one?
    merges: Merges,
    offload: SegmentationOffload,
    /// May several come as one?
    merged: bool,
    /// Does the system note when they come?
    stamped: bool,
    /// Nothing that is received now was there then, if they are stamped.
    empty: Instant,
}

/// Whether datagrams to one peer are handed to the system as one.
#[derive(Clone, Copy, Debug)]
struct Merges {
    /// The system has not refused it.
    able: bool,
    wanted: bool,
}

impl Merges {
    const fn are_on(self) -> bool {
        self.able && self.wanted
    }
}

/// What is to be sent, and where.
type Datagram = (SocketAddr, Bytes);

/// The error of a socket without a peer that is never about the datagram that is being sent, but about one before it: that nobody
/// listens at a port is what an ICMP message says that came back.
const EARLIER: io::ErrorKind = io::ErrorKind::ConnectionRefused;
/// Datagrams that wait while the socket takes no more.
const QUEUE: usize = 1024;
/// Datagrams sent at once.
const BATCH: usize = 32;
/// As many as are nearly always there at once: what is prepared for a batch is large, and for more than there are it is in vain.
const FEW: usize = 8;
/// Batches received before others have their turn.
const BATCHES: usize = 4;
/// The longest datagrams that are handed over as one: they fit the least of MTUs, 1280 octets of IPv6 (RFC 8200 §5), and what is
/// handed over so must not need fragments.
const MERGED: usize = 1280 - 40 - 8;
/// The largest datagram.
const DATAGRAM: usize = 65_535;
/// From the space of one datagram to that of the next: were it a power of two, the beginnings of all, which is what most
/// datagrams have, would compete for the same few lines of the processor's cache.
const STRIDE: usize = DATAGRAM + 1 + 9 * 64;

impl UdpListener {
    /// Takes a bound socket, and when it uses segmentation offload.
    pub(super) fn new(
        id: ListenerId,
        socket: Socket,
        offload: SegmentationOffload,
        inbox: mpsc::Sender<Item>,
        tasks: &mut JoinSet<()>,
    ) -> io::Result<Self> {
        let state = receive_state(&socket)?;
        report_errors(&socket)?;
        let merges = Merges {
            able: state.max_gso_segments() >= BATCH,
            wanted: offload == SegmentationOffload::Always,
        };
        let socket = Arc::new(UdpSocket::from_std(socket.into())?);
        tasks.spawn(errors::watch(id, Arc::clone(&socket), inbox));
        let mut listener = Self {
            id,
            socket,
            state,
            queue: VecDeque::new(),
            full: false,
            few: true,
            merges,
            offload,
            merged: false,
            stamped: false,
            empty: monotonic(),
        };
        if merges.wanted {
            listener.take_merged();
        }
        Ok(listener)
    }

    /// Asks the system to note when each datagram comes, or no more.
    pub(super) fn stamp_arrivals(&mut self, stamped: bool) {
        stamp_arrivals(&self.socket, stamped);
        self.stamped = stamped;
        // What is there already is stamped when it is received.
        self.empty = monotonic();
    }

    /// Hands datagrams to one peer to the system as one from now on, or no more, where that is left to who asks.
    ///
    /// What came as one is taken as one from the first time on, and always then: were it switched off, what waits in the socket
    /// already would come without the lengths of its parts.
    pub(super) fn merge(&mut self, wanted: bool) {
        if self.offload == SegmentationOffload::OnDemand {
            self.merges.wanted = wanted;
            if wanted {
                self.take_merged();
            }
        }
    }

    fn take_merged(&mut self) {
        if !std::mem::replace(&mut self.merged, true) {
            take_merged(&self.socket);
        }
    }

    pub(super) const fn id(&self) -> ListenerId {
        self.id
    }

    /// Receives what is there, some batches at most.
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
        out: &mut Vec<Input>,
        stats: &mut DriverStats,
    ) {
        let (mut batches, mut datagrams) = (0, 0);
        let mut before = self.empty;
        while batches < BATCHES && datagrams < BATCHES * BATCH_SIZE {
            match self.socket.poll_recv_ready(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    stats.receive_errors += 1;
                    return;
                }
            }
            if batches == 0 && self.stamped {
                before = monotonic();
            }
            let (few, most) = match self.few {
                true => (true, FEW),
                false => (false, BATCH_SIZE),
            };
            let received = self.socket.try_io(Interest::READABLE, || {
                let recv = |bufs: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]| {
                    self.state.recv((&*self.socket).into(), bufs, metas)
                };
                if few {
                    buffers.recv::<FEW>(recv)
                } else {
                    buffers.recv::<BATCH_SIZE>(recv)
                }
            });
            match received {
                Ok(count) => {
                    batches += 1;
                    if batches == 1 && self.stamped {
                        let age = possible_age(buffers.age(), self.empty, before, monotonic);
                        stats.queue_delay = stats.queue_delay.max(age);
                    }
                    let taken = buffers.take(count, self.id, out);
                    stats.received += taken as u64;
                    datagrams += taken;
                    // Merged ones are many, and others have their turn after as many as when they are not.
                    self.few = count < FEW || taken > BATCH_SIZE;
                    if (1..most).contains(&count) {
                        // That was all. The runtime was not told so, and lets the next call ask the system again.
                        self.empty = before;
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.empty = before,
                // An error of some earlier send (ICMP); the error queue says which. Nothing was received.
                Err(_) => {
                    batches += 1;
                    stats.receive_errors += 1;
                }
            }
        }
        // There may be more: come again.
        cx.waker().wake_by_ref();
    }

    /// Queues a datagram, and sends what is queued when that is a batch.
    pub(super) fn send(
        &mut self,
        remote: SocketAddr,
        payload: Bytes,
        failed: &mut VecDeque<Input>,
        stats: &mut DriverStats,
    ) {
        if self.queue.len() >= QUEUE {
            stats.dropped += 1;
            return;
        }
        self.queue.push_back((remote, payload));
        // While the socket takes no more it is left alone until the runtime says that it does.
        if self.queue.len() >= BATCH && !self.full {
            self.flush(failed, stats);
        }
    }

    /// Sends what is queued, as far as the socket takes it.
    pub(super) fn flush(&mut self, failed: &mut VecDeque<Input>, stats: &mut DriverStats) {
        self.full = false;
        while !self.queue.is_empty() {
            // The system is asked directly: the runtime would have to be asked first whether the socket is ready, and
            // answers no until it was polled once.
            match batch::send(&self.socket, &mut self.queue, &mut self.merges) {
                Ok(sent) => stats.sent += sent as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.full = true;
                    return;
                }
                Err(error) => self.refused(&error, failed, stats),
            }
        }
    }

    /// Sends what is queued; ready when nothing is left.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        failed: &mut VecDeque<Input>,
        stats: &mut DriverStats,
    ) -> Poll<()> {
        if !self.full {
            self.flush(failed, stats);
        }
        while !self.queue.is_empty() {
            if self.socket.poll_send_ready(cx).is_pending() {
                return Poll::Pending;
            }
            // Through the runtime, so that a full socket is waited for.
            let sent = self.socket.try_io(Interest::WRITABLE, || {
                batch::send(&self.socket, &mut self.queue, &mut self.merges)
            });
            match sent {
                Ok(sent) => stats.sent += sent as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.refused(&error, failed, stats),
            }
        }
        self.full = false;
        Poll::Ready(())
    }

    /// The system does not send the first datagram of the queue.
    fn refused(
        &mut self,
        error: &io::Error,
        failed: &mut VecDeque<Input>,
        stats: &mut DriverStats,
    ) {
        let Some((remote, _)) = self.queue.pop_front() else {
            return;
        };
        stats.refused += 1;
        tracing::debug!(%remote, %error, "datagram refused by the system");
        if error.kind() == EARLIER {
            // It says nothing about this peer; the error queue tells who it was.
            return;
        }
        let listener = self.id;
        failed.push_back(Input::DatagramFailed { listener, remote });
    }
}

impl fmt::Debug for UdpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpListener")
            .field("id", &self.id)
            .field("socket", &self.socket)
            .field("queue", &self.queue.len())
            .finish_non_exhaustive()
    }
}

/// What can be true of how long a datagram says that it waited, in a socket that was empty at `empty`: it came since then. The
/// system stamps by the clock of the wall, which may be set at any time, or be another one than ours; an age that cannot be
/// is no age. `before` is a moment of this turn that is known already; `now` is asked only when that does not say enough.
fn possible_age(
    age: Duration,
    empty: Instant,
    before: Instant,
    now: impl FnOnce() -> Instant,
) -> Duration {
    let is_possible = age <= before.saturating_duration_since(empty)
        || age <= now().saturating_duration_since(empty);
    if is_possible { age } else { Duration::ZERO }
}

#[expect(clippy::disallowed_methods, reason = "a driver owns a clock")]
fn monotonic() -> Instant {
    Instant::now()
}

/// What batches need to know of the system. It is found out on another socket, because finding out sets
/// options that are right for QUIC and wrong for SIP: no fragmentation, under which a large response would be lost,
/// and the merging of what is received.
fn receive_state(like: &Socket) -> io::Result<UdpSocketState> {
    let addr = like.local_addr()?;
    let scratch = Socket::new(
        addr.domain(),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    if addr.is_ipv6() {
        scratch.set_only_v6(true)?;
    }
    UdpSocketState::new((&scratch).into())
}

/// Space for a batch of datagrams, or what is read from a connection, shared by the sockets of a driver.
pub(super) struct Buffers {
    space: Box<[u8]>,
    metas: [RecvMeta; BATCH_SIZE],
    /// Where little is put, one behind the other, so that most of it needs no allocation of its own. It is
    /// no larger than a few of them, because the last one that is kept keeps all.
    chunk: BytesMut,
}

/// Bytes in which small datagrams are kept together.
const CHUNK: usize = 16 * 1024;

impl Buffers {
    pub(super) fn new() -> Self {
        Self {
            space: vec![0; STRIDE * BATCH_SIZE].into_boxed_slice(),
            metas: [RecvMeta::default(); BATCH_SIZE],
            chunk: BytesMut::new(),
        }
    }

    /// Receives `MOST` of them, and no more than a batch.
    fn recv<const MOST: usize>(
        &mut self,
        receive: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut parts = self.space.chunks_exact_mut(STRIDE);
        let mut bufs: [IoSliceMut<'_>; MOST] = std::array::from_fn(|_| {
            let space = parts.next().and_then(|part| part.get_mut(..DATAGRAM));
            IoSliceMut::new(space.unwrap_or_default())
        });
        receive(&mut bufs, &mut self.metas)
    }

    /// Reads once from a connection, so much at most.
    pub(super) fn read(&mut self, from: &Outbox, most: usize) -> (Read, Bytes) {
        let space = self.space.get_mut(..most).unwrap_or_default();
        let read = from.read(space);
        let len = match read {
            Read::More(len) | Read::All(len) => len,
            Read::Ended => 0,
        };
        let payload = match space.get(..len) {
            Some(bytes) if len > 0 => keep(&mut self.chunk, bytes),
            _ => Bytes::new(),
        };
        (read, payload)
    }

    /// How long the first datagram waited in the socket. The system stamps it by the clock of the wall: when that was set
    /// back meanwhile, nothing is known.
    #[expect(
        clippy::disallowed_methods,
        reason = "a driver owns a clock, and the system stamps by this one"
    )]
    fn age(&self) -> Duration {
        let Some(stamp) = self.metas.first().and_then(|meta| meta.timestamp) else {
            return Duration::ZERO;
        };
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH + stamp)
            .unwrap_or_default()
    }

    /// Makes inputs of the first `count` that were received: how many datagrams they are, of which several may have come as one.
    fn take(&mut self, count: usize, listener: ListenerId, out: &mut Vec<Input>) -> usize {
        let before = out.len();
        for (meta, bytes) in self
            .metas
            .iter()
            .zip(self.space.chunks_exact(STRIDE))
            .take(count)
        {
            let bytes = bytes.get(..meta.len).unwrap_or_default();
            let length = meta.stride.min(meta.len).max(1);
            let (first, rest) = bytes.split_at(length.min(meta.len));
            for one in std::iter::once(first).chain(rest.chunks(length)) {
                out.push(Input::Datagram {
                    listener,
                    remote: meta.addr,
                    local: meta.dst_ip,
                    payload: keep(&mut self.chunk, one),
                });
            }
        }
        out.len() - before
    }
}

/// Bytes of their own, behind others if they are few.
fn keep(chunk: &mut BytesMut, bytes: &[u8]) -> Bytes {
    if bytes.len() > CHUNK / 4 {
        return Bytes::copy_from_slice(bytes);
    }
    if chunk.capacity() < bytes.len() {
        *chunk = BytesMut::with_capacity(CHUNK);
    }
    chunk.extend_from_slice(bytes);
    chunk.split().freeze()
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffers(..)")
    }
}

#[cfg(not(target_os = "linux"))]
mod batch {
    use std::collections::VecDeque;
    use std::io;

    use socket2::SockRef;
    use tokio::net::UdpSocket;

    use super::Datagram;

    /// Sends the first of the queue: 1.
    pub(super) fn send(
        socket: &UdpSocket,
        queue: &mut VecDeque<Datagram>,
        _merges: &mut super::Merges,
    ) -> io::Result<usize> {
        let Some((remote, payload)) = queue.front() else {
            return Ok(0);
        };
        SockRef::from(socket).send_to(payload, &(*remote).into())?;
        queue.pop_front();
        Ok(1)
    }
}

/// Asks the system to note when each datagram comes, or no more, where it can.
#[cfg(target_os = "linux")]
fn stamp_arrivals(socket: &UdpSocket, stamped: bool) {
    use nix::sys::socket::{setsockopt, sockopt};
    if let Err(error) = setsockopt(socket, sockopt::ReceiveTimestampns, &stamped) {
        tracing::debug!(%error, "how long datagrams wait will not be known");
    }
}

#[cfg(not(target_os = "linux"))]
fn stamp_arrivals(_socket: &UdpSocket, _stamped: bool) {}

/// Lets the system hand over as one what came as one, or one behind the other in one length (generic receive offload), where it can.
#[cfg(target_os = "linux")]
fn take_merged(socket: &UdpSocket) {
    use nix::sys::socket::{setsockopt, sockopt};
    if let Err(error) = setsockopt(socket, sockopt::UdpGroSegment, &true) {
        tracing::debug!(%error, "datagrams are received one by one");
    }
}

#[cfg(not(target_os = "linux"))]
fn take_merged(_socket: &UdpSocket) {}

/// Asks the system to keep ICMP errors (RFC 3261 §18.4).
#[cfg(target_os = "linux")]
fn report_errors(socket: &Socket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    if socket.local_addr()?.is_ipv4() {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn report_errors(_socket: &Socket) -> io::Result<()> {
    Ok(())
}

/// The error queue of a Linux socket.
#[cfg(target_os = "linux")]
mod errors {
    use std::io::{self, IoSliceMut};
    use std::net::SocketAddr;
    use std::os::fd::AsRawFd;
    use std::sync::Arc;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
    use tokio::io::Interest;
    use tokio::net::UdpSocket;
    use tokio::sync::mpsc;

    use crate::id::ListenerId;
    use crate::io::Input;
    use crate::tokio::Item;

    /// Reports the peers that ICMP says cannot be reached.
    pub(super) async fn watch(
        listener: ListenerId,
        socket: Arc<UdpSocket>,
        inbox: mpsc::Sender<Item>,
    ) {
        loop {
            if socket.ready(Interest::ERROR).await.is_err() {
                return;
            }
            let failed = socket.try_io(Interest::ERROR, || next(&socket));
            if let Ok(Some(remote)) = failed {
                let input = Input::DatagramFailed { listener, remote };
                if inbox
                    .send(Item {
                        input,
                        writer: None,
                    })
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    }

    /// Takes one error; the peer that the datagram was sent to, if the error counts.
    fn next(socket: &UdpSocket) -> io::Result<Option<SocketAddr>> {
        let mut byte = [0; 1];
        let mut iov = [IoSliceMut::new(&mut byte)];
        let mut control = nix::cmsg_space!([u8; 256]);
        let message = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut iov,
            Some(&mut control),
            MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT,
        )?;
        let counts = message
            .cmsgs()
            .is_ok_and(|mut all| all.any(|one| is_unreachable(&one)));
        Ok(message.address.as_ref().filter(|_| counts).and_then(to_std))
    }

    /// RFC 3261 §18.4: "Host, network, port or protocol unreachable errors, or parameter problem errors SHOULD cause
    /// the transport layer to inform the transport user of a failure in sending. Source quench and TTL exceeded ICMP
    /// errors SHOULD be ignored."
    fn is_unreachable(message: &ControlMessageOwned) -> bool {
        // The numbers of RFC 792 and RFC 4443; code 4 of type 3 asks for fragmentation, which the system does.
        if let ControlMessageOwned::Ipv4RecvErr(error, _) = message {
            (error.ee_type == 3 && error.ee_code != 4) || error.ee_type == 12
        } else if let ControlMessageOwned::Ipv6RecvErr(error, _) = message {
            error.ee_type == 1 || error.ee_type == 4
        } else {
            false
        }
    }

    pub(super) fn to_std(addr: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = addr
            .as_sockaddr_in()
            .map(|addr| SocketAddr::V4((*addr).into()));
        v4.or_else(|| {
            addr.as_sockaddr_in6()
                .map(|addr| SocketAddr::V6((*addr).into()))
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod errors {
    use std::sync::Arc;

    use tokio::net::UdpSocket;
    use tokio::sync::mpsc;

    use crate::id::ListenerId;
    use crate::tokio::Item;

    /// Other systems report errors of unconnected sockets to nobody.
    pub(super) async fn watch(
        _listener: ListenerId,
        _socket: Arc<UdpSocket>,
        _inbox: mpsc::Sender<Item>,
    ) {
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_waited_no_longer_than_since_the_socket_was_empty() {
        let empty = monotonic();
        let at = |ms| empty + Duration::from_millis(ms);
        let age = |ms, before, now| {
            possible_age(Duration::from_millis(ms), empty, at(before), || at(now)).as_millis()
        };
        assert_eq!(age(40, 50, 50), 40);
        assert_eq!(age(50, 50, 50), 50);
        // Between the first look at the clock and the last this worker did not run.
        assert_eq!(age(60, 50, 70), 60);
        // The clock of the wall was set: by an hour, by a moment, while the machine slept.
        for impossible in [3_600_000, 71, u64::from(u32::MAX)] {
            assert_eq!(age(impossible, 50, 70), 0);
        }
        // A socket that was never empty meanwhile, because more comes than is taken up, or the process was stopped.
        assert_eq!(age(20_000, 20_001, 20_001), 20_000);
        // It was empty a moment ago, whatever a clock says that is always wrong.
        assert_eq!(age(1, 0, 0), 0);
        assert_eq!(age(0, 0, 0), 0);
    }
}
