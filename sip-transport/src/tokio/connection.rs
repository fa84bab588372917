//! The task of one connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::ready;
use std::time::Duration;

use bytes::Bytes;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

use super::outbox::{Direct, Queue, Reader, Writer};
use super::{Item, Outlet};
use crate::id::ConnectionId;
use crate::io::{ConnectionError, Input};
use crate::kind::TransportKind;

/// What a connection's task holds besides the connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// What to write; closed when the connection is to be closed. The core bounds what is in it.
    pub(super) queue: Queue,
    pub(super) inbox: mpsc::Sender<Item>,
    /// Tells the driver's shutdown that this task has not ended.
    pub(super) alive: mpsc::Sender<()>,
}

/// The web pages that may open WebSockets (RFC 6454 origins); `None` for all.
#[cfg(feature = "ws")]
pub(super) type Origins = Option<Arc<[Box<str>]>>;

/// What a connection that begins goes by.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    #[cfg(feature = "ws")]
    pub(super) origins: Origins,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<super::tls::Tls>,
}

/// Bytes read at once.
pub(super) const READ: usize = 16 * 1024;
/// Bytes written before the core hears of it.
pub(super) const REPORT: usize = 32 * 1024;
/// How long what is still queued may take when a connection is closed, and then the peer to close its side.
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// How often a peer that has shut its side is looked at.
const REFUSED: Duration = Duration::from_millis(500);
/// A peer that vanished without a word is noticed after some minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

impl Connection {
    pub(super) const fn new(
        id: ConnectionId,
        queue: Queue,
        inbox: mpsc::Sender<Item>,
        alive: mpsc::Sender<()>,
    ) -> Self {
        Self {
            id,
            queue,
            inbox,
            alive,
        }
    }

    /// Runs a connection that was accepted, of another transport than TCP.
    pub(super) async fn accepted(self, kind: TransportKind, stream: TcpStream, settings: Settings) {
        set_options(&stream);
        match kind {
            #[cfg(feature = "tls")]
            TransportKind::Tls => Box::pin(self.accepted_tls(stream, settings.tls)).await,
            #[cfg(all(feature = "tls", feature = "ws"))]
            TransportKind::Wss => Box::pin(self.accepted_wss(stream, settings)).await,
            #[cfg(feature = "ws")]
            TransportKind::Ws => Box::pin(self.accepted_ws(stream, settings.origins)).await,
            // There is no listener for others.
            _ => drop((self, stream, settings)),
        }
    }

    /// Opens a connection and runs it.
    pub(super) async fn connect(
        mut self,
        kind: TransportKind,
        remote: SocketAddr,
        local: Option<IpAddr>,
        server_name: Option<Box<str>>,
        settings: Settings,
    ) {
        let opened = tokio::select! {
            opened = open(kind, remote, local) => opened,
            // Nothing is queued before the connection is open, so this is the end of the queue.
            _ = self.queue.recv() => return,
        };
        let opened = opened.and_then(|stream| stream.local_addr().map(|local| (stream, local)));
        let (stream, local) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.close(Some(&error)).await;
                return;
            }
        };
        let connection = self.id;
        let connected = Input::Connected { connection, local };
        match kind {
            #[cfg(feature = "tls")]
            TransportKind::Tls => {
                let opened = (stream, local, remote);
                Box::pin(self.connect_tls(opened, server_name, settings.tls)).await;
            }
            #[cfg(all(feature = "tls", feature = "ws"))]
            TransportKind::Wss => {
                let opened = (stream, local, remote);
                Box::pin(self.connect_wss(opened, server_name, settings.tls)).await;
            }
            #[cfg(feature = "ws")]
            TransportKind::Ws => {
                Box::pin(self.connect_ws(stream, local, remote, server_name)).await;
            }
            _ => {
                let _only_for_handshakes = (server_name, settings);
                let direct = Direct::new(stream);
                self.queue.use_direct(Arc::clone(&direct));
                let item = Item {
                    input: connected,
                    writer: Some(Outlet::Direct(Arc::clone(&direct))),
                };
                if self.inbox.send(item).await.is_ok() {
                    self.run_tcp(direct).await;
                }
            }
        }
    }

    #[cfg(feature = "tls")]
    async fn accepted_tls(mut self, stream: TcpStream, tls: Option<super::tls::Tls>) {
        // In a box of its own: an idle connection does not hold the room that the handshake took.
        if let Some(stream) = Box::pin(self.secure_accepted(stream, tls)).await {
            self.run(stream).await;
        }
    }

    #[cfg(all(feature = "tls", feature = "ws"))]
    async fn accepted_wss(mut self, stream: TcpStream, settings: Settings) {
        if let Some(stream) = Box::pin(self.secure_accepted(stream, settings.tls)).await {
            self.accepted_ws(stream, settings.origins).await;
        }
    }

    #[cfg(feature = "tls")]
    async fn connect_tls(
        mut self,
        (stream, local, remote): (TcpStream, SocketAddr, SocketAddr),
        server_name: Option<Box<str>>,
        tls: Option<super::tls::Tls>,
    ) {
        let connection = self.id;
        let handshake = self.secure_opened(stream, remote, server_name.as_deref(), tls);
        if let Some(stream) = Box::pin(handshake).await
            && self.report(Input::Connected { connection, local }).await
        {
            self.run(stream).await;
        }
    }

    #[cfg(all(feature = "tls", feature = "ws"))]
    async fn connect_wss(
        mut self,
        (stream, local, remote): (TcpStream, SocketAddr, SocketAddr),
        server_name: Option<Box<str>>,
        tls: Option<super::tls::Tls>,
    ) {
        let handshake = self.secure_opened(stream, remote, server_name.as_deref(), tls);
        if let Some(stream) = Box::pin(handshake).await {
            self.connect_ws(stream, local, remote, server_name).await;
        }
    }

    /// Runs a connection whose halves close at once, such as one of TLS (RFC 5246 §7.2.1).
    #[cfg(feature = "tls")]
    async fn run(self, stream: impl AsyncRead + AsyncWrite) {
        let (reader, writer) = tokio::io::split(stream);
        self.run_halves(reader, writer, None).await;
    }

    /// Runs a connection of TCP, from which the driver reads: what the peer has asked is answered though it has shut its side.
    pub(super) async fn run_tcp(self, direct: Arc<Direct>) {
        let (reader, writer) = (Reader(Arc::clone(&direct)), Writer(Arc::clone(&direct)));
        self.run_halves(reader, writer, Some(direct)).await;
    }

    async fn run_halves<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        mut self,
        mut reader: R,
        mut writer: W,
        direct: Option<Arc<Direct>>,
    ) {
        let connection = self.id;
        let mut last_words = false;
        let ended = {
            let inbox = &self.inbox;
            let read = async {
                let Some(direct) = direct else {
                    return read_all(connection, inbox, &mut reader).await;
                };
                if let Err(error) = direct.ended().await {
                    return Some(error);
                }
                let place = inbox.reserve().await.ok()?;
                place.send(Item::from(Input::Ended { connection }));
                // In a box: an idle connection has no room for it.
                Box::pin(async {
                    loop {
                        tokio::time::sleep(REFUSED).await;
                        if let Some(error) = direct.refused() {
                            return Some(error);
                        }
                    }
                })
                .await
            };
            let queue = &mut self.queue;
            let write = write_all(connection, queue, inbox, &mut writer, &mut last_words);
            // Both go on at the same time: a peer that does not read does not stop us from reading.
            tokio::select! {
                biased;
                ended = read => Ended::ByPeer(ended),
                ended = write => Ended::ByUs(ended),
            }
        };
        match ended {
            Ended::ByPeer(error) | Ended::ByUs(Err(error @ Some(_))) => {
                self.close(error.as_ref()).await;
                // RFC 8446 §6.1: the end of our side is announced, so that the peer knows it from a cut.
                let _in_time = tokio::time::timeout(LINGER, writer.shutdown()).await;
            }
            // Whatever the peer has sent or will send is answered by a reset, so that it knows that nobody has read it, and
            // answers elsewhere (RFC 3261 §18.2.2).
            Ended::ByUs(_) if !last_words => {
                let _in_time = tokio::time::timeout(LINGER, writer.shutdown()).await;
            }
            Ended::ByUs(_) => {
                // Closing with unread bytes would reset the connection and could take our last words with it.
                let linger = async {
                    if writer.shutdown().await.is_ok() {
                        while read_some(&mut reader)
                            .await
                            .is_ok_and(|payload| !payload.is_empty())
                        {}
                    }
                };
                let _in_time = tokio::time::timeout(LINGER, linger).await;
            }
        }
        drop(self.alive);
    }

    pub(super) async fn close(&self, error: Option<&io::Error>) {
        let error = error.map(|error| {
            #[cfg(feature = "tls")]
            if let Some(error) = super::tls::connection_error(error) {
                return error;
            }
            ConnectionError::from_io(error)
        });
        self.report(Input::Closed {
            connection: self.id,
            error,
        })
        .await;
    }

    /// Tells the driver. Is it still there?
    pub(super) async fn report(&self, input: Input) -> bool {
        self.inbox
            .send(Item {
                input,
                writer: None,
            })
            .await
            .is_ok()
    }
}

pub(super) enum Ended {
    /// The peer closed, or reading failed.
    ByPeer(Option<io::Error>),
    /// The queue was closed and is written, or writing failed.
    ByUs(Result<(), Option<io::Error>>),
}

async fn open(
    kind: TransportKind,
    remote: SocketAddr,
    local: Option<IpAddr>,
) -> io::Result<TcpStream> {
    if !is_built_in(kind) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this transport is not built in",
        ));
    }
    let socket = if remote.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    if let Some(local) = local {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    let stream = socket.connect(remote).await?;
    set_options(&stream);
    Ok(stream)
}

/// Can this driver carry it?
pub(super) const fn is_built_in(kind: TransportKind) -> bool {
    match kind {
        TransportKind::Udp | TransportKind::Tcp => true,
        TransportKind::Ws => cfg!(feature = "ws"),
        TransportKind::Tls => cfg!(feature = "tls"),
        TransportKind::Wss => cfg!(all(feature = "tls", feature = "ws")),
        TransportKind::Sctp => cfg!(feature = "sctp"),
        TransportKind::TlsSctp => false,
    }
}

/// Small messages leave at once; a dead peer is noticed.
pub(super) fn set_options(stream: &TcpStream) {
    let _best_effort = stream.set_nodelay(true);
    let _best_effort =
        SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE));
}

/// Tells the driver what is read until the end; the error, if there was one.
async fn read_all<R: AsyncRead + Unpin>(
    connection: ConnectionId,
    inbox: &mpsc::Sender<Item>,
    reader: &mut R,
) -> Option<io::Error> {
    loop {
        let payload = match read_some(reader).await {
            Ok(payload) if payload.is_empty() => return None,
            Ok(payload) => payload,
            Err(error) => return Some(error),
        };
        // A place first: a future that holds what it sends has room for it twice.
        let place = inbox.reserve().await.ok()?;
        place.send(Item::from(Input::Stream {
            connection,
            payload,
        }));
    }
}

/// Reads what there is; empty at the end. No buffer is held while nothing comes.
async fn read_some<R: AsyncRead + Unpin>(reader: &mut R) -> io::Result<Bytes> {
    poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); READ];
        let mut buf = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *reader).poll_read(cx, &mut buf))?;
        Ok(Bytes::copy_from_slice(buf.filled())).into()
    })
    .await
}

/// The end of the time, once it has begun.
async fn over(linger: &mut Option<Pin<Box<tokio::time::Sleep>>>) {
    match linger {
        Some(linger) => linger.await,
        None => std::future::pending().await,
    }
}

/// Writes what is queued until the queue is closed, and reports how much was taken. `Err(None)`: the peer left the
/// rest unread for too long. `last_words`: was the end in the queue right behind something to write?
async fn write_all<W: AsyncWrite + Unpin>(
    connection: ConnectionId,
    queue: &mut Queue,
    inbox: &mpsc::Sender<Item>,
    writer: &mut W,
    last_words: &mut bool,
) -> Result<(), Option<io::Error>> {
    let mut waiting: VecDeque<Bytes> = VecDeque::new();
    let mut unreported = 0;
    let mut open = true;
    let (mut waited, mut wrote) = (false, false);
    // In a box: an idle connection has no room for it.
    let mut linger = None;
    loop {
        let next = match waiting.pop_front() {
            Some(next) => Some(next),
            None if open => queue.recv_noting(&mut waited).await,
            None => None,
        };
        let Some(mut payload) = next else {
            *last_words = (wrote && !waited) || queue.had_last_words();
            return Ok(());
        };
        if let Some(error) = queue.failure() {
            return Err(Some(error));
        }
        wrote |= !payload.is_empty();
        while !payload.is_empty() {
            tokio::select! {
                biased;
                written = writer.write_buf(&mut payload) => match written {
                    Ok(0) => return Err(Some(io::ErrorKind::WriteZero.into())),
                    Ok(bytes) => unreported += bytes,
                    Err(error) => return Err(Some(error)),
                },
                // While the peer does not read: what else is there to write, and is it the end?
                more = queue.recv(), if open => match more {
                    Some(more) => waiting.push_back(more),
                    None => {
                        open = false;
                        linger = Some(Box::pin(tokio::time::sleep(LINGER)));
                    }
                },
                () = over(&mut linger), if !open => return Err(None),
            }
        }
        queue.written();
        if unreported >= REPORT || (waiting.is_empty() && queue.is_empty()) {
            let bytes = std::mem::take(&mut unreported);
            // A driver that shuts down still wants the rest to be written.
            if let Ok(place) = inbox.reserve().await {
                place.send(Item::from(Input::Sent { connection, bytes }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokio::outbox;

    fn connection() -> Connection {
        let (inbox, _) = mpsc::channel(1);
        let (alive, _) = mpsc::channel(1);
        let (_, queue) = outbox::channel();
        Connection::new(ConnectionId::accepted(1), queue, inbox, alive)
    }

    /// Ten thousand idle connections are ten thousand such tasks: what others need is in boxes.
    #[tokio::test]
    async fn the_task_of_a_connection_without_encryption_is_small() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let remote = listener.local_addr().unwrap();
        let stream = TcpStream::connect(remote).await.unwrap();
        let accepted = connection().run_tcp(Direct::new(stream));
        let connect =
            connection().connect(TransportKind::Tcp, remote, None, None, Settings::default());
        let sizes = (size_of_val(&accepted), size_of_val(&connect));
        assert!(sizes.0 <= 1_088 && sizes.1 <= 1_344, "{sizes:?}");
    }
}
