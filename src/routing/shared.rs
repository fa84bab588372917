//! [`Shared`]: a router that is exchanged while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use sip_message::Request;
use sip_transport::Flow;

use super::{Route, Router};

/// A router whose clones share what they route by, so that one of them can exchange it for the others.
///
/// ```
/// use sip_stack::routing::{Route, Rule, Shared, Table};
/// let shared = Shared::new(Table::new());
/// let of_the_server = shared.clone();
/// shared.replace(Table::new().rule(Rule::new(Route::reject(403, "Closed").unwrap())));
/// # drop(of_the_server);
/// ```
#[derive(Clone, Debug)]
pub struct Shared {
    current: Arc<RwLock<Arc<dyn Router>>>,
}

impl Shared {
    /// Begins with a router.
    #[must_use]
    pub fn new(router: impl Router + 'static) -> Self {
        Self {
            current: Arc::new(RwLock::new(Arc::new(router))),
        }
    }

    /// From now on requests go by another router; those on their way are not touched.
    pub fn replace(&self, router: impl Router + 'static) {
        // The lock is held for an assignment only, which cannot leave it half done.
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(router);
    }
}

impl Router for Shared {
    fn route(&self, request: &Request, flow: &Flow) -> Option<Route> {
        let router = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        router.route(request, flow)
    }

    fn has_stateless(&self) -> bool {
        let router = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        router.has_stateless()
    }
}
