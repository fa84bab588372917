//! Whole flows between endpoints in a simulated network, as ladders; and a grid of loss and delay over them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_message::{HeaderName, Method, Request, Response, StatusCode};
use sip_testkit::{
    Endpoint, Filtering, Loss, Mapping, Nat, NodeId, Path, Simulation, User, for_each_seed, seed_of,
};
use sip_transaction::{
    ClientTransactionId, Event, ServerTransactionId, TransactionConfig, TransactionLayer,
    Transactions, TransportKind,
};

/// A transaction user that answers by a plan and remembers what it was told.
#[derive(Default)]
struct Phone {
    /// What a request is answered with, and after how long.
    answers: Vec<(Duration, u16)>,
    pending: Vec<(Instant, ServerTransactionId, Request, u16)>,
    told: Vec<String>,
    /// Acknowledges 2xx to this request's transaction.
    ack: Option<(Request, sip_transaction::Flow)>,
    invite: Option<(ServerTransactionId, Request)>,
}

impl User for Phone {
    fn handle_event(&mut self, event: Event, layer: &mut Transactions, now: Instant) {
        match event {
            Event::Request { id, request, .. } => {
                self.told.push(request.method().to_string());
                if *request.method() == Method::Invite {
                    self.invite = Some((id, (*request).clone()));
                }
                let mut at = now;
                for (after, status) in &self.answers {
                    at += *after;
                    self.pending.push((at, id, (*request).clone(), *status));
                }
                self.handle_timeout(layer, now);
            }
            Event::Cancel {
                id,
                invite,
                request,
                ..
            } => {
                self.told.push("CANCEL".to_owned());
                layer.answer_cancel(id, &request, invite, "b", now).unwrap();
                if let (Some(invite), Some((_, request))) = (invite, self.invite.as_ref()) {
                    self.pending.retain(|(_, id, ..)| *id != invite);
                    let _ = layer.respond(invite, &answer(request, 487), now);
                }
            }
            Event::Response { response, .. } => {
                self.told.push(response.status().as_u16().to_string());
                let invite = response
                    .headers()
                    .cseq()
                    .is_some_and(|(_, method)| method == Method::Invite);
                let accepted = response.status().is_success() && invite;
                if let Some((ack, flow)) = self.ack.clone().filter(|_| accepted) {
                    layer.send_ack(&ack, flow, now);
                }
            }
            Event::Ack { .. } => self.told.push("ACK".to_owned()),
            Event::TimedOut { .. } => self.told.push("TimedOut".to_owned()),
            Event::FlowFailed { .. } => self.told.push("FlowFailed".to_owned()),
            Event::AckTimedOut { .. } => self.told.push("AckTimedOut".to_owned()),
            Event::Stray { .. } => self.told.push("Stray".to_owned()),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, layer: &mut Transactions, now: Instant) {
        let (due, later) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.pending = later;
        let due: Vec<(Instant, ServerTransactionId, Request, u16)> = due;
        for (_, id, request, status) in due {
            // The transaction may have ended by now: a cancelled INVITE, for example.
            let _ = layer.respond(id, &answer(&request, status), now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.pending.iter().map(|(at, ..)| *at).min()
    }
}

fn answer(request: &Request, status: u16) -> Response {
    Response::to(request, StatusCode::from_u16(status).unwrap())
        .to_tag("b")
        .header(HeaderName::Contact, "<sip:bob@192.0.2.2>")
        .build()
        .unwrap()
}

fn request(method: Method) -> Request {
    Request::builder(method, "sip:bob@biloxi.example.com")
        .header(HeaderName::From, "<sip:alice@atlanta.example.com>;tag=a1")
        .header(HeaderName::To, "<sip:bob@biloxi.example.com>")
        .header(HeaderName::Contact, "<sip:alice@192.0.2.1>")
        .call_id("c1")
        .cseq(1)
        .max_forwards(70)
        .build_partial()
        .unwrap()
}

struct Pair {
    simulation: Simulation<Endpoint<Phone>>,
    alice: NodeId,
    bob: NodeId,
    ends: (SocketAddr, SocketAddr),
    sent: Option<ClientTransactionId>,
}

impl Pair {
    fn new(seed: u64, kind: TransportKind, path: &Path, answers: &[(u64, u16)]) -> Self {
        let ends: (SocketAddr, SocketAddr) = (
            "192.0.2.1:5060".parse().unwrap(),
            "192.0.2.2:5060".parse().unwrap(),
        );
        let mut simulation = Simulation::new(seed);
        let endpoint = |address, label, phone| {
            Endpoint::new(
                address,
                kind,
                TransactionConfig::default(),
                seed_of(seed, label),
                phone,
            )
        };
        let answers = answers
            .iter()
            .map(|(after, status)| (Duration::from_millis(*after), *status))
            .collect();
        let alice = simulation.add("alice", ends.0, endpoint(ends.0, "alice", Phone::default()));
        let bob = simulation.add(
            "bob",
            ends.1,
            endpoint(
                ends.1,
                "bob",
                Phone {
                    answers,
                    ..Phone::default()
                },
            ),
        );
        simulation.network.default_path = path.clone();
        Self {
            simulation,
            alice,
            bob,
            ends,
            sent: None,
        }
    }

    fn send(&mut self, method: Method) -> ClientTransactionId {
        let bob = self.ends.1;
        let id = self.simulation.with(self.alice, |alice, now| {
            let flow = alice.flow_to(bob);
            let mut ack = request(Method::Ack);
            let to = "<sip:bob@biloxi.example.com>;tag=b";
            ack.headers_mut().replace(HeaderName::To, to);
            alice.user.ack = Some((ack, flow));
            alice.call(now, |layer, _| layer.request(&request(method), flow, now))
        });
        self.sent = Some(id);
        id
    }

    fn cancel(&mut self, id: ClientTransactionId) {
        self.simulation
            .with(self.alice, |alice, now| {
                alice.call(now, |layer, _| layer.cancel(id, &[], now))
            })
            .unwrap();
    }

    /// Runs to the end, where nothing may be left.
    fn finish(mut self) -> (Vec<String>, Vec<String>) {
        self.simulation.run();
        // An INVITE whose final responses all got lost rings until its TU has had enough (RFC 3261 §9.1).
        if let Some(id) = self
            .sent
            .filter(|_| self.simulation.node(self.alice).layer.client_count() > 0)
        {
            self.cancel(id);
            self.simulation.run();
        }
        let (alice, bob) = (
            self.simulation.node(self.alice),
            self.simulation.node(self.bob),
        );
        alice.assert_idle();
        // A provisional answer is all that some plans have: the INVITE then waits for its TU.
        if bob.user.answers.iter().any(|(_, status)| *status >= 200) {
            bob.assert_idle();
        }
        (alice.user.told.clone(), bob.user.told.clone())
    }
}

fn quick() -> Path {
    Path::delay(Duration::from_millis(20))
}

#[test]
fn rfc3261_17_a_call_that_is_accepted() {
    let mut pair = Pair::new(0, TransportKind::Udp, &quick(), &[(10, 180), (3000, 200)]);
    pair.send(Method::Invite);
    pair.simulation.run();
    assert_eq!(
        pair.simulation.ladder(),
        "
           alice                bob
      0 ms   |------INVITE------>|
     30 ms   |<---180 (INVITE)---|
   3030 ms   |<---200 (INVITE)---|
   3050 ms   |-------ACK-------->|
"
    );
}

#[test]
fn rfc3261_17_1_1_2_a_lost_invite_and_a_lost_final_response() {
    let mut pair = Pair::new(0, TransportKind::Udp, &quick(), &[(10, 486)]);
    let (alice, bob) = pair.ends;
    pair.simulation
        .network
        .set_path(alice, bob, quick().with_loss(Loss::Exactly(vec![0, 2])));
    pair.simulation
        .network
        .set_path(bob, alice, quick().with_loss(Loss::Exactly(vec![0])));
    pair.send(Method::Invite);
    pair.simulation.run();
    assert_eq!(
        pair.simulation.ladder(),
        "
           alice                bob
      0 ms   |------INVITE------x|  lost
    500 ms   |------INVITE------>|
    530 ms   |x---486 (INVITE)---|  lost
   1030 ms   |<---486 (INVITE)---|
   1050 ms   |-------ACK--------x|  lost
   2030 ms   |<---486 (INVITE)---|
   2050 ms   |-------ACK-------->|
"
    );
}

#[test]
fn rfc3261_9_a_call_that_is_cancelled() {
    let mut pair = Pair::new(0, TransportKind::Udp, &quick(), &[(10, 180), (60_000, 200)]);
    let id = pair.send(Method::Invite);
    pair.cancel(id);
    pair.simulation.run();
    assert_eq!(
        pair.simulation.ladder(),
        "
           alice                bob
      0 ms   |------INVITE------>|
     30 ms   |<---180 (INVITE)---|
     50 ms   |------CANCEL------>|
     70 ms   |<---200 (CANCEL)---|
     70 ms   |<---487 (INVITE)---|
     90 ms   |-------ACK-------->|
"
    );
    let (alice, bob) = pair.finish();
    assert_eq!(
        (alice.join(" "), bob.join(" ")),
        ("180 487".to_owned(), "INVITE CANCEL".to_owned())
    );
}

#[test]
fn rfc4320_4_1_a_slow_answer_to_a_non_invite_request() {
    let mut pair = Pair::new(0, TransportKind::Udp, &quick(), &[(10_000, 200)]);
    pair.send(Method::Options);
    pair.simulation.run();
    assert_eq!(
        pair.simulation.ladder(),
        "
           alice                bob
      0 ms   |-----OPTIONS------>|
    500 ms   |-----OPTIONS------>|
   1500 ms   |-----OPTIONS------>|
   3500 ms   |-----OPTIONS------>|
   3520 ms   |<--100 (OPTIONS)---|
   7500 ms   |-----OPTIONS------>|
   7520 ms   |<--100 (OPTIONS)---|
  10020 ms   |<--200 (OPTIONS)---|
"
    );
}

#[test]
fn rfc3261_17_over_tcp_nothing_is_sent_twice() {
    let mut pair = Pair::new(0, TransportKind::Tcp, &quick(), &[(10, 180), (40_000, 486)]);
    pair.send(Method::Invite);
    pair.simulation.run();
    assert_eq!(
        pair.simulation.ladder(),
        "
           alice                bob
      0 ms   |------INVITE------>|
     30 ms   |<---180 (INVITE)---|
  40030 ms   |<---486 (INVITE)---|
  40050 ms   |-------ACK-------->|
"
    );
}

#[test]
fn rfc3261_17_1_4_a_partition_ends_in_timer_b() {
    let mut pair = Pair::new(0, TransportKind::Udp, &quick(), &[(10, 200)]);
    let (alice, bob) = pair.ends;
    pair.simulation.network.path_mut(alice, bob).partitioned = true;
    pair.send(Method::Invite);
    assert_eq!(pair.finish().0, ["TimedOut"]);
}

#[test]
fn a_request_larger_than_the_path_takes_times_out() {
    let mut path = quick();
    path.mtu = Some(200);
    let mut pair = Pair::new(0, TransportKind::Udp, &path, &[(10, 200)]);
    pair.send(Method::Options);
    assert_eq!(pair.finish().0, ["TimedOut"]);
    path.mtu = Some(1000);
    let mut pair = Pair::new(0, TransportKind::Udp, &path, &[(10, 200)]);
    pair.send(Method::Options);
    assert_eq!(pair.finish().0, ["200"]);
}

/// What must hold whatever the network does (and is checked by `Endpoint` after every step): each transaction ends
/// once, nothing is told after its end, nothing is kept of it, and no message is sent more often than the timers allow.
#[test]
fn every_transaction_ends_whatever_the_network_does() {
    let paths = [
        quick(),
        quick().with_loss(Loss::Random(0.1)),
        quick().with_loss(Loss::Random(0.5)),
        quick().with_loss(Loss::Burst {
            begin: 0.1,
            end: 0.3,
        }),
        {
            let mut path = Path::delay(Duration::from_millis(700));
            path.jitter = Duration::from_millis(900);
            path.duplicate = 0.3;
            path.reorder = 0.2;
            path.reorder_by = Duration::from_secs(3);
            path.with_loss(Loss::Random(0.2))
        },
    ];
    let plans: [&[(u64, u16)]; 5] = [
        &[(0, 200)],
        &[(10, 180), (5000, 200)],
        &[(300, 486)],
        &[(0, 100), (10, 183), (20, 603)],
        &[(40_000, 500)],
    ];
    for_each_seed(4, |seed| {
        for path in &paths {
            for plan in plans {
                for (method, cancel) in [
                    (Method::Invite, false),
                    (Method::Invite, true),
                    (Method::Options, false),
                ] {
                    let mut pair = Pair::new(seed, TransportKind::Udp, path, plan);
                    let id = pair.send(method);
                    if cancel {
                        pair.cancel(id);
                    }
                    let (told, _) = pair.finish();
                    let finals = told
                        .iter()
                        .filter(|word| word.starts_with(['3', '4', '5', '6']))
                        .count();
                    let ends = finals + told.iter().filter(|word| *word == "TimedOut").count();
                    let accepted = told.contains(&"200".to_owned());
                    assert!(ends + usize::from(accepted) == 1, "one outcome: {told:?}");
                }
            }
        }
    });
}

#[test]
fn loss_of_a_tenth_changes_no_outcome() {
    for_each_seed(30, |seed| {
        let mut pair = Pair::new(
            seed,
            TransportKind::Udp,
            &quick().with_loss(Loss::Random(0.1)),
            &[(10, 486)],
        );
        pair.send(Method::Invite);
        let (alice, bob) = pair.finish();
        assert_eq!(
            (alice, bob),
            (vec!["486".to_owned()], vec!["INVITE".to_owned()])
        );
    });
}

#[test]
fn rfc3581_4_responses_come_back_through_every_kind_of_nat() {
    for mapping in [
        Mapping::EndpointIndependent,
        Mapping::AddressDependent,
        Mapping::AddressAndPortDependent,
    ] {
        for filtering in [
            Filtering::EndpointIndependent,
            Filtering::AddressDependent,
            Filtering::AddressAndPortDependent,
        ] {
            let mut pair = Pair::new(0, TransportKind::Udp, &quick(), &[(10, 200)]);
            let nat = Nat::new(
                "198.51.100.7".parse().unwrap(),
                &[pair.ends.0.ip()],
                mapping,
                filtering,
            );
            pair.simulation.network.nats.push(nat);
            pair.send(Method::Options);
            assert_eq!(pair.finish().0, ["200"], "{mapping:?}, {filtering:?}");
        }
    }
}

#[test]
fn a_nat_that_forgets_its_mapping_loses_a_late_response_and_a_retransmission_opens_it_again() {
    let mut pair = Pair::new(0, TransportKind::Udp, &quick(), &[(100, 200)]);
    let mut nat = Nat::new(
        "198.51.100.7".parse().unwrap(),
        &[pair.ends.0.ip()],
        Mapping::EndpointIndependent,
        Filtering::AddressAndPortDependent,
    );
    nat.lifetime = Duration::from_millis(50);
    pair.simulation.network.nats.push(nat);
    pair.send(Method::Options);
    assert_eq!(
        pair.finish().0,
        ["200"],
        "the answer to the retransmission comes at once"
    );
}
