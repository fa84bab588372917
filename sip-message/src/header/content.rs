//! Content-Type and Accept: media types (RFC 3261 §20.15, §20.1).

use alloc::vec::Vec;
use core::fmt;

use super::{QValue, TypedHeader};
use crate::error::HeaderError;
use crate::headers::Values;
use crate::lex::Cursor;
use crate::name::HeaderName;
use crate::param::Params;

/// `type "/" subtype *( ";" parameter )`. Types and parameter names are compared without case.
#[derive(Clone)]
struct MediaType<'a> {
    kind: &'a str,
    subtype: &'a str,
    params: Params<'a>,
}

impl<'a> MediaType<'a> {
    fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(text);
        let kind = cursor.token("media type expected")?;
        if !cursor.eat_separator(b'/') {
            return Err(cursor.error("`/` expected in a media type"));
        }
        let subtype = cursor.token("media subtype expected")?;
        Ok(Self {
            kind,
            subtype,
            params: Params::decode(cursor)?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.kind.as_bytes());
        out.push(b'/');
        out.extend_from_slice(self.subtype.as_bytes());
        out.extend_from_slice(self.params.as_str().as_bytes());
    }

    fn is(&self, media_type: &str) -> bool {
        media_type.split_once('/').is_some_and(|(kind, subtype)| {
            kind.trim().eq_ignore_ascii_case(self.kind)
                && subtype.trim().eq_ignore_ascii_case(self.subtype)
        })
    }
}

impl fmt::Debug for MediaType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

impl PartialEq for MediaType<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.kind.eq_ignore_ascii_case(other.kind)
            && self.subtype.eq_ignore_ascii_case(other.subtype)
            && self.params == other.params
    }
}

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

    /// What a body part without Content-Type is (RFC 2046 §5.1).
    pub(crate) const fn text_plain() -> Self {
        Self(MediaType {
            kind: "text",
            subtype: "plain",
            params: Params::new(),
        })
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

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(super::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

super::display_encoded!(ContentType<'_>);

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

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(super::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

super::display_encoded!(Accept<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{check_reencode, headers};

    #[test]
    fn rfc3261_20_15_content_type() {
        check_reencode!(
            ContentType<'_>,
            [
                ("application/sdp", Some("application/sdp")),
                (
                    "text/html; charset=ISO-8859-4",
                    Some("text/html; charset=ISO-8859-4")
                ),
                (
                    "multipart/mixed ; boundary=\"a b\"",
                    Some("multipart/mixed ; boundary=\"a b\"")
                ),
                ("text / plain", Some("text/plain")),
                ("text", None),
                ("text/", None),
                ("/plain", None),
                ("text/plain; charset", Some("text/plain; charset")),
                ("text/plain x", None),
                ("", None),
            ]
        );
    }

    #[test]
    fn rfc3261_20_1_accept() {
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
