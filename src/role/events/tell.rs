//! What subscribers are told (RFC 6665 §4.2.2): all of the state first and at each refresh, and what has changed in between.

use std::time::{Instant, SystemTime};

use sip_dialog::{Body, SubscriptionId, SubscriptionStatus};
use sip_transaction::TransactionLayer;

use super::package::Scope;
use super::{Events, Key};

impl Events {
    /// Tells the state to who waits for it, and what has changed to the others.
    pub(super) fn tell(
        &mut self,
        key: &Key,
        has_changed: bool,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) {
        let Some(resource) = self.resources.get_mut(key) else {
            return;
        };
        if has_changed {
            resource.told_at = Some(now);
        }
        for id in resource.subscriptions.clone() {
            let known = self.subscriptions.get(&id);
            let is_owner = known.is_some_and(|known| known.is_owner);
            match known.map(|known| known.told) {
                Some(None) => self.tell_all_of_it(id, t, wall, now),
                Some(Some(version)) if has_changed => {
                    let body = self.body(key, version, Scope::Partial, is_owner, wall);
                    self.count(id);
                    let active = SubscriptionStatus::Active;
                    let _ = self.dialogs.notify(id, active, body, t, now);
                }
                Some(Some(_)) | None => {}
            }
        }
        if has_changed && let Some(package) = self.packages.get_mut(key.0) {
            package.told(&key.1);
        }
    }

    /// The whole state, to a new subscriber or in answer to a refresh.
    pub(super) fn tell_all_of_it(
        &mut self,
        id: SubscriptionId,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) {
        let Some(subscriber) = self.subscriptions.get(&id) else {
            return;
        };
        let (key, told, is_owner) = (subscriber.key.clone(), subscriber.told, subscriber.is_owner);
        let body = self.body(&key, told.unwrap_or(0), Scope::Full, is_owner, wall);
        self.count(id);
        let active = SubscriptionStatus::Active;
        let _ = match told {
            None => self.dialogs.grant(id, active, body, t, now),
            Some(_) => self.dialogs.notify(id, active, body, t, now),
        };
    }

    fn body(
        &mut self,
        key: &Key,
        version: u32,
        scope: Scope,
        is_owner: bool,
        wall: SystemTime,
    ) -> Option<Body> {
        let package = self.packages.get_mut(key.0)?;
        Some(Body {
            content_type: package.content_type().to_owned(),
            content: if is_owner {
                package.document_for_owner(&key.1, version, scope, wall)
            } else {
                package.document(&key.1, version, scope, wall)
            },
        })
    }

    fn count(&mut self, id: SubscriptionId) {
        if let Some(subscriber) = self.subscriptions.get_mut(&id) {
            subscriber.told = Some(subscriber.told.map_or(1, |told| told.wrapping_add(1)));
        }
    }
}
