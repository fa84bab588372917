//! OPTIONS to the server itself (RFC 3261 §11.2).

use std::time::Instant;

use sip_message::{HeaderName, Method, Request, Response, StatusCode};
use sip_transaction::{ServerTransactionId, TransactionLayer};

use super::Proxy;

impl Proxy {
    /// 200, with what the server itself can do: no body, as it has no session.
    pub(super) fn answer_options(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
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
            let _ = t.respond(id, response, now);
        }
    }
}
