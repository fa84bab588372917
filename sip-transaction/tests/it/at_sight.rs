//! Refusals of requests that are not taken apart are those of requests that are.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;
use sip_message::{BoxedMessage, RequestLine, StatusCode, WrittenResponse};
use sip_testkit::Clock;
use sip_transaction::{
    Event, Input, Output, Seed, TransactionConfig, TransactionLayer, Transactions, TransportKind,
};
use sip_transport::{ListenerId, Sighted, TransportConfig, Transports};

use crate::rig::request_text;

const LISTENER: ListenerId = ListenerId::new(1);
const PEER: &str = "192.0.2.2:5060";

/// Both layers of a server.
struct Server {
    transports: Transports,
    transactions: Transactions,
    now: Instant,
}

impl Server {
    fn new() -> Self {
        let mut transports = Transports::new(TransportConfig::default(), Seed::from_bytes([1; 32]));
        let local = "192.0.2.1:5060".parse().unwrap();
        transports.add_listener(LISTENER, TransportKind::Udp, local);
        Self {
            transports,
            transactions: Transactions::new(
                TransactionConfig::default(),
                Seed::from_bytes([2; 32]),
            ),
            now: Clock::new().now(),
        }
    }

    fn sight<'a>(&mut self, text: &'a [u8], from: SocketAddr) -> Option<Sighted<'a>> {
        self.transports
            .sight(RequestLine::of(text)?, LISTENER, from)
    }

    /// The refusal, and where it goes.
    fn refuse_at_sight(&mut self, text: &[u8], from: SocketAddr) -> Option<(SocketAddr, Bytes)> {
        let request = self.sight(text, from)?;
        let tag = self.transactions.tag_at_sight(&request)?;
        let answer = self.transactions.refusal_at_sight(&request, tag, 7);
        self.transports
            .answer_at_sight(&request, Some(answer), self.now);
        self.sent()
    }

    /// Takes the request apart, and hands it to whom it is for.
    fn receive(
        &mut self,
        text: &[u8],
        from: SocketAddr,
        take: impl FnOnce(&mut Transactions, BoxedMessage, sip_transport::Flow, Instant),
    ) {
        let input = sip_transport::Input::Datagram {
            listener: LISTENER,
            remote: from,
            local: None,
            payload: Bytes::copy_from_slice(text),
        };
        self.transports.handle_input(input, self.now);
        while let Some(event) = self.transports.poll_event() {
            if let sip_transport::Event::Message { message, reply, .. } = event {
                take(&mut self.transactions, message, reply, self.now);
                break;
            }
        }
        while let Some(output) = self.transactions.poll_output() {
            if let Output::Transmit { flow, payload } = output {
                self.transports.send(flow, payload, self.now).unwrap();
            }
        }
    }

    fn refuse(&mut self, text: &[u8], from: SocketAddr) -> Option<(SocketAddr, Bytes)> {
        let mut is_message = false;
        self.receive(text, from, |transactions, message, reply, _| {
            if let BoxedMessage::Request(request) = &message {
                is_message = true;
                transactions.refuse(request, &reply, 7);
            }
        });
        self.sent().filter(|_| is_message)
    }

    /// What was sent last.
    fn sent(&mut self) -> Option<(SocketAddr, Bytes)> {
        let mut sent = None;
        while let Some(output) = self.transports.poll_io() {
            if let sip_transport::Output::Datagram {
                remote, payload, ..
            } = output
            {
                sent = Some((remote, payload));
            }
        }
        sent
    }
}

fn peer() -> SocketAddr {
    PEER.parse().unwrap()
}

fn with_ack(invite: &str, tag: &str) -> String {
    let tagged = format!("To: <sip:bob@h>;tag={tag}");
    let ack = invite.replace("INVITE", "ACK");
    ack.replace("To: <sip:bob@h>", &tagged)
}

fn tag_of(answer: &Bytes) -> String {
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let (_, behind) = text.split_once("To: <sip:bob@h>;tag=").unwrap();
    behind.split("\r\n").next().unwrap().to_owned()
}

#[test]
fn rfc3261_8_2_7_copies_are_refused_alike_and_the_ack_is_absorbed() {
    let (mut server, invite) = (Server::new(), request_text("INVITE", "z9hG4bK1"));
    let (to, answer) = server.refuse_at_sight(invite.as_bytes(), peer()).unwrap();
    assert_eq!(to, peer());
    let text = String::from_utf8(answer.to_vec()).unwrap();
    assert!(
        text.starts_with(
            "SIP/2.0 503 Service Unavailable\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1\r\n"
        ) && text.ends_with("CSeq: 1 INVITE\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"),
        "{text}"
    );
    let again = server.refuse_at_sight(invite.as_bytes(), peer());
    assert_eq!(again.unwrap().1, answer);
    let stats = server.transports.stats();
    assert_eq!(
        (stats.datagram_flows, stats.requests, stats.sent),
        (0, 2, 2),
        "no flow is made"
    );
    let tag = tag_of(&answer);
    let other_branch = invite.replace("z9hG4bK1", "z9hG4bK2");
    for (ack, expected) in [
        (with_ack(&invite, &tag), true),
        (with_ack(&invite, "0123456789abcdef"), false),
        (with_ack(&other_branch, &tag), false),
        (invite.replace("INVITE", "ACK"), false),
        (invite, false),
    ] {
        let sighted = server.sight(ack.as_bytes(), peer()).unwrap();
        let absorbed = server.transactions.absorb_at_sight(&sighted);
        assert_eq!(absorbed, expected, "{ack}");
    }
    assert_eq!(server.transactions.stats().absorbed_requests, 1);
}

#[test]
fn what_is_known_or_within_a_dialog_is_not_refused_at_sight() {
    let mut server = Server::new();
    let invite = request_text("INVITE", "z9hG4bK1");
    server.receive(
        invite.as_bytes(),
        peer(),
        |transactions, message, flow, now| {
            let reply = flow;
            let input = Input::Message {
                message,
                flow,
                reply,
            };
            transactions.handle_input(input, now);
        },
    );
    let other = request_text("INVITE", "z9hG4bK2");
    for (text, expected) in [
        (invite, false),
        (other.clone(), true),
        (other.replace("<sip:bob@h>", "<sip:bob@h>;tag=1"), false),
        (other.replace("<sip:bob@h>", "<sip:bob@h>;x=1"), true),
        // Whether this one has a tag takes more than a look.
        (other.replace("<sip:bob@h>", "sip:bob@h"), false),
        // RFC 2543.
        (other.replace("z9hG4bK2", "2"), false),
        (request_text("CANCEL", "z9hG4bK2"), false),
        (request_text("ACK", "z9hG4bK2"), false),
        (request_text("REGISTER", "z9hG4bK2"), true),
    ] {
        let sighted = server.sight(text.as_bytes(), peer()).unwrap();
        let tag = server.transactions.tag_at_sight(&sighted);
        assert_eq!(tag.is_some(), expected, "{text}");
    }
}

/// The one answer that was lost is given again, and not refused.
#[test]
fn a_copy_of_what_was_answered_repeatably_is_not_refused() {
    let mut server = Server::new();
    let text = request_text("REGISTER", "z9hG4bK1");
    server.receive(
        text.as_bytes(),
        peer(),
        |transactions, message, flow, now| {
            let reply = flow;
            let BoxedMessage::Request(request) = &message else {
                panic!("it is a request")
            };
            let request = (**request).clone();
            let input = Input::Message {
                message,
                flow,
                reply,
            };
            assert!(!transactions.is_known(&request));
            transactions.handle_input(input, now);
            let Some(Output::Event(Event::Request { id, .. })) = transactions.poll_output() else {
                panic!("it is a new one")
            };
            let mut response = WrittenResponse::new();
            response.start(&request, StatusCode::OK, "1");
            response.finish();
            transactions
                .respond_repeatably(id, &request, &response, now)
                .unwrap();
            assert!(transactions.is_known(&request));
        },
    );
    for (branch, expected) in [("z9hG4bK1", false), ("z9hG4bK2", true)] {
        let text = request_text("REGISTER", branch);
        let sighted = server.sight(text.as_bytes(), peer()).unwrap();
        let tag = server.transactions.tag_at_sight(&sighted);
        assert_eq!(tag.is_some(), expected, "{branch}");
    }
}

#[test]
fn rfc3581_4_the_answer_goes_where_the_via_says() {
    let mut server = Server::new();
    let from: SocketAddr = "198.51.100.7:4711".parse().unwrap();
    for (via, expected, to) in [
        (
            "192.0.2.2:5070;branch=z9hG4bK1",
            "192.0.2.2:5070;branch=z9hG4bK1;received=198.51.100.7",
            5070,
        ),
        (
            "h.example;branch=z9hG4bK1",
            "h.example;branch=z9hG4bK1;received=198.51.100.7",
            5060,
        ),
        (
            "192.0.2.2:5070;RPORT;branch=z9hG4bK1",
            "192.0.2.2:5070;branch=z9hG4bK1;received=198.51.100.7;rport=4711",
            4711,
        ),
        (
            "198.51.100.7;branch=z9hG4bK1",
            "198.51.100.7;branch=z9hG4bK1",
            5060,
        ),
    ] {
        let text =
            request_text("INVITE", "z9hG4bK1").replace("192.0.2.2:5060;branch=z9hG4bK1", via);
        let (remote, answer) = server.refuse_at_sight(text.as_bytes(), from).unwrap();
        assert_eq!(remote, SocketAddr::new(from.ip(), to));
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        let line = format!("\r\nVia: SIP/2.0/UDP {expected}\r\n");
        assert!(answer.contains(&line), "{answer}");
    }
    for via in [
        "192.0.2.2;maddr=192.0.2.9;branch=z9hG4bK1",
        "192.0.2.2;received=192.0.2.9;branch=z9hG4bK1",
        "192.0.2.2;branch=z9hG4bK1, SIP/2.0/UDP a",
    ] {
        let text =
            request_text("INVITE", "z9hG4bK1").replace("192.0.2.2:5060;branch=z9hG4bK1", via);
        assert!(server.sight(text.as_bytes(), from).is_none(), "{via}");
    }
    let text = request_text("INVITE", "z9hG4bK1");
    let nowhere = "198.51.100.7:0".parse().unwrap();
    assert!(server.sight(text.as_bytes(), nowhere).is_none());
    server.transports.capture(true);
    assert!(server.sight(text.as_bytes(), from).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// One to three bytes are others, are gone or come in: where both ways answer, they answer the same, to the same place.
    #[test]
    fn both_ways_refuse_alike(
        second in any::<bool>(),
        edits in proptest::collection::vec(
            (any::<prop::sample::Index>(), prop_oneof![Just(None), proptest::option::of(proptest::char::range(' ', '~'))], 0..3_u8),
            0..4,
        ),
    ) {
        let mut text = request_text("INVITE", "z9hG4bK1")
            .replace("192.0.2.2:5060;", "h.example:5070;rport;");
        if second {
            text = text.replace("Max-Forwards", "Via: SIP/2.0/TCP b.example;branch=z9hG4bK9;rport\r\nMax-Forwards");
        }
        let mut text = text.into_bytes();
        for (at, with, how) in edits {
            let at = at.index(text.len());
            let byte = with.map_or(b';', |with| with as u8);
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => drop(text.remove(at)),
            }
        }
        let at_sight = Server::new().refuse_at_sight(&text, peer());
        let as_usual = Server::new().refuse(&text, peer());
        if let (Some(at_sight), Some(as_usual)) = (at_sight, as_usual) {
            prop_assert_eq!(at_sight, as_usual);
        }
    }
}
