//! Content-Type: the type of the body (RFC 3261 §20.15).
//!
//! ```text
//! value = type "/" subtype, then parameters
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::TypedHeader;
use crate::header::media_type::MediaType;
use crate::header::shape::display_encoded;
use crate::headers::Values;
use crate::name::HeaderName;
use crate::param::Params;

/// The type of the body (RFC 3261 §20.15).
///
/// ```
/// use sip_message::header::ContentType;
/// let kind = ContentType::parse("Application/SDP;charset=utf-8").unwrap();
/// assert!(kind.is("application/sdp"));
/// assert_eq!(kind.params().get("charset"), Some("utf-8"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ContentType<'a>(MediaType<'a>);

impl<'a> ContentType<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// When the text is not a media type.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        MediaType::parse(text).map(Self)
    }

    /// A type and subtype without parameters.
    #[must_use]
    pub const fn new(kind: &'a str, subtype: &'a str) -> Self {
        Self(MediaType {
            kind,
            subtype,
            params: Params::new(),
        })
    }

    /// What a body part without Content-Type is (RFC 2046 §5.1).
    pub(crate) const fn text_plain() -> Self {
        Self::new("text", "plain")
    }

    /// Is it this type and subtype, whatever the parameters?
    #[must_use]
    pub fn is(&self, media_type: &str) -> bool {
        self.0.is(media_type)
    }

    /// The type, as written: `application`.
    #[must_use]
    pub const fn kind(&self) -> &'a str {
        self.0.kind
    }

    /// The subtype, as written: `sdp`.
    #[must_use]
    pub const fn subtype(&self) -> &'a str {
        self.0.subtype
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Params<'a> {
        &self.0.params
    }

    /// Sets a parameter.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.0.params.set(name, value);
        self
    }
}

impl<'a> TypedHeader<'a> for ContentType<'a> {
    const NAME: HeaderName = HeaderName::ContentType;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(crate::header::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

display_encoded!(ContentType<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, token, with_params};

    header_tests! {
        ContentType<'_>, rfc3261_20_15_examples: [
            "application/sdp",
            "text/html; charset=ISO-8859-4",
            "multipart/mixed ; boundary=\"a b\"",
            "text / plain" => "text/plain",
            "message/sipfrag;version=2.0",
            "text/plain; charset",
        ],
        refused: ["text", "text/", "/plain", "text/plain x", ""],
        built: (kind in token(), subtype in token(), more in params()) => with_params!(ContentType::new(&kind, &subtype), more),
    }
}
