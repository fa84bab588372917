//! Copies of requests, before a whole server with its transactions (RFC 3261 §8.2.7).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sip_testkit::Clock;
use sip_transport::Seed;

use super::{hex, ready};
use crate::auth::Algorithm;
use crate::location::{LocationStore, Memory};
use crate::role::{Answer, Need};
use crate::stack::testing::{datagram, server};
use crate::stack::{Input, Output, Stack};
use crate::users;

/// A server, and the store of its bindings, which is asked at once or answers later.
struct Server {
    stack: Stack,
    store: Arc<Memory>,
    clock: Clock,
    wall: SystemTime,
}

/// A REGISTER by its branch, its CSeq and further lines.
fn register(branch: &str, cseq: u32, fields: &str) -> String {
    format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@example.com>;tag=1\r\nTo: <sip:alice@example.com>\r\nCall-ID: c\r\nCSeq: {cseq} REGISTER\r\n{fields}\r\n"
    )
}

const CONTACT: &str = "Contact: <sip:alice@192.0.2.7>;expires=600\r\n";

impl Server {
    fn new(asks: bool, at_once: bool) -> Self {
        let mut stack = server(&Seed::from_bytes([9; 32]), asks);
        let users = users::Memory::new("example.com").with("alice", "wonderland");
        let store = Arc::new(Memory::new());
        let location = at_once.then(|| Arc::clone(&store) as Arc<dyn LocationStore>);
        stack.use_stores(location, Some(Arc::new(users)));
        Self {
            stack,
            store,
            clock: Clock::new(),
            wall: UNIX_EPOCH,
        }
    }

    fn pass(&mut self, time: Duration) -> Instant {
        self.wall += time;
        self.clock.advance(time);
        self.clock.now()
    }

    /// The answer, without its Date.
    fn ask(&mut self, text: &str) -> String {
        let now = self.pass(Duration::from_millis(500));
        self.stack.handle_timeout(self.wall, now);
        let from: SocketAddr = "192.0.2.7:5060".parse().unwrap();
        let input = datagram(from, text.to_owned());
        self.stack.handle_input(input, self.wall, now);
        let mut sent = String::new();
        while let Some(output) = self.stack.poll_output() {
            match output {
                Output::Io(sip_transport::Output::Datagram { payload, .. }) => {
                    sent.push_str(std::str::from_utf8(&payload).unwrap());
                }
                Output::Need { asker, need } => {
                    let answer = self.answer(need);
                    let input = Input::Answer { asker, answer };
                    self.stack.handle_input(input, self.wall, now);
                }
                _ => {}
            }
        }
        sent.lines()
            .filter(|line| !line.starts_with("Date"))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    fn answer(&self, need: Need) -> Answer {
        match need {
            Need::Lookup { aor } => Answer::Bindings(ready(self.store.lookup(&aor, self.wall))),
            Need::Update { aor, update } => {
                Answer::Updated(ready(self.store.update(&aor, update, self.wall)))
            }
            other => panic!("nobody knows {other:?}"),
        }
    }

    /// The first line of the answer, and how many contacts it tells.
    fn outcome(&mut self, text: &str) -> (String, usize) {
        let answer = self.ask(text);
        let status = answer.lines().next().unwrap_or_default().to_owned();
        (status, answer.matches("Contact: ").count())
    }
}

#[test]
fn rfc3261_8_2_7_a_copy_gets_the_answer_again() {
    for at_once in [true, false] {
        let mut server = Server::new(false, at_once);
        for cseq in 1..4 {
            let text = register(&cseq.to_string(), cseq, CONTACT);
            let first = server.ask(&text);
            assert!(first.starts_with("SIP/2.0 200 OK\n"), "{first}");
            let copy = server.ask(&text);
            // Half a second is less than the one that is told, or it is one less.
            let expires = |text: &str| text.replace("expires=599", "expires=600");
            assert_eq!(expires(&copy), expires(&first));
            assert_eq!(server.stack.transactions().server_count(), 0);
        }
        assert_eq!(server.stack.transactions().stats().repeated_requests, 3);
    }
}

/// RFC 3261 §10.3, step 7: what is no copy has to have a higher CSeq.
#[test]
fn rfc3261_10_3_another_request_with_the_same_cseq_fails() {
    for at_once in [true, false] {
        let mut server = Server::new(false, at_once);
        let ok = ("SIP/2.0 200 OK".to_owned(), 1);
        assert_eq!(server.outcome(&register("1", 5, CONTACT)), ok);
        assert_eq!(server.outcome(&register("1", 5, CONTACT)), ok);
        let other = server.outcome(&register("2", 5, CONTACT));
        assert_eq!(other.0, "SIP/2.0 400 CSeq Out Of Order");
        assert_eq!(server.outcome(&register("3", 6, CONTACT)), ok);
    }
}

/// A late copy does nothing a second time, whatever came between.
#[test]
fn rfc3261_17_2_2_a_late_copy_does_not_bring_back_what_was_removed() {
    for at_once in [true, false] {
        let mut server = Server::new(false, at_once);
        let ok = |contacts| ("SIP/2.0 200 OK".to_owned(), contacts);
        let remove = "Contact: <sip:alice@192.0.2.7>;expires=0\r\n";
        let remove_all = "Contact: *\r\nExpires: 0\r\n";
        for (branch, cseq, fields, contacts) in [
            ("1", 1, CONTACT, 1),
            ("2", 2, CONTACT, 1),
            ("3", 3, remove, 0),
            ("2", 2, CONTACT, 0),
            ("1", 1, CONTACT, 0),
            ("4", 4, CONTACT, 1),
            ("3", 3, remove, 1),
            ("2", 2, CONTACT, 1),
            ("5", 5, remove_all, 0),
            ("4", 4, CONTACT, 0),
            ("6", 6, CONTACT, 1),
            ("5", 5, remove_all, 1),
            ("6", 6, CONTACT, 1),
        ] {
            let text = register(branch, cseq, fields);
            assert_eq!(server.outcome(&text), ok(contacts), "{branch}");
        }
    }
}

/// A telephone that began anew has another Call-ID: the CSeq tells nothing then.
#[test]
fn a_late_copy_does_not_replace_what_another_call_id_has_registered() {
    let mut server = Server::new(false, true);
    let first = register("1", 7, CONTACT);
    let second = register("2", 1, CONTACT).replace("Call-ID: c", "Call-ID: d");
    server.ask(&first);
    server.ask(&second);
    server.ask(&first);
    let aor = crate::domain::Aor::new("alice", "example.com");
    let bindings = ready(server.store.lookup(&aor, server.wall)).unwrap();
    assert_eq!(bindings[0].call_id(), "d");
}

/// RFC 7616 §3.4.5: the count of the credentials was used, by the request that this is a copy of.
#[test]
fn a_copy_is_not_asked_for_its_credentials_again() {
    for at_once in [true, false] {
        let mut server = Server::new(true, at_once);
        let challenge = server.ask(&register("1", 1, CONTACT));
        let (_, behind) = challenge.split_once("nonce=\"").unwrap();
        let nonce = behind.split('"').next().unwrap();
        let algorithm = Algorithm::Sha256;
        let ha1 = hex(algorithm
            .ha1("alice", "example.com", "wonderland")
            .as_bytes());
        let ha2 = algorithm.ha2("REGISTER", "sip:example.com");
        let response = algorithm.response(&ha1, &format!("{nonce}:00000001:c:auth"), &ha2);
        let fields = format!(
            "{CONTACT}Authorization: Digest username=\"alice\", realm=\"example.com\", nonce=\"{nonce}\", uri=\"sip:example.com\", \
             response=\"{}\", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c\"\r\n",
            hex(response.as_bytes())
        );
        let text = register("2", 2, &fields);
        let ok = ("SIP/2.0 200 OK".to_owned(), 1);
        assert_eq!(server.outcome(&text), ok);
        assert_eq!(server.outcome(&text), ok);
        // Who has seen them and makes a request of their own is asked.
        for other in [
            register("3", 3, &fields),
            register("2", 4, &fields),
            text.replace(
                "sip:alice@example.com>\r\nCall",
                "sip:bob@example.com>\r\nCall",
            ),
        ] {
            let answer = server.outcome(&other).0;
            assert_eq!(answer, "SIP/2.0 401 Unauthorized", "{other}");
        }
    }
}
