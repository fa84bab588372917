//! The guard where it stands: before the transactions of a whole server.

use std::net::SocketAddr;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::*;
use crate::location::Binding;
use crate::role::{Answer, Need};
use crate::stack::testing::{self, datagram};
use crate::stack::{Input, Output, Stack};

/// A server whose users are all at 192.0.2.200, and a network that keeps what was sent.
struct World {
    stack: Stack,
    begin: Instant,
    now: Instant,
    sent: Vec<(SocketAddr, String)>,
    lookups: usize,
}

impl World {
    fn new(config: GuardConfig, authenticated: bool) -> Self {
        let seed = Seed::from_bytes([6; 32]);
        let mut stack = testing::server(&seed, authenticated);
        stack.set_guard(Guard::new(config, &seed));
        let now = Instant::now();
        Self {
            stack,
            begin: now,
            now,
            sent: Vec::new(),
            lookups: 0,
        }
    }

    fn receive(&mut self, from: &str, text: String) {
        let input = datagram(from.parse().unwrap(), text);
        self.stack.handle_input(input, UNIX_EPOCH, self.now);
        self.outputs();
    }

    fn outputs(&mut self) {
        while let Some(output) = self.stack.poll_output() {
            match output {
                Output::Io(sip_transport::Output::Datagram {
                    remote, payload, ..
                }) => self
                    .sent
                    .push((remote, String::from_utf8(payload.to_vec()).unwrap())),
                Output::Need {
                    asker,
                    need: Need::Lookup { .. },
                } => {
                    self.lookups += 1;
                    let binding = Binding::new(
                        "sip:bob@192.0.2.200:5060",
                        UNIX_EPOCH + Duration::from_secs(3600),
                        "c",
                        1,
                    );
                    let answer = Answer::Bindings(Ok(vec![binding]));
                    self.stack
                        .handle_input(Input::Answer { asker, answer }, UNIX_EPOCH, self.now);
                }
                _ => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.stack.handle_timeout(UNIX_EPOCH, self.now);
        self.outputs();
    }

    /// The start lines of what went there.
    fn sent_to(&self, to: &str) -> Vec<&str> {
        let to: SocketAddr = to.parse().unwrap();
        self.sent
            .iter()
            .filter(|(remote, _)| *remote == to)
            .map(|(_, text)| text.lines().next().unwrap())
            .collect()
    }
}

fn request(method: &str, from: &str, number: u32, to_tag: &str) -> String {
    format!(
        "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:caller{number}@elsewhere.example>;tag=a\r\nTo: <sip:bob@example.com>{to_tag}\r\n\
         Call-ID: call-{number}\r\nCSeq: 1 {method}\r\nContact: <sip:c@{from}>\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_flood_from_one_address_leaves_the_calls_of_others_alone() {
    let mut config = GuardConfig::default();
    (config.sources.rate, config.sources.burst) = (200, 1000);
    let mut world = World::new(config, false);
    let flooder = "198.51.100.66:5060";
    let mut number = 0;
    for _ in 0..10 {
        for _ in 0..2000 {
            number += 1;
            world.receive(flooder, request("INVITE", flooder, number, ""));
        }
        for caller in 1..=20 {
            number += 1;
            let from = format!("203.0.113.{caller}:5060");
            world.receive(&from, request("INVITE", &from, number, ""));
            assert!(
                world.sent.last().is_some_and(|(to, text)| {
                    to.ip().to_string() == "192.0.2.200"
                        && text.contains(&format!("caller{number}@"))
                }),
                "the call of {from} reached bob: {:?}",
                world.sent.last()
            );
        }
        world.pass(Duration::from_millis(100));
    }
    let answers = world.sent_to(flooder);
    let refused = answers
        .iter()
        .filter(|line| line.starts_with("SIP/2.0 503"))
        .count();
    assert!((1000..3000).contains(&refused), "{refused}");
    let stats = world.stack.guard().unwrap().stats();
    assert!(stats.dropped_by_ban > 10_000, "{stats:?}");
    assert!(world.lookups < 1500, "{}", world.lookups);
    let bans = world.stack.guard().unwrap().sources().bans(world.now);
    assert_eq!(bans.len(), 1);
    assert_eq!(bans[0].address.to_string(), "198.51.100.66");
}

#[test]
fn rfc5390_req_13_in_overload_new_calls_are_refused_and_what_runs_goes_on() {
    let mut world = World::new(GuardConfig::default(), false);
    let from = "203.0.113.9:5060";
    world.receive(from, request("INVITE", from, 1, ""));
    assert_eq!(world.sent_to("192.0.2.200:5060").len(), 1);
    for _ in 0..3000 {
        world.now += Duration::from_millis(1);
        let now = world.now;
        world.stack.waited(Duration::from_millis(300), now);
    }
    assert!(world.stack.guard().unwrap().overload().loss(world.now) > 80);
    let before = world.stack.transactions().server_count();
    let mut refused = 0;
    for number in 100..200 {
        world.receive(from, request("INVITE", from, number, ""));
        let (_, last) = world.sent.last().unwrap();
        if last.starts_with("SIP/2.0 503") {
            refused += 1;
            assert!(last.contains("\r\nRetry-After: "), "{last}");
            // The ACK for it goes nowhere.
            let tag = last
                .split("\r\nTo: ")
                .nth(1)
                .unwrap()
                .split(";tag=")
                .nth(1)
                .unwrap();
            let tag = format!(";tag={}", tag.split("\r\n").next().unwrap());
            let count = world.sent.len();
            world.receive(from, request("ACK", from, number, &tag));
            assert_eq!(world.sent.len(), count);
        }
    }
    assert!(refused > 70, "{refused}");
    assert_eq!(
        world.stack.transactions().server_count() - before,
        100 - refused,
        "a refusal leaves nothing behind"
    );
    // The first call was accepted before: its retransmission is absorbed, and its CANCEL is answered.
    let count = world.sent_to(from).len();
    world.receive(from, request("INVITE", from, 1, ""));
    assert!(
        !world.sent_to(from)[count..]
            .iter()
            .any(|line| line.contains("503"))
    );
    world.receive(from, request("CANCEL", from, 1, ""));
    assert!(
        world.sent_to(from)[count..].contains(&"SIP/2.0 200 OK"),
        "{:?}",
        &world.sent_to(from)[count..]
    );
    assert!(world.now > world.begin);
}

/// A server under load that refuses most of what is new.
fn pressed() -> World {
    let mut world = World::new(GuardConfig::default(), false);
    for _ in 0..1000 {
        world.now += Duration::from_millis(1);
        let now = world.now;
        world.stack.waited(Duration::from_millis(300), now);
    }
    world
}

#[test]
fn what_is_refused_at_sight_is_answered_as_what_was_taken_apart() {
    let mut answers = Vec::new();
    for watched in [false, true] {
        let mut world = pressed();
        // Who watches sees messages, and those were taken apart.
        world.stack.trace(watched);
        for number in 0..200 {
            let from = format!("203.0.113.{number}:5060");
            world.receive(&from, request("INVITE", &from, number, ""));
        }
        let flows = world.stack.transports().stats().datagram_flows;
        let stats = world.stack.guard().unwrap().stats();
        let counts = world.stack.counts();
        let refused: u64 = counts
            .responses_sent()
            .filter(|(_, class, _)| *class == 5)
            .map(|(_, _, count)| count)
            .sum();
        assert!(
            refused > 140 && refused == stats.refused_by_overload,
            "{refused}"
        );
        let taken = 200 - usize::try_from(refused).unwrap();
        // A flow to bob, when he was called.
        let expected = if watched { 200 } else { taken } + usize::from(taken > 0);
        assert_eq!(flows, expected, "a refusal at sight makes none");
        let mut refusals = world.sent;
        refusals.retain(|(_, text)| text.starts_with("SIP/2.0 503"));
        answers.push(refusals);
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn what_is_no_new_request_is_not_refused_at_sight() {
    let from = "203.0.113.9:5060";
    for (method, uri, to_tag) in [
        ("INVITE", "urn:service:sos", ""),
        ("INVITE", "URN:service:sos.fire", ""),
        ("BYE", "sip:bob@example.com", ";tag=1"),
        ("UPDATE", "sip:bob@example.com", ";tag=1"),
        ("CANCEL", "sip:bob@example.com", ""),
    ] {
        let mut world = pressed();
        for number in 0..50 {
            let text = request(method, from, number, to_tag);
            world.receive(from, text.replacen("sip:bob@example.com", uri, 1));
        }
        let stats = world.stack.guard().unwrap().stats();
        assert_eq!(stats.refused_by_overload, 0, "{method} {uri}");
        assert_eq!(world.stack.transports().stats().requests, 50);
    }
}

#[test]
fn a_source_that_spent_its_budget_is_not_even_refused_at_sight() {
    let mut config = GuardConfig::default();
    (config.sources.rate, config.sources.burst) = (1, 10);
    let mut world = World::new(config, false);
    for _ in 0..3000 {
        world.now += Duration::from_millis(1);
        let now = world.now;
        world.stack.waited(Duration::from_millis(300), now);
    }
    let from = "203.0.113.9:5060";
    for number in 0..100 {
        world.receive(from, request("INVITE", from, number, ""));
    }
    let stats = world.stack.guard().unwrap().stats();
    assert!(stats.dropped_by_budget > 50, "{stats:?}");
    assert_eq!(
        stats.dropped_by_budget + stats.refused_by_overload + stats.refused_by_budget,
        100 - u64::try_from(world.lookups).unwrap()
    );
}

#[test]
fn a_request_without_a_password_is_never_answered_with_more_than_it_was() {
    let mut world = World::new(GuardConfig::default(), true);
    let from = "203.0.113.9:5060";
    // A phone that says more is challenged with all algorithms, one that says less with one.
    for (padding, expected) in [(900, 3), (120, 1)] {
        let text = request("REGISTER", from, 500 + padding, "")
            .replace("sip:bob@example.com SIP", "sip:example.com SIP")
            .replace(
                "Content-Length",
                &format!(
                    "User-Agent: {}\r\nContent-Length",
                    "x".repeat(padding as usize)
                ),
            );
        let size = text.len();
        world.receive(from, text);
        let (_, answer) = world.sent.last().unwrap();
        assert!(
            answer.len() <= size,
            "{} to {size}:\n{answer}",
            answer.len()
        );
        assert_eq!(
            answer.matches("WWW-Authenticate:").count(),
            expected,
            "{answer}"
        );
    }
    let stats = world.stack.guard().unwrap().stats();
    assert_eq!(stats.trimmed_challenges, 1, "{stats:?}");
    // One that says hardly anything, when it has said it twice.
    let text = request("REGISTER", from, 500, "")
        .replace("sip:bob@example.com SIP", "sip:example.com SIP");
    let count = world.sent.len();
    world.receive(from, text.clone());
    assert_eq!(world.sent.len(), count, "nothing yet");
    world.receive(from, text.clone());
    let (_, answer) = world.sent.last().unwrap();
    assert_eq!(world.sent.len(), count + 1);
    assert!(
        answer.starts_with("SIP/2.0 401") && answer.len() <= 2 * text.len(),
        "{answer}"
    );
    assert_eq!(world.stack.guard().unwrap().stats().withheld_challenges, 1);
}

#[test]
fn who_sends_nothing_but_garbage_is_not_listened_to() {
    let mut world = World::new(GuardConfig::default(), false);
    let from = "203.0.113.77:5060";
    for number in 0..150 {
        world.receive(
            from,
            format!("INVITE sip:bob@example.com SIP/2.0\r\nVia: {number}\r\n\r\n"),
        );
    }
    let stats = world.stack.guard().unwrap().stats();
    assert_eq!((stats.banned, stats.dropped_by_ban), (1, 50));
    let count = world.sent.len();
    world.receive(from, request("OPTIONS", from, 1, ""));
    assert_eq!(world.sent.len(), count, "not even answered");
    world
        .stack
        .guard_mut()
        .unwrap()
        .sources_mut()
        .pardon("203.0.113.77".parse().unwrap());
    world.receive(from, request("INVITE", from, 1, ""));
    assert!(world.sent.len() > count);
}

#[test]
fn rfc7339_5_6_who_asks_is_told_of_this_server_in_what_others_answer() {
    let mut config = GuardConfig::default();
    config.overload.feedback = true;
    let mut world = World::new(config, false);
    let (from, bob) = ("203.0.113.9:5060", "192.0.2.200:5060");
    let asked = "branch=z9hG4bK1;oc;oc-algo=\"loss\"";
    world.receive(
        from,
        request("INVITE", from, 1, "").replace("branch=z9hG4bK1", asked),
    );
    let (_, invite) = world.sent.pop().unwrap();
    assert!(invite.starts_with("INVITE sip:bob@192.0.2.200"), "{invite}");
    assert!(!invite.contains(";oc"), "{invite}");
    let fields: Vec<&str> = invite
        .lines()
        .filter(|line| {
            ["Via:", "From:", "To:", "Call-ID:", "CSeq:"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .collect();
    let ringing = format!(
        "SIP/2.0 180 Ringing\r\n{}\r\nContent-Length: 0\r\n\r\n",
        fields.join("\r\n")
    );
    world.receive(bob, ringing);
    let (to, told) = world.sent.pop().unwrap();
    assert_eq!(to.to_string(), from);
    let via = told.lines().find(|line| line.starts_with("Via:")).unwrap();
    assert!(
        told.starts_with("SIP/2.0 180") && via.contains(";oc=0;oc-algo=\"loss\";oc-validity="),
        "{told}"
    );
}
