//! `misbehaving`: does every named sin to a real implementation, all at once, while honest calls go on by its side.
//!
//! ```text
//! misbehaving --role ROLE --subject HOST:PORT [--from ADDRESS] [--wire udp|tcp] [--domain NAME] [--sin NAME]...
//!             [--seconds N] [--call COMMAND]
//! ```
//! Each line of what it prints is a sin, what came of it, what was expected, and `ok` or `WRONG`, with tabs between. Its exit code
//! is 1 if a sin came to something else than the table says, an honest call failed, or what the subject sent is no good message.
//! With `--role caller`, the subject is whom COMMAND starts: `{target}` in it is whom to call.
#![expect(clippy::print_stdout, reason = "a program")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of forty sins, a few are special here"
)]

mod line;
mod sockets;

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use sip_testkit::misbehave::{Peer, Plan, Role, Sin, expected};

use self::line::Line;
use self::sockets::Sockets;

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match Line::read(std::env::args().skip(1)).and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("misbehaving: {error}");
            ExitCode::from(2)
        }
    }
}

/// A peer and its sockets.
struct Actor {
    peer: Peer,
    sockets: Sockets,
}

impl Actor {
    fn new(line: &Line, number: u64, role: Role, sin: Option<Sin>) -> Result<Self, Error> {
        let sockets = Sockets::open(line.from, line.transport)?;
        let mut plan = Plan::new(role, sockets.here, line.subject);
        plan.sin = sin;
        plan.other = sockets.other;
        plan.transport = line.transport;
        plan.domain.clone_from(&line.domain);
        plan.user = format!("peer{number}-{}", line.stamp);
        plan.number = line.stamp + number;
        Ok(Self {
            peer: Peer::new(plan),
            sockets,
        })
    }

    /// With another callee, and in a hurry or not.
    fn calling(self, callee: &str, cancels: bool) -> Self {
        let mut plan = self.peer.plan().clone();
        callee.clone_into(&mut plan.callee);
        plan.cancels = cancels;
        Self {
            peer: Peer::new(plan),
            ..self
        }
    }

    fn user(&self) -> &str {
        &self.peer.plan().user
    }

    fn turn(&mut self, now: Instant) -> Result<(), Error> {
        for (from, to, bytes) in self.sockets.receive()? {
            let transport = self.peer.plan().transport;
            self.peer.handle(from, to, transport, &bytes, now);
        }
        self.peer.handle_timeout(now);
        while let Some(sent) = self.peer.poll_sent() {
            self.sockets.send(sent.from, sent.to, &sent.bytes);
        }
        Ok(())
    }
}

/// One sin: who commits it, who is at the other end, and what the subject was told to do.
struct Case {
    sin: Sin,
    sinner: Actor,
    other: Option<Actor>,
    command: Option<Child>,
}

/// A caller and a callee who do nothing wrong.
struct Pair {
    caller: Actor,
    callee: Option<Actor>,
}

fn run(line: Line) -> Result<bool, Error> {
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    let mut cases = Vec::new();
    for &sin in &line.sins {
        let sinner = Actor::new(&line, next(), line.role, Some(sin))?;
        let mut case = Case {
            sin,
            sinner,
            other: None,
            command: None,
        };
        if matches!(line.role, Role::Proxy | Role::Redirect) {
            let victim = Actor::new(&line, next(), Role::Proxy, None)?;
            register(&line, &victim)?;
            case.sinner = case.sinner.calling(victim.user(), false);
            case.other = Some(victim);
        } else if line.role == Role::Notifier {
            register(&line, &case.sinner)?;
        } else if line.role == Role::ProxyCallee {
            register(&line, &case.sinner)?;
            let cancels = matches!(sin, Sin::AnswersAfterCancel | Sin::RingsForEver);
            let caller = Actor::new(&line, next(), Role::Proxy, None)?;
            case.other = Some(caller.calling(case.sinner.user(), cancels));
        }
        cases.push(case);
    }
    let began = Instant::now();
    for case in &mut cases {
        if line.role == Role::Caller {
            let target = format!("sip:peer@{}", case.sinner.sockets.here);
            let words = line
                .call
                .iter()
                .map(|word| word.replace("{target}", &target));
            let words: Vec<String> = words.collect();
            let (program, arguments) = words.split_first().ok_or("--call is missing")?;
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::null());
            case.command = Some(
                command
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()?,
            );
        } else if let (true, Some(caller)) = (line.role.calls_the_peer(), &mut case.other) {
            caller.peer.start(began);
        } else {
            case.sinner.peer.start(began);
        }
    }
    let mut pairs: Vec<Pair> = Vec::new();
    while began.elapsed() < line.time {
        let now = Instant::now();
        // A call every four seconds, but none so late that it could not end.
        let due = pairs.len() as u64 * 4;
        if began.elapsed() >= Duration::from_secs(due)
            && began.elapsed() + Duration::from_secs(9) < line.time
            && line.role != Role::Caller
        {
            pairs.push(pair(&line, &mut next, now)?);
        }
        for case in &mut cases {
            case.sinner.turn(now)?;
            if let Some(other) = &mut case.other {
                other.turn(now)?;
            }
        }
        for pair in &mut pairs {
            pair.caller.turn(now)?;
            if let Some(callee) = &mut pair.callee {
                callee.turn(now)?;
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    tell(&line, cases, &pairs)
}

/// Two who call each other by way of the subject; or one who calls it.
fn pair(line: &Line, next: &mut impl FnMut() -> u64, now: Instant) -> Result<Pair, Error> {
    let callee = if matches!(line.role, Role::Callee) {
        None
    } else {
        let callee = Actor::new(line, next(), Role::Proxy, None)?;
        register(line, &callee)?;
        Some(callee)
    };
    let role = if callee.is_none() {
        Role::Callee
    } else {
        Role::Proxy
    };
    let user = callee.as_ref().map_or("bob", Actor::user).to_owned();
    let mut caller = Actor::new(line, next(), role, None)?.calling(&user, false);
    caller.peer.start(now);
    Ok(Pair { caller, callee })
}

/// Prints what came of it; whether all of it is as it should be.
fn tell(line: &Line, cases: Vec<Case>, pairs: &[Pair]) -> Result<bool, Error> {
    let mut good = true;
    let mut faults = Vec::new();
    for mut case in cases {
        let (sinner, other) = (&case.sinner.peer, case.other.as_ref());
        let verdict = match (line.role, other) {
            (Role::Caller, _) => sinner.verdict_of_caller(),
            (role, Some(caller)) if role.calls_the_peer() => caller.peer.verdict(),
            _ => sinner.verdict(),
        };
        let mut right = expected(case.sin, line.role, line.transport);
        if line.role == Role::Caller {
            // What is told here is whether the caller's ACK came: it comes to who answers after a CANCEL, and not to who has
            // told it another place for it, or answers from where it does not listen.
            right.extend(match case.sin {
                Sin::AnswersAfterCancel => Some("200"),
                Sin::OtherPort | Sin::ContactNowhere | Sin::RouteLoop | Sin::UnknownScheme => {
                    Some("none")
                }
                _ => None,
            });
        }
        let mut is_right = right.contains(&verdict.as_str());
        let mut note = String::new();
        if let Some(command) = &mut case.command {
            match command.try_wait()? {
                // What it says of the call is its own affair, but it has to be able to say it.
                Some(status) if status.code().is_some_and(|code| code != 101) => {}
                Some(status) => {
                    is_right = false;
                    note = format!(" ({status})");
                }
                None => {
                    is_right = false;
                    note = " (still calling)".to_owned();
                    command.kill()?;
                    command.wait()?;
                }
            }
        }
        good &= is_right;
        let (name, word) = (case.sin.name(), if is_right { "ok" } else { "WRONG" });
        println!("{name}\t{verdict}\t{}\t{word}{note}", right.join("|"));
        faults.extend(case.sinner.sockets.faults(line.role));
        faults.extend(
            case.other
                .iter()
                .flat_map(|other| other.sockets.faults(line.role)),
        );
    }
    let right = if line.role == Role::Redirect {
        "302"
    } else {
        "200"
    };
    let mut honest = pairs.len();
    let mut notes = String::new();
    for (number, pair) in pairs.iter().enumerate() {
        let caller = &pair.caller.peer;
        if caller.verdict() != right || caller.is_in_call() {
            honest -= 1;
            let heard = caller.heard().join(", ");
            notes.push_str(&format!(
                " (call {number}: {}, heard {heard})",
                caller.verdict()
            ));
        }
    }
    let word = if honest == pairs.len() { "ok" } else { "WRONG" };
    println!("honest\t{honest}\t{}\t{word}{notes}", pairs.len());
    for fault in faults.iter().take(5) {
        println!("{fault}");
    }
    Ok(good && honest == pairs.len() && faults.is_empty())
}

/// A REGISTER for a peer, from a socket of its own: the peers have other things to do.
fn register(line: &Line, actor: &Actor) -> Result<(), Error> {
    let Plan {
        user,
        domain,
        here,
        number,
        ..
    } = actor.peer.plan();
    let socket = UdpSocket::bind(SocketAddr::new(here.ip(), 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let local = socket.local_addr()?;
    let parameter = if line.transport.is_reliable() {
        ";transport=tcp"
    } else {
        ""
    };
    let request = format!(
        "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKr{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:{user}@{domain}>;tag=1\r\nTo: <sip:{user}@{domain}>\r\nCall-ID: register-{number}\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:{user}@{here}{parameter}>\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n"
    );
    for _ in 0..60 {
        socket.send_to(request.as_bytes(), line.subject)?;
        let mut buffer = [0; 4_096];
        if let Ok(length) = socket.recv(&mut buffer)
            && buffer
                .get(..length)
                .is_some_and(|bytes| bytes.starts_with(b"SIP/2.0 200"))
        {
            return Ok(());
        }
    }
    Err(format!("{user} cannot be registered with {}", line.subject).into())
}
