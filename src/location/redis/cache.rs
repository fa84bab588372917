//! [`Cache`]: what a node has read, believed only while it hears of changes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::Aor;

/// Texts by address of record. The map is keyed by what peers choose, so it has the standard library's keyed hasher.
#[derive(Debug)]
pub(super) struct Cache {
    state: Mutex<State>,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    texts: HashMap<Aor, String>,
    is_trusted: bool,
    /// Counts what makes readings on their way worthless: notices, and losses of the channel.
    changes: u64,
    /// The last changes of addresses of record, by their count; older readings than the oldest are not kept.
    recent: std::collections::VecDeque<(u64, Aor)>,
}

/// When a reading began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading(u64);

/// How many changes are remembered for readings on their way.
const RECENT: usize = 4096;

impl Cache {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_trusted(&self) -> bool {
        self.lock().is_trusted
    }

    /// Changes are heard of from now on, or not any more. What was read before may have changed unheard.
    pub(super) fn trust(&self, is_trusted: bool) {
        let mut state = self.lock();
        state.is_trusted = is_trusted;
        state.changes += 1;
        state.texts.clear();
        state.recent.clear();
    }

    /// What was read last, for a guess.
    pub(super) fn text(&self, aor: &Aor) -> Option<String> {
        self.lock().texts.get(aor).cloned()
    }

    /// What there is.
    pub(super) fn trusted_text(&self, aor: &Aor) -> Option<String> {
        let state = self.lock();
        if !state.is_trusted {
            return None;
        }
        state.texts.get(aor).cloned()
    }

    /// It has changed.
    pub(super) fn forget(&self, aor: &Aor) {
        let mut state = self.lock();
        state.texts.remove(aor);
        state.changes += 1;
        let at = state.changes;
        state.recent.push_back((at, aor.clone()));
        if state.recent.len() > RECENT {
            state.recent.pop_front();
        }
    }

    pub(super) fn begin(&self, _aor: &Aor) -> Reading {
        Reading(self.lock().changes)
    }

    /// Keeps what was read, unless it was changed after the reading began.
    pub(super) fn keep(&self, aor: &Aor, text: String, reading: Reading) {
        let mut state = self.lock();
        let unknown = state.changes - reading.0;
        let heard = u64::try_from(state.recent.len()).unwrap_or(0);
        let is_changed = unknown > heard
            || state
                .recent
                .iter()
                .rev()
                .take_while(|(at, _)| *at > reading.0)
                .any(|(_, changed)| changed == aor);
        if !state.is_trusted || is_changed || self.limit == 0 {
            return;
        }
        if state.texts.len() >= self.limit {
            // All at once, which is rare and cheap; those that are called come back.
            state.texts.clear();
        }
        state.texts.insert(aor.clone(), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aor(user: &str) -> Aor {
        Aor::new(user, "h")
    }

    #[test]
    fn nothing_is_believed_without_the_channel() {
        let cache = Cache::new(10);
        let reading = cache.begin(&aor("a"));
        cache.keep(&aor("a"), "1".to_owned(), reading);
        assert_eq!(cache.trusted_text(&aor("a")), None);
        cache.trust(true);
        // What was on its way when the channel came is older than it.
        cache.keep(&aor("a"), "1".to_owned(), reading);
        assert_eq!(cache.trusted_text(&aor("a")), None);
        let reading = cache.begin(&aor("a"));
        cache.keep(&aor("a"), "2".to_owned(), reading);
        assert_eq!(cache.trusted_text(&aor("a")).as_deref(), Some("2"));
        cache.trust(false);
        assert_eq!(
            (cache.trusted_text(&aor("a")), cache.text(&aor("a"))),
            (None, None)
        );
    }

    #[test]
    fn a_notice_that_overtakes_its_reading_wins() {
        let cache = Cache::new(10);
        cache.trust(true);
        let (old, other) = (cache.begin(&aor("a")), cache.begin(&aor("b")));
        cache.forget(&aor("a"));
        cache.keep(&aor("a"), "old".to_owned(), old);
        cache.keep(&aor("b"), "b".to_owned(), other);
        assert_eq!(cache.trusted_text(&aor("a")), None);
        assert_eq!(cache.trusted_text(&aor("b")).as_deref(), Some("b"));
        // More changes than are remembered: nobody knows, so it is not kept.
        let late = cache.begin(&aor("c"));
        for number in 0..RECENT + 10 {
            cache.forget(&aor(&number.to_string()));
        }
        cache.keep(&aor("c"), "c".to_owned(), late);
        assert_eq!(cache.trusted_text(&aor("c")), None);
    }

    #[test]
    fn it_is_bounded() {
        let cache = Cache::new(3);
        cache.trust(true);
        for number in 0..10 {
            let aor = aor(&number.to_string());
            let reading = cache.begin(&aor);
            cache.keep(&aor, "x".to_owned(), reading);
            assert!(cache.lock().texts.len() <= 3);
        }
    }
}
