//! Many INVITE transactions at once through a lossy network, in virtual time.
//!
//! A caller starts INVITEs at a steady rate; a callee rejects three of four and accepts one, whose 2xx it repeats until
//! the ACK comes. Whatever is lost, each transaction must come to one outcome, and at the end nothing may be left.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_message::{HeaderName, Method, Request, Response, StatusCode};
use sip_transaction::{
    Event, Flow, ServerTransactionId, Stats, TransactionConfig, TransactionId, TransactionLayer,
    Transactions, TransportKind,
};
use sip_transport::DeadlineQueue;

use crate::{Endpoint, Loss, NodeId, Path, Simulation, User, seed_of};

/// What came of a storm.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// INVITEs that were rejected, as they should be.
    pub rejected: u64,
    /// INVITEs that were accepted, as they should be.
    pub accepted: u64,
    /// INVITEs that nobody answered, because all copies were lost.
    pub timed_out: u64,
    /// INVITEs that the caller gave up because the final response never came.
    pub given_up: u64,
    /// What the layers counted.
    pub caller: Stats,
    /// What the layers counted.
    pub callee: Stats,
    /// How much virtual time it took.
    pub virtual_time: Duration,
}

/// Runs so many INVITEs with a share of packets lost.
///
/// ```
/// let report = sip_testkit::storm::run(100, 0.05, 1);
/// assert_eq!(report.rejected + report.accepted + report.timed_out + report.given_up, 100);
/// assert_eq!(report, sip_testkit::storm::run(100, 0.05, 1), "the same seed, the same storm");
/// ```
///
/// # Panics
/// When a transaction does not end as it should.
#[must_use]
pub fn run(calls: u64, loss: f64, seed: u64) -> Report {
    let ends: (SocketAddr, SocketAddr) =
        (([192, 0, 2, 1], 5060).into(), ([192, 0, 2, 2], 5060).into());
    let mut simulation = Simulation::new(seed);
    simulation.limit_steps(u64::MAX);
    simulation.ladder.disable();
    let mut path = Path::delay(Duration::from_millis(20)).with_loss(Loss::Random(loss));
    path.jitter = Duration::from_millis(10);
    simulation.network.default_path = path;
    let mut config = TransactionConfig::default();
    config.max_client = usize::MAX;
    config.max_server = usize::MAX;
    config.max_server_per_peer = usize::MAX;
    let endpoint = |address, name, party| {
        Endpoint::new(
            address,
            TransportKind::Udp,
            config.clone(),
            seed_of(seed, name),
            party,
        )
        .unwatched()
    };
    let caller = simulation.add(
        "caller",
        ends.0,
        endpoint(ends.0, "caller", Party::default()),
    );
    let callee = simulation.add(
        "callee",
        ends.1,
        endpoint(ends.1, "callee", Party::default()),
    );
    simulation.with(caller, |node, now| {
        node.user.flow = Some(node.flow_to(ends.1));
        node.user.to_call = calls;
        node.user.next_call = Some(now);
    });
    simulation.run();
    report(&simulation, caller, callee, calls)
}

fn report(
    simulation: &Simulation<Endpoint<Party>>,
    caller: NodeId,
    callee: NodeId,
    calls: u64,
) -> Report {
    let (caller, callee) = (simulation.node(caller), simulation.node(callee));
    caller.assert_idle();
    callee.assert_idle();
    let Party {
        rejected,
        accepted,
        timed_out,
        given_up,
        ..
    } = caller.user;
    assert_eq!(
        rejected + accepted + timed_out + given_up,
        calls,
        "each call has one outcome"
    );
    assert!(
        caller.user.ringing.is_empty(),
        "each transaction was told to have ended"
    );
    Report {
        rejected,
        accepted,
        timed_out,
        given_up,
        caller: *caller.layer.stats(),
        callee: *callee.layer.stats(),
        virtual_time: simulation.clock.elapsed(),
    }
}

/// Caller or callee.
#[derive(Default)]
struct Party {
    flow: Option<Flow>,
    to_call: u64,
    called: u64,
    next_call: Option<Instant>,
    /// Calls without an outcome.
    ringing: HashMap<TransactionId, u64>,
    /// When the caller gives up.
    patience: DeadlineQueue<TransactionId>,
    rejected: u64,
    accepted: u64,
    timed_out: u64,
    given_up: u64,
    /// 2xx responses that wait for their ACK, by Call-ID.
    answered: HashMap<String, Answered>,
    repeats: DeadlineQueue<String>,
}

struct Answered {
    id: ServerTransactionId,
    response: Response,
    interval: Duration,
}

/// Ten thousand calls in a second.
const BETWEEN_CALLS: Duration = Duration::from_micros(100);
const PATIENCE: Duration = Duration::from_secs(60);
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);

impl Party {
    fn call(&mut self, layer: &mut Transactions, now: Instant) {
        let Some(flow) = self.flow else { return };
        let number = self.called;
        self.called += 1;
        let id = layer.request(&request(Method::Invite, number), flow, now);
        self.ringing.insert(id.into(), number);
        self.patience.insert(now + PATIENCE, id.into());
    }

    fn answer(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        layer: &mut Transactions,
        now: Instant,
    ) {
        let call = request.headers().call_id().unwrap_or_default().to_owned();
        let accept = call.parse::<u64>().is_ok_and(|number| number % 4 == 0);
        let status = if accept {
            StatusCode::OK
        } else {
            StatusCode::BUSY_HERE
        };
        let response = Response::to(request, status)
            .to_tag("b")
            .build()
            .expect("a response");
        layer
            .respond(id, &response, now)
            .expect("a new transaction");
        if accept {
            self.repeats.insert(now + T1, call.clone());
            self.answered.insert(
                call,
                Answered {
                    id,
                    response,
                    interval: T1,
                },
            );
        }
    }
}

impl User for Party {
    fn handle_event(&mut self, event: Event, layer: &mut Transactions, now: Instant) {
        match event {
            Event::Request { id, request, .. } => self.answer(id, &request, layer, now),
            Event::Ack { request, .. } => {
                self.answered
                    .remove(request.headers().call_id().unwrap_or_default());
            }
            Event::Response { id, response, .. } if response.status().is_final() => {
                let call = self.ringing.remove(&id.into());
                let number = response
                    .headers()
                    .call_id()
                    .and_then(|call| call.parse().ok())
                    .unwrap_or_default();
                if response.status().is_success() {
                    self.accepted += u64::from(call.is_some());
                    if let Some(flow) = self.flow {
                        layer.send_ack(&request(Method::Ack, number), flow, now);
                    }
                } else {
                    self.rejected += u64::from(call.is_some());
                }
            }
            Event::TimedOut { id, .. } => {
                self.timed_out += u64::from(self.ringing.remove(&id.into()).is_some());
            }
            // Provisional responses are no outcome, and what else may come is none either.
            Event::Response { .. } | _ => {}
        }
    }

    fn handle_timeout(&mut self, layer: &mut Transactions, now: Instant) {
        while let Some(at) = self.next_call.filter(|at| *at <= now) {
            self.call(layer, now);
            self.next_call = (self.called < self.to_call).then_some(at + BETWEEN_CALLS);
        }
        while let Some((_, id)) = self.patience.pop_due(now) {
            if self.ringing.remove(&id).is_some() {
                self.given_up += 1;
                if let TransactionId::Client(id) = id {
                    let _ = layer.cancel(id, &[], now);
                }
            }
        }
        // RFC 3261 §13.3.1.4: the 2xx again, from T1 doubling up to T2, while the transaction takes it.
        while let Some((at, call)) = self.repeats.pop_due(now) {
            let Some(answered) = self.answered.get_mut(&call) else {
                continue;
            };
            if layer.respond(answered.id, &answered.response, now).is_ok() {
                answered.interval = (answered.interval * 2).min(T2);
                self.repeats.insert(at + answered.interval, call);
            } else {
                self.answered.remove(&call);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next_call
            .into_iter()
            .chain(self.patience.peek())
            .chain(self.repeats.peek())
            .min()
    }
}

fn request(method: Method, number: u64) -> Request {
    Request::builder(method, "sip:bob@192.0.2.2")
        .header(HeaderName::From, "<sip:alice@192.0.2.1>;tag=a")
        .header(HeaderName::To, "<sip:bob@192.0.2.2>")
        .call_id(&number.to_string())
        .cseq(1)
        .max_forwards(70)
        .build_partial()
        .expect("a good request")
}
