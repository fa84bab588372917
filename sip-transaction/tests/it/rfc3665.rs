//! The call flows of RFC 3665, hop by hop: each party is a layer, and its TU does what the flow shows.
//!
//! What the layer sends by itself (ACKs to non-2xx responses, retransmissions) is not caused by the test: it must be
//! there when its step comes. At the end nothing else may have been sent and no transaction may be left.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use sip_message::{HeaderName, Message, Method, Request, Response};
use sip_testkit::{Clock, describe, seed_of};
use sip_transaction::{
    ClientTransactionId, Event, Flow, FlowId, Input, Output, ServerTransactionId,
    TransactionConfig, TransactionLayer, Transactions, TransportKind,
};

use crate::rig::parse;

const FLOWS: &str = include_str!("../data/rfc3665.txt");

/// Those whom nothing reaches: Proxy 1 has failed in 3.4, and Bob is not there in 3.10.
const DEAD: [(&str, &str); 2] = [("3.4", "Proxy 1"), ("3.10", "Bob")];

/// Where the RFC prints a Request-URI that cannot be: RFC 3261 §9.1 and §17.1.1.3 want that of the INVITE.
const WRONG_URI: &[&str] = &["3.8 F11"];

struct Step<'a> {
    flow: &'a str,
    name: String,
    from: &'a str,
    to: &'a str,
    /// None for a retransmission.
    message: Option<String>,
}

fn steps() -> Vec<Step<'static>> {
    let mut steps = Vec::new();
    for chunk in FLOWS.split("=== ").skip(1) {
        let (head, text) = chunk.split_once('\n').unwrap();
        let (left, to) = head.split_once(" > ").unwrap();
        let mut words = left.splitn(3, ' ');
        let (flow, step, from) = (
            words.next().unwrap(),
            words.next().unwrap(),
            words.next().unwrap(),
        );
        let message = (!text.starts_with("as ")).then(|| text.replace('\n', "\r\n"));
        steps.push(Step {
            flow,
            name: format!("{flow} {step}"),
            from,
            to,
            message,
        });
    }
    steps
}

struct Party {
    layer: Transactions,
    flows: Vec<(&'static str, Flow)>,
    servers: Vec<(ServerTransactionId, Request)>,
    clients: Vec<(ClientTransactionId, Method, &'static str)>,
    events: Vec<String>,
}

struct Replay {
    flow: &'static str,
    clock: Clock,
    parties: BTreeMap<&'static str, Party>,
    wire: BTreeMap<(&'static str, &'static str), VecDeque<Bytes>>,
}

impl Replay {
    fn new(flow: &'static str) -> Self {
        Self {
            flow,
            clock: Clock::new(),
            parties: BTreeMap::new(),
            wire: BTreeMap::new(),
        }
    }

    fn party(&mut self, name: &'static str) -> &mut Party {
        self.parties.entry(name).or_insert_with(|| Party {
            layer: Transactions::new(TransactionConfig::default(), seed_of(0, name)),
            flows: Vec::new(),
            servers: Vec::new(),
            clients: Vec::new(),
            events: Vec::new(),
        })
    }

    fn flow_to(&mut self, from: &'static str, to: &'static str, kind: TransportKind) -> Flow {
        let flows = &mut self.party(from).flows;
        if let Some((_, flow)) = flows
            .iter()
            .find(|(peer, flow)| *peer == to && flow.kind == kind)
        {
            return *flow;
        }
        let id = FlowId::from_parts(u32::try_from(flows.len()).unwrap(), 0);
        let flow = Flow::new(
            id,
            kind,
            ([192, 0, 2, 1], 5060).into(),
            ([192, 0, 2, 2], 5060).into(),
        );
        flows.push((to, flow));
        flow
    }

    /// Puts on the wire what a party sends, and keeps what its TU needs.
    fn drain(&mut self, name: &'static str) {
        let party = self.party(name);
        let mut sent = Vec::new();
        while let Some(output) = party.layer.poll_output() {
            match output {
                Output::Transmit { flow, payload } => {
                    let peer = party
                        .flows
                        .iter()
                        .find(|(_, known)| known.id == flow)
                        .unwrap()
                        .0;
                    sent.push((peer, payload));
                }
                Output::Event(event) => {
                    let text = format!("{event:?}");
                    party
                        .events
                        .push(text.split([' ', '{']).next().unwrap().to_owned());
                    match event {
                        Event::Request { id, request, .. } => party.servers.push((id, *request)),
                        Event::Cancel {
                            id,
                            request,
                            invite,
                            ..
                        } => {
                            assert!(invite.is_some(), "{name}: each CANCEL finds its INVITE");
                            party.servers.push((id, *request));
                        }
                        _ => {}
                    }
                }
            }
        }
        for (peer, payload) in sent {
            self.wire
                .entry((name, peer))
                .or_default()
                .push_back(payload);
        }
    }

    /// The TU of the sender does what the step shows.
    fn cause(&mut self, step: &Step<'static>, shown: &Message) {
        let now = self.clock.now();
        match shown {
            Message::Request(request) => {
                let via = request.headers().top_via().unwrap();
                let kind = TransportKind::from_via(via.transport().as_str()).unwrap();
                let flow = self.flow_to(step.from, step.to, kind);
                let method = request.method().clone();
                let mut request = request.clone();
                request.headers_mut().remove_first(HeaderName::Via);
                let party = self.party(step.from);
                if method == Method::Ack {
                    party.layer.send_ack(&request, flow, now);
                } else if method == Method::Cancel {
                    let invite = |client: &&(_, Method, &str)| {
                        client.1 == Method::Invite && client.2 == step.to
                    };
                    let id = party.clients.iter().rfind(invite).unwrap().0;
                    party.layer.cancel(id, &[], now).unwrap();
                } else {
                    let id = party.layer.request(&request, flow, now);
                    party.clients.push((id, method, step.to));
                }
            }
            Message::Response(response) => {
                let party = self.party(step.from);
                let cseq = response.headers().cseq();
                let answered = |server: &&(_, Request)| server.1.headers().cseq() == cseq;
                let (id, request) = party.servers.iter().rfind(answered).unwrap();
                let tag = response.headers().to_tag().unwrap_or_default();
                let answer = Response::to(request, response.status())
                    .to_tag(tag)
                    .build()
                    .unwrap();
                party.layer.respond(*id, &answer, now).unwrap();
            }
        }
        self.drain(step.from);
    }

    fn step(&mut self, step: &Step<'static>) {
        let hop = (step.from, step.to);
        let is_sent = |replay: &Self| replay.wire.get(&hop).is_some_and(|queue| !queue.is_empty());
        let shown = step.message.as_ref().map(|text| parse(text.clone()));
        let by_layer = is_sent(self);
        if !by_layer {
            match &shown {
                Some(shown) => self.cause(step, shown),
                // A retransmission: time passes until it comes.
                None => while !is_sent(self) && self.pass_time() {},
            }
        }
        let sent = self.wire.get_mut(&hop).and_then(VecDeque::pop_front);
        let sent = sent.unwrap_or_else(|| panic!("{}: nothing is sent", step.name));
        if let Some(shown) = &shown {
            compare(&step.name, &sent, shown);
        }
        if DEAD.contains(&(self.flow, step.to)) {
            return;
        }
        let message = parse(sent);
        let kind = message
            .headers()
            .top_via()
            .unwrap()
            .transport()
            .as_str()
            .to_owned();
        let flow = self.flow_to(step.to, step.from, TransportKind::from_via(&kind).unwrap());
        let expected = expected_event(&message, shown.is_some(), by_layer);
        let now = self.clock.now();
        let receiver = self.party(step.to);
        receiver.events.clear();
        receiver.layer.handle_input(
            Input::Message {
                message: message.into(),
                flow,
                reply: flow,
            },
            now,
        );
        self.drain(step.to);
        let mut events = self.party(step.to).events.clone();
        events.retain(|event| event != "Terminated");
        assert_eq!(
            events,
            expected.map(str::to_owned).into_iter().collect::<Vec<_>>(),
            "{}",
            step.name
        );
    }

    /// To the next deadline. False when there is none.
    fn pass_time(&mut self) -> bool {
        let Some(at) = self
            .parties
            .values()
            .filter_map(|party| party.layer.poll_timeout())
            .min()
        else {
            return false;
        };
        self.clock.advance_to(at);
        let names: Vec<_> = self.parties.keys().copied().collect();
        for name in names {
            self.party(name).layer.handle_timeout(at);
            self.drain(name);
        }
        true
    }

    fn finish(mut self) {
        let left: Vec<_> = self
            .wire
            .values()
            .flatten()
            .map(|payload| describe(payload))
            .collect();
        assert_eq!(left, [""; 0], "{}: sent and not in the flow", self.flow);
        while self.pass_time() {}
        for (name, party) in &self.parties {
            assert_eq!(party.layer.leaks(), None, "{} {name}", self.flow);
            // A flow that the RFC breaks off leaves INVITEs that wait for their TU: there is none.
            assert_eq!(
                (party.layer.client_count(), party.layer.server_count()),
                (0, 0),
                "{} {name}",
                self.flow
            );
        }
    }
}

/// What the receiver's TU learns. ACKs to non-2xx responses and responses to CANCEL are the layer's own business.
fn expected_event(message: &Message, first: bool, by_layer: bool) -> Option<&'static str> {
    match message {
        Message::Request(request) => match request.method() {
            // An ACK that the layer sent by itself is absorbed by the other layer; one of the TU reaches the other TU.
            Method::Ack => (!by_layer).then_some("Ack"),
            Method::Cancel => Some("Cancel"),
            _ if first => Some("Request"),
            _ => None,
        },
        Message::Response(response) => {
            let (_, method) = response.headers().cseq().unwrap();
            (method != Method::Cancel).then_some("Response")
        }
    }
}

/// The message that was sent is the one that the RFC shows, as far as this layer is concerned with it.
fn compare(name: &str, sent: &Bytes, shown: &Message) {
    assert_eq!(describe(sent), describe(&shown.to_bytes()), "{name}");
    let sent = parse(sent.clone());
    let values = |message: &Message, name: HeaderName| -> Vec<String> {
        message.headers().values(name).map(str::to_owned).collect()
    };
    for header in [
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
    ] {
        assert_eq!(
            values(&sent, header.clone()),
            values(shown, header),
            "{name}"
        );
    }
    assert_eq!(
        sent.headers().count(HeaderName::Via),
        shown.headers().count(HeaderName::Via),
        "{name}: Via"
    );
    if let (Message::Request(sent), Message::Request(shown)) = (&sent, shown) {
        let same = sent.uri_str() == shown.uri_str();
        assert_ne!(
            same,
            WRONG_URI.contains(&name),
            "{name}: {} and {}",
            sent.uri_str(),
            shown.uri_str()
        );
    }
}

#[test]
fn rfc3665_every_flow_hop_by_hop() {
    let mut replay: Option<Replay> = None;
    let mut count = 0;
    for step in steps() {
        let begins = replay
            .as_ref()
            .is_none_or(|replay| replay.flow != step.flow);
        if begins && let Some(done) = replay.replace(Replay::new(step.flow)) {
            done.finish();
        }
        if let Some(replay) = &mut replay {
            replay.step(&step);
            count += 1;
        }
    }
    replay.unwrap().finish();
    assert!(count > 190, "{count} messages");
}

/// RFC 3261 section 17.1.1.2 as flow 3.4 shows it: seven INVITEs in 32 seconds.
#[test]
fn rfc3665_3_4_the_seven_invites_of_a_failed_proxy() {
    let mut replay = Replay::new("3.4");
    let mut times = Vec::new();
    for step in steps().iter().filter(|step| step.flow == "3.4").take(7) {
        replay.step(step);
        times.push(replay.clock.elapsed().as_millis());
    }
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
}
