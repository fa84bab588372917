//! Reason: why a request was sent (RFC 3326): `protocol *( ";" param )`, with `cause` and `text`.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::TypedHeader;
use crate::error::HeaderError;
use crate::headers::Values;
use crate::lex::Cursor;
use crate::name::HeaderName;
use crate::param::Params;

/// One reason: a protocol and a cause in its terms.
///
/// ```
/// use sip_message::header::Reason;
/// let reason = Reason::parse("Q.850 ;cause=16 ;text=\"Terminated\"").unwrap();
/// assert_eq!((reason.protocol(), reason.cause()), ("Q.850", Some(16)));
/// assert_eq!(reason.text().as_deref(), Some("Terminated"));
/// assert_eq!(Reason::sip(200, "Call completed elsewhere").to_string(), "SIP;cause=200;text=\"Call completed elsewhere\"");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reason<'a> {
    protocol: &'a str,
    params: Params<'a>,
}

impl<'a> Reason<'a> {
    /// A reason in terms of a protocol.
    #[must_use]
    pub fn new(protocol: &'a str, cause: u16, text: &str) -> Self {
        let params = Params::new().with("cause", Some(&cause.to_string()));
        // A quoted string, even where a token would do: the grammar of reason-text has no token.
        let mut quoted = String::new();
        crate::param::push_quoted(&mut quoted, text);
        let params = if text.is_empty() {
            params
        } else {
            params.with("text", Some(&quoted))
        };
        Self { protocol, params }
    }

    /// A reason that is a SIP status code.
    #[must_use]
    pub fn sip(cause: u16, text: &str) -> Self {
        Self::new("SIP", cause, text)
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(text);
        let protocol = cursor.token("protocol expected in Reason")?;
        Ok(Self {
            protocol,
            params: Params::decode(cursor)?,
        })
    }

    /// The protocol: `SIP`, `Q.850`, ...
    #[must_use]
    pub const fn protocol(&self) -> &'a str {
        self.protocol
    }

    /// The cause in terms of the protocol.
    #[must_use]
    pub fn cause(&self) -> Option<u16> {
        self.params.get("cause")?.parse().ok()
    }

    /// The text for people.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        self.params.unquoted("text")
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Params<'a> {
        &self.params
    }
}

impl<'a> TypedHeader<'a> for Reason<'a> {
    const NAME: HeaderName = HeaderName::Reason;

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(super::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.protocol.as_bytes());
        out.extend_from_slice(self.params.as_str().as_bytes());
    }
}

super::display_encoded!(Reason<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::check_reencode;

    #[test]
    fn rfc3326_2_examples() {
        check_reencode!(
            Reason<'_>,
            [
                (
                    "SIP ;cause=600 ;text=\"Busy Everywhere\"",
                    Some("SIP ;cause=600 ;text=\"Busy Everywhere\"")
                ),
                (
                    "SIP ;cause=580 ;text=\"Precondition Failure\"",
                    Some("SIP ;cause=580 ;text=\"Precondition Failure\"")
                ),
                ("", None),
                (";cause=1", None),
            ]
        );
    }
}
