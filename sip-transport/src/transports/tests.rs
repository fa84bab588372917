//! A bench on which the machine is tried: inputs in, words out.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test picks out what it looks for"
)]

mod alias;
mod capture;
mod datagram;
mod half_closed;
mod keep_alive;
mod malformed;
mod properties;
mod race;
mod reply;
mod section18;
mod secure;
mod selection;
mod statements;
mod stream;
mod token;

use std::time::Duration;

use proptest::prelude::*;
use sip_message::{BoxedMessage, HeaderName, ParseErrorKind};

use super::*;
use crate::config::TransportConfig;
use crate::io::{Answer, ConnectionError, Malformed, Question, SelectError};
use crate::target::{Target, TargetHost};
use crate::testing::origin;

const UDP: ListenerId = ListenerId::new(0);
const TCP: ListenerId = ListenerId::new(1);
const PEER: &str = "192.0.2.9:40000";

/// Transports with a clock.
struct Bench {
    transports: Transports,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut TransportConfig)) -> Self {
        let mut config = TransportConfig::default();
        change(&mut config);
        let mut transports = Transports::new(config, Seed::from_bytes([9; 32]));
        transports.add_listener(UDP, TransportKind::Udp, addr("192.0.2.1:5060"));
        transports.add_listener(TCP, TransportKind::Tcp, addr("192.0.2.1:5060"));
        Self {
            transports,
            now: origin(),
        }
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        self.transports.handle_input(input, self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.transports.poll_output()).collect()
    }

    fn datagram(&mut self, from: &str, payload: impl Into<Bytes>) -> Vec<Output> {
        self.input(Input::Datagram {
            listener: UDP,
            remote: addr(from),
            local: None,
            payload: payload.into(),
        })
    }

    fn accept(&mut self, number: u64, from: &str) -> (ConnectionId, Vec<Output>) {
        let connection = ConnectionId::accepted(number);
        let outputs = self.input(Input::Accepted {
            connection,
            listener: TCP,
            remote: addr(from),
        });
        (connection, outputs)
    }

    fn stream(&mut self, connection: ConnectionId, payload: impl Into<Bytes>) -> Vec<Output> {
        self.input(Input::Stream {
            connection,
            payload: payload.into(),
        })
    }

    fn send(&mut self, flow: FlowId, payload: &'static [u8]) -> Vec<Output> {
        self.transports
            .send(flow, Bytes::from_static(payload), self.now)
            .unwrap();
        self.drain()
    }

    /// Lets time pass, waking up whenever the machine asks for it.
    fn pass(&mut self, time: Duration) -> Vec<Output> {
        let end = self.now + time;
        let mut outputs = Vec::new();
        while let Some(at) = self.transports.poll_timeout().filter(|&at| at <= end) {
            self.now = at.max(self.now);
            self.transports.handle_timeout(self.now);
            outputs.extend(self.drain());
        }
        self.now = end;
        outputs
    }

    fn select(&mut self, uri: &str, size: usize) -> Result<Vec<Flow>, SelectError> {
        let target = Target::from_uri(sip_message::UriRef::parse(uri).unwrap()).unwrap();
        self.transports.select(&target, size, self.now);
        let mut outputs = self.drain();
        assert_eq!(outputs.len(), 1, "{outputs:?}");
        let Some(Output::Event(Event::Selected { result, .. })) = outputs.pop() else {
            panic!("{outputs:?}")
        };
        result
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn request(via: &str, method: &str, extra: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=1\r\n\
         To: <sip:bob@192.0.2.1>\r\nCall-ID: c1@example.com\r\nCSeq: 7 {method}\r\n{extra}Content-Length: 0\r\n\r\n"
    )
}

fn options() -> String {
    request("SIP/2.0/TCP 192.0.2.9:5070;branch=z9hG4bK1", "OPTIONS", "")
}

fn response(via: &str) -> String {
    format!(
        "SIP/2.0 200 OK\r\nVia: {via}\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: c1\r\n\
         CSeq: 7 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Short words for what came out.
fn words(outputs: &[Output]) -> Vec<String> {
    outputs
        .iter()
        .map(|output| match output {
            Output::Datagram {
                remote, payload, ..
            } => format!("datagram {remote} {}", first_line(payload)),
            Output::Stream { payload, .. } => format!("stream {}", first_line(payload)),
            Output::Connect { kind, remote, .. } => format!("connect {kind} {remote}"),
            Output::Close { .. } => "close".to_owned(),
            Output::Resolve { question, name, .. } => format!("resolve {question:?} {name}"),
            Output::Event(Event::Message {
                message: BoxedMessage::Request(request),
                reply,
                ..
            }) => {
                format!("{} reply {}", request.method(), reply.remote)
            }
            Output::Event(Event::Message {
                message: BoxedMessage::Response(response),
                ..
            }) => {
                format!("{}", response.status().as_u16())
            }
            Output::Event(Event::Malformed {
                error, answered, ..
            }) => {
                format!(
                    "malformed {}",
                    answered
                        .map_or_else(|| error.to_string(), |status| status.as_u16().to_string())
                )
            }
            Output::Event(Event::FlowFailed { cause, reopens, .. }) => {
                format!("failed {cause:?}{}", if *reopens { " reopens" } else { "" })
            }
            Output::Event(Event::Selected { result, .. }) => match result {
                Ok(flows) => {
                    let flows: Vec<_> = flows
                        .iter()
                        .map(|flow| format!("{} {}", flow.kind, flow.remote))
                        .collect();
                    format!("selected {}", flows.join(", "))
                }
                Err(error) => format!("selected {error:?}"),
            },
            Output::Event(Event::Captured(captured)) => {
                let arrow = if captured.sent { "->" } else { "<-" };
                format!(
                    "{} {arrow} {} {}",
                    captured.local,
                    captured.remote,
                    first_line(&captured.payload)
                )
            }
            Output::Event(Event::Pong { .. }) => "pong".to_owned(),
        })
        .collect()
}

fn first_line(payload: &[u8]) -> String {
    let line = payload.split(|&b| b == b'\r').next().unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

fn flow_of(outputs: &[Output]) -> Flow {
    let flow = outputs.iter().find_map(|output| match output {
        Output::Event(Event::Message { flow, .. }) => Some(*flow),
        _ => None,
    });
    flow.unwrap_or_else(|| panic!("no message in {outputs:?}"))
}

#[test]
fn hot_types_stay_small() {
    assert!(size_of::<Entry>() <= 144, "{}", size_of::<Entry>());
    assert!(size_of::<Stream>() <= 296, "{}", size_of::<Stream>());
    // Each is moved several times on its way up or down.
    assert!(size_of::<Output>() <= 176, "{}", size_of::<Output>());
}
