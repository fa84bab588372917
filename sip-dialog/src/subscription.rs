//! Subscriptions (RFC 6665): what a subscriber and a notifier keep of each other.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sip_message::{HeaderName, Request, Response, Uri};
use sip_transaction::ServerTransactionId;
use sip_transport::DeadlineId;

use crate::authentication::AccountKey;
use crate::config::SessionId;
use crate::dialog::{ContactValue, Dialog};
use crate::index::CallKey;
use crate::io::{Body, FailureCause};

/// Names a subscription, ours or one to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(pub(crate) u64);

/// Where a subscription stands, as Subscription-State says it (RFC 6665 section 4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 6665 section 4.2.2 has these three"
)]
pub enum SubscriptionStatus {
    /// Nobody has decided yet.
    Pending,
    /// It is granted.
    Active,
    /// It is over.
    Terminated,
}

impl SubscriptionStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Terminated => "terminated",
        }
    }
}

/// Why a subscription is over.
#[derive(Debug)]
#[non_exhaustive]
pub enum SubscriptionEnd {
    /// We ended it.
    Local,
    /// The subscriber ended it.
    Remote,
    /// The notifier ended it, or refused it in the end.
    Terminated {
        /// The reason, of RFC 6665 section 4.1.3 or another.
        reason: Option<String>,
        /// How long not to try again.
        retry_after: Option<Duration>,
    },
    /// A SUBSCRIBE was refused.
    Refused(Box<Response>),
    /// There was no answer, or no NOTIFY after it (Timer N).
    Failed(FailureCause),
    /// Nobody refreshed it in time.
    Expired,
    /// The subscriber does not know it any more, or does not answer.
    Lost,
    /// Our REFER was accepted, and its outcome is not told by this subscription (RFC 4488, RFC 7614).
    Unreported {
        /// Where it can be subscribed to, in the package `refer` (RFC 7614 section 4.2).
        events_at: Option<Uri>,
    },
}

/// A SUBSCRIBE to be sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscribeRequest {
    /// The Request-URI.
    pub target: Uri,
    /// The From.
    pub from: Uri,
    /// The To.
    pub to: Uri,
    /// Our Contact.
    pub contact: Uri,
    /// The value of Event: the package, perhaps with an id.
    pub event: String,
    /// How long, in whole seconds; zero asks for the state once (RFC 6665 section 4.4.3). One hour.
    pub expires: Duration,
    /// How many subscriptions may come of it when a proxy forks it: one, unless the package says otherwise (RFC 6665 section 5.4.9). Each
    /// further one is told by [`Event::SubscriptionForked`](crate::Event::SubscriptionForked), and refreshed and ended by itself.
    pub branches: usize,
    /// Preloaded routes; the first is the next hop.
    pub route: Vec<Uri>,
    /// A filter, for packages that have one.
    pub body: Option<Body>,
    /// Further fields, Accept among them.
    pub headers: Vec<(HeaderName, String)>,
    /// Who answers challenges.
    pub account: AccountKey,
}

impl SubscribeRequest {
    /// To the state of `target`, in a package such as `presence`.
    #[must_use]
    pub fn new(target: Uri, from: Uri, to: Uri, contact: Uri, event: &str) -> Self {
        Self {
            target,
            from,
            to,
            contact,
            event: event.to_owned(),
            expires: Duration::from_secs(3600),
            branches: 1,
            route: Vec::new(),
            body: None,
            headers: Vec::new(),
            account: AccountKey(0),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) role: Role,
    /// How its own dialog is found.
    pub(crate) key: CallKey,
    pub(crate) local_tag: String,
    pub(crate) account: AccountKey,
    pub(crate) contact: ContactValue,
    /// The value of Event.
    pub(crate) event: String,
    /// Its own dialog, unless it shares one.
    pub(crate) dialog: Option<Dialog>,
    /// The session whose dialog it shares (RFC 5057).
    pub(crate) within: Option<SessionId>,
    /// The package that serves it, and the resource.
    pub(crate) watches: Option<Box<(String, String)>>,
    pub(crate) expires: Option<(Instant, DeadlineId)>,
}

impl Subscription {
    pub(crate) const fn has_dialog(&self) -> bool {
        self.dialog.is_some() || self.within.is_some()
    }
}

#[derive(Debug)]
pub(crate) enum Role {
    Subscriber(Subscriber),
    Notifier(Notifier),
}

#[derive(Debug)]
pub(crate) struct Subscriber {
    /// In seconds, for the next refresh.
    pub(crate) interval: u32,
    pub(crate) refresh: Option<DeadlineId>,
    /// Timer N: a NOTIFY is expected.
    pub(crate) wait: Option<DeadlineId>,
    /// Responses 423 that were obeyed.
    pub(crate) rounds: u8,
    /// We have unsubscribed, or shall once there is a dialog.
    pub(crate) leaving: bool,
    pub(crate) cseq: u32,
    /// The entity tag of the state that was told last (RFC 5839).
    pub(crate) etag: Option<Box<str>>,
    /// Set when a REFER has made it (RFC 3515).
    pub(crate) referral: Option<Referral>,
}

/// What a REFER of ours awaits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Referral {
    /// The number of its CSeq, which is the id of the events (RFC 3515 section 2.4.6).
    pub(crate) number: u32,
    /// Whether its final response is here.
    pub(crate) answered: bool,
}

#[derive(Debug)]
pub(crate) struct Notifier {
    /// The SUBSCRIBE that the application has not answered.
    pub(crate) asked: Option<(ServerTransactionId, Box<Request>)>,
    /// What was told last; a refresh is answered with it.
    pub(crate) last: (SubscriptionStatus, Option<Body>),
    /// One NOTIFY at a time, so that they arrive in order.
    pub(crate) notifying: bool,
    pub(crate) queue: VecDeque<Notification>,
    /// What the subscriber has, or `*`: a NOTIFY that says no more is left out (RFC 5839).
    pub(crate) condition: Option<Box<str>>,
    /// Whether the first NOTIFY was made.
    pub(crate) told: bool,
    /// Set once the last NOTIFY is sent.
    pub(crate) over: Option<Over>,
    /// Whether the subscriber has ended it, and the application has not told the last state.
    pub(crate) leaves: bool,
    /// The types that its subscriber takes; none stands for those of the package (RFC 6665 section 3.1.3).
    pub(crate) accept: Option<Box<str>>,
    /// Whether it tells of a referral, in which the state is ours to tell (RFC 3515).
    pub(crate) refers: bool,
}

impl Notifier {
    /// That has not answered a SUBSCRIBE, or a REFER.
    pub(crate) fn asked(
        transaction: ServerTransactionId,
        request: Box<Request>,
        refers: bool,
    ) -> Self {
        let accept: Vec<&str> = if refers {
            Vec::new()
        } else {
            request.headers().values(HeaderName::Accept).collect()
        };
        let accept = (!accept.is_empty()).then(|| accept.join(",").into());
        Self {
            accept,
            asked: Some((transaction, request)),
            last: (SubscriptionStatus::Pending, None),
            notifying: false,
            queue: VecDeque::new(),
            condition: None,
            told: false,
            over: None,
            leaves: false,
            refers,
        }
    }
}

/// A NOTIFY that is to be sent.
#[derive(Debug)]
pub(crate) struct Notification {
    pub(crate) status: SubscriptionStatus,
    pub(crate) body: Option<Body>,
    /// The reason of a termination.
    pub(crate) reason: &'static str,
    pub(crate) tag: Option<String>,
}

/// Why a notifier's side is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Local,
    Remote,
    Expired,
}
