//! Answering challenges (RFC 3261 section 22, RFC 7616, RFC 8760).

use std::collections::HashMap;

use sip_message::header::{Challenge, Credentials, ProxyAuthenticate, WwwAuthenticate};
use sip_message::{HeaderName, Request, Response, StatusCode};
use sip_transport::{KeyedHash, Rng, Seed};
use zeroize::Zeroizing;

use crate::digest::{Algorithm, Inputs, Qop};

/// Challenges that are remembered: an agent has few accounts and proxies; what is beyond is forgotten.
const REMEMBERED: usize = 256;

/// What proves that an account is ours.
#[derive(Clone)]
pub struct Credential {
    pub(crate) username: String,
    pub(crate) password: Zeroizing<String>,
}

impl Credential {
    /// A user name with its password.
    #[must_use]
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Names an account of the application; the layer only hands it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number and nothing else")]
pub struct AccountKey(pub u32);

/// A challenge that we can answer.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    pub(crate) proxy: bool,
    pub(crate) realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// The token as the challenge wrote it; absent when it named none.
    named: bool,
    qop: Option<Qop>,
    stale: bool,
}

impl Demand {
    /// The strongest challenge of each realm in a 401 or 407 that we can answer (RFC 8760 section 2.4: the first that is supported, in
    /// the order of the server's preference; a server that lists MD5 first does not get less than it could).
    pub(crate) fn all(response: &Response) -> Vec<Self> {
        let mut demands: Vec<Self> = Vec::new();
        let headers = response.headers();
        let mut add = |challenge: &Challenge<'_>, proxy: bool| {
            let Some(demand) = Self::of(challenge, proxy) else {
                return;
            };
            match demands
                .iter_mut()
                .find(|known| known.proxy == proxy && known.realm == demand.realm)
            {
                Some(known) if demand.algorithm.strength() > known.algorithm.strength() => {
                    *known = demand
                }
                Some(_) => {}
                None => demands.push(demand),
            }
        };
        if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            for challenge in headers.typed_all::<ProxyAuthenticate<'_>>().flatten() {
                add(&challenge, true);
            }
        } else {
            for challenge in headers.typed_all::<WwwAuthenticate<'_>>().flatten() {
                add(&challenge, false);
            }
        }
        demands
    }

    /// Whether answering makes sense: not when this request has answered the same realm already, and the server does not say that only the
    /// nonce was too old, with a fresh one (section 22.1: no retry with credentials that were refused).
    pub(crate) fn is_new(&self, answered: &[(bool, String, String)]) -> bool {
        let known = answered
            .iter()
            .rfind(|(proxy, realm, _)| *proxy == self.proxy && *realm == self.realm);
        known.is_none_or(|(.., nonce)| self.stale && *nonce != self.nonce)
    }

    /// Notes that it was answered.
    pub(crate) fn note(&self, answered: &mut Vec<(bool, String, String)>) {
        answered.retain(|(proxy, realm, _)| *proxy != self.proxy || *realm != self.realm);
        answered.push((self.proxy, self.realm.clone(), self.nonce.clone()));
    }

    fn of(challenge: &Challenge<'_>, proxy: bool) -> Option<Self> {
        if !challenge.scheme().eq_ignore_ascii_case("Digest") {
            return None;
        }
        let text = |name: &str| challenge.param(name).map(std::borrow::Cow::into_owned);
        let named = text("algorithm");
        let algorithm = match &named {
            // RFC 7616 section 3.3: what is not understood is ignored, the whole challenge with it.
            Some(token) => Algorithm::from_token(token)?,
            None => Algorithm::Md5,
        };
        let qop = match text("qop") {
            None => None,
            Some(list) => {
                let offers = |wanted: Qop| {
                    list.split(',')
                        .any(|token| token.trim().eq_ignore_ascii_case(wanted.as_str()))
                };
                Some(if offers(Qop::Auth) {
                    Qop::Auth
                } else if offers(Qop::AuthInt) {
                    Qop::AuthInt
                } else {
                    return None;
                })
            }
        };
        let stale = text("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
        Some(Self {
            proxy,
            realm: text("realm")?,
            nonce: text("nonce")?,
            opaque: text("opaque"),
            algorithm,
            named: named.is_some(),
            qop,
            stale,
        })
    }
}

#[derive(Debug)]
struct Remembered {
    demand: Demand,
    count: u32,
    credential: Credential,
}

/// The challenges of an agent's servers, so that a refresh or the next call needs no second challenge.
#[derive(Debug)]
pub(crate) struct Authenticator {
    /// By account, next hop and realm; a peer chooses the realm, so the hash is keyed. Never iterated.
    remembered: HashMap<(AccountKey, String), Vec<Remembered>, KeyedHash>,
    rng: Rng,
}

impl Authenticator {
    pub(crate) fn new(seed: &Seed) -> Self {
        let seed = seed.derive("authentication");
        Self {
            remembered: HashMap::with_hasher(seed.hasher()),
            rng: seed.rng(),
        }
    }

    /// Remembers a challenge of `next_hop` with what answers it.
    pub(crate) fn learn(
        &mut self,
        account: AccountKey,
        next_hop: &str,
        demand: Demand,
        credential: Credential,
    ) {
        if self.remembered.len() >= REMEMBERED {
            self.remembered.clear();
        }
        let known = self
            .remembered
            .entry((account, next_hop.to_owned()))
            .or_default();
        known.retain(|other| {
            other.demand.realm != demand.realm || other.demand.proxy != demand.proxy
        });
        if known.len() < 8 {
            known.push(Remembered {
                demand,
                count: 0,
                credential,
            });
        }
    }

    /// Forgets the answer to a challenge that a server has refused.
    pub(crate) fn forget(&mut self, account: AccountKey, next_hop: &str) {
        self.remembered.remove(&(account, next_hop.to_owned()));
    }

    /// Adds answers to all remembered challenges of `next_hop`; those of an earlier try are replaced.
    pub(crate) fn authorize(&mut self, account: AccountKey, next_hop: &str, request: &mut Request) {
        if self.remembered.is_empty() && !has_credentials(request) {
            return;
        }
        request.headers_mut().remove_all(HeaderName::Authorization);
        request
            .headers_mut()
            .remove_all(HeaderName::ProxyAuthorization);
        let Some(known) = self.remembered.get_mut(&(account, next_hop.to_owned())) else {
            return;
        };
        for Remembered {
            demand,
            count,
            credential,
        } in known
        {
            *count = count.saturating_add(1);
            let cnonce = self.rng.token(16);
            let value = answer(demand, *count, &cnonce, credential, request);
            let name = if demand.proxy {
                HeaderName::ProxyAuthorization
            } else {
                HeaderName::Authorization
            };
            request.headers_mut().push_back(name, value);
        }
    }
}

/// Whether a request has answers of an earlier try.
fn has_credentials(request: &Request) -> bool {
    let headers = request.headers();
    headers.contains(HeaderName::Authorization) || headers.contains(HeaderName::ProxyAuthorization)
}

fn answer(
    demand: &Demand,
    count: u32,
    cnonce: &str,
    credential: &Credential,
    request: &Request,
) -> String {
    let uri = request.uri_str().to_owned();
    let ha1 = demand
        .algorithm
        .ha1(&credential.username, &demand.realm, &credential.password);
    let inputs = Inputs {
        algorithm: demand.algorithm,
        ha1: &ha1,
        nonce: &demand.nonce,
        qop: demand.qop.map(|qop| (qop, count, cnonce)),
        cnonce,
        method: request.method().as_str(),
        uri: &uri,
        body: request.body(),
    };
    let response = inputs.response();
    let mut credentials = Credentials::new("Digest")
        .with_quoted("username", &credential.username)
        .with_quoted("realm", &demand.realm)
        .with_quoted("nonce", &demand.nonce)
        .with_quoted("uri", &uri)
        .with_quoted("response", &response);
    if demand.named {
        credentials = credentials.with_token("algorithm", demand.algorithm.as_str());
    }
    if let Some(qop) = demand.qop {
        credentials = credentials
            .with_token("qop", qop.as_str())
            .with_token("nc", &format!("{count:08x}"))
            .with_quoted("cnonce", cnonce);
    } else if demand.algorithm.is_session() {
        credentials = credentials.with_quoted("cnonce", cnonce);
    }
    if let Some(opaque) = &demand.opaque {
        credentials = credentials.with_quoted("opaque", opaque);
    }
    credentials.to_string()
}
