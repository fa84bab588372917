//! The worker: one task that owns a [`Stack`] and its sockets, and shares neither.
//!
//! Everything that enters comes through one of three doors: the sockets, the answers of stores, and commands from handles. Store
//! look-ups run as tasks beside the worker, so that a slow disk never delays a packet.

mod asked;
mod busy;
mod hub;
mod watch;
mod workers;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sip_transport::tokio::{Bound, Driver, Inherited, Listen};
use tokio::sync::{mpsc, oneshot};

pub use hub::{Answered, Hub, Incoming, IncomingRequest, Tracer};
pub use watch::{Watch, Watchers};
pub(crate) use workers::{Ended, WorkerThread, queues};
pub use workers::{Handovers, Workers};

use self::asked::Asked;
use self::busy::Busy;
use crate::auth::CredentialStore;
use crate::identity::CertificateStore;
use crate::location::{LocationStore, Notice, Replies, Reply, StoreError, Watcher};
use crate::role::{Answer, Need};
use crate::stack::{Asker, Handed, Histogram, Input, Output, Parts, Stack};

/// Commands that may wait: an application that asks for more at once waits itself.
const COMMANDS: usize = 1024;
/// Answers of stores that may wait; as many look-ups run at once, and no more.
const LOOKUPS: usize = 16_384;
/// Answers of stores taken up in one turn.
const ANSWERS: usize = 256;
/// Commands carried out in one turn.
const TURN_COMMANDS: usize = 16;
/// Messages of other workers taken over in one turn.
const TURN_HANDED: usize = 256;
/// What the driver takes from connections in one turn.
const INPUTS: usize = 256;

/// The stores that a worker asks.
#[derive(Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "the caller names every store")]
pub struct Services {
    /// Where bindings are kept.
    pub location: Option<Arc<dyn LocationStore>>,
    /// Where credentials are kept.
    pub credentials: Option<Arc<dyn CredentialStore>>,
    /// Who is asked for the records of numbers (ENUM); without one, numbers have none.
    pub resolver: Option<sip_transport::tokio::Resolver>,
    /// Where certificates of signed callers come from; without one, none can be had.
    pub certificates: Option<Arc<dyn CertificateStore>>,
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
    driver: sip_transport::tokio::DriverStats,
    queues: Queues,
    store: StoreTimes,
    handovers: Handovers,
    stopping: bool,
    watch: Option<(Instant, oneshot::Sender<bool>)>,
}

impl State {
    /// The sockets.
    #[must_use]
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// What the sockets counted, as of the last turn of the worker.
    #[must_use]
    pub const fn driver(&self) -> sip_transport::tokio::DriverStats {
        self.driver
    }

    /// How full the queues are, as of the last turn.
    #[must_use]
    pub const fn queues(&self) -> Queues {
        self.queues
    }

    /// What went to other workers and came from them.
    #[must_use]
    pub const fn handovers(&self) -> Handovers {
        self.handovers
    }

    /// How long the stores took. What they knew at once counts as no time.
    #[must_use]
    pub fn store_times(&self) -> StoreTimes {
        let at_once = self.stack.answered_at_once();
        let mut times = self.store.clone();
        for (histogram, count) in [
            (&mut times.lookup, at_once.lookups),
            (&mut times.update, at_once.updates),
            (&mut times.credential, at_once.credentials),
        ] {
            let [shortest, ..] = &mut histogram.counts;
            *shortest += count;
        }
        times
    }
}

/// How much waits before the worker, and how much may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queues {
    /// What connections and the name system have brought.
    pub inbox: (usize, usize),
    /// Commands of handles.
    pub commands: (usize, usize),
    /// Questions that stores are working on, with the answers that wait to be taken up.
    pub lookups: (usize, usize),
    /// What other workers have handed over; both zero when there is one worker.
    pub handed: (usize, usize),
}

/// How long stores took to answer.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StoreTimes {
    /// Bindings read.
    pub lookup: Histogram,
    /// Bindings changed, and made to last.
    pub update: Histogram,
    /// Hashes of users.
    pub credential: Histogram,
}

impl StoreTimes {
    fn record(&mut self, answer: &Answer, took: Duration) {
        match answer {
            Answer::Bindings(_) => self.lookup.record(took),
            Answer::Updated(_) => self.update.record(took),
            Answer::Credential(_) => self.credential.record(took),
            Answer::Flows(_)
            | Answer::FlowToken(_)
            | Answer::Rewrites(_)
            | Answer::Certificates(_) => {}
        }
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
        self.ask(command).await?.await.map_err(|_| Stopped)
    }

    /// As [`run`](Self::run), and does not wait for the answer.
    async fn ask<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut State, SystemTime, Instant) -> R + Send + 'static,
    ) -> Result<oneshot::Receiver<R>, Stopped> {
        let (sender, receiver) = oneshot::channel();
        let boxed: Command =
            Box::new(move |state, wall, now| drop(sender.send(command(state, wall, now))));
        self.commands.send(boxed).await.map_err(|_| Stopped)?;
        Ok(receiver)
    }

    /// Runs `command` on the worker some time soon; for clean-up from a `Drop`. A worker that is too busy does not get it.
    pub fn post(&self, command: impl FnOnce(&mut State, SystemTime, Instant) + Send + 'static) {
        let _ = self.commands.try_send(Box::new(command));
    }

    /// Refuses what begins from now on, and waits until no transaction is waiting for its answer, at most for `patience`.
    /// Returns whether that came about.
    pub async fn drain(&self, patience: Duration) -> bool {
        match self.begin_drain(patience).await {
            Some(receiver) => receiver.await.unwrap_or(false),
            None => false,
        }
    }

    async fn begin_drain(&self, patience: Duration) -> Option<oneshot::Receiver<bool>> {
        let (sender, receiver) = oneshot::channel();
        let begun = self
            .run(move |state, _, now| {
                state.stack.drain(Duration::from_secs(5));
                state.watch = Some((now + patience, sender));
            })
            .await;
        begun.ok().map(|()| receiver)
    }

    /// Ends the worker: what is queued for the sockets is sent, connections are closed.
    pub async fn stop(&self) {
        let _ = self.run(|state, _, _| state.stopping = true).await;
        self.commands.closed().await;
    }
}

/// An answer, for whom it is, and how long it took.
type StoreAnswer = (Asker, Answer, Duration);

/// See the [module](self).
#[derive(Debug)]
pub struct Worker {
    state: State,
    driver: Driver,
    services: Services,
    /// Where the changes of watched bindings come from, if the store tells them.
    changes: Option<Watcher>,
    commands: mpsc::Receiver<Command>,
    answers: mpsc::Receiver<StoreAnswer>,
    /// For the tasks that ask the stores.
    answer: mpsc::Sender<StoreAnswer>,
    /// Where a store that answers many at a time puts its answers.
    replies: Replies,
    /// Those that were taken from there, from the last to the first.
    taken: Vec<Reply>,
    busy: Busy,
    /// What other workers hand over, and where to hand over to them, by their numbers.
    handed: Option<mpsc::Receiver<Handed>>,
    neighbours: Vec<mpsc::Sender<Handed>>,
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
        Self::bind_inherited(listen, Vec::new(), parts, hub, services)
    }

    /// The same; the places for which there is a socket in the list get that one.
    ///
    /// # Errors
    /// As above, and when one in the list is for no place.
    pub fn bind_inherited(
        listen: &[Listen],
        inherited: Vec<Inherited>,
        parts: Parts,
        hub: Hub,
        services: Services,
    ) -> io::Result<(Self, Handle)> {
        let (driver, bound) = Driver::bind_inherited(listen, inherited)?;
        let mut stack = Stack::new(parts);
        stack.use_stores(services.location.clone(), services.credentials.clone());
        for socket in &bound {
            stack.add_listener(socket.listener, socket.kind, socket.local);
        }
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (answer, answers) = mpsc::channel(LOOKUPS);
        let replies = Replies::new(LOOKUPS);
        stack.use_replies(replies.clone());
        let state = State {
            stack,
            hub,
            bound,
            driver: sip_transport::tokio::DriverStats::default(),
            queues: Queues::default(),
            store: StoreTimes::default(),
            handovers: Handovers::default(),
            stopping: false,
            watch: None,
        };
        let changes = services
            .location
            .as_ref()
            .and_then(|store| store.feed())
            .map(|feed| feed.watcher());
        let worker = Self {
            state,
            driver,
            services,
            changes,
            commands,
            answers,
            answer,
            replies,
            taken: Vec::new(),
            busy: Busy::default(),
            handed: None,
            neighbours: Vec::new(),
        };
        Ok((worker, Handle { commands: sender }))
    }

    /// The stack, before it runs.
    pub const fn stack_mut(&mut self) -> &mut Stack {
        &mut self.state.stack
    }

    /// Makes it one of several, whose stacks have been told their [place](crate::stack::Place): it takes over from one queue and
    /// hands over to the others, by number.
    pub(crate) fn join(
        &mut self,
        handed: mpsc::Receiver<Handed>,
        neighbours: Vec<mpsc::Sender<Handed>>,
    ) {
        self.handed = Some(handed);
        self.neighbours = neighbours;
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
        let mut turn = Duration::ZERO;
        // Since when this worker has waited.
        let mut idle = None;
        while !self.state.stopping {
            let deadline = match (self.state.stack.poll_timeout(), &self.state.watch) {
                (Some(timeout), Some((until, _))) => Some(timeout.min(*until)),
                (timeout, watch) => timeout.or_else(|| watch.as_ref().map(|(until, _)| *until)),
            };
            let begun;
            tokio::select! {
                biased;
                () = self.driver.recv(&mut inputs) => {
                    let (wall, now) = (SystemTime::now(), Instant::now());
                    begun = now;
                    self.measure(turn, now);
                    for input in inputs.drain(..) {
                        self.state.stack.handle_input(Input::Io(input), wall, now);
                    }
                }
                Some(answer) = self.answers.recv() => {
                    begun = Instant::now();
                    self.take_up(answer);
                }
                () = next_reply(&self.taken, &self.replies) => begun = Instant::now(),
                handed = next_handed(&mut self.handed) => {
                    begun = Instant::now();
                    self.take_over(handed, begun);
                }
                notice = next_change(&mut self.changes) => {
                    begun = Instant::now();
                    self.state.stack.handle_input(Input::Changed(notice), SystemTime::now(), begun);
                }
                command = self.commands.recv() => match command {
                    Some(command) => {
                        begun = Instant::now();
                        command(&mut self.state, SystemTime::now(), begun);
                    }
                    None => break,
                },
                () = until(deadline) => {
                    begun = Instant::now();
                    self.state.stack.handle_timeout(SystemTime::now(), begun);
                }
                // The last to be asked: there is nothing to do.
                never = waits(&mut idle) => match never {},
            }
            if let Some(since) = idle.take() {
                self.busy.waited(begun.saturating_duration_since(since));
            }
            self.catch_up();
            self.execute();
            self.state.stack.flush_stores();
            self.watch();
            turn = begun.elapsed();
        }
        // The handles learn of the end when the commands' receiver is dropped: after the last word has been written.
        self.driver.shutdown().await;
    }

    /// Sockets that are never empty must not keep the rest waiting: every turn takes up some answers and commands, and fires
    /// the timers that are due.
    fn catch_up(&mut self) {
        if let Some(notice) = self.changes.as_ref().and_then(Watcher::try_next) {
            let (wall, now) = (SystemTime::now(), Instant::now());
            self.state
                .stack
                .handle_input(Input::Changed(notice), wall, now);
        }
        for _ in 0..TURN_HANDED {
            let Some(Ok(handed)) = self.handed.as_mut().map(mpsc::Receiver::try_recv) else {
                break;
            };
            self.take_over(handed, Instant::now());
        }
        for _ in 0..ANSWERS {
            let Ok(answer) = self.answers.try_recv() else {
                break;
            };
            self.take_up(answer);
        }
        self.take_replies();
        for _ in 0..TURN_COMMANDS {
            let Ok(command) = self.commands.try_recv() else {
                break;
            };
            command(&mut self.state, SystemTime::now(), Instant::now());
        }
        let now = Instant::now();
        let timeout = self.state.stack.poll_timeout();
        if timeout.is_some_and(|timeout| timeout <= now) {
            self.state.stack.handle_timeout(SystemTime::now(), now);
        }
    }

    fn take_over(&mut self, handed: Handed, now: Instant) {
        self.state.handovers.taken += 1;
        let input = Input::Handed(handed);
        self.state.stack.handle_input(input, SystemTime::now(), now);
    }

    /// Nobody waits for another worker: what its queue does not take is lost, and counted.
    fn hand_over(&mut self, worker: u16, handed: Handed) {
        let Some(neighbour) = self.neighbours.get(usize::from(worker)) else {
            return;
        };
        match neighbour.try_send(handed) {
            Ok(()) => self.state.handovers.given += 1,
            Err(
                mpsc::error::TrySendError::Full(handed) | mpsc::error::TrySendError::Closed(handed),
            ) => {
                self.state.handovers.dropped += 1;
                if let Some(lost) = handed.lost(worker) {
                    let input = Input::Handed(lost);
                    let (wall, now) = (SystemTime::now(), Instant::now());
                    self.state.stack.handle_input(input, wall, now);
                }
            }
        }
    }

    fn take_up(&mut self, (asker, answer, took): StoreAnswer) {
        self.state.store.record(&answer, took);
        self.state.stack.handle_input(
            Input::Answer { asker, answer },
            SystemTime::now(),
            Instant::now(),
        );
    }

    /// Takes up what a store has answered together.
    fn take_replies(&mut self) {
        if self.taken.is_empty() {
            if self.replies.expected() == 0 {
                return;
            }
            self.replies.take(&mut self.taken);
            self.taken.reverse();
        }
        let left = self.taken.len().saturating_sub(ANSWERS);
        if left == self.taken.len() {
            return;
        }
        let (wall, now) = (SystemTime::now(), Instant::now());
        let State { stack, store, .. } = &mut self.state;
        let replies = self.taken.drain(left..).rev().map(|reply| {
            let took = now.saturating_duration_since(reply.begun);
            store.update.record(took);
            (reply.number, reply.answer)
        });
        stack.replied(replies, wall, now);
    }

    /// How long did the oldest of what was just received wait? Datagrams are stamped by the system; what connections brought
    /// waits at least a turn of the worker for each batch that is still to be taken.
    fn measure(&mut self, turn: Duration, now: Instant) {
        let guard = self.state.stack.guard();
        let is_controlled = guard.is_some_and(|guard| guard.overload().is_on());
        self.driver.stamp_arrivals(is_controlled);
        // Then what sending costs counts for more than what captures on this host show.
        let is_refusing = guard.is_some_and(|guard| !guard.overload().takes_all());
        let is_busy = self.busy.is_busy(now);
        self.driver.merge_datagrams(is_busy || is_refusing);
        self.state.driver = self.driver.stats();
        let inbox = self.driver.backlog();
        self.state.queues = Queues {
            inbox,
            commands: (self.commands.len(), COMMANDS),
            lookups: (
                LOOKUPS - self.answer.capacity() + self.replies.expected(),
                LOOKUPS,
            ),
            handed: match &self.handed {
                Some(handed) => (handed.len(), handed.max_capacity()),
                None => (0, 0),
            },
        };
        let batches = u32::try_from(inbox.0.div_ceil(INPUTS)).unwrap_or(u32::MAX);
        let behind = turn.saturating_mul(batches);
        let delay = self.state.driver.queue_delay.max(behind);
        self.state.stack.waited(delay, now);
    }

    /// Executes everything that the stack wants done. What the hub answers at once may want more.
    fn execute(&mut self) {
        self.state
            .stack
            .tell_roles(tracing::enabled!(tracing::Level::DEBUG));
        while let Some(output) = self.state.stack.poll_output() {
            match output {
                Output::Io(output) => self.driver.execute(output),
                Output::Need { asker, need } => self.look_up(asker, need),
                Output::Watch { aor, is_watched } => match &self.changes {
                    Some(changes) if is_watched => changes.watch(aor),
                    Some(changes) => changes.unwatch(&aor),
                    None => {}
                },
                Output::HandOver { worker, handed } => self.hand_over(worker, handed),
                // The hub needs the time for others than these.
                Output::Role(event) => tracing::debug!(?event, "role"),
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
        let begun = Instant::now();
        let store = self.services.location.as_ref();
        let need = match (need, store.and_then(|store| store.queued())) {
            (Need::Update { aor, update }, Some(store)) => {
                let Some(reply) = self.replies.reply(asker.number(), begun) else {
                    tracing::warn!("{LOOKUPS} look-ups are waiting for the store");
                    let answer = Answer::Updated(Err(StoreError::Busy));
                    self.take_up((asker, answer, begun.elapsed()));
                    return;
                };
                store.submit(aor, update, SystemTime::now(), reply);
                self.state.stack.store_was_asked();
                return;
            }
            (need, _) => need,
        };
        let mut asked = Asked::put(&self.services, need, SystemTime::now());
        if let Some(answer) = asked.now() {
            self.take_up((asker, answer, begun.elapsed()));
            return;
        }
        // The permit bounds how many look-ups run: without one the store is too slow, which is an answer.
        let Ok(permit) = self.answer.clone().try_reserve_owned() else {
            tracing::warn!("{LOOKUPS} look-ups are waiting for the store");
            self.take_up((asker, asked.busy(), begun.elapsed()));
            return;
        };
        tokio::spawn(async move {
            let answer = asked.await;
            permit.send((asker, answer, begun.elapsed()));
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

async fn next_change(changes: &mut Option<Watcher>) -> Notice {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}

async fn next_reply(taken: &[Reply], replies: &Replies) {
    if taken.is_empty() {
        replies.ready().await;
    }
}

async fn next_handed(handed: &mut Option<mpsc::Receiver<Handed>>) -> Handed {
    let next = match handed {
        Some(handed) => handed.recv().await,
        None => None,
    };
    match next {
        Some(handed) => handed,
        // Every worker has a sender of every queue, its own too, so this is a worker alone.
        None => std::future::pending().await,
    }
}

/// Notes when a worker begins to wait, and is never ready.
async fn waits(since: &mut Option<Instant>) -> Infallible {
    since.get_or_insert_with(Instant::now);
    std::future::pending().await
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
