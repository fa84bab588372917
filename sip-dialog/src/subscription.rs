//! Subscriptions (RFC 6665): what a subscriber and a notifier keep of each other.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sip_message::{HeaderName, Request, Response, Uri};
use sip_transaction::ServerTransactionId;
use sip_transport::DeadlineId;

use crate::authentication::AccountKey;
use crate::dialog::Dialog;
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
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) account: AccountKey,
    pub(crate) contact: Uri,
    /// The value of Event.
    pub(crate) event: String,
    pub(crate) dialog: Option<Dialog>,
    pub(crate) expires: Option<(Instant, DeadlineId)>,
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
}

#[derive(Debug)]
pub(crate) struct Notifier {
    /// The SUBSCRIBE that the application has not answered.
    pub(crate) asked: Option<(ServerTransactionId, Box<Request>)>,
    /// What was told last; a refresh is answered with it.
    pub(crate) last: (SubscriptionStatus, Option<Body>),
    /// One NOTIFY at a time, so that they arrive in order.
    pub(crate) notifying: bool,
    pub(crate) queue: VecDeque<(SubscriptionStatus, Option<Body>, &'static str)>,
    /// Set once the last NOTIFY is sent.
    pub(crate) over: Option<Over>,
}

/// Why a notifier's side is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Local,
    Remote,
    Expired,
}
