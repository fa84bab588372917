//! Peers that misbehave, over real connections.

use sip_transport::{ConnectionError, FlowFailure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// A peer that has sent one request, and the worker's flow to it.
async fn connected(worker: &mut Worker) -> (TcpStream, Flow) {
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
    let (_, flow, _) = worker.message().await;
    (peer, flow)
}

#[test]
fn a_length_that_lies_is_answered_before_the_connection_closes() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let (mut peer, flow) = connected(&mut worker).await;
        let broken =
            request(flow, "OPTIONS", "").replace("Content-Length: 0", "Content-Length: minus");
        // More than the worker ever reads follows, so that closing carelessly would reset the connection.
        peer.write_all((broken + &"x".repeat(50_000)).as_bytes())
            .await
            .unwrap();
        assert!(matches!(
            worker.event().await,
            Event::Malformed {
                answered: Some(_),
                ..
            }
        ));
        assert!(matches!(
            worker.event().await,
            Event::FlowFailed {
                cause: FlowFailure::Malformed,
                ..
            }
        ));
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(b"SIP/2.0 400 Malformed Content-Length\r\n"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    });
}

#[test]
fn a_reset_in_the_middle_of_a_message_fails_the_flow() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let (mut peer, flow) = connected(&mut worker).await;
        peer.write_all(b"OPTIONS sip:b SIP/2.0\r\nVia: SIP")
            .await
            .unwrap();
        socket2::SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(peer);
        match worker.event().await {
            Event::FlowFailed {
                flow: failed,
                cause: FlowFailure::Lost(ConnectionError::Reset),
                ..
            } => {
                assert_eq!(failed, flow.id);
            }
            event => panic!("{event:?}"),
        }
        assert_eq!(worker.transports.stats().connections, 0);
    });
}

#[test]
fn a_reader_that_never_reads_fills_the_limit_and_is_closed() {
    within(async {
        let mut worker = Worker::with("127.0.0.1", |config| config.limits.output_bytes = 100_000);
        let (peer, flow) = connected(&mut worker).await;
        // The system's own buffers fill first; then what is outstanding reaches the limit.
        let piece = Bytes::from(vec![b'x'; 20_000]);
        let mut sent = 0;
        let cause = loop {
            if let Some(Event::FlowFailed { cause, .. }) = worker.events.pop() {
                break cause;
            }
            assert!(sent < 1_000_000_000, "no limit");
            if worker
                .transports
                .send(flow.id, piece.clone(), now())
                .is_ok()
            {
                sent += piece.len();
            }
            worker.settle();
            // What the system took is reported in between.
            tokio::select! {
                biased;
                () = worker.driver.recv(&mut worker.inputs) => {}
                () = tokio::task::yield_now() => {}
            }
            for input in worker.inputs.drain(..) {
                worker.transports.handle_input(input, now());
            }
            worker.settle();
        };
        assert_eq!(cause, FlowFailure::Overflow);
        assert_eq!(worker.transports.stats().overflows, 1);
        drop(peer);
    });
}

#[test]
fn a_hundred_connections_above_the_limit_are_closed() {
    within(async {
        let mut worker = Worker::with("127.0.0.1", |config| config.limits.connections_per_peer = 5);
        let mut peers = Vec::new();
        let addr = worker.addr();
        for _ in 0..100 {
            let connect = TcpStream::connect(addr);
            peers.push(connect.await.unwrap());
        }
        let mut closed = 0;
        let read_all = async {
            for peer in &mut peers[5..] {
                // An orderly end or a reset: no connection in either case.
                let ended = peer.read(&mut [0; 16]).await;
                closed += usize::from(ended.is_err() || ended.is_ok_and(|len| len == 0));
            }
        };
        tokio::select! {
            () = read_all => {}
            event = worker.event() => panic!("{event:?}"),
        }
        assert_eq!(closed, 95);
        assert_eq!(worker.transports.stats().connections, 5);
    });
}

#[test]
fn a_peer_that_closes_is_reported() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let (peer, flow) = connected(&mut worker).await;
        drop(peer);
        match worker.event().await {
            Event::FlowFailed {
                flow: failed,
                cause: FlowFailure::Closed,
                reopens: true,
            } => assert_eq!(failed, flow.id),
            event => panic!("{event:?}"),
        }
    });
}

#[test]
fn what_closed_connections_left_behind_does_not_hide_the_rest() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let addr = worker.addr();
        let mut peers = Vec::new();
        let mut inputs = Vec::new();
        for _ in 0..301 {
            peers.push(TcpStream::connect(addr).await.unwrap());
            worker.driver.recv(&mut inputs).await;
        }
        while inputs.len() < 301 {
            worker.driver.recv(&mut inputs).await;
        }
        let ids: Vec<_> = inputs
            .drain(..)
            .map(|input| match input {
                Input::Accepted { connection, .. } => connection,
                input => panic!("{input:?}"),
            })
            .collect();
        // More than one batch of bytes waits before those of the last connection.
        for peer in &mut peers {
            peer.write_all(b"x").await.unwrap();
            tokio::task::yield_now().await;
        }
        for connection in &ids[..300] {
            worker.driver.execute(Output::Close {
                connection: *connection,
            });
        }
        worker.driver.recv(&mut inputs).await;
        assert!(
            matches!(inputs[..], [Input::Stream { connection, .. }] if connection == ids[300]),
            "{inputs:?}"
        );
    });
}
