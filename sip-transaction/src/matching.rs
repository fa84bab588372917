//! What identifies a transaction: RFC 3261 §17.1.3 for responses, §17.2.3 for requests (RFC 2543 clients included).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use sip_message::{HeaderName, Headers, Method, Request, Response};

use crate::compose::Seen;
use crate::scan::{self, TopVia};
use crate::siphash::{HashKey, SipHash};

/// The cookie by which a branch says that it is unique (RFC 3261 §8.1.1.7).
pub(crate) const MAGIC_COOKIE: &str = "z9hG4bK";

/// A keyed 128-bit hash of what identifies a transaction, mixed with the method.
///
/// The hash key is secret, so nobody can find two requests that collide; see [`SipHash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MatchKey([u32; 4]);

/// A map by [`MatchKey`]. The keys are keyed hashes already: the map takes their bits as they are.
pub(crate) type MatchMap<V> = HashMap<MatchKey, V, BuildHasherDefault<PassThrough>>;

/// A keyed hash of what merged requests share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MergeKey([u32; 2]);

/// A map by [`MergeKey`], as [`MatchMap`].
pub(crate) type MergeMap = HashMap<MergeKey, u32, BuildHasherDefault<PassThrough>>;

/// The hasher of [`MatchMap`].
#[derive(Debug, Default)]
pub(crate) struct PassThrough(u64);

/// What identifies a request before its method is mixed in: INVITE, ACK and CANCEL of one transaction share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestIdentity {
    hash: [u64; 2],
    /// Whether the branch has no magic cookie: an RFC 2543 client.
    pub(crate) legacy: bool,
}

pub(crate) fn has_magic_cookie(branch: &[u8]) -> bool {
    // RFC 3261 §7.3.1: tokens are case-insensitive; some clients write the cookie in one case.
    branch
        .get(..MAGIC_COOKIE.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE.as_bytes()))
}

impl RequestIdentity {
    /// None when the request has no Via that can be read.
    pub(crate) fn of(request: &Request, key: HashKey) -> Option<Self> {
        let headers = request.headers();
        let via = TopVia::of(headers)?;
        let mut hash = SipHash::new(key);
        let legacy = !has_magic_cookie(&via.branch);
        if legacy {
            // RFC 3261 §17.2.3, RFC 2543: Request-URI, From tag, Call-ID, CSeq number and top Via. The To tag is left
            // out, because the ACK has one and the INVITE has none; the ACK's is compared with that of the response.
            hash.field(b"RFC 2543");
            hash.field(request.uri_str().as_bytes());
            hash.field(from_tag(headers));
            hash.field(headers.call_id().unwrap_or_default().as_bytes());
            hash.field(scan::cseq(headers).map_or(&[], |(number, _)| number));
        }
        // RFC 3261 §17.2.3: the branch and the sent-by. Branches are compared as they are written.
        hash.field(&via.branch);
        hash.field_ignoring_case(&via.host);
        hash.field(&via.port);
        Some(Self {
            hash: hash.finish(),
            legacy,
        })
    }

    /// A To tag that is the same for each copy of the request, and tells nothing about the hash.
    pub(crate) fn stateless_tag(&self, key: HashKey) -> String {
        let [low, high] = self.hash;
        let mut hash = SipHash::new(key);
        hash.field(b"stateless tag");
        hash.field(&low.to_be_bytes());
        hash.field(&high.to_be_bytes());
        format!("{:016x}", hash.finish()[0])
    }

    pub(crate) fn with_method(&self, method: &Method) -> MatchKey {
        MatchKey::new(self.hash, method.as_str().as_bytes())
    }
}

impl MatchKey {
    /// The key of a client transaction: the branch, which is ours, and the method.
    pub(crate) fn of_branch(branch: &[u8], method: &[u8], key: HashKey) -> Self {
        let mut hash = SipHash::new(key);
        hash.field(branch);
        Self::new(hash.finish(), method)
    }

    /// RFC 3261 §17.1.3: the branch of the top Via, and the method of the CSeq.
    pub(crate) fn of_response(response: &Response, key: HashKey) -> Option<Self> {
        let via = TopVia::of(response.headers())?;
        let (_, method) = scan::cseq(response.headers())?;
        (!via.branch.is_empty()).then(|| Self::of_branch(&via.branch, method, key))
    }

    /// The key of the same branch with another method.
    pub(crate) fn change_method(self, from: &Method, to: &Method) -> Self {
        let [a, b, c, d] = self.0;
        let [e, f, g, h] = method_bits(from.as_str().as_bytes());
        Self::xor(
            [a ^ e, b ^ f, c ^ g, d ^ h],
            method_bits(to.as_str().as_bytes()),
        )
    }

    fn new([low, high]: [u64; 2], method: &[u8]) -> Self {
        Self::xor(
            [
                low as u32,
                (low >> 32) as u32,
                high as u32,
                (high >> 32) as u32,
            ],
            method_bits(method),
        )
    }

    fn xor([a, b, c, d]: [u32; 4], [e, f, g, h]: [u32; 4]) -> Self {
        Self([a ^ e, b ^ f, c ^ g, d ^ h])
    }
}

/// FNV-1a of the method, spread over the key. The key's own bits are unpredictable, so this needs no secret.
fn method_bits(method: &[u8]) -> [u32; 4] {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in method {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let (low, high) = (hash as u32, (hash >> 32) as u32);
    [low, high, low, high]
}

/// RFC 3261 §8.2.2.2: what two copies of one request share that came here over different paths. None within a dialog.
pub(crate) fn merge_key(request: &Request, seen: &Seen<'_>, key: HashKey) -> Option<MergeKey> {
    let headers = request.headers();
    if !scan::tag(seen.to, || headers.to_tag()).is_empty() {
        return None;
    }
    let from_tag = scan::tag(seen.from, || headers.from_tag());
    if from_tag.is_empty() || seen.call_id.is_empty() || seen.cseq.is_empty() {
        return None;
    }
    let mut hash = SipHash::new(key);
    hash.field(from_tag);
    hash.field(seen.call_id);
    hash.field(seen.cseq);
    let [low, _] = hash.finish();
    Some(MergeKey([low as u32, (low >> 32) as u32]))
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
    hash.finish()[0].max(1)
}

impl Hash for MatchKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, _, _] = self.0;
        state.write_u64(u64::from(a) | (u64::from(b) << 32));
    }
}

impl Hash for MergeKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b] = self.0;
        state.write_u64(u64::from(a) | (u64::from(b) << 32));
    }
}

impl Hasher for PassThrough {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
