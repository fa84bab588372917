//! What a console shows: [`ListedRequest`].

use std::net::SocketAddr;

use super::Proxy;
use crate::guard::Throttle;

/// A request on its way, as a console shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedRequest {
    /// Its method.
    pub method: String,
    /// Its Request-URI.
    pub uri: String,
    /// Its From, as it is written.
    pub from: String,
    /// Its To, as it is written.
    pub to: String,
    /// Its Call-ID.
    pub call_id: String,
    /// Where it came from.
    pub source: SocketAddr,
    /// How many places it was sent to so far.
    pub branches: usize,
    /// Has it its final answer?
    pub answered: bool,
}

impl Proxy {
    /// What servers further on want held back (RFC 7339).
    #[must_use]
    pub const fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// From now on it shares what is known of servers further on with whoever else has this throttle.
    pub fn use_throttle(&mut self, throttle: &Throttle) {
        self.throttle = throttle.clone();
    }

    /// The same, if it asks servers what they can take.
    pub(crate) fn heeded(&self) -> Option<&Throttle> {
        self.config.heeds_overload.then_some(&self.throttle)
    }

    /// Up to `limit` requests on their way, in the order of their Call-IDs. Walks over all of them: for people.
    #[must_use]
    pub fn list(&self, limit: usize) -> Vec<ListedRequest> {
        let mut list: Vec<ListedRequest> = self
            .contexts
            .values()
            .take(limit)
            .map(|context| {
                let request = &context.request;
                let field = |name| request.headers().get(name).unwrap_or_default().to_owned();
                ListedRequest {
                    method: request.method().as_str().to_owned(),
                    uri: request.uri_str().to_owned(),
                    from: field(sip_message::HeaderName::From),
                    to: field(sip_message::HeaderName::To),
                    call_id: field(sip_message::HeaderName::CallId),
                    source: context.flow.remote,
                    branches: context.branches.len(),
                    answered: context.is_answered,
                }
            })
            .collect();
        list.sort_by(|a, b| (&a.call_id, &a.method).cmp(&(&b.call_id, &b.method)));
        list
    }
}
