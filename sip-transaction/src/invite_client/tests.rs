use super::*;
use crate::table::{Table, assert_table, at, reliable, since_origin, unreliable};

fn ack(invite: &[u8]) -> Bytes {
    assert_eq!(invite, b"INVITE");
    Bytes::from_static(b"ACK")
}

fn calling(timing: Timing<'_>) -> InviteClient {
    InviteClient::new(Bytes::from_static(b"INVITE"), timing, at(0)).0
}

fn after(timing: Timing<'_>, event: impl FnOnce(&mut InviteClient) -> Step) -> InviteClient {
    let mut machine = calling(timing);
    let _ = event(&mut machine);
    machine
}

fn print(timing: Timing<'static>) -> String {
    let mut states: Vec<&dyn Fn() -> InviteClient> = Vec::new();
    let in_calling = move || calling(timing);
    let in_calling_cancelled = move || after(timing, |machine| machine.on_cancel(timing, at(1)));
    let in_proceeding = move || after(timing, |machine| machine.on_provisional(timing, at(1)));
    let in_proceeding_cancelled = move || {
        let mut machine = in_proceeding();
        let _ = machine.on_cancel(timing, at(2));
        machine
    };
    let in_completed = move || after(timing, |machine| machine.on_failure(ack, timing, at(1)));
    let in_accepted = move || after(timing, |machine| machine.on_success(timing, at(1)));
    let in_terminated = move || after(timing, InviteClient::on_timer_b);
    states.extend([
        &in_calling as &dyn Fn() -> InviteClient,
        &in_calling_cancelled,
        &in_proceeding,
    ]);
    states.push(&in_proceeding_cancelled);
    if !timing.reliable {
        states.push(&in_completed); // zero time on reliable transports
    }
    states.extend([&in_accepted as &dyn Fn() -> InviteClient, &in_terminated]);
    Table {
        states: &states,
        events: &[
            ("1xx", &move |machine| machine.on_provisional(timing, at(9))),
            ("2xx", &move |machine| machine.on_success(timing, at(9))),
            ("300-699", &move |machine| {
                machine.on_failure(ack, timing, at(9))
            }),
            ("cancel", &move |machine| machine.on_cancel(timing, at(9))),
            ("Timer A", &|machine| machine.on_timer_a(at(500))),
            ("Timer B", &|machine| machine.on_timer_b()),
            ("Timer D", &|machine| machine.on_timer_d()),
            ("Timer M", &|machine| machine.on_timer_m()),
            ("cancelled", &|machine| machine.on_timer_cancelled()),
            ("flow failed", &|machine| machine.on_flow_failed()),
        ],
        name: InviteClient::state_name,
    }
    .print()
}

/// Calling and Proceeding occur twice: as they are, and after the TU has cancelled.
#[test]
fn rfc6026_8_4_every_pair_unreliable() {
    assert_table(
        &print(unreliable()),
        "
        Calling    | 1xx         | tell Response                            | Proceeding
        Calling    | 2xx         | tell Response                            | Accepted
        Calling    | 300-699     | send ACK, tell Response                  | Completed
        Calling    | cancel      | -                                        | Calling
        Calling    | Timer A     | send INVITE                              | Calling
        Calling    | Timer B     | tell TimedOut                            | Terminated
        Calling    | Timer D     | -                                        | Calling
        Calling    | Timer M     | -                                        | Calling
        Calling    | cancelled   | -                                        | Calling
        Calling    | flow failed | tell FlowFailed                          | Terminated
        Calling    | 1xx         | tell Response, send CANCEL               | Proceeding
        Calling    | 2xx         | tell Response                            | Accepted
        Calling    | 300-699     | send ACK, tell Response                  | Completed
        Calling    | cancel      | -                                        | Calling
        Calling    | Timer A     | send INVITE                              | Calling
        Calling    | Timer B     | tell TimedOut                            | Terminated
        Calling    | Timer D     | -                                        | Calling
        Calling    | Timer M     | -                                        | Calling
        Calling    | cancelled   | -                                        | Calling
        Calling    | flow failed | tell FlowFailed                          | Terminated
        Proceeding | 1xx         | tell Response                            | Proceeding
        Proceeding | 2xx         | tell Response                            | Accepted
        Proceeding | 300-699     | send ACK, tell Response                  | Completed
        Proceeding | cancel      | send CANCEL                              | Proceeding
        Proceeding | Timer A     | -                                        | Proceeding
        Proceeding | Timer B     | -                                        | Proceeding
        Proceeding | Timer D     | -                                        | Proceeding
        Proceeding | Timer M     | -                                        | Proceeding
        Proceeding | cancelled   | -                                        | Proceeding
        Proceeding | flow failed | tell FlowFailed                          | Terminated
        Proceeding | 1xx         | tell Response                            | Proceeding
        Proceeding | 2xx         | tell Response                            | Accepted
        Proceeding | 300-699     | send ACK, tell Response                  | Completed
        Proceeding | cancel      | -                                        | Proceeding
        Proceeding | Timer A     | -                                        | Proceeding
        Proceeding | Timer B     | -                                        | Proceeding
        Proceeding | Timer D     | -                                        | Proceeding
        Proceeding | Timer M     | -                                        | Proceeding
        Proceeding | cancelled   | tell TimedOut                            | Terminated
        Proceeding | flow failed | tell FlowFailed                          | Terminated
        Completed  | 1xx         | -                                        | Completed
        Completed  | 2xx         | -                                        | Completed
        Completed  | 300-699     | send ACK                                 | Completed
        Completed  | cancel      | -                                        | Completed
        Completed  | Timer A     | -                                        | Completed
        Completed  | Timer B     | -                                        | Completed
        Completed  | Timer D     | -                                        | Terminated
        Completed  | Timer M     | -                                        | Completed
        Completed  | cancelled   | -                                        | Completed
        Completed  | flow failed | tell FlowFailed                          | Terminated
        Accepted   | 1xx         | -                                        | Accepted
        Accepted   | 2xx         | tell Response                            | Accepted
        Accepted   | 300-699     | -                                        | Accepted
        Accepted   | cancel      | -                                        | Accepted
        Accepted   | Timer A     | -                                        | Accepted
        Accepted   | Timer B     | -                                        | Accepted
        Accepted   | Timer D     | -                                        | Accepted
        Accepted   | Timer M     | -                                        | Terminated
        Accepted   | cancelled   | -                                        | Accepted
        Accepted   | flow failed | -                                        | Accepted
        Terminated | 1xx         | -                                        | Terminated
        Terminated | 2xx         | -                                        | Terminated
        Terminated | 300-699     | -                                        | Terminated
        Terminated | cancel      | -                                        | Terminated
        Terminated | Timer A     | -                                        | Terminated
        Terminated | Timer B     | -                                        | Terminated
        Terminated | Timer D     | -                                        | Terminated
        Terminated | Timer M     | -                                        | Terminated
        Terminated | cancelled   | -                                        | Terminated
        Terminated | flow failed | -                                        | Terminated
        ",
    );
}

#[test]
fn rfc6026_8_4_every_pair_reliable() {
    assert_table(
        &print(reliable()),
        "
        Calling    | 1xx         | tell Response                            | Proceeding
        Calling    | 2xx         | tell Response                            | Accepted
        Calling    | 300-699     | send ACK, tell Response                  | Terminated
        Calling    | cancel      | -                                        | Calling
        Calling    | Timer A     | -                                        | Calling
        Calling    | Timer B     | tell TimedOut                            | Terminated
        Calling    | Timer D     | -                                        | Calling
        Calling    | Timer M     | -                                        | Calling
        Calling    | cancelled   | -                                        | Calling
        Calling    | flow failed | tell FlowFailed                          | Terminated
        Calling    | 1xx         | tell Response, send CANCEL               | Proceeding
        Calling    | 2xx         | tell Response                            | Accepted
        Calling    | 300-699     | send ACK, tell Response                  | Terminated
        Calling    | cancel      | -                                        | Calling
        Calling    | Timer A     | -                                        | Calling
        Calling    | Timer B     | tell TimedOut                            | Terminated
        Calling    | Timer D     | -                                        | Calling
        Calling    | Timer M     | -                                        | Calling
        Calling    | cancelled   | -                                        | Calling
        Calling    | flow failed | tell FlowFailed                          | Terminated
        Proceeding | 1xx         | tell Response                            | Proceeding
        Proceeding | 2xx         | tell Response                            | Accepted
        Proceeding | 300-699     | send ACK, tell Response                  | Terminated
        Proceeding | cancel      | send CANCEL                              | Proceeding
        Proceeding | Timer A     | -                                        | Proceeding
        Proceeding | Timer B     | -                                        | Proceeding
        Proceeding | Timer D     | -                                        | Proceeding
        Proceeding | Timer M     | -                                        | Proceeding
        Proceeding | cancelled   | -                                        | Proceeding
        Proceeding | flow failed | tell FlowFailed                          | Terminated
        Proceeding | 1xx         | tell Response                            | Proceeding
        Proceeding | 2xx         | tell Response                            | Accepted
        Proceeding | 300-699     | send ACK, tell Response                  | Terminated
        Proceeding | cancel      | -                                        | Proceeding
        Proceeding | Timer A     | -                                        | Proceeding
        Proceeding | Timer B     | -                                        | Proceeding
        Proceeding | Timer D     | -                                        | Proceeding
        Proceeding | Timer M     | -                                        | Proceeding
        Proceeding | cancelled   | tell TimedOut                            | Terminated
        Proceeding | flow failed | tell FlowFailed                          | Terminated
        Accepted   | 1xx         | -                                        | Accepted
        Accepted   | 2xx         | tell Response                            | Accepted
        Accepted   | 300-699     | -                                        | Accepted
        Accepted   | cancel      | -                                        | Accepted
        Accepted   | Timer A     | -                                        | Accepted
        Accepted   | Timer B     | -                                        | Accepted
        Accepted   | Timer D     | -                                        | Accepted
        Accepted   | Timer M     | -                                        | Terminated
        Accepted   | cancelled   | -                                        | Accepted
        Accepted   | flow failed | -                                        | Accepted
        Terminated | 1xx         | -                                        | Terminated
        Terminated | 2xx         | -                                        | Terminated
        Terminated | 300-699     | -                                        | Terminated
        Terminated | cancel      | -                                        | Terminated
        Terminated | Timer A     | -                                        | Terminated
        Terminated | Timer B     | -                                        | Terminated
        Terminated | Timer D     | -                                        | Terminated
        Terminated | Timer M     | -                                        | Terminated
        Terminated | cancelled   | -                                        | Terminated
        Terminated | flow failed | -                                        | Terminated
        ",
    );
}

/// Runs a machine alone and prints what it sends and says, with the times.
fn alone(machine: &mut InviteClient) -> Vec<String> {
    let mut log = Vec::new();
    while let Some(deadline) = machine.deadline() {
        let step = machine.on_deadline(deadline);
        log.push(format!("{} {step}", since_origin(Some(deadline)).unwrap()));
    }
    log
}

#[test]
fn rfc3261_17_1_1_2_timer_a_doubles_until_timer_b() {
    let mut machine = calling(unreliable());
    assert_eq!(
        alone(&mut machine),
        [
            "500 send INVITE",
            "1500 send INVITE",
            "3500 send INVITE",
            "7500 send INVITE",
            "15500 send INVITE",
            "31500 send INVITE",
            "32000 tell TimedOut",
        ],
        "seven INVITEs in all"
    );
}

#[test]
fn rfc3261_17_1_1_2_no_timer_a_over_reliable_transports() {
    assert_eq!(alone(&mut calling(reliable())), ["32000 tell TimedOut"]);
}

#[test]
fn rfc3261_17_1_1_2_no_timer_runs_in_proceeding() {
    assert_eq!(
        after(unreliable(), |machine| machine
            .on_provisional(unreliable(), at(5)))
        .deadline(),
        None
    );
    // Each is told, and nothing is sent.
    let mut machine = calling(unreliable());
    for time in [5, 6, 7000] {
        let step = machine.on_provisional(unreliable(), at(time));
        assert_eq!(step.to_string(), "tell Response");
        assert_eq!(machine.deadline(), None);
    }
}

#[test]
fn rfc3261_17_1_1_2_timer_d_is_at_least_32_seconds_and_zero_when_reliable() {
    let timing = unreliable();
    let mut machine = after(timing, |machine| machine.on_failure(ack, timing, at(100)));
    assert_eq!(alone(&mut machine), ["32100 -"]);
    let mut machine = calling(reliable());
    let step = machine.on_failure(ack, reliable(), at(100));
    assert_eq!(
        (step.to_string().as_str(), step.ended),
        ("send ACK, tell Response", true)
    );
}

#[test]
fn rfc6026_8_4_timer_m_is_64_t1_on_every_transport() {
    for timing in [unreliable(), reliable()] {
        let mut machine = after(timing, |machine| machine.on_success(timing, at(100)));
        assert_eq!(alone(&mut machine), ["32100 -"]);
    }
}

#[test]
fn rfc3261_9_1_a_cancelled_invite_is_given_up_64_t1_after_its_cancel() {
    let timing = unreliable();
    let mut machine = after(timing, |machine| machine.on_cancel(timing, at(0)));
    let step = machine.on_provisional(timing, at(700));
    assert!(
        step.cancel,
        "the CANCEL waited for the provisional response"
    );
    assert_eq!(alone(&mut machine), ["32700 tell TimedOut"]);
}

#[test]
fn a_late_driver_gets_one_retransmission_for_all_it_missed() {
    let mut machine = calling(unreliable());
    assert_eq!(machine.on_deadline(at(8000)).to_string(), "send INVITE");
    assert_eq!(
        since_origin(machine.deadline()),
        Some(15500),
        "the schedule is kept: no drift"
    );
    assert_eq!(
        machine.on_deadline(at(40_000)).to_string(),
        "tell TimedOut",
        "too late for a retransmission"
    );
}
