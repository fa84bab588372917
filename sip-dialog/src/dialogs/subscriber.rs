//! The subscriber (RFC 6665 section 4.1).

use std::time::{Duration, Instant};

use sip_message::header::{
    Event as EventHeader, Expires, MinExpires, NameAddr, SipETag, SubscriptionState,
};
use sip_message::{HeaderName, Method, Request, Response, StatusCode};
use sip_transaction::{ServerTransactionId, TransactionLayer};

use super::forked::Usage;
use super::usage::Effect;
use super::{Deadline, Dialogs, agent, with_body};
use crate::attempt::Owner;
use crate::config::Gone;
use crate::dialog::{ContactValue, Dialog};
use crate::index::CallKey;
use crate::io::{Body, Event, FailureCause};
use crate::subscription::{
    Role, SubscribeRequest, SubscriptionEnd, SubscriptionId, SubscriptionStatus,
};

/// Responses 423 that are obeyed in a row.
const ROUNDS: u8 = 3;

impl Dialogs {
    /// Subscribes. [`Event::Notified`] follows for each NOTIFY, and [`Event::SubscriptionEnded`] at last; it is refreshed before it
    /// expires.
    pub fn subscribe(
        &mut self,
        subscribe: SubscribeRequest,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> SubscriptionId {
        self.last_now = Some(now);
        let id = SubscriptionId(self.mint());
        let local_tag = self.rng.token(12);
        let call_id = self.rng.token(24);
        let key = CallKey::new(&self.call_hash, &call_id, &local_tag);
        let contact = ContactValue::new(&subscribe.contact);
        let interval = u32::try_from(subscribe.expires.as_secs()).unwrap_or(u32::MAX);
        let mut builder = Request::builder(Method::Subscribe, subscribe.target.as_str());
        for route in &subscribe.route {
            builder = builder.header(HeaderName::Route, format!("<{route}>"));
        }
        builder = builder
            .max_forwards(70)
            .from(&NameAddr::new(subscribe.from.as_ref()).with_tag(&local_tag))
            .to(&NameAddr::new(subscribe.to.as_ref()))
            .call_id(&call_id)
            .cseq(1)
            .header(HeaderName::Contact, contact.as_str())
            .header(HeaderName::Event, &subscribe.event)
            .header(HeaderName::Expires, interval.to_string());
        for (name, value) in subscribe.headers {
            builder = builder.header(name, value);
        }
        let builder = with_body(agent(&self.config, builder), subscribe.body);
        let next_hop = subscribe.route.first().unwrap_or(&subscribe.target).clone();
        let Ok(request) = builder.build_partial() else {
            self.tell(Event::SubscriptionEnded {
                subscription: id,
                cause: SubscriptionEnd::Failed(FailureCause::Cancelled),
            });
            return id;
        };
        let usage = Usage {
            interval,
            local_tag,
            account: subscribe.account,
            contact,
            event: subscribe.event,
        };
        self.subscriptions.insert(id, usage.subscription(key, 1));
        self.by_subscription.insert(key, id);
        self.expect_branches(key, id, usage, subscribe.branches, now);
        self.wait_for_notify(id, now);
        self.attempts.start(
            Owner::Subscribe(id),
            request,
            next_hop,
            subscribe.account,
            &mut self.outputs,
        );
        id
    }

    /// Unsubscribes; [`Event::SubscriptionEnded`] follows the last NOTIFY (RFC 6665 section 4.1.2.3).
    ///
    /// # Errors
    /// [`Gone`] when it is over, or not ours.
    pub fn unsubscribe(
        &mut self,
        id: SubscriptionId,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let subscription = self.subscriptions.get_mut(&id).ok_or(Gone)?;
        let Role::Subscriber(subscriber) = &mut subscription.role else {
            return Err(Gone);
        };
        if subscriber.leaving {
            return Err(Gone);
        }
        subscriber.leaving = true;
        // Without a dialog there is nothing to refer to: the first NOTIFY brings it.
        if subscription.has_dialog() {
            self.resubscribe(id, now);
        }
        Ok(())
    }

    /// Starts Timer N.
    pub(super) fn wait_for_notify(&mut self, id: SubscriptionId, now: Instant) {
        let at = now + self.config.t1 * 64;
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        if let Role::Subscriber(subscriber) = &mut subscription.role {
            let timer = self.deadlines.insert(at, Deadline::Notify(id));
            if let Some(old) = subscriber.wait.replace(timer) {
                self.deadlines.cancel(old);
            }
        }
    }

    /// Refreshes, or unsubscribes (section 4.1.2.2).
    pub(super) fn resubscribe(&mut self, id: SubscriptionId, now: Instant) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        let Role::Subscriber(subscriber) = &mut subscription.role else {
            return;
        };
        let shared = match subscription.within {
            Some(session) => self
                .sessions
                .get_mut(&session)
                .and_then(|session| session.current()),
            None => subscription
                .dialog
                .as_mut()
                .map(|dialog| (dialog, &subscription.contact)),
        };
        let Some((dialog, contact)) = shared else {
            return;
        };
        let expires = if subscriber.leaving {
            0
        } else {
            subscriber.interval
        };
        if let Some(timer) = subscriber.refresh.take() {
            self.deadlines.cancel(timer);
        }
        let builder = dialog
            .request(Method::Subscribe, None, contact)
            .header(HeaderName::Event, &subscription.event)
            .header(HeaderName::Expires, expires.to_string());
        let builder = match &subscriber.etag {
            Some(etag) => builder.header(HeaderName::SuppressIfMatch, etag),
            None => builder,
        };
        subscriber.cseq = dialog.local_cseq;
        let next_hop = dialog.next_hop();
        let account = subscription.account;
        if let Ok(request) = agent(&self.config, builder).build_partial() {
            self.attempts.start(
                Owner::Subscribe(id),
                request,
                next_hop,
                account,
                &mut self.outputs,
            );
            self.wait_for_notify(id, now);
        }
    }

    pub(super) fn on_subscribe_response(
        &mut self,
        id: SubscriptionId,
        request: Box<Request>,
        response: Box<Response>,
        now: Instant,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        let has_dialog = subscription.has_dialog();
        let Role::Subscriber(subscriber) = &mut subscription.role else {
            return;
        };
        let opens = request.headers().to_tag().is_none();
        let status = response.status();
        let key = subscription.key;
        if let Some((number, _)) = request.headers().cseq() {
            subscriber.cseq = subscriber.cseq.max(number);
            if let Some(dialog) = &mut subscription.dialog {
                dialog.local_cseq = dialog.local_cseq.max(number);
            }
        }
        let cseq = subscriber.cseq;
        if status.is_success() {
            subscriber.rounds = 0;
            if status == StatusCode::NO_NOTIFICATION {
                // RFC 5839 section 5.6: all is as we know it, and no NOTIFY comes.
                if let Some(timer) = subscriber.wait.take() {
                    self.deadlines.cancel(timer);
                }
                if subscriber.leaving {
                    self.subscription_over(id, SubscriptionEnd::Local);
                    return;
                }
            }
            if let Ok(Some(Expires(seconds))) = response.headers().typed::<Expires>() {
                let leaving = subscriber.leaving;
                let seconds = seconds.min(subscriber.interval);
                if seconds > 0 && !leaving {
                    self.lasts(id, seconds, now);
                }
            }
            if opens {
                self.branches_follow(key, cseq);
            }
            return;
        }
        if status == StatusCode::INTERVAL_TOO_BRIEF
            && subscriber.rounds < ROUNDS
            && !subscriber.leaving
            && let Ok(Some(MinExpires(least))) = response.headers().typed::<MinExpires>()
        {
            subscriber.rounds += 1;
            subscriber.interval = least;
            if has_dialog {
                self.resubscribe(id, now);
            } else {
                self.subscribe_longer(id, request, least);
            }
            return;
        }
        let effect = Effect::of(status);
        if !has_dialog || effect != Effect::Transaction || subscriber.leaving {
            let cause = if subscriber.leaving && has_dialog {
                SubscriptionEnd::Local
            } else {
                SubscriptionEnd::Refused(response)
            };
            let within = subscription.within;
            self.subscription_over(id, cause);
            if let (Some(session), Effect::Dialog) = (within, effect) {
                self.dialog_lost(session);
            }
        } else if let Some(timer) = subscriber.wait.take() {
            // Any other failure of a refresh: it lives for as long as it would have.
            self.deadlines.cancel(timer);
        }
    }

    fn subscribe_longer(&mut self, id: SubscriptionId, mut request: Box<Request>, least: u32) {
        let (Some((number, _)), Some(next_hop)) =
            (request.headers().cseq(), super::uac::next_hop(&request))
        else {
            return;
        };
        let headers = request.headers_mut();
        headers.replace(
            HeaderName::CSeq,
            format!("{} SUBSCRIBE", number.saturating_add(1)),
        );
        headers.replace(HeaderName::Expires, least.to_string());
        if let Some(subscription) = self.subscriptions.get(&id) {
            self.attempts.start(
                Owner::Subscribe(id),
                request,
                next_hop,
                subscription.account,
                &mut self.outputs,
            );
        }
    }

    pub(super) fn on_subscribe_failed(&mut self, id: SubscriptionId, cause: FailureCause) {
        let Some(subscription) = self.subscriptions.get(&id) else {
            return;
        };
        // A refresh without a response leaves the rest to Timer N and the expiry.
        if !subscription.has_dialog() {
            self.subscription_over(id, SubscriptionEnd::Failed(cause));
        }
    }

    /// It lasts for so long from now; a refresh goes out before.
    pub(super) fn lasts(&mut self, id: SubscriptionId, seconds: u32, now: Instant) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        let Role::Subscriber(subscriber) = &mut subscription.role else {
            return;
        };
        let whole = Duration::from_secs(seconds.into());
        // Early enough for a lost request to be repeated, and late enough to be rare.
        let early = (whole / 4).min(self.config.t1 * 64);
        let refresh = self
            .deadlines
            .insert(now + whole - early, Deadline::Resubscribe(id));
        let expires = self
            .deadlines
            .insert(now + whole, Deadline::Subscription(id));
        let old = [
            subscriber.refresh.replace(refresh),
            subscription
                .expires
                .replace((now + whole, expires))
                .map(|(_, timer)| timer),
        ];
        for timer in old.into_iter().flatten() {
            self.deadlines.cancel(timer);
        }
    }

    /// A NOTIFY of a subscription of ours (section 4.1.3); hands back one that is not.
    pub(super) fn on_notify(
        &mut self,
        transaction: ServerTransactionId,
        request: Box<Request>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<Box<Request>> {
        let headers = request.headers();
        let (Some(call_id), Some(tag)) = (headers.call_id(), headers.to_tag()) else {
            return Some(request);
        };
        let key = CallKey::new(&self.call_hash, call_id, tag);
        let Some(id) = self.branch_of(key, &request, now) else {
            return Some(request);
        };
        self.notified(id, transaction, request, t, now)
    }

    /// A NOTIFY of that subscription, unless its Event is another one; hands back one that is of no subscription of ours.
    pub(super) fn notified(
        &mut self,
        id: SubscriptionId,
        transaction: ServerTransactionId,
        request: Box<Request>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<Box<Request>> {
        let headers = request.headers();
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return Some(request);
        };
        let from = headers.from_tag().unwrap_or_default();
        let is_ours = headers
            .get(HeaderName::Event)
            .is_some_and(|event| super::usage::is_of(subscription, event))
            // A further branch of a forked SUBSCRIBE that is not wanted (section 5.4.9).
            && subscription
                .dialog
                .as_ref()
                .is_none_or(|dialog| dialog.remote_tag() == from);
        let Role::Subscriber(subscriber) = &mut subscription.role else {
            return Some(request);
        };
        let state = headers.typed::<SubscriptionState<'_>>();
        let refusal = if is_ours {
            match &state {
                Ok(Some(_)) => None,
                Ok(None) | Err(_) => Some(StatusCode::BAD_REQUEST),
            }
        } else {
            Some(StatusCode::CALL_DOES_NOT_EXIST)
        };
        if let Some(status) = refusal {
            let response = self.answer(&request, status, "").build();
            self.respond(transaction, response, t, now);
            return None;
        }
        let number = headers.cseq().map_or(0, |(number, _)| number);
        let in_order = match &mut subscription.dialog {
            // The dialog that it shares has seen to the order.
            None if subscription.within.is_some() => true,
            Some(dialog) => {
                let in_order = dialog.accept_cseq(number);
                if in_order {
                    dialog.refresh(headers);
                }
                in_order
            }
            None => {
                // Section 4.4.1: the NOTIFY makes the dialog, with its own route set.
                let tag = subscription.local_tag.clone();
                subscription.dialog = Dialog::of_uas(&request, &tag);
                if let Some(dialog) = &mut subscription.dialog {
                    dialog.local_cseq = subscriber.cseq;
                }
                subscription.dialog.is_some()
            }
        };
        if !in_order {
            let status = if subscription.dialog.is_some() {
                StatusCode::SERVER_INTERNAL_ERROR
            } else {
                StatusCode::BAD_REQUEST
            };
            let response = self.answer(&request, status, "").build();
            self.respond(transaction, response, t, now);
            return None;
        }
        if let Some(timer) = subscriber.wait.take() {
            self.deadlines.cancel(timer);
        }
        // RFC 5839 section 5.3.
        subscriber.etag = headers
            .typed::<SipETag<'_>>()
            .ok()
            .flatten()
            .map(|etag| etag.value().into());
        let leaving = subscriber.leaving;
        if let (Some(_), u32::MAX, Ok(Some(state))) =
            (subscriber.referral, subscriber.interval, &state)
            && let Some(seconds) = state.expires()
        {
            // RFC 3515 section 3.4: the notifier has said how long.
            subscriber.interval = seconds;
        }
        let interval = subscriber.interval;
        let shared = subscription.within;
        if let Some(dialog) = shared
            .and_then(|session| self.sessions.get_mut(&session))
            .and_then(|session| session.dialog.as_mut())
        {
            dialog.refresh(headers);
        }
        let response = self.answer(&request, StatusCode::OK, "").build();
        self.respond(transaction, response, t, now);
        let Ok(Some(state)) = state else {
            return None;
        };
        let status = if state.is_terminated() {
            SubscriptionStatus::Terminated
        } else if state.is_pending() {
            SubscriptionStatus::Pending
        } else {
            SubscriptionStatus::Active
        };
        self.tell(Event::Notified {
            subscription: id,
            status,
            body: Body::of(request.headers(), request.body_bytes()),
        });
        if status == SubscriptionStatus::Terminated {
            let cause = if leaving {
                SubscriptionEnd::Local
            } else {
                SubscriptionEnd::Terminated {
                    reason: state.reason().map(str::to_owned),
                    retry_after: state
                        .retry_after()
                        .map(|seconds| Duration::from_secs(seconds.into())),
                }
            };
            self.subscription_over(id, cause);
            return None;
        }
        if leaving {
            // What was unsubscribed before there was a dialog; a poll ends by itself.
            if interval > 0 && !self.attempts.has(Owner::Subscribe(id)) {
                self.resubscribe(id, now);
            } else {
                self.wait_for_notify(id, now);
            }
        } else if let Some(seconds) = state.expires() {
            self.lasts(id, seconds.min(interval), now);
        }
        None
    }
}

/// Whether two values of Event name the same: the package and the id (RFC 6665 section 8.2.1).
pub(super) fn same_event(one: &str, other: &str) -> bool {
    match (EventHeader::parse(one), EventHeader::parse(other)) {
        (Ok(one), Ok(other)) => one.package() == other.package() && one.id() == other.id(),
        _ => false,
    }
}
