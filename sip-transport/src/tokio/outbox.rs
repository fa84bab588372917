//! What is to be written on one connection, and what is read from one that the driver reads by itself.

use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// Where the driver puts what a connection is to write; the core bounds it. When it is dropped the connection closes.
///
/// In boxes, because the channel keeps room for 32 items even while it is empty: a box is a fourth of what is in it, and
/// most connections write now and then.
#[derive(Debug)]
pub(super) struct Outbox {
    sender: mpsc::UnboundedSender<Box<Bytes>>,
    direct: Option<Arc<Direct>>,
    /// Says that there is something to be read, once the driver has begun to read.
    readable: Option<Waker>,
    /// In which turn of the driver something was written at once.
    wrote_in: Option<u32>,
    /// What was put into the queue while there was no connection yet.
    before: usize,
    /// What was written at once, and the core has not heard of.
    unreported: u32,
}

/// The other end.
#[derive(Debug)]
pub(super) struct Queue {
    receiver: mpsc::UnboundedReceiver<Box<Bytes>>,
    direct: Option<Arc<Direct>>,
}

/// A connection on which messages travel as they are: the driver reads what comes, and writes what the system takes at once. The
/// task of the connection, which then need not be woken, writes only the rest, and goes on when the peer has ended.
#[derive(Debug)]
pub(super) struct Direct {
    half: OwnedWriteHalf,
    /// How much is in the queue or in the hands of the task: as long as that is something, all goes behind it.
    queued: AtomicUsize,
    /// Did the driver write right before it closed the connection?
    last_words: AtomicBool,
    shared: Mutex<Shared>,
}

/// What the driver and the task use by turns.
#[derive(Debug)]
struct Shared {
    reader: OwnedReadHalf,
    /// Why the driver could not write.
    failed: Option<io::Error>,
    /// How reading ended.
    end: Option<Result<(), io::Error>>,
    /// Who waits for that.
    waits: Option<Waker>,
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// So many bytes, and there may be more.
    More(usize),
    /// So many bytes, which were all; none, if nothing was there. When there is more, the waker is told.
    All(usize),
    /// Nothing will come any more; the task knows.
    Ended,
}

pub(super) fn channel() -> (Outbox, Queue) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let outbox = Outbox {
        sender,
        direct: None,
        readable: None,
        wrote_in: None,
        before: 0,
        unreported: 0,
    };
    let direct = None;
    (outbox, Queue { receiver, direct })
}

impl Outbox {
    /// From now on the driver may write by itself.
    pub(super) fn use_direct(&mut self, direct: Arc<Direct>) {
        // The task may have written some of it, and taken it off what was not added yet: the sum is right.
        let before = std::mem::take(&mut self.before);
        direct.queued.fetch_add(before, Ordering::Relaxed);
        self.direct = Some(direct);
    }

    /// May the driver read by itself? From now on it does, and this is woken when it can.
    pub(super) fn begin_reading(&mut self, waker: impl FnOnce() -> Waker) -> bool {
        if self.direct.is_some() && self.readable.is_none() {
            self.readable = Some(waker());
        }
        self.readable.is_some()
    }

    /// Reads once.
    pub(super) fn read(&self, space: &mut [u8]) -> Read {
        match (&self.direct, &self.readable) {
            (Some(direct), Some(readable)) => {
                direct.read(&mut Context::from_waker(readable), space)
            }
            // Its task reads.
            _ => Read::All(0),
        }
    }

    /// Writes what can be written at once, which is what it returns, and puts the rest into the queue. If the connection has
    /// ended its last word is on its way, and this is dropped.
    pub(super) fn send(&mut self, payload: Bytes, turn: u32) -> usize {
        let mut payload = payload;
        let mut written = 0;
        if let Some(direct) = &self.direct {
            if direct.queued.load(Ordering::Acquire) == 0 {
                match direct.half.try_write(&payload) {
                    Ok(bytes) => {
                        written = bytes;
                        self.wrote_in = Some(turn);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => direct.fail(error),
                }
                if written == payload.len() {
                    return written;
                }
                payload.advance(written);
            }
            direct.queued.fetch_add(1, Ordering::Relaxed);
        } else {
            self.before += 1;
        }
        let _ended = self.sender.send(Box::new(payload));
        written
    }

    /// So much was written at once. Was there nothing before?
    pub(super) fn note_written(&mut self, bytes: usize) -> bool {
        let is_first = self.unreported == 0;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.unreported = self.unreported.saturating_add(bytes);
        is_first
    }

    /// What was written at once, and the core has not heard of.
    pub(super) fn unreported(&self) -> usize {
        usize::try_from(self.unreported).unwrap_or(usize::MAX)
    }

    /// The core hears of it now.
    pub(super) fn take_unreported(&mut self) -> usize {
        let bytes = self.unreported();
        self.unreported = 0;
        bytes
    }

    /// The connection closes when what is queued is written.
    pub(super) fn close(self, turn: u32) {
        if let Some(direct) = &self.direct
            && self.wrote_in == Some(turn)
        {
            direct.last_words.store(true, Ordering::Relaxed);
        }
    }
}

impl Queue {
    /// The driver may write by itself; the task is told what it has to know of that.
    pub(super) fn use_direct(&mut self, direct: Arc<Direct>) {
        self.direct = Some(direct);
    }

    /// Takes the next; `None` when the outbox is dropped and empty. Dropping the future loses nothing.
    pub(super) async fn recv(&mut self) -> Option<Bytes> {
        self.receiver.recv().await.map(|payload| *payload)
    }

    /// [`recv`](Self::recv), which says whether it had to wait.
    pub(super) async fn recv_noting(&mut self, waited: &mut bool) -> Option<Bytes> {
        *waited = false;
        let payload = poll_fn(|cx| {
            let polled = self.receiver.poll_recv(cx);
            *waited |= polled.is_pending();
            polled
        });
        payload.await.map(|payload| *payload)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// What was taken is written.
    pub(super) fn written(&self) {
        if let Some(direct) = &self.direct {
            direct.queued.fetch_sub(1, Ordering::Release);
        }
    }

    /// Why the driver could not write, if it could not.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.direct.as_ref()?.shared().failed.take()
    }

    /// Did the driver write right before it closed the connection?
    pub(super) fn had_last_words(&self) -> bool {
        self.direct
            .as_ref()
            .is_some_and(|direct| direct.last_words.load(Ordering::Relaxed))
    }
}

impl Direct {
    pub(super) fn new(stream: TcpStream) -> Arc<Self> {
        let (reader, half) = stream.into_split();
        Arc::new(Self {
            half,
            queued: AtomicUsize::new(0),
            last_words: AtomicBool::new(false),
            shared: Mutex::new(Shared {
                reader,
                failed: None,
                end: None,
                waits: None,
            }),
        })
    }

    fn fail(&self, error: io::Error) {
        self.shared().failed = Some(error);
    }

    fn read(&self, cx: &mut Context<'_>, space: &mut [u8]) -> Read {
        let room = space.len();
        let mut shared = self.shared();
        if shared.end.is_some() {
            return Read::Ended;
        }
        let mut buf = ReadBuf::new(space);
        let end = match Pin::new(&mut shared.reader).poll_read(cx, &mut buf) {
            Poll::Pending => return Read::All(0),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) => match buf.filled().len() {
                0 => Ok(()),
                // The next is waited for: what left room was all (epoll(7)), and the runtime knows that.
                read if read < room => {
                    let stream: &TcpStream = self.half.as_ref();
                    return match stream.poll_read_ready(cx) {
                        Poll::Pending => Read::All(read),
                        Poll::Ready(_) => Read::More(read),
                    };
                }
                read => return Read::More(read),
            },
        };
        shared.end = Some(end);
        let waits = shared.waits.take();
        drop(shared);
        if let Some(task) = waits {
            task.wake();
        }
        Read::Ended
    }

    /// Waits until the driver has read to the end. To be asked once.
    pub(super) async fn ended(&self) -> io::Result<()> {
        poll_fn(|cx| {
            let mut shared = self.shared();
            match &mut shared.end {
                // It stays, so that nobody reads on.
                Some(end) => Poll::Ready(std::mem::replace(end, Ok(()))),
                None => {
                    shared.waits = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Has the peer, which had shut its side, refused what was written since? The end of its side hides that from reading.
    pub(super) fn refused(&self) -> Option<io::Error> {
        let stream: &TcpStream = self.half.as_ref();
        stream.take_error().unwrap_or_else(Some)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the task reads with, when the driver does it no more.
#[derive(Debug)]
pub(super) struct Reader(pub(super) Arc<Direct>);

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.shared().reader).poll_read(cx, buf)
    }
}

/// What the task writes with.
#[derive(Debug)]
pub(super) struct Writer(pub(super) Arc<Direct>);

impl AsyncWrite for Writer {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let half = &self.0.half;
        loop {
            ready!(AsRef::<TcpStream>::as_ref(half).poll_write_ready(cx))?;
            match half.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream: &TcpStream = self.0.half.as_ref();
        match SockRef::from(stream).shutdown(Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::id::ConnectionId;
    use crate::tokio::readiness::Readiness;

    async fn connected_direct() -> (TcpStream, Arc<Direct>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        ours.writable().await.unwrap();
        (theirs, Direct::new(ours))
    }

    async fn connected() -> (Outbox, Queue, TcpStream) {
        let (theirs, direct) = connected_direct().await;
        let (mut outbox, mut queue) = channel();
        outbox.use_direct(Arc::clone(&direct));
        queue.use_direct(direct);
        (outbox, queue, theirs)
    }

    #[tokio::test]
    async fn what_was_queued_before_the_connection_is_counted() {
        for taken_early in [false, true] {
            let (_, direct) = connected_direct().await;
            let (mut outbox, mut queue) = channel();
            assert_eq!(outbox.send(Bytes::from_static(b"first"), 1), 0);
            queue.use_direct(Arc::clone(&direct));
            if taken_early {
                assert_eq!(queue.recv().await.unwrap(), "first");
                queue.written();
                outbox.use_direct(direct);
            } else {
                outbox.use_direct(direct);
                // Behind the first one.
                assert_eq!(outbox.send(Bytes::from_static(b"second"), 1), 0);
                for text in ["first", "second"] {
                    assert_eq!(queue.recv().await.unwrap(), text);
                    queue.written();
                }
            }
            assert_eq!(outbox.send(Bytes::from_static(b"third"), 1), 5);
            assert!(queue.is_empty());
        }
    }

    #[tokio::test]
    async fn what_the_system_takes_needs_no_queue_and_the_rest_stays_in_order() {
        let (mut outbox, mut queue, _theirs) = connected().await;
        assert_eq!(outbox.send(Bytes::from_static(b"first"), 1), 5);
        assert!(queue.is_empty());
        assert!(outbox.note_written(5) && !outbox.note_written(7));
        assert_eq!((outbox.take_unreported(), outbox.unreported()), (12, 0));
        // Until the peer, which reads nothing, has no room.
        let large = Bytes::from(vec![b'x'; 1 << 20]);
        let mut written = large.len();
        while written == large.len() {
            written = outbox.send(large.clone(), 1);
        }
        assert_eq!(outbox.send(Bytes::from_static(b"behind"), 1), 0);
        assert_eq!(queue.recv().await.unwrap().len(), large.len() - written);
        assert_eq!(outbox.send(Bytes::from_static(b"too"), 1), 0);
        queue.written();
        assert_eq!(queue.recv().await.unwrap(), "behind");
        assert_eq!(queue.recv().await.unwrap(), "too");
    }

    /// Waits until the system says something of a connection.
    async fn told(readiness: &Readiness) {
        poll_fn(|cx| {
            let mut ready = Vec::new();
            readiness.take(cx, &mut ready);
            match ready.is_empty() {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
        .await;
    }

    #[tokio::test]
    async fn the_driver_reads_what_is_there_and_the_task_hears_of_the_end() {
        let (mut outbox, queue, mut theirs) = connected().await;
        let readiness = Arc::new(Readiness::default());
        let mut space = [0; 8];
        assert_eq!(outbox.read(&mut space), Read::All(0), "not begun");
        assert!(outbox.begin_reading(|| readiness.waker(ConnectionId::accepted(1))));
        assert_eq!(outbox.read(&mut space), Read::All(0), "nothing was sent");
        for _ in 0..2 {
            theirs.write_all(b"twelve bytes").await.unwrap();
            told(&readiness).await;
            assert_eq!(outbox.read(&mut space), Read::More(8));
            assert_eq!(outbox.read(&mut space), Read::All(4));
            assert_eq!(space[..4], *b"ytes");
            assert_eq!(outbox.read(&mut space), Read::All(0));
        }
        theirs.write_all(b"last").await.unwrap();
        drop(theirs);
        told(&readiness).await;
        while outbox.read(&mut space) != Read::Ended {
            tokio::task::yield_now().await;
        }
        assert_eq!(space[..4], *b"last");
        queue.direct.as_ref().unwrap().ended().await.unwrap();
        assert_eq!(outbox.read(&mut space), Read::Ended);
    }

    #[tokio::test]
    async fn what_was_written_right_before_the_end_is_known_as_last_words() {
        for (turn, expected) in [(4, true), (5, false)] {
            let (mut outbox, mut queue, _theirs) = connected().await;
            assert_eq!(outbox.send(Bytes::from_static(b"words"), 4), 5);
            outbox.close(turn);
            assert_eq!(queue.recv().await, None);
            assert_eq!(queue.had_last_words(), expected, "closed in turn {turn}");
        }
        let (outbox, queue, _theirs) = connected().await;
        outbox.close(1);
        assert!(!queue.had_last_words(), "nothing was written");
    }
}
