//! Event: what is subscribed to (RFC 6665 §8.2.1): `event-type *( ";" param )`, the type with its templates.

use alloc::vec::Vec;

use super::TypedHeader;
use crate::error::HeaderError;
use crate::headers::Values;
use crate::lex::Cursor;
use crate::name::HeaderName;
use crate::param::Params;

/// An event package with its templates, and the id of the subscription.
///
/// ```
/// use sip_message::header::Event;
/// let event = Event::parse("presence.winfo;id=a7").unwrap();
/// assert_eq!((event.package(), event.id()), ("presence.winfo", Some("a7")));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    package: &'a str,
    params: Params<'a>,
}

impl<'a> Event<'a> {
    /// A package without id.
    #[must_use]
    pub const fn new(package: &'a str) -> Self {
        Self {
            package,
            params: Params::new(),
        }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(text);
        let package = cursor.token("event package expected")?;
        Ok(Self {
            package,
            params: Params::decode(cursor)?,
        })
    }

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        self.params.set("id", Some(id));
        self
    }

    /// The package with its templates. It is case-sensitive (RFC 6665 §8.2.1).
    #[must_use]
    pub const fn package(&self) -> &'a str {
        self.package
    }

    /// The id that tells subscriptions to the same package in one dialog apart.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.params.get("id").filter(|id| !id.is_empty())
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Params<'a> {
        &self.params
    }
}

impl<'a> TypedHeader<'a> for Event<'a> {
    const NAME: HeaderName = HeaderName::Event;

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(super::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.package.as_bytes());
        out.extend_from_slice(self.params.as_str().as_bytes());
    }
}

super::display_encoded!(Event<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::check_reencode;

    #[test]
    fn rfc6665_8_2_1_forms() {
        check_reencode!(
            Event<'_>,
            [
                ("refer;id=93809824", Some("refer;id=93809824")),
                ("presence", Some("presence")),
                ("", None),
                ("a b", None),
                (";id=1", None)
            ]
        );
    }
}
