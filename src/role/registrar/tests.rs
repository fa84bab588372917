use std::net::IpAddr;

use sip_message::{Message, ParserConfig};
use sip_testkit::{Call, RecordingTransactions};
use sip_transport::{FlowId, TransportKind};

use super::*;
use crate::auth::{Algorithm, AuthConfig, hex};
use crate::location::{LocationStore as _, Memory};
use crate::users;

mod copies;
mod extensions;
mod section10;

/// A registrar with its stores, answered at once.
struct World {
    registrar: Registrar,
    layer: RecordingTransactions,
    bindings: Memory,
    users: users::Memory,
    now: Instant,
    wall: SystemTime,
    next: u32,
    fail: Option<StoreError>,
    silent: bool,
}

impl World {
    fn new() -> Self {
        Self::with(true)
    }

    fn open() -> Self {
        Self::with(false)
    }

    fn with(authenticated: bool) -> Self {
        let seed = Seed::from_bytes([3; 32]);
        let mut domains = Domains::new("example.com");
        domains.add_address("192.0.2.10:5060".parse().unwrap());
        let authenticator =
            authenticated.then(|| Authenticator::new(AuthConfig::new("example.com"), &seed));
        Self {
            registrar: Registrar::new(config(domains), authenticator, &seed),
            layer: RecordingTransactions::default(),
            bindings: Memory::new(),
            users: users::Memory::new("example.com")
                .with("alice", "secret")
                .with("bob", "hunter2"),
            now: Instant::now(),
            wall: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            next: 0,
            fail: None,
            silent: false,
        }
    }

    /// Sends a REGISTER with these fields, and gives the stores' answers, until there is a response.
    fn register(&mut self, fields: &str) -> Response {
        self.send(fields).expect("a response")
    }

    fn send(&mut self, fields: &str) -> Option<Response> {
        self.next += 1;
        let request = parse("REGISTER sip:example.com SIP/2.0", fields);
        let event = Event::Request {
            id: ServerTransactionId::from_parts(self.next, 0),
            request: request.into(),
            flow: flow(),
            merged: false,
        };
        assert!(
            self.registrar
                .handle_input(event, &mut self.layer, self.wall, self.now)
                .is_none()
        );
        while let Some(output) = self.registrar.poll_output() {
            let RoleOutput::Need { token, need } = output else {
                continue;
            };
            if self.silent {
                continue;
            }
            let answer = self.answer(need);
            self.registrar
                .handle_answer(token, answer, &mut self.layer, self.wall, self.now);
        }
        self.responses().pop()
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

    fn answer(&self, need: Need) -> Answer {
        if let Some(error) = &self.fail {
            return match need {
                Need::Credential { .. } => Answer::Credential(Err(error.clone())),
                Need::Lookup { .. } => Answer::Bindings(Err(error.clone())),
                Need::Update { .. }
                | Need::SelectFlow { .. }
                | Need::SelectPlace { .. }
                | Need::Rewrites { .. }
                | Need::Certificates { .. }
                | Need::FlowToken { .. } => Answer::Updated(Err(error.clone())),
            };
        }
        match need {
            Need::Credential { username, realm } => {
                Answer::Credential(Ok(self.users.hashes(&username, &realm).cloned()))
            }
            Need::Lookup { aor } => Answer::Bindings(ready(self.bindings.lookup(&aor, self.wall))),
            Need::Update { aor, update } => {
                Answer::Updated(ready(self.bindings.update(&aor, update, self.wall)))
            }
            Need::FlowToken { .. } => Answer::FlowToken(Some("flow".into())),
            Need::SelectFlow { .. }
            | Need::SelectPlace { .. }
            | Need::Rewrites { .. }
            | Need::Certificates { .. } => {
                panic!("a registrar sends no requests")
            }
        }
    }

    /// The same request with the credentials that its challenge asks for.
    fn register_as(&mut self, user: &str, password: &str, fields: &str) -> Response {
        let challenge = self.register(fields);
        assert_eq!(challenge.status(), StatusCode::UNAUTHORIZED);
        let value = challenge
            .headers()
            .values(HeaderName::WwwAuthenticate)
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
        let algorithm = Algorithm::Sha256;
        let ha1 = hex(algorithm.ha1(user, "example.com", password).as_bytes());
        let ha2 = algorithm.ha2("REGISTER", "sip:example.com");
        let response = hex(algorithm
            .response(&ha1, &format!("{nonce}:00000001:c:auth"), &ha2)
            .as_bytes());
        self.register(&format!(
            "{fields}Authorization: Digest username=\"{user}\", realm=\"example.com\", nonce=\"{nonce}\", uri=\"sip:example.com\", \
             response=\"{response}\", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c\"\r\n"
        ))
    }
}

fn config(domains: Domains) -> RegistrarConfig {
    let mut config = RegistrarConfig::new(domains);
    config.gruus = Some(Gruus::new(&Seed::from_bytes([4; 32])));
    config
}

fn ready<T>(future: crate::store::BoxFuture<T>) -> T {
    let mut future = future;
    match future
        .as_mut()
        .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the memory store answers at once"),
    }
}

fn flow() -> Flow {
    let local = "192.0.2.10:5060".parse().unwrap();
    Flow::new(
        FlowId::from_parts(0, 0),
        TransportKind::Udp,
        local,
        "192.0.2.7:5060".parse().unwrap(),
    )
}

fn parse(line: &str, fields: &str) -> Request {
    let mut text = format!(
        "{line}\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK{}\r\n",
        fields.len()
    );
    for (name, default) in [
        ("From:", "<sip:alice@example.com>;tag=1"),
        ("To:", "<sip:alice@example.com>"),
        ("Call-ID:", "call"),
        ("CSeq:", "1 REGISTER"),
    ] {
        if !fields.contains(&format!("\r\n{name}")) && !fields.starts_with(name) {
            text.push_str(&format!("{name} {default}\r\n"));
        }
    }
    text.push_str(fields);
    text.push_str("Content-Length: 0\r\n\r\n");
    match Message::parse(text.into(), &ParserConfig::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn contacts(response: &Response) -> Vec<String> {
    response
        .headers()
        .values(HeaderName::Contact)
        .map(str::to_owned)
        .collect()
}

fn outcome(response: &Response) -> (u16, &str) {
    (response.status().as_u16(), response.reason())
}

#[test]
fn rfc3261_10_3_step_8_the_answer_lists_all_bindings_with_their_time_and_the_date() {
    let mut world = World::open();
    let response = world.register("Contact: <sip:alice@192.0.2.7>;q=0.7;+x=\"y\", <sip:alice@192.0.2.8:5070;transport=tcp>;expires=120\r\nExpires: 600\r\n");
    assert_eq!(outcome(&response), (200, "OK"));
    assert_eq!(
        contacts(&response),
        [
            "<sip:alice@192.0.2.7>;+x=\"y\";expires=600;q=0.7",
            "<sip:alice@192.0.2.8:5070;transport=tcp>;expires=120"
        ]
    );
    assert_eq!(
        response.headers().get(HeaderName::Date),
        Some("Fri, 15 Jan 2027 08:00:00 GMT")
    );
    assert!(response.headers().to_tag().is_some());
    world.wall += Duration::from_secs(100);
    let response = world.register("CSeq: 2 REGISTER\r\n");
    assert_eq!(
        contacts(&response).len(),
        2,
        "without Contact the bindings are told"
    );
    assert!(contacts(&response)[1].ends_with(";expires=20"));
}

#[test]
fn rfc3261_10_3_step_7_the_time_is_the_parameter_the_field_or_the_default_and_bounded() {
    for (fields, expected) in [
        (
            "Contact: <sip:a@192.0.2.7>;expires=90\r\nExpires: 600\r\n",
            "expires=90",
        ),
        (
            "Contact: <sip:a@192.0.2.7>\r\nExpires: 600\r\n",
            "expires=600",
        ),
        ("Contact: <sip:a@192.0.2.7>\r\n", "expires=3600"),
        (
            "Contact: <sip:a@192.0.2.7>\r\nExpires: 7200\r\n",
            "expires=3600",
        ),
        (
            "Contact: <sip:a@192.0.2.7>;expires=soon\r\n",
            "expires=3600",
        ),
    ] {
        assert!(
            contacts(&World::open().register(fields))[0].ends_with(expected),
            "{fields}"
        );
    }
    let response = World::open().register("Contact: <sip:a@192.0.2.7>;expires=59\r\n");
    assert_eq!(outcome(&response), (423, "Interval Too Brief"));
    assert_eq!(response.headers().get(HeaderName::MinExpires), Some("60"));
}

#[test]
fn rfc3261_10_3_step_6_star() {
    let mut world = World::open();
    world.register("Contact: <sip:a@192.0.2.7>, <sip:a@192.0.2.8>\r\n");
    for (fields, reason) in [
        (
            "CSeq: 2 REGISTER\r\nContact: *\r\n",
            "Contact * Needs Expires 0",
        ),
        (
            "CSeq: 2 REGISTER\r\nContact: *\r\nExpires: 60\r\n",
            "Contact * Needs Expires 0",
        ),
        (
            "CSeq: 2 REGISTER\r\nContact: *, <sip:a@192.0.2.9>\r\nExpires: 0\r\n",
            "Contact * Stands Alone",
        ),
    ] {
        assert_eq!(outcome(&world.register(fields)), (400, reason));
    }
    assert_eq!(
        outcome(&world.register("CSeq: 1 REGISTER\r\nContact: *\r\nExpires: 0\r\n")),
        (400, "CSeq Out Of Order")
    );
    let response = world.register("CSeq: 2 REGISTER\r\nContact: *\r\nExpires: 0\r\n");
    assert_eq!(
        (response.status(), contacts(&response).len()),
        (StatusCode::OK, 0)
    );
}

#[test]
fn rfc3261_10_3_step_7_removal_and_order() {
    let mut world = World::open();
    world.register("CSeq: 5 REGISTER\r\nContact: <sip:a@192.0.2.7>\r\n");
    assert_eq!(
        outcome(&world.register("CSeq: 4 REGISTER\r\nContact: <sip:a@192.0.2.7>;expires=0\r\n")),
        (400, "CSeq Out Of Order")
    );
    let response = world.register("CSeq: 6 REGISTER\r\nContact: <sip:a@192.0.2.7>;expires=0\r\n");
    assert_eq!(
        (response.status(), contacts(&response).len()),
        (StatusCode::OK, 0)
    );
}

#[test]
fn rfc3261_10_3_step_2_unknown_extensions_are_refused() {
    let response = World::new().register("Require: path, gruu, outbound, answermode, x\r\n");
    assert_eq!(response.status(), StatusCode::BAD_EXTENSION);
    assert_eq!(
        response.headers().get(HeaderName::Unsupported),
        Some("answermode, x")
    );
}

#[test]
fn rfc3261_10_3_steps_3_and_4_a_user_registers_for_themselves_only() {
    let mut world = World::new();
    let contact = "Contact: <sip:alice@192.0.2.7>\r\n";
    assert_eq!(
        world.register_as("alice", "secret", contact).status(),
        StatusCode::OK
    );
    let response = world.register_as("bob", "hunter2", contact);
    assert_eq!(outcome(&response), (403, "Not Your Address Of Record"));
    let wrong = world.register_as("alice", "guess", contact);
    let unknown = world.register_as("nobody", "guess", contact);
    assert_eq!(
        (wrong.status(), unknown.status()),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    let shape = |response: &Response| -> Vec<_> {
        response
            .headers()
            .fields()
            .map(|field| (field.name(), field.line().len()))
            .collect()
    };
    assert_eq!(shape(&wrong), shape(&unknown), "nothing tells them apart");
    for _ in 0..3 {
        assert_eq!(
            world.register_as("alice", "guess", contact).status(),
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(
        world.register_as("alice", "guess", contact).status(),
        StatusCode::FORBIDDEN
    );
}

#[test]
fn rfc3261_10_3_step_5_the_address_of_record_is_of_the_domain_and_canonical() {
    let mut world = World::open();
    assert_eq!(
        world.register("To: <sip:alice@example.net>\r\n").status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        world.register("To: <sip:example.com>\r\n").status(),
        StatusCode::NOT_FOUND
    );
    world.register(
        "To: <sip:%61lice@EXAMPLE.com:5060;user=phone>\r\nContact: <sip:a@192.0.2.7>\r\n",
    );
    assert_eq!(
        contacts(&world.register("To: <sip:alice@192.0.2.10>\r\n")).len(),
        1
    );
}

#[test]
fn rfc3261_10_3_step_1_other_domains_and_methods_are_handed_back() {
    let mut world = World::new();
    for line in [
        "REGISTER sip:example.net SIP/2.0",
        "REGISTER sip:192.0.2.11 SIP/2.0",
    ] {
        let event = Event::Request {
            id: ServerTransactionId::from_parts(1, 0),
            request: parse(line, "").into(),
            flow: flow(),
            merged: false,
        };
        assert!(
            world
                .registrar
                .handle_input(event, &mut world.layer, world.wall, world.now)
                .is_some()
        );
    }
    let options = parse("OPTIONS sip:example.com SIP/2.0", "CSeq: 1 OPTIONS\r\n");
    let event = Event::Request {
        id: ServerTransactionId::from_parts(1, 0),
        request: options.into(),
        flow: flow(),
        merged: false,
    };
    assert!(
        world
            .registrar
            .handle_input(event, &mut world.layer, world.wall, world.now)
            .is_some()
    );
    assert!(world.layer.take().is_empty());
}

#[test]
fn rfc3327_5_3_path_is_stored_and_told_when_the_client_knows_it() {
    let mut world = World::open();
    let response = world.register("Supported: path\r\nPath: <sip:p2.example.net;lr>, <sip:p1.example.net;lr>\r\nContact: <sip:a@192.0.2.7>\r\n");
    assert_eq!(
        response.headers().get(HeaderName::Path),
        Some("<sip:p2.example.net;lr>, <sip:p1.example.net;lr>")
    );
    let stored = ready(
        world
            .bindings
            .lookup(&Aor::new("alice", "example.com"), world.wall),
    )
    .unwrap();
    let path: Vec<&str> = stored[0].path().collect();
    assert_eq!(path, ["<sip:p2.example.net;lr>", "<sip:p1.example.net;lr>"]);
    let response = world.register(
        "CSeq: 2 REGISTER\r\nPath: <sip:p1.example.net;lr>\r\nContact: <sip:a@192.0.2.7>\r\n",
    );
    assert_eq!(response.status(), StatusCode::BAD_EXTENSION);
    assert_eq!(
        response.headers().get(HeaderName::Unsupported),
        Some("path")
    );
}

#[test]
fn rfc3261_8_2_2_2_a_merged_request_is_a_loop() {
    let mut world = World::open();
    let event = Event::Request {
        id: ServerTransactionId::from_parts(1, 0),
        request: Box::new(parse("REGISTER sip:example.com SIP/2.0", "")),
        flow: flow(),
        merged: true,
    };
    assert!(
        world
            .registrar
            .handle_input(event, &mut world.layer, world.wall, world.now)
            .is_none()
    );
    assert_eq!(world.responses()[0].status(), StatusCode::LOOP_DETECTED);
}

#[test]
fn a_store_that_fails_or_does_not_answer_is_503_with_retry_after() {
    let mut world = World::open();
    world.fail = Some(StoreError::Failed("disk full".into()));
    let response = world.register("Contact: <sip:a@192.0.2.7>\r\n");
    assert_eq!(outcome(&response), (503, "Service Unavailable"));
    assert_eq!(response.headers().get(HeaderName::RetryAfter), Some("10"));
    (world.fail, world.silent) = (None, true);
    assert!(
        world
            .send("CSeq: 2 REGISTER\r\nContact: <sip:a@192.0.2.7>\r\n")
            .is_none()
    );
    let due = world.registrar.poll_timeout().unwrap();
    assert_eq!(due, world.now + Duration::from_secs(10));
    world.registrar.handle_timeout(&mut world.layer, due);
    assert_eq!(
        world.responses()[0].status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(world.registrar.waiting.len(), 0);
}

#[test]
fn requests_that_wait_are_bounded() {
    let mut world = World::open();
    world.registrar.config.max_waiting = 2;
    world.silent = true;
    for cseq in 1..=2 {
        assert!(
            world
                .send(&format!(
                    "CSeq: {cseq} REGISTER\r\nContact: <sip:a@192.0.2.7>\r\n"
                ))
                .is_none()
        );
    }
    assert_eq!(
        world
            .register("CSeq: 3 REGISTER\r\nContact: <sip:a@192.0.2.7>\r\n")
            .status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[test]
fn too_many_contacts_and_contacts_of_another_kind_are_refused() {
    let mut world = World::open();
    let many: String = (0..11)
        .map(|n| format!("Contact: <sip:a@192.0.2.{n}>\r\n"))
        .collect();
    assert_eq!(outcome(&world.register(&many)), (403, "Too Many Contacts"));
    assert_eq!(
        outcome(&world.register("Contact: <mailto:alice@example.com>\r\n")),
        (400, "Contact Is No SIP URI")
    );
    assert_eq!(
        world.register("Contact: <sip:a@192.0.2.7\r\n").status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(contacts(&world.register("CSeq: 9 REGISTER\r\n")).len(), 0);
}

#[test]
fn a_source_that_guesses_does_not_lock_out_others() {
    let mut world = World::new();
    for _ in 0..5 {
        world.register_as("alice", "guess", "");
    }
    let there = IpAddr::from([192, 0, 2, 77]);
    assert!(matches!(
        world.registrar.authenticator.as_mut().unwrap().check(
            &parse("REGISTER sip:example.com SIP/2.0", ""),
            Asker::Server,
            there,
            world.now
        ),
        Check::Challenge { .. }
    ));
}

mod statements;

const FLOW: &str = "Contact: <sip:a@192.0.2.7>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n";

fn stored(world: &World) -> Vec<Binding> {
    let aor = Aor::new("alice", "example.com");
    ready(world.bindings.lookup(&aor, world.wall)).unwrap()
}

#[test]
fn rfc5626_6_a_flow_is_stored_with_its_number_and_confirmed() {
    let mut world = World::open();
    let response = world.register(&format!("Supported: outbound\r\n{FLOW}"));
    assert_eq!(outcome(&response), (200, "OK"));
    assert_eq!(
        response.headers().get(HeaderName::Require),
        Some("outbound")
    );
    assert_eq!(response.headers().get(HeaderName::FlowTimer), Some("120"));
    let binding = stored(&world).remove(0);
    assert_eq!(binding.flow(), Some("flow"));
    assert_eq!(binding.outbound(), Some(("urn:uuid:1", 1)));
}

#[test]
fn rfc5626_6_without_the_option_a_number_means_nothing() {
    let mut world = World::open();
    let response = world.register(FLOW);
    assert_eq!(response.headers().get(HeaderName::Require), None);
    let binding = stored(&world).remove(0);
    assert_eq!((binding.flow(), binding.outbound()), (None, None));
}

#[test]
fn rfc5626_6_a_first_hop_that_keeps_no_flow_is_told() {
    let mut world = World::open();
    let through = |path: &str| {
        format!(
            "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nSupported: outbound, path\r\n{path}{FLOW}"
        )
    };
    let response = world.register(&through("Path: <sip:edge.example.net;lr>\r\n"));
    assert_eq!(outcome(&response).0, 439);
    assert_eq!(outcome(&world.register(&through(""))).0, 439);
    let response = world.register(&through(
        "Path: <sip:core.example.net;lr>, <sip:token@edge.example.net;lr;ob>\r\n",
    ));
    assert_eq!(outcome(&response).0, 200);
    let binding = stored(&world).remove(0);
    // The edge keeps the flow, not this server.
    assert_eq!((binding.flow(), binding.path().count()), (None, 2));
}

#[test]
fn rfc3608_6_3_the_service_route_is_told() {
    let mut world = World::open();
    let uri = |text| Uri::parse(text).unwrap();
    world.registrar.config.service_route =
        vec![uri("sip:p1.example.com;lr"), uri("sip:p2.example.com;lr")];
    let response = world.register("Contact: <sip:a@192.0.2.7>\r\n");
    let routes: Vec<&str> = response
        .headers()
        .values(HeaderName::ServiceRoute)
        .collect();
    assert_eq!(
        routes,
        ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
    );
}

#[test]
fn rfc7339_5_9_a_telephone_that_answered_nothing_is_called_again_when_it_registers() {
    let silent = |world: &mut World, places: &[&str]| {
        let throttle = Throttle::new(&Seed::from_bytes([8; 32]));
        world.registrar.use_throttle(&throttle);
        for place in places {
            for _ in 0..3 {
                throttle.failed(place.parse().unwrap(), world.now);
            }
        }
        throttle
    };
    // Where it sends from, and where at the same address it is called.
    let from = flow().remote;
    let listens = format!("{}:5080", from.ip());
    let elsewhere = "203.0.113.1:5060";
    let places = [&*from.to_string(), &*listens, elsewhere];
    let mut world = World::new();
    let throttle = silent(&mut world, &places);
    let takes =
        |place: &str, now| throttle.takes(place.parse().unwrap(), crate::guard::Class::New, now);
    let fields = format!("Contact: <sip:alice@{listens}>\r\nContact: <sip:alice@{elsewhere}>\r\n");
    // Who has proven nothing changes nothing.
    assert_eq!(world.register(&fields).status(), StatusCode::UNAUTHORIZED);
    assert!(places.iter().all(|place| !takes(place, world.now)));
    let response = world.register_as("alice", "secret", &fields);
    assert_eq!(response.status(), StatusCode::OK);
    assert!(takes(places[0], world.now) && takes(places[1], world.now));
    assert!(!takes(elsewhere, world.now), "nothing was heard from there");
}
