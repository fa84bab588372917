//! Contact: where a user agent wants to be reached (RFC 3261 §20.10).
//!
//! ```text
//! field = "*" / value, more after commas
//! value = ( [ display name ] "<" URI ">" / URI ), then parameters: q, expires, of RFC 5626 +sip.instance and reg-id
//! ```

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::{NameAddr, QValue, TypedHeader};
use crate::error::HeaderError;
use crate::headers::Values;
use crate::name::HeaderName;

/// One value of Contact.
///
/// ```
/// use sip_message::{HeaderName, Method, Request, header::Contact};
/// let request = Request::builder(Method::Register, "sip:h")
///     .header(HeaderName::Contact, "\"M\" <sip:w@h>;q=0.7;expires=3600, <mailto:w@h>;q=0.1")
///     .build_partial().unwrap();
/// let contacts: Vec<Contact> = request.headers().typed_all().collect::<Result<_, _>>().unwrap();
/// assert_eq!(contacts[0].expires(), Some(3600));
/// assert!(contacts[0].q() > contacts[1].q());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 3261 section 20.10 has these two"
)]
pub enum Contact<'a> {
    /// `*`: every binding, in a REGISTER that removes them (RFC 3261 §10.2.2).
    Star,
    /// An address with its parameters.
    Address(NameAddr<'a>),
}

impl<'a> Contact<'a> {
    /// A contact address.
    #[must_use]
    pub const fn new(address: NameAddr<'a>) -> Self {
        Self::Address(address)
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form, or `q` or `expires` are no numbers.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        if text == "*" {
            return Ok(Self::Star);
        }
        let contact = Self::Address(NameAddr::parse(text)?);
        if contact
            .param("q")
            .is_some_and(|q| QValue::parse(q).is_none())
        {
            return Err(HeaderError::new("bad q value", 0));
        }
        Ok(contact)
    }

    /// The address, unless this is the star.
    #[must_use]
    pub const fn address(&self) -> Option<&NameAddr<'a>> {
        match self {
            Self::Star => None,
            Self::Address(address) => Some(address),
        }
    }

    /// Is this the star?
    #[must_use]
    pub const fn is_star(&self) -> bool {
        matches!(self, Self::Star)
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.address()?.params().get(name)
    }

    /// The relative preference; 1 if none is given (RFC 3261 §10.3, §20.10).
    #[must_use]
    pub fn q(&self) -> QValue {
        self.param("q")
            .and_then(QValue::parse)
            .unwrap_or(QValue::ONE)
    }

    /// The wished or granted life of the binding, in seconds. A value that is no number of 32 bits counts as 3600
    /// (RFC 3261 §20.10).
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.param("expires")
            .map(|text| text.parse().unwrap_or(3600))
    }

    /// `+sip.instance` without quotes and angle brackets: `urn:uuid:...` (RFC 5626 §4.1).
    #[must_use]
    pub fn instance(&self) -> Option<Cow<'_, str>> {
        let value = self.address()?.params().unquoted("+sip.instance")?;
        let trim = |text: &str| {
            text.strip_prefix('<')
                .and_then(|t| t.strip_suffix('>'))
                .map(str::len)
        };
        match (trim(&value), value) {
            (Some(_), Cow::Borrowed(text)) => text.get(1..text.len() - 1).map(Cow::Borrowed),
            (Some(_), Cow::Owned(text)) => text
                .get(1..text.len() - 1)
                .map(|text| Cow::Owned(text.into())),
            (None, value) => Some(value),
        }
    }

    /// `reg-id` (RFC 5626 §4.2), which counts from 1 and stays below 2^31 (RFC 5626 §10).
    #[must_use]
    pub fn reg_id(&self) -> Option<u32> {
        self.param("reg-id")?
            .parse()
            .ok()
            .filter(|id| (1..1 << 31).contains(id))
    }
}

impl<'a> TypedHeader<'a> for Contact<'a> {
    const NAME: HeaderName = HeaderName::Contact;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);
    const REFUSES_LISTS: bool = true;

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(super::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Star => out.push(b'*'),
            Self::Address(address) => address.encode(out),
        }
    }
}

super::display_encoded!(Contact<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, check_reencode, header_tests, params, text, uri};

    #[test]
    fn rfc3261_20_10_forms() {
        check_reencode!(
            Contact<'_>,
            [
                ("*", Some("*")),
                (
                    "\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7; expires=3600",
                    Some(
                        "\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7; expires=3600"
                    )
                ),
                (
                    "<sips:bob@192.0.2.4>;expires=60",
                    Some("<sips:bob@192.0.2.4>;expires=60")
                ),
                ("<sip:b@h>;q=2", None),
                ("* ;q=1", None),
                ("**", None),
            ]
        );
    }

    #[test]
    fn rfc5626_4_1_instance_and_reg_id() {
        let text = "<sip:line1@192.0.2.2;ob>;reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\"";
        let contact = Contact::parse(text).unwrap();
        assert_eq!(
            contact.instance().as_deref(),
            Some("urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF")
        );
        assert_eq!(contact.reg_id(), Some(1));
        for (text, id) in [
            ("<sip:h>;reg-id=0", None),
            ("<sip:h>;reg-id=2147483647", Some(2_147_483_647)),
            ("<sip:h>;reg-id=2147483648", None),
        ] {
            assert_eq!(Contact::parse(text).unwrap().reg_id(), id, "{text}");
        }
    }

    #[test]
    fn rfc3261_20_10_bad_expires_is_3600() {
        assert_eq!(
            Contact::parse("<sip:h>;expires=9999999999")
                .unwrap()
                .expires(),
            Some(3600)
        );
        assert_eq!(Contact::parse("<sip:h>").unwrap().expires(), None);
    }

    header_tests! {
        Contact<'_>, rfc3261_20_10_examples: [
            "\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7; expires=3600",
            "\"Mr. Watson\" <mailto:watson@bell-telephone.com> ;q=0.1",
            "<sips:bob@192.0.2.4>;expires=60",
            "*",
        ],
        refused: ["", "* ;q=1", "<sip:b@h>;q=2"],
        built: (target in uri(), display in text(), more in params()) => Contact::new(address(&target, &display, &more)),
    }
}
