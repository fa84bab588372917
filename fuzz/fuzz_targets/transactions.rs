//! The transaction layer: messages, answers, cancels and time in any order.
#![no_main]

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip_message::{Message, ParserConfig, Request, Response, StatusCode};
use sip_transaction::{
    Event, Input, Output, TransactionConfig, TransactionLayer as _, Transactions,
};
use sip_transport::{Flow, FlowId, Seed, TransportKind};

const METHODS: [&str; 6] = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER"];

const CODES: [u16; 8] = [100, 180, 183, 200, 302, 486, 503, 603];

fn flow(reliable: bool) -> Flow {
    let address = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 5060));
    let kind = if reliable {
        TransportKind::Tcp
    } else {
        TransportKind::Udp
    };
    Flow::new(
        FlowId::from_parts(u32::from(reliable), 1),
        kind,
        address(1),
        address(2),
    )
}

fn request(method: &str, branch: u8, tag: u8) -> Request {
    let text = format!(
        "{method} sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@192.0.2.2>;tag=a\r\nTo: <sip:b@192.0.2.1>;tag={tag}\r\nCall-ID: fuzz\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    );
    match Message::parse(Bytes::from(text), &ParserConfig::default()).expect("a whole request") {
        Message::Request(request) => request,
        _ => unreachable!("it starts with a method"),
    }
}

#[derive(Default)]
struct Known {
    clients: Vec<(sip_transaction::ClientTransactionId, Request)>,
    servers: Vec<(sip_transaction::ServerTransactionId, Request)>,
    sent: Vec<Bytes>,
    ended: usize,
}

fuzz_target!(|data: &[u8]| {
    let mut layer = Transactions::new(TransactionConfig::default(), Seed::from_bytes([3; 32]));
    let mut now = Instant::now();
    let mut known = Known::default();
    let mut rest = data;
    while let Some((&[step, value], after)) = rest.split_first_chunk::<2>() {
        rest = after;
        let flow = flow(step & 0x80 != 0);
        let method = METHODS[usize::from(value) % METHODS.len()];
        match step % 9 {
            0 => {
                let message = Message::Request(request(method, value / 6 % 4, value / 24));
                layer.handle_input(
                    Input::Message {
                        message: message.into(),
                        flow,
                        reply: flow,
                    },
                    now,
                );
            }
            1 if method != "ACK" => {
                let mut request = request(method, 0, 0);
                request
                    .headers_mut()
                    .remove_all(sip_message::HeaderName::Via);
                let id = layer.request(&request, flow, now);
                known.clients.push((id, request));
            }
            2 => {
                if let Some((id, request)) = pick(&known.servers, value) {
                    let _ = layer.respond(*id, &answer(request, value), now);
                }
            }
            // A response to something that was sent.
            3 => {
                if let Some(sent) = pick(&known.sent, value)
                    && let Ok(Message::Request(request)) =
                        Message::parse(sent.clone(), &ParserConfig::default())
                {
                    let message = Message::Response(answer(&request, step / 9));
                    layer.handle_input(
                        Input::Message {
                            message: message.into(),
                            flow,
                            reply: flow,
                        },
                        now,
                    );
                }
            }
            4 => {
                if let Some((id, _)) = pick(&known.clients, value) {
                    let _ = layer.cancel(*id, &[], now);
                }
            }
            5 => layer.handle_input(Input::FlowFailed { flow: flow.id }, now),
            6 => now += Duration::from_millis(u64::from(value) * 40),
            7 => {
                if let Some(at) = layer.poll_timeout() {
                    now = now.max(at);
                }
                layer.handle_timeout(now);
            }
            _ => {
                // Whatever comes, as a message.
                if let Ok(message) =
                    Message::parse(Bytes::copy_from_slice(rest), &ParserConfig::default())
                {
                    layer.handle_input(
                        Input::Message {
                            message: message.into(),
                            flow,
                            reply: flow,
                        },
                        now,
                    );
                }
            }
        }
        drain(&mut layer, &mut known);
        assert_eq!(layer.leaks(), None, "nothing is kept of what has ended");
    }
    // Silence: the servers' users answer, and everything has to end by its timers.
    for (id, request) in std::mem::take(&mut known.servers) {
        let _ = layer.respond(id, &answer(&request, 5), now);
    }
    drain(&mut layer, &mut known);
    for (id, request) in std::mem::take(&mut known.servers) {
        let _ = layer.respond(id, &answer(&request, 5), now);
    }
    // An INVITE that only got a provisional response waits for ever, until somebody gives it up (RFC 3261 9.1).
    for (id, _) in std::mem::take(&mut known.clients) {
        let _ = layer.cancel(id, &[], now);
    }
    let mut rounds = 0;
    while let Some(at) = layer.poll_timeout() {
        now = now.max(at);
        layer.handle_timeout(now);
        drain(&mut layer, &mut known);
        rounds += 1;
        assert!(rounds < 20_000, "timers come to an end");
    }
    assert_eq!(
        (layer.client_count(), layer.server_count()),
        (0, 0),
        "nothing is left over"
    );
});

fn pick<T>(list: &[T], value: u8) -> Option<&T> {
    list.get(usize::from(value) % list.len().max(1))
}

fn answer(request: &Request, value: u8) -> Response {
    let code =
        StatusCode::from_u16(CODES[usize::from(value) % CODES.len()]).expect("a status code");
    Response::to(request, code)
        .to_tag("b")
        .build()
        .expect("a whole request can be answered")
}

fn drain(layer: &mut Transactions, known: &mut Known) {
    let mut outputs = 0;
    while let Some(output) = layer.poll_output() {
        outputs += 1;
        assert!(
            outputs < 10_000,
            "one step makes a bounded number of outputs"
        );
        match output {
            Output::Transmit { payload, .. } => {
                Message::parse(payload.clone(), &ParserConfig::default())
                    .expect("what is sent parses");
                known.sent.push(payload);
                if known.sent.len() > 64 {
                    known.sent.remove(0);
                }
            }
            Output::Event(Event::Request { id, request, .. }) => known.servers.push((id, *request)),
            Output::Event(Event::Cancel { id, request, .. }) => known.servers.push((id, *request)),
            Output::Event(Event::Terminated { .. }) => known.ended += 1,
            Output::Event(_) => {}
        }
    }
}
