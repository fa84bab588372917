//! [`Sources`]: what each address may cost, and who is not listened to at all.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use sip_transport::{KeyedHash, Seed};

use super::Verdict;
use crate::routing::Network;

/// The budgets of sources, and when they are banned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceConfig {
    /// Requests a second that one address may send for long; an IPv6 source is its /64. 0: as many as it likes.
    pub rate: u32,
    /// Requests that it may send at once.
    pub burst: u32,
    /// How many addresses are remembered, about 40 bytes each; more push out those that were silent longest.
    pub remembered: usize,
    /// How many faults within [`window`](Self::window) get an address banned: broken messages, refusals as 403, requests
    /// beyond its budget that got no answer any more. 0: none.
    pub faults: u32,
    /// Faults are counted for so long.
    pub window: Duration,
    /// How long a ban lasts.
    pub ban: Duration,
    /// How many bans there may be; a new one pushes out the one that ends first.
    pub max_bans: usize,
    /// Who may send what they like: gateways, and other servers of ours. Loopback always may.
    pub trusted: Vec<Network>,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            rate: 500,
            burst: 5000,
            remembered: 65_536,
            faults: 100,
            window: Duration::from_secs(60),
            ban: Duration::from_secs(300),
            max_bans: 10_000,
            trusted: Vec::new(),
        }
    }
}

/// Why an address is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BanCause {
    /// By the operator.
    Operator,
    /// By what it did.
    Faults,
}

/// An address that is not listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ban {
    /// Which; of IPv6 the first address of its /64.
    pub address: IpAddr,
    /// How long still.
    pub left: Duration,
    /// Why.
    pub cause: BanCause,
    /// What it has sent since, and nobody has read.
    pub dropped: u64,
}

/// An address, or the /64 of one: what one subscriber has (RFC 6177 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Source(u64);

impl Source {
    /// No /64 that anybody has begins with this (RFC 4291 §2.5.5: `::/8` is reserved), so that one number names both kinds.
    const V4: u64 = 0x00ff_ffff << 32;

    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(Self::V4 | u64::from(u32::from(ip))),
            // The high half is what is wanted.
            IpAddr::V6(ip) => Self((u128::from(ip) >> 64) as u64),
        }
    }

    const fn address(self) -> IpAddr {
        if self.0 >> 32 == Self::V4 >> 32 {
            // The low half is the address.
            IpAddr::V4(Ipv4Addr::from_bits(self.0 as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits((self.0 as u128) << 64))
        }
    }
}

/// What is known of one source. Times are milliseconds since the first that was seen; 49 days go by before one is mistaken.
#[derive(Clone, Copy, Debug)]
struct Entry {
    source: Source,
    /// May go below zero, as far as the burst goes above: what is answered 503 is owed.
    tokens: f32,
    at: u32,
    faults: u16,
    faults_since: u32,
    /// When it last proved to be at its address; 0 for never.
    proved: u32,
    /// Bytes that asked for a challenge and got nothing.
    unanswered: u16,
}

/// How many entries a key may be in: the one that was silent longest makes room.
const WAYS: usize = 4;
/// How long a proof holds, in milliseconds.
const PROOF: u32 = 3_600_000;
/// What an ACK, a BYE or a CANCEL costs of a request: it ends something, so that sending it is encouraged.
const ENDING: f32 = 0.25;
/// What a refusal costs.
const REFUSAL: f32 = 0.5;

#[derive(Clone, Copy, Debug)]
struct Banned {
    until: Instant,
    cause: BanCause,
    dropped: u64,
}

/// Budgets and bans by source. A table of fixed size with a keyed hash, so that no choice of addresses makes it slow or
/// large.
#[derive(Debug)]
pub struct Sources {
    config: SourceConfig,
    hasher: KeyedHash,
    entries: Vec<Option<Entry>>,
    epoch: Option<Instant>,
    /// The keys are addresses that peers choose.
    bans: HashMap<Source, Banned, KeyedHash>,
    refused: u64,
    dropped: u64,
    dropped_by_ban: u64,
    banned: u64,
    /// Begun by faults, and not told yet.
    new_ban: Option<(IpAddr, Duration)>,
}

impl Sources {
    /// Nobody is known.
    #[must_use]
    pub fn new(config: SourceConfig, seed: &Seed) -> Self {
        let seed = seed.derive("sources");
        let sets = config.remembered.div_ceil(WAYS).max(1).next_power_of_two();
        Self {
            hasher: seed.hasher(),
            entries: vec![None; sets * WAYS],
            epoch: None,
            bans: HashMap::with_hasher(seed.hasher()),
            refused: 0,
            dropped: 0,
            dropped_by_ban: 0,
            banned: 0,
            new_ban: None,
            config,
        }
    }

    /// Exchanges the configuration. The size of the table stays.
    pub fn configure(&mut self, config: SourceConfig) {
        self.config = config;
    }

    /// Refused, dropped, dropped because banned, banned.
    pub(super) const fn counts(&self) -> (u64, u64, u64, u64) {
        (self.refused, self.dropped, self.dropped_by_ban, self.banned)
    }

    /// May this address send what it likes?
    #[must_use]
    pub fn is_trusted(&self, ip: IpAddr) -> bool {
        ip.to_canonical().is_loopback()
            || self
                .config
                .trusted
                .iter()
                .any(|network| network.contains(ip))
    }

    /// Is it not listened to?
    pub fn is_banned(&mut self, ip: IpAddr, now: Instant) -> bool {
        if self.bans.is_empty() {
            return false;
        }
        let source = Source::of(ip);
        let Some(ban) = self.bans.get_mut(&source) else {
            return false;
        };
        if ban.until <= now {
            self.bans.remove(&source);
            return false;
        }
        ban.dropped += 1;
        self.dropped_by_ban += 1;
        true
    }

    /// Bans an address for so long. One that is trusted is not banned, and the answer is no.
    pub fn ban(&mut self, ip: IpAddr, time: Duration, cause: BanCause, now: Instant) -> bool {
        if self.is_trusted(ip) || time.is_zero() || self.config.max_bans == 0 {
            return false;
        }
        let source = Source::of(ip);
        if self.bans.len() >= self.config.max_bans && !self.bans.contains_key(&source) {
            self.make_room(now);
        }
        // A time that the clock cannot hold is as good as for ever: a hundred years.
        let until = now
            .checked_add(time)
            .unwrap_or_else(|| now + Duration::from_secs(3_155_760_000));
        self.bans.insert(
            source,
            Banned {
                until,
                cause,
                dropped: 0,
            },
        );
        self.banned += 1;
        true
    }

    /// Ends a ban, and forgets what led to it. Was there one?
    pub fn pardon(&mut self, ip: IpAddr) -> bool {
        let source = Source::of(ip);
        if let Some(entry) = self.find(source) {
            entry.faults = 0;
        }
        self.bans.remove(&source).is_some()
    }

    /// Who is banned now, those that end first first.
    #[must_use]
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        let mut list: Vec<Ban> = self
            .bans
            .iter()
            .filter(|(_, ban)| ban.until > now)
            .map(|(source, ban)| Ban {
                address: source.address(),
                left: ban.until.saturating_duration_since(now),
                cause: ban.cause,
                dropped: ban.dropped,
            })
            .collect();
        list.sort_by_key(|ban| (ban.left, ban.address));
        list
    }

    /// A request came; `ending` ones cost less and are refused last.
    pub(super) fn spend(&mut self, ip: IpAddr, ending: bool, now: Instant) -> Verdict {
        if self.config.rate == 0 || self.is_trusted(ip) {
            return Verdict::Take;
        }
        let (rate, burst) = (self.config.rate as f32, self.config.burst.max(1) as f32);
        let at = self.millis(now);
        let entry = self.enter(Source::of(ip), at);
        let earned = at.wrapping_sub(entry.at) as f32 * rate / 1000.0;
        entry.tokens = (entry.tokens + earned).min(burst);
        entry.at = at;
        let cost = if ending { ENDING } else { 1.0 };
        // What ends something may go into debt: refusing it would only keep state alive.
        let least = if ending { -burst } else { 0.0 };
        if entry.tokens - cost >= least {
            entry.tokens -= cost;
            return Verdict::Take;
        }
        if !ending && entry.tokens - REFUSAL >= -burst {
            entry.tokens -= REFUSAL;
            self.refused += 1;
            return Verdict::Refuse { retry_after: 0 };
        }
        self.dropped += 1;
        self.fault(ip, now);
        Verdict::Drop
    }

    /// It did what no phone does.
    pub(super) fn fault(&mut self, ip: IpAddr, now: Instant) {
        if self.config.faults == 0 || self.is_trusted(ip) {
            return;
        }
        let (limit, window) = (self.config.faults, self.config.window);
        let at = self.millis(now);
        let entry = self.enter(Source::of(ip), at);
        let since = Duration::from_millis(at.wrapping_sub(entry.faults_since).into());
        if entry.faults == 0 || since >= window {
            entry.faults = 0;
            entry.faults_since = at;
        }
        entry.faults = entry.faults.saturating_add(1);
        // Who has shown to be there can be a victim of forged datagrams: its budget bounds it, but it is not shut out.
        let proved = is_fresh(entry.proved, at);
        if u32::from(entry.faults) >= limit && !proved {
            entry.faults = 0;
            let time = self.config.ban;
            if self.ban(ip, time, BanCause::Faults, now) {
                self.new_ban = Some((ip, time));
            }
        }
    }

    pub(super) const fn new_ban(&mut self) -> Option<(IpAddr, Duration)> {
        self.new_ban.take()
    }

    /// It has proved to be at its address.
    pub(super) fn prove(&mut self, ip: IpAddr, now: Instant) {
        if self.is_trusted(ip) {
            return;
        }
        let at = self.millis(now);
        self.enter(Source::of(ip), at).proved = at.max(1);
    }

    /// Is there no doubt that it is at its address?
    pub(super) fn is_proved(&mut self, ip: IpAddr, now: Instant) -> bool {
        if self.is_trusted(ip) {
            return true;
        }
        let at = self.millis(now);
        self.find(Source::of(ip))
            .is_some_and(|entry| is_fresh(entry.proved, at))
    }

    /// How many bytes of it got no answer, since it last got one. They are forgotten by the question.
    pub(super) fn unanswered(&mut self, ip: IpAddr, now: Instant) -> usize {
        let at = self.millis(now);
        let entry = self.enter(Source::of(ip), at);
        usize::from(std::mem::take(&mut entry.unanswered))
    }

    /// So many bytes of it got no answer.
    pub(super) fn leave_unanswered(&mut self, ip: IpAddr, bytes: usize, now: Instant) {
        let at = self.millis(now);
        self.enter(Source::of(ip), at).unanswered = u16::try_from(bytes).unwrap_or(u16::MAX);
    }

    fn millis(&mut self, now: Instant) -> u32 {
        let epoch = *self.epoch.get_or_insert(now);
        // Cut on purpose: only differences count, and they wrap.
        now.saturating_duration_since(epoch).as_millis() as u32
    }

    fn set(&mut self, source: Source) -> &mut [Option<Entry>] {
        let sets = self.entries.len() / WAYS;
        // The number of sets is a power of two.
        let set = (self.hasher.hash_one(source.0) as usize) & (sets - 1);
        self.entries
            .get_mut(set * WAYS..(set + 1) * WAYS)
            .unwrap_or_default()
    }

    fn find(&mut self, source: Source) -> Option<&mut Entry> {
        self.set(source)
            .iter_mut()
            .flatten()
            .find(|entry| entry.source == source)
    }

    fn enter(&mut self, source: Source, at: u32) -> &mut Entry {
        let burst = self.config.burst.max(1) as f32;
        let set = self.set(source);
        let place = set
            .iter()
            .position(|entry| entry.is_some_and(|entry| entry.source == source))
            .or_else(|| set.iter().position(Option::is_none))
            .or_else(|| {
                set.iter()
                    .enumerate()
                    .max_by_key(|(_, entry)| entry.map_or(0, |entry| at.wrapping_sub(entry.at)))
                    .map(|(place, _)| place)
            })
            .unwrap_or_default();
        #[expect(
            clippy::indexing_slicing,
            reason = "a set has four places, and the place was found in it"
        )]
        let slot = &mut set[place];
        if slot.is_none_or(|entry| entry.source != source) {
            *slot = None;
        }
        slot.get_or_insert(Entry {
            source,
            tokens: burst,
            at,
            faults: 0,
            faults_since: at,
            proved: 0,
            unanswered: 0,
        })
    }

    fn make_room(&mut self, now: Instant) {
        self.bans.retain(|_, ban| ban.until > now);
        if self.bans.len() < self.config.max_bans {
            return;
        }
        let first = self
            .bans
            .iter()
            .min_by_key(|(source, ban)| (ban.until, **source))
            .map(|(source, _)| *source);
        if let Some(first) = first {
            self.bans.remove(&first);
        }
    }
}

const fn is_fresh(proved: u32, at: u32) -> bool {
    proved != 0 && at.wrapping_sub(proved) < PROOF
}

#[cfg(test)]
mod tests;
