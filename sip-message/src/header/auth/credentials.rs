//! [`Credentials`]: what Authorization and Proxy-Authorization have.
//!
//! ```text
//! value = scheme white space parameters: username, realm, nonce, uri, response, algorithm, cnonce, opaque, qop, nc
//! ```

use alloc::borrow::Cow;

use super::value::auth_value;

auth_value! {
    /// What a client answers (RFC 3261 §20.7, RFC 7616 §3.4).
    Credentials
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

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
