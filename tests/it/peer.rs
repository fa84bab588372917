//! A peer of user agents that is written out: each datagram is read and answered by the test.

use std::net::SocketAddr;
use std::time::Duration;

use sip_stack::agent::{Account, UserAgent, UserAgentBuilder};
use sip_stack::message::{HeaderName, Message, ParserConfig, Request, Response, StatusCode};
use tokio::net::UdpSocket;

/// The other side: a registrar, a proxy, a telephone.
pub(crate) struct Peer {
    pub(crate) socket: UdpSocket,
}

impl Peer {
    pub(crate) async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self { socket }
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    pub(crate) fn uri(&self, user: &str) -> String {
        format!("sip:{user}127.0.0.1:{}", self.port())
    }

    pub(crate) async fn request(&self) -> (Request, SocketAddr) {
        let mut datagram = vec![0; 4096];
        let received = self.socket.recv_from(&mut datagram);
        let (length, from) = tokio::time::timeout(Duration::from_secs(10), received)
            .await
            .expect("something comes")
            .unwrap();
        datagram.truncate(length);
        match Message::parse(datagram.into(), &ParserConfig::default()).unwrap() {
            Message::Request(request) => (request, from),
            Message::Response(response) => panic!("{response:?}"),
        }
    }

    /// Sends what the test has written.
    pub(crate) async fn send(&self, text: &str, port: u16) {
        let to = ("127.0.0.1", port);
        self.socket.send_to(text.as_bytes(), to).await.unwrap();
    }

    /// The next datagram, as text.
    pub(crate) async fn text(&self) -> String {
        let mut datagram = vec![0; 4096];
        let received = self.socket.recv(&mut datagram);
        let length = tokio::time::timeout(Duration::from_secs(10), received)
            .await
            .expect("something comes")
            .unwrap();
        String::from_utf8_lossy(&datagram[..length]).into_owned()
    }

    pub(crate) async fn answer(
        &self,
        request: &Request,
        to: SocketAddr,
        fields: &[(HeaderName, &str)],
    ) {
        self.answer_with(request, to, 200, fields).await;
    }

    pub(crate) async fn answer_with(
        &self,
        request: &Request,
        to: SocketAddr,
        status: u16,
        fields: &[(HeaderName, &str)],
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let mut response = Response::to(request, status).to_tag("peer");
        for (name, value) in fields {
            response = response.header(name.clone(), value);
        }
        let bytes = response.build().unwrap().to_bytes();
        self.socket.send_to(&bytes, to).await.unwrap();
    }

    /// The next request, which is answered 200 with its Contact.
    pub(crate) async fn register(&self, fields: &[(HeaderName, &str)]) -> Request {
        let (request, from) = self.request().await;
        let contact = request
            .headers()
            .get(HeaderName::Contact)
            .map(str::to_owned);
        let mut all = fields.to_vec();
        let granted = contact.map(|contact| format!("{contact};expires=3600"));
        if let Some(granted) = &granted {
            all.push((HeaderName::Contact, granted));
        }
        self.answer(&request, from, &all).await;
        request
    }
}

pub(crate) fn builder() -> UserAgentBuilder {
    UserAgent::builder()
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .request_timeout(Duration::from_secs(10))
}

pub(crate) async fn of_bob(peer: &Peer) -> UserAgent {
    let account = Account::new(&peer.uri("bob@")).unwrap();
    builder().account(account).build().await.unwrap()
}

pub(crate) fn value(request: &Request, name: HeaderName) -> String {
    request.headers().get(name).unwrap_or_default().to_owned()
}

pub(crate) fn number(request: &Request) -> u32 {
    request.headers().cseq().unwrap().0
}

/// What one side does while the other does something.
pub(crate) async fn both<A, B>(
    one: impl Future<Output = A>,
    other: impl Future<Output = B>,
) -> (A, B) {
    tokio::join!(one, other)
}
