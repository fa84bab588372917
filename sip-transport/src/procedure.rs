//! RFC 3263 section 4 as a procedure that is fed by answers.
//!
//! ```text
//!   target ── address ──────────────────────────────────────────────▶ candidates
//!     │ name                                                              ▲
//!     ├─ port written ─────────────────────────────▶ A/AAAA of the name ──┤
//!     ├─ transport written ──▶ SRV of that transport ─▶ A/AAAA of targets ┤
//!     └─ neither ──▶ NAPTR ──▶ SRV of the services ───▶ A/AAAA of targets ┘
//!                      └ none: SRV of every transport;  └ none: A/AAAA of the name, default port
//! ```

use std::net::{IpAddr, SocketAddr};

use crate::io::{Answer, NaptrRecord, Question, ResolveError, SelectError, SrvRecord};
use crate::kind::TransportKind;
use crate::seed::Rng;
use crate::target::{Target, TargetHost};

/// What the procedure may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy<'a> {
    /// The transports that can be used here, in the order of our preference.
    pub(crate) transports: &'a [TransportKind],
    /// Ask for NAPTR and SRV records.
    pub(crate) service_records: bool,
    /// At most so many names are asked for and so many addresses are used.
    pub(crate) limit: usize,
}

/// A target on its way to becoming addresses.
#[derive(Debug)]
pub(crate) struct Procedure {
    name: Box<str>,
    secure: bool,
    /// The transports that will do, in the order of preference.
    transports: Vec<TransportKind>,
    limit: usize,
    stage: Stage,
    /// The questions of the stage; an answer is put where its question stands.
    asked: Vec<Asked>,
    waiting: usize,
    /// The worst that was heard, for when nothing is found.
    error: ResolveError,
    /// How many of the places found are addresses of the host that comes first.
    of_first_host: usize,
}

#[derive(Debug)]
enum Stage {
    Naptr,
    /// The transport of each question.
    Srv(Vec<TransportKind>),
    /// The transport and port of each question's name; several may share a question.
    Address(Vec<Candidate>),
}

#[derive(Clone, Debug)]
struct Candidate {
    kind: TransportKind,
    port: u16,
    /// The number of the question.
    question: usize,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    name: Box<str>,
    answer: Option<Answer>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask these; the number goes with each answer.
    Ask(Vec<(usize, Question, Box<str>)>),
    /// Some answers are missing.
    Wait,
    /// Where to go, in this order.
    Done(Result<Vec<(TransportKind, SocketAddr)>, SelectError>),
}

impl Procedure {
    /// Starts. An address needs no procedure and answers at once.
    pub(crate) fn start(target: &Target, policy: Policy<'_>) -> (Option<Self>, Step) {
        let transports = match usable(target, policy.transports) {
            Ok(transports) => transports,
            Err(error) => return (None, Step::Done(Err(error))),
        };
        // RFC 3263 §4.1: without a hint the transport is UDP for sip and TLS for sips.
        let default = transports.first().copied().unwrap_or(TransportKind::Udp);
        let name = match &target.host {
            TargetHost::Ip(ip) => {
                let port = target.port.unwrap_or_else(|| default.default_port());
                return (
                    None,
                    Step::Done(Ok(vec![(default, SocketAddr::new(*ip, port))])),
                );
            }
            TargetHost::Name(name) => name.clone(),
        };
        let mut procedure = Self {
            name,
            secure: target.secure,
            transports,
            limit: policy.limit.max(1),
            stage: Stage::Naptr,
            asked: Vec::new(),
            waiting: 0,
            error: ResolveError::NotFound,
            of_first_host: 0,
        };
        let step = if let Some(port) = target.port {
            // RFC 3263 §4.2: "If the port is present, the client performs an A or AAAA record lookup".
            procedure.ask_addresses(vec![(default, procedure.name.clone(), port)])
        } else if !policy.service_records || is_special(&procedure.name) {
            procedure.ask_own_addresses()
        } else if target.transport.is_some() {
            procedure.ask_services()
        } else {
            procedure.ask(vec![(Question::Naptr, procedure.name.clone())])
        };
        (Some(procedure), step)
    }

    /// Takes the answer to a question of the last [`Step::Ask`].
    pub(crate) fn answer(
        &mut self,
        number: usize,
        result: Result<Answer, ResolveError>,
        rng: &mut Rng,
    ) -> Step {
        let Some(asked) = self
            .asked
            .get_mut(number)
            .filter(|asked| asked.answer.is_none())
        else {
            return Step::Wait;
        };
        let answer = result.unwrap_or_else(|error| {
            if error != ResolveError::NotFound && error != ResolveError::Unsupported {
                self.error = error;
            }
            none(asked.question)
        });
        // An answer to another question is as good as none.
        let fits = question_of(&answer) == asked.question;
        asked.answer = Some(if fits { answer } else { none(asked.question) });
        self.waiting -= 1;
        if self.waiting > 0 {
            return Step::Wait;
        }
        let asked = std::mem::take(&mut self.asked);
        match std::mem::replace(&mut self.stage, Stage::Naptr) {
            Stage::Naptr => self.on_naptr(asked),
            Stage::Srv(kinds) => self.on_srv(&kinds, asked, rng),
            Stage::Address(candidates) => Step::Done(self.on_addresses(&candidates, &asked)),
        }
    }

    fn on_naptr(&mut self, asked: Vec<Asked>) -> Step {
        let mut records: Vec<NaptrRecord> = Vec::new();
        for asked in asked {
            if let Some(Answer::Naptr(some)) = asked.answer {
                records.extend(some);
            }
        }
        // RFC 3263 §4.1: services that cannot be used are discarded; of what stays the order rules.
        let mut services: Vec<(NaptrRecord, TransportKind)> = records
            .into_iter()
            .filter_map(|record| service_transport(&record.service).map(|kind| (record, kind)))
            .filter(|(_, kind)| self.transports.contains(kind))
            .collect();
        services.sort_by_key(|(record, _)| (record.order, record.preference));
        services.truncate(self.limit);
        let (mut srv, mut direct) = (Vec::new(), Vec::new());
        for (record, kind) in services {
            let name: Box<str> = record
                .replacement
                .trim_end_matches('.')
                .to_ascii_lowercase()
                .into();
            if name.is_empty() {
                continue;
            }
            if record.flags.eq_ignore_ascii_case("s") {
                srv.push((kind, name));
            } else if record.flags.eq_ignore_ascii_case("a") {
                direct.push((kind, name, kind.default_port()));
            }
        }
        if !srv.is_empty() {
            self.ask_srv(srv)
        } else if !direct.is_empty() {
            self.ask_addresses(direct)
        } else {
            // RFC 3263 §4.1: "If no NAPTR records are found, the client constructs SRV queries".
            self.ask_services()
        }
    }

    fn on_srv(&mut self, kinds: &[TransportKind], asked: Vec<Asked>, rng: &mut Rng) -> Step {
        let mut found = Vec::new();
        for (kind, asked) in kinds.iter().zip(asked) {
            let Some(Answer::Srv(records)) = asked.answer else {
                continue;
            };
            for record in in_order(records, rng) {
                let name: Box<str> = record
                    .target
                    .trim_end_matches('.')
                    .to_ascii_lowercase()
                    .into();
                // RFC 2782: "A Target of "." means that the service is decidedly not available".
                if !name.is_empty() && record.port != 0 {
                    found.push((*kind, name, record.port));
                }
            }
        }
        if found.is_empty() {
            // RFC 3263 §4.2: "If no SRV records were found, the client performs an A or AAAA record lookup of the
            // domain name".
            return self.ask_own_addresses();
        }
        found.truncate(self.limit);
        self.ask_addresses(found)
    }

    /// How many of the places of [`Step::Done`] are the same service of one host, at the beginning of the list: any of
    /// them is as good as the others.
    pub(crate) const fn of_first_host(&self) -> usize {
        self.of_first_host
    }

    fn on_addresses(
        &mut self,
        candidates: &[Candidate],
        asked: &[Asked],
    ) -> Result<Vec<(TransportKind, SocketAddr)>, SelectError> {
        let mut found: Vec<(TransportKind, SocketAddr)> = Vec::new();
        for candidate in candidates {
            let Some(Answer::Addresses(addresses)) = asked
                .get(candidate.question)
                .and_then(|a| a.answer.as_ref())
            else {
                continue;
            };
            for ip in in_turn(addresses.iter().copied().filter(is_usable)) {
                let place = (candidate.kind, SocketAddr::new(ip, candidate.port));
                if found.len() < self.limit && !found.contains(&place) {
                    found.push(place);
                }
            }
            if self.of_first_host == 0 {
                self.of_first_host = found.len();
            }
        }
        if found.is_empty() {
            Err(SelectError::Resolve(self.error))
        } else {
            Ok(found)
        }
    }

    /// SRV queries for every transport that will do (RFC 3263 §4.1, §4.2).
    fn ask_services(&mut self) -> Step {
        let scheme = if self.secure { "_sips" } else { "_sip" };
        let queries: Vec<(TransportKind, Box<str>)> = self
            .transports
            .iter()
            .filter_map(|&kind| {
                let (scheme, protocol) = match kind {
                    TransportKind::Udp => (scheme, "_udp"),
                    TransportKind::Tcp => (scheme, "_tcp"),
                    TransportKind::Sctp => (scheme, "_sctp"),
                    TransportKind::Tls => ("_sips", "_tcp"),
                    TransportKind::TlsSctp => ("_sips", "_sctp"),
                    // RFC 7118 section 5 defines no service for WebSockets.
                    TransportKind::Ws | TransportKind::Wss => return None,
                };
                Some((
                    kind,
                    format!("{scheme}.{protocol}.{}", self.name).into_boxed_str(),
                ))
            })
            .collect();
        if queries.is_empty() {
            self.ask_own_addresses()
        } else {
            self.ask_srv(queries)
        }
    }

    fn ask_srv(&mut self, queries: Vec<(TransportKind, Box<str>)>) -> Step {
        let (kinds, names): (Vec<_>, Vec<_>) = queries.into_iter().unzip();
        self.stage = Stage::Srv(kinds);
        self.ask(
            names
                .into_iter()
                .map(|name| (Question::Srv, name))
                .collect(),
        )
    }

    fn ask_own_addresses(&mut self) -> Step {
        let kind = self
            .transports
            .first()
            .copied()
            .unwrap_or(TransportKind::Udp);
        self.ask_addresses(vec![(kind, self.name.clone(), kind.default_port())])
    }

    fn ask_addresses(&mut self, found: Vec<(TransportKind, Box<str>, u16)>) -> Step {
        let mut names: Vec<Box<str>> = Vec::new();
        let mut candidates = Vec::with_capacity(found.len());
        for (kind, name, port) in found {
            // A name that several records share is asked for once.
            let question = names
                .iter()
                .position(|other| *other == name)
                .unwrap_or_else(|| {
                    names.push(name);
                    names.len() - 1
                });
            candidates.push(Candidate {
                kind,
                port,
                question,
            });
        }
        self.stage = Stage::Address(candidates);
        self.ask(
            names
                .into_iter()
                .map(|name| (Question::Address, name))
                .collect(),
        )
    }

    fn ask(&mut self, questions: Vec<(Question, Box<str>)>) -> Step {
        self.asked = questions
            .into_iter()
            .map(|(question, name)| Asked {
                question,
                name,
                answer: None,
            })
            .collect();
        self.waiting = self.asked.len();
        Step::Ask(
            self.asked
                .iter()
                .enumerate()
                .map(|(n, asked)| (n, asked.question, asked.name.clone()))
                .collect(),
        )
    }
}

/// The transports that the target allows and that are there, in order.
fn usable(target: &Target, ours: &[TransportKind]) -> Result<Vec<TransportKind>, SelectError> {
    if let Some(wanted) = target.transport {
        // RFC 3261 §26.2.2: a sips request never travels over an insecure transport.
        if target.secure && !wanted.is_secure() {
            return Err(SelectError::NoSecureTransport);
        }
        return if ours.contains(&wanted) {
            Ok(vec![wanted])
        } else if target.secure {
            Err(SelectError::NoSecureTransport)
        } else {
            Err(SelectError::NoTransport(wanted))
        };
    }
    let fits = |kind: &TransportKind| match kind {
        // RFC 7118 section 5: a WebSocket is used only when the URI says so.
        TransportKind::Ws | TransportKind::Wss => false,
        TransportKind::Udp | TransportKind::Tcp | TransportKind::Sctp => !target.secure,
        TransportKind::Tls | TransportKind::TlsSctp => true,
    };
    let usable: Vec<TransportKind> = ours.iter().copied().filter(fits).collect();
    if usable.is_empty() {
        return Err(if target.secure {
            SelectError::NoSecureTransport
        } else {
            SelectError::NoRoute
        });
    }
    Ok(usable)
}

/// The transport of a NAPTR service field (RFC 3263 §4.1, RFC 4168 §5, RFC 7118 §5.2.4 for WebSockets).
fn service_transport(service: &str) -> Option<TransportKind> {
    let table = [
        ("SIP+D2U", TransportKind::Udp),
        ("SIP+D2T", TransportKind::Tcp),
        ("SIP+D2S", TransportKind::Sctp),
        ("SIPS+D2T", TransportKind::Tls),
        ("SIPS+D2S", TransportKind::TlsSctp),
    ];
    table
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(service))
        .map(|(_, kind)| kind)
}

/// The records in the order in which to try them: by priority, and drawn by weight among equals (RFC 2782).
fn in_order(mut records: Vec<SrvRecord>, rng: &mut Rng) -> Vec<SrvRecord> {
    // An answer of a thousand records is not worth a draw for each pair.
    records.truncate(64);
    // RFC 2782: records of weight 0 come first among equals, so that they have a small chance.
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let group = records
            .iter()
            .take_while(|record| record.priority == priority)
            .count();
        let sum: u64 = records
            .iter()
            .take(group)
            .map(|record| u64::from(record.weight))
            .sum();
        let drawn = rng.below(sum + 1);
        let mut running = 0;
        let chosen = records
            .iter()
            .take(group)
            .position(|record| {
                running += u64::from(record.weight);
                running >= drawn
            })
            .unwrap_or(0);
        ordered.push(records.remove(chosen));
    }
    ordered
}

/// RFC 8305 §4: the families take turns, beginning with the one that comes first; of each the order is kept.
fn in_turn(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let all: Vec<IpAddr> = addresses.collect();
    let starts_with_4 = all.first().is_some_and(IpAddr::is_ipv4);
    let (mut one, mut other): (Vec<IpAddr>, Vec<IpAddr>) =
        all.iter().partition(|ip| ip.is_ipv4() == starts_with_4);
    let mut mixed = Vec::with_capacity(all.len());
    let (mut one, mut other) = (one.drain(..), other.drain(..));
    loop {
        let pair = (one.next(), other.next());
        if pair == (None, None) {
            return mixed;
        }
        mixed.extend(pair.0);
        mixed.extend(pair.1);
    }
}

/// RFC 6761 section 6.3: localhost is never asked for service records; nor is a name of one label, which is of a
/// hosts file.
fn is_special(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost") || !name.contains('.')
}

/// Neither unspecified nor multicast: an answer that says so is a lie.
fn is_usable(ip: &IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && *ip != IpAddr::V4(std::net::Ipv4Addr::BROADCAST)
}

const fn question_of(answer: &Answer) -> Question {
    match answer {
        Answer::Naptr(_) => Question::Naptr,
        Answer::Srv(_) => Question::Srv,
        Answer::Addresses(_) => Question::Address,
    }
}

const fn none(question: Question) -> Answer {
    match question {
        Question::Naptr => Answer::Naptr(Vec::new()),
        Question::Srv => Answer::Srv(Vec::new()),
        Question::Address => Answer::Addresses(Vec::new()),
    }
}

#[cfg(test)]
mod tests;
