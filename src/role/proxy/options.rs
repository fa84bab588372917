//! OPTIONS to the server itself (RFC 3261 §11.2).

use std::time::Instant;

use sip_message::{HeaderName, Headers, Method, Request, Response, StatusCode};
use sip_transaction::{ServerTransactionId, TransactionLayer};
use sip_transport::Flow;

use super::{Proxy, ProxyConfig, admit};
use crate::role::unknown_options;

impl Proxy {
    /// Is this an OPTIONS that nothing but the server itself can be meant by, as nearly all are that are sent to it? The others
    /// take the way of every request, to the same answer.
    pub(super) fn is_plain_options(&self, request: &Request, flow: &Flow) -> bool {
        let router = self.config.router.as_ref();
        *request.method() == Method::Options
            && self.config.trust.is_none()
            && self.config.emergency.is_none()
            && !request.headers().contains(HeaderName::Route)
            && request.uri().is_ok_and(|uri| {
                uri.is_sip()
                    && uri.user().is_none()
                    && uri.params().next().is_none()
                    && if request.headers().to_tag().is_some() {
                        self.config.domains.is_ours(uri)
                    } else {
                        self.config.domains.serves(uri)
                            && router.is_none_or(|router| router.route(request, flow).is_none())
                    }
            })
    }

    /// Is this an OPTIONS that is answered with [`abilities`](Self::abilities), whoever sends it and whatever else happens?
    pub(crate) fn knows(&self, request: &Request, flow: &Flow) -> bool {
        !self.config.handled.contains(request.method())
            && admit::check(request, &self.loops, self.options()).is_ok()
            && self.is_plain_options(request, flow)
            && !request.headers().contains(HeaderName::Require)
    }

    /// What the server itself can do, as its answers say.
    pub(crate) const fn abilities(&self) -> &Headers {
        &self.abilities
    }

    /// The methods that the server itself takes, as an Allow names them (RFC 3261 §20.5).
    pub(crate) fn allow(&self) -> &str {
        self.abilities.get(HeaderName::Allow).unwrap_or_default()
    }

    /// 200, with what the server itself can do: no body, as it has no session.
    pub(super) fn answer_options(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        // §8.2.2.3: here the server is a user agent server, and has to understand what is required of one.
        if let Some(unsupported) = unknown_options(request, HeaderName::Require, &[]) {
            let response = Response::to(request, StatusCode::BAD_EXTENSION)
                .to_tag(&self.rng.token(16))
                .header(HeaderName::Unsupported, unsupported);
            if let Ok(response) = response.build() {
                let _ = t.respond(id, &response, now);
            }
            return;
        }
        let mut builder = Response::to(request, StatusCode::OK).to_tag(&self.rng.token(16));
        builder.headers_mut().push_back_all(&self.abilities);
        if let Ok(response) = builder.build() {
            let _ = t.respond(id, &response, now);
        }
    }
}

/// What the server itself can do (§11.2), in every answer.
pub(super) fn abilities(config: &ProxyConfig) -> Headers {
    let mut methods = vec![Method::Options.as_str()];
    if config.registers {
        methods.push(Method::Register.as_str());
    }
    methods.extend(
        config
            .handled
            .iter()
            .map(Method::as_str)
            .filter(|name| !matches!(*name, "OPTIONS" | "REGISTER")),
    );
    let mut headers = Headers::new();
    headers.push_back(HeaderName::Allow, methods.join(", "));
    headers.push_back(HeaderName::Accept, "*/*");
    headers.push_back(HeaderName::AcceptEncoding, "identity");
    headers.push_back(HeaderName::AcceptLanguage, "en");
    if config.registers {
        headers.push_back(HeaderName::Supported, "path");
    }
    headers
}
