//! [`Proxy`]: the stateful proxy of RFC 3261 §16 for one domain.
//!
//! ```text
//!  request --> valid? --> whose route? --> who sends it? --> targets --> one branch each --> best answer
//!   16.3       483 482    16.4             407, 403          16.5        16.6                16.7
//!              420 416                     Need::Credential  Need::Lookup Need::SelectFlow
//! ```
//! Users of the domain prove who they are and may then call whom they like. Others reach the users of the domain, and
//! nobody else: this is no open relay. What belongs to a dialog that began here is known by a mark in the Record-Route.

mod admit;
mod caller;
mod context;
mod forward;
mod kept;
mod list;
mod number;
mod options;
mod prefer;
mod redirect;
mod respond;
pub(super) mod route;
mod signature;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sip_message::header::{Contact, From};
use sip_message::{HeaderName, Headers, Method, Request, Response, StatusCode};
use sip_transaction::{
    ClientTransactionId, Event, ServerTransactionId, TransactionId, TransactionLayer,
};
use sip_transport::{DeadlineQueue, Failover, Flow, KeyedHash, MintedHash, Rng, Seed};

use self::context::Context;
use self::kept::Kept;
pub use self::list::ListedRequest;
use self::route::{Bearing, Destination, Mark};
use super::node::Node;
use super::unanswered::Unanswered;
use super::{Answer, Need, Refusal, RoleEvent, RoleOutput, Token, nat};
use crate::auth::{Asker, Attempt, Authenticator, Check, Verdict};
use crate::domain::{Aor, Domains};
use crate::gruu::{Gruus, Wanted};
use crate::guard::Throttle;
use crate::identity::stir::{Pending, Stir};
use crate::identity::{Peers, Trust, asserted, privacy};
use crate::location::StoreError;
use crate::routing::{self, Action, Emergency, NumberLookup, Router};
use crate::users::Ha1s;

/// How a [`Proxy`] behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProxyConfig {
    /// The domain.
    pub domains: Domains,
    /// The methods that the application handles when they are for this domain: such requests are handed back.
    pub handled: Vec<Method>,
    /// Whether a registrar is beside the proxy: then REGISTER is among the methods that the server says it knows.
    pub registers: bool,
    /// How long a branch of an INVITE may ring (Timer C, RFC 3261 §16.6, step 11: more than three minutes).
    pub timer_c: Duration,
    /// How long the servers of one target have together before its branch fails (RFC 3263 §4.3).
    pub failover: Failover,
    /// How many requests may wait for their final answer; more are refused as 503. The others are kept for copies, up to 64*T1
    /// (RFC 6026 §7); of more than four times as many the oldest is forgotten all of whose branches are over, if there is one.
    pub max_contexts: usize,
    /// How many branches a request may have at a time when it does not say (RFC 5393 §5.3).
    pub max_breadth: u32,
    /// How long a request waits for a store or for the name of its target, until it is refused.
    pub need_timeout: Duration,
    /// The Retry-After of a 503, in seconds.
    pub retry_after: u32,
    /// What decides, before the rules of RFC 3261 §16.5, where a request goes that begins something.
    pub router: Option<Arc<dyn Router>>,
    /// Users of the domain are not called from here: the caller is told their contacts and calls them itself, as by a
    /// redirect server (RFC 3261 §8.3).
    pub redirects: bool,
    /// A callee's 3xx is followed instead of going back to the caller (RFC 3261 §16.5; it may lead anywhere).
    pub follows_redirects: bool,
    /// What callers prefer of those whom they call is heeded (RFC 3841).
    pub caller_preferences: bool,
    /// Who is trusted, and what is done about identities and privacy (RFC 3323, RFC 3325): without this nothing, these
    /// fields pass as they are.
    pub trust: Option<Arc<Trust>>,
    /// What is done about signatures over callers (RFC 8224).
    pub stir: Option<Arc<Stir>>,
    /// Numbers are looked up under this name (ENUM, RFC 6116), such as `e164.arpa`.
    pub enumeration: Option<Box<str>>,
    /// Where calls for help go (RFC 5031), before anybody is asked who they are.
    pub emergency: Option<Emergency>,
    /// Requests are told where they have been (History-Info, RFC 7044).
    pub history: bool,
    /// Servers that requests are sent to are asked how much they can take, and what they answer is done (RFC 7339). The
    /// transactions have to [ask](sip_transaction::TransactionConfig::overload_control) too.
    pub heeds_overload: bool,
    /// Where the key of the mark in Record-Route comes from. One that outlives the process lets calls go on after a
    /// restart; `None` takes the proxy's own seed.
    pub mark: Option<Seed>,
    /// What reads the GRUUs of the domain (RFC 5627), the same that the registrar makes them with; `None`: `gr` says nothing.
    pub gruus: Option<Gruus>,
    /// This server among several that share the bindings; `None`: it is the only one.
    pub node: Option<Node>,
}

impl ProxyConfig {
    /// The usual behaviour for a domain.
    #[must_use]
    pub const fn new(domains: Domains) -> Self {
        Self {
            domains,
            handled: Vec::new(),
            registers: true,
            timer_c: Duration::from_secs(190),
            failover: Failover::new(),
            max_contexts: 100_000,
            max_breadth: 60,
            need_timeout: Duration::from_secs(10),
            retry_after: 10,
            router: None,
            redirects: false,
            follows_redirects: false,
            caller_preferences: true,
            trust: None,
            stir: None,
            enumeration: None,
            emergency: None,
            history: false,
            heeds_overload: false,
            mark: None,
            gruus: None,
            node: None,
        }
    }
}

/// How many requests there may be in all, for each that may wait for its answer.
const KEPT: usize = 4;

/// The proxy of a domain. See the [module](self) for the course of a request.
#[derive(Debug)]
pub struct Proxy {
    config: ProxyConfig,
    /// `None`: nobody is asked who they are.
    authenticator: Option<Authenticator>,
    peers: Peers,
    /// What servers further on want held back.
    throttle: Throttle,
    mark: Mark,
    /// For the hash by which a loop is recognised (RFC 3261 §16.6, step 8): keyed, so that nobody else can make one.
    loops: KeyedHash,
    /// Requests on their way, by the transaction in which they came. Ids are minted below, so they need no keyed hash,
    /// and so for the map that follows; neither is ever iterated.
    contexts: HashMap<ServerTransactionId, Box<Context>, MintedHash>,
    /// How many of them have their final answer.
    answered: usize,
    /// Those of them that only wait for copies of their answers.
    kept: Kept,
    branches: HashMap<ClientTransactionId, (ServerTransactionId, usize), MintedHash>,
    waiting: Unanswered<Waiting>,
    /// Timer C of each branch that rings.
    timers_c: DeadlineQueue<ClientTransactionId>,
    outputs: VecDeque<RoleOutput>,
    rng: Rng,
    last_now: Option<Instant>,
    /// The time of day as it was told last.
    wall: SystemTime,
    /// The name of this server for who traces calls (RFC 8588 §5).
    origin: String,
    /// What is in every answer to an OPTIONS.
    abilities: Headers,
}

/// What an answer is awaited for.
#[derive(Debug)]
enum Waiting {
    /// By which token is its sender reached?
    Token(ServerTransactionId),
    /// Who sends this?
    Credential(ServerTransactionId, Attempt),
    /// Where is this user?
    Bindings(ServerTransactionId),
    /// Is there such a user, who is nowhere now?
    Known(ServerTransactionId),
    /// How does this branch get there?
    Flows(ServerTransactionId, usize),
    /// Where does this number lead?
    Rewrites(ServerTransactionId),
    /// Whose certificate signs for this caller?
    Certificates(ServerTransactionId, Box<Pending>),
    /// How does this ACK get there?
    Ack(Box<Request>),
    /// Where is the instance that this ACK is for? With the token of the flow that its route names.
    AckBindings(Box<Request>, Option<Box<str>>, Aor, Wanted),
}

impl Proxy {
    /// A proxy. Without an authenticator everybody is who they say they are: for tests and closed networks.
    #[must_use]
    pub fn new(config: ProxyConfig, authenticator: Option<Authenticator>, seed: &Seed) -> Self {
        let seed = seed.derive("proxy");
        // Those who share the mark know each other's loops too.
        let shared = config.mark.as_ref().unwrap_or(&seed);
        let mark = Mark::new(&shared.derive("mark"));
        let loops = shared.derive("loops").hasher();
        Self {
            abilities: options::abilities(&config),
            config,
            authenticator,
            peers: Peers::default(),
            throttle: Throttle::new(&seed),
            mark,
            loops,
            contexts: HashMap::default(),
            answered: 0,
            kept: Kept::new(),
            branches: HashMap::default(),
            waiting: Unanswered::new(),
            timers_c: DeadlineQueue::new(),
            outputs: VecDeque::new(),
            rng: seed.rng(),
            last_now: None,
            wall: SystemTime::UNIX_EPOCH,
            origin: origin(&seed),
        }
    }

    /// Takes requests that are to be forwarded, and what follows from them. What comes back: requests for the
    /// application, those to the server itself other than OPTIONS, and what was never the proxy's.
    pub fn handle_input(
        &mut self,
        event: Event,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) -> Option<Event> {
        self.wall = wall;
        self.last_now = Some(now);
        match event {
            Event::Request {
                id,
                request,
                flow,
                merged,
            } => self.on_request(id, request, flow, merged, t, now),
            Event::Cancel {
                id,
                invite: Some(invite),
                request,
                flow,
            } => {
                if self.contexts.contains_key(&invite) {
                    self.on_cancel(id, invite, &request, t, now);
                    return None;
                }
                Some(Event::Cancel {
                    id,
                    invite: Some(invite),
                    request,
                    flow,
                })
            }
            Event::Ack { request, flow, .. } => {
                self.on_ack(request, flow, now);
                None
            }
            Event::Response { id, response, flow } => match self.branches.get(&id) {
                Some(&(context, branch)) => {
                    self.on_response(context, branch, response, flow, t, now);
                    None
                }
                None => Some(Event::Response { id, response, flow }),
            },
            Event::TimedOut { id, .. } if self.branches.contains_key(&id) => {
                self.note_silence(id, now);
                self.on_failed_branch(id, StatusCode::REQUEST_TIMEOUT, t, now);
                None
            }
            Event::FlowFailed { id } | Event::Refused { id } if self.branches.contains_key(&id) => {
                if matches!(event, Event::FlowFailed { .. }) {
                    self.note_silence(id, now);
                }
                // RFC 3261 §16.9: as if a 503 had come.
                self.on_failed_branch(id, StatusCode::SERVICE_UNAVAILABLE, t, now);
                None
            }
            Event::Terminated {
                id: TransactionId::Client(id),
            } if self.branches.contains_key(&id) => {
                self.on_client_terminated(id, t, now);
                None
            }
            Event::Terminated {
                id: TransactionId::Server(id),
            } if self.contexts.contains_key(&id) => {
                self.on_server_terminated(id, t, now);
                None
            }
            other => Some(other),
        }
    }

    /// The answer to a [`Need`]. One that is late, or of no request, is dropped.
    pub fn handle_answer(
        &mut self,
        token: Token,
        answer: Answer,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) {
        self.wall = wall;
        self.last_now = Some(now);
        let Some(waiting) = self.waiting.take(token) else {
            return;
        };
        match (waiting, answer) {
            (Waiting::Credential(id, attempt), Answer::Credential(Ok(hashes))) => {
                self.on_credential(id, attempt, hashes.as_ref(), t, now);
            }
            (Waiting::Token(id), answer) => {
                if let (Some(context), Answer::FlowToken(token)) =
                    (self.contexts.get_mut(&id), answer)
                {
                    context.from = token;
                }
                self.admit(id, t, now);
            }
            (Waiting::Bindings(id), Answer::Bindings(Ok(bindings))) => {
                self.on_bindings(id, bindings, t, now)
            }
            (Waiting::Known(id), Answer::Credential(Ok(None))) if self.look_up_number(id, now) => {}
            (Waiting::Rewrites(id), Answer::Rewrites(records)) => {
                self.on_rewrites(id, records.unwrap_or_default(), t, now);
            }
            (Waiting::Certificates(id, pending), answer) => {
                let found = match &answer {
                    Answer::Certificates(found) => found.as_deref(),
                    _ => None,
                };
                self.on_certificates(id, pending, found, t, now);
            }
            (Waiting::Rewrites(id), _) => self.on_rewrites(id, Vec::new(), t, now),
            (Waiting::Known(id), Answer::Credential(Ok(hashes))) => {
                // RFC 3261 §16.5: a user who is nowhere now, or none at all.
                let status = if hashes.is_some() {
                    StatusCode::TEMPORARILY_UNAVAILABLE
                } else {
                    StatusCode::NOT_FOUND
                };
                self.refuse(id, &Refusal::new(status), t, now);
            }
            (Waiting::Flows(id, branch), Answer::Flows(flows)) => {
                self.on_flows(id, branch, flows.unwrap_or_default(), t, now);
            }
            (Waiting::Ack(ack), Answer::Flows(flows)) => {
                if let Some(flow) = flows.ok().and_then(|flows| flows.into_iter().next()) {
                    t.send_ack(&ack, flow, now);
                }
            }
            (
                Waiting::Credential(id, _) | Waiting::Bindings(id) | Waiting::Known(id),
                Answer::Credential(Err(error))
                | Answer::Bindings(Err(error))
                | Answer::Updated(Err(error)),
            ) => self.store_failed(id, error, t, now),
            // A driver that gives another kind of answer than was asked for has a fault; the sender gets its answer.
            (Waiting::Credential(id, _) | Waiting::Bindings(id) | Waiting::Known(id), _) => {
                self.refuse(id, &Refusal::new(StatusCode::SERVER_INTERNAL_ERROR), t, now);
            }
            (Waiting::Flows(id, branch), _) => self.on_flows(id, branch, Vec::new(), t, now),
            (Waiting::AckBindings(ack, token, aor, wanted), Answer::Bindings(Ok(bindings))) => {
                self.on_ack_bindings(ack, token, &aor, &wanted, bindings, now);
            }
            (Waiting::Ack(_) | Waiting::AckBindings(..), _) => {}
        }
    }

    /// Acts on what took too long: answers of stores, and calls that ring (Timer C).
    pub fn handle_timeout(&mut self, t: &mut dyn TransactionLayer, now: Instant) {
        self.last_now = Some(now);
        while let Some((_, id)) = self.timers_c.pop_due(now) {
            self.on_timer_c(id, t, now);
        }
        while let Some(waiting) = self.waiting.pop_due(now) {
            match waiting {
                Waiting::Credential(id, _) | Waiting::Bindings(id) | Waiting::Known(id) => {
                    self.store_failed(id, StoreError::Busy, t, now);
                }
                Waiting::Certificates(id, pending) => {
                    self.on_certificates(id, pending, None, t, now);
                }
                Waiting::Rewrites(id) => self.on_rewrites(id, Vec::new(), t, now),
                Waiting::Flows(id, branch) => self.on_flows(id, branch, Vec::new(), t, now),
                Waiting::Token(id) => self.admit(id, t, now),
                Waiting::Ack(_) | Waiting::AckBindings(..) => {}
            }
        }
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<RoleOutput> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.outputs.is_empty() {
            let timers = [self.timers_c.peek(), self.waiting.deadline()];
            timers.into_iter().flatten().min()
        } else {
            self.last_now
        }
    }

    /// How many requests are on their way, or kept for late answers.
    #[must_use]
    pub fn contexts(&self) -> usize {
        self.contexts.len()
    }

    /// Is there no room for another request, even where one is forgotten that is over?
    fn is_full(&mut self) -> bool {
        let (known, max) = (self.contexts.len(), self.config.max_contexts);
        known - self.answered >= max || (known >= max.saturating_mul(KEPT) && !self.forget_oldest())
    }

    /// RFC 3261 §16.3, step 2: is the Request-URI one that can be followed, or does something else say where to go?
    fn is_understood(&self, request: &Request, decision: Option<&routing::Route>) -> bool {
        if route::is_sip(request) {
            return true;
        }
        request.uri().is_ok_and(|uri| {
            uri.is_sip()
                || (self.config.enumeration.is_some() && NumberLookup::number_of(uri).is_some())
        }) || matches!(
            decision.map(routing::Route::action),
            Some(Action::Forward(_) | Action::Redirect(_) | Action::Reject { .. })
        )
    }

    /// What a request may demand of proxies (Proxy-Require).
    const fn options(&self) -> &'static [&'static str] {
        if self.config.trust.is_some() {
            &[privacy::OPTION]
        } else {
            &[]
        }
    }

    fn need(&mut self, waiting: Waiting, need: Need, now: Instant) {
        let token = self.waiting.ask(waiting, now + self.config.need_timeout);
        self.outputs.push_back(RoleOutput::Need { token, need });
    }

    fn on_request(
        &mut self,
        id: ServerTransactionId,
        request: Box<Request>,
        flow: Flow,
        merged: bool,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<Event> {
        let is_for_application = self.config.handled.contains(request.method())
            && request
                .uri()
                .is_ok_and(|uri| self.config.domains.serves(uri));
        if is_for_application {
            return Some(Event::Request {
                id,
                request,
                flow,
                merged,
            });
        }
        let refused = admit::check(&request, &self.loops, self.options());
        if let Err(refusal) = refused {
            // RFC 3261 §16.3, step 3: an OPTIONS that may go no further may be answered here (§11).
            if refusal.status == StatusCode::TOO_MANY_HOPS && *request.method() == Method::Options {
                self.answer_options(id, &request, t, now);
            } else {
                self.respond_refusal(id, &request, flow, &refusal, t, now);
            }
            return None;
        }
        if self.is_plain_options(&request, &flow) {
            self.answer_options(id, &request, t, now);
            return None;
        }
        // Of the request as it came, as a copy of it would come.
        let loop_hash = admit::loop_hash(&request, &self.loops);
        // As it came, for the application: what is not for this server is not handed back.
        let mut bearing = Bearing::of(&request, &self.config.domains);
        let may_return = self.config.trust.is_some() || bearing.may_end_here();
        let original = may_return.then(|| request.clone());
        let mut forwarded = request;
        let is_from_inside = self.come_in(&mut forwarded, &flow);
        let here = self.here(&flow, self.config.node.as_ref());
        let trusted = match route::preprocess(&mut forwarded, &mut bearing, here) {
            Ok(trusted) => trusted,
            Err(refusal) => {
                self.respond_refusal(id, &forwarded, flow, &refusal, t, now);
                return None;
            }
        };
        let is_trusted = trusted.is_some();
        let destination = route::destination(
            &forwarded,
            bearing,
            is_trusted,
            &self.config.domains,
            self.config.gruus.as_ref(),
        );
        // What belongs to a dialog, or brings its own route, goes where it says.
        let is_routable = !is_trusted
            && forwarded.headers().to_tag().is_none()
            && !forwarded.headers().contains(HeaderName::Route);
        let history = (self.config.history && is_routable).then(|| forwarded.clone());
        // Who needs help is asked nothing first.
        let emergency = self.config.emergency.as_ref().filter(|_| is_routable);
        let help =
            emergency.and_then(|emergency| emergency.route(&mut forwarded, &self.config.domains));
        let is_emergency = help.is_some();
        let decision = help.or_else(|| {
            self.config
                .router
                .as_ref()
                .filter(|_| is_routable)
                .and_then(|router| router.route(&forwarded, &flow))
        });
        let asked = self.asked(&forwarded);
        if emergency.is_some() {
            bearing = Bearing::of(&forwarded, &self.config.domains);
        }
        let is_ours = bearing.is_served;
        let mut destination = destination;
        if let Some(Action::Rewrite(uri)) = decision.as_ref().map(routing::Route::action) {
            // Before anything asks where it goes: what is allowed depends on that.
            if forwarded.set_uri(uri.as_str()).is_err() {
                let refusal = Refusal::new(StatusCode::SERVER_INTERNAL_ERROR);
                self.respond_refusal(id, &forwarded, flow, &refusal, t, now);
                return None;
            }
            destination = route::destination(
                &forwarded,
                Bearing::of(&forwarded, &self.config.domains),
                false,
                &self.config.domains,
                self.config.gruus.as_ref(),
            );
        }
        if !self.is_understood(&forwarded, decision.as_ref()) {
            let refusal = Refusal::new(StatusCode::UNSUPPORTED_URI_SCHEME);
            self.respond_refusal(id, &forwarded, flow, &refusal, t, now);
            return None;
        }
        if destination == Destination::Server && decision.is_none() {
            if *forwarded.method() == Method::Options {
                self.answer_options(id, &forwarded, t, now);
                return None;
            }
            return Some(Event::Request {
                id,
                request: original.unwrap_or(forwarded),
                flow,
                merged,
            });
        }
        if self.is_full() {
            self.respond_refusal(
                id,
                &forwarded,
                flow,
                &Refusal::unavailable(self.config.retry_after),
                t,
                now,
            );
            return None;
        }
        let tag = self.rng.token(16);
        let breadth = admit::breadth(&forwarded, self.config.max_breadth);
        let mut context = Context::new(forwarded, flow, destination, tag, loop_hash, breadth);
        context.is_recorded = is_trusted;
        (context.asked, context.may_divert) = (asked, is_ours);
        let is_trusted = is_trusted || decision.as_ref().is_some_and(routing::Route::is_trusted);
        context.action = decision.map(routing::Route::into_action);
        context.is_edge = trusted.as_ref().is_some_and(|trusted| trusted.is_edge);
        context.to = trusted.and_then(|trusted| trusted.token);
        let is_by_flow = route::makes_route(&context.request, context.is_recorded)
            && nat::may_need_flow(&context.request, &flow)
            && context
                .request
                .headers()
                .typed::<Contact<'_>>()
                .is_ok_and(|contact| {
                    contact
                        .as_ref()
                        .and_then(Contact::address)
                        .is_some_and(|contact| {
                            nat::needs_flow(&context.request, &flow, contact.uri())
                        })
                });
        let flow = context.flow;
        context.is_admitted = is_trusted;
        context.may_leave = is_trusted;
        context.is_from_inside = is_from_inside;
        context.is_emergency = is_emergency;
        if let Some(request) = history {
            context.remember(&request);
        }
        self.contexts.insert(id, Box::new(context));
        if is_by_flow {
            self.need(Waiting::Token(id), Need::FlowToken { flow }, now);
        } else {
            self.admit(id, t, now);
        }
        None
    }

    /// What tells whether the routes of a request lead here.
    const fn here<'a>(&'a self, flow: &Flow, node: Option<&'a Node>) -> route::Here<'a> {
        route::Here {
            domains: &self.config.domains,
            mark: &self.mark,
            node,
            local: flow.local,
        }
    }

    fn admit(&mut self, id: ServerTransactionId, t: &mut dyn TransactionLayer, now: Instant) {
        match self.contexts.get(&id) {
            Some(context) if context.is_admitted => self.resolve(id, t, now),
            Some(_) => self.authorize(id, t, now),
            None => {}
        }
    }

    /// Who may send this where?
    fn authorize(&mut self, id: ServerTransactionId, t: &mut dyn TransactionLayer, now: Instant) {
        let Some(context) = self.contexts.get(&id) else {
            return;
        };
        let is_from_us =
            from_of(&context.request).is_some_and(|from| self.config.domains.serves(from.uri()));
        // A Route that is left leads elsewhere whatever the Request-URI is; so does a rule that says so.
        let is_relayed = context.destination == Destination::Elsewhere
            || context.request.headers().contains(HeaderName::Route)
            || matches!(context.action, Some(Action::Forward(_)));
        // A refusal costs nobody anything, so nobody is asked for it.
        if matches!(context.action, Some(Action::Reject { .. })) {
            self.resolve(id, t, now);
            return;
        }
        let is_vouched = self.is_vouched(context);
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        if is_vouched {
            context.may_leave = true;
            context.is_proven = true;
            self.resolve(id, t, now);
            return;
        }
        let nobody = self
            .contexts
            .get(&id)
            .is_some_and(|context| self.is_nobody_of_ours(&context.request, is_relayed));
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        let is_from_us = is_from_us || nobody;
        match (is_from_us, is_relayed) {
            // Anybody reaches our users.
            (false, false) => self.resolve(id, t, now),
            (false, true) => self.refuse(
                id,
                &Refusal::because(StatusCode::FORBIDDEN, "No Relaying"),
                t,
                now,
            ),
            // Whether a user is there, anybody may ask, also in their name.
            (true, false) if *context.request.method() == Method::Options => {
                self.resolve(id, t, now)
            }
            (true, _) => {
                let Some(authenticator) = &mut self.authenticator else {
                    context.may_leave = true;
                    context.is_proven = true;
                    self.resolve(id, t, now);
                    return;
                };
                match authenticator.check_from(
                    &context.request,
                    Asker::Proxy,
                    &context.flow,
                    &self.peers,
                    now,
                ) {
                    Check::Open => self.resolve(id, t, now),
                    Check::LookUp(attempt) => {
                        let realm = authenticator.realm().into();
                        let need = Need::Credential {
                            username: attempt.username().into(),
                            realm,
                        };
                        self.need(Waiting::Credential(id, attempt), need, now);
                    }
                    Check::Challenge { stale } => self.challenge(id, stale, t, now),
                    Check::Forbidden => {
                        self.refuse(id, &Refusal::new(StatusCode::FORBIDDEN), t, now)
                    }
                    Check::Malformed(reason) => self.refuse(
                        id,
                        &Refusal::because(StatusCode::BAD_REQUEST, reason),
                        t,
                        now,
                    ),
                }
            }
        }
    }

    fn on_credential(
        &mut self,
        id: ServerTransactionId,
        attempt: Attempt,
        hashes: Option<&Ha1s>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(authenticator) = &mut self.authenticator else {
            return;
        };
        let verdict = authenticator.verify(attempt, hashes, now);
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        match verdict {
            Verdict::Accepted { username } => {
                let from = from_of(&context.request);
                // RFC 3323 §4.1.1.3: nobody in particular is whom everybody may say to be, where identities are asserted.
                let is_nobody = self.config.trust.is_some()
                    && from
                        .as_ref()
                        .is_some_and(|from| asserted::is_anonymous_uri(from.uri()));
                let from = from.and_then(|from| self.config.domains.aor(from.uri()));
                if !is_nobody && from.is_none_or(|aor| aor.user() != &*username) {
                    self.refuse(
                        id,
                        &Refusal::because(StatusCode::FORBIDDEN, "Not Your From Address"),
                        t,
                        now,
                    );
                    return;
                }
                // RFC 3261 §22.3: credentials for our realm go no further; those for other proxies do.
                route::remove_credentials(&mut context.request, self.config.domains.primary());
                Self::vouch(&self.config, &mut context.request, &username);
                context.may_leave = true;
                context.is_proven = true;
                self.resolve(id, t, now);
            }
            Verdict::Challenge { stale } => self.challenge(id, stale, t, now),
            Verdict::Forbidden => self.refuse(id, &Refusal::new(StatusCode::FORBIDDEN), t, now),
        }
    }

    fn challenge(
        &mut self,
        id: ServerTransactionId,
        stale: bool,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        let Some(authenticator) = &mut self.authenticator else {
            return;
        };
        let builder = Response::to(&context.request, Asker::Proxy.status()).to_tag(&context.tag);
        let builder =
            authenticator.challenge(builder, Asker::Proxy, context.flow.remote.ip(), stale, now);
        if let Ok(response) = builder.build() {
            self.conclude(id, response, t, now);
        }
    }

    /// RFC 3261 §16.5: the target set.
    fn resolve(&mut self, id: ServerTransactionId, t: &mut dyn TransactionLayer, now: Instant) {
        let refuses_anonymous = self
            .config
            .trust
            .as_ref()
            .is_some_and(|trust| trust.refuses_anonymous());
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        // RFC 5079 §4: our users are not called by those who hide.
        if refuses_anonymous
            && matches!(context.destination, Destination::User(_))
            && context.request.headers().to_tag().is_none()
            && !context.is_emergency
            && asserted::is_anonymous(context.request.headers())
        {
            self.refuse(id, &Refusal::new(StatusCode::ANONYMITY_DISALLOWED), t, now);
            return;
        }
        if !self.is_checked(id, t, now) {
            return;
        }
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        if let Some(action) = context.action.take() {
            self.act(id, action, t, now);
            return;
        }
        match context.destination.clone() {
            Destination::User(aor) | Destination::Instance(aor, _) => {
                self.need(Waiting::Bindings(id), Need::Lookup { aor }, now);
            }
            Destination::Elsewhere | Destination::Server => match context.request.uri() {
                Ok(uri) => {
                    let (target, is_sip) = (context::Target::new(uri.to_uri()), uri.is_sip());
                    if self.look_up_number(id, now) {
                        return;
                    }
                    if !is_sip {
                        self.refuse(id, &Refusal::new(StatusCode::NOT_FOUND), t, now);
                        return;
                    }
                    if let Some(context) = self.contexts.get_mut(&id) {
                        context.groups.push_back(vec![target]);
                    }
                    self.depart(id, t, now);
                }
                Err(error) => self.refuse(
                    id,
                    &Refusal::because(StatusCode::BAD_REQUEST, error.reason()),
                    t,
                    now,
                ),
            },
        }
    }

    /// A request with its targets goes to where this domain ends.
    fn depart(&mut self, id: ServerTransactionId, t: &mut dyn TransactionLayer, now: Instant) {
        self.sign(id);
        self.next_group(id, t, now);
    }

    fn need_known(&mut self, id: ServerTransactionId, aor: &Aor, now: Instant) {
        let need = Need::Credential {
            username: aor.user().into(),
            realm: self.config.domains.primary().into(),
        };
        self.need(Waiting::Known(id), need, now);
    }

    fn store_failed(
        &mut self,
        id: ServerTransactionId,
        error: StoreError,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        self.outputs
            .push_back(RoleOutput::Event(RoleEvent::StoreFailed(error)));
        self.refuse(id, &Refusal::unavailable(self.config.retry_after), t, now);
    }
}

/// A name in the form of RFC 4122, of the seed.
fn origin(seed: &Seed) -> String {
    let mut bytes = [0; 16];
    seed.derive("origin").rng().fill(&mut bytes);
    let text = crate::auth::hex(&bytes);
    let part = |from, to| text.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-4{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

fn from_of(request: &Request) -> Option<From<'_>> {
    request.headers().typed::<From<'_>>().ok().flatten()
}

#[cfg(test)]
mod tests;
