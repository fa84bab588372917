//! User agents whose address leads nowhere, behind a translator or in a browser: only their connection reaches them.

use bytes::Bytes;
use sip_stack::message::{HeaderName, Message, ParserConfig, Request, Response};
use sip_stack::server::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One end of a connection to the server, and what was read of the next message.
struct Agent {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Agent {
    async fn connect(port: u16) -> Self {
        Self {
            stream: TcpStream::connect(("127.0.0.1", port)).await.unwrap(),
            buffer: Vec::new(),
        }
    }

    async fn send(&mut self, message: &str) {
        self.stream.write_all(message.as_bytes()).await.unwrap();
    }

    /// The next message; none of those here has a body.
    async fn message(&mut self) -> Message {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let message: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Message::parse(Bytes::from(message), &ParserConfig::default()).unwrap();
            }
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the server closed the connection");
        }
    }

    async fn request(&mut self) -> Request {
        match self.message().await {
            Message::Request(request) => request,
            Message::Response(response) => panic!("{response:?}"),
        }
    }

    /// The next response but 100.
    async fn response(&mut self) -> Response {
        loop {
            match self.message().await {
                Message::Response(response) if response.status().as_u16() == 100 => {}
                Message::Response(response) => return response,
                Message::Request(request) => panic!("{request:?}"),
            }
        }
    }
}

fn values(message: &Request, name: HeaderName) -> Vec<String> {
    message.headers().values(name).map(str::to_owned).collect()
}

/// Both are at an address of RFC 5737, which leads nowhere; so is what they say in Via and Contact.
#[tokio::test]
async fn rfc5626_5_3_calls_and_all_that_follows_go_over_the_connections_that_the_agents_opened() {
    calls_over_connections(1).await;
}

/// The system chooses the worker of each connection, so that it takes a few turns until every case was there.
#[tokio::test]
async fn rfc5626_5_3_a_connection_is_reached_from_every_worker() {
    for workers in [2, 4, 4, 4] {
        calls_over_connections(workers).await;
    }
}

async fn calls_over_connections(workers: u16) {
    let server = Server::builder()
        .workers(workers)
        .domain("example.test")
        .listen("tcp:127.0.0.1:0")
        .unwrap()
        .danger_without_authentication()
        .build()
        .await
        .unwrap();
    let port = server.addresses()[0].1.port();
    tokio::spawn(server.run_until(std::future::pending()));
    let mut bob = Agent::connect(port).await;
    bob.send(
        "REGISTER sip:example.test SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKr1\r\nMax-Forwards: 70\r\n\
         From: <sip:bob@example.test>;tag=r\r\nTo: <sip:bob@example.test>\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\n\
         Supported: outbound, path\r\n\
         Contact: <sip:bob@192.0.2.1;transport=tcp>;reg-id=1;+sip.instance=\"<urn:uuid:0>\"\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let registered = bob.response().await;
    assert_eq!(registered.status().as_u16(), 200);
    // RFC 5626 §6: it learns that the flow is known.
    assert_eq!(
        registered.headers().get(HeaderName::Require),
        Some("outbound")
    );
    assert_eq!(registered.headers().get(HeaderName::FlowTimer), Some("120"));

    let mut carol = Agent::connect(port).await;
    carol
        .send(
            "INVITE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.2:5060;branch=z9hG4bKi1\r\nMax-Forwards: 70\r\n\
             From: <sip:carol@example.net>;tag=c\r\nTo: <sip:bob@example.test>\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:carol@192.0.2.2;transport=tcp>\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
    let invite = bob.request().await;
    assert_eq!(invite.uri_str(), "sip:bob@192.0.2.1;transport=tcp");
    let routes = values(&invite, HeaderName::RecordRoute);
    assert_eq!(routes.len(), 2, "one for each side: {routes:?}");
    bob.send(&format!(
        "SIP/2.0 200 OK\r\nVia: {}\r\nRecord-Route: {}\r\nFrom: {}\r\nTo: <sip:bob@example.test>;tag=b\r\nCall-ID: i\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:bob@192.0.2.1;transport=tcp>\r\nContent-Length: 0\r\n\r\n",
        values(&invite, HeaderName::Via).join(", "),
        routes.join(", "),
        invite.headers().get(HeaderName::From).unwrap(),
    ))
    .await;
    let answer = carol.response().await;
    assert_eq!(answer.status().as_u16(), 200);
    let mut reversed: Vec<String> = answer
        .headers()
        .values(HeaderName::RecordRoute)
        .map(str::to_owned)
        .collect();
    reversed.reverse();
    carol
        .send(&format!(
            "ACK sip:bob@192.0.2.1;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.2:5060;branch=z9hG4bKa1\r\n\
             Max-Forwards: 70\r\nRoute: {}\r\nFrom: <sip:carol@example.net>;tag=c\r\nTo: <sip:bob@example.test>;tag=b\r\n\
             Call-ID: i\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
            reversed.join(", ")
        ))
        .await;
    let ack = bob.request().await;
    assert_eq!(ack.method().as_str(), "ACK");
    assert!(values(&ack, HeaderName::Route).is_empty());
    // And the other way: to the caller, over the connection that the INVITE came by.
    bob.send(&format!(
        "BYE sip:carol@192.0.2.2;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKb1\r\n\
         Max-Forwards: 70\r\nRoute: {}\r\nFrom: <sip:bob@example.test>;tag=b\r\nTo: <sip:carol@example.net>;tag=c\r\n\
         Call-ID: i\r\nCSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n",
        routes.join(", ")
    ))
    .await;
    let bye = carol.request().await;
    assert_eq!(
        (bye.method().as_str(), bye.uri_str()),
        ("BYE", "sip:carol@192.0.2.2;transport=tcp")
    );
    carol
        .send(&format!(
            "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: <sip:bob@example.test>;tag=b\r\nTo: <sip:carol@example.net>;tag=c\r\n\
             Call-ID: i\r\nCSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n",
            values(&bye, HeaderName::Via).join(", ")
        ))
        .await;
    assert_eq!(bob.response().await.status().as_u16(), 200);

    // RFC 5626 §5.3: when the connection is gone, so is the user agent: at once, and not after a time-out.
    drop(bob);
    let mut dave = Agent::connect(port).await;
    dave.send(
        "INVITE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.3:5060;branch=z9hG4bKi2\r\nMax-Forwards: 70\r\n\
         From: <sip:dave@example.net>;tag=d\r\nTo: <sip:bob@example.test>\r\nCall-ID: j\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:dave@192.0.2.3;transport=tcp>\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(dave.response().await.status().as_u16(), 480);
}
