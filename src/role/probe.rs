//! [`Probes`]: are the gateways there? Each is asked OPTIONS from time to time.
//!
//! ```text
//!             no answer, 408 or 503, `failures` times
//!      up ---------------------------------------------> down
//!         <---------------------------------------------
//!                        any other answer
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_message::{HeaderName, Method, Request, StatusCode, Uri};
use sip_transaction::{ClientTransactionId, Event, TransactionLayer};
use sip_transport::{Flow, Rng, Seed};

use super::{Answer, Need, RoleOutput, Token};
use crate::guard::Throttle;
use crate::routing::Health;

/// What is probed, and how often.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProbeTarget {
    /// The URI, as routes name it.
    pub uri: Uri,
    /// The time from one probe to the next; at least a second.
    pub interval: Duration,
    /// How many failures in a row make it down.
    pub failures: u32,
}

impl ProbeTarget {
    /// Probed at this interval; three failures make it down.
    #[must_use]
    pub const fn new(uri: Uri, interval: Duration) -> Self {
        Self {
            uri,
            interval,
            failures: 3,
        }
    }
}

/// What is known of a target.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProbeState {
    /// The target.
    pub target: ProbeTarget,
    /// Is it used?
    pub up: bool,
    /// Failures since the last answer.
    pub failed: u32,
    /// The last answer.
    pub status: Option<StatusCode>,
    /// How long the last answer took.
    pub took: Option<Duration>,
    /// Probes sent, and how many of them failed.
    pub counts: (u64, u64),
}

/// How long an answer is awaited.
const PATIENCE: Duration = Duration::from_secs(4);
/// How many targets there may be; more are not probed, and count as up.
const TARGETS: usize = 1024;

#[derive(Debug)]
enum Stage {
    Idle,
    /// The way to it is being looked for.
    Selecting(Token),
    Asked(ClientTransactionId, SocketAddr),
}

#[derive(Debug)]
struct Probe {
    state: ProbeState,
    stage: Stage,
    /// When it is asked again, or given up.
    due: Instant,
    begun: Instant,
}

/// The machine that asks. See the [module](self).
#[derive(Debug)]
pub struct Probes {
    list: Vec<Probe>,
    health: Health,
    /// What servers want held back, if that is heeded (RFC 7339).
    throttle: Option<Throttle>,
    outputs: VecDeque<RoleOutput>,
    rng: Rng,
    next: u64,
    last_now: Option<Instant>,
}

impl Probes {
    /// Without targets. What is found is noted in `health`.
    #[must_use]
    pub fn new(health: Health, seed: &Seed) -> Self {
        Self {
            list: Vec::new(),
            health,
            throttle: None,
            outputs: VecDeque::new(),
            rng: seed.derive("probes").rng(),
            next: 0,
            last_now: None,
        }
    }

    /// From now on a server that asks for fewer requests gets fewer probes too, and what probes find is known to whoever else has
    /// this throttle (RFC 7339 §5.9). A probe that is held back says nothing of the gateway.
    pub fn use_throttle(&mut self, throttle: &Throttle) {
        self.throttle = Some(throttle.clone());
    }

    /// Probes these from now on, and no others. What is known of one that was probed before stays.
    pub fn set_targets(&mut self, targets: Vec<ProbeTarget>, now: Instant) {
        self.last_now = Some(now);
        let mut old = std::mem::take(&mut self.list);
        for target in targets.into_iter().take(TARGETS) {
            if self
                .list
                .iter()
                .any(|probe| probe.state.target.uri == target.uri)
            {
                continue;
            }
            let known = old
                .iter()
                .position(|probe| probe.state.target.uri == target.uri);
            let probe = match known {
                Some(place) => {
                    let mut probe = old.remove(place);
                    probe.state.target = target;
                    probe
                }
                None => {
                    // The first ones are spread, so that many gateways are not asked at one time.
                    let spread = self.rng.below(1000);
                    Probe {
                        state: ProbeState {
                            target,
                            up: true,
                            failed: 0,
                            status: None,
                            took: None,
                            counts: (0, 0),
                        },
                        stage: Stage::Idle,
                        due: now + Duration::from_millis(spread),
                        begun: now,
                    }
                }
            };
            self.list.push(probe);
        }
        // Who is not probed is not down.
        for probe in old {
            self.health.set(&probe.state.target.uri, true);
        }
    }

    /// What is known of each target.
    pub fn states(&self) -> impl Iterator<Item = &ProbeState> {
        self.list.iter().map(|probe| &probe.state)
    }

    /// Takes what is about a probe, and hands back what is not.
    pub fn handle_input(&mut self, event: Event, now: Instant) -> Option<Event> {
        let id = match &event {
            Event::Response { id, .. }
            | Event::TimedOut { id, .. }
            | Event::FlowFailed { id }
            | Event::Refused { id } => *id,
            _ => return Some(event),
        };
        let place = self
            .list
            .iter()
            .position(|probe| matches!(probe.stage, Stage::Asked(asked, _) if asked == id));
        let Some(probe) = place.and_then(|place| self.list.get_mut(place)) else {
            return Some(event);
        };
        self.last_now = Some(now);
        if let (Some(throttle), Event::Response { response, flow, .. }) = (&self.throttle, &event)
            && let Some(via) = response.headers().values(HeaderName::Via).next()
        {
            throttle.heard(flow.remote, via, now);
        }
        match event {
            Event::Response { response, .. } if !response.status().is_final() => return None,
            Event::Response { response, .. } => {
                probe.state.status = Some(response.status());
                probe.state.took = Some(now.saturating_duration_since(probe.begun));
                let is_up = !matches!(
                    response.status(),
                    StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE
                );
                probe.found(is_up, &self.health, now);
            }
            // It was not sent.
            Event::Refused { .. } => probe.found(false, &self.health, now),
            _ => {
                probe.tell_silence(self.throttle.as_ref(), now);
                probe.found(false, &self.health, now);
            }
        }
        None
    }

    /// The flows to a target.
    pub fn handle_answer(
        &mut self,
        token: Token,
        answer: Answer,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        self.last_now = Some(now);
        let place = self
            .list
            .iter()
            .position(|probe| matches!(probe.stage, Stage::Selecting(asked) if asked == token));
        let Some(probe) = place.and_then(|place| self.list.get_mut(place)) else {
            return;
        };
        let flow = match answer {
            Answer::Flows(Ok(flows)) => flows.into_iter().next(),
            _ => None,
        };
        if let (Some(throttle), Some(flow)) = (&self.throttle, &flow)
            && !throttle.takes_probe(flow.remote, now)
        {
            probe.put_off(now);
            return;
        }
        let request = flow.and_then(|flow| {
            let request = options(&probe.state.target.uri, &flow, &mut self.rng)?;
            Some((request, flow))
        });
        match request {
            Some((request, flow)) => {
                probe.begun = now;
                probe.stage = Stage::Asked(t.request(&request, flow, now), flow.remote);
            }
            None => probe.found(false, &self.health, now),
        }
    }

    /// Asks who is due, and gives up whom nothing was heard of.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.last_now = Some(now);
        for probe in &mut self.list {
            if probe.due > now {
                continue;
            }
            match probe.stage {
                Stage::Idle => {
                    self.next += 1;
                    let token = Token(self.next);
                    probe.stage = Stage::Selecting(token);
                    probe.due = now + PATIENCE;
                    probe.state.counts.0 += 1;
                    self.outputs.push_back(RoleOutput::Need {
                        token,
                        need: Need::SelectFlow {
                            next_hop: probe.state.target.uri.clone(),
                            size: 500,
                            way: None,
                        },
                    });
                }
                Stage::Selecting(_) => probe.found(false, &self.health, now),
                Stage::Asked(..) => {
                    probe.tell_silence(self.throttle.as_ref(), now);
                    probe.found(false, &self.health, now);
                }
            }
        }
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<RoleOutput> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.outputs.is_empty() {
            self.list.iter().map(|probe| probe.due).min()
        } else {
            self.last_now
        }
    }
}

impl Probe {
    /// RFC 7339 §5.9: who was asked did not answer.
    fn tell_silence(&self, throttle: Option<&Throttle>, now: Instant) {
        if let (Some(throttle), Stage::Asked(_, server)) = (throttle, &self.stage) {
            throttle.failed(*server, now);
        }
    }

    /// It is not asked this time.
    fn put_off(&mut self, now: Instant) {
        self.stage = Stage::Idle;
        self.due = now + self.interval();
        self.state.counts.0 = self.state.counts.0.saturating_sub(1);
    }

    fn interval(&self) -> Duration {
        self.state.target.interval.max(Duration::from_secs(1))
    }

    fn found(&mut self, up: bool, health: &Health, now: Instant) {
        self.stage = Stage::Idle;
        self.due = now + self.interval();
        if up {
            self.state.failed = 0;
        } else {
            self.state.failed = self.state.failed.saturating_add(1);
            self.state.counts.1 += 1;
        }
        let is_up = up || (self.state.up && self.state.failed < self.state.target.failures.max(1));
        if is_up != self.state.up {
            self.state.up = is_up;
            health.set(&self.state.target.uri, is_up);
            let uri = &self.state.target.uri;
            if is_up {
                tracing::info!(%uri, "a gateway is up again");
            } else {
                tracing::warn!(%uri, "a gateway is down");
            }
        }
    }
}

fn options(uri: &Uri, flow: &Flow, rng: &mut Rng) -> Option<Request> {
    let from = format!("<sip:{}>;tag={}", flow.sent_by(), rng.token(16));
    Request::builder(Method::Options, uri.as_str())
        .header(HeaderName::From, from)
        .header(HeaderName::To, format!("<{}>", uri.as_str()))
        .call_id(&rng.token(24))
        .cseq(1)
        .max_forwards(70)
        .header(HeaderName::Accept, "application/sdp")
        .build_partial()
        .ok()
}

#[cfg(test)]
mod tests;
