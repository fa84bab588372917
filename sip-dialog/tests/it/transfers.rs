//! Transfers between three telephones (RFC 5589), as ladders and over bad networks.

use std::time::Duration;

use sip_dialog::ReferRequest;
use sip_message::Uri;
use sip_testkit::{Loss, NodeId, Path, Simulation, for_each_seed};

use crate::phone::{Manner, Phone};

const ADDRESSES: [&str; 3] = ["192.0.2.1:5060", "192.0.2.2:5060", "192.0.2.3:5060"];

fn three(path: Path, seed: u64) -> (Simulation<Phone>, [NodeId; 3]) {
    let mut simulation = Simulation::new(seed);
    simulation.network.default_path = path;
    let nodes = [("alice", 0), ("bob", 1), ("carol", 2)].map(|(name, index)| {
        let addr = ADDRESSES[index];
        let phone = Phone::with(addr, Manner::Answers, seed, |config| {
            config.refer = true;
            config.supported = vec!["replaces".to_owned()];
        });
        simulation.add(name, addr.parse().unwrap(), phone)
    });
    (simulation, nodes)
}

/// Alice, who is in a call with Bob, refers him to `to`.
fn refer(simulation: &mut Simulation<Phone>, alice: NodeId, to: Uri) -> bool {
    simulation.with(alice, |phone, now| {
        let session = phone.sessions[0];
        phone.act(now, |dialogs, _, t| {
            dialogs
                .refer(session, ReferRequest::new(to), t, now)
                .is_ok()
        })
    })
}

fn hang_up(simulation: &mut Simulation<Phone>, phones: [NodeId; 3]) {
    for phone in phones {
        simulation.with(phone, |phone, now| {
            for session in phone.sessions.clone() {
                phone.act(now, |dialogs, _, t| dialogs.end(session, t, now));
            }
        });
        simulation.run_for(Duration::from_secs(70));
    }
    simulation.run();
}

fn nothing_is_left(simulation: &Simulation<Phone>, phones: [NodeId; 3]) {
    for phone in phones {
        let phone = simulation.node(phone);
        let left = (
            phone.dialogs.session_count(),
            phone.dialogs.subscription_count(),
            phone.dialogs.request_count(),
            phone.transactions.client_count() + phone.transactions.server_count(),
        );
        assert_eq!(left, (0, 0, 0, 0), "{:?}", phone.log);
    }
}

#[test]
fn rfc5589_6_an_unattended_transfer_is_reported() {
    let (mut simulation, phones) = three(Path::delay(Duration::from_millis(10)), 1);
    let [alice, bob, carol] = phones;
    simulation.with(alice, |phone, now| phone.call("sip:192.0.2.2", now));
    simulation.run_for(Duration::from_millis(100));
    let to = Uri::parse("sip:192.0.2.3:5060").unwrap();
    assert!(refer(&mut simulation, alice, to));
    simulation.run_for(Duration::from_millis(200));
    assert_eq!(
        simulation.node(alice).log[2..],
        [
            "refer accepted",
            "told Some(100)",
            "told Some(180)",
            "told Some(200)",
            "subscription over"
        ]
    );
    assert_eq!(simulation.node(carol).log, ["incoming", "confirmed"]);
    assert_eq!(simulation.node(bob).dialogs.session_count(), 2);
    hang_up(&mut simulation, phones);
    nothing_is_left(&simulation, phones);
}

#[test]
fn rfc5589_7_an_attended_transfer_replaces_the_call_of_the_transferor() {
    let (mut simulation, phones) = three(Path::delay(Duration::from_millis(10)), 2);
    let [alice, bob, carol] = phones;
    simulation.with(alice, |phone, now| phone.call("sip:192.0.2.2", now));
    simulation.run_for(Duration::from_millis(100));
    simulation.with(alice, |phone, now| phone.call("sip:192.0.2.3", now));
    simulation.run_for(Duration::from_millis(100));
    let to = simulation.with(alice, |phone, _| {
        phone.dialogs.replacement_uri(phone.sessions[1]).unwrap()
    });
    assert!(refer(&mut simulation, alice, to));
    simulation.run_for(Duration::from_millis(300));
    // Carol's call with Alice has given way to the one with Bob.
    assert!(
        simulation
            .node(carol)
            .log
            .contains(&"ended: Replaced".to_owned()),
        "{:?}",
        simulation.node(carol).log
    );
    assert!(
        simulation
            .node(alice)
            .log
            .contains(&"told Some(200)".to_owned())
    );
    assert_eq!(simulation.node(alice).dialogs.session_count(), 1);
    assert_eq!(simulation.node(bob).dialogs.session_count(), 2);
    assert_eq!(simulation.node(carol).dialogs.session_count(), 1);
    hang_up(&mut simulation, phones);
    nothing_is_left(&simulation, phones);
}

#[test]
fn transfers_over_bad_networks_leave_nothing() {
    for loss in [0.05, 0.3] {
        for milliseconds in [1, 200] {
            for_each_seed(8, |seed| {
                let path =
                    Path::delay(Duration::from_millis(milliseconds)).with_loss(Loss::Random(loss));
                let (mut simulation, phones) = three(path, seed);
                let alice = phones[0];
                simulation.with(alice, |phone, now| phone.call("sip:192.0.2.2", now));
                simulation.run_for(Duration::from_secs(40));
                let to = Uri::parse("sip:192.0.2.3:5060").unwrap();
                // Where the call has come to nothing there is nothing to be transferred.
                refer(&mut simulation, alice, to);
                simulation.run_for(Duration::from_secs(60));
                hang_up(&mut simulation, phones);
                nothing_is_left(&simulation, phones);
            });
        }
    }
}
