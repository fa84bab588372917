//! Event packages that are served without the application (RFC 6665 section 4.2, RFC 3903 section 6).

use std::time::Instant;

use sip_message::Request;
use sip_transaction::TransactionLayer;

use super::Dialogs;
use crate::io::{Body, Event};
use crate::package::EventPackage;
use crate::publication::{PublicationChange, PublicationEnd, PublicationId};
use crate::subscription::{SubscriptionId, SubscriptionStatus};

impl Dialogs {
    /// Serves an event package from now on: who subscribes to it is granted or refused by it, and told its state; and so who publishes.
    /// One of the same name gives way.
    pub fn add_package(&mut self, package: Box<dyn EventPackage>) {
        let name = package.name().to_owned();
        if package.is_published() && !self.config.publish_packages.contains(&name) {
            self.config.publish_packages.push(name.clone());
        }
        if !self.config.event_packages.contains(&name) {
            self.config.event_packages.push(name.clone());
        }
        self.packages.retain(|known| known.name() != name);
        self.packages.push(package);
        self.allow = self.config.allow();
        self.allow_events = self.config.allow_events();
    }

    /// The package of that name, to be asked or changed; then [`Self::state_changed`].
    pub fn package(&mut self, name: &str) -> Option<&mut (dyn EventPackage + 'static)> {
        self.packages
            .iter_mut()
            .find(|package| package.name() == name)
            .map(Box::as_mut)
    }

    /// The state of a resource has changed: each subscriber is told.
    pub fn state_changed(
        &mut self,
        package: &str,
        resource: &str,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        self.last_now = Some(now);
        self.tell_watchers(package, resource);
    }

    /// Who is subscribed to a resource of a package that was added.
    #[must_use]
    pub fn watchers(&self, package: &str, resource: &str) -> &[SubscriptionId] {
        self.watchers
            .get(&(package.to_owned(), resource.to_owned()))
            .map_or(&[], Vec::as_slice)
    }

    fn tell_watchers(&mut self, package: &str, resource: &str) {
        let watchers = self.watchers(package, resource).to_vec();
        if watchers.is_empty() {
            return;
        }
        let body = self
            .package(package)
            .and_then(|known| known.state(resource));
        for id in watchers {
            let status = self.told_status(id);
            // Who is not decided about is told nothing (RFC 6665 section 4.2.1.2).
            let body = body
                .clone()
                .filter(|_| status != SubscriptionStatus::Pending);
            let _ = self.tell_subscriber(id, status, body);
        }
    }

    /// A subscription that the application need not hear of; whether it is of a package that was added.
    pub(super) fn serve(
        &mut self,
        id: SubscriptionId,
        event: &str,
        request: &Request,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> bool {
        let name = event.split(';').next().unwrap_or_default().trim();
        let Some(resource) = request
            .uri()
            .ok()
            .map(|uri| uri.without_params().to_owned())
        else {
            return false;
        };
        let Some(package) = self.package(name) else {
            return false;
        };
        let verdict = package.authorize(&resource, request);
        let body = package
            .state(&resource)
            .filter(|_| verdict == Ok(SubscriptionStatus::Active));
        let key = (name.to_owned(), resource);
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.watches = Some(Box::new(key.clone()));
        }
        match verdict {
            Ok(status) => {
                self.watchers.entry(key).or_default().push(id);
                let _ = self.grant(id, status, body, t, now);
            }
            Err(status) => {
                let _ = self.refuse(id, status, t, now);
            }
        }
        true
    }

    /// Forgets who watches.
    pub(super) fn unwatch(&mut self, id: SubscriptionId, key: &(String, String)) {
        if let Some(watchers) = self.watchers.get_mut(key) {
            watchers.retain(|watcher| *watcher != id);
            if watchers.is_empty() {
                self.watchers.remove(key);
            }
        }
    }

    /// A publication that the application need not hear of; whether it is of a package that was added.
    pub(super) fn serve_publication(
        &mut self,
        id: PublicationId,
        change: PublicationChange,
        body: Option<&Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> bool {
        let Some(published) = self.published.get(&id) else {
            return false;
        };
        let (name, resource) = (published.event.clone(), published.resource.clone());
        let Some(package) = self.package(&name) else {
            return false;
        };
        let result = package.published(&resource, id, body.cloned());
        match result {
            Err(status) if change != PublicationChange::Removed => {
                let _ = self.refuse_publication(id, status, t, now);
            }
            Ok(()) | Err(_) => {
                let _ = self.accept_publication(id, t, now);
                self.tell_watchers(&name, &resource);
            }
        }
        true
    }

    /// A publication to us is over by itself: its package is told, or the application.
    pub(super) fn publication_expired(&mut self, id: PublicationId, name: &str, resource: &str) {
        if let Some(package) = self.package(name) {
            let _ = package.published(resource, id, None);
            self.tell_watchers(name, resource);
        } else {
            self.tell(Event::PublicationEnded {
                publication: id,
                cause: PublicationEnd::Expired,
            });
        }
    }
}
