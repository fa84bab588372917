//! Who is calling, and for whom: asserted identities, privacy, retargeting history, signatures.

use alloc::borrow::Cow;

use super::valued::{params_header, valued_header};
use super::{NameAddr, newtype_header};

newtype_header! {
    /// One identity that a trusted proxy vouches for (RFC 3325 §9.1).
    PAssertedIdentity(NameAddr) = PAssertedIdentity
}

newtype_header! {
    /// The identity that the user wishes to be asserted (RFC 3325 §9.2).
    PPreferredIdentity(NameAddr) = PPreferredIdentity
}

newtype_header! {
    /// One retargeting that the request went through (RFC 7044 §5).
    HistoryInfo(NameAddr) = HistoryInfo
}

impl HistoryInfo<'_> {
    /// The place in the tree of retargetings: `1.1.2`.
    #[must_use]
    pub fn index(&self) -> Option<&str> {
        self.params().get("index").filter(|index| !index.is_empty())
    }
}

newtype_header! {
    /// One diversion of the call (RFC 5806 §10).
    Diversion(NameAddr) = Diversion
}

impl Diversion<'_> {
    /// Why it was diverted: `user-busy`, `no-answer`, ...
    #[must_use]
    pub fn reason(&self) -> Option<Cow<'_, str>> {
        self.params().unquoted("reason")
    }

    /// How many diversions this one stands for; 1 if it is not said (RFC 5806 §10.2).
    #[must_use]
    pub fn counter(&self) -> u32 {
        self.params()
            .get("counter")
            .and_then(|text| text.parse().ok())
            .unwrap_or(1)
    }
}

newtype_header! {
    /// One URI that the registrar knows for the address of record (RFC 7315 §4.1).
    PAssociatedUri(NameAddr) = PAssociatedUri
}

newtype_header! {
    /// The address the request was for before it was retargeted to a contact (RFC 7315 §4.2).
    PCalledPartyId(NameAddr) = PCalledPartyId
}

newtype_header! {
    /// The user who is served, with session case and registration state (RFC 5502 §6).
    PServedUser(NameAddr) = PServedUser
}

newtype_header! {
    /// The key of the profile in the subscriber database (RFC 5002 §5).
    PProfileKey(NameAddr) = PProfileKey
}

newtype_header! {
    /// The database that has the user's data, a Diameter URI (RFC 4457 §4).
    PUserDatabase(NameAddr) = PUserDatabase
}

newtype_header! {
    /// Who is charged (RFC 8496 §4).
    PChargeInfo(NameAddr) = PChargeInfo
}

newtype_header! {
    /// One list of URIs that the sender cannot resolve (RFC 5318 §4).
    PRefusedUriList(NameAddr) = PRefusedUriList
}

newtype_header! {
    /// Whom a call is traced to (RFC 5503 §5.1).
    PDcsTracePartyId(NameAddr) = PDcsTracePartyId
}

newtype_header! {
    /// One identity of the caller in the form that came before RFC 3325, which many devices still send.
    RemotePartyId(NameAddr) = RemotePartyId
}

newtype_header! {
    /// One more identity of the user (3GPP TS 24.229 §7.2.20).
    AdditionalIdentity(NameAddr) = AdditionalIdentity
}

newtype_header! {
    /// Where the certificate of an RFC 4474 signature is.
    IdentityInfo(NameAddr) = IdentityInfo
}

valued_header! {
    /// One signature over the request: a PASSporT with its certificate's address (RFC 8224 §4).
    ///
    /// ```
    /// use sip_message::header::Identity;
    /// let identity = Identity::parse("eyJh..sv5CNp;info=<https://biloxi.example.org/b.cer>;alg=ES256;ppt=shaken").unwrap();
    /// assert_eq!(identity.info(), Some("https://biloxi.example.org/b.cer"));
    /// assert_eq!(identity.params().get("ppt"), Some("shaken"));
    /// ```
    Identity, UriOrQuoted
}

impl Identity<'_> {
    /// Where the certificate is.
    #[must_use]
    pub fn info(&self) -> Option<&str> {
        self.params()
            .get("info")?
            .strip_prefix('<')?
            .strip_suffix('>')
    }
}

params_header! {
    /// What to hide, and how badly: `id`, `header`, `session`, `user`, `none`, `critical` (RFC 3323 §4.2).
    ///
    /// ```
    /// use sip_message::header::Privacy;
    /// assert!(Privacy::parse("id;header").unwrap().params().contains("id"));
    /// ```
    Privacy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::check_reencode;

    #[test]
    fn rfc3325_9_forms() {
        check_reencode!(
            PAssertedIdentity<'_>,
            [
                (
                    "\"Cullen Jennings\" <sip:fluffy@cisco.com>",
                    Some("\"Cullen Jennings\" <sip:fluffy@cisco.com>")
                ),
                ("tel:+14085264000", Some("<tel:+14085264000>")),
                ("", None)
            ]
        );
        check_reencode!(
            Privacy<'_>,
            [
                ("id", Some("id")),
                ("header;session; user", Some("header;session; user")),
                ("", None),
                ("id;", None)
            ]
        );
    }

    #[test]
    fn rfc7044_5_and_rfc5806_10_forms() {
        let text = "<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1";
        check_reencode!(HistoryInfo<'_>, [(text, Some(text))]);
        let value = NameAddr::parse(text).unwrap();
        assert_eq!(HistoryInfo::new(value).index(), Some("1.1"));
        let text = "<sip:carol@example.com>;reason=\"user-busy\";counter=2";
        let diversion = Diversion::new(NameAddr::parse(text).unwrap());
        assert_eq!(
            (diversion.reason().as_deref(), diversion.counter()),
            (Some("user-busy"), 2)
        );
    }

    #[test]
    fn rfc8224_4_and_rfc4474_9_forms() {
        let text = "a.b-c_;info=<https://e/c;x>;alg=ES256";
        check_reencode!(
            Identity<'_>,
            [
                (text, Some(text)),
                ("\"CyI4+nAkHrH3==\"", Some("\"CyI4+nAkHrH3==\"")),
                (";info=<x>", None),
                ("a;info=<x", None)
            ]
        );
        assert_eq!(
            Identity::parse(text).unwrap().params().get("alg"),
            Some("ES256")
        );
        check_reencode!(
            IdentityInfo<'_>,
            [(
                "<https://e/c.cer>;alg=rsa-sha1",
                Some("<https://e/c.cer>;alg=rsa-sha1")
            )]
        );
    }
}
