//! The call flows of RFC 3665 and RFC 5359, each end of each flow in turn being ours: the others say what the RFC prints, and what we send
//! is compared with what the RFC prints, step by step.
//!
//! `data/rfc3665.txt` and `data/rfc5359.txt` hold the messages without bodies and without the fields that no dialog looks at. Tags,
//! Call-IDs and numbers are ours where we choose them: the text of the RFC is rewritten with them.

use std::collections::BTreeSet;

use bytes::Bytes;
use sip_dialog::{
    Body, Event, InviteRequest, OutgoingRequest, ReferRequest, ReferTarget, SessionId,
    SubscribeRequest, SubscriptionId, SubscriptionStatus,
};
use sip_message::header::NameAddr;
use sip_message::{HeaderName, Message, Method, ParserConfig, Request, Response, StatusCode, Uri};
use sip_testkit::Call;
use sip_transaction::{ClientTransactionId, Event as TransactionEvent, ServerTransactionId};

use crate::agent::{Agent, flow};

/// One message of a flow.
#[derive(Debug, Clone)]
struct Step {
    name: String,
    from: String,
    to: String,
    head: String,
    body: Option<String>,
}

impl Step {
    fn start(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    fn status(&self) -> Option<u16> {
        let rest = self.start().strip_prefix("SIP/2.0 ")?;
        rest.get(..3)?.parse().ok()
    }

    /// The method of a request, or of what a response answers.
    fn method(&self) -> String {
        match self.status() {
            None => self.start().split(' ').next().unwrap().to_owned(),
            Some(_) => self
                .field("CSeq")
                .unwrap()
                .split_whitespace()
                .nth(1)
                .unwrap()
                .to_owned(),
        }
    }

    fn uri(&self) -> &str {
        self.start().split(' ').nth(1).unwrap_or_default()
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).next()
    }

    fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head.lines().skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found
                .trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim())
        })
    }

    fn tag(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.field(name)?.split_once(";tag=")?;
        rest.split(';').next()
    }
}

struct Flow {
    title: String,
    steps: Vec<Step>,
}

fn flows(text: &str) -> Vec<Flow> {
    let mut flows: Vec<Flow> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("flow ") {
            flows.push(Flow {
                title: title.to_owned(),
                steps: Vec::new(),
            });
        } else if let Some(step) = line.strip_prefix("step ") {
            let words: Vec<&str> = step.split(' ').collect();
            flows.last_mut().unwrap().steps.push(Step {
                name: words[0].to_owned(),
                from: words[1].to_owned(),
                to: words[3].to_owned(),
                head: String::new(),
                body: None,
            });
        } else if let Some(body) = line.strip_prefix("| ") {
            let step = flows.last_mut().unwrap().steps.last_mut().unwrap();
            step.body = Some(body.to_owned());
        } else if !line.is_empty() {
            let step = flows.last_mut().unwrap().steps.last_mut().unwrap();
            step.head.push_str(line);
            step.head.push('\n');
        }
    }
    flows
}

/// One end of a flow.
struct End {
    agent: Agent,
    name: String,
    /// What stands in the RFC, and in its place with us; the longest first.
    names: Vec<(String, String)>,
    /// What was sent and is not yet accounted for.
    sent: Vec<Call>,
    /// Requests of ours that wait for a response: the RFC's Call-ID, method and number; then the transaction and the request.
    clients: Vec<(String, String, String, ClientTransactionId, Request)>,
    /// Requests to us: the same, and the transaction.
    servers: Vec<(String, String, String, ServerTransactionId)>,
    /// Sessions and subscriptions by the RFC's Call-ID.
    sessions: Vec<(String, SessionId)>,
    subscriptions: Vec<(String, SubscriptionId)>,
    referrals: Vec<(String, SubscriptionId)>,
    next: u32,
}

impl End {
    fn new(name: &str) -> Self {
        let agent = Agent::with(|config| {
            config.refer = true;
            config.supported = ["replaces", "join", "norefersub", "tdialog", "gruu"]
                .map(str::to_owned)
                .to_vec();
            config.event_packages = vec!["dialog".to_owned(), "presence".to_owned()];
            config.methods = vec![Method::Info, Method::Message];
            config.min_subscription = std::time::Duration::ZERO;
        });
        Self {
            agent,
            name: name.to_owned(),
            names: Vec::new(),
            sent: Vec::new(),
            clients: Vec::new(),
            servers: Vec::new(),
            sessions: Vec::new(),
            subscriptions: Vec::new(),
            referrals: Vec::new(),
            next: 1,
        }
    }

    fn learn(&mut self, theirs: Option<&str>, ours: Option<&str>) {
        if let (Some(theirs), Some(ours)) = (theirs, ours)
            && theirs != ours
        {
            self.names.retain(|(known, _)| known != theirs);
            self.names.push((theirs.to_owned(), ours.to_owned()));
            self.names
                .sort_by_key(|(known, _)| std::cmp::Reverse(known.len()));
        }
    }

    fn ours(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (theirs, ours) in &self.names {
            text = text.replace(theirs, ours);
            // As it stands in a URI.
            text = text.replace(&theirs.replace('@', "%40"), ours);
        }
        text
    }

    fn settle(&mut self) {
        let calls = self.agent.run();
        self.sent.extend(calls);
        for event in std::mem::take(&mut self.agent.events) {
            if let Event::Subscribing {
                subscription,
                request,
                ..
            } = &event
            {
                let call_id = request.headers().call_id().unwrap().to_owned();
                self.subscriptions.push((call_id, *subscription));
                let agent = &mut self.agent;
                let status = SubscriptionStatus::Active;
                agent
                    .dialogs
                    .grant(
                        *subscription,
                        status,
                        Some(body("state")),
                        &mut agent.layer,
                        agent.now,
                    )
                    .unwrap();
                self.settle();
            } else if let Event::Incoming {
                session, request, ..
            } = &event
            {
                self.sessions
                    .push((request.headers().call_id().unwrap().to_owned(), *session));
            } else if let Event::Referred {
                referral, request, ..
            } = &event
            {
                self.referrals
                    .push((request.headers().call_id().unwrap().to_owned(), *referral));
            }
        }
    }

    fn session(&self, call_id: &str) -> Option<SessionId> {
        let ours = self.ours(call_id);
        self.sessions
            .iter()
            .rfind(|(known, _)| *known == call_id || *known == ours)
            .map(|(_, session)| *session)
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
                    request,
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
                        request,
                        flow: flow(),
                    }
                }
                _ => TransactionEvent::Request {
                    id,
                    request,
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
            response,
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
        self.act(step)?;
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
                || !self
                    .names
                    .iter()
                    .any(|(_, ours)| headers.call_id() == Some(ours))
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

    /// Does what makes us send it.
    fn act(&mut self, step: &Step) -> Result<(), String> {
        let call_id = step.field("Call-ID").unwrap_or_default().to_owned();
        let gone = |_| format!("{} is not possible", step.start());
        let session = self.session(&call_id);
        let uri = |text: &str| Uri::parse(text).map_err(|error| format!("{text}: {error}"));
        let text = self.ours(&step.head);
        let fields = Step {
            head: text,
            ..step.clone()
        };
        let of = |name: &str| -> Result<Uri, String> {
            let value = fields.field(name).unwrap_or_default().to_owned();
            let value = NameAddr::parse(&value).map_err(|error| format!("{name}: {error}"))?;
            Ok(value.uri().to_uri())
        };
        let contact = of("Contact").or_else(|_| of("From"));
        let extra = |names: &[HeaderName]| -> Vec<(HeaderName, String)> {
            names
                .iter()
                .filter_map(|name| Some((name.clone(), fields.field(name.as_str())?.to_owned())))
                .collect()
        };
        let routes = || {
            fields
                .fields("Route")
                .flat_map(|value| value.split(','))
                .map(|value| {
                    Ok(NameAddr::parse(value.trim())
                        .map_err(|error| error.to_string())?
                        .uri()
                        .to_uri())
                })
                .collect::<Result<Vec<Uri>, String>>()
        };
        let session_body = step.body.as_ref().map(|_| body("body"));
        let (layer, now, dialogs) = (
            &mut self.agent.layer,
            self.agent.now,
            &mut self.agent.dialogs,
        );
        let in_dialog = step.tag("To").is_some();
        match (step.status(), step.method().as_str()) {
            (None, "INVITE") if in_dialog => {
                let session = session.ok_or("no session")?;
                dialogs
                    .reinvite(session, session_body, layer, now)
                    .map_err(gone)
            }
            (None, "INVITE") => {
                let mut invite =
                    InviteRequest::new(uri(fields.uri())?, of("From")?, of("To")?, contact?);
                invite.body = session_body;
                invite.route = routes()?;
                invite.headers = extra(&[
                    HeaderName::Replaces,
                    HeaderName::Join,
                    HeaderName::ReferredBy,
                    HeaderName::Require,
                ]);
                let id = dialogs.invite(invite, layer, now);
                self.sessions.push((call_id, id));
                Ok(())
            }
            (None, "ACK") => {
                let session = session.ok_or("no session")?;
                dialogs
                    .acknowledge(session, session_body, layer, now)
                    .map_err(gone)
            }
            (None, "BYE" | "CANCEL") => {
                dialogs.end(session.ok_or("no session")?, layer, now);
                Ok(())
            }
            (None, "REFER") => {
                let refer = ReferRequest::new(of("Refer-To")?);
                let id = if in_dialog {
                    dialogs
                        .refer(session.ok_or("no session")?, refer, layer, now)
                        .map_err(gone)?
                } else {
                    let mut to =
                        ReferTarget::new(uri(fields.uri())?, of("From")?, of("To")?, contact?);
                    to.route = routes()?;
                    dialogs.refer_to(to, refer, layer, now)
                };
                self.subscriptions.push((call_id, id));
                Ok(())
            }
            (None, "SUBSCRIBE") if in_dialog => {
                let id = self
                    .subscriptions
                    .iter()
                    .rfind(|(known, _)| *known == call_id)
                    .ok_or("no subscription")?
                    .1;
                dialogs.unsubscribe(id, layer, now).map_err(gone)
            }
            (None, "SUBSCRIBE") => {
                let event = fields.field("Event").unwrap_or_default().to_owned();
                let mut subscribe = SubscribeRequest::new(
                    uri(fields.uri())?,
                    of("From")?,
                    of("To")?,
                    contact?,
                    &event,
                );
                subscribe.route = routes()?;
                let id = dialogs.subscribe(subscribe, layer, now);
                self.subscriptions.push((call_id, id));
                Ok(())
            }
            (None, "NOTIFY") => {
                let ours = self
                    .names
                    .iter()
                    .find(|(theirs, _)| *theirs == call_id)
                    .map_or_else(|| call_id.clone(), |(_, ours)| ours.clone());
                if let Some((_, id)) = self
                    .referrals
                    .iter()
                    .rfind(|(known, _)| *known == call_id || *known == ours)
                {
                    let status = step
                        .body
                        .as_deref()
                        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
                        .ok_or("no status")?;
                    let status = StatusCode::from_u16(status).unwrap();
                    return dialogs.report(*id, status, layer, now).map_err(gone);
                }
                let (_, id) = self
                    .subscriptions
                    .iter()
                    .rfind(|(known, _)| *known == call_id || *known == ours)
                    .ok_or("no subscription")?;
                let over = step
                    .field("Subscription-State")
                    .is_some_and(|state| state.starts_with("terminated"));
                let status = if over {
                    SubscriptionStatus::Terminated
                } else {
                    SubscriptionStatus::Active
                };
                dialogs
                    .notify(*id, status, Some(body("state")), layer, now)
                    .map_err(gone)
            }
            (None, method) => {
                // Out of a dialog, and nothing of this layer's.
                let method: Method = method.parse().unwrap();
                let mut builder = Request::builder(method, fields.uri())
                    .max_forwards(70)
                    .call_id(&format!("own{}", self.next))
                    .cseq(1);
                for name in [HeaderName::From, HeaderName::To] {
                    builder = builder.header(
                        name.clone(),
                        fields.field(name.as_str()).unwrap_or_default(),
                    );
                }
                for (name, value) in
                    extra(&[HeaderName::Contact, HeaderName::Expires, HeaderName::Route])
                {
                    builder = builder.header(name, value);
                }
                self.next += 1;
                let request = builder.build_partial().map_err(|error| error.to_string())?;
                let next_hop = uri("sip:192.0.2.9")?;
                dialogs.request(
                    OutgoingRequest {
                        request,
                        next_hop,
                        account: sip_dialog::AccountKey(0),
                    },
                    layer,
                    now,
                );
                Ok(())
            }
            (Some(100), _) => Err("100 is of the transaction layer".to_owned()),
            (Some(status), "INVITE") if status < 200 => {
                let status = StatusCode::from_u16(status).unwrap();
                dialogs
                    .ring(
                        session.ok_or("no session")?,
                        status,
                        session_body,
                        layer,
                        now,
                    )
                    .map_err(gone)
            }
            (Some(200), "INVITE") => {
                let session = session.ok_or("no session")?;
                dialogs
                    .accept(session, session_body.clone(), layer, now)
                    .or_else(|_| dialogs.accept_reinvite(session, session_body, layer, now))
                    .map_err(gone)
            }
            (Some(status), "INVITE") => {
                let status = StatusCode::from_u16(status).unwrap();
                let session = session.ok_or("no session")?;
                dialogs
                    .reject(session, status, &[], layer, now)
                    .or_else(|_| dialogs.reject_reinvite(session, status, layer, now))
                    .map_err(gone)
            }
            (Some(200 | 202), "REFER") => {
                let ours = self
                    .names
                    .iter()
                    .find(|(theirs, _)| *theirs == call_id)
                    .map_or_else(|| call_id.clone(), |(_, ours)| ours.clone());
                let (_, id) = self
                    .referrals
                    .iter()
                    .rfind(|(known, _)| *known == call_id || *known == ours)
                    .ok_or("no referral")?;
                dialogs.accept_referral(*id, layer, now).map_err(gone)
            }
            (Some(status), method) => Err(format!("no way to answer {method} by {status}")),
        }
    }
}

fn body(text: &'static str) -> Body {
    Body::sdp(text)
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

/// Whether a step is of the transaction layer: 100, the ACK to a refusal, and the answer to a CANCEL that we have sent.
fn is_below(steps: &[Step], index: usize, end: &str) -> bool {
    let step = &steps[index];
    if step.status() == Some(100) {
        return true;
    }
    if step.method() == "CANCEL" && step.status().is_some() && step.to == end {
        return true;
    }
    // The ACK to a final response other than 2xx: the last one on that hop with that number.
    step.method() == "ACK"
        && step.status().is_none()
        && steps[..index]
            .iter()
            .rfind(|earlier| {
                (earlier.from == step.to || earlier.to == step.from)
                    && earlier.method() == "INVITE"
                    && earlier.field("Call-ID") == step.field("Call-ID")
                    && earlier.status().is_some_and(|status| status >= 200)
            })
            .is_none_or(|earlier| earlier.status().is_some_and(|status| status >= 300))
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
type Deviation = (&'static str, &'static str, &'static str, &'static str);

fn check(text: &str, deviations: &[Deviation]) -> usize {
    let mut played = 0;
    let mut wrong = Vec::new();
    for flow in flows(text) {
        let ends: BTreeSet<&str> = flow
            .steps
            .iter()
            .flat_map(|step| [step.from.as_str(), step.to.as_str()])
            .filter(|name| {
                !name.starts_with("Proxy")
                    && !["SIP_ALG", "SIP_Server", "Redirect_Server"].contains(name)
            })
            .collect();
        for name in ends {
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

#[test]
fn rfc3665_each_end_of_each_flow() {
    let deviations = [(
        "3.3",
        "Alice",
        "F11 of 3.3 Session with Multiple Proxy Authentication, Alice being ours: Route",
        "the third INVITE has lost the Route of the first two",
    )];
    let played = check(include_str!("../data/rfc3665.txt"), &deviations);
    assert_eq!(played, 27);
}

#[test]
fn rfc5359_each_end_of_each_flow() {
    let deviations = [
        (
            "2.2",
            "Carol",
            "F19 of",
            "the 180 has another Call-ID than its INVITE",
        ),
        (
            "2.5",
            "Alice",
            "F21 of",
            "the ACK goes to a URI with gr, which the Contact has not",
        ),
        (
            "2.5",
            "Bob",
            "F14 of",
            "the same of the ACK to the re-INVITE",
        ),
        (
            "2.6",
            "Alice",
            "481",
            "the tags of the Replaces are swapped",
        ),
        (
            "2.10",
            "Bob",
            "also sends",
            "the 180 is printed as a 200, which gets its ACK twice",
        ),
        ("2.10", "Carol", "F10 of", "the same"),
        (
            "2.13",
            "Alice",
            "F7 of",
            "the third INVITE has lost the Route of the first two",
        ),
        (
            "2.13",
            "Announcement_Server",
            "F11 of",
            "the INVITE to it is not printed",
        ),
        (
            "2.15",
            "Park_Server",
            "F18 of",
            "the NOTIFY goes to another URI than that of the Contact",
        ),
        (
            "2.16",
            "Alice",
            "481",
            "the Replaces has lost a digit of a tag",
        ),
        (
            "2.17",
            "Alice",
            "F16 of",
            "the To of the last SUBSCRIBE is the From",
        ),
        (
            "2.17",
            "Bob",
            "F8 of",
            "a NOTIFY goes to another URI than that of the Contact",
        ),
        (
            "2.18",
            "Bob",
            "also sends",
            "the NOTIFYs that RFC 3515 section 2.4.4 asks for are left out",
        ),
    ];
    let played = check(include_str!("../data/rfc5359.txt"), &deviations);
    assert_eq!(played, 52);
}
