//! [`PeerIdentity`]: whom a certificate says that its holder is (RFC 5922 §7).

use std::net::IpAddr;

use sip_message::{Host, UriRef};

/// The SIP domains that a verified certificate names (RFC 5922 §7.1).
///
/// Made by the driver from a certificate whose chain of signatures it has verified; what is here is proven.
///
/// ```
/// use sip_transport::PeerIdentity;
/// let identity = PeerIdentity::from_names(["sip:example.com"], ["www.example.com"], []);
/// assert!(identity.proves("Example.COM"));
/// assert!(!identity.proves("www.example.com"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerIdentity {
    domains: Box<[Box<str>]>,
    addresses: Box<[IpAddr]>,
}

impl PeerIdentity {
    /// The identities of a certificate with these alternative names: its URIs, its DNS names, its IP addresses.
    ///
    /// A `sip` URI without a user names a domain; only if there is no such URI do the DNS names count. Names with a
    /// wildcard never do, and neither does the common name of the subject (RFC 5922 §7.1, §7.2).
    #[must_use]
    pub fn from_names<'a>(
        uris: impl IntoIterator<Item = &'a str>,
        dns_names: impl IntoIterator<Item = &'a str>,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let mut domains: Vec<Box<str>> = Vec::new();
        let mut has_sip_uri = false;
        for uri in uris {
            let Some(domain) = sip_domain(uri) else {
                continue;
            };
            has_sip_uri = true;
            if let Some(domain) = domain {
                domains.push(domain);
            }
        }
        // RFC 5922 §7.1: "If and only if the set of SIP domain identities that can be derived from URIs is empty".
        if !has_sip_uri {
            domains.extend(dns_names.into_iter().filter_map(domain));
        }
        domains.dedup();
        Self {
            domains: domains.into(),
            addresses: addresses.into_iter().map(|ip| ip.to_canonical()).collect(),
        }
    }

    /// Is this one of its domains? Compared as RFC 5922 §7.2 says: the whole name, whatever the case, no wildcards, no
    /// subdomains.
    #[must_use]
    pub fn proves(&self, domain: &str) -> bool {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        self.domains
            .iter()
            .any(|own| own.eq_ignore_ascii_case(domain))
    }

    /// Is this one of the addresses in the certificate? RFC 5922 knows domains only; a target that is an address is
    /// compared with the addresses that the certificate names, as other protocols do (RFC 6125 §1.7.2).
    #[must_use]
    pub fn proves_address(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address.to_canonical())
    }

    /// Its domains, in lower case.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(|domain| &**domain)
    }

    /// The addresses in the certificate.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied()
    }
}

/// The domain of a `sip` URI: `Some(None)` if it is one and names none that can be used.
#[expect(
    clippy::option_option,
    reason = "no sip URI, or one with or without a domain"
)]
fn sip_domain(uri: &str) -> Option<Option<Box<str>>> {
    // RFC 5922 §7.1: the scheme is "sip"; a "sips" URI in a certificate means nothing.
    if !uri
        .get(..4)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip:"))
    {
        return None;
    }
    let Ok(uri) = UriRef::parse(uri) else {
        return None;
    };
    // RFC 5922 §7.1: "If the URI contains a userpart, it is not a SIP domain identity".
    if uri.user().is_some() {
        return None;
    }
    Some(match uri.host() {
        Some(Host::Name(name)) => domain(name),
        Some(Host::V4(_) | Host::V6(_)) | None => None,
    })
}

/// A name that can be compared.
fn domain(name: &str) -> Option<Box<str>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    // RFC 5922 §7.2: "Implementations MUST NOT match any form of wildcard".
    (!name.is_empty() && !name.contains('*')).then(|| name.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(uris: &[&str], dns_names: &[&str]) -> Vec<String> {
        let identity =
            PeerIdentity::from_names(uris.iter().copied(), dns_names.iter().copied(), []);
        identity.domains().map(str::to_owned).collect()
    }

    #[test]
    fn rfc5922_7_1_sip_uris_rule_out_dns_names() {
        assert_eq!(
            domains(&["sip:example.com", "SIP:Example.NET"], &["example.org"]),
            ["example.com", "example.net"]
        );
        assert_eq!(
            domains(&[], &["Example.org", "example.com."]),
            ["example.org", "example.com"]
        );
        // Other schemes, and URIs with a user, are no domain identities and rule out nothing.
        assert_eq!(
            domains(
                &[
                    "https://example.net",
                    "sips:example.net",
                    "sip:a@example.net"
                ],
                &["example.org"]
            ),
            ["example.org"]
        );
        // A sip URI is there, so the DNS names do not count, although it names no domain.
        assert_eq!(domains(&["sip:192.0.2.1"], &["example.org"]), [""; 0]);
    }

    #[test]
    fn rfc5922_7_2_no_wildcard_and_no_subdomain_matches() {
        let identity = PeerIdentity::from_names([], ["*.example.com", "example.com"], []);
        assert!(identity.proves("example.com"));
        assert!(identity.proves("EXAMPLE.com."));
        for other in [
            "a.example.com",
            "*.example.com",
            "xample.com",
            "example.co",
            "",
        ] {
            assert!(!identity.proves(other), "{other}");
        }
    }

    #[test]
    fn addresses_prove_addresses_only() {
        let identity = PeerIdentity::from_names([], [], ["192.0.2.1".parse().unwrap()]);
        assert!(identity.proves_address("192.0.2.1".parse().unwrap()));
        assert!(identity.proves_address("::ffff:192.0.2.1".parse().unwrap()));
        assert!(!identity.proves_address("192.0.2.2".parse().unwrap()));
        assert!(!identity.proves("192.0.2.1"));
        assert_eq!(identity.addresses().count(), 1);
    }
}
