//! Subscribers whose Contact is a GRUU of this domain (RFC 5627): their NOTIFYs go where the instance is registered, as a proxy of
//! the domain sends any other request to it (§6.1), and not to what the domain name system says of the domain.

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime};

use sip_message::{HeaderName, Request, Uri};
use sip_transaction::{Interposed, TransactionLayer};
use sip_transport::{Flow, SelectError};

use super::{Due, Events, Waiting};
use crate::domain::Aor;
use crate::gruu::Wanted;
use crate::guard::Class;
use crate::location::{Binding, StoreError};
use crate::role::proxy::route;
use crate::role::{Need, RoleEvent, RoleOutput, Way};

/// A request of the dialogs that waits until it is known where its target is.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    token: sip_dialog::Token,
    size: usize,
    aor: Aor,
    wanted: Wanted,
    /// How often the store did not answer.
    failures: u8,
}

/// A request of the dialogs that a server does not want yet (RFC 7339).
#[derive(Clone, Debug)]
pub(super) struct Held {
    token: sip_dialog::Token,
    place: Option<Place>,
    flows: Vec<Flow>,
    patience: Instant,
}

/// How long until such a request is tried again: as long as a report holds that does not say (RFC 7339 §4.3).
const HOLD: Duration = Duration::from_millis(500);
/// How often a store that does not answer is asked again where an instance is.
const FAILURES: u8 = 3;

/// Where an instance is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    uri: Uri,
    path: Vec<Box<str>>,
}

impl Place {
    /// The request as it goes there.
    fn apply(&self, request: &mut Request) {
        if request.set_uri(&*self.uri.as_ref().request_uri()).is_err() {
            return;
        }
        for value in self.path.iter().rev() {
            request.headers_mut().push_front(HeaderName::Route, value);
        }
        let _ = route::next_hop(request);
    }
}

impl Events {
    /// Is the next hop of a request an instance of one of our users? Then it is looked up.
    pub(super) fn find_instance(
        &mut self,
        token: sip_dialog::Token,
        next_hop: &Uri,
        size: usize,
        now: Instant,
    ) -> bool {
        let gruus = self.config.gruus.as_ref();
        let read = gruus.and_then(|gruus| gruus.read(next_hop.as_ref(), &self.config.domains));
        let Some((aor, wanted)) = read else {
            return false;
        };
        let need = Need::Lookup { aor: aor.clone() };
        let lost = Lost {
            token,
            size,
            aor,
            wanted,
            failures: 0,
        };
        self.need(Waiting::Instance(lost), need, now);
        true
    }

    /// The store did not say where the instance is. It is asked again, since a NOTIFY that is given up ends its subscription.
    pub(super) fn on_no_instance(
        &mut self,
        lost: Lost,
        error: StoreError,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        self.outputs
            .push_back(RoleOutput::Event(RoleEvent::StoreFailed(error)));
        if lost.failures >= FAILURES {
            let none = Err(SelectError::NoRoute);
            self.dialogs.flow_selected(lost.token, none, t, now);
            return;
        }
        let lost = Lost {
            failures: lost.failures + 1,
            ..lost
        };
        self.deadlines.insert(now + super::RETRY, Due::Lost(lost));
    }

    /// It is time to ask again.
    pub(super) fn ask_again(&mut self, lost: Lost, now: Instant) {
        let need = Need::Lookup {
            aor: lost.aor.clone(),
        };
        self.need(Waiting::Instance(lost), need, now);
    }

    /// The bindings of its user, if they could be had.
    pub(super) fn on_instance(
        &mut self,
        lost: &Lost,
        bindings: Vec<Binding>,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) {
        let mut bindings = bindings;
        if let Some(gruus) = &self.config.gruus {
            bindings
                .retain(|one| one.is_live(wall) && gruus.leads_to(&lost.wanted, &lost.aor, one));
        }
        if let Some(node) = &self.config.node {
            node.localize(&mut bindings);
        }
        // RFC 5627 §6.1: of several, that which was refreshed last.
        let newest = bindings.into_iter().max_by_key(|binding| binding.expires);
        let found = newest.and_then(|binding| {
            let uri = Uri::parse(binding.contact()).ok()?;
            let mut probe = Request::builder(sip_message::Method::Notify, uri.as_str())
                .build_partial()
                .ok()?;
            let place = Place {
                uri,
                path: binding.path().map(Box::from).collect(),
            };
            place.apply(&mut probe);
            let next_hop = route::next_hop(&mut probe)?;
            let way = binding.flow().map(|token| Way {
                token: token.into(),
                is_only: binding.outbound().is_some(),
            });
            Some((place, next_hop, way))
        });
        let Some((place, next_hop, way)) = found else {
            let none = Err(SelectError::NoRoute);
            self.dialogs.flow_selected(lost.token, none, t, now);
            return;
        };
        let need = Need::SelectFlow {
            next_hop,
            size: lost.size,
            way,
        };
        self.need(Waiting::Flows(lost.token, Some(place)), need, now);
    }

    /// The flows of a request of the dialogs are known. It is sent, or held back for a while, until `patience` at most.
    pub(super) fn on_flows(
        &mut self,
        token: sip_dialog::Token,
        place: Option<Place>,
        flows: Result<Vec<Flow>, SelectError>,
        patience: Instant,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let mut flows = flows;
        if let (Some(throttle), Ok(list)) = (&self.throttle, &mut flows)
            && !list.is_empty()
        {
            // RFC 7339 §5.5: what is sent here is within a dialog.
            let all = list.clone();
            throttle.choose(list, Class::Dialog, now);
            if list.is_empty() {
                if now < patience {
                    // §5.10: it is buffered, in the hope that the server takes it in time.
                    let held = Held {
                        token,
                        place,
                        flows: all,
                        patience,
                    };
                    self.deadlines.insert(now + HOLD, Due::Held(held));
                    return;
                }
                flows = Err(SelectError::NoRoute);
            }
        }
        match place {
            None => self.dialogs.flow_selected(token, flows, t, now),
            Some(place) => {
                let t = &mut Placing { t, place };
                self.dialogs.flow_selected(token, flows, t, now);
            }
        }
    }

    /// A request was held back for a while.
    pub(super) fn on_held(&mut self, held: Held, t: &mut dyn TransactionLayer, now: Instant) {
        let Held {
            token,
            place,
            flows,
            patience,
        } = held;
        self.on_flows(token, place, Ok(flows), patience, t, now);
    }
}

/// The layer below, to which requests go with another target than the dialogs know.
struct Placing<'a> {
    t: &'a mut dyn TransactionLayer,
    place: Place,
}

impl<'a> Interposed for Placing<'a> {
    type Layer = dyn TransactionLayer + 'a;

    fn layer(&mut self) -> &mut Self::Layer {
        self.t
    }

    fn on_request<'r>(&mut self, request: &'r Request) -> Cow<'r, Request> {
        let mut request = request.clone();
        self.place.apply(&mut request);
        Cow::Owned(request)
    }
}
