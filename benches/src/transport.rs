//! From a datagram to a message with its flow, and from a message to bytes on a flow.

use std::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use bytes::Bytes;
use sip_transport::{
    ConnectionId, DeadlineQueue, Event, Input, ListenerId, Output, Seed, TransportConfig,
    TransportKind, Transports,
};

use crate::{Case, message};

fn address(last: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 5060))
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        datagram(),
        stream(),
        framed(),
        parsed(),
        known_target(),
        known_flow(),
        deadlines(),
    ]
}

fn transports(kind: TransportKind) -> Transports {
    let mut transports = Transports::new(TransportConfig::default(), Seed::from_bytes([5; 32]));
    transports.add_listener(ListenerId::new(0), kind, address(1));
    transports
}

/// An OPTIONS arrives and its bytes leave again on the flow where the answer belongs.
fn datagram() -> Case {
    let mut transports = transports(TransportKind::Udp);
    let (payload, now) = (Bytes::from_static(message::OPTIONS), Instant::now());
    Case::new("transport/datagram-and-back", move || {
        let input = Input::Datagram {
            listener: ListenerId::new(0),
            remote: address(2),
            local: None,
            payload: payload.clone(),
        };
        transports.handle_input(input, now);
        there_and_back(&mut transports, now);
    })
    .of(message::OPTIONS.len())
}

/// The same over a connection that is there.
fn stream() -> Case {
    let mut transports = transports(TransportKind::Tcp);
    let (payload, now) = (Bytes::from_static(message::OPTIONS), Instant::now());
    let connection = ConnectionId::accepted(1);
    transports.handle_input(
        Input::Accepted {
            connection,
            listener: ListenerId::new(0),
            remote: address(2),
        },
        now,
    );
    Case::new("transport/stream-and-back", move || {
        transports.handle_input(
            Input::Stream {
                connection,
                payload: payload.clone(),
            },
            now,
        );
        if let Some(bytes) = there_and_back(&mut transports, now) {
            transports.handle_input(Input::Sent { connection, bytes }, now);
        }
    })
    .of(message::OPTIONS.len())
}

/// Messages back to back in one read of a connection, as a busy proxy sees them: framed, parsed, handed up.
fn framed() -> Case {
    let mut transports = transports(TransportKind::Tcp);
    let (payload, now) = (back_to_back(), Instant::now());
    let connection = ConnectionId::accepted(1);
    transports.handle_input(
        Input::Accepted {
            connection,
            listener: ListenerId::new(0),
            remote: address(2),
        },
        now,
    );
    Case::new("transport/stream-ten-messages", move || {
        let input = Input::Stream {
            connection,
            payload: payload.clone(),
        };
        transports.handle_input(input, now);
        let mut messages = 0;
        while let Some(output) = transports.poll_output() {
            if let Output::Event(Event::Message { message, .. }) = black_box(output) {
                messages += 1;
                transports.recycle(message);
            }
        }
        assert_eq!(messages, 10);
    })
    .of(10 * message::INVITE.len())
}

/// The same ten messages parsed, each from bytes that are known to be one message: what framing is compared with.
fn parsed() -> Case {
    let payload = back_to_back();
    let config = sip_message::ParserConfig::default();
    Case::new("transport/parse-ten-messages", move || {
        let mut rest = payload.clone();
        for _ in 0..10 {
            let one = rest.split_to(message::INVITE.len());
            black_box(sip_message::Message::parse(one, &config)).expect("it is well-formed");
        }
    })
    .of(10 * message::INVITE.len())
}

fn back_to_back() -> Bytes {
    Bytes::from(message::INVITE.repeat(10))
}

/// The flow to a target that is known: an address that was sent to before.
fn known_target() -> Case {
    let mut transports = transports(TransportKind::Udp);
    let now = Instant::now();
    let target = sip_transport::Target::ip(address(2).ip(), Some(5060), None);
    Case::new("transport/select-known", move || {
        black_box(transports.select(&target, 800, now));
        let selected = transports.poll_output();
        assert!(
            matches!(black_box(&selected), Some(Output::Event(Event::Selected { result: Ok(flows), .. })) if flows.len() == 1)
        );
    })
}

/// The same for a caller that asks for a known flow first, as the stack does.
fn known_flow() -> Case {
    let mut transports = transports(TransportKind::Udp);
    let now = Instant::now();
    let target = sip_transport::Target::ip(address(2).ip(), Some(5060), None);
    transports.select(&target, 800, now);
    while transports.poll_output().is_some() {}
    Case::new("transport/known-flow", move || {
        let flow = black_box(&mut transports).known_flow(black_box(&target), 800, now);
        assert!(black_box(flow).is_some());
    })
}

/// Send what arrived back to where answers go; how much left.
fn there_and_back(transports: &mut Transports, now: Instant) -> Option<usize> {
    let mut sent = None;
    while let Some(output) = transports.poll_output() {
        match output {
            Output::Event(Event::Message { message, reply, .. }) => {
                transports
                    .send_message(reply.id, &message, now)
                    .expect("the flow is there");
                transports.recycle(message);
            }
            Output::Datagram { payload, .. } | Output::Stream { payload, .. } => {
                sent = Some(black_box(payload).len())
            }
            Output::Event(_)
            | Output::Connect { .. }
            | Output::Close { .. }
            | Output::Resolve { .. } => {}
        }
    }
    assert!(sent.is_some(), "what arrives leaves again");
    sent
}

/// A deadline set and cancelled among ten thousand others, as a transaction does it.
fn deadlines() -> Case {
    let now = Instant::now();
    let mut queue = DeadlineQueue::new();
    let mut number = 0_u64;
    for n in 0..10_000_u64 {
        queue.insert(now + std::time::Duration::from_millis(n * 7 % 32_000), n);
    }
    Case::new("transport/deadline", move || {
        number += 1;
        let id = queue.insert(
            now + std::time::Duration::from_millis(number * 13 % 32_000),
            number,
        );
        black_box(queue.cancel(id));
    })
}
