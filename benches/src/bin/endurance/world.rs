//! The server, the network and the telephones, moved by one queue of events.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use sip_stack::domain::{Aor, Domains};
use sip_stack::location::{Binding, UpdateOutcome, apply};
use sip_stack::role::proxy::{Proxy, ProxyConfig};
use sip_stack::role::registrar::{Registrar, RegistrarConfig};
use sip_stack::role::{Answer, Need};
use sip_stack::stack::{Input, Output, Parts, Stack};
use sip_transaction::{TransactionConfig, Transactions};
use sip_transport::{ListenerId, Seed, TransportConfig, TransportKind, Transports};

use super::call::{Call, Plan};
use super::random::Random;
use super::text::{address, agent, copied, method, status, uri, value, values};

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) agents: u32,
    pub(crate) hours: u32,
    pub(crate) seed: u64,
}

/// What the server keeps, and what has happened, at one moment.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) resident: u64,
    pub(crate) transactions: usize,
    pub(crate) contexts: usize,
    pub(crate) bindings: usize,
    pub(crate) registrations: u64,
    pub(crate) calls: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    ToServer(u32, String),
    ToAgent(u32, String),
    /// A telephone's time to register has come; the round makes older ones void.
    Register(u32, u32),
    /// The REGISTER of this round and number was not answered.
    RegisterAgain(u32, u32, u32),
    Dial(u32),
    /// A request of the caller was not answered.
    CallerAgain(u64, u32),
    /// A response of the callee was not acknowledged.
    CalleeAgain(u64, u32),
    Ring(u64),
    Decide(u64),
    GiveUp(u64),
    HangUp(u64),
    ByeAgain(u64, u32),
    Forget(u64),
}

const T1: u64 = 500_000;
const T2: u64 = 4_000_000;
/// 64 times T1 is over after so many doublings.
const TURNS: u32 = 10;
const SECOND: u64 = 1_000_000;
const DOMAIN: &str = "example.com";
const SERVER: &str = "192.0.2.10:5060";
/// Each telephone dials about three times a day.
const DIALS: u64 = 8 * 3_600;

#[derive(Debug)]
pub(crate) struct World {
    stack: Stack,
    began: Instant,
    /// Microseconds since then.
    now: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    number: u64,
    random: Random,
    store: HashMap<Aor, Vec<Binding>>,
    /// Until when a telephone is switched off, in seconds.
    off: Vec<u32>,
    /// The round of registration of each telephone, and whether it was answered.
    rounds: Vec<(u32, bool)>,
    calls: HashMap<u64, Call>,
    /// No more is begun.
    closing: bool,
    begun: u64,
    registered: u64,
    results: BTreeMap<(Plan, Option<u16>), u64>,
    refused: BTreeMap<u16, u64>,
    lost: u64,
    messages: u64,
}

impl World {
    pub(crate) fn new(options: &Options) -> Self {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&options.seed.to_le_bytes());
        let seed = Seed::from_bytes(bytes);
        let local: SocketAddr = SERVER.parse().unwrap();
        let mut domains = Domains::new(DOMAIN);
        domains.add_address(local);
        let mut stack = Stack::new(Parts {
            transports: Transports::new(TransportConfig::default(), seed.derive("transport")),
            transactions: Transactions::new(
                TransactionConfig::default(),
                seed.derive("transaction"),
            ),
            dialogs: None,
            registrar: Some(Registrar::new(
                RegistrarConfig::new(domains.clone()),
                None,
                &seed,
            )),
            events: None,
            proxy: Some(Proxy::new(ProxyConfig::new(domains), None, &seed)),
            handled: Vec::new(),
            stateless: None,
        });
        stack.add_listener(ListenerId::new(1), TransportKind::Udp, local);
        let count = options.agents as usize;
        let mut world = Self {
            stack,
            began: Instant::now(),
            now: 0,
            queue: BinaryHeap::new(),
            number: 0,
            random: Random::new(options.seed),
            store: HashMap::new(),
            off: vec![0; count],
            rounds: vec![(0, true); count],
            calls: HashMap::new(),
            closing: false,
            begun: 0,
            registered: 0,
            results: BTreeMap::new(),
            refused: BTreeMap::new(),
            lost: 0,
            messages: 0,
        };
        for agent in 0..options.agents {
            // Everybody comes within ten minutes.
            let at = world.random.below(600 * SECOND);
            world.at(at, Event::Register(agent, 0));
            let at = world.random.below(DIALS * SECOND);
            world.at(600 * SECOND + at, Event::Dial(agent));
        }
        world
    }

    fn at(&mut self, at: u64, event: Event) {
        self.number += 1;
        self.queue.push(Reverse((at, self.number, event)));
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.at(self.now + delay, event);
    }

    fn instant(&self) -> Instant {
        self.began + Duration::from_micros(self.now)
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_micros(self.now)
    }

    /// Lets time pass up to this second.
    pub(crate) fn run_until(&mut self, second: u64) {
        let end = second * SECOND;
        loop {
            let event = self.queue.peek().map(|Reverse((at, ..))| *at);
            let timer = self.stack.poll_timeout().map(|at| {
                let since = at.saturating_duration_since(self.began);
                // A deadline is not before it is over.
                u64::try_from(since.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
            });
            let next = match (event, timer) {
                (None, None) => break,
                (event, timer) => event.unwrap_or(u64::MAX).min(timer.unwrap_or(u64::MAX)),
            };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if timer.is_some_and(|timer| timer <= next) {
                self.stack.handle_timeout(self.wall(), self.instant());
                self.outputs();
            }
            while self
                .queue
                .peek()
                .is_some_and(|Reverse((at, ..))| *at <= self.now)
            {
                if let Some(Reverse((_, _, event))) = self.queue.pop() {
                    self.happen(event);
                }
            }
        }
        self.now = end;
    }

    pub(crate) fn sample(&self) -> Sample {
        let wall = self.wall();
        Sample {
            resident: resident(),
            transactions: self.stack.transactions().client_count()
                + self.stack.transactions().server_count(),
            contexts: self.stack.proxy().map_or(0, Proxy::contexts),
            bindings: self
                .store
                .values()
                .flatten()
                .filter(|binding| binding.is_live(wall))
                .count(),
            registrations: self.registered,
            calls: self.begun,
        }
    }

    /// Nothing new begins, and what runs ends; what is not as it must be then.
    pub(crate) fn finish(&mut self) -> Vec<String> {
        self.closing = true;
        let end = self.now / SECOND + 3_600;
        self.run_until(end);
        let mut faults = Vec::new();
        let sample = self.sample();
        if sample.transactions + sample.contexts > 0 {
            faults.push(format!(
                "{} transactions and {} contexts are left",
                sample.transactions, sample.contexts
            ));
        }
        if let Some(leaks) = self.stack.transactions().leaks() {
            faults.push(leaks);
        }
        if !self.calls.is_empty() {
            faults.push(format!("{} calls have no end", self.calls.len()));
        }
        for ((plan, status), count) in &self.results {
            let expected: &[Option<u16>] = match plan {
                Plan::CallerEnds | Plan::CalleeEnds | Plan::BothVanish => {
                    &[Some(200), Some(408), Some(480), Some(404)]
                }
                Plan::Busy => &[Some(486), Some(408), Some(480), Some(404)],
                // The callee may answer while the CANCEL is lost.
                Plan::Cancelled => &[Some(487), Some(408), Some(480), Some(404)],
                Plan::Deaf => &[Some(408), Some(480), Some(404), Some(487)],
                Plan::CallerVanishes => &[None, Some(408), Some(480), Some(404)],
            };
            // A telephone that is off neither answers nor hears.
            let off = status.is_none() && *count * 50 < self.begun;
            if !expected.contains(status) && !off {
                faults.push(format!(
                    "{count} calls `{}` ended with {status:?}",
                    plan.name()
                ));
            }
        }
        if !self.refused.is_empty() {
            faults.push(format!("registrations were refused: {:?}", self.refused));
        }
        faults
    }

    /// What became of the calls.
    pub(crate) fn outcomes(&self) -> String {
        let mut out = format!(
            "{} messages, {} of them lost; {} registrations\n",
            self.messages, self.lost, self.registered
        );
        for ((plan, status), count) in &self.results {
            let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            let _ = writeln!(out, "{count:>9} calls {:<20} {status}", plan.name());
        }
        out
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "there are no connections, no user agent and no taps here"
    )]
    fn outputs(&mut self) {
        while let Some(output) = self.stack.poll_output() {
            match output {
                Output::Io(sip_transport::Output::Datagram {
                    remote, payload, ..
                }) => {
                    self.messages += 1;
                    let Some(agent) = agent(remote) else { continue };
                    if self.random.percent(1) {
                        self.lost += 1;
                        continue;
                    }
                    let text = String::from_utf8_lossy(&payload).into_owned();
                    let delay = 5_000 + self.random.below(40_000);
                    self.after(delay, Event::ToAgent(agent, text));
                }
                Output::Need { asker, need } => {
                    let wall = self.wall();
                    let answer = match need {
                        Need::Lookup { aor } => {
                            Answer::Bindings(Ok(self.store.get(&aor).cloned().unwrap_or_default()))
                        }
                        Need::Update { aor, update } => {
                            let stored = self.store.get(&aor).map_or(&[][..], Vec::as_slice);
                            let outcome = apply(stored, update, wall);
                            if let UpdateOutcome::Stored(bindings) = &outcome {
                                self.store.insert(aor, bindings.to_vec());
                            }
                            Answer::Updated(Ok(outcome))
                        }
                        Need::Credential { .. } => Answer::Credential(Ok(None)),
                        // The stack answers for flows itself; there is neither ENUM nor STIR here.
                        _ => continue,
                    };
                    let now = self.instant();
                    self.stack
                        .handle_input(Input::Answer { asker, answer }, wall, now);
                }
                _ => {}
            }
        }
    }

    fn is_off(&self, agent: u32) -> bool {
        u64::from(self.off[agent as usize]) * SECOND > self.now
    }

    fn send(&mut self, agent: u32, text: String) {
        self.messages += 1;
        if self.is_off(agent) || self.random.percent(1) {
            self.lost += 1;
            return;
        }
        let delay = 5_000 + self.random.below(40_000);
        self.after(delay, Event::ToServer(agent, text));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ToServer(agent, text) => {
                let input = sip_transport::Input::Datagram {
                    listener: ListenerId::new(1),
                    remote: address(agent),
                    local: None,
                    payload: Bytes::from(text),
                };
                let (wall, now) = (self.wall(), self.instant());
                self.stack.handle_input(Input::Io(input), wall, now);
                self.outputs();
            }
            Event::ToAgent(agent, text) => {
                if !self.is_off(agent) {
                    self.receive(agent, &text);
                }
            }
            Event::Register(agent, round) => self.register(agent, round),
            Event::RegisterAgain(agent, round, turn) => {
                if self.rounds[agent as usize] == (round, false) {
                    self.send_register(agent, round, turn);
                }
            }
            Event::Dial(agent) => self.dial(agent),
            Event::CallerAgain(id, turn) => self.caller_again(id, turn),
            Event::CalleeAgain(id, turn) => self.callee_again(id, turn),
            Event::Ring(id) => {
                self.respond(id, 180, "Ringing");
                let rings = self.calls.get(&id).map(|call| call.rings);
                if let Some(rings) = rings {
                    self.after(rings, Event::Decide(id));
                }
            }
            Event::Decide(id) => self.decide(id),
            Event::GiveUp(id) => self.give_up(id),
            Event::HangUp(id) => self.hang_up(id),
            Event::ByeAgain(id, turn) => self.bye_again(id, turn),
            Event::Forget(id) => {
                if let Some(call) = self.calls.remove(&id) {
                    *self
                        .results
                        .entry((call.plan, call.final_status))
                        .or_default() += 1;
                }
            }
        }
    }

    // Registration.

    fn register(&mut self, agent: u32, round: u32) {
        if self.closing {
            return;
        }
        // Now and then a telephone is switched off for up to two hours.
        if !self.is_off(agent) && self.random.below(1_000) < 5 {
            let off = self.random.below(7_200);
            self.off[agent as usize] = u32::try_from(self.now / SECOND + off).unwrap();
            self.after((off + 1) * SECOND, Event::Register(agent, round + 1));
            return;
        }
        self.rounds[agent as usize] = (round, false);
        self.send_register(agent, round, 0);
        let next = 3_000 * SECOND + self.random.below(300 * SECOND);
        self.after(next, Event::Register(agent, round + 1));
    }

    fn send_register(&mut self, agent: u32, round: u32, turn: u32) {
        if turn >= TURNS {
            return;
        }
        let at = address(agent);
        let text = format!(
            "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKr{agent}x{round}\r\nMax-Forwards: 70\r\n\
             From: <sip:u{agent}@{DOMAIN}>;tag=r{agent}\r\nTo: <sip:u{agent}@{DOMAIN}>\r\nCall-ID: r{agent}\r\n\
             CSeq: {number} REGISTER\r\nContact: <sip:u{agent}@{at}>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n",
            number = round + 1
        );
        self.send(agent, text);
        let wait = (T1 << turn.min(3)).min(T2);
        self.after(wait, Event::RegisterAgain(agent, round, turn + 1));
    }

    // Calls: what the caller does.

    fn dial(&mut self, caller: u32) {
        if self.closing {
            return;
        }
        let next = DIALS / 2 + self.random.below(DIALS);
        self.after(next * SECOND, Event::Dial(caller));
        if self.is_off(caller) {
            return;
        }
        let count = self.off.len() as u64;
        let callee = u32::try_from(self.random.below(count)).unwrap();
        if callee == caller {
            return;
        }
        self.begun += 1;
        let id = self.begun;
        let at = address(caller);
        let invite = format!(
            "INVITE sip:u{callee}@{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKi{id}\r\nMax-Forwards: 70\r\n\
             From: <sip:u{caller}@{DOMAIN}>;tag=a{id}\r\nTo: <sip:u{callee}@{DOMAIN}>\r\nCall-ID: c{id}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:u{caller}@{at}>\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n"
        );
        let call = Call {
            caller,
            callee,
            plan: Plan::draw(&mut self.random),
            rings: SECOND + self.random.below(20 * SECOND),
            lasts: SECOND + self.random.below(180 * SECOND),
            caller_sends: Some((invite, 0)),
            proceeding: false,
            final_status: None,
            invite: None,
            response: None,
            acknowledged: false,
            bye: None,
            dialog: None,
            ended: false,
        };
        self.calls.insert(id, call);
        self.caller_again(id, 0);
        self.after(40 * SECOND, Event::GiveUp(id));
        // Whatever happens is over by then.
        self.after(900 * SECOND, Event::Forget(id));
    }

    fn caller_again(&mut self, id: u64, turn: u32) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let Some((text, due)) = &call.caller_sends else {
            return;
        };
        if *due != turn || call.proceeding || turn >= TURNS {
            return;
        }
        let (text, caller) = (text.clone(), call.caller);
        let is_invite = text.starts_with("INVITE");
        if let Some((_, due)) = self
            .calls
            .get_mut(&id)
            .and_then(|call| call.caller_sends.as_mut())
        {
            *due += 1;
        }
        self.send(caller, text);
        let wait = T1 << turn;
        let wait = if is_invite { wait } else { wait.min(T2) };
        if turn < 6 || !is_invite {
            self.after(wait, Event::CallerAgain(id, turn + 1));
        }
    }

    fn give_up(&mut self, id: u64) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let gives_up = matches!(call.plan, Plan::Cancelled | Plan::Deaf);
        if !gives_up || call.final_status.is_some() || !call.proceeding {
            return;
        }
        let (caller, callee) = (call.caller, call.callee);
        let at = address(caller);
        let cancel = format!(
            "CANCEL sip:u{callee}@{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKi{id}\r\nMax-Forwards: 70\r\n\
             From: <sip:u{caller}@{DOMAIN}>;tag=a{id}\r\nTo: <sip:u{callee}@{DOMAIN}>\r\nCall-ID: c{id}\r\n\
             CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n"
        );
        call.proceeding = false;
        call.caller_sends = Some((cancel, 0));
        self.caller_again(id, 0);
    }

    fn on_caller_response(&mut self, id: u64, code: u16, text: &str) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match method(text) {
            "INVITE" if code < 200 => {
                // Not after a CANCEL has taken its place.
                call.proceeding |= call
                    .caller_sends
                    .as_ref()
                    .is_some_and(|(sent, _)| sent.starts_with("INVITE"));
            }
            "INVITE" => {
                if call.plan == Plan::CallerVanishes && code == 200 {
                    // It hears nothing any more.
                    return;
                }
                let first = call.final_status.is_none();
                call.final_status.get_or_insert(code);
                call.caller_sends = None;
                let (caller, callee) = (call.caller, call.callee);
                let at = address(caller);
                let to = value(text, "To");
                let (target, routes, branch) = if code < 300 {
                    let mut routes: Vec<&str> = values(text, "Record-Route").collect();
                    routes.reverse();
                    let routes: String = routes
                        .iter()
                        .map(|route| format!("Route: {route}\r\n"))
                        .collect();
                    let target = uri(value(text, "Contact")).to_owned();
                    if first {
                        call.dialog = Some((to.to_owned(), target.clone(), routes.clone()));
                    }
                    (target, routes, format!("k{id}"))
                } else {
                    (
                        format!("sip:u{callee}@{DOMAIN}"),
                        String::new(),
                        format!("i{id}"),
                    )
                };
                let ack = format!(
                    "ACK {target} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n{routes}\
                     From: <sip:u{caller}@{DOMAIN}>;tag=a{id}\r\nTo: {to}\r\nCall-ID: c{id}\r\nCSeq: 1 ACK\r\n\
                     Content-Length: 0\r\n\r\n"
                );
                let (lasts, plan) = (call.lasts, call.plan);
                self.send(caller, ack);
                if first && code < 300 && plan != Plan::CalleeEnds && plan != Plan::BothVanish {
                    self.after(lasts, Event::HangUp(id));
                }
            }
            "CANCEL" => call.caller_sends = None,
            "BYE" => {
                call.bye = None;
                call.ended = true;
            }
            _ => {}
        }
    }

    // What the callee does.

    fn on_invite(&mut self, id: u64, text: &str) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.plan == Plan::Deaf {
            return;
        }
        if call.invite.is_some() {
            let (callee, last) = (call.callee, call.response.clone());
            if let Some((response, _)) = last {
                self.send(callee, response);
            }
            return;
        }
        call.invite = Some(text.to_owned());
        if call.plan == Plan::Busy {
            self.decide(id);
        } else {
            self.after(50_000, Event::Ring(id));
        }
    }

    fn respond(&mut self, id: u64, code: u16, reason: &str) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(invite) = &call.invite else { return };
        let callee = call.callee;
        let head = copied(invite, &format!("b{id}"));
        let at = address(callee);
        let contact = if code < 300 {
            format!("Contact: <sip:u{callee}@{at}>\r\n")
        } else {
            String::new()
        };
        let text = format!("SIP/2.0 {code} {reason}\r\n{head}{contact}Content-Length: 0\r\n\r\n");
        call.response = Some((text.clone(), 0));
        self.send(callee, text);
        if code >= 200 {
            self.after(T1, Event::CalleeAgain(id, 1));
        }
    }

    fn decide(&mut self, id: u64) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let ringing = call
            .response
            .as_ref()
            .is_none_or(|(text, _)| text.starts_with("SIP/2.0 180"));
        if !ringing {
            return;
        }
        match call.plan {
            Plan::Busy => self.respond(id, 486, "Busy Here"),
            Plan::Cancelled | Plan::Deaf => {}
            Plan::CallerEnds | Plan::CalleeEnds | Plan::CallerVanishes | Plan::BothVanish => {
                self.respond(id, 200, "OK");
            }
        }
    }

    fn callee_again(&mut self, id: u64, turn: u32) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        if call.acknowledged {
            return;
        }
        let Some((text, _)) = &call.response else {
            return;
        };
        let (text, callee) = (text.clone(), call.callee);
        if turn > TURNS {
            // RFC 3261 section 13.3.1.4: nobody acknowledged it.
            if text.starts_with("SIP/2.0 200") {
                self.callee_bye(id);
            }
            return;
        }
        self.send(callee, text);
        self.after(
            (T1 << turn.min(3)).min(T2),
            Event::CalleeAgain(id, turn + 1),
        );
    }

    fn on_ack(&mut self, id: u64) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let first = !call.acknowledged;
        call.acknowledged = true;
        if first && call.plan == Plan::CalleeEnds {
            let lasts = call.lasts;
            self.after(lasts, Event::HangUp(id));
        }
    }

    // Either.

    fn hang_up(&mut self, id: u64) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        if call.plan == Plan::CalleeEnds {
            self.callee_bye(id);
            return;
        }
        let Some((to, target, routes)) = call.dialog.clone() else {
            return;
        };
        let caller = call.caller;
        let at = address(caller);
        let bye = format!(
            "BYE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKe{id}\r\nMax-Forwards: 70\r\n{routes}\
             From: <sip:u{caller}@{DOMAIN}>;tag=a{id}\r\nTo: {to}\r\nCall-ID: c{id}\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n"
        );
        self.start_bye(id, caller, bye);
    }

    fn callee_bye(&mut self, id: u64) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let Some(invite) = &call.invite else { return };
        let callee = call.callee;
        let at = address(callee);
        let target = uri(value(invite, "Contact"));
        let routes: String = values(invite, "Record-Route")
            .map(|route| format!("Route: {route}\r\n"))
            .collect();
        let bye = format!(
            "BYE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKf{id}\r\nMax-Forwards: 70\r\n{routes}\
             From: {to};tag=b{id}\r\nTo: {from}\r\nCall-ID: c{id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            to = value(invite, "To"),
            from = value(invite, "From"),
        );
        self.start_bye(id, callee, bye);
    }

    fn start_bye(&mut self, id: u64, by: u32, text: String) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.bye = Some((by, text, 0));
            self.bye_again(id, 0);
        }
    }

    fn bye_again(&mut self, id: u64, turn: u32) {
        let Some((by, text, _)) = self.calls.get(&id).and_then(|call| call.bye.clone()) else {
            return;
        };
        if turn >= TURNS {
            return;
        }
        self.send(by, text);
        self.after((T1 << turn.min(3)).min(T2), Event::ByeAgain(id, turn + 1));
    }

    fn receive(&mut self, agent: u32, text: &str) {
        let call_id = value(text, "Call-ID");
        if let Some(code) = status(text) {
            if call_id.starts_with('r') {
                self.on_registered(agent, code, text);
            } else if let Some(id) = number(call_id) {
                self.on_caller_response(id, code, text);
            }
            return;
        }
        let Some(id) = number(call_id) else { return };
        match method(text) {
            "INVITE" => self.on_invite(id, text),
            "ACK" => self.on_ack(id),
            "CANCEL" => {
                let answer = format!(
                    "SIP/2.0 200 OK\r\n{}Content-Length: 0\r\n\r\n",
                    copied(text, &format!("b{id}"))
                );
                self.send(agent, answer);
                let answered = self.calls.get(&id).is_some_and(|call| {
                    call.response
                        .as_ref()
                        .is_some_and(|(last, _)| !last.starts_with("SIP/2.0 180"))
                });
                if !answered {
                    self.respond(id, 487, "Request Terminated");
                }
            }
            "BYE" => {
                let known = self.calls.contains_key(&id);
                let line = if known {
                    "200 OK"
                } else {
                    "481 Call/Transaction Does Not Exist"
                };
                let answer = format!(
                    "SIP/2.0 {line}\r\n{}Content-Length: 0\r\n\r\n",
                    copied(text, "")
                );
                self.send(agent, answer);
            }
            _ => {}
        }
    }

    fn on_registered(&mut self, agent: u32, code: u16, text: &str) {
        let round = value(text, "CSeq")
            .split(' ')
            .next()
            .and_then(|number| number.parse::<u32>().ok());
        let state = &mut self.rounds[agent as usize];
        if round == Some(state.0 + 1) && !state.1 && code >= 200 {
            state.1 = true;
            self.registered += 1;
            if code != 200 {
                *self.refused.entry(code).or_default() += 1;
            }
        }
    }
}

/// The number of a call by its Call-ID.
fn number(call_id: &str) -> Option<u64> {
    call_id.strip_prefix('c')?.parse().ok()
}

/// Resident memory of this process in KiB; 0 where the system does not tell.
fn resident() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().trim_end_matches("kB").trim().parse().ok()
        })
        .unwrap_or(0)
}
