//! What goes into [`Dialogs`](crate::Dialogs) and what comes out.

use std::fmt;

use bytes::Bytes;
use sip_message::{Limits, Part, Request, Response, StatusCode, Uri};
use sip_transaction::ServerTransactionId;
use sip_transport::{Flow, SelectError};

use crate::{
    AccountKey, Meaning, PublicationChange, PublicationEnd, PublicationId, RequestId, SessionId,
    SubscriptionEnd, SubscriptionId, SubscriptionStatus,
};

/// Names a question; its answer has the same token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "opaque to those who hand it back")]
pub enum Token {
    /// A request waits.
    #[doc(hidden)]
    Attempt(u64),
    /// An ACK waits.
    #[doc(hidden)]
    Ack(SessionId, u64),
}

/// What the layer cannot do itself, and what it tells.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver that ignores a variant must not compile"
)]
pub enum Output {
    /// Choose flows to `next_hop` for a message of about `size` bytes; answered by [`Dialogs::flow_selected`](crate::Dialogs::flow_selected).
    SelectFlow {
        /// Goes into the answer.
        token: Token,
        /// Where the message goes.
        next_hop: Uri,
        /// Its size in bytes, without the Via.
        size: usize,
    },
    /// Find the credentials of `account` for `realm`; answered by [`Dialogs::credentials`](crate::Dialogs::credentials).
    Authenticate {
        /// Goes into the answer.
        token: Token,
        /// Whose credentials.
        account: AccountKey,
        /// Who wants them.
        realm: String,
        /// Whether a proxy does (407).
        proxy: bool,
    },
    /// Something happened.
    Event(Event),
}

/// A body as it is offered or answered; this layer does not look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a body has a type and bytes")]
pub struct Body {
    /// The Content-Type.
    pub content_type: String,
    /// The bytes.
    pub content: Bytes,
}

impl Body {
    /// A session description.
    #[must_use]
    pub fn sdp(content: impl Into<Bytes>) -> Self {
        Self {
            content_type: "application/sdp".to_owned(),
            content: content.into(),
        }
    }

    pub(crate) fn of(headers: &sip_message::Headers, content: Bytes) -> Option<Self> {
        if content.is_empty() {
            return None;
        }
        let content_type = headers
            .get(sip_message::HeaderName::ContentType)
            .unwrap_or("application/sdp")
            .to_owned();
        let multipart = content_type
            .get(..10)
            .is_some_and(|begin| begin.eq_ignore_ascii_case("multipart/"));
        if multipart
            && let Ok(parts) = Part::of_message(headers, content.clone(), &Limits::default())
        {
            // RFC 5621 section 3: what describes the session, and not what comes along with it.
            let session = parts.iter().find(|part| part.disposition().is("session"));
            return session.map(|part| Self {
                content_type: part.content_type().to_string(),
                content: Bytes::copy_from_slice(part.content()),
            });
        }
        // A copy of its own: a slice would keep the whole datagram.
        Some(Self {
            content_type,
            content: Bytes::copy_from_slice(&content),
        })
    }
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The final response to a request out of a dialog, or of [`Dialogs::request_within`](crate::Dialogs::request_within).
    Responded {
        /// Which request.
        id: RequestId,
        /// The response.
        response: Box<Response>,
    },
    /// Such a request had no response.
    Failed {
        /// Which request.
        id: RequestId,
        /// Why.
        cause: FailureCause,
    },
    /// Someone calls.
    Incoming {
        /// The new session.
        session: SessionId,
        /// The INVITE.
        request: Box<Request>,
        /// How it arrived.
        flow: Flow,
    },
    /// A provisional response other than 100. A reliable one (RFC 3262) is acknowledged by then, unless the INVITE had no body and the
    /// response has one: then its PRACK waits for [`Dialogs::acknowledge`](crate::Dialogs::acknowledge).
    Progress {
        /// Which session.
        session: SessionId,
        /// The status.
        status: StatusCode,
        /// Its body.
        body: Option<Body>,
        /// What the body is.
        meaning: Meaning,
    },
    /// Our INVITE goes on to another place (RFC 3261 section 8.1.3.4); its early dialogs are gone.
    Redirected {
        /// Which session.
        session: SessionId,
        /// What the place before answered; 408 stands for no answer.
        status: StatusCode,
        /// Where it goes.
        target: Uri,
    },
    /// Our INVITE was accepted; the ACK is on its way, unless the INVITE had no body and the 2xx has one: then it waits for
    /// [`Dialogs::acknowledge`](crate::Dialogs::acknowledge).
    Accepted {
        /// Which session.
        session: SessionId,
        /// The body of the 2xx.
        body: Option<Body>,
        /// What the body is.
        meaning: Meaning,
        /// The Contact of whom we reached.
        remote_target: String,
    },
    /// Our INVITE was not accepted. The session is over.
    Rejected {
        /// Which session.
        session: SessionId,
        /// Why.
        cause: RejectCause,
    },
    /// The ACK to our 2xx has come.
    Confirmed {
        /// Which session.
        session: SessionId,
        /// Its body.
        body: Option<Body>,
        /// What the body is.
        meaning: Meaning,
    },
    /// The other side wants to change the session; answered by [`Dialogs::accept_reinvite`](crate::Dialogs::accept_reinvite) or
    /// [`Dialogs::reject_reinvite`](crate::Dialogs::reject_reinvite).
    ReInvite {
        /// Which session.
        session: SessionId,
        /// The offer; without one, the 2xx has to make one.
        body: Option<Body>,
    },
    /// The other side has accepted our [`Dialogs::reinvite`](crate::Dialogs::reinvite); as with [`Event::Accepted`], the ACK waits if
    /// only the 2xx had a body.
    ReInviteAnswered {
        /// Which session.
        session: SessionId,
        /// The body of the 2xx.
        body: Option<Body>,
        /// What the body is.
        meaning: Meaning,
    },
    /// A provisional response other than 100 to our re-INVITE; as with [`Event::Progress`], an offer in a reliable one waits for
    /// [`Dialogs::acknowledge`](crate::Dialogs::acknowledge).
    ReInviteProgress {
        /// Which session.
        session: SessionId,
        /// The status.
        status: StatusCode,
        /// Its body.
        body: Option<Body>,
        /// What the body is.
        meaning: Meaning,
    },
    /// The other side has refused our re-INVITE after its offer had an answer: what was agreed may be in use with it or not. A new offer of
    /// what was before brings both sides together (RFC 6141 section 3.4).
    ReInviteUndone {
        /// Which session.
        session: SessionId,
        /// Why.
        cause: RejectCause,
    },
    /// The other side has not: the session is what it was before (RFC 3261 section 14.1).
    ReInviteRefused {
        /// Which session.
        session: SessionId,
        /// Why.
        cause: RejectCause,
    },
    /// The other side wants to change the session by UPDATE (RFC 3311); answered by
    /// [`Dialogs::accept_update`](crate::Dialogs::accept_update) or [`Dialogs::reject_update`](crate::Dialogs::reject_update).
    Update {
        /// Which session.
        session: SessionId,
        /// The offer.
        body: Body,
    },
    /// The other side has accepted our [`Dialogs::update`](crate::Dialogs::update).
    UpdateAnswered {
        /// Which session.
        session: SessionId,
        /// The body of the 2xx.
        body: Option<Body>,
    },
    /// The offer of [`Dialogs::offer_in_prack`](crate::Dialogs::offer_in_prack) was answered; without a body it was refused, and the session
    /// is what it was before.
    PrackAnswered {
        /// Which session.
        session: SessionId,
        /// The answer.
        body: Option<Body>,
    },
    /// The other side has not: the session is what it was before.
    UpdateRefused {
        /// Which session.
        session: SessionId,
        /// Why.
        cause: RejectCause,
    },
    /// The caller has acknowledged our reliable provisional response (RFC 3262).
    ProvisionalAcknowledged {
        /// Which session.
        session: SessionId,
        /// The body of the PRACK: the answer to an offer in the response.
        body: Option<Body>,
    },
    /// A request within the dialog that the application may know: answered by [`Dialogs::respond_within`](crate::Dialogs::respond_within).
    Within {
        /// Which session.
        session: SessionId,
        /// Its transaction.
        id: ServerTransactionId,
        /// The request.
        request: Box<Request>,
    },
    /// Someone subscribes; answered at once, without asking a person (RFC 6665 section 4.2.1.1), by
    /// [`Dialogs::grant`](crate::Dialogs::grant) or [`Dialogs::refuse`](crate::Dialogs::refuse).
    Subscribing {
        /// The new subscription.
        subscription: SubscriptionId,
        /// The SUBSCRIBE.
        request: Box<Request>,
        /// How it arrived.
        flow: Flow,
    },
    /// A subscription was refreshed, or ended by its subscriber, when
    /// [`DialogConfig::tell_refreshes`](crate::DialogConfig::tell_refreshes) is set: the full state is to be told now, by
    /// [`Dialogs::notify`](crate::Dialogs::notify) (RFC 6665 section 4.2.1.4). In one that ends it is told last, whatever status is given
    /// with it; then comes [`SubscriptionEnded`](Self::SubscriptionEnded).
    Resubscribed {
        /// Which.
        subscription: SubscriptionId,
    },
    /// The other side asks to contact someone (RFC 3515); answered by [`Dialogs::accept_referral`](crate::Dialogs::accept_referral) or
    /// [`Dialogs::refuse_referral`](crate::Dialogs::refuse_referral). [`InviteRequest::referred`](crate::InviteRequest::referred) is
    /// the call that it asks for.
    Referred {
        /// The referral, and the subscription in which its outcome is told.
        referral: SubscriptionId,
        /// The session in whose dialog it came, or that it names by Target-Dialog (RFC 4538).
        session: Option<SessionId>,
        /// The REFER.
        request: Box<Request>,
    },
    /// Our REFER was accepted. [`Event::Notified`] tells how far it is, where its outcome is told at all.
    ReferAccepted {
        /// Which.
        subscription: SubscriptionId,
        /// The response.
        response: Box<Response>,
    },
    /// Our state is published (RFC 3903).
    Published {
        /// Which publication.
        publication: PublicationId,
    },
    /// Someone publishes state; answered at once by [`Dialogs::accept_publication`](crate::Dialogs::accept_publication) or
    /// [`Dialogs::refuse_publication`](crate::Dialogs::refuse_publication).
    Publishing {
        /// Which publication, a new one or one that is changed.
        publication: PublicationId,
        /// What is to be done.
        change: PublicationChange,
        /// The state; none with a removal.
        body: Option<Body>,
        /// The PUBLISH, whose Request-URI says whose state it is.
        request: Box<Request>,
    },
    /// A publication of ours is over, or one to us has expired.
    PublicationEnded {
        /// Which publication.
        publication: PublicationId,
        /// Why.
        cause: PublicationEnd,
    },
    /// A NOTIFY of a subscription of ours; it is answered already.
    Notified {
        /// Which subscription.
        subscription: SubscriptionId,
        /// Where it stands.
        status: SubscriptionStatus,
        /// The state of what was subscribed to.
        body: Option<Body>,
    },
    /// Our SUBSCRIBE was forked, and another notifier has accepted it too (RFC 6665 section 4.1.4): its first [`Event::Notified`] follows.
    SubscriptionForked {
        /// The subscription that [`Dialogs::subscribe`](crate::Dialogs::subscribe) returned.
        subscription: SubscriptionId,
        /// The one beside it.
        branch: SubscriptionId,
    },
    /// A subscription is over, ours or one to us.
    SubscriptionEnded {
        /// Which subscription.
        subscription: SubscriptionId,
        /// Why.
        cause: SubscriptionEnd,
    },
    /// The session is over.
    Ended {
        /// Which session.
        session: SessionId,
        /// Why.
        cause: EndCause,
    },
}

impl Event {
    /// The session that it is about.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Responded { .. }
            | Self::Failed { .. }
            | Self::Subscribing { .. }
            | Self::Resubscribed { .. }
            | Self::Published { .. }
            | Self::Publishing { .. }
            | Self::PublicationEnded { .. }
            | Self::Referred { .. }
            | Self::ReferAccepted { .. }
            | Self::Notified { .. }
            | Self::SubscriptionForked { .. }
            | Self::SubscriptionEnded { .. } => None,
            Self::Incoming { session, .. }
            | Self::Progress { session, .. }
            | Self::Redirected { session, .. }
            | Self::Accepted { session, .. }
            | Self::Rejected { session, .. }
            | Self::Confirmed { session, .. }
            | Self::ReInviteProgress { session, .. }
            | Self::ReInviteUndone { session, .. }
            | Self::ReInvite { session, .. }
            | Self::ReInviteAnswered { session, .. }
            | Self::ReInviteRefused { session, .. }
            | Self::Update { session, .. }
            | Self::UpdateAnswered { session, .. }
            | Self::UpdateRefused { session, .. }
            | Self::ProvisionalAcknowledged { session, .. }
            | Self::PrackAnswered { session, .. }
            | Self::Within { session, .. }
            | Self::Ended { session, .. } => Some(*session),
        }
    }

    /// Whether it is the last event of its session.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Rejected { .. } | Self::Ended { .. })
    }
}

/// Why a request had no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureCause {
    /// Nobody answered within 64 times T1 (Timers B and F).
    TimedOut,
    /// The flow failed: nothing listens there, the connection was lost.
    Unreachable,
    /// There is no flow to the next hop.
    NoFlow(SelectError),
    /// We gave up before it was sent.
    Cancelled,
    /// A limit of ours on transactions was reached.
    Limit,
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Unreachable => {
                f.write_str("nothing listens there, or the network does not reach it")
            }
            Self::NoFlow(error) => error.fmt(f),
            Self::Cancelled => f.write_str("given up"),
            Self::Limit => f.write_str("too many requests at once"),
        }
    }
}

/// Why an INVITE came to nothing.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is a final response or there is none"
)]
pub enum RejectCause {
    /// A final response other than 2xx.
    Response(Box<Response>),
    /// No final response.
    Failed(FailureCause),
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndCause {
    /// We ended it.
    Local,
    /// A BYE came.
    Remote,
    /// The caller gave up before we answered.
    Cancelled,
    /// The ACK to our 2xx never came (RFC 3261 section 13.3.1.4).
    NoAck,
    /// The other side does not know the dialog any more, or does not answer (section 12.2.1.2).
    Lost,
    /// Nobody refreshed the session in time (RFC 4028 section 10).
    Expired,
    /// Another session took its place (RFC 3891).
    Replaced,
}
