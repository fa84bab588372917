//! Requests that are answered at once and alike each time, and so need no transaction (RFC 3261 §8.2.7): OPTIONS to the server
//! itself, and a REGISTER without credentials, which a flood of would otherwise leave as much state as one of true ones.
//!
//! A copy of such a request is answered again, with the same To tag. Everything else about it is as with a transaction: who may
//! send it was asked before, and its answer goes the way of every answer.

use std::time::{Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use sip_message::{Method, Request, StatusCode, WrittenResponse};
use sip_transport::Flow;

use super::{LatencyRole, Stack};

/// Answers share an allocation of this size.
const CHUNK: usize = 16 * 1024;

/// Where answers are written.
#[derive(Debug, Default)]
pub(super) struct Apart {
    written: WrittenResponse,
    chunk: BytesMut,
}

impl Apart {
    fn take(&mut self) -> Bytes {
        let text = self.written.as_bytes();
        if self.chunk.capacity() < text.len() {
            self.chunk.reserve(text.len().max(CHUNK));
        }
        self.chunk.extend_from_slice(text);
        self.chunk.split().freeze()
    }
}

impl Stack {
    /// Was this request answered without a transaction?
    pub(super) fn answers_apart(
        &mut self,
        request: &Request,
        flow: &Flow,
        reply: &Flow,
        wall: SystemTime,
        now: Instant,
    ) -> bool {
        // The user agent may be meant; and who is told to go elsewhere is told so by what all requests pass.
        if self.dialogs.is_some() || self.draining.is_some() {
            return false;
        }
        let written = &mut self.apart.written;
        let role = match request.method() {
            Method::Options => {
                let Some(proxy) = self.proxy.as_ref().filter(|p| p.knows(request, flow)) else {
                    return false;
                };
                let Some(tag) = self.transactions.stateless_tag(request) else {
                    return false;
                };
                written.start(request, StatusCode::OK, tag.as_str());
                written.fields(proxy.abilities());
                written.finish();
                LatencyRole::Proxy
            }
            Method::Register => {
                let Some(registrar) = &mut self.registrar else {
                    return false;
                };
                if !registrar.challenges(request, flow, now) {
                    return false;
                }
                let Some(tag) = self.transactions.stateless_tag(request) else {
                    return false;
                };
                registrar.write_challenge(request, flow, tag.as_str(), written, now);
                LatencyRole::Registrar
            }
            _ => return false,
        };
        let call_id = request.headers().call_id();
        let _in_span = tracing::debug_span!("request", call_id).entered();
        self.counts.request(flow.kind, request.method());
        self.latencies.answered_at_once(role, request.method());
        let payload = self.apart.take();
        self.transmit(reply.id, payload, wall, now);
        true
    }
}

#[cfg(test)]
mod tests;
