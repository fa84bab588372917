//! [`Domains`]: which hosts are ours; [`Aor`]: the canonical address of record.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sip_message::{Host, UriRef};

/// An address of record in the canonical form that indexes bindings (RFC 3261 §10.3, step 5): scheme `sip`, the user
/// with its escapes resolved, and the name of the domain, without port and parameters.
///
/// ```
/// use sip_message::UriRef;
/// use sip_stack::domain::Domains;
/// let domains = Domains::new("example.com");
/// let aor = domains.aor(UriRef::parse("sips:al%69ce@EXAMPLE.COM:5061;transport=tcp").unwrap()).unwrap();
/// assert_eq!(aor.as_str(), "sip:alice@example.com");
/// assert_eq!(aor.user(), "alice");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aor {
    /// Shared: it goes from a role to a store and back, and into events.
    text: Arc<str>,
}

impl Aor {
    /// `sip:user@domain`; the domain in lower case.
    #[must_use]
    pub fn new(user: &str, domain: &str) -> Self {
        let mut short = Short([0; SHORT]);
        let mut rest = short.0.as_mut_slice();
        for part in ["sip:", user, "@"] {
            let Some((place, after)) = rest.split_at_mut_checked(part.len()) else {
                return Self::of_long(user, domain);
            };
            place.copy_from_slice(part.as_bytes());
            rest = after;
        }
        let Some(place) = rest.get_mut(..domain.len()) else {
            return Self::of_long(user, domain);
        };
        place.copy_from_slice(domain.as_bytes());
        place.make_ascii_lowercase();
        let len = "sip:@".len() + user.len() + domain.len();
        // It is made of text, and looked at in steps that end where its place does.
        let looked_at = short.0.get(..len.next_multiple_of(STEP));
        let text = std::str::from_utf8(looked_at.unwrap_or_default()).unwrap_or_default();
        Self {
            text: text.get(..len).unwrap_or_default().into(),
        }
    }

    #[cold]
    fn of_long(user: &str, domain: &str) -> Self {
        let text = ["sip:", user, "@", &domain.to_ascii_lowercase()].concat();
        Self { text: text.into() }
    }

    /// The form that a store wrote. `None` if it is none.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        text.strip_prefix("sip:")?.rsplit_once('@')?;
        Some(Self { text: text.into() })
    }

    /// The whole, which indexes a store. It is a URI only when the user has no characters that need escapes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The user, unescaped.
    #[must_use]
    pub fn user(&self) -> &str {
        self.text
            .rsplit_once('@')
            .map_or("", |(user, _)| user.strip_prefix("sip:").unwrap_or(user))
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.text.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// Nearly every address of record is shorter.
const SHORT: usize = 128;

/// Text is looked at in steps of so many bytes, from where such a step begins.
const STEP: usize = 16;

#[repr(align(16))]
struct Short([u8; SHORT]);

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

/// The one domain that a server is responsible for, under all its names and addresses.
///
/// Every name is an alias of the first: `sip:alice@example.com`, `sip:alice@localhost` and `sip:alice@192.0.2.1:5062`
/// are one address of record, so that a telephone may be set up with whatever reaches the server.
#[derive(Clone, Debug)]
pub struct Domains {
    names: Vec<Box<str>>,
    addresses: Vec<SocketAddr>,
    /// `sip:` and the canonical name, if that is the name of a host: what most requests name the domain by.
    uri: Option<Box<str>>,
}

impl Domains {
    /// A domain whose canonical name, and realm of authentication, is `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut domains = Self {
            names: Vec::new(),
            addresses: Vec::new(),
            uri: None,
        };
        domains.add_name(name);
        let uri = format!("sip:{}", domains.primary());
        let is_name = UriRef::parse(&uri).is_ok_and(
            |uri| matches!(uri.host(), Some(Host::Name(name)) if name == domains.primary()),
        );
        domains.uri = is_name.then(|| uri.into());
        domains
    }

    /// Another name of the domain.
    pub fn add_name(&mut self, name: &str) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if !self.names.iter().any(|known| **known == *name) {
            self.names.push(name.into());
        }
    }

    /// An address and port where this server is reached.
    pub fn add_address(&mut self, address: SocketAddr) {
        if !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }

    /// The canonical name of the domain, which is also its realm.
    #[must_use]
    pub fn primary(&self) -> &str {
        self.names.first().map_or("", |name| name)
    }

    /// All names, the canonical one first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// All addresses, in the order in which they were added.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Does the URI lead to this element? A URI without a port means the default one of its scheme
    /// (RFC 3261 §19.1.2).
    #[must_use]
    pub fn is_ours(&self, uri: UriRef<'_>) -> bool {
        let Some(host) = uri.host() else { return false };
        let port = uri
            .port()
            .unwrap_or_else(|| if uri.is_secure() { 5061 } else { 5060 });
        match host.ip() {
            Some(ip) => self.addresses.contains(&SocketAddr::new(ip, port)),
            None => self.is_name(&host) && (uri.port().is_none() || self.is_port(port)),
        }
    }

    /// Does the URI name a user of this domain, or the domain itself? Other than for [`is_ours`](Self::is_ours) a
    /// missing port is no difference: people leave it out of an address of record.
    #[must_use]
    pub fn serves(&self, uri: UriRef<'_>) -> bool {
        match (uri.host(), uri.port()) {
            (None, _) => false,
            (Some(_), Some(_)) => self.is_ours(uri),
            (Some(host), None) => match host.ip() {
                Some(ip) => self.is_address(ip),
                None => self.is_name(&host),
            },
        }
    }

    /// The address of record that a URI of this domain names; `None` for a URI of another, or one without a user.
    #[must_use]
    pub fn aor(&self, uri: UriRef<'_>) -> Option<Aor> {
        if !self.serves(uri) {
            return None;
        }
        let user = uri.user_unescaped().filter(|user| !user.is_empty())?;
        Some(Aor::new(&user, self.primary()))
    }

    /// [`serves`](Self::serves) for a URI that is not parsed yet; none does not.
    #[must_use]
    pub(crate) fn serves_text(&self, uri: &str) -> bool {
        self.uri.as_deref() == Some(uri) || UriRef::parse(uri).is_ok_and(|uri| self.serves(uri))
    }

    /// [`aor`](Self::aor) of the URI of a name-addr as most are written: `<sip:alice@example.com>`, with our canonical name and a user
    /// without escapes. `None`: it has to be looked at closely.
    #[must_use]
    pub(crate) fn aor_at_sight(&self, name_addr: &str) -> Option<Aor> {
        let domain = self.uri.as_deref()?.strip_prefix("sip:")?;
        let user = name_addr.strip_prefix("<sip:")?;
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'+');
        let len = user.bytes().position(|byte| !is_plain(byte))?;
        let rest = user.get(len..)?.strip_prefix('@')?.strip_prefix(domain)?;
        if len == 0 || !rest.starts_with('>') {
            return None;
        }
        let uri = name_addr.get(1..name_addr.len() - rest.len())?;
        Some(Aor { text: uri.into() })
    }

    fn is_address(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|address| address.ip() == ip)
    }

    fn is_port(&self, port: u16) -> bool {
        matches!(port, 5060 | 5061) || self.addresses.iter().any(|address| address.port() == port)
    }

    fn is_name(&self, host: &Host<'_>) -> bool {
        match host {
            Host::Name(name) => {
                let name = name.trim_end_matches('.');
                // Most write it as it was configured.
                self.names().any(|known| known == name)
                    || self.names().any(|known| name.eq_ignore_ascii_case(known))
                    || name.eq_ignore_ascii_case("localhost")
            }
            Host::V4(_) | Host::V6(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains() -> Domains {
        let mut domains = Domains::new("Example.COM");
        domains.add_name("example.org");
        domains.add_address("192.0.2.1:5062".parse().unwrap());
        domains
    }

    fn uri(text: &str) -> UriRef<'_> {
        UriRef::parse(text).unwrap()
    }

    #[test]
    fn an_address_of_record_of_any_length_is_its_parts() {
        for len in (0..40).chain(100..300) {
            for user in ["a".repeat(len), "\u{e9}".repeat(len)] {
                let aor = Aor::new(&user, "Example.COM");
                assert_eq!(aor.as_str(), format!("sip:{user}@example.com"));
                assert_eq!((aor.user(), aor.domain()), (&*user, "example.com"));
            }
        }
    }

    #[test]
    fn rfc3261_10_3_canonical_aor_has_no_parameters_and_no_escapes() {
        for text in [
            "sip:alice@example.com",
            "sips:alice@example.org",
            "sip:%61lice@EXAMPLE.com;user=phone;transport=udp",
            "sip:alice:secret@localhost",
            "sip:alice@192.0.2.1",
            "sip:alice@192.0.2.1:5062",
        ] {
            assert_eq!(
                domains()
                    .aor(uri(text))
                    .map(|aor| aor.to_string())
                    .as_deref(),
                Some("sip:alice@example.com"),
                "{text}"
            );
        }
        for text in [
            "sip:alice@example.net",
            "sip:example.com",
            "sip:alice@192.0.2.2",
            "sip:alice@192.0.2.1:5060",
            "tel:+1",
        ] {
            assert_eq!(domains().aor(uri(text)), None, "{text}");
        }
    }

    #[test]
    fn rfc3261_19_1_2_the_default_port_counts_when_routing() {
        assert!(domains().is_ours(uri("sip:192.0.2.1:5062")));
        assert!(
            !domains().is_ours(uri("sip:192.0.2.1")),
            "this is port 5060, where another process may listen"
        );
        assert!(domains().is_ours(uri("sip:example.com")));
        assert!(domains().is_ours(uri("sip:example.com:5062")));
        assert!(!domains().is_ours(uri("sip:example.com:5070")));
    }

    #[test]
    fn what_is_seen_at_sight_is_what_a_close_look_finds() {
        let mut numeric = Domains::new("192.0.2.1");
        numeric.add_address("192.0.2.1:5062".parse().unwrap());
        let all = [
            domains(),
            numeric,
            Domains::new("no name"),
            Domains::new(""),
        ];
        for host in [
            "example.com",
            "EXAMPLE.com",
            "example.com.",
            "example.org",
            "192.0.2.1",
            "192.0.2.2",
            "no name",
            "",
        ] {
            for rest in ["", ":5060", ":5062", ";transport=udp", "?a=b", "x"] {
                for user in [
                    "alice", "+1-5.5_0", "%61lice", "al:ice", "al;ice", "a@b", "",
                ] {
                    for scheme in ["sip:", "sips:", "SIP:", "tel:", ""] {
                        let bare = format!("{scheme}{host}{rest}");
                        let whole = format!("{scheme}{user}@{host}{rest}");
                        for domains in &all {
                            for text in [&bare, &whole] {
                                let serves =
                                    UriRef::parse(text).is_ok_and(|uri| domains.serves(uri));
                                assert_eq!(domains.serves_text(text), serves, "{text}");
                            }
                            let aor = UriRef::parse(&whole).ok().and_then(|uri| domains.aor(uri));
                            let seen = domains.aor_at_sight(&format!("<{whole}>;tag=1"));
                            assert!(seen.is_none() || seen == aor, "{whole}");
                            assert_eq!(domains.aor_at_sight(&whole), None, "{whole}");
                        }
                    }
                }
            }
        }
        let seen = domains().aor_at_sight("<sip:alice@example.com>");
        assert_eq!(
            seen.as_ref().map(Aor::as_str),
            Some("sip:alice@example.com")
        );
    }

    #[test]
    fn an_aor_survives_the_store() {
        let aor = Aor::new("a@b", "example.com");
        assert_eq!(Aor::from_stored(aor.as_str()).unwrap().user(), "a@b");
        assert_eq!(Aor::from_stored("alice"), None);
    }
}
