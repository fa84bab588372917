//! Who sends a REFER (RFC 3515 section 2.4.1), and the subscription that it makes.

use std::time::Instant;

use sip_message::header::{NameAddr, ReferEventsAt, ReferSub};
use sip_message::{HeaderName, Method, Request, Response, StatusCode, Uri};
use sip_transaction::TransactionLayer;

use super::usage::Effect;
use super::{Dialogs, agent, with_body};
use crate::attempt::Owner;
use crate::authentication::AccountKey;
use crate::config::{Gone, SessionId};
use crate::dialog::ContactValue;
use crate::index::CallKey;
use crate::io::{Body, EndCause, Event, FailureCause};
use crate::refer::{ReferRequest, ReferTarget, Report, uri_of};
use crate::session::State;
use crate::subscription::{
    Referral, Role, Subscriber, Subscription, SubscriptionEnd, SubscriptionId,
};

impl Dialogs {
    /// Asks the other side of a session to contact someone: a transfer (RFC 5589). [`Event::ReferAccepted`] and [`Event::Notified`]
    /// follow, the bodies of which [`Body::sipfrag_status`](crate::Body::sipfrag_status) reads; [`Event::SubscriptionEnded`] comes last.
    ///
    /// A peer with a globally routable Contact gets it out of the dialog, with a Target-Dialog that names the session (RFC 7647 section 4);
    /// any other gets it within.
    ///
    /// # Errors
    /// [`Gone`] when the session has no confirmed dialog, or is ending.
    pub fn refer(
        &mut self,
        session: SessionId,
        refer: ReferRequest,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<SubscriptionId, Gone> {
        self.last_now = Some(now);
        let known = self.sessions.get(&session).ok_or(Gone)?;
        let (account, contact) = (known.account, known.contact.clone());
        let dialog = match known.state {
            State::Up => known.dialog.as_ref().ok_or(Gone)?,
            // The other side may not know an early dialog by then.
            State::Calling(_) | State::Ringing(_) | State::Ending { .. } | State::Over => {
                return Err(Gone);
            }
        };
        let from = uri_of(dialog.local()).ok_or(Gone)?;
        let reports = !matches!(refer.report, Report::Explicit | Report::Nothing);
        if reports && dialog.remote_target.as_ref().param("gr").is_some() {
            let target = dialog.remote_target.clone();
            let contact = contact.uri().ok_or(Gone)?;
            let mut to = ReferTarget::new(target.clone(), from, target, contact);
            to.account = account;
            to.route = dialog.routes().filter_map(uri_of).collect();
            let mut refer = refer;
            let named = dialog.target_dialog();
            // RFC 4538 section 4: Require makes sure that it is understood.
            refer.headers.push((HeaderName::TargetDialog, named));
            refer
                .headers
                .push((HeaderName::Require, "tdialog".to_owned()));
            return Ok(self.refer_to(to, refer, t, now));
        }
        let id = SubscriptionId(self.mint());
        let supported = self.supported.clone();
        let body = self.token_body(&refer);
        let fields = refer.fields(from.as_str());
        self.send_within(session, Method::Refer, Owner::Refer(id), |mut builder| {
            builder = with_body(builder, body);
            if !supported.is_empty() {
                builder = builder.header(HeaderName::Supported, supported);
            }
            for (name, value) in fields {
                builder = builder.header(name, value);
            }
            builder
        })
        .ok_or(Gone)?;
        let known = self.sessions.get_mut(&session).ok_or(Gone)?;
        let number = known.dialog.as_ref().ok_or(Gone)?.local_cseq;
        known.usages.push(id);
        let key = known.key;
        self.subscriptions.insert(
            id,
            Subscription {
                within: Some(session),
                ..referring(number, account, contact, key, String::new())
            },
        );
        self.wait_for_notify(id, now);
        Ok(id)
    }

    /// Asks someone to contact someone else, out of any dialog; what follows is that of [`Self::refer`].
    pub fn refer_to(
        &mut self,
        to: ReferTarget,
        refer: ReferRequest,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> SubscriptionId {
        self.last_now = Some(now);
        let id = SubscriptionId(self.mint());
        let (local_tag, call_id) = (self.rng.token(12), self.rng.token(24));
        let contact = ContactValue::new(&to.contact);
        let key = CallKey::new(&self.call_hash, &call_id, &local_tag);
        let mut builder = Request::builder(Method::Refer, to.target.as_str());
        for route in &to.route {
            builder = builder.header(HeaderName::Route, format!("<{route}>"));
        }
        builder = builder
            .max_forwards(70)
            .from(&NameAddr::new(to.from.as_ref()).with_tag(&local_tag))
            .to(&NameAddr::new(to.to.as_ref()))
            .call_id(&call_id)
            .cseq(1)
            .header(HeaderName::Contact, contact.as_str())
            .header(HeaderName::Allow, &self.allow);
        if !self.supported.is_empty() {
            builder = builder.header(HeaderName::Supported, &self.supported);
        }
        let body = self.token_body(&refer);
        for (name, value) in refer.fields(to.from.as_str()) {
            builder = builder.header(name, value);
        }
        builder = with_body(builder, body);
        let next_hop = to.route.first().unwrap_or(&to.target).clone();
        let Ok(request) = agent(&self.config, builder).build_partial() else {
            self.tell(Event::SubscriptionEnded {
                subscription: id,
                cause: SubscriptionEnd::Failed(FailureCause::Cancelled),
            });
            return id;
        };
        self.subscriptions
            .insert(id, referring(1, to.account, contact, key, local_tag));
        self.by_subscription.insert(key, id);
        self.wait_for_notify(id, now);
        self.attempts.start(
            Owner::Refer(id),
            request,
            next_hop,
            to.account,
            &mut self.outputs,
        );
        id
    }

    /// The body of a REFER: the token that proves its Referred-By.
    fn token_body(&mut self, refer: &ReferRequest) -> Option<Body> {
        let token = refer.token.as_ref()?;
        Some(token.beside(None, &self.rng.token(26)))
    }

    /// The URI that takes the place of our side in a session: to be referred to in an attended transfer (RFC 5589 section 7, RFC 3891).
    ///
    /// `None` when there is no dialog yet.
    #[must_use]
    pub fn replacement_uri(&self, session: SessionId) -> Option<Uri> {
        let dialog = self.dialog_named(session)?;
        let target = dialog.remote_target.clone();
        Some(target.with_header("Replaces", &dialog.replaces()))
    }

    /// The URI by which someone joins a session (RFC 3911), as [`Self::replacement_uri`].
    #[must_use]
    pub fn joining_uri(&self, session: SessionId) -> Option<Uri> {
        let dialog = self.dialog_named(session)?;
        let target = dialog.remote_target.clone();
        Some(target.with_header("Join", &dialog.replaces()))
    }

    /// The value of a Target-Dialog that names a session, for a request out of it (RFC 4538).
    #[must_use]
    pub fn target_dialog(&self, session: SessionId) -> Option<String> {
        Some(self.dialog_named(session)?.target_dialog())
    }

    fn dialog_named(&self, session: SessionId) -> Option<&crate::dialog::Dialog> {
        let session = self.sessions.get(&session)?;
        match &session.dialog {
            Some(dialog) => Some(dialog),
            None => session.early().last().map(|early| &early.dialog),
        }
    }

    pub(super) fn on_refer_response(
        &mut self,
        id: SubscriptionId,
        request: &Request,
        response: Box<Response>,
    ) {
        let status = response.status();
        let number = request.headers().cseq().map(|(number, _)| number);
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        let within = subscription.within;
        if let (Role::Subscriber(subscriber), Some(number)) = (&mut subscription.role, number) {
            subscriber.cseq = subscriber.cseq.max(number);
            subscriber.referral = Some(Referral {
                number,
                answered: true,
            });
            if subscription.event == "refer" && within.is_some() {
                subscription.event = format!("refer;id={number}");
            }
            // The NOTIFY may have made the dialog before.
            if let Some(dialog) = &mut subscription.dialog {
                dialog.local_cseq = dialog.local_cseq.max(number);
            }
        }
        if !status.is_success() {
            self.subscription_over(id, SubscriptionEnd::Refused(response));
            if let Some(session) = within {
                self.after_failure(session, &Method::Refer, status);
            }
            return;
        }
        // Section 2.4.2 and RFC 4488 section 4: REFER refreshes the target.
        if let Some(dialog) = self.usage_dialog(id) {
            dialog.refresh(response.headers());
        }
        let headers = response.headers();
        let reported = headers
            .typed::<ReferSub<'_>>()
            .ok()
            .flatten()
            .is_none_or(|reported| reported.is_true());
        let requires = |tag| super::reliable::has_tag(request.headers(), HeaderName::Require, tag);
        let silent = requires("nosub") || requires("explicitsub") || !reported;
        let events_at = headers
            .typed::<ReferEventsAt<'_>>()
            .ok()
            .flatten()
            .map(|events_at| events_at.uri().to_uri());
        self.tell(Event::ReferAccepted {
            subscription: id,
            response,
        });
        if silent {
            self.subscription_over(id, SubscriptionEnd::Unreported { events_at });
        }
    }

    pub(super) fn on_refer_failed(&mut self, id: SubscriptionId, cause: FailureCause) {
        let within = self
            .subscriptions
            .get(&id)
            .and_then(|subscription| subscription.within);
        self.subscription_over(id, SubscriptionEnd::Failed(cause));
        if let (Some(session), FailureCause::TimedOut) = (within, cause) {
            self.after_failure(session, &Method::Refer, StatusCode::REQUEST_TIMEOUT);
        }
    }

    /// What a failure of a request within a session means for the session (RFC 5057).
    pub(super) fn after_failure(&mut self, id: SessionId, method: &Method, status: StatusCode) {
        match Effect::on_session(method, status) {
            Effect::Transaction => {}
            Effect::Usage => self.bye(id, EndCause::Lost),
            Effect::Dialog => self.dialog_lost(id),
        }
    }
}

/// The subscription that a REFER makes.
fn referring(
    number: u32,
    account: AccountKey,
    contact: ContactValue,
    key: CallKey,
    local_tag: String,
) -> Subscription {
    Subscription {
        role: Role::Subscriber(Subscriber {
            // The notifier decides how long (RFC 3515 section 3.4).
            interval: u32::MAX,
            refresh: None,
            wait: None,
            rounds: 0,
            leaving: false,
            cseq: number,
            etag: None,
            referral: Some(Referral {
                number,
                answered: false,
            }),
        }),
        key,
        local_tag,
        account,
        contact,
        event: "refer".to_owned(),
        dialog: None,
        within: None,
        watches: None,
        expires: None,
    }
}
