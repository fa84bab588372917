use sip_transport::tokio::SegmentationOffload;
use sip_transport::{FlowFailure, KeepAlive};
use tokio::net::UdpSocket;

use super::*;

async fn exchange(ip: &str) {
    let (mut a, mut b) = (Worker::start(ip), Worker::start(ip));
    let flow = a.flow_to(b.addr(), TransportKind::Udp).await;
    assert_eq!(flow.local, a.addr());
    a.send(flow.id, request(flow, "OPTIONS", "hello"));
    let (message, from, reply) = b.message().await;
    assert_eq!((from.local, from.remote), (b.addr(), a.addr()));
    assert_eq!(message.body(), b"hello");
    b.send(reply.id, ok_to(&message));
    let (message, back, _) = a.message().await;
    assert_eq!(message.as_response().unwrap().status().as_u16(), 200);
    assert_eq!(back, flow);
    assert_eq!((a.driver.stats().sent, a.driver.stats().received), (1, 1));
}

#[test]
fn a_request_and_its_response_pass_over_ipv4() {
    within(exchange("127.0.0.1"));
}

#[test]
fn a_request_and_its_response_pass_over_ipv6() {
    if has_ipv6() {
        within(exchange("::1"));
    }
}

#[test]
fn hundreds_of_datagrams_at_once_all_arrive_in_order() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let remote = peer.local_addr().unwrap();
        for n in 0..300 {
            let text = format!(
                "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP {remote};branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
                 To: <sip:b@h>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\n\r\n"
            );
            peer.send_to(text.as_bytes(), worker.addr()).await.unwrap();
        }
        for n in 0..300 {
            let (message, ..) = worker.message().await;
            assert_eq!(message.headers().call_id(), Some(&*n.to_string()));
        }
    });
}

/// Lengths as they come: many alike, then shorter, longer, none at all, more than a packet holds.
const LENGTHS: [usize; 12] = [500, 500, 500, 480, 500, 501, 0, 7, 7, 1232, 1400, 9000];

/// The n-th datagram to one of two peers, of such a length, filled with its number.
fn numbered(n: usize) -> Vec<u8> {
    let number = u8::try_from(n % 256).unwrap();
    vec![number; LENGTHS[n % LENGTHS.len()]]
}

/// A worker that may use segmentation offload.
fn offloading(ip: &str) -> Worker {
    let addr = SocketAddr::new(ip.parse().unwrap(), 0);
    let listen = Listen::udp(addr).segmentation_offload(SegmentationOffload::Always);
    Worker::listening(&[listen], |_| {})
}

/// Sends so many at once, in turns to the one and to the other.
fn send_numbered(worker: &mut Worker, peers: [SocketAddr; 2], count: usize) {
    let listener = worker.bound[0].listener;
    for n in 0..count {
        for remote in peers {
            let payload = Bytes::from(numbered(n));
            worker.driver.execute(Output::Datagram {
                listener,
                remote,
                payload,
            });
        }
    }
    worker.driver.flush();
}

#[test]
fn what_is_handed_to_the_system_as_one_arrives_one_by_one_in_order() {
    within(async {
        for ip in ["127.0.0.1", "::1"] {
            if ip == "::1" && !has_ipv6() {
                continue;
            }
            let mut worker = offloading(ip);
            let peers = [
                UdpSocket::bind((ip, 0)).await.unwrap(),
                UdpSocket::bind((ip, 0)).await.unwrap(),
            ];
            let addrs = [0, 1].map(|peer: usize| peers[peer].local_addr().unwrap());
            let mut buf = vec![0; 65_536];
            for count in [1, 2, 3, 8, 24, 40] {
                send_numbered(&mut worker, addrs, count);
                for peer in &peers {
                    for n in 0..count {
                        let (len, from) = peer.recv_from(&mut buf).await.unwrap();
                        assert_eq!(from, worker.addr());
                        assert_eq!(&buf[..len], numbered(n), "{n} of {count}");
                    }
                }
            }
            let stats = worker.driver.stats();
            assert_eq!((stats.sent, stats.refused), (2 * 78, 0));
        }
    });
}

/// What a peer gets that lets the system hand over as one what came as one, of four datagrams of one length.
#[cfg(target_os = "linux")]
async fn received_as(offload: SegmentationOffload, merged: bool) -> Vec<usize> {
    use nix::sys::socket::{setsockopt, sockopt};

    let addr = "127.0.0.1:0".parse().unwrap();
    let listen = Listen::udp(addr).segmentation_offload(offload);
    let mut worker = Worker::listening(&[listen], |_| {});
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    setsockopt(&peer, sockopt::UdpGroSegment, &true).unwrap();
    worker.driver.merge_datagrams(merged);
    let (listener, remote) = (worker.bound[0].listener, peer.local_addr().unwrap());
    for _ in 0..4 {
        worker.driver.execute(Output::Datagram {
            listener,
            remote,
            payload: Bytes::from_static(&[7; 100]),
        });
    }
    worker.driver.flush();
    let (mut buf, mut lengths) = (vec![0; 65_536], Vec::new());
    while lengths.iter().sum::<usize>() < 400 {
        lengths.push(peer.recv_from(&mut buf).await.unwrap().0);
    }
    lengths
}

#[cfg(target_os = "linux")]
#[test]
fn datagrams_go_as_one_always_never_or_while_it_is_asked_for() {
    use SegmentationOffload::{Always, Never, OnDemand};

    within(async {
        for (offload, merged, expected) in [
            (Never, true, vec![100; 4]),
            (OnDemand, false, vec![100; 4]),
            (OnDemand, true, vec![400]),
            (Always, false, vec![400]),
        ] {
            let lengths = received_as(offload, merged).await;
            assert_eq!(lengths, expected, "{offload:?} {merged}");
        }
    });
}

/// What comes as one is taken apart as it was put together, with listeners that let it come so and others.
#[cfg(target_os = "linux")]
#[test]
fn what_was_sent_as_one_arrives_one_by_one() {
    use SegmentationOffload::{Always, Never, OnDemand};

    within(async {
        for offload in [Never, OnDemand, Always] {
            let addr = "127.0.0.1:0".parse().unwrap();
            let listen = |offload| Listen::udp(addr).segmentation_offload(offload);
            let mut from = Worker::listening(&[listen(Always)], |_| {});
            let mut to = Worker::listening(&[listen(offload)], |_| {});
            let (listener, remote) = (from.bound[0].listener, to.addr());
            let mut expected = Vec::new();
            for wanted in [false, true, false] {
                to.driver.merge_datagrams(wanted);
                // More than fit into one: 32, and the last shorter than the rest.
                for n in 0..100_u8 {
                    let length = if n == 99 { 40 } else { 200 };
                    let payload = Bytes::from(vec![n; length]);
                    expected.push(payload.clone());
                    from.driver.execute(Output::Datagram {
                        listener,
                        remote,
                        payload,
                    });
                }
                // One that is empty, and one that is too long to be merged.
                for payload in [Bytes::new(), Bytes::from(vec![1; 30_000])] {
                    expected.push(payload.clone());
                    from.driver.execute(Output::Datagram {
                        listener,
                        remote,
                        payload,
                    });
                }
                from.driver.flush();
            }
            let mut received = Vec::new();
            let mut out = Vec::new();
            while received.len() < expected.len() {
                to.driver.recv(&mut out).await;
                received.extend(out.drain(..).filter_map(|input| match input {
                    Input::Datagram { payload, .. } => Some(payload),
                    _ => None,
                }));
            }
            assert_eq!(received, expected, "{offload:?}");
            assert_eq!(to.driver.stats().received, expected.len() as u64);
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn how_long_a_datagram_waited_is_known() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut out = Vec::new();
        for stamped in [true, false] {
            worker.driver.stamp_arrivals(stamped);
            peer.send_to(b"first", worker.addr()).await.unwrap();
            peer.send_to(b"second", worker.addr()).await.unwrap();
            while out.len() < 2 {
                worker.driver.recv(&mut out).await;
            }
            out.clear();
            // They were sent a moment before.
            let waited = worker.driver.stats().queue_delay;
            assert_eq!(waited > Duration::ZERO, stamped);
            assert!(waited < Duration::from_secs(60));
        }
    });
}

#[test]
fn a_dropped_recv_loses_nothing() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut out = Vec::new();
        for n in 0..50_u32 {
            // One poll, then the future is dropped, whatever it came to.
            tokio::select! {
                biased;
                () = worker.driver.recv(&mut out) => {}
                () = std::future::ready(()) => {}
            }
            peer.send_to(&n.to_be_bytes(), worker.addr()).await.unwrap();
        }
        while out.len() < 50 {
            worker.driver.recv(&mut out).await;
        }
        for (n, input) in (0..50_u32).zip(out) {
            match input {
                Input::Datagram { payload, .. } => assert_eq!(payload, n.to_be_bytes().to_vec()),
                input => panic!("{input:?}"),
            }
        }
    });
}

#[test]
fn the_largest_datagram_passes() {
    within(async {
        let (mut a, mut b) = (Worker::start("127.0.0.1"), Worker::start("127.0.0.1"));
        let flow = a.flow_to(b.addr(), TransportKind::Udp).await;
        let body = "x".repeat(60_000);
        a.send(flow.id, request(flow, "MESSAGE", &body));
        let (message, ..) = b.message().await;
        assert_eq!(message.body().len(), 60_000);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn rfc3261_18_4_icmp_port_unreachable_fails_the_flow() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let gone = UdpSocket::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let flow = worker.flow_to(gone, TransportKind::Udp).await;
        worker.send(flow.id, request(flow, "OPTIONS", ""));
        match worker.event().await {
            Event::FlowFailed {
                flow: failed,
                cause: FlowFailure::Unreachable,
                ..
            } => assert_eq!(failed, flow.id),
            event => panic!("{event:?}"),
        }
        // The socket goes on working.
        let mut other = Worker::start("127.0.0.1");
        let flow = worker.flow_to(other.addr(), TransportKind::Udp).await;
        worker.send(flow.id, request(flow, "OPTIONS", ""));
        other.message().await;
    });
}

#[test]
fn rfc3261_21_4_1_a_broken_request_is_answered_over_the_wire() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let text = format!(
            "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: one OPTIONS\r\n\r\n",
            peer.local_addr().unwrap()
        );
        peer.send_to(text.as_bytes(), worker.addr()).await.unwrap();
        assert!(matches!(
            worker.event().await,
            Event::Malformed {
                answered: Some(_),
                ..
            }
        ));
        let mut buf = [0; 2048];
        let (len, from) = peer.recv_from(&mut buf).await.unwrap();
        assert_eq!(from, worker.addr());
        assert!(buf[..len].starts_with(b"SIP/2.0 400 Malformed CSeq\r\n"));
    });
}

#[test]
fn names_are_resolved_by_the_system() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let uri = sip_message::UriRef::parse("sip:localhost:5070").unwrap();
        let flows = worker
            .select(&Target::from_uri(uri).unwrap(), 500)
            .await
            .unwrap();
        assert_eq!(flows[0].remote, "127.0.0.1:5070".parse().unwrap());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn workers_share_a_port_and_each_peer_keeps_to_one() {
    within(async {
        let addr: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut first = Worker::listening(&[Listen::udp(addr).shared()], |_| {});
        let listen = [Listen::udp(first.addr()).shared()];
        let mut second = Worker::listening(&listen, |_| {});
        assert_eq!(first.addr(), second.addr());
        // Without the option nobody else may have it.
        assert!(Driver::bind(&[Listen::udp(first.addr())]).is_err());
        let mut peers = Vec::new();
        for n in 0..40 {
            let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let from = peer.local_addr().unwrap();
            for m in 0..3 {
                let text = format!(
                    "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
                     To: <sip:b@h>\r\nCall-ID: {n}-{m}\r\nCSeq: 1 OPTIONS\r\n\r\n"
                );
                peer.send_to(text.as_bytes(), first.addr()).await.unwrap();
            }
            peers.push(peer);
        }
        let mut counts = [
            std::collections::BTreeMap::new(),
            std::collections::BTreeMap::new(),
        ];
        for _ in 0..120 {
            let (which, flow) = tokio::select! {
                (_, flow, _) = first.message() => (0, flow),
                (_, flow, _) = second.message() => (1, flow),
            };
            *counts[which].entry(flow.remote).or_insert(0) += 1;
        }
        let [one, other] = counts;
        assert_eq!(one.len() + other.len(), 40, "a peer is with one worker");
        assert!(!one.is_empty() && !other.is_empty());
        assert!(one.values().chain(other.values()).all(|&count| count == 3));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn rfc3261_18_1_1_a_request_to_a_group_reaches_its_members() {
    within(async {
        let group: IpAddr = "224.0.1.75".parse().unwrap();
        let addr: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (mut a, mut b) = (
            Worker::listening(&[Listen::udp(addr)], |_| {}),
            Worker::listening(&[Listen::udp(addr)], |_| {}),
        );
        if let Err(error) = b.driver.join_group(b.bound[0].listener, group) {
            eprintln!("skipped: this machine has no multicast on loopback ({error})");
            return;
        }
        let remote = SocketAddr::new(group, b.addr().port());
        let flow = a
            .transports
            .flow_to(TransportKind::Udp, a.bound[0].listener, remote, now())
            .unwrap();
        a.send(flow.id, request(flow, "OPTIONS", ""));
        if a.driver.stats().refused > 0 {
            eprintln!("skipped: this machine sends no multicast on loopback");
            return;
        }
        let (message, from, reply) = b.message().await;
        assert_eq!((from.local, from.remote), (b.addr(), a.addr()));
        let via = message.headers().top_via().unwrap();
        assert_eq!((via.maddr(), via.ttl()), (Some("224.0.1.75"), Some(1)));
        // §18.2.2: the response goes to the maddr, here at the port of the sent-by.
        assert_eq!(reply.remote, SocketAddr::new(group, a.addr().port()));
        a.driver.join_group(a.bound[0].listener, group).unwrap();
        b.send(reply.id, ok_to(&message));
        let (message, ..) = a.message().await;
        assert_eq!(message.as_response().unwrap().status().as_u16(), 200);
    });
}

#[test]
fn only_a_group_can_be_joined() {
    within(async {
        let mut worker = Worker::start("127.0.0.1");
        let listener = worker.bound[0].listener;
        for wrong in ["192.0.2.1", "ff02::1"] {
            let error = worker
                .driver
                .join_group(listener, wrong.parse().unwrap())
                .unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}");
        }
        let tcp = worker.bound[1].listener;
        assert!(
            worker
                .driver
                .join_group(tcp, "224.0.1.75".parse().unwrap())
                .is_err()
        );
    });
}

/// The sockets are real, the clock of the one that pings is not: each deadline comes when it is waited for.
#[test]
fn rfc5626_4_4_2_a_peer_that_stops_answering_stun_is_given_up() {
    within(async {
        let (mut a, mut b) = (Worker::start("127.0.0.1"), Worker::start("127.0.0.1"));
        let flow = a.flow_to(b.addr(), TransportKind::Udp).await;
        let begun = now();
        let keep_alive = KeepAlive::stun(Duration::from_secs(30));
        a.transports
            .keep_alive(flow.id, Some(keep_alive), begun)
            .unwrap();
        let mut at = begun;
        for pings in 1..=2 {
            while a.driver.stats().sent < pings {
                at = a.transports.poll_timeout().unwrap();
                a.transports.handle_timeout(at);
                a.settle();
            }
            while a.events.is_empty() {
                tokio::select! {
                    () = a.driver.recv(&mut a.inputs) => {}
                    () = b.run() => unreachable!("a worker runs for ever"),
                }
                for input in a.inputs.drain(..) {
                    a.transports.handle_input(input, at);
                }
                a.settle();
            }
            assert!(matches!(a.events.remove(0), Event::Pong { flow: of } if of == flow.id));
        }
        // It is there and says nothing: the system has nothing to report either.
        let (answered, sent) = (at, a.driver.stats().sent);
        while a.events.is_empty() {
            at = a.transports.poll_timeout().unwrap();
            a.transports.handle_timeout(at);
            a.settle();
        }
        assert!(matches!(
            a.events[0],
            Event::FlowFailed { flow: of, cause: FlowFailure::NoPong, .. } if of == flow.id
        ));
        assert_eq!(a.driver.stats().sent, sent + 7);
        assert_eq!(b.transports.stats().keep_alives, 2);
        // The next ping after 24 to 30 seconds, and 39.5 for its seven requests.
        let took = at - answered;
        assert!(took <= Duration::from_millis(69_500), "{took:?}");
    });
}
