//! SCTP in UDP (RFC 4168, RFC 6951).

use sip_transport::{ConnectionError, FlowFailure};
use tokio::net::UdpSocket;

use super::*;

fn worker(ip: &str) -> Worker {
    let addr = SocketAddr::new(ip.parse().unwrap(), 0);
    Worker::listening(&[Listen::sctp(addr, 0)], |_| {})
}

fn udp_addr(worker: &Worker) -> SocketAddr {
    SocketAddr::new(worker.addr().ip(), worker.bound[0].udp_port.unwrap())
}

/// A flow from one worker to the other, whatever stands between them.
async fn flow(a: &mut Worker, b: &Worker, udp_port: u16) -> Flow {
    a.driver.sctp_peers_at(udp_port);
    a.flow_to(b.addr(), TransportKind::Sctp).await
}

async fn exchange(ip: &str) {
    let (mut a, mut b) = (worker(ip), worker(ip));
    let flow = flow(&mut a, &b, udp_addr(&b).port()).await;
    assert_eq!((flow.kind, flow.local), (TransportKind::Sctp, a.addr()));
    for n in 0..10 {
        let body = "x".repeat(n * n * 700);
        a.send(flow.id, request(flow, "MESSAGE", &body));
        let (message, from, reply) = b.message_beside(&mut a).await;
        assert_eq!(message.body().len(), n * n * 700);
        assert_eq!((from.kind, from.local), (TransportKind::Sctp, b.addr()));
        let via = message.headers().get(sip_message::HeaderName::Via).unwrap();
        assert!(via.starts_with("SIP/2.0/SCTP "), "{via}");
        b.send(reply.id, ok_to(&message));
        let (message, back, _) = a.message_beside(&mut b).await;
        assert_eq!(message.as_response().unwrap().status().as_u16(), 200);
        assert_eq!(back, flow);
    }
    assert_eq!(b.transports.stats().connections, 1);
}

#[test]
fn rfc4168_5_a_request_and_its_response_pass_over_ipv4() {
    within(exchange("127.0.0.1"));
}

#[test]
fn rfc4168_5_a_request_and_its_response_pass_over_ipv6() {
    if has_ipv6() {
        within(exchange("::1"));
    }
}

/// Passes packets between two SCTP sockets and tells the DATA chunks that it sees: flags, stream, identifier.
async fn relay(socket: &UdpSocket, b: SocketAddr, seen: &mut Vec<(u8, u16, u32)>) {
    let mut a = None;
    let mut buf = vec![0; 65_535];
    loop {
        let (len, from) = socket.recv_from(&mut buf).await.unwrap();
        let packet = &buf[..len];
        let mut at = 12;
        while let Some(chunk) = packet.get(at..).filter(|chunk| chunk.len() >= 4) {
            let length = usize::from(u16::from_be_bytes([chunk[2], chunk[3]]));
            if chunk[0] == 0 {
                let stream = u16::from_be_bytes([chunk[8], chunk[9]]);
                seen.push((
                    chunk[1],
                    stream,
                    u32::from_be_bytes(chunk[12..16].try_into().unwrap()),
                ));
            }
            at += length.next_multiple_of(4).max(4);
        }
        let to = if from == b { a.unwrap() } else { b };
        if from != b {
            a = Some(from);
        }
        socket.send_to(packet, to).await.unwrap();
    }
}

#[test]
fn rfc4168_5_1_messages_go_unordered_over_stream_zero_with_identifier_zero() {
    within(async {
        let (mut a, mut b) = (worker("127.0.0.1"), worker("127.0.0.1"));
        let between = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let flow = flow(&mut a, &b, between.local_addr().unwrap().port()).await;
        a.send(flow.id, request(flow, "MESSAGE", &"x".repeat(5000)));
        let mut seen = Vec::new();
        let b_addr = udp_addr(&b);
        let there_and_back = async {
            let (message, _, reply) = b.message_beside(&mut a).await;
            b.send(reply.id, ok_to(&message));
            a.message_beside(&mut b).await;
        };
        tokio::select! {
            () = there_and_back => {}
            () = relay(&between, b_addr, &mut seen) => unreachable!("it passes packets for ever"),
        }
        assert!(seen.len() >= 6, "{seen:?}");
        // RFC 9260 §3.3.1: U is the third bit.
        assert!(
            seen.iter()
                .all(|&(flags, stream, id)| flags & 4 != 0 && stream == 0 && id == 0),
            "{seen:?}"
        );
    });
}

#[test]
fn a_peer_that_closes_is_reported_and_connected_again() {
    within(async {
        let (mut a, mut b) = (worker("127.0.0.1"), worker("127.0.0.1"));
        let udp_port = udp_addr(&b).port();
        let first = flow(&mut a, &b, udp_port).await;
        a.send(first.id, request(first, "OPTIONS", ""));
        let (_, from, _) = b.message_beside(&mut a).await;
        b.transports.close(from.id, now());
        b.settle();
        let ended = async {
            match a.event().await {
                Event::FlowFailed { flow, cause, .. } => (flow, cause),
                event => panic!("{event:?}"),
            }
        };
        let (failed, cause) = tokio::select! {
            ended = ended => ended,
            () = b.run() => unreachable!("a worker runs for ever"),
        };
        assert_eq!(failed, first.id);
        assert_eq!(cause, FlowFailure::Closed);
        let second = flow(&mut a, &b, udp_port).await;
        assert_ne!(second.id, first.id);
        a.send(second.id, request(second, "OPTIONS", ""));
        b.message_beside(&mut a).await;
    });
}

#[test]
fn nobody_answering_fails_the_flow() {
    within(async {
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut a = Worker::listening(&[Listen::sctp(addr, 0)], |config| {
            config.connect_time = Duration::from_millis(200);
        });
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        a.driver.sctp_peers_at(silent.local_addr().unwrap().port());
        let flow = a
            .flow_to("127.0.0.1:5060".parse().unwrap(), TransportKind::Sctp)
            .await;
        a.send(flow.id, request(flow, "OPTIONS", ""));
        match a.event().await {
            Event::FlowFailed {
                flow: failed,
                cause: FlowFailure::Connect(ConnectionError::TimedOut),
                ..
            } => {
                assert_eq!(failed, flow.id);
            }
            event => panic!("{event:?}"),
        }
    });
}

#[test]
fn noise_and_a_flood_of_beginnings_are_absorbed() {
    within(async {
        let (mut a, mut b) = (worker("127.0.0.1"), worker("127.0.0.1"));
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = b.addr().port().to_be_bytes();
        for n in 0..2000_u32 {
            // Beginnings with a wrong checksum, to the right port; and shorter and shorter noise.
            let mut packet = vec![
                0x13, 0xc4, port[0], port[1], 0, 0, 0, 0, 1, 2, 3, 4, 1, 0, 0, 20,
            ];
            packet.extend(n.to_be_bytes());
            packet.extend([0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
            packet.truncate(40 - n as usize % 40);
            stranger.send_to(&packet, udp_addr(&b)).await.unwrap();
        }
        let flow = flow(&mut a, &b, udp_addr(&b).port()).await;
        a.send(flow.id, request(flow, "OPTIONS", ""));
        b.message_beside(&mut a).await;
        assert_eq!(b.transports.stats().connections, 1);
    });
}

#[test]
fn what_was_written_arrives_before_a_shutdown_ends() {
    within(async {
        let (mut a, mut b) = (worker("127.0.0.1"), worker("127.0.0.1"));
        let flow = flow(&mut a, &b, udp_addr(&b).port()).await;
        a.send(flow.id, request(flow, "OPTIONS", ""));
        b.message_beside(&mut a).await;
        a.send(flow.id, request(flow, "MESSAGE", &"x".repeat(60_000)));
        let (message, ..) = tokio::select! {
            biased;
            message = b.message() => message,
            () = async { a.driver.shutdown().await; std::future::pending().await } => unreachable!("it never ends"),
        };
        assert_eq!(message.body().len(), 60_000);
    });
}
