//! Subscription-State: how a subscription stands (RFC 6665 §8.2.3).
//!
//! ```text
//! value = "active" / "pending" / "terminated" / token, then parameters:
//!         reason = token, expires = seconds, retry-after = seconds
//! ```

use crate::header::shape::{params_api, valued_header};

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

params_api! { SubscriptionState:
    /// Why the subscription ended: `deactivated`, `probation`, `rejected`, `timeout`, `giveup`, `noresource`,
    /// `invariant` (RFC 6665 §4.1.3).
    token reason / with_reason = "reason";
    /// After how many seconds the subscription ends.
    number expires / with_expires = "expires";
    /// After how many seconds to try again.
    number retry_after / with_retry_after = "retry-after";
}

impl SubscriptionState<'_> {
    /// Is the state `active`?
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.value.eq_ignore_ascii_case("active")
    }

    /// Is the state `pending`?
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.value.eq_ignore_ascii_case("pending")
    }

    /// Is the state `terminated`?
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        self.value.eq_ignore_ascii_case("terminated")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        SubscriptionState<'_>, rfc6665_8_2_3_forms: [
            "active;expires=600000",
            "Terminated ; reason=timeout",
            "pending",
        ],
        refused: [";x", "active;;x", ""],
        built: (value in token(), more in some_of(&[("expires", "[0-9]{1,6}"), ("reason", "timeout|giveup"), ("retry-after", "[0-9]{1,4}"), ("x-more", "[a-z ]{0,5}")])) => with_params!(SubscriptionState::new(&value), more),
    }

    #[test]
    fn rfc6665_4_1_3_states() {
        let state = SubscriptionState::new("Terminated")
            .with_reason("probation")
            .with_retry_after(7);
        assert!(state.is_terminated() && !state.is_active() && !state.is_pending());
        assert_eq!(
            (state.reason(), state.retry_after()),
            (Some("probation"), Some(7))
        );
        assert_eq!(
            SubscriptionState::new("active").with_expires(9).expires(),
            Some(9)
        );
    }
}
