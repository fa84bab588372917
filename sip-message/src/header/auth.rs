//! Authentication: WWW-Authenticate, Proxy-Authenticate, Authorization, Proxy-Authorization.
//!
//! RFC 3261 §20.44, §20.27, §20.7, §20.28, §22.4; RFC 7616, RFC 8760: a scheme, then `name=value` parameters separated
//! by commas. Each field holds one challenge or one set of credentials (RFC 3261 §7.3.1).

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use super::newtype_header;
use crate::chars;
use crate::error::HeaderError;
use crate::lex::Cursor;
use crate::param;

/// The comma-separated `name=value` parameters of a challenge or of credentials.
#[derive(Clone, Default)]
pub struct AuthParams<'a> {
    raw: Cow<'a, str>,
}

impl<'a> AuthParams<'a> {
    /// Reads the text of a header without a scheme.
    pub(crate) fn parse(text: &'a str) -> Result<Self, HeaderError> {
        Self::decode(Cursor::new(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.raw
    }

    /// Everything from the cursor on. Empty elements are passed over.
    fn decode(mut cursor: Cursor<'a>) -> Result<Self, HeaderError> {
        cursor.skip_lws();
        let raw = cursor.rest();
        while !cursor.is_end() {
            if cursor.eat_separator(b',') {
                continue;
            }
            cursor.token("authentication parameter expected")?;
            if !cursor.eat_separator(b'=') {
                return Err(cursor.error("`=` expected in an authentication parameter"));
            }
            if cursor.peek() == Some(b'"') {
                cursor.quoted()?;
            } else if cursor.take_while(is_value).is_empty() {
                return Err(cursor.error("authentication parameter without value"));
            }
            cursor.skip_lws();
            if !cursor.is_end() && cursor.peek() != Some(b',') {
                return Err(cursor.error("comma expected between authentication parameters"));
            }
        }
        Ok(Self {
            raw: Cow::Borrowed(crate::lex::trim(raw)),
        })
    }

    /// The parameters in order, values as written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut cursor = Cursor::new(&self.raw);
        core::iter::from_fn(move || {
            while cursor.eat_separator(b',') {}
            cursor.skip_lws();
            let name = cursor.take_while(chars::is_token);
            if name.is_empty() || !cursor.eat_separator(b'=') {
                return None;
            }
            let value = if cursor.peek() == Some(b'"') {
                cursor.quoted().ok()?
            } else {
                cursor.take_while(is_value)
            };
            Some((name, value))
        })
    }

    /// The value of the first parameter of this name, without quotes and escapes. Names are compared without case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.raw(name).map(param::unquote)
    }

    /// The value of the first parameter of this name, as written.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn push(&mut self, name: &str, value: &str, quoted: bool) {
        if !chars::all_token(name.as_bytes()) {
            return;
        }
        let raw = self.raw.to_mut();
        if !raw.is_empty() {
            raw.push_str(", ");
        }
        raw.push_str(name);
        raw.push('=');
        if quoted || value.is_empty() || !value.bytes().all(is_value) {
            param::push_quoted(raw, value);
        } else {
            raw.push_str(value);
        }
    }
}

/// Unquoted values are tokens; some peers leave out the quotes around base64 and URIs, whose other characters cannot
/// be mistaken for anything else.
const fn is_value(byte: u8) -> bool {
    chars::is_token(byte) || matches!(byte, b'/' | b'=' | b':' | b'@')
}

impl fmt::Debug for AuthParams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for AuthParams<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

macro_rules! auth_value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<'a> {
            scheme: Cow<'a, str>,
            params: AuthParams<'a>,
        }

        impl<'a> $name<'a> {
            /// A scheme without parameters.
            #[must_use]
            pub fn new(scheme: &'a str) -> Self {
                Self { scheme: Cow::Borrowed(scheme), params: AuthParams::default() }
            }

            /// Reads one value.
            ///
            /// # Errors
            /// When the text does not have the form.
            pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
                let mut cursor = Cursor::new(text);
                let scheme = cursor.token("authentication scheme expected")?;
                if !cursor.peek().is_some_and(chars::is_lws) {
                    return Err(cursor.error("authentication parameters expected"));
                }
                Ok(Self { scheme: Cow::Borrowed(scheme), params: AuthParams::decode(cursor)? })
            }

            /// Adds a parameter whose value is written as a quoted string.
            #[must_use]
            pub fn with_quoted(mut self, name: &str, value: &str) -> Self {
                self.params.push(name, value, true);
                self
            }

            /// Adds a parameter whose value is written without quotes, if it can be.
            #[must_use]
            pub fn with_token(mut self, name: &str, value: &str) -> Self {
                self.params.push(name, value, false);
                self
            }

            /// The scheme: `Digest`, `Bearer`, ... Compare without case.
            #[must_use]
            pub fn scheme(&self) -> &str {
                &self.scheme
            }

            /// Is the scheme Digest?
            #[must_use]
            pub fn is_digest(&self) -> bool {
                self.scheme.eq_ignore_ascii_case("Digest")
            }

            /// The parameters.
            #[must_use]
            pub const fn params(&self) -> &AuthParams<'a> {
                &self.params
            }

            /// The value of a parameter without quotes and escapes.
            #[must_use]
            pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
                self.params.get(name)
            }

            /// The protection space.
            #[must_use]
            pub fn realm(&self) -> Option<Cow<'_, str>> {
                self.param("realm")
            }

            /// The server's nonce.
            #[must_use]
            pub fn nonce(&self) -> Option<Cow<'_, str>> {
                self.param("nonce")
            }

            /// What is returned unchanged.
            #[must_use]
            pub fn opaque(&self) -> Option<Cow<'_, str>> {
                self.param("opaque")
            }

            /// The algorithm as written; absent means MD5 (RFC 7616 §3.3).
            #[must_use]
            pub fn algorithm(&self) -> Option<Cow<'_, str>> {
                self.param("algorithm")
            }

            /// The quality of protection: a list in a challenge, one word in credentials.
            #[must_use]
            pub fn qop(&self) -> Option<Cow<'_, str>> {
                self.param("qop")
            }

            pub(crate) fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.scheme.as_bytes());
                out.push(b' ');
                out.extend_from_slice(self.params.raw.as_bytes());
            }
        }

        impl PartialEq for $name<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.scheme.eq_ignore_ascii_case(&other.scheme) && self.params == other.params
            }
        }

        super::display_encoded!($name<'_>);
    };
}

auth_value! {
    /// What a server asks for (RFC 3261 §20.44, RFC 7616 §3.3).
    ///
    /// ```
    /// use sip_message::header::Challenge;
    /// let challenge = Challenge::new("Digest").with_quoted("realm", "atlanta.com").with_token("algorithm", "SHA-256");
    /// assert_eq!(challenge.to_string(), "Digest realm=\"atlanta.com\", algorithm=SHA-256");
    /// assert_eq!(challenge.realm().as_deref(), Some("atlanta.com"));
    /// ```
    Challenge
}

auth_value! {
    /// What a client answers (RFC 3261 §20.7, RFC 7616 §3.4).
    Credentials
}

impl Challenge<'_> {
    /// Was the nonce of the last request good once, and only too old?
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.param("stale")
            .is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
    }
}

impl Credentials<'_> {
    /// The user name.
    #[must_use]
    pub fn username(&self) -> Option<Cow<'_, str>> {
        self.param("username")
    }

    /// The URI that was hashed.
    #[must_use]
    pub fn uri(&self) -> Option<Cow<'_, str>> {
        self.param("uri")
    }

    /// The digest, in hexadecimal digits.
    #[must_use]
    pub fn response(&self) -> Option<Cow<'_, str>> {
        self.param("response")
    }

    /// The client's nonce.
    #[must_use]
    pub fn cnonce(&self) -> Option<Cow<'_, str>> {
        self.param("cnonce")
    }

    /// The nonce count: how often the nonce was used, from eight hexadecimal digits (RFC 7616 §3.4).
    #[must_use]
    pub fn nonce_count(&self) -> Option<u32> {
        let digits = self.param("nc")?;
        (digits.len() == 8)
            .then(|| u32::from_str_radix(&digits, 16).ok())
            .flatten()
    }
}

newtype_header! {
    /// One challenge of a user agent server or registrar (RFC 3261 §20.44).
    WwwAuthenticate(Challenge) = WwwAuthenticate
}

newtype_header! {
    /// One challenge of a proxy (RFC 3261 §20.27).
    ProxyAuthenticate(Challenge) = ProxyAuthenticate
}

newtype_header! {
    /// Credentials for a user agent server or registrar (RFC 3261 §20.7).
    Authorization(Credentials) = Authorization
}

newtype_header! {
    /// Credentials for a proxy (RFC 3261 §20.28).
    ProxyAuthorization(Credentials) = ProxyAuthorization
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{check_reencode, headers};
    use alloc::string::{String, ToString};

    #[test]
    fn rfc3261_20_44_challenge() {
        let text = "Digest realm=\"atlanta.com\",\r\n domain=\"sip:boxesbybob.com\", qop=\"auth,auth-int\", \
            nonce=\"f84f1cec41e6cbe5aea9c8e88d359\", opaque=\"\", stale=FALSE, algorithm=MD5";
        let challenge = Challenge::parse(text).unwrap();
        assert!(challenge.is_digest() && !challenge.is_stale());
        assert_eq!(challenge.realm().as_deref(), Some("atlanta.com"));
        assert_eq!(challenge.opaque().as_deref(), Some(""));
        assert_eq!(challenge.qop().as_deref(), Some("auth,auth-int"));
        assert_eq!(challenge.params().iter().count(), 7);
        check_reencode!(
            WwwAuthenticate<'_>,
            [
                (text, Some(text)),
                ("Digest", None),
                ("Digest realm", None),
                ("Digest realm=", None),
                ("Digest a=b c=d", None),
                ("Digest a=\"b", None),
                ("", None)
            ]
        );
    }

    #[test]
    fn rfc3261_20_7_credentials() {
        let credentials = Credentials::parse(
            "Digest username=\"Alice\", realm=\"atlanta.com\", nonce=\"84a4cc6f3082121f32b42a2187831a9e\", nc=0000000A, \
             response=\"7587245234b3434cc3412213e5f113a5432\", uri=sip:b@h",
        )
        .unwrap();
        assert_eq!(credentials.username().as_deref(), Some("Alice"));
        assert_eq!(credentials.nonce_count(), Some(10));
        assert_eq!(credentials.uri().as_deref(), Some("sip:b@h"));
        assert_eq!(credentials.cnonce(), None);
    }

    #[test]
    fn rfc3261_7_3_1_challenges_are_not_split_at_commas() {
        let headers = headers(
            crate::HeaderName::WwwAuthenticate,
            &["Digest realm=\"a\", nonce=\"1\"", "Bearer realm=\"b\""],
        );
        let schemes: Vec<_> = headers
            .typed_all::<WwwAuthenticate<'_>>()
            .map(|c| String::from(c.unwrap().scheme()))
            .collect();
        assert_eq!(schemes, ["Digest", "Bearer"]);
    }

    #[test]
    fn values_are_escaped() {
        let credentials = Credentials::new("Digest")
            .with_quoted("username", "a\"b\\")
            .with_token("nc", "0000000 1");
        let text = credentials.to_string();
        assert_eq!(text, "Digest username=\"a\\\"b\\\\\", nc=\"0000000 1\"");
        assert_eq!(
            Credentials::parse(&text).unwrap().username().as_deref(),
            Some("a\"b\\")
        );
    }
}
