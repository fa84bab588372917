//! What identifies a transaction: RFC 3261 §17.1.3 for responses, §17.2.3 for requests (RFC 2543 clients included).

use sip_message::{HeaderName, Headers, Method, Request, Response};

use crate::fold::Fold;
use crate::scan::{self, TopVia};
use crate::siphash::{HashKey, SipHash};
use crate::universal::Universal;

/// The cookie by which a branch says that it is unique (RFC 3261 §8.1.1.7).
pub(crate) const MAGIC_COOKIE: &str = "z9hG4bK";

/// A keyed 128-bit hash of what identifies a transaction, mixed with the method.
///
/// The key of the hash is secret, so nobody can find two requests that collide; see [`Universal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MatchKey([u64; 2]);

/// A keyed hash of what merged requests share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MergeKey(std::num::NonZeroU64);

/// What identifies a request before its method is mixed in: INVITE, ACK and CANCEL of one transaction share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestIdentity {
    hash: [u64; 2],
    /// Whether the branch has no magic cookie: an RFC 2543 client.
    pub(crate) legacy: bool,
}

pub(crate) fn has_magic_cookie(branch: &[u8]) -> bool {
    // RFC 3261 §7.3.1: tokens are case-insensitive; some clients write the cookie in one case.
    const LETTERS: u64 = u64::from_le_bytes([0x20, 0, 0x20, 0x20, 0, 0x20, 0x20, 0]);
    const COOKIE: u64 = u64::from_le_bytes(*b"z9hg4bk\0");
    match branch.first_chunk::<8>() {
        Some(start) => ((u64::from_le_bytes(*start) | LETTERS) << 8) == COOKIE << 8,
        // The cookie alone is as good as nothing, but it is one.
        None => branch.eq_ignore_ascii_case(MAGIC_COOKIE.as_bytes()),
    }
}

/// A To tag that is the same for each copy of a request, and that nobody else can make: for answers that leave no transaction
/// (RFC 3261 §8.2.7). See [`Transactions::stateless_tag`](crate::Transactions::stateless_tag).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatelessTag([u8; STATELESS_TAG]);

/// How long it is.
pub(crate) const STATELESS_TAG: usize = 16;

impl StatelessTag {
    fn of(number: u64) -> Self {
        let mut digits = [0; STATELESS_TAG];
        for (place, digit) in digits.iter_mut().enumerate() {
            let four = (number >> (60 - 4 * place)) as u8 & 15;
            *digit = if four < 10 {
                b'0' + four
            } else {
                b'a' - 10 + four
            };
        }
        Self(digits)
    }

    /// Sixteen hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // They are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl RequestIdentity {
    /// None when the request has no Via that can be read.
    pub(crate) fn of(request: &Request, universal: &Universal, key: HashKey) -> Option<Self> {
        let headers = request.headers();
        let mut decoded = None;
        let via = TopVia::of(headers, &mut decoded)?;
        // RFC 3261 §17.2.3: the branch and the sent-by. Branches are compared as they are written.
        let mut identity = Self {
            hash: universal.hash(via.branch, via.sent_by),
            legacy: !has_magic_cookie(via.branch),
        };
        if identity.legacy {
            let mut hash = SipHash::new(key);
            // RFC 3261 §17.2.3, RFC 2543: Request-URI, From tag, Call-ID, CSeq number and top Via. The To tag is left
            // out, because the ACK has one and the INVITE has none; the ACK's is compared with that of the response.
            hash.field(b"RFC 2543");
            hash.field(request.uri_str().as_bytes());
            hash.field(from_tag(headers));
            hash.field(headers.call_id().unwrap_or_default().as_bytes());
            hash.field(scan::cseq(headers).map_or(&[], |(number, _)| number));
            hash.fields(via.branch, via.sent_by);
            identity.hash = hash.finish();
        }
        Some(identity)
    }

    /// That of which this is the key.
    pub(crate) fn of_key(key: MatchKey, method: &Method) -> Self {
        let MatchKey(hash) = key.mix(method_bits(method.as_str().as_bytes()));
        Self {
            hash,
            legacy: false,
        }
    }

    /// The same of the first Via as it is written. `None`: it is not written as nearly everyone writes it, or by an RFC 2543 client.
    pub(crate) fn at_sight(via: &[u8], universal: &Universal) -> Option<Self> {
        let via = TopVia::scan(via).filter(|via| has_magic_cookie(via.branch))?;
        Some(Self {
            hash: universal.hash(via.branch, via.sent_by),
            legacy: false,
        })
    }

    /// A To tag that is the same for each copy of the request, and tells nothing about the hash.
    pub(crate) fn stateless_tag(&self, key: HashKey) -> StatelessTag {
        let [low, high] = self.hash;
        let mut hash = SipHash::new(key);
        hash.field(b"stateless tag");
        hash.word(low);
        hash.word(high);
        StatelessTag::of(hash.finish_64())
    }

    pub(crate) fn with_method(&self, method: &Method) -> MatchKey {
        MatchKey::new(self.hash, method.as_str().as_bytes())
    }
}

impl MatchKey {
    /// The key of a client transaction: the branch, which is ours, and the method. Who cannot foresee our branches
    /// cannot choose one that collides with them, so a fast hash does.
    pub(crate) fn of_branch(branch: &[u8], method: &[u8], key: HashKey) -> Self {
        let [mut low, mut high] = Fold::both(key);
        // All of ours begin so.
        let random = branch.strip_prefix(MAGIC_COOKIE.as_bytes());
        if random.is_none() {
            low.words(1, 1);
        }
        let random = random.unwrap_or(branch);
        low.field(random);
        high.field(random);
        Self::new([low.finish(), high.finish()], method)
    }

    /// RFC 3261 §17.1.3: the branch of the top Via, and the method of the CSeq.
    pub(crate) fn of_response(response: &Response, key: HashKey) -> Option<Self> {
        let mut decoded = None;
        let via = TopVia::of(response.headers(), &mut decoded)?;
        let method = scan::cseq_method(response.headers())?;
        (!via.branch.is_empty()).then(|| Self::of_branch(via.branch, method, key))
    }

    /// The key of the same branch with another method.
    pub(crate) fn change_method(self, from: &Method, to: &Method) -> Self {
        self.mix(method_bits(from.as_str().as_bytes()))
            .mix(method_bits(to.as_str().as_bytes()))
    }

    fn new(hash: [u64; 2], method: &[u8]) -> Self {
        Self(hash).mix(method_bits(method))
    }

    fn mix(self, bits: u64) -> Self {
        let Self([low, high]) = self;
        Self([low ^ bits, high ^ bits])
    }

    /// What an [`Index`](crate::index::Index) finds it by.
    pub(crate) const fn hash(&self) -> u64 {
        let Self([low, _]) = self;
        *low
    }
}

impl MergeKey {
    /// RFC 3261 §8.2.2.2: what two copies of one request share that came here over different paths: From tag, Call-ID
    /// and CSeq. None within a dialog.
    pub(crate) fn of(headers: &Headers, key: HashKey) -> Option<Self> {
        let to = headers.get_bytes(HeaderName::To)?;
        if !scan::tag(to, || headers.to_tag()).is_empty() {
            return None;
        }
        let from_tag = from_tag(headers);
        let call_id = headers.get_bytes(HeaderName::CallId)?;
        // As it is written: who forwards a request does not change it.
        let cseq = headers.get_bytes(HeaderName::CSeq)?;
        if from_tag.is_empty() || call_id.is_empty() || cseq.is_empty() {
            return None;
        }
        let mut hash = Fold::new(key);
        hash.field(from_tag);
        hash.field(call_id);
        hash.field(cseq);
        std::num::NonZeroU64::new(hash.finish()).map(Self)
    }

    /// What an [`Index`](crate::index::Index) finds it by.
    pub(crate) const fn hash(self) -> u64 {
        self.0.get()
    }
}

/// A hash of what a request says whose copies are to be told from others with the same branch: whom it is for, and by its key, which of
/// whose row it is.
pub(crate) fn content(request: &Request, merge_key: MergeKey, key: HashKey) -> u64 {
    let to = request.headers().get_bytes(HeaderName::To);
    let mut hash = Fold::new(key);
    hash.words(merge_key.hash(), 0);
    hash.field(to.unwrap_or_default());
    hash.field(request.uri_str().as_bytes());
    hash.finish()
}

/// A number for the method. The key's own bits are unpredictable, so this needs no secret.
fn method_bits(method: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    // All methods that anybody uses but SUBSCRIBE have four to eight letters, or three.
    let (first, last) = match (method, method.first_chunk::<4>(), method.last_chunk::<4>()) {
        ([a, b, c], _, _) => ([*a, *b, *c, 0], [0; 4]),
        (_, Some(first), Some(last)) if method.len() <= 8 => (*first, *last),
        _ => {
            return method.iter().fold(method.len() as u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(FACTOR)
            });
        }
    };
    let letters = u64::from(u32::from_le_bytes(first)) << 32 | u64::from(u32::from_le_bytes(last));
    (letters ^ method.len() as u64).wrapping_mul(FACTOR)
}

fn from_tag(headers: &Headers) -> &[u8] {
    let value = headers.get_bytes(HeaderName::From).unwrap_or_default();
    scan::tag(value, || headers.from_tag())
}

/// The To tag of a message as a number to compare. Zero for none.
pub(crate) fn tag_hash(tag: Option<&str>, key: HashKey) -> u64 {
    let Some(tag) = tag else { return 0 };
    let mut hash = SipHash::new(key);
    hash.field(tag.as_bytes());
    hash.finish_64().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stateless_tag_is_sixteen_digits() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            assert_eq!(StatelessTag::of(number).as_str(), format!("{number:016x}"));
        }
    }

    #[test]
    fn every_method_has_a_number_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        let others = [
            "A",
            "AB",
            "ABC",
            "ABCD",
            "ABCDE",
            "ABCDEFGH",
            "ABCDEFGHI",
            "ABCDXFGHI",
        ];
        let methods = Method::REGISTERED.iter().map(Method::as_str).chain(others);
        for method in methods {
            assert!(seen.insert(method_bits(method.as_bytes())), "{method}");
        }
    }

    #[test]
    fn rfc3261_8_1_1_7_the_cookie_in_any_case() {
        for (branch, expected) in [
            ("z9hG4bK776asdhds", true),
            ("Z9HG4BK776", true),
            ("z9hg4bk", true),
            ("z9hG4bK1", true),
            ("z9hG4b", false),
            ("y9hG4bK776", false),
            ("z9hG4bJ776", false),
            ("z\u{19}hG4bK776", false),
            ("", false),
        ] {
            assert_eq!(has_magic_cookie(branch.as_bytes()), expected, "{branch:?}");
        }
    }
}
