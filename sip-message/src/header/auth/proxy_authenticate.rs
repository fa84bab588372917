//! Proxy-Authenticate: one challenge of a proxy (RFC 3261 §20.27, RFC 8760).
//!
//! ```text
//! value = scheme white space parameters; see [`Challenge`]. A comma does not separate values (RFC 3261 §7.3.1).
//! ```

use crate::header::Challenge;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One challenge of a proxy (RFC 3261 §20.27). There may be several fields, one for each algorithm
    /// (RFC 8760 §2.3).
    ProxyAuthenticate(Challenge) = ProxyAuthenticate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, label, text, token};

    header_tests! {
        ProxyAuthenticate<'_>, rfc3261_20_27_example: [
            "Digest realm=\"atlanta.com\",\r\n domain=\"sip:ss1.carrier.com\", qop=\"auth\",\r\n nonce=\"f84f1cec41e6cbe5aea9c8e88d359\",\r\n opaque=\"\", stale=FALSE, algorithm=MD5",
            "Bearer realm=\"b\"",
        ],
        refused: ["Digest", "Digest realm", "Digest realm=", "Digest a=b c=d", "Digest a=\"b", ""],
        built: (scheme in label(), realm in text(), nonce in token()) => ProxyAuthenticate::new(Challenge::new(&scheme).with_quoted("realm", &realm).with_token("nonce", &nonce)),
    }
}
