//! Equality of URIs: RFC 3261 §19.1.4, RFC 3966 §4.

use super::{Scheme, Unescaped, UriRef};
use crate::param::ParamIter;

impl PartialEq for UriRef<'_> {
    /// Equivalence as RFC 3261 §19.1.4 and RFC 3966 §4 define it; it is not transitive. URIs of other schemes are
    /// equal when their scheme is (without case) and the rest is the same text; URNs as RFC 8141 §3.1 says.
    fn eq(&self, other: &Self) -> bool {
        // The same text is the same URI, even where it repeats a parameter that §19.1.1 allows once.
        if self.as_str() == other.as_str() {
            return true;
        }
        // RFC 3261 §19.1.4: a SIP and SIPS URI are never equivalent.
        if self.scheme() != other.scheme() {
            return false;
        }
        match self.scheme() {
            Scheme::Sip | Scheme::Sips => sip(self, other),
            Scheme::Tel => tel(self, other),
            Scheme::Urn => urn(self, other),
            Scheme::Other => {
                self.scheme_str().eq_ignore_ascii_case(other.scheme_str())
                    && self.opaque() == other.opaque()
            }
        }
    }
}

fn sip(a: &UriRef<'_>, b: &UriRef<'_>) -> bool {
    let userinfo = |x: Option<&str>, y: Option<&str>| match (x, y) {
        (None, None) => true,
        (Some(x), Some(y)) => same(x, y, Case::Sensitive),
        _ => false,
    };
    // Parameters and header fields are compared each with each: what has more of them than any user agent sends must not
    // cost a second. Such a URI equals its own text alone.
    let few = |uri: &UriRef<'_>| {
        uri.params().nth(MAX_COMPARED).is_none() && uri.headers().nth(MAX_COMPARED).is_none()
    };
    userinfo(a.user(), b.user())
        && userinfo(a.password(), b.password())
        && match (a.host(), b.host()) {
            (Some(x), Some(y)) => x.is_same(&y),
            _ => false,
        }
        && a.port() == b.port()
        && few(a)
        && few(b)
        && params(a, b)
        && headers(a, b)
}

/// How many parameters, and how many header fields, a URI may have to be compared with others.
const MAX_COMPARED: usize = 64;

/// These never match when only one URI has them.
const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

fn params(a: &UriRef<'_>, b: &UriRef<'_>) -> bool {
    a.params()
        .all(|(name, value)| match find(b.params(), name) {
            Some(other) => match (value, other) {
                (Some(x), Some(y)) => same(x, y, Case::Ignored),
                (x, y) => x == y,
            },
            None => !is_decisive(name),
        })
        && b.params()
            .all(|(name, _)| !is_decisive(name) || find(a.params(), name).is_some())
}

fn is_decisive(name: &str) -> bool {
    DECISIVE
        .iter()
        .any(|decisive| same(decisive, name, Case::Ignored))
}

fn find<'a>(params: ParamIter<'a>, name: &str) -> Option<Option<&'a str>> {
    params
        .into_iter()
        .find(|(other, _)| same(other, name, Case::Ignored))
        .map(|(_, value)| value)
}

fn headers(a: &UriRef<'_>, b: &UriRef<'_>) -> bool {
    // Neither order nor repetition may be lost: every pair of one has its own partner in the other.
    let count = |uri: &UriRef<'_>, name: &str, value: &str| {
        uri.headers()
            .filter(|(n, v)| same(n, name, Case::Ignored) && same(v, value, Case::Ignored))
            .count()
    };
    a.headers().count() == b.headers().count()
        && a.headers()
            .all(|(name, value)| count(a, name, value) == count(b, name, value))
}

/// RFC 3966 §4: visual separators do not count, parameters are compared without order, all must be in both.
fn tel(a: &UriRef<'_>, b: &UriRef<'_>) -> bool {
    digits(a).eq(digits(b))
        && a.params().nth(MAX_COMPARED).is_none()
        && a.params().count() == b.params().count()
        && a.params().all(|(name, value)| {
            find(b.params(), name).is_some_and(|other| match (value, other) {
                (Some(x), Some(y)) => tel_value(name, x, y),
                (x, y) => x == y,
            })
        })
}

fn tel_value(name: &str, a: &str, b: &str) -> bool {
    // A phone-context or ext of digits is compared as a number is.
    let number = ["phone-context", "ext"]
        .iter()
        .any(|n| n.eq_ignore_ascii_case(name));
    if number && !a.bytes().any(|b| b.is_ascii_alphabetic()) {
        return significant(a).eq(significant(b));
    }
    same(a, b, Case::Ignored)
}

fn digits<'a>(uri: &UriRef<'a>) -> impl Iterator<Item = u8> + 'a {
    significant(uri.user().unwrap_or_default())
}

fn significant(number: &str) -> impl Iterator<Item = u8> {
    number
        .bytes()
        .filter(|b| !matches!(b, b'-' | b'.' | b'(' | b')'))
        .map(|b| b.to_ascii_lowercase())
}

/// RFC 8141 §3.1: the namespace without case, the rest exactly but for the digits of escapes. Service and UUID URNs
/// ignore case throughout (RFC 5031 §4.4, RFC 9562 §4).
fn urn(a: &UriRef<'_>, b: &UriRef<'_>) -> bool {
    let (Some((nid_a, nss_a)), Some((nid_b, nss_b))) =
        (a.opaque().split_once(':'), b.opaque().split_once(':'))
    else {
        return false;
    };
    nid_a.eq_ignore_ascii_case(nid_b)
        && if nid_a.eq_ignore_ascii_case("service") || nid_a.eq_ignore_ascii_case("uuid") {
            nss_a.eq_ignore_ascii_case(nss_b)
        } else {
            same(nss_a, nss_b, Case::Sensitive)
        }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Sensitive,
    Ignored,
}

/// RFC 3261 §19.1.4: characters other than those in the reserved set are equivalent to their escapes.
fn same(a: &str, b: &str, case: Case) -> bool {
    let normal = |text| {
        Unescaped(text).map(move |(byte, escaped)| {
            let byte = if case == Case::Ignored {
                byte.to_ascii_lowercase()
            } else {
                byte
            };
            // An escaped reserved character is another thing than the character.
            (byte, escaped && is_reserved(byte))
        })
    };
    normal(a.as_bytes()).eq(normal(b.as_bytes()))
}

/// RFC 2396 §2.2.
const fn is_reserved(byte: u8) -> bool {
    matches!(
        byte,
        b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b','
    )
}
