//! What the parts of a stack need: flows are looked for below, everything else outside; the answers go back to who asked.

use std::time::{Instant, SystemTime};

use sip_message::{BoxedMessage, Uri};
use sip_transport::{Flow, SelectError, SelectId, Target};

use super::boundary::{Asker, Role, Selecting};
use super::{LatencyRole, Output, Stack};
use crate::role::{self, Answer, Asked, Need};

impl Stack {
    pub(super) fn answer(&mut self, asker: Asker, answer: Answer, wall: SystemTime, now: Instant) {
        let Asker(role, token) = asker;
        match role {
            Role::Registrar => {
                if let Some(registrar) = &mut self.registrar {
                    let t = &mut self
                        .latencies
                        .watch(&mut self.transactions, LatencyRole::Registrar);
                    registrar.handle_answer(token, answer, t, wall, now);
                    if let Some(request) = registrar.take_spent() {
                        self.transports.recycle(BoxedMessage::Request(request));
                    }
                }
            }
            Role::Events => {
                if let Some(events) = &mut self.events {
                    events.handle_answer(token, answer, &mut self.transactions, wall, now);
                }
            }
            Role::Proxy => {
                if let Some(proxy) = &mut self.proxy {
                    let t = &mut self
                        .latencies
                        .watch(&mut self.transactions, LatencyRole::Proxy);
                    proxy.handle_answer(token, answer, t, wall, now);
                }
            }
            Role::Probes => {
                if let Some(probes) = &mut self.probes {
                    probes.handle_answer(token, answer, &mut self.transactions, now);
                }
            }
            Role::Stateless => {
                if let Some(stateless) = &mut self.stateless {
                    stateless.handle_answer(token, answer, &mut self.transactions, now);
                }
            }
        }
    }

    pub(super) fn on_role(
        &mut self,
        role: Role,
        output: role::RoleOutput,
        wall: SystemTime,
        now: Instant,
    ) {
        match output {
            role::RoleOutput::Need {
                token,
                need:
                    Need::SelectFlow {
                        next_hop,
                        size,
                        way,
                    },
            } => {
                // RFC 5626 §5.3: the flow that the token names; without it, the way that the URI tells.
                let is_only = way.as_ref().is_some_and(|way| way.is_only);
                let flow = way.and_then(|way| self.flow_of(&way.token, now));
                match flow {
                    None if is_only => {
                        let answer = Answer::Flows(Err(SelectError::NoRoute));
                        self.answer(Asker(role, token), answer, wall, now);
                    }
                    Some(flow) => {
                        self.answer(Asker(role, token), Answer::Flows(Ok(vec![flow])), wall, now)
                    }
                    None => self.start_selecting(
                        Selecting::Role(role, token),
                        &next_hop,
                        size,
                        wall,
                        now,
                    ),
                }
            }
            role::RoleOutput::Need {
                token,
                need: Need::SelectPlace { place, size },
            } => self.start_selecting_place(Selecting::Role(role, token), &place, size, wall, now),
            role::RoleOutput::Need {
                token,
                need: Need::FlowToken { flow },
            } => {
                let way = self.token_of(&flow).map(Box::from);
                self.answer(Asker(role, token), Answer::FlowToken(way), wall, now);
            }
            role::RoleOutput::Need { token, need } => {
                let asker = Asker(role, token);
                match self.stores.ask(need, wall) {
                    // What the answer leads to is drained where the question was.
                    Asked::Known(answer) => self.answer(asker, answer, wall, now),
                    Asked::Unknown(need) => self.outputs.push_back(Output::Need { asker, need }),
                }
            }
            role::RoleOutput::Watch { aor, is_watched } => {
                self.outputs.push_back(Output::Watch { aor, is_watched });
            }
            role::RoleOutput::Event(event) => {
                self.counts.role(&event);
                self.note(&event, now);
                if self.tells_roles {
                    self.outputs.push_back(Output::Role(event));
                }
            }
        }
    }

    pub(super) fn start_selecting(
        &mut self,
        selecting: Selecting,
        next_hop: &Uri,
        size: usize,
        wall: SystemTime,
        now: Instant,
    ) {
        match Target::from_uri(next_hop.as_ref()) {
            Ok(target) => self.start_selecting_place(selecting, &target, size, wall, now),
            Err(error) => {
                tracing::debug!(%next_hop, %error, "no target");
                self.tell_selected(selecting, Err(SelectError::NoRoute), wall, now);
            }
        }
    }

    fn start_selecting_place(
        &mut self,
        selecting: Selecting,
        place: &Target,
        size: usize,
        wall: SystemTime,
        now: Instant,
    ) {
        // RFC 3263 §4: nobody is asked about an address. Who wants the flow that is known goes on at once; what it queues for
        // that is drained where its question was.
        match self.transports.known_flow(place, size, now) {
            Some(flow) => self.tell_selected(selecting, Ok(vec![flow]), wall, now),
            None => {
                let id = self.transports.select(place, size, now);
                self.selecting.insert(id, selecting);
            }
        }
    }

    pub(super) fn selected(
        &mut self,
        id: SelectId,
        result: Result<Vec<Flow>, SelectError>,
        wall: SystemTime,
        now: Instant,
    ) {
        match self.selecting.remove(&id) {
            Some(Selecting::Application) | None => {
                self.outputs.push_back(Output::Selected { id, result })
            }
            Some(selecting) => self.tell_selected(selecting, result, wall, now),
        }
    }

    /// Tells a part what its question for flows came to. The application asks by another way, and is told elsewhere.
    fn tell_selected(
        &mut self,
        selecting: Selecting,
        result: Result<Vec<Flow>, SelectError>,
        wall: SystemTime,
        now: Instant,
    ) {
        match selecting {
            Selecting::Dialogs(token) => {
                if let Some(dialogs) = &mut self.dialogs {
                    dialogs.flow_selected(token, result, &mut self.transactions, now);
                }
            }
            Selecting::Role(role, token) => {
                self.answer(Asker(role, token), Answer::Flows(result), wall, now);
            }
            Selecting::Application => {}
        }
    }
}
