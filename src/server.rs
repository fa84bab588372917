//! [`Server`]: a domain with its registrar and proxy, ready to run.
//!
//! ```no_run
//! use sip_stack::location::Embedded;
//! use sip_stack::message::{Method, StatusCode};
//! use sip_stack::server::{IncomingRequest, Server};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! Server::builder()
//!     .domain("example.com")
//!     .listen("udp:0.0.0.0:5060")?
//!     .store(Embedded::open("sip.redb")?)
//!     .on(Method::Message, |request: IncomingRequest| async move { request.respond(StatusCode::OK).await })
//!     .build()
//!     .await?
//!     .run()
//!     .await?;
//! # Ok(())
//! # }
//! ```

mod builder;
mod handler;
mod inherited;
mod listen;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use sip_transport::TransportKind;

pub use self::builder::{BuildError, ServerBuilder};
pub use self::handler::IncomingRequest;
pub use self::listen::ListenError;
use crate::domain::Domains;
use crate::runtime::{Ended, Handle, Worker, WorkerThread, Workers};

/// A server whose sockets are bound; see [`builder`](Self::builder), and the [module](self) for an example.
#[derive(Debug)]
pub struct Server {
    bound: Bound,
    workers: Workers,
    domains: Domains,
    moved: Option<(u16, u16)>,
    patience: Duration,
    on_drain: Option<OnDrain>,
}

/// Its workers, before they run.
#[derive(Debug)]
enum Bound {
    /// One, in the runtime of whoever runs the server.
    Here(Box<Worker>),
    /// Several, each in a thread and a runtime of its own.
    Threads(Vec<WorkerThread>),
}

/// The workers while they run.
enum Running {
    Here(tokio::task::JoinHandle<()>),
    Threads(Vec<Ended>),
}

impl Running {
    fn begin(bound: Bound) -> Self {
        match bound {
            Bound::Here(worker) => Self::Here(tokio::spawn(worker.run())),
            Bound::Threads(threads) => {
                Self::Threads(threads.into_iter().map(WorkerThread::run).collect())
            }
        }
    }

    /// Waits until one has ended.
    async fn any_ended(&mut self) {
        match self {
            Self::Here(running) => {
                let _ = running.await;
            }
            Self::Threads(threads) => {
                std::future::poll_fn(|context| {
                    let is_ended = |one: &mut Ended| one.poll(context).is_ready();
                    if threads.iter_mut().any(is_ended) {
                        std::task::Poll::Ready(())
                    } else {
                        std::task::Poll::Pending
                    }
                })
                .await;
            }
        }
    }

    /// Waits until all have ended, who were told to.
    async fn all_ended(self) {
        match self {
            // How it ended makes no difference now.
            Self::Here(running) => {
                let _ = running.await;
            }
            Self::Threads(threads) => {
                for mut thread in threads {
                    std::future::poll_fn(|context| thread.poll(context)).await;
                }
            }
        }
    }
}

/// Called when a server begins to end.
struct OnDrain(Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for OnDrain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnDrain(..)")
    }
}

/// Why a server stopped that was not told to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Its worker ended.
    #[error("the worker of the server ended unexpectedly")]
    WorkerEnded,
    /// The signals that end it cannot be waited for.
    #[error("signals cannot be waited for: {0}")]
    Signals(String),
}

/// Would [`ServerBuilder::listen`] take this text?
///
/// # Errors
/// Why not.
pub fn check_place(text: &str) -> Result<(), ListenError> {
    listen::Place::parse(text).map(|_| ())
}

impl Server {
    /// Begins to describe a server.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// Where it is reached.
    #[must_use]
    pub fn addresses(&self) -> Vec<(TransportKind, SocketAddr)> {
        match &self.bound {
            Bound::Here(worker) => worker.addresses(),
            // All have the same.
            Bound::Threads(threads) => threads
                .first()
                .map_or_else(Vec::new, |thread| thread.addresses.clone()),
        }
    }

    /// The domain with its names and addresses.
    #[must_use]
    pub const fn domains(&self) -> &Domains {
        &self.domains
    }

    /// The port that was asked for and was taken, and the one that was found instead
    /// ([`ServerBuilder::or_free_port`]).
    #[must_use]
    pub const fn moved_from(&self) -> Option<(u16, u16)> {
        self.moved
    }

    /// Calls this once when the server was told to end and begins to drain.
    #[must_use]
    pub fn on_drain(mut self, call: impl FnOnce() + Send + 'static) -> Self {
        self.on_drain = Some(OnDrain(Box::new(call)));
        self
    }

    /// A way to the running worker, or to the first of several: to look into it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.workers.first().clone()
    }

    /// A way to all workers.
    #[must_use]
    pub fn workers(&self) -> Workers {
        self.workers.clone()
    }

    /// Serves until the process gets SIGINT (Ctrl-C) or SIGTERM, then ends as [`run_until`](Self::run_until) says.
    ///
    /// # Errors
    /// When the worker ends by itself.
    pub async fn run(self) -> Result<(), RunError> {
        self.run_or(std::future::pending()).await
    }

    /// As [`run`](Self::run), and ends as well when the future is ready.
    ///
    /// # Errors
    /// When the worker ends by itself.
    pub async fn run_or(self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        // Before anything else runs, so that a signal that comes early is not lost.
        let signals = Signals::new().map_err(|error| RunError::Signals(error.to_string()))?;
        self.run_until(async {
            tokio::select! {
                () = signals.wait() => {}
                () = stop => {}
            }
        })
        .await
    }

    /// Serves until the future is ready. Then nothing new is begun (503 with Retry-After), what runs gets its end within
    /// a bound, and the sockets are closed.
    ///
    /// # Errors
    /// When the worker ends by itself.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let Self {
            bound,
            workers,
            patience,
            on_drain,
            ..
        } = self;
        let mut running = Running::begin(bound);
        tokio::select! {
            () = running.any_ended() => {
                // The others would go on with a share of the work that nobody does.
                workers.stop().await;
                return Err(RunError::WorkerEnded);
            }
            () = stop => {}
        }
        tracing::info!("draining");
        if let Some(OnDrain(call)) = on_drain {
            call();
        }
        if !workers.drain(patience).await {
            tracing::warn!(?patience, "some transactions did not end in time");
        }
        workers.stop().await;
        running.all_ended().await;
        Ok(())
    }
}

/// The signals that end a server.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn wait(self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;
