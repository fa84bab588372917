//! Failover over all servers of a target: a whole stack, a virtual clock, and doubles of the resolver and the servers.

use std::net::SocketAddr;
use std::time::{Duration, Instant, UNIX_EPOCH};

use sip_dialog::{
    AccountKey, DialogConfig, Dialogs, Event, FailureCause, OutgoingRequest, RequestId,
};
use sip_message::{Message, Method, ParserConfig, Request, Response, StatusCode, Uri};
use sip_transaction::{TransactionConfig, Transactions};
use sip_transport::{
    Answer, ConnectionError, Failover, Question, ResolveError, Seed, SrvRecord, TransportConfig,
    TransportKind, Transports,
};

use Server::{Answers, Refuses, Silent, Slow};

use crate::stack::testing::{LISTENER, datagram};
use crate::stack::{Input, Output, Parts, Stack};

/// What a server does with requests.
#[derive(Clone, Copy)]
enum Server {
    Silent,
    /// Answers so at once.
    Answers(u16),
    /// Answers 100 at once and so after some seconds.
    Slow(u16, u64),
    /// The system says that nobody is there (ICMP, or a refused connection).
    Refuses,
}

/// Servers of `example.com`, in the order of their SRV records.
struct World {
    stack: Stack,
    begin: Instant,
    now: Instant,
    servers: Vec<Server>,
    over: TransportKind,
    resolves: Result<(), ResolveError>,
    /// The second, and which server was tried.
    tried: Vec<(u64, usize)>,
    later: Vec<(Instant, SocketAddr, Vec<u8>)>,
    ended: Option<(u64, Result<u16, FailureCause>)>,
}

fn address(server: usize) -> SocketAddr {
    format!("192.0.2.{}:5060", 100 + server).parse().unwrap()
}

impl World {
    fn new(servers: &[Server], budget: Option<Duration>) -> Self {
        let seed = Seed::from_bytes([9; 32]);
        let mut dialogs = DialogConfig::default();
        if let Some(budget) = budget {
            dialogs.failover = Failover::within(budget);
        }
        let mut transport = TransportConfig::default();
        transport.service_records = true;
        let mut stack = Stack::new(Parts {
            transports: Transports::new(transport, seed.derive("transport")),
            transactions: Transactions::new(TransactionConfig::default(), seed.derive("t")),
            dialogs: Some(Dialogs::new(dialogs, seed.derive("dialogs"))),
            registrar: None,
            events: None,
            proxy: None,
            handled: Vec::new(),
            stateless: None,
        });
        let local = "192.0.2.1:5060".parse().unwrap();
        stack.add_listener(LISTENER, TransportKind::Udp, local);
        let begin = Instant::now();
        Self {
            stack,
            begin,
            now: begin,
            servers: servers.to_vec(),
            over: TransportKind::Udp,
            resolves: Ok(()),
            tried: Vec::new(),
            later: Vec::new(),
            ended: None,
        }
    }

    fn second(&self) -> u64 {
        self.now.duration_since(self.begin).as_secs()
    }

    /// Sends a request, and lets time pass until it has ended.
    fn run(&mut self, method: Method) -> (u64, Result<u16, FailureCause>) {
        let uri = match self.over {
            TransportKind::Tcp => "sip:example.com;transport=tcp",
            _ => "sip:example.com;transport=udp",
        };
        let next_hop = Uri::parse(uri).unwrap();
        let request = Request::builder(method, uri)
            .max_forwards(70)
            .header(sip_message::HeaderName::From, "<sip:a@example.com>;tag=1")
            .header(sip_message::HeaderName::To, "<sip:example.com>")
            .call_id(&format!("{}", self.tried.len()))
            .cseq(1)
            .build_partial()
            .unwrap();
        let now = self.now;
        self.ended = None;
        let outgoing = OutgoingRequest {
            request,
            next_hop,
            account: AccountKey(0),
        };
        let _: Option<RequestId> = self.stack.dialogs(UNIX_EPOCH, now, |dialogs, t| {
            dialogs.request(outgoing, t, now)
        });
        loop {
            self.outputs();
            if let Some(ended) = self.ended.take() {
                return ended;
            }
            let due = self.stack.poll_timeout();
            let answer = self.later.iter().map(|(at, ..)| *at).min();
            self.now = due.into_iter().chain(answer).min().expect("nothing is due");
            assert!(self.second() < 1_000, "it never ends");
            if let Some(nth) = self.later.iter().position(|(at, ..)| *at <= self.now) {
                let (_, remote, payload) = self.later.remove(nth);
                self.receive(remote, payload);
            }
            self.stack.handle_timeout(UNIX_EPOCH, self.now);
        }
    }

    fn input(&mut self, input: sip_transport::Input) {
        self.stack
            .handle_input(Input::Io(input), UNIX_EPOCH, self.now);
    }

    fn receive(&mut self, remote: SocketAddr, payload: Vec<u8>) {
        let input = datagram(remote, payload);
        self.stack.handle_input(input, UNIX_EPOCH, self.now);
    }

    fn outputs(&mut self) {
        while let Some(output) = self.stack.poll_output() {
            match output {
                Output::Io(sip_transport::Output::Resolve { id, question, name }) => {
                    let result = self.resolves.and_then(|()| self.resolve(question, &name));
                    self.input(sip_transport::Input::Resolved { id, result });
                }
                Output::Io(sip_transport::Output::Datagram {
                    remote, payload, ..
                }) => self.sent(remote, &payload),
                Output::Io(sip_transport::Output::Connect {
                    connection, remote, ..
                }) => {
                    let server = self.note(remote);
                    if matches!(self.servers[server], Refuses) {
                        self.input(sip_transport::Input::Closed {
                            connection,
                            error: Some(ConnectionError::Refused),
                        });
                    }
                }
                Output::Dialog(Event::Responded { response, .. }) => {
                    self.ended = Some((self.second(), Ok(response.status().as_u16())));
                }
                Output::Dialog(Event::Failed { cause, .. }) => {
                    self.ended = Some((self.second(), Err(cause)));
                }
                _ => {}
            }
        }
    }

    /// The resolver: each server has a record of its own priority.
    fn resolve(&self, question: Question, name: &str) -> Result<Answer, ResolveError> {
        match question {
            Question::Naptr => Err(ResolveError::NotFound),
            Question::Srv => Ok(Answer::Srv(
                (0..self.servers.len())
                    .map(|server| SrvRecord {
                        priority: u16::try_from(server).unwrap(),
                        weight: 1,
                        port: 5060,
                        target: format!("s{server}.example.com").into(),
                    })
                    .collect(),
            )),
            Question::Address => {
                let server: usize = name[1..].split('.').next().unwrap().parse().unwrap();
                Ok(Answer::Addresses(vec![address(server).ip()]))
            }
        }
    }

    fn note(&mut self, remote: SocketAddr) -> usize {
        let server = (0..self.servers.len())
            .find(|server| address(*server) == remote)
            .unwrap();
        if self.tried.last().is_none_or(|(_, last)| *last != server) {
            self.tried.push((self.second(), server));
        }
        server
    }

    fn sent(&mut self, remote: SocketAddr, payload: &bytes::Bytes) {
        let server = self.note(remote);
        let message = Message::parse(payload.clone(), &ParserConfig::default()).unwrap();
        let Message::Request(request) = message else {
            panic!("a response")
        };
        let answer = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            let response = Response::to(&request, status).to_tag("s").build().unwrap();
            response.to_bytes().to_vec()
        };
        match self.servers[server] {
            Silent => {}
            Answers(status) => self.receive(remote, answer(status)),
            Slow(status, seconds) => {
                self.receive(remote, answer(100));
                let at = self.now + Duration::from_secs(seconds);
                self.later.push((at, remote, answer(status)));
            }
            Refuses => self.input(sip_transport::Input::DatagramFailed {
                listener: LISTENER,
                remote,
            }),
        }
    }
}

#[test]
fn rfc3263_4_3_four_silent_servers_cost_one_budget() {
    let mut world = World::new(&[Silent; 4], None);
    assert_eq!(
        world.run(Method::Options),
        (32, Err(FailureCause::TimedOut))
    );
    assert_eq!(world.tried, [(0, 0), (8, 1), (16, 2), (24, 3)]);
}

#[test]
fn rfc3263_4_3_the_budget_is_configuration() {
    let mut world = World::new(&[Silent; 4], Some(Duration::from_secs(10)));
    assert_eq!(
        world.run(Method::Options),
        (10, Err(FailureCause::TimedOut))
    );
    // None has less than four seconds, as long as there are as many.
    assert_eq!(world.tried, [(0, 0), (4, 1), (8, 2)]);
}

#[test]
fn rfc3263_4_3_without_an_alternative_the_timers_of_the_transaction_rule() {
    let mut world = World::new(&[Silent], Some(Duration::from_secs(5)));
    assert_eq!(
        world.run(Method::Options),
        (32, Err(FailureCause::TimedOut))
    );
}

#[test]
fn rfc3263_4_3_a_time_out_a_503_and_an_error_lead_to_the_next() {
    let mut world = World::new(&[Answers(503), Refuses, Silent, Answers(200)], None);
    assert_eq!(world.run(Method::Options), (16, Ok(200)));
    // What failed at once leaves its time to those that come after it.
    assert_eq!(world.tried, [(0, 0), (0, 1), (0, 2), (16, 3)]);
}

#[test]
fn rfc3263_4_3_who_has_answered_something_has_the_usual_time() {
    let mut world = World::new(&[Slow(200, 25), Answers(200)], None);
    assert_eq!(world.run(Method::Options), (25, Ok(200)));
    assert_eq!(world.tried, [(0, 0)]);
}

#[test]
fn rfc3263_4_3_a_503_after_the_budget_is_the_answer() {
    let mut world = World::new(
        &[Slow(503, 20), Answers(200)],
        Some(Duration::from_secs(10)),
    );
    assert_eq!(world.run(Method::Options), (20, Ok(503)));
    assert_eq!(world.tried, [(0, 0)]);
}

#[test]
fn rfc3263_4_3_who_failed_comes_last_until_it_heals() {
    let mut world = World::new(&[Silent, Answers(200)], None);
    assert_eq!(world.run(Method::Options), (16, Ok(200)));
    world.tried.clear();
    // Now it is known: no time is lost.
    assert_eq!(world.run(Method::Options), (16, Ok(200)));
    assert_eq!(world.tried, [(16, 1)]);
    world.tried.clear();
    world.now += Duration::from_secs(61);
    world.stack.handle_timeout(UNIX_EPOCH, world.now);
    world.servers[0] = Answers(200);
    assert_eq!(world.run(Method::Options), (77, Ok(200)));
    assert_eq!(world.tried, [(77, 0)]);
}

#[test]
fn rfc3263_4_3_a_server_that_says_503_comes_last_too() {
    let mut world = World::new(&[Answers(503), Answers(200)], None);
    assert_eq!(world.run(Method::Options), (0, Ok(200)));
    world.tried.clear();
    assert_eq!(world.run(Method::Options), (0, Ok(200)));
    assert_eq!(world.tried, [(0, 1)]);
}

#[test]
fn rfc3263_4_3_connections_that_never_open_share_the_budget() {
    let mut world = World::new(&[Silent, Refuses, Silent], None);
    world.over = TransportKind::Tcp;
    let (second, result) = world.run(Method::Options);
    // Opening a connection has ten seconds of its own, which is less than its share here.
    assert!(result.is_err());
    assert_eq!(world.tried, [(0, 0), (10, 1), (10, 2)]);
    assert_eq!(second, 20);
}

#[test]
fn rfc3263_4_3_a_resolver_that_answers_nothing_has_a_time_of_its_own() {
    let mut world = World::new(&[Silent], None);
    world.resolves = Err(ResolveError::TimedOut);
    let (_, result) = world.run(Method::Options);
    assert!(matches!(result, Err(FailureCause::NoFlow(_))), "{result:?}");
    assert_eq!(world.tried, []);
}

#[test]
fn rfc3261_8_1_2_each_address_is_tried_until_one_answers() {
    let mut world = World::new(&[Refuses, Refuses, Answers(200)], None);
    assert_eq!(world.run(Method::Options), (0, Ok(200)));
    assert_eq!(world.tried, [(0, 0), (0, 1), (0, 2)]);
}

#[test]
fn rfc3263_4_2_the_records_are_tried_in_order_as_each_fails() {
    let mut world = World::new(&[Answers(503), Refuses, Answers(200), Answers(200)], None);
    assert_eq!(world.run(Method::Options), (0, Ok(200)));
    assert_eq!(world.tried, [(0, 0), (0, 1), (0, 2)]);
}

#[test]
fn rfc3261_21_5_4_who_said_503_is_passed_over_for_another() {
    let mut world = World::new(&[Answers(503), Answers(200)], None);
    assert_eq!(world.run(Method::Options), (0, Ok(200)));
    world.tried.clear();
    assert_eq!(world.run(Method::Options), (0, Ok(200)));
    assert_eq!(world.tried, [(0, 1)]);
}
