//! Where the [`Guard`] stands in the way of messages.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_message::{Method, Request, RequestLine, StatusCode};
use sip_transport::{Flow, FlowId, TransportKind};

use super::{Direction, Output, Stack};
use crate::guard::{Class, Guard, Verdict};
use crate::role::RoleEvent;

impl Stack {
    /// Puts a guard before the transactions; without one everything is taken.
    pub fn set_guard(&mut self, guard: Guard) {
        self.guard = Some(Box::new(guard));
    }

    /// The guard.
    #[must_use]
    pub fn guard(&self) -> Option<&Guard> {
        self.guard.as_deref()
    }

    /// The guard, to configure it and to ban or pardon an address.
    pub fn guard_mut(&mut self) -> Option<&mut Guard> {
        self.guard.as_deref_mut()
    }

    /// The driver found that the oldest of what it took up had waited so long: what overload is told by.
    pub fn waited(&mut self, delay: Duration, now: Instant) {
        self.latencies.waited(delay);
        if let Some(guard) = &mut self.guard {
            guard.waited(delay, now);
        }
    }

    /// Is what arrived looked at?
    pub(super) fn lets_in(&mut self, input: &sip_transport::Input, now: Instant) -> bool {
        let Some(guard) = &mut self.guard else {
            return true;
        };
        match input {
            sip_transport::Input::Datagram {
                remote, payload, ..
            } => {
                self.asked = Some((*remote, payload.len()));
                guard.arrived(*remote, now)
            }
            sip_transport::Input::Accepted {
                connection, remote, ..
            } => {
                if !guard.arrived(*remote, now) {
                    let close = sip_transport::Output::Close {
                        connection: *connection,
                    };
                    self.outputs.push_back(Output::Io(close));
                    self.last_now = Some(now);
                    return false;
                }
                // Nobody opens a connection in the name of another.
                guard.proved(*remote, now);
                true
            }
            _ => true,
        }
    }

    /// Under overload, is this datagram done with at sight: a request that begins something and is refused, or the ACK for a
    /// refusal? It is not taken apart then, makes no flow and no transaction. What came from there was let in already.
    pub(super) fn refuses_at_sight(
        &mut self,
        input: &sip_transport::Input,
        wall: SystemTime,
        now: Instant,
    ) -> bool {
        let Some(guard) = &mut self.guard else {
            return false;
        };
        // Who watches sees messages.
        let is_watched = self.tracing || !self.taps.is_empty();
        if guard.overload().takes_all() || is_watched {
            return false;
        }
        let sip_transport::Input::Datagram {
            listener,
            remote,
            payload,
            ..
        } = input
        else {
            return false;
        };
        let Some(line) = RequestLine::of(payload) else {
            return false;
        };
        if *line.method() == Method::Ack {
            let Some(ack) = self.transports.sight(line, *listener, *remote) else {
                return false;
            };
            let is_absorbed = self.transactions.absorb_at_sight(&ack);
            if is_absorbed {
                // It is accounted for, whatever the verdict is.
                guard.judge_at_sight(Class::Ending, *remote, now);
                self.transports.answer_at_sight(&ack, None, now);
            }
            return is_absorbed;
        }
        // What ends something, and what may be an emergency (RFC 5031 §4), is looked at closely.
        if Class::is_ending(line.method()) || !is_of_sip(line.uri()) || !guard.foresees_refusal(now)
        {
            return false;
        }
        let Some(request) = self.transports.sight(line, *listener, *remote) else {
            return false;
        };
        let Some(tag) = self.transactions.tag_at_sight(&request) else {
            return false;
        };
        let answer = match guard.judge_at_sight(Class::New, *remote, now) {
            // What was foreseen holds, so this does not come.
            Verdict::Take => return false,
            Verdict::Refuse { retry_after } => {
                let refusal = self
                    .transactions
                    .refusal_at_sight(&request, tag, retry_after);
                let refusal = guard.tell(refusal, wall, now);
                self.counts.sent(TransportKind::Udp, &refusal);
                Some(refusal)
            }
            Verdict::Drop => None,
        };
        self.transports.answer_at_sight(&request, answer, now);
        self.tell_banned();
        true
    }

    /// Does this request go on to the transactions?
    pub(super) fn takes(
        &mut self,
        request: &Request,
        flow: &Flow,
        reply: &Flow,
        now: Instant,
    ) -> bool {
        let Some(guard) = &mut self.guard else {
            return true;
        };
        if flow.is_reliable() && !guard.arrived(flow.remote, now) {
            self.transports.close(flow.id, now);
            return false;
        }
        let verdict = guard.judge(request, flow.remote, now);
        if verdict != Verdict::Take {
            self.tell_banned();
        }
        match verdict {
            Verdict::Take => true,
            Verdict::Drop => false,
            Verdict::Refuse { retry_after } => {
                // A retransmission costs less than its refusal, and refusing it would end what was accepted.
                let known = self.transactions.is_known(request);
                if !known {
                    self.transactions.refuse(request, reply, retry_after);
                }
                known
            }
        }
    }

    /// What a role did tells something about who sent the request.
    pub(super) fn note(&mut self, event: &RoleEvent, now: Instant) {
        let Some(guard) = &mut self.guard else {
            return;
        };
        match event {
            RoleEvent::Registered { source, .. } => guard.proved(*source, now),
            RoleEvent::Denied { status, source, .. } if *status == StatusCode::FORBIDDEN => {
                guard.fault(*source, now);
                self.tell_banned();
            }
            _ => {}
        }
    }

    /// Sends what a transaction wants sent.
    pub(super) fn transmit(&mut self, id: FlowId, payload: Bytes, wall: SystemTime, now: Instant) {
        if self.transmit_there(id, &payload) {
            return;
        }
        let mut payload = payload;
        if let Some(flow) = self.transports.flow(id) {
            if let Some(guard) = &mut self.guard
                && payload.starts_with(b"SIP/2.0 ")
            {
                payload = guard.tell(payload, wall, now);
                if let Some((remote, size)) = self.asked
                    && !flow.is_reliable()
                    && flow.remote == remote
                {
                    match guard.answer(payload, remote, size, now) {
                        Some(answer) => payload = answer,
                        None => return,
                    }
                }
            }
            self.counts.sent(flow.kind, &payload);
            if !self.taps.is_empty() {
                self.tap_sent(&payload, &flow, wall);
            }
            if self.tracing {
                self.traced(Direction::Sent, flow, &payload, now);
            }
        }
        if self.transports.send(id, payload, now).is_err() {
            self.transactions
                .handle_input(sip_transaction::Input::FlowFailed { flow: id }, now);
        }
    }
}

/// `sip:` or `sips:`, in any case.
fn is_of_sip(uri: &[u8]) -> bool {
    let start = uri.get(..3).unwrap_or_default();
    start.eq_ignore_ascii_case(b"sip")
}
