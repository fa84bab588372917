//! Two user agents over a network that loses, repeats and reorders: calls, answers, hang-ups and time in any order.
//! Whatever happens, every session comes to its end, on both sides, and nothing is left over.
//!
//! With the first byte 255, the same over a network that loses nothing, beside a model that knows what each command does.
#![no_main]

#[path = "../../sip-dialog/tests/it/model.rs"]
mod model;

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip_dialog::{
    AccountKey, Body, DialogConfig, Dialogs, Event, InviteRequest, OutgoingRequest, Output,
    ReferRequest, SessionId, SubscribeRequest, SubscriptionId, SubscriptionStatus,
};
use sip_message::{
    Message, Method, ParserConfig, Request, Response, StatusCode, Uri, header::NameAddr,
};
use sip_transaction::{
    Event as TransactionEvent, Input, Output as Down, TransactionConfig, TransactionLayer as _,
    Transactions,
};
use sip_transport::{Flow, FlowId, Seed, TransportKind};

/// One side.
struct Agent {
    layer: Transactions,
    dialogs: Dialogs,
    number: u8,
    sessions: Vec<SessionId>,
    reinvited: Vec<SessionId>,
    subscriptions: Vec<SubscriptionId>,
}

/// Datagrams under way: for whom, and what.
type Network = Vec<(usize, Bytes)>;

impl Agent {
    /// With the extensions that the bits of `extensions` name.
    fn new(number: u8, extensions: u8) -> Self {
        let mut config = DialogConfig::default();
        if extensions & 1 != 0 {
            config.supported = vec!["100rel".to_owned(), "replaces".to_owned()];
        }
        if extensions & 2 != 0 {
            config.methods = vec![Method::Update, Method::Info];
        }
        if extensions & 4 != 0 {
            config.session_interval = Some(Duration::from_secs(90));
        }
        if extensions & 8 != 0 {
            config.event_packages = vec!["presence".to_owned()];
            config.publish_packages = vec!["presence".to_owned()];
            config.entity_tags = true;
            config.refer = true;
        }
        Self {
            layer: Transactions::new(TransactionConfig::default(), Seed::from_bytes([number; 32])),
            dialogs: Dialogs::new(config, Seed::from_bytes([number + 10; 32])),
            number,
            sessions: Vec::new(),
            reinvited: Vec::new(),
            subscriptions: Vec::new(),
        }
    }

    fn uri(number: u8) -> Uri {
        Uri::parse(&format!("sip:user{number}@192.0.2.{number}:5060")).expect("a URI")
    }

    fn flow(&self) -> Flow {
        let address = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 5060));
        Flow::new(
            FlowId::from_parts(0, 1),
            TransportKind::Udp,
            address(self.number),
            address(3 - self.number),
        )
    }

    fn arrive(&mut self, payload: Bytes, network: &mut Network, now: Instant) {
        let flow = self.flow();
        if let Ok(message) = Message::parse(payload, &ParserConfig::default()) {
            self.layer.handle_input(
                Input::Message {
                    message: message.into(),
                    flow,
                    reply: flow,
                },
                now,
            );
        }
        self.settle(network, now);
    }

    /// What the composed stack does: events up, questions answered, bytes out.
    fn settle(&mut self, network: &mut Network, now: Instant) {
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 10_000, "it settles");
            if let Some(output) = self.layer.poll_output() {
                match output {
                    Down::Transmit { payload, .. } => {
                        Message::parse(payload.clone(), &ParserConfig::default())
                            .expect("what is sent parses");
                        // A peer that is not there any more loses what it is sent; the oldest goes first.
                        if network.len() >= 200 {
                            network.remove(0);
                        }
                        network.push((usize::from(2 - self.number), payload));
                    }
                    Down::Event(event) => {
                        if let Some(event) = self.dialogs.handle_input(event, &mut self.layer, now)
                        {
                            self.foreign(event, now);
                        }
                    }
                }
                continue;
            }
            let Some(output) = self.dialogs.poll_output() else {
                break;
            };
            match output {
                Output::SelectFlow { token, .. } => {
                    let flow = self.flow();
                    self.dialogs
                        .flow_selected(token, Ok(vec![flow]), &mut self.layer, now);
                }
                Output::Authenticate { token, .. } => {
                    self.dialogs.credentials(token, None, &mut self.layer, now)
                }
                Output::Event(event) => self.event(event, now),
            }
        }
    }

    fn event(&mut self, event: Event, now: Instant) {
        if let (Some(session), true) = (event.session(), event.is_end()) {
            assert!(self.sessions.contains(&session), "a session ends once");
            self.sessions.retain(|known| *known != session);
            self.reinvited.retain(|known| *known != session);
        }
        match event {
            Event::Incoming { session, .. } => self.sessions.push(session),
            Event::ReInvite { session, .. } => self.reinvited.push(session),
            Event::Within { id, request, .. } => {
                // The second refuses an offer in a PRACK.
                let status = if self.number == 2 && *request.method() == Method::Prack {
                    StatusCode::NOT_ACCEPTABLE_HERE
                } else {
                    StatusCode::OK
                };
                let _ =
                    self.dialogs
                        .respond_within(id, &request, status, None, &mut self.layer, now);
            }
            Event::Subscribing { subscription, .. } => {
                let _ = self.dialogs.grant(
                    subscription,
                    SubscriptionStatus::Active,
                    None,
                    &mut self.layer,
                    now,
                );
                self.subscriptions.push(subscription);
            }
            Event::Referred { referral, .. } => {
                let _ = self.dialogs.accept_referral(referral, &mut self.layer, now);
                self.subscriptions.push(referral);
            }
            Event::Publishing { publication, .. } => {
                let _ = self
                    .dialogs
                    .accept_publication(publication, &mut self.layer, now);
            }
            Event::SubscriptionForked { branch, .. } => self.subscriptions.push(branch),
            Event::SubscriptionEnded { subscription, .. } => {
                self.subscriptions.retain(|known| *known != subscription);
            }
            _ => {}
        }
    }

    /// A request that is of no dialog.
    fn foreign(&mut self, event: TransactionEvent, now: Instant) {
        match event {
            TransactionEvent::Request { id, request, .. } => {
                if let Ok(response) = Response::to(&request, StatusCode::NOT_IMPLEMENTED)
                    .to_tag("none")
                    .build()
                {
                    let _ = self.layer.respond(id, &response, now);
                }
            }
            TransactionEvent::Cancel {
                id,
                invite,
                request,
                ..
            } => {
                let _ = self.layer.answer_cancel(id, &request, invite, "none", now);
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        [self.layer.poll_timeout(), self.dialogs.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn wake(&mut self, network: &mut Network, now: Instant) {
        self.layer.handle_timeout(now);
        self.settle(network, now);
        self.dialogs.handle_timeout(&mut self.layer, now);
        self.settle(network, now);
    }
}

fn options(from: u8, to: u8) -> Request {
    Request::builder(Method::Options, Agent::uri(to).as_str())
        .max_forwards(70)
        .from(&NameAddr::new(Agent::uri(from).as_ref()).with_tag("o"))
        .to(&NameAddr::new(Agent::uri(to).as_ref()))
        .call_id("options")
        .cseq(1)
        .build_partial()
        .expect("a request but for its Via")
}

fuzz_target!(|data: &[u8]| {
    let Some((&extensions, mut rest)) = data.split_first() else {
        return;
    };
    if extensions == u8::MAX {
        model::run(rest, Instant::now());
        return;
    }
    let mut agents = [
        Agent::new(1, extensions & 15),
        Agent::new(2, extensions >> 4),
    ];
    let mut network = Network::new();
    let mut now = Instant::now();
    while let Some((&[step, value], after)) = rest.split_first_chunk::<2>() {
        rest = after;
        let side = usize::from(step >> 7);
        let agent = &mut agents[side];
        let session = agent
            .sessions
            .get(usize::from(value) % agent.sessions.len().max(1))
            .copied();
        match (step % 21, session) {
            (0, _) if agent.sessions.len() < 8 => {
                let (own, other) = (Agent::uri(agent.number), Agent::uri(3 - agent.number));
                let mut invite = InviteRequest::new(other.clone(), own.clone(), other, own);
                invite.body = (value & 1 == 0).then(|| Body::sdp("v=0\r\n"));
                let id = agent.dialogs.invite(invite, &mut agent.layer, now);
                agent.sessions.push(id);
            }
            (1, Some(id)) => {
                let _ = agent
                    .dialogs
                    .ring(id, StatusCode::RINGING, None, &mut agent.layer, now);
            }
            (2, Some(id)) => {
                let _ = agent
                    .dialogs
                    .accept(id, Some(Body::sdp("v=0\r\n")), &mut agent.layer, now);
            }
            (3, Some(id)) => {
                let _ = agent
                    .dialogs
                    .reject(id, StatusCode::BUSY_HERE, &[], &mut agent.layer, now);
            }
            (4, Some(id)) => agent.dialogs.end(id, &mut agent.layer, now),
            (5, _) => {
                if let Some(id) = agent.reinvited.pop() {
                    let _ = if value & 1 == 0 {
                        agent
                            .dialogs
                            .accept_reinvite(id, None, &mut agent.layer, now)
                    } else {
                        let status = StatusCode::NOT_ACCEPTABLE_HERE;
                        agent
                            .dialogs
                            .reject_reinvite(id, status, &mut agent.layer, now)
                    };
                }
            }
            (6, _) => {
                let (from, to) = (agent.number, 3 - agent.number);
                let outgoing = OutgoingRequest {
                    request: options(from, to),
                    next_hop: Agent::uri(to),
                    account: AccountKey(0),
                };
                agent.dialogs.request(outgoing, &mut agent.layer, now);
            }
            (7, _) => now += Duration::from_millis(u64::from(value) * 20),
            // The network: in order, out of order, twice, or not at all.
            (8, _) if !network.is_empty() => {
                network.remove(usize::from(value) % network.len());
            }
            (9, _) if !network.is_empty() => {
                let (to, payload) = network[usize::from(value) % network.len()].clone();
                agents[to].arrive(payload, &mut network, now);
            }
            (10, _) => {
                if let Some(at) = agent.deadline() {
                    now = now.max(at);
                }
                agent.wake(&mut network, now);
            }
            // Something that the other side did not send.
            (11, _) => {
                let length = rest.len().min(usize::from(value));
                let (bytes, after) = rest.split_at(length);
                rest = after;
                agent.arrive(Bytes::copy_from_slice(bytes), &mut network, now);
            }
            // What is under way, changed: another method or tag.
            (12, _) if !network.is_empty() => {
                let (to, payload) = network[usize::from(value) % network.len()].clone();
                let text = String::from_utf8_lossy(&payload);
                let changed = match value >> 6 {
                    0 => text.replace("INVITE", "UPDATE"),
                    1 => text.replace(";tag=", ";tag=x"),
                    2 => text.replace("CSeq: 1", "CSeq: 9"),
                    _ => text.replace("BYE", "INVITE"),
                };
                agents[to].arrive(Bytes::from(changed), &mut network, now);
            }
            (13, Some(id)) => {
                let offer = (value & 1 == 0).then(|| Body::sdp("v=0\r\n"));
                let _ = agent.dialogs.reinvite(id, offer, &mut agent.layer, now);
            }
            (14, Some(id)) => {
                let offer = (value & 1 == 0).then(|| Body::sdp("v=0\r\n"));
                let _ = agent.dialogs.update(id, offer, &mut agent.layer, now);
            }
            (15, Some(id)) => {
                let answer = Some(Body::sdp("v=0\r\n"));
                let _ = if value & 1 == 0 {
                    agent
                        .dialogs
                        .accept_update(id, answer, &mut agent.layer, now)
                } else {
                    agent.dialogs.acknowledge(id, answer, &mut agent.layer, now)
                };
            }
            (16, Some(id)) => {
                let body = Some(Body::sdp("v=0\r\n"));
                let progress = StatusCode::SESSION_PROGRESS;
                let _ = agent
                    .dialogs
                    .ring(id, progress, body, &mut agent.layer, now);
            }
            (17, Some(id)) if value & 1 == 0 => {
                let refer = ReferRequest::new(Agent::uri(3));
                if let Ok(id) = agent.dialogs.refer(id, refer, &mut agent.layer, now) {
                    agent.subscriptions.push(id);
                }
            }
            (17, Some(id)) if value & 2 == 0 => {
                let _ = agent.dialogs.offer_in_prack(id, Body::sdp("v=0\r\n"));
            }
            (17, Some(id)) => {
                let _ = agent.dialogs.request_within(
                    id,
                    Method::Info,
                    &[],
                    None,
                    &mut agent.layer,
                    now,
                );
            }
            (18, _) if agent.subscriptions.len() < 8 => {
                let (own, other) = (Agent::uri(agent.number), Agent::uri(3 - agent.number));
                let mut subscribe =
                    SubscribeRequest::new(other.clone(), own.clone(), other, own, "presence");
                subscribe.expires = Duration::from_secs(u64::from(value) * 2);
                subscribe.branches = usize::from(value & 3) + 1;
                let id = agent.dialogs.subscribe(subscribe, &mut agent.layer, now);
                agent.subscriptions.push(id);
            }
            (19, _) => {
                let known = agent.subscriptions.len();
                if let Some(id) = agent.subscriptions.get(usize::from(value) % known.max(1)) {
                    let status = if value & 1 == 0 {
                        SubscriptionStatus::Active
                    } else {
                        SubscriptionStatus::Terminated
                    };
                    let _ = agent.dialogs.unsubscribe(*id, &mut agent.layer, now);
                    let _ = agent
                        .dialogs
                        .report(*id, StatusCode::OK, &mut agent.layer, now);
                    let _ = agent
                        .dialogs
                        .notify(*id, status, None, &mut agent.layer, now);
                }
            }
            _ => {
                if !network.is_empty() {
                    let (to, payload) = network.remove(0);
                    agents[to].arrive(payload, &mut network, now);
                }
            }
        }
        for agent in &mut agents {
            agent.settle(&mut network, now);
        }
    }
    finish(&mut agents, &mut network, now);
});

/// Both sides hang up, the network delivers, and time passes until nothing is left.
fn finish(agents: &mut [Agent; 2], network: &mut Network, mut now: Instant) {
    for round in 0..50_000 {
        for agent in agents.iter_mut() {
            for id in agent.sessions.clone() {
                agent.dialogs.end(id, &mut agent.layer, now);
            }
            for id in agent.subscriptions.clone() {
                let _ = agent.dialogs.unsubscribe(id, &mut agent.layer, now);
                let _ = agent
                    .dialogs
                    .report(id, StatusCode::OK, &mut agent.layer, now);
            }
            agent.settle(network, now);
        }
        while !network.is_empty() {
            let (to, payload) = network.remove(0);
            agents[to].arrive(payload, network, now);
        }
        let Some(at) = agents.iter().filter_map(Agent::deadline).min() else {
            break;
        };
        now = now.max(at);
        for agent in agents.iter_mut() {
            agent.wake(network, now);
        }
        assert!(round < 49_999, "timers come to an end");
    }
    for agent in agents.iter() {
        assert!(
            agent.sessions.is_empty(),
            "each session ended: {:?}",
            agent.sessions
        );
        assert_eq!(
            (agent.dialogs.session_count(), agent.dialogs.request_count()),
            (0, 0),
            "no session or request is left over"
        );
        assert_eq!(
            (
                agent.dialogs.subscription_count(),
                agent.subscriptions.len()
            ),
            (0, 0),
            "no subscription is left over"
        );
        assert_eq!(
            (agent.layer.client_count(), agent.layer.server_count()),
            (0, 0),
            "no transaction is left over"
        );
    }
}
