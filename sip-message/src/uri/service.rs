//! Service URNs (RFC 5031): `urn:service:sos.fire`.

use super::{Scheme, UriRef};

impl<'a> UriRef<'a> {
    /// The service of a service URN with its sub-services: `sos.fire`. Compare without case (RFC 5031 §3).
    ///
    /// ```
    /// use sip_message::UriRef;
    /// let uri = UriRef::parse("urn:service:sos.fire").unwrap();
    /// assert_eq!(uri.service(), Some("sos.fire"));
    /// assert!(uri.is_emergency_service());
    /// ```
    #[must_use]
    pub fn service(&self) -> Option<&'a str> {
        let (namespace, service) = self.opaque().split_once(':')?;
        (self.scheme() == Scheme::Urn && namespace.eq_ignore_ascii_case("service"))
            .then_some(service)
            .filter(|service| is_service(service))
    }

    /// Is it `urn:service:sos` or one of its sub-services, to which emergency calls go (RFC 5031 §4.1)?
    #[must_use]
    pub fn is_emergency_service(&self) -> bool {
        self.service().is_some_and(|service| {
            let top = service.split_once('.').map_or(service, |(top, _)| top);
            top.eq_ignore_ascii_case("sos")
        })
    }

    /// The service that stands in where nobody offers this one: the same without its last label (RFC 5031 §3). `None` for
    /// what has no sub-service.
    #[must_use]
    pub fn broader_service(&self) -> Option<&'a str> {
        self.service()?.rsplit_once('.').map(|(broader, _)| broader)
    }
}

/// `top-level *( "." sub-service )`: labels of letters, digits and dashes, which dashes neither begin nor end; at most 27
/// characters for the top level (RFC 5031 §3).
fn is_service(text: &str) -> bool {
    text.split('.').enumerate().all(|(i, label)| {
        !label.is_empty()
            && (i > 0 || label.len() <= 27)
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn rfc5031_4_1_and_4_2_registered_services() {
        for sos in [
            "sos",
            "sos.ambulance",
            "sos.animal-control",
            "sos.fire",
            "sos.gas",
            "sos.marine",
            "sos.mountain",
            "sos.physician",
            "sos.poison",
            "sos.police",
        ] {
            let text = format!("urn:service:{sos}");
            let uri = UriRef::parse(&text).unwrap();
            assert_eq!(
                (uri.service(), uri.is_emergency_service()),
                (Some(sos), true)
            );
            // RFC 5031 §3: compared without case, as RFC 3406 says of the namespace.
            let loud = format!("URN:SERVICE:{}", sos.to_ascii_uppercase());
            assert_eq!(uri, UriRef::parse(&loud).unwrap());
        }
        for other in [
            "counseling",
            "counseling.children",
            "counseling.mental-health",
            "counseling.suicide",
        ] {
            let text = format!("urn:service:{other}");
            let uri = UriRef::parse(&text).unwrap();
            assert_eq!(
                (uri.service(), uri.is_emergency_service()),
                (Some(other), false)
            );
            assert_ne!(uri, UriRef::parse("urn:service:sos").unwrap());
        }
    }

    #[test]
    fn rfc5031_3_labels_and_broader_services() {
        let broader = |text| UriRef::parse(text).unwrap().broader_service();
        assert_eq!(broader("urn:service:sos.police.x"), Some("sos.police"));
        assert_eq!(broader("urn:service:sos"), None);
        assert_eq!(
            broader("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            None
        );
        assert_eq!(broader("sip:sos.police"), None);
        for bad in [
            "urn:service:sos.",
            "urn:service:.sos",
            "urn:service:-a",
            "urn:service:a-",
            "urn:service:a_b",
        ] {
            assert_eq!(
                UriRef::parse(bad).ok().and_then(|uri| uri.service()),
                None,
                "{bad}"
            );
        }
        let long = format!("urn:service:{}", "a".repeat(28));
        assert_eq!(UriRef::parse(&long).unwrap().service(), None);
    }
}
