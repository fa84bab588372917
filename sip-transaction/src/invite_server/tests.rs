use super::*;
use crate::table::{Table, assert_table, at, reliable, since_origin, unreliable};

const RINGING: Bytes = Bytes::from_static(b"180");
const OK: Bytes = Bytes::from_static(b"200");
const BUSY: Bytes = Bytes::from_static(b"486");

fn fresh(timing: Timing<'_>) -> InviteServer {
    let mut machine = InviteServer::new(timing, at(0));
    machine.keep_trying(b"100");
    machine
}

fn after(timing: Timing<'_>, event: impl FnOnce(&mut InviteServer) -> Step) -> InviteServer {
    let mut machine = fresh(timing);
    let _ = event(&mut machine);
    machine
}

fn print(timing: Timing<'static>) -> String {
    let silent = move || fresh(timing);
    let ringing = move || after(timing, |machine| machine.on_provisional(RINGING));
    let accepted = move || after(timing, |machine| machine.on_success(OK, timing, at(1)));
    let completed = move || after(timing, |machine| machine.on_failure(BUSY, timing, at(1)));
    let confirmed = move || {
        let mut machine = completed();
        let _ = machine.on_ack(timing, at(2));
        machine
    };
    let terminated = move || {
        let mut machine = completed();
        let _ = machine.on_timer_h();
        machine
    };
    let mut states: Vec<&dyn Fn() -> InviteServer> = vec![&silent, &ringing, &accepted, &completed];
    if !timing.reliable {
        states.push(&confirmed); // zero time on reliable transports
    }
    states.push(&terminated);
    Table {
        states: &states,
        events: &[
            ("INVITE", &|machine| machine.on_request()),
            ("ACK", &move |machine| machine.on_ack(timing, at(9))),
            ("1xx from TU", &|machine| {
                machine.on_provisional(Bytes::from_static(b"183"))
            }),
            ("2xx from TU", &move |machine| {
                machine.on_success(OK, timing, at(9))
            }),
            ("300-699", &move |machine| {
                machine.on_failure(Bytes::from_static(b"603"), timing, at(9))
            }),
            ("200 ms", &|machine| machine.on_timer_trying()),
            ("Timer G", &move |machine| {
                machine.on_timer_g(timing, at(501))
            }),
            ("Timer H", &|machine| machine.on_timer_h()),
            ("Timer I", &|machine| machine.on_timer_i()),
            ("Timer L", &|machine| machine.on_timer_l()),
            ("flow failed", &|machine| machine.on_flow_failed()),
        ],
        name: InviteServer::state_name,
    }
    .print()
}

/// Proceeding occurs twice: before and after the first provisional response.
#[test]
fn rfc6026_8_6_every_pair_unreliable() {
    assert_table(
        &print(unreliable()),
        "
        Proceeding | INVITE      | -                                        | Proceeding
        Proceeding | ACK         | -                                        | Proceeding
        Proceeding | 1xx from TU | send 183                                 | Proceeding
        Proceeding | 2xx from TU | send 200                                 | Accepted
        Proceeding | 300-699     | send 603                                 | Completed
        Proceeding | 200 ms      | send 100                                 | Proceeding
        Proceeding | Timer G     | -                                        | Proceeding
        Proceeding | Timer H     | -                                        | Proceeding
        Proceeding | Timer I     | -                                        | Proceeding
        Proceeding | Timer L     | -                                        | Proceeding
        Proceeding | flow failed | tell FlowFailed                          | Proceeding
        Proceeding | INVITE      | send 180                                 | Proceeding
        Proceeding | ACK         | -                                        | Proceeding
        Proceeding | 1xx from TU | send 183                                 | Proceeding
        Proceeding | 2xx from TU | send 200                                 | Accepted
        Proceeding | 300-699     | send 603                                 | Completed
        Proceeding | 200 ms      | -                                        | Proceeding
        Proceeding | Timer G     | -                                        | Proceeding
        Proceeding | Timer H     | -                                        | Proceeding
        Proceeding | Timer I     | -                                        | Proceeding
        Proceeding | Timer L     | -                                        | Proceeding
        Proceeding | flow failed | tell FlowFailed                          | Proceeding
        Accepted   | INVITE      | -                                        | Accepted
        Accepted   | ACK         | tell Ack                                 | Accepted
        Accepted   | 1xx from TU | -                                        | Accepted
        Accepted   | 2xx from TU | send 200                                 | Accepted
        Accepted   | 300-699     | -                                        | Accepted
        Accepted   | 200 ms      | -                                        | Accepted
        Accepted   | Timer G     | -                                        | Accepted
        Accepted   | Timer H     | -                                        | Accepted
        Accepted   | Timer I     | -                                        | Accepted
        Accepted   | Timer L     | -                                        | Terminated
        Accepted   | flow failed | tell FlowFailed                          | Accepted
        Completed  | INVITE      | send 486                                 | Completed
        Completed  | ACK         | -                                        | Confirmed
        Completed  | 1xx from TU | -                                        | Completed
        Completed  | 2xx from TU | -                                        | Completed
        Completed  | 300-699     | -                                        | Completed
        Completed  | 200 ms      | -                                        | Completed
        Completed  | Timer G     | send 486                                 | Completed
        Completed  | Timer H     | tell AckTimedOut                         | Terminated
        Completed  | Timer I     | -                                        | Completed
        Completed  | Timer L     | -                                        | Completed
        Completed  | flow failed | tell FlowFailed                          | Completed
        Confirmed  | INVITE      | -                                        | Confirmed
        Confirmed  | ACK         | -                                        | Confirmed
        Confirmed  | 1xx from TU | -                                        | Confirmed
        Confirmed  | 2xx from TU | -                                        | Confirmed
        Confirmed  | 300-699     | -                                        | Confirmed
        Confirmed  | 200 ms      | -                                        | Confirmed
        Confirmed  | Timer G     | -                                        | Confirmed
        Confirmed  | Timer H     | -                                        | Confirmed
        Confirmed  | Timer I     | -                                        | Terminated
        Confirmed  | Timer L     | -                                        | Confirmed
        Confirmed  | flow failed | -                                        | Confirmed
        Terminated | INVITE      | -                                        | Terminated
        Terminated | ACK         | -                                        | Terminated
        Terminated | 1xx from TU | -                                        | Terminated
        Terminated | 2xx from TU | -                                        | Terminated
        Terminated | 300-699     | -                                        | Terminated
        Terminated | 200 ms      | -                                        | Terminated
        Terminated | Timer G     | -                                        | Terminated
        Terminated | Timer H     | -                                        | Terminated
        Terminated | Timer I     | -                                        | Terminated
        Terminated | Timer L     | -                                        | Terminated
        Terminated | flow failed | -                                        | Terminated
        ",
    );
}

#[test]
fn rfc6026_8_6_every_pair_reliable() {
    assert_table(
        &print(reliable()),
        "
        Proceeding | INVITE      | -                                        | Proceeding
        Proceeding | ACK         | -                                        | Proceeding
        Proceeding | 1xx from TU | send 183                                 | Proceeding
        Proceeding | 2xx from TU | send 200                                 | Accepted
        Proceeding | 300-699     | send 603                                 | Completed
        Proceeding | 200 ms      | send 100                                 | Proceeding
        Proceeding | Timer G     | -                                        | Proceeding
        Proceeding | Timer H     | -                                        | Proceeding
        Proceeding | Timer I     | -                                        | Proceeding
        Proceeding | Timer L     | -                                        | Proceeding
        Proceeding | flow failed | tell FlowFailed                          | Proceeding
        Proceeding | INVITE      | send 180                                 | Proceeding
        Proceeding | ACK         | -                                        | Proceeding
        Proceeding | 1xx from TU | send 183                                 | Proceeding
        Proceeding | 2xx from TU | send 200                                 | Accepted
        Proceeding | 300-699     | send 603                                 | Completed
        Proceeding | 200 ms      | -                                        | Proceeding
        Proceeding | Timer G     | -                                        | Proceeding
        Proceeding | Timer H     | -                                        | Proceeding
        Proceeding | Timer I     | -                                        | Proceeding
        Proceeding | Timer L     | -                                        | Proceeding
        Proceeding | flow failed | tell FlowFailed                          | Proceeding
        Accepted   | INVITE      | -                                        | Accepted
        Accepted   | ACK         | tell Ack                                 | Accepted
        Accepted   | 1xx from TU | -                                        | Accepted
        Accepted   | 2xx from TU | send 200                                 | Accepted
        Accepted   | 300-699     | -                                        | Accepted
        Accepted   | 200 ms      | -                                        | Accepted
        Accepted   | Timer G     | -                                        | Accepted
        Accepted   | Timer H     | -                                        | Accepted
        Accepted   | Timer I     | -                                        | Accepted
        Accepted   | Timer L     | -                                        | Terminated
        Accepted   | flow failed | tell FlowFailed                          | Accepted
        Completed  | INVITE      | send 486                                 | Completed
        Completed  | ACK         | -                                        | Terminated
        Completed  | 1xx from TU | -                                        | Completed
        Completed  | 2xx from TU | -                                        | Completed
        Completed  | 300-699     | -                                        | Completed
        Completed  | 200 ms      | -                                        | Completed
        Completed  | Timer G     | -                                        | Completed
        Completed  | Timer H     | tell AckTimedOut                         | Terminated
        Completed  | Timer I     | -                                        | Completed
        Completed  | Timer L     | -                                        | Completed
        Completed  | flow failed | tell FlowFailed                          | Completed
        Terminated | INVITE      | -                                        | Terminated
        Terminated | ACK         | -                                        | Terminated
        Terminated | 1xx from TU | -                                        | Terminated
        Terminated | 2xx from TU | -                                        | Terminated
        Terminated | 300-699     | -                                        | Terminated
        Terminated | 200 ms      | -                                        | Terminated
        Terminated | Timer G     | -                                        | Terminated
        Terminated | Timer H     | -                                        | Terminated
        Terminated | Timer I     | -                                        | Terminated
        Terminated | Timer L     | -                                        | Terminated
        Terminated | flow failed | -                                        | Terminated
        ",
    );
}

fn alone(machine: &mut InviteServer, timing: Timing<'_>) -> Vec<String> {
    let mut log = Vec::new();
    while let Some(deadline) = machine.deadline() {
        let step = machine.on_deadline(timing, deadline);
        log.push(format!("{} {step}", since_origin(Some(deadline)).unwrap()));
    }
    log
}

#[test]
fn rfc3261_17_2_1_a_100_after_200_ms_unless_the_tu_answered() {
    assert_eq!(
        alone(&mut fresh(unreliable()), unreliable()),
        ["200 send 100"]
    );
    assert_eq!(
        after(unreliable(), |machine| machine.on_provisional(RINGING)).deadline(),
        None
    );
}

#[test]
fn rfc3261_17_2_1_timer_g_doubles_up_to_t2_until_timer_h() {
    let timing = unreliable();
    let mut machine = after(timing, |machine| machine.on_failure(BUSY, timing, at(0)));
    let times: Vec<_> = [
        500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ]
    .map(|time| format!("{time} send 486"))
    .into_iter()
    .chain(["32000 tell AckTimedOut".to_owned()])
    .collect();
    assert_eq!(alone(&mut machine, timing), times);
}

#[test]
fn rfc3261_17_2_1_no_timer_g_over_reliable_transports() {
    let timing = reliable();
    let mut machine = after(timing, |machine| machine.on_failure(BUSY, timing, at(0)));
    assert_eq!(alone(&mut machine, timing), ["32000 tell AckTimedOut"]);
}

#[test]
fn rfc3261_17_2_1_timer_i_is_t4_and_zero_when_reliable() {
    let timing = unreliable();
    let mut machine = after(timing, |machine| machine.on_failure(BUSY, timing, at(0)));
    let _ = machine.on_ack(timing, at(100));
    assert_eq!(alone(&mut machine, timing), ["5100 -"]);
    let mut machine = after(reliable(), |machine| {
        machine.on_failure(BUSY, reliable(), at(0))
    });
    assert!(machine.on_ack(reliable(), at(100)).ended);
}

#[test]
fn rfc6026_8_7_timer_l_is_64_t1_on_every_transport() {
    for timing in [unreliable(), reliable()] {
        let mut machine = after(timing, |machine| machine.on_success(OK, timing, at(100)));
        assert_eq!(alone(&mut machine, timing), ["32100 -"]);
    }
}
