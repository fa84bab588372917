use sip_message::Response;
use sip_testkit::{Call, Clock, RecordingTransactions};
use sip_transport::{FlowId, SelectError, TransportKind};

use super::*;
use crate::guard::Class;

struct World {
    probes: Probes,
    health: Health,
    layer: RecordingTransactions,
    clock: Clock,
    reachable: bool,
    asked: Vec<(ClientTransactionId, Request)>,
}

fn gateway() -> Uri {
    Uri::parse("sip:gw.example.com").unwrap()
}

impl World {
    fn new() -> Self {
        let (health, clock) = (Health::new(), Clock::new());
        let mut probes = Probes::new(health.clone(), &Seed::from_bytes([2; 32]));
        let target = ProbeTarget::new(gateway(), Duration::from_secs(10));
        probes.set_targets(vec![target], clock.now());
        Self {
            probes,
            health,
            layer: RecordingTransactions::default(),
            clock,
            reachable: true,
            asked: Vec::new(),
        }
    }

    /// Until the next thing is due.
    fn turn(&mut self) {
        let due = self.probes.poll_timeout().unwrap();
        self.clock.advance_to(due);
        self.probes.handle_timeout(self.clock.now());
        while let Some(RoleOutput::Need { token, need }) = self.probes.poll_output() {
            let Need::SelectFlow { next_hop, .. } = need else {
                panic!("{need:?}");
            };
            assert_eq!(next_hop, gateway());
            let address = "192.0.2.1:5060".parse().unwrap();
            let flow = Flow::new(
                FlowId::from_parts(1, 0),
                TransportKind::Udp,
                address,
                address,
            );
            let answer = Answer::Flows(if self.reachable {
                Ok(vec![flow])
            } else {
                Err(SelectError::NoRoute)
            });
            self.probes
                .handle_answer(token, answer, &mut self.layer, self.clock.now());
        }
        for call in self.layer.take() {
            match call {
                Call::Request { id, request, .. } => self.asked.push((id, request)),
                other => panic!("{other:?}"),
            }
        }
    }

    fn answer(&mut self, status: u16) {
        self.answer_saying(status, "");
    }

    /// With this behind our Via.
    fn answer_saying(&mut self, status: u16, report: &str) {
        let (id, request) = self.asked.pop().unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let mut request = request;
        request.headers_mut().push_front(
            HeaderName::Via,
            format!("SIP/2.0/UDP h;branch=z9hG4bK1{report}"),
        );
        let response = Response::to(&request, status).to_tag("t").build().unwrap();
        let address = "192.0.2.1:5060".parse().unwrap();
        let flow = Flow::new(
            FlowId::from_parts(1, 0),
            TransportKind::Udp,
            address,
            address,
        );
        let event = Event::Response {
            id,
            response: response.into(),
            flow,
        };
        assert!(self.probes.handle_input(event, self.clock.now()).is_none());
    }

    fn is_up(&self) -> bool {
        let up = self.probes.states().all(|state| state.up);
        assert_eq!(up, self.health.is_up(&gateway()));
        up
    }
}

#[test]
fn three_failures_make_a_gateway_down_and_one_answer_up() {
    let mut world = World::new();
    world.turn();
    world.answer(404);
    assert!(world.is_up(), "who answers is there, whatever it says");
    world.turn();
    world.answer(503);
    assert!(world.is_up());
    world.turn();
    // Nothing is heard: the time for it passes.
    world.turn();
    assert!(world.is_up());
    world.reachable = false;
    world.turn();
    assert!(!world.is_up());
    world.reachable = true;
    world.asked.clear();
    world.turn();
    world.answer(200);
    assert!(world.is_up());
    let state = world.probes.states().next().unwrap();
    assert_eq!((state.counts, state.failed), ((5, 3), 0));
    assert_eq!(state.status, Some(StatusCode::OK));
}

#[test]
fn the_answer_to_a_probe_that_was_given_up_says_nothing() {
    let mut world = World::new();
    world.turn();
    world.turn();
    let (id, _) = world.asked.pop().unwrap();
    let late = Event::TimedOut {
        id,
        flow: FlowId::from_parts(0, 0),
    };
    assert!(world.probes.handle_input(late, world.clock.now()).is_some());
    assert_eq!(world.probes.states().next().unwrap().failed, 1);
}

#[test]
fn who_is_no_longer_probed_counts_as_up() {
    let mut world = World::new();
    world.reachable = false;
    for _ in 0..3 {
        world.turn();
    }
    assert!(!world.is_up());
    let now = world.clock.now();
    // The same target, asked more often: what is known stays.
    let target = ProbeTarget::new(gateway(), Duration::from_secs(2));
    world.probes.set_targets(vec![target.clone(), target], now);
    assert!(!world.is_up());
    assert_eq!(world.probes.states().count(), 1);
    world.probes.set_targets(Vec::new(), now);
    assert!(world.is_up());
    assert_eq!(world.probes.poll_timeout(), None);
}

const SERVER: &str = "192.0.2.1:5060";

#[test]
fn rfc7339_5_5_a_gateway_that_wants_no_probes_gets_none_and_is_not_down() {
    let mut world = World::new();
    let throttle = Throttle::new(&Seed::from_bytes([3; 32]));
    world.probes.use_throttle(&throttle);
    let via = "SIP/2.0/UDP h;branch=z9hG4bK1;oc=100;oc-algo=\"loss\";oc-validity=60000;oc-seq=1.0";
    throttle.heard(SERVER.parse().unwrap(), via, world.clock.now());
    for _ in 0..4 {
        world.turn();
        assert!(world.asked.is_empty());
        assert!(world.is_up());
    }
    let state = world.probes.states().next().unwrap();
    assert_eq!((state.counts, state.failed), ((0, 0), 0));
    assert_eq!(throttle.held_back(), 4);
    // When the time is over it is asked again, and what it answers is heard.
    world.clock.advance(Duration::from_secs(60));
    world.turn();
    assert_eq!(world.asked.len(), 1);
    world.answer_saying(200, ";oc=100;oc-algo=\"loss\";oc-validity=60000;oc-seq=2.0");
    let server = SERVER.parse().unwrap();
    assert!(!throttle.takes(server, Class::New, world.clock.now()));
}

#[test]
fn rfc7339_5_9_probes_find_out_who_is_silent_and_who_answers_again() {
    let mut world = World::new();
    let throttle = Throttle::new(&Seed::from_bytes([3; 32]));
    world.probes.use_throttle(&throttle);
    let server = SERVER.parse().unwrap();
    for _ in 0..3 {
        // Asked, and given up.
        world.turn();
        world.turn();
    }
    assert_eq!(world.asked.len(), 3);
    assert!(!throttle.takes(server, Class::New, world.clock.now()));
    // It is asked all the same, and one answer is enough.
    world.turn();
    world.answer(200);
    assert!(throttle.takes(server, Class::New, world.clock.now()));
    assert_eq!(throttle.servers(world.clock.now()), 0);
}
