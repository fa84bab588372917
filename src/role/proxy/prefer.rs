//! The targets of a user (RFC 3261 §16.5), as the callee registered them and the caller prefers them (RFC 3841).

use std::time::Instant;

use sip_message::{HeaderName, StatusCode, Uri};
use sip_transaction::{ServerTransactionId, TransactionLayer};

use super::context::{self, Order};
use super::{Destination, Proxy};
use crate::gruu::Wanted;
use crate::location::Binding;
use crate::role::Refusal;
use crate::routing::{Disposition, Preferences};

impl Proxy {
    pub(super) fn on_bindings(
        &mut self,
        id: ServerTransactionId,
        bindings: Vec<Binding>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let heeds = self.config.caller_preferences;
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        let mut bindings = bindings;
        let is_device = matches!(context.destination, Destination::Instance(..));
        if is_device && context.request.headers().contains(HeaderName::Route) {
            // RFC 5627 §6.1: a request that has a route takes no path.
            for binding in &mut bindings {
                if binding.path().next().is_some() {
                    binding.edit(|fields| fields.path.clear());
                }
            }
        }
        if let Some(node) = &self.config.node {
            node.localize(&mut bindings);
        }
        let is_secure = context.request.uri().is_ok_and(|uri| uri.is_secure());
        let had_some = !bindings.is_empty();
        let wanted = match (&context.destination, &self.config.gruus) {
            (Destination::Instance(aor, wanted), Some(gruus)) => Some((aor, wanted, gruus)),
            _ => None,
        };
        let is_instance = wanted.is_some();
        let mut is_refused = false;
        if let Some((aor, wanted, gruus)) = wanted {
            // RFC 5627 §6.1: one device was named, so there is nothing to prefer.
            bindings.retain(|binding| gruus.leads_to(wanted, aor, binding));
            context.groups = context::instance(bindings, is_secure);
        } else {
            let (bindings, order) = if heeds {
                // §7.1: for the users of this domain the server is the one to act on it.
                context.wish = Disposition::of(&context.request);
                let order = match context.wish.is_parallel {
                    None => Order::ByPreference,
                    Some(true) => Order::Parallel,
                    Some(false) => Order::Sequential,
                };
                // §7.2.3: who says nothing of itself is left alone.
                let says = |binding: &Binding| !binding.parameters().is_empty();
                if bindings.iter().any(says) {
                    (ranked(bindings, &Preferences::of(&context.request)), order)
                } else {
                    (equal(bindings), order)
                }
            } else {
                (equal(bindings), Order::ByPreference)
            };
            is_refused = had_some && bindings.is_empty();
            context.groups = context::group(bindings, is_secure, context.breadth, order);
        }
        if context.wish.forks == Some(false) {
            // The best of all, and nobody else.
            context.groups.truncate(1);
            if let Some(first) = context.groups.front_mut() {
                first.truncate(1);
            }
        }
        if !context.groups.is_empty() {
            let redirects = match context.wish.proxies {
                Some(proxies) => !proxies || self.config.redirects,
                None => self.config.redirects,
            };
            // RFC 5627 §6.1: a request to a GRUU is not redirected.
            if redirects && !is_instance {
                // §7.2.4: in the order that was found, and without their features.
                let contacts: Vec<Uri> = context
                    .groups
                    .drain(..)
                    .flatten()
                    .map(|target| target.uri)
                    .collect();
                self.redirect(id, contacts, t, now);
            } else {
                self.next_group(id, t, now);
            }
            return;
        }
        if is_refused {
            // §7.2.4: nobody is as the caller demands.
            let refusal =
                Refusal::because(StatusCode::TEMPORARILY_UNAVAILABLE, "Nobody As Preferred");
            self.refuse(id, &refusal, t, now);
            return;
        }
        match context.destination.clone() {
            // RFC 5627 §5.3: a public GRUU stays valid as long as its user does; a temporary one ends with its epoch.
            Destination::User(aor) | Destination::Instance(aor, Wanted::Public { .. }) => {
                self.need_known(id, &aor, now);
            }
            Destination::Instance(..) | Destination::Elsewhere | Destination::Server => {
                self.refuse(id, &Refusal::new(StatusCode::NOT_FOUND), t, now);
            }
        }
    }
}

fn equal(bindings: Vec<Binding>) -> Vec<(Binding, u16)> {
    bindings
        .into_iter()
        .map(|binding| (binding, 1000))
        .collect()
}

/// RFC 3841 §7.2.4. What the server itself concludes from the method tells who is not called; it is no reason to let
/// telephones ring one after the other that were registered as equals.
fn ranked(bindings: Vec<Binding>, preferences: &Preferences) -> Vec<(Binding, u16)> {
    if !preferences.is_implicit() {
        return bindings
            .into_iter()
            .filter_map(|binding| {
                let qa = preferences.match_contact(binding.parameters())?;
                Some((binding, qa))
            })
            .collect();
    }
    let fits = |binding: &Binding| preferences.match_contact(binding.parameters()).is_some();
    if bindings.iter().any(fits) {
        equal(bindings.into_iter().filter(fits).collect())
    } else {
        equal(bindings)
    }
}
