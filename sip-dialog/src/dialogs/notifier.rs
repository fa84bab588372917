//! The notifier (RFC 6665 section 4.2), and what ends subscriptions of both roles.

use std::time::{Duration, Instant};

use sip_message::header::{Event as EventHeader, Expires};
use sip_message::{HeaderName, Headers, Request, StatusCode};
use sip_transaction::{ServerTransactionId, TransactionLayer};
use sip_transport::Flow;

use super::conditional::{condition, entity_tag};
use super::subscriber::same_event;
use super::{Deadline, Dialogs};
use crate::attempt::Owner;
use crate::authentication::AccountKey;
use crate::config::Gone;
use crate::dialog::{ContactValue, Dialog};
use crate::index::CallKey;
use crate::io::{Body, Event, FailureCause, Token};
use crate::subscription::{
    Notifier, Over, Role, Subscription, SubscriptionEnd, SubscriptionId, SubscriptionStatus,
};

/// Seconds when a SUBSCRIBE names none (RFC 3856 and others).
const USUAL: u32 = 3600;
/// How long the application has to tell the last state to a subscriber that leaves, which waits for it that long (Timer N).
const LAST: Duration = Duration::from_secs(32);

impl Dialogs {
    /// Grants an [`Event::Subscribing`]: 200, and the first NOTIFY with the state as it is (RFC 6665 section 4.2.1.2). With
    /// [`SubscriptionStatus::Terminated`] the subscriber gets the state once.
    ///
    /// # Errors
    /// [`Gone`] when it was answered, or is over.
    pub fn grant(
        &mut self,
        id: SubscriptionId,
        status: SubscriptionStatus,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let subscription = self.subscriptions.get_mut(&id).ok_or(Gone)?;
        let Role::Notifier(notifier) = &mut subscription.role else {
            return Err(Gone);
        };
        let (transaction, request) = notifier.asked.take().ok_or(Gone)?;
        if self.config.entity_tags {
            notifier.condition = condition(request.headers());
        }
        self.grant_time(id, transaction, &request, StatusCode::OK, t, now)?;
        let polled = self
            .subscriptions
            .get(&id)
            .is_some_and(|subscription| subscription.expires.is_none());
        if polled {
            // Section 4.4.3: no time was asked for, only the state.
            self.push_notify(id, SubscriptionStatus::Terminated, body, "timeout");
            self.mark_over(id, Over::Remote);
            return Ok(());
        }
        self.notify(id, status, body, t, now)
    }

    /// Refuses an [`Event::Subscribing`].
    ///
    /// # Errors
    /// [`Gone`] when it was answered, or is over.
    pub fn refuse(
        &mut self,
        id: SubscriptionId,
        status: StatusCode,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.refuse_until(id, status, None, t, now)
    }

    /// Refuses an [`Event::Subscribing`] for so many seconds: 503 with Retry-After (RFC 3261 section 20.33).
    ///
    /// # Errors
    /// [`Gone`] when it was answered, or is over.
    pub fn put_off(
        &mut self,
        id: SubscriptionId,
        seconds: u32,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.refuse_until(id, StatusCode::SERVICE_UNAVAILABLE, Some(seconds), t, now)
    }

    fn refuse_until(
        &mut self,
        id: SubscriptionId,
        status: StatusCode,
        seconds: Option<u32>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let subscription = self.subscriptions.get_mut(&id).ok_or(Gone)?;
        let tag = subscription.local_tag.clone();
        let Role::Notifier(notifier) = &mut subscription.role else {
            return Err(Gone);
        };
        let (transaction, request) = notifier.asked.take().ok_or(Gone)?;
        let mut response = self.answer(&request, status, &tag);
        if let Some(seconds) = seconds {
            response = response.header(HeaderName::RetryAfter, seconds.to_string());
        }
        self.respond(transaction, response.build(), t, now);
        self.subscription_over(id, SubscriptionEnd::Local);
        Ok(())
    }

    /// The subscription to us whose dialog a request is in.
    #[must_use]
    pub fn subscription_of(&self, request: &Request) -> Option<SubscriptionId> {
        let headers = request.headers();
        let key = CallKey::new(&self.call_hash, headers.call_id()?, headers.to_tag()?);
        self.by_subscription.get(&key).copied()
    }

    /// The subscription whose NOTIFY waits for flows ([`Output::SelectFlow`](crate::Output::SelectFlow)).
    #[must_use]
    pub fn notifies(&self, token: Token) -> Option<SubscriptionId> {
        if let Token::Attempt(number) = token
            && let (Owner::Notify(id), _) = self.attempts.of(number)?
        {
            return Some(id);
        }
        None
    }

    /// Tells a subscriber the state; [`SubscriptionStatus::Terminated`] ends the subscription. It is told again at each refresh.
    ///
    /// # Errors
    /// [`Gone`] when the subscription is over, or was not granted.
    pub fn notify(
        &mut self,
        id: SubscriptionId,
        status: SubscriptionStatus,
        body: Option<Body>,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        self.tell_subscriber(id, status, body)
    }

    pub(super) fn tell_subscriber(
        &mut self,
        id: SubscriptionId,
        status: SubscriptionStatus,
        body: Option<Body>,
    ) -> Result<(), Gone> {
        let subscription = self.subscriptions.get(&id).ok_or(Gone)?;
        match &subscription.role {
            Role::Notifier(notifier) if notifier.over.is_some() || notifier.asked.is_some() => {
                return Err(Gone);
            }
            Role::Notifier(notifier) if notifier.leaves => {
                // Section 4.2.1.4: what it is told last, having said that it leaves.
                self.push_notify(id, SubscriptionStatus::Terminated, body, "timeout");
                self.mark_over(id, Over::Remote);
                return Ok(());
            }
            Role::Notifier(_) => {}
            Role::Subscriber(_) => return Err(Gone),
        }
        self.push_notify(id, status, body, "noresource");
        if status == SubscriptionStatus::Terminated {
            self.mark_over(id, Over::Local);
        }
        Ok(())
    }

    /// A SUBSCRIBE out of a dialog; hands it back when there is no package here.
    pub(super) fn on_subscribe(
        &mut self,
        transaction: ServerTransactionId,
        request: Box<Request>,
        flow: Flow,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<(Box<Request>, Flow)> {
        let (request, flow) = if self.referral_tokens.is_empty() {
            (request, flow)
        } else {
            self.on_subscribe_to_referral(transaction, request, flow, t, now)?
        };
        if self.config.refer
            && names_refer(request.headers())
            && !self.serves_event(request.headers())
        {
            // RFC 3515 section 2.4.4: of no REFER.
            let tag = self.rng.token(12);
            let response = self.answer(&request, StatusCode::FORBIDDEN, &tag).build();
            self.respond(transaction, response, t, now);
            return None;
        }
        if self.config.event_packages.is_empty() {
            return Some((request, flow));
        }
        let tag = self.rng.token(12);
        let event = request.headers().get(HeaderName::Event).unwrap_or_default();
        let known = self.serves_event(request.headers());
        let refusal = if !known {
            let response = self.answer(&request, StatusCode::BAD_EVENT, &tag);
            let packages = self.allow_events.as_deref().unwrap_or_default();
            Some(response.header(HeaderName::AllowEvents, packages))
        } else if self.subscriptions.len() >= self.config.subscriptions {
            let response = self.answer(&request, StatusCode::SERVICE_UNAVAILABLE, &tag);
            Some(response.header(HeaderName::RetryAfter, "10"))
        } else if let Some(refusal) = self.unsupported(&request, &tag) {
            Some(refusal)
        } else {
            self.too_brief(&request).map(|least| {
                self.answer(&request, StatusCode::INTERVAL_TOO_BRIEF, &tag)
                    .header(HeaderName::MinExpires, least)
            })
        };
        if let Some(response) = refusal {
            self.respond(transaction, response.build(), t, now);
            return None;
        }
        let contact = ContactValue::of(&request, &flow);
        let Some(dialog) = Dialog::of_uas(&request, &tag) else {
            let response = self
                .answer(&request, StatusCode::BAD_REQUEST, &tag)
                .reason("Missing or Invalid Contact")
                .build();
            self.respond(transaction, response, t, now);
            return None;
        };
        let id = SubscriptionId(self.mint());
        let key = CallKey::new(&self.call_hash, dialog.call_id(), &tag);
        let event = event.to_owned();
        let served = event.clone();
        self.by_subscription.insert(key, id);
        self.subscriptions.insert(
            id,
            Subscription {
                role: Role::Notifier(Notifier::asked(transaction, request.clone(), false)),
                key,
                local_tag: tag,
                account: AccountKey(0),
                contact,
                event,
                dialog: Some(dialog),
                within: None,
                watches: None,
                expires: None,
            },
        );
        if !self.packages.is_empty() && self.serve(id, &served, &request, t, now) {
            return None;
        }
        self.tell(Event::Subscribing {
            subscription: id,
            request,
            flow,
        });
        None
    }

    /// A SUBSCRIBE in the dialog of a subscription: a refresh, or the end (section 4.2.1.4). Hands back one that is not.
    pub(super) fn on_resubscribe(
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
        let Some(id) = self.by_subscription.get(&key).copied() else {
            return Some(request);
        };
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return Some(request);
        };
        let Some(dialog) = &mut subscription.dialog else {
            return Some(request);
        };
        if !matches!(subscription.role, Role::Notifier(_))
            || dialog.remote_tag() != headers.from_tag().unwrap_or_default()
        {
            return Some(request);
        }
        let number = headers.cseq().map_or(0, |(number, _)| number);
        let event = headers.get(HeaderName::Event).unwrap_or_default();
        let in_order = dialog.accept_cseq(number);
        let is_other = !same_event(event, &subscription.event);
        if in_order && is_other && self.serves_event(request.headers()) {
            self.refuse_sharing(transaction, &request, t, now);
            return None;
        }
        if !in_order || is_other {
            let status = if in_order {
                StatusCode::CALL_DOES_NOT_EXIST
            } else {
                StatusCode::SERVER_INTERNAL_ERROR
            };
            let response = self.answer(&request, status, "").build();
            self.respond(transaction, response, t, now);
            return None;
        }
        self.on_refresh(id, transaction, &request, t, now);
        None
    }

    /// Whether the event that a SUBSCRIBE names is one of ours.
    pub(super) fn serves_event(&self, headers: &Headers) -> bool {
        let event = headers.get(HeaderName::Event).unwrap_or_default();
        EventHeader::parse(event).is_ok_and(|event| {
            self.config
                .event_packages
                .iter()
                .any(|package| package == event.package())
        })
    }

    /// Section 4.5.2: a further subscription in a dialog that is there.
    pub(super) fn refuse_sharing(
        &self,
        transaction: ServerTransactionId,
        request: &Request,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let response = self
            .answer(request, StatusCode::FORBIDDEN, "")
            .reason("Dialog Sharing Not Supported")
            .build();
        self.respond(transaction, response, t, now);
    }

    /// A SUBSCRIBE that refreshes or ends a subscription; it is in the order of its dialog.
    pub(super) fn on_refresh(
        &mut self,
        id: SubscriptionId,
        transaction: ServerTransactionId,
        request: &Request,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        let Role::Notifier(notifier) = &mut subscription.role else {
            return;
        };
        let live = notifier.over.is_none() && notifier.asked.is_none() && !notifier.leaves;
        let last = notifier.last.clone();
        let (mut known, mut given) = (false, None);
        if self.config.entity_tags && !notifier.refers {
            given = condition(request.headers());
            known = match given.as_deref() {
                Some("*") => true,
                Some(given) => given == entity_tag(last.1.as_ref()),
                None => false,
            };
        }
        let refusal = if !live {
            Some(self.answer(request, StatusCode::CALL_DOES_NOT_EXIST, ""))
        } else {
            self.too_brief(request).map(|least| {
                self.answer(request, StatusCode::INTERVAL_TOO_BRIEF, "")
                    .header(HeaderName::MinExpires, least)
            })
        };
        if let Some(response) = refusal {
            self.respond(transaction, response.build(), t, now);
            return;
        }
        if let Some(dialog) = self.usage_dialog(id) {
            dialog.refresh(request.headers());
        }
        if let Some(Role::Notifier(notifier)) = self
            .subscriptions
            .get_mut(&id)
            .map(|subscription| &mut subscription.role)
        {
            notifier.condition = given;
        }
        let answer = if known {
            // RFC 5839 section 6.3: the state is what the subscriber has.
            StatusCode::NO_NOTIFICATION
        } else {
            StatusCode::OK
        };
        let _ = self.grant_time(id, transaction, request, answer, t, now);
        let (status, body) = last;
        let ends = self
            .subscriptions
            .get(&id)
            .is_some_and(|subscription| subscription.expires.is_none());
        if known {
            if ends {
                self.mark_over(id, Over::Remote);
                self.next_notify(id);
            }
        } else if self.is_told_of_refreshes(id) {
            if ends {
                self.leave(id, now);
            }
            self.tell(Event::Resubscribed { subscription: id });
        } else if ends {
            self.push_notify(id, SubscriptionStatus::Terminated, body, "timeout");
            self.mark_over(id, Over::Remote);
        } else {
            self.push_notify(id, status, body, "");
        }
    }

    /// The subscriber leaves: what it is told next is the last, and comes before long.
    fn leave(&mut self, id: SubscriptionId, now: Instant) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        if let Role::Notifier(notifier) = &mut subscription.role {
            notifier.leaves = true;
        }
        let at = now + LAST;
        let timer = self.deadlines.insert(at, Deadline::Subscription(id));
        subscription.expires = Some((at, timer));
    }

    /// A referral is ours to tell, and so is what a package serves.
    fn is_told_of_refreshes(&self, id: SubscriptionId) -> bool {
        self.config.tell_refreshes
            && self.subscriptions.get(&id).is_some_and(|subscription| {
                subscription.watches.is_none()
                    && matches!(&subscription.role, Role::Notifier(notifier) if !notifier.refers)
            })
    }

    /// Section 4.2.1.1: an interval that may be refused is not zero, under an hour, and under our least.
    fn too_brief(&self, request: &Request) -> Option<String> {
        let seconds = wanted(request);
        let least = u32::try_from(self.config.min_subscription.as_secs()).unwrap_or(u32::MAX);
        (seconds > 0 && seconds < 3600 && seconds < least).then(|| least.to_string())
    }

    /// The 200, and the time until it expires.
    fn grant_time(
        &mut self,
        id: SubscriptionId,
        transaction: ServerTransactionId,
        request: &Request,
        status: StatusCode,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        // The interval may be shortened, never lengthened.
        let most = u32::try_from(self.longest(id).as_secs()).unwrap_or(u32::MAX);
        let seconds = wanted(request).min(most);
        let subscription = self.subscriptions.get_mut(&id).ok_or(Gone)?;
        if let Some((_, timer)) = subscription.expires.take() {
            self.deadlines.cancel(timer);
        }
        if seconds > 0 {
            let at = now + Duration::from_secs(seconds.into());
            let timer = self.deadlines.insert(at, Deadline::Subscription(id));
            subscription.expires = Some((at, timer));
        }
        let (tag, contact) = (subscription.local_tag.clone(), subscription.contact.clone());
        let response = self
            .answer(request, status, &tag)
            .copy(request, HeaderName::RecordRoute)
            .header(HeaderName::Contact, contact.as_str())
            .header(HeaderName::Expires, seconds.to_string())
            .build();
        if self.respond(transaction, response, t, now).is_none() {
            self.subscription_over(id, SubscriptionEnd::Lost);
            return Err(Gone);
        }
        Ok(())
    }

    /// It has expired (section 4.2.1.4), or nobody confirmed it.
    pub(super) fn on_subscription_due(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        subscription.expires = None;
        match &subscription.role {
            Role::Notifier(_) => self.expire(id),
            Role::Subscriber(_) => self.subscription_over(id, SubscriptionEnd::Expired),
        }
    }

    /// Timer N (section 4.1.2.4).
    pub(super) fn on_notify_missing(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get(&id) else {
            return;
        };
        let cause = match &subscription.role {
            Role::Subscriber(subscriber) if subscriber.leaving && subscription.has_dialog() => {
                SubscriptionEnd::Local
            }
            Role::Subscriber(_) | Role::Notifier(_) => {
                SubscriptionEnd::Failed(FailureCause::TimedOut)
            }
        };
        self.subscription_over(id, cause);
    }

    pub(super) fn subscription_over(&mut self, id: SubscriptionId, cause: SubscriptionEnd) {
        // What a package serves the application has not heard of.
        let served = self
            .subscriptions
            .get(&id)
            .is_some_and(|subscription| subscription.watches.is_some());
        if self.take_subscription(id) && !served {
            self.tell(Event::SubscriptionEnded {
                subscription: id,
                cause,
            });
        }
    }

    /// Takes a subscription out of everything that knows it.
    pub(super) fn take_subscription(&mut self, id: SubscriptionId) -> bool {
        let Some(subscription) = self.subscriptions.remove(&id) else {
            return false;
        };
        let mut timers = vec![subscription.expires.map(|(_, timer)| timer)];
        if let Role::Subscriber(subscriber) = &subscription.role {
            timers.extend([subscriber.refresh, subscriber.wait]);
        }
        for timer in timers.into_iter().flatten() {
            self.deadlines.cancel(timer);
        }
        if let Some(key) = &subscription.watches {
            self.unwatch(id, key);
        }
        match subscription.within {
            Some(session) => self.leave_dialog(session, id),
            None => self.leave_branches(id, subscription.key),
        }
        true
    }
}

/// The seconds that a SUBSCRIBE asks for.
fn wanted(request: &Request) -> u32 {
    match request.headers().typed::<Expires>() {
        Ok(Some(Expires(seconds))) => seconds,
        Ok(None) | Err(_) => USUAL,
    }
}

/// Whether a SUBSCRIBE is for the outcome of a REFER.
pub(super) fn names_refer(headers: &Headers) -> bool {
    let event = headers.get(HeaderName::Event).unwrap_or_default();
    EventHeader::parse(event).is_ok_and(|event| event.package() == "refer")
}
