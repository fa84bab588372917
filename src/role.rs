//! The roles of a server: each is a machine over the transaction layer, without sockets, clock or `await`.
//!
//! A role takes the transaction events that are its own and hands back the others. What it cannot do itself (ask a
//! store, find a flow) is a [`Need`] with a [`Token`], answered with [`Answer`] whenever it is known.

pub mod events;
mod nat;
pub mod node;
pub mod probe;
pub mod proxy;
pub mod registrar;
pub mod stateless;
mod unanswered;

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use sip_message::{Method, Request, Response, ResponseBuilder, StatusCode, Uri};
use sip_transaction::{ServerTransactionId, TransactionLayer};
use sip_transport::{Flow, ResolveError, Rewrite, Rng, SelectError, Target};

use crate::domain::Aor;
pub use crate::location::StoreError;
use crate::location::{Binding, BindingUpdate, Refresh, UpdateOutcome};
use crate::users::Ha1s;

/// Names a [`Need`] of one role until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

impl Token {
    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    pub(crate) const fn of_number(number: u64) -> Self {
        Self(number)
    }
}

/// What a role wants to know or have done.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver that ignores a variant must not compile"
)]
pub enum Need {
    /// The bindings of an address of record: [`Answer::Bindings`].
    Lookup {
        /// Whose.
        aor: Aor,
    },
    /// A change of bindings: [`Answer::Updated`].
    Update {
        /// Whose.
        aor: Aor,
        /// The change.
        update: BindingUpdate,
    },
    /// The hashes of a user: [`Answer::Credential`].
    Credential {
        /// The name.
        username: Box<str>,
        /// The realm.
        realm: Box<str>,
    },
    /// The flows to a URI, best first: [`Answer::Flows`].
    SelectFlow {
        /// Where the request is to go.
        next_hop: Uri,
        /// How large the request is, in bytes, without what the transport adds.
        size: usize,
        /// A flow that leads there, if one is known: as long as it lives, it is the answer.
        way: Option<Way>,
    },
    /// The flows to a place that is known, best first: [`Answer::Flows`].
    SelectPlace {
        /// Where the message is to go.
        place: Target,
        /// How large it is, in bytes, without what the transport adds.
        size: usize,
    },
    /// The NAPTR records of a name (ENUM, RFC 6116): [`Answer::Rewrites`].
    Rewrites {
        /// The name.
        name: Box<str>,
    },
    /// The certificates at an address (RFC 8224 §4): [`Answer::Certificates`].
    Certificates {
        /// The address.
        url: Box<str>,
    },
    /// A token that names a flow, to be kept longer than the flow may live: [`Answer::FlowToken`].
    FlowToken {
        /// Which.
        flow: Flow,
    },
}

/// A flow that a role has kept by its token ([`Need::FlowToken`]).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made here, read by drivers")]
pub struct Way {
    /// Names it.
    pub token: Box<str>,
    /// Is there no other way when it is gone (RFC 5626 §5.3)? Else the URI is one.
    pub is_only: bool,
}

/// The answer to a [`Need`].
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "one for each variant of Need")]
pub enum Answer {
    /// To [`Need::Lookup`].
    Bindings(Result<Vec<Binding>, StoreError>),
    /// To [`Need::Update`].
    Updated(Result<UpdateOutcome, StoreError>),
    /// To [`Need::Credential`].
    Credential(Result<Option<Ha1s>, StoreError>),
    /// To [`Need::SelectFlow`] and [`Need::SelectPlace`].
    Flows(Result<Vec<Flow>, SelectError>),
    /// To [`Need::Rewrites`].
    Rewrites(Result<Vec<Rewrite>, ResolveError>),
    /// To [`Need::Certificates`]: PEM or DER, the one that signs first; `None` when they cannot be had.
    Certificates(Option<Arc<[u8]>>),
    /// To [`Need::FlowToken`]; `None` when there is no such flow any more.
    FlowToken(Option<Box<str>>),
}

/// Whether a [`Need`] is answered at once, by who asks for the role.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It is.
    Known(Answer),
    /// It has to be put out.
    Unknown(Need),
}

/// Who may know at once what a role needs.
pub(crate) trait AtOnce {
    /// The answer, or the need again.
    fn ask(&mut self, need: Need) -> Asked;

    /// What [`Need::Update`] asks for, in the words of the request; `None`: it has to be asked so.
    fn refresh(
        &mut self,
        aor: &Aor,
        refresh: &Refresh<'_>,
    ) -> Option<Result<UpdateOutcome, StoreError>>;

    /// The same, to be answered later by an [`Answer`] with this token. `None`: it has to be asked as a need.
    fn refresh_later(
        &mut self,
        token: Token,
        aor: &Aor,
        refresh: &Refresh<'_>,
    ) -> Option<Result<(), StoreError>>;

    /// What [`Need::Credential`] asks for; `None`: it has to be asked so.
    fn hashes(&mut self, username: &str, realm: &str) -> Option<Result<Option<Ha1s>, StoreError>>;
}

/// Nobody does.
pub(crate) struct Nobody;

impl AtOnce for Nobody {
    fn ask(&mut self, need: Need) -> Asked {
        Asked::Unknown(need)
    }

    fn refresh(&mut self, _: &Aor, _: &Refresh<'_>) -> Option<Result<UpdateOutcome, StoreError>> {
        None
    }

    fn refresh_later(
        &mut self,
        _: Token,
        _: &Aor,
        _: &Refresh<'_>,
    ) -> Option<Result<(), StoreError>> {
        None
    }

    fn hashes(&mut self, _: &str, _: &str) -> Option<Result<Option<Ha1s>, StoreError>> {
        None
    }
}

/// What a role puts out.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver that ignores a variant must not compile"
)]
pub enum RoleOutput {
    /// It needs this; the answer is to carry the token.
    Need {
        /// Names the need.
        token: Token,
        /// What it is.
        need: Need,
    },
    /// It wants to be told when the bindings of an address of record change, or not any more.
    Watch {
        /// Whose.
        aor: Aor,
        /// Which of the two.
        is_watched: bool,
    },
    /// It did something.
    Event(RoleEvent),
}

/// What a role did, for logs and counters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoleEvent {
    /// A REGISTER was carried out.
    Registered {
        /// For whom.
        aor: Aor,
        /// How many bindings there are now.
        bindings: usize,
        /// Where the request came from.
        source: SocketAddr,
    },
    /// A request was refused because of who sent it, or where to.
    Denied {
        /// Its method.
        method: Method,
        /// The status of the answer.
        status: StatusCode,
        /// Where the request came from.
        source: SocketAddr,
    },
    /// A store did not do its work; the request was answered 503.
    StoreFailed(StoreError),
    /// A request has its final answer.
    Answered {
        /// The method of the request.
        method: Method,
        /// The status of the answer.
        status: StatusCode,
    },
}

/// A response that a role gives instead of doing what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// Another reason phrase than that of the status.
    pub(crate) reason: Option<Cow<'static, str>>,
    pub(crate) fields: Vec<(sip_message::HeaderName, String)>,
}

impl Refusal {
    pub(crate) const fn new(status: StatusCode) -> Self {
        Self {
            status,
            reason: None,
            fields: Vec::new(),
        }
    }

    pub(crate) const fn because(status: StatusCode, reason: &'static str) -> Self {
        Self {
            status,
            reason: Some(Cow::Borrowed(reason)),
            fields: Vec::new(),
        }
    }

    /// With a reason phrase that is only known now.
    pub(crate) const fn told(status: StatusCode, reason: String) -> Self {
        Self {
            status,
            reason: Some(Cow::Owned(reason)),
            fields: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: sip_message::HeaderName, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// 503 with Retry-After, in seconds.
    pub(crate) fn unavailable(retry_after: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE)
            .with(sip_message::HeaderName::RetryAfter, retry_after.to_string())
    }

    pub(crate) fn builder(&self, request: &Request, tag: &str) -> ResponseBuilder {
        let mut builder = Response::to(request, self.status).to_tag(tag);
        if let Some(reason) = &self.reason {
            builder = builder.reason(reason);
        }
        for (name, value) in &self.fields {
            builder = builder.header(name.clone(), value);
        }
        builder
    }

    /// Answers the request with it, which has no tag yet.
    pub(crate) fn respond(
        &self,
        id: ServerTransactionId,
        request: &Request,
        rng: &mut Rng,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        if let Ok(response) = self.builder(request, &rng.token(16)).build() {
            // A transaction that has ended meanwhile needs no answer.
            let _ = t.respond(id, &response, now);
        }
    }

    /// What the application is told of it.
    pub(crate) fn denied(&self, request: &Request, flow: &Flow) -> RoleOutput {
        RoleOutput::Event(RoleEvent::Denied {
            method: request.method().clone(),
            status: self.status,
            source: flow.remote,
        })
    }
}

/// The option tags in a field that are not in `known` (RFC 3261 §8.2.2.3), as the value of Unsupported.
#[inline(always)] // The name is a constant.
pub(crate) fn unknown_options(
    request: &Request,
    name: sip_message::HeaderName,
    known: &[&str],
) -> Option<String> {
    // Most requests have no such field.
    if !request.headers().contains(name.clone()) {
        return None;
    }
    unknown_of(request, name, known)
}

fn unknown_of(request: &Request, name: sip_message::HeaderName, known: &[&str]) -> Option<String> {
    let unknown: Vec<&str> = request
        .headers()
        .values(name)
        .filter(|tag| !tag.is_empty() && !known.iter().any(|known| known.eq_ignore_ascii_case(tag)))
        .collect();
    (!unknown.is_empty()).then(|| unknown.join(", "))
}

/// An IPv4 address as it stands in a URI, written without the ways of formatted text, which take ten times as long.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ipv4Text {
    text: [u8; 21],
    len: usize,
}

impl Ipv4Text {
    /// `192.0.2.1`
    pub(crate) fn of_ip(ip: Ipv4Addr) -> Self {
        let mut text = Self::default();
        for (place, octet) in ip.octets().into_iter().enumerate() {
            if place > 0 {
                text.push(b'.');
            }
            text.push_number(octet.into());
        }
        text
    }

    /// `192.0.2.1:5060`
    pub(crate) fn of_place(ip: Ipv4Addr, port: u16) -> Self {
        let mut text = Self::of_ip(ip);
        text.push(b':');
        text.push_number(port);
        text
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        // It is ASCII.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.text.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn push_number(&mut self, number: u16) {
        let units: &[u16] = match number {
            10_000.. => &[10_000, 1000, 100, 10],
            1000.. => &[1000, 100, 10],
            100.. => &[100, 10],
            10.. => &[10],
            _ => &[],
        };
        for unit in units {
            // It is below 10.
            self.push(b'0' + (number / unit % 10) as u8);
        }
        self.push(b'0' + (number % 10) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_are_written_as_elsewhere() {
        for ip in [[192, 0, 2, 255], [0, 7, 10, 99], [100, 200, 255, 249]] {
            let ip = Ipv4Addr::from(ip);
            assert_eq!(Ipv4Text::of_ip(ip).as_str(), ip.to_string());
            for port in [0, 7, 10, 99, 100, 5060, 10_000, u16::MAX] {
                let text = Ipv4Text::of_place(ip, port);
                assert_eq!(text.as_str(), format!("{ip}:{port}"));
            }
        }
    }
}
