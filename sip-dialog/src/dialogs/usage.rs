//! Several usages of one dialog (RFC 5057): a session, and the subscriptions of referrals in it.

use sip_message::header::Event as EventHeader;
use sip_message::{HeaderName, Method, Request, StatusCode};

use super::Dialogs;
use super::subscriber::same_event;
use crate::config::SessionId;
use crate::dialog::Dialog;
use crate::io::EndCause;
use crate::session::State;
use crate::subscription::{Role, Subscription, SubscriptionEnd, SubscriptionId};

/// What a failure response to a request within a dialog ends (RFC 5057 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 5057 table 1 has these three")]
pub enum Effect {
    /// The transaction and nothing else.
    Transaction,
    /// The usage in which the request was sent.
    Usage,
    /// The dialog, and each usage of it.
    Dialog,
}

impl Effect {
    /// Of a response to a request that its usage is made of: INVITE, SUBSCRIBE, NOTIFY.
    ///
    /// ```
    /// use sip_dialog::Effect;
    /// use sip_message::StatusCode;
    /// assert_eq!(Effect::of(StatusCode::NOT_FOUND), Effect::Dialog);
    /// assert_eq!(Effect::of(StatusCode::BAD_EVENT), Effect::Usage);
    /// assert_eq!(Effect::of(StatusCode::SERVER_INTERNAL_ERROR), Effect::Transaction);
    /// ```
    #[must_use]
    pub const fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            405 | 480 | 481 | 489 | 501 => Self::Usage,
            404 | 410 | 416 | 482..=485 | 502 | 604 => Self::Dialog,
            _ => Self::Transaction,
        }
    }

    /// Of a response to a request with that method within a session.
    #[must_use]
    pub(crate) const fn on_session(method: &Method, status: StatusCode) -> Self {
        match (Self::of(status), status.as_u16()) {
            // RFC 3261 section 12.2.1.2 and RFC 5057 section 5.2: no answer ends the session, and only it.
            (_, 408) => Self::Usage,
            // RFC 5057 notes 3, 7 and 12: what is not integral to the usage concerns only itself; a 480 to it says who is away.
            (Self::Usage, 405 | 480 | 489 | 501) if !matches!(method, Method::Invite) => {
                Self::Transaction
            }
            (effect, _) => effect,
        }
    }
}

impl Dialogs {
    /// The subscription in the dialog of a session that a NOTIFY or SUBSCRIBE is of (RFC 5057 section 5.3).
    pub(super) fn usage_of(&self, session: SessionId, request: &Request) -> Option<SubscriptionId> {
        let session = self.sessions.get(&session)?;
        if session.usages.is_empty() {
            return None;
        }
        let ours = *request.method() == Method::Notify;
        let event = request.headers().get(HeaderName::Event)?;
        session.usages.iter().copied().find(|id| {
            self.subscriptions
                .get(id)
                .is_some_and(|subscription| match &subscription.role {
                    Role::Subscriber(_) => ours && is_of(subscription, event),
                    Role::Notifier(notifier) => {
                        let bare = notifier.refers && event == "refer";
                        !ours && (bare || same_event(event, &subscription.event))
                    }
                })
        })
    }

    /// The dialog of a subscription, its own or the one that it shares.
    pub(super) fn usage_dialog(&mut self, id: SubscriptionId) -> Option<&mut Dialog> {
        let subscription = self.subscriptions.get_mut(&id)?;
        match subscription.within {
            Some(session) => self.sessions.get_mut(&session)?.dialog.as_mut(),
            None => subscription.dialog.as_mut(),
        }
    }

    /// A subscription has left the dialog of a session; with the last usage the dialog goes.
    pub(super) fn leave_dialog(&mut self, session: SessionId, id: SubscriptionId) {
        let Some(shared) = self.sessions.get_mut(&session) else {
            return;
        };
        shared.usages.retain(|usage| *usage != id);
        if shared.usages.is_empty() && matches!(shared.state, State::Over) {
            self.husks -= 1;
            self.remove(session);
        }
    }

    /// The peer has lost the dialog: all that is in it ends (RFC 5057 section 5.1).
    pub(super) fn dialog_lost(&mut self, id: SessionId) {
        let usages = self
            .sessions
            .get_mut(&id)
            .map(|session| session.usages.clone())
            .unwrap_or_default();
        for usage in usages {
            self.subscription_over(usage, SubscriptionEnd::Lost);
        }
        self.bye(id, EndCause::Lost);
    }

    /// A response to a request of a subscription says that the subscription, or the dialog, is no more.
    pub(super) fn usage_lost(&mut self, id: SubscriptionId, effect: Effect) {
        let within = self
            .subscriptions
            .get(&id)
            .and_then(|subscription| subscription.within);
        self.subscription_over(id, SubscriptionEnd::Lost);
        if let (Some(session), Effect::Dialog) = (within, effect) {
            self.dialog_lost(session);
        }
    }
}

/// Whether a NOTIFY with that Event is of the subscription.
pub(super) fn is_of(subscription: &Subscription, event: &str) -> bool {
    let Role::Subscriber(subscriber) = &subscription.role else {
        return false;
    };
    let Some(referral) = subscriber.referral else {
        return same_event(event, &subscription.event);
    };
    let Ok(event) = EventHeader::parse(event) else {
        return false;
    };
    // RFC 3515 section 2.4.6: the id is the number of the REFER; the first one in a dialog may do without. Before its response we do
    // not know which number was accepted, as a challenge has raised it.
    event.package() == "refer"
        && event.id().is_none_or(|id| {
            id.parse() == Ok(referral.number)
                || (!referral.answered && id.parse().is_ok_and(|id: u32| id > referral.number))
        })
}
