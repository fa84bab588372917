//! Racing the families: of a host that has addresses of both, the one that can be connected to first is used
//! (RFC 8305). And connecting before anything is sent where our address is not known before: of a transport that we
//! do not listen on, Via and Contact name the port of the connection.
//!
//! ```text
//!   addresses ── first: connect ──250 ms or failed──▶ next: connect ── ... ──▶ none left: the error
//!                          └────────── the first that is connected wins; the others are closed
//! ```

use std::net::SocketAddr;
use std::time::Instant;

use super::stream::Contact;
use super::{Timer, Transports};
use crate::deadline::DeadlineId;
use crate::flow::Flow;
use crate::id::{FlowId, SelectId};
use crate::io::{ConnectionError, Event, FlowFailure, SelectError};
use crate::kind::TransportKind;

/// A selection whose first flows are tried at the same time.
#[derive(Debug)]
pub(super) struct Race {
    id: SelectId,
    /// What the selection found, without those that failed.
    flows: Vec<Flow>,
    /// Those that are to be tried, the next one last.
    waiting: Vec<FlowId>,
    running: Vec<FlowId>,
    deadline: Option<DeadlineId>,
    /// What was heard last; nothing if a limit forbade every attempt.
    error: Option<ConnectionError>,
}

impl Transports {
    /// Ends a selection with these flows; if those of the first host are connections over both families, after a race.
    pub(super) fn race(
        &mut self,
        id: SelectId,
        flows: Vec<Flow>,
        first_host: &[SocketAddr],
        now: Instant,
    ) {
        let Some(first) = flows.first().copied() else {
            return;
        };
        let contender = |flow: &&Flow| {
            flow.kind == first.kind
                && flow.kind != TransportKind::Udp
                && first_host.contains(&flow.remote)
        };
        let mut contenders: Vec<FlowId> = flows
            .iter()
            .take_while(contender)
            .map(|flow| flow.id)
            .collect();
        if contenders.is_empty() {
            contenders.push(first.id);
        }
        let of_first = flows.iter().take(contenders.len());
        let both = of_first.clone().any(|flow| flow.remote.is_ipv4())
            && of_first.clone().any(|flow| flow.remote.is_ipv6());
        let waits = both || self.is_unlisted(first.kind);
        if !waits || self.races.len() >= self.config.limits.selections {
            self.event(Event::Selected {
                id,
                result: Ok(flows),
            });
            return;
        }
        let open = contenders.iter().find(|&&flow| self.is_open(flow)).copied();
        self.races.push(Race {
            id,
            flows,
            waiting: contenders.into_iter().rev().collect(),
            running: Vec::new(),
            deadline: None,
            error: None,
        });
        match open {
            // A connection that is there needs no race.
            Some(open) => self.end_race(id, Some(open), now),
            None => self.start_next(id, now),
        }
    }

    /// The next contender begins, if there is one.
    fn start_next(&mut self, id: SelectId, now: Instant) {
        let mut unlisted = vec![TransportKind::Tls, TransportKind::Ws, TransportKind::Wss];
        unlisted.extend([TransportKind::Sctp, TransportKind::TlsSctp]);
        unlisted.retain(|&kind| self.is_unlisted(kind));
        loop {
            let Some(race) = self.races.iter_mut().find(|race| race.id == id) else {
                return;
            };
            if let Some(deadline) = race.deadline.take() {
                self.deadlines.cancel(deadline);
            }
            if race.waiting.is_empty() && race.running.is_empty() {
                // All of the first host failed. Of the next one our address is not known before, either.
                let next = race.flows.first().copied();
                let Some(next) = next.filter(|next| unlisted.contains(&next.kind)) else {
                    self.end_race(id, None, now);
                    return;
                };
                race.waiting.push(next.id);
            }
            let Some(flow) = race.waiting.pop() else {
                return;
            };
            if !race.waiting.is_empty() {
                let at = now + self.config.attempt_delay;
                race.deadline = Some(self.deadlines.insert(at, Timer::Race(id)));
            }
            race.running.push(flow);
            match self.connect(flow, now) {
                Contact::Opening => return,
                Contact::Open => {
                    self.end_race(id, Some(flow), now);
                    return;
                }
                Contact::Refused => self.leave(id, flow),
            }
        }
    }

    pub(super) fn on_race_deadline(&mut self, id: SelectId, now: Instant) {
        if let Some(race) = self.races.iter_mut().find(|race| race.id == id) {
            race.deadline = None;
        }
        self.start_next(id, now);
    }

    /// A connection is open: it wins the races that it is in.
    pub(super) fn on_contender_open(&mut self, flow: FlowId, now: Instant) {
        while let Some(race) = self.races.iter().find(|race| race.running.contains(&flow)) {
            self.end_race(race.id, Some(flow), now);
        }
    }

    /// A flow is gone: it loses the races that it is in.
    pub(super) fn on_contender_lost(&mut self, flow: FlowId, cause: FlowFailure, now: Instant) {
        let runs = |race: &Race| race.running.contains(&flow);
        let ids: Vec<SelectId> = self
            .races
            .iter()
            .filter(|race| runs(race))
            .map(|race| race.id)
            .collect();
        for id in ids {
            if let FlowFailure::Connect(error) = cause
                && let Some(race) = self.races.iter_mut().find(|race| race.id == id)
            {
                race.error = Some(error);
            }
            self.leave(id, flow);
            // RFC 8305 §5: what failed does not wait for the delay.
            self.start_next(id, now);
        }
    }

    fn leave(&mut self, id: SelectId, flow: FlowId) {
        if let Some(race) = self.races.iter_mut().find(|race| race.id == id) {
            race.running.retain(|&other| other != flow);
            race.flows.retain(|other| other.id != flow);
        }
    }

    /// Says what was selected: the winner first.
    fn end_race(&mut self, id: SelectId, winner: Option<FlowId>, now: Instant) {
        let Some(at) = self.races.iter().position(|race| race.id == id) else {
            return;
        };
        let mut race = self.races.swap_remove(at);
        if let Some(deadline) = race.deadline {
            self.deadlines.cancel(deadline);
        }
        for loser in race.running {
            let elsewhere = self.races.iter().any(|race| race.running.contains(&loser));
            if Some(loser) != winner && !elsewhere {
                // RFC 8305 §5: the others are given up, unless somebody has sent something over them.
                self.give_up(loser, now);
            }
        }
        // As they are now: the address of the winner is known.
        for known in &mut race.flows {
            *known = self.flow(known.id).unwrap_or(*known);
        }
        race.flows.sort_by_key(|flow| Some(flow.id) != winner);
        let result = if race.flows.is_empty() {
            Err(race.error.map_or(SelectError::Limit, SelectError::Connect))
        } else {
            Ok(race.flows)
        };
        self.event(Event::Selected { id, result });
    }
}
