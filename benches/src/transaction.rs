//! Whole transactions, from the first message to the last timer.
//!
//! What is counted is the work of the layer: messages arrive parsed, and the transaction user's own messages (its
//! request, its response) are made ready before. They are the user's work, as parsing is the transport's; what the
//! layer does with them (its Via, encoding, keeping, ending) is counted, and so is dropping what it hands out, which
//! for a message means freeing it. The case `server-options-with-answer` counts the building of the response too.

use std::{
    collections::VecDeque,
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use bytes::Bytes;
use sip_message::{
    BoxedMessage, HeaderName, Message, Method, ParserConfig, Request, Response, StatusCode,
};
use sip_transaction::{
    Event, Input, Output, TransactionConfig, TransactionLayer as _, Transactions,
};
use sip_transport::{Flow, FlowId, Seed, TransportKind};

use crate::{Case, Footprint, Work, message};

fn flow() -> Flow {
    let address = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 5060));
    Flow::new(
        FlowId::from_parts(0, 1),
        TransportKind::Udp,
        address(1),
        address(2),
    )
}

fn layer() -> Transactions {
    let mut config = TransactionConfig::default();
    config.max_server = 2 * LIVE as usize;
    config.max_server_per_peer = 2 * LIVE as usize;
    Transactions::new(config, Seed::from_bytes([6; 32]))
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::prepared(
            "transaction/server-options",
            Server::new(message::OPTIONS, StatusCode::OK),
        ),
        answering(),
        Case::prepared(
            "transaction/server-invite-486",
            Server::new(message::INVITE, StatusCode::BUSY_HERE),
        ),
        Case::prepared(
            "transaction/client-invite-180-200",
            Client::new(message::INVITE, &[StatusCode::RINGING, StatusCode::OK]),
        ),
        Case::prepared(
            "transaction/client-options",
            Client::new(message::OPTIONS, &[StatusCode::OK]),
        ),
        retransmission(),
        Case::prepared(
            "transaction/thousand-idle-polls-of-a-million",
            Idle(layer()),
        ),
    ]
}

pub(crate) fn footprints() -> Vec<Footprint> {
    vec![
        Footprint {
            name: "transaction/server-waiting-for-timer-j",
            measure: || waiting(900_000),
        },
        Footprint {
            name: "transaction/server-waiting-for-timer-j, fewer",
            measure: || waiting(200_000),
        },
    ]
}

fn input(message: impl Into<BoxedMessage>) -> Input {
    let flow = flow();
    Input::Message {
        message: message.into(),
        flow,
        reply: flow,
    }
}

fn answer(request: &Request, code: StatusCode) -> Response {
    Response::to(request, code)
        .to_tag("bench")
        .build()
        .expect("a valid request")
}

/// A request arrives, is answered (and the answer acknowledged), and its last timer fires.
struct Server {
    layer: Transactions,
    now: Instant,
    request: Request,
    response: Response,
    requests: VecDeque<Input>,
    acks: VecDeque<Input>,
}

impl Server {
    fn new(text: &'static [u8], code: StatusCode) -> Self {
        let request = message::request(text);
        Self {
            layer: layer(),
            now: Instant::now(),
            response: answer(&request, code),
            request,
            requests: VecDeque::new(),
            acks: VecDeque::new(),
        }
    }
}

impl Work for Server {
    fn prepare(&mut self, times: u64) {
        for _ in self.requests.len() as u64..times {
            if *self.request.method() == Method::Invite {
                self.acks
                    .push_back(input(ack(&self.request, &self.response)));
            }
            self.requests.push_back(input(self.request.clone()));
        }
    }

    fn run(&mut self) {
        let request = self.requests.pop_front().expect("it was made ready");
        self.layer.handle_input(request, self.now);
        let Some(Output::Event(Event::Request { id, .. })) = self.layer.poll_output() else {
            panic!("each request is new: the last one has ended");
        };
        let answered = self.layer.respond(id, &self.response, self.now);
        answered.expect("it is live");
        if let Some(ack) = self.acks.pop_front() {
            self.layer.handle_input(ack, self.now);
        }
        self.now = finish(&mut self.layer, self.now);
    }
}

/// As the first case; the transaction user builds its response in between.
fn answering() -> Case {
    let (mut layer, request) = (layer(), message::request(message::OPTIONS));
    let mut now = Instant::now();
    Case::new("transaction/server-options-with-answer", move || {
        layer.handle_input(input(request.clone()), now);
        let Some(Output::Event(Event::Request { id, request, .. })) = layer.poll_output() else {
            panic!("each request is new: the last one has ended");
        };
        layer
            .respond(id, &answer(&request, StatusCode::OK), now)
            .expect("it is live");
        now = finish(&mut layer, now);
    })
}

/// The ACK to a final response that is not 2xx (RFC 3261 section 17.1.1.3).
fn ack(invite: &Request, answer: &Response) -> Request {
    let headers = invite.headers();
    let value = |name: HeaderName| headers.get(name).unwrap_or_default();
    let number = headers.cseq().map_or(1, |(number, _)| number);
    let text = format!(
        "ACK {} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n",
        invite.uri_str(),
        value(HeaderName::Via),
        value(HeaderName::From),
        answer.headers().get(HeaderName::To).unwrap_or_default(),
        value(HeaderName::CallId),
    );
    match Message::parse(Bytes::from(text), &ParserConfig::default()) {
        Ok(message) => message.as_request().expect("a request").clone(),
        Err(error) => panic!("the ACK is valid: {error}"),
    }
}

/// A request is sent, answered, and its last timer fires.
struct Client {
    layer: Transactions,
    /// Does the same as the layer, from the same seed, ahead of it: its requests have the branches that the prepared
    /// responses need.
    twin: Transactions,
    now: Instant,
    request: Request,
    codes: &'static [StatusCode],
    responses: VecDeque<Input>,
}

impl Client {
    fn new(text: &'static [u8], codes: &'static [StatusCode]) -> Self {
        Self {
            layer: layer(),
            twin: layer(),
            now: Instant::now(),
            request: built(&message::request(text)),
            codes,
            responses: VecDeque::new(),
        }
    }
}

impl Work for Client {
    fn prepare(&mut self, times: u64) {
        let none = self.responses.is_empty();
        assert!(none, "the twin would be ahead too far");
        for _ in 0..times {
            self.twin.request(&self.request, flow(), self.now);
            let Some(Output::Transmit { payload, .. }) = self.twin.poll_output() else {
                panic!("it is sent");
            };
            let sent = Message::parse(payload, &ParserConfig::default()).expect("valid");
            let sent = sent.as_request().expect("a request");
            let responses = self.codes.iter().map(|code| {
                let bytes = answer(sent, *code).to_bytes();
                let response = Message::parse(bytes, &ParserConfig::default()).expect("valid");
                input(response)
            });
            self.responses.extend(responses);
            finish(&mut self.twin, self.now);
        }
    }

    fn run(&mut self) {
        self.layer.request(&self.request, flow(), self.now);
        drop(self.layer.poll_output());
        for _ in self.codes {
            let response = self.responses.pop_front().expect("it was made ready");
            self.layer.handle_input(response, self.now);
            drop(self.layer.poll_output());
        }
        self.now = finish(&mut self.layer, self.now);
    }
}

/// The same request as a user agent builds it, without a Via.
fn built(request: &Request) -> Request {
    let mut builder = Request::builder(request.method().clone(), request.uri_str());
    for field in request.headers().fields() {
        let name = field.name();
        let of_body = [HeaderName::ContentType, HeaderName::ContentLength];
        if name != HeaderName::Via && !of_body.contains(&name) {
            builder = builder.header(name, field.value_lossy());
        }
    }
    let body = request.body_bytes();
    if !body.is_empty() {
        builder = builder.body("application/sdp", body);
    }
    builder.build_partial().expect("a whole request")
}

/// A copy of a request that has its final response.
fn retransmission() -> Case {
    let (mut layer, now) = (layer(), Instant::now());
    let request = message::request(message::OPTIONS);
    layer.handle_input(input(request.clone()), now);
    let Some(Output::Event(Event::Request { id, .. })) = layer.poll_output() else {
        panic!("a new request");
    };
    let answered = layer.respond(id, &answer(&request, StatusCode::OK), now);
    answered.expect("it is live");
    black_box(layer.poll_output());
    Case::prepared(
        "transaction/retransmitted-request",
        Retransmission {
            layer,
            now,
            request,
            ready: VecDeque::new(),
        },
    )
}

struct Retransmission {
    layer: Transactions,
    now: Instant,
    request: Request,
    ready: VecDeque<Input>,
}

impl Work for Retransmission {
    fn prepare(&mut self, times: u64) {
        self.ready = (0..times).map(|_| input(self.request.clone())).collect();
    }

    fn run(&mut self) {
        let request = self.ready.pop_front().expect("it was made ready");
        self.layer.handle_input(request, self.now);
        let output = self.layer.poll_output();
        assert!(matches!(output, Some(Output::Transmit { .. })));
    }
}

/// `poll_timeout` while this many transactions live.
struct Idle(Transactions);

const LIVE: u64 = 1_000_000;

impl Work for Idle {
    fn prepare(&mut self, _times: u64) {
        let now = Instant::now();
        let request = built(&message::request(message::OPTIONS));
        for _ in self.0.client_count() as u64..LIVE {
            self.0.request(&request, flow(), now);
            drain(&mut self.0);
        }
    }

    fn run(&mut self) {
        // What was made ready differs by some thousand instructions from one run to the other.
        for _ in 0..1000 {
            black_box(black_box(&self.0).poll_timeout());
        }
    }
}

/// A request like no other.
fn numbered(number: u64) -> Request {
    let text = format!(
        "OPTIONS sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{number:016x};rport=5060\r\n\
         Max-Forwards: 70\r\nFrom: Alice <sip:alice@example.com>;tag=a48s9fd8\r\nTo: Bob <sip:bob@example.com>\r\n\
         Call-ID: {number:016x}@client.example.com\r\nCSeq: 1 OPTIONS\r\nContact: <sip:alice@192.0.2.2>\r\n\
         Accept: application/sdp\r\nContent-Length: 0\r\n\r\n"
    );
    match Message::parse(text.into(), &ParserConfig::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("a good request: {other:?}"),
    }
}

/// Bytes of memory for a non-INVITE server transaction that waits for Timer J with a response of 400 bytes: what the
/// process grew by, allocator and all, when so many of them came to be.
fn waiting(count: u64) -> u64 {
    let (mut layer, now) = (layer(), Instant::now());
    let before = resident();
    for number in 0..count {
        let request = numbered(number);
        let response = Response::to(&request, StatusCode::OK)
            .to_tag("8sf7sd98")
            .header(
                HeaderName::Allow,
                "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO",
            )
            .header(
                HeaderName::Server,
                "sip-stack, padded to a response of 400 b",
            )
            .build()
            .expect("a good response");
        assert!((390..=410).contains(&response.to_bytes().len()));
        layer.handle_input(input(request), now);
        let Some(Output::Event(Event::Request { id, .. })) = layer.poll_output() else {
            panic!("a new request");
        };
        layer.respond(id, &response, now).expect("it is live");
        drain(&mut layer);
    }
    assert_eq!(layer.server_count() as u64, count);
    let bytes = resident().saturating_sub(before);
    bytes.div_ceil(count)
}

/// Bytes of memory that the process uses (Linux; zero elsewhere).
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or_default();
    pages * 4096
}

fn drain(layer: &mut Transactions) {
    while layer.poll_output().is_some() {}
}

/// Drain, and let the timers end what is left.
fn finish(layer: &mut Transactions, mut now: Instant) -> Instant {
    loop {
        drain(layer);
        let Some(at) = layer.poll_timeout() else {
            return now;
        };
        now = now.max(at);
        layer.handle_timeout(now);
    }
}
