//! Event: what is subscribed to (RFC 6665 §8.2.1).
//!
//! ```text
//! value = package *( "." template ), then parameters, among them id = token
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// An event package with its templates, and the id of the subscription (RFC 6665 §8.2.1).
    ///
    /// ```
    /// use sip_message::header::Event;
    /// let event = Event::parse("presence.winfo;id=a7").unwrap();
    /// assert_eq!((event.package(), event.id()), ("presence.winfo", Some("a7")));
    /// ```
    Event, Token
}

params_api! { Event:
    /// The id that tells subscriptions to the same package in one dialog apart.
    token id / with_id = "id";
}

impl<'a> Event<'a> {
    /// The package with its templates. It is case-sensitive (RFC 6665 §8.2.1).
    #[must_use]
    pub const fn package(&self) -> &'a str {
        self.value
    }

    /// Do both name the same subscription in a dialog: the same package, and the same id or none (RFC 6665 §8.2.1)?
    #[must_use]
    pub fn matches(&self, other: &Event<'_>) -> bool {
        self.package() == other.package() && self.id() == other.id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        Event<'_>, rfc6665_8_2_1_and_rfc3515_2_4_6_forms: [
            "presence",
            "presence.winfo;id=a7",
            "refer;id=93809824",
        ],
        refused: ["", "a b", ";id=1"],
        built: (value in token(), more in some_of(&[("id", "[a-z0-9]{1,8}"), ("x-more", "[a-z ]{0,5}")])) => with_params!(Event::new(&value), more),
    }

    #[test]
    fn rfc6665_8_2_1_comparison() {
        let event = |text| Event::parse(text).unwrap();
        assert!(event("a;id=1;x=y").matches(&event("a;ID=1")));
        assert!(!event("a;id=1").matches(&event("a")) && !event("A").matches(&event("a")));
    }
}
