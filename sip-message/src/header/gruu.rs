//! Globally routable user agent URIs: the parameters that a registrar adds to a Contact (RFC 5627 §11, RFC 6140 §7.1).
//!
//! ```text
//! pub-gruu  = quoted URI ; the same for ever
//! temp-gruu = quoted URI ; another one with each registration
//! ```
//!
//! Their `gr` parameter is one of the URI: [`UriRef::is_gruu`](crate::UriRef::is_gruu).

use alloc::borrow::Cow;
use alloc::string::String;

use super::{Contact, Features};
use crate::param;

impl<'a> Contact<'a> {
    /// The URI that reaches this user agent for ever (RFC 5627 §5.3), as text to be parsed.
    ///
    /// ```
    /// use sip_message::{UriRef, header::Contact};
    /// let contact = Contact::parse("<sip:callee@192.0.2.2>;pub-gruu=\"sip:callee@example.com;gr=urn:uuid:f81d4fae\"").unwrap();
    /// let gruu = contact.pub_gruu().unwrap();
    /// assert!(UriRef::parse(&gruu).unwrap().is_gruu());
    /// ```
    #[must_use]
    pub fn pub_gruu(&self) -> Option<Cow<'_, str>> {
        self.address()?.params().unquoted("pub-gruu")
    }

    /// A URI that reaches this user agent and does not tell who it is (RFC 5627 §5.3), as text to be parsed.
    #[must_use]
    pub fn temp_gruu(&self) -> Option<Cow<'_, str>> {
        self.address()?.params().unquoted("temp-gruu")
    }

    /// Sets the URI that reaches this user agent for ever. The star has no parameters, and stays as it is.
    #[must_use]
    pub fn with_pub_gruu(self, uri: &str) -> Self {
        self.with_quoted("pub-gruu", uri)
    }

    /// Sets the URI that does not tell who the user agent is. The star has no parameters, and stays as it is.
    #[must_use]
    pub fn with_temp_gruu(self, uri: &str) -> Self {
        self.with_quoted("temp-gruu", uri)
    }

    /// The features of the user agent (RFC 3840 §9). The star has none.
    #[must_use]
    pub fn features(&self) -> Features<'_> {
        const NONE: &crate::Params<'static> = &crate::Params::new();
        Features::new(self.address().map_or(NONE, |address| address.params()))
    }

    fn with_quoted(self, name: &str, value: &str) -> Self {
        match self {
            Self::Star => Self::Star,
            Self::Address(address) => {
                let mut quoted = String::with_capacity(value.len() + 2);
                param::push_quoted(&mut quoted, value);
                Self::Address(address.with_param(name, Some(&quoted)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UriRef;
    use alloc::string::ToString;

    #[test]
    fn rfc5627_5_3_gruus_of_a_registration() {
        let text = "<sip:callee@192.0.2.2>\r\n ;pub-gruu=\"sip:callee@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"\r\n \
            ;temp-gruu=\"sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr\"\r\n \
            ;+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"\r\n ;expires=3600";
        let contact = Contact::parse(text).unwrap();
        let public = contact.pub_gruu().unwrap();
        let public = UriRef::parse(&public).unwrap();
        assert_eq!(
            public.gr(),
            Some("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
        );
        let temporary = contact.temp_gruu().unwrap();
        let temporary = UriRef::parse(&temporary).unwrap();
        assert_eq!((temporary.gr(), temporary.is_gruu()), (Some(""), true));
        assert_eq!(
            temporary.user(),
            Some("tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5")
        );
    }

    #[test]
    fn rfc6140_7_1_1_gruu_of_a_bulk_registration() {
        let text = "<sip:198.51.100.3;bnc>;\r\n pub-gruu=\"sip:ssp.example.com;bnc;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6\";\r\n \
            +sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"";
        let contact = Contact::parse(text).unwrap();
        assert!(contact.address().unwrap().uri().is_bulk());
        let gruu = contact.pub_gruu().unwrap();
        let gruu = UriRef::parse(&gruu).unwrap();
        assert!(gruu.is_bulk() && gruu.is_gruu());
    }

    #[test]
    fn gruus_are_written_in_quotes() {
        let contact = Contact::parse("<sip:a@h>")
            .unwrap()
            .with_pub_gruu("sip:b")
            .with_temp_gruu("sip:c");
        assert_eq!(
            contact.to_string(),
            "<sip:a@h>;pub-gruu=\"sip:b\";temp-gruu=\"sip:c\""
        );
        assert!(
            Contact::Star.with_pub_gruu("sip:b").is_star()
                && Contact::Star.features().next().is_none()
        );
    }
}
