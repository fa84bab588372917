//! The machine that makes the load: both ends of every operation, without sockets or clocks.
//!
//! It is no SIP stack: it knows the operations that it begins and nothing else, so that it costs less than what it loads. What
//! it sends is correct all the same: requests over UDP are sent again after T1, doubling (RFC 3261 sections 17.1.1.2 and
//! 17.1.2.2), the 200 to an INVITE until its ACK is there (section 13.3.1.4), answers are matched by their branch
//! (section 17.1.3), and what follows a call takes the way of its Record-Route.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sip_stack::transport::{ConnectionId, ListenerId};

use super::digest;
use super::plan::{Dialog, Plan, Turn, What};
use super::report::{Failure, Report};
use super::wire::{Id, Start, View};

/// Where a message goes, or came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Datagram(ListenerId, SocketAddr),
    Connection(ConnectionId),
}

/// RFC 3261 section 17.1.1.1.
const T1: Duration = Duration::from_millis(500);
/// How often T1 is doubled at most.
const DOUBLINGS: usize = 6;
/// After T1 was doubled so often it is T2.
const T2_DOUBLINGS: usize = 3;

/// Which request of an operation: the byte behind its number in the branch.
mod step {
    pub(super) const FIRST: u8 = b'a';
    pub(super) const WITH_CREDENTIALS: u8 = b'c';
    pub(super) const ACK: u8 = b'k';
    pub(super) const BYE: u8 = b'y';
}

/// How far the caller of an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Free,
    /// Waiting for the final answer to what is no INVITE.
    Request,
    /// Waiting for an answer to the INVITE.
    Calling,
    /// Waiting for the final answer to the INVITE.
    Proceeding,
    /// In conversation.
    Talking,
    /// Waiting for the answer to the BYE.
    Leaving,
}

/// How far the one who is called is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callee {
    Idle,
    Ringing,
    Answered,
    Confirmed,
}

/// An operation.
#[derive(Debug)]
struct Operation {
    generation: u32,
    phase: Phase,
    number: u64,
    cseq: u32,
    step: u8,
    began: Instant,
    /// When the request was first sent that is waited for.
    sent: Instant,
    way: Way,
    /// What is sent again.
    request: Bytes,
    sendings: usize,
    /// Counts up when a timer is not wanted any more.
    timer: u32,
    /// Why it fails, when its INVITE was cancelled.
    cancelled: Option<Failure>,
    dialog: Dialog,
    ack: Bytes,
    callee: Callee,
    callee_way: Way,
    callee_sent: Instant,
    callee_timer: u32,
    callee_sendings: usize,
    /// What the callee sends again.
    answer: Bytes,
    /// The INVITE while it rings.
    invite: Bytes,
}

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Caller,
    Callee,
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    at: Instant,
    id: Id,
    waiting: Waiting,
    /// What [`Operation::timer`] was.
    timer: u32,
}

/// One queue for each of the few times that are waited, so that each is in order by itself.
#[derive(Debug)]
struct Timers(Vec<(Duration, VecDeque<Timer>)>);

impl Timers {
    const HOLD: usize = DOUBLINGS;
    const RING: usize = DOUBLINGS + 1;
    const TIMEOUT: usize = DOUBLINGS + 2;

    fn new(plan: &Plan) -> Self {
        let mut times: Vec<Duration> = (0..DOUBLINGS as u32).map(|n| T1 * 2_u32.pow(n)).collect();
        times.extend([plan.hold, plan.ring.unwrap_or_default(), plan.timeout]);
        Self(
            times
                .into_iter()
                .map(|time| (time, VecDeque::new()))
                .collect(),
        )
    }

    fn arm(&mut self, which: usize, id: Id, waiting: Waiting, timer: u32, now: Instant) {
        if let Some((time, queue)) = self.0.get_mut(which) {
            let at = now + *time;
            queue.push_back(Timer {
                at,
                id,
                waiting,
                timer,
            });
        }
    }

    fn next(&self) -> Option<Instant> {
        self.0
            .iter()
            .filter_map(|(_, queue)| queue.front())
            .map(|timer| timer.at)
            .min()
    }

    fn pop(&mut self, now: Instant) -> Option<Timer> {
        self.0
            .iter_mut()
            .find(|(_, queue)| queue.front().is_some_and(|timer| timer.at <= now))
            .and_then(|(_, queue)| queue.pop_front())
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Engine {
    plan: Plan,
    /// How the caller's requests go, in turn.
    ways: Vec<Way>,
    operations: Vec<Operation>,
    free: Vec<u32>,
    timers: Timers,
    outputs: VecDeque<(Way, Bytes)>,
    /// Where messages are written; what is sent is a part of a larger piece of memory.
    scratch: Vec<u8>,
    chunk: BytesMut,
    pub(super) report: Report,
}

/// Bytes that are taken from the system at once.
const CHUNK: usize = 64 * 1024;

impl Engine {
    pub(super) fn new(plan: Plan, ways: Vec<Way>) -> Self {
        Self {
            timers: Timers::new(&plan),
            plan,
            ways,
            operations: Vec::new(),
            free: Vec::new(),
            outputs: VecDeque::new(),
            scratch: Vec::with_capacity(2048),
            chunk: BytesMut::new(),
            report: Report::new(),
        }
    }

    /// How many operations are in progress.
    pub(super) fn in_progress(&self) -> usize {
        self.operations.len() - self.free.len()
    }

    /// Is everything begun that was to be?
    pub(super) fn is_all_begun(&self) -> bool {
        self.plan
            .count
            .is_some_and(|count| self.report.started >= count)
    }

    /// The longest that an operation takes which goes well.
    pub(super) fn patience(&self) -> Duration {
        self.plan.ring.unwrap_or_default() + self.plan.hold + self.plan.timeout
    }

    /// The ways that requests may go from now on.
    pub(super) fn use_ways(&mut self, ways: Vec<Way>) {
        self.ways = ways;
    }

    /// Is there a way to the server?
    pub(super) const fn has_ways(&self) -> bool {
        !self.ways.is_empty()
    }

    /// How long an answer is waited for.
    pub(super) const fn timeout(&self) -> Duration {
        self.plan.timeout
    }

    pub(super) fn poll_output(&mut self) -> Option<(Way, Bytes)> {
        self.outputs.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Begins an operation.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.is_all_begun() {
            return;
        }
        let number = self.report.started;
        self.report.started += 1;
        if self.in_progress() >= self.plan.most {
            self.report.fail(Failure::Overrun);
            return;
        }
        let ways = self.ways.len().max(1) as u64;
        let Some(way) = self.ways.get((number % ways) as usize).copied() else {
            self.report.fail(Failure::Disconnected);
            return;
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.operations.push(Operation::new(way, now));
            (self.operations.len() - 1) as u32
        });
        let cseq = self.plan.first_cseq(number);
        let phase = self.first_phase();
        let Some(operation) = self.operations.get_mut(slot as usize) else {
            return;
        };
        operation.phase = phase;
        operation.number = number;
        operation.cseq = cseq;
        operation.step = step::FIRST;
        operation.began = now;
        operation.way = way;
        let turn = operation.turn(slot);
        self.plan
            .request(turn, step::FIRST, None, &mut self.scratch);
        let request = self.take_scratch();
        self.send_request(turn.id, request, now);
    }

    const fn first_phase(&self) -> Phase {
        match self.plan.what {
            What::Call => Phase::Calling,
            What::Options | What::Register | What::Message => Phase::Request,
        }
    }

    /// A message arrived.
    pub(super) fn handle_message(&mut self, message: &[u8], way: Way, now: Instant) {
        self.report.received += 1;
        let Some(view) = View::of(message) else {
            // Keep-alives are no messages.
            if !message.trim_ascii().is_empty() {
                self.report.strays += 1;
            }
            return;
        };
        match view.start {
            Start::Response { status } => self.on_response(&view, status, now),
            Start::Request { method } => self.on_request(&view, method, message, way, now),
        }
    }

    /// A connection is gone, and what was in progress over it.
    pub(super) fn handle_closed(&mut self, connection: ConnectionId) {
        let gone = Way::Connection(connection);
        self.ways.retain(|way| *way != gone);
        for slot in 0..self.operations.len() {
            let is_over = self
                .operations
                .get(slot)
                .is_some_and(|one| one.phase != Phase::Free && one.way == gone);
            if is_over {
                self.end(slot as u32, Some(Failure::Disconnected), None);
            }
        }
    }

    /// Gives up on what is still in progress; calls that ring are cancelled.
    pub(super) fn give_up(&mut self, now: Instant) {
        for slot in 0..self.operations.len() as u32 {
            self.give_up_one(slot, Failure::Unfinished, now);
        }
    }

    /// Forgets what is still in progress, as failed.
    pub(super) fn forget(&mut self) {
        for slot in 0..self.operations.len() as u32 {
            let failure = self.operations.get(slot as usize).and_then(|operation| {
                (operation.phase != Phase::Free)
                    .then(|| operation.cancelled.unwrap_or(Failure::Unfinished))
            });
            if let Some(failure) = failure {
                self.end(slot, Some(failure), None);
            }
        }
    }

    /// Time passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop(now) {
            let Some(operation) = self.operations.get(timer.id.slot as usize) else {
                continue;
            };
            if operation.generation != timer.id.generation {
                continue;
            }
            match timer.waiting {
                Waiting::Caller if operation.timer == timer.timer => {
                    self.on_caller_timer(timer.id, now)
                }
                Waiting::Callee if operation.callee_timer == timer.timer => {
                    self.on_callee_timer(timer.id, now)
                }
                Waiting::Caller | Waiting::Callee => {}
            }
        }
    }

    fn on_caller_timer(&mut self, id: Id, now: Instant) {
        let Some(operation) = self.operations.get_mut(id.slot as usize) else {
            return;
        };
        match operation.phase {
            Phase::Free => {}
            Phase::Talking => self.leave(id, now),
            Phase::Request | Phase::Calling | Phase::Leaving | Phase::Proceeding => {
                if now.saturating_duration_since(operation.sent) >= self.plan.timeout {
                    self.give_up_one(id.slot, Failure::TimedOut, now);
                } else {
                    let again = operation.request.clone();
                    let way = operation.way;
                    operation.sendings += 1;
                    self.report.retransmissions += 1;
                    self.transmit(way, again);
                    self.arm_retransmission(id, now);
                }
            }
        }
    }

    /// RFC 3261 section 9.1: what has an answer that is not final is cancelled; there is an end to that too.
    fn give_up_one(&mut self, slot: u32, failure: Failure, now: Instant) {
        let Some(operation) = self.operations.get_mut(slot as usize) else {
            return;
        };
        match operation.phase {
            Phase::Free => {}
            Phase::Proceeding if operation.cancelled.is_none() => {
                operation.cancelled = Some(failure);
                operation.sent = now;
                operation.timer += 1;
                let (turn, way, step) = (operation.turn(slot), operation.way, operation.step);
                let timer = operation.timer;
                self.plan
                    .beside_invite("CANCEL", turn, step, None, &mut self.scratch);
                let cancel = self.take_scratch();
                self.transmit(way, cancel);
                self.timers
                    .arm(Timers::TIMEOUT, turn.id, Waiting::Caller, timer, now);
            }
            Phase::Request
            | Phase::Calling
            | Phase::Proceeding
            | Phase::Talking
            | Phase::Leaving => {
                let failure = operation.cancelled.unwrap_or(failure);
                self.end(slot, Some(failure), None);
            }
        }
    }

    fn on_response(&mut self, view: &View<'_>, status: u16, now: Instant) {
        let found = view.by_branch.and_then(|(id, step)| {
            let operation = self.operations.get_mut(id.slot as usize)?;
            (operation.generation == id.generation && operation.phase != Phase::Free)
                .then_some((id, step, operation))
        });
        let Some((id, step, operation)) = found else {
            self.report.strays += 1;
            return;
        };
        if operation.step != step {
            // RFC 3261 section 13.2.2.4: the ACK to a 200 that comes again is sent again.
            if (200..300).contains(&status) && view.cseq_method() == b"INVITE" {
                let (way, ack) = (operation.way, operation.ack.clone());
                self.report.retransmissions += 1;
                self.transmit(way, ack);
            } else {
                self.report.strays += 1;
            }
            return;
        }
        match (operation.phase, status) {
            (Phase::Calling, 100..=199) => {
                // The answer to the CANCEL has the branch of the INVITE too, but not its method.
                operation.phase = Phase::Proceeding;
                operation.timer += 1;
                let timer = operation.timer;
                self.timers
                    .arm(Timers::TIMEOUT, id, Waiting::Caller, timer, now);
            }
            (_, 100..=199) => {}
            (Phase::Calling | Phase::Proceeding, _) if view.cseq_method() != b"INVITE" => {}
            (Phase::Calling | Phase::Proceeding, 200..=299) => self.on_answered(id, view, now),
            (Phase::Calling | Phase::Proceeding, _) => {
                let (turn, way) = (operation.turn(id.slot), operation.way);
                let cancelled = operation.cancelled;
                self.plan
                    .beside_invite("ACK", turn, step, Some(view.to), &mut self.scratch);
                let ack = self.take_scratch();
                self.transmit(way, ack);
                match cancelled {
                    Some(failure) => self.end(id.slot, Some(failure), None),
                    None => self.on_refused(id, view, status, now),
                }
            }
            (Phase::Request, 200..=299) | (Phase::Leaving, 200..=299) => {
                let failure = operation.cancelled;
                self.end(id.slot, failure, Some(now));
            }
            (Phase::Request, _) => self.on_refused(id, view, status, now),
            (Phase::Leaving, _) => self.end(id.slot, Some(Failure::Status(status)), None),
            (Phase::Free | Phase::Talking, _) => self.report.strays += 1,
        }
    }

    /// A final answer that is no success: perhaps a challenge.
    fn on_refused(&mut self, id: Id, view: &View<'_>, status: u16, now: Instant) {
        let phase = self.first_phase();
        let Some(operation) = self.operations.get_mut(id.slot as usize) else {
            return;
        };
        let value = match (&self.plan.password, status) {
            (Some(password), 401 | 407) if operation.step == step::FIRST => {
                self.plan.push_uri(operation.number, &mut self.scratch);
                let uri = String::from_utf8_lossy(&self.scratch).into_owned();
                self.scratch.clear();
                let user = self.plan.user_name(self.plan.user(operation.number));
                let method = self.plan.what.method();
                let cnonce = format!("{:08x}", operation.number);
                digest::answer(view.challenges(), &user, password, method, &uri, &cnonce)
            }
            _ => None,
        };
        let Some(value) = value else {
            self.end(id.slot, Some(Failure::Status(status)), None);
            return;
        };
        let name = if status == 401 {
            "Authorization"
        } else {
            "Proxy-Authorization"
        };
        operation.cseq += 1;
        operation.step = step::WITH_CREDENTIALS;
        operation.phase = phase;
        let turn = operation.turn(id.slot);
        self.plan.request(
            turn,
            step::WITH_CREDENTIALS,
            Some((name, &value)),
            &mut self.scratch,
        );
        let request = self.take_scratch();
        self.send_request(id, request, now);
    }

    /// The call was answered: ACK, and soon or later BYE.
    fn on_answered(&mut self, id: Id, view: &View<'_>, now: Instant) {
        let Some(operation) = self.operations.get_mut(id.slot as usize) else {
            return;
        };
        let dialog = &mut operation.dialog;
        dialog.to.clear();
        dialog.to.extend_from_slice(view.to);
        dialog.target.clear();
        dialog.routes.clear();
        let Some(target) = view.contact() else {
            self.end(id.slot, Some(Failure::Nonsense), None);
            return;
        };
        dialog.target.extend_from_slice(target);
        // RFC 3261 section 12.1.2: "the list of URIs in the Record-Route header field from the response, taken in reverse order".
        let all: Vec<&[u8]> = view.record_routes().flat_map(elements).collect();
        for route in all.into_iter().rev() {
            dialog.routes.extend_from_slice(b"Route: ");
            dialog.routes.extend_from_slice(route);
            dialog.routes.extend_from_slice(b"\r\n");
        }
        self.report
            .setups
            .record(now.saturating_duration_since(operation.began));
        operation.step = step::ACK;
        operation.phase = Phase::Talking;
        operation.timer += 1;
        let (turn, way, timer) = (operation.turn(id.slot), operation.way, operation.timer);
        self.plan
            .in_dialog("ACK", turn, step::ACK, &operation.dialog, &mut self.scratch);
        let ack = self.take_scratch();
        if let Some(operation) = self.operations.get_mut(id.slot as usize) {
            operation.ack = ack.clone();
        }
        self.transmit(way, ack);
        if self.plan.hold.is_zero() {
            self.leave(id, now);
        } else {
            self.timers
                .arm(Timers::HOLD, id, Waiting::Caller, timer, now);
        }
    }

    /// Hangs up.
    fn leave(&mut self, id: Id, now: Instant) {
        let Some(operation) = self.operations.get_mut(id.slot as usize) else {
            return;
        };
        operation.step = step::BYE;
        operation.phase = Phase::Leaving;
        operation.cseq += 1;
        let turn = operation.turn(id.slot);
        self.plan
            .in_dialog("BYE", turn, step::BYE, &operation.dialog, &mut self.scratch);
        let bye = self.take_scratch();
        self.send_request(id, bye, now);
    }

    /// Sends a request whose answer is waited for.
    fn send_request(&mut self, id: Id, request: Bytes, now: Instant) {
        let Some(operation) = self.operations.get_mut(id.slot as usize) else {
            return;
        };
        operation.request = request.clone();
        operation.sendings = 0;
        operation.sent = now;
        operation.timer += 1;
        let way = operation.way;
        self.transmit(way, request);
        self.arm_retransmission(id, now);
    }

    fn arm_retransmission(&mut self, id: Id, now: Instant) {
        let Some(operation) = self.operations.get(id.slot as usize) else {
            return;
        };
        // RFC 3261 sections 17.1.1.2 and 17.1.2.2: nothing is sent again over a reliable transport; the interval of an
        // INVITE is doubled without end, that of others up to T2.
        let most = match operation.phase {
            Phase::Calling => DOUBLINGS - 1,
            Phase::Free | Phase::Request | Phase::Proceeding | Phase::Talking | Phase::Leaving => {
                T2_DOUBLINGS
            }
        };
        let which = match operation.way {
            Way::Connection(_) => Timers::TIMEOUT,
            Way::Datagram(..) => {
                let waited = now.saturating_duration_since(operation.sent);
                let left = self.plan.timeout.saturating_sub(waited);
                let wanted = operation.sendings.min(most);
                // What is left may be less than the next interval.
                let fits = |which: &usize| left >= T1 * 2_u32.pow(*which as u32);
                (0..=wanted).rev().find(fits).unwrap_or(0)
            }
        };
        let timer = operation.timer;
        self.timers.arm(which, id, Waiting::Caller, timer, now);
    }

    /// An operation ended: well, with the time of its last answer, or by a failure.
    fn end(&mut self, slot: u32, failure: Option<Failure>, answered: Option<Instant>) {
        let Some(operation) = self.operations.get_mut(slot as usize) else {
            return;
        };
        match (failure, answered) {
            (Some(failure), _) => self.report.fail(failure),
            (None, answered) => {
                self.report.completed += 1;
                if let Some(now) = answered {
                    let time = now.saturating_duration_since(operation.began);
                    self.report.times.record(time);
                }
            }
        }
        operation.clear();
        self.free.push(slot);
    }

    fn on_request(
        &mut self,
        view: &View<'_>,
        method: &[u8],
        message: &[u8],
        way: Way,
        now: Instant,
    ) {
        let found = view.by_call_id.and_then(|id| {
            let operation = self.operations.get_mut(id.slot as usize)?;
            (operation.generation == id.generation && operation.phase != Phase::Free)
                .then_some((id, operation))
        });
        match (method, found) {
            (b"ACK", Some((_, operation))) => {
                operation.callee = Callee::Confirmed;
                operation.callee_timer += 1;
                operation.answer = Bytes::new();
            }
            (b"ACK", None) => self.report.strays += 1,
            (b"INVITE", Some((id, operation))) => match operation.callee {
                Callee::Idle => {
                    operation.callee_way = way;
                    if self.plan.ring.is_some() {
                        operation.callee = Callee::Ringing;
                        operation.invite = Bytes::copy_from_slice(message);
                        let timer = operation.callee_timer;
                        let answer = self.answer(view, b"180 Ringing", b"", id);
                        if let Some(operation) = self.operations.get_mut(id.slot as usize) {
                            operation.answer = answer.clone();
                        }
                        self.transmit(way, answer);
                        self.timers
                            .arm(Timers::RING, id, Waiting::Callee, timer, now);
                    } else {
                        self.pick_up(view, id, now);
                    }
                }
                // The INVITE came again.
                Callee::Ringing | Callee::Answered => {
                    let again = operation.answer.clone();
                    self.report.retransmissions += 1;
                    self.transmit(way, again);
                }
                Callee::Confirmed => self.report.strays += 1,
            },
            (b"INVITE", None) => self.report.strays += 1,
            (b"CANCEL", Some((id, operation))) => {
                let invite = std::mem::take(&mut operation.invite);
                let was_ringing = operation.callee == Callee::Ringing;
                operation.callee_timer += 1;
                let answer = self.answer(view, b"200 OK", method, id);
                self.transmit(way, answer);
                if was_ringing && let Some(view) = View::of(&invite) {
                    let answer = self.answer(&view, b"487 Request Terminated", b"", id);
                    if let Some(operation) = self.operations.get_mut(id.slot as usize) {
                        operation.callee = Callee::Answered;
                        operation.answer = answer.clone();
                    }
                    self.transmit(way, answer);
                }
            }
            (_, found) => {
                if let (b"BYE", Some((_, operation))) = (method, found) {
                    operation.callee = Callee::Confirmed;
                    operation.callee_timer += 1;
                }
                let tag = view.by_call_id.unwrap_or(Id {
                    slot: 0,
                    generation: 0,
                });
                let answer = self.answer(view, b"200 OK", method, tag);
                self.transmit(way, answer);
            }
        }
    }

    fn pick_up(&mut self, view: &View<'_>, id: Id, now: Instant) {
        let answer = self.answer(view, b"200 OK", b"INVITE", id);
        let Some(operation) = self.operations.get_mut(id.slot as usize) else {
            return;
        };
        operation.callee = Callee::Answered;
        operation.answer = answer.clone();
        operation.callee_sendings = 0;
        operation.callee_sent = now;
        operation.callee_timer += 1;
        let (way, timer) = (operation.callee_way, operation.callee_timer);
        self.transmit(way, answer);
        self.timers.arm(0, id, Waiting::Callee, timer, now);
    }

    fn on_callee_timer(&mut self, id: Id, now: Instant) {
        let Some(operation) = self.operations.get_mut(id.slot as usize) else {
            return;
        };
        match operation.callee {
            Callee::Ringing => {
                let invite = std::mem::take(&mut operation.invite);
                if let Some(view) = View::of(&invite) {
                    self.pick_up(&view, id, now);
                }
            }
            // RFC 3261 section 13.3.1.4: until the ACK, doubling up to T2, whatever the transport; for 64 T1.
            Callee::Answered if now.saturating_duration_since(operation.callee_sent) < T1 * 64 => {
                operation.callee_sendings += 1;
                let which = operation.callee_sendings.min(T2_DOUBLINGS);
                let (way, again) = (operation.callee_way, operation.answer.clone());
                let timer = operation.callee_timer;
                self.report.retransmissions += 1;
                self.transmit(way, again);
                self.timers.arm(which, id, Waiting::Callee, timer, now);
            }
            Callee::Answered | Callee::Idle | Callee::Confirmed => {}
        }
    }

    /// Writes the answer to a request.
    fn answer(&mut self, view: &View<'_>, status: &[u8], method: &[u8], tag: Id) -> Bytes {
        view.begin_answer(status, tag, &mut self.scratch);
        let number = self
            .operations
            .get(tag.slot as usize)
            .map_or(0, |operation| operation.number);
        let user = self.plan.user(number + 1);
        self.plan.end_answer(method, user, &mut self.scratch);
        self.take_scratch()
    }

    fn transmit(&mut self, way: Way, message: Bytes) {
        self.report.sent += 1;
        self.outputs.push_back((way, message));
    }

    fn take_scratch(&mut self) -> Bytes {
        if self.chunk.capacity() < self.scratch.len() {
            self.chunk = BytesMut::with_capacity(CHUNK.max(self.scratch.len()));
        }
        self.chunk.extend_from_slice(&self.scratch);
        self.scratch.clear();
        self.chunk.split().freeze()
    }
}

impl Operation {
    fn new(way: Way, now: Instant) -> Self {
        Self {
            generation: 0,
            phase: Phase::Free,
            number: 0,
            cseq: 0,
            step: 0,
            began: now,
            sent: now,
            way,
            request: Bytes::new(),
            sendings: 0,
            timer: 0,
            cancelled: None,
            dialog: Dialog::default(),
            ack: Bytes::new(),
            callee: Callee::Idle,
            callee_way: way,
            callee_sent: now,
            callee_timer: 0,
            callee_sendings: 0,
            answer: Bytes::new(),
            invite: Bytes::new(),
        }
    }

    const fn turn(&self, slot: u32) -> Turn {
        Turn {
            id: Id {
                slot,
                generation: self.generation,
            },
            number: self.number,
            cseq: self.cseq,
        }
    }

    /// Makes room for the next one; its memory is kept.
    fn clear(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.phase = Phase::Free;
        self.timer += 1;
        self.cancelled = None;
        self.request = Bytes::new();
        self.ack = Bytes::new();
        self.callee = Callee::Idle;
        self.callee_timer += 1;
        self.answer = Bytes::new();
        self.invite = Bytes::new();
    }
}

/// The elements of a list of addresses in angle brackets.
fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_inside = false;
    list.split(move |byte| {
        match byte {
            b'<' => is_inside = true,
            b'>' => is_inside = false,
            _ => {}
        }
        *byte == b',' && !is_inside
    })
    .map(<[u8]>::trim_ascii)
}
