//! [`Recorder`]: captures written beside the work, never in its way.

use std::fs::File;
use std::io::{self, BufWriter};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::SystemTime;

use socket2::{Domain, Protocol, Socket, Type};

use crate::capture::{Hep, PcapngWriter};
use crate::io::Captured;

/// Writes [`Captured`] messages to a pcapng file or sends them to a HEP3 server, on a thread of its own.
///
/// [`record`](Self::record) never waits: what does not fit the queue, because the disk is slow, is dropped and counted.
/// The file holds what was written whenever the thread has caught up; it is complete after [`finish`](Self::finish),
/// or soon after the recorder is dropped.
///
/// ```no_run
/// # use sip_transport::{Captured, Transports, tokio::Recorder};
/// # fn example(transports: &mut Transports, captured: Captured) -> std::io::Result<()> {
/// let recorder = Recorder::pcapng("trace.pcapng".as_ref())?;
/// transports.capture(true);
/// // For each `Event::Captured`:
/// recorder.record(&captured, std::time::SystemTime::now());
/// recorder.finish()
/// # }
/// ```
#[derive(Debug)]
pub struct Recorder {
    queue: Option<SyncSender<Record>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// What a [`Recorder`] counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecorderStats {
    /// Messages written or sent.
    pub written: u64,
    /// Messages dropped because too much waited.
    pub dropped: u64,
    /// Messages that could not be written or sent: a full disk, no server, too large for a datagram.
    pub failed: u64,
}

#[derive(Debug)]
struct Record {
    captured: Captured,
    at: SystemTime,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    written: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// Messages that may wait.
const QUEUE: usize = 8192;
/// Bytes that may wait.
const QUEUE_BYTES: usize = 16 << 20;

/// Where a capture goes.
trait Sink: Send + 'static {
    fn write(&mut self, record: &Record) -> io::Result<()>;

    /// Nothing more waits at the moment.
    fn rest(&mut self) -> io::Result<()>;
}

impl Recorder {
    /// Records into a new pcapng file; one that is there is replaced.
    ///
    /// # Errors
    /// When the file or the thread cannot be made.
    pub fn pcapng(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        let mut writer = PcapngWriter::new(BufWriter::new(file))?;
        writer.flush()?;
        Self::start(writer)
    }

    /// Sends to a HEP3 server over UDP.
    ///
    /// # Errors
    /// When the socket or the thread cannot be made.
    pub fn hep(server: SocketAddr, hep: Hep) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(server),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        socket.connect(&server.into())?;
        let packet = Vec::new();
        Self::start(HepSink {
            socket,
            hep,
            packet,
        })
    }

    fn start(sink: impl Sink) -> io::Result<Self> {
        let (queue, records) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let counts = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sip-capture".to_owned())
            .spawn(move || run(sink, &records, &counts))?;
        Ok(Self {
            queue: Some(queue),
            shared,
            thread: Some(thread),
        })
    }

    /// Takes a message, or drops it. `at` is the time of the clock on the wall.
    pub fn record(&self, captured: &Captured, at: SystemTime) {
        let size = captured.payload.len();
        let waiting = self.shared.waiting.load(Ordering::Relaxed);
        let taken = waiting.saturating_add(size) <= QUEUE_BYTES
            && self.queue.as_ref().is_some_and(|queue| {
                self.shared.waiting.fetch_add(size, Ordering::Relaxed);
                let record = Record {
                    captured: captured.clone(),
                    at,
                };
                let sent = queue.try_send(record).is_ok();
                if !sent {
                    self.shared.waiting.fetch_sub(size, Ordering::Relaxed);
                }
                sent
            });
        if !taken {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> RecorderStats {
        RecorderStats {
            written: self.shared.written.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
        }
    }

    /// Writes what waits and ends. Waits for the disk: call it when the work is done.
    ///
    /// # Errors
    /// The first error of the file; messages after it were counted as failed.
    pub fn finish(mut self) -> io::Result<()> {
        self.queue = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the thread of the capture has panicked")),
            None => Ok(()),
        }
    }
}

/// Writes until the recorder is dropped. The first error is kept; what follows is tried all the same, because a disk
/// may have room again.
fn run(mut sink: impl Sink, records: &Receiver<Record>, counts: &Shared) -> io::Result<()> {
    let mut result = Ok(());
    while let Ok(mut record) = records.recv() {
        loop {
            let size = record.captured.payload.len();
            let written = sink.write(&record);
            counts.waiting.fetch_sub(size, Ordering::Relaxed);
            note(written, &mut result, &counts.written, &counts.failed);
            record = match records.try_recv() {
                Ok(next) => next,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            };
        }
        let rested = sink.rest();
        if rested.is_err() {
            note(rested, &mut result, &counts.written, &counts.failed);
        }
    }
    result
}

fn note(done: io::Result<()>, first: &mut io::Result<()>, ok: &AtomicU64, failed: &AtomicU64) {
    match done {
        Ok(()) => {
            ok.fetch_add(1, Ordering::Relaxed);
        }
        Err(error) => {
            failed.fetch_add(1, Ordering::Relaxed);
            if first.is_ok() {
                tracing::warn!(%error, "the capture cannot be written");
                *first = Err(error);
            }
        }
    }
}

impl Sink for PcapngWriter<BufWriter<File>> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        Self::write(self, &record.captured, record.at)
    }

    fn rest(&mut self) -> io::Result<()> {
        self.flush()
    }
}

struct HepSink {
    socket: Socket,
    hep: Hep,
    packet: Vec<u8>,
}

impl Sink for HepSink {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        self.packet.clear();
        if !self
            .hep
            .encode(&record.captured, record.at, &mut self.packet)
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a message is too large for a HEP3 datagram",
            ));
        }
        // A refusal is told with the next datagram; that one was not tried.
        match self.socket.send(&self.packet) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.socket.send(&self.packet).map(drop)
            }
            other => other.map(drop),
        }
    }

    fn rest(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::kind::TransportKind;

    /// A disk that stands still until it is told to go on.
    struct Stuck {
        reached: Sender<()>,
        go: Receiver<()>,
    }

    impl Sink for Stuck {
        fn write(&mut self, _: &Record) -> io::Result<()> {
            let _nobody = self.reached.send(());
            // Once nobody holds the other end it no longer stands still.
            let _go = self.go.recv();
            Ok(())
        }

        fn rest(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn captured(len: usize) -> Captured {
        let addr = "192.0.2.1:5060".parse().unwrap();
        let payload = vec![b'x'; len].into();
        Captured::new(true, TransportKind::Udp, addr, addr, payload)
    }

    fn stuck() -> (Recorder, Sender<()>) {
        let (reached, was_reached) = std::sync::mpsc::channel();
        let (go, may_go) = std::sync::mpsc::channel();
        let recorder = Recorder::start(Stuck {
            reached,
            go: may_go,
        })
        .unwrap();
        // The first is out of the queue and being written.
        recorder.record(&captured(1), UNIX_EPOCH);
        was_reached.recv().unwrap();
        (recorder, go)
    }

    #[test]
    fn what_a_slow_disk_does_not_take_is_dropped_and_counted() {
        let (recorder, go) = stuck();
        for _ in 0..QUEUE + 5 {
            recorder.record(&captured(10), UNIX_EPOCH);
        }
        assert_eq!(recorder.stats().dropped, 5);
        let shared = Arc::clone(&recorder.shared);
        drop(go);
        recorder.finish().unwrap();
        assert_eq!(shared.written.load(Ordering::Relaxed), QUEUE as u64 + 1);
        assert_eq!(shared.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn bytes_that_wait_are_bounded_too() {
        let (recorder, go) = stuck();
        for _ in 0..QUEUE_BYTES / 65_000 + 3 {
            recorder.record(&captured(65_000), UNIX_EPOCH);
        }
        assert_eq!(recorder.stats().dropped, 3);
        drop(go);
        recorder.finish().unwrap();
    }
}
