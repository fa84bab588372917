//! [`Dialing`]: a call that we make, until it is answered.

use std::collections::VecDeque;
use std::time::Duration;

use sip_dialog::{Event, FailureCause, InviteRequest, ReferrerToken, RejectCause, SubscriptionId};
use sip_message::{HeaderName, StatusCode, Uri};
use tokio::task::JoinHandle;

use super::call::bind;
use super::leg::Leg;
use super::offer::Negotiation;
use super::{Account, AgentError, Call, UserAgent, loose};
use crate::media::MediaPort;
use crate::runtime::Stopped;

/// How to call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallOptions {
    ring_timeout: Duration,
}

impl CallOptions {
    /// Rings for at most three minutes (the least that RFC 3261 section 16.6 lets a proxy's Timer C be).
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ring_timeout: Duration::from_secs(180),
        }
    }

    /// Gives up when nobody has answered after this time.
    #[must_use]
    pub const fn ring_timeout(mut self, timeout: Duration) -> Self {
        self.ring_timeout = timeout;
        self
    }
}

impl Default for CallOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What happens to a call until it is answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum DialEvent {
    /// A provisional response other than 100.
    Progress {
        /// Its status: 180 for ringing.
        status: StatusCode,
    },
    /// It goes on to another place (RFC 3261 section 8.1.3.4).
    Redirected {
        /// What the place before answered; 408 stands for no answer.
        status: StatusCode,
        /// Where it goes.
        target: Uri,
    },
    /// It is up.
    Answered(Call),
    /// It will not come about.
    Failed(AgentError),
}

/// A call that we make and that is not answered yet. Dropping it cancels.
#[derive(Debug)]
pub struct Dialing {
    leg: Leg,
    agent: UserAgent,
    pending: Option<(MediaPort, Negotiation)>,
    seed: [u8; 32],
    target: String,
    deadline: tokio::time::Instant,
    called: Uri,
    /// The proxies that were not tried yet.
    others: VecDeque<Uri>,
    /// Has anybody answered anything?
    heard: bool,
    /// What is being done about the last event.
    doing: Option<Doing>,
}

/// What takes time, and goes on when nobody waits for [`Dialing::event`] any more.
#[derive(Debug)]
enum Doing {
    /// A description is seen to.
    Negotiating(JoinHandle<Result<bool, AgentError>>, Then),
    /// The next proxies are tried, because of this.
    GoingOn(JoinHandle<Option<Onward>>, RejectCause),
}

/// What is told when a description was seen to.
#[derive(Debug)]
enum Then {
    Nothing,
    Progress(StatusCode),
    /// Where the other side is.
    Answered(String),
}

/// The way by another proxy, and those that are left.
#[derive(Debug)]
struct Onward {
    proxy: Uri,
    leg: Leg,
    pending: (MediaPort, Negotiation),
    others: VecDeque<Uri>,
}

pub(super) async fn dial(
    agent: &UserAgent,
    target: Uri,
    options: CallOptions,
) -> Result<Dialing, AgentError> {
    dial_for(agent, target, options, None).await
}

/// Who asked for a call.
#[derive(Debug)]
pub(super) struct Referral {
    /// Is told how far it gets.
    pub(super) id: SubscriptionId,
    /// What the REFER wants in the INVITE, Referred-By among it.
    pub(super) headers: Vec<(HeaderName, String)>,
    /// What proves the Referred-By to the one who is called (RFC 3892 section 2.2): it is passed on as it came.
    pub(super) token: Option<ReferrerToken>,
}

/// The same for someone who asked for it.
pub(super) async fn dial_for(
    agent: &UserAgent,
    target: Uri,
    options: CallOptions,
    referral: Option<Referral>,
) -> Result<Dialing, AgentError> {
    let mut others = agent.proxies();
    let mut proxy = others.pop_front();
    // RFC 5626 section 4.2: the proxies of the set are as good as each other.
    let (leg, pending) = loop {
        match start(agent, &target, proxy.as_ref(), referral.as_ref()).await {
            Err(AgentError::Unreachable(_)) if !others.is_empty() => proxy = others.pop_front(),
            started => break started?,
        }
    };
    if let Some(proxy) = &proxy {
        agent.use_proxy(proxy);
    }
    if referral.is_some() {
        // Whoever asked was told what became of it.
        others.clear();
    }
    Ok(Dialing {
        leg,
        agent: agent.clone(),
        pending: Some(pending),
        seed: agent.seed().await?,
        target: target.to_string(),
        deadline: tokio::time::Instant::now() + options.ring_timeout,
        called: target,
        others,
        heard: false,
        doing: None,
    })
}

/// Sends the INVITE, by this proxy if there are any.
async fn start(
    agent: &UserAgent,
    target: &Uri,
    proxy: Option<&Uri>,
    referral: Option<&Referral>,
) -> Result<(Leg, (MediaPort, Negotiation)), AgentError> {
    let next_hop = agent.hop_by(proxy, target.clone());
    let flow = agent.select(&next_hop).await?;
    let port = bind(flow.local.ip()).await?;
    let negotiation = Negotiation::new(port.local(), &agent.inner.codecs);
    let from = agent.identity();
    let mut invite = InviteRequest::new(
        target.clone(),
        from,
        target.clone(),
        agent.contact_for(target, &flow),
    );
    invite.account = Account::key();
    invite.next_hop = Some(next_hop);
    invite.from_display_name = match &agent.inner.account {
        Some(account) => account.display_name.clone(),
        None => Some("Anonymous".to_owned()),
    };
    if let Some(proxy) = proxy {
        invite.route.push(loose(proxy));
    }
    invite
        .headers
        .push((HeaderName::UserAgent, super::USER_AGENT.to_owned()));
    let mut told = None;
    if let Some(referral) = referral {
        invite.headers.extend(referral.headers.iter().cloned());
        invite.token.clone_from(&referral.token);
        told = Some(referral.id);
    }
    let mut body = negotiation.clone();
    let (session, events) = agent
        .inner
        .handle
        .run(move |state, wall, now| {
            let session = state.stack.dialogs(wall, now, |dialogs, transactions| {
                let session = dialogs
                    .invite_with(invite, &mut body, transactions, now)
                    .ok()?;
                if let Some(referral) = told {
                    dialogs.carry_out(referral, session);
                }
                Some(session)
            })?;
            Some(session.map(|session| (session, state.hub.watch_session(session))))
        })
        .await?
        .ok_or(Stopped)?
        .ok_or_else(|| negotiation.failure())?;
    let leg = Leg {
        handle: agent.inner.handle.clone(),
        session,
        events,
        over: false,
    };
    Ok((leg, (port, negotiation)))
}

impl Dialing {
    /// What happens next. After [`DialEvent::Answered`] and [`DialEvent::Failed`] nothing does any more. Dropping the future loses
    /// nothing.
    pub async fn event(&mut self) -> DialEvent {
        loop {
            if let Some(told) = self.done().await {
                return told;
            }
            let event = tokio::select! {
                event = self.leg.events.recv() => event,
                () = tokio::time::sleep_until(self.deadline) => {
                    self.cancel().await;
                    return DialEvent::Failed(AgentError::NoAnswer(self.target.clone()));
                }
            };
            match event {
                Some(event @ Event::Progress { status, .. }) => {
                    self.heard = true;
                    self.negotiate(
                        event,
                        if status == StatusCode::TRYING {
                            Then::Nothing
                        } else {
                            Then::Progress(status)
                        },
                    );
                }
                Some(Event::Redirected { status, target, .. }) => {
                    self.heard = true;
                    self.target = target.to_string();
                    return DialEvent::Redirected { status, target };
                }
                Some(Event::Accepted {
                    ref remote_target, ..
                }) => {
                    let then = Then::Answered(remote_target.clone());
                    if let Some(event) = event {
                        self.negotiate(event, then);
                    }
                }
                Some(Event::Rejected { cause, .. }) => {
                    self.leg.over = true;
                    if self.heard || !is_of_proxy(&cause) {
                        return DialEvent::Failed(rejection(cause, &self.target));
                    }
                    self.go_on(cause);
                }
                Some(Event::Ended { .. }) => {
                    self.leg.over = true;
                    return DialEvent::Failed(AgentError::Ended);
                }
                // RFC 3311 section 5.1: the session may be changed before the call is answered.
                Some(other) => self.negotiate(other, Then::Nothing),
                None => {
                    self.leg.over = true;
                    return DialEvent::Failed(AgentError::Ended);
                }
            }
        }
    }

    /// Waits for what is being done, if anything is, and tells what is to be told of it.
    async fn done(&mut self) -> Option<DialEvent> {
        match self.doing.as_mut()? {
            Doing::Negotiating(negotiating, _) => {
                // A user agent that has stopped says so with the next event.
                let _ = negotiating.await;
                match self.doing.take()? {
                    Doing::Negotiating(_, Then::Progress(status)) => {
                        Some(DialEvent::Progress { status })
                    }
                    Doing::Negotiating(_, Then::Answered(remote)) => {
                        Some(self.answered(&remote).await)
                    }
                    Doing::Negotiating(_, Then::Nothing) | Doing::GoingOn(..) => None,
                }
            }
            Doing::GoingOn(going, _) => {
                let onward = going.await.ok().flatten();
                let doing = self.doing.take()?;
                if let Some(onward) = onward {
                    self.agent.use_proxy(&onward.proxy);
                    self.leg = onward.leg;
                    self.pending = Some(onward.pending);
                    self.others = onward.others;
                    return None;
                }
                match doing {
                    Doing::GoingOn(_, cause) => {
                        Some(DialEvent::Failed(rejection(cause, &self.target)))
                    }
                    Doing::Negotiating(..) => None,
                }
            }
        }
    }

    /// Gives up (RFC 3261 section 9.1). If the other side answers at the same moment, the call is ended.
    pub async fn cancel(&mut self) {
        if !self.leg.over {
            let _ = self
                .leg
                .run(|dialogs, session, transactions, now| dialogs.end(session, transactions, now))
                .await;
            self.leg.part().await;
        }
    }

    /// Calls by the next proxy that can be reached, if there is one.
    fn go_on(&mut self, cause: RejectCause) {
        let mut others = std::mem::take(&mut self.others);
        let (agent, called) = (self.agent.clone(), self.called.clone());
        let going = tokio::spawn(async move {
            while let Some(proxy) = others.pop_front() {
                if let Ok((leg, pending)) = start(&agent, &called, Some(&proxy), None).await {
                    return Some(Onward {
                        proxy,
                        leg,
                        pending,
                        others,
                    });
                }
            }
            None
        });
        self.doing = Some(Doing::GoingOn(going, cause));
    }

    fn negotiate(&mut self, event: Event, then: Then) {
        if let Some((_, negotiation)) = &self.pending {
            let negotiating = self.leg.negotiate(event, negotiation);
            self.doing = Some(Doing::Negotiating(negotiating, then));
        }
    }

    async fn answered(&mut self, remote: &str) -> DialEvent {
        let Some((port, negotiation)) = self.pending.take() else {
            return DialEvent::Failed(AgentError::Ended);
        };
        let Some(config) = negotiation.agreed() else {
            let error = negotiation.failure();
            self.cancel().await;
            return DialEvent::Failed(error);
        };
        let spent = self.leg.spent();
        let leg = std::mem::replace(&mut self.leg, spent);
        let call = Call::new(
            leg,
            self.agent.clone(),
            self.seed,
            port,
            config,
            negotiation,
            remote,
        );
        DialEvent::Answered(call)
    }
}

/// Has the proxy failed, and not the call? RFC 3263 section 4.3: no answer, a transport that fails, or a 503.
fn is_of_proxy(cause: &RejectCause) -> bool {
    match cause {
        RejectCause::Response(response) => response.status() == StatusCode::SERVICE_UNAVAILABLE,
        RejectCause::Failed(cause) => matches!(
            cause,
            FailureCause::TimedOut | FailureCause::Unreachable | FailureCause::NoFlow(_)
        ),
    }
}

fn rejection(cause: RejectCause, target: &str) -> AgentError {
    match cause {
        RejectCause::Response(response) => AgentError::Refused {
            status: response.status(),
            reason: response.reason().to_owned(),
        },
        RejectCause::Failed(cause) => super::failure(cause, target),
    }
}
