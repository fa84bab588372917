use super::*;
use crate::table::{Table, assert_table, at, reliable, since_origin, unreliable};

const TRYING: Bytes = Bytes::from_static(b"100");
const OK: Bytes = Bytes::from_static(b"200");

fn trying(timing: Timing<'_>) -> NonInviteServer {
    let mut machine = NonInviteServer::new(timing, at(0));
    machine.keep_trying(b"100");
    machine
}

fn after(timing: Timing<'_>, event: impl FnOnce(&mut NonInviteServer) -> Step) -> NonInviteServer {
    let mut machine = trying(timing);
    let _ = event(&mut machine);
    machine
}

fn print(timing: Timing<'static>) -> String {
    let in_trying = move || trying(timing);
    let in_proceeding = move || after(timing, |machine| machine.on_timer_trying());
    let in_completed = move || after(timing, |machine| machine.on_final(OK, timing, at(1)));
    let after_408 = move || after(timing, |machine| machine.on_request_timeout(timing, at(1)));
    let in_terminated = move || after(timing, NonInviteServer::on_timer_expiry);
    let mut states: Vec<&dyn Fn() -> NonInviteServer> = vec![&in_trying, &in_proceeding];
    if !timing.reliable {
        states.push(&in_completed); // zero time on reliable transports
        states.push(&after_408);
    }
    states.push(&in_terminated);
    Table {
        states: &states,
        events: &[
            ("request", &|machine| machine.on_request()),
            ("early 100", &move |machine| {
                machine.on_trying(TRYING, timing, at(9))
            }),
            ("late 100", &move |machine| {
                machine.on_trying(TRYING, timing, at(3500))
            }),
            ("200-699", &move |machine| {
                machine.on_final(Bytes::from_static(b"404"), timing, at(9))
            }),
            ("408 from TU", &move |machine| {
                machine.on_request_timeout(timing, at(9))
            }),
            ("3.5 s", &|machine| machine.on_timer_trying()),
            ("expiry", &|machine| machine.on_timer_expiry()),
            ("Timer J", &|machine| machine.on_timer_j()),
            ("flow failed", &|machine| machine.on_flow_failed()),
        ],
        name: NonInviteServer::state_name,
    }
    .print()
}

/// Completed occurs twice: with a response, and without one because the TU had passed a 408.
#[test]
fn rfc3261_17_2_2_every_pair_unreliable() {
    assert_table(
        &print(unreliable()),
        "
        Trying     | request     | -                                        | Trying
        Trying     | early 100   | -                                        | Trying
        Trying     | late 100    | send 100                                 | Proceeding
        Trying     | 200-699     | send 404                                 | Completed
        Trying     | 408 from TU | -                                        | Completed
        Trying     | 3.5 s       | send 100                                 | Proceeding
        Trying     | expiry      | -                                        | Terminated
        Trying     | Timer J     | -                                        | Trying
        Trying     | flow failed | tell FlowFailed                          | Trying
        Proceeding | request     | send 100                                 | Proceeding
        Proceeding | early 100   | send 100                                 | Proceeding
        Proceeding | late 100    | send 100                                 | Proceeding
        Proceeding | 200-699     | send 404                                 | Completed
        Proceeding | 408 from TU | -                                        | Completed
        Proceeding | 3.5 s       | -                                        | Proceeding
        Proceeding | expiry      | -                                        | Terminated
        Proceeding | Timer J     | -                                        | Proceeding
        Proceeding | flow failed | tell FlowFailed                          | Proceeding
        Completed  | request     | send 200                                 | Completed
        Completed  | early 100   | -                                        | Completed
        Completed  | late 100    | -                                        | Completed
        Completed  | 200-699     | -                                        | Completed
        Completed  | 408 from TU | -                                        | Completed
        Completed  | 3.5 s       | -                                        | Completed
        Completed  | expiry      | -                                        | Completed
        Completed  | Timer J     | -                                        | Terminated
        Completed  | flow failed | tell FlowFailed                          | Completed
        Completed  | request     | -                                        | Completed
        Completed  | early 100   | -                                        | Completed
        Completed  | late 100    | -                                        | Completed
        Completed  | 200-699     | -                                        | Completed
        Completed  | 408 from TU | -                                        | Completed
        Completed  | 3.5 s       | -                                        | Completed
        Completed  | expiry      | -                                        | Completed
        Completed  | Timer J     | -                                        | Terminated
        Completed  | flow failed | tell FlowFailed                          | Completed
        Terminated | request     | -                                        | Terminated
        Terminated | early 100   | -                                        | Terminated
        Terminated | late 100    | -                                        | Terminated
        Terminated | 200-699     | -                                        | Terminated
        Terminated | 408 from TU | -                                        | Terminated
        Terminated | 3.5 s       | -                                        | Terminated
        Terminated | expiry      | -                                        | Terminated
        Terminated | Timer J     | -                                        | Terminated
        Terminated | flow failed | -                                        | Terminated
        ",
    );
}

#[test]
fn rfc3261_17_2_2_every_pair_reliable() {
    assert_table(
        &print(reliable()),
        "
        Trying     | request     | -                                        | Trying
        Trying     | early 100   | send 100                                 | Proceeding
        Trying     | late 100    | send 100                                 | Proceeding
        Trying     | 200-699     | send 404                                 | Terminated
        Trying     | 408 from TU | -                                        | Terminated
        Trying     | 3.5 s       | send 100                                 | Proceeding
        Trying     | expiry      | -                                        | Terminated
        Trying     | Timer J     | -                                        | Trying
        Trying     | flow failed | tell FlowFailed                          | Trying
        Proceeding | request     | send 100                                 | Proceeding
        Proceeding | early 100   | send 100                                 | Proceeding
        Proceeding | late 100    | send 100                                 | Proceeding
        Proceeding | 200-699     | send 404                                 | Terminated
        Proceeding | 408 from TU | -                                        | Terminated
        Proceeding | 3.5 s       | -                                        | Proceeding
        Proceeding | expiry      | -                                        | Terminated
        Proceeding | Timer J     | -                                        | Proceeding
        Proceeding | flow failed | tell FlowFailed                          | Proceeding
        Terminated | request     | -                                        | Terminated
        Terminated | early 100   | -                                        | Terminated
        Terminated | late 100    | -                                        | Terminated
        Terminated | 200-699     | -                                        | Terminated
        Terminated | 408 from TU | -                                        | Terminated
        Terminated | 3.5 s       | -                                        | Terminated
        Terminated | expiry      | -                                        | Terminated
        Terminated | Timer J     | -                                        | Terminated
        Terminated | flow failed | -                                        | Terminated
        ",
    );
}

fn alone(machine: &mut NonInviteServer) -> Vec<String> {
    let mut log = Vec::new();
    while let Some(deadline) = machine.deadline() {
        let step = machine.on_deadline(deadline);
        log.push(format!("{} {step}", since_origin(Some(deadline)).unwrap()));
    }
    log
}

#[test]
fn rfc4320_4_1_a_100_when_timer_e_of_the_client_reaches_t2() {
    assert_eq!(
        alone(&mut trying(unreliable())),
        ["3500 send 100", "32000 -"]
    );
    assert_eq!(alone(&mut trying(reliable())), ["3500 send 100", "32000 -"]);
}

#[test]
fn rfc3261_17_2_2_timer_j_is_64_t1_and_zero_when_reliable() {
    let timing = unreliable();
    let mut machine = after(timing, |machine| machine.on_final(OK, timing, at(100)));
    assert_eq!(alone(&mut machine), ["32100 -"]);
    assert!(trying(reliable()).on_final(OK, reliable(), at(100)).ended);
}

#[test]
fn rfc4320_4_2_a_408_is_never_sent() {
    let timing = unreliable();
    let mut machine = trying(timing);
    assert_eq!(machine.on_request_timeout(timing, at(5)).to_string(), "-");
    assert_eq!(
        machine.on_request().to_string(),
        "-",
        "and its retransmissions stay unanswered"
    );
}
