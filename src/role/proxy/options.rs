//! OPTIONS to the server itself (RFC 3261 §11.2).

use std::time::Instant;

use sip_message::{HeaderName, Method, Request, Response, StatusCode};
use sip_transaction::{ServerTransactionId, TransactionLayer};

use super::Proxy;
use crate::role::unknown_options;

impl Proxy {
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
        let mut methods = vec![Method::Options.as_str()];
        if self.config.registers {
            methods.push(Method::Register.as_str());
        }
        methods.extend(
            self.config
                .handled
                .iter()
                .map(Method::as_str)
                .filter(|name| !matches!(*name, "OPTIONS" | "REGISTER")),
        );
        let mut builder = Response::to(request, StatusCode::OK)
            .to_tag(&self.rng.token(16))
            .header(HeaderName::Allow, methods.join(", "))
            .header(HeaderName::Accept, "*/*")
            .header(HeaderName::AcceptEncoding, "identity")
            .header(HeaderName::AcceptLanguage, "en");
        if self.config.registers {
            builder = builder.header(HeaderName::Supported, "path");
        }
        if let Ok(response) = builder.build() {
            let _ = t.respond(id, &response, now);
        }
    }
}
