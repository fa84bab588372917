//! Which connections have something to be read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

use crate::id::ConnectionId;

/// The connections that the system has said something of since the driver last asked, in that order. A connection is in it
/// once for each time that it was waited for, so it is no longer than there are connections.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ready: Vec<ConnectionId>,
    driver: Option<Waker>,
}

impl Readiness {
    /// What to wait with until a connection can be read.
    pub(super) fn waker(self: &Arc<Self>, connection: ConnectionId) -> Waker {
        let readiness = Arc::clone(self);
        Waker::from(Arc::new(Waiting {
            connection,
            readiness,
        }))
    }

    /// Appends those that are ready, and wakes this task for the next.
    pub(super) fn take(&self, cx: &Context<'_>, out: &mut impl Extend<ConnectionId>) {
        let mut state = self.state();
        out.extend(state.ready.drain(..));
        match &mut state.driver {
            Some(driver) => driver.clone_from(cx.waker()),
            none @ None => *none = Some(cx.waker().clone()),
        }
    }

    fn push(&self, connection: ConnectionId) {
        let mut state = self.state();
        state.ready.push(connection);
        // The driver takes all that there are, so it is woken for the first.
        let driver = match state.ready.len() {
            1 => state.driver.take(),
            _ => None,
        };
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That somebody waits for one connection. It holds nothing of the connection, which the runtime would then keep alive for as
/// long as it keeps this.
#[derive(Debug)]
struct Waiting {
    connection: ConnectionId,
    readiness: Arc<Readiness>,
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.readiness.push(self.connection);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.readiness.push(self.connection);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_driver_is_woken_once_for_all_that_is_ready() {
        let readiness = Arc::new(Readiness::default());
        let ids = [1, 2, 3].map(ConnectionId::accepted);
        let wakers = ids.map(|id| readiness.waker(id));
        // Before the driver has asked at all.
        wakers[0].wake_by_ref();
        let count = Arc::new(Count::default());
        let driver = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&driver);
        let mut out = Vec::new();
        readiness.take(&cx, &mut out);
        assert_eq!(out, [ids[0]]);
        for waker in wakers {
            waker.wake();
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        readiness.take(&cx, &mut out);
        assert_eq!(out, [ids[0], ids[0], ids[1], ids[2]]);
        readiness.waker(ids[2]).wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
