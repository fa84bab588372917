//! [`Peer`]: a telephone of few words, with the verbs of every machine here.

mod called;
mod heard;
mod sent;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_transport::TransportKind;

use super::draft::Draft;
use super::{Role, Sin};

/// Who a [`Peer`] is, and what it is to do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Plan {
    /// What it does wrong; nothing, if it is honest.
    pub sin: Option<Sin>,
    /// Whom it examines.
    pub role: Role,
    /// How its messages travel.
    pub transport: TransportKind,
    /// Its address.
    pub here: SocketAddr,
    /// Where it sends from when it should not.
    pub other: SocketAddr,
    /// Whom it sends to.
    pub subject: SocketAddr,
    /// The domain of the subject.
    pub domain: String,
    /// Its user name.
    pub user: String,
    /// Whom it calls.
    pub callee: String,
    /// Tells its calls from those of others.
    pub number: u64,
    /// It gives up while it rings.
    pub cancels: bool,
}

impl Plan {
    /// An honest peer at `here`, over UDP.
    #[must_use]
    pub fn new(role: Role, here: SocketAddr, subject: SocketAddr) -> Self {
        Self {
            sin: None,
            role,
            transport: TransportKind::Udp,
            here,
            other: SocketAddr::new(here.ip(), here.port().wrapping_add(1)),
            subject,
            domain: "example.com".to_owned(),
            user: "mallory".to_owned(),
            callee: "bob".to_owned(),
            number: 1,
            cancels: false,
        }
    }
}

/// What a peer wants sent. Over a stream, the two addresses are the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// From which of its addresses.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// How.
    pub transport: TransportKind,
    /// What; over a stream, maybe a part of a message.
    pub bytes: Vec<u8>,
}

/// The way to somebody: our address, theirs, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    from: SocketAddr,
    to: SocketAddr,
    is_stream: bool,
}

#[derive(Debug, Clone)]
enum Act {
    Send(Way, Vec<u8>),
    /// Send the request of this number again, for the n-th time.
    Again(usize, u32),
    /// Send the 2xx again.
    AnswerAgain(u32),
    Ring(u32),
    Accept,
    Cancel,
    HangUp,
    Repent,
}

/// A request of ours.
#[derive(Debug, Clone)]
struct Asked {
    draft: Draft,
    bytes: Vec<u8>,
    way: Way,
    answered: bool,
}

/// The call that is up.
#[derive(Debug, Clone)]
struct Call {
    /// Our From and To, whoever called.
    own: String,
    remote: String,
    call_id: String,
    target: String,
    routes: Vec<String>,
    way: Way,
    cseq: u32,
    confirmed: bool,
    over: bool,
}

/// See the [module](super).
#[derive(Debug)]
pub struct Peer {
    plan: Plan,
    asked: Vec<Asked>,
    /// What it was asked to: the INVITE, and the way that it came.
    invite: Option<(Draft, Way)>,
    answer: Option<Draft>,
    call: Option<Call>,
    first: Option<u16>,
    /// The final answer of ours that was acknowledged.
    acknowledged: Option<u16>,
    spoilt: u32,
    branches: u32,
    cancelled: bool,
    gone: bool,
    acts: BTreeMap<(Instant, u64), Act>,
    acted: u64,
    streams: BTreeMap<Way, Vec<u8>>,
    out: VecDeque<Sent>,
    heard: Vec<String>,
}

const T1: Duration = Duration::from_millis(500);
const MILLI: Duration = Duration::from_millis(1);
/// Until it ends what it has begun, as it should have from the start: after all timers of 64 T1.
const REPENTS: Duration = Duration::from_secs(36);
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n";

impl Peer {
    /// A peer that has done nothing yet.
    #[must_use]
    pub const fn new(plan: Plan) -> Self {
        Self {
            plan,
            asked: Vec::new(),
            invite: None,
            answer: None,
            call: None,
            first: None,
            acknowledged: None,
            spoilt: 0,
            branches: 0,
            cancelled: false,
            gone: false,
            acts: BTreeMap::new(),
            acted: 0,
            streams: BTreeMap::new(),
            out: VecDeque::new(),
            heard: Vec::new(),
        }
    }

    /// Begins: it registers, calls or watches. Who is to be called needs no beginning.
    pub fn start(&mut self, now: Instant) {
        if self.plan.role.calls_the_peer() && self.plan.sin.is_some() {
            return;
        }
        let opening = self.opening();
        if self.plan.sin == Some(Sin::SameBranch) {
            for number in 1..3 {
                let mut other = opening.clone();
                other.change("Call-ID", |id| format!("{id}-{number}"));
                self.request(other, self.main(), now);
            }
        }
        if self.plan.sin == Some(Sin::StrayBye) {
            for method in ["BYE", "CANCEL", "INVITE"] {
                let mut stray = self.within_nothing(method);
                self.branch(&mut stray);
                self.request(stray, self.main(), now);
            }
        }
        self.request(opening, self.main(), now);
        match self.plan.sin {
            Some(Sin::RingsForEver) => {
                if let Some(asked) = self.asked.last().cloned() {
                    let way = self.main();
                    for second in 1..16 {
                        let at = now + Duration::from_secs(2 * second);
                        self.at(at, Act::Send(way, asked.bytes.clone()));
                    }
                }
            }
            Some(Sin::Vanishes) => self.gone = true,
            _ => {}
        }
        self.at(now + REPENTS, Act::Repent);
    }

    /// Something arrived at one of its addresses; over a stream, any part of one.
    pub fn handle(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        transport: TransportKind,
        bytes: &[u8],
        now: Instant,
    ) {
        let way = Way {
            from: to,
            to: from,
            is_stream: transport.is_reliable(),
        };
        if !way.is_stream {
            if let Some(draft) = Draft::parse(bytes) {
                self.take(draft, way, now);
            }
            return;
        }
        let mut stream = self.streams.remove(&way).unwrap_or_default();
        stream.extend_from_slice(bytes);
        loop {
            while stream.starts_with(b"\r\n") {
                stream.drain(..2);
            }
            let Some(length) = Draft::frame(&stream) else {
                break;
            };
            let message: Vec<u8> = stream.drain(..length).collect();
            if let Some(draft) = Draft::parse(&message) {
                self.take(draft, way, now);
            }
        }
        self.streams.insert(way, stream);
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(entry) = self.acts.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let act = entry.remove();
            self.act(act, now);
        }
    }

    /// The next thing to send.
    pub fn poll_sent(&mut self) -> Option<Sent> {
        self.out.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.acts.first_key_value().map(|((at, _), _)| *at)
    }

    /// The status of the first final answer to what it began with, or `none`.
    #[must_use]
    pub fn verdict(&self) -> String {
        self.first
            .map_or_else(|| "none".to_owned(), |status| format!("{status:03}"))
    }

    /// The status of the final answer of ours that its caller has acknowledged, or `none`: what the caller made of it.
    #[must_use]
    pub fn verdict_of_caller(&self) -> String {
        self.acknowledged
            .map_or_else(|| "none".to_owned(), |status| status.to_string())
    }

    /// Whether it was called, or its call was answered, and it is not over.
    #[must_use]
    pub fn is_in_call(&self) -> bool {
        self.call.as_ref().is_some_and(|call| !call.over)
    }

    /// The start lines of what it got, in order.
    #[must_use]
    pub fn heard(&self) -> &[String] {
        &self.heard
    }

    /// Whose sin it is.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    fn at(&mut self, at: Instant, act: Act) {
        self.acted += 1;
        self.acts.insert((at, self.acted), act);
    }

    fn act(&mut self, act: Act, now: Instant) {
        match act {
            Act::Send(way, bytes) => self.put(way, bytes),
            Act::Again(index, turn) => {
                let Some(asked) = self.asked.get(index) else {
                    return;
                };
                if asked.answered || turn > 9 || self.gone {
                    return;
                }
                let (bytes, way) = (asked.bytes.clone(), asked.way);
                let wait = (T1 * 2_u32.pow(turn.min(6))).min(Duration::from_secs(4));
                self.emit(way, bytes, now);
                self.at(now + wait, Act::Again(index, turn + 1));
            }
            Act::AnswerAgain(turn) => {
                let confirmed = self.call.as_ref().is_none_or(|call| call.confirmed);
                if confirmed || turn > 9 {
                    return;
                }
                if let (Some(answer), Some((_, way))) = (self.answer.clone(), self.invite.clone()) {
                    self.respond(answer, way, now);
                    let wait = (T1 * 2_u32.pow(turn.min(6))).min(Duration::from_secs(4));
                    self.at(now + wait, Act::AnswerAgain(turn + 1));
                }
            }
            Act::Ring(turn) => {
                if turn < 240 && self.answer.is_none() {
                    self.answer_invite(180, "Ringing", now);
                    self.at(now + Duration::from_secs(1), Act::Ring(turn + 1));
                }
            }
            Act::Accept => {
                if self.answer.is_none() {
                    self.accept(now);
                }
            }
            Act::Cancel => self.cancel(now),
            Act::HangUp => self.hang_up(now),
            Act::Repent => {
                self.plan.sin = None;
                self.gone = false;
                if self.is_in_call() {
                    if let Some(call) = &mut self.call {
                        call.cseq = call.cseq.max(2_147_483_640);
                    }
                    self.bye(now);
                }
            }
        }
    }
}
