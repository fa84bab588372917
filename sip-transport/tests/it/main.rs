//! The driver on loopback, through the public interface: real sockets, free ports, no sleeping.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test picks out what it looks for"
)]

mod broken;
mod capture;
#[cfg(feature = "dns")]
mod dns;
mod faults;
#[cfg(feature = "sctp")]
mod sctp;
#[cfg(feature = "tls")]
mod statements;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
mod udp;
#[cfg(feature = "ws")]
mod ws;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_message::BoxedMessage;
use sip_transport::tokio::{Bound, Driver, Listen};
use sip_transport::{
    Event, Flow, FlowId, Input, Output, Seed, SelectError, Target, TransportConfig, TransportKind,
    Transports,
};

/// A worker: driver and core in their loop.
struct Worker {
    driver: Driver,
    transports: Transports,
    bound: Vec<Bound>,
    inputs: Vec<Input>,
    events: Vec<Event>,
}

impl Worker {
    fn start(ip: &str) -> Self {
        Self::with(ip, |_| {})
    }

    fn with(ip: &str, change: impl FnOnce(&mut TransportConfig)) -> Self {
        let addr = SocketAddr::new(ip.parse().unwrap(), 0);
        Self::listening(&[Listen::udp(addr), Listen::tcp(addr)], change)
    }

    fn listening(listen: &[Listen], change: impl FnOnce(&mut TransportConfig)) -> Self {
        let (driver, bound) = Driver::bind(listen).unwrap();
        let mut config = TransportConfig::default();
        change(&mut config);
        let mut transports = Transports::new(config, Seed::from_system().unwrap());
        for socket in &bound {
            transports.add_listener(socket.listener, socket.kind, socket.local);
        }
        Self {
            driver,
            transports,
            bound,
            inputs: Vec::new(),
            events: Vec::new(),
        }
    }

    fn addr(&self) -> SocketAddr {
        self.bound[0].local
    }

    fn settle(&mut self) {
        while let Some(output) = self.transports.poll_output() {
            match output {
                Output::Event(event) => self.events.push(event),
                output => self.driver.execute(output),
            }
        }
        self.driver.flush();
    }

    /// Takes the next event, running until there is one.
    async fn event(&mut self) -> Event {
        loop {
            self.settle();
            if !self.events.is_empty() {
                return self.events.remove(0);
            }
            self.turn().await;
        }
    }

    /// Runs for ever; events are kept.
    async fn run(&mut self) {
        loop {
            self.settle();
            self.turn().await;
        }
    }

    async fn turn(&mut self) {
        let wake = self.transports.poll_timeout();
        if !self.driver.recv_until(&mut self.inputs, wake).await {
            self.transports.handle_timeout(now());
        }
        for input in self.inputs.drain(..) {
            self.transports.handle_input(input, now());
        }
    }

    /// The next message, while another worker runs too.
    async fn message_beside(&mut self, other: &mut Self) -> (BoxedMessage, Flow, Flow) {
        tokio::select! {
            message = self.message() => message,
            () = other.run() => unreachable!("a worker runs for ever"),
        }
    }

    /// The next message: its bytes, its flow, and where responses go.
    async fn message(&mut self) -> (BoxedMessage, Flow, Flow) {
        match self.event().await {
            Event::Message {
                message,
                flow,
                reply,
            } => (message, flow, reply),
            event => panic!("{event:?}"),
        }
    }

    async fn select(&mut self, target: &Target, size: usize) -> Result<Vec<Flow>, SelectError> {
        let wanted = self.transports.select(target, size, now());
        match self.event().await {
            Event::Selected { id, result } if id == wanted => result,
            event => panic!("{event:?}"),
        }
    }

    async fn flow_to(&mut self, addr: SocketAddr, kind: TransportKind) -> Flow {
        let target = Target::ip(addr.ip(), Some(addr.port()), Some(kind));
        self.select(&target, 500).await.unwrap()[0]
    }

    fn send(&mut self, flow: FlowId, payload: impl Into<Bytes>) {
        self.transports.send(flow, payload.into(), now()).unwrap();
        self.settle();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a driver's loop reads the clock for its machine"
)]
fn now() -> Instant {
    Instant::now()
}

/// Runs a test, which must not take long.
fn within<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(20), future)
            .await
            .expect("the test hangs")
    })
}

fn request(flow: Flow, method: &str, body: &str) -> String {
    format!(
        "{method} sip:b@{} SIP/2.0\r\nVia: SIP/2.0/{} {};branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c1\r\nCSeq: 1 {method}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        flow.remote,
        flow.kind,
        flow.sent_by(),
        body.len()
    )
}

/// A 200 to a request, as the layers above would make it.
fn ok_to(message: &BoxedMessage) -> Bytes {
    let request = message.as_request().unwrap();
    let response = sip_message::Response::to(request, sip_message::StatusCode::OK)
        .to_tag("2")
        .build();
    response.unwrap().to_bytes()
}

fn has_ipv6() -> bool {
    sip_transport::tokio::local_addresses().contains(&IpAddr::V6(std::net::Ipv6Addr::LOCALHOST))
}
