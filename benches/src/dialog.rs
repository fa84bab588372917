//! Whole calls between two user agents.

use std::{
    collections::VecDeque,
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use bytes::Bytes;
use sip_dialog::{Body, DialogConfig, Dialogs, Event, InviteRequest, Output};
use sip_message::{HeaderName, Message, ParserConfig, Request, Response, StatusCode, Uri};
use sip_transaction::{
    Branch, ClientTransactionId, Gone, Input, Output as Down, ServerTransactionId,
    TransactionConfig, TransactionLayer, Transactions,
};
use sip_transport::{Flow, FlowId, Seed, TransportKind};

use crate::Case;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

pub(crate) fn cases() -> Vec<Case> {
    vec![call(), within(), answered_within()]
}

struct Agent {
    layer: Transactions,
    dialogs: Dialogs,
    uri: Uri,
    flow: Flow,
    calls: u64,
}

impl Agent {
    fn new(own: u8, other: u8) -> Self {
        let address = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 5060));
        Self {
            layer: Transactions::new(TransactionConfig::default(), Seed::from_bytes([own; 32])),
            dialogs: Dialogs::new(DialogConfig::default(), Seed::from_bytes([own + 10; 32])),
            uri: Uri::parse(&format!("sip:agent@192.0.2.{own}:5060")).expect("a URI"),
            flow: Flow::new(
                FlowId::from_parts(0, 1),
                TransportKind::Udp,
                address(own),
                address(other),
            ),
            calls: 0,
        }
    }

    fn arrive(&mut self, payload: Bytes, now: Instant) {
        let message =
            Message::parse(payload, &ParserConfig::default()).expect("what is sent is valid");
        self.layer.handle_input(
            Input::Message {
                message: message.into(),
                flow: self.flow,
                reply: self.flow,
            },
            now,
        );
    }

    /// One step: what it sent, if anything; `None` when it is at rest.
    fn step(&mut self, now: Instant) -> Option<Option<Bytes>> {
        if let Some(output) = self.layer.poll_output() {
            return Some(match output {
                Down::Transmit { payload, .. } => Some(payload),
                Down::Event(event) => {
                    black_box(self.dialogs.handle_input(event, &mut self.layer, now));
                    None
                }
            });
        }
        match self.dialogs.poll_output()? {
            Output::SelectFlow { token, .. } => {
                self.dialogs
                    .flow_selected(token, Ok(vec![self.flow]), &mut self.layer, now)
            }
            Output::Authenticate { token, .. } => {
                self.dialogs.credentials(token, None, &mut self.layer, now)
            }
            Output::Event(Event::Incoming { session, .. }) => {
                self.dialogs
                    .ring(session, StatusCode::RINGING, None, &mut self.layer, now)
                    .expect("it rings");
                self.dialogs
                    .accept(session, Some(Body::sdp(SDP)), &mut self.layer, now)
                    .expect("it rings");
            }
            // The caller hangs up once it has been answered.
            Output::Event(Event::Accepted { session, .. }) => {
                self.dialogs.end(session, &mut self.layer, now)
            }
            Output::Event(Event::Ended { .. }) => self.calls += 1,
            Output::Event(_) => {}
        }
        Some(None)
    }
}

/// INVITE, 180, 200, ACK, BYE, 200, and the last timers of both sides.
fn call() -> Case {
    let mut agents = [Agent::new(1, 2), Agent::new(2, 1)];
    let mut now = Instant::now();
    let mut expected = 0;
    Case::new("dialog/call", move || {
        let (from, to) = (agents[0].uri.clone(), agents[1].uri.clone());
        let mut invite = InviteRequest::new(to.clone(), from.clone(), to, from);
        invite.body = Some(Body::sdp(SDP));
        let [caller, _] = &mut agents;
        caller.dialogs.invite(invite, &mut caller.layer, now);
        loop {
            deliver(&mut agents, now);
            let deadlines = agents
                .iter()
                .flat_map(|agent| [agent.layer.poll_timeout(), agent.dialogs.poll_timeout()]);
            let Some(at) = deadlines.flatten().min() else {
                break;
            };
            now = now.max(at);
            for agent in &mut agents {
                agent.layer.handle_timeout(now);
                agent.dialogs.handle_timeout(&mut agent.layer, now);
            }
        }
        expected += 1;
        assert!(
            agents.iter().all(|agent| agent.calls == expected),
            "each call is set up and ends on both sides"
        );
    })
}

/// A session that is up, and the number of its last request from the peer.
struct Up {
    callee: Agent,
    request: String,
    number: u32,
    now: Instant,
}

impl Up {
    /// Taken by the callee over two proxies that stay in the path.
    fn new() -> Self {
        let now = Instant::now();
        let mut callee = Agent::new(2, 1);
        let text = "INVITE sip:agent@192.0.2.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKinvite\r\nMax-Forwards: 70\r\n\
             Record-Route: <sip:p2.example.com;lr>\r\nRecord-Route: <sip:p1.example.com;lr>\r\n\
             From: <sip:alice@example.com>;tag=9fxced76sl\r\nTo: <sip:bob@example.com>\r\nCall-ID: 3848276298220188511@example.com\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:alice@192.0.2.1:5060>\r\nContent-Length: 0\r\n\r\n".to_owned();
        callee.arrive(Bytes::from(text.clone()), now);
        let mut answer = Bytes::new();
        while let Some(sent) = callee.step(now) {
            answer = sent.unwrap_or(answer);
        }
        let Ok(Message::Response(answer)) = Message::parse(answer, &ParserConfig::default()) else {
            panic!("it answers");
        };
        let tag = answer.headers().to_tag().expect("a 2xx has a tag");
        let request = text
            .replace("To: <sip:bob@example.com>", &format!("To: <sip:bob@example.com>;tag={tag}"))
            .replace("Record-Route: <sip:p2.example.com;lr>\r\nRecord-Route: <sip:p1.example.com;lr>\r\n", "");
        let mut up = Self {
            callee,
            request,
            number: 1,
            now,
        };
        up.callee.arrive(up.next("ACK", 1), now);
        while up.callee.step(now).is_some() {}
        up
    }

    fn next(&self, method: &str, number: u32) -> Bytes {
        let branch = format!("branch=z9hG4bK{method}{number}");
        let text = self.request.replace("branch=z9hG4bKinvite", &branch);
        Bytes::from(
            text.replace("INVITE", method)
                .replace("CSeq: 1 ", &format!("CSeq: {number} ")),
        )
    }
}

/// An OPTIONS within a dialog that has arrived and is parsed: found, and answered by the dialog layer. The transaction layer is there and
/// is not counted: the cost is that of `dialog/answered-within` without `transaction`'s.
fn within() -> Case {
    let mut up = Up::new();
    let mut layer = Silent;
    let Ok(Message::Request(request)) =
        Message::parse(up.next("OPTIONS", 2), &ParserConfig::default())
    else {
        panic!("it is valid");
    };
    let flow = up.callee.flow;
    let mut number = 0;
    Case::new("dialog/within", move || {
        number += 1;
        let back = up.callee.dialogs.handle_input(
            sip_transaction::Event::Request {
                id: ServerTransactionId::from_parts(number, 0),
                request: Box::new(request.clone()),
                flow,
                merged: false,
            },
            &mut layer,
            up.now,
        );
        assert!(back.is_none(), "it is of the session");
    })
}

/// The same with parsing, the transaction layer, and the end of the transaction.
fn answered_within() -> Case {
    let mut up = Up::new();
    Case::new("dialog/answered-within", move || {
        up.number += 1;
        let request = up.next("OPTIONS", up.number);
        up.callee.arrive(request, up.now);
        let mut answers = 0;
        while let Some(sent) = up.callee.step(up.now) {
            answers += usize::from(sent.is_some());
        }
        assert_eq!(answers, 1, "it is answered");
        // 64 times T1, for which the transaction lives.
        up.now += std::time::Duration::from_secs(33);
        up.callee.layer.handle_timeout(up.now);
        while up.callee.step(up.now).is_some() {}
    })
}

/// A transaction layer that takes all and says nothing.
struct Silent;

impl TransactionLayer for Silent {
    fn request(&mut self, _: &Request, _: Flow, _: Instant) -> ClientTransactionId {
        ClientTransactionId::from_parts(0, 0)
    }

    fn forward(&mut self, _: &Request, _: Flow, _: u64, _: Instant) -> ClientTransactionId {
        ClientTransactionId::from_parts(0, 0)
    }

    fn respond(
        &mut self,
        _: ServerTransactionId,
        response: &Response,
        _: Instant,
    ) -> Result<(), Gone> {
        black_box(response);
        Ok(())
    }

    fn cancel(
        &mut self,
        _: ClientTransactionId,
        _: &[(HeaderName, &str)],
        _: Instant,
    ) -> Result<(), Gone> {
        Ok(())
    }

    fn send_ack(&mut self, _: &Request, _: Flow, _: Instant) -> Bytes {
        Bytes::new()
    }

    fn retransmit(&mut self, _: Bytes, _: FlowId, _: Instant) {}

    fn forward_response(&mut self, _: &Response, _: FlowId, _: Instant) {}

    fn forward_request(&mut self, _: &Request, _: Flow, _: &Branch, _: Instant) {}
}

/// A network without loss or delay.
fn deliver(agents: &mut [Agent; 2], now: Instant) {
    let mut under_way: VecDeque<(usize, Bytes)> = VecDeque::new();
    loop {
        let mut rests = true;
        for (side, agent) in agents.iter_mut().enumerate() {
            while let Some(sent) = agent.step(now) {
                rests = false;
                under_way.extend(sent.map(|payload| (1 - side, payload)));
            }
        }
        while let Some((to, payload)) = under_way.pop_front() {
            rests = false;
            agents[to].arrive(payload, now);
        }
        if rests {
            return;
        }
    }
}
