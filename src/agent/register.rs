//! Registrations: what is asked, what the registrar says, and when to ask again (RFC 3261 section 10.2).

use std::time::Duration;

use sip_message::header::{Contact, Expires, MinExpires};
use sip_message::{HeaderName, Response, Uri};
use sip_transport::Recovery;

/// How to register.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegisterOptions {
    pub(super) expires: u32,
    pub(super) registrar: Option<Uri>,
    pub(super) recovery: Recovery,
}

impl RegisterOptions {
    /// An hour, at the registrar of the account's domain.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            expires: 3600,
            registrar: None,
            recovery: Recovery::new(),
        }
    }

    /// How long the binding is to last, in seconds; the registrar may shorten it.
    #[must_use]
    pub const fn expires(mut self, seconds: u32) -> Self {
        self.expires = seconds;
        self
    }

    /// How long to wait before a registration that failed, or whose flow did, is tried again; the times of RFC 5626 section 4.5
    /// by default.
    #[must_use]
    pub const fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// Another registrar than the host of the address-of-record.
    #[must_use]
    pub fn registrar(mut self, uri: Uri) -> Self {
        self.registrar = Some(uri);
        self
    }
}

impl Default for RegisterOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What a registrar holds for an address-of-record, as of its last answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Registration {
    /// The address-of-record.
    pub aor: Uri,
    /// How long our own binding lasts, in seconds; 0 when there is none.
    pub expires: u32,
    /// All bindings, of our telephone and of others.
    pub bindings: Vec<Binding>,
    /// The public GRUU of this user agent, if it has an [instance](super::Account::instance) and the registrar makes them
    /// (RFC 5627 section 4.2).
    pub gruu: Option<Uri>,
}

/// One binding of a registration.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Binding {
    /// Where the telephone is.
    pub contact: Uri,
    /// For how many seconds more.
    pub expires: u32,
}

impl Registration {
    /// Reads the answer to a REGISTER (RFC 3261 section 10.2.4: the 200 lists all bindings, each with its expires).
    pub(super) fn of(response: &Response, aor: &Uri, own: Option<&Uri>) -> Self {
        let common = response
            .headers()
            .typed::<Expires>()
            .ok()
            .flatten()
            .map(|expires| expires.0);
        let mut bindings = Vec::new();
        let mut gruu = None;
        for contact in response.headers().typed_all::<Contact<'_>>().flatten() {
            let Some(address) = contact.address() else {
                continue;
            };
            // Section 10.2.4: the expires parameter, or the Expires field, or an hour.
            let expires = contact.expires().or(common).unwrap_or(3600);
            if expires > 0 && own.is_some_and(|own| own.as_ref() == address.uri()) {
                gruu = contact.pub_gruu().and_then(|uri| Uri::parse(&uri).ok());
            }
            bindings.push(Binding {
                contact: address.uri().to_uri(),
                expires,
            });
        }
        let expires = bindings
            .iter()
            .find(|binding| own.is_some_and(|own| *own == binding.contact))
            .map_or(0, |binding| binding.expires);
        Self {
            aor: aor.clone(),
            expires,
            bindings,
            gruu,
        }
    }

    /// When to refresh: a tenth before the end, at least five seconds and at most ten minutes before it, never at once.
    pub(super) fn refresh_after(&self) -> Duration {
        let margin = (self.expires / 10).clamp(5, 600);
        Duration::from_secs(u64::from(self.expires.saturating_sub(margin)).max(1))
    }
}

/// What a 423 asks for (RFC 3261 section 10.2.8).
pub(super) fn min_expires(response: &Response) -> Option<u32> {
    response
        .headers()
        .typed::<MinExpires>()
        .ok()
        .flatten()
        .map(|expires| expires.0)
}

/// How long the registrar asks to be left alone (RFC 3261 section 20.33), half an hour at most.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let asked = response
        .headers()
        .get(HeaderName::RetryAfter)?
        .split([' ', ';', '('])
        .next()?
        .parse::<u64>()
        .ok()?;
    Some(Duration::from_secs(asked.clamp(1, 1800)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sip_message::{Message, ParserConfig};

    use super::*;

    fn response(fields: &str) -> Response {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n\
             Call-ID: c\r\nCSeq: 1 REGISTER\r\n{fields}Content-Length: 0\r\n\r\n"
        );
        match Message::parse(Bytes::from(text), &ParserConfig::default()).unwrap() {
            Message::Response(response) => response,
            Message::Request(_) => panic!("a response"),
        }
    }

    #[test]
    fn rfc3261_10_2_4_the_answer_lists_all_bindings() {
        let aor = Uri::parse("sip:a@b").unwrap();
        let own = Uri::parse("sip:a@192.0.2.1:5060").unwrap();
        let answer = response(
            "Contact: <sip:a@192.0.2.1:5060>;expires=100, <sip:a@192.0.2.9>\r\nExpires: 60\r\n",
        );
        let registration = Registration::of(&answer, &aor, Some(&own));
        assert_eq!(registration.expires, 100);
        assert_eq!(registration.bindings[1].expires, 60);
        assert_eq!(registration.refresh_after(), Duration::from_secs(90));
    }

    #[test]
    fn rfc5627_4_2_the_gruu_of_our_own_contact_is_learned() {
        let aor = Uri::parse("sip:a@b").unwrap();
        let own = Uri::parse("sip:a@192.0.2.1:5060").unwrap();
        let answer = response(
            "Contact: <sip:a@192.0.2.9>;expires=9;pub-gruu=\"sip:a@b;gr=other\", \
             <sip:a@192.0.2.1:5060>;expires=100;pub-gruu=\"sip:a@b;gr=urn:uuid:1\"\r\n",
        );
        let registration = Registration::of(&answer, &aor, Some(&own));
        let gruu = registration.gruu.unwrap();
        assert_eq!(gruu.as_str(), "sip:a@b;gr=urn:uuid:1");
        assert!(Registration::of(&answer, &aor, None).gruu.is_none());
    }

    #[test]
    fn rfc3261_20_33_a_registrar_may_ask_to_be_left_alone() {
        let asked = |fields| retry_after(&response(fields)).map(|wait| wait.as_secs());
        assert_eq!(asked("Retry-After: 7 (busy)\r\n"), Some(7));
        assert_eq!(asked("Retry-After: 99999999;duration=1\r\n"), Some(1800));
        assert_eq!(asked("Retry-After: soon\r\n"), None);
        assert_eq!(asked(""), None);
    }
}
