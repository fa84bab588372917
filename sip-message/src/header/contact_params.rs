//! The parameters of Contact that extensions define: features (RFC 3840 §9), GRUUs (RFC 5627 §11, RFC 6140 §7.1), and
//! from where a redirection has its target (RFC 7044 §5). `+sip.instance` and `reg-id` are in the file of Contact.
//!
//! ```text
//! pub-gruu  = quoted URI ; the same for ever
//! temp-gruu = quoted URI ; another one with each registration
//! rc / mp / np = index   ; see History-Info
//! ```
//!
//! What stands in the URI (`gr`, `ob`, `bnc`, `pn-provider`, ...) is a matter of [`UriRef`](crate::UriRef).

use alloc::borrow::Cow;
use alloc::string::String;

use super::routing::history_target;
use super::{Contact, Features, HistoryTarget};
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

    /// In a 3xx response: how this target came from the one with the given index (RFC 7044 §5, §10.4). The star has none.
    #[must_use]
    pub fn history_target(&self) -> Option<HistoryTarget<'_>> {
        history_target(self.address()?.params())
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
    fn rfc7044_5_targets_of_a_redirection() {
        let target = |text| Contact::parse(text).unwrap();
        let mapped = target("<sip:bob@h>;mp=1.1");
        assert_eq!(mapped.history_target(), Some(HistoryTarget::Mapped("1.1")));
        assert_eq!(target("<sip:bob@h>;rc=x").history_target(), None);
        assert_eq!(Contact::Star.history_target(), None);
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
