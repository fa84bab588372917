//! [`Feed`]: which addresses of record have changed, for those who watch them.
//!
//! A store tells the feed of every change, whoever made it: itself, or another node that shares the store and says so by
//! a change notice. What is told is only that something changed, so a notice may come twice or late; who wants to know
//! what there is now asks the store. Nothing is kept of addresses that nobody watches, and of others at most one notice,
//! so that nothing grows however fast the changes come.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::domain::Aor;

/// Why bindings have changed, where the bindings themselves do not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A telephone asked for it, or the time was over, or the store does not know.
    Request,
    /// An operator removed bindings; telephones may register again (RFC 3680 §4.7.1 `deactivated`).
    Deactivated,
    /// The user is no user any more (RFC 3680 §4.7.1 `rejected`).
    Rejected,
}

/// That an address of record has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made here, read by drivers")]
pub struct Notice {
    /// Which.
    pub aor: Aor,
    /// Why.
    pub cause: Cause,
}

/// Where a store tells its changes; clones are the same feed.
///
/// ```
/// use sip_stack::domain::Aor;
/// use sip_stack::location::{Cause, Feed};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (feed, alice) = (Feed::default(), Aor::new("alice", "example.com"));
/// let mut watcher = feed.watcher();
/// watcher.watch(alice.clone());
/// feed.changed(&alice, Cause::Request);
/// assert_eq!(watcher.next().await.aor, alice);
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Feed {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    watchers: RwLock<Vec<Arc<Shared>>>,
    /// How many addresses are watched: a store that nobody watches pays one load for each change.
    watched: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What is watched; with the cause of a change that was not taken yet.
    watched: BTreeMap<Aor, Option<Cause>>,
    /// The changed ones, each once, in order.
    changed: VecDeque<Aor>,
}

impl Feed {
    /// An address of record has changed.
    pub fn changed(&self, aor: &Aor, cause: Cause) {
        if self.inner.watched.load(Ordering::Acquire) == 0 {
            return;
        }
        for shared in self.watchers() {
            let mut state = shared.lock();
            let State { watched, changed } = &mut *state;
            if let Some(told) = watched.get_mut(aor) {
                if told.is_none() {
                    changed.push_back(aor.clone());
                }
                // What an operator did explains more.
                if told.is_none_or(|told| told == Cause::Request) {
                    *told = Some(cause);
                }
                drop(state);
                shared.wake.notify_one();
            }
        }
    }

    /// Changes may have been missed: every address that is watched counts as changed.
    pub fn all_changed(&self) {
        for shared in self.watchers() {
            let mut state = shared.lock();
            let State { watched, changed } = &mut *state;
            for (aor, told) in watched.iter_mut() {
                if told.is_none() {
                    changed.push_back(aor.clone());
                    *told = Some(Cause::Request);
                }
            }
            drop(state);
            shared.wake.notify_one();
        }
    }

    /// Does anybody watch this one?
    #[must_use]
    pub fn is_watched(&self, aor: &Aor) -> bool {
        self.inner.watched.load(Ordering::Acquire) > 0
            && self
                .watchers()
                .iter()
                .any(|shared| shared.lock().watched.contains_key(aor))
    }

    /// One who watches, nothing at first.
    #[must_use]
    pub fn watcher(&self) -> Watcher {
        let shared = Arc::<Shared>::default();
        self.inner
            .watchers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&shared));
        Watcher {
            feed: self.clone(),
            shared,
        }
    }

    fn watchers(&self) -> Vec<Arc<Shared>> {
        self.inner
            .watchers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who watches some addresses of record; made by [`Feed::watcher`].
#[derive(Debug)]
pub struct Watcher {
    feed: Feed,
    shared: Arc<Shared>,
}

impl Watcher {
    /// Watches one more.
    pub fn watch(&self, aor: Aor) {
        let mut state = self.shared.lock();
        if state.watched.insert(aor, None).is_none() {
            self.feed.inner.watched.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Watches one less.
    pub fn unwatch(&self, aor: &Aor) {
        let mut state = self.shared.lock();
        if state.watched.remove(aor).is_some() {
            self.feed.inner.watched.fetch_sub(1, Ordering::AcqRel);
            state.changed.retain(|changed| changed != aor);
        }
    }

    /// The next change; waits for one. A call that is given up loses nothing.
    pub async fn next(&mut self) -> Notice {
        loop {
            if let Some(notice) = self.try_next() {
                return notice;
            }
            self.shared.wake.notified().await;
        }
    }

    /// The next change that is there already.
    #[must_use]
    pub fn try_next(&self) -> Option<Notice> {
        let mut state = self.shared.lock();
        let aor = state.changed.pop_front()?;
        let cause = state.watched.get_mut(&aor)?.take()?;
        Some(Notice { aor, cause })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let watched = self.shared.lock().watched.len();
        self.feed.inner.watched.fetch_sub(watched, Ordering::AcqRel);
        self.feed
            .inner
            .watchers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|shared| !Arc::ptr_eq(shared, &self.shared));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aor(user: &str) -> Aor {
        Aor::new(user, "example.com")
    }

    fn all(watcher: &Watcher) -> Vec<(String, Cause)> {
        std::iter::from_fn(|| watcher.try_next())
            .map(|notice| (notice.aor.user().to_owned(), notice.cause))
            .collect()
    }

    #[test]
    fn only_what_is_watched_is_told_and_once() {
        let feed = Feed::default();
        feed.changed(&aor("alice"), Cause::Request);
        let watcher = feed.watcher();
        watcher.watch(aor("alice"));
        watcher.watch(aor("carol"));
        for _ in 0..1000 {
            feed.changed(&aor("alice"), Cause::Request);
            feed.changed(&aor("bob"), Cause::Request);
        }
        assert_eq!(all(&watcher), [("alice".to_owned(), Cause::Request)]);
        assert!(feed.is_watched(&aor("carol")) && !feed.is_watched(&aor("bob")));
        // What an operator did is not forgotten for what came after.
        feed.changed(&aor("carol"), Cause::Rejected);
        feed.changed(&aor("carol"), Cause::Request);
        assert_eq!(all(&watcher), [("carol".to_owned(), Cause::Rejected)]);
    }

    #[test]
    fn who_does_not_watch_any_more_hears_nothing() {
        let feed = Feed::default();
        let (first, second) = (feed.watcher(), feed.watcher());
        first.watch(aor("alice"));
        second.watch(aor("alice"));
        feed.changed(&aor("alice"), Cause::Request);
        first.unwatch(&aor("alice"));
        assert!(all(&first).is_empty());
        assert_eq!(all(&second).len(), 1);
        drop(second);
        assert_eq!(feed.inner.watched.load(Ordering::Acquire), 0);
        assert_eq!(feed.watchers().len(), 1);
    }

    #[test]
    fn after_a_loss_everything_has_changed() {
        let feed = Feed::default();
        let watcher = feed.watcher();
        watcher.watch(aor("alice"));
        watcher.watch(aor("bob"));
        feed.changed(&aor("bob"), Cause::Request);
        feed.all_changed();
        let users: Vec<String> = all(&watcher).into_iter().map(|(user, _)| user).collect();
        assert_eq!(users, ["bob", "alice"]);
    }
}
