//! The stores that a stack may ask itself, because some know the answer at once.

use std::sync::Arc;
use std::time::SystemTime;

use super::Stack;
use crate::location::LocationStore;
use crate::role::{Answer, Asked, Need};
use crate::users::CredentialStore;

/// What was answered so, which takes no time that is worth a look at the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnsweredAtOnce {
    /// Bindings read.
    pub lookups: u64,
    /// Bindings changed.
    pub updates: u64,
    /// Hashes of users.
    pub credentials: u64,
}

#[derive(Debug, Default)]
pub(super) struct Stores {
    location: Option<Arc<dyn LocationStore>>,
    credentials: Option<Arc<dyn CredentialStore>>,
    answered: AnsweredAtOnce,
}

impl Stores {
    pub(super) fn ask(&mut self, need: Need, wall: SystemTime) -> Asked {
        match (need, &self.location, &self.credentials) {
            (Need::Update { aor, update }, Some(store), _) => {
                match store.update_at_once(&aor, update, wall) {
                    Ok(outcome) => {
                        self.answered.updates += 1;
                        Asked::Known(Answer::Updated(outcome))
                    }
                    Err(update) => Asked::Unknown(Need::Update { aor, update }),
                }
            }
            (Need::Lookup { aor }, Some(store), _) => match store.lookup_at_once(&aor, wall) {
                Some(bindings) => {
                    self.answered.lookups += 1;
                    Asked::Known(Answer::Bindings(bindings))
                }
                None => Asked::Unknown(Need::Lookup { aor }),
            },
            (Need::Credential { username, realm }, _, Some(store)) => {
                match store.credential_at_once(&username, &realm) {
                    Some(hashes) => {
                        self.answered.credentials += 1;
                        Asked::Known(Answer::Credential(hashes))
                    }
                    None => Asked::Unknown(Need::Credential { username, realm }),
                }
            }
            (need, ..) => Asked::Unknown(need),
        }
    }
}

impl Stack {
    /// Asks these stores itself, from now on, for what they know at once; [`Output::Need`](super::Output::Need) is for the rest.
    pub fn use_stores(
        &mut self,
        location: Option<Arc<dyn LocationStore>>,
        credentials: Option<Arc<dyn CredentialStore>>,
    ) {
        self.stores.location = location;
        self.stores.credentials = credentials;
    }

    /// How many questions they have answered.
    #[must_use]
    pub const fn answered_at_once(&self) -> AnsweredAtOnce {
        self.stores.answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Aor;
    use crate::location::{BindingUpdate, Change, ContactUpdate, Memory, UpdateOutcome};
    use crate::users;

    #[test]
    fn what_is_in_memory_is_known_and_the_rest_is_asked_again() {
        let mut stores = Stores::default();
        let aor = Aor::new("alice", "example.com");
        let lookup = Need::Lookup { aor: aor.clone() };
        let wall = SystemTime::UNIX_EPOCH;
        assert!(matches!(stores.ask(lookup.clone(), wall), Asked::Unknown(need) if need == lookup));
        stores.location = Some(Arc::new(Memory::new()));
        stores.credentials = Some(Arc::new(
            users::Memory::new("example.com").with("alice", "x"),
        ));
        let contacts = vec![ContactUpdate::new("sip:alice@192.0.2.1", 60)];
        let update = BindingUpdate::new("c", 1, Change::Contacts(contacts));
        let update = Need::Update { aor, update };
        assert!(matches!(
            stores.ask(update, wall),
            Asked::Known(Answer::Updated(Ok(UpdateOutcome::Stored(all)))) if all.len() == 1
        ));
        assert!(matches!(
            stores.ask(lookup, wall),
            Asked::Known(Answer::Bindings(Ok(all))) if all.len() == 1
        ));
        let credential = Need::Credential {
            username: "alice".into(),
            realm: "example.com".into(),
        };
        assert!(matches!(
            stores.ask(credential, wall),
            Asked::Known(Answer::Credential(Ok(Some(_))))
        ));
        let name = Need::Rewrites { name: "x".into() };
        assert!(matches!(stores.ask(name, wall), Asked::Unknown(_)));
        let answered = stores.answered;
        assert_eq!(
            (answered.lookups, answered.updates, answered.credentials),
            (1, 1, 1)
        );
    }
}
