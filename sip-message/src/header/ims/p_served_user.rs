//! P-Served-User: who is served (RFC 5502 §6, RFC 8498 §5).
//!
//! ```text
//! value = ( [ display name ] "<" URI ">" / URI ), then parameters:
//!     sescase = "orig" / "term", regstate = "reg" / "unreg", orig-cdiv
//! ```

use crate::header::NameAddr;
use crate::header::shape::{newtype_header, params_api};

newtype_header! {
    /// The user who is served, with session case and registration state (RFC 5502 §6).
    ///
    /// ```
    /// use sip_message::header::{NameAddr, PServedUser};
    /// let user = PServedUser::new(NameAddr::parse("<sip:user@example.com>; sescase=term; regstate=unreg").unwrap());
    /// assert_eq!((user.is_originating(), user.is_registered()), (Some(false), Some(false)));
    /// ```
    PServedUser(NameAddr) = PServedUser
}

params_api! { PServedUser:
    /// The session case as written: `orig` or `term`.
    token session_case = "sescase";
    /// The registration state as written: `reg` or `unreg`.
    token registration_state = "regstate";
    /// Is the user served as one who diverted the call (RFC 8498 §4)?
    flag is_after_diversion = "orig-cdiv";
}

impl PServedUser<'_> {
    /// Is the user the caller (or the callee)? One who diverted the call is its originator (RFC 8498 §4).
    #[must_use]
    pub fn is_originating(&self) -> Option<bool> {
        if self.is_after_diversion() {
            return Some(true);
        }
        let case = self.session_case()?;
        (case.eq_ignore_ascii_case("orig") || case.eq_ignore_ascii_case("term"))
            .then(|| case.eq_ignore_ascii_case("orig"))
    }

    /// Is the user registered?
    #[must_use]
    pub fn is_registered(&self) -> Option<bool> {
        let state = self.registration_state()?;
        (state.eq_ignore_ascii_case("reg") || state.eq_ignore_ascii_case("unreg"))
            .then(|| state.eq_ignore_ascii_case("reg"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        PServedUser<'_>, rfc5502_6_and_rfc8498_5_examples: [
            "<sip:user@example.com>; sescase=orig; regstate=reg",
            "<sip:user@example.com>; orig-cdiv; regstate=reg",
            "<sip:user@example.com>; orig-cdiv",
            "<sip:user@example.com>; sescase=term; regstate=unreg",
        ],
        refused: ["", ";sescase=orig"],
        built: (target in uri(), display in text(), more in params()) => PServedUser::new(address(&target, &display, &more)),
    }

    #[test]
    fn rfc8498_4_after_diversion_the_user_originates() {
        let user = |text| PServedUser::new(NameAddr::parse(text).unwrap());
        let diverted = user("<sip:u@h>;orig-cdiv;regstate=REG");
        assert!(diverted.is_after_diversion());
        assert_eq!(
            (diverted.is_originating(), diverted.is_registered()),
            (Some(true), Some(true))
        );
        let unknown = user("<sip:u@h>;sescase=x;regstate=y");
        assert_eq!(
            (unknown.is_originating(), unknown.is_registered()),
            (None, None)
        );
        assert_eq!(user("<sip:u@h>;sescase=orig").is_originating(), Some(true));
    }
}
