//! Happy eyeballs (RFC 8305).

use super::*;

const SIX: &str = "2001:db8::9";
const FOUR: &str = "192.0.2.9";

fn bench() -> Bench {
    let mut bench = Bench::new();
    let tcp6 = ListenerId::new(3);
    bench
        .transports
        .add_listener(tcp6, TransportKind::Tcp, addr("[2001:db8::1]:5060"));
    bench
}

/// Selects a name that resolves to these addresses.
fn select(bench: &mut Bench, addresses: &[&str]) -> Vec<Output> {
    let uri = "sip:example.com:5060;transport=tcp";
    let target = Target::from_uri(sip_message::UriRef::parse(uri).unwrap()).unwrap();
    bench.transports.select(&target, 500, bench.now);
    let Output::Resolve { id, .. } = bench.drain()[0] else {
        panic!()
    };
    let ips = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    bench.input(Input::Resolved {
        id,
        result: Ok(Answer::Addresses(ips)),
    })
}

fn opening(outputs: &[Output]) -> ConnectionId {
    match outputs {
        [Output::Connect { connection, .. }] => *connection,
        _ => panic!("{outputs:?}"),
    }
}

fn connected(bench: &mut Bench, connection: ConnectionId, local: &str) -> Vec<Output> {
    bench.input(Input::Connected {
        connection,
        local: addr(local),
    })
}

fn refused(bench: &mut Bench, connection: ConnectionId) -> Vec<Output> {
    bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Refused),
    })
}

/// Where the selection that ends these outputs leads.
fn selected(outputs: &[Output]) -> Result<Vec<String>, SelectError> {
    let Some(Output::Event(Event::Selected { result, .. })) = outputs.last() else {
        panic!("{outputs:?}")
    };
    let remote = |flow: &Flow| flow.remote.ip().to_string();
    result
        .clone()
        .map(|flows| flows.iter().map(remote).collect())
}

#[test]
fn rfc8305_5_the_family_that_answers_in_time_is_not_raced() {
    let mut bench = bench();
    let outputs = select(&mut bench, &[SIX, FOUR]);
    assert_eq!(words(&outputs), ["connect TCP [2001:db8::9]:5060"]);
    let connection = opening(&outputs);
    assert!(bench.pass(Duration::from_millis(249)).is_empty());
    let outputs = connected(&mut bench, connection, "[2001:db8::1]:33000");
    assert_eq!(selected(&outputs).unwrap(), [SIX, FOUR]);
    // The next selection finds the connection.
    let outputs = select(&mut bench, &[FOUR, SIX]);
    assert_eq!(selected(&outputs).unwrap(), [SIX, FOUR]);
    assert_eq!(bench.transports.stats().connections, 1);
}

#[test]
fn rfc8305_5_after_the_delay_the_other_family_is_tried_and_wins() {
    let mut bench = bench();
    let outputs = select(&mut bench, &[SIX, FOUR]);
    let six = opening(&outputs);
    let outputs = bench.pass(Duration::from_millis(250));
    assert_eq!(words(&outputs), ["connect TCP 192.0.2.9:5060"]);
    let outputs = connected(&mut bench, opening(&outputs), "192.0.2.1:33000");
    assert!(matches!(&outputs[0], Output::Close { connection } if *connection == six));
    assert_eq!(selected(&outputs).unwrap(), [FOUR, SIX]);
    assert_eq!(bench.transports.stats().connections, 1);
    // What the loser may still say is nothing to us.
    assert!(connected(&mut bench, six, "[2001:db8::1]:33001").is_empty());
}

#[test]
fn rfc8305_5_a_failure_does_not_wait_for_the_delay() {
    let mut bench = bench();
    let outputs = select(&mut bench, &[SIX, FOUR]);
    let outputs = refused(&mut bench, opening(&outputs));
    assert_eq!(
        words(&outputs),
        ["failed Connect(Refused)", "connect TCP 192.0.2.9:5060"]
    );
    let outputs = connected(&mut bench, opening(&outputs[1..]), "192.0.2.1:33000");
    assert_eq!(selected(&outputs).unwrap(), [FOUR]);
    // The family that failed comes last for a while.
    let outputs = select(&mut bench, &[SIX, FOUR]);
    assert_eq!(selected(&outputs).unwrap()[0], FOUR);
}

#[test]
fn when_every_address_fails_the_selection_says_why() {
    let mut bench = bench();
    let outputs = select(&mut bench, &[SIX, FOUR]);
    let outputs = refused(&mut bench, opening(&outputs));
    let outputs = refused(&mut bench, opening(&outputs[1..]));
    assert_eq!(
        selected(&outputs),
        Err(SelectError::Connect(ConnectionError::Refused))
    );
    // Silent ones take the time of a connection.
    let outputs = select(&mut bench, &["2001:db8::a", "192.0.2.10"]);
    opening(&outputs);
    let outputs = bench.pass(Duration::from_secs(11));
    assert_eq!(
        selected(&outputs),
        Err(SelectError::Connect(ConnectionError::TimedOut))
    );
    assert_eq!(bench.transports.stats().connections, 0);
    bench.pass(Duration::from_secs(120));
    assert_eq!(bench.transports.poll_timeout(), None);
}

#[test]
fn rfc8305_4_the_families_take_turns() {
    let mut bench = bench();
    let addresses = ["2001:db8::a", "2001:db8::b", "192.0.2.10", "192.0.2.11"];
    let outputs = select(&mut bench, &addresses);
    assert_eq!(words(&outputs), ["connect TCP [2001:db8::a]:5060"]);
    assert_eq!(
        words(&bench.pass(Duration::from_secs(1))),
        [
            "connect TCP 192.0.2.10:5060",
            "connect TCP [2001:db8::b]:5060",
            "connect TCP 192.0.2.11:5060"
        ]
    );
}

#[test]
fn a_loser_over_which_something_is_sent_stays() {
    let mut bench = bench();
    let outputs = select(&mut bench, &[SIX, FOUR]);
    let six = opening(&outputs);
    // Somebody knows that flow from before and uses it.
    let flow = bench.select("sip:[2001:db8::9];transport=tcp", 500);
    // A target that is an address is the same flow: it proves nothing of its name over TCP.
    bench.send(flow.unwrap()[0].id, b"x");
    let outputs = bench.pass(Duration::from_millis(250));
    let outputs = connected(&mut bench, opening(&outputs), "192.0.2.1:33000");
    assert_eq!(words(&outputs[..1]).len(), 1);
    assert_eq!(selected(&outputs).unwrap(), [FOUR, SIX]);
    let outputs = connected(&mut bench, six, "[2001:db8::1]:33001");
    assert_eq!(words(&outputs), ["stream x"]);
}

#[test]
fn two_selections_share_a_race_and_its_end() {
    let mut bench = bench();
    let six = opening(&select(&mut bench, &[SIX, FOUR]));
    assert!(select(&mut bench, &[SIX, FOUR]).is_empty());
    let outputs = connected(&mut bench, six, "[2001:db8::1]:33000");
    assert_eq!(outputs.len(), 2);
    assert_eq!(selected(&outputs[..1]).unwrap(), [SIX, FOUR]);
    assert_eq!(selected(&outputs).unwrap(), [SIX, FOUR]);
}

#[test]
fn a_limit_on_connections_ends_a_race_too() {
    let mut bench = bench();
    bench.transports.config.limits.connections = 2;
    for number in 1..=2 {
        bench.accept(number, PEER);
    }
    let outputs = select(&mut bench, &[SIX, FOUR]);
    assert_eq!(selected(&outputs), Err(SelectError::Limit));
    assert_eq!(bench.transports.stats().refused_connections, 2);
}
