use std::net::UdpSocket;

use sip_message::{Method, StatusCode};

use super::*;
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
