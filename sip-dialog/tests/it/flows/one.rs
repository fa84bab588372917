//! One end of a flow is ours: the others say what the RFC prints, and what we send is compared with what the RFC prints, step by step.

use std::collections::BTreeSet;

use bytes::Bytes;
use sip_dialog::DialogConfig;
use sip_message::{HeaderName, Message, Method, ParserConfig, Request, Response, StatusCode};
use sip_testkit::Call;
use sip_transaction::{ClientTransactionId, Event as TransactionEvent, ServerTransactionId};

use super::desk::{Desk, Names};
use super::script::{Flow, Step, flows, is_below};
use crate::agent::{Agent, flow};

/// What the ends of the flows can do.
pub(super) fn configure(config: &mut DialogConfig) {
    config.refer = true;
    config.supported = ["replaces", "join", "norefersub", "tdialog", "gruu"]
        .map(str::to_owned)
        .to_vec();
    config.event_packages = vec!["dialog".to_owned(), "presence".to_owned()];
    config.methods = vec![Method::Info, Method::Message];
    config.min_subscription = std::time::Duration::ZERO;
}

/// One end of a flow.
struct End {
    agent: Agent,
    name: String,
    names: Names,
    desk: Desk,
    /// What was sent and is not yet accounted for.
    sent: Vec<Call>,
    /// Requests of ours that wait for a response: the RFC's Call-ID, method and number; then the transaction and the request.
    clients: Vec<(String, String, String, ClientTransactionId, Request)>,
    /// Requests to us: the same, and the transaction.
    servers: Vec<(String, String, String, ServerTransactionId)>,
    next: u32,
}

impl End {
    fn new(name: &str) -> Self {
        let agent = Agent::with(configure);
        Self {
            agent,
            name: name.to_owned(),
            names: Names::default(),
            desk: Desk::new(),
            sent: Vec::new(),
            clients: Vec::new(),
            servers: Vec::new(),
            next: 1,
        }
    }

    fn learn(&mut self, theirs: Option<&str>, ours: Option<&str>) {
        self.names.learn(theirs, ours);
    }

    fn ours(&self, text: &str) -> String {
        self.names.ours(text)
    }

    fn settle(&mut self) {
        let calls = self.agent.run();
        self.sent.extend(calls);
        let agent = &mut self.agent;
        for event in std::mem::take(&mut agent.events) {
            self.desk
                .told(&event, &mut agent.dialogs, &mut agent.layer, agent.now);
        }
        let calls = agent.run();
        self.sent.extend(calls);
    }

    /// A message of the RFC comes in.
    fn receive(&mut self, step: &Step) -> Result<(), String> {
        let method = step.method();
        let call_id = step.field("Call-ID").unwrap_or_default().to_owned();
        let number = step
            .field("CSeq")
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned();
        let Some(status) = step.status() else {
            let mut text = format!(
                "{}\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n",
                self.ours(step.start()),
                self.next
            );
            for line in step.head.lines().skip(1) {
                // The RFCs were written before RFC 6665 asked for a Contact.
                text.push_str(&format!("{}\r\n", self.ours(line)));
            }
            if step.field("Contact").is_none()
                && matches!(method.as_str(), "SUBSCRIBE" | "NOTIFY" | "REFER")
            {
                text.push_str("Contact: <sip:someone@192.0.2.9>\r\n");
            }
            let content = step.body.clone().unwrap_or_default();
            text.push_str(&format!(
                "Content-Length: {}\r\n\r\n{content}",
                content.len()
            ));
            let Message::Request(request) = parse(text)? else {
                return Err("a request".to_owned());
            };
            let id = ServerTransactionId::from_parts(self.next, 0);
            self.next += 1;
            let event = match method.as_str() {
                "ACK" => TransactionEvent::Ack {
                    invite: None,
                    request: request.into(),
                    flow: flow(),
                },
                "CANCEL" => {
                    let invite = self
                        .servers
                        .iter()
                        .rfind(|(known, what, ..)| *known == call_id && what == "INVITE")
                        .map(|(.., id)| *id);
                    TransactionEvent::Cancel {
                        id,
                        invite,
                        request: request.into(),
                        flow: flow(),
                    }
                }
                _ => TransactionEvent::Request {
                    id,
                    request: request.into(),
                    flow: flow(),
                    merged: false,
                },
            };
            self.servers.push((call_id, method, number, id));
            let back = self.agent.input(event);
            self.settle();
            if let Some(TransactionEvent::Request { id, request, .. }) = back {
                // What is not of this layer is answered as a telephone would.
                let response = Response::to(&request, StatusCode::OK)
                    .to_tag("x")
                    .build()
                    .unwrap();
                self.sent.push(Call::Respond { id, response });
            }
            return Ok(());
        };
        let known = self
            .clients
            .iter()
            .rfind(|(id, what, cseq, ..)| {
                *id == call_id && *what == method && (*cseq == number || status < 700)
            })
            .cloned();
        let Some((.., id, request)) = known else {
            return Err(format!("nothing of ours is answered by {}", step.start()));
        };
        let mut fields = String::new();
        for line in step.head.lines().skip(1) {
            let name = line.split(':').next().unwrap().trim().to_ascii_lowercase();
            if ![
                "from",
                "to",
                "call-id",
                "cseq",
                "content-type",
                "via",
                "f",
                "t",
                "i",
                "v",
            ]
            .contains(&name.as_str())
            {
                fields.push_str(&format!("{}\r\n", self.ours(line)));
            }
        }
        let content: &'static str = if step.body.is_some() { "body" } else { "" };
        let tag = self.ours(step.tag("To").unwrap_or_default());
        let response = crate::agent::reply(&request, status, &tag, &fields, content);
        self.agent.input(TransactionEvent::Response {
            id,
            response: response.into(),
            flow: flow(),
        });
        self.settle();
        Ok(())
    }

    /// The RFC has us send this.
    fn send(&mut self, step: &Step) -> Result<(), String> {
        if self.take(step)? {
            return Ok(());
        }
        let agent = &mut self.agent;
        self.desk.act(
            &self.names,
            step,
            &mut agent.dialogs,
            &mut agent.layer,
            agent.now,
        )?;
        self.settle();
        if self.take(step)? {
            Ok(())
        } else {
            Err(format!(
                "we send {:?} and not {}",
                self.sent.iter().map(shown).collect::<Vec<_>>(),
                step.start()
            ))
        }
    }

    /// Whether we have sent it already; it is then accounted for.
    fn take(&mut self, step: &Step) -> Result<bool, String> {
        let index = self.sent.iter().position(|call| self.is(call, step));
        let Some(index) = index else {
            return Ok(false);
        };
        let call_id = step.field("Call-ID").unwrap_or_default().to_owned();
        let number = step
            .field("CSeq")
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned();
        match self.sent.remove(index) {
            Call::Request { id, request, .. } => {
                let headers = request.headers();
                self.learn(Some(&call_id), headers.call_id());
                self.learn(step.tag("From"), headers.from_tag());
                self.compare(&request, step)?;
                self.clients
                    .push((call_id, step.method(), number, id, request));
            }
            Call::Ack { ack, .. } => self.compare(&ack, step)?,
            Call::Respond { response, .. } => {
                self.learn(step.tag("To"), response.headers().to_tag());
                // What makes a dialog copies the Record-Route.
                let routes: Vec<&str> =
                    response.headers().values(HeaderName::RecordRoute).collect();
                let expected: Vec<&str> = step
                    .fields("Record-Route")
                    .flat_map(|value| value.split(','))
                    .map(str::trim)
                    .collect();
                if response.status().is_success()
                    && step.method() == "INVITE"
                    && step.tag("To").is_some()
                    && !expected.is_empty()
                    && routes != expected
                {
                    return Err(format!("Record-Route {routes:?} and not {expected:?}"));
                }
            }
            Call::Cancel { .. } => {}
            other => return Err(format!("{other:?}")),
        }
        Ok(true)
    }

    fn is(&self, call: &Call, step: &Step) -> bool {
        let call_id = self.ours(step.field("Call-ID").unwrap_or_default());
        let same = |headers: &sip_message::Headers| {
            headers.call_id() == Some(call_id.as_str())
                || headers
                    .call_id()
                    .is_none_or(|ours| self.names.theirs(ours).is_none())
        };
        match (call, step.status()) {
            (Call::Request { request, .. }, None) => {
                request.method().as_str() == step.method() && same(request.headers())
            }
            (Call::Ack { ack, .. }, None) => step.method() == "ACK" && same(ack.headers()),
            (Call::Cancel { .. }, None) => step.method() == "CANCEL",
            (Call::Respond { response, .. }, Some(status)) => {
                let method = response
                    .headers()
                    .cseq()
                    .map(|(_, method)| method.to_string());
                // RFC 7647 section 5 and RFC 6665 section 8.3.1: 202 has become 200.
                let status = if status == 202 { 200 } else { status };
                response.status().as_u16() == status
                    && method == Some(step.method())
                    && response.headers().call_id() == Some(call_id.as_str())
            }
            _ => false,
        }
    }

    /// What in a request of ours is as the RFC has it.
    fn compare(&self, request: &Request, step: &Step) -> Result<(), String> {
        let headers = request.headers();
        let same = |ours: &str, theirs: &str| {
            let plain = |text: &str| {
                self.ours(text)
                    .replace(":5060", "")
                    .replace(";user=phone", "")
                    // The RFC has it in the Contact, and not in the requests to it.
                    .replace(";transport=tcp", "")
                    .trim_matches(['<', '>'])
                    .to_ascii_lowercase()
            };
            plain(ours) == plain(theirs)
        };
        if !same(request.uri_str(), step.uri()) {
            return Err(format!("to {} and not {}", request.uri_str(), step.uri()));
        }
        let ours: Vec<&str> = headers.values(HeaderName::Route).collect();
        let theirs: Vec<&str> = step
            .fields("Route")
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        if ours.len() != theirs.len()
            || !ours
                .iter()
                .zip(&theirs)
                .all(|(ours, theirs)| same(ours, theirs))
        {
            return Err(format!("Route {ours:?} and not {theirs:?}"));
        }
        for (name, text) in [
            (HeaderName::Replaces, "Replaces"),
            (HeaderName::Join, "Join"),
        ] {
            if let Some(theirs) = step.field(text)
                && !headers.get(name).is_some_and(|ours| same(ours, theirs))
            {
                return Err(format!("{text}: {theirs} is missing"));
            }
        }
        if let (Some(theirs), Some(ours)) = (step.tag("To"), headers.to_tag())
            && !same(ours, theirs)
        {
            return Err(format!("To tag {ours} and not {theirs}"));
        }
        if step.method() == "NOTIFY" {
            let ours = headers
                .get(HeaderName::SubscriptionState)
                .unwrap_or_default();
            let theirs = step.field("Subscription-State").unwrap_or("active");
            if ours.split(';').next() != theirs.split(';').next() {
                return Err(format!("{ours} and not {theirs}"));
            }
        }
        Ok(())
    }
}

fn shown(call: &Call) -> String {
    match call {
        Call::Request { request, .. } => request.method().to_string(),
        Call::Respond { response, .. } => format!(
            "{} ({:?})",
            response.status().as_u16(),
            response.headers().cseq()
        ),
        Call::Ack { .. } => "ACK".to_owned(),
        Call::Cancel { .. } => "CANCEL".to_owned(),
        other => format!("{other:?}"),
    }
}

fn parse(text: String) -> Result<Message, String> {
    Message::parse(Bytes::from(text.clone()), &ParserConfig::default())
        .map_err(|error| format!("{error}: {text}"))
}

/// The ends of a flow that are user agents.
pub(super) fn ends(flow: &Flow) -> BTreeSet<&str> {
    flow.steps
        .iter()
        .flat_map(|step| [step.from.as_str(), step.to.as_str()])
        .filter(|name| {
            !name.starts_with("Proxy")
                && !["SIP_ALG", "SIP_Server", "Redirect_Server"].contains(name)
        })
        .collect()
}

fn play(flow: &Flow, name: &str) -> Result<(), String> {
    let mut end = End::new(name);
    for (index, step) in flow.steps.iter().enumerate() {
        let ours = step.from == name;
        if (!ours && step.to != name) || is_below(&flow.steps, index, name) {
            continue;
        }
        let done = if ours {
            end.send(step)
        } else {
            end.receive(step)
        };
        done.map_err(|error| {
            let sent: Vec<String> = end.sent.iter().map(shown).collect();
            let error = format!("{error} {sent:?}");
            format!(
                "{} of {}, {} being ours: {error}",
                step.name, flow.title, end.name
            )
        })?;
    }
    if end.sent.is_empty() {
        Ok(())
    } else {
        let more: Vec<String> = end.sent.iter().map(shown).collect();
        Err(format!(
            "{}, {name} being ours: also sends {more:?}",
            flow.title
        ))
    }
}

/// Where we differ, as the RFC contradicts itself: flow, end, how we differ, and why.
pub(super) type Deviation = (&'static str, &'static str, &'static str, &'static str);

pub(super) fn check(text: &str, deviations: &[Deviation]) -> usize {
    let mut played = 0;
    let mut wrong = Vec::new();
    for flow in flows(text) {
        for name in ends(&flow) {
            played += 1;
            let section = flow.title.split(' ').next().unwrap();
            let known = deviations
                .iter()
                .find(|(flow, end, ..)| *flow == section && *end == name);
            match (play(&flow, name), known) {
                (Ok(()), None) => {}
                (Err(error), Some((.., expected, _))) if error.contains(expected) => {}
                (Err(error), _) => wrong.push(error),
                (Ok(()), Some((.., expected, _))) => {
                    wrong.push(format!("{section} {name}: expected {expected}"))
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    played
}
