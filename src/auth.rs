//! Digest authentication, the server's side (RFC 3261 §22; RFC 7616; RFC 8760): [`Authenticator`].

mod algorithm;
mod guesses;
mod nonce;
mod policy;
mod replay;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sip_message::{
    HeaderName, Method, Request, ResponseBuilder, StatusCode, UriRef, WrittenResponse,
};
use sip_transport::{Flow, Seed};
use subtle::ConstantTimeEq as _;

pub use self::algorithm::Algorithm;
use self::algorithm::{Hash, Hex};
pub(crate) use self::algorithm::{hex, unhex};
use self::guesses::Guesses;
use self::nonce::{Nonces, Validity};
pub use self::policy::Policy;
use self::replay::Replay;
use crate::identity::Peers;
pub use crate::users::{CredentialStore, Ha1s};

/// How an [`Authenticator`] behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthConfig {
    /// The realm: the domain whose passwords are asked for.
    pub realm: Box<str>,
    /// What is offered, in this order: RFC 8760 §2.4 wants the most preferred first.
    pub algorithms: Vec<Algorithm>,
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
    /// How many wrong passwords an address may give for one name before it is refused as 403.
    pub tries: u32,
    /// How long it is refused, and wrong passwords are remembered, from the first of them.
    pub window: Duration,
    /// How many pairs of address and name are remembered; more push out the oldest.
    pub remembered_guesses: usize,
    /// How many nonces in use are remembered; more push out the oldest, which are then stale.
    pub remembered_nonces: usize,
    /// Who is not asked, and for what nobody is.
    pub policy: Policy,
}

impl AuthConfig {
    /// The usual behaviour for a realm: all algorithms, strongest first; nonces for five minutes; five tries a minute.
    #[must_use]
    pub fn new(realm: &str) -> Self {
        Self {
            realm: realm.into(),
            algorithms: vec![Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5],
            nonce_lifetime: Duration::from_secs(300),
            tries: 5,
            window: Duration::from_secs(60),
            remembered_guesses: 65_536,
            remembered_nonces: 65_536,
            policy: Policy::default(),
        }
    }
}

/// Who asks for the password (RFC 3261 §22.2, §22.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 3261 section 22 knows these two"
)]
pub enum Asker {
    /// A registrar or another server that the request ends at: 401, WWW-Authenticate, Authorization.
    Server,
    /// A proxy: 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

impl Asker {
    /// The status of the challenge.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Server => StatusCode::UNAUTHORIZED,
            Self::Proxy => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        }
    }

    const fn challenge(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::WwwAuthenticate,
            Self::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    /// The field with the credentials.
    #[must_use]
    pub const fn credentials(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::Authorization,
            Self::Proxy => HeaderName::ProxyAuthorization,
        }
    }
}

/// What is to be done with a request, as far as authentication goes.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the caller has to do each of them")]
pub enum Check {
    /// Nobody is asked who they are for this: see [`Policy`].
    Open,
    /// Answer with a challenge; `stale` says that the client may try again without asking its user.
    Challenge {
        /// Was the nonce too old, and nothing else known to be wrong?
        stale: bool,
    },
    /// Look up the hashes of [`Attempt::username`], then [`Authenticator::verify`].
    LookUp(Attempt),
    /// Answer 403: too many wrong passwords from there for this name.
    Forbidden,
    /// Answer 400 with this reason.
    Malformed(&'static str),
}

/// Credentials whose nonce is good, and which are now to be compared with what the store has.
#[derive(Clone, Debug)]
pub struct Attempt {
    username: Box<str>,
    source: IpAddr,
    algorithm: Algorithm,
    /// `method:uri`, hashed.
    ha2: Arc<Hex>,
    /// What stands between HA1 and HA2.
    middle: Box<str>,
    response: Hash,
    nonce: nonce::NonceId,
    /// The nonce count; 0 for a client that does not count.
    count: u32,
}

impl Attempt {
    /// Whose hashes are needed.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the caller has to do each of them")]
pub enum Verdict {
    /// This user sent the request.
    Accepted {
        /// The name.
        username: Box<str>,
    },
    /// Answer with a challenge.
    Challenge {
        /// See [`Check::Challenge`].
        stale: bool,
    },
    /// Answer 403.
    Forbidden,
}

/// Checks credentials. It keeps nothing for a challenge that it sends: a nonce carries its own time and proof, so that
/// a flood of requests without credentials costs no memory. What it keeps is bounded: which counts of a nonce were
/// used, and which address gave wrong passwords for which name.
///
/// An unknown user and a wrong password are answered alike and take alike: both are compared with hashes, those of an
/// unknown user with hashes of no password.
#[derive(Debug)]
pub struct Authenticator {
    config: AuthConfig,
    nonces: Nonces,
    /// Which counts of nonces were used, by the worker that minted the nonce: in the usual case nobody else asks.
    replay: Arc<[Mutex<Replay>]>,
    /// Shared by all who ask for the passwords of one realm; held for a look or a count, never while anything else happens.
    guesses: Arc<Mutex<Guesses>>,
    dummy: Ha1s,
    challenges: Arc<Challenges>,
    /// The last HA2: all who register with one server have the same.
    ha2: Option<Ha2>,
}

/// What a method and a URI were hashed to.
#[derive(Clone, Debug)]
struct Ha2 {
    algorithm: Algorithm,
    method: Method,
    uri: Box<str>,
    digits: Arc<Hex>,
}

/// The longest URI whose hash is remembered.
const REMEMBERED_URI: usize = 256;

impl Authenticator {
    /// An authenticator whose nonces are proved by a key from the seed.
    #[must_use]
    pub fn new(config: AuthConfig, seed: &Seed) -> Self {
        let mut secret = [0; 32];
        seed.derive("auth.dummy").rng().fill(&mut secret);
        Self {
            nonces: Nonces::new(&seed.derive("auth.nonce"), config.nonce_lifetime),
            replay: Arc::new([Mutex::new(Replay::new(config.remembered_nonces))]),
            guesses: Arc::new(Mutex::new(Guesses::new(
                &seed.derive("auth.guesses"),
                config.tries,
                config.window,
                config.remembered_guesses,
            ))),
            dummy: Ha1s::dummy(&secret),
            challenges: Arc::new(Challenges::new(&config)),
            ha2: None,
            config,
        }
    }

    /// Counts wrong passwords together with another authenticator: who may guess at the registrar five times must not
    /// have five more at the proxy.
    #[must_use]
    pub fn counting_with(mut self, other: &Self) -> Self {
        self.guesses = Arc::clone(&other.guesses);
        self
    }

    /// Makes one authenticator for each of several workers, this one the first: all take the nonces of all, wrong passwords count
    /// together, and what was used with one of them is not good again with another (RFC 7616 §3.4.5). There are at most
    /// [`MAX_WORKERS`](crate::stack::MAX_WORKERS).
    #[must_use]
    pub fn for_workers(mut self, workers: u16, now: Instant) -> Vec<Self> {
        self.nonces.begin(now);
        self.replay = (0..workers.max(1))
            .map(|_| Mutex::new(Replay::new(self.config.remembered_nonces)))
            .collect();
        let one = |worker| Self {
            config: self.config.clone(),
            nonces: self.nonces.of_worker(worker),
            replay: Arc::clone(&self.replay),
            guesses: Arc::clone(&self.guesses),
            dummy: self.dummy.clone(),
            challenges: Arc::clone(&self.challenges),
            ha2: None,
        };
        (0..workers.max(1)).map(one).collect()
    }

    fn replay(&self, nonce: nonce::NonceId) -> Option<MutexGuard<'_, Replay>> {
        let replay = self.replay.get(usize::from(nonce.worker()))?;
        Some(replay.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn guesses(&self) -> MutexGuard<'_, Guesses> {
        // A count that a panic interrupted is still a count.
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.config.realm
    }

    /// Whose word is taken by their certificates, if anybody's is.
    #[must_use]
    pub fn trusted_names(&self) -> &[Box<str>] {
        &self.config.policy.trusted_names
    }

    /// Looks at the credentials of a request for this realm that came over a flow, if its sender is one who is asked.
    pub fn check_from(
        &mut self,
        request: &Request,
        asker: Asker,
        flow: &Flow,
        peers: &Peers,
        now: Instant,
    ) -> Check {
        if peers.has_proven(flow.id, self.trusted_names()) {
            return Check::Open;
        }
        self.check(request, asker, flow.remote.ip(), now)
    }

    /// Looks at the credentials of a request for this realm.
    pub fn check(
        &mut self,
        request: &Request,
        asker: Asker,
        source: IpAddr,
        now: Instant,
    ) -> Check {
        if self.config.policy.is_open(request, source) {
            return Check::Open;
        }
        let Some(given) = self.credentials(request, asker) else {
            return Check::Challenge { stale: false };
        };
        let Some(algorithm) = given
            .algorithm
            .filter(|algorithm| self.config.algorithms.contains(algorithm))
        else {
            return Check::Challenge { stale: false };
        };
        // RFC 7616 §3.4: without these there is nothing to compare.
        let (Some(username), Some(nonce), Some(uri)) = (given.username, given.nonce, given.uri)
        else {
            return Check::Malformed("Incomplete Credentials");
        };
        let Some(response) = given
            .response
            .and_then(|response| Hash::from_hex(&response))
            .filter(|response| response.as_bytes().len() == algorithm.len())
        else {
            return Check::Malformed("Malformed Digest Response");
        };
        // RFC 7616 §3.4.6: the digest is for this request. A proxy on the way may have changed the user or the
        // parameters of the Request-URI, so the host is what is compared.
        if !is_same_host(&uri, request.uri_str()) {
            return Check::Malformed("Credentials For Another Request-URI");
        }
        if self.guesses().is_refused(source, &username, now) {
            return Check::Forbidden;
        }
        // A nonce that is not ours, or no more, says nothing about the password: it is neither computed with (so that
        // it cannot be guessed this way) nor counted.
        let nonce_id = match self.nonces.check(&nonce, source, now) {
            Validity::Good(id) => id,
            Validity::Stale | Validity::Unknown => return Check::Challenge { stale: true },
        };
        let (middle, count) = match given.qop.as_deref() {
            None => (nonce.into_owned(), 0),
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let (Some(cnonce), Some(nc)) = (given.cnonce, given.nc) else {
                    return Check::Malformed("Incomplete Credentials");
                };
                let count = u32::from_str_radix(&nc, 16)
                    .ok()
                    .filter(|&count| count > 0 && nc.len() == 8);
                let Some(count) = count else {
                    return Check::Malformed("Malformed Nonce Count");
                };
                (join(&[&nonce, &nc, &cnonce, qop]), count)
            }
            Some(_) => return Check::Challenge { stale: false },
        };
        let is_new = |replay: MutexGuard<'_, Replay>| replay.is_new(nonce_id, count);
        if !self.replay(nonce_id).is_some_and(is_new) {
            return Check::Challenge { stale: true };
        }
        Check::LookUp(Attempt {
            username: username.into_owned().into(),
            source,
            algorithm,
            ha2: self.ha2(algorithm, request.method(), &uri),
            middle: middle.into(),
            response,
            nonce: nonce_id,
            count,
        })
    }

    /// Compares an attempt with the hashes of its user; `None` when there is no such user.
    pub fn verify(&mut self, attempt: Attempt, hashes: Option<&Ha1s>, now: Instant) -> Verdict {
        // While the store was asked, the last try may have been used up by another request.
        if self
            .guesses()
            .is_refused(attempt.source, &attempt.username, now)
        {
            return Verdict::Forbidden;
        }
        let ha1 = hashes.unwrap_or(&self.dummy).bytes(attempt.algorithm);
        let expected = attempt
            .algorithm
            .response(&Hex::of(ha1), &*attempt.middle, &*attempt.ha2);
        let given = attempt.response.as_bytes();
        let is_right = bool::from(expected.as_bytes().ct_eq(given)) & hashes.is_some();
        if !is_right {
            let is_refused = self
                .guesses()
                .record(attempt.source, &attempt.username, now);
            return if is_refused {
                Verdict::Forbidden
            } else {
                Verdict::Challenge { stale: false }
            };
        }
        // The count is used up only by the one who knows the password, and only once: two requests may have been
        // checked before either was verified.
        let spend = |mut replay: MutexGuard<'_, Replay>| replay.spend(attempt.nonce, attempt.count);
        if !self.replay(attempt.nonce).is_some_and(spend) {
            return Verdict::Challenge { stale: true };
        }
        self.guesses().forget(attempt.source, &attempt.username);
        Verdict::Accepted {
            username: attempt.username,
        }
    }

    fn ha2(&mut self, algorithm: Algorithm, method: &Method, uri: &str) -> Arc<Hex> {
        let is_it = |known: &&Ha2| {
            known.algorithm == algorithm && *known.uri == *uri && known.method == *method
        };
        if let Some(known) = self.ha2.as_ref().filter(is_it) {
            return Arc::clone(&known.digits);
        }
        let digits = Arc::new(algorithm.ha2(method.as_str(), uri));
        if uri.len() <= REMEMBERED_URI {
            self.ha2 = Some(Ha2 {
                algorithm,
                method: method.clone(),
                uri: uri.into(),
                digits: Arc::clone(&digits),
            });
        }
        digits
    }

    /// Adds a challenge for each algorithm to a response (RFC 8760 §2.4: one field each, the most preferred first).
    pub fn challenge(
        &mut self,
        mut response: ResponseBuilder,
        asker: Asker,
        source: IpAddr,
        stale: bool,
        now: Instant,
    ) -> ResponseBuilder {
        let nonce = self.nonces.mint(source, now);
        let stale = if stale { ", stale=true" } else { "" };
        for [before, nonce, after] in self.challenges.parts(nonce.as_str()) {
            let value = [before, nonce, after, stale].concat();
            response = response.header(asker.challenge(), &value);
        }
        response
    }

    /// [`challenge`](Self::challenge) in a response that is written at once, to a request without credentials.
    pub(crate) fn write_challenge(
        &mut self,
        response: &mut WrittenResponse,
        asker: Asker,
        source: IpAddr,
        now: Instant,
    ) {
        let nonce = self.nonces.mint(source, now);
        for parts in self.challenges.parts(nonce.as_str()) {
            response.field(asker.challenge(), &parts);
        }
    }

    /// The credentials for our realm; RFC 3261 §22.3: there may be others, for other proxies.
    fn credentials<'a>(&self, request: &'a Request, asker: Asker) -> Option<Given<'a>> {
        let (headers, name) = (request.headers(), asker.credentials());
        if !headers.contains(name.clone()) {
            return None;
        }
        headers
            .values(name)
            .filter_map(Given::parse)
            .find(|given| given.realm.as_deref() == Some(self.realm()))
    }
}

fn is_same_host(digest_uri: &str, request_uri: &str) -> bool {
    if digest_uri == request_uri {
        return true;
    }
    match (UriRef::parse(digest_uri), UriRef::parse(request_uri)) {
        (Ok(a), Ok(b)) => matches!((a.host(), b.host()), (Some(a), Some(b)) if a.is_same(&b)),
        _ => false,
    }
}

fn quote(text: &str) -> Cow<'_, str> {
    if text.contains(['"', '\\']) {
        text.replace('\\', "\\\\").replace('"', "\\\"").into()
    } else {
        text.into()
    }
}

/// Are these credentials for this realm, as whoever looks at them reads them?
pub(crate) fn is_for(credentials: &str, realm: &str) -> bool {
    Given::parse(credentials).is_some_and(|given| given.realm.as_deref() == Some(realm))
}

/// The challenges (RFC 7616 §3.3) of a realm, but for their nonce.
#[derive(Debug)]
struct Challenges {
    before: Box<str>,
    /// One for each algorithm.
    after: Vec<Box<str>>,
}

impl Challenges {
    fn new(config: &AuthConfig) -> Self {
        let after = |algorithm: &Algorithm| {
            let parts = ["\", algorithm=", algorithm.as_str(), ", qop=\"auth\""];
            parts.concat().into()
        };
        Self {
            before: ["Digest realm=\"", &quote(&config.realm), "\", nonce=\""]
                .concat()
                .into(),
            after: config.algorithms.iter().map(after).collect(),
        }
    }

    /// The challenges with this nonce, in parts.
    fn parts<'a>(&'a self, nonce: &'a str) -> impl Iterator<Item = [&'a str; 3]> {
        self.after
            .iter()
            .map(move |after| [&*self.before, nonce, after])
    }
}

/// The parts with colons between them.
fn join(parts: &[&str]) -> String {
    let len = parts.iter().map(|part| part.len() + 1).sum();
    let mut joined = String::with_capacity(len);
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            joined.push(':');
        }
        joined.push_str(part);
    }
    joined
}

/// The parameters of one Authorization or Proxy-Authorization.
#[derive(Debug, Default)]
struct Given<'a> {
    username: Option<Cow<'a, str>>,
    realm: Option<Cow<'a, str>>,
    nonce: Option<Cow<'a, str>>,
    uri: Option<Cow<'a, str>>,
    response: Option<Cow<'a, str>>,
    /// Absent in the message means MD5 (RFC 7616 §3.4.2); `None` is one that we do not know.
    algorithm: Option<Algorithm>,
    qop: Option<Cow<'a, str>>,
    nc: Option<Cow<'a, str>>,
    cnonce: Option<Cow<'a, str>>,
}

impl<'a> Given<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let (scheme, rest) = value.trim_ascii_start().split_at_checked("Digest".len())?;
        let is_digest = scheme == "Digest" || scheme.eq_ignore_ascii_case("Digest");
        if !is_digest || !rest.starts_with([' ', '\t']) {
            return None;
        }
        let mut given = Self {
            algorithm: Some(Algorithm::Md5),
            ..Self::default()
        };
        let mut left = rest.as_bytes();
        while let Some((name, value)) = parameter(rest, &mut left) {
            if let Some(slot) = given.slot(&name) {
                *slot = Some(value);
            } else if name.text.eq_ignore_ascii_case(b"algorithm") {
                given.algorithm = Algorithm::parse(&value);
            }
        }
        Some(given)
    }

    /// Where the value of a parameter goes.
    const fn slot(&mut self, name: &Name<'_>) -> Option<&mut Option<Cow<'a, str>>> {
        const USERNAME: u64 = fold(b"username");
        const REALM: u64 = fold(b"realm");
        const NONCE: u64 = fold(b"nonce");
        const URI: u64 = fold(b"uri");
        const RESPONSE: u64 = fold(b"response");
        const QOP: u64 = fold(b"qop");
        const NC: u64 = fold(b"nc");
        const CNONCE: u64 = fold(b"cnonce");
        Some(match name.folded {
            USERNAME => &mut self.username,
            REALM => &mut self.realm,
            NONCE => &mut self.nonce,
            URI => &mut self.uri,
            RESPONSE => &mut self.response,
            QOP => &mut self.qop,
            NC => &mut self.nc,
            CNONCE => &mut self.cnonce,
            _ => return None,
        })
    }
}

/// The name of a parameter.
struct Name<'a> {
    text: &'a [u8],
    /// What it is compared by: see [`fold`].
    folded: u64,
}

/// A name of up to eight letters as a word, in lower case: nothing but a letter becomes one by this bit. 0 for what is longer.
const fn fold(name: &[u8]) -> u64 {
    let (mut word, mut rest) = (0, name);
    if rest.len() > 8 {
        return 0;
    }
    while let [others @ .., last] = rest {
        word = word << 8 | (*last | 0x20) as u64;
        rest = others;
    }
    word
}

impl<'a> Name<'a> {
    /// The one in front of the next equals sign, and what is behind that.
    #[inline]
    fn at_front(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        const ONES: u64 = 0x0101_0101_0101_0101;
        if let Some(first) = text.first_chunk() {
            let word = u64::from_le_bytes(*first);
            let differs = word ^ (ONES * b'=' as u64);
            // The lowest mark is right.
            let marks = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
            let len = (marks.trailing_zeros() / 8) as usize;
            if let Some((name, [b'=', rest @ ..])) = text.split_at_checked(len) {
                // The bytes below the mark; without one all are.
                let below = (marks & marks.wrapping_neg()).wrapping_sub(1) >> 7;
                let below = if marks == 0 { u64::MAX } else { below };
                let folded = (word | ONES << 5) & below;
                return Some((Self::trimmed(name, folded), rest));
            }
        }
        let len = text.iter().position(|&byte| byte == b'=')?;
        let (name, rest) = (text.get(..len)?, text.get(len + 1..)?);
        Some((Self::trimmed(name, fold(name)), rest))
    }

    fn trimmed(name: &'a [u8], folded: u64) -> Self {
        if !name.last().is_some_and(u8::is_ascii_whitespace) {
            return Self { text: name, folded };
        }
        let text = name.trim_ascii_end();
        let folded = fold(text);
        Self { text, folded }
    }
}

/// The next `name=value` or `name="value"` of what is left of a text, which is taken from it.
fn parameter<'a>(text: &'a str, left: &mut &'a [u8]) -> Option<(Name<'a>, Cow<'a, str>)> {
    let mut rest = *left;
    while let [b' ' | b'\t' | b'\r' | b'\n' | b',', after @ ..] = rest {
        rest = after;
    }
    let (name, mut rest) = Name::at_front(rest)?;
    if rest.first() != Some(&b'"') {
        rest = rest.trim_ascii_start();
    }
    let at = text.len() - rest.len();
    let [b'"', quoted @ ..] = rest else {
        let len = rest.iter().position(|&byte| byte == b',');
        let (value, after) = rest.split_at_checked(len.unwrap_or(rest.len()))?;
        *left = after;
        let value = text.get(at..at + value.len())?.trim_ascii();
        return Some((name, value.into()));
    };
    let at = at + 1;
    let len = memchr::memchr2(b'"', b'\\', quoted)?;
    if let [b'"', after @ ..] = quoted.get(len..)? {
        *left = after;
        return Some((name, text.get(at..at + len)?.into()));
    }
    let mut value = String::new();
    let mut characters = text.get(at..)?.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    *left = characters.as_str().as_bytes();
    Some((name, value.into()))
}

#[cfg(test)]
mod tests;
