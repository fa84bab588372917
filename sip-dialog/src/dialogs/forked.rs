//! A SUBSCRIBE of ours that a proxy forks (RFC 6665 section 4.1.4): each notifier that takes it has a dialog of its own, made by its first
//! NOTIFY. How many are wanted is for the package to say (section 5.4.9).

use std::time::Instant;

use sip_message::Request;
use sip_message::header::SubscriptionState;

use super::{Deadline, Dialogs};
use crate::authentication::AccountKey;
use crate::dialog::{ContactValue, Dialog};
use crate::index::CallKey;
use crate::io::Event;
use crate::subscription::{Role, Subscriber, Subscription, SubscriptionId};

/// What the subscriptions of one SUBSCRIBE have in common.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    pub(super) interval: u32,
    pub(super) local_tag: String,
    pub(super) account: AccountKey,
    pub(super) contact: ContactValue,
    pub(super) event: String,
}

impl Usage {
    /// One of them, without a dialog yet; `cseq` is the number of the SUBSCRIBE.
    pub(super) fn subscription(&self, key: CallKey, cseq: u32) -> Subscription {
        Subscription {
            role: Role::Subscriber(Subscriber {
                interval: self.interval,
                refresh: None,
                wait: None,
                rounds: 0,
                leaving: self.interval == 0,
                cseq,
                etag: None,
                referral: None,
            }),
            key,
            local_tag: self.local_tag.clone(),
            account: self.account,
            contact: self.contact.clone(),
            event: self.event.clone(),
            dialog: None,
            within: None,
            watches: None,
            expires: None,
        }
    }
}

/// A SUBSCRIBE that may have several subscriptions. It is kept while one of them lives, or a further one may come.
#[derive(Debug)]
pub(super) struct Forked {
    first: SubscriptionId,
    branches: Vec<SubscriptionId>,
    /// How many may still come.
    room: usize,
    cseq: u32,
    usage: Usage,
}

impl Dialogs {
    pub(super) fn expect_branches(
        &mut self,
        key: CallKey,
        first: SubscriptionId,
        usage: Usage,
        branches: usize,
        now: Instant,
    ) {
        let Some(room) = branches.checked_sub(1).filter(|room| *room > 0) else {
            return;
        };
        // Section 4.1.2.4: after Timer N a NOTIFY that makes a new dialog is refused.
        self.deadlines
            .insert(now + self.config.t1 * 64, Deadline::Branches(key));
        let forked = Forked {
            first,
            branches: vec![first],
            room,
            cseq: 1,
            usage,
        };
        self.forked.insert(key, forked);
    }

    /// No further branch is taken.
    pub(super) fn close_branches(&mut self, key: CallKey) {
        if let Some(forked) = self.forked.get_mut(&key) {
            forked.room = 0;
            if forked.branches.len() <= 1 {
                self.forked.remove(&key);
            }
        }
    }

    /// A challenge has raised the number of the SUBSCRIBE: the branches go on from there too.
    pub(super) fn branches_follow(&mut self, key: CallKey, number: u32) {
        let Some(forked) = self.forked.get_mut(&key) else {
            return;
        };
        if number <= forked.cseq {
            return;
        }
        forked.cseq = number;
        for branch in &forked.branches {
            if let Some(subscription) = self.subscriptions.get_mut(branch)
                && let Some(dialog) = &mut subscription.dialog
            {
                dialog.local_cseq = dialog.local_cseq.max(number);
            }
        }
    }

    /// A subscription is taken out: what is left of its SUBSCRIBE is found by another one.
    pub(super) fn leave_branches(&mut self, id: SubscriptionId, key: CallKey) {
        let Some(forked) = self.forked.get_mut(&key) else {
            self.by_subscription.remove(&key);
            return;
        };
        forked.branches.retain(|branch| *branch != id);
        match forked.branches.first() {
            Some(other) => {
                self.by_subscription.insert(key, *other);
            }
            None => {
                self.by_subscription.remove(&key);
                if forked.room == 0 {
                    self.forked.remove(&key);
                }
            }
        }
    }

    /// The subscription that a NOTIFY with this key is of: by the tag of its notifier where there may be several, one of which it may make.
    pub(super) fn branch_of(
        &mut self,
        key: CallKey,
        notify: &Request,
        now: Instant,
    ) -> Option<SubscriptionId> {
        let any = self.by_subscription.get(&key).copied();
        let Some(forked) = self.forked.get(&key) else {
            return any;
        };
        let from = notify.headers().from_tag().unwrap_or_default();
        let of_tag = |id: &&SubscriptionId| {
            self.subscriptions
                .get(id)
                .and_then(|subscription| subscription.dialog.as_ref())
                .is_some_and(|dialog| dialog.remote_tag() == from)
        };
        let fresh = |id: &&SubscriptionId| {
            self.subscriptions
                .get(id)
                .is_some_and(|subscription| subscription.dialog.is_none())
        };
        let known = forked
            .branches
            .iter()
            .find(of_tag)
            .or_else(|| forked.branches.iter().find(fresh));
        if let Some(known) = known {
            return Some(*known);
        }
        self.new_branch(key, notify, now).or(any)
    }

    fn new_branch(
        &mut self,
        key: CallKey,
        notify: &Request,
        now: Instant,
    ) -> Option<SubscriptionId> {
        let full = self.subscriptions.len() >= self.config.subscriptions;
        let forked = self.forked.get_mut(&key)?;
        let subscription = forked.usage.subscription(key, forked.cseq);
        let event = notify.headers().get(sip_message::HeaderName::Event)?;
        let state = notify.headers().typed::<SubscriptionState<'_>>().ok()??;
        if full || forked.room == 0 || !super::usage::is_of(&subscription, event) {
            return None;
        }
        Dialog::of_uas(notify, &subscription.local_tag)?;
        forked.room -= 1;
        let first = forked.first;
        let interval = forked.usage.interval;
        let id = SubscriptionId(self.mint());
        if let Some(forked) = self.forked.get_mut(&key) {
            forked.branches.push(id);
        }
        self.subscriptions.insert(id, subscription);
        self.by_subscription.entry(key).or_insert(id);
        if interval > 0 && state.expires().is_none() {
            // The 200 to the SUBSCRIBE, which says how long, is of another branch.
            self.lasts(id, interval, now);
        }
        self.tell(Event::SubscriptionForked {
            subscription: first,
            branch: id,
        });
        Some(id)
    }
}
