use std::time::{Duration, UNIX_EPOCH};

use sip_transport::Seed;

use super::*;
use crate::stack::Output;
use crate::stack::testing::{self, datagram};

fn server() -> Stack {
    testing::server(&Seed::from_bytes([6; 32]), true)
}

/// What is sent in answer to a request with these lines.
fn ask(stack: &mut Stack, method: &str, branch: &str, more: &str) -> String {
    let text = format!(
        "{method} sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}\r\nFrom: <sip:a@example.com>;tag=1\r\n\
         To: <sip:a@example.com>\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n{more}\r\n"
    );
    let input = datagram("192.0.2.1:5060".parse().unwrap(), text);
    stack.handle_input(input, UNIX_EPOCH, Instant::now());
    let mut sent = String::new();
    while let Some(output) = stack.poll_output() {
        if let Output::Io(sip_transport::Output::Datagram { payload, .. }) = output {
            sent.push_str(std::str::from_utf8(&payload).unwrap());
        }
    }
    sent
}

#[test]
fn rfc3261_8_2_7_options_and_challenges_leave_no_transaction_and_one_tag() {
    let mut stack = server();
    for (method, status) in [("OPTIONS", "200 OK"), ("REGISTER", "401 Unauthorized")] {
        let tag = |answer: &str| {
            let at = answer.find("To: <sip:a@example.com>;tag=").unwrap();
            answer[at..].lines().next().unwrap().to_owned()
        };
        let first = ask(&mut stack, method, "1", "");
        assert!(
            first.starts_with(&format!("SIP/2.0 {status}\r\n")),
            "{first}"
        );
        let copy = ask(&mut stack, method, "1", "");
        assert_eq!(tag(&first), tag(&copy));
        let other = ask(&mut stack, method, "2", "");
        assert_ne!(tag(&first), tag(&other));
        assert_eq!(stack.transactions().server_count(), 0);
    }
    let counted: Vec<_> = stack.counts().requests().filter(|(.., n)| *n > 0).collect();
    assert_eq!(counted, [("UDP", "OPTIONS", 3), ("UDP", "REGISTER", 3)]);
    let latencies: Vec<_> = stack.latencies().answered().collect();
    assert_eq!(latencies.len(), 2);
    assert!(
        latencies
            .iter()
            .all(|(.., histogram)| histogram.count() == 3)
    );
}

#[test]
fn a_challenge_offers_every_algorithm() {
    let answer = ask(
        &mut server(),
        "REGISTER",
        "1",
        "Contact: <sip:a@192.0.2.1>\r\n",
    );
    let names = ["SHA-512-256", "SHA-256", "MD5"];
    let offered = answer.lines().filter(|line| {
        line.starts_with("WWW-Authenticate: Digest realm=\"example.com\", nonce=\"")
    });
    for (line, name) in offered.zip(names) {
        assert!(
            line.ends_with(&format!("\", algorithm={name}, qop=\"auth\"")),
            "{line}"
        );
    }
    assert_eq!(answer.matches("WWW-Authenticate").count(), 3);
}

/// What is more than that is answered as before, by a transaction.
#[test]
fn what_is_not_plain_has_a_transaction() {
    for (method, more, status) in [
        ("OPTIONS", "Require: gruu\r\n", "420"),
        ("REGISTER", "Require: timer\r\n", "420"),
    ] {
        let mut stack = server();
        let answer = ask(&mut stack, method, "1", more);
        assert!(answer.starts_with(&format!("SIP/2.0 {status}")), "{answer}");
        assert_eq!(stack.transactions().server_count(), 1, "{method} {more}");
    }
}

#[test]
fn who_drains_refuses_these_too() {
    let mut stack = server();
    stack.drain(Duration::from_secs(5));
    let answer = ask(&mut stack, "OPTIONS", "1", "");
    assert!(answer.starts_with("SIP/2.0 503"), "{answer}");
}
