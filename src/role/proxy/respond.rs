//! Response processing (RFC 3261 §16.7), Timer C (§16.8), transport errors (§16.9) and CANCEL (§16.10).

use std::time::Instant;

use sip_message::{HeaderName, Method, Request, Response, StatusCode};
use sip_transaction::{ClientTransactionId, ServerTransactionId, TransactionLayer};
use sip_transport::Flow;

use super::Proxy;
use super::context::Context;
use super::forward::unreached;
use crate::guard::hop;
use crate::guard::throttle::own_reports_only;
use crate::role::{Refusal, RoleEvent, RoleOutput};

/// Why the other branches are cancelled when one was answered (RFC 3326 §2).
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

impl Proxy {
    pub(super) fn on_response(
        &mut self,
        id: ServerTransactionId,
        place: usize,
        response: Box<Response>,
        flow: Flow,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let mut response = response;
        if let Some(context) = self.contexts.get(&id) {
            self.come_back(&mut response, &flow, &context.flow);
        }
        if self.config.heeds_overload {
            if let Some(via) = response.headers().values(HeaderName::Via).next() {
                self.throttle.heard(flow.remote, via, now);
            }
            own_reports_only(&mut response);
        }
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        // Step 3: our Via comes off. A response without another is meant for this element and must not be forwarded: it
        // ends the branch, as it would end a request of ours (§8.1.3), and the caller's answer is one that we make.
        response.headers_mut().remove_first(HeaderName::Via);
        response.write_version();
        hop::give_back(&mut response);
        if !response.headers().contains(HeaderName::Via) {
            let Some(own) = own_answer(context, response.status()) else {
                return;
            };
            *response = own;
        }
        let Some(branch) = context.branches.get_mut(place) else {
            return;
        };
        let status = response.status();
        branch.has_heard = true;
        if status.is_provisional() {
            // Step 2: every provisional response but 100 restarts Timer C. Step 5: they go on at once.
            if status != StatusCode::TRYING {
                if let (Some(client), Some(timer)) = (branch.client, branch.timer_c.take()) {
                    self.timers_c.cancel(timer);
                    branch.timer_c = Some(self.timers_c.insert(now + self.config.timer_c, client));
                }
                context.note(place, &response);
                if !context.is_answered {
                    context.tell(&mut response);
                    let _ = t.respond(id, &response, now);
                }
            }
            return;
        }
        if let Some(timer) = branch.timer_c.take() {
            self.timers_c.cancel(timer);
        }
        if status.is_success() {
            branch.request = None;
            let is_first = branch.response.is_none();
            context.note(place, &response);
            if let Some(branch) = context.branches.get_mut(place) {
                branch.response = Some(response);
            }
            // Step 5: every 2xx to an INVITE goes on at once, repeated ones too.
            if is_first || *context.request.method() == Method::Invite {
                self.forward_success(id, place, t, now);
            }
            return;
        }
        if branch.response.is_some() {
            return;
        }
        // RFC 3263 §4.3: a 503 is a reason to try the next server.
        if status == StatusCode::SERVICE_UNAVAILABLE && !branch.flows.is_empty() && !context.is_over
        {
            self.send(id, place, status, t, now);
            return;
        }
        // RFC 5626 §5.3: the flow of a user agent failed further on; it may have another.
        if status == StatusCode::FLOW_FAILED && !branch.others.is_empty() && !context.is_over {
            branch.flows.clear();
            branch.has_heard = false;
            self.send(id, place, status, t, now);
            return;
        }
        branch.request = None;
        let mut response = response;
        if status == StatusCode::FLOW_FAILED && !context.is_edge {
            // There is no other: for the caller the user is not there.
            let status = StatusCode::TEMPORARILY_UNAVAILABLE;
            response.set_status(status, status.reason_phrase());
        }
        context.note(place, &response);
        let is_followed = status.class() == 3
            && self.config.follows_redirects
            && context.wish.recurses != Some(false)
            && !context.is_over
            && context.follow(place, &mut response);
        let Some(branch) = context.branches.get_mut(place) else {
            return;
        };
        branch.is_followed = is_followed;
        branch.response = Some(response);
        if status.class() == 6 {
            // Step 5: the others are cancelled, and no more are tried. RFC 3326 §2: they are told why.
            context.is_over = true;
            let reason = reason(status);
            cancel_branches(context, &[(HeaderName::Reason, &reason)], t, now);
        }
        self.settle(id, t, now);
    }

    fn forward_success(
        &mut self,
        id: ServerTransactionId,
        place: usize,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        let answer = |context: &mut Context| context.branches.get_mut(place)?.response.take();
        let Some(mut response) = answer(context) else {
            return;
        };
        let is_first = !context.is_answered;
        let status = response.status();
        context.tell(&mut response);
        let _ = t.respond(id, &response, now);
        // The branch stays one that is answered.
        if let Some(branch) = context.branches.get_mut(place) {
            branch.response = Some(response);
        }
        if !is_first {
            self.release(id);
            return;
        }
        context.is_answered = true;
        context.is_over = true;
        self.answered += 1;
        // Step 10: the branches that are still open are of no more use, unless the caller wants to see to them itself
        // (RFC 3841 §9.1).
        if context.wish.cancels != Some(false) {
            cancel_branches(context, &[(HeaderName::Reason, ELSEWHERE)], t, now);
        }
        let event = RoleEvent::Answered {
            method: context.request.method().clone(),
            status,
        };
        self.outputs.push_back(RoleOutput::Event(event));
        self.release(id);
    }

    /// A branch got no answer, or its flow failed: the next flow, or this status as its answer.
    pub(super) fn on_failed_branch(
        &mut self,
        client: ClientTransactionId,
        status: StatusCode,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(&(id, place)) = self.branches.get(&client) else {
            return;
        };
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        let is_edge = context.is_edge;
        let Some(branch) = context.branches.get_mut(place) else {
            return;
        };
        if branch.client != Some(client) || branch.response.is_some() {
            return;
        }
        // The connection that was the only way may have gone, or be gone at the worker that had it.
        let mut status = status;
        if status == StatusCode::SERVICE_UNAVAILABLE && !branch.has_heard {
            status = unreached(branch.way.as_ref(), is_edge);
        }
        if let Some(timer) = branch.timer_c.take() {
            self.timers_c.cancel(timer);
        }
        if branch.has_heard {
            // It was reached; another server would ring a second time.
            branch.flows.clear();
        }
        self.send(id, place, status, t, now);
    }

    /// RFC 7339 §5.9: the server of a branch answered nothing, or cannot be reached.
    pub(super) fn note_silence(&self, client: ClientTransactionId, now: Instant) {
        if !self.config.heeds_overload {
            return;
        }
        let branch = self
            .branches
            .get(&client)
            .and_then(|(id, place)| self.contexts.get(id)?.branches.get(*place))
            .filter(|branch| branch.client == Some(client) && !branch.has_heard);
        if let Some(server) = branch.and_then(|branch| branch.server) {
            self.throttle.failed(server, now);
        }
    }

    /// §16.8: it rang long enough.
    pub(super) fn on_timer_c(
        &mut self,
        client: ClientTransactionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(&(id, place)) = self.branches.get(&client) else {
            return;
        };
        let Some(branch) = self
            .contexts
            .get_mut(&id)
            .and_then(|context| context.branches.get_mut(place))
        else {
            return;
        };
        if branch.client != Some(client) || branch.response.is_some() {
            return;
        }
        branch.timer_c = None;
        branch.flows.clear();
        if branch.has_heard {
            // The layer tells a time-out if this has no effect.
            let reason = reason(StatusCode::REQUEST_TIMEOUT);
            let _ = t.cancel(client, &[(HeaderName::Reason, &reason)], now);
        } else {
            self.on_failed_branch(client, StatusCode::REQUEST_TIMEOUT, t, now);
        }
    }

    /// §16.10: a CANCEL is answered here, and sent on all branches.
    pub(super) fn on_cancel(
        &mut self,
        id: ServerTransactionId,
        invite: ServerTransactionId,
        request: &Request,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get_mut(&invite) else {
            return;
        };
        let _ = t.answer_cancel(id, request, Some(invite), &context.tag, now);
        if context.is_answered {
            return;
        }
        context.is_over = true;
        // RFC 3326 §2: why it was cancelled goes on.
        let reasons: Vec<(HeaderName, &str)> = request
            .headers()
            .values(HeaderName::Reason)
            .map(|value| (HeaderName::Reason, value))
            .collect();
        cancel_branches(context, &reasons, t, now);
        if context.branches.is_empty() {
            self.refuse(
                invite,
                &Refusal::new(StatusCode::REQUEST_TERMINATED),
                t,
                now,
            );
        } else {
            self.settle(invite, t, now);
        }
    }

    /// When every branch has its answer: the next group, or the best of them.
    pub(super) fn settle(
        &mut self,
        id: ServerTransactionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get(&id) else {
            return;
        };
        if context.is_answered {
            self.release(id);
        } else if context.is_settled() {
            self.next_group(id, t, now);
        }
    }

    /// §16.7, step 6: no branch is open and no target left.
    pub(super) fn finish(
        &mut self,
        id: ServerTransactionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get(&id) else {
            return;
        };
        let refusal = Refusal::new(StatusCode::TEMPORARILY_UNAVAILABLE);
        let response = context
            .best()
            .or_else(|| refusal.builder(&context.request, &context.tag).build().ok());
        if let Some(response) = response {
            self.conclude(id, response, t, now);
        }
    }

    pub(super) fn refuse(
        &mut self,
        id: ServerTransactionId,
        refusal: &Refusal,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get(&id) else {
            return;
        };
        if refusal.status == StatusCode::FORBIDDEN {
            let denied = refusal.denied(&context.request, &context.flow);
            self.outputs.push_back(denied);
        }
        if let Ok(response) = refusal.builder(&context.request, &context.tag).build() {
            self.conclude(id, response, t, now);
        }
    }

    /// The final response of a request.
    pub(super) fn conclude(
        &mut self,
        id: ServerTransactionId,
        response: Response,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        if context.is_answered {
            return;
        }
        context.is_answered = true;
        self.answered += 1;
        let event = RoleEvent::Answered {
            method: context.request.method().clone(),
            status: response.status(),
        };
        self.outputs.push_back(RoleOutput::Event(event));
        let mut response = response;
        context.tell(&mut response);
        // A transaction that has ended meanwhile needs no answer.
        let _ = t.respond(id, &response, now);
        self.release(id);
    }

    /// A request that never got a context is refused.
    pub(super) fn respond_refusal(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        flow: Flow,
        refusal: &Refusal,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        if refusal.status == StatusCode::LOOP_DETECTED {
            self.outputs.push_back(refusal.denied(request, &flow));
        }
        refusal.respond(id, request, &mut self.rng, t, now);
    }

    pub(super) fn on_client_terminated(
        &mut self,
        client: ClientTransactionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        // If it ended without a final response, it counts as timed out.
        self.on_failed_branch(client, StatusCode::REQUEST_TIMEOUT, t, now);
        let Some((id, _)) = self.branches.remove(&client) else {
            return;
        };
        if let Some(context) = self.contexts.get_mut(&id) {
            context.live = context.live.saturating_sub(1);
        }
        self.release(id);
    }

    /// Nobody waits for an answer any more.
    pub(super) fn on_server_terminated(
        &mut self,
        id: ServerTransactionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        if !context.is_answered {
            context.is_answered = true;
            context.is_over = true;
            self.answered += 1;
            cancel_branches(context, &[], t, now);
        }
        self.release(id);
    }

    /// Forgets a request that has its answer and no transaction. With the answers of all branches it may be forgotten before.
    fn release(&mut self, id: ServerTransactionId) {
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        if !context.is_answered {
            return;
        }
        if context.live == 0 {
            self.forget(id);
        } else if context.kept.is_none() && context.is_settled() {
            context.kept = Some(self.kept.push(id));
        }
    }

    /// Forgets the request that has been over for longest. Was there one? Its transactions end by themselves.
    pub(super) fn forget_oldest(&mut self) -> bool {
        let Some(oldest) = self.kept.oldest() else {
            return false;
        };
        self.forget(oldest);
        true
    }

    fn forget(&mut self, id: ServerTransactionId) {
        let Some(context) = self.contexts.remove(&id) else {
            return;
        };
        self.answered -= 1;
        if let Some(place) = context.kept {
            self.kept.remove(place);
        }
        // Of a branch that could not be cancelled any more.
        for timer in context.branches.iter().filter_map(|branch| branch.timer_c) {
            self.timers_c.cancel(timer);
        }
    }
}

/// The Reason of a CANCEL that a status is the cause of (RFC 3326 §2).
fn reason(status: StatusCode) -> String {
    format!(
        "SIP;cause={};text=\"{}\"",
        status.as_u16(),
        status.reason_phrase()
    )
}

/// What the caller hears of a response that was for us alone: of a refusal the status, and nothing of what is
/// provisional. A 2xx cannot be passed on, so there is no session: the gateway was a bad one.
fn own_answer(context: &Context, status: StatusCode) -> Option<Response> {
    let status = match status.class() {
        1 => return None,
        2 => StatusCode::BAD_GATEWAY,
        _ => status,
    };
    Refusal::new(status)
        .builder(&context.request, &context.tag)
        .build()
        .ok()
}

/// Cancels what is open. A branch that was not sent yet, or cannot be cancelled any more, gets its 487 from here.
fn cancel_branches(
    context: &mut Context,
    headers: &[(HeaderName, &str)],
    t: &mut dyn TransactionLayer,
    now: Instant,
) {
    let is_invite = *context.request.method() == Method::Invite;
    for branch in context
        .branches
        .iter_mut()
        .filter(|branch| branch.response.is_none())
    {
        branch.flows.clear();
        branch.others.clear();
        // RFC 3261 §9.1: only an INVITE is cancelled; others answer by themselves.
        let is_sent = branch
            .client
            .is_some_and(|client| !is_invite || t.cancel(client, headers, now).is_ok());
        if !is_sent {
            branch.request = None;
            let terminated = Refusal::new(StatusCode::REQUEST_TERMINATED);
            branch.response = terminated
                .builder(&context.request, &context.tag)
                .build()
                .ok()
                .map(Box::new);
        }
    }
}
