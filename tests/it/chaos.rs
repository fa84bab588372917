//! Whole roles in disorder: requests, answers, changes to messages, repetitions, lost connections and time, in any order, as a list
//! of bytes says. Whatever happens, nothing panics, nothing grows beyond what came, each transaction ends, and what leaves passes the
//! validator and can be read again. The fuzzer gives lists that find new ways; a test gives random ones.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_stack::transport::{Seed, TransportKind};

use crate::subject::{Kind, Leaves, Subject};

/// What happened, so that a test can say that anything did.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) arrived: usize,
    pub(crate) left: usize,
    /// Final answers of the subject with a status of 2xx.
    pub(crate) successes: usize,
    /// Requests that left.
    pub(crate) requests: usize,
}

const HERE: &str = "192.0.2.1:5060";
const PEERS: [&str; 3] = ["192.0.2.21:5060", "192.0.2.22:5060", "192.0.2.23:5060"];
const USERS: [&str; 6] = ["alice", "bob", "carol", "9", "8", "nobody"];
const METHODS: [&str; 14] = [
    "INVITE",
    "REGISTER",
    "OPTIONS",
    "INVITE",
    "SUBSCRIBE",
    "MESSAGE",
    "CANCEL",
    "ACK",
    "BYE",
    "PRACK",
    "UPDATE",
    "INFO",
    "NOTIFY",
    "PUBLISH",
];
const STATUSES: [u16; 16] = [
    100, 180, 183, 200, 200, 202, 302, 401, 404, 407, 423, 481, 486, 487, 503, 603,
];
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
/// How many messages of either direction are kept to be used again.
const KEPT: usize = 64;

/// A message that came, and how.
#[derive(Clone)]
struct Came {
    from: SocketAddr,
    to: SocketAddr,
    kind: TransportKind,
    text: String,
}

struct Chaos<'a> {
    subject: Subject,
    is_agent: bool,
    now: Instant,
    came: Vec<Came>,
    left: Vec<Leaves>,
    figures: Figures,
    show: &'a mut dyn FnMut(&Leaves),
}

/// Plays a list, and shows all that leaves.
pub(crate) fn run(bytes: &[u8], began: Instant, show: &mut dyn FnMut(&Leaves)) -> Figures {
    let Some((&first, mut rest)) = bytes.split_first() else {
        return Figures::default();
    };
    let mut chaos = Chaos::new(first, began, show);
    while let Some((&[step, value], after)) = rest.split_first_chunk::<2>() {
        rest = after;
        chaos.step(step, value, &mut rest);
        chaos.settle();
        chaos.check();
    }
    chaos.finish();
    chaos.figures
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address of this file")
}

impl<'a> Chaos<'a> {
    fn new(first: u8, now: Instant, show: &'a mut dyn FnMut(&Leaves)) -> Self {
        let kind = match first % 4 {
            0 | 1 => Kind::Server,
            2 => Kind::Agent,
            _ => Kind::Redirect,
        };
        let stateless = [
            ("9", "sip:192.0.2.21"),
            ("8", "sip:192.0.2.22;transport=tcp"),
        ];
        let stateless = if first % 4 == 1 { &stateless[..] } else { &[] };
        let seed = Seed::from_bytes([first; 32]);
        let mut subject = Subject::new(kind, addr(HERE), stateless, &seed, now);
        subject.is_among_liars = true;
        for (user, peer) in USERS.iter().zip(PEERS) {
            let parameter = if first & 0x10 != 0 {
                ";transport=tcp"
            } else {
                ""
            };
            subject.bind(user, &format!("sip:{user}@{peer}{parameter}"));
            if first & 0x20 == 0 {
                subject.listens(addr(peer));
            }
        }
        if first & 0x40 != 0 {
            subject.bind("alice", "sip:alice@192.0.2.22:5060");
            subject.bind("alice", "sip:bob@example.com");
        }
        Self {
            subject,
            is_agent: kind == Kind::Agent,
            now,
            came: Vec::new(),
            left: Vec::new(),
            figures: Figures::default(),
            show,
        }
    }

    fn step(&mut self, step: u8, value: u8, rest: &mut &[u8]) {
        let pick = usize::from(value);
        match step % 16 {
            0 | 1 => {
                let more = take(rest);
                let came = request(
                    METHODS[pick % METHODS.len()],
                    value,
                    more,
                    step & 0x80 != 0,
                    self.is_agent,
                );
                self.arrive(came, step & 0x40 != 0);
            }
            2..=4 => {
                if let Some(came) = self.answer(take(rest), value) {
                    self.arrive(came, step & 0x40 != 0);
                }
            }
            5 | 6 => {
                if let Some(came) = self.within(take(rest), value) {
                    self.arrive(came, false);
                }
            }
            7 => {
                if let Some(came) = self.came.get(pick % self.came.len().max(1)).cloned() {
                    self.arrive(came, step & 0x40 != 0);
                }
            }
            8 | 9 => {
                if let Some(mut came) = self.came.get(pick % self.came.len().max(1)).cloned() {
                    for _ in 0..=usize::from(step >> 6) {
                        came.text = changed(&came.text, take(rest), take(rest));
                    }
                    self.arrive(came, false);
                }
            }
            10 => {
                if let Some(mut came) = self.answer(take(rest), value) {
                    came.text = changed(&came.text, take(rest), take(rest));
                    self.arrive(came, false);
                }
            }
            11 => self.pass(Duration::from_millis(u64::from(value) * 20)),
            12 => {
                if let Some(at) = self.subject.poll_timeout() {
                    self.pass(at.saturating_duration_since(self.now));
                }
            }
            13 if value < 24 => self.pass(Duration::from_secs(u64::from(value) * 10)),
            13 => self.subject.hang_up_on(addr(PEERS[pick % 3]), self.now),
            14 if self.is_agent => {
                let target = format!("sip:peer@{}", PEERS[pick % 3]);
                let parameter = if value & 0x80 != 0 {
                    ";transport=tcp"
                } else {
                    ""
                };
                self.subject
                    .call(&format!("{target}{parameter}"), value & 0x40 != 0, self.now);
            }
            _ => {
                // Whatever comes, as a message.
                let (bytes, after) = rest.split_at(rest.len().min(pick % 32));
                *rest = after;
                let kind = kind(step & 0x80 != 0);
                let payload = Bytes::copy_from_slice(bytes);
                let from = addr(PEERS[pick % 3]);
                self.figures.arrived += 1;
                self.subject
                    .arrive(from, addr(HERE), kind, payload, self.now);
            }
        }
    }

    fn arrive(&mut self, came: Came, is_split: bool) {
        self.figures.arrived += 1;
        let bytes = Bytes::from(came.text.clone());
        if is_split && came.kind == TransportKind::Tcp && bytes.len() > 1 {
            let half = bytes.len() / 2;
            for piece in [bytes.slice(..half), bytes.slice(half..)] {
                self.subject
                    .arrive(came.from, came.to, came.kind, piece, self.now);
            }
        } else {
            self.subject
                .arrive(came.from, came.to, came.kind, bytes, self.now);
        }
        if self.came.len() >= KEPT {
            self.came.remove(0);
        }
        self.came.push(came);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut rounds = 0;
        while let Some(at) = self.subject.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.subject.handle_timeout(self.now);
            self.settle();
            rounds += 1;
            assert!(rounds < 200_000, "timers come to an end");
        }
        self.now = end;
    }

    fn settle(&mut self) {
        while let Some(leaves) = self.subject.poll() {
            self.figures.left += 1;
            (self.show)(&leaves);
            if leaves.payload.starts_with(b"SIP/2.0 2") {
                self.figures.successes += 1;
            } else if !leaves.payload.starts_with(b"SIP/2.0 ") {
                self.figures.requests += 1;
            }
            if self.left.len() >= KEPT {
                self.left.remove(0);
            }
            self.left.push(leaves);
        }
    }

    fn check(&mut self) {
        assert!(
            self.subject.faults.is_empty(),
            "{}",
            self.subject.faults.join("\n")
        );
        let live = self.subject.live();
        // A request makes one transaction, and as many branches as it has targets; a call of the agent makes a few.
        let most = 16 * (self.figures.arrived + 16);
        let all =
            live.server_transactions + live.client_transactions + live.contexts + live.sessions;
        assert!(
            all <= most,
            "{} arrived, and this is kept: {live:?}",
            self.figures.arrived
        );
        // It walks over all of them.
        if self.figures.arrived.is_multiple_of(8) {
            assert_eq!(self.subject.stack.transactions().leaks(), None);
        }
    }

    /// Nothing comes any more.
    fn finish(&mut self) {
        self.pass(Duration::from_secs(400));
        self.subject.end_all(self.now);
        self.settle();
        // A registration is watched for an hour at most.
        self.pass(Duration::from_secs(4_500));
        self.check();
        let live = self.subject.live();
        assert!(live.is_nothing(), "something is left: {live:?}");
    }

    /// An answer to a request that left.
    fn answer(&self, more: u8, value: u8) -> Option<Came> {
        let requests: Vec<&Leaves> = self
            .left
            .iter()
            .filter(|leaves| !leaves.payload.starts_with(b"SIP/2.0 ") && leaves.payload.len() > 4)
            .collect();
        let asked = requests.get(usize::from(more) % requests.len().max(1))?;
        let text = String::from_utf8_lossy(&asked.payload);
        let status = STATUSES[usize::from(value) % STATUSES.len()];
        let mut out = format!("SIP/2.0 {status} Whatever\r\n");
        for line in text.split("\r\n").skip(1) {
            let name = line.split(':').next().unwrap_or_default();
            if name == "To" && status > 100 && !line.contains(";tag=") {
                out.push_str(&format!("{line};tag=t{}\r\n", value >> 6));
            } else if ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"].contains(&name) {
                out.push_str(&format!("{line}\r\n"));
            }
        }
        if value & 0x20 != 0 && (101..200).contains(&status) {
            out.push_str(&format!("Require: 100rel\r\nRSeq: {}\r\n", value >> 6));
        }
        if status == 401 || status == 407 {
            let name = if status == 401 { "WWW" } else { "Proxy" };
            out.push_str(&format!(
                "{name}-Authenticate: Digest realm=\"r\", nonce=\"{value}\"\r\n"
            ));
        }
        out.push_str(&format!(
            "Contact: <sip:x@{}>\r\n",
            PEERS[usize::from(value >> 6) % 3]
        ));
        if status == 200 && text.starts_with("INVITE") {
            out.push_str(&format!(
                "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
                SDP.len()
            ));
        } else {
            out.push_str("Content-Length: 0\r\n\r\n");
        }
        Some(Came {
            from: asked.to,
            to: asked.from,
            kind: asked.kind,
            text: out,
        })
    }

    /// A request in the dialog of an answer that left: ACK, BYE, or a change.
    fn within(&self, more: u8, value: u8) -> Option<Came> {
        let answers: Vec<&Leaves> = self
            .left
            .iter()
            .filter(|leaves| leaves.payload.starts_with(b"SIP/2.0 2"))
            .collect();
        let answer = answers.get(usize::from(more) % answers.len().max(1))?;
        let text = String::from_utf8_lossy(&answer.payload);
        let field = |name: &str| {
            text.split("\r\n")
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .unwrap_or_default()
        };
        let method = [
            "ACK",
            "ACK",
            "BYE",
            "INVITE",
            "UPDATE",
            "INFO",
            "SUBSCRIBE",
            "PRACK",
        ][usize::from(value) % 8];
        let number: u32 = field("CSeq").split(' ').next()?.parse().ok()?;
        let number = if method == "ACK" {
            number
        } else {
            number.wrapping_add(u32::from(value >> 5))
        };
        let contact = field("Contact");
        let target = contact
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map_or_else(|| format!("sip:{HERE}"), |(uri, _)| uri.to_owned());
        let route = field("Record-Route");
        let route = if route.is_empty() {
            String::new()
        } else {
            format!("Route: {route}\r\n")
        };
        let via = if answer.kind == TransportKind::Tcp {
            "TCP"
        } else {
            "UDP"
        };
        let peer = answer.to;
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{via} {peer};branch=z9hG4bKw{more}{value}\r\nMax-Forwards: 70\r\n{route}\
             From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} {method}\r\nContact: <sip:x@{peer}>\r\nContent-Length: 0\r\n\r\n",
            field("From"),
            field("To"),
            field("Call-ID"),
        );
        Some(Came {
            from: peer,
            to: answer.from,
            kind: answer.kind,
            text,
        })
    }
}

fn take(rest: &mut &[u8]) -> u8 {
    match rest.split_first() {
        Some((&first, after)) => {
            *rest = after;
            first
        }
        None => 0,
    }
}

const fn kind(is_stream: bool) -> TransportKind {
    if is_stream {
        TransportKind::Tcp
    } else {
        TransportKind::Udp
    }
}

/// A good request, of few calls, so that they meet.
fn request(method: &str, value: u8, more: u8, is_stream: bool, to_agent: bool) -> Came {
    let from = addr(PEERS[usize::from(more) % 3]);
    let caller = USERS[usize::from(more) % 3];
    let callee = USERS[usize::from(more >> 2) % USERS.len()];
    let host = if to_agent { HERE } else { "example.com" };
    let uri = if method == "REGISTER" {
        format!("sip:{host}")
    } else {
        format!("sip:{callee}@{host}")
    };
    let to = if method == "REGISTER" { caller } else { callee };
    let via = if is_stream { "TCP" } else { "UDP" };
    let call = value >> 5;
    // A CANCEL is of the INVITE with the same branch.
    let branch = if matches!(method, "CANCEL" | "INVITE" | "ACK") {
        "i"
    } else {
        method
    };
    let mut text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{via} {from};branch=z9hG4bK{branch}{call}{caller}\r\nMax-Forwards: {}\r\n\
         From: <sip:{caller}@{host}>;tag=f{call}\r\nTo: <sip:{to}@{host}>\r\nCall-ID: c{call}\r\nCSeq: 1 {method}\r\n",
        if more == 0xff { 0 } else { 70 },
    );
    if method != "CANCEL" && method != "BYE" {
        text.push_str(&format!("Contact: <sip:{caller}@{from}>\r\n"));
    }
    if matches!(method, "REGISTER" | "SUBSCRIBE" | "PUBLISH") {
        text.push_str(&format!(
            "Expires: {}\r\nEvent: reg\r\n",
            u32::from(value & 15) * 100
        ));
    }
    if more & 0x80 != 0 {
        text.push_str(
            "Supported: 100rel, timer, path, outbound, replaces\r\nSession-Expires: 90\r\n",
        );
    }
    if method == "PRACK" {
        text.push_str("RAck: 1 1 INVITE\r\n");
    }
    if method == "INVITE" || method == "MESSAGE" {
        text.push_str(&format!(
            "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
            SDP.len()
        ));
    } else {
        text.push_str("Content-Length: 0\r\n\r\n");
    }
    Came {
        from,
        to: addr(HERE),
        kind: kind(is_stream),
        text,
    }
}

/// A message with one thing changed.
fn changed(text: &str, how: u8, at: u8) -> String {
    let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
    let count = lines.len();
    let place = usize::from(at) % count;
    match how % 13 {
        0 => drop(lines.remove(place)),
        1 => lines.insert(place, lines[place].clone()),
        2 => lines.swap(place, (place + 1) % count),
        3 => lines[place] = lines[place].replace(|char: char| char.is_ascii_digit(), "9"),
        4 => lines[place] = lines[place].replace(';', ",").replace("tag=", "tag=x"),
        5 => lines[place].push_str(&format!(";x{how}=\"{at}\"")),
        6 => lines[0] = lines[0].replacen(|char: char| char.is_ascii_uppercase(), "I", 1),
        7 => lines[place] = lines[place].replace("z9hG4bK", ""),
        8 => {
            lines[place] = lines[place].replace(
                "sip:",
                ["sips:", "tel:", "urn:", "<sip:"][usize::from(how >> 6)],
            )
        }
        9 => lines.insert(
            1,
            format!(
                "Route: <sip:{};lr>",
                [HERE, PEERS[0], "example.com"][usize::from(at) % 3]
            ),
        ),
        10 => {
            let fields = [
                "Require: 100rel",
                "Proxy-Require: x",
                "Replaces: c1;to-tag=t0;from-tag=f1",
                "Refer-To: <sip:x@y>",
                "Session-Expires: 1",
                "Expires: 99999999999",
                "Contact: *",
                "Max-Breadth: 0",
                "Event: presence",
                "Path: <sip:p;lr>",
                "Record-Route: <sip:r;lr>, <sip:s>",
                "Identity: x",
                "Privacy: id",
                "Content-Encoding: gzip",
                "Accept: none/none",
                "In-Reply-To: x",
            ];
            lines.insert(1, fields[usize::from(at) % fields.len()].to_owned());
        }
        11 => {
            let byte = usize::from(at) * text.len() / 256;
            let mut out: Vec<u8> = text.bytes().collect();
            if let Some(changed) = out.get_mut(byte) {
                *changed ^= 1 << (how >> 5);
            }
            return String::from_utf8_lossy(&out).into_owned();
        }
        _ => {
            let end = text.floor_char_boundary(usize::from(at) * text.len() / 256);
            return text[..end].to_owned();
        }
    }
    lines.join("\r\n")
}
