//! What the [`Stack`]s of several workers hand to each other.
//!
//! Each worker has its own sockets at the same addresses, and the system deals what arrives out by the address of the
//! sender: datagrams of one address and port, and all of one connection, always reach the same worker. Almost everything
//! ends where it arrives. What does not is handed over, by value, as [`Handed`]:
//!
//! ```text
//!   a response            its branch names the worker that sent the request          that worker
//!   a message to send     the connection of its flow is with another worker           that worker
//!   a CANCEL              its INVITE is not here (it came over another flow)          one after the other
//!   SUBSCRIBE, PUBLISH    of an event package that this server answers for            the worker with the notifier
//!   a connection is gone  another worker has sent over it                             those workers
//!   a ban                 one worker has banned an address for its faults             all others
//!   an ICMP error         the system tells any of the sockets, not the one that sent  all others
//! ```
//! A flow of another worker is known by an id whose upper byte is that worker, so that transactions, roles and flow tokens
//! (RFC 5626 §5.2) name it like one of their own. Nobody waits for another: what a full queue does not take is lost, as
//! a datagram may be, and counted.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_message::{BoxedMessage, HeaderName, Method, Request, Response};
use sip_transaction::Branch;
use sip_transport::{Flow, FlowId, ListenerId, TransportKind};

use super::{Output, Stack};
use crate::guard::{BanCause, Guard};

/// How many workers there may be at most.
pub const MAX_WORKERS: u16 = 64;

/// The bits of the index of a flow that are left beside the worker.
const INDEX_BITS: u32 = 24;
/// Connections that other workers have used are forgotten when they are gone; so many are kept before they are looked
/// through.
const USED: usize = 1024;

/// Which of several workers a stack belongs to.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the caller says all of it")]
pub struct Place {
    /// The number of this worker, from 0.
    pub worker: u16,
    /// How many there are; at most [`MAX_WORKERS`].
    pub workers: u16,
    /// The event packages that the notifier serves, which is with worker 0.
    pub packages: Vec<Box<str>>,
    /// A number that differs from run to run and is the same for all workers of one: flow tokens are kept by others, and
    /// a connection of an earlier run has no meaning in this one.
    pub run: u32,
}

/// Something for the stack of another worker.
#[derive(Debug)]
pub struct Handed(Box<Work>);

#[derive(Debug)]
enum Work {
    /// A message that arrived elsewhere, with its flows in the wide form.
    Message {
        message: BoxedMessage,
        flow: Flow,
        reply: Flow,
        /// How large the datagram was.
        asked: Option<usize>,
        /// How many workers have passed it on.
        passed: u16,
    },
    /// A message for a connection here.
    Send {
        /// As it is known there.
        flow: FlowId,
        payload: Bytes,
        /// How large the datagram was that this answers.
        asked: Option<usize>,
        /// Who wants to know when the connection is gone.
        from: u16,
    },
    /// A connection is gone, or what was to be sent over it was not; its id is in the wide form.
    Failed {
        flow: FlowId,
    },
    Ban {
        address: IpAddr,
        time: Duration,
    },
    /// Datagrams do not arrive there.
    Unreached {
        listener: ListenerId,
        remote: SocketAddr,
    },
}

impl Handed {
    /// What its sender is to be told when the queue took it no more.
    #[must_use]
    pub fn lost(self, worker: u16) -> Option<Self> {
        match *self.0 {
            Work::Send { flow, .. } => Some(Self(Box::new(Work::Failed {
                flow: widen(flow, worker)?,
            }))),
            // What is lost like a datagram comes again like one.
            Work::Message { .. }
            | Work::Failed { .. }
            | Work::Ban { .. }
            | Work::Unreached { .. } => None,
        }
    }
}

/// What is kept for other workers.
#[derive(Debug)]
pub(super) struct Neighbours {
    place: Place,
    /// Who has sent over a connection of this worker, a bit for each.
    used: BTreeMap<FlowId, u64>,
}

/// The id by which other workers know a flow of this one.
fn widen(id: FlowId, worker: u16) -> Option<FlowId> {
    let (index, generation) = id.to_parts();
    if index >> INDEX_BITS != 0 {
        return None;
    }
    let wide = (u32::from(worker) + 1) << INDEX_BITS | index;
    Some(FlowId::from_parts(wide, generation))
}

/// The worker and its own id of a flow in the wide form.
fn narrow(id: FlowId) -> Option<(u16, FlowId)> {
    let (index, generation) = id.to_parts();
    let worker = (index >> INDEX_BITS).checked_sub(1)?;
    let worker = u16::try_from(worker)
        .ok()
        .filter(|one| *one < MAX_WORKERS)?;
    let index = index & ((1 << INDEX_BITS) - 1);
    Some((worker, FlowId::from_parts(index, generation)))
}

const fn with_id(flow: Flow, id: FlowId) -> Flow {
    Flow::new(id, flow.kind, flow.local, flow.remote)
}

impl Stack {
    /// This stack is one of several workers: see the documentation of [`Handed`]. Without this it is alone.
    pub fn set_place(&mut self, place: Place) {
        debug_assert!(place.worker < place.workers && place.workers <= MAX_WORKERS);
        self.neighbours = (place.workers > 1).then(|| {
            Box::new(Neighbours {
                place,
                used: BTreeMap::new(),
            })
        });
    }

    /// Which of several workers this is.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.neighbours.as_ref().map(|all| &all.place)
    }

    /// A message that was received here, unless it is another worker's.
    pub(super) fn keep(
        &mut self,
        message: BoxedMessage,
        flow: Flow,
        reply: Flow,
    ) -> Option<BoxedMessage> {
        let Some(all) = &self.neighbours else {
            return Some(message);
        };
        let owner = match &message {
            BoxedMessage::Response(response) => all.place.owner_of_response(response),
            BoxedMessage::Request(request) => match request.method() {
                Method::Subscribe | Method::Publish => all.place.owner_of_subscription(request),
                Method::Cancel if !self.transactions.is_known(request) => Some(all.place.next()),
                _ => None,
            },
        };
        match owner {
            Some(owner) if owner != all.place.worker => {
                self.pass_on(owner, message, flow, reply, 0);
                None
            }
            _ => Some(message),
        }
    }

    fn pass_on(&mut self, to: u16, message: BoxedMessage, flow: Flow, reply: Flow, passed: u16) {
        let Some(worker) = self.place().map(|place| place.worker) else {
            return;
        };
        let wide = |flow: Flow| match narrow(flow.id) {
            Some(_) => Some(flow),
            None => widen(flow.id, worker).map(|id| with_id(flow, id)),
        };
        if let (Some(flow), Some(reply)) = (wide(flow), wide(reply)) {
            let asked = self.asked.map(|(_, size)| size);
            self.hand(
                to,
                Work::Message {
                    message,
                    flow,
                    reply,
                    asked,
                    passed,
                },
            );
        }
    }

    fn hand(&mut self, worker: u16, work: Work) {
        let handed = Handed(Box::new(work));
        self.outputs.push_back(Output::HandOver { worker, handed });
    }

    /// Another worker has handed something over.
    pub(super) fn take_handed(&mut self, handed: Handed, wall: SystemTime, now: Instant) {
        match *handed.0 {
            Work::Message {
                message,
                flow,
                reply,
                asked,
                passed,
            } => {
                self.asked = asked.map(|size| (reply.remote, size));
                if let (BoxedMessage::Request(request), Some(all)) = (&message, &self.neighbours)
                    && *request.method() == Method::Cancel
                    && passed + 2 < all.place.workers
                    && !self.transactions.is_known(request)
                {
                    let next = all.place.next();
                    self.pass_on(next, message, flow, reply, passed + 1);
                    return;
                }
                self.transactions.handle_input(
                    sip_transaction::Input::Message {
                        message,
                        flow,
                        reply,
                    },
                    now,
                );
            }
            Work::Send {
                flow,
                payload,
                asked,
                from,
            } => {
                if !self.send_for(flow, payload, asked, from, wall, now)
                    && let Some(worker) = self.place().map(|place| place.worker)
                    && let Some(wide) = widen(flow, worker)
                {
                    self.hand(from, Work::Failed { flow: wide });
                }
            }
            Work::Failed { flow } => self
                .transactions
                .handle_input(sip_transaction::Input::FlowFailed { flow }, now),
            Work::Unreached { listener, remote } => self.transports.handle_input(
                sip_transport::Input::DatagramFailed { listener, remote },
                now,
            ),
            Work::Ban { address, time } => {
                if let Some(guard) = self.guard_mut() {
                    let _trusted = guard
                        .sources_mut()
                        .ban(address, time, BanCause::Faults, now);
                }
            }
        }
    }

    /// Sends for another worker. Was there such a flow?
    fn send_for(
        &mut self,
        id: FlowId,
        payload: Bytes,
        asked: Option<usize>,
        from: u16,
        wall: SystemTime,
        now: Instant,
    ) -> bool {
        let Some(flow) = self.transports.flow(id) else {
            return false;
        };
        if flow.is_reliable()
            && let Some(all) = &mut self.neighbours
        {
            if all.used.len() >= USED && !all.used.contains_key(&id) {
                let transports = &self.transports;
                all.used.retain(|id, _| transports.flow(*id).is_some());
            }
            *all.used.entry(id).or_default() |= 1 << from;
        }
        self.asked = asked.map(|size| (flow.remote, size));
        self.transmit(id, payload, wall, now);
        true
    }

    /// Sends over a flow of another worker. Is it one?
    pub(super) fn transmit_there(&mut self, id: FlowId, payload: &Bytes) -> bool {
        let Some(from) = self.place().map(|place| place.worker) else {
            return false;
        };
        let Some((owner, flow)) = narrow(id) else {
            return false;
        };
        let asked = self.asked.map(|(_, size)| size);
        let payload = payload.clone();
        self.hand(
            owner,
            Work::Send {
                flow,
                payload,
                asked,
                from,
            },
        );
        true
    }

    /// A flow of this worker is gone: others may have sent over it.
    pub(super) fn tell_failed(&mut self, flow: FlowId) {
        let Some(all) = &mut self.neighbours else {
            return;
        };
        let (worker, workers) = (all.place.worker, all.place.workers);
        let (Some(users), Some(flow)) = (all.used.remove(&flow), widen(flow, worker)) else {
            return;
        };
        for other in (0..workers).filter(|other| users >> other & 1 == 1) {
            self.hand(other, Work::Failed { flow });
        }
    }

    /// If an address was just banned here for its faults, it is by all.
    pub(super) fn tell_banned(&mut self) {
        if self.neighbours.is_none() {
            return;
        }
        let Some((address, time)) = self.guard_mut().and_then(Guard::new_ban) else {
            return;
        };
        self.hand_all(|| Work::Ban { address, time });
    }

    /// Whoever of the others sent there is to know that it did not arrive.
    pub(super) fn tell_unreached(&mut self, input: &sip_transport::Input) {
        if let sip_transport::Input::DatagramFailed { listener, remote } = *input {
            self.hand_all(|| Work::Unreached { listener, remote });
        }
    }

    fn hand_all(&mut self, work: impl Fn() -> Work) {
        let Some((worker, workers)) = self.place().map(|place| (place.worker, place.workers))
        else {
            return;
        };
        for other in (0..workers).filter(|other| *other != worker) {
            self.hand(other, work());
        }
    }

    /// The token of a flow, which any of the workers reads.
    pub(super) fn token_of(&mut self, flow: &Flow) -> Option<String> {
        let Some(place) = self.place() else {
            return self.transports.flow_token(flow.id);
        };
        if flow.kind == TransportKind::Udp {
            return Some(self.transports.sign_flow(flow));
        }
        let wide = match narrow(flow.id) {
            Some(_) => flow.id,
            None => widen(flow.id, place.worker)?,
        };
        Some(
            self.transports
                .sign_flow(&with_id(*flow, place.stamp(wide))),
        )
    }

    /// The flow of a token, here or with another worker.
    pub(super) fn flow_of(&mut self, token: &str, now: Instant) -> Option<Flow> {
        let Some(place) = self.place() else {
            return self.transports.flow_of_token(token, now).ok();
        };
        let named = self.transports.read_flow_token(token).ok()?;
        if named.kind == TransportKind::Udp {
            return self.transports.flow_of_token(token, now).ok();
        }
        let wide = place.stamp(named.id);
        match narrow(wide)? {
            (worker, id) if worker == place.worker => {
                self.transports.connected(&with_id(named, id))
            }
            (worker, _) if worker < place.workers => Some(with_id(named, wide)),
            _ => None,
        }
    }
}

impl Place {
    const fn next(&self) -> u16 {
        (self.worker + 1) % self.workers
    }

    /// The branch of a request that a worker sent names it.
    fn owner_of_response(&self, response: &Response) -> Option<u16> {
        let via = response.headers().top_via()?;
        Branch::worker_of(via.branch()?).filter(|worker| *worker < self.workers)
    }

    /// The notifier is with one worker, so that all who publish and all who watch a user meet.
    fn owner_of_subscription(&self, request: &Request) -> Option<u16> {
        let event = request.headers().get(HeaderName::Event)?;
        let name = event.split(';').next().unwrap_or_default().trim();
        let is_served = self
            .packages
            .iter()
            .any(|one| one.eq_ignore_ascii_case(name));
        is_served.then_some(0)
    }

    /// Marks and unmarks an id that goes into a token: that of an earlier run then names no flow.
    fn stamp(&self, id: FlowId) -> FlowId {
        let (index, generation) = id.to_parts();
        FlowId::from_parts(index, generation ^ self.run)
    }
}

#[cfg(test)]
mod tests;
