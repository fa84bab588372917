use super::*;
use crate::table::{Table, assert_table, at, reliable, since_origin, unreliable};

fn trying(timing: Timing<'_>) -> NonInviteClient {
    NonInviteClient::new(Bytes::from_static(b"OPTIONS"), timing, at(0)).0
}

fn after(timing: Timing<'_>, event: impl FnOnce(&mut NonInviteClient) -> Step) -> NonInviteClient {
    let mut machine = trying(timing);
    let _ = event(&mut machine);
    machine
}

fn print(timing: Timing<'static>) -> String {
    let in_trying = move || trying(timing);
    let in_proceeding = move || after(timing, |machine| machine.on_provisional(timing));
    let in_completed = move || after(timing, |machine| machine.on_final(timing, at(1)));
    let in_terminated = move || after(timing, NonInviteClient::on_timer_f);
    let mut states: Vec<&dyn Fn() -> NonInviteClient> = vec![&in_trying, &in_proceeding];
    if !timing.reliable {
        states.push(&in_completed); // zero time on reliable transports
    }
    states.push(&in_terminated);
    Table {
        states: &states,
        events: &[
            ("1xx", &move |machine| machine.on_provisional(timing)),
            ("200-699", &move |machine| machine.on_final(timing, at(9))),
            ("Timer E", &move |machine| {
                machine.on_timer_e(timing, at(500))
            }),
            ("Timer F", &|machine| machine.on_timer_f()),
            ("Timer K", &|machine| machine.on_timer_k()),
            ("flow failed", &|machine| machine.on_flow_failed()),
        ],
        name: NonInviteClient::state_name,
    }
    .print()
}

#[test]
fn rfc3261_17_1_2_2_every_pair_unreliable() {
    assert_table(
        &print(unreliable()),
        "
        Trying     | 1xx         | tell Response                            | Proceeding
        Trying     | 200-699     | tell Response                            | Completed
        Trying     | Timer E     | send OPTIONS                             | Trying
        Trying     | Timer F     | tell TimedOut                            | Terminated
        Trying     | Timer K     | -                                        | Trying
        Trying     | flow failed | tell FlowFailed                          | Terminated
        Proceeding | 1xx         | tell Response                            | Proceeding
        Proceeding | 200-699     | tell Response                            | Completed
        Proceeding | Timer E     | send OPTIONS                             | Proceeding
        Proceeding | Timer F     | tell TimedOut                            | Terminated
        Proceeding | Timer K     | -                                        | Proceeding
        Proceeding | flow failed | tell FlowFailed                          | Terminated
        Completed  | 1xx         | -                                        | Completed
        Completed  | 200-699     | -                                        | Completed
        Completed  | Timer E     | -                                        | Completed
        Completed  | Timer F     | -                                        | Completed
        Completed  | Timer K     | -                                        | Terminated
        Completed  | flow failed | -                                        | Completed
        Terminated | 1xx         | -                                        | Terminated
        Terminated | 200-699     | -                                        | Terminated
        Terminated | Timer E     | -                                        | Terminated
        Terminated | Timer F     | -                                        | Terminated
        Terminated | Timer K     | -                                        | Terminated
        Terminated | flow failed | -                                        | Terminated
        ",
    );
}

#[test]
fn rfc3261_17_1_2_2_every_pair_reliable() {
    assert_table(
        &print(reliable()),
        "
        Trying     | 1xx         | tell Response                            | Proceeding
        Trying     | 200-699     | tell Response                            | Terminated
        Trying     | Timer E     | -                                        | Trying
        Trying     | Timer F     | tell TimedOut                            | Terminated
        Trying     | Timer K     | -                                        | Trying
        Trying     | flow failed | tell FlowFailed                          | Terminated
        Proceeding | 1xx         | tell Response                            | Proceeding
        Proceeding | 200-699     | tell Response                            | Terminated
        Proceeding | Timer E     | -                                        | Proceeding
        Proceeding | Timer F     | tell TimedOut                            | Terminated
        Proceeding | Timer K     | -                                        | Proceeding
        Proceeding | flow failed | tell FlowFailed                          | Terminated
        Terminated | 1xx         | -                                        | Terminated
        Terminated | 200-699     | -                                        | Terminated
        Terminated | Timer E     | -                                        | Terminated
        Terminated | Timer F     | -                                        | Terminated
        Terminated | Timer K     | -                                        | Terminated
        Terminated | flow failed | -                                        | Terminated
        ",
    );
}

fn alone(machine: &mut NonInviteClient, timing: Timing<'_>) -> Vec<String> {
    let mut log = Vec::new();
    while let Some(deadline) = machine.deadline() {
        let step = machine.on_deadline(timing, deadline);
        log.push(format!("{} {step}", since_origin(Some(deadline)).unwrap()));
    }
    log
}

#[test]
fn rfc3261_17_1_2_2_timer_e_doubles_up_to_t2_until_timer_f() {
    let times: Vec<_> = [
        500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ]
    .map(|time| format!("{time} send OPTIONS"))
    .into_iter()
    .chain(["32000 tell TimedOut".to_owned()])
    .collect();
    assert_eq!(
        alone(&mut trying(unreliable()), unreliable()),
        times,
        "eleven requests in all"
    );
}

#[test]
fn rfc3261_17_1_2_2_timer_e_is_t2_in_proceeding() {
    let timing = unreliable();
    let mut machine = after(timing, |machine| machine.on_provisional(timing));
    let log = alone(&mut machine, timing);
    assert_eq!(
        log.first().map(String::as_str),
        Some("500 send OPTIONS"),
        "the running timer is not reset"
    );
    assert_eq!(
        log.get(1).map(String::as_str),
        Some("4500 send OPTIONS"),
        "but its next interval is T2"
    );
    assert_eq!(log.last().map(String::as_str), Some("32000 tell TimedOut"));
}

#[test]
fn rfc3261_17_1_2_2_no_timer_e_over_reliable_transports() {
    assert_eq!(
        alone(&mut trying(reliable()), reliable()),
        ["32000 tell TimedOut"]
    );
}

#[test]
fn rfc3261_17_1_2_2_timer_k_is_t4_and_zero_when_reliable() {
    let timing = unreliable();
    let mut machine = after(timing, |machine| machine.on_final(timing, at(100)));
    assert_eq!(alone(&mut machine, timing), ["5100 -"]);
    assert!(trying(reliable()).on_final(reliable(), at(100)).ended);
}

#[test]
fn a_late_driver_gets_one_retransmission_for_all_it_missed() {
    let mut machine = trying(unreliable());
    assert_eq!(
        machine.on_deadline(unreliable(), at(12_000)).to_string(),
        "send OPTIONS"
    );
    assert_eq!(
        since_origin(machine.deadline()),
        Some(15_500),
        "the schedule is kept: no drift"
    );
    assert_eq!(
        machine.on_deadline(unreliable(), at(40_000)).to_string(),
        "tell TimedOut"
    );
}
