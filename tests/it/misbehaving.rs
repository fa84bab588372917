//! The misbehaving peer against every role, in virtual time: the role answers as it should, its memory returns to the start,
//! and the calls of others on the same server go on. What is expected is `sip-testkit`'s table.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_testkit::misbehave::{Peer, Plan, Role, Sin, expected};
use sip_testkit::{Node, NodeId, Packet, Path, Simulation, TransportKind, seed_of};

use crate::subject::{Kind, Subject};

const SUBJECT: &str = "192.0.2.1:5060";
const SINNER: &str = "192.0.2.66:5060";
const VICTIM: &str = "192.0.2.67:5060";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[expect(clippy::large_enum_variant, reason = "a few of each, in tests")]
enum Element {
    Subject(Subject),
    Peer(Peer),
}

impl Node for Element {
    fn handle_packet(&mut self, packet: Packet, now: Instant) {
        let Packet {
            from,
            to,
            kind,
            payload,
            ..
        } = packet;
        match self {
            Self::Subject(subject) => subject.arrive(from, to, kind, payload, now),
            Self::Peer(peer) => peer.handle(from, to, kind, &payload, now),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Subject(subject) => subject.handle_timeout(now),
            Self::Peer(peer) => peer.handle_timeout(now),
        }
    }

    fn poll_packet(&mut self) -> Option<Packet> {
        match self {
            Self::Subject(subject) => subject
                .poll()
                .map(|sent| Packet::new(sent.kind, sent.from, sent.to, sent.payload)),
            Self::Peer(peer) => peer
                .poll_sent()
                .map(|sent| Packet::new(sent.transport, sent.from, sent.to, sent.bytes)),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Subject(subject) => subject.poll_timeout(),
            Self::Peer(peer) => peer.poll_timeout(),
        }
    }

    /// What the subject sends is judged by itself: it knows what is its own.
    fn is_strict(&self) -> bool {
        false
    }
}

/// One sin against one role.
struct Scene {
    simulation: Simulation<Element>,
    subject: NodeId,
    role: Role,
    transport: TransportKind,
    count: u64,
}

impl Scene {
    fn new(role: Role, transport: TransportKind) -> Self {
        let mut simulation = Simulation::new(1);
        simulation.network.default_path = Path::delay(Duration::from_millis(5));
        simulation.ladder.disable();
        let kind = match role {
            Role::Redirect => Kind::Redirect,
            Role::Callee | Role::Caller => Kind::Agent,
            _ => Kind::Server,
        };
        let parameter = if transport.is_reliable() {
            ";transport=tcp"
        } else {
            ""
        };
        let hop = |address: &str| format!("sip:{address}{parameter}");
        let (sinner, victim) = (hop(SINNER), hop(VICTIM));
        let stateless = [("8", sinner.as_str()), ("9", victim.as_str())];
        let stateless = if matches!(role, Role::Stateless | Role::StatelessCallee) {
            &stateless[..]
        } else {
            &[]
        };
        let now = simulation.clock.now();
        let here = addr(SUBJECT);
        let mut subject = Subject::new(kind, here, stateless, &seed_of(1, "subject"), now);
        subject.bind("mallory", &format!("sip:mallory@{SINNER}{parameter}"));
        subject.bind("bob", &format!("sip:bob@{VICTIM}{parameter}"));
        let node = simulation.add("subject", here, Element::Subject(subject));
        // Where its own connections come from.
        for port in 40_000..40_100 {
            simulation.add_address(node, SocketAddr::new(here.ip(), port));
        }
        Self {
            simulation,
            subject: node,
            role,
            transport,
            count: 0,
        }
    }

    fn subject<T>(&mut self, call: impl FnOnce(&mut Subject, Instant) -> T) -> T {
        self.simulation.with(self.subject, |node, now| match node {
            Element::Subject(subject) => call(subject, now),
            Element::Peer(_) => panic!("the first node is the subject"),
        })
    }

    fn peer(&mut self, here: &str, sin: Option<Sin>, change: impl FnOnce(&mut Plan)) -> NodeId {
        self.count += 1;
        let mut plan = Plan::new(self.role, addr(here), addr(SUBJECT));
        plan.sin = sin;
        plan.transport = self.transport;
        plan.number = self.count;
        change(&mut plan);
        self.subject(|subject, _| subject.listens(addr(here)));
        let other = plan.other;
        let node = self
            .simulation
            .add(here, addr(here), Element::Peer(Peer::new(plan)));
        self.simulation.add_address(node, other);
        node
    }

    fn start(&mut self, peer: NodeId) {
        self.simulation.with(peer, |node, now| {
            if let Element::Peer(peer) = node {
                peer.start(now);
            }
        });
    }

    fn verdict(&self, peer: NodeId) -> String {
        match self.simulation.node(peer) {
            Element::Peer(peer) => peer.verdict(),
            Element::Subject(_) => panic!("the subject has no verdict"),
        }
    }

    /// Somebody honest calls somebody honest, by way of the subject.
    fn honest(&mut self, number: u32) -> Honest {
        let caller = format!("192.0.2.{}:5060", 100 + number);
        let callee = format!("192.0.2.{}:5060", 150 + number);
        let parameter = if self.transport.is_reliable() {
            ";transport=tcp"
        } else {
            ""
        };
        let user = format!("carol{number}");
        self.peer(&callee, None, |plan| plan.role = Role::Proxy);
        if self.role == Role::Caller {
            let id = self.subject(|subject, now| {
                let target = format!("sip:carol@{callee}{parameter}");
                subject.call(&target, false, now)
            });
            return Honest::Called(id.unwrap());
        }
        let contact = format!("sip:{user}@{callee}{parameter}");
        self.subject(|subject, _| subject.bind(&user, &contact));
        let role = if matches!(self.role, Role::Callee | Role::Redirect) {
            self.role
        } else {
            Role::Proxy
        };
        let peer = self.peer(&caller, None, |plan| {
            plan.role = role;
            plan.callee = user;
        });
        self.start(peer);
        Honest::Peer(peer)
    }

    fn honest_verdict(&mut self, honest: Honest) -> String {
        match honest {
            Honest::Peer(peer) => self.verdict(peer),
            Honest::Called(id) => self.subject(|subject, _| {
                subject
                    .outcomes
                    .get(&id)
                    .cloned()
                    .unwrap_or_else(|| "none".to_owned())
            }),
        }
    }
}

#[derive(Clone, Copy)]
enum Honest {
    Peer(NodeId),
    Called(sip_stack::dialog::SessionId),
}

/// Plays it; the verdict, and what went wrong.
fn play(sin: Sin, role: Role, transport: TransportKind) -> (String, Vec<String>) {
    let mut scene = Scene::new(role, transport);
    scene.simulation.limit_steps(200_000);
    let mut honest = vec![scene.honest(0)];
    let sinner = scene.peer(SINNER, Some(sin), |plan| {
        plan.callee = if role == Role::Stateless {
            "9".to_owned()
        } else {
            "bob".to_owned()
        };
    });
    // Whom the sinner calls, or who calls it.
    let victim = scene.peer(VICTIM, None, |plan| {
        plan.role = Role::Proxy;
        plan.callee = if role == Role::StatelessCallee {
            "8".to_owned()
        } else {
            "mallory".to_owned()
        };
        plan.cancels = sin == Sin::AnswersAfterCancel;
    });
    let mut called = None;
    if role == Role::Caller {
        let parameter = if transport.is_reliable() {
            ";transport=tcp"
        } else {
            ""
        };
        called = scene.subject(|subject, now| {
            let target = format!("sip:mallory@{SINNER}{parameter}");
            subject.call(&target, sin == Sin::AnswersAfterCancel, now)
        });
    } else if role.calls_the_peer() {
        scene.start(victim);
    } else {
        scene.start(sinner);
    }
    for (number, seconds) in [(1, 1), (2, 20), (3, 100)] {
        scene.simulation.run_for(Duration::from_secs(seconds));
        honest.push(scene.honest(number));
    }
    scene.simulation.run_for(Duration::from_secs(900));
    let verdict = match called {
        Some(id) => scene.honest_verdict(Honest::Called(id)),
        None if role.calls_the_peer() => scene.verdict(victim),
        None => scene.verdict(sinner),
    };
    let mut faults = Vec::new();
    let good = if role == Role::Redirect { "302" } else { "200" };
    for (number, call) in honest.into_iter().enumerate() {
        let got = scene.honest_verdict(call);
        if got != good {
            faults.push(format!("the honest call {number} got {got}"));
        }
    }
    scene.subject(|subject, _| {
        let live = subject.live();
        if !live.is_nothing() {
            faults.push(format!("something is left: {live:?}"));
        }
        faults.extend(subject.stack.transactions().leaks());
        faults.append(&mut subject.faults);
    });
    (verdict, faults)
}

fn examine(role: Role) {
    let mut wrong = String::new();
    let mut column = String::new();
    for sin in Sin::ALL {
        let mut cell = Vec::new();
        for transport in [TransportKind::Udp, TransportKind::Tcp] {
            let (verdict, faults) = play(*sin, role, transport);
            let right = expected(*sin, role, transport);
            if !right.contains(&verdict.as_str()) {
                let _ = writeln!(
                    wrong,
                    "{} over {transport}: {verdict} instead of {right:?}",
                    sin.name()
                );
            }
            if let Some(fault) = faults.first() {
                let fault: String = fault.chars().take(1_500).collect();
                let _ = writeln!(
                    wrong,
                    "{} over {transport}: {} faults: {fault}",
                    sin.name(),
                    faults.len()
                );
            }
            cell.push(verdict);
        }
        let _ = writeln!(
            column,
            "COLUMN {} {} {}",
            role.name(),
            sin.name(),
            cell.join("/")
        );
    }
    assert!(wrong.is_empty(), "{}\n{wrong}{column}", role.name());
}

#[test]
fn a_registrar_survives_every_sin() {
    examine(Role::Registrar);
}

#[test]
fn a_proxy_survives_every_sin_of_a_caller() {
    examine(Role::Proxy);
}

#[test]
fn a_proxy_survives_every_sin_of_a_callee() {
    examine(Role::ProxyCallee);
}

#[test]
fn a_redirect_server_survives_every_sin() {
    examine(Role::Redirect);
}

#[test]
fn a_stateless_proxy_survives_every_sin_of_a_caller() {
    examine(Role::Stateless);
}

#[test]
fn a_stateless_proxy_survives_every_sin_of_a_callee() {
    examine(Role::StatelessCallee);
}

#[test]
fn a_notifier_survives_every_sin() {
    examine(Role::Notifier);
}

#[test]
fn a_callee_survives_every_sin() {
    examine(Role::Callee);
}

#[test]
fn a_caller_survives_every_sin() {
    examine(Role::Caller);
}
