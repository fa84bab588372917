//! Who gets a REFER (RFC 3515 section 2.4.2), and tells what becomes of it.

use std::time::{Duration, Instant};

use sip_message::header::{NameAddr, ReferSub, TargetDialog};
use sip_message::{HeaderName, Headers, Request, StatusCode};
use sip_transaction::{ServerTransactionId, TransactionLayer};
use sip_transport::{DeadlineId, Flow};

use super::reliable::has_tag;
use super::{Deadline, Dialogs};
use crate::authentication::AccountKey;
use crate::config::{Gone, SessionId};
use crate::dialog::{ContactValue, Dialog};
use crate::index::CallKey;
use crate::io::{Body, Event, FailureCause, RejectCause};
use crate::subscription::{
    Notifier, Over, Role, Subscription, SubscriptionEnd, SubscriptionId, SubscriptionStatus,
};

/// The state of a referral that is subscribed to by a URI (RFC 7614).
#[derive(Debug)]
pub(super) struct Explicit {
    /// The user part of the URI, which nobody can guess.
    token: String,
    last: StatusCode,
    /// Who has subscribed; at most [`SUBSCRIBERS`].
    subscribers: Vec<SubscriptionId>,
    deadline: DeadlineId,
}

/// Subscriptions to one referral; a further one is refused.
const SUBSCRIBERS: usize = 4;

impl Dialogs {
    /// Accepts an [`Event::Referred`]: 200, and where its sender wants to know, a NOTIFY that says 100 at once (RFC 3515 section 2.4.4).
    /// [`Self::carry_out`] or [`Self::report`] tells the rest.
    ///
    /// # Errors
    /// [`Gone`] when it was answered, or its dialog has ended.
    pub fn accept_referral(
        &mut self,
        id: SubscriptionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let (transaction, request) = self.asked(id)?;
        let headers = request.headers();
        let requires = |tag| has_tag(headers, HeaderName::Require, tag);
        let unwanted = headers
            .typed::<ReferSub<'_>>()
            .ok()
            .flatten()
            .is_some_and(|wanted| !wanted.is_true());
        // RFC 7614 sections 4.3 and 5.3; `within` has refused what is required and not supported.
        let explicit = requires("explicitsub");
        let nothing = requires("nosub");
        let silent = unwanted && self.config.supports("norefersub");
        let subscription = self.subscriptions.get(&id).ok_or(Gone)?;
        let mut response = self
            // RFC 7647 section 5: 200, not 202.
            .answer(&request, StatusCode::OK, &subscription.local_tag)
            .copy(&request, HeaderName::RecordRoute)
            .header(HeaderName::Contact, subscription.contact.as_str());
        if silent {
            // RFC 4488 section 4.
            response = response.header(HeaderName::ReferSub, "false");
        }
        let mut token = String::new();
        if explicit {
            token = self.rng.token(24);
            let contact = subscription.contact.uri().ok_or(Gone)?;
            let (host, port) = (contact.as_ref().host(), contact.as_ref().port());
            let uri = sip_message::Uri::sip(Some(&token), host.ok_or(Gone)?, port);
            response = response.header(HeaderName::ReferEventsAt, format!("<{uri}>"));
        }
        let sent = self.respond(transaction, response.build(), t, now);
        if sent.is_none() {
            self.forget_subscription(id);
            return Err(Gone);
        }
        if let Some(dialog) = self.usage_dialog(id) {
            // Section 2.4.2: REFER refreshes the target.
            dialog.refresh(headers);
        }
        if explicit {
            self.forget_subscription(id);
            let state = Explicit {
                token: token.clone(),
                last: StatusCode::TRYING,
                subscribers: Vec::new(),
                deadline: self
                    .deadlines
                    .insert(now + self.config.referral, Deadline::Referral(id)),
            };
            self.referrals.insert(id, state);
            self.referral_tokens.insert(token, id);
        } else if nothing || silent {
            self.forget_subscription(id);
        } else {
            let at = now + self.config.referral;
            let timer = self.deadlines.insert(at, Deadline::Subscription(id));
            if let Some(subscription) = self.subscriptions.get_mut(&id)
                && let Some((_, old)) = subscription.expires.replace((at, timer))
            {
                self.deadlines.cancel(old);
            }
            self.notify_referral(id, StatusCode::TRYING)?;
        }
        Ok(())
    }

    /// Refuses an [`Event::Referred`].
    ///
    /// # Errors
    /// [`Gone`] when it was answered, or its dialog has ended.
    pub fn refuse_referral(
        &mut self,
        id: SubscriptionId,
        status: StatusCode,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let (transaction, request) = self.asked(id)?;
        let tag = self.subscriptions.get(&id).ok_or(Gone)?.local_tag.clone();
        let response = self.answer(&request, status, &tag).build();
        let sent = self.respond(transaction, response, t, now);
        self.forget_subscription(id);
        sent.ok_or(Gone)
    }

    /// Tells how far a referral is that was accepted; a final status is the last that is told (RFC 3515 section 2.4.5).
    ///
    /// # Errors
    /// [`Gone`] when nobody wants to know, any more or at all.
    pub fn report(
        &mut self,
        id: SubscriptionId,
        status: StatusCode,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        self.report_status(id, status)
    }

    fn report_status(&mut self, id: SubscriptionId, status: StatusCode) -> Result<(), Gone> {
        if let Some(explicit) = self.referrals.get_mut(&id) {
            if explicit.last.is_final() {
                return Err(Gone);
            }
            explicit.last = status;
            let subscribers = explicit.subscribers.clone();
            for subscriber in subscribers {
                // One that has gone in the meantime needs nothing.
                let _ = self.notify_referral(subscriber, status);
            }
            if let (true, Some(now)) = (status.is_final(), self.last_now) {
                // RFC 7614 section 4.7: it is kept for a subscription that is on its way.
                let at = now + self.config.t1 * 128;
                let timer = self.deadlines.insert(at, Deadline::Referral(id));
                if let Some(explicit) = self.referrals.get_mut(&id) {
                    self.deadlines
                        .cancel(std::mem::replace(&mut explicit.deadline, timer));
                }
            }
            return Ok(());
        }
        self.notify_referral(id, status)
    }

    /// Has a call report to the one who asked for it: `session` is the INVITE that was sent for `referral`.
    pub fn carry_out(&mut self, referral: SubscriptionId, session: SessionId) {
        if self.sessions.contains_key(&session) {
            self.carried.insert(session, referral);
        }
    }

    fn notify_referral(&mut self, id: SubscriptionId, status: StatusCode) -> Result<(), Gone> {
        let state = if status.is_final() {
            // Section 2.4.7: with the reason `noresource`.
            SubscriptionStatus::Terminated
        } else {
            SubscriptionStatus::Active
        };
        self.tell_subscriber(id, state, Some(Body::sipfrag(status)))
    }

    /// Tells the sender of a REFER what happens to the call that it asked for.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other events say nothing about how far the call is"
    )]
    pub(super) fn report_call(&mut self, event: &Event) {
        if self.carried.is_empty() {
            return;
        }
        let (session, status) = match event {
            Event::Progress {
                session, status, ..
            } => (session, *status),
            Event::Accepted { session, .. } => (session, StatusCode::OK),
            Event::Rejected { session, cause } => {
                let status = match cause {
                    RejectCause::Response(response) => response.status(),
                    RejectCause::Failed(FailureCause::TimedOut) => StatusCode::REQUEST_TIMEOUT,
                    RejectCause::Failed(FailureCause::Cancelled) => StatusCode::REQUEST_TERMINATED,
                    RejectCause::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
                };
                (session, status)
            }
            _ => return,
        };
        let Some(referral) = self.carried.get(session).copied() else {
            return;
        };
        if status.is_final() {
            self.carried.remove(session);
        }
        let _ = self.report_status(referral, status);
    }

    /// A REFER: in the dialog of `session`, or out of any.
    pub(super) fn on_refer(
        &mut self,
        session: Option<SessionId>,
        transaction: ServerTransactionId,
        request: Box<Request>,
        flow: Option<&Flow>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let tag = match session {
            Some(_) => String::new(),
            None => self.rng.token(12),
        };
        let headers = request.headers();
        let named = match session {
            Some(session) => Ok(Some(session)),
            None => self.dialog_of_target(&request),
        };
        let refusal = if let Some(refusal) = self.unsupported(&request, &tag) {
            Some(refusal)
        } else if headers.count(HeaderName::ReferTo) != 1
            || headers
                .get(HeaderName::ReferTo)
                .is_none_or(|refer_to| NameAddr::parse(refer_to).is_err())
        {
            // Section 2.4.2: exactly one Refer-To.
            let response = self.answer(&request, StatusCode::BAD_REQUEST, &tag);
            Some(response.reason("Missing or Invalid Refer-To"))
        } else if !is_called(headers) {
            // Section 2.4.2: what only another protocol reaches.
            Some(self.answer(&request, StatusCode::UNSUPPORTED_URI_SCHEME, &tag))
        } else if self.subscriptions.len() >= self.config.subscriptions {
            let response = self.answer(&request, StatusCode::SERVICE_UNAVAILABLE, &tag);
            Some(response.header(HeaderName::RetryAfter, "10"))
        } else {
            named
                .err()
                .map(|status| self.answer(&request, status, &tag))
        };
        if let Some(response) = refusal {
            self.respond(transaction, response.build(), t, now);
            return;
        }
        let named = named.ok().flatten();
        let id = SubscriptionId(self.mint());
        let key = CallKey::new(&self.call_hash, headers.call_id().unwrap_or_default(), &tag);
        let (dialog, contact, local_tag, event) = match (session, flow) {
            (Some(session), _) => {
                let Some(shared) = self.sessions.get_mut(&session) else {
                    return;
                };
                shared.usages.push(id);
                let number = headers.cseq().map_or(0, |(number, _)| number);
                let event = format!("refer;id={number}");
                (None, shared.contact.clone(), String::new(), event)
            }
            (None, Some(flow)) => {
                let contact = ContactValue::of(&request, flow);
                let Some(dialog) = Dialog::of_uas(&request, &tag) else {
                    let response = self
                        .answer(&request, StatusCode::BAD_REQUEST, &tag)
                        .reason("Missing or Invalid Contact")
                        .build();
                    self.respond(transaction, response, t, now);
                    return;
                };
                self.by_subscription.insert(key, id);
                (Some(dialog), contact, tag, "refer".to_owned())
            }
            (None, None) => return,
        };
        self.subscriptions.insert(
            id,
            Subscription {
                role: Role::Notifier(Notifier::asked(transaction, request.clone(), true)),
                key,
                local_tag,
                account: AccountKey(0),
                contact,
                event,
                dialog,
                within: session,
                watches: None,
                expires: None,
            },
        );
        // The sender waits no longer for an answer.
        let at = now + self.config.t1 * 64;
        let timer = self.deadlines.insert(at, Deadline::Subscription(id));
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.expires = Some((at, timer));
        }
        self.tell(Event::Referred {
            referral: id,
            session: named,
            request,
        });
    }

    /// RFC 4538 section 5: the session that a Target-Dialog names. One that is required and unknown is 481.
    fn dialog_of_target(&self, request: &Request) -> Result<Option<SessionId>, StatusCode> {
        let headers = request.headers();
        if !self.config.supports("tdialog") || !headers.contains(HeaderName::TargetDialog) {
            return Ok(None);
        }
        let Ok(Some(target)) = headers.typed::<TargetDialog<'_>>() else {
            return Err(StatusCode::BAD_REQUEST);
        };
        // The tags are as the sender has them (RFC 4538 section 7): its local one is remote here.
        let found = self.find(target.call_id(), target.remote_tag(), target.local_tag());
        match found {
            None if has_tag(headers, HeaderName::Require, "tdialog") => {
                Err(StatusCode::CALL_DOES_NOT_EXIST)
            }
            found => Ok(found),
        }
    }

    /// A SUBSCRIBE to a URI that we have named in a Refer-Events-At (RFC 7614 section 4.5): granted, as only the sender of the REFER knows
    /// the URI. Hands back one that is not.
    pub(super) fn on_subscribe_to_referral(
        &mut self,
        transaction: ServerTransactionId,
        request: Box<Request>,
        flow: Flow,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<(Box<Request>, Flow)> {
        let event = request.headers().get(HeaderName::Event).unwrap_or_default();
        let named = request
            .uri()
            .ok()
            .and_then(|uri| self.referral_tokens.get(uri.user()?).copied());
        let (Some(referral), true) = (named, super::subscriber::same_event(event, "refer")) else {
            return Some((request, flow));
        };
        let tag = self.rng.token(12);
        let full = self.subscriptions.len() >= self.config.subscriptions
            || self
                .referrals
                .get(&referral)
                .is_none_or(|explicit| explicit.subscribers.len() >= SUBSCRIBERS);
        let contact = ContactValue::of(&request, &flow);
        let dialog = Dialog::of_uas(&request, &tag).filter(|_| !full);
        let Some(dialog) = dialog else {
            let status = if full {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::BAD_REQUEST
            };
            let response = self.answer(&request, status, &tag).build();
            self.respond(transaction, response, t, now);
            return None;
        };
        let id = SubscriptionId(self.mint());
        let key = CallKey::new(&self.call_hash, dialog.call_id(), &tag);
        self.by_subscription.insert(key, id);
        let event = event.to_owned();
        self.subscriptions.insert(
            id,
            Subscription {
                role: Role::Notifier(Notifier::asked(transaction, request, true)),
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
        let last = self.referrals.get_mut(&referral).map(|explicit| {
            explicit.subscribers.push(id);
            explicit.last
        })?;
        let state = if last.is_final() {
            SubscriptionStatus::Terminated
        } else {
            SubscriptionStatus::Active
        };
        let _ = self.grant(id, state, Some(Body::sipfrag(last)), t, now);
        None
    }

    /// A referral that is subscribed to by a URI is forgotten: its time is over, or nobody comes any more.
    pub(super) fn on_referral_due(&mut self, id: SubscriptionId) {
        let Some(explicit) = self.referrals.remove(&id) else {
            return;
        };
        self.referral_tokens.remove(&explicit.token);
        for subscriber in explicit.subscribers {
            self.expire(subscriber);
        }
    }

    /// The NOTIFY that ends a subscription whose time is over; one that nobody has answered is refused.
    pub(super) fn expire(&mut self, id: SubscriptionId) {
        if let Ok(asked) = self.asked(id) {
            self.orphans.push(asked);
            self.subscription_over(id, SubscriptionEnd::Expired);
            return;
        }
        self.push_notify(id, SubscriptionStatus::Terminated, None, "timeout");
        self.mark_over(id, Over::Expired);
    }

    fn asked(&mut self, id: SubscriptionId) -> Result<(ServerTransactionId, Box<Request>), Gone> {
        let subscription = self.subscriptions.get_mut(&id).ok_or(Gone)?;
        match &mut subscription.role {
            Role::Notifier(notifier) if notifier.refers => notifier.asked.take().ok_or(Gone),
            Role::Notifier(_) | Role::Subscriber(_) => Err(Gone),
        }
    }

    /// Takes out a subscription of which the application has not heard as one.
    fn forget_subscription(&mut self, id: SubscriptionId) {
        self.take_subscription(id);
    }

    /// How long a subscription may last that is refreshed: a referral no longer than its time.
    pub(super) fn longest(&self, id: SubscriptionId) -> Duration {
        let refers = self.subscriptions.get(&id).is_some_and(|subscription| {
            matches!(&subscription.role, Role::Notifier(notifier) if notifier.refers)
        });
        if refers {
            self.config.referral
        } else {
            self.config.max_subscription
        }
    }
}

/// Whether the Refer-To is something that SIP reaches.
fn is_called(headers: &Headers) -> bool {
    let refer_to = headers.get(HeaderName::ReferTo).unwrap_or_default();
    NameAddr::parse(refer_to).is_ok_and(|refer_to| {
        let uri = refer_to.uri();
        uri.is_sip() || uri.scheme_str().eq_ignore_ascii_case("tel")
    })
}
