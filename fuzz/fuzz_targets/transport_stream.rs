//! A stream means the same however it is cut (RFC 3261 section 18.3), and noise on it ends in one close.
//!
//! The first byte says how many cuts there are; each cut is two bytes; the rest is the stream.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip_transport::{
    ConnectionId, Event, Input, ListenerId, Output, Seed, TransportConfig, TransportKind,
    Transports,
};

/// What came of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Meaning {
    messages: Vec<Bytes>,
    /// What was written back; answers and pongs may be cut differently.
    written: Vec<u8>,
    malformed: usize,
    failed: usize,
    closed: bool,
}

fuzz_target!(|data: &[u8]| {
    let Some((&count, rest)) = data.split_first() else {
        return;
    };
    let count = usize::from(count % 16).min(rest.len() / 2);
    let (cuts, stream) = rest.split_at(2 * count);
    let mut cuts: Vec<usize> = cuts
        .chunks_exact(2)
        .map(|cut| usize::from(u16::from_le_bytes([cut[0], cut[1]])) % (stream.len() + 1))
        .collect();
    cuts.sort_unstable();
    let start = Instant::now();
    let whole = run(stream, &[], start);
    let pieces = run(stream, &cuts, start);
    assert_eq!(whole.messages, pieces.messages, "cuts at {cuts:?}");
    assert_eq!(whole.malformed, pieces.malformed, "cuts at {cuts:?}");
    assert_eq!(whole.closed, pieces.closed, "cuts at {cuts:?}");
    assert!(
        whole.failed <= 1 && pieces.failed <= 1,
        "a connection fails once"
    );
});

fn run(stream: &[u8], cuts: &[usize], now: Instant) -> Meaning {
    let local = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 5060));
    let remote = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 9), 40_000));
    let mut layer = Transports::new(TransportConfig::default(), Seed::from_bytes([4; 32]));
    let listener = ListenerId::new(0);
    layer.add_listener(listener, TransportKind::Tcp, local);
    let connection = ConnectionId::accepted(0);
    layer.handle_input(
        Input::Accepted {
            connection,
            listener,
            remote,
        },
        now,
    );
    let mut meaning = Meaning::default();
    let mut from = 0;
    for &to in cuts.iter().chain([&stream.len()]) {
        if from < to {
            let payload = Bytes::copy_from_slice(&stream[from..to]);
            layer.handle_input(
                Input::Stream {
                    connection,
                    payload,
                },
                now,
            );
            drain(&mut layer, &mut meaning, now);
        }
        from = to;
    }
    let written = meaning.written.len();
    assert!(
        written <= 2 * stream.len() + 1024,
        "{written} bytes were written for {}",
        stream.len()
    );
    // Time takes away what is left.
    let mut later = now;
    for _ in 0..100 {
        let Some(at) = layer.poll_timeout() else {
            break;
        };
        later = later.max(at) + Duration::from_millis(1);
        layer.handle_timeout(later);
        while layer.poll_output().is_some() {}
    }
    assert_eq!(layer.poll_timeout(), None, "something waits for ever");
    assert_eq!(layer.stats().connections, 0);
    assert_eq!(layer.stats().stream_flows, 0);
    meaning
}

fn drain(layer: &mut Transports, meaning: &mut Meaning, now: Instant) {
    let mut sent = 0;
    while let Some(output) = layer.poll_output() {
        match output {
            Output::Stream { payload, .. } => {
                sent += payload.len();
                meaning.written.extend_from_slice(&payload);
            }
            Output::Close { .. } => meaning.closed = true,
            Output::Event(Event::Message { message, .. }) => {
                meaning.messages.push(message.to_bytes());
            }
            Output::Event(Event::Malformed { .. }) => meaning.malformed += 1,
            Output::Event(Event::FlowFailed { .. }) => meaning.failed += 1,
            _ => {}
        }
    }
    if sent > 0 {
        let input = Input::Sent {
            connection: ConnectionId::accepted(0),
            bytes: sent,
        };
        layer.handle_input(input, now);
    }
}
