//! Diversion: from where the call was diverted (RFC 5806 §4).
//!
//! ```text
//! one of the values = ( [ display name ] "<" URI ">" / URI ), then parameters:
//!     reason, counter = 1*2DIGIT, limit = 1*2DIGIT, privacy, screen
//! ```

use crate::header::NameAddr;
use crate::header::shape::{newtype_header, params_api};

newtype_header! {
    /// One diversion of the call, the latest first (RFC 5806 §4).
    ///
    /// ```
    /// use sip_message::header::{Diversion, NameAddr};
    /// let from = Diversion::new(NameAddr::parse("<sip:carol@example.com>;reason=\"user-busy\";counter=2").unwrap());
    /// assert_eq!((from.reason().as_deref(), from.counter(), from.limit()), (Some("user-busy"), 2, None));
    /// ```
    Diversion(NameAddr) = Diversion
}

params_api! { Diversion:
    /// Why it was diverted: `user-busy`, `no-answer`, `unconditional`, `deflection`, `follow-me`, `time-of-day`, ...
    text reason = "reason";
    /// How many diversions are allowed.
    number limit = "limit";
    /// What of the diverting user must not be shown: `full`, `name`, `uri`, `off`.
    text privacy = "privacy";
    /// Was the number verified: `yes` or `no`?
    text screen = "screen";
}

impl Diversion<'_> {
    /// How many diversions this one stands for; 1 if it is not said (RFC 5806 §4).
    #[must_use]
    pub fn counter(&self) -> u32 {
        self.params()
            .get("counter")
            .and_then(|text| text.parse().ok())
            .unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        Diversion<'_>, rfc5806_9_examples: [
            "<sip:WeSellPizza@p2.isp.com>\r\n ;reason=time-of-day",
            "<tel:+19195551212>;reason=no-answer;counter=1;privacy=off;screen=no",
        ],
        refused: ["", ";reason=x"],
        built: (target in uri(), display in text(), more in params()) => Diversion::new(address(&target, &display, &more)),
    }

    #[test]
    fn rfc5806_4_parameters() {
        let value =
            NameAddr::parse("<tel:+1>;reason=\"user-busy\";limit=5;privacy=\"full\";screen=yes")
                .unwrap();
        let value = Diversion::new(value);
        assert_eq!(
            (value.reason().as_deref(), value.counter(), value.limit()),
            (Some("user-busy"), 1, Some(5))
        );
        assert_eq!(
            (value.privacy().as_deref(), value.screen().as_deref()),
            (Some("full"), Some("yes"))
        );
    }
}
