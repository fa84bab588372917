//! One layer with a virtual clock, and its outputs as lines of text.

use std::net::SocketAddr;

use bytes::Bytes;
use sip_message::{HeaderName, Message, Method, ParserConfig, Request, Response, StatusCode};
use sip_testkit::{Clock, describe};
use sip_transaction::{
    ClientTransactionId, Event, Flow, FlowId, Input, Output, Seed, ServerTransactionId,
    TransactionConfig, TransactionId, TransactionLayer, Transactions, TransportKind,
};

pub(crate) struct Rig {
    pub(crate) layer: Transactions,
    pub(crate) clock: Clock,
    pub(crate) flow: Flow,
    /// The server transactions in the order in which their requests came, and the requests.
    pub(crate) servers: Vec<(ServerTransactionId, Request)>,
    /// The messages that were sent.
    pub(crate) sent: Vec<Bytes>,
    /// The responses and ACKs that were passed up, as they were.
    pub(crate) passed: Vec<Bytes>,
}

pub(crate) fn flow(kind: TransportKind, number: u32) -> Flow {
    let local: SocketAddr = "192.0.2.1:5060".parse().unwrap();
    let remote = SocketAddr::new(
        "192.0.2.2".parse().unwrap(),
        5060 + u16::try_from(number).unwrap(),
    );
    Flow::new(FlowId::from_parts(number, 0), kind, local, remote)
}

pub(crate) fn parse(text: impl Into<Bytes>) -> Message {
    Message::parse(text.into(), &ParserConfig::default()).unwrap()
}

/// A request from a peer.
pub(crate) fn request_text(method: &str, branch: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch={branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@h>;tag=a\r\nTo: <sip:bob@h>\r\nCall-ID: c-{branch}\r\nCSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// A request of ours, before it has a Via.
pub(crate) fn outgoing(method: Method) -> Request {
    Request::builder(method, "sip:bob@192.0.2.2")
        .header(HeaderName::Route, "<sip:proxy.example.com;lr>")
        .header(HeaderName::From, "<sip:alice@example.com>;tag=a1")
        .header(HeaderName::To, "<sip:bob@example.com>")
        .call_id("c1")
        .cseq(314)
        .max_forwards(70)
        .build_partial()
        .unwrap()
}

impl Rig {
    pub(crate) fn new(kind: TransportKind) -> Self {
        Self::with_config(kind, TransactionConfig::default())
    }

    pub(crate) fn udp() -> Self {
        Self::new(TransportKind::Udp)
    }

    pub(crate) fn tcp() -> Self {
        Self::new(TransportKind::Tcp)
    }

    pub(crate) fn with_config(kind: TransportKind, config: TransactionConfig) -> Self {
        let layer = Transactions::new(config, Seed::from_bytes([42; 32]));
        let (servers, sent, passed) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            layer,
            clock: Clock::new(),
            flow: flow(kind, 0),
            servers,
            sent,
            passed,
        }
    }

    /// Drains the outputs: `-> 200 (INVITE)` for what is sent, words for what is told.
    pub(crate) fn outputs(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.layer.poll_output() {
            lines.push(match output {
                Output::Transmit { flow, payload } => {
                    let line = if flow == self.flow.id {
                        format!("-> {}", describe(&payload))
                    } else {
                        format!("-> {} over {flow:?}", describe(&payload))
                    };
                    self.sent.push(payload);
                    line
                }
                Output::Event(event) => self.tell(event),
            });
        }
        assert_eq!(self.layer.leaks(), None);
        lines
    }

    fn tell(&mut self, event: Event) -> String {
        match event {
            Event::Request {
                id,
                request,
                merged,
                ..
            } => {
                let line = format!(
                    "Request {}{}",
                    request.method(),
                    if merged { " merged" } else { "" }
                );
                self.servers.push((id, *request));
                line
            }
            Event::Cancel {
                id,
                invite,
                request,
                ..
            } => {
                let found =
                    invite.is_some_and(|invite| self.servers.iter().any(|(id, _)| *id == invite));
                self.servers.push((id, *request));
                format!(
                    "Cancel {}",
                    if found { "of an INVITE" } else { "of nothing" }
                )
            }
            Event::Ack {
                invite, request, ..
            } => {
                self.passed.push(request.to_bytes());
                format!(
                    "Ack {}",
                    if invite.is_some() {
                        "of an INVITE"
                    } else {
                        "of nothing"
                    }
                )
            }
            Event::Response { response, .. } => {
                self.passed.push(response.to_bytes());
                format!("Response {}", response.status().as_u16())
            }
            Event::Stray { response, .. } => format!("Stray {}", response.status().as_u16()),
            Event::TimedOut { .. } => "TimedOut".to_owned(),
            Event::FlowFailed { .. } => "FlowFailed".to_owned(),
            Event::Refused { .. } => "Refused".to_owned(),
            Event::AckTimedOut { .. } => "AckTimedOut".to_owned(),
            Event::ServerFlowFailed { .. } => "ServerFlowFailed".to_owned(),
            Event::Terminated {
                id: TransactionId::Client(_),
            } => "Terminated client".to_owned(),
            Event::Terminated {
                id: TransactionId::Server(_),
            } => "Terminated server".to_owned(),
            other => panic!("an event without a name here: {other:?}"),
        }
    }

    pub(crate) fn receive(&mut self, text: impl Into<Bytes>) -> Vec<String> {
        self.receive_over(self.flow, text)
    }

    pub(crate) fn receive_over(&mut self, flow: Flow, text: impl Into<Bytes>) -> Vec<String> {
        let input = Input::Message {
            message: parse(text).into(),
            flow,
            reply: flow,
        };
        self.layer.handle_input(input, self.clock.now());
        self.outputs()
    }

    pub(crate) fn send(&mut self, method: Method) -> (ClientTransactionId, Vec<String>) {
        let id = self
            .layer
            .request(&outgoing(method), self.flow, self.clock.now());
        (id, self.outputs())
    }

    /// Answers the server transaction with this number.
    pub(crate) fn respond(&mut self, number: usize, status: u16) -> Vec<String> {
        let (id, request) = &self.servers[number];
        let response = Response::to(request, StatusCode::from_u16(status).unwrap())
            .to_tag("b")
            .build()
            .unwrap();
        self.layer
            .respond(*id, &response, self.clock.now())
            .unwrap();
        self.outputs()
    }

    /// A response to what was sent with this number.
    pub(crate) fn response_text(&self, number: usize, status: u16) -> Bytes {
        let Message::Request(request) = parse(self.sent[number].clone()) else {
            panic!("not a request")
        };
        let status = StatusCode::from_u16(status).unwrap();
        Response::to(&request, status)
            .to_tag("b")
            .build()
            .unwrap()
            .to_bytes()
    }

    pub(crate) fn receive_response(&mut self, number: usize, status: u16) -> Vec<String> {
        let text = self.response_text(number, status);
        self.receive(text)
    }

    pub(crate) fn sent_text(&self, number: usize) -> String {
        String::from_utf8(self.sent[number].to_vec()).unwrap()
    }

    /// Lets time pass; each line gets the time at which it came.
    pub(crate) fn wait(&mut self, millis: u64) -> Vec<String> {
        let end = self.clock.now() + std::time::Duration::from_millis(millis);
        let mut lines = Vec::new();
        while let Some(deadline) = self
            .layer
            .poll_timeout()
            .filter(|deadline| *deadline <= end)
        {
            self.clock.advance_to(deadline);
            self.layer.handle_timeout(deadline);
            let outputs = self.outputs();
            let time = self.clock.millis(deadline);
            lines.extend(outputs.into_iter().map(|line| format!("{time} {line}")));
            assert!(
                self.layer.poll_timeout().is_none_or(|next| next > deadline),
                "STYLE: output or a later deadline"
            );
        }
        self.clock.advance_to(end);
        lines
    }
}
