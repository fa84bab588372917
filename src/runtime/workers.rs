//! Several workers: [`Workers`] reaches all of them, [`WorkerThread`] is one in a thread of its own.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sip_transport::TransportKind;
use tokio::sync::{mpsc, oneshot};

use super::{Handle, State, Stopped, Worker};
use crate::stack::Handed;

/// What may wait to be taken over by one worker; what comes then is dropped and counted.
pub(super) const HANDED: usize = 4096;

/// A way to all workers of a server; cheap to clone. They are numbered from 0, and one alone is the usual case.
#[derive(Clone, Debug)]
pub struct Workers(Arc<[Handle]>);

impl From<Handle> for Workers {
    fn from(handle: Handle) -> Self {
        Self(Arc::new([handle]))
    }
}

impl Workers {
    /// These workers; `None` when there are none.
    pub(crate) fn new(handles: Vec<Handle>) -> Option<Self> {
        (!handles.is_empty()).then(|| Self(handles.into()))
    }

    /// The handles, in the order of their numbers.
    #[must_use]
    pub fn handles(&self) -> &[Handle] {
        &self.0
    }

    /// The first, which also has what there is only one of: the notifier and the probes.
    #[must_use]
    pub fn first(&self) -> &Handle {
        // There is at least one, by construction.
        self.0.first().unwrap_or_else(|| unreachable!())
    }

    /// Runs `command` on every worker, at the same time, and returns what each returned.
    ///
    /// # Errors
    /// [`Stopped`] when one has ended.
    pub async fn run<R: Send + 'static>(
        &self,
        command: impl Fn(&mut State, SystemTime, Instant) -> R + Send + Sync + 'static,
    ) -> Result<Vec<R>, Stopped> {
        let command = Arc::new(command);
        let mut asked = Vec::with_capacity(self.0.len());
        for handle in self.0.iter() {
            let command = Arc::clone(&command);
            asked.push(
                handle
                    .ask(move |state, wall, now| command(state, wall, now))
                    .await?,
            );
        }
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            answers.push(answer.await.map_err(|_| Stopped)?);
        }
        Ok(answers)
    }

    /// As [`Handle::drain`], of all at the same time.
    pub async fn drain(&self, patience: Duration) -> bool {
        let mut waiting = Vec::with_capacity(self.0.len());
        for handle in self.0.iter() {
            waiting.push(handle.begin_drain(patience).await);
        }
        let mut drained = true;
        for receiver in waiting {
            drained &= match receiver {
                Some(receiver) => receiver.await.unwrap_or(false),
                None => false,
            };
        }
        drained
    }

    /// As [`Handle::stop`], of all.
    pub async fn stop(&self) {
        // All are told first, so that none works on for the others.
        for handle in self.0.iter() {
            let _ = handle.run(|state, _, _| state.stopping = true).await;
        }
        for handle in self.0.iter() {
            handle.stop().await;
        }
    }
}

/// The queues by which workers hand over to each other: one for each that it takes from, and all for each to give to.
pub(crate) fn queues(workers: u16) -> (Vec<mpsc::Sender<Handed>>, Vec<mpsc::Receiver<Handed>>) {
    (0..workers).map(|_| mpsc::channel(HANDED)).unzip()
}

/// What a worker counted of what it handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handovers {
    /// Given to other workers.
    pub given: u64,
    /// Taken over from other workers.
    pub taken: u64,
    /// Dropped because the queue of the other worker was full.
    pub dropped: u64,
}

/// A worker in a thread with a runtime of its own, bound and not yet running.
#[derive(Debug)]
pub(crate) struct WorkerThread {
    pub(crate) handle: Handle,
    pub(crate) addresses: Vec<(TransportKind, SocketAddr)>,
    go: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

/// The end of a thread that runs.
#[derive(Debug)]
pub(crate) struct Ended(oneshot::Receiver<()>);

impl Ended {
    /// Has it come? May be polled again after it has.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.0.is_terminated() {
            return Poll::Ready(());
        }
        Pin::new(&mut self.0).poll(context).map(|_dropped| ())
    }
}

impl WorkerThread {
    /// Starts the thread, and binds the sockets within its runtime.
    pub(crate) fn start(
        number: u16,
        bind: impl FnOnce() -> io::Result<(Worker, Handle)> + Send + 'static,
    ) -> io::Result<Self> {
        let (go, begin) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let (bound, is_bound) = std::sync::mpsc::sync_channel(1);
        thread::Builder::new()
            .name(format!("sip-worker-{number}"))
            .spawn(move || {
                // Dropped when the thread ends, however it does.
                let _end: oneshot::Sender<()> = end;
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let runtime = match runtime {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        let _ = bound.send(Err(error));
                        return;
                    }
                };
                runtime.block_on(async {
                    let worker = match bind() {
                        Ok((worker, handle)) => {
                            let _ = bound.send(Ok((handle, worker.addresses())));
                            worker
                        }
                        Err(error) => {
                            let _ = bound.send(Err(error));
                            return;
                        }
                    };
                    if begin.await.is_ok() {
                        worker.run().await;
                    }
                });
            })?;
        let gone = || io::Error::other("the thread of a worker has ended");
        let (handle, addresses) = is_bound.recv().map_err(|_| gone())??;
        Ok(Self {
            handle,
            addresses,
            go,
            ended,
        })
    }

    /// Lets it run.
    pub(crate) fn run(self) -> Ended {
        let _ = self.go.send(());
        Ended(self.ended)
    }
}
