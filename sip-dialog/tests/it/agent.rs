//! A dialog layer over the recording double: what comes up is made by the test, what goes down is looked at.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_dialog::{
    Body, Credential, DialogConfig, Dialogs, Event, InviteRequest, Output, SessionId,
};
use sip_message::{HeaderName, Message, Method, ParserConfig, Request, Response, StatusCode, Uri};
use sip_testkit::{Call, Clock, RecordingTransactions, seed_of};
use sip_transaction::{ClientTransactionId, Event as TransactionEvent, ServerTransactionId};
use sip_transport::{Flow, FlowId, TransportKind};

pub(crate) struct Agent {
    pub(crate) dialogs: Dialogs,
    pub(crate) layer: RecordingTransactions,
    pub(crate) now: Instant,
    next: u32,
    pub(crate) events: Vec<Event>,
}

/// Where the peer is, as it says in its responses.
pub(crate) const CONTACT: &str = "Contact: <sip:bob@192.0.2.7>\r\n";

/// The same of a peer that takes UPDATE.
pub(crate) const UPDATES: &str =
    "Contact: <sip:bob@192.0.2.7>\r\nAllow: INVITE, ACK, CANCEL, BYE, UPDATE\r\n";

pub(crate) fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

pub(crate) fn flow() -> Flow {
    Flow::new(
        FlowId::from_parts(0, 0),
        TransportKind::Udp,
        "192.0.2.1:5060".parse().unwrap(),
        "192.0.2.9:5060".parse().unwrap(),
    )
}

/// A request that the agent has sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) id: ClientTransactionId,
    pub(crate) request: Request,
}

impl Sent {
    pub(crate) fn field(&self, name: HeaderName) -> String {
        self.request
            .headers()
            .get(name)
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn values(&self, name: HeaderName) -> Vec<String> {
        let values = self.request.headers().values(name);
        values.map(str::to_owned).collect()
    }

    pub(crate) fn cseq(&self) -> String {
        self.field(HeaderName::CSeq)
    }
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(configure: impl FnOnce(&mut DialogConfig)) -> Self {
        let mut config = DialogConfig::default();
        configure(&mut config);
        Self {
            dialogs: Dialogs::new(config, seed_of(1, "dialogs")),
            layer: RecordingTransactions::default(),
            now: Clock::new().now(),
            next: 100,
            events: Vec::new(),
        }
    }

    /// Lets everything take effect; returns what was handed to the transaction layer.
    pub(crate) fn run(&mut self) -> Vec<Call> {
        while let Some(output) = self.dialogs.poll_output() {
            match output {
                Output::SelectFlow { token, .. } => {
                    self.dialogs
                        .flow_selected(token, Ok(vec![flow()]), &mut self.layer, self.now);
                }
                Output::Authenticate { token, realm, .. } => {
                    let credential =
                        (realm != "unknown").then(|| Credential::new("alice", "secret"));
                    self.dialogs
                        .credentials(token, credential, &mut self.layer, self.now);
                }
                Output::Event(event) => self.events.push(event),
            }
        }
        self.layer.take()
    }

    /// Lets everything take effect, of which one request is sent.
    pub(crate) fn sent(&mut self) -> Sent {
        let calls = self.run();
        match calls.as_slice() {
            [Call::Request { id, request, .. }] => Sent {
                id: *id,
                request: request.clone(),
            },
            other => panic!("not one request but {other:?}"),
        }
    }

    /// Waits, at most for `limit`, until a deadline has an effect; returns how long that took, and the effect.
    pub(crate) fn wait(&mut self, limit: Duration) -> (Duration, Vec<Call>) {
        let began = self.now;
        while let Some(at) = self
            .dialogs
            .poll_timeout()
            .filter(|at| *at <= began + limit)
        {
            self.now = self.now.max(at);
            self.dialogs.handle_timeout(&mut self.layer, self.now);
            let events = self.events.len();
            let calls = self.run();
            if !calls.is_empty() || self.events.len() > events {
                return (self.now - began, calls);
            }
        }
        self.now = began + limit;
        (limit, Vec::new())
    }

    pub(crate) fn input(&mut self, event: TransactionEvent) -> Option<TransactionEvent> {
        self.dialogs.handle_input(event, &mut self.layer, self.now)
    }

    pub(crate) fn request(
        &mut self,
        method: &str,
        number: u32,
        to_tag: &str,
        fields: &str,
    ) -> (ServerTransactionId, Option<TransactionEvent>) {
        self.take(request(method, number, to_tag, fields))
    }

    /// The same, with a body.
    pub(crate) fn offer(
        &mut self,
        method: &str,
        number: u32,
        to_tag: &str,
        fields: &str,
    ) -> ServerTransactionId {
        let mut request = request(method, number, to_tag, fields);
        request.set_body("application/sdp", "offer");
        self.take(request).0
    }

    pub(crate) fn take(
        &mut self,
        request: Request,
    ) -> (ServerTransactionId, Option<TransactionEvent>) {
        self.next += 1;
        let id = ServerTransactionId::from_parts(self.next, 0);
        let back = self.input(TransactionEvent::Request {
            id,
            request: request.into(),
            flow: flow(),
            merged: false,
        });
        (id, back)
    }

    /// The session of the call that has come in.
    pub(crate) fn incoming(&mut self) -> SessionId {
        match self.events.pop() {
            Some(Event::Incoming { session, .. }) => session,
            other => panic!("no call but {other:?}"),
        }
    }

    /// Accepts a call: the 2xx.
    pub(crate) fn accept(&mut self, session: SessionId) -> Response {
        let answer = Some(Body::sdp("answer"));
        self.dialogs
            .accept(session, answer, &mut self.layer, self.now)
            .unwrap();
        response(&self.run())
    }

    pub(crate) fn ack(&mut self, number: u32, tag: &str) {
        let request = request("ACK", number, tag, "");
        let back = self.input(TransactionEvent::Ack {
            invite: None,
            request: request.into(),
            flow: flow(),
        });
        assert!(back.is_none());
    }

    /// Takes a call: returns its session and the tag of the 2xx.
    pub(crate) fn answered(&mut self, fields: &str) -> (SessionId, String) {
        self.offer("INVITE", 5, "", fields);
        self.run();
        let session = self.incoming();
        let response = self.accept(session);
        assert_eq!(response.status(), StatusCode::OK);
        let tag = response.headers().to_tag().unwrap().to_owned();
        self.ack(5, &tag);
        self.run();
        (session, tag)
    }

    /// Calls.
    pub(crate) fn invite(&mut self, offer: Option<&'static str>) -> (SessionId, Sent) {
        let mut invite = InviteRequest::new(
            uri("sip:bob@example.com"),
            uri("sip:alice@example.com"),
            uri("sip:bob@example.com"),
            uri("sip:alice@192.0.2.1"),
        );
        invite.body = offer.map(Body::sdp);
        let session = self.dialogs.invite(invite, &mut self.layer, self.now);
        (session, self.sent())
    }

    /// Calls, and has it answered by `response_fields`.
    pub(crate) fn calling(&mut self, response_fields: &str) -> (SessionId, Sent, Vec<Call>) {
        let (session, sent) = self.invite(Some("offer"));
        let calls = self.reply(&sent, 200, "b1", response_fields, "");
        (session, sent, calls)
    }

    /// Sends an OPTIONS within the dialog, to see what requests look like there.
    pub(crate) fn asks(&mut self, session: SessionId) -> Sent {
        self.dialogs
            .request_within(
                session,
                Method::Options,
                &[],
                None,
                &mut self.layer,
                self.now,
            )
            .unwrap();
        self.sent()
    }

    /// A response to what was sent.
    pub(crate) fn reply(
        &mut self,
        sent: &Sent,
        status: u16,
        tag: &str,
        fields: &str,
        body: &'static str,
    ) -> Vec<Call> {
        let response = reply(&sent.request, status, tag, fields, body);
        self.input(TransactionEvent::Response {
            id: sent.id,
            response: response.into(),
            flow: flow(),
        });
        self.run()
    }
}

pub(crate) fn request(method: &str, number: u32, to_tag: &str, fields: &str) -> Request {
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

/// A response of the peer. `fields` is put before the first field.
pub(crate) fn reply(
    request: &Request,
    status: u16,
    tag: &str,
    fields: &str,
    body: &'static str,
) -> Response {
    let mut request = request.clone();
    request
        .headers_mut()
        .push_front(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
    let mut response = Response::to(&request, StatusCode::from_u16(status).unwrap());
    if request.headers().to_tag().is_none() {
        response = response.to_tag(tag);
    }
    if !body.is_empty() {
        response = response.body("application/sdp", body);
    }
    let text = response.build().unwrap().to_bytes();
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

/// The one request that was sent, whatever else was.
pub(crate) fn only(calls: impl AsRef<[Call]>) -> Sent {
    let calls = calls.as_ref();
    let mut sent = calls.iter().filter_map(|call| match call {
        Call::Request { id, request, .. } => Some(Sent {
            id: *id,
            request: request.clone(),
        }),
        _ => None,
    });
    let found = sent.next().unwrap();
    assert!(sent.next().is_none(), "{calls:?}");
    found
}

/// The last response that was sent.
pub(crate) fn response(calls: &[Call]) -> Response {
    match calls.last() {
        Some(Call::Respond { response, .. }) => response.clone(),
        other => panic!("no response but {other:?}"),
    }
}

pub(crate) fn statuses(calls: &[Call]) -> Vec<u16> {
    let status = |call: &Call| {
        if let Call::Respond { response, .. } = call {
            Some(response.status().as_u16())
        } else {
            None
        }
    };
    calls.iter().filter_map(status).collect()
}

/// What was sent, with how.
pub(crate) fn requests(calls: &[Call]) -> Vec<(&Request, &'static str)> {
    fn sent(call: &Call) -> Option<(&Request, &'static str)> {
        match call {
            Call::Request { request, .. } => Some((request, "request")),
            Call::Ack { ack, .. } => Some((ack, "ack")),
            _ => None,
        }
    }
    calls.iter().filter_map(sent).collect()
}

/// The methods of what was sent.
pub(crate) fn methods(calls: &[Call]) -> Vec<&str> {
    requests(calls)
        .iter()
        .map(|(request, _)| request.method().as_str())
        .collect()
}
