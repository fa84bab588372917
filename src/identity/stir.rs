//! [`Verifier`] and [`Signer`]: Identity fields (RFC 8224), looked at and made.
//!
//! ```text
//!  Verifier::begin(request)  --> Check::Fetch(pending) --> certificates --> Verifier::finish(pending, ..) --> Progress::Good
//!                                           ^--------------------------------------------------------'  Progress::Fetch
//!                            --> Check::Unsigned, Check::Failed(fault)
//! ```

mod divert;
mod original;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sip_message::header::{Date, From, Identity, NameAddr, PAssertedIdentity, To};
use sip_message::{HeaderName, Method, Request, StatusCode, UriRef};

use self::original::Nested;
use super::certificate::{Anchors, CertificateError};
use super::passport::{Claims, Party, Passport, Signed, SigningKey};

/// Why a signature is not taken (RFC 8224 §6.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// 428: there is none, and one is demanded.
    Missing,
    /// 428: there are only some of types that are not known.
    Format,
    /// 403: its time is not now.
    Stale,
    /// 436: its certificate cannot be had.
    NoCertificate,
    /// 437: its certificate is not believed.
    Unsupported,
    /// 438: it is broken, of another call, or by who may not sign it.
    Invalid,
}

impl Fault {
    /// The status and reason phrase of the refusal.
    #[must_use]
    pub const fn refusal(self) -> (StatusCode, &'static str) {
        match self {
            Self::Missing => (StatusCode::USE_IDENTITY_HEADER, "Use Identity Header"),
            Self::Format => (
                StatusCode::USE_IDENTITY_HEADER,
                "Use Supported PASSporT Format",
            ),
            Self::Stale => (StatusCode::FORBIDDEN, "Stale Date"),
            Self::NoCertificate => (StatusCode::BAD_IDENTITY_INFO, "Bad Identity Info"),
            Self::Unsupported => (StatusCode::UNSUPPORTED_CREDENTIAL, "Unsupported Credential"),
            Self::Invalid => (
                StatusCode::INVALID_IDENTITY_HEADER,
                "Invalid Identity Header",
            ),
        }
    }
}

/// What becomes of a request that is looked at.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "each is to be acted on")]
pub enum Check {
    /// It has no signature, and none is demanded.
    Unsigned,
    /// These certificates are needed first.
    Fetch(Box<Pending>),
    /// It is not taken.
    Failed(Fault),
}

/// A signature that waits for its certificates, with those of all who sent the call elsewhere.
#[derive(Debug)]
pub struct Pending {
    claims: Claims,
    diverted: Vec<Party>,
    /// The tokens whose signatures were not looked at, and for whom each has to be signed.
    left: Vec<(Signed, Party)>,
}

impl Pending {
    /// Where the next of them are.
    #[must_use]
    pub fn url(&self) -> &str {
        self.left
            .last()
            .map_or("", |(signed, _)| &signed.passport.x5u)
    }
}

/// How far the look at a signature has come.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "each is to be acted on")]
pub enum Progress {
    /// These certificates are needed too.
    Fetch(Box<Pending>),
    /// It is good.
    Good(Verified),
}

/// A signature that is good.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verified {
    /// What it claims.
    pub claims: Claims,
    /// Whom the call was for before it was sent elsewhere, the first first (RFC 8946).
    pub diverted: Vec<Party>,
}

/// Looks at signatures.
#[derive(Clone, Debug)]
pub struct Verifier {
    anchors: Anchors,
    freshness: Duration,
    is_demanded: bool,
}

/// The types of tokens that a caller's signer makes: the base one and that of SHAKEN.
const SHAKEN: &str = "shaken";
/// How many Identity fields of a request are looked at.
const MOST_FIELDS: usize = 8;

impl Verifier {
    /// Believes certificates of these authorities.
    #[must_use]
    pub const fn new(anchors: Anchors) -> Self {
        Self {
            anchors,
            freshness: Duration::from_secs(60),
            is_demanded: false,
        }
    }

    /// How old a signature may be, and how far ahead its clock; 60 seconds (RFC 8224 §6.2).
    #[must_use]
    pub const fn freshness(mut self, freshness: Duration) -> Self {
        self.freshness = freshness;
        self
    }

    /// Requests without a signature that is good are refused; without this only those whose signature is bad.
    #[must_use]
    pub const fn demand(mut self, demands: bool) -> Self {
        self.is_demanded = demands;
        self
    }

    /// RFC 8224 §6.2, steps 1 to 4, for the first field whose type is known; with those by which it was sent to its
    /// Request-URI (RFC 8946 §4.2).
    #[must_use]
    pub fn begin(&self, request: &Request, wall: SystemTime) -> Check {
        let target = request.uri().ok().and_then(Party::of);
        self.begin_for(request, target.as_ref(), wall)
    }

    /// The same for a request whose Request-URI was changed since it came: whom it was for then.
    #[must_use]
    pub fn begin_for(&self, request: &Request, target: Option<&Party>, wall: SystemTime) -> Check {
        let (field, nested) = match self.first_known(request) {
            Ok(found) => found,
            Err(check) => return check,
        };
        if field
            .algorithm()
            .is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case("ES256"))
        {
            return Check::Failed(Fault::Unsupported);
        }
        let Some(url) = field.info() else {
            return Check::Failed(Fault::Invalid);
        };
        let callers = callers(request);
        let (dest, date) = (called(request), date(request));
        let is_nested = nested.is_some();
        let parsed = if let Some(nested) = nested {
            Ok((nested.first, nested.around))
        } else if field.is_compact() {
            // Step 4, and §4.1: what is left out is made from the request.
            let (Some(date), Some(orig), Some(dest)) = (date, callers.first(), &dest) else {
                return Check::Failed(Fault::Invalid);
            };
            Passport::new(url, Claims::new(orig.clone(), [dest.clone()], date))
                .parse_compact(field.value())
                .map(|signed| (signed, Vec::new()))
        } else {
            Passport::parse(field.value()).map(|signed| (signed, Vec::new()))
        };
        let Ok((signed, mut chain)) = parsed else {
            return Check::Failed(Fault::Invalid);
        };
        let claims = signed.passport.claims.clone();
        let is_shaken = if is_nested {
            signed.passport.ppt.is_some()
        } else {
            field.passport_type().is_some()
        };
        // RFC 8588 §4, §5: what SHAKEN adds has to be there, and nothing of the field and the token may differ.
        let is_whole = !is_shaken
            || (signed.passport.ppt.as_deref() == Some(SHAKEN)
                && matches!(claims.attest, Some('A' | 'B' | 'C'))
                && claims.origid.is_some());
        let outermost = chain.last().unwrap_or(&signed);
        let is_there = *outermost.passport.x5u == *url;
        match divert::chain(request, &outermost.passport.claims) {
            Ok(more) => chain.extend(more),
            Err(fault) => return Check::Failed(fault),
        }
        let is_of_this_call = match chain.last() {
            // RFC 8946 §4.2, step 1; the To plays no part.
            Some(last) => target.is_some_and(|target| last.passport.claims.dest.contains(target)),
            None => dest.is_some_and(|dest| claims.dest.contains(&dest)),
        };
        if !is_whole || !is_of_this_call || !callers.contains(&claims.orig) || !is_there {
            return Check::Failed(Fault::Invalid);
        }
        // §6.2.4: the token's own time counts; a Date that differs from it has to be fresh as well.
        let is_fresh = |time: u64| {
            let time = UNIX_EPOCH + Duration::from_secs(time.min(u64::from(u32::MAX)));
            let apart = match wall.duration_since(time) {
                Ok(apart) => apart,
                Err(ahead) => ahead.duration(),
            };
            apart <= self.freshness
        };
        // RFC 8946 §4.2, step 4: those of the last of the chain and of the first; we look at all.
        let mut times = chain.iter().map(|signed| signed.passport.claims.iat);
        if !is_fresh(claims.iat) || !date.is_none_or(is_fresh) || !times.all(is_fresh) {
            return Check::Failed(Fault::Stale);
        }
        let mut left = vec![(signed, claims.orig.clone())];
        let diverted = chain.into_iter().filter_map(|signed| {
            // Step 2: who sent it elsewhere signs for the place that it was sent away from.
            let from = signed.passport.claims.diverted()?;
            left.push((signed, from.clone()));
            Some(from)
        });
        let diverted = diverted.collect();
        Check::Fetch(Box::new(Pending {
            claims,
            diverted,
            left,
        }))
    }

    /// RFC 8224 §6.2, step 1: the first field whose type is known, with what is inside of it if it is of type `div-o`; or what becomes
    /// of a request without one.
    fn first_known<'r>(
        &self,
        request: &'r Request,
    ) -> Result<(Identity<'r>, Option<Nested>), Check> {
        let mut is_any = false;
        for field in request
            .headers()
            .typed_all::<Identity<'_>>()
            .take(MOST_FIELDS)
        {
            is_any = true;
            let field = field.map_err(|_| Check::Failed(Fault::Invalid))?;
            if original::is_div_o(&field) {
                let nested = Passport::parse(field.value())
                    .map_err(|_| Fault::Invalid)
                    .and_then(original::unwrap)
                    .map_err(Check::Failed)?;
                if nested.is_some() {
                    return Ok((field, nested));
                }
            } else if field
                .passport_type()
                .is_none_or(|ppt| ppt.trim_matches('"').eq_ignore_ascii_case(SHAKEN))
            {
                return Ok((field, None));
            }
        }
        Err(match is_any {
            _ if !self.is_demanded => Check::Unsigned,
            true => Check::Failed(Fault::Format),
            false => Check::Failed(Fault::Missing),
        })
    }

    /// RFC 8224 §6.2, steps 3 and 5: with the certificates, or none that could be had.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn finish(
        &self,
        pending: Box<Pending>,
        certificates: Option<&[u8]>,
        wall: SystemTime,
    ) -> Result<Progress, Fault> {
        let mut pending = pending;
        let certificates = certificates.ok_or(Fault::NoCertificate)?;
        let credential = self
            .anchors
            .check(certificates, wall)
            .map_err(|error| match error {
                CertificateError::Malformed => Fault::NoCertificate,
                _ => Fault::Unsupported,
            })?;
        let url: Box<str> = pending.url().into();
        let is_here = |(signed, _): &mut (Signed, Party)| signed.passport.x5u == url;
        for (signed, speaker) in pending.left.extract_if(.., is_here) {
            signed
                .verify(&credential.public_key)
                .map_err(|_| Fault::Invalid)?;
            // §8: who signs may only speak for its own numbers and domains.
            if !credential.speaks_for(&speaker) {
                return Err(Fault::Invalid);
            }
        }
        if !pending.left.is_empty() {
            return Ok(Progress::Fetch(pending));
        }
        Ok(Progress::Good(Verified {
            claims: pending.claims,
            diverted: pending.diverted,
        }))
    }
}

/// Makes signatures.
#[derive(Debug)]
pub struct Signer {
    key: SigningKey,
    url: Box<str>,
    attest: Option<char>,
}

impl Signer {
    /// With a key whose certificate is at this address, where verifiers fetch it.
    #[must_use]
    pub fn new(key: SigningKey, url: &str) -> Self {
        Self {
            key,
            url: url.into(),
            attest: None,
        }
    }

    /// Makes tokens of SHAKEN (RFC 8588) with this attestation: A, B or C.
    #[must_use]
    pub const fn shaken(mut self, attest: char) -> Self {
        self.attest = Some(attest);
        self
    }

    /// Signs a request (RFC 8224 §6.1): adds an Identity field, and a Date if there is none or one that is not fresh.
    /// `origid` is a name for where the call came from. A request that names nobody who can be signed for is left as it
    /// is; says whether it was signed.
    pub fn sign(&self, request: &mut Request, origid: &str, wall: SystemTime) -> bool {
        let Ok(now) = wall.duration_since(UNIX_EPOCH).map(|time| time.as_secs()) else {
            return false;
        };
        let (Some(orig), Some(dest)) = (callers(request).into_iter().next(), called(request))
        else {
            return false;
        };
        let iat = match date(request) {
            Some(date) if date.abs_diff(now) <= 60 => date,
            _ => {
                let date = Date::from_unix_seconds(now);
                request.headers_mut().replace_typed(&date);
                now
            }
        };
        let mut claims = Claims::new(orig, [dest], iat);
        if let Some(attest) = self.attest {
            claims = claims.shaken(attest, origid);
        }
        let passport = Passport::new(&self.url, claims);
        let Ok(token) = passport.sign(&self.key) else {
            return false;
        };
        let Ok(info) = UriRef::parse(&self.url) else {
            return false;
        };
        let mut identity = Identity::new(&token, info).with_algorithm("ES256");
        if self.attest.is_some() {
            identity = identity.with_passport_type(SHAKEN);
        }
        request.headers_mut().push_back_typed(&identity);
        true
    }
}

/// What a proxy does about signatures.
#[derive(Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "the caller names every part")]
pub struct Stir {
    /// Signs calls of our users that leave the domain, if any does.
    pub signer: Option<Signer>,
    /// Looks at calls to our users, if any does.
    pub verifier: Option<Verifier>,
    /// Are calls refused whose signature is not taken? Otherwise they go on.
    pub refuses: bool,
    /// Is the callee told ([`annotate`])?
    pub annotates: bool,
}

/// May a request carry a signature? Those that begin something, and change it: not ACK, CANCEL (RFC 8224 §6.1.1).
#[must_use]
pub fn is_signable(request: &Request) -> bool {
    !matches!(
        request.method(),
        Method::Ack | Method::Cancel | Method::Register
    ) && request.headers().to_tag().is_none()
}

/// What the verification found, told to the callee in its caller's identity (3GPP TS 24.229 §7.2A.20): `verstat` in the
/// URI of P-Asserted-Identity, or of From without one. What a caller wrote there itself comes off.
pub fn annotate(request: &mut Request, result: Verstat) {
    let name = if request.headers().contains(HeaderName::PAssertedIdentity) {
        HeaderName::PAssertedIdentity
    } else {
        HeaderName::From
    };
    let values: Vec<String> = request
        .headers()
        .values(name.clone())
        .map(|value| with_verstat(value, result))
        .collect();
    request.headers_mut().remove_all(name.clone());
    for value in values {
        request.headers_mut().push_back(name.clone(), value);
    }
}

/// The values of `verstat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "TS 24.229 has these three")]
pub enum Verstat {
    /// The signature is good.
    Passed,
    /// It is not.
    Failed,
    /// There is none.
    None,
}

impl Verstat {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "TN-Validation-Passed",
            Self::Failed => "TN-Validation-Failed",
            Self::None => "No-TN-Validation",
        }
    }
}

/// The address with the parameter: of a `tel` URI one of its own, of a SIP URI one of its number, which is the user. Only
/// numbers are validated.
fn with_verstat(value: &str, result: Verstat) -> String {
    let Ok(address) = NameAddr::parse(value) else {
        return value.to_owned();
    };
    let uri = address.uri();
    if !matches!(Party::of(uri), Some(Party::Number(_))) {
        return value.to_owned();
    }
    let plain = |text: &str| -> String {
        let kept = text
            .split(';')
            .filter(|part| !part.to_ascii_lowercase().starts_with("verstat="));
        kept.collect::<Vec<_>>().join(";")
    };
    let text = match uri.as_str().split_once('@').filter(|_| uri.is_sip()) {
        Some((user, rest)) => format!("{};verstat={}@{rest}", plain(user), result.as_str()),
        None => format!("{};verstat={}", plain(uri.as_str()), result.as_str()),
    };
    // Where the URI stands in the value: what is before and behind it stays.
    match value.split_once(uri.as_str()) {
        Some((before, behind)) if before.ends_with('<') => format!("{before}{text}{behind}"),
        Some((before, behind)) => format!("{before}<{text}>{behind}"),
        None => value.to_owned(),
    }
}

/// Who calls, the asserted identities first (RFC 8224 §8.1).
fn callers(request: &Request) -> Vec<Party> {
    let headers = request.headers();
    let asserted = headers
        .typed_all::<PAssertedIdentity<'_>>()
        .filter_map(Result::ok)
        .filter_map(|identity| Party::of(identity.uri()));
    let from = headers
        .typed::<From<'_>>()
        .ok()
        .flatten()
        .and_then(|from| Party::of(from.uri()));
    asserted.chain(from).collect()
}

fn called(request: &Request) -> Option<Party> {
    let to = request.headers().typed::<To<'_>>().ok().flatten()?;
    Party::of(to.uri())
}

fn date(request: &Request) -> Option<u64> {
    let date = request.headers().typed::<Date>().ok().flatten()?;
    Some(date.unix_seconds())
}

#[cfg(test)]
mod tests;
