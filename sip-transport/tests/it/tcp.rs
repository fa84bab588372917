use sip_transport::{ConnectionError, FlowFailure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

#[test]
fn a_connection_is_opened_by_the_first_request_and_used_again() {
    within(async {
        let (mut a, mut b) = (Worker::start("127.0.0.1"), Worker::start("127.0.0.1"));
        let flow = a.flow_to(b.addr(), TransportKind::Tcp).await;
        // RFC 3261 §18.1.1: the sent-by is where we listen.
        assert_eq!(flow.local, a.addr());
        for n in 0..3 {
            let body = "x".repeat(n * 20_000);
            a.send(flow.id, request(flow, "MESSAGE", &body));
            let (message, _, reply) = b.message_beside(&mut a).await;
            assert_eq!(message.body().len(), body.len());
            b.send(reply.id, ok_to(&message));
            let (message, back, _) = a.message_beside(&mut b).await;
            assert_eq!(message.as_response().unwrap().status().as_u16(), 200);
            assert_eq!(back, flow);
        }
        assert_eq!(a.transports.stats().connections, 1);
        assert_eq!(b.transports.stats().connections, 1);
    });
}

#[test]
fn rfc3261_18_2_2_a_response_finds_a_peer_that_closed_its_connection() {
    within(async {
        let (mut a, mut b) = (Worker::start("127.0.0.1"), Worker::start("127.0.0.1"));
        let flow = a.flow_to(b.addr(), TransportKind::Tcp).await;
        a.send(flow.id, request(flow, "OPTIONS", ""));
        let (message, _, reply) = b.message_beside(&mut a).await;
        a.transports.close(flow.id, now());
        a.settle();
        assert!(matches!(
            b.event().await,
            Event::FlowFailed {
                cause: FlowFailure::Closed,
                reopens: true,
                ..
            }
        ));
        b.send(reply.id, ok_to(&message));
        let (message, back, _) = a.message_beside(&mut b).await;
        assert_eq!(message.as_response().unwrap().status().as_u16(), 200);
        assert_ne!(back.id, flow.id);
    });
}

#[test]
fn rfc5626_4_4_1_a_ping_is_answered() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let mut peer = TcpStream::connect(worker.addr()).await.unwrap();
        peer.write_all(b"\r\n\r\n").await.unwrap();
        let mut pong = [0; 2];
        tokio::select! {
            read = peer.read_exact(&mut pong) => drop(read.unwrap()),
            event = worker.event() => panic!("{event:?}"),
        }
        assert_eq!(&pong, b"\r\n");
    });
}

#[test]
fn nobody_listening_fails_the_flow() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let gone = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let flow = worker.flow_to(gone, TransportKind::Tcp).await;
        worker.send(flow.id, request(flow, "OPTIONS", ""));
        match worker.event().await {
            Event::FlowFailed {
                cause: FlowFailure::Connect(ConnectionError::Refused),
                reopens: false,
                ..
            } => {}
            event => panic!("{event:?}"),
        }
    });
}

#[test]
fn what_was_sent_is_written_before_a_shutdown_ends() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut worker = Worker::start("127.0.0.1");
        let flow = worker
            .flow_to(listener.local_addr().unwrap(), TransportKind::Tcp)
            .await;
        worker.send(flow.id, request(flow, "OPTIONS", ""));
        let (mut peer, _) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            event = worker.event() => panic!("{event:?}"),
        };
        let mut first = [0; 7];
        tokio::select! {
            read = peer.read_exact(&mut first) => drop(read.unwrap()),
            event = worker.event() => panic!("{event:?}"),
        }
        worker.send(flow.id, "x".repeat(100_000));
        let read = async {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).await.unwrap();
            drop(peer);
            all
        };
        let ((), all) = tokio::join!(worker.driver.shutdown(), read);
        assert!(all.ends_with(&[b'x'; 100_000]), "{} bytes", all.len());
    });
}

#[test]
fn port_zero_gives_one_port_to_all_transports_of_an_address() {
    within(async {
        for _ in 0..20 {
            let worker = Worker::start("127.0.0.1");
            assert_eq!(worker.bound[0].local, worker.bound[1].local);
            assert_ne!(worker.bound[0].local.port(), 0);
        }
    });
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    within(async {
        let worker = Worker::start("127.0.0.1");
        for listen in [Listen::udp(worker.addr()), Listen::tcp(worker.addr())] {
            let error = Driver::bind(&[listen]).map(drop).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
            let text = error.to_string();
            assert!(
                text.starts_with(&format!(
                    "cannot listen on {} {}: ",
                    listen.kind, listen.addr
                )),
                "{text}"
            );
        }
        let error = Driver::bind(&[Listen::new(
            TransportKind::TlsSctp,
            "127.0.0.1:0".parse().unwrap(),
        )])
        .unwrap_err();
        assert!(error.to_string().contains("not built in"), "{error}");
    });
}

#[test]
fn rfc3261_18_2_2_a_peer_that_shut_its_side_gets_its_responses() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let mut peer = TcpStream::connect(worker.addr()).await.unwrap();
        let flow = Flow::new(
            FlowId::from_parts(0, 0),
            TransportKind::Tcp,
            peer.local_addr().unwrap(),
            worker.addr(),
        );
        peer.write_all(request(flow, "OPTIONS", "").as_bytes())
            .await
            .unwrap();
        peer.shutdown().await.unwrap();
        let (message, _, reply) = worker.message().await;
        assert!(matches!(
            worker.event().await,
            Event::FlowFailed {
                cause: FlowFailure::Closed,
                reopens: true,
                ..
            }
        ));
        worker.send(reply.id, ok_to(&message));
        // Our side is shut when everything is answered, so that the peer reads to the end.
        let mut answer = Vec::new();
        tokio::select! {
            read = peer.read_to_end(&mut answer) => drop(read.unwrap()),
            () = worker.run() => {}
        }
        assert!(answer.starts_with(b"SIP/2.0 200 OK\r\n"));
        assert_eq!(worker.transports.stats().connections, 0);
    });
}

#[test]
fn what_is_written_before_we_close_arrives() {
    within(async {
        let (mut a, mut b) = (Worker::start("127.0.0.1"), Worker::start("127.0.0.1"));
        let flow = a.flow_to(b.addr(), TransportKind::Tcp).await;
        a.send(flow.id, request(flow, "OPTIONS", ""));
        b.message_beside(&mut a).await;
        // Much more than the buffers of the system hold at once; and the end right behind it.
        a.send(flow.id, request(flow, "MESSAGE", &"x".repeat(60_000)));
        a.transports.close(flow.id, now());
        a.settle();
        let (message, ..) = b.message_beside(&mut a).await;
        assert_eq!(message.body().len(), 60_000);
    });
}
