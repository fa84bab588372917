//! Policy-ID: the policies that were used (RFC 6794 §4.4.5.1).
//!
//! ```text
//! one of the values = URI, then parameters, among them token = token
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::shape::{display_encoded, params_api};
use crate::header::{NameAddr, TypedHeader};
use crate::headers::Values;
use crate::name::HeaderName;
use crate::param::Params;
use crate::uri::UriRef;

/// One policy that was used: its server, and the token that this gave (RFC 6794 §4.4.5.1).
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyId<'a>(NameAddr<'a>);

impl<'a> PolicyId<'a> {
    /// A URI without parameters.
    #[must_use]
    pub const fn new(uri: UriRef<'a>) -> Self {
        Self(NameAddr::new(uri))
    }

    /// Reads one value. The grammar has no angle brackets; a value with them, which a URI with parameters of its own
    /// needs, is read as well.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let address = NameAddr::parse(text)?;
        if address.display_name().is_some() {
            return Err(HeaderError::new("URI expected", 0));
        }
        Ok(Self(address))
    }

    /// Sets a parameter (`None`: a name alone).
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.0.params_mut().set(name, value);
        self
    }

    /// The URI.
    #[must_use]
    pub const fn uri(&self) -> UriRef<'a> {
        self.0.uri()
    }

    /// The parameters after the URI.
    #[must_use]
    pub const fn params(&self) -> &Params<'a> {
        self.0.params()
    }

    /// The parameters, to change.
    pub const fn params_mut(&mut self) -> &mut Params<'a> {
        self.0.params_mut()
    }
}

params_api! { PolicyId:
    /// What the policy server gave to show that it was asked.
    token token / with_token = "token";
}

impl<'a> TypedHeader<'a> for PolicyId<'a> {
    const NAME: HeaderName = HeaderName::PolicyId;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(crate::header::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let uri = self.uri().as_str();
        // RFC 3261 §20: without brackets, what follows these characters would not belong to the URI.
        if uri.contains([';', ',', '?']) {
            self.0.encode(out);
        } else {
            out.extend_from_slice(uri.as_bytes());
            out.extend_from_slice(self.params().as_str().as_bytes());
        }
    }
}

display_encoded!(PolicyId<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, uri, with_params};

    header_tests! {
        PolicyId<'_>, rfc6794_4_4_5_1_forms: [
            "sip:policy@biloxi.example.com;token=2s7x",
            "<sip:policy@h;transport=tcp>;token=1",
            "<sip:policy@h>" => "sip:policy@h",
        ],
        refused: ["", "\"P\" <sip:h>", ";token=1"],
        built: (target in uri(), more in params()) => with_params!(PolicyId::new(UriRef::parse(&target).unwrap()), more),
    }

    #[test]
    fn rfc6794_4_4_5_1_token() {
        let policy = PolicyId::parse("sip:p@h;token=1").unwrap();
        assert_eq!(
            (policy.uri().as_str(), policy.token()),
            ("sip:p@h", Some("1"))
        );
        assert_eq!(
            PolicyId::new(policy.uri()).with_token("2").to_string(),
            "sip:p@h;token=2"
        );
    }
}
