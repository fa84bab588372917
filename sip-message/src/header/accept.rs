//! Accept: the types that the sender understands (RFC 3261 §20.1).
//!
//! ```text
//! one of the values = type "/" subtype, where "*" stands for any, then parameters, among them q
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::media_type::MediaType;
use crate::header::shape::display_encoded;
use crate::header::{QValue, TypedHeader};
use crate::headers::Values;
use crate::name::HeaderName;
use crate::param::Params;

/// One value of Accept: a media type, `type/*` or `*/*`, with a preference (RFC 3261 §20.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Accept<'a>(MediaType<'a>);

impl<'a> Accept<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// When the text is not a media range, or its q is no preference.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let range = MediaType::parse(text)?;
        if range
            .params
            .get("q")
            .is_some_and(|q| QValue::parse(q).is_none())
        {
            return Err(HeaderError::new("bad q value", 0));
        }
        Ok(Self(range))
    }

    /// A range without preference: `*` stands for any type or subtype.
    #[must_use]
    pub const fn new(kind: &'a str, subtype: &'a str) -> Self {
        Self(MediaType {
            kind,
            subtype,
            params: Params::new(),
        })
    }

    /// Sets the preference.
    #[must_use]
    pub fn with_q(mut self, q: QValue) -> Self {
        self.0.params.set("q", Some(&alloc::format!("{q}")));
        self
    }

    /// Does the range have this type and subtype in it?
    #[must_use]
    pub fn matches(&self, media_type: &str) -> bool {
        media_type.split_once('/').is_some_and(|(kind, subtype)| {
            (self.0.kind == "*" || self.0.kind.eq_ignore_ascii_case(kind))
                && (self.0.subtype == "*" || self.0.subtype.eq_ignore_ascii_case(subtype))
        })
    }

    /// The preference; 1 if none is given.
    #[must_use]
    pub fn q(&self) -> QValue {
        self.0
            .params
            .get("q")
            .and_then(QValue::parse)
            .unwrap_or(QValue::ONE)
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Params<'a> {
        &self.0.params
    }
}

impl<'a> TypedHeader<'a> for Accept<'a> {
    const NAME: HeaderName = HeaderName::Accept;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(crate::header::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

display_encoded!(Accept<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, headers, token};

    header_tests! {
        Accept<'_>, rfc3261_20_1_examples: [
            "application/sdp;level=1",
            "application/x-private",
            "text/html",
            "application/simple-message-summary",
            "*/*;q=0",
        ],
        refused: ["", "text", "a/b;q=2", "a/b;q="],
        built: (kind in token(), subtype in token(), thousandths in 0..=1000_u16) => Accept::new(&kind, &subtype).with_q(QValue::from_thousandths(thousandths).unwrap()),
    }

    #[test]
    fn rfc3261_20_1_ranges() {
        let headers = headers(
            HeaderName::Accept,
            &[
                "application/sdp;level=1, application/x-private;q=0.2, text/*",
                "*/*;q=0",
            ],
        );
        let ranges: Vec<Accept<'_>> = headers.typed_all().collect::<Result<_, _>>().unwrap();
        assert_eq!(ranges.len(), 4);
        assert!(ranges[0].matches("application/SDP") && !ranges[0].matches("text/plain"));
        assert!(ranges[2].matches("text/html") && ranges[3].matches("image/png"));
        assert!(ranges[0].q() > ranges[1].q() && ranges[1].q() > ranges[3].q());
    }
}
