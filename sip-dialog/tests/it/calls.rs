//! Calls between two telephones, as ladders and over bad networks.

use std::time::Duration;

use sip_dialog::Body;
use sip_testkit::{Loss, NodeId, Path, Simulation, for_each_seed};

use crate::phone::{Manner, Phone};

const ALICE: &str = "192.0.2.1:5060";
const BOB: &str = "192.0.2.2:5060";

fn two(manner: Manner, path: Path, seed: u64) -> (Simulation<Phone>, NodeId, NodeId) {
    let mut simulation = Simulation::new(seed);
    simulation.network.default_path = path;
    let alice = simulation.add(
        "alice",
        ALICE.parse().unwrap(),
        Phone::new(ALICE, Manner::Answers, seed),
    );
    let bob = simulation.add("bob", BOB.parse().unwrap(), Phone::new(BOB, manner, seed));
    (simulation, alice, bob)
}

fn delay() -> Path {
    Path::delay(Duration::from_millis(10))
}

fn check(ladder: &str, expected: &str) {
    let lines = |text: &str| {
        text.lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(ladder), lines(expected), "\n{ladder}");
}

#[test]
fn rfc3665_3_1_a_call_is_set_up_and_ended() {
    let (mut simulation, alice, bob) = two(Manner::Answers, delay(), 1);
    simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
    simulation.run_for(Duration::from_millis(100));
    simulation.with(alice, |phone, now| {
        phone.act(now, |dialogs, session, t| dialogs.end(session, t, now))
    });
    simulation.run();
    check(
        &simulation.ladder(),
        "           alice                bob
      0 ms   |------INVITE------>|
     10 ms   |<---180 (INVITE)---|
     10 ms   |<---200 (INVITE)---|
     20 ms   |-------ACK-------->|
    100 ms   |-------BYE-------->|
    110 ms   |<----200 (BYE)-----|",
    );
    assert_eq!(
        simulation.node(alice).log,
        ["progress 180", "accepted answer", "ended"]
    );
    assert_eq!(
        simulation.node(bob).log,
        ["incoming", "confirmed", "ended: Remote"]
    );
    for phone in [alice, bob] {
        assert_eq!(simulation.node(phone).dialogs.session_count(), 0);
        assert_eq!(simulation.node(phone).dialogs.request_count(), 0);
    }
}

#[test]
fn rfc3665_3_7_a_callee_changes_its_address_by_reinvite() {
    let (mut simulation, alice, bob) = two(Manner::Answers, delay(), 1);
    simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
    simulation.run_for(Duration::from_millis(100));
    // What has been drawn so far is not of interest.
    let _ = simulation.ladder();
    simulation.with(bob, |phone, now| {
        phone.act(now, |dialogs, session, t| {
            let moved = Some(Body::sdp("moved"));
            dialogs.reinvite(session, moved, t, now).unwrap();
        })
    });
    simulation.run_for(Duration::from_millis(100));
    simulation.with(bob, |phone, now| {
        phone.act(now, |dialogs, session, t| dialogs.end(session, t, now))
    });
    simulation.run();
    check(
        &simulation.ladder(),
        "           alice                bob
    100 ms   |<------INVITE------|
    110 ms   |---200 (INVITE)--->|
    120 ms   |<-------ACK--------|
    200 ms   |<-------BYE--------|
    210 ms   |----200 (BYE)----->|",
    );
    assert_eq!(
        simulation.node(alice).log,
        [
            "progress 180",
            "accepted answer",
            "re-invite moved",
            "confirmed",
            "ended: Remote"
        ]
    );
}

#[test]
fn rfc3261_14_1_two_reinvites_that_meet_are_both_carried_out_in_the_end() {
    for_each_seed(30, |seed| {
        let path = delay().with_loss(Loss::Random(if seed % 2 == 0 { 0.0 } else { 0.15 }));
        let (mut simulation, alice, bob) = two(Manner::Answers, path, seed);
        simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
        simulation.run_for(Duration::from_secs(40));
        let nodes = [alice, bob];
        if nodes
            .iter()
            .any(|node| simulation.node(*node).dialogs.session_count() == 0)
        {
            // The call itself was lost.
            return;
        }
        for node in nodes {
            simulation.with(node, |phone, now| {
                phone.act(now, |dialogs, session, t| {
                    let offer = Some(Body::sdp("mine"));
                    dialogs.reinvite(session, offer, t, now).unwrap();
                })
            });
        }
        simulation.run_for(Duration::from_secs(60));
        if seed % 2 == 0 {
            for node in nodes {
                let log = &simulation.node(node).log;
                let count = |word: &str| log.iter().filter(|line| line.contains(word)).count();
                assert_eq!(
                    (count("ReInviteAnswered"), count("re-invite mine")),
                    (1, 1),
                    "{log:?}"
                );
            }
        }
        for node in nodes {
            simulation.with(node, |phone, now| {
                if phone.dialogs.session_count() > 0 {
                    phone.act(now, |dialogs, session, t| dialogs.end(session, t, now));
                }
            });
        }
        simulation.run();
        for node in nodes {
            let phone = simulation.node(node);
            assert_eq!(
                (phone.dialogs.session_count(), phone.dialogs.request_count()),
                (0, 0),
                "{:?}",
                phone.log
            );
        }
    });
}

#[test]
fn rfc3261_9_1_a_call_that_rings_is_cancelled() {
    let (mut simulation, alice, bob) = two(Manner::Rings, delay(), 2);
    simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
    simulation.run_for(Duration::from_millis(100));
    simulation.with(alice, |phone, now| {
        phone.act(now, |dialogs, session, t| dialogs.end(session, t, now))
    });
    simulation.run();
    check(
        &simulation.ladder(),
        "           alice                bob
      0 ms   |------INVITE------>|
     10 ms   |<---180 (INVITE)---|
    100 ms   |------CANCEL------>|
    110 ms   |<---200 (CANCEL)---|
    110 ms   |<---487 (INVITE)---|
    120 ms   |-------ACK-------->|",
    );
    assert_eq!(simulation.node(alice).log, ["progress 180", "rejected 487"]);
    assert_eq!(simulation.node(bob).log, ["incoming", "ended: Cancelled"]);
}

#[test]
fn rfc3665_3_10_a_busy_telephone_refuses() {
    let (mut simulation, alice, bob) = two(Manner::Busy, delay(), 3);
    simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
    simulation.run();
    assert_eq!(simulation.node(alice).log, ["rejected 486"]);
    assert_eq!(simulation.node(bob).log, ["incoming", "ended"]);
}

#[test]
fn rfc3261_9_1_an_answer_that_crosses_the_cancel_is_ended_with_bye() {
    let (mut simulation, alice, bob) = two(Manner::Rings, delay(), 4);
    simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
    simulation.run_for(Duration::from_millis(100));
    simulation.with(bob, |phone, now| {
        phone.act(now, |dialogs, session, t| {
            dialogs.accept(session, None, t, now).unwrap()
        })
    });
    simulation.with(alice, |phone, now| {
        phone.act(now, |dialogs, session, t| dialogs.end(session, t, now))
    });
    simulation.run();
    let ladder = simulation.ladder();
    assert!(ladder.contains("BYE"), "{ladder}");
    assert_eq!(simulation.node(alice).log.last().unwrap(), "ended");
    assert_eq!(simulation.node(bob).log.last().unwrap(), "ended: Remote");
}

#[test]
fn rfc3261_13_3_1_4_a_2xx_is_repeated_until_its_ack_and_each_gets_one() {
    // Alice's first two ACKs are lost (her packets 1 and 2; 0 is the INVITE).
    let (mut simulation, alice, bob) = two(Manner::Answers, delay(), 5);
    let (from, to) = (ALICE.parse().unwrap(), BOB.parse().unwrap());
    simulation
        .network
        .set_path(from, to, delay().with_loss(Loss::Exactly(vec![1, 2])));
    simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
    simulation.run_for(Duration::from_secs(10));
    check(
        &simulation.ladder(),
        "           alice                bob
      0 ms   |------INVITE------>|
     10 ms   |<---180 (INVITE)---|
     10 ms   |<---200 (INVITE)---|
     20 ms   |-------ACK--------x|  lost
    510 ms   |<---200 (INVITE)---|
    520 ms   |-------ACK--------x|  lost
   1510 ms   |<---200 (INVITE)---|
   1520 ms   |-------ACK-------->|",
    );
    assert_eq!(simulation.node(bob).log, ["incoming", "confirmed"]);
}

#[test]
fn rfc3261_13_3_1_4_without_an_ack_the_callee_ends_the_session() {
    let (mut simulation, alice, bob) = two(Manner::Answers, delay(), 6);
    let (from, to) = (ALICE.parse().unwrap(), BOB.parse().unwrap());
    // Everything after the INVITE is lost for as long as Bob waits: 64 times T1 is 32 s, eleven transmissions of the 2xx.
    simulation.network.set_path(
        from,
        to,
        delay().with_loss(Loss::Exactly((1..12).collect())),
    );
    simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
    simulation.run();
    let ladder = simulation.ladder();
    assert_eq!(ladder.matches("200 (INVITE)").count(), 11, "{ladder}");
    assert!(
        ladder.contains("32010 ms   |<-------BYE--------|"),
        "{ladder}"
    );
    assert_eq!(
        simulation.node(alice).log,
        ["progress 180", "accepted answer", "ended: Remote"]
    );
    assert_eq!(simulation.node(bob).dialogs.session_count(), 0);
}

#[test]
fn rfc3261_17_1_1_2_nobody_there_is_a_time_out() {
    let (mut simulation, alice, _) = two(Manner::Answers, delay().with_loss(Loss::Random(1.0)), 7);
    simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
    simulation.run();
    assert_eq!(simulation.node(alice).log, ["failed: no answer in time"]);
    assert_eq!(simulation.node(alice).dialogs.session_count(), 0);
}

#[test]
fn over_bad_networks_both_ends_agree_and_nothing_is_left() {
    for loss in [0.05, 0.2, 0.4] {
        for milliseconds in [1, 80, 400] {
            for_each_seed(12, |seed| {
                let path =
                    Path::delay(Duration::from_millis(milliseconds)).with_loss(Loss::Random(loss));
                let (mut simulation, alice, bob) = two(Manner::Answers, path, seed);
                simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
                simulation.run_for(Duration::from_secs(40));
                // Whoever still has a call hangs up: the caller in even runs, the callee in odd ones.
                for phone in if seed % 2 == 0 {
                    [alice, bob]
                } else {
                    [bob, alice]
                } {
                    simulation.with(phone, |phone, now| {
                        if phone.dialogs.session_count() > 0 {
                            phone.act(now, |dialogs, session, t| dialogs.end(session, t, now));
                        }
                    });
                    simulation.run_for(Duration::from_secs(70));
                }
                simulation.run();
                for phone in [alice, bob] {
                    let phone = simulation.node(phone);
                    assert_eq!(
                        (phone.dialogs.session_count(), phone.dialogs.request_count()),
                        (0, 0),
                        "{:?}",
                        phone.log
                    );
                    assert_eq!(
                        phone.transactions.client_count() + phone.transactions.server_count(),
                        0,
                        "{:?}",
                        phone.log
                    );
                }
                let up = |log: &[String], word: &str| log.iter().any(|line| line.starts_with(word));
                let (caller, callee) = (&simulation.node(alice).log, &simulation.node(bob).log);
                // What the callee saw confirmed, the caller saw accepted.
                assert!(
                    !up(callee, "confirmed") || up(caller, "accepted"),
                    "{caller:?} {callee:?}"
                );
            });
        }
    }
}
