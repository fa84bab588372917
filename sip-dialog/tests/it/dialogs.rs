//! Rules of dialogs that need no second telephone, over the recording double.

use std::time::Instant;

use bytes::Bytes;
use sip_dialog::{Body, DialogConfig, Dialogs, EndCause, Event, InviteRequest, Output, SessionId};
use sip_message::{HeaderName, Message, Method, ParserConfig, Request, Response, StatusCode, Uri};
use sip_testkit::{Call, RecordingTransactions, seed_of};
use sip_transaction::{ClientTransactionId, Event as TransactionEvent, ServerTransactionId};
use sip_transport::{Flow, FlowId, TransportKind};

struct Agent {
    dialogs: Dialogs,
    layer: RecordingTransactions,
    now: Instant,
    next: u32,
    events: Vec<Event>,
}

fn flow() -> Flow {
    Flow::new(
        FlowId::from_parts(0, 0),
        TransportKind::Udp,
        "192.0.2.1:5060".parse().unwrap(),
        "192.0.2.9:5060".parse().unwrap(),
    )
}

impl Agent {
    fn new() -> Self {
        let dialogs = Dialogs::new(DialogConfig::default(), seed_of(1, "dialogs"));
        Self {
            dialogs,
            layer: RecordingTransactions::default(),
            now: Instant::now(),
            next: 100,
            events: Vec::new(),
        }
    }

    /// Lets everything take effect; returns what was handed to the transaction layer.
    fn run(&mut self) -> Vec<Call> {
        while let Some(output) = self.dialogs.poll_output() {
            match output {
                Output::SelectFlow { token, .. } => {
                    self.dialogs
                        .flow_selected(token, Ok(vec![flow()]), &mut self.layer, self.now)
                }
                Output::Authenticate { token, .. } => {
                    self.dialogs
                        .credentials(token, None, &mut self.layer, self.now)
                }
                Output::Event(event) => self.events.push(event),
            }
        }
        self.layer.take()
    }

    fn input(&mut self, event: TransactionEvent) -> Option<TransactionEvent> {
        self.dialogs.handle_input(event, &mut self.layer, self.now)
    }

    fn request(
        &mut self,
        method: &str,
        number: u32,
        to_tag: &str,
        fields: &str,
    ) -> (ServerTransactionId, Option<TransactionEvent>) {
        self.next += 1;
        let id = ServerTransactionId::from_parts(self.next, 0);
        let request = request(method, number, to_tag, fields);
        let back = self.input(TransactionEvent::Request {
            id,
            request,
            flow: flow(),
            merged: false,
        });
        (id, back)
    }

    /// Takes a call: returns its session and the tag of the 2xx.
    fn answered(&mut self, fields: &str) -> (SessionId, String) {
        self.request("INVITE", 5, "", fields);
        self.run();
        let Some(Event::Incoming { session, .. }) = self.events.pop() else {
            panic!("{:?}", self.events)
        };
        self.dialogs
            .accept(
                session,
                Some(Body::sdp("answer")),
                &mut self.layer,
                self.now,
            )
            .unwrap();
        let calls = self.run();
        let Some(Call::Respond { response, .. }) = calls.last() else {
            panic!("{calls:?}")
        };
        assert_eq!(response.status(), StatusCode::OK);
        let tag = response.headers().to_tag().unwrap().to_owned();
        let ack = request("ACK", 5, &tag, "");
        assert!(
            self.input(TransactionEvent::Ack {
                invite: None,
                request: ack,
                flow: flow()
            })
            .is_none()
        );
        self.run();
        (session, tag)
    }

    /// Calls, and has it answered by `response_fields`.
    fn calling(
        &mut self,
        response_fields: &str,
    ) -> (SessionId, ClientTransactionId, Box<Request>, Vec<Call>) {
        let uri = |text: &str| Uri::parse(text).unwrap();
        let mut invite = InviteRequest::new(
            uri("sip:bob@example.com"),
            uri("sip:alice@example.com"),
            uri("sip:bob@example.com"),
            uri("sip:alice@192.0.2.1"),
        );
        invite.body = Some(Body::sdp("offer"));
        let session = self.dialogs.invite(invite, &mut self.layer, self.now);
        let Some(Call::Request { id, request, .. }) = self.run().pop() else {
            panic!("no INVITE")
        };
        let response = success(&request, "b1", response_fields);
        self.input(TransactionEvent::Response {
            id,
            response,
            flow: flow(),
        });
        let calls = self.run();
        (session, id, Box::new(request), calls)
    }
}

fn request(method: &str, number: u32, to_tag: &str, fields: &str) -> Request {
    let tag = if to_tag.is_empty() {
        String::new()
    } else {
        format!(";tag={to_tag}")
    };
    let text = format!(
        "{method} sip:alice@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{number}{method}\r\nMax-Forwards: 70\r\n\
         From: <sip:bob@example.com>;tag=peer\r\nTo: <sip:alice@example.com>{tag}\r\nCall-ID: one\r\nCSeq: {number} {method}\r\n\
         Contact: <sip:bob@192.0.2.9>\r\n{fields}Content-Length: 0\r\n\r\n"
    );
    match Message::parse(Bytes::from(text), &ParserConfig::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn success(invite: &Request, tag: &str, fields: &str) -> Response {
    let mut invite = invite.clone();
    invite
        .headers_mut()
        .push_front(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
    let text = Response::to(&invite, StatusCode::OK)
        .to_tag(tag)
        .build()
        .unwrap()
        .to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap().replacen(
        "\r\nVia",
        &format!("\r\n{fields}Via"),
        1,
    );
    match Message::parse(Bytes::from(text), &ParserConfig::default()).unwrap() {
        Message::Response(response) => response,
        Message::Request(_) => panic!("a response"),
    }
}

fn statuses(calls: &[Call]) -> Vec<u16> {
    let status = |call: &Call| {
        if let Call::Respond { response, .. } = call {
            Some(response.status().as_u16())
        } else {
            None
        }
    };
    calls.iter().filter_map(status).collect()
}

fn requests(calls: &[Call]) -> Vec<(&Request, &'static str)> {
    let mut sent = Vec::new();
    for call in calls {
        match call {
            Call::Request { request, .. } => sent.push((request, "request")),
            Call::Ack { ack, .. } => sent.push((ack, "ack")),
            _ => {}
        }
    }
    sent
}

#[test]
fn rfc3261_12_1_2_a_uac_takes_the_route_set_in_reverse() {
    let mut agent = Agent::new();
    let fields = "Contact: <sip:bob@192.0.2.7>\r\nRecord-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\r\n";
    let (session, _, _, calls) = agent.calling(fields);
    let sent = requests(&calls);
    let (ack, _) = sent[0];
    assert_eq!(
        (ack.method(), ack.uri_str(), ack.headers().cseq()),
        (&Method::Ack, "sip:bob@192.0.2.7", Some((1, Method::Ack)))
    );
    let routes: Vec<&str> = ack.headers().values(HeaderName::Route).collect();
    assert_eq!(
        routes,
        ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
    );
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    let calls = agent.run();
    let (bye, _) = requests(&calls)[0];
    assert_eq!(
        (bye.method(), bye.headers().cseq()),
        (&Method::Bye, Some((2, Method::Bye)))
    );
    assert!(!bye.headers().contains(HeaderName::Contact));
}

#[test]
fn rfc3261_12_2_1_1_a_strict_router_gets_its_own_uri() {
    let mut agent = Agent::new();
    let fields = "Contact: <sip:bob@192.0.2.7>\r\nRecord-Route: <sip:last.example.com;lr>, <sip:strict.example.com>\r\n";
    let (_, _, _, calls) = agent.calling(fields);
    let (ack, _) = requests(&calls)[0];
    assert_eq!(ack.uri_str(), "sip:strict.example.com");
    let routes: Vec<&str> = ack.headers().values(HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:last.example.com;lr>", "<sip:bob@192.0.2.7>"]);
}

#[test]
fn rfc3261_13_2_2_4_a_2xx_of_another_branch_gets_ack_and_bye() {
    let mut agent = Agent::new();
    let (_, id, invite, _) = agent.calling("Contact: <sip:bob@192.0.2.7>\r\n");
    let other = success(&invite, "b2", "Contact: <sip:bob@192.0.2.8>\r\n");
    agent.input(TransactionEvent::Response {
        id,
        response: other,
        flow: flow(),
    });
    let calls = agent.run();
    let sent: Vec<(String, String)> = requests(&calls)
        .iter()
        .map(|(request, _)| (request.method().to_string(), request.uri_str().to_owned()))
        .collect();
    let to = |method: &str| (method.to_owned(), "sip:bob@192.0.2.8".to_owned());
    assert_eq!(sent, [to("ACK"), to("BYE")]);
    assert_eq!(agent.dialogs.session_count(), 1);
}

#[test]
fn rfc3261_12_2_2_a_lower_cseq_is_refused_and_an_unknown_dialog_handed_back() {
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    agent.request("OPTIONS", 4, &tag, "");
    assert_eq!(statuses(&agent.run()), [500]);
    agent.request("OPTIONS", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [200]);
    let (_, back) = agent.request("BYE", 7, "unknown", "");
    assert!(matches!(back, Some(TransactionEvent::Request { .. })));
    let (_, back) = agent.request("BYE", 7, &tag, "");
    assert!(back.is_none());
    assert_eq!(statuses(&agent.run()), [200]);
    assert!(matches!(
        agent.events.last(),
        Some(Event::Ended {
            cause: EndCause::Remote,
            ..
        })
    ));
    assert_eq!(agent.dialogs.session_count(), 0);
}

#[test]
fn rfc3261_12_1_1_a_2xx_copies_the_record_route_and_has_a_contact() {
    let mut agent = Agent::new();
    agent.request("INVITE", 5, "", "Record-Route: <sip:p1.example.com;lr>\r\n");
    agent.run();
    let Some(Event::Incoming { session, .. }) = agent.events.pop() else {
        panic!("no call")
    };
    agent
        .dialogs
        .accept(session, None, &mut agent.layer, agent.now)
        .unwrap();
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.last() else {
        panic!("{calls:?}")
    };
    assert_eq!(
        response.headers().get(HeaderName::RecordRoute),
        Some("<sip:p1.example.com;lr>")
    );
    assert_eq!(
        response.headers().get(HeaderName::Contact),
        Some("<sip:alice@192.0.2.1:5060>")
    );
    assert!(
        response
            .headers()
            .get(HeaderName::Allow)
            .unwrap()
            .contains("BYE")
    );
}

#[test]
fn rfc3261_8_2_2_3_a_required_extension_that_is_unknown_is_420() {
    let mut agent = Agent::new();
    agent.request("INVITE", 5, "", "Require: 100rel, nothing\r\n");
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.last() else {
        panic!("{calls:?}")
    };
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers().get(HeaderName::Unsupported)
        ),
        (420, Some("100rel, nothing"))
    );
    assert_eq!(agent.dialogs.session_count(), 0);
}

#[test]
fn rfc3261_8_2_2_2_a_merged_request_is_482() {
    let mut agent = Agent::new();
    let id = ServerTransactionId::from_parts(1, 0);
    let event = TransactionEvent::Request {
        id,
        request: request("INVITE", 5, "", ""),
        flow: flow(),
        merged: true,
    };
    assert!(agent.input(event).is_none());
    assert_eq!(statuses(&agent.run()), [482]);
}

#[test]
fn rfc3261_14_2_a_second_reinvite_waits_its_turn() {
    let mut agent = Agent::new();
    let (session, tag) = agent.answered("");
    agent.request("INVITE", 6, &tag, "");
    agent.run();
    assert!(matches!(agent.events.last(), Some(Event::ReInvite { .. })));
    agent.request("INVITE", 7, &tag, "");
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.last() else {
        panic!("{calls:?}")
    };
    let wait: u32 = response
        .headers()
        .get(HeaderName::RetryAfter)
        .unwrap()
        .parse()
        .unwrap();
    assert!(response.status().as_u16() == 500 && wait <= 10);
    agent
        .dialogs
        .accept_reinvite(
            session,
            Some(Body::sdp("again")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    assert_eq!(statuses(&agent.run()), [200]);
}

#[test]
fn rfc3261_15_1_2_a_bye_ends_what_still_waits() {
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    agent.request("INVITE", 6, &tag, "");
    agent.request("BYE", 7, &tag, "");
    assert_eq!(statuses(&agent.run()), [200, 487]);
}

#[test]
fn rfc3261_15_a_callee_sends_no_bye_before_the_ack() {
    let mut agent = Agent::new();
    agent.request("INVITE", 5, "", "");
    agent.run();
    let Some(Event::Incoming { session, .. }) = agent.events.pop() else {
        panic!("no call")
    };
    agent
        .dialogs
        .accept(session, None, &mut agent.layer, agent.now)
        .unwrap();
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.last() else {
        panic!("{calls:?}")
    };
    let tag = response.headers().to_tag().unwrap().to_owned();
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    assert!(requests(&agent.run()).is_empty());
    let ack = request("ACK", 5, &tag, "");
    agent.input(TransactionEvent::Ack {
        invite: None,
        request: ack,
        flow: flow(),
    });
    let calls = agent.run();
    assert_eq!(requests(&calls)[0].0.method(), &Method::Bye);
}

#[test]
fn rfc3261_11_2_options_are_answered_and_unknown_methods_handed_back() {
    let mut agent = Agent::new();
    agent.request("OPTIONS", 5, "", "");
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.last() else {
        panic!("{calls:?}")
    };
    assert!(
        response.headers().contains(HeaderName::Allow)
            && response.headers().contains(HeaderName::Accept)
    );
    let (_, back) = agent.request("PUBLISH", 6, "", "");
    assert!(back.is_some());
}
