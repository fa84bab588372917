//! [`Throttle`]: how much is held back from servers that ask for it (RFC 7339, the client's side).
//!
//! ```text
//!   request  --> our Via: ;oc;oc-algo="loss"                         "tell me how much you can take"
//!   response <-- our Via: ;oc=20;oc-algo="loss";oc-validity=500;oc-seq=1282321615.782
//!   request  --> held back? of what begins something first; within dialogs, and calls for help, when that is not enough
//! ```
//! What a server said holds for its address and port, until its time is over or it says something else (RFC 7339 §5.4).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_message::header::Via;
use sip_transport::{KeyedHash, Rng, Seed};

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

/// What overloaded servers asked for, and who is held back for it (RFC 7339 section 5).
#[derive(Debug)]
pub struct Throttle {
    /// Whoever answers chooses the address.
    servers: HashMap<SocketAddr, Told, KeyedHash>,
    rng: Rng,
    held_back: u64,
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
        Self {
            servers: HashMap::with_hasher(seed.hasher()),
            rng: seed.rng(),
            held_back: 0,
        }
    }

    /// A response came from this server, with this as the value of our Via.
    pub fn heard(&mut self, server: SocketAddr, via: &str, now: Instant) {
        let Some(report) = Report::of(via) else {
            return;
        };
        let known = self
            .servers
            .get_mut(&server)
            .filter(|told| told.until > now);
        if let Some(told) = known {
            // RFC 7339 §5.4: the same number says nothing new, and a lower one is late.
            if let (Some(new), Some(last)) = (report.sequence, told.sequence)
                && !new.follows(last)
            {
                return;
            }
            told.take(&report, now);
            return;
        }
        // RFC 7339 §5.4: what was stored is forgotten when its time is over.
        if report.loss == 0 || report.validity.is_zero() {
            self.servers.remove(&server);
            return;
        }
        if self.servers.len() >= SERVERS && !self.servers.contains_key(&server) {
            self.servers.retain(|_, told| told.until > now);
            if self.servers.len() >= SERVERS {
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
        told.take(&report, now);
        self.servers.insert(server, told);
    }

    /// May a request of this class go to this server? It is counted as one that goes there, or as one held back.
    pub fn takes(&mut self, server: SocketAddr, class: Class, now: Instant) -> bool {
        if self.servers.is_empty() {
            return true;
        }
        let Some(told) = self.servers.get_mut(&server) else {
            return true;
        };
        if told.until <= now {
            // RFC 7339 §5.7: over.
            self.servers.remove(&server);
            return true;
        }
        let share = told.share_held_back(class, now);
        // From 0 to below 1.
        if share <= 0.0 || f64::from(self.rng.next_u32()) / 4_294_967_296.0 >= share {
            return true;
        }
        self.held_back += 1;
        false
    }

    /// How many requests were held back.
    #[must_use]
    pub const fn held_back(&self) -> u64 {
        self.held_back
    }

    /// How many servers have some held back from them now.
    #[must_use]
    pub fn servers(&self, now: Instant) -> usize {
        let is_on = |told: &&Told| told.until > now && told.loss > 0;
        self.servers.values().filter(is_on).count()
    }
}

impl Told {
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

/// RFC 7339 §5.4: what a server further on wrote into the Vias of others goes no further: the value without what only the
/// neighbour may write there. `None`: there is nothing of it.
pub(crate) fn without_report(via: &str) -> Option<String> {
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
