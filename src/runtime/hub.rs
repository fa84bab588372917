//! Who waits for what: the worker's side of user agents and of the application's handlers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use sip_dialog::{AccountKey, Credential, Event, RequestId, SessionId, SubscriptionId};
use sip_message::{Request, Response, StatusCode};
use sip_transaction::ServerTransactionId;
use sip_transport::tokio::Recorder;
use sip_transport::{Flow, FlowId, Rng, SelectError, SelectId, Target};
use tokio::sync::{mpsc, oneshot};

use super::watch::Watchers;
use crate::stack::{Output, Stack, Traced};

/// Events of one call that may wait for its task; a task that lets more pile up has its call ended.
const SESSION_EVENTS: usize = 64;

/// The end of a request out of a dialog.
pub type Answered = Result<Response, sip_dialog::FailureCause>;

/// Who is told of messages that pass.
pub type Tracer = Box<dyn FnMut(&Traced) + Send>;

/// An INVITE that nobody has taken yet.
#[derive(Debug)]
#[non_exhaustive]
pub struct Incoming {
    /// Its session.
    pub session: SessionId,
    /// The INVITE.
    pub request: Box<Request>,
    /// How it arrived.
    pub flow: Flow,
    /// What happens to the session from now on.
    pub events: mpsc::Receiver<Event>,
}

/// A request for an application's handler.
#[derive(Debug)]
#[non_exhaustive]
pub struct IncomingRequest {
    /// Its transaction.
    pub id: ServerTransactionId,
    /// The request.
    pub request: Box<Request>,
    /// How it arrived.
    pub flow: Flow,
}

/// The maps are keyed by ids that the stack mints.
pub struct Hub {
    sessions: HashMap<SessionId, mpsc::Sender<Event>>,
    /// Whose call a REFER of ours is of. Each entry goes with the end of its subscription.
    referrals: HashMap<SubscriptionId, SessionId>,
    requests: HashMap<RequestId, oneshot::Sender<Answered>>,
    subscriptions: HashMap<SubscriptionId, mpsc::Sender<Event>>,
    selections: HashMap<SelectId, oneshot::Sender<Result<Vec<Flow>, SelectError>>>,
    /// Flows that are kept alive; as many as a user agent registers over.
    flows: HashMap<FlowId, oneshot::Sender<()>>,
    credentials: HashMap<AccountKey, Credential>,
    incoming: Option<mpsc::Sender<Incoming>>,
    handlers: Option<mpsc::Sender<IncomingRequest>>,
    tracer: Option<Tracer>,
    recorders: Vec<Arc<Recorder>>,
    taps: Watchers,
    rng: Rng,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("sessions", &self.sessions.len())
            .field("requests", &self.requests.len())
            .field("selections", &self.selections.len())
            .finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub that knows nobody; tags and Call-IDs come from `rng`.
    #[must_use]
    pub fn new(rng: Rng) -> Self {
        Self {
            sessions: HashMap::new(),
            referrals: HashMap::new(),
            requests: HashMap::new(),
            subscriptions: HashMap::new(),
            selections: HashMap::new(),
            flows: HashMap::new(),
            credentials: HashMap::new(),
            incoming: None,
            handlers: None,
            tracer: None,
            recorders: Vec::new(),
            taps: Watchers::default(),
            rng,
        }
    }

    /// Calls that nobody has taken go to `sender`; without one, or when it is full, they are refused.
    pub fn take_incoming(&mut self, sender: mpsc::Sender<Incoming>) {
        self.incoming = Some(sender);
    }

    /// Requests for handlers go to `sender`; when it is full, they are answered 503.
    pub fn take_requests(&mut self, sender: mpsc::Sender<IncomingRequest>) {
        self.handlers = Some(sender);
    }

    /// Challenges to `account` are answered with `credential`.
    pub fn add_credential(&mut self, account: AccountKey, credential: Credential) {
        self.credentials.insert(account, credential);
    }

    /// Messages that pass are told to `tracer`; see [`Stack::trace`].
    pub fn take_trace(&mut self, tracer: Tracer) {
        self.tracer = Some(tracer);
    }

    /// Messages as they are on the wire are recorded by `recorder` too; see [`Stack::capture`].
    pub fn take_capture(&mut self, recorder: Arc<Recorder>) {
        self.recorders.push(recorder);
    }

    /// Who watches messages, and what was not shown to them.
    pub const fn watchers(&mut self) -> &mut Watchers {
        &mut self.taps
    }

    /// The events of a session that was just begun.
    pub fn watch_session(&mut self, session: SessionId) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(SESSION_EVENTS);
        self.sessions.insert(session, sender);
        receiver
    }

    /// What becomes of a REFER that was just sent is told to who watches its session.
    pub fn watch_referral(&mut self, subscription: SubscriptionId, session: SessionId) {
        self.referrals.insert(subscription, session);
    }

    /// The session whose owner an event is for.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others say it themselves"
    )]
    fn session_of(&mut self, event: &Event) -> Option<SessionId> {
        match event {
            Event::Referred { session, .. } => *session,
            Event::ReferAccepted { subscription, .. } | Event::Notified { subscription, .. } => {
                self.referrals.get(subscription).copied()
            }
            Event::SubscriptionEnded { subscription, .. } => self.referrals.remove(subscription),
            other => other.session(),
        }
    }

    /// The end of a request that was just sent.
    pub fn watch_request(&mut self, request: RequestId) -> oneshot::Receiver<Answered> {
        let (sender, receiver) = oneshot::channel();
        self.requests.insert(request, sender);
        receiver
    }

    /// The events of a subscription of ours that was just begun.
    pub fn watch_subscription(&mut self, subscription: SubscriptionId) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(SESSION_EVENTS);
        self.subscriptions.insert(subscription, sender);
        receiver
    }

    /// The failure of a flow that is kept alive; whoever watched it before hears nothing more.
    pub fn watch_flow(&mut self, flow: FlowId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.flows.insert(flow, sender);
        receiver
    }

    /// The generator for what a user agent mints.
    pub const fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Starts a selection; its result comes to the receiver.
    pub fn select(
        &mut self,
        stack: &mut Stack,
        target: &Target,
        size: usize,
        wall: SystemTime,
        now: Instant,
    ) -> oneshot::Receiver<Result<Vec<Flow>, SelectError>> {
        let (sender, receiver) = oneshot::channel();
        // The result is an output, so it is taken after this call at the earliest.
        let id = stack.select(target, size, wall, now);
        self.selections.insert(id, sender);
        receiver
    }

    /// Hands an output of the stack to whom it is for.
    pub(super) fn take(
        &mut self,
        output: Output,
        stack: &mut Stack,
        wall: SystemTime,
        now: Instant,
    ) {
        match output {
            Output::Dialog(event) => self.dialog(event, stack, wall, now),
            Output::Authenticate { token, account, .. } => {
                let credential = self.credentials.get(&account).cloned();
                stack.credentials(token, credential, wall, now);
            }
            Output::Request { id, request, flow } => {
                self.request(IncomingRequest { id, request, flow }, stack, wall, now)
            }
            Output::Selected { id, result } => {
                if let Some(sender) = self.selections.remove(&id) {
                    let _ = sender.send(result);
                }
            }
            Output::FlowLost { flow } => {
                if let Some(watcher) = self.flows.remove(&flow) {
                    let _ = watcher.send(());
                }
            }
            Output::Captured(captured) => {
                for recorder in &self.recorders {
                    recorder.record(&captured, wall);
                }
            }
            Output::Tapped(id, tapped) => self.taps.take(id, *tapped, stack),
            Output::Traced(traced) => {
                if let Some(tracer) = &mut self.tracer {
                    tracer(&traced);
                }
            }
            // The worker executes these itself.
            Output::Io(_)
            | Output::Role(_)
            | Output::Need { .. }
            | Output::Watch { .. }
            | Output::HandOver { .. } => {}
        }
    }

    fn request(
        &mut self,
        incoming: IncomingRequest,
        stack: &mut Stack,
        wall: SystemTime,
        now: Instant,
    ) {
        let refused = match &self.handlers {
            Some(handlers) => match handlers.try_send(incoming) {
                Ok(()) => return,
                Err(
                    mpsc::error::TrySendError::Full(refused)
                    | mpsc::error::TrySendError::Closed(refused),
                ) => refused,
            },
            None => incoming,
        };
        // A full channel is overload: RFC 3261 section 21.5.4.
        let response = Response::to(&refused.request, StatusCode::SERVICE_UNAVAILABLE)
            .header(sip_message::HeaderName::RetryAfter, "5")
            .build();
        if let Ok(response) = response {
            let _ = stack.respond(refused.id, response, wall, now);
        }
    }

    fn dialog(&mut self, event: Event, stack: &mut Stack, wall: SystemTime, now: Instant) {
        match event {
            Event::Responded { id, response } => {
                if let Some(sender) = self.requests.remove(&id) {
                    let _ = sender.send(Ok(*response));
                }
            }
            Event::Failed { id, cause } => {
                if let Some(sender) = self.requests.remove(&id) {
                    let _ = sender.send(Err(cause));
                }
            }
            Event::Incoming {
                session,
                request,
                flow,
            } => {
                let events = self.watch_session(session);
                let taken = self.incoming.as_ref().is_some_and(|incoming| {
                    incoming
                        .try_send(Incoming {
                            session,
                            request,
                            flow,
                            events,
                        })
                        .is_ok()
                });
                if !taken {
                    self.sessions.remove(&session);
                    stack.dialogs(wall, now, |dialogs, transactions| {
                        let _ = dialogs.reject(
                            session,
                            StatusCode::TEMPORARILY_UNAVAILABLE,
                            &[],
                            transactions,
                            now,
                        );
                    });
                }
            }
            Event::Notified { subscription, .. } if !self.referrals.contains_key(&subscription) => {
                let Some(sender) = self.subscriptions.get(&subscription) else {
                    return;
                };
                if sender.try_send(event).is_err() {
                    // Nobody reads any more.
                    self.subscriptions.remove(&subscription);
                    stack.dialogs(wall, now, |dialogs, transactions| {
                        let _ = dialogs.unsubscribe(subscription, transactions, now);
                    });
                }
            }
            Event::SubscriptionEnded { subscription, .. }
                if !self.referrals.contains_key(&subscription) =>
            {
                if let Some(sender) = self.subscriptions.remove(&subscription) {
                    let _ = sender.try_send(event);
                }
            }
            other => {
                let referral = match &other {
                    Event::Referred { referral, .. } => Some(*referral),
                    _ => None,
                };
                let session = self.session_of(&other);
                let watched = session.and_then(|id| Some((id, self.sessions.get(&id)?)));
                let Some((session, sender)) = watched else {
                    if let Some(referral) = referral {
                        // Nobody is there to do it.
                        stack.dialogs(wall, now, |dialogs, transactions| {
                            let _ = dialogs.refuse_referral(
                                referral,
                                StatusCode::DECLINE,
                                transactions,
                                now,
                            );
                        });
                    }
                    return;
                };
                let ends = other.is_end();
                let delivered = match sender.try_send(other) {
                    Ok(()) => true,
                    // Who sends provisional responses faster than anybody reads them does not end the call: one less is told.
                    Err(mpsc::error::TrySendError::Full(event)) => {
                        matches!(event, Event::Progress { .. })
                    }
                    Err(mpsc::error::TrySendError::Closed(_)) => false,
                };
                if ends {
                    self.sessions.remove(&session);
                } else if !delivered {
                    // Nobody reads any more: the call must not go on without an owner.
                    self.sessions.remove(&session);
                    stack.dialogs(wall, now, |dialogs, transactions| {
                        dialogs.end(session, transactions, now)
                    });
                }
            }
        }
    }
}
