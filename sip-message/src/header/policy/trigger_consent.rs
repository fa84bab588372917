//! Trigger-Consent: where to ask a recipient for consent (RFC 5360 §5.11.2).
//!
//! ```text
//! one of the values = sip or sips URI, then parameters, among them target-uri = quoted string
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::shape::{display_encoded, params_api};
use crate::header::{NameAddr, TypedHeader};
use crate::headers::Values;
use crate::name::HeaderName;
use crate::param::Params;
use crate::uri::UriRef;

/// Where a relay can be told to ask a recipient for consent (RFC 5360 §5.11.2).
#[derive(Clone, Debug, PartialEq)]
pub struct TriggerConsent<'a>(NameAddr<'a>);

impl<'a> TriggerConsent<'a> {
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

params_api! { TriggerConsent:
    /// For what address the consent is missing.
    text target_uri / with_target_uri = "target-uri";
}

impl<'a> TypedHeader<'a> for TriggerConsent<'a> {
    const NAME: HeaderName = HeaderName::TriggerConsent;
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

display_encoded!(TriggerConsent<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, uri, with_params};

    header_tests! {
        TriggerConsent<'_>, rfc5360_5_11_2_example: [
            "sip:123@relay.example.com\r\n ;target-uri=\"sip:friends@relay.example.com\"",
        ],
        refused: ["", "\"x\" <sip:h>"],
        built: (target in uri(), more in params()) => with_params!(TriggerConsent::new(UriRef::parse(&target).unwrap()), more),
    }

    #[test]
    fn rfc5360_5_11_2_target() {
        let ask = TriggerConsent::parse("sip:123@relay.example.com")
            .unwrap()
            .with_target_uri("sip:f@h");
        assert_eq!(
            ask.to_string(),
            "sip:123@relay.example.com;target-uri=\"sip:f@h\""
        );
        assert_eq!(ask.target_uri().as_deref(), Some("sip:f@h"));
    }
}
