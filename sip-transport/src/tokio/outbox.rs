//! What waits to be written on one connection.

use std::future::poll_fn;

use bytes::Bytes;
use tokio::sync::mpsc;

/// Where the driver puts what a connection is to write; the core bounds it. When it is dropped the connection closes.
///
/// In boxes, because the channel keeps room for 32 items even while it is empty: a box is a fourth of what is in it, and
/// most connections write now and then.
#[derive(Debug)]
pub(super) struct Outbox(mpsc::UnboundedSender<Box<Bytes>>);

/// The other end.
#[derive(Debug)]
pub(super) struct Queue(mpsc::UnboundedReceiver<Box<Bytes>>);

pub(super) fn channel() -> (Outbox, Queue) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Outbox(sender), Queue(receiver))
}

impl Outbox {
    /// Puts something in. If the connection has ended its last word is on its way, and this is dropped.
    pub(super) fn send(&self, payload: Bytes) {
        let _ended = self.0.send(Box::new(payload));
    }
}

impl Queue {
    /// Takes the next; `None` when the outbox is dropped and empty. Dropping the future loses nothing.
    pub(super) async fn recv(&mut self) -> Option<Bytes> {
        self.0.recv().await.map(|payload| *payload)
    }

    /// [`recv`](Self::recv), which says whether it had to wait.
    pub(super) async fn recv_noting(&mut self, waited: &mut bool) -> Option<Bytes> {
        *waited = false;
        let payload = poll_fn(|cx| {
            let polled = self.0.poll_recv(cx);
            *waited |= polled.is_pending();
            polled
        });
        payload.await.map(|payload| *payload)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
