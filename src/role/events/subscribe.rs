//! SUBSCRIBE (RFC 6665 §4.2.1): whose it is, who sends it, and whether they may.

use std::time::Instant;

use sip_dialog::SubscriptionId;
use sip_message::header::{Accept, Contact, Event as EventHeader, From};
use sip_message::{HeaderName, Method, Request, StatusCode, Uri};
use sip_transaction::{Event, ServerTransactionId, TransactionLayer};
use sip_transport::Flow;

use super::package::Source;
use super::{ByFlow, Events, Job, Refresh, Subscriber, Waiting};
use crate::auth::{Asker, Attempt, Check, Verdict};
use crate::domain::Aor;
use crate::location::{Cause, StoreError};
use crate::role::{Need, Refusal, RoleEvent, RoleOutput, nat};
use crate::users::Ha1s;

impl Events {
    pub(super) fn on_request(
        &mut self,
        id: ServerTransactionId,
        request: Box<Request>,
        flow: Flow,
        merged: bool,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<Event> {
        let back = |request: Box<Request>, flow| {
            Some(Event::Request {
                id,
                request,
                flow,
                merged,
            })
        };
        if *request.method() != Method::Subscribe {
            return back(request, flow);
        }
        if request.headers().to_tag().is_some() {
            // Of one of our dialogs, or of nobody's here.
            if !self.is_used {
                return back(request, flow);
            }
            let Some(subscription) = self.dialogs.subscription_of(&request) else {
                let event = Event::Request {
                    id,
                    request,
                    flow,
                    merged,
                };
                return self.dialogs.handle_input(event, t, now);
            };
            let refresh = Refresh {
                subscription,
                id,
                request,
                flow,
                merged,
            };
            self.on_refresh(refresh, t, now);
            return None;
        }
        let Some(key) = self.key(&request) else {
            return back(request, flow);
        };
        let job = Job {
            id,
            request,
            flow,
            key,
            is_owner: false,
        };
        if merged {
            self.refuse(&job, &Refusal::new(StatusCode::LOOP_DETECTED), t, now);
        } else {
            self.authenticate(job, t, now);
        }
        None
    }

    /// A SUBSCRIBE in the dialog of a subscription: its subscriber may be at another place by now, or behind another flow.
    fn on_refresh(&mut self, refresh: Refresh, t: &mut dyn TransactionLayer, now: Instant) {
        let contact = contact_of(&refresh.request);
        let needs_flow = contact.as_ref().is_some_and(|contact| {
            nat::needs_flow(&refresh.request, &refresh.flow, contact.as_ref())
        });
        match contact {
            // When too many wait it stays where it is.
            Some(contact) if needs_flow && self.waiting.len() < self.config.max_waiting => {
                let need = Need::FlowToken { flow: refresh.flow };
                let waiting = Waiting::Moved(Box::new(refresh), contact.to_string());
                self.need(waiting, need, now);
            }
            Some(_) if !needs_flow => self.refresh(refresh, Some(None), t, now),
            Some(_) | None => self.refresh(refresh, None, t, now),
        }
    }

    /// It is handed to the dialogs. If they take it, its subscriber is reached in this way; `None`: as before.
    pub(super) fn refresh(
        &mut self,
        refresh: Refresh,
        way: Option<Option<ByFlow>>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Refresh {
            subscription,
            id,
            request,
            flow,
            merged,
        } = refresh;
        self.moved = way.map(|way| (subscription, way));
        let event = Event::Request {
            id,
            request,
            flow,
            merged,
        };
        let back = self.dialogs.handle_input(event, t, now);
        self.drain(t, self.last_wall, now);
        self.moved = None;
        if let Some(Event::Request { id, request, .. }) = back {
            // RFC 6665 §4.1.2.2: it has ended meanwhile, or is not that of this sender.
            let refusal = Refusal::new(StatusCode::CALL_DOES_NOT_EXIST);
            if let Ok(response) = refusal.builder(&request, "").build() {
                let _ = t.respond(id, &response, now);
            }
        }
    }

    /// A refresh was taken: what it said of the way counts from now on.
    pub(super) fn take_move(&mut self, id: SubscriptionId) {
        if let Some((_, way)) = self.moved.take_if(|(moved, _)| *moved == id)
            && let Some(subscriber) = self.subscriptions.get_mut(&id)
        {
            subscriber.by_flow = way;
        }
    }

    /// The package and the resource of a SUBSCRIBE, when both are ours.
    fn key(&self, request: &Request) -> Option<(usize, Aor)> {
        let event = EventHeader::parse(request.headers().get(HeaderName::Event)?).ok()?;
        let place = self
            .packages
            .iter()
            .position(|package| package.name() == event.package())?;
        Some((place, self.config.domains.aor(request.uri().ok()?)?))
    }

    fn authenticate(&mut self, job: Job, t: &mut dyn TransactionLayer, now: Instant) {
        if let Err(error) = job.request.validate() {
            let refusal = Refusal::because(StatusCode::BAD_REQUEST, error.reason());
            self.refuse(&job, &refusal, t, now);
            return;
        }
        if self.waiting.len() >= self.config.max_waiting {
            let refusal = Refusal::unavailable(self.config.retry_after);
            self.refuse(&job, &refusal, t, now);
            return;
        }
        if let Some(offered) = self.untaken(&job) {
            let refusal =
                Refusal::new(StatusCode::NOT_ACCEPTABLE).with(HeaderName::Accept, offered);
            self.refuse(&job, &refusal, t, now);
            return;
        }
        let (check, realm) = match &mut self.authenticator {
            None => (Check::Open, Box::default()),
            Some(authenticator) => (
                authenticator.check_from(&job.request, Asker::Server, &job.flow, &self.peers, now),
                authenticator.realm().into(),
            ),
        };
        match check {
            Check::Open => {
                let from = job.request.headers().typed::<From<'_>>().ok().flatten();
                let watcher = from.and_then(|from| self.config.domains.aor(from.uri()));
                self.authorize(job, watcher.as_ref(), t, now);
            }
            Check::LookUp(attempt) => {
                let need = Need::Credential {
                    username: attempt.username().into(),
                    realm,
                };
                self.need(Waiting::Credential(Box::new(job), attempt), need, now);
            }
            Check::Challenge { stale } => self.challenge(&job, stale, t, now),
            Check::Forbidden => {
                self.refuse(&job, &Refusal::new(StatusCode::FORBIDDEN), t, now);
            }
            Check::Malformed(reason) => {
                let refusal = Refusal::because(StatusCode::BAD_REQUEST, reason);
                self.refuse(&job, &refusal, t, now);
            }
        }
    }

    /// RFC 6665 §3.2.1: the type of our documents, when the subscriber takes only others.
    fn untaken(&self, job: &Job) -> Option<&'static str> {
        let package = self.packages.get(job.key.0)?;
        let mut accept = job.request.headers().values(HeaderName::Accept).peekable();
        accept.peek()?;
        let is_taken = accept
            .filter_map(|value| Accept::parse(value).ok())
            .any(|range| range.q().thousandths() > 0 && range.matches(package.content_type()));
        (!is_taken).then(|| package.content_type())
    }

    fn challenge(&mut self, job: &Job, stale: bool, t: &mut dyn TransactionLayer, now: Instant) {
        let tag = self.rng.token(16);
        let Some(authenticator) = &mut self.authenticator else {
            return;
        };
        let builder = Refusal::new(Asker::Server.status()).builder(&job.request, &tag);
        let source = job.flow.remote.ip();
        let builder = authenticator.challenge(builder, Asker::Server, source, stale, now);
        if let Ok(response) = builder.build() {
            let _ = t.respond(job.id, &response, now);
        }
    }

    pub(super) fn on_credential(
        &mut self,
        mut job: Job,
        attempt: Attempt,
        hashes: Option<&Ha1s>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(authenticator) = &mut self.authenticator else {
            return;
        };
        match authenticator.verify(attempt, hashes, now) {
            Verdict::Accepted { username } => {
                let watcher = Aor::new(&username, self.config.domains.primary());
                job.is_owner = watcher == job.key.1;
                self.authorize(job, Some(&watcher), t, now);
            }
            Verdict::Challenge { stale } => self.challenge(&job, stale, t, now),
            Verdict::Forbidden => {
                self.refuse(&job, &Refusal::new(StatusCode::FORBIDDEN), t, now);
            }
        }
    }

    fn authorize(
        &mut self,
        job: Job,
        watcher: Option<&Aor>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let (place, resource) = &job.key;
        let allows = self
            .packages
            .get(*place)
            .is_some_and(|package| package.allows(watcher, resource));
        if !allows {
            let refusal = Refusal::because(StatusCode::FORBIDDEN, "Not Yours To Watch");
            self.refuse(&job, &refusal, t, now);
            return;
        }
        let watchers = self
            .resources
            .get(&job.key)
            .map_or(0, |resource| resource.subscriptions.len());
        if watchers >= self.config.max_watchers {
            let refusal = Refusal::unavailable(self.config.retry_after);
            self.refuse(&job, &refusal, t, now);
            return;
        }
        // Who is reached by nothing but the flow that this came over is told over that.
        let contact = contact_of(&job.request)
            .filter(|contact| nat::needs_flow(&job.request, &job.flow, contact.as_ref()));
        match contact {
            Some(contact) => {
                let need = Need::FlowToken { flow: job.flow };
                let waiting = Waiting::Token(Box::new(job), contact.to_string());
                self.need(waiting, need, now);
            }
            None => self.begin(job, None, t, now),
        }
    }

    /// The subscription begins: it is granted when the state is known.
    pub(super) fn begin(
        &mut self,
        job: Job,
        by_flow: Option<ByFlow>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Job {
            id,
            request,
            flow,
            key,
            is_owner,
        } = job;
        self.is_used = true;
        let event = Event::Request {
            id,
            request,
            flow,
            merged: false,
        };
        self.dialogs.handle_input(event, t, now);
        // It was refused there, for its Contact or its time, or it is here at once, alone: the rest was drained.
        let mut begun = None;
        let mut others = Vec::new();
        while let Some(output) = self.dialogs.poll_output() {
            match output {
                sip_dialog::Output::Event(sip_dialog::Event::Subscribing {
                    subscription, ..
                }) => begun = Some(subscription),
                other => others.push(other),
            }
        }
        debug_assert!(others.is_empty(), "{others:?}");
        let Some(subscription) = begun else {
            return;
        };
        self.subscriptions.insert(
            subscription,
            Subscriber {
                key: key.clone(),
                by_flow,
                told: None,
                is_owner,
            },
        );
        let is_watched = self.is_watched(&key.1);
        if !is_watched {
            self.outputs.push_back(RoleOutput::Watch {
                aor: key.1.clone(),
                is_watched: true,
            });
        }
        let resource = self.resources.entry(key.clone()).or_default();
        resource.subscriptions.push(subscription);
        let source = self.packages.get(key.0).map(|package| package.source());
        match source {
            Some(Source::Bindings) => {
                if !resource.is_asked {
                    // Not put off: somebody waits for the answer.
                    resource.is_asked = true;
                    let need = Need::Lookup { aor: key.1.clone() };
                    self.need(Waiting::Bindings(key, Cause::Request), need, now);
                }
            }
            Some(Source::Own) | None => {
                self.tell_all_of_it(subscription, t, self.last_wall, now);
            }
        }
    }

    fn refuse(&mut self, job: &Job, refusal: &Refusal, t: &mut dyn TransactionLayer, now: Instant) {
        if refusal.status == StatusCode::FORBIDDEN {
            let denied = refusal.denied(&job.request, &job.flow);
            self.outputs.push_back(denied);
        }
        refusal.respond(job.id, &job.request, &mut self.rng, t, now);
    }

    pub(super) fn store_failed(
        &mut self,
        job: &Job,
        error: StoreError,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        self.outputs
            .push_back(RoleOutput::Event(RoleEvent::StoreFailed(error)));
        let refusal = Refusal::unavailable(self.config.retry_after);
        self.refuse(job, &refusal, t, now);
    }
}

/// Where who sent it says to be.
fn contact_of(request: &Request) -> Option<Uri> {
    let contact = request.headers().typed::<Contact<'_>>().ok().flatten()?;
    Some(contact.address()?.uri().to_uri())
}
