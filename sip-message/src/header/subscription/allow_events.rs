//! Allow-Events: the event packages that the sender supports (RFC 6665 §8.2.2).
//!
//! ```text
//! value = event type *( "," event type )
//! ```

use crate::header::shape::token_list;

token_list! {
    /// The event packages that the sender supports (RFC 6665 §8.2.2).
    AllowEvents
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, refs, tokens};

    header_tests! {
        AllowEvents<'_>, rfc6665_8_2_2_form: [
            "spirits-INDPs",
            "presence, presence.winfo",
        ],
        refused: ["a;b"],
        built: (words in tokens()) => let words = refs(&words); AllowEvents::from_slice(&words),
    }
}
