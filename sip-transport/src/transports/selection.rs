//! Choosing flows for a target: the procedure of RFC 3263 and what surrounds it.

use std::net::SocketAddr;
use std::time::Instant;

use super::owed::Unanswered;
use super::reply::Held;
use super::{Timer, Transports};
use crate::deadline::DeadlineId;
use crate::flow::Flow;
use crate::id::{FlowId, ResolveId, SelectId};
use crate::io::{Answer, Event, Output, ResolveError, SelectError};
use crate::kind::TransportKind;
use crate::procedure::{Policy, Procedure, Step};
use crate::target::{Target, TargetHost};

/// A selection that waits for answers.
#[derive(Debug)]
pub(super) struct Selection {
    procedure: Procedure,
    target: Target,
    size: usize,
    asked: Vec<ResolveId>,
    deadline: DeadlineId,
    purpose: Purpose,
}

/// Who wants to know.
#[derive(Debug)]
pub(super) enum Purpose {
    /// The layer above, which is told of flows.
    Select,
    /// Responses of a flow whose connection cannot be opened (RFC 3263 §5).
    Reply(FlowId),
    /// A response that its source did not take, by datagram (RFC 3263 §5).
    Owed(Box<Unanswered>),
    /// A request whose response goes to a name (RFC 3261 §18.2.2).
    Request(Box<Held>),
}

impl Transports {
    /// Finds the flows over which a request of `size` bytes (its Via included) can reach a target, in order of
    /// preference (RFC 3263 §4, RFC 3261 §18.1.1). Always answered by [`Event::Selected`], which is queued at once
    /// where no name has to be resolved. A flow that is not connected is connected by the first
    /// [`send`](Self::send).
    pub fn select(&mut self, target: &Target, size: usize, now: Instant) -> SelectId {
        self.last_now = Some(now);
        let id = SelectId(self.next_select);
        self.next_select += 1;
        if let Some(flow) = self.known_flow(target, size, now) {
            self.event(Event::Selected {
                id,
                result: Ok(vec![flow]),
            });
            return id;
        }
        let transports = self.usable_transports();
        let policy = Policy {
            transports: &transports,
            service_records: self.config.service_records,
            limit: self.config.limits.addresses,
        };
        match Procedure::start(target, policy) {
            (_, Step::Done(result)) => self.finish(id, result, 1, target, size, now),
            (Some(procedure), Step::Ask(questions))
                if self.selections.len() < self.config.limits.selections =>
            {
                let deadline = self
                    .deadlines
                    .insert(now + self.config.resolve_time, Timer::Selection(id));
                let selection = Selection {
                    procedure,
                    target: target.clone(),
                    size,
                    asked: Vec::new(),
                    deadline,
                    purpose: Purpose::Select,
                };
                self.selections.insert(id, selection);
                self.stats.selections = self.selections.len();
                self.ask(id, questions);
            }
            (_, Step::Ask(_) | Step::Wait) => {
                self.finish(id, Err(SelectError::Limit), 0, target, size, now)
            }
        }
        id
    }

    /// Looks for the places of a target, for a purpose of this layer.
    pub(super) fn look_up(&mut self, target: Target, purpose: Purpose, now: Instant) {
        let id = SelectId(self.next_select);
        self.next_select += 1;
        let transports = self.usable_transports();
        let policy = Policy {
            transports: &transports,
            service_records: self.config.service_records,
            limit: self.config.limits.addresses,
        };
        match Procedure::start(&target, policy) {
            (_, Step::Done(result)) => self.looked_up(purpose, result, now),
            (Some(procedure), Step::Ask(questions))
                if self.selections.len() < self.config.limits.selections =>
            {
                let deadline = self
                    .deadlines
                    .insert(now + self.config.resolve_time, Timer::Selection(id));
                let selection = Selection {
                    procedure,
                    target,
                    size: 0,
                    asked: Vec::new(),
                    deadline,
                    purpose,
                };
                self.selections.insert(id, selection);
                self.stats.selections = self.selections.len();
                self.ask(id, questions);
            }
            (_, Step::Ask(_) | Step::Wait) => self.looked_up(purpose, Err(SelectError::Limit), now),
        }
    }

    fn looked_up(
        &mut self,
        purpose: Purpose,
        result: Result<Vec<(TransportKind, SocketAddr)>, SelectError>,
        now: Instant,
    ) {
        match purpose {
            Purpose::Select => {}
            Purpose::Reply(flow) => self.on_reply_places(flow, result, now),
            Purpose::Owed(unanswered) => self.on_owed_place(*unanswered, result, now),
            Purpose::Request(held) => self.on_held_place(*held, result, now),
        }
    }

    /// The flow that [`select`](Self::select) would answer with, where that is known without looking for it: the UDP flow
    /// to an address that was selected before, if nothing has changed since that would make it another one, or the open
    /// TCP connection to an address whose URI asks for TCP. For callers that can go on at once; `None` means that they
    /// select.
    #[inline]
    pub fn known_flow(&mut self, target: &Target, size: usize, now: Instant) -> Option<Flow> {
        let (kind, remote) = plain_address(target)?;
        if kind == TransportKind::Tcp {
            return self.known_connection(remote, now);
        }
        // What is too large for a datagram has two ways.
        if size > self.config.datagram_size {
            return None;
        }
        let id = self.shortcuts.find(remote)?;
        let entry = self.flows.get_mut(id)?;
        if entry.flow.kind != TransportKind::Udp || entry.flow.remote != remote {
            return None;
        }
        entry.used = now;
        entry.referenced = true;
        Some(entry.flow)
    }

    /// RFC 3261 §18: "connections be kept open for some implementation-defined duration", and are used again.
    fn known_connection(&mut self, remote: SocketAddr, now: Instant) -> Option<Flow> {
        let id = *self.stream_flows.get(&(TransportKind::Tcp, remote))?;
        if self.is_open(id) {
            self.touch(id, now)
        } else {
            None
        }
    }

    fn ask(&mut self, id: SelectId, questions: Vec<(usize, crate::io::Question, Box<str>)>) {
        for (number, question, name) in questions {
            let resolve = ResolveId(self.next_resolve);
            self.next_resolve += 1;
            self.questions.insert(resolve, (id, number));
            if let Some(selection) = self.selections.get_mut(&id) {
                selection.asked.push(resolve);
            }
            self.outputs.push_back(Output::Resolve {
                id: resolve,
                question,
                name,
            });
        }
    }

    pub(super) fn on_resolved(
        &mut self,
        id: ResolveId,
        result: Result<Answer, ResolveError>,
        now: Instant,
    ) {
        let Some((select, number)) = self.questions.remove(&id) else {
            return;
        };
        let Some(selection) = self.selections.get_mut(&select) else {
            return;
        };
        match selection.procedure.answer(number, result, &mut self.rng) {
            Step::Wait => {}
            Step::Ask(questions) => {
                selection.asked.clear();
                self.ask(select, questions);
            }
            Step::Done(result) => {
                if let Some(selection) = self.forget_selection(select) {
                    if !matches!(selection.purpose, Purpose::Select) {
                        self.looked_up(selection.purpose, result, now);
                        return;
                    }
                    let (target, size) = (&selection.target, selection.size);
                    let of_first = selection.procedure.of_first_host();
                    self.finish(select, result, of_first, target, size, now);
                }
            }
        }
    }

    pub(super) fn on_selection_deadline(&mut self, id: SelectId, now: Instant) {
        let Some(selection) = self.forget_selection(id) else {
            return;
        };
        if matches!(selection.purpose, Purpose::Select) {
            self.event(Event::Selected {
                id,
                result: Err(SelectError::TimedOut),
            });
        } else {
            self.looked_up(selection.purpose, Err(SelectError::TimedOut), now);
        }
    }

    fn forget_selection(&mut self, id: SelectId) -> Option<Selection> {
        let selection = self.selections.remove(&id)?;
        self.deadlines.cancel(selection.deadline);
        for question in &selection.asked {
            self.questions.remove(question);
        }
        self.stats.selections = self.selections.len();
        Some(selection)
    }

    /// Turns places into flows; so many of them at the beginning are of one host.
    fn finish(
        &mut self,
        id: SelectId,
        result: Result<Vec<(TransportKind, SocketAddr)>, SelectError>,
        of_first_host: usize,
        target: &Target,
        size: usize,
        now: Instant,
    ) {
        let mut first_host = Vec::new();
        let result = result.and_then(|places| {
            first_host.extend(places.iter().take(of_first_host).map(|(_, addr)| *addr));
            let server_name = match &target.host {
                TargetHost::Name(name) => Some(&**name),
                TargetHost::Ip(_) => None,
            };
            let mut flows: Vec<Flow> = Vec::with_capacity(places.len());
            let mut error = SelectError::NoRoute;
            for (kind, remote) in self.by_health(self.by_size(places, size)) {
                match self.flow_for(kind, remote, server_name, now) {
                    Ok(flow) if !flows.contains(&flow) => flows.push(flow),
                    Ok(_) => {}
                    Err(other) => error = other,
                }
            }
            if flows.is_empty() {
                Err(error)
            } else {
                Ok(flows)
            }
        });
        if let (Some((TransportKind::Udp, remote)), Ok([flow])) =
            (plain_address(target), result.as_deref())
            && flow.kind == TransportKind::Udp
        {
            self.shortcuts.note(remote, flow.id);
        }
        match result {
            Ok(flows) => self.race(id, flows, &first_host, now),
            Err(_) => self.event(Event::Selected { id, result }),
        }
    }

    /// RFC 3261 §18.1.1: "If a request is within 200 bytes of the path MTU, or if it is larger than 1300 bytes and
    /// the path MTU is unknown, the request MUST be sent using a congestion controlled transport", and "the element
    /// SHOULD retry the request using UDP" where that fails.
    fn by_size(
        &self,
        places: Vec<(TransportKind, SocketAddr)>,
        size: usize,
    ) -> Vec<(TransportKind, SocketAddr)> {
        if size <= self.config.datagram_size {
            return places;
        }
        let mut sized = Vec::with_capacity(2 * places.len());
        for (kind, remote) in places {
            // RFC 3261 §18.1.1 knows no way for a large request to a group, which no connection reaches.
            if kind == TransportKind::Udp && !remote.ip().is_multicast() {
                sized.push((TransportKind::Tcp, remote));
            }
            sized.push((kind, remote));
        }
        // Those that can carry it come first; the order is otherwise kept.
        sized.sort_by_key(|(kind, _)| *kind == TransportKind::Udp);
        sized
    }

    /// Puts places that failed of late behind the others; none is left out, because it may be the only one.
    fn by_health(
        &self,
        mut places: Vec<(TransportKind, SocketAddr)>,
    ) -> Vec<(TransportKind, SocketAddr)> {
        if !self.failing.is_empty() {
            places.sort_by_key(|place| self.failing.contains_key(place));
        }
        places
    }

    /// Remembers for some time that a place failed (RFC 3263 §4.3).
    pub(super) fn note_failure(&mut self, kind: TransportKind, remote: SocketAddr, now: Instant) {
        if self.failing.len() >= self.config.limits.failing
            && !self.failing.contains_key(&(kind, remote))
        {
            return;
        }
        let heal = self
            .deadlines
            .insert(now + self.config.failing_time, Timer::Heal(kind, remote));
        if let Some(earlier) = self.failing.insert((kind, remote), heal) {
            self.deadlines.cancel(earlier);
        }
    }

    /// Something came from there: it works.
    pub(super) fn note_success(&mut self, kind: TransportKind, remote: SocketAddr) {
        if self.failing.is_empty() {
            return;
        }
        if let Some(heal) = self.failing.remove(&(kind, remote)) {
            self.deadlines.cancel(heal);
        }
    }

    fn flow_for(
        &mut self,
        kind: TransportKind,
        remote: SocketAddr,
        server_name: Option<&str>,
        now: Instant,
    ) -> Result<Flow, SelectError> {
        if remote.port() == 0 || remote.ip().is_unspecified() {
            return Err(SelectError::NoRoute);
        }
        let mut kind = kind;
        // RFC 7118 §5: "ws" is the transport parameter of WebSockets over TLS too.
        if kind == TransportKind::Ws
            && !self.stream_flows.contains_key(&(kind, remote))
            && let Some(&secure) = self.stream_flows.get(&(TransportKind::Wss, remote))
            && self.is_open(secure)
        {
            kind = TransportKind::Wss;
        }
        let listener = self.source(kind, remote.ip()).ok_or(SelectError::NoRoute)?;
        if kind == TransportKind::Udp {
            return Ok(self.datagram_flow(listener, remote, now));
        }
        let mut local = listener.local;
        if kind.is_secure() && listener.kind != kind {
            // RFC 3261 §18.1.1: the port of another transport would invite plain messages to a secure one.
            local.set_port(kind.default_port());
        }
        self.stream_flow(kind, local, remote, server_name, now)
            .ok_or(SelectError::Limit)
    }

    /// The transports that can be used to send, in the order of preference: those that have a listener, and TCP, which
    /// any driver can connect.
    fn usable_transports(&self) -> Vec<TransportKind> {
        // RFC 3263 §4.1: UDP is what a sip URI means where nothing else is said.
        let order = [
            TransportKind::Udp,
            TransportKind::Tcp,
            TransportKind::Tls,
            TransportKind::Sctp,
            TransportKind::Ws,
            TransportKind::Wss,
        ];
        let listens = |kind| self.listeners.iter().any(|listener| listener.kind == kind);
        order
            .into_iter()
            .filter(|&kind| listens(kind) || self.config.client_transports.contains(&kind))
            .filter(|_| !self.listeners.is_empty())
            .collect()
    }
}

/// The one place of a target that needs no procedure: an address, where UDP will do, which is what a sip URI means
/// (RFC 3263 §4.1), or where TCP is asked for. That it failed of late changes nothing, as there is no other.
#[inline]
fn plain_address(target: &Target) -> Option<(TransportKind, SocketAddr)> {
    let TargetHost::Ip(ip) = target.host else {
        return None;
    };
    if target.secure {
        return None;
    }
    let kind = match target.transport {
        None | Some(TransportKind::Udp) => TransportKind::Udp,
        Some(TransportKind::Tcp) => TransportKind::Tcp,
        Some(_) => return None,
    };
    let port = target
        .port
        .unwrap_or(const { TransportKind::Udp.default_port() });
    Some((kind, SocketAddr::new(ip, port)))
}
