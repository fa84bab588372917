//! [`Uri`]: a URI in its own allocation.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use super::{Host, Parts, Scheme, UriError, UriRef};

/// A URI in its own allocation: what outlives the message it came from, or never was in one.
///
/// ```
/// use sip_message::{Host, Uri};
/// let uri = Uri::sip(Some("alice"), Host::Name("example.com"), None).with_param("transport", Some("tcp"));
/// assert_eq!(uri.as_str(), "sip:alice@example.com;transport=tcp");
/// assert_eq!(uri, Uri::parse("sip:alice@EXAMPLE.com;transport=TCP").unwrap());
/// assert_eq!(uri.as_ref().user(), Some("alice"));
/// ```
#[derive(Clone)]
pub struct Uri {
    text: Box<str>,
    parts: Parts,
}

impl Uri {
    /// Parses and copies.
    ///
    /// # Errors
    /// As [`UriRef::parse`].
    pub fn parse(text: &str) -> Result<Self, UriError> {
        UriRef::parse(text).map(Self::from_ref)
    }

    /// `sip:user@host:port`. The user is escaped where it must be; a host name that has characters of no host is
    /// replaced by `invalid`, so that nothing can be smuggled into a message through it.
    #[must_use]
    pub fn sip(user: Option<&str>, host: Host<'_>, port: Option<u16>) -> Self {
        Self::build("sip", user, host, port)
    }

    /// `sips:user@host:port`, as [`sip`](Self::sip).
    #[must_use]
    pub fn sips(user: Option<&str>, host: Host<'_>, port: Option<u16>) -> Self {
        Self::build("sips", user, host, port)
    }

    fn build(scheme: &str, user: Option<&str>, host: Host<'_>, port: Option<u16>) -> Self {
        let mut text = String::from(scheme);
        text.push(':');
        if let Some(user) = user.filter(|user| !user.is_empty()) {
            text.push_str(&super::escape_user(user));
            text.push('@');
        }
        text.push_str(&format!("{host}"));
        if let Some(port) = port {
            text.push_str(&format!(":{port}"));
        }
        Self::checked(text)
    }

    /// The URI, or the reserved name of RFC 2606 when the pieces do not make one.
    fn checked(text: String) -> Self {
        let fallback = "sip:invalid";
        let (text, parts) = match Parts::parse(text.as_bytes()) {
            Ok(parts) => (text.into_boxed_str(), parts),
            Err(_) => (
                Box::from(fallback),
                Parts::parse(fallback.as_bytes()).unwrap_or(Parts::NOTHING),
            ),
        };
        Self { text, parts }
    }

    pub(super) fn from_ref(uri: UriRef<'_>) -> Self {
        Self {
            text: Box::from(uri.text),
            parts: uri.parts,
        }
    }

    /// The borrowed view, which has the accessors.
    #[must_use]
    pub fn as_ref(&self) -> UriRef<'_> {
        UriRef {
            text: &self.text,
            parts: self.parts,
        }
    }

    /// The URI as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Puts a parameter (`None`: a name alone) in place of those of its name, at the end of the parameters. Escapes
    /// what must be. Does nothing for schemes without parameters and for an empty name.
    #[must_use]
    pub fn with_param(self, name: &str, value: Option<&str>) -> Self {
        if !matches!(self.parts.scheme, Scheme::Sip | Scheme::Sips | Scheme::Tel) || name.is_empty()
        {
            return self;
        }
        let uri = self.without_param(name);
        let at = usize::from(uri.parts.params_end);
        let (head, tail) = uri.text.split_at_checked(at).unwrap_or((&uri.text, ""));
        let mut text = String::with_capacity(uri.text.len() + name.len() + 16);
        text.push_str(head);
        text.push(';');
        text.push_str(&super::escape_param(name));
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push('=');
            text.push_str(&super::escape_param(value));
        }
        text.push_str(tail);
        Self::checked(text)
    }

    /// Removes every parameter of this name.
    #[must_use]
    pub fn without_param(self, name: &str) -> Self {
        let uri = self.as_ref();
        if uri.param(name).is_none() {
            return self;
        }
        let mut text = String::with_capacity(self.text.len());
        text.push_str(uri.without_params());
        for (other, value) in uri
            .params()
            .filter(|(other, _)| !other.eq_ignore_ascii_case(name))
        {
            text.push(';');
            text.push_str(other);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        }
        text.push_str(
            self.text
                .get(usize::from(self.parts.params_end)..)
                .unwrap_or_default(),
        );
        Self::checked(text)
    }

    /// Appends a header field to the part after the question mark, escaped.
    #[must_use]
    pub fn with_header(self, name: &str, value: &str) -> Self {
        if !self.as_ref().is_sip() || name.is_empty() {
            return self;
        }
        let mark = if usize::from(self.parts.params_end) == self.text.len() {
            '?'
        } else {
            '&'
        };
        let mut text = String::from(self.text);
        text.push(mark);
        text.push_str(&super::escape_header(name));
        text.push('=');
        text.push_str(&super::escape_header(value));
        Self::checked(text)
    }
}

impl From<UriRef<'_>> for Uri {
    fn from(uri: UriRef<'_>) -> Self {
        Self::from_ref(uri)
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

impl AsRef<str> for Uri {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Uri {
    /// As [`UriRef`]'s.
    fn eq(&self, other: &Self) -> bool {
        Self::as_ref(self) == Self::as_ref(other)
    }
}

impl PartialEq<UriRef<'_>> for Uri {
    fn eq(&self, other: &UriRef<'_>) -> bool {
        Self::as_ref(self) == *other
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}
