//! What goes wrong around a server, in a simulated network with whole servers in it: loops, forks, dead neighbours, dead
//! resolvers, floods of new calls, and clocks that jump.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_stack::domain::Domains;
use sip_stack::location::Binding;
use sip_stack::message::Uri;
use sip_stack::role::proxy::{Proxy, ProxyConfig};
use sip_stack::role::registrar::{Registrar, RegistrarConfig};
use sip_stack::role::{Answer, Need};
use sip_stack::routing::{Hop, Route, Rule, Table};
use sip_stack::stack::{Input, Output, Parts, Stack};
use sip_stack::transaction::{TransactionConfig, Transactions};
use sip_stack::transport::{
    Input as Io, ListenerId, Output as Wanted, Seed, TransportConfig, TransportKind, Transports,
};
use sip_testkit::{Node, NodeId, Packet, Path, Simulation, seed_of};

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A server over one UDP socket, whose users are where the test says.
struct Server {
    stack: Stack,
    here: SocketAddr,
    bindings: HashMap<String, Vec<&'static str>>,
    wall: SystemTime,
    packets: VecDeque<Packet>,
}

impl Server {
    fn new(here: &str, domain: &str, table: Table) -> Self {
        let (here, seed) = (addr(here), seed_of(1, here));
        let mut domains = Domains::new(domain);
        domains.add_address(here);
        let mut config = ProxyConfig::new(domains.clone());
        config.router = Some(Arc::new(table));
        let mut stack = Stack::new(Parts {
            transports: Transports::new(TransportConfig::default(), seed.derive("transport")),
            transactions: Transactions::new(TransactionConfig::default(), seed.derive("t")),
            dialogs: None,
            registrar: Some(Registrar::new(RegistrarConfig::new(domains), None, &seed)),
            events: None,
            proxy: Some(Proxy::new(config, None, &seed)),
            stateless: None,
            handled: Vec::new(),
        });
        stack.add_listener(ListenerId::new(0), TransportKind::Udp, here);
        Self {
            stack,
            here,
            bindings: HashMap::new(),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            packets: VecDeque::new(),
        }
    }

    fn bind(mut self, user: &str, contacts: &[&'static str]) -> Self {
        self.bindings.insert(user.to_owned(), contacts.to_vec());
        self
    }

    fn receive(&mut self, from: SocketAddr, payload: Bytes, now: Instant) {
        let input = Io::Datagram {
            listener: ListenerId::new(0),
            remote: from,
            local: None,
            payload,
        };
        self.stack.handle_input(Input::Io(input), self.wall, now);
        self.outputs(now);
    }

    fn outputs(&mut self, now: Instant) {
        while let Some(output) = self.stack.poll_output() {
            match output {
                Output::Io(Wanted::Datagram {
                    remote, payload, ..
                }) => self
                    .packets
                    .push_back(Packet::datagram(self.here, remote, payload)),
                Output::Need { asker, need } => {
                    let answer = match need {
                        Need::Lookup { aor } => {
                            let contacts = self.bindings.get(aor.user()).cloned();
                            let until = self.wall + Duration::from_secs(600);
                            let binding = |contact: &str| Binding::new(contact, until, "c", 1);
                            let list = contacts.unwrap_or_default();
                            Answer::Bindings(Ok(list.into_iter().map(binding).collect()))
                        }
                        Need::Credential { .. } => Answer::Credential(Ok(None)),
                        other => panic!("{other:?}"),
                    };
                    self.stack
                        .handle_input(Input::Answer { asker, answer }, self.wall, now);
                }
                // Nobody asks the name servers: they are dead. The rest is for logs.
                _ => {}
            }
        }
    }
}

/// A telephone that sends what it is told to, and answers calls at once.
#[derive(Default)]
struct Phone {
    here: Option<SocketAddr>,
    heard: Vec<String>,
    packets: VecDeque<Packet>,
}

impl Phone {
    fn at(here: &str) -> Self {
        Self {
            here: Some(addr(here)),
            ..Self::default()
        }
    }

    fn send(&mut self, to: &str, text: String) {
        let here = self.here.unwrap();
        self.packets
            .push_back(Packet::datagram(here, addr(to), text));
    }

    /// The status lines of final answers.
    fn finals(&self) -> Vec<&str> {
        self.heard
            .iter()
            .filter(|text| text.starts_with("SIP/2.0 ") && !text.starts_with("SIP/2.0 1"))
            .map(|text| text.lines().next().unwrap())
            .collect()
    }

    fn take(&mut self, packet: Packet) {
        let text = String::from_utf8(packet.payload.to_vec()).unwrap();
        if text.starts_with("INVITE ") || text.starts_with("BYE ") {
            let fields: String = text
                .split("\r\n")
                .filter(|line| {
                    ["Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:"]
                        .iter()
                        .any(|name| line.starts_with(name))
                })
                .map(|line| format!("{line}\r\n"))
                .collect();
            let to = text
                .split("\r\n")
                .find(|line| line.starts_with("To:"))
                .unwrap();
            let answer = format!(
                "SIP/2.0 200 OK\r\n{fields}{to};tag=callee\r\nContact: <sip:{}>\r\nContent-Length: 0\r\n\r\n",
                packet.to
            );
            self.packets
                .push_back(Packet::datagram(packet.to, packet.from, answer));
        }
        self.heard.push(text);
    }
}

#[expect(clippy::large_enum_variant, reason = "a few of each, in tests")]
enum Element {
    Server(Server),
    Phone(Phone),
}

impl Node for Element {
    fn handle_packet(&mut self, packet: Packet, now: Instant) {
        match self {
            Self::Server(server) => server.receive(packet.from, packet.payload, now),
            Self::Phone(phone) => phone.take(packet),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Self::Server(server) = self {
            server.stack.handle_timeout(server.wall, now);
            server.outputs(now);
        }
    }

    fn poll_packet(&mut self) -> Option<Packet> {
        match self {
            Self::Server(server) => server.packets.pop_front(),
            Self::Phone(phone) => phone.packets.pop_front(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Server(server) => server.stack.poll_timeout(),
            Self::Phone(_) => None,
        }
    }
}

struct World(Simulation<Element>);

impl World {
    fn new() -> Self {
        let mut simulation = Simulation::new(1);
        simulation.network.default_path = Path::delay(Duration::from_millis(5));
        simulation.ladder.disable();
        Self(simulation)
    }

    fn server(&mut self, server: Server) -> NodeId {
        let here = server.here;
        self.0.add("server", here, Element::Server(server))
    }

    fn phone(&mut self, here: &str) -> NodeId {
        self.0
            .add("phone", addr(here), Element::Phone(Phone::at(here)))
    }

    fn call(&mut self, phone: NodeId, to: &str, uri: &str, number: u32) {
        self.0.with(phone, |node, _| {
            let Element::Phone(phone) = node else {
                panic!("a phone calls");
            };
            let here = phone.here.unwrap();
            phone.send(to, invite(here, uri, number));
        });
    }

    fn finals(&self, phone: NodeId) -> Vec<&str> {
        match self.0.node(phone) {
            Element::Phone(phone) => phone.finals(),
            Element::Server(_) => panic!("a phone hears"),
        }
    }

    fn heard(&self, phone: NodeId, begin: &str) -> usize {
        match self.0.node(phone) {
            Element::Phone(phone) => phone
                .heard
                .iter()
                .filter(|text| text.starts_with(begin))
                .count(),
            Element::Server(_) => panic!("a phone hears"),
        }
    }

    fn stack(&self, server: NodeId) -> &Stack {
        match self.0.node(server) {
            Element::Server(server) => &server.stack,
            Element::Phone(_) => panic!("a server has a stack"),
        }
    }

    fn is_idle(&self, server: NodeId) -> bool {
        let stack = self.stack(server);
        stack.transactions().server_count() + stack.transactions().client_count() == 0
            && stack.proxy().unwrap().contexts() == 0
    }
}

fn invite(here: SocketAddr, uri: &str, number: u32) -> String {
    format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKf{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:caller@elsewhere.example>;tag=a\r\nTo: <{uri}>\r\nCall-ID: fault-{number}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:caller@{here}>\r\nContent-Length: 0\r\n\r\n"
    )
}

fn to(uri: &str) -> Route {
    Route::to([Hop::new(Uri::parse(uri).unwrap())]).trusted()
}

const A: &str = "192.0.2.1:5060";
const B: &str = "192.0.2.2:5060";

#[test]
fn rfc5393_4_2_a_forwarding_loop_between_two_proxies_ends() {
    let mut world = World::new();
    let table = |next: &str| Table::new().rule(Rule::new(to(next)));
    let a = world.server(Server::new(
        A,
        "a.example",
        table("sip:loop@192.0.2.2:5060"),
    ));
    let b = world.server(Server::new(
        B,
        "b.example",
        table("sip:loop@192.0.2.1:5060"),
    ));
    let caller = world.phone("192.0.2.9:5060");
    world.call(caller, A, "sip:loop@192.0.2.1:5060", 1);
    world.0.limit_steps(2000);
    world.0.run_for(Duration::from_secs(120));
    assert_eq!(
        world.finals(caller).first(),
        Some(&"SIP/2.0 482 Loop Detected")
    );
    assert!(world.0.steps() < 500, "{}", world.0.steps());
    assert!(world.is_idle(a) && world.is_idle(b));
}

#[test]
fn rfc5393_3_a_forking_bomb_is_no_bomb() {
    // RFC 5393 §3: each of two users at each of two proxies is registered at both users of the other.
    let mut world = World::new();
    let at_a = ["sip:a@192.0.2.1:5060", "sip:b@192.0.2.1:5060"];
    let at_b = ["sip:a@192.0.2.2:5060", "sip:b@192.0.2.2:5060"];
    let a = Server::new(A, "a.example", Table::new())
        .bind("a", &at_b)
        .bind("b", &at_b);
    let b = Server::new(B, "b.example", Table::new())
        .bind("a", &at_a)
        .bind("b", &at_a);
    let (a, b) = (world.server(a), world.server(b));
    let caller = world.phone("192.0.2.9:5060");
    world.call(caller, A, "sip:a@192.0.2.1:5060", 1);
    // Without bounds it would be 2^70 requests.
    world.0.limit_steps(100_000);
    world.0.run_for(Duration::from_secs(300));
    // It sends no ACK, so the one answer is repeated until Timer H.
    let finals = world.finals(caller);
    assert!(
        !finals.is_empty()
            && finals
                .iter()
                .all(|line| *line == "SIP/2.0 482 Loop Detected"),
        "{finals:?}"
    );
    println!("{} steps", world.0.steps());
    assert!(world.0.steps() < 20_000, "{}", world.0.steps());
    assert!(world.is_idle(a) && world.is_idle(b));
}

#[test]
fn rfc3261_16_7_a_killed_node_loses_no_call_that_is_being_set_up() {
    let mut world = World::new();
    let hops = Route::to([
        Hop::new(Uri::parse("sip:192.0.2.1:5060").unwrap()),
        Hop::new(Uri::parse("sip:192.0.2.2:5060").unwrap()).priority(2),
    ]);
    let edge = Server::new(
        "192.0.2.3:5060",
        "edge.example",
        Table::new().rule(Rule::new(hops.trusted())),
    );
    let edge = world.server(edge);
    let callee = world.phone("192.0.2.20:5060");
    for node in [A, B] {
        let server = Server::new(node, "example.com", Table::new())
            .bind("bob", &["sip:bob@192.0.2.20:5060"]);
        world.server(server);
    }
    let caller = world.phone("192.0.2.9:5060");
    // The node dies with the call in its hands: nothing reaches it, and nothing leaves it.
    for other in ["192.0.2.3:5060", "192.0.2.20:5060"] {
        let mut dead = Path::delay(Duration::from_millis(5));
        dead.partitioned = true;
        world.0.network.set_paths(addr(A), addr(other), &dead);
    }
    for number in 0..20 {
        world.call(caller, "192.0.2.3:5060", "sip:bob@192.0.2.3:5060", number);
    }
    world.0.run_for(Duration::from_secs(40));
    assert!(world.heard(callee, "INVITE ") >= 20);
    assert!(
        world
            .finals(caller)
            .iter()
            .all(|line| *line == "SIP/2.0 200 OK"),
        "{:?}",
        world.finals(caller)
    );
    assert!(world.finals(caller).len() >= 20);
    world.0.run_for(Duration::from_secs(100));
    assert!(world.is_idle(edge));
}

#[test]
fn a_dead_resolver_holds_up_only_who_needs_it() {
    let mut world = World::new();
    let table = Table::new().rule(Rule::new(to("sip:gw.nowhere.example")).prefix("9"));
    let server = Server::new(A, "example.com", table).bind("bob", &["sip:bob@192.0.2.20:5060"]);
    let server = world.server(server);
    world.phone("192.0.2.20:5060");
    let (waiting, other) = (world.phone("192.0.2.9:5060"), world.phone("192.0.2.8:5060"));
    for number in 0..200 {
        world.call(waiting, A, "sip:999@192.0.2.1:5060", number);
    }
    world.call(other, A, "sip:bob@192.0.2.1:5060", 1000);
    world.0.run_for(Duration::from_secs(1));
    assert_eq!(world.finals(other).first(), Some(&"SIP/2.0 200 OK"));
    assert!(world.finals(waiting).is_empty());
    world.0.run_for(Duration::from_secs(60));
    let answers = world.finals(waiting);
    assert!(
        answers.len() >= 200 && answers.iter().all(|line| line.starts_with("SIP/2.0 5")),
        "{answers:?}"
    );
    world.0.run_for(Duration::from_secs(200));
    assert!(world.is_idle(server));
    assert_eq!(world.stack(server).transports().stats().selections, 0);
}

#[test]
fn a_clock_that_jumps_disturbs_no_call() {
    let mut world = World::new();
    let server =
        Server::new(A, "example.com", Table::new()).bind("bob", &["sip:bob@192.0.2.20:5060"]);
    let server = world.server(server);
    let (callee, caller) = (
        world.phone("192.0.2.20:5060"),
        world.phone("192.0.2.9:5060"),
    );
    let day = Duration::from_secs(86_400);
    for (number, forward) in [(1, true), (2, false), (3, true)] {
        world.call(caller, A, "sip:bob@192.0.2.1:5060", number);
        world.0.with(server, |node, now| {
            if let Element::Server(server) = node {
                server.wall = if forward {
                    server.wall + day
                } else {
                    server.wall - day * 3
                };
                server.stack.handle_timeout(server.wall, now);
                server.outputs(now);
            }
        });
        world.0.run_for(Duration::from_millis(100));
        let answered = world
            .finals(caller)
            .iter()
            .filter(|line| **line == "SIP/2.0 200 OK")
            .count();
        assert_eq!(answered, number as usize, "{:?}", world.finals(caller));
    }
    assert_eq!(world.heard(callee, "INVITE "), 3);
}

/// Without optimisation a tenth: a million took half a minute.
const CALLS: u32 = if cfg!(debug_assertions) {
    100_000
} else {
    1_000_000
};

/// Each of a million calls has a Call-ID of its own, and nobody ends any of them.
#[test]
fn a_million_call_ids_take_no_more_than_the_limits_say() {
    let mut config = TransactionConfig::default();
    config.max_server = 2000;
    config.max_server_per_peer = 2000;
    let seed = Seed::from_bytes([1; 32]);
    let mut domains = Domains::new("example.com");
    domains.add_address(addr(A));
    let mut stack = Stack::new(Parts {
        transports: Transports::new(TransportConfig::default(), seed.derive("transport")),
        transactions: Transactions::new(config, seed.derive("t")),
        dialogs: None,
        registrar: None,
        events: None,
        proxy: Some(Proxy::new(ProxyConfig::new(domains), None, &seed)),
        stateless: None,
        handled: Vec::new(),
    });
    stack.add_listener(ListenerId::new(0), TransportKind::Udp, addr(A));
    let (wall, mut now) = (SystemTime::UNIX_EPOCH, Instant::now());
    let from = addr("192.0.2.9:5060");
    let template = invite(from, "sip:bob@192.0.2.1:5060", 1_000_000);
    let digits: Vec<usize> = template
        .match_indices("1000000")
        .map(|(at, _)| at)
        .collect();
    let mut text = template.into_bytes();
    let (mut most, mut contexts) = (0, 0);
    for number in 1_000_000..1_000_000 + CALLS {
        for at in &digits {
            text[*at..at + 7].copy_from_slice(number.to_string().as_bytes());
        }
        let input = Io::Datagram {
            listener: ListenerId::new(0),
            remote: from,
            local: None,
            payload: Bytes::copy_from_slice(&text),
        };
        now += Duration::from_micros(50);
        stack.handle_input(Input::Io(input), wall, now);
        // The store is silent, so that nothing ends by itself soon.
        while stack.poll_output().is_some() {}
        if stack.poll_timeout().is_some_and(|due| due <= now) {
            stack.handle_timeout(wall, now);
            while stack.poll_output().is_some() {}
        }
        most = most.max(stack.transactions().server_count());
        contexts = contexts.max(stack.proxy().unwrap().contexts());
    }
    assert!(most <= 2000 && contexts <= 2000, "{most} {contexts}");
    let stats = stack.transactions().stats();
    let refused = stats.refused_by_total + stats.refused_by_peer;
    assert!(refused > u64::from(CALLS) * 9 / 10, "{stats:?}");
    for _ in 0..400 {
        now += Duration::from_secs(1);
        stack.handle_timeout(wall, now);
        while stack.poll_output().is_some() {}
    }
    assert_eq!(stack.transactions().server_count(), 0);
    assert_eq!(stack.proxy().unwrap().contexts(), 0);
}
