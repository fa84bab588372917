//! [`Attempts`]: requests on their way, through the choice of a flow, challenges, redirections, and the next flow when one fails.

mod redirect;

use std::collections::HashMap;
use std::time::Instant;

use sip_message::{HeaderName, Method, Request, Response, StatusCode, Uri};
use sip_transaction::{ClientTransactionId, TransactionLayer};
use sip_transport::{Failover, Flow, Seed, SelectError};

use crate::authentication::{AccountKey, Authenticator, Credential, Demand};
use crate::index::NumberHash;
use crate::io::{FailureCause, Output, Token};
use crate::session::Kind;
use redirect::Redirection;

/// Challenges in a row that are answered for one request: one for each proxy on the way, and a stale one.
const ROUNDS: u8 = 5;

/// A number that is not used again: which attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AttemptId(u64);

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A request out of a dialog.
    Request(crate::RequestId),
    /// The INVITE that makes a session.
    Invite(crate::SessionId),
    /// A BYE.
    Bye(crate::SessionId),
    /// A re-INVITE or an UPDATE.
    Change(crate::SessionId, Kind),
    /// A PRACK.
    Prack(crate::SessionId),
    /// A SUBSCRIBE.
    Subscribe(crate::SubscriptionId),
    /// A REFER.
    Refer(crate::SubscriptionId),
    /// A PUBLISH.
    Publish(crate::PublicationId),
    /// A NOTIFY.
    Notify(crate::SubscriptionId),
    /// Another request within the dialog.
    Within(crate::SessionId, crate::RequestId),
    /// Nobody waits for it: the BYE of a dialog that was not wanted.
    Nobody,
}

impl Owner {
    /// The session in whose dialog the request is sent.
    pub(crate) const fn in_dialog_of(self) -> Option<crate::SessionId> {
        match self {
            Self::Bye(id) | Self::Change(id, _) | Self::Prack(id) | Self::Within(id, _) => Some(id),
            Self::Request(_)
            | Self::Invite(_)
            | Self::Subscribe(_)
            | Self::Refer(_)
            | Self::Publish(_)
            | Self::Notify(_)
            | Self::Nobody => None,
        }
    }
}

/// What happened to an attempt.
#[derive(Debug)]
pub(crate) enum Progress {
    /// A provisional response to the INVITE of a session, and whether that had a body.
    Provisional(crate::SessionId, bool, Box<Response>),
    /// The same of a re-INVITE.
    Changing(crate::SessionId, bool, Box<Response>),
    /// The INVITE of a session goes to another place, for this response.
    Redirected(crate::SessionId, StatusCode, Uri),
    /// A final response that is not a challenge that we answered.
    Response(Owner, Box<Request>, Box<Response>),
    /// It ended without one.
    Failed(Owner, FailureCause),
}

#[derive(Debug)]
struct Attempt {
    owner: Owner,
    request: Box<Request>,
    next_hop: Uri,
    account: AccountKey,
    /// Flows that were not tried yet, best last.
    flows: Vec<Flow>,
    flow: Option<Flow>,
    /// When the first flow was tried.
    begun: Option<Instant>,
    transaction: Option<ClientTransactionId>,
    /// The challenges that were answered: whose (proxy or not, realm), and the nonce.
    answered: Vec<(bool, String, String)>,
    rounds: u8,
    /// Whether a challenge of the last response was answered.
    learned: bool,
    /// The response whose challenges wait for credentials, and those that are still to be asked for.
    challenged: Option<(Box<Response>, Vec<Demand>)>,
    cancelled: bool,
    /// Where redirections lead, once there was one.
    redirection: Option<Box<Redirection>>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Attempts {
    next: u64,
    /// Keyed by numbers that we mint.
    attempts: HashMap<AttemptId, Attempt, NumberHash>,
    by_transaction: HashMap<ClientTransactionId, AttemptId, NumberHash>,
    authenticator: Authenticator,
    failover: Failover,
    /// How many places a redirected request may go to.
    redirections: usize,
}

impl Attempts {
    pub(crate) fn new(seed: &Seed, failover: Failover, redirections: usize) -> Self {
        Self {
            next: 0,
            attempts: HashMap::default(),
            by_transaction: HashMap::default(),
            authenticator: Authenticator::new(seed),
            failover,
            redirections,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.attempts.len()
    }

    /// Starts a request; a flow is asked for first.
    pub(crate) fn start(
        &mut self,
        owner: Owner,
        request: impl Into<Box<Request>>,
        next_hop: Uri,
        account: AccountKey,
        out: &mut impl Extend<Output>,
    ) -> AttemptId {
        let id = AttemptId(self.next);
        self.next += 1;
        let mut request = request.into();
        let next_hop = secured(next_hop, &request);
        self.authenticator
            .authorize(account, next_hop.as_str(), &mut request);
        let size = request.encoded_len();
        out.extend([Output::SelectFlow {
            token: Token::Attempt(id.0),
            next_hop: next_hop.clone(),
            size,
        }]);
        let attempt = Attempt {
            owner,
            request,
            next_hop,
            account,
            flows: Vec::new(),
            flow: None,
            begun: None,
            transaction: None,
            answered: Vec::new(),
            rounds: 0,
            learned: false,
            challenged: None,
            cancelled: false,
            redirection: None,
        };
        self.attempts.insert(id, attempt);
        id
    }

    /// Whether a request of that owner is on its way.
    pub(crate) fn has(&self, owner: Owner) -> bool {
        self.attempts.values().any(|attempt| attempt.owner == owner)
    }

    /// Whose request it is, and the number in its CSeq.
    pub(crate) fn of(&self, number: u64) -> Option<(Owner, u32)> {
        let attempt = self.attempts.get(&AttemptId(number))?;
        Some((attempt.owner, attempt.request.headers().cseq()?.0))
    }

    /// Cancels an INVITE. Returns false when nothing was sent yet: the attempt is then gone.
    pub(crate) fn cancel(
        &mut self,
        id: AttemptId,
        reason: Option<&str>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> bool {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return false;
        };
        attempt.cancelled = true;
        let reason = reason.map(|reason| (HeaderName::Reason, reason));
        if let Some(transaction) = attempt.transaction
            && t.cancel(transaction, reason.as_slice(), now).is_ok()
        {
            return true;
        }
        self.remove(id);
        false
    }

    fn remove(&mut self, id: AttemptId) -> Option<Attempt> {
        let attempt = self.attempts.remove(&id)?;
        if let Some(transaction) = attempt.transaction {
            self.by_transaction.remove(&transaction);
        }
        Some(attempt)
    }

    /// The answer to [`Output::SelectFlow`].
    pub(crate) fn flow_selected(
        &mut self,
        number: u64,
        result: Result<Vec<Flow>, SelectError>,
        t: &mut dyn TransactionLayer,
        now: Instant,
        out: &mut impl Extend<Output>,
    ) -> Option<Progress> {
        let id = AttemptId(number);
        let attempt = self.attempts.get_mut(&id)?;
        match result {
            Ok(mut flows) => {
                flows.reverse();
                attempt.flows = flows;
                self.next_flow(id, FailureCause::Unreachable, t, now, out)
            }
            Err(error) => self.fail(id, FailureCause::NoFlow(error), out),
        }
    }

    /// Tries the next flow (RFC 3263 section 4.3), or fails with `cause` when there is none, or no time for it.
    fn next_flow(
        &mut self,
        id: AttemptId,
        cause: FailureCause,
        t: &mut dyn TransactionLayer,
        now: Instant,
        out: &mut impl Extend<Output>,
    ) -> Option<Progress> {
        let attempt = self.attempts.get_mut(&id)?;
        let is_first = attempt.begun.is_none();
        let begun = *attempt.begun.get_or_insert(now);
        let left = attempt.flows.len();
        let until = self.failover.until(begun, left, now);
        match (attempt.flows.pop(), until) {
            (Some(flow), Some(until)) if !attempt.cancelled => {
                attempt.flow = Some(flow);
                self.send(id, flow, t, now);
                // The only one has the time of its transaction.
                if (left > 1 || !is_first)
                    && let Some(transaction) =
                        self.attempts.get(&id).and_then(|sent| sent.transaction)
                {
                    t.give_up_at(transaction, until, now);
                }
                None
            }
            _ => self.fail(id, cause, out),
        }
    }

    /// There is no answer: the next place that a redirection named (RFC 3261 section 8.1.3.1: as if it were one), or the end.
    fn fail(
        &mut self,
        id: AttemptId,
        cause: FailureCause,
        out: &mut impl Extend<Output>,
    ) -> Option<Progress> {
        if let Some(uri) = self.redirect(id, None, out) {
            return self.redirected(id, uri, StatusCode::REQUEST_TIMEOUT);
        }
        let owner = self.remove(id)?.owner;
        Some(Progress::Failed(owner, cause))
    }

    fn send(&mut self, id: AttemptId, flow: Flow, t: &mut dyn TransactionLayer, now: Instant) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        if let Some(old) = attempt.transaction.take() {
            self.by_transaction.remove(&old);
        }
        let transaction = t.request(&attempt.request, flow, now);
        attempt.transaction = Some(transaction);
        self.by_transaction.insert(transaction, id);
    }

    pub(crate) fn owns(&self, transaction: ClientTransactionId) -> bool {
        self.by_transaction.contains_key(&transaction)
    }

    /// A response to one of our requests.
    pub(crate) fn response(
        &mut self,
        transaction: ClientTransactionId,
        response: Box<Response>,
        t: &mut dyn TransactionLayer,
        now: Instant,
        out: &mut impl Extend<Output>,
    ) -> Option<Progress> {
        let id = *self.by_transaction.get(&transaction)?;
        let attempt = self.attempts.get_mut(&id)?;
        let status = response.status();
        if status.is_provisional() {
            if status == StatusCode::TRYING || *attempt.request.method() != Method::Invite {
                return None;
            }
            let offered = !attempt.request.body().is_empty();
            return match attempt.owner {
                Owner::Invite(session) => Some(Progress::Provisional(session, offered, response)),
                Owner::Change(session, Kind::ReInvite) => {
                    Some(Progress::Changing(session, offered, response))
                }
                Owner::Request(_)
                | Owner::Change(_, Kind::Update)
                | Owner::Bye(_)
                | Owner::Prack(_)
                | Owner::Subscribe(_)
                | Owner::Refer(_)
                | Owner::Publish(_)
                | Owner::Notify(_)
                | Owner::Within(..)
                | Owner::Nobody => None,
            };
        }
        let challenged = status == StatusCode::UNAUTHORIZED
            || status == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        if challenged && !attempt.cancelled {
            let mut demands = Demand::all(&response);
            demands.retain(|demand| demand.is_new(&attempt.answered));
            if !demands.is_empty() && attempt.rounds < ROUNDS {
                attempt.rounds += 1;
                attempt.learned = false;
                attempt.challenged = Some((response, demands));
                return self.ask(id, out);
            }
            self.authenticator
                .forget(attempt.account, attempt.next_hop.as_str());
        }
        // RFC 3263 section 4.3: a 503 is a failure of the server, and the next one is tried.
        if status == StatusCode::SERVICE_UNAVAILABLE
            && !attempt.flows.is_empty()
            && !attempt.cancelled
            && attempt
                .begun
                .is_some_and(|begun| self.failover.until(begun, 1, now).is_some())
        {
            return self.next_flow(id, FailureCause::Unreachable, t, now, out);
        }
        if let Some(uri) = self.redirect(id, Some(&response), out) {
            return self.redirected(id, uri, status);
        }
        // Further 2xx to an INVITE come by the dialogs' own matching.
        let Attempt { owner, request, .. } = self.remove(id)?;
        Some(Progress::Response(owner, request, response))
    }

    /// Asks for the credentials of the next challenge.
    fn ask(&mut self, id: AttemptId, out: &mut impl Extend<Output>) -> Option<Progress> {
        let attempt = self.attempts.get_mut(&id)?;
        let (_, demands) = attempt.challenged.as_ref()?;
        let demand = demands.last()?;
        out.extend([Output::Authenticate {
            token: Token::Attempt(id.0),
            account: attempt.account,
            realm: demand.realm.clone(),
            proxy: demand.proxy,
        }]);
        None
    }

    /// The answer to [`Output::Authenticate`].
    pub(crate) fn credentials(
        &mut self,
        number: u64,
        credential: Option<Credential>,
        next_cseq: Option<u32>,
        t: &mut dyn TransactionLayer,
        now: Instant,
        out: &mut impl Extend<Output>,
    ) -> Option<Progress> {
        let id = AttemptId(number);
        let attempt = self.attempts.get_mut(&id)?;
        let (response, mut demands) = attempt.challenged.take()?;
        if let (Some(credential), Some(demand)) = (credential, demands.pop()) {
            demand.note(&mut attempt.answered);
            attempt.learned = true;
            self.authenticator.learn(
                attempt.account,
                attempt.next_hop.as_str(),
                demand,
                credential,
            );
        } else {
            demands.clear();
            if !attempt.learned {
                let Attempt { owner, request, .. } = self.remove(id)?;
                return Some(Progress::Response(owner, request, response));
            }
        }
        if !demands.is_empty() {
            attempt.challenged = Some((response, demands));
            return self.ask(id, out);
        }
        if attempt.cancelled {
            let owner = attempt.owner;
            self.remove(id);
            return Some(Progress::Failed(owner, FailureCause::Cancelled));
        }
        // Section 22.2: the same request with a higher CSeq, the next one of its dialog when it has one.
        let (number, method) = attempt.request.headers().cseq()?;
        let next = number.saturating_add(1).max(next_cseq.unwrap_or_default());
        set_cseq(&mut attempt.request, next, method);
        let (account, next_hop) = (attempt.account, attempt.next_hop.as_str().to_owned());
        self.authenticator
            .authorize(account, &next_hop, &mut attempt.request);
        let flow = attempt.flow?;
        self.send(id, flow, t, now);
        None
    }

    /// The transaction ended without a final response.
    pub(crate) fn failed(
        &mut self,
        transaction: ClientTransactionId,
        cause: FailureCause,
        t: &mut dyn TransactionLayer,
        now: Instant,
        out: &mut impl Extend<Output>,
    ) -> Option<Progress> {
        let id = *self.by_transaction.get(&transaction)?;
        self.next_flow(id, cause, t, now, out)
    }
}

/// RFC 3261 §8.1.2: what is for a SIPS URI goes over TLS, also by a Route that says `sip`.
pub(crate) fn secured(next_hop: Uri, request: &Request) -> Uri {
    if next_hop.as_ref().is_secure() || !request.uri().is_ok_and(|uri| uri.is_secure()) {
        return next_hop;
    }
    next_hop.as_ref().to_sips().unwrap_or(next_hop)
}

fn set_cseq(request: &mut Request, number: u32, method: Method) {
    request
        .headers_mut()
        .replace(HeaderName::CSeq, format!("{number} {method}"));
}
