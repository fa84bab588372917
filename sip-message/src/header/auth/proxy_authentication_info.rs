//! Proxy-Authentication-Info: what a proxy says after it has authenticated the client (RFC 7615 §4).
//!
//! ```text
//! value = parameters: nextnonce, qop, rspauth, cnonce, nc
//! ```

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::shape::display_encoded;
use crate::header::{AuthParams, TypedHeader};
use crate::headers::Values;
use crate::name::HeaderName;

/// What a proxy says after it has authenticated the client (RFC 7615 §4).
///
/// ```
/// use sip_message::header::{AuthParams, ProxyAuthenticationInfo};
/// let info = ProxyAuthenticationInfo::new(AuthParams::new().with_quoted("nextnonce", "47364c23432d2e131a5fb210812c"));
/// assert_eq!(info.to_string(), "nextnonce=\"47364c23432d2e131a5fb210812c\"");
/// assert_eq!(info.next_nonce().as_deref(), Some("47364c23432d2e131a5fb210812c"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyAuthenticationInfo<'a>(AuthParams<'a>);

impl<'a> ProxyAuthenticationInfo<'a> {
    /// These parameters.
    #[must_use]
    pub const fn new(params: AuthParams<'a>) -> Self {
        Self(params)
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &AuthParams<'a> {
        &self.0
    }

    /// The nonce for the next request (RFC 7616 §3.5).
    #[must_use]
    pub fn next_nonce(&self) -> Option<Cow<'_, str>> {
        self.0.get("nextnonce")
    }

    /// The proof that the other side knows the password as well, in hexadecimal digits (RFC 7616 §3.5).
    #[must_use]
    pub fn response_auth(&self) -> Option<Cow<'_, str>> {
        self.0.get("rspauth")
    }
}

impl<'a> TypedHeader<'a> for ProxyAuthenticationInfo<'a> {
    const NAME: HeaderName = HeaderName::ProxyAuthenticationInfo;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> =
        Some(|value| AuthParams::parse(value).map(Self));

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        AuthParams::parse(crate::header::one(values)?).map(Self)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_str().as_bytes());
    }
}

display_encoded!(ProxyAuthenticationInfo<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, text, token};

    header_tests! {
        ProxyAuthenticationInfo<'_>, rfc3261_20_6_and_rfc7616_3_5_examples: [
            "nextnonce=\"47364c23432d2e131a5fb210812c\"",
            "qop=auth, rspauth=\"6629fae49393a05397450978507c4ef1\", cnonce=\"0a4f113b\", nc=00000001",
        ],
        refused: ["x", "", "a=b c=d"],
        built: (nonce in text(), count in token()) => ProxyAuthenticationInfo::new(AuthParams::new().with_quoted("nextnonce", &nonce).with_token("nc", &count)),
    }
}
