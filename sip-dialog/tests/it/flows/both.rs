//! All ends of a flow are ours at once, over a simulated network: what each sends and gets is compared with the RFC, and over bad networks
//! all that was begun comes to the same end on each side.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sip_dialog::{Credential, DialogConfig, Dialogs, Event, Output, SessionId};
use sip_message::{Headers, Message, ParserConfig, Response, StatusCode};
use sip_testkit::{Loss, Node, NodeId, Packet, Path, Simulation, seed_of};
use sip_transaction::{
    Event as Back, Input, Output as Down, TransactionConfig, TransactionLayer as _, Transactions,
};
use sip_transport::{Flow as Connection, FlowId, TransportKind};

use super::desk::{Desk, Names};
use super::one::{configure, ends};
use super::script::{Flow, Step, flows, is_below};
use super::world::{Place, World};

const WORLD: &str = "198.51.100.1:5060";

/// A message as an end has sent or got it; repetitions count once.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    sent: bool,
    method: String,
    status: Option<u16>,
    number: u32,
    call_id: String,
    from_tag: String,
    to_tag: String,
}

impl Entry {
    fn of(message: &Message, sent: bool) -> Self {
        let of = |headers: &Headers| {
            let (number, method) = headers.cseq().unwrap();
            let tag = |tag: Option<&str>| tag.unwrap_or_default().to_owned();
            Self {
                sent,
                method: method.to_string(),
                status: None,
                number,
                call_id: headers.call_id().unwrap().to_owned(),
                from_tag: tag(headers.from_tag()),
                to_tag: tag(headers.to_tag()),
            }
        };
        match message {
            Message::Request(request) => of(request.headers()),
            Message::Response(response) => Self {
                status: Some(response.status().as_u16()),
                ..of(response.headers())
            },
        }
    }
}

/// One end.
struct End {
    address: SocketAddr,
    layer: Transactions,
    dialogs: Dialogs,
    desk: Desk,
    packets: VecDeque<Packet>,
    log: Vec<Entry>,
    /// How far the log is accounted for.
    seen: Vec<bool>,
    /// Sessions that are up, with their Call-ID.
    up: Vec<(SessionId, String)>,
}

impl End {
    fn new(address: SocketAddr, seed: u64) -> Self {
        let mut config = DialogConfig::default();
        // The script of a flow has its caller begin anew after a 302.
        config.redirections = 0;
        configure(&mut config);
        let seed_of = |what: &str| seed_of(seed, &format!("{what} {address}"));
        Self {
            address,
            layer: Transactions::new(TransactionConfig::default(), seed_of("transactions")),
            dialogs: Dialogs::new(config, seed_of("dialogs")),
            desk: Desk::new(),
            packets: VecDeque::new(),
            log: Vec::new(),
            seen: Vec::new(),
            up: Vec::new(),
        }
    }

    fn connection(&self) -> Connection {
        let world = WORLD.parse().unwrap();
        let id = FlowId::from_parts(0, 0);
        Connection::new(id, TransportKind::Udp, self.address, world)
    }

    fn note(&mut self, payload: &bytes::Bytes, sent: bool) -> Message {
        let message = Message::parse(payload.clone(), &ParserConfig::default()).unwrap();
        let entry = Entry::of(&message, sent);
        if !self.log.contains(&entry) {
            self.log.push(entry);
            self.seen.push(false);
        }
        message
    }

    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.layer.poll_output() {
                match output {
                    Down::Transmit { payload, .. } => {
                        self.note(&payload, true);
                        let to = WORLD.parse().unwrap();
                        self.packets
                            .push_back(Packet::datagram(self.address, to, payload));
                    }
                    Down::Event(event) => {
                        let back = self.dialogs.handle_input(event, &mut self.layer, now);
                        if let Some(Back::Request { id, request, .. }) = back {
                            // What is not of this layer is answered as a telephone would; what is of no dialog is not.
                            let status = if request.headers().to_tag().is_some() {
                                StatusCode::CALL_DOES_NOT_EXIST
                            } else {
                                StatusCode::OK
                            };
                            let response = Response::to(&request, status).to_tag("x");
                            let response = response.build().unwrap();
                            self.layer.respond(id, &response, now).unwrap();
                        }
                    }
                }
                continue;
            }
            let Some(output) = self.dialogs.poll_output() else {
                return;
            };
            match output {
                Output::SelectFlow { token, .. } => {
                    // Two ways, for the proxy that fails in section 3.4 of RFC 3665.
                    let flows = vec![self.connection(); 2];
                    self.dialogs
                        .flow_selected(token, Ok(flows), &mut self.layer, now);
                }
                Output::Authenticate { token, .. } => {
                    let credential = Some(Credential::new("alice", "secret"));
                    self.dialogs
                        .credentials(token, credential, &mut self.layer, now);
                }
                Output::Event(event) => self.told(&event, now),
            }
        }
    }

    fn told(&mut self, event: &Event, now: Instant) {
        self.desk
            .told(event, &mut self.dialogs, &mut self.layer, now);
        match event {
            Event::Accepted { session, .. } | Event::Confirmed { session, .. } => {
                let mut sessions = self.desk.sessions.iter();
                if let Some((call_id, _)) = sessions.find(|(_, known)| known == session)
                    && self.up.iter().all(|(known, _)| known != session)
                {
                    self.up.push((*session, call_id.clone()));
                }
            }
            _ => {}
        }
        if let (Some(session), true) = (event.session(), event.is_end()) {
            self.up.retain(|(known, _)| *known != session);
            self.desk.sessions.retain(|(_, known)| *known != session);
        }
        if let Event::SubscriptionEnded { subscription, .. } = event {
            let gone = |(_, known): &(String, _)| *known != *subscription;
            self.desk.subscriptions.retain(gone);
            self.desk.referrals.retain(gone);
        }
    }

    /// Ends all that is going on.
    fn leave(&mut self, now: Instant) {
        for (_, session) in self.desk.sessions.clone() {
            self.dialogs.end(session, &mut self.layer, now);
        }
        for (_, subscription) in self.desk.subscriptions.clone() {
            let _ = self.dialogs.unsubscribe(subscription, &mut self.layer, now);
        }
        for (_, referral) in self.desk.referrals.clone() {
            let status = StatusCode::REQUEST_TERMINATED;
            let _ = self
                .dialogs
                .refuse_referral(referral, status, &mut self.layer, now);
            let _ = self.dialogs.report(referral, status, &mut self.layer, now);
        }
        self.settle(now);
    }

    /// The next entry that is what a step says, if it is there; it is then accounted for.
    fn take(&mut self, step: &Step, sent: bool, names: &Names) -> Option<Entry> {
        let call_id = names.of(step.field("Call-ID").unwrap_or_default());
        // RFC 7647 section 5 and RFC 6665 section 8.3.1: 202 has become 200.
        let status = step
            .status()
            .map(|status| if status == 202 { 200 } else { status });
        let index = (0..self.log.len()).find(|index| {
            let entry = &self.log[*index];
            let fresh = names.theirs(&entry.call_id).is_none()
                && status.is_none()
                && sent
                && entry.to_tag.is_empty();
            !self.seen[*index]
                && entry.sent == sent
                && entry.method == step.method()
                && entry.status == status
                && (entry.call_id == call_id || fresh)
        })?;
        self.seen[index] = true;
        Some(self.log[index].clone())
    }
}

/// A node of the network.
#[expect(clippy::large_enum_variant, reason = "few of them")]
enum Party {
    End(End),
    World(World),
}

impl Party {
    fn end(&mut self) -> &mut End {
        match self {
            Self::End(end) => end,
            Self::World(_) => panic!("an end"),
        }
    }
}

impl Node for Party {
    fn handle_packet(&mut self, packet: Packet, now: Instant) {
        match self {
            Self::World(world) => world.handle_packet(packet, now),
            Self::End(end) => {
                let message = end.note(&packet.payload, false);
                let flow = end.connection();
                let input = Input::Message {
                    message: message.into(),
                    flow,
                    reply: flow,
                };
                end.layer.handle_input(input, now);
                end.settle(now);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::World(world) => world.handle_timeout(now),
            Self::End(end) => {
                end.layer.handle_timeout(now);
                end.dialogs.handle_timeout(&mut end.layer, now);
                end.settle(now);
            }
        }
    }

    /// The world says what the RFC prints.
    fn is_strict(&self) -> bool {
        matches!(self, Self::End(_))
    }

    fn poll_packet(&mut self) -> Option<Packet> {
        match self {
            Self::World(world) => world.poll_packet(),
            Self::End(end) => end.packets.pop_front(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::World(world) => world.poll_timeout(),
            Self::End(end) => [end.layer.poll_timeout(), end.dialogs.poll_timeout()]
                .into_iter()
                .flatten()
                .min(),
        }
    }
}

/// A flow that is played.
struct Play {
    simulation: Simulation<Party>,
    nodes: Vec<(String, NodeId)>,
    world: NodeId,
    names: Rc<RefCell<Names>>,
}

impl Play {
    fn new(flow: &Flow, path: Path, seed: u64) -> Self {
        let mut simulation = Simulation::new(seed);
        simulation.network.default_path = path;
        simulation.limit_steps(1_000_000);
        let names = Rc::new(RefCell::new(Names::default()));
        let places: Vec<Place> = ends(flow)
            .into_iter()
            .zip(1..)
            .map(|(name, last)| {
                let address: SocketAddr = format!("192.0.2.{last}:5060").parse().unwrap();
                (name.to_owned(), address)
            })
            .collect();
        let world = WORLD.parse().unwrap();
        let now = simulation.clock.now();
        let node = World::new(world, &places, flow, Rc::clone(&names), now);
        let world = simulation.add("world", world, Party::World(node));
        let nodes = places
            .iter()
            .map(|(name, address)| {
                let end = Party::End(End::new(*address, seed));
                (name.clone(), simulation.add(name, *address, end))
            })
            .collect();
        simulation.ladder.disable();
        Self {
            simulation,
            nodes,
            world,
            names,
        }
    }

    fn node(&self, name: &str) -> Option<NodeId> {
        let mut nodes = self.nodes.iter();
        nodes.find(|(known, _)| known == name).map(|(_, id)| *id)
    }

    /// Waits until something is as it should be.
    fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let waits = [
            0, 1, 50, 200, 300, 500, 1000, 2000, 4000, 8000, 16_000, 33_000,
        ];
        waits.into_iter().any(|wait| {
            if wait > 0 {
                self.simulation.run_for(Duration::from_millis(wait));
            }
            done(self)
        })
    }

    /// An end sends what a step says, by itself or as it is told to.
    fn send(&mut self, node: NodeId, step: &Step) -> bool {
        let names = Rc::clone(&self.names);
        let mut acted = false;
        self.until(|play| {
            play.simulation.with(node, |party, now| {
                let end = party.end();
                let sent = end.take(step, true, &names.borrow());
                let sent = sent.or_else(|| {
                    let call_id = step.field("Call-ID").unwrap_or_default();
                    let first = step.method() == "INVITE" && step.status().is_none();
                    let busy = step.tag("To").is_none()
                        && end.desk.session(&names.borrow(), call_id).is_some();
                    if acted || (first && busy) {
                        return None;
                    }
                    acted = end
                        .desk
                        .act(&names.borrow(), step, &mut end.dialogs, &mut end.layer, now)
                        .is_ok();
                    end.settle(now);
                    end.take(step, true, &names.borrow())
                });
                let Some(sent) = sent else {
                    return false;
                };
                let mut names = names.borrow_mut();
                names.learn(step.field("Call-ID"), Some(&sent.call_id));
                if step.status().is_none() {
                    names.learn(step.tag("From"), Some(&sent.from_tag));
                } else {
                    names.learn(step.tag("To"), Some(&sent.to_tag));
                }
                true
            })
        })
    }

    /// An end gets what a step says.
    fn receive(&mut self, node: NodeId, step: &Step, before: &[Step]) -> bool {
        let (names, world) = (Rc::clone(&self.names), self.world);
        // What a server says by itself, it says at once; what it passes on, it passes on at once.
        self.simulation.run_for(Duration::from_millis(1000));
        // What another end has said is not for the server to say.
        let mut told = self.node(&step.from).is_some()
            || before.iter().any(|earlier| {
                self.node(&earlier.from).is_some()
                    && earlier.status() == step.status()
                    && earlier.method() == step.method()
                    && earlier.field("Call-ID") == step.field("Call-ID")
            });
        self.until(|play| {
            let got = play.simulation.with(node, |party, _| {
                party.end().take(step, false, &names.borrow()).is_some()
            });
            if !got && !told {
                told = play.simulation.with(world, |party, now| match party {
                    Party::World(world) => world.act(step, now),
                    Party::End(_) => false,
                });
            }
            got
        })
    }

    /// Plays the steps, up to the first that is not possible.
    fn run(&mut self, flow: &Flow) -> Result<(), String> {
        for (index, step) in flow.steps.iter().enumerate() {
            if step.status() == Some(100) {
                continue;
            }
            let (from, to) = (self.node(&step.from), self.node(&step.to));
            if let Some(node) = from
                && !is_below(&flow.steps, index, &step.from)
                && !self.send(node, step)
            {
                return Err(format!("{} is not sent: {}", step.name, step.start()));
            }
            if let Some(node) = to
                && !is_below(&flow.steps, index, &step.to)
                && !self.receive(node, step, &flow.steps[..index])
            {
                return Err(format!("{} does not arrive: {}", step.name, step.start()));
            }
        }
        self.simulation.run_for(Duration::from_secs(1));
        let mut left = Vec::new();
        for (name, node) in self.nodes.clone() {
            self.simulation.with(node, |party, _| {
                let end = party.end();
                for (entry, seen) in end.log.iter().zip(&end.seen) {
                    // Of the transaction layer: is_below leaves it out.
                    let below = entry.status == Some(100)
                        || entry.method == "ACK"
                        || (entry.method == "CANCEL" && entry.status.is_some());
                    if !seen && !below {
                        let sent = if entry.sent { "sends" } else { "gets" };
                        left.push(format!(
                            "{name} also {sent} {} {:?}",
                            entry.method, entry.status
                        ));
                    }
                }
            });
        }
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join(", "))
        }
    }

    /// All calls that are up are so at both sides.
    fn agree(&mut self) -> Result<(), String> {
        let mut up: Vec<(String, String)> = Vec::new();
        let names = Rc::clone(&self.names);
        for (name, node) in self.nodes.clone() {
            self.simulation.with(node, |party, _| {
                for (_, call_id) in &party.end().up {
                    up.push((names.borrow().of(call_id), name.clone()));
                }
            });
        }
        let calls: BTreeSet<&String> = up.iter().map(|(call_id, _)| call_id).collect();
        for call_id in calls {
            let ends: Vec<&String> = up
                .iter()
                .filter(|(known, _)| known == call_id)
                .map(|(_, name)| name)
                .collect();
            if ends.len() % 2 == 1 {
                return Err(format!("a call is up at {ends:?} and nowhere else"));
            }
        }
        Ok(())
    }

    /// Everybody leaves; nothing is left anywhere.
    fn finish(&mut self) -> Result<(), String> {
        self.simulation.run_for(Duration::from_secs(100));
        self.agree()?;
        for (_, node) in self.nodes.clone() {
            self.simulation
                .with(node, |party, now| party.end().leave(now));
            self.simulation.run_for(Duration::from_secs(140));
            self.agree()?;
        }
        // Subscriptions that were not ended expire.
        self.simulation.run_for(Duration::from_secs(8000));
        for (name, node) in self.nodes.clone() {
            self.simulation.with(node, |party, _| {
                let end = party.end();
                let left = (
                    end.dialogs.session_count(),
                    end.dialogs.subscription_count(),
                    end.dialogs.request_count(),
                    end.layer.client_count(),
                    end.layer.server_count(),
                );
                if left == (0, 0, 0, 0, 0) {
                    Ok(())
                } else {
                    Err(format!("{name} has left {left:?}"))
                }
            })?;
        }
        Ok(())
    }
}

/// Where the ladder is not that of the RFC: flow, how, and why.
pub(super) type Difference = (&'static str, &'static str, &'static str);

/// Each flow over a network that delivers everything.
pub(super) fn check(text: &str, differences: &[Difference]) -> usize {
    let mut wrong = Vec::new();
    let flows = flows(text);
    for flow in &flows {
        let mut play = Play::new(flow, Path::delay(Duration::from_millis(10)), 1);
        let section = flow.title.split(' ').next().unwrap();
        let known = differences.iter().find(|(known, ..)| *known == section);
        match (play.run(flow), known) {
            (Ok(()), None) => {}
            (Err(error), Some((_, expected, _))) if error.contains(expected) => {}
            (Err(error), _) => wrong.push(format!("{}: {error}", flow.title)),
            (Ok(()), Some((_, expected, _))) => {
                wrong.push(format!("{section}: expected {expected}"));
            }
        }
        if let Err(error) = play.finish() {
            wrong.push(format!("{}: {error}", flow.title));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    flows.len()
}

/// Each flow over the grid: whatever of it comes to pass, all sides agree on it, and nothing is left.
pub(super) fn grid(text: &str) {
    let mut wrong = Vec::new();
    let (mut complete, mut played) = (0, 0);
    for flow in &flows(text) {
        for delay in [5, 80, 400] {
            for loss in [0.0, 0.05, 0.15, 0.3] {
                for seed in [1, 2] {
                    let mut path =
                        Path::delay(Duration::from_millis(delay)).with_loss(Loss::Random(loss));
                    path.jitter = Duration::from_millis(delay / 2);
                    path.duplicate = loss / 3.0;
                    let mut play = Play::new(flow, path, seed);
                    // How far it comes is for the network to say.
                    played += 1;
                    complete += usize::from(play.run(flow).is_ok());
                    if let Err(error) = play.finish() {
                        wrong.push(format!(
                            "{}, {delay} ms, loss {loss}, seed {seed}: {error}",
                            flow.title
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // Six flows contradict themselves, and come to their end nowhere.
    assert!(complete * 5 > played * 2, "{complete} of {played}");
}
