//! [`Guard`]: who is served, when not everybody can be.
//!
//! It stands in front of the transactions of a [`Stack`](crate::stack::Stack), and is told of everything that arrives:
//! ```text
//!   datagram --> banned? dropped unread
//!   message  --> budget of its source spent?  503, then silence, then a ban
//!            --> overloaded and not known?    503 with Retry-After, without a transaction
//!   answer   --> a challenge larger than its request, to an address that has proved nothing? made smaller
//! ```
//! It is a machine without clock or sockets; what it keeps is bounded whatever arrives.

mod challenge;
mod feedback;
pub(crate) mod hop;
mod overload;
mod sources;
pub(crate) mod throttle;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_message::Request;
use sip_transport::Seed;

pub use self::overload::{Class, Overload, OverloadConfig};
pub use self::sources::{Ban, BanCause, SourceConfig, Sources};
pub use self::throttle::Throttle;

/// How a [`Guard`] behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuardConfig {
    /// When everybody together wants too much.
    pub overload: OverloadConfig,
    /// When one wants too much.
    pub sources: SourceConfig,
}

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the caller has to do each of them")]
pub enum Verdict {
    /// It goes on.
    Take,
    /// It is answered 503 with this Retry-After in seconds, unless it is known to the transactions.
    Refuse {
        /// The seconds.
        retry_after: u64,
    },
    /// It is passed over in silence.
    Drop,
}

/// What a guard counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuardStats {
    /// Requests answered 503 because of overload.
    pub refused_by_overload: u64,
    /// How many of these were within dialogs.
    pub refused_in_dialog: u64,
    /// Requests answered 503 because their source had spent its budget.
    pub refused_by_budget: u64,
    /// Messages passed over in silence, because their source had been told often enough.
    pub dropped_by_budget: u64,
    /// Datagrams and messages of banned addresses.
    pub dropped_by_ban: u64,
    /// Addresses banned, by hand or by what they did.
    pub banned: u64,
    /// Challenges made smaller than what they answer.
    pub trimmed_challenges: u64,
    /// Challenges not sent because they could not be made small enough, and the request had not been repeated.
    pub withheld_challenges: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Guard {
    overload: Overload,
    sources: Sources,
    trimmed: u64,
    withheld: u64,
    sequence: u64,
}

impl Guard {
    /// A guard that has seen nothing.
    #[must_use]
    pub fn new(config: GuardConfig, seed: &Seed) -> Self {
        let seed = seed.derive("guard");
        Self {
            overload: Overload::new(config.overload, &seed),
            sources: Sources::new(config.sources, &seed),
            trimmed: 0,
            withheld: 0,
            sequence: 0,
        }
    }

    /// Exchanges the configuration; what was learnt, and bans, stay.
    pub fn configure(&mut self, config: GuardConfig) {
        self.overload.configure(config.overload);
        self.sources.configure(config.sources);
    }

    /// The overload control.
    #[must_use]
    pub const fn overload(&self) -> &Overload {
        &self.overload
    }

    /// The sources, with the list of bans.
    #[must_use]
    pub const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The sources, to ban or to pardon one.
    pub const fn sources_mut(&mut self) -> &mut Sources {
        &mut self.sources
    }

    /// What was counted.
    #[must_use]
    pub const fn stats(&self) -> GuardStats {
        let (refused_by_overload, refused_in_dialog) = self.overload.refused();
        let (refused_by_budget, dropped_by_budget, dropped_by_ban, banned) = self.sources.counts();
        GuardStats {
            refused_by_overload,
            refused_in_dialog,
            refused_by_budget,
            dropped_by_budget,
            dropped_by_ban,
            banned,
            trimmed_challenges: self.trimmed,
            withheld_challenges: self.withheld,
        }
    }

    /// The worker took up what had waited this long.
    pub fn waited(&mut self, delay: Duration, now: Instant) {
        self.overload.waited(delay, now);
    }

    /// Something arrived from there, and nobody has looked at it. Is it looked at?
    pub fn arrived(&mut self, source: SocketAddr, now: Instant) -> bool {
        !self.sources.is_banned(source.ip(), now)
    }

    /// A request arrived. The verdict does not know what is known already: a retransmission that is to be refused is not
    /// refused if the transactions know it.
    pub fn judge(&mut self, request: &Request, source: SocketAddr, now: Instant) -> Verdict {
        let is_ending = Class::is_ending(request.method());
        self.verdict(is_ending, || Class::of(request), source, now)
    }

    fn verdict(
        &mut self,
        is_ending: bool,
        class: impl FnOnce() -> Class,
        source: SocketAddr,
        now: Instant,
    ) -> Verdict {
        match self.sources.spend(source.ip(), is_ending, now) {
            Verdict::Take => {}
            Verdict::Refuse { .. } => {
                return Verdict::Refuse {
                    retry_after: self.overload.retry_after(),
                };
            }
            Verdict::Drop => return Verdict::Drop,
        }
        // Nearly always, so that nobody needs to know what the request is.
        if self.overload.takes_all() || self.overload.takes(class(), now) {
            Verdict::Take
        } else {
            Verdict::Refuse {
                retry_after: self.overload.retry_after(),
            }
        }
    }

    /// Is a request that begins something likely to be refused, before anybody has looked at it? The next verdict heeds what was
    /// drawn for this.
    pub(crate) fn foresees_refusal(&mut self, now: Instant) -> bool {
        self.overload.foresees(now)
    }

    /// The request was another, and no verdict is wanted.
    pub(crate) const fn forget_foreseen(&mut self) {
        self.overload.forget();
    }

    /// [`judge`](Self::judge), for a request of which no more than its class was looked at.
    pub(crate) fn judge_at_sight(
        &mut self,
        class: Class,
        source: SocketAddr,
        now: Instant,
    ) -> Verdict {
        self.verdict(class == Class::Ending, || class, source, now)
    }

    /// A source did what no phone does: it sent what is broken, or was refused as 403.
    pub fn fault(&mut self, source: SocketAddr, now: Instant) {
        self.sources.fault(source.ip(), now);
    }

    /// The ban that was the last to begin by what an address did, once, and how long it lasts: for the guards of other workers.
    pub(crate) const fn new_ban(&mut self) -> Option<(IpAddr, Duration)> {
        self.sources.new_ban()
    }

    /// The source is who it says: it answered a challenge, or opened a connection. It is no longer banned for what others
    /// may send in its name.
    pub fn proved(&mut self, source: SocketAddr, now: Instant) {
        self.sources.prove(source.ip(), now);
    }

    /// What is sent to `target` by datagram, in answer to `asked` bytes: as it is, made smaller, or nothing.
    ///
    /// A challenge to an address that has proved nothing is never larger than what it answers: whoever writes the
    /// address of another into requests cannot make us send that other more than they spend themselves. What cannot be
    /// made small enough is withheld, until as much has come from there: a client that is there sends its request again
    /// (RFC 3261 §17.1.2.2, Timer E), and both copies count.
    pub fn answer(
        &mut self,
        payload: Bytes,
        target: SocketAddr,
        asked: usize,
        now: Instant,
    ) -> Option<Bytes> {
        if payload.len() <= asked
            || !challenge::is_challenge(&payload)
            || self.sources.is_proved(target.ip(), now)
        {
            return Some(payload);
        }
        let asked = asked.saturating_add(self.sources.unanswered(target.ip(), now));
        if payload.len() <= asked {
            return Some(payload);
        }
        match challenge::fit(&payload, asked) {
            Some(fitted) => {
                self.trimmed += 1;
                Some(fitted)
            }
            None => {
                self.withheld += 1;
                self.sources.leave_unanswered(target.ip(), asked, now);
                None
            }
        }
    }

    /// Adds to a response what its receiver asked for by an `oc` in its Via (RFC 7339 §5.2): how much to hold back.
    pub fn tell(&mut self, payload: Bytes, wall: SystemTime, now: Instant) -> Bytes {
        if !self.overload.config().feedback {
            return payload;
        }
        // RFC 7339 §4.4: it grows with each report, and across restarts, as long as the clock does.
        let millis = wall
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let sequence = u64::try_from(millis).unwrap_or(0).max(self.sequence + 1);
        match feedback::report(&payload, self.overload.loss(now), sequence) {
            Some(reported) => {
                self.sequence = sequence;
                reported
            }
            None => payload,
        }
    }
}

#[cfg(test)]
mod tests;
