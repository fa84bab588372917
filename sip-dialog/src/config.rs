//! What [`Dialogs`](crate::Dialogs) is configured with, and what its calls are given.

use std::fmt;
use std::time::Duration;

use sip_message::{HeaderName, Method, Request, Uri};
use sip_transport::Failover;

use crate::authentication::AccountKey;
use crate::io::Body;
use crate::referrer_token::ReferrerToken;

/// Names a request, out of a dialog or within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) u64);

/// Names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(crate) u64);

/// The session has ended, or is not in a state in which the call makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session has ended, or is not in a state for this")
    }
}

impl std::error::Error for Gone {}

/// Timers, limits and extensions. All have defaults.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DialogConfig {
    /// The estimate of the round-trip time (RFC 3261 table 4): 500 ms.
    pub t1: Duration,
    /// The longest interval between retransmissions of a 2xx: 4 s.
    pub t2: Duration,
    /// Sessions at a time; an INVITE beyond is answered 503, so that a flood of calls makes nothing grow: 10,000.
    pub sessions: usize,
    /// What responses and requests call this program, if anything.
    pub agent: Option<String>,
    /// The extensions that are supported, for Supported and for checking Require. Some of them change what this layer does: with
    /// `100rel`, provisional responses are sent reliably to a caller that supports it, and acknowledged (RFC 3262); with `replaces`,
    /// an INVITE may take the place of a session (RFC 3891), with `join` come to one (RFC 3911), with `tdialog` a REFER may name the
    /// session that it is about (RFC 4538), and `norefersub`, `explicitsub` and `nosub` grant what a REFER asks (RFC 4488, RFC 7614).
    pub supported: Vec<String>,
    /// The types of bodies that an INVITE may have, `application/sdp` by default; another one is answered 415, unless it is
    /// optional (RFC 3261 section 8.2.3). One that consists of parts is always taken. When this is empty, so are all.
    pub bodies: Vec<String>,
    /// What this side can do, with ports of zero (RFC 3264 section 9): the body of the answer to an OPTIONS, for who reads its type
    /// (RFC 3261 section 11.2).
    pub capabilities: Option<Body>,
    /// The methods that the application wants to see within dialogs, as [`Event::Within`](crate::Event::Within), each of which it
    /// answers; `UPDATE` stands for [`Event::Update`](crate::Event::Update). What is not here is answered 405.
    pub methods: Vec<Method>,
    /// How long a session lives without a refresh (RFC 4028), in whole seconds; `None` means that session timers are not supported.
    pub session_interval: Option<Duration>,
    /// The shortest interval that is agreed to; RFC 4028 section 5 allows none below its 90 s.
    pub min_session_interval: Duration,
    /// The event packages that may be subscribed to here (RFC 6665). Without any, a SUBSCRIBE is handed back.
    pub event_packages: Vec<String>,
    /// Subscriptions at a time; a SUBSCRIBE beyond is answered 503: 10,000.
    pub subscriptions: usize,
    /// The shortest subscription that is granted, unless an hour or nothing is asked for: one minute.
    pub min_subscription: Duration,
    /// The longest subscription that is granted: one hour.
    pub max_subscription: Duration,
    /// Whether a refresh of a subscription to us, or its end by the subscriber, comes up as [`Event::Resubscribed`](crate::Event::Resubscribed), for packages whose full
    /// state is not what was told last; otherwise that is told again.
    pub tell_refreshes: bool,
    /// Whether notifications have entity tags, by which a subscriber is spared what it knows (RFC 5839). A subscriber makes use of them
    /// wherever a notifier has them.
    pub entity_tags: bool,
    /// The event packages whose state may be published here (RFC 3903). Without any, a PUBLISH is handed back.
    pub publish_packages: Vec<String>,
    /// Publications to us at a time; a PUBLISH beyond is answered 503: 10,000. They last as long as a subscription may.
    pub publications: usize,
    /// The packages of INFO that are taken (RFC 6086): one of them comes up as [`Event::Within`](crate::Event::Within), another is answered
    /// 469. Without any, packages are not heard of.
    pub info_packages: Vec<String>,
    /// Whether our INVITEs say that P-Early-Media is understood (RFC 5009), which only those of a trusted network are told.
    pub early_media: bool,
    /// Whether a REFER comes up as [`Event::Referred`](crate::Event::Referred), in a dialog or out of it (RFC 3515).
    pub refer: bool,
    /// How long the servers of one target have together before a request fails (RFC 3263 section 4.3): 32 s.
    pub failover: Failover,
    /// How many places a request out of a dialog may be redirected to, all its 3xx together (RFC 3261 section 8.1.3.4): 8. 0: a
    /// 3xx is an answer as any other, as a B2BUA wants it that passes it on.
    pub redirections: usize,
    /// How long what a REFER asks for may take; its subscription then expires: five minutes (RFC 3515 section 3.4).
    pub referral: Duration,
}

impl Default for DialogConfig {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            sessions: 10_000,
            agent: None,
            supported: Vec::new(),
            bodies: vec!["application/sdp".to_owned()],
            capabilities: None,
            methods: Vec::new(),
            session_interval: None,
            min_session_interval: Duration::from_secs(90),
            event_packages: Vec::new(),
            subscriptions: 10_000,
            min_subscription: Duration::from_secs(60),
            max_subscription: Duration::from_secs(3600),
            tell_refreshes: false,
            entity_tags: false,
            publish_packages: Vec::new(),
            publications: 10_000,
            info_packages: Vec::new(),
            early_media: false,
            refer: false,
            failover: Failover::default(),
            redirections: 8,
            referral: Duration::from_secs(300),
        }
    }
}

impl DialogConfig {
    /// The option tags of Supported.
    pub(crate) fn option_tags(&self) -> Vec<String> {
        let mut tags = self.supported.clone();
        if self.session_interval.is_some()
            && !tags.iter().any(|tag| tag.eq_ignore_ascii_case("timer"))
        {
            tags.push("timer".to_owned());
        }
        tags
    }

    pub(crate) fn supports(&self, tag: &str) -> bool {
        self.supported
            .iter()
            .any(|known| known.eq_ignore_ascii_case(tag))
            || (tag.eq_ignore_ascii_case("timer") && self.session_interval.is_some())
    }

    /// The value of Allow-Events: each package of which we may be the notifier (RFC 6665 section 4.4.4).
    pub(crate) fn allow_events(&self) -> Option<String> {
        let mut packages = self.event_packages.clone();
        if self.refer && !packages.iter().any(|package| package == "refer") {
            packages.push("refer".to_owned());
        }
        (!packages.is_empty()).then(|| packages.join(", "))
    }

    /// The value of Allow.
    pub(crate) fn allow(&self) -> String {
        let mut methods = vec!["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"];
        if self.supports("100rel") {
            methods.push("PRACK");
        }
        if self.session_interval.is_some() {
            // RFC 4028 section 8.2: an UPDATE without a body is the better refresh.
            methods.push("UPDATE");
        }
        if self.refer {
            // RFC 3515 section 2.4.4: who takes REFER takes part in its subscription.
            methods.extend(["REFER", "SUBSCRIBE", "NOTIFY"]);
        }
        if !self.info_packages.is_empty() {
            methods.push("INFO");
        }
        if !self.publish_packages.is_empty() {
            methods.push("PUBLISH");
        }
        for method in &self.methods {
            if !methods.contains(&method.as_str()) {
                methods.push(method.as_str());
            }
        }
        methods.join(", ")
    }
}

/// A request out of a dialog: complete but for its Via.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the caller states every part")]
pub struct OutgoingRequest {
    /// The request.
    pub request: Request,
    /// Where it goes first.
    pub next_hop: Uri,
    /// Who answers challenges.
    pub account: AccountKey,
}

/// An INVITE to be sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InviteRequest {
    /// The Request-URI.
    pub target: Uri,
    /// The From.
    pub from: Uri,
    /// The name in the From.
    pub from_display_name: Option<String>,
    /// The To.
    pub to: Uri,
    /// Our Contact.
    pub contact: Uri,
    /// Preloaded routes; the first is the next hop.
    pub route: Vec<Uri>,
    /// Where it goes first, if that is not what `route` and `target` say: a proxy that wants no Route, or the same
    /// place over another transport.
    pub next_hop: Option<Uri>,
    /// The offer; without one, the 2xx makes it, and [`Dialogs::acknowledge`](crate::Dialogs::acknowledge) answers.
    pub body: Option<Body>,
    /// What proves the Referred-By, beside the offer (RFC 3892).
    pub token: Option<ReferrerToken>,
    /// Further fields.
    pub headers: Vec<(HeaderName, String)>,
    /// Who answers challenges.
    pub account: AccountKey,
}

impl InviteRequest {
    /// A call from `from` to `to` at `target`, reachable at `contact`.
    #[must_use]
    pub const fn new(target: Uri, from: Uri, to: Uri, contact: Uri) -> Self {
        Self {
            target,
            from,
            from_display_name: None,
            to,
            contact,
            route: Vec::new(),
            next_hop: None,
            body: None,
            token: None,
            headers: Vec::new(),
            account: AccountKey(0),
        }
    }
}
