use std::net::UdpSocket;
use std::sync::Arc;

use bytes::Bytes;
use sip_message::{HeaderName, Message, Method, ParserConfig, Response, StatusCode};

use super::*;
use crate::auth::{Algorithm, hex};
use crate::users;

fn builder() -> ServerBuilder {
    let users = users::Memory::new("example.com").with("alice", "secret");
    Server::builder()
        .domain("example.com")
        .credentials(users)
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .listen("tcp:127.0.0.1:0")
        .unwrap()
}

/// A socket of a client, with what it asks for.
struct Client(tokio::net::UdpSocket, SocketAddr);

impl Client {
    async fn new(server: &Server) -> Self {
        let (_, address) = server.addresses()[0];
        Self(
            tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            address,
        )
    }

    /// Sends a request and returns the first final response as text.
    async fn ask(&self, method: &str, user: &str, cseq: u32) -> String {
        let (port, host) = (self.0.local_addr().unwrap().port(), self.1);
        let text = format!(
            "{method} sip:{user}{host} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{port}{cseq};rport\r\n\
             From: <sip:carol@example.net>;tag=1\r\nTo: <sip:{user}{host}>\r\nCall-ID: {port}\r\nCSeq: {cseq} {method}\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        self.0.send_to(text.as_bytes(), self.1).await.unwrap();
        let mut buffer = vec![0; 65536];
        loop {
            let (len, _) = self.0.recv_from(&mut buffer).await.unwrap();
            let text = String::from_utf8(buffer[..len].to_vec()).unwrap();
            if !text.starts_with("SIP/2.0 1") {
                return text;
            }
        }
    }
}

#[tokio::test]
async fn a_server_answers_challenges_handles_and_stops() {
    let server = builder()
        .on(Method::Message, |request: IncomingRequest| async move {
            request.respond(StatusCode::ACCEPTED).await
        })
        .build()
        .await
        .unwrap();
    assert_eq!(
        server.addresses()[0].1,
        server.addresses()[1].1,
        "one port for both transports"
    );
    let client = Client::new(&server).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async { drop(stopped.await) }));
    let options = client.ask("OPTIONS", "", 1).await;
    assert!(options.starts_with("SIP/2.0 200 OK\r\n"), "{options}");
    assert!(
        options.contains("Allow: OPTIONS, REGISTER, MESSAGE"),
        "{options}"
    );
    let register = client.ask("REGISTER", "alice@", 2).await;
    assert!(
        register.starts_with("SIP/2.0 401 Unauthorized\r\n"),
        "{register}"
    );
    assert!(
        client
            .ask("INVITE", "alice@", 3)
            .await
            .starts_with("SIP/2.0 480")
    );
    assert!(
        client
            .ask("MESSAGE", "alice@", 5)
            .await
            .starts_with("SIP/2.0 202")
    );
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_capture_holds_what_passed_when_the_server_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.pcapng");
    let recorder = Arc::new(sip_transport::tokio::Recorder::pcapng(&path).unwrap());
    let server = builder()
        .capture(Arc::clone(&recorder))
        .build()
        .await
        .unwrap();
    let client = Client::new(&server).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async { drop(stopped.await) }));
    client.ask("OPTIONS", "", 1).await;
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(()));
    assert_eq!(recorder.stats().dropped, 0);
    // The server has let go of its share.
    Arc::into_inner(recorder).unwrap().finish().unwrap();
    let file = std::fs::read(&path).unwrap();
    for what in ["OPTIONS sip:127.0.0.1", "SIP/2.0 200 OK\r\n"] {
        assert!(
            file.windows(what.len()).any(|part| part == what.as_bytes()),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_or_left() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let users = || users::Memory::new("h").with("alice", "x");
    let place = format!("udp:{address}");
    let error = Server::builder()
        .credentials(users())
        .listen(&place)
        .unwrap()
        .build()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, BuildError::Bind { address: at, .. } if *at == address),
        "{error}"
    );
    assert!(error.to_string().contains("use another port"), "{error}");
    let server = Server::builder()
        .credentials(users())
        .listen(&place)
        .unwrap()
        .or_free_port()
        .build()
        .await
        .unwrap();
    let (from, to) = server.moved_from().unwrap();
    assert_eq!((from, server.addresses()[0].1.port()), (address.port(), to));
}

#[tokio::test]
async fn a_server_without_users_is_not_built_by_mistake() {
    let error = Server::builder()
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .build()
        .await
        .unwrap_err();
    assert!(matches!(error, BuildError::NoCredentials));
}

/// A telephone that speaks as the test says.
struct Phone {
    socket: tokio::net::UdpSocket,
    server: SocketAddr,
    port: u16,
}

impl Phone {
    async fn new(server: SocketAddr) -> Self {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        Self {
            socket,
            server,
            port,
        }
    }

    async fn send(&self, line: &str, fields: &str) {
        let port = self.port;
        let branch = line.split(' ').next().unwrap();
        let text = format!(
            "{line} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch}{};rport\r\nMax-Forwards: 70\r\n{fields}Content-Length: 0\r\n\r\n",
            fields.len()
        );
        self.socket
            .send_to(text.as_bytes(), self.server)
            .await
            .unwrap();
    }

    /// The next message that begins with this.
    async fn receive(&self, start: &str) -> Message {
        let mut buffer = vec![0; 65536];
        loop {
            let (len, _) = self.socket.recv_from(&mut buffer).await.unwrap();
            let bytes = Bytes::copy_from_slice(&buffer[..len]);
            if bytes.starts_with(start.as_bytes()) {
                return Message::parse(bytes, &ParserConfig::default()).unwrap();
            }
        }
    }

    /// Answers a request, with its Record-Route.
    async fn answer(&self, request: &Message, status: StatusCode) {
        let response = Response::to(request.as_request().unwrap(), status)
            .to_tag("bob")
            .copy(request.as_request().unwrap(), HeaderName::RecordRoute)
            .header(
                HeaderName::Contact,
                format!("<sip:bob@127.0.0.1:{}>", self.port),
            )
            .build()
            .unwrap();
        self.socket
            .send_to(&response.to_bytes(), self.server)
            .await
            .unwrap();
    }
}

/// The Authorization for a challenge.
fn authorization(challenge: &Message, method: &str, uri: &str) -> String {
    let value = challenge
        .headers()
        .values(HeaderName::WwwAuthenticate)
        .next()
        .unwrap()
        .to_owned();
    let nonce = value
        .split("nonce=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let algorithm = Algorithm::Sha512_256;
    let ha1 = hex(algorithm.ha1("alice", "example.com", "secret").as_bytes());
    let middle = format!("{nonce}:00000001:c:auth");
    let response = hex(algorithm
        .response(&ha1, &middle, &algorithm.ha2(method, uri))
        .as_bytes());
    format!(
        "Authorization: Digest username=\"alice\", realm=\"example.com\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=SHA-512-256, qop=auth, nc=00000001, cnonce=\"c\"\r\n"
    )
}

#[tokio::test]
async fn a_telephone_registers_and_is_called_from_outside() {
    let server = builder().build().await.unwrap();
    let address = server.addresses()[0].1;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async { drop(stopped.await) }));
    let (alice, carol) = (Phone::new(address).await, Phone::new(address).await);

    let uri = format!("sip:{address}");
    let register = |cseq: u32| {
        format!(
            "From: <sip:alice@{address}>;tag=1\r\nTo: <sip:alice@{address}>\r\nCall-ID: r\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:alice@127.0.0.1:{}>;expires=300\r\n",
            alice.port
        )
    };
    alice.send(&format!("REGISTER {uri}"), &register(1)).await;
    let challenge = alice.receive("SIP/2.0 401").await;
    let credentials = authorization(&challenge, "REGISTER", &uri);
    alice
        .send(
            &format!("REGISTER {uri}"),
            &format!("{}{credentials}", register(2)),
        )
        .await;
    let ok = alice.receive("SIP/2.0 200").await;
    assert!(
        ok.headers()
            .get(HeaderName::Contact)
            .unwrap()
            .ends_with(";expires=300")
    );

    let dialog = |cseq: &str, tag: &str| {
        format!(
            "From: <sip:carol@example.net>;tag=2\r\nTo: <sip:alice@{address}>{tag}\r\nCall-ID: c\r\nCSeq: {cseq}\r\n"
        )
    };
    carol
        .send(
            &format!("INVITE sip:alice@{address}"),
            &dialog("1 INVITE", ""),
        )
        .await;
    let invite = alice.receive("INVITE sip:alice@127.0.0.1").await;
    assert_eq!(invite.headers().count(HeaderName::Via), 2);
    alice.answer(&invite, StatusCode::RINGING).await;
    carol.receive("SIP/2.0 180").await;
    alice.answer(&invite, StatusCode::OK).await;
    let ok = carol.receive("SIP/2.0 200").await;
    assert_eq!(ok.headers().count(HeaderName::Via), 1);
    let route = ok.headers().get(HeaderName::RecordRoute).unwrap();
    let target = format!("sip:bob@127.0.0.1:{}", alice.port);
    carol
        .send(
            &format!("ACK {target}"),
            &format!("{}Route: {route}\r\n", dialog("1 ACK", ";tag=bob")),
        )
        .await;
    let ack = alice.receive("ACK sip:bob@").await;
    assert!(!ack.headers().contains(HeaderName::Route));
    carol
        .send(
            &format!("BYE {target}"),
            &format!("{}Route: {route}\r\n", dialog("2 BYE", ";tag=bob")),
        )
        .await;
    let bye = alice.receive("BYE sip:bob@").await;
    alice.answer(&bye, StatusCode::OK).await;
    carol.receive("SIP/2.0 200").await;
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn rfc4168_a_server_answers_over_sctp_in_udp() {
    use sip_transport::tokio::{Driver, Listen};
    use sip_transport::{Event, Output, Seed, Target, TransportConfig, TransportKind, Transports};
    let server = builder().listen("sctp:127.0.0.1:0/0").unwrap();
    let server = server.build().await.unwrap();
    let is_sctp = |place: &&(TransportKind, SocketAddr)| place.0 == TransportKind::Sctp;
    let address = server.addresses().iter().find(is_sctp).unwrap().1;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async { drop(stopped.await) }));
    let listen = Listen::sctp("127.0.0.1:0".parse().unwrap(), 0);
    let (mut driver, bound) = Driver::bind(&[listen]).unwrap();
    // Without a port of its own the server has one number for both.
    driver.sctp_peers_at(address.port());
    let mut transports = Transports::new(TransportConfig::default(), Seed::from_system().unwrap());
    transports.add_listener(bound[0].listener, bound[0].kind, bound[0].local);
    let target = Target::ip(
        address.ip(),
        Some(address.port()),
        Some(TransportKind::Sctp),
    );
    let now = std::time::Instant::now;
    transports.select(&target, 300, now());
    let (mut inputs, mut answer) = (Vec::new(), None);
    while answer.is_none() {
        while let Some(output) = transports.poll_output() {
            match output {
                Output::Event(Event::Selected { result, .. }) => {
                    let flow = result.unwrap()[0];
                    let text = format!(
                        "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/SCTP {};branch=z9hG4bK1\r\n\
                         From: <sip:carol@example.net>;tag=1\r\nTo: <sip:{address}>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
                         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
                        flow.sent_by()
                    );
                    transports.send(flow.id, text.into(), now()).unwrap();
                }
                Output::Event(Event::Message { message, .. }) => answer = Some(message),
                Output::Event(_) => {}
                output @ (Output::Datagram { .. }
                | Output::Stream { .. }
                | Output::Connect { .. }
                | Output::Close { .. }
                | Output::Resolve { .. }) => driver.execute(output),
            }
        }
        if answer.is_none() {
            driver.recv(&mut inputs).await;
            for input in inputs.drain(..) {
                transports.handle_input(input, now());
            }
        }
    }
    let status = answer.and_then(|answer| answer.as_response().map(Response::status));
    assert_eq!(status, Some(StatusCode::OK));
    driver.shutdown().await;
    drop(stop);
    running.await.unwrap().unwrap();
}
