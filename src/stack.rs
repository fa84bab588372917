//! The composed machine: transport, transactions, dialogs and roles behind the four verbs of every layer.
//!
//! [`Stack`] owns one of each layer and moves what comes up and what goes down between them, in one place: its `settle` loop.
//! It opens no socket and reads no clock; [`crate::runtime`] drives it with both, a test drives it with neither.

mod counts;
mod failover;
mod guarding;
mod handover;
#[cfg(feature = "__judge")]
mod judge;
mod latency;
mod live;
mod tap;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use sip_dialog::Dialogs;
use sip_message::{BoxedMessage, HeaderName, Message, Method, Request, Response, StatusCode, Uri};
use sip_transaction::{Gone, ServerTransactionId, TransactionLayer as _, Transactions};
use sip_transport::{
    Flow, FlowId, ListenerId, SelectError, SelectId, Target, TransportKind, Transports,
};

pub use self::counts::Counts;
pub use self::handover::{Handed, MAX_WORKERS, Place};
pub use self::latency::{Histogram, Latencies, LatencyRole};
pub use self::live::Live;
pub use self::tap::{TapFilter, TapId, Tapped};
use crate::domain::Aor;
use crate::guard::Guard;
use crate::identity::Peers;
use crate::location::Notice;
use crate::role::events::Events;
use crate::role::probe::Probes;
use crate::role::proxy::Proxy;
use crate::role::registrar::Registrar;
use crate::role::stateless::Stateless;
use crate::role::{self, Answer, Need, Token};

/// What arrives at a stack.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the boundary to drivers")]
pub enum Input {
    /// From the sockets.
    Io(sip_transport::Input),
    /// The answer to an [`Output::Need`].
    Answer {
        /// Who asked.
        asker: Asker,
        /// The answer.
        answer: Answer,
    },
    /// The bindings of an address of record that is watched have changed.
    Changed(Notice),
    /// Another worker has handed this over.
    Handed(Handed),
}

/// What a stack wants done, in this order.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver that ignores a variant must not compile"
)]
pub enum Output {
    /// For the sockets; never [`sip_transport::Output::Event`].
    Io(sip_transport::Output),
    /// A question to a store; answered with [`Input::Answer`].
    Need {
        /// Whom the answer is for.
        asker: Asker,
        /// The question.
        need: Need,
    },
    /// Something that the user agent's application wants to know.
    Dialog(sip_dialog::Event),
    /// A user agent is challenged; answered with [`Stack::credentials`].
    Authenticate {
        /// Names the question.
        token: sip_dialog::Token,
        /// Whose credentials are wanted.
        account: sip_dialog::AccountKey,
        /// Who wants them.
        realm: String,
    },
    /// A request for the application's handlers; answered with [`Stack::respond`].
    Request {
        /// Its transaction.
        id: ServerTransactionId,
        /// The request.
        request: Box<Request>,
        /// How it arrived.
        flow: Flow,
    },
    /// The answer to [`Stack::select`].
    Selected {
        /// Which selection.
        id: SelectId,
        /// The flows, best first.
        result: Result<Vec<Flow>, SelectError>,
    },
    /// A flow that was [kept alive](Stack::keep_alive) failed.
    FlowLost {
        /// Which.
        flow: FlowId,
    },
    /// Changes of the bindings of this address of record are to be told by [`Input::Changed`], or not any more.
    Watch {
        /// Whose.
        aor: Aor,
        /// Which of the two.
        is_watched: bool,
    },
    /// Something for another worker, whose stack takes it as [`Input::Handed`]; never, when there is one alone.
    HandOver {
        /// Which.
        worker: u16,
        /// What.
        handed: Handed,
    },
    /// A role did something that is worth a log line or a counter.
    Role(role::RoleEvent),
    /// A message passed, told when [`Stack::trace`] is on.
    Traced(Traced),
    /// A message as it is on the wire, told when [`Stack::capture`] is on.
    Captured(sip_transport::Captured),
    /// A message that a [tap](Stack::tap) is for.
    Tapped(TapId, Box<Tapped>),
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two ways")]
pub enum Direction {
    /// We sent it.
    Sent,
    /// We received it.
    Received,
}

/// A message that passed, as a trace shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a record that tests and tools build too"
)]
pub struct Traced {
    /// When.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// The transport, as in a Via.
    pub transport: &'static str,
    /// Our address.
    pub local: SocketAddr,
    /// The other address.
    pub remote: SocketAddr,
    /// The start line without the version.
    pub summary: String,
    /// The CSeq.
    pub detail: String,
}

/// Which part of the stack asked a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker(Role, Token);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Registrar,
    Events,
    Proxy,
    Stateless,
    Probes,
}

#[derive(Debug, Clone, Copy)]
enum Selecting {
    Dialogs(sip_dialog::Token),
    Role(Role, Token),
    Application,
}

/// The parts of a stack; what is `None` is not there.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "the caller names every part")]
pub struct Parts {
    /// The flows.
    pub transports: Transports,
    /// The transactions.
    pub transactions: Transactions,
    /// The user agent.
    pub dialogs: Option<Dialogs>,
    /// The registrar.
    pub registrar: Option<Registrar>,
    /// The notifier of event packages.
    pub events: Option<Events>,
    /// The proxy, which also answers for the server itself.
    pub proxy: Option<Proxy>,
    /// The stateless proxy, which is asked before there is a transaction.
    pub stateless: Option<Stateless>,
    /// The methods that the application handles when no part takes a request.
    pub handled: Vec<Method>,
}

/// Who is trusted by certificate, told to the roles that do so.
fn peers(parts: &mut Parts) -> Peers {
    let mut names = Vec::new();
    if let Some(registrar) = &parts.registrar {
        registrar.trusted_names(&mut names);
    }
    if let Some(events) = &parts.events {
        events.trusted_names(&mut names);
    }
    if let Some(proxy) = &parts.proxy {
        proxy.trusted_names(&mut names);
    }
    names.sort();
    names.dedup();
    let peers = Peers::new(&names);
    if let Some(registrar) = &mut parts.registrar {
        registrar.use_peers(&peers);
    }
    if let Some(events) = &mut parts.events {
        events.use_peers(&peers);
    }
    if let Some(proxy) = &mut parts.proxy {
        proxy.use_peers(&peers);
    }
    peers
}

/// What a server further on asks for is for all that goes there (RFC 7339 §5.3).
fn share_throttle(parts: &mut Parts) {
    let Some(throttle) = parts.proxy.as_ref().and_then(Proxy::heeded) else {
        return;
    };
    if let Some(events) = &mut parts.events {
        events.use_throttle(throttle);
    }
    if let Some(stateless) = &mut parts.stateless {
        stateless.use_throttle(throttle);
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Stack {
    transports: Transports,
    transactions: Transactions,
    dialogs: Option<Dialogs>,
    registrar: Option<Registrar>,
    events: Option<Events>,
    proxy: Option<Proxy>,
    stateless: Option<Stateless>,
    handled: Vec<Method>,
    /// Keyed by ids that we mint, so the default hasher serves; never iterated.
    selecting: HashMap<SelectId, Selecting>,
    outputs: VecDeque<Output>,
    tracing: bool,
    draining: Option<Duration>,
    counts: Counts,
    latencies: Latencies,
    guard: Option<Box<Guard>>,
    probes: Option<Probes>,
    /// Whose peers are trusted by their certificates.
    peers: Peers,
    /// Whose datagram of how many bytes is being answered.
    asked: Option<(SocketAddr, usize)>,
    taps: tap::Taps,
    neighbours: Option<Box<handover::Neighbours>>,
    last_now: Option<Instant>,
    /// Flows whose failure is told.
    kept: Vec<FlowId>,
    #[cfg(feature = "__judge")]
    judge: judge::Judge,
}

impl Stack {
    /// Composes the parts.
    #[must_use]
    pub fn new(mut parts: Parts) -> Self {
        let peers = peers(&mut parts);
        share_throttle(&mut parts);
        Self {
            transports: parts.transports,
            transactions: parts.transactions,
            dialogs: parts.dialogs,
            registrar: parts.registrar,
            events: parts.events,
            proxy: parts.proxy,
            stateless: parts.stateless,
            handled: parts.handled,
            selecting: HashMap::new(),
            outputs: VecDeque::new(),
            tracing: false,
            draining: None,
            counts: Counts::default(),
            latencies: Latencies::default(),
            guard: None,
            probes: None,
            peers,
            asked: None,
            taps: tap::Taps::default(),
            neighbours: None,
            last_now: None,
            kept: Vec::new(),
            #[cfg(feature = "__judge")]
            judge: judge::Judge::default(),
        }
    }

    /// Something arrived. `wall` is the time of day, for dates and absolute expiry.
    pub fn handle_input(&mut self, input: Input, wall: SystemTime, now: Instant) {
        match input {
            Input::Io(input) => {
                if !self.lets_in(&input, now) {
                    self.asked = None;
                    return;
                }
                self.tell_unreached(&input);
                self.transports.handle_input(input, now);
            }
            Input::Answer { asker, answer } => self.answer(asker, answer, wall, now),
            Input::Changed(notice) => {
                if let Some(events) = &mut self.events {
                    events.handle_notice(&notice, &mut self.transactions, wall, now);
                }
            }
            Input::Handed(handed) => self.take_handed(handed, wall, now),
        }
        self.settle(wall, now);
        self.asked = None;
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, wall: SystemTime, now: Instant) {
        self.transports.handle_timeout(now);
        self.transactions.handle_timeout(now);
        if let Some(dialogs) = &mut self.dialogs {
            dialogs.handle_timeout(&mut self.transactions, now);
        }
        if let Some(registrar) = &mut self.registrar {
            let t = &mut self
                .latencies
                .watch(&mut self.transactions, LatencyRole::Registrar);
            registrar.handle_timeout(t, now);
        }
        if let Some(events) = &mut self.events {
            events.handle_timeout(&mut self.transactions, wall, now);
        }
        if let Some(proxy) = &mut self.proxy {
            let t = &mut self
                .latencies
                .watch(&mut self.transactions, LatencyRole::Proxy);
            proxy.handle_timeout(t, now);
        }
        if let Some(probes) = &mut self.probes {
            probes.handle_timeout(now);
        }
        if let Some(stateless) = &mut self.stateless {
            stateless.handle_timeout(now);
        }
        self.settle(wall, now);
    }

    /// The next output; drain it after every call that takes `&mut self`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.outputs.is_empty() {
            return self.last_now;
        }
        [
            self.transports.poll_timeout(),
            self.transactions.poll_timeout(),
            self.dialogs.as_ref().and_then(Dialogs::poll_timeout),
            self.registrar.as_ref().and_then(Registrar::poll_timeout),
            self.events.as_ref().and_then(Events::poll_timeout),
            self.proxy.as_ref().and_then(Proxy::poll_timeout),
            self.stateless.as_ref().and_then(Stateless::poll_timeout),
            self.probes.as_ref().and_then(Probes::poll_timeout),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Adds a socket that the driver has bound.
    pub fn add_listener(&mut self, id: ListenerId, kind: TransportKind, local: SocketAddr) {
        self.transports.add_listener(id, kind, local);
    }

    /// Looks for the flows to `target`, for a message of about `size` bytes; answered by [`Output::Selected`].
    pub fn select(
        &mut self,
        target: &Target,
        size: usize,
        wall: SystemTime,
        now: Instant,
    ) -> SelectId {
        let id = self.transports.select(target, size, now);
        self.selecting.insert(id, Selecting::Application);
        self.settle(wall, now);
        id
    }

    /// Calls the user agent's machine with the transactions it works on.
    ///
    /// Returns `None` when the stack has no user agent.
    pub fn dialogs<R>(
        &mut self,
        wall: SystemTime,
        now: Instant,
        call: impl FnOnce(&mut Dialogs, &mut Transactions) -> R,
    ) -> Option<R> {
        let result = call(self.dialogs.as_mut()?, &mut self.transactions);
        self.settle(wall, now);
        Some(result)
    }

    /// Answers an [`Output::Authenticate`].
    pub fn credentials(
        &mut self,
        token: sip_dialog::Token,
        credential: Option<sip_dialog::Credential>,
        wall: SystemTime,
        now: Instant,
    ) {
        if let Some(dialogs) = &mut self.dialogs {
            dialogs.credentials(token, credential, &mut self.transactions, now);
        }
        self.settle(wall, now);
    }

    /// Answers an [`Output::Request`].
    ///
    /// # Errors
    /// [`Gone`] when the transaction has ended.
    pub fn respond(
        &mut self,
        id: ServerTransactionId,
        response: Response,
        wall: SystemTime,
        now: Instant,
    ) -> Result<(), Gone> {
        let result = self
            .latencies
            .watch(&mut self.transactions, LatencyRole::Server)
            .respond(id, &response, now);
        self.settle(wall, now);
        result
    }

    /// Takes no more requests that begin something: they are answered 503 with this Retry-After.
    pub fn drain(&mut self, retry_after: Duration) {
        self.draining = Some(retry_after);
    }

    /// Are new requests refused because the end is near?
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// What passed so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether nothing waits for an answer any more: no transaction is without its final response. Walks over all of them.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.transactions.pending_count() == 0
    }

    /// Tells every message that passes, or no more.
    pub fn trace(&mut self, on: bool) {
        self.tracing = on;
    }

    /// Tells every message as it is on the wire, broken ones too, or no more. Costs nothing while it is off.
    pub fn capture(&mut self, on: bool) {
        self.transports.capture(on);
    }

    /// The transport layer, for its counters and addresses.
    #[must_use]
    pub const fn transports(&self) -> &Transports {
        &self.transports
    }

    /// The transaction layer, for its counters.
    #[must_use]
    pub const fn transactions(&self) -> &Transactions {
        &self.transactions
    }

    /// Asks gateways whether they are there, from now on.
    pub fn set_probes(&mut self, probes: Probes) {
        let mut probes = probes;
        if let Some(throttle) = self.proxy.as_ref().and_then(Proxy::heeded) {
            probes.use_throttle(throttle);
        }
        self.probes = Some(probes);
    }

    /// The probes of gateways, when there are any.
    #[must_use]
    pub const fn probes(&self) -> Option<&Probes> {
        self.probes.as_ref()
    }

    /// The probes, to change what is probed.
    pub const fn probes_mut(&mut self) -> Option<&mut Probes> {
        self.probes.as_mut()
    }

    /// Closes a flow: what was sent over it and not answered fails.
    pub fn close_flow(&mut self, flow: FlowId, wall: SystemTime, now: Instant) {
        self.transports.close(flow, now);
        self.settle(wall, now);
    }

    /// The proxy, when there is one.
    #[must_use]
    pub const fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    fn answer(&mut self, asker: Asker, answer: Answer, wall: SystemTime, now: Instant) {
        let Asker(role, token) = asker;
        match role {
            Role::Registrar => {
                if let Some(registrar) = &mut self.registrar {
                    let t = &mut self
                        .latencies
                        .watch(&mut self.transactions, LatencyRole::Registrar);
                    registrar.handle_answer(token, answer, t, wall, now);
                }
            }
            Role::Events => {
                if let Some(events) = &mut self.events {
                    events.handle_answer(token, answer, &mut self.transactions, wall, now);
                }
            }
            Role::Proxy => {
                if let Some(proxy) = &mut self.proxy {
                    let t = &mut self
                        .latencies
                        .watch(&mut self.transactions, LatencyRole::Proxy);
                    proxy.handle_answer(token, answer, t, wall, now);
                }
            }
            Role::Probes => {
                if let Some(probes) = &mut self.probes {
                    probes.handle_answer(token, answer, &mut self.transactions, now);
                }
            }
            Role::Stateless => {
                if let Some(stateless) = &mut self.stateless {
                    stateless.handle_answer(token, answer, &mut self.transactions, now);
                }
            }
        }
    }

    /// Moves outputs up and down until every machine is quiet. Each turn of the loop consumes what a machine has queued, and no
    /// machine queues without being told something, so it ends.
    fn settle(&mut self, wall: SystemTime, now: Instant) {
        self.last_now = Some(now);
        loop {
            let mut quiet = true;
            while let Some(output) = self.transports.poll_output() {
                quiet = false;
                match output {
                    sip_transport::Output::Event(event) => self.on_transport(event, wall, now),
                    io => {
                        #[cfg(feature = "__judge")]
                        self.judge.leaves(&io);
                        self.outputs.push_back(Output::Io(io));
                    }
                }
            }
            while let Some(output) = self.transactions.poll_output() {
                quiet = false;
                match output {
                    sip_transaction::Output::Transmit { flow, payload } => {
                        self.transmit(flow, payload, wall, now);
                    }
                    sip_transaction::Output::Event(event) => self.on_transaction(event, wall, now),
                }
            }
            quiet &= !self.drain_dialogs(now);
            quiet &= !self.drain_roles(wall, now);
            if quiet {
                return;
            }
        }
    }

    fn on_transport(&mut self, event: sip_transport::Event, wall: SystemTime, now: Instant) {
        match event {
            sip_transport::Event::Message {
                message,
                flow,
                reply,
            } => {
                #[cfg(feature = "__judge")]
                self.judge.arrived(&message);
                if flow.kind.is_secure()
                    && self.peers.is_wanted()
                    && let Some(identity) = self.transports.peer_identity(flow.id)
                {
                    self.peers
                        .learn(flow.id, identity, |id| self.transports.flow(id).is_some());
                }
                match &message {
                    BoxedMessage::Response(response) => {
                        self.counts.received(flow.kind, response.status());
                    }
                    BoxedMessage::Request(request) => {
                        if !self.takes(request, &flow, &reply, now) {
                            return;
                        }
                    }
                }
                if !self.taps.is_empty() {
                    self.tap_received(&message, &flow, wall);
                }
                if self.tracing {
                    self.traced(Direction::Received, flow, &message.to_bytes(), now);
                }
                let Some(message) = self.keep(message, flow, reply) else {
                    return;
                };
                let Some(message) = self.statelessly(message, flow, reply, now) else {
                    return;
                };
                self.transactions.handle_input(
                    sip_transaction::Input::Message {
                        message,
                        flow,
                        reply,
                    },
                    now,
                );
            }
            sip_transport::Event::FlowFailed { flow, cause, .. } => {
                tracing::debug!(?flow, %cause, "a flow failed");
                self.lost(flow);
                self.transactions
                    .handle_input(sip_transaction::Input::FlowFailed { flow }, now);
                self.tell_failed(flow);
            }
            sip_transport::Event::Selected { id, result } => self.selected(id, result, wall, now),
            sip_transport::Event::Malformed {
                kind,
                remote,
                error,
                answered,
                ..
            } => {
                tracing::debug!(%kind, %remote, %error, ?answered, "not a message");
                if let (Some(guard), sip_transport::Malformed::Syntax(_)) = (&mut self.guard, error)
                {
                    guard.fault(remote, now);
                    self.tell_banned();
                }
            }
            sip_transport::Event::Captured(captured) => {
                self.outputs.push_back(Output::Captured(captured));
            }
            other => tracing::trace!(?other, "transport"),
        }
    }

    fn selected(
        &mut self,
        id: SelectId,
        result: Result<Vec<Flow>, SelectError>,
        wall: SystemTime,
        now: Instant,
    ) {
        match self.selecting.remove(&id) {
            Some(Selecting::Dialogs(token)) => {
                if let Some(dialogs) = &mut self.dialogs {
                    dialogs.flow_selected(token, result, &mut self.transactions, now);
                }
            }
            Some(Selecting::Role(role, token)) => {
                self.answer(Asker(role, token), Answer::Flows(result), wall, now)
            }
            Some(Selecting::Application) | None => {
                self.outputs.push_back(Output::Selected { id, result })
            }
        }
    }

    /// Offers a transaction event to the parts in order; each hands back what is not its own.
    fn on_transaction(&mut self, event: sip_transaction::Event, wall: SystemTime, now: Instant) {
        self.note_failure(&event, now);
        let mut event = event;
        let span = match &event {
            sip_transaction::Event::Request { request, .. } => {
                tracing::debug_span!("request", call_id = request.headers().call_id())
            }
            sip_transaction::Event::Response { response, .. } => {
                tracing::debug_span!("response", call_id = response.headers().call_id())
            }
            _ => tracing::Span::none(),
        };
        let _in_span = span.enter();
        if let sip_transaction::Event::Request {
            id, request, flow, ..
        } = &event
        {
            self.counts.request(flow.kind, request.method());
            self.latencies.begun(*id, request.method(), now);
        }
        if let (Some(retry_after), sip_transaction::Event::Request { id, request, .. }) =
            (self.draining, &event)
        {
            // A request within a dialog belongs to what is running; all others begin something.
            if request.headers().to_tag().is_none() {
                let response = Response::to(request, StatusCode::SERVICE_UNAVAILABLE)
                    .to_tag(&self.transactions.mint_tag())
                    .header(
                        HeaderName::RetryAfter,
                        retry_after.as_secs().max(1).to_string(),
                    )
                    .build();
                self.reply(*id, response, now);
                return;
            }
        }
        if let Some(probes) = &mut self.probes {
            match probes.handle_input(event, now) {
                Some(back) => event = back,
                None => return,
            }
        }
        if let Some(dialogs) = &mut self.dialogs {
            match dialogs.handle_input(event, &mut self.transactions, now) {
                Some(back) => event = back,
                None => return,
            }
        }
        if let Some(registrar) = &mut self.registrar {
            let t = &mut self
                .latencies
                .watch(&mut self.transactions, LatencyRole::Registrar);
            match registrar.handle_input(event, t, wall, now) {
                Some(back) => event = back,
                None => return,
            }
        }
        if let Some(events) = &mut self.events {
            match events.handle_input(event, &mut self.transactions, wall, now) {
                Some(back) => event = back,
                None => return,
            }
        }
        if let Some(proxy) = &mut self.proxy {
            let t = &mut self
                .latencies
                .watch(&mut self.transactions, LatencyRole::Proxy);
            match proxy.handle_input(event, t, wall, now) {
                Some(back) => event = back,
                None => return,
            }
        }
        self.unclaimed(event, now);
    }

    /// What no part took: the application's, or refused.
    fn unclaimed(&mut self, event: sip_transaction::Event, now: Instant) {
        match event {
            sip_transaction::Event::Request {
                id, request, flow, ..
            } => {
                if self.handled.contains(request.method()) {
                    self.outputs
                        .push_back(Output::Request { id, request, flow });
                    return;
                }
                // RFC 3261 section 12.2.2: within a dialog that does not exist; section 8.2.1: a method that is not supported here.
                let status = if request.headers().to_tag().is_some() {
                    StatusCode::CALL_DOES_NOT_EXIST
                } else {
                    StatusCode::METHOD_NOT_ALLOWED
                };
                // RFC 3261 §8.2.6.2: a tag, and section 8.2.1: in a 405 what is taken, by any part.
                let mut response =
                    Response::to(&request, status).to_tag(&self.transactions.mint_tag());
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    response = response.header(HeaderName::Allow, self.allowed());
                }
                self.reply(id, response.build(), now);
            }
            sip_transaction::Event::Cancel {
                id,
                invite,
                request,
                ..
            } => {
                // RFC 3261 section 9.2; an INVITE that is the application's is left to it, the CANCEL is answered.
                // Section 8.2.6.2: also the answer to one that belongs to nothing has a tag.
                let tag = self.transactions.mint_tag();
                let _ = self
                    .transactions
                    .answer_cancel(id, &request, invite, &tag, now);
            }
            sip_transaction::Event::Stray { response, flow } => {
                // RFC 6026 §7.3 leaves these to the stateless proxy.
                if let Some(stateless) = &mut self.stateless {
                    stateless.handle_response(response, flow, now);
                }
            }
            other => tracing::trace!(?other, "an event of no part"),
        }
    }

    /// The methods that some part takes, each once.
    fn allowed(&self) -> String {
        let mut allowed: Vec<&str> = Vec::new();
        let of_server = self.proxy.as_ref().map(Proxy::allow);
        let of_agent = self.dialogs.as_ref().map(Dialogs::allow);
        let registers =
            (of_server.is_none() && self.registrar.is_some()).then_some(Method::Register.as_str());
        let all = [of_server, registers, of_agent];
        let all = all.into_iter().flatten().flat_map(|list| list.split(", "));
        for method in all.chain(self.handled.iter().map(Method::as_str)) {
            if !method.is_empty() && !allowed.contains(&method) {
                allowed.push(method);
            }
        }
        allowed.join(", ")
    }

    /// What is forwarded without a transaction never gets one.
    fn statelessly(
        &mut self,
        message: BoxedMessage,
        flow: Flow,
        reply: Flow,
        now: Instant,
    ) -> Option<BoxedMessage> {
        match (message, &mut self.stateless) {
            // Answers may come to another worker, which cannot know the connection that this came over.
            (BoxedMessage::Request(request), Some(stateless))
                if self.draining.is_none()
                    && !(self.neighbours.is_some() && reply.is_reliable()) =>
            {
                stateless
                    .handle_request(request, flow, reply, &mut self.transactions, now)
                    .map(BoxedMessage::Request)
            }
            (message, _) => Some(message),
        }
    }

    fn reply(
        &mut self,
        id: ServerTransactionId,
        response: Result<Response, sip_message::BuildError>,
        now: Instant,
    ) {
        match response {
            // A transaction that has ended meanwhile needs no answer.
            Ok(response) => drop(
                self.latencies
                    .watch(&mut self.transactions, LatencyRole::Server)
                    .respond(id, &response, now),
            ),
            Err(error) => tracing::debug!(%error, "a response could not be built"),
        }
    }

    fn drain_dialogs(&mut self, now: Instant) -> bool {
        let mut moved = false;
        while let Some(output) = self.dialogs.as_mut().and_then(Dialogs::poll_output) {
            moved = true;
            match output {
                sip_dialog::Output::SelectFlow {
                    token,
                    next_hop,
                    size,
                } => {
                    self.start_selecting(Selecting::Dialogs(token), &next_hop, size, now);
                }
                sip_dialog::Output::Authenticate {
                    token,
                    account,
                    realm,
                    ..
                } => {
                    self.outputs.push_back(Output::Authenticate {
                        token,
                        account,
                        realm: realm.to_string(),
                    });
                }
                sip_dialog::Output::Event(event) => self.outputs.push_back(Output::Dialog(event)),
            }
        }
        moved
    }

    fn drain_roles(&mut self, wall: SystemTime, now: Instant) -> bool {
        let mut moved = false;
        while let Some(output) = self.registrar.as_mut().and_then(Registrar::poll_output) {
            moved = true;
            self.on_role(Role::Registrar, output, wall, now);
        }
        while let Some(output) = self.events.as_mut().and_then(Events::poll_output) {
            moved = true;
            self.on_role(Role::Events, output, wall, now);
        }
        while let Some(output) = self.proxy.as_mut().and_then(Proxy::poll_output) {
            moved = true;
            self.on_role(Role::Proxy, output, wall, now);
        }
        while let Some(output) = self.stateless.as_mut().and_then(Stateless::poll_output) {
            moved = true;
            self.on_role(Role::Stateless, output, wall, now);
        }
        while let Some(output) = self.probes.as_mut().and_then(Probes::poll_output) {
            moved = true;
            self.on_role(Role::Probes, output, wall, now);
        }
        moved
    }

    fn on_role(&mut self, role: Role, output: role::RoleOutput, wall: SystemTime, now: Instant) {
        match output {
            role::RoleOutput::Need {
                token,
                need:
                    Need::SelectFlow {
                        next_hop,
                        size,
                        way,
                    },
            } => {
                // RFC 5626 §5.3: the flow that the token names; without it, the way that the URI tells.
                let is_only = way.as_ref().is_some_and(|way| way.is_only);
                let flow = way.and_then(|way| self.flow_of(&way.token, now));
                match flow {
                    None if is_only => {
                        let answer = Answer::Flows(Err(SelectError::NoRoute));
                        self.answer(Asker(role, token), answer, wall, now);
                    }
                    Some(flow) => {
                        self.answer(Asker(role, token), Answer::Flows(Ok(vec![flow])), wall, now)
                    }
                    None => {
                        self.start_selecting(Selecting::Role(role, token), &next_hop, size, now)
                    }
                }
            }
            role::RoleOutput::Need {
                token,
                need: Need::FlowToken { flow },
            } => {
                let way = self.token_of(&flow).map(Box::from);
                self.answer(Asker(role, token), Answer::FlowToken(way), wall, now);
            }
            role::RoleOutput::Need { token, need } => {
                self.outputs.push_back(Output::Need {
                    asker: Asker(role, token),
                    need,
                });
            }
            role::RoleOutput::Watch { aor, is_watched } => {
                self.outputs.push_back(Output::Watch { aor, is_watched });
            }
            role::RoleOutput::Event(event) => {
                self.counts.role(&event);
                self.note(&event, now);
                self.outputs.push_back(Output::Role(event));
            }
        }
    }

    fn start_selecting(&mut self, selecting: Selecting, next_hop: &Uri, size: usize, now: Instant) {
        match Target::from_uri(next_hop.as_ref()) {
            Ok(target) => {
                // Where the way is known, a dialog goes on at once. A role may ask from within an answer, and waits its turn.
                if let Selecting::Dialogs(token) = selecting
                    && let Some(flow) = self.transports.known_flow(&target, size, now)
                    && let Some(dialogs) = &mut self.dialogs
                {
                    dialogs.flow_selected(token, Ok(vec![flow]), &mut self.transactions, now);
                    return;
                }
                let id = self.transports.select(&target, size, now);
                self.selecting.insert(id, selecting);
            }
            Err(error) => {
                tracing::debug!(%next_hop, %error, "no target");
                self.selected_nothing(selecting, now);
            }
        }
    }

    fn selected_nothing(&mut self, selecting: Selecting, now: Instant) {
        let result = Err(SelectError::NoRoute);
        match selecting {
            Selecting::Dialogs(token) => {
                if let Some(dialogs) = &mut self.dialogs {
                    dialogs.flow_selected(token, result, &mut self.transactions, now);
                }
            }
            Selecting::Role(role, token) => self.answer(
                Asker(role, token),
                Answer::Flows(result),
                SystemTime::UNIX_EPOCH,
                now,
            ),
            Selecting::Application => {}
        }
    }

    fn traced(&mut self, direction: Direction, flow: Flow, payload: &[u8], now: Instant) {
        let line = payload
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let summary = line
            .strip_prefix("SIP/2.0 ")
            .or_else(|| line.strip_suffix(" SIP/2.0"))
            .unwrap_or(&line)
            .to_owned();
        let message = Message::parse(
            bytes::Bytes::copy_from_slice(payload),
            &sip_message::ParserConfig::default(),
        );
        let detail = message
            .ok()
            .and_then(|message| message.headers().get(HeaderName::CSeq).map(str::to_owned))
            .unwrap_or_default();
        self.outputs.push_back(Output::Traced(Traced {
            at: now,
            direction,
            transport: flow.kind.via_token(),
            local: flow.local,
            remote: flow.remote,
            summary,
            detail,
        }));
    }
}

/// The flow of an id, for those above who only have the id.
impl Stack {
    /// The flow with this id, while it lives.
    #[must_use]
    pub fn flow(&self, id: FlowId) -> Option<Flow> {
        self.transports.flow(id)
    }

    /// What the certificate of the peer of a flow proves (RFC 5922); for a request that has just arrived over it.
    #[must_use]
    pub fn peer_identity(
        &self,
        flow: FlowId,
    ) -> Option<std::sync::Arc<sip_transport::PeerIdentity>> {
        self.transports.shared_peer_identity(flow)
    }
}
