//! The parameters of SIP URIs that extensions define, by name.

use super::UriRef;

impl<'a> UriRef<'a> {
    /// `gr`: what makes the URI one of a single user agent (RFC 5627 §11); `""` where it has no value.
    #[must_use]
    pub fn gr(&self) -> Option<&'a str> {
        self.param("gr")
    }

    /// Does the URI reach one user agent, from anywhere (RFC 5627 §3)?
    #[must_use]
    pub fn is_gruu(&self) -> bool {
        self.gr().is_some()
    }

    /// `ob`: is the flow that the registration came over to be used for requests to this Contact (RFC 5626 §5.4)?
    #[must_use]
    pub fn is_outbound(&self) -> bool {
        self.param("ob").is_some()
    }

    /// `bnc`: does the Contact stand for all numbers of a PBX (RFC 6140 §4)?
    #[must_use]
    pub fn is_bulk(&self) -> bool {
        self.param("bnc").is_some()
    }

    /// `cause`: why the request was retargeted, as a status code (RFC 4458 §2.1).
    #[must_use]
    pub fn cause(&self) -> Option<u16> {
        self.param("cause")?.parse().ok()
    }

    /// `pn-provider`: the push service that wakes the user agent up; `""` asks for what the proxy has (RFC 8599 §14.1).
    ///
    /// ```
    /// use sip_message::UriRef;
    /// let uri = UriRef::parse("sip:alice@alicemobile.example.com;pn-provider=acme;pn-param=acme-param;pn-prid=ZTY4ZDJlMzODE1NmUgKi0K").unwrap();
    /// assert_eq!((uri.pn_provider(), uri.pn_param()), (Some("acme"), Some("acme-param")));
    /// assert_eq!((uri.pn_prid(), uri.pn_purr()), (Some("ZTY4ZDJlMzODE1NmUgKi0K"), None));
    /// ```
    #[must_use]
    pub fn pn_provider(&self) -> Option<&'a str> {
        self.param("pn-provider")
    }

    /// `pn-param`: what the push service needs to know besides (RFC 8599 §14.1).
    #[must_use]
    pub fn pn_param(&self) -> Option<&'a str> {
        self.param("pn-param")
    }

    /// `pn-prid`: the user agent's name at the push service (RFC 8599 §14.1).
    #[must_use]
    pub fn pn_prid(&self) -> Option<&'a str> {
        self.param("pn-prid")
    }

    /// `pn-purr`: the key that finds the push resource for a request in a dialog (RFC 8599 §14.1).
    #[must_use]
    pub fn pn_purr(&self) -> Option<&'a str> {
        self.param("pn-purr")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_extensions_are_found_by_name() {
        let uri =
            UriRef::parse("sip:198.51.100.3;BNC;OB;gr;cause=302;pn-purr=9dc;pn-provider").unwrap();
        assert!(uri.is_bulk() && uri.is_outbound() && uri.is_gruu());
        assert_eq!((uri.gr(), uri.cause()), (Some(""), Some(302)));
        assert_eq!((uri.pn_purr(), uri.pn_provider()), (Some("9dc"), Some("")));
        let plain = UriRef::parse("sip:h").unwrap();
        assert!(!plain.is_bulk() && !plain.is_outbound() && !plain.is_gruu());
        assert_eq!(
            (plain.cause(), plain.pn_prid(), plain.pn_param()),
            (None, None, None)
        );
    }
}
