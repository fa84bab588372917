//! [`Dialogs`]: the machine.

mod change;
mod notifier;
mod referee;
mod referrer;
mod reliable;
mod replace;
mod subscriber;
mod timer;
mod uac;
mod uas;
mod usage;
mod within;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use sip_message::{
    BuildError, HeaderName, Method, Request, RequestBuilder, Response, ResponseBuilder, StatusCode,
    Uri,
};
use sip_transaction::{Event as TransactionEvent, ServerTransactionId, TransactionLayer};
use sip_transport::{DeadlineQueue, Flow, KeyedHash, Rng, Seed, SelectError};

use crate::attempt::{Attempts, Owner, Progress};
use crate::authentication::{AccountKey, Credential};
use crate::config::{DialogConfig, OutgoingRequest, RequestId, SessionId};
use crate::dialog::Dialog;
use crate::io::{Body, EndCause, Event, FailureCause, Output, RejectCause, Token};
use crate::session::{Held, Kind, Session, State};
use crate::subscription::{Subscription, SubscriptionEnd, SubscriptionId};

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
    /// The peer repeats its 2xx no longer.
    Acknowledged(SessionId, u32),
    /// The wait after a 491 is over.
    Glare(SessionId),
    /// A session is to be refreshed, or has expired (RFC 4028).
    Timer(SessionId),
    /// A NOTIFY has not come (RFC 6665, Timer N).
    Notify(SubscriptionId),
    /// A subscription of ours is to be refreshed.
    Resubscribe(SubscriptionId),
    /// A subscription has expired.
    Subscription(SubscriptionId),
    /// Nobody need know any more what became of a referral (RFC 7614).
    Referral(SubscriptionId),
    /// No 2xx can come any more to an INVITE of ours that was given up.
    Forget(Box<(String, String)>),
}

/// An INVITE of ours that came to nothing: a 2xx may still be on its way.
#[derive(Debug)]
struct Lingering {
    account: AccountKey,
    contact: Uri,
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
    sessions: HashMap<SessionId, Session>,
    /// Sessions by Call-ID and local tag: the peer chooses the Call-ID, so the hash is keyed. Never iterated.
    by_call: HashMap<(String, String), SessionId, KeyedHash>,
    by_server_transaction: HashMap<ServerTransactionId, SessionId>,
    /// Keyed like `by_call`, and of at most `sessions` entries. Never iterated.
    lingering: HashMap<(String, String), Lingering, KeyedHash>,
    /// Keyed by numbers that we mint.
    subscriptions: HashMap<SubscriptionId, Subscription>,
    /// Keyed like `by_call`. Never iterated.
    by_subscription: HashMap<(String, String), SubscriptionId, KeyedHash>,
    /// Sessions that are over, and whose dialogs are not.
    husks: usize,
    /// Calls that report to who asked for them. Keyed by numbers that we mint, as the next two.
    carried: HashMap<SessionId, SubscriptionId>,
    referrals: HashMap<SubscriptionId, referee::Explicit>,
    referral_tokens: HashMap<String, SubscriptionId>,
    /// Requests of sessions that have ended under them: they are answered 487 before the call returns.
    orphans: Vec<(ServerTransactionId, Box<Request>)>,
    /// The value of Allow, and the option tags of Supported.
    allow: String,
    supported: Vec<String>,
    deadlines: DeadlineQueue<Deadline>,
    outputs: VecDeque<Output>,
    last_now: Option<Instant>,
}

impl Dialogs {
    /// Without any dialog. Tags, Call-IDs and client nonces come from `seed`.
    #[must_use]
    pub fn new(config: DialogConfig, seed: Seed) -> Self {
        Self {
            allow: config.allow(),
            supported: config.option_tags(),
            config,
            rng: seed.derive("tags").rng(),
            attempts: Attempts::new(&seed),
            next: 1,
            sessions: HashMap::new(),
            by_call: HashMap::with_hasher(seed.hasher()),
            by_server_transaction: HashMap::new(),
            lingering: HashMap::with_hasher(seed.hasher()),
            subscriptions: HashMap::new(),
            husks: 0,
            carried: HashMap::new(),
            referrals: HashMap::new(),
            referral_tokens: HashMap::new(),
            orphans: Vec::new(),
            by_subscription: HashMap::with_hasher(seed.hasher()),
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

    /// Ends a session, whatever its state: cancels an INVITE that has no answer, refuses (480) one that we have not answered, sends BYE.
    /// The session's last event follows.
    pub fn end(&mut self, id: SessionId, t: &mut dyn TransactionLayer, now: Instant) {
        self.last_now = Some(now);
        self.end_session(id, t, now);
        self.answer_orphans(t, now);
    }

    /// The same, with the value of a Reason field for the CANCEL or BYE (RFC 3326), such as `Q.850;cause=16`.
    pub fn end_because(
        &mut self,
        id: SessionId,
        reason: &str,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.reason = Some(reason.into());
        }
        self.end(id, t, now);
    }

    fn end_session(&mut self, id: SessionId, t: &mut dyn TransactionLayer, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match &mut session.state {
            State::Calling { attempt, cancelled } => {
                if *cancelled {
                    return;
                }
                *cancelled = true;
                let attempt = *attempt;
                let reason = session.reason.take();
                if !self.attempts.cancel(attempt, reason.as_deref(), t, now) {
                    self.remove(id);
                    self.tell(Event::Rejected {
                        session: id,
                        cause: RejectCause::Failed(FailureCause::Cancelled),
                    });
                }
            }
            State::Ringing { .. } => {
                let _ = self.reject(id, StatusCode::TEMPORARILY_UNAVAILABLE, &[], t, now);
            }
            State::Up => {
                // A 2xx that waits for our answer still has its ACK.
                if let Some(Held::Ack(invite)) = session.held.take() {
                    self.prepare_ack(id, &invite, None);
                }
                let Some(session) = self.sessions.get_mut(&id) else {
                    return;
                };
                // Section 15: not before the ACK, or the time for it is over.
                if session.unacknowledged.is_some() {
                    session.ends_after_ack = true;
                    return;
                }
                self.bye(id, EndCause::Local);
            }
            State::Ending { .. } | State::Over => {}
        }
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
            TransactionEvent::TimedOut { id } if self.attempts.owns(id) => {
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
                let progress = self.attempts.flow_selected(number, result, t, now);
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
                Deadline::Acknowledged(session, number) => self.forget_ack(session, number),
                Deadline::Glare(session) => self.on_glare_over(session),
                Deadline::Timer(session) => self.on_session_timer(session),
                Deadline::Notify(subscription) => self.on_notify_missing(subscription),
                Deadline::Resubscribe(subscription) => self.resubscribe(subscription, now),
                Deadline::Subscription(subscription) => self.on_subscription_due(subscription),
                Deadline::Referral(referral) => self.on_referral_due(referral),
                Deadline::Forget(key) => {
                    self.lingering.remove(&*key);
                }
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
            | Owner::Invite(_)
            | Owner::Bye(_)
            | Owner::Change(_)
            | Owner::Prack(_)
            | Owner::Within(..)
            | Owner::Nobody => self.sessions.get_mut(&owner.in_dialog_of()?)?.current(),
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
        let progress = self.attempts.failed(id, cause, t, now);
        self.progress(progress, t, now);
        None
    }

    fn progress(&mut self, progress: Option<Progress>, t: &mut dyn TransactionLayer, now: Instant) {
        match progress {
            None => {}
            // A provisional response to anything but the first INVITE tells nothing.
            Some(Progress::Response(owner, _, response))
                if !response.status().is_final() && !matches!(owner, Owner::Invite(_)) => {}
            Some(Progress::Response(Owner::Request(id), _, response)) => {
                self.tell(Event::Responded { id, response });
            }
            Some(Progress::Failed(Owner::Request(id), cause)) => {
                self.tell(Event::Failed { id, cause });
            }
            Some(Progress::Response(Owner::Invite(id), request, response)) => {
                self.on_invite_response(id, request, response, t, now);
            }
            Some(Progress::Failed(Owner::Invite(id), cause)) => {
                self.remove_lingering(id, now);
                self.tell(Event::Rejected {
                    session: id,
                    cause: RejectCause::Failed(cause),
                });
            }
            Some(Progress::Response(Owner::Bye(id), ..) | Progress::Failed(Owner::Bye(id), _)) => {
                self.on_bye_answered(id);
            }
            Some(Progress::Response(Owner::Change(id), request, response)) => {
                self.on_change_response(id, request, response, now);
            }
            Some(Progress::Failed(Owner::Change(id), cause)) => self.on_change_failed(id, cause),
            Some(Progress::Response(Owner::Within(id, number), request, response)) => {
                let status = response.status();
                self.tell(Event::Responded {
                    id: number,
                    response,
                });
                self.after_failure(id, request.method(), status);
            }
            Some(Progress::Failed(Owner::Within(id, number), cause)) => {
                self.tell(Event::Failed { id: number, cause });
                // Section 12.2.1.2: no response at all is a 408.
                if cause == FailureCause::TimedOut {
                    self.bye(id, EndCause::Lost);
                }
            }
            Some(Progress::Response(Owner::Subscribe(id), request, response)) => {
                self.on_subscribe_response(id, request, response, now);
            }
            Some(Progress::Failed(Owner::Subscribe(id), cause)) => {
                self.on_subscribe_failed(id, cause);
            }
            Some(Progress::Response(Owner::Refer(id), request, response)) => {
                self.on_refer_response(id, &request, response);
            }
            Some(Progress::Failed(Owner::Refer(id), cause)) => self.on_refer_failed(id, cause),
            Some(Progress::Response(Owner::Notify(id), _, response)) => {
                self.on_notify_answered(id, response.status());
            }
            Some(Progress::Failed(Owner::Notify(id), cause)) => self.on_notify_failed(id, cause),
            // RFC 3262 section 4 leaves a refused PRACK without consequence: the final response decides.
            Some(
                Progress::Response(Owner::Prack(_) | Owner::Nobody, ..)
                | Progress::Failed(Owner::Prack(_) | Owner::Nobody, _),
            ) => {}
        }
    }

    fn on_bye_answered(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id)
            && let State::Ending { answered, .. } = &mut session.state
        {
            *answered = true;
            self.end_if_done(id);
        }
    }

    /// The end, once neither our BYE nor a re-INVITE of ours is under way.
    fn end_if_done(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let State::Ending {
            cause,
            answered: true,
        } = session.state
        else {
            return;
        };
        let waits = session
            .change
            .as_ref()
            .is_some_and(|change| change.kind == Kind::ReInvite && change.waits.is_none())
            || session.ack.as_ref().is_some_and(|ack| ack.sent.is_none());
        if !waits {
            self.ended(id, cause);
        }
    }

    fn ended(&mut self, id: SessionId, cause: EndCause) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if session.usages.is_empty() {
            self.remove(id);
        } else if matches!(session.state, State::Up | State::Ending { .. }) {
            // RFC 5057 section 4.1: the end of the session leaves its dialog to the others.
            self.hollow(id);
        } else if !matches!(session.state, State::Over) {
            // An early dialog ends with its INVITE, and all that is in it.
            for usage in session.usages.clone() {
                self.subscription_over(usage, SubscriptionEnd::Lost);
            }
            self.remove(id);
        } else {
            return;
        }
        self.tell(Event::Ended { session: id, cause });
    }

    /// Leaves only the dialog of a session that is over.
    fn hollow(&mut self, id: SessionId) {
        let Some(mut session) = self.remove(id) else {
            return;
        };
        let mut husk = Session::new(
            State::Over,
            session.account,
            session.contact,
            session.call_id,
            session.local_tag,
            session.dialog.take(),
        );
        husk.usages = session.usages;
        self.by_call
            .insert((husk.call_id.clone(), husk.local_tag.clone()), id);
        self.sessions.insert(id, husk);
        self.husks += 1;
    }

    /// Takes a session out of everything that knows it.
    fn remove(&mut self, id: SessionId) -> Option<Session> {
        self.orphan(id);
        let session = self.sessions.remove(&id)?;
        self.by_call
            .remove(&(session.call_id.clone(), session.local_tag.clone()));
        let transactions = [
            if let State::Ringing { transaction, .. } = session.state {
                Some(transaction)
            } else {
                None
            },
            session
                .unacknowledged
                .as_ref()
                .map(|waits| waits.transaction),
        ];
        for transaction in transactions.into_iter().flatten() {
            self.by_server_transaction.remove(&transaction);
        }
        let deadlines = [
            session.unacknowledged.as_ref().map(|waits| waits.deadline),
            session
                .reliable
                .as_ref()
                .and_then(|reliable| Some(reliable.waiting.as_ref()?.deadline)),
            session.change.as_ref().and_then(|change| change.waits),
            session.timer.as_ref().map(|timer| timer.deadline),
            session.unanswered,
        ];
        for deadline in deadlines.into_iter().flatten() {
            self.deadlines.cancel(deadline);
        }
        Some(session)
    }

    /// Section 15.1.2: what the peer still waits for in a session that ends is answered 487.
    fn orphan(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(reinvite) = session.reinvite.take() {
            self.by_server_transaction.remove(&reinvite.0);
            self.orphans.push(reinvite);
        }
        self.orphans.extend(session.update.take());
    }

    fn answer_orphans(&mut self, t: &mut dyn TransactionLayer, now: Instant) {
        for (transaction, request) in std::mem::take(&mut self.orphans) {
            let response = self
                .answer(&request, StatusCode::REQUEST_TERMINATED, "")
                .build();
            self.respond(transaction, response, t, now);
        }
    }

    /// Takes out a session whose INVITE came to nothing. A 2xx of another branch, or one that crossed our CANCEL, may still come for as
    /// long as it is repeated (section 13.2.2.4).
    fn remove_lingering(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.remove(id) else {
            return;
        };
        if self.lingering.len() >= self.config.sessions {
            return;
        }
        let key = (session.call_id, session.local_tag);
        self.deadlines.insert(
            now + self.config.t1 * 64,
            Deadline::Forget(Box::new(key.clone())),
        );
        self.lingering.insert(
            key,
            Lingering {
                account: session.account,
                contact: session.contact,
                abandoned: session.abandoned,
            },
        );
    }

    /// Sends BYE; the session ends with its answer (section 15.1.1).
    fn bye(&mut self, id: SessionId, cause: EndCause) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if !matches!(session.state, State::Up) {
            return;
        }
        session.state = State::Ending {
            cause,
            answered: false,
        };
        if let Some(timer) = session.timer.take() {
            self.deadlines.cancel(timer.deadline);
        }
        let reason = session.reason.take();
        self.orphan(id);
        if self
            .send_within(id, Method::Bye, Owner::Bye(id), |builder| match &reason {
                Some(reason) => builder.header(HeaderName::Reason, reason),
                None => builder,
            })
            .is_none()
        {
            self.ended(id, cause);
        }
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
        let dialog = session.current()?;
        let request = fill(agent(&self.config, dialog.request(method, None)))
            .build_partial()
            .ok()?;
        let next_hop = dialog.next_hop();
        self.attempts
            .start(owner, request, next_hop, account, &mut self.outputs);
        Some(())
    }

    fn respond(
        &mut self,
        id: ServerTransactionId,
        response: Result<Response, BuildError>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<Response> {
        let response = response.ok()?;
        t.respond(id, response.clone(), now).ok()?;
        Some(response)
    }

    fn answer(&self, request: &Request, status: StatusCode, tag: &str) -> ResponseBuilder {
        let response = Response::to(request, status).to_tag(tag);
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
