//! Whole transactions, from the first message to the last timer.

use std::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use bytes::Bytes;
use sip_message::{HeaderName, Message, ParserConfig, Request, Response, StatusCode};
use sip_transaction::{
    Event, Input, Output, TransactionConfig, TransactionLayer as _, Transactions,
};
use sip_transport::{Flow, FlowId, Seed, TransportKind};

use crate::{Case, message};

fn flow() -> Flow {
    let address = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 5060));
    Flow::new(
        FlowId::from_parts(0, 1),
        TransportKind::Udp,
        address(1),
        address(2),
    )
}

fn layer() -> Transactions {
    Transactions::new(TransactionConfig::default(), Seed::from_bytes([6; 32]))
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        server("transaction/server-options", message::OPTIONS),
        server("transaction/server-invite-486", message::INVITE),
        client(),
    ]
}

/// A request arrives, is answered (and the answer acknowledged), and its last timer fires.
fn server(name: &'static str, text: &'static [u8]) -> Case {
    let (mut layer, flow, request) = (layer(), flow(), message::request(text));
    let invite = request.method() == &sip_message::Method::Invite;
    let code = if invite {
        StatusCode::BUSY_HERE
    } else {
        StatusCode::OK
    };
    let mut now = Instant::now();
    Case::new(name, move || {
        layer.handle_input(
            Input::Message {
                message: Message::Request(request.clone()),
                flow,
                reply: flow,
            },
            now,
        );
        let mut answer = None;
        while let Some(output) = layer.poll_output() {
            if let Output::Event(Event::Request { id, request, .. }) = output {
                let response = Response::to(&request, code)
                    .to_tag("bench")
                    .build()
                    .expect("a valid request");
                answer = Some(response.clone());
                layer.respond(id, response, now).expect("it is live");
            }
        }
        let answer = answer.expect("each request is new: the last one has ended");
        if invite {
            let message = Message::Request(ack(&request, &answer));
            layer.handle_input(
                Input::Message {
                    message,
                    flow,
                    reply: flow,
                },
                now,
            );
        }
        now = finish(&mut layer, now);
    })
}

/// The ACK to a final response that is not 2xx (RFC 3261 section 17.1.1.3).
fn ack(invite: &Request, answer: &Response) -> Request {
    let headers = invite.headers();
    let value = |name: HeaderName| headers.get(name).unwrap_or_default();
    let number = headers.cseq().map_or(1, |(number, _)| number);
    let text = format!(
        "ACK {} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n",
        invite.uri_str(),
        value(HeaderName::Via),
        value(HeaderName::From),
        answer.headers().get(HeaderName::To).unwrap_or_default(),
        value(HeaderName::CallId),
    );
    match Message::parse(Bytes::from(text), &ParserConfig::default()) {
        Ok(message) => message.as_request().expect("a request").clone(),
        Err(error) => panic!("the ACK is valid: {error}"),
    }
}

/// An OPTIONS is sent, answered 200, and its last timer fires.
fn client() -> Case {
    let (mut layer, flow) = (layer(), flow());
    let mut request = message::request(message::OPTIONS);
    request.headers_mut().remove_all(HeaderName::Via);
    let mut now = Instant::now();
    Case::new("transaction/client-options", move || {
        layer.request(request.clone(), flow, now);
        let mut sent = None;
        while let Some(output) = layer.poll_output() {
            if let Output::Transmit { payload, .. } = output {
                sent = Some(payload);
            }
        }
        let sent = Message::parse(sent.expect("it was sent"), &ParserConfig::default())
            .expect("what is sent is valid");
        let response = Response::to(sent.as_request().expect("a request"), StatusCode::OK)
            .to_tag("bench")
            .build()
            .expect("valid");
        layer.handle_input(
            Input::Message {
                message: Message::Response(response),
                flow,
                reply: flow,
            },
            now,
        );
        now = finish(&mut layer, now);
    })
}

/// Drain, and let the timers end what is left.
fn finish(layer: &mut Transactions, mut now: Instant) -> Instant {
    loop {
        while let Some(output) = layer.poll_output() {
            black_box(output);
        }
        let Some(at) = layer.poll_timeout() else {
            return now;
        };
        now = now.max(at);
        layer.handle_timeout(now);
    }
}
