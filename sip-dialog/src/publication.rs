//! Publications of event state (RFC 3903): what a publisher and a compositor keep of each other.

use std::time::Duration;

use sip_message::{HeaderName, Request, Response, Uri};
use sip_transaction::ServerTransactionId;
use sip_transport::DeadlineId;

use crate::authentication::AccountKey;
use crate::io::{Body, FailureCause};

/// Names a publication, ours or one to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicationId(pub(crate) u64);

/// A PUBLISH to be sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PublishRequest {
    /// The Request-URI: whose state it is.
    pub target: Uri,
    /// The From.
    pub from: Uri,
    /// The To.
    pub to: Uri,
    /// The value of Event.
    pub event: String,
    /// The state.
    pub body: Body,
    /// How long it is to last, in whole seconds; it is refreshed until it is withdrawn. One hour.
    pub expires: Duration,
    /// Preloaded routes; the first is the next hop.
    pub route: Vec<Uri>,
    /// Further fields.
    pub headers: Vec<(HeaderName, String)>,
    /// Who answers challenges.
    pub account: AccountKey,
}

impl PublishRequest {
    /// The state `body` of `target`, in a package such as `presence`, published by itself.
    #[must_use]
    pub fn new(target: Uri, event: &str, body: Body) -> Self {
        Self {
            from: target.clone(),
            to: target.clone(),
            target,
            event: event.to_owned(),
            body,
            expires: Duration::from_secs(3600),
            route: Vec::new(),
            headers: Vec::new(),
            account: AccountKey(0),
        }
    }
}

/// What a PUBLISH does (RFC 3903 table 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 3903 section 4.1 has these, and the refresh, which changes nothing"
)]
pub enum PublicationChange {
    /// New state.
    Initial,
    /// Other state in the place of what was published before.
    Modified,
    /// The state is withdrawn.
    Removed,
}

/// Why a publication is over.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublicationEnd {
    /// Its publisher withdrew it.
    Removed,
    /// A PUBLISH was refused.
    Refused(Box<Response>),
    /// There was no answer.
    Failed(FailureCause),
    /// Nobody refreshed it in time.
    Expired,
}

/// What we publish.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) request: Request,
    pub(crate) next_hop: Uri,
    pub(crate) account: AccountKey,
    pub(crate) body: Body,
    /// In seconds.
    pub(crate) interval: u32,
    pub(crate) cseq: u32,
    pub(crate) etag: Option<String>,
    /// Whether a PUBLISH is under way, and what it is.
    pub(crate) pending: Option<Step>,
    /// That of another publication to the same place is to end before: whether a refresh waits for that, or a change.
    pub(crate) waits: Option<bool>,
    /// The state has changed since the last PUBLISH.
    pub(crate) changed: bool,
    pub(crate) leaving: bool,
    /// Responses 412 and 423 that were obeyed in a row.
    pub(crate) rounds: u8,
    pub(crate) refresh: Option<DeadlineId>,
}

/// What a PUBLISH of ours does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    State,
    Refresh,
    Remove,
}

/// What is published to us.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) resource: String,
    pub(crate) event: String,
    pub(crate) etag: String,
    /// The PUBLISH that the application has not answered.
    pub(crate) asked: Option<(ServerTransactionId, Box<Request>, PublicationChange)>,
    pub(crate) deadline: Option<DeadlineId>,
}

/// How long an expiry is, in the whole seconds of a header field.
pub(crate) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
