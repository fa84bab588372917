//! What a trust domain does about callers ([`identity`](crate::identity)), and the history of a request (RFC 7044).

use sip_message::header::NameAddr;
use sip_message::{HeaderName, Request, Response, UriRef};
use sip_transport::Flow;

use super::context::{Branch, Context, Target};
use super::{Proxy, ProxyConfig, from_of};
use crate::auth::Authenticator;
use crate::domain::{Aor, Domains};
use crate::identity::{Peers, Trust, asserted, privacy};
use crate::role::Refusal;
use crate::routing::{History, Retarget};

impl Proxy {
    /// Adds the names in certificates that this role trusts.
    pub(crate) fn trusted_names(&self, names: &mut Vec<Box<str>>) {
        let authenticator = self.authenticator.as_ref();
        names.extend_from_slice(authenticator.map_or(&[], Authenticator::trusted_names));
        if let Some(trust) = &self.config.trust {
            names.extend_from_slice(trust.names());
        }
    }

    /// From now on it knows who has proven which of them.
    pub(crate) fn use_peers(&mut self, peers: &Peers) {
        self.peers = peers.clone();
    }

    /// A request comes in: what its sender may not assert comes off. Is the sender inside the trust domain?
    pub(super) fn come_in(&self, request: &mut Request, flow: &Flow) -> bool {
        let Some(trust) = &self.config.trust else {
            return false;
        };
        let is_trusted = trust.is_peer(flow, &self.peers);
        asserted::receive(request.headers_mut(), is_trusted);
        is_trusted
    }

    /// A response comes back from `flow` and goes on to where the request came from.
    pub(super) fn come_back(&self, response: &mut Response, from: &Flow, to: &Flow) {
        let Some(trust) = &self.config.trust else {
            return;
        };
        asserted::receive(response.headers_mut(), trust.is_peer(from, &self.peers));
        if !trust.is_peer(to, &self.peers) {
            privacy::leave(response.headers_mut(), trust, &self.config.domains);
        }
    }

    /// Asserts a user who has proven to be one.
    pub(super) fn vouch(config: &ProxyConfig, request: &mut Request, username: &str) {
        if let Some(trust) = &config.trust {
            let aor = Aor::new(username, config.domains.primary());
            asserted::assert(request.headers_mut(), &trust.identities(&aor));
        }
    }

    /// Was it vouched for by another element of the trust domain that one of our users sends this?
    pub(super) fn is_vouched(&self, context: &Context) -> bool {
        context.is_from_inside
            && asserted::identities(context.request.headers())
                .iter()
                .any(|identity| self.config.domains.serves(identity.as_ref()))
    }

    /// Does a request without a name come from a user of ours, who will prove it if asked?
    pub(super) fn is_nobody_of_ours(&self, request: &Request, is_relayed: bool) -> bool {
        let domains = &self.config.domains;
        self.config.trust.is_some()
            && from_of(request).is_some_and(|from| asserted::is_anonymous_uri(from.uri()))
            && (is_relayed
                || request.headers().contains(HeaderName::ProxyAuthorization)
                || prefers_ours(request, domains))
    }
}

fn prefers_ours(request: &Request, domains: &Domains) -> bool {
    request
        .headers()
        .values(HeaderName::PPreferredIdentity)
        .filter_map(|value| NameAddr::parse(value).ok())
        .any(|hint| domains.serves(hint.uri()))
}

/// A copy goes out over a flow.
pub(super) fn go_out(
    copy: &mut Request,
    (trust, peers): (&Trust, &Peers),
    domains: &Domains,
    flow: &Flow,
) -> Result<(), Refusal> {
    // RFC 3325 §6: a preference goes no further than the proxy that heeds it.
    copy.headers_mut()
        .remove_all(HeaderName::PPreferredIdentity);
    let route = copy
        .headers()
        .values(HeaderName::Route)
        .next()
        .and_then(|value| NameAddr::parse(value).ok());
    let next_hop = match &route {
        Some(route) => Some(route.uri()),
        None => copy.uri().ok(),
    };
    if trust.is_peer(flow, peers) || trust.is_inside(next_hop, flow.remote.ip()) {
        return Ok(());
    }
    if let Some(reason) = privacy::unsupported(copy.headers()) {
        return Err(Refusal::told(
            sip_message::StatusCode::SERVER_INTERNAL_ERROR,
            reason,
        ));
    }
    privacy::leave(copy.headers_mut(), trust, domains);
    Ok(())
}

/// How a target came about that the Request-URI was replaced with.
pub(super) fn how(asked: UriRef<'_>, target: UriRef<'_>) -> Retarget {
    if asked == target {
        Retarget::Same
    } else if crate::routing::user_part(asked) == crate::routing::user_part(target) {
        Retarget::Contact
    } else {
        Retarget::Mapped
    }
}

impl Context {
    /// The entry of a branch to this target, if there is a history.
    pub(super) fn entry(&mut self, target: &Target) -> Option<crate::routing::Entry> {
        let history = self.history.as_mut()?;
        let uri = target.uri.as_str();
        Some(match &target.redirected {
            Some(from) => history.redirected(uri, from, target.how),
            None => history.retarget(uri, target.how),
        })
    }

    /// A branch has an answer: its entry is one of the others now.
    pub(super) fn note(&mut self, place: usize, response: &Response) {
        if let Some(history) = &mut self.history
            && let Some(entry) = self
                .branches
                .get(place)
                .and_then(|branch: &Branch| branch.entry.as_ref())
        {
            history.answered(entry, response);
        }
    }

    /// A response to the caller tells it.
    pub(super) fn tell(&self, response: &mut Response) {
        if let Some(history) = &self.history {
            history.write_response(response);
        }
    }

    /// The history of a request that begins something.
    pub(super) fn remember(&mut self, request: &Request) {
        if request.headers().to_tag().is_none() {
            self.history = Some(Box::new(History::of(request)));
        }
    }
}
