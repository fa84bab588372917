//! The server half of the layer: requests that come, responses that leave.

use std::time::Instant;

use sip_message::{Method, Request, Response, StatusCode};
use sip_transport::{DeadlineId, Flow, FlowId};

use super::Transactions;
use crate::invite_server::InviteServer;
use crate::links::{Linked, Links};
use crate::matching::{MatchKey, MergeKey, RequestIdentity, merge_key, tag_hash};
use crate::non_invite_server::NonInviteServer;
use crate::slab::Key;
use crate::step::{Step, Tell};
use crate::timer::Timing;
use crate::{Gone, ServerTransactionId, compose};

/// A server transaction: its machine, and how the layer finds and serves it.
#[derive(Debug)]
pub(super) struct Server {
    key: MatchKey,
    /// What it shares with merged requests, if it stands for them in the map.
    merge_key: Option<MergeKey>,
    /// Where the responses go.
    flow: FlowId,
    links: Links,
    deadline: Option<DeadlineId>,
    reliable: bool,
    machine: Machine,
}

#[derive(Debug)]
enum Machine {
    Invite(Box<Invite>),
    NonInvite(NonInviteServer),
}

#[derive(Debug)]
struct Invite {
    machine: InviteServer,
    /// Of an RFC 2543 client, the hash of the To tag of the non-2xx final response; else zero.
    legacy_to_tag: u64,
    legacy: bool,
}

impl Linked for Server {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl Server {
    pub(super) fn state_name(&self) -> &'static str {
        match &self.machine {
            Machine::Invite(invite) => invite.machine.state_name(),
            Machine::NonInvite(machine) => machine.state_name(),
        }
    }
}

impl Machine {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite(invite) => invite.machine.deadline(),
            Self::NonInvite(machine) => machine.deadline(),
        }
    }
}

impl Transactions {
    /// Deals with what cannot be a new request: retransmissions, and what cannot be identified. True if it was one.
    pub(super) fn absorb_request(&mut self, request: &Request, reply: &Flow) -> bool {
        let Some(identity) = RequestIdentity::of(request, self.hash_key) else {
            self.stats.unidentifiable += 1;
            return true;
        };
        if *request.method() != Method::Ack
            && let Some(key) = self.find_server(&identity.with_method(request.method()))
        {
            self.on_retransmission(key, reply.id);
            return true;
        }
        self.identity = Some(identity);
        false
    }

    /// An ACK, or a request without a transaction.
    pub(super) fn on_new_request(
        &mut self,
        request: Request,
        flow: Flow,
        reply: Flow,
        now: Instant,
    ) {
        // `absorb_request` has just identified it.
        let Some(identity) = self.identity.take() else {
            return;
        };
        if *request.method() == Method::Ack {
            self.on_ack(request, &identity, flow, now);
        } else if !self.is_refused(&request, &identity, reply) {
            let match_key = identity.with_method(request.method());
            self.start_server(request, &identity, match_key, flow, reply, now);
        }
    }

    fn find_server(&self, match_key: &MatchKey) -> Option<Key> {
        self.server_keys
            .get(match_key)
            .and_then(|index| self.servers.key_at(*index))
    }

    /// A retransmission is answered where it came from, which after a NAT has changed its mind is not where the first
    /// request came from.
    fn on_retransmission(&mut self, key: Key, reply: FlowId) {
        self.stats.absorbed_requests += 1;
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        let step = match &mut server.machine {
            Machine::Invite(invite) => invite.machine.on_request(),
            Machine::NonInvite(machine) => machine.on_request(),
        };
        debug_assert!(
            step.tell.is_none() && !step.ended,
            "a retransmission changes no state"
        );
        if let Some(payload) = step.send {
            self.stats.retransmitted_responses += 1;
            self.outputs.transmit(reply, payload);
        }
    }

    fn on_ack(&mut self, ack: Request, identity: &RequestIdentity, flow: Flow, now: Instant) {
        let key = self.find_server(&identity.with_method(&Method::Invite));
        let found = key.and_then(|key| Some((key, self.servers.get_mut(key)?)));
        let Some((
            key,
            Server {
                machine: Machine::Invite(invite),
                reliable,
                ..
            },
        )) = found
        else {
            self.outputs.ack(None, ack, flow);
            return;
        };
        let id = ServerTransactionId(key);
        // RFC 3261 §17.2.3: the To tag of an RFC 2543 client's ACK must be that of the response.
        let legacy = invite.legacy && !invite.machine.is_accepted();
        if legacy && invite.legacy_to_tag != tag_hash(ack.headers().to_tag(), self.hash_key) {
            self.outputs.ack(None, ack, flow);
            return;
        }
        let timing = Timing {
            config: &self.config,
            reliable: *reliable,
        };
        let step = invite.machine.on_ack(timing, now);
        if step.tell == Some(Tell::Ack) {
            self.outputs.ack(Some(id), ack, flow);
            return;
        }
        self.stats.absorbed_requests += 1;
        self.apply_server(key, step);
    }

    /// The limits: the answer of a full layer has no transaction.
    fn is_refused(&mut self, request: &Request, identity: &RequestIdentity, reply: Flow) -> bool {
        // A CANCEL frees what others wait for; there is at most one per INVITE.
        let cancels = *request.method() == Method::Cancel
            && self
                .find_server(&identity.with_method(&Method::Invite))
                .is_some();
        if cancels {
            return false;
        }
        if self.servers.len() >= self.config.max_server {
            self.stats.refused_by_total += 1;
        } else if self.server_flows.len(reply.id) >= self.config.max_server_per_flow {
            self.stats.refused_by_flow += 1;
        } else {
            return false;
        }
        // RFC 3261 §8.2.7: who keeps no state gives the copies of one request the same tag.
        let tag = identity.stateless_tag(self.hash_key);
        self.scratch.clear();
        compose::overloaded(
            request,
            &tag,
            self.config.retry_after.as_secs(),
            &mut self.scratch,
        );
        let payload = self.take_scratch();
        self.outputs.transmit(reply.id, payload);
        true
    }

    fn start_server(
        &mut self,
        request: Request,
        identity: &RequestIdentity,
        match_key: MatchKey,
        flow: Flow,
        reply: Flow,
        now: Instant,
    ) {
        let reliable = reply.is_reliable();
        let timing = self.timing(reliable);
        let method = request.method();
        let machine = if *method == Method::Invite {
            let machine = InviteServer::new(timing, now);
            Machine::Invite(Box::new(Invite {
                machine,
                legacy_to_tag: 0,
                legacy: identity.legacy,
            }))
        } else {
            Machine::NonInvite(NonInviteServer::new(timing, now))
        };
        let is_cancel = *method == Method::Cancel;
        self.keep_fresh_trying();
        self.fresh_trying.clear();
        let seen = compose::trying(&request, &mut self.fresh_trying);
        let merge_key = if is_cancel {
            None
        } else {
            merge_key(&request, &seen, self.hash_key)
        };
        let (merge_key, merged) = self.merge(merge_key);
        let server = Server {
            key: match_key,
            merge_key,
            flow: reply.id,
            links: Links::NONE,
            deadline: None,
            reliable,
            machine,
        };
        self.stats.server_transactions += 1;
        let key = self.servers.insert(server);
        if let Some(merge_key) = merge_key {
            self.merge_keys.insert(merge_key, key.index);
        }
        self.server_keys.insert(match_key, key.index);
        self.server_flows.add(reply.id, key, &mut self.servers);
        self.arm_server(key);
        self.fresh = Some(key);
        let id = ServerTransactionId(key);
        if is_cancel {
            self.tell_cancel(id, request, identity, flow, now);
        } else {
            self.outputs.request(id, request, flow, merged);
        }
    }

    /// Most requests are answered before the next one comes: the 100 of the newest one waits in a buffer of the layer,
    /// and is copied to its transaction only when another one needs the buffer or its timer fires.
    fn keep_fresh_trying(&mut self) {
        let fresh = self.fresh.take();
        match fresh
            .and_then(|key| self.servers.get_mut(key))
            .map(|server| &mut server.machine)
        {
            Some(Machine::Invite(invite)) => invite.machine.keep_trying(&self.fresh_trying),
            Some(Machine::NonInvite(machine)) => machine.keep_trying(&self.fresh_trying),
            None => {}
        }
    }

    /// The merge key that the new transaction enters the map with, and whether another one has it already.
    fn merge(&self, merge_key: Option<MergeKey>) -> (Option<MergeKey>, bool) {
        let merged = merge_key.is_some_and(|merge_key| self.merge_keys.contains_key(&merge_key));
        (merge_key.filter(|_| !merged), merged)
    }

    /// RFC 3261 §9.2: a CANCEL for an INVITE goes to the TU. One for another request has no effect and is answered 200
    /// here; one that matches nothing goes to the TU, which answers 481 or, as a stateless element, forwards it.
    fn tell_cancel(
        &mut self,
        id: ServerTransactionId,
        request: Request,
        identity: &RequestIdentity,
        flow: Flow,
        now: Instant,
    ) {
        let invite = self
            .find_server(&identity.with_method(&Method::Invite))
            .map(ServerTransactionId);
        let others = || {
            let mut others = Method::REGISTERED
                .iter()
                .filter(|method| **method != Method::Cancel);
            others.any(|method| self.find_server(&identity.with_method(method)).is_some())
        };
        if invite.is_none() && others() {
            let tag = self.rng.token(16);
            let response = compose::response(&request, StatusCode::OK, &tag);
            let answered = self.respond_to(id, &response, now);
            debug_assert_eq!(answered, Ok(()), "the transaction has just begun");
            return;
        }
        self.outputs.cancel(id, invite, request, flow);
    }

    pub(super) fn respond_to(
        &mut self,
        id: ServerTransactionId,
        response: &Response,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let server = self.servers.get_mut(id.0).ok_or(Gone)?;
        let timing = Timing {
            config: &self.config,
            reliable: server.reliable,
        };
        let status = response.status();
        let step = match &mut server.machine {
            Machine::Invite(invite) if status.is_provisional() => {
                invite.machine.on_provisional(response.to_bytes())
            }
            Machine::Invite(invite) if status.is_success() => {
                invite.machine.on_success(response.to_bytes(), timing, now)
            }
            Machine::Invite(invite) => {
                if invite.legacy && invite.machine.is_proceeding() {
                    invite.legacy_to_tag = tag_hash(response.headers().to_tag(), self.hash_key);
                }
                invite.machine.on_failure(response.to_bytes(), timing, now)
            }
            Machine::NonInvite(machine) if status == StatusCode::TRYING => {
                machine.on_trying(response.to_bytes(), timing, now)
            }
            // RFC 4320 §4.1: no other provisional response to a non-INVITE request.
            Machine::NonInvite(_) if status.is_provisional() => Step::NOTHING,
            Machine::NonInvite(machine) if status == StatusCode::REQUEST_TIMEOUT => {
                machine.on_request_timeout(timing, now)
            }
            Machine::NonInvite(machine) => machine.on_final(response.to_bytes(), timing, now),
        };
        self.apply_server(id.0, step);
        Ok(())
    }

    pub(super) fn on_server_deadline(&mut self, key: Key, now: Instant) {
        if self.fresh == Some(key) {
            self.keep_fresh_trying();
        }
        if let Some(server) = self.servers.get_mut(key) {
            server.deadline = None;
        }
        while let Some(server) = self.servers.get_mut(key) {
            if server
                .machine
                .deadline()
                .is_none_or(|deadline| deadline > now)
            {
                break;
            }
            let timing = Timing {
                config: &self.config,
                reliable: server.reliable,
            };
            let (step, first) = match &mut server.machine {
                Machine::Invite(invite) => {
                    let first = invite.machine.is_proceeding();
                    (invite.machine.on_deadline(timing, now), first)
                }
                // The only message that a timer of this machine sends is its first: the 100.
                Machine::NonInvite(machine) => (machine.on_deadline(now), true),
            };
            if step.send.is_some() && !first {
                self.stats.retransmitted_responses += 1;
            }
            if step.tell == Some(Tell::AckTimedOut) {
                self.stats.ack_timeouts += 1;
            }
            self.apply_server(key, step);
        }
    }

    pub(super) fn on_server_flow_failed(&mut self, flow: FlowId, _now: Instant) {
        for key in self.server_flows.keys(flow, &mut self.servers) {
            if let Some(server) = self.servers.get_mut(key) {
                let step = match &mut server.machine {
                    Machine::Invite(invite) => invite.machine.on_flow_failed(),
                    Machine::NonInvite(machine) => machine.on_flow_failed(),
                };
                self.apply_server(key, step);
            }
        }
    }

    /// Does what a machine wants: sends, tells, and destroys or arms it.
    fn apply_server(&mut self, key: Key, step: Step) {
        let Some(server) = self.servers.get(key) else {
            return;
        };
        let flow = server.flow;
        let id = ServerTransactionId(key);
        if let Some(payload) = step.send {
            self.outputs.transmit(flow, payload);
        }
        match step.tell {
            Some(Tell::AckTimedOut) => self.outputs.ack_timed_out(id),
            Some(Tell::FlowFailed) => self.outputs.server_flow_failed(id),
            Some(Tell::Response | Tell::Ack | Tell::TimedOut) => {
                debug_assert!(false, "told by another path")
            }
            None => {}
        }
        if step.ended {
            self.end_server(key);
        } else {
            self.arm_server(key);
        }
    }

    fn arm_server(&mut self, key: Key) {
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        if let Some(old) = server.deadline.take() {
            self.deadlines.cancel(old);
        }
        server.deadline = server.machine.deadline().map(|deadline| {
            self.deadlines
                .insert(deadline, ServerTransactionId(key).into())
        });
    }

    fn end_server(&mut self, key: Key) {
        let Some(server) = self.servers.remove(key) else {
            return;
        };
        self.server_keys.remove(&server.key);
        if let Some(merge_key) = server.merge_key {
            self.merge_keys.remove(&merge_key);
        }
        self.server_flows
            .remove(server.flow, server.links, &mut self.servers);
        if let Some(deadline) = server.deadline {
            self.deadlines.cancel(deadline);
        }
        self.outputs.terminated(ServerTransactionId(key).into());
    }
}
