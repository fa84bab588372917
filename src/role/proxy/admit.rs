//! Request validation (RFC 3261 §16.3).

use std::hash::{BuildHasher as _, Hasher as _};

use sip_message::header::Via;
use sip_message::uri::Scheme;
use sip_message::{HeaderName, Request, StatusCode};
use sip_transaction::Branch;
use sip_transport::KeyedHash;

use crate::role::{Refusal, unknown_options};

/// The steps of §16.3 but the last, which is [`Proxy`](super::Proxy)'s.
pub(super) fn check(request: &Request, loops: &KeyedHash, options: &[&str]) -> Result<(), Refusal> {
    // Steps 1 and 2: what a proxy reads must be readable; the rest is not its business.
    if let Err(error) = request.validate() {
        return Err(unreadable(request, error.reason()));
    }
    // Step 3.
    if request.headers().max_forwards() == Some(0) {
        return Err(Refusal::new(StatusCode::TOO_MANY_HOPS));
    }
    // Step 4, and RFC 5393 §4.2: a Via of ours with the hash of a request that would be forwarded alike.
    let mut hashes = request
        .headers()
        .typed_all::<Via<'_>>()
        .take(if may_be_ours(request) { usize::MAX } else { 0 })
        .filter_map(Result::ok)
        .filter_map(|via| via.branch().and_then(Branch::loop_hash_of));
    // Most requests have no such Via, and then need no hash.
    let mut own = None;
    if hashes.any(|hash| hash == *own.get_or_insert_with(|| loop_hash(request, loops))) {
        return Err(Refusal::new(StatusCode::LOOP_DETECTED));
    }
    // RFC 5393 §5.3.
    if request
        .headers()
        .get(HeaderName::MaxBreadth)
        .is_some_and(|text| text.trim() == "0")
    {
        return Err(Refusal::new(StatusCode::MAX_BREADTH_EXCEEDED));
    }
    // Step 5.
    match unknown_options(request, HeaderName::ProxyRequire, options) {
        Some(unsupported) => {
            Err(Refusal::new(StatusCode::BAD_EXTENSION).with(HeaderName::Unsupported, unsupported))
        }
        None => Ok(()),
    }
}

/// Is there anything like a branch of ours in a Via? Nearly always not, and then no Via has to be decoded.
fn may_be_ours(request: &Request) -> bool {
    request
        .headers()
        .fields()
        .filter(|field| field.is(&HeaderName::Via))
        .any(|field| {
            let value = field.value_bytes();
            memchr::memchr_iter(b'z', value)
                .filter_map(|at| value.get(at..))
                .any(|rest| rest.starts_with(b"z9hG4bKw"))
        })
}

/// Why a request is refused that [`Request::validate`] refuses.
fn unreadable(request: &Request, reason: &'static str) -> Refusal {
    let uri = match request.uri() {
        Ok(uri) => uri,
        Err(error) => return Refusal::because(StatusCode::BAD_REQUEST, error.reason()),
    };
    // Step 2: other schemes than these have no meaning here; those of numbers and services may get one by a rule.
    if matches!(uri.scheme(), Scheme::Other) {
        return Refusal::new(StatusCode::UNSUPPORTED_URI_SCHEME);
    }
    Refusal::because(StatusCode::BAD_REQUEST, reason)
}

/// What decides where a request goes, hashed (RFC 3261 §16.6, step 8; RFC 5393 §4.2.1). A request that comes back with
/// another Request-URI is a spiral and not a loop.
pub(super) fn loop_hash(request: &Request, loops: &KeyedHash) -> u64 {
    let headers = request.headers();
    // In one piece: a hash of many short ones takes twice as long.
    let mut text = Vec::with_capacity(512);
    // What ends a value is in none.
    let mut field = |value: &[u8], end: u8| {
        text.extend_from_slice(value);
        text.push(end);
    };
    field(request.uri_str().as_bytes(), 0);
    for name in [HeaderName::Route, HeaderName::ProxyRequire] {
        if headers.contains(name.clone()) {
            for value in headers.values(name) {
                field(value.as_bytes(), 0);
            }
        }
        field(&[], 1);
    }
    for value in [headers.call_id(), headers.from_tag(), headers.to_tag()] {
        field(value.unwrap_or_default().as_bytes(), 0);
    }
    let number = headers.cseq().map_or(0, |(number, _)| number);
    field(&number.to_le_bytes(), 0);
    let mut hash = loops.build_hasher();
    hash.write(&text);
    hash.finish()
}

/// How many branches the request may have at a time.
pub(super) fn breadth(request: &Request, default: u32) -> u32 {
    let given = request
        .headers()
        .get(HeaderName::MaxBreadth)
        .and_then(|text| text.trim().parse().ok());
    given.unwrap_or(default).clamp(1, default.max(1))
}
