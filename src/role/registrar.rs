//! [`Registrar`]: RFC 3261 §10.3, with Path (RFC 3327), Service-Route (RFC 3608), flows (RFC 5626), GRUUs (RFC 5627) and
//! push parameters (RFC 8599).
//!
//! ```text
//!   REGISTER --> Require? --> credentials? --Need::Credential--> whose? --> Contact? --Need::Update or Lookup--> 200
//!                420          401, 403                           403, 404   400, 423, 555                        503
//! ```

mod contacts;
mod push;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sip_message::header::{Contact, Date, From, To};
use sip_message::{
    HeaderName, Headers, Method, Request, Response, StatusCode, Uri, WrittenResponse,
};
use sip_transaction::{Event, ServerTransactionId, StatelessTag, TransactionLayer};
use sip_transport::{Flow, Rng, Seed};

use self::contacts::Wish;
use super::node::Node;
use super::unanswered::Unanswered;
use super::{
    Answer, Asked, AtOnce, Need, Nobody, Refusal, RoleEvent, RoleOutput, Token, unknown_options,
};
use crate::auth::{Asker, Attempt, Authenticator, Check, Verdict};
use crate::domain::{Aor, Domains};
use crate::gruu::Gruus;
use crate::guard::Throttle;
use crate::identity::Peers;
use crate::location::{Binding, BindingUpdate, Change, Refresh, StoreError, UpdateOutcome};

/// How a [`Registrar`] behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegistrarConfig {
    /// The domain.
    pub domains: Domains,
    /// How long a binding holds when the request does not say.
    pub default_expires: u32,
    /// How long a binding holds at least; less is refused as 423.
    pub min_expires: u32,
    /// How long a binding holds at most; more is shortened.
    pub max_expires: u32,
    /// How many bindings an address of record may have.
    pub max_bindings: usize,
    /// How many requests may wait for a store; more are refused as 503.
    pub max_waiting: usize,
    /// How long a request waits for a store, until it is refused as 503.
    pub store_timeout: Duration,
    /// The Retry-After of a 503, in seconds.
    pub retry_after: u32,
    /// How often a client keeps its flow alive at least, in seconds: the Flow-Timer of RFC 5626 §4.4.
    pub flow_timer: u32,
    /// The route that a client's requests take, topmost first: the Service-Route of RFC 3608.
    pub service_route: Vec<Uri>,
    /// What makes the GRUUs of instances (RFC 5627), the same that the proxy reads them with; `None`: there are none.
    pub gruus: Option<Gruus>,
    /// This server among several that share the bindings; `None`: it is the only one.
    pub node: Option<Node>,
    /// The push notification services by which telephones of this domain are woken (RFC 8599 `pn-provider`): a
    /// registration for another is refused as 555. Without any, the parameters are stored and nothing is said of them.
    pub push_providers: Vec<Box<str>>,
    /// The users who may register contacts for others (third-party registration, RFC 3261 §10.2).
    pub registering_for_others: Vec<Box<str>>,
}

impl RegistrarConfig {
    /// The usual behaviour for a domain: bindings for a minute to an hour, ten for each address of record.
    #[must_use]
    pub const fn new(domains: Domains) -> Self {
        Self {
            domains,
            default_expires: 3600,
            min_expires: 60,
            max_expires: 3600,
            max_bindings: 10,
            max_waiting: 10_000,
            store_timeout: Duration::from_secs(10),
            retry_after: 10,
            flow_timer: 120,
            service_route: Vec::new(),
            gruus: None,
            node: None,
            push_providers: Vec::new(),
            registering_for_others: Vec::new(),
        }
    }
}

/// The registrar of a domain. See the [module](self) for the course of a request.
#[derive(Debug)]
pub struct Registrar {
    config: RegistrarConfig,
    /// `None`: whoever asks may register whatever they name.
    authenticator: Option<Authenticator>,
    peers: Peers,
    /// Who answers nothing, and gets no requests (RFC 7339 §5.9).
    throttle: Option<Throttle>,
    /// The requests that wait for an answer.
    waiting: Unanswered<Waiting>,
    outputs: VecDeque<RoleOutput>,
    rng: Rng,
    /// Where answers and their tags are written.
    written: WrittenResponse,
    tag: String,
    /// The Date of this second.
    date: (Range<SystemTime>, Headers),
    /// A request that is not needed any more.
    spent: Option<Box<Request>>,
    last_now: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    job: Job,
    stage: Stage,
}

/// A REGISTER on its way.
#[derive(Debug)]
struct Job {
    id: ServerTransactionId,
    request: Box<Request>,
    flow: Flow,
    /// The tag of the answer, if it may have to be given again.
    tag: Option<StatelessTag>,
}

/// Who can be asked on the way, and when that is.
struct Around<'a> {
    ask: &'a mut dyn AtOnce,
    t: &'a mut dyn TransactionLayer,
    wall: SystemTime,
    now: Instant,
}

impl Around<'_> {
    /// Is this a copy of a REGISTER that was done and answered 200?
    ///
    /// Asked only where it matters, because most requests are told to be new by what they follow.
    fn is_copy(&mut self, job: &Job) -> bool {
        self.t.is_repeated(job.id, &job.request, self.now)
    }
}

/// What it waits for.
#[derive(Debug)]
enum Stage {
    Credential(Attempt),
    /// Is there such a user, for whom another registers?
    Known(Aor),
    /// The token of the flow, for the contacts that are reached by it.
    Token {
        aor: Aor,
        change: Change,
        by_flow: Vec<bool>,
    },
    Bindings(Aor),
}

impl Registrar {
    /// A registrar. Without an authenticator anybody may register for anybody: for tests and closed networks.
    #[must_use]
    pub fn new(config: RegistrarConfig, authenticator: Option<Authenticator>, seed: &Seed) -> Self {
        Self {
            config,
            authenticator,
            peers: Peers::default(),
            throttle: None,
            waiting: Unanswered::new(),
            outputs: VecDeque::new(),
            rng: seed.derive("registrar").rng(),
            written: WrittenResponse::new(),
            tag: String::new(),
            date: (UNIX_EPOCH..UNIX_EPOCH, Headers::new()),
            spent: None,
            last_now: None,
        }
    }

    /// Adds the names in certificates that this role trusts.
    pub(crate) fn trusted_names(&self, names: &mut Vec<Box<str>>) {
        let authenticator = self.authenticator.as_ref();
        names.extend_from_slice(authenticator.map_or(&[], Authenticator::trusted_names));
    }

    /// From now on it knows who has proven which of them.
    pub(crate) fn use_peers(&mut self, peers: &Peers) {
        self.peers = peers.clone();
    }

    /// From now on who registers is known to be there to whoever else has this throttle.
    pub(crate) fn use_throttle(&mut self, throttle: &Throttle) {
        self.throttle = Some(throttle.clone());
    }

    /// RFC 7339 §5.9: a telephone that answered nothing has registered. It is called where it sends from, and at the places there that
    /// it names.
    fn has_come_back(&self, request: &Request, from: SocketAddr) {
        let Some(throttle) = self.throttle.as_ref().filter(|known| known.is_used()) else {
            return;
        };
        throttle.seen(from);
        let contacts = request.headers().typed_all::<Contact<'_>>();
        for contact in contacts
            .filter_map(Result::ok)
            .take(self.config.max_bindings)
        {
            let uri = contact.address().map(|address| address.uri());
            let place = uri.and_then(|uri| Some((uri.host()?.ip()?, uri.port(), uri.is_secure())));
            if let Some((ip, port, is_secure)) = place
                && ip == from.ip()
            {
                let usual = if is_secure { 5061 } else { 5060 };
                throttle.seen(SocketAddr::new(ip, port.unwrap_or(usual)));
            }
        }
    }

    /// Takes a REGISTER for the domain; everything else comes back, as does a REGISTER for another domain
    /// (RFC 3261 §10.3, step 1: a proxy forwards it).
    pub fn handle_input(
        &mut self,
        event: Event,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) -> Option<Event> {
        self.handle_input_asking(event, &mut Nobody, t, wall, now)
    }

    /// The same for who may know at once what is needed.
    pub(crate) fn handle_input_asking(
        &mut self,
        event: Event,
        ask: &mut dyn AtOnce,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) -> Option<Event> {
        self.last_now = Some(now);
        match event {
            Event::Request {
                id,
                request,
                flow,
                merged,
            } if self.is_ours(&request) => {
                let tag = t.repeatable_tag(id, &request);
                let job = Job {
                    id,
                    request,
                    flow,
                    tag,
                };
                let around = &mut Around { ask, t, wall, now };
                let result = if merged {
                    Err(Refusal::new(StatusCode::LOOP_DETECTED)) // RFC 3261 §8.2.2.2.
                } else {
                    self.on_register(&job, around)
                };
                self.proceed(job, result, around);
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
        self.last_now = Some(now);
        let Some(Waiting { job, stage }) = self.waiting.take(token) else {
            return;
        };
        let ask = &mut Nobody;
        let around = &mut Around { ask, t, wall, now };
        let result = self.on_answer(&job, stage, answer, around);
        self.proceed(job, result, around);
    }

    fn on_answer(
        &mut self,
        job: &Job,
        stage: Stage,
        answer: Answer,
        around: &mut Around<'_>,
    ) -> Result<Next, Refusal> {
        let wall = around.wall;
        match (stage, answer) {
            (Stage::Credential(attempt), Answer::Credential(Ok(hashes))) => {
                self.on_credential(job, attempt, hashes.as_ref(), around)
            }
            (Stage::Known(aor), Answer::Credential(Ok(hashes))) => match hashes {
                Some(_) => self.on_authorized(job, aor, around),
                None => Err(Refusal::new(StatusCode::NOT_FOUND)),
            },
            (
                Stage::Token {
                    aor,
                    change,
                    by_flow,
                },
                Answer::FlowToken(token),
            ) => Ok(self.change(
                job,
                aor,
                with_flow(
                    change,
                    &by_flow,
                    token.as_deref(),
                    self.config.node.as_ref(),
                ),
            )),
            (Stage::Bindings(aor), Answer::Bindings(Ok(bindings))) => {
                self.on_bindings(job, aor, &bindings, wall)
            }
            (Stage::Bindings(aor), Answer::Updated(Ok(outcome))) => {
                self.on_updated(job, aor, outcome, wall)
            }
            (
                _,
                Answer::Bindings(Err(error))
                | Answer::Updated(Err(error))
                | Answer::Credential(Err(error)),
            ) => Err(self.store_failed(error)),
            // A driver that gives another kind of answer than was asked for has a fault; the client may try again.
            (
                _,
                Answer::Bindings(Ok(_))
                | Answer::Updated(Ok(_))
                | Answer::Credential(Ok(_))
                | Answer::Flows(_)
                | Answer::FlowToken(_)
                | Answer::Rewrites(_)
                | Answer::Certificates(_),
            ) => Err(Refusal::new(StatusCode::SERVER_INTERNAL_ERROR)),
        }
    }

    /// Refuses the requests that a store kept waiting.
    pub fn handle_timeout(&mut self, t: &mut dyn TransactionLayer, now: Instant) {
        self.last_now = Some(now);
        while let Some(Waiting { job, .. }) = self.waiting.pop_due(now) {
            let refusal = self.store_failed(StoreError::Busy);
            self.refuse(job, &refusal, t, now);
        }
    }

    /// A request that was answered, for who can use its memory again.
    pub(crate) const fn take_spent(&mut self) -> Option<Box<Request>> {
        self.spent.take()
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<RoleOutput> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.outputs.is_empty() {
            self.waiting.deadline()
        } else {
            self.last_now
        }
    }

    fn is_ours(&self, request: &Request) -> bool {
        *request.method() == Method::Register && self.config.domains.serves_text(request.uri_str())
    }

    fn on_register(&mut self, job: &Job, around: &mut Around<'_>) -> Result<Next, Refusal> {
        if let Err(error) = job.request.validate() {
            return Err(Refusal::because(StatusCode::BAD_REQUEST, error.reason()));
        }
        // Step 2.
        let known: &[&str] = if self.config.gruus.is_some() {
            &["path", "outbound", "gruu"]
        } else {
            &["path", "outbound"]
        };
        if let Some(unsupported) = unknown_options(&job.request, HeaderName::Require, known) {
            return Err(
                Refusal::new(StatusCode::BAD_EXTENSION).with(HeaderName::Unsupported, unsupported)
            );
        }
        // Step 3.
        let Some(authenticator) = &mut self.authenticator else {
            return self.on_authenticated(job, None, around);
        };
        let (flow, now) = (&job.flow, around.now);
        match authenticator.check_from(&job.request, Asker::Server, flow, &self.peers, now) {
            Check::Open => self.on_authenticated(job, None, around),
            Check::LookUp(attempt) => {
                let (username, realm) = (attempt.username(), authenticator.realm());
                if let Some(hashes) = around.ask.hashes(username, realm) {
                    let hashes = hashes.map_err(|error| self.store_failed(error))?;
                    return self.on_credential(job, attempt, hashes.as_ref(), around);
                }
                let need = Need::Credential {
                    username: username.into(),
                    realm: realm.into(),
                };
                Ok(Next::wait(need, Stage::Credential(attempt)))
            }
            // What the credentials were good for was done.
            Check::Challenge { stale: true } if around.is_copy(job) => self.on_copy(job),
            Check::Challenge { stale } => self.challenge(job, stale, now),
            Check::Forbidden => Err(Refusal::new(StatusCode::FORBIDDEN)),
            Check::Malformed(reason) => Err(Refusal::because(StatusCode::BAD_REQUEST, reason)),
        }
    }

    /// Is this a REGISTER that is answered with a challenge, whoever sends it and whatever else happens?
    pub(crate) fn challenges(&mut self, request: &Request, flow: &Flow, now: Instant) -> bool {
        let Some(authenticator) = &mut self.authenticator else {
            return false;
        };
        !request.headers().contains(Asker::Server.credentials())
            && request.validate().is_ok()
            && self.config.domains.serves_text(request.uri_str())
            && !request.headers().contains(HeaderName::Require)
            && matches!(
                authenticator.check_from(request, Asker::Server, flow, &self.peers, now),
                Check::Challenge { stale: false }
            )
    }

    /// The challenge.
    pub(crate) fn write_challenge(
        &mut self,
        request: &Request,
        flow: &Flow,
        tag: &str,
        response: &mut WrittenResponse,
        now: Instant,
    ) {
        response.start(request, Asker::Server.status(), tag);
        if let Some(authenticator) = &mut self.authenticator {
            authenticator.write_challenge(response, Asker::Server, flow.remote.ip(), now);
        }
        response.finish();
    }

    fn challenge(&mut self, job: &Job, stale: bool, now: Instant) -> Result<Next, Refusal> {
        let tag = self.rng.token(16);
        let refusal = Refusal::new(Asker::Server.status());
        let Some(authenticator) = &mut self.authenticator else {
            return Err(refusal);
        };
        let builder = refusal.builder(&job.request, &tag);
        let builder =
            authenticator.challenge(builder, Asker::Server, job.flow.remote.ip(), stale, now);
        let response = builder.build().map_err(|_| refusal)?;
        Ok(Next::Respond(Box::new(response)))
    }

    fn on_credential(
        &mut self,
        job: &Job,
        attempt: Attempt,
        hashes: Option<&crate::users::Ha1s>,
        around: &mut Around<'_>,
    ) -> Result<Next, Refusal> {
        let Some(authenticator) = &mut self.authenticator else {
            return self.on_authenticated(job, None, around);
        };
        let now = around.now;
        match authenticator.verify(attempt, hashes, now) {
            Verdict::Accepted { username } => self.on_authenticated(job, Some(&username), around),
            Verdict::Challenge { stale: true } if around.is_copy(job) => self.on_copy(job),
            Verdict::Challenge { stale } => self.challenge(job, stale, now),
            Verdict::Forbidden => Err(Refusal::new(StatusCode::FORBIDDEN)),
        }
    }

    fn on_authenticated(
        &mut self,
        job: &Job,
        username: Option<&str>,
        around: &mut Around<'_>,
    ) -> Result<Next, Refusal> {
        // Step 5, before step 4: who may register for an address of record is told by the address of record.
        let aor = self
            .aor_of_to(&job.request)
            .ok_or(Refusal::new(StatusCode::NOT_FOUND))?;
        // Step 4: a user registers for themselves; some may for others, and say in From who they are (§10.2).
        let other = username.filter(|username| *username != aor.user());
        if let Some(username) = other {
            let from = job.request.headers().typed::<From<'_>>().ok().flatten();
            let from = from.and_then(|from| self.config.domains.aor(from.uri()));
            let may = self
                .config
                .registering_for_others
                .iter()
                .any(|user| **user == *username);
            if !may || from.is_none_or(|from| from.user() != username) {
                return Err(Refusal::because(
                    StatusCode::FORBIDDEN,
                    "Not Your Address Of Record",
                ));
            }
            // Step 5: who registers for themselves is known to be there; another may not be.
            let need = Need::Credential {
                username: aor.user().into(),
                realm: self.config.domains.primary().into(),
            };
            return Ok(Next::wait(need, Stage::Known(aor)));
        }
        self.on_authorized(job, aor, around)
    }

    /// A copy of a REGISTER that was answered 200: the bindings as they are now are told (step 8).
    fn on_copy(&self, job: &Job) -> Result<Next, Refusal> {
        let aor = self
            .aor_of_to(&job.request)
            .ok_or(Refusal::new(StatusCode::NOT_FOUND))?;
        Ok(Next::look_up(aor))
    }

    fn aor_of_to(&self, request: &Request) -> Option<Aor> {
        let (headers, domains) = (request.headers(), &self.config.domains);
        // The request is valid, and so is what is behind the address.
        let at_sight = headers
            .get(HeaderName::To)
            .and_then(|to| domains.aor_at_sight(to));
        at_sight.or_else(|| domains.aor(headers.typed::<To<'_>>().ok()??.uri()))
    }

    /// Steps 6 and 7.
    fn on_authorized(
        &mut self,
        job: &Job,
        aor: Aor,
        around: &mut Around<'_>,
    ) -> Result<Next, Refusal> {
        let wall = around.wall;
        push::services(&job.request, &self.config.push_providers)?;
        let contacts = match contacts::read(&job.request, &job.flow, &aor, &self.config)? {
            Wish::Query => return Ok(Next::look_up(aor)),
            Wish::RemoveAll if around.is_copy(job) => return Ok(Next::look_up(aor)),
            Wish::RemoveAll => return Ok(self.change(job, aor, Change::RemoveAll)),
            Wish::Change(contacts) => contacts,
        };
        let (has_epochs, limit) = (self.config.gruus.is_some(), self.config.max_bindings);
        let refresh = contacts.refresh(has_epochs, sequence(job), limit);
        // What has a higher CSeq than the registration that it follows is no copy: that need not be looked for.
        // The first of a row follows nothing.
        let following = refresh.map(Refresh::following).filter(|it| it.cseq > 1);
        if let Some(outcome) = following.and_then(|refresh| around.ask.refresh(&aor, &refresh)) {
            let outcome = outcome.map_err(|error| self.store_failed(error))?;
            return self.on_updated(job, aor, outcome, wall);
        }
        if around.is_copy(job) {
            return Ok(Next::look_up(aor));
        }
        if let Some(refresh) = refresh {
            let ask = &mut *around.ask;
            if let Some(outcome) = ask.refresh(&aor, &refresh) {
                let outcome = outcome.map_err(|error| self.store_failed(error))?;
                return self.on_updated(job, aor, outcome, wall);
            }
            if self.waiting.len() < self.config.max_waiting
                && let Some(asked) = ask.refresh_later(self.waiting.next(), &aor, &refresh)
            {
                return match asked {
                    Ok(()) => Ok(Next::Asked(aor)),
                    Err(error) => Err(self.store_failed(error)),
                };
            }
        }
        let (change, by_flow) = contacts.into_change();
        if !by_flow.is_empty() {
            let need = Need::FlowToken { flow: job.flow };
            let stage = Stage::Token {
                aor,
                change,
                by_flow,
            };
            return Ok(Next::wait(need, stage));
        }
        Ok(self.change(job, aor, change))
    }

    fn change(&mut self, job: &Job, aor: Aor, change: Change) -> Next {
        let (call_id, cseq) = sequence(job);
        let mut update =
            BindingUpdate::new(call_id, cseq, change).with_limit(self.config.max_bindings);
        if self.config.gruus.is_some() {
            // Whether it begins is known to the store alone.
            update = update.with_epoch(self.rng.next_u64().max(1));
        }
        let need = Need::Update {
            aor: aor.clone(),
            update,
        };
        Next::wait(need, Stage::Bindings(aor))
    }

    fn on_updated(
        &mut self,
        job: &Job,
        aor: Aor,
        outcome: UpdateOutcome,
        wall: SystemTime,
    ) -> Result<Next, Refusal> {
        match outcome {
            UpdateOutcome::Stored(bindings) => self.on_bindings(job, aor, &bindings, wall),
            UpdateOutcome::OutOfOrder => Err(Refusal::because(
                StatusCode::BAD_REQUEST,
                "CSeq Out Of Order",
            )),
            UpdateOutcome::TooMany(_) => {
                Err(Refusal::because(StatusCode::FORBIDDEN, "Too Many Contacts"))
            }
        }
    }

    /// Step 8: all current bindings, each with what is left of its time.
    fn on_bindings(
        &mut self,
        job: &Job,
        aor: Aor,
        bindings: &[Binding],
        wall: SystemTime,
    ) -> Result<Next, Refusal> {
        let request = &*job.request;
        let services = push::services(request, &self.config.push_providers)?;
        let tag = match &job.tag {
            Some(tag) => tag.as_str(),
            None => {
                self.tag.clear();
                self.rng.push_token(&mut self.tag, 12);
                &self.tag
            }
        };
        let written = &mut self.written;
        written.start(request, StatusCode::OK, tag);
        // RFC 5627 §5.2: for who says that they know of GRUUs.
        let gruus = self
            .config
            .gruus
            .as_ref()
            .filter(|_| contacts::has_option(request, "gruu"));
        for binding in bindings {
            let gruus = gruus.map(|gruus| gruus.parameters(&aor, binding, &mut self.rng));
            let gruus = gruus.as_deref().unwrap_or_default();
            contacts::write(written, binding, gruus, wall);
        }
        // RFC 8599 §5.4: one field for each service.
        for service in services {
            written.field(HeaderName::FeatureCaps, &["*;+sip.pns=\"", service, "\""]);
        }
        // RFC 3327 §5.3: what was stored is told.
        written.copy(request, HeaderName::Path);
        // RFC 3608 §6.3: in the order in which the client is to use it.
        for uri in &self.config.service_route {
            written.field(HeaderName::ServiceRoute, &["<", uri.as_str(), ">"]);
        }
        // RFC 5626 §6: the client learns that its flows are known, and (§4.4.1) how long they last without it.
        let has_flow = bindings.iter().any(|binding| {
            binding.outbound().is_some() && Some(binding.call_id()) == request.headers().call_id()
        });
        if has_flow {
            written.field(HeaderName::Require, &["outbound"]);
            let seconds = Decimal::of(self.config.flow_timer);
            written.field_with(HeaderName::FlowTimer, |value| {
                value.extend_from_slice(seconds.as_bytes());
            });
        }
        let (second, date) = &mut self.date;
        if !second.contains(&wall) {
            let since = wall
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs();
            let from = UNIX_EPOCH + Duration::from_secs(since);
            *second = from..from + Duration::from_secs(1);
            date.replace_typed(&Date::from_unix_seconds(since));
        }
        written.fields(date);
        written.finish();
        self.has_come_back(&job.request, job.flow.remote);
        let event = RoleEvent::Registered {
            aor,
            bindings: bindings.len(),
            source: job.flow.remote,
        };
        self.outputs.push_back(RoleOutput::Event(event));
        Ok(Next::Written)
    }

    fn store_failed(&mut self, error: StoreError) -> Refusal {
        self.outputs
            .push_back(RoleOutput::Event(RoleEvent::StoreFailed(error)));
        Refusal::unavailable(self.config.retry_after)
    }

    fn proceed(&mut self, job: Job, result: Result<Next, Refusal>, around: &mut Around<'_>) {
        let mut result = result;
        let now = around.now;
        loop {
            result = match result {
                Ok(Next::Wait(wait)) => {
                    let (need, stage) = *wait;
                    match around.ask.ask(need) {
                        Asked::Known(answer) => self.on_answer(&job, stage, answer, around),
                        Asked::Unknown(_) if self.waiting.len() >= self.config.max_waiting => {
                            Err(Refusal::unavailable(self.config.retry_after))
                        }
                        Asked::Unknown(need) => {
                            let due = now + self.config.store_timeout;
                            let token = self.waiting.ask(Waiting { job, stage }, due);
                            self.outputs.push_back(RoleOutput::Need { token, need });
                            return;
                        }
                    }
                }
                Ok(Next::Asked(aor)) => {
                    let (stage, due) = (Stage::Bindings(aor), now + self.config.store_timeout);
                    self.waiting.ask(Waiting { job, stage }, due);
                    return;
                }
                // A transaction that has ended meanwhile needs no answer.
                Ok(Next::Written) => {
                    let (request, t) = (&job.request, &mut *around.t);
                    let _ = t.respond_repeatably(job.id, request, &self.written, now);
                    break;
                }
                Ok(Next::Respond(response)) => {
                    let _ = around.t.respond(job.id, &response, now);
                    break;
                }
                Err(refusal) => return self.refuse(job, &refusal, around.t, now),
            };
        }
        self.spent = Some(job.request);
    }

    fn refuse(&mut self, job: Job, refusal: &Refusal, t: &mut dyn TransactionLayer, now: Instant) {
        if refusal.status == StatusCode::FORBIDDEN {
            let denied = refusal.denied(&job.request, &job.flow);
            self.outputs.push_back(denied);
        }
        refusal.respond(job.id, &job.request, &mut self.rng, t, now);
        self.spent = Some(job.request);
    }
}

/// By what an update is told from an older one: the Call-ID and the CSeq number.
fn sequence(job: &Job) -> (&str, u32) {
    let headers = job.request.headers();
    let cseq = headers.get_bytes(HeaderName::CSeq).unwrap_or_default();
    // The request is valid: the number is there, and is one of 32 bits.
    let digits = cseq.iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0_u32, |number, digit| {
        number
            .wrapping_mul(10)
            .wrapping_add(u32::from(digit - b'0'))
    });
    (headers.call_id().unwrap_or_default(), number)
}

/// The change with the token of the flow on the contacts that are reached by it.
fn with_flow(change: Change, by_flow: &[bool], token: Option<&str>, node: Option<&Node>) -> Change {
    match change {
        Change::RemoveAll => Change::RemoveAll,
        Change::Contacts(mut contacts) => {
            for (contact, is_by_flow) in contacts.iter_mut().zip(by_flow) {
                if *is_by_flow {
                    contact.flow = token.map(Box::from);
                    contact.node = token
                        .zip(node)
                        .and_then(|(token, node)| node.route(token))
                        .map(Box::from);
                }
            }
            Change::Contacts(contacts)
        }
    }
}

/// A number as its digits.
struct Decimal {
    digits: [u8; 10],
    from: usize,
}

impl Decimal {
    fn of(number: u32) -> Self {
        let (mut digits, mut from, mut rest) = ([0; 10], 10, number);
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            from -= 1;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        Self { digits, from }
    }

    fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.from..).unwrap_or_default()
    }
}

/// What follows from a step.
///
/// Small, because it is handed up from step to step, and nearly always the answer is written.
#[derive(Debug)]
enum Next {
    /// The answer is written.
    Written,
    Respond(Box<Response>),
    /// A store is at work on the refresh already; its answer has the next token.
    Asked(Aor),
    Wait(Box<(Need, Stage)>),
}

impl Next {
    fn wait(need: Need, stage: Stage) -> Self {
        Self::Wait(Box::new((need, stage)))
    }

    fn look_up(aor: Aor) -> Self {
        Self::wait(Need::Lookup { aor: aor.clone() }, Stage::Bindings(aor))
    }
}

#[cfg(test)]
mod tests;
