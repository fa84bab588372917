//! What is broken, and what is answered to it.

use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sip_message::{
    HeaderName, Headers, Message, Method, ParseError, Request, Response, StatusCode,
};

use super::Transports;
use crate::flow::Flow;
use crate::io::{Event, Malformed};
use crate::kind::TransportKind;
use crate::{usual, via};

impl Transports {
    /// Counts and reports a broken message. The answer to it, if it is a request that can be answered, and where it
    /// goes if that is by datagram.
    ///
    /// The answer needs no state (RFC 3261 §8.2.7) and cannot be turned against anybody: it goes to the source of
    /// the datagram (never to a `maddr`), is never sent to a response or an ACK, and is hardly larger than what it
    /// answers.
    pub(super) fn answer_malformed(
        &mut self,
        kind: TransportKind,
        local: SocketAddr,
        remote: SocketAddr,
        payload: &Bytes,
        error: ParseError,
    ) -> Option<(Bytes, SocketAddr)> {
        self.stats.count_malformed(error.kind());
        let answer = error
            .status()
            .and_then(|status| self.stateless(status, error.reason(), remote, payload));
        let answered = answer.as_ref().and_then(|_| error.status());
        if answered.is_some() {
            self.stats.answered += 1;
        }
        self.event(Event::Malformed {
            kind,
            local,
            remote,
            error: Malformed::Syntax(error),
            answered,
        });
        answer
    }

    pub(super) fn on_misdirected(
        &mut self,
        kind: TransportKind,
        local: SocketAddr,
        remote: SocketAddr,
    ) {
        self.stats.misdirected += 1;
        self.event(Event::Malformed {
            kind,
            local,
            remote,
            error: Malformed::Misdirected,
            answered: None,
        });
    }

    fn stateless(
        &self,
        status: StatusCode,
        reason: &str,
        remote: SocketAddr,
        payload: &Bytes,
    ) -> Option<(Bytes, SocketAddr)> {
        let mut request = Message::parse_lenient_for_reply(payload)?;
        if *request.method() == Method::Ack || !is_answerable(&request) {
            return None;
        }
        let route = via::stamp(&mut request, remote, false);
        // RFC 3261 §8.2.7: the same tag whenever the same request comes.
        let headers = request.headers();
        let hash = self.tags.hash_one((
            headers.get(HeaderName::CallId),
            headers.get(HeaderName::From),
        ));
        let response = Response::to(&request, status)
            .reason(reason)
            .to_tag(&format!("{hash:016x}"))
            .build()
            .ok()?;
        let answer = response.to_bytes();
        // In tests what is made here is judged as all that leaves a role is.
        #[cfg(all(debug_assertions, feature = "__judge"))]
        assert_eq!(
            crate::judge::faults_of_our_own(&answer, TransportKind::Udp),
            [""; 0],
            "{response:?}"
        );
        // Headers are copied once, so only a flood of compact forms could grow; the answer never gets far ahead.
        (answer.len() <= payload.len() + 512).then(|| (answer, route.datagram(remote)))
    }

    /// Is it well-formed, and does its topmost Via name us?
    pub(super) fn check_response(
        &mut self,
        response: &Response,
        flow: Option<&Flow>,
    ) -> Result<bool, ParseError> {
        if let Some(via) = usual::response(response, &mut self.addresses) {
            return Ok(via
                .host
                .is_some_and(|ip| self.is_own(ip.into(), via.port, flow)));
        }
        response.validate()?;
        Ok(self.is_own_via(response.headers(), flow))
    }

    fn is_own_via(&self, headers: &Headers, flow: Option<&Flow>) -> bool {
        let Some((host, port)) = via::sent_by(headers) else {
            return false;
        };
        host.ip().is_some_and(|ip| self.is_own(ip, port, flow))
    }

    /// RFC 3261 §18.1.2: is it the sent-by that we put into the Via? That is an address we listen on, or the one that the
    /// flow had when the request was sent.
    fn is_own(&self, ip: IpAddr, port: Option<u16>, flow: Option<&Flow>) -> bool {
        self.is_local_ip(ip, port)
            || flow.is_some_and(|flow| {
                let ours = flow.local;
                ours.ip().to_canonical() == ip.to_canonical()
                    && ours.port() == port.unwrap_or_else(|| flow.kind.default_port())
            })
    }
}

/// Are the fields there that a response copies (RFC 3261 §8.2.6.2)?
fn is_answerable(request: &Request) -> bool {
    let headers = request.headers();
    via::sent_by(headers).is_some()
        && [
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::CSeq,
        ]
        .into_iter()
        .all(|name| headers.get(name).is_some_and(|value| !value.is_empty()))
}
