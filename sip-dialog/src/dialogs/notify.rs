//! The NOTIFYs of a notifier (RFC 6665 section 4.2.2): one at a time, and none that tells nothing (RFC 5839).

use sip_message::header::Accept;
use sip_message::{HeaderName, Method, StatusCode};

use super::conditional::{entity_tag, holds};
use super::usage::Effect;
use super::{Dialogs, agent, with_body};
use crate::attempt::Owner;
use crate::io::{Body, FailureCause};
use crate::subscription::{
    Notification, Over, Role, SubscriptionEnd, SubscriptionId, SubscriptionStatus,
};

/// Notifications that wait for the answer to the one before; beyond, the oldest gives way, as its state is history.
const QUEUED: usize = 16;

impl Dialogs {
    pub(super) fn push_notify(
        &mut self,
        id: SubscriptionId,
        status: SubscriptionStatus,
        body: Option<Body>,
        reason: &'static str,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        let Role::Notifier(notifier) = &mut subscription.role else {
            return;
        };
        // Section 3.2.1: a body is of a type that its subscriber takes.
        let body = body.filter(|body| is_taken(notifier.accept.as_deref(), &body.content_type));
        let tag = (self.config.entity_tags && !notifier.refers).then(|| entity_tag(body.as_ref()));
        let unchanged = notifier.told && notifier.last.0 == status;
        if status != SubscriptionStatus::Terminated {
            notifier.last = (status, body.clone());
        }
        let mut body = body;
        if let Some(tag) = &tag {
            if holds(notifier, tag) {
                // RFC 5839 sections 6.2 and 6.3: nothing new is not told, and of a new status only itself.
                if unchanged {
                    return;
                }
                body = None;
            } else {
                notifier.condition = None;
            }
        }
        notifier.told = true;
        if notifier.queue.len() >= QUEUED {
            notifier.queue.pop_front();
        }
        notifier.queue.push_back(Notification {
            status,
            body,
            reason,
            tag,
        });
        self.next_notify(id);
    }

    pub(super) fn next_notify(&mut self, id: SubscriptionId) {
        let now = self.last_now;
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        let left = subscription.expires.zip(now).map_or(0, |((at, _), now)| {
            at.saturating_duration_since(now).as_secs()
        });
        let Role::Notifier(notifier) = &mut subscription.role else {
            return;
        };
        if notifier.notifying {
            return;
        }
        let Some(Notification {
            status,
            body,
            reason,
            tag,
        }) = notifier.queue.pop_front()
        else {
            if let Some(over) = notifier.over {
                let cause = match over {
                    Over::Local => SubscriptionEnd::Local,
                    Over::Remote => SubscriptionEnd::Remote,
                    Over::Expired => SubscriptionEnd::Expired,
                };
                self.subscription_over(id, cause);
            }
            return;
        };
        // Section 4.2.2: the time that is left, or the reason for the end.
        let state = match status {
            SubscriptionStatus::Terminated => format!("terminated;reason={reason}"),
            SubscriptionStatus::Active | SubscriptionStatus::Pending => {
                format!("{};expires={left}", status.as_str())
            }
        };
        notifier.notifying = true;
        let account = subscription.account;
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
            self.subscription_over(id, SubscriptionEnd::Lost);
            return;
        };
        let builder = dialog
            .request(Method::Notify, None, contact)
            .header(HeaderName::Event, &subscription.event)
            .header(HeaderName::SubscriptionState, state);
        let builder = match tag {
            Some(tag) => builder.header(HeaderName::SipETag, tag),
            None => builder,
        };
        let next_hop = dialog.next_hop();
        match with_body(agent(&self.config, builder), body).build_partial() {
            Ok(request) => {
                self.attempts.start(
                    Owner::Notify(id),
                    request,
                    next_hop,
                    account,
                    &mut self.outputs,
                );
            }
            Err(_) => self.subscription_over(id, SubscriptionEnd::Lost),
        }
    }

    /// Where a subscriber was told that it stands.
    pub(super) fn told_status(&self, id: SubscriptionId) -> SubscriptionStatus {
        match self.subscriptions.get(&id).map(|known| &known.role) {
            Some(Role::Notifier(notifier)) => notifier.last.0,
            Some(Role::Subscriber(_)) | None => SubscriptionStatus::Terminated,
        }
    }

    pub(super) fn mark_over(&mut self, id: SubscriptionId, over: Over) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        if let Some((_, timer)) = subscription.expires.take() {
            self.deadlines.cancel(timer);
        }
        if let Role::Notifier(notifier) = &mut subscription.role {
            notifier.over.get_or_insert(over);
        }
    }

    pub(super) fn on_notify_answered(&mut self, id: SubscriptionId, status: StatusCode) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        let Role::Notifier(notifier) = &mut subscription.role else {
            return;
        };
        notifier.notifying = false;
        let effect = Effect::of(status);
        if effect == Effect::Dialog || (effect == Effect::Usage && notifier.over.is_none()) {
            // Section 4.2.2: the subscriber does not know it.
            self.usage_lost(id, effect);
        } else {
            self.next_notify(id);
        }
    }

    pub(super) fn on_notify_failed(&mut self, id: SubscriptionId, cause: FailureCause) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        let Role::Notifier(notifier) = &mut subscription.role else {
            return;
        };
        notifier.notifying = false;
        // Section 4.2.2: a subscriber that does not answer is removed. A limit of our own is not its fault.
        if cause == FailureCause::Limit || notifier.over.is_some() {
            self.next_notify(id);
        } else {
            self.subscription_over(id, SubscriptionEnd::Lost);
        }
    }
}

/// Whether a type is one of those that an Accept lists, if there is one; what is listed with a weight of zero is not.
fn is_taken(accept: Option<&str>, content_type: &str) -> bool {
    let Some(accept) = accept else {
        return true;
    };
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    accept
        .split(',')
        .filter_map(|value| Accept::parse(value.trim()).ok())
        .any(|range| range.matches(media_type) && range.q().thousandths() > 0)
}
