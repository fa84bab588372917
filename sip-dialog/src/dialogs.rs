//! [`Dialogs`]: the machine.

mod uac;
mod uas;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_message::{
    BuildError, HeaderName, Method, Request, Response, ResponseBuilder, StatusCode, Uri,
};
use sip_transaction::{Event as TransactionEvent, ServerTransactionId, TransactionLayer};
use sip_transport::{DeadlineQueue, Flow, FlowId, KeyedHash, Rng, Seed, SelectError};

use crate::attempt::{AttemptId, Attempts, Owner, Progress};
use crate::authentication::{AccountKey, Credential};
use crate::dialog::Dialog;
use crate::io::{Body, EndCause, Event, FailureCause, Output, RejectCause, Token};

/// Names a request out of a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

/// Names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

/// The session has ended, or is not in a state in which the call makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the session has ended, or is not in a state for this")
    }
}

impl std::error::Error for Gone {}

/// Timers and limits. All have defaults.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DialogConfig {
    /// The estimate of the round-trip time (RFC 3261 table 4): 500 ms.
    pub t1: Duration,
    /// The longest interval between retransmissions of a 2xx: 4 s.
    pub t2: Duration,
    /// Sessions at a time; an INVITE beyond is answered 503, so that a flood of calls makes nothing grow: 10,000.
    pub sessions: usize,
    /// What responses and requests call this program, if anything.
    pub agent: Option<String>,
    /// The extensions that are supported, for Supported and for checking Require.
    pub supported: Vec<String>,
}

impl Default for DialogConfig {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            sessions: 10_000,
            agent: None,
            supported: Vec::new(),
        }
    }
}

/// The methods that a user agent on this layer takes.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";

/// A request out of a dialog: complete but for its Via.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the caller states every part")]
pub struct OutgoingRequest {
    /// The request.
    pub request: Request,
    /// Where it goes first.
    pub next_hop: Uri,
    /// Who answers challenges.
    pub account: AccountKey,
}

/// An INVITE to be sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InviteRequest {
    /// The Request-URI.
    pub target: Uri,
    /// The From.
    pub from: Uri,
    /// The name in the From.
    pub from_display_name: Option<String>,
    /// The To.
    pub to: Uri,
    /// Our Contact.
    pub contact: Uri,
    /// Preloaded routes; the first is the next hop.
    pub route: Vec<Uri>,
    /// The offer.
    pub body: Option<Body>,
    /// Further fields.
    pub headers: Vec<(HeaderName, String)>,
    /// Who answers challenges.
    pub account: AccountKey,
}

impl InviteRequest {
    /// A call from `from` to `to` at `target`, reachable at `contact`.
    #[must_use]
    pub const fn new(target: Uri, from: Uri, to: Uri, contact: Uri) -> Self {
        Self {
            target,
            from,
            from_display_name: None,
            to,
            contact,
            route: Vec::new(),
            body: None,
            headers: Vec::new(),
            account: AccountKey(0),
        }
    }
}

/// A 2xx that waits for its ACK (section 13.3.1.4).
#[derive(Debug)]
struct Unacknowledged {
    transaction: ServerTransactionId,
    response: Response,
    interval: Duration,
    gives_up: Instant,
}

#[derive(Debug)]
enum State {
    /// We called.
    Calling { attempt: AttemptId, cancelled: bool },
    /// We are called.
    Ringing {
        transaction: ServerTransactionId,
        request: Box<Request>,
    },
    /// It is up.
    Up,
    /// Our BYE is on its way.
    Ending,
}

#[derive(Debug)]
struct Session {
    state: State,
    account: AccountKey,
    contact: Uri,
    local_tag: String,
    call_id: String,
    dialog: Option<Dialog>,
    /// Our 2xx without ACK, of the INVITE or of a re-INVITE.
    unacknowledged: Option<Unacknowledged>,
    /// The ACK that answers each retransmission of the peer's 2xx, by the number of its CSeq.
    ack: Option<Ack>,
    /// A re-INVITE of the peer that the application has not answered.
    reinvite: Option<(ServerTransactionId, Box<Request>)>,
    /// Hang up once the ACK is here (section 15: a callee must not send BYE before it).
    ends_after_ack: bool,
}

#[derive(Debug)]
struct Ack {
    number: u32,
    request: Request,
    sent: Option<(Bytes, FlowId)>,
    waiting: bool,
}

/// Which deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deadline {
    /// A 2xx is to be sent again.
    Retransmit(SessionId),
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
    deadlines: DeadlineQueue<Deadline>,
    outputs: VecDeque<Output>,
    last_now: Option<Instant>,
}

impl Dialogs {
    /// Without any dialog. Tags, Call-IDs and client nonces come from `seed`.
    #[must_use]
    pub fn new(config: DialogConfig, seed: Seed) -> Self {
        Self {
            config,
            rng: seed.derive("tags").rng(),
            attempts: Attempts::new(&seed),
            next: 1,
            sessions: HashMap::new(),
            by_call: HashMap::with_hasher(seed.hasher()),
            by_server_transaction: HashMap::new(),
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
                if !self.attempts.cancel(attempt, t, now) {
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
                // Section 15: not before the ACK, or the time for it is over.
                if session.unacknowledged.is_some() {
                    session.ends_after_ack = true;
                    return;
                }
                self.bye(id);
            }
            State::Ending => {}
        }
    }

    /// A transaction event arrived; those that are not ours come back.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not ours goes back, whatever it is"
    )]
    pub fn handle_input(
        &mut self,
        event: TransactionEvent,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<TransactionEvent> {
        self.last_now = Some(now);
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
        if let Token::Attempt(number) = token {
            let progress = self
                .attempts
                .credentials(number, credential, t, now, &mut self.outputs);
            self.progress(progress, t, now);
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, t: &mut dyn TransactionLayer, now: Instant) {
        self.last_now = Some(now);
        while let Some((due, deadline)) = self.deadlines.pop_due(now) {
            match deadline {
                Deadline::Retransmit(session) => self.retransmit(session, due, t, now),
            }
        }
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
        self.sessions.len()
    }

    /// How many requests are on their way.
    #[must_use]
    pub fn request_count(&self) -> usize {
        self.attempts.len()
    }

    const fn mint(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn tell(&mut self, event: Event) {
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
            // A provisional response to anything but an INVITE tells nothing.
            Some(Progress::Response(Owner::Request(_) | Owner::Bye(_), _, response))
                if !response.status().is_final() => {}
            Some(Progress::Response(Owner::Request(id), _, response)) => {
                self.tell(Event::Responded { id, response });
            }
            Some(Progress::Failed(Owner::Request(id), cause)) => {
                self.tell(Event::Failed { id, cause })
            }
            Some(Progress::Response(Owner::Invite(id), request, response)) => {
                self.on_invite_response(id, &request, response, t, now)
            }
            Some(Progress::Failed(Owner::Invite(id), cause)) => {
                self.remove(id);
                self.tell(Event::Rejected {
                    session: id,
                    cause: RejectCause::Failed(cause),
                });
            }
            Some(Progress::Response(Owner::Bye(id), ..)) => self.ended(id, EndCause::Local),
            Some(Progress::Failed(Owner::Bye(id), _)) => self.ended(id, EndCause::Local),
            Some(Progress::Response(Owner::Nobody, ..) | Progress::Failed(Owner::Nobody, _)) => {}
        }
    }

    fn ended(&mut self, id: SessionId, cause: EndCause) {
        if self.remove(id).is_some() {
            self.tell(Event::Ended { session: id, cause });
        }
    }

    fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        self.by_call
            .remove(&(session.call_id.clone(), session.local_tag.clone()));
        if let State::Ringing { transaction, .. } = session.state {
            self.by_server_transaction.remove(&transaction);
        }
        if let Some(unacknowledged) = &session.unacknowledged {
            self.by_server_transaction
                .remove(&unacknowledged.transaction);
        }
        if let Some((transaction, _)) = &session.reinvite {
            self.by_server_transaction.remove(transaction);
        }
        Some(session)
    }

    /// Sends BYE; the session ends with its answer (section 15.1.1).
    fn bye(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let account = session.account;
        let Some(dialog) = &mut session.dialog else {
            return;
        };
        session.state = State::Ending;
        let request = agent(&self.config, dialog.request(Method::Bye, None)).build_partial();
        let next_hop = dialog.next_hop();
        match request {
            Ok(mut request) => {
                // RFC 3261 table 2: a BYE has no Contact.
                request.headers_mut().remove_all(HeaderName::Contact);
                self.attempts.start(
                    Owner::Bye(id),
                    request,
                    next_hop,
                    account,
                    &mut self.outputs,
                );
            }
            Err(_) => self.ended(id, EndCause::Local),
        }
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

fn agent(
    config: &DialogConfig,
    builder: sip_message::RequestBuilder,
) -> sip_message::RequestBuilder {
    match &config.agent {
        Some(agent) => builder.header(HeaderName::UserAgent, agent),
        None => builder,
    }
}
