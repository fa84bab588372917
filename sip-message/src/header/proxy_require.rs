//! Proxy-Require: the extensions that proxies on the way must support (RFC 3261 §20.29).
//!
//! ```text
//! value = option tag *( "," option tag )
//! ```

use crate::header::shape::token_list;

token_list! {
    /// The option tags that proxies on the way must support (RFC 3261 §20.29).
    ProxyRequire
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, refs, tokens};

    header_tests! {
        ProxyRequire<'_>, rfc3261_20_29_example: [
            "foo",
        ],
        refused: ["\"foo\""],
        built: (words in tokens()) => let words = refs(&words); ProxyRequire::from_slice(&words),
    }
}
