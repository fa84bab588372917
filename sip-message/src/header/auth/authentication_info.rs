//! Authentication-Info: what a server says after it has authenticated the client (RFC 3261 §20.6, RFC 7615 §3).
//!
//! ```text
//! value = parameters: nextnonce, qop, rspauth, cnonce, nc
//! ```

use super::info::info_header;

info_header! {
    /// What a server says after it has authenticated the client (RFC 3261 §20.6, RFC 7615 §3).
    ///
    /// ```
    /// use sip_message::header::{AuthParams, AuthenticationInfo};
    /// let info = AuthenticationInfo::new(AuthParams::new().with_quoted("nextnonce", "47364c23432d2e131a5fb210812c"));
    /// assert_eq!(info.to_string(), "nextnonce=\"47364c23432d2e131a5fb210812c\"");
    /// assert_eq!(info.next_nonce().as_deref(), Some("47364c23432d2e131a5fb210812c"));
    /// ```
    AuthenticationInfo
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::AuthParams;
    use crate::header::testing::{header_tests, text, token};

    header_tests! {
        AuthenticationInfo<'_>, rfc3261_20_6_and_rfc7616_3_5_examples: [
            "nextnonce=\"47364c23432d2e131a5fb210812c\"",
            "qop=auth, rspauth=\"6629fae49393a05397450978507c4ef1\", cnonce=\"0a4f113b\", nc=00000001",
        ],
        refused: ["x", "", "a=b c=d"],
        built: (nonce in text(), count in token()) => AuthenticationInfo::new(AuthParams::new().with_quoted("nextnonce", &nonce).with_token("nc", &count)),
    }
}
