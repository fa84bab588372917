//! Tokens of type `div-o` (RFC 8946 §5): who sent a call elsewhere signs a token with the one that came inside (`opt`), for where only one
//! can be carried, such as from a gateway.
//!
//! ```text
//!   A calls B             orig A, dest B                           signed for A
//!   B is forwarded to C   orig A, dest C, div B, opt (the above)   signed for B
//!   C is forwarded to D   orig A, dest D, div C, opt (the above)   signed for C
//! ```

use sip_message::header::Identity;

use super::{Fault, MOST_FIELDS, SHAKEN, Signer};
use crate::identity::passport::{Claims, Party, Passport, Signed};

/// The type of these tokens.
const DIV_O: &str = "div-o";

/// Is this the type that an Identity field names?
pub(super) fn is_div_o(field: &Identity<'_>) -> bool {
    field
        .passport_type()
        .is_some_and(|ppt| ppt.trim_matches('"').eq_ignore_ascii_case(DIV_O))
}

/// What a token of this type holds.
pub(super) struct Nested {
    /// The first token, of the caller.
    pub(super) first: Signed,
    /// Those around it, in their order.
    pub(super) around: Vec<Signed>,
}

/// RFC 8946 §5.1: the first token, and those around it; `None` when the first is of a type that is not known, and
/// all of them are to be ignored (§4.2, step 5).
pub(super) fn unwrap(outermost: Signed) -> Result<Option<Nested>, Fault> {
    let mut around = Vec::new();
    let mut token = outermost;
    if token.passport.ppt.as_deref() != Some(DIV_O) {
        return Err(Fault::Invalid);
    }
    while token.passport.ppt.as_deref() == Some(DIV_O) {
        if around.len() >= MOST_FIELDS {
            return Err(Fault::Invalid);
        }
        let claims = &token.passport.claims;
        let (Some(from), Some(inside)) = (claims.diverted(), claims.original()) else {
            return Err(Fault::Invalid);
        };
        // §6: never a compact one, which nothing else says the rest of.
        let inside = Passport::parse(&inside).map_err(|_| Fault::Invalid)?;
        let of_inside = &inside.passport.claims;
        // The same caller, and sent away from where the one inside was for.
        if of_inside.orig != claims.orig || !of_inside.dest.contains(&from) {
            return Err(Fault::Invalid);
        }
        around.push(token);
        token = inside;
    }
    around.reverse();
    match token.passport.ppt.as_deref() {
        None | Some(SHAKEN) => Ok(Some(Nested {
            first: token,
            around,
        })),
        Some(_) => Ok(None),
    }
}

impl Signer {
    /// A call that came with this full token is for `to`, and was for `from` (RFC 8946 §5.1): the token of type `div-o` that takes
    /// its place. The certificate of this signer has to be good for `from`.
    ///
    /// `None` when the token that came is none, or not for `from`, or when `to` is the same in other words (§3). In SIP, where every
    /// token has a field of its own, [`divert`](Self::divert) is used instead.
    #[must_use]
    pub fn wrap(&self, token: &str, from: &Party, to: &Party) -> Option<String> {
        let came = Passport::parse(token).ok()?.passport.claims;
        if from == to || !came.dest.contains(from) {
            return None;
        }
        let claims = Claims::new(came.orig, [to.clone()], came.iat)
            .diverted_from(from)
            .made_of(token);
        let passport = Passport::new(&self.url, claims).of_type(DIV_O);
        passport.sign(&self.key).ok()
    }
}

#[cfg(test)]
mod tests;
