//! The worker: one task that owns a [`Stack`] and its sockets, and shares neither.
//!
//! Everything that enters comes through one of three doors: the sockets, the answers of stores, and commands from handles. Store
//! look-ups run as tasks beside the worker, so that a slow disk never delays a packet.

mod hub;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sip_transport::tokio::{Bound, Driver, Listen};
use tokio::sync::{mpsc, oneshot};

pub use hub::{Answered, Hub, Incoming, IncomingRequest, Tracer};

use crate::auth::CredentialStore;
use crate::location::LocationStore;
use crate::role::{Answer, Need, StoreError};
use crate::stack::{Asker, Input, Output, Parts, Stack};

/// Commands that may wait: an application that asks for more at once waits itself.
const COMMANDS: usize = 1024;
/// Answers of stores that may wait; as many look-ups run at once, and no more.
const LOOKUPS: usize = 16_384;

/// The stores that a worker asks.
#[derive(Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "the caller names every store")]
pub struct Services {
    /// Where bindings are kept.
    pub location: Option<Arc<dyn LocationStore>>,
    /// Where credentials are kept.
    pub credentials: Option<Arc<dyn CredentialStore>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services")
            .field("location", &self.location.is_some())
            .field("credentials", &self.credentials.is_some())
            .finish()
    }
}

/// What a command works on.
#[derive(Debug)]
pub struct State {
    /// The composed machine.
    pub stack: Stack,
    /// Who waits for what.
    pub hub: Hub,
    bound: Vec<Bound>,
    stopping: bool,
    watch: Option<(Instant, oneshot::Sender<bool>)>,
}

impl State {
    /// The sockets.
    #[must_use]
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }
}

type Command = Box<dyn FnOnce(&mut State, SystemTime, Instant) + Send>;

/// A way to the worker; cheap to clone. The worker ends when the last one is gone.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

/// The worker has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stack has stopped")]
#[non_exhaustive]
pub struct Stopped;

impl Handle {
    /// Runs `command` on the worker and returns what it returns. It must not block: nothing else happens meanwhile.
    ///
    /// # Errors
    /// [`Stopped`] when the worker has ended.
    pub async fn run<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut State, SystemTime, Instant) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        let (sender, receiver) = oneshot::channel();
        let boxed: Command =
            Box::new(move |state, wall, now| drop(sender.send(command(state, wall, now))));
        self.commands.send(boxed).await.map_err(|_| Stopped)?;
        receiver.await.map_err(|_| Stopped)
    }

    /// Runs `command` on the worker some time soon; for clean-up from a `Drop`. A worker that is too busy does not get it.
    pub fn post(&self, command: impl FnOnce(&mut State, SystemTime, Instant) + Send + 'static) {
        let _ = self.commands.try_send(Box::new(command));
    }

    /// Refuses what begins from now on, and waits until no transaction is waiting for its answer, at most for `patience`.
    /// Returns whether that came about.
    pub async fn drain(&self, patience: Duration) -> bool {
        let (sender, receiver) = oneshot::channel();
        let begun = self
            .run(move |state, _, now| {
                state.stack.drain(Duration::from_secs(5));
                state.watch = Some((now + patience, sender));
            })
            .await;
        begun.is_ok() && receiver.await.unwrap_or(false)
    }

    /// Ends the worker: what is queued for the sockets is sent, connections are closed.
    pub async fn stop(&self) {
        let _ = self.run(|state, _, _| state.stopping = true).await;
        self.commands.closed().await;
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Worker {
    state: State,
    driver: Driver,
    services: Services,
    commands: mpsc::Receiver<Command>,
    answers: mpsc::Receiver<(Asker, Answer)>,
    /// For the tasks that ask the stores.
    answer: mpsc::Sender<(Asker, Answer)>,
}

impl Worker {
    /// Binds the sockets and composes the stack; nothing happens before [`Self::run`].
    ///
    /// # Errors
    /// A socket cannot be bound; the error names the address.
    pub fn bind(
        listen: &[Listen],
        parts: Parts,
        hub: Hub,
        services: Services,
    ) -> io::Result<(Self, Handle)> {
        let (driver, bound) = Driver::bind(listen)?;
        let mut stack = Stack::new(parts);
        for socket in &bound {
            stack.add_listener(socket.listener, socket.kind, socket.local);
        }
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (answer, answers) = mpsc::channel(LOOKUPS);
        let state = State {
            stack,
            hub,
            bound,
            stopping: false,
            watch: None,
        };
        let worker = Self {
            state,
            driver,
            services,
            commands,
            answers,
            answer,
        };
        Ok((worker, Handle { commands: sender }))
    }

    /// Secures connections with these certificates.
    pub fn use_tls(&mut self, tls: sip_transport::tokio::tls::Tls) {
        self.driver.use_tls(tls);
    }

    /// Resolves names with this resolver; it should be the same for all workers.
    pub fn use_resolver(&mut self, resolver: sip_transport::tokio::Resolver) {
        self.driver.use_resolver(resolver);
    }

    /// Restricts who may open WebSockets to pages of these origins (RFC 6455 §10.2).
    pub fn allow_origins(&mut self, origins: Option<&[&str]>) {
        self.driver.allow_origins(origins);
    }

    /// Where the sockets are bound.
    #[must_use]
    pub fn addresses(&self) -> Vec<(sip_transport::TransportKind, SocketAddr)> {
        self.state
            .bound
            .iter()
            .map(|socket| (socket.kind, socket.local))
            .collect()
    }

    /// Works until [`Handle::stop`], or until the last handle is gone.
    pub async fn run(mut self) {
        let mut inputs = Vec::new();
        while !self.state.stopping {
            let deadline = match (self.state.stack.poll_timeout(), &self.state.watch) {
                (Some(timeout), Some((until, _))) => Some(timeout.min(*until)),
                (timeout, watch) => timeout.or_else(|| watch.as_ref().map(|(until, _)| *until)),
            };
            tokio::select! {
                biased;
                () = self.driver.recv(&mut inputs) => {
                    let (wall, now) = (SystemTime::now(), Instant::now());
                    for input in inputs.drain(..) {
                        self.state.stack.handle_input(Input::Io(input), wall, now);
                    }
                }
                Some((asker, answer)) = self.answers.recv() => {
                    self.state.stack.handle_input(Input::Answer { asker, answer }, SystemTime::now(), Instant::now());
                }
                command = self.commands.recv() => match command {
                    Some(command) => command(&mut self.state, SystemTime::now(), Instant::now()),
                    None => break,
                },
                () = until(deadline) => self.state.stack.handle_timeout(SystemTime::now(), Instant::now()),
            }
            self.execute();
            self.watch();
        }
        // The handles learn of the end when the commands' receiver is dropped: after the last word has been written.
        self.driver.shutdown().await;
    }

    /// Executes everything that the stack wants done. What the hub answers at once may want more.
    fn execute(&mut self) {
        while let Some(output) = self.state.stack.poll_output() {
            match output {
                Output::Io(output) => self.driver.execute(output),
                Output::Need { asker, need } => self.look_up(asker, need),
                other => self.state.hub.take(
                    other,
                    &mut self.state.stack,
                    SystemTime::now(),
                    Instant::now(),
                ),
            }
        }
    }

    fn look_up(&mut self, asker: Asker, need: Need) {
        // The permit bounds how many look-ups run: without one the store is too slow, which is an answer.
        let Ok(permit) = self.answer.clone().try_reserve_owned() else {
            tracing::warn!("{LOOKUPS} look-ups are waiting for the store");
            let input = Input::Answer {
                asker,
                answer: refused(&need),
            };
            self.state
                .stack
                .handle_input(input, SystemTime::now(), Instant::now());
            return;
        };
        let services = self.services.clone();
        tokio::spawn(async move {
            let answer = ask(&services, need).await;
            permit.send((asker, answer));
        });
    }

    fn watch(&mut self) {
        let Some((until, _)) = &self.state.watch else {
            return;
        };
        let drained = self.state.stack.is_drained();
        if (drained || Instant::now() >= *until)
            && let Some((_, sender)) = self.state.watch.take()
        {
            let _ = sender.send(drained);
        }
    }
}

/// The answer to a question that cannot be put.
const fn refused(need: &Need) -> Answer {
    match need {
        Need::Lookup { .. } => Answer::Bindings(Err(StoreError::Busy)),
        Need::Update { .. } => Answer::Updated(Err(StoreError::Busy)),
        Need::Credential { .. } => Answer::Credential(Err(StoreError::Busy)),
        Need::SelectFlow { .. } => Answer::Flows(Err(sip_transport::SelectError::Limit)),
        Need::FlowToken { .. } => Answer::FlowToken(None),
    }
}

async fn ask(services: &Services, need: Need) -> Answer {
    let wall = SystemTime::now();
    match need {
        Need::Lookup { aor } => Answer::Bindings(match &services.location {
            Some(store) => store.lookup(&aor, wall).await,
            None => Ok(Vec::new()),
        }),
        Need::Update { aor, update } => Answer::Updated(match &services.location {
            Some(store) => store.update(&aor, update, wall).await,
            None => Err(StoreError::Busy),
        }),
        Need::Credential { username, realm } => Answer::Credential(match &services.credentials {
            Some(store) => store.credential(&username, &realm).await,
            None => Ok(None),
        }),
        // The stack asks its own transport layer; these two never leave it.
        Need::SelectFlow { .. } => Answer::Flows(Err(sip_transport::SelectError::NoRoute)),
        Need::FlowToken { .. } => Answer::FlowToken(None),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
