//! Event notification: Subscription-State and Allow-Events (RFC 6665 §8.2), Refer-Sub (RFC 4488), Suppress-If-Match
//! (RFC 5839), SIP-ETag and SIP-If-Match (RFC 3903).

use super::list::token_list;
use super::valued::valued_header;

valued_header! {
    /// The state of a subscription: `active`, `pending` or `terminated`, with `expires`, `reason` and `retry-after`
    /// (RFC 6665 §8.2.3).
    ///
    /// ```
    /// use sip_message::header::SubscriptionState;
    /// let state = SubscriptionState::parse("terminated;reason=rejected;retry-after=60").unwrap();
    /// assert!(state.is_terminated());
    /// assert_eq!((state.reason(), state.retry_after(), state.expires()), (Some("rejected"), Some(60), None));
    /// ```
    SubscriptionState, Token
}

impl SubscriptionState<'_> {
    /// Is the state `active`?
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.value().eq_ignore_ascii_case("active")
    }

    /// Is the state `pending`?
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.value().eq_ignore_ascii_case("pending")
    }

    /// Is the state `terminated`?
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.value().eq_ignore_ascii_case("terminated")
    }

    /// Why the subscription ended.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.params()
            .get("reason")
            .filter(|reason| !reason.is_empty())
    }

    /// After how many seconds the subscription ends.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.params().get("expires")?.parse().ok()
    }

    /// After how many seconds to try again.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        self.params().get("retry-after")?.parse().ok()
    }
}

token_list! {
    /// The event packages that the sender supports (RFC 6665 §8.2.2).
    AllowEvents
}

valued_header! {
    /// Whether a REFER makes a subscription: `true` or `false` (RFC 4488 §4).
    ReferSub, Token
}

impl ReferSub<'_> {
    /// Is a subscription wished, or made?
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.value().eq_ignore_ascii_case("true")
    }
}

valued_header! {
    /// The entity tag whose notification may be left out, or `*` (RFC 5839 §4).
    SuppressIfMatch, Token
}

valued_header! {
    /// The entity tag of a publication (RFC 3903 §11.3.1).
    SipETag, Token
}

valued_header! {
    /// The entity tag of the publication to refresh, change or remove (RFC 3903 §11.3.2).
    SipIfMatch, Token
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::check_reencode;

    #[test]
    fn rfc6665_8_2_forms() {
        check_reencode!(
            SubscriptionState<'_>,
            [
                ("active;expires=600000", Some("active;expires=600000")),
                (
                    "Terminated ; reason=timeout",
                    Some("Terminated ; reason=timeout")
                ),
                (";x", None),
                ("active;;x", None),
            ]
        );
        check_reencode!(
            AllowEvents<'_>,
            [(
                "spirits-INDPs, presence.winfo",
                Some("spirits-INDPs, presence.winfo")
            )]
        );
        check_reencode!(ReferSub<'_>, [("false", Some("false"))]);
        assert!(ReferSub::new("TRUE").is_true() && !ReferSub::new("false").is_true());
    }

    #[test]
    fn rfc3903_11_3_and_rfc5839_4_entity_tags() {
        check_reencode!(SipETag<'_>, [("dx200xyz", Some("dx200xyz")), ("a b", None)]);
        check_reencode!(SipIfMatch<'_>, [("dx200xyz", Some("dx200xyz"))]);
        check_reencode!(
            SuppressIfMatch<'_>,
            [("*", Some("*")), ("b4cf7", Some("b4cf7"))]
        );
    }
}
