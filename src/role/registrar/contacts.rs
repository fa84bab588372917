//! The contacts of a REGISTER, read and written (RFC 3261 §10.3, steps 6 to 8).

use std::time::SystemTime;

use sip_message::header::Contact;
use sip_message::{HeaderName, Request, StatusCode};
use sip_transport::{Flow, SentBy, TransportKind};

use super::RegistrarConfig;
use crate::location::{Binding, Change, ContactUpdate, Q};
use crate::role::Refusal;

/// What a REGISTER wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To know the bindings.
    Query,
    /// To change them.
    Change(Change),
}

/// How many contacts one request may name: no more than would be stored, and as many again that it removes.
const CONTACTS: usize = 2;

/// Reads the contacts, with the time each is bound for.
pub(super) fn read(
    request: &Request,
    flow: &Flow,
    config: &RegistrarConfig,
) -> Result<Wish, Refusal> {
    let headers = request.headers();
    if !headers.contains(HeaderName::Contact) {
        return Ok(Wish::Query);
    }
    let header_expires = headers.get(HeaderName::Expires).map(seconds);
    let path = path(request)?;
    let user_agent: Box<str> = headers
        .get(HeaderName::UserAgent)
        .map(|text| clip(text, 80))
        .unwrap_or_default()
        .into();
    let mut contacts = Vec::new();
    let mut has_star = false;
    for contact in headers.typed_all::<Contact<'_>>() {
        let contact =
            contact.map_err(|error| Refusal::because(StatusCode::BAD_REQUEST, error.reason()))?;
        let Some(address) = contact.address() else {
            has_star = true;
            continue;
        };
        if !address.uri().is_sip() {
            return Err(Refusal::because(
                StatusCode::BAD_REQUEST,
                "Contact Is No SIP URI",
            ));
        }
        // Step 7: the parameter, else the field, else our default.
        let requested = contact
            .expires()
            .or(header_expires)
            .unwrap_or(config.default_expires);
        if requested > 0 && requested < config.min_expires.min(3600) {
            let least = config.min_expires.to_string();
            return Err(
                Refusal::new(StatusCode::INTERVAL_TOO_BRIEF).with(HeaderName::MinExpires, least)
            );
        }
        let mut update =
            ContactUpdate::new(address.uri().as_str(), requested.min(config.max_expires));
        update.q = address
            .params()
            .get("q")
            .and_then(thousandths)
            .map(Q::from_thousandths);
        let mut others = address.params().clone();
        while others.remove("q") || others.remove("expires") {}
        update.parameters = others.as_str().into();
        update.path.clone_from(&path);
        update.user_agent.clone_from(&user_agent);
        if path.is_empty() {
            update.received = received(flow);
        }
        contacts.push(update);
        if contacts.len() > config.max_bindings * CONTACTS {
            return Err(Refusal::because(StatusCode::FORBIDDEN, "Too Many Contacts"));
        }
    }
    // Step 6.
    match (has_star, contacts.is_empty()) {
        (false, false) => Ok(Wish::Change(Change::Contacts(contacts))),
        (false, true) => Ok(Wish::Query),
        (true, true) if header_expires == Some(0) && headers.count(HeaderName::Contact) == 1 => {
            Ok(Wish::Change(Change::RemoveAll))
        }
        (true, true) => Err(Refusal::because(
            StatusCode::BAD_REQUEST,
            "Contact * Needs Expires 0",
        )),
        (true, false) => Err(Refusal::because(
            StatusCode::BAD_REQUEST,
            "Contact * Stands Alone",
        )),
    }
}

/// Where to reach a telephone that only it can open a connection from: without a certificate for its address, or in a
/// browser (RFC 7118 §5). Over UDP and TCP its Contact says where it listens.
fn received(flow: &Flow) -> Option<Box<str>> {
    let secure = match flow.kind {
        TransportKind::Tls | TransportKind::Wss => "sips",
        TransportKind::Ws => "sip",
        _ => return None,
    };
    let transport = flow.kind.uri_param();
    Some(
        format!(
            "{secure}:{};transport={transport}",
            SentBy::from(flow.remote)
        )
        .into(),
    )
}

/// RFC 3327 §5.3: the Path of a client that knows of it; of one that does not, the recommended policy.
fn path(request: &Request) -> Result<Vec<Box<str>>, Refusal> {
    let headers = request.headers();
    if !headers.contains(HeaderName::Path) {
        return Ok(Vec::new());
    }
    let is_known = |name| {
        headers
            .values(name)
            .any(|tag| tag.eq_ignore_ascii_case("path"))
    };
    if !is_known(HeaderName::Supported) && !is_known(HeaderName::Require) {
        return Err(Refusal::new(StatusCode::BAD_EXTENSION).with(HeaderName::Unsupported, "path"));
    }
    let path: Vec<Box<str>> = headers.values(HeaderName::Path).map(Box::from).collect();
    if path.len() > 10 {
        return Err(Refusal::because(StatusCode::BAD_REQUEST, "Path Too Long"));
    }
    Ok(path)
}

/// RFC 3261 §20.19: a malformed value is treated as 3600.
fn seconds(text: &str) -> u32 {
    text.trim().parse().unwrap_or(3600)
}

/// The grammar of `qvalue` (RFC 3261 §25.1), in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// At most so many bytes, of whole characters.
fn clip(text: &str, limit: usize) -> &str {
    let end = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|&end| end <= limit)
        .last()
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// Step 8: a binding as a Contact value.
pub(super) fn write(binding: &Binding, now: SystemTime) -> String {
    let q = binding.q.map(|q| format!(";q={q}")).unwrap_or_default();
    format!(
        "<{}>{};expires={}{q}",
        binding.contact,
        binding.parameters,
        binding.remaining(now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_25_1_qvalue() {
        for (text, expected) in [
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("0.5", Some(500)),
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.025", Some(25)),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
        for text in ["1.1", "2", "0.1234", "-1", "0.x", ""] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }

    #[test]
    fn clipping_keeps_characters_whole() {
        assert_eq!(clip("abc", 80), "abc");
        assert_eq!(clip("aéé", 4), "aé");
    }
}
