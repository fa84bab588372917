//! URIs: [`UriRef`] borrows, [`Uri`] owns. RFC 3261 §19.1, RFC 3966, RFC 2396.

mod compare;
mod owned;
mod params;
mod parts;
mod service;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use self::owned::Uri;
use self::parts::Parts;
pub(crate) use self::parts::{host_len, ipv6, port};
use crate::param::ParamIter;

/// The scheme of a URI, as far as this crate gives it structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `sip` (RFC 3261 §19.1).
    Sip,
    /// `sips` (RFC 3261 §19.1).
    Sips,
    /// `tel` (RFC 3966).
    Tel,
    /// `urn` (RFC 8141), for service URNs (RFC 5031) and instance ids.
    Urn,
    /// Any other absolute URI, kept opaquely.
    Other,
}

/// A URI borrowed from a message or a text: checked against its grammar, located and `Copy`.
///
/// ```
/// use sip_message::{Host, UriRef};
/// let uri = UriRef::parse("sips:alice:pw@[2001:db8::9]:5070;transport=tcp;lr?subject=x").unwrap();
/// assert!(uri.is_secure());
/// assert_eq!(uri.user(), Some("alice"));
/// assert_eq!(uri.host(), Some(Host::V6("2001:db8::9".parse().unwrap())));
/// assert_eq!(uri.port(), Some(5070));
/// assert_eq!(uri.param("transport"), Some("tcp"));
/// assert_eq!(uri.param("lr"), Some(""));
/// assert_eq!(uri.headers().next(), Some(("subject", "x")));
/// ```
#[derive(Clone, Copy)]
pub struct UriRef<'a> {
    text: &'a str,
    parts: Parts,
}

impl<'a> UriRef<'a> {
    /// Locates the parts of a URI.
    ///
    /// # Errors
    /// When the text is not a URI, or is one of a known scheme whose grammar it does not follow.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        Ok(Self {
            text,
            parts: Parts::parse(text.as_bytes())?,
        })
    }

    /// The sip or sips URI from `from` on in a text and where it ends, if it is one without rare parts.
    #[inline]
    pub(crate) fn at(text: &'a str, from: usize) -> Option<(Self, usize)> {
        let (parts, len) = Parts::usual(text.as_bytes().get(from..)?)?;
        let end = from + len;
        let text = text.get(from..end)?;
        Some((Self { text, parts }, end))
    }

    /// The URI as it is written.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The scheme as a value.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The scheme as it is written, without the colon.
    #[must_use]
    pub fn scheme_str(&self) -> &'a str {
        self.text
            .get(..usize::from(self.parts.colon))
            .unwrap_or_default()
    }

    /// `sip` or `sips`?
    #[must_use]
    pub const fn is_sip(&self) -> bool {
        matches!(self.parts.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// `sips`?
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        matches!(self.parts.scheme, Scheme::Sips)
    }

    /// The user part of a sip or sips URI as written, parameters of a telephone number included; or the number of
    /// a tel URI with its visual separators.
    #[must_use]
    pub fn user(&self) -> Option<&'a str> {
        match self.parts.scheme {
            Scheme::Sip | Scheme::Sips => self
                .parts
                .has_user()
                .then(|| self.part(self.parts.colon + 1, self.parts.user_end)),
            Scheme::Tel => Some(self.part(self.parts.colon + 1, self.parts.host_end)),
            Scheme::Urn | Scheme::Other => None,
        }
    }

    /// The user part with its escapes resolved; escapes that are not UTF-8 stay.
    #[must_use]
    pub fn user_unescaped(&self) -> Option<Cow<'a, str>> {
        self.user().map(unescape)
    }

    /// The password. Sending one is not recommended (RFC 3261 §19.1.1).
    #[must_use]
    pub fn password(&self) -> Option<&'a str> {
        (self.parts.user_end < self.parts.at)
            .then(|| self.part(self.parts.user_end + 1, self.parts.at))
    }

    /// The host of a sip or sips URI.
    #[must_use]
    pub fn host(&self) -> Option<Host<'a>> {
        self.host_str().and_then(Host::located)
    }

    /// The host of a sip or sips URI as written, with the brackets of an IPv6 reference.
    #[must_use]
    pub fn host_str(&self) -> Option<&'a str> {
        self.is_sip()
            .then(|| self.part(self.parts.host_start(), self.parts.host_end))
    }

    /// The port, if one is written.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// What follows the scheme, for schemes without structure here; of a urn the namespace and the specific string.
    #[must_use]
    pub fn opaque(&self) -> &'a str {
        self.text
            .get(usize::from(self.parts.colon) + 1..)
            .unwrap_or_default()
    }

    /// The parameters in order. Names are compared without case.
    #[must_use]
    pub fn params(&self) -> ParamIter<'a> {
        ParamIter::new(self.part(self.parts.port_end, self.parts.params_end))
    }

    /// The value of a parameter as written; `""` if it has none.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a str> {
        if self.parts.port_end == self.parts.params_end {
            return None;
        }
        // No URI has white space or quotes.
        crate::param::plain_value(self.part(self.parts.port_end, self.parts.params_end), name)
    }

    /// Is the `lr` parameter of loose routing there (RFC 3261 §16.12)?
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.param("lr").is_some()
    }

    /// The header fields after the question mark, names and values as written.
    #[must_use]
    pub fn headers(&self) -> UriHeaders<'a> {
        UriHeaders {
            rest: self
                .text
                .get(usize::from(self.parts.params_end)..)
                .unwrap_or_default()
                .get(1..)
                .unwrap_or_default(),
        }
    }

    /// The URI without parameters and header fields: scheme, user information, host and port; the form of an address
    /// of record (RFC 3261 §10.3, step 5) as far as syntax goes.
    #[must_use]
    pub fn without_params(&self) -> &'a str {
        self.text
            .get(..usize::from(self.parts.port_end))
            .unwrap_or_default()
    }

    /// The URI as it may stand in a Request-URI: without header fields and a `method` (RFC 3261 §19.1.1, table 1; §16.6,
    /// step 2). Nearly always it is this text.
    ///
    /// ```
    /// # use sip_message::UriRef;
    /// let contact = UriRef::parse("sip:bob@192.0.2.4;method=INVITE;ob?Subject=x").unwrap();
    /// assert_eq!(contact.request_uri(), "sip:bob@192.0.2.4;ob");
    /// ```
    #[must_use]
    pub fn request_uri(&self) -> Cow<'a, str> {
        let end = usize::from(self.parts.params_end);
        if !matches!(self.parts.scheme, Scheme::Sip | Scheme::Sips) {
            return Cow::Borrowed(self.text);
        }
        let text = self.text.get(..end).unwrap_or_default();
        if self.param("method").is_none() {
            return Cow::Borrowed(text);
        }
        let mut kept = String::with_capacity(text.len());
        kept.push_str(self.without_params());
        let others = self.params();
        for (name, value) in others.filter(|(name, _)| !name.eq_ignore_ascii_case("method")) {
            kept.push(';');
            kept.push_str(name);
            if let Some(value) = value {
                kept.push('=');
                kept.push_str(value);
            }
        }
        Cow::Owned(kept)
    }

    /// Is this a tel URI with a global number (RFC 3966 §5.1.4), or a sip URI whose user is one?
    #[must_use]
    pub fn is_global_number(&self) -> bool {
        self.user().is_some_and(|user| user.starts_with('+'))
    }

    /// The same with the scheme `sips`; `None` for one that is neither `sip` nor `sips`. By it the way of a request is
    /// looked for that is for a SIPS URI, whatever its Route says (RFC 3261 §8.1.2, §16.6, step 7).
    ///
    /// ```
    /// # use sip_message::UriRef;
    /// let proxy = UriRef::parse("sip:proxy.example.com;lr").unwrap();
    /// assert_eq!(proxy.to_sips().unwrap().as_str(), "sips:proxy.example.com;lr");
    /// assert_eq!(UriRef::parse("tel:+15551234").unwrap().to_sips(), None);
    /// ```
    #[must_use]
    pub fn to_sips(&self) -> Option<Uri> {
        if self.is_secure() {
            return Some(self.to_uri());
        }
        let (_, rest) = self.text.split_once(':').filter(|_| self.is_sip())?;
        Uri::parse(&alloc::format!("sips:{rest}")).ok()
    }

    /// The same URI in its own allocation, free of the message.
    #[must_use]
    pub fn to_uri(&self) -> Uri {
        Uri::from_ref(*self)
    }

    fn part(&self, from: u16, to: u16) -> &'a str {
        self.text
            .get(usize::from(from)..usize::from(to))
            .unwrap_or_default()
    }
}

impl fmt::Display for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text)
    }
}

impl fmt::Debug for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text, f)
    }
}

impl AsRef<str> for UriRef<'_> {
    fn as_ref(&self) -> &str {
        self.text
    }
}

/// The `name=value` pairs after the question mark of a URI.
#[derive(Clone, Debug)]
pub struct UriHeaders<'a> {
    rest: &'a str,
}

impl<'a> Iterator for UriHeaders<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (pair, rest) = self.rest.split_once('&').unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(pair.split_once('=').unwrap_or((pair, "")))
    }
}

/// The host of a URI or a Via (RFC 3261 §25.1 `host`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the grammar has these three")]
pub enum Host<'a> {
    /// A domain name, as written. Compare without case.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; brackets are put around it in a message.
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// A host as written in a URI or Via: a name, an IPv4 address, or an IPv6 reference in brackets.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let host = Self::located(text)?;
        let known = match host {
            Self::Name(name) => name.bytes().all(crate::chars::is_host),
            Self::V4(_) | Self::V6(_) => true,
        };
        known.then_some(host)
    }

    /// The same for a text that is known to have only characters of a host if it is a name.
    #[inline]
    pub(crate) fn located(text: &'a str) -> Option<Self> {
        if let Some(v6) = text.strip_prefix('[') {
            return ipv6(v6.strip_suffix(']')?).map(Self::V6);
        }
        let (&first, &last) = (text.as_bytes().first()?, text.as_bytes().last()?);
        // Only an address ends in a digit: the top label of a name starts with a letter.
        if first.is_ascii_digit()
            && last.is_ascii_digit()
            && let Some((v4, len)) = parts::ipv4(text.as_bytes())
            && len == text.len()
        {
            return Some(Self::V4(v4));
        }
        Some(Self::Name(text))
    }

    /// The address, if it is one.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(v4) => Some(IpAddr::V4(*v4)),
            Self::V6(v6) => Some(IpAddr::V6(*v6)),
        }
    }

    /// Do both name the same host: equal addresses, or names that differ in case only?
    #[must_use]
    pub fn is_same(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Self::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a.ip() == b.ip() && a.ip().is_some(),
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(v4) => v4.fmt(f),
            Self::V6(v6) => write!(f, "[{v6}]"),
        }
    }
}

impl From<IpAddr> for Host<'_> {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) => Self::V6(v6),
        }
    }
}

/// Why a text is not a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UriError {
    reason: &'static str,
    offset: u32,
}

impl UriError {
    pub(crate) fn new(reason: &'static str, offset: usize) -> Self {
        Self {
            reason,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
        }
    }

    /// What was wrong.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    /// Where, in bytes from the start of the URI.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset as usize
    }
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {} of the URI)", self.reason, self.offset)
    }
}

impl core::error::Error for UriError {}

/// Resolves `%` HEX HEX. What does not become UTF-8 stays as it is.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let bytes = Unescaped(text.as_bytes());
    for (byte, _) in bytes {
        out.push(byte);
    }
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Escapes every byte that the user part of a sip URI must not have as it is (RFC 3261 §25.1 `user`).
#[must_use]
pub fn escape_user(text: &str) -> Cow<'_, str> {
    escape(text, crate::chars::is_user)
}

/// Escapes every byte that a header value in a URI must not have as it is (RFC 3261 §25.1 `hvalue`).
#[must_use]
pub fn escape_header(text: &str) -> Cow<'_, str> {
    escape(text, |b| {
        crate::chars::is_uri_header(b) && !matches!(b, b'&' | b'=')
    })
}

/// Escapes every byte that a URI parameter must not have as it is (RFC 3261 §25.1 `paramchar`).
#[must_use]
pub fn escape_param(text: &str) -> Cow<'_, str> {
    escape(text, crate::chars::is_uri_param)
}

fn escape(text: &str, class: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if text.bytes().all(&class) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if class(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.extend(
                    char::from_digit(u32::from(digit), 16).map(|digit| digit.to_ascii_uppercase()),
                );
            }
        }
    }
    Cow::Owned(out)
}

/// Bytes with escapes resolved; the flag says that the byte was escaped.
#[derive(Clone)]
struct Unescaped<'a>(&'a [u8]);

impl Iterator for Unescaped<'_> {
    type Item = (u8, bool);

    fn next(&mut self) -> Option<(u8, bool)> {
        let (&byte, rest) = self.0.split_first()?;
        if byte == b'%'
            && let Some(([high, low], after)) = rest.split_first_chunk::<2>()
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            self.0 = after;
            return Some((high << 4 | low, true));
        }
        self.0 = rest;
        Some((byte, false))
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests;
