//! The server half of the layer: requests that come, responses that leave.

use bytes::Bytes;
use sip_message::{Method, Request, Response, StatusCode, WrittenResponse};
use sip_transport::{Flow, FlowId};

use super::Transactions;
use crate::invite_server::InviteServer;
use crate::links::{Linked, Links};
use crate::matching::{MatchKey, MergeKey, RequestIdentity, tag_hash};
use crate::non_invite_server::NonInviteServer;
use crate::outputs::Told;
use crate::peers::{Peer, PeerId};
use crate::siphash::HashKey;
use crate::slab::Key;
use crate::step::{Step, Tell};
use crate::tick::Tick;
use crate::timer::Timing;
use crate::timers::{Alarm, Timed};
use crate::{Gone, ServerTransactionId, compose};

/// A server transaction: its machine, and how the layer finds and serves it.
#[derive(Debug)]
pub(super) struct Server {
    key: MatchKey,
    /// What it shares with merged requests.
    merge_key: Option<MergeKey>,
    /// Where the request came from.
    peer: PeerId,
    /// Where the responses go.
    flow: FlowId,
    links: Links,
    alarm: Alarm,
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

impl Timed for Server {
    fn alarm(&mut self) -> &mut Alarm {
        &mut self.alarm
    }

    fn alarm_ref(&self) -> &Alarm {
        &self.alarm
    }
}

impl Server {
    /// Was it a non-INVITE that has its final response?
    pub(super) fn is_answered(&self) -> bool {
        matches!(&self.machine, Machine::NonInvite(machine) if machine.is_completed())
    }

    /// Was it an INVITE that has a 2xx, and only waits for copies of either (RFC 6026 §7.1)?
    pub(super) fn is_accepted(&self) -> bool {
        matches!(&self.machine, Machine::Invite(invite) if invite.machine.is_accepted())
    }

    /// It counts for its peer no more, who is returned.
    pub(super) const fn leave_peer(&mut self) -> PeerId {
        std::mem::replace(&mut self.peer, PeerId::NOBODY)
    }

    /// Of a non-INVITE that waits for its final response, and would keep that for Timer J, by what its request can be marked: not of
    /// one within a dialog, or that does not say who sent it.
    pub(super) fn repeatable(&self) -> Option<MergeKey> {
        let waits = matches!(&self.machine, Machine::NonInvite(machine) if !machine.is_completed());
        self.merge_key.filter(|_| waits && !self.reliable)
    }

    pub(super) const fn key(&self) -> MatchKey {
        self.key
    }

    pub(super) const fn flow(&self) -> FlowId {
        self.flow
    }

    pub(super) fn state_name(&self) -> &'static str {
        match &self.machine {
            Machine::Invite(invite) => invite.machine.state_name(),
            Machine::NonInvite(machine) => machine.state_name(),
        }
    }
}

impl Machine {
    fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Invite(invite) => invite.machine.deadline(),
            Self::NonInvite(machine) => machine.deadline(),
        }
    }
}

impl Transactions {
    /// A request came. What the TU is to be told, unless the layer deals with it.
    pub(super) fn on_request(
        &mut self,
        request: &Request,
        flow: &Flow,
        reply: &Flow,
        now: Tick,
    ) -> Option<Told> {
        let Some(identity) = RequestIdentity::of(request, &self.universal, self.hash_key) else {
            self.stats.unidentifiable += 1;
            return None;
        };
        if matches!(request.method(), Method::Ack) {
            return self.on_ack(request, &identity, now);
        }
        let match_key = identity.with_method(request.method());
        let merge_key = if matches!(request.method(), Method::Cancel) {
            None
        } else {
            MergeKey::of(request.headers(), self.hash_key)
        };
        // One look right behind the other: with many transactions both are into memory far away, and its delays overlap so.
        let known = self.find_server(&match_key);
        let merged = merge_key.is_some_and(|merge_key| self.is_merged(merge_key));
        if let Some(key) = known {
            self.on_retransmission(key, reply.id);
            return None;
        }
        let peer = self.peers.find(flow.remote.ip());
        if self.is_refused(request, &identity, &peer, reply) {
            return None;
        }
        let keys = (match_key, merge_key);
        let id = self.start_server(request, keys, identity.legacy, peer, reply, now);
        if matches!(request.method(), Method::Cancel) {
            return self.on_new_cancel(id, request, &identity, now);
        }
        Some(Told::Request { id, merged })
    }

    pub(super) fn find_server(&self, match_key: &MatchKey) -> Option<Key> {
        let mut found = None;
        self.server_keys.find(match_key.hash(), |slot| {
            found = self
                .servers
                .entry_at(slot)
                .filter(|(_, server)| server.key == *match_key)
                .map(|(key, _)| key);
            found.is_some()
        });
        found
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

    fn on_ack(&mut self, ack: &Request, identity: &RequestIdentity, now: Tick) -> Option<Told> {
        let nothing = Some(Told::Ack { invite: None });
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
            if self.is_ack_of_refusal(ack, identity) {
                self.stats.absorbed_requests += 1;
                return None;
            }
            return nothing;
        };
        let id = ServerTransactionId(key);
        // RFC 3261 §17.2.3: the To tag of an RFC 2543 client's ACK must be that of the response.
        let legacy = invite.legacy && !invite.machine.is_accepted();
        if legacy && invite.legacy_to_tag != tag_hash(ack.headers().to_tag(), self.hash_key) {
            return nothing;
        }
        let timing = Timing {
            times: &self.times,
            reliable: *reliable,
        };
        let step = invite.machine.on_ack(timing, now);
        if step.tell == Some(Tell::Ack) {
            return Some(Told::Ack { invite: Some(id) });
        }
        self.stats.absorbed_requests += 1;
        self.apply_server(key, step, now);
        None
    }

    /// The limits: the answer of a full layer has no transaction.
    fn is_refused(
        &mut self,
        request: &Request,
        identity: &RequestIdentity,
        peer: &Peer,
        reply: &Flow,
    ) -> bool {
        // A CANCEL frees what others wait for; there is at most one per INVITE.
        let cancels = matches!(request.method(), Method::Cancel)
            && self
                .find_server(&identity.with_method(&Method::Invite))
                .is_some();
        if cancels {
            return false;
        }
        if self.peers.count(peer) >= self.config.max_server_per_peer {
            self.stats.refused_by_peer += 1;
        } else if self.servers.len() >= self.config.max_server && !self.forget_answered() {
            self.stats.refused_by_total += 1;
        } else {
            return false;
        }
        // RFC 3261 §8.2.7: who keeps no state gives the copies of one request the same tag.
        self.answer_overloaded(request, identity, reply, self.config.retry_after.as_secs());
        true
    }

    fn start_server(
        &mut self,
        request: &Request,
        (match_key, merge_key): (MatchKey, Option<MergeKey>),
        legacy: bool,
        peer: Peer,
        reply: &Flow,
        now: Tick,
    ) -> ServerTransactionId {
        let reliable = reply.is_reliable();
        let timing = self.timing(reliable);
        let method = request.method();
        let machine = if matches!(method, Method::Invite) {
            let machine = InviteServer::new(timing, now);
            Machine::Invite(Box::new(Invite {
                machine,
                legacy_to_tag: 0,
                legacy,
            }))
        } else {
            Machine::NonInvite(NonInviteServer::new(timing, now))
        };
        let deadline = machine.deadline();
        self.keep_fresh();
        self.fresh_headers.clear();
        request.headers().encode(&mut self.fresh_headers);
        let server = Server {
            key: match_key,
            merge_key,
            peer: self.peers.enter(peer),
            flow: reply.id,
            links: Links::NONE,
            alarm: Alarm::NONE,
            reliable,
            machine,
        };
        self.stats.server_transactions += 1;
        let key = self.servers.insert(server);
        if let Some(merge_key) = merge_key {
            self.merge_keys.insert(merge_key.hash(), key.index);
        }
        self.server_keys.insert(match_key.hash(), key.index);
        self.server_flows.add(reply.id, key, &mut self.servers);
        self.fresh = Some(key);
        self.fresh_due = deadline.unwrap_or(Tick::NEVER);
        self.fresh_since = now;
        ServerTransactionId(key)
    }

    /// Most requests are answered before the next one comes: the header lines of the newest one wait in a buffer of the
    /// layer until another request needs it. The 100 is made of them only when the timer fires. Its first deadline waits too.
    pub(super) fn keep_fresh(&mut self) {
        let Some(key) = self.fresh.take() else {
            return;
        };
        if self.fresh_due != Tick::NEVER {
            let due = Some(std::mem::replace(&mut self.fresh_due, Tick::NEVER));
            self.server_timers
                .set(key, due, self.fresh_since, &mut self.servers);
        }
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        match &mut server.machine {
            // Hardly any of them waits for so long that it is needed.
            Machine::Invite(invite) if invite.machine.waits_for_trying() => {
                invite.machine.keep_trying(&self.fresh_headers);
            }
            Machine::NonInvite(machine) if machine.waits_for_trying() => {
                machine.keep_trying(&self.fresh_headers);
            }
            Machine::Invite(_) | Machine::NonInvite(_) => {}
        }
    }

    /// Whether another live transaction shares this.
    fn is_merged(&self, merge_key: MergeKey) -> bool {
        let is = |slot| {
            let server = self.servers.at(slot);
            server.is_some_and(|server| server.merge_key == Some(merge_key))
        };
        self.merge_keys.find(merge_key.hash(), is).is_some()
    }

    /// RFC 3261 §9.2: a CANCEL for an INVITE goes to the TU. One for another request has no effect and is answered 200
    /// here; one that matches nothing goes to the TU, which answers 481 or, as a stateless element, forwards it.
    fn on_new_cancel(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        identity: &RequestIdentity,
        now: Tick,
    ) -> Option<Told> {
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
            let response = compose::response(request, StatusCode::OK, &tag);
            let answered = self.respond_to(id, &response, now);
            debug_assert_eq!(answered, Ok(()), "the transaction has just begun");
            return None;
        }
        Some(Told::Cancel { id, invite })
    }

    pub(super) fn respond_to(
        &mut self,
        id: ServerTransactionId,
        response: &Response,
        now: Tick,
    ) -> Result<(), Gone> {
        // It may be kept for as long as the call rings: on its own.
        let payload = if response.status().is_provisional() {
            response.to_bytes()
        } else {
            self.encode_response(response)
        };
        let to_tag = |key| tag_hash(response.headers().to_tag(), key);
        self.respond_by(id, response.status(), payload, &to_tag, now)
    }

    /// The same with a response that is written already.
    pub(super) fn respond_written_to(
        &mut self,
        id: ServerTransactionId,
        response: &WrittenResponse,
        now: Tick,
    ) -> Result<(), Gone> {
        let payload = if response.status().is_provisional() {
            Bytes::copy_from_slice(response.as_bytes())
        } else {
            self.arena.put(&[response.as_bytes()])
        };
        let to_tag = |key| {
            let response = response.to_response();
            let tag = response.as_ref().and_then(|r| r.headers().to_tag());
            tag_hash(tag, key)
        };
        self.respond_by(id, response.status(), payload, &to_tag, now)
    }

    /// `to_tag` is asked for the hash of the To tag, which hardly any transaction wants to know.
    fn respond_by(
        &mut self,
        id: ServerTransactionId,
        status: StatusCode,
        payload: Bytes,
        to_tag: &dyn Fn(HashKey) -> u64,
        now: Tick,
    ) -> Result<(), Gone> {
        let server = self.servers.get_mut(id.0).ok_or(Gone)?;
        let timing = Timing {
            times: &self.times,
            reliable: server.reliable,
        };
        let step = match &mut server.machine {
            Machine::Invite(invite) if status.is_provisional() => {
                invite.machine.on_provisional(payload)
            }
            Machine::Invite(invite) if status.is_success() => {
                invite.machine.on_success(payload, timing, now)
            }
            Machine::Invite(invite) => {
                if invite.legacy && invite.machine.is_proceeding() {
                    invite.legacy_to_tag = to_tag(self.hash_key);
                }
                invite.machine.on_failure(payload, timing, now)
            }
            Machine::NonInvite(machine) if status == StatusCode::TRYING => {
                machine.on_trying(payload, timing, now)
            }
            // RFC 4320 §4.1: it is not sent.
            Machine::NonInvite(_) if status.is_provisional() => return Ok(()),
            Machine::NonInvite(machine) if status == StatusCode::REQUEST_TIMEOUT => {
                machine.on_request_timeout(timing, now)
            }
            Machine::NonInvite(machine) => machine.on_final(payload, timing, now),
        };
        if status.is_provisional() {
            self.apply_server(id.0, step, now);
        } else {
            self.forget_fresh(id.0);
            self.apply_server(id.0, step, now);
            self.on_answered(id.0);
        }
        Ok(())
    }

    pub(super) fn on_server_deadline(&mut self, key: Key, now: Tick) {
        if self.fresh == Some(key) {
            self.keep_fresh();
        }
        while let Some(server) = self.servers.get_mut(key) {
            // The way of nearly all of them.
            if let Machine::NonInvite(machine) = &server.machine
                && machine.is_over(now)
            {
                return self.end_server(key);
            }
            if server
                .machine
                .deadline()
                .is_none_or(|deadline| deadline > now)
            {
                break;
            }
            let timing = Timing {
                times: &self.times,
                reliable: server.reliable,
            };
            let (step, first) = match &mut server.machine {
                Machine::Invite(invite) => {
                    let first = invite.machine.is_proceeding();
                    if let Some(headers) = invite.machine.trying_is_due(now) {
                        self.scratch.clear();
                        let delay = self.config.trying_after.as_millis();
                        compose::trying(headers, delay, &mut self.scratch);
                        invite.machine.keep_trying(&self.scratch);
                    }
                    (invite.machine.on_deadline(timing, now), first)
                }
                // The only message that a timer of this machine sends is its first: the 100.
                Machine::NonInvite(machine) => {
                    if let Some(headers) = machine.trying_is_due(now) {
                        self.scratch.clear();
                        let delay = self.times.trying_non_invite_after().as_millis();
                        compose::trying(headers, delay, &mut self.scratch);
                        machine.keep_trying(&self.scratch);
                    }
                    (machine.on_deadline(now), true)
                }
            };
            if step.send.is_some() && !first {
                self.stats.retransmitted_responses += 1;
            }
            if step.tell == Some(Tell::AckTimedOut) {
                self.stats.ack_timeouts += 1;
            }
            self.apply_server(key, step, now);
        }
    }

    pub(super) fn on_server_flow_failed(&mut self, flow: FlowId, now: Tick) {
        for key in self.server_flows.keys(flow, &mut self.servers) {
            if let Some(server) = self.servers.get_mut(key) {
                // Told once: what each of many then sends in vain fails the flow again, and would be told to all of them.
                let links = std::mem::replace(&mut server.links, Links::NONE);
                let step = match &mut server.machine {
                    Machine::Invite(invite) => invite.machine.on_flow_failed(),
                    Machine::NonInvite(machine) => machine.on_flow_failed(),
                };
                self.server_flows.remove(links, &mut self.servers);
                self.apply_server(key, step, now);
            }
        }
    }

    /// Does what a machine wants: sends, tells, and destroys or arms it.
    fn apply_server(&mut self, key: Key, step: Step, now: Tick) {
        self.forget_fresh_deadline(key);
        let Some(server) = self.servers.get(key) else {
            return;
        };
        let (flow, deadline) = (server.flow, server.machine.deadline());
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
            self.server_timers
                .set(key, deadline, now, &mut self.servers);
        }
    }

    /// It has another deadline from now on, or none.
    fn forget_fresh_deadline(&mut self, key: Key) {
        if self.fresh == Some(key) {
            self.fresh_due = Tick::NEVER;
        }
    }

    /// It needs no 100 any more.
    fn forget_fresh(&mut self, key: Key) {
        if self.fresh == Some(key) {
            self.fresh = None;
            self.fresh_due = Tick::NEVER;
        }
    }

    pub(super) fn end_server(&mut self, key: Key) {
        self.forget_fresh(key);
        let Some(server) = self.servers.remove(key) else {
            return;
        };
        self.server_keys.remove(server.key.hash(), key.index);
        if let Some(merge_key) = server.merge_key {
            self.merge_keys.remove(merge_key.hash(), key.index);
        }
        self.peers.leave(server.peer);
        self.server_flows.remove(server.links, &mut self.servers);
        self.server_timers.forget(server.alarm, &mut self.servers);
        self.outputs.terminated(ServerTransactionId(key).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a million transactions that wait for Timer J take a million times.
    #[test]
    fn a_server_transaction_is_small() {
        assert!(
            size_of::<Server>() <= 144,
            "{} bytes, of which the machine has {}",
            size_of::<Server>(),
            size_of::<Machine>()
        );
    }
}
