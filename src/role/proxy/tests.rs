use std::net::SocketAddr;
use std::time::UNIX_EPOCH;

use sip_message::{Message, ParserConfig, Uri};
use sip_testkit::{Call, RecordingTransactions};
use sip_transport::{FlowId, SelectError, TransportKind};

use super::*;
use crate::auth::{Algorithm, AuthConfig, hex};
use crate::location::{Binding, Q};
use crate::users;

mod callers;
mod calls;
mod flows;
mod gruus;
mod numbers;
mod preferences;
mod requests;
mod rfc3261;
mod routing;
mod section16;
mod signatures;
mod statements;
mod throttle;

/// A proxy whose needs are answered at once: alice and bob are users, bindings are what the test says.
struct World {
    proxy: Proxy,
    layer: RecordingTransactions,
    users: users::Memory,
    bindings: Vec<Binding>,
    now: Instant,
    servers: u32,
    /// Next hops that were asked for.
    hops: Vec<String>,
    /// The tokens of flows that came with them.
    tokens: Vec<Option<String>>,
    /// How many flows each next hop has; 0 is an error.
    flows: usize,
    /// The transport of those flows.
    kind: TransportKind,
    silent: bool,
    /// The time of day with which needs are answered.
    wall: SystemTime,
    /// Records of names, for ENUM.
    names: Vec<(String, sip_transport::Rewrite)>,
    /// Certificates by their address.
    certificates: Vec<(String, Vec<u8>)>,
}

/// What a branch was sent as.
struct Sent {
    id: ClientTransactionId,
    request: Request,
    loop_hash: u64,
}

impl World {
    fn new() -> Self {
        Self::with(true)
    }

    fn with(authenticated: bool) -> Self {
        let seed = Seed::from_bytes([5; 32]);
        let mut domains = Domains::new("example.com");
        domains.add_address("192.0.2.10:5060".parse().unwrap());
        let authenticator =
            authenticated.then(|| Authenticator::new(AuthConfig::new("example.com"), &seed));
        Self {
            proxy: Proxy::new(config(domains), authenticator, &seed),
            layer: RecordingTransactions::default().passing_on(),
            users: users::Memory::new("example.com")
                .with("alice", "secret")
                .with("bob", "hunter2"),
            bindings: Vec::new(),
            now: Instant::now(),
            servers: 0,
            hops: Vec::new(),
            tokens: Vec::new(),
            flows: 1,
            kind: TransportKind::Udp,
            silent: false,
            wall: UNIX_EPOCH,
            names: Vec::new(),
            certificates: Vec::new(),
        }
    }

    fn bind(&mut self, contact: &str, q: Option<u16>) {
        let mut binding = Binding::new(contact, UNIX_EPOCH, "c", 1);
        binding.q = q.map(Q::from_thousandths);
        self.bindings.push(binding);
    }

    fn input(&mut self, event: Event) -> Option<Event> {
        let back = self
            .proxy
            .handle_input(event, &mut self.layer, UNIX_EPOCH, self.now);
        self.answer();
        back
    }

    fn answer(&mut self) {
        while let Some(output) = self.proxy.poll_output() {
            let RoleOutput::Need { token, need } = output else {
                continue;
            };
            if self.silent {
                continue;
            }
            let answer = match need {
                Need::Credential { username, realm } => {
                    Answer::Credential(Ok(self.users.hashes(&username, &realm).cloned()))
                }
                Need::Lookup { aor } => {
                    assert_eq!(aor.domain(), "example.com");
                    Answer::Bindings(Ok(if aor.user() == "bob" {
                        self.bindings.clone()
                    } else {
                        Vec::new()
                    }))
                }
                Need::FlowToken { .. } => Answer::FlowToken(Some("caller".into())),
                Need::SelectFlow {
                    next_hop,
                    size,
                    way,
                } => {
                    assert!(size > 100);
                    let is_dead = way
                        .as_ref()
                        .is_some_and(|way| way.is_only && way.token.starts_with("dead"));
                    self.tokens.push(way.map(|way| way.token.into()));
                    self.hops.push(next_hop.to_string());
                    let flows: Vec<Flow> = (1..=self.flows)
                        .map(|n| flow(self.kind, u32::try_from(n).unwrap(), "192.0.2.99:5060"))
                        .collect();
                    Answer::Flows(if flows.is_empty() || is_dead {
                        Err(SelectError::NoRoute)
                    } else {
                        Ok(flows)
                    })
                }
                Need::SelectPlace { .. } => panic!("of a stateless proxy"),
                Need::Rewrites { name } => {
                    let records = self.names.iter().filter(|(known, _)| **known == *name);
                    Answer::Rewrites(Ok(records.map(|(_, record)| record.clone()).collect()))
                }
                Need::Certificates { url } => {
                    let found = self.certificates.iter().find(|(known, _)| **known == *url);
                    Answer::Certificates(found.map(|(_, bytes)| bytes.clone().into()))
                }
                Need::Update { .. } => panic!("a proxy changes no bindings"),
            };
            self.proxy
                .handle_answer(token, answer, &mut self.layer, self.wall, self.now);
        }
    }

    /// A request arrives; what comes back from the proxy.
    fn request(&mut self, text: &str) -> (ServerTransactionId, Option<Event>) {
        self.request_over(text, flow(TransportKind::Udp, 0, "198.51.100.7:5060"))
    }

    fn request_over(&mut self, text: &str, flow: Flow) -> (ServerTransactionId, Option<Event>) {
        self.servers += 1;
        let id = ServerTransactionId::from_parts(self.servers, 0);
        let back = self.input(Event::Request {
            id,
            request: parse(text).into(),
            flow,
            merged: false,
        });
        (id, back)
    }

    fn sent(&mut self) -> Vec<Sent> {
        let calls = self.layer.take().into_iter();
        calls
            .filter_map(|call| match call {
                Call::Forward {
                    id,
                    request,
                    loop_hash,
                    ..
                } => Some(Sent {
                    id,
                    request,
                    loop_hash,
                }),
                _ => None,
            })
            .collect()
    }

    fn responses(&mut self) -> Vec<Response> {
        let calls = self.layer.take().into_iter();
        calls
            .filter_map(|call| {
                if let Call::Respond { response, .. } = call {
                    Some(response)
                } else {
                    None
                }
            })
            .collect()
    }

    fn statuses(&mut self) -> Vec<u16> {
        self.responses()
            .iter()
            .map(|response| response.status().as_u16())
            .collect()
    }

    /// The status of the only response to a request.
    fn refused(&mut self, text: &str) -> (u16, String) {
        let (_, back) = self.request(text);
        assert!(back.is_none());
        let responses = self.responses();
        assert_eq!(responses.len(), 1, "one response to\n{text}");
        (
            responses[0].status().as_u16(),
            responses[0].reason().to_owned(),
        )
    }

    /// A branch is answered.
    fn reply(&mut self, sent: &Sent, status: u16) {
        self.reply_with(sent, status, &[]);
    }

    fn reply_with(&mut self, sent: &Sent, status: u16, fields: &[(HeaderName, &str)]) {
        let mut received = sent.request.clone();
        received.headers_mut().push_front(
            HeaderName::Via,
            "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKours",
        );
        let mut builder =
            Response::to(&received, StatusCode::from_u16(status).unwrap()).to_tag("theirs");
        for (name, value) in fields {
            builder = builder.header(name.clone(), value);
        }
        let response = builder.build().unwrap();
        let back = self.input(Event::Response {
            id: sent.id,
            response: response.into(),
            flow: flow(TransportKind::Udp, 1, "192.0.2.99:5060"),
        });
        assert!(back.is_none());
    }

    /// A call from outside to bob: its transaction and the branches.
    fn call_bob(&mut self) -> (ServerTransactionId, Vec<Sent>) {
        let (id, back) = self.request(&invite("sip:bob@example.com", ""));
        assert!(back.is_none());
        (id, self.sent())
    }

    fn end(&mut self, sent: &Sent) {
        self.input(Event::Terminated {
            id: TransactionId::Client(sent.id),
        });
    }
}

fn config(domains: Domains) -> ProxyConfig {
    let mut config = ProxyConfig::new(domains);
    config.gruus = Some(Gruus::new(&Seed::from_bytes([4; 32])));
    config
}

fn flow(kind: TransportKind, index: u32, remote: &str) -> Flow {
    let local: SocketAddr = "192.0.2.10:5060".parse().unwrap();
    Flow::new(
        FlowId::from_parts(index, 0),
        kind,
        local,
        remote.parse().unwrap(),
    )
}

fn invite(uri: &str, fields: &str) -> String {
    message("INVITE", uri, fields)
}

/// A request from carol, who is no user here, unless the fields say otherwise.
fn message(method: &str, uri: &str, fields: &str) -> String {
    let mut text =
        format!("{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKtheirs\r\n");
    let cseq = format!("1 {method}");
    for (name, default) in [
        ("From:", "<sip:carol@example.net>;tag=1"),
        ("To:", "<sip:bob@example.com>"),
        ("Call-ID:", "call@example.net"),
        ("CSeq:", cseq.as_str()),
        ("Max-Forwards:", "70"),
    ] {
        if !fields.contains(&format!("\r\n{name}")) && !fields.starts_with(name) {
            text.push_str(&format!("{name} {default}\r\n"));
        }
    }
    format!("{text}{fields}Content-Length: 0\r\n\r\n")
}

fn parse(text: &str) -> Request {
    match Message::parse(text.to_owned().into(), &ParserConfig::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

/// The credentials of a user for the nonce of a challenge.
fn credentials(
    challenge: &Response,
    user: &str,
    password: &str,
    method: &str,
    uri: &str,
) -> String {
    let value = challenge
        .headers()
        .values(HeaderName::ProxyAuthenticate)
        .next()
        .unwrap()
        .to_owned();
    let nonce = value
        .split("nonce=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let algorithm = Algorithm::Sha512_256;
    let ha1 = hex(algorithm.ha1(user, "example.com", password).as_bytes());
    let response = hex(algorithm
        .response(
            &ha1,
            &format!("{nonce}:00000001:c:auth"),
            &algorithm.ha2(method, uri),
        )
        .as_bytes());
    format!(
        "Proxy-Authorization: Digest username=\"{user}\", realm=\"example.com\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=SHA-512-256, qop=auth, nc=00000001, cnonce=\"c\"\r\n"
    )
}

fn values(request: &Request, name: HeaderName) -> Vec<&str> {
    request.headers().values(name).collect()
}
