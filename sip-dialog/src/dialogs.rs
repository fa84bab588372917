//! [`Dialogs`]: the machine.

mod change;
mod compositor;
mod conditional;
mod contact;
mod content;
mod ending;
mod forked;
mod info;
mod negotiate;
mod notifier;
mod notify;
mod package;
mod precondition;
mod progress;
mod prolong;
mod publisher;
mod referee;
mod referrer;
mod reinvite;
mod reliable;
mod replace;
mod subscriber;
mod timer;
mod uac;
mod uas;
mod usage;
mod within;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use sip_message::{
    BuildError, HeaderName, Method, Request, RequestBuilder, Response, ResponseBuilder, StatusCode,
};
use sip_transaction::{
    Event as TransactionEvent, ServerTransactionId, TransactionLayer, Universal,
};
use sip_transport::{DeadlineQueue, Flow, KeyedHash, Rng, Seed, SelectError};

use crate::attempt::{Attempts, Owner};
use crate::authentication::{AccountKey, Credential};
use crate::config::{DialogConfig, OutgoingRequest, RequestId, SessionId};
use crate::dialog::{ContactValue, Dialog};
use crate::index::{CallKey, NumberHash};
use crate::io::{Body, Event, FailureCause, Output, Token};
use crate::package::EventPackage;
use crate::publication::{PublicationId, Published, Publisher};
use crate::session::{Kind, Session};
use crate::subscription::{Subscription, SubscriptionId};

pub use self::usage::Effect;

/// Which deadline.
#[derive(Debug)]
enum Deadline {
    /// A 2xx is to be sent again.
    Success(SessionId),
    /// A reliable provisional response is to be sent again (RFC 3262).
    Provisional(SessionId),
    /// The caller waits no longer (the Expires of its INVITE).
    Unanswered(SessionId),
    /// A proxy may lose patience with a call that rings.
    Prolong(SessionId),
    /// The peer repeats its 2xx no longer.
    Acknowledged(SessionId, u32),
    /// The wait after a 491 is over.
    Glare(SessionId, Kind),
    /// A session is to be refreshed, or has expired (RFC 4028).
    Timer(SessionId),
    /// A NOTIFY has not come (RFC 6665, Timer N).
    Notify(SubscriptionId),
    /// A subscription of ours is to be refreshed.
    Resubscribe(SubscriptionId),
    /// A subscription has expired.
    Subscription(SubscriptionId),
    /// A publication of ours is to be refreshed.
    Publish(PublicationId),
    /// A publication to us has expired.
    Published(PublicationId),
    /// Nobody need know any more what became of a referral (RFC 7614).
    Referral(SubscriptionId),
    /// No 2xx can come any more to an INVITE of ours that was given up.
    Forget(CallKey),
    /// No further branch of a forked SUBSCRIBE is taken.
    Branches(CallKey),
}

/// An INVITE of ours that came to nothing: a 2xx may still be on its way.
#[derive(Debug)]
struct Lingering {
    account: AccountKey,
    contact: ContactValue,
    /// The tags of branches that have their ACK and BYE.
    abandoned: Vec<String>,
}

/// Dialogs, sessions and requests of one user agent.
///
/// It asks for flows and credentials by [`Output`]s, works on the transaction layer that is handed to each call, and tells what
/// happens by [`Event`]s. See the crate's documentation for the driving contract.
#[derive(Debug)]
pub struct Dialogs {
    config: DialogConfig,
    rng: Rng,
    attempts: Attempts,
    next: u64,
    /// Keyed by numbers that we mint.
    sessions: HashMap<SessionId, Box<Session>, NumberHash>,
    /// Makes the keys of the next maps, none of which is iterated: a peer chooses the Call-ID, so the hash is keyed.
    call_hash: Universal,
    by_call: HashMap<CallKey, SessionId, NumberHash>,
    by_server_transaction: HashMap<ServerTransactionId, SessionId, NumberHash>,
    /// Of at most `sessions` entries.
    lingering: HashMap<CallKey, Lingering, NumberHash>,
    /// Keyed by numbers that we mint.
    subscriptions: HashMap<SubscriptionId, Subscription, NumberHash>,
    by_subscription: HashMap<CallKey, SubscriptionId, NumberHash>,
    /// SUBSCRIBEs of ours that may have several subscriptions.
    forked: HashMap<CallKey, forked::Forked, NumberHash>,
    /// Sessions that are over, and whose dialogs are not.
    husks: usize,
    /// Calls that report to who asked for them. Keyed by numbers that we mint, as the next two.
    carried: HashMap<SessionId, SubscriptionId, NumberHash>,
    referrals: HashMap<SubscriptionId, referee::Explicit, NumberHash>,
    referral_tokens: HashMap<String, SubscriptionId, KeyedHash>,
    /// Keyed by numbers that we mint, as the next one.
    publishers: HashMap<PublicationId, Publisher, NumberHash>,
    published: HashMap<PublicationId, Published, NumberHash>,
    /// Keyed by what a peer sends, though only what we mint is found.
    by_entity_tag: HashMap<String, PublicationId, KeyedHash>,
    /// Few, and each of another name.
    packages: Vec<Box<dyn EventPackage>>,
    /// The subscriptions to a resource of one of them, by package and resource.
    watchers: BTreeMap<(String, String), Vec<SubscriptionId>>,
    /// Requests of sessions that have ended under them: they are answered 487 before the call returns.
    orphans: Vec<(ServerTransactionId, Box<Request>)>,
    /// The value of Allow, and the option tags of Supported.
    allow: String,
    allow_events: Option<String>,
    supported: String,
    deadlines: DeadlineQueue<Deadline>,
    outputs: VecDeque<Output>,
    last_now: Option<Instant>,
}

impl Dialogs {
    /// Without any dialog. Tags, Call-IDs and client nonces come from `seed`.
    #[must_use]
    pub fn new(config: DialogConfig, seed: Seed) -> Self {
        let attempts = Attempts::new(&seed, config.failover, config.redirections);
        Self {
            allow: config.allow(),
            allow_events: config.allow_events(),
            supported: config.option_tags().join(", "),
            config,
            rng: seed.derive("tags").rng(),
            attempts,
            next: 1,
            sessions: HashMap::default(),
            call_hash: Universal::new(&mut seed.derive("calls").rng()),
            by_call: HashMap::default(),
            by_server_transaction: HashMap::default(),
            lingering: HashMap::default(),
            subscriptions: HashMap::default(),
            husks: 0,
            carried: HashMap::default(),
            referrals: HashMap::default(),
            referral_tokens: HashMap::with_hasher(seed.hasher()),
            publishers: HashMap::default(),
            published: HashMap::default(),
            by_entity_tag: HashMap::with_hasher(seed.hasher()),
            packages: Vec::new(),
            watchers: BTreeMap::new(),
            orphans: Vec::new(),
            by_subscription: HashMap::default(),
            forked: HashMap::default(),
            deadlines: DeadlineQueue::new(),
            outputs: VecDeque::new(),
            last_now: None,
        }
    }

    /// Sends a request out of a dialog; ends with [`Event::Responded`] or [`Event::Failed`].
    pub fn request(
        &mut self,
        outgoing: OutgoingRequest,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> RequestId {
        self.last_now = Some(now);
        let id = RequestId(self.mint());
        self.attempts.start(
            Owner::Request(id),
            outgoing.request,
            outgoing.next_hop,
            outgoing.account,
            &mut self.outputs,
        );
        id
    }

    /// A transaction event arrived; those that are not ours come back.
    pub fn handle_input(
        &mut self,
        event: TransactionEvent,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<TransactionEvent> {
        self.last_now = Some(now);
        let back = self.on_event(event, t, now);
        self.answer_orphans(t, now);
        back
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not ours goes back, whatever it is"
    )]
    fn on_event(
        &mut self,
        event: TransactionEvent,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<TransactionEvent> {
        match event {
            // RFC 3261 §8.1.3.3: more than our Via means that it went astray. It is not looked at; a final one was the last
            // that its transaction lets pass.
            TransactionEvent::Response { id, response, .. }
                if self.attempts.owns(id)
                    && response.headers().values(HeaderName::Via).nth(1).is_some() =>
            {
                if response.status().is_provisional() {
                    return None;
                }
                self.fail(id, FailureCause::TimedOut, t, now)
            }
            TransactionEvent::Response { id, response, .. } if self.attempts.owns(id) => {
                let progress = self
                    .attempts
                    .response(id, response, t, now, &mut self.outputs);
                self.progress(progress, t, now);
                None
            }
            TransactionEvent::Response { response, flow, .. }
            | TransactionEvent::Stray { response, flow }
                if self.is_repeated_success(&response) =>
            {
                self.on_success_again(&response, flow, t, now);
                None
            }
            TransactionEvent::TimedOut { id, .. } if self.attempts.owns(id) => {
                self.fail(id, FailureCause::TimedOut, t, now)
            }
            TransactionEvent::FlowFailed { id } if self.attempts.owns(id) => {
                self.fail(id, FailureCause::Unreachable, t, now)
            }
            TransactionEvent::Refused { id } if self.attempts.owns(id) => {
                self.fail(id, FailureCause::Limit, t, now)
            }
            TransactionEvent::Request {
                id,
                request,
                flow,
                merged,
            } => self.on_request(id, request, flow, merged, t, now),
            TransactionEvent::Cancel {
                id,
                invite: Some(invite),
                request,
                flow,
            } => match self.by_server_transaction.get(&invite) {
                Some(session) => {
                    self.on_cancel(*session, id, invite, &request, t, now);
                    None
                }
                None => Some(TransactionEvent::Cancel {
                    id,
                    invite: Some(invite),
                    request,
                    flow,
                }),
            },
            TransactionEvent::Ack {
                invite,
                request,
                flow,
            } => self.on_ack(invite, request, flow, t, now),
            other => Some(other),
        }
    }

    /// The answer to [`Output::SelectFlow`].
    pub fn flow_selected(
        &mut self,
        token: Token,
        result: Result<Vec<Flow>, SelectError>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        self.last_now = Some(now);
        match token {
            Token::Attempt(number) => {
                let progress =
                    self.attempts
                        .flow_selected(number, result, t, now, &mut self.outputs);
                self.progress(progress, t, now);
            }
            Token::Ack(session, number) => self.send_ack(session, number, result, t, now),
        }
        self.answer_orphans(t, now);
    }

    /// The answer to [`Output::Authenticate`].
    pub fn credentials(
        &mut self,
        token: Token,
        credential: Option<Credential>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        self.last_now = Some(now);
        let Token::Attempt(number) = token else {
            return;
        };
        let owner = self.attempts.of(number).map(|(owner, _)| owner);
        let next = owner
            .and_then(|owner| self.dialog_of(owner))
            .map(|dialog| dialog.local_cseq.saturating_add(1));
        let progress =
            self.attempts
                .credentials(number, credential, next, t, now, &mut self.outputs);
        if let Some((owner, number)) = self.attempts.of(number)
            && let Some(dialog) = self.dialog_of(owner)
        {
            // The repeated request has used a number of the dialog.
            dialog.local_cseq = dialog.local_cseq.max(number);
        }
        self.progress(progress, t, now);
        self.answer_orphans(t, now);
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, t: &mut dyn TransactionLayer, now: Instant) {
        self.last_now = Some(now);
        while let Some((due, deadline)) = self.deadlines.pop_due(now) {
            match deadline {
                Deadline::Success(session) => self.on_success_due(session, due, t, now),
                Deadline::Provisional(session) => self.on_provisional_due(session, due, t, now),
                Deadline::Unanswered(session) => self.on_unanswered(session, t, now),
                Deadline::Prolong(session) => self.on_prolong_due(session, t, now),
                Deadline::Acknowledged(session, number) => self.forget_ack(session, number),
                Deadline::Glare(session, kind) => self.on_glare_over(session, kind),
                Deadline::Timer(session) => self.on_session_timer(session),
                Deadline::Notify(subscription) => self.on_notify_missing(subscription),
                Deadline::Resubscribe(subscription) => self.resubscribe(subscription, now),
                Deadline::Subscription(subscription) => self.on_subscription_due(subscription),
                Deadline::Publish(publication) => self.on_publish_due(publication),
                Deadline::Published(publication) => self.on_published_due(publication),
                Deadline::Referral(referral) => self.on_referral_due(referral),
                Deadline::Forget(key) => {
                    self.lingering.remove(&key);
                }
                Deadline::Branches(key) => self.close_branches(key),
            }
        }
        self.answer_orphans(t, now);
    }

    /// The next output; drain it after every call that takes `&mut self`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.outputs.is_empty() {
            self.deadlines.peek()
        } else {
            self.last_now
        }
    }

    /// The methods that are taken here, as an Allow says them (RFC 3261 §20.5).
    #[must_use]
    pub fn allow(&self) -> &str {
        &self.allow
    }

    /// How many sessions there are.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len() - self.husks
    }

    /// How many subscriptions there are, of both roles.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    /// How many requests are on their way.
    #[must_use]
    pub fn request_count(&self) -> usize {
        self.attempts.len()
    }

    /// The dialog in which the request of an owner is sent.
    fn dialog_of(&mut self, owner: Owner) -> Option<&mut Dialog> {
        match owner {
            Owner::Subscribe(id) | Owner::Notify(id) | Owner::Refer(id) => self.usage_dialog(id),
            Owner::Request(_)
            | Owner::Publish(_)
            | Owner::Invite(_)
            | Owner::Bye(_)
            | Owner::Change(..)
            | Owner::Prack(_)
            | Owner::Within(..)
            | Owner::Nobody => Some(self.sessions.get_mut(&owner.in_dialog_of()?)?.current()?.0),
        }
    }

    const fn mint(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn tell(&mut self, event: Event) {
        self.report_call(&event);
        self.outputs.push_back(Output::Event(event));
    }

    fn fail(
        &mut self,
        id: sip_transaction::ClientTransactionId,
        cause: FailureCause,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<TransactionEvent> {
        let progress = self.attempts.failed(id, cause, t, now, &mut self.outputs);
        self.progress(progress, t, now);
        None
    }

    /// Sends a request in the dialog of a session, finished by `fill`.
    fn send_within(
        &mut self,
        id: SessionId,
        method: Method,
        owner: Owner,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Option<()> {
        let session = self.sessions.get_mut(&id)?;
        let account = session.account;
        let (dialog, contact) = session.current()?;
        let request = fill(agent(&self.config, dialog.request(method, None, contact)))
            .build_partial()
            .ok()?;
        let next_hop = dialog.next_hop();
        self.attempts
            .start(owner, request, next_hop, account, &mut self.outputs);
        Some(())
    }

    fn respond(
        &self,
        id: ServerTransactionId,
        response: Result<Response, BuildError>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<()> {
        t.respond(id, &response.ok()?, now).ok()
    }

    /// The same for a response that is to be sent again: a copy of it.
    fn respond_and_keep(
        &self,
        id: ServerTransactionId,
        response: Result<Response, BuildError>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<Response> {
        let response = response.ok()?;
        t.respond(id, &response, now).ok()?;
        Some(response)
    }

    /// Refuses a request of a session, with the Warning that says why, if there is one.
    fn refuse_because(
        &mut self,
        transaction: ServerTransactionId,
        request: &Request,
        (status, warning): (StatusCode, Option<String>),
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<()> {
        let mut response = self.answer(request, status, "");
        if let Some(warning) = warning {
            response = response.header(HeaderName::Warning, warning);
        }
        self.respond(transaction, response.build(), t, now)
    }

    fn answer(&self, request: &Request, status: StatusCode, tag: &str) -> ResponseBuilder {
        let mut response = Response::to(request, status);
        if !tag.is_empty() {
            response = response.to_tag(tag);
        }
        match &self.config.agent {
            Some(agent) => response.header(HeaderName::Server, agent),
            None => response,
        }
    }
}

fn with_body(builder: RequestBuilder, body: Option<Body>) -> RequestBuilder {
    match body {
        Some(body) => builder.body(&body.content_type, body.content),
        None => builder,
    }
}

fn answered_with(builder: ResponseBuilder, body: Option<Body>) -> ResponseBuilder {
    match body {
        Some(body) => builder.body(&body.content_type, body.content),
        None => builder,
    }
}

fn agent(config: &DialogConfig, builder: RequestBuilder) -> RequestBuilder {
    match &config.agent {
        Some(agent) => builder.header(HeaderName::UserAgent, agent),
        None => builder,
    }
}
