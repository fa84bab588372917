//! Every telephone registers at once, after the server was away: more than it can do, from addresses that are all in the right.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_stack::domain::Domains;
use sip_stack::guard::{Guard, GuardConfig};
use sip_stack::location::{Binding, UpdateOutcome, apply};
use sip_stack::role::registrar::{Registrar, RegistrarConfig};
use sip_stack::role::{Answer, Need};
use sip_stack::stack::{Input, Output, Parts, Stack};
use sip_stack::transaction::{TransactionConfig, Transactions};
use sip_stack::transport::{
    Input as Io, ListenerId, Output as Wanted, Seed, TransportConfig, TransportKind, Transports,
};

/// Without optimisation a fifth.
const PHONES: u32 = if cfg!(debug_assertions) {
    2_000
} else {
    10_000
};
/// What the server can do: all of them in four seconds of work, and they come within a tenth of one.
const WORK: Duration = Duration::from_nanos(4_000_000_000 / PHONES as u64);
/// Datagrams that wait in its socket; more are lost.
const SOCKET: usize = PHONES as usize / 4;
const HERE: &str = "192.0.2.1:5060";

/// A telephone, as a client transaction sees it.
struct Phone {
    cseq: u32,
    /// When it sends next, and how long it waits after that.
    next: Duration,
    interval: Duration,
    /// When its request is given up.
    until: Duration,
    is_registered: bool,
    refusals: u32,
}

struct Server {
    stack: Stack,
    begun: Instant,
    bindings: BTreeMap<String, Vec<Binding>>,
    answers: Vec<(SocketAddr, Bytes)>,
}

impl Server {
    fn new() -> Self {
        let seed = Seed::from_bytes([9; 32]);
        let mut domains = Domains::new("example.com");
        domains.add_address(HERE.parse().unwrap());
        let mut stack = Stack::new(Parts {
            transports: Transports::new(TransportConfig::default(), seed.derive("transport")),
            transactions: Transactions::new(TransactionConfig::default(), seed.derive("t")),
            dialogs: None,
            registrar: Some(Registrar::new(RegistrarConfig::new(domains), None, &seed)),
            events: None,
            proxy: None,
            stateless: None,
            handled: Vec::new(),
        });
        stack.add_listener(
            ListenerId::new(0),
            TransportKind::Udp,
            HERE.parse().unwrap(),
        );
        stack.set_guard(Guard::new(GuardConfig::default(), &seed));
        Self {
            stack,
            begun: Instant::now(),
            bindings: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    fn wall(at: Duration) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + at
    }

    fn take(&mut self, from: SocketAddr, payload: Bytes, waited: Duration, at: Duration) {
        let now = self.begun + at;
        self.stack.waited(waited, now);
        let input = Io::Datagram {
            listener: ListenerId::new(0),
            remote: from,
            local: None,
            payload,
        };
        self.stack
            .handle_input(Input::Io(input), Self::wall(at), now);
        if self.stack.poll_timeout().is_some_and(|due| due <= now) {
            self.stack.handle_timeout(Self::wall(at), now);
        }
        self.outputs(at);
    }

    fn outputs(&mut self, at: Duration) {
        let (wall, now) = (Self::wall(at), self.begun + at);
        while let Some(output) = self.stack.poll_output() {
            match output {
                Output::Io(Wanted::Datagram {
                    remote, payload, ..
                }) => {
                    self.answers.push((remote, payload));
                }
                Output::Need {
                    asker,
                    need: Need::Update { aor, update },
                } => {
                    let known = self.bindings.entry(aor.as_str().to_owned()).or_default();
                    let outcome = apply(known, update, wall);
                    if let UpdateOutcome::Stored(list) = &outcome {
                        *known = list.to_vec();
                    }
                    let answer = Answer::Updated(Ok(outcome));
                    self.stack
                        .handle_input(Input::Answer { asker, answer }, wall, now);
                }
                // A telephone that did not hear its answer wants it again.
                Output::Need {
                    asker,
                    need: Need::Lookup { aor },
                } => {
                    let known = self.bindings.get(aor.as_str()).cloned();
                    let answer = Answer::Bindings(Ok(known.unwrap_or_default()));
                    self.stack
                        .handle_input(Input::Answer { asker, answer }, wall, now);
                }
                Output::Need { need, .. } => panic!("{need:?}"),
                _ => {}
            }
        }
    }
}

fn address(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 5060))
}

fn number(address: SocketAddr) -> u32 {
    match address.ip() {
        std::net::IpAddr::V4(ip) => {
            let [_, a, b, c] = ip.octets();
            u32::from_be_bytes([0, a, b, c])
        }
        std::net::IpAddr::V6(_) => panic!("there are none"),
    }
}

fn register(number: u32, cseq: u32) -> String {
    let at = address(number);
    format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{number}x{cseq}\r\nMax-Forwards: 70\r\n\
         From: <sip:u{number}@example.com>;tag=a\r\nTo: <sip:u{number}@example.com>\r\nCall-ID: r{number}\r\n\
         CSeq: {cseq} REGISTER\r\nContact: <sip:u{number}@{at}>\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn every_telephone_that_registers_at_once_after_an_outage_is_registered_soon() {
    let mut server = Server::new();
    let t1 = Duration::from_millis(500);
    let mut phones: BTreeMap<u32, Phone> = (0..PHONES)
        .map(|number| {
            // All within a tenth of a second.
            let next = Duration::from_micros(u64::from(number) * 100_000 / u64::from(PHONES));
            let phone = Phone {
                cseq: 1,
                next,
                interval: t1,
                until: next + 64 * t1,
                is_registered: false,
                refusals: 0,
            };
            (number, phone)
        })
        .collect();
    let mut due: BTreeSet<(Duration, u32)> =
        phones.iter().map(|(n, phone)| (phone.next, *n)).collect();
    let mut socket: VecDeque<(Duration, SocketAddr, Bytes)> = VecDeque::new();
    let (mut at, mut registered, mut lost, mut most) = (Duration::ZERO, 0, 0, 0);
    while registered < PHONES {
        // What is sent until now arrives, as far as there is room.
        while let Some(&(when, phone)) = due.first().filter(|(when, _)| *when <= at) {
            due.pop_first();
            let one = phones.get_mut(&phone).unwrap();
            if when >= one.until {
                // RFC 3261 §17.1.2.2, Timer F: a new request, a while later.
                one.cseq += 1;
                (one.next, one.interval) = (when + Duration::from_secs(30), t1);
                one.until = one.next + 64 * t1;
            } else {
                match socket.len() < SOCKET {
                    true => {
                        let text = register(phone, one.cseq);
                        socket.push_back((when, address(phone), text.into()));
                    }
                    false => lost += 1,
                }
                // Timer E.
                one.next = (when + one.interval).min(one.until);
                one.interval = (one.interval * 2).min(8 * t1);
            }
            due.insert((one.next, phone));
        }
        let Some((sent, from, payload)) = socket.pop_front() else {
            at = due.first().unwrap().0.max(at);
            continue;
        };
        at += WORK;
        server.take(from, payload, at.saturating_sub(sent), at);
        most = most.max(server.stack.transactions().server_count());
        for (to, payload) in std::mem::take(&mut server.answers) {
            let text = std::str::from_utf8(&payload).unwrap();
            let phone = number(to);
            let one = phones.get_mut(&phone).unwrap();
            let is_current = text.contains(&format!("CSeq: {} REGISTER\r\n", one.cseq));
            if one.is_registered || !is_current {
                continue;
            }
            due.remove(&(one.next, phone));
            if text.starts_with("SIP/2.0 200 ") {
                one.is_registered = true;
                registered += 1;
                continue;
            }
            assert!(text.starts_with("SIP/2.0 503 "), "{text}");
            let after = text.split("Retry-After: ").nth(1).unwrap();
            let after: u64 = after.split("\r\n").next().unwrap().parse().unwrap();
            one.refusals += 1;
            one.cseq += 1;
            (one.next, one.interval) = (at + Duration::from_secs(after), t1);
            one.until = one.next + 64 * t1;
            due.insert((one.next, phone));
        }
    }
    let refusals = phones.values().map(|phone| phone.refusals).max().unwrap();
    println!(
        "{at:?}, {lost} lost, {refusals} refusals of one at most, {most} transactions at most"
    );
    // Four seconds of work; who was refused comes back after five to ten, and no two storms are alike.
    assert!(at < Duration::from_secs(45), "{at:?}");
    assert!(refusals <= 5, "{refusals}");
    // Each is there, with its one contact.
    assert_eq!(server.bindings.len(), PHONES as usize);
    assert!(server.bindings.values().all(|list| list.len() == 1));
    // Who did no more than come back is banned from nothing, and nothing is left.
    let stats = server.stack.guard().unwrap().stats();
    assert_eq!(
        (stats.banned, stats.dropped_by_ban, stats.dropped_by_budget),
        (0, 0, 0)
    );
    let end = server.begun + at + Duration::from_secs(64);
    server.stack.handle_timeout(Server::wall(at), end);
    server.outputs(at);
    assert_eq!(server.stack.transactions().server_count(), 0);
}
