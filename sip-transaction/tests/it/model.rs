//! All sequences of events up to a depth, against the reference model of `sip-testkit`. What is explored by default takes
//! a few seconds in a build that is not optimised; `SIP_MODEL_DEPTH=7` explores all machines deeper (minutes).

use sip_testkit::model::{Machine, explore};

#[expect(
    clippy::disallowed_methods,
    reason = "how long to search is for who runs the tests"
)]
fn depth(default: usize) -> usize {
    std::env::var("SIP_MODEL_DEPTH")
        .ok()
        .and_then(|depth| depth.parse().ok())
        .unwrap_or(default)
}

#[test]
fn rfc6026_8_4_invite_client_figure_5() {
    // Five events: 15,625 sequences at a depth of six, for each transport, less those that end before.
    assert!(explore(Machine::InviteClient, false, depth(6)) > 2_000);
    assert!(explore(Machine::InviteClient, true, depth(6)) > 500);
}

#[test]
fn rfc3261_17_1_2_2_non_invite_client_figure_6() {
    assert!(explore(Machine::NonInviteClient, false, depth(7)) > 100);
    assert!(explore(Machine::NonInviteClient, true, depth(7)) > 0);
}

#[test]
fn rfc6026_8_6_invite_server_figure_7() {
    assert!(explore(Machine::InviteServer, false, depth(5)) > 1000);
    assert!(explore(Machine::InviteServer, true, depth(5)) > 500);
}

#[test]
fn rfc3261_17_2_2_non_invite_server_figure_8() {
    assert!(explore(Machine::NonInviteServer, false, depth(5)) > 1000);
    assert!(explore(Machine::NonInviteServer, true, depth(5)) > 500);
}

/// Retransmission timers to their end: longer than the exhaustive depth.
#[test]
fn rfc3261_appendix_a_every_timer_runs_to_its_end() {
    for machine in Machine::ALL {
        let tick = u8::try_from(machine.event_count() - 1).unwrap();
        for reliable in [false, true] {
            for first in 0..=tick {
                for second in 0..=tick {
                    let mut sequence = vec![tick; 20];
                    sequence[0] = first;
                    sequence[1] = second;
                    sip_testkit::model::check(machine, reliable, &sequence);
                }
            }
        }
    }
}
