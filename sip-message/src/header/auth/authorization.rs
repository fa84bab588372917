//! Authorization: one set of credentials for a user agent server or registrar (RFC 3261 §20.7, RFC 8760).
//!
//! ```text
//! value = scheme white space parameters; see [`Credentials`]. A comma does not separate values (RFC 3261 §7.3.1).
//! ```

use crate::header::Credentials;
use crate::header::shape::newtype_header;

newtype_header! {
    /// One set of credentials for a user agent server or registrar (RFC 3261 §20.7). There may be several fields, one for each algorithm
    /// (RFC 8760 §2.3).
    Authorization(Credentials) = Authorization
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, label, text, token};

    header_tests! {
        Authorization<'_>, rfc3261_20_7_example: [
            "Digest username=\"Alice\", realm=\"atlanta.com\",\r\n nonce=\"84a4cc6f3082121f32b42a2187831a9e\",\r\n response=\"7587245234b3434cc3412213e5f113a5432\"",
            "Bearer realm=\"b\"",
        ],
        refused: ["Digest", "Digest realm", "Digest realm=", "Digest a=b c=d", "Digest a=\"b", ""],
        built: (scheme in label(), realm in text(), nonce in token()) => Authorization::new(Credentials::new(&scheme).with_quoted("realm", &realm).with_token("nonce", &nonce)),
    }
}
