use std::time::UNIX_EPOCH;

use sip_message::{HeaderName, Message, Method, ParserConfig, Response, StatusCode};
use sip_testkit::{Call, RecordingTransactions};
use sip_transaction::ClientTransactionId;
use sip_transport::{FlowId, TransportKind};

use super::package::Scope;
use super::reg::RegPackage;
use super::*;
use crate::auth::{Algorithm, AuthConfig, hex};
use crate::gruu::Gruus;
use crate::location::Outbound;
use crate::reginfo::RegInfo;
use crate::users;

mod flows;
mod statements;
mod throttle;

/// A notifier whose needs are answered at once. Bindings are what the test says; time is the test's.
struct World {
    events: Events,
    layer: RecordingTransactions,
    bindings: Result<Vec<Binding>, StoreError>,
    users: users::Memory,
    begun: Instant,
    seconds: u64,
    next: u32,
    watched: Vec<(String, bool)>,
    tokens: Vec<Option<String>>,
    hops: Vec<String>,
    lookups: usize,
    /// The token of the flow that requests come over.
    token: &'static str,
    /// So many seconds the clock of the store is behind.
    behind: u64,
}

/// A NOTIFY that was sent.
struct Told {
    id: ClientTransactionId,
    request: Request,
}

impl Told {
    fn info(&self) -> RegInfo {
        RegInfo::parse(std::str::from_utf8(self.request.body()).unwrap()).unwrap()
    }

    /// Version, `full` or `partial`, state, and each contact with its event.
    fn says(&self) -> String {
        let info = self.info();
        let registration = &info.registrations[0];
        let contacts: Vec<String> = registration
            .contacts
            .iter()
            .map(|contact| format!(" {}={}", contact.uri, contact.event))
            .collect();
        let scope = if info.is_full { "full" } else { "partial" };
        let state = registration.state.as_str();
        format!("{} {scope} {state}{}", info.version, contacts.concat())
    }

    fn state(&self) -> &str {
        self.request
            .headers()
            .get(HeaderName::SubscriptionState)
            .unwrap()
    }
}

impl World {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(is_authenticated: bool) -> Self {
        let seed = Seed::from_bytes([6; 32]);
        let mut config = EventsConfig::new(Domains::new("example.com"));
        config.gruus = Some(Gruus::new(&Seed::from_bytes([4; 32])));
        let authenticator =
            is_authenticated.then(|| Authenticator::new(AuthConfig::new("example.com"), &seed));
        let gruus = Gruus::new(&Seed::from_bytes([4; 32]));
        let reg = RegPackage::new(vec!["desk".into()], Some(gruus)).temporary_gruus(&seed);
        Self {
            events: Events::new(config, authenticator, vec![Box::new(reg)], &seed),
            layer: RecordingTransactions::default(),
            bindings: Ok(Vec::new()),
            users: users::Memory::new("example.com")
                .with("alice", "secret")
                .with("bob", "hunter2"),
            begun: Instant::now(),
            seconds: 0,
            next: 0,
            watched: Vec::new(),
            tokens: Vec::new(),
            hops: Vec::new(),
            lookups: 0,
            token: "theirs",
            behind: 0,
        }
    }

    fn now(&self) -> Instant {
        self.begun + Duration::from_secs(self.seconds)
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + self.seconds)
    }

    fn bind(&mut self, contact: &str, cseq: u32, expires: u64) {
        let expires = self.wall() + Duration::from_secs(expires);
        let binding = Binding::new(contact, expires, "c", cseq);
        let all = self.bindings.as_mut().unwrap();
        all.retain(|known| known.contact() != contact);
        all.push(binding);
    }

    fn input(&mut self, event: Event) -> Option<Event> {
        let (wall, now) = (self.wall(), self.now());
        let back = self.events.handle_input(event, &mut self.layer, wall, now);
        self.answer();
        back
    }

    fn subscribe(&mut self, fields: &str) -> Option<Event> {
        self.subscribe_over(fields, TransportKind::Udp)
    }

    fn subscribe_over(&mut self, fields: &str, kind: TransportKind) -> Option<Event> {
        self.next += 1;
        let local = "192.0.2.10:5060".parse().unwrap();
        let remote = "192.0.2.7:5060".parse().unwrap();
        self.input(Event::Request {
            id: ServerTransactionId::from_parts(self.next, 0),
            request: parse(fields).into(),
            flow: Flow::new(FlowId::from_parts(0, 0), kind, local, remote),
            merged: false,
        })
    }

    fn answer(&mut self) {
        while let Some(output) = self.events.poll_output() {
            let (wall, now) = (self.wall(), self.now());
            let (token, need) = match output {
                RoleOutput::Need { token, need } => (token, need),
                RoleOutput::Watch { aor, is_watched } => {
                    self.watched.push((aor.user().to_owned(), is_watched));
                    continue;
                }
                RoleOutput::Event(_) => continue,
            };
            let answer = match need {
                Need::Credential { username, realm } => {
                    Answer::Credential(Ok(self.users.hashes(&username, &realm).cloned()))
                }
                Need::Lookup { .. } => {
                    self.lookups += 1;
                    Answer::Bindings(self.bindings.clone().map(|mut all| {
                        let there = wall - Duration::from_secs(self.behind);
                        all.retain(|binding| binding.is_live(there));
                        all
                    }))
                }
                Need::FlowToken { .. } => Answer::FlowToken(Some(self.token.into())),
                Need::SelectPlace { .. } => panic!("of a stateless proxy"),
                Need::SelectFlow { way, next_hop, .. } => {
                    self.hops.push(next_hop.to_string());
                    self.tokens.push(way.map(|way| way.token.into()));
                    let local = "192.0.2.10:5060".parse().unwrap();
                    let remote = "192.0.2.7:5060".parse().unwrap();
                    let id = FlowId::from_parts(1, 0);
                    Answer::Flows(Ok(vec![Flow::new(id, TransportKind::Udp, local, remote)]))
                }
                Need::Update { .. } | Need::Rewrites { .. } | Need::Certificates { .. } => {
                    panic!("a notifier changes no bindings, and asks for no names")
                }
            };
            self.events
                .handle_answer(token, answer, &mut self.layer, wall, now);
        }
    }

    /// What was answered, and the NOTIFYs, which are answered 200.
    fn drain(&mut self) -> (Vec<Response>, Vec<Told>) {
        let (mut responses, mut told) = (Vec::new(), Vec::new());
        loop {
            let calls = self.layer.take();
            if calls.is_empty() {
                return (responses, told);
            }
            for call in calls {
                match call {
                    Call::Respond { response, .. } => responses.push(response),
                    Call::Request { id, request, .. } => {
                        assert_eq!(*request.method(), Method::Notify);
                        told.push(Told { id, request });
                        self.reply(told.last().unwrap(), StatusCode::OK);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn reply(&mut self, told: &Told, status: StatusCode) {
        self.reply_saying(told, status, "");
    }

    /// With this behind our Via.
    fn reply_saying(&mut self, told: &Told, status: StatusCode, report: &str) {
        let mut received = told.request.clone();
        let via = format!("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKours{report}");
        received.headers_mut().push_front(HeaderName::Via, via);
        let response = Response::to(&received, status).build().unwrap();
        let local = "192.0.2.10:5060".parse().unwrap();
        let remote = "192.0.2.7:5060".parse().unwrap();
        let flow = Flow::new(FlowId::from_parts(1, 0), TransportKind::Udp, local, remote);
        let id = told.id;
        assert!(
            self.input(Event::Response {
                id,
                response: response.into(),
                flow
            })
            .is_none()
        );
    }

    fn told(&mut self) -> Vec<String> {
        self.drain().1.iter().map(Told::says).collect()
    }

    fn statuses(&mut self) -> Vec<u16> {
        let responses = self.drain().0;
        responses.iter().map(|r| r.status().as_u16()).collect()
    }

    /// Time passes, and with it what is due.
    fn wait(&mut self, seconds: u64) {
        let until = self.seconds + seconds;
        while self.seconds < until {
            self.seconds += 1;
            if self
                .events
                .poll_timeout()
                .is_some_and(|at| at <= self.now())
            {
                let (wall, now) = (self.wall(), self.now());
                self.events.handle_timeout(&mut self.layer, wall, now);
                self.answer();
            }
        }
    }

    fn notice(&mut self, cause: Cause) {
        let notice = Notice {
            aor: Aor::new("alice", "example.com"),
            cause,
        };
        let (wall, now) = (self.wall(), self.now());
        self.events
            .handle_notice(&notice, &mut self.layer, wall, now);
        self.answer();
    }
}

fn parse(fields: &str) -> Request {
    let mut text = String::from(
        "SUBSCRIBE sip:alice@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n",
    );
    for (name, default) in [
        ("From:", "<sip:alice@example.com>;tag=1"),
        ("To:", "<sip:alice@example.com>"),
        ("Call-ID:", "call"),
        ("CSeq:", "1 SUBSCRIBE"),
        ("Contact:", "<sip:alice@192.0.2.7>"),
        ("Event:", "reg"),
        ("Expires:", "3600"),
    ] {
        if !fields.contains(&format!("\r\n{name}")) && !fields.starts_with(name) {
            text.push_str(&format!("{name} {default}\r\n"));
        }
    }
    let text = format!("{text}{fields}Content-Length: 0\r\n\r\n");
    match Message::parse(text.into(), &ParserConfig::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

/// The fields of a SUBSCRIBE in the dialog of that response.
fn within(response: &Response, cseq: u32, expires: u32) -> String {
    format!(
        "To: <sip:alice@example.com>;tag={}\r\nCSeq: {cseq} SUBSCRIBE\r\nExpires: {expires}\r\n",
        response.headers().to_tag().unwrap()
    )
}

#[test]
fn rfc3680_4_7_a_subscriber_is_told_all_and_then_what_changes() {
    let mut world = World::new();
    world.bind("sip:alice@192.0.2.21", 1, 600);
    assert!(world.subscribe("").is_none());
    let (responses, told) = world.drain();
    assert_eq!(responses[0].status(), StatusCode::OK);
    assert_eq!(
        responses[0].headers().get(HeaderName::Expires),
        Some("3600")
    );
    assert_eq!(
        told[0].says(),
        "0 full active sip:alice@192.0.2.21=registered"
    );
    assert_eq!(told[0].state(), "active;expires=3600");
    assert_eq!(
        told[0].request.headers().get(HeaderName::ContentType),
        Some("application/reginfo+xml")
    );
    let contact = &told[0].info().registrations[0].contacts[0];
    assert_eq!((contact.expires, contact.cseq), (Some(600), Some(1)));
    assert_eq!(contact.call_id.as_deref(), Some("c"));
    assert_eq!(world.watched, [("alice".to_owned(), true)]);
    let id = contact.id.clone();
    // Another contact, and this one again.
    world.seconds += 10;
    world.bind("sip:alice@192.0.2.22", 1, 600);
    world.notice(Cause::Request);
    assert_eq!(
        world.told(),
        ["1 partial active sip:alice@192.0.2.22=registered"]
    );
    world.seconds += 10;
    world.bind("sip:alice@192.0.2.21", 2, 600);
    world.notice(Cause::Request);
    let (_, told) = world.drain();
    assert_eq!(
        told[0].says(),
        "2 partial active sip:alice@192.0.2.21=refreshed"
    );
    assert_eq!(told[0].info().registrations[0].contacts[0].id, id);
    // Nothing new is not told.
    world.seconds += 10;
    world.notice(Cause::Request);
    assert_eq!(world.told(), Vec::<String>::new());
    // One is unregistered.
    world.bindings.as_mut().unwrap().remove(0);
    world.notice(Cause::Request);
    assert_eq!(
        world.told(),
        ["3 partial active sip:alice@192.0.2.22=unregistered"]
    );
}

#[test]
fn rfc3680_4_10_who_begins_to_watch_tells_the_others_nothing_too_soon() {
    let mut world = World::new();
    world.bind("sip:alice@192.0.2.21", 1, 600);
    world.subscribe("");
    world.drain();
    world.seconds += 10;
    world.bind("sip:alice@192.0.2.22", 1, 600);
    world.notice(Cause::Request);
    assert_eq!(world.told().len(), 1);
    // A second later there is a contact more, one less, and a new subscriber.
    world.seconds += 1;
    world.bindings.as_mut().unwrap().remove(0);
    world.bind("sip:alice@192.0.2.23", 1, 600);
    world.notice(Cause::Request);
    world.subscribe("Call-ID: other\r\n");
    assert_eq!(
        world.told(),
        ["0 full active sip:alice@192.0.2.22=registered sip:alice@192.0.2.23=registered"]
    );
    // And one more after another second, when the newest contact was registered again.
    world.seconds += 1;
    world.bind("sip:alice@192.0.2.23", 2, 600);
    world.subscribe("Call-ID: third\r\n");
    assert_eq!(
        world.told(),
        ["0 full active sip:alice@192.0.2.22=registered sip:alice@192.0.2.23=refreshed"]
    );
    world.wait(2);
    assert_eq!(world.told(), Vec::<String>::new());
    // Five seconds after their last one all hear of all that happened.
    world.wait(1);
    let told = world.told();
    let changes =
        "partial active sip:alice@192.0.2.21=unregistered sip:alice@192.0.2.23=registered";
    assert_eq!(
        told,
        [2, 1, 1].map(|version| format!("{version} {changes}"))
    );
    world.wait(20);
    assert_eq!(world.told(), Vec::<String>::new());
}

#[test]
fn rfc3680_4_7_1_every_way_that_a_contact_goes() {
    for (cause, shorter, expected) in [
        (Cause::Request, None, "unregistered"),
        (Cause::Deactivated, None, "deactivated"),
        (Cause::Rejected, None, "rejected"),
        (Cause::Request, Some(60), "shortened"),
    ] {
        let mut world = World::new();
        world.bind("sip:a@192.0.2.21", 1, 600);
        world.subscribe("");
        world.drain();
        world.seconds += 10;
        match shorter {
            Some(seconds) => world.bind("sip:a@192.0.2.21", 1, seconds),
            None => world.bindings.as_mut().unwrap().clear(),
        }
        world.notice(cause);
        let state = if shorter.is_some() {
            "active"
        } else {
            "terminated"
        };
        assert_eq!(
            world.told(),
            [format!("1 partial {state} sip:a@192.0.2.21={expected}")]
        );
    }
    // The time is over: nobody says so.
    let mut world = World::new();
    world.bind("sip:a@192.0.2.21", 1, 60);
    world.subscribe("");
    assert_eq!(world.told(), ["0 full active sip:a@192.0.2.21=registered"]);
    world.wait(59);
    assert!(world.told().is_empty());
    world.wait(2);
    assert_eq!(
        world.told(),
        ["1 partial terminated sip:a@192.0.2.21=expired"]
    );
}

#[test]
fn rfc3680_4_10_changes_in_quick_succession_are_told_together() {
    let mut world = World::new();
    world.subscribe("");
    assert_eq!(world.told(), ["0 full init"]);
    world.bind("sip:a@192.0.2.21", 1, 600);
    world.notice(Cause::Request);
    assert_eq!(
        world.told(),
        ["1 partial active sip:a@192.0.2.21=registered"]
    );
    let asked = world.lookups;
    for cseq in 2..100 {
        world.bind("sip:a@192.0.2.21", cseq, 600);
        world.bind("sip:b@192.0.2.22", cseq, 600);
        world.notice(Cause::Request);
    }
    assert!(world.told().is_empty());
    world.wait(6);
    assert_eq!(
        world.told(),
        ["2 partial active sip:a@192.0.2.21=refreshed sip:b@192.0.2.22=registered"]
    );
    assert_eq!(world.lookups, asked + 1);
    // What an operator does is told at once.
    world.bindings.as_mut().unwrap().clear();
    world.notice(Cause::Rejected);
    assert_eq!(
        world.told(),
        ["3 partial terminated sip:a@192.0.2.21=rejected sip:b@192.0.2.22=rejected"]
    );
}

#[test]
fn rfc5628_5_the_public_gruu_of_a_contact_with_an_instance() {
    let mut world = World::new();
    world.bind("sip:a@192.0.2.21", 1, 600);
    let all = world.bindings.as_mut().unwrap();
    all[0].edit(|fields| {
        fields.parameters = ";+sip.instance=\"<urn:uuid:1>\";audio".into();
        fields.outbound = Some(Outbound {
            instance: "urn:uuid:1".into(),
            reg_id: 1,
        });
    });
    world.subscribe("");
    let (_, told) = world.drain();
    let contact = &told[0].info().registrations[0].contacts[0];
    assert_eq!(
        contact.pub_gruu.as_deref(),
        Some("sip:alice@example.com;gr=urn:uuid:1")
    );
    // Nobody has proven here to be the user, who alone is told a temporary one.
    assert_eq!(contact.temp_gruu, None);
    assert_eq!(
        contact.parameters,
        [
            ("+sip.instance".to_owned(), "\"<urn:uuid:1>\"".to_owned()),
            ("audio".to_owned(), String::new())
        ]
    );
}

#[test]
fn rfc6665_4_2_1_4_a_refresh_brings_all_of_it_and_an_end_ends_the_watching() {
    let mut world = World::new();
    world.bind("sip:a@192.0.2.21", 1, 600);
    world.subscribe("");
    let (responses, _) = world.drain();
    world.seconds += 10;
    world.bind("sip:b@192.0.2.22", 1, 600);
    world.notice(Cause::Request);
    assert_eq!(world.told().len(), 1);
    world.subscribe(&within(&responses[0], 2, 3600));
    let (again, told) = world.drain();
    assert_eq!(again[0].status(), StatusCode::OK);
    assert_eq!(
        told[0].says(),
        "2 full active sip:a@192.0.2.21=registered sip:b@192.0.2.22=registered"
    );
    world.subscribe(&within(&responses[0], 3, 0));
    let (again, told) = world.drain();
    assert_eq!(again[0].status(), StatusCode::OK);
    assert!(
        told[0].state().starts_with("terminated"),
        "{}",
        told[0].state()
    );
    // What it is told last is the state as it is, and not the change of which it knows.
    assert_eq!(
        told[0].says(),
        "3 full active sip:a@192.0.2.21=registered sip:b@192.0.2.22=registered"
    );
    assert_eq!(world.events.subscriptions(), 0);
    assert_eq!(world.watched.last(), Some(&("alice".to_owned(), false)));
    assert!(world.events.resources.is_empty());
}

#[test]
fn rfc6665_4_4_3_the_state_once() {
    let mut world = World::new();
    world.bind("sip:a@192.0.2.21", 1, 600);
    world.subscribe("Expires: 0\r\n");
    let (responses, told) = world.drain();
    assert_eq!(responses[0].status(), StatusCode::OK);
    assert_eq!(told[0].says(), "0 full active sip:a@192.0.2.21=registered");
    assert!(told[0].state().starts_with("terminated"));
    assert_eq!(world.events.subscriptions(), 0);
}

#[test]
fn rfc6665_4_2_2_who_does_not_know_the_subscription_is_told_no_more() {
    let mut world = World::new();
    world.subscribe("");
    let calls = world.layer.take();
    let told = calls.into_iter().find_map(|call| match call {
        Call::Request { id, request, .. } => Some(Told { id, request }),
        _ => None,
    });
    world.reply(&told.unwrap(), StatusCode::CALL_DOES_NOT_EXIST);
    assert_eq!(world.events.subscriptions(), 0);
    assert_eq!(world.watched.len(), 2);
}

#[test]
fn rfc3680_4_6_a_user_watches_their_own_and_who_may_watches_all() {
    for (from, expected) in [("alice", 200), ("desk", 200), ("bob", 403)] {
        let mut world = World::new();
        world.subscribe(&format!("From: <sip:{from}@example.com>;tag=1\r\n"));
        assert_eq!(world.statuses(), [expected], "{from}");
    }
    let mut world = World::new();
    world.subscribe("From: <sip:alice@example.net>;tag=1\r\n");
    assert_eq!(world.statuses(), [403], "of elsewhere");
}

#[test]
fn rfc3680_4_6_who_it_is_is_proved() {
    for (user, password, expected) in [
        ("alice", "secret", 200),
        ("bob", "hunter2", 403),
        ("alice", "wrong", 401),
    ] {
        let mut world = World::with(true);
        world.subscribe("");
        let (responses, _) = world.drain();
        assert_eq!(responses[0].status(), StatusCode::UNAUTHORIZED);
        let challenge = responses[0]
            .headers()
            .values(HeaderName::WwwAuthenticate)
            .next();
        let challenge = challenge.unwrap().to_owned();
        let nonce = challenge.split("nonce=\"").nth(1).unwrap();
        let nonce = nonce.split('"').next().unwrap();
        let algorithm = Algorithm::Sha256;
        let ha1 = hex(algorithm.ha1(user, "example.com", password).as_bytes());
        let ha2 = algorithm.ha2("SUBSCRIBE", "sip:alice@example.com");
        let middle = format!("{nonce}:00000001:c:auth");
        let response = hex(algorithm.response(&ha1, &middle, &ha2).as_bytes());
        world.subscribe(&format!(
            "CSeq: 2 SUBSCRIBE\r\nAuthorization: Digest username=\"{user}\", realm=\"example.com\", nonce=\"{nonce}\", \
             uri=\"sip:alice@example.com\", response=\"{response}\", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c\"\r\n"
        ));
        assert_eq!(world.statuses(), [expected], "{user} {password}");
    }
}

#[test]
fn what_is_not_for_the_notifier_comes_back() {
    let mut world = World::new();
    assert!(world.subscribe("Event: dialog\r\n").is_some());
    assert!(
        world
            .subscribe("To: <sip:alice@example.com>;tag=x\r\n")
            .is_some()
    );
    world.subscribe("");
    world.drain();
    assert!(
        world
            .subscribe("To: <sip:alice@example.com>;tag=x\r\n")
            .is_some()
    );
    assert_eq!(world.events.subscriptions(), 1);
}

#[test]
fn a_store_that_is_down_refuses_the_new_and_keeps_the_old() {
    let mut world = World::new();
    world.bind("sip:a@192.0.2.21", 1, 600);
    world.subscribe("");
    world.drain();
    world.bindings = Err(StoreError::Closed);
    world.seconds += 10;
    world.notice(Cause::Request);
    world.subscribe("Call-ID: other\r\n");
    let (responses, _) = world.drain();
    assert_eq!(responses[0].status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        responses[0].headers().get(HeaderName::RetryAfter),
        Some("10")
    );
    assert_eq!(world.events.subscriptions(), 1);
    // What changed meanwhile is told when it is back.
    world.bindings = Ok(Vec::new());
    world.wait(11);
    assert_eq!(
        world.told(),
        ["1 partial terminated sip:a@192.0.2.21=unregistered"]
    );
}

#[test]
fn the_subscriptions_to_a_user_are_bounded() {
    let mut world = World::new();
    world.events.config.max_watchers = 2;
    for (number, expected) in [(1, 200), (2, 200), (3, 503)] {
        world.subscribe(&format!("Call-ID: {number}\r\n"));
        assert_eq!(world.statuses(), [expected]);
    }
}

#[test]
fn rfc3680_4_7_1_a_store_whose_clock_is_behind_is_not_asked_again_and_again() {
    let mut world = World::new();
    world.behind = 30;
    world.bind("sip:a@192.0.2.21", 1, 60);
    world.subscribe("");
    assert_eq!(world.told().len(), 1);
    world.wait(62);
    assert_eq!(
        world.told(),
        ["1 partial terminated sip:a@192.0.2.21=expired"]
    );
    let asked = world.lookups;
    world.wait(25);
    assert_eq!(world.lookups, asked);
}

/// A package with a state of its own, as that of waiting messages will be.
#[derive(Debug)]
struct Waiting(u32);

impl Package for Waiting {
    fn name(&self) -> &'static str {
        "message-summary"
    }
    fn content_type(&self) -> &'static str {
        "application/simple-message-summary"
    }
    fn allows(&self, watcher: Option<&Aor>, resource: &Aor) -> bool {
        watcher == Some(resource)
    }
    fn source(&self) -> Source {
        Source::Own
    }
    fn document(&mut self, _: &Aor, version: u32, scope: Scope, _: SystemTime) -> bytes::Bytes {
        format!("{version} {scope:?} {}", self.0).into()
    }
    fn forget(&mut self, _: &Aor) {}
}

#[test]
fn a_package_may_have_a_state_of_its_own() {
    let mut world = World::new();
    let seed = Seed::from_bytes([6; 32]);
    let config = EventsConfig::new(Domains::new("example.com"));
    world.events = Events::new(config, None, vec![Box::new(Waiting(3))], &seed);
    world.subscribe("Event: message-summary\r\n");
    let bodies = |world: &mut World| -> Vec<String> {
        let told = world.drain().1;
        told.iter()
            .map(|told| String::from_utf8(told.request.body().to_vec()).unwrap())
            .collect()
    };
    assert_eq!(bodies(&mut world), ["0 Full 3"]);
    assert_eq!(world.lookups, 0);
    let (wall, now) = (world.wall(), world.now());
    let alice = Aor::new("alice", "example.com");
    world
        .events
        .changed("message-summary", &alice, &mut world.layer, wall, now);
    world.answer();
    assert_eq!(bodies(&mut world), ["1 Partial 3"]);
}
