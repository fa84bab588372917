//! [`Throttle`]: how much is held back from servers that ask for it (RFC 7339, the client's side).
//!
//! ```text
//!   request  --> our Via: ;oc;oc-algo="loss"                         "tell me how much you can take"
//!   response <-- our Via: ;oc=20;oc-algo="loss";oc-validity=500;oc-seq=1282321615.782
//!   request  --> held back? of what begins something first; within dialogs, and calls for help, when that is not enough
//! ```
//! What a server said holds for its address and port, until its time is over or it says something else (RFC 7339 §5.4). To one
//! that answers nothing at all, no more requests go but one from time to time (§5.9).

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sip_message::header::Via;
use sip_message::{HeaderName, Response};
use sip_transport::{Flow, KeyedHash, Rng, Seed};

use super::Class;

/// Servers that are remembered at a time. It stops a network of many addresses from filling the memory.
const SERVERS: usize = 4096;
/// How long a report holds that does not say (RFC 7339 §4.3).
const VALIDITY: Duration = Duration::from_millis(500);
/// No report holds longer, whatever it says: a server that asks for a year, and has been mended, gets its calls again.
const LONGEST: Duration = Duration::from_secs(3600);
/// How often the mix of requests is looked at (RFC 7339 §7.2: every five to ten seconds).
const PERIOD: Duration = Duration::from_secs(5);
/// The share of requests that begin something, before anything was counted (RFC 7339 §7.2).
const USUAL_SHARE: f64 = 0.8;

/// After so many requests in a row without any response, a server gets no more (RFC 7339 §5.9).
const FAILURES: u32 = 3;
/// How long until one request goes there again, to see; twice as long after each that had no response either.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(64);
/// How long it is remembered that a request had no response.
const MEMORY: Duration = Duration::from_secs(600);

/// What overloaded servers asked for, and who is held back for it (RFC 7339 section 5).
///
/// All that send requests to the same servers have one: a clone is a handle to the same.
#[derive(Clone, Debug)]
pub struct Throttle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Is anything known of any server? As long as there is no overload, nobody waits for the lock.
    is_used: AtomicBool,
    servers: Mutex<Servers>,
}

#[derive(Debug)]
struct Servers {
    /// Whoever answers chooses the address.
    told: HashMap<SocketAddr, Told, KeyedHash>,
    /// Those that requests had no response from.
    silent: HashMap<SocketAddr, Silence, KeyedHash>,
    /// What makes the same choice for each copy of a request, and one that nobody foresees.
    copies: KeyedHash,
    rng: Rng,
    held_back: u64,
}

/// A server that does not answer (RFC 7339 §5.9).
#[derive(Debug)]
struct Silence {
    /// Requests in a row without any response.
    failures: u32,
    last: Instant,
    /// Nothing goes there until then; `None` as long as there were too few failures.
    until: Option<Instant>,
    pause: Duration,
    /// Is a request on its way that shows whether it answers again?
    is_probed: bool,
}

/// What a server said, and what goes there.
#[derive(Debug)]
struct Told {
    /// Of a hundred requests so many are held back.
    loss: u8,
    sequence: Option<Sequence>,
    until: Instant,
    /// Of the requests of this period: those that begin something, and all.
    first: u32,
    all: u32,
    began: Instant,
    /// The share of those that begin something in the period before.
    share: f64,
}

/// `oc-seq`: a number with a fraction of at most five digits (RFC 7339 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sequence {
    whole: u64,
    fraction: u32,
}

impl Sequence {
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str, most| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(whole, 12) || !is_number(fraction, 5) {
            return None;
        }
        Some(Self {
            whole: whole.parse().ok()?,
            fraction: format!("{fraction:0<5}").parse().ok()?,
        })
    }

    /// Is this what follows, or a count that began anew? RFC 7339 §4.4: one that is significantly less than those before has
    /// overflowed; one that is a little less is late.
    const fn follows(self, last: Self) -> bool {
        self.whole > last.whole
            || (self.whole == last.whole && self.fraction > last.fraction)
            || self.whole < last.whole / 2
    }
}

/// What the Via of a response says.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    loss: u8,
    validity: Duration,
    sequence: Option<Sequence>,
}

impl Report {
    /// RFC 7339 §4: `None` when the server knows nothing of overload control, or speaks of an algorithm that it was not asked for.
    fn of(via: &str) -> Option<Self> {
        let via = Via::parse(via).ok()?;
        let params = via.params();
        // §5.1: one that knows nothing leaves the parameter as it was, without a value.
        let loss: u8 = params
            .get("oc")
            .filter(|value| !value.is_empty())?
            .parse()
            .ok()?;
        let algorithm = params.unquoted("oc-algo")?;
        // §7.1: from 0 to 100.
        if loss > 100 || !algorithm.trim().eq_ignore_ascii_case("loss") {
            return None;
        }
        let validity = match params.get("oc-validity") {
            None => VALIDITY,
            Some(value) => Duration::from_millis(value.parse().ok()?),
        };
        let sequence = match params.get("oc-seq") {
            None => None,
            Some(value) => Some(Sequence::parse(value)?),
        };
        Some(Self {
            loss,
            validity: validity.min(LONGEST),
            sequence,
        })
    }
}

impl Throttle {
    /// Nothing is held back.
    #[must_use]
    pub fn new(seed: &Seed) -> Self {
        let seed = seed.derive("throttle");
        Self(Arc::new(Shared {
            is_used: AtomicBool::new(false),
            servers: Mutex::new(Servers {
                told: HashMap::with_hasher(seed.hasher()),
                silent: HashMap::with_hasher(seed.hasher()),
                copies: seed.derive("copies").hasher(),
                rng: seed.rng(),
                held_back: 0,
            }),
        }))
    }

    /// A response came from this server, with this as the value of our Via.
    pub fn heard(&self, server: SocketAddr, via: &str, now: Instant) {
        let report = Report::of(via);
        if report.is_some() || self.is_used() {
            self.change(|servers| {
                // RFC 7339 §5.9: it answers, so it gets requests again.
                servers.silent.remove(&server);
                if let Some(report) = report {
                    servers.report(server, &report, now);
                }
            });
        }
    }

    /// A request to this server had no response in time, or its transport failed (RFC 7339 §5.9).
    pub fn failed(&self, server: SocketAddr, now: Instant) {
        self.change(|servers| servers.fail(server, now));
    }

    /// A server has shown that it is there, though not by an answer: it gets requests again (RFC 7339 §5.9).
    pub fn seen(&self, server: SocketAddr) {
        if self.is_used() {
            self.change(|servers| servers.silent.remove(&server));
        }
    }

    /// May a request of this class go to this server? It is counted as one that goes there, or as one held back.
    #[must_use]
    pub fn takes(&self, server: SocketAddr, class: Class, now: Instant) -> bool {
        self.decide(|servers| {
            servers.is_spoken_to(server, class, now)
                && servers.passes(server, class, now, |servers| servers.rng.next_u32())
        })
    }

    /// The same for who keeps no state: each copy of a request, which has this hash, gets the same answer.
    #[must_use]
    pub fn takes_copy(&self, server: SocketAddr, class: Class, copy: u64, now: Instant) -> bool {
        self.decide(|servers| {
            servers.is_spoken_to(server, class, now)
                && servers.passes(server, class, now, |servers| {
                    (servers.copies.hash_one(copy) >> 32) as u32
                })
        })
    }

    /// May a request go there that is for nothing but to see whether the server answers? RFC 7339 §5.9: those go on while all
    /// others stay away, but a server that answers and asks for less gets less of them too.
    #[must_use]
    pub fn takes_probe(&self, server: SocketAddr, now: Instant) -> bool {
        self.decide(|servers| {
            servers.passes(server, Class::New, now, |servers| servers.rng.next_u32())
        })
    }

    /// Leaves of these flows those that a request of this class may go by: the first whose server takes it, and of those behind
    /// it, for when that one fails, the ones that nothing is held back from.
    pub(crate) fn choose(&self, flows: &mut Vec<Flow>, class: Class, now: Instant) {
        if !self.is_used() {
            return;
        }
        let taken = flows
            .iter()
            .position(|flow| self.takes(flow.remote, class, now));
        let Some(taken) = taken else {
            flows.clear();
            return;
        };
        flows.drain(..taken);
        let servers = self.lock();
        let mut is_first = true;
        flows.retain(|flow| std::mem::take(&mut is_first) || !servers.is_limited(flow.remote, now));
    }

    /// How many requests were held back.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.lock().held_back
    }

    /// How many servers have some held back from them now.
    #[must_use]
    pub fn servers(&self, now: Instant) -> usize {
        let servers = self.lock();
        let told = servers.told.iter().filter(|(_, told)| told.is_on(now));
        let silent = servers.silent.iter().filter(|(server, silence)| {
            silence.until.is_some()
                && !servers
                    .told
                    .get(*server)
                    .is_some_and(|told| told.is_on(now))
        });
        told.count() + silent.count()
    }

    pub(crate) fn is_used(&self) -> bool {
        self.0.is_used.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Servers> {
        self.0
            .servers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self, decide: impl FnOnce(&mut Servers) -> bool) -> bool {
        if !self.is_used() {
            return true;
        }
        self.change(|servers| {
            let is_taken = decide(servers);
            servers.held_back += u64::from(!is_taken);
            is_taken
        })
    }

    fn change<R>(&self, change: impl FnOnce(&mut Servers) -> R) -> R {
        let mut servers = self.lock();
        let result = change(&mut servers);
        let is_used = !(servers.told.is_empty() && servers.silent.is_empty());
        self.0.is_used.store(is_used, Ordering::Relaxed);
        result
    }
}

impl Servers {
    fn report(&mut self, server: SocketAddr, report: &Report, now: Instant) {
        let known = self.told.get_mut(&server).filter(|told| told.until > now);
        if let Some(told) = known {
            // RFC 7339 §5.4: the same number says nothing new, and a lower one is late.
            if let (Some(new), Some(last)) = (report.sequence, told.sequence)
                && !new.follows(last)
            {
                return;
            }
            told.take(report, now);
            return;
        }
        // RFC 7339 §5.4: what was stored is forgotten when its time is over.
        if report.loss == 0 || report.validity.is_zero() {
            self.told.remove(&server);
            return;
        }
        if self.told.len() >= SERVERS && !self.told.contains_key(&server) {
            self.told.retain(|_, told| told.until > now);
            if self.told.len() >= SERVERS {
                return;
            }
        }
        let mut told = Told {
            loss: 0,
            sequence: None,
            until: now,
            first: 0,
            all: 0,
            began: now,
            share: USUAL_SHARE,
        };
        told.take(report, now);
        self.told.insert(server, told);
    }

    fn fail(&mut self, server: SocketAddr, now: Instant) {
        if self.silent.len() >= SERVERS && !self.silent.contains_key(&server) {
            self.silent
                .retain(|_, silence| now.saturating_duration_since(silence.last) < MEMORY);
            if self.silent.len() >= SERVERS {
                return;
            }
        }
        let silence = self.silent.entry(server).or_insert(Silence {
            failures: 0,
            last: now,
            until: None,
            pause: FIRST_PAUSE,
            is_probed: false,
        });
        if now.saturating_duration_since(silence.last) >= MEMORY {
            (silence.failures, silence.until) = (0, None);
        }
        silence.failures = silence.failures.saturating_add(1);
        silence.last = now;
        if silence.failures < FAILURES {
            return;
        }
        match silence.until {
            None => silence.pause = FIRST_PAUSE,
            Some(_) if silence.is_probed => {
                silence.pause = (2 * silence.pause).min(LONGEST_PAUSE);
            }
            // It was sent before the others had failed.
            Some(_) => return,
        }
        silence.until = Some(now + silence.pause);
        silence.is_probed = false;
    }

    /// RFC 7339 §5.9: nothing goes to a server that does not answer, but one request from time to time that shows whether it does.
    /// A call for help is always worth trying.
    fn is_spoken_to(&mut self, server: SocketAddr, class: Class, now: Instant) -> bool {
        let Some(silence) = self.silent.get_mut(&server) else {
            return true;
        };
        match silence.until {
            Some(until) if now < until => class == Class::Emergency,
            Some(_) => {
                silence.until = Some(now + silence.pause);
                silence.is_probed = true;
                true
            }
            None => true,
        }
    }

    /// RFC 7339 §5.5: does what the server said let it pass? Of a chance of which every value is as likely.
    fn passes(
        &mut self,
        server: SocketAddr,
        class: Class,
        now: Instant,
        chance: impl FnOnce(&mut Self) -> u32,
    ) -> bool {
        let Some(told) = self.told.get_mut(&server) else {
            return true;
        };
        if told.until <= now {
            // RFC 7339 §5.7: over.
            self.told.remove(&server);
            return true;
        }
        let share = told.share_held_back(class, now);
        // From 0 to below 1.
        share <= 0.0 || f64::from(chance(self)) / 4_294_967_296.0 >= share
    }

    /// Is anything held back from this server?
    fn is_limited(&self, server: SocketAddr, now: Instant) -> bool {
        self.told.get(&server).is_some_and(|told| told.is_on(now))
            || self
                .silent
                .get(&server)
                .is_some_and(|silence| silence.until.is_some())
    }
}

impl Told {
    fn is_on(&self, now: Instant) -> bool {
        self.until > now && self.loss > 0
    }

    fn take(&mut self, report: &Report, now: Instant) {
        self.sequence = report.sequence.or(self.sequence);
        if report.validity.is_zero() {
            // RFC 7339 §5.7: it is over, whatever `oc` says. The number is kept for as long as something late may come.
            self.loss = 0;
            self.until = now + VALIDITY;
        } else {
            self.loss = report.loss;
            self.until = now + report.validity;
        }
    }

    /// RFC 7339 §7.2: the share of the requests of this class that is held back, so that the loss is that of all together.
    fn share_held_back(&mut self, class: Class, now: Instant) -> f64 {
        let is_first = class == Class::New;
        if now.saturating_duration_since(self.began) >= PERIOD {
            if self.all > 0 {
                self.share = f64::from(self.first) / f64::from(self.all);
            }
            (self.first, self.all, self.began) = (0, 0, now);
        }
        self.all = self.all.saturating_add(1);
        self.first = self.first.saturating_add(u32::from(is_first));
        let (loss, share) = (f64::from(self.loss) / 100.0, self.share);
        if is_first {
            if loss >= share { 1.0 } else { loss / share }
        } else if loss <= share {
            0.0
        } else {
            // What begins something is all held back, and that is not enough.
            (loss - share) / (1.0 - share)
        }
    }
}

/// RFC 7339 §5.4: what a server further on wrote into the Vias of a response goes no further.
pub(crate) fn own_reports_only(response: &mut Response) {
    let vias = || response.headers().values(HeaderName::Via);
    if !vias().any(|via| without_report(via).is_some()) {
        return;
    }
    let clean: Vec<String> = vias()
        .map(|via| without_report(via).unwrap_or_else(|| via.to_owned()))
        .collect();
    response.headers_mut().remove_all(HeaderName::Via);
    for via in clean.iter().rev() {
        response.headers_mut().push_front(HeaderName::Via, via);
    }
}

/// The value of a Via without what only the neighbour may write there. `None`: there is nothing of it.
fn without_report(via: &str) -> Option<String> {
    let holds = |params: &str| {
        params.split(';').any(|param| {
            let name = param.split('=').next().unwrap_or_default().trim();
            name.eq_ignore_ascii_case("oc-validity")
                || name.eq_ignore_ascii_case("oc-seq")
                || (name.eq_ignore_ascii_case("oc") && param.contains('='))
        })
    };
    if !holds(via) {
        return None;
    }
    let mut parts = via.split(';');
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.split('=').next().unwrap_or_default().trim();
        if name.eq_ignore_ascii_case("oc-validity") || name.eq_ignore_ascii_case("oc-seq") {
            continue;
        }
        kept.push(';');
        // What whoever sent the request had written: that they know of overload control.
        kept.push_str(if name.eq_ignore_ascii_case("oc") {
            name
        } else {
            part
        });
    }
    Some(kept)
}

#[cfg(test)]
mod tests;
