//! Calls: one that we make until it is answered, one that comes in until we answer, and one that is up.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use sip_dialog::{Body, Event, InviteRequest, SessionId};
use sip_message::header::From;
use sip_message::{HeaderName, StatusCode, Uri};
use tokio::sync::{mpsc, oneshot};

use super::offer::{Negotiation, NoCommonMedia};
use super::{Account, AgentError, Codec, UserAgent, loose};
use crate::media::{
    MediaConfig, MediaError, MediaEvent, MediaPort, MediaSession, MediaStatistics, Sink, Source,
};
use crate::runtime::{Handle, Incoming, Stopped};

/// How long to wait for the answer to a BYE or CANCEL before going on without it: the transaction goes on as long as the
/// user agent does.
const PARTING: Duration = Duration::from_secs(4);

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
#[expect(
    clippy::large_enum_variant,
    reason = "moved once, when the call is answered"
)]
pub enum DialEvent {
    /// A provisional response other than 100.
    Progress {
        /// Its status: 180 for ringing.
        status: StatusCode,
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
    pending: Option<(MediaPort, Negotiation)>,
    seed: [u8; 32],
    target: String,
    deadline: tokio::time::Instant,
}

/// A call that came in and is not answered yet. Dropping it refuses it with 480.
#[derive(Debug)]
pub struct IncomingCall {
    leg: Leg,
    agent: UserAgent,
    from: String,
    offer: Option<Vec<u8>>,
    local: IpAddr,
}

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a call has two ends")]
pub enum Party {
    /// We did.
    Local,
    /// The other side, or the network between us.
    Remote,
}

/// What happens during a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallEvent {
    /// The other side pressed a key.
    Digit(char),
    /// The recording stopped.
    RecordingFailed(std::io::Error),
    /// The call is over; [`Call::hang_up`] still gives the summary.
    Ended {
        /// Who ended it.
        by: Party,
    },
}

/// A call that is up. Dropping it hangs up.
#[derive(Debug)]
pub struct Call {
    leg: Leg,
    media: Option<MediaSession>,
    negotiation: Negotiation,
    codec: Codec,
    remote: String,
    started: Instant,
    ended: Option<(Party, Instant)>,
}

/// A call that is over.
#[derive(Debug)]
#[non_exhaustive]
pub struct CallSummary {
    /// How long it was up.
    pub duration: Duration,
    /// What its audio did.
    pub rtp: MediaStatistics,
    /// What went wrong with the recording.
    pub recording: Option<std::io::Error>,
}

/// One session of the dialog layer, with what ends it when its owner forgets it.
#[derive(Debug)]
struct Leg {
    handle: Handle,
    session: SessionId,
    events: mpsc::Receiver<Event>,
    over: bool,
}

impl Leg {
    /// Calls the dialog layer about this session.
    async fn run<R: Send + 'static>(
        &self,
        call: impl FnOnce(
            &mut sip_dialog::Dialogs,
            SessionId,
            &mut sip_transaction::Transactions,
            Instant,
        ) -> R
        + Send
        + 'static,
    ) -> Result<R, AgentError> {
        let session = self.session;
        let result = self.handle.run(move |state, wall, now| {
            state.stack.dialogs(wall, now, |dialogs, transactions| {
                call(dialogs, session, transactions, now)
            })
        });
        result.await?.ok_or_else(|| Stopped.into())
    }

    /// What is left when the session has gone to another owner.
    fn spent(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            session: self.session,
            events: mpsc::channel(1).1,
            over: true,
        }
    }

    /// Waits until the session has ended, but no longer than [`PARTING`].
    async fn part(&mut self) {
        let ended = async {
            while let Some(event) = self.events.recv().await {
                if event.is_end() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(PARTING, ended).await;
        self.over = true;
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        if !self.over {
            let session = self.session;
            self.handle.post(move |state, wall, now| {
                state.stack.dialogs(wall, now, |dialogs, transactions| {
                    dialogs.end(session, transactions, now)
                });
            });
        }
    }
}

pub(super) async fn dial(
    agent: &UserAgent,
    target: Uri,
    options: CallOptions,
) -> Result<Dialing, AgentError> {
    let next_hop = agent.next_hop(target.clone());
    let flow = agent.select(&next_hop).await?;
    let port = bind(flow.local.ip()).await?;
    let mut negotiation = Negotiation::new(port.local(), &agent.inner.codecs);
    let offer = negotiation
        .offer()
        .map_err(|error| AgentError::NoCommonMedia(error.to_string()))?;
    let from = agent.identity();
    let mut invite = InviteRequest::new(
        target.clone(),
        from,
        target.clone(),
        agent.contact_for(&target, &flow),
    );
    invite.account = Account::key();
    invite.next_hop = Some(next_hop);
    invite.body = Some(Body::sdp(offer));
    invite.from_display_name = match &agent.inner.account {
        Some(account) => account.display_name.clone(),
        None => Some("Anonymous".to_owned()),
    };
    if let Some(proxy) = &agent.inner.outbound_proxy {
        invite.route.push(loose(proxy));
    }
    invite
        .headers
        .push((HeaderName::UserAgent, super::USER_AGENT.to_owned()));
    let (session, events) = agent
        .inner
        .handle
        .run(move |state, wall, now| {
            let session = state.stack.dialogs(wall, now, |dialogs, transactions| {
                dialogs.invite(invite, transactions, now)
            })?;
            Some((session, state.hub.watch_session(session)))
        })
        .await?
        .ok_or(Stopped)?;
    Ok(Dialing {
        leg: Leg {
            handle: agent.inner.handle.clone(),
            session,
            events,
            over: false,
        },
        pending: Some((port, negotiation)),
        seed: agent.seed().await?,
        target: target.to_string(),
        deadline: tokio::time::Instant::now() + options.ring_timeout,
    })
}

impl Dialing {
    /// What happens next. After [`DialEvent::Answered`] and [`DialEvent::Failed`] nothing does any more.
    pub async fn event(&mut self) -> DialEvent {
        loop {
            let event = tokio::select! {
                event = self.leg.events.recv() => event,
                () = tokio::time::sleep_until(self.deadline) => {
                    self.cancel().await;
                    return DialEvent::Failed(AgentError::NoAnswer(self.target.clone()));
                }
            };
            match event {
                Some(Event::Progress { status, .. }) if status != StatusCode::TRYING => {
                    return DialEvent::Progress { status };
                }
                Some(Event::Accepted {
                    body,
                    remote_target,
                    ..
                }) => return self.answered(body, &remote_target).await,
                Some(Event::Rejected { cause, .. }) => {
                    self.leg.over = true;
                    return DialEvent::Failed(rejection(cause, &self.target));
                }
                Some(Event::Ended { .. }) => {
                    self.leg.over = true;
                    return DialEvent::Failed(AgentError::Ended);
                }
                Some(other) => tracing::trace!(?other, "dialing"),
                None => {
                    self.leg.over = true;
                    return DialEvent::Failed(AgentError::Ended);
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

    async fn answered(&mut self, body: Option<Body>, remote: &str) -> DialEvent {
        let Some((port, mut negotiation)) = self.pending.take() else {
            return DialEvent::Failed(AgentError::Ended);
        };
        let answered = body.as_ref().map_or(Err(NoCommonMedia::NoAnswer), |body| {
            negotiation.answered(&body.content)
        });
        let config = match answered {
            Ok(config) => config,
            Err(error) => {
                self.cancel().await;
                return DialEvent::Failed(AgentError::NoCommonMedia(error.to_string()));
            }
        };
        let spent = self.leg.spent();
        let leg = std::mem::replace(&mut self.leg, spent);
        DialEvent::Answered(Call::new(leg, self.seed, port, config, negotiation, remote))
    }
}

pub(super) fn incoming(agent: UserAgent, incoming: Incoming) -> IncomingCall {
    let from = incoming
        .request
        .headers()
        .typed::<From<'_>>()
        .ok()
        .flatten()
        .map(|from| from.uri().as_str().to_owned());
    let offer = (!incoming.request.body().is_empty()).then(|| incoming.request.body().to_vec());
    IncomingCall {
        leg: Leg {
            handle: agent.inner.handle.clone(),
            session: incoming.session,
            events: incoming.events,
            over: false,
        },
        agent,
        from: from.unwrap_or_default(),
        offer,
        local: incoming.flow.local.ip(),
    }
}

impl IncomingCall {
    /// Who calls, as the From says; anyone can say anything there.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// Tells the caller that it rings here (180).
    ///
    /// # Errors
    /// The caller has given up.
    pub async fn ring(&mut self) -> Result<(), AgentError> {
        let rung = self.leg.run(|dialogs, session, transactions, now| {
            dialogs.ring(session, StatusCode::RINGING, None, transactions, now)
        });
        rung.await?.map_err(|_| AgentError::Ended)
    }

    /// Answers with the codecs of the user agent.
    ///
    /// # Errors
    /// The caller has given up, or offers nothing that we speak (it is then refused with 488).
    pub async fn accept(mut self) -> Result<Call, AgentError> {
        let seed = self.agent.seed().await?;
        let port = bind(self.local).await?;
        let mut negotiation = Negotiation::new(port.local(), &self.agent.inner.codecs);
        let remote = self.from.clone();
        if let Some(offer) = self.offer.take() {
            let (answer, config) = match negotiation.answer(&offer) {
                Ok(answered) => answered,
                Err(error) => {
                    // RFC 3261 section 13.3.1.3: an offer that cannot be accepted; section 20.43: 305 says why.
                    self.refuse(
                        StatusCode::NOT_ACCEPTABLE_HERE,
                        vec![(
                            HeaderName::Warning,
                            format!("305 {} \"{error}\"", self.local),
                        )],
                    )
                    .await?;
                    return Err(AgentError::NoCommonMedia(error.to_string()));
                }
            };
            self.respond(answer).await?;
            return Ok(Call::new(
                self.leg,
                seed,
                port,
                config,
                negotiation,
                &remote,
            ));
        }
        // RFC 3261 section 13.2.1: without an offer in the INVITE, the 2xx has it, and the ACK the answer.
        let offer = negotiation
            .offer()
            .map_err(|error| AgentError::NoCommonMedia(error.to_string()))?;
        self.respond(offer).await?;
        loop {
            match self.leg.events.recv().await {
                Some(Event::Confirmed { body, .. }) => {
                    let answered = body.as_ref().map_or(Err(NoCommonMedia::NoAnswer), |body| {
                        negotiation.answered(&body.content)
                    });
                    match answered {
                        Ok(config) => {
                            return Ok(Call::new(
                                self.leg,
                                seed,
                                port,
                                config,
                                negotiation,
                                &remote,
                            ));
                        }
                        Err(error) => return Err(AgentError::NoCommonMedia(error.to_string())),
                    }
                }
                Some(event) if event.is_end() => {
                    self.leg.over = true;
                    return Err(AgentError::Ended);
                }
                Some(other) => tracing::trace!(?other, "answering"),
                None => return Err(AgentError::Ended),
            }
        }
    }

    /// Refuses the call with a final status such as [`StatusCode::BUSY_HERE`].
    ///
    /// # Errors
    /// The caller has given up.
    pub async fn reject(mut self, status: StatusCode) -> Result<(), AgentError> {
        self.refuse(status, Vec::new()).await
    }

    /// Resolves when the caller gives up.
    pub async fn cancelled(&mut self) {
        while let Some(event) = self.leg.events.recv().await {
            if event.is_end() {
                break;
            }
        }
        self.leg.over = true;
    }

    async fn respond(&self, description: Vec<u8>) -> Result<(), AgentError> {
        let accepted = self.leg.run(move |dialogs, session, transactions, now| {
            dialogs.accept(session, Some(Body::sdp(description)), transactions, now)
        });
        accepted.await?.map_err(|_| AgentError::Ended)
    }

    async fn refuse(
        &mut self,
        status: StatusCode,
        headers: Vec<(HeaderName, String)>,
    ) -> Result<(), AgentError> {
        self.leg.over = true;
        let refused = self.leg.run(move |dialogs, session, transactions, now| {
            dialogs.reject(session, status, &headers, transactions, now)
        });
        refused.await?.map_err(|_| AgentError::Ended)
    }
}

impl Call {
    fn new(
        leg: Leg,
        seed: [u8; 32],
        port: MediaPort,
        config: MediaConfig,
        negotiation: Negotiation,
        remote: &str,
    ) -> Self {
        let codec = config.codec;
        let media = Some(MediaSession::start(port, config, seed));
        Self {
            leg,
            media,
            negotiation,
            codec,
            remote: remote.to_owned(),
            started: Instant::now(),
            ended: None,
        }
    }

    /// The codec that we send.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Who is at the other end: the Contact of whom we called, the From of who called us.
    #[must_use]
    pub fn remote(&self) -> &str {
        &self.remote
    }

    /// How long the call has been up.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.ended
            .map_or_else(Instant::now, |(_, at)| at)
            .saturating_duration_since(self.started)
    }

    /// Plays `source` to its end. A call that ends meanwhile ends it.
    pub async fn play(&self, source: impl Source + 'static) {
        let _ = self.start_playing(Box::new(source)).await;
    }

    /// Plays `source`; the receiver resolves when it has ended.
    pub fn start_playing(&self, source: Box<dyn Source>) -> oneshot::Receiver<()> {
        match &self.media {
            Some(media) => media.play(source),
            None => oneshot::channel().1,
        }
    }

    /// Writes what is heard to `sink` from now on.
    pub fn record(&self, sink: Box<dyn Sink>) {
        if let Some(media) = &self.media {
            media.record(sink);
        }
    }

    /// Presses keys (RFC 4733): 0-9, `*`, `#`, A-D; a comma waits half a second.
    pub fn send_digits(&self, digits: &str) {
        if let Some(media) = &self.media {
            media.send_digits(digits);
        }
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn event(&mut self) -> CallEvent {
        loop {
            if let Some((by, _)) = self.ended {
                return CallEvent::Ended { by };
            }
            let media = async {
                match &mut self.media {
                    Some(media) => media.event().await,
                    None => None,
                }
            };
            tokio::select! {
                event = self.leg.events.recv() => match event {
                    Some(Event::ReInvite { body, .. }) => self.renegotiate(body).await,
                    // The answer to an offer that our 2xx to a re-INVITE made.
                    Some(Event::Confirmed { body: Some(body), .. }) => match self.negotiation.answered(&body.content) {
                        Ok(config) => self.configure(config),
                        Err(error) => tracing::debug!(%error, "the answer in an ACK cannot be used"),
                    },
                    Some(event) if event.is_end() => self.end(Party::Remote),
                    None => self.end(Party::Remote),
                    Some(other) => tracing::trace!(?other, "call"),
                },
                Some(event) = media => match event {
                    MediaEvent::Digit(digit) => return CallEvent::Digit(digit),
                    MediaEvent::RecordingFailed(error) => return CallEvent::RecordingFailed(error),
                },
            }
        }
    }

    /// Hangs up, unless the other side has, and tells how the call was.
    ///
    /// # Errors
    /// The user agent has stopped.
    pub async fn hang_up(mut self) -> Result<CallSummary, AgentError> {
        // What has arrived meanwhile may be the other side's BYE.
        while let Ok(event) = self.leg.events.try_recv() {
            if event.is_end() {
                self.end(Party::Remote);
            }
        }
        if self.ended.is_none() {
            self.end(Party::Local);
            self.leg
                .run(|dialogs, session, transactions, now| dialogs.end(session, transactions, now))
                .await?;
            self.leg.over = false;
        }
        let ended = self.ended.map_or_else(Instant::now, |(_, at)| at);
        let (rtp, recording) = match self.media.take() {
            Some(media) => media.stop().await,
            None => (MediaStatistics::default(), None),
        };
        if !self.leg.over {
            self.leg.part().await;
        }
        Ok(CallSummary {
            duration: ended.saturating_duration_since(self.started),
            rtp,
            recording,
        })
    }

    fn end(&mut self, by: Party) {
        self.leg.over = true;
        self.ended.get_or_insert_with(|| (by, Instant::now()));
    }

    fn configure(&mut self, config: MediaConfig) {
        self.codec = config.codec;
        if let Some(media) = &self.media {
            media.configure(config);
        }
    }

    /// RFC 3261 section 14.2: the other side changes the session.
    async fn renegotiate(&mut self, body: Option<Body>) {
        let answer = match body {
            Some(body) => match self.negotiation.answer(&body.content) {
                Ok((answer, config)) => {
                    self.configure(config);
                    Some(answer)
                }
                Err(error) => {
                    tracing::debug!(%error, "a later offer cannot be accepted");
                    None
                }
            },
            None => self.negotiation.offer().ok(),
        };
        let answered = self
            .leg
            .run(move |dialogs, session, transactions, now| match answer {
                Some(answer) => {
                    dialogs.accept_reinvite(session, Some(Body::sdp(answer)), transactions, now)
                }
                None => dialogs.reject_reinvite(
                    session,
                    StatusCode::NOT_ACCEPTABLE_HERE,
                    transactions,
                    now,
                ),
            });
        if let Err(error) = answered.await {
            tracing::debug!(%error, "a later offer was not answered");
        }
    }
}

async fn bind(address: IpAddr) -> Result<MediaPort, AgentError> {
    MediaPort::bind(address)
        .await
        .map_err(|error| MediaError::Ports(address, error).into())
}

fn rejection(cause: sip_dialog::RejectCause, target: &str) -> AgentError {
    match cause {
        sip_dialog::RejectCause::Response(response) => AgentError::Refused {
            status: response.status(),
            reason: response.reason().to_owned(),
        },
        sip_dialog::RejectCause::Failed(cause) => super::failure(cause, target),
    }
}
