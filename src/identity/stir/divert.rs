//! Tokens of type `div` (RFC 8946): who sent a call elsewhere says so, and signs for the place that it was sent away from.
//!
//! ```text
//!   A calls B             orig A, dest B            signed for A
//!   B is forwarded to C   orig A, dest C, div B     signed for B
//!   C is forwarded to D   orig A, dest D, div C     signed for C
//! ```

use sip_message::header::Identity;
use sip_message::{Request, UriRef};

use super::{Fault, MOST_FIELDS, Signer, called, callers, date};
use crate::identity::passport::{Claims, Party, Passport, Signed};

/// The type of these tokens.
const DIV: &str = "div";

/// Is this the type that an Identity field names?
pub(super) fn is_div(field: &Identity<'_>) -> bool {
    field
        .passport_type()
        .is_some_and(|ppt| ppt.trim_matches('"').eq_ignore_ascii_case(DIV))
}

/// RFC 8946 §4.2: the tokens that lead from this one to where the call was sent last, in their order; none when the call was sent
/// nowhere, or the chain has no beginning here.
pub(super) fn chain(request: &Request, innermost: &Claims) -> Result<Vec<Signed>, Fault> {
    let fields = || {
        let all = request.headers().typed_all::<Identity<'_>>();
        all.take(MOST_FIELDS).filter_map(Result::ok)
    };
    let mut left: Vec<(Party, Signed)> = fields()
        .filter(is_div)
        .filter_map(|field| {
            let signed = Passport::parse(field.value()).ok()?;
            let passport = &signed.passport;
            // §3: never compact (it is no full token, then), and never with what another type has.
            let is_whole = passport.ppt.as_deref() == Some(DIV)
                && passport
                    .claims
                    .others
                    .iter()
                    .all(|(name, _)| &**name != "opt")
                && field.info() == Some(&*passport.x5u);
            let from = passport.claims.diverted().filter(|_| is_whole)?;
            Some((from, signed))
        })
        .collect();
    let mut chain: Vec<Signed> = Vec::new();
    loop {
        let dest = match chain.last() {
            Some(last) => &last.passport.claims.dest,
            None => &innermost.dest,
        };
        let refers = |(from, _): &(Party, Signed)| dest.contains(from);
        let same = left
            .iter()
            .position(|one| refers(one) && one.1.passport.claims.orig == innermost.orig);
        match same {
            Some(at) => chain.push(left.remove(at).1),
            None => {
                // Step 3: one that refers to this chain in the name of another caller spoils it, unless it is of another chain.
                let others: Vec<Party> = fields()
                    .filter(|field| !is_div(field))
                    .filter_map(|field| Passport::parse(field.value()).ok())
                    .map(|signed| signed.passport.claims.orig)
                    .collect();
                let is_altered = left
                    .iter()
                    .any(|one| refers(one) && !others.contains(&one.1.passport.claims.orig));
                return if is_altered {
                    Err(Fault::Invalid)
                } else {
                    Ok(chain)
                };
            }
        }
    }
}

impl Signer {
    /// A signed request that was for `from` is sent to `to` (RFC 8946 §4.1): adds a token of type `div` for each caller and callee
    /// that it is signed for, and says how many. The certificate of this signer has to be good for `from`.
    ///
    /// A request that is not signed, or not for `from`, stays as it is, and so does one whose target is the same in other words.
    pub fn divert(&self, request: &mut Request, from: &Party, to: &Party) -> usize {
        // §3: when the canonical form is the same, it is no other place.
        if from == to {
            return 0;
        }
        let mut signed_for: Vec<Claims> = Vec::new();
        let mut fields = 0;
        for field in request.headers().typed_all::<Identity<'_>>() {
            fields += 1;
            let Ok(field) = field else { continue };
            let claims = if field.is_compact() {
                // What is left out is made from the request, as its verifier does.
                match (
                    callers(request).into_iter().next(),
                    called(request),
                    date(request),
                ) {
                    (Some(orig), Some(dest), Some(iat)) => Claims::new(orig, [dest], iat),
                    _ => continue,
                }
            } else {
                match Passport::parse(field.value()) {
                    Ok(signed) => signed.passport.claims,
                    Err(_) => continue,
                }
            };
            // Earlier targets have their tokens already; several for the same call need one.
            let is_new = |known: &Claims| known.orig != claims.orig || known.dest != claims.dest;
            if claims.dest.contains(from) && signed_for.iter().all(is_new) {
                signed_for.push(claims);
            }
        }
        let Ok(info) = UriRef::parse(&self.url) else {
            return 0;
        };
        let room = MOST_FIELDS.saturating_sub(fields);
        let mut added = 0;
        for claims in signed_for.into_iter().take(room) {
            // §3: nothing else of the first token is taken over.
            let claims = Claims::new(claims.orig, [to.clone()], claims.iat).diverted_from(from);
            let passport = Passport::new(&self.url, claims).of_type(DIV);
            if let Ok(token) = passport.sign(&self.key) {
                let identity = Identity::new(&token, info)
                    .with_algorithm("ES256")
                    .with_passport_type(DIV);
                request.headers_mut().push_back_typed(&identity);
                added += 1;
            }
        }
        added
    }
}

#[cfg(test)]
mod tests;
