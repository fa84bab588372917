//! The client half of the layer: requests that leave, responses that come.

use bytes::Bytes;
use sip_message::{HeaderName, Method, Request, Response};
use sip_transport::{Flow, FlowId};

use super::Transactions;
use crate::compose;
use crate::invite_client::InviteClient;
use crate::links::{Linked, Links};
use crate::matching::MatchKey;
use crate::non_invite_client::NonInviteClient;
use crate::outputs::Told;
use crate::slab::Key;
use crate::step::{Step, Tell};
use crate::tick::Tick;
use crate::timer::Timing;
use crate::timers::{Alarm, Timed};
use crate::{Branch, ClientTransactionId, Gone};

/// A client transaction: its machine, and how the layer finds and serves it.
#[derive(Debug)]
pub(super) struct Client {
    key: MatchKey,
    flow: FlowId,
    links: Links,
    alarm: Alarm,
    reliable: bool,
    machine: Machine,
}

#[derive(Debug)]
enum Machine {
    Invite {
        machine: InviteClient,
        /// The CANCEL that waits for a provisional response; empty when it was sent.
        cancel: Option<Box<[u8]>>,
    },
    NonInvite(NonInviteClient),
    /// The transaction of a CANCEL: the transaction user knows nothing of it.
    Cancel(NonInviteClient),
}

/// What remains of a step when the TU has been told.
#[derive(Debug)]
pub(super) struct Rest {
    key: Key,
    cancel: bool,
    ended: bool,
}

impl Linked for Client {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl Timed for Client {
    fn alarm(&mut self) -> &mut Alarm {
        &mut self.alarm
    }

    fn alarm_ref(&self) -> &Alarm {
        &self.alarm
    }
}

impl Client {
    pub(super) const fn flow(&self) -> FlowId {
        self.flow
    }

    pub(super) fn state_name(&self) -> &'static str {
        match &self.machine {
            Machine::Invite { machine, .. } => machine.state_name(),
            Machine::NonInvite(machine) | Machine::Cancel(machine) => machine.state_name(),
        }
    }
}

impl Machine {
    fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Invite { machine, .. } => machine.deadline(),
            Self::NonInvite(machine) | Self::Cancel(machine) => machine.deadline(),
        }
    }

    fn on_deadline(&mut self, timing: Timing<'_>, now: Tick) -> Step {
        match self {
            Self::Invite { machine, .. } => machine.on_deadline(now),
            Self::NonInvite(machine) | Self::Cancel(machine) => machine.on_deadline(timing, now),
        }
    }

    fn on_flow_failed(&mut self) -> Step {
        match self {
            Self::Invite { machine, .. } => machine.on_flow_failed(),
            Self::NonInvite(machine) | Self::Cancel(machine) => machine.on_flow_failed(),
        }
    }
}

impl Transactions {
    /// RFC 7339 §4.1, §4.2: what is added to a Via, without a value, which the server adds.
    pub(super) const fn asks_overload(&self) -> &'static [u8] {
        if self.config.overload_control {
            b";oc;oc-algo=\"loss\""
        } else {
            b""
        }
    }

    pub(super) fn start_client(
        &mut self,
        request: &Request,
        flow: &Flow,
        loop_hash: Option<u64>,
        now: Tick,
    ) -> ClientTransactionId {
        let method = request.method().clone();
        debug_assert_ne!(method, Method::Ack, "an ACK has no transaction: send_ack");
        if self.clients.len() >= self.config.max_client || method == Method::Ack {
            let id = ClientTransactionId(self.clients.burn());
            self.stats.refused_clients += 1;
            self.outputs.refused(id);
            self.outputs.terminated(id.into());
            return id;
        }
        let branch = Branch::mint(&mut self.rng, self.config.worker, loop_hash);
        let reliable = flow.is_reliable();
        let more = self.asks_overload();
        let (machine, step) = if method == Method::Invite {
            // It is kept while it rings, which may take hours: on its own.
            let payload = self.encode_apart(request, flow, &branch, more);
            let (machine, step) = InviteClient::new(payload, self.timing(reliable), now);
            let cancel = None;
            (Machine::Invite { machine, cancel }, step)
        } else {
            let (parts, arena) = self.encode_with_via(request, flow, &branch, more);
            let payload = arena.put(&parts);
            let (machine, step) = NonInviteClient::new(payload, self.timing(reliable), now);
            (Machine::NonInvite(machine), step)
        };
        let key = MatchKey::of_branch(branch.as_bytes(), method.as_str().as_bytes(), self.hash_key);
        let key = self.register_client(key, flow.id, reliable, machine);
        self.apply_client(key, step, now);
        ClientTransactionId(key)
    }

    /// The match key is in the index before the first transmit is queued: a response cannot come too early.
    fn register_client(
        &mut self,
        key: MatchKey,
        flow: FlowId,
        reliable: bool,
        machine: Machine,
    ) -> Key {
        self.stats.client_transactions += 1;
        let client = Client {
            key,
            flow,
            links: Links::NONE,
            alarm: Alarm::NONE,
            reliable,
            machine,
        };
        let slot = self.clients.insert(client);
        self.client_keys.insert(key.hash(), slot.index);
        self.client_flows.add(flow, slot, &mut self.clients);
        slot
    }

    /// A response came: what the TU is to be told, and then what remains to be done.
    pub(super) fn on_response(
        &mut self,
        response: &Response,
        now: Tick,
    ) -> (Option<Told>, Option<Rest>) {
        let Some(match_key) = MatchKey::of_response(response, self.hash_key) else {
            self.stats.unidentifiable += 1;
            return (None, None);
        };
        let mut found = None;
        self.client_keys.find(match_key.hash(), |slot| {
            found = self
                .clients
                .entry_at(slot)
                .filter(|(_, client)| client.key == match_key)
                .map(|(key, _)| key);
            found.is_some()
        });
        let Some((key, client)) = found.and_then(|key| Some((key, self.clients.get_mut(key)?)))
        else {
            self.stats.strays += 1;
            return (Some(Told::Stray), None);
        };
        let timing = Timing {
            times: &self.times,
            reliable: client.reliable,
        };
        let status = response.status();
        let step = match &mut client.machine {
            Machine::Invite { machine, cancel } => {
                let step = if status.is_provisional() {
                    machine.on_provisional(timing, now)
                } else if status.is_success() {
                    machine.on_success(timing, now)
                } else {
                    let scratch = &mut self.scratch;
                    let arena = &mut self.arena;
                    let build = |invite: &[u8]| {
                        scratch.clear();
                        compose::ack(invite, response, scratch);
                        arena.put(&[scratch])
                    };
                    machine.on_failure(build, timing, now)
                };
                if status.is_final() {
                    *cancel = None;
                }
                step
            }
            Machine::NonInvite(machine) | Machine::Cancel(machine) => {
                if status.is_provisional() {
                    machine.on_provisional(timing)
                } else {
                    machine.on_final(timing, now)
                }
            }
        };
        if step.tell.is_none() {
            self.stats.absorbed_responses += 1;
        }
        let sender = client.flow;
        let internal = matches!(client.machine, Machine::Cancel(_));
        if let Some(payload) = step.send {
            self.outputs.transmit(sender, payload);
        }
        let told = (step.tell == Some(Tell::Response) && !internal).then_some(Told::Response {
            id: ClientTransactionId(key),
        });
        let rest = Rest {
            key,
            cancel: step.cancel,
            ended: step.ended,
        };
        (told, Some(rest))
    }

    pub(super) fn cancel_client(
        &mut self,
        id: ClientTransactionId,
        headers: &[(HeaderName, &str)],
        now: Tick,
    ) -> Result<(), Gone> {
        let client = self.clients.get_mut(id.0).ok_or(Gone)?;
        let timing = Timing {
            times: &self.times,
            reliable: client.reliable,
        };
        let Machine::Invite { machine, cancel } = &mut client.machine else {
            // RFC 3261 §9.1: no CANCEL for another method.
            return Ok(());
        };
        let Some(invite) = machine.invite() else {
            // RFC 3261 §9.1: none after the final response.
            return Ok(());
        };
        if cancel.is_none() {
            self.scratch.clear();
            compose::cancel(invite, headers, &mut self.scratch);
            *cancel = Some(Box::from(self.scratch.as_slice()));
        }
        let step = machine.on_cancel(timing, now);
        self.apply_client(id.0, step, now);
        Ok(())
    }

    pub(super) fn give_up_client(&mut self, id: ClientTransactionId, at: Tick, now: Tick) {
        let Some(client) = self.clients.get_mut(id.0) else {
            return;
        };
        match &mut client.machine {
            Machine::Invite { machine, .. } => machine.give_up_at(at),
            Machine::NonInvite(machine) | Machine::Cancel(machine) => machine.give_up_at(at),
        }
        self.apply_client(id.0, Step::NOTHING, now);
    }

    pub(super) fn on_client_deadline(&mut self, key: Key, now: Tick) {
        while let Some(client) = self.clients.get_mut(key) {
            if client
                .machine
                .deadline()
                .is_none_or(|deadline| deadline > now)
            {
                break;
            }
            let timing = Timing {
                times: &self.times,
                reliable: client.reliable,
            };
            let step = client.machine.on_deadline(timing, now);
            if step.send.is_some() {
                self.stats.retransmitted_requests += 1;
            }
            if step.tell == Some(Tell::TimedOut) {
                self.stats.timeouts += 1;
            }
            self.apply_client(key, step, now);
        }
    }

    pub(super) fn on_client_flow_failed(&mut self, flow: FlowId, now: Tick) {
        for key in self.client_flows.keys(flow, &mut self.clients) {
            if let Some(client) = self.clients.get_mut(key) {
                // Those that stay to absorb responses have nothing more to hear of it.
                let links = std::mem::replace(&mut client.links, Links::NONE);
                let step = client.machine.on_flow_failed();
                self.client_flows.remove(links, &mut self.clients);
                self.apply_client(key, step, now);
            }
        }
    }

    /// Does what a machine wants that no response moved: sends, tells, cancels, and destroys or arms it.
    fn apply_client(&mut self, key: Key, step: Step, now: Tick) {
        let id = ClientTransactionId(key);
        let Some(client) = self.clients.get(key) else {
            return;
        };
        if let Some(payload) = step.send {
            self.outputs.transmit(client.flow, payload);
        }
        match step.tell {
            // The transaction user knows nothing of the transaction of a CANCEL.
            Some(_) if matches!(client.machine, Machine::Cancel(_)) => {}
            Some(Tell::TimedOut) => self.outputs.timed_out(id, client.flow),
            Some(Tell::FlowFailed) => self.outputs.flow_failed(id),
            Some(Tell::Response | Tell::Ack | Tell::AckTimedOut) => {
                debug_assert!(false, "told by another path")
            }
            None => {}
        }
        let rest = Rest {
            key,
            cancel: step.cancel,
            ended: step.ended,
        };
        self.settle_client(rest, now);
    }

    /// The rest of a step: cancels, and destroys or arms the transaction.
    pub(super) fn settle_client(&mut self, rest: Rest, now: Tick) {
        let key = rest.key;
        if rest.cancel
            && let Some(client) = self.clients.get_mut(key)
            && let Machine::Invite { cancel, .. } = &mut client.machine
            // What was sent is kept as an empty one, so that a second cancel builds nothing.
            && let Some(payload) = cancel.replace(Box::default())
            && !payload.is_empty()
        {
            let (flow, reliable, invite) = (client.flow, client.reliable, client.key);
            self.start_cancel(invite, Bytes::from(payload), flow, reliable, now);
        }
        if rest.ended {
            self.end_client(key);
        } else if let Some(client) = self.clients.get(key) {
            let deadline = client.machine.deadline();
            self.client_timers
                .set(key, deadline, now, &mut self.clients);
        }
    }

    /// RFC 3261 §9.1: the CANCEL has the branch of the INVITE, goes the same way, and has its own transaction.
    fn start_cancel(
        &mut self,
        invite: MatchKey,
        payload: Bytes,
        flow: FlowId,
        reliable: bool,
        now: Tick,
    ) {
        let key = invite.change_method(&Method::Invite, &Method::Cancel);
        let timing = Timing {
            times: &self.times,
            reliable,
        };
        let (machine, step) = NonInviteClient::new(payload, timing, now);
        let slot = self.register_client(key, flow, reliable, Machine::Cancel(machine));
        self.apply_client(slot, step, now);
    }

    fn end_client(&mut self, key: Key) {
        let Some(client) = self.clients.remove(key) else {
            return;
        };
        self.client_keys.remove(client.key.hash(), key.index);
        self.client_flows.remove(client.links, &mut self.clients);
        self.client_timers.forget(client.alarm, &mut self.clients);
        if !matches!(client.machine, Machine::Cancel(_)) {
            self.outputs.terminated(ClientTransactionId(key).into());
        }
    }
}
