//! Notifications that are left out as the subscriber has the state already (RFC 5839).

use sha2::{Digest as _, Sha256};
use sip_message::header::SuppressIfMatch;
use sip_message::{HeaderName, Headers};

use crate::io::Body;
use crate::subscription::Notifier;

/// The entity tag of a state: the same for the same state, whoever subscribes to it (RFC 5839 section 6.1).
pub(super) fn entity_tag(body: Option<&Body>) -> String {
    let mut hash = Sha256::new();
    if let Some(body) = body {
        hash.update(body.content_type.as_bytes());
        hash.update([0]);
        hash.update(&body.content);
    }
    let mut tag = String::with_capacity(24);
    for byte in hash.finalize().iter().take(12) {
        for digit in [byte >> 4, byte & 15] {
            tag.extend(char::from_digit(digit.into(), 16));
        }
    }
    tag
}

/// The condition of a SUBSCRIBE.
pub(super) fn condition(headers: &Headers) -> Option<Box<str>> {
    if !headers.contains(HeaderName::SuppressIfMatch) {
        return None;
    }
    let condition = headers.typed::<SuppressIfMatch<'_>>().ok().flatten()?;
    Some(condition.value().into())
}

/// Whether the condition of a subscription is true of a state; `*` always is.
pub(super) fn holds(notifier: &Notifier, tag: &str) -> bool {
    notifier
        .condition
        .as_deref()
        .is_some_and(|condition| condition == "*" || condition == tag)
}
