//! WWW-Authenticate: one challenge of a user agent server or registrar (RFC 3261 §20.44, RFC 8760).
//!
//! ```text
//! value = scheme white space parameters; see [`Challenge`]. A comma does not separate values (RFC 3261 §7.3.1).
//! ```

use crate::header::Challenge;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One challenge of a user agent server or registrar (RFC 3261 §20.44). There may be several fields, one for each algorithm
    /// (RFC 8760 §2.3).
    WwwAuthenticate(Challenge) = WwwAuthenticate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, headers, label, text, token};
    use crate::name::HeaderName;

    header_tests! {
        WwwAuthenticate<'_>, rfc3261_20_44_example: [
            "Digest realm=\"atlanta.com\",\r\n domain=\"sip:boxesbybob.com\", qop=\"auth\",\r\n nonce=\"f84f1cec41e6cbe5aea9c8e88d359\",\r\n opaque=\"\", stale=FALSE, algorithm=MD5",
            "Bearer realm=\"b\"",
        ],
        refused: ["Digest", "Digest realm", "Digest realm=", "Digest a=b c=d", "Digest a=\"b", ""],
        built: (scheme in label(), realm in text(), nonce in token()) => WwwAuthenticate::new(Challenge::new(&scheme).with_quoted("realm", &realm).with_token("nonce", &nonce)),
    }

    #[test]
    fn rfc3261_7_3_1_challenges_are_not_split_at_commas() {
        let headers = headers(
            HeaderName::WwwAuthenticate,
            &["Digest realm=\"a\", nonce=\"1\"", "Bearer realm=\"b\""],
        );
        let schemes: Vec<_> = headers
            .typed_all::<WwwAuthenticate<'_>>()
            .map(|challenge| challenge.unwrap().scheme().to_string())
            .collect();
        assert_eq!(schemes, ["Digest", "Bearer"]);
    }
}
