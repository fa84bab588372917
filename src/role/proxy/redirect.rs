//! What a router decided; redirecting (RFC 3261 §8.3), and following redirections (§16.5, §16.7, step 4).

use std::time::Instant;

use sip_message::header::{Contact, HistoryTarget};
use sip_message::{HeaderName, Response, StatusCode, Uri};
use sip_transaction::{ServerTransactionId, TransactionLayer};

use super::context::{Context, Failover, Target};
use super::{Destination, Proxy, caller};
use crate::role::Refusal;
use crate::routing::{self, Action, Retarget};

/// How many URIs a request is sent to at most when redirections are followed.
const MOST_TARGETS: usize = 16;

impl Proxy {
    /// Does what the router decided.
    pub(super) fn act(
        &mut self,
        id: ServerTransactionId,
        action: Action,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        match action {
            Action::Reject { status, reason } => {
                let response = Response::to(&context.request, status)
                    .reason(&reason)
                    .to_tag(&context.tag)
                    .build();
                if let Ok(response) = response {
                    self.conclude(id, response, t, now);
                }
            }
            Action::Redirect(contacts) => self.redirect(id, contacts, t, now),
            // Done before its sender was asked who it is.
            Action::Rewrite(_) => self.resolve(id, t, now),
            Action::Forward(hops) => {
                let Ok(uri) = context.request.uri() else {
                    self.refuse(id, &Refusal::new(StatusCode::BAD_REQUEST), t, now);
                    return;
                };
                let targets: Vec<Vec<Target>> = routing::order(&hops, &mut self.rng)
                    .iter()
                    .map(|hop| {
                        let (target, route) = hop.target(uri);
                        let path = route.into_iter().map(Into::into).collect();
                        vec![Target {
                            path,
                            how: caller::how(uri, target.as_ref()),
                            ..Target::new(target)
                        }]
                    })
                    .collect();
                context.groups = targets.into();
                context.failover = Failover::Unreachable;
                context.destination = Destination::Elsewhere;
                self.depart(id, t, now);
            }
        }
    }

    /// 302 with these contacts, the first the best.
    pub(super) fn redirect(
        &mut self,
        id: ServerTransactionId,
        contacts: Vec<Uri>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get(&id) else {
            return;
        };
        let asked = context.request.uri().ok();
        let mut builder =
            Response::to(&context.request, StatusCode::MOVED_TEMPORARILY).to_tag(&context.tag);
        let mut some = false;
        // RFC 3261 §20.10: q falls from contact to contact, so that the order is not lost on the way.
        for (place, contact) in contacts.iter().enumerate().take(MOST_TARGETS) {
            // §8.3: no contact is the Request-URI itself, for that would come back here.
            if asked.is_some_and(|asked| asked == contact.as_ref()) {
                continue;
            }
            let q = 1000 - place * 50;
            let value = format!("<{}>;q={}.{:03}", contact.as_str(), q / 1000, q % 1000);
            builder = builder.header(HeaderName::Contact, value);
            some = true;
        }
        if !some {
            self.refuse(id, &Refusal::new(StatusCode::NOT_FOUND), t, now);
            return;
        }
        if let Ok(response) = builder.build() {
            self.conclude(id, response, t, now);
        }
    }
}

impl Context {
    /// The contacts of a 3xx become targets, the best first, and leave the response (RFC 3261 §16.7, step 4). Those
    /// that were tried, are no SIP URIs, or are less secure than what was asked for stay in it.
    ///
    /// Is there nothing left in it that the caller could use?
    pub(super) fn follow(&mut self, place: usize, response: &mut Response) -> bool {
        // RFC 3261 §16.5: who is not responsible for the Request-URI adds no targets.
        if self.destination == Destination::Elsewhere {
            return false;
        }
        let is_secure = self.request.uri().is_ok_and(|uri| uri.is_secure());
        let mut found: Vec<(u16, Uri, Retarget)> = Vec::new();
        let mut left: Vec<String> = Vec::new();
        for value in response.headers().values(HeaderName::Contact) {
            let contact = Contact::parse(value).ok();
            let usable = contact.as_ref().and_then(|contact| {
                let uri = contact.address()?.uri();
                let is_new = !self.tried.iter().any(|tried| tried.as_ref() == uri)
                    && !found.iter().any(|(_, other, _)| other.as_ref() == uri);
                let is_safe = uri.is_sip() && (uri.is_secure() || !is_secure);
                (is_new && is_safe).then(|| {
                    // RFC 7044 §10.4: only who redirects knows how it found the target.
                    let how = match contact.history_target() {
                        Some(HistoryTarget::Contact(_)) => Retarget::Contact,
                        Some(HistoryTarget::Mapped(_)) => Retarget::Mapped,
                        Some(HistoryTarget::Same(_)) | None => Retarget::Unknown,
                    };
                    (contact.q().thousandths(), uri.to_uri(), how)
                })
            });
            match usable {
                Some(target) if self.tried.len() + found.len() < MOST_TARGETS => found.push(target),
                _ => left.push(value.to_owned()),
            }
        }
        if found.is_empty() {
            return false;
        }
        response.headers_mut().remove_all(HeaderName::Contact);
        let is_used_up = left.is_empty();
        for value in left {
            response.headers_mut().push_back(HeaderName::Contact, value);
        }
        // Stable: equally good ones stay in their order.
        found.sort_by_key(|(q, ..)| std::cmp::Reverse(*q));
        let from = self
            .branches
            .get(place)
            .and_then(|branch| branch.entry.clone());
        for (_, uri, how) in found.into_iter().rev() {
            self.groups.push_front(vec![Target {
                how,
                redirected: from.clone().map(Box::new),
                ..Target::new(uri)
            }]);
        }
        is_used_up
    }
}
