//! [`Memory`]: bindings that end with the process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::{Binding, BindingUpdate, Cause, Feed, LocationStore, Refresh, UpdateOutcome, apply};
use crate::domain::Aor;
use crate::store::{BoxFuture, StoreError};

/// A location store in memory, for tests and for servers whose telephones register again soon.
///
/// The map is keyed by what peers choose, so it uses the standard library's keyed hasher.
#[derive(Debug)]
pub struct Memory {
    bindings: Mutex<Map>,
    limit: usize,
    feed: Feed,
}

type Map = HashMap<Aor, Arc<[Binding]>>;

impl Memory {
    /// An empty store for up to a million addresses of record.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(1_000_000)
    }

    /// An empty store for so many addresses of record; one more is refused as [`StoreError::Full`].
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            bindings: Mutex::default(),
            limit,
            feed: Feed::default(),
        }
    }

    fn apply(
        &self,
        aor: &Aor,
        update: BindingUpdate,
        now: SystemTime,
    ) -> Result<UpdateOutcome, StoreError> {
        let mut map = self.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        // A refresh is looked up once.
        if let Some(known) = map.get_mut(aor) {
            let outcome = apply(known, update, now);
            if let UpdateOutcome::Stored(bindings) = &outcome {
                if bindings.is_empty() {
                    map.remove(aor);
                } else {
                    known.clone_from(bindings);
                }
            }
            return Ok(outcome);
        }
        let outcome = apply(&[], update, now);
        if let UpdateOutcome::Stored(bindings) = &outcome
            && !bindings.is_empty()
        {
            self.insert(&mut map, aor, Arc::clone(bindings), now)?;
        }
        Ok(outcome)
    }

    fn insert(
        &self,
        map: &mut Map,
        aor: &Aor,
        bindings: Arc<[Binding]>,
        now: SystemTime,
    ) -> Result<(), StoreError> {
        if map.len() >= self.limit {
            // Make room once; expired bindings are otherwise only dropped when they are touched.
            map.retain(|_, bindings| bindings.iter().any(|binding| binding.is_live(now)));
            if map.len() >= self.limit {
                return Err(StoreError::Full);
            }
        }
        map.insert(aor.clone(), bindings);
        Ok(())
    }

    fn refresh(
        &self,
        aor: &Aor,
        refresh: &Refresh<'_>,
        now: SystemTime,
    ) -> Option<Result<UpdateOutcome, StoreError>> {
        let mut map = self.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        if refresh.follows {
            return refresh.apply(map.get_mut(aor)?, now).map(Ok);
        }
        let is_full = map.len() >= self.limit;
        // What is looked up is hashed once.
        let slot = match map.entry(aor.clone()) {
            Entry::Occupied(mut known) => return refresh.apply(known.get_mut(), now).map(Ok),
            Entry::Vacant(slot) => slot,
        };
        let bindings: Arc<[Binding]> = Arc::new([refresh.alone(now)]);
        if !is_full {
            slot.insert(Arc::clone(&bindings));
            return Some(Ok(UpdateOutcome::Stored(bindings)));
        }
        let inserted = self.insert(&mut map, aor, Arc::clone(&bindings), now);
        Some(inserted.map(|()| UpdateOutcome::Stored(bindings)))
    }

    fn update_now(
        &self,
        aor: &Aor,
        update: BindingUpdate,
        now: SystemTime,
    ) -> Result<UpdateOutcome, StoreError> {
        let cause = update.cause;
        let outcome = self.apply(aor, update, now);
        if matches!(outcome, Ok(UpdateOutcome::Stored(_))) {
            self.feed.changed(aor, cause);
        }
        outcome
    }

    fn lookup_now(&self, aor: &Aor, now: SystemTime) -> Vec<Binding> {
        let map = self.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(aor)
            .into_iter()
            .flat_map(|bindings| bindings.iter())
            .filter(|binding| binding.is_live(now))
            .cloned()
            .collect()
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl LocationStore for Memory {
    fn lookup(&self, aor: &Aor, now: SystemTime) -> BoxFuture<Result<Vec<Binding>, StoreError>> {
        Box::pin(std::future::ready(Ok(self.lookup_now(aor, now))))
    }

    fn update(
        &self,
        aor: &Aor,
        update: BindingUpdate,
        now: SystemTime,
    ) -> BoxFuture<Result<UpdateOutcome, StoreError>> {
        Box::pin(std::future::ready(self.update_now(aor, update, now)))
    }

    fn lookup_at_once(
        &self,
        aor: &Aor,
        now: SystemTime,
    ) -> Option<Result<Vec<Binding>, StoreError>> {
        Some(Ok(self.lookup_now(aor, now)))
    }

    fn update_at_once(
        &self,
        aor: &Aor,
        update: BindingUpdate,
        now: SystemTime,
    ) -> Result<Result<UpdateOutcome, StoreError>, BindingUpdate> {
        Ok(self.update_now(aor, update, now))
    }

    fn refresh_at_once(
        &self,
        aor: &Aor,
        refresh: &Refresh<'_>,
        now: SystemTime,
    ) -> Option<Result<UpdateOutcome, StoreError>> {
        let outcome = self.refresh(aor, refresh, now)?;
        if matches!(outcome, Ok(UpdateOutcome::Stored(_))) {
            self.feed.changed(aor, Cause::Request);
        }
        Some(outcome)
    }

    fn feed(&self) -> Option<&Feed> {
        Some(&self.feed)
    }

    fn len(&self) -> Option<usize> {
        Some(
            self.bindings
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .len(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::{Change, ContactUpdate};

    fn update(expires: u32, cseq: u32) -> BindingUpdate {
        BindingUpdate::new(
            "a",
            cseq,
            Change::Contacts(vec![ContactUpdate::new("sip:a@192.0.2.1", expires)]),
        )
    }

    #[tokio::test]
    async fn what_was_stored_is_found_until_it_expires() {
        let (store, aor) = (Memory::new(), Aor::new("alice", "example.com"));
        let now = SystemTime::UNIX_EPOCH;
        assert!(
            matches!(store.update(&aor, update(60, 1), now).await, Ok(UpdateOutcome::Stored(all)) if all.len() == 1)
        );
        assert_eq!(store.lookup(&aor, now).await.unwrap().len(), 1);
        assert_eq!(
            store
                .lookup(&aor, now + std::time::Duration::from_secs(60))
                .await
                .unwrap()
                .len(),
            0
        );
        store.update(&aor, update(0, 2), now).await.unwrap();
        assert_eq!(store.len(), Some(0));
    }

    /// A refresh is what the update of one contact is, whatever is stored; if it is decided at all.
    #[test]
    fn a_refresh_is_an_update_of_one_contact() {
        let (at_once, whole) = (Memory::with_limit(2), Memory::with_limit(2));
        let start = SystemTime::UNIX_EPOCH;
        let mut decided = 0;
        for (seconds, user, contact, parameters, q, call_id, cseq) in [
            (0, "alice", "sip:a@192.0.2.1", "", None, "a", 5),
            (0, "alice", "sip:a@192.0.2.1", "", None, "a", 5),
            (9, "alice", "sip:a@192.0.2.1", "", Some(500), "a", 6),
            (9, "alice", "sip:a@192.0.2.1:5060", "", None, "a", 7),
            (9, "bob", "sip:b@192.0.2.1", "", None, "b", 1),
            (10, "alice", "SIP:a@192.0.2.1;x", ";audio", None, "b", 1),
            (10, "alice", "sip:a@192.0.2.1;x", ";audio", None, "b", 2),
            (10, "bob", "sip:b@192.0.2.1", "", None, "c", 1),
            (10, "carol", "sip:c@192.0.2.1", "", None, "c", 1),
            (99, "bob", "sip:b@192.0.2.1", "", None, "c", 1),
            (99, "carol", "sip:c@192.0.2.1", "", None, "c", 1),
        ] {
            let (aor, now) = (
                Aor::new(user, "h"),
                start + std::time::Duration::from_secs(seconds),
            );
            let q = q.map(crate::location::Q::from_thousandths);
            let refresh = Refresh {
                contact,
                parameters,
                q,
                expires: 60,
                user_agent: "Phone",
                call_id,
                cseq,
                limit: 10,
                follows: false,
            };
            let mut one = ContactUpdate::new(contact, 60);
            (one.parameters, one.q, one.user_agent) = (parameters.into(), q, "Phone".into());
            let update = BindingUpdate::new(call_id, cseq, Change::Contacts(vec![one]));
            // Somebody may look at what was stored before.
            let kept = (cseq == 6).then(|| at_once.bindings.lock().unwrap().clone());
            let outcome = match at_once.refresh_at_once(&aor, &refresh, now) {
                Some(outcome) => {
                    decided += 1;
                    outcome
                }
                None => at_once.update_now(&aor, update.clone(), now),
            };
            assert_eq!(outcome, whole.update_now(&aor, update, now), "{contact}");
            assert_eq!(
                *at_once.bindings.lock().unwrap(),
                *whole.bindings.lock().unwrap()
            );
            assert!(kept.is_none_or(|kept| kept[&aor][0].cseq == 5));
        }
        // Not: another contact beside one, an expired one, and one of two.
        assert_eq!(decided, 7);
    }

    #[tokio::test]
    async fn a_full_store_refuses_and_then_forgets_the_expired() {
        let store = Memory::with_limit(1);
        let now = SystemTime::UNIX_EPOCH;
        store
            .update(&Aor::new("alice", "h"), update(60, 1), now)
            .await
            .unwrap();
        assert!(matches!(
            store
                .update(&Aor::new("bob", "h"), update(60, 1), now)
                .await,
            Err(StoreError::Full)
        ));
        let later = now + std::time::Duration::from_secs(61);
        assert!(
            store
                .update(&Aor::new("bob", "h"), update(60, 1), later)
                .await
                .is_ok()
        );
    }
}
