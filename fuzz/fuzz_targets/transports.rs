//! The transport layer: datagrams, streams, connections, names and time in any order.
#![no_main]

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip_transport::{
    Answer, ConnectionError, ConnectionId, Event, FlowId, Input, ListenerId, NaptrRecord, Output, Question,
    ResolveError, ResolveId, Seed, SrvRecord, Target, TargetHost, TransportConfig, TransportKind,
    Transports,
};

const OPTIONS: &[u8] = b"OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK1;rport\r\nFrom: <sip:a@x>;tag=1\r\n\
    To: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

/// What the other side of the boundary knows.
#[derive(Default)]
struct Known {
    flows: Vec<FlowId>,
    connections: Vec<ConnectionId>,
    questions: Vec<(ResolveId, Question)>,
    selecting: usize,
    written: Vec<(ConnectionId, usize)>,
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 5060))
}

fuzz_target!(|data: &[u8]| {
    let mut layer = Transports::new(TransportConfig::default(), Seed::from_bytes([4; 32]));
    let (udp, tcp) = (ListenerId::new(0), ListenerId::new(1));
    layer.add_listener(udp, TransportKind::Udp, address(1));
    layer.add_listener(tcp, TransportKind::Tcp, address(1));
    let mut now = Instant::now();
    let mut known = Known::default();
    let mut accepted = 0_u64;
    let mut rest = data;
    while let Some((&[step, value], after)) = rest.split_first_chunk::<2>() {
        rest = after;
        let remote = address(2 + value % 4);
        match step % 12 {
            0 => {
                let payload = Bytes::copy_from_slice(if step & 0x80 == 0 { OPTIONS } else { rest });
                layer.handle_input(
                    Input::Datagram {
                        listener: udp,
                        remote,
                        local: None,
                        payload,
                    },
                    now,
                );
            }
            1 => {
                accepted += 1;
                let connection = ConnectionId::accepted(accepted);
                known.connections.push(connection);
                layer.handle_input(
                    Input::Accepted {
                        connection,
                        listener: tcp,
                        remote,
                    },
                    now,
                );
            }
            // Bytes on a stream: what follows, or the rest of a good message.
            2 | 3 => {
                if let Some(connection) = pick(&known.connections, value) {
                    let length = usize::from(value).min(rest.len());
                    let payload = if step % 12 == 2 {
                        let (payload, after) = rest.split_at(length);
                        rest = after;
                        Bytes::copy_from_slice(payload)
                    } else {
                        Bytes::from_static(&OPTIONS[..OPTIONS.len().min(usize::from(value) * 4)])
                    };
                    layer.handle_input(
                        Input::Stream {
                            connection,
                            payload,
                        },
                        now,
                    );
                }
            }
            4 => {
                if let Some(connection) = pick(&known.connections, value) {
                    layer.handle_input(
                        Input::Connected {
                            connection,
                            local: address(1),
                        },
                        now,
                    );
                }
            }
            5 => {
                if let Some(connection) = pick(&known.connections, value) {
                    let input = if value & 64 == 0 {
                        known.connections.retain(|known| *known != connection);
                        Input::Closed {
                            connection,
                            error: (value & 32 != 0).then_some(ConnectionError::Reset),
                        }
                    } else {
                        Input::Ended { connection }
                    };
                    layer.handle_input(input, now);
                }
            }
            6 => {
                let host = if value & 1 == 0 {
                    TargetHost::Ip(IpAddr::from([192, 0, 2, 9]))
                } else {
                    TargetHost::Name("example.com".into())
                };
                let mut target = Target::ip(IpAddr::from([192, 0, 2, 9]), None, None);
                target.host = host;
                target.port = (value & 2 != 0).then_some(5070);
                target.transport = match value >> 2 & 3 {
                    0 => Some(TransportKind::Udp),
                    1 => Some(TransportKind::Tcp),
                    _ => None,
                };
                layer.select(&target, usize::from(value) * 10, now);
                known.selecting += 1;
            }
            7 => {
                if let Some(flow) = pick(&known.flows, value) {
                    let _ = layer.send(flow, Bytes::from_static(OPTIONS), now);
                }
            }
            8 => {
                if let Some((id, question)) = known.questions.pop() {
                    layer.handle_input(
                        Input::Resolved {
                            id,
                            result: answer(question, value),
                        },
                        now,
                    );
                }
            }
            9 => now += Duration::from_millis(u64::from(value) * 500),
            10 => {
                if let Some(at) = layer.poll_timeout() {
                    now = now.max(at);
                }
                layer.handle_timeout(now);
            }
            _ => layer.handle_input(
                Input::DatagramFailed {
                    listener: udp,
                    remote,
                },
                now,
            ),
        }
        drain(&mut layer, &mut known, now);
    }
    // Every selection is answered once every question is.
    let mut rounds = 0;
    while let Some((id, _)) = known.questions.pop() {
        layer.handle_input(
            Input::Resolved {
                id,
                result: Err(ResolveError::NotFound),
            },
            now,
        );
        drain(&mut layer, &mut known, now);
        rounds += 1;
        assert!(rounds < 10_000, "questions come to an end");
    }
    assert_eq!(known.selecting, 0, "every selection is answered");
});

fn pick<T: Copy>(list: &[T], value: u8) -> Option<T> {
    list.get(usize::from(value) % list.len().max(1)).copied()
}

fn answer(question: Question, value: u8) -> Result<Answer, ResolveError> {
    if value % 5 == 0 {
        return Err(ResolveError::NotFound);
    }
    let name = |n: u8| Box::from(format!("host{}.example.com", n % 4));
    Ok(match question {
        Question::Naptr => Answer::Naptr(
            (0..value % 4)
                .map(|n| NaptrRecord {
                    order: u16::from(n),
                    preference: u16::from(value),
                    flags: "s".into(),
                    service: ["SIP+D2U", "SIP+D2T", "SIPS+D2T", "nonsense"][usize::from(n)].into(),
                    replacement: name(n),
                })
                .collect(),
        ),
        Question::Srv => Answer::Srv(
            (0..value % 6)
                .map(|n| SrvRecord {
                    priority: u16::from(n / 2),
                    weight: u16::from(value),
                    port: 5060,
                    target: name(n),
                })
                .collect(),
        ),
        Question::Address => Answer::Addresses(
            (0..value % 4)
                .map(|n| IpAddr::from([192, 0, 2, 20 + n]))
                .collect(),
        ),
    })
}

fn drain(layer: &mut Transports, known: &mut Known, now: Instant) {
    let mut outputs = 0;
    loop {
        while let Some(output) = layer.poll_output() {
            outputs += 1;
            assert!(
                outputs < 10_000,
                "one step makes a bounded number of outputs"
            );
            match output {
                Output::Connect { connection, .. } => known.connections.push(connection),
                Output::Close { connection } => {
                    known.connections.retain(|open| *open != connection)
                }
                Output::Resolve { id, question, .. } => known.questions.push((id, question)),
                Output::Stream {
                    connection,
                    payload,
                } => known.written.push((connection, payload.len())),
                Output::Datagram { .. } => {}
                Output::Event(Event::Message { flow, reply, .. }) => {
                    remember(known, [flow.id, reply.id])
                }
                Output::Event(Event::Selected { result, .. }) => {
                    known.selecting -= 1;
                    if let Ok(flows) = result {
                        assert!(!flows.is_empty(), "a selection that succeeds has a flow");
                        remember(known, flows.iter().map(|flow| flow.id));
                    }
                }
                Output::Event(_) => {}
            }
        }
        let Some((connection, bytes)) = known.written.pop() else {
            break;
        };
        if known.connections.contains(&connection) {
            layer.handle_input(Input::Sent { connection, bytes }, now);
        }
    }
}

fn remember(known: &mut Known, flows: impl IntoIterator<Item = FlowId>) {
    known.flows.extend(flows);
    let excess = known.flows.len().saturating_sub(32);
    known.flows.drain(..excess);
}
