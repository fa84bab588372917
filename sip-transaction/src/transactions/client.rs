//! The client half of the layer: requests that leave, responses that come.

use std::time::Instant;

use bytes::Bytes;
use sip_message::{HeaderName, Method, Request, Response};
use sip_transport::{DeadlineId, Flow, FlowId};

use super::Transactions;
use crate::compose::Skeleton;
use crate::invite_client::InviteClient;
use crate::links::{Linked, Links};
use crate::matching::MatchKey;
use crate::non_invite_client::NonInviteClient;
use crate::slab::Key;
use crate::step::{Step, Tell};
use crate::timer::Timing;
use crate::{Branch, ClientTransactionId, Gone};

/// A client transaction: its machine, and how the layer finds and serves it.
#[derive(Debug)]
pub(super) struct Client {
    key: MatchKey,
    flow: FlowId,
    links: Links,
    deadline: Option<DeadlineId>,
    reliable: bool,
    machine: Machine,
}

#[derive(Debug)]
enum Machine {
    Invite {
        machine: InviteClient,
        cold: Option<Cold>,
    },
    NonInvite(NonInviteClient),
    /// The transaction of a CANCEL: the transaction user knows nothing of it.
    Cancel(NonInviteClient),
}

/// What an INVITE needs until its final response.
#[derive(Debug)]
struct Cold {
    skeleton: Skeleton,
    /// The CANCEL that waits for a provisional response; empty when it was sent.
    cancel: Option<Box<[u8]>>,
}

impl Linked for Client {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl Client {
    pub(super) fn state_name(&self) -> &'static str {
        match &self.machine {
            Machine::Invite { machine, .. } => machine.state_name(),
            Machine::NonInvite(machine) | Machine::Cancel(machine) => machine.state_name(),
        }
    }
}

impl Machine {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite { machine, .. } => machine.deadline(),
            Self::NonInvite(machine) | Self::Cancel(machine) => machine.deadline(),
        }
    }

    fn on_deadline(&mut self, timing: Timing<'_>, now: Instant) -> Step {
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
    pub(super) fn start_client(
        &mut self,
        mut request: Request,
        flow: Flow,
        loop_hash: Option<u64>,
        now: Instant,
    ) -> ClientTransactionId {
        self.last_now = Some(now);
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
        self.stamp(&mut request, &flow, &branch);
        let payload = request.to_bytes();
        let timing = Timing {
            config: &self.config,
            reliable: flow.is_reliable(),
        };
        let (machine, step) = if method == Method::Invite {
            let (machine, step) = InviteClient::new(payload, timing, now);
            let skeleton = Skeleton::of(&request, &mut self.scratch);
            (
                Machine::Invite {
                    machine,
                    cold: Some(Cold {
                        skeleton,
                        cancel: None,
                    }),
                },
                step,
            )
        } else {
            let (machine, step) = NonInviteClient::new(payload, timing, now);
            (Machine::NonInvite(machine), step)
        };
        let key = MatchKey::of_branch(
            branch.as_str().as_bytes(),
            method.as_str().as_bytes(),
            self.hash_key,
        );
        let key = self.register_client(key, flow.id, flow.is_reliable(), machine);
        self.apply_client(key, step, None, now);
        ClientTransactionId(key)
    }

    /// The match key is in the map before the first transmit is queued: a response cannot come too early.
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
            deadline: None,
            reliable,
            machine,
        };
        let slot = self.clients.insert(client);
        self.client_keys.insert(key, slot.index);
        self.client_flows.add(flow, slot, &mut self.clients);
        slot
    }

    pub(super) fn on_response(&mut self, response: Response, flow: Flow, now: Instant) {
        let Some(match_key) = MatchKey::of_response(&response, self.hash_key) else {
            self.stats.unidentifiable += 1;
            return;
        };
        let slot = self
            .client_keys
            .get(&match_key)
            .and_then(|index| self.clients.key_at(*index));
        let Some((key, client)) = slot.and_then(|key| Some((key, self.clients.get_mut(key)?)))
        else {
            self.stats.strays += 1;
            self.outputs.stray(response, flow);
            return;
        };
        let timing = Timing {
            config: &self.config,
            reliable: client.reliable,
        };
        let status = response.status();
        let step = match &mut client.machine {
            Machine::Invite { machine, cold } => {
                let step = if status.is_provisional() {
                    machine.on_provisional(timing, now)
                } else if status.is_success() {
                    machine.on_success(timing, now)
                } else {
                    let scratch = &mut self.scratch;
                    let build = || {
                        scratch.clear();
                        if let Some(cold) = cold.as_ref() {
                            cold.skeleton.ack(&response, scratch);
                        }
                        Bytes::copy_from_slice(scratch)
                    };
                    machine.on_failure(build, timing, now)
                };
                if status.is_final() {
                    *cold = None;
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
        self.apply_client(key, step, Some((response, flow)), now);
    }

    pub(super) fn cancel_client(
        &mut self,
        id: ClientTransactionId,
        headers: &[(HeaderName, &str)],
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let client = self.clients.get_mut(id.0).ok_or(Gone)?;
        let timing = Timing {
            config: &self.config,
            reliable: client.reliable,
        };
        let Machine::Invite {
            machine,
            cold: Some(cold),
        } = &mut client.machine
        else {
            // RFC 3261 §9.1: no CANCEL after the final response, and none for another method.
            return Ok(());
        };
        if cold.cancel.is_none() {
            self.scratch.clear();
            cold.skeleton.cancel(headers, &mut self.scratch);
            cold.cancel = Some(Box::from(self.scratch.as_slice()));
        }
        let step = machine.on_cancel(timing, now);
        self.apply_client(id.0, step, None, now);
        Ok(())
    }

    pub(super) fn on_client_deadline(&mut self, key: Key, now: Instant) {
        if let Some(client) = self.clients.get_mut(key) {
            client.deadline = None;
        }
        while let Some(client) = self.clients.get_mut(key) {
            if client
                .machine
                .deadline()
                .is_none_or(|deadline| deadline > now)
            {
                break;
            }
            let timing = Timing {
                config: &self.config,
                reliable: client.reliable,
            };
            let step = client.machine.on_deadline(timing, now);
            if step.send.is_some() {
                self.stats.retransmitted_requests += 1;
            }
            if step.tell == Some(Tell::TimedOut) {
                self.stats.timeouts += 1;
            }
            self.apply_client(key, step, None, now);
        }
    }

    pub(super) fn on_client_flow_failed(&mut self, flow: FlowId, now: Instant) {
        for key in self.client_flows.keys(flow, &mut self.clients) {
            if let Some(client) = self.clients.get_mut(key) {
                let step = client.machine.on_flow_failed();
                self.apply_client(key, step, None, now);
            }
        }
    }

    /// Does what a machine wants: sends, tells, cancels, and destroys or arms it.
    fn apply_client(
        &mut self,
        key: Key,
        step: Step,
        response: Option<(Response, Flow)>,
        now: Instant,
    ) {
        let id = ClientTransactionId(key);
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let (flow, reliable, match_key) = (client.flow, client.reliable, client.key);
        let internal = matches!(client.machine, Machine::Cancel(_));
        let cancel = match &mut client.machine {
            // What was sent is kept as an empty one, so that a second cancel builds nothing.
            Machine::Invite {
                cold: Some(cold), ..
            } if step.cancel => cold.cancel.replace(Box::default()),
            Machine::Invite { .. } | Machine::NonInvite(_) | Machine::Cancel(_) => None,
        };
        if let Some(payload) = step.send {
            self.outputs.transmit(flow, payload);
        }
        match step.tell {
            Some(tell) if !internal => self.tell_client(id, tell, response),
            Some(_) | None => {}
        }
        if let Some(payload) = cancel.filter(|cancel| !cancel.is_empty()) {
            self.start_cancel(match_key, Bytes::from(payload), flow, reliable, now);
        }
        if step.ended {
            self.end_client(key, internal);
        } else {
            self.arm_client(key);
        }
    }

    fn tell_client(
        &mut self,
        id: ClientTransactionId,
        tell: Tell,
        response: Option<(Response, Flow)>,
    ) {
        match tell {
            Tell::Response => {
                if let Some((response, flow)) = response {
                    self.outputs.response(id, response, flow);
                }
            }
            Tell::TimedOut => self.outputs.timed_out(id),
            Tell::FlowFailed => self.outputs.flow_failed(id),
            Tell::Ack | Tell::AckTimedOut => debug_assert!(false, "a client machine told {tell:?}"),
        }
    }

    /// RFC 3261 §9.1: the CANCEL has the branch of the INVITE, goes the same way, and has its own transaction.
    fn start_cancel(
        &mut self,
        invite: MatchKey,
        payload: Bytes,
        flow: FlowId,
        reliable: bool,
        now: Instant,
    ) {
        let key = invite.change_method(&Method::Invite, &Method::Cancel);
        let timing = Timing {
            config: &self.config,
            reliable,
        };
        let (machine, step) = NonInviteClient::new(payload, timing, now);
        let slot = self.register_client(key, flow, reliable, Machine::Cancel(machine));
        self.apply_client(slot, step, None, now);
    }

    fn arm_client(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if let Some(old) = client.deadline.take() {
            self.deadlines.cancel(old);
        }
        client.deadline = client.machine.deadline().map(|deadline| {
            self.deadlines
                .insert(deadline, ClientTransactionId(key).into())
        });
    }

    fn end_client(&mut self, key: Key, internal: bool) {
        let Some(client) = self.clients.remove(key) else {
            return;
        };
        self.client_keys.remove(&client.key);
        self.client_flows
            .remove(client.flow, client.links, &mut self.clients);
        if let Some(deadline) = client.deadline {
            self.deadlines.cancel(deadline);
        }
        if !internal {
            self.outputs.terminated(ClientTransactionId(key).into());
        }
    }
}
