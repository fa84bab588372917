//! [`Health`]: which hops are up, and [`Probed`]: a router that passes over those that are not.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use sip_message::{Request, Uri};
use sip_transport::Flow;

use super::{Action, Route, Router};

/// Which hops are down. Its clones share what they know: probes write it, routers read it.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// The operator's URIs, so the default hasher serves.
    down: Arc<RwLock<HashSet<Box<str>>>>,
}

impl Health {
    /// All are up.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Is nothing known against this hop?
    #[must_use]
    pub fn is_up(&self, uri: &Uri) -> bool {
        !self
            .down
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(uri.as_str())
    }

    /// Notes what a probe found.
    pub fn set(&self, uri: &Uri, up: bool) {
        // Held for one insertion or removal, which cannot leave it half done.
        let mut down = self.down.write().unwrap_or_else(PoisonError::into_inner);
        if up {
            down.remove(uri.as_str());
        } else {
            down.insert(uri.as_str().into());
        }
    }
}

/// A router whose hops that are down are passed over, as long as one of them is up: when all are down they are tried
/// all the same, because a probe may be wrong and a refusal is certain.
///
/// ```
/// use sip_stack::message::Uri;
/// use sip_stack::routing::{Health, Probed, Table};
/// let health = Health::new();
/// let router = Probed::new(Table::new(), health.clone());
/// health.set(&Uri::parse("sip:gw1.example.com").unwrap(), false);
/// # drop(router);
/// ```
#[derive(Clone, Debug)]
pub struct Probed<R> {
    router: R,
    health: Health,
}

impl<R: Router> Probed<R> {
    /// What `router` says, but for hops that are down.
    pub const fn new(router: R, health: Health) -> Self {
        Self { router, health }
    }
}

impl<R: Router> Router for Probed<R> {
    fn route(&self, request: &Request, flow: &Flow) -> Option<Route> {
        let mut route = self.router.route(request, flow)?;
        if let Action::Forward(hops) = &mut route.action {
            let up = || hops.iter().filter(|hop| self.health.is_up(&hop.uri));
            if (1..hops.len()).contains(&up().count()) {
                *hops = up().cloned().collect();
            }
        }
        Some(route)
    }

    fn has_stateless(&self) -> bool {
        self.router.has_stateless()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{Hop, Rule, Table};
    use sip_message::{Message, ParserConfig};
    use sip_transport::{FlowId, TransportKind};

    #[test]
    fn hops_that_are_down_are_passed_over_while_one_is_up() {
        let uri = |name: &str| Uri::parse(&format!("sip:{name}.example.com")).unwrap();
        let table = Table::new().rule(Rule::new(
            Route::to([Hop::new(uri("gw1")), Hop::new(uri("gw2"))]).trusted(),
        ));
        let health = Health::new();
        let router = Probed::new(table, health.clone());
        let text = "OPTIONS sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
                    To: <sip:x@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n";
        let Ok(Message::Request(request)) = Message::parse(text.into(), &ParserConfig::default())
        else {
            panic!("a request");
        };
        let address = "192.0.2.1:5060".parse().unwrap();
        let flow = Flow::new(
            FlowId::from_parts(0, 0),
            TransportKind::Udp,
            address,
            address,
        );
        let hops = || {
            let route = router.route(&request, &flow).unwrap();
            assert!(route.is_trusted());
            match route.into_action() {
                Action::Forward(hops) => hops.iter().map(|hop| hop.uri.to_string()).collect(),
                other => vec![format!("{other:?}")],
            }
        };
        let (one, two) = ("sip:gw1.example.com", "sip:gw2.example.com");
        assert_eq!(hops(), [one, two]);
        health.set(&uri("gw1"), false);
        assert_eq!(hops(), [two]);
        health.set(&uri("gw2"), false);
        assert_eq!(
            hops(),
            [one, two],
            "when all are down, one may still answer"
        );
        health.set(&uri("gw1"), true);
        assert_eq!(hops(), [one]);
    }
}
