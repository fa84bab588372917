//! Telephone numbers that are looked up (ENUM, RFC 6116).

use std::time::Instant;

use sip_message::{StatusCode, Uri};
use sip_transaction::{ServerTransactionId, TransactionLayer};
use sip_transport::Rewrite;

use super::context::{Failover, Target};
use super::route::Bearing;
use super::{Destination, Proxy, Waiting, route};
use crate::role::{Need, Refusal};
use crate::routing::{NumberLookup, NumberStep, Retarget, user_part};

impl Proxy {
    /// Asks where a number leads, if the Request-URI is one, its caller may be sent elsewhere, and nobody has asked yet.
    pub(super) fn look_up_number(&mut self, id: ServerTransactionId, now: Instant) -> bool {
        let (Some(suffix), Some(context)) = (&self.config.enumeration, self.contexts.get_mut(&id))
        else {
            return false;
        };
        if context.number.is_some() || !context.may_leave {
            return false;
        }
        let Ok(uri) = context.request.uri() else {
            return false;
        };
        let number = NumberLookup::number_of(uri).or_else(|| {
            // What people dial: a number as a user of their own domain.
            let is_here = matches!(context.destination, Destination::User(_));
            is_here.then(|| user_part(uri))
        });
        let Some((lookup, name)) = number.and_then(|number| NumberLookup::start(&number, suffix))
        else {
            return false;
        };
        context.number = Some(Box::new(lookup));
        self.need(Waiting::Rewrites(id), Need::Rewrites { name }, now);
        true
    }

    /// The records of its name; none if nobody could be asked.
    pub(super) fn on_rewrites(
        &mut self,
        id: ServerTransactionId,
        records: Vec<Rewrite>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        if context.is_answered {
            return;
        }
        let Some(lookup) = &mut context.number else {
            return;
        };
        match lookup.answered(records) {
            NumberStep::Ask(name) => {
                self.need(Waiting::Rewrites(id), Need::Rewrites { name }, now);
            }
            NumberStep::Nothing => match context.destination {
                // A foreign host may know better; a number of this domain leads nowhere.
                Destination::Elsewhere => self.resolve(id, t, now),
                _ => self.refuse(id, &Refusal::new(StatusCode::NOT_FOUND), t, now),
            },
            NumberStep::Found(uris) => {
                let first = uris
                    .first()
                    .filter(|uri| self.config.domains.serves(Uri::as_ref(uri)));
                if let Some(ours) = first {
                    // It is one of our users, who is found as others are.
                    if context.request.set_uri(ours.as_str()).is_ok() {
                        let gruus = self.config.gruus.as_ref();
                        context.destination = route::destination(
                            &context.request,
                            Bearing::of(&context.request, &self.config.domains),
                            false,
                            &self.config.domains,
                            gruus,
                        );
                        self.resolve(id, t, now);
                    }
                    return;
                }
                context.groups = uris
                    .into_iter()
                    .map(|uri| {
                        vec![Target {
                            // The number is that of whom it leads to.
                            keeps_callee: true,
                            how: Retarget::Mapped,
                            ..Target::new(uri)
                        }]
                    })
                    .collect();
                context.destination = Destination::Elsewhere;
                context.failover = Failover::Unreachable;
                self.depart(id, t, now);
            }
        }
    }
}
