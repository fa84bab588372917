//! Playing a scenario: what is sent is completed, what comes is compared.

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{
    Subject,
    message::Message,
    peer::{Peer, Wire},
    script::{Action, Demand, Role, Script, Step},
};

/// A number that no run before this one has used, as far as a clock can tell.
fn fresh() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_micros() as u64);
    now.wrapping_mul(1_000)
        .wrapping_add(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

/// What a peer knows of its dialog.
#[derive(Debug, Default, Clone)]
struct Dialog {
    from: String,
    to: String,
    target: String,
    routes: String,
    call: String,
}

#[derive(Debug)]
struct Actor {
    peer: Peer,
    tag: String,
    number: u32,
    /// The last request sent, of each method, and the last of all.
    sent: BTreeMap<String, Message>,
    last: Option<(Vec<u8>, String)>,
    /// The last request received, of each method.
    received: BTreeMap<String, Message>,
    last_received: String,
    dialog: Dialog,
}

/// The peers of a scenario, and the subject when it is started for it.
#[derive(Debug)]
pub(crate) struct Stage {
    subject: Subject,
    call: String,
    /// Makes the users of each run its own.
    run: String,
    actors: BTreeMap<String, Actor>,
    child: Option<Child>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n";

impl Stage {
    /// Opens a socket for each peer that the scenario names, and starts a subject that calls.
    pub(crate) fn open(subject: &Subject, script: &Script) -> Result<Self> {
        let mut stage = Self {
            subject: subject.clone(),
            call: format!("blackbox-{:x}@{}", fresh(), subject.host),
            run: format!("{:x}", fresh()),
            actors: BTreeMap::new(),
            child: None,
        };
        for step in &script.steps {
            if stage.actors.contains_key(&step.peer) {
                continue;
            }
            let peer = Peer::open(
                subject.wire,
                subject.host,
                subject.address,
                subject.role == Role::Caller,
            )?;
            let actor = Actor {
                peer,
                tag: format!("t{:x}", fresh()),
                number: 0,
                sent: BTreeMap::new(),
                last: None,
                received: BTreeMap::new(),
                last_received: String::new(),
                dialog: Dialog::default(),
            };
            stage.actors.insert(step.peer.clone(), actor);
        }
        if subject.role == Role::Caller {
            let words: Vec<String> = subject
                .caller
                .iter()
                .map(|word| stage.expand("alice", word))
                .collect();
            let (program, arguments) = words.split_first().context("no command for the caller")?;
            let child = Command::new(program)
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .with_context(|| format!("cannot start {program}"))?;
            stage.child = Some(child);
        }
        Ok(stage)
    }

    pub(crate) fn play(&mut self, script: &Script) -> Result<()> {
        for step in &script.steps {
            self.step(step)
                .with_context(|| format!("line {} ({})", step.line, step.peer))?;
        }
        Ok(())
    }

    fn actor(&mut self, name: &str) -> Result<&mut Actor> {
        self.actors.get_mut(name).context("no such peer")
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        match &step.action {
            Action::Send(lines) => self.send(&step.peer, lines),
            Action::Raw(lines) => {
                let mut text: String = lines
                    .iter()
                    .map(|line| self.expand(&step.peer, line) + "\r\n")
                    .collect();
                if !lines.iter().any(String::is_empty) {
                    text.push_str("\r\n");
                }
                let method = lines
                    .first()
                    .and_then(|line| line.split(' ').next())
                    .unwrap_or_default()
                    .to_owned();
                let actor = self.actor(&step.peer)?;
                if let Some(message) = Message::parse(text.as_bytes()) {
                    actor.sent.insert(method.clone(), message);
                }
                actor.last = Some((text.clone().into_bytes(), method));
                actor.peer.send(text.as_bytes())
            }
            Action::Again => {
                let actor = self.actor(&step.peer)?;
                let (bytes, _) = actor.last.clone().context("nothing was sent before")?;
                actor.peer.send(&bytes)
            }
            Action::Expect(codes, method, within, demands) => {
                self.expect(&step.peer, codes, method.as_deref(), *within, demands)
            }
            Action::Request(method, within, demands) => {
                self.request(&step.peer, method, *within, demands)
            }
            Action::Answer(code, method, lines) => {
                self.answer(&step.peer, *code, method.as_deref(), lines)
            }
            Action::Silence(time) => {
                let actor = self.actor(&step.peer)?;
                match actor.peer.receive(*time)? {
                    None => Ok(()),
                    Some(message) => bail!("not silent: {}", message.start),
                }
            }
            Action::Repeated(within) => {
                let actor = self.actor(&step.peer)?;
                let before = actor.peer.repeated;
                let started = Instant::now();
                let mut others = Vec::new();
                while actor.peer.repeated == before {
                    if started.elapsed() > *within {
                        bail!("nothing was repeated within {within:?}");
                    }
                    others.extend(actor.peer.receive(Duration::from_millis(20))?);
                }
                actor.peer.put_back(others);
                Ok(())
            }
        }
    }

    /// Puts values for names in braces.
    fn expand(&self, peer: &str, text: &str) -> String {
        let mut out = text.to_owned();
        let domain = &self.subject.domain;
        let host = self.subject.host.to_string();
        let transport = match self.subject.wire {
            Wire::Udp => "",
            Wire::Tcp => ";transport=tcp",
        };
        let mut put = |name: &str, value: &str| {
            if out.contains('{') {
                out = out.replace(&format!("{{{name}}}"), value);
            }
        };
        put("sdp", SDP);
        put("domain", domain);
        put("subject", &self.subject.address.to_string());
        put("host", &host);
        put("wire", self.subject.wire.name());
        put("wire-lower", &self.subject.wire.name().to_lowercase());
        put("call", &self.call);
        put("run", &self.run);
        put("fresh", &format!("{:x}", fresh()));
        for (name, actor) in &self.actors {
            put(name, &format!("{name}-{}@{domain}", self.run));
            put(
                &format!("{name}-contact"),
                &format!("sip:{name}@{}{transport}", actor.peer.address),
            );
        }
        if let Some(actor) = self.actors.get(peer) {
            put("self", &actor.peer.address.to_string());
            put(
                "contact",
                &format!("sip:{peer}@{}{transport}", actor.peer.address),
            );
            put("tag", &actor.tag);
            put("from", &actor.dialog.from);
            put("to", &actor.dialog.to);
            put("target", &actor.dialog.target);
            put("routes", &actor.dialog.routes);
            put("number", &actor.number.to_string());
            let via = |method: &str| {
                actor
                    .sent
                    .get(method)
                    .and_then(|sent| sent.get("Via"))
                    .unwrap_or_default()
                    .to_owned()
            };
            put("via", &via("INVITE"));
        }
        out
    }

    fn send(&mut self, peer: &str, lines: &[String]) -> Result<()> {
        let Some((start, rest)) = lines.split_first() else {
            bail!("nothing to send");
        };
        let method = start.split(' ').next().unwrap_or_default().to_owned();
        {
            let actor = self.actor(peer)?;
            // RFC 3261 sections 9.1 and 13.2.2.4: these have the number of their INVITE.
            if method != "ACK" && method != "CANCEL" {
                actor.number += 1;
            }
        }
        let start = self.expand(peer, start);
        let mut parts = rest.splitn(2, |line| line.is_empty());
        let head = parts.next().unwrap_or_default();
        let body: String = parts
            .next()
            .unwrap_or_default()
            .iter()
            .map(|line| self.expand(peer, line))
            .collect::<Vec<_>>()
            .join("\r\n");
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut without: Vec<String> = Vec::new();
        for line in head {
            if let Some(name) = line.strip_prefix('-') {
                without.push(name.trim().to_owned());
                continue;
            }
            let (name, value) = line.split_once(':').context("not a field")?;
            let value = self.expand(peer, value.trim());
            // No route set: no Route.
            if !(value.is_empty() && name == "Route") {
                fields.push((name.to_owned(), value));
            }
        }
        let uri = start.split(' ').nth(1).unwrap_or_default().to_owned();
        let actor = self.actor(peer)?;
        let number = if method == "ACK" || method == "CANCEL" {
            let invite = actor.sent.get("INVITE").and_then(|sent| sent.get("CSeq"));
            invite
                .and_then(|value| value.split(' ').next())
                .unwrap_or("1")
                .to_owned()
        } else {
            actor.number.to_string()
        };
        let call = if actor.dialog.call.is_empty() {
            "{call}".to_owned()
        } else {
            actor.dialog.call.clone()
        };
        let mut usual = vec![
            (
                "Via",
                "SIP/2.0/{wire} {self};branch=z9hG4bK{fresh};rport".to_owned(),
            ),
            ("Max-Forwards", "70".to_owned()),
            ("From", format!("<sip:{{{peer}}}>;tag={{tag}}")),
            ("To", format!("<{uri}>")),
            ("Call-ID", call),
            ("CSeq", format!("{number} {method}")),
            ("Content-Length", body.len().to_string()),
        ];
        if matches!(method.as_str(), "INVITE" | "SUBSCRIBE") {
            usual.push(("Contact", "<{contact}>".to_owned()));
        }
        for (name, value) in usual.into_iter().rev() {
            let given = fields
                .iter()
                .any(|(field, _)| field.eq_ignore_ascii_case(name))
                || without.iter().any(|field| field.eq_ignore_ascii_case(name));
            if !given {
                fields.insert(0, (name.to_owned(), self.expand(peer, &value)));
            }
        }
        let message = Message {
            start,
            fields,
            body,
        };
        let bytes = message.to_bytes();
        let actor = self.actor(peer)?;
        actor.sent.insert(method.clone(), message);
        if method != "ACK" {
            actor.last = Some((bytes.clone(), method));
        }
        actor.peer.send(&bytes)
    }

    fn expect(
        &mut self,
        peer: &str,
        codes: &[String],
        method: Option<&str>,
        within: Duration,
        demands: &[Demand],
    ) -> Result<()> {
        let actor = self.actor(peer)?;
        let method = match method {
            Some(method) => method.to_owned(),
            None => actor
                .last
                .as_ref()
                .map(|(_, method)| method.clone())
                .context("nothing was sent before")?,
        };
        let wanted = |status: u16| {
            codes.iter().any(|code| match code.strip_suffix("xx") {
                Some(class) => class.parse() == Ok(status / 100),
                None => code.parse() == Ok(status),
            })
        };
        let started = Instant::now();
        let mut others = Vec::new();
        let found = loop {
            let left = within.saturating_sub(started.elapsed());
            let Some(message) = actor.peer.receive(left)? else {
                break None;
            };
            match message.status() {
                Some(status) if message.method() == method || message.method().is_empty() => {
                    if wanted(status) {
                        break Some(message);
                    }
                    if status >= 200 {
                        bail!("{} came, not {}", message.start, codes.join("|"));
                    }
                }
                _ => others.push(message),
            }
        };
        actor.peer.put_back(others);
        let Some(message) = found else {
            bail!("no {} within {within:?}", codes.join("|"));
        };
        let request = actor.sent.get(&method).cloned();
        if let Some(request) = &request {
            actor.dialog = Dialog {
                from: request.get("From").unwrap_or_default().to_owned(),
                to: message.get("To").unwrap_or_default().to_owned(),
                target: message.contact().unwrap_or(&actor.dialog.target).to_owned(),
                routes: {
                    let mut routes = message.record_route();
                    routes.reverse();
                    if routes.is_empty() {
                        actor.dialog.routes.clone()
                    } else {
                        routes.join(", ")
                    }
                },
                call: request.get("Call-ID").unwrap_or_default().to_owned(),
            };
        }
        self.demand(peer, &message, request.as_ref(), demands)
    }

    fn request(
        &mut self,
        peer: &str,
        method: &str,
        within: Duration,
        demands: &[Demand],
    ) -> Result<()> {
        let actor = self.actor(peer)?;
        let started = Instant::now();
        let mut others = Vec::new();
        let found = loop {
            let left = within.saturating_sub(started.elapsed());
            let Some(message) = actor.peer.receive(left)? else {
                break None;
            };
            if message.status().is_none() && message.method() == method {
                break Some(message);
            }
            others.push(message);
        };
        let came: Vec<String> = others.iter().map(|other| other.start.clone()).collect();
        actor.peer.put_back(others);
        let Some(message) = found else {
            if came.is_empty() {
                bail!("no {method} within {within:?}");
            }
            bail!("no {method} within {within:?}, but {}", came.join("; "));
        };
        if method != "ACK" && method != "CANCEL" {
            let to = message.get("To").unwrap_or_default();
            let to = if message.tag("To").is_some() {
                to.to_owned()
            } else {
                format!("{to};tag={}", actor.tag)
            };
            actor.dialog = Dialog {
                from: to,
                to: message.get("From").unwrap_or_default().to_owned(),
                target: message.contact().unwrap_or(&actor.dialog.target).to_owned(),
                routes: message.record_route().join(", "),
                call: message.get("Call-ID").unwrap_or_default().to_owned(),
            };
        }
        actor.received.insert(method.to_owned(), message.clone());
        method.clone_into(&mut actor.last_received);
        self.demand(peer, &message, None, demands)
    }

    fn answer(
        &mut self,
        peer: &str,
        code: u16,
        method: Option<&str>,
        lines: &[String],
    ) -> Result<()> {
        let actor = self.actor(peer)?;
        let method = method.unwrap_or(&actor.last_received).to_owned();
        let request = actor
            .received
            .get(&method)
            .cloned()
            .with_context(|| format!("no {method} has come"))?;
        let tag = actor.tag.clone();
        let mut fields: Vec<(String, String)> = Vec::new();
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            for value in request.all(name) {
                let value = if name == "To" && request.tag("To").is_none() && code > 100 {
                    format!("{value};tag={tag}")
                } else {
                    value.to_owned()
                };
                fields.push((name.to_owned(), value));
            }
        }
        let mut parts = lines.splitn(2, |line| line.is_empty());
        for line in parts.next().unwrap_or_default() {
            let (name, value) = line.split_once(':').context("not a field")?;
            let value = self.expand(peer, value.trim());
            if name == "To" {
                fields.retain(|(field, _)| field != "To");
            }
            fields.push((name.to_owned(), value));
        }
        let body: String = parts
            .next()
            .unwrap_or_default()
            .iter()
            .map(|line| self.expand(peer, line))
            .collect::<Vec<_>>()
            .join("\r\n");
        let dialog = method == "INVITE" && (101..300).contains(&code);
        if dialog && !fields.iter().any(|(name, _)| name == "Contact") {
            fields.push(("Contact".to_owned(), self.expand(peer, "<{contact}>")));
        }
        fields.push(("Content-Length".to_owned(), body.len().to_string()));
        let message = Message {
            start: format!("SIP/2.0 {code} Scripted"),
            fields,
            body,
        };
        self.actor(peer)?.peer.answer(&message.to_bytes())
    }

    fn demand(
        &self,
        peer: &str,
        message: &Message,
        request: Option<&Message>,
        demands: &[Demand],
    ) -> Result<()> {
        for demand in demands {
            match demand {
                Demand::Has(name, text) => {
                    let text = self.expand(peer, text);
                    let values: Vec<&str> = message.all(name).collect();
                    if !values.iter().any(|value| value.contains(&text)) {
                        bail!(
                            "{} has no {name} with `{text}` but [{}]",
                            message.start,
                            values.join(" | ")
                        );
                    }
                }
                Demand::No(name) => {
                    if let Some(value) = message.get(name) {
                        bail!("{} has {name}: {value}", message.start);
                    }
                }
                Demand::Same(name) => {
                    let request = request.context("no request to compare with")?;
                    let (is, was): (Vec<_>, Vec<_>) =
                        (message.all(name).collect(), request.all(name).collect());
                    // What RFC 3581 lets a server fill in is no difference.
                    let plain = |values: &[&str]| -> Vec<String> {
                        values
                            .iter()
                            .map(|value| {
                                value
                                    .split(';')
                                    .map(str::trim)
                                    .filter(|part| {
                                        !part.starts_with("rport") && !part.starts_with("received")
                                    })
                                    .collect::<Vec<_>>()
                                    .join(";")
                            })
                            .collect()
                    };
                    if plain(&is) != plain(&was) {
                        bail!("{name} is {} and was {}", is.join(" | "), was.join(" | "));
                    }
                }
                Demand::Uri(text) => {
                    let text = self.expand(peer, text);
                    if !message.uri().contains(&text) {
                        bail!("the Request-URI is {}, without `{text}`", message.uri());
                    }
                }
                Demand::Body(text) => {
                    let text = self.expand(peer, text);
                    if !message.body.contains(&text) {
                        bail!("the body has no `{text}`: {:?}", message.body);
                    }
                }
                Demand::Count(name, number) => {
                    let is = message.all(name).count();
                    if is != *number {
                        bail!("{} has {is} of {name}, not {number}", message.start);
                    }
                }
            }
        }
        Ok(())
    }
}
