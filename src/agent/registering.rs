//! Registrations that are kept: refreshed in time, over flows that are kept alive (RFC 5626), and made anew when one fails.
//!
//! ```text
//!   register ──▶ up ── refresh in time ──▶ up          the account has an instance, the registrar knows outbound:
//!                 │ refused, unanswered                 keep-alives over the flow; without answers, or closed,
//!                 ▼                                     it is lost
//!              waiting ── back-off (RFC 5626 section 4.5) ──▶ register
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use sip_message::header::{Contact, NameAddr};
use sip_message::{HeaderName, Method, Response, StatusCode, Uri};
use sip_transport::{Flow, KeepAlive, Recovery};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{
    AgentError, Inner, RegisterOptions, Registration, UserAgent, register, routed, success,
};

/// RFC 5626 section 4.2: more flows than this are of no use to anybody, and there are servers to be spared.
const FLOWS: usize = 4;

/// A registration over one flow.
#[derive(Debug)]
pub(super) struct Registered {
    options: RegisterOptions,
    contact: Option<Uri>,
    /// Which flow of ours, from 0.
    nth: usize,
    /// RFC 5626 section 4.2: which of our flows; 0 when the account has no instance, or the first hop refuses it.
    reg_id: u32,
    /// The one of the outbound-proxy-set that it goes through.
    proxy: Option<Uri>,
    is_up: bool,
    /// The registrar keeps to the flow.
    is_outbound: bool,
    lost: Option<oneshot::Receiver<()>>,
    recovery: Recovery,
    /// The Retry-After of the last answer.
    asked: Option<Duration>,
    refresher: Option<JoinHandle<()>>,
}

impl Registered {
    pub(super) fn stop(self) {
        if let Some(refresher) = self.refresher {
            refresher.abort();
        }
    }

    /// RFC 5626 §4.2.2: a refusal that passes, such as a 503 with Retry-After, takes nothing from the flow: what comes over it
    /// is answered, its keep-alives go on, and its loss is noticed, while the registrar is left alone.
    fn keeps_its_flow(&self, error: &AgentError) -> bool {
        let AgentError::Refused { status, .. } = error else {
            return false;
        };
        let passes = matches!(
            *status,
            StatusCode::SERVER_INTERNAL_ERROR
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::SERVER_TIMEOUT
        );
        self.is_up && (passes || self.asked.is_some())
    }
}

impl UserAgent {
    /// Registers the account as `options` say and keeps it registered. An account with an
    /// [instance](super::Account::instance) asks for `outbound` (RFC 5626): where the registrar grants it, the flow is kept
    /// alive, a flow that fails is replaced after the RFC's back-off, and each further
    /// [proxy](super::UserAgentBuilder::outbound_proxy) has a flow of its own.
    ///
    /// # Errors
    /// There is no account, or the registrar refuses or does not answer, over every flow.
    pub async fn register_with(
        &self,
        options: RegisterOptions,
    ) -> Result<Registration, AgentError> {
        let has_instance = self.account()?.instance.is_some();
        let mut all = Vec::new();
        let mut proxies: Vec<Option<Uri>> = self
            .inner
            .outbound_proxies
            .iter()
            .cloned()
            .map(Some)
            .collect();
        if proxies.is_empty() {
            proxies.push(None);
        }
        proxies.truncate(if has_instance { FLOWS } else { 1 });
        let mut slot = self.inner.registration.lock().await;
        for old in slot.drain(..) {
            old.stop();
        }
        let (mut granted, mut refused) = (None, None);
        for (nth, (number, proxy)) in (1..).zip(proxies).enumerate() {
            let mut registered = Registered {
                recovery: options.recovery,
                options: options.clone(),
                contact: None,
                nth,
                reg_id: if has_instance { number } else { 0 },
                proxy,
                is_up: false,
                is_outbound: false,
                lost: None,
                asked: None,
                refresher: None,
            };
            match self.register_once(&mut registered).await {
                Ok(registration) => {
                    let wait = registration.refresh_after();
                    granted = Some(registration);
                    let is_outbound = registered.is_outbound;
                    all.push((registered, wait));
                    if !is_outbound {
                        // RFC 5626 section 4.2.1: to a registrar that does not know flows they would be telephones of their
                        // own.
                        break;
                    }
                }
                Err(error) => {
                    let others = all.iter().any(|(other, _): &(Registered, _)| other.is_up);
                    let wait = self.back_off(&mut registered, others).await?;
                    refused.get_or_insert(error);
                    all.push((registered, wait));
                }
            }
        }
        let Some(granted) = granted else {
            return Err(refused.unwrap_or_else(|| AgentError::Unreachable("no flow".to_owned())));
        };
        for (nth, (mut registered, wait)) in all.into_iter().enumerate() {
            let keeper = keep(
                Arc::downgrade(&self.inner),
                nth,
                wait,
                registered.lost.take(),
            );
            registered.refresher = Some(tokio::spawn(keeper));
            slot.push(registered);
        }
        self.note_flows(&slot);
        Ok(granted)
    }

    /// Removes our binding and stops refreshing it; nothing happens when there is none.
    ///
    /// # Errors
    /// The registrar refuses or does not answer; the binding then ends by itself.
    pub async fn unregister(&self) -> Result<(), AgentError> {
        let mut slot = self.inner.registration.lock().await;
        let all: Vec<Registered> = slot.drain(..).collect();
        let mut result = Ok(());
        for mut registered in all {
            if let Some(refresher) = registered.refresher.take() {
                refresher.abort();
            }
            if registered.is_up {
                registered.options.expires = 0;
                if let Err(error) = self.register_once(&mut registered).await {
                    result = Err(error);
                }
            }
        }
        self.inner.is_outbound.store(false, Ordering::Relaxed);
        result
    }

    async fn register_once(&self, registered: &mut Registered) -> Result<Registration, AgentError> {
        let registrar = self.registrar(&registered.options)?;
        let aor = self.account()?.aor.clone();
        // One 423 is followed (RFC 3261 section 10.2.8), and one 439 (RFC 5626 section 11.6); a registrar that then wants
        // still more is refused.
        for _ in 0..3 {
            let next_hop = self.hop_by(registered.proxy.as_ref(), registrar.clone());
            // The connection that names us may be another one than last time.
            let flow = self.select(&next_hop).await?;
            let ours = self.contact(&flow, aor.as_ref().is_secure());
            let old = registered
                .contact
                .replace(ours.clone())
                .filter(|old| *old != ours && registered.reg_id == 0);
            let mut contact = NameAddr::new(ours.as_ref());
            let instance = self.account()?.instance.clone();
            if let Some(instance) = &instance {
                contact = contact.with_param("+sip.instance", Some(&format!("<{instance}>")));
            }
            if registered.reg_id > 0 {
                contact = contact.with_param("reg-id", Some(&registered.reg_id.to_string()));
            }
            let contact = Contact::new(contact);
            let expires = registered.options.expires.to_string();
            let sequence = Some(self.next_in_sequence(registered.nth).await?);
            let request = self
                .request_without_route(Method::Register, &registrar, &aor, sequence)
                .await?
                .contact(&contact)
                .header(HeaderName::Expires, &expires);
            let request = routed(request, registered.proxy.as_ref());
            // RFC 5627 section 4.1, RFC 5626 section 4.2.1: who sends an instance says what is understood of it.
            let request = match (&instance, registered.reg_id) {
                (None, _) => request,
                (Some(_), 0) => request.header(HeaderName::Supported, "gruu"),
                (Some(_), _) => request.header(HeaderName::Supported, "path, outbound, gruu"),
            };
            let request = match old {
                Some(old) => request.header(HeaderName::Contact, format!("<{old}>;expires=0")),
                None => request,
            };
            let response = self
                .answer_by(request, &registrar, next_hop.clone())
                .await?;
            self.note_sequence(registered.nth, &response);
            if response.status() == StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT
                && registered.reg_id > 0
            {
                registered.reg_id = 0;
                continue;
            }
            match register::min_expires(&response) {
                Some(least)
                    if response.status() == StatusCode::INTERVAL_TOO_BRIEF
                        && least > registered.options.expires =>
                {
                    registered.options.expires = least;
                }
                _ => {
                    registered.asked = register::retry_after(&response);
                    success(&response)?;
                    return self
                        .registered(registered, &response, &aor, &ours, &flow)
                        .await;
                }
            }
        }
        Err(AgentError::Refused {
            status: StatusCode::INTERVAL_TOO_BRIEF,
            reason: "the registrar asks for ever longer intervals".to_owned(),
        })
    }

    /// The Call-ID and the CSeq of the next REGISTER over a flow: RFC 3261 section 10.2 has one Call-ID for all of them, and a
    /// number for each, answered or not.
    pub(super) async fn next_in_sequence(&self, nth: usize) -> Result<(String, u32), AgentError> {
        if let Some((call_id, last)) = self.sequences().get_mut(&nth) {
            *last += 1;
            return Ok((call_id.clone(), *last));
        }
        let call_id = self.token(24).await?;
        let mut all = self.sequences();
        // Another may have come first while the token was drawn.
        let (call_id, last) = all.entry(nth).or_insert((call_id, 0));
        *last += 1;
        Ok((call_id.clone(), *last))
    }

    /// An answered challenge has used a number more.
    pub(super) fn note_sequence(&self, nth: usize, response: &Response) {
        if let (Some((_, last)), Some((number, _))) =
            (self.sequences().get_mut(&nth), response.headers().cseq())
        {
            *last = number.max(*last);
        }
    }

    fn sequences(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, (String, u32)>> {
        let sequences = self.inner.sequences.lock();
        sequences.unwrap_or_else(PoisonError::into_inner)
    }

    /// What follows from a 2xx.
    async fn registered(
        &self,
        registered: &mut Registered,
        response: &Response,
        aor: &Uri,
        ours: &Uri,
        flow: &Flow,
    ) -> Result<Registration, AgentError> {
        let registration = Registration::of(response, aor, Some(ours));
        registered.is_up = registered.options.expires > 0;
        registered.recovery.succeeded();
        // RFC 5626 section 4.2.1: the registrar says so in Require, or it has not understood.
        let grants = response
            .headers()
            .values(HeaderName::Require)
            .flat_map(|value| value.split(','))
            .any(|tag| tag.trim().eq_ignore_ascii_case("outbound"));
        registered.is_outbound = registered.is_up && registered.reg_id > 0 && grants;
        if registered.is_outbound {
            let timer = response
                .headers()
                .get(HeaderName::FlowTimer)
                .and_then(|timer| timer.trim().parse().ok())
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs);
            let (id, keep_alive) = (flow.id, KeepAlive::outbound(flow.kind, timer));
            let lost = self.inner.handle.run(move |state, wall, now| {
                let lost = state.hub.watch_flow(id);
                state
                    .stack
                    .keep_alive(id, keep_alive, wall, now)
                    .then_some(lost)
            });
            registered.lost = lost.await?;
        }
        let mut gruu = self
            .inner
            .gruu
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        gruu.clone_from(&registration.gruu);
        Ok(registration)
    }

    /// How long to wait after a failure.
    async fn back_off(
        &self,
        registered: &mut Registered,
        others_work: bool,
    ) -> Result<Duration, AgentError> {
        let mut recovery = registered.recovery;
        let drawn = self.inner.handle.run(move |state, _, _| {
            let wait = recovery.failed(others_work, state.hub.rng());
            (recovery, wait)
        });
        let (recovery, wait) = drawn.await?;
        registered.recovery = recovery;
        Ok(wait.max(registered.asked.take().unwrap_or_default()))
    }

    /// Which proxy is used from now on.
    fn note_flows(&self, all: &[Registered]) {
        let up = all.iter().position(|registered| registered.is_up);
        self.inner
            .proxy_in_use
            .store(up.unwrap_or_default(), Ordering::Relaxed);
        let is_outbound = all
            .iter()
            .any(|registered| registered.is_up && registered.is_outbound);
        self.inner.is_outbound.store(is_outbound, Ordering::Relaxed);
    }
}

/// Keeps one registration, until there is nobody to keep it for.
async fn keep(inner: Weak<Inner>, nth: usize, wait: Duration, lost: Option<oneshot::Receiver<()>>) {
    let (mut wait, mut lost) = (wait, lost);
    loop {
        let is_lost = passes(wait, &mut lost).await;
        let Some(inner) = inner.upgrade() else { return };
        let agent = UserAgent { inner };
        let mut slot = agent.inner.registration.lock().await;
        let others_work = (0..)
            .zip(&*slot)
            .any(|(other, registered)| other != nth && registered.is_up);
        let Some(registered) = slot.get_mut(nth) else {
            return;
        };
        let outcome = if is_lost {
            registered.is_up = false;
            Err(AgentError::Unreachable(
                "the flow to the registrar is lost".to_owned(),
            ))
        } else {
            agent.register_once(registered).await
        };
        let change = match outcome {
            Ok(registration) => {
                wait = registration.refresh_after();
                lost = registered.lost.take();
                Ok(registration)
            }
            Err(AgentError::Stopped(_)) => return,
            Err(error) => {
                if !registered.keeps_its_flow(&error) {
                    registered.is_up = false;
                    lost = None;
                }
                match agent.back_off(registered, others_work).await {
                    Ok(next) => wait = next,
                    Err(_) => return,
                }
                Err(Arc::new(error))
            }
        };
        agent.note_flows(&slot);
        drop(slot);
        agent.inner.changes.send_replace(Some(change));
    }
}

/// Waits. Was the flow lost before the time was over?
async fn passes(wait: Duration, lost: &mut Option<oneshot::Receiver<()>>) -> bool {
    let end = tokio::time::Instant::now() + wait;
    if let Some(flow) = lost {
        tokio::select! {
            () = tokio::time::sleep_until(end) => return false,
            told = flow => {
                *lost = None;
                if told.is_ok() {
                    return true;
                }
            }
        }
    }
    tokio::time::sleep_until(end).await;
    false
}
