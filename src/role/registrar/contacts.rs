//! The contacts of a REGISTER, read and written (RFC 3261 §10.3, steps 6 to 8).

use std::borrow::Cow;
use std::time::SystemTime;

use sip_message::header::{Contact, NameAddr};
use sip_message::{HeaderName, Request, StatusCode, UriRef, WrittenResponse};
use sip_transport::Flow;
use smallvec::SmallVec;

use super::{Decimal, RegistrarConfig};
use crate::domain::Aor;
use crate::location::{Binding, Change, ContactUpdate, Outbound, Q, Refresh};
use crate::role::{Refusal, nat};

/// What a REGISTER wants, in its own words.
pub(super) enum Wish<'a> {
    /// To know the bindings.
    Query,
    /// To have none.
    RemoveAll,
    /// To change them.
    Change(Contacts<'a>),
}

/// The contacts of a REGISTER, one at least.
pub(super) struct Contacts<'a> {
    contacts: SmallVec<[Named<'a>; 1]>,
    /// Which of the contacts are reached by the flow that the request came over; none behind the last of these.
    by_flow: Vec<bool>,
    path: Vec<Box<str>>,
    user_agent: &'a str,
}

/// What says something of one contact alone.
struct Named<'a> {
    uri: &'a str,
    parameters: Cow<'a, str>,
    q: Option<Q>,
    expires: u32,
    outbound: Option<Outbound>,
}

impl Contacts<'_> {
    /// As a refresh, if that is all that they are: not of an instance, whose parameter begins with a plus, where these have
    /// epochs.
    pub(super) fn refresh<'r>(
        &'r self,
        has_epochs: bool,
        (call_id, cseq): (&'r str, u32),
        limit: usize,
    ) -> Option<Refresh<'r>> {
        let [only] = self.contacts.as_slice() else {
            return None;
        };
        let is_plain = only.expires > 0
            && only.outbound.is_none()
            && !(has_epochs && only.parameters.contains('+'))
            && self.by_flow.is_empty()
            && self.path.is_empty();
        is_plain.then_some(Refresh {
            contact: only.uri,
            parameters: &only.parameters,
            q: only.q,
            expires: only.expires,
            user_agent: self.user_agent,
            call_id,
            cseq,
            limit,
            follows: false,
        })
    }

    /// As a change, and which of its contacts are reached by the flow.
    pub(super) fn into_change(self) -> (Change, Vec<bool>) {
        let (user_agent, mut path) = (self.user_agent, self.path);
        let last = self.contacts.len().saturating_sub(1);
        let contacts = self.contacts.into_iter().enumerate().map(|(place, named)| {
            let mut update = ContactUpdate::new(named.uri, named.expires);
            update.parameters = named.parameters.into();
            update.q = named.q;
            update.outbound = named.outbound;
            update.user_agent = user_agent.into();
            // It is copied for the others only, of which there are nearly never any.
            update.path = if place == last {
                std::mem::take(&mut path)
            } else {
                path.clone()
            };
            update
        });
        (Change::Contacts(contacts.collect()), self.by_flow)
    }
}

/// How many contacts one request may name: no more than would be stored, and as many again that it removes.
const CONTACTS: usize = 2;

/// Reads the contacts, with the time each is bound for.
pub(super) fn read<'a>(
    request: &'a Request,
    flow: &Flow,
    aor: &Aor,
    config: &RegistrarConfig,
) -> Result<Wish<'a>, Refusal> {
    let headers = request.headers();
    if !headers.contains(HeaderName::Contact) {
        return Ok(Wish::Query);
    }
    let header_expires = headers.get(HeaderName::Expires).map(seconds);
    let path = path(request)?;
    let user_agent = headers
        .get(HeaderName::UserAgent)
        .map(|text| clip(text, 80))
        .unwrap_or_default();
    let mut contacts = SmallVec::new();
    // Empty as long as no contact is reached by its flow, which is the usual case.
    let mut by_flow = Vec::new();
    let mut has_star = false;
    for contact in headers.typed_all::<Contact<'_>>() {
        let contact =
            contact.map_err(|error| Refusal::because(StatusCode::BAD_REQUEST, error.reason()))?;
        let Some(address) = contact.address() else {
            has_star = true;
            continue;
        };
        let has_parameters = !address.params().is_empty();
        let is_gruu_wanted =
            has_parameters && config.gruus.is_some() && contact.instance().is_some();
        if is_gruu_wanted {
            check_instance(address.uri(), aor, config)?;
        }
        if !address.uri().is_sip() {
            return Err(Refusal::because(
                StatusCode::BAD_REQUEST,
                "Contact Is No SIP URI",
            ));
        }
        // Step 7: the parameter, else the field, else our default.
        let of_contact = has_parameters.then(|| contact.expires()).flatten();
        let requested = of_contact
            .or(header_expires)
            .unwrap_or(config.default_expires);
        if requested > 0 && requested < config.min_expires.min(3600) {
            let least = config.min_expires.to_string();
            return Err(
                Refusal::new(StatusCode::INTERVAL_TOO_BRIEF).with(HeaderName::MinExpires, least)
            );
        }
        let mut named = Named {
            uri: address.uri().as_str(),
            parameters: Cow::Borrowed(""),
            q: None,
            expires: requested.min(config.max_expires),
            outbound: None,
        };
        if has_parameters {
            named.q = address
                .params()
                .get("q")
                .and_then(thousandths)
                .map(Q::from_thousandths);
            named.parameters = stored_parameters(address);
        }
        let mut is_by_flow = nat::needs_flow(request, flow, address.uri());
        // RFC 5626 §6: a number counts only with an instance, and from a client that supports it.
        if has_parameters
            && let (Some(instance), Some(reg_id)) = (contact.instance(), contact.reg_id())
            && has_option(request, "outbound")
        {
            is_by_flow |= edge(request, &path)?;
            named.outbound = Some(Outbound {
                instance: instance.as_ref().into(),
                reg_id,
            });
        }
        if is_by_flow && named.expires > 0 {
            by_flow.resize(contacts.len(), false);
            by_flow.push(true);
        }
        contacts.push(named);
        if contacts.len() > config.max_bindings * CONTACTS {
            return Err(Refusal::because(StatusCode::FORBIDDEN, "Too Many Contacts"));
        }
    }
    // RFC 5626 §6: a registration of a flow is one of one contact; those that are removed do not count.
    let has_flow = contacts
        .iter()
        .any(|contact: &Named<'_>| contact.outbound.is_some());
    if has_flow
        && contacts
            .iter()
            .filter(|contact| contact.expires > 0)
            .count()
            > 1
    {
        return Err(Refusal::because(
            StatusCode::BAD_REQUEST,
            "A Flow Has One Contact",
        ));
    }
    // Step 6.
    match (has_star, contacts.is_empty()) {
        (false, false) => Ok(Wish::Change(Contacts {
            contacts,
            by_flow,
            path,
            user_agent,
        })),
        (false, true) => Ok(Wish::Query),
        (true, true) if header_expires == Some(0) && headers.count(HeaderName::Contact) == 1 => {
            Ok(Wish::RemoveAll)
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

/// The parameters that a binding keeps.
fn stored_parameters<'a>(address: &NameAddr<'a>) -> Cow<'a, str> {
    let params = address.params();
    // RFC 5627 §5.1: nobody suggests a GRUU to the registrar.
    let others = ["q", "expires", "pub-gruu", "temp-gruu"];
    match params.as_borrowed() {
        Some(text) if !others.iter().any(|name| params.contains(name)) => Cow::Borrowed(text),
        _ => {
            let mut kept = params.clone();
            for name in others {
                while kept.remove(name) {}
            }
            Cow::Owned(kept.as_str().to_owned())
        }
    }
}

/// RFC 5627 §5.1: a contact that leads back here would make a loop.
fn check_instance(uri: UriRef<'_>, aor: &Aor, config: &RegistrarConfig) -> Result<(), Refusal> {
    if !uri.is_sip() {
        return Err(Refusal::because(
            StatusCode::FORBIDDEN,
            "Contact Is No SIP URI",
        ));
    }
    let gruu = config
        .gruus
        .as_ref()
        .and_then(|gruus| gruus.read(uri, &config.domains));
    let is_aor = config.domains.is_ours(uri) && config.domains.aor(uri).as_ref() == Some(aor);
    if is_aor || gruu.is_some_and(|(of, _)| of == *aor) {
        return Err(Refusal::because(
            StatusCode::FORBIDDEN,
            "Contact Is The Address Of Record",
        ));
    }
    Ok(())
}

/// Whether we are the first hop of a client that registers a flow, and keep the flow (RFC 5626 §6).
fn edge(request: &Request, path: &[Box<str>]) -> Result<bool, Refusal> {
    // The proxy nearest to the client wrote the last value.
    let Some(first_hop) = path.last() else {
        if request.headers().values(HeaderName::Via).count() == 1 {
            return Ok(true);
        }
        return Err(Refusal::new(StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT));
    };
    let keeps_flow =
        NameAddr::parse(first_hop).is_ok_and(|address| address.uri().param("ob").is_some());
    if keeps_flow {
        Ok(false)
    } else {
        Err(Refusal::new(StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT))
    }
}

/// Is the option tag in Supported or Require?
pub(super) fn has_option(request: &Request, option: &str) -> bool {
    let headers = request.headers();
    let lists = |name| {
        headers
            .values(name)
            .any(|tag| tag.eq_ignore_ascii_case(option))
    };
    headers.contains(HeaderName::Supported) && lists(HeaderName::Supported)
        || headers.contains(HeaderName::Require) && lists(HeaderName::Require)
}

/// RFC 3327 §5.3: the Path of a client that knows of it; of one that does not, the recommended policy.
fn path(request: &Request) -> Result<Vec<Box<str>>, Refusal> {
    let headers = request.headers();
    if !headers.contains(HeaderName::Path) {
        return Ok(Vec::new());
    }
    if !has_option(request, "path") {
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
    text.parse()
        .or_else(|_| text.trim().parse())
        .unwrap_or(3600)
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
    text.get(..text.floor_char_boundary(limit))
        .unwrap_or_default()
}

/// Step 8: a binding as a Contact, with its GRUUs for who knows of them.
pub(super) fn write(
    response: &mut WrittenResponse,
    binding: &Binding,
    gruus: &str,
    now: SystemTime,
) {
    response.field_with(HeaderName::Contact, |value| {
        value.push(b'<');
        value.extend_from_slice(binding.contact().as_bytes());
        value.push(b'>');
        for more in [binding.parameters(), gruus] {
            if !more.is_empty() {
                value.extend_from_slice(more.as_bytes());
            }
        }
        value.extend_from_slice(b";expires=");
        value.extend_from_slice(Decimal::of(binding.remaining(now)).as_bytes());
        if let Some(q) = binding.q {
            value.extend_from_slice(format!(";q={q}").as_bytes());
        }
    });
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
