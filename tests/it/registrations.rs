//! What a registration brings beside being called: GRUUs (RFC 5627) and news of it (RFC 3680).

use std::time::Duration;

use sip_stack::agent::{Account, AgentError, CallEvent, UserAgent};
use sip_stack::reginfo::{self, Applied, ContactEvent, RegInfo, RegTable};
use sip_stack::server::Server;
use sip_stack::users::Memory;

use crate::peer::Peer;

/// A server on a free port of the loopback address; it ends with the test's runtime.
async fn server(workers: u16) -> u16 {
    let server = Server::builder()
        .workers(workers)
        .domain("example.test")
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .listen("tcp:127.0.0.1:0")
        .unwrap()
        .credentials(
            Memory::new("example.test")
                .with("alice", "a-secret")
                .with("bob", "b-secret"),
        )
        .events(|config| config.min_interval = Duration::ZERO)
        .build()
        .await
        .unwrap();
    let port = server.addresses()[0].1.port();
    tokio::spawn(server.run_until(std::future::pending()));
    port
}

async fn phone(user: &str, password: &str, port: u16, instance: Option<&str>) -> UserAgent {
    let mut account = Account::new(&format!("sip:{user}@127.0.0.1:{port}"))
        .unwrap()
        .password(password);
    if let Some(instance) = instance {
        account = account.instance(instance);
    }
    UserAgent::builder()
        .account(account)
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .listen("tcp:127.0.0.1:0")
        .unwrap()
        .request_timeout(Duration::from_secs(10))
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn rfc5627_4_4_a_call_from_a_gruu_is_ended_through_it() {
    for workers in [1, 4] {
        gruu_call(workers).await;
    }
}

async fn gruu_call(workers: u16) {
    let port = server(workers).await;
    let alice = phone("alice", "a-secret", port, Some("urn:uuid:1")).await;
    let bob = phone("bob", "b-secret", port, None).await;
    let registration = alice.register().await.unwrap();
    assert_eq!(
        registration.gruu.unwrap().as_str(),
        "sip:alice@example.test;gr=urn:uuid:1"
    );
    bob.register().await.unwrap();
    let answering = tokio::spawn(async move {
        let incoming = bob.incoming().await.unwrap();
        let call = incoming.accept().await.unwrap();
        // Its remote target is the GRUU, which only the server can resolve.
        call.hang_up().await.unwrap();
    });
    let target = format!("sip:bob@127.0.0.1:{port}");
    let mut call = alice.call(&target).await.unwrap();
    while !matches!(call.event().await, CallEvent::Ended { .. }) {}
    answering.await.unwrap();
}

#[tokio::test]
async fn rfc5627_4_4_a_callee_is_known_by_its_gruu() {
    let port = server(1).await;
    let bob = phone("bob", "b-secret", port, Some("urn:uuid:2")).await;
    let sent = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&sent);
    let account = Account::new(&format!("sip:alice@127.0.0.1:{port}")).unwrap();
    let alice = UserAgent::builder()
        .account(account.password("a-secret"))
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .trace(move |traced| {
            if matches!(traced.direction, sip_stack::agent::Direction::Sent) {
                seen.lock().unwrap().push(traced.summary.clone());
            }
        })
        .build()
        .await
        .unwrap();
    bob.register().await.unwrap();
    let answering = tokio::spawn(async move {
        let mut incoming = bob.incoming().await.unwrap();
        incoming.ring().await.unwrap();
        let mut call = incoming.accept().await.unwrap();
        while !matches!(call.event().await, CallEvent::Ended { .. }) {}
    });
    let target = format!("sip:bob@127.0.0.1:{port}");
    alice.call(&target).await.unwrap().hang_up().await.unwrap();
    answering.await.unwrap();
    let sent = sent.lock().unwrap();
    for method in ["ACK", "BYE"] {
        let expected = format!("{method} sip:bob@example.test;gr=urn:uuid:2");
        assert!(sent.contains(&expected), "{expected}: {sent:?}");
    }
}

/// One of two servers of a domain, which share their bindings and a secret.
async fn node(shared: &std::sync::Arc<sip_stack::location::Memory>) -> u16 {
    let server = Server::builder()
        .domain("example.test")
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .listen("tcp:127.0.0.1:0")
        .unwrap()
        .location(std::sync::Arc::clone(shared))
        .credentials(
            Memory::new("example.test")
                .with("alice", "a-secret")
                .with("bob", "b-secret"),
        )
        .node(None, &sip_stack::transport::Seed::from_bytes([9; 32]))
        .build()
        .await
        .unwrap();
    let port = server.addresses()[0].1.port();
    tokio::spawn(server.run_until(std::future::pending()));
    port
}

#[tokio::test]
async fn a_call_that_enters_at_one_server_reaches_the_flow_that_another_has() {
    let shared = std::sync::Arc::default();
    let (here, there) = (node(&shared).await, node(&shared).await);
    // Bob is reached by the connection alone that he opened to one of them; alice asks the other.
    let account = Account::new(&format!("sip:bob@127.0.0.1:{here};transport=tcp"));
    let bob = UserAgent::builder()
        .account(account.unwrap().password("b-secret"))
        .listen("tcp:127.0.0.1:0")
        .unwrap()
        .build()
        .await
        .unwrap();
    let alice = phone("alice", "a-secret", there, None).await;
    bob.register().await.unwrap();
    let gone = bob.clone();
    let answering = tokio::spawn(async move {
        let mut call = bob.incoming().await.unwrap().accept().await.unwrap();
        while !matches!(call.event().await, CallEvent::Ended { .. }) {}
        // And the other way round, within the dialog of another call.
        let call = bob.incoming().await.unwrap().accept().await.unwrap();
        call.hang_up().await.unwrap();
    });
    let target = format!("sip:bob@127.0.0.1:{there}");
    alice.call(&target).await.unwrap().hang_up().await.unwrap();
    let mut call = alice.call(&target).await.unwrap();
    while !matches!(call.event().await, CallEvent::Ended { .. }) {}
    answering.await.unwrap();
    // When the connection is gone he is not there, wherever one asks.
    gone.leave().await;
    let refused = alice.call(&target).await;
    assert!(
        matches!(&refused, Err(AgentError::Refused { status, .. }) if status.as_u16() == 480),
        "{refused:?}"
    );
}

/// The next changes that a subscription tells, as contact and event.
async fn changes(
    subscription: &mut sip_stack::agent::Subscription,
    table: &mut RegTable,
) -> Vec<ContactEvent> {
    let body = subscription.next().await.unwrap().unwrap();
    assert_eq!(body.content_type, reginfo::CONTENT_TYPE);
    let info = RegInfo::parse(std::str::from_utf8(&body.content).unwrap()).unwrap();
    match table.apply(&info) {
        Applied::Taken { changes, has_gap } => {
            assert!(!has_gap);
            changes
                .into_iter()
                .map(|(_, contact)| contact.event)
                .collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rfc3680_a_user_watches_their_telephones_come_and_go() {
    for workers in [1, 4] {
        watching(workers).await;
    }
}

async fn watching(workers: u16) {
    for transport in ["udp", "tcp"] {
        let port = server(workers).await;
        let alice = phone("alice", "a-secret", port, None).await;
        let desk = phone("alice", "a-secret", port, None).await;
        let whom = format!("sip:alice@127.0.0.1:{port};transport={transport}");
        let mut watching = alice
            .subscribe(&whom, "reg", reginfo::CONTENT_TYPE)
            .await
            .unwrap();
        let mut table = RegTable::default();
        assert_eq!(changes(&mut watching, &mut table).await, []);
        desk.register().await.unwrap();
        let told = changes(&mut watching, &mut table).await;
        assert_eq!(told, [ContactEvent::Registered], "{transport}");
        assert_eq!(table.contacts().count(), 1);
        desk.unregister().await.unwrap();
        let told = changes(&mut watching, &mut table).await;
        assert_eq!(told, [ContactEvent::Unregistered], "{transport}");
        watching.unsubscribe().await;
        while watching.next().await.unwrap().is_some() {}
    }
}

#[tokio::test]
async fn rfc3680_4_6_nobody_watches_others() {
    let port = server(1).await;
    let bob = phone("bob", "b-secret", port, None).await;
    let whom = format!("sip:alice@127.0.0.1:{port}");
    let mut watching = bob
        .subscribe(&whom, "reg", reginfo::CONTENT_TYPE)
        .await
        .unwrap();
    assert!(matches!(
        watching.next().await,
        Err(AgentError::Refused { status, .. }) if status.as_u16() == 403
    ));
}

#[tokio::test]
async fn rfc5628_5_the_user_of_a_contact_is_told_its_temporary_gruu() {
    let port = server(1).await;
    let alice = phone("alice", "a-secret", port, Some("urn:uuid:1")).await;
    alice.register().await.unwrap();
    // Another device of hers watches: it has no GRUU, for which the notifier would have to ask the name service here.
    let desk = phone("alice", "a-secret", port, None).await;
    let whom = format!("sip:alice@127.0.0.1:{port}");
    let mut watching = desk
        .subscribe(&whom, "reg", reginfo::CONTENT_TYPE)
        .await
        .unwrap();
    let body = watching.next().await.unwrap().unwrap();
    let info = RegInfo::parse(std::str::from_utf8(&body.content).unwrap()).unwrap();
    let contact = &info.registrations[0].contacts[0];
    let (gruu, first) = contact.temp_gruu.clone().unwrap();
    assert!(gruu.starts_with("sip:tgruu."), "{gruu}");
    // The request that was answered 200 was the first that got one.
    assert_eq!(Some(first), contact.cseq);
    // It leads to the telephone.
    let bob = phone("bob", "b-secret", port, None).await;
    let answering = tokio::spawn(async move {
        let mut call = alice.incoming().await.unwrap().accept().await.unwrap();
        while !matches!(call.event().await, CallEvent::Ended { .. }) {}
    });
    let target = gruu.replace("@example.test", &format!("@127.0.0.1:{port}"));
    bob.call(&target).await.unwrap().hang_up().await.unwrap();
    answering.await.unwrap();
}

/// A relay of connections, which can be cut.
struct Relay {
    port: u16,
    cut: tokio::sync::watch::Sender<u32>,
}

impl Relay {
    async fn to(server: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, cuts) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let mut far = tokio::net::TcpStream::connect(("127.0.0.1", server))
                        .await
                        .unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { port, cut }
    }

    fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    fn uri(&self) -> sip_message::Uri {
        sip_message::Uri::parse(&format!("sip:127.0.0.1:{};transport=tcp", self.port)).unwrap()
    }
}

fn at_once() -> sip_stack::agent::RegisterOptions {
    let mut recovery = sip_transport::Recovery::new();
    recovery.max = Duration::ZERO;
    sip_stack::agent::RegisterOptions::new().recovery(recovery)
}

async fn phone_by(proxies: &[&Relay], port: u16) -> UserAgent {
    let account = Account::new(&format!("sip:alice@127.0.0.1:{port}"))
        .unwrap()
        .password("a-secret")
        .instance("urn:uuid:1");
    let mut builder = UserAgent::builder()
        .account(account)
        .listen("tcp:127.0.0.1:0")
        .unwrap()
        .request_timeout(Duration::from_secs(10));
    for proxy in proxies {
        builder = builder.outbound_proxy(proxy.uri());
    }
    builder.build().await.unwrap()
}

#[tokio::test]
async fn rfc5626_4_5_a_flow_that_is_lost_is_replaced_and_calls_arrive_again() {
    let port = server(1).await;
    let relay = Relay::to(port).await;
    let alice = phone_by(&[&relay], port).await;
    let mut changes = alice.registration_changes();
    alice.register_with(at_once()).await.unwrap();
    relay.cut();
    let lost = changes.next().await.unwrap();
    assert!(matches!(lost, Err(error) if matches!(*error, AgentError::Unreachable(_))));
    let again = changes.next().await.unwrap().unwrap();
    // The flow took the place of the one that was lost: one instance and one number are one binding.
    assert_eq!(again.bindings.len(), 1, "{:?}", again.bindings);
    let bob = phone("bob", "b-secret", port, None).await;
    bob.register().await.unwrap();
    let answering = tokio::spawn(async move {
        let call = alice.incoming().await.unwrap().accept().await.unwrap();
        call.hang_up().await.unwrap();
    });
    let mut call = bob
        .call(&format!("sip:alice@127.0.0.1:{port}"))
        .await
        .unwrap();
    while !matches!(call.event().await, CallEvent::Ended { .. }) {}
    answering.await.unwrap();
}

#[tokio::test]
async fn rfc5626_4_2_1_two_proxies_have_a_flow_each_and_one_that_fails_is_not_missed() {
    let port = server(1).await;
    let (first, second) = (Relay::to(port).await, Relay::to(port).await);
    let alice = phone_by(&[&first, &second], port).await;
    // The times of the RFC: the flow that is lost does not come back during this test.
    let registration = alice.register().await.unwrap();
    assert_eq!(
        registration.bindings.len(),
        2,
        "{:?}",
        registration.bindings
    );
    let mut changes = alice.registration_changes();
    first.cut();
    assert!(changes.next().await.unwrap().is_err());
    let bob = phone("bob", "b-secret", port, None).await;
    bob.register().await.unwrap();
    let target = format!("sip:alice@127.0.0.1:{port}");
    let called = tokio::spawn(async move {
        let mut call = bob.call(&target).await.unwrap();
        while !matches!(call.event().await, CallEvent::Ended { .. }) {}
        bob
    });
    let call = alice.incoming().await.unwrap().accept().await.unwrap();
    call.hang_up().await.unwrap();
    drop(called.await.unwrap());
    // Only the binding whose flow works can be removed; the other one is the server's to forget.
    alice.unregister().await.unwrap();
}

/// A relay of datagrams between one telephone and the server, which tells what STUN it saw: whether it was an answer.
struct DatagramRelay {
    port: u16,
    seen: tokio::sync::mpsc::UnboundedReceiver<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl DatagramRelay {
    async fn to(server: u16) -> Self {
        let near = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let far = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        far.connect(("127.0.0.1", server)).await.unwrap();
        let port = near.local_addr().unwrap().port();
        let (tell, seen) = tokio::sync::mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut phone = None;
            let (mut out, mut back) = ([0; 4096], [0; 4096]);
            loop {
                let (bytes, is_answer) = tokio::select! {
                    received = near.recv_from(&mut out) => {
                        let (len, from) = received.unwrap();
                        phone = Some(from);
                        far.send(&out[..len]).await.unwrap();
                        (&out[..len], false)
                    }
                    received = far.recv(&mut back) => {
                        let len = received.unwrap();
                        near.send_to(&back[..len], phone.unwrap()).await.unwrap();
                        (&back[..len], true)
                    }
                };
                // RFC 8489 section 5: a Binding request, or the answer that it succeeded.
                let is_stun = match is_answer {
                    false => bytes.starts_with(&[0, 1]),
                    true => bytes.starts_with(&[1, 1]),
                };
                if is_stun && tell.send(is_answer).is_err() {
                    return;
                }
            }
        });
        Self { port, seen, task }
    }
}

/// The pings come every second or a little more often, as the server's Flow-Timer has it.
#[tokio::test]
async fn rfc5626_4_4_2_a_phone_pings_by_stun_and_notices_that_its_server_is_gone() {
    let server = Server::builder()
        .domain("example.test")
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .credentials(Memory::new("example.test").with("alice", "a-secret"))
        .registrar(|config| config.flow_timer = 1)
        .build()
        .await
        .unwrap();
    let port = server.addresses()[0].1.port();
    tokio::spawn(server.run_until(std::future::pending()));
    let mut relay = DatagramRelay::to(port).await;
    let proxy = sip_message::Uri::parse(&format!("sip:127.0.0.1:{}", relay.port)).unwrap();
    let alice = UserAgent::builder()
        .account(
            Account::new(&format!("sip:alice@127.0.0.1:{port}"))
                .unwrap()
                .password("a-secret")
                .instance("urn:uuid:1"),
        )
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .outbound_proxy(proxy)
        .build()
        .await
        .unwrap();
    let mut changes = alice.registration_changes();
    alice.register().await.unwrap();
    // Each is answered by the server, and the next one comes.
    for is_answer in [false, true, false, true] {
        assert_eq!(relay.seen.recv().await, Some(is_answer));
    }
    // Nobody is there any more: the system says so to the next ping.
    relay.task.abort();
    let lost = changes.next().await.unwrap();
    assert!(matches!(lost, Err(error) if matches!(*error, AgentError::Unreachable(_))));
}

/// A proxy that serves nobody; it ends with the test's runtime.
async fn overloaded() -> u16 {
    use sip_message::{Message, ParserConfig, Response, StatusCode};
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut buf = [0; 4096];
        loop {
            let (len, from) = socket.recv_from(&mut buf).await.unwrap();
            let bytes = bytes::Bytes::copy_from_slice(&buf[..len]);
            let Ok(Message::Request(request)) = Message::parse(bytes, &ParserConfig::default())
            else {
                continue;
            };
            if request.method().as_str() == "ACK" {
                continue;
            }
            let answer = Response::to(&request, StatusCode::SERVICE_UNAVAILABLE)
                .to_tag("busy")
                .build()
                .unwrap();
            socket.send_to(&answer.to_bytes(), from).await.unwrap();
        }
    });
    port
}

#[tokio::test]
async fn rfc5626_4_2_a_call_goes_by_the_next_proxy_when_one_does_not_serve_it() {
    let port = server(1).await;
    let dead = {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    };
    let bob = phone("bob", "b-secret", port, None).await;
    bob.register().await.unwrap();
    let mut builder = UserAgent::builder()
        .account(
            Account::new(&format!("sip:alice@127.0.0.1:{port}"))
                .unwrap()
                .password("a-secret"),
        )
        .listen("udp:127.0.0.1:0")
        .unwrap();
    for proxy in [dead, overloaded().await, port] {
        let proxy = sip_message::Uri::parse(&format!("sip:127.0.0.1:{proxy}")).unwrap();
        builder = builder.outbound_proxy(proxy);
    }
    let alice = builder.build().await.unwrap();
    let answering = tokio::spawn(async move {
        for _ in 0..2 {
            let mut call = bob.incoming().await.unwrap().accept().await.unwrap();
            while !matches!(call.event().await, CallEvent::Ended { .. }) {}
        }
    });
    // The second one knows the way.
    for _ in 0..2 {
        let call = alice
            .call(&format!("sip:bob@127.0.0.1:{port}"))
            .await
            .unwrap();
        call.hang_up().await.unwrap();
    }
    answering.await.unwrap();
    // A refusal is the callee's, and nobody else is asked.
    let refused = alice.call(&format!("sip:nobody@127.0.0.1:{port}")).await;
    assert!(
        matches!(&refused, Err(AgentError::Refused { status, .. }) if status.as_u16() == 404),
        "{refused:?}"
    );
}

/// A registrar of one connection, which grants flows, refuses the second REGISTER for two seconds and takes the third; what it
/// saw until then, and whether there was another connection.
async fn refuses_for_a_while(listener: tokio::net::TcpListener) -> (Vec<String>, bool) {
    use sip_message::{HeaderName, Message, ParserConfig, Response, StatusCode};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut stream, _) = listener.accept().await.unwrap();
    let (mut seen, mut bytes, mut registers) = (Vec::new(), Vec::new(), 0);
    while registers < 3 {
        let count = stream.read_buf(&mut bytes).await.unwrap();
        assert!(count > 0, "the flow was closed: {seen:?}");
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let message: Vec<u8> = bytes.drain(..end + 4).collect();
            if end == 0 {
                // RFC 5626 section 3.5.1: a ping and its pong.
                seen.push("ping".to_owned());
                stream.write_all(b"\r\n").await.unwrap();
                continue;
            }
            let Ok(Message::Request(request)) =
                Message::parse(message.into(), &ParserConfig::default())
            else {
                panic!("requests only");
            };
            registers += 1;
            let contact = request.headers().get(HeaderName::Contact).unwrap();
            let (status, fields) = if registers == 2 {
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    vec![(HeaderName::RetryAfter, "2".to_owned())],
                )
            } else {
                (
                    StatusCode::OK,
                    vec![
                        // It is refreshed after a second.
                        (HeaderName::Contact, format!("{contact};expires=6")),
                        (HeaderName::Require, "outbound".to_owned()),
                        (HeaderName::FlowTimer, "1".to_owned()),
                    ],
                )
            };
            seen.push(status.as_u16().to_string());
            let mut response = Response::to(&request, status).to_tag("registrar");
            for (name, value) in fields {
                response = response.header(name, value);
            }
            let response = response.build().unwrap().to_bytes();
            stream.write_all(&response).await.unwrap();
        }
    }
    let another = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    (seen, another.is_ok())
}

#[tokio::test]
async fn rfc5626_4_2_2_a_503_with_retry_after_leaves_the_flow_and_its_keep_alives() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let registrar = tokio::spawn(refuses_for_a_while(listener));
    let account = Account::new(&format!("sip:alice@127.0.0.1:{port}")).unwrap();
    let proxy = format!("sip:127.0.0.1:{port};transport=tcp");
    let alice = UserAgent::builder()
        .account(account.instance("urn:uuid:1"))
        .listen("tcp:127.0.0.1:0")
        .unwrap()
        .outbound_proxy(sip_message::Uri::parse(&proxy).unwrap())
        .build()
        .await
        .unwrap();
    let mut changes = alice.registration_changes();
    alice.register_with(at_once()).await.unwrap();
    let refused = changes.next().await.unwrap().unwrap_err();
    assert!(
        matches!(&*refused, AgentError::Refused { status, .. } if status.as_u16() == 503),
        "{refused:?}"
    );
    let (seen, another) = registrar.await.unwrap();
    assert!(changes.next().await.unwrap().is_ok());
    assert!(!another, "the flow that was there was used");
    let finals: Vec<&String> = seen.iter().filter(|what| *what != "ping").collect();
    assert_eq!(finals, ["200", "503", "200"]);
    let after = seen.iter().skip_while(|what| *what != "503");
    assert!(after.clone().any(|what| what == "ping"), "{seen:?}");
}

#[tokio::test]
async fn rfc3515_2_5_a_registrar_answers_a_refer_405_with_what_it_takes() {
    let port = server(1).await;
    let peer = Peer::new().await;
    let request = format!(
        "REFER sip:example.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{here};branch=z9hG4bKr\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@example.test>;tag=1\r\nTo: <sip:example.test>\r\nCall-ID: r\r\nCSeq: 1 REFER\r\n\
         Contact: <sip:alice@127.0.0.1:{here}>\r\nRefer-To: <sip:bob@example.test>\r\nContent-Length: 0\r\n\r\n",
        here = peer.port(),
    );
    peer.send(&request, port).await;
    let answer = peer.text().await;
    assert!(answer.starts_with("SIP/2.0 405 "), "{answer}");
    assert!(
        answer.contains("\r\nAllow: OPTIONS, REGISTER\r\n"),
        "{answer}"
    );
}
