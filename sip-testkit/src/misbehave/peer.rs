//! [`Peer`]: a telephone of few words, with the verbs of every machine here.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of forty sins, a few do anything at each place"
)]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_transport::TransportKind;

use super::draft::{Draft, uri};
use super::wrong::Circumstances;
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

    // What it begins.

    const fn main(&self) -> Way {
        Way {
            from: self.plan.here,
            to: self.plan.subject,
            is_stream: self.plan.transport.is_reliable(),
        }
    }

    fn opening(&mut self) -> Draft {
        let Plan {
            domain,
            user,
            callee,
            subject,
            number,
            ..
        } = self.plan.clone();
        let role = self.plan.role;
        let target = match role {
            Role::Callee | Role::Caller => format!("sip:{callee}@{subject}"),
            _ => format!("sip:{callee}@{domain}"),
        };
        let (method, uri, to) = match role {
            Role::Registrar => (
                "REGISTER",
                format!("sip:{domain}"),
                format!("sip:{user}@{domain}"),
            ),
            Role::Notifier => {
                let own = format!("sip:{user}@{domain}");
                ("SUBSCRIBE", own.clone(), own)
            }
            _ => ("INVITE", target.clone(), target),
        };
        let mut draft = Draft::new(format!("{method} {uri} SIP/2.0"))
            .with("Via", "")
            .with("Max-Forwards", "70")
            .with("From", format!("<sip:{user}@{domain}>;tag=f{number}"))
            .with("To", format!("<{to}>"))
            .with("Call-ID", format!("misbehave-{number}"))
            .with("CSeq", format!("1 {method}"))
            .with("Contact", self.contact());
        match role {
            Role::Registrar => draft = draft.with("Expires", "60"),
            Role::Notifier => {
                draft = draft
                    .with("Event", "reg")
                    .with("Expires", "60")
                    .with("Accept", "application/reginfo+xml");
            }
            _ => {
                draft = draft.with("Content-Type", "application/sdp");
                SDP.clone_into(&mut draft.body);
            }
        }
        self.branch(&mut draft);
        draft
    }

    fn contact(&self) -> String {
        let parameter = if self.plan.transport.is_reliable() {
            ";transport=tcp"
        } else {
            ""
        };
        format!("<sip:{}@{}{parameter}>", self.plan.user, self.plan.here)
    }

    /// Gives a request a branch of its own.
    fn branch(&mut self, draft: &mut Draft) {
        self.branches += 1;
        let token = if self.plan.transport.is_reliable() {
            "TCP"
        } else {
            "UDP"
        };
        let (here, number, count) = (self.plan.here, self.plan.number, self.branches);
        draft.change("Via", |_| {
            format!("SIP/2.0/{token} {here};rport;branch=z9hG4bKm{number}n{count}")
        });
    }

    /// A request of a call that is not there.
    fn within_nothing(&self, method: &str) -> Draft {
        let Plan {
            domain,
            user,
            callee,
            number,
            ..
        } = &self.plan;
        let draft = Draft::new(format!("{method} sip:{callee}@{domain} SIP/2.0"))
            .with("Via", "")
            .with("Max-Forwards", "70")
            .with("From", format!("<sip:{user}@{domain}>;tag=stray"))
            .with("To", format!("<sip:{callee}@{domain}>;tag=nobody"))
            .with("Call-ID", format!("stray-{number}"))
            .with("CSeq", format!("7 {method}"));
        if method == "INVITE" {
            draft.with("Contact", self.contact())
        } else {
            draft
        }
    }

    /// Sends a request, as wrong as it is to be.
    fn request(&mut self, mut draft: Draft, way: Way, now: Instant) {
        self.spoil(&mut draft);
        let bytes = draft.bytes();
        let is_ack = draft.method() == "ACK";
        self.asked.push(Asked {
            draft,
            bytes: bytes.clone(),
            way,
            answered: is_ack,
        });
        let resends = !matches!(
            self.plan.sin,
            Some(Sin::Vanishes | Sin::Storm | Sin::RingsForEver)
        );
        if !way.is_stream && !is_ack && resends {
            self.at(now + T1, Act::Again(self.asked.len() - 1, 1));
        }
        self.emit(way, bytes, now);
    }

    fn respond(&mut self, mut draft: Draft, way: Way, now: Instant) {
        self.spoil(&mut draft);
        self.emit(way, draft.bytes(), now);
    }

    fn spoil(&mut self, draft: &mut Draft) {
        let Some(sin) = self.plan.sin else { return };
        self.spoilt += 1;
        let subject = self.plan.subject.to_string();
        let circumstances = Circumstances {
            subject: &subject,
            count: self.spoilt,
        };
        sin.spoil(draft, circumstances);
    }

    fn emit(&mut self, mut way: Way, bytes: Vec<u8>, now: Instant) {
        if self.plan.sin == Some(Sin::OtherPort) {
            way.from = self.plan.other;
            if way.is_stream {
                // To where it listens: whoever connected to us does not.
                way.to = self.plan.subject;
            }
        }
        let transport = if way.is_stream {
            TransportKind::Tcp
        } else {
            TransportKind::Udp
        };
        let pieces = match self.plan.sin {
            Some(sin) => sin.pieces(bytes, transport),
            None => vec![bytes],
        };
        let later = self.plan.sin == Some(Sin::HalfSegments);
        for (place, bytes) in pieces.into_iter().enumerate() {
            if later && place > 0 {
                self.at(now + 20 * MILLI, Act::Send(way, bytes));
            } else {
                self.put(way, bytes);
            }
        }
    }

    fn put(&mut self, way: Way, bytes: Vec<u8>) {
        self.out.push_back(Sent {
            from: way.from,
            to: way.to,
            transport: if way.is_stream {
                TransportKind::Tcp
            } else {
                TransportKind::Udp
            },
            bytes,
        });
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

    // What it gets.

    fn take(&mut self, draft: Draft, way: Way, now: Instant) {
        self.heard.push(draft.start.chars().take(80).collect());
        match draft.status() {
            Some(status) => self.on_response(status, &draft, way, now),
            None => self.on_request(draft, way, now),
        }
    }

    fn on_response(&mut self, status: u16, draft: &Draft, way: Way, now: Instant) {
        let method = draft.method().to_owned();
        for asked in &mut self.asked {
            if asked.draft.get("CSeq") == draft.get("CSeq") && (status >= 200 || method == "INVITE")
            {
                asked.answered = true;
            }
        }
        if matches!(method.as_str(), "BYE" | "CANCEL" | "ACK" | "PRACK" | "INFO")
            || draft
                .get("Call-ID")
                .is_some_and(|id| id.starts_with("stray"))
        {
            if method == "BYE" && (200..300).contains(&status) {
                self.over();
            }
            return;
        }
        if status < 200 {
            if self.plan.cancels && !self.cancelled && status > 100 {
                self.cancelled = true;
                self.at(now + 100 * MILLI, Act::Cancel);
            }
            return;
        }
        let is_first = self.first.is_none();
        if is_first {
            self.first = Some(status);
        }
        if method == "INVITE" && !self.gone && self.invite.is_none() {
            self.on_answer(status, draft, way, is_first, now);
        } else if method == "INVITE" && self.plan.sin != Some(Sin::NoAck) {
            // A change of the call by us, who were called.
            self.acknowledge_change(draft, now);
        }
        if is_first {
            self.throw(draft, way, now);
        }
    }

    fn on_answer(&mut self, status: u16, draft: &Draft, way: Way, is_first: bool, now: Instant) {
        let Some(asked) = self
            .asked
            .iter()
            .find(|asked| {
                asked.draft.method() == "INVITE"
                    && asked.draft.get("Call-ID") == draft.get("Call-ID")
            })
            .or_else(|| {
                self.asked
                    .iter()
                    .find(|asked| asked.draft.method() == "INVITE")
            })
            .cloned()
        else {
            return;
        };
        let to = draft.get("To").unwrap_or_default().to_owned();
        let field = |name: &str| asked.draft.get(name).unwrap_or_default().trim().to_owned();
        if status >= 300 {
            if self.plan.sin == Some(Sin::NoAck) {
                return;
            }
            let uri = asked.draft.start.split(' ').nth(1).unwrap_or_default();
            let mut ack = Draft::new(format!("ACK {uri} SIP/2.0"));
            for name in ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq"] {
                let value = match name {
                    "To" => to.clone(),
                    "CSeq" => field("CSeq").replace("INVITE", "ACK"),
                    _ => field(name),
                };
                ack = ack.with(name, value);
            }
            for route in asked.draft.all("Route") {
                ack = ack.with("Route", route);
            }
            self.emit_plain(way, ack.bytes());
            return;
        }
        let mut routes: Vec<String> = draft.all("Record-Route").map(str::to_owned).collect();
        routes.reverse();
        let call = Call {
            own: field("From"),
            remote: to,
            call_id: field("Call-ID"),
            target: uri(draft.get("Contact").unwrap_or_default()).to_owned(),
            routes,
            way: self.main(),
            cseq: 1,
            confirmed: true,
            over: false,
        };
        if self.plan.sin == Some(Sin::AnswersAfterCancel) && is_first {
            self.cancel(now);
        }
        if is_first {
            self.call = Some(call.clone());
        }
        if self.plan.sin != Some(Sin::NoAck) {
            let mut ack = self.within(&call, "ACK", call.cseq);
            self.branch(&mut ack);
            self.request(ack, call.way, now);
        }
        if is_first && !matches!(self.plan.sin, Some(Sin::NoAck)) {
            self.at(now + Duration::from_secs(1), Act::HangUp);
        }
        // RFC 3261 §13.2.2.4: another 2xx is another dialog, which is ended.
        if self.plan.sin.is_none()
            && let Some(known) = &self.call
            && known.remote != call.remote
        {
            let mut bye = self.within(&call, "BYE", 2);
            self.branch(&mut bye);
            self.request(bye, call.way, now);
        }
    }

    /// A response to our own request, as wrong as it is to be, sent to who answered it; and what else is inopportune then.
    fn throw(&mut self, draft: &Draft, way: Way, now: Instant) {
        let Some(sin) = self.plan.sin else { return };
        let mut stray = draft.clone();
        stray.remove("Content-Length");
        stray.body.clear();
        match sin {
            Sin::AnswersAck => {
                for _ in 0..3 {
                    let mut ack = self.within_nothing("ACK");
                    self.branch(&mut ack);
                    self.request(ack, way, now);
                }
            }
            Sin::UnorderedReliable => {
                let mut prack = self.within_nothing("PRACK").with("RAck", "3 1 INVITE");
                self.branch(&mut prack);
                self.request(prack, way, now);
            }
            Sin::StrangeStatus => {
                for code in ["000", "999", "199999"] {
                    stray.start = format!("SIP/2.0 {code} Strange");
                    self.emit_plain(way, stray.bytes());
                }
            }
            _ => self.respond(stray, way, now),
        }
    }

    fn on_request(&mut self, draft: Draft, way: Way, now: Instant) {
        if self.gone {
            return;
        }
        match draft.method() {
            "INVITE" if draft.get("To").is_some_and(|to| to.contains(";tag=")) => {
                let mut answer = response(&draft, 200, "OK", "").with("Contact", self.contact());
                answer = answer.with("Content-Type", "application/sdp");
                SDP.clone_into(&mut answer.body);
                self.respond(answer, way, now);
            }
            // One line, and it is busy.
            "INVITE"
                if self
                    .invite
                    .as_ref()
                    .is_some_and(|(known, _)| known.get("Call-ID") != draft.get("Call-ID")) =>
            {
                let tag = self.tag();
                self.respond(response(&draft, 486, "Busy Here", &tag), way, now);
            }
            "INVITE" if self.invite.is_some() => {
                let known = |known: &Draft| known.get("CSeq") == draft.get("CSeq");
                // A retransmission is answered again; a fork of the same call is of no interest here.
                if let (Some((invite, _)), Some(answer)) = (&self.invite, self.answer.clone())
                    && known(invite)
                {
                    self.respond(answer, way, now);
                } else if self.plan.sin == Some(Sin::ChallengesForEver) {
                    self.invite = Some((draft, way));
                    self.answer = None;
                    self.on_invite(now);
                }
            }
            "INVITE" => {
                if self.plan.sin == Some(Sin::Vanishes) {
                    self.gone = true;
                    self.at(now + REPENTS, Act::Repent);
                    return;
                }
                self.invite = Some((draft, way));
                if self.plan.sin.is_some() {
                    self.at(now + REPENTS, Act::Repent);
                }
                self.on_invite(now);
            }
            "ACK" => self.on_ack(&draft, way, now),
            "CANCEL" => {
                let tag = self.tag();
                self.respond(response(&draft, 200, "OK", &tag), way, now);
                if self.answer.is_none() && self.plan.sin == Some(Sin::AnswersAfterCancel) {
                    self.accept(now);
                } else if self.answer.is_none() {
                    self.answer_invite(487, "Request Terminated", now);
                }
            }
            "BYE" => {
                self.respond(response(&draft, 200, "OK", ""), way, now);
                self.over();
            }
            _ => {
                let tag = self.tag();
                self.respond(response(&draft, 200, "OK", &tag), way, now);
            }
        }
    }

    fn on_invite(&mut self, now: Instant) {
        match self.plan.sin {
            Some(Sin::RingsForEver) => self.act(Act::Ring(0), now),
            Some(Sin::AnswersAfterCancel) => self.answer_invite(180, "Ringing", now),
            Some(Sin::RedirectsToItself) => self.answer_invite(302, "Moved Temporarily", now),
            Some(Sin::ChallengesForEver) => self.answer_invite(401, "Unauthorized", now),
            Some(Sin::StrangeStatus) => {
                for code in [0, 999] {
                    self.answer_invite(code, "Strange", now);
                }
                self.at(now + 100 * MILLI, Act::Accept);
            }
            Some(Sin::UnorderedReliable) => {
                for number in [5, 3, 9] {
                    if let Some((invite, way)) = self.invite.clone() {
                        let answer = response(&invite, 183, "Session Progress", &self.tag())
                            .with("Require", "100rel")
                            .with("RSeq", number.to_string())
                            .with("Contact", self.contact());
                        self.respond(answer, way, now);
                    }
                }
                self.at(now + 100 * MILLI, Act::Accept);
            }
            _ => {
                self.answer_invite(180, "Ringing", now);
                // Time for who gives up.
                self.at(now + 400 * MILLI, Act::Accept);
            }
        }
    }

    fn tag(&self) -> String {
        format!("t{}", self.plan.number)
    }

    fn answer_invite(&mut self, status: u16, reason: &str, now: Instant) {
        let Some((invite, way)) = self.invite.clone() else {
            return;
        };
        let mut answer = response(&invite, status, reason, &self.tag());
        match status {
            302 => {
                let own = uri(invite.get("To").unwrap_or_default()).to_owned();
                answer = answer.with("Contact", format!("<{own}>"));
            }
            401 => {
                self.branches += 1;
                let nonce = self.branches;
                answer = answer.with(
                    "WWW-Authenticate",
                    format!(
                        "Digest realm=\"nowhere\", nonce=\"{nonce}\", stale=true, qop=\"auth\""
                    ),
                );
            }
            101..=199 => answer = answer.with("Contact", self.contact()),
            _ => {}
        }
        if (300..700).contains(&status) {
            self.answer = Some(answer.clone());
        }
        self.respond(answer, way, now);
    }

    fn accept(&mut self, now: Instant) {
        let Some((invite, way)) = self.invite.clone() else {
            return;
        };
        let mut answer = response(&invite, 200, "OK", &self.tag())
            .with("Contact", self.contact())
            .with("Content-Type", "application/sdp");
        SDP.clone_into(&mut answer.body);
        let field = |name: &str| invite.get(name).unwrap_or_default().to_owned();
        self.call = Some(Call {
            own: format!("{};tag={}", field("To"), self.tag()),
            remote: field("From"),
            call_id: field("Call-ID"),
            target: uri(&field("Contact")).to_owned(),
            routes: invite.all("Record-Route").map(str::to_owned).collect(),
            way,
            cseq: 100,
            confirmed: false,
            over: false,
        });
        self.answer = Some(answer.clone());
        self.respond(answer, way, now);
        if !way.is_stream || self.plan.sin.is_none() {
            self.at(now + T1, Act::AnswerAgain(1));
        }
    }

    fn on_ack(&mut self, draft: &Draft, way: Way, now: Instant) {
        if self.plan.sin == Some(Sin::AnswersAck) {
            let answer = response(draft, 200, "OK", "");
            self.respond(answer, way, now);
        }
        if self.acknowledged.is_none() {
            self.acknowledged = self.answer.as_ref().and_then(Draft::status);
        }
        let Some(call) = &mut self.call else { return };
        let is_first = !call.confirmed;
        call.confirmed = true;
        if is_first && self.plan.sin.is_some() {
            self.at(now + 500 * MILLI, Act::HangUp);
        }
    }

    // What it does in a call.

    fn within(&self, call: &Call, method: &str, cseq: u32) -> Draft {
        let mut draft = Draft::new(format!("{method} {} SIP/2.0", call.target))
            .with("Via", "")
            .with("Max-Forwards", "70");
        for route in &call.routes {
            draft = draft.with("Route", route.as_str());
        }
        draft
            .with("From", call.own.as_str())
            .with("To", call.remote.as_str())
            .with("Call-ID", call.call_id.as_str())
            .with("CSeq", format!("{cseq} {method}"))
    }

    fn cancel(&mut self, now: Instant) {
        let Some(asked) = self
            .asked
            .iter()
            .find(|asked| asked.draft.method() == "INVITE")
        else {
            return;
        };
        let uri = asked.draft.start.split(' ').nth(1).unwrap_or_default();
        let mut cancel = Draft::new(format!("CANCEL {uri} SIP/2.0"));
        for name in ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq"] {
            let value = asked.draft.get(name).unwrap_or_default();
            cancel = cancel.with(name, value.replace("INVITE", "CANCEL"));
        }
        self.request(cancel, self.main(), now);
    }

    /// What ends the call, if the sin does not spoil it.
    fn hang_up(&mut self, now: Instant) {
        if !self.is_in_call() {
            return;
        }
        let was_called = self.invite.is_some();
        match (self.plan.sin, self.call.clone()) {
            (Some(Sin::CSeqJumps), Some(call)) => {
                for (method, cseq) in [("INFO", 2_147_483_600), ("BYE", 2)] {
                    let mut draft = self.within(&call, method, cseq);
                    self.branch(&mut draft);
                    self.request(draft, call.way, now);
                }
            }
            (Some(Sin::NoAck), Some(call)) if was_called => {
                let mut draft = self
                    .within(&call, "INVITE", call.cseq + 1)
                    .with("Contact", self.contact())
                    .with("Content-Type", "application/sdp");
                SDP.clone_into(&mut draft.body);
                if let Some(call) = &mut self.call {
                    call.cseq += 1;
                }
                self.branch(&mut draft);
                self.request(draft, call.way, now);
            }
            (Some(Sin::StrayBye), _) if was_called => {
                for method in ["BYE", "CANCEL", "INVITE"] {
                    let mut stray = self.within_nothing(method);
                    self.branch(&mut stray);
                    self.request(stray, self.main(), now);
                }
                self.bye(now);
            }
            // Whether its BYE was good enough is told by what it gets; it comes again when it repents.
            _ => self.bye(now),
        }
    }

    fn bye(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        call.cseq += 1;
        let call = call.clone();
        let mut bye = self.within(&call, "BYE", call.cseq);
        self.branch(&mut bye);
        self.request(bye, call.way, now);
    }

    fn acknowledge_change(&mut self, draft: &Draft, now: Instant) {
        let Some(call) = self.call.clone() else {
            return;
        };
        let number = draft
            .get("CSeq")
            .and_then(|cseq| cseq.split(' ').next()?.parse().ok());
        let mut ack = self.within(&call, "ACK", number.unwrap_or(call.cseq));
        self.branch(&mut ack);
        self.request(ack, call.way, now);
    }

    fn over(&mut self) {
        if let Some(call) = &mut self.call {
            call.over = true;
            call.confirmed = true;
        }
    }

    /// Bytes that no sin touches.
    fn emit_plain(&mut self, way: Way, bytes: Vec<u8>) {
        self.put(way, bytes);
    }
}

/// A good response, without its own fields.
fn response(request: &Draft, status: u16, reason: &str, tag: &str) -> Draft {
    let mut draft = Draft::new(format!("SIP/2.0 {status:03} {reason}"));
    for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
        for value in request.all(name) {
            let tagged =
                name == "To" && !tag.is_empty() && status != 100 && !value.contains(";tag=");
            let value = if tagged {
                format!("{value};tag={tag}")
            } else {
                value.to_owned()
            };
            draft = draft.with(name, value);
        }
    }
    draft
}
