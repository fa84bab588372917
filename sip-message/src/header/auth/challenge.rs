//! [`Challenge`]: what WWW-Authenticate and Proxy-Authenticate have.
//!
//! ```text
//! value = scheme white space parameters: realm, domain, nonce, opaque, stale, algorithm, qop
//! ```

use super::value::auth_value;

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

impl Challenge<'_> {
    /// Was the nonce of the last request good once, and only too old?
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.param("stale")
            .is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn rfc8760_2_6_algorithms_of_sha2() {
        for algorithm in ["SHA-256", "SHA-512-256", "SHA-256-sess", "SHA-512-256-sess"] {
            let challenge = Challenge::new("Digest")
                .with_quoted("realm", "r")
                .with_token("algorithm", algorithm);
            assert_eq!(challenge.algorithm().as_deref(), Some(algorithm));
        }
    }
}
