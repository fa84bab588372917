//! A whole stack with a network that is none: what tests and the fuzzer of whole roles drive. Each message that leaves it has to
//! pass the strict validator, and to be read again.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_stack::dialog::{
    Body, DialogConfig, Dialogs, Event, InviteRequest, RejectCause, SessionId,
};
use sip_stack::domain::{Aor, Domains};
use sip_stack::location::{Binding, UpdateOutcome, apply};
use sip_stack::message::{Message, ParserConfig, StatusCode, Uri};
use sip_stack::role::events::reg::RegPackage;
use sip_stack::role::events::{Events, EventsConfig};
use sip_stack::role::proxy::{Proxy, ProxyConfig};
use sip_stack::role::registrar::{Registrar, RegistrarConfig};
use sip_stack::role::stateless::{Stateless, StatelessConfig};
use sip_stack::role::{Answer, Need};
use sip_stack::routing::{Hop, Route, Rule, Table};
use sip_stack::stack::{Input, Live, Output, Parts, Stack};
use sip_stack::transaction::{TransactionConfig, Transactions};
use sip_stack::transport::{
    ConnectionError, ConnectionId, Input as Io, ListenerId, Output as Wanted, Seed,
    TransportConfig, TransportKind, Transports,
};
use sip_testkit::validate;

/// What a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Registrar, proxy, notifier; stateless for the users that the test says.
    Server,
    /// Registrar and redirect server.
    Redirect,
    /// A telephone that answers, and that calls when it is told to.
    Agent,
}

/// What leaves a subject.
#[derive(Debug, Clone)]
pub(crate) struct Leaves {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) kind: TransportKind,
    pub(crate) payload: Bytes,
}

const UDP: ListenerId = ListenerId::new(0);
const TCP: ListenerId = ListenerId::new(1);
pub(crate) const DOMAIN: &str = "example.com";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// See the [module](self).
pub(crate) struct Subject {
    pub(crate) stack: Stack,
    pub(crate) here: SocketAddr,
    kind: Kind,
    began: Instant,
    bindings: BTreeMap<String, Vec<Binding>>,
    /// The connection between two addresses, theirs first.
    connections: BTreeMap<(SocketAddr, SocketAddr), ConnectionId>,
    /// Who takes connections.
    listening: Vec<SocketAddr>,
    opened: u64,
    out: VecDeque<Leaves>,
    /// The calls of the agent, and when they are ended.
    sessions: Vec<(SessionId, Option<Instant>)>,
    /// The call that is given up when it rings.
    impatient: Option<SessionId>,
    /// Connections that it has closed: what comes over them is lost.
    closed: Vec<(SocketAddr, SocketAddr)>,
    /// What became of the calls that it made, in order.
    pub(crate) outcomes: BTreeMap<SessionId, String>,
    /// Who it talks to may have changed any field that it copies into its answers.
    pub(crate) is_among_liars: bool,
    /// How many messages left it.
    pub(crate) sent: usize,
    /// What was wrong with them.
    pub(crate) faults: Vec<String>,
}

impl Subject {
    /// One at this address. `stateless` are the first digits of users, and where requests for them go without a transaction.
    pub(crate) fn new(
        kind: Kind,
        here: SocketAddr,
        stateless: &[(&str, &str)],
        seed: &Seed,
        now: Instant,
    ) -> Self {
        let mut domains = Domains::new(DOMAIN);
        domains.add_address(here);
        let is_server = kind != Kind::Agent;
        let mut table = Table::new();
        for (prefix, hop) in stateless {
            let hop = Hop::new(Uri::parse(hop).expect("the test's own URI"));
            table = table.rule(Rule::new(Route::to([hop]).trusted().stateless()).prefix(prefix));
        }
        let table = Arc::new(table);
        let mut proxy = ProxyConfig::new(domains.clone());
        proxy.redirects = kind == Kind::Redirect;
        proxy.router = Some(table.clone());
        let events = || {
            let package = Box::new(RegPackage::new(Vec::new(), None));
            Events::new(
                EventsConfig::new(domains.clone()),
                None,
                vec![package],
                seed,
            )
        };
        let mut stack = Stack::new(Parts {
            transports: Transports::new(TransportConfig::default(), seed.derive("transport")),
            transactions: Transactions::new(
                TransactionConfig::default(),
                seed.derive("transaction"),
            ),
            dialogs: (!is_server)
                .then(|| Dialogs::new(DialogConfig::default(), seed.derive("dialog"))),
            registrar: is_server
                .then(|| Registrar::new(RegistrarConfig::new(domains.clone()), None, seed)),
            events: is_server.then(events),
            proxy: is_server.then(|| Proxy::new(proxy, None, seed)),
            stateless: (!stateless.is_empty())
                .then(|| Stateless::new(StatelessConfig::new(domains.clone(), table))),
            handled: Vec::new(),
        });
        // What leaves is judged here, with what is known of the peers.
        stack.danger_dismiss_judge();
        stack.add_listener(UDP, TransportKind::Udp, here);
        stack.add_listener(TCP, TransportKind::Tcp, here);
        Self {
            stack,
            here,
            kind,
            began: now,
            bindings: BTreeMap::new(),
            connections: BTreeMap::new(),
            listening: vec![here],
            opened: 0,
            out: VecDeque::new(),
            sessions: Vec::new(),
            impatient: None,
            closed: Vec::new(),
            outcomes: BTreeMap::new(),
            is_among_liars: false,
            sent: 0,
            faults: Vec::new(),
        }
    }

    /// Somebody takes connections there.
    pub(crate) fn listens(&mut self, address: SocketAddr) {
        self.listening.push(address);
    }

    /// Registers a user, without a REGISTER.
    pub(crate) fn bind(&mut self, user: &str, contact: &str) {
        let binding = Binding::new(
            contact,
            self.wall(self.began) + Duration::from_secs(86_400),
            "c",
            1,
        );
        self.bindings
            .entry(Aor::new(user, DOMAIN).as_str().to_owned())
            .or_default()
            .push(binding);
    }

    fn wall(&self, now: Instant) -> SystemTime {
        SystemTime::UNIX_EPOCH
            + Duration::from_secs(1_700_000_000)
            + now.saturating_duration_since(self.began)
    }

    /// Something arrived.
    pub(crate) fn arrive(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        kind: TransportKind,
        payload: Bytes,
        now: Instant,
    ) {
        if kind == TransportKind::Udp {
            let input = Io::Datagram {
                listener: UDP,
                remote: from,
                local: None,
                payload,
            };
            self.input(input, now);
            return;
        }
        if self.closed.contains(&(from, to)) {
            return;
        }
        let connection = match self.connections.get(&(from, to)) {
            Some(connection) => *connection,
            None => {
                self.opened += 1;
                let connection = ConnectionId::accepted(self.opened);
                self.connections.insert((from, to), connection);
                self.input(
                    Io::Accepted {
                        connection,
                        listener: TCP,
                        remote: from,
                    },
                    now,
                );
                connection
            }
        };
        if !payload.is_empty() {
            self.input(
                Io::Stream {
                    connection,
                    payload,
                },
                now,
            );
        }
    }

    /// The other side closes its connection, if there is one.
    pub(crate) fn hang_up_on(&mut self, from: SocketAddr, now: Instant) {
        let found = self
            .connections
            .iter()
            .find(|((remote, _), _)| *remote == from);
        if let Some((key, connection)) = found.map(|(key, id)| (*key, *id)) {
            self.connections.remove(&key);
            self.input(
                Io::Closed {
                    connection,
                    error: Some(ConnectionError::Reset),
                },
                now,
            );
        }
    }

    fn input(&mut self, input: Io, now: Instant) {
        let wall = self.wall(now);
        self.stack.handle_input(Input::Io(input), wall, now);
        self.outputs(now);
    }

    /// Time passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let wall = self.wall(now);
        self.stack.handle_timeout(wall, now);
        let due: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, at)| at.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.end(id, now);
        }
        self.outputs(now);
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let session = self.sessions.iter().filter_map(|(_, at)| *at);
        self.stack.poll_timeout().into_iter().chain(session).min()
    }

    /// The next message that leaves.
    pub(crate) fn poll(&mut self) -> Option<Leaves> {
        self.out.pop_front()
    }

    /// What is kept.
    pub(crate) fn live(&self) -> Live {
        self.stack.live()
    }

    /// The agent calls.
    pub(crate) fn call(&mut self, target: &str, cancels: bool, now: Instant) -> Option<SessionId> {
        let uri = |text: &str| Uri::parse(text).expect("the test's own URI");
        let own = uri(&format!("sip:agent@{}", self.here));
        let mut invite = InviteRequest::new(uri(target), own.clone(), uri(target), own);
        invite.body = Some(Body::sdp(SDP));
        let wall = self.wall(now);
        let id = self
            .stack
            .dialogs(wall, now, |dialogs, t| dialogs.invite(invite, t, now))?;
        if cancels {
            self.impatient = Some(id);
        }
        // Nobody rings for ever.
        self.sessions
            .push((id, Some(now + Duration::from_secs(60))));
        self.outputs(now);
        Some(id)
    }

    /// The agent ends all its calls.
    pub(crate) fn end_all(&mut self, now: Instant) {
        let all: Vec<SessionId> = self.sessions.iter().map(|(id, _)| *id).collect();
        for id in all {
            self.end(id, now);
        }
        self.outputs(now);
    }

    fn end(&mut self, id: SessionId, now: Instant) {
        self.ends_at(id, None);
        let wall = self.wall(now);
        self.stack
            .dialogs(wall, now, |dialogs, t| dialogs.end(id, t, now));
    }

    fn ends_at(&mut self, id: SessionId, at: Option<Instant>) {
        for (known, when) in &mut self.sessions {
            if *known == id {
                *when = at;
            }
        }
    }

    fn leave(&mut self, from: SocketAddr, to: SocketAddr, kind: TransportKind, payload: Bytes) {
        self.sent += 1;
        // Who passes a message on is answerable for the hop only, and so is who answers what was broken.
        let copies = self.is_among_liars && payload.starts_with(b"SIP/2.0 ");
        let report = if self.kind == Kind::Agent && !copies {
            validate::report(&payload, kind)
        } else {
            validate::report_passed_on(&payload, kind)
        };
        // A 400 repeats the CSeq that it is about (RFC 3261 §8.2.6.2).
        let is_about = payload.starts_with(b"SIP/2.0 400 Malformed CSeq");
        let is_fault = |report: &String| {
            let mut faults = report
                .lines()
                .skip(1)
                .take_while(|line| line.starts_with("  "));
            // A peer of RFC 2543 has no tag (RFC 3261 §12.1.2), and then requests to it have none.
            let is_copied = |line: &str| {
                ["  Via:", "  CSeq:", "  To: no tag"]
                    .iter()
                    .any(|known| line.starts_with(known))
            };
            !(is_about || self.is_among_liars && faults.all(is_copied))
        };
        let report = report.filter(is_fault);
        self.faults.extend(report);
        let is_keep_alive = payload.iter().all(|byte| b"\r\n".contains(byte));
        if !is_keep_alive
            && let Err(error) = Message::parse(payload.clone(), &ParserConfig::default())
        {
            let text = String::from_utf8_lossy(&payload).into_owned();
            self.faults
                .push(format!("what leaves cannot be read: {error}\n{text}"));
        }
        self.out.push_back(Leaves {
            from,
            to,
            kind,
            payload,
        });
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "there are no names, no certificates and no traces here"
    )]
    fn outputs(&mut self, now: Instant) {
        let mut rounds = 0;
        while let Some(output) = self.stack.poll_output() {
            rounds += 1;
            assert!(
                rounds < 100_000,
                "one input makes a bounded number of outputs"
            );
            match output {
                Output::Io(Wanted::Datagram {
                    remote, payload, ..
                }) => {
                    self.leave(self.here, remote, TransportKind::Udp, payload);
                }
                Output::Io(Wanted::Stream {
                    connection,
                    payload,
                }) => {
                    let bytes = payload.len();
                    let key = self.connections.iter().find(|(_, id)| **id == connection);
                    if let Some((remote, local)) = key.map(|(key, _)| *key) {
                        self.leave(local, remote, TransportKind::Tcp, payload);
                        self.input(Io::Sent { connection, bytes }, now);
                    }
                }
                Output::Io(Wanted::Connect {
                    connection, remote, ..
                }) => {
                    if self.listening.contains(&remote) {
                        self.opened += 1;
                        let port = 40_000 + u16::try_from(self.opened % 20_000).unwrap_or(0);
                        let local = SocketAddr::new(self.here.ip(), port);
                        self.connections.insert((remote, local), connection);
                        self.input(Io::Connected { connection, local }, now);
                    } else {
                        let error = Some(ConnectionError::Refused);
                        self.input(Io::Closed { connection, error }, now);
                    }
                }
                Output::Io(Wanted::Close { connection }) => {
                    let key = self.connections.iter().find(|(_, id)| **id == connection);
                    if let Some(key) = key.map(|(key, _)| *key) {
                        self.connections.remove(&key);
                        // Our own port is not used again; who connected to us may do so anew.
                        if !connection.is_accepted() {
                            self.closed.push(key);
                        }
                    }
                }
                Output::Need { asker, need } => {
                    let wall = self.wall(now);
                    let answer = match need {
                        Need::Lookup { aor } => {
                            let known = self.bindings.get(aor.as_str()).cloned();
                            Answer::Bindings(Ok(known.unwrap_or_default()))
                        }
                        Need::Update { aor, update } => {
                            let stored = self.bindings.get(aor.as_str());
                            let outcome =
                                apply(stored.map_or(&[][..], Vec::as_slice), update, wall);
                            if let UpdateOutcome::Stored(bindings) = &outcome {
                                self.bindings
                                    .insert(aor.as_str().to_owned(), bindings.to_vec());
                            }
                            Answer::Updated(Ok(outcome))
                        }
                        Need::Credential { .. } => Answer::Credential(Ok(None)),
                        Need::Rewrites { .. } => Answer::Rewrites(Ok(Vec::new())),
                        Need::Certificates { .. } => Answer::Certificates(None),
                        Need::SelectFlow { .. }
                        | Need::SelectPlace { .. }
                        | Need::FlowToken { .. } => continue,
                    };
                    self.stack
                        .handle_input(Input::Answer { asker, answer }, wall, now);
                }
                Output::Dialog(event) => self.on_event(event, now),
                Output::Authenticate { token, .. } => {
                    let wall = self.wall(now);
                    self.stack.credentials(token, None, wall, now);
                }
                _ => {}
            }
        }
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the rest is for telephones that do more"
    )]
    fn on_event(&mut self, event: Event, now: Instant) {
        let wall = self.wall(now);
        if let (Some(session), true) = (event.session(), event.is_end()) {
            self.sessions.retain(|(known, _)| *known != session);
        }
        let body = || Some(Body::sdp(SDP));
        match event {
            Event::Incoming { session, .. } => {
                self.sessions.push((session, None));
                self.stack.dialogs(wall, now, |dialogs, t| {
                    let _ = dialogs.ring(session, StatusCode::RINGING, None, t, now);
                    let _ = dialogs.accept(session, body(), t, now);
                });
            }
            Event::ReInvite { session, .. } => {
                self.stack.dialogs(wall, now, |dialogs, t| {
                    let _ = dialogs.accept_reinvite(session, body(), t, now);
                });
            }
            Event::Update { session, .. } => {
                self.stack.dialogs(wall, now, |dialogs, t| {
                    let _ = dialogs.accept_update(session, body(), t, now);
                });
            }
            Event::Within { id, request, .. } => {
                self.stack.dialogs(wall, now, |dialogs, t| {
                    let status = StatusCode::NOT_IMPLEMENTED;
                    let _ = dialogs.respond_within(id, &request, status, None, t, now);
                });
            }
            Event::Progress { session, .. } if self.impatient == Some(session) => {
                self.end(session, now)
            }
            Event::Accepted { session, .. } => {
                self.outcomes
                    .entry(session)
                    .or_insert_with(|| "200".to_owned());
                self.ends_at(session, Some(now + Duration::from_secs(1)));
            }
            Event::Rejected { session, cause } => {
                let outcome = match cause {
                    RejectCause::Response(response) => response.status().as_u16().to_string(),
                    RejectCause::Failed(_) => "none".to_owned(),
                };
                self.outcomes.entry(session).or_insert(outcome);
            }
            _ => {}
        }
    }
}
