//! Proxy-Authorization: one set of credentials for a proxy (RFC 3261 §20.28, RFC 8760).
//!
//! ```text
//! value = scheme white space parameters; see [`Credentials`]. A comma does not separate values (RFC 3261 §7.3.1).
//! ```

use crate::header::Credentials;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One set of credentials for a proxy (RFC 3261 §20.28). There may be several fields, one for each algorithm
    /// (RFC 8760 §2.3).
    ProxyAuthorization(Credentials) = ProxyAuthorization
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, label, text, token};

    header_tests! {
        ProxyAuthorization<'_>, rfc3261_20_28_example: [
            "Digest username=\"Alice\", realm=\"atlanta.com\",\r\n nonce=\"c60f3082ee1212b402a21831ae\",\r\n response=\"245f23415f11432b3434341c022\"",
            "Bearer realm=\"b\"",
        ],
        refused: ["Digest", "Digest realm", "Digest realm=", "Digest a=b c=d", "Digest a=\"b", ""],
        built: (scheme in label(), realm in text(), nonce in token()) => ProxyAuthorization::new(Credentials::new(&scheme).with_quoted("realm", &realm).with_token("nonce", &nonce)),
    }
}
