//! A reference model of the four transaction machines, written from the figures of the RFCs as tables, and a harness that
//! runs the real layer beside it.
//!
//! The model shares nothing with the implementation: it is slow, it is data, and it compares every output and every
//! deadline. The tests explore all sequences of events up to a depth with it, the fuzzer random ones.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use sip_message::{HeaderName, Message, Method, ParserConfig, Request, Response, StatusCode};
use sip_transaction::{
    ClientTransactionId, Event, Flow, FlowId, Input, Output, ServerTransactionId,
    TransactionConfig, TransactionLayer, Transactions, TransportKind,
};

use crate::{Clock, describe, seed_of};

/// One of the four machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3261 section 17 has four")]
pub enum Machine {
    /// RFC 6026 figure 5.
    InviteClient,
    /// RFC 3261 figure 6.
    NonInviteClient,
    /// RFC 6026 figure 7.
    InviteServer,
    /// RFC 3261 figure 8 with RFC 4320.
    NonInviteServer,
}

/// What a machine is: its events, its transitions, and the timers that each state starts.
struct Figure {
    first: &'static str,
    /// What the transport or the TU can do.
    events: &'static [&'static str],
    /// State, event, outputs, next state. What is not here has no effect.
    edges: &'static [(
        &'static str,
        &'static str,
        &'static [&'static str],
        &'static str,
    )],
    /// State that is entered from another one, timer, milliseconds, milliseconds over reliable transports (-1: none).
    timers: &'static [(&'static str, &'static str, i64, i64)],
    /// Timers that are set again when they fire: how their interval grows, and its cap.
    repeating: &'static [(&'static str, u64, u64)],
    /// Timers that survive a transition between two states.
    kept: &'static [(&'static str, &'static str, &'static [&'static str])],
}

/// RFC 6026 §8.4, figure 5.
const INVITE_CLIENT: Figure = Figure {
    first: "Calling",
    events: &["1xx", "2xx", "300-699", "error"],
    edges: &[
        ("Calling", "A", &["-> INVITE"], "Calling"),
        ("Calling", "B", &["TimedOut"], "Terminated"),
        ("Calling", "error", &["FlowFailed"], "Terminated"),
        ("Calling", "1xx", &["Response"], "Proceeding"),
        ("Calling", "2xx", &["Response"], "Accepted"),
        ("Calling", "300-699", &["-> ACK", "Response"], "Completed"),
        ("Proceeding", "1xx", &["Response"], "Proceeding"),
        ("Proceeding", "2xx", &["Response"], "Accepted"),
        (
            "Proceeding",
            "300-699",
            &["-> ACK", "Response"],
            "Completed",
        ),
        ("Proceeding", "error", &["FlowFailed"], "Terminated"),
        ("Completed", "300-699", &["-> ACK"], "Completed"),
        ("Completed", "error", &["FlowFailed"], "Terminated"),
        ("Completed", "D", &[], "Terminated"),
        ("Accepted", "2xx", &["Response"], "Accepted"),
        ("Accepted", "M", &[], "Terminated"),
    ],
    timers: &[
        ("Calling", "A", 500, -1),
        ("Calling", "B", 32_000, 32_000),
        ("Completed", "D", 32_000, 0),
        ("Accepted", "M", 32_000, 32_000),
    ],
    repeating: &[("A", 2, u64::MAX)],
    kept: &[],
};

/// RFC 3261 §17.1.2.2, figure 6.
const NON_INVITE_CLIENT: Figure = Figure {
    first: "Trying",
    events: &["1xx", "200-699", "error"],
    edges: &[
        ("Trying", "E", &["-> OPTIONS"], "Trying"),
        ("Trying", "F", &["TimedOut"], "Terminated"),
        ("Trying", "error", &["FlowFailed"], "Terminated"),
        ("Trying", "1xx", &["Response"], "Proceeding"),
        ("Trying", "200-699", &["Response"], "Completed"),
        ("Proceeding", "E", &["-> OPTIONS"], "Proceeding"),
        ("Proceeding", "F", &["TimedOut"], "Terminated"),
        ("Proceeding", "error", &["FlowFailed"], "Terminated"),
        ("Proceeding", "1xx", &["Response"], "Proceeding"),
        ("Proceeding", "200-699", &["Response"], "Completed"),
        ("Completed", "K", &[], "Terminated"),
    ],
    timers: &[
        ("Trying", "E", 500, -1),
        ("Trying", "F", 32_000, 32_000),
        ("Completed", "K", 5000, 0),
    ],
    repeating: &[("E", 2, 4000)],
    kept: &[("Trying", "Proceeding", &["E", "F"])],
};

/// RFC 6026 §8.6, figure 7; `Silent` is Proceeding before the first response.
const INVITE_SERVER: Figure = Figure {
    first: "Silent",
    events: &["request", "ACK", "TU 180", "TU 200", "TU 486", "error"],
    edges: &[
        ("Silent", "100", &["-> 100 (INVITE)"], "Proceeding 100"),
        ("Silent", "TU 180", &["-> 180 (INVITE)"], "Proceeding 180"),
        ("Silent", "TU 200", &["-> 200 (INVITE)"], "Accepted"),
        ("Silent", "TU 486", &["-> 486 (INVITE)"], "Completed"),
        ("Silent", "error", &["ServerFlowFailed"], "Silent"),
        (
            "Proceeding 100",
            "request",
            &["-> 100 (INVITE)"],
            "Proceeding 100",
        ),
        (
            "Proceeding 100",
            "TU 180",
            &["-> 180 (INVITE)"],
            "Proceeding 180",
        ),
        ("Proceeding 100", "TU 200", &["-> 200 (INVITE)"], "Accepted"),
        (
            "Proceeding 100",
            "TU 486",
            &["-> 486 (INVITE)"],
            "Completed",
        ),
        (
            "Proceeding 100",
            "error",
            &["ServerFlowFailed"],
            "Proceeding 100",
        ),
        (
            "Proceeding 180",
            "request",
            &["-> 180 (INVITE)"],
            "Proceeding 180",
        ),
        (
            "Proceeding 180",
            "TU 180",
            &["-> 180 (INVITE)"],
            "Proceeding 180",
        ),
        ("Proceeding 180", "TU 200", &["-> 200 (INVITE)"], "Accepted"),
        (
            "Proceeding 180",
            "TU 486",
            &["-> 486 (INVITE)"],
            "Completed",
        ),
        (
            "Proceeding 180",
            "error",
            &["ServerFlowFailed"],
            "Proceeding 180",
        ),
        ("Accepted", "ACK", &["Ack"], "Accepted"),
        ("Accepted", "TU 200", &["-> 200 (INVITE)"], "Accepted"),
        ("Accepted", "error", &["ServerFlowFailed"], "Accepted"),
        ("Accepted", "L", &[], "Terminated"),
        ("Completed", "request", &["-> 486 (INVITE)"], "Completed"),
        ("Completed", "G", &["-> 486 (INVITE)"], "Completed"),
        ("Completed", "ACK", &[], "Confirmed"),
        ("Completed", "H", &["AckTimedOut"], "Terminated"),
        ("Completed", "error", &["ServerFlowFailed"], "Completed"),
        ("Confirmed", "I", &[], "Terminated"),
    ],
    timers: &[
        ("Silent", "100", 200, 200),
        ("Accepted", "L", 32_000, 32_000),
        ("Completed", "G", 500, -1),
        ("Completed", "H", 32_000, 32_000),
        ("Confirmed", "I", 5000, 0),
    ],
    repeating: &[("G", 2, 4000)],
    kept: &[],
};

/// RFC 3261 §17.2.2, figure 8; RFC 4320 §4. `Unanswered` is Completed after a 408, which is not sent.
const NON_INVITE_SERVER: Figure = Figure {
    first: "Trying",
    events: &["request", "TU 100", "TU 183", "TU 200", "TU 408", "error"],
    edges: &[
        ("Trying", "100", &["-> 100 (OPTIONS)"], "Proceeding"),
        ("Trying", "TU 200", &["-> 200 (OPTIONS)"], "Completed"),
        ("Trying", "TU 408", &[], "Unanswered"),
        ("Trying", "error", &["ServerFlowFailed"], "Trying"),
        ("Proceeding", "request", &["-> 100 (OPTIONS)"], "Proceeding"),
        ("Proceeding", "TU 100", &["-> 100 (OPTIONS)"], "Proceeding"),
        ("Proceeding", "TU 200", &["-> 200 (OPTIONS)"], "Completed"),
        ("Proceeding", "TU 408", &[], "Unanswered"),
        ("Proceeding", "expiry", &[], "Terminated"),
        ("Proceeding", "error", &["ServerFlowFailed"], "Proceeding"),
        ("Completed", "request", &["-> 200 (OPTIONS)"], "Completed"),
        ("Completed", "J", &[], "Terminated"),
        ("Completed", "error", &["ServerFlowFailed"], "Completed"),
        ("Unanswered", "J", &[], "Terminated"),
        ("Unanswered", "error", &["ServerFlowFailed"], "Unanswered"),
    ],
    timers: &[
        ("Trying", "100", 3500, 3500),
        ("Trying", "expiry", 32_000, 32_000),
        ("Completed", "J", 32_000, 0),
        ("Unanswered", "J", 32_000, 0),
    ],
    repeating: &[],
    kept: &[("Trying", "Proceeding", &["expiry"])],
};

impl Machine {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::InviteClient,
        Self::NonInviteClient,
        Self::InviteServer,
        Self::NonInviteServer,
    ];

    fn figure(self) -> &'static Figure {
        match self {
            Self::InviteClient => &INVITE_CLIENT,
            Self::NonInviteClient => &NON_INVITE_CLIENT,
            Self::InviteServer => &INVITE_SERVER,
            Self::NonInviteServer => &NON_INVITE_SERVER,
        }
    }

    /// The number of different events: those of the figure, and the passing of time to the next deadline.
    #[must_use]
    pub fn event_count(self) -> usize {
        self.figure().events.len() + 1
    }
}

/// The model: a state by name and its running timers.
struct Model {
    figure: &'static Figure,
    reliable: bool,
    state: &'static str,
    /// Name, deadline, interval, in milliseconds.
    timers: Vec<(&'static str, u64, u64)>,
    now: u64,
    /// The flow has failed, which a server transaction tells once.
    failed: bool,
}

impl Model {
    fn new(machine: Machine, reliable: bool) -> Self {
        let figure = machine.figure();
        let mut model = Self {
            figure,
            reliable,
            state: figure.first,
            timers: Vec::new(),
            now: 0,
            failed: false,
        };
        model.start_timers();
        model
    }

    /// The outputs of an event.
    fn on_event(&mut self, event: &'static str) -> Vec<&'static str> {
        // RFC 4320 §4.1: over a reliable transport the TU may send 100 at any time.
        let early_100 = self.reliable && self.state == "Trying" && event == "TU 100";
        let event = if early_100 { "100" } else { event };
        let edge = self
            .figure
            .edges
            .iter()
            .find(|(state, on, ..)| *state == self.state && *on == event);
        let Some((_, _, outputs, next)) = edge else {
            return Vec::new();
        };
        let mut outputs = outputs.to_vec();
        if event == "error" && std::mem::replace(&mut self.failed, true) {
            outputs.retain(|output| *output != "ServerFlowFailed");
        }
        if *next != self.state {
            let from = self.state;
            self.state = next;
            let kept = self
                .figure
                .kept
                .iter()
                .find(|(a, b, _)| *a == from && b == next);
            let kept = kept.map_or(&[][..], |(.., kept)| kept);
            self.timers.retain(|(name, ..)| kept.contains(name));
            // RFC 3261 §17.1.2.2: from the first provisional response on, Timer E is reset to T2.
            for timer in self.timers.iter_mut().filter(|(name, ..)| *name == "E") {
                timer.2 = 4000;
            }
            self.start_timers();
        }
        // A timer of zero fires at once.
        while let Some(zero) = self
            .timers
            .iter()
            .find(|(.., interval)| *interval == 0)
            .map(|(name, ..)| *name)
        {
            outputs.extend(self.fire(zero));
        }
        outputs
    }

    /// Time passes until the next deadline: all timers that are due then fire, the one that ends the state first.
    fn on_tick(&mut self) -> Vec<&'static str> {
        let Some(at) = self.deadline() else {
            return Vec::new();
        };
        self.now = at;
        let mut due: Vec<_> = self
            .timers
            .iter()
            .filter(|(_, deadline, _)| *deadline == at)
            .map(|t| t.0)
            .collect();
        due.sort_by_key(|name| {
            self.figure
                .repeating
                .iter()
                .any(|(repeating, ..)| repeating == name)
        });
        let mut outputs = Vec::new();
        for name in due {
            outputs.extend(self.fire(name));
        }
        outputs
    }

    fn fire(&mut self, name: &'static str) -> Vec<&'static str> {
        let Some(index) = self.timers.iter().position(|(timer, ..)| *timer == name) else {
            return Vec::new();
        };
        let (_, at, interval) = self.timers.remove(index);
        let outputs = self.on_event(name);
        let repeats = self
            .figure
            .repeating
            .iter()
            .find(|(timer, ..)| *timer == name);
        let runs = self
            .figure
            .edges
            .iter()
            .any(|(state, on, ..)| *state == self.state && *on == name);
        if let Some((_, factor, cap)) = repeats.filter(|_| runs) {
            let interval = (interval * factor).min(*cap);
            self.timers.push((name, at + interval, interval));
        }
        outputs
    }

    fn start_timers(&mut self) {
        for (state, name, unreliable, reliable) in self.figure.timers {
            let value = if self.reliable { reliable } else { unreliable };
            let interval = u64::try_from(*value).ok().filter(|_| *state == self.state);
            if let Some(interval) = interval {
                self.timers.push((name, self.now + interval, interval));
            }
        }
    }

    fn deadline(&self) -> Option<u64> {
        self.timers.iter().map(|(_, at, _)| *at).min()
    }
}

/// The messages that the figures speak of, made once: the same seed gives the same branch each time.
#[derive(Default)]
struct Stimuli {
    first: HashMap<Method, Request>,
    requests: HashMap<String, Message>,
    received: HashMap<(Bytes, u16), Message>,
    responses: HashMap<(Method, u16), Response>,
}

/// The layer with one transaction in it.
struct Subject<'a> {
    stimuli: &'a mut Stimuli,
    layer: Transactions,
    clock: Clock,
    flow: Flow,
    client: Option<ClientTransactionId>,
    server: Option<(ServerTransactionId, Request)>,
    sent: Option<Bytes>,
}

const BRANCH: &str = "z9hG4bKmodel";

impl<'a> Subject<'a> {
    fn new(machine: Machine, reliable: bool, stimuli: &'a mut Stimuli) -> Self {
        let kind = if reliable {
            TransportKind::Tcp
        } else {
            TransportKind::Udp
        };
        let local: SocketAddr = ([192, 0, 2, 1], 5060).into();
        let flow = Flow::new(
            FlowId::from_parts(0, 0),
            kind,
            local,
            ([192, 0, 2, 2], 5060).into(),
        );
        let layer = Transactions::new(TransactionConfig::default(), seed_of(0, "model"));
        let mut subject = Self {
            stimuli,
            layer,
            clock: Clock::new(),
            flow,
            client: None,
            server: None,
            sent: None,
        };
        let now = subject.clock.now();
        match machine {
            Machine::InviteClient => subject.start(Method::Invite, now),
            Machine::NonInviteClient => subject.start(Method::Options, now),
            Machine::InviteServer => subject.receive_request("INVITE"),
            Machine::NonInviteServer => subject.receive_request("OPTIONS"),
        }
        let started = subject.outputs();
        assert_eq!(started.len(), 1, "{started:?}");
        subject
    }

    fn start(&mut self, method: Method, now: Instant) {
        let first = self.stimuli.first.entry(method);
        let request = first.or_insert_with_key(|method| {
            Request::builder(method.clone(), "sip:bob@192.0.2.2")
                .header(HeaderName::From, "<sip:alice@example.com>;tag=a")
                .header(HeaderName::To, "<sip:bob@example.com>")
                .call_id("model")
                .cseq(1)
                .build_partial()
                .expect("a good request")
        });
        self.client = Some(self.layer.request(request, self.flow, now));
    }

    fn receive_request(&mut self, method: &str) {
        let requests = &mut self.stimuli.requests;
        let message = requests.entry(method.to_owned()).or_insert_with(|| {
            parsed(format!(
                "{method} sip:bob@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch={BRANCH}\r\nFrom: <sip:a@h>;tag=a\r\n\
                 To: <sip:b@h>\r\nCall-ID: model\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
            ).into())
        });
        let message = message.clone();
        self.receive(message);
    }

    fn receive(&mut self, message: Message) {
        let input = Input::Message {
            message: message.into(),
            flow: self.flow,
            reply: self.flow,
        };
        self.layer.handle_input(input, self.clock.now());
    }

    fn receive_response(&mut self, status: u16) {
        let sent = self.sent.clone().expect("a client has sent its request");
        let received = self.stimuli.received.entry((sent, status));
        let message = received.or_insert_with_key(|(sent, status)| {
            let Message::Request(request) = parsed(sent.clone()) else {
                panic!("a client sends requests")
            };
            parsed(response(&request, *status).to_bytes())
        });
        let message = message.clone();
        self.receive(message);
    }

    fn respond(&mut self, status: u16) {
        let (id, request) = self.server.as_ref().expect("a server has a request");
        let responses = &mut self.stimuli.responses;
        let response = responses
            .entry((request.method().clone(), status))
            .or_insert_with(|| response(request, status));
        // Gone is what the model's Terminated state means; it is not reached here.
        self.layer
            .respond(*id, response, self.clock.now())
            .expect("a live transaction");
    }

    fn on_event(&mut self, machine: Machine, event: &str) -> Vec<String> {
        let invite = matches!(machine, Machine::InviteClient | Machine::InviteServer);
        match event {
            "1xx" => self.receive_response(180),
            "2xx" | "200-699" => self.receive_response(200),
            "300-699" => self.receive_response(404),
            "request" => self.receive_request(if invite { "INVITE" } else { "OPTIONS" }),
            "ACK" => self.receive_request("ACK"),
            "error" => self
                .layer
                .handle_input(Input::FlowFailed { flow: self.flow.id }, self.clock.now()),
            "tick" => {
                if let Some(deadline) = self.layer.poll_timeout() {
                    self.clock.advance_to(deadline);
                    self.layer.handle_timeout(deadline);
                }
            }
            response => {
                let status = response
                    .strip_prefix("TU ")
                    .and_then(|status| status.parse().ok());
                self.respond(status.expect("an event of a figure"));
            }
        }
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.layer.poll_output() {
            match output {
                Output::Transmit { payload, .. } => {
                    lines.push(format!("-> {}", describe(&payload)));
                    self.sent.get_or_insert(payload);
                }
                Output::Event(Event::Request { id, request, .. }) => {
                    self.server = Some((id, *request));
                    lines.push("Request".to_owned());
                }
                Output::Event(Event::Terminated { .. }) => {}
                Output::Event(event) => {
                    lines.push(name_of(&event).to_owned());
                }
            }
        }
        lines
    }

    fn is_live(&self) -> bool {
        self.layer.client_count() + self.layer.server_count() > 0
    }
}

/// What the figures say for an event.
const fn name_of(event: &Event) -> &'static str {
    match event {
        Event::Request { .. } => "Request",
        Event::Cancel { .. } => "Cancel",
        Event::Ack { .. } => "Ack",
        Event::Response { .. } => "Response",
        Event::Stray { .. } => "Stray",
        Event::TimedOut { .. } => "TimedOut",
        Event::FlowFailed { .. } => "FlowFailed",
        Event::Refused { .. } => "Refused",
        Event::AckTimedOut { .. } => "AckTimedOut",
        Event::ServerFlowFailed { .. } => "ServerFlowFailed",
        Event::Terminated { .. } => "Terminated",
        _ => "an event that no figure has",
    }
}

fn parsed(text: Bytes) -> Message {
    Message::parse(text, &ParserConfig::default()).expect("a good message")
}

fn response(request: &Request, status: u16) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    Response::to(request, status)
        .to_tag("b")
        .build()
        .expect("a response")
}

/// Runs the layer and the model through a sequence of events: numbers below [`Machine::event_count`], others wrap
/// around. True if the transaction has ended before the last event.
///
/// # Panics
/// When the outputs, the deadline or the life of the transaction differ from those of the model.
pub fn check(machine: Machine, reliable: bool, events: &[u8]) -> bool {
    run(machine, reliable, events, &mut Stimuli::default()).is_some()
}

/// How many events it took to the end of the transaction, if it ended before the last one.
fn run(machine: Machine, reliable: bool, events: &[u8], stimuli: &mut Stimuli) -> Option<usize> {
    let mut model = Model::new(machine, reliable);
    let mut subject = Subject::new(machine, reliable, stimuli);
    let mut history = Vec::new();
    for (count, number) in events.iter().enumerate() {
        if model.state == "Terminated" {
            return Some(count);
        }
        let names = machine.figure().events;
        let event = names
            .get(usize::from(*number) % (names.len() + 1))
            .copied()
            .unwrap_or("tick");
        history.push(event);
        let expected = if event == "tick" {
            model.on_tick()
        } else {
            model.on_event(event)
        };
        let actual = subject.on_event(machine, event);
        assert_eq!(
            actual, expected,
            "{machine:?}, reliable: {reliable}, after {history:?}: outputs"
        );
        let deadline = subject
            .layer
            .poll_timeout()
            .map(|at| subject.clock.millis(at));
        assert_eq!(
            deadline,
            model.deadline().map(u128::from),
            "{machine:?}, reliable: {reliable}, after {history:?}, in {}: deadline",
            model.state
        );
        assert_eq!(
            subject.is_live(),
            model.state != "Terminated",
            "{machine:?}, reliable: {reliable}, after {history:?}: life"
        );
        assert_eq!(
            subject.layer.leaks(),
            None,
            "{machine:?}, reliable: {reliable}, after {history:?}"
        );
    }
    None
}

/// [`check`]s every sequence of events of a length. Returns how many there are that do not end before.
///
/// # Panics
/// As [`check`].
pub fn explore(machine: Machine, reliable: bool, depth: usize) -> usize {
    let count = u8::try_from(machine.event_count()).expect("a handful of events");
    let mut sequence = vec![0_u8; depth];
    let mut stimuli = Stimuli::default();
    let mut explored = 0;
    loop {
        // Nothing can happen to a transaction that has ended: what would follow is not tried.
        let tried = run(machine, reliable, &sequence, &mut stimuli).unwrap_or(depth);
        explored += usize::from(tried == depth);
        // The next sequence, as the next number in a positional system.
        let before = sequence.get(..tried).unwrap_or_default();
        let Some(place) = before.iter().rposition(|event| *event + 1 < count) else {
            return explored;
        };
        sequence[place] += 1;
        sequence[place + 1..].fill(0);
    }
}
