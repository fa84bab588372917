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
    vec![datagram(), stream(), deadlines()]
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

/// Send what arrived back to where answers go; how much left.
fn there_and_back(transports: &mut Transports, now: Instant) -> Option<usize> {
    let mut sent = None;
    while let Some(output) = transports.poll_output() {
        match output {
            Output::Event(Event::Message { message, reply, .. }) => {
                transports
                    .send(reply.id, message.to_bytes(), now)
                    .expect("the flow is there");
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
